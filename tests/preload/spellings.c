/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * However a path is spelled, and wherever in memory it lies, it leads to the tree or it doesn't:
 * the quick look that most of the host's paths get must not miss one of ours.
 */
#include <glob.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client.h"

#define PAGE 4096u

static char *edge; /* the end of a page behind which nothing is */

static void setup(void)
{
	edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(edge != MAP_FAILED && !munmap(edge + PAGE, PAGE));
	edge += PAGE;
}

/* 1: our /dev/iommu; 2: our device's vendor; 0: neither. */
static int what(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return 0;
	if (S_ISCHR(st.st_mode))
		return st.st_rdev == makedev(10, 127);
	return S_ISREG(st.st_mode) ? 2 : 0;
}

/* At the end of a page, in the middle of one, and across two. */
static int everywhere(const char *path)
{
	static char pages[2 * PAGE];
	size_t len = strlen(path) + 1;
	int found = what(strcpy(edge - len, path));

	CHECK(what(strcpy(pages + 64, path)) == found);
	CHECK(what(strcpy(pages + PAGE - len / 2, path)) == found);
	CHECK(what(strcpy(pages + PAGE - 63, path)) == found);
	CHECK(what(strcpy(pages + PAGE - 64, path)) == found);
	return found;
}

/* Each slash of @path in turn as something that means the same. */
static void spelled(const char *path, int want)
{
	static const char *const slashes[] = {"//", "/./", "/.//./", "///////////////"};
	char text[512];

	CHECK(everywhere(path) == want);
	for (size_t i = 0; i < sizeof(slashes) / sizeof(slashes[0]); i++) {
		for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
			snprintf(text, sizeof(text), "%.*s%s%s", (int)(p - path), path, slashes[i],
				 p + 1);
			CHECK(everywhere(text) == want);
		}
	}
}

static void test_ours(void)
{
	static const char *const detours[] = {
		"/dev/shm/..",
		"/proc/self/../../dev",
		"/sys/class/net/../../../dev",
		"/sys/devices/system/cpu/cpu0/../../../../../sys/devices/system/cpu/../../../../dev",
	};
	char text[512];

	spelled("/dev/iommu", 1);
	spelled(SYS_DEVICE "/vendor", 2);
	spelled("/sys/kernel/iommu_groups/0/devices/" BDF "/vendor", 2);
	spelled("/sys/bus/pci/drivers/vfio-pci/" BDF "/iommu_group/devices/" BDF "/driver/" BDF
		"/subsystem/devices/" BDF "/vendor",
		2);
	for (size_t i = 0; i < sizeof(detours) / sizeof(detours[0]); i++) {
		if (strstr(detours[i], "cpu0") && access("/sys/devices/system/cpu/cpu0", F_OK))
			continue;
		snprintf(text, sizeof(text), "%s/iommu", detours[i]);
		CHECK(everywhere(text) == 1);
	}
}

/* ".." behind more than is looked at at once. */
static void test_long(void)
{
	char folder[128] = "/dev/shm/spellings-", text[512];

	memset(folder + strlen(folder), 'x', 100);
	snprintf(folder + 110, 16, "%d", getpid());
	CHECK(!mkdir(folder, 0700));
	snprintf(text, sizeof(text), "%s/../../iommu", folder);
	CHECK(everywhere(text) == 1);
	CHECK(!rmdir(folder));
}

static void test_not_ours(void)
{
	static const char *const others[] = {
		"/dev/iomm",   "/dev/iommu0", "/dev/iommu.", "/dev/Iommu", "/dev/vfioo/vfio",
		"/dew/iommu",  "/dev/vfi",    "/devv/iommu", "/iommu",	   "/dev/null/iommu",
		"/proc/iommu", "/sys/iommu",  "/s/dev/iommu"};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		CHECK(everywhere(others[i]) == 0);
	CHECK(!access("/proc/self/stat", R_OK) && !access("/dev/null", R_OK));
	CHECK(!access("/dev/fd", F_OK) && access("/dev/vfio/none", F_OK));
}

/* Names of a descriptor and of the working folder, as /proc has them. */
static void test_proc(void)
{
	static const char *const folders[] = {"/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"};
	char text[128], link[128];
	int fd = open_node("/dev/iommu");

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(text, sizeof(text), "%s/%d", folders[i], fd);
		CHECK(everywhere(text) == 1);
	}
	snprintf(text, sizeof(text), "/proc/%d/fd/%d", getpid(), fd);
	CHECK(everywhere(text) == 1);
	CHECK(readlink(text, link, sizeof(link)) == 10 && !memcmp(link, "/dev/iommu", 10));
	CHECK(!close(fd));
	CHECK(!chdir(SYS_DEVICE));
	CHECK(readlink("/proc/self/cwd", link, sizeof(link)) > 4 && !memcmp(link, "/sys/", 5));
	CHECK(!chdir("/proc/self/cwd") && what("vendor") == 2);
	CHECK(!chdir("/"));
}

/* Relative names, from folders of the host below those that have names of ours. */
static void test_from_folders(void)
{
	char folder[] = "/dev/shm/spellingsXXXXXX";

	CHECK(!chdir("/dev") && what("iommu") == 1 && !what("./shm/iommu"));
	CHECK(!chdir("/dev/shm") && !what("iommu") && what("../iommu") == 1);
	CHECK(what("./../iommu") == 1 && what(".././../dev/iommu") == 1);
	CHECK(mkdtemp(folder) && !chdir(folder));
	CHECK(!what("iommu") && !what("../iommu") && what("../../iommu") == 1);
	CHECK(what("../../../sys/bus/pci/devices/" BDF "/vendor") == 2);
	CHECK(!chdir("..") && !rmdir(folder) && what("../iommu") == 1);
	CHECK(!chdir("/sys/devices/system") && what("../../bus/pci/devices/" BDF "/vendor") == 2);
	CHECK(!what("vendor") && !chdir("..") && !chdir("../bus/pci/devices/" BDF));
	CHECK(what("vendor") == 2 && !chdir("/"));
}

static void test_patterns(void)
{
	static const char *const patterns[] = {"/dev/iomm?",  "/d*/iommu",  "/*ev/iommu",
					       "/[d]ev/io*u", "/?ev/iommu", "//dev/i[o]mmu"};
	glob_t found;
	bool seen;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		CHECK(!glob(patterns[i], 0, NULL, &found));
		seen = false;
		for (size_t n = 0; n < found.gl_pathc; n++)
			seen |= what(found.gl_pathv[n]) == 1;
		CHECK(seen);
		globfree(&found);
	}
}

int main(void)
{
	setup();
	test_ours();
	test_long();
	test_not_ours();
	test_proc();
	test_from_folders();
	test_patterns();
	return 0;
}

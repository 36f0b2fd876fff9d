/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that walks paths: the working folder, globs, walks of trees, and libc's older names. */
#include <dirent.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "client.h"

static bool reads(const char *path, const char *want)
{
	char buf[64] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	close(fd);
	return n >= 0 && !strcmp(buf, want);
}

static bool in(const char *want)
{
	char buf[PATH_MAX];

	return getcwd(buf, sizeof(buf)) && !strcmp(buf, want);
}

static void test_cwd(const char *self)
{
	char buf[PATH_MAX], *cwd;
	struct stat st;
	pid_t pid;
	int status, fd;

	CHECK(!chdir("/sys/bus/pci/devices") && in("/sys/bus/pci/devices"));
	CHECK(reads(BDF "/vendor", "0x1234\n") && reads("./" BDF "/../" BDF "/device", "0x11e9\n"));
	CHECK(stat("vfio-pci", &st) && !stat("../drivers/vfio-pci", &st));
	CHECK(!chdir(BDF));
	CHECK(getcwd(buf, sizeof(buf)) && !strncmp(buf, "/sys/devices/pci", 16));
	CHECK_ERR(getcwd(buf, 8) ? 0 : -1, ERANGE);
	cwd = getcwd(NULL, 0);
	CHECK(cwd && strstr(cwd, "/" BDF) && !strncmp(cwd, "/sys/", 5));
	free(cwd);
	cwd = get_current_dir_name();
	CHECK(cwd && !strncmp(cwd, "/sys/devices/pci", 16));
	free(cwd);
	CHECK(reads("vendor", "0x1234\n"));
	/* Up from where the link led, and on in the host's. */
	CHECK(!access("../" BDF, F_OK) && !access("../../../system/cpu/online", F_OK));
	CHECK(realpath("driver", buf) && !strcmp(buf, "/sys/bus/pci/drivers/vfio-pci"));
	CHECK(readlink("/proc/self/cwd", buf, sizeof(buf)) > 0 && !strncmp(buf, "/sys/dev", 8));
	/* A forked child, and a program in it. */
	pid = fork();
	if (!pid) {
		CHECK(reads("vendor", "0x1234\n"));
		execl(self, self, "there", NULL);
		_exit(9);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	fd = open("/sys/bus/pci", O_RDONLY | O_DIRECTORY);
	CHECK(fd >= 0 && !chdir("/usr") && in("/usr"));
	CHECK(!access("../sys/bus/pci/devices/" BDF, F_OK) && access("sys", F_OK));
	CHECK(!fchdir(fd) && !close(fd) && in("/sys/bus/pci"));
	/* Folders of the host, above ours. */
	CHECK(!chdir("/sys") && in("/sys") && reads("bus/pci/devices/" BDF "/vendor", "0x1234\n"));
	CHECK(!chdir("/") && !access("dev/iommu", F_OK) && !chdir("dev"));
	fd = open("iommu", O_RDWR);
	CHECK(works(fd) && !close(fd) && !access("null", F_OK));
	CHECK_ERR(chdir("/dev/iommu"), ENOTDIR);
	CHECK_ERR(chdir(SYS_DEVICE "/none"), ENOENT);
	CHECK(in("/dev"));
	CHECK(!chdir("/"));
}

/* As a program that was started in the device's folder. */
static int there(void)
{
	char *cwd = getcwd(NULL, 0);

	CHECK(cwd && !strncmp(cwd, "/sys/devices/pci", 16) && reads("vendor", "0x1234\n"));
	CHECK(!chdir("..") && !access(BDF "/vendor", F_OK));
	return 0;
}

static void test_spawn(const char *self)
{
	char word[] = "there";
	char *const argv[] = {(char *)(uintptr_t)self, word, NULL};
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	CHECK(!posix_spawn_file_actions_init(&actions));
	CHECK(!posix_spawn_file_actions_addchdir_np(&actions, SYS_DEVICE));
	CHECK(!posix_spawn_file_actions_addopen(&actions, 0, SYS_DEVICE "/vendor", O_RDONLY, 0));
	CHECK(!posix_spawn(&pid, self, &actions, NULL, argv, environ));
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	posix_spawn_file_actions_destroy(&actions);
}

static void test_glob(void)
{
	glob_t found;

	CHECK(!glob("/sys/bus/pci/devices/*" BDF "/vfio-dev/vfio[0-9]", 0, NULL, &found));
	CHECK(found.gl_pathc == 1 && !strcmp(found.gl_pathv[0], SYS_DEVICE "/vfio-dev/vfio0"));
	globfree(&found);
	CHECK(!glob("/dev/vf*/devices/*", GLOB_MARK, NULL, &found) && found.gl_pathc >= 1);
	globfree(&found);
	CHECK(glob("/sys/bus/pci/devices/none*", 0, NULL, &found) == GLOB_NOMATCH);
	CHECK(!chdir(SYS_DEVICE) && !glob("vend*", 0, NULL, &found) && found.gl_pathc == 1);
	globfree(&found);
	CHECK(!chdir("/") && !glob("/usr/li[b]", 0, NULL, &found));
	globfree(&found);
}

static int only_ours(const struct dirent *entry)
{
	return !strcmp(entry->d_name, BDF);
}

static void test_scandir(void)
{
	struct dirent **list;
	DIR *dir;
	struct dirent *entry;
	long place = 0;
	int fd, n;

	CHECK(scandir("/sys/bus/pci/devices", &list, only_ours, alphasort) == 1);
	CHECK(list[0]->d_type == DT_LNK);
	free(list[0]);
	free(list);
	fd = open("/sys/bus", O_RDONLY | O_DIRECTORY);
	n = scandirat(fd, "pci/drivers", &list, NULL, alphasort);
	CHECK(fd >= 0 && n >= 3);
	while (n--) {
		CHECK(list[n]->d_type == DT_DIR || list[n]->d_type == DT_UNKNOWN);
		free(list[n]);
	}
	free(list);
	/* The same again from a place in the middle. */
	dir = fdopendir(openat(fd, "pci/devices", O_RDONLY | O_DIRECTORY));
	CHECK(dir);
	while ((entry = readdir(dir)) && strcmp(entry->d_name, BDF))
		place = telldir(dir);
	CHECK(entry);
	seekdir(dir, place);
	CHECK((entry = readdir(dir)) && !strcmp(entry->d_name, BDF));
	rewinddir(dir);
	CHECK(readdir(dir) && !closedir(dir) && !close(fd));
}

static int seen, links;

static int step(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	CHECK(!strncmp(path, "/sys/bus/pci", 12));
	if (!strcmp(path, "/sys/bus/pci/drivers/vfio-pci/" BDF)) {
		CHECK(type == FTW_SL && ftw->level == 3 && !strcmp(path + ftw->base, BDF));
		seen++;
	}
	links += S_ISLNK(st->st_mode);
	return strcmp(path, "/sys/bus/pci/devices") ? FTW_CONTINUE : FTW_SKIP_SUBTREE;
}

static int plain_step(const char *path, const struct stat *st, int type)
{
	seen += !strcmp(path, SYS_DEVICE "/vendor") && type == FTW_F && S_ISREG(st->st_mode);
	return 0;
}

static int stop_step(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return 42;
}

static void test_ftw(void)
{
	CHECK(!nftw("/sys/bus/pci", step, 4, FTW_PHYS | FTW_ACTIONRETVAL) && seen == 1);
	CHECK(links >= 1);
	CHECK(!ftw(SYS_DEVICE, plain_step, 4) && seen == 2);
	CHECK(nftw(SYS_DEVICE, stop_step, 4, FTW_PHYS | FTW_DEPTH) == 42);
	CHECK(nftw(SYS_DEVICE "/none", stop_step, 4, 0) == -1 && errno == ENOENT);
	CHECK(nftw("/usr/lib", stop_step, 4, FTW_PHYS) == 42);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void test_fts(void)
{
	char drivers[] = "/sys/bus/pci/drivers", devices[] = "/sys/bus/pci/devices/";
	char device[] = SYS_DEVICE, usr[] = "/usr";
	FTS *fts = fts_open((char *[]){drivers, devices, NULL}, FTS_PHYSICAL, by_name);
	int found = 0, down = 0, up = 0, vendors = 0;
	FTSENT *entry;

	CHECK(fts && fts_children(fts, 0));
	while ((entry = fts_read(fts))) {
		down += entry->fts_info == FTS_D;
		up += entry->fts_info == FTS_DP;
		if (!strcmp(entry->fts_path, "/sys/bus/pci/drivers/vfio-pci/" BDF)) {
			CHECK(entry->fts_info == FTS_SL && S_ISLNK(entry->fts_statp->st_mode));
			found++;
		}
		/* Told of once as a link, and then as what it leads to. */
		if (!strcmp(entry->fts_path, SYS_DEVICE) && entry->fts_info == FTS_SL) {
			CHECK(!fts_set(fts, entry, FTS_FOLLOW));
			found++;
		}
		if (!strcmp(entry->fts_name, "vendor"))
			vendors += reads(entry->fts_accpath, "0x1234\n");
		if (entry->fts_level == 2 && entry->fts_info == FTS_D)
			CHECK(!fts_set(fts, entry, FTS_SKIP));
	}
	CHECK(!errno && found == 2 && down == up && down >= 3 && vendors == 1);
	CHECK(!fts_close(fts));
	fts = fts_open((char *[]){device, NULL}, FTS_PHYSICAL | FTS_COMFOLLOW, NULL);
	CHECK(fts && (entry = fts_read(fts)) && entry->fts_info == FTS_D && fts_read(fts));
	CHECK(!fts_close(fts));
	fts = fts_open((char *[]){usr, NULL}, FTS_PHYSICAL, NULL);
	CHECK(fts && fts_read(fts) && fts_read(fts) && !fts_close(fts));
}

static void test_syscalls(void)
{
	struct open_how how = {.flags = O_RDWR};
	char buf[PATH_MAX];
	struct statx stx;
	struct stat st;
	int fd;

	fd = (int)syscall(SYS_openat2, AT_FDCWD, "/dev/iommu", &how, sizeof(how));
	CHECK(works(fd) && !close(fd));
	how.resolve = RESOLVE_NO_SYMLINKS;
	how.flags = O_RDONLY;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, "/usr/bin", &how, sizeof(how));
	CHECK(fd >= 0 && !close(fd));
	fd = (int)syscall(SYS_open, SYS_DEVICE "/vendor", O_RDONLY);
	CHECK(fd >= 0 && !close(fd));
	CHECK(!syscall(SYS_stat, CDEV, &st) && S_ISCHR(st.st_mode));
	CHECK(!syscall(SYS_newfstatat, AT_FDCWD, SYS_DEVICE, &st, AT_SYMLINK_NOFOLLOW));
	CHECK(S_ISLNK(st.st_mode));
	CHECK(!syscall(SYS_statx, AT_FDCWD, CDEV, 0, STATX_BASIC_STATS, &stx));
	CHECK(S_ISCHR(stx.stx_mode));
	CHECK(!syscall(SYS_faccessat2, AT_FDCWD, "/dev/iommu", R_OK, 0));
	CHECK(syscall(SYS_readlink, SYS_DEVICE, buf, sizeof(buf)) > 0);
	CHECK(!syscall(SYS_chdir, SYS_DEVICE) && in(getcwd(buf, sizeof(buf))));
	CHECK(syscall(SYS_getcwd, buf, sizeof(buf)) == (long)strlen(buf) + 1);
	CHECK(!strncmp(buf, "/sys/", 5) && !chdir("/"));
}

/* A descriptor of ours, by its names in /proc and /dev. */
static void test_descriptors(void)
{
	char name[64], buf[64];
	struct stat st;
	DIR *dir;
	struct dirent *entry;
	int fd = open_node("/dev/iommu"), again;
	bool listed = false;
	ssize_t n;

	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	n = readlink(name, buf, sizeof(buf));
	CHECK(n == 10 && !memcmp(buf, "/dev/iommu", 10));
	CHECK(!stat(name, &st) && S_ISCHR(st.st_mode));
	again = open(name, O_RDWR);
	CHECK(works(again) && !close(again));
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), fd);
	CHECK(readlink(name, buf, sizeof(buf)) == 10);
	/* As SPDK looks for a container. */
	dir = opendir("/proc/self/fd");
	while ((entry = readdir(dir))) {
		n = readlinkat(dirfd(dir), entry->d_name, buf, sizeof(buf));
		listed |= atoi(entry->d_name) == fd && n == 10 && !memcmp(buf, "/dev/iommu", 10);
	}
	CHECK(listed && !closedir(dir) && !close(fd));
}

static void test_listings(void)
{
	static const char *const names[][2] = {
		{"/dev", "iommu"},	     {"/dev", "null"},
		{"/sys/bus", "pci"},	     {"/sys/kernel", "iommu_groups"},
		{"/sys/module", "vfio_pci"}, {"/sys/class", "vfio-dev"},
	};
	struct dirent *entry;
	struct stat by_path, by_fd;
	unsigned int i;
	int watch;
	DIR *dir;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		dir = opendir(names[i][0]);
		CHECK(dir);
		while ((entry = readdir(dir)) && strcmp(entry->d_name, names[i][1]))
			;
		CHECK(entry);
		/* Those who walk compare the two. */
		CHECK(!stat(names[i][0], &by_path) && !fstat(dirfd(dir), &by_fd));
		CHECK(by_path.st_dev == by_fd.st_dev && by_path.st_ino == by_fd.st_ino);
		CHECK(!closedir(dir));
	}
	watch = inotify_init1(IN_CLOEXEC);
	CHECK(watch >= 0 && inotify_add_watch(watch, "/dev/vfio/devices", IN_CREATE) >= 0);
	CHECK(!close(watch));
}

int main(int argc, char **argv)
{
	char self[PATH_MAX] = "";

	if (argc > 1)
		return there();
	CHECK(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	test_cwd(self);
	test_spawn(self);
	test_glob();
	test_scandir();
	test_ftw();
	test_fts();
	test_syscalls();
	test_descriptors();
	test_listings();
	return 0;
}

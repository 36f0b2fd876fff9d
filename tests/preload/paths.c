/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /sys and /dev as a client sees them: the devices' and, behind them, the host's. */
#include <dirent.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "client.h"

#define TREE "root" /* the folder of the run folder that has the tree */

static const char *run; /* nothing may show it */

static bool hidden(const char *text)
{
	return !strstr(text, run) && !strstr(text, "/" TREE "/");
}

static void slurp(int fd, char *buf, size_t size)
{
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, size - 1);
	CHECK(n >= 0);
	buf[n] = '\0';
	CHECK(!close(fd));
}

static bool listed(const char *folder, const char *name)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	bool found = false;

	CHECK(dir);
	while ((entry = readdir(dir)))
		found |= !strcmp(entry->d_name, name);
	closedir(dir);
	return found;
}

static void test_reading(void)
{
	char a[256], b[256];
	FILE *file;

	slurp(open(SYS_DEVICE "/vendor", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "0x1234\n"));
	slurp(open64("/sys//bus/./pci/devices/" BDF "/device", O_RDONLY | O_CLOEXEC), a, sizeof(a));
	CHECK(!strcmp(a, "0x11e9\n"));
	file = fopen(SYS_DEVICE "/device", "re");
	CHECK(file && fgets(b, sizeof(b), file) && !strcmp(a, b));
	CHECK(fcntl(fileno(file), F_GETFD) == FD_CLOEXEC);
	CHECK(!fclose(file));
	/* Through the links, as a driver does. */
	slurp(open(SYS_DEVICE "/iommu_group/devices/" BDF "/vendor", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "0x1234\n"));
	slurp(open("/sys/class/vfio-dev/vfio0/dev", O_RDONLY), a, sizeof(a));
	slurp(open(SYS_DEVICE "/vfio-dev/vfio0/dev", O_RDONLY), b, sizeof(b));
	CHECK(!strcmp(a, b));
	/* ".." goes to the parent of what the link led to. */
	slurp(open(SYS_DEVICE "/../" BDF "/vendor", O_RDONLY), b, sizeof(b));
	CHECK(!strcmp(b, "0x1234\n"));
	slurp(open("/sys/class/../bus/pci/devices/" BDF "/vendor", O_RDONLY), b, sizeof(b));
	CHECK(!strcmp(b, "0x1234\n"));
	CHECK_ERR(open(SYS_DEVICE "/nothing", O_RDONLY), ENOENT);
	CHECK_ERR(open("/sys/bus/pci/devices/0000:ff:1f.7/vendor", O_RDONLY), ENOENT);
}

/* Past every library. */
static long bare_close(int fd)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"((long)SYS_close), "D"((long)fd)
			 : "rcx", "r11", "memory");
	return rc;
}

static void test_folders(void)
{
	char a[64];
	DIR *dir;
	int fd, sub;

	CHECK(listed("/sys/bus/pci/devices", BDF));
	CHECK(listed("/sys/kernel/iommu_groups", "0"));
	CHECK(listed("/dev/vfio/devices", "vfio0"));
	CHECK(listed(SYS_DEVICE "/vfio-dev", "vfio0"));
	/* As libudev walks. */
	fd = open("/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	sub = openat(fd, BDF, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(sub >= 0);
	slurp(openat(sub, "vendor", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "0x1234\n"));
	slurp(openat(sub, "../" BDF "/vendor", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "0x1234\n"));
	CHECK(!faccessat(sub, "uevent", F_OK, 0));
	CHECK_ERR(faccessat(sub, "no", F_OK, 0), ENOENT);
	close(sub);
	close(fd);
	/* The parent of where a link led, and from there on: systemd's way of following one. */
	fd = open(SYS_DEVICE, O_PATH | O_DIRECTORY);
	sub = openat(fd, "..", O_PATH | O_NOFOLLOW);
	close(fd);
	fd = openat(sub, "../../system/cpu", O_RDONLY | O_DIRECTORY);
	close(sub);
	slurp(openat(fd, "online", O_RDONLY), a, sizeof(a));
	CHECK(a[0] == '0');
	close(fd);
	fd = open("/", O_PATH | O_DIRECTORY);
	sub = openat(fd, "sys", O_PATH | O_NOFOLLOW);
	close(fd);
	fd = openat(sub, "kernel", O_PATH | O_NOFOLLOW);
	close(sub);
	sub = openat(fd, "iommu_groups", O_PATH | O_NOFOLLOW);
	CHECK(!faccessat(sub, "0/devices/" BDF, F_OK, 0));
	close(fd);
	close(sub);
	/* From the host's own folders down to ours, and to a node. */
	fd = open("/sys", O_PATH | O_CLOEXEC);
	slurp(openat(fd, "bus/pci/devices/" BDF "/vendor", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "0x1234\n"));
	close(fd);
	fd = open("/dev", O_RDONLY);
	sub = openat(fd, "iommu", O_RDWR);
	CHECK(works(sub));
	close(sub);
	sub = openat(fd, "vfio/devices", O_RDONLY | O_DIRECTORY);
	close(fd);
	fd = openat(sub, "vfio0", O_RDWR);
	CHECK(fd >= 0);
	CHECK_ERR(ioctl(fd, VFIO_DEVICE_RESET), EINVAL);
	close(fd);
	dir = fdopendir(sub);
	CHECK(dir && !closedir(dir));
	/* The number is another file now. */
	while ((fd = open("/usr", O_RDONLY | O_DIRECTORY)) != sub)
		CHECK(fd >= 0 && fd < sub);
	CHECK_ERR(openat(sub, "vfio0", O_RDWR), ENOENT);
	closefrom(3);
	/* Also if nobody told us that it was closed. */
	sub = open("/dev/vfio/devices", O_RDONLY | O_DIRECTORY);
	CHECK(!bare_close(sub));
	while ((fd = open("/usr", O_RDONLY | O_DIRECTORY)) != sub)
		CHECK(fd >= 0 && fd < sub);
	CHECK_ERR(openat(sub, "vfio0", O_RDWR), ENOENT);
	closefrom(3);
}

static void test_links(void)
{
	char buf[PATH_MAX];
	char *path;
	char name[64];
	ssize_t n;
	int fd;

	n = readlink(SYS_DEVICE "/iommu_group", buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n] = '\0';
	CHECK(hidden(buf) && !strcmp(strrchr(buf, '/'), "/0"));
	CHECK(readlink(SYS_DEVICE "/iommu_group", buf, 3) == 3);
	CHECK_ERR(readlink(SYS_DEVICE "/vendor", buf, sizeof(buf)), EINVAL);
	path = realpath(SYS_DEVICE "/driver", NULL);
	CHECK(path && !strcmp(path, "/sys/bus/pci/drivers/vfio-pci"));
	free(path);
	CHECK(realpath(SYS_DEVICE, buf) == buf && hidden(buf));
	CHECK(!strncmp(buf, "/sys/devices/pci", 16));
	path = canonicalize_file_name("/dev/iommu");
	CHECK(path && !strcmp(path, "/dev/iommu"));
	free(path);
	/* Files of the tree have their names in /sys. */
	fd = open(SYS_DEVICE "/vendor", O_RDONLY);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n] = '\0';
	CHECK(hidden(buf) && !strncmp(buf, "/sys/devices/pci", 16));
	path = realpath(name, NULL);
	CHECK(path && !strcmp(path, buf));
	free(path);
	close(fd);
}

static void test_stat(void)
{
	struct statx stx;
	struct statfs fs;
	struct stat st;
	char dev[32];
	unsigned int maj, min;
	int fd;

	CHECK(!stat(SYS_DEVICE, &st) && S_ISDIR(st.st_mode));
	CHECK(!lstat(SYS_DEVICE, &st) && S_ISLNK(st.st_mode));
	/* As in sysfs, whatever can be read of it. */
	CHECK(!stat(SYS_DEVICE "/vendor", &st) && st.st_mode == (S_IFREG | 0444));
	CHECK(st.st_size == 4096 && !st.st_blocks);
	fd = open(SYS_DEVICE "/vendor", O_RDONLY);
	CHECK(!fstat(fd, &st) && st.st_mode == (S_IFREG | 0444) && st.st_size == 4096);
	CHECK(!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) && !close(fd));
	CHECK(stx.stx_mode == (S_IFREG | 0444) && stx.stx_size == 4096);
	CHECK(!fstatat(AT_FDCWD, "/sys/bus/pci/rescan", &st, 0) && st.st_size == 4096);
	CHECK(!stat(SYS_DEVICE "/config", &st) && st.st_size == 4096);
	CHECK(!stat(SYS_DEVICE "/resource0", &st) && st.st_size == 4096);
	CHECK(!stat("/dev/vfio/devices", &st) && S_ISDIR(st.st_mode));
	/* As QEMU checks that the node is the device's. */
	slurp(open(SYS_DEVICE "/vfio-dev/vfio0/dev", O_RDONLY), dev, sizeof(dev));
	CHECK(sscanf(dev, "%u:%u", &maj, &min) == 2);
	CHECK(!stat(CDEV, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(maj, min));
	CHECK(!statx(AT_FDCWD, CDEV, 0, STATX_BASIC_STATS, &stx));
	CHECK(S_ISCHR(stx.stx_mode) && stx.stx_rdev_major == maj && stx.stx_rdev_minor == min);
	fd = open_node(CDEV);
	CHECK(!statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	CHECK(S_ISCHR(stx.stx_mode) && stx.stx_rdev_minor == min);
	CHECK(!fstatat(fd, "", &st, AT_EMPTY_PATH) && st.st_rdev == makedev(maj, min));
	close(fd);
	CHECK(!access(CDEV, R_OK | W_OK) && !access("/dev/iommu", F_OK));
	CHECK_ERR(access("/dev/iommu", X_OK), EACCES);
	CHECK(!euidaccess(SYS_DEVICE "/vendor", R_OK));
	CHECK(!statfs(SYS_DEVICE "/vendor", &fs) && fs.f_type == SYSFS_MAGIC);
	fd = open(SYS_DEVICE, O_RDONLY | O_DIRECTORY);
	CHECK(!fstatfs(fd, &fs) && fs.f_type == SYSFS_MAGIC);
	close(fd);
	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	CHECK(!fstatfs(fd, &fs) && fs.f_type != SYSFS_MAGIC);
	close(fd);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(!close(fd));
}

/* What scripts write before they start. */
static void test_writing(void)
{
	char a[256], b[256];

	write_to("/sys/bus/pci/drivers/vfio-pci/unbind", BDF);
	write_to(SYS_DEVICE "/driver_override", "a-rather-long-name");
	write_to(SYS_DEVICE "/driver_override", "vfio-pci\n");
	slurp(open(SYS_DEVICE "/driver_override", O_RDONLY), a, sizeof(a));
	CHECK(!strcmp(a, "vfio-pci\n"));
	write_to("/sys/bus/pci/drivers/vfio-pci/bind", BDF);
	write_to("/sys/bus/pci/drivers/vfio-pci/new_id", "1234 11e9");
	slurp(open(SYS_DEVICE "/uevent", O_RDONLY), a, sizeof(a));
	write_to(SYS_DEVICE "/uevent", "change");
	slurp(open(SYS_DEVICE "/uevent", O_RDONLY), b, sizeof(b));
	CHECK(!strcmp(a, b));
	CHECK_ERR(open(SYS_DEVICE "/vendor", O_WRONLY), EACCES);
	CHECK_ERR(open(SYS_DEVICE "/made_up", O_WRONLY | O_CREAT, 0600), EACCES);
	CHECK(!fopen(SYS_DEVICE "/made_up", "w") && errno == EACCES);
	CHECK_ERR(access(SYS_DEVICE "/made_up", F_OK), ENOENT);
}

/* What the host has in a folder that we have, too: no links, though links are what is there. */
static void test_merged(void)
{
	struct dirent *entry;
	char path[300];
	struct stat st;
	DIR *dir;
	int fd;

	if (!access("/sys/bus/pci/rescan", F_OK)) {
		CHECK(!lstat("/sys/bus/pci/rescan", &st) && S_ISREG(st.st_mode));
		CHECK_ERR(readlink("/sys/bus/pci/rescan", path, sizeof(path)), EINVAL);
	}
	dir = opendir("/sys/bus/pci/drivers");
	CHECK(dir);
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", entry->d_name);
		CHECK(!lstat(path, &st) && S_ISDIR(st.st_mode));
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		CHECK(fd >= 0 && !close(fd));
	}
	closedir(dir);
}

/* The rest of /sys, /dev and /proc is the host's. */
static void test_host(void)
{
	struct stat st;
	char buf[256];
	FILE *file;
	int fd;

	slurp(open("/sys/devices/system/cpu/online", O_RDONLY), buf, sizeof(buf));
	CHECK(buf[0] == '0');
	fd = open("/dev/null", O_RDWR);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && !read(fd, buf, 1));
	CHECK(!fstat(fd, &st) && st.st_rdev == makedev(1, 3));
	close(fd);
	CHECK(!stat("/dev/zero", &st) && st.st_rdev == makedev(1, 5));
	file = fopen("/proc/self/status", "r");
	CHECK(file && fgets(buf, sizeof(buf), file) && !strncmp(buf, "Name:", 5));
	fclose(file);
	CHECK(listed("/sys/class", "vfio-dev"));
	CHECK(listed("/sys/devices", "system"));
	CHECK(!access("/sys/devices/system/cpu", X_OK));
	CHECK(readlink("/proc/self/exe", buf, sizeof(buf)) > 0);
}

int main(void)
{
	run = getenv("UIOMMU_RUN");
	CHECK(run);
	test_reading();
	test_folders();
	test_links();
	test_stat();
	test_writing();
	test_merged();
	test_host();
	return 0;
}

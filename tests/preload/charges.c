/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/status with what is pinned, however it's opened and whoever reads it; and the
 * limits that a program sets itself.
 */
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "client.h"

#define PAGE 4096ul
#define PAGES 8u

static int iommufd, device;
static uint32_t ioas;
static char *memory;

static int map(uint64_t iova, size_t pages)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.ioas_id = ioas,
		.length = pages * PAGE,
		.iova = iova,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.user_va = (uintptr_t)memory,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP, &map);
}

static void unmap(uint64_t iova, size_t pages)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = ioas, .iova = iova, .length = pages * PAGE};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap));
}

/* ---- status ---- */

/* The number of a line; the text is whole, with nothing else in it changed. */
static long number(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	CHECK(at && strstr(text, "\nnonvoluntary_ctxt_switches:"));
	return strtol(at + strlen(key), NULL, 10);
}

static long pinned_of_fd(int fd)
{
	char text[16384];
	ssize_t n, len = 0;

	CHECK(fd >= 0);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	while ((n = read(fd, text + len, 100)) > 0)
		len += n;
	CHECK(!n && len < (ssize_t)sizeof(text) - 1);
	text[len] = '\0';
	close(fd);
	return number(text, "\nVmPin:") / 4;
}

static long pinned(const char *path)
{
	return pinned_of_fd(open(path, O_RDONLY | O_CLOEXEC));
}

static long line_of(pid_t pid, const char *key)
{
	char path[64], text[16384];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	CHECK(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return number(text, key) / 4;
}

/* Lines that don't change from one look to the next are the kernel's, letter by letter. */
static void check_text(void)
{
	char ours[16384], real[16384], *a, *b;
	long fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
	ssize_t n = read((int)fd, real, sizeof(real) - 1);

	CHECK(n > 0);
	real[n] = '\0';
	close((int)fd);
	fd = open("/proc/self/status", O_RDONLY);
	n = read((int)fd, ours, sizeof(ours) - 1);
	CHECK(n > 0);
	ours[n] = '\0';
	close((int)fd);
	for (a = ours, b = real; *a && *b; a = strchr(a, '\n') + 1, b = strchr(b, '\n') + 1) {
		size_t len = (size_t)(strchr(b, '\n') - b);

		CHECK(!strncmp(a, b, (size_t)(strchr(b, ':') - b)));
		if (!strncmp(b, "VmPin:", 6))
			CHECK(!strncmp(a, "VmPin:\t      12 kB\n", 19));
		else if (strncmp(b, "VmRSS", 5) && strncmp(b, "RssAnon", 7) &&
			 strncmp(b, "VmHWM", 5) && strncmp(b, "VmData", 6) &&
			 strncmp(b, "VmSize", 6) && strncmp(b, "RssFile", 7) &&
			 !strstr(b, "_ctxt_switches") == !strstr(a, "_ctxt_switches") &&
			 !strstr(b, "ctxt"))
			CHECK(!strncmp(a, b, len + 1));
	}
	CHECK(!*a && !*b);
}

static void *thread_main(void *arg)
{
	char path[64];

	CHECK(pinned("/proc/thread-self/status") == 3);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)syscall(SYS_gettid));
	CHECK(pinned(path) == 3);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", (int)getpid(),
		 (int)syscall(SYS_gettid));
	CHECK(pinned(path) == 3);
	/* A thread's number is one of its process. */
	snprintf(path, sizeof(path), "/proc/%d/status", (int)syscall(SYS_gettid));
	CHECK(pinned(path) == 3);
	return NULL;
}

static void check_paths(void)
{
	pthread_t thread;
	char path[64];
	int dir;

	CHECK(pinned("/proc/self/status") == 0);
	CHECK(!map(0x100000, 3));
	CHECK(pinned("/proc/self/status") == 3);
	CHECK(pinned("/proc//self/./status") == 3);
	CHECK(line_of(getpid(), "\nVmPin:") == 3);
	snprintf(path, sizeof(path), "/proc/%d", (int)getpid());
	dir = open(path, O_PATH | O_DIRECTORY);
	CHECK(pinned_of_fd(openat(dir, "status", O_RDONLY)) == 3);
	close(dir);
	CHECK(pinned("/proc/self/status") == 3);
	CHECK(!pthread_create(&thread, NULL, thread_main, NULL));
	CHECK(!pthread_join(thread, NULL));
	check_text();
	/* Nobody else's, and no other file's. */
	CHECK(line_of(getppid(), "\nVmPin:") == 0);
	CHECK_ERR(open("/proc/self/status/x", O_RDONLY), ENOTDIR);
	unmap(0x100000, 3);
	CHECK(pinned("/proc/self/status") == 0);
}

/* ---- other processes ---- */

static void reaped(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && !status);
}

/* A child's maps are its own, by our engine; a child's own engine counts as well. */
static void check_children(void)
{
	int go[2], done[2];
	char byte;
	pid_t pid;

	CHECK(!map(0x100000, 2));
	CHECK(!pipe(go) && !pipe(done));
	pid = fork();
	if (!pid) {
		CHECK(line_of(getppid(), "\nVmPin:") == 2);
		CHECK(line_of(getpid(), "\nVmPin:") == 0);
		CHECK(!map(0x200000, 4));
		CHECK(line_of(getpid(), "\nVmPin:") == 4);
		CHECK(write(done[1], "", 1) == 1 && read(go[0], &byte, 1) == 1);
		unmap(0x100000, 2);
		CHECK(line_of(getppid(), "\nVmPin:") == 0);
		CHECK(!map(0x100000, 2));
		CHECK(line_of(getpid(), "\nVmPin:") == 6);
		_exit(0);
	}
	CHECK(read(done[0], &byte, 1) == 1);
	CHECK(line_of(pid, "\nVmPin:") == 4);
	CHECK(line_of(getpid(), "\nVmPin:") == 2);
	CHECK(write(go[1], "", 1) == 1);
	reaped(pid);
	unmap(0x100000, 2);
	unmap(0x200000, 4);
	CHECK(line_of(getpid(), "\nVmPin:") == 0);
	close(go[0]);
	close(go[1]);
	close(done[0]);
	close(done[1]);
}

/* ---- limits ---- */

static bool set_ipc_lock(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	CHECK(!syscall(SYS_capget, &header, data));
	if (on && !(data[0].permitted & 1u << CAP_IPC_LOCK))
		return false;
	if (on)
		data[0].effective |= 1u << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
	CHECK(!syscall(SYS_capset, &header, data));
	return true;
}

static void set_limit(uint64_t pages)
{
	struct rlimit limit;

	CHECK(!getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = pages * PAGE;
	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* Whatever is known already: a program may change its mind at any time. */
static void check_limits(void)
{
	bool root = set_ipc_lock(true);

	set_limit(2);
	if (root) {
		CHECK(!map(0x100000, 3));
		unmap(0x100000, 3);
	}
	set_ipc_lock(false);
	CHECK_ERR(map(0x100000, 3), ENOMEM);
	CHECK(!map(0x100000, 2));
	CHECK_ERR(map(0x200000, 1), ENOMEM);
	set_limit(3);
	CHECK(!map(0x200000, 1));
	unmap(0x200000, 1);
	set_limit(2);
	CHECK_ERR(map(0x200000, 1), ENOMEM);
	if (set_ipc_lock(true))
		CHECK(!map(0x200000, 1));
	else
		CHECK_ERR(map(0x200000, 1), ENOMEM);
	CHECK(line_of(getpid(), "\nVmPin:") == (root ? 3 : 2));
	CHECK(line_of(getpid(), "\nVmLck:") == 0);
	unmap(0, UINT64_MAX / PAGE);
}

/* The limit of an ordinary user, in a process that becomes one before it opens anything. */
static void check_user(void)
{
	struct rlimit limit = {.rlim_cur = 2 * PAGE, .rlim_max = 2 * PAGE};
	uint32_t devid, pt;
	pid_t pid = fork();

	if (pid) {
		reaped(pid);
		return;
	}
	close(device);
	close(iommufd);
	CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit));
	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, &devid));
	pt = ioas = ioas_alloc(iommufd);
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
		     &(struct vfio_device_attach_iommufd_pt){
			     .argsz = sizeof(struct vfio_device_attach_iommufd_pt), .pt_id = pt}));
	CHECK(!map(0x100000, 1));
	/* Root's didn't count. */
	if (getuid())
		unmap(0x100000, 1);
	else
		CHECK(!setuid(65534));
	CHECK(!map(0x200000, 2));
	CHECK_ERR(map(0x300000, 1), ENOMEM);
	_exit(0);
}

int main(void)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	uint32_t devid;

	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	CHECK(memory != MAP_FAILED);
	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, &devid));
	ioas = ioas_alloc(iommufd);
	attach.pt_id = ioas;
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	check_paths();
	check_children();
	check_user();
	check_limits();
	return 0;
}

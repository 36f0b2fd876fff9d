/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors: every way to make one more, every way to close one. */
#include <dirent.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "client.h"

/* The device can be bound exactly when nobody else has it open and bound. */
static bool device_free(void)
{
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int rc = bind_to(device, iommufd, NULL);

	close(device);
	close(iommufd);
	return !rc;
}

static void test_open_flags(void)
{
	int fd = open("/dev/iommu", O_RDWR);

	CHECK(fd == 3); /* the lowest free, as everywhere */
	CHECK(fcntl(fd, F_GETFD) == 0);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	close(fd);
	fd = open("/dev/iommu", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CHECK(fd == 3);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CHECK(works(fd));
	CHECK(!close(fd));
	CHECK_ERR(close(fd), EBADF);
	CHECK_ERR(works(fd) ? 0 : -1, EBADF);
	CHECK_ERR(open("/dev/iommu", O_RDWR | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("/dev/iommu/", O_RDWR), ENOTDIR);
	CHECK_ERR(open("/dev/iommu", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	CHECK_ERR(open("/dev/vfio/devices/vfio99", O_RDWR), ENOENT);
	CHECK(open64("/dev/iommu", O_RDWR) == 3);
	CHECK(openat(AT_FDCWD, "//dev/./iommu", O_RDWR) == 4);
	CHECK(works(3) && works(4));
	CHECK(!close(3) && !close(4));
}

static void test_dup_family(void)
{
	int fd = open_node("/dev/iommu");
	int copies[5];
	int i;

	copies[0] = dup(fd);
	copies[1] = dup2(fd, 40);
	copies[2] = dup3(fd, 41, O_CLOEXEC);
	copies[3] = fcntl(fd, F_DUPFD, 50);
	copies[4] = fcntl(fd, F_DUPFD_CLOEXEC, 50);
	CHECK(copies[0] == fd + 1 && copies[1] == 40 && copies[2] == 41);
	CHECK(copies[3] == 50 && copies[4] == 51);
	CHECK(fcntl(41, F_GETFD) == FD_CLOEXEC && fcntl(50, F_GETFD) == 0);
	CHECK(fcntl(51, F_GETFD) == FD_CLOEXEC);
	CHECK(!close(fd));
	for (i = 0; i < 5; i++) {
		CHECK(works(copies[i]));
		CHECK(!close(copies[i]));
		CHECK_ERR(ioctl(copies[i], IOMMU_IOAS_ALLOC, NULL), EBADF);
	}
}

/* An open file description is one object: its close is the last descriptor's. */
static void test_last_close_undoes(void)
{
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int copy;

	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(!device_free());
	copy = dup(device);
	close(device);
	CHECK(!device_free());
	close(copy);
	CHECK(device_free());

	/* Replaced by dup2(), of ours and of another file. */
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(dup2(iommufd, device) == device);
	CHECK(works(device));
	CHECK(device_free());
	close(device);
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(dup2(2, device) == device);
	CHECK_ERR(ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, NULL), ENOTTY);
	CHECK(device_free());
	close(device);

	/* The iommufd may go first: the device holds the context. */
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	close(iommufd);
	CHECK(!device_free());
	close(device);
	CHECK(device_free());
}

static void test_close_range(void)
{
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int files[4];
	int i;

	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(!close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	CHECK(works(iommufd));
	CHECK(!close_range(3, ~0u, 0));
	CHECK_ERR(fcntl(iommufd, F_GETFD), EBADF);
	CHECK(device_free());

	/* Sweeping away everything must not take the engine's ends. */
	iommufd = open_node("/dev/iommu");
	dup2(iommufd, 2000 < sysconf(_SC_OPEN_MAX) ? 2000 : 100);
	for (i = 0; i < 4; i++)
		files[i] = dup(2);
	CHECK(dup2(iommufd, 20) == 20);
	closefrom(iommufd + 1);
	CHECK(works(iommufd));
	for (i = 0; i < 4; i++)
		CHECK_ERR(fcntl(files[i], F_GETFD), EBADF);
	CHECK_ERR(fcntl(20, F_GETFD), EBADF);
	/* A fault queue's readiness needs the engine's end: it still works after the sweep. */
	CHECK(works(iommufd));
	close(iommufd);
	CHECK(device_free());
}

/* One by one, as daemons do: the engine's answer EBADF and stay. */
static void test_close_each(void)
{
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int max = (int)sysconf(_SC_OPEN_MAX);
	int fd;

	if (max > 70000)
		max = 70000;
	CHECK(!bind_to(device, iommufd, NULL));
	for (fd = 5; fd < max; fd++)
		CHECK(close(fd) && errno == EBADF);
	CHECK(works(iommufd));
	CHECK(!device_free());
	/* Each number is the client's if it wants it. */
	for (fd = 5; fd < 1024 && fd < max; fd++) {
		CHECK(dup2(2, fd) == fd);
		CHECK(!close(fd));
	}
	CHECK(works(iommufd));
	close(device);
	CHECK(device_free());
	close(iommufd);
}

/* Config space and BAR0 of a device. */
static void access_by_number(int device)
{
	struct vfio_region_info info = {.argsz = sizeof(info),
					.index = VFIO_PCI_CONFIG_REGION_INDEX};
	uint16_t vendor = 0, command = 0;
	volatile uint32_t *bar;
	long where;

	CHECK(!syscall(SYS_ioctl, device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(syscall(SYS_pread64, device, &vendor, 2, info.offset) == 2 && vendor == 0x1234);
	CHECK(syscall(SYS_pread64, device, &command, 2, info.offset + 4) == 2);
	CHECK(syscall(SYS_pwrite64, device, &command, 2, info.offset + 4) == 2);
	CHECK_ERR(syscall(SYS_read, device, &vendor, (size_t)-1), EINVAL);
	info.index = 0;
	CHECK(!syscall(SYS_ioctl, device, VFIO_DEVICE_GET_REGION_INFO, &info));
	where = syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device,
			info.offset);
	CHECK(where != -1);
	bar = (volatile uint32_t *)where;
	bar[0] = 0x12345000;
	CHECK(bar[0] == 0x12345000);
	CHECK(!syscall(SYS_mprotect, where, 4096, PROT_READ | PROT_WRITE));
	CHECK(bar[0] == 0x12345000);
	CHECK(!syscall(SYS_munmap, where, 4096));
	CHECK_ERR(syscall(SYS_mprotect, where, 4096, PROT_READ), ENOMEM);
}

/* The same by number. */
static void test_syscall(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int copy = (int)syscall(SYS_dup, iommufd);

	CHECK(works(copy));
	CHECK(!syscall(SYS_ioctl, copy, IOMMU_IOAS_ALLOC, &alloc));
	CHECK((int)syscall(SYS_dup3, iommufd, 60, O_CLOEXEC) == 60 && works(60));
	CHECK((int)syscall(SYS_fcntl, 60, F_DUPFD, 70) == 70 && works(70));
	CHECK(!bind_to(device, iommufd, NULL));
	access_by_number(device);
	CHECK(!syscall(SYS_close, device));
	CHECK(device_free());
	CHECK(!syscall(SYS_close_range, 3, ~0u, 0));
	CHECK_ERR(syscall(SYS_close, 3), EBADF);
	CHECK(dup(2) == 3);
	CHECK_ERR(ioctl(3, IOMMU_IOAS_ALLOC, &alloc), ENOTTY);
	CHECK(!close(3));
	CHECK(syscall(SYS_getpid) == getpid());
	CHECK_ERR(syscall(SYS_openat, AT_FDCWD, "/no/such/file", O_RDONLY, 0), ENOENT);
}

static void test_foreign(void)
{
	char c = 'x';
	struct iovec iov = {.iov_base = &c, .iov_len = 1};
	int pipes[2];

	CHECK(!pipe(pipes));
	CHECK(writev(pipes[1], &iov, 1) == 1);
	c = 0;
	CHECK(readv(pipes[0], &iov, 1) == 1 && c == 'x');
	CHECK_ERR(ioctl(pipes[0], IOMMU_IOAS_ALLOC, &c), ENOTTY);
	CHECK_ERR(pread(pipes[0], &c, 1, 0), ESPIPE);
	CHECK_ERR(dup2(999, 5), EBADF);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_what_it_is(void)
{
	struct stat by_path, by_fd;
	char link[64] = "";
	char name[64];
	int fd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	int event = eventfd(0, 0);

	CHECK(!stat("/dev/iommu", &by_path) && !fstat(fd, &by_fd));
	CHECK(S_ISCHR(by_path.st_mode) && by_path.st_rdev && by_path.st_rdev == by_fd.st_rdev);
	CHECK(by_path.st_ino == by_fd.st_ino && by_path.st_dev == by_fd.st_dev);
	CHECK(by_path.st_mode == by_fd.st_mode);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	CHECK(readlink(name, link, sizeof(link)) == 10 && !strcmp(link, "/dev/iommu"));
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", getpid(), device);
	memset(link, 0, sizeof(link));
	CHECK(readlink(name, link, sizeof(link)) == (ssize_t)strlen(CDEV) && !strcmp(link, CDEV));
	CHECK(!stat(name, &by_path) && S_ISCHR(by_path.st_mode));
	CHECK(!lstat(name, &by_path) && S_ISLNK(by_path.st_mode));
	CHECK(readlink(name, link, 4) == 4);
	CHECK_ERR(lseek(fd, 0, SEEK_CUR), ESPIPE);
	CHECK_ERR(bind_to(device, event, NULL) ? (errno = EBADFD, -1) : 0, EBADFD);
	CHECK(bind_to(device, event, NULL) == -EBADFD && bind_to(device, 888, NULL) == -EBADF);
	CHECK(!isatty(fd));
	close(event);
	close(device);
	close(fd);
}

/* Under a small limit the engine's ends are near it, and running out is an error, not a crash. */
static void test_limits(void)
{
	struct rlimit old, limit;
	int fds[64];
	int n;

	CHECK(!getrlimit(RLIMIT_NOFILE, &old));
	limit = old;
	limit.rlim_cur = 40;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	for (n = 0; n < 64; n++) {
		fds[n] = open("/dev/iommu", O_RDWR);
		if (fds[n] < 0)
			break;
	}
	CHECK(errno == EMFILE && n > 10 && n < 40);
	CHECK(works(fds[0]) && works(fds[n - 1]));
	while (n--)
		CHECK(!close(fds[n]));
	CHECK(!setrlimit(RLIMIT_NOFILE, &old));
	CHECK(open("/dev/iommu", O_RDWR) == 3);
	close(3);
}

static unsigned int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int main(void)
{
	unsigned int before;

	closefrom(3);
	before = open_descriptors();
	test_open_flags();
	test_dup_family();
	test_last_close_undoes();
	test_close_range();
	test_close_each();
	test_syscall();
	test_foreign();
	test_what_it_is();
	test_limits();
	/* No end of ours is left behind. */
	CHECK(open_descriptors() == before);
	return 0;
}

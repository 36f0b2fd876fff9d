/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A device that is in use when its driver is to be taken away; and binding by C. */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "client.h"

#define VFIO "/sys/bus/pci/drivers/vfio-pci"

/* "vfioN": can it be opened? */
static int try_open(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	fd = open(path, O_RDWR);
	return fd < 0 || close(fd) ? 1 : 0;
}

/* 0 or errno */
static int tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	CHECK(fd >= 0);
	n = write(fd, text, strlen(text));
	err = n < 0 ? errno : 0;
	CHECK(n < 0 || n == (ssize_t)strlen(text));
	CHECK(!close(fd));
	return err;
}

static bool bound(void)
{
	return !access(SYS_DEVICE "/driver", F_OK);
}

static void test_writes(void)
{
	struct iovec iov[2] = {{.iov_base = (char[]){"0000:01"}, .iov_len = 7},
			       {.iov_base = (char[]){":00.0\n"}, .iov_len = 6}};
	static char page[5000];
	char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *file;
	int fd;

	/* One write is one command, wherever it goes. */
	fd = open(VFIO "/unbind", O_WRONLY);
	CHECK(fd >= 0 && writev(fd, iov, 2) == 13 && !bound());
	CHECK_ERR(write(fd, "0000:01:00", 10), ENODEV);
	CHECK_ERR(write(fd, nowhere, 10), EFAULT);
	CHECK(!write(fd, "", 0));
	CHECK(!ftruncate(fd, 0) && !close(fd));
	fd = open(VFIO "/bind", O_WRONLY | O_APPEND | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && pwrite(fd, BDF, 12, 77) == 12 && bound());
	CHECK_ERR(write(fd, BDF, 12), EBUSY);
	CHECK(!close(fd));
	/* Streams say so when they're flushed. */
	file = fopen(VFIO "/unbind", "w");
	CHECK(file && fputs(BDF, file) >= 0 && bound() && !fflush(file) && !bound());
	CHECK(fputs(BDF, file) >= 0 && fclose(file) == EOF && errno == ENODEV);
	file = fopen(VFIO "/bind", "w");
	CHECK(file && !setvbuf(file, NULL, _IONBF, 0) && fputs(BDF "\n", file) >= 0);
	CHECK(!fclose(file) && bound());
	/* What is longer than a page is taken in parts. */
	memset(page, 'x', sizeof(page) - 1);
	fd = open(SYS_DEVICE "/uevent", O_RDWR);
	CHECK(fd >= 0 && write(fd, page, sizeof(page)) == 4096);
	CHECK(read(fd, page, 7) == 7 && !memcmp(page, "DRIVER=", 7) && !close(fd));
	CHECK(tell(SYS_DEVICE "/driver_override", page) == EINVAL);
	CHECK_ERR(open(VFIO "/bind", O_RDWR), EACCES);
	CHECK_ERR(open(VFIO "/bind", O_RDONLY), EACCES);
}

/* Another process waits until the last descriptor is gone, whoever has it. */
static void test_wait(void)
{
	int fd = open_node(CDEV), copy = dup(fd), status;
	struct pollfd ended = {.events = POLLIN};
	int pipes[2];
	pid_t pid;

	CHECK(!pipe(pipes));
	pid = fork();
	if (!pid) {
		close(fd);
		close(copy);
		close(pipes[0]);
		_exit(tell(VFIO "/unbind", BDF));
	}
	close(pipes[1]);
	ended.fd = pipes[0];
	CHECK(!poll(&ended, 1, 50) && bound() && !access(CDEV, F_OK));
	CHECK(!close(fd) && !poll(&ended, 1, 50) && bound());
	CHECK(!close(copy));
	CHECK(waitpid(pid, &status, 0) == pid && !status && !bound());
	close(pipes[0]);
	CHECK_ERR(open(CDEV, O_RDWR), ENOENT);
	CHECK_ERR(access(CDEV, F_OK), ENOENT);
	CHECK(!tell(VFIO "/bind", BDF) && !access(CDEV, F_OK));
	/* Killed, while it waits. */
	fd = open_node(CDEV);
	pid = fork();
	if (!pid)
		_exit(tell(VFIO "/unbind", BDF));
	usleep(20000);
	CHECK(!kill(pid, SIGTERM) && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(!close(fd) && bound());
}

static void *unbinds(void *unused)
{
	return (void *)(uintptr_t)tell(VFIO "/unbind", BDF);
}

static int set_request(int device, int event)
{
	struct {
		struct vfio_irq_set set;
		int fd;
	} arg = {.set = {.argsz = sizeof(arg),
			 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			 .index = VFIO_PCI_REQ_IRQ_INDEX,
			 .count = 1},
		 .fd = event};

	return ioctl(device, VFIO_DEVICE_SET_IRQS, &arg);
}

/* In the process that has the device, its user is asked. */
static void test_request(void)
{
	int iommufd = open_node("/dev/iommu"), fd = open_node(CDEV),
	    event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct pollfd asked = {.fd = event, .events = POLLIN};
	uint64_t count;
	pthread_t thread;
	void *rc;

	CHECK(!bind_to(fd, iommufd, NULL) && !set_request(fd, event));
	CHECK(!pthread_create(&thread, NULL, unbinds, NULL));
	CHECK(poll(&asked, 1, 10000) == 1);
	CHECK(read(event, &count, sizeof(count)) == sizeof(count) && count == 1);
	usleep(20000);
	CHECK(bound() && !close(fd));
	CHECK(!pthread_join(thread, &rc) && !rc && !bound());
	/* Once, until ten seconds have passed. */
	CHECK(read(event, &count, sizeof(count)) < 0 && errno == EAGAIN);
	CHECK(!close(iommufd) && !close(event) && !tell(VFIO "/bind", BDF));
}

static void wait_for_request(int ready)
{
	int iommufd = open_node("/dev/iommu"), fd = open_node(CDEV),
	    event = eventfd(0, EFD_CLOEXEC);
	uint64_t count;

	CHECK(!bind_to(fd, iommufd, NULL) && !set_request(fd, -1) && !set_request(fd, event));
	/* Where the engine has its own descriptors: it keeps out of the way. */
	for (int to = 500; to < 560; to++)
		CHECK(to == ready || dup2(2, to) == to);
	CHECK(write(ready, "", 1) == 1);
	CHECK(read(event, &count, sizeof(count)) == sizeof(count) && count == 1 && bound());
	CHECK(!set_request(fd, -1) && !close(fd) && !close(iommufd));
	_exit(0);
}

/* And so is one in another process, which has devices of its own. */
static void test_request_elsewhere(void)
{
	int pipes[2], status;
	pid_t pid;
	char byte;

	CHECK(!pipe(pipes));
	pid = fork();
	if (!pid)
		wait_for_request(pipes[1]);
	CHECK(read(pipes[0], &byte, 1) == 1);
	CHECK(!tell(VFIO "/unbind", BDF) && !bound());
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!tell(VFIO "/bind", BDF) && !close(pipes[0]) && !close(pipes[1]));
}

static uint16_t sysfs_command(void)
{
	int fd = open(SYS_DEVICE "/config", O_RDONLY);
	uint16_t command = 0;

	CHECK(fd >= 0 && pread(fd, &command, 2, 4) == 2 && !close(fd));
	return command;
}

/* The file says what the device has, while somebody uses it and after. */
static void test_config(void)
{
	const off_t command_at = ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4;
	uint16_t closed = sysfs_command(), command = 6;
	int iommufd = open_node("/dev/iommu"), fd = open_node(CDEV), status;
	pid_t pid;

	CHECK(!bind_to(fd, iommufd, NULL) && (sysfs_command() & 7) == 2);
	CHECK(pwrite(fd, &command, 2, command_at) == 2 && sysfs_command() == 6);
	pid = fork();
	if (!pid)
		_exit(sysfs_command());
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 6);
	CHECK(!close(fd) && !close(iommufd));
	CHECK(sysfs_command() == closed);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return try_open(argv[1]);
	test_writes();
	test_wait();
	test_request();
	test_request_elsewhere();
	test_config();
	return 0;
}

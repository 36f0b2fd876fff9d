/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors across processes: a child or a stranger uses the engine of the process that
 * opened them, on its own memory.
 */
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "rig.h"

static const char *self;

static unsigned int threads(void)
{
	struct stat st;

	CHECK(!stat("/proc/self/task", &st));
	return (unsigned int)st.st_nlink - 2;
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

/* ---- a forked child ---- */

static void test_fork(void)
{
	char *buf = page('p'), *out = page(0), *gone = page(0);
	struct steps steps;
	struct stat st;
	uint16_t id = 0;
	pid_t pid;

	steps_open(&steps);
	setup(false);
	CHECK(threads() == 1);
	CHECK(!map(iommufd, ioas, out, IOVA + 4096));
	pid = fork();
	if (!pid) {
		unsigned int before = open_descriptors();

		memset(buf, 'c', 4096);
		CHECK(!map(iommufd, ioas, buf, IOVA));
		CHECK_ERR(map(iommufd, ioas, buf, IOVA), EEXIST);
		CHECK_ERR(ioctl(iommufd, IOMMU_IOAS_ALLOC, NULL), EFAULT);
		CHECK_ERR(ioctl(iommufd, VFIO_DEVICE_RESET), ENOTTY);
		CHECK(pread(device, &id, 2, config_at) == 2 && id);
		munmap(gone, 4096);
		CHECK_ERR(pread(device, gone, 2, config_at), EFAULT);
		CHECK(!fstat(device, &st) && S_ISCHR(st.st_mode));
		/* A channel for each file, the line, and no thread. */
		CHECK(threads() == 1 && open_descriptors() == before + 3);
		tell(steps.to_parent);
		wait_for(steps.to_child);
		CHECK(buf[0] == 'd' && buf[4095] == 'd');
		/* Its own child has a channel of its own. */
		pid = fork();
		if (!pid) {
			memset(buf, 'g', 4096);
			unmap(IOVA);
			CHECK(!map(iommufd, ioas, buf, IOVA));
			tell(steps.to_parent);
			wait_for(steps.to_child);
			unmap(IOVA);
			exit(0);
		}
		reaped(pid);
		CHECK(works(iommufd));
		exit(0);
	}
	wait_for(steps.to_parent);
	CHECK(threads() == 2);
	fetch(IOVA);
	CHECK(!(bar[2] & 1));
	store(IOVA + 4096);
	CHECK(out[0] == 'c' && out[4095] == 'c' && buf[0] == 'p');
	/* And into its memory. */
	memset(out, 'd', 4096);
	fetch(IOVA + 4096);
	store(IOVA);
	CHECK(buf[0] == 'p');
	tell(steps.to_child);
	wait_for(steps.to_parent);
	fetch(IOVA);
	store(IOVA + 4096);
	CHECK(out[0] == 'g' && buf[0] == 'p');
	tell(steps.to_child);
	reaped(pid);
	teardown();
	steps_close(&steps);
	munmap(buf, 4096);
	munmap(out, 4096);
	munmap(gone, 4096);
}

/* Descriptors that a call names are the caller's numbers. */
static void test_arguments(void)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} irq = {.set = {.argsz = sizeof(irq),
			 .count = 1,
			 .index = VFIO_PCI_REQ_IRQ_INDEX,
			 .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER}};
	int fd = open_node("/dev/iommu");
	int dev = open_node(CDEV);
	uint64_t count = 0;
	pid_t pid = fork();

	if (!pid) {
		int high = fcntl(fd, F_DUPFD, 100);
		int null = open("/dev/null", O_RDWR);

		close(fd);
		CHECK(bind_to(dev, 300, NULL) == -EBADF);
		CHECK(bind_to(dev, null, NULL) == -EBADFD);
		CHECK(bind_to(dev, dev, NULL) == -EBADFD);
		CHECK(!bind_to(dev, high, &devid));
		irq.fd = null;
		CHECK_ERR(ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq), EINVAL);
		irq.fd = fcntl(eventfd(0, EFD_NONBLOCK), F_DUPFD, 200);
		CHECK(irq.fd >= 200);
		CHECK(!ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq));
		irq.set.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
		CHECK(!ioctl(dev, VFIO_DEVICE_SET_IRQS, &irq));
		CHECK(read(irq.fd, &count, sizeof(count)) == sizeof(count) && count == 1);
		exit(0);
	}
	reaped(pid);
	CHECK(bind_to(dev, fd, NULL) == -EINVAL);
	close(dev);
	close(fd);
}

/* ---- fault queues ---- */

static short events(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN | POLLOUT};

	CHECK(poll(&pfd, 1, 0) >= 0);
	return pfd.revents;
}

static void answer(int fd)
{
	struct iommu_hwpt_pgfault pgfault;
	struct iommu_hwpt_page_response response = {.code = IOMMUFD_PAGE_RESP_INVALID};
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	CHECK(poll(&pfd, 1, 10000) == 1 && pfd.revents == POLLIN);
	CHECK(read(fd, &pgfault, sizeof(pgfault)) == sizeof(pgfault));
	CHECK(pgfault.addr == IOVA);
	CHECK(events(fd) == POLLOUT);
	response.cookie = pgfault.cookie;
	CHECK(write(fd, &response, sizeof(response)) == sizeof(response));
}

static void test_fault_queue(void)
{
	struct steps steps;
	pid_t pid;
	int i;

	steps_open(&steps);
	setup(true);
	/* It has been readable before. */
	fetch(IOVA);
	answer(queue);
	pid = fork();
	if (!pid) {
		struct iommu_fault_alloc fault = {.size = sizeof(fault)};
		struct stat st;

		for (i = 0; i < 3; i++) {
			answer(queue);
			tell(steps.to_parent);
		}
		/* A descriptor that the engine made for this process. */
		CHECK(!ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &fault));
		CHECK(fcntl((int)fault.out_fault_fd, F_GETFD) == FD_CLOEXEC);
		CHECK(events((int)fault.out_fault_fd) == POLLOUT);
		CHECK_ERR(ioctl((int)fault.out_fault_fd, IOMMU_IOAS_ALLOC, &fault), ENOTTY);
		CHECK(!fstat((int)fault.out_fault_fd, &st) && !S_ISSOCK(st.st_mode));
		close((int)fault.out_fault_fd);
		exit(0);
	}
	for (i = 0; i < 3; i++) {
		/* The second time it's this process's end that has to take the sign away. */
		int copy = i == 1 ? dup(queue) : -1;

		if (i == 2)
			close(queue);
		fetch(IOVA);
		wait_for(steps.to_parent);
		CHECK(!(bar[2] & 1));
		if (copy >= 0)
			close(copy);
	}
	queue = 0;
	reaped(pid);
	teardown();
	steps_close(&steps);
}

/* ---- a stranger, by SCM_RIGHTS and through exec ---- */

static void pass(int sock, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS}};
	struct iovec iov = {.iov_base = (char[]){'f'}, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

static int take(int sock)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char c;
	struct iovec iov = {.iov_base = &c, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control.room)};
	int fd;

	CHECK(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) == 1);
	CHECK(control.head.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* argv: a socket, the number of an inherited cdev. */
static int stranger(int sock, int dev)
{
	char *buf = page('s');
	int fd = take(sock);
	int foreign = take(sock);
	struct stat st, node;
	uint32_t id;
	uint16_t vendor;
	char c;

	CHECK(!fstat(fd, &st) && !stat("/dev/iommu", &node) && st.st_rdev == node.st_rdev);
	CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
	CHECK(read(sock, &id, sizeof(id)) == sizeof(id));
	CHECK(!map(fd, id, buf, IOVA));
	CHECK(pread(dev, &vendor, 2, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) == 2 && vendor);
	/* A socket like ours, but none of ours. */
	CHECK_ERR(ioctl(foreign, IOMMU_IOAS_ALLOC, NULL), ENOTTY);
	CHECK(recv(foreign, &c, 1, MSG_DONTWAIT) == 1 && c == 'o');
	CHECK(write(sock, "m", 1) == 1);
	CHECK(read(sock, &c, 1) == 1);
	return 0;
}

static void test_stranger(void)
{
	char *out = page(0);
	int socks[2], foreign[2];
	char number[2][16];
	char c;
	pid_t pid;

	setup(false);
	CHECK(!map(iommufd, ioas, out, IOVA + 4096));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, foreign));
	CHECK(fcntl(iommufd, F_SETFD, FD_CLOEXEC) == 0);
	CHECK(write(foreign[0], "o", 1) == 1);
	pid = vfork();
	if (!pid) {
		snprintf(number[0], sizeof(number[0]), "%d", socks[1]);
		snprintf(number[1], sizeof(number[1]), "%d", device);
		execl(self, self, "stranger", number[0], number[1], NULL);
		_exit(99);
	}
	close(socks[1]);
	pass(socks[0], iommufd);
	pass(socks[0], foreign[1]);
	CHECK(write(socks[0], &ioas, sizeof(ioas)) == sizeof(ioas));
	CHECK(read(socks[0], &c, 1) == 1);
	fetch(IOVA);
	store(IOVA + 4096);
	CHECK(out[0] == 's' && out[4095] == 's');
	CHECK(write(socks[0], "d", 1) == 1);
	reaped(pid);
	CHECK(recv(foreign[0], &c, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	close(socks[0]);
	close(foreign[0]);
	close(foreign[1]);
	teardown();
	munmap(out, 4096);
}

/* The first thing that leaves is kept by a program that vfork() starts. */
static int first_by_vfork(void)
{
	char number[16];
	pid_t pid;

	device = open(CDEV, O_RDWR);
	CHECK(device >= 0 && threads() == 1);
	snprintf(number, sizeof(number), "%d", device);
	pid = vfork();
	if (!pid) {
		execl(self, self, "kept", number, NULL);
		_exit(99);
	}
	reaped(pid);
	return 0;
}

/* The first thing that leaves is sent. */
static int first_by_message(void)
{
	int socks[2];
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pid = fork();
	if (!pid)
		_exit(!works(take(socks[1])));
	iommufd = open_node("/dev/iommu");
	CHECK(threads() == 1);
	pass(socks[0], iommufd);
	CHECK(threads() == 2);
	reaped(pid);
	return 0;
}

static void test_first(const char *how)
{
	pid_t pid = fork();

	if (!pid) {
		execl(self, self, how, NULL);
		_exit(99);
	}
	reaped(pid);
}

/* What goes out and comes back is the same file, also to a process that had closed it. */
static void test_back_home(void)
{
	int fd = open_node("/dev/iommu");
	uint32_t id = ioas_alloc(fd);
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = id};
	int socks[2];
	int back;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	pass(socks[0], fd);
	close(fd);
	back = take(socks[1]);
	CHECK(!ioctl(back, IOMMU_DESTROY, &destroy));
	close(back);
	close(socks[0]);
	close(socks[1]);
}

/* ---- ends ---- */

static void test_last_close(void)
{
	int fd = open_node("/dev/iommu");
	int dev = open_node(CDEV);
	int again = open_node(CDEV);
	struct steps steps;
	unsigned int before;
	uint16_t id;
	pid_t pid;
	int i;

	steps_open(&steps);
	CHECK(!bind_to(dev, fd, NULL));
	pid = fork();
	if (!pid) {
		CHECK(pread(dev, &id, 2, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) == 2);
		close(dev);
		tell(steps.to_parent);
		wait_for(steps.to_child);
		CHECK(!close(again));
		exit(0);
	}
	wait_for(steps.to_parent);
	/* Still open here. */
	CHECK(pread(dev, &id, 2, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) == 2);
	CHECK(bind_to(again, fd, NULL) == -EBUSY || bind_to(again, fd, NULL) == -EINVAL);
	close(dev);
	for (i = 0; i < 1000 && bind_to(again, fd, NULL); i++)
		usleep(1000);
	CHECK(i < 1000);
	/* Now the child has the last one, and nobody here calls for it. */
	dev = open_node(CDEV);
	close(again);
	CHECK(bind_to(dev, fd, NULL) == -EBUSY || bind_to(dev, fd, NULL) == -EINVAL);
	before = open_descriptors();
	tell(steps.to_child);
	for (i = 0; i < 1000 && open_descriptors() >= before; i++)
		usleep(1000);
	CHECK(i < 1000);
	CHECK(!bind_to(dev, fd, NULL));
	reaped(pid);
	close(dev);
	close(fd);
	steps_close(&steps);
}

static void test_engine_dies(bool in_use)
{
	struct steps steps;
	pid_t pid;

	steps_open(&steps);
	pid = fork();
	if (!pid) {
		int fd = open_node("/dev/iommu");

		pid = fork();
		if (!pid) {
			struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

			alarm(5);
			CHECK(!in_use || works(fd));
			tell(steps.to_parent);
			wait_for(steps.to_child);
			CHECK_ERR(ioctl(fd, IOMMU_IOAS_ALLOC, &alloc), ENODEV);
			CHECK_ERR(ioctl(fd, IOMMU_IOAS_ALLOC, &alloc), ENODEV);
			tell(steps.to_parent);
			_exit(0);
		}
		pause();
	}
	wait_for(steps.to_parent);
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	tell(steps.to_child);
	close(steps.to_parent[1]);
	wait_for(steps.to_parent);
	close(steps.to_parent[0]);
	close(steps.to_child[0]);
	close(steps.to_child[1]);
}

/* Killed anywhere in a call. */
static void test_child_killed(void)
{
	char *buf = page('k');
	struct steps steps;
	pid_t pid;
	int i;

	setup(false);
	for (i = 0; i < 50; i++) {
		uint64_t at = IOVA + 0x10000ul * (uint64_t)i;

		steps_open(&steps);
		pid = fork();
		if (!pid) {
			CHECK(!map(iommufd, ioas, buf, at));
			tell(steps.to_parent);
			for (;;) {
				struct iommu_fault_alloc fault = {.size = sizeof(fault)};

				map(iommufd, ioas, buf, at + 4096);
				unmap(at + 4096);
				CHECK(!ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &fault));
				close((int)fault.out_fault_fd);
			}
		}
		wait_for(steps.to_parent);
		usleep(100 * (unsigned int)i);
		CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
		/* Its memory is gone: an error of this access, and of no other. */
		fetch(at);
		CHECK(!(bar[2] & 1));
		unmap(at);
		CHECK(works(iommufd));
		steps_close(&steps);
	}
	teardown();
	munmap(buf, 4096);
}

int main(int argc, char **argv)
{
	unsigned int before = open_descriptors();

	if (argc == 4 && !strcmp(argv[1], "stranger"))
		return stranger(atoi(argv[2]), atoi(argv[3]));
	self = argv[0];
	alarm(50);
	if (argc == 3 && !strcmp(argv[1], "kept")) {
		int dev = atoi(argv[2]);

		/* Bound to nothing: the file's own answer. */
		CHECK(bind_to(dev, dev, NULL) == -EBADFD);
		return 0;
	}
	if (argc == 2)
		return !strcmp(argv[1], "vfork") ? first_by_vfork() : first_by_message();
	/* Nothing of ours is open: a fork is just a fork. */
	close(open_node("/dev/iommu"));
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	CHECK(threads() == 1);
	test_first("vfork");
	test_first("message");
	test_fork();
	test_arguments();
	test_fault_queue();
	test_stranger();
	test_back_home();
	test_last_close();
	test_engine_dies(false);
	test_engine_dies(true);
	test_child_killed();
	/* The one that listens, and what it needs, stay. */
	CHECK(threads() == 2);
	usleep(100000);
	CHECK(open_descriptors() == before + 2);
	return 0;
}

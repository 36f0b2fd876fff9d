/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Children of every kind: none of them may touch the memory of the parent's engine.  (What
 * they do with its descriptors is in procs.c.)
 */
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "client.h"

extern char **environ;

static int iommufd, device;

static void reaped(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (status)
		fprintf(stderr, "the child ended with %#x\n", (unsigned int)status);
	CHECK(!status);
}

/* Descriptors of the shim, which are high. */
static unsigned int hidden_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned int n = 0;

	while ((entry = readdir(dir)))
		n += atoi(entry->d_name) >= 512;
	closedir(dir);
	return n;
}

/* In a child that inherited both descriptors. */
static void child(void)
{
	struct stat st;
	uint32_t devid;
	char c;
	int fd, dev;

	/* What was inherited is still there, and the parent's engine answers. */
	CHECK_ERR(ioctl(iommufd, IOMMU_IOAS_ALLOC, NULL), EFAULT);
	/* The engine's ends are gone: they'd keep the parent's death from being seen. */
	CHECK(hidden_descriptors() == 2);
	CHECK(works(iommufd));
	CHECK(pread(device, &c, 1, (off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) == 1);
	CHECK(!fstat(device, &st) && S_ISCHR(st.st_mode));
	CHECK(hidden_descriptors() == 3);

	/* Its own devices are as good as new, though the parent has bound its own. */
	fd = open_node("/dev/iommu");
	dev = open_node(CDEV);
	CHECK(!bind_to(dev, fd, &devid));
	CHECK(works(fd));
	/* Another process's is not an iommufd for them. */
	close(dev);
	dev = open_node(CDEV);
	CHECK(bind_to(dev, iommufd, NULL) == -EBADFD);
	close(device);
	CHECK(dup2(fd, iommufd) == iommufd);
	CHECK(works(iommufd));
}

static void test_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		child();
		/* And again: the harness of the kernel's selftests does this. */
		pid = fork();
		if (!pid) {
			int fd = open_node("/dev/iommu");

			CHECK(works(fd));
			CHECK(works(iommufd));
			exit(0);
		}
		reaped(pid);
		exit(0);
	}
	reaped(pid);
	CHECK(works(iommufd));
}

/* No fork handler runs for this one. */
static void test_raw_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		child();
		_exit(0);
	}
	reaped(pid);
	CHECK(works(iommufd));
}

static int run_child(void *arg)
{
	child();
	return 0;
}

/* Nor for this one; its child calls a function, on another stack. */
static void test_libc_clone(void)
{
	static char stack[256 << 10] __attribute__((aligned(16)));
	pid_t pid = clone(run_child, stack + sizeof(stack), SIGCHLD, NULL);

	CHECK(pid > 0);
	reaped(pid);
	CHECK(works(iommufd));
}

/* The usual things between vfork() and exec() must not show in the parent. */
static void test_vfork(void)
{
	static volatile int shared;
	int copy = dup(iommufd);
	pid_t pid = vfork();

	if (!pid) {
		shared = 1;
		dup2(iommufd, 2);
		close(iommufd);
		dup2(device, copy);
		close_range(3, ~0u, 0);
		execl("/bin/true", "true", NULL);
		_exit(99);
	}
	reaped(pid);
	CHECK(shared == 1);
	CHECK(works(iommufd) && works(copy));
	CHECK_ERR(ioctl(copy, VFIO_DEVICE_RESET), ENOTTY);
	CHECK_ERR(ioctl(2, IOMMU_IOAS_ALLOC, NULL), ENOTTY);
	close(copy);
	pid = vfork();
	if (!pid)
		_exit(0);
	reaped(pid);
	CHECK(works(iommufd));
}

static int borrower(void *arg)
{
	dup2(iommufd, 2);
	close(iommufd);
	dup2(device, *(int *)arg);
	close_range(3, ~0u, 0);
	execl("/bin/true", "true", NULL);
	return 99;
}

/* The same by clone(), as some libraries start programs. */
static void test_clone_vfork(void)
{
	static char stack[256 << 10] __attribute__((aligned(16)));
	int copy = dup(iommufd);
	pid_t pid = clone(borrower, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &copy);

	CHECK(pid > 0);
	reaped(pid);
	CHECK(works(iommufd) && works(copy));
	CHECK_ERR(ioctl(copy, VFIO_DEVICE_RESET), ENOTTY);
	CHECK_ERR(ioctl(2, IOMMU_IOAS_ALLOC, NULL), ENOTTY);
	CHECK(!close(copy));
}

static void test_spawn(void)
{
	posix_spawn_file_actions_t actions;
	char name[] = "true";
	char *argv[] = {name, NULL};
	pid_t pid;

	CHECK(!posix_spawn_file_actions_init(&actions));
	CHECK(!posix_spawn_file_actions_addclose(&actions, iommufd));
	CHECK(!posix_spawn_file_actions_adddup2(&actions, 2, device));
	CHECK(!posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ));
	posix_spawn_file_actions_destroy(&actions);
	reaped(pid);
	CHECK(works(iommufd));
	CHECK(!system("true"));
	CHECK(works(iommufd));
}

/* The last close is the last anywhere, also in another process. */
static void test_child_keeps_open(void)
{
	int fd = open_node("/dev/iommu");
	int dev = open_node(CDEV);
	int again = open_node(CDEV);
	int pipes[2];
	pid_t pid;
	char c;

	close(device);
	CHECK(!bind_to(dev, fd, NULL));
	CHECK(!pipe(pipes));
	pid = fork();
	if (!pid) {
		close(pipes[1]);
		CHECK(!read(pipes[0], &c, 1));
		_exit(0);
	}
	close(dev);
	CHECK(bind_to(again, fd, NULL));
	close(pipes[1]);
	reaped(pid);
	/* One call to notice it, at the latest. */
	works(fd);
	CHECK(!bind_to(again, fd, NULL));
	close(pipes[0]);
	close(again);
	close(fd);
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
}

/* Whoever holds a descriptor sees a hang-up when the process with the engine dies. */
static void test_parent_dies(void)
{
	int pipes[2];
	pid_t pid;
	char c = 0;

	CHECK(!pipe(pipes));
	pid = fork();
	if (!pid) {
		struct pollfd pfd = {.fd = open_node("/dev/iommu")};

		pid = fork();
		if (!pid) {
			/* No call into the shim since the fork. */
			c = 'f';
			if (write(pipes[1], &c, 1) == 1 && poll(&pfd, 1, 10000) == 1 &&
			    (pfd.revents & POLLHUP))
				c = 'h';
			_exit(write(pipes[1], &c, 1) != 1);
		}
		pause();
	}
	CHECK(read(pipes[0], &c, 1) == 1);
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	CHECK(read(pipes[0], &c, 1) == 1 && c == 'h');
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- forking while other threads are inside ---- */

static volatile bool stop;

static void *opener(void *arg)
{
	while (!stop) {
		int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
		int copy;

		CHECK(fd >= 0);
		CHECK(works(fd));
		copy = dup(fd);
		CHECK(copy >= 0);
		close(fd);
		close(copy);
		access("/sys/bus/pci/devices/" BDF "/vendor", R_OK);
	}
	return NULL;
}

static void test_fork_with_threads(void)
{
	pthread_t threads[3];
	int i;

	for (i = 0; i < 3; i++)
		CHECK(!pthread_create(&threads[i], NULL, opener, NULL));
	for (i = 0; i < 200; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			int fd;

			alarm(20);
			fd = open("/dev/iommu", O_RDWR);
			CHECK(fd >= 0 && works(fd));
			close(fd);
			_exit(0);
		}
		reaped(pid);
	}
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	iommufd = open("/dev/iommu", O_RDWR);
	device = open(CDEV, O_RDWR);
	CHECK(iommufd >= 0 && device >= 0);
	CHECK(!bind_to(device, iommufd, NULL));
	/* First, while nobody listens to children yet. */
	test_libc_clone();
	test_fork();
	test_raw_clone();
	test_vfork();
	test_clone_vfork();
	test_spawn();
	test_child_keeps_open();
	test_parent_dies();
	test_fork_with_threads();
	CHECK(works(iommufd));
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The shim leaves no trace: not in errno, not in masks, not on stdout; and no deadlock. */
#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "client.h"

static void check_mask(const sigset_t *want)
{
	sigset_t now;
	int sig;

	CHECK(!pthread_sigmask(SIG_SETMASK, NULL, &now));
	for (sig = 1; sig < 32; sig++)
		CHECK(sigismember(&now, sig) == sigismember(want, sig));
}

static void test_errno_and_mask(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 0};
	struct stat st;
	sigset_t mask;
	int iommufd, device, copy;
	char buf[64];
	void *bar;
	FILE *file;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	CHECK(!pthread_sigmask(SIG_SETMASK, &mask, NULL));
	errno = 77;
	iommufd = open("/dev/iommu", O_RDWR);
	device = open(CDEV, O_RDWR);
	CHECK(errno == 77);
	CHECK(!bind_to(device, iommufd, NULL) && errno == 77);
	copy = dup(iommufd);
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) && errno == 77);
	CHECK(pread(device, buf, 2, (off_t)7 << 40) == 2 && errno == 77);
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED && errno == 77);
	(void)*(volatile uint32_t *)bar;
	CHECK(errno == 77);
	check_mask(&mask);
	CHECK(!munmap(bar, 4096) && errno == 77);
	CHECK(!stat(CDEV, &st) && !access("/dev/iommu", R_OK) && !fstat(device, &st));
	CHECK(readlink(SYS_DEVICE, buf, sizeof(buf)) > 0 && errno == 77);
	CHECK(!lstat(SYS_DEVICE "/vendor", &st) && errno == 77);
	CHECK(!close(copy) && !close(device) && !close(iommufd) && errno == 77);
	check_mask(&mask);
	/* An error says what it is, and leaves the mask alone, too. */
	CHECK_ERR(open("/dev/vfio/none", O_RDWR), ENOENT);
	CHECK_ERR(ioctl(device, VFIO_DEVICE_RESET), EBADF);
	check_mask(&mask);
	errno = 77;
	file = fopen(SYS_DEVICE "/vendor", "r");
	CHECK(file && !fclose(file));
	sigemptyset(&mask);
	CHECK(!pthread_sigmask(SIG_SETMASK, &mask, NULL));
}

/* ---- a handler that does what handlers shouldn't, but do ---- */

static volatile int handler_fd = -1;
static volatile int handled;

static void handler(int sig)
{
	int saved = errno;
	int fd = handler_fd;

	handler_fd = -1;
	if (fd >= 0)
		CHECK(!close(fd));
	handled++;
	errno = saved;
}

static void test_handler_closes(void)
{
	struct sigaction action = {.sa_handler = handler};
	struct itimerval timer = {.it_interval = {0, 200}, .it_value = {0, 200}};
	int fd = open_node("/dev/iommu");
	int i;

	CHECK(!sigaction(SIGALRM, &action, NULL));
	CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
	for (i = 0; handled < 300; i++) {
		int copy = dup(fd);

		CHECK(copy >= 0);
		CHECK(works(fd));
		/* Now and then an open file of its own, so that the handler's is a last close. */
		if (handler_fd < 0) {
			handler_fd = i % 2 ? copy : open("/dev/iommu", O_RDWR);
			if (i % 2)
				continue;
		}
		CHECK(!close(copy));
	}
	timer = (struct itimerval){0};
	CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
	signal(SIGALRM, SIG_IGN);
	if (handler_fd >= 0)
		close(handler_fd);
	close(fd);
}

/* ---- closing what another thread is using ---- */

static volatile bool stop;
static volatile int shared_fd = -1;

static void *user(void *arg)
{
	while (!stop) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct stat st;
		int fd = shared_fd;

		if (fd < 0)
			continue;
		/*
		 * It's open, or just closed, or about to be open: a call that began before the
		 * open() ended may find the bare socket.
		 */
		if (ioctl(fd, IOMMU_IOAS_ALLOC, &alloc))
			CHECK(errno == EBADF || errno == ENOTTY);
		if (fstat(fd, &st))
			CHECK(errno == EBADF);
	}
	return NULL;
}

static void test_close_under_use(void)
{
	pthread_t threads[2];
	int i;

	CHECK(!pthread_create(&threads[0], NULL, user, NULL));
	CHECK(!pthread_create(&threads[1], NULL, user, NULL));
	for (i = 0; i < 3000; i++) {
		int fd = open("/dev/iommu", O_RDWR);

		CHECK(fd >= 0);
		shared_fd = fd;
		if (i % 3 == 0)
			CHECK(works(fd));
		if (i % 5 == 0) {
			int copy = dup(fd);

			CHECK(copy >= 0 && !close(copy));
		}
		CHECK(!close(fd));
	}
	stop = true;
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

/* A process that has closed its standard descriptors gets ours in their place. */
static void test_no_stdout(void)
{
	int out = dup(1);
	int fd;

	close(1);
	fd = open("/dev/iommu", O_RDWR);
	CHECK(fd == 1 && works(fd));
	CHECK(!close(1));
	CHECK(dup2(out, 1) == 1);
	close(out);
}

/*
 * What a program gets from malloc() and never fills in is what it would be without us: the
 * engine's memory isn't the client's.  A sanitizer's malloc() says 0 of itself.
 */
static void test_heap(void)
{
	size_t before = mallinfo2().uordblks, free_before = mallinfo2().fordblks;
	int iommufd = open_node("/dev/iommu"), i;

	for (i = 0; i < 100; i++) {
		struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
		struct iommu_destroy destroy = {.size = sizeof(destroy)};

		CHECK(!ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc));
		CHECK(mallinfo2().uordblks == before && mallinfo2().fordblks == free_before);
		destroy.id = alloc.out_ioas_id;
		CHECK(i % 2 || !ioctl(iommufd, IOMMU_DESTROY, &destroy));
	}
	CHECK(!close(iommufd));
	CHECK(mallinfo2().uordblks == before && mallinfo2().fordblks == free_before);
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

/* What we write to files isn't the client's: its limit of their size doesn't kill it. */
static void test_no_files(void)
{
	const off_t command_at = ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4;
	const struct rlimit none = {0};
	uint16_t command = 6;
	int iommufd, device, status;
	pid_t pid = fork();

	if (!pid) {
		CHECK(!setrlimit(RLIMIT_FSIZE, &none));
		iommufd = open_node("/dev/iommu");
		device = open_node(CDEV);
		CHECK(!bind_to(device, iommufd, NULL));
		CHECK(pwrite(device, &command, 2, command_at) == 2);
		command = 0;
		status = open(SYS_DEVICE "/config", O_WRONLY);
		CHECK(status >= 0);
		CHECK_ERR(pwrite(status, &command, 2, 4), EFBIG);
		CHECK(!close(status) && !close(device) && !close(iommufd));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(void)
{
	unsigned int before = open_descriptors();

	test_no_files();
	test_errno_and_mask();
	test_handler_closes();
	test_close_under_use();
	test_no_stdout();
	test_heap();
	/* That was also the call that notices what another thread held while it was closed. */
	CHECK(open_descriptors() == before);
	return 0;
}

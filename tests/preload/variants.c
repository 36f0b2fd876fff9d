/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Old names, second versions, fortified ones and calls for sockets, on descriptors of ours; and
 * handlers, stacks and threads that a device's memory has to bear.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#include "rig.h"

extern int old_open(const char *path, int flags, ...) __asm__("__open64");
extern int old_close(int fd) __asm__("__close");
extern int old_dup2(int fd, int to) __asm__("__dup2");
extern int old_fcntl(int fd, int cmd, ...) __asm__("__fcntl");
extern ssize_t old_read(int fd, void *buf, size_t n) __asm__("__read");
extern ssize_t old_pread(int fd, void *buf, size_t n, off_t off) __asm__("__pread64");
extern int bsd_sigpause(int mask) __asm__("sigpause");

static void test_old(void)
{
	int fd = old_open("/dev/iommu", O_RDWR);
	uint16_t id;
	int copy;

	CHECK(works(fd));
	copy = old_fcntl(fd, F_DUPFD, 50);
	CHECK(copy >= 50 && works(copy));
	CHECK(old_dup2(device, copy) == copy);
	CHECK(old_pread(copy, &id, 2, config_at) == 2 && id);
	CHECK_ERR(old_read(fd, &id, 2), EINVAL);
	CHECK(!old_close(copy) && !old_close(fd));
	CHECK_ERR(ioctl(fd, IOMMU_IOAS_ALLOC, NULL), EBADF);
}

static void test_vectors(void)
{
	uint16_t words[2] = {0};
	struct iovec iov[2] = {{&words[0], 2}, {&words[1], 2}};
	uint32_t id;

	CHECK(pread(device, &id, 4, config_at) == 4);
	CHECK(preadv2(device, iov, 2, config_at, 0) == 4);
	CHECK(((uint32_t)words[1] << 16 | words[0]) == id);
	CHECK_ERR(preadv2(device, iov, 2, config_at, RWF_NOWAIT), EOPNOTSUPP);
	CHECK(preadv2(device, iov, 2, config_at, RWF_HIPRI) == 4);
	words[0] = 6;
	CHECK(pwritev2(device, iov, 1, config_at + 4, 0) == 2);
}

static void test_sockets(void)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int value = 0;
	char c = 0;

	CHECK_ERR(getsockopt(device, SOL_SOCKET, SO_TYPE, &value, &len), ENOTSOCK);
	CHECK_ERR(setsockopt(device, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value)), ENOTSOCK);
	CHECK_ERR(getsockname(device, (struct sockaddr *)&addr, &len), ENOTSOCK);
	CHECK_ERR(getpeername(device, (struct sockaddr *)&addr, &len), ENOTSOCK);
	CHECK_ERR(send(device, &c, 1, 0), ENOTSOCK);
	CHECK_ERR(sendto(device, &c, 1, 0, NULL, 0), ENOTSOCK);
	CHECK_ERR(recv(device, &c, 1, MSG_DONTWAIT), ENOTSOCK);
	CHECK_ERR(recvfrom(device, &c, 1, MSG_DONTWAIT, NULL, NULL), ENOTSOCK);
	CHECK_ERR(shutdown(device, SHUT_RDWR), ENOTSOCK);
	CHECK(pread(device, &c, 1, config_at) == 1);
}

/* ---- fortified, and for old programs ---- */

extern int chk_open(const char *path, int flags) __asm__("__open64_2");
extern int chk_openat(int dir, const char *path, int flags) __asm__("__openat64_2");
extern ssize_t chk_pread(int fd, void *buf, size_t n, off_t off,
			 size_t room) __asm__("__pread64_chk");
extern int ver_stat(int version, const char *path, struct stat *st) __asm__("__xstat64");
extern int ver_fstat(int version, int fd, struct stat *st) __asm__("__fxstat");
extern int ver_fstatat(int version, int dir, const char *path, struct stat *st,
		       int flags) __asm__("__fxstatat64");

static void test_fortified(void)
{
	int fd = chk_open("/dev/iommu", O_RDWR);
	struct stat st[4];
	struct statx stx;
	uint16_t id;

	CHECK(works(fd) && works(chk_openat(-100, "/dev/iommu", O_RDWR)));
	CHECK(chk_pread(device, &id, 2, config_at, 2) == 2 && id);
	CHECK(!ver_stat(1, CDEV, &st[0]) && !ver_fstat(1, device, &st[1]));
	CHECK(!ver_fstatat(1, AT_FDCWD, CDEV, &st[2], 0) && !stat(CDEV, &st[3]));
	for (int i = 0; i < 4; i++)
		CHECK(S_ISCHR(st[i].st_mode) && st[i].st_rdev == st[3].st_rdev);
	CHECK(!statx(device, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	CHECK(S_ISCHR(stx.stx_mode) && stx.stx_rdev_major == major(st[3].st_rdev));
}

/* ---- several messages in one call ---- */

static void test_messages(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control[2] = {0};
	char bytes[2] = {'a', 'b'};
	struct iovec iov[2];
	struct mmsghdr msgs[2] = {0};
	int socks[2], sent[2], got;

	sent[0] = open_node("/dev/iommu");
	sent[1] = device;
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM, 0, socks));
	for (int i = 0; i < 2; i++) {
		iov[i] = (struct iovec){&bytes[i], 1};
		control[i].head = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
		memcpy(CMSG_DATA(&control[i].head), &sent[i], sizeof(int));
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
						  .msg_iovlen = 1,
						  .msg_control = &control[i],
						  .msg_controllen = sizeof(control[i].room)};
	}
	CHECK(sendmmsg(socks[0], msgs, 2, 0) == 2);
	close(sent[0]);
	for (int i = 0; i < 2; i++)
		memset(&control[i], 0, sizeof(control[i]));
	CHECK(recvmmsg(socks[1], msgs, 2, MSG_CMSG_CLOEXEC, NULL) == 2);
	memcpy(&got, CMSG_DATA(&control[0].head), sizeof(int));
	CHECK(works(got) && fcntl(got, F_GETFD) == FD_CLOEXEC);
	close(got);
	memcpy(&got, CMSG_DATA(&control[1].head), sizeof(int));
	CHECK(got != device && pread(got, bytes, 1, config_at) == 1);
	close(got);
	close(socks[0]);
	close(socks[1]);
}

/* ---- threads, while what they use goes ---- */

#define USERS 3

static volatile uint32_t *volatile window;
static volatile bool stop;
static volatile unsigned long faults[USERS];

static __thread sigjmp_buf back;

static void leave(int sig)
{
	siglongjmp(back, 1);
}

/* On a small stack of its own, and out of the handler by a jump. */
static void *use(void *arg)
{
	stack_t alt = {.ss_sp = malloc(65536), .ss_size = 65536};
	volatile unsigned long *seen_gone = arg;

	CHECK(!sigaltstack(&alt, NULL));
	while (!stop) {
		if (sigsetjmp(back, 1))
			++*seen_gone;
		else
			window[0] = window[0] + 0x1000;
	}
	alt.ss_flags = SS_DISABLE;
	CHECK(!sigaltstack(&alt, NULL));
	free(alt.ss_sp);
	return NULL;
}

static void test_threads(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};
	struct sigaction act = {.sa_handler = leave, .sa_flags = SA_ONSTACK}, old[2];
	pthread_t threads[USERS];
	void *place;

	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(place != MAP_FAILED);
	window = place;
	CHECK(!sigaction(SIGSEGV, &act, &old[0]) && !sigaction(SIGBUS, &act, &old[1]));
	for (int i = 0; i < USERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, use, (void *)(uintptr_t)&faults[i]));
	for (int i = 0; i < 40; i++) {
		CHECK(!mprotect(place, 4096, PROT_NONE));
		CHECK(!mprotect(place, 4096, PROT_READ | PROT_WRITE));
		CHECK(mmap(place, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == place);
		CHECK(mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, device,
			   (off_t)info.offset) == place);
	}
	/* Gone for good, it faults: without that the loop above meant nothing. */
	CHECK(!munmap(place, 4096));
	for (int i = 0; i < USERS; i++) {
		unsigned long before = faults[i];

		while (faults[i] == before)
			usleep(1000);
	}
	stop = true;
	for (int i = 0; i < USERS; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK(!sigaction(SIGSEGV, &old[0], NULL) && !sigaction(SIGBUS, &old[1], NULL));
}

/* ---- signals, in words of other systems ---- */

static volatile sig_atomic_t seen;

static void count(int sig)
{
	seen++;
}

static void test_signals(void)
{
	sigset_t set;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	CHECK(sigset(SIGSEGV, count) == SIG_DFL);
	raise(SIGSEGV);
	CHECK(seen == 1);
	CHECK(sigset(SIGSEGV, SIG_HOLD) == count);
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &set) && sigismember(&set, SIGSEGV));
	/* Blocked or not, a BAR works. */
	bar[0] = 0x1000;
	CHECK(bar[0] == 0x1000);
	CHECK(sigset(SIGSEGV, SIG_DFL) == SIG_HOLD);
	CHECK(!sigprocmask(SIG_BLOCK, NULL, &set) && !sigismember(&set, SIGSEGV));
	CHECK(!sigignore(SIGSEGV));
#pragma GCC diagnostic pop
	bar[0] = 0x2000;
	CHECK(bar[0] == 0x2000);
	CHECK(signal(SIGSEGV, SIG_DFL) == SIG_IGN);
}

static void touch(int sig)
{
	seen = bar[0] == 0x3000 ? 1 : -1;
}

/* A handler that runs while a call waits, under a mask that has both signals. */
static void test_pause(void)
{
	sigset_t set, old;

	CHECK(signal(SIGALRM, touch) != SIG_ERR);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK(!sigprocmask(SIG_BLOCK, &set, &old));
	bar[0] = 0x3000;
	seen = 0;
	raise(SIGALRM);
	CHECK_ERR(bsd_sigpause(1 << (SIGSEGV - 1) | 1 << (SIGBUS - 1)), EINTR);
	CHECK(seen == 1);
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	signal(SIGALRM, SIG_DFL);
}

int main(int argc, char **argv)
{
	setup(false);
	test_old();
	test_vectors();
	test_sockets();
	test_fortified();
	test_messages();
	test_threads();
	test_signals();
	test_pause();
	teardown();
	return 0;
}

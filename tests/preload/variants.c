/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Old names, second versions and calls for sockets, on descriptors of ours.
 */
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
	test_signals();
	test_pause();
	teardown();
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim costs a client: bench/run.py runs this plainly, and under
 * "uiommu run".
 *
 *  client.ioctl.raw	a cheap ioctl of a descriptor that isn't ours, by syscall()
 *  client.ioctl.libc	the same by ioctl(): under the shim, the price of asking
 *  client.call.*	other calls that aren't ours, each as cheap as it comes; .dev: of
 *			a path under /dev, which has to be looked up
 *  client.mmio.*	a trapped load and store; argument: the device's cdev
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../examples/uapi.h"
#include "bench.h"

static void ioctl_raw(void *arg, uint64_t n)
{
	int value, fd = *(int *)arg;

	while (n--)
		syscall(SYS_ioctl, fd, FIONREAD, &value);
}

static void ioctl_libc(void *arg, uint64_t n)
{
	int value, fd = *(int *)arg;

	while (n--)
		ioctl(fd, FIONREAD, &value);
}

/* A call, and what undoes it. */
#define CALL(name, call)                                                                           \
	static void call_##name(void *arg, uint64_t n)                                             \
	{                                                                                          \
		const int *fds = arg;                                                              \
                                                                                                   \
		while (n--) {                                                                      \
			if ((call) < 0)                                                            \
				abort();                                                           \
		}                                                                                  \
		(void)fds;                                                                         \
	}

enum {
	PIPE,
	NULL_DEVICE,
	ZERO_DEVICE,
	SOCKET,
	FDS
};

static char byte;
static char page[4096] __attribute__((aligned(4096)));
static struct iovec iov = {.iov_base = &byte, .iov_len = 1};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
static struct pollfd pfd = {.fd = -1};
static struct stat st;
static struct sigaction act;
static sigset_t set;

CALL(open_close, close(open("/etc/passwd", O_RDONLY | O_CLOEXEC)))
CALL(open_dev, close(open("/dev/null", O_RDONLY | O_CLOEXEC)))
CALL(dup_close, close(dup(fds[PIPE])))
CALL(fcntl, fcntl(fds[PIPE], F_GETFD))
CALL(read, read(fds[ZERO_DEVICE], &byte, 1))
CALL(write, write(fds[NULL_DEVICE], &byte, 1))
CALL(fstat, fstat(fds[PIPE], &st))
CALL(stat, stat("/etc/passwd", &st))
CALL(mprotect, mprotect(page, 4096, PROT_READ))
CALL(mmap, munmap(mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096))
CALL(madvise, madvise(NULL, 0, MADV_NORMAL))
CALL(poll, poll(&pfd, 1, 0))
CALL(ppoll, ppoll(&pfd, 1, &(struct timespec){0}, NULL))
CALL(sendmsg, sendmsg(fds[SOCKET], &msg, 0) + recvmsg(fds[SOCKET + 1], &msg, 0))
CALL(getsockopt, getsockopt(fds[SOCKET], SOL_SOCKET, SO_TYPE, &(int){0}, &(socklen_t){sizeof(int)}))
CALL(sigaction, sigaction(SIGUSR1, NULL, &act))
CALL(sigprocmask, sigprocmask(SIG_BLOCK, &set, NULL))

static const struct {
	const char *name;
	void (*fn)(void *arg, uint64_t n);
} calls[] = {
	{"client.call.open_close", call_open_close},
	{"client.call.open_close.dev", call_open_dev},
	{"client.call.dup_close", call_dup_close},
	{"client.call.fcntl", call_fcntl},
	{"client.call.read", call_read},
	{"client.call.write", call_write},
	{"client.call.fstat", call_fstat},
	{"client.call.stat", call_stat},
	{"client.call.mmap_munmap", call_mmap},
	{"client.call.mprotect", call_mprotect},
	{"client.call.madvise", call_madvise},
	{"client.call.poll", call_poll},
	{"client.call.ppoll", call_ppoll},
	{"client.call.sendmsg_recvmsg", call_sendmsg},
	{"client.call.getsockopt", call_getsockopt},
	{"client.call.sigaction", call_sigaction},
	{"client.call.sigprocmask", call_sigprocmask},
};

static void bench_calls(void)
{
	int fds[FDS + 1], pipes[2];

	fds[NULL_DEVICE] = open("/dev/null", O_WRONLY);
	fds[ZERO_DEVICE] = open("/dev/zero", O_RDONLY);
	if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, fds + SOCKET)) {
		perror("descriptors");
		exit(1);
	}
	fds[PIPE] = pipes[0];
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		bench(calls[i].name, calls[i].fn, fds);
}

/* A register of the test device that only keeps its value. */
static void mmio_load(void *arg, uint64_t n)
{
	volatile uint32_t *reg = arg;

	while (n--)
		(void)*reg;
}

static void mmio_store(void *arg, uint64_t n)
{
	volatile uint32_t *reg = arg;

	while (n--)
		*reg = 0;
}

static void *map_bar0(const char *path)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	int device = open(path, O_RDWR);
	void *bar;

	bind.iommufd = open("/dev/iommu", O_RDWR);
	if (device < 0 || bind.iommufd < 0 || ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
		perror(path);
		exit(1);
	}
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	if (bar == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return bar;
}

int main(int argc, char **argv)
{
	int pipes[2];
	void *bar;

	if (pipe(pipes))
		return 1;
	bench("client.ioctl.raw", ioctl_raw, &pipes[0]);
	bench("client.ioctl.libc", ioctl_libc, &pipes[0]);
	bench_calls();
	if (argc > 1) {
		bar = map_bar0(argv[1]);
		bench("client.mmio.load", mmio_load, bar);
		bench("client.mmio.store", mmio_store, bar);
	}
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim costs a client: bench/run.py runs this plainly, and under
 * "uiommu run".  Argument: the device's cdev; or "calls", for these alone, which it does often.
 *
 *  client.ioctl.raw	a cheap ioctl of a descriptor that isn't ours, by syscall()
 *  client.ioctl.libc	the same by ioctl(): under the shim, the price of asking
 *  client.call.*	other calls that aren't ours, each as cheap as it comes (two_calls are
 *			two); .dev, .sys,
 *			.proc: of a path there, which has to be looked at
 *  client.signal	a fault, and a handler that does nothing but step over it
 *  client.undefined	the same of an undefined instruction, as movdir64b is on some processors;
 *			.memcpy.1M: and a copy after it, beside client.memcpy.1M
 *  client.mmio.*	a trapped load and store
 *  client.memory.*	the same of ordinary memory, and of a BAR that is some
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
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
static char text[4096];
static char page[4096] __attribute__((aligned(4096)));
static struct iovec iov = {.iov_base = &byte, .iov_len = 1};
static struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
static struct pollfd pfd = {.fd = -1};
static struct stat st;
static struct sigaction act;
static sigset_t set;

CALL(open_close, close(open("/etc/passwd", O_RDONLY | O_CLOEXEC)))
CALL(open_dev, close(open("/dev/null", O_RDONLY | O_CLOEXEC)))
CALL(open_sys, close(open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC)))
CALL(open_proc, close(open("/proc/self/stat", O_RDONLY | O_CLOEXEC)))
CALL(stat_shm, stat("/dev/shm", &st))
CALL(stat_class, stat("/sys/class/net", &st))
CALL(stat_at, fstatat(AT_FDCWD, "nothing", &st, 0) ? 0 : -1)
CALL(access, access("/etc/passwd", R_OK))
CALL(readlink, readlink("/proc/self/exe", text, sizeof(text)))
CALL(pread, pread(fds[ZERO_DEVICE], &byte, 1, 0))
CALL(readv, readv(fds[ZERO_DEVICE], &iov, 1))
CALL(writev, writev(fds[NULL_DEVICE], &iov, 1))
CALL(getcwd, getcwd(text, sizeof(text)) ? 0 : -1)
CALL(opendir, closedir(opendir("/etc/security")))
CALL(fopen, fclose(fopen("/etc/passwd", "re")))
CALL(syscall, syscall(SYS_close, -1) ? 0 : -1)
CALL(send_recv, send(fds[SOCKET], &byte, 1, 0) + recv(fds[SOCKET + 1], &byte, 1, 0))
CALL(dup_close, close(dup(fds[PIPE])))
CALL(fcntl, fcntl(fds[PIPE], F_GETFD))
CALL(read, read(fds[ZERO_DEVICE], &byte, 1))
CALL(write, write(fds[NULL_DEVICE], &byte, 1))
CALL(fstat, fstat(fds[PIPE], &st))
CALL(stat, stat("/etc/passwd", &st))
CALL(mprotect, mprotect(page, 4096, PROT_READ | PROT_WRITE))
/* Far from all else, or what is near makes more of a difference than the shim. */
CALL(mmap, munmap(mmap((void *)(1ul << 44), 4096, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
		  4096))
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
	{"client.call.open_close.sys", call_open_sys},
	{"client.call.open_close.proc", call_open_proc},
	{"client.call.opendir_closedir", call_opendir},
	{"client.call.fopen_fclose", call_fopen},
	{"client.call.dup_close", call_dup_close},
	{"client.call.syscall", call_syscall},
	{"client.call.fcntl", call_fcntl},
	{"client.call.read", call_read},
	{"client.call.pread", call_pread},
	{"client.call.readv", call_readv},
	{"client.call.write", call_write},
	{"client.call.writev", call_writev},
	{"client.call.fstat", call_fstat},
	{"client.call.stat", call_stat},
	{"client.call.stat.dev", call_stat_shm},
	{"client.call.stat.sys", call_stat_class},
	{"client.call.fstatat.none", call_stat_at},
	{"client.call.access", call_access},
	{"client.call.readlink.proc", call_readlink},
	{"client.call.getcwd", call_getcwd},
	{"client.call.mmap_munmap", call_mmap},
	{"client.call.mprotect", call_mprotect},
	{"client.call.madvise", call_madvise},
	{"client.call.poll", call_poll},
	{"client.call.ppoll", call_ppoll},
	{"client.call.sendmsg_recvmsg", call_sendmsg},
	{"client.call.send_recv", call_send_recv},
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

/* A fault whose handler does as little as one can: what the machine takes for a trap. */
static void step_over(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	(void)info;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

static void fault(void *arg, uint64_t n)
{
	while (n--)
		__asm__ volatile("movl (%0), %%eax" : : "r"(arg) : "rax", "memory");
}

/* Two bytes as well. */
static void undefined(void *arg, uint64_t n)
{
	(void)arg;
	while (n--)
		__asm__ volatile("ud2" : : : "memory");
}

#define MIB (1ul << 20)

static void copy(void *arg, uint64_t n)
{
	char *memory = arg;

	while (n--) {
		memcpy(memory, memory + MIB, MIB);
		bench_use(memory);
	}
}

static void undefined_copy(void *arg, uint64_t n)
{
	while (n--) {
		undefined(NULL, 1);
		copy(arg, 1);
	}
}

static void bench_undefined(void)
{
	char *memory = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	bench("client.undefined", undefined, NULL);
	bench("client.memcpy.1M", copy, memory);
	bench("client.undefined.memcpy.1M", undefined_copy, memory);
	munmap(memory, 2 * MIB);
}

static void bench_signal(void)
{
	struct sigaction catch = {.sa_sigaction = step_over, .sa_flags = SA_SIGINFO | SA_NODEFER},
			 was[2];
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigfillset(&catch.sa_mask);
	if (none == MAP_FAILED || sigaction(SIGSEGV, &catch, &was[0]) ||
	    sigaction(SIGILL, &catch, &was[1]))
		abort();
	bench("client.signal", fault, none);
	bench_undefined();
	sigaction(SIGSEGV, &was[0], NULL);
	sigaction(SIGILL, &was[1], NULL);
	munmap(none, 4096);
}

static int open_device(const char *path)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	int device = open(path, O_RDWR);

	bind.iommufd = open("/dev/iommu", O_RDWR);
	if (device < 0 || bind.iommufd < 0 || ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
		perror(path);
		exit(1);
	}
	return device;
}

/* NULL: it hasn't this one. */
static void *map_bar(int device, uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
	void *bar;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) || !info.size)
		return NULL;
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	return bar == MAP_FAILED ? NULL : bar;
}

/* Of the test device with bar-shared=on: registers, and a page of memory. */
static void bench_mmio(const char *path)
{
	int device = open_device(path);
	char *bar = map_bar(device, 0), *shared = map_bar(device, 4);

	if (!bar) {
		perror("mmap");
		exit(1);
	}
	bench("client.mmio.load", mmio_load, bar);
	bench("client.mmio.store", mmio_store, bar);
	if (shared) {
		bench("client.memory.bar", mmio_store, shared + 4096);
		bench("client.memory.bar.load", mmio_load, shared + 4096);
	}
}

int main(int argc, char **argv)
{
	int pipes[2];

	if (pipe(pipes))
		return 1;
	bench("client.ioctl.raw", ioctl_raw, &pipes[0]);
	bench("client.ioctl.libc", ioctl_libc, &pipes[0]);
	bench_calls();
	if (argc > 1 && !strcmp(argv[1], "calls"))
		return 0;
	bench_signal();
	bench("client.memory", mmio_store, page);
	bench("client.memory.load", mmio_load, page);
	if (argc > 1)
		bench_mmio(argv[1]);
	return 0;
}

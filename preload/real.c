/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions behind the names that the shim takes over: see real.h.
 *
 * Each pointer starts at a first_NAME(), which resolves all of them at once and
 * goes on to the real one.  The stores are idempotent, so two threads may resolve
 * at the same time.  A thread that comes here again from inside dlsym() makes the
 * system call itself.
 */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>

SHIM_TLS int shim_inside;
SHIM_TLS int shim_vforked;

static SHIM_TLS int resolving;

static void real_resolve(void);

static long result(long rc)
{
	if ((unsigned long)rc >= (unsigned long)-4095L) {
		errno = (int)-rc;
		return -1;
	}
	return rc;
}

#define RAW(nr, a, b, c, d, e, f)                                                                  \
	result(shim_syscall((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

/* ---- the system calls of SHIM_REAL_SYS ---- */

static ssize_t raw_read(int fd, void *buf, size_t n)
{
	return RAW(SYS_read, fd, buf, n, 0, 0, 0);
}

static ssize_t raw_write(int fd, const void *buf, size_t n)
{
	return RAW(SYS_write, fd, buf, n, 0, 0, 0);
}

static ssize_t raw_pread(int fd, void *buf, size_t n, off_t off)
{
	return RAW(SYS_pread64, fd, buf, n, off, 0, 0);
}

static ssize_t raw_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	return RAW(SYS_pwrite64, fd, buf, n, off, 0, 0);
}

static ssize_t raw_readv(int fd, const struct iovec *iov, int n)
{
	return RAW(SYS_readv, fd, iov, n, 0, 0, 0);
}

static ssize_t raw_writev(int fd, const struct iovec *iov, int n)
{
	return RAW(SYS_writev, fd, iov, n, 0, 0, 0);
}

static ssize_t raw_preadv(int fd, const struct iovec *iov, int n, off_t off)
{
	return RAW(SYS_preadv, fd, iov, n, off, 0, 0);
}

static ssize_t raw_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	return RAW(SYS_pwritev, fd, iov, n, off, 0, 0);
}

static off_t raw_lseek(int fd, off_t off, int whence)
{
	return RAW(SYS_lseek, fd, off, whence, 0, 0, 0);
}

static int raw_close(int fd)
{
	return (int)RAW(SYS_close, fd, 0, 0, 0, 0, 0);
}

static int raw_close_range(unsigned int first, unsigned int last, int flags)
{
	return (int)RAW(SYS_close_range, first, last, flags, 0, 0, 0);
}

static int raw_dup(int fd)
{
	return (int)RAW(SYS_dup, fd, 0, 0, 0, 0, 0);
}

static int raw_dup2(int fd, int to)
{
	return (int)RAW(SYS_dup2, fd, to, 0, 0, 0, 0);
}

static int raw_dup3(int fd, int to, int flags)
{
	return (int)RAW(SYS_dup3, fd, to, flags, 0, 0, 0);
}

static void *raw_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	return (void *)RAW(SYS_mmap, addr, len, prot, flags, fd, off);
}

static int raw_munmap(void *addr, size_t len)
{
	return (int)RAW(SYS_munmap, addr, len, 0, 0, 0, 0);
}

static int raw_mprotect(void *addr, size_t len, int prot)
{
	return (int)RAW(SYS_mprotect, addr, len, prot, 0, 0, 0);
}

static int raw_madvise(void *addr, size_t len, int advice)
{
	return (int)RAW(SYS_madvise, addr, len, advice, 0, 0, 0);
}

static void *raw_shmat(int id, const void *addr, int flags)
{
	return (void *)RAW(SYS_shmat, id, addr, flags, 0, 0, 0);
}

static int raw_shmdt(const void *addr)
{
	return (int)RAW(SYS_shmdt, addr, 0, 0, 0, 0, 0);
}

static int raw_ftruncate(int fd, off_t len)
{
	return (int)RAW(SYS_ftruncate, fd, len, 0, 0, 0, 0);
}

static int raw_truncate(const char *path, off_t len)
{
	return (int)RAW(SYS_truncate, path, len, 0, 0, 0, 0);
}

static int raw_fallocate(int fd, int mode, off_t off, off_t len)
{
	return (int)RAW(SYS_fallocate, fd, mode, off, len, 0, 0);
}

static int raw_stat(const char *path, struct stat *st)
{
	return (int)RAW(SYS_newfstatat, AT_FDCWD, path, st, 0, 0, 0);
}

static int raw_lstat(const char *path, struct stat *st)
{
	return (int)RAW(SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW, 0, 0);
}

static int raw_fstat(int fd, struct stat *st)
{
	return (int)RAW(SYS_fstat, fd, st, 0, 0, 0, 0);
}

static int raw_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return (int)RAW(SYS_newfstatat, dir, path, st, flags, 0, 0);
}

static int raw_statx(int dir, const char *path, int flags, unsigned int mask, struct statx *stx)
{
	return (int)RAW(SYS_statx, dir, path, flags, mask, stx, 0);
}

static int raw_statfs(const char *path, struct statfs *st)
{
	return (int)RAW(SYS_statfs, path, st, 0, 0, 0, 0);
}

static int raw_fstatfs(int fd, struct statfs *st)
{
	return (int)RAW(SYS_fstatfs, fd, st, 0, 0, 0, 0);
}

static int raw_access(const char *path, int mode)
{
	return (int)RAW(SYS_access, path, mode, 0, 0, 0, 0);
}

static ssize_t raw_readlink(const char *path, char *buf, size_t n)
{
	return RAW(SYS_readlink, path, buf, n, 0, 0, 0);
}

static ssize_t raw_readlinkat(int dir, const char *path, char *buf, size_t n)
{
	return RAW(SYS_readlinkat, dir, path, buf, n, 0, 0);
}

/* ---- first calls ---- */

#define FIRST_SYS(ret, name, params, args)                                                         \
	static ret first_##name params                                                             \
	{                                                                                          \
		real_resolve();                                                                    \
		if (real_##name == first_##name)                                                   \
			return raw_##name args;                                                    \
		return real_##name args;                                                           \
	}                                                                                          \
	ret(*real_##name) params = first_##name;

/* Nothing calls these from inside dlsym(), and libc has them all. */
#define FIRST_LIB(ret, name, params, args)                                                         \
	static ret first_##name params                                                             \
	{                                                                                          \
		real_resolve();                                                                    \
		return real_##name args;                                                           \
	}                                                                                          \
	ret(*real_##name) params = first_##name;

SHIM_REAL_SYS(FIRST_SYS)
SHIM_REAL_LIB(FIRST_LIB)

static int first_open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	real_resolve();
	if (real_open == first_open)
		return (int)RAW(SYS_openat, AT_FDCWD, path, flags, mode, 0, 0);
	return real_open(path, flags, mode);
}

static int first_openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	real_resolve();
	if (real_openat == first_openat)
		return (int)RAW(SYS_openat, dir, path, flags, mode, 0, 0);
	return real_openat(dir, path, flags, mode);
}

static int first_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	real_resolve();
	if (real_ioctl == first_ioctl)
		return (int)RAW(SYS_ioctl, fd, request, arg, 0, 0, 0);
	return real_ioctl(fd, request, arg);
}

static int first_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	real_resolve();
	if (real_fcntl == first_fcntl)
		return (int)RAW(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
	return real_fcntl(fd, cmd, arg);
}

static void *first_mremap(void *addr, size_t len, size_t to, int flags, ...)
{
	va_list ap;
	void *where;

	va_start(ap, flags);
	where = va_arg(ap, void *);
	va_end(ap);
	real_resolve();
	if (real_mremap == first_mremap)
		return (void *)RAW(SYS_mremap, addr, len, to, flags, where, 0);
	return real_mremap(addr, len, to, flags, where);
}

static long first_syscall(long nr, ...)
{
	long arg[6];
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < 6; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	real_resolve();
	if (real_syscall == first_syscall)
		return RAW(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	return real_syscall(nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

int (*real_open)(const char *path, int flags, ...) = first_open;
int (*real_openat)(int dir, const char *path, int flags, ...) = first_openat;
int (*real_ioctl)(int fd, unsigned long request, ...) = first_ioctl;
int (*real_fcntl)(int fd, int cmd, ...) = first_fcntl;
void *(*real_mremap)(void *addr, size_t len, size_t to, int flags, ...) = first_mremap;
long (*real_syscall)(long nr, ...) = first_syscall;

/* ---- resolving ---- */

void *real_symbol(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* dlsym() returns an object pointer; ISO C wants the detour. */
#define RESOLVE(ret, name, ...)                                                                    \
	do {                                                                                       \
		void *sym = real_symbol(#name);                                                    \
		if (sym)                                                                           \
			__atomic_store_n((void **)&real_##name, sym, __ATOMIC_RELEASE);            \
	} while (0);

static void real_resolve(void)
{
	int saved = errno;

	if (resolving)
		return;
	resolving = 1;
	SHIM_REAL_SYS(RESOLVE)
	SHIM_REAL_VAR(RESOLVE)
	SHIM_REAL_LIB(RESOLVE)
	resolving = 0;
	errno = saved;
}

void real_start(void)
{
	real_resolve();
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libraries do that stand between the shim and libc: an allocator's mmap() is a system
 * call by syscall(); fakeroot's fstat() goes on by the name it had in older libcs; and Go's
 * race detector has a name of ThreadSanitizer's that isn't to be called as that one is.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma GCC visibility push(default)
int behind_calls;

/* No declarations of libc's with attributes that ours would have to repeat. */
void *behind_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off) __asm__("mmap");
int behind_munmap(void *addr, size_t len) __asm__("munmap");
void *behind_mremap(void *addr, size_t len, size_t to, int flags, ...) __asm__("mremap");
int behind_mprotect(void *addr, size_t len, int prot) __asm__("mprotect");
int behind_madvise(void *addr, size_t len, int advice) __asm__("madvise");
int behind_stat(const char *path, struct stat *st) __asm__("stat");
int behind_lstat(const char *path, struct stat *st) __asm__("lstat");
int behind_fstat(int fd, struct stat *st) __asm__("fstat");
int behind_fstatat(int dir, const char *path, struct stat *st, int flags) __asm__("fstatat");
/* By the table, as fakeroot calls them: whoever has the name first. */
int old_stat(int version, const char *path, struct stat *st) __asm__("__xstat");
int old_lstat(int version, const char *path, struct stat *st) __asm__("__lxstat");
int old_fstat(int version, int fd, struct stat *st) __asm__("__fxstat");
int old_fstatat(int version, int dir, const char *path, struct stat *st,
		int flags) __asm__("__fxstatat");

void race_init(void **thread, void **processor, void *symbolize) __asm__("__tsan_init");
void race_start(void) __asm__("__tsan_go_start");

void race_init(void **thread, void **processor, void *symbolize)
{
	abort();
}

void race_start(void)
{
}

void *behind_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	behind_calls++;
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, off);
}

int behind_munmap(void *addr, size_t len)
{
	behind_calls++;
	return (int)syscall(SYS_munmap, addr, len);
}

void *behind_mremap(void *addr, size_t len, size_t to, int flags, ...)
{
	void *where;
	va_list ap;

	va_start(ap, flags);
	where = va_arg(ap, void *);
	va_end(ap);
	behind_calls++;
	return (void *)syscall(SYS_mremap, addr, len, to, flags, where);
}

int behind_mprotect(void *addr, size_t len, int prot)
{
	behind_calls++;
	return (int)syscall(SYS_mprotect, addr, len, prot);
}

int behind_madvise(void *addr, size_t len, int advice)
{
	behind_calls++;
	return (int)syscall(SYS_madvise, addr, len, advice);
}

int behind_stat(const char *path, struct stat *st)
{
	behind_calls++;
	return old_stat(1, path, st);
}

int behind_lstat(const char *path, struct stat *st)
{
	behind_calls++;
	return old_lstat(1, path, st);
}

int behind_fstat(int fd, struct stat *st)
{
	behind_calls++;
	return old_fstat(1, fd, st);
}

int behind_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	behind_calls++;
	return old_fstatat(1, dir, path, st, flags);
}

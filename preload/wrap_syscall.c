/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syscall(): for the numbers that make, use or close descriptors, map memory, take paths, or
 * change limits, as programs call them that are older than libc's own names for them.  Everything
 * else is a jump to the real one, without a frame of ours on the stack (before a new
 * process somebody is made to listen to it): syscall(SYS_clone) may return twice on it.
 */
#include <errno.h>
#include <linux/openat2.h>
#include <string.h>

#include "fdtable.h"
#include "memlock.h"
#include "path.h"
#include "shim.h"
#include "wrap.h"

#ifndef __x86_64__
#error "the numbers are x86-64's"
#endif

long wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
	__attribute__((used, visibility("hidden")));
long wrap_syscall_fd(long nr, long a, long b, long c, long d, long e, long f)
	__attribute__((used, visibility("hidden")));

/* By the names that other programs find, ours if nobody came before us. */
int shim_close(int fd) __asm__("close");
int shim_close_range(unsigned int first, unsigned int last, int flags) __asm__("close_range");
int shim_ioctl(int fd, unsigned long request, ...) __asm__("ioctl");
int shim_fcntl(int fd, int cmd, ...) __asm__("fcntl");
int shim_dup(int fd) __asm__("dup");
int shim_dup2(int fd, int to) __asm__("dup2");
int shim_dup3(int fd, int to, int flags) __asm__("dup3");
int shim_openat(int dir, const char *path, int flags, ...) __asm__("openat");
int shim_faccessat(int dir, const char *path, int mode, int flags) __asm__("faccessat");
int shim_statx(int dir, const char *path, int flags, unsigned int mask,
	       struct statx *stx) __asm__("statx");
ssize_t shim_readlinkat(int dir, const char *path, char *buf, size_t size) __asm__("readlinkat");
ssize_t shim_getdents64(int fd, void *buf, size_t size) __asm__("getdents64");
ssize_t shim_read(int fd, void *buf, size_t n) __asm__("read");
ssize_t shim_write(int fd, const void *buf, size_t n) __asm__("write");
ssize_t shim_pread(int fd, void *buf, size_t n, off_t off) __asm__("pread");
ssize_t shim_pwrite(int fd, const void *buf, size_t n, off_t off) __asm__("pwrite");
ssize_t shim_readv(int fd, const struct iovec *iov, int n) __asm__("readv");
ssize_t shim_writev(int fd, const struct iovec *iov, int n) __asm__("writev");
void *shim_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off) __asm__("mmap");
int shim_munmap(void *addr, size_t len) __asm__("munmap");
void *shim_mremap(void *addr, size_t len, size_t to, int flags, ...) __asm__("mremap");
int shim_mprotect(void *addr, size_t len, int prot) __asm__("mprotect");
int shim_madvise(void *addr, size_t len, int advice) __asm__("madvise");
int shim_chdir(const char *path) __asm__("chdir");
int shim_fchdir(int fd) __asm__("fchdir");
char *shim_getcwd(char *buf, size_t size) __asm__("getcwd");

/* 1: ours to look at; 2: makes a process; 3: of the descriptor that is its first argument. */
const unsigned char wrap_syscall_kind[SYS_faccessat2 + 1] __attribute__((used,
									 visibility("hidden"))) = {
	[SYS_close] = 3,      [SYS_close_range] = 1, [SYS_ioctl] = 3,	  [SYS_fcntl] = 3,
	[SYS_dup] = 3,	      [SYS_dup2] = 1,	     [SYS_dup3] = 1,	  [SYS_open] = 1,
	[SYS_openat] = 1,     [SYS_openat2] = 1,     [SYS_stat] = 1,	  [SYS_lstat] = 1,
	[SYS_fstat] = 3,      [SYS_newfstatat] = 1,  [SYS_statx] = 1,	  [SYS_access] = 1,
	[SYS_faccessat] = 1,  [SYS_faccessat2] = 1,  [SYS_readlink] = 1,  [SYS_readlinkat] = 1,
	[SYS_getdents64] = 3, [SYS_chdir] = 1,	     [SYS_fchdir] = 1,	  [SYS_getcwd] = 1,
	[SYS_setuid] = 1,     [SYS_setreuid] = 1,    [SYS_setresuid] = 1, [SYS_capset] = 1,
	[SYS_setrlimit] = 1,  [SYS_prlimit64] = 1,   [SYS_unshare] = 1,	  [SYS_setns] = 1,
	[SYS_read] = 3,	      [SYS_write] = 1,	     [SYS_pread64] = 3,	  [SYS_pwrite64] = 3,
	[SYS_readv] = 3,      [SYS_writev] = 3,	     [SYS_mmap] = 1,	  [SYS_munmap] = 1,
	[SYS_mremap] = 1,     [SYS_mprotect] = 1,    [SYS_madvise] = 1,	  [SYS_clone] = 2,
	[SYS_fork] = 2,	      [SYS_clone3] = 2,
};

/* What is not ours keeps its rules about how a path may be walked. */
static long open_how(int dir, const char *path, const struct open_how *how, size_t size)
{
	struct path to;

	if (path_maybe(dir, path) && how && size >= sizeof(*how)) {
		path_resolve(dir, path, &to);
		if (to.kind != PATH_HOST)
			return wrap_do_openat(dir, path, (int)how->flags, (mode_t)how->mode);
	}
	return real_syscall(SYS_openat2, dir, path, how, size);
}

static long on_descriptor(long nr, long a, long b, long c, long d)
{
	long rc;

	switch (nr) {
	case SYS_close:
		return shim_close((int)a);
	case SYS_close_range:
		return shim_close_range((unsigned int)a, (unsigned int)b, (int)c);
	case SYS_ioctl:
		return shim_ioctl((int)a, (unsigned long)b, c);
	case SYS_fcntl:
		return shim_fcntl((int)a, (int)b, c);
	case SYS_dup:
		return shim_dup((int)a);
	case SYS_dup2:
		return shim_dup2((int)a, (int)b);
	case SYS_dup3:
		return shim_dup3((int)a, (int)b, (int)c);
	case SYS_fstat:
		return wrap_do_fstat((int)a, (struct stat *)b);
	case SYS_getdents64:
		return shim_getdents64((int)a, (void *)b, (size_t)c);
	case SYS_read:
		return shim_read((int)a, (void *)b, (size_t)c);
	case SYS_write:
		return shim_write((int)a, (const void *)b, (size_t)c);
	case SYS_pread64:
		return shim_pread((int)a, (void *)b, (size_t)c, d);
	case SYS_pwrite64:
		return shim_pwrite((int)a, (const void *)b, (size_t)c, d);
	case SYS_readv:
		return shim_readv((int)a, (const struct iovec *)b, (int)c);
	case SYS_writev:
		return shim_writev((int)a, (const struct iovec *)b, (int)c);
	case SYS_fchdir:
		return shim_fchdir((int)a);
	}
	/* The rest of the table: what changes limits. */
	rc = real_syscall(nr, a, b, c, d);
	memlock_changed_by_thread();
	return rc;
}

/* The system call says how long the name is, with its 0. */
static long current_folder(char *buf, size_t size)
{
	char *cwd = shim_getcwd(buf, size);

	return cwd ? (long)strlen(cwd) + 1 : -1;
}

/*
 * A library behind us that has these names for itself (tcmalloc has) comes here when we call
 * it as the real one, and must not come to itself again.
 */
static long on_memory(long nr, long a, long b, long c, long d, long e, long f)
{
	static SHIM_TLS bool again;
	long rc = -1;

	if (again || shim_bypass())
		return real_syscall(nr, a, b, c, d, e, f);
	again = true;
	switch (nr) {
	case SYS_mmap:
		rc = (long)shim_mmap((void *)a, (size_t)b, (int)c, (int)d, (int)e, f);
		break;
	case SYS_munmap:
		rc = shim_munmap((void *)a, (size_t)b);
		break;
	case SYS_mremap:
		rc = (long)shim_mremap((void *)a, (size_t)b, (size_t)c, (int)d, e);
		break;
	case SYS_mprotect:
		rc = shim_mprotect((void *)a, (size_t)b, (int)c);
		break;
	case SYS_madvise:
		rc = shim_madvise((void *)a, (size_t)b, (int)c);
		break;
	}
	again = false;
	return rc;
}

long wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	switch (nr) {
	case SYS_open:
		return shim_openat(AT_FDCWD, (const char *)a, (int)b, (mode_t)c);
	case SYS_openat:
		return shim_openat((int)a, (const char *)b, (int)c, (mode_t)d);
	case SYS_openat2:
		return open_how((int)a, (const char *)b, (const struct open_how *)c, (size_t)d);
	case SYS_stat:
		return wrap_do_fstatat(AT_FDCWD, (const char *)a, (struct stat *)b, 0);
	case SYS_lstat:
		return wrap_do_fstatat(AT_FDCWD, (const char *)a, (struct stat *)b,
				       AT_SYMLINK_NOFOLLOW);
	case SYS_newfstatat:
		return wrap_do_fstatat((int)a, (const char *)b, (struct stat *)c, (int)d);
	case SYS_statx:
		return shim_statx((int)a, (const char *)b, (int)c, (unsigned int)d,
				  (struct statx *)e);
	case SYS_access:
		return shim_faccessat(AT_FDCWD, (const char *)a, (int)b, 0);
	case SYS_faccessat:
		return shim_faccessat((int)a, (const char *)b, (int)c, 0);
	case SYS_faccessat2:
		return shim_faccessat((int)a, (const char *)b, (int)c, (int)d);
	case SYS_readlink:
		return shim_readlinkat(AT_FDCWD, (const char *)a, (char *)b, (size_t)c);
	case SYS_readlinkat:
		return shim_readlinkat((int)a, (const char *)b, (char *)c, (size_t)d);
	case SYS_mmap:
	case SYS_munmap:
	case SYS_mremap:
	case SYS_mprotect:
	case SYS_madvise:
		return on_memory(nr, a, b, c, d, e, f);
	case SYS_chdir:
		return shim_chdir((const char *)a);
	case SYS_getcwd:
		return current_folder((char *)a, (size_t)b);
	}
	return on_descriptor(nr, a, b, c, d);
}

long wrap_syscall_fd(long nr, long a, long b, long c, long d, long e, long f)
{
	if (!fdtable_slot((int)a))
		return real_syscall(nr, a, b, c, d);
	return wrap_syscall(nr, a, b, c, d, e, f);
}

__asm__(".text\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	cmpq $439, %rdi\n" /* SYS_faccessat2 */
	"	ja 2f\n"
	"	leaq wrap_syscall_kind(%rip), %rax\n"
	"	movzbl (%rax,%rdi), %eax\n"
	"	cmpl $1, %eax\n"
	"	je wrap_syscall\n"
	"	jb 2f\n"
	"	cmpl $2, %eax\n"
	"	ja wrap_syscall_fd\n"
	"	je 1f\n"
	"2:	movq real_syscall@GOTPCREL(%rip), %rax\n"
	"	jmp *(%rax)\n"
	"1:	call share_before\n"
	"	jmp 2b\n"
	"	.cfi_endproc\n"
	".size syscall, .-syscall\n"
	".type share_before, @function\n"
	"share_before:\n" /* keeps all arguments */
	"	.cfi_startproc\n"
	"	pushq %rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %rsi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %rdx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %rcx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r8\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %r9\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call shim_sharing\n"
	"	popq %r9\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %r8\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rcx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rdx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rsi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size share_before, .-share_before\n");
_Static_assert(SYS_faccessat2 == 439, "as in the assembly");

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * syscall(): for the numbers that make, use or close descriptors, as programs call them that
 * are older than libc's own names for them.  Everything else is a jump to the real
 * one, without a frame of ours on the stack (before a new process somebody is
 * made to listen to it): syscall(SYS_clone) may return twice on it.
 */
#include <errno.h>

#include "wrap.h"

#ifndef __x86_64__
#error "the numbers are x86-64's"
#endif

long wrap_syscall(long nr, long a, long b, long c) __attribute__((used, visibility("hidden")));

/* By the names that other programs find, ours if nobody came before us. */
int shim_close(int fd) __asm__("close");
int shim_close_range(unsigned int first, unsigned int last, int flags) __asm__("close_range");
int shim_ioctl(int fd, unsigned long request, ...) __asm__("ioctl");
int shim_fcntl(int fd, int cmd, ...) __asm__("fcntl");
int shim_dup(int fd) __asm__("dup");
int shim_dup2(int fd, int to) __asm__("dup2");
int shim_dup3(int fd, int to, int flags) __asm__("dup3");

long wrap_syscall(long nr, long a, long b, long c)
{
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
	}
	errno = ENOSYS;
	return -1;
}

__asm__(".text\n"
	".globl syscall\n"
	".type syscall, @function\n"
	"syscall:\n"
	"	.cfi_startproc\n"
	"	cmpl $3, %edi\n" /* SYS_close */
	"	je wrap_syscall\n"
	"	cmpl $16, %edi\n" /* SYS_ioctl */
	"	je wrap_syscall\n"
	"	cmpl $32, %edi\n" /* SYS_dup */
	"	je wrap_syscall\n"
	"	cmpl $33, %edi\n" /* SYS_dup2 */
	"	je wrap_syscall\n"
	"	cmpl $72, %edi\n" /* SYS_fcntl */
	"	je wrap_syscall\n"
	"	cmpl $292, %edi\n" /* SYS_dup3 */
	"	je wrap_syscall\n"
	"	cmpl $436, %edi\n" /* SYS_close_range */
	"	je wrap_syscall\n"
	"	cmpl $56, %edi\n" /* SYS_clone */
	"	je 1f\n"
	"	cmpl $57, %edi\n" /* SYS_fork */
	"	je 1f\n"
	"	cmpl $435, %edi\n" /* SYS_clone3 */
	"	je 1f\n"
	"2:	movq real_syscall@GOTPCREL(%rip), %rax\n"
	"	jmp *(%rax)\n"
	"1:	pushq %rdi\n"
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
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call shim_sharing\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
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
	"	jmp 2b\n"
	"	.cfi_endproc\n"
	".size syscall, .-syscall\n");
_Static_assert(SYS_close == 3 && SYS_ioctl == 16 && SYS_dup == 32 && SYS_dup2 == 33 &&
		       SYS_fcntl == 72 && SYS_dup3 == 292 && SYS_close_range == 436 &&
		       SYS_clone == 56 && SYS_fork == 57 && SYS_clone3 == 435,
	       "as in the assembly");

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfork().  The child borrows the parent's memory and stack until it execs or
 * exits: what it does to its own descriptors must not show in the parent's table.  So
 * the child is marked, in the thread-local word that it shares with the parent's
 * thread, and every wrapper passes through; the parent takes the mark off when it
 * goes on.
 *
 * Written in assembly for the child returns on the caller's stack first: nothing of
 * ours may be left there.  The return address waits in a register that the
 * system call keeps.  (posix_spawn() makes its child inside libc, with no call of ours.)
 */
#include <errno.h>

#include "real.h"
#include "serve.h"

#ifndef __x86_64__
#error "vfork() is written for x86-64"
#endif

/* Called before there is a child: it may start a program with our descriptors. */
void shim_sharing(void) __attribute__((used, visibility("hidden")));

void shim_sharing(void)
{
	if (!shim_bypass())
		serve_share();
}

/* Called by the parent with -errno. */
int vfork_failed(long rc) __attribute__((used, visibility("hidden")));

int vfork_failed(long rc)
{
	return (int)(rc < 0 ? (errno = (int)-rc, -1) : rc);
}

__asm__(".text\n"
	".globl vfork\n"
	".globl __vfork\n"
	".type vfork, @function\n"
	".type __vfork, @function\n"
	"vfork:\n"
	"__vfork:\n"
	"	.cfi_startproc\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call shim_sharing\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	movq shim_vforked@gottpoff(%rip), %rsi\n"
	"	movl %fs:(%rsi), %r8d\n" /* a vfork child may vfork */
	"	popq %rdx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	.cfi_register %rip, %rdx\n"
	"	movl $58, %eax\n" /* SYS_vfork */
	"	syscall\n"
	"	pushq %rdx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_rel_offset %rip, 0\n"
	"	testq %rax, %rax\n"
	"	jz 1f\n"
	"	js 2f\n"
	"	movl %r8d, %fs:(%rsi)\n"
	"	ret\n"
	"1:	movl $1, %fs:(%rsi)\n"
	"	ret\n"
	"2:	movq %rax, %rdi\n"
	"	jmp vfork_failed\n"
	"	.cfi_endproc\n"
	".size vfork, .-vfork\n"
	".size __vfork, .-__vfork\n");

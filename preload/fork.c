/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfork(), and clone() where it does the same.  The child borrows the parent's memory until it
 * execs or exits: what it does to its own descriptors must not show in the parent's table.  So
 * the child is marked, in the thread-local word that it shares with the parent's
 * thread, and every wrapper passes through; the parent takes the mark off when it
 * goes on.
 *
 * vfork() is written in assembly, for the child returns on the caller's stack first: nothing of
 * ours may be left there.  The return address waits in a register that the
 * system call keeps.  (posix_spawn() makes its child inside libc, with no call of ours.)
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>

#include "real.h"
#include "serve.h"
#include "wrap.h"

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

struct borrowing {
	int (*fn)(void *arg);
	void *arg;
};

static int borrow(void *arg)
{
	const struct borrowing *b = arg;

	shim_vforked = 1;
	return b->fn(b->arg);
}

/* The child begins on a stack of its own, so this one stays what it is. */
SHIM_WRAP(int, clone, (int (*fn)(void *arg), void *stack, int flags, void *arg, ...))
{
	const int borrows = CLONE_VM | CLONE_VFORK;
	struct borrowing b = {fn, arg};
	int rc, before = shim_vforked;
	void *tls, *child;
	pid_t *parent;
	va_list ap;

	/* Whatever the flags don't ask for isn't looked at. */
	va_start(ap, arg);
	parent = va_arg(ap, pid_t *);
	tls = va_arg(ap, void *);
	child = va_arg(ap, void *);
	va_end(ap);
	shim_sharing();
	/* With another thread pointer it has words of its own. */
	if ((flags & (borrows | CLONE_THREAD | CLONE_SETTLS)) != borrows || !fn)
		return real_clone(fn, stack, flags, arg, parent, tls, child);
	rc = real_clone(borrow, stack, flags, &b, parent, tls, child);
	shim_vforked = before;
	return rc;
}
SHIM_ALIAS(__clone, clone);

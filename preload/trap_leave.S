/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_leave.S - see trap_leave.h
 *
 * rdi the frame, rsi which components of vector state it has.  To unwinders this is
 * a signal's frame, from its first instruction to its last: the caller is what was
 * interrupted, and its registers are where the kernel put them.
 */
	.text
	.set GREGS, 40
	.set FPREGS, 224
	.set IRET, GREGS + 8 * 18

/* DWARF: register \reg is at \base + \at; the stack pointer is what is stored at \base + \at. */
.macro saved reg base at
	.cfi_escape 0x10, \reg, 3, 0x70 + \base, ((\at) & 0x7f) | 0x80, (\at) >> 7
.endm

.macro stack_at base at
	.cfi_escape 0x0f, 4, 0x70 + \base, ((\at) & 0x7f) | 0x80, (\at) >> 7, 0x06
.endm

	.set rdi, 5	/* as DWARF counts them */
	.set rsp, 7

	.p2align 4
	.globl shim_iret
	.hidden shim_iret
	.type shim_iret, @function
shim_iret:
	.cfi_startproc
	.cfi_signal_frame
	stack_at rdi, GREGS+8*15
	saved 16, rdi, GREGS+8*16
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	saved \n, rdi, GREGS+8*(\n-8)
	.endr
	saved 5, rdi, GREGS+8*8
	saved 4, rdi, GREGS+8*9
	saved 6, rdi, GREGS+8*10
	saved 3, rdi, GREGS+8*11
	saved 1, rdi, GREGS+8*12
	saved 0, rdi, GREGS+8*13
	saved 2, rdi, GREGS+8*14
	movq	%rsi, %rax
	movq	%rsi, %rdx
	shrq	$32, %rdx
	movq	FPREGS(%rdi), %rcx
	xrstor64 (%rcx)
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	movq	GREGS+8*(\n-8)(%rdi), %r\n
	.endr
	movq	GREGS+8*9(%rdi), %rsi
	movq	GREGS+8*10(%rdi), %rbp
	movq	GREGS+8*11(%rdi), %rbx
	movq	GREGS+8*12(%rdi), %rdx
	movq	GREGS+8*13(%rdi), %rax
	movq	GREGS+8*14(%rdi), %rcx
	/* What is above it is safe now, and 128 bytes below: rdi is there. */
	leaq	IRET(%rdi), %rsp
	stack_at rsp, 24
	saved 16, rsp, 0
	.irp n, 0, 1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15
	.cfi_same_value \n
	.endr
	.cfi_escape 0x10, 5, 3, 0x77, ((-80) & 0x7f) | 0x80, 0x7f
	movq	GREGS+8*8-IRET(%rsp), %rdi
	.cfi_same_value 5
	iretq
	.cfi_endproc
	.size shim_iret, . - shim_iret

	.section .note.GNU-stack, "", @progbits

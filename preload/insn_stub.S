/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_stub.S - what stands around an instruction that runs on a copy
 *
 * These bytes are copied to the page that insn_native.c makes; behind that page
 * is struct stub_data, reached relative to rip, so that no register is needed for
 * it.  Offsets are checked there.
 */
	.text
	.set data, shim_stub_begin + 4096
	.set gpr, data + 0
	.set flags, data + 128
	.set own_sp, data + 136
	.set own_mxcsr, data + 144
	.set features, data + 148
	.set image, data + 320

	.p2align 4
	.globl shim_stub_begin
	.hidden shim_stub_begin
shim_stub_begin:
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, own_sp(%rip)
	stmxcsr	own_mxcsr(%rip)
	movl	features(%rip), %eax
	xorl	%edx, %edx
	xrstor64 image(%rip)
	pushq	flags(%rip)
	popfq
	movq	gpr+0(%rip), %rax
	movq	gpr+8(%rip), %rcx
	movq	gpr+16(%rip), %rdx
	movq	gpr+24(%rip), %rbx
	movq	gpr+40(%rip), %rbp
	movq	gpr+48(%rip), %rsi
	movq	gpr+56(%rip), %rdi
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	movq	gpr+8*\n(%rip), %r\n
	.endr
	movq	gpr+32(%rip), %rsp
	.globl shim_stub_insn
	.hidden shim_stub_insn
shim_stub_insn:
	.fill	16, 1, 0x90
	movq	%rsp, gpr+32(%rip)
	movq	own_sp(%rip), %rsp
	movq	%rax, gpr+0(%rip)
	movq	%rcx, gpr+8(%rip)
	movq	%rdx, gpr+16(%rip)
	movq	%rbx, gpr+24(%rip)
	movq	%rbp, gpr+40(%rip)
	movq	%rsi, gpr+48(%rip)
	movq	%rdi, gpr+56(%rip)
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	movq	%r\n, gpr+8*\n(%rip)
	.endr
	pushfq
	popq	flags(%rip)
	movl	features(%rip), %eax
	xorl	%edx, %edx
	xsave64	image(%rip)
	testl	$1, features(%rip)
	jz	1f
	fninit
1:	testl	$4, features(%rip)
	jz	2f
	vzeroupper
2:	ldmxcsr	own_mxcsr(%rip)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
	.globl shim_stub_end
	.hidden shim_stub_end
shim_stub_end:

	.section .note.GNU-stack, "", @progbits

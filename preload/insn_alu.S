/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_alu.S - see insn_alu.h
 *
 * rdi dst, rsi src, rdx where the flags are, rcx a third operand.
 */
	.text

/* Loads the client's flags; insn; stores them. */
.macro begin name
	.p2align 4
	.type \name, @function
\name:
	.cfi_startproc
	movq	%rdi, %rax
	pushq	(%rdx)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
.endm

.macro finish name
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	(%rdx)
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size \name, . - \name
.endm

.macro binary insn
	begin alu_\insn\()1
	\insn\()b	%sil, %al
	finish alu_\insn\()1
	begin alu_\insn\()2
	\insn\()w	%si, %ax
	finish alu_\insn\()2
	begin alu_\insn\()4
	\insn\()l	%esi, %eax
	finish alu_\insn\()4
	begin alu_\insn\()8
	\insn\()q	%rsi, %rax
	finish alu_\insn\()8
.endm

.macro unary insn
	begin alu_\insn\()1
	\insn\()b	%al
	finish alu_\insn\()1
	begin alu_\insn\()2
	\insn\()w	%ax
	finish alu_\insn\()2
	begin alu_\insn\()4
	\insn\()l	%eax
	finish alu_\insn\()4
	begin alu_\insn\()8
	\insn\()q	%rax
	finish alu_\insn\()8
.endm

.macro begin_shift name
	.p2align 4
	.type \name, @function
\name:
	.cfi_startproc
	movq	%rdi, %rax
	movl	%esi, %ecx
	pushq	(%rdx)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
.endm

.macro shift insn
	begin_shift alu_\insn\()1
	\insn\()b	%cl, %al
	finish alu_\insn\()1
	begin_shift alu_\insn\()2
	\insn\()w	%cl, %ax
	finish alu_\insn\()2
	begin_shift alu_\insn\()4
	\insn\()l	%cl, %eax
	finish alu_\insn\()4
	begin_shift alu_\insn\()8
	\insn\()q	%cl, %rax
	finish alu_\insn\()8
.endm

.macro binary248 insn
	begin alu_\insn\()2
	\insn\()w	%si, %ax
	finish alu_\insn\()2
	begin alu_\insn\()4
	\insn\()l	%esi, %eax
	finish alu_\insn\()4
	begin alu_\insn\()8
	\insn\()q	%rsi, %rax
	finish alu_\insn\()8
.endm

.macro double248 insn
	begin alu_\insn\()2
	\insn\()w	%cl, %si, %ax
	finish alu_\insn\()2
	begin alu_\insn\()4
	\insn\()l	%cl, %esi, %eax
	finish alu_\insn\()4
	begin alu_\insn\()8
	\insn\()q	%cl, %rsi, %rax
	finish alu_\insn\()8
.endm

/* Those with rdx in and out: the flags move to r8. */
.macro wide_begin name high
	.p2align 4
	.type \name, @function
\name:
	.cfi_startproc
	movq	%rdi, %rax
	movq	%rdx, %r8
	.if \high
	movq	(%rcx), %rdx
	.endif
	pushq	(%r8)
	.cfi_adjust_cfa_offset 8
	popfq
	.cfi_adjust_cfa_offset -8
.endm

.macro wide_finish name high
	pushfq
	.cfi_adjust_cfa_offset 8
	popq	(%r8)
	.cfi_adjust_cfa_offset -8
	.if \high
	movq	%rdx, (%rcx)
	.endif
	ret
	.cfi_endproc
	.size \name, . - \name
.endm

.macro wide name insn
	wide_begin alu_\name\()1 0
	\insn\()b	%sil
	wide_finish alu_\name\()1 0
	wide_begin alu_\name\()2 1
	\insn\()w	%si
	wide_finish alu_\name\()2 1
	wide_begin alu_\name\()4 1
	\insn\()l	%esi
	wide_finish alu_\name\()4 1
	wide_begin alu_\name\()8 1
	\insn\()q	%rsi
	wide_finish alu_\name\()8 1
.endm

	.irp insn, add, or, adc, sbb, and, sub, xor, cmp, test
	binary \insn
	.endr
	.irp insn, inc, dec, neg, not
	unary \insn
	.endr
	.irp insn, shl, shr, sar, rol, ror, rcl, rcr
	shift \insn
	.endr
	.irp insn, shld, shrd
	double248 \insn
	.endr
	.irp insn, bt, bts, btr, btc, imul, bsf, bsr, tzcnt, lzcnt, popcnt
	binary248 \insn
	.endr
	wide mul mul
	wide imul1 imul
	wide div div
	wide idiv idiv

	.section .data.rel.ro.local, "aw"
	.p2align 3
	.globl shim_alu_table
	.hidden shim_alu_table
	.type shim_alu_table, @object
shim_alu_table:
	.irp insn, add, or, adc, sbb, and, sub, xor, cmp, test, inc, dec, neg, not, \
		shl, shr, sar, rol, ror, rcl, rcr
	.quad alu_\insn\()1, alu_\insn\()2, alu_\insn\()4, alu_\insn\()8
	.endr
	.irp insn, shld, shrd, bt, bts, btr, btc, imul, bsf, bsr, tzcnt, lzcnt, popcnt
	.quad 0, alu_\insn\()2, alu_\insn\()4, alu_\insn\()8
	.endr
	.irp insn, mul, imul1, div, idiv
	.quad alu_\insn\()1, alu_\insn\()2, alu_\insn\()4, alu_\insn\()8
	.endr
	.size shim_alu_table, . - shim_alu_table

/* ---- the client's ordinary memory ---- */
	.text
.macro function name
	.p2align 4
	.globl \name
	.hidden \name
	.type \name, @function
\name:
.endm

	.globl shim_user_begin
	.hidden shim_user_begin
shim_user_begin:
/* Sizes 1, 2, 4, 8 are one access each; others are bytes. */
function shim_user_load
function shim_user_store
	.cfi_startproc
	cmpq	$8, %rdx
	je	8f
	cmpq	$4, %rdx
	je	4f
	cmpq	$2, %rdx
	je	2f
	movq	%rdx, %rcx
	rep movsb
	xorl	%eax, %eax
	ret
8:	movq	(%rsi), %rax
	movq	%rax, (%rdi)
	xorl	%eax, %eax
	ret
4:	movl	(%rsi), %eax
	movl	%eax, (%rdi)
	xorl	%eax, %eax
	ret
2:	movzwl	(%rsi), %eax
	movw	%ax, (%rdi)
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size shim_user_load, . - shim_user_load

function shim_user_touch
	.cfi_startproc
	nop	/* valgrind takes a first instruction's fault for its caller's */
	lock orb $0, (%rdi)
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size shim_user_touch, . - shim_user_touch
	.globl shim_user_end
	.hidden shim_user_end
shim_user_end:

	.globl shim_user_fixup
	.hidden shim_user_fixup
shim_user_fixup:
	.cfi_startproc
	movl	$-1, %eax
	ret
	.cfi_endproc

/* ---- stacks ---- */
function shim_call_on_stack
	.cfi_startproc
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	movq	%rdi, %rsp
	andq	$-64, %rsp
	movq	%rdx, %rdi
	call	*%rsi
	movq	%rbp, %rsp
	popq	%rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size shim_call_on_stack, . - shim_call_on_stack

/*
 * Unwinders know a signal frame by these very bytes, and look for unwind
 * information at the address before: so there is none, and a nop.
 */
	nop
function shim_sigreturn
	movq	$15, %rax
	syscall
	.size shim_sigreturn, . - shim_sigreturn

/*
 * Under valgrind: entered in place of the trapped instruction, all registers the
 * client's.  Builds struct trap_frame (trap.c) below the red zone, has the
 * instruction done on it, and goes on where its rip says, in one "ret" that
 * leaves the flags alone.
 */
function shim_resume
	leaq	-128(%rsp), %rsp
	pushq	$0
	pushfq
	pushq	%r15
	pushq	%r14
	pushq	%r13
	pushq	%r12
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rbp
	pushq	%rsp
	pushq	%rbx
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	cld
	movq	%rsp, %rdi
	movq	%rsp, %rbp
	movl	trap_resume_avx(%rip), %ebx
	subq	$512 + 64, %rsp
	andq	$-64, %rsp
	testl	%ebx, %ebx
	jnz	1f
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\n, 16*\n(%rsp)
	.endr
	xorl	%edx, %edx
	jmp	2f
1:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	%xmm\n, 16*\n(%rsp)
	vextractf128 $1, %ymm\n, 256+16*\n(%rsp)
	.endr
	vzeroupper
	leaq	256(%rsp), %rdx
2:
	movq	%rsp, %rsi
	call	trap_resume
	movq	%rax, %rbp
	testl	%ebx, %ebx
	jnz	3f
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	16*\n(%rsp), %xmm\n
	.endr
	jmp	4f
3:
	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	16*\n(%rsp), %xmm\n
	vinsertf128 $1, 256+16*\n(%rsp), %ymm\n, %ymm\n
	.endr
4:
	movq	%rbp, %rsp
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rbx
	leaq	8(%rsp), %rsp
	popq	%rbp
	popq	%rsi
	popq	%rdi
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	popq	%r12
	popq	%r13
	popq	%r14
	popq	%r15
	popfq
	ret	$128
	.size shim_resume, . - shim_resume

	.section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guarded accesses: one stretch of code in which a fault is an answer.
 *
 * Every instruction here that may fault stands in mm_guard_table with the place
 * where the function goes on if it did.  The handler of SIGSEGV and SIGBUS, which
 * is the host's, asks uiommu_guard_fault(): that compares the interrupted RIP with
 * the table and moves it.  Nothing else is looked at, so it is safe in any handler,
 * and a fault elsewhere, say of the client inside its own memcpy(), stays its own.
 *
 * The code is ours rather than memcpy(): the range must be known, a sanitizer must
 * not find an instrumented call, and a string move keeps its progress in registers.
 * rep movsb moves RDI on per byte that is done, so at a fault it points at exactly the
 * first byte that isn't, whichever side faulted.  (RCX would tell as well, but valgrind
 * counts it down before the access.)
 *
 * Short copies take plain moves, where rep movsb has its start-up cost.  Those
 * have no progress to read off: on a fault they are done over by rep movsb from the
 * untouched RDI, RSI and RDX, which then faults at the right byte.  A byte may so be
 * written twice, with the same value.
 *
 * No function begins with its access: valgrind, which translates a call and what is
 * called as one, would give the address of the call for that.
 *
 * Order: the loads and stores of 1 to 8 bytes are single plain moves, acquire and
 * release on this architecture.  A string move orders nothing among its own
 * stores, but a store after it comes after all of them.
 *
 *  mm_guard_on	atomic; set by the host before the first copy that relies on it
 */
#include <signal.h>
#include <ucontext.h>

#include <uiommu/mm.h>

#include "base/sync.h"
#include "mm/guard.h"

#ifndef __x86_64__
#error "guarded copies are written for x86-64"
#endif

/* clang-format off */
__asm__(
"	.pushsection .text.mm_guard,\"ax\",@progbits\n"
"	.p2align 6\n"
"mm_guard_begin:\n"

"	.globl mm_guard_copy\n"
"	.hidden mm_guard_copy\n"
"	.type mm_guard_copy,@function\n"
"mm_guard_copy:\n"
"	cmp	$16, %rdx\n"
"	ja	.Lmm_17up\n"
"	cmp	$8, %rdx\n"
"	jae	.Lmm_8to16\n"
"	cmp	$4, %rdx\n"
"	jae	.Lmm_4to7\n"
".Lmm_long:\n"
"	mov	%rdx, %rcx\n"
"	lea	(%rdi,%rdx), %rax\n"
".Lmm_a0:	rep movsb\n"
".Lmm_copy_out:\n"
"	sub	%rdi, %rax\n"
"	ret\n"
".Lmm_17up:\n"
"	cmp	$64, %rdx\n"
"	ja	.Lmm_long\n"
".Lmm_b1:	movups	(%rsi), %xmm0\n"
".Lmm_b2:	movups	-16(%rsi,%rdx), %xmm1\n"
"	cmp	$32, %rdx\n"
"	jbe	.Lmm_17to32\n"
".Lmm_b3:	movups	16(%rsi), %xmm2\n"
".Lmm_b4:	movups	-32(%rsi,%rdx), %xmm3\n"
".Lmm_b5:	movups	%xmm2, 16(%rdi)\n"
".Lmm_b6:	movups	%xmm3, -32(%rdi,%rdx)\n"
".Lmm_17to32:\n"
".Lmm_b7:	movups	%xmm0, (%rdi)\n"
".Lmm_b8:	movups	%xmm1, -16(%rdi,%rdx)\n"
"	xor	%eax, %eax\n"
"	ret\n"
".Lmm_8to16:\n"
".Lmm_a1:	mov	(%rsi), %rax\n"
".Lmm_a2:	mov	-8(%rsi,%rdx), %rcx\n"
".Lmm_a3:	mov	%rax, (%rdi)\n"
".Lmm_a4:	mov	%rcx, -8(%rdi,%rdx)\n"
"	xor	%eax, %eax\n"
"	ret\n"
".Lmm_4to7:\n"
".Lmm_a5:	mov	(%rsi), %eax\n"
".Lmm_a6:	mov	-4(%rsi,%rdx), %ecx\n"
".Lmm_a7:	mov	%eax, (%rdi)\n"
".Lmm_a8:	mov	%ecx, -4(%rdi,%rdx)\n"
"	xor	%eax, %eax\n"
"	ret\n"
"	.size mm_guard_copy, . - mm_guard_copy\n"

"	.macro mm_guard_load name, at, insn\n"
"	.globl \\name\n"
"	.hidden \\name\n"
"	.type \\name,@function\n"
"	.p2align 4\n"
"\\name:\n"
"	xor	%edx, %edx\n"
"\\at:	\\insn\n"
"	ret\n"
"	.size \\name, . - \\name\n"
"	.endm\n"
"	.macro mm_guard_store name, at, insn\n"
"	.globl \\name\n"
"	.hidden \\name\n"
"	.type \\name,@function\n"
"	.p2align 4\n"
"\\name:\n"
"	xor	%eax, %eax\n"
"\\at:	\\insn\n"
"	ret\n"
"	.size \\name, . - \\name\n"
"	.endm\n"
"	mm_guard_load mm_guard_load1, .Lmm_l1, \"movzbl (%rdi), %eax\"\n"
"	mm_guard_load mm_guard_load2, .Lmm_l2, \"movzwl (%rdi), %eax\"\n"
"	mm_guard_load mm_guard_load4, .Lmm_l4, \"mov (%rdi), %eax\"\n"
"	mm_guard_load mm_guard_load8, .Lmm_l8, \"mov (%rdi), %rax\"\n"
"	mm_guard_store mm_guard_store1, .Lmm_s1, \"mov %sil, (%rdi)\"\n"
"	mm_guard_store mm_guard_store2, .Lmm_s2, \"mov %si, (%rdi)\"\n"
"	mm_guard_store mm_guard_store4, .Lmm_s4, \"mov %esi, (%rdi)\"\n"
"	mm_guard_store mm_guard_store8, .Lmm_s8, \"mov %rsi, (%rdi)\"\n"
"	mm_guard_store mm_guard_touch, .Lmm_t1, \"lock orb $0, (%rdi)\"\n"
"	.purgem mm_guard_load\n"
"	.purgem mm_guard_store\n"

".Lmm_load_out:\n"
"	xor	%eax, %eax\n"
"	mov	$1, %edx\n"
"	ret\n"
".Lmm_store_out:\n"
"	mov	$1, %eax\n"
"	ret\n"
"mm_guard_end:\n"
"	.popsection\n"

/* Offsets from mm_guard_begin: no relocations, so the table stays read-only. */
"	.pushsection .rodata.mm_guard,\"a\",@progbits\n"
"	.p2align 2\n"
"mm_guard_table:\n"
"	.long .Lmm_a0 - mm_guard_begin, .Lmm_copy_out - mm_guard_begin\n"
"	.long .Lmm_a1 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a2 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a3 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a4 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a5 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a6 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a7 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_a8 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b1 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b2 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b3 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b4 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b5 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b6 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b7 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_b8 - mm_guard_begin, .Lmm_long - mm_guard_begin\n"
"	.long .Lmm_l1 - mm_guard_begin, .Lmm_load_out - mm_guard_begin\n"
"	.long .Lmm_l2 - mm_guard_begin, .Lmm_load_out - mm_guard_begin\n"
"	.long .Lmm_l4 - mm_guard_begin, .Lmm_load_out - mm_guard_begin\n"
"	.long .Lmm_l8 - mm_guard_begin, .Lmm_load_out - mm_guard_begin\n"
"	.long .Lmm_s1 - mm_guard_begin, .Lmm_store_out - mm_guard_begin\n"
"	.long .Lmm_s2 - mm_guard_begin, .Lmm_store_out - mm_guard_begin\n"
"	.long .Lmm_s4 - mm_guard_begin, .Lmm_store_out - mm_guard_begin\n"
"	.long .Lmm_s8 - mm_guard_begin, .Lmm_store_out - mm_guard_begin\n"
"	.long .Lmm_t1 - mm_guard_begin, .Lmm_store_out - mm_guard_begin\n"
"mm_guard_table_end:\n"
"	.popsection\n"
);
/* clang-format on */

struct mm_guard_entry {
	uint32_t at;
	uint32_t out;
};

extern const char mm_guard_begin[] __attribute__((visibility("hidden")));
extern const char mm_guard_end[] __attribute__((visibility("hidden")));
extern const struct mm_guard_entry mm_guard_table[] __attribute__((visibility("hidden")));
extern const struct mm_guard_entry mm_guard_table_end[] __attribute__((visibility("hidden")));

uint32_t mm_guard_on;

UIOMMU_API void uiommu_guard_enable(bool on)
{
	ui_store_release(&mm_guard_on, (uint32_t)on);
}

UIOMMU_API bool uiommu_guard_fault(void *ucontext)
{
	greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
	uintptr_t rip = (uintptr_t)regs[REG_RIP];
	uintptr_t begin = (uintptr_t)mm_guard_begin;
	const struct mm_guard_entry *entry;

	if (rip < begin || rip >= (uintptr_t)mm_guard_end)
		return false;
	for (entry = mm_guard_table; entry < mm_guard_table_end; entry++) {
		if (entry->at == rip - begin) {
			regs[REG_RIP] = (greg_t)(begin + entry->out);
			return true;
		}
	}
	return false;
}

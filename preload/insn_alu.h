/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_alu.h - the processor computes, so that flags are its own
 *
 * Each function runs the instruction of its name on registers, with the
 * client's flags loaded before and stored after.  Operands are zero-extended;
 * the result's bits above the operand size mean nothing.
 */
#ifndef SHIM_INSN_ALU_H
#define SHIM_INSN_ALU_H

#include <stdint.h>

typedef uint64_t (*alu_fn)(uint64_t dst, uint64_t src, uint64_t *flags, uint64_t third);

/* One per operand size: 1, 2, 4, 8 bytes; NULL where the instruction has no such form. */
struct alu_op {
	alu_fn fn[4];
};

/* Same order as the table in insn_alu.S. */
enum alu_index {
	ALU_ADD,
	ALU_OR,
	ALU_ADC,
	ALU_SBB,
	ALU_AND,
	ALU_SUB,
	ALU_XOR,
	ALU_CMP,
	ALU_TEST,
	ALU_INC,
	ALU_DEC,
	ALU_NEG,
	ALU_NOT,
	ALU_SHL, /* shifts: src is the count */
	ALU_SHR,
	ALU_SAR,
	ALU_ROL,
	ALU_ROR,
	ALU_RCL,
	ALU_RCR,
	ALU_SHLD, /* third is the count */
	ALU_SHRD,
	ALU_BT, /* src is a bit number, taken modulo the size */
	ALU_BTS,
	ALU_BTR,
	ALU_BTC,
	ALU_IMUL, /* dst * src, cut to the size */
	ALU_BSF,
	ALU_BSR,
	ALU_TZCNT,
	ALU_LZCNT,
	ALU_POPCNT,
	ALU_MUL, /* third points to the high half, that is stored; 1 byte: all in the result */
	ALU_IMUL1,
	ALU_DIV, /* third points to the high half of the dividend, becomes the remainder */
	ALU_IDIV,
	ALU_COUNT
};

extern const struct alu_op shim_alu_table[ALU_COUNT];

/*
 * Accesses to the client's ordinary memory that may fault.  The handler of
 * SIGSEGV finds rip inside [shim_user_begin, shim_user_end), notes the fault and
 * goes on at shim_user_fixup, which makes them return -1.
 */
int shim_user_load(void *dst, const void *src, unsigned long size);
int shim_user_store(void *dst, const void *src, unsigned long size);
/* A locked access that changes nothing: can it be written? */
int shim_user_touch(void *addr);
extern const char shim_user_begin[], shim_user_end[], shim_user_fixup[];

/* Calls fn(arg) on another stack, whose top is @sp. */
void shim_call_on_stack(void *sp, void (*fn)(void *arg), void *arg);

/* The restorer of our handlers. */
void shim_sigreturn(void);

/* Where a trapped access goes on under valgrind, see trap.c. */
void shim_resume(void);

#endif /* SHIM_INSN_ALU_H */

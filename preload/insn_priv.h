/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_priv.h - between insn.c and the files that know one kind each
 */
#ifndef SHIM_INSN_PRIV_H
#define SHIM_INSN_PRIV_H

#include <Zydis/Zydis.h>

#include "insn.h"

struct insn;
typedef enum insn_outcome (*insn_fn)(struct insn *in, unsigned int arg);

/* Which function does it, with which argument; NULL: none. */
struct insn_row {
	insn_fn fn;
	unsigned int arg;
};

/*
 * What is known of an instruction from its bytes alone.
 *  mem_at	which operand is in memory, or -1
 */
struct insn_form {
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	struct insn_row row;
	int mem_at;
};

/*
 * One instruction under way, on the stack.
 *  code	its bytes
 *  zi, op	its form's
 *  mem		its memory operand, or NULL
 *  mem_at	which operand that is
 *  ea, size	where and how many bytes
 */
struct insn {
	struct insn_cpu *cpu;
	const uint8_t *code;
	const ZydisDecodedInstruction *zi;
	const ZydisDecodedOperand *op;
	const ZydisDecodedOperand *mem;
	int mem_at;
	uint64_t ea;
	unsigned int size;
};

bool insn_decode(struct insn_form *form, const void *code, size_t avail);

/* insn_cache.c: of the bytes at @rip, decoded now, into @room, or before; NULL: they are nothing. */
const struct insn_form *insn_form_get(uint64_t rip, const uint8_t *code, size_t avail,
				      struct insn_form *room);
void insn_form_put(const struct insn_form *form, const struct insn_form *room);

/* For tests and tables: would insn_run() do it, and does it by insn_native()? */
bool insn_knows(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *op, bool *native);

enum insn_outcome insn_unknown(struct insn *in, const char *why);

/* Registers as operands name them. */
uint64_t insn_reg_get(const struct insn_cpu *cpu, ZydisRegister reg);
void insn_reg_set(struct insn_cpu *cpu, ZydisRegister reg, uint64_t value);
bool insn_is_gpr(const ZydisDecodedOperand *op);
/* A register's or an immediate's value. */
uint64_t insn_operand(const struct insn *in, int at);
uint64_t insn_ea(const struct insn_cpu *cpu, const struct insn *in, const ZydisDecodedOperand *op);
uint64_t insn_segment_base(ZydisRegister segment);

/* Whole accesses; -1: cpu->fault is filled. */
int insn_probe(struct insn *in, uint64_t addr, unsigned int size, bool write);
int insn_load(struct insn *in, uint64_t addr, uint64_t *value, unsigned int size);
int insn_store(struct insn *in, uint64_t addr, uint64_t value, unsigned int size);

static inline uint64_t insn_cut(uint64_t value, unsigned int size)
{
	return size >= 8 ? value : value & ((1ull << (8 * size)) - 1);
}

static inline uint64_t insn_sign_extend(uint64_t value, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

/* insn_int.c; @arg: enum alu_index, or as named */
enum insn_extend {
	EXTEND_NONE,
	EXTEND_ZERO,
	EXTEND_SIGN
};
enum insn_outcome insn_mov(struct insn *in, unsigned int arg);
enum insn_outcome insn_movbe(struct insn *in, unsigned int arg);
enum insn_outcome insn_binary(struct insn *in, unsigned int arg);
enum insn_outcome insn_unary(struct insn *in, unsigned int arg);
enum insn_outcome insn_shift(struct insn *in, unsigned int arg);
enum insn_outcome insn_double_shift(struct insn *in, unsigned int arg);
enum insn_outcome insn_bit(struct insn *in, unsigned int arg);
enum insn_outcome insn_xchg(struct insn *in, unsigned int arg);
enum insn_outcome insn_xadd(struct insn *in, unsigned int arg);
enum insn_outcome insn_cmpxchg(struct insn *in, unsigned int arg);
enum insn_outcome insn_cmpxchg_pair(struct insn *in, unsigned int arg);
enum insn_outcome insn_setcc(struct insn *in, unsigned int arg);
enum insn_outcome insn_cmovcc(struct insn *in, unsigned int arg);
enum insn_outcome insn_load_op(struct insn *in, unsigned int arg);
enum insn_outcome insn_wide(struct insn *in, unsigned int arg);
enum insn_outcome insn_push(struct insn *in, unsigned int arg);
enum insn_outcome insn_pop(struct insn *in, unsigned int arg);

/* insn_direct.c */
enum insn_outcome insn_movdir64b(struct insn *in, unsigned int arg);
enum insn_outcome insn_enqcmd(struct insn *in, unsigned int arg);

/* insn_string.c; @arg: enum insn_string */
enum insn_string {
	STRING_MOVS,
	STRING_STOS,
	STRING_LODS,
	STRING_SCAS,
	STRING_CMPS
};
enum insn_outcome insn_string(struct insn *in, unsigned int arg);

/* insn_vec.c; @arg: enum insn_vec */
enum insn_vec {
	VEC_MOV,
	VEC_MOV_LOW,
	VEC_MOV_HIGH,
	VEC_BROADCAST,
	VEC_INSERT,
	VEC_EXTRACT,
	VEC_INSERT_HALF,
	VEC_EXTRACT_HALF,
};
enum insn_outcome insn_vec_mov(struct insn *in, unsigned int arg);

/* @arg: enum insn_vec_op */
enum insn_vec_op {
	VOP_AND,
	VOP_ANDN,
	VOP_OR,
	VOP_XOR,
	VOP_ADD8,
	VOP_ADD16,
	VOP_ADD32,
	VOP_ADD64,
	VOP_SUB8,
	VOP_SUB16,
	VOP_SUB32,
	VOP_SUB64,
	VOP_EQ8,
	VOP_EQ16,
	VOP_EQ32,
	VOP_EQ64,
	VOP_MINU8,
	VOP_MAXU8,
};
enum insn_outcome insn_vec_op(struct insn *in, unsigned int arg);
/* Into a mask register; @arg: enum insn_vec_compare */
enum insn_vec_compare {
	VCMP_SIGNED, /* an immediate says how */
	VCMP_UNSIGNED,
	VCMP_EQUAL,
	VCMP_GREATER,
	VCMP_TEST,
	VCMP_TEST_NOT,
};
enum insn_outcome insn_vec_compare(struct insn *in, unsigned int arg);
/* ptest: flags only. */
enum insn_outcome insn_vec_test(struct insn *in, unsigned int arg);

/* vmaskmov and vpmaskmov: signs of a register are the mask; maskmovdqu: at rdi. */
enum insn_outcome insn_vec_maskmov(struct insn *in, unsigned int arg);
enum insn_outcome insn_vec_maskmovdqu(struct insn *in, unsigned int arg);
/* insn_gather.c; @arg: bytes of an index and of an element */
#define GATHER(index, size) ((index) << 4 | (size))
#define GATHER_INDEX(arg) ((arg) >> 4)
#define GATHER_SIZE(arg) ((arg)&15)
enum insn_outcome insn_gather(struct insn *in, unsigned int arg);
enum insn_outcome insn_scatter(struct insn *in, unsigned int arg);
/* Cache lines: nothing is kept in one. */
enum insn_outcome insn_cache_line(struct insn *in, unsigned int arg);

/*
 * Elements of @step bytes of the memory operand; those whose bit is clear are not
 * touched.  Neighbours are one access.
 */
uint64_t insn_elements(const struct insn *in);
int insn_probe_elements(struct insn *in, uint64_t mask, unsigned int step, bool write);
int insn_load_elements(struct insn *in, uint64_t mask, unsigned int step, uint8_t *buf);
enum insn_outcome insn_store_elements(struct insn *in, uint64_t mask, unsigned int step,
				      const uint8_t *buf);

/* insn_native.c: what the processor does on a copy. */
bool insn_native_does(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *op);
enum insn_outcome insn_native(struct insn *in, unsigned int arg);

#endif /* SHIM_INSN_PRIV_H */

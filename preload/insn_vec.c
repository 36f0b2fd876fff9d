/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_vec.c - moves between memory and vector registers
 *
 * 16 bytes are two accesses of 8, the lower one first.  With a mask, exactly the
 * enabled elements are accessed, in as few pieces as they form.
 */
#include <string.h>

#include "insn_priv.h"
#include "insn_vreg.h"

/* ---- memory, some elements of it ---- */

/*
 * Elements of @step bytes of the memory operand; those whose bit is clear are not touched.
 *  first, bytes	the next run of enabled ones
 */
struct run {
	unsigned int first, bytes;
};

static bool next_run(struct run *run, const struct insn *in, uint64_t mask, unsigned int step)
{
	unsigned int at = (run->first + run->bytes) / step, count = in->size / step;

	while (at < count && !(mask >> at & 1))
		at++;
	run->first = at * step;
	while (at < count && mask >> at & 1)
		at++;
	run->bytes = at * step - run->first;
	return run->bytes;
}

int insn_probe_elements(struct insn *in, uint64_t mask, unsigned int step, bool write)
{
	for (struct run run = {0}; next_run(&run, in, mask, step);)
		if (insn_probe(in, in->ea + run.first, run.bytes, write))
			return -1;
	return 0;
}

int insn_load_elements(struct insn *in, uint64_t mask, unsigned int step, uint8_t *buf)
{
	const struct insn_mem_ops *mem = in->cpu->mem;

	if (insn_probe_elements(in, mask, step, false))
		return -1;
	for (struct run run = {0}; next_run(&run, in, mask, step);)
		if (mem->load(in->cpu, in->ea + run.first, buf + run.first, run.bytes))
			return -1;
	return 0;
}

enum insn_outcome insn_store_elements(struct insn *in, uint64_t mask, unsigned int step,
				      const uint8_t *buf)
{
	const struct insn_mem_ops *mem = in->cpu->mem;

	if (insn_probe_elements(in, mask, step, true))
		return INSN_FAULT;
	for (struct run run = {0}; next_run(&run, in, mask, step);)
		if (mem->store(in->cpu, in->ea + run.first, buf + run.first, run.bytes))
			return INSN_FAULT;
	return INSN_DONE;
}

/* The elements of an AVX-512 form that count; all of any other. */
uint64_t insn_elements(const struct insn *in)
{
	ZydisRegister reg = in->zi->avx.mask.reg;

	if (in->zi->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX || reg == ZYDIS_REGISTER_NONE ||
	    reg == ZYDIS_REGISTER_K0)
		return ~0ull;
	return insn_mask_get(in->cpu, reg);
}

static unsigned int step_of(const struct insn *in, int at)
{
	return in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ? in->op[at].element_size / 8 :
								     in->size;
}

static int load_bytes(struct insn *in, uint8_t *buf)
{
	return insn_load_elements(in, ~0ull, in->size, buf);
}

static enum insn_outcome store_bytes(struct insn *in, const uint8_t *buf)
{
	return insn_store_elements(in, insn_elements(in), step_of(in, in->mem_at), buf);
}

/* ---- moves ---- */

static enum insn_outcome vec_store(struct insn *in, unsigned int kind)
{
	const ZydisDecodedOperand *from = &in->op[1];
	union insn_value v;
	uint64_t lane;

	if (!insn_is_vec(from))
		return insn_unknown(in, "stores an MMX register");
	insn_vec_get(in->cpu, from->reg.value, &v);
	switch (kind) {
	case VEC_MOV:
	case VEC_MOV_LOW:
		return store_bytes(in, v.b);
	case VEC_MOV_HIGH:
		return store_bytes(in, v.b + 8);
	case VEC_EXTRACT:
		lane = in->op[2].imm.value.u & (16 / in->size - 1);
		return store_bytes(in, v.b + lane * in->size);
	case VEC_EXTRACT_HALF:
		return store_bytes(in, v.b + 16 * (in->op[2].imm.value.u & 1));
	}
	return insn_unknown(in, "not a store");
}

/* What @v shall be without a mask becomes what it is with one. */
static void merge(const struct insn *in, union insn_value *v, uint64_t mask, unsigned int size)
{
	bool zeroing = in->zi->avx.mask.mode == ZYDIS_MASK_MODE_ZEROING;
	unsigned int step = step_of(in, 0);
	union insn_value old = {0};

	if (!zeroing)
		insn_vec_get(in->cpu, in->op[0].reg.value, &old);
	for (unsigned int i = 0; i < size / step; i++)
		if (!(mask >> i & 1))
			memcpy(v->b + i * step, old.b + i * step, step);
}

static int load_masked(struct insn *in, unsigned int kind, uint64_t mask, union insn_value *from)
{
	unsigned int count = in->zi->avx.vector_length / 8 / step_of(in, 0);

	if (kind == VEC_MOV)
		return insn_load_elements(in, mask, step_of(in, in->mem_at), from->b);
	/* Broadcast: the one element is read if anybody wants it. */
	if (count < 64)
		mask &= (1ull << count) - 1;
	return mask ? load_bytes(in, from->b) : 0;
}

static enum insn_outcome vec_load(struct insn *in, unsigned int kind)
{
	ZydisRegister dst = in->op[0].reg.value;
	uint64_t lane, mask = insn_elements(in);
	union insn_value v, from = {0};

	if (!insn_is_vec(&in->op[0]) || in->size > sizeof(from))
		return insn_unknown(in, "loads an MMX register");
	if (mask == ~0ull ? load_bytes(in, from.b) : load_masked(in, kind, mask, &from))
		return INSN_FAULT;
	/* The other source: its own operand in VEX forms, else the destination. */
	if (in->mem_at == 2 && insn_is_vec(&in->op[1]))
		insn_vec_get(in->cpu, in->op[1].reg.value, &v);
	else
		insn_vec_get(in->cpu, dst, &v);
	switch (kind) {
	case VEC_MOV:
		memset(&v, 0, sizeof(v));
		memcpy(v.b, from.b, in->size);
		break;
	case VEC_MOV_LOW:
		memcpy(v.b, from.b, 8);
		break;
	case VEC_MOV_HIGH:
		memcpy(v.b + 8, from.b, 8);
		break;
	case VEC_BROADCAST:
		for (unsigned int i = 0; i < sizeof(v); i += in->size)
			memcpy(v.b + i, from.b, in->size);
		break;
	case VEC_INSERT:
		lane = in->op[in->mem_at + 1].imm.value.u & (16 / in->size - 1);
		memcpy(v.b + lane * in->size, from.b, in->size);
		break;
	case VEC_INSERT_HALF:
		lane = in->op[in->mem_at + 1].imm.value.u & 1;
		memcpy(v.b + 16 * lane, from.b, 16);
		break;
	default:
		return insn_unknown(in, "not a load");
	}
	if (mask != ~0ull)
		merge(in, &v, mask, kind == VEC_MOV ? in->size : sizeof(v));
	insn_vec_set(in, dst, &v);
	return INSN_DONE;
}

/* The signs of a register's elements, as a mask. */
static uint64_t signs(const struct insn *in, int at, unsigned int step)
{
	union insn_value v;
	uint64_t mask = 0;

	insn_vec_get(in->cpu, in->op[at].reg.value, &v);
	for (unsigned int i = 0; i < in->size / step; i++)
		mask |= (uint64_t)(v.b[i * step + step - 1] >> 7) << i;
	return mask;
}

enum insn_outcome insn_vec_maskmov(struct insn *in, unsigned int step)
{
	union insn_value v = {0};
	uint64_t mask;

	if (!in->cpu->xmm)
		return insn_unknown(in, "no vector state");
	mask = signs(in, 1, step);
	if (in->mem_at == 0) {
		insn_vec_get(in->cpu, in->op[2].reg.value, &v);
		return insn_store_elements(in, mask, step, v.b);
	}
	if (insn_load_elements(in, mask, step, v.b))
		return INSN_FAULT;
	insn_vec_set(in, in->op[0].reg.value, &v);
	return INSN_DONE;
}

enum insn_outcome insn_vec_maskmovdqu(struct insn *in, unsigned int arg)
{
	union insn_value v;

	in->mem = &in->op[2];
	in->ea = insn_ea(in->cpu, in, in->mem);
	in->size = 16;
	if (!in->cpu->xmm || !insn_is_vec(&in->op[0]))
		return insn_unknown(in, "an MMX register");
	insn_vec_get(in->cpu, in->op[0].reg.value, &v);
	return insn_store_elements(in, signs(in, 1, 1), 1, v.b);
}

enum insn_outcome insn_cache_line(struct insn *in, unsigned int arg)
{
	return insn_probe(in, in->ea, 1, false) ? INSN_FAULT : INSN_DONE;
}

enum insn_outcome insn_vec_mov(struct insn *in, unsigned int kind)
{
	const struct insn_cpu *cpu = in->cpu;

	if (!cpu->xmm)
		return insn_unknown(in, "no vector state");
	if (in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	    (!cpu->zmm_high || !cpu->zmm_more || !cpu->opmask))
		return insn_unknown(in, "no state of AVX-512");
	return in->mem_at == 0 ? vec_store(in, kind) : vec_load(in, kind);
}

/* ---- AVX-512: comparing into a mask register, as memcmp() and strlen() do ---- */

/* Element @at as a number that compares unsigned. */
static uint64_t element(const union insn_value *v, unsigned int at, unsigned int step,
			bool is_signed)
{
	uint64_t value = 0;

	memcpy(&value, v->b + at * step, step);
	return is_signed ? value ^ 1ull << (8 * step - 1) : value;
}

static bool holds(uint64_t a, uint64_t b, unsigned int predicate)
{
	enum {
		EQUAL,
		LESS,
		LESS_OR_EQUAL
	};
	unsigned int base = predicate & 3;
	bool yes = (base == EQUAL && a == b) || (base == LESS && a < b) ||
		   (base == LESS_OR_EQUAL && a <= b);

	return yes != (predicate >> 2 & 1);
}

static bool element_says(const struct insn *in, unsigned int kind, const union insn_value *a,
			 const union insn_value *b, unsigned int at)
{
	unsigned int step = in->op[1].element_size / 8;
	bool is_signed = kind == VCMP_SIGNED || kind == VCMP_GREATER;
	uint64_t left = element(a, at, step, is_signed), right = element(b, at, step, is_signed);

	switch (kind) {
	case VCMP_EQUAL:
		return left == right;
	case VCMP_GREATER:
		return left > right;
	case VCMP_TEST:
		return left & right;
	case VCMP_TEST_NOT:
		return !(left & right);
	}
	return holds(left, right, (unsigned int)in->op[3].imm.value.u & 7);
}

enum insn_outcome insn_vec_compare(struct insn *in, unsigned int kind)
{
	unsigned int size = in->zi->avx.vector_length / 8, step = in->op[1].element_size / 8;
	uint64_t mask = insn_elements(in), result = 0;
	union insn_value a, b = {0};

	if (!in->cpu->opmask || in->mem_at != 2)
		return insn_unknown(in, "operands");
	if (size / step < 64)
		mask &= (1ull << size / step) - 1;
	if (in->size < size ? mask && load_bytes(in, b.b) : insn_load_elements(in, mask, step, b.b))
		return INSN_FAULT;
	/* One element for all. */
	for (unsigned int at = in->size; at < size; at += in->size)
		memcpy(b.b + at, b.b, in->size);
	insn_vec_get(in->cpu, in->op[1].reg.value, &a);
	for (unsigned int i = 0; i < size / step; i++)
		if (mask >> i & 1 && element_says(in, kind, &a, &b, i))
			result |= 1ull << i;
	insn_mask_set(in->cpu, in->op[0].reg.value, result);
	return INSN_DONE;
}

/* ---- computing with a memory source, as memcmp() and strlen() do ---- */

#define LANES(member, expr)                                                                        \
	do {                                                                                       \
		for (unsigned int i = 0; i < sizeof(r.member) / sizeof(r.member[0]); i++)          \
			r.member[i] = (expr);                                                      \
	} while (0)

static union insn_value vec_compute(const union insn_value *a, const union insn_value *b,
				    unsigned int op)
{
	union insn_value r = {0};

	switch (op) {
	case VOP_AND:
		LANES(q, a->q[i] & b->q[i]);
		break;
	case VOP_ANDN:
		LANES(q, ~a->q[i] & b->q[i]);
		break;
	case VOP_OR:
		LANES(q, a->q[i] | b->q[i]);
		break;
	case VOP_XOR:
		LANES(q, a->q[i] ^ b->q[i]);
		break;
	case VOP_ADD8:
		LANES(b, (uint8_t)(a->b[i] + b->b[i]));
		break;
	case VOP_ADD16:
		LANES(w, (uint16_t)(a->w[i] + b->w[i]));
		break;
	case VOP_ADD32:
		LANES(d, a->d[i] + b->d[i]);
		break;
	case VOP_ADD64:
		LANES(q, a->q[i] + b->q[i]);
		break;
	case VOP_SUB8:
		LANES(b, (uint8_t)(a->b[i] - b->b[i]));
		break;
	case VOP_SUB16:
		LANES(w, (uint16_t)(a->w[i] - b->w[i]));
		break;
	case VOP_SUB32:
		LANES(d, a->d[i] - b->d[i]);
		break;
	case VOP_SUB64:
		LANES(q, a->q[i] - b->q[i]);
		break;
	case VOP_EQ8:
		LANES(b, a->b[i] == b->b[i] ? 0xff : 0);
		break;
	case VOP_EQ16:
		LANES(w, a->w[i] == b->w[i] ? 0xffff : 0);
		break;
	case VOP_EQ32:
		LANES(d, a->d[i] == b->d[i] ? ~0u : 0);
		break;
	case VOP_EQ64:
		LANES(q, a->q[i] == b->q[i] ? ~0ull : 0);
		break;
	case VOP_MINU8:
		LANES(b, a->b[i] < b->b[i] ? a->b[i] : b->b[i]);
		break;
	case VOP_MAXU8:
		LANES(b, a->b[i] > b->b[i] ? a->b[i] : b->b[i]);
		break;
	}
	return r;
}

enum insn_outcome insn_vec_op(struct insn *in, unsigned int op)
{
	union insn_value a, b = {0}, r;

	if (!in->cpu->xmm || in->mem_at < 1 || !insn_is_vec(&in->op[0]) || in->size > sizeof(b))
		return insn_unknown(in, "operands");
	if (load_bytes(in, b.b))
		return INSN_FAULT;
	insn_vec_get(in->cpu, in->op[in->mem_at - 1].reg.value, &a);
	r = vec_compute(&a, &b, op);
	insn_vec_set(in, in->op[0].reg.value, &r);
	return INSN_DONE;
}

enum insn_outcome insn_vec_test(struct insn *in, unsigned int arg)
{
	uint64_t both = 0, only = 0;
	union insn_value a, b = {0};

	if (!in->cpu->xmm || in->mem_at != 1 || !insn_is_vec(&in->op[0]) || in->size > sizeof(b))
		return insn_unknown(in, "operands");
	if (load_bytes(in, b.b))
		return INSN_FAULT;
	insn_vec_get(in->cpu, in->op[0].reg.value, &a);
	for (unsigned int i = 0; i < in->size / 8; i++) {
		both |= a.q[i] & b.q[i];
		only |= ~a.q[i] & b.q[i];
	}
	in->cpu->flags &= ~(uint64_t)FLAG_STATUS;
	if (!both)
		in->cpu->flags |= FLAG_ZF;
	if (!only)
		in->cpu->flags |= FLAG_CF;
	return INSN_DONE;
}

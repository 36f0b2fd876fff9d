/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_vec.c - moves between memory and vector registers
 *
 * Registers live in the saved state of the interrupted code: xmm in the legacy
 * area, what is above in areas of their own, which may be marked as all zeros.  VEX
 * and EVEX forms clear what is above their length, legacy forms leave it.  16 bytes are
 * two accesses of 8, the lower one first.
 */
#include <string.h>

#include "insn_priv.h"

#define XSTATE_SSE 2
#define XSTATE_YMM 4
#define XSTATE_ZMM_HIGH 64
#define XSTATE_ZMM_MORE 128

/* A value of up to 64 bytes, low first. */
union vec {
	uint8_t b[64];
	uint16_t w[32];
	uint32_t d[16];
	uint64_t q[8];
};

/* xmm, ymm, zmm: 32 each. */
static unsigned int vec_size(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM31)
		return 16;
	if (reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM31)
		return 32;
	if (reg >= ZYDIS_REGISTER_ZMM0 && reg <= ZYDIS_REGISTER_ZMM31)
		return 64;
	return 0;
}

static bool is_vec(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && vec_size(op->reg.value);
}

static unsigned int vec_index(ZydisRegister reg)
{
	switch (vec_size(reg)) {
	case 16:
		return reg - ZYDIS_REGISTER_XMM0;
	case 32:
		return reg - ZYDIS_REGISTER_YMM0;
	}
	return reg - ZYDIS_REGISTER_ZMM0;
}

/* One of the areas that a register's bytes are spread over, 16 registers each. */
static void part_get(const struct insn_cpu *cpu, const uint8_t *area, uint64_t bit, unsigned int at,
		     void *to, unsigned int size)
{
	if (area && (!cpu->xstate_bv || (*cpu->xstate_bv & bit)))
		memcpy(to, area + at * size, size);
	else
		memset(to, 0, size);
}

static void part_set(struct insn_cpu *cpu, uint8_t *area, uint64_t bit, unsigned int at,
		     const void *from, unsigned int size)
{
	static const uint8_t zeros[64];

	if (!area)
		return;
	if (cpu->xstate_bv && !(*cpu->xstate_bv & bit)) {
		if (!memcmp(from, zeros, size))
			return; /* all are, and stay so */
		memset(area, 0, 16 * size);
		*cpu->xstate_bv |= bit;
	}
	memcpy(area + at * size, from, size);
}

static void vec_get(const struct insn_cpu *cpu, ZydisRegister reg, union vec *v)
{
	unsigned int n = vec_index(reg);

	if (n >= 16) {
		part_get(cpu, cpu->zmm_more, XSTATE_ZMM_MORE, n - 16, v->b, 64);
		return;
	}
	memcpy(v->b, cpu->xmm + 16 * n, 16);
	part_get(cpu, cpu->ymm_high, XSTATE_YMM, n, v->b + 16, 16);
	part_get(cpu, cpu->zmm_high, XSTATE_ZMM_HIGH, n, v->b + 32, 32);
}

static void vec_set(struct insn *in, ZydisRegister reg, union vec *v)
{
	bool legacy = in->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	unsigned int n = vec_index(reg), size = vec_size(reg);
	struct insn_cpu *cpu = in->cpu;

	memset(v->b + size, 0, sizeof(*v) - size);
	if (n >= 16) {
		part_set(cpu, cpu->zmm_more, XSTATE_ZMM_MORE, n - 16, v->b, 64);
		return;
	}
	memcpy(cpu->xmm + 16 * n, v->b, 16);
	if (cpu->xstate_bv)
		*cpu->xstate_bv |= XSTATE_SSE;
	/* Legacy forms leave alone what is above. */
	if (legacy)
		return;
	part_set(cpu, cpu->ymm_high, XSTATE_YMM, n, v->b + 16, 16);
	part_set(cpu, cpu->zmm_high, XSTATE_ZMM_HIGH, n, v->b + 32, 32);
}

static int load_bytes(struct insn *in, void *buf)
{
	return insn_probe(in, in->ea, in->size, false) ?:
		       in->cpu->mem->load(in->cpu, in->ea, buf, in->size);
}

static enum insn_outcome store_bytes(struct insn *in, const void *buf)
{
	if (insn_probe(in, in->ea, in->size, true) ||
	    in->cpu->mem->store(in->cpu, in->ea, buf, in->size))
		return INSN_FAULT;
	return INSN_DONE;
}

static enum insn_outcome vec_store(struct insn *in, unsigned int kind)
{
	const ZydisDecodedOperand *from = &in->op[1];
	union vec v;
	uint64_t lane;

	/* EVEX forms have a mask register in between, which is k0: none. */
	if (in->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && !is_vec(from))
		from++;
	if (!is_vec(from))
		return insn_unknown(in, "stores an MMX register");
	vec_get(in->cpu, from->reg.value, &v);
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

static enum insn_outcome vec_load(struct insn *in, unsigned int kind)
{
	ZydisRegister dst = in->op[0].reg.value;
	union vec v, from;
	uint64_t lane;

	if (!is_vec(&in->op[0]) || in->size > sizeof(from))
		return insn_unknown(in, "loads an MMX register");
	if (load_bytes(in, from.b))
		return INSN_FAULT;
	/* The other source: its own operand in VEX forms, else the destination. */
	if (in->mem_at == 2 && is_vec(&in->op[1]))
		vec_get(in->cpu, in->op[1].reg.value, &v);
	else
		vec_get(in->cpu, dst, &v);
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
	vec_set(in, dst, &v);
	return INSN_DONE;
}

enum insn_outcome insn_vec_mov(struct insn *in, unsigned int kind)
{
	const ZydisDecodedInstructionAvx *avx = &in->zi.avx;

	if (!in->cpu->xmm)
		return insn_unknown(in, "no vector state");
	if (in->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	    (kind != VEC_MOV || avx->broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID ||
	     (avx->mask.reg != ZYDIS_REGISTER_NONE && avx->mask.reg != ZYDIS_REGISTER_K0) ||
	     !in->cpu->zmm_high || !in->cpu->zmm_more))
		return insn_unknown(in, "this form of AVX-512");
	return in->mem_at == 0 ? vec_store(in, kind) : vec_load(in, kind);
}

/* ---- computing with a memory source, as memcmp() and strlen() do ---- */

#define LANES(member, expr)                                                                        \
	do {                                                                                       \
		for (unsigned int i = 0; i < sizeof(r.member) / sizeof(r.member[0]); i++)          \
			r.member[i] = (expr);                                                      \
	} while (0)

static union vec vec_compute(const union vec *a, const union vec *b, unsigned int op)
{
	union vec r = {0};

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
	union vec a, b = {0}, r;

	if (!in->cpu->xmm || in->mem_at < 1 || !is_vec(&in->op[0]) || in->size > sizeof(b))
		return insn_unknown(in, "operands");
	if (load_bytes(in, b.b))
		return INSN_FAULT;
	vec_get(in->cpu, in->op[in->mem_at - 1].reg.value, &a);
	r = vec_compute(&a, &b, op);
	vec_set(in, in->op[0].reg.value, &r);
	return INSN_DONE;
}

enum insn_outcome insn_vec_test(struct insn *in, unsigned int arg)
{
	uint64_t both = 0, only = 0;
	union vec a, b = {0};

	if (!in->cpu->xmm || in->mem_at != 1 || !is_vec(&in->op[0]) || in->size > sizeof(b))
		return insn_unknown(in, "operands");
	if (load_bytes(in, b.b))
		return INSN_FAULT;
	vec_get(in->cpu, in->op[0].reg.value, &a);
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

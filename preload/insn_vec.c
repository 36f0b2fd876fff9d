/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_vec.c - moves between memory and vector registers
 *
 * Registers live in the saved state of the interrupted code (xmm in the legacy
 * area, upper halves of ymm in their own, which may be marked as all zeros).  VEX
 * forms clear what is above their length, legacy forms leave it.  16 bytes are
 * two accesses of 8, the lower one first.
 */
#include <string.h>

#include "insn_priv.h"

#define XSTATE_SSE 2
#define XSTATE_YMM 4

/* A value of up to 32 bytes, low first. */
union vec {
	uint8_t b[32];
	uint16_t w[16];
	uint32_t d[8];
	uint64_t q[4];
};

static bool is_vec(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       ((op->reg.value >= ZYDIS_REGISTER_XMM0 && op->reg.value <= ZYDIS_REGISTER_XMM15) ||
		(op->reg.value >= ZYDIS_REGISTER_YMM0 && op->reg.value <= ZYDIS_REGISTER_YMM15));
}

static unsigned int vec_index(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_YMM0 ? reg - ZYDIS_REGISTER_YMM0 : reg - ZYDIS_REGISTER_XMM0;
}

static void vec_get(const struct insn_cpu *cpu, ZydisRegister reg, union vec *v)
{
	unsigned int n = vec_index(reg);
	bool high = cpu->ymm_high && (!cpu->xstate_bv || (*cpu->xstate_bv & XSTATE_YMM));

	memcpy(v->b, cpu->xmm + 16 * n, 16);
	if (high)
		memcpy(v->b + 16, cpu->ymm_high + 16 * n, 16);
	else
		memset(v->b + 16, 0, 16);
}

/* @length: 16 keeps the upper half if the encoding is legacy. */
static void vec_set(struct insn *in, ZydisRegister reg, const union vec *v)
{
	bool vex = in->zi.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
	bool wide = reg >= ZYDIS_REGISTER_YMM0;
	struct insn_cpu *cpu = in->cpu;
	unsigned int n = vec_index(reg);

	memcpy(cpu->xmm + 16 * n, v->b, 16);
	if (cpu->xstate_bv)
		*cpu->xstate_bv |= XSTATE_SSE;
	if (!vex || !cpu->ymm_high)
		return;
	if (cpu->xstate_bv && !(*cpu->xstate_bv & XSTATE_YMM)) {
		if (!wide)
			return; /* all are zeros, and stay so */
		memset(cpu->ymm_high, 0, 16 * 16);
		*cpu->xstate_bv |= XSTATE_YMM;
	}
	if (wide)
		memcpy(cpu->ymm_high + 16 * n, v->b + 16, 16);
	else
		memset(cpu->ymm_high + 16 * n, 0, 16);
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
	union vec v;
	uint64_t lane;

	if (!is_vec(&in->op[1]))
		return insn_unknown(in, "stores an MMX register");
	vec_get(in->cpu, in->op[1].reg.value, &v);
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
	if (!in->cpu->xmm)
		return insn_unknown(in, "no vector state");
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

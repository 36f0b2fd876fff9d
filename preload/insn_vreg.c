/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_vreg.c - vector and mask registers in the saved state
 *
 * xmm is in the legacy area, what is above in areas of their own, which may be
 * marked as all zeros: then what they hold means nothing.  VEX and EVEX forms clear
 * what is above their length, legacy forms leave it.
 */
#include "insn_vreg.h"

#include <string.h>

#define XSTATE_SSE 2
#define XSTATE_YMM 4
#define XSTATE_OPMASK 32
#define XSTATE_ZMM_HIGH 64
#define XSTATE_ZMM_MORE 128

/* xmm, ymm, zmm: 32 each. */
unsigned int insn_vec_size(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM31)
		return 16;
	if (reg >= ZYDIS_REGISTER_YMM0 && reg <= ZYDIS_REGISTER_YMM31)
		return 32;
	if (reg >= ZYDIS_REGISTER_ZMM0 && reg <= ZYDIS_REGISTER_ZMM31)
		return 64;
	return 0;
}

bool insn_is_vec(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && insn_vec_size(op->reg.value);
}

static unsigned int vec_index(ZydisRegister reg)
{
	switch (insn_vec_size(reg)) {
	case 16:
		return reg - ZYDIS_REGISTER_XMM0;
	case 32:
		return reg - ZYDIS_REGISTER_YMM0;
	}
	return reg - ZYDIS_REGISTER_ZMM0;
}

/* Vectors are 16 of a kind in an area, masks 8. */
static unsigned int area_count(uint64_t bit)
{
	return bit == XSTATE_OPMASK ? 8 : 16;
}

/* One of the areas that a register's bytes are spread over. */
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
		memset(area, 0, area_count(bit) * size);
		*cpu->xstate_bv |= bit;
	}
	memcpy(area + at * size, from, size);
}

void insn_vec_get(const struct insn_cpu *cpu, ZydisRegister reg, union insn_value *v)
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

void insn_vec_set(struct insn *in, ZydisRegister reg, union insn_value *v)
{
	bool legacy = in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
	unsigned int n = vec_index(reg), size = insn_vec_size(reg);
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

uint64_t insn_mask_get(const struct insn_cpu *cpu, ZydisRegister reg)
{
	uint64_t mask;

	part_get(cpu, cpu->opmask, XSTATE_OPMASK, reg - ZYDIS_REGISTER_K0, &mask, sizeof(mask));
	return mask;
}

void insn_mask_set(struct insn_cpu *cpu, ZydisRegister reg, uint64_t mask)
{
	part_set(cpu, cpu->opmask, XSTATE_OPMASK, reg - ZYDIS_REGISTER_K0, &mask, sizeof(mask));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_gather.c - gathers and scatters: an address for each element
 *
 * Element by element from the lowest, each an access of its own.  The mask loses the
 * bit of each that is done, so one that faults in the middle can be executed again, as on a
 * processor.
 */
#include <string.h>

#include "insn_priv.h"
#include "insn_vreg.h"

/*
 *  index	the register of indices
 *  step	bytes of one of them
 *  size	bytes of an element
 *  mask	elements that are still to be done
 */
struct gather {
	union insn_value index;
	unsigned int step;
	unsigned int size;
	unsigned int count;
	uint64_t mask;
	bool evex;
};

/* VEX: the signs of a register, which is the last operand. */
static uint64_t vex_mask(const struct insn *in, unsigned int size, unsigned int count)
{
	union insn_value v;
	uint64_t mask = 0;

	insn_vec_get(in->cpu, in->op[2].reg.value, &v);
	for (unsigned int i = 0; i < count; i++)
		mask |= (uint64_t)(v.b[i * size + size - 1] >> 7) << i;
	return mask;
}

static bool setup(const struct insn *in, unsigned int sizes, ZydisRegister data, struct gather *g)
{
	const struct insn_cpu *cpu = in->cpu;

	g->evex = in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	if (!cpu->xmm || (g->evex && (!cpu->zmm_high || !cpu->zmm_more || !cpu->opmask)))
		return false;
	g->step = GATHER_INDEX(sizes);
	g->size = GATHER_SIZE(sizes);
	g->count = insn_vec_size(in->mem->mem.index) / g->step;
	if (insn_vec_size(data) / g->size < g->count)
		g->count = insn_vec_size(data) / g->size;
	insn_vec_get(cpu, in->mem->mem.index, &g->index);
	if (g->evex)
		g->mask = insn_mask_get(cpu, in->zi->avx.mask.reg) & ((1ull << g->count) - 1);
	else
		g->mask = vex_mask(in, g->size, g->count);
	return g->count;
}

static uint64_t element_at(const struct insn *in, const struct gather *g, unsigned int i)
{
	uint64_t index = g->step == 8 ? g->index.q[i] : insn_sign_extend(g->index.d[i], 4);
	uint64_t addr = in->ea + index * in->mem->mem.scale;

	return in->zi->address_width == 32 ? (uint32_t)addr : addr;
}

static void mask_out(struct insn *in, const struct gather *g)
{
	union insn_value v = {0};

	if (g->evex) {
		insn_mask_set(in->cpu, in->zi->avx.mask.reg, g->mask);
		return;
	}
	for (unsigned int i = 0; i < g->count; i++)
		if (g->mask >> i & 1)
			memset(v.b + i * g->size, 0xff, g->size);
	insn_vec_set(in, in->op[2].reg.value, &v);
}

enum insn_outcome insn_gather(struct insn *in, unsigned int sizes)
{
	ZydisRegister to = in->op[0].reg.value;
	enum insn_outcome outcome = INSN_DONE;
	union insn_value v;
	struct gather g;

	if (in->mem_at != 1 || !setup(in, sizes, to, &g))
		return insn_unknown(in, "no vector state");
	insn_vec_get(in->cpu, to, &v);
	for (unsigned int i = 0; i < g.count && !outcome; i++) {
		uint64_t addr = element_at(in, &g, i), value;

		if (!(g.mask >> i & 1))
			continue;
		if (insn_probe(in, addr, g.size, false) || insn_load(in, addr, &value, g.size)) {
			outcome = INSN_FAULT;
			continue;
		}
		memcpy(v.b + i * g.size, &value, g.size);
		g.mask &= ~(1ull << i);
	}
	memset(v.b + g.count * g.size, 0, sizeof(v) - g.count * g.size);
	insn_vec_set(in, to, &v);
	mask_out(in, &g);
	return outcome;
}

enum insn_outcome insn_scatter(struct insn *in, unsigned int sizes)
{
	enum insn_outcome outcome = INSN_DONE;
	union insn_value v;
	struct gather g;

	if (in->mem_at != 0 || !setup(in, sizes, in->op[1].reg.value, &g))
		return insn_unknown(in, "no vector state");
	insn_vec_get(in->cpu, in->op[1].reg.value, &v);
	for (unsigned int i = 0; i < g.count && !outcome; i++) {
		uint64_t addr = element_at(in, &g, i), value = 0;

		if (!(g.mask >> i & 1))
			continue;
		memcpy(&value, v.b + i * g.size, g.size);
		if (insn_probe(in, addr, g.size, true) || insn_store(in, addr, value, g.size))
			outcome = INSN_FAULT;
		else
			g.mask &= ~(1ull << i);
	}
	mask_out(in, &g);
	return outcome;
}

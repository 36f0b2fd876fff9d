/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_string.c - movs, stos, lods, scas, cmps, with and without rep
 *
 * Element by element, as a processor does on device memory.  After each one the
 * registers say how far it came, so that a fault or a signal in the middle finds
 * an instruction that can simply be executed again.
 */
#include "insn_alu.h"
#include "insn_priv.h"

/*
 *  mask	of addresses and of the count, for the 32-bit address prefix
 *  step	plus or minus the element's size
 */
struct string {
	unsigned int size;
	uint64_t mask;
	uint64_t step;
	uint64_t source_base;
	bool rep, repe, repne;
};

static void string_setup(struct insn *in, struct string *s)
{
	const ZydisDecodedOperand *op;

	s->size = in->zi->operand_width / 8;
	s->source_base = 0;
	for (int i = 0; i < in->zi->operand_count; i++) {
		op = &in->op[i];
		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		s->size = op->size / 8;
		/* Only the source can be in another segment. */
		if (op->mem.base == ZYDIS_REGISTER_RSI || op->mem.base == ZYDIS_REGISTER_ESI)
			s->source_base = insn_segment_base(op->mem.segment);
	}
	s->mask = in->zi->address_width == 32 ? 0xffffffff : ~0ull;
	s->step = in->cpu->flags & FLAG_DF ? -(uint64_t)s->size : s->size;
	s->rep = in->zi->attributes &
		 (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
	s->repe = in->zi->attributes & ZYDIS_ATTRIB_HAS_REPE;
	s->repne = in->zi->attributes & ZYDIS_ATTRIB_HAS_REPNE;
}

static void compare(struct insn_cpu *cpu, uint64_t left, uint64_t right, unsigned int size)
{
	uint64_t flags = (cpu->flags & FLAG_STATUS) | 0x202;
	unsigned int log2 = (unsigned int)__builtin_ctz(size);

	shim_alu_table[ALU_CMP].fn[log2](left, right, &flags, 0);
	cpu->flags = (cpu->flags & ~(uint64_t)FLAG_STATUS) | (flags & FLAG_STATUS);
}

static void set_accumulator(struct insn_cpu *cpu, uint64_t value, unsigned int size)
{
	static const ZydisRegister reg[9] = {[1] = ZYDIS_REGISTER_AL,
					     [2] = ZYDIS_REGISTER_AX,
					     [4] = ZYDIS_REGISTER_EAX,
					     [8] = ZYDIS_REGISTER_RAX};

	insn_reg_set(cpu, reg[size], value);
}

/* One element.  The side that is not being written is read first. */
static int element(struct insn *in, unsigned int kind, const struct string *s)
{
	struct insn_cpu *cpu = in->cpu;
	uint64_t from = s->source_base + (cpu->gpr[GPR_SI] & s->mask);
	uint64_t to = cpu->gpr[GPR_DI] & s->mask;
	uint64_t acc = insn_cut(cpu->gpr[GPR_AX], s->size);
	uint64_t a, b;

	switch (kind) {
	case STRING_MOVS:
		return insn_probe(in, from, s->size, false)	 ?:
			       insn_probe(in, to, s->size, true) ?:
			       insn_load(in, from, &a, s->size)	 ?:
								   insn_store(in, to, a, s->size);
	case STRING_STOS:
		return insn_probe(in, to, s->size, true) ?: insn_store(in, to, acc, s->size);
	case STRING_LODS:
		if (insn_probe(in, from, s->size, false) || insn_load(in, from, &a, s->size))
			return -1;
		set_accumulator(cpu, a, s->size);
		return 0;
	case STRING_SCAS:
		if (insn_probe(in, to, s->size, false) || insn_load(in, to, &a, s->size))
			return -1;
		compare(cpu, acc, a, s->size);
		return 0;
	default:
		if (insn_probe(in, from, s->size, false) || insn_probe(in, to, s->size, false) ||
		    insn_load(in, from, &a, s->size) || insn_load(in, to, &b, s->size))
			return -1;
		compare(cpu, a, b, s->size);
		return 0;
	}
}

static void advance(struct insn_cpu *cpu, unsigned int reg, const struct string *s)
{
	cpu->gpr[reg] = (cpu->gpr[reg] + s->step) & s->mask;
}

enum insn_outcome insn_string(struct insn *in, unsigned int kind)
{
	struct insn_cpu *cpu = in->cpu;
	bool compares = kind == STRING_SCAS || kind == STRING_CMPS;
	struct string s;

	string_setup(in, &s);
	if (cpu->early && s.rep)
		cpu->gpr[GPR_CX] = (cpu->gpr[GPR_CX] + 1) & s.mask;
	for (unsigned int n = 0; n < INSN_REP_MAX; n++) {
		if (s.rep && !(cpu->gpr[GPR_CX] & s.mask))
			return INSN_DONE;
		if (element(in, kind, &s))
			return INSN_FAULT;
		if (kind != STRING_STOS && kind != STRING_SCAS)
			advance(cpu, GPR_SI, &s);
		if (kind != STRING_LODS)
			advance(cpu, GPR_DI, &s);
		if (!s.rep)
			return INSN_DONE;
		cpu->gpr[GPR_CX] = (cpu->gpr[GPR_CX] - 1) & s.mask;
		if (compares && s.repe && !(cpu->flags & FLAG_ZF))
			return INSN_DONE;
		if (compares && s.repne && (cpu->flags & FLAG_ZF))
			return INSN_DONE;
	}
	return INSN_AGAIN;
}

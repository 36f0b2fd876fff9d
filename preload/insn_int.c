/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_int.c - the integer instructions, one function per kind
 *
 * Arithmetic is done by the processor on copies, with the client's flags loaded
 * (insn_alu.S).  The order is always: probe, load, compute, store, then registers
 * and flags, so that a failure leaves the client's state as it was.
 */
#include <signal.h>

#include "insn_alu.h"
#include "insn_priv.h"

/* ---- computing ---- */

static alu_fn alu_of(unsigned int index, unsigned int size)
{
	switch (size) {
	case 1:
		return shim_alu_table[index].fn[0];
	case 2:
		return shim_alu_table[index].fn[1];
	case 4:
		return shim_alu_table[index].fn[2];
	case 8:
		return shim_alu_table[index].fn[3];
	}
	return NULL;
}

/* Control bits (trap, direction, alignment check) are not for our own code. */
static uint64_t flags_in(const struct insn_cpu *cpu)
{
	return (cpu->flags & FLAG_STATUS) | 0x202;
}

static void flags_out(struct insn_cpu *cpu, uint64_t flags)
{
	cpu->flags = (cpu->flags & ~(uint64_t)FLAG_STATUS) | (flags & FLAG_STATUS);
}

static uint64_t compute(alu_fn fn, struct insn_cpu *cpu, uint64_t dst, uint64_t src, uint64_t third,
			unsigned int size)
{
	uint64_t flags = flags_in(cpu);
	uint64_t result = fn(dst, insn_cut(src, size), &flags, third);

	flags_out(cpu, flags);
	return insn_cut(result, size);
}

/* Condition codes as opcodes number them. */
static bool condition(uint64_t flags, unsigned int cc)
{
	bool cf = flags & FLAG_CF, zf = flags & FLAG_ZF, sf = flags & FLAG_SF;
	bool of = flags & FLAG_OF, pf = flags & FLAG_PF;
	bool yes = false;

	switch ((cc >> 1) & 7) {
	case 0:
		yes = of;
		break;
	case 1:
		yes = cf;
		break;
	case 2:
		yes = zf;
		break;
	case 3:
		yes = cf || zf;
		break;
	case 4:
		yes = sf;
		break;
	case 5:
		yes = pf;
		break;
	case 6:
		yes = sf != of;
		break;
	case 7:
		yes = zf || sf != of;
		break;
	}
	return yes != (cc & 1);
}

/*
 * Reads the memory operand, lets @fn make a new value of it, and writes that.
 * The registers change only when the write went well.
 */
struct rmw {
	alu_fn fn;
	uint64_t src;
	uint64_t third;
	uint64_t old;
	bool keep; /* compare only: no write */
};

static enum insn_outcome rmw_run(struct insn *in, struct rmw *rmw)
{
	bool locked = in->zi->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	struct insn_cpu *cpu = in->cpu;
	uint64_t flags = flags_in(cpu), value;
	int rc;

	if (insn_probe(in, in->ea, in->size, !rmw->keep))
		return INSN_FAULT;
	if (locked)
		cpu->mem->lock(cpu);
	rc = insn_load(in, in->ea, &rmw->old, in->size);
	if (!rc) {
		value = rmw->fn(rmw->old, insn_cut(rmw->src, in->size), &flags, rmw->third);
		if (!rmw->keep)
			rc = insn_store(in, in->ea, insn_cut(value, in->size), in->size);
	}
	if (locked)
		cpu->mem->unlock(cpu);
	if (rc)
		return INSN_FAULT;
	flags_out(cpu, flags);
	return INSN_DONE;
}

/* ---- one function per kind ---- */

enum insn_outcome insn_mov(struct insn *in, unsigned int extend)
{
	uint64_t value;

	if (in->mem_at == 0) {
		if (insn_probe(in, in->ea, in->size, true) ||
		    insn_store(in, in->ea, insn_operand(in, 1), in->size))
			return INSN_FAULT;
		return INSN_DONE;
	}
	if (insn_probe(in, in->ea, in->size, false) || insn_load(in, in->ea, &value, in->size))
		return INSN_FAULT;
	if (extend == EXTEND_SIGN)
		value = insn_sign_extend(value, in->size);
	insn_reg_set(in->cpu, in->op[0].reg.value, value);
	return INSN_DONE;
}

static uint64_t swap_bytes(uint64_t value, unsigned int size)
{
	return __builtin_bswap64(value) >> (64 - 8 * size);
}

enum insn_outcome insn_movbe(struct insn *in, unsigned int arg)
{
	uint64_t value;

	if (in->mem_at == 0) {
		value = swap_bytes(insn_operand(in, 1), in->size);
		if (insn_probe(in, in->ea, in->size, true) ||
		    insn_store(in, in->ea, value, in->size))
			return INSN_FAULT;
		return INSN_DONE;
	}
	if (insn_probe(in, in->ea, in->size, false) || insn_load(in, in->ea, &value, in->size))
		return INSN_FAULT;
	insn_reg_set(in->cpu, in->op[0].reg.value, swap_bytes(value, in->size));
	return INSN_DONE;
}

/* op mem, reg/imm and op reg, mem. */
enum insn_outcome insn_binary(struct insn *in, unsigned int alu)
{
	struct rmw rmw = {
		.fn = alu_of(alu, in->size),
		.keep = alu == ALU_CMP || alu == ALU_TEST,
	};
	ZydisRegister reg;
	uint64_t value;

	if (!rmw.fn)
		return insn_unknown(in, "operand size");
	if (in->mem_at == 0) {
		rmw.src = insn_operand(in, 1);
		return rmw_run(in, &rmw);
	}
	if (insn_probe(in, in->ea, in->size, false) || insn_load(in, in->ea, &value, in->size))
		return INSN_FAULT;
	reg = in->op[0].reg.value;
	value = compute(rmw.fn, in->cpu, insn_reg_get(in->cpu, reg), value, 0, in->size);
	if (!rmw.keep)
		insn_reg_set(in->cpu, reg, value);
	return INSN_DONE;
}

/* inc, dec, neg, not; shifts, whose count is a byte. */
enum insn_outcome insn_unary(struct insn *in, unsigned int alu)
{
	struct rmw rmw = {.fn = alu_of(alu, in->size)};

	return rmw_run(in, &rmw);
}

enum insn_outcome insn_shift(struct insn *in, unsigned int alu)
{
	struct rmw rmw = {.fn = alu_of(alu, in->size), .src = insn_operand(in, 1) & 0xff};

	return rmw_run(in, &rmw);
}

enum insn_outcome insn_double_shift(struct insn *in, unsigned int alu)
{
	struct rmw rmw = {
		.fn = alu_of(alu, in->size),
		.src = insn_operand(in, 1),
		.third = insn_operand(in, 2) & 0xff,
	};

	return rmw_run(in, &rmw);
}

/* A register names any bit from there, not only those of the operand. */
enum insn_outcome insn_bit(struct insn *in, unsigned int alu)
{
	struct rmw rmw = {.fn = alu_of(alu, in->size), .keep = alu == ALU_BT};

	rmw.src = insn_operand(in, 1);
	if (in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int64_t bit = (int64_t)insn_sign_extend(rmw.src, in->size);
		int64_t bits = in->size * 8;

		/* Rounds down, also below zero. */
		in->ea += (uint64_t)(((bit & ~(bits - 1)) / bits) * in->size);
	}
	rmw.src &= in->size * 8 - 1;
	return rmw_run(in, &rmw);
}

enum insn_outcome insn_xchg(struct insn *in, unsigned int arg)
{
	int reg_at = in->mem_at == 0 ? 1 : 0;
	struct insn_cpu *cpu = in->cpu;
	uint64_t value, mine = insn_operand(in, reg_at);
	int rc;

	if (insn_probe(in, in->ea, in->size, true))
		return INSN_FAULT;
	/* Always locked, prefix or not. */
	cpu->mem->lock(cpu);
	rc = insn_load(in, in->ea, &value, in->size);
	if (!rc)
		rc = insn_store(in, in->ea, mine, in->size);
	cpu->mem->unlock(cpu);
	if (rc)
		return INSN_FAULT;
	insn_reg_set(cpu, in->op[reg_at].reg.value, value);
	return INSN_DONE;
}

enum insn_outcome insn_xadd(struct insn *in, unsigned int arg)
{
	struct rmw rmw = {.fn = alu_of(ALU_ADD, in->size), .src = insn_operand(in, 1)};
	enum insn_outcome outcome = rmw_run(in, &rmw);

	if (outcome == INSN_DONE)
		insn_reg_set(in->cpu, in->op[1].reg.value, rmw.old);
	return outcome;
}

/* The memory is written in any case: with what it had when they differ. */
enum insn_outcome insn_cmpxchg(struct insn *in, unsigned int arg)
{
	static const ZydisRegister accumulator[9] = {
		[1] = ZYDIS_REGISTER_AL,
		[2] = ZYDIS_REGISTER_AX,
		[4] = ZYDIS_REGISTER_EAX,
		[8] = ZYDIS_REGISTER_RAX,
	};
	bool locked = in->zi->attributes & ZYDIS_ATTRIB_HAS_LOCK;
	ZydisRegister acc = accumulator[in->size];
	struct insn_cpu *cpu = in->cpu;
	uint64_t flags = flags_in(cpu), expected = insn_reg_get(cpu, acc), found;
	int rc;

	if (insn_probe(in, in->ea, in->size, true))
		return INSN_FAULT;
	if (locked)
		cpu->mem->lock(cpu);
	rc = insn_load(in, in->ea, &found, in->size);
	if (!rc)
		rc = insn_store(in, in->ea, found == expected ? insn_operand(in, 1) : found,
				in->size);
	if (locked)
		cpu->mem->unlock(cpu);
	if (rc)
		return INSN_FAULT;
	alu_of(ALU_CMP, in->size)(expected, found, &flags, 0);
	flags_out(cpu, flags);
	if (found != expected)
		insn_reg_set(cpu, acc, found);
	return INSN_DONE;
}

/* cmpxchg8b, cmpxchg16b: two halves of @half bytes. */
enum insn_outcome insn_cmpxchg_pair(struct insn *in, unsigned int half)
{
	bool locked = in->zi->attributes & ZYDIS_ATTRIB_HAS_LOCK, equal = false;
	struct insn_cpu *cpu = in->cpu;
	uint64_t low, high;
	int rc;

	if (insn_probe(in, in->ea, 2 * half, true))
		return INSN_FAULT;
	if (locked)
		cpu->mem->lock(cpu);
	rc = insn_load(in, in->ea, &low, half) ?: insn_load(in, in->ea + half, &high, half);
	if (!rc) {
		equal = low == insn_cut(cpu->gpr[GPR_AX], half) &&
			high == insn_cut(cpu->gpr[GPR_DX], half);
		rc = insn_store(in, in->ea, equal ? cpu->gpr[GPR_BX] : low, half) ?:
			     insn_store(in, in->ea + half, equal ? cpu->gpr[GPR_CX] : high, half);
	}
	if (locked)
		cpu->mem->unlock(cpu);
	if (rc)
		return INSN_FAULT;
	if (equal) {
		cpu->flags |= FLAG_ZF;
	} else {
		cpu->flags &= ~(uint64_t)FLAG_ZF;
		cpu->gpr[GPR_AX] = low;
		cpu->gpr[GPR_DX] = high;
	}
	return INSN_DONE;
}

enum insn_outcome insn_setcc(struct insn *in, unsigned int arg)
{
	if (insn_probe(in, in->ea, 1, true) ||
	    insn_store(in, in->ea, condition(in->cpu->flags, in->zi->opcode), 1))
		return INSN_FAULT;
	return INSN_DONE;
}

/* The load happens whatever the condition says; so does the zero extension. */
enum insn_outcome insn_cmovcc(struct insn *in, unsigned int arg)
{
	ZydisRegister reg = in->op[0].reg.value;
	uint64_t value;

	if (insn_probe(in, in->ea, in->size, false) || insn_load(in, in->ea, &value, in->size))
		return INSN_FAULT;
	if (!condition(in->cpu->flags, in->zi->opcode))
		value = insn_reg_get(in->cpu, reg);
	insn_reg_set(in->cpu, reg, value);
	return INSN_DONE;
}

/* reg = op(mem): bsf, bsr, tzcnt, lzcnt, popcnt and imul in its longer forms. */
enum insn_outcome insn_load_op(struct insn *in, unsigned int alu)
{
	struct insn_cpu *cpu = in->cpu;
	ZydisRegister reg = in->op[0].reg.value;
	uint64_t value, dst, src, flags = flags_in(cpu);
	alu_fn fn = alu_of(alu, in->size);

	if (!fn)
		return insn_unknown(in, "operand size");
	if (insn_probe(in, in->ea, in->size, false) || insn_load(in, in->ea, &value, in->size))
		return INSN_FAULT;
	dst = insn_reg_get(cpu, reg);
	src = value;
	if (in->zi->operand_count_visible == 3) {
		dst = value;
		src = insn_operand(in, 2);
	}
	if (alu == ALU_BSF || alu == ALU_BSR) {
		/* Of zero: the whole register stays, or doesn't, as this processor does it. */
		reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
		dst = insn_reg_get(cpu, reg);
		src = fn(dst, value, &flags, 0);
		flags_out(cpu, flags);
		insn_reg_set(cpu, reg, src);
		return INSN_DONE;
	}
	insn_reg_set(cpu, reg, compute(fn, cpu, dst, src, 0, in->size));
	return INSN_DONE;
}

static bool divides(unsigned int alu, uint64_t low, uint64_t high, uint64_t by, unsigned int size)
{
	unsigned int bits = 8 * size;
	unsigned __int128 n;
	__int128 s, q, limit = 1ull << ((bits - 1) & 63);

	if (!by)
		return false;
	if (alu == ALU_DIV)
		return high < by;
	n = ((unsigned __int128)high << bits) | low;
	s = size == 8 ? (__int128)n : (__int128)(int64_t)insn_sign_extend((uint64_t)n, 2 * size);
	by = insn_sign_extend(by, size);
	if (s == -((__int128)1 << 126) * 2 && (int64_t)by == -1)
		return false;
	q = s / (int64_t)by;
	return q >= -limit && q < limit;
}

/* mul, imul, div, idiv with one operand: DX:AX, or AH:AL for bytes. */
enum insn_outcome insn_wide(struct insn *in, unsigned int alu)
{
	bool division = alu == ALU_DIV || alu == ALU_IDIV;
	static const ZydisRegister low_reg[9] = {[1] = ZYDIS_REGISTER_AX,
						 [2] = ZYDIS_REGISTER_AX,
						 [4] = ZYDIS_REGISTER_EAX,
						 [8] = ZYDIS_REGISTER_RAX};
	static const ZydisRegister high_reg[9] = {
		[2] = ZYDIS_REGISTER_DX, [4] = ZYDIS_REGISTER_EDX, [8] = ZYDIS_REGISTER_RDX};
	struct insn_cpu *cpu = in->cpu;
	uint64_t flags = flags_in(cpu), low, high = 0, value;
	unsigned int size = in->size;

	if (insn_probe(in, in->ea, size, false) || insn_load(in, in->ea, &value, size))
		return INSN_FAULT;
	low = insn_reg_get(cpu, low_reg[size]);
	if (size > 1)
		high = insn_reg_get(cpu, high_reg[size]);
	if (division &&
	    !divides(alu, size == 1 ? low & 0xff : low, size == 1 ? low >> 8 : high, value, size)) {
		cpu->fault = (struct insn_fault){SIGFPE, FPE_INTDIV, cpu->rip, 0, 0};
		return INSN_FAULT;
	}
	low = alu_of(alu, size)(low, value, &flags, (uint64_t)(uintptr_t)&high);
	flags_out(cpu, flags);
	insn_reg_set(cpu, low_reg[size], low);
	if (size > 1)
		insn_reg_set(cpu, high_reg[size], high);
	return INSN_DONE;
}

enum insn_outcome insn_push(struct insn *in, unsigned int arg)
{
	struct insn_cpu *cpu = in->cpu;
	uint64_t value, sp = cpu->gpr[GPR_SP] - in->size;

	if (insn_probe(in, in->ea, in->size, false) || insn_probe(in, sp, in->size, true) ||
	    insn_load(in, in->ea, &value, in->size) || insn_store(in, sp, value, in->size))
		return INSN_FAULT;
	cpu->gpr[GPR_SP] = sp;
	return INSN_DONE;
}

enum insn_outcome insn_pop(struct insn *in, unsigned int arg)
{
	struct insn_cpu *cpu = in->cpu;
	uint64_t value, sp = cpu->gpr[GPR_SP] - (cpu->early ? in->size : 0);

	/* An address made from rsp is made from what it becomes. */
	cpu->gpr[GPR_SP] = sp + in->size;
	in->ea = insn_ea(cpu, in, in->mem);
	if (insn_probe(in, sp, in->size, false) || insn_probe(in, in->ea, in->size, true) ||
	    insn_load(in, sp, &value, in->size) || insn_store(in, in->ea, value, in->size)) {
		cpu->gpr[GPR_SP] = sp;
		return INSN_FAULT;
	}
	return INSN_DONE;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_direct.c - movdir64b and enqcmd: 64 bytes that arrive as one
 *
 * The destination is a register's value, the source the memory operand.  Both are done
 * whether the processor has them or not, see trap.c.
 */
#include <signal.h>

#include "insn_priv.h"

#define BLOCK 64
#define TRAPNO_GP 13

static enum insn_outcome general_protection(struct insn *in)
{
	in->cpu->fault = (struct insn_fault){SIGSEGV, SI_KERNEL, 0, TRAPNO_GP, 0};
	return INSN_FAULT;
}

/* Where to; -1 if that can't be.  The source is read into @block. */
static enum insn_outcome fetch(struct insn *in, uint64_t *to, uint8_t *block)
{
	*to = insn_reg_get(in->cpu, in->op[0].reg.value);
	if (*to % BLOCK)
		return general_protection(in);
	if (insn_probe(in, in->ea, BLOCK, false) || insn_probe(in, *to, BLOCK, true) ||
	    in->cpu->mem->load(in->cpu, in->ea, block, BLOCK))
		return INSN_FAULT;
	return INSN_DONE;
}

enum insn_outcome insn_movdir64b(struct insn *in, unsigned int arg)
{
	uint8_t block[BLOCK];
	uint64_t to;

	if (fetch(in, &to, block) || in->cpu->mem->store_block(in->cpu, to, block))
		return INSN_FAULT;
	return INSN_DONE;
}

/* ZF says that it has to be tried again; the other flags are cleared. */
enum insn_outcome insn_enqcmd(struct insn *in, unsigned int arg)
{
	struct insn_cpu *cpu = in->cpu;
	uint8_t block[BLOCK];
	uint64_t to;
	int rc;

	if (fetch(in, &to, block))
		return INSN_FAULT;
	rc = cpu->mem->enqueue(cpu, to, block);
	if (rc < 0)
		return INSN_FAULT;
	cpu->flags &= ~(uint64_t)FLAG_STATUS;
	if (rc)
		cpu->flags |= FLAG_ZF;
	return INSN_DONE;
}

bool insn_is_direct(const uint8_t *code, size_t avail)
{
	for (size_t i = 0; i + 2 < avail; i++) {
		switch (code[i]) {
		case 0x0f:
			return code[i + 1] == 0x38 && (code[i + 2] == 0xf8 || code[i + 2] == 0xf9);
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x66:
		case 0x67:
		case 0xf2:
		case 0x40 ... 0x4f:
			break;
		default:
			return false;
		}
	}
	return false;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn.c - decoding, operands, and which function does what
 *
 * A table indexed by mnemonic says which function does an instruction, with one
 * argument.  Sizes, operands and addresses come from the decoder, so a function
 * handles every width and both directions.
 */
#include "insn.h"

#include <asm/prctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "insn_alu.h"
#include "insn_priv.h"
#include "insn_vreg.h"

enum insn_outcome insn_unknown(struct insn *in, const char *why)
{
	in->cpu->why = why;
	in->cpu->mnemonic = ZydisMnemonicGetString(in->zi->mnemonic);
	return INSN_UNKNOWN;
}

/* ---- registers ---- */

/* Where a general register lies: byte offset and width. */
static bool gpr_place(ZydisRegister reg, unsigned int *index, unsigned int *shift,
		      unsigned int *size)
{
	*shift = 0;
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_R15B) {
		unsigned int n = reg - ZYDIS_REGISTER_AL;

		/* AL CL DL BL, AH CH DH BH, SPL BPL SIL DIL, R8B... */
		*size = 1;
		*index = n < 4 ? n : n - 4;
		if (n >= 4 && n < 8)
			*shift = 8;
		return true;
	}
	if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W) {
		*index = reg - ZYDIS_REGISTER_AX;
		*size = 2;
		return true;
	}
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D) {
		*index = reg - ZYDIS_REGISTER_EAX;
		*size = 4;
		return true;
	}
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15) {
		*index = reg - ZYDIS_REGISTER_RAX;
		*size = 8;
		return true;
	}
	return false;
}

uint64_t insn_reg_get(const struct insn_cpu *cpu, ZydisRegister reg)
{
	unsigned int index, shift, size;

	if (!gpr_place(reg, &index, &shift, &size))
		return 0;
	return insn_cut(cpu->gpr[index] >> shift, size);
}

void insn_reg_set(struct insn_cpu *cpu, ZydisRegister reg, uint64_t value)
{
	unsigned int index, shift, size;
	uint64_t mask;

	if (!gpr_place(reg, &index, &shift, &size))
		return;
	if (size == 8) {
		cpu->gpr[index] = value;
	} else if (size == 4) {
		/* The upper half becomes zero, as everywhere in 64-bit code. */
		cpu->gpr[index] = (uint32_t)value;
	} else {
		mask = insn_cut(~0ull, size) << shift;
		cpu->gpr[index] = (cpu->gpr[index] & ~mask) | ((value << shift) & mask);
	}
}

uint64_t insn_operand(const struct insn *in, int at)
{
	const ZydisDecodedOperand *op = &in->op[at];

	if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return op->imm.value.u;
	return insn_reg_get(in->cpu, op->reg.value);
}

bool insn_is_gpr(const ZydisDecodedOperand *op)
{
	unsigned int index, shift, size;

	return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       gpr_place(op->reg.value, &index, &shift, &size);
}

/* ---- addresses ---- */

uint64_t insn_segment_base(ZydisRegister segment)
{
	unsigned long base = 0;

	if (segment == ZYDIS_REGISTER_FS)
		syscall(SYS_arch_prctl, ARCH_GET_FS, &base);
	else if (segment == ZYDIS_REGISTER_GS)
		syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

uint64_t insn_ea(const struct insn_cpu *cpu, const struct insn *in, const ZydisDecodedOperand *op)
{
	uint64_t ea = (uint64_t)op->mem.disp.value;

	if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP)
		ea += cpu->rip + in->zi->length;
	else if (op->mem.base != ZYDIS_REGISTER_NONE)
		ea += insn_reg_get(cpu, op->mem.base);
	if (op->mem.index != ZYDIS_REGISTER_NONE)
		ea += insn_reg_get(cpu, op->mem.index) * op->mem.scale;
	if (in->zi->address_width == 32)
		ea = (uint32_t)ea;
	return ea + insn_segment_base(op->mem.segment);
}

/* ---- memory ---- */

int insn_probe(struct insn *in, uint64_t addr, unsigned int size, bool write)
{
	return in->cpu->mem->probe(in->cpu, addr, size, write);
}

int insn_load(struct insn *in, uint64_t addr, uint64_t *value, unsigned int size)
{
	*value = 0;
	return in->cpu->mem->load(in->cpu, addr, value, size);
}

int insn_store(struct insn *in, uint64_t addr, uint64_t value, unsigned int size)
{
	return in->cpu->mem->store(in->cpu, addr, &value, size);
}

/* ---- the table ---- */

#define M(name) [ZYDIS_MNEMONIC_##name]

static const struct insn_row rows[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	M(MOV) = {insn_mov, EXTEND_NONE},
	M(MOVZX) = {insn_mov, EXTEND_ZERO},
	M(MOVSX) = {insn_mov, EXTEND_SIGN},
	M(MOVSXD) = {insn_mov, EXTEND_SIGN},
	M(MOVNTI) = {insn_mov, EXTEND_NONE},
	M(MOVDIRI) = {insn_mov, EXTEND_NONE},
	M(MOVDIR64B) = {insn_movdir64b},
	M(ENQCMD) = {insn_enqcmd},
	M(MOVBE) = {insn_movbe},
	M(ADD) = {insn_binary, ALU_ADD},
	M(OR) = {insn_binary, ALU_OR},
	M(ADC) = {insn_binary, ALU_ADC},
	M(SBB) = {insn_binary, ALU_SBB},
	M(AND) = {insn_binary, ALU_AND},
	M(SUB) = {insn_binary, ALU_SUB},
	M(XOR) = {insn_binary, ALU_XOR},
	M(CMP) = {insn_binary, ALU_CMP},
	M(TEST) = {insn_binary, ALU_TEST},
	M(INC) = {insn_unary, ALU_INC},
	M(DEC) = {insn_unary, ALU_DEC},
	M(NEG) = {insn_unary, ALU_NEG},
	M(NOT) = {insn_unary, ALU_NOT},
	M(SHL) = {insn_shift, ALU_SHL},
	M(SHR) = {insn_shift, ALU_SHR},
	M(SAR) = {insn_shift, ALU_SAR},
	M(ROL) = {insn_shift, ALU_ROL},
	M(ROR) = {insn_shift, ALU_ROR},
	M(RCL) = {insn_shift, ALU_RCL},
	M(RCR) = {insn_shift, ALU_RCR},
	M(SHLD) = {insn_double_shift, ALU_SHLD},
	M(SHRD) = {insn_double_shift, ALU_SHRD},
	M(BT) = {insn_bit, ALU_BT},
	M(BTS) = {insn_bit, ALU_BTS},
	M(BTR) = {insn_bit, ALU_BTR},
	M(BTC) = {insn_bit, ALU_BTC},
	M(XCHG) = {insn_xchg},
	M(XADD) = {insn_xadd},
	M(CMPXCHG) = {insn_cmpxchg},
	M(CMPXCHG8B) = {insn_cmpxchg_pair, 4},
	M(CMPXCHG16B) = {insn_cmpxchg_pair, 8},
	M(SETO) = {insn_setcc},
	M(SETNO) = {insn_setcc},
	M(SETB) = {insn_setcc},
	M(SETNB) = {insn_setcc},
	M(SETZ) = {insn_setcc},
	M(SETNZ) = {insn_setcc},
	M(SETBE) = {insn_setcc},
	M(SETNBE) = {insn_setcc},
	M(SETS) = {insn_setcc},
	M(SETNS) = {insn_setcc},
	M(SETP) = {insn_setcc},
	M(SETNP) = {insn_setcc},
	M(SETL) = {insn_setcc},
	M(SETNL) = {insn_setcc},
	M(SETLE) = {insn_setcc},
	M(SETNLE) = {insn_setcc},
	M(CMOVO) = {insn_cmovcc},
	M(CMOVNO) = {insn_cmovcc},
	M(CMOVB) = {insn_cmovcc},
	M(CMOVNB) = {insn_cmovcc},
	M(CMOVZ) = {insn_cmovcc},
	M(CMOVNZ) = {insn_cmovcc},
	M(CMOVBE) = {insn_cmovcc},
	M(CMOVNBE) = {insn_cmovcc},
	M(CMOVS) = {insn_cmovcc},
	M(CMOVNS) = {insn_cmovcc},
	M(CMOVP) = {insn_cmovcc},
	M(CMOVNP) = {insn_cmovcc},
	M(CMOVL) = {insn_cmovcc},
	M(CMOVNL) = {insn_cmovcc},
	M(CMOVLE) = {insn_cmovcc},
	M(CMOVNLE) = {insn_cmovcc},
	M(BSF) = {insn_load_op, ALU_BSF},
	M(BSR) = {insn_load_op, ALU_BSR},
	M(TZCNT) = {insn_load_op, ALU_TZCNT},
	M(LZCNT) = {insn_load_op, ALU_LZCNT},
	M(POPCNT) = {insn_load_op, ALU_POPCNT},
	M(MUL) = {insn_wide, ALU_MUL},
	M(DIV) = {insn_wide, ALU_DIV},
	M(IDIV) = {insn_wide, ALU_IDIV},
	/* With one operand it is insn_wide's, see insn_run(). */
	M(IMUL) = {insn_load_op, ALU_IMUL},
	M(PUSH) = {insn_push},
	M(POP) = {insn_pop},

	M(MOVSB) = {insn_string, STRING_MOVS},
	M(MOVSW) = {insn_string, STRING_MOVS},
	M(MOVSQ) = {insn_string, STRING_MOVS},
	M(STOSB) = {insn_string, STRING_STOS},
	M(STOSW) = {insn_string, STRING_STOS},
	M(STOSD) = {insn_string, STRING_STOS},
	M(STOSQ) = {insn_string, STRING_STOS},
	M(LODSB) = {insn_string, STRING_LODS},
	M(LODSW) = {insn_string, STRING_LODS},
	M(LODSD) = {insn_string, STRING_LODS},
	M(LODSQ) = {insn_string, STRING_LODS},
	M(SCASB) = {insn_string, STRING_SCAS},
	M(SCASW) = {insn_string, STRING_SCAS},
	M(SCASD) = {insn_string, STRING_SCAS},
	M(SCASQ) = {insn_string, STRING_SCAS},
	M(CMPSB) = {insn_string, STRING_CMPS},
	M(CMPSW) = {insn_string, STRING_CMPS},
	M(CMPSQ) = {insn_string, STRING_CMPS},

	M(MOVD) = {insn_vec_mov, VEC_MOV},
	M(VMOVD) = {insn_vec_mov, VEC_MOV},
	M(MOVQ) = {insn_vec_mov, VEC_MOV},
	M(VMOVQ) = {insn_vec_mov, VEC_MOV},
	M(MOVSS) = {insn_vec_mov, VEC_MOV},
	M(VMOVSS) = {insn_vec_mov, VEC_MOV},
	M(VMOVSD) = {insn_vec_mov, VEC_MOV},
	M(MOVAPS) = {insn_vec_mov, VEC_MOV},
	M(VMOVAPS) = {insn_vec_mov, VEC_MOV},
	M(MOVAPD) = {insn_vec_mov, VEC_MOV},
	M(VMOVAPD) = {insn_vec_mov, VEC_MOV},
	M(MOVUPS) = {insn_vec_mov, VEC_MOV},
	M(VMOVUPS) = {insn_vec_mov, VEC_MOV},
	M(MOVUPD) = {insn_vec_mov, VEC_MOV},
	M(VMOVUPD) = {insn_vec_mov, VEC_MOV},
	M(MOVDQA) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQA) = {insn_vec_mov, VEC_MOV},
	M(MOVDQU) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQU) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQU8) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQU16) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQU32) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQU64) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQA32) = {insn_vec_mov, VEC_MOV},
	M(VMOVDQA64) = {insn_vec_mov, VEC_MOV},
	M(LDDQU) = {insn_vec_mov, VEC_MOV},
	M(VLDDQU) = {insn_vec_mov, VEC_MOV},
	M(MOVNTDQ) = {insn_vec_mov, VEC_MOV},
	M(VMOVNTDQ) = {insn_vec_mov, VEC_MOV},
	M(MOVNTDQA) = {insn_vec_mov, VEC_MOV},
	M(VMOVNTDQA) = {insn_vec_mov, VEC_MOV},
	M(MOVNTPS) = {insn_vec_mov, VEC_MOV},
	M(VMOVNTPS) = {insn_vec_mov, VEC_MOV},
	M(MOVNTPD) = {insn_vec_mov, VEC_MOV},
	M(VMOVNTPD) = {insn_vec_mov, VEC_MOV},
	M(MOVLPS) = {insn_vec_mov, VEC_MOV_LOW},
	M(VMOVLPS) = {insn_vec_mov, VEC_MOV_LOW},
	M(MOVLPD) = {insn_vec_mov, VEC_MOV_LOW},
	M(VMOVLPD) = {insn_vec_mov, VEC_MOV_LOW},
	M(MOVHPS) = {insn_vec_mov, VEC_MOV_HIGH},
	M(VMOVHPS) = {insn_vec_mov, VEC_MOV_HIGH},
	M(MOVHPD) = {insn_vec_mov, VEC_MOV_HIGH},
	M(VMOVHPD) = {insn_vec_mov, VEC_MOV_HIGH},
	M(MOVDDUP) = {insn_vec_mov, VEC_BROADCAST},
	M(VBROADCASTSS) = {insn_vec_mov, VEC_BROADCAST},
	M(VBROADCASTSD) = {insn_vec_mov, VEC_BROADCAST},
	M(VBROADCASTF128) = {insn_vec_mov, VEC_BROADCAST},
	M(VBROADCASTI128) = {insn_vec_mov, VEC_BROADCAST},
	M(VPBROADCASTB) = {insn_vec_mov, VEC_BROADCAST},
	M(VPBROADCASTW) = {insn_vec_mov, VEC_BROADCAST},
	M(VPBROADCASTD) = {insn_vec_mov, VEC_BROADCAST},
	M(VPBROADCASTQ) = {insn_vec_mov, VEC_BROADCAST},
	M(PINSRB) = {insn_vec_mov, VEC_INSERT},
	M(VPINSRB) = {insn_vec_mov, VEC_INSERT},
	M(PINSRW) = {insn_vec_mov, VEC_INSERT},
	M(VPINSRW) = {insn_vec_mov, VEC_INSERT},
	M(PINSRD) = {insn_vec_mov, VEC_INSERT},
	M(VPINSRD) = {insn_vec_mov, VEC_INSERT},
	M(PINSRQ) = {insn_vec_mov, VEC_INSERT},
	M(VPINSRQ) = {insn_vec_mov, VEC_INSERT},
	M(PEXTRB) = {insn_vec_mov, VEC_EXTRACT},
	M(VPEXTRB) = {insn_vec_mov, VEC_EXTRACT},
	M(PEXTRW) = {insn_vec_mov, VEC_EXTRACT},
	M(VPEXTRW) = {insn_vec_mov, VEC_EXTRACT},
	M(PEXTRD) = {insn_vec_mov, VEC_EXTRACT},
	M(VPEXTRD) = {insn_vec_mov, VEC_EXTRACT},
	M(PEXTRQ) = {insn_vec_mov, VEC_EXTRACT},
	M(VPEXTRQ) = {insn_vec_mov, VEC_EXTRACT},
	M(EXTRACTPS) = {insn_vec_mov, VEC_EXTRACT},
	M(VEXTRACTPS) = {insn_vec_mov, VEC_EXTRACT},
	M(VINSERTF128) = {insn_vec_mov, VEC_INSERT_HALF},
	M(VINSERTI128) = {insn_vec_mov, VEC_INSERT_HALF},
	M(VEXTRACTF128) = {insn_vec_mov, VEC_EXTRACT_HALF},
	M(VEXTRACTI128) = {insn_vec_mov, VEC_EXTRACT_HALF},

	M(PAND) = {insn_vec_op, VOP_AND},
	M(VPAND) = {insn_vec_op, VOP_AND},
	M(ANDPS) = {insn_vec_op, VOP_AND},
	M(VANDPS) = {insn_vec_op, VOP_AND},
	M(PANDN) = {insn_vec_op, VOP_ANDN},
	M(VPANDN) = {insn_vec_op, VOP_ANDN},
	M(POR) = {insn_vec_op, VOP_OR},
	M(VPOR) = {insn_vec_op, VOP_OR},
	M(PXOR) = {insn_vec_op, VOP_XOR},
	M(VPXOR) = {insn_vec_op, VOP_XOR},
	M(XORPS) = {insn_vec_op, VOP_XOR},
	M(VXORPS) = {insn_vec_op, VOP_XOR},
	M(PADDB) = {insn_vec_op, VOP_ADD8},
	M(VPADDB) = {insn_vec_op, VOP_ADD8},
	M(PADDW) = {insn_vec_op, VOP_ADD16},
	M(VPADDW) = {insn_vec_op, VOP_ADD16},
	M(PADDD) = {insn_vec_op, VOP_ADD32},
	M(VPADDD) = {insn_vec_op, VOP_ADD32},
	M(PADDQ) = {insn_vec_op, VOP_ADD64},
	M(VPADDQ) = {insn_vec_op, VOP_ADD64},
	M(PSUBB) = {insn_vec_op, VOP_SUB8},
	M(VPSUBB) = {insn_vec_op, VOP_SUB8},
	M(PSUBW) = {insn_vec_op, VOP_SUB16},
	M(VPSUBW) = {insn_vec_op, VOP_SUB16},
	M(PSUBD) = {insn_vec_op, VOP_SUB32},
	M(VPSUBD) = {insn_vec_op, VOP_SUB32},
	M(PSUBQ) = {insn_vec_op, VOP_SUB64},
	M(VPSUBQ) = {insn_vec_op, VOP_SUB64},
	M(PCMPEQB) = {insn_vec_op, VOP_EQ8},
	M(VPCMPEQB) = {insn_vec_op, VOP_EQ8},
	M(PCMPEQW) = {insn_vec_op, VOP_EQ16},
	M(VPCMPEQW) = {insn_vec_op, VOP_EQ16},
	M(PCMPEQD) = {insn_vec_op, VOP_EQ32},
	M(VPCMPEQD) = {insn_vec_op, VOP_EQ32},
	M(PCMPEQQ) = {insn_vec_op, VOP_EQ64},
	M(VPCMPEQQ) = {insn_vec_op, VOP_EQ64},
	M(PMINUB) = {insn_vec_op, VOP_MINU8},
	M(VPMINUB) = {insn_vec_op, VOP_MINU8},
	M(PMAXUB) = {insn_vec_op, VOP_MAXU8},
	M(VPMAXUB) = {insn_vec_op, VOP_MAXU8},
	M(VPCMPB) = {insn_vec_compare, VCMP_SIGNED},
	M(VPCMPUB) = {insn_vec_compare, VCMP_UNSIGNED},
	M(VPCMPW) = {insn_vec_compare, VCMP_SIGNED},
	M(VPCMPUW) = {insn_vec_compare, VCMP_UNSIGNED},
	M(VPCMPD) = {insn_vec_compare, VCMP_SIGNED},
	M(VPCMPUD) = {insn_vec_compare, VCMP_UNSIGNED},
	M(VPCMPQ) = {insn_vec_compare, VCMP_SIGNED},
	M(VPCMPUQ) = {insn_vec_compare, VCMP_UNSIGNED},
	M(VPTESTMB) = {insn_vec_compare, VCMP_TEST},
	M(VPTESTNMB) = {insn_vec_compare, VCMP_TEST_NOT},
	M(VPTESTMW) = {insn_vec_compare, VCMP_TEST},
	M(VPTESTNMW) = {insn_vec_compare, VCMP_TEST_NOT},
	M(VPTESTMD) = {insn_vec_compare, VCMP_TEST},
	M(VPTESTNMD) = {insn_vec_compare, VCMP_TEST_NOT},
	M(VPTESTMQ) = {insn_vec_compare, VCMP_TEST},
	M(VPTESTNMQ) = {insn_vec_compare, VCMP_TEST_NOT},
	M(VMASKMOVPS) = {insn_vec_maskmov, 4},
	M(VMASKMOVPD) = {insn_vec_maskmov, 8},
	M(VPMASKMOVD) = {insn_vec_maskmov, 4},
	M(VPMASKMOVQ) = {insn_vec_maskmov, 8},
	M(MASKMOVDQU) = {insn_vec_maskmovdqu},
	M(VMASKMOVDQU) = {insn_vec_maskmovdqu},
	M(VPGATHERDD) = {insn_gather, GATHER(4, 4)},
	M(VPGATHERDQ) = {insn_gather, GATHER(4, 8)},
	M(VPGATHERQD) = {insn_gather, GATHER(8, 4)},
	M(VPGATHERQQ) = {insn_gather, GATHER(8, 8)},
	M(VGATHERDPS) = {insn_gather, GATHER(4, 4)},
	M(VGATHERDPD) = {insn_gather, GATHER(4, 8)},
	M(VGATHERQPS) = {insn_gather, GATHER(8, 4)},
	M(VGATHERQPD) = {insn_gather, GATHER(8, 8)},
	M(VPSCATTERDD) = {insn_scatter, GATHER(4, 4)},
	M(VPSCATTERDQ) = {insn_scatter, GATHER(4, 8)},
	M(VPSCATTERQD) = {insn_scatter, GATHER(8, 4)},
	M(VPSCATTERQQ) = {insn_scatter, GATHER(8, 8)},
	M(VSCATTERDPS) = {insn_scatter, GATHER(4, 4)},
	M(VSCATTERDPD) = {insn_scatter, GATHER(4, 8)},
	M(VSCATTERQPS) = {insn_scatter, GATHER(8, 4)},
	M(VSCATTERQPD) = {insn_scatter, GATHER(8, 8)},
	M(CLFLUSH) = {insn_cache_line},
	M(CLFLUSHOPT) = {insn_cache_line},
	M(CLWB) = {insn_cache_line},
	M(PTEST) = {insn_vec_test},
	M(VPTEST) = {insn_vec_test},
};

static bool moves_integer(const struct insn *in)
{
	for (int i = 0; i < 2; i++)
		if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && !insn_is_gpr(&in->op[i]))
			return false;
	return true;
}

/* MMX, and forms of AVX-512 that the function of the row isn't for. */
static bool rare_vector(const struct insn *in, const struct insn_row *row)
{
	bool evex = in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	bool store = in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

	if (row->fn != insn_vec_mov && row->fn != insn_vec_op && row->fn != insn_vec_test)
		return false;
	if (!insn_is_vec(&in->op[store ? 1 : 0]))
		return true;
	return evex &&
	       (row->fn != insn_vec_mov || (row->arg != VEC_MOV && row->arg != VEC_BROADCAST));
}

/* Two mnemonics are both a string and an SSE instruction; others do other things in AVX-512. */
static struct insn_row row_of(const struct insn *in)
{
	bool evex = in->zi->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	bool string = in->zi->meta.category == ZYDIS_CATEGORY_STRINGOP;
	struct insn_row row;

	switch (in->zi->mnemonic) {
	case ZYDIS_MNEMONIC_MOVSD:
		if (string)
			return (struct insn_row){insn_string, STRING_MOVS};
		return (struct insn_row){insn_vec_mov, VEC_MOV};
	case ZYDIS_MNEMONIC_CMPSD:
		if (string)
			return (struct insn_row){insn_string, STRING_CMPS};
		break;
	case ZYDIS_MNEMONIC_MOV:
		/* Segment registers. */
		if (!moves_integer(in))
			return (struct insn_row){NULL};
		break;
	case ZYDIS_MNEMONIC_IMUL:
		if (in->zi->operand_count_visible == 1)
			return (struct insn_row){insn_wide, ALU_IMUL1};
		break;
	case ZYDIS_MNEMONIC_VPCMPEQB:
	case ZYDIS_MNEMONIC_VPCMPEQW:
	case ZYDIS_MNEMONIC_VPCMPEQD:
	case ZYDIS_MNEMONIC_VPCMPEQQ:
		if (evex)
			return (struct insn_row){insn_vec_compare, VCMP_EQUAL};
		break;
	case ZYDIS_MNEMONIC_VPCMPGTB:
	case ZYDIS_MNEMONIC_VPCMPGTW:
	case ZYDIS_MNEMONIC_VPCMPGTD:
	case ZYDIS_MNEMONIC_VPCMPGTQ:
		if (evex)
			return (struct insn_row){insn_vec_compare, VCMP_GREATER};
		break;
	default:
		break;
	}
	row = rows[in->zi->mnemonic];
	if ((!row.fn || rare_vector(in, &row)) && insn_native_does(in->zi, in->op))
		return (struct insn_row){insn_native};
	return row;
}

/* AVX-512: the mask is no operand like the others, it is zi.avx.mask. */
static void drop_mask(struct insn_form *form)
{
	if (form->zi.encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	    form->op[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    form->op[1].reg.value != form->zi.avx.mask.reg)
		return;
	form->zi.operand_count--;
	form->zi.operand_count_visible--;
	memmove(form->op + 1, form->op + 2, (form->zi.operand_count - 1u) * sizeof(form->op[0]));
}

static void settle(struct insn_form *form)
{
	struct insn in = {.zi = &form->zi, .op = form->op};

	drop_mask(form);
	form->row = row_of(&in);
	form->mem_at = -1;
	for (int i = 0; i < form->zi.operand_count_visible && form->mem_at < 0; i++)
		if (form->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			form->mem_at = i;
}

bool insn_decode(struct insn_form *form, const void *code, size_t avail)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, avail, &form->zi, form->op)))
		return false;
	settle(form);
	return true;
}

bool insn_knows(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *op, bool *native)
{
	struct insn_form form = {.zi = *zi};

	memcpy(form.op, op, sizeof(form.op));
	settle(&form);
	*native = form.row.fn == insn_native;
	return form.row.fn;
}

static enum insn_outcome run(struct insn_cpu *cpu, const struct insn_form *form, const void *code)
{
	struct insn in = {.cpu = cpu, .code = code, .zi = &form->zi, .op = form->op};
	enum insn_outcome outcome;
	insn_fn fn = form->row.fn;

	cpu->length = form->zi.length;
	in.mem_at = form->mem_at;
	if (in.mem_at >= 0) {
		in.mem = &form->op[in.mem_at];
		in.size = in.mem->size / 8;
		in.ea = insn_ea(cpu, &in, in.mem);
	}
	if (!fn)
		return insn_unknown(&in, "not covered");
	if (fn != insn_string && fn != insn_vec_maskmovdqu && !in.mem)
		return insn_unknown(&in, "no memory operand");
	outcome = fn(&in, form->row.arg);
	if (outcome == INSN_DONE)
		cpu->rip += form->zi.length;
	return outcome;
}

enum insn_outcome insn_run(struct insn_cpu *cpu, const void *code, size_t avail)
{
	enum insn_outcome outcome;
	const struct insn_form *form;
	struct insn_form room;

	cpu->why = NULL;
	cpu->mnemonic = NULL;
	cpu->length = 0;
	form = insn_form_get(cpu->rip, code, avail, &room);
	if (!form) {
		cpu->why = "not decodable";
		return INSN_UNKNOWN;
	}
	outcome = run(cpu, form, code);
	insn_form_put(form, &room);
	return outcome;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_vreg.h - vector and mask registers of the interrupted code
 */
#ifndef SHIM_INSN_VREG_H
#define SHIM_INSN_VREG_H

#include "insn_priv.h"

/* A value of up to 64 bytes, low first. */
union insn_value {
	uint8_t b[64];
	uint16_t w[32];
	uint32_t d[16];
	uint64_t q[8];
};

/* Bytes of an xmm, ymm or zmm register; 0: it is none. */
unsigned int insn_vec_size(ZydisRegister reg);
bool insn_is_vec(const ZydisDecodedOperand *op);
/* Bytes that this processor doesn't have are zeros. */
void insn_vec_get(const struct insn_cpu *cpu, ZydisRegister reg, union insn_value *v);
/* As @in's form does it: bytes of @v above the register are cleared here. */
void insn_vec_set(struct insn *in, ZydisRegister reg, union insn_value *v);

/* k0 to k7 */
uint64_t insn_mask_get(const struct insn_cpu *cpu, ZydisRegister reg);
void insn_mask_set(struct insn_cpu *cpu, ZydisRegister reg, uint64_t mask);

#endif /* SHIM_INSN_VREG_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn.h - one x86-64 instruction, done by hand
 *
 * Knows instructions and registers; knows nothing of signals or of regions.
 * Memory is reached by two functions that trap.c (or a test) brings along.
 *
 * A half-done instruction is never left behind: whatever can fail is asked
 * first (probe), then side effects follow in the processor's order.  Repeated
 * string instructions are the exception, as on a processor: registers say how
 * far they came.
 */
#ifndef SHIM_INSN_H
#define SHIM_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order that instructions encode them. */
enum {
	GPR_AX,
	GPR_CX,
	GPR_DX,
	GPR_BX,
	GPR_SP,
	GPR_BP,
	GPR_SI,
	GPR_DI,
	GPR_R8,
	GPR_COUNT = 16,
};

#define FLAG_CF 0x001
#define FLAG_PF 0x004
#define FLAG_AF 0x010
#define FLAG_ZF 0x040
#define FLAG_SF 0x080
#define FLAG_DF 0x400
#define FLAG_OF 0x800
#define FLAG_STATUS (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

enum insn_outcome {
	INSN_DONE,    /* registers are as after the instruction, rip too */
	INSN_AGAIN,   /* part of a repeated one: rip is still at it */
	INSN_FAULT,   /* nothing happened; fault says what the client gets */
	INSN_UNKNOWN, /* nothing happened; why says what is missing */
};

/* What the client gets in place of the instruction. */
struct insn_fault {
	int sig;
	int code;
	uint64_t addr;
	int trapno; /* for the signal's context; 0: as it is */
	int err;
};

struct insn_cpu;

struct insn_mem_ops {
	/*
	 * Could [addr, addr + size) be accessed now?  Returns 0, or -1 with
	 * cpu->fault filled.  No side effect that anybody could see.
	 */
	int (*probe)(struct insn_cpu *cpu, uint64_t addr, unsigned int size, bool write);
	/* As probe() promised, unless somebody changed it meanwhile. */
	int (*load)(struct insn_cpu *cpu, uint64_t addr, void *buf, unsigned int size);
	int (*store)(struct insn_cpu *cpu, uint64_t addr, const void *buf, unsigned int size);
	/* 64 bytes at once, at a multiple of that. */
	int (*store_block)(struct insn_cpu *cpu, uint64_t addr, const void *buf);
	/* The same, answered.  Return: 0: accepted, 1: not, or -1. */
	int (*enqueue)(struct insn_cpu *cpu, uint64_t addr, const void *buf);
	/* Around a locked read-modify-write. */
	void (*lock)(struct insn_cpu *cpu);
	void (*unlock)(struct insn_cpu *cpu);
};

/*
 * One thread's registers, on that thread's stack; nobody else looks.
 *  xmm		16 times 16 bytes
 *  ymm_high	16 times 16 bytes, or NULL: this processor has none
 *  zmm_high	upper halves of zmm0 to 15, 16 times 32 bytes, or NULL
 *  zmm_more	zmm16 to 31, 16 times 64 bytes, or NULL
 *  opmask	k0 to 7, 8 times 8 bytes, or NULL
 *  image	all of it as XSAVE writes it, image_size bytes, or NULL
 *  image_features	which components that can have
 *  xstate_bv	NULL, or says which parts of the saved state are not all zeros
 */
struct insn_cpu {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip;
	uint64_t flags;
	uint8_t *xmm;
	uint8_t *ymm_high;
	uint8_t *zmm_high;
	uint8_t *zmm_more;
	uint8_t *opmask;
	uint8_t *image;
	unsigned int image_size;
	uint64_t image_features;
	uint64_t *xstate_bv;
	const struct insn_mem_ops *mem;
	void *opaque;
	struct insn_fault fault;
	bool early; /* valgrind: rsp of a pop, rcx of a rep changed before the access */
	const char *why;
	const char *mnemonic;
	unsigned int length;
};

/* @code, @avail: the bytes at cpu->rip; 15 always suffice. */
enum insn_outcome insn_run(struct insn_cpu *cpu, const void *code, size_t avail);

/* In a forked child. */
void insn_native_atfork_child(void);
void insn_cache_atfork_child(void);

/* Legacy area, header, and the components up to those of AVX-512. */
#define INSN_IMAGE_MAX 2688

/*
 * Could these bytes be a store of 64 bytes or a direct one, that this processor may not
 * have?  So that most undefined instructions cost no decoding.
 */
bool insn_is_direct(const uint8_t *code, size_t avail);

/* A repeated instruction gives way after so many elements, for signals. */
#define INSN_REP_MAX 512

#endif /* SHIM_INSN_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All forms of all instructions with an operand in memory: every opcode of every map,
 * prefix, width and vector length, with random registers, masks and addresses.  Each
 * that we claim to do is run on memory, then on a BAR at the same address, from
 * the same state: registers, flags, memory and signals must be the same.
 *
 * With "--table" it prints what is claimed, as docs/mmio.md has it, and runs nothing.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"
#include "insn_priv.h"
#include "signals.h"
#include "trap.h"
#include "valgrind.h"

#define MIDDLE (FAKE_SIZE / 2)
#define BATCH 128
#define SP 4
#define STATE 15 /* the register that the assembly needs */

/* As the assembly below knows it. */
struct state {
	uint64_t gpr[16];
	uint64_t flags;	  /* 128 */
	uint64_t own_sp;  /* 136 */
	uint64_t vectors; /* 144: 0 SSE, 1 AVX, 2 AVX-512 */
	uint64_t pad;
	uint64_t k[8];				      /* 160 */
	uint8_t zmm[32][64];			      /* 224 */
	uint8_t fx[512] __attribute__((aligned(16))); /* 2272 */
};

_Static_assert(offsetof(struct state, zmm) == 224 && offsetof(struct state, fx) == 2272, "below");

void trial(struct state *state);
extern const char trial_back[];
const void *trial_code;

#define ALL_32                                                                                     \
	"0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "       \
	"23, 24, 25, 26, 27, 28, 29, 30, 31"
#define MOST_16 "0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14"

__asm__(".text\n"
	"trial:\n"
	"	pushq %rbx\n"
	"	pushq %rbp\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rdi, %r15\n"
	"	movq %rsp, 136(%r15)\n"
	"	fxrstor64 2272(%r15)\n"
	"	cmpq $1, 144(%r15)\n"
	"	jb 2f\n"
	"	je 1f\n"
	"	.irp n, " ALL_32 "\n"
	"	vmovdqu64 224+64*\\n(%r15), %zmm\\n\n"
	"	.endr\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
	"	kmovq 160+8*\\n(%r15), %k\\n\n"
	"	.endr\n"
	"	jmp 2f\n"
	"1:\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups 224+64*\\n(%r15), %ymm\\n\n"
	"	.endr\n"
	"2:\n"
	"	movq 8(%r15), %rcx\n"
	"	movq 16(%r15), %rdx\n"
	"	movq 24(%r15), %rbx\n"
	"	movq 40(%r15), %rbp\n"
	"	movq 48(%r15), %rsi\n"
	"	movq 56(%r15), %rdi\n"
	"	.irp n, 8, 9, 10, 11, 12, 13, 14\n"
	"	movq 8*\\n(%r15), %r\\n\n"
	"	.endr\n"
	"	movq 0(%r15), %rax\n"
	"	pushq 128(%r15)\n"
	"	popfq\n"
	"	jmp *trial_code(%rip)\n"
	"	.globl trial_back\n"
	"trial_back:\n"
	"	movq %rax, 0(%r15)\n"
	"	pushfq\n"
	"	popq 128(%r15)\n"
	"	cld\n"
	"	movq %rcx, 8(%r15)\n"
	"	movq %rdx, 16(%r15)\n"
	"	movq %rbx, 24(%r15)\n"
	"	movq %rbp, 40(%r15)\n"
	"	movq %rsi, 48(%r15)\n"
	"	movq %rdi, 56(%r15)\n"
	"	.irp n, 8, 9, 10, 11, 12, 13, 14\n"
	"	movq %r\\n, 8*\\n(%r15)\n"
	"	.endr\n"
	"	fxsave64 2272(%r15)\n"
	"	fninit\n"
	"	cmpq $1, 144(%r15)\n"
	"	jb 2f\n"
	"	je 1f\n"
	"	.irp n, " ALL_32 "\n"
	"	vmovdqu64 %zmm\\n, 224+64*\\n(%r15)\n"
	"	.endr\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
	"	kmovq %k\\n, 160+8*\\n(%r15)\n"
	"	.endr\n"
	"	vzeroupper\n"
	"	jmp 2f\n"
	"1:\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups %ymm\\n, 224+64*\\n(%r15)\n"
	"	.endr\n"
	"	vzeroupper\n"
	"2:\n"
	"	movq 136(%r15), %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbp\n"
	"	popq %rbx\n"
	"	ret\n");

static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t value(void)
{
	static const uint64_t corner[] = {0,	  1,	      -1ull,	  0x80,
					  0x7fff, 0x80000000, 1ull << 63, 0x3ff0000000000000};

	return rnd() % 3 ? rnd() : corner[rnd() % (sizeof(corner) / sizeof(corner[0]))];
}

/* ---- making instructions ---- */

/* One opcode of one encoding: what the loop below goes through. */
struct opcode {
	enum {
		LEGACY,
		VEX,
		EVEX
	} encoding;
	unsigned int map, prefix, wide, length, byte;
};

static bool next_opcode(struct opcode *o)
{
	static const unsigned int lengths[] = {1, 2, 3};

	if (++o->byte < 256)
		return true;
	o->byte = 0;
	if (++o->length < lengths[o->encoding])
		return true;
	o->length = 0;
	if (++o->wide < 2)
		return true;
	o->wide = 0;
	if (++o->prefix < 4)
		return true;
	o->prefix = 0;
	if (++o->map < 4)
		return true;
	o->map = o->encoding == LEGACY ? 1 : 1;
	return ++o->encoding <= EVEX;
}

struct form {
	uint8_t code[40];
	unsigned int length;
	ZydisDecodedInstruction zi;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	const ZydisDecodedOperand *mem;
};

static unsigned int rnd_register(void)
{
	unsigned int r;

	do
		r = rnd() % 15;
	while (r == SP);
	return r;
}

/* ModRM, SIB and displacement of a memory operand; @x, @b: high bits go to the prefix. */
struct address {
	uint8_t bytes[6];
	unsigned int size;
	bool x, b;
};

static void make_address(struct address *a)
{
	unsigned int base = rnd_register(), index = rnd_register(), mod = rnd() % 3,
		     reg = rnd() % 8;
	uint32_t disp = (uint32_t)(rnd() % 4096) - 2048;

	/* No displacement isn't to be had with all. */
	if (mod == 0 && (base & 7) == 5)
		mod = 1;
	a->size = 0;
	a->b = base >> 3;
	a->x = false;
	if ((base & 7) == 4 || rnd() % 2) {
		bool none = rnd() % 4 == 0 || index == base;

		a->bytes[a->size++] = (uint8_t)(mod << 6 | reg << 3 | 4);
		a->x = !none && index >> 3;
		a->bytes[a->size++] =
			(uint8_t)(rnd() % 4 << 6 | (none ? 4 : index & 7) << 3 | (base & 7));
	} else {
		a->bytes[a->size++] = (uint8_t)(mod << 6 | reg << 3 | (base & 7));
	}
	if (mod) {
		memcpy(a->bytes + a->size, &disp, mod == 1 ? 1 : 4);
		a->size += mod == 1 ? 1 : 4;
	}
}

static unsigned int put_legacy(uint8_t *c, const struct opcode *o, const struct address *a)
{
	static const uint8_t prefixes[] = {0, 0x66, 0xf3, 0xf2};
	unsigned int n = 0;

	if (rnd() % 8 == 0)
		c[n++] = 0xf0;
	if (rnd() % 16 == 0)
		c[n++] = 0x67;
	if (o->prefix)
		c[n++] = prefixes[o->prefix];
	c[n++] = (uint8_t)(0x40 | o->wide << 3 | (rnd() & 4) | a->x << 1 | a->b);
	if (o->map)
		c[n++] = 0x0f;
	if (o->map > 1)
		c[n++] = o->map == 2 ? 0x38 : 0x3a;
	return n;
}

static unsigned int put_vex(uint8_t *c, const struct opcode *o, const struct address *a)
{
	c[0] = 0xc4;
	c[1] = (uint8_t)((rnd() & 0x80) | !a->x << 6 | !a->b << 5 | o->map);
	c[2] = (uint8_t)(o->wide << 7 | (rnd() % 3 ? rnd() & 0x78 : 0x78) | o->length << 2 |
			 o->prefix);
	return 3;
}

static unsigned int put_evex(uint8_t *c, const struct opcode *o, const struct address *a)
{
	c[0] = 0x62;
	c[1] = (uint8_t)((rnd() & 0x90) | !a->x << 6 | !a->b << 5 | o->map);
	c[2] = (uint8_t)(o->wide << 7 | (rnd() % 3 ? rnd() & 0x78 : 0x78) | 4 | o->prefix);
	c[3] = (uint8_t)((rnd() % 3 ? 0 : 0x80) | o->length << 5 | (rnd() % 4 ? 0 : 0x10) |
			 (rnd() % 3 ? 8 : rnd() & 8) | (rnd() % 2 ? rnd() & 7 : 0));
	return 4;
}

/* Registers that the test itself needs, or whose value isn't known. */
static bool in_the_way(const struct form *f)
{
	for (unsigned int i = 0; i < f->zi.operand_count; i++) {
		const ZydisDecodedOperand *op = &f->op[i];
		ZydisRegister r;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value);
		if (r == ZYDIS_REGISTER_RSP || r == ZYDIS_REGISTER_R15)
			return true;
	}
	switch (f->zi.mnemonic) {
	case ZYDIS_MNEMONIC_BT: /* far away by a register */
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return f->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
	case ZYDIS_MNEMONIC_FLDCW:     /* the test itself would fault later */
	case ZYDIS_MNEMONIC_MOVDIR64B: /* has a test of its own */
	case ZYDIS_MNEMONIC_ENQCMD:
		return true;
	default:
		return false;
	}
}

static bool is_gpr(ZydisRegister reg)
{
	ZydisRegisterClass class = ZydisRegisterGetClass(reg);

	if (reg == ZYDIS_REGISTER_RSP || reg == ZYDIS_REGISTER_ESP || reg == ZYDIS_REGISTER_R15 ||
	    reg == ZYDIS_REGISTER_R15D)
		return false;
	return class == ZYDIS_REGCLASS_GPR32 || class == ZYDIS_REGCLASS_GPR64;
}

/* Return: whether it is an instruction with one operand in memory that ModRM names. */
static bool make_form(struct form *f, const struct opcode *o)
{
	ZydisDecoder decoder;
	struct address a;
	unsigned int n;

	make_address(&a);
	n = o->encoding == LEGACY ? put_legacy(f->code, o, &a) :
	    o->encoding == VEX	  ? put_vex(f->code, o, &a) :
				    put_evex(f->code, o, &a);
	f->code[n++] = (uint8_t)o->byte;
	memcpy(f->code + n, a.bytes, a.size);
	n += a.size;
	for (unsigned int i = 0; i < 8; i++)
		f->code[n++] = (uint8_t)rnd();
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, f->code, n, &f->zi, f->op)))
		return false;
	f->length = f->zi.length;
	f->mem = NULL;
	for (unsigned int i = 0; i < f->zi.operand_count_visible; i++)
		if (f->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			f->mem = &f->op[i];
	/* A byte may have been a prefix: then the address isn't what was meant. */
	return f->mem && is_gpr(f->mem->mem.base) && f->mem->mem.segment != ZYDIS_REGISTER_FS &&
	       f->mem->mem.segment != ZYDIS_REGISTER_GS &&
	       f->mem->mem.type != ZYDIS_MEMOP_TYPE_AGEN && f->zi.raw.modrm.offset;
}

/* ---- running them ---- */

struct run {
	struct form form;
	struct state before, after[2];
	int signal[2];
	uint8_t memory[2][512];
};

static struct run runs[BATCH];
static uint8_t start[BATCH][512];
static unsigned int run_count;
static struct fake fake;
static uint8_t *window; /* one address, first memory and then a BAR */
static uint8_t *code_page;
static sigjmp_buf back;
static unsigned int done, refused, missing;
static bool seen[ZYDIS_MNEMONIC_MAX_VALUE + 1], absent[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	siglongjmp(back, sig);
}

static unsigned int gpr_of(ZydisRegister reg)
{
	return (unsigned int)(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) -
			      ZYDIS_REGISTER_RAX);
}

/* A vector of small numbers of the size that the instruction takes them for. */
static void make_indices(struct state *s, const struct form *f)
{
	/* vpgatherqd, vscatterdps: what stands behind the verb. */
	bool wide = strstr(ZydisMnemonicGetString(f->zi.mnemonic), "er")[2] == 'q';
	ZydisRegister reg =
		ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, f->mem->mem.index);
	uint8_t *v = s->zmm[ZydisRegisterGetId(reg)];

	for (int i = 0; i < 64; i += wide ? 8 : 4) {
		int64_t index = (int64_t)(rnd() % 16) - 8;

		memcpy(v + i, &index, wide ? 8 : 4);
	}
}

static void make_state(struct run *r, uint64_t vectors)
{
	const ZydisDecodedOperandMem *mem = &r->form.mem->mem;
	bool by_vector = mem->type == ZYDIS_MEMOP_TYPE_VSIB;
	uint64_t at = (uintptr_t)window + MIDDLE + (rnd() % 4 ? 0 : rnd() % 16);
	struct state *s = &r->before;

	for (int i = 0; i < 16; i++)
		s->gpr[i] = value();
	if (mem->index != ZYDIS_REGISTER_NONE && !by_vector)
		at -= s->gpr[gpr_of(mem->index)] * mem->scale;
	s->gpr[gpr_of(mem->base)] = at - (uint64_t)mem->disp.value;
	s->flags = 0x202 | (rnd() & 0x8d5);
	s->vectors = vectors;
	for (int i = 0; i < 8; i++)
		s->k[i] = value();
	for (size_t i = 0; i < sizeof(s->zmm); i += 8) {
		uint64_t v = value();

		memcpy((uint8_t *)s->zmm + i, &v, 8);
	}
	if (by_vector)
		make_indices(s, &r->form);
	memset(s->fx, 0, sizeof(s->fx));
	s->fx[0] = 0x7f;
	s->fx[1] = 3;
	/* Some registers of x87 are in use; numbers of 80 bits. */
	s->fx[4] = rnd() % 2 ? 0 : 0xe0;
	for (int i = 0; i < 8; i++) {
		uint64_t v = rnd() | 1ull << 63;
		uint16_t e = 0x3fff + rnd() % 16;

		memcpy(s->fx + 32 + 16 * i, &v, 8);
		memcpy(s->fx + 32 + 16 * i + 8, &e, 2);
	}
	s->fx[24] = 0x80;
	s->fx[25] = 0x1f;
	memcpy(s->fx + 160, "", 0);
	for (int i = 0; i < 16; i++)
		memcpy(s->fx + 160 + 16 * i, s->zmm[i], 16);
}

static void run_one(struct run *r, int which, uint8_t *bytes)
{
	static const uint8_t jump[] = {0xff, 0x25, 0, 0, 0, 0};
	const void *to = trial_back;
	struct state *s = &r->after[which];
	unsigned int n = r->form.length;

	memcpy(code_page, r->form.code, n);
	memcpy(code_page + n, jump, sizeof(jump));
	memcpy(code_page + n + sizeof(jump), &to, 8);
	memset(bytes, 0x5a, FAKE_SIZE);
	memcpy(bytes + MIDDLE - 128, start[r - runs], sizeof(start[0]));
	*s = r->before;
	r->signal[which] = sigsetjmp(back, 1);
	if (!r->signal[which])
		trial(s);
	else
		__asm__ volatile("fninit");
	memcpy(r->memory[which], bytes + MIDDLE - 128, sizeof(r->memory[0]));
	s->own_sp = 0;
	/* Where x87 was: FOP, FIP, FDP. */
	memset(s->fx + 6, 0, 18);
	/* What is left to the system. */
	memset(s->fx + 416, 0, 96);
}

static void complain(const struct run *r, const char *what)
{
	fprintf(stderr, "%s: %s differs; bytes", ZydisMnemonicGetString(r->form.zi.mnemonic), what);
	for (unsigned int i = 0; i < r->form.length; i++)
		fprintf(stderr, " %02x", r->form.code[i]);
	fprintf(stderr, "; signals %d %d\n", r->signal[0], r->signal[1]);
	refused++;
}

static void compare(const struct run *r)
{
	const struct state *a = &r->after[0], *b = &r->after[1];

	if (r->signal[0] != r->signal[1])
		complain(r, "the signal");
	else if (r->signal[0])
		return;
	else if (memcmp(a->gpr, b->gpr, sizeof(a->gpr)))
		complain(r, "a register");
	else if (a->flags != b->flags)
		complain(r, "the flags");
	else if (memcmp(a->k, b->k, sizeof(a->k)) || memcmp(a->zmm, b->zmm, sizeof(a->zmm)))
		complain(r, "a vector");
	else if (memcmp(a->fx, b->fx, sizeof(a->fx)))
		complain(r, "x87 or MXCSR");
	else if (memcmp(r->memory[0], r->memory[1], sizeof(r->memory[0])))
		complain(r, "memory");
	else
		seen[r->form.zi.mnemonic] = true;
	done++;
}

static void flush_runs(void)
{
	void *at;

	/* Memory first: what this processor hasn't shows here. */
	at = mmap(window, FAKE_SIZE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(at, window);
	for (unsigned int i = 0; i < run_count; i++)
		run_one(&runs[i], 0, window);
	assert_int_equal(trap_map(&fake.mapping, window, FAKE_SIZE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, &at),
			 0);
	for (unsigned int i = 0; i < run_count; i++) {
		if (runs[i].signal[0] == SIGILL) {
			absent[runs[i].form.zi.mnemonic] = true;
			missing++;
			continue;
		}
		run_one(&runs[i], 1, fake.bytes);
		compare(&runs[i]);
	}
	if (trap_unmap(window, FAKE_SIZE))
		trap_unmapped();
	run_count = 0;
}

static void add_run(const struct form *form, uint64_t vectors)
{
	struct run *r = &runs[run_count];

	r->form = *form;
	r->form.mem = r->form.op + (form->mem - form->op);
	make_state(r, vectors);
	for (size_t i = 0; i < sizeof(start[0]); i += 8) {
		uint64_t v = value();

		memcpy(start[run_count] + i, &v, 8);
	}
	if (++run_count == BATCH)
		flush_runs();
}

static unsigned int count(const bool *set, const bool *without)
{
	unsigned int n = 0;

	for (int i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++)
		n += set[i] && !(without && without[i]);
	return n;
}

static uint64_t vectors_here(void)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
		return 2;
	return __builtin_cpu_supports("avx") ? 1 : 0;
}

static void catch_signals(void)
{
	static const int sigs[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};

	for (int i = 0; i < 4; i++)
		sigaction(sigs[i], &act, NULL);
}

static void test_forms(void **arg)
{
	unsigned int rounds = getenv("TEST_ROUNDS") ? (unsigned int)atoi(getenv("TEST_ROUNDS")) : 3;
	uint64_t vectors = vectors_here();
	struct form form;
	bool native;

	/* cmocka has its own by now. */
	catch_signals();
	for (unsigned int round = 0; round < rounds; round++) {
		struct opcode o = {0};

		do {
			/* Without registers of the width, an instruction isn't tried. */
			if (o.encoding > vectors || !make_form(&form, &o) || in_the_way(&form) ||
			    !insn_knows(&form.zi, form.op, &native))
				continue;
			add_run(&form, vectors);
		} while (next_opcode(&o));
	}
	flush_runs();
	print_message("%u runs of %u instructions agree; not on this processor: %u (%u runs)\n",
		      done - refused, count(seen, NULL), count(absent, seen), missing);
	assert_int_equal(refused, 0);
	/* The integer and SSE instructions alone are more. */
	assert_true(count(seen, NULL) > 250);
}

/* ---- the table ---- */

/* So often that nothing is found later. */
#define TABLE_ROUNDS 400

static bool claimed[2][ZYDIS_ISA_EXT_MAX_VALUE + 1][ZYDIS_MNEMONIC_MAX_VALUE + 1];

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_row(int how, unsigned int ext)
{
	static const char *names[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	unsigned int n = 0;

	for (int m = 0; m <= ZYDIS_MNEMONIC_MAX_VALUE; m++)
		if (claimed[how][ext][m])
			names[n++] = ZydisMnemonicGetString((ZydisMnemonic)m);
	if (!n)
		return;
	qsort(names, n, sizeof(names[0]), by_name);
	printf("| %s |", ZydisISAExtGetString((ZydisISAExt)ext));
	for (unsigned int i = 0; i < n; i++)
		printf(" %s", names[i]);
	printf(" |\n");
}

static void print_table(void)
{
	static const char *const title[] = {"Done by hand", "Done by the processor, on a copy"};
	struct form form;
	bool native;

	for (unsigned int round = 0; round < TABLE_ROUNDS; round++) {
		struct opcode o = {0};

		do {
			if (make_form(&form, &o) && insn_knows(&form.zi, form.op, &native))
				claimed[native][form.zi.meta.isa_ext][form.zi.mnemonic] = true;
		} while (next_opcode(&o));
	}
	for (int how = 0; how < 2; how++) {
		printf("%s### %s\n\n| extension | instructions |\n|---|---|\n", how ? "\n" : "",
		       title[how]);
		for (unsigned int ext = 0; ext <= ZYDIS_ISA_EXT_MAX_VALUE; ext++)
			print_row(how, ext);
	}
}

static int setup(void **arg)
{
	signals_init(true);
	trap_init();
	fake_init(&fake);
	fake.mapping.refs = 1 << 20;
	trial_code = code_page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	window = mmap(NULL, FAKE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	return code_page == MAP_FAILED || window == MAP_FAILED;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
	};

	if (argc > 1 && !strcmp(argv[1], "--table")) {
		print_table();
		return 0;
	}
	if (valgrind_running())
		return 77;
	return cmocka_run_group_tests(tests, setup, NULL);
}

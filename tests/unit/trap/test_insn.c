/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same instruction on memory and on a trapped range must leave the same
 * registers, flags and bytes.  Memory, on this very processor, is what is right.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"
#include "insn.h"
#include "signals.h"
#include "trap.h"
#include "valgrind.h"

/* As the assembly below knows it. */
struct state {
	uint64_t gpr[16]; /* rax rcx rdx rbx rsp rbp rsi rdi r8... */
	uint64_t flags;
	uint64_t avx; /* 0: SSE, 1: AVX, 2: AVX with zeros above, 3: AVX-512 */
	uint64_t k[8];
	uint8_t zmm[32][64];
};

#define ALL_32                                                                                     \
	"0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, "       \
	"23, 24, 25, 26, 27, 28, 29, 30, 31"

__asm__(".macro load_state\n"
	"	cmpq $0, 136(%r15)\n"
	"	je 1f\n"
	"	cmpq $3, 136(%r15)\n"
	"	je 3f\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups 208+64*\\n(%r15), %ymm\\n\n"
	"	.endr\n"
	"	cmpq $2, 136(%r15)\n"
	"	jne 2f\n"
	"	vzeroupper\n"
	"	jmp 2f\n"
	"1:\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movups 208+64*\\n(%r15), %xmm\\n\n"
	"	.endr\n"
	"	jmp 2f\n"
	"3:\n"
	"	.irp n, " ALL_32 "\n"
	"	vmovdqu64 208+64*\\n(%r15), %zmm\\n\n"
	"	.endr\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
	"	kmovq 144+8*\\n(%r15), %k\\n\n"
	"	.endr\n"
	"2:\n"
	"	movq 8(%r15), %rcx\n"
	"	movq 16(%r15), %rdx\n"
	"	movq 24(%r15), %rbx\n"
	"	movq 40(%r15), %rbp\n"
	"	movq 48(%r15), %rsi\n"
	"	movq 56(%r15), %rdi\n"
	"	movq 64(%r15), %r8\n"
	"	movq 72(%r15), %r9\n"
	"	movq 80(%r15), %r10\n"
	"	movq 88(%r15), %r11\n"
	"	movq 96(%r15), %r12\n"
	"	movq 104(%r15), %r13\n"
	"	movq 112(%r15), %r14\n"
	"	movq 0(%r15), %rax\n"
	"	pushq 128(%r15)\n"
	"	popfq\n"
	".endm\n"
	".macro save_state\n"
	"	pushfq\n"
	"	popq 128(%r15)\n"
	"	cld\n"
	"	movq %rax, 0(%r15)\n"
	"	movq %rcx, 8(%r15)\n"
	"	movq %rdx, 16(%r15)\n"
	"	movq %rbx, 24(%r15)\n"
	"	movq %rsp, 32(%r15)\n"
	"	movq %rbp, 40(%r15)\n"
	"	movq %rsi, 48(%r15)\n"
	"	movq %rdi, 56(%r15)\n"
	"	movq %r8, 64(%r15)\n"
	"	movq %r9, 72(%r15)\n"
	"	movq %r10, 80(%r15)\n"
	"	movq %r11, 88(%r15)\n"
	"	movq %r12, 96(%r15)\n"
	"	movq %r13, 104(%r15)\n"
	"	movq %r14, 112(%r15)\n"
	"	cmpq $0, 136(%r15)\n"
	"	je 1f\n"
	"	cmpq $3, 136(%r15)\n"
	"	je 3f\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	vmovups %ymm\\n, 208+64*\\n(%r15)\n"
	"	.endr\n"
	"	vzeroupper\n"
	"	jmp 2f\n"
	"1:\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
	"	movups %xmm\\n, 208+64*\\n(%r15)\n"
	"	.endr\n"
	"	jmp 2f\n"
	"3:\n"
	"	.irp n, " ALL_32 "\n"
	"	vmovdqu64 %zmm\\n, 208+64*\\n(%r15)\n"
	"	.endr\n"
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"
	"	kmovq %k\\n, 144+8*\\n(%r15)\n"
	"	.endr\n"
	"	vzeroupper\n"
	"2:\n"
	".endm\n");

#define STRING_(x) #x
#define STRING(x) STRING_(x)
/* clang-format off */
#define CASE(kind, text)                                                                           \
	__asm__(".text\n"                                                                          \
		"case_" STRING(__LINE__) ":\n"                                                     \
		"	pushq %rbx\n"                                                              \
		"	pushq %rbp\n"                                                              \
		"	pushq %r12\n"                                                              \
		"	pushq %r13\n"                                                              \
		"	pushq %r14\n"                                                              \
		"	pushq %r15\n"                                                              \
		"	movq %rdi, %r15\n"                                                         \
		"	load_state\n"                                                              \
		"	" text "\n"                                                                \
		"	save_state\n"                                                              \
		"	popq %r15\n"                                                               \
		"	popq %r14\n"                                                               \
		"	popq %r13\n"                                                               \
		"	popq %r12\n"                                                               \
		"	popq %rbp\n"                                                               \
		"	popq %rbx\n"                                                               \
		"	ret\n");
#include "insn_cases.h"
#undef CASE
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define CASE(kind, text) void PASTE(case_, __LINE__)(struct state *state);
#include "insn_cases.h"
#undef CASE

static const struct {
	char kind;
	const char *text;
	void (*run)(struct state *state);
} cases[] = {
#define CASE(kind, text) { #kind[0], text, PASTE(case_, __LINE__) },
#include "insn_cases.h"
#undef CASE
};
/* clang-format on */

#define BUF 4096
#define MIDDLE 2048

static uint8_t ram[2][BUF] __attribute__((aligned(64)));
static uint8_t start[2][BUF];
static struct fake fakes[2];
static uint8_t *trapped[2];
static uint64_t seed = 88172645463325252ull;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Corners are as likely as the rest. */
static uint64_t value(void)
{
	static const uint64_t corner[] = {0,	  1,	      -1ull,	  0x7f,	      0x80,
					  0x7fff, 0x80000000, 0x7fffffff, 1ull << 63, ~0ull >> 1};

	return rnd() % 3 ? rnd() : corner[rnd() % (sizeof(corner) / sizeof(corner[0]))];
}

static void make_state(struct state *s, char kind, unsigned int avx)
{
	for (int i = 0; i < 16; i++)
		s->gpr[i] = value();
	s->gpr[1] = rnd() % 70;
	s->gpr[3] = rnd() % 33 - 16;
	s->flags = 0x202 | (rnd() & 0x8d5);
	if (kind == 'S') {
		s->flags |= rnd() & 0x400;
		s->gpr[1] = rnd() % 40;
		if (rnd() % 2)
			s->gpr[0] = 0x0101010101010101ull * (rnd() % 3);
	}
	s->avx = avx;
	for (unsigned int i = 0; i < sizeof(s->zmm); i += 8) {
		uint64_t v = value();

		memcpy((uint8_t *)s->zmm + i, &v, 8);
	}
	for (int i = 0; i < 8; i++)
		s->k[i] = value();
	for (int b = 0; b < 2; b++)
		for (int i = 0; i < BUF; i += 8) {
			uint64_t v = value();

			/* For scas and cmps: runs of the same. */
			if (kind == 'S')
				v = rnd() % 4 ? 0x0101010101010101ull : v;
			memcpy(&start[b][i], &v, 8);
		}
	if (kind == 'D') {
		s->gpr[0] = rnd() % 100;
		s->gpr[2] = 0;
		start[0][MIDDLE] |= 1;
	}
	if (kind == 'E' && rnd() % 2) {
		memcpy(&s->gpr[0], &start[0][MIDDLE], 8);
		if (rnd() % 2) {
			memcpy(&s->gpr[2], &start[0][MIDDLE + 4], 4);
			if (rnd() % 2)
				memcpy(&s->gpr[2], &start[0][MIDDLE + 8], 8);
		}
	}
}

static void dump(const char *text, const struct state *a, const struct state *b)
{
	fprintf(stderr, "%s\n", text);
	for (int i = 0; i < 16; i++)
		if (a->gpr[i] != b->gpr[i])
			fprintf(stderr, "  gpr %d: %016lx, not %016lx\n", i, b->gpr[i], a->gpr[i]);
	if (a->flags != b->flags)
		fprintf(stderr, "  flags: %lx, not %lx\n", b->flags, a->flags);
	for (int i = 0; i < 8; i++)
		if (a->k[i] != b->k[i])
			fprintf(stderr, "  k%d: %016lx, not %016lx\n", i, b->k[i], a->k[i]);
	for (int i = 0; i < 32; i++)
		if (memcmp(a->zmm[i], b->zmm[i], 64))
			fprintf(stderr, "  zmm%d\n", i);
}

/* Addresses as offsets, so that ranges at different places compare. */
static void place(struct state *s, uint8_t *a, uint8_t *b)
{
	s->gpr[7] = (uintptr_t)a + MIDDLE;
	s->gpr[6] = (uintptr_t)b + MIDDLE;
}

static void unplace(struct state *s, const char *text, const uint8_t *a, const uint8_t *b)
{
	/* One case loads rdi itself. */
	if (!strstr(text, ", %edi"))
		s->gpr[7] -= (uintptr_t)a;
	if (!strstr(text, "%sil"))
		s->gpr[6] -= (uintptr_t)b;
	s->gpr[4] = 0;
}

static void compare(unsigned int n, unsigned int avx)
{
	const char *text = cases[n].text;
	struct state first, ref, got;
	uint8_t *at[2];

	make_state(&first, cases[n].kind, avx);
	memcpy(ram, start, sizeof(ram));
	ref = first;
	place(&ref, ram[0], ram[1]);
	/* sil is a part of an address, which differs. */
	if (strstr(text, "%sil"))
		ref.gpr[6] = 0x1122334455667788;
	cases[n].run(&ref);
	unplace(&ref, text, ram[0], ram[1]);
	for (int which = 1; which < 4; which++) {
		static uint8_t other[2][BUF] __attribute__((aligned(64)));

		for (int b = 0; b < 2; b++) {
			bool trap = which & (1 << b);

			at[b] = trap ? trapped[b] : other[b];
			memcpy(trap ? fakes[b].bytes : other[b], start[b], BUF);
		}
		got = first;
		place(&got, at[0], at[1]);
		if (strstr(text, "%sil"))
			got.gpr[6] = 0x1122334455667788;
		cases[n].run(&got);
		unplace(&got, text, at[0], at[1]);
		if (memcmp(&got, &ref, sizeof(ref))) {
			dump(text, &ref, &got);
			fail();
		}
		for (int b = 0; b < 2; b++)
			if (memcmp(which & (1 << b) ? fakes[b].bytes : other[b], ram[b], BUF)) {
				fprintf(stderr, "%s: memory %d differs\n", text, b);
				fail();
			}
		/* Only strings touch the second range. */
		if (which == 1 && cases[n].kind != 'S')
			break;
	}
}

/* What valgrind can't run, or does otherwise than a processor. */
static bool differs_in_valgrind(const char *text)
{
	return strstr(text, "cmpxchgl") || strstr(text, "rep lods") || strstr(text, ".byte") ||
	       !strncmp(text, "cmps", 4) || !strncmp(text, "scas", 4) ||
	       !strncmp(text, "repne cmps", 10);
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

/* Which vector registers are in use, see struct state. */
static unsigned int vectors(char kind, unsigned int round, bool avx, bool avx512)
{
	if (kind == 'Z' || (avx512 && round % 4 == 3))
		return 3;
	if (kind == 'A' || (avx && round % 2))
		return 1 + round / 2 % 2;
	return 0;
}

static void test_all(void **arg)
{
	unsigned int rounds =
		getenv("TEST_ROUNDS") ? (unsigned int)atoi(getenv("TEST_ROUNDS")) : 60;
	bool avx = __builtin_cpu_supports("avx2"), avx512 = has_avx512();

	if (!avx512)
		print_message("AVX-512 isn't here: its cases are left out\n");
	for (unsigned int n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		unsigned int before = fakes[0].count + fakes[1].count;

		if ((cases[n].kind == 'A' && !avx) || (cases[n].kind == 'Z' && !avx512))
			continue;
		if (valgrind_running() && differs_in_valgrind(cases[n].text))
			continue;
		for (unsigned int i = 0; i < rounds; i++)
			compare(n, vectors(cases[n].kind, i, avx, avx512));
		/* Or it compared memory with memory. */
		assert_int_not_equal(fakes[0].count + fakes[1].count, before);
	}
}

/* ---- AVX-512 moves, on any processor: nothing is executed ---- */

extern const uint8_t evex_code[];
__asm__(".text\n"
	"evex_code:\n"
	"	vmovdqu64 128(%rdi), %zmm17\n" /* a byte times 64 */
	"	vmovdqu8 %ymm17, 64(%rdi)\n"
	"	vmovups (%rdi), %zmm3\n"
	"	vmovdqu (%rdi), %ymm3\n" /* VEX: clears the rest of zmm3 */
	"	vmovdqa32 %xmm20, (%rdi)\n"
	"	vmovdqu64 (%rdi), %zmm1{%k2}\n"
	"	vmovdqu64 (%rdi), %zmm1{%k3}\n"
	"	vmovdqu8 (%rdi), %xmm2{%k1}{z}\n"
	"	vpcmpeqb (%rdi), %ymm3, %k4\n"
	"	vmovdqu8 %zmm17, (%rdi){%k4}\n");

static uint8_t evex_mem[512];
/* Nothing beyond is touched. */
static uint64_t evex_limit = sizeof(evex_mem);

static int evex_probe(struct insn_cpu *cpu, uint64_t addr, unsigned int size, bool write)
{
	return addr + size <= evex_limit ? 0 : -1;
}

static int evex_load(struct insn_cpu *cpu, uint64_t addr, void *buf, unsigned int size)
{
	memcpy(buf, evex_mem + addr, size);
	return 0;
}

static int evex_store(struct insn_cpu *cpu, uint64_t addr, const void *buf, unsigned int size)
{
	memcpy(evex_mem + addr, buf, size);
	return 0;
}

static void test_evex(void **arg)
{
	static const struct insn_mem_ops ops = {
		.probe = evex_probe,
		.load = evex_load,
		.store = evex_store,
	};
	static uint8_t xmm[16][16], ymm_high[16][16], zmm_high[16][32], zmm_more[16][64];
	static uint64_t k[8] = {~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
	uint64_t bv = 2;
	struct insn_cpu cpu = {
		.xmm = xmm[0],
		.ymm_high = ymm_high[0],
		.zmm_high = zmm_high[0],
		.zmm_more = zmm_more[0],
		.opmask = (uint8_t *)k,
		.xstate_bv = &bv,
		.mem = &ops,
	};
	static const uint8_t zeros[64];

	for (size_t i = 0; i < sizeof(evex_mem); i++)
		evex_mem[i] = (uint8_t)(i * 7 + i / 64);
	/* Areas marked as zeros hold anything. */
	memset(zmm_more, 0xee, sizeof(zmm_more));
	memset(zmm_high, 0xee, sizeof(zmm_high));
	memset(ymm_high, 0xee, sizeof(ymm_high));
	assert_int_equal(insn_run(&cpu, evex_code, 15), INSN_DONE);
	assert_int_equal(cpu.rip, cpu.length);
	assert_memory_equal(zmm_more[1], evex_mem + 128, 64);
	assert_memory_equal(zmm_more[0], zeros, 64);
	assert_int_equal(bv, 2 | 128);
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(evex_mem + 64, evex_mem + 128, 32);
	assert_memory_not_equal(evex_mem + 96, evex_mem + 160, 32);
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(xmm[3], evex_mem, 16);
	assert_memory_equal(ymm_high[3], evex_mem + 16, 16);
	assert_memory_equal(zmm_high[3], evex_mem + 32, 32);
	assert_memory_equal(zmm_high[4], zeros, 32);
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(ymm_high[3], evex_mem + 16, 16);
	assert_memory_equal(zmm_high[3], zeros, 32);
	memset(zmm_more[4], 0x42, 64);
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(evex_mem, zmm_more[4], 16);
	assert_memory_not_equal(evex_mem + 16, zmm_more[4], 16);
	/* Masks that are marked as zeros: nothing is touched, all is kept. */
	memset(xmm[1], 0x77, 16);
	evex_limit = 0;
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_int_equal(xmm[1][15], 0x77);
	evex_limit = 16;
	bv |= 32;
	k[3] = 3;
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(xmm[1], evex_mem, 16);
	k[1] = 0x8001;
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_int_equal(xmm[2][0], evex_mem[0]);
	assert_int_equal(xmm[2][15], evex_mem[15]);
	assert_memory_equal(xmm[2] + 1, zeros, 14);
	evex_limit = 31;
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_FAULT);
	evex_limit = 32;
	memcpy(xmm[3], evex_mem, 16);
	memcpy(ymm_high[3], evex_mem + 16, 16);
	ymm_high[3][1] ^= 1;
	bv &= ~32ull;
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_int_equal(k[4], 0xfffdffff);
	assert_int_equal(k[3], 0);
	assert_int_equal(bv & 32, 32);
	assert_int_equal(insn_run(&cpu, evex_code + cpu.rip, 15), INSN_DONE);
	assert_memory_equal(evex_mem, zmm_more[1], 17);
}

static int setup(void **arg)
{
	signals_init(true);
	trap_init();
	for (int i = 0; i < 2; i++) {
		void *out;

		fake_init(&fakes[i]);
		if (trap_map(&fakes[i].mapping, NULL, FAKE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			     &out))
			return -1;
		trapped[i] = out;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_evex),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

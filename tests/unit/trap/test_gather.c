/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Gathers and scatters that touch some elements only, and that fault in the middle: what was done
 * isn't done again.  That they compute what a processor does is for test_forms.c.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"
#include "signals.h"
#include "trap.h"
#include "valgrind.h"

#define PAGE 4096

static struct fake fake;
static uint8_t *bar, *beside; /* beside: no access, until a fault is there */
static void *volatile faulted;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	faulted = info->si_addr;
	mprotect(beside, PAGE, PROT_READ | PROT_WRITE);
}

/* cmocka has its own by now. */
static void catch_faults(void)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
}

static int prepare(void **arg)
{
	for (unsigned int i = 0; i < FAKE_SIZE / 4; i++)
		memcpy(fake.bytes + 4 * i, &i, 4);
	fake.count = 0;
	faulted = NULL;
	return mprotect(beside, PAGE, PROT_NONE);
}

static void gather(const void *base, const int32_t *index, uint32_t *mask, uint32_t *out)
{
	__asm__ volatile("vmovdqu (%1), %%xmm1\n\t"
			 "vmovdqu (%2), %%xmm2\n\t"
			 "vmovdqu (%3), %%xmm0\n\t"
			 "vpgatherdd %%xmm2, (%0, %%xmm1, 4), %%xmm0\n\t"
			 "vmovdqu %%xmm2, (%2)\n\t"
			 "vmovdqu %%xmm0, (%3)"
			 :
			 : "r"(base), "r"(index), "r"(mask), "r"(out)
			 : "xmm0", "xmm1", "xmm2", "memory");
}

static void test_gather(void **arg)
{
	int32_t index[4] = {40, 7, -1000000, 8};
	uint32_t mask[4] = {1u << 31, ~0u, 0x7fffffff, ~0u}, out[4] = {1, 2, 3, 4};

	gather(bar, index, mask, out);
	assert_int_equal(fake.count, 3);
	assert_int_equal(fake.log[0].offset, 160);
	assert_int_equal(fake.log[1].offset, 28);
	assert_int_equal(fake.log[2].offset, 32);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(out[i], i == 2 ? 3 : index[i]);
		assert_int_equal(mask[i], 0);
	}
}

static void test_gather_faults(void **arg)
{
	int32_t index[4] = {1, 2, 0, 3};
	uint32_t mask[4] = {~0u, ~0u, ~0u, ~0u}, out[4] = {0};

	catch_faults();
	index[2] = (int32_t)((beside + 64 - bar) / 4);
	gather(bar, index, mask, out);
	assert_ptr_equal(faulted, beside + 64);
	assert_int_equal(fake.count, 3);
	assert_int_equal(fake.log[2].offset, 12);
	assert_int_equal(out[0] | out[1] << 8 | out[2] << 16 | out[3] << 24, 0x03000201);
}

static uint32_t scatter(void *base, const int32_t *index, uint32_t mask, const uint32_t *from)
{
	__asm__ volatile("vmovdqu (%2), %%xmm1\n\t"
			 "vmovdqu (%3), %%xmm0\n\t"
			 "kmovw %0, %%k1\n\t"
			 "vpscatterdd %%xmm0, (%1, %%xmm1, 4)%{%%k1%}\n\t"
			 "kmovw %%k1, %0"
			 : "+r"(mask)
			 : "r"(base), "r"(index), "r"(from)
			 : "xmm0", "xmm1", "memory");
	return mask;
}

static void test_scatter(void **arg)
{
	const uint32_t from[4] = {0x11, 0x22, 0x33, 0x44};
	int32_t index[4] = {5, 5, 0, 6};

	if (!__builtin_cpu_supports("avx512vl"))
		skip();
	assert_int_equal(scatter(bar, index, 0xb, from), 0);
	/* In their order, though they are one place. */
	assert_int_equal(fake.count, 3);
	assert_int_equal(fake.log[0].value, 0x11);
	assert_int_equal(fake.log[1].value, 0x22);
	assert_int_equal(fake.log[2].offset, 24);
	catch_faults();
	index[2] = (int32_t)((beside - bar) / 4);
	fake.count = 0;
	assert_int_equal(scatter(bar, index, 0xf, from), 0);
	assert_ptr_equal(faulted, beside);
	assert_int_equal(fake.count, 3);
	assert_int_equal(beside[0], 0x33);
}

static int setup(void **arg)
{
	void *out;

	signals_init(true);
	trap_init();
	fake_init(&fake);
	if (trap_map(&fake.mapping, NULL, FAKE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, &out))
		return -1;
	bar = out;
	/* Not farther from it than an index can say. */
	beside = mmap(bar - (64 << 20), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	return beside == MAP_FAILED ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_gather, prepare),
		cmocka_unit_test_setup(test_gather_faults, prepare),
		cmocka_unit_test_setup(test_scatter, prepare),
	};

	/* It asks for an element by itself, not for the instruction. */
	if (!__builtin_cpu_supports("avx2") || valgrind_running())
		return 77;
	return cmocka_run_group_tests(tests, setup, NULL);
}

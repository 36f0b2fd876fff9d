/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Code of each compiler and level: what it finds and leaves on a trapped range is
 * what it finds and leaves on memory.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"
#include "signals.h"
#include "trap.h"

#define VARIANTS(X) X(gcc_O0) X(gcc_O1) X(gcc_O2) X(gcc_O3) X(gcc_Os) X(gcc_avx2) X(gcc_avx512)
#ifdef HAVE_CLANG
#define CLANG_VARIANTS(X)                                                                          \
	X(clang_O0) X(clang_O1) X(clang_O2) X(clang_O3) X(clang_avx2) X(clang_avx512)
#else
#define CLANG_VARIANTS(X)
#endif

#define DECLARE(name) uint64_t compiled_##name(void *bar, unsigned int seed);
VARIANTS(DECLARE)
CLANG_VARIANTS(DECLARE)

static struct fake fake;
static void *bar;

static void run(uint64_t (*fn)(void *bar, unsigned int seed))
{
	static uint8_t ram[FAKE_SIZE] __attribute__((aligned(64)));

	for (unsigned int seed = 1; seed < 200; seed += 23) {
		uint64_t want, got;

		memset(ram, 0x5a, sizeof(ram));
		memset(fake.bytes, 0x5a, sizeof(fake.bytes));
		fake.count = 0;
		want = fn(ram, seed);
		got = fn(bar, seed);
		assert_int_equal(got, want);
		assert_memory_equal(fake.bytes, ram, FAKE_SIZE);
		assert_true(ui_load_relaxed(&fake.count) > 1000);
	}
}

static bool haswell(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("fma");
}

static bool skylake(void)
{
	return haswell() && __builtin_cpu_supports("avx512f") &&
	       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512cd");
}

#define TEST(name)                                                                                 \
	static void test_##name(void **arg)                                                        \
	{                                                                                          \
		if (strstr(#name, "avx2") && !haswell())                                           \
			skip();                                                                    \
		if (strstr(#name, "avx512") && !skylake())                                         \
			skip();                                                                    \
		run(compiled_##name);                                                              \
	}
VARIANTS(TEST)
CLANG_VARIANTS(TEST)

static int setup(void **arg)
{
	signals_init(true);
	trap_init();
	fake_init(&fake);
	return trap_map(&fake.mapping, NULL, FAKE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, &bar);
}

int main(void)
{
#define LIST(name) cmocka_unit_test(test_##name),
	const struct CMUnitTest tests[] = {VARIANTS(LIST) CLANG_VARIANTS(LIST)};

	return cmocka_run_group_tests(tests, setup, NULL);
}

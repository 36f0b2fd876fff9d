// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Numbers are the lowest free ones, always: beside a naive array of flags.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/ida.h"

#define MODEL 20000

static bool taken[MODEL];

static int64_t model_alloc(uint32_t min, uint32_t max)
{
	for (uint32_t i = min; i <= max; i++) {
		if (!taken[i]) {
			taken[i] = true;
			return i;
		}
	}
	return -ENOSPC;
}

static void test_model(void **state)
{
	struct ui_ida ida;
	unsigned int seed = 1;

	ui_ida_init(&ida);
	memset(taken, 0, sizeof(taken));
	for (int step = 0; step < 60000; step++) {
		unsigned int what = (unsigned int)rand_r(&seed) % 100;

		/* Grows at first, then shrinks, with holes anywhere. */
		if (what < (step < 40000 ? 70u : 35u)) {
			uint32_t min =
				(uint32_t)rand_r(&seed) % 3 ? 1 : (uint32_t)rand_r(&seed) % 5000;
			int64_t want = model_alloc(min, MODEL - 1);

			assert_int_equal(ui_ida_alloc(&ida, min, MODEL - 1), want);
		} else {
			uint32_t id = (uint32_t)rand_r(&seed) % MODEL;

			ui_ida_free(&ida, id);
			taken[id] = false;
		}
	}
	ui_ida_destroy(&ida);
}

static void test_full(void **state)
{
	struct ui_ida ida;

	ui_ida_init(&ida);
	for (uint32_t i = 1; i <= 64 * 64 + 1; i++)
		assert_int_equal(ui_ida_alloc(&ida, 1, 64 * 64 + 1), i);
	assert_int_equal(ui_ida_alloc(&ida, 1, 64 * 64 + 1), -ENOSPC);
	ui_ida_free(&ida, 77);
	assert_int_equal(ui_ida_alloc(&ida, 1, 64 * 64 + 1), 77);
	/* 0 was never taken. */
	assert_int_equal(ui_ida_alloc(&ida, 0, 64 * 64 + 1), 0);
	ui_ida_destroy(&ida);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

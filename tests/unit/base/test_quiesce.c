// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The handshake of base/quiesce.h on real processors, which the schedule
 * explorer can't show: a reader that finds a thing published is waited for
 * before the thing is taken apart.
 *
 * A missing fence on either side shows as a reader that sees the thing
 * poisoned.  For that its mark must still be in the store buffer while the
 * writer looks for it: stores leave in order, so each side first stores to
 * lines that the other one has just written.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/quiesce.h"

#define ROUNDS 2000000ul
/* On a busy machine the reader may not have run by then. */
#define ROUNDS_MOST (1000 * ROUNDS)
#define ALIVE 1
#define POISON 2

#define CLOGS 16

static struct ui_readers readers;
static struct {
	uint64_t word;
} __attribute__((aligned(64))) clogs[CLOGS];
static uint64_t cells[2];
static uint64_t *published;
static uint32_t running, stop;
static uint64_t bad;
static uint64_t seen;

static void clog_store_buffer(void)
{
	for (int i = 0; i < CLOGS; i++)
		ui_store_relaxed(&clogs[i].word, 1);
}

/* On processors of their own, or their store buffers never meet. */
static void stay_on(int nth)
{
	cpu_set_t all, one;
	int cpu = 0;

	sched_getaffinity(0, sizeof(all), &all);
	while (cpu < CPU_SETSIZE && (!CPU_ISSET(cpu, &all) || nth--))
		cpu++;
	if (cpu == CPU_SETSIZE)
		return; /* only one: then it is a plain test of the marks */
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *read_loop(void *arg)
{
	struct ui_reader *reader = arg;
	uint64_t n = 0;

	stay_on(1);

	ui_store_release(&running, 1);
	while (!ui_load_relaxed(&stop)) {
		uint64_t *cell;

		clog_store_buffer();
		ui_reader_enter(reader);
		cell = ui_load_acquire(&published);
		if (cell) {
			ui_store_relaxed(&seen, ++n);
			/* Look for as long as the writer may take to poison it. */
			for (int i = 0; i < 50; i++)
				if (ui_load_relaxed(cell) != ALIVE)
					ui_store_relaxed(&bad, 1);
		}
		ui_reader_exit(reader);
	}
	return NULL;
}

static void test_litmus(void **state)
{
	struct ui_reader *reader = aligned_alloc(64, sizeof(*reader));
	pthread_t thread;

	assert_non_null(reader);
	ui_readers_init(&readers);
	ui_reader_add(&readers, reader);
	assert_int_equal(pthread_create(&thread, NULL, read_loop, reader), 0);

	stay_on(0);
	while (!ui_load_acquire(&running))
		sched_yield();
	for (uint64_t i = 0; i < ROUNDS || (!ui_load_relaxed(&seen) && i < ROUNDS_MOST); i++) {
		uint64_t *cell = &cells[i & 1];

		ui_store_relaxed(cell, ALIVE);
		ui_store_release(&published, cell);
		clog_store_buffer();
		for (volatile int pause = 0; pause < (int)(i % 32); pause++)
			;
		ui_store_release(&published, NULL);
		ui_quiesce(&readers);
		ui_store_relaxed(cell, POISON);
	}

	ui_store_relaxed(&stop, 1);
	pthread_join(thread, NULL);
	assert_int_equal(bad, 0);
	/* Otherwise the two never met and nothing was shown. */
	assert_true(seen > 0);
	ui_reader_del(&readers, reader);
	ui_readers_destroy(&readers);
	free(reader);
}

static void test_waits_for_those_inside(void **state)
{
	struct ui_reader inside, outside;

	ui_readers_init(&readers);
	ui_reader_add(&readers, &inside);
	ui_reader_add(&readers, &outside);
	ui_quiesce(&readers); /* nobody is inside: returns */
	ui_reader_enter(&inside);
	assert_int_equal(inside.mark & 1, 1);
	ui_reader_exit(&inside);
	ui_quiesce(&readers);
	ui_reader_del(&readers, &inside);
	ui_reader_del(&readers, &outside);
	ui_readers_destroy(&readers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_those_inside),
		cmocka_unit_test(test_litmus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A close waits for who is telling, and for nobody else.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/telling.h"

#define ROUNDS 3000
#define TELLERS 2

/*
 *  lock	beside it, or in it: then its memory goes with the thing
 *  open, told	lock
 *  closed	atomic
 */
struct thing {
	struct ui_mutex lock;
	struct ui_telling telling;
	bool open;
	unsigned int told;
	uint32_t closed;
};

static struct thing *thing_new(void)
{
	struct thing *thing = calloc(1, sizeof(*thing));

	assert_non_null(thing);
	ui_mutex_init(&thing->lock);
	ui_telling_init(&thing->telling);
	thing->open = true;
	return thing;
}

static bool begin(struct thing *thing)
{
	bool open;

	ui_mutex_lock(&thing->lock);
	open = thing->open;
	if (open)
		ui_telling_begin(&thing->telling);
	ui_mutex_unlock(&thing->lock);
	return open;
}

static void *close_thing(void *arg)
{
	struct thing *thing = arg;

	ui_mutex_lock(&thing->lock);
	thing->open = false;
	ui_telling_wait(&thing->telling, &thing->lock);
	ui_mutex_unlock(&thing->lock);
	ui_store_release(&thing->closed, 1);
	return NULL;
}

static void thing_free(struct thing *thing)
{
	ui_mutex_destroy(&thing->lock);
	free(thing);
}

static void test_nobody(void **state)
{
	struct thing *thing = thing_new();

	close_thing(thing);
	assert_false(begin(thing));
	thing_free(thing);
	/* Who has told is nobody. */
	thing = thing_new();
	assert_true(begin(thing));
	ui_telling_end(&thing->telling, &thing->lock);
	close_thing(thing);
	thing_free(thing);
}

static void test_waits(void **state)
{
	struct thing *thing = thing_new();
	unsigned int tries = 0;
	pthread_t closer;

	assert_true(begin(thing));
	assert_true(begin(thing));
	assert_int_equal(pthread_create(&closer, NULL, close_thing, thing), 0);
	while (!ui_load_acquire(&thing->telling.cond.waiters) && !ui_load_acquire(&thing->closed))
		ui_spin_pause(tries++);
	assert_false(begin(thing));
	assert_false(ui_load_acquire(&thing->closed));
	ui_telling_end(&thing->telling, &thing->lock);
	assert_false(ui_load_acquire(&thing->closed));
	ui_telling_end(&thing->telling, &thing->lock);
	pthread_join(closer, NULL);
	assert_true(ui_load_acquire(&thing->closed));
	thing_free(thing);
}

static struct thing *current;
static pthread_barrier_t turn;

static void *tell_each(void *arg)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&turn);
		for (unsigned int n = 0; n < 3 && begin(current); n++) {
			ui_fetch_add(&current->told, 1);
			ui_telling_end(&current->telling, &current->lock);
		}
		/* Only now may it go, for who came too late has looked at it. */
		pthread_barrier_wait(&turn);
	}
	return NULL;
}

/* The memory goes when nobody looks any more; what was told while it was open is complete then. */
static void test_race(void **state)
{
	pthread_t tellers[TELLERS];

	assert_int_equal(pthread_barrier_init(&turn, NULL, TELLERS + 1), 0);
	for (int t = 0; t < TELLERS; t++)
		assert_int_equal(pthread_create(&tellers[t], NULL, tell_each, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int told;

		current = thing_new();
		pthread_barrier_wait(&turn);
		close_thing(current);
		told = ui_load_acquire(&current->told);
		pthread_barrier_wait(&turn);
		assert_int_equal(ui_load_acquire(&current->told), told);
		thing_free(current);
	}
	for (int t = 0; t < TELLERS; t++)
		pthread_join(tellers[t], NULL);
	pthread_barrier_destroy(&turn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

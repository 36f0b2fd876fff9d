// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/sync.c - the waiting side of mutexes and conditions
 *
 * A word of 2 says that somebody may sleep on it.  Who comes out of sleep takes
 * the mutex as 2, not knowing whether others still sleep: at worst one wake-up
 * too many.
 */
#include "base/sync.h"

#include <linux/futex.h>

#include "base/sys.h"

__thread uint32_t ui_fail_nth;

/* About as long as the sections under our mutexes last. */
#define SPINS 100

static void futex_wait(uint32_t *word, uint32_t value)
{
	ui_syscall6(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void futex_wake(uint32_t *word, int count)
{
	ui_syscall6(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, count, 0, 0, 0);
}

void ui_mutex_lock_slow(struct ui_mutex *m)
{
	for (unsigned int tries = 0; tries < SPINS; tries++) {
		uint32_t word = 0;

		if (!ui_load_relaxed(&m->word) &&
		    __atomic_compare_exchange_n(&m->word, &word, 1, false, __ATOMIC_ACQUIRE,
						__ATOMIC_RELAXED))
			return;
		__builtin_ia32_pause();
	}
	while (__atomic_exchange_n(&m->word, 2, __ATOMIC_ACQUIRE))
		futex_wait(&m->word, 2);
}

/*
 * The mutex is free and somebody else may have it already, or have freed its
 * memory: nothing is read, and to wake nobody at an address does no harm.
 */
void ui_mutex_wake(struct ui_mutex *m)
{
	futex_wake(&m->word, 1);
}

/*
 * A broadcast after we let go of the mutex changes the turn, so we don't sleep
 * through it.  Whoever broadcasts has had the mutex since, or before us: then
 * it sees us, or we saw what it changed.
 */
void ui_cond_wait(struct ui_cond *c, struct ui_mutex *m)
{
	uint32_t turn = ui_load_relaxed(&c->turn);

	ui_fetch_add(&c->waiters, 1);
	ui_mutex_unlock(m);
	futex_wait(&c->turn, turn);
	ui_mutex_lock(m);
	ui_fetch_sub(&c->waiters, 1);
}

void ui_cond_broadcast(struct ui_cond *c)
{
	if (!ui_load_seq_cst(&c->waiters))
		return;
	ui_fetch_add(&c->turn, 1);
	futex_wake(&c->turn, INT32_MAX);
}

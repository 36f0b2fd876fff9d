// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/telling.c - the end of telling, see base/telling.h
 */
#include "base/telling.h"

void ui_telling_init(struct ui_telling *telling)
{
	ui_store_relaxed(&telling->count, 1);
	telling->over = false;
	ui_cond_init(&telling->cond);
}

/* Whoever closes waits until we have the lock no more: nothing is touched after the unlock. */
void ui_telling_last(struct ui_telling *telling, struct ui_mutex *lock)
{
	ui_mutex_lock(lock);
	telling->over = true;
	ui_cond_broadcast(&telling->cond);
	ui_mutex_unlock(lock);
}

void ui_telling_wait(struct ui_telling *telling, struct ui_mutex *lock)
{
	ui_mutex_assert_held(lock);
	if (ui_fetch_sub(&telling->count, 1) == 1)
		telling->over = true;
	while (!telling->over)
		ui_cond_wait(&telling->cond, lock);
	ui_cond_destroy(&telling->cond);
}

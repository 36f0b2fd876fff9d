/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/telling.h - telling somebody of a thing that may go meanwhile
 *
 * The host is told that a file is readable without the lock that says so, for whoever it
 * wakes wants that next; nor by a reference on the file, since the last put may wait for
 * what the teller is inside of.  So the close waits for those who are telling:
 *
 *	teller				close
 *	lock				lock
 *	 is it open?			 it isn't open any more
 *	 ui_telling_begin()		 ui_telling_wait()
 *	unlock				unlock
 *	tell				free it
 *	ui_telling_end()
 *
 * What is open has a share in the count: only who ends after the close takes the lock, to
 * wake it.  The lock itself must stay until all have left it: memory that it is in may go
 * when ui_telling_wait() has returned.
 */
#ifndef UI_BASE_TELLING_H
#define UI_BASE_TELLING_H

#include "base/sync.h"

/*
 *  count	atomic; who is telling, and 1 until it is closed; goes up under the caller's lock
 *  over	the caller's lock; nobody will tell any more
 *  cond	of that lock; over has become true
 */
struct ui_telling {
	uint64_t count;
	bool over;
	struct ui_cond cond;
};

void ui_telling_init(struct ui_telling *telling);

/* Under the lock, and not after ui_telling_wait(). */
static inline void ui_telling_begin(struct ui_telling *telling)
{
	ui_fetch_add(&telling->count, 1);
}

/* For the next. */
void ui_telling_last(struct ui_telling *telling, struct ui_mutex *lock);

/* Without the lock.  What was told of may be gone at return. */
static inline void ui_telling_end(struct ui_telling *telling, struct ui_mutex *lock)
{
	if (ui_fetch_sub(&telling->count, 1) == 1)
		ui_telling_last(telling, lock);
}

/* Under the lock, which it gives up while it waits; once. */
void ui_telling_wait(struct ui_telling *telling, struct ui_mutex *lock);

#endif /* UI_BASE_TELLING_H */

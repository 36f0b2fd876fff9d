/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/quiesce.h - readers that a writer can wait for
 *
 * DMA reads slots, extents and tree nodes without a lock or a reference.  It
 * does so inside a burst, marked by its reader.  A writer first makes a thing
 * unreachable, then calls ui_quiesce(): when that returns, no reader that could
 * have seen the thing is still inside, and it may be freed or reported as gone.
 *
 * It is a store-then-load handshake on both sides:
 *
 *	reader				writer
 *	mark = odd	(A)		unpublish	(C)
 *	-- full fence --		-- full fence --
 *	load pointer	(B)		load mark	(D)
 *
 * If (B) sees the old pointer then (D) sees the odd mark.  The reader's fence
 * is the exchange that sets the mark, about as dear as an uncontended lock and
 * paid once a burst; the writer makes no system call.  (An asymmetric fence
 * would move the cost to a membarrier(2) in each unmap and detach.)
 *
 * A burst is short: it never blocks, calls back, or takes a lock.  So waiting
 * spins, then yields.
 */
#ifndef UI_BASE_QUIESCE_H
#define UI_BASE_QUIESCE_H

#include <urcu/list.h>

#include "base/sync.h"

/*
 * One per DMA channel; one thread at a time is inside.
 *  mark	atomic; odd while inside, counts up
 *  node	readers->lock
 */
struct ui_reader {
	uint64_t mark;
	struct cds_list_head node;
} __attribute__((aligned(64)));

/*
 *  list	lock
 *  any		atomic, written under lock; 0: the list is empty
 *  changes	atomic; goes up with each ui_quiesce()
 *  stopped	atomic; 1 while somebody holds gate by ui_readers_stop()
 */
struct ui_readers {
	struct ui_mutex lock;
	struct cds_list_head list;
	uint32_t any;
	uint32_t stopped;
	uint64_t changes;
	struct ui_mutex gate;
};

void ui_readers_init(struct ui_readers *readers);
void ui_readers_destroy(struct ui_readers *readers);
void ui_reader_add(struct ui_readers *readers, struct ui_reader *reader);
/* The reader is not inside. */
void ui_reader_del(struct ui_readers *readers, struct ui_reader *reader);

static inline void ui_reader_enter(struct ui_reader *reader)
{
	/* (A) and the fence; pairs with the one in ui_quiesce(). */
	ui_xchg(&reader->mark, reader->mark + 1);
}

static inline void ui_reader_exit(struct ui_reader *reader)
{
	/* What was read inside is done with; pairs with (D), an acquire. */
	ui_store_release(&reader->mark, reader->mark + 1);
}

/*
 * No burst is under way from the return of ui_readers_stop() to ui_readers_go(): for
 * who moves the memory itself.  Who wants to begin one waits, by ui_reader_begin().
 * The handshake is the one above, with stopped as what is unpublished.
 */
void ui_readers_stop(struct ui_readers *readers);
void ui_readers_go(struct ui_readers *readers);
/* Until they may go on. */
void ui_readers_wait(struct ui_readers *readers);

static inline void ui_reader_begin(struct ui_readers *readers, struct ui_reader *reader)
{
	for (;;) {
		ui_reader_enter(reader);
		if (__builtin_expect(!ui_load_acquire(&readers->stopped), 1))
			return;
		ui_reader_exit(reader);
		ui_readers_wait(readers);
	}
}

/* Those on the list; the fence was before. */
void ui_quiesce_list(struct ui_readers *readers);

/*
 * Waits for every reader that is inside now.  The caller is in no burst, and
 * holds no lock that a burst could want (bursts want none).
 *
 * Where the list is still empty at (D), a reader that joins it does so before its (A).
 */
static inline void ui_quiesce(struct ui_readers *readers)
{
	/* As a fence it orders the caller's unpublishing stores (C) before the loads (D). */
	ui_fetch_add(&readers->changes, 1);
	if (ui_load_acquire(&readers->any)) /* ui_reader_del() */
		ui_quiesce_list(readers);
}

/*
 * What a burst found, another may use without looking, as long as this is the same inside
 * both, asked before it looked: nothing that was unpublished since has been waited for.
 */
static inline uint64_t ui_reader_changes(struct ui_readers *readers)
{
	return ui_load_acquire(&readers->changes);
}

#endif /* UI_BASE_QUIESCE_H */

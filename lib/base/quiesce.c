// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/quiesce.c - waiting for the readers that are inside
 *
 * The handshake is drawn in quiesce.h.
 */
#include "base/quiesce.h"

void ui_readers_init(struct ui_readers *readers)
{
	ui_mutex_init(&readers->lock);
	CDS_INIT_LIST_HEAD(&readers->list);
	readers->any = 0;
	readers->changes = 1; /* 0: nothing was found yet */
	readers->stopped = 0;
	ui_mutex_init(&readers->gate);
}

void ui_readers_destroy(struct ui_readers *readers)
{
	assert(cds_list_empty(&readers->list));
	ui_mutex_destroy(&readers->gate);
	ui_mutex_destroy(&readers->lock);
}

void ui_reader_add(struct ui_readers *readers, struct ui_reader *reader)
{
	reader->mark = 0;
	ui_mutex_lock(&readers->lock);
	cds_list_add(&reader->node, &readers->list);
	ui_store_relaxed(&readers->any, 1u); /* before (A), which is a fence */
	ui_mutex_unlock(&readers->lock);
}

void ui_reader_del(struct ui_readers *readers, struct ui_reader *reader)
{
	ui_mutex_lock(&readers->lock);
	cds_list_del(&reader->node);
	/* Its bursts are over: who finds no reader may free what they saw. */
	ui_store_release(&readers->any, (uint32_t)!cds_list_empty(&readers->list));
	ui_mutex_unlock(&readers->lock);
}

/*
 * A reader that joins the list later enters its first burst after it took the
 * lock that we hold, so it sees what we unpublished; it need not be waited for.
 */
void ui_quiesce_list(struct ui_readers *readers)
{
	struct cds_list_head *node;

	ui_mutex_lock(&readers->lock);
	cds_list_for_each(node, &readers->list) {
		struct ui_reader *reader = ui_container_of(node, struct ui_reader, node);
		uint64_t mark = ui_load_acquire(&reader->mark); /* (D) */
		unsigned int tries = 0;

		/* Another burst than the one we saw began after (C). */
		while ((mark & 1) && ui_load_acquire(&reader->mark) == mark)
			ui_spin_pause(tries++);
	}
	ui_mutex_unlock(&readers->lock);
}

void ui_readers_stop(struct ui_readers *readers)
{
	ui_mutex_lock(&readers->gate);
	ui_store_release(&readers->stopped, 1u);
	ui_quiesce(readers);
}

void ui_readers_go(struct ui_readers *readers)
{
	ui_store_release(&readers->stopped, 0u);
	ui_mutex_unlock(&readers->gate);
}

void ui_readers_wait(struct ui_readers *readers)
{
	ui_mutex_lock(&readers->gate);
	ui_mutex_unlock(&readers->gate);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/dirty.h - which pages of an I/O address space DMA has written
 *
 * Each domain keeps its own bits, one for each granule of IOVA, in a radix tree
 * of nodes with 64 slots.  DMA sets them inside its burst: without a lock, and
 * without malloc(), for nodes come from a piece of address space that is
 * reserved once and becomes memory as it is touched.  What was never dirty costs
 * nothing, neither memory nor time.
 */
#ifndef UI_IOPT_DIRTY_H
#define UI_IOPT_DIRTY_H

#include "iopt/iopt.h"

struct dirty_node;

/*
 *  shift, levels	immutable; levels of nodes above those with bits
 *  nodes		set once, with release, by the first enable; the root is
 *			the first
 *  nr_nodes, lost, enabled	atomic.  lost: a bit couldn't be kept, so that
 *			everything counts as dirty
 */
struct iopt_dirty {
	unsigned int shift;
	unsigned int levels;
	struct dirty_node *nodes;
	uint32_t nr_nodes;
	uint32_t lost;
	uint32_t enabled;
};

/* Of a domain that reaches up to @last_iova, in granules of 1 << @shift bytes. */
void iopt_dirty_init(struct iopt_dirty *dirty, unsigned int shift, uint64_t last_iova);
/* Nobody marks any more. */
void iopt_dirty_destroy(struct iopt_dirty *dirty);

/*
 * The domain that @owner named in iopt_add_domain() has dirty bits: what is mapped
 * from now on is clean at first.  Ends with iopt_remove_domain().
 */
void iopt_watch_dirty(struct iopt *iopt, const void *owner, struct iopt_dirty *dirty);
/* For a map: [start, last] is about to become an area.  Needs iopt->lock. */
void iopt_dirty_forget_locked(struct iopt *iopt, uint64_t start, uint64_t last);

/* On: from a clean state.  -ENOMEM.  Off: what is dirty stays, and can be read. */
int iopt_dirty_enable(struct iopt *iopt, struct iopt_dirty *dirty, bool enable);

static inline bool iopt_dirty_enabled(const struct iopt_dirty *dirty)
{
	return ui_load_relaxed(&dirty->enabled);
}

/* [iova, iova + length) was written.  Lock-free, in a burst or not. */
void iopt_dirty_mark(struct iopt_dirty *dirty, uint64_t iova, uint64_t length);

/* What GET_DIRTY_BITMAP may ask for: -EINVAL, -EOVERFLOW. */
int iopt_dirty_check(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t page_size);
/*
 * Calls @fn, in order, for each piece of [iova, last] that is dirty, from @iova on
 * as far as areas follow each other without a hole.  @clear: it is clean then.
 */
void iopt_dirty_read(struct iopt *iopt, struct iopt_dirty *dirty, uint64_t iova, uint64_t last,
		     bool clear, void (*fn)(void *opaque, uint64_t iova, uint64_t length),
		     void *opaque);

#endif /* UI_IOPT_DIRTY_H */

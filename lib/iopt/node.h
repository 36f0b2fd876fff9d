/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/node.h - the nodes of the tree, and how a reader reads them
 *
 * A leaf has 16 slots for areas and one word, its order, that says how many of
 * them count and in which sequence: four bits per position, the number of
 * positions in the top four (so at most 15).  To insert, the writer fills a slot
 * that no order names and stores the new order; to remove, it stores one
 * without the slot.  A reader takes the order once and sees one state of the leaf,
 * whatever happens meanwhile.  A slot that was taken out may still be looked at by
 * the order that a reader took before, so it is not filled again until readers were
 * waited for: after removing, the writer does that before it inserts.
 *
 * An inner node has up to 63 children in order of IOVA.  Its keys never change:
 * child i holds the areas that start at or after key i and before the next valid
 * key; the first valid child also holds what is below its key.  Two things change
 * in place, each in one store: the pointer to a child (another node with the
 * same areas, or more of them), and a bit of valid, when a child goes.  Anything
 * else makes a new node.
 *
 * No area reaches beyond the range of keys that its leaf has: so to find an IOVA
 * a reader goes down once and never sideways.
 */
#ifndef UI_IOPT_NODE_H
#define UI_IOPT_NODE_H

#include "iopt/tree.h"

#define IOPT_SLOTS 16
#define IOPT_LEAF_MAX 15
#ifndef IOPT_INNER_MAX /* a test makes it small, for high trees */
#define IOPT_INNER_MAX 63
#endif

/* How every node begins; what is retired is linked here. */
struct iopt_node {
	struct iopt_node *next;
};

struct iopt_entry {
	uint64_t last;
	uint64_t uaddr;
	uint64_t mm_perm;
};

/*
 *  order		written with release, read by readers
 *  start	atomic: a search may look at a slot that doesn't count, and ignores it
 *  entry	of a slot: written while no order names it
 */
struct iopt_leaf {
	struct iopt_node node;
	uint64_t order;
	uint64_t start[IOPT_SLOTS];
	struct iopt_entry entry[IOPT_SLOTS];
};

/*
 *  nr, key		immutable once published
 *  valid, child	written with release, read by readers
 */
struct iopt_inner {
	struct iopt_node node;
	uint64_t valid;
	uint64_t nr;
	uint64_t key[IOPT_INNER_MAX];
	uint64_t child[IOPT_INNER_MAX];
};

static inline bool iopt_ptr_is_leaf(uint64_t ptr)
{
	return ptr & 1;
}

static inline struct iopt_leaf *iopt_ptr_leaf(uint64_t ptr)
{
	return (struct iopt_leaf *)(ptr - 1);
}

static inline struct iopt_inner *iopt_ptr_inner(uint64_t ptr)
{
	return (struct iopt_inner *)ptr;
}

static inline uint64_t iopt_leaf_ptr(struct iopt_leaf *leaf)
{
	return (uint64_t)leaf + 1;
}

static inline uint64_t iopt_inner_ptr(struct iopt_inner *inner)
{
	return (uint64_t)inner;
}

static inline unsigned int iopt_order_nr(uint64_t order)
{
	return (unsigned int)(order >> 60);
}

static inline unsigned int iopt_order_slot(uint64_t order, unsigned int pos)
{
	return (unsigned int)(order >> (4 * pos)) & 15;
}

/* How many areas of the leaf start at or before iova. */
static inline unsigned int iopt_leaf_find(const struct iopt_leaf *leaf, uint64_t order,
					  uint64_t iova)
{
	unsigned int nr = iopt_order_nr(order);
	unsigned int lo = 0;

	/* Without branches; what a position past nr says is not used. */
	for (unsigned int step = 8; step; step /= 2) {
		unsigned int slot = iopt_order_slot(order, lo + step - 1);
		bool right = ui_load_relaxed(&leaf->start[slot]) <= iova;

		lo += lo + step <= nr && right ? step : 0;
	}
	return lo;
}

/* The child that has iova in its range. */
static inline unsigned int iopt_inner_find(const struct iopt_inner *inner, uint64_t valid,
					   uint64_t iova)
{
	unsigned int nr = (unsigned int)inner->nr;
	unsigned int base = 0;
	uint64_t left;

	/* The last key at or before iova, or the first. */
	while (nr > 1) {
		unsigned int half = nr / 2;

		base += inner->key[base + half] <= iova ? half : 0;
		nr -= half;
	}
	left = valid & ((2ull << base) - 1);
	return left ? 63 - (unsigned int)__builtin_clzll(left) :
		      (unsigned int)__builtin_ctzll(valid);
}

#endif /* UI_IOPT_NODE_H */

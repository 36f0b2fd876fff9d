/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/node.h - the nodes of the tree, and how a reader reads them
 *
 * A leaf has 15 slots for areas and one word, its order, that says how many of
 * them count and in which sequence: four bits per position, the number of
 * positions in the top four.  To insert, the writer fills a slot
 * that no order names and stores the new order; to remove, it stores one
 * without the slot.  A reader takes the order once and sees one state of the leaf,
 * whatever happens meanwhile.  A slot that was taken out may still be looked at by
 * the order that a reader took before, so it is not filled again until readers were
 * waited for: after removing, the writer does that before it inserts.
 *
 * An inner node has up to 64 children in order of IOVA.  Its keys never change:
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

#define IOPT_LEAF_MAX 15
#ifndef IOPT_INNER_MAX /* a test makes it small, for high trees */
#define IOPT_INNER_MAX 64
#endif
/* Keys on one cache line. */
#define IOPT_BLOCK 8
#define IOPT_LINE 64

/* For short loops of fixed length, which gcc -O2 would leave as loops. */
#ifdef __clang__
#define IOPT_UNROLL _Pragma("unroll")
#else
#define IOPT_UNROLL _Pragma("GCC unroll 8")
#endif

/*
 * What every node has somewhere: a link for when it is retired, and where its
 * memory begins, for nodes start on a cache line.
 */
struct iopt_node {
	struct iopt_node *next;
	void *memory;
};

struct iopt_entry {
	uint64_t last;
	uint64_t uaddr;
	uint64_t mm_perm;
};

/*
 *  order		written with release, read by readers
 *  start	atomic: a search may look at a slot that doesn't count, and ignores it
 *  entry	of a slot: written while no order names it, but for last, which is an
 *		atomic and may become smaller
 *  taken	writer; the slots that the order names
 */
struct iopt_leaf {
	uint64_t order;
	uint64_t start[IOPT_LEAF_MAX];
	struct iopt_entry entry[IOPT_LEAF_MAX];
	uint64_t taken;
	struct iopt_node node;
};

/*
 *  valid, child	written with release, read by readers
 *  pivot		immutable once published; the first keys of blocks 1 to 7
 *  key			immutable once published; UINT64_MAX where there is no child
 */
struct iopt_inner {
	uint64_t valid;
	uint64_t pivot[IOPT_BLOCK - 1];
	uint64_t key[IOPT_BLOCK * IOPT_BLOCK];
	uint64_t child[IOPT_INNER_MAX];
	struct iopt_node node;
};

_Static_assert(sizeof(struct iopt_leaf) == 8 * IOPT_LINE, "a leaf fills its cache lines");
_Static_assert(IOPT_INNER_MAX <= IOPT_BLOCK * IOPT_BLOCK, "keys have room");

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

/* Of a search: without branches, and what a position past the end says is not used. */
static inline unsigned int iopt_leaf_step(const struct iopt_leaf *leaf, uint64_t order,
					  uint64_t iova, unsigned int lo, unsigned int step)
{
	unsigned int slot = iopt_order_slot(order, lo + step - 1);
	bool right = ui_load_relaxed(&leaf->start[slot]) <= iova;

	return lo + (unsigned int)(right & (lo + step <= iopt_order_nr(order))) * step;
}

/* How many areas of the leaf start at or before iova. */
static inline unsigned int iopt_leaf_find(const struct iopt_leaf *leaf, uint64_t order,
					  uint64_t iova)
{
	unsigned int nr = iopt_order_nr(order);
	unsigned int lo = 0;

	/* A handful of areas in all is usual as well, and often none. */
	if (!nr)
		return 0;
	if (nr >= 4) {
		lo = iopt_leaf_step(leaf, order, iova, lo, 8);
		lo = iopt_leaf_step(leaf, order, iova, lo, 4);
	}
	if (nr >= 2)
		lo = iopt_leaf_step(leaf, order, iova, lo, 2);
	return iopt_leaf_step(leaf, order, iova, lo, 1);
}

/*
 * The child that has iova in its range: which block, then which key of it, each
 * by counting on one line rather than by halving over many.
 */
static inline unsigned int iopt_inner_find(const struct iopt_inner *inner, uint64_t valid,
					   uint64_t iova)
{
	const uint64_t *block;
	unsigned int at = 0, in = 0;
	uint64_t left;

	IOPT_UNROLL
	for (unsigned int i = 0; i < IOPT_BLOCK - 1; i++)
		at += inner->pivot[i] <= iova;
	at *= IOPT_BLOCK;
	block = &inner->key[at];
	/* The first is a pivot, or the first of all, which counts anyhow. */
	IOPT_UNROLL
	for (unsigned int i = 1; i < IOPT_BLOCK; i++)
		in += block[i] <= iova;
	/* For the last IOVA this may be past the keys: then the last child it is. */
	left = valid & ((2ull << (at + in)) - 1);
	return left ? 63 - (unsigned int)__builtin_clzll(left) :
		      (unsigned int)__builtin_ctzll(valid);
}

#endif /* UI_IOPT_NODE_H */

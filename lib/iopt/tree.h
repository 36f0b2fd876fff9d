/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/tree.h - areas in order of IOVA, one writer, readers without locks
 *
 * A reader is inside a burst; the writer holds the lock of the address space.
 * Areas never overlap: the caller has looked.
 */
#ifndef UI_IOPT_TREE_H
#define UI_IOPT_TREE_H

#include <uiommu/mm.h>

#include "base/quiesce.h"

/* Rights in the low bits of an mm's address, which is aligned to 16. */
#define IOPT_PERM_MASK 15u

/* Far above what 2^64 areas would need: a level multiplies by 31 at least. */
#define IOPT_DEPTH_MAX 16

/*
 * [start, last] is at uaddr of the mm, with the rights in the low bits.
 */
struct iopt_area {
	uint64_t start;
	uint64_t last;
	uint64_t uaddr;
	uint64_t mm_perm;
};

struct iopt_node;
struct iopt_leaf;
struct iopt_inner;

/*
 *  readers	immutable
 *  root	written by the writer, with release; read by readers; low bit: a leaf
 *  retired	writer; nodes that a reader may still be in
 *  ascending	writer; inserts at the end of a leaf, since the last other change
 */
struct iopt_tree {
	struct ui_readers *readers;
	uint64_t root;
	struct iopt_node *retired;
	unsigned int nr_retired;
	unsigned int ascending;
};

/*
 * A place in the tree, the writer's: valid until it changes the tree.
 * leaf is NULL past the end.
 */
struct iopt_cursor {
	struct iopt_leaf *leaf;
	unsigned int pos;
	unsigned int depth;
	struct {
		struct iopt_inner *node;
		unsigned int idx;
	} at[IOPT_DEPTH_MAX];
};

/* -ENOMEM. */
int iopt_tree_init(struct iopt_tree *tree, struct ui_readers *readers);
/* No reader uses it any more, and what areas it had are of no interest. */
void iopt_tree_destroy(struct iopt_tree *tree);

/* The area that holds iova; false: none does.  Readers and writer. */
bool iopt_tree_lookup(struct iopt_tree *tree, uint64_t iova, struct iopt_area *area);

/* ---- the writer only ---- */

/* Is no area in [start, last]?  Then the cursor is where one would go. */
bool iopt_tree_vacant(struct iopt_tree *tree, uint64_t start, uint64_t last,
		      struct iopt_cursor *cur);
/*
 * The cursor is what iopt_tree_vacant() found for the area, and becomes invalid.
 * -ENOMEM: nothing changed that can be seen.
 */
int iopt_tree_insert(struct iopt_tree *tree, struct iopt_cursor *cur, const struct iopt_area *area);
/*
 * The cursor is at an area and becomes invalid.  Can't fail.  Before the next insert
 * comes iopt_tree_quiesce(), once for any number of removals.
 */
void iopt_tree_remove(struct iopt_tree *tree, struct iopt_cursor *cur);
/*
 * The area that starts at start becomes shorter, and right is what it loses; readers
 * find one or the other all the time.  -ENOMEM: nothing changed that can be seen.
 */
int iopt_tree_cut(struct iopt_tree *tree, uint64_t start, const struct iopt_area *right);
/* Readers were waited for: retired nodes go. */
void iopt_tree_free_retired(struct iopt_tree *tree);
/* No reader sees any more what was removed until now, at return. */
static inline void iopt_tree_quiesce(struct iopt_tree *tree)
{
	ui_quiesce(tree->readers);
	if (tree->retired)
		iopt_tree_free_retired(tree);
}

/* To the first area that ends at or after iova. */
void iopt_tree_seek(struct iopt_tree *tree, uint64_t iova, struct iopt_cursor *cur);
void iopt_tree_next(struct iopt_cursor *cur);
/* Of the area before the cursor's; false: there is none. */
bool iopt_tree_prev_last(const struct iopt_cursor *cur, uint64_t *last);
static inline bool iopt_tree_end(const struct iopt_cursor *cur)
{
	return !cur->leaf;
}

void iopt_tree_area(const struct iopt_cursor *cur, struct iopt_area *area);
/* Another mm for the cursor's area, in which it is at the same addresses; the cursor stays. */
void iopt_tree_set_mm(const struct iopt_cursor *cur, uint64_t mm_perm);

#endif /* UI_IOPT_TREE_H */

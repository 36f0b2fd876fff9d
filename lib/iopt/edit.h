/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/edit.h - the writer's steps in the tree that stay in one leaf
 *
 * Nearly every map and unmap is one of these, so they are part of their callers in
 * iopt.c; others have them as iopt_tree_*().  What goes beyond a leaf is in tree.c.
 * All need the lock of the address space.
 */
#ifndef UI_IOPT_EDIT_H
#define UI_IOPT_EDIT_H

#include "iopt/node.h"

/* A leaf with so few areas is joined with a neighbour if both fit twice over. */
#define IOPT_LEAF_FEW 3

/* tree.c; the second is for the end of a leaf that isn't the root, and for a full one */
void iopt_descend(struct iopt_cursor *cur, uint64_t ptr, uint64_t iova);
int iopt_insert_between(struct iopt_tree *tree, struct iopt_cursor *cur,
			const struct iopt_area *area);
/* The cursor's leaf has few areas left, or none, and isn't the root. */
void iopt_shrink(struct iopt_tree *tree, struct iopt_cursor *cur);
void iopt_next_leaf(struct iopt_cursor *cur);
/* Does what comes after the cursor's leaf, if anything, begin after last? */
bool iopt_vacant_after(const struct iopt_cursor *cur, uint64_t last);

/* gcc would keep them apart, for a map has two forms. */
#define IOPT_EDIT static inline __attribute__((always_inline))

/* ---- one leaf ---- */

/* The positions of an order; beyond the last it is 0. */
#define IOPT_ORDER_SLOTS (~0ull >> 4)

/* What is at pos or after moves up by one place, and the number in the top goes up. */
static inline uint64_t iopt_order_insert(uint64_t order, unsigned int pos, unsigned int slot)
{
	uint64_t after = (order & IOPT_ORDER_SLOTS) >> (4 * pos);

	return order + (1ull << 60) + ((after * 15 + slot) << (4 * pos));
}

/* And down. */
static inline uint64_t iopt_order_remove(uint64_t order, unsigned int pos)
{
	uint64_t after = (order & IOPT_ORDER_SLOTS) >> (4 * pos);

	return order - (1ull << 60) - ((after - (after >> 4)) << (4 * pos));
}

static inline void iopt_leaf_fill(struct iopt_leaf *leaf, unsigned int slot,
				  const struct iopt_area *area)
{
	struct iopt_entry *entry = &leaf->entry[slot];

	ui_store_relaxed(&leaf->start[slot], area->start);
	ui_store_relaxed(&entry->last, area->last);
	entry->uaddr = area->uaddr;
	entry->mm_perm = area->mm_perm;
	leaf->taken |= 1ull << slot;
}

static inline void iopt_leaf_area(const struct iopt_leaf *leaf, unsigned int pos,
				  struct iopt_area *area)
{
	unsigned int slot = iopt_order_slot(leaf->order, pos);
	const struct iopt_entry *entry = &leaf->entry[slot];

	area->start = leaf->start[slot];
	area->last = entry->last;
	area->uaddr = entry->uaddr;
	area->mm_perm = entry->mm_perm;
}

/* To one with room. */
static inline void iopt_leaf_insert(struct iopt_leaf *leaf, unsigned int pos,
				    const struct iopt_area *area)
{
	unsigned int slot = (unsigned int)__builtin_ctzll(~leaf->taken);

	iopt_leaf_fill(leaf, slot, area);
	/* The slot is filled before the order names it; see iopt_tree_lookup(). */
	ui_store_release(&leaf->order, iopt_order_insert(leaf->order, pos, slot));
}

/* ---- of the tree ---- */

/* To where an area that starts at iova is, or belongs. */
IOPT_EDIT void iopt_find(struct iopt_tree *tree, uint64_t iova, struct iopt_cursor *cur)
{
	cur->depth = 0;
	if (iopt_ptr_is_leaf(tree->root))
		cur->leaf = iopt_ptr_leaf(tree->root);
	else
		iopt_descend(cur, tree->root, iova);
	cur->pos = iopt_leaf_find(cur->leaf, cur->leaf->order, iova);
}

/* As iopt_tree_seek(), and so on. */
IOPT_EDIT void iopt_edit_seek(struct iopt_tree *tree, uint64_t iova, struct iopt_cursor *cur)
{
	uint64_t order;

	iopt_find(tree, iova, cur);
	order = cur->leaf->order;
	if (cur->pos > 0 && cur->leaf->entry[iopt_order_slot(order, cur->pos - 1)].last >= iova)
		cur->pos--;
	else if (cur->pos == iopt_order_nr(order))
		iopt_next_leaf(cur);
}

IOPT_EDIT bool iopt_edit_vacant(struct iopt_tree *tree, uint64_t start, uint64_t last,
				struct iopt_cursor *cur)
{
	uint64_t order;

	iopt_find(tree, start, cur);
	order = cur->leaf->order;
	if (cur->pos > 0 && cur->leaf->entry[iopt_order_slot(order, cur->pos - 1)].last >= start)
		return false;
	if (cur->pos < iopt_order_nr(order))
		return cur->leaf->start[iopt_order_slot(order, cur->pos)] > last;
	return !cur->depth || iopt_vacant_after(cur, last);
}

IOPT_EDIT int iopt_edit_insert(struct iopt_tree *tree, struct iopt_cursor *cur,
			       const struct iopt_area *area)
{
	unsigned int nr = iopt_order_nr(cur->leaf->order);

	tree->ascending = cur->pos == nr ? tree->ascending + 1 : 0;
	if ((tree->ascending && cur->depth) || nr == IOPT_LEAF_MAX)
		return iopt_insert_between(tree, cur, area);
	iopt_leaf_insert(cur->leaf, cur->pos, area);
	return 0;
}

IOPT_EDIT void iopt_edit_remove(struct iopt_tree *tree, struct iopt_cursor *cur)
{
	struct iopt_leaf *leaf = cur->leaf;
	uint64_t order = leaf->order;

	leaf->taken &= ~(1ull << iopt_order_slot(order, cur->pos));
	ui_store_release(&leaf->order, iopt_order_remove(order, cur->pos));
	tree->ascending = 0;
	if (cur->depth && iopt_order_nr(leaf->order) <= IOPT_LEAF_FEW)
		iopt_shrink(tree, cur);
}

#endif /* UI_IOPT_EDIT_H */

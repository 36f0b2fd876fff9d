// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The tree of areas: what the writer does (node.h has the nodes, and readers).
 *
 * The writer makes a change so that readers see it in one store: a new order of a
 * leaf, one pointer to a new subtree, one bit of valid.  Nodes that this puts out
 * of reach are retired; they keep what they had, for readers that are inside,
 * until iopt_tree_quiesce().
 *
 * Inserting may need memory, and gets all of it before it changes anything.
 * Removing needs none: an empty leaf goes by its bit in the parent, which goes by
 * its own when it has no child left.  When small leaves could be one, removing
 * tries to join them; if there is no memory they stay.
 *
 * Invariants:
 *  - a leaf is empty only if it is the root;
 *  - an inner node has a valid child; the root has two;
 *  - all leaves are equally deep;
 *  - an area ends before the next key of each node on its way from the root.
 */
#include <string.h>

#include "iopt/edit.h"

/* So many nodes wait for the next unmap; then an insert waits for readers. */
#define IOPT_RETIRED_MAX 256
/* After so many inserts at the end of a leaf, with no removal, more will follow. */
#define IOPT_ASCENDING 8
/* Two leaves with so many areas become one, see IOPT_LEAF_FEW. */
#define IOPT_LEAF_JOIN 8

/* The children of an inner node that is being made, with room for one too many. */
struct iopt_children {
	unsigned int nr;
	uint64_t key[IOPT_INNER_MAX + 1];
	uint64_t child[IOPT_INNER_MAX + 1];
};

/* ---- nodes ---- */

/* Zeroed, on a cache line; *memory is for iopt_node.memory. */
static void *iopt_node_alloc(size_t size, void **memory)
{
	*memory = ui_zalloc(size + IOPT_LINE - 16);
	if (!*memory)
		return NULL;
	return (void *)(((uintptr_t)*memory + IOPT_LINE - 1) & ~(uintptr_t)(IOPT_LINE - 1));
}

static struct iopt_leaf *iopt_leaf_alloc(void)
{
	void *memory;
	struct iopt_leaf *leaf = iopt_node_alloc(sizeof(*leaf), &memory);

	if (leaf)
		leaf->node.memory = memory;
	return leaf;
}

static struct iopt_inner *iopt_inner_alloc(const uint64_t *key, const uint64_t *child,
					   unsigned int nr)
{
	void *memory;
	struct iopt_inner *inner = iopt_node_alloc(sizeof(*inner), &memory);

	if (!inner)
		return NULL;
	inner->node.memory = memory;
	inner->valid = nr ? ~0ull >> (64 - nr) : 0;
	memset(inner->key, 0xff, sizeof(inner->key));
	memcpy(inner->key, key, nr * sizeof(*key));
	for (unsigned int i = 1; i < IOPT_BLOCK; i++)
		inner->pivot[i - 1] = inner->key[i * IOPT_BLOCK];
	memcpy(inner->child, child, nr * sizeof(*child));
	return inner;
}

static void iopt_retire(struct iopt_tree *tree, struct iopt_node *node)
{
	node->next = tree->retired;
	tree->retired = node;
	tree->nr_retired++;
}

static unsigned int iopt_inner_count(const struct iopt_inner *inner)
{
	return (unsigned int)__builtin_popcountll(inner->valid);
}

/* The nearest valid child before or after idx, or -1. */
static int iopt_inner_before(const struct iopt_inner *inner, unsigned int idx)
{
	uint64_t left = inner->valid & ((1ull << idx) - 1);

	return left ? 63 - __builtin_clzll(left) : -1;
}

static int iopt_inner_after(const struct iopt_inner *inner, unsigned int idx)
{
	uint64_t left = inner->valid & ~((2ull << idx) - 1);

	return left ? __builtin_ctzll(left) : -1;
}

/* To a leaf that isn't published yet. */
static void iopt_leaf_append(struct iopt_leaf *leaf, const struct iopt_area *area)
{
	unsigned int nr = iopt_order_nr(leaf->order);

	iopt_leaf_fill(leaf, nr, area);
	leaf->order = iopt_order_insert(leaf->order, nr, nr);
}

static void iopt_leaf_append_all(struct iopt_leaf *leaf, const struct iopt_leaf *from)
{
	struct iopt_area area;

	for (unsigned int pos = 0; pos < iopt_order_nr(from->order); pos++) {
		iopt_leaf_area(from, pos, &area);
		iopt_leaf_append(leaf, &area);
	}
}

/* ---- life, readers ---- */

int iopt_tree_init(struct iopt_tree *tree, struct ui_readers *readers)
{
	struct iopt_leaf *leaf = iopt_leaf_alloc();

	if (!leaf)
		return -ENOMEM;
	memset(tree, 0, sizeof(*tree));
	tree->readers = readers;
	tree->root = iopt_leaf_ptr(leaf);
	return 0;
}

static void iopt_free_subtree(uint64_t ptr, unsigned int depth)
{
	struct iopt_inner *inner;

	assert(depth <= IOPT_DEPTH_MAX);
	if (iopt_ptr_is_leaf(ptr)) {
		ui_free(iopt_ptr_leaf(ptr)->node.memory);
		return;
	}
	inner = iopt_ptr_inner(ptr);
	for (uint64_t left = inner->valid; left; left &= left - 1)
		iopt_free_subtree(inner->child[__builtin_ctzll(left)], depth + 1);
	ui_free(inner->node.memory);
}

void iopt_tree_free_retired(struct iopt_tree *tree)
{
	struct iopt_node *node, *next;

	for (node = tree->retired; node; node = next) {
		next = node->next;
		ui_free(node->memory);
	}
	tree->retired = NULL;
	tree->nr_retired = 0;
}

void iopt_tree_destroy(struct iopt_tree *tree)
{
	iopt_free_subtree(tree->root, 0);
	iopt_tree_free_retired(tree);
}

bool iopt_tree_lookup(struct iopt_tree *tree, uint64_t iova, struct iopt_area *area)
{
	uint64_t ptr = ui_load_acquire(&tree->root);
	const struct iopt_leaf *leaf;
	unsigned int nr, slot;
	uint64_t order;

	while (!iopt_ptr_is_leaf(ptr)) {
		struct iopt_inner *inner = iopt_ptr_inner(ptr);
		uint64_t valid = ui_load_acquire(&inner->valid);

		ptr = ui_load_acquire(&inner->child[iopt_inner_find(inner, valid, iova)]);
	}
	leaf = iopt_ptr_leaf(ptr);
	/* Don't wait for the keys before fetching what they lead to. */
	IOPT_UNROLL
	for (unsigned int line = 1; line < sizeof(*leaf) / IOPT_LINE; line++)
		__builtin_prefetch((const char *)leaf + line * IOPT_LINE);

	order = ui_load_acquire(&leaf->order);
	nr = iopt_leaf_find(leaf, order, iova);
	if (!nr)
		return false;
	slot = iopt_order_slot(order, nr - 1);
	area->last = ui_load_relaxed(&leaf->entry[slot].last); /* see iopt_tree_cut() */
	if (area->last < iova)
		return false;
	area->start = ui_load_relaxed(&leaf->start[slot]);
	area->uaddr = leaf->entry[slot].uaddr;
	area->mm_perm = ui_load_acquire(&leaf->entry[slot].mm_perm); /* iopt_tree_set_mm() */
	return true;
}

/* ---- cursors ---- */

void iopt_descend(struct iopt_cursor *cur, uint64_t ptr, uint64_t iova)
{
	while (!iopt_ptr_is_leaf(ptr)) {
		struct iopt_inner *inner = iopt_ptr_inner(ptr);
		unsigned int idx = iopt_inner_find(inner, inner->valid, iova);

		assert(cur->depth < IOPT_DEPTH_MAX);
		cur->at[cur->depth].node = inner;
		cur->at[cur->depth].idx = idx;
		cur->depth++;
		ptr = inner->child[idx];
	}
	cur->leaf = iopt_ptr_leaf(ptr);
}

void iopt_next_leaf(struct iopt_cursor *cur)
{
	unsigned int level = cur->depth;

	while (level > 0) {
		struct iopt_inner *inner = cur->at[level - 1].node;
		int idx = iopt_inner_after(inner, cur->at[level - 1].idx);

		if (idx >= 0) {
			cur->at[level - 1].idx = (unsigned int)idx;
			cur->depth = level;
			cur->pos = 0;
			iopt_descend(cur, inner->child[idx], 0);
			return;
		}
		level--;
	}
	cur->leaf = NULL;
}

bool iopt_vacant_after(const struct iopt_cursor *cur, uint64_t last)
{
	struct iopt_cursor next = *cur;

	iopt_next_leaf(&next);
	return !next.leaf || next.leaf->start[iopt_order_slot(next.leaf->order, 0)] > last;
}

void iopt_tree_seek(struct iopt_tree *tree, uint64_t iova, struct iopt_cursor *cur)
{
	iopt_edit_seek(tree, iova, cur);
}

bool iopt_tree_vacant(struct iopt_tree *tree, uint64_t start, uint64_t last,
		      struct iopt_cursor *cur)
{
	return iopt_edit_vacant(tree, start, last, cur);
}

void iopt_tree_next(struct iopt_cursor *cur)
{
	if (++cur->pos == iopt_order_nr(cur->leaf->order))
		iopt_next_leaf(cur);
}

bool iopt_tree_prev_last(const struct iopt_cursor *cur, uint64_t *last)
{
	const struct iopt_leaf *leaf = cur->leaf;
	unsigned int pos = cur->pos;
	unsigned int level = cur->depth;

	if (!pos) {
		uint64_t ptr;
		int idx = -1;

		while (level > 0 && idx < 0) {
			level--;
			idx = iopt_inner_before(cur->at[level].node, cur->at[level].idx);
		}
		if (idx < 0)
			return false;
		ptr = cur->at[level].node->child[idx];
		while (!iopt_ptr_is_leaf(ptr)) {
			struct iopt_inner *inner = iopt_ptr_inner(ptr);

			ptr = inner->child[63 - __builtin_clzll(inner->valid)];
		}
		leaf = iopt_ptr_leaf(ptr);
		pos = iopt_order_nr(leaf->order);
	}
	*last = leaf->entry[iopt_order_slot(leaf->order, pos - 1)].last;
	return true;
}

void iopt_tree_area(const struct iopt_cursor *cur, struct iopt_area *area)
{
	iopt_leaf_area(cur->leaf, cur->pos, area);
}

/* ---- changing the inner nodes ---- */

/* ptr takes the place of the node that is level steps below the root. */
static void iopt_publish(struct iopt_tree *tree, struct iopt_cursor *cur, unsigned int level,
			 uint64_t ptr)
{
	uint64_t *where = &tree->root;

	if (level)
		where = &cur->at[level - 1].node->child[cur->at[level - 1].idx];
	/* The new node is complete before a reader can find it. */
	ui_store_release(where, ptr);
}

/* The valid children of a node; *idx follows its child. */
static void iopt_gather(const struct iopt_inner *inner, struct iopt_children *list,
			unsigned int *idx)
{
	unsigned int was = *idx;

	list->nr = 0;
	for (uint64_t left = inner->valid; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);

		if (i == was)
			*idx = list->nr;
		list->key[list->nr] = inner->key[i];
		list->child[list->nr] = inner->child[i];
		list->nr++;
	}
}

/*
 * An area that ends at last goes to the end of the cursor's leaf.  Does the range
 * of a leaf to the right begin before that?  Its first area can't: so its key may
 * be raised.  *moved: it was, and the cursor is invalid.
 */
static int iopt_raise_key(struct iopt_tree *tree, struct iopt_cursor *cur, uint64_t last,
			  bool *moved)
{
	struct iopt_children list;
	struct iopt_inner *inner;
	unsigned int level, at;
	int idx = -1;

	*moved = false;
	for (level = cur->depth; level > 0 && idx < 0; level--)
		idx = iopt_inner_after(cur->at[level - 1].node, cur->at[level - 1].idx);
	if (idx < 0 || cur->at[level].node->key[idx] > last)
		return 0;

	at = (unsigned int)idx;
	iopt_gather(cur->at[level].node, &list, &at);
	list.key[at] = last + 1;
	inner = iopt_inner_alloc(list.key, list.child, list.nr);
	if (!inner)
		return -ENOMEM;
	iopt_publish(tree, cur, level, iopt_inner_ptr(inner));
	iopt_retire(tree, &cur->at[level].node->node);
	*moved = true;
	return 0;
}

/*
 * The cursor's leaf becomes two, left and right, which starts at key.  Nodes on the
 * way up are made anew, and split in turn if they are full.  Either all of it is
 * published, or nothing: -ENOMEM.
 */
static int iopt_split_up(struct iopt_tree *tree, struct iopt_cursor *cur, uint64_t left,
			 uint64_t right, uint64_t key)
{
	struct iopt_inner *made[2 * IOPT_DEPTH_MAX + 1];
	unsigned int nr_made = 0, level = cur->depth;
	struct iopt_children list;

	for (;;) {
		unsigned int idx, cut;

		list = (struct iopt_children){.nr = 2, .child = {left, right}, .key = {0, key}};
		if (level > 0) {
			idx = cur->at[level - 1].idx;
			iopt_gather(cur->at[level - 1].node, &list, &idx);
			memmove(&list.key[idx + 2], &list.key[idx + 1],
				(list.nr - idx - 1) * sizeof(list.key[0]));
			memmove(&list.child[idx + 2], &list.child[idx + 1],
				(list.nr - idx - 1) * sizeof(list.child[0]));
			list.child[idx] = left;
			list.child[idx + 1] = right;
			list.key[idx + 1] = key;
			list.nr++;
		}

		cut = list.nr;
		if (cut > IOPT_INNER_MAX) /* in order of IOVA, nodes are left full */
			cut = list.child[cut - 1] == right ? IOPT_INNER_MAX : cut / 2;
		made[nr_made] = iopt_inner_alloc(list.key, list.child, cut);
		if (!made[nr_made++])
			goto out_free;
		left = iopt_inner_ptr(made[nr_made - 1]);
		if (cut == list.nr)
			break;
		made[nr_made] = iopt_inner_alloc(list.key + cut, list.child + cut, list.nr - cut);
		if (!made[nr_made++])
			goto out_free;
		right = iopt_inner_ptr(made[nr_made - 1]);
		key = list.key[cut];
		level--;
	}

	/* At the root there was no node before. */
	iopt_publish(tree, cur, level ? level - 1 : 0, left);
	for (unsigned int i = level ? level - 1 : 0; i < cur->depth; i++)
		iopt_retire(tree, &cur->at[i].node->node);
	return 0;

out_free:
	while (nr_made--)
		if (made[nr_made])
			ui_free(made[nr_made]->node.memory);
	return -ENOMEM;
}

/* ---- inserting ---- */

static int iopt_insert_split(struct iopt_tree *tree, struct iopt_cursor *cur,
			     const struct iopt_area *area)
{
	struct iopt_leaf *old = cur->leaf, *left = iopt_leaf_alloc(), *right = NULL;
	unsigned int nr = iopt_order_nr(old->order);
	struct iopt_area other;
	int rc;

	if (!left)
		return -ENOMEM;
	if (cur->pos == nr && tree->ascending >= IOPT_ASCENDING) {
		/* The full leaf stays as it is, and the new one will be filled as well. */
		iopt_leaf_append(left, area);
		rc = iopt_split_up(tree, cur, iopt_leaf_ptr(old), iopt_leaf_ptr(left), area->start);
		goto out;
	}

	right = iopt_leaf_alloc();
	rc = -ENOMEM;
	if (!right)
		goto out;
	for (unsigned int pos = 0; pos <= nr; pos++) {
		struct iopt_leaf *to = pos <= nr / 2 ? left : right;

		if (pos == cur->pos)
			other = *area;
		else
			iopt_leaf_area(old, pos - (pos > cur->pos), &other);
		iopt_leaf_append(to, &other);
	}
	iopt_leaf_area(right, 0, &other);
	rc = iopt_split_up(tree, cur, iopt_leaf_ptr(left), iopt_leaf_ptr(right), other.start);
	if (!rc)
		iopt_retire(tree, &old->node);
out:
	if (rc) {
		ui_free(left->node.memory);
		if (right)
			ui_free(right->node.memory);
	}
	return rc;
}

int iopt_insert_between(struct iopt_tree *tree, struct iopt_cursor *cur,
			const struct iopt_area *area)
{
	bool moved;
	int rc = 0;

	if (tree->ascending && cur->depth) {
		rc = iopt_raise_key(tree, cur, area->last, &moved);
		if (rc)
			return rc;
		if (moved)
			iopt_find(tree, area->start, cur);
	}
	if (iopt_order_nr(cur->leaf->order) == IOPT_LEAF_MAX)
		rc = iopt_insert_split(tree, cur, area);
	else
		iopt_leaf_insert(cur->leaf, cur->pos, area);
	if (tree->nr_retired >= IOPT_RETIRED_MAX)
		iopt_tree_quiesce(tree);
	return rc;
}

int iopt_tree_insert(struct iopt_tree *tree, struct iopt_cursor *cur, const struct iopt_area *area)
{
	return iopt_edit_insert(tree, cur, area);
}

/*
 * Whoever finds the right part by its key doesn't look at the left one, and whoever
 * doesn't find it yet may need what the left one still has: so that is cut when no
 * reader is left who came before the right part was there.
 */
int iopt_tree_cut(struct iopt_tree *tree, uint64_t start, const struct iopt_area *right)
{
	struct iopt_cursor cur;
	unsigned int slot;
	int rc;

	iopt_find(tree, right->start, &cur);
	rc = iopt_tree_insert(tree, &cur, right);
	if (rc)
		return rc;
	iopt_tree_quiesce(tree);
	iopt_find(tree, start, &cur);
	slot = iopt_order_slot(cur.leaf->order, cur.pos - 1);
	ui_store_relaxed(&cur.leaf->entry[slot].last, right->start - 1);
	return 0;
}

void iopt_tree_set_mm(const struct iopt_cursor *cur, uint64_t mm_perm)
{
	unsigned int slot = iopt_order_slot(cur->leaf->order, cur->pos);

	/* The mm is complete before a reader finds it. */
	ui_store_release(&cur->leaf->entry[slot].mm_perm, mm_perm);
}

/* ---- removing ---- */

/* A root with one child is a step too many. */
static void iopt_lower_root(struct iopt_tree *tree)
{
	while (!iopt_ptr_is_leaf(tree->root)) {
		struct iopt_inner *inner = iopt_ptr_inner(tree->root);

		if (iopt_inner_count(inner) > 1)
			return;
		ui_store_release(&tree->root, inner->child[__builtin_ctzll(inner->valid)]);
		iopt_retire(tree, &inner->node);
	}
}

static void iopt_clear_valid(struct iopt_inner *inner, unsigned int idx)
{
	ui_store_release(&inner->valid, inner->valid & ~(1ull << idx));
}

/* The cursor's leaf is empty, and goes with all that only led to it. */
static void iopt_prune(struct iopt_tree *tree, struct iopt_cursor *cur)
{
	unsigned int level = cur->depth;

	/* Ends below the root, which has two children. */
	while (iopt_inner_count(cur->at[level - 1].node) == 1)
		level--;
	assert(level);
	for (unsigned int i = level; i < cur->depth; i++)
		iopt_retire(tree, &cur->at[i].node->node);
	iopt_clear_valid(cur->at[level - 1].node, cur->at[level - 1].idx);
	iopt_retire(tree, &cur->leaf->node);
	iopt_lower_root(tree);
}

static bool iopt_join(struct iopt_tree *tree, struct iopt_inner *inner, int left, int right)
{
	struct iopt_leaf *a, *b, *leaf;

	if (left < 0 || right < 0)
		return false;
	a = iopt_ptr_leaf(inner->child[left]);
	b = iopt_ptr_leaf(inner->child[right]);
	if (iopt_order_nr(a->order) + iopt_order_nr(b->order) > IOPT_LEAF_JOIN)
		return false;
	leaf = iopt_leaf_alloc();
	if (!leaf)
		return false;
	iopt_leaf_append_all(leaf, a);
	iopt_leaf_append_all(leaf, b);
	/* In between, what is in b is found both ways. */
	ui_store_release(&inner->child[left], iopt_leaf_ptr(leaf));
	iopt_clear_valid(inner, (unsigned int)right);
	iopt_retire(tree, &a->node);
	iopt_retire(tree, &b->node);
	iopt_lower_root(tree);
	return true;
}

void iopt_shrink(struct iopt_tree *tree, struct iopt_cursor *cur)
{
	struct iopt_inner *inner = cur->at[cur->depth - 1].node;
	int idx = (int)cur->at[cur->depth - 1].idx;

	if (!iopt_order_nr(cur->leaf->order))
		iopt_prune(tree, cur);
	else if (!iopt_join(tree, inner, idx, iopt_inner_after(inner, (unsigned int)idx)))
		iopt_join(tree, inner, iopt_inner_before(inner, (unsigned int)idx), idx);
}

void iopt_tree_remove(struct iopt_tree *tree, struct iopt_cursor *cur)
{
	iopt_edit_remove(tree, cur);
}

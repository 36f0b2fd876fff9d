// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Dirty bits.
 *
 * A node has 64 slots: words of bits at the bottom, numbers of nodes above; and a
 * summary, with a bit for each slot below which something may be dirty.  Nodes
 * are added by whoever first needs one, and stay until the end.
 *
 * Marking goes up, clearing goes down, so that they can meet:
 *
 *	mark				clear (one at a time: iopt->lock)
 *	set the bit (A)			clear the summary's bit (C)
 *	test the summary's, set it (B)	take the bits (D)
 *
 * All are sequentially consistent: if (B) found the summary's bit set then it
 * comes before (C), and (D) sees what (A) did.  Otherwise (B) sets it again, at
 * worst for nothing.  The same holds from level to level.
 */
#include "iopt/dirty.h"

#include <sys/mman.h>

#include "base/sys.h"
#include "iopt/object.h"
#include "mm/mm.h"

#define SLOT_BITS 6
#define WORD_BITS 6
#define MAX_LEVELS 10 /* (64 - 2 * 6) / 6, and one */

struct dirty_node {
	uint64_t summary;
	uint64_t slots[1 << SLOT_BITS];
};

/* 500,000 nodes.  Alone in its 16 MiB each page takes one: enough for 8 TiB of them. */
#define POOL_SIZE (256ul << 20)
#define POOL_NODES (POOL_SIZE / sizeof(struct dirty_node))

/* ---- nodes ---- */

void iopt_dirty_init(struct iopt_dirty *dirty, unsigned int shift, uint64_t last_iova)
{
	uint64_t last = last_iova >> shift >> WORD_BITS >> SLOT_BITS;

	*dirty = (struct iopt_dirty){.shift = shift};
	for (; last; last >>= SLOT_BITS)
		dirty->levels++;
}

void iopt_dirty_destroy(struct iopt_dirty *dirty)
{
	if (dirty->nodes)
		ui_syscall3(SYS_munmap, (long)dirty->nodes, POOL_SIZE, 0);
	dirty->nodes = NULL;
}

static int pool_alloc(struct iopt_dirty *dirty)
{
	long addr;

	if (dirty->nodes)
		return 0;
	addr = ui_syscall6(SYS_mmap, 0, POOL_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (addr < 0 && addr >= -4095)
		return -ENOMEM;
	dirty->nr_nodes = 1;
	ui_store_release(&dirty->nodes, (struct dirty_node *)addr);
	return 0;
}

/* The node that @slot names; makes it.  NULL: there are too many. */
static struct dirty_node *node_below(struct iopt_dirty *dirty, uint64_t *slot)
{
	uint64_t number = ui_load_acquire(slot), old = 0;

	if (!number) {
		/* Also counts on when there are none left, but not so far that it wraps. */
		if (ui_load_relaxed(&dirty->nr_nodes) < POOL_NODES)
			number = ui_fetch_add(&dirty->nr_nodes, 1);
		if (!number || number >= POOL_NODES)
			return NULL;
		/* Another may have been faster: then ours stays unused. */
		if (!ui_cmpxchg(slot, &old, number))
			number = old;
	}
	return &dirty->nodes[number];
}

/* ---- marking ---- */

static void set_bits(uint64_t *word, uint64_t bits)
{
	uint64_t old = ui_load_seq_cst(word);

	/* Most writes are to what is dirty already. */
	while ((~old & bits) && !ui_cmpxchg(word, &old, old | bits))
		;
}

/* What they were. */
static uint64_t clear_bits(uint64_t *word, uint64_t bits)
{
	uint64_t old = ui_load_seq_cst(word);

	while (!ui_cmpxchg(word, &old, old & ~bits))
		;
	return old & bits;
}

/* Of the word number @word of all bits. */
static void mark_word(struct iopt_dirty *dirty, uint64_t word, uint64_t bits)
{
	struct dirty_node *path[MAX_LEVELS];
	struct dirty_node *node = dirty->nodes;
	const unsigned int top = dirty->levels;
	unsigned int level = top;

	for (;;) {
		uint64_t pos = word >> level * SLOT_BITS & ((1 << SLOT_BITS) - 1);

		path[level] = node;
		if (!level)
			break;
		node = node_below(dirty, &node->slots[pos]);
		if (!node) {
			ui_store_release(&dirty->lost, 1);
			return;
		}
		level--;
	}
	set_bits(&path[0]->slots[word & ((1 << SLOT_BITS) - 1)], bits);
	for (; level <= top; level++)
		set_bits(&path[level]->summary,
			 1ull << (word >> level * SLOT_BITS & ((1 << SLOT_BITS) - 1)));
}

/* The bits of word number @word that are in [first, last]. */
static uint64_t bits_within(uint64_t word, uint64_t first, uint64_t last)
{
	uint64_t bits = ~0ull;

	if (first > word << WORD_BITS)
		bits &= ~0ull << (first & 63);
	if (last < (word << WORD_BITS | 63))
		bits &= ~0ull >> (63 - (last & 63));
	return bits;
}

void iopt_dirty_mark(struct iopt_dirty *dirty, uint64_t iova, uint64_t length)
{
	uint64_t first = iova >> dirty->shift;
	uint64_t last = (iova + length - 1) >> dirty->shift;

	if (!iopt_dirty_enabled(dirty) || !ui_load_acquire(&dirty->nodes))
		return;
	for (uint64_t word = first >> WORD_BITS; word <= last >> WORD_BITS; word++)
		mark_word(dirty, word, bits_within(word, first, last));
}

/* ---- reading and clearing ---- */

/* Granules; fn may be NULL. */
struct dirty_walk {
	struct iopt_dirty *dirty;
	uint64_t first;
	uint64_t last;
	bool clear;
	void (*fn)(void *opaque, uint64_t iova, uint64_t length);
	void *opaque;
};

static void report(const struct dirty_walk *walk, uint64_t word, uint64_t bits)
{
	const unsigned int shift = walk->dirty->shift;

	while (bits && walk->fn) {
		unsigned int pos = (unsigned int)__builtin_ctzll(bits);
		uint64_t run = bits >> pos;
		unsigned int count = ~run ? (unsigned int)__builtin_ctzll(~run) : 64;

		walk->fn(walk->opaque, (word << WORD_BITS | pos) << shift,
			 (uint64_t)count << shift);
		bits = pos + count < 64 ? bits & ~0ull << (pos + count) : 0;
	}
}

static void walk_word(const struct dirty_walk *walk, struct dirty_node *node, unsigned int pos,
		      uint64_t word)
{
	uint64_t wanted = bits_within(word, walk->first, walk->last);
	uint64_t bits;

	if (walk->clear) {
		clear_bits(&node->summary, 1ull << pos);
		bits = clear_bits(&node->slots[pos], wanted);
		if (ui_load_seq_cst(&node->slots[pos]))
			set_bits(&node->summary, 1ull << pos);
	} else {
		bits = ui_load_seq_cst(&node->slots[pos]) & wanted;
	}
	report(walk, word, bits);
}

/* What is below @node, whose first word of bits is number @base. */
static void walk_node(const struct dirty_walk *walk, struct dirty_node *node, unsigned int level,
		      uint64_t base)
{
	uint64_t todo = ui_load_seq_cst(&node->summary);

	for (; todo; todo &= todo - 1) {
		unsigned int pos = (unsigned int)__builtin_ctzll(todo);
		uint64_t low = base + ((uint64_t)pos << level * SLOT_BITS);
		uint64_t high = low + (1ull << level * SLOT_BITS) - 1;
		struct dirty_node *below;

		if (high < walk->first >> WORD_BITS)
			continue;
		if (low > walk->last >> WORD_BITS)
			break;
		if (!level) {
			walk_word(walk, node, pos, low);
			continue;
		}
		below = &walk->dirty->nodes[ui_load_acquire(&node->slots[pos])];
		if (walk->clear)
			clear_bits(&node->summary, 1ull << pos);
		walk_node(walk, below, level - 1, low);
		if (walk->clear && ui_load_seq_cst(&below->summary))
			set_bits(&node->summary, 1ull << pos);
	}
}

static void dirty_walk(struct iopt_dirty *dirty, uint64_t start, uint64_t last, bool clear,
		       void (*fn)(void *opaque, uint64_t iova, uint64_t length), void *opaque)
{
	const struct dirty_walk walk = {
		.dirty = dirty,
		.first = start >> dirty->shift,
		.last = last >> dirty->shift,
		.clear = clear,
		.fn = fn,
		.opaque = opaque,
	};

	if (ui_load_acquire(&dirty->nodes))
		walk_node(&walk, dirty->nodes, dirty->levels, 0);
}

/* ---- with an address space ---- */

void iopt_watch_dirty(struct iopt *iopt, const void *owner, struct iopt_dirty *dirty)
{
	ui_mutex_lock(&iopt->lock);
	for (size_t i = 0; i < iopt->nr_domains; i++) {
		if (iopt->domains[i].owner != owner)
			continue;
		iopt->nr_dirty += !iopt->domains[i].dirty;
		iopt->domains[i].dirty = dirty;
	}
	ui_mutex_unlock(&iopt->lock);
}

void iopt_dirty_forget_locked(struct iopt *iopt, uint64_t start, uint64_t last)
{
	ui_mutex_assert_held(&iopt->lock);
	for (size_t i = 0; i < iopt->nr_domains; i++)
		if (iopt->domains[i].dirty)
			dirty_walk(iopt->domains[i].dirty, start, last, true, NULL, NULL);
}

int iopt_dirty_enable(struct iopt *iopt, struct iopt_dirty *dirty, bool enable)
{
	int rc = 0;

	ui_mutex_lock(&iopt->lock);
	if (enable) {
		rc = pool_alloc(dirty);
		if (!rc) {
			ui_store_relaxed(&dirty->lost, 0);
			dirty_walk(dirty, 0, UINT64_MAX, true, NULL, NULL);
		}
	}
	if (!rc)
		ui_store_release(&dirty->enabled, enable);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

int iopt_dirty_check(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t page_size)
{
	uint64_t last, alignment;
	int rc = iopt_range_last(iova, length, &last);

	if (rc)
		return rc;
	ui_mutex_lock(&iopt->lock);
	alignment = iopt->alignment;
	ui_mutex_unlock(&iopt->lock);
	if ((iova | (last + 1)) & (alignment - 1))
		return -EINVAL;
	if (!page_size || (iova | (last + 1)) & (page_size - 1))
		return -EINVAL;
	return 0;
}

/*
 * Where the areas that begin at @iova, one after the other, end; up to @last, and to where
 * a dma-buf that was taken back (@gone) begins or ends.
 */
static bool contiguous_last(struct iopt *iopt, uint64_t iova, uint64_t *last, bool *gone)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	uint64_t next = iova;

	iopt_tree_seek(&iopt->tree, iova, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		bool revoked;

		iopt_tree_area(&cur, &area);
		revoked = mm_is_revoked(iopt_area_mm(&area));
		if (area.start > next || (next != iova && revoked != *gone))
			break;
		*gone = revoked;
		if (area.last >= *last)
			return true;
		next = area.last + 1;
	}
	*last = next - 1;
	return next != iova;
}

void iopt_dirty_read(struct iopt *iopt, struct iopt_dirty *dirty, uint64_t iova, uint64_t last,
		     bool clear, void (*fn)(void *opaque, uint64_t iova, uint64_t length),
		     void *opaque)
{
	uint64_t end = last;
	bool gone;

	ui_mutex_lock(&iopt->lock);
	for (; contiguous_last(iopt, iova, &end, &gone); iova = end + 1, end = last) {
		/* What was taken back lost its bits with its pages. */
		if (!gone && ui_load_acquire(&dirty->lost))
			fn(opaque, iova, end - iova + 1);
		if (!gone)
			dirty_walk(dirty, iova, end, clear, fn, opaque);
		if (end == last)
			break;
	}
	ui_mutex_unlock(&iopt->lock);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where a map goes that doesn't say: the lowest hole that has room.
 *
 * The place is aligned as the memory is, up to a huge page and to the size of the
 * map, and keeps the offset in the page.  A hole is what lies between two obstacles,
 * areas or reserved ranges, within the ranges that may be allocated.
 *
 * To look at every hole each time would cost more with every map.  So for each size
 * (by its power of two) a hint remembers where the last search ended.  Only freeing
 * something below a hint can make it wrong, and then it goes down to the beginning of
 * the hole that this makes.
 */
#include <string.h>

#include "iopt/object.h"

#define IOPT_HUGE_PAGE (2ull << 20)

static uint64_t iopt_alloc_alignment(uint64_t uaddr, uint64_t length)
{
	uint64_t alignment = length > 1 ? 1ull << (64 - __builtin_clzll(length - 1)) : 1;

	if (uaddr && (uaddr & -uaddr) < alignment)
		alignment = uaddr & -uaddr;
	return alignment < IOPT_HUGE_PAGE ? alignment : IOPT_HUGE_PAGE;
}

static struct iopt_hint *iopt_hint(struct iopt *iopt, uint64_t length)
{
	return &iopt->hints[(63 - (unsigned int)__builtin_clzll(length)) % IOPT_HINTS];
}

/*
 * The first area or reserved range that ends at or after pos; false: there is none.
 * The cursor is not beyond pos, and moves on.
 */
static bool iopt_next_obstacle(const struct iopt *iopt, struct iopt_cursor *cur, uint64_t pos,
			       struct iopt_range *obstacle)
{
	const struct iopt_reserved *res = iopt_reserved_from(iopt, pos);
	struct iopt_area area;
	bool found = false;

	while (!iopt_tree_end(cur)) {
		iopt_tree_area(cur, &area);
		if (area.last >= pos) {
			*obstacle = (struct iopt_range){.start = area.start, .last = area.last};
			found = true;
			break;
		}
		iopt_tree_next(cur);
	}
	if (res && (!found || res->start < obstacle->start)) {
		*obstacle = (struct iopt_range){.start = res->start, .last = res->last};
		found = true;
	}
	return found;
}

/* Does [first, last] hold it?  *iova: where. */
static bool iopt_hole_fits(uint64_t first, uint64_t last, uint64_t length, uint64_t alignment,
			   uint64_t offset, uint64_t *iova)
{
	uint64_t at;

	if (__builtin_add_overflow(first, alignment - 1, &at))
		return false;
	at = (at & ~(alignment - 1)) | offset;
	/* As in Linux, a hole of a single byte is none. */
	if (at >= last || last - at < length - 1)
		return false;
	*iova = at;
	return true;
}

static int iopt_alloc_within(struct iopt *iopt, uint64_t pos, uint64_t last, uint64_t length,
			     uint64_t alignment, uint64_t offset, uint64_t *iova)
{
	struct iopt_range obstacle;
	struct iopt_cursor cur;

	iopt_tree_seek(&iopt->tree, pos, &cur);
	while (pos <= last) {
		uint64_t hole_last = last;
		bool found = iopt_next_obstacle(iopt, &cur, pos, &obstacle);

		if (found && obstacle.start <= last)
			hole_last = obstacle.start - 1; /* unless it begins before pos */
		if ((!found || obstacle.start > pos) &&
		    iopt_hole_fits(pos, hole_last, length, alignment, offset, iova))
			return 0;
		if (!found || obstacle.last >= last)
			break;
		pos = obstacle.last + 1;
	}
	return -ENOSPC;
}

/* The same in the allowed ranges; what two of them cover without a gap is one. */
static int iopt_alloc_allowed(struct iopt *iopt, uint64_t pos, uint64_t length, uint64_t alignment,
			      uint64_t offset, uint64_t *iova)
{
	const struct iopt_range *allowed = iopt->allowed;
	size_t next;

	for (size_t i = 0; i < iopt->nr_allowed; i = next) {
		uint64_t first = allowed[i].start, last = allowed[i].last;

		next = i + 1;
		while (next < iopt->nr_allowed && allowed[next].start == last + 1)
			last = allowed[next++].last;
		if (first < IOPT_PAGE)
			first = IOPT_PAGE;
		if (last > UINT64_MAX - IOPT_PAGE)
			last = UINT64_MAX - IOPT_PAGE;
		if (last < first || !iopt_hole_fits(first, last, length, alignment, offset, &first))
			continue;
		if (first < pos)
			first = pos;
		if (first <= last &&
		    !iopt_alloc_within(iopt, first, last, length, alignment, offset, iova))
			return 0;
	}
	return -ENOSPC;
}

int iopt_alloc_iova(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t *iova)
{
	uint64_t offset = uaddr % IOPT_PAGE;
	uint64_t last = UINT64_MAX - IOPT_PAGE, pos = IOPT_PAGE;
	const struct iopt_hint *hint;
	uint64_t alignment;

	if (!length || length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	alignment = iopt_alloc_alignment(uaddr, length);
	if (alignment < iopt->alignment)
		return -EINVAL;

	hint = iopt_hint(iopt, length);
	if (!offset && hint->length && hint->length <= length && hint->alignment <= alignment &&
	    hint->pos > pos)
		pos = hint->pos;
	if (iopt->nr_allowed)
		return iopt_alloc_allowed(iopt, pos, length, alignment, offset, iova);
	/* As an allowed range's, the first byte is aligned before holes are looked for. */
	if (pos == IOPT_PAGE && !iopt_hole_fits(pos, last, length, alignment, offset, &pos))
		return -ENOSPC;
	return iopt_alloc_within(iopt, pos, last, length, alignment, offset, iova);
}

void iopt_alloc_done(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t iova)
{
	if (uaddr % IOPT_PAGE)
		return;
	*iopt_hint(iopt, length) = (struct iopt_hint){
		.length = length,
		.alignment = iopt_alloc_alignment(uaddr, length),
		.pos = iova + length,
	};
	if (iopt->hint_top < iova + length)
		iopt->hint_top = iova + length;
}

void iopt_alloc_lower(struct iopt *iopt, const struct iopt_cursor *cur,
		      const struct iopt_area *area)
{
	uint64_t start = 0;
	bool known = false;

	iopt->hint_top = area->start;
	for (unsigned int i = 0; i < IOPT_HINTS; i++) {
		if (iopt->hints[i].pos <= area->start)
			continue;
		if (!known && iopt_tree_prev_last(cur, &start))
			start++;
		known = true;
		iopt->hints[i].pos = start;
	}
}

void iopt_alloc_forget(struct iopt *iopt)
{
	memset(iopt->hints, 0, sizeof(iopt->hints));
	iopt->hint_top = 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reserved and allowed ranges.  Reserved: few, so an array in order of start, searched from its beginning.
 * Owners come and go as a whole, and their ranges may overlap those of others.
 * Taking an owner's away needs no memory.
 */
#include <string.h>

#include "iopt/object.h"

int iopt_array_grow(void *array, size_t size, size_t nr, size_t *max)
{
	size_t want = *max ? *max * 2 : 4;
	void *old, *new;

	if (nr < *max)
		return 0;
	new = ui_zalloc(want * size);
	if (!new)
		return -ENOMEM;
	memcpy(&old, array, sizeof(old));
	if (nr)
		memcpy(new, old, nr * size);
	ui_free(old);
	memcpy(array, &new, sizeof(new));
	*max = want;
	return 0;
}

static bool iopt_overlaps_allowed(const struct iopt *iopt, uint64_t start, uint64_t last)
{
	size_t lo = 0, hi = iopt->nr_allowed;

	/* The first that ends at or after start. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (iopt->allowed[mid].last < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < iopt->nr_allowed && iopt->allowed[lo].start <= last;
}

int iopt_reserve_locked(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner)
{
	struct iopt_cursor cur;
	size_t at = 0;
	int rc;

	if (!iopt_tree_vacant(&iopt->tree, start, last, &cur) ||
	    iopt_overlaps_allowed(iopt, start, last))
		return -EADDRINUSE;
	rc = iopt_array_grow(&iopt->reserved, sizeof(*iopt->reserved), iopt->nr_reserved,
			     &iopt->max_reserved);
	if (rc)
		return rc;
	while (at < iopt->nr_reserved && iopt->reserved[at].start <= start)
		at++;
	memmove(&iopt->reserved[at + 1], &iopt->reserved[at],
		(iopt->nr_reserved - at) * sizeof(*iopt->reserved));
	iopt->reserved[at] = (struct iopt_reserved){.start = start, .last = last, .owner = owner};
	iopt->nr_reserved++;
	return 0;
}

void iopt_unreserve_locked(struct iopt *iopt, const void *owner)
{
	size_t to = 0;

	for (size_t i = 0; i < iopt->nr_reserved; i++) {
		if (iopt->reserved[i].owner != owner)
			iopt->reserved[to++] = iopt->reserved[i];
	}
	iopt->nr_reserved = to;
	iopt_alloc_forget(iopt);
}

int iopt_reserve(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner)
{
	int rc;

	if (start > last)
		return -EINVAL;
	ui_mutex_lock(&iopt->lock);
	rc = iopt_reserve_locked(iopt, start, last, owner);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_unreserve(struct iopt *iopt, const void *owner)
{
	ui_mutex_lock(&iopt->lock);
	iopt_unreserve_locked(iopt, owner);
	ui_mutex_unlock(&iopt->lock);
}

int iopt_set_allowed(struct iopt *iopt, struct iopt_range *ranges, size_t nr)
{
	const struct iopt_reserved *res;
	struct iopt_range *old = NULL;
	int rc = 0;

	ui_mutex_lock(&iopt->lock);
	for (size_t i = 0; i < nr && !rc; i++) {
		res = iopt_reserved_from(iopt, ranges[i].start);
		if (res && res->start <= ranges[i].last)
			rc = -EADDRINUSE;
	}
	if (!rc) {
		old = iopt->allowed;
		iopt->allowed = ranges;
		iopt->nr_allowed = nr;
		iopt_alloc_forget(iopt);
	}
	ui_mutex_unlock(&iopt->lock);
	ui_free(old);
	return rc;
}

size_t iopt_ranges(struct iopt *iopt, struct iopt_range *ranges, size_t max, uint64_t *alignment)
{
	const struct iopt_reserved *res;
	uint64_t pos = 0;
	bool more = true;
	size_t nr = 0;

	ui_mutex_lock(&iopt->lock);
	*alignment = iopt->alignment;
	while (more) {
		uint64_t last = UINT64_MAX;

		res = iopt_reserved_from(iopt, pos);
		if (!res || res->start > pos) {
			if (res)
				last = res->start - 1;
			if (nr < max)
				ranges[nr] = (struct iopt_range){.start = pos, .last = last};
			nr++;
		}
		more = res && res->last != UINT64_MAX;
		if (more)
			pos = res->last + 1;
	}
	ui_mutex_unlock(&iopt->lock);
	return nr;
}

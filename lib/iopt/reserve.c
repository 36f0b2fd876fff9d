// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reserved ranges: few, so an array in order of start, searched from its beginning.
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

const struct iopt_reserved *iopt_reserved_from(const struct iopt *iopt, uint64_t pos)
{
	for (size_t i = 0; i < iopt->nr_reserved; i++) {
		if (iopt->reserved[i].last >= pos)
			return &iopt->reserved[i];
	}
	return NULL;
}

int iopt_reserve_locked(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner)
{
	struct iopt_cursor cur;
	size_t at = 0;
	int rc;

	if (!iopt_tree_vacant(&iopt->tree, start, last, &cur))
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

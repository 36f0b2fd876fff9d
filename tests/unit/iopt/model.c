// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "model.h"

#define PAGE 4096ull

uint64_t model_alignment(const struct model *m)
{
	uint64_t alignment = 1;

	for (size_t i = 0; i < m->nr_domains; i++) {
		if (m->domain[i].alignment > alignment)
			alignment = m->domain[i].alignment;
	}
	return alignment;
}

const struct model_area *model_find(const struct model *m, uint64_t iova)
{
	for (size_t i = 0; i < m->nr; i++) {
		if (m->area[i].start <= iova && iova <= m->area[i].last)
			return &m->area[i];
	}
	return NULL;
}

static bool model_overlaps_area(const struct model *m, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < m->nr; i++) {
		if (m->area[i].start <= last && start <= m->area[i].last)
			return true;
	}
	return false;
}

static bool model_overlaps_reserved(const struct model *m, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < m->nr_reserved; i++) {
		if (m->reserved[i].start <= last && start <= m->reserved[i].last)
			return true;
	}
	return false;
}

/* What holds pos; *last: its end.  Otherwise *last: the end of the hole. */
static bool model_used(const struct model *m, uint64_t pos, uint64_t *last)
{
	*last = UINT64_MAX - PAGE;
	for (size_t i = 0; i < m->nr; i++) {
		if (m->area[i].start <= pos && pos <= m->area[i].last) {
			*last = m->area[i].last;
			return true;
		}
		if (m->area[i].start > pos && m->area[i].start - 1 < *last)
			*last = m->area[i].start - 1;
	}
	for (size_t i = 0; i < m->nr_reserved; i++) {
		if (m->reserved[i].start <= pos && pos <= m->reserved[i].last) {
			*last = m->reserved[i].last;
			return true;
		}
		if (m->reserved[i].start > pos && m->reserved[i].start - 1 < *last)
			*last = m->reserved[i].start - 1;
	}
	return false;
}

static int model_alloc(const struct model *m, uint64_t uaddr, uint64_t length, uint64_t *iova)
{
	uint64_t alignment = 1, pos = PAGE, last;

	if (length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	while (alignment < length)
		alignment *= 2;
	while (uaddr && uaddr % alignment)
		alignment /= 2;
	if (alignment > 2 << 20)
		alignment = 2 << 20;
	if (alignment < model_alignment(m))
		return -EINVAL;
	while (pos <= UINT64_MAX - PAGE) {
		if (!model_used(m, pos, &last)) {
			unsigned __int128 at = pos;

			at = (at + alignment - 1) / alignment * alignment;
			at |= uaddr % PAGE;
			if (at < last && at + length - 1 <= last) {
				*iova = (uint64_t)at;
				return 0;
			}
		}
		if (last >= UINT64_MAX - PAGE)
			break;
		pos = last + 1;
	}
	return -ENOSPC;
}

int model_map(struct model *m, uint64_t uaddr, uint64_t length, uint32_t perm, bool fixed,
	      uint64_t *iova)
{
	uint64_t alignment = model_alignment(m);
	uint64_t start = *iova;
	size_t at = 0;
	int rc;

	if (!length || length % alignment)
		return -EINVAL;
	if (fixed) {
		if (start % alignment)
			return -EINVAL;
		if (length - 1 > UINT64_MAX - start)
			return -EOVERFLOW;
		if (model_overlaps_reserved(m, start, start + length - 1))
			return -EINVAL;
		if (model_overlaps_area(m, start, start + length - 1))
			return -EEXIST;
	} else {
		rc = model_alloc(m, uaddr, length, &start);
		if (rc)
			return rc;
	}
	if (uaddr % PAGE % alignment)
		return -EINVAL;
	while (at < m->nr && m->area[at].start < start)
		at++;
	memmove(&m->area[at + 1], &m->area[at], (m->nr - at) * sizeof(m->area[0]));
	m->area[at] = (struct model_area){start, start + length - 1, uaddr, perm};
	m->nr++;
	*iova = start;
	return 0;
}

int model_unmap(struct model *m, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t last = iova + length - 1;
	size_t i = 0;

	*unmapped = 0;
	if (!length)
		return -EINVAL;
	if (last < iova)
		return -EOVERFLOW;
	while (i < m->nr) {
		struct model_area *area = &m->area[i];

		if (area->last < iova || area->start > last) {
			i++;
			continue;
		}
		if (area->start < iova || area->last > last)
			return -ENOENT;
		*unmapped += area->last - area->start + 1;
		memmove(area, area + 1, (--m->nr - i) * sizeof(*area));
	}
	return 0;
}

int model_reserve(struct model *m, uint64_t start, uint64_t last, const void *owner)
{
	if (model_overlaps_area(m, start, last))
		return -EADDRINUSE;
	m->reserved[m->nr_reserved].start = start;
	m->reserved[m->nr_reserved].last = last;
	m->reserved[m->nr_reserved++].owner = owner;
	return 0;
}

void model_unreserve(struct model *m, const void *owner)
{
	size_t to = 0;

	for (size_t i = 0; i < m->nr_reserved; i++) {
		if (m->reserved[i].owner != owner)
			m->reserved[to++] = m->reserved[i];
	}
	m->nr_reserved = to;
}

int model_add_domain(struct model *m, const void *owner, uint64_t start, uint64_t last,
		     uint64_t alignment)
{
	for (size_t i = 0; i < m->nr; i++) {
		struct model_area *area = &m->area[i];

		if (area->start % alignment || (area->last + 1) % alignment ||
		    area->uaddr % PAGE % alignment)
			return -EADDRINUSE;
		if (area->start < start || area->last > last)
			return -EADDRINUSE;
	}
	if (start)
		model_reserve(m, 0, start - 1, owner);
	if (last != UINT64_MAX)
		model_reserve(m, last + 1, UINT64_MAX, owner);
	m->domain[m->nr_domains].owner = owner;
	m->domain[m->nr_domains++].alignment = alignment;
	return 0;
}

void model_remove_domain(struct model *m, const void *owner)
{
	size_t to = 0;

	for (size_t i = 0; i < m->nr_domains; i++) {
		if (m->domain[i].owner != owner)
			m->domain[to++] = m->domain[i];
	}
	m->nr_domains = to;
	model_unreserve(m, owner);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <string.h>

#include "model.h"

#define PAGE 4096ull

uint64_t model_alignment(const struct model *m)
{
	uint64_t alignment = m->small_pages ? PAGE : 1;

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

/* In [pos, last], the ends of which are not looked at further. */
static bool model_fits(uint64_t pos, uint64_t last, uint64_t length, uint64_t alignment,
		       uint64_t offset, uint64_t *iova)
{
	unsigned __int128 at = pos;

	at = (at + alignment - 1) / alignment * alignment;
	at |= offset;
	if (at >= last || at + length - 1 > last)
		return false;
	*iova = (uint64_t)at;
	return true;
}

static int model_alloc_within(const struct model *m, uint64_t pos, uint64_t end, uint64_t length,
			      uint64_t alignment, uint64_t offset, uint64_t *iova)
{
	uint64_t last;

	while (pos <= end) {
		bool used = model_used(m, pos, &last);

		if (last > end)
			last = end;
		if (!used && model_fits(pos, last, length, alignment, offset, iova))
			return 0;
		if (last == end)
			break;
		pos = last + 1;
	}
	return -ENOSPC;
}

static int model_alloc(const struct model *m, uint64_t uaddr, uint64_t length, uint64_t *iova)
{
	uint64_t alignment = 1, offset = uaddr % PAGE, start, last;

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
	start = PAGE;
	last = UINT64_MAX - PAGE;
	if (!m->nr_allowed && model_fits(start, last, length, alignment, offset, &start))
		return model_alloc_within(m, start, last, length, alignment, offset, iova);
	for (size_t i = 0; i < m->nr_allowed; i++) {
		start = m->allowed[i].start;
		while (i + 1 < m->nr_allowed && m->allowed[i + 1].start == m->allowed[i].last + 1)
			i++;
		last = m->allowed[i].last;
		if (start < PAGE)
			start = PAGE;
		/* Linux aligns the range itself before it looks at what is in it. */
		if (model_fits(start, last, length, alignment, offset, &start) &&
		    !model_alloc_within(m, start, last, length, alignment, offset, iova))
			return 0;
	}
	return -ENOSPC;
}

/* The place, without anything there yet. */
static int model_place(const struct model *m, uint64_t uaddr, uint64_t length, bool fixed,
		       uint64_t *iova)
{
	uint64_t alignment = model_alignment(m);
	uint64_t start = *iova;

	if (!length || length % alignment)
		return -EINVAL;
	if (!fixed)
		return model_alloc(m, uaddr, length, iova);
	if (start % alignment)
		return -EINVAL;
	if (length - 1 > UINT64_MAX - start)
		return -EOVERFLOW;
	if (model_overlaps_reserved(m, start, start + length - 1))
		return -EINVAL;
	if (model_overlaps_area(m, start, start + length - 1))
		return -EEXIST;
	return 0;
}

static void model_insert(struct model *m, const struct model_area *area)
{
	size_t at = 0;

	while (at < m->nr && m->area[at].start < area->start)
		at++;
	memmove(&m->area[at + 1], &m->area[at], (m->nr - at) * sizeof(m->area[0]));
	m->area[at] = *area;
	m->nr++;
}

int model_map(struct model *m, uint64_t uaddr, uint64_t length, uint32_t perm, bool fixed,
	      uint64_t *iova)
{
	uint64_t start = *iova;
	int rc = model_place(m, uaddr, length, fixed, &start);

	if (rc)
		return rc;
	if (uaddr % PAGE % model_alignment(m))
		return -EINVAL;
	model_insert(m, &(struct model_area){start, start + length - 1, uaddr, perm, perm & 2});
	*iova = start;
	return 0;
}

int model_copy(struct model *m, uint64_t src, uint64_t length, uint32_t perm, bool fixed,
	       uint64_t *iova)
{
	struct model_area parts[64];
	uint64_t at, pos = src;
	size_t nr = 0;
	int rc;

	if (!length)
		return -EINVAL;
	if (src + length - 1 < src)
		return -EOVERFLOW;
	while (pos - src < length) {
		const struct model_area *area = model_find(m, pos);

		if (!area)
			return -ENOENT;
		parts[nr] = *area;
		parts[nr].uaddr += pos - area->start;
		parts[nr].start = pos;
		if (parts[nr].last > src + length - 1)
			parts[nr].last = src + length - 1;
		pos = parts[nr++].last + 1;
	}
	at = *iova;
	rc = model_place(m, parts[0].uaddr, length, fixed, &at);
	if (rc)
		return rc;
	for (size_t i = 0; i < nr; i++) {
		if (perm & 2 && !parts[i].writable)
			return -EPERM;
		if (parts[i].uaddr % PAGE % model_alignment(m))
			return -EINVAL;
	}
	for (size_t i = 0; i < nr; i++) {
		parts[i].start += at - src;
		parts[i].last += at - src;
		parts[i].perm = perm;
		model_insert(m, &parts[i]);
	}
	*iova = at;
	return 0;
}

int model_cut(struct model *m, uint64_t iova)
{
	struct model_area *area = (struct model_area *)(uintptr_t)model_find(m, iova);
	uint64_t alignment = model_alignment(m);
	struct model_area right;

	if (!area || area->start == iova || area->last == iova)
		return 0;
	right = *area;
	right.start = iova + 1;
	right.uaddr += right.start - area->start;
	if (right.start % alignment || right.uaddr % PAGE % alignment)
		return -EINVAL;
	if (m->nr_domains && !m->small_pages)
		return -EINVAL;
	area->last = iova;
	model_insert(m, &right);
	return 0;
}

int model_set_allowed(struct model *m, uint64_t start, uint64_t length, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t first = start + 2 * i * length;

		if (model_overlaps_reserved(m, first, first + length - 1))
			return -EADDRINUSE;
	}
	for (size_t i = 0; i < nr; i++) {
		m->allowed[i].start = start + 2 * i * length;
		m->allowed[i].last = m->allowed[i].start + length - 1;
	}
	m->nr_allowed = nr;
	return 0;
}

int model_disable_large_pages(struct model *m)
{
	if (m->small_pages)
		return 0;
	if (m->nr_domains && m->nr)
		return -EINVAL;
	for (size_t i = 0; i < m->nr; i++) {
		struct model_area *area = &m->area[i];

		if ((area->start | (area->last + 1) | area->uaddr) % PAGE)
			return -EADDRINUSE;
	}
	m->small_pages = true;
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
	for (size_t i = 0; i < m->nr_allowed; i++) {
		if (m->allowed[i].start <= last && start <= m->allowed[i].last)
			return -EADDRINUSE;
	}
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

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * I/O address spaces.
 *
 * What is mapped is in the tree (tree.c): one area per map, whatever its length.
 * What may be mapped is told by reserved ranges (reserve.c), to which the apertures
 * of domains belong, and by the alignment of the strictest domain.
 *
 * Memory is looked at only while a domain can reach it: each map then, and all
 * areas when the first domain comes.  Linux pins there; nothing is pinned here.
 *
 * Unmap takes areas out of the tree, waits for readers once, and only then
 * lets go of what they could have used: nodes, and references on an mm.
 */
#include <string.h>

#include "iopt/object.h"
#include "mm/mm.h"

_Static_assert((UIOMMU_READ | UIOMMU_WRITE) <= IOPT_PERM_MASK, "rights fit under the mm");

static struct uiommu_mm *iopt_area_mm(const struct iopt_area *area)
{
	return (struct uiommu_mm *)(area->mm_perm & ~(uint64_t)IOPT_PERM_MASK);
}

static uint32_t iopt_area_perm(const struct iopt_area *area)
{
	return area->mm_perm & IOPT_PERM_MASK;
}

static uint64_t iopt_area_length(const struct iopt_area *area)
{
	return area->last - area->start + 1;
}

struct iopt *iopt_create(struct uiommu *ctx)
{
	struct iopt *iopt = ui_zalloc(sizeof(*iopt));

	if (!iopt)
		return NULL;
	if (iopt_tree_init(&iopt->tree, &ctx->readers)) {
		ui_free(iopt);
		return NULL;
	}
	ui_mutex_init(&iopt->lock);
	iopt->ctx = ctx;
	iopt->alignment = 1;
	return iopt;
}

void iopt_destroy(struct iopt *iopt)
{
	/* The last domain's detach has waited for its readers. */
	assert(!iopt->nr_domains);
	for (size_t i = 0; i < iopt->nr_mms; i++) {
		ui_fetch_sub(&iopt->ctx->counts.areas, iopt->mms[i].areas);
		uiommu_mm_put(iopt->mms[i].mm);
	}
	iopt_tree_destroy(&iopt->tree);
	ui_mutex_destroy(&iopt->lock);
	ui_free(iopt->reserved);
	ui_free(iopt->domains);
	ui_free(iopt->mms);
	ui_free(iopt);
}

/* ---- the mms of areas ---- */

static struct iopt_mm *iopt_mm_find(struct iopt *iopt, const struct uiommu_mm *mm)
{
	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (iopt->mms[i].mm == mm)
			return &iopt->mms[i];
	}
	return NULL;
}

/* An entry for areas of the mm, perhaps the first. */
static struct iopt_mm *iopt_mm_add(struct iopt *iopt, struct uiommu_mm *mm)
{
	struct iopt_mm *entry = iopt_mm_find(iopt, mm);

	if (entry)
		return entry;
	if (iopt_array_grow(&iopt->mms, sizeof(*iopt->mms), iopt->nr_mms, &iopt->max_mms))
		return NULL;
	entry = &iopt->mms[iopt->nr_mms++];
	entry->mm = uiommu_mm_get(mm); /* put by iopt_mm_put_unused() or iopt_destroy() */
	entry->areas = 0;
	return entry;
}

/* No reader uses an mm that has no area. */
static void iopt_mm_put_unused(struct iopt *iopt)
{
	size_t to = 0;

	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (iopt->mms[i].areas)
			iopt->mms[to++] = iopt->mms[i];
		else
			uiommu_mm_put(iopt->mms[i].mm);
	}
	iopt->nr_mms = to;
}

/* ---- map ---- */

/* In the order in which Linux asks. */
static int iopt_check_iova(struct iopt *iopt, uint64_t iova, uint64_t length)
{
	const struct iopt_reserved *res;
	uint64_t last;

	if (iova & (iopt->alignment - 1))
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	res = iopt_reserved_from(iopt, iova);
	return res && res->start <= last ? -EINVAL : 0;
}

/* Whatever is wrong with the memory, a map says -EFAULT. */
static int iopt_check_memory(struct uiommu_mm *mm, uint64_t uaddr, uint64_t length, uint32_t perm)
{
	int rc = mm_check(mm, uaddr, length, perm);

	return rc == -EPERM ? -EFAULT : rc;
}

static int iopt_map_locked(struct iopt *iopt, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
			   uint32_t perm, uint32_t flags, uint64_t *iova)
{
	struct iopt_area area = {.uaddr = uaddr};
	struct iopt_cursor cur;
	struct iopt_mm *entry;
	int rc;

	if (length & (iopt->alignment - 1))
		return -EINVAL;
	if (flags & IOPT_FIXED) {
		area.start = *iova;
		rc = iopt_check_iova(iopt, area.start, length);
	} else {
		rc = iopt_alloc_iova(iopt, uaddr, length, &area.start);
	}
	if (rc)
		return rc;
	area.last = area.start + length - 1;
	if (!iopt_tree_vacant(&iopt->tree, area.start, area.last, &cur))
		return -EEXIST;
	if (uaddr % IOPT_PAGE & (iopt->alignment - 1))
		return -EINVAL;
	if (iopt->nr_domains) {
		rc = iopt_check_memory(mm, uaddr, length, perm);
		if (rc)
			return rc;
	}

	entry = iopt_mm_add(iopt, mm);
	if (!entry)
		return -ENOMEM;
	area.mm_perm = (uint64_t)mm | perm;
	rc = iopt_tree_insert(&iopt->tree, &cur, &area);
	if (rc) {
		iopt_mm_put_unused(iopt);
		return rc;
	}
	entry->areas++;
	ui_count_inc(&iopt->ctx->counts.areas);
	if (!(flags & IOPT_FIXED))
		iopt_alloc_done(iopt, uaddr, length, area.start);
	*iova = area.start;
	return 0;
}

int iopt_map(struct iopt *iopt, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
	     uint32_t perm, uint32_t flags, uint64_t *iova)
{
	uint64_t end;
	int rc;

	if (length == UINT64_MAX || (flags & IOPT_FIXED && *iova == UINT64_MAX))
		return -EOVERFLOW;
	perm &= UIOMMU_READ | UIOMMU_WRITE;
	if (!perm)
		return -EINVAL;
	if (__builtin_add_overflow(uaddr, length, &end))
		return -EOVERFLOW;
	if (!length || length > UINT64_MAX - IOPT_PAGE)
		return -EINVAL;

	ui_mutex_lock(&iopt->lock);
	rc = iopt_map_locked(iopt, mm, uaddr, length, perm, flags, iova);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

/* ---- unmap ---- */

static int iopt_unmap_locked(struct iopt *iopt, uint64_t start, uint64_t last, uint64_t *unmapped)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	bool unused = false;
	uint64_t count = 0;
	int rc = -ENOENT;

	for (;;) {
		iopt_tree_seek(&iopt->tree, start, &cur);
		if (iopt_tree_end(&cur))
			break;
		iopt_tree_area(&cur, &area);
		if (area.start > last)
			break;
		if (area.start < start || area.last > last) {
			rc = -ENOENT; /* earlier ones stay unmapped */
			break;
		}
		unused |= !--iopt_mm_find(iopt, iopt_area_mm(&area))->areas;
		iopt_alloc_freed(iopt, &cur);
		iopt_tree_remove(&iopt->tree, &cur);
		count++;
		*unmapped += iopt_area_length(&area);
		rc = 0;
		if (area.last == last)
			break;
		start = area.last + 1;
	}
	if (count) {
		iopt_tree_quiesce(&iopt->tree);
		if (unused)
			iopt_mm_put_unused(iopt);
		ui_fetch_sub(&iopt->ctx->counts.areas, count);
	}
	return rc;
}

int iopt_unmap(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	bool all = !iova && length == UINT64_MAX;
	uint64_t last = UINT64_MAX;
	int rc;

	*unmapped = 0;
	if (!all) {
		if (iova == UINT64_MAX || length == UINT64_MAX)
			return -EOVERFLOW;
		if (!length)
			return -EINVAL;
		if (__builtin_add_overflow(iova, length - 1, &last))
			return -EOVERFLOW;
	}

	ui_mutex_lock(&iopt->lock);
	rc = iopt_unmap_locked(iopt, iova, last, unmapped);
	ui_mutex_unlock(&iopt->lock);
	/* Everything of nothing is fine. */
	return all && rc == -ENOENT ? 0 : rc;
}

/* ---- translation ---- */

int iopt_translate(struct iopt *iopt, uint64_t iova, uint32_t perm, struct uiommu_span *span)
{
	struct iopt_area area;

	if (!iopt_tree_lookup(&iopt->tree, iova, &area))
		return -ENOENT;
	span->mm = iopt_area_mm(&area);
	span->addr = area.uaddr + (iova - area.start);
	span->length = area.last - iova + 1;
	span->perm = iopt_area_perm(&area);
	return perm & (UIOMMU_READ | UIOMMU_WRITE) & ~span->perm ? -EPERM : 0;
}

/* ---- domains ---- */

static int iopt_check_alignment(struct iopt *iopt, uint64_t alignment)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	if (alignment == iopt->alignment)
		return 0;
	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		if ((area.start | iopt_area_length(&area) | area.uaddr % IOPT_PAGE) &
		    (alignment - 1))
			return -EADDRINUSE;
	}
	return 0;
}

static int iopt_check_areas(struct iopt *iopt)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	int rc;

	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		rc = iopt_check_memory(iopt_area_mm(&area), area.uaddr, iopt_area_length(&area),
				       iopt_area_perm(&area));
		if (rc)
			return rc;
	}
	return 0;
}

static int iopt_add_domain_locked(struct iopt *iopt, const void *owner, uint64_t start,
				  uint64_t last, uint64_t alignment)
{
	uint64_t strictest = alignment > iopt->alignment ? alignment : iopt->alignment;
	int rc;

	if (!alignment || alignment & (alignment - 1) || alignment > IOPT_PAGE)
		return -EINVAL;
	rc = iopt_check_alignment(iopt, strictest);
	if (rc)
		return rc;
	rc = iopt_array_grow(&iopt->domains, sizeof(*iopt->domains), iopt->nr_domains,
			     &iopt->max_domains);
	if (rc)
		return rc;
	if (start)
		rc = iopt_reserve_locked(iopt, 0, start - 1, owner);
	if (!rc && last != UINT64_MAX)
		rc = iopt_reserve_locked(iopt, last + 1, UINT64_MAX, owner);
	/* With a domain here already, each area was looked at. */
	if (!rc && !iopt->nr_domains)
		rc = iopt_check_areas(iopt);
	if (rc) {
		iopt_unreserve_locked(iopt, owner);
		return rc;
	}
	iopt->domains[iopt->nr_domains++] =
		(struct iopt_domain){.owner = owner, .alignment = alignment};
	iopt->alignment = strictest;
	return 0;
}

int iopt_add_domain(struct iopt *iopt, const void *owner, uint64_t aperture_start,
		    uint64_t aperture_last, uint64_t alignment)
{
	int rc;

	ui_mutex_lock(&iopt->lock);
	rc = iopt_add_domain_locked(iopt, owner, aperture_start, aperture_last, alignment);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_remove_domain(struct iopt *iopt, const void *owner)
{
	size_t to = 0;

	ui_mutex_lock(&iopt->lock);
	iopt->alignment = 1;
	for (size_t i = 0; i < iopt->nr_domains; i++) {
		if (iopt->domains[i].owner == owner)
			continue;
		if (iopt->alignment < iopt->domains[i].alignment)
			iopt->alignment = iopt->domains[i].alignment;
		iopt->domains[to++] = iopt->domains[i];
	}
	assert(to + 1 == iopt->nr_domains);
	iopt->nr_domains = to;
	iopt_unreserve_locked(iopt, owner);
	ui_mutex_unlock(&iopt->lock);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What domains, accesses and options ask of the areas: alignment, aperture, and
 * memory that is there.
 *
 * Alignment is worked out anew when one of them comes or goes.  It may become
 * stricter only if all areas have it already.
 */
#include "iopt/charge.h"
#include "iopt/object.h"
#include "mm/mm.h"

static int iopt_check_alignment(struct iopt *iopt, uint64_t alignment)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	if (alignment <= iopt->alignment)
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

static uint64_t iopt_domain_alignment(const struct iopt_domain *domain)
{
	return domain->pgsizes & -domain->pgsizes;
}

int iopt_update_alignment(struct iopt *iopt)
{
	uint64_t alignment = iopt->small_pages ? IOPT_PAGE : 1;
	int rc;

	for (size_t i = 0; i < iopt->nr_domains; i++) {
		if (alignment < iopt_domain_alignment(&iopt->domains[i]))
			alignment = iopt_domain_alignment(&iopt->domains[i]);
	}
	for (size_t i = 0; i < iopt->nr_accesses; i++) {
		if (iopt->accesses[i] && alignment < iopt->accesses[i]->alignment)
			alignment = iopt->accesses[i]->alignment;
	}
	rc = iopt_check_alignment(iopt, alignment);
	if (!rc)
		iopt->alignment = alignment;
	return rc;
}

/* ---- domains ---- */

/* The first domain is about to come, or the last one leaves: all areas below @end. */
static void iopt_uncharge_areas(struct iopt *iopt, const struct iopt_area *end)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		if (end && area.start >= end->start)
			break;
		iopt_uncharge_area(iopt, &area);
	}
}

static int iopt_take_area(struct iopt *iopt, const struct iopt_area *area)
{
	int rc = iopt_check_memory(iopt_area_mm(area), area->uaddr, iopt_area_length(area),
				   iopt_area_writable(area));

	if (!rc && !iopt_area_perm(area))
		rc = -EINVAL;
	return rc ? rc : iopt_charge_area(iopt, area);
}

/* Each must be there, and is charged. */
static int iopt_take_areas(struct iopt *iopt)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	int rc;

	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		rc = iopt_take_area(iopt, &area);
		if (rc) {
			iopt_uncharge_areas(iopt, &area);
			return rc;
		}
	}
	return 0;
}

static int iopt_add_domain_locked(struct iopt *iopt, const void *owner, uint64_t start,
				  uint64_t last, uint64_t pgsizes)
{
	uint64_t alignment = pgsizes & -pgsizes;
	int rc;

	if (!alignment || alignment > IOPT_PAGE)
		return -EINVAL;
	rc = iopt_check_alignment(iopt, alignment);
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
		rc = iopt_take_areas(iopt);
	if (rc) {
		iopt_unreserve_locked(iopt, owner);
		return rc;
	}
	iopt->domains[iopt->nr_domains++] =
		(struct iopt_domain){.owner = owner, .pgsizes = pgsizes};
	if (iopt->nr_domains == 1)
		iopt_share_all(iopt);
	return iopt_update_alignment(iopt);
}

int iopt_add_domain(struct iopt *iopt, const void *owner, uint64_t aperture_start,
		    uint64_t aperture_last, uint64_t pgsizes)
{
	int rc;

	ui_mutex_lock(&iopt->lock);
	rc = iopt_add_domain_locked(iopt, owner, aperture_start, aperture_last, pgsizes);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_remove_domain(struct iopt *iopt, const void *owner)
{
	size_t to = 0;

	ui_mutex_lock(&iopt->lock);
	for (size_t i = 0; i < iopt->nr_domains; i++) {
		if (iopt->domains[i].owner != owner)
			iopt->domains[to++] = iopt->domains[i];
		else if (iopt->domains[i].dirty)
			iopt->nr_dirty--;
	}
	assert(to + 1 == iopt->nr_domains);
	iopt->nr_domains = to;
	if (!to) {
		iopt_uncharge_areas(iopt, NULL);
		iopt_forget_views(iopt);
	}
	iopt_update_alignment(iopt); /* becomes no stricter */
	iopt_unreserve_locked(iopt, owner);
	ui_mutex_unlock(&iopt->lock);
}

/* ---- page sizes ---- */

int iopt_disable_large_pages(struct iopt *iopt)
{
	struct iopt_cursor cur;
	int rc = 0;

	ui_mutex_lock(&iopt->lock);
	if (iopt->small_pages)
		goto out_unlock;
	iopt_tree_seek(&iopt->tree, 0, &cur);
	rc = -EINVAL;
	if (iopt->nr_domains && !iopt_tree_end(&cur))
		goto out_unlock;
	iopt->small_pages = true;
	rc = iopt_update_alignment(iopt);
	if (rc)
		iopt->small_pages = false;
out_unlock:
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_enable_large_pages(struct iopt *iopt)
{
	ui_mutex_lock(&iopt->lock);
	iopt->small_pages = false;
	iopt_update_alignment(iopt); /* becomes no stricter */
	ui_mutex_unlock(&iopt->lock);
}

bool iopt_large_pages(struct iopt *iopt)
{
	bool large;

	ui_mutex_lock(&iopt->lock);
	large = !iopt->small_pages;
	ui_mutex_unlock(&iopt->lock);
	return large;
}

uint64_t iopt_pgsizes(struct iopt *iopt)
{
	uint64_t pgsizes = UINT64_MAX;

	ui_mutex_lock(&iopt->lock);
	for (size_t i = 0; i < iopt->nr_domains; i++)
		pgsizes &= iopt->domains[i].pgsizes;
	/* Pages smaller than the CPU's are shown as that. */
	if (pgsizes & (IOPT_PAGE - 1))
		pgsizes = (pgsizes & ~(IOPT_PAGE - 1)) | IOPT_PAGE;
	if (pgsizes < iopt->alignment)
		pgsizes = iopt->alignment;
	ui_mutex_unlock(&iopt->lock);
	return pgsizes;
}

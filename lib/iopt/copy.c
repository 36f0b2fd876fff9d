// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Parts of areas: taking them over into another address space, and cutting areas
 * in two.
 */
#include "iopt/charge.h"
#include "iopt/object.h"
#include "mm/mm.h"

/* ---- slices ---- */

static int iopt_slice_walk(struct iopt *iopt, uint64_t iova, uint64_t last,
			   struct iopt_slices *slices)
{
	struct iopt_walk walk;
	bool more = iopt_walk_start(iopt, &walk, iova, last);

	for (; more; more = iopt_walk_next(&walk)) {
		int rc = iopt_array_grow(&slices->slice, sizeof(*slices->slice), slices->nr,
					 &slices->max);

		if (!rc)
			rc = iopt_mark_shared(iopt, &walk.cur, &walk.area);
		if (rc)
			return rc;
		slices->slice[slices->nr++] = (struct iopt_slice){
			.mm = uiommu_mm_get(iopt_area_mm(&walk.area)), /* iopt_put_slices() */
			.uaddr = iopt_walk_uaddr(&walk),
			.length = walk.part - walk.iova + 1,
			.writable = iopt_area_writable(&walk.area),
			.present = iopt->nr_domains,
			.shared = true,
			.origin = iopt_area_origin(&walk.area),
		};
	}
	return walk.done ? 0 : -ENOENT;
}

int iopt_get_slices(struct iopt *iopt, uint64_t iova, uint64_t length, struct iopt_slices *slices)
{
	uint64_t last;
	int rc;

	*slices = (struct iopt_slices){0};
	rc = iopt_range_last(iova, length, &last);
	if (rc)
		return rc;
	ui_mutex_lock(&iopt->lock);
	rc = iopt_slice_walk(iopt, iova, last, slices);
	ui_mutex_unlock(&iopt->lock);
	if (rc)
		iopt_put_slices(slices);
	return rc;
}

void iopt_put_slices(struct iopt_slices *slices)
{
	for (size_t i = 0; i < slices->nr; i++)
		uiommu_mm_put(slices->slice[i].mm);
	ui_free(slices->slice);
	*slices = (struct iopt_slices){0};
}

/* ---- cutting ---- */

static int iopt_cut_check(struct iopt *iopt, const struct iopt_area *area, uint64_t start)
{
	struct iopt_held *held = iopt->held ? iopt_held_find(iopt, area->start) : NULL;
	uint64_t uaddr = area->uaddr + (start - area->start);

	if (held && held->closed)
		return -EBUSY;
	if (mm_is_dmabuf(iopt_area_mm(area)))
		return -EOPNOTSUPP;
	if ((start | uaddr % IOPT_PAGE) & (iopt->alignment - 1))
		return -EINVAL;
	if (held && held->pins)
		return -EINVAL;
	/* A table could have an entry that is too large to be cut. */
	if (iopt->nr_domains && !iopt->small_pages)
		return -EINVAL;
	return 0;
}

/* The cursor's area, this one. */
static int iopt_cut_area(struct iopt *iopt, const struct iopt_cursor *cur, struct iopt_area *area,
			 uint64_t last)
{
	struct iopt_area right = {
		.start = last + 1,
		.last = area->last,
		.uaddr = area->uaddr + (last + 1 - area->start),
	};
	int rc;

	if (last == area->start || last == area->last)
		return 0;
	rc = iopt_cut_check(iopt, area, right.start);
	/* A page that is cut is both parts' page, and pinned once. */
	if (!rc && right.uaddr % IOPT_PAGE)
		rc = iopt_mark_shared(iopt, cur, area);
	if (rc)
		return rc;
	right.mm_perm = area->mm_perm;
	rc = iopt_mm_ref(iopt, iopt_area_mm(area));
	if (rc)
		return rc;
	rc = iopt_charge_cut(iopt, area, &right);
	if (rc)
		goto out_unref;
	/* If it fails, the area is charged in two parts, which taking it away minds as well. */
	rc = iopt_tree_cut(&iopt->tree, area->start, &right);
	if (rc)
		goto out_unref;
	if (iopt->held)
		iopt_held_forget(iopt, area->start);
	ui_count_inc(&iopt->ctx->counts.areas);
	return 0;

out_unref:
	iopt_mm_unref(iopt, iopt_area_mm(area)); /* it has the area still */
	return rc;
}

int iopt_cut(struct iopt *iopt, const uint64_t *iovas, size_t nr)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	int rc = 0;

	ui_mutex_lock(&iopt->lock);
	for (size_t i = 0; i < nr && !rc; i++) {
		iopt_tree_seek(&iopt->tree, iovas[i], &cur);
		if (iopt_tree_end(&cur))
			continue;
		iopt_tree_area(&cur, &area);
		if (area.start <= iovas[i])
			rc = iopt_cut_area(iopt, &cur, &area, iovas[i]);
	}
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared memory of other processes stays when they end: while a domain can reach an area
 * of theirs, the area has a view (mm/mirror.c) of what could be mapped here too.  It's made
 * when the area is mapped under a domain, or when the first domain comes, and forgotten
 * with the last domain, as pins are.
 */
#include "iopt/object.h"
#include "mm/mm.h"
#include "mm/view.h"

static void iopt_share_area(struct iopt *iopt, struct iopt_cursor *cur,
			    const struct iopt_area *area)
{
	struct uiommu_mm *mm = iopt_area_mm(area);
	struct uiommu_mm *view;

	if (mm_is_file(mm) || mm_is_here(mm))
		return;
	view = mm_mirror(mm, area->uaddr, iopt_area_length(area));
	if (!view)
		return;
	/* Both are right for who reads it meanwhile; the area's reference on mm stays. */
	iopt->file_areas++;
	iopt_tree_set_mm(cur, (uint64_t)view | (area->mm_perm & ~IOPT_MM_MASK));
}

void iopt_share(struct iopt *iopt, uint64_t start, uint64_t last)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	iopt_tree_seek(&iopt->tree, start, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		if (area.start > last)
			break;
		iopt_share_area(iopt, &cur, &area);
	}
	/* Nobody goes on with what it found before. */
	iopt_tree_quiesce(&iopt->tree);
}

void iopt_share_all(struct iopt *iopt)
{
	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (!mm_is_here(iopt->mms[i].mm)) {
			iopt_share(iopt, 0, UINT64_MAX);
			return;
		}
	}
}

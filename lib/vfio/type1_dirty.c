// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/type1_dirty.c - VFIO_IOMMU_DIRTY_PAGES
 *
 * A device that does DMA by itself, as all of ours, may have written every page that it
 * can reach: so says Linux's TYPE1v2, and so all that is mapped is always dirty.
 */
#include <errno.h>
#include <string.h>

#include "vfio/type1.h"

#define USER_END 0x7ffffffff000ull
#define BITMAP_MAX TYPE1_BITMAP_BYTES((uint64_t)TYPE1_DIRTY_PAGES)

int vfio_type1_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size)
{
	uint64_t data = (uintptr_t)bitmap->data;
	uint64_t pages = bitmap->pgsize ? size >> __builtin_ctzll(bitmap->pgsize) : size;

	if (bitmap->size > USER_END || data > USER_END - bitmap->size)
		return -EINVAL;
	return !pages || !bitmap->size || bitmap->size > BITMAP_MAX ||
			       bitmap->size < TYPE1_BITMAP_BYTES(pages) ?
		       -EINVAL :
		       0;
}

static int put_word(const struct vfio_type1_bitmap *bitmap, uint64_t index, uint64_t word)
{
	return ui_copy_to_user(bitmap->mm, bitmap->data + index * 8, &word, sizeof(word));
}

/*
 * Whole words are written: bits of pages before the map stay what they are in the client's
 * memory, those behind it become 0.
 */
int vfio_type1_report_dirty(const struct vfio_type1_bitmap *bitmap, uint64_t start, uint64_t last)
{
	uint64_t first = (start - bitmap->iova) >> TYPE1_PAGE_SHIFT;
	uint64_t end = ((last - bitmap->iova) >> TYPE1_PAGE_SHIFT) + 1;
	uint64_t index = first / 64, word = 0;
	int rc = 0;

	if (first % 64) {
		rc = ui_copy_from_user(bitmap->mm, &word, bitmap->data + index * 8, sizeof(word));
		word &= (1ull << first % 64) - 1;
		word |= ~0ull << first % 64;
	} else {
		word = ~0ull;
	}
	for (; !rc && index < end / 64; index++, word = ~0ull)
		rc = put_word(bitmap, index, word);
	if (!rc && end % 64)
		rc = put_word(bitmap, index, word & ((1ull << end % 64) - 1));
	return rc;
}

bool vfio_type1_cuts(struct vfio_type1 *type1, uint64_t iova, uint64_t last)
{
	struct iopt_range range;

	return (iopt_next_area(type1->iopt, iova, &range) && range.start < iova) ||
	       (iopt_next_area(type1->iopt, last, &range) && range.start <= last &&
		range.last != last);
}

/* Each map must be one that dirty bits can be of. */
static long start_tracking(struct vfio_type1 *type1)
{
	struct iopt_range range;
	uint64_t pos = 0;

	while (!type1->tracking && iopt_next_area(type1->iopt, pos, &range)) {
		if ((range.last - range.start) >> TYPE1_PAGE_SHIFT >= TYPE1_DIRTY_PAGES)
			return -EINVAL;
		if (range.last == UINT64_MAX)
			break;
		pos = range.last + 1;
	}
	type1->tracking = true;
	return 0;
}

static long get_bitmap(struct vfio_type1 *type1, struct uiommu_mm *mm, uint64_t arg, size_t argsz)
{
	struct vfio_iommu_type1_dirty_bitmap_get get;
	struct vfio_type1_bitmap bitmap = {.mm = mm};
	struct iopt_range range;
	uint64_t last, pos;
	int rc;

	if (argsz < sizeof(get))
		return -EINVAL;
	if (ui_copy_from_user(mm, &get, arg, sizeof(get)))
		return -EFAULT;
	if (!get.size)
		return -EINVAL;
	if (__builtin_add_overflow(get.iova, get.size - 1, &last))
		return -EOVERFLOW;
	rc = vfio_type1_check_bitmap(&get.bitmap, get.size);
	if (rc)
		return rc;
	if (get.bitmap.pgsize != TYPE1_PAGE || (get.iova | get.size) % TYPE1_PAGE ||
	    !type1->tracking || vfio_type1_cuts(type1, get.iova, last))
		return -EINVAL;
	bitmap.iova = get.iova;
	bitmap.data = (uintptr_t)get.bitmap.data;
	pos = get.iova;
	while (!rc && iopt_next_area(type1->iopt, pos, &range) && range.start <= last) {
		rc = vfio_type1_report_dirty(&bitmap, range.start, range.last);
		if (range.last >= last)
			break;
		pos = range.last + 1;
	}
	return rc;
}

long vfio_type1_dirty_pages(struct vfio_type1 *type1, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_iommu_type1_dirty_bitmap dirty;

	if (!type1->v2)
		return -EACCES;
	if (ui_copy_from_user(mm, &dirty, arg, sizeof(dirty)))
		return -EFAULT;
	if (dirty.argsz < sizeof(dirty))
		return -EINVAL;
	switch (dirty.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		return start_tracking(type1);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		type1->tracking = false;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		return get_bitmap(type1, mm, arg + sizeof(dirty), dirty.argsz - sizeof(dirty));
	default:
		return -EINVAL; /* none, unknown ones, or more than one */
	}
}

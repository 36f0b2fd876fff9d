// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/hwpt_dirty.c - HWPT_SET_DIRTY_TRACKING and HWPT_GET_DIRTY_BITMAP
 *
 * The bits are iopt's.  The caller's bitmap has one for each of its own pages, bit
 * 0 for the first IOVA; bits are only ever set in it.  A piece of it is kept here
 * while bits in it are set: what isn't dirty is neither read nor written.
 */
#include <string.h>

#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"
#include "uapi/iommufd.h"

#define WINDOW 512 /* bytes */

/*
 * The caller's bitmap.  base: of the window, in bytes; used: 0: there is no window.
 * What can't be read or written is passed over: Linux tells nobody either.
 */
struct user_bitmap {
	struct uiommu_mm *mm;
	uint64_t addr;
	uint64_t iova;
	uint64_t bytes;
	unsigned int shift;
	uint64_t base;
	size_t used;
	bool broken;
	unsigned char window[WINDOW];
};

bool iommufd_hwpt_mark_dirty(struct iommufd_hwpt *hwpt, uint64_t iova, uint64_t length)
{
	if (!hwpt->has_dirty || !iopt_dirty_enabled(&hwpt->dirty))
		return false;
	if (length)
		iopt_dirty_mark(&hwpt->dirty, iova, length);
	return true;
}

static void flush(struct user_bitmap *bitmap)
{
	if (bitmap->used && !bitmap->broken)
		uiommu_mm_write(bitmap->mm, bitmap->addr + bitmap->base, bitmap->window,
				bitmap->used);
	bitmap->used = 0;
}

static void move_window(struct user_bitmap *bitmap, uint64_t base)
{
	uint64_t left = bitmap->bytes - base;

	flush(bitmap);
	bitmap->base = base;
	bitmap->used = left < WINDOW ? (size_t)left : WINDOW;
	bitmap->broken = ui_copy_from_user(bitmap->mm, bitmap->window, bitmap->addr + base,
					   bitmap->used) != 0;
}

/* Bits [from, to] of the window. */
static void set_in_window(struct user_bitmap *bitmap, unsigned int from, unsigned int to)
{
	unsigned int first = from / 8, last = to / 8;
	unsigned char head = (unsigned char)(0xff << from % 8);
	unsigned char tail = (unsigned char)(0xff >> (7 - to % 8));

	if (first == last) {
		bitmap->window[first] |= head & tail;
		return;
	}
	bitmap->window[first] |= head;
	memset(bitmap->window + first + 1, 0xff, last - first - 1);
	bitmap->window[last] |= tail;
}

static void set_dirty(void *opaque, uint64_t iova, uint64_t length)
{
	struct user_bitmap *bitmap = opaque;
	uint64_t last_iova = iova + length - 1;
	uint64_t bit, last;

	/* A granule may begin before the range, or end behind it. */
	if (iova < bitmap->iova)
		iova = bitmap->iova;
	bit = (iova - bitmap->iova) >> bitmap->shift;
	last = (last_iova - bitmap->iova) >> bitmap->shift;
	if (last >= bitmap->bytes * 8)
		last = bitmap->bytes * 8 - 1;
	while (bit <= last) {
		uint64_t start, end;

		if (!bitmap->used || bit / 8 - bitmap->base >= bitmap->used)
			move_window(bitmap, bit / 8 / WINDOW * WINDOW);
		start = bitmap->base * 8;
		end = start + bitmap->used * 8 - 1;
		if (end > last)
			end = last;
		set_in_window(bitmap, (unsigned int)(bit - start), (unsigned int)(end - start));
		bit = end + 1;
	}
}

int iommufd_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_set_dirty_tracking *cmd = ucmd->cmd;
	struct iommufd_object *obj;
	struct iommufd_hwpt *hwpt;
	int rc = -EOPNOTSUPP;

	if (cmd->flags & ~(uint32_t)IOMMU_HWPT_DIRTY_TRACKING_ENABLE)
		return -EOPNOTSUPP;
	obj = iommufd_get_object(ucmd->ictx, cmd->hwpt_id, &iommufd_hwpt_ops);
	if (!obj)
		return -ENOENT;
	hwpt = iommufd_hwpt_of(obj);
	if (hwpt->has_dirty)
		rc = iopt_dirty_enable(hwpt->ioas->iopt, &hwpt->dirty,
				       cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}

static int get_dirty_bitmap(const struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct iopt *iopt = hwpt->ioas->iopt;
	struct user_bitmap bitmap;
	int rc;

	rc = iopt_dirty_check(iopt, cmd->iova, cmd->length, cmd->page_size);
	if (rc)
		return rc;
	if (!hwpt->has_dirty)
		return -EOPNOTSUPP;
	bitmap.mm = ucmd->mm;
	bitmap.addr = cmd->data;
	bitmap.iova = cmd->iova;
	bitmap.shift = (unsigned int)__builtin_ctzll(cmd->page_size);
	bitmap.bytes = ((cmd->length - 1) >> bitmap.shift) / 8 + 1;
	bitmap.used = 0;
	iopt_dirty_read(iopt, &hwpt->dirty, cmd->iova, cmd->iova + cmd->length - 1,
			!(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), set_dirty, &bitmap);
	flush(&bitmap);
	return 0;
}

int iommufd_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hwpt_get_dirty_bitmap *cmd = ucmd->cmd;
	struct iommufd_object *obj;
	int rc;

	if ((cmd->flags & ~(uint32_t)IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR) || cmd->__reserved)
		return -EOPNOTSUPP;
	obj = iommufd_get_object(ucmd->ictx, cmd->hwpt_id, &iommufd_hwpt_ops);
	if (!obj)
		return -ENOENT;
	rc = get_dirty_bitmap(ucmd, iommufd_hwpt_of(obj));
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/type1.h - the IOMMU of a container: TYPE1 and TYPE1v2
 */
#ifndef UI_VFIO_TYPE1_H
#define UI_VFIO_TYPE1_H

#include "iopt/iopt.h"
#include "vfio/vfio.h"

#define TYPE1_PAGE_SHIFT 12
#define TYPE1_PAGE (1ull << TYPE1_PAGE_SHIFT)
/* The most pages that one map's dirty bits can be of. */
#define TYPE1_DIRTY_PAGES INT32_MAX
/* Bytes of a bitmap of so many pages: whole words. */
#define TYPE1_BITMAP_BYTES(pages) (((pages) + 63) / 64 * 8)

/*
 * Each map is one area of the iopt.
 * Refs: that of the domain: the creator's, and what was attached with it.
 * Locks: all but domain and iopt, which have their own, are the container's.
 *  v2		immutable
 *  tracking	dirty pages are
 *  avail	how many more maps there may be
 *  invalid	first IOVAs, ascending, of maps whose address was given up
 */
struct vfio_type1 {
	struct uiommu_domain domain;
	struct iopt *iopt;
	bool v2;
	bool tracking;
	unsigned int avail;
	uint64_t *invalid;
	size_t nr_invalid;
	size_t max_invalid;
};

/* ERR_PTR: -ENOMEM. */
struct vfio_type1 *vfio_type1_create(struct uiommu *ctx, bool v2);
/* Nothing is attached any more. */
void vfio_type1_destroy(struct vfio_type1 *type1);
/* -EBUSY: an address was given up; -EINVAL: something is mapped where it can't be; -ENOMEM. */
int vfio_type1_attach(struct vfio_type1 *type1, struct uiommu_group *group);
void vfio_type1_detach(struct vfio_type1 *type1, struct uiommu_group *group);

/* What VFIO_CHECK_EXTENSION says; @type1: NULL: none is set. */
long vfio_type1_extension(const struct vfio_type1 *type1, uint64_t extension);
/* All ioctls but MAP_DMA. */
long vfio_type1_ioctl(struct vfio_type1 *type1, struct uiommu_mm *mm, unsigned long request,
		      uint64_t arg);

/*
 * What VFIO_IOMMU_MAP_DMA asks for, from before the container's lock to after it.
 *  bar	what is at vaddr, if that is a BAR: with a reference, and bar_offset is where; an
 *	ERR_PTR: -EFAULT: only a part is, or it doesn't answer or may not be used so; -ENOMEM.
 *	NULL: no part of it is one
 */
struct vfio_type1_map {
	struct uiommu_mm *mm;
	struct vfio_iommu_type1_dma_map arg;
	struct uiommu_mm *bar;
	uint64_t bar_offset;
};

/* Needs no lock; whatever it returns, vfio_type1_map_end() comes at the end. */
long vfio_type1_map_begin(struct uiommu *ctx, struct uiommu_mm *mm, uint64_t arg,
			  struct vfio_type1_map *map);
long vfio_type1_map(struct vfio_type1 *type1, const struct vfio_type1_map *map);
void vfio_type1_map_end(struct vfio_type1_map *map);

/* ---- type1_bar.c ---- */

/* Fills in map->bar.  Without any lock. */
void vfio_type1_find_bar(struct uiommu *ctx, struct vfio_type1_map *map);

/* ---- type1_dirty.c ---- */

/* A client's bitmap for pages from @iova on. */
struct vfio_type1_bitmap {
	struct uiommu_mm *mm;
	uint64_t iova;
	uint64_t data;
};

/* Is a client's bitmap for @size bytes of IOVA?  -EINVAL. */
int vfio_type1_check_bitmap(const struct vfio_bitmap *bitmap, uint64_t size);
/* The map [start, last] is dirty: all of it, as far as is known.  -EFAULT. */
int vfio_type1_report_dirty(const struct vfio_type1_bitmap *bitmap, uint64_t start, uint64_t last);
long vfio_type1_dirty_pages(struct vfio_type1 *type1, struct uiommu_mm *mm, uint64_t arg);
/* Would [iova, last] cut a map at one of its ends? */
bool vfio_type1_cuts(struct vfio_type1 *type1, uint64_t iova, uint64_t last);

#endif /* UI_VFIO_TYPE1_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/type1.c - the IOMMU of a container, and its ioctls
 *
 * All groups of a container share one domain.  The first version lets a client unmap from
 * the start of a map without covering it all, which takes it all away, and passes over
 * what begins before; the second one refuses to cut.
 *
 * UNMAP with the flag VADDR gives up the address of a map, not the map: DMA goes on, to
 * the same pages, until MAP with that flag says where they are now.  Here, as there,
 * nothing is looked at by that address later.
 */
#include "vfio/type1.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "iommufd/driver.h"
#include "mm/inline.h"

/* What a container may have of maps. */
#define MAPS_MAX 65535u

/* The part of a structure up to a member. */
#define SIZE_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* ---- the domain ---- */

static struct vfio_type1 *type1_of(struct uiommu_domain *domain)
{
	return ui_container_of(domain, struct vfio_type1, domain);
}

static int type1_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			   struct uiommu_span *span)
{
	return iopt_translate(type1_of(domain)->iopt, iova, perm, span);
}

static void type1_free(struct uiommu_domain *domain)
{
	ui_free(type1_of(domain));
}

static const struct uiommu_domain_ops type1_domain_ops = {
	.translate = type1_translate,
	.steady = true,
	.free = type1_free,
};

struct vfio_type1 *vfio_type1_create(struct uiommu *ctx, bool v2)
{
	const struct iommufd_geometry *geo = &iommufd_soft_geometry;
	struct vfio_type1 *type1 = ui_zalloc(sizeof(*type1));
	int rc = -ENOMEM;

	if (!type1)
		return UIOMMU_ERR_PTR(rc);
	type1->v2 = v2;
	type1->avail = MAPS_MAX;
	type1->iopt = iopt_create(ctx);
	if (!type1->iopt)
		goto out_free;
	rc = iopt_add_domain(type1->iopt, type1, geo->first_iova, geo->last_iova, geo->pgsizes);
	if (rc)
		goto out_iopt;
	uiommu_domain_init(ctx, &type1->domain, UIOMMU_DOMAIN_PAGING, &type1_domain_ops);
	return type1;

out_iopt:
	iopt_destroy(type1->iopt);
out_free:
	ui_free(type1);
	return UIOMMU_ERR_PTR(rc);
}

void vfio_type1_destroy(struct vfio_type1 *type1)
{
	uint64_t unmapped;

	/* No DMA comes by a domain that was detached everywhere. */
	iopt_unmap_all(type1->iopt, &unmapped);
	iopt_remove_domain(type1->iopt, type1);
	iopt_destroy(type1->iopt);
	ui_free(type1->invalid);
	uiommu_domain_put(&type1->domain);
}

int vfio_type1_attach(struct vfio_type1 *type1, struct uiommu_group *group)
{
	const struct iommufd_resv_region *region;
	unsigned int count = 0;
	int rc = 0;

	if (type1->nr_invalid)
		return -EBUSY;
	/* The soft IOMMU's are every device's. */
	region = iommufd_soft_driver.resv_regions(NULL, &count);
	for (unsigned int i = 0; i < count && !rc; i++)
		rc = iopt_reserve(type1->iopt, region[i].first_iova, region[i].last_iova, group);
	if (rc == -EADDRINUSE)
		rc = -EINVAL;
	if (!rc)
		rc = uiommu_attach_group_handle(&type1->domain, group, UIOMMU_NO_PASID, NULL);
	if (rc)
		iopt_unreserve(type1->iopt, group);
	return rc;
}

void vfio_type1_detach(struct vfio_type1 *type1, struct uiommu_group *group)
{
	uiommu_detach_group_handle(group, UIOMMU_NO_PASID, NULL);
	iopt_unreserve(type1->iopt, group);
}

/* ---- GET_INFO ---- */

long vfio_type1_extension(const struct vfio_type1 *type1, uint64_t extension)
{
	switch (extension) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_UPDATE_VADDR:
	case VFIO_DMA_CC_IOMMU: /* memory is the CPU's, so nothing can be incoherent */
		return type1 != NULL;
	default:
		return 0;
	}
}

#define INFO_RANGES 8u

/* The chain of capabilities, and room for ranges. */
struct info_caps {
	struct vfio_iommu_type1_info_cap_migration migration;
	struct vfio_iommu_type1_info_dma_avail avail;
	uint32_t pad;
	struct vfio_iommu_type1_info_cap_iova_range iova;
	struct vfio_iova_range ranges[INFO_RANGES];
};

/* Bytes that are used.  The soft IOMMU leaves two ranges. */
static uint64_t fill_caps(struct vfio_type1 *type1, struct info_caps *caps)
{
	struct iopt_range ranges[INFO_RANGES];
	const uint64_t base = sizeof(struct vfio_iommu_type1_info);
	uint64_t alignment;
	size_t nr = iopt_ranges(type1->iopt, ranges, INFO_RANGES, &alignment);

	nr = nr < INFO_RANGES ? nr : INFO_RANGES;
	*caps = (struct info_caps){
		.migration =
			{
				.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
					   .version = 1,
					   .next = base + offsetof(struct info_caps, avail)},
				.pgsize_bitmap = TYPE1_PAGE,
				.max_dirty_bitmap_size =
					TYPE1_BITMAP_BYTES((uint64_t)TYPE1_DIRTY_PAGES),
			},
		.avail =
			{
				.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
					   .version = 1,
					   .next = base + offsetof(struct info_caps, iova)},
				.avail = type1->avail,
			},
		.iova =
			{
				.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
					   .version = 1},
				.nr_iovas = (uint32_t)nr,
			},
	};
	for (size_t i = 0; i < nr; i++)
		caps->ranges[i] = (struct vfio_iova_range){ranges[i].start, ranges[i].last};
	return offsetof(struct info_caps, ranges) + nr * sizeof(caps->ranges[0]);
}

static long get_info(struct vfio_type1 *type1, struct uiommu_mm *mm, uint64_t arg)
{
	const size_t minsz = SIZE_TO(struct vfio_iommu_type1_info, iova_pgsizes);
	struct vfio_iommu_type1_info info = {.argsz = 0};
	struct info_caps caps;
	uint64_t length;
	size_t size;

	if (ui_copy_from_user(mm, &info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = iopt_pgsizes(type1->iopt);
	length = fill_caps(type1, &caps);
	if (info.argsz < sizeof(info) + length) {
		info.argsz = (uint32_t)(sizeof(info) + length);
	} else {
		if (ui_copy_to_user(mm, arg + sizeof(info), &caps, length))
			return -EFAULT;
		info.cap_offset = sizeof(info);
	}
	return ui_copy_to_user(mm, arg, &info, size);
}

/* ---- addresses that were given up ---- */

/* Where it is in the array, or would be. */
static size_t invalid_seek(const struct vfio_type1 *type1, uint64_t iova)
{
	size_t lo = 0, hi = type1->nr_invalid;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (type1->invalid[mid] < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool invalid_has(const struct vfio_type1 *type1, uint64_t iova)
{
	size_t at = invalid_seek(type1, iova);

	return at < type1->nr_invalid && type1->invalid[at] == iova;
}

static int invalid_grow(struct vfio_type1 *type1)
{
	size_t max = type1->max_invalid ? type1->max_invalid * 2 : 16;
	uint64_t *fresh = ui_zalloc(max * sizeof(*fresh));

	if (!fresh)
		return -ENOMEM;
	if (type1->nr_invalid)
		memcpy(fresh, type1->invalid, type1->nr_invalid * sizeof(*fresh));
	ui_free(type1->invalid);
	type1->invalid = fresh;
	type1->max_invalid = max;
	return 0;
}

static int invalid_add(struct vfio_type1 *type1, uint64_t iova)
{
	size_t at = invalid_seek(type1, iova);

	if (type1->nr_invalid == type1->max_invalid && invalid_grow(type1))
		return -ENOMEM;
	memmove(&type1->invalid[at + 1], &type1->invalid[at],
		(type1->nr_invalid - at) * sizeof(iova));
	type1->invalid[at] = iova;
	type1->nr_invalid++;
	return 0;
}

/* Those from @iova to before @end. */
static void invalid_remove(struct vfio_type1 *type1, uint64_t iova, uint64_t end)
{
	size_t from = invalid_seek(type1, iova), to = invalid_seek(type1, end);

	if (from == to)
		return;
	memmove(&type1->invalid[from], &type1->invalid[to],
		(type1->nr_invalid - to) * sizeof(iova));
	type1->nr_invalid -= to - from;
}

/* ---- MAP_DMA ---- */

static long set_vaddr(struct vfio_type1 *type1, uint64_t iova, uint64_t last)
{
	struct iopt_range range;

	if (!iopt_next_area(type1->iopt, iova, &range) || range.start > last)
		return -ENOENT;
	if (range.start != iova || range.last != last || !invalid_has(type1, iova))
		return -EINVAL;
	invalid_remove(type1, iova, iova + 1);
	return 0;
}

static long map_new(struct vfio_type1 *type1, const struct vfio_type1_map *map)
{
	uint64_t iova = map->arg.iova, last = iova + map->arg.size - 1;
	/* The process is charged, whatever else its user has; a BAR is charged to nobody. */
	struct uiommu_mm *mm = map->bar ? map->bar : mm_with_account(map->mm, true);
	uint64_t addr = map->bar ? map->bar_offset : map->arg.vaddr;
	struct iopt_range range;
	uint32_t perm = 0;
	int rc;

	if (iopt_next_area(type1->iopt, iova, &range) && range.start <= last)
		return -EEXIST;
	if (!type1->avail)
		return -ENOSPC;
	if (type1->tracking && map->arg.size / TYPE1_PAGE > TYPE1_DIRTY_PAGES)
		return -EINVAL;
	if (map->arg.flags & VFIO_DMA_MAP_FLAG_READ)
		perm |= UIOMMU_READ;
	if (map->arg.flags & VFIO_DMA_MAP_FLAG_WRITE)
		perm |= UIOMMU_WRITE;
	if (UIOMMU_IS_ERR(mm))
		return UIOMMU_PTR_ERR(mm);
	rc = iopt_map(type1->iopt, mm, addr, map->arg.size, perm, IOPT_FIXED, &iova);
	if (!rc)
		type1->avail--;
	/* The end of all addresses is as any that isn't the client's. */
	return rc == -EOVERFLOW ? -EFAULT : rc;
}

long vfio_type1_map_begin(struct uiommu *ctx, struct uiommu_mm *mm, uint64_t arg,
			  struct vfio_type1_map *map)
{
	const uint32_t rights = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
	struct vfio_iommu_type1_dma_map *dma = &map->arg;
	uint64_t last;

	*map = (struct vfio_type1_map){.mm = mm};
	if (ui_copy_from_user(mm, dma, arg, sizeof(*dma)))
		return -EFAULT;
	if (dma->argsz < sizeof(*dma) || dma->flags & ~(rights | VFIO_DMA_MAP_FLAG_VADDR) ||
	    !dma->size)
		return -EINVAL;
	if (__builtin_add_overflow(dma->iova, dma->size - 1, &last) ||
	    __builtin_add_overflow(dma->vaddr, dma->size - 1, &last))
		return -EOVERFLOW;
	/* Either of the two, and not both. */
	if (!(dma->flags & rights) == !(dma->flags & VFIO_DMA_MAP_FLAG_VADDR) ||
	    (dma->size | dma->iova | dma->vaddr) % TYPE1_PAGE)
		return -EINVAL;
	if (dma->flags & rights)
		vfio_type1_find_bar(ctx, map);
	return 0;
}

long vfio_type1_map(struct vfio_type1 *type1, const struct vfio_type1_map *map)
{
	const struct vfio_iommu_type1_dma_map *dma = &map->arg;

	return dma->flags & VFIO_DMA_MAP_FLAG_VADDR ?
		       set_vaddr(type1, dma->iova, dma->iova + dma->size - 1) :
		       map_new(type1, map);
}

void vfio_type1_map_end(struct vfio_type1_map *map)
{
	if (map->bar && !UIOMMU_IS_ERR(map->bar))
		uiommu_mm_put(map->bar); /* its area has one of its own */
}

/* ---- UNMAP_DMA ---- */

/*
 * An unmap under way.
 *  bitmap	NULL: not asked for
 */
struct unmapping {
	uint64_t iova;
	uint64_t last;
	uint64_t unmapped;
	bool vaddr;
	const struct vfio_type1_bitmap *bitmap;
};

/* One map; bits that the client can't be told of leave it there. */
static int unmap_one(struct vfio_type1 *type1, const struct iopt_range *range,
		     const struct unmapping *u)
{
	uint64_t bytes;
	int rc = 0;

	if (u->bitmap)
		rc = vfio_type1_report_dirty(u->bitmap, range->start, range->last);
	if (!rc)
		rc = iopt_unmap(type1->iopt, range->start, range->last - range->start + 1, &bytes);
	if (rc)
		return rc;
	invalid_remove(type1, range->start, range->start + 1);
	type1->avail++;
	return 0;
}

/* All that is in the range, or none. */
static int give_up_one(struct vfio_type1 *type1, const struct iopt_range *range,
		       struct unmapping *u)
{
	int rc = invalid_has(type1, range->start) ? -EINVAL : invalid_add(type1, range->start);

	if (rc) {
		invalid_remove(type1, u->iova, range->start);
		u->unmapped = 0;
	}
	return rc;
}

static int unmap_range(struct vfio_type1 *type1, struct unmapping *u)
{
	struct iopt_range range;
	uint64_t pos = u->iova;
	int rc;

	while (iopt_next_area(type1->iopt, pos, &range) && range.start <= u->last) {
		if (!type1->v2 && range.start < u->iova)
			break;
		rc = u->vaddr ? give_up_one(type1, &range, u) : unmap_one(type1, &range, u);
		if (rc)
			return rc;
		u->unmapped += range.last - range.start + 1;
		if (range.last >= u->last)
			break;
		pos = range.last + 1;
	}
	return 0;
}

/* The range that is meant; -EINVAL, -EOVERFLOW. */
static int check_unmap(struct vfio_type1 *type1, const struct vfio_iommu_type1_dma_unmap *unmap,
		       struct unmapping *u)
{
	u->iova = unmap->iova;
	if (unmap->iova % TYPE1_PAGE)
		return -EINVAL;
	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		u->last = UINT64_MAX;
		return unmap->iova || unmap->size ? -EINVAL : 0;
	}
	if (!unmap->size || unmap->size % TYPE1_PAGE)
		return -EINVAL;
	if (__builtin_add_overflow(unmap->iova, unmap->size - 1, &u->last))
		return -EOVERFLOW;
	return 0;
}

/* The argument of the flag GET_DIRTY_BITMAP. */
static int get_unmap_bitmap(const struct vfio_iommu_type1_dma_unmap *unmap, struct uiommu_mm *mm,
			    uint64_t arg, struct vfio_bitmap *bitmap)
{
	const uint32_t alone = VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR;

	if (unmap->flags & alone || unmap->argsz < sizeof(*unmap) + sizeof(*bitmap))
		return -EINVAL;
	if (ui_copy_from_user(mm, bitmap, arg + sizeof(*unmap), sizeof(*bitmap)))
		return -EFAULT;
	return vfio_type1_check_bitmap(bitmap, unmap->size);
}

static long unmap_dma(struct vfio_type1 *type1, struct uiommu_mm *mm, uint64_t arg)
{
	const uint32_t known = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | VFIO_DMA_UNMAP_FLAG_ALL |
			       VFIO_DMA_UNMAP_FLAG_VADDR;
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_type1_bitmap dirty = {.mm = mm};
	struct vfio_bitmap bitmap = {.pgsize = 0};
	struct unmapping u = {.unmapped = 0};
	bool wants_bits;
	int rc = 0;

	if (ui_copy_from_user(mm, &unmap, arg, sizeof(unmap)))
		return -EFAULT;
	if (unmap.argsz < sizeof(unmap) || unmap.flags & ~known)
		return -EINVAL;
	wants_bits = unmap.flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	if (wants_bits)
		rc = get_unmap_bitmap(&unmap, mm, arg, &bitmap);
	if (!rc)
		rc = check_unmap(type1, &unmap, &u);
	if (rc)
		return rc;
	if (wants_bits && (!type1->tracking || bitmap.pgsize != TYPE1_PAGE))
		return -EINVAL;
	if (type1->v2 && !(unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) &&
	    vfio_type1_cuts(type1, u.iova, u.last))
		return -EINVAL;
	u.vaddr = unmap.flags & VFIO_DMA_UNMAP_FLAG_VADDR;
	if (wants_bits) {
		dirty.iova = u.iova;
		dirty.data = (uintptr_t)bitmap.data;
		u.bitmap = &dirty;
	}
	rc = unmap_range(type1, &u);
	if (rc)
		return rc;
	unmap.size = u.unmapped;
	return ui_copy_to_user(mm, arg, &unmap, sizeof(unmap));
}

long vfio_type1_ioctl(struct vfio_type1 *type1, struct uiommu_mm *mm, unsigned long request,
		      uint64_t arg)
{
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return get_info(type1, mm, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(type1, mm, arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return vfio_type1_dirty_pages(type1, mm, arg);
	default:
		return -ENOTTY;
	}
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/vfio_compat.c - /dev/iommu as a VFIO container: VFIO_IOAS and the old ioctls
 *
 * They are for one IOAS of the context, which VFIO_IOAS names, or the first group
 * that is attached makes.  Arguments have an argsz, not a size, and what is beyond
 * the known part isn't looked at.
 */
#include "iommufd/ioas.h"
#include "iommufd/iommufd.h"
#include "mm/inline.h"
#include "uapi/iommufd.h"
#include "uapi/vfio.h"

/* The part of a structure up to a member. */
#define SIZE_TO(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

/* A use, put by iommufd_put_object(); NULL: there is none. */
static struct iommufd_ioas *get_compat_ioas(struct iommufd_ctx *ictx)
{
	struct iommufd_object *obj;

	ui_mutex_lock(&ictx->lock);
	obj = ictx->vfio_ioas;
	if (obj)
		obj->users++;
	ui_mutex_unlock(&ictx->lock);
	return obj ? ui_container_of(obj, struct iommufd_ioas, obj) : NULL;
}

static void set_compat_ioas(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	ui_mutex_lock(&ictx->lock);
	/* The caller's use keeps it in the table; what takes it out clears this. */
	ictx->vfio_ioas = ioas ? &ioas->obj : NULL;
	ui_mutex_unlock(&ictx->lock);
}

int iommufd_compat_ioas_id(struct iommufd_ctx *ictx, uint32_t *id)
{
	int rc = -ENODEV;

	ui_mutex_lock(&ictx->lock);
	if (ictx->vfio_ioas) {
		*id = ictx->vfio_ioas->id;
		rc = 0;
	}
	ui_mutex_unlock(&ictx->lock);
	return rc;
}

/* It is as one that the client made: found by VFIO_IOAS, and destroyed by whoever wants. */
int iommufd_compat_ioas_create(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;
	bool first;

	ioas = iommufd_ioas_alloc(ictx);
	if (UIOMMU_IS_ERR(ioas))
		return (int)UIOMMU_PTR_ERR(ioas);
	ui_mutex_lock(&ictx->lock);
	first = !ictx->vfio_ioas;
	if (first)
		ictx->vfio_ioas = &ioas->obj;
	ui_mutex_unlock(&ictx->lock);
	if (first)
		iommufd_object_finalize(ictx, &ioas->obj);
	else
		iommufd_object_abort(ictx, &ioas->obj);
	return 0;
}

int iommufd_vfio_ioas(struct iommufd_ucmd *ucmd)
{
	struct iommu_vfio_ioas *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->op) {
	case IOMMU_VFIO_IOAS_GET:
		ioas = get_compat_ioas(ucmd->ictx);
		if (!ioas)
			return -ENODEV;
		cmd->ioas_id = ioas->obj.id;
		iommufd_put_object(ucmd->ictx, &ioas->obj);
		return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	case IOMMU_VFIO_IOAS_SET:
		ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
		if (!ioas)
			return -ENOENT;
		set_compat_ioas(ucmd->ictx, ioas);
		iommufd_put_object(ucmd->ictx, &ioas->obj);
		return 0;
	case IOMMU_VFIO_IOAS_CLEAR:
		set_compat_ioas(ucmd->ictx, NULL);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- what it can do ---- */

/* Does DMA ignore requests not to be coherent?  As long as nothing is attached. */
static long vfio_dma_cc(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas = get_compat_ioas(ictx);
	bool none;

	if (!ioas)
		return -ENODEV;
	ui_mutex_lock(&ictx->lock);
	none = cds_list_empty(&ioas->hwpts);
	ui_mutex_unlock(&ictx->lock);
	iommufd_put_object(ictx, &ioas->obj);
	return none;
}

static long vfio_check_extension(struct iommufd_ctx *ictx, uint64_t type)
{
	switch (type) {
	case VFIO_TYPE1_IOMMU:
	case VFIO_TYPE1v2_IOMMU:
	case VFIO_UNMAP_ALL:
		return 1;
	case VFIO_DMA_CC_IOMMU:
		return vfio_dma_cc(ictx);
	default:
		return 0;
	}
}

static long vfio_set_iommu(struct iommufd_ctx *ictx, uint64_t type)
{
	struct iommufd_ioas *ioas;
	int rc = 0;

	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return -EINVAL;
	ioas = get_compat_ioas(ictx);
	if (!ioas)
		return -ENODEV;
	/* The first type may unmap parts of a map; so no table entry is to span pages. */
	if (type == VFIO_TYPE1_IOMMU)
		rc = iopt_disable_large_pages(ioas->iopt);
	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

/* ---- GET_INFO ---- */

/*
 * Capabilities are written behind the structure, each where the one before ends, as long
 * as there is room; what they need in all is counted.
 *  room	of the caller, from arg on
 *  size	used, or needed, until now
 *  last	offset of the capability before; 0: there is none
 */
struct info_caps {
	struct uiommu_mm *mm;
	uint64_t arg;
	uint64_t room;
	uint64_t size;
	uint64_t last;
};

/* One of length bytes is about to be at caps->size: the one before leads to it. */
static int caps_link(const struct info_caps *caps)
{
	uint32_t next = (uint32_t)caps->size;

	if (!caps->last || caps->room < caps->size)
		return 0;
	return ui_copy_to_user(caps->mm,
			       caps->arg + caps->last + offsetof(struct vfio_info_cap_header, next),
			       &next, sizeof(next));
}

static uint64_t caps_room(const struct info_caps *caps)
{
	return caps->room > caps->size ? caps->room - caps->size : 0;
}

static void caps_done(struct info_caps *caps, uint64_t length)
{
	caps->last = caps->size;
	caps->size += (length + 7) & ~7ull;
}

static int caps_add_dma_avail(struct info_caps *caps)
{
	const struct vfio_iommu_type1_info_dma_avail cap = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1},
		.avail = UINT32_MAX,
	};

	if (caps_room(caps) >= sizeof(cap) &&
	    ui_copy_to_user(caps->mm, caps->arg + caps->size, &cap, sizeof(cap)))
		return -EFAULT;
	caps_done(caps, sizeof(cap));
	return 0;
}

static int caps_add_ranges(struct info_caps *caps, const struct iopt_range *ranges, size_t nr)
{
	const struct vfio_iommu_type1_info_cap_iova_range cap = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
		.nr_iovas = (uint32_t)nr,
	};
	uint64_t room = caps_room(caps), at = sizeof(cap);

	for (size_t i = 0; i < nr; i++, at += sizeof(struct vfio_iova_range)) {
		const struct vfio_iova_range range = {.start = ranges[i].start,
						      .end = ranges[i].last};

		if (room >= at + sizeof(range) &&
		    ui_copy_to_user(caps->mm, caps->arg + caps->size + at, &range, sizeof(range)))
			return -EFAULT;
	}
	if (room >= at && ui_copy_to_user(caps->mm, caps->arg + caps->size, &cap, sizeof(cap)))
		return -EFAULT;
	if (caps_link(caps))
		return -EFAULT;
	caps_done(caps, at);
	return 0;
}

static int caps_add_all(struct info_caps *caps, struct iommufd_ioas *ioas)
{
	struct iopt_range *ranges;
	size_t count;
	int rc;

	rc = iommufd_ioas_fetch_ranges(ioas, &ranges, &count);
	if (rc)
		return rc;
	rc = caps_add_dma_avail(caps);
	if (!rc)
		rc = caps_add_ranges(caps, ranges, count);
	ui_free(ranges);
	return rc;
}

static long vfio_get_info(struct iommufd_ctx *ictx, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_iommu_type1_info info = {0};
	size_t size = SIZE_TO(struct vfio_iommu_type1_info, iova_pgsizes);
	struct info_caps caps = {.mm = mm, .arg = arg, .size = sizeof(info)};
	struct iommufd_ioas *ioas;
	int rc;

	if (ui_copy_from_user(mm, &info, arg, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;
	size = info.argsz < sizeof(info) ? info.argsz : sizeof(info);
	caps.room = info.argsz;
	ioas = get_compat_ioas(ictx);
	if (!ioas)
		return -ENODEV;
	info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info.iova_pgsizes = iopt_pgsizes(ioas->iopt);
	rc = caps_add_all(&caps, ioas);
	if (!rc) {
		if (info.argsz >= caps.size)
			info.cap_offset = sizeof(info);
		info.argsz = (uint32_t)caps.size;
		rc = ui_copy_to_user(mm, arg, &info, size);
	}
	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

/* ---- MAP_DMA, UNMAP_DMA ---- */

static long vfio_map_dma(struct iommufd_ctx *ictx, struct uiommu_mm *mm, uint64_t arg)
{
	const size_t size = SIZE_TO(struct vfio_iommu_type1_dma_map, size);
	struct vfio_iommu_type1_dma_map map;
	struct iommufd_ioas *ioas;
	struct uiommu_mm *payer;
	uint32_t perm = 0;
	int rc;

	if (ui_copy_from_user(mm, &map, arg, size))
		return -EFAULT;
	if (map.argsz < size ||
	    map.flags & ~(uint32_t)(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE))
		return -EINVAL;
	if (map.flags & VFIO_DMA_MAP_FLAG_READ)
		perm |= UIOMMU_READ;
	if (map.flags & VFIO_DMA_MAP_FLAG_WRITE)
		perm |= UIOMMU_WRITE;
	ioas = get_compat_ioas(ictx);
	if (!ioas)
		return -ENODEV;
	payer = mm_with_account(mm, ui_load_relaxed(&ictx->account_mm));
	if (UIOMMU_IS_ERR(payer))
		rc = (int)UIOMMU_PTR_ERR(payer);
	else
		rc = iopt_map(ioas->iopt, payer, map.vaddr, map.size, perm, IOPT_FIXED, &map.iova);
	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

/* As the first type has it: what is cut by either end is split there before. */
static int vfio_cut(struct iopt *iopt, uint64_t iova, uint64_t size)
{
	const uint64_t ends[] = {iova + size - 1, iova - 1};

	return iopt_large_pages(iopt) ? 0 : iopt_cut(iopt, ends, iova ? 2 : 1);
}

static long vfio_unmap_dma(struct iommufd_ctx *ictx, struct uiommu_mm *mm, uint64_t arg)
{
	const size_t size = SIZE_TO(struct vfio_iommu_type1_dma_unmap, size);
	struct vfio_iommu_type1_dma_unmap unmap;
	struct iommufd_ioas *ioas;
	uint64_t unmapped = 0;
	int rc = -EINVAL;

	if (ui_copy_from_user(mm, &unmap, arg, size))
		return -EFAULT;
	if (unmap.argsz < size || unmap.flags & ~(uint32_t)VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	ioas = get_compat_ioas(ictx);
	if (!ioas)
		return -ENODEV;
	if (unmap.flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (unmap.iova || unmap.size)
			goto out_put;
		rc = iopt_unmap_all(ioas->iopt, &unmapped);
	} else {
		rc = vfio_cut(ioas->iopt, unmap.iova, unmap.size);
		if (rc)
			goto out_put;
		rc = iopt_unmap(ioas->iopt, unmap.iova, unmap.size, &unmapped);
	}
	/* How much is told in any case. */
	unmap.size = unmapped;
	if (ui_copy_to_user(mm, arg, &unmap, size))
		rc = -EFAULT;
out_put:
	iommufd_put_object(ictx, &ioas->obj);
	return rc;
}

long iommufd_vfio_ioctl(struct iommufd_ctx *ictx, struct uiommu_mm *mm, unsigned long request,
			uint64_t arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return vfio_check_extension(ictx, arg);
	case VFIO_SET_IOMMU:
		return vfio_set_iommu(ictx, arg);
	case VFIO_IOMMU_GET_INFO:
		return vfio_get_info(ictx, mm, arg);
	case VFIO_IOMMU_MAP_DMA:
		return vfio_map_dma(ictx, mm, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return vfio_unmap_dma(ictx, mm, arg);
	default:
		return -ENOTTY;
	}
}

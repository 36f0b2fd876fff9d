/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/ioas.h - an I/O address space as an object
 */
#ifndef UI_IOMMUFD_IOAS_H
#define UI_IOMMUFD_IOAS_H

#include <urcu/list.h>

#include "iommufd/object.h"
#include "iopt/iopt.h"

/*
 * Users: each hwpt on it, from its making to its destruction; each access that
 *	is attached to it.
 *  iopt	immutable; has its own locks
 *  lock	held while an automatic hwpt is looked for or made, so that two
 *		devices that attach at once share one
 *  hwpts	ictx->lock
 */
struct iommufd_ioas {
	struct iommufd_object obj;
	struct iopt *iopt;
	struct ui_mutex lock;
	struct cds_list_head hwpts;
};

extern const struct iommufd_object_ops iommufd_ioas_ops;

/* A use, put by iommufd_put_object(). */
struct iommufd_ioas *iommufd_get_ioas(struct iommufd_ctx *ictx, uint32_t id);

/* Not yet to be found: followed by finalize or abort.  ERR_PTR: -ENOMEM, -ENOSPC. */
struct iommufd_ioas *iommufd_ioas_alloc(struct iommufd_ctx *ictx);

/* All usable ranges, in memory from ui_zalloc(): the caller frees it.  -ENOMEM. */
int iommufd_ioas_fetch_ranges(struct iommufd_ioas *ioas, struct iopt_range **ranges, size_t *count);

int iommufd_ioas_alloc_ioctl(struct iommufd_ucmd *ucmd);
int iommufd_ioas_allow_iovas(struct iommufd_ucmd *ucmd);
int iommufd_ioas_change_process(struct iommufd_ucmd *ucmd);
int iommufd_ioas_copy(struct iommufd_ucmd *ucmd);
int iommufd_ioas_iova_ranges(struct iommufd_ucmd *ucmd);
int iommufd_ioas_map(struct iommufd_ucmd *ucmd);
int iommufd_ioas_map_file(struct iommufd_ucmd *ucmd);
int iommufd_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd);
int iommufd_ioas_unmap(struct iommufd_ucmd *ucmd);
int iommufd_option(struct iommufd_ucmd *ucmd);

/* ---- vfio_compat.c ---- */

int iommufd_vfio_ioas(struct iommufd_ucmd *ucmd);
/* The ioctls of a VFIO container; -ENOTTY: not one of them. */
long iommufd_vfio_ioctl(struct iommufd_ctx *ictx, struct uiommu_mm *mm, unsigned long request,
			uint64_t arg);

#endif /* UI_IOMMUFD_IOAS_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/hwpt.h - hardware page tables: what devices are attached to
 *
 * A paging hwpt is a domain on an IOAS.  An automatic one is made when a device
 * is attached to the IOAS itself, and goes with its last attachment.
 */
#ifndef UI_IOMMUFD_HWPT_H
#define UI_IOMMUFD_HWPT_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "iommufd/object.h"

struct iommufd_device;
struct iommufd_fault;
struct iommufd_ioas;

/*
 * Users: each device that is attached to it.
 *
 * The memory is the domain's: it stays until the last attach handle that was
 * used with it is released, which a fault that is still on its way may delay
 * beyond the object's destruction.  What such a fault may touch is the queue,
 * of which the domain has a memory reference for that reason; not the IOAS,
 * since DMA ended before the detach returned.
 *
 *  ioas, fault, nest_parent, pasid_compat	immutable once found or attached;
 *		a use of each from making to destruction
 *  on_iopt	the maker's, then the destroyer's
 *  node	ictx->lock, in ioas->hwpts
 */
struct iommufd_hwpt {
	struct iommufd_object obj;
	struct uiommu_domain domain;
	struct iommufd_ioas *ioas;
	struct iommufd_fault *fault;
	bool nest_parent;
	bool pasid_compat;
	bool on_iopt;
	struct cds_list_head node;
};

extern const struct iommufd_object_ops iommufd_hwpt_ops;

static inline struct iommufd_hwpt *iommufd_hwpt_of(struct iommufd_object *obj)
{
	return ui_container_of(obj, struct iommufd_hwpt, obj);
}

/*
 * A hwpt on an IOAS that the caller uses, with the flags of HWPT_ALLOC, not yet
 * to be found, and not yet on the IOAS's iopt.  ERR_PTR: -EOPNOTSUPP, -ENOMEM.
 * Followed by finalize or abort of its object.
 */
struct iommufd_hwpt *iommufd_hwpt_alloc_paging(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
					       uint32_t flags);
/* The second half: what is mapped there must suit the domain; as iopt_add_domain(). */
int iommufd_hwpt_join(struct iommufd_hwpt *hwpt);

int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_HWPT_H */

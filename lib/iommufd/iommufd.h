/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/iommufd.h - what vfio needs of iommufd (the kernel's linux/iommufd.h)
 */
#ifndef UI_IOMMUFD_IOMMUFD_H
#define UI_IOMMUFD_IOMMUFD_H

#include <uiommu/file.h>
#include <uiommu/iommu.h>

struct iommufd_ctx;
struct iommufd_device;

/* Registers /dev/iommu.  -ENOMEM. */
int iommufd_init(struct uiommu *ctx);
void iommufd_exit(struct uiommu *ctx);

/*
 * The context behind an open /dev/iommu; NULL: that file is something else.
 * Takes a reference (of the context: it outlives the descriptor while devices
 * are bound), put by iommufd_ctx_put().
 */
struct iommufd_ctx *iommufd_ctx_from_file(struct uiommu_file *file);
void iommufd_ctx_put(struct iommufd_ctx *ictx);

/*
 * The bound device holds the context.  Return: ERR_PTR -EPERM: its group belongs
 * to another context; -EBUSY: it is bound already, or its group has a domain
 * that isn't iommufd's; -ENOMEM.  *id is its object ID.
 */
struct iommufd_device *iommufd_device_bind(struct iommufd_ctx *ictx, struct uiommu_device *dev,
					   uint32_t *id);
/* Detached before. */
void iommufd_device_unbind(struct iommufd_device *idev);

/*
 * *pt_id names an IOAS or a hwpt; becomes the ID of the hwpt.
 * attach: the slot is empty (-EBUSY); replace: it is not (-EINVAL).  Others:
 * -ENOENT: no such object; -EINVAL: neither IOAS nor hwpt, another than the
 * rest of the group has, a hwpt that wasn't made for PASIDs where one is in
 * use, or a PASID that the device hasn't; -ENODEV: a fault queue, and no page
 * requests; -EADDRINUSE: something is mapped where it can't be; -ENOMEM.
 *
 * The caller makes sure that calls for one device don't overlap its unbind.
 */
int iommufd_device_attach(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id);
int iommufd_device_replace(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id);
/* Detach of nothing is silent. */
void iommufd_device_detach(struct iommufd_device *idev, uint32_t pasid);
uint32_t iommufd_device_to_id(const struct iommufd_device *idev);
/* That it was bound to; borrowed. */
struct iommufd_ctx *iommufd_device_ctx(const struct iommufd_device *idev);

/* The context that devices of the group are bound to, only to be compared, or NULL. */
const struct iommufd_ctx *iommufd_group_owner(struct uiommu *ctx, const struct uiommu_group *group);

/*
 * The IOAS that a container's ioctls are for.  create: there is one from now on (-ENOMEM,
 * -ENOSPC); id: which (-ENODEV: there is none).
 */
int iommufd_compat_ioas_create(struct iommufd_ctx *ictx);
int iommufd_compat_ioas_id(struct iommufd_ctx *ictx, uint32_t *id);

#endif /* UI_IOMMUFD_IOMMUFD_H */

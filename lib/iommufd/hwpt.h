/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/hwpt.h - hardware page tables: what devices are attached to
 *
 * A paging hwpt is a domain on an IOAS.  An automatic one is made when a device
 * is attached to the IOAS itself, and goes with its last attachment.  A nested
 * one is a guest's table, over a paging parent or over a viommu's.
 */
#ifndef UI_IOMMUFD_HWPT_H
#define UI_IOMMUFD_HWPT_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "iommufd/driver.h"
#include "iommufd/object.h"
#include "iopt/dirty.h"

struct iommufd_device;
struct iommufd_fault;
struct iommufd_ioas;
struct iommufd_viommu;

/*
 * Users: each device that is attached to it; of a parent each nested hwpt
 * and each viommu on it.
 *
 * The memory is the domain's: it stays until the last attach handle that was
 * used with it is released, which a fault that is still on its way may delay
 * beyond the object's destruction.  What such a fault may touch is the queue,
 * of which the domain has a memory reference for that reason; not the IOAS,
 * since DMA ended before the detach returned.
 *
 *  driver, geometry, nest_parent, has_dirty, pasid_compat	immutable once
 *		found or attached
 *  fault	as these; a use from making to destruction
 *  ioas	as these; a paging one has a use, a nested one its parent's
 *  parent, viommu	as these; NULL: it is paging, and it isn't on a viommu.
 *		A use of the viommu if there is one, else of the parent
 *  driver_data	the driver's
 *  dirty	own rules
 *  on_iopt	the maker's, then the destroyer's
 *  node	ictx->lock, in ioas->hwpts; a nested one is in no list
 */
struct iommufd_hwpt {
	struct iommufd_object obj;
	struct uiommu_domain domain;
	const struct iommufd_driver *driver;
	void *driver_data;
	struct iommufd_geometry geometry;
	struct iommufd_ioas *ioas;
	struct iommufd_fault *fault;
	struct iommufd_hwpt *parent;
	struct iommufd_viommu *viommu;
	bool nest_parent;
	bool has_dirty;
	bool pasid_compat;
	bool on_iopt;
	struct iopt_dirty dirty;
	struct cds_list_head node;
};

/* Of paging ones, and of nested ones. */
extern const struct iommufd_object_ops iommufd_hwpt_ops;
extern const struct iommufd_object_ops iommufd_hwpt_nested_ops;

static inline struct iommufd_hwpt *iommufd_hwpt_of(struct iommufd_object *obj)
{
	return ui_container_of(obj, struct iommufd_hwpt, obj);
}

static inline bool iommufd_hwpt_is(const struct iommufd_object *obj)
{
	return obj->ops == &iommufd_hwpt_ops || obj->ops == &iommufd_hwpt_nested_ops;
}

/*
 * A paging hwpt for @idev on an IOAS that the caller uses, with the flags of
 * HWPT_ALLOC and the driver's data or NULL, not yet to be found, and not yet on
 * the IOAS's iopt.  ERR_PTR: -EOPNOTSUPP, -ENOMEM, or what the driver says.
 * Followed by finalize or abort of its object.
 */
struct iommufd_hwpt *iommufd_hwpt_alloc_paging(struct iommufd_device *idev,
					       struct iommufd_ioas *ioas, uint32_t flags,
					       const struct iommufd_user_data *data);
/* The second half: what is mapped there must suit the domain; as iopt_add_domain(). */
int iommufd_hwpt_join(struct iommufd_hwpt *hwpt);

int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_set_dirty_tracking(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_get_dirty_bitmap(struct iommufd_ucmd *ucmd);
int iommufd_hwpt_invalidate(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_HWPT_H */

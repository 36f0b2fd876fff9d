/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/attach.h - what is attached to a (group, PASID), and by which devices
 *
 * The devices of a group are attached one by one, but their IOMMU switches them
 * together: the first puts the domain into the slot, others must name the same
 * hwpt and are only written down, and when the last is detached the slot
 * becomes empty.  The slot's attach handle, embedded here, is how an attachment
 * is found again; it is ours if the look-up by our cookie finds it.
 */
#ifndef UI_IOMMUFD_ATTACH_H
#define UI_IOMMUFD_ATTACH_H

#include <uiommu/iommu.h>

/*
 * Made for each attach and each replace, freed by the handle's release.
 *  handle	core's
 *  dev_id	immutable: the device that attached; named in page faults
 *  attach	igroup->lock, while attached; the next handle's after a replace
 */
struct iommufd_attach_handle {
	struct uiommu_attach_handle handle;
	uint32_t dev_id;
	struct iommufd_attach *attach;
};

/* Of a handle that our cookie, or the routing to one of our domains, has proved ours. */
uint32_t iommufd_handle_device_id(struct uiommu_attach_handle *handle);

#endif /* UI_IOMMUFD_ATTACH_H */

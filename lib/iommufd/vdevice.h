/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/vdevice.h - a device as a guest knows it
 */
#ifndef UI_IOMMUFD_VDEVICE_H
#define UI_IOMMUFD_VDEVICE_H

#include <urcu/list.h>

#include "iommufd/object.h"

struct iommufd_device;
struct iommufd_viommu;

/*
 * A use of the viommu; the device isn't used but owns the vdevice: when it is
 * unbound the vdevice goes, and its ID stays dead until the context ends.
 *  viommu, idev, virt_id	immutable
 *  driver_data			the driver's
 *  node			viommu->lock, in viommu->vdevs
 *  published			viommu->lock; the driver has accepted it
 *  initialised			igroup->lock
 */
struct iommufd_vdevice {
	struct iommufd_object obj;
	struct iommufd_viommu *viommu;
	struct iommufd_device *idev;
	uint64_t virt_id;
	void *driver_data;
	struct cds_list_head node;
	bool published;
	bool initialised;
};

extern const struct iommufd_object_ops iommufd_vdevice_ops;

int iommufd_vdevice_alloc_ioctl(struct iommufd_ucmd *ucmd);
/* The device is being unbound: it can get none any more, and its own is gone. */
void iommufd_vdevice_unbind(struct iommufd_device *idev);

#endif /* UI_IOMMUFD_VDEVICE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/hw_queue.h - a guest's queue that hardware reads by itself
 */
#ifndef UI_IOMMUFD_HW_QUEUE_H
#define UI_IOMMUFD_HW_QUEUE_H

#include "iommufd/object.h"

struct iommufd_viommu;
struct uiommu_access;

/*
 * Users: queues of the same viommu that depend on it.
 *  viommu, type, base_addr, length	immutable; a use of the viommu
 *  base_va	immutable: where base_addr is, in the memory of whoever mapped it
 *  pin		immutable: what keeps it mapped
 *  driver_data	the driver's
 */
struct iommufd_hw_queue {
	struct iommufd_object obj;
	struct iommufd_viommu *viommu;
	void *driver_data;
	uint64_t base_addr;
	uint64_t base_va;
	uint64_t length;
	uint32_t type;
	bool initialised;
	struct uiommu_access *pin;
};

extern const struct iommufd_object_ops iommufd_hw_queue_ops;

int iommufd_hw_queue_alloc_ioctl(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_HW_QUEUE_H */

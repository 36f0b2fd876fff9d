/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/viommu.h - a guest's share of an IOMMU, its devices and its queues
 */
#ifndef UI_IOMMUFD_VIOMMU_H
#define UI_IOMMUFD_VIOMMU_H

#include <urcu/list.h>

#include "iommufd/driver.h"
#include "iommufd/object.h"

/*
 * Users: each vdevice, veventq, hw_queue and nested hwpt on it, each mapping of
 * its memory.
 *
 * Locks: eventqs_lock -> queue->lock; lock is innermost, like ictx->lock.
 *  ictx, driver, type	immutable
 *  ops			set by viommu_init, then immutable
 *  hwpt		immutable: the parent, with a use
 *  driver_data		the driver's
 *  lock, vdevs		lock; by virt_id no two are the same
 *  eventqs_lock, eventqs	eventqs_lock; no two of a type
 */
struct iommufd_viommu {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	const struct iommufd_driver *driver;
	const struct iommufd_viommu_ops *ops;
	struct iommufd_hwpt *hwpt;
	void *driver_data;
	uint32_t type;
	struct ui_mutex lock;
	struct cds_list_head vdevs;
	struct ui_mutex eventqs_lock;
	struct cds_list_head eventqs;
};

extern const struct iommufd_object_ops iommufd_viommu_object_ops;

/* A use, put by iommufd_put_object(); NULL: no such viommu. */
struct iommufd_viommu *iommufd_get_viommu(struct iommufd_ctx *ictx, uint32_t id);

int iommufd_viommu_alloc_ioctl(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_VIOMMU_H */

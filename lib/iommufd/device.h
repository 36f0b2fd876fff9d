/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/device.h - bound devices and their groups
 */
#ifndef UI_IOMMUFD_DEVICE_H
#define UI_IOMMUFD_DEVICE_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "iommufd/driver.h"
#include "iommufd/object.h"

struct iommufd_attach;
struct iommufd_vdevice;

/*
 * A group of devices of which at least one is bound; it belongs to the context
 * that bound the first, alone.
 *  ictx, group		immutable
 *  node, devices	groups->lock
 *  lock		what is attached: see iommufd/attach.h
 *  rid			lock; what is attached to requests without a PASID, or NULL
 *  nr_pasids		lock; PASIDs that something is attached to
 */
struct iommufd_group {
	struct iommufd_ctx *ictx;
	struct uiommu_group *group;
	struct cds_list_head node;
	struct cds_list_head devices;
	struct ui_mutex lock;
	struct iommufd_attach *rid;
	unsigned int nr_pasids;
};

/*
 * The groups of an instance, of all its contexts.
 *  list	lock
 *  spare	atomic; memory of an attach handle that was released, or 0
 */
struct iommufd_groups {
	struct ui_mutex lock;
	struct cds_list_head list;
	uint64_t spare;
};

/*
 * Users: the binding itself, and its vdevice.  Attachments don't count: they end
 * before it.
 *  ictx, dev, driver, igroup	immutable
 *  vdev, unbinding	igroup->lock; at most one, and none any more
 *  node		groups->lock, in igroup->devices
 */
struct iommufd_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct uiommu_device *dev;
	const struct iommufd_driver *driver;
	struct iommufd_group *igroup;
	struct iommufd_vdevice *vdev;
	bool unbinding;
	struct cds_list_head node;
};

extern const struct iommufd_object_ops iommufd_device_ops;

void iommufd_groups_init(struct iommufd_groups *groups);
void iommufd_groups_destroy(struct iommufd_groups *groups);
struct iommufd_groups *iommufd_groups_of(struct uiommu *ctx);

bool iommufd_device_capable(const struct iommufd_device *idev, enum iommufd_cap cap);

int iommufd_get_hw_info(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_DEVICE_H */

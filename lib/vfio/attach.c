// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/attach.c - what an iommufd attached to a device
 *
 * It is remembered, for attaching again means replacing, and closing undoes all of it.
 */
#include <errno.h>
#include <limits.h>

#include "vfio/vfio.h"

static struct vfio_pasid *find_pasid(struct vfio_device *vdev, uint32_t pasid)
{
	struct vfio_pasid *p;

	cds_list_for_each_entry(p, &vdev->pasids, node) {
		if (p->pasid == pasid)
			return p;
	}
	return NULL;
}

static int attach_pasid_locked(struct vfio_device *vdev, uint32_t pasid, uint32_t *pt_id)
{
	struct vfio_pasid *p;
	int rc;

	if (find_pasid(vdev, pasid))
		return iommufd_device_replace(vdev->idev, pasid, pt_id);
	if (pasid > INT_MAX)
		return -ENOSPC;
	p = ui_zalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rc = iommufd_device_attach(vdev->idev, pasid, pt_id);
	if (rc) {
		ui_free(p);
		return rc;
	}
	p->pasid = pasid;
	cds_list_add_tail(&p->node, &vdev->pasids);
	return 0;
}

static void detach_pasid_locked(struct vfio_device *vdev, struct vfio_pasid *p)
{
	iommufd_device_detach(vdev->idev, p->pasid);
	cds_list_del(&p->node);
	ui_free(p);
}

static int attach_rid_locked(struct vfio_device *vdev, uint32_t *pt_id)
{
	int rc;

	if (vdev->attached)
		return iommufd_device_replace(vdev->idev, UIOMMU_NO_PASID, pt_id);
	rc = iommufd_device_attach(vdev->idev, UIOMMU_NO_PASID, pt_id);
	if (!rc)
		vdev->attached = true;
	return rc;
}

static void detach_rid_locked(struct vfio_device *vdev)
{
	if (!vdev->attached)
		return;
	vdev->attached = false;
	iommufd_device_detach(vdev->idev, UIOMMU_NO_PASID);
}

int vfio_attach_locked(struct vfio_device *vdev, uint32_t pasid, uint32_t *pt_id)
{
	ui_mutex_assert_held(&vdev->lock);
	return pasid ? attach_pasid_locked(vdev, pasid, pt_id) : attach_rid_locked(vdev, pt_id);
}

void vfio_detach_locked(struct vfio_device *vdev, uint32_t pasid)
{
	struct vfio_pasid *p = pasid ? find_pasid(vdev, pasid) : NULL;

	ui_mutex_assert_held(&vdev->lock);
	if (p)
		detach_pasid_locked(vdev, p);
	else if (!pasid)
		detach_rid_locked(vdev);
}

void vfio_detach_all_locked(struct vfio_device *vdev)
{
	struct vfio_pasid *p, *next;

	cds_list_for_each_entry_safe(p, next, &vdev->pasids, node)
		detach_pasid_locked(vdev, p);
	detach_rid_locked(vdev);
}

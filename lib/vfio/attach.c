// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/attach.c - what an iommufd attached to a device
 *
 * It is remembered, for attaching again means replacing, and closing undoes all of it.  What was
 * attached without a PASID and what was attached "to PASID 0" are the same slot, but two
 * things to remember.
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

int vfio_attach_pasid_locked(struct vfio_device *vdev, uint32_t pasid, uint32_t *pt_id)
{
	struct vfio_pasid *p;
	int rc;

	ui_mutex_assert_held(&vdev->lock);
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

static void detach_one_locked(struct vfio_device *vdev, struct vfio_pasid *p)
{
	iommufd_device_detach(vdev->idev, p->pasid);
	cds_list_del(&p->node);
	ui_free(p);
}

void vfio_detach_pasid_locked(struct vfio_device *vdev, uint32_t pasid)
{
	struct vfio_pasid *p = find_pasid(vdev, pasid);

	ui_mutex_assert_held(&vdev->lock);
	if (p)
		detach_one_locked(vdev, p);
}

int vfio_attach_locked(struct vfio_device *vdev, uint32_t *pt_id)
{
	int rc;

	ui_mutex_assert_held(&vdev->lock);
	if (vdev->attached)
		return iommufd_device_replace(vdev->idev, UIOMMU_NO_PASID, pt_id);
	rc = iommufd_device_attach(vdev->idev, UIOMMU_NO_PASID, pt_id);
	if (!rc)
		vdev->attached = true;
	return rc;
}

void vfio_detach_locked(struct vfio_device *vdev)
{
	ui_mutex_assert_held(&vdev->lock);
	if (!vdev->attached)
		return;
	vdev->attached = false;
	iommufd_device_detach(vdev->idev, UIOMMU_NO_PASID);
}

void vfio_detach_all_locked(struct vfio_device *vdev)
{
	struct vfio_pasid *p, *next;

	cds_list_for_each_entry_safe(p, next, &vdev->pasids, node)
		detach_one_locked(vdev, p);
	vfio_detach_locked(vdev);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/vdevice.c - VDEVICE_ALLOC: the number by which a guest names a device
 *
 * A vdevice uses its viommu and its device, but the device doesn't wait for it:
 * when it is unbound, the vdevice is destroyed then and there.
 */
#include "iommufd/vdevice.h"

#include "iommufd/device.h"
#include "iommufd/viommu.h"
#include "uapi/iommufd.h"

/* ---- the numbers of a viommu ---- */

void iommufd_viommu_lock_vdevs(struct iommufd_viommu *viommu)
{
	ui_mutex_lock(&viommu->lock);
}

void iommufd_viommu_unlock_vdevs(struct iommufd_viommu *viommu)
{
	ui_mutex_unlock(&viommu->lock);
}

static struct iommufd_vdevice *find_locked(struct iommufd_viommu *viommu, uint64_t virt_id)
{
	struct iommufd_vdevice *vdev;

	ui_mutex_assert_held(&viommu->lock);
	cds_list_for_each_entry(vdev, &viommu->vdevs, node)
		if (vdev->virt_id == virt_id)
			return vdev;
	return NULL;
}

struct uiommu_device *iommufd_viommu_find_dev(struct iommufd_viommu *viommu, uint64_t virt_id)
{
	struct iommufd_vdevice *vdev = find_locked(viommu, virt_id);

	return vdev && vdev->published ? vdev->idev->dev : NULL;
}

int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu, const struct uiommu_device *dev,
			       uint64_t *virt_id)
{
	struct iommufd_vdevice *vdev;
	int rc = -ENOENT;

	ui_mutex_lock(&viommu->lock);
	cds_list_for_each_entry(vdev, &viommu->vdevs, node) {
		if (vdev->published && vdev->idev->dev == dev) {
			*virt_id = vdev->virt_id;
			rc = 0;
			break;
		}
	}
	ui_mutex_unlock(&viommu->lock);
	return rc;
}

/* From here on the number is taken, but names nothing yet. */
static int reserve_id(struct iommufd_viommu *viommu, struct iommufd_vdevice *vdev)
{
	int rc = 0;

	ui_mutex_lock(&viommu->lock);
	if (find_locked(viommu, vdev->virt_id))
		rc = -EEXIST;
	else
		cds_list_add(&vdev->node, &viommu->vdevs);
	ui_mutex_unlock(&viommu->lock);
	return rc;
}

static void publish(struct iommufd_vdevice *vdev, bool published)
{
	ui_mutex_lock(&vdev->viommu->lock);
	vdev->published = published;
	ui_mutex_unlock(&vdev->viommu->lock);
}

/* ---- the object ---- */

/* Needs igroup->lock.  The uses are the caller's to put. */
static void teardown_locked(struct iommufd_vdevice *vdev)
{
	struct iommufd_viommu *viommu = vdev->viommu;

	ui_mutex_assert_held(&vdev->idev->igroup->lock);
	publish(vdev, false);
	if (vdev->initialised && viommu->ops->vdevice_destroy)
		viommu->ops->vdevice_destroy(vdev);
	ui_mutex_lock(&viommu->lock);
	cds_list_del(&vdev->node);
	ui_mutex_unlock(&viommu->lock);
	vdev->idev->vdev = NULL;
}

static void vdevice_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_vdevice *vdev = ui_container_of(obj, struct iommufd_vdevice, obj);
	struct iommufd_viommu *viommu = vdev->viommu;
	struct iommufd_device *idev = vdev->idev;

	ui_mutex_lock(&idev->igroup->lock);
	teardown_locked(vdev);
	ui_mutex_unlock(&idev->igroup->lock);
	ui_free(vdev);
	iommufd_put_object(ictx, &viommu->obj);
	/* An unbind may wait for this one. */
	iommufd_put_object(ictx, &idev->obj);
}

const struct iommufd_object_ops iommufd_vdevice_ops = {
	.name = "VDEVICE",
	.destroy = vdevice_destroy,
};

/* ---- VDEVICE_ALLOC ---- */

static struct iommufd_vdevice *alloc_locked(struct iommufd_viommu *viommu,
					    struct iommufd_device *idev, uint64_t virt_id)
{
	struct iommufd_vdevice *vdev = ui_zalloc(sizeof(*vdev));
	int rc;

	if (!vdev)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(idev->ictx, &vdev->obj, &iommufd_vdevice_ops);
	if (rc) {
		ui_free(vdev);
		return UIOMMU_ERR_PTR(rc);
	}
	/* Both are put by vdevice_destroy(). */
	iommufd_use_object(idev->ictx, &viommu->obj);
	iommufd_use_object(idev->ictx, &idev->obj);
	vdev->viommu = viommu;
	vdev->idev = idev;
	vdev->virt_id = virt_id;
	CDS_INIT_LIST_HEAD(&vdev->node);
	idev->vdev = vdev;
	return vdev;
}

/* The device's driver has a say; then it can be found by its number. */
static int init_locked(struct iommufd_viommu *viommu, struct iommufd_vdevice *vdev)
{
	int rc = reserve_id(viommu, vdev);

	if (rc)
		return rc;
	if (viommu->ops->vdevice_init)
		rc = viommu->ops->vdevice_init(vdev);
	if (rc)
		return rc;
	vdev->initialised = true;
	publish(vdev, true);
	return 0;
}

/*
 * Finalizes the object here, where an unbind can't be: it must not meet one that is
 * neither found by its ID nor gone.  An object to be aborted is left in new_obj.
 */
static int vdevice_alloc_locked(struct iommufd_ucmd *ucmd, struct iommufd_viommu *viommu,
				struct iommufd_device *idev)
{
	struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	struct iommufd_vdevice *vdev;
	int rc;

	if (idev->unbinding)
		return -ENOENT;
	if (idev->vdev)
		return -EEXIST;
	vdev = alloc_locked(viommu, idev, cmd->virt_id);
	if (UIOMMU_IS_ERR(vdev))
		return (int)UIOMMU_PTR_ERR(vdev);
	rc = init_locked(viommu, vdev);
	if (!rc) {
		cmd->out_vdevice_id = vdev->obj.id;
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	}
	if (rc)
		ucmd->new_obj = &vdev->obj;
	else
		iommufd_object_finalize(ucmd->ictx, &vdev->obj);
	return rc;
}

int iommufd_vdevice_alloc_ioctl(struct iommufd_ucmd *ucmd)
{
	const struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	struct iommufd_viommu *viommu;
	struct iommufd_object *dev;
	struct iommufd_device *idev;
	int rc = -ENOENT;

	viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (!viommu)
		return -ENOENT;
	dev = iommufd_get_object(ucmd->ictx, cmd->dev_id, &iommufd_device_ops);
	if (!dev)
		goto out_put_viommu;
	idev = ui_container_of(dev, struct iommufd_device, obj);
	rc = -EINVAL;
	if (viommu->driver != idev->driver)
		goto out_put_dev;
	ui_mutex_lock(&idev->igroup->lock);
	rc = vdevice_alloc_locked(ucmd, viommu, idev);
	ui_mutex_unlock(&idev->igroup->lock);
out_put_dev:
	iommufd_put_object(ucmd->ictx, dev);
out_put_viommu:
	iommufd_put_object(ucmd->ictx, &viommu->obj);
	return rc;
}

void iommufd_vdevice_unbind(struct iommufd_device *idev)
{
	struct iommufd_object *obj = NULL;

	ui_mutex_lock(&idev->igroup->lock);
	idev->unbinding = true;
	if (idev->vdev)
		obj = iommufd_find_object(idev->ictx, idev->vdev->obj.id, &iommufd_vdevice_ops);
	if (obj && obj != &idev->vdev->obj) {
		/* Ours is just being destroyed, and its ID another's already. */
		iommufd_put_object(idev->ictx, obj);
		obj = NULL;
	}
	ui_mutex_unlock(&idev->igroup->lock);
	if (obj)
		iommufd_object_destroy_tombstone(idev->ictx, obj);
}

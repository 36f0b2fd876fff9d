// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/viommu.c - VIOMMU_ALLOC
 */
#include "iommufd/viommu.h"

#include "iommufd/device.h"
#include "iommufd/hwpt.h"
#include "uapi/iommufd.h"

static void viommu_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_viommu *viommu = ui_container_of(obj, struct iommufd_viommu, obj);

	/* Nothing is on it any more.  Without ops its driver hasn't accepted it. */
	if (viommu->ops && viommu->ops->destroy)
		viommu->ops->destroy(viommu);
	iommufd_put_object(ictx, &viommu->hwpt->obj);
	ui_mutex_destroy(&viommu->eventqs_lock);
	ui_mutex_destroy(&viommu->lock);
	ui_free(viommu);
}

const struct iommufd_object_ops iommufd_viommu_object_ops = {
	.name = "VIOMMU",
	.destroy = viommu_destroy,
};

struct iommufd_viommu *iommufd_get_viommu(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_get_object(ictx, id, &iommufd_viommu_object_ops);

	return obj ? ui_container_of(obj, struct iommufd_viommu, obj) : NULL;
}

static struct iommufd_viommu *alloc_object(struct iommufd_device *idev, struct iommufd_hwpt *hwpt,
					   uint32_t type)
{
	struct iommufd_viommu *viommu = ui_zalloc(sizeof(*viommu));
	int rc;

	if (!viommu)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(idev->ictx, &viommu->obj, &iommufd_viommu_object_ops);
	if (rc) {
		ui_free(viommu);
		return UIOMMU_ERR_PTR(rc);
	}
	viommu->ictx = idev->ictx;
	viommu->driver = idev->driver;
	viommu->type = type;
	viommu->hwpt = hwpt;
	/* Put by viommu_destroy(). */
	iommufd_use_object(idev->ictx, &hwpt->obj);
	ui_mutex_init(&viommu->lock);
	CDS_INIT_LIST_HEAD(&viommu->vdevs);
	ui_mutex_init(&viommu->eventqs_lock);
	CDS_INIT_LIST_HEAD(&viommu->eventqs);
	return viommu;
}

/* With a parent that the caller uses. */
static int alloc_on_hwpt(struct iommufd_ucmd *ucmd, struct iommufd_device *idev,
			 struct iommufd_hwpt *hwpt)
{
	struct iommu_viommu_alloc *cmd = ucmd->cmd;
	const struct iommufd_user_data data = {
		.mm = ucmd->mm,
		.uptr = cmd->data_uptr,
		.type = cmd->type,
		.len = cmd->data_len,
	};
	struct iommufd_viommu *viommu;
	int rc;

	if (!hwpt->nest_parent)
		return -EINVAL;
	viommu = alloc_object(idev, hwpt, cmd->type);
	if (UIOMMU_IS_ERR(viommu))
		return (int)UIOMMU_PTR_ERR(viommu);
	ucmd->new_obj = &viommu->obj;
	rc = idev->driver->viommu_init(viommu, idev->dev, data.len ? &data : NULL);
	if (rc) {
		viommu->ops = NULL;
		return rc;
	}
	cmd->out_viommu_id = viommu->obj.id;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

int iommufd_viommu_alloc_ioctl(struct iommufd_ucmd *ucmd)
{
	const struct iommu_viommu_alloc *cmd = ucmd->cmd;
	struct iommufd_object *dev, *hwpt;
	struct iommufd_device *idev;
	int rc = -EOPNOTSUPP;

	if (cmd->flags || cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	dev = iommufd_get_object(ucmd->ictx, cmd->dev_id, &iommufd_device_ops);
	if (!dev)
		return -ENOENT;
	idev = ui_container_of(dev, struct iommufd_device, obj);
	if (!idev->driver->viommu_supported ||
	    !idev->driver->viommu_supported(idev->dev, cmd->type))
		goto out_put_dev;
	hwpt = iommufd_get_object(ucmd->ictx, cmd->hwpt_id, &iommufd_hwpt_ops);
	if (!hwpt) {
		rc = -ENOENT;
		goto out_put_dev;
	}
	rc = alloc_on_hwpt(ucmd, idev, iommufd_hwpt_of(hwpt));
	iommufd_put_object(ucmd->ictx, hwpt);
out_put_dev:
	iommufd_put_object(ucmd->ictx, dev);
	return rc;
}

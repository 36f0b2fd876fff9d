// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/ask.c - what sysfs asks of a device's user, and of its file
 */
#include <errno.h>

#include "idxd/idxd.h"
#include "vfio/group.h"
#include "vfio/vfio.h"

struct vfio_device *vfio_find(struct uiommu *ctx, const char *name)
{
	struct uiommu_pci_device *pdev;
	struct pci_address address;

	if (pci_address_parse(name, &address))
		return NULL;
	pdev = pci_device_find(ctx, &address);
	return pdev ? pdev->driver_data : NULL;
}

int uiommu_vfio_reset(struct uiommu *ctx, const char *device)
{
	struct vfio_device *vdev = vfio_find(ctx, device);

	if (!vdev)
		return -ENODEV;
	pci_reset(vdev->pdev);
	ui_mutex_lock(&vdev->lock);
	vfio_config_changed_locked(vdev);
	ui_mutex_unlock(&vdev->lock);
	return 0;
}

int uiommu_vfio_request(struct uiommu *ctx, const char *device)
{
	struct vfio_device *vdev = vfio_find(ctx, device);

	if (!vdev)
		return -ENODEV;
	ui_mutex_lock(&vdev->lock);
	if (vdev->irqs.req)
		ctx->host->eventfd_signal(ctx->opaque, vdev->irqs.req);
	ui_mutex_unlock(&vdev->lock);
	return 0;
}

const char *uiommu_file_device(const struct uiommu_file *file)
{
	const struct vfio_group *group =
		vfio_group_from_file((struct uiommu_file *)(uintptr_t)file);

	if (group)
		return group->name;
	if (file->ops != &vfio_device_ops)
		return idxd_file_device(file);
	/* file is its first member */
	return ((const struct vfio_file *)file)->vdev->pdev->name;
}

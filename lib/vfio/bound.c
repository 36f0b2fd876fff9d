// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/bound.c - what is known of a device outside: whom it is bound to, its config space
 *
 * Each process of a run has all devices, whatever driver they are on; the host knows that
 * (bind.c), and is asked each time.  A host that can't say has all on vfio-pci.
 */
#include <string.h>

#include "pci/config.h"
#include "vfio/bind.h"
#include "vfio/group.h"

static void driver_of(const struct vfio_device *vdev, char *name, size_t size)
{
	const struct uiommu *ctx = vdev->ctx;

	name[0] = '\0';
	if (!ctx->host || !ctx->host->driver)
		strcpy(name, BIND_VFIO);
	else if (ctx->host->driver(ctx->opaque, vdev->pdev->name, name, size))
		name[0] = '\0';
}

bool vfio_is_bound(const struct vfio_device *vdev)
{
	char name[BIND_NAME];

	driver_of(vdev, name, sizeof(name));
	return !strcmp(name, BIND_VFIO);
}

bool vfio_group_in_kernel(struct vfio_group *group)
{
	struct vfio_device *vdev;
	char name[BIND_NAME];
	bool found = false;

	ui_mutex_lock(&group->lock);
	cds_list_for_each_entry(vdev, &group->devices, group_node) {
		driver_of(vdev, name, sizeof(name));
		found = found || (name[0] && !bind_manages_dma(name));
	}
	ui_mutex_unlock(&group->lock);
	return found;
}

void vfio_config_changed_locked(struct vfio_device *vdev)
{
	const struct uiommu *ctx = vdev->ctx;
	uint8_t *config = vdev->shown, *flags;

	/* The lock has what is told in the order in which it came to be. */
	ui_mutex_assert_held(&vdev->lock);
	if (!ctx->host || !ctx->host->config)
		return;
	pci_config_read(vdev->pdev, 0, config, PCI_CFG_SIZE);
	/* To its user MSI is on as it has said; here, as it is. */
	if (vdev->pdev->msi.nr) {
		flags = &config[vdev->pdev->msi.cap + PCI_MSI_FLAGS];
		*flags &= (uint8_t)~PCI_MSI_ENABLE;
		if (ui_load_acquire(&vdev->pdev->msi.enabled))
			*flags |= PCI_MSI_ENABLE;
	}
	ctx->host->config(ctx->opaque, vdev->pdev->name, config, PCI_CFG_SIZE);
}

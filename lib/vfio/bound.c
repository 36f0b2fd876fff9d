// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/bound.c - whom a device is bound to, as far as VFIO is concerned
 *
 * Each process of a run has all devices, whatever driver they are on; the host knows that
 * (bind.c), and is asked each time.  A host that can't say has all on vfio-pci.
 */
#include <string.h>

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

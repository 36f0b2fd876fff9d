// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/vfio.c - the driver vfio-pci: a node for each PCI function, and for its group
 *
 * Nodes are vfioN and character devices of one major.  Without a host to keep
 * clear of, N begins at 0; inside `uiommu run` it begins behind the host's.  Groups have
 * another major, and minors in the order of their making.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "vfio/container.h"
#include "vfio/group.h"
#include "vfio/vfio.h"

/* A misc device. */
#define CONTAINER_MAJOR 10u
#define CONTAINER_MINOR 196u

/* Of an instance that isn't asked to keep clear of a host. */
#define MAJOR_LAST 511u

static int vfio_probe(struct uiommu_pci_device *pdev)
{
	struct vfio_state *state = pdev->ctx->vfio;
	struct vfio_device *vdev = ui_zalloc(sizeof(*vdev));

	if (!vdev)
		return -ENOMEM;
	vdev->ctx = pdev->ctx;
	vdev->pdev = pdev;
	if (vfio_irqs_init(vdev)) {
		ui_free(vdev);
		return -ENOMEM;
	}
	if (vfio_group_join(vdev)) {
		vfio_irqs_fini(vdev);
		ui_free(vdev);
		return -ENOMEM;
	}
	vdev->index = state->next_index++;
	snprintf(vdev->path, sizeof(vdev->path), "/dev/vfio/devices/vfio%u", vdev->index);
	ui_mutex_init(&vdev->lock);
	CDS_INIT_LIST_HEAD(&vdev->pasids);
	CDS_INIT_LIST_HEAD(&vdev->ioeventfds);
	vdev->node.path = vdev->path;
	vdev->node.rdev = makedev(state->major, vdev->index);
	vdev->node.open = vfio_cdev_open;
	vdev->node.priv = vdev;
	pdev->driver_data = vdev;
	ui_node_add(pdev->ctx, &vdev->node);
	return 0;
}

static void vfio_remove(struct uiommu_pci_device *pdev)
{
	struct vfio_device *vdev = pdev->driver_data;

	ui_node_del(pdev->ctx, &vdev->node);
	pdev->driver_data = NULL;
	vfio_group_leave(vdev);
	vfio_irqs_fini(vdev);
	ui_mutex_destroy(&vdev->lock);
	ui_free(vdev);
}

static void vfio_avoid_host(struct uiommu *ctx)
{
	ctx->vfio->next_index = pci_host_next_number("/sys/class/vfio-dev", "vfio");
	ctx->vfio->major = pci_host_take_major(ctx->pci);
	ctx->vfio->group_major = pci_host_take_major(ctx->pci);
}

static const struct pci_driver vfio_pci_driver = {
	.name = "vfio-pci",
	.avoid_host = vfio_avoid_host,
	.probe = vfio_probe,
	.remove = vfio_remove,
	.intx = vfio_irq_intx,
	.message = vfio_irq_message,
};

void vfio_set_next(struct uiommu *ctx, unsigned int index, unsigned int nr, dev_t group)
{
	ctx->vfio->next_index = index;
	ctx->vfio->major = nr;
	ctx->vfio->group_major = major(group);
	ctx->vfio->group_minor = minor(group);
}

int vfio_init(struct uiommu *ctx)
{
	ctx->vfio = ui_zalloc(sizeof(*ctx->vfio));
	if (!ctx->vfio)
		return -ENOMEM;
	ctx->vfio->major = MAJOR_LAST;
	ctx->vfio->group_major = MAJOR_LAST - 1;
	CDS_INIT_LIST_HEAD(&ctx->vfio->groups);
	ctx->vfio->container.path = "/dev/vfio/vfio";
	ctx->vfio->container.rdev = makedev(CONTAINER_MAJOR, CONTAINER_MINOR);
	ctx->vfio->container.open = vfio_container_open;
	ui_node_add(ctx, &ctx->vfio->container);
	pci_set_driver(ctx, &vfio_pci_driver);
	return 0;
}

void vfio_exit(struct uiommu *ctx)
{
	if (!ctx->vfio)
		return;
	pci_set_driver(ctx, NULL);
	ui_node_del(ctx, &ctx->vfio->container);
	ui_free(ctx->vfio);
	ctx->vfio = NULL;
}

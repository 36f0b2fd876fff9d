/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/group.h - groups of devices as /dev/vfio/N
 */
#ifndef UI_VFIO_GROUP_H
#define UI_VFIO_GROUP_H

#include "vfio/vfio.h"

struct vfio_container;

/*
 * Refs: none; lives as long as it has devices.
 *  ctx, id, iommu, path, name, node	immutable; iommu is the devices', which keep it
 *  state_node			pci->lock
 *  devices			lock
 *  opened			lock; the one open file, or NULL
 *  container			lock; holds it; NULL: none is set
 *  users			lock; devices that are open by it
 *  iommufd			lock; holds it; NULL: none is set
 *  cdevs			lock; devices that are bound by their own node
 *  container_node		container->lock
 */
struct vfio_group {
	struct uiommu *ctx;
	unsigned int id;
	struct uiommu_group *iommu;
	char path[24];
	char name[24]; /* "group-3", as hosts know it */
	struct ui_node node;
	struct cds_list_head state_node;

	struct ui_mutex lock;
	struct cds_list_head devices;
	struct uiommu_file *opened;
	struct vfio_container *container;
	unsigned int users;
	struct iommufd_ctx *iommufd;
	unsigned int cdevs;
	struct cds_list_head container_node;
};

/* A device comes and goes, with its group if it is the first or last; pci->lock.  -ENOMEM. */
int vfio_group_join(struct vfio_device *vdev);
void vfio_group_leave(struct vfio_device *vdev);

/* The group whose file this is; NULL: it is something else's. */
struct vfio_group *vfio_group_from_file(struct uiommu_file *file);

/* A device is about to be bound by its own node: the group can't be opened.  -EBUSY: it is. */
int vfio_group_block(struct vfio_group *group);
void vfio_group_unblock(struct vfio_group *group);

/*
 * A device is open by the container that is set; group->lock held.  -EINVAL: it has no
 * IOMMU.  The second returns a file to be put without locks.
 */
int vfio_group_use_container(struct vfio_group *group);
struct uiommu_file *vfio_group_unuse_container(struct vfio_group *group);

/* A device's file from a group closes. */
void vfio_group_close_device(struct vfio_file *vf);

#endif /* UI_VFIO_GROUP_H */

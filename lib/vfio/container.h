/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/container.h - /dev/vfio/vfio: address spaces of groups
 */
#ifndef UI_VFIO_CONTAINER_H
#define UI_VFIO_CONTAINER_H

#include "vfio/group.h"

struct vfio_container;

struct uiommu_file *vfio_container_open(struct uiommu *ctx, const struct ui_node *node, int flags);
/* NULL: the file is something else's.  Without a reference. */
struct vfio_container *vfio_container_from_file(struct uiommu_file *file);
void vfio_container_put(struct vfio_container *container);

/* These need group->lock. */

/* Sets group->container, which then holds it.  -EPERM: an iommufd owns the group; -EINVAL, ... */
int vfio_container_join(struct vfio_container *container, struct vfio_group *group);
/* Without devices open.  What is to be put without locks, or NULL: there was none. */
struct vfio_container *vfio_container_leave(struct vfio_group *group);
bool vfio_container_has_iommu(struct vfio_container *container);

#endif /* UI_VFIO_CONTAINER_H */

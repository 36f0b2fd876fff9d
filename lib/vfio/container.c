// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/container.c - /dev/vfio/vfio: groups, and what translates for them
 *
 * Only with a group in it can a container be given its IOMMU (type1.c), and with the last
 * group it loses it again, and all that is mapped.  A container is its file; each group in
 * it has a reference.
 */
#include "vfio/container.h"

#include <errno.h>

#include "vfio/type1.h"

/*
 * Refs: file.refs.
 *  lock	below group->lock; held during what type1 does
 *  groups	lock
 *  type1	lock; NULL: SET_IOMMU wasn't called
 */
struct vfio_container {
	struct uiommu_file file;
	struct ui_mutex lock;
	struct cds_list_head groups;
	struct vfio_type1 *type1;
};

static struct vfio_container *container_of_file(struct uiommu_file *file)
{
	return ui_container_of(file, struct vfio_container, file);
}

/* ---- groups ---- */

int vfio_container_join(struct vfio_container *container, struct vfio_group *group)
{
	int rc = 0;

	ui_mutex_assert_held(&group->lock);
	/* It can't become one's meanwhile: that needs group->lock, or a group that isn't open. */
	if (iommufd_group_owner(group->ctx, group->iommu))
		return -EPERM;
	ui_mutex_lock(&container->lock);
	if (container->type1)
		rc = vfio_type1_attach(container->type1, group->iommu);
	if (!rc) {
		uiommu_file_get(&container->file); /* put by whom vfio_container_leave() tells */
		cds_list_add(&group->container_node, &container->groups);
		group->container = container;
	}
	ui_mutex_unlock(&container->lock);
	return rc;
}

struct vfio_container *vfio_container_leave(struct vfio_group *group)
{
	struct vfio_container *container = group->container;

	ui_mutex_assert_held(&group->lock);
	if (!container)
		return NULL;
	ui_mutex_lock(&container->lock);
	group->container = NULL;
	cds_list_del(&group->container_node);
	if (container->type1)
		vfio_type1_detach(container->type1, group->iommu);
	if (container->type1 && cds_list_empty(&container->groups)) {
		vfio_type1_destroy(container->type1);
		container->type1 = NULL;
	}
	ui_mutex_unlock(&container->lock);
	return container;
}

bool vfio_container_has_iommu(struct vfio_container *container)
{
	bool has;

	ui_mutex_lock(&container->lock);
	has = container->type1;
	ui_mutex_unlock(&container->lock);
	return has;
}

/* ---- ioctls ---- */

static int attach_groups(struct vfio_container *container, struct vfio_type1 *type1)
{
	struct vfio_group *group, *done;
	int rc;

	cds_list_for_each_entry(group, &container->groups, container_node) {
		rc = vfio_type1_attach(type1, group->iommu);
		if (rc)
			goto out_detach;
	}
	return 0;

out_detach:
	cds_list_for_each_entry(done, &container->groups, container_node) {
		if (done == group)
			break;
		vfio_type1_detach(type1, done->iommu);
	}
	return rc;
}

static long set_iommu(struct vfio_container *container, uint64_t type)
{
	struct vfio_type1 *type1;
	int rc;

	if (cds_list_empty(&container->groups) || container->type1)
		return -EINVAL;
	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return vfio_type1_extension(NULL, type) > 0 ? -EINVAL : -ENODEV;
	type1 = vfio_type1_create(container->file.ctx, type == VFIO_TYPE1v2_IOMMU);
	if (UIOMMU_IS_ERR(type1))
		return UIOMMU_PTR_ERR(type1);
	rc = attach_groups(container, type1);
	if (rc)
		vfio_type1_destroy(type1);
	else
		container->type1 = type1;
	return rc;
}

static long map_dma(struct vfio_container *container, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_type1_map map;
	long rc = vfio_type1_map_begin(container->file.ctx, mm, arg, &map);

	ui_mutex_lock(&container->lock);
	if (!container->type1)
		rc = -EINVAL;
	else if (!rc)
		rc = vfio_type1_map(container->type1, &map);
	ui_mutex_unlock(&container->lock);
	vfio_type1_map_end(&map);
	return rc;
}

static long container_ioctl(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
			    uint64_t arg)
{
	struct vfio_container *container = container_of_file(file);
	long rc = -EINVAL;

	if (request == VFIO_GET_API_VERSION)
		return VFIO_API_VERSION;
	if (request == VFIO_IOMMU_MAP_DMA)
		return map_dma(container, mm, arg);
	ui_mutex_lock(&container->lock);
	if (request == VFIO_CHECK_EXTENSION)
		rc = vfio_type1_extension(container->type1, arg);
	else if (request == VFIO_SET_IOMMU)
		rc = set_iommu(container, arg);
	else if (container->type1)
		rc = vfio_type1_ioctl(container->type1, mm, request, arg);
	ui_mutex_unlock(&container->lock);
	return rc;
}

/* ---- the file ---- */

static void container_release(struct uiommu_file *file)
{
	struct vfio_container *container = container_of_file(file);

	/* Without groups there is no IOMMU either. */
	assert(!container->type1);
	ui_mutex_destroy(&container->lock);
	ui_file_fini(file);
	ui_free(container);
}

static const struct ui_file_ops container_file_ops = {
	.name = "vfio",
	.ioctl = container_ioctl,
	.release = container_release,
};

struct uiommu_file *vfio_container_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct vfio_container *container = ui_zalloc(sizeof(*container));
	int rc;

	if (!container)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(&container->file, ctx, &container_file_ops, node->path, node->rdev,
			  flags);
	if (rc) {
		ui_free(container);
		return UIOMMU_ERR_PTR(rc);
	}
	ui_mutex_init(&container->lock);
	CDS_INIT_LIST_HEAD(&container->groups);
	return &container->file;
}

struct vfio_container *vfio_container_from_file(struct uiommu_file *file)
{
	return file->ops == &container_file_ops ? container_of_file(file) : NULL;
}

void vfio_container_put(struct vfio_container *container)
{
	uiommu_file_put(&container->file);
}

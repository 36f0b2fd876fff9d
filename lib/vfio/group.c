// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/group.c - /dev/vfio/N: a group of devices, opened as one
 *
 * It is open once at a time.  What gives its devices an address space is a container
 * (container.c) or an iommufd, one at a time; then it gives out files of its devices, any
 * number of each.
 *
 * A device that is open by a container keeps the group's file, and so the container, until
 * its last file closes; one that is open by an iommufd keeps that alone.
 */
#include "vfio/group.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "vfio/container.h"
#include "vfio/names.h"

/* Refs: file.refs.  group: immutable. */
struct group_file {
	struct uiommu_file file;
	struct vfio_group *group;
};

static struct vfio_group *group_of(struct uiommu_file *file)
{
	return ui_container_of(file, struct group_file, file)->group;
}

static bool has_iommu(const struct vfio_group *group)
{
	return group->container || group->iommufd;
}

/* ---- container ---- */

/* A container has the group's DMA, whether a device is open or not; an iommufd hasn't. */
static void tell_owned_locked(const struct vfio_group *group)
{
	const struct uiommu *ctx = group->ctx;

	ui_mutex_assert_held(&group->lock);
	if (ctx->host && ctx->host->owned)
		ctx->host->owned(ctx->opaque, group->name, group->container);
}

static long unset_container(struct vfio_group *group)
{
	struct vfio_container *container = NULL;
	struct iommufd_ctx *ictx;
	long rc = 0;

	ui_mutex_lock(&group->lock);
	if (!has_iommu(group))
		rc = -EINVAL;
	else if (group->users)
		rc = -EBUSY;
	ictx = rc ? NULL : group->iommufd;
	if (!rc) {
		container = vfio_container_leave(group);
		group->iommufd = NULL;
		tell_owned_locked(group);
	}
	ui_mutex_unlock(&group->lock);
	if (container)
		vfio_container_put(container);
	if (ictx)
		iommufd_ctx_put(ictx);
	return rc;
}

static int set_iommufd_locked(struct vfio_group *group, struct uiommu_file *file)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(file);
	int rc;

	if (!ictx)
		return -EBADFD;
	rc = iommufd_compat_ioas_create(ictx);
	if (rc) /* not the last: the caller has the file */
		iommufd_ctx_put(ictx);
	else
		group->iommufd = ictx;
	return rc;
}

static long set_container(struct vfio_group *group, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_container *container = NULL;
	struct uiommu_file *file;
	bool in_kernel;
	int32_t fd;
	long rc;

	if (ui_copy_from_user(mm, &fd, arg, sizeof(fd)))
		return -EFAULT;
	file = ui_host_fget(group->ctx, mm, fd);
	if (UIOMMU_IS_ERR(file) && UIOMMU_PTR_ERR(file) == -EBADF)
		return -EBADF;
	if (!UIOMMU_IS_ERR(file))
		container = vfio_container_from_file(file);
	in_kernel = vfio_group_in_kernel(group);
	ui_mutex_lock(&group->lock);
	if (has_iommu(group))
		rc = -EINVAL;
	else if (UIOMMU_IS_ERR(file))
		rc = -EBADFD;
	else if (container)
		rc = in_kernel ? -EPERM : vfio_container_join(container, group);
	else
		rc = set_iommufd_locked(group, file);
	if (!rc)
		tell_owned_locked(group);
	ui_mutex_unlock(&group->lock);
	if (!UIOMMU_IS_ERR(file))
		uiommu_file_put(file);
	return rc;
}

int vfio_group_use_container(struct vfio_group *group)
{
	ui_mutex_assert_held(&group->lock);
	if (!vfio_container_has_iommu(group->container))
		return -EINVAL;
	group->users++;
	uiommu_file_get(group->opened); /* put by whom vfio_group_unuse_container() gives it */
	return 0;
}

struct uiommu_file *vfio_group_unuse_container(struct vfio_group *group)
{
	ui_mutex_assert_held(&group->lock);
	group->users--;
	return group->opened;
}

/* ---- status ---- */

static long get_status(struct vfio_group *group, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_group_status status;
	bool in_kernel;

	if (ui_copy_from_user(mm, &status, arg, sizeof(status)))
		return -EFAULT;
	if (status.argsz < sizeof(status))
		return -EINVAL;
	status.flags = 0;
	in_kernel = vfio_group_in_kernel(group);
	ui_mutex_lock(&group->lock);
	if (has_iommu(group))
		status.flags = VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
	else if (!in_kernel && !iommufd_group_owner(group->ctx, group->iommu))
		status.flags = VFIO_GROUP_FLAGS_VIABLE;
	ui_mutex_unlock(&group->lock);
	return ui_copy_to_user(mm, arg, &status, sizeof(status));
}

/* ---- files of devices ---- */

static struct vfio_device *find_device(struct vfio_group *group, const char *name)
{
	struct vfio_device *vdev;
	int rc;

	ui_mutex_assert_held(&group->lock);
	cds_list_for_each_entry(vdev, &group->devices, group_node) {
		rc = vfio_name_match(vdev->pdev->name, name);
		if (rc && vfio_is_bound(vdev))
			return rc < 0 ? UIOMMU_ERR_PTR(rc) : vdev;
	}
	return UIOMMU_ERR_PTR(-ENODEV);
}

static int open_device_locked(struct vfio_group *group, struct vfio_device *vdev, bool in_kernel)
{
	uint32_t id, first;
	int rc;

	if (!has_iommu(group))
		return -EINVAL;
	first = !vdev->opens;
	if (first && group->iommufd && in_kernel)
		return -EPERM;
	rc = vfio_device_open_locked(vdev, group->iommufd, &id);
	if (rc || !first || !group->iommufd)
		return rc;
	rc = iommufd_compat_ioas_id(group->iommufd, &id);
	if (!rc)
		rc = vfio_attach_locked(vdev, &id);
	if (rc) /* of an iommufd's there is no file to put */
		vfio_device_close_locked(vdev);
	return rc;
}

static int open_device(struct vfio_file *vf, const char *name)
{
	struct vfio_group *group = vf->group;
	bool in_kernel = vfio_group_in_kernel(group);
	struct vfio_device *vdev;
	int rc;

	ui_mutex_lock(&group->lock);
	vdev = find_device(group, name);
	if (UIOMMU_IS_ERR(vdev)) {
		rc = (int)UIOMMU_PTR_ERR(vdev);
		goto out_unlock;
	}
	ui_mutex_lock(&vdev->lock);
	rc = open_device_locked(group, vdev, in_kernel);
	ui_mutex_unlock(&vdev->lock);
	if (!rc) {
		vf->vdev = vdev;
		ui_store_release(&vf->granted, 1); /* pairs with vfio_granted() */
	}
out_unlock:
	ui_mutex_unlock(&group->lock);
	return rc;
}

void vfio_group_close_device(struct vfio_file *vf)
{
	struct vfio_device *vdev = vf->vdev;
	struct uiommu_file *put;

	if (!vfio_granted(vf))
		return;
	ui_mutex_lock(&vf->group->lock);
	ui_mutex_lock(&vdev->lock);
	put = vfio_device_close_locked(vdev);
	ui_mutex_unlock(&vdev->lock);
	ui_mutex_unlock(&vf->group->lock);
	if (put)
		uiommu_file_put(put);
}

static long get_device_fd(struct vfio_group *group, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_file *vf;
	char *name;
	long rc;

	name = vfio_name_get(mm, arg);
	if (UIOMMU_IS_ERR(name))
		return UIOMMU_PTR_ERR(name);
	rc = -ENOMEM;
	vf = ui_zalloc(sizeof(*vf));
	if (!vf)
		goto out_name;
	rc = ui_file_init(&vf->file, group->ctx, &vfio_device_ops, "anon_inode:[vfio-device]", 0,
			  O_RDWR);
	if (rc) {
		ui_free(vf);
		goto out_name;
	}
	vf->group = group;
	rc = open_device(vf, name);
	if (!rc)
		rc = ui_host_install(group->ctx, mm, &vf->file, true);
	if (rc < 0)
		uiommu_file_put(&vf->file);
out_name:
	ui_free(name);
	return rc;
}

/* ---- the file ---- */

static long group_ioctl(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
			uint64_t arg)
{
	struct vfio_group *group = group_of(file);

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		return get_status(group, mm, arg);
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(group, mm, arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return unset_container(group);
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(group, mm, arg);
	default:
		return -ENOTTY;
	}
}

static void group_release(struct uiommu_file *file)
{
	struct vfio_group *group = group_of(file);
	struct vfio_container *container;
	struct iommufd_ctx *ictx;

	ui_mutex_lock(&group->lock);
	container = vfio_container_leave(group);
	ictx = group->iommufd;
	group->iommufd = NULL;
	group->opened = NULL;
	if (container)
		tell_owned_locked(group);
	ui_mutex_unlock(&group->lock);
	if (container)
		vfio_container_put(container);
	if (ictx)
		iommufd_ctx_put(ictx);
	ui_file_fini(file);
	ui_free(ui_container_of(file, struct group_file, file));
}

static const struct ui_file_ops group_file_ops = {
	.name = "vfio-group",
	.ioctl = group_ioctl,
	.release = group_release,
};

struct vfio_group *vfio_group_from_file(struct uiommu_file *file)
{
	return file->ops == &group_file_ops ? group_of(file) : NULL;
}

static struct uiommu_file *group_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct vfio_group *group = node->priv;
	struct group_file *gf;
	int rc;

	ui_mutex_lock(&group->lock);
	rc = group->cdevs || group->opened ? -EBUSY : 0;
	gf = rc ? NULL : ui_zalloc(sizeof(*gf));
	if (!rc && !gf)
		rc = -ENOMEM;
	if (!rc)
		rc = ui_file_init(&gf->file, ctx, &group_file_ops, node->path, node->rdev, flags);
	if (!rc) {
		gf->group = group;
		group->opened = &gf->file;
	}
	ui_mutex_unlock(&group->lock);
	if (!rc)
		return &gf->file;
	ui_free(gf);
	return UIOMMU_ERR_PTR(rc);
}

int vfio_group_block(struct vfio_group *group)
{
	int rc = -EBUSY;

	ui_mutex_lock(&group->lock);
	if (!group->opened) {
		group->cdevs++;
		rc = 0;
	}
	ui_mutex_unlock(&group->lock);
	return rc;
}

void vfio_group_unblock(struct vfio_group *group)
{
	ui_mutex_lock(&group->lock);
	group->cdevs--;
	ui_mutex_unlock(&group->lock);
}

/* ---- its life ---- */

static struct vfio_group *group_get(struct vfio_device *vdev)
{
	struct vfio_state *state = vdev->ctx->vfio;
	struct vfio_group *group;

	cds_list_for_each_entry(group, &state->groups, state_node) {
		if (group->id == vdev->pdev->group_id)
			return group;
	}
	group = ui_zalloc(sizeof(*group));
	if (!group)
		return NULL;
	group->ctx = vdev->ctx;
	group->id = vdev->pdev->group_id;
	group->iommu = uiommu_device_group(uiommu_pci_iommu_device(vdev->pdev));
	ui_mutex_init(&group->lock);
	CDS_INIT_LIST_HEAD(&group->devices);
	snprintf(group->path, sizeof(group->path), "/dev/vfio/%u", group->id);
	snprintf(group->name, sizeof(group->name), "group-%u", group->id);
	group->node.path = group->path;
	group->node.rdev = makedev(state->group_major, state->group_minor++);
	group->node.open = group_open;
	group->node.priv = group;
	cds_list_add_tail(&group->state_node, &state->groups);
	ui_node_add(group->ctx, &group->node);
	return group;
}

int vfio_group_join(struct vfio_device *vdev)
{
	struct vfio_group *group = group_get(vdev);

	if (!group)
		return -ENOMEM;
	vdev->group = group;
	ui_mutex_lock(&group->lock);
	cds_list_add_tail(&vdev->group_node, &group->devices);
	ui_mutex_unlock(&group->lock);
	return 0;
}

void vfio_group_leave(struct vfio_device *vdev)
{
	struct vfio_group *group = vdev->group;
	bool last;

	ui_mutex_lock(&group->lock);
	cds_list_del(&vdev->group_node);
	last = cds_list_empty(&group->devices);
	ui_mutex_unlock(&group->lock);
	if (!last)
		return;
	/* Nobody has it open: devices go with the instance. */
	ui_node_del(group->ctx, &group->node);
	cds_list_del(&group->state_node);
	ui_mutex_destroy(&group->lock);
	ui_free(group);
}

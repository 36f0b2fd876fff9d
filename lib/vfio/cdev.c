// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/cdev.c - the character device: open, bind to an iommufd, attach
 *
 * Binding makes a file the device's owner until it is closed.  While one device of a group
 * has an owner the group can't be opened, and the other way round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "vfio/group.h"
#include "vfio/vfio.h"

#define end_of(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))

struct uiommu_file *vfio_cdev_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct vfio_file *vf = ui_zalloc(sizeof(*vf));
	int rc;

	if (!vf)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(&vf->file, ctx, &vfio_device_ops, node->path, node->rdev, flags);
	if (rc) {
		ui_free(vf);
		return UIOMMU_ERR_PTR(rc);
	}
	vf->vdev = node->priv;
	return &vf->file;
}

/* ---- bind ---- */

/* The kernel's copy_struct_from_user(): a longer argument must end in zeros. */
static int copy_bind(struct uiommu_mm *mm, struct vfio_device_bind_iommufd *bind, uint64_t arg)
{
	size_t minsz = end_of(struct vfio_device_bind_iommufd, out_devid);
	uint8_t tail[256];
	uint32_t argsz;
	size_t done;

	if (ui_copy_from_user(mm, &argsz, arg, sizeof(argsz)))
		return -EFAULT;
	if (argsz < minsz)
		return -EINVAL;
	if (argsz > 4096)
		return -E2BIG;
	*bind = (struct vfio_device_bind_iommufd){.argsz = 0};
	if (ui_copy_from_user(mm, bind, arg, argsz < sizeof(*bind) ? argsz : sizeof(*bind)))
		return -EFAULT;
	for (done = sizeof(*bind); done < argsz;) {
		size_t i, part = argsz - done < sizeof(tail) ? argsz - done : sizeof(tail);

		if (ui_copy_from_user(mm, tail, arg + done, part))
			return -EFAULT;
		for (i = 0; i < part; i++) {
			if (tail[i])
				return -E2BIG;
		}
		done += part;
	}
	if ((bind->flags & ~(uint32_t)VFIO_DEVICE_BIND_FLAG_TOKEN) || bind->iommufd < 0)
		return -EINVAL;
	return 0;
}

/* The context behind a descriptor; -EBADF, -EBADFD as an ERR_PTR. */
static struct iommufd_ctx *get_iommufd(struct uiommu *ctx, struct uiommu_mm *mm, int fd)
{
	struct uiommu_file *file = ui_host_fget(ctx, mm, fd);
	struct iommufd_ctx *ictx;

	if (UIOMMU_IS_ERR(file))
		return UIOMMU_ERR_PTR(UIOMMU_PTR_ERR(file) == -EBADF ? -EBADF : -EBADFD);
	ictx = iommufd_ctx_from_file(file);
	uiommu_file_put(file);
	return ictx ? ictx : UIOMMU_ERR_PTR(-EBADFD);
}

/* Tokens are for virtual functions, which this is not. */
static int check_token(struct uiommu_mm *mm, const struct vfio_device_bind_iommufd *bind)
{
	uint8_t token[16];

	if (!(bind->flags & VFIO_DEVICE_BIND_FLAG_TOKEN))
		return 0;
	return ui_copy_from_user(mm, token, bind->token_uuid_ptr, sizeof(token)) ? -EFAULT :
										   -EINVAL;
}

static long bind_locked(struct vfio_file *vf, struct uiommu_mm *mm, struct iommufd_ctx *ictx,
			uint64_t arg)
{
	struct vfio_device *vdev = vf->vdev;
	uint32_t id = 0;
	long rc;

	if (vdev->opens)
		return -EINVAL; /* by this file, or another */
	rc = vfio_device_open_locked(vdev, ictx, &id);
	if (rc)
		return rc;
	rc = ui_copy_to_user(mm, arg + offsetof(struct vfio_device_bind_iommufd, out_devid), &id,
			     sizeof(id));
	if (rc) {
		/* Of an iommufd's there is no file to put. */
		vfio_device_close_locked(vdev);
		return rc;
	}
	vdev->owner = vf;
	/* pairs with vfio_granted() */
	ui_store_release(&vf->granted, 1);
	return 0;
}

static long bind_unblocked(struct vfio_file *vf, struct uiommu_mm *mm,
			   const struct vfio_device_bind_iommufd *bind, uint64_t arg)
{
	struct iommufd_ctx *ictx;
	bool in_kernel;
	long rc;

	if (vfio_granted(vf))
		return -EINVAL;
	rc = check_token(mm, bind);
	if (rc)
		return rc;
	/* Before the lock: the host is asked, and a last put may close a file. */
	ictx = get_iommufd(vf->vdev->ctx, mm, bind->iommufd);
	if (UIOMMU_IS_ERR(ictx))
		return UIOMMU_PTR_ERR(ictx);
	in_kernel = vfio_group_in_kernel(vf->vdev->group);
	ui_mutex_lock(&vf->vdev->lock);
	rc = in_kernel && !vf->vdev->opens ? -EPERM : bind_locked(vf, mm, ictx, arg);
	ui_mutex_unlock(&vf->vdev->lock);
	/* The bound device holds the context from here on. */
	iommufd_ctx_put(ictx);
	return rc;
}

long vfio_cdev_bind(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_device_bind_iommufd bind;
	long rc;

	rc = copy_bind(mm, &bind, arg);
	if (rc)
		return rc;
	if (vf->group)
		return -EINVAL;
	rc = vfio_group_block(vf->vdev->group);
	if (rc)
		return rc;
	rc = bind_unblocked(vf, mm, &bind, arg);
	if (rc)
		vfio_group_unblock(vf->vdev->group);
	return rc;
}

void vfio_cdev_close(struct vfio_file *vf)
{
	if (!vfio_granted(vf))
		return;
	ui_mutex_lock(&vf->vdev->lock);
	vf->vdev->owner = NULL;
	vfio_device_close_locked(vf->vdev);
	ui_mutex_unlock(&vf->vdev->lock);
	vfio_group_unblock(vf->vdev->group);
}

/* ---- attach ---- */

static int attach_locked(struct vfio_device *vdev, struct vfio_device_attach_iommufd_pt *attach)
{
	return attach->flags & VFIO_DEVICE_ATTACH_PASID ?
		       vfio_attach_pasid_locked(vdev, attach->pasid, &attach->pt_id) :
		       vfio_attach_locked(vdev, &attach->pt_id);
}

static void detach_locked(struct vfio_device *vdev, uint32_t flags, uint32_t pasid)
{
	if (flags & VFIO_DEVICE_DETACH_PASID)
		vfio_detach_pasid_locked(vdev, pasid);
	else
		vfio_detach_locked(vdev);
}

long vfio_cdev_attach(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = 0};
	size_t minsz = end_of(struct vfio_device_attach_iommufd_pt, pt_id);
	struct vfio_device *vdev = vf->vdev;
	int rc;

	if (ui_copy_from_user(mm, &attach, arg, minsz))
		return -EFAULT;
	if (attach.argsz < minsz || (attach.flags & ~(uint32_t)VFIO_DEVICE_ATTACH_PASID))
		return -EINVAL;
	if (attach.flags & VFIO_DEVICE_ATTACH_PASID) {
		if (attach.argsz < sizeof(attach))
			return -EINVAL;
		if (ui_copy_from_user(mm, &attach.pasid, arg + minsz, sizeof(attach.pasid)))
			return -EFAULT;
	}

	ui_mutex_lock(&vdev->lock);
	rc = attach_locked(vdev, &attach);
	if (!rc && ui_copy_to_user(mm, arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id),
				   &attach.pt_id, sizeof(attach.pt_id))) {
		detach_locked(vdev, attach.flags, attach.pasid);
		rc = -EFAULT;
	}
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

long vfio_cdev_detach(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = 0};
	size_t minsz = end_of(struct vfio_device_detach_iommufd_pt, flags);
	struct vfio_device *vdev = vf->vdev;

	if (ui_copy_from_user(mm, &detach, arg, minsz))
		return -EFAULT;
	if (detach.argsz < minsz || (detach.flags & ~(uint32_t)VFIO_DEVICE_DETACH_PASID))
		return -EINVAL;
	if (detach.flags & VFIO_DEVICE_DETACH_PASID) {
		if (detach.argsz < sizeof(detach))
			return -EINVAL;
		if (ui_copy_from_user(mm, &detach.pasid, arg + minsz, sizeof(detach.pasid)))
			return -EFAULT;
	}

	ui_mutex_lock(&vdev->lock);
	detach_locked(vdev, detach.flags, detach.pasid);
	ui_mutex_unlock(&vdev->lock);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/cdev.c - the character device: open, bind to an iommufd, attach
 *
 * Binding makes a file the device's owner until it is closed.  What an owner
 * attached is remembered here, for attaching again means replacing, and closing
 * undoes all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>

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

static long bind_locked(struct vfio_file *vf, struct iommufd_ctx *ictx, uint32_t *id)
{
	struct vfio_device *vdev = vf->vdev;
	struct iommufd_device *idev;

	ui_mutex_assert_held(&vdev->lock);
	if (vdev->owner)
		return -EINVAL; /* this file, or another */
	idev = iommufd_device_bind(ictx, uiommu_pci_iommu_device(vdev->pdev), id);
	if (UIOMMU_IS_ERR(idev))
		return UIOMMU_PTR_ERR(idev);
	vdev->owner = vf;
	vdev->idev = idev;
	vfio_device_enable(vdev);
	return 0;
}

long vfio_cdev_bind(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_device_bind_iommufd bind;
	struct iommufd_ctx *ictx;
	uint32_t id = 0;
	long rc;

	rc = copy_bind(mm, &bind, arg);
	if (!rc && vfio_granted(vf))
		rc = -EINVAL;
	if (!rc)
		rc = check_token(mm, &bind);
	if (rc)
		return rc;
	/* Before the lock: the host is asked, and a last put may close a file. */
	ictx = get_iommufd(vf->vdev->ctx, mm, bind.iommufd);
	if (UIOMMU_IS_ERR(ictx))
		return UIOMMU_PTR_ERR(ictx);
	ui_mutex_lock(&vf->vdev->lock);
	rc = bind_locked(vf, ictx, &id);
	if (!rc) {
		rc = ui_copy_to_user(mm, arg + offsetof(struct vfio_device_bind_iommufd, out_devid),
				     &id, sizeof(id));
		if (rc)
			vfio_cdev_unbind_locked(vf->vdev);
		else /* pairs with vfio_granted() */
			ui_store_release(&vf->granted, 1);
	}
	ui_mutex_unlock(&vf->vdev->lock);
	/* The bound device holds the context from here on. */
	iommufd_ctx_put(ictx);
	return rc;
}

/* ---- attach ---- */

static struct vfio_pasid *find_pasid(struct vfio_device *vdev, uint32_t pasid)
{
	struct vfio_pasid *p;

	cds_list_for_each_entry(p, &vdev->pasids, node) {
		if (p->pasid == pasid)
			return p;
	}
	return NULL;
}

static int attach_pasid_locked(struct vfio_device *vdev, uint32_t pasid, uint32_t *pt_id)
{
	struct vfio_pasid *p;
	int rc;

	if (find_pasid(vdev, pasid))
		return iommufd_device_replace(vdev->idev, pasid, pt_id);
	if (pasid > INT_MAX)
		return -ENOSPC;
	p = ui_zalloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	rc = iommufd_device_attach(vdev->idev, pasid, pt_id);
	if (rc) {
		ui_free(p);
		return rc;
	}
	p->pasid = pasid;
	cds_list_add_tail(&p->node, &vdev->pasids);
	return 0;
}

static void detach_pasid_locked(struct vfio_device *vdev, struct vfio_pasid *p)
{
	iommufd_device_detach(vdev->idev, p->pasid);
	cds_list_del(&p->node);
	ui_free(p);
}

static int attach_locked(struct vfio_device *vdev, uint32_t *pt_id)
{
	int rc;

	if (vdev->attached)
		return iommufd_device_replace(vdev->idev, UIOMMU_NO_PASID, pt_id);
	rc = iommufd_device_attach(vdev->idev, UIOMMU_NO_PASID, pt_id);
	if (!rc)
		vdev->attached = true;
	return rc;
}

static void detach_locked(struct vfio_device *vdev)
{
	if (!vdev->attached)
		return;
	vdev->attached = false;
	iommufd_device_detach(vdev->idev, UIOMMU_NO_PASID);
}

/*
 * PASID 0 is the slot of requests without one, so attaching "to PASID 0" is
 * attaching without a PASID.
 */
long vfio_cdev_attach(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = 0};
	size_t minsz = end_of(struct vfio_device_attach_iommufd_pt, pt_id);
	struct vfio_device *vdev = vf->vdev;
	struct vfio_pasid *p;
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
	rc = attach.pasid ? attach_pasid_locked(vdev, attach.pasid, &attach.pt_id) :
			    attach_locked(vdev, &attach.pt_id);
	if (!rc && ui_copy_to_user(mm, arg + offsetof(struct vfio_device_attach_iommufd_pt, pt_id),
				   &attach.pt_id, sizeof(attach.pt_id))) {
		p = attach.pasid ? find_pasid(vdev, attach.pasid) : NULL;
		if (p)
			detach_pasid_locked(vdev, p);
		else
			detach_locked(vdev);
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
	struct vfio_pasid *p;

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
	if (detach.pasid) {
		p = find_pasid(vdev, detach.pasid);
		if (p)
			detach_pasid_locked(vdev, p);
	} else {
		detach_locked(vdev);
	}
	ui_mutex_unlock(&vdev->lock);
	return 0;
}

void vfio_cdev_unbind_locked(struct vfio_device *vdev)
{
	struct vfio_pasid *p, *next;

	ui_mutex_assert_held(&vdev->lock);
	/* The device stops before its address spaces go. */
	vfio_device_disable_locked(vdev);
	cds_list_for_each_entry_safe(p, next, &vdev->pasids, node)
		detach_pasid_locked(vdev, p);
	detach_locked(vdev);
	iommufd_device_unbind(vdev->idev);
	vdev->idev = NULL;
	vdev->owner = NULL;
}

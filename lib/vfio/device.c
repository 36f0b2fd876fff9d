// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/device.c - what a client does to a device's file
 *
 * Until the file may reach the device everything but BIND is -EINVAL, also what
 * doesn't exist.
 */
#include <errno.h>
#include <fcntl.h>

#include "vfio/group.h"
#include "vfio/vfio.h"

/* ---- opening and closing ---- */

/* As the kernel at the first open: memory on, no DMA, interrupts allowed. */
static void enable_locked(struct vfio_device *vdev)
{
	pci_config_take_kept(vdev->pdev);
	pci_config_command(vdev->pdev, PCI_CMD_MASTER, 0);
	pci_reset(vdev->pdev);
	pci_config_command(vdev->pdev, PCI_CMD_INTX_DISABLE, PCI_CMD_MEM);
	vfio_config_changed_locked(vdev);
}

static void disable_locked(struct vfio_device *vdev)
{
	vfio_ioeventfds_release_locked(vdev);
	vfio_irqs_release_locked(vdev);
	vfio_eventfd_put(vdev, vdev->wakeup);
	vdev->wakeup = NULL;
	vdev->low_power = false;
	pci_config_command(vdev->pdev, PCI_CMD_MASTER, 0);
	pci_reset(vdev->pdev);
	pci_config_restore(vdev->pdev, NULL);
	vfio_config_changed_locked(vdev);
}

int vfio_device_open_locked(struct vfio_device *vdev, struct iommufd_ctx *ictx, uint32_t *devid)
{
	struct iommufd_device *idev;
	int rc;

	ui_mutex_assert_held(&vdev->lock);
	if (!vdev->opens && ictx) {
		idev = iommufd_device_bind(ictx, uiommu_pci_iommu_device(vdev->pdev), devid);
		if (UIOMMU_IS_ERR(idev))
			return (int)UIOMMU_PTR_ERR(idev);
		vdev->idev = idev;
	} else if (!vdev->opens) {
		rc = vfio_group_use_container(vdev->group);
		if (rc)
			return rc;
	}
	if (!vdev->opens++)
		enable_locked(vdev);
	return 0;
}

struct uiommu_file *vfio_device_close_locked(struct vfio_device *vdev)
{
	ui_mutex_assert_held(&vdev->lock);
	if (--vdev->opens)
		return NULL;
	/* The device stops before its address spaces go. */
	disable_locked(vdev);
	if (!vdev->idev)
		return vfio_group_unuse_container(vdev->group);
	vfio_detach_all_locked(vdev);
	iommufd_device_unbind(vdev->idev);
	vdev->idev = NULL;
	return NULL;
}

/* ---- ioctls ---- */

static long reset(struct vfio_device *vdev)
{
	/* It may wait for DMA; who attaches meanwhile is refused, and doesn't wait. */
	long rc = pci_reset(vdev->pdev);

	ui_mutex_lock(&vdev->lock);
	vfio_config_changed_locked(vdev);
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

static long vfio_ioctl(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
		       uint64_t arg)
{
	struct vfio_file *vf = vfio_file_of(file);
	struct vfio_device *vdev = vf->vdev;

	if (request == VFIO_DEVICE_BIND_IOMMUFD)
		return vfio_cdev_bind(vf, mm, arg);
	if (!vfio_granted(vf))
		return -EINVAL;
	switch (request) {
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		return vf->group ? -ENOTTY : vfio_cdev_attach(vf, mm, arg);
	case VFIO_DEVICE_DETACH_IOMMUFD_PT:
		return vf->group ? -ENOTTY : vfio_cdev_detach(vf, mm, arg);
	case VFIO_DEVICE_FEATURE:
		return vfio_feature(vdev, mm, arg);
	case VFIO_DEVICE_GET_INFO:
		return vfio_get_info(vdev, mm, arg);
	case VFIO_DEVICE_GET_REGION_INFO:
		return vfio_get_region_info(vdev, mm, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vfio_get_irq_info(vdev, mm, arg);
	case VFIO_DEVICE_SET_IRQS:
		return vfio_set_irqs(vdev, mm, arg);
	case VFIO_DEVICE_RESET:
		return reset(vdev);
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return vfio_get_hot_reset_info(vdev, mm, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return vfio_hot_reset(vdev, mm, arg);
	case VFIO_DEVICE_IOEVENTFD:
		return vfio_ioeventfd(vdev, mm, arg);
	default:
		return -ENOTTY;
	}
}

/* ---- reading and writing ---- */

static bool may_read(const struct uiommu_file *file)
{
	return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct uiommu_file *file)
{
	return (file->flags & O_ACCMODE) != O_RDONLY;
}

static ssize_t vfio_pread(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count, uint64_t offset)
{
	struct vfio_file *vf = vfio_file_of(file);

	if (!may_read(file))
		return -EBADF;
	if (!vfio_granted(vf))
		return -EINVAL;
	return vfio_region_read(vf->vdev, mm, buf, count, offset);
}

static ssize_t vfio_pwrite(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			   size_t count, uint64_t offset)
{
	struct vfio_file *vf = vfio_file_of(file);

	if (!may_write(file))
		return -EBADF;
	if (!vfio_granted(vf))
		return -EINVAL;
	return vfio_region_write(vf->vdev, mm, buf, count, offset);
}

/* The position starts at BAR0 and can't be set, only used up. */
static ssize_t vfio_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf, size_t count)
{
	struct vfio_file *vf = vfio_file_of(file);
	ssize_t rc = vfio_pread(file, mm, buf, count, ui_load_relaxed(&vf->pos));

	if (rc > 0)
		ui_fetch_add(&vf->pos, (uint64_t)rc);
	return rc;
}

static ssize_t vfio_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count)
{
	struct vfio_file *vf = vfio_file_of(file);
	ssize_t rc = vfio_pwrite(file, mm, buf, count, ui_load_relaxed(&vf->pos));

	if (rc > 0)
		ui_fetch_add(&vf->pos, (uint64_t)rc);
	return rc;
}

static int vfio_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		     uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	return vfio_region_mmap(file, mm, prot, flags, offset, length, out);
}

static void vfio_release(struct uiommu_file *file)
{
	struct vfio_file *vf = vfio_file_of(file);

	if (vf->group)
		vfio_group_close_device(vf);
	else
		vfio_cdev_close(vf);
	ui_file_fini(file);
	ui_free(vf);
}

const struct ui_file_ops vfio_device_ops = {
	.name = "vfio-device",
	.ioctl = vfio_ioctl,
	.read = vfio_read,
	.write = vfio_write,
	.pread = vfio_pread,
	.pwrite = vfio_pwrite,
	.mmap = vfio_mmap,
	.release = vfio_release,
};

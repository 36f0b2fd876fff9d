// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/ioeventfd.c - eventfds that write to a BAR when they are signalled
 */
#include <errno.h>
#include <stddef.h>

#include "vfio/vfio.h"

#define IOEVENTFDS_MAX 1000u

/*
 * All immutable but the node, which is the device's lock's.
 *  size	of what is written
 */
struct vfio_ioeventfd {
	struct cds_list_head node;
	struct vfio_device *vdev;
	void *eventfd;
	unsigned int bar;
	unsigned int size;
	uint64_t offset;
	uint64_t data;
};

/* In one access, unless the place isn't aligned. */
static void fire(void *arg)
{
	const struct vfio_ioeventfd *io = arg;
	unsigned int step = io->offset % io->size ? 1 : io->size;
	uint64_t mask = step == 8 ? UINT64_MAX : (1ull << 8 * step) - 1;

	/* With memory decoding off nothing comes of it. */
	for (unsigned int at = 0; at < io->size; at += step)
		pci_mmio_write(io->vdev->pdev, io->bar, io->offset + at, step,
			       io->data >> 8 * at & mask);
}

static int watch(struct vfio_ioeventfd *io, void (*ready)(void *arg))
{
	const struct uiommu_host_ops *host = io->vdev->ctx->host;

	return host->eventfd_watch ?
		       host->eventfd_watch(io->vdev->ctx->opaque, io->eventfd, ready, io) :
		       0;
}

static void remove_locked(struct vfio_ioeventfd *io)
{
	watch(io, NULL);
	cds_list_del(&io->node);
	io->vdev->nr_ioeventfds--;
	vfio_eventfd_put(io->vdev, io->eventfd);
	ui_free(io);
}

static struct vfio_ioeventfd *find_locked(struct vfio_device *vdev,
					  const struct vfio_ioeventfd *like)
{
	struct vfio_ioeventfd *io;

	cds_list_for_each_entry(io, &vdev->ioeventfds, node) {
		if (io->bar == like->bar && io->offset == like->offset && io->data == like->data &&
		    io->size == like->size)
			return io;
	}
	return NULL;
}

static long add_locked(const struct vfio_ioeventfd *like, struct uiommu_mm *mm, int fd)
{
	struct vfio_device *vdev = like->vdev;
	struct vfio_ioeventfd *io;
	int rc;

	if (vdev->nr_ioeventfds == IOEVENTFDS_MAX)
		return -ENOSPC;
	io = ui_zalloc(sizeof(*io));
	if (!io)
		return -ENOMEM;
	*io = *like;
	io->eventfd = vfio_eventfd_get(vdev, mm, fd);
	if (UIOMMU_IS_ERR(io->eventfd)) {
		rc = (int)UIOMMU_PTR_ERR(io->eventfd);
		ui_free(io);
		return rc;
	}
	rc = watch(io, fire);
	if (rc) {
		vfio_eventfd_put(vdev, io->eventfd);
		ui_free(io);
		return rc;
	}
	cds_list_add(&io->node, &vdev->ioeventfds);
	vdev->nr_ioeventfds++;
	return 0;
}

static bool hits_msix_table(const struct vfio_ioeventfd *io)
{
	for (unsigned int i = 0; i < io->size; i++) {
		if (pci_msix_is_table(io->vdev->pdev, io->bar, io->offset + i))
			return true;
	}
	return false;
}

long vfio_ioeventfd(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	const size_t minsz = offsetof(struct vfio_device_ioeventfd, reserved);
	struct vfio_ioeventfd like = {.vdev = vdev}, *io;
	struct vfio_device_ioeventfd request = {.argsz = 0};
	uint64_t bar;
	long rc = 0;

	if (ui_copy_from_user(mm, &request, arg, minsz))
		return -EFAULT;
	if (request.argsz < minsz || request.flags & ~(uint32_t)VFIO_DEVICE_IOEVENTFD_SIZE_MASK ||
	    __builtin_popcount(request.flags) != 1 || request.fd < -1)
		return -EINVAL;
	bar = request.offset >> VFIO_OFFSET_SHIFT;
	like.size = request.flags;
	like.offset = request.offset & VFIO_OFFSET_MASK;
	like.data = request.data;
	if (bar > VFIO_PCI_BAR5_REGION_INDEX ||
	    like.offset + like.size > vdev->pdev->bars[bar].size)
		return -EINVAL;
	like.bar = (unsigned int)bar;
	if (hits_msix_table(&like))
		return -EINVAL;
	ui_mutex_lock(&vdev->lock);
	io = find_locked(vdev, &like);
	if (request.fd >= 0)
		rc = io ? -EEXIST : add_locked(&like, mm, request.fd);
	else if (io)
		remove_locked(io);
	else
		rc = -ENODEV;
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

void vfio_ioeventfds_release_locked(struct vfio_device *vdev)
{
	struct vfio_ioeventfd *io, *next;

	ui_mutex_assert_held(&vdev->lock);
	cds_list_for_each_entry_safe(io, next, &vdev->ioeventfds, node)
		remove_locked(io);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/irq.c - interrupts: which there are, and SET_IRQS
 *
 * Two exist on every PCI Express function, error and request: an eventfd each,
 * which nobody but the client's own loopback triggers.  INTx is there when the
 * function has an interrupt pin; it is on from the first eventfd (also from
 * "none", -1) until a trigger of no interrupts turns it off.  A mask holds back
 * the pin, not the loopback, and no function raises its pin, so that a mask has
 * nothing to hold back; the eventfd that would lift it is only kept.  MSI and
 * MSI-X no function has.
 */
#include <errno.h>

#include "vfio/vfio.h"

unsigned int vfio_irq_count(const struct vfio_device *vdev, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return pci_config_interrupt_pin(vdev->pdev) ? 1 : 0;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return vdev->pdev->pcie_cap ? 1 : 0;
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

/* ---- eventfds, which are the host's ---- */

void *vfio_eventfd_get(struct vfio_device *vdev, struct uiommu_mm *mm, int fd)
{
	const struct uiommu_host_ops *host = vdev->ctx->host;

	if (!host || !host->eventfd_get)
		return UIOMMU_ERR_PTR(-EBADF);
	return host->eventfd_get(vdev->ctx->opaque, mm, fd);
}

void vfio_eventfd_put(struct vfio_device *vdev, void *eventfd)
{
	if (eventfd)
		vdev->ctx->host->eventfd_put(vdev->ctx->opaque, eventfd);
}

static void signal_trigger(struct vfio_device *vdev, void *trigger)
{
	if (trigger)
		vdev->ctx->host->eventfd_signal(vdev->ctx->opaque, trigger);
}

static void set_trigger(struct vfio_device *vdev, void **trigger, void *eventfd)
{
	vfio_eventfd_put(vdev, *trigger);
	*trigger = eventfd;
}

/* ---- SET_IRQS ---- */

/* A request that has been checked; data holds the first of its values. */
struct irq_request {
	uint8_t bool_value;
	int32_t fd;
	struct vfio_irq_set set; /* last, for it has a tail in the ABI */
};

static long set_single_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			      const struct irq_request *request, void **trigger)
{
	void *eventfd;

	if (request->set.count > 1)
		return -EINVAL;
	switch (request->set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (!*trigger)
			return -EINVAL;
		if (request->set.count)
			signal_trigger(vdev, *trigger);
		else
			set_trigger(vdev, trigger, NULL);
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!request->set.count)
			return -EINVAL;
		if (request->bool_value)
			signal_trigger(vdev, *trigger);
		return 0;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		if (!request->set.count || request->fd < -1)
			return -EINVAL;
		if (request->fd == -1) {
			set_trigger(vdev, trigger, NULL);
			return 0;
		}
		eventfd = vfio_eventfd_get(vdev, mm, request->fd);
		if (UIOMMU_IS_ERR(eventfd))
			return UIOMMU_PTR_ERR(eventfd);
		set_trigger(vdev, trigger, eventfd);
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- INTx ---- */

static void intx_off_locked(struct vfio_device *vdev)
{
	vdev->intx = false;
	set_trigger(vdev, &vdev->intx_trigger, NULL);
	set_trigger(vdev, &vdev->intx_unmask, NULL);
}

static long trigger_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
				const struct irq_request *request)
{
	uint32_t data = request->set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	uint32_t command = ui_load_acquire(&vdev->pdev->command);
	void *eventfd = NULL;

	if (vdev->intx && !request->set.count && data == VFIO_IRQ_SET_DATA_NONE) {
		intx_off_locked(vdev);
		return 0;
	}
	if (request->set.count != 1)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD) {
		if (request->fd >= 0)
			eventfd = vfio_eventfd_get(vdev, mm, request->fd);
		if (UIOMMU_IS_ERR(eventfd))
			return UIOMMU_PTR_ERR(eventfd);
		set_trigger(vdev, &vdev->intx_trigger, eventfd);
		vdev->intx = true;
		return 0;
	}
	if (!vdev->intx)
		return -EINVAL;
	if ((data == VFIO_IRQ_SET_DATA_NONE || request->bool_value) &&
	    !(command & PCI_CMD_INTX_DISABLE))
		signal_trigger(vdev, vdev->intx_trigger);
	return 0;
}

static long mask_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			     const struct irq_request *request, bool unmask)
{
	void *eventfd;

	if (!vdev->intx || request->set.count != 1)
		return -EINVAL;
	if ((request->set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK) != VFIO_IRQ_SET_DATA_EVENTFD)
		return 0;
	if (!unmask)
		return -ENOTTY;
	if (request->fd < 0) {
		set_trigger(vdev, &vdev->intx_unmask, NULL);
		return 0;
	}
	eventfd = vfio_eventfd_get(vdev, mm, request->fd);
	if (UIOMMU_IS_ERR(eventfd))
		return UIOMMU_PTR_ERR(eventfd);
	if (vdev->intx_unmask) {
		vfio_eventfd_put(vdev, eventfd);
		return -EBUSY;
	}
	vdev->intx_unmask = eventfd;
	return 0;
}

static long set_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			    const struct irq_request *request)
{
	switch (request->set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_MASK:
		return mask_intx_locked(vdev, mm, request, false);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return mask_intx_locked(vdev, mm, request, true);
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return trigger_intx_locked(vdev, mm, request);
	default:
		return -ENOTTY;
	}
}

/* ---- the ioctl ---- */

/* In the kernel's order: sizes and flags, the range, then the data. */
static int check_request(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg,
			 struct irq_request *request)
{
	const uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	struct vfio_irq_set *set = &request->set;
	uint64_t size, count;

	if (ui_copy_from_user(mm, set, arg, sizeof(*set)))
		return -EFAULT;
	if (set->argsz < sizeof(*set) || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->count >= UINT32_MAX - set->start || (set->flags & ~known))
		return -EINVAL;
	count = vfio_irq_count(vdev, set->index);
	if (set->start >= count || (uint64_t)set->start + set->count > count)
		return -EINVAL;

	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		size = sizeof(request->bool_value);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		size = sizeof(request->fd);
		break;
	default:
		return -EINVAL;
	}
	if (set->argsz - sizeof(*set) < set->count * size)
		return -EINVAL;
	if (!set->count)
		return 0;
	return ui_copy_from_user(mm,
				 size == sizeof(request->fd) ? (void *)&request->fd :
							       (void *)&request->bool_value,
				 arg + sizeof(*set), size);
}

long vfio_set_irqs(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct irq_request request;
	long rc;

	rc = check_request(vdev, mm, arg, &request);
	if (rc)
		return rc;
	ui_mutex_lock(&vdev->lock);
	if (request.set.index == VFIO_PCI_INTX_IRQ_INDEX)
		rc = set_intx_locked(vdev, mm, &request);
	else if ((request.set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) != VFIO_IRQ_SET_ACTION_TRIGGER)
		rc = -ENOTTY; /* only INTx can be masked */
	else
		rc = set_single_locked(vdev, mm, &request,
				       request.set.index == VFIO_PCI_ERR_IRQ_INDEX ?
					       &vdev->err_trigger :
					       &vdev->req_trigger);
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

void vfio_irqs_release_locked(struct vfio_device *vdev)
{
	ui_mutex_assert_held(&vdev->lock);
	intx_off_locked(vdev);
	set_trigger(vdev, &vdev->err_trigger, NULL);
	set_trigger(vdev, &vdev->req_trigger, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/irq.c - interrupts: which there are, and who gets them
 *
 * Of INTx, MSI and MSI-X a client uses one at a time: it is on from the first
 * eventfds (also from "none", -1) until a trigger of no interrupts turns it off.
 * Beside them are error and request, an eventfd each, which nobody but the client's own
 * loopback triggers.
 *
 * INTx masks itself as it is sent, and stays masked until the client unmasks it; if the
 * pin is still asserted then it is sent again.  COMMAND.INTX_DISABLE masks as well, and
 * silences the loopback.  All that is one atomic word, brought in line with the pin
 * and with COMMAND by intx_update(), whatever changed.
 *
 * A message goes to its vector's eventfd.  A vector without one is masked in the
 * function, where its message stays pending.
 */
#include <errno.h>

#include "vfio/vfio.h"

/* vdev->irqs.intx */
#define INTX_ON 1u
#define INTX_MASKED 2u
#define INTX_DISABLED 4u /* by COMMAND */

int vfio_irqs_init(struct vfio_device *vdev)
{
	const struct uiommu_pci_device *pdev = vdev->pdev;
	struct vfio_irqs *irqs = &vdev->irqs;

	irqs->type = VFIO_PCI_NUM_IRQS;
	irqs->nr_triggers = pdev->msi.nr > pdev->msix.nr ? pdev->msi.nr : pdev->msix.nr;
	irqs->triggers = ui_zalloc((irqs->nr_triggers + 1) * sizeof(*irqs->triggers));
	return irqs->triggers ? 0 : -ENOMEM;
}

void vfio_irqs_fini(struct vfio_device *vdev)
{
	ui_free(vdev->irqs.triggers);
}

unsigned int vfio_irq_count(const struct vfio_device *vdev, uint32_t index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return pci_config_interrupt_pin(vdev->pdev) ? 1 : 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return vdev->pdev->msi.nr;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return vdev->pdev->msix.nr;
	case VFIO_PCI_ERR_IRQ_INDEX:
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

/* As set_trigger(), for one that is read without the lock. */
static void swap_trigger(struct vfio_device *vdev, void **trigger, void *eventfd)
{
	void *old = ui_xchg(trigger, eventfd);
	unsigned int tries = 0;

	if (!old)
		return;
	while (ui_load_seq_cst(&vdev->irqs.raising))
		ui_spin_pause(tries++);
	vfio_eventfd_put(vdev, old);
}

/* With a NULL for the function: it is over when this returns. */
static int watch_eventfd(struct vfio_device *vdev, void *eventfd, void (*ready)(void *arg))
{
	const struct uiommu_host_ops *host = vdev->ctx->host;

	return host->eventfd_watch ? host->eventfd_watch(vdev->ctx->opaque, eventfd, ready, vdev) :
				     0;
}

static bool eventfd_gone(struct vfio_device *vdev, void *eventfd)
{
	const struct uiommu_host_ops *host = vdev->ctx->host;

	return host->eventfd_gone && host->eventfd_gone(vdev->ctx->opaque, eventfd);
}

/* Without the lock, from wherever the function raises it. */
static void raise_trigger(struct vfio_device *vdev, void **trigger)
{
	ui_fetch_add(&vdev->irqs.raising, 1);
	signal_trigger(vdev, ui_load_seq_cst(trigger));
	ui_fetch_sub(&vdev->irqs.raising, 1);
}

/* ---- INTx ---- */

static void intx_update(struct vfio_device *vdev)
{
	uint32_t old = ui_load_seq_cst(&vdev->irqs.intx), new;
	bool asserted = pci_intx_asserted(vdev->pdev), send;
	bool disabled = ui_load_seq_cst(&vdev->pdev->command) & PCI_CMD_INTX_DISABLE;

	do {
		new = old;
		if (disabled && !(old & INTX_DISABLED))
			new |= INTX_DISABLED | INTX_MASKED;
		if (!disabled && (old & INTX_DISABLED))
			new &= ~(INTX_DISABLED | INTX_MASKED);
		send = asserted && (new &(INTX_ON | INTX_MASKED)) == INTX_ON;
		if (send)
			new |= INTX_MASKED;
		if (new == old)
			return;
	} while (!ui_cmpxchg(&vdev->irqs.intx, &old, new));
	if (send)
		raise_trigger(vdev, &vdev->irqs.intx_trigger);
}

void vfio_irq_intx(struct uiommu_pci_device *pdev)
{
	intx_update(pdev->driver_data);
}

static void intx_unmask(struct vfio_device *vdev)
{
	uint32_t old = ui_load_seq_cst(&vdev->irqs.intx);

	do {
		if (old & INTX_DISABLED)
			return;
	} while (!ui_cmpxchg(&vdev->irqs.intx, &old, old & ~INTX_MASKED));
	intx_update(vdev);
}

/* Somebody wrote to the eventfd that unmasks. */
static void unmask_asked(void *arg)
{
	intx_unmask(arg);
}

static void drop_unmask_locked(struct vfio_device *vdev)
{
	if (vdev->irqs.unmask)
		watch_eventfd(vdev, vdev->irqs.unmask, NULL);
	set_trigger(vdev, &vdev->irqs.unmask, NULL);
}

static void intx_off_locked(struct vfio_device *vdev)
{
	struct vfio_irqs *irqs = &vdev->irqs;

	ui_fetch_and(&irqs->intx, ~INTX_ON);
	swap_trigger(vdev, &irqs->intx_trigger, NULL);
	drop_unmask_locked(vdev);
	irqs->type = VFIO_PCI_NUM_IRQS;
}

static void intx_on_locked(struct vfio_device *vdev)
{
	vdev->irqs.type = VFIO_PCI_INTX_IRQ_INDEX;
	ui_xchg(&vdev->irqs.intx, 0);
	intx_update(vdev); /* what COMMAND says */
	ui_fetch_or(&vdev->irqs.intx, INTX_ON);
	intx_update(vdev);
}

/* ---- SET_IRQS: INTx ---- */

/* A request that has been checked; data holds its values, none if it has none. */
struct irq_request {
	uint32_t index;
	uint32_t start;
	uint32_t count;
	uint32_t data_type;
	uint32_t action;
	union {
		const uint8_t *bools;
		const int32_t *fds;
	};
};

/* Of the first value: a loopback (or a mask) is asked for, and not "false". */
static bool asks(const struct irq_request *request)
{
	return request->data_type == VFIO_IRQ_SET_DATA_NONE ||
	       (request->data_type == VFIO_IRQ_SET_DATA_BOOL && request->bools[0]);
}

static long trigger_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
				const struct irq_request *request)
{
	struct vfio_irqs *irqs = &vdev->irqs;
	bool on = irqs->type == VFIO_PCI_INTX_IRQ_INDEX;
	void *eventfd = NULL;

	if (on && !request->count && request->data_type == VFIO_IRQ_SET_DATA_NONE) {
		intx_off_locked(vdev);
		return 0;
	}
	if ((!on && irqs->type != VFIO_PCI_NUM_IRQS) || request->count != 1)
		return -EINVAL;
	if (request->data_type == VFIO_IRQ_SET_DATA_EVENTFD) {
		if (request->fds[0] >= 0)
			eventfd = vfio_eventfd_get(vdev, mm, request->fds[0]);
		if (UIOMMU_IS_ERR(eventfd))
			return UIOMMU_PTR_ERR(eventfd);
		swap_trigger(vdev, &irqs->intx_trigger, eventfd);
		if (!on)
			intx_on_locked(vdev);
		return 0;
	}
	if (!on)
		return -EINVAL;
	if (asks(request) && !(ui_load_acquire(&vdev->pdev->command) & PCI_CMD_INTX_DISABLE))
		signal_trigger(vdev, irqs->intx_trigger);
	return 0;
}

static long mask_intx_locked(struct vfio_device *vdev, const struct irq_request *request)
{
	if (vdev->irqs.type != VFIO_PCI_INTX_IRQ_INDEX || request->count != 1)
		return -EINVAL;
	if (request->data_type == VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if (asks(request))
		ui_fetch_or(&vdev->irqs.intx, INTX_MASKED);
	return 0;
}

static long unmask_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			       const struct irq_request *request)
{
	void *eventfd;
	int rc;

	if (vdev->irqs.type != VFIO_PCI_INTX_IRQ_INDEX || request->count != 1)
		return -EINVAL;
	if (request->data_type != VFIO_IRQ_SET_DATA_EVENTFD) {
		if (asks(request))
			intx_unmask(vdev);
		return 0;
	}
	if (request->fds[0] < 0) {
		drop_unmask_locked(vdev);
		return 0;
	}
	eventfd = vfio_eventfd_get(vdev, mm, request->fds[0]);
	if (UIOMMU_IS_ERR(eventfd))
		return UIOMMU_PTR_ERR(eventfd);
	/* A client may also close it, rather than say -1. */
	if (vdev->irqs.unmask && eventfd_gone(vdev, vdev->irqs.unmask))
		drop_unmask_locked(vdev);
	rc = vdev->irqs.unmask ? -EBUSY : watch_eventfd(vdev, eventfd, unmask_asked);
	if (rc)
		vfio_eventfd_put(vdev, eventfd);
	else
		vdev->irqs.unmask = eventfd;
	return rc;
}

static long set_intx_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			    const struct irq_request *request)
{
	switch (request->action) {
	case VFIO_IRQ_SET_ACTION_MASK:
		return mask_intx_locked(vdev, request);
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return unmask_intx_locked(vdev, mm, request);
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return trigger_intx_locked(vdev, mm, request);
	default:
		return -ENOTTY;
	}
}

/* ---- SET_IRQS: MSI and MSI-X ---- */

void vfio_irq_message(struct uiommu_pci_device *pdev, unsigned int vector)
{
	struct vfio_device *vdev = pdev->driver_data;

	if (vector < vdev->irqs.nr_triggers)
		raise_trigger(vdev, &vdev->irqs.triggers[vector]);
}

static void mask_vector(struct vfio_device *vdev, bool msix, unsigned int vector, bool masked)
{
	if (msix)
		pci_msix_mask(vdev->pdev, vector, masked);
	else
		pci_msi_mask(vdev->pdev, vector, masked);
}

/* More vectors of MSI-X may be had at any time; of MSI those that it was begun with. */
static long set_vector_locked(struct vfio_device *vdev, struct uiommu_mm *mm, unsigned int vector,
			      int fd, bool msix)
{
	void **trigger = &vdev->irqs.triggers[vector];
	void *eventfd;

	if (*trigger) {
		mask_vector(vdev, msix, vector, true);
		swap_trigger(vdev, trigger, NULL);
	}
	if (fd < 0)
		return 0;
	if (!msix && vector >= vdev->irqs.allocated)
		return -EINVAL;
	eventfd = vfio_eventfd_get(vdev, mm, fd);
	if (UIOMMU_IS_ERR(eventfd))
		return UIOMMU_PTR_ERR(eventfd);
	swap_trigger(vdev, trigger, eventfd);
	if (msix)
		pci_msix_program(vdev->pdev, vector);
	mask_vector(vdev, msix, vector, false);
	return 0;
}

/* All of them, or none. */
static long set_vectors_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			       const struct irq_request *request, bool msix)
{
	unsigned int i;
	long rc = 0;

	for (i = 0; i < request->count && !rc; i++)
		rc = set_vector_locked(vdev, mm, request->start + i, request->fds[i], msix);
	while (rc && i--)
		set_vector_locked(vdev, mm, request->start + i, -1, msix);
	return rc;
}

static void messages_off_locked(struct vfio_device *vdev, bool msix)
{
	struct vfio_irqs *irqs = &vdev->irqs;
	unsigned int i;

	for (i = 0; i < irqs->nr_triggers; i++)
		set_vector_locked(vdev, NULL, i, -1, msix);
	if (msix)
		pci_msix_enable(vdev->pdev, false);
	else
		pci_msi_enable(vdev->pdev, 0);
	irqs->type = VFIO_PCI_NUM_IRQS;
}

static long messages_on_locked(struct vfio_device *vdev, uint32_t index, unsigned int vectors)
{
	if (!vectors)
		return -ERANGE;
	if (index == VFIO_PCI_MSIX_IRQ_INDEX)
		pci_msix_enable(vdev->pdev, true);
	else
		pci_msi_enable(vdev->pdev, vectors);
	vdev->irqs.allocated = vectors;
	vdev->irqs.type = index;
	return 0;
}

static long set_messages_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
				const struct irq_request *request)
{
	struct vfio_irqs *irqs = &vdev->irqs;
	bool msix = request->index == VFIO_PCI_MSIX_IRQ_INDEX, on = irqs->type == request->index;
	unsigned int i;
	long rc;

	if (request->action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;
	if (on && !request->count && request->data_type == VFIO_IRQ_SET_DATA_NONE) {
		messages_off_locked(vdev, msix);
		return 0;
	}
	if (!on && irqs->type != VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	if (request->data_type == VFIO_IRQ_SET_DATA_EVENTFD) {
		rc = on ? 0 :
			  messages_on_locked(vdev, request->index, request->start + request->count);
		if (rc)
			return rc;
		rc = set_vectors_locked(vdev, mm, request, msix);
		if (rc && !on)
			messages_off_locked(vdev, msix);
		return rc;
	}
	if (!on)
		return -EINVAL;
	for (i = 0; i < request->count; i++) {
		if (request->data_type == VFIO_IRQ_SET_DATA_NONE || request->bools[i])
			signal_trigger(vdev, irqs->triggers[request->start + i]);
	}
	return 0;
}

/* ---- SET_IRQS: error and request ---- */

static long set_single_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			      const struct irq_request *request, void **trigger)
{
	void *eventfd;

	if (request->action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;
	switch (request->data_type) {
	case VFIO_IRQ_SET_DATA_NONE:
		if (!*trigger)
			return -EINVAL;
		if (request->count)
			signal_trigger(vdev, *trigger);
		else
			set_trigger(vdev, trigger, NULL);
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		if (!request->count)
			return -EINVAL;
		if (request->bools[0])
			signal_trigger(vdev, *trigger);
		return 0;
	case VFIO_IRQ_SET_DATA_EVENTFD:
	default:
		if (!request->count || request->fds[0] < -1)
			return -EINVAL;
		if (request->fds[0] == -1) {
			set_trigger(vdev, trigger, NULL);
			return 0;
		}
		eventfd = vfio_eventfd_get(vdev, mm, request->fds[0]);
		if (UIOMMU_IS_ERR(eventfd))
			return UIOMMU_PTR_ERR(eventfd);
		set_trigger(vdev, trigger, eventfd);
		return 0;
	}
}

static void tell_request(struct vfio_device *vdev)
{
	const struct uiommu *ctx = vdev->ctx;

	if (ctx->host && ctx->host->request)
		ctx->host->request(ctx->opaque, vdev->pdev->name, vdev->irqs.req);
}

static long set_request_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			       const struct irq_request *request)
{
	const void *old = vdev->irqs.req;
	long rc = set_single_locked(vdev, mm, request, &vdev->irqs.req);

	if (vdev->irqs.req != old)
		tell_request(vdev);
	return rc;
}

/* ---- the ioctl ---- */

/* In the kernel's order: sizes and flags, the range, then the data (@size bytes follow). */
static int check_request(struct vfio_device *vdev, const struct vfio_irq_set *set, size_t *size)
{
	const uint32_t known = VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK;
	uint64_t count;

	if (set->argsz < sizeof(*set) || set->index >= VFIO_PCI_NUM_IRQS ||
	    set->count >= UINT32_MAX - set->start || (set->flags & ~known))
		return -EINVAL;
	count = vfio_irq_count(vdev, set->index);
	if (set->start >= count || (uint64_t)set->start + set->count > count)
		return -EINVAL;

	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		*size = 0;
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		*size = set->count * sizeof(uint8_t);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		*size = set->count * sizeof(int32_t);
		break;
	default:
		return -EINVAL;
	}
	return set->argsz - sizeof(*set) < *size ? -EINVAL : 0;
}

static long set_irqs_locked(struct vfio_device *vdev, struct uiommu_mm *mm,
			    const struct irq_request *request)
{
	switch (request->index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return set_intx_locked(vdev, mm, request);
	case VFIO_PCI_ERR_IRQ_INDEX:
		return set_single_locked(vdev, mm, request, &vdev->irqs.err);
	case VFIO_PCI_REQ_IRQ_INDEX:
		return set_request_locked(vdev, mm, request);
	default:
		return set_messages_locked(vdev, mm, request);
	}
}

long vfio_set_irqs(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct irq_request request;
	struct vfio_irq_set set;
	unsigned int type;
	void *data = NULL;
	size_t size = 0;
	long rc;

	if (ui_copy_from_user(mm, &set, arg, sizeof(set)))
		return -EFAULT;
	rc = check_request(vdev, &set, &size);
	if (rc)
		return rc;
	if (size) {
		data = ui_zalloc(size);
		if (!data)
			return -ENOMEM;
		rc = ui_copy_from_user(mm, data, arg + sizeof(set), size);
	}
	request = (struct irq_request){
		.index = set.index,
		.start = set.start,
		.count = set.count,
		.data_type = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK,
		.action = set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK,
		.bools = data,
	};
	if (!rc) {
		ui_mutex_lock(&vdev->lock);
		type = vdev->irqs.type;
		rc = set_irqs_locked(vdev, mm, &request);
		if (vdev->irqs.type != type && request.index != VFIO_PCI_INTX_IRQ_INDEX)
			vfio_config_changed_locked(vdev); /* of what enables it */
		ui_mutex_unlock(&vdev->lock);
	}
	ui_free(data);
	return rc;
}

void vfio_irqs_release_locked(struct vfio_device *vdev)
{
	struct vfio_irqs *irqs = &vdev->irqs;

	ui_mutex_assert_held(&vdev->lock);
	if (irqs->type == VFIO_PCI_INTX_IRQ_INDEX)
		intx_off_locked(vdev);
	else if (irqs->type != VFIO_PCI_NUM_IRQS)
		messages_off_locked(vdev, irqs->type == VFIO_PCI_MSIX_IRQ_INDEX);
	set_trigger(vdev, &irqs->err, NULL);
	if (irqs->req) {
		set_trigger(vdev, &irqs->req, NULL);
		tell_request(vdev);
	}
}

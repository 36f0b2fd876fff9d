// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/irq.c - interrupts as a function raises them: its pin, and MSI
 *
 * The driver (vfio-pci) is told, and decides who gets it.  Raising takes no
 * lock: a model does it in a signal handler of the client, on top of whatever
 * that interrupted.  A message is first made pending and then delivered, by
 * whoever clears the pending bit; so is one whose mask is lifted, and each is
 * delivered once however the two meet.
 *
 * A vector is masked until the driver has somebody for it.
 */
#include <errno.h>

#include "pci/config.h"
#include "pci/pci.h"

/* ---- the pin ---- */

int uiommu_pci_add_intx(struct uiommu_pci_device *pdev)
{
	if (pdev->iommu)
		return -EINVAL;
	pdev->config[PCI_REG_INTERRUPT_PIN] = 1;
	return 0;
}

bool pci_intx_asserted(const struct uiommu_pci_device *pdev)
{
	return ui_load_seq_cst(&pdev->intx_level);
}

void pci_intx_changed(struct uiommu_pci_device *pdev)
{
	const struct pci_driver *driver = pdev->ctx->pci->driver;

	if (driver && driver->intx && pdev->driver_data)
		driver->intx(pdev);
}

void uiommu_pci_set_intx(struct uiommu_pci_device *pdev, bool asserted)
{
	if (!pci_config_interrupt_pin(pdev))
		return;
	if (ui_xchg(&pdev->intx_level, asserted) != asserted)
		pci_intx_changed(pdev);
}

/* ---- messages ---- */

void pci_message(struct uiommu_pci_device *pdev, unsigned int vector)
{
	const struct pci_driver *driver = pdev->ctx->pci->driver;
	struct uiommu_event event = {
		.type = UIOMMU_EVENT_NOTE,
		.device = pdev->name,
		.pasid = UIOMMU_NO_PASID,
		.reason = "an interrupt message is lost: bus mastering is off "
			  "(MASTER in the COMMAND register)",
	};

	/* It's a write to memory, as far as the bus is concerned. */
	if (!uiommu_pci_bus_master(pdev))
		ui_event(pdev->ctx, &event);
	else if (driver && driver->message && pdev->driver_data)
		driver->message(pdev, vector);
	/* Whoever of them doesn't use the function now, takes no notice. */
	if (pdev->own && pdev->own->message && uiommu_pci_bus_master(pdev))
		pdev->own->message(pdev, vector);
}

enum uiommu_irq_mode uiommu_pci_irq_mode(const struct uiommu_pci_device *pdev)
{
	if (ui_load_acquire(&pdev->msix.control) & PCI_MSIX_ENABLE)
		return UIOMMU_IRQ_MSIX;
	return ui_load_acquire(&pdev->msi.enabled) ? UIOMMU_IRQ_MSI : UIOMMU_IRQ_INTX;
}

void uiommu_pci_raise(struct uiommu_pci_device *pdev, unsigned int vector)
{
	switch (uiommu_pci_irq_mode(pdev)) {
	case UIOMMU_IRQ_MSIX:
		if (vector < pdev->msix.nr)
			pci_msix_raise(pdev, vector);
		break;
	case UIOMMU_IRQ_MSI:
		/* As many low bits of the message as were granted are the vector. */
		vector &= ui_load_acquire(&pdev->msi.granted) - 1;
		ui_fetch_or(&pdev->msi.pending, 1u << vector);
		pci_msi_deliver(pdev);
		break;
	case UIOMMU_IRQ_INTX:
	default:
		break;
	}
}

/* ---- MSI ---- */

int uiommu_pci_add_msi(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int vectors)
{
	unsigned int log;
	int at;

	if (!vectors || vectors > 32 || (vectors & (vectors - 1)) || pdev->msi.nr)
		return -EINVAL;
	at = pci_config_add_cap(pdev, offset, PCI_CAP_ID_MSI, PCI_MSI_SIZE);
	if (at < 0)
		return at;
	log = (unsigned int)__builtin_ctz(vectors);
	pdev->msi.cap = (uint16_t)at;
	pdev->msi.nr = vectors;
	pdev->msi.granted = 1;
	pdev->msi.mask = UINT32_MAX >> (32 - vectors);
	put16(pdev->config + at + PCI_MSI_FLAGS, PCI_MSI_64BIT | PCI_MSI_MASKBIT | log << 1);
	/* The client's own copy: what of it reaches the function is below. */
	pdev->writable[at + PCI_MSI_FLAGS] = 0xff;
	put32(pdev->writable + at + PCI_MSI_ADDRESS, UINT32_MAX);
	put32(pdev->writable + at + PCI_MSI_ADDRESS + 4, UINT32_MAX);
	put16(pdev->writable + at + PCI_MSI_DATA, UINT16_MAX);
	put32(pdev->writable + at + PCI_MSI_MASK, UINT32_MAX);
	return at;
}

void pci_msi_deliver(struct uiommu_pci_device *pdev)
{
	struct pci_msi *msi = &pdev->msi;
	unsigned int vector;
	uint32_t ready;

	if (!ui_load_seq_cst(&msi->enabled))
		return;
	ready = ui_load_seq_cst(&msi->pending) & ~ui_load_seq_cst(&msi->mask);
	for (; ready; ready &= ready - 1) {
		vector = (unsigned int)__builtin_ctz(ready);
		if (ui_fetch_and(&msi->pending, ~(1u << vector)) & 1u << vector)
			pci_message(pdev, vector);
	}
}

void pci_msi_enable(struct uiommu_pci_device *pdev, unsigned int vectors)
{
	struct pci_msi *msi = &pdev->msi;
	unsigned int log = 0;

	if (!vectors) {
		ui_store_release(&msi->enabled, 0);
		ui_store_release(&msi->allocated, 0);
		return;
	}
	while (1u << log < vectors)
		log++;
	ui_xchg(&msi->mask, UINT32_MAX >> (32 - msi->nr));
	ui_xchg(&msi->pending, 0);
	ui_store_release(&msi->granted, 1u << log);
	ui_store_release(&msi->allocated, 1);
	ui_store_release(&msi->enabled, 1);
}

void pci_msi_mask(struct uiommu_pci_device *pdev, unsigned int vector, bool masked)
{
	if (masked) {
		ui_fetch_or(&pdev->msi.mask, 1u << vector);
		return;
	}
	ui_fetch_and(&pdev->msi.mask, ~(1u << vector));
	pci_msi_deliver(pdev);
}

/* What is the function's own, into the image that is about to be read or changed. */
void pci_irq_config_refresh_locked(struct uiommu_pci_device *pdev)
{
	uint8_t *status = pdev->config + PCI_REG_STATUS;

	ui_mutex_assert_held(&pdev->config_lock);
	*status = (uint8_t)((*status & ~PCI_STATUS_INTERRUPT) |
			    (pci_intx_asserted(pdev) ? PCI_STATUS_INTERRUPT : 0));
	if (pdev->msi.nr) {
		put32(pdev->config + pdev->msi.cap + PCI_MSI_MASK,
		      ui_load_acquire(&pdev->msi.mask));
		put32(pdev->config + pdev->msi.cap + PCI_MSI_PENDING,
		      ui_load_acquire(&pdev->msi.pending));
	}
	if (pdev->msix.nr)
		put16(pdev->config + pdev->msix.cap + PCI_MSIX_FLAGS,
		      (pdev->msix.nr - 1) | ui_load_acquire(&pdev->msix.control));
}

/*
 * A write has changed the image.  The flags and the address are a copy for the
 * client; of them the enable bit counts while the driver uses MSI, and it may ask
 * for as many vectors as the driver did.  The caller delivers, without the lock.
 */
void pci_irq_config_written_locked(struct uiommu_pci_device *pdev, unsigned int offset,
				   size_t length)
{
	uint8_t *cap = pdev->config + pdev->msi.cap;
	struct pci_msi *msi = &pdev->msi;
	unsigned int log = 0;
	uint16_t flags;

	ui_mutex_assert_held(&pdev->config_lock);
	if (!msi->nr)
		return;
	if (pci_config_covers(offset, length, msi->cap + PCI_MSI_FLAGS, 1)) {
		flags = get16(cap + PCI_MSI_FLAGS);
		if (!ui_load_acquire(&msi->allocated))
			flags &= (uint16_t)~PCI_MSI_ENABLE;
		while (1u << log < ui_load_acquire(&msi->granted))
			log++;
		if ((flags & PCI_MSI_QSIZE) >> 4 > log)
			flags = (uint16_t)((flags & ~PCI_MSI_QSIZE) | log << 4);
		put16(cap + PCI_MSI_FLAGS, flags);
		ui_xchg(&msi->enabled, flags & PCI_MSI_ENABLE);
	}
	if (pci_config_covers(offset, length, msi->cap + PCI_MSI_MASK, 4))
		ui_xchg(&msi->mask, get32(cap + PCI_MSI_MASK) & UINT32_MAX >> (32 - msi->nr));
}

void pci_irq_reset(struct uiommu_pci_device *pdev)
{
	uiommu_pci_set_intx(pdev, false);
	ui_xchg(&pdev->msi.pending, 0);
	pci_msix_reset(pdev);
}

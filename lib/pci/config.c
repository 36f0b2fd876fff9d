// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/config.c - config space: header, BARs, and what accesses do
 *
 * Two images of 4096 bytes: what is read, and which bits a write may change.
 * That alone gives BARs their sizing (the size bits can't be written) and makes
 * everything else read-only.  What a write does besides is in
 * pci_config_write(): COMMAND, function level reset, power state.
 *
 * Capabilities are in caps.c, interrupts in irq.c and msix.c.
 */
#include <errno.h>
#include <string.h>

#include "pci/config.h"
#include "pci/pci.h"

#define CAP_EXTENDED 0x100u

void pci_config_init(struct uiommu_pci_device *pdev)
{
	const struct uiommu_model *model = pdev->model;
	uint8_t *config = pdev->config, *writable = pdev->writable;

	put16(config + PCI_REG_VENDOR, model->vendor);
	put16(config + PCI_REG_DEVICE, model->device);
	put32(config + PCI_REG_REVISION, model->revision | pdev->class_code << 8);
	put16(config + PCI_REG_SUBSYS_VENDOR, 0x1af4);
	put16(config + PCI_REG_SUBSYS_DEVICE, 0x1100);
	put16(writable + PCI_REG_COMMAND,
	      PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_PARITY | PCI_CMD_SERR | PCI_CMD_INTX_DISABLE);
	writable[PCI_REG_CACHE_LINE] = 0xff;
	writable[PCI_REG_INTERRUPT_LINE] = 0xff;
}

/* ---- BARs ---- */

int uiommu_pci_add_bar(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t size,
		       unsigned int flags)
{
	bool wide = flags & UIOMMU_BAR_64BIT;
	uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
	uint8_t *writable = pdev->writable + PCI_REG_BAR0 + 4 * bar;

	if (bar + wide >= PCI_BARS || size < 4096 || (size & (size - 1)) ||
	    (!wide && size > 1ull << 31) || (flags & ~(UIOMMU_BAR_64BIT | UIOMMU_BAR_PREFETCH)) ||
	    pdev->iommu)
		return -EINVAL;
	if (pdev->bars[bar].size || pdev->bars[bar].upper ||
	    (wide && (pdev->bars[bar + 1].size || pdev->bars[bar + 1].upper)))
		return -EINVAL;
	pdev->bars[bar].size = size;
	pdev->bars[bar].flags = flags;
	put32(config, (wide ? 4u : 0u) | (flags & UIOMMU_BAR_PREFETCH ? 8u : 0u));
	put32(writable, (uint32_t) ~(size - 1) & ~15u);
	if (wide) {
		pdev->bars[bar + 1].upper = true;
		put32(writable + 4, (uint32_t)(~(size - 1) >> 32));
	}
	return 0;
}

uint64_t pci_config_bar(struct uiommu_pci_device *pdev, unsigned int bar)
{
	const uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
	uint64_t address;

	ui_mutex_lock(&pdev->config_lock);
	address = get32(config) & ~15u;
	if (pdev->bars[bar].flags & UIOMMU_BAR_64BIT)
		address |= (uint64_t)get32(config + 4) << 32;
	ui_mutex_unlock(&pdev->config_lock);
	return address;
}

uint8_t pci_config_interrupt_pin(const struct uiommu_pci_device *pdev)
{
	return pdev->config[PCI_REG_INTERRUPT_PIN];
}

/* ---- accesses ---- */

int pci_config_read(struct uiommu_pci_device *pdev, uint64_t offset, void *buf, size_t length)
{
	if (offset > PCI_CFG_SIZE || length > PCI_CFG_SIZE - offset)
		return -EFAULT;
	if (!length)
		return 0;
	ui_mutex_lock(&pdev->config_lock);
	pci_irq_config_refresh_locked(pdev);
	memcpy(buf, pdev->config + offset, length);
	ui_mutex_unlock(&pdev->config_lock);
	return 0;
}

/*
 * vfio-pci hides the PASID capability: the one before it leads past it, and as the first
 * it has no name.  What it says can still be read where it is.
 */
static void hide_pasid(struct uiommu_pci_device *pdev, uint64_t offset, uint8_t *buf, size_t length)
{
	uint32_t header = get32(pdev->config + pdev->pasid_cap), word;
	unsigned int at = CAP_EXTENDED, next = at, i;

	while (next != pdev->pasid_cap) {
		at = next;
		next = get32(pdev->config + at) >> 20;
	}
	word = at == pdev->pasid_cap ? 0 : get32(pdev->config + at) & 0xfffffu;
	word |= header & 0xfff00000u;
	for (i = 0; i < sizeof(word); i++) {
		if (at + i >= offset && at + i - offset < length)
			buf[at + i - offset] = (uint8_t)(word >> 8 * i);
	}
}

int pci_config_read_client(struct uiommu_pci_device *pdev, uint64_t offset, void *buf,
			   size_t length)
{
	int rc = pci_config_read(pdev, offset, buf, length);

	if (!rc && pdev->pasid_cap && offset + length > CAP_EXTENDED)
		hide_pasid(pdev, offset, buf, length);
	return rc;
}

/* Copies for readers without the lock; after each change, under the lock. */
static void publish_locked(struct uiommu_pci_device *pdev)
{
	uint32_t state = 0;

	ui_mutex_assert_held(&pdev->config_lock);
	if (pdev->pm_cap)
		state = get16(pdev->config + pdev->pm_cap + PM_CTRL) & PM_STATE;
	ui_store_release(&pdev->command, get16(pdev->config + PCI_REG_COMMAND));
	ui_store_release(&pdev->powered, !state);
}

/* The byte that a write of @length at @offset brings to @at; else -1. */
static int written_byte(uint64_t offset, const uint8_t *buf, size_t length, unsigned int at)
{
	return at >= offset && at - offset < length ? buf[at - offset] : -1;
}

/* The power state that a write asks for: only D0 and D3hot are there; else -1. */
static int written_state(const struct uiommu_pci_device *pdev, uint64_t offset, const uint8_t *buf,
			 size_t length)
{
	int byte = pdev->pm_cap ? written_byte(offset, buf, length, pdev->pm_cap + PM_CTRL) : -1;
	int state = byte & (int)PM_STATE;

	return byte >= 0 && (!state || state == (int)PM_STATE) ? state : -1;
}

/* What a write is going to do besides changing bytes. */
struct write_effects {
	bool stop; /* BARs go off: nobody is inside any more when the write returns */
	bool flr;
	bool wake; /* from D3hot */
	int state;
};

static void foresee(const struct uiommu_pci_device *pdev, uint64_t offset, const uint8_t *buf,
		    size_t length, struct write_effects *fx)
{
	int byte = written_byte(offset, buf, length, PCI_REG_COMMAND);

	*fx = (struct write_effects){.state = written_state(pdev, offset, buf, length)};
	fx->stop = (byte >= 0 && !(byte & (int)PCI_CMD_MEM)) || fx->state > 0;
	fx->wake = !fx->state && !ui_load_acquire(&pdev->powered);
	if (!pdev->pcie_cap)
		return;
	byte = written_byte(offset, buf, length, pdev->pcie_cap + PCIE_DEVCTL + 1u);
	fx->flr = byte >= 0 && (byte & (int)(PCIE_DEVCTL_FLR >> 8));
}

static void store_locked(struct uiommu_pci_device *pdev, uint64_t offset, const uint8_t *buf,
			 size_t length, const struct write_effects *fx)
{
	uint8_t *pm = pdev->config + pdev->pm_cap + PM_CTRL;
	size_t i;

	pci_irq_config_refresh_locked(pdev);
	for (i = 0; i < length; i++) {
		uint8_t mask = pdev->writable[offset + i];
		uint8_t *at = &pdev->config[offset + i];

		*at = (uint8_t)((*at & ~mask) | (buf[i] & mask));
	}
	if (fx->state >= 0)
		*pm = (uint8_t)((*pm & ~PM_STATE) | (unsigned int)fx->state);
	publish_locked(pdev);
	pci_irq_config_written_locked(pdev, (unsigned int)offset, length);
}

int pci_config_write(struct uiommu_pci_device *pdev, uint64_t offset, const void *buf,
		     size_t length)
{
	struct write_effects fx;
	bool closed;

	if (offset > PCI_CFG_SIZE || length > PCI_CFG_SIZE - offset)
		return -EFAULT;
	if (!length)
		return 0;
	foresee(pdev, offset, buf, length, &fx);
	closed = fx.stop && pci_gate_close(pdev);

	ui_mutex_lock(&pdev->config_lock);
	store_locked(pdev, offset, buf, length, &fx);
	ui_mutex_unlock(&pdev->config_lock);

	if (closed)
		pci_gate_open(pdev);
	if (fx.stop)
		pci_memory_revoke(pdev);
	if (pci_config_covers(offset, length, PCI_REG_COMMAND, 2))
		pci_intx_changed(pdev);
	if (pdev->msi.nr && pci_config_covers(offset, length, pdev->msi.cap, PCI_MSI_SIZE))
		pci_msi_deliver(pdev);
	/* A function that keeps no state in D3hot comes back as after a reset. */
	if (fx.flr || (fx.wake && !(pdev->config[pdev->pm_cap + PM_CTRL] & PM_NO_SOFT_RESET)))
		pci_reset(pdev);
	return 0;
}

void pci_config_restore(struct uiommu_pci_device *pdev, const uint8_t *image)
{
	const uint8_t *from = image ? image : pdev->initial;
	uint8_t *pm = pdev->config + pdev->pm_cap + PM_CTRL;
	unsigned int i;

	ui_mutex_lock(&pdev->config_lock);
	for (i = 0; i < PCI_CFG_SIZE; i++) {
		uint8_t mask = pdev->writable[i];

		pdev->config[i] = (uint8_t)((pdev->config[i] & ~mask) | (from[i] & mask));
	}
	if (pdev->pm_cap)
		*pm &= (uint8_t)~PM_STATE;
	publish_locked(pdev);
	ui_mutex_unlock(&pdev->config_lock);
	pci_intx_changed(pdev);
}

void pci_config_take_kept(struct uiommu_pci_device *pdev)
{
	const struct uiommu *ctx = pdev->ctx;
	uint8_t config[PCI_CFG_SIZE];

	if (!ctx->host || !ctx->host->config_kept ||
	    ctx->host->config_kept(ctx->opaque, pdev->name, config, sizeof(config)))
		return;
	/* Interrupts begin with whoever takes them. */
	if (pdev->msi.nr)
		config[pdev->msi.cap + PCI_MSI_FLAGS] &= (uint8_t)~PCI_MSI_ENABLE;
	if (pdev->msix.nr)
		config[pdev->msix.cap + PCI_MSIX_FLAGS + 1u] = 0;
	ui_mutex_lock(&pdev->config_lock);
	memcpy(pdev->initial, config, sizeof(pdev->initial));
	ui_mutex_unlock(&pdev->config_lock);
	pci_config_restore(pdev, NULL);
}

void pci_config_command(struct uiommu_pci_device *pdev, uint16_t clear, uint16_t set)
{
	uint8_t *command = pdev->config + PCI_REG_COMMAND;

	ui_mutex_lock(&pdev->config_lock);
	put16(command, (uint32_t)(get16(command) & ~clear) | set);
	publish_locked(pdev);
	ui_mutex_unlock(&pdev->config_lock);
}

bool uiommu_pci_bus_master(const struct uiommu_pci_device *pdev)
{
	return ui_load_acquire(&pdev->command) & PCI_CMD_MASTER;
}

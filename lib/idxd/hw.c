// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/hw.c - the accelerator's registers, as its driver uses them
 *
 * Configured is: all enabled queues and all engines in group 0, the total of entries in equal
 * parts, everything that the device can do.  A command ends inside the store that gives it,
 * unless another thread is at work in a queue: then its end is waited for.
 */
#include <errno.h>

#include "idxd/idxd.h"
#include "idxd/regs.h"

#define PRIORITY 10u

/* While the function decodes its BARs, and it does, these can't fail. */
static uint64_t read_reg(struct idxd_device *idxd, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	pci_mmio_read(idxd->pdev, IDXD_REG_BAR, offset, size, &value);
	return value;
}

static void write_reg(struct idxd_device *idxd, uint64_t offset, unsigned int size, uint64_t value)
{
	pci_mmio_write(idxd->pdev, IDXD_REG_BAR, offset, size, value);
}

uint64_t idxd_hw_portal(const struct idxd_wq *wq)
{
	return (uint64_t)(wq->index * IDXD_PORTALS + IDXD_PORTAL_LIMITED) * IDXD_PORTAL_SIZE;
}

static uint32_t run_command(struct idxd_device *idxd, uint32_t command, uint32_t operand)
{
	unsigned int tries = 0;
	uint32_t status;

	write_reg(idxd, IDXD_CMD, 4, command << 20 | operand);
	while ((status = (uint32_t)read_reg(idxd, IDXD_CMDSTS, 4)) & IDXD_CMDSTS_ACTIVE)
		ui_spin_pause(tries++);
	return status & IDXD_CMDSTS_ERROR;
}

static void read_caps(struct idxd_device *idxd)
{
	idxd->version = (uint32_t)read_reg(idxd, IDXD_VERSION, 4);
	idxd->gencap = read_reg(idxd, IDXD_GENCAP, 8);
	idxd->wqcap = read_reg(idxd, IDXD_WQCAP, 8);
	idxd->grpcap = read_reg(idxd, IDXD_GRPCAP, 8);
	idxd->engcap = read_reg(idxd, IDXD_ENGCAP, 8);
	idxd->offsets = read_reg(idxd, IDXD_OFFSETS, 8);
	for (unsigned int i = 0; i < 4; i++)
		idxd->opcap[i] = read_reg(idxd, IDXD_OPCAP + 8 * i, 8);
}

static uint64_t wqcfg_at(const struct idxd_wq *wq)
{
	return IDXD_WQCFG_AT(wq->idxd->offsets) +
	       (uint64_t)wq->index * IDXD_WQCAP_WQCFG_SIZE(wq->idxd->wqcap);
}

static void configure_wq(struct idxd_wq *wq)
{
	struct idxd_device *idxd = wq->idxd;
	uint64_t at = wqcfg_at(wq);
	uint32_t mode = IDXD_WQ_BOF | IDXD_WQ_PRIORITY(PRIORITY);

	/* A dedicated one has a PASID when it's opened, in a shared one each descriptor has. */
	mode |= wq->dedicated ? IDXD_WQ_DEDICATED : IDXD_WQ_PASID_EN;
	write_reg(idxd, at, 4, wq->size);
	write_reg(idxd, at + 4, 4, wq->dedicated ? 0 : wq->size);
	write_reg(idxd, at + 8, 4, mode);
	write_reg(idxd, at + 12, 4,
		  IDXD_GENCAP_XFER_SHIFT(idxd->gencap) | IDXD_GENCAP_BATCH_SHIFT(idxd->gencap)
								 << 5);
	for (unsigned int i = 0; i < 4 && idxd->wqcap & IDXD_WQCAP_OP_CONFIG; i++)
		write_reg(idxd, at + 32 + 8 * i, 8, idxd->opcap[i]);
}

static int configure(struct idxd_device *idxd)
{
	uint32_t group = IDXD_GRPCFG_AT(idxd->offsets);
	unsigned int i;

	write_reg(idxd, group, 8, (1ull << idxd->nr_queues) - 1);
	write_reg(idxd, group + IDXD_GRPCFG_ENGINES, 8,
		  (1ull << IDXD_ENGCAP_ENGINES(idxd->engcap)) - 1);
	for (i = 0; i < idxd->nr_queues; i++) {
		idxd->queues[i].size = IDXD_WQCAP_SIZE(idxd->wqcap) / idxd->nr_queues;
		configure_wq(&idxd->queues[i]);
	}
	if (run_command(idxd, IDXD_CMD_ENABLE_DEVICE, 0))
		return -ENXIO;
	for (i = 0; i < idxd->nr_queues; i++) {
		if (run_command(idxd, IDXD_CMD_ENABLE_WQ, i))
			return -ENXIO;
	}
	write_reg(idxd, IDXD_GENCTRL, 4, IDXD_GENCTRL_SWERR | IDXD_GENCTRL_HALT);
	return 0;
}

int idxd_hw_start(struct idxd_device *idxd)
{
	int rc;

	ui_mutex_assert_held(&idxd->lock);
	/* Whoever had the function in between has left it reset. */
	if (idxd->configured &&
	    (read_reg(idxd, IDXD_GENSTS, 4) & IDXD_GENSTS_STATE) == IDXD_GENSTS_ENABLED)
		return 0;
	rc = pci_reset(idxd->pdev);
	if (rc)
		return rc;
	pci_config_take_kept(idxd->pdev);
	pci_config_command(idxd->pdev, PCI_CMD_INTX_DISABLE, PCI_CMD_MEM | PCI_CMD_MASTER);
	pci_msix_enable(idxd->pdev, true);
	pci_msix_program(idxd->pdev, 0);
	pci_msix_mask(idxd->pdev, 0, false);
	read_caps(idxd);
	if (idxd->nr_queues > IDXD_WQCAP_WQS(idxd->wqcap))
		return -ENXIO;
	rc = configure(idxd);
	idxd->configured = !rc;
	if (rc)
		ui_note(idxd->ctx, "%s: the accelerator can't be configured", idxd->pdev->name);
	return rc;
}

int idxd_hw_set_pasid(struct idxd_wq *wq, uint32_t pasid)
{
	struct idxd_device *idxd = wq->idxd;
	uint64_t at = wqcfg_at(wq) + 8;
	uint32_t mode;

	ui_mutex_assert_held(&idxd->lock);
	if (run_command(idxd, IDXD_CMD_DISABLE_WQ, 1u << wq->index))
		return -ENXIO;
	mode = (uint32_t)read_reg(idxd, at, 4) & ~(IDXD_WQ_PASID_MASK | IDXD_WQ_PASID_EN);
	if (pasid)
		mode |= IDXD_WQ_PASID_EN | IDXD_WQ_PASID(pasid);
	write_reg(idxd, at, 4, mode);
	return run_command(idxd, IDXD_CMD_ENABLE_WQ, wq->index) ? -ENXIO : 0;
}

void idxd_hw_drain_pasid(struct idxd_device *idxd, uint32_t pasid)
{
	ui_mutex_assert_held(&idxd->lock);
	run_command(idxd, IDXD_CMD_DRAIN_PASID, pasid);
}

/* True: there was one. */
static bool take_error_locked(struct idxd_device *idxd)
{
	uint64_t first = read_reg(idxd, IDXD_SWERR, 8);

	if (!(first & IDXD_SWERR_VALID))
		return false;
	idxd->swerr[0] = first;
	for (unsigned int i = 1; i < 4; i++)
		idxd->swerr[i] = read_reg(idxd, IDXD_SWERR + 8 * i, 8);
	write_reg(idxd, IDXD_SWERR, 8, IDXD_SWERR_VALID | IDXD_SWERR_OVERFLOW);
	ui_note(idxd->ctx, "dsa%u: software error %#x, queue %u, operation %#x, PASID %u, at %#llx",
		idxd->number, (unsigned int)(first >> 8 & 0xff), (unsigned int)(first >> 16 & 0xff),
		(unsigned int)(first >> 32 & 0xff), (unsigned int)(first >> 40 & 0xfffff),
		(unsigned long long)idxd->swerr[2]);
	return true;
}

/* Inside of the function: by whoever was submitting, or is at work in a queue. */
void idxd_hw_message(struct uiommu_pci_device *pdev, unsigned int vector)
{
	struct idxd_device *idxd = pdev->own_data;
	bool error = false;
	uint32_t cause;

	if (vector || !idxd || !ui_load_acquire(&idxd->opens))
		return;
	ui_mutex_lock(&idxd->error_lock);
	cause = (uint32_t)read_reg(idxd, IDXD_INTCAUSE, 4);
	write_reg(idxd, IDXD_INTCAUSE, 4, cause);
	if (cause & IDXD_INTC_SWERR)
		error = take_error_locked(idxd);
	ui_mutex_unlock(&idxd->error_lock);
	if (error)
		idxd_cdev_error(idxd);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/hw.c - the accelerator's registers, as its driver uses them
 *
 * The device is set up as idxd->conf says.  Queues that this process has open are left alone until
 * they are closed, whatever another one has made of them.  A command ends inside the store that
 * gives it, unless another thread is at work in a queue: then its end is waited for.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "idxd/idxd.h"
#include "idxd/regs.h"

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

static void read_caps(struct idxd_device *idxd, struct idxd_caps *caps)
{
	caps->version = (uint32_t)read_reg(idxd, IDXD_VERSION, 4);
	caps->gencap = read_reg(idxd, IDXD_GENCAP, 8);
	caps->wqcap = read_reg(idxd, IDXD_WQCAP, 8);
	caps->grpcap = read_reg(idxd, IDXD_GRPCAP, 8);
	caps->engcap = read_reg(idxd, IDXD_ENGCAP, 8);
	caps->offsets = read_reg(idxd, IDXD_OFFSETS, 8);
	for (unsigned int i = 0; i < 4; i++)
		caps->opcap[i] = read_reg(idxd, IDXD_OPCAP + 8 * i, 8);
}

static uint64_t wqcfg_at(const struct idxd_wq *wq)
{
	const struct idxd_caps *caps = &wq->idxd->conf.caps;

	return IDXD_WQCFG_AT(caps->offsets) +
	       (uint64_t)wq->index * IDXD_WQCAP_WQCFG_SIZE(caps->wqcap);
}

static uint32_t log2_of(uint64_t power)
{
	return (uint32_t)__builtin_ctzll(power);
}

static void configure_wq(struct idxd_wq *wq)
{
	const struct idxd_wq_conf *conf = &wq->applied;
	struct idxd_device *idxd = wq->idxd;
	uint64_t at = wqcfg_at(wq);
	uint32_t mode = IDXD_WQ_PRIORITY(conf->priority);

	/* A dedicated one has a PASID when it's opened, in a shared one each descriptor has. */
	mode |= conf->dedicated ? IDXD_WQ_DEDICATED : IDXD_WQ_PASID_EN;
	if (conf->block_on_fault)
		mode |= IDXD_WQ_BOF;
	if (conf->ats_disable)
		mode |= IDXD_WQ_ATS_DISABLE;
	if (conf->prs_disable)
		mode |= IDXD_WQ_PRS_DISABLE;
	write_reg(idxd, at, 4, conf->size);
	write_reg(idxd, at + 4, 4, conf->threshold);
	write_reg(idxd, at + 8, 4, mode);
	write_reg(idxd, at + 12, 4, log2_of(conf->max_xfer) | log2_of(conf->max_batch) << 5);
	for (unsigned int i = 0; i < 4 && idxd->conf.caps.wqcap & IDXD_WQCAP_OP_CONFIG; i++)
		write_reg(idxd, at + 32 + 8 * i, 8, conf->ops[i]);
}

/* As conf says, if it isn't; nobody has it open. */
static int bring_in_line(struct idxd_wq *wq)
{
	const struct idxd_wq_conf *conf = &wq->idxd->conf.queues[wq->index];

	if (wq->live == conf->enabled && wq->applied.enables == conf->enables)
		return 0;
	if (wq->live && run_command(wq->idxd, IDXD_CMD_DISABLE_WQ, 1u << wq->index))
		return -ENXIO;
	wq->live = false;
	memcpy(&wq->applied, conf, sizeof(*conf));
	if (!conf->enabled)
		return 0;
	configure_wq(wq);
	if (run_command(wq->idxd, IDXD_CMD_ENABLE_WQ, wq->index))
		return -ENXIO;
	wq->live = true;
	return 0;
}

/* While queues are open: the others. */
static int update(struct idxd_device *idxd)
{
	int rc = 0;

	for (unsigned int i = 0; i < IDXD_MAX_WQS && !rc && idxd->conf.enabled; i++) {
		if (!idxd->queues[i].clients)
			rc = bring_in_line(&idxd->queues[i]);
	}
	return rc;
}

/* After a reset. */
static int configure(struct idxd_device *idxd)
{
	uint32_t at = IDXD_GRPCFG_AT(idxd->conf.caps.offsets);
	unsigned int i;
	int rc = 0;

	for (i = 0; i < IDXD_MAX_WQS; i++)
		idxd->queues[i].live = false;
	if (!idxd->conf.enabled)
		return 0;
	for (i = 0; i < idxd_conf_groups(&idxd->conf); i++, at += IDXD_GRPCFG_SIZE) {
		write_reg(idxd, at, 8, idxd->conf.groups[i].queue_bits);
		write_reg(idxd, at + IDXD_GRPCFG_ENGINES, 8, idxd->conf.groups[i].engine_bits);
	}
	if (run_command(idxd, IDXD_CMD_ENABLE_DEVICE, 0))
		return -ENXIO;
	for (i = 0; i < idxd_conf_queues(&idxd->conf) && !rc; i++)
		rc = bring_in_line(&idxd->queues[i]);
	write_reg(idxd, IDXD_GENCTRL, 4, IDXD_GENCTRL_SWERR | IDXD_GENCTRL_HALT);
	return rc;
}

/* Without a run's: by the options. */
static int make_conf(struct idxd_device *idxd)
{
	struct idxd_conf *conf = &idxd->conf;

	conf->number = idxd->number;
	conf->major = idxd->ctx->idxd->major;
	conf->minor = idxd->first_minor;
	conf->safe = idxd->safe;
	conf->generation = 1;
	read_caps(idxd, &conf->caps);
	return idxd_conf_start(conf, uiommu_pci_option_string(idxd->pdev, "queues"),
			       uiommu_pci_option_string(idxd->pdev, "name"));
}

static int set_up(struct idxd_device *idxd)
{
	int rc = pci_reset(idxd->pdev);

	if (rc)
		return rc;
	pci_config_take_kept(idxd->pdev);
	pci_config_command(idxd->pdev, PCI_CMD_INTX_DISABLE, PCI_CMD_MEM | PCI_CMD_MASTER);
	pci_msix_enable(idxd->pdev, true);
	pci_msix_program(idxd->pdev, 0);
	pci_msix_mask(idxd->pdev, 0, false);
	if (!idxd->conf.generation)
		rc = make_conf(idxd) ? -ENXIO : 0;
	if (!rc)
		rc = configure(idxd);
	idxd->configured = !rc;
	idxd->applied = idxd->conf.generation;
	if (rc)
		ui_note(idxd->ctx, "%s: the accelerator can't be configured", idxd->pdev->name);
	return rc;
}

/* What the run says, if there is one. */
static void load_conf(struct idxd_device *idxd)
{
	const struct uiommu_host_ops *host = idxd->ctx->host;

	if (host && host->state)
		host->state(idxd->ctx->opaque, idxd->pdev->name, &idxd->conf, sizeof(idxd->conf));
}

/* For who looks into the tree. */
static void tell(struct idxd_device *idxd, const char *file, const char *text, size_t length)
{
	const struct uiommu_host_ops *host = idxd->ctx->host;
	char name[32];

	snprintf(name, sizeof(name), "dsa%u/%s", idxd->number, file);
	if (host && host->attribute)
		host->attribute(idxd->ctx->opaque, idxd->pdev->name, name, text, length);
}

int idxd_hw_start(struct idxd_device *idxd)
{
	uint64_t state;

	ui_mutex_assert_held(&idxd->lock);
	load_conf(idxd);
	/* Whoever had the function in between has left it reset. */
	state = idxd->configured ? read_reg(idxd, IDXD_GENSTS, 4) & IDXD_GENSTS_STATE : 0;
	if (state == IDXD_GENSTS_HALTED &&
	    (idxd->applied == idxd->conf.generation || ui_load_acquire(&idxd->opens))) {
		/* The interrupt of it doesn't come: who may not write memory can't send one. */
		tell(idxd, "state", "halted\n", strlen("halted\n"));
		return -ENXIO;
	}
	if (state == IDXD_GENSTS_ENABLED && idxd->applied == idxd->conf.generation)
		return 0;
	if (state == IDXD_GENSTS_ENABLED && ui_load_acquire(&idxd->opens))
		return update(idxd);
	return set_up(idxd);
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

static void tell_error(struct idxd_device *idxd, const uint64_t swerr[4])
{
	char text[IDXD_BITS_TEXT];

	tell(idxd, "errors", text, (size_t)idxd_show_bits(swerr, text));
	idxd_cdev_error(idxd);
}

/* Inside of the function: by whoever was submitting, or is at work in a queue. */
void idxd_hw_message(struct uiommu_pci_device *pdev, unsigned int vector)
{
	struct idxd_device *idxd = pdev->own_data;
	uint64_t swerr[4];
	bool error = false;
	uint32_t cause;

	if (vector || !idxd || !ui_load_acquire(&idxd->opens))
		return;
	ui_mutex_lock(&idxd->error_lock);
	cause = (uint32_t)read_reg(idxd, IDXD_INTCAUSE, 4);
	write_reg(idxd, IDXD_INTCAUSE, 4, cause);
	if (cause & IDXD_INTC_SWERR)
		error = take_error_locked(idxd);
	memcpy(swerr, idxd->swerr, sizeof(swerr));
	ui_mutex_unlock(&idxd->error_lock);
	if (error)
		tell_error(idxd, swerr);
}

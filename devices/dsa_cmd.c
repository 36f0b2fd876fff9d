// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa_cmd.c - commands of the device
 *
 * One at a time: while CMDSTS says ACTIVE, another is a software error.  A command that waits for
 * queues (disable, drain, abort) is over when the last of them is idle; whoever
 * makes it so says so.  That may be inside the write of the command itself.
 */
#include <string.h>

#include "dsa.h"

enum command {
	ENABLE_DEVICE = 1,
	DISABLE_DEVICE,
	DRAIN_ALL,
	ABORT_ALL,
	RESET_DEVICE,
	ENABLE_WQ,
	DISABLE_WQ,
	DRAIN_WQ,
	ABORT_WQ,
	RESET_WQ,
	DRAIN_PASID,
	ABORT_PASID,
};

enum command_error {
	BAD_COMMAND = 0x01,
	BAD_WQ = 0x02,
	HARDWARE_ERROR = 0x03,
	DEVICE_IS_ENABLED = 0x10,
	NO_BUS_MASTER = 0x12,
	SIZES_OUT_OF_RANGE = 0x14,
	GROUP_WITHOUT_ENGINE = 0x15,
	GROUP_WITHOUT_WQ = 0x16,
	WQ_IN_GROUPS = 0x17,
	ENGINE_IN_GROUPS = 0x18,
	DEVICE_IS_DISABLED = 0x20,
	WQ_IS_ENABLED = 0x21,
	WQ_WITHOUT_SIZE = 0x22,
	WQ_WITHOUT_PRIORITY = 0x23,
	WQ_SHARED_NEEDS_PASID = 0x26,
	WQ_BATCH_TOO_LARGE = 0x27,
	WQ_XFER_TOO_LARGE = 0x28,
	DISABLE_NEEDS_ENABLED = 0x31,
	WQ_IS_DISABLED = 0x32,
};

#define COMMAND(value) ((value) >> 20 & 0x1fu)
#define OPERAND(value) ((value)&0xfffffu)
#define WANTS_INTERRUPT 0x80000000u

/* The queues that a command names: bits of sixteen, and which sixteen. */
static uint32_t named_queues(uint32_t value)
{
	switch (COMMAND(value)) {
	case DISABLE_WQ:
	case DRAIN_WQ:
	case ABORT_WQ:
	case RESET_WQ:
		return OPERAND(value) >> 16 ? 0 : OPERAND(value) & ((1u << DSA_WQS) - 1);
	default:
		return (1u << DSA_WQS) - 1;
	}
}

static bool is_abort(uint32_t command)
{
	return command == ABORT_ALL || command == ABORT_WQ || command == RESET_DEVICE ||
	       command == RESET_WQ;
}

/* ---- checks ---- */

static enum command_error check_groups(const struct dsa *dsa)
{
	uint32_t queues_seen = 0, engines_seen = 0;

	for (unsigned int group = 0; group < DSA_GROUPS; group++) {
		const uint32_t *cfg = &dsa->grpcfg[group * DSA_GRPCFG_SIZE / 4];
		uint32_t queues = dsa_load32(&cfg[0]), engines = dsa_load32(&cfg[8]);

		if (queues && !engines)
			return GROUP_WITHOUT_ENGINE;
		if (!queues && engines)
			return GROUP_WITHOUT_WQ;
		if (queues & queues_seen)
			return WQ_IN_GROUPS;
		if (engines & engines_seen)
			return ENGINE_IN_GROUPS;
		queues_seen |= queues;
		engines_seen |= engines;
	}
	return 0;
}

static enum command_error check_enable_device(struct uiommu_pci_device *pdev, struct dsa *dsa)
{
	uint32_t entries = 0;

	if (dsa_load32(&dsa->enabled))
		return DEVICE_IS_ENABLED;
	if (!uiommu_pci_bus_master(pdev))
		return NO_BUS_MASTER;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		entries += DSA_WQ_SIZE(&dsa->wq[i]);
	if (entries > DSA_ENTRIES)
		return SIZES_OUT_OF_RANGE;
	return check_groups(dsa);
}

static enum command_error check_enable_wq(const struct dsa *dsa, const struct dsa_wq *wq)
{
	uint32_t cfg2 = dsa_load32(&wq->cfg[2]), cfg3 = dsa_load32(&wq->cfg[3]);

	if (!dsa_load32(&dsa->enabled))
		return DEVICE_IS_DISABLED;
	if (dsa_load32(&wq->enabled))
		return WQ_IS_ENABLED;
	if (!DSA_WQ_SIZE(wq) || DSA_WQ_SIZE(wq) > DSA_ENTRIES)
		return WQ_WITHOUT_SIZE;
	if (!DSA_WQ_PRIORITY(cfg2))
		return WQ_WITHOUT_PRIORITY;
	if (!(cfg2 & (DSA_WQ_MODE_DEDICATED | DSA_WQ_PASID_EN)))
		return WQ_SHARED_NEEDS_PASID;
	if (DSA_WQ_BATCH_SHIFT(cfg3) > DSA_MAX_BATCH_SHIFT)
		return WQ_BATCH_TOO_LARGE;
	if (DSA_WQ_XFER_SHIFT(cfg3) > DSA_MAX_XFER_SHIFT)
		return WQ_XFER_TOO_LARGE;
	return 0;
}

static enum command_error check_queues(const struct dsa *dsa, uint32_t command, uint32_t queues)
{
	if (!dsa_load32(&dsa->enabled))
		return DISABLE_NEEDS_ENABLED;
	if (command == DRAIN_ALL || command == ABORT_ALL || command == DRAIN_PASID ||
	    command == ABORT_PASID || command == DISABLE_DEVICE)
		return 0;
	if (!queues)
		return BAD_WQ;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues >> i & 1 && !dsa_load32(&dsa->wq[i].enabled))
			return WQ_IS_DISABLED;
	return 0;
}

static enum command_error check(struct uiommu_pci_device *pdev, struct dsa *dsa, uint32_t value)
{
	uint32_t command = COMMAND(value);

	if (command != RESET_DEVICE && !dsa_running(pdev))
		return HARDWARE_ERROR;
	switch (command) {
	case ENABLE_DEVICE:
		return check_enable_device(pdev, dsa);
	case RESET_DEVICE:
		return 0;
	case ENABLE_WQ:
		return OPERAND(value) < DSA_WQS ? check_enable_wq(dsa, &dsa->wq[OPERAND(value)]) :
						  BAD_WQ;
	case DISABLE_DEVICE:
	case DRAIN_ALL:
	case ABORT_ALL:
	case DISABLE_WQ:
	case DRAIN_WQ:
	case ABORT_WQ:
	case RESET_WQ:
	case DRAIN_PASID:
	case ABORT_PASID:
		return check_queues(dsa, command, named_queues(value));
	default:
		return BAD_COMMAND;
	}
}

/* ---- doing it ---- */

/* What is left to do once nobody works on them any more. */
static void finish(struct dsa *dsa, uint32_t value)
{
	uint32_t command = COMMAND(value), queues = named_queues(value);

	for (unsigned int i = 0; i < DSA_WQS; i++) {
		if (!(queues >> i & 1))
			continue;
		if (command == RESET_DEVICE || command == RESET_WQ)
			dsa_wq_clear_config(&dsa->wq[i]);
	}
	if (command != RESET_DEVICE)
		return;
	memset(dsa->grpcfg, 0, sizeof(dsa->grpcfg));
	memset(dsa->msixperm, 0, sizeof(dsa->msixperm));
	dsa_store32(&dsa->halted, 0);
	dsa_store32(&dsa->gencfg, 0);
	dsa_store32(&dsa->genctrl, 0);
}

static void done(struct uiommu_pci_device *pdev, struct dsa *dsa, uint32_t value, uint32_t error)
{
	dsa_store32(&dsa->cmdsts, error);
	if (value & WANTS_INTERRUPT)
		dsa_interrupt(pdev, DSA_INTC_CMD);
}

void dsa_command_poll(struct uiommu_pci_device *pdev)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	uint32_t value = dsa_load32(&dsa->cmd);
	uint32_t queues = named_queues(value);

	if (!value)
		return;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues >> i & 1 && !dsa_wq_idle(&dsa->wq[i]))
			return;
	/* Two may have seen the last one become idle. */
	if (!__atomic_compare_exchange_n(&dsa->cmd, &value, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	finish(dsa, value);
	done(pdev, dsa, value, 0);
}

/* No new work comes to what is disabled or reset; then what is there is waited for. */
static void stop_queues(struct uiommu_pci_device *pdev, struct dsa *dsa, uint32_t value)
{
	uint32_t command = COMMAND(value), queues = named_queues(value);

	if (command == DISABLE_DEVICE || command == RESET_DEVICE)
		dsa_store32(&dsa->enabled, 0);
	for (unsigned int i = 0; i < DSA_WQS; i++) {
		if (!(queues >> i & 1))
			continue;
		if (command == DISABLE_DEVICE || command == RESET_DEVICE || command == DISABLE_WQ ||
		    command == RESET_WQ)
			dsa_store32(&dsa->wq[i].enabled, 0);
		if (command == ABORT_PASID)
			dsa_wq_abort(pdev, &dsa->wq[i], DSA_ABORT_PASID(OPERAND(value)));
		else if (is_abort(command))
			dsa_wq_abort(pdev, &dsa->wq[i], DSA_ABORT_ALL);
	}
	/* From now on it may be over: nothing is stopped that is started after it. */
	dsa_store32(&dsa->cmd, value);
	dsa_command_poll(pdev);
}

void dsa_command(struct uiommu_pci_device *pdev, uint32_t value)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	uint32_t status = dsa_load32(&dsa->cmdsts);
	enum command_error error;

	do {
		if (status & DSA_CMDSTS_ACTIVE) {
			dsa_swerr_device(pdev, NULL, DSA_COMMAND_ERROR);
			return;
		}
	} while (!__atomic_compare_exchange_n(&dsa->cmdsts, &status, DSA_CMDSTS_ACTIVE, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	error = check(pdev, dsa, value);
	if (error) {
		done(pdev, dsa, value, error);
		return;
	}
	switch (COMMAND(value)) {
	case ENABLE_DEVICE:
		dsa_store32(&dsa->enabled, 1);
		done(pdev, dsa, value, 0);
		break;
	case ENABLE_WQ:
		dsa_store32(&dsa->wq[OPERAND(value)].enabled, 1);
		done(pdev, dsa, value, 0);
		break;
	default:
		stop_queues(pdev, dsa, value);
	}
}

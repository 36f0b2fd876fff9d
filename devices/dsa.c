// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa.c - Intel's Data Streaming Accelerator, as a PCI function (8086:0b25)
 *
 * BAR0 has the registers, the tables of groups, queues and interrupt permissions, and
 * MSI-X; BAR2 the portals.  Written after the architecture's public facts: what the
 * capability registers don't announce isn't there.  dsa.h says which file has what.
 *
 * Tables change only while what they describe is disabled; a write to them is dropped
 * otherwise.
 */
#include <errno.h>
#include <string.h>

#include "dsa.h"
#include "models.h"

#define OP(opcode) (1ull << (opcode))
const uint64_t dsa_opcap = OP(DSA_OP_NOOP) | OP(DSA_OP_BATCH) | OP(DSA_OP_DRAIN) |
			   OP(DSA_OP_MEMMOVE) | OP(DSA_OP_FILL) | OP(DSA_OP_COMPARE) |
			   OP(DSA_OP_COMPARE_PATTERN) | OP(DSA_OP_DUALCAST) | OP(DSA_OP_CRC) |
			   OP(DSA_OP_COPY_CRC);

#define VERSION 0x100u
/* Block on fault, hints, commands, readback of destinations; sizes; configurable. */
#define GENCAP                                                                                     \
	(1u << 0 | 3u << 2 | 1u << 4 | 1u << 8 | DSA_MAX_XFER_SHIFT << 16 |                        \
	 DSA_MAX_BATCH_SHIFT << 21 | 1u << 31)
#define WQCFG_64 1ull /* 2^(5 + this) bytes */
/* Shared, dedicated, ATS, priority, OPCAP of each queue, PRS. */
#define WQCAP                                                                                      \
	((uint64_t)DSA_ENTRIES | (uint64_t)DSA_WQS << 16 | WQCFG_64 << 24 | 0xfull << 48 |         \
	 3ull << 54)
/* Read buffers, which can be given to groups and limited. */
#define GRPCAP (DSA_GROUPS | 96ull << 8 | 3ull << 16)
#define CMDCAP 0x1ffeu /* 1 to 12: no interrupt handles need be asked for */
#define OFFSETS                                                                                    \
	((uint64_t)DSA_GRPCFG >> 8 | (uint64_t)DSA_WQCFG >> 8 << 16 |                              \
	 (uint64_t)DSA_MSIXPERM >> 8 << 32)

/* Halted, and what is sure to bring it back is a reset of the function. */
#define GENSTS_HALT (3u | 1u << 2)

#define SWERR_VALID 1u
#define SWERR_OVERFLOW 2u
#define SWERR_DESC 4u
#define SWERR_WQ 8u
#define SWERR_BATCH 16u
#define SWERR_WRITE 32u
#define SWERR_PRIV 64u

#define PASID_WIDTH 20u
#define PRI_CAPACITY 512u

void dsa_interrupt(struct uiommu_pci_device *pdev, uint32_t cause)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);

	__atomic_fetch_or(&dsa->intcause, cause, __ATOMIC_SEQ_CST);
	uiommu_pci_raise(pdev, 0);
}

/* Is it the first?  Then its words are the caller's to write, the first one last. */
static bool swerr_begin(struct dsa *dsa)
{
	if (!__atomic_exchange_n(&dsa->swerr_taken, 1, __ATOMIC_SEQ_CST))
		return true;
	__atomic_fetch_or(&dsa->swerr[0], SWERR_OVERFLOW, __ATOMIC_SEQ_CST);
	return false;
}

static void swerr_end(struct uiommu_pci_device *pdev, struct dsa *dsa, uint64_t first)
{
	__atomic_fetch_or(&dsa->swerr[0], first | SWERR_VALID, __ATOMIC_SEQ_CST);
	if (dsa_load32(&dsa->genctrl) & DSA_GENCTRL_SWERR_INT)
		dsa_interrupt(pdev, DSA_INTC_ERR);
}

void dsa_swerr(struct uiommu_pci_device *pdev, const struct dsa_wq *wq, const struct dsa_job *job,
	       uint8_t error)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	/* That it was a write has a bit of its own here. */
	uint64_t code = error & ~DSA_STATUS_WRITE;
	uint64_t first = SWERR_DESC | SWERR_WQ | code << 8 | (uint64_t)wq->index << 16 |
			 (uint64_t)dsa_opcode(&job->cur) << 32 | (uint64_t)job->pasid << 40;

	if (!swerr_begin(dsa))
		return;
	if (job->inside)
		first |= SWERR_BATCH;
	if (job->fault.perm & UIOMMU_WRITE)
		first |= SWERR_WRITE;
	if (job->cur.pasid_priv >> 31)
		first |= SWERR_PRIV;
	dsa->swerr[1] = (job->inside ? job->index : 0) |
			(error == DSA_BAD_FLAGS ? job->record.extra[0] << 32 : 0);
	dsa->swerr[2] = job->fault.addr;
	dsa->swerr[3] = 0;
	swerr_end(pdev, dsa, first);
}

void dsa_swerr_device(struct uiommu_pci_device *pdev, const struct dsa_wq *wq,
		      enum dsa_device_error error)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	uint64_t which = wq ? SWERR_WQ | (uint64_t)wq->index << 16 : 0;

	if (!swerr_begin(dsa))
		return;
	dsa->swerr[1] = 0;
	dsa->swerr[2] = 0;
	dsa->swerr[3] = 0;
	swerr_end(pdev, dsa, which | (uint64_t)error << 8);
}

bool dsa_running(struct uiommu_pci_device *pdev)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);

	if (dsa_load32(&dsa->halted))
		return false;
	if (!dsa_load32(&dsa->enabled) || uiommu_pci_bus_master(pdev))
		return true;
	if (__atomic_exchange_n(&dsa->halted, 1, __ATOMIC_SEQ_CST))
		return false;
	/* Nothing of what is queued can come to a good end. */
	for (unsigned int i = 0; i < DSA_WQS; i++)
		dsa_wq_abort(pdev, &dsa->wq[i], DSA_ABORT_ALL);
	dsa_swerr_device(pdev, NULL, DSA_PCI_ERROR);
	if (dsa_load32(&dsa->genctrl) & DSA_GENCTRL_HALT_INT)
		dsa_interrupt(pdev, DSA_INTC_HALT);
	return false;
}

/* ---- registers ---- */

static uint32_t *table_word(struct dsa *dsa, uint64_t offset, struct dsa_wq **wq)
{
	uint64_t at;

	*wq = NULL;
	if (offset >= DSA_GRPCFG && offset < DSA_GRPCFG + sizeof(dsa->grpcfg))
		return &dsa->grpcfg[(offset - DSA_GRPCFG) / 4];
	if (offset >= DSA_MSIXPERM && offset < DSA_MSIXPERM + sizeof(dsa->msixperm))
		return &dsa->msixperm[(offset - DSA_MSIXPERM) / 4];
	at = offset - DSA_WQCFG;
	if (offset < DSA_WQCFG || at >= DSA_WQS * DSA_WQCFG_SIZE)
		return NULL;
	*wq = &dsa->wq[at / DSA_WQCFG_SIZE];
	return &(*wq)->cfg[at % DSA_WQCFG_SIZE / 4];
}

/* The 64 bits at a multiple of 8. */
static uint64_t read_qword(struct uiommu_pci_device *pdev, uint64_t offset)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	struct dsa_wq *wq;
	uint32_t *word = table_word(dsa, offset, &wq);

	if (word) {
		uint64_t value = dsa_load32(word) | (uint64_t)dsa_load32(word + 1) << 32;

		/* The state of the queue is in the last bits of its seventh dword. */
		if (wq && word == &wq->cfg[6] && dsa_load32(&wq->enabled))
			value |= 1ull << 30;
		return value;
	}
	if (offset >= DSA_SWERR && offset < DSA_SWERR_END)
		return dsa_load64(&dsa->swerr[(offset - DSA_SWERR) / 8]);
	switch (offset) {
	case DSA_VERSION:
		return VERSION;
	case DSA_GENCAP:
		return GENCAP;
	case DSA_WQCAP:
		return WQCAP;
	case DSA_GRPCAP:
		return GRPCAP;
	case DSA_ENGCAP:
		return DSA_ENGINES;
	case DSA_OPCAP:
		return dsa_opcap;
	case DSA_OFFSETS:
		return OFFSETS;
	case DSA_GENCFG:
		return dsa_load32(&dsa->gencfg);
	case DSA_GENCTRL:
		return dsa_load32(&dsa->genctrl);
	case DSA_GENSTS:
		return dsa_running(pdev) ? dsa_load32(&dsa->enabled) : GENSTS_HALT;
	case DSA_INTCAUSE:
		return dsa_load32(&dsa->intcause);
	case DSA_CMDSTS:
		return dsa_load32(&dsa->cmdsts);
	case DSA_CMDCAP:
		return CMDCAP;
	default:
		return 0;
	}
}

static uint64_t dsa_mmio_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			      unsigned int size)
{
	/* Portals are written only. */
	if (bar)
		return ~0ull;
	return read_qword(pdev, offset & ~7ull) >> offset % 8 * 8;
}

static void write_table(struct dsa *dsa, uint32_t *word, struct dsa_wq *wq, uint32_t value)
{
	/* A queue that was disabled may still have work. */
	bool locked = wq ? dsa_load32(&wq->enabled) || !dsa_wq_idle(wq) : dsa_load32(&dsa->enabled);

	/* The occupancy, of which there is none, and the state are only read. */
	if (wq && word >= &wq->cfg[4] && word < &wq->cfg[8])
		return;
	/* Of a queue in use only the threshold. */
	if (!locked || (wq && word == &wq->cfg[1]) ||
	    (word >= dsa->msixperm && word < dsa->msixperm + DSA_VECTORS * 2))
		dsa_store32(word, value);
}

static void write_dword(struct uiommu_pci_device *pdev, uint64_t offset, uint32_t value)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	struct dsa_wq *wq;
	uint32_t *word = table_word(dsa, offset, &wq);

	if (word) {
		write_table(dsa, word, wq, value);
		return;
	}
	switch (offset) {
	case DSA_GENCFG:
		if (!dsa_load32(&dsa->enabled))
			dsa_store32(&dsa->gencfg, value & 0x10ffu);
		break;
	case DSA_GENCTRL:
		dsa_store32(&dsa->genctrl, value & 3u);
		break;
	case DSA_INTCAUSE:
		__atomic_fetch_and(&dsa->intcause, ~value, __ATOMIC_SEQ_CST);
		break;
	case DSA_CMD:
		dsa_command(pdev, value);
		break;
	case DSA_SWERR:
		if (value & SWERR_VALID) {
			__atomic_store_n(&dsa->swerr[0], 0, __ATOMIC_SEQ_CST);
			dsa_store32(&dsa->swerr_taken, 0);
		} else if (value & SWERR_OVERFLOW) {
			__atomic_fetch_and(&dsa->swerr[0], ~(uint64_t)SWERR_OVERFLOW,
					   __ATOMIC_SEQ_CST);
		}
		break;
	default:
		break;
	}
}

static void dsa_mmio_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			   uint64_t value, unsigned int size)
{
	/* A portal takes 64 bytes at once, and nothing less. */
	if (bar || size < 4)
		return;
	write_dword(pdev, offset, (uint32_t)value);
	if (size == 8)
		write_dword(pdev, offset + 4, (uint32_t)(value >> 32));
}

static void dsa_write_block(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			    const void *data)
{
	struct dsa_desc desc;

	if (bar != 2)
		return;
	memcpy(&desc, data, sizeof(desc));
	dsa_submit(pdev, (unsigned int)(offset / DSA_PORTAL_SIZE), &desc, false);
}

static int dsa_enqueue(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		       const void *data)
{
	struct dsa_desc desc;

	if (bar != 2)
		return -EAGAIN;
	memcpy(&desc, data, sizeof(desc));
	return dsa_submit(pdev, (unsigned int)(offset / DSA_PORTAL_SIZE), &desc, true) ? 0 :
											 -EAGAIN;
}

/* ---- life ---- */

static void dsa_reset(struct uiommu_pci_device *pdev)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);

	memset(dsa, 0, offsetof(struct dsa, wq));
	for (unsigned int i = 0; i < DSA_WQS; i++)
		dsa_wq_reset(&dsa->wq[i]);
}

static int add_capabilities(struct uiommu_pci_device *pdev)
{
	int rc = uiommu_pci_add_pcie(pdev, 0x40);

	if (rc >= 0)
		rc = uiommu_pci_add_msix(pdev, 0x80, DSA_VECTORS, 0, DSA_MSIX_TABLE, DSA_MSIX_PBA);
	if (rc >= 0)
		rc = uiommu_pci_add_pm(pdev, 0, UIOMMU_PM_NO_SOFT_RESET);
	if (rc >= 0)
		rc = uiommu_pci_add_ats(pdev, 0x100);
	if (rc >= 0)
		rc = uiommu_pci_add_pri(pdev, 0, PRI_CAPACITY);
	if (rc >= 0)
		rc = uiommu_pci_add_pasid(pdev, 0, PASID_WIDTH);
	return rc < 0 ? rc : 0;
}

static int dsa_init(struct uiommu_pci_device *pdev)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	int rc;

	rc = uiommu_pci_add_bar(pdev, 0, DSA_BAR0_SIZE, UIOMMU_BAR_64BIT | UIOMMU_BAR_PREFETCH);
	if (rc)
		return rc;
	rc = uiommu_pci_add_bar(pdev, 2, DSA_BAR2_SIZE, UIOMMU_BAR_64BIT | UIOMMU_BAR_PREFETCH);
	if (rc)
		return rc;
	rc = add_capabilities(pdev);
	for (unsigned int i = 0; !rc && i < DSA_WQS; i++) {
		dsa->wq[i].index = i;
		dsa_wq_clear_config(&dsa->wq[i]);
		rc = uiommu_pci_dma_open(pdev, &dsa->wq[i].dma);
	}
	return rc;
}

/* What the driver idxd does with it: what an administrator would set up for a real one. */
static const struct uiommu_option_desc options[] = {
	{
		.name = "queues",
		.type = UIOMMU_OPTION_STRING,
		.def = "shared+dedicated",
		.help = "with driver=idxd: the modes of its queues, /dev/dsa/wqN.0, wqN.1, ...",
	},
	{
		.name = "name",
		.type = UIOMMU_OPTION_STRING,
		.def = "uiommu",
		.help = "with driver=idxd: the queues' name, by which programs know which are theirs",
	},
	{
		.name = "safe",
		.type = UIOMMU_OPTION_BOOL,
		.def = "off",
		.help = "with driver=idxd: portals and batches need no CAP_SYS_RAWIO",
	},
	{.name = NULL},
};

const struct uiommu_model dsa_model = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "dsa",
	.summary = "Intel Data Streaming Accelerator: moves, fills, compares, CRCs",
	.vendor = 0x8086,
	.device = 0x0b25,
	.class_code = 0x088000,
	.options = options,
	.priv_size = sizeof(struct dsa),
	.init = dsa_init,
	.reset = dsa_reset,
	.mmio_read = dsa_mmio_read,
	.mmio_write = dsa_mmio_write,
	.mmio_write_block = dsa_write_block,
	.mmio_enqueue = dsa_enqueue,
	.page_response = dsa_page_response,
};

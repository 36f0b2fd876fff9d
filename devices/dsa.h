/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dsa.h - the Data Streaming Accelerator: its numbers, and the state of one
 *
 * dsa.c	the function: registers, tables, reset
 * dsa_cmd.c	enable, disable, drain, abort
 * dsa_wq.c	work queues: portals, the queue itself, who runs it
 * dsa_job.c	a descriptor's life: checks, batches, completion records
 * dsa_op.c	what the operations do to memory
 *
 * Each work queue is run by whoever finds work in it, one thread at a time, inside the
 * store that submitted; see dsa_wq.c.  So descriptors of one queue are done in order
 * and those of different queues at the same time, which is one of the orders that the
 * architecture allows.
 */
#ifndef DEVICES_DSA_H
#define DEVICES_DSA_H

#include <uiommu/device.h>

/* ---- registers, BAR0 ---- */

#define DSA_VERSION 0x00u
#define DSA_GENCAP 0x10u
#define DSA_WQCAP 0x20u
#define DSA_GRPCAP 0x30u
#define DSA_ENGCAP 0x38u
#define DSA_OPCAP 0x40u
#define DSA_OFFSETS 0x60u
#define DSA_GENCFG 0x80u
#define DSA_GENCTRL 0x88u
#define DSA_GENSTS 0x90u
#define DSA_INTCAUSE 0x98u
#define DSA_CMD 0xa0u
#define DSA_CMDSTS 0xa8u
#define DSA_CMDCAP 0xb0u
#define DSA_SWERR 0xc0u
#define DSA_SWERR_END 0xe0u
#define DSA_GRPCFG 0x400u
#define DSA_WQCFG 0x500u
#define DSA_MSIXPERM 0x800u
#define DSA_MSIX_TABLE 0x2000u
#define DSA_MSIX_PBA 0x3000u
#define DSA_BAR0_SIZE 0x10000u

#define DSA_WQS 8u
#define DSA_GROUPS 4u
#define DSA_ENGINES 4u
#define DSA_ENTRIES 128u /* of all queues together */
#define DSA_VECTORS 9u
#define DSA_GRPCFG_SIZE 64u
#define DSA_WQCFG_SIZE 64u
#define DSA_MSIXPERM_SIZE 8u
#define DSA_MAX_XFER_SHIFT 31u
#define DSA_MAX_BATCH_SHIFT 10u

/* BAR2: four portals of a page for each queue; unlimited first, then limited. */
#define DSA_PORTAL_SIZE 0x1000u
#define DSA_PORTALS 4u
#define DSA_PORTAL_LIMITED 1u
#define DSA_BAR2_SIZE (DSA_WQS * DSA_PORTALS * DSA_PORTAL_SIZE)

#define DSA_INTC_ERR 0x01u
#define DSA_INTC_CMD 0x02u
#define DSA_INTC_HALT 0x10u
#define DSA_GENCTRL_SWERR_INT 0x1u
#define DSA_GENCTRL_HALT_INT 0x2u

#define DSA_CMDSTS_ACTIVE 0x80000000u

/* ---- a queue's configuration, by dwords ---- */

#define DSA_WQ_SIZE(wq) (dsa_load32(&(wq)->cfg[0]) & 0xffffu)
#define DSA_WQ_THRESH(wq) (dsa_load32(&(wq)->cfg[1]) & 0xffffu)
#define DSA_WQ_MODE_DEDICATED (1u << 0) /* of cfg[2], as are the next */
#define DSA_WQ_BOF (1u << 1)
#define DSA_WQ_ATS_OFF (1u << 2)
#define DSA_WQ_PRS_OFF (1u << 3)
#define DSA_WQ_PRIORITY(cfg2) ((cfg2) >> 4 & 0xfu)
#define DSA_WQ_PASID(cfg2) ((cfg2) >> 8 & 0xfffffu)
#define DSA_WQ_PASID_EN (1u << 28)
#define DSA_WQ_PRIV (1u << 29)
#define DSA_WQ_XFER_SHIFT(cfg3) ((cfg3)&0x1fu)
#define DSA_WQ_BATCH_SHIFT(cfg3) ((cfg3) >> 5 & 0xfu)

/* ---- descriptors ---- */

enum dsa_opcode {
	DSA_OP_NOOP = 0x00,
	DSA_OP_BATCH = 0x01,
	DSA_OP_DRAIN = 0x02,
	DSA_OP_MEMMOVE = 0x03,
	DSA_OP_FILL = 0x04,
	DSA_OP_COMPARE = 0x05,
	DSA_OP_COMPARE_PATTERN = 0x06,
	DSA_OP_DUALCAST = 0x09,
	DSA_OP_CRC = 0x10,
	DSA_OP_COPY_CRC = 0x11,
};

#define DSA_FLAG_FENCE 0x000001u
#define DSA_FLAG_BOF 0x000002u
#define DSA_FLAG_CRAV 0x000004u /* the completion record's address is valid */
#define DSA_FLAG_RCR 0x000008u	/* request a completion record */
#define DSA_FLAG_RCI 0x000010u	/* request a completion interrupt */
#define DSA_FLAG_CRSTS 0x000020u
#define DSA_FLAG_CHECK 0x000080u
#define DSA_FLAG_HINTS 0x00bf00u /* cache, traffic class, order: no meaning here */
#define DSA_FLAG_READBACK 0x004000u
#define DSA_FLAG_DST2_HINT 0x010000u	/* of a dualcast */
#define DSA_FLAG_READ_SEED 0x010000u	/* of a CRC */
#define DSA_FLAG_CRC_PLAIN 0x020000u	/* the CRC is neither inverted nor reflected */
#define DSA_FLAG_CRC_STRAIGHT 0x040000u /* nor are the bits of each byte */

enum dsa_status {
	DSA_NONE = 0x00,
	DSA_SUCCESS = 0x01,
	DSA_FALSE_PREDICATE = 0x02, /* success, but not the result that was expected */
	DSA_PAGE_FAULT = 0x03,
	DSA_PAGE_FAULT_REFUSED = 0x04,
	DSA_BATCH_FAIL = 0x05,
	DSA_BATCH_PAGE_FAULT = 0x06,
	DSA_BAD_OPCODE = 0x10,
	DSA_BAD_FLAGS = 0x11,
	DSA_BAD_RESERVED = 0x12,
	DSA_BAD_SIZE = 0x13,
	DSA_BAD_COUNT = 0x14,
	DSA_OVERLAP = 0x16,
	DSA_BAD_DUALCAST = 0x17,
	DSA_BAD_LIST_ALIGN = 0x18,
	DSA_BAD_INT_HANDLE = 0x19,
	DSA_RECORD_FAULT = 0x1a,
	DSA_RECORD_ALIGN = 0x1b,
	DSA_BAD_PRIV = 0x1d,
	DSA_TRANSLATION_FAIL = 0x22,
};
/* Of what was no descriptor of a queue, or not yet: only in SWERR. */
enum dsa_device_error {
	DSA_PCI_ERROR = 0x51,	  /* no bus mastering, while it is enabled */
	DSA_COMMAND_ERROR = 0x52, /* a command while one is active */
	/* No source but the specification has these, which couldn't be compared with it. */
	DSA_PORTAL_DISABLED = 0x81,
	DSA_PORTAL_SHARED = 0x82,    /* it was posted, to a shared queue */
	DSA_PORTAL_DEDICATED = 0x83, /* it wasn't, to a dedicated one */
	DSA_PORTAL_FULL = 0x84,
};
#define DSA_STATUS_WRITE 0x80u /* the fault was of a write */

struct dsa_desc {
	uint32_t pasid_priv; /* 20 bits, 11 reserved, 1 */
	uint32_t flags_op;   /* 24 bits, 8 */
	uint64_t record;
	uint64_t src; /* or the pattern, or the list */
	uint64_t dst; /* or the second source */
	uint32_t size;
	uint16_t int_handle;
	uint16_t reserved;
	union {
		uint8_t expected; /* of compares */
		uint32_t seed;	  /* of CRCs */
		uint64_t dst2;	  /* of a dualcast */
		uint64_t own[3];
		struct {
			uint64_t unused;
			uint64_t seed_addr;
		};
	};
};
_Static_assert(sizeof(struct dsa_desc) == 64, "as it is submitted");

struct dsa_record {
	uint8_t status; /* stored last */
	uint8_t result;
	uint8_t fault_info;
	uint8_t reserved;
	uint32_t done;
	uint64_t fault_addr;
	uint64_t extra[2];
};
_Static_assert(sizeof(struct dsa_record) == 32, "as it is in memory");

/* ---- the device ---- */

#define DSA_BOUNCE 4096u /* a multiple of 8 */
#define DSA_PREFETCH 16u /* descriptors of a batch */

/*
 * Which pages were there, when last asked: 64 of them, of one PASID, for one right.
 *  where	address over 256 KiB, and the right in the low bits; 0: nothing is kept
 */
#define DSA_ATC_ENTRIES 256u
struct dsa_atc {
	uint64_t where;
	uint64_t present;
	uint32_t pasid;
};

/* What an access ran into. */
struct dsa_fault {
	uint64_t addr;
	uint32_t perm;
	bool refused; /* it was asked for, and the answer was no */
	bool untranslated;
};

/* The last page request, and whether the answer was no. */
struct dsa_answer {
	uint64_t addr;
	uint32_t perm;
	bool refused;
};

/*
 * A descriptor that is being done, and what of it is.
 *  desc	as submitted
 *  cur		the one at work: desc, or one of its batch
 *  done	bytes of cur
 *  record	of cur; status DSA_NONE until it is done
 *  index, failed	of a batch: descriptors that are done; did one of them fail
 *  listed, listed_end	of a batch: which of its descriptors are in wq->list
 *  inside	of a batch: cur is one of its descriptors
 *  checked	cur was looked at: it's good, or the record says what is wrong
 *  asked	page requests for one address in a row
 */
struct dsa_job {
	bool active;
	bool batch;
	bool inside;
	bool checked;
	bool failed;
	bool crc_started;
	uint32_t index;
	uint32_t listed;
	uint32_t listed_end;
	uint32_t pasid;
	uint32_t crc;
	uint32_t asked;
	uint64_t done;
	struct dsa_desc desc;
	struct dsa_desc cur;
	struct dsa_record record;
	struct dsa_fault fault;
	struct dsa_answer answer;
};

/* dropped: by an abort, which the engine's owner does. */
struct dsa_slot {
	uint64_t turn;
	struct dsa_desc desc;
	bool dropped;
};

/* What is to be aborted: all, or of one PASID. */
#define DSA_ABORT_ALL 0x80000000u
#define DSA_ABORT_PASID(pasid) (0x40000000u | (pasid))

/*
 *  index, dma		immutable
 *  cfg			atomic words; change only while the queue is disabled
 *  enabled, engine, abort, queued, tail	atomic, see dsa_wq.c
 *  slots		see dsa_wq.c
 *  the rest		the engine's owner
 */
struct dsa_wq {
	unsigned int index;
	struct uiommu_dma *dma;
	uint32_t cfg[DSA_WQCFG_SIZE / 4];
	uint32_t enabled;
	uint32_t abort;
	uint32_t queued;
	uint64_t engine;
	uint64_t tail;
	struct dsa_slot slots[DSA_ENTRIES];

	uint64_t head;
	struct dsa_job job;
	struct dsa_atc atc[DSA_ATC_ENTRIES];
	struct dsa_desc list[DSA_PREFETCH];
	uint8_t bounce[2][DSA_BOUNCE];
};

/*
 *  config, msixperm	atomic words
 *  gencfg, genctrl, intcause, enabled, halted, cmdsts, cmd	atomic
 *  swerr_taken, swerr	atomic; [0] is written last, and says that the others are good
 */
struct dsa {
	uint32_t grpcfg[DSA_GROUPS * DSA_GRPCFG_SIZE / 4];
	uint32_t msixperm[DSA_VECTORS * DSA_MSIXPERM_SIZE / 4];
	uint32_t gencfg;
	uint32_t genctrl;
	uint32_t intcause;
	uint32_t enabled;
	uint32_t halted;
	uint32_t cmd;
	uint32_t cmdsts;
	uint32_t swerr_taken;
	uint64_t swerr[4];
	struct dsa_wq wq[DSA_WQS];
};

static inline uint32_t dsa_load32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static inline void dsa_store32(uint32_t *p, uint32_t value)
{
	__atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t dsa_load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static inline bool dsa_change(uint64_t *p, uint64_t *old, uint64_t new)
{
	return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline uint8_t dsa_opcode(const struct dsa_desc *desc)
{
	return (uint8_t)(desc->flags_op >> 24);
}

static inline uint32_t dsa_flags(const struct dsa_desc *desc)
{
	return desc->flags_op & 0xffffffu;
}

/* dsa.c */
extern const uint64_t dsa_opcap;
void dsa_interrupt(struct uiommu_pci_device *pdev, uint32_t cause);
/* The first error stays until software has seen it; others are an overflow. */
void dsa_swerr(struct uiommu_pci_device *pdev, const struct dsa_wq *wq, const struct dsa_job *job,
	       uint8_t error);
/* The same of what no queue took, and with no queue of the device. */
void dsa_swerr_device(struct uiommu_pci_device *pdev, const struct dsa_wq *wq,
		      enum dsa_device_error error);
/* Can the device go on?  It can't without bus mastering, and then halts until a reset. */
bool dsa_running(struct uiommu_pci_device *pdev);

/* dsa_cmd.c */
void dsa_command(struct uiommu_pci_device *pdev, uint32_t value);
/* A queue has become idle: is that what a command waits for? */
void dsa_command_poll(struct uiommu_pci_device *pdev);

/* dsa_wq.c */
/*
 * 64 bytes arrived at a portal.  True: taken (or lost, where the sender can't be told);
 * false: the queue is full, and the sender, who can be told (ENQCMD), is to retry.
 */
bool dsa_submit(struct uiommu_pci_device *pdev, unsigned int portal, const struct dsa_desc *desc,
		bool deferrable);
bool dsa_wq_idle(const struct dsa_wq *wq);
/* @what: DSA_ABORT_ALL, or DSA_ABORT_PASID(). */
void dsa_wq_abort(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint32_t what);
/* Its configuration is what it was after a reset; it is disabled. */
void dsa_wq_clear_config(struct dsa_wq *wq);
/* Nobody is inside; forgets everything. */
void dsa_wq_reset(struct dsa_wq *wq);
void dsa_page_response(struct uiommu_pci_device *pdev, const struct uiommu_page_response *resp);

/* dsa_job.c */
/* Of the work that is submitted as @desc. */
uint32_t dsa_pasid_of(const struct dsa_wq *wq, const struct dsa_desc *desc);
void dsa_job_start(struct dsa_wq *wq, const struct dsa_desc *desc);
/* True: it is done.  False: it needs the page in job->fault. */
bool dsa_job_run(struct uiommu_pci_device *pdev, struct dsa_wq *wq);

/* dsa_op.c */
/* What of cur isn't done yet: true: all of it is, and the record says how; false: a fault. */
bool dsa_op_run(struct uiommu_pci_device *pdev, struct dsa_wq *wq);
/* Bytes moved; fewer: the fault is in the job.  @flags: UIOMMU_DMA_RECORD or 0. */
size_t dsa_read(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint64_t addr, void *buf,
		size_t length);
size_t dsa_write(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint64_t addr, const void *buf,
		 size_t length, uint32_t flags);

#endif /* DEVICES_DSA_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz/dsa_model.h - what the accelerator must do, said as simply as possible
 *
 * One thread, a byte at a time, no caches: what memory and registers must be after each step,
 * and which page requests must be open.  The device's numbers are from devices/dsa.h,
 * nothing else of it is used.
 */
#ifndef FUZZ_DSA_MODEL_H
#define FUZZ_DSA_MODEL_H

#include "../../devices/dsa.h"

#define M_PAGE 4096ull
#define M_PAGES 64u
#define M_SIZE (M_PAGES * M_PAGE)
#define M_BASE 0x100000ull
#define M_SPACES 2
#define M_PENDING 256u

/* A page request that has no answer yet; dead: nobody waits for its answer any more. */
struct m_pending {
	uint64_t addr;
	uint32_t perm;
	uint32_t pasid;
	unsigned int wq;
	bool dead;
};

struct m_fault {
	uint64_t addr;
	uint32_t perm;
	bool refused;
	bool untranslated;
};

/* A descriptor at work; of a batch: which of its descriptors, read ahead up to where. */
struct m_job {
	bool active;
	bool batch;
	bool inside;
	bool failed;
	bool checked;
	bool seeded;
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
	struct m_fault fault;
	struct m_fault answer;
	struct dsa_desc list[DSA_PREFETCH];
};

struct m_wq {
	uint32_t cfg[16];
	bool enabled;
	bool waits;
	unsigned int queued;
	struct dsa_desc queue[DSA_ENTRIES];
	bool dropped[DSA_ENTRIES]; /* aborted; it keeps its place until it is its turn */
	struct m_job job;
};

struct model {
	unsigned char memory[M_SIZE];
	/* UIOMMU_READ and _WRITE, by page; page p of the second space is the memory's last but p. */
	uint8_t rights[M_SPACES][M_PAGES];
	uint8_t attached[1u << 20]; /* by PASID: 0: nothing, else a space and one */
	bool master;
	bool enabled;
	bool halted;
	uint32_t gencfg;
	uint32_t genctrl;
	uint32_t intcause;
	uint32_t cmd;
	uint32_t cmdsts;
	uint64_t swerr[4];
	uint64_t vectors; /* messages that are pending */
	uint32_t groups[DSA_GROUPS * DSA_GRPCFG_SIZE / 4];
	uint32_t perms[DSA_VECTORS * DSA_MSIXPERM_SIZE / 4];
	struct m_wq wq[DSA_WQS];
	struct m_pending pending[M_PENDING];
	unsigned int nr_pending;
};

extern struct model model;

void m_begin(void);
void m_reset(void);
void m_register(uint64_t offset, uint32_t value);
/* Return: false: the sender is to try again. */
bool m_submit(unsigned int portal, const struct dsa_desc *desc, bool enqueue);
void m_answer(unsigned int nth, bool granted);
/* Before it is detached; after it, what asked through it is answered. */
void m_detach(uint32_t pasid);
/* It was looked whether the device runs. */
void m_look(void);
/* Where an IOVA is in memory; NULL: nowhere, or not with these rights. */
unsigned char *m_at(uint32_t pasid, uint64_t iova, uint32_t perm);

/* ---- between its two files ---- */

#define SWERR_VALID 0x01u
#define SWERR_OVERFLOW 0x02u

void m_interrupt(uint32_t cause);
void m_swerr(uint64_t first, uint64_t second, uint64_t addr);
void m_swerr_wq(const struct m_wq *wq, uint8_t error);
uint64_t m_number(const struct m_wq *wq);
/* Its job.  False: it needs a page. */
bool m_run(struct m_wq *wq);

#endif /* FUZZ_DSA_MODEL_H */

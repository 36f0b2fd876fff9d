// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa_op.c - what the operations do to memory
 *
 * Each goes on from job->done, a bounce buffer at a time, so that a page that is missing
 * stops it at the byte where it was missed, and repeats nothing that matters.
 *
 * A device with ATS asks for translations before it accesses, and keeps the answers: which
 * pages were there.  What is kept may be stale; the access itself tells then, and
 * counts as the same fault.
 *
 * CRCs are CRC-32C (Castagnoli), by ISA-L, which has them reflected.
 */
#include <errno.h>
#include <string.h>

#include <isa-l/crc.h>

#include "dsa.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE (1ull << PAGE_SHIFT)
#define GRANULE_SHIFT 18
#define GRANULE_PAGES 64u

/* ---- accesses ---- */

static bool has_ats(const struct dsa_wq *wq)
{
	return !(dsa_load32(&wq->cfg[2]) & DSA_WQ_ATS_OFF);
}

static uint64_t atc_where(uint64_t addr, uint32_t perm)
{
	return addr >> GRANULE_SHIFT << 2 | perm;
}

static struct dsa_atc *atc_entry(struct dsa_wq *wq, uint64_t addr, uint32_t perm)
{
	uint64_t granule = addr >> GRANULE_SHIFT;

	/* What is read and what is written never meet, so no move throws out its own. */
	return &wq->atc[((granule ^ granule >> 7) << 1 | perm >> 1) % DSA_ATC_ENTRIES];
}

/* The pages around @addr that were there; asks if @addr's isn't known to be. */
static uint64_t atc_pages(struct dsa_wq *wq, uint32_t pasid, uint32_t perm, uint64_t addr)
{
	struct dsa_atc *entry = atc_entry(wq, addr, perm);
	uint64_t where = atc_where(addr, perm), first = addr >> GRANULE_SHIFT << GRANULE_SHIFT;

	if (entry->where == where && entry->pasid == pasid &&
	    entry->present >> (addr >> PAGE_SHIFT) % GRANULE_PAGES & 1)
		return entry->present;
	entry->where = where;
	entry->pasid = pasid;
	if (uiommu_dma_translate(wq->dma, pasid, first, GRANULE_PAGES, perm, &entry->present))
		entry->present = 0;
	return entry->present;
}

/* How many of @length bytes from @addr on are on pages that are there. */
static size_t present(struct dsa_wq *wq, uint32_t perm, uint64_t addr, size_t length)
{
	size_t done = 0;

	while (done < length) {
		uint64_t at = addr + done;
		unsigned int bit = (at >> PAGE_SHIFT) % GRANULE_PAGES;
		uint64_t missing = ~atc_pages(wq, wq->job.pasid, perm, at) >> bit;
		unsigned int run =
			missing ? (unsigned int)__builtin_ctzll(missing) : GRANULE_PAGES - bit;

		if (!run)
			break;
		/* What was missing behind them may be there now: it is asked for in its turn. */
		done += run * PAGE_SIZE - at % PAGE_SIZE;
	}
	return done < length ? done : length;
}

/* What was kept of there isn't good any more; that the page was refused before counts. */
static void fault_at(struct dsa_wq *wq, uint64_t addr, uint32_t perm)
{
	const struct dsa_answer *answer = &wq->job.answer;
	bool refused = answer->refused && answer->addr == addr && answer->perm == perm;

	atc_entry(wq, addr, perm)->where = 0;
	wq->job.fault = (struct dsa_fault){
		.addr = addr,
		.perm = perm,
		.refused = refused,
		.untranslated = !has_ats(wq),
	};
}

/* Without bus mastering it can't ask, and the access itself fails. */
static size_t known_there(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint32_t perm,
			  uint64_t addr, size_t length)
{
	if (!has_ats(wq) || !uiommu_pci_bus_master(pdev))
		return length;
	return present(wq, perm, addr, length);
}

static uint32_t dma_flags(const struct dsa_wq *wq)
{
	return has_ats(wq) ? UIOMMU_DMA_ATS : 0;
}

/* rc: 0, or of an access that failed there. */
static void missed(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint64_t addr, uint32_t perm,
		   int rc)
{
	fault_at(wq, addr, perm);
	if (rc == -EACCES)
		dsa_running(pdev); /* it isn't: this halts it */
	/* Of what no page request can mend nobody need be asked. */
	if (rc && rc != -ENOENT && rc != -EPERM)
		wq->job.fault.untranslated = true;
}

size_t dsa_read(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint64_t addr, void *buf,
		size_t length)
{
	size_t there = known_there(pdev, wq, UIOMMU_READ, addr, length);
	struct uiommu_dma_error err = {.iova = addr};
	int rc = 0;

	if (there)
		rc = uiommu_pci_dma_read(pdev, wq->dma, wq->job.pasid, addr, buf, there,
					 dma_flags(wq), &err);
	if (!rc && there == length)
		return length;
	if (rc)
		there = err.iova - addr;
	missed(pdev, wq, addr + there, UIOMMU_READ, rc);
	return there;
}

size_t dsa_write(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint64_t addr, const void *buf,
		 size_t length, uint32_t flags)
{
	size_t there = known_there(pdev, wq, UIOMMU_WRITE, addr, length);
	struct uiommu_dma_error err = {.iova = addr};
	int rc = 0;

	if (there)
		rc = uiommu_pci_dma_write(pdev, wq->dma, wq->job.pasid, addr, buf, there,
					  flags | dma_flags(wq), &err);
	if (!rc && there == length)
		return length;
	if (rc)
		there = err.iova - addr;
	missed(pdev, wq, addr + there, UIOMMU_WRITE, rc);
	return there;
}

/* ---- operations: each does a piece of at most a bounce buffer ---- */

static size_t piece(const struct dsa_job *job)
{
	uint64_t left = job->cur.size - job->done;

	return left < DSA_BOUNCE ? (size_t)left : DSA_BOUNCE;
}

/* Whatever was known of it. */
static bool still_there(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint32_t perm,
			uint64_t addr)
{
	atc_entry(wq, addr, perm)->where = 0;
	return known_there(pdev, wq, perm, addr, 1);
}

/* From memory to memory, without a buffer: all that is left. */
static bool do_move(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	uint64_t from = job->cur.src + job->done, to = job->cur.dst + job->done;
	size_t want = (size_t)(job->cur.size - job->done);
	size_t source = known_there(pdev, wq, UIOMMU_READ, from, want);
	size_t target = known_there(pdev, wq, UIOMMU_WRITE, to, source);
	struct uiommu_dma_error err = {.iova = from, .perm = UIOMMU_READ};
	int rc = 0;

	if (target)
		rc = uiommu_pci_dma_copy(pdev, wq->dma, job->pasid, to, from, target, dma_flags(wq),
					 &err);
	if (rc) {
		job->done += err.iova - (err.perm == UIOMMU_READ ? from : to);
		missed(pdev, wq, err.iova, err.perm, rc);
		return false;
	}
	job->done += target;
	if (target == want)
		return true;
	/* Of two pages that are missing it's the source's that is told, as by other operations. */
	if (target < source && still_there(pdev, wq, UIOMMU_READ, from + target))
		missed(pdev, wq, to + target, UIOMMU_WRITE, 0);
	else
		missed(pdev, wq, from + target, UIOMMU_READ, 0);
	return false;
}

/* A piece to one destination, or two; false: a fault, and what arrived before it counts. */
static bool put_piece(struct uiommu_pci_device *pdev, struct dsa_wq *wq, size_t length)
{
	struct dsa_job *job = &wq->job;
	size_t done = dsa_write(pdev, wq, job->cur.dst + job->done, wq->bounce[0], length, 0);
	size_t done2 = length;

	if (done && dsa_opcode(&job->cur) == DSA_OP_DUALCAST)
		done2 = dsa_write(pdev, wq, job->cur.dst2 + job->done, wq->bounce[0], done, 0);
	job->done += done2 < done ? done2 : done;
	return done == length && done2 == length;
}

static bool do_dualcast(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	size_t want = piece(job);
	size_t got = dsa_read(pdev, wq, job->cur.src + job->done, wq->bounce[0], want);
	struct dsa_fault fault = job->fault;

	if (got && !put_piece(pdev, wq, got))
		return false;
	if (got < want)
		job->fault = fault;
	return got == want;
}

static bool do_fill(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	size_t length = piece(job), i;
	/* A fault may have left done in the middle of the pattern. */
	unsigned int turn = (unsigned int)(job->done % 8 * 8);
	uint64_t pattern = job->cur.src >> turn | job->cur.src << (-turn & 63);

	for (i = 0; i < length; i += sizeof(pattern))
		memcpy(wq->bounce[0] + i, &pattern, sizeof(pattern));
	return put_piece(pdev, wq, length);
}

/* The result is known once two bytes differ, or the end is reached. */
static bool compare_piece(struct dsa_wq *wq, size_t length)
{
	struct dsa_job *job = &wq->job;
	size_t i;

	for (i = 0; i < length && wq->bounce[0][i] == wq->bounce[1][i]; i++)
		;
	job->done += i;
	if (i == length && job->done < job->cur.size)
		return false;
	job->record.result = i < length;
	job->record.done = (uint32_t)job->done;
	job->record.status = DSA_SUCCESS;
	if (dsa_flags(&job->cur) & DSA_FLAG_CHECK && job->record.result != (job->cur.expected & 1))
		job->record.status = DSA_FALSE_PREDICATE;
	return true;
}

static bool do_compare(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	size_t want = piece(job), i, got, got2;
	struct dsa_fault fault;

	got = dsa_read(pdev, wq, job->cur.src + job->done, wq->bounce[0], want);
	fault = job->fault;
	if (dsa_opcode(&job->cur) == DSA_OP_COMPARE) {
		got2 = got ? dsa_read(pdev, wq, job->cur.dst + job->done, wq->bounce[1], got) : 0;
		if (got2 < got)
			fault = job->fault;
	} else {
		for (i = 0; i < got; i++)
			wq->bounce[1][i] = (uint8_t)(job->cur.dst >> (job->done + i) % 8 * 8);
		got2 = got;
	}
	if (compare_piece(wq, got2))
		return true;
	job->fault = fault;
	return got2 == want;
}

/* ---- CRC ---- */

static uint32_t reflect(uint32_t value)
{
	value = (value >> 1 & 0x55555555) | (value & 0x55555555) << 1;
	value = (value >> 2 & 0x33333333) | (value & 0x33333333) << 2;
	value = (value >> 4 & 0x0f0f0f0f) | (value & 0x0f0f0f0f) << 4;
	return __builtin_bswap32(value);
}

/* Between what descriptors and records have, and what ISA-L works on; its own inverse. */
static uint32_t crc_outside(const struct dsa_job *job, uint32_t crc)
{
	return dsa_flags(&job->cur) & DSA_FLAG_CRC_PLAIN ? reflect(crc) : ~crc;
}

static bool crc_start(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	uint32_t seed = job->cur.seed;

	if (dsa_flags(&job->cur) & DSA_FLAG_READ_SEED &&
	    dsa_read(pdev, wq, job->cur.seed_addr, &seed, sizeof(seed)) < sizeof(seed))
		return false;
	job->crc = crc_outside(job, seed);
	job->crc_started = true;
	return true;
}

static void crc_add(struct dsa_wq *wq, size_t length)
{
	uint8_t *data = wq->bounce[0];
	size_t i;

	if (dsa_flags(&wq->job.cur) & DSA_FLAG_CRC_STRAIGHT) {
		data = wq->bounce[1];
		for (i = 0; i < length; i++)
			data[i] = (uint8_t)(reflect(wq->bounce[0][i]) >> 24);
	}
	wq->job.crc = crc32_iscsi(data, (int)length, wq->job.crc);
}

static bool do_crc(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	uint64_t before = job->done;
	bool whole = true;
	size_t got, want;
	struct dsa_fault fault;

	if (!job->crc_started && !crc_start(pdev, wq))
		return false;
	want = piece(job);
	got = dsa_read(pdev, wq, job->cur.src + job->done, wq->bounce[0], want);
	fault = job->fault;
	if (dsa_opcode(&job->cur) == DSA_OP_COPY_CRC && got)
		whole = put_piece(pdev, wq, got);
	else
		job->done += got;
	crc_add(wq, (size_t)(job->done - before));
	if (whole && got < want)
		job->fault = fault;
	job->record.extra[0] = crc_outside(job, job->crc);
	return whole && got == want;
}

static bool do_piece(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	switch (dsa_opcode(&wq->job.cur)) {
	case DSA_OP_MEMMOVE:
		return do_move(pdev, wq);
	case DSA_OP_DUALCAST:
		return do_dualcast(pdev, wq);
	case DSA_OP_FILL:
		return do_fill(pdev, wq);
	case DSA_OP_COMPARE:
	case DSA_OP_COMPARE_PATTERN:
		return do_compare(pdev, wq);
	default:
		return do_crc(pdev, wq);
	}
}

bool dsa_op_run(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	uint8_t opcode = dsa_opcode(&job->cur);

	/* What was submitted before a drain is done, since one queue is done in order. */
	if (opcode == DSA_OP_NOOP || opcode == DSA_OP_DRAIN)
		return true;
	while (!job->record.status && job->done < job->cur.size)
		if (!do_piece(pdev, wq))
			return false;
	if (opcode != DSA_OP_COMPARE && opcode != DSA_OP_COMPARE_PATTERN)
		job->record.done = job->cur.size;
	return true;
}

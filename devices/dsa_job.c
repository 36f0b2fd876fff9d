// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa_job.c - the life of a descriptor
 *
 * It is checked, then done, then its completion record is written, whose status comes
 * last.  Each of these may need a page; then everything stops where it is, and goes
 * on from there when the engine comes back.  A batch is the same for each of its
 * descriptors in turn, and at last for its own record.
 *
 * What can't be told by a completion record is told by the software error register.
 */
#include <errno.h>
#include <string.h>

#include "dsa.h"

#define COMMON_FLAGS                                                                               \
	(DSA_FLAG_FENCE | DSA_FLAG_BOF | DSA_FLAG_CRAV | DSA_FLAG_RCR | DSA_FLAG_RCI |             \
	 DSA_FLAG_CRSTS | DSA_FLAG_HINTS)
#define CRC_FLAGS (DSA_FLAG_READ_SEED | DSA_FLAG_CRC_PLAIN | DSA_FLAG_CRC_STRAIGHT)

uint32_t dsa_pasid_of(const struct dsa_wq *wq, const struct dsa_desc *desc)
{
	uint32_t cfg = dsa_load32(&wq->cfg[2]);

	/* In a dedicated queue it's the queue's, whatever the descriptor says. */
	if (!(cfg & DSA_WQ_PASID_EN))
		return UIOMMU_NO_PASID;
	if (cfg & DSA_WQ_MODE_DEDICATED)
		return DSA_WQ_PASID(cfg);
	return desc->pasid_priv & 0xfffffu;
}

void dsa_job_start(struct dsa_wq *wq, const struct dsa_desc *desc)
{
	struct dsa_job *job = &wq->job;

	memset(job, 0, sizeof(*job));
	job->active = true;
	job->batch = dsa_opcode(desc) == DSA_OP_BATCH;
	job->desc = *desc;
	job->cur = *desc;
	job->pasid = dsa_pasid_of(wq, desc);
}

/* ---- checks ---- */

static uint32_t allowed_flags(uint8_t opcode)
{
	switch (opcode) {
	case DSA_OP_COMPARE:
	case DSA_OP_COMPARE_PATTERN:
		return COMMON_FLAGS | DSA_FLAG_CHECK;
	case DSA_OP_MEMMOVE:
	case DSA_OP_FILL:
		return COMMON_FLAGS | DSA_FLAG_READBACK;
	case DSA_OP_DUALCAST:
		return COMMON_FLAGS | DSA_FLAG_READBACK | DSA_FLAG_DST2_HINT;
	case DSA_OP_CRC:
		return COMMON_FLAGS | CRC_FLAGS;
	case DSA_OP_COPY_CRC:
		return COMMON_FLAGS | CRC_FLAGS | DSA_FLAG_READBACK;
	default:
		return COMMON_FLAGS;
	}
}

/* Flags that can't be there, or not without another. */
static uint32_t bad_flags(const struct dsa_wq *wq, const struct dsa_desc *desc)
{
	uint32_t flags = dsa_flags(desc), bad = flags & ~allowed_flags(dsa_opcode(desc));

	if (!(flags & DSA_FLAG_CRAV))
		bad |= flags & DSA_FLAG_RCR;
	if (!(dsa_load32(&wq->cfg[2]) & DSA_WQ_BOF))
		bad |= flags & DSA_FLAG_BOF;
	return bad;
}

/* Is anything set that the operation has no use for? */
static bool bad_reserved(const struct dsa_desc *desc)
{
	uint64_t first = desc->own[0], second = desc->own[1];

	if (desc->pasid_priv & 0x7ff00000u || desc->reserved || desc->own[2])
		return true;
	switch (dsa_opcode(desc)) {
	case DSA_OP_NOOP:
		return first || second || desc->src || desc->dst || desc->size;
	case DSA_OP_COMPARE:
	case DSA_OP_COMPARE_PATTERN:
		return first & ~0xffull || second;
	case DSA_OP_DUALCAST:
		return second;
	case DSA_OP_CRC:
	case DSA_OP_COPY_CRC:
		return first >> 32;
	case DSA_OP_BATCH:
		return first || second || desc->dst;
	default:
		return first || second;
	}
}

/* Only a queue for it takes work that says it's privileged. */
static bool bad_privilege(const struct dsa_wq *wq, const struct dsa_desc *desc)
{
	uint32_t cfg = dsa_load32(&wq->cfg[2]);

	return desc->pasid_priv >> 31 && !(cfg & (DSA_WQ_MODE_DEDICATED | DSA_WQ_PRIV));
}

static bool moves_data(uint8_t opcode)
{
	return opcode >= DSA_OP_MEMMOVE;
}

/* Addresses go round at the end of 64 bits. */
static bool overlap(uint64_t a, uint64_t b, uint32_t size)
{
	return a - b < size || b - a < size;
}

/* A vector may be named if its permission is for the same PASID as the work is. */
static bool int_handle_ok(const struct dsa *dsa, const struct dsa_job *job, uint16_t handle)
{
	const uint32_t pasid_en = 1u << 3, ignore = 1u << 2;
	uint32_t perm;

	if (handle >= DSA_VECTORS)
		return false;
	perm = dsa_load32(&dsa->msixperm[handle * DSA_MSIXPERM_SIZE / 4]);
	if (perm & ignore)
		return true;
	return job->pasid == UIOMMU_NO_PASID ? !(perm & pasid_en) :
					       (perm & pasid_en) && perm >> 12 == job->pasid;
}

static enum dsa_status check_data(const struct dsa_wq *wq, const struct dsa_desc *desc)
{
	uint32_t shift = DSA_WQ_XFER_SHIFT(dsa_load32(&wq->cfg[3]));

	if (!desc->size || desc->size > 1ull << shift)
		return DSA_BAD_SIZE;
	switch (dsa_opcode(desc)) {
	case DSA_OP_MEMMOVE:
	case DSA_OP_COPY_CRC:
		return overlap(desc->src, desc->dst, desc->size) ? DSA_OVERLAP : DSA_NONE;
	case DSA_OP_DUALCAST:
		/* The two destinations lie alike in their pages. */
		if ((desc->dst ^ desc->dst2) & 0xfff)
			return DSA_BAD_DUALCAST;
		return overlap(desc->src, desc->dst, desc->size) ||
				       overlap(desc->src, desc->dst2, desc->size) ||
				       overlap(desc->dst, desc->dst2, desc->size) ?
			       DSA_OVERLAP :
			       DSA_NONE;
	default:
		return DSA_NONE;
	}
}

static enum dsa_status check_batch(const struct dsa_wq *wq, const struct dsa_desc *desc)
{
	uint32_t shift = DSA_WQ_BATCH_SHIFT(dsa_load32(&wq->cfg[3]));

	if (desc->size < 2 || desc->size > 1u << shift)
		return DSA_BAD_COUNT;
	return desc->src % sizeof(struct dsa_desc) ? DSA_BAD_LIST_ALIGN : DSA_NONE;
}

/* What is wrong with the descriptor at hand; @inside: it comes from a batch. */
static enum dsa_status check(const struct dsa *dsa, const struct dsa_wq *wq, bool inside)
{
	const struct dsa_job *job = &wq->job;
	const struct dsa_desc *desc = &job->cur;
	uint32_t flags = dsa_flags(desc);
	uint8_t opcode = dsa_opcode(desc);

	/* Nothing else can be told then. */
	if (flags & DSA_FLAG_CRAV && desc->record % sizeof(struct dsa_record))
		return DSA_RECORD_ALIGN;
	if (opcode >= 64 || !(dsa_opcap >> opcode & 1) ||
	    !(dsa_load32(&wq->cfg[8 + opcode / 32]) >> opcode % 32 & 1) ||
	    (inside && opcode == DSA_OP_BATCH))
		return DSA_BAD_OPCODE;
	if (bad_flags(wq, desc))
		return DSA_BAD_FLAGS;
	if (bad_reserved(desc))
		return DSA_BAD_RESERVED;
	if (bad_privilege(wq, desc))
		return DSA_BAD_PRIV;
	if (flags & DSA_FLAG_RCI && !int_handle_ok(dsa, job, desc->int_handle))
		return DSA_BAD_INT_HANDLE;
	if (opcode == DSA_OP_BATCH)
		return check_batch(wq, desc);
	return moves_data(opcode) ? check_data(wq, desc) : DSA_NONE;
}

/* The descriptor at hand is looked at, once, before anything is done. */
static void check_record(struct uiommu_pci_device *pdev, struct dsa_wq *wq, bool inside)
{
	struct dsa_job *job = &wq->job;

	job->checked = true;
	job->record.status = (uint8_t)check(uiommu_pci_priv(pdev), wq, inside);
	if (job->record.status == DSA_BAD_FLAGS)
		job->record.extra[0] = bad_flags(wq, &job->cur);
}

/* Is the missing page worth a request, or is it to be told? */
static bool may_ask(const struct dsa_wq *wq)
{
	const struct dsa_job *job = &wq->job;

	return dsa_flags(&job->cur) & DSA_FLAG_BOF && !job->fault.refused &&
	       !job->fault.untranslated && !(dsa_load32(&wq->cfg[2]) & DSA_WQ_PRS_OFF);
}

/* ---- completion ---- */

/* As it is with an error that no record can tell. */
static void finish_unrecorded(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint8_t error)
{
	dsa_swerr(pdev, wq, &wq->job, error);
	wq->job.failed = true;
}

/* False: the record's page is needed first. */
static bool write_record(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	const struct dsa_desc *desc = &wq->job.cur;
	const struct dsa_record *record = &wq->job.record;

	if (record->status == DSA_RECORD_ALIGN) {
		finish_unrecorded(pdev, wq, DSA_RECORD_ALIGN);
		return true;
	}
	if (dsa_write(pdev, wq, desc->record, record, sizeof(*record), UIOMMU_DMA_RECORD))
		return true;
	if (may_ask(wq))
		return false;
	finish_unrecorded(pdev, wq, DSA_RECORD_FAULT);
	return true;
}

static bool complete(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	const struct dsa_job *job = &wq->job;
	uint32_t flags = dsa_flags(&job->cur);
	bool bad = job->record.status > DSA_FALSE_PREDICATE;

	if (flags & DSA_FLAG_CRAV && (bad || flags & DSA_FLAG_RCR)) {
		if (!write_record(pdev, wq))
			return false;
	} else if (bad) {
		finish_unrecorded(pdev, wq, job->record.status);
	}
	/* Messages come after what they tell of. */
	if (flags & DSA_FLAG_RCI && int_handle_ok(uiommu_pci_priv(pdev), job, job->cur.int_handle))
		uiommu_pci_raise(pdev, job->cur.int_handle);
	return true;
}

/* ---- the work ---- */

/* Of what is asked for by blocking on it, or told in the record.  True: the record tells. */
static bool fault_ends(struct dsa_wq *wq, enum dsa_status status)
{
	struct dsa_job *job = &wq->job;

	if (may_ask(wq))
		return false;
	if (job->fault.untranslated)
		status = DSA_TRANSLATION_FAIL;
	else if (job->fault.refused && status == DSA_PAGE_FAULT)
		status = DSA_PAGE_FAULT_REFUSED;
	job->record.status = (uint8_t)status;
	if (job->fault.perm & UIOMMU_WRITE)
		job->record.status |= DSA_STATUS_WRITE;
	job->record.fault_addr = job->fault.addr;
	return true;
}

/* The descriptor at hand, up to its record.  False: a page is needed. */
static bool run_one(struct uiommu_pci_device *pdev, struct dsa_wq *wq, bool inside)
{
	struct dsa_job *job = &wq->job;

	if (!job->checked)
		check_record(pdev, wq, inside);
	while (!job->record.status) {
		if (dsa_op_run(pdev, wq)) {
			job->record.status = job->record.status ? job->record.status : DSA_SUCCESS;
		} else {
			job->record.done = (uint32_t)job->done;
			if (!fault_ends(wq, DSA_PAGE_FAULT))
				return false;
		}
	}
	return complete(pdev, wq);
}

static void next_of_batch(struct dsa_job *job)
{
	job->failed |= job->record.status != DSA_SUCCESS;
	job->index++;
	job->inside = false;
	job->crc_started = false;
	job->done = 0;
	memset(&job->record, 0, sizeof(job->record));
	memset(&job->fault, 0, sizeof(job->fault));
	memset(&job->answer, 0, sizeof(job->answer));
}

/* The batch itself: @status in its record.  False: the record's page is needed. */
static bool finish_batch(struct uiommu_pci_device *pdev, struct dsa_wq *wq, enum dsa_status status)
{
	struct dsa_job *job = &wq->job;

	job->inside = false;
	job->checked = true;
	job->cur = job->desc;
	if (!job->record.status) {
		job->record.status = (uint8_t)status;
		job->record.done = job->index;
	}
	return complete(pdev, wq);
}

/* The next descriptors of a batch, as many as can be had; false: none can. */
static bool fetch_list(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	const size_t size = sizeof(struct dsa_desc);
	uint32_t want = job->desc.size - job->index;
	size_t got;

	if (want > DSA_PREFETCH)
		want = DSA_PREFETCH;
	got = dsa_read(pdev, wq, job->desc.src + job->index * size, wq->list, want * size) / size;
	/* What was missed of the later ones is looked for again in their turn. */
	if (got)
		memset(&job->fault, 0, sizeof(job->fault));
	job->listed = job->index;
	job->listed_end = job->index + (uint32_t)got;
	return got;
}

/* False: a page is needed; true with *over: the batch's own record tells why. */
static bool fetch(struct uiommu_pci_device *pdev, struct dsa_wq *wq, bool *over)
{
	struct dsa_job *job = &wq->job;
	uint32_t own;

	if (job->index < job->listed_end || fetch_list(pdev, wq)) {
		job->cur = wq->list[job->index - job->listed];
		job->inside = true;
		job->checked = false;
		/* What the batch was submitted with. */
		own = job->cur.pasid_priv & 0x7ff00000u;
		job->cur.pasid_priv = own | (job->desc.pasid_priv & 0x800fffffu);
		return true;
	}
	job->cur = job->desc;
	*over = fault_ends(wq, DSA_BATCH_PAGE_FAULT);
	job->record.done = job->index;
	return *over;
}

static bool run_batch(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	bool over = false;

	/* Its own checks, before anything of it is looked at. */
	if (!job->checked)
		check_record(pdev, wq, false);
	if (!job->inside && job->record.status)
		return finish_batch(pdev, wq, DSA_BATCH_FAIL);
	while (job->index < job->desc.size) {
		if (!job->inside && !fetch(pdev, wq, &over))
			return false;
		if (over)
			return finish_batch(pdev, wq, DSA_BATCH_PAGE_FAULT);
		/* Behind a fence nothing is done that comes after a failure. */
		if (job->failed && dsa_flags(&job->cur) & DSA_FLAG_FENCE)
			break;
		if (!run_one(pdev, wq, true))
			return false;
		next_of_batch(job);
	}
	return finish_batch(pdev, wq, job->failed ? DSA_BATCH_FAIL : DSA_SUCCESS);
}

bool dsa_job_run(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	return wq->job.batch ? run_batch(pdev, wq) : run_one(pdev, wq, false);
}

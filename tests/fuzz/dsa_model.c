// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/dsa_model.c - what descriptors do; see dsa_model.h */
#include "dsa_model.h"

#include <string.h>

#include "world.h"

struct model model;

#define SWERR_DESC 0x04u
#define SWERR_WQ 0x08u
#define SWERR_BATCH 0x10u
#define SWERR_WRITE 0x20u
#define SWERR_PRIV 0x40u

/* ---- memory ---- */

unsigned char *m_at(uint32_t pasid, uint64_t iova, uint32_t perm)
{
	uint64_t offset = iova - M_BASE, page = offset / M_PAGE;
	unsigned int space = model.attached[pasid];

	if (!space || !model.master || offset >= M_SIZE ||
	    (model.rights[space - 1][page] & perm) != perm)
		return NULL;
	if (space == 2)
		page = M_PAGES - 1 - page;
	return model.memory + page * M_PAGE + offset % M_PAGE;
}

static void miss(struct m_wq *wq, uint64_t addr, uint32_t perm)
{
	struct m_job *job = &wq->job;

	job->fault = (struct m_fault){
		.addr = addr,
		.perm = perm,
		.refused =
			job->answer.refused && job->answer.addr == addr && job->answer.perm == perm,
		.untranslated = wq->cfg[2] & DSA_WQ_ATS_OFF || !model.master,
	};
}

/* How much of it was read, or written; less than all: the fault is in the job. */
static uint64_t m_read(struct m_wq *wq, uint64_t addr, void *to, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++) {
		unsigned char *at = m_at(wq->job.pasid, addr + i, UIOMMU_READ);

		if (!at) {
			miss(wq, addr + i, UIOMMU_READ);
			return i;
		}
		((unsigned char *)to)[i] = *at;
	}
	return length;
}

static uint64_t m_write(struct m_wq *wq, uint64_t addr, const void *from, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++) {
		unsigned char *at = m_at(wq->job.pasid, addr + i, UIOMMU_WRITE);

		if (!at) {
			miss(wq, addr + i, UIOMMU_WRITE);
			return i;
		}
		*at = ((const unsigned char *)from)[i];
	}
	return length;
}

/* ---- what is told ---- */

void m_interrupt(uint32_t cause)
{
	model.intcause |= cause;
	model.vectors |= 1;
}

void m_swerr(uint64_t first, uint64_t second, uint64_t addr)
{
	if (model.swerr[0] & SWERR_VALID) {
		model.swerr[0] |= SWERR_OVERFLOW;
		return;
	}
	model.swerr[0] = first | SWERR_VALID;
	model.swerr[1] = second;
	model.swerr[2] = addr;
	model.swerr[3] = 0;
	if (model.genctrl & DSA_GENCTRL_SWERR_INT)
		m_interrupt(DSA_INTC_ERR);
}

uint64_t m_number(const struct m_wq *wq)
{
	return (uint64_t)(wq - model.wq);
}

/* Of a descriptor that has no record to tell it. */
static void swerr_desc(const struct m_wq *wq, uint8_t error)
{
	const struct m_job *job = &wq->job;
	uint64_t first = SWERR_DESC | SWERR_WQ | m_number(wq) << 16, second = 0;

	/* Whether it was a write has a bit of its own. */
	first |= (error & 0x7full) << 8;
	first |= (uint64_t)dsa_opcode(&job->cur) << 32 | (uint64_t)job->pasid << 40;
	if (job->cur.pasid_priv >> 31)
		first |= SWERR_PRIV;
	if (job->fault.perm & UIOMMU_WRITE)
		first |= SWERR_WRITE;
	if (job->inside) {
		first |= SWERR_BATCH;
		second = job->index;
	}
	if (error == DSA_BAD_FLAGS)
		second |= job->record.extra[0] << 32;
	m_swerr(first, second, job->fault.addr);
}

void m_swerr_wq(const struct m_wq *wq, uint8_t error)
{
	m_swerr(SWERR_WQ | (uint64_t)error << 8 | m_number(wq) << 16, 0, 0);
}

/* ---- checks ---- */

static uint32_t flags_of(uint8_t opcode)
{
	uint32_t flags = 0x00bf3fu; /* fence to CRSTS, and hints */

	if (opcode == DSA_OP_COMPARE || opcode == DSA_OP_COMPARE_PATTERN)
		flags |= DSA_FLAG_CHECK;
	if (opcode == DSA_OP_CRC || opcode == DSA_OP_COPY_CRC)
		flags |= 0x070000u;
	if (opcode == DSA_OP_DUALCAST)
		flags |= 0x010000u;
	if (opcode == DSA_OP_MEMMOVE || opcode == DSA_OP_FILL || opcode == DSA_OP_DUALCAST ||
	    opcode == DSA_OP_COPY_CRC)
		flags |= DSA_FLAG_READBACK;
	return flags;
}

static uint32_t bad_flags(const struct m_wq *wq, const struct dsa_desc *desc)
{
	uint32_t flags = dsa_flags(desc), bad = flags & ~flags_of(dsa_opcode(desc));

	if (!(flags & DSA_FLAG_CRAV))
		bad |= flags & DSA_FLAG_RCR;
	if (!(wq->cfg[2] & DSA_WQ_BOF))
		bad |= flags & DSA_FLAG_BOF;
	return bad;
}

/* Bits of the operation's own words that mean something. */
static bool bad_reserved(const struct dsa_desc *desc)
{
	uint64_t known[3] = {0};
	uint8_t opcode = dsa_opcode(desc);

	if (opcode == DSA_OP_COMPARE || opcode == DSA_OP_COMPARE_PATTERN)
		known[0] = 0xff;
	if (opcode == DSA_OP_DUALCAST)
		known[0] = UINT64_MAX;
	if (opcode == DSA_OP_CRC || opcode == DSA_OP_COPY_CRC) {
		known[0] = UINT32_MAX;
		known[1] = UINT64_MAX;
	}
	for (unsigned int i = 0; i < 3; i++)
		if (desc->own[i] & ~known[i])
			return true;
	if (opcode == DSA_OP_NOOP && (desc->src || desc->dst || desc->size))
		return true;
	if (opcode == DSA_OP_BATCH && desc->dst)
		return true;
	return desc->pasid_priv & 0x7ff00000u || desc->reserved;
}

static bool handle_ok(const struct m_job *job)
{
	uint32_t perm;

	if (job->cur.int_handle >= DSA_VECTORS)
		return false;
	perm = model.perms[job->cur.int_handle * 2];
	if (perm & 4)
		return true;
	if (!job->pasid)
		return !(perm & 8);
	return perm & 8 && perm >> 12 == job->pasid;
}

/* Do they share a byte?  Addresses go round at the end of 64 bits. */
static bool meet(uint64_t a, uint64_t b, uint32_t size)
{
	return a - b < size || b - a < size;
}

static uint8_t check_data(const struct m_wq *wq, const struct dsa_desc *desc)
{
	uint8_t opcode = dsa_opcode(desc);

	if (!desc->size || desc->size > 1ull << (wq->cfg[3] & 31))
		return DSA_BAD_SIZE;
	if (opcode == DSA_OP_MEMMOVE || opcode == DSA_OP_COPY_CRC)
		return meet(desc->src, desc->dst, desc->size) ? DSA_OVERLAP : 0;
	if (opcode != DSA_OP_DUALCAST)
		return 0;
	if (desc->dst % M_PAGE != desc->dst2 % M_PAGE)
		return DSA_BAD_DUALCAST;
	if (meet(desc->src, desc->dst, desc->size) || meet(desc->src, desc->dst2, desc->size) ||
	    meet(desc->dst, desc->dst2, desc->size))
		return DSA_OVERLAP;
	return 0;
}

static uint8_t check(const struct m_wq *wq)
{
	const struct m_job *job = &wq->job;
	const struct dsa_desc *desc = &job->cur;
	uint8_t opcode = dsa_opcode(desc);

	if (dsa_flags(desc) & DSA_FLAG_CRAV && desc->record % 32)
		return DSA_RECORD_ALIGN;
	if (opcode > 63 || !(0x3027full >> opcode & 1) ||
	    !(wq->cfg[8 + opcode / 32] >> opcode % 32 & 1) ||
	    (opcode == DSA_OP_BATCH && job->inside))
		return DSA_BAD_OPCODE;
	if (bad_flags(wq, desc))
		return DSA_BAD_FLAGS;
	if (bad_reserved(desc))
		return DSA_BAD_RESERVED;
	if (desc->pasid_priv >> 31 && !(wq->cfg[2] & (DSA_WQ_MODE_DEDICATED | DSA_WQ_PRIV)))
		return DSA_BAD_PRIV;
	if (dsa_flags(desc) & DSA_FLAG_RCI && !handle_ok(job))
		return DSA_BAD_INT_HANDLE;
	if (opcode == DSA_OP_BATCH) {
		if (desc->size < 2 || desc->size > 1u << (wq->cfg[3] >> 5 & 15))
			return DSA_BAD_COUNT;
		return desc->src % 64 ? DSA_BAD_LIST_ALIGN : 0;
	}
	return opcode >= DSA_OP_MEMMOVE ? check_data(wq, desc) : 0;
}

/* ---- operations: false: a fault, and done says how far it came ---- */

static bool do_copy(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	uint64_t to = job->cur.dst + job->done, left = job->cur.size - job->done;
	unsigned char byte;

	/* Of pages that aren't asked for first, all is one access, which ends before 2^64. */
	if (wq->cfg[2] & DSA_WQ_ATS_OFF && model.master && left && to + (left - 1) < to) {
		miss(wq, to, UIOMMU_WRITE);
		return false;
	}
	for (; job->done < job->cur.size; job->done++) {
		if (!m_read(wq, job->cur.src + job->done, &byte, 1) ||
		    !m_write(wq, job->cur.dst + job->done, &byte, 1))
			return false;
	}
	return true;
}

static bool do_fill(struct m_wq *wq)
{
	struct m_job *job = &wq->job;

	for (; job->done < job->cur.size; job->done++) {
		unsigned char byte = (unsigned char)(job->cur.src >> job->done % 8 * 8);

		if (!m_write(wq, job->cur.dst + job->done, &byte, 1))
			return false;
	}
	return true;
}

/* The first destination may be ahead of the second, by a page at most. */
static bool do_dualcast(struct m_wq *wq)
{
	struct m_job *job = &wq->job;

	while (job->done < job->cur.size) {
		unsigned char piece[DSA_BOUNCE];
		uint64_t want = job->cur.size - job->done, got, first, second;
		struct m_fault fault;

		if (want > sizeof(piece))
			want = sizeof(piece);
		got = m_read(wq, job->cur.src + job->done, piece, want);
		fault = job->fault;
		first = m_write(wq, job->cur.dst + job->done, piece, got);
		if (first < got)
			fault = job->fault;
		second = m_write(wq, job->cur.dst2 + job->done, piece, first);
		if (second < first)
			fault = job->fault;
		job->done += second;
		job->fault = fault;
		if (second < want)
			return false;
	}
	return true;
}

static bool do_compare(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	unsigned char a, b;

	for (; job->done < job->cur.size; job->done++) {
		if (!m_read(wq, job->cur.src + job->done, &a, 1))
			return false;
		b = (unsigned char)(job->cur.dst >> job->done % 8 * 8);
		if (dsa_opcode(&job->cur) == DSA_OP_COMPARE &&
		    !m_read(wq, job->cur.dst + job->done, &b, 1))
			return false;
		if (a != b) {
			job->record.result = 1;
			break;
		}
	}
	job->record.done = (uint32_t)job->done;
	job->record.status = dsa_flags(&job->cur) & DSA_FLAG_CHECK &&
					     job->record.result != (job->cur.expected & 1) ?
				     DSA_FALSE_PREDICATE :
				     DSA_SUCCESS;
	return true;
}

/* Castagnoli's, a bit at a time, highest first; reflected unless the flags say otherwise. */
static uint32_t crc_byte(uint32_t crc, unsigned char byte, bool straight)
{
	for (int i = 0; i < 8; i++) {
		uint32_t bit = (straight ? byte >> (7 - i) : byte >> i) & 1;

		crc = crc << 1 ^ ((crc >> 31 ^ bit) ? 0x1edc6f41u : 0);
	}
	return crc;
}

static uint32_t turn_round(uint32_t word)
{
	uint32_t result = 0;

	for (int i = 0; i < 32; i++)
		result |= (word >> i & 1) << (31 - i);
	return result;
}

static bool do_crc(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	uint32_t flags = dsa_flags(&job->cur), seed = job->cur.seed;
	bool plain = flags & DSA_FLAG_CRC_PLAIN, straight = flags & DSA_FLAG_CRC_STRAIGHT;
	bool whole = true;
	unsigned char byte;

	if (!job->seeded) {
		if (flags & DSA_FLAG_READ_SEED && m_read(wq, job->cur.seed_addr, &seed, 4) < 4)
			return false;
		job->crc = plain ? seed : ~turn_round(seed);
		job->seeded = true;
	}
	for (; job->done < job->cur.size; job->done++) {
		whole = m_read(wq, job->cur.src + job->done, &byte, 1) &&
			(dsa_opcode(&job->cur) == DSA_OP_CRC ||
			 m_write(wq, job->cur.dst + job->done, &byte, 1));
		if (!whole)
			break;
		job->crc = crc_byte(job->crc, byte, straight);
	}
	job->record.extra[0] = plain ? job->crc : (uint32_t)~turn_round(job->crc);
	return whole;
}

static bool do_op(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	bool whole;

	switch (dsa_opcode(&job->cur)) {
	case DSA_OP_NOOP:
	case DSA_OP_DRAIN:
		return true;
	case DSA_OP_MEMMOVE:
		whole = do_copy(wq);
		break;
	case DSA_OP_FILL:
		whole = do_fill(wq);
		break;
	case DSA_OP_DUALCAST:
		whole = do_dualcast(wq);
		break;
	case DSA_OP_COMPARE:
	case DSA_OP_COMPARE_PATTERN:
		return do_compare(wq);
	default:
		whole = do_crc(wq);
		break;
	}
	if (whole)
		job->record.done = job->cur.size;
	return whole;
}

/* ---- a descriptor ---- */

static bool may_ask(const struct m_wq *wq)
{
	const struct m_job *job = &wq->job;

	return dsa_flags(&job->cur) & DSA_FLAG_BOF && !(wq->cfg[2] & DSA_WQ_PRS_OFF) &&
	       !job->fault.refused && !job->fault.untranslated;
}

static bool complete(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	uint32_t flags = dsa_flags(&job->cur);
	bool bad = job->record.status > DSA_FALSE_PREDICATE;

	if (flags & DSA_FLAG_CRAV && job->record.status == DSA_RECORD_ALIGN) {
		swerr_desc(wq, DSA_RECORD_ALIGN);
	} else if (flags & DSA_FLAG_CRAV && (bad || flags & DSA_FLAG_RCR)) {
		/* A record lies in one page, so it is written whole or not at all. */
		if (m_write(wq, job->cur.record, &job->record, 32) < 32) {
			if (may_ask(wq))
				return false;
			job->failed = true;
			swerr_desc(wq, DSA_RECORD_FAULT);
		}
	} else if (bad) {
		swerr_desc(wq, job->record.status);
	}
	if (flags & DSA_FLAG_RCI && handle_ok(job))
		model.vectors |= 1ull << job->cur.int_handle;
	return true;
}

static bool fault_ends(struct m_wq *wq, uint8_t status)
{
	struct m_job *job = &wq->job;

	if (may_ask(wq))
		return false;
	if (job->fault.untranslated)
		status = DSA_TRANSLATION_FAIL;
	else if (job->fault.refused && status == DSA_PAGE_FAULT)
		status = DSA_PAGE_FAULT_REFUSED;
	job->record.status = status | (job->fault.perm & UIOMMU_WRITE ? DSA_STATUS_WRITE : 0);
	job->record.fault_addr = job->fault.addr;
	return true;
}

/* False: it needs a page. */
static bool run_one(struct m_wq *wq)
{
	struct m_job *job = &wq->job;

	if (!job->checked) {
		job->checked = true;
		job->record.status = check(wq);
		if (job->record.status == DSA_BAD_FLAGS)
			job->record.extra[0] = bad_flags(wq, &job->cur);
	}
	if (!job->record.status) {
		if (do_op(wq)) {
			if (!job->record.status)
				job->record.status = DSA_SUCCESS;
		} else {
			job->record.done = (uint32_t)job->done;
			if (!fault_ends(wq, DSA_PAGE_FAULT))
				return false;
		}
	}
	return complete(wq);
}

static bool finish_batch(struct m_wq *wq, uint8_t status)
{
	struct m_job *job = &wq->job;

	job->inside = false;
	job->checked = true;
	job->cur = job->desc;
	if (!job->record.status) {
		job->record.status = status;
		job->record.done = job->index;
	}
	return complete(wq);
}

/* The next descriptor of a batch; they are read ahead, as many as are there. */
static bool fetch(struct m_wq *wq)
{
	struct m_job *job = &wq->job;
	uint32_t want = job->desc.size - job->index;

	if (job->index >= job->listed_end) {
		if (want > DSA_PREFETCH)
			want = DSA_PREFETCH;
		job->listed = job->listed_end = job->index;
		job->listed_end += (uint32_t)(m_read(wq, job->desc.src + job->index * 64ull,
						     job->list, want * 64ull) /
					      64);
		if (job->index >= job->listed_end)
			return false;
		job->fault = (struct m_fault){0};
	}
	job->cur = job->list[job->index - job->listed];
	job->cur.pasid_priv =
		(job->cur.pasid_priv & 0x7ff00000u) | (job->desc.pasid_priv & 0x800fffffu);
	job->inside = true;
	job->checked = false;
	job->seeded = false;
	job->done = 0;
	memset(&job->record, 0, sizeof(job->record));
	return true;
}

static bool run_batch(struct m_wq *wq)
{
	struct m_job *job = &wq->job;

	if (!job->checked) {
		job->checked = true;
		job->record.status = check(wq);
		if (job->record.status == DSA_BAD_FLAGS)
			job->record.extra[0] = bad_flags(wq, &job->cur);
	}
	if (!job->inside && job->record.status)
		return finish_batch(wq, 0);
	while (job->index < job->desc.size) {
		if (!job->inside && !fetch(wq)) {
			job->cur = job->desc;
			if (!fault_ends(wq, DSA_BATCH_PAGE_FAULT))
				return false;
			job->record.done = job->index;
			return finish_batch(wq, 0);
		}
		if (job->failed && dsa_flags(&job->cur) & DSA_FLAG_FENCE)
			break;
		if (!run_one(wq))
			return false;
		if (job->record.status != DSA_SUCCESS)
			job->failed = true;
		job->index++;
		job->inside = false;
		memset(&job->record, 0, sizeof(job->record));
		memset(&job->fault, 0, sizeof(job->fault));
		memset(&job->answer, 0, sizeof(job->answer));
	}
	memset(&job->record, 0, sizeof(job->record));
	return finish_batch(wq, job->failed ? DSA_BATCH_FAIL : DSA_SUCCESS);
}

bool m_run(struct m_wq *wq)
{
	return wq->job.batch ? run_batch(wq) : run_one(wq);
}

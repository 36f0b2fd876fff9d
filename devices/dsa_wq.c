// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa_wq.c - work queues
 *
 * A queue has room for DSA_ENTRIES descriptors, of which it uses as many as it is
 * configured to (queued counts).  Threads that submit take the next place (tail) and say
 * in its turn that it is filled; the engine's owner takes them out at head.
 *
 * The engine is a word: a phase, KICK, and the number of page requests so far.
 *
 *	IDLE	nothing to do
 *	BUSY	a thread owns the engine, and the job with it
 *	ASKING	the owner is reporting a page request
 *	GRANTED, REFUSED  as ASKING, and the answer has come
 *	WAITING	no owner; the answer will come
 *
 * Who submits becomes the owner if there is none, and works until the queue is empty;
 * otherwise he leaves KICK, and the owner looks again before he goes.  No lock is
 * taken: a signal handler of the client may submit on top of anything.
 */
#include <string.h>

#include "dsa.h"

enum phase {
	IDLE,
	BUSY,
	ASKING,
	GRANTED,
	REFUSED,
	WAITING,
};

#define PHASE_MASK 7ull
#define KICK 8ull
#define SEQ_ONE 0x100ull
#define SEQ_SHIFT 8

/* Of nine bits that an answer names: which queue, and the low bits of the number. */
#define GRPID_SEQ_BITS 6
#define GRPID_SEQ_MASK ((1u << GRPID_SEQ_BITS) - 1)

#define PAGE_MASK 0xfffull
#define SAME_PAGE_MAX 1024u

static enum phase phase_of(uint64_t engine)
{
	return (enum phase)(engine & PHASE_MASK);
}

static uint64_t with_phase(uint64_t engine, enum phase phase)
{
	return (engine & ~PHASE_MASK) | phase;
}

static uint32_t grpid_of(const struct dsa_wq *wq, uint64_t engine)
{
	return wq->index << GRPID_SEQ_BITS | ((uint32_t)(engine >> SEQ_SHIFT) & GRPID_SEQ_MASK);
}

/* ---- the queue ---- */

/* False: it is as full as @limit allows. */
static bool push(struct dsa_wq *wq, const struct dsa_desc *desc, uint32_t limit)
{
	uint32_t queued = dsa_load32(&wq->queued);
	struct dsa_slot *slot;
	uint64_t turn;

	do {
		if (queued >= limit)
			return false;
	} while (!__atomic_compare_exchange_n(&wq->queued, &queued, queued + 1, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	turn = __atomic_fetch_add(&wq->tail, 1, __ATOMIC_SEQ_CST);
	/* Free, since no more than DSA_ENTRIES are queued. */
	slot = &wq->slots[turn % DSA_ENTRIES];
	slot->desc = *desc;
	__atomic_store_n(&slot->turn, turn + 1, __ATOMIC_RELEASE);
	return true;
}

/* The owner: the descriptor that was submitted as that, NULL if it isn't filled yet. */
static struct dsa_slot *filled(struct dsa_wq *wq, uint64_t turn)
{
	struct dsa_slot *slot = &wq->slots[turn % DSA_ENTRIES];

	return __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) == turn + 1 ? slot : NULL;
}

/* The owner.  False: empty, or the next one isn't filled yet; then a KICK will come. */
static bool pop(struct dsa_wq *wq)
{
	struct dsa_slot *slot = filled(wq, wq->head);
	struct dsa_desc desc;
	bool dropped;

	if (!slot)
		return false;
	desc = slot->desc;
	dropped = slot->dropped;
	slot->dropped = false;
	wq->head++;
	__atomic_fetch_sub(&wq->queued, 1, __ATOMIC_SEQ_CST);
	if (!dropped)
		dsa_job_start(wq, &desc);
	return true;
}

/* ---- the engine ---- */

/* True: the caller still owns the engine; false: an answer will come, to whomever. */
static bool ask(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	struct dsa_job *job = &wq->job;
	struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_LAST_PAGE,
		.perm = job->fault.perm,
		.addr = job->fault.addr & ~PAGE_MASK,
	};
	uint64_t old = dsa_load64(&wq->engine), new;

	/* A handler that says SUCCESS and does nothing must not keep us for ever. */
	if (job->answer.addr != job->fault.addr)
		job->asked = 0;
	job->answer = (struct dsa_answer){
		.addr = job->fault.addr,
		.perm = job->fault.perm,
		.refused = ++job->asked > SAME_PAGE_MAX,
	};
	if (job->answer.refused)
		return true;
	if (job->pasid != UIOMMU_NO_PASID) {
		fault.flags |= UIOMMU_FAULT_PASID_VALID | UIOMMU_FAULT_RESPONSE_NEEDS_PASID;
		fault.pasid = job->pasid;
	}
	do {
		new = with_phase(old, ASKING) + SEQ_ONE;
	} while (!dsa_change(&wq->engine, &old, new));
	fault.grpid = grpid_of(wq, new);

	/* The answer may come before this returns, here or in another thread. */
	uiommu_report_device_fault(uiommu_pci_iommu_device(pdev), &fault);

	old = dsa_load64(&wq->engine);
	do {
		if (phase_of(old) != ASKING)
			new = with_phase(old, BUSY);
		else if (old & KICK && dsa_load32(&wq->abort)) /* the request is void */
			new = with_phase(old, BUSY) + SEQ_ONE;
		else
			new = with_phase(old, WAITING);
	} while (!dsa_change(&wq->engine, &old, new));
	if (phase_of(old) == REFUSED)
		job->answer.refused = true;
	return phase_of(new) == BUSY;
}

/* What was queued before the abort; the caller owns the engine. */
static void drop(struct dsa_wq *wq, uint32_t what)
{
	struct dsa_slot *slot;

	if (what & DSA_ABORT_ALL) {
		do {
			memset(&wq->job, 0, sizeof(wq->job));
		} while (pop(wq));
		memset(&wq->job, 0, sizeof(wq->job));
		return;
	}
	if (wq->job.active && DSA_ABORT_PASID(wq->job.pasid) == what)
		memset(&wq->job, 0, sizeof(wq->job));
	for (uint64_t turn = wq->head; (slot = filled(wq, turn)); turn++)
		if (DSA_ABORT_PASID(dsa_pasid_of(wq, &slot->desc)) == what)
			slot->dropped = true;
}

/* False: the engine has no owner any more. */
static bool go_idle(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	uint64_t old = dsa_load64(&wq->engine);

	do {
		if (old & KICK)
			return true;
	} while (!dsa_change(&wq->engine, &old, with_phase(old, IDLE)));
	dsa_command_poll(pdev);
	return false;
}

/* The caller has just become the owner. */
static void run(struct uiommu_pci_device *pdev, struct dsa_wq *wq)
{
	uint32_t abort;

	for (;;) {
		__atomic_fetch_and(&wq->engine, ~KICK, __ATOMIC_SEQ_CST);
		abort = __atomic_exchange_n(&wq->abort, 0, __ATOMIC_SEQ_CST);
		if (abort)
			drop(wq, abort);
		if (!wq->job.active && !pop(wq)) {
			if (!go_idle(pdev, wq))
				return;
			continue;
		}
		/* What was popped may have been aborted. */
		if (!wq->job.active || dsa_job_run(pdev, wq))
			wq->job.active = false;
		else if (!ask(pdev, wq))
			return;
	}
}

/* There is something to do; @interrupt: also for a job that waits for an answer. */
static void kick(struct uiommu_pci_device *pdev, struct dsa_wq *wq, bool interrupt)
{
	uint64_t old = dsa_load64(&wq->engine), new;
	bool owner;

	do {
		owner = phase_of(old) == IDLE || (phase_of(old) == WAITING && interrupt);
		/* The answer that is still to come is to another number then. */
		new = owner ? with_phase(old, BUSY) + SEQ_ONE : old | KICK;
	} while (!dsa_change(&wq->engine, &old, new));
	if (owner)
		run(pdev, wq);
}

bool dsa_wq_idle(const struct dsa_wq *wq)
{
	return phase_of(dsa_load64(&wq->engine)) == IDLE && !dsa_load32(&wq->queued);
}

void dsa_wq_abort(struct uiommu_pci_device *pdev, struct dsa_wq *wq, uint32_t what)
{
	__atomic_fetch_or(&wq->abort, what, __ATOMIC_SEQ_CST);
	kick(pdev, wq, true);
}

/* Nothing is configured, and all operations are allowed. */
void dsa_wq_clear_config(struct dsa_wq *wq)
{
	memset(wq->cfg, 0, sizeof(wq->cfg));
	wq->cfg[8] = (uint32_t)dsa_opcap;
	wq->cfg[9] = (uint32_t)(dsa_opcap >> 32);
}

void dsa_wq_reset(struct dsa_wq *wq)
{
	uint64_t engine = dsa_load64(&wq->engine);

	/* The numbers go on, so that an answer from before finds nobody. */
	__atomic_store_n(&wq->engine, with_phase(engine & ~KICK, IDLE) + SEQ_ONE, __ATOMIC_SEQ_CST);
	dsa_store32(&wq->enabled, 0);
	dsa_store32(&wq->abort, 0);
	dsa_store32(&wq->queued, 0);
	wq->head = 0;
	wq->tail = 0;
	memset(wq->slots, 0, sizeof(wq->slots));
	dsa_wq_clear_config(wq);
	memset(&wq->job, 0, sizeof(wq->job));
	memset(wq->atc, 0, sizeof(wq->atc));
}

void dsa_page_response(struct uiommu_pci_device *pdev, const struct uiommu_page_response *resp)
{
	bool granted = resp->code == UIOMMU_PAGE_RESP_SUCCESS;
	struct dsa *dsa = uiommu_pci_priv(pdev);
	struct dsa_wq *wq = &dsa->wq[(resp->grpid >> GRPID_SEQ_BITS) % DSA_WQS];
	uint64_t old = dsa_load64(&wq->engine), new;

	do {
		if (grpid_of(wq, old) != resp->grpid)
			return;
		if (phase_of(old) == ASKING)
			new = with_phase(old, granted ? GRANTED : REFUSED);
		else if (phase_of(old) == WAITING)
			new = with_phase(old, BUSY);
		else
			return;
	} while (!dsa_change(&wq->engine, &old, new));
	if (phase_of(new) == BUSY) {
		wq->job.answer.refused = !granted;
		run(pdev, wq);
	}
}

/* ---- portals ---- */

/* What can't be told so is lost, and the register tells of it. */
static bool refuse(struct uiommu_pci_device *pdev, const struct dsa_wq *wq,
		   enum dsa_device_error error, bool deferrable)
{
	dsa_swerr_device(pdev, wq, error);
	return !deferrable;
}

bool dsa_submit(struct uiommu_pci_device *pdev, unsigned int portal, const struct dsa_desc *desc,
		bool deferrable)
{
	struct dsa *dsa = uiommu_pci_priv(pdev);
	struct dsa_wq *wq = &dsa->wq[portal / DSA_PORTALS % DSA_WQS];
	bool limited = portal % DSA_PORTALS == DSA_PORTAL_LIMITED;
	bool dedicated = dsa_load32(&wq->cfg[2]) & DSA_WQ_MODE_DEDICATED;
	uint32_t limit = DSA_WQ_SIZE(wq);

	if (!dsa_running(pdev))
		return !deferrable;
	if (!dsa_load32(&wq->enabled))
		return refuse(pdev, wq, DSA_PORTAL_DISABLED, deferrable);
	/* A shared queue takes what waits for its answer, a dedicated one what doesn't. */
	if (dedicated == deferrable)
		return refuse(pdev, wq, dedicated ? DSA_PORTAL_DEDICATED : DSA_PORTAL_SHARED,
			      deferrable);
	if (!dedicated && limited && DSA_WQ_THRESH(wq) < limit)
		limit = DSA_WQ_THRESH(wq);
	if (!push(wq, desc, limit))
		return deferrable ? false : refuse(pdev, wq, DSA_PORTAL_FULL, false);
	kick(pdev, wq, false);
	return true;
}

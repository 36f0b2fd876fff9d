// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/dsa_model_dev.c - queues, commands and registers; see dsa_model.h */
#include <string.h>

#include "dsa_model.h"
#include "world.h"

/* ---- queues ---- */

static uint32_t pasid_of(const struct m_wq *wq, const struct dsa_desc *desc)
{
	if (!(wq->cfg[2] & DSA_WQ_PASID_EN))
		return 0;
	return wq->cfg[2] & DSA_WQ_MODE_DEDICATED ? wq->cfg[2] >> 8 & 0xfffff :
						    desc->pasid_priv & 0xfffff;
}

static void command_poll(void);

/* False: it is asked for, and the answer will come. */
static bool ask(struct m_wq *wq)
{
	struct m_job *job = &wq->job;

	/* One who always says yes, and gives nothing, isn't asked for ever. */
	if (job->answer.addr != job->fault.addr)
		job->asked = 0;
	job->answer = job->fault;
	job->answer.refused = ++job->asked > 1024 || !model.attached[job->pasid];
	if (job->answer.refused)
		return true;
	must(model.nr_pending < M_PENDING, "too many page requests");
	model.pending[model.nr_pending++] = (struct m_pending){
		.addr = job->fault.addr & ~(M_PAGE - 1),
		.perm = job->fault.perm,
		.pasid = job->pasid,
		.wq = (unsigned int)m_number(wq),
	};
	wq->waits = true;
	return false;
}

static void run_queue(struct m_wq *wq)
{
	while (!wq->waits && (wq->job.active || wq->queued)) {
		struct m_job *job = &wq->job;

		if (!job->active) {
			bool dropped = wq->dropped[0];

			memset(job, 0, sizeof(*job));
			job->active = !dropped;
			job->desc = job->cur = wq->queue[0];
			job->batch = dsa_opcode(&job->desc) == DSA_OP_BATCH;
			job->pasid = pasid_of(wq, &job->desc);
			wq->queued--;
			memmove(wq->queue, wq->queue + 1, wq->queued * sizeof(wq->queue[0]));
			memmove(wq->dropped, wq->dropped + 1, wq->queued * sizeof(bool));
			if (dropped)
				continue;
		}
		if (m_run(wq))
			job->active = false;
		else
			ask(wq);
	}
	if (!wq->waits)
		command_poll();
}

/* The request that a queue waits for has no meaning any more. */
static void forget_request(struct m_wq *wq)
{
	for (unsigned int i = 0; wq->waits && i < model.nr_pending; i++)
		if (model.pending[i].wq == m_number(wq))
			model.pending[i].dead = true;
	wq->waits = false;
}

/* Of all, or of one PASID. */
static void abort_queue(struct m_wq *wq, bool all, uint32_t pasid)
{
	forget_request(wq);
	if (wq->job.active && (all || wq->job.pasid == pasid))
		wq->job.active = false;
	if (all)
		wq->queued = 0;
	for (unsigned int i = 0; i < wq->queued; i++)
		if (pasid_of(wq, &wq->queue[i]) == pasid)
			wq->dropped[i] = true;
	run_queue(wq);
}

void m_answer(unsigned int nth, bool granted)
{
	struct m_pending pending = model.pending[nth];
	struct m_wq *wq = &model.wq[pending.wq];

	model.nr_pending--;
	memmove(model.pending + nth, model.pending + nth + 1,
		(model.nr_pending - nth) * sizeof(pending));
	if (pending.dead)
		return;
	wq->waits = false;
	wq->job.answer.refused = !granted;
	run_queue(wq);
}

void m_detach(uint32_t pasid)
{
	model.attached[pasid] = 0;
	for (unsigned int i = 0; i < model.nr_pending;) {
		if (model.pending[i].pasid == pasid)
			m_answer(i, false);
		else
			i++;
	}
}

void m_look(void)
{
	if (model.halted || !model.enabled || model.master)
		return;
	model.halted = true;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		abort_queue(&model.wq[i], true, 0);
	m_swerr((uint64_t)DSA_PCI_ERROR << 8, 0, 0);
	if (model.genctrl & DSA_GENCTRL_HALT_INT)
		m_interrupt(DSA_INTC_HALT);
}

bool m_submit(unsigned int portal, const struct dsa_desc *desc, bool enqueue)
{
	struct m_wq *wq = &model.wq[portal / DSA_PORTALS];
	uint32_t limit = wq->cfg[0] & 0xffff, threshold = wq->cfg[1] & 0xffff;
	bool dedicated = wq->cfg[2] & DSA_WQ_MODE_DEDICATED;
	uint8_t error = 0;

	m_look();
	if (model.halted)
		return !enqueue;
	if (portal % DSA_PORTALS == 1 && !dedicated && threshold < limit)
		limit = threshold;
	if (!wq->enabled)
		error = DSA_PORTAL_DISABLED;
	else if (dedicated && enqueue)
		error = DSA_PORTAL_DEDICATED;
	else if (!dedicated && !enqueue)
		error = DSA_PORTAL_SHARED;
	else if (wq->queued >= limit && enqueue)
		return false;
	else if (wq->queued >= limit)
		error = DSA_PORTAL_FULL;
	if (error) {
		m_swerr_wq(wq, error);
		return !enqueue;
	}
	wq->dropped[wq->queued] = false;
	wq->queue[wq->queued++] = *desc;
	run_queue(wq);
	return true;
}

/* ---- commands ---- */

enum {
	ENABLE = 1,
	DISABLE,
	DRAIN_ALL,
	ABORT_ALL,
	RESET,
	ENABLE_WQ,
	DISABLE_WQ,
	DRAIN_WQ,
	ABORT_WQ,
	RESET_WQ,
	DRAIN_PASID,
	ABORT_PASID
};

static uint32_t check_groups(void)
{
	uint64_t seen_queues = 0, seen_engines = 0;

	for (unsigned int i = 0; i < DSA_GROUPS; i++) {
		uint32_t queues = model.groups[i * 16], engines = model.groups[i * 16 + 8];

		if (queues && !engines)
			return 0x15;
		if (!queues && engines)
			return 0x16;
		if (queues & seen_queues)
			return 0x17;
		if (engines & seen_engines)
			return 0x18;
		seen_queues |= queues;
		seen_engines |= engines;
	}
	return 0;
}

static uint32_t check_enable_wq(uint32_t operand)
{
	const struct m_wq *wq = &model.wq[operand % DSA_WQS];

	if (operand >= DSA_WQS)
		return 0x02;
	if (!model.enabled)
		return 0x20;
	if (wq->enabled)
		return 0x21;
	if (!(wq->cfg[0] & 0xffff) || (wq->cfg[0] & 0xffff) > DSA_ENTRIES)
		return 0x22;
	if (!(wq->cfg[2] >> 4 & 15))
		return 0x23;
	if (!(wq->cfg[2] & (DSA_WQ_MODE_DEDICATED | DSA_WQ_PASID_EN)))
		return 0x26;
	if ((wq->cfg[3] >> 5 & 15) > 10)
		return 0x27;
	return 0;
}

/* The queues that it is about. */
static uint32_t queues_of(uint32_t value)
{
	uint32_t command = value >> 20 & 31;

	if (command < DISABLE_WQ || command > RESET_WQ)
		return 0xff;
	return value & 0xf0000 ? 0 : value & 0xff;
}

static uint32_t check_command(uint32_t value)
{
	uint32_t command = value >> 20 & 31, entries = 0;

	if (command != RESET && model.halted)
		return 0x03;
	if (!command || command > ABORT_PASID)
		return 0x01;
	if (command == RESET)
		return 0;
	if (command == ENABLE_WQ)
		return check_enable_wq(value & 0xfffff);
	if (command == ENABLE) {
		for (unsigned int i = 0; i < DSA_WQS; i++)
			entries += model.wq[i].cfg[0] & 0xffff;
		if (model.enabled)
			return 0x10;
		if (!model.master)
			return 0x12;
		return entries > DSA_ENTRIES ? 0x14 : check_groups();
	}
	if (!model.enabled)
		return 0x31;
	if (command < DISABLE_WQ || command > RESET_WQ)
		return 0;
	if (!queues_of(value))
		return 0x02;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues_of(value) >> i & 1 && !model.wq[i].enabled)
			return 0x32;
	return 0;
}

static void clear_config(struct m_wq *wq)
{
	memset(wq->cfg, 0, sizeof(wq->cfg));
	wq->cfg[8] = 0x3027f;
}

static void command_over(uint32_t value, uint32_t error)
{
	model.cmd = 0;
	model.cmdsts = error;
	if (value >> 31)
		m_interrupt(DSA_INTC_CMD);
}

/* Is what a command waits for there? */
static void command_poll(void)
{
	uint32_t value = model.cmd, command = value >> 20 & 31;

	if (!value)
		return;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues_of(value) >> i & 1 && (model.wq[i].waits || model.wq[i].queued))
			return;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues_of(value) >> i & 1 && (command == RESET || command == RESET_WQ))
			clear_config(&model.wq[i]);
	if (command == RESET) {
		memset(model.groups, 0, sizeof(model.groups));
		memset(model.perms, 0, sizeof(model.perms));
		model.halted = false;
		model.gencfg = model.genctrl = 0;
	}
	command_over(value, 0);
}

static void command(uint32_t value)
{
	uint32_t number = value >> 20 & 31, error;
	bool all =
		number == ABORT_ALL || number == ABORT_WQ || number == RESET_WQ || number == RESET;

	if (model.cmdsts & DSA_CMDSTS_ACTIVE) {
		m_swerr((uint64_t)DSA_COMMAND_ERROR << 8, 0, 0);
		return;
	}
	if (number != RESET)
		m_look();
	error = check_command(value);
	if (!error && number == ENABLE)
		model.enabled = true;
	if (!error && number == ENABLE_WQ)
		model.wq[value & 7].enabled = true;
	if (error || number == ENABLE || number == ENABLE_WQ) {
		command_over(value, error);
		return;
	}
	model.cmdsts = DSA_CMDSTS_ACTIVE;
	if (number == DISABLE || number == RESET)
		model.enabled = false;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues_of(value) >> i & 1 && (number == DISABLE || number == RESET ||
						  number == DISABLE_WQ || number == RESET_WQ))
			model.wq[i].enabled = false;
	for (unsigned int i = 0; i < DSA_WQS; i++)
		if (queues_of(value) >> i & 1 && (all || number == ABORT_PASID))
			abort_queue(&model.wq[i], all, value & 0xfffff);
	model.cmd = value;
	command_poll();
}

/* ---- registers ---- */

void m_register(uint64_t offset, uint32_t value)
{
	struct m_wq *wq;
	unsigned int word;

	if (offset >= DSA_WQCFG && offset < DSA_WQCFG + DSA_WQS * 64) {
		wq = &model.wq[(offset - DSA_WQCFG) / 64];
		word = (unsigned int)(offset % 64 / 4);
		/* The occupancy and the state are only read. */
		if (word >= 4 && word < 8)
			return;
		/* Of a queue that has work, or will have, the threshold alone. */
		if (word == 1 || (!wq->enabled && !wq->waits))
			wq->cfg[word] = value;
		return;
	}
	if (offset >= DSA_GRPCFG && offset < DSA_GRPCFG + sizeof(model.groups)) {
		if (!model.enabled)
			model.groups[(offset - DSA_GRPCFG) / 4] = value;
		return;
	}
	if (offset >= DSA_MSIXPERM && offset < DSA_MSIXPERM + sizeof(model.perms)) {
		model.perms[(offset - DSA_MSIXPERM) / 4] = value;
		return;
	}
	switch (offset) {
	case DSA_GENCFG:
		if (!model.enabled)
			model.gencfg = value & 0x10ff;
		break;
	case DSA_GENCTRL:
		model.genctrl = value & 3;
		break;
	case DSA_INTCAUSE:
		model.intcause &= ~value;
		break;
	case DSA_CMD:
		command(value);
		break;
	case DSA_SWERR:
		if (value & SWERR_VALID)
			model.swerr[0] = 0;
		else if (value & SWERR_OVERFLOW)
			model.swerr[0] &= ~(uint64_t)SWERR_OVERFLOW;
		break;
	default:
		break;
	}
}

void m_reset(void)
{
	for (unsigned int i = 0; i < DSA_WQS; i++) {
		forget_request(&model.wq[i]);
		memset(&model.wq[i], 0, sizeof(model.wq[i]));
		clear_config(&model.wq[i]);
	}
	memset(model.groups, 0, sizeof(model.groups));
	memset(model.perms, 0, sizeof(model.perms));
	memset(model.swerr, 0, sizeof(model.swerr));
	model.enabled = model.halted = false;
	model.gencfg = model.genctrl = model.intcause = 0;
	model.cmd = model.cmdsts = 0;
	model.vectors = 0;
}

void m_begin(void)
{
	model.nr_pending = 0;
	model.master = false;
	m_reset();
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_iopf.c - page requests against detach, replace, removal, answers
 */
#include "explore/rig.h"
#include "explore/scenarios.h"

static struct uiommu_iopf_group *kept[4];
static unsigned int nr_kept;
static uint32_t flag;
static int answer_rc;

/* ---- handlers ---- */

static int answer_now(struct uiommu_iopf_group *group)
{
	int rc;

	rig.handled++;
	rig_check_handle(uiommu_iopf_group_handle(group));
	rc = uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS);
	CHECK(!rc || rc == -EALREADY);
	uiommu_iopf_free_group(group);
	return 0;
}

static int keep(struct uiommu_iopf_group *group)
{
	rig.handled++;
	kept[nr_kept++] = group;
	return 0;
}

/* The second one isn't through before the detach is. */
static int keep_then_stick(struct uiommu_iopf_group *group)
{
	keep(group);
	if (nr_kept == 2)
		rig_wait(&flag);
	return 0;
}

/* ---- setups ---- */

static void setup_with(int (*handler)(struct uiommu_iopf_group *))
{
	rig_setup();
	nr_kept = 0;
	flag = 0;
	answer_rc = 1;
	rig_attach(&rig_owner, handler);
}

static void setup_answering(void)
{
	setup_with(answer_now);
}

static void setup_keeping(void)
{
	setup_with(keep);
}

/* One request is open. */
static void setup_reported(void)
{
	setup_with(keep);
	rig_report(1);
	CHECK(nr_kept == 1 && !rig.responses);
}

/* ---- threads ---- */

static void report(void)
{
	rig_report(1);
}

static void detach(void)
{
	rig_detach();
	/* What came through the handle has its answer. */
	CHECK(rig.responses >= rig.handled);
	rig_set(&rig.gone);
}

static void replace_by_answering(void)
{
	rig_replace(answer_now);
	/* Those that are kept came through the old one. */
	CHECK(rig.responses >= nr_kept);
}

static void answer_late(void)
{
	answer_rc = uiommu_iopf_group_response(kept[0], UIOMMU_PAGE_RESP_SUCCESS);
	uiommu_iopf_free_group(kept[0]);
}

static void unregister(void)
{
	uiommu_device_unregister(rig.dev);
	rig.dev = NULL;
	CHECK(rig.responses >= rig.handled);
}

/* ---- finishes ---- */

static void finish_kept(void)
{
	CHECK(rig.responses == 1);
	for (unsigned int i = 0; i < nr_kept; i++) {
		CHECK(uiommu_iopf_group_response(kept[i], UIOMMU_PAGE_RESP_SUCCESS) == -EALREADY);
		uiommu_iopf_free_group(kept[i]);
	}
	rig_finish();
}

static void finish_answered(void)
{
	CHECK(rig.responses == 1);
	CHECK(answer_rc == 0 || answer_rc == -EALREADY);
	CHECK((answer_rc == 0) == (rig.code == UIOMMU_PAGE_RESP_SUCCESS));
	rig_finish();
}

const struct scenario scn_report_detach = {
	.name = "report-detach",
	.summary = "a report, answered by its handler, against a detach",
	.bound = 3,
	.setup = setup_answering,
	.threads = {report, detach},
	.names = {"report", "detach"},
	.finish = rig_finish,
};

const struct scenario scn_report_keep_detach = {
	.name = "report-keep-detach",
	.summary = "a report whose handler never answers, against a detach",
	.bound = 3,
	.setup = setup_keeping,
	.threads = {report, detach},
	.names = {"report", "detach"},
	.finish = finish_kept,
};

const struct scenario scn_report_replace = {
	.name = "report-replace",
	.summary = "a report against a replace",
	.bound = 3,
	.setup = setup_keeping,
	.threads = {report, replace_by_answering},
	.names = {"report", "replace"},
	.finish = finish_kept,
};

const struct scenario scn_answer_detach = {
	.name = "answer-detach",
	.summary = "a late answer against a detach's claim",
	.bound = 3,
	.setup = setup_reported,
	.threads = {answer_late, detach},
	.names = {"answer", "detach"},
	.finish = finish_answered,
};

const struct scenario scn_answer_replace = {
	.name = "answer-replace",
	.summary = "a late answer against a replace's claim",
	.bound = 3,
	.setup = setup_reported,
	.threads = {answer_late, replace_by_answering},
	.names = {"answer", "replace"},
	.finish = finish_answered,
};

const struct scenario scn_answer_removal = {
	.name = "answer-removal",
	.summary = "a late answer against the removal of the device",
	.bound = 3,
	.setup = setup_reported,
	.threads = {answer_late, unregister},
	.names = {"answer", "removal"},
	.finish = finish_answered,
};

/* One of two devices goes, so that nothing is detached. */
static struct uiommu_device *staying;

static void setup_two_devices(void)
{
	struct uiommu_device_config config = {.name = "dev1"};

	rig_setup();
	nr_kept = 0;
	answer_rc = 1;
	config.group = rig.group;
	CHECK(!uiommu_device_register(rig.ctx, &config, &staying));
	rig_attach(&rig_owner, keep);
	rig_report(1);
}

static void finish_two_devices(void)
{
	CHECK(!rig.drained);
	rig_detach();
	uiommu_device_unregister(staying);
	finish_answered();
}

const struct scenario scn_answer_leaving = {
	.name = "answer-leaving",
	.summary = "a late answer against the removal of one device of two",
	.bound = 3,
	.setup = setup_two_devices,
	.threads = {answer_late, unregister},
	.names = {"answer", "removal"},
	.finish = finish_two_devices,
};

/* ---- three ---- */

static void answer_only(void)
{
	int rc = uiommu_iopf_group_response(kept[0], UIOMMU_PAGE_RESP_SUCCESS);

	CHECK(!rc || rc == -EALREADY);
	/* Whoever of us it was. */
	if (!rc)
		answer_rc = 0;
}

static void finish_answered_and_kept(void)
{
	CHECK((answer_rc == 0) == (rig.code == UIOMMU_PAGE_RESP_SUCCESS));
	finish_kept();
}

const struct scenario scn_answer_answer_detach = {
	.name = "answer-answer-detach",
	.summary = "two answers and a detach: one response",
	.bound = 2,
	.setup = setup_reported,
	.threads = {answer_only, answer_only, detach},
	.names = {"answer 1", "answer 2", "detach"},
	.finish = finish_answered_and_kept,
};

static void report_and_tell(void)
{
	rig_report(1);
	rig_set(&flag);
}

static void answer_when_told(void)
{
	rig_wait(&flag);
	answer_late();
}

static void unregister_when_told(void)
{
	rig_wait(&flag);
	unregister();
}

const struct scenario scn_report_answer_removal = {
	.name = "report-answer-removal",
	.summary = "the last report of a device, its late answer, and its removal",
	.bound = 2,
	.setup = setup_keeping,
	.threads = {report_and_tell, answer_when_told, unregister_when_told},
	.names = {"report", "answer", "removal"},
	.finish = finish_answered,
};

static void answer_if_kept(void)
{
	rig_wait(&flag);
	if (!nr_kept)
		answer_rc = -EALREADY; /* the detach was first, and then there was no handler */
	else
		answer_late();
}

const struct scenario scn_report_answer_detach = {
	.name = "report-answer-detach",
	.summary = "a report, its late answer, and a detach",
	.bound = 2,
	.setup = setup_keeping,
	.threads = {report_and_tell, answer_if_kept, detach},
	.names = {"report", "answer", "detach"},
	.finish = finish_answered,
};

/* ---- below an answer ---- */

static void fault_again(void)
{
	rig.on_response = NULL;
	rig_report(2);
}

static void setup_faults_again(void)
{
	setup_with(keep_then_stick);
	rig_report(1);
	rig.on_response = fault_again;
}

static void detach_and_tell(void)
{
	detach();
	rig_set(&flag);
}

static void finish_faults_again(void)
{
	CHECK(rig.responses == 2);
	for (unsigned int i = 1; i < nr_kept; i++)
		uiommu_iopf_free_group(kept[i]);
	rig_finish();
}

const struct scenario scn_answer_faults_again = {
	.name = "answer-faults-again",
	.summary = "the device faults again while it is answered, and that handler is stuck",
	.bound = 3,
	.setup = setup_faults_again,
	.threads = {answer_late, detach_and_tell},
	.names = {"answer", "detach"},
	.finish = finish_faults_again,
};

/* ---- wrong on purpose ---- */

/* See broken_group.c: the claim is a load, and then a store. */
static void answer_without_consuming(void)
{
	broken_group_response(kept[0], UIOMMU_PAGE_RESP_SUCCESS);
}

const struct scenario scn_broken_response = {
	.name = "broken-response",
	.summary = "a response that doesn't consume the group in one step",
	.broken = true,
	.bound = 3,
	.setup = setup_reported,
	.threads = {answer_without_consuming, detach},
	.names = {"answer", "detach"},
	.finish = finish_kept,
};

static void drain_nothing(struct uiommu_attach_handle *handle)
{
}

static void setup_forgetful(void)
{
	static const struct core_fault_hooks hooks = {
		.device_init = iopf_device_init,
		.device_fini = iopf_device_fini,
		.drain_handle = drain_nothing,
	};

	setup_with(keep);
	core_set_fault_hooks(rig.ctx, &hooks);
}

const struct scenario scn_broken_drain = {
	.name = "broken-forgotten-queue",
	.summary = "a detach that forgets the page requests of the handle",
	.broken = true,
	.bound = 3,
	.setup = setup_forgetful,
	.threads = {report, detach},
	.names = {"report", "detach"},
	.finish = finish_kept,
};

/* See broken_report.c: nobody asks whether the handle is still attached. */
static void report_blindly(void)
{
	const struct uiommu_fault fault = {.flags = UIOMMU_FAULT_LAST_PAGE};

	broken_report_device_fault(rig.dev, &fault);
}

const struct scenario scn_broken_report = {
	.name = "broken-blind-report",
	.summary = "a report that opens its group without asking whether a detach was faster",
	.broken = true,
	.bound = 3,
	.setup = setup_keeping,
	.threads = {report_blindly, detach},
	.names = {"report", "detach"},
	.finish = finish_kept,
};

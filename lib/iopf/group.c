// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iopf/group.c - a group of page requests, from its making to its answer
 *
 * States, lists and locks are drawn in iopf.h.
 */
#include "base/ctx.h"
#include "core/core.h"
#include "iopf/iopf.h"

/*
 * The answers that this thread is giving, innermost first: a page_response() may
 * report a fault, whose handler answers at once, and so on.
 */
struct iopf_answer {
	struct uiommu_iopf_group *group;
	const struct iopf_answer *outer;
};

UI_PER_THREAD(const struct iopf_answer *, answers);

/*
 * The groups routed by a handle.  Needs fault_lock.  The handle has two words
 * for it, zero until the first group comes.
 */
static struct cds_list_head *handle_groups_locked(struct uiommu_attach_handle *handle)
{
	struct cds_list_head *list = (struct cds_list_head *)(void *)handle->faults;

	ui_mutex_assert_held(&handle->group->fault_lock);
	if (!list->next)
		CDS_INIT_LIST_HEAD(list);
	return list;
}

struct uiommu_iopf_group *iopf_group_alloc(struct uiommu_device *dev,
					   const struct uiommu_fault *last)
{
	struct uiommu_iopf_group *group = ui_zalloc(sizeof(*group));

	if (!group)
		return NULL;
	group->dev = dev;
	group->last = *last;
	group->faults = &group->last;
	group->nr_faults = 1;
	group->refs = 2;
	group->state = IOPF_OPEN;
	ui_count_inc(&dev->ctx->counts.groups_open);
	return group;
}

void iopf_free_partials(struct cds_list_head *partials)
{
	struct iopf_partial *partial, *next;

	cds_list_for_each_entry_safe(partial, next, partials, node)
		ui_free(partial);
	CDS_INIT_LIST_HEAD(partials);
}

int iopf_group_gather(struct uiommu_iopf_group *group, struct cds_list_head *partials)
{
	struct iopf_partial *partial;
	struct uiommu_fault *faults;
	unsigned int n = 0;

	cds_list_for_each_entry(partial, partials, node)
		n++;
	faults = ui_zalloc((n + 1) * sizeof(*faults));
	if (faults) {
		group->faults = faults;
		group->nr_faults = n + 1;
		cds_list_for_each_entry(partial, partials, node)
			*faults++ = partial->fault;
		*faults = group->last;
	}
	iopf_free_partials(partials);
	return faults ? 0 : -ENOMEM;
}

static void group_free(struct uiommu_iopf_group *group, struct uiommu *ctx)
{
	if (group->faults != &group->last)
		ui_free(group->faults);
	ui_free(group);
	ui_count_dec(&ctx->counts.groups_open);
}

void iopf_group_abort(struct uiommu_iopf_group *group)
{
	group_free(group, group->dev->ctx);
}

/* The last put frees, and puts the handle: not under a lock. */
static void group_put(struct uiommu_iopf_group *group)
{
	struct uiommu_attach_handle *handle = group->handle;

	if (ui_fetch_sub(&group->refs, 1) != 1)
		return;
	/* The device may be gone, but the handle is not: it knows the instance. */
	group_free(group, handle->ctx);
	uiommu_attach_handle_put(handle);
}

void iopf_group_link_locked(struct uiommu_iopf_group *group, struct uiommu_attach_handle *handle)
{
	group->handle = handle;
	cds_list_add_tail(&group->dev_node, &group->dev->iopf->groups);
	cds_list_add_tail(&group->handle_node, handle_groups_locked(handle));
}

/* Exactly one caller gets true, and must then call group_answer(). */
static bool group_claim(struct uiommu_iopf_group *group)
{
	uint32_t state = IOPF_OPEN;

	return ui_cmpxchg(&group->state, &state, IOPF_CLAIMED);
}

void iopf_respond(struct uiommu_device *dev, const struct uiommu_fault *last,
		  enum uiommu_page_response_code code)
{
	const struct uiommu_page_response resp = {
		.pasid = last->flags & UIOMMU_FAULT_RESPONSE_NEEDS_PASID ? last->pasid : 0,
		.grpid = last->grpid,
		.code = code,
	};

	ui_count_inc(&dev->ctx->counts.faults_answered);
	dev->ops->page_response(dev, &resp);
}

/*
 * The answer to a claimed group.  Takes fault_lock; puts the lists' reference,
 * so that the group is only still there for who has another.
 */
static void group_answer(struct uiommu_iopf_group *group, enum uiommu_page_response_code code)
{
	struct uiommu_group *devices = group->handle->group;
	struct iopf_answer answer = {group, *ui_this(answers)};

	*ui_this(answers) = &answer;
	iopf_respond(group->dev, &group->last, code);
	*ui_this(answers) = answer.outer;

	ui_mutex_lock(&devices->fault_lock);
	cds_list_del(&group->dev_node);
	cds_list_del(&group->handle_node);
	/* From here on the device may be gone. */
	if (devices->fault_waiters)
		ui_cond_broadcast(&devices->fault_cond);
	ui_mutex_unlock(&devices->fault_lock);
	/* devices lives as long as our handle, which this may put. */
	group_put(group);
}

static __attribute__((noinline)) void mark_delivered(const struct iopf_answer *answer)
{
	/* Only we write it, inner ones last. */
	for (; answer && !answer->group->delivered; answer = answer->outer) {
		struct uiommu_group *devices = answer->group->handle->group;

		ui_mutex_lock(&devices->fault_lock);
		answer->group->delivered = true;
		if (devices->fault_waiters)
			ui_cond_broadcast(&devices->fault_cond);
		ui_mutex_unlock(&devices->fault_lock);
	}
}

void iopf_mark_delivered(void)
{
	const struct iopf_answer *answer = *ui_this(answers);

	/* Mostly a device reports from elsewhere. */
	if (answer)
		mark_delivered(answer);
}

/* Until some group leaves its lists, or was delivered. */
static void wait_for_answers(struct uiommu_group *devices)
{
	devices->fault_waiters++;
	ui_cond_wait(&devices->fault_cond, &devices->fault_lock);
	devices->fault_waiters--;
}

/* A detach that the device does itself in page_response(): it has its answer. */
static bool answered_here(const struct uiommu_iopf_group *group)
{
	const struct iopf_answer *answer = *ui_this(answers);

	while (answer && answer->group != group)
		answer = answer->outer;
	return answer;
}

/*
 * Answers what is open of a list, and returns true; the list may have changed.
 * False: there is nothing open.
 */
static bool answer_open_locked(struct uiommu_group *devices, struct uiommu_iopf_group *group)
{
	if (!group_claim(group))
		return false;
	ui_mutex_unlock(&devices->fault_lock);
	group_answer(group, UIOMMU_PAGE_RESP_INVALID);
	ui_mutex_lock(&devices->fault_lock);
	return true;
}

/*
 * One round: false when the device has all its answers to what came through
 * the handle.  May release and take fault_lock.
 */
static bool drain_some_locked(struct uiommu_attach_handle *handle)
{
	struct uiommu_iopf_group *group;
	bool wait = false;

	cds_list_for_each_entry(group, handle_groups_locked(handle), handle_node) {
		if (answer_open_locked(handle->group, group))
			return true;
		if (!group->delivered && !answered_here(group))
			wait = true;
	}
	if (wait)
		wait_for_answers(handle->group);
	return wait;
}

/*
 * From detach and replace, once the handle no longer counts as attached: a
 * report that would still link to it sees that, under the same lock.
 */
void iopf_drain_handle(struct uiommu_attach_handle *handle)
{
	struct uiommu_group *devices = handle->group;

	ui_mutex_lock(&devices->fault_lock);
	while (drain_some_locked(handle))
		;
	ui_mutex_unlock(&devices->fault_lock);
}

int iopf_device_init(struct uiommu_device *dev)
{
	struct iopf_device *idev = ui_zalloc(sizeof(*idev));

	if (!idev)
		return -ENOMEM;
	CDS_INIT_LIST_HEAD(&idev->partials);
	CDS_INIT_LIST_HEAD(&idev->groups);
	dev->iopf = idev;
	return 0;
}

static bool device_drain_some_locked(struct iopf_device *idev, struct uiommu_group *devices)
{
	struct uiommu_iopf_group *group;

	cds_list_for_each_entry(group, &idev->groups, dev_node)
		if (answer_open_locked(devices, group))
			return true;
	if (cds_list_empty(&idev->groups))
		return false;
	wait_for_answers(devices);
	return true;
}

/* From the device's removal: its reports have stopped, and are not to come again. */
void iopf_device_fini(struct uiommu_device *dev)
{
	struct uiommu_group *devices = dev->group;
	struct iopf_device *idev = dev->iopf;

	ui_mutex_lock(&devices->fault_lock);
	while (device_drain_some_locked(idev, devices))
		;
	ui_mutex_unlock(&devices->fault_lock);
	iopf_free_partials(&idev->partials);
	dev->iopf = NULL;
	ui_free(idev);
}

void iopf_init(struct uiommu *ctx)
{
	static const struct core_fault_hooks hooks = {
		.device_init = iopf_device_init,
		.device_fini = iopf_device_fini,
		.drain_handle = iopf_drain_handle,
	};

	core_set_fault_hooks(ctx, &hooks);
}

/* ---- the handler's side ---- */

struct uiommu_device *uiommu_iopf_group_device(const struct uiommu_iopf_group *group)
{
	return group->dev;
}

struct uiommu_attach_handle *uiommu_iopf_group_handle(const struct uiommu_iopf_group *group)
{
	return group->handle;
}

struct uiommu_domain *uiommu_iopf_group_domain(const struct uiommu_iopf_group *group)
{
	return uiommu_attach_handle_domain(group->handle);
}

unsigned int uiommu_iopf_group_faults(const struct uiommu_iopf_group *group)
{
	return group->nr_faults;
}

const struct uiommu_fault *uiommu_iopf_group_fault(const struct uiommu_iopf_group *group,
						   unsigned int index)
{
	return index < group->nr_faults ? &group->faults[index] : NULL;
}

int uiommu_iopf_group_response(struct uiommu_iopf_group *group, enum uiommu_page_response_code code)
{
	if (code != UIOMMU_PAGE_RESP_SUCCESS && code != UIOMMU_PAGE_RESP_INVALID &&
	    code != UIOMMU_PAGE_RESP_FAILURE)
		return -EINVAL;

	if (!group_claim(group))
		return -EALREADY;
	group_answer(group, code);
	return 0;
}

void uiommu_iopf_free_group(struct uiommu_iopf_group *group)
{
	/* CLAIMED is final, so only OPEN needs to be tried. */
	if (ui_load_acquire(&group->state) == IOPF_OPEN)
		uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_FAILURE);
	group_put(group);
}

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
	cds_list_add_tail(&group->dev_node, &group->dev->iopf->open);
	cds_list_add_tail(&group->handle_node, handle_groups_locked(handle));
}

/* Exactly one caller gets true, and must then call iopf_group_answer(). */
static bool group_claim_locked(struct uiommu_iopf_group *group)
{
	if (group->state != IOPF_OPEN)
		return false;
	group->answerer = ui_self();
	/* Pairs with the acquire in uiommu_iopf_free_group(). */
	ui_store_release(&group->state, IOPF_ANSWERING);
	cds_list_del(&group->dev_node);
	cds_list_add_tail(&group->dev_node, &group->dev->iopf->answering);
	return true;
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

	iopf_respond(group->dev, &group->last, code);

	ui_mutex_lock(&devices->fault_lock);
	ui_store_release(&group->state, IOPF_DONE);
	cds_list_del(&group->dev_node);
	cds_list_del(&group->handle_node);
	/* From here on the device may be gone. */
	ui_cond_broadcast(&devices->fault_cond);
	ui_mutex_unlock(&devices->fault_lock);
	/* devices lives as long as our handle, which this may put. */
	group_put(group);
}

void iopf_mark_delivered_locked(struct uiommu_device *dev)
{
	struct uiommu_iopf_group *group;

	cds_list_for_each_entry(group, &dev->iopf->answering, dev_node) {
		if (group->delivered || group->answerer != ui_self())
			continue;
		group->delivered = true;
		ui_cond_broadcast(&dev->group->fault_cond);
	}
}

/*
 * The next group that keeps a handle from being drained: one to be claimed, or
 * else one that another thread is about to answer.  NULL: it is drained.
 */
static struct uiommu_iopf_group *next_unanswered_locked(struct uiommu_attach_handle *handle)
{
	struct uiommu_iopf_group *group, *wait_for = NULL;

	cds_list_for_each_entry(group, handle_groups_locked(handle), handle_node) {
		if (group->state == IOPF_OPEN)
			return group;
		/* A detach by the device, from within page_response(): it has its answer. */
		if (!group->delivered && group->answerer != ui_self())
			wait_for = group;
	}
	return wait_for;
}

/*
 * From detach and replace, once the handle no longer counts as attached: a
 * report that would still link to it sees that, under the same lock.
 */
void iopf_drain_handle(struct uiommu_attach_handle *handle)
{
	struct uiommu_group *devices = handle->group;
	struct uiommu_iopf_group *group;

	ui_mutex_lock(&devices->fault_lock);
	while ((group = next_unanswered_locked(handle))) {
		if (!group_claim_locked(group)) {
			ui_cond_wait(&devices->fault_cond, &devices->fault_lock);
			continue;
		}
		ui_mutex_unlock(&devices->fault_lock);
		group_answer(group, UIOMMU_PAGE_RESP_INVALID);
		ui_mutex_lock(&devices->fault_lock);
	}
	ui_mutex_unlock(&devices->fault_lock);
}

int iopf_device_init(struct uiommu_device *dev)
{
	struct iopf_device *idev = ui_zalloc(sizeof(*idev));

	if (!idev)
		return -ENOMEM;
	CDS_INIT_LIST_HEAD(&idev->partials);
	CDS_INIT_LIST_HEAD(&idev->open);
	CDS_INIT_LIST_HEAD(&idev->answering);
	dev->iopf = idev;
	return 0;
}

/* From the device's removal: its reports have stopped, and are not to come again. */
void iopf_device_fini(struct uiommu_device *dev)
{
	struct uiommu_group *devices = dev->group;
	struct iopf_device *idev = dev->iopf;
	struct uiommu_iopf_group *group;

	ui_mutex_lock(&devices->fault_lock);
	for (;;) {
		if (!cds_list_empty(&idev->open)) {
			group = cds_list_first_entry(&idev->open, struct uiommu_iopf_group,
						     dev_node);
			group_claim_locked(group);
			ui_mutex_unlock(&devices->fault_lock);
			group_answer(group, UIOMMU_PAGE_RESP_INVALID);
			ui_mutex_lock(&devices->fault_lock);
		} else if (!cds_list_empty(&idev->answering)) {
			ui_cond_wait(&devices->fault_cond, &devices->fault_lock);
		} else {
			break;
		}
	}
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
	struct uiommu_group *devices = group->handle->group;
	bool claimed;

	if (code != UIOMMU_PAGE_RESP_SUCCESS && code != UIOMMU_PAGE_RESP_INVALID &&
	    code != UIOMMU_PAGE_RESP_FAILURE)
		return -EINVAL;

	ui_mutex_lock(&devices->fault_lock);
	claimed = group_claim_locked(group);
	ui_mutex_unlock(&devices->fault_lock);
	if (!claimed)
		return -EALREADY;
	group_answer(group, code);
	return 0;
}

void uiommu_iopf_free_group(struct uiommu_iopf_group *group)
{
	/* No answer follows a claim, so only OPEN needs the lock to be looked at again. */
	if (ui_load_acquire(&group->state) == IOPF_OPEN)
		uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_FAILURE);
	group_put(group);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iopf/report.c - a page request arrives: parking, gathering, routing
 *
 * A fault that isn't the last of its request is parked at the device.  The last
 * one gathers those with its grpid, whatever their PASID, and the group goes
 * to the handler of the domain that its attach handle leads to.
 */
#include "base/ctx.h"
#include "core/core.h"
#include "iopf/iopf.h"

/*
 * Whose request is it?  Return: the handle, with a reference, of a domain that
 * has a handler; NULL with the reason why there is none.
 */
static struct uiommu_attach_handle *route(struct uiommu_device *dev,
					  const struct uiommu_fault *fault, const char **reason)
{
	bool has_pasid = fault->flags & UIOMMU_FAULT_PASID_VALID;
	struct uiommu_attach_handle *handle;

	*reason = "page request, but nothing is attached";
	handle = uiommu_attach_handle_get(dev->group, has_pasid ? fault->pasid : UIOMMU_NO_PASID,
					  NULL);
	if (UIOMMU_IS_ERR(handle)) {
		/* -EBUSY can't be; -EINVAL is a number that no PASID has. */
		if (!has_pasid)
			return NULL;
		/*
		 * A guest that has the PASID table gets the faults of all of them, also,
		 * as in Linux, of such a number.
		 */
		handle = uiommu_attach_handle_get(dev->group, UIOMMU_NO_PASID, NULL);
		if (UIOMMU_IS_ERR(handle))
			return NULL;
		if (handle->domain->type != UIOMMU_DOMAIN_NESTED ||
		    !handle->domain->user_pasid_table)
			goto out_put;
	}
	if (handle->domain->iopf_handler)
		return handle;
	*reason = "page request, but the domain takes none";
out_put:
	uiommu_attach_handle_put(handle);
	return NULL;
}

/* Moves what is parked of a request over to @out.  Needs fault_lock. */
static void take_partials_locked(struct iopf_device *idev, uint32_t grpid,
				 struct cds_list_head *out)
{
	struct iopf_partial *partial, *next;

	cds_list_for_each_entry_safe(partial, next, &idev->partials, node) {
		if (partial->fault.grpid != grpid)
			continue;
		cds_list_del(&partial->node);
		cds_list_add_tail(&partial->node, out);
	}
}

/* The last page of a request came, and it will not be delivered. */
static void drop_request(struct uiommu_device *dev, const struct uiommu_fault *last,
			 enum uiommu_page_response_code code)
{
	CDS_LIST_HEAD(partials);

	ui_mutex_lock(&dev->group->fault_lock);
	take_partials_locked(dev->iopf, last->grpid, &partials);
	ui_mutex_unlock(&dev->group->fault_lock);
	iopf_free_partials(&partials);
	iopf_respond(dev, last, code);
}

static void refuse(struct uiommu_device *dev, const struct uiommu_fault *fault, const char *reason)
{
	const struct uiommu_event event = {
		.type = UIOMMU_EVENT_PAGE_REQUEST,
		.device = dev->name,
		.pasid = fault->flags & UIOMMU_FAULT_PASID_VALID ? fault->pasid : UIOMMU_NO_PASID,
		.iova = fault->addr,
		.perm = fault->perm,
		.reason = reason,
	};

	ui_event(dev->ctx, &event);
	if (fault->flags & UIOMMU_FAULT_LAST_PAGE)
		drop_request(dev, fault, UIOMMU_PAGE_RESP_INVALID);
}

static int park(struct uiommu_device *dev, const struct uiommu_fault *fault)
{
	struct iopf_partial *partial = ui_zalloc(sizeof(*partial));

	if (!partial)
		return -ENOMEM;
	partial->fault = *fault;
	ui_mutex_lock(&dev->group->fault_lock);
	cds_list_add_tail(&partial->node, &dev->iopf->partials);
	ui_mutex_unlock(&dev->group->fault_lock);
	return 0;
}

/*
 * Opens the request: from here on it is answered by whoever claims it.  Takes
 * over the reference on the handle, unless it fails.  -ENODEV: a detach was
 * faster, and will not look for this group; -ENOMEM.
 */
static int open_group(struct uiommu_iopf_group *group, struct uiommu_attach_handle *handle)
{
	struct uiommu_device *dev = group->dev;
	CDS_LIST_HEAD(partials);
	int rc = 0;

	ui_mutex_lock(&dev->group->fault_lock);
	take_partials_locked(dev->iopf, group->last.grpid, &partials);
	if (!cds_list_empty(&partials)) {
		ui_mutex_unlock(&dev->group->fault_lock);
		rc = iopf_group_gather(group, &partials);
		if (rc)
			return rc;
		ui_mutex_lock(&dev->group->fault_lock);
	}
	/* Either we see the detach here, or its drain sees our group. */
	if (uiommu_attach_handle_attached(handle))
		iopf_group_link_locked(group, handle);
	else
		rc = -ENODEV;
	ui_mutex_unlock(&dev->group->fault_lock);
	return rc;
}

/* Needs a reference on the handle, and consumes it. */
static void report_last(struct uiommu_device *dev, const struct uiommu_fault *fault,
			struct uiommu_attach_handle *handle)
{
	struct uiommu_domain *domain = handle->domain;
	struct uiommu_iopf_group *group;
	int rc;

	group = iopf_group_alloc(dev, fault);
	if (!group) {
		drop_request(dev, fault, UIOMMU_PAGE_RESP_FAILURE);
		goto out_put;
	}
	rc = open_group(group, handle);
	if (rc) {
		iopf_group_abort(group);
		iopf_respond(dev, fault,
			     rc == -ENOMEM ? UIOMMU_PAGE_RESP_FAILURE : UIOMMU_PAGE_RESP_INVALID);
		goto out_put;
	}
	/*
	 * The group keeps the domain, and is the handler's once it says 0; maybe a
	 * detach has answered it already.
	 */
	if (domain->iopf_handler(group))
		uiommu_iopf_free_group(group); /* answers FAILURE, if it is still open */
	return;

out_put:
	uiommu_attach_handle_put(handle);
}

int uiommu_report_device_fault(struct uiommu_device *dev, const struct uiommu_fault *fault)
{
	bool last = fault->flags & UIOMMU_FAULT_LAST_PAGE;
	struct uiommu_attach_handle *handle;
	const char *reason;
	int rc;

	if (!dev->ops || !dev->ops->page_response)
		return -EINVAL;
	if (last)
		ui_count_inc(&dev->ctx->counts.faults_reported);

	iopf_mark_delivered();
	handle = route(dev, fault, &reason);
	if (!handle) {
		refuse(dev, fault, reason);
		return -EINVAL;
	}
	if (last) {
		report_last(dev, fault, handle);
		return 0;
	}
	rc = park(dev, fault);
	uiommu_attach_handle_put(handle);
	return rc;
}

void uiommu_iopf_discard_partial(struct uiommu_device *dev)
{
	CDS_LIST_HEAD(partials);

	ui_mutex_lock(&dev->group->fault_lock);
	cds_list_splice(&dev->iopf->partials, &partials);
	CDS_INIT_LIST_HEAD(&dev->iopf->partials);
	ui_mutex_unlock(&dev->group->fault_lock);
	iopf_free_partials(&partials);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopf/iopf.h - page requests, from the inside
 *
 * See uiommu/iopf.h for the words.  A group of faults is in two lists from
 * the moment it is routed until the device has its answer: the device's, for
 * its removal, and the attach handle's, for detach and replace.  Both are under
 * the fault_lock of the struct uiommu_group.
 *
 * The claim, one atomic step from OPEN to CLAIMED, entitles to call
 * page_response(); so there is exactly one response, whoever competes: the
 * handler, a detach, a replace, the device's removal.  page_response() runs
 * without a lock, and then the group leaves its lists.  Who detaches or removes
 * claims what is still open and waits for answers that other threads are giving,
 * but never for a handler:
 *
 *  - A removal waits until page_response() has returned, for it uses the
 *    device.  The device has stopped its reports, so no handler runs below it.
 *  - A detach waits until the device has its answer, no longer.  A device may
 *    retry its DMA from page_response() and report the next fault from there,
 *    whose handler may take for ever, or detach.  That it reports shows that it
 *    was answered: from then on (group->delivered) nobody waits any more.
 */
#ifndef UI_IOPF_IOPF_H
#define UI_IOPF_IOPF_H

#include <uiommu/iopf.h>
#include <urcu/list.h>

#include "base/sync.h"

enum iopf_state {
	IOPF_OPEN,
	IOPF_CLAIMED,
};

/* What is parked of a request whose last page is yet to come. */
struct iopf_partial {
	struct cds_list_head node; /* idev->partials */
	struct uiommu_fault fault;
};

/*
 * dev->iopf, from registration to removal.  Everything: dev->group->fault_lock.
 *  partials	struct iopf_partial, in order of arrival
 *  groups	those that the device has no answer to yet
 */
struct iopf_device {
	struct cds_list_head partials;
	struct cds_list_head groups;
};

/*
 * Refs: the handler's, put by uiommu_iopf_free_group(); the lists', put by
 *	iopf_group_answer().  Who claims acts on the lists' reference.
 *  dev, handle, faults, nr_faults, last	immutable once linked
 *  refs, state				atomic
 *  delivered, dev_node, handle_node	handle->group->fault_lock
 *
 * dev is there as long as the group is listed, for removal waits.  handle is a
 * reference (contract, point 6); the uiommu_group lives as long as it.
 */
struct uiommu_iopf_group {
	struct uiommu_device *dev;
	struct uiommu_attach_handle *handle;
	struct uiommu_fault *faults; /* &last, or an array that ends with it */
	unsigned int nr_faults;
	struct uiommu_fault last;

	int64_t refs;
	uint32_t state;
	bool delivered;
	struct cds_list_head dev_node;
	struct cds_list_head handle_node;
};

/* From lib/instance.c, before the first device: makes core call us. */
void iopf_init(struct uiommu *ctx);

/* A group of the one fault, unlinked, with both references and without a handle; NULL. */
struct uiommu_iopf_group *iopf_group_alloc(struct uiommu_device *dev,
					   const struct uiommu_fault *last);
/*
 * Puts @partials before the last fault and frees them, also on failure.
 * Not linked yet.  -ENOMEM.
 */
int iopf_group_gather(struct uiommu_iopf_group *group, struct cds_list_head *partials);
void iopf_free_partials(struct cds_list_head *partials);
/* Takes over the caller's reference on the handle; needs fault_lock. */
void iopf_group_link_locked(struct uiommu_iopf_group *group, struct uiommu_attach_handle *handle);
/* Of a group that was never linked. */
void iopf_group_abort(struct uiommu_iopf_group *group);
/* This thread, maybe inside a page_response(), reports another fault; takes fault_lock. */
void iopf_mark_delivered(void);
/* page_response() and its count, for @last alone. */
void iopf_respond(struct uiommu_device *dev, const struct uiommu_fault *last,
		  enum uiommu_page_response_code code);

/* core_fault_hooks */
int iopf_device_init(struct uiommu_device *dev);
void iopf_device_fini(struct uiommu_device *dev);
void iopf_drain_handle(struct uiommu_attach_handle *handle);

#endif /* UI_IOPF_IOPF_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/iopf.h - I/O page faults: requests, groups, routing, responses
 *
 * A device reports page requests.  Those without LAST_PAGE are parked at the
 * device and never answered; one with it gathers the parked ones of the same
 * grpid into a group, which is routed to the handler of a domain and gets
 * exactly one response.
 */
#ifndef UIOMMU_IOPF_H
#define UIOMMU_IOPF_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UIOMMU_FAULT_PASID_VALID (1u << 0)
#define UIOMMU_FAULT_LAST_PAGE (1u << 1)
#define UIOMMU_FAULT_RESPONSE_NEEDS_PASID (1u << 2)

/**
 * struct uiommu_fault - one page request, as the device sent it
 * @flags: UIOMMU_FAULT_*
 * @pasid: with PASID_VALID
 * @grpid: page request group index; below 512 for PCI
 * @perm: UIOMMU_READ, _WRITE, _EXEC, _PRIV: the rights wanted
 * @addr: page-aligned I/O virtual address
 */
struct uiommu_fault {
	uint32_t flags;
	uint32_t pasid;
	uint32_t grpid;
	uint32_t perm;
	uint64_t addr;
};

/* PCI PRI response codes. */
enum uiommu_page_response_code {
	UIOMMU_PAGE_RESP_SUCCESS = 0x0,
	UIOMMU_PAGE_RESP_INVALID = 0x1,
	UIOMMU_PAGE_RESP_FAILURE = 0xf,
};

/**
 * struct uiommu_page_response - the answer to a group
 * @pasid: valid if the last fault had RESPONSE_NEEDS_PASID
 * @grpid: of the last fault
 * @code: what to do: retry, give up this access, or stop making requests
 */
struct uiommu_page_response {
	uint32_t pasid;
	uint32_t grpid;
	enum uiommu_page_response_code code;
};

/**
 * uiommu_report_device_fault() - a device has a page request
 * @dev: registered; the caller holds no lock that its page_response op takes
 * @fault: copied
 *
 * A last-page request is answered exactly once through ops->page_response,
 * maybe before this returns; others never.
 *
 * A request that is refused, for want of a handler, is an event.  The parked
 * faults of its grpid go with it: they don't wait for the next request that
 * happens to use the same number.
 *
 * Context: may be called from within page_response.
 * Return: 0: accepted, or answered (FAILURE, if the handler refused it or
 * there was no memory for the group; INVALID, if a detach was faster);
 * -EINVAL: no handler: a last-page request was answered INVALID, another was
 * not parked; or @dev has no page_response; -ENOMEM: a partial fault was
 * dropped.
 */
UIOMMU_API int uiommu_report_device_fault(struct uiommu_device *dev,
					  const struct uiommu_fault *fault);

/**
 * uiommu_iopf_discard_partial() - forget the parked faults of a device
 *
 * For a device whose request queue overflowed: their last page never comes.
 */
UIOMMU_API void uiommu_iopf_discard_partial(struct uiommu_device *dev);

/*
 * The handler's side.
 *
 * domain->iopf_handler(group) is called without locks, in the thread that
 * reported.  0: the handler now owns the group: it answers now, later or from
 * another thread, and then frees it.  Anything else: the group is answered
 * FAILURE and freed by the caller.
 *
 * A detach may have answered the group before the handler sees it, and may have
 * called the owner's drain.  So a handler that queues groups for others checks
 * uiommu_attach_handle_attached(), under the lock that its drain takes, and
 * frees the group instead of queueing it if it says no.
 */

/** uiommu_iopf_group_device() - who asked; gone once it is unregistered */
UIOMMU_API struct uiommu_device *uiommu_iopf_group_device(const struct uiommu_iopf_group *group);
/** uiommu_iopf_group_handle() - the handle it was routed by, borrowed from the group */
UIOMMU_API struct uiommu_attach_handle *
uiommu_iopf_group_handle(const struct uiommu_iopf_group *group);
/** uiommu_iopf_group_domain() - whose handler was called, borrowed */
UIOMMU_API struct uiommu_domain *uiommu_iopf_group_domain(const struct uiommu_iopf_group *group);
/** uiommu_iopf_group_faults() - how many; in arrival order, the last page at the end */
UIOMMU_API unsigned int uiommu_iopf_group_faults(const struct uiommu_iopf_group *group);
/** uiommu_iopf_group_fault() - one of them; NULL past the last */
UIOMMU_API const struct uiommu_fault *uiommu_iopf_group_fault(const struct uiommu_iopf_group *group,
							      unsigned int index);

/**
 * uiommu_iopf_group_response() - answer a group
 * @group: the handler's
 * @code: what the device is told
 *
 * Consumes the answer, not the memory: the group is still the handler's to
 * free.  ops->page_response of the device is called from here.
 *
 * Return: 0; -EALREADY: it was answered before, by the handler or because
 * a detach or the device's removal claimed it first: nothing was sent;
 * -EINVAL: there is no such code: nothing was sent, the group is still open.
 */
UIOMMU_API int uiommu_iopf_group_response(struct uiommu_iopf_group *group,
					  enum uiommu_page_response_code code);

/**
 * uiommu_iopf_free_group() - the handler is done with a group
 *
 * One that nobody answered is answered FAILURE.  May put the last reference on
 * the handle that it was routed by.
 */
UIOMMU_API void uiommu_iopf_free_group(struct uiommu_iopf_group *group);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_IOPF_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/iommu.h - devices, groups, domains, PASIDs and attach handles
 *
 * A domain is an address space for DMA.  Attaching it to a (group, PASID)
 * puts an attach handle into that slot of the group; PASID 0 is the slot of
 * requests without a PASID (the RID).  The handle is embedded in a structure
 * of whoever attached, and that owner is known by the address of its constant
 * struct uiommu_handle_ops.
 *
 * The contract, for every entry point (docs/attach-handles.md):
 *
 *  1. uiommu_attach_handle_get() checks the owner and takes a reference in one
 *     step.  No caller needs a lock, and no memory is read that could be gone.
 *     Linux's function of that name takes NO reference; ours does.
 *  2. container_of() to the owner's structure is safe exactly when it succeeded.
 *  3. A reference keeps the handle, its domain and the owner's data until put,
 *     detached or not.  It does not keep it attached; ask with _attached().
 *  4. When detach returns, no get finds the handle, no DMA through it is in
 *     flight, and every page request routed by it has been answered once.
 *     Detach never waits for a fault handler.
 *  5. Replace shows the new handle only after the device was switched; when it
 *     fails, the old one never stopped being there.  A handle is used once.
 *  6. Every fault group holds a reference on the handle it was routed by.
 *  7. ops->release runs exactly once, after the last put, and may block.
 */
#ifndef UIOMMU_IOMMU_H
#define UIOMMU_IOMMU_H

#include <uiommu/uiommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The slot of requests without a PASID (the kernel's IOMMU_NO_PASID). */
#define UIOMMU_NO_PASID 0u
/* PASIDs are 20 bits wide. */
#define UIOMMU_PASID_MAX ((1u << 20) - 1)

struct uiommu_attach_handle;
struct uiommu_device;
struct uiommu_domain;
struct uiommu_group;
struct uiommu_iopf_group;
struct uiommu_page_response;

/**
 * struct uiommu_handle_ops - an owner of attach handles
 *
 * The address is the owner's cookie: one constant table per owner, which stays
 * valid as long as the instance.  An instance knows at most 255 owners.
 *
 * @name: for messages and the explorer
 * @drain: optional.  Called once by detach or replace after the handle was
 *	unpublished, no DMA uses it, and its open page requests were claimed
 *	and answered: drop whatever still queues them.  No lock of the library
 *	is held; it must not attach to or detach from the same slot.
 * @release: required.  Called once after the last reference was put, from
 *	the thread that put it, without locks of the library; may block.  Frees
 *	the structure that embeds the handle.
 */
struct uiommu_handle_ops {
	const char *name;
	void (*drain)(struct uiommu_attach_handle *handle);
	void (*release)(struct uiommu_attach_handle *handle);
};

/**
 * struct uiommu_attach_handle - a domain attached to a (group, PASID)
 *
 * Embedded in the owner's structure; all fields are the library's.  While
 * a reference is held, @ops, @domain, @group and @pasid don't change.
 * Aligned to 16 bytes, as malloc() returns: the slot packs its address.
 */
struct uiommu_attach_handle {
	/* private: lib/core/handle.c and lib/iopf/ say who may touch what */
	const struct uiommu_handle_ops *ops;
	struct uiommu_domain *domain;
	struct uiommu_group *group;
	struct uiommu *ctx;
	uint64_t *slot;
	int64_t refs;
	uint32_t pasid;
	uint32_t state;
	uint32_t owner;
	uint32_t reserved;
	void *faults[2];
} __attribute__((aligned(16)));

/**
 * uiommu_attach_handle_init() - make a handle ready for one attach
 * @ctx: the instance that it will be used in
 * @handle: embedded in the caller's structure
 * @ops: the caller's table
 *
 * The caller owns the one reference; a successful attach or replace takes it
 * over, a failed one leaves it.  A handle that was attached once can't be
 * attached again (-EINVAL): initialise another.
 *
 * Return: 0, -EINVAL (no release, misaligned), -ENOSPC (too many owners).
 */
UIOMMU_API int uiommu_attach_handle_init(struct uiommu *ctx, struct uiommu_attach_handle *handle,
					 const struct uiommu_handle_ops *ops);

/**
 * uiommu_attach_handle_get() - look a handle up and take a reference
 * @group: the caller keeps it alive (by a reference or a registered device)
 * @pasid: the slot, UIOMMU_NO_PASID for the RID's
 * @ops: the owner that the caller is; NULL: whoever it is (the caller must
 *	then not cast)
 *
 * Context: any thread, any lock held, also inside a fault handler.  Lock-free.
 * Return: the handle, to be put by uiommu_attach_handle_put(); as an ERR_PTR
 * -ENOENT: nothing is attached; -EBUSY: another owner's; -EINVAL: @pasid is
 * out of range.
 */
UIOMMU_API struct uiommu_attach_handle *
uiommu_attach_handle_get(struct uiommu_group *group, uint32_t pasid,
			 const struct uiommu_handle_ops *ops);

/**
 * uiommu_attach_handle_hold() - one reference more
 * @handle: the caller holds one, or has just initialised it
 *
 * Return: @handle.
 */
UIOMMU_API struct uiommu_attach_handle *
uiommu_attach_handle_hold(struct uiommu_attach_handle *handle);

/**
 * uiommu_attach_handle_put() - give a reference back
 * @handle: the last put runs ops->release() here
 *
 * Context: ops->release() may block, so don't hold a lock it takes.
 */
UIOMMU_API void uiommu_attach_handle_put(struct uiommu_attach_handle *handle);

/**
 * uiommu_attach_handle_attached() - is the handle still in its slot?
 * @handle: the caller holds a reference
 *
 * Return: false is final; true may be false a moment later.
 */
UIOMMU_API bool uiommu_attach_handle_attached(const struct uiommu_attach_handle *handle);

/** uiommu_attach_handle_domain() - the domain; valid while a reference is held */
static inline struct uiommu_domain *
uiommu_attach_handle_domain(const struct uiommu_attach_handle *handle)
{
	return handle->domain;
}

/**
 * uiommu_attach_handle_wait_detached() - wait until the slot left this handle
 * @handle: the caller holds a reference, and no lock that its detach takes
 *
 * Returns once the detach or replace that removes it has finished.  The caller
 * knows that one is on its way (a bond whose user count is zero).
 */
UIOMMU_API void uiommu_attach_handle_wait_detached(struct uiommu_attach_handle *handle);

/* ---- domains ---- */

/**
 * enum uiommu_domain_type - kinds of domain
 * @UIOMMU_DOMAIN_BLOCKED: every DMA is an error
 * @UIOMMU_DOMAIN_IDENTITY: IOVA is the virtual address in the domain's mm
 * @UIOMMU_DOMAIN_PAGING: an I/O address space
 * @UIOMMU_DOMAIN_NESTED: a guest's table over a paging parent
 * @UIOMMU_DOMAIN_SVA: the address space of a process
 */
enum uiommu_domain_type {
	UIOMMU_DOMAIN_BLOCKED,
	UIOMMU_DOMAIN_IDENTITY,
	UIOMMU_DOMAIN_PAGING,
	UIOMMU_DOMAIN_NESTED,
	UIOMMU_DOMAIN_SVA,
};

/**
 * struct uiommu_span - what an IOVA translates to
 * @mm: whose memory; stays valid for the burst
 * @addr: virtual address in @mm of the first byte
 * @length: contiguous bytes from there, at least 1
 * @perm: rights of the mapping
 */
struct uiommu_span {
	struct uiommu_mm *mm;
	uint64_t addr;
	uint64_t length;
	uint32_t perm;
};

/**
 * struct uiommu_domain_ops - what makes a domain's kind
 * @translate: look @iova up.  Called inside a burst: lock-free, no blocking,
 *	no system call.  0; -ENOENT: not mapped; -EPERM: mapped without @perm
 *	(@span is filled nevertheless).  NULL: every DMA is -ENOENT.
 * @resident: optional, for domains whose pages come and go without anybody being told:
 *	which of up to 64 pages from @iova on are there, as bits.  Outside of bursts;
 *	may block.  Without it, a page is there if it translates.
 * @dirty: optional; @length bytes at @iova were written, same context
 * @free: called after the last put; frees the structure that embeds the domain
 * @steady: what @translate has found stays true until the library itself unmaps it or
 *	detaches the domain, so DMA may use it again without asking.  False for whoever
 *	keeps a table of their own.
 */
struct uiommu_domain_ops {
	int (*translate)(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			 struct uiommu_span *span);
	uint64_t (*resident)(struct uiommu_domain *domain, uint64_t iova, unsigned int pages);
	void (*dirty)(struct uiommu_domain *domain, uint64_t iova, uint64_t length);
	void (*free)(struct uiommu_domain *domain);
	bool steady;
};

/**
 * struct uiommu_domain - embedded in the structure of whoever makes domains
 * @ctx: the instance
 * @ops: immutable
 * @type: immutable
 * @user_pasid_table: a nested domain whose PASID table belongs to the guest:
 *	faults of PASIDs without a handle fall back to it
 * @iopf_handler: takes the page requests of this domain; NULL: all are INVALID.
 *	Set before the first attach, then immutable.  See uiommu/iopf.h.
 * @fault_data: for @iopf_handler
 * @refs: private
 */
struct uiommu_domain {
	struct uiommu *ctx;
	const struct uiommu_domain_ops *ops;
	enum uiommu_domain_type type;
	bool user_pasid_table;
	int (*iopf_handler)(struct uiommu_iopf_group *group);
	void *fault_data;
	int64_t refs;
};

/**
 * uiommu_domain_init() - start a domain's life with one reference
 *
 * @ops->free runs when the last reference is put: each attach handle that
 * was attached with the domain holds one until it is released.
 */
UIOMMU_API void uiommu_domain_init(struct uiommu *ctx, struct uiommu_domain *domain,
				   enum uiommu_domain_type type,
				   const struct uiommu_domain_ops *ops);
UIOMMU_API struct uiommu_domain *uiommu_domain_get(struct uiommu_domain *domain);
UIOMMU_API void uiommu_domain_put(struct uiommu_domain *domain);

/** uiommu_domain_alloc_simple() - a blocked or identity domain of this process
 * @ctx: the instance
 * @type: UIOMMU_DOMAIN_BLOCKED or UIOMMU_DOMAIN_IDENTITY
 *
 * Return: the domain with one reference; ERR_PTR: -EINVAL, -ENOMEM.
 */
UIOMMU_API struct uiommu_domain *uiommu_domain_alloc_simple(struct uiommu *ctx,
							    enum uiommu_domain_type type);

/**
 * uiommu_domain_alloc_paging() - an I/O address space of one's own
 * @ctx: the instance
 *
 * 64 bits of IOVA, 4 KiB pages, empty.  Filled by uiommu_map().
 *
 * Return: the domain with one reference; ERR_PTR: -ENOMEM.
 */
UIOMMU_API struct uiommu_domain *uiommu_domain_alloc_paging(struct uiommu *ctx);

/**
 * uiommu_map() - map memory of a process into a paging domain
 * @domain: from uiommu_domain_alloc_paging()
 * @iova: page-aligned
 * @mm: whose memory; held until it is unmapped
 * @addr: virtual address in @mm, page-aligned
 * @length: bytes, a multiple of the page size; the cost doesn't depend on it
 * @perm: UIOMMU_READ and/or UIOMMU_WRITE
 *
 * What a device finds there is what the address means when it does the access.
 *
 * Context: may block.  Devices may translate at the same time.
 * Return: 0; -EINVAL: misaligned, no length, no right, or not such a domain;
 * -EOVERFLOW: wraps; -EEXIST: overlaps; -EFAULT: nothing is mapped there, or
 * not with the right; -ENOMEM.
 */
UIOMMU_API int uiommu_map(struct uiommu_domain *domain, uint64_t iova, struct uiommu_mm *mm,
			  uint64_t addr, uint64_t length, uint32_t perm);

/**
 * uiommu_unmap() - take mappings out of a paging domain
 * @iova: start
 * @length: bytes; whole mappings only, with holes between them if need be
 * @unmapped: bytes that were mapped; may be NULL
 *
 * When it returns no DMA uses what was mapped there.
 *
 * Context: waits for bursts of DMA that are under way; not from inside one.
 * Return: 0; -ENOENT: nothing there, or a mapping would be cut; -EINVAL;
 * -EOVERFLOW: wraps.
 */
UIOMMU_API int uiommu_unmap(struct uiommu_domain *domain, uint64_t iova, uint64_t length,
			    uint64_t *unmapped);

/* ---- groups and devices ---- */

/**
 * struct uiommu_driver_ops - the device's side of attachments and responses
 *
 * @set_dev_pasid: optional; switch @pasid of @dev from @old (may be NULL) to
 *	@domain.  A failure must leave @old working.  Under the group's mutex.
 * @remove_dev_pasid: optional; @pasid of @dev is blocked from now.  Can't fail.
 * @page_response: required for devices that report faults: the answer to the
 *	group that ended with the last-page fault @resp names.  Called exactly
 *	once per group, without any lock of the library held; the device may
 *	retry its DMA from here.
 */
struct uiommu_driver_ops {
	int (*set_dev_pasid)(struct uiommu_device *dev, uint32_t pasid,
			     struct uiommu_domain *domain, struct uiommu_domain *old);
	void (*remove_dev_pasid)(struct uiommu_device *dev, uint32_t pasid,
				 struct uiommu_domain *domain);
	void (*page_response)(struct uiommu_device *dev, const struct uiommu_page_response *resp);
};

/**
 * struct uiommu_device_config - how to register a device
 * @name: copied; for events ("0000:01:00.0")
 * @group: the group to join; NULL: a new one of its own
 * @max_pasids: PASIDs 1 .. max_pasids-1 can be attached; 0: none
 * @pri: the device can make page requests
 * @ats: the device can ask for translations and keep them
 * @drvdata: the registrant's, see uiommu_device_drvdata()
 * @ops: may be NULL for a device that neither switches nor faults
 */
struct uiommu_device_config {
	const char *name;
	struct uiommu_group *group;
	uint32_t max_pasids;
	bool pri;
	bool ats;
	void *drvdata;
	const struct uiommu_driver_ops *ops;
};

/**
 * uiommu_device_register() - a device appears behind the IOMMU
 *
 * In a group of its own, or joining one: it then gets every attachment that
 * the group has, or nothing is changed and the error says why not.
 *
 * Return: 0 and @out; -EINVAL: a config out of range; -ENOMEM; or
 * what ops->set_dev_pasid said of an existing attachment.
 */
UIOMMU_API int uiommu_device_register(struct uiommu *ctx, const struct uiommu_device_config *config,
				      struct uiommu_device **out);

/**
 * uiommu_device_unregister() - the device goes
 *
 * The caller has stopped its DMA and its reports (none is under way), and
 * is not inside ops->page_response of @dev.  Waits for answers that other
 * threads are just giving, not for handlers.  Its partial faults are
 * dropped, its open page requests answered INVALID; if it was the last device
 * of its group, what is attached there is detached.
 */
UIOMMU_API void uiommu_device_unregister(struct uiommu_device *dev);

UIOMMU_API const char *uiommu_device_name(const struct uiommu_device *dev);
UIOMMU_API void *uiommu_device_drvdata(const struct uiommu_device *dev);
UIOMMU_API struct uiommu *uiommu_device_ctx(const struct uiommu_device *dev);
UIOMMU_API uint32_t uiommu_device_max_pasids(const struct uiommu_device *dev);
UIOMMU_API bool uiommu_device_has_pri(const struct uiommu_device *dev);
UIOMMU_API bool uiommu_device_has_ats(const struct uiommu_device *dev);
/** uiommu_device_group() - borrowed: valid while @dev is registered */
UIOMMU_API struct uiommu_group *uiommu_device_group(const struct uiommu_device *dev);

UIOMMU_API struct uiommu_group *uiommu_group_alloc(struct uiommu *ctx);
UIOMMU_API struct uiommu_group *uiommu_group_get(struct uiommu_group *group);
UIOMMU_API void uiommu_group_put(struct uiommu_group *group);

/* ---- attach, replace, detach ---- */

/**
 * uiommu_attach_group_handle() - attach a domain to a slot of a group
 * @domain: the handle takes a reference, kept until it is released
 * @group: every device in it is switched, or none
 * @pasid: UIOMMU_NO_PASID, or 1 .. UIOMMU_PASID_MAX
 * @handle: initialised and never attached; NULL: an anonymous one, which only
 *	a get with ops == NULL finds
 *
 * If a detach of the slot is just finishing, waits for it.
 *
 * Context: takes the group's mutex; may block.
 * Return: 0: the caller's reference on @handle moved into the slot.  Failure
 * leaves it with the caller: -EBUSY: the slot is taken; -EINVAL: @handle was
 * used before, @group has no device, or @pasid is out of range or beyond what
 * a device supports (devices without PASIDs are passed over, as in Linux);
 * -ENOMEM; or what a driver said.
 */
UIOMMU_API int uiommu_attach_group_handle(struct uiommu_domain *domain, struct uiommu_group *group,
					  uint32_t pasid, struct uiommu_attach_handle *handle);

/**
 * uiommu_replace_group_handle() - put another domain into an occupied slot
 *
 * As attach, but the slot must be occupied (-EINVAL otherwise).  The new
 * handle is found from the moment on at which every device was switched; then
 * the old one is drained as by detach, and its attachment's reference put.
 */
UIOMMU_API int uiommu_replace_group_handle(struct uiommu_domain *domain, struct uiommu_group *group,
					   uint32_t pasid, struct uiommu_attach_handle *handle);

/**
 * uiommu_detach_group_handle() - empty a slot
 * @group: the group
 * @pasid: the slot
 * @handle: detach only if this handle is attached (-ENOENT otherwise);
 *	NULL: whatever is there.  The caller need not hold a reference, but if
 *	it has none it must know that nobody else detaches it.
 *
 * See point 4 of the contract for what holds at return.  May be called from a
 * fault handler, also for the handle that the fault came through.
 *
 * Context: takes the group's mutex.  Waits for DMA that is in a burst, and for
 * answers that other threads are just giving to devices; never for a handler.
 *
 * Return: 0; -ENOENT: nothing (or another handle) is attached; -EINVAL: range.
 */
UIOMMU_API int uiommu_detach_group_handle(struct uiommu_group *group, uint32_t pasid,
					  struct uiommu_attach_handle *handle);

/*
 * The same for the group of a device (the kernel's iommu_attach_device() and
 * its family).  In Linux attaching a domain to one device of a larger group is
 * refused; so it is here (-EINVAL), except for PASIDs.
 */
UIOMMU_API int uiommu_attach_device_pasid(struct uiommu_domain *domain, struct uiommu_device *dev,
					  uint32_t pasid, struct uiommu_attach_handle *handle);
UIOMMU_API int uiommu_replace_device_pasid(struct uiommu_domain *domain, struct uiommu_device *dev,
					   uint32_t pasid, struct uiommu_attach_handle *handle);
UIOMMU_API int uiommu_detach_device_pasid(struct uiommu_device *dev, uint32_t pasid,
					  struct uiommu_attach_handle *handle);

/* ---- global PASIDs ---- */

/**
 * uiommu_alloc_global_pasid() - a PASID unique in the instance
 * @dev: bounds the number
 *
 * Return: 1 .. max_pasids-1, lowest free; -EOPNOTSUPP: @dev has no PASIDs;
 * -ENOSPC: none is left.  Given back by uiommu_free_global_pasid().
 */
UIOMMU_API int64_t uiommu_alloc_global_pasid(struct uiommu_device *dev);
UIOMMU_API void uiommu_free_global_pasid(struct uiommu *ctx, uint32_t pasid);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_IOMMU_H */

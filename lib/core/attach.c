// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/attach.c - attach, replace, detach
 *
 * All three change a slot under group->mutex.  What follows the change (waiting
 * for DMA, answering page requests, the owner's drain) runs without it, for it
 * calls devices and owners; meanwhile a detached slot reads SLOT_BUSY: nobody
 * finds a handle there, and an attach waits until the answers have been given,
 * so that a PASID is never reused under a request of its former life.
 *
 *	detach:	  handle -> BUSY ........................ -> EMPTY
 *		  (under the mutex)  DMA out, faults answered  (under the mutex)
 *	replace:  old -> new, then the same for old, the slot being new's already
 */
#include "core/core.h"

static bool valid_args(const struct uiommu_domain *domain, const struct uiommu_group *group,
		       uint32_t pasid, const struct uiommu_attach_handle *handle)
{
	return pasid <= UIOMMU_PASID_MAX && domain->ctx == group->ctx &&
	       (!handle || handle->ctx == group->ctx);
}

/* ---- the devices of a group ---- */

/* In Linux a device without PASIDs is passed over by a PASID attach; so here. */
static bool device_takes(const struct uiommu_device *dev, uint32_t pasid)
{
	return pasid == UIOMMU_NO_PASID || dev->max_pasids;
}

static void device_remove(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain)
{
	if (device_takes(dev, pasid) && dev->ops && dev->ops->remove_dev_pasid)
		dev->ops->remove_dev_pasid(dev, pasid, domain);
}

static int device_set(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain,
		      struct uiommu_domain *old)
{
	if (!device_takes(dev, pasid) || !dev->ops || !dev->ops->set_dev_pasid)
		return 0;
	return dev->ops->set_dev_pasid(dev, pasid, domain, old);
}

/* All devices, or none. */
static int group_switch(struct uiommu_group *group, uint32_t pasid, struct uiommu_domain *domain,
			struct uiommu_domain *old)
{
	struct uiommu_device *dev, *undo;
	int rc;

	ui_mutex_assert_held(&group->mutex);
	if (cds_list_empty(&group->devices))
		return -EINVAL;
	cds_list_for_each_entry(dev, &group->devices, group_node)
		if (pasid && dev->max_pasids && pasid >= dev->max_pasids)
			return -EINVAL;

	cds_list_for_each_entry(dev, &group->devices, group_node) {
		rc = device_set(dev, pasid, domain, old);
		if (rc)
			goto out_undo;
	}
	return 0;

out_undo:
	cds_list_for_each_entry(undo, &group->devices, group_node) {
		if (undo == dev)
			break;
		if (!old)
			device_remove(undo, pasid, domain);
		else if (device_set(undo, pasid, old, domain))
			/* A driver broke its word; blocking is the safe state. */
			ui_note(group->ctx, "%s: going back to its former domain failed",
				undo->name);
	}
	return rc;
}

/* ---- handles on their way in and out ---- */

/*
 * A handle is used once: only one attach wins it, and a failed one gives it
 * back.  The caller's reference keeps it meanwhile.
 */
static int handle_claim(struct uiommu_attach_handle *handle)
{
	uint32_t state = CORE_HANDLE_NEW;

	return ui_cmpxchg(&handle->state, &state, CORE_HANDLE_CLAIMED) ? 0 : -EINVAL;
}

/* What attach and replace begin with: *handle is claimed, and made if it is NULL. */
static int handle_prepare(const struct uiommu_domain *domain, const struct uiommu_group *group,
			  uint32_t pasid, struct uiommu_attach_handle **handle)
{
	if (!valid_args(domain, group, pasid, *handle))
		return -EINVAL;
	if (!*handle)
		*handle = core_handle_alloc_anonymous(group->ctx);
	return *handle ? handle_claim(*handle) : -ENOMEM;
}

/* The attach failed: the handle is as new, and one that we made goes. */
static void handle_give_back(struct uiommu_attach_handle *handle, bool anonymous)
{
	ui_store_release(&handle->state, CORE_HANDLE_NEW);
	if (anonymous)
		uiommu_attach_handle_put(handle);
}

/* Put by handle_release(): the domain and the group. */
static void handle_bind(struct uiommu_attach_handle *handle, struct uiommu_domain *domain,
			struct uiommu_group *group, uint32_t pasid, uint64_t *slot)
{
	handle->domain = uiommu_domain_get(domain);
	handle->group = uiommu_group_get(group);
	handle->pasid = pasid;
	handle->slot = slot;
	ui_store_relaxed(&handle->state, CORE_HANDLE_ATTACHED);
}

/*
 * The handle has left its slot: point 4 of the contract, in its order.  The
 * caller has the slot's reference, and no lock.
 */
static void handle_quiesce(struct uiommu_attach_handle *handle)
{
	struct uiommu *ctx = handle->ctx;

	ui_quiesce(&ctx->readers);
	if (ctx->core->hooks)
		ctx->core->hooks->drain_handle(handle);
	if (handle->ops->drain)
		handle->ops->drain(handle);
}

/* Waits for a detach that is finishing; returns the slot's word. */
static uint64_t slot_settled(struct uiommu_group *group, uint64_t *slot)
{
	uint64_t word;

	while ((word = ui_load_acquire(slot)) == SLOT_BUSY)
		ui_cond_wait(&group->changed, &group->mutex);
	return word;
}

/* ---- resets ---- */

void core_reset_begin(struct uiommu_device *dev)
{
	ui_mutex_lock(&dev->group->mutex);
	dev->group->resets++;
	ui_mutex_unlock(&dev->group->mutex);
}

void core_reset_end(struct uiommu_device *dev)
{
	ui_mutex_lock(&dev->group->mutex);
	dev->group->resets--;
	ui_mutex_unlock(&dev->group->mutex);
}

/* ---- attach ---- */

static int attach_locked(struct uiommu_domain *domain, struct uiommu_group *group, uint32_t pasid,
			 struct uiommu_attach_handle *handle)
{
	uint64_t *slot = core_slot_make(group, pasid);
	int rc;

	if (UIOMMU_IS_ERR(slot))
		return (int)UIOMMU_PTR_ERR(slot);
	if (slot_settled(group, slot) != SLOT_EMPTY || group->resets)
		return -EBUSY;
	rc = group_switch(group, pasid, domain, NULL);
	if (rc)
		return rc;

	/* Nothing fails from here. */
	handle_bind(handle, domain, group, pasid, slot);
	core_slot_publish(slot, handle);
	return 0;
}

int uiommu_attach_group_handle(struct uiommu_domain *domain, struct uiommu_group *group,
			       uint32_t pasid, struct uiommu_attach_handle *handle)
{
	bool anonymous = !handle;
	int rc = handle_prepare(domain, group, pasid, &handle);

	if (rc)
		return rc;

	ui_mutex_lock(&group->mutex);
	rc = attach_locked(domain, group, pasid, handle);
	ui_mutex_unlock(&group->mutex);

	if (rc)
		handle_give_back(handle, anonymous);
	return rc;
}

/* ---- replace ---- */

/* On success returns the old handle, with the slot's reference on it. */
static struct uiommu_attach_handle *replace_locked(struct uiommu_domain *domain,
						   struct uiommu_group *group, uint32_t pasid,
						   struct uiommu_attach_handle *handle)
{
	uint64_t *slot = core_slot_find(group, pasid);
	struct uiommu_attach_handle *old;
	uint64_t word;
	int rc;

	word = slot ? slot_settled(group, slot) : SLOT_EMPTY;
	if (word == SLOT_EMPTY)
		return UIOMMU_ERR_PTR(-EINVAL);
	if (group->resets)
		return UIOMMU_ERR_PTR(-EBUSY);
	/* Stays attached, and so alive, while we hold the mutex. */
	old = core_slot_handle(word);
	rc = group_switch(group, pasid, domain, old->domain);
	if (rc)
		return UIOMMU_ERR_PTR(rc);

	handle_bind(handle, domain, group, pasid, slot);
	core_slot_exchange(slot, old, core_slot_word(handle, handle->owner));
	return old;
}

int uiommu_replace_group_handle(struct uiommu_domain *domain, struct uiommu_group *group,
				uint32_t pasid, struct uiommu_attach_handle *handle)
{
	struct uiommu_attach_handle *old;
	bool anonymous = !handle;
	int rc = handle_prepare(domain, group, pasid, &handle);

	if (rc)
		return rc;

	ui_mutex_lock(&group->mutex);
	old = replace_locked(domain, group, pasid, handle);
	ui_mutex_unlock(&group->mutex);
	if (UIOMMU_IS_ERR(old)) {
		handle_give_back(handle, anonymous);
		return (int)UIOMMU_PTR_ERR(old);
	}

	handle_quiesce(old);
	ui_mutex_lock(&group->mutex);
	ui_store_relaxed(&old->state, CORE_HANDLE_DETACHED);
	ui_cond_broadcast(&group->changed);
	ui_mutex_unlock(&group->mutex);
	uiommu_attach_handle_put(old);
	return 0;
}

/* ---- detach ---- */

static struct uiommu_attach_handle *unpublish_locked(struct uiommu_group *group, uint32_t pasid,
						     struct uiommu_attach_handle *handle)
{
	uint64_t *slot = core_slot_find(group, pasid);
	struct uiommu_attach_handle *old;
	struct uiommu_device *dev;
	uint64_t word;

	word = slot ? slot_settled(group, slot) : SLOT_EMPTY;
	if (word == SLOT_EMPTY)
		return NULL;
	old = core_slot_handle(word);
	if (handle && old != handle)
		return NULL;

	core_slot_exchange(slot, old, SLOT_BUSY);
	cds_list_for_each_entry(dev, &group->devices, group_node)
		device_remove(dev, pasid, old->domain);
	return old;
}

int uiommu_detach_group_handle(struct uiommu_group *group, uint32_t pasid,
			       struct uiommu_attach_handle *handle)
{
	struct uiommu_attach_handle *old;

	if (pasid > UIOMMU_PASID_MAX)
		return -EINVAL;

	ui_mutex_lock(&group->mutex);
	old = unpublish_locked(group, pasid, handle);
	ui_mutex_unlock(&group->mutex);
	if (!old)
		return -ENOENT;

	handle_quiesce(old);

	ui_mutex_lock(&group->mutex);
	ui_store_release(old->slot, SLOT_EMPTY);
	ui_store_relaxed(&old->state, CORE_HANDLE_DETACHED);
	ui_cond_broadcast(&group->changed);
	ui_mutex_unlock(&group->mutex);
	uiommu_attach_handle_put(old);
	return 0;
}

static int first_slot(struct uiommu_group *group, uint32_t pasid, uint64_t word, void *arg)
{
	*(uint32_t *)arg = pasid;
	return 1;
}

/*
 * The caller is unregistering the last device, so nobody attaches; a detach by
 * somebody else may be running, then ours finds nothing.
 */
void core_detach_all(struct uiommu_group *group)
{
	uint32_t pasid = UIOMMU_NO_PASID;
	int more;

	do {
		ui_mutex_lock(&group->mutex);
		more = core_for_each_slot(group, pasid, first_slot, &pasid);
		ui_mutex_unlock(&group->mutex);
		if (more)
			uiommu_detach_group_handle(group, pasid, NULL);
	} while (more);
}

/* ---- by device ---- */

/* The RID of one device of several can't be switched alone. */
static bool device_is_alone(struct uiommu_device *dev)
{
	struct uiommu_group *group = dev->group;
	bool alone;

	ui_mutex_lock(&group->mutex);
	alone = group->devices.next == group->devices.prev;
	ui_mutex_unlock(&group->mutex);
	return alone;
}

int uiommu_attach_device_pasid(struct uiommu_domain *domain, struct uiommu_device *dev,
			       uint32_t pasid, struct uiommu_attach_handle *handle)
{
	if (pasid == UIOMMU_NO_PASID && !device_is_alone(dev))
		return -EINVAL;
	return uiommu_attach_group_handle(domain, dev->group, pasid, handle);
}

int uiommu_replace_device_pasid(struct uiommu_domain *domain, struct uiommu_device *dev,
				uint32_t pasid, struct uiommu_attach_handle *handle)
{
	if (pasid == UIOMMU_NO_PASID && !device_is_alone(dev))
		return -EINVAL;
	return uiommu_replace_group_handle(domain, dev->group, pasid, handle);
}

int uiommu_detach_device_pasid(struct uiommu_device *dev, uint32_t pasid,
			       struct uiommu_attach_handle *handle)
{
	if (pasid == UIOMMU_NO_PASID && !device_is_alone(dev))
		return -EINVAL;
	return uiommu_detach_group_handle(dev->group, pasid, handle);
}

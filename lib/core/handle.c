// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/handle.c - attach handles: look-up, references, release
 *
 * Where the references of a handle are counted:
 *
 *	handle->refs	one for the creator, which becomes the slot's at attach
 *			and is put at the end of detach; plus those moved there
 *	word.count	while attached: those taken through the slot by get
 *
 * References are alike: put gives one back to the word if the handle is still
 * in its slot and the word counts any, otherwise to handle->refs.  The sum is
 * what matters, and it is only split while the slot's own reference is in
 * handle->refs, so handle->refs can't reach zero before the split has ended.
 *
 * get is one compare-and-exchange on the word.  If it succeeds, the handle of
 * that owner was in the slot at that instant and now has one more reference; if
 * the word changed in between (another handle, another owner, gone, or just
 * another getter), it fails and looks again.  That the same word may stand for
 * a new handle at a recycled address does no harm: nothing was read through the
 * old one, and the reference goes to the one that is there.
 *
 * detach takes the word away by an exchange, which tells it exactly how many
 * references the word counted, and moves them:
 *
 *	refs += BIAS; word = exchange(slot, BUSY); refs += word.count - BIAS
 *
 * The bias keeps putters that already see the slot empty from reaching zero
 * before the count has arrived.
 *
 * No reader section, no grace period: memory is released by the last put, at
 * once.  (DMA, which doesn't count, is waited for by detach; see core.h.)
 */
#include <string.h>

#include "core/core.h"

#define REFS_BIAS (1LL << 32)

/* ---- owners ---- */

/* The number of an owner, given at first sight.  -ENOSPC. */
static int core_owner_number(struct core_state *core, const struct uiommu_handle_ops *ops)
{
	unsigned int nr = 1;

	/* Entries never change once written. */
	for (; nr < CORE_OWNERS; nr++) {
		const struct uiommu_handle_ops *entry = ui_load_acquire(&core->owners[nr]);

		if (entry == ops)
			return (int)nr;
		if (!entry)
			break;
	}

	ui_mutex_lock(&core->lock);
	for (nr = 1; nr <= core->nr_owners; nr++)
		if (core->owners[nr] == ops)
			break;
	if (nr == CORE_OWNERS) {
		ui_mutex_unlock(&core->lock);
		return -ENOSPC;
	}
	if (nr > core->nr_owners) {
		/* Pairs with the acquires here and with that of a slot word naming nr. */
		ui_store_release(&core->owners[nr], ops);
		core->nr_owners = nr;
	}
	ui_mutex_unlock(&core->lock);
	return (int)nr;
}

int uiommu_attach_handle_init(struct uiommu *ctx, struct uiommu_attach_handle *handle,
			      const struct uiommu_handle_ops *ops)
{
	uintptr_t addr = (uintptr_t)handle;
	int owner;

	if (!ops || !ops->release || (addr & 15) || (addr >> 4) > SLOT_ADDR_MASK)
		return -EINVAL;
	owner = core_owner_number(ctx->core, ops);
	if (owner < 0)
		return owner;

	memset(handle, 0, sizeof(*handle));
	handle->ops = ops;
	handle->ctx = ctx;
	handle->owner = (uint32_t)owner;
	handle->state = CORE_HANDLE_NEW;
	ui_store_relaxed(&handle->refs, 1);
	ui_count_inc(&ctx->counts.handles);
	return 0;
}

/* ---- get and put ---- */

/*
 * Moves counts from the word into handle->refs when there are many, so that the
 * word can't overflow.  The caller holds a reference.
 */
static void slot_settle(uint64_t *slot, struct uiommu_attach_handle *handle, uint64_t word)
{
	const int64_t n = SLOT_COUNT_SETTLE;

	ui_fetch_add(&handle->refs, n);
	while (core_slot_handle(word) == handle && core_slot_count(word) >= SLOT_COUNT_SETTLE)
		if (ui_cmpxchg(slot, &word, word - SLOT_COUNT_SETTLE * SLOT_COUNT_ONE))
			return;
	/* Somebody else did, or a detach did: not zero, the caller's is in there. */
	ui_fetch_sub(&handle->refs, n);
}

static struct uiommu_attach_handle *slot_get(struct core_state *core, uint64_t *slot,
					     const struct uiommu_handle_ops *ops)
{
	uint64_t word = ui_load_acquire(slot);
	struct uiommu_attach_handle *handle;
	unsigned int tries = 0;

	for (;;) {
		uint32_t owner = core_slot_owner(word);

		if (!owner)
			return UIOMMU_ERR_PTR(-ENOENT);
		if (ops && ui_load_relaxed(&core->owners[owner]) != ops)
			return UIOMMU_ERR_PTR(-EBUSY);
		if (core_slot_count(word) == SLOT_COUNT_MAX) {
			/* Half of as many getters are on their way to settle. */
			ui_spin_pause(tries++);
			word = ui_load_acquire(slot);
			continue;
		}
		if (ui_cmpxchg(slot, &word, word + SLOT_COUNT_ONE))
			break;
		ui_backoff();
		word = ui_load_acquire(slot);
	}

	handle = core_slot_handle(word);
	word += SLOT_COUNT_ONE;
	if (__builtin_expect(core_slot_count(word) >= SLOT_COUNT_SETTLE, 0))
		slot_settle(slot, handle, word);
	return handle;
}

struct uiommu_attach_handle *uiommu_attach_handle_get(struct uiommu_group *group, uint32_t pasid,
						      const struct uiommu_handle_ops *ops)
{
	uint64_t *slot;

	if (pasid > UIOMMU_PASID_MAX)
		return UIOMMU_ERR_PTR(-EINVAL);
	slot = core_slot_find(group, pasid);
	if (!slot)
		return UIOMMU_ERR_PTR(-ENOENT);
	return slot_get(group->ctx->core, slot, ops);
}

struct uiommu_attach_handle *uiommu_attach_handle_hold(struct uiommu_attach_handle *handle)
{
	/* The caller's reference is in the sum, so the sum isn't zero. */
	ui_fetch_add(&handle->refs, 1);
	return handle;
}

/* The last reference is gone: nobody else can reach the handle any more. */
static void handle_release(struct uiommu_attach_handle *handle)
{
	/* ops->release frees the handle; what it pointed to goes after it. */
	struct uiommu_domain *domain = handle->domain;
	struct uiommu_group *group = handle->group;
	struct uiommu *ctx = handle->ctx;

	handle->ops->release(handle);
	if (domain)
		uiommu_domain_put(domain);
	if (group)
		uiommu_group_put(group);
	ui_count_dec(&ctx->counts.handles);
}

void uiommu_attach_handle_put(struct uiommu_attach_handle *handle)
{
	uint64_t *slot = handle->slot;

	/* The slot's memory lives as long as the group, on which handle has a reference. */
	if (slot) {
		uint64_t word = ui_load_relaxed(slot);

		while (core_slot_owner(word) && core_slot_handle(word) == handle &&
		       core_slot_count(word)) {
			if (ui_cmpxchg(slot, &word, word - SLOT_COUNT_ONE))
				return;
			ui_backoff();
			word = ui_load_relaxed(slot);
		}
	}
	if (ui_fetch_sub(&handle->refs, 1) == 1)
		handle_release(handle);
}

bool uiommu_attach_handle_attached(const struct uiommu_attach_handle *handle)
{
	uint64_t word;

	if (!handle->slot)
		return false;
	word = ui_load_acquire(handle->slot);
	return core_slot_owner(word) && core_slot_handle(word) == handle;
}

void uiommu_attach_handle_wait_detached(struct uiommu_attach_handle *handle)
{
	struct uiommu_group *group = handle->group;

	if (!group)
		return; /* never attached */
	ui_mutex_lock(&group->mutex);
	while (ui_load_relaxed(&handle->state) == CORE_HANDLE_ATTACHED)
		ui_cond_wait(&group->changed, &group->mutex);
	ui_mutex_unlock(&group->mutex);
}

/* ---- for attach.c ---- */

/* The slot is empty and group->mutex held, so nobody else writes it. */
void core_slot_publish(uint64_t *slot, struct uiommu_attach_handle *handle)
{
	/* Everything in the handle, before a getter can find it. */
	ui_store_release(slot, core_slot_word(handle, handle->owner));
}

/*
 * Takes @old out of its slot and puts @word there; what the slot counted moves
 * into old->refs.  The slot's own reference is still the caller's to put.
 */
void core_slot_exchange(uint64_t *slot, struct uiommu_attach_handle *old, uint64_t word)
{
	uint64_t taken;

	ui_fetch_add(&old->refs, REFS_BIAS);
	taken = ui_xchg(slot, word);
	assert(core_slot_handle(taken) == old);
	ui_fetch_add(&old->refs, (int64_t)core_slot_count(taken) - REFS_BIAS);
}

static void anonymous_release(struct uiommu_attach_handle *handle)
{
	ui_free(handle);
}

static const struct uiommu_handle_ops anonymous_ops = {
	.name = "anonymous",
	.release = anonymous_release,
};

struct uiommu_attach_handle *core_handle_alloc_anonymous(struct uiommu *ctx)
{
	struct uiommu_attach_handle *handle = ui_zalloc(sizeof(*handle));

	if (!handle)
		return NULL;
	if (uiommu_attach_handle_init(ctx, handle, &anonymous_ops)) {
		ui_free(handle);
		return NULL;
	}
	return handle;
}

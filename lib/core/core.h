/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/core.h - devices, groups and slots, from the inside
 *
 * A group has one slot per PASID: a 64-bit word that holds, at once, the handle
 * that is attached, whose it is, and how many references getters took through
 * the word:
 *
 *	63      51 50    43 42                                        0
 *	| count   | owner  |            address of the handle >> 4    |
 *
 * One compare-and-exchange therefore checks the owner and takes a reference,
 * and memory of the handle is never read before the reference is there.
 * Owners are numbered per instance; number 0 is nobody's, so that an empty slot
 * (0) and one that a detach is still busy with (SLOT_BUSY) belong to no one.
 * See core/handle.c for the protocol.
 *
 * Locks: group->mutex -> core->lock.  No callback but the driver's
 * set_dev_pasid and remove_dev_pasid runs under either.
 */
#ifndef UI_CORE_CORE_H
#define UI_CORE_CORE_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "base/ctx.h"
#include "base/ida.h"
#include "base/sync.h"

struct iopf_device;

#define CORE_OWNERS 256 /* number 0 is nobody */

/* What core calls of the room above it (iopf). */
struct core_fault_hooks {
	/* A device appears: make dev->iopf.  -ENOMEM. */
	int (*device_init)(struct uiommu_device *dev);
	/* It goes: answer what is open, drop what is parked, free dev->iopf. */
	void (*device_fini)(struct uiommu_device *dev);
	/* The handle left its slot: claim and answer what came through it. */
	void (*drain_handle)(struct uiommu_attach_handle *handle);
};

/*
 *  owners	each entry written once, under lock, before any slot names it;
 *		read without it
 *  nr_owners	lock
 *  pasids	lock
 *  devices	lock
 *  hooks	immutable after iopf_init()
 */
struct core_state {
	struct ui_mutex lock;
	const struct uiommu_handle_ops *owners[CORE_OWNERS];
	unsigned int nr_owners;
	struct ui_ida pasids;
	struct cds_list_head devices;
	const struct core_fault_hooks *hooks;
};

/*
 * Lives from register to unregister; whoever uses it in between (a channel, a
 * bound iommufd device) is gone before, by the caller's promise.
 *  all but the nodes	immutable
 *  group_node		group->mutex
 *  ctx_node		core->lock
 *  iopf		group->fault_lock
 */
struct uiommu_device {
	struct uiommu *ctx;
	struct uiommu_group *group;
	char *name;
	const struct uiommu_driver_ops *ops;
	void *drvdata;
	uint32_t max_pasids;
	bool pri;
	bool ats;
	struct iopf_device *iopf;
	struct cds_list_head group_node;
	struct cds_list_head ctx_node;
};

#define CORE_LEAF_BITS 10
#define CORE_LEAF_SLOTS (1u << CORE_LEAF_BITS)
#define CORE_LEAVES ((UIOMMU_PASID_MAX >> CORE_LEAF_BITS) + 1)

struct core_leaf {
	uint64_t slot[CORE_LEAF_SLOTS]; /* in the order of core_leaf_index() */
};

struct core_table {
	struct core_leaf *leaf[CORE_LEAVES];
};

/*
 * Refs: whoever allocated it, each device, each handle from attach to release.
 *  rid, *table	slots: see core/handle.c; changed to another handle under
 *		mutex, read without it
 *  table	set once, under mutex; so is each leaf.  Freed with the group.
 *  devices	mutex
 *  resets	mutex; of its devices, that are under way
 *  changed	signalled under mutex when a slot stops being busy
 *  fault_lock, fault_cond, fault_waiters	iopf's: the page requests of all its devices and
 *		handles, see iopf/iopf.h; innermost
 */
struct uiommu_group {
	struct uiommu *ctx;
	int64_t refs;
	uint64_t rid;
	struct core_table *table;
	struct ui_mutex mutex;
	struct ui_cond changed;
	struct cds_list_head devices;
	unsigned int resets;
	struct ui_mutex fault_lock;
	struct ui_cond fault_cond;
	unsigned int fault_waiters;
};

/* ---- slot words ---- */

#define SLOT_ADDR_BITS 43
#define SLOT_OWNER_BITS 8
#define SLOT_ADDR_MASK ((1ULL << SLOT_ADDR_BITS) - 1)
#define SLOT_COUNT_SHIFT (SLOT_ADDR_BITS + SLOT_OWNER_BITS)
#define SLOT_COUNT_ONE (1ULL << SLOT_COUNT_SHIFT)
#define SLOT_COUNT_MAX ((1u << (64 - SLOT_COUNT_SHIFT)) - 1)
/* From here on getters move counts into handle->refs. */
#define SLOT_COUNT_SETTLE ((SLOT_COUNT_MAX + 1) / 2)

#define SLOT_EMPTY 0ULL
#define SLOT_BUSY 1ULL /* no handle, and a detach has not finished */

static inline uint64_t core_slot_word(const struct uiommu_attach_handle *handle, uint32_t owner)
{
	return ((uint64_t)(uintptr_t)handle >> 4) | ((uint64_t)owner << SLOT_ADDR_BITS);
}

static inline struct uiommu_attach_handle *core_slot_handle(uint64_t word)
{
	return (struct uiommu_attach_handle *)(uintptr_t)((word & SLOT_ADDR_MASK) << 4);
}

static inline uint32_t core_slot_owner(uint64_t word)
{
	return (word >> SLOT_ADDR_BITS) & ((1u << SLOT_OWNER_BITS) - 1);
}

static inline uint32_t core_slot_count(uint64_t word)
{
	return (uint32_t)(word >> SLOT_COUNT_SHIFT);
}

/*
 * Where in its leaf: neighbours lie on different cache lines, so that threads
 * that look up different PASIDs don't fight for one.
 */
static inline uint32_t core_leaf_index(uint32_t pasid)
{
	const unsigned int line_bits = 3; /* 8 words */
	const uint32_t lines = CORE_LEAF_SLOTS >> line_bits;

	return (pasid & (lines - 1)) << line_bits |
	       ((pasid >> (CORE_LEAF_BITS - line_bits)) & ((1u << line_bits) - 1));
}

/* The slot of a PASID, NULL if there has never been a handle near it. */
static inline uint64_t *core_slot_find(struct uiommu_group *group, uint32_t pasid)
{
	struct core_table *table;
	struct core_leaf *leaf;

	if (pasid == UIOMMU_NO_PASID)
		return &group->rid;
	table = ui_load_acquire(&group->table);
	if (!table)
		return NULL;
	leaf = ui_load_acquire(&table->leaf[pasid >> CORE_LEAF_BITS]);
	return leaf ? &leaf->slot[core_leaf_index(pasid)] : NULL;
}

/*
 * The handle in a slot, without a reference: what DMA uses.
 *
 * Only inside a burst (a reader of ctx->readers): detach and replace wait for
 * it between unpublishing the handle and putting the reference of the slot.
 */
static inline struct uiommu_attach_handle *core_handle_peek(struct uiommu_group *group,
							    uint32_t pasid)
{
	uint64_t *slot = core_slot_find(group, pasid);
	uint64_t word = slot ? ui_load_acquire(slot) : SLOT_EMPTY;

	return core_slot_owner(word) ? core_slot_handle(word) : NULL;
}

/* ---- handle.c, for attach.c ---- */

enum core_handle_state {
	CORE_HANDLE_NEW,      /* initialised */
	CORE_HANDLE_CLAIMED,  /* an attach or replace is trying it */
	CORE_HANDLE_ATTACHED, /* published */
	CORE_HANDLE_DETACHED, /* its detach has finished; final */
};

/* Publishes or unpublishes; group->mutex held.  See handle.c. */
void core_slot_publish(uint64_t *slot, struct uiommu_attach_handle *handle);
void core_slot_exchange(uint64_t *slot, struct uiommu_attach_handle *old, uint64_t word);
/* An initialised handle that belongs to nobody in particular; NULL: no memory. */
struct uiommu_attach_handle *core_handle_alloc_anonymous(struct uiommu *ctx);

/* ---- group.c, for attach.c ---- */

/* The slot, made if need be; -ENOMEM as an ERR_PTR.  group->mutex held. */
uint64_t *core_slot_make(struct uiommu_group *group, uint32_t pasid);
/* Calls fn for each slot from PASID @from on that has a handle; stops at the first non-zero. */
int core_for_each_slot(struct uiommu_group *group, uint32_t from,
		       int (*fn)(struct uiommu_group *group, uint32_t pasid, uint64_t word,
				 void *arg),
		       void *arg);

/* ---- attach.c, for group.c ---- */

/* Detaches everything; the group has a device left, or none. */
void core_detach_all(struct uiommu_group *group);

/* ---- attach.c, for pci ---- */

/*
 * A device that has ATS is being reset: it is to have no translations, so until the reset is
 * over its group is given no other domain.  Detaching goes on.
 */
void core_reset_begin(struct uiommu_device *dev);
void core_reset_end(struct uiommu_device *dev);

int core_init(struct uiommu *ctx);
/* Unregisters what its registrants left; before core_exit(). */
void core_unregister_all(struct uiommu *ctx);
void core_exit(struct uiommu *ctx);
void core_set_fault_hooks(struct uiommu *ctx, const struct core_fault_hooks *hooks);

#endif /* UI_CORE_CORE_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_handle.c - look-ups against whoever changes the slot
 */
#include "explore/rig.h"
#include "explore/scenarios.h"

/* What a user of the library does with what it finds. */
static void look_up(const struct uiommu_handle_ops *ops, int other)
{
	struct uiommu_attach_handle *handle;

	handle = uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, ops);
	if (UIOMMU_IS_ERR(handle)) {
		CHECK(UIOMMU_PTR_ERR(handle) == -ENOENT || UIOMMU_PTR_ERR(handle) == other);
		return;
	}
	CHECK(handle->ops == ops);
	rig_check_handle(handle);
	uiommu_attach_handle_put(handle);
}

static void get(void)
{
	look_up(&rig_owner, 0);
}

static void get_twice(void)
{
	look_up(&rig_owner, 0);
	look_up(&rig_owner, 0);
}

static void get_wrong_owner(void)
{
	look_up(&rig_owner, -EBUSY);
}

static void setup_attached(void)
{
	rig_setup();
	rig_attach(&rig_owner, NULL);
}

static void detach(void)
{
	rig_detach();
}

static void replace(void)
{
	rig_replace(NULL);
}

static void finish_one_release(void)
{
	rig_finish();
	CHECK(rig.released == 1 && rig.drained == 1 && rig.domains_freed == 1);
}

static void finish_two_releases(void)
{
	rig_finish();
	CHECK(rig.released == 2 && rig.drained == 2 && rig.domains_freed == 2);
}

const struct scenario scn_get_detach = {
	.name = "get-detach",
	.summary = "a look-up against the detach of what it finds",
	.bound = 3,
	.setup = setup_attached,
	.threads = {get, detach},
	.names = {"look-up", "detach"},
	.finish = finish_one_release,
};

const struct scenario scn_get_get_detach = {
	.name = "get-get-detach",
	.summary = "two look-ups against a detach",
	.bound = 2,
	.setup = setup_attached,
	.threads = {get, get, detach},
	.names = {"look-up 1", "look-up 2", "detach"},
	.finish = finish_one_release,
};

const struct scenario scn_get_replace = {
	.name = "get-replace",
	.summary = "look-ups against a replace: the old handle or the new one, never none",
	.bound = 3,
	.setup = setup_attached,
	.threads = {get_twice, replace},
	.names = {"look-up", "replace"},
	.finish = finish_two_releases,
};

const struct scenario scn_get_get_replace = {
	.name = "get-get-replace",
	.summary = "two look-ups against a replace",
	.bound = 2,
	.setup = setup_attached,
	.threads = {get, get, replace},
	.names = {"look-up 1", "look-up 2", "replace"},
	.finish = finish_two_releases,
};

static void attach(void)
{
	rig_attach(&rig_owner, NULL);
}

const struct scenario scn_get_attach = {
	.name = "get-attach",
	.summary = "look-ups against an attach: all of the handle or nothing",
	.bound = 3,
	.setup = rig_setup,
	.threads = {get_twice, attach},
	.names = {"look-up", "attach"},
	.finish = finish_one_release,
};

/* References that are moved from the slot's count to the handle's. */
static void get_small(void)
{
	struct uiommu_attach_handle *handle;

	handle = small_handle_get(rig.group, UIOMMU_NO_PASID, &rig_owner);
	if (UIOMMU_IS_ERR(handle))
		return;
	rig_check_handle(handle);
	uiommu_attach_handle_put(handle);
}

const struct scenario scn_get_settle = {
	.name = "get-settle",
	.summary = "look-ups that settle the count of the slot, against a detach",
	.bound = 2,
	.setup = setup_attached,
	.threads = {get_small, get_small, detach},
	.names = {"look-up 1", "look-up 2", "detach"},
	.finish = finish_one_release,
};

static void detach_attach_other(void)
{
	rig_detach();
	rig_attach(&rig_other_owner, NULL);
}

const struct scenario scn_get_other_owner = {
	.name = "get-other-owner",
	.summary = "a look-up against a detach and another owner's attach",
	.bound = 3,
	.setup = setup_attached,
	.threads = {get_wrong_owner, detach_attach_other},
	.names = {"look-up", "detach, attach"},
	.finish = finish_two_releases,
};

/* ---- a handle's memory, used again as soon as it may be ---- */

static struct rig_handle *memory;
static uint32_t memory_is_free;

static void recycle(struct uiommu_attach_handle *handle)
{
	rig.released++;
	memory->magic = 0;
	ui_store_release(&memory_is_free, 1);
}

static const struct uiommu_handle_ops recycling_owner = {
	.name = "recycling",
	.release = recycle,
};

static const struct uiommu_handle_ops recycling_other_owner = {
	.name = "recycling, other",
	.release = recycle,
};

static void attach_recycled(const struct uiommu_handle_ops *ops)
{
	struct uiommu_domain *domain = rig_domain(NULL);

	CHECK(!uiommu_attach_handle_init(rig.ctx, &memory->handle, ops));
	memory->magic = RIG_MAGIC;
	CHECK(!uiommu_attach_group_handle(domain, rig.group, UIOMMU_NO_PASID, &memory->handle));
	uiommu_domain_put(domain);
}

static void setup_recycled(void)
{
	rig_setup();
	memory = ui_zalloc(sizeof(*memory));
	memory_is_free = 0;
	attach_recycled(&recycling_owner);
}

/* A look-up may find the address more than once, but never the wrong life of it. */
static void get_recycling(void)
{
	look_up(&recycling_owner, -EBUSY);
	look_up(&recycling_owner, -EBUSY);
}

static void detach_recycle_attach(void)
{
	rig_detach();
	/* If the look-up has a reference, it isn't free yet. */
	if (!ui_xchg(&memory_is_free, 0))
		return;
	attach_recycled(&recycling_other_owner);
	rig_detach();
	if (!ui_xchg(&memory_is_free, 0))
		return;
	attach_recycled(&recycling_owner);
}

static void finish_recycled(void)
{
	rig_finish();
	CHECK(!memory->magic);
	ui_free(memory);
}

const struct scenario scn_get_recycled = {
	.name = "get-recycled",
	.summary = "look-ups while the handle's address is used again, also by another owner",
	.bound = 3,
	.setup = setup_recycled,
	.threads = {get_recycling, detach_recycle_attach},
	.names = {"look-up", "detach, attach"},
	.finish = finish_recycled,
};

/* ---- two that change the slot ---- */

static struct uiommu_attach_handle *theirs;
static unsigned int won;

static void setup_detach_twice(void)
{
	rig_setup();
	won = 0;
	theirs = rig_attach(&rig_owner, NULL);
}

static void detach_theirs(void)
{
	int rc = uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, theirs);

	CHECK(!rc || rc == -ENOENT);
	won += !rc;
	/* Whoever it was, it is over for both. */
	CHECK(uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, NULL) ==
	      UIOMMU_ERR_PTR(-ENOENT));
	CHECK(rig.drained == 1);
}

static void finish_detach_twice(void)
{
	CHECK(won == 1);
	finish_one_release();
}

const struct scenario scn_detach_detach = {
	.name = "detach-detach",
	.summary = "two detaches of one handle",
	.bound = 3,
	.setup = setup_detach_twice,
	.threads = {detach_theirs, detach_theirs},
	.names = {"detach 1", "detach 2"},
	.finish = finish_detach_twice,
};

/* It asks for one handle, which may have made way for another by then. */
static void detach_stale(void)
{
	int rc = uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, theirs);

	CHECK(!rc || rc == -ENOENT);
}

static void setup_stale(void)
{
	setup_detach_twice();
	CHECK(uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, &rig_owner) == theirs);
}

static void detach_attach_in_its_place(void)
{
	int rc = uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, theirs);

	CHECK(!rc || rc == -ENOENT);
	rig_attach(&rig_other_owner, NULL);
}

static void finish_stale(void)
{
	struct uiommu_attach_handle *handle;

	handle = uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, &rig_other_owner);
	CHECK(!UIOMMU_IS_ERR(handle));
	uiommu_attach_handle_put(handle);
	uiommu_attach_handle_put(theirs);
	finish_two_releases();
}

const struct scenario scn_detach_stale = {
	.name = "detach-stale",
	.summary = "a detach of a handle against its detach and another one's attach",
	.bound = 3,
	.setup = setup_stale,
	.threads = {detach_stale, detach_attach_in_its_place},
	.names = {"detach", "detach, attach"},
	.finish = finish_stale,
};

static void setup_empty(void)
{
	rig_setup();
	won = 0;
}

static void attach_if_free(void)
{
	struct uiommu_domain *domain = rig_domain(NULL);
	struct uiommu_attach_handle *handle = rig_handle(&rig_owner);
	int rc = uiommu_attach_group_handle(domain, rig.group, UIOMMU_NO_PASID, handle);

	CHECK(!rc || rc == -EBUSY);
	if (rc)
		uiommu_attach_handle_put(handle);
	won += !rc;
	uiommu_domain_put(domain);
}

static void finish_attach_twice(void)
{
	CHECK(won == 1);
	rig_finish();
	CHECK(rig.released == 2 && rig.drained == 1 && rig.domains_freed == 2);
}

const struct scenario scn_attach_attach = {
	.name = "attach-attach",
	.summary = "two attaches to one slot: one wins, the loser keeps its handle",
	.bound = 3,
	.setup = setup_empty,
	.threads = {attach_if_free, attach_if_free},
	.names = {"attach 1", "attach 2"},
	.finish = finish_attach_twice,
};

/* ---- the wait for a detach, as a bond does it ---- */

static uint32_t may_detach;

static void setup_wait_detached(void)
{
	setup_attached();
	may_detach = 0;
}

/* Holds a reference, waits until the slot is free, and takes it. */
static void wait_then_attach(void)
{
	struct uiommu_attach_handle *handle;

	handle = uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, &rig_owner);
	CHECK(!UIOMMU_IS_ERR(handle));
	rig_set(&may_detach);
	uiommu_attach_handle_wait_detached(handle);
	CHECK(!uiommu_attach_handle_attached(handle));
	CHECK(rig.drained == 1);
	rig_check_handle(handle);
	rig_attach(&rig_owner, NULL);
	uiommu_attach_handle_put(handle);
}

static void detach_when_told(void)
{
	rig_wait(&may_detach);
	rig_detach();
}

const struct scenario scn_wait_detached = {
	.name = "wait-detached",
	.summary = "a holder waits for the detach and attaches anew",
	.bound = 3,
	.setup = setup_wait_detached,
	.threads = {wait_then_attach, detach_when_told},
	.names = {"wait, attach", "detach"},
	.finish = finish_two_releases,
};

/* ---- the end of a domain ---- */

static struct uiommu_domain *shared_domain;

static void setup_domain(void)
{
	rig_setup();
	shared_domain = rig_domain(NULL);
	CHECK(!uiommu_attach_group_handle(shared_domain, rig.group, UIOMMU_NO_PASID,
					  rig_handle(&rig_owner)));
}

static void put_domain(void)
{
	uiommu_domain_put(shared_domain);
}

const struct scenario scn_domain = {
	.name = "domain-end",
	.summary = "a domain's last owner puts it, against a look-up and a detach",
	.bound = 2,
	.setup = setup_domain,
	.threads = {get, detach, put_domain},
	.names = {"look-up", "detach", "put the domain"},
	.finish = finish_one_release,
};

/* ---- wrong on purpose ---- */

/*
 * Version 4 of the patches on the list: the handle is fetched, then its owner is
 * looked at, then it is used.
 */
static struct uiommu_attach_handle *get_checked_after_fetch(struct uiommu_group *group)
{
	struct uiommu_attach_handle *handle = core_slot_handle(ui_load_acquire(&group->rid));

	if (!handle)
		return UIOMMU_ERR_PTR(-ENOENT);
	if (handle->ops != &rig_owner)
		return UIOMMU_ERR_PTR(-EBUSY);
	return handle;
}

static void version_4(void)
{
	struct uiommu_attach_handle *handle = get_checked_after_fetch(rig.group);

	if (!UIOMMU_IS_ERR(handle))
		rig_check_handle(handle);
}

const struct scenario scn_broken_version_4 = {
	.name = "broken-check-after-fetch",
	.summary = "version 4 of the list: the owner is checked after the fetch",
	.broken = true,
	.bound = 3,
	.setup = setup_attached,
	.threads = {version_4, detach},
	.names = {"look-up", "detach"},
	.finish = rig_finish,
};

/* The owner is checked in the fetch, as Linux does it now; but there is no reference. */
static struct uiommu_attach_handle *get_bare(struct uiommu_group *group)
{
	struct core_state *core = group->ctx->core;
	uint64_t word = ui_load_acquire(&group->rid);

	if (!core_slot_owner(word))
		return UIOMMU_ERR_PTR(-ENOENT);
	if (ui_load_relaxed(&core->owners[core_slot_owner(word)]) != &rig_owner)
		return UIOMMU_ERR_PTR(-EBUSY);
	return core_slot_handle(word);
}

static void bare_pointer(void)
{
	struct uiommu_attach_handle *handle = get_bare(rig.group);

	if (!UIOMMU_IS_ERR(handle))
		rig_check_handle(handle);
}

const struct scenario scn_broken_bare_pointer = {
	.name = "broken-bare-pointer",
	.summary = "the owner is checked in the fetch, but no reference is taken",
	.broken = true,
	.bound = 3,
	.setup = setup_attached,
	.threads = {bare_pointer, detach},
	.names = {"look-up", "detach"},
	.finish = rig_finish,
};

/* The reference is taken through the handle, after the fetch. */
static void late_reference(void)
{
	struct uiommu_attach_handle *handle = get_bare(rig.group);

	if (UIOMMU_IS_ERR(handle))
		return;
	ui_fetch_add(&handle->refs, 1);
	rig_check_handle(handle);
	uiommu_attach_handle_put(handle);
}

const struct scenario scn_broken_late_reference = {
	.name = "broken-late-reference",
	.summary = "the reference is taken in a second step after the fetch",
	.broken = true,
	.bound = 3,
	.setup = setup_attached,
	.threads = {late_reference, detach},
	.names = {"look-up", "detach"},
	.finish = rig_finish,
};

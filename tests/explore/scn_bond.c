// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_bond.c - attachments that several users share
 */
#include "explore/rig.h"
#include "explore/scenarios.h"
#include "sva/bond.h"

static const char our_key, other_key;
static struct bond *first;
static unsigned int busy;

static void bond_release(struct uiommu_attach_handle *handle)
{
	rig.released++;
	ui_free(ui_container_of(handle, struct bond, handle));
}

static const struct uiommu_handle_ops bond_owner = {
	.name = "bond",
	.release = bond_release,
};

static struct bond *make(void *arg, struct uiommu_domain **domain)
{
	struct bond *bond = ui_zalloc(sizeof(*bond));

	CHECK(!uiommu_attach_handle_init(rig.ctx, &bond->handle, &bond_owner));
	*domain = rig_domain(NULL);
	return bond;
}

static int bind(const void *key, struct bond **out)
{
	return bond_bind(rig.group, UIOMMU_NO_PASID, &bond_owner, key, make, NULL, out);
}

/* What a user is promised: the key, and that it is attached as long as it is one. */
static void use(struct bond *bond, const void *key)
{
	CHECK(bond->key == key);
	CHECK(uiommu_attach_handle_attached(&bond->handle));
}

static void bind_and_put(void)
{
	struct bond *bond;

	CHECK(!bind(&our_key, &bond));
	use(bond, &our_key);
	bond_put(bond);
}

static void bind_other_key(void)
{
	struct bond *bond;
	int rc = bind(&other_key, &bond);

	if (rc) {
		CHECK(rc == -EBUSY);
		busy++;
		return;
	}
	use(bond, &other_key);
	bond_put(bond);
}

static void put_first(void)
{
	use(first, &our_key);
	bond_put(first);
}

static void setup_bound(void)
{
	rig_setup();
	busy = 0;
	CHECK(!bind(&our_key, &first));
}

/* The last user has detached. */
static void finish(void)
{
	CHECK(uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, NULL) ==
	      UIOMMU_ERR_PTR(-ENOENT));
	rig_finish();
}

const struct scenario scn_bond_unbind = {
	.name = "bond-unbind",
	.summary = "the last unbind against a bind",
	.bound = 3,
	.setup = setup_bound,
	.threads = {bind_and_put, put_first},
	.names = {"bind", "last unbind"},
	.finish = finish,
};

const struct scenario scn_bond_bind = {
	.name = "bond-bind",
	.summary = "two binds where there is no bond yet",
	.bound = 3,
	.setup = rig_setup,
	.threads = {bind_and_put, bind_and_put},
	.names = {"bind 1", "bind 2"},
	.finish = finish,
};

const struct scenario scn_bond_other = {
	.name = "bond-other-key",
	.summary = "the last unbind against a bind of another address space",
	.bound = 3,
	.setup = setup_bound,
	.threads = {bind_other_key, put_first},
	.names = {"bind", "last unbind"},
	.finish = finish,
};

const struct scenario scn_bond_three = {
	.name = "bond-three",
	.summary = "the last unbind against two binds",
	.bound = 2,
	.setup = setup_bound,
	.threads = {bind_and_put, put_first, bind_and_put},
	.names = {"bind 1", "last unbind", "bind 2"},
	.finish = finish,
};

/* Somebody else puts another domain there; the last unbind must leave that alone. */
static bool replaced;

static void replace_by_other_owner(void)
{
	struct uiommu_domain *domain = rig_domain(NULL);
	struct uiommu_attach_handle *handle = rig_handle(&rig_owner);
	int rc = uiommu_replace_group_handle(domain, rig.group, UIOMMU_NO_PASID, handle);

	CHECK(!rc || rc == -EINVAL);
	if (rc)
		uiommu_attach_handle_put(handle);
	replaced = !rc;
	uiommu_domain_put(domain);
}

static void finish_replaced(void)
{
	struct uiommu_attach_handle *handle;

	handle = uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, &rig_owner);
	CHECK(replaced == !UIOMMU_IS_ERR(handle));
	if (replaced)
		uiommu_attach_handle_put(handle);
	rig_finish();
}

static void put_replaced(void)
{
	bond_put(first);
}

const struct scenario scn_bond_replaced = {
	.name = "bond-replaced",
	.summary = "the last unbind against another owner's replace",
	.bound = 3,
	.setup = setup_bound,
	.threads = {put_replaced, replace_by_other_owner},
	.names = {"last unbind", "replace"},
	.finish = finish_replaced,
};

/* Another owner has the slot for a while, or comes too late for it. */
static void attach_and_detach(void)
{
	struct uiommu_domain *domain = rig_domain(NULL);
	struct uiommu_attach_handle *handle = rig_handle(&rig_owner);
	int rc = uiommu_attach_group_handle(domain, rig.group, UIOMMU_NO_PASID, handle);

	CHECK(!rc || rc == -EBUSY);
	if (!rc) {
		CHECK(uiommu_attach_handle_attached(handle));
		uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, handle);
	} else {
		uiommu_attach_handle_put(handle);
	}
	uiommu_domain_put(domain);
}

static void bind_or_busy(void)
{
	struct bond *bond;
	int rc = bind(&our_key, &bond);

	CHECK(!rc || rc == -EBUSY);
	if (rc)
		return;
	use(bond, &our_key);
	bond_put(bond);
}

const struct scenario scn_bond_foreign = {
	.name = "bond-foreign",
	.summary = "a bind against another owner's attach and detach",
	.bound = 3,
	.setup = rig_setup,
	.threads = {bind_or_busy, attach_and_detach},
	.names = {"bind", "attach, detach"},
	.finish = rig_finish,
};

/* ---- wrong on purpose ---- */

/* It found the bond, with a reference that keeps it; isn't that enough? */
static void bind_by_reference(void)
{
	struct uiommu_attach_handle *handle;

	handle = uiommu_attach_handle_get(rig.group, UIOMMU_NO_PASID, &bond_owner);
	if (UIOMMU_IS_ERR(handle))
		return;
	use(ui_container_of(handle, struct bond, handle), &our_key);
	uiommu_attach_handle_put(handle);
}

const struct scenario scn_broken_bond = {
	.name = "broken-bond",
	.summary = "a bond that trusts the reference instead of the user count",
	.broken = true,
	.bound = 3,
	.setup = setup_bound,
	.threads = {bind_by_reference, put_first},
	.names = {"bind", "last unbind"},
	.finish = finish,
};

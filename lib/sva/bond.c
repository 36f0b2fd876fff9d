// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sva/bond.c - the bond protocol; sva/bond.h says why there are two counts
 */
#include "base/sync.h"
#include "sva/bond.h"

/* Increment unless zero. */
static bool bond_join(struct bond *bond)
{
	uint64_t users = ui_load_relaxed(&bond->users);

	while (users)
		if (ui_cmpxchg(&bond->users, &users, users + 1))
			return true;
	return false;
}

/*
 * The handle that is attached, if it is ours to join.  0 and *out; -EAGAIN: it
 * was leaving, and has left now; -ENOENT: nothing there; -EBUSY: not ours.
 */
static int bond_find(struct uiommu_group *group, uint32_t pasid,
		     const struct uiommu_handle_ops *ops, const void *key, struct bond **out)
{
	struct uiommu_attach_handle *handle = uiommu_attach_handle_get(group, pasid, ops);
	struct bond *bond;
	int rc = 0;

	if (UIOMMU_IS_ERR(handle))
		return (int)UIOMMU_PTR_ERR(handle);

	/* The ops matched, so it is in a bond; the reference keeps it there. */
	bond = ui_container_of(handle, struct bond, handle);
	if (bond->key != key) {
		rc = -EBUSY;
	} else if (bond_join(bond)) {
		*out = bond;
	} else {
		uiommu_attach_handle_wait_detached(handle);
		rc = -EAGAIN;
	}
	/* A user needs none of its own: all users together have one. */
	uiommu_attach_handle_put(handle);
	return rc;
}

static int bond_create(struct uiommu_group *group, uint32_t pasid, const void *key,
		       bond_make_fn make, void *arg, struct bond **out)
{
	struct uiommu_domain *domain;
	struct bond *bond = make(arg, &domain);
	int rc;

	if (UIOMMU_IS_ERR(bond))
		return (int)UIOMMU_PTR_ERR(bond);
	bond->key = key;
	ui_store_relaxed(&bond->users, 1);
	/* The users' reference, put by the last bond_put(). */
	uiommu_attach_handle_hold(&bond->handle);

	rc = uiommu_attach_group_handle(domain, group, pasid, &bond->handle);
	uiommu_domain_put(domain);
	if (rc) {
		ui_store_relaxed(&bond->users, 0);
		uiommu_attach_handle_put(&bond->handle);
		uiommu_attach_handle_put(&bond->handle);
		return rc;
	}
	*out = bond;
	return 0;
}

int bond_bind(struct uiommu_group *group, uint32_t pasid, const struct uiommu_handle_ops *ops,
	      const void *key, bond_make_fn make, void *arg, struct bond **out)
{
	int rc;

	for (;;) {
		rc = bond_find(group, pasid, ops, key, out);
		if (rc == -EAGAIN)
			continue;
		if (rc != -ENOENT)
			return rc;

		rc = bond_create(group, pasid, key, make, arg, out);
		/* Somebody else was first: see whether it is one to join. */
		if (rc != -EBUSY)
			return rc;
	}
}

void bond_put(struct bond *bond)
{
	struct uiommu_attach_handle *handle = &bond->handle;

	if (ui_fetch_sub(&bond->users, 1) != 1)
		return;
	/* -ENOENT if someone else replaced or detached it: then it is gone already. */
	uiommu_detach_group_handle(handle->group, handle->pasid, handle);
	uiommu_attach_handle_put(handle);
}

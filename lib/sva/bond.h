/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sva/bond.h - an attachment that several users share
 *
 * "Somebody has bound this address space to this device already: take another
 * reference" is where the question that this project started from was asked.
 * Two counts answer it, and they are not the same:
 *
 *	references	keep the memory; anybody who finds the handle has one
 *	users		keep the attachment; zero is final, the last one out
 *			detaches
 *
 * Finding a bond (by reference) therefore doesn't mean having it: one becomes
 * a user by increment-unless-zero.  When that fails the bond is on its way out,
 * so wait until the slot is free and try again with a new one.
 *
 * The owner's handle ops, and what an address space is, are the caller's: the
 * bond compares keys.
 */
#ifndef UI_SVA_BOND_H
#define UI_SVA_BOND_H

#include <uiommu/iommu.h>

/*
 * Embedded in the owner's structure, which its ops->release frees.
 * Refs of the handle: the slot's (see core/handle.c); the users', together one,
 *	put by the last bond_put(); each bond_bind() that is looking.
 *  key		immutable
 *  users	atomic; 0 is final
 */
struct bond {
	struct uiommu_attach_handle handle;
	const void *key;
	uint64_t users;
};

/*
 * How an owner makes a bond that isn't there yet: allocates the structure with
 * its handle initialised (uiommu_attach_handle_init() with the ops that
 * bond_bind() was given) and names the domain; bond_bind() sets the rest.
 * *domain comes with a reference for the caller.  Return: ERR_PTR on failure.
 */
typedef struct bond *(*bond_make_fn)(void *arg, struct uiommu_domain **domain);

/*
 * Becomes a user of the bond of (@group, @pasid) with @key, which is made and
 * attached if there is none.
 *
 * May wait for a detach of the slot that is under way.  Return: 0 and *out,
 * given back by bond_put(); -EBUSY: another owner's attachment, or another
 * key's; else what @make or the attach said.
 */
int bond_bind(struct uiommu_group *group, uint32_t pasid, const struct uiommu_handle_ops *ops,
	      const void *key, bond_make_fn make, void *arg, struct bond **out);

/* A user leaves; the last one detaches.  When that returns, the contract's point 4 holds. */
void bond_put(struct bond *bond);

#endif /* UI_SVA_BOND_H */

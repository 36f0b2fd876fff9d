/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sva/space.h - an address space that devices share, and its PASID
 */
#ifndef UI_SVA_SPACE_H
#define UI_SVA_SPACE_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "base/sync.h"

/*
 * Made by the first bind.  Its PASID stays until the process has ended, or the
 * instance ends; so it does too.
 *  mm, pasid	immutable; the reference on mm is put when it goes
 *  users	state->lock; those who look for it or use it; without, it may go with its process
 *  bonds	state->lock; from sva_space_join() to _leave(); each is a user as well
 *  domain	state->lock; one for all devices, with a reference while there are bonds
 *  node	state->lock
 */
struct sva_space {
	struct uiommu_mm *mm;
	uint32_t pasid;
	uint64_t users;
	uint64_t bonds;
	struct uiommu_domain *domain;
	struct cds_list_head node;
};

/*
 * Locks: lock -> core->lock.
 *  spaces	lock
 *  own_pasid	atomic; set once, as our own address space gets its PASID
 */
struct sva_state {
	struct ui_mutex lock;
	struct cds_list_head spaces;
	uint32_t own_pasid;
};

/*
 * The space of an mm for a device, with a PASID that the device can have; the caller
 * is a user until sva_space_put().  ERR_PTR: -EOVERFLOW, -ENOSPC, -ENOMEM.
 */
struct sva_space *sva_space_get(struct uiommu_device *dev, struct uiommu_mm *mm);
void sva_space_put(struct uiommu *ctx, struct sva_space *space);

/* Of our own address space; 0: none by now.  Takes no lock: for the signal handler of a trap. */
uint32_t sva_own_pasid(struct uiommu *ctx);

/*
 * One bond more, by a user: the domain of them all, with a reference for the caller.
 * ERR_PTR: -ENOMEM.
 */
struct uiommu_domain *sva_space_join(struct uiommu *ctx, struct sva_space *space);
/* One less. */
void sva_space_leave(struct uiommu *ctx, struct sva_space *space);

/* domain.c: the address space as a domain.  NULL: no memory. */
struct uiommu_domain *sva_domain_alloc(struct uiommu *ctx, struct uiommu_mm *mm);

/* From instance.c; at exit there is no bond left. */
int sva_init(struct uiommu *ctx);
void sva_exit(struct uiommu *ctx);

#endif /* UI_SVA_SPACE_H */

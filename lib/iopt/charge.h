/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/charge.h - which pages of areas are charged
 *
 * Those that Linux would have pinned: of each area while its address space has a
 * domain, and those that an access has pinned.  All but the last need the iopt's lock.
 */
#ifndef UI_IOPT_CHARGE_H
#define UI_IOPT_CHARGE_H

#include "iopt/object.h"
#include "mm/inline.h"

static inline uint64_t iopt_pages(uint64_t uaddr, uint64_t length)
{
	return (uaddr + length - 1) / IOPT_PAGE - uaddr / IOPT_PAGE + 1;
}

/*
 * Part of an area, from @uaddr on: what isn't pinned yet by another of the same pages.
 * -ENOMEM: over a limit, or no memory.
 */
int iopt_charge_part(struct iopt *iopt, const struct iopt_area *area, uint64_t uaddr,
		     uint64_t length);
void iopt_uncharge_part(struct iopt *iopt, const struct iopt_area *area, uint64_t uaddr,
			uint64_t length);

static inline bool iopt_area_shared(const struct iopt_area *area)
{
	return area->mm_perm & IOPT_AREA_SHARED;
}

/* The whole of it. */
static inline int iopt_charge_area(struct iopt *iopt, const struct iopt_area *area)
{
	uint64_t length = iopt_area_length(area);

	if (__builtin_expect(iopt_area_shared(area), 0))
		return iopt_charge_part(iopt, area, area->uaddr, length);
	return mm_charge(iopt_area_mm(area), iopt_pages(area->uaddr, length));
}

static inline void iopt_uncharge_area(struct iopt *iopt, const struct iopt_area *area)
{
	uint64_t length = iopt_area_length(area);

	if (__builtin_expect(iopt_area_shared(area), 0))
		iopt_uncharge_part(iopt, area, area->uaddr, length);
	else
		mm_uncharge(iopt_area_mm(area), iopt_pages(area->uaddr, length));
}

/*
 * The cursor's area, this one, will have a copy, or a part of it pinned: from now on its
 * pages are told from each other.  -ENOMEM.
 */
int iopt_mark_shared(struct iopt *iopt, const struct iopt_cursor *cur, struct iopt_area *area);
/* Calls fn for each piece of the area that is pinned; under the lock of the sets. */
void iopt_for_each_pinned_part(struct iopt *iopt, const struct iopt_area *area, iopt_pinned_fn *fn,
			       void *opaque);
/* @area will end where @right, the rest of it, begins.  -ENOMEM. */
int iopt_charge_cut(struct iopt *iopt, const struct iopt_area *area, const struct iopt_area *right);

/*
 * Who pays for what these address spaces, which have files only (else -EINVAL), have pinned:
 * @to, by mode, for what has that mode; what is exempt stays where it is.  All or nothing.
 * -ENOMEM: over a limit.  Needs no lock; nobody else has two of the locks.
 */
int iopt_change_payer(struct uiommu *ctx, struct iopt *const *iopts, size_t nr,
		      struct uiommu_mm *const to[MM_CHARGE_MODES]);

#endif /* UI_IOPT_CHARGE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/charge.h - who is charged for pages that Linux would pin
 *
 * Who maps memory is charged for it: what an area says its memory is of has an account,
 * as Linux's struct iopt_pages has.  How many pages those are is iopt's business.
 */
#ifndef UI_MM_CHARGE_H
#define UI_MM_CHARGE_H

#include "mm/mm.h"

/* As Linux has them. */
enum mm_charge_mode {
	MM_CHARGE_NONE, /* who has CAP_IPC_LOCK: counted, and not limited */
	MM_CHARGE_USER, /* the limit is for all that the user has */
	MM_CHARGE_MM,	/* the limit is for the process, with what it locked itself */
	MM_CHARGE_MODES,
};

/* mm_with_account() is in mm/inline.h.  The same in a mode that is given: */
struct uiommu_mm *mm_with_mode(struct uiommu_mm *caller, enum mm_charge_mode mode);

/*
 * Of a file: who is charged for its pages; the mm of a process, with an account or not.
 * Takes a reference.  To be called before it is in an area, or with what it
 * is charged moved by the caller, under the locks of all its areas.
 */
void mm_set_payer(struct uiommu_mm *file, struct uiommu_mm *payer);
/* What an area's mm stands for: the same without a view. */
struct uiommu_mm *mm_root(struct uiommu_mm *mm);
/* Who is charged for it; may have no account. */
struct uiommu_mm *mm_payer(struct uiommu_mm *mm);
/* MM_CHARGE_NONE also if there is none. */
enum mm_charge_mode mm_account_mode(const struct uiommu_mm *payer);
/* Pages that an account has; for tests. */
uint64_t mm_account_pages(const struct uiommu_mm *payer);
/* Is it the same process, and user, that pays? */
bool mm_same_account(const struct uiommu_mm *payer, const struct uiommu_mm *other);
/* What a host knows it as: of our own process, uiommu_mm_self(). */
struct uiommu_mm *mm_without_account(struct uiommu_mm *mm);

/* mm_charge() and mm_uncharge() are in mm/inline.h. */
/* Of a file: what is charged for it now. */
uint64_t mm_file_charged(const struct uiommu_mm *mm);

/* Is it new to a walk that has this number?  Walks don't overlap. */
bool mm_visit(struct uiommu_mm *mm, uint64_t turn);

/* From mm.c: so are all that have an account. */
void mm_accounts_gone(struct uiommu_mm *caller);
/* From mm.c: the last reference of one with accounts, or with an account, is gone. */
void mm_charge_free(struct uiommu_mm *mm);
int mm_charges_init(struct uiommu *ctx);
void mm_charges_exit(struct uiommu *ctx);

#endif /* UI_MM_CHARGE_H */

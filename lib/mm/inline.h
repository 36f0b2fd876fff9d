/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/inline.h - what hot paths of other rooms ask of an mm, usual case first
 *
 * Usual is memory of our own, with a handler for its faults, and of an account.
 * The rest is where it always was: mm.c, view.c, charge.c.
 */
#ifndef UI_MM_INLINE_H
#define UI_MM_INLINE_H

#include "mm/charge_table.h"
#include "mm/guard.h"
#include "mm/object.h"
#include "mm/view.h"

/* ---- copies ---- */

static inline bool mm_guarded(const struct uiommu_mm *of)
{
	return __builtin_expect(of->self && ui_load_acquire(&mm_guard_on), 1);
}

/* Any other.  Bytes copied. */
size_t mm_read_other(struct uiommu_mm *from, void *dst, uint64_t src, size_t length);
size_t mm_write_other(struct uiommu_mm *to, uint64_t dst, const void *src, size_t length);

/* As uiommu_mm_read() and uiommu_mm_write(). */
static inline size_t mm_read(struct uiommu_mm *from, void *dst, uint64_t src, size_t length)
{
	if (mm_guarded(from))
		return length - mm_guard_copy(dst, (const void *)src, length);
	return mm_read_other(from, dst, src, length);
}

static inline size_t mm_write(struct uiommu_mm *to, uint64_t dst, const void *src, size_t length)
{
	if (mm_guarded(to))
		return length - mm_guard_copy((void *)dst, src, length);
	return mm_write_other(to, dst, src, length);
}

/* mm_is_here(). */
static inline bool mm_is_ours(const struct uiommu_mm *of)
{
	return of->self || mm_is_here(of);
}

/* ---- charges ---- */

/*
 *  lock	innermost: nothing is taken under it
 *  table	lock; made when it's needed, then immutable
 *  watched, generation	lock; how often limits may have changed
 *  kept	written under lock, read anywhere: our accounts by mode; NULL: ask
 *  limit	atomic, in pages; MM_LIMIT_UNKNOWN: ask
 */
struct mm_charges {
	struct ui_mutex lock;
	struct mm_charge_table *table;
	bool watched;
	uint64_t generation;
	struct uiommu_mm *kept[2];
	uint64_t limit;
};

struct uiommu_mm *mm_ask_account(struct uiommu_mm *caller, bool by_mm);

/*
 * The memory of @caller as what it maps now is of: with its account.  @by_mm: how it is
 * charged if it isn't exempt.  Good as long as @caller is.  ERR_PTR: -ENOMEM.
 */
static inline struct uiommu_mm *mm_with_account(struct uiommu_mm *caller, bool by_mm)
{
	struct uiommu_mm *kept = NULL;

	if (caller->self)
		kept = ui_load_acquire(&caller->ctx->charges->kept[by_mm]);
	return kept ? kept : mm_ask_account(caller, by_mm);
}

int mm_charge_payer(struct uiommu_mm *mm, uint64_t pages);
void mm_uncharge_payer(struct uiommu_mm *mm, uint64_t pages);
bool mm_over_limit(const struct uiommu_mm *payer);

/*
 * Pages that were not pinned before.  -ENOMEM: over the limit, and nothing is charged.
 * Any @of; without an account nobody is charged.
 */
static inline int mm_charge(struct uiommu_mm *of, uint64_t pages)
{
	/* What has a payer, a file or a view, has no account itself. */
	if (__builtin_expect(!of->charge, 0))
		return mm_charge_payer(of, pages);
	ui_fetch_add(&of->charge->pages, pages);
	if (of->mode == MM_CHARGE_NONE || !mm_over_limit(of))
		return 0;
	ui_fetch_sub(&of->charge->pages, pages);
	return -ENOMEM;
}

static inline void mm_uncharge(struct uiommu_mm *of, uint64_t pages)
{
	if (__builtin_expect(!of->charge, 0))
		mm_uncharge_payer(of, pages);
	else
		ui_fetch_sub(&of->charge->pages, pages);
}

#endif /* UI_MM_INLINE_H */

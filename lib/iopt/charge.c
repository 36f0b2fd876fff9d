// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Pages that are charged once although several areas have them.
 *
 * A map and its copies share pages, in Linux a struct iopt_pages, and a page is pinned if
 * any of them is reached by a domain, or by an access's pin.  Nearly no area has a copy
 * or a pin, and then its pages are a number, from its length.  The others are marked
 * IOPT_AREA_SHARED, and what is pinned of them is in ctx->pinsets: for each map (a memory
 * and a number, the area's origin) ranges of pages, each with how often it is pinned.
 * Ranges are cut where a pin begins or ends and never joined, so taking one away
 * needs no memory.
 *
 * What is charged changes under the lock of the sets as well, so the ranges and the
 * number always agree.
 */
#include "iopt/charge.h"

/* Pages [first, last], as numbers of addresses. */
struct iopt_pinned {
	uint64_t first;
	uint64_t last;
	uint64_t count;
};

/*
 * Refs: none; it lives while it has ranges, and so areas that have the mm.
 *  all	ctx->pinsets_lock; in order, disjoint
 */
struct iopt_pinset {
	struct iopt_pinset *next;
	struct uiommu_mm *root;
	uint16_t origin;
	struct iopt_pinned *pinned;
	size_t nr;
};

static struct iopt_pinset **iopt_pinset_bucket(struct uiommu *ctx, uint16_t origin)
{
	return &ctx->pinsets[origin % UI_PINSETS];
}

/* Where it hangs; *: NULL, if there is none. */
static struct iopt_pinset **iopt_pinset_find(struct uiommu *ctx, const struct uiommu_mm *root,
					     uint16_t origin)
{
	struct iopt_pinset **link = iopt_pinset_bucket(ctx, origin);

	while (*link && ((*link)->root != root || (*link)->origin != origin))
		link = &(*link)->next;
	return link;
}

/* ---- ranges ---- */

struct iopt_pinned_list {
	struct iopt_pinned *pinned;
	size_t nr;
};

static void iopt_pinned_put(struct iopt_pinned_list *list, uint64_t first, uint64_t last,
			    uint64_t count)
{
	if (first <= last)
		list->pinned[list->nr++] =
			(struct iopt_pinned){.first = first, .last = last, .count = count};
}

/*
 * @old with [first, last] once more, into room for twice as many and three.  Returns how
 * many pages are new.
 */
static uint64_t iopt_pinned_add(const struct iopt_pinned *old, size_t nr, uint64_t first,
				uint64_t last, struct iopt_pinned_list *out)
{
	uint64_t pos = first, fresh = last - first + 1;
	size_t i = 0;

	for (; i < nr && old[i].last < first; i++)
		iopt_pinned_put(out, old[i].first, old[i].last, old[i].count);
	for (; i < nr && old[i].first <= last; i++) {
		uint64_t from = old[i].first > first ? old[i].first : first;
		uint64_t to = old[i].last < last ? old[i].last : last;

		/* Before it all, a gap, what both have, beyond it all. */
		if (old[i].first < from)
			iopt_pinned_put(out, old[i].first, from - 1, old[i].count);
		if (pos < from)
			iopt_pinned_put(out, pos, from - 1, 1);
		iopt_pinned_put(out, from, to, old[i].count + 1);
		iopt_pinned_put(out, to + 1, old[i].last, old[i].count);
		fresh -= to - from + 1;
		pos = to + 1;
	}
	iopt_pinned_put(out, pos, last, 1);
	for (; i < nr; i++)
		iopt_pinned_put(out, old[i].first, old[i].last, old[i].count);
	return fresh;
}

/* Takes [first, last] away once.  Returns how many pages nobody has any more. */
static uint64_t iopt_pinned_remove(struct iopt_pinset *set, uint64_t first, uint64_t last)
{
	uint64_t gone = 0;
	size_t to = 0;

	for (size_t i = 0; i < set->nr; i++) {
		struct iopt_pinned *pinned = &set->pinned[i];

		if (pinned->first >= first && pinned->last <= last && !--pinned->count)
			gone += pinned->last - pinned->first + 1;
		else
			set->pinned[to++] = *pinned;
	}
	set->nr = to;
	return gone;
}

/* ---- sets ---- */

/* Under the lock.  @charged: who pays does so for all of it, as a number. */
static int iopt_pinset_add(struct uiommu *ctx, const struct iopt_area *area, uint64_t first,
			   uint64_t last, bool charged)
{
	struct uiommu_mm *root = mm_root(iopt_area_mm(area));
	struct iopt_pinset **link = iopt_pinset_find(ctx, root, iopt_area_origin(area));
	struct iopt_pinset *set = *link, *made = NULL;
	struct iopt_pinned_list list = {.nr = 0};
	uint64_t fresh;
	int rc = -ENOMEM;

	if (!set) {
		set = made = ui_zalloc(sizeof(*set));
		if (!set)
			return -ENOMEM;
		set->root = root;
		set->origin = iopt_area_origin(area);
	}
	list.pinned = ui_zalloc((set->nr * 2 + 3) * sizeof(*list.pinned));
	if (!list.pinned)
		goto out_free;
	fresh = iopt_pinned_add(set->pinned, set->nr, first, last, &list);
	rc = !charged && fresh ? mm_charge(root, fresh) : 0;
	if (rc)
		goto out_free;
	/* What the set had already was paid for twice. */
	if (charged && fresh <= last - first)
		mm_uncharge(root, last - first + 1 - fresh);
	ui_free(set->pinned);
	set->pinned = list.pinned;
	set->nr = list.nr;
	if (made)
		*link = made; /* freed by iopt_pinset_remove() */
	return 0;

out_free:
	ui_free(list.pinned);
	ui_free(made);
	return rc;
}

/* Under the lock. */
static void iopt_pinset_remove(struct uiommu *ctx, const struct iopt_area *area, uint64_t first,
			       uint64_t last)
{
	struct uiommu_mm *root = mm_root(iopt_area_mm(area));
	struct iopt_pinset **link = iopt_pinset_find(ctx, root, iopt_area_origin(area));
	struct iopt_pinset *set = *link;
	uint64_t gone;

	if (!set)
		return;
	gone = iopt_pinned_remove(set, first, last);
	if (gone)
		mm_uncharge(root, gone);
	if (set->nr)
		return;
	*link = set->next;
	ui_free(set->pinned);
	ui_free(set);
}

int iopt_charge_part(struct iopt *iopt, const struct iopt_area *area, uint64_t uaddr,
		     uint64_t length)
{
	int rc;

	ui_mutex_lock(&iopt->ctx->pinsets_lock);
	rc = iopt_pinset_add(iopt->ctx, area, uaddr / IOPT_PAGE, (uaddr + length - 1) / IOPT_PAGE,
			     false);
	ui_mutex_unlock(&iopt->ctx->pinsets_lock);
	return rc;
}

void iopt_uncharge_part(struct iopt *iopt, const struct iopt_area *area, uint64_t uaddr,
			uint64_t length)
{
	ui_mutex_lock(&iopt->ctx->pinsets_lock);
	iopt_pinset_remove(iopt->ctx, area, uaddr / IOPT_PAGE, (uaddr + length - 1) / IOPT_PAGE);
	ui_mutex_unlock(&iopt->ctx->pinsets_lock);
}

int iopt_mark_shared(struct iopt *iopt, const struct iopt_cursor *cur, struct iopt_area *area)
{
	int rc = 0;

	if (iopt_area_shared(area))
		return 0;
	ui_mutex_lock(&iopt->ctx->pinsets_lock);
	if (iopt->nr_domains)
		rc = iopt_pinset_add(iopt->ctx, area, area->uaddr / IOPT_PAGE,
				     (area->uaddr + iopt_area_length(area) - 1) / IOPT_PAGE, true);
	ui_mutex_unlock(&iopt->ctx->pinsets_lock);
	if (rc)
		return rc;
	area->mm_perm |= IOPT_AREA_SHARED;
	iopt_tree_set_mm(cur, area->mm_perm);
	return 0;
}

void iopt_for_each_pinned_part(struct iopt *iopt, const struct iopt_area *area, iopt_pinned_fn *fn,
			       void *opaque)
{
	uint64_t first = area->uaddr / IOPT_PAGE;
	uint64_t last = first + iopt_pages(area->uaddr, iopt_area_length(area)) - 1;
	const struct iopt_pinset *set;

	if (!iopt_area_shared(area)) {
		if (iopt->nr_domains)
			fn(opaque, iopt_area_mm(area), area->uaddr, iopt_area_length(area),
			   iopt_area_origin(area));
		return;
	}
	ui_mutex_lock(&iopt->ctx->pinsets_lock);
	set = *iopt_pinset_find(iopt->ctx, mm_root(iopt_area_mm(area)), iopt_area_origin(area));
	for (size_t i = 0; set && i < set->nr; i++) {
		uint64_t from = set->pinned[i].first > first ? set->pinned[i].first : first;
		uint64_t to = set->pinned[i].last < last ? set->pinned[i].last : last;

		if (from <= to)
			fn(opaque, iopt_area_mm(area), from * IOPT_PAGE,
			   (to - from + 1) * IOPT_PAGE, iopt_area_origin(area));
	}
	ui_mutex_unlock(&iopt->ctx->pinsets_lock);
}

int iopt_charge_cut(struct iopt *iopt, const struct iopt_area *area, const struct iopt_area *right)
{
	uint64_t left = right->start - area->start;
	int rc;

	/* With a domain cuts are between pages: the numbers are what they were. */
	if (!iopt->nr_domains || !iopt_area_shared(area))
		return 0;
	rc = iopt_charge_part(iopt, area, area->uaddr, left);
	if (rc)
		return rc;
	rc = iopt_charge_part(iopt, area, right->uaddr, iopt_area_length(right));
	/* They were pinned, so now they are twice. */
	if (rc)
		iopt_uncharge_part(iopt, area, area->uaddr, left);
	else
		iopt_uncharge_part(iopt, area, area->uaddr, iopt_area_length(area));
	return rc;
}

/* ---- another payer ---- */

/*
 *  pages	by mode
 *  turn	one that no other walk has, so that what several areas have is met once
 */
struct iopt_handover {
	struct uiommu_mm *const *to;
	uint64_t pages[MM_CHARGE_MODES];
	uint64_t turn;
};

static void iopt_handover_count(struct iopt_handover *handover, struct uiommu_mm *root)
{
	handover->pages[mm_account_mode(mm_payer(root))] += mm_file_charged(root);
}

static void iopt_handover_move(struct iopt_handover *handover, struct uiommu_mm *root)
{
	struct uiommu_mm *payer = mm_payer(root);

	mm_uncharge(payer, mm_file_charged(root));
	mm_set_payer(root, handover->to[mm_account_mode(payer)]);
}

static bool iopt_has_files_only(struct iopt *iopt)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (iopt->mms[i].areas)
			return false;
	}
	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		if (mm_is_dmabuf(mm_root(iopt_area_mm(&area))))
			return false;
	}
	return true;
}

/* Each memory that has another payer than it's to have. */
static void iopt_handover_walk(struct iopt_handover *handover, struct iopt *iopt,
			       void (*fn)(struct iopt_handover *handover, struct uiommu_mm *root))
{
	struct iopt_cursor cur;
	struct iopt_area area;

	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		struct uiommu_mm *root, *payer;
		enum mm_charge_mode mode;

		iopt_tree_area(&cur, &area);
		root = mm_root(iopt_area_mm(&area));
		payer = mm_payer(root);
		mode = mm_account_mode(payer);
		if (mode != MM_CHARGE_NONE && !mm_same_account(payer, handover->to[mode]) &&
		    mm_visit(root, handover->turn))
			fn(handover, root);
	}
}

static int iopt_handover_charge(struct iopt_handover *handover)
{
	int rc;

	for (int mode = 0; mode < MM_CHARGE_MODES; mode++) {
		rc = handover->pages[mode] ? mm_charge(handover->to[mode], handover->pages[mode]) :
					     0;
		if (!rc)
			continue;
		while (mode--) {
			if (handover->pages[mode])
				mm_uncharge(handover->to[mode], handover->pages[mode]);
		}
		return rc;
	}
	return 0;
}

int iopt_change_payer(struct uiommu *ctx, struct iopt *const *iopts, size_t nr,
		      struct uiommu_mm *const to[MM_CHARGE_MODES])
{
	struct iopt_handover handover = {.to = to};
	int rc = 0;

	ui_mutex_lock(&ctx->iopts_lock);
	handover.turn = ++ctx->changes;
	for (size_t i = 0; i < nr; i++) {
		ui_mutex_lock(&iopts[i]->lock);
		if (!iopt_has_files_only(iopts[i]))
			rc = -EINVAL;
	}
	for (size_t i = 0; i < nr && !rc; i++)
		iopt_handover_walk(&handover, iopts[i], iopt_handover_count);
	if (!rc)
		rc = iopt_handover_charge(&handover);
	handover.turn = ++ctx->changes;
	for (size_t i = 0; i < nr && !rc; i++)
		iopt_handover_walk(&handover, iopts[i], iopt_handover_move);
	for (size_t i = 0; i < nr; i++)
		ui_mutex_unlock(&iopts[i]->lock);
	ui_mutex_unlock(&ctx->iopts_lock);
	return rc;
}

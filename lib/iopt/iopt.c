// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * I/O address spaces.
 *
 * What is mapped is in the tree (tree.c): one area per map, whatever its length.
 * What may be mapped is told by reserved ranges (reserve.c), to which the apertures
 * of domains belong, and by the alignment of the strictest domain (domain.c).
 *
 * Memory is looked at only while a domain can reach it: each map then, and all
 * areas when the first domain comes.  Linux pins there; nothing is pinned here.
 *
 * Unmap takes areas out of the tree, waits for readers once, and only then
 * lets go of what they could have used: nodes, and references on an mm.
 */
#include <string.h>

#include "iopt/charge.h"
#include "iopt/edit.h"
#include "iopt/object.h"
#include "mm/mm.h"
#include "mm/view.h"

/* Linux gives up on an accessor that doesn't unpin after so many calls. */
#define IOPT_UNMAP_TRIES 100

_Static_assert((UIOMMU_READ | UIOMMU_WRITE | IOPT_AREA_WRITABLE | IOPT_AREA_SHARED) <=
		       IOPT_PERM_MASK,
	       "rights fit under the mm");

struct iopt *iopt_create(struct uiommu *ctx)
{
	struct iopt *iopt = ui_zalloc(sizeof(*iopt));

	if (!iopt)
		return NULL;
	if (iopt_tree_init(&iopt->tree, &ctx->readers)) {
		ui_free(iopt);
		return NULL;
	}
	ui_mutex_init(&iopt->lock);
	iopt->ctx = ctx;
	iopt->alignment = 1;
	iopt->low = UINT64_MAX;
	iopt_link(iopt);
	return iopt;
}

static void iopt_put_files(struct iopt *iopt)
{
	struct iopt_cursor cur;
	struct uiommu_mm *mm, *base;
	struct iopt_area area;

	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; iopt->file_areas && !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		for (mm = iopt_area_mm(&area); mm && mm_is_file(mm); mm = base) {
			base = mm_view_base(mm);
			if (!base)
				ui_count_dec(&iopt->ctx->counts.areas);
			uiommu_mm_put(mm);
			iopt->file_areas--;
		}
	}
}

void iopt_destroy(struct iopt *iopt)
{
	/* The last domain's detach has waited for its readers. */
	assert(!iopt->nr_domains);
	iopt_unlink(iopt);
	iopt_put_files(iopt);
	for (size_t i = 0; i < iopt->nr_mms; i++) {
		ui_fetch_sub(&iopt->ctx->counts.areas, iopt->mms[i].areas);
		uiommu_mm_put(iopt->mms[i].mm);
	}
	iopt_held_destroy(iopt);
	iopt_tree_destroy(&iopt->tree);
	ui_mutex_destroy(&iopt->lock);
	ui_free(iopt->accesses);
	ui_free(iopt->allowed);
	ui_free(iopt->reserved);
	ui_free(iopt->domains);
	ui_free(iopt->mms);
	ui_free(iopt);
}

/* ---- the mms of areas ---- */

static struct iopt_mm *iopt_mm_find(struct iopt *iopt, const struct uiommu_mm *mm)
{
	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (iopt->mms[i].mm == mm)
			return &iopt->mms[i];
	}
	return NULL;
}

int iopt_mm_ref_any(struct iopt *iopt, struct uiommu_mm *mm)
{
	struct uiommu_mm *base = mm_view_base(mm);
	struct iopt_mm *entry;
	int rc = base ? iopt_mm_ref_any(iopt, base) : 0;

	if (rc)
		return rc;
	if (mm_is_file(mm)) {
		uiommu_mm_get(mm); /* put by iopt_mm_unref() or iopt_put_files() */
		iopt->file_areas++;
		return 0;
	}
	entry = iopt_mm_find(iopt, mm);
	if (!entry) {
		if (iopt->nr_mms == iopt->max_mms &&
		    iopt_array_grow(&iopt->mms, sizeof(*iopt->mms), iopt->nr_mms, &iopt->max_mms))
			return -ENOMEM;
		entry = &iopt->mms[iopt->nr_mms++];
		entry->mm = uiommu_mm_get(mm); /* put by iopt_mm_put_unused() or iopt_destroy() */
		entry->areas = 0;
	}
	entry->areas++;
	return 0;
}

/* No reader uses an mm that has no area. */
static void iopt_mm_put_unused(struct iopt *iopt)
{
	size_t to = 0;

	for (size_t i = 0; i < iopt->nr_mms; i++) {
		if (iopt->mms[i].areas)
			iopt->mms[to++] = iopt->mms[i];
		else
			uiommu_mm_put(iopt->mms[i].mm);
	}
	iopt->nr_mms = to;
}

/* Which files wait to be put can't be remembered without memory: so they don't. */
bool iopt_mm_unref_any(struct iopt *iopt, struct uiommu_mm *mm)
{
	struct uiommu_mm *base = mm_view_base(mm);

	if (mm_is_file(mm)) {
		iopt_tree_quiesce(&iopt->tree);
		iopt->file_areas--;
		uiommu_mm_put(mm);
		/* The area's own reference on it is still there. */
		return base && iopt_mm_unref_any(iopt, base);
	}
	/* Our own memory is there as long as we are, and will be mapped again. */
	return !--iopt_mm_find(iopt, mm)->areas && !mm_is_here(mm);
}

/* ---- walks ---- */

static bool iopt_walk_enter(struct iopt_walk *walk, uint64_t iova)
{
	walk->done = false;
	if (iopt_tree_end(&walk->cur))
		return false;
	iopt_tree_area(&walk->cur, &walk->area);
	if (walk->area.start > iova)
		return false;
	walk->iova = iova;
	walk->done = walk->area.last >= walk->last;
	walk->part = walk->done ? walk->last : walk->area.last;
	return true;
}

bool iopt_walk_start(struct iopt *iopt, struct iopt_walk *walk, uint64_t iova, uint64_t last)
{
	walk->last = last;
	iopt_tree_seek(&iopt->tree, iova, &walk->cur);
	return iopt_walk_enter(walk, iova);
}

bool iopt_walk_next(struct iopt_walk *walk)
{
	if (walk->done)
		return false;
	iopt_tree_next(&walk->cur);
	return iopt_walk_enter(walk, walk->area.last + 1);
}

bool iopt_nth_area(struct iopt *iopt, uint64_t nth, struct iopt_range *range)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	bool found;

	ui_mutex_lock(&iopt->lock);
	iopt_tree_seek(&iopt->tree, 0, &cur);
	while (nth-- && !iopt_tree_end(&cur))
		iopt_tree_next(&cur);
	found = !iopt_tree_end(&cur);
	if (found) {
		iopt_tree_area(&cur, &area);
		*range = (struct iopt_range){.start = area.start, .last = area.last};
	}
	ui_mutex_unlock(&iopt->lock);
	return found;
}

bool iopt_next_area(struct iopt *iopt, uint64_t iova, struct iopt_range *range)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	bool found;

	ui_mutex_lock(&iopt->lock);
	iopt_tree_seek(&iopt->tree, iova, &cur);
	found = !iopt_tree_end(&cur);
	if (found) {
		iopt_tree_area(&cur, &area);
		*range = (struct iopt_range){.start = area.start, .last = area.last};
	}
	ui_mutex_unlock(&iopt->lock);
	return found;
}

/* ---- map ---- */

/* In the order in which Linux asks. */
static int iopt_check_iova(struct iopt *iopt, uint64_t iova, uint64_t length)
{
	const struct iopt_reserved *res;
	uint64_t last;

	if (iova & (iopt->alignment - 1))
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	res = iopt_reserved_from(iopt, iova);
	return res && res->start <= last ? -EINVAL : 0;
}

/* Whatever is wrong with the memory, a map says -EFAULT; with a file, -EINVAL. */
int iopt_check_memory(struct uiommu_mm *mm, uint64_t uaddr, uint64_t length, bool writable)
{
	int rc = ui_should_fail() ? -EFAULT :
				    mm_check(mm, uaddr, length,
					     writable ? UIOMMU_READ | UIOMMU_WRITE : UIOMMU_READ);

	return rc == -EPERM ? -EFAULT : rc;
}

static inline __attribute__((always_inline)) int
iopt_check_slices(struct iopt *iopt, const struct iopt_slice *slice, size_t nr, uint32_t perm)
{
	for (size_t i = 0; i < nr; i++) {
		if (perm & UIOMMU_WRITE && !slice[i].writable)
			return -EPERM;
		if (slice[i].uaddr % IOPT_PAGE & (iopt->alignment - 1))
			return -EINVAL;
	}
	if (!iopt->nr_domains)
		return 0;
	for (size_t i = 0; i < nr; i++) {
		int rc = 0;

		if (!slice[i].present)
			rc = iopt_check_memory(slice[i].mm, slice[i].uaddr, slice[i].length,
					       slice[i].writable);
		if (rc)
			return rc;
		/* No table has an entry without any right. */
		if (!perm)
			return -EINVAL;
	}
	return 0;
}

static inline __attribute__((always_inline)) int iopt_insert_slice(struct iopt *iopt,
								   struct iopt_cursor *cur,
								   const struct iopt_slice *slice,
								   uint64_t iova, uint32_t perm)
{
	const struct iopt_area area = {
		.start = iova,
		.last = iova + slice->length - 1,
		.uaddr = slice->uaddr,
		.mm_perm = (uint64_t)slice->mm | perm | (slice->writable ? IOPT_AREA_WRITABLE : 0) |
			   (slice->shared ? IOPT_AREA_SHARED : 0) |
			   (uint64_t)slice->origin << IOPT_ORIGIN_SHIFT,
	};
	int rc = iopt->nr_domains ? iopt_charge_area(iopt, &area) : 0;

	if (rc)
		return rc;
	rc = iopt_mm_ref(iopt, slice->mm);
	if (rc)
		goto out_uncharge;
	if (iopt->nr_dirty)
		iopt_dirty_forget_locked(iopt, area.start, area.last);
	rc = iopt_edit_insert(&iopt->tree, cur, &area);
	if (rc)
		goto out_unref;
	ui_count_inc(&iopt->ctx->counts.areas);
	if (mm_is_ours(slice->mm)) {
		if (area.uaddr < iopt->low)
			iopt->low = area.uaddr;
		if (area.uaddr + slice->length > iopt->high)
			iopt->high = area.uaddr + slice->length;
	} else if (iopt->nr_domains) {
		iopt_share(iopt, area.start, area.last);
	}
	return 0;

out_unref:
	if (iopt_mm_unref(iopt, slice->mm))
		iopt_mm_put_unused(iopt);
out_uncharge:
	if (iopt->nr_domains)
		iopt_uncharge_area(iopt, &area);
	return rc;
}

/* Takes out the cursor's area; *unused: iopt_mm_put_unused() is to be called. */
static inline void iopt_remove(struct iopt *iopt, struct iopt_cursor *cur,
			       const struct iopt_area *area, bool *unused)
{
	if (iopt->nr_domains)
		iopt_uncharge_area(iopt, area);
	iopt_alloc_freed(iopt, cur, area);
	iopt_edit_remove(&iopt->tree, cur);
	*unused |= iopt_mm_unref(iopt, iopt_area_mm(area));
	ui_count_dec(&iopt->ctx->counts.areas);
}

/* [start, last] was inserted just now, area by area. */
static void iopt_undo_insert(struct iopt *iopt, uint64_t start, uint64_t last)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	bool unused = false;

	for (;;) {
		iopt_tree_seek(&iopt->tree, start, &cur);
		iopt_tree_area(&cur, &area);
		iopt_remove(iopt, &cur, &area, &unused);
		if (area.last == last)
			break;
		start = area.last + 1;
	}
	iopt_tree_quiesce(&iopt->tree);
	if (unused)
		iopt_mm_put_unused(iopt);
}

/* A part of its callers: where there is one slice, as nearly always, no loop is left. */
static inline __attribute__((always_inline)) int
iopt_map_locked(struct iopt *iopt, const struct iopt_slice *slice, size_t nr, uint64_t length,
		uint32_t perm, uint32_t flags, uint64_t *iova)
{
	uint64_t start = *iova, at;
	struct iopt_cursor cur;
	int rc;

	if (length & (iopt->alignment - 1))
		return -EINVAL;
	if (flags & IOPT_FIXED)
		rc = iopt_check_iova(iopt, start, length);
	else
		rc = iopt_alloc_iova(iopt, slice->uaddr, length, &start);
	if (rc)
		return rc;
	if (!iopt_edit_vacant(&iopt->tree, start, start + length - 1, &cur))
		return -EEXIST;
	rc = iopt_check_slices(iopt, slice, nr, perm);
	if (rc)
		return rc;

	at = start;
	for (size_t i = 0; i < nr; i++) {
		if (i)
			iopt_tree_vacant(&iopt->tree, at, at + slice[i].length - 1, &cur);
		rc = iopt_insert_slice(iopt, &cur, &slice[i], at, perm);
		if (rc) {
			if (i)
				iopt_undo_insert(iopt, start, at - 1);
			return rc;
		}
		at += slice[i].length;
	}
	if (!(flags & IOPT_FIXED))
		iopt_alloc_done(iopt, slice->uaddr, length, start);
	*iova = start;
	return 0;
}

int iopt_map_slices(struct iopt *iopt, const struct iopt_slices *slices, uint32_t perm,
		    uint32_t flags, uint64_t *iova)
{
	uint64_t length = 0;
	int rc;

	for (size_t i = 0; i < slices->nr; i++)
		length += slices->slice[i].length;
	ui_mutex_lock(&iopt->lock);
	rc = iopt_map_locked(iopt, slices->slice, slices->nr, length,
			     perm & (UIOMMU_READ | UIOMMU_WRITE), flags, iova);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

int iopt_map(struct iopt *iopt, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
	     uint32_t perm, uint32_t flags, uint64_t *iova)
{
	const struct iopt_slice slice = {
		.mm = mm,
		.uaddr = uaddr,
		.length = length,
		.writable = perm & UIOMMU_WRITE,
		.origin = (uint16_t)ui_count_next(&iopt->ctx->maps),
	};
	uint64_t end;
	int rc;

	if (__builtin_add_overflow(uaddr, length, &end))
		return -EOVERFLOW;
	if (!length || length > UINT64_MAX - IOPT_PAGE)
		return -EINVAL;
	ui_mutex_lock(&iopt->lock);
	rc = iopt_map_locked(iopt, &slice, 1, length, perm & (UIOMMU_READ | UIOMMU_WRITE), flags,
			     iova);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

/* ---- unmap ---- */

/*
 * How far an unmap has come.
 *  start, last	what is left
 *  unmapped	bytes that are gone
 *  tries	calls that the accessors had for the area at start
 *  busy	length of that area
 */
struct iopt_unmapping {
	uint64_t start;
	uint64_t last;
	uint64_t unmapped;
	uint64_t busy;
	unsigned int tries;
};

/* May the area go?  -EAGAIN: when who pins it was asked to let go. */
static int iopt_unmap_check(struct iopt *iopt, const struct iopt_area *area,
			    struct iopt_unmapping *u)
{
	struct iopt_held *held = iopt->held ? iopt_held_find(iopt, area->start) : NULL;

	if (held && held->locks)
		return -EBUSY;
	if (area->start < u->start || area->last > u->last)
		return -ENOENT; /* what came before stays unmapped */
	if (area->start != u->start)
		u->tries = 0;
	if (!held)
		return 0;
	if (held->pins) {
		held->closed = true;
		u->start = area->start;
		u->busy = iopt_area_length(area);
		return -EAGAIN;
	}
	iopt_held_forget(iopt, area->start);
	return 0;
}

static int iopt_unmap_locked(struct iopt *iopt, struct iopt_unmapping *u)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	bool unused = false, any = false;
	int rc = 0;

	for (;;) {
		iopt_edit_seek(&iopt->tree, u->start, &cur);
		if (iopt_tree_end(&cur))
			break;
		iopt_leaf_area(cur.leaf, cur.pos, &area);
		if (area.start > u->last)
			break;
		rc = iopt_unmap_check(iopt, &area, u);
		if (rc)
			break;
		iopt_remove(iopt, &cur, &area, &unused);
		any = true;
		u->unmapped += iopt_area_length(&area);
		if (area.last == u->last)
			break;
		u->start = area.last + 1;
	}
	if (any)
		iopt_tree_quiesce(&iopt->tree);
	if (unused)
		iopt_mm_put_unused(iopt);
	return rc;
}

/* Somebody pins what is next, and is asked to let go. */
static __attribute__((noinline)) int iopt_unmap_pinned(struct iopt *iopt, struct iopt_unmapping *u)
{
	iopt_notify_unmap(iopt, u->start, u->busy);
	return ++u->tries > IOPT_UNMAP_TRIES ? -EDEADLOCK : -EAGAIN;
}

static int iopt_unmap_range(struct iopt *iopt, uint64_t start, uint64_t last, uint64_t *unmapped)
{
	struct iopt_unmapping u = {.start = start, .last = last};
	int rc;

	do {
		ui_mutex_lock(&iopt->lock);
		rc = iopt_unmap_locked(iopt, &u);
		ui_mutex_unlock(&iopt->lock);
		if (rc == -EAGAIN)
			rc = iopt_unmap_pinned(iopt, &u);
	} while (rc == -EAGAIN);
	*unmapped = u.unmapped;
	return rc;
}

int iopt_unmap(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t last;
	int rc = iopt_range_last(iova, length, &last);

	*unmapped = 0;
	return rc ? rc : iopt_unmap_range(iopt, iova, last, unmapped);
}

int iopt_unmap_all(struct iopt *iopt, uint64_t *unmapped)
{
	return iopt_unmap_range(iopt, 0, UINT64_MAX, unmapped);
}

/* ---- translation ---- */

int iopt_translate(struct iopt *iopt, uint64_t iova, uint32_t perm, struct uiommu_span *span)
{
	struct iopt_area area;

	if (!iopt_tree_lookup(&iopt->tree, iova, &area))
		return -ENOENT;
	span->mm = iopt_area_mm(&area);
	span->addr = area.uaddr + (iova - area.start);
	span->length = area.last - iova + 1;
	span->perm = iopt_area_perm(&area);
	return perm & (UIOMMU_READ | UIOMMU_WRITE) & ~span->perm ? -EPERM : 0;
}

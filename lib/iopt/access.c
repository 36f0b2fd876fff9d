// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Accesses by CPU: copies, pins, and asking for pins back.
 *
 * An area that was ever pinned has an entry in the second tree, held, until it is
 * unmapped.  Nothing is done to the pages: a pin is a promise that the area stays
 * until it is given back, or was asked for.
 */
#include "iopt/charge.h"
#include "iopt/object.h"
#include "mm/mm.h"
#include "mm/view.h"

/* ---- who may have pins ---- */

int iopt_add_access(struct iopt *iopt, struct iopt_access *access)
{
	size_t slot = 0;
	int rc;

	ui_mutex_lock(&iopt->lock);
	while (slot < iopt->nr_accesses && iopt->accesses[slot])
		slot++;
	rc = iopt_array_grow(&iopt->accesses, sizeof(void *), slot, &iopt->max_accesses);
	if (rc)
		goto out_unlock;
	if (slot == iopt->nr_accesses)
		iopt->nr_accesses++;
	iopt->accesses[slot] = access;
	rc = iopt_update_alignment(iopt);
	if (rc)
		iopt->accesses[slot] = NULL;
	else
		access->slot = slot;
out_unlock:
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_remove_access(struct iopt *iopt, struct iopt_access *access, size_t slot)
{
	ui_mutex_lock(&iopt->lock);
	assert(iopt->accesses[slot] == access);
	iopt->accesses[slot] = NULL;
	iopt_update_alignment(iopt); /* becomes no stricter */
	ui_mutex_unlock(&iopt->lock);
}

void iopt_notify_unmap(struct iopt *iopt, uint64_t iova, uint64_t length)
{
	ui_mutex_lock(&iopt->lock);
	for (size_t slot = 0; slot < iopt->nr_accesses; slot++) {
		struct iopt_access *access = iopt->accesses[slot];
		const struct iopt_access_ops *ops = access ? access->ops : NULL;

		if (!ops || !ops->get(access))
			continue;
		ui_mutex_unlock(&iopt->lock);
		ops->unmap(access, iova, length);
		ops->put(access);
		ui_mutex_lock(&iopt->lock);
	}
	ui_mutex_unlock(&iopt->lock);
}

/* ---- areas that were pinned ---- */

static bool iopt_held_seek(struct iopt *iopt, uint64_t start, struct iopt_cursor *cur,
			   struct iopt_area *entry)
{
	iopt_tree_seek(iopt->held, start, cur);
	if (iopt_tree_end(cur))
		return false;
	iopt_tree_area(cur, entry);
	return entry->start == start;
}

struct iopt_held *iopt_held_find(struct iopt *iopt, uint64_t start)
{
	struct iopt_area entry;
	struct iopt_cursor cur;

	return iopt_held_seek(iopt, start, &cur, &entry) ? (struct iopt_held *)entry.uaddr : NULL;
}

void iopt_held_forget(struct iopt *iopt, uint64_t start)
{
	struct iopt_area entry;
	struct iopt_cursor cur;

	if (!iopt_held_seek(iopt, start, &cur, &entry))
		return;
	iopt_tree_remove(iopt->held, &cur);
	iopt_tree_quiesce(iopt->held);
	ui_free((struct iopt_held *)entry.uaddr);
}

void iopt_held_destroy(struct iopt *iopt)
{
	struct iopt_area entry;
	struct iopt_cursor cur;

	if (!iopt->held)
		return;
	iopt_tree_seek(iopt->held, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &entry);
		ui_free((struct iopt_held *)entry.uaddr);
	}
	iopt_tree_destroy(iopt->held);
	ui_free(iopt->held);
}

static int iopt_held_init(struct iopt *iopt)
{
	struct iopt_tree *held = ui_zalloc(sizeof(*held));

	if (!held || iopt_tree_init(held, &iopt->ctx->readers)) {
		ui_free(held);
		return -ENOMEM;
	}
	iopt->held = held;
	return 0;
}

/* NULL: no memory. */
static struct iopt_held *iopt_held_get(struct iopt *iopt, const struct iopt_area *area)
{
	struct iopt_area entry = {.start = area->start, .last = area->last};
	struct iopt_cursor cur;
	struct iopt_held *held;

	if (!iopt->held && iopt_held_init(iopt))
		return NULL;
	held = iopt_held_find(iopt, area->start);
	if (held)
		return held;
	held = ui_zalloc(sizeof(*held));
	if (!held)
		return NULL;
	iopt_tree_vacant(iopt->held, entry.start, entry.last, &cur);
	entry.uaddr = (uint64_t)held;
	if (iopt_tree_insert(iopt->held, &cur, &entry)) {
		ui_free(held);
		return NULL;
	}
	return held;
}

static bool iopt_closed(struct iopt *iopt, const struct iopt_area *area)
{
	const struct iopt_held *held = iopt->held ? iopt_held_find(iopt, area->start) : NULL;

	return held && held->closed;
}

static bool iopt_lacks_right(const struct iopt_area *area, uint32_t flags)
{
	uint32_t perm = flags & UIOMMU_ACCESS_WRITE ? UIOMMU_WRITE : UIOMMU_READ;

	return !(iopt_area_perm(area) & perm);
}

/* ---- pins ---- */

static void iopt_unpin_locked(struct iopt *iopt, uint64_t iova, uint64_t last, bool lock)
{
	struct iopt_walk walk;
	bool more = iopt_walk_start(iopt, &walk, iova, last);

	for (; more; more = iopt_walk_next(&walk)) {
		struct iopt_held *held = iopt->held ? iopt_held_find(iopt, walk.area.start) : NULL;

		/* More unpins than pins are the accessor's mistake. */
		assert(held && held->pins && (held->locks || !lock));
		if (!held || !held->pins)
			continue;
		held->pins--;
		if (lock)
			held->locks--;
		iopt_uncharge_part(iopt, &walk.area, iopt_walk_uaddr(&walk),
				   walk.part - walk.iova + 1);
	}
}

/* Pages begin and end where the walk enters and leaves an area, but at its end. */
static bool iopt_walk_on_pages(const struct iopt_walk *walk)
{
	uint64_t end = walk->area.uaddr + iopt_area_length(&walk->area);

	return !(iopt_walk_uaddr(walk) % IOPT_PAGE) && (walk->done || !(end % IOPT_PAGE));
}

static int iopt_pin_area(struct iopt *iopt, struct iopt_walk *walk, struct uiommu_page *pages,
			 size_t nr, uint32_t flags, bool lock)
{
	uint64_t uaddr = iopt_walk_uaddr(walk);
	struct uiommu_mm *mm = iopt_area_mm(&walk->area);
	struct iopt_held *held;
	int rc = 0;

	if (iopt_closed(iopt, &walk->area) || !iopt_walk_on_pages(walk))
		return -EINVAL;
	if (iopt_lacks_right(&walk->area, flags))
		return -EPERM;
	if (mm_is_dmabuf(mm))
		return -EINVAL;
	if (!iopt->nr_domains)
		rc = iopt_check_memory(mm, uaddr, nr * IOPT_PAGE, iopt_area_writable(&walk->area));
	if (rc)
		return rc;
	held = iopt_held_get(iopt, &walk->area);
	if (!held)
		return -ENOMEM;
	rc = iopt_mark_shared(iopt, &walk->cur, &walk->area);
	if (!rc)
		rc = iopt_charge_part(iopt, &walk->area, uaddr, nr * IOPT_PAGE);
	if (rc)
		return rc;
	held->pins++;
	if (lock)
		held->locks++;
	mm = mm_without_account(mm);
	for (size_t i = 0; i < nr; i++)
		pages[i] = (struct uiommu_page){.mm = mm, .addr = uaddr + i * IOPT_PAGE};
	return 0;
}

static int iopt_pin_locked(struct iopt *iopt, uint64_t iova, uint64_t last,
			   struct uiommu_page *pages, uint32_t flags, bool lock)
{
	struct iopt_walk walk;
	bool more = iopt_walk_start(iopt, &walk, iova, last);
	uint64_t pos = iova; /* pinned below */
	int rc = 0;

	for (; more; more = iopt_walk_next(&walk)) {
		size_t nr = (walk.part - walk.iova) / IOPT_PAGE + 1;

		rc = iopt_pin_area(iopt, &walk, pages, nr, flags, lock);
		if (rc)
			break;
		pages += nr;
		pos = walk.part + 1;
	}
	if (!rc && !walk.done)
		rc = -ENOENT;
	if (rc && pos != iova)
		iopt_unpin_locked(iopt, iova, pos - 1, lock);
	return rc;
}

int iopt_pin(struct iopt *iopt, uint64_t iova, uint64_t length, struct uiommu_page *pages,
	     uint32_t flags, bool lock)
{
	uint64_t last;
	int rc = iopt_range_last(iova, length, &last);

	if (rc)
		return rc;
	ui_mutex_lock(&iopt->lock);
	rc = iopt_pin_locked(iopt, iova, last, pages, flags, lock);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

void iopt_unpin(struct iopt *iopt, uint64_t iova, uint64_t length, bool lock)
{
	ui_mutex_lock(&iopt->lock);
	iopt_unpin_locked(iopt, iova, iova + (length - 1), lock);
	ui_mutex_unlock(&iopt->lock);
}

void iopt_for_each_pinned(struct iopt *iopt, iopt_pinned_fn *fn, void *opaque)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	ui_mutex_lock(&iopt->lock);
	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		iopt_tree_area(&cur, &area);
		iopt_for_each_pinned_part(iopt, &area, fn, opaque);
	}
	ui_mutex_unlock(&iopt->lock);
}

/* ---- copies ---- */

/*
 * Linux reaches memory of files, and anything if it is told to, by pins, which are
 * taken with all the rights that the memory was mapped with; only for a
 * single page of a process with those of the copy.
 */
static int iopt_rw_check(struct iopt *iopt, const struct iopt_area *area, uint64_t uaddr,
			 uint64_t length, uint32_t flags)
{
	struct uiommu_mm *mm = iopt_area_mm(area);
	bool writable = iopt_area_writable(area);

	if (iopt->nr_domains)
		return 0;
	if (mm_is_file(mm))
		return iopt_check_memory(mm, uaddr, length, writable);
	if (!(flags & IOPT_RW_PINNED))
		return 0;
	if (uaddr / IOPT_PAGE != (uaddr + length - 1) / IOPT_PAGE)
		return iopt_check_memory(mm, uaddr, length, writable);
	if (ui_should_fail())
		return -EINVAL;
	writable = flags & UIOMMU_ACCESS_WRITE;
	return iopt_check_memory(mm, uaddr, length, writable) ? -EFAULT : 0;
}

/*
 * Of a process, what is at the addresses now is what a copy is of, wherever the pages are
 * that devices have: pins are looked for only if it is told to, for more than a page, or if
 * the process is another, which may be gone.
 */
static struct uiommu_mm *iopt_rw_mm(const struct iopt_area *area, uint64_t uaddr, uint64_t length,
				    uint32_t flags)
{
	struct uiommu_mm *mm = iopt_area_mm(area), *root = mm, *base;

	if (!mm_is_here(mm))
		return mm;
	if (flags & IOPT_RW_PINNED && uaddr / IOPT_PAGE != (uaddr + length - 1) / IOPT_PAGE)
		return mm;
	while ((base = mm_view_base(root)))
		root = base;
	return mm_is_file(root) ? mm : root;
}

/* [iova, iova + length) is in the area. */
static int iopt_rw_area(struct iopt *iopt, const struct iopt_area *area, uint64_t iova,
			uint64_t length, void *buf, uint32_t flags)
{
	uint64_t uaddr = area->uaddr + (iova - area->start);
	struct uiommu_mm *mm = iopt_rw_mm(area, uaddr, length, flags);
	size_t done;
	int rc;

	if (iopt_closed(iopt, area))
		return -EINVAL;
	if (iopt_lacks_right(area, flags))
		return -EPERM;
	if (mm_is_dmabuf(mm))
		return -EINVAL;
	rc = iopt_rw_check(iopt, area, uaddr, length, flags);
	if (rc)
		return rc;
	if (flags & UIOMMU_ACCESS_WRITE)
		done = uiommu_mm_write(mm, uaddr, buf, length);
	else
		done = uiommu_mm_read(mm, buf, uaddr, length);
	return done == length ? 0 : -EFAULT;
}

/* Area by area. */
static int iopt_rw_areas(struct iopt *iopt, uint64_t iova, uint64_t last, void *buf, uint32_t flags)
{
	struct iopt_walk walk;
	bool more = iopt_walk_start(iopt, &walk, iova, last);
	int rc = 0;

	for (; more; more = iopt_walk_next(&walk)) {
		uint64_t length = walk.part - walk.iova + 1;

		rc = iopt_rw_area(iopt, &walk.area, walk.iova, length, buf, flags);
		if (rc)
			break;
		buf = (char *)buf + length;
	}
	return !rc && !walk.done ? -ENOENT : rc;
}

int iopt_rw(struct iopt *iopt, uint64_t iova, void *buf, uint64_t length, uint32_t flags)
{
	struct iopt_area area;
	uint64_t last;
	int rc = iopt_range_last(iova, length, &last);

	if (rc)
		return rc;
	ui_mutex_lock(&iopt->lock);
	if (iopt_tree_lookup(&iopt->tree, iova, &area) && last <= area.last)
		rc = iopt_rw_area(iopt, &area, iova, length, buf, flags);
	else
		rc = iopt_rw_areas(iopt, iova, last, buf, flags);
	ui_mutex_unlock(&iopt->lock);
	return rc;
}

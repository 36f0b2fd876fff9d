// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory that stays: what happens to areas when the client takes their memory away.
 *
 * Linux pins the pages of an area while a domain can reach it.  We move them aside
 * instead, when the client is about to lose them, and give the area a view
 * (mm/view.h) that knows where they are.  The area itself, and its place in the tree,
 * don't change, so it may be unmapped at any time.
 *
 * A change begins by finding out which ranges of addresses both it and areas have
 * (targets; of a file by looking where it is mapped), and stops DMA.  Then each
 * VMA in them is moved with MREMAP_DONTUNMAP, so that the client's call, which follows,
 * finds something at its addresses.  Shared memory is then mapped twice, private
 * memory is moved.  Pages that a file is about to lose are copied.  What only
 * changes its address, by mremap(), is left to the client's call.  After it, the views
 * are told; if it failed, the pages move back.
 *
 * ctx->iopts_lock is held from begin to end.  Nothing can fail after the pages moved:
 * room for all segments of views is made before.
 */
#include <sys/mman.h>

#include "base/sys.h"
#include "iopt/object.h"
#include "mm/mm.h"
#include "mm/view.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

/*
 * A range of this process's addresses, of whole pages.
 *  offset	in the file, for parts that are of one
 *  to, chunk	where the pages were put
 */
struct iopt_move {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t to;
	const struct uiommu_mm_part *part;
	struct mm_chunk *chunk;
};

struct iopt_moves {
	struct iopt_move *move;
	size_t nr;
	size_t max;
	int rc;
};

/*
 *  targets	what the change is about
 *  wanted	what areas have of it; overlapping no more after iopt_wanted_merge()
 *  moves	those, cut where VMAs end
 *  copies	of what a file loses, by offset
 *  found	areas have something of it
 */
struct iopt_change {
	struct uiommu *ctx;
	struct iopt_moves targets;
	struct iopt_moves wanted;
	struct iopt_moves moves;
	struct mm_chunk *copies;
	uint64_t copies_offset;
	bool found;
};

/* ---- the address spaces ---- */

void iopt_link(struct iopt *iopt)
{
	struct uiommu *ctx = iopt->ctx;

	ui_mutex_lock(&ctx->iopts_lock);
	iopt->next = ctx->iopts;
	if (iopt->next)
		iopt->next->prev = iopt;
	ctx->iopts = iopt;
	ui_mutex_unlock(&ctx->iopts_lock);
}

void iopt_unlink(struct iopt *iopt)
{
	struct uiommu *ctx = iopt->ctx;

	ui_mutex_lock(&ctx->iopts_lock);
	if (iopt->next)
		iopt->next->prev = iopt->prev;
	if (iopt->prev)
		iopt->prev->next = iopt->next;
	else
		ctx->iopts = iopt->next;
	ui_mutex_unlock(&ctx->iopts_lock);
}

void iopt_forget_views(struct iopt *iopt)
{
	struct iopt_cursor cur;
	struct iopt_area area;

	/* Pins of accesses keep what they have. */
	if (!iopt->file_areas || iopt->held)
		return;
	iopt_tree_seek(&iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		struct uiommu_mm *mm, *base;

		iopt_tree_area(&cur, &area);
		mm = iopt_area_mm(&area);
		base = mm_view_base(mm);
		if (!base)
			continue;
		iopt_tree_set_mm(&cur, (uint64_t)base | (area.mm_perm & ~IOPT_MM_MASK));
		iopt_tree_quiesce(&iopt->tree);
		iopt->file_areas--;
		uiommu_mm_put(mm); /* the area's reference on base stays */
	}
}

/* ---- ranges ---- */

static void iopt_moves_add(struct iopt_moves *moves, const struct iopt_move *move)
{
	int rc = iopt_array_grow(&moves->move, sizeof(*move), moves->nr, &moves->max);

	if (rc)
		moves->rc = rc;
	else
		moves->move[moves->nr++] = *move;
}

static bool iopt_of_file(const struct uiommu_mm_part *part)
{
	return part->how == UIOMMU_MM_TRUNCATE || part->how == UIOMMU_MM_PUNCH;
}

/* What both have.  False: nothing. */
static bool iopt_overlap(const struct iopt_move *move, uint64_t start, uint64_t end,
			 struct iopt_move *both)
{
	*both = *move;
	if (both->start < start) {
		both->offset += start - both->start;
		both->start = start;
	}
	if (both->end > end)
		both->end = end;
	return both->start < both->end;
}

/* ---- which areas ---- */

typedef void (*iopt_run_fn)(struct iopt_change *change, const struct iopt_move *move,
			    uint64_t start, uint64_t end);

/* Calls @fn with each range of addresses that the area and the move have. */
static bool iopt_area_runs(struct iopt_change *change, const struct iopt_area *area,
			   const struct iopt_move *move, iopt_run_fn fn)
{
	const struct uiommu_mm *mm = iopt_area_mm(area);
	uint64_t key = area->uaddr, end = key + iopt_area_length(area);
	bool any = false;

	while (key < end) {
		uint64_t at, next;
		struct iopt_move both;
		bool ours;

		next = mm_view_run(mm, key, end, &at, &ours);
		if ((!ours || iopt_of_file(move->part)) &&
		    iopt_overlap(move, at, at + (next - key), &both)) {
			any = true;
			if (fn)
				fn(change, move, both.start, both.end);
		}
		key = next;
	}
	return any;
}

/* Whole pages, which are what can be moved. */
static void iopt_want(struct iopt_change *change, const struct iopt_move *move, uint64_t start,
		      uint64_t end)
{
	struct iopt_move both;

	start &= ~(IOPT_PAGE - 1);
	end = (end + IOPT_PAGE - 1) & ~(IOPT_PAGE - 1);
	if (iopt_overlap(move, start, end, &both))
		iopt_moves_add(&change->wanted, &both);
}

/* Has it nothing at any of the targets, by a glance? */
static bool iopt_far(const struct iopt *iopt, const struct iopt_moves *targets)
{
	for (size_t i = 0; i < targets->nr; i++) {
		const struct iopt_move *move = &targets->move[i];

		if (iopt_of_file(move->part) || (move->start < iopt->high && iopt->low < move->end))
			return false;
	}
	return true;
}

/* Each area that a domain may reach, of this process's memory; under its iopt's lock. */
static void iopt_each_area(struct iopt_change *change,
			   void (*fn)(struct iopt_change *change, struct iopt *iopt,
				      struct iopt_cursor *cur, struct iopt_area *area))
{
	struct iopt_cursor cur;
	struct iopt_area area;
	struct iopt *iopt;

	for (iopt = change->ctx->iopts; iopt; iopt = iopt->next) {
		ui_mutex_lock(&iopt->lock);
		if (iopt->nr_domains && !iopt_far(iopt, &change->targets)) {
			iopt_tree_seek(&iopt->tree, 0, &cur);
			for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
				iopt_tree_area(&cur, &area);
				if (mm_is_here(iopt_area_mm(&area)))
					fn(change, iopt, &cur, &area);
			}
		}
		ui_mutex_unlock(&iopt->lock);
	}
}

static void iopt_collect(struct iopt_change *change, struct iopt *iopt, struct iopt_cursor *cur,
			 struct iopt_area *area)
{
	for (size_t i = 0; i < change->targets.nr; i++)
		iopt_area_runs(change, area, &change->targets.move[i], iopt_want);
}

static void iopt_probe(struct iopt_change *change, struct iopt *iopt, struct iopt_cursor *cur,
		       struct iopt_area *area)
{
	for (size_t i = 0; i < change->targets.nr && !change->found; i++)
		change->found = iopt_area_runs(change, area, &change->targets.move[i], NULL);
}

static int iopt_compare(const void *left, const void *right)
{
	const struct iopt_move *a = left, *b = right;

	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

/* Areas may share pages, which are moved once. */
static void iopt_wanted_merge(struct iopt_moves *wanted)
{
	size_t to = 0;

	qsort(wanted->move, wanted->nr, sizeof(*wanted->move), iopt_compare);
	for (size_t i = 1; i < wanted->nr; i++) {
		struct iopt_move *last = &wanted->move[to], *move = &wanted->move[i];

		/* Of a file: targets are VMAs, which don't overlap, so offsets go on as well. */
		if (move->part == last->part && move->start <= last->end &&
		    move->offset - last->offset == move->start - last->start) {
			if (last->end < move->end)
				last->end = move->end;
		} else {
			wanted->move[++to] = *move;
		}
	}
	wanted->nr = to + 1;
}

/* ---- which memory ---- */

struct iopt_file_part {
	struct iopt_change *change;
	const struct uiommu_mm_part *part;
};

/* Where the file is mapped. */
static void iopt_target_vma(void *opaque, const struct mm_vma *vma)
{
	const struct iopt_file_part *file = opaque;
	const struct uiommu_mm_part *part = file->part;
	uint64_t end = part->addr + part->length, vma_end = vma->offset + (vma->end - vma->start);
	struct iopt_move move = {.part = part, .offset = part->addr};

	if (vma->ino != part->ino || vma->dev != part->dev ||
	    (part->how == UIOMMU_MM_PUNCH && !vma->shared))
		return;
	if (move.offset < vma->offset)
		move.offset = vma->offset;
	if (end < part->addr || end > vma_end)
		end = vma_end;
	if (move.offset >= end)
		return;
	move.start = vma->start + (move.offset - vma->offset);
	move.end = vma->start + (end - vma->offset);
	iopt_moves_add(&file->change->targets, &move);
}

/*
 * Could areas be concerned at all?  Without malloc(), which may itself be what
 * unmaps memory, and hold its lock.
 */
static bool iopt_change_matters(struct uiommu *ctx, const struct uiommu_mm_change *what)
{
	struct iopt_move move[UIOMMU_MM_PARTS];
	struct iopt_change change = {.ctx = ctx, .targets.move = move};

	for (size_t i = 0; i < what->nr; i++) {
		const struct uiommu_mm_part *part = &what->parts[i];

		if (iopt_of_file(part))
			return true;
		move[change.targets.nr++] = (struct iopt_move){
			.start = part->addr, .end = part->addr + part->length, .part = part};
	}
	iopt_each_area(&change, iopt_probe);
	return change.found;
}

static int iopt_find_targets(struct iopt_change *change, const struct uiommu_mm_change *what)
{
	int rc = 0;

	for (size_t i = 0; i < what->nr && !rc; i++) {
		const struct uiommu_mm_part *part = &what->parts[i];
		struct iopt_file_part file = {.change = change, .part = part};
		struct iopt_move move = {
			.start = part->addr,
			.end = part->addr + part->length,
			.offset = part->addr,
			.part = part,
		};

		if (iopt_of_file(part))
			rc = mm_each_vma(iopt_target_vma, &file);
		else if (move.start < move.end)
			iopt_moves_add(&change->targets, &move);
	}
	return rc ? rc : change->targets.rc;
}

static void iopt_cut_vma(void *opaque, const struct mm_vma *vma)
{
	struct iopt_change *change = opaque;
	struct iopt_move move;

	for (size_t i = 0; i < change->wanted.nr; i++) {
		if (!iopt_overlap(&change->wanted.move[i], vma->start, vma->end, &move))
			continue;
		if (move.part->how == UIOMMU_MM_UNMAP ||
		    (move.part->how == UIOMMU_MM_DROP && !vma->shared) ||
		    (move.part->how == UIOMMU_MM_PROTECT && vma->shared))
			iopt_moves_add(&change->moves, &move);
	}
}

/* What is to be done with what is wanted, in the order of the parts. */
static int iopt_find_moves(struct iopt_change *change)
{
	int rc = mm_each_vma(iopt_cut_vma, change);

	for (size_t i = 0; i < change->wanted.nr; i++) {
		const struct iopt_move *move = &change->wanted.move[i];

		if (move->part->how == UIOMMU_MM_MOVE || iopt_of_file(move->part))
			iopt_moves_add(&change->moves, move);
	}
	return rc ? rc : change->moves.rc;
}

/* ---- views ---- */

/* A view for each area that is concerned, with room for what will become of it. */
static void iopt_prepare(struct iopt_change *change, struct iopt *iopt, struct iopt_cursor *cur,
			 struct iopt_area *area)
{
	struct uiommu_mm *mm = iopt_area_mm(area);
	bool wanted = false;
	size_t nr = 0;

	for (size_t i = 0; i < change->wanted.nr && !wanted; i++)
		wanted = iopt_area_runs(change, area, &change->wanted.move[i], NULL);
	if (!wanted)
		return;
	if (!mm_view_base(mm)) {
		mm = mm_view_create(mm);
		if (!mm) {
			change->moves.rc = -ENOMEM;
			return;
		}
		/* The area's reference on what was its mm stays, see iopt_mm_unref(). */
		iopt->file_areas++;
		area->mm_perm = (uint64_t)mm | (area->mm_perm & ~IOPT_MM_MASK);
		iopt_tree_set_mm(cur, area->mm_perm);
	}
	/* A move may meet the area in several runs. */
	for (size_t i = 0; i < change->moves.nr; i++) {
		uint64_t key = area->uaddr, end = key + iopt_area_length(area), at;
		const struct iopt_move *move = &change->moves.move[i];
		bool ours;

		while (key < end) {
			uint64_t next = mm_view_run(mm, key, end, &at, &ours);

			nr += at < move->end && move->start < at + (next - key);
			key = next;
		}
	}
	if (mm_view_reserve(mm, change->ctx->changes, nr))
		change->moves.rc = -ENOMEM;
}

static void iopt_apply_move(struct uiommu_mm *mm, const struct iopt_area *area,
			    const struct iopt_move *move)
{
	uint64_t key = area->uaddr, end = key + iopt_area_length(area);
	uint64_t to = move->part->how == UIOMMU_MM_MOVE ?
			      move->part->to + (move->start - move->part->addr) :
			      move->to;

	while (key < end) {
		struct iopt_move both;
		uint64_t at, next;
		bool ours;

		next = mm_view_run(mm, key, end, &at, &ours);
		if ((!ours || iopt_of_file(move->part)) &&
		    iopt_overlap(move, at, at + (next - key), &both))
			mm_view_assign(mm, key + (both.start - at), key + (both.end - at),
				       to + (both.start - move->start), move->chunk);
		key = next;
	}
}

/* Where areas are, for who looks whether they are concerned. */
static void iopt_widen(struct iopt *iopt, const struct iopt_move *move)
{
	uint64_t low = move->part->to & ~(IOPT_PAGE - 1),
		 high = move->part->to + move->part->length;

	if (low < iopt->low)
		iopt->low = low;
	if (high > iopt->high)
		iopt->high = high;
}

static void iopt_apply(struct iopt_change *change, struct iopt *iopt, struct iopt_cursor *cur,
		       struct iopt_area *area)
{
	struct uiommu_mm *mm = iopt_area_mm(area);

	/* An area without one came meanwhile, and is of what it finds. */
	if (!mm_view_base(mm))
		return;
	for (size_t i = 0; i < change->moves.nr; i++) {
		if (change->moves.move[i].chunk ||
		    change->moves.move[i].part->how == UIOMMU_MM_MOVE)
			iopt_apply_move(mm, area, &change->moves.move[i]);
		if (change->moves.move[i].part->how == UIOMMU_MM_MOVE)
			iopt_widen(iopt, &change->moves.move[i]);
	}
}

/* ---- moving ---- */

static bool iopt_failed(long rc)
{
	return rc < 0 && rc >= -4095;
}

/*
 * Memory that can't be in two places (of hugetlbfs): it leaves a hole, in which
 * something is put at once.  Only for what the client unmaps.
 */
static long iopt_move_whole(const struct iopt_move *move)
{
	long length = (long)(move->end - move->start), rc;

	if (move->part->how != UIOMMU_MM_UNMAP)
		return -EINVAL;
	rc = ui_syscall6(SYS_mremap, (long)move->start, length, length, MREMAP_MAYMOVE, 0, 0);
	if (rc == (long)move->start)
		return -EINVAL;
	if (!iopt_failed(rc))
		ui_syscall6(SYS_mmap, (long)move->start, length, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			    0);
	return rc;
}

/* -ENOMEM; what can't be moved at all stays. */
static int iopt_move_aside(struct iopt_move *move)
{
	uint64_t length = move->end - move->start;
	struct mm_chunk *chunk = mm_chunk_create(0, length);
	long rc;

	if (!chunk)
		return -ENOMEM;
	rc = ui_syscall6(SYS_mremap, (long)move->start, (long)length, (long)length,
			 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0, 0);
	if (rc == -EINVAL)
		rc = iopt_move_whole(move);
	if (iopt_failed(rc)) {
		ui_free(chunk);
		return rc == -ENOMEM ? -ENOMEM : 0;
	}
	chunk->start = move->to = (uint64_t)rc;
	move->chunk = chunk;
	/* A child has no use for it. */
	ui_syscall3(SYS_madvise, rc, (long)length, MADV_DONTFORK);
	return 0;
}

static void iopt_move_back(struct iopt_move *move)
{
	uint64_t length = move->end - move->start;

	ui_syscall3(SYS_madvise, (long)move->to, (long)length, MADV_DOFORK);
	ui_syscall6(SYS_mremap, (long)move->to, (long)length, (long)length,
		    MREMAP_MAYMOVE | MREMAP_FIXED, (long)move->start, 0);
	ui_free(move->chunk);
	move->chunk = NULL;
}

/* A place for all that the file loses: the same page is the same for all areas. */
static int iopt_copies_reserve(struct iopt_change *change)
{
	uint64_t first = UINT64_MAX, end = 0;
	long rc;

	for (size_t i = 0; i < change->moves.nr; i++) {
		const struct iopt_move *move = &change->moves.move[i];
		uint64_t last = move->offset + (move->end - move->start);

		if (!iopt_of_file(move->part))
			continue;
		first = move->offset < first ? move->offset : first;
		end = last > end ? last : end;
	}
	if (!end)
		return 0;
	rc = ui_syscall6(SYS_mmap, 0, (long)(end - first), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (iopt_failed(rc))
		return -ENOMEM;
	change->copies = mm_chunk_create((uint64_t)rc, end - first);
	if (!change->copies) {
		ui_syscall3(SYS_munmap, rc, (long)(end - first), 0);
		return -ENOMEM;
	}
	change->copies_offset = first;
	ui_syscall3(SYS_madvise, rc, (long)(end - first), MADV_DONTFORK);
	return 0;
}

static void iopt_copy_aside(struct iopt_change *change, struct iopt_move *move)
{
	struct uiommu_mm *self = change->ctx->self_mm;

	move->to = change->copies->start + (move->offset - change->copies_offset);
	move->chunk = change->copies;
	/* Page by page: it may end anywhere, and be read-only here and there. */
	for (uint64_t pos = 0; pos < move->end - move->start; pos += IOPT_PAGE)
		uiommu_mm_read(self, (void *)(move->to + pos), move->start + pos, IOPT_PAGE);
}

static int iopt_move_all(struct iopt_change *change)
{
	int rc = iopt_copies_reserve(change);

	for (size_t i = 0; i < change->moves.nr && !rc; i++) {
		struct iopt_move *move = &change->moves.move[i];

		if (iopt_of_file(move->part))
			iopt_copy_aside(change, move);
		else if (move->part->how != UIOMMU_MM_MOVE)
			rc = iopt_move_aside(move);
	}
	return rc;
}

/* In reverse order: what is in the way of another move came first. */
static void iopt_move_all_back(struct iopt_change *change)
{
	for (size_t i = change->moves.nr; i-- > 0;) {
		struct iopt_move *move = &change->moves.move[i];

		if (move->chunk && !iopt_of_file(move->part))
			iopt_move_back(move);
	}
}

/* ---- changes ---- */

static void iopt_change_free(struct iopt_change *change)
{
	for (size_t i = 0; i < change->moves.nr; i++) {
		struct mm_chunk *chunk = change->moves.move[i].chunk;

		if (chunk && chunk != change->copies)
			mm_chunk_put(chunk);
	}
	if (change->copies)
		mm_chunk_put(change->copies);
	ui_free(change->targets.move);
	ui_free(change->wanted.move);
	ui_free(change->moves.move);
	ui_free(change);
}

UIOMMU_API const uint64_t *uiommu_mm_areas(struct uiommu *ctx)
{
	return &ctx->counts.areas;
}

static int iopt_change_find(struct iopt_change *change, const struct uiommu_mm_change *what)
{
	int rc = iopt_find_targets(change, what);

	if (rc || !change->targets.nr)
		return rc;
	iopt_each_area(change, iopt_collect);
	if (change->wanted.rc || !change->wanted.nr)
		return change->wanted.rc;
	iopt_wanted_merge(&change->wanted);
	rc = iopt_find_moves(change);
	return rc ? rc : 1;
}

UIOMMU_API int uiommu_mm_change_begin(struct uiommu *ctx, struct uiommu_mm_change *what)
{
	struct iopt_change *change = NULL;
	int rc = 0;

	ui_mutex_lock(&ctx->iopts_lock);
	if (!iopt_change_matters(ctx, what))
		goto out_unlock;
	change = ui_zalloc(sizeof(*change));
	rc = -ENOMEM;
	if (!change)
		goto out_unlock;
	change->ctx = ctx;
	ctx->changes++;
	rc = iopt_change_find(change, what);
	if (rc <= 0)
		goto out_unlock;
	ui_readers_stop(&ctx->readers);
	iopt_each_area(change, iopt_prepare);
	rc = change->moves.rc;
	if (!rc)
		rc = iopt_move_all(change);
	if (rc) {
		iopt_move_all_back(change);
		ui_readers_go(&ctx->readers);
		goto out_unlock;
	}
	what->state = change; /* freed by uiommu_mm_change_end() */
	return 1;

out_unlock:
	ui_mutex_unlock(&ctx->iopts_lock);
	if (change)
		iopt_change_free(change);
	return rc < 0 ? -ENOMEM : 0;
}

UIOMMU_API void uiommu_mm_change_end(struct uiommu *ctx, struct uiommu_mm_change *what, bool done)
{
	struct iopt_change *change = what->state;

	if (done)
		iopt_each_area(change, iopt_apply);
	else
		iopt_move_all_back(change);
	ui_readers_go(&ctx->readers);
	ui_mutex_unlock(&ctx->iopts_lock);
	iopt_change_free(change);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/view.h - memory of this process as an area was promised it
 *
 * An area names its memory by the addresses that the client gave.  When the client
 * takes such an address away, the pages are set aside and the area gets a view: a
 * struct uiommu_mm that knows where each of its addresses is now.  Addresses that it
 * knows nothing of are where they always were.
 *
 * Through a view memory is reached whatever its protection is now: it had the rights
 * when it was mapped.
 *
 * Memory of another process has a view as far as it is shared memory, which is mapped
 * here too; the rest is reached through the process, as long as that lives.
 *
 * A view counts as a file (mm_is_file()): each area holds a reference of its own.
 */
#ifndef UI_MM_VIEW_H
#define UI_MM_VIEW_H

#include "mm/mm.h"

/*
 * Pages that were set aside, unmapped with the last reference.
 * Refs: each segment of a view, the change that made it until its end.
 *  start, length	immutable
 *  refs		atomic
 */
struct mm_chunk {
	uint64_t start;
	uint64_t length;
	uint64_t refs;
};

/* NULL: no memory; then nothing is unmapped. */
struct mm_chunk *mm_chunk_create(uint64_t start, uint64_t length);
void mm_chunk_put(struct mm_chunk *chunk);

/* Sees what @base does.  With a reference; NULL: no memory. */
struct uiommu_mm *mm_view_create(struct uiommu_mm *base);
/* What it is a view of; NULL: it is none. */
struct uiommu_mm *mm_view_base(const struct uiommu_mm *mm);

/*
 * Writers of a view: one at a time, and no burst is under way.
 *
 * Room for as many calls of mm_view_assign() as are asked for in all by one change, which
 * has a number; -ENOMEM.
 */
int mm_view_reserve(struct uiommu_mm *mm, uint64_t change, size_t nr);
/* Without room nothing.  [start, end) is at @at from now on; in a chunk, or (NULL) at an address of the client's. */
void mm_view_assign(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint64_t at,
		    struct mm_chunk *chunk);

/*
 * Where @addr is.  @ours: in memory that the client doesn't know of.  Return: up to
 * where, at most @end, the addresses that follow are side by side with it.  For any mm
 * of this process.
 */
uint64_t mm_view_run(const struct uiommu_mm *mm, uint64_t addr, uint64_t end, uint64_t *at,
		     bool *ours);

/* Are its addresses those of this process? */
bool mm_is_here(const struct uiommu_mm *mm);

/* ---- what is mapped ---- */

struct mm_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t ino;
	uint64_t dev; /* major << 32 | minor */
	bool shared;
	bool writable;
	const char *name; /* cut at MM_VMA_NAME - 1; good during the call */
};

#define MM_VMA_NAME 256

/* Calls @fn for each VMA of this process, in order.  0, -errno. */
int mm_each_vma(void (*fn)(void *opaque, const struct mm_vma *vma), void *opaque);
/* The same of a process whose /proc/PID/maps this is. */
int mm_each_vma_of(const char *maps, void (*fn)(void *opaque, const struct mm_vma *vma),
		   void *opaque);

/* ---- mirror.c ---- */

/*
 * What of [addr, addr + length) of another process is shared memory, mapped here as
 * well: it stays when that process ends.  With a reference on a view of @mm; NULL: @mm has
 * nothing of the kind, or is no other process's, or it can't be had.
 */
struct uiommu_mm *mm_mirror(struct uiommu_mm *mm, uint64_t addr, uint64_t length);

#endif /* UI_MM_VIEW_H */

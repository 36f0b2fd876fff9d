/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/iopt.h - I/O address spaces: areas, translation, invalidation
 *
 * An iopt maps byte-exact IOVA areas to extents of process memory.  One area is
 * one extent, whatever its length.  DMA translates inside a burst, without a
 * lock; unmap returns when no burst still uses what it removed.
 */
#ifndef UI_IOPT_IOPT_H
#define UI_IOPT_IOPT_H

#include <uiommu/access.h>
#include <uiommu/iommu.h>
#include <uiommu/mm.h>

#include "base/ctx.h"

struct iopt;

struct iopt_range {
	uint64_t start;
	uint64_t last; /* inclusive */
};

/* Where a range that a caller gave ends.  -EINVAL: it's empty; -EOVERFLOW: past 2^64. */
static inline int iopt_range_last(uint64_t iova, uint64_t length, uint64_t *last)
{
	if (!length)
		return -EINVAL;
	return __builtin_add_overflow(iova, length - 1, last) ? -EOVERFLOW : 0;
}

#define IOPT_FIXED (1u << 0) /* *iova is given, else it is chosen */

struct iopt *iopt_create(struct uiommu *ctx); /* NULL: no memory */
/* Unmaps what is left.  No domain or access is on it any more. */
void iopt_destroy(struct iopt *iopt);

/*
 * 0 with *iova; errors as IOMMU_IOAS_MAP has them (requirements.md A):
 * -EINVAL, -EOVERFLOW, -EEXIST, -ENOSPC, -EFAULT, -EPERM, -ENOMEM.
 * Without any right only while there is no domain.
 */
int iopt_map(struct iopt *iopt, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
	     uint32_t perm, uint32_t flags, uint64_t *iova);

/*
 * Whole areas only: -ENOENT otherwise; 0 if there is none.  -EBUSY: one is locked.
 * Of areas with pins, those who may have them are asked to let go, a hundred
 * times, then it is -EDEADLOCK, and the area stays closed to new pins.
 * *unmapped: bytes, also of an error, that areas before it had.
 */
int iopt_unmap(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped);
int iopt_unmap_all(struct iopt *iopt, uint64_t *unmapped);
/*
 * Areas that hold these IOVAs become two, the first of which ends there; for
 * callers that unmap parts.  -EBUSY, -EINVAL: one can't be cut; -ENOMEM.
 */
int iopt_cut(struct iopt *iopt, const uint64_t *iovas, size_t nr);

/* Inside a burst only.  0, -ENOENT, -EPERM with *span filled. */
int iopt_translate(struct iopt *iopt, uint64_t iova, uint32_t perm, struct uiommu_span *span);

/* ---- taking over what another address space maps ---- */

/*
 * Part of one area; holds the mm.
 *  writable	the memory may be written, whatever the area allows
 *  present	it was looked at, and the source still has a domain
 *  shared	the area that it's copied from is told to have copies
 *  origin	the map that it comes from; numbers come back after 65,536
 */
struct iopt_slice {
	struct uiommu_mm *mm;
	uint64_t uaddr;
	uint64_t length;
	bool writable;
	bool present;
	bool shared;
	uint16_t origin;
};

struct iopt_slices {
	struct iopt_slice *slice;
	size_t nr;
	size_t max;
};

/* All of [iova, iova + length).  -EINVAL, -EOVERFLOW, -ENOENT: a hole, -ENOMEM. */
int iopt_get_slices(struct iopt *iopt, uint64_t iova, uint64_t length, struct iopt_slices *slices);
void iopt_put_slices(struct iopt_slices *slices);
/* One after the other, all or nothing; an area for each.  Errors as iopt_map(). */
int iopt_map_slices(struct iopt *iopt, const struct iopt_slices *slices, uint32_t perm,
		    uint32_t flags, uint64_t *iova);

/* ---- what constrains maps ---- */

/*
 * A domain comes to live on the address space or leaves it: alignment and
 * aperture narrow while there is one, and existing areas must fit and must
 * have memory behind them (-EINVAL, -EADDRINUSE, -EFAULT, -ENOMEM).  The owner
 * names the domain: each brings its own aperture and page sizes, a bitmap whose
 * lowest bit is the alignment, and takes its own away again.
 */
int iopt_add_domain(struct iopt *iopt, const void *owner, uint64_t aperture_start,
		    uint64_t aperture_last, uint64_t pgsizes);
void iopt_remove_domain(struct iopt *iopt, const void *owner);

/*
 * Maps get page alignment, as tables without large pages need it: -EINVAL: there
 * are areas and a domain; -EADDRINUSE: one is misaligned.
 */
int iopt_disable_large_pages(struct iopt *iopt);
void iopt_enable_large_pages(struct iopt *iopt);
bool iopt_large_pages(struct iopt *iopt);
/* Page sizes that all domains have, at least the alignment. */
uint64_t iopt_pgsizes(struct iopt *iopt);

/* Reserved ranges, by owner (a device).  -EADDRINUSE if something is mapped or allowed there;
 * -ENOMEM. */
int iopt_reserve(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner);
void iopt_unreserve(struct iopt *iopt, const void *owner);

/*
 * Where automatic maps may be: ascending, disjoint ranges in memory from
 * ui_zalloc(), which the iopt takes over; nr 0: anywhere.  -EADDRINUSE: one is
 * reserved; then nothing changes and the memory stays the caller's.
 */
int iopt_set_allowed(struct iopt *iopt, struct iopt_range *ranges, size_t nr);

/*
 * Usable ranges, ascending: writes up to max of them, returns how many there
 * are (which may be more), and the alignment of maps.
 */
size_t iopt_ranges(struct iopt *iopt, struct iopt_range *ranges, size_t max, uint64_t *alignment);

/* Of the area that is nth in order of IOVA; false: there are fewer. */
bool iopt_nth_area(struct iopt *iopt, uint64_t nth, struct iopt_range *range);

/* Of the first that ends at or after @iova; false: there is none. */
bool iopt_next_area(struct iopt *iopt, uint64_t iova, struct iopt_range *range);

/* Some of an area's memory; @origin is the same in copies of the area. */
typedef void iopt_pinned_fn(void *opaque, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
			    uint16_t origin);
/* Calls fn for all memory of areas that Linux would have pinned; under the iopt's lock. */
void iopt_for_each_pinned(struct iopt *iopt, iopt_pinned_fn *fn, void *opaque);

/* ---- accesses by CPU ---- */

struct iopt_access;

/*
 * get: for a call of unmap; false: it is just going, and unpins what it has.
 * Under the iopt's lock.  put, unmap: without.
 */
struct iopt_access_ops {
	bool (*get)(struct iopt_access *access);
	void (*put)(struct iopt_access *access);
	void (*unmap)(struct iopt_access *access, uint64_t iova, uint64_t length);
};

/*
 * Embedded in the accessor.
 *  ops		immutable; NULL: its pins lock areas, it is never asked
 *  alignment	immutable
 *  slot	iopt->lock
 */
struct iopt_access {
	const struct iopt_access_ops *ops;
	uint64_t alignment;
	size_t slot;
};

/* -EADDRINUSE: areas are misaligned; -ENOMEM. */
int iopt_add_access(struct iopt *iopt, struct iopt_access *access);
/* slot: as it was when the access was on this one; it may be on another already. */
void iopt_remove_access(struct iopt *iopt, struct iopt_access *access, size_t slot);

/* As uiommu_access_pin_pages(); lock: the areas can't be unmapped meanwhile. */
int iopt_pin(struct iopt *iopt, uint64_t iova, uint64_t length, struct uiommu_page *pages,
	     uint32_t flags, bool lock);
void iopt_unpin(struct iopt *iopt, uint64_t iova, uint64_t length, bool lock);
#define IOPT_RW_PINNED (1u << 2) /* fails where pins would, as Linux's slow path */
int iopt_rw(struct iopt *iopt, uint64_t iova, void *buf, uint64_t length, uint32_t flags);

#endif /* UI_IOPT_IOPT_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/object.h - struct iopt, for the files of this room
 */
#ifndef UI_IOPT_OBJECT_H
#define UI_IOPT_OBJECT_H

#include "iopt/dirty.h"
#include "iopt/iopt.h"
#include "iopt/tree.h"
#include "mm/inline.h"

#define IOPT_PAGE 4096ull

/* Beside the rights of an area: its memory may be written, if not through this area. */
#define IOPT_AREA_WRITABLE (1u << 2)
/* Its pages may be another area's too, or an access's: see iopt/charge.c. */
#define IOPT_AREA_SHARED (1u << 3)
/* Above the address of its mm: which map it comes from, for copies tell nothing else. */
#define IOPT_ORIGIN_SHIFT 48
#define IOPT_MM_MASK (((1ull << IOPT_ORIGIN_SHIFT) - 1) & ~(uint64_t)IOPT_PERM_MASK)

/* IOVAs that may not be mapped, and who says so: a device, or a domain's aperture. */
struct iopt_reserved {
	uint64_t start;
	uint64_t last;
	const void *owner;
};

struct iopt_domain {
	const void *owner;
	uint64_t pgsizes;
	struct iopt_dirty *dirty; /* NULL: it has no dirty bits */
};

/*
 * An mm that areas are of.  The address space holds one reference for them all.
 * (Files are many, with few areas each: there every area holds a reference.)
 */
struct iopt_mm {
	struct uiommu_mm *mm;
	uint64_t areas;
};

/*
 * An area that was ever pinned.
 *  pins	how many reach into it
 *  locks	those of them that forbid to unmap it
 *  closed	it is being unmapped: no new pins, no copies
 */
struct iopt_held {
	uint64_t pins;
	uint64_t locks;
	bool closed;
};

/*
 * What the last automatic allocation of a size found out: nothing of that length
 * or more, with that alignment or a stricter one, begins below pos.
 */
struct iopt_hint {
	uint64_t length;
	uint64_t alignment;
	uint64_t pos;
};

#define IOPT_HINTS 8

/*
 * Locks: lock -> ctx->readers.lock.
 *  ctx		immutable
 *  tree	written under lock, read inside bursts
 *  alignment	lock; the strictest of domains, accesses and small_pages; 1 without
 *  reserved	lock; in order of start, may overlap
 *  allowed	lock; in order, disjoint; none: everything is
 *  held	lock; NULL: nothing was ever pinned.  For each area that was, an
 *		entry with the same IOVAs, whose uaddr is its struct iopt_held
 *  accesses	lock; by slot, which may be empty
 *  prev, next	ctx->iopts_lock
 *  low, high	lock; all addresses that areas' memory of this process ever had are between
 *  the rest	lock
 */
struct iopt {
	struct uiommu *ctx;
	struct ui_mutex lock;
	struct iopt_tree tree;
	uint64_t alignment;
	bool small_pages;

	struct iopt_reserved *reserved;
	size_t nr_reserved;
	size_t max_reserved;

	struct iopt_range *allowed;
	size_t nr_allowed;

	struct iopt_domain *domains;
	size_t nr_domains;
	size_t max_domains;
	size_t nr_dirty; /* domains that have dirty bits */

	struct iopt_mm *mms;
	size_t nr_mms;
	size_t max_mms;
	uint64_t file_areas;

	struct iopt_tree *held;
	struct iopt_access **accesses;
	size_t nr_accesses; /* slots */
	size_t max_accesses;

	struct iopt_hint hints[IOPT_HINTS];
	uint64_t hint_top; /* no hint is above */

	struct iopt *prev;
	struct iopt *next;
	uint64_t low;
	uint64_t high;
};

static inline struct uiommu_mm *iopt_area_mm(const struct iopt_area *area)
{
	return (struct uiommu_mm *)(area->mm_perm & IOPT_MM_MASK);
}

static inline uint16_t iopt_area_origin(const struct iopt_area *area)
{
	return (uint16_t)(area->mm_perm >> IOPT_ORIGIN_SHIFT);
}

static inline uint32_t iopt_area_perm(const struct iopt_area *area)
{
	return area->mm_perm & (UIOMMU_READ | UIOMMU_WRITE);
}

static inline bool iopt_area_writable(const struct iopt_area *area)
{
	return area->mm_perm & IOPT_AREA_WRITABLE;
}

static inline uint64_t iopt_area_length(const struct iopt_area *area)
{
	return area->last - area->start + 1;
}

/* Room for one more in an array that only grows; the array's address is *array. */
int iopt_array_grow(void *array, size_t size, size_t nr, size_t *max);

/* iopt.c; all need the lock */
/* One area more of an mm.  -ENOMEM. */
int iopt_mm_ref_any(struct iopt *iopt, struct uiommu_mm *mm);
static inline int iopt_mm_ref(struct iopt *iopt, struct uiommu_mm *mm)
{
	/* Nearly all areas are of the mm that came first. */
	if (__builtin_expect(!iopt->nr_mms || iopt->mms[0].mm != mm, 0))
		return iopt_mm_ref_any(iopt, mm);
	iopt->mms[0].areas++;
	return 0;
}
/*
 * One less; it is out of the tree.  Return: its entry has none, isn't ours, and is to be put
 * when readers were waited for.
 */
bool iopt_mm_unref_any(struct iopt *iopt, struct uiommu_mm *mm);
static inline bool iopt_mm_unref(struct iopt *iopt, struct uiommu_mm *mm)
{
	if (__builtin_expect(!iopt->nr_mms || iopt->mms[0].mm != mm, 0))
		return iopt_mm_unref_any(iopt, mm);
	return !--iopt->mms[0].areas && !mm_is_ours(mm);
}
/* Is the memory there, with the rights that the area's pins would ask for? */
int iopt_check_memory(struct uiommu_mm *mm, uint64_t uaddr, uint64_t length, bool writable);
/*
 * The area that goes on where the one before ended, or the first of them: for
 * walks over [iova, last] without holes.  False: there is none, or it is the end.
 */
struct iopt_walk {
	struct iopt_cursor cur;
	struct iopt_area area;
	uint64_t iova; /* where the area is entered */
	uint64_t last; /* of the walk */
	uint64_t part; /* last of the area that belongs to the walk */
	bool done;     /* the end was reached without a hole */
};
bool iopt_walk_start(struct iopt *iopt, struct iopt_walk *walk, uint64_t iova, uint64_t last);
bool iopt_walk_next(struct iopt_walk *walk);
/* What the memory's address is at walk->iova. */
static inline uint64_t iopt_walk_uaddr(const struct iopt_walk *walk)
{
	return walk->area.uaddr + (walk->iova - walk->area.start);
}

/* access.c; all need the lock but notify, which must not have it */
struct iopt_held *iopt_held_find(struct iopt *iopt, uint64_t start);
/* The area is about to go; nothing pins it. */
void iopt_held_forget(struct iopt *iopt, uint64_t start);
void iopt_held_destroy(struct iopt *iopt);
void iopt_notify_unmap(struct iopt *iopt, uint64_t iova, uint64_t length);

/* reserve.c; all need the lock */
int iopt_reserve_locked(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner);
void iopt_unreserve_locked(struct iopt *iopt, const void *owner);
/* The first reserved range, by start, that ends at or after pos; NULL: none. */
static inline const struct iopt_reserved *iopt_reserved_from(const struct iopt *iopt, uint64_t pos)
{
	for (size_t i = 0; i < iopt->nr_reserved; i++) {
		if (iopt->reserved[i].last >= pos)
			return &iopt->reserved[i];
	}
	return NULL;
}

/* domain.c; all need the lock */
/* From what the domains and accesses that are there ask; -EADDRINUSE: areas don't have it. */
int iopt_update_alignment(struct iopt *iopt);

/* alloc.c; all need the lock */
/* A place for length bytes that come from uaddr.  -EOVERFLOW, -EINVAL, -ENOSPC. */
int iopt_alloc_iova(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t *iova);
/* What was found now holds an area. */
void iopt_alloc_done(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t iova);
/* The cursor's area, this one, is about to go; a hint is above it. */
void iopt_alloc_lower(struct iopt *iopt, const struct iopt_cursor *cur,
		      const struct iopt_area *area);
static inline void iopt_alloc_freed(struct iopt *iopt, const struct iopt_cursor *cur,
				    const struct iopt_area *area)
{
	if (iopt->hint_top > area->start)
		iopt_alloc_lower(iopt, cur, area);
}
/* Ranges became free that are no areas. */
void iopt_alloc_forget(struct iopt *iopt);

/* move.c */
void iopt_link(struct iopt *iopt);
void iopt_unlink(struct iopt *iopt);
/* The last domain left: areas are what their addresses say again.  Needs the lock. */
void iopt_forget_views(struct iopt *iopt);

/* share.c; all need the lock */
/* A domain can reach these areas: shared memory of other processes stays from now on. */
void iopt_share(struct iopt *iopt, uint64_t start, uint64_t last);
/* The first domain came. */
void iopt_share_all(struct iopt *iopt);

#endif /* UI_IOPT_OBJECT_H */

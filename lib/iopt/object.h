/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iopt/object.h - struct iopt, for the files of this room
 */
#ifndef UI_IOPT_OBJECT_H
#define UI_IOPT_OBJECT_H

#include "iopt/iopt.h"
#include "iopt/tree.h"

#define IOPT_PAGE 4096ull

/* IOVAs that may not be mapped, and who says so: a device, or a domain's aperture. */
struct iopt_reserved {
	uint64_t start;
	uint64_t last;
	const void *owner;
};

struct iopt_domain {
	const void *owner;
	uint64_t alignment;
};

/* An mm that areas are of.  The address space holds one reference for them all. */
struct iopt_mm {
	struct uiommu_mm *mm;
	uint64_t areas;
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
 *  alignment	lock; the strictest of domains, 1 without
 *  reserved	lock; in order of start, may overlap
 *  the rest	lock
 */
struct iopt {
	struct uiommu *ctx;
	struct ui_mutex lock;
	struct iopt_tree tree;
	uint64_t alignment;

	struct iopt_reserved *reserved;
	size_t nr_reserved;
	size_t max_reserved;

	struct iopt_domain *domains;
	size_t nr_domains;
	size_t max_domains;

	struct iopt_mm *mms;
	size_t nr_mms;
	size_t max_mms;

	struct iopt_hint hints[IOPT_HINTS];
	uint64_t hint_top; /* no hint is above */
};

/* Room for one more in an array that only grows; the array's address is *array. */
int iopt_array_grow(void *array, size_t size, size_t nr, size_t *max);

/* reserve.c; all need the lock */
int iopt_reserve_locked(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner);
void iopt_unreserve_locked(struct iopt *iopt, const void *owner);
/* The first reserved range, by start, that ends at or after pos; NULL: none. */
const struct iopt_reserved *iopt_reserved_from(const struct iopt *iopt, uint64_t pos);

/* alloc.c; all need the lock */
/* A place for length bytes that come from uaddr.  -EOVERFLOW, -EINVAL, -ENOSPC. */
int iopt_alloc_iova(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t *iova);
/* What was found now holds an area. */
void iopt_alloc_done(struct iopt *iopt, uint64_t uaddr, uint64_t length, uint64_t iova);
/* The cursor's area is about to go. */
void iopt_alloc_freed(struct iopt *iopt, const struct iopt_cursor *cur);
/* Ranges became free that are no areas. */
void iopt_alloc_forget(struct iopt *iopt);

#endif /* UI_IOPT_OBJECT_H */

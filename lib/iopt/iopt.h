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

#include <uiommu/iommu.h>
#include <uiommu/mm.h>

#include "base/ctx.h"

struct iopt;

struct iopt_range {
	uint64_t start;
	uint64_t last; /* inclusive */
};

#define IOPT_FIXED (1u << 0) /* *iova is given, else it is chosen */

struct iopt *iopt_create(struct uiommu *ctx); /* NULL: no memory */
/* Unmaps what is left.  No domain is on it any more. */
void iopt_destroy(struct iopt *iopt);

/*
 * 0 with *iova; errors as IOMMU_IOAS_MAP has them (requirements.md A):
 * -EINVAL, -EOVERFLOW, -EEXIST, -ENOSPC, -EFAULT, -EPERM, -ENOMEM.
 */
int iopt_map(struct iopt *iopt, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
	     uint32_t perm, uint32_t flags, uint64_t *iova);
/* Whole areas only: -ENOENT otherwise.  (0, UINT64_MAX) is everything. */
int iopt_unmap(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped);

/* Inside a burst only.  0, -ENOENT, -EPERM with *span filled. */
int iopt_translate(struct iopt *iopt, uint64_t iova, uint32_t perm, struct uiommu_span *span);

/*
 * A domain comes to live on the address space or leaves it: alignment and
 * aperture narrow while there is one, and existing areas must fit and must
 * have memory behind them (-EINVAL, -EADDRINUSE, -EFAULT, -ENOMEM).  The owner
 * names the domain: each brings its own aperture and alignment, and takes its
 * own away again.
 */
int iopt_add_domain(struct iopt *iopt, const void *owner, uint64_t aperture_start,
		    uint64_t aperture_last, uint64_t alignment);
void iopt_remove_domain(struct iopt *iopt, const void *owner);

/* Reserved ranges, by owner (a device).  -EADDRINUSE if something is mapped there; -ENOMEM. */
int iopt_reserve(struct iopt *iopt, uint64_t start, uint64_t last, const void *owner);
void iopt_unreserve(struct iopt *iopt, const void *owner);

/*
 * Usable ranges, ascending: writes up to max of them, returns how many there
 * are (which may be more), and the alignment of maps.
 */
size_t iopt_ranges(struct iopt *iopt, struct iopt_range *ranges, size_t max, uint64_t *alignment);

#endif /* UI_IOPT_IOPT_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/dmabuf.h - memory that who gives it can take back
 */
#ifndef UI_MM_DMABUF_H
#define UI_MM_DMABUF_H

#include "base/sync.h"
#include "mm/mm.h"

/*
 * Embedded by who gives it.
 *  length	immutable, a multiple of pages
 *  lock	innermost
 *  mm		lock; where the memory is now, with a reference
 *  revoked	lock
 */
struct mm_dmabuf {
	uint64_t length;
	struct ui_mutex lock;
	struct uiommu_mm *mm;
	bool revoked;
};

/* @length zeros, a multiple of pages.  -ENOMEM. */
int mm_dmabuf_init(struct mm_dmabuf *buf, struct uiommu *ctx, uint64_t length);
/* What was mapped of it stays as it is. */
void mm_dmabuf_destroy(struct mm_dmabuf *buf);

/*
 * [start, start + length) of it, which doesn't wrap.  *out: with a reference; *uaddr: where it
 * begins there.  -EINVAL: that much isn't there; -ENODEV: revoked.
 */
int mm_dmabuf_map(struct mm_dmabuf *buf, uint64_t start, uint64_t length, struct uiommu_mm **out,
		  uint64_t *uaddr);

/*
 * Whatever was mapped is without memory from now on, and for good; @revoked: and nothing
 * more can be mapped.  -ENOMEM: all is as it was.
 */
int mm_dmabuf_revoke(struct mm_dmabuf *buf, bool revoked);

#endif /* UI_MM_DMABUF_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/mm.h - the memory of a process, from the inside
 *
 * See uiommu/mm.h.  Ordered accesses of 1 to 8 bytes are apart from bulk
 * copies, which order nothing.
 */
#ifndef UI_MM_MM_H
#define UI_MM_MM_H

#include <uiommu/mm.h>

#include "base/ctx.h"

/* One access of 1, 2, 4 or 8 bytes, naturally aligned.  -EFAULT. */
int mm_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size);
int mm_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size);

/*
 * Is [addr, addr + length) mapped with the right to be read (and written)?
 * Costs per VMA, not per page.  -EFAULT: a hole, or memory without pages
 * (PFNMAP); -EPERM: a write to read-only memory.
 */
int mm_check(struct uiommu_mm *mm, uint64_t addr, uint64_t length, uint32_t perm);

/* From instance.c: makes ctx->self_mm; -ENOMEM. */
int mm_init(struct uiommu *ctx);
void mm_exit(struct uiommu *ctx);

#endif /* UI_MM_MM_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/object.h - struct uiommu_mm, for the files of this room
 */
#ifndef UI_MM_OBJECT_H
#define UI_MM_OBJECT_H

#include <uiommu/mm.h>

#include "base/ctx.h"

/*
 * Refs: ctx->self_mm (until mm_exit), each address space with areas of it,
 *	each uiommu_mm_self() and uiommu_mm_of().
 *  ctx, pid, self	immutable
 *  refs		atomic
 *
 * Aligned so that an area can keep rights in the low bits of the pointer.
 */
struct uiommu_mm {
	struct uiommu *ctx;
	pid_t pid;
	bool self;
	int64_t refs;
} __attribute__((aligned(16)));

/*
 * mm_check() by the text of /proc/PID/maps, for kernels that have nothing
 * better.  [start, end) is page aligned.
 */
int mm_check_text(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint32_t perm);

#endif /* UI_MM_OBJECT_H */

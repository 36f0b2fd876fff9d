/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/io.h - what a device's DMA can reach and is no memory: the BAR of another
 *
 * It has a struct uiommu_mm, as the memory of a file has, whose addresses begin with 0.  No
 * copy reaches it (uiommu_mm_read() moves nothing): each access is a call, which may take
 * long and is made outside of bursts.
 */
#ifndef UI_MM_IO_H
#define UI_MM_IO_H

#include "mm/mm.h"

/*
 * @addr is a multiple of @size, which is 1, 2, 4 or 8.  -EIO: nobody answers there.
 */
struct mm_io_ops {
	int (*read)(void *opaque, unsigned int index, uint64_t addr, uint64_t *value,
		    unsigned int size);
	int (*write)(void *opaque, unsigned int index, uint64_t addr, uint64_t value,
		     unsigned int size);
};

/* With a reference; @opaque and @index are for @ops.  NULL: no memory. */
struct uiommu_mm *mm_io_create(struct uiommu *ctx, const struct mm_io_ops *ops, void *opaque,
			       unsigned int index);
bool mm_is_io(const struct uiommu_mm *mm);

/* One access. */
int mm_io_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size);
int mm_io_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size);
/* Any length, in aligned accesses as wide as can be, lowest address first.  Bytes moved. */
size_t mm_io_read(struct uiommu_mm *mm, void *dst, uint64_t addr, size_t length);
size_t mm_io_write(struct uiommu_mm *mm, uint64_t addr, const void *src, size_t length);

#endif /* UI_MM_IO_H */

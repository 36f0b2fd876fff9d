// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What DMA can reach and is no memory.
 *
 * Such a struct uiommu_mm counts as a file: each area of it holds a reference, and so
 * does an access under way, which may outlive the area.
 */
#include <string.h>

#include "mm/io.h"
#include "mm/object.h"

struct uiommu_mm *mm_io_create(struct uiommu *ctx, const struct mm_io_ops *ops, void *opaque,
			       unsigned int index)
{
	struct uiommu_mm *mm = ui_zalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	mm->ctx = ctx;
	mm->pid = ctx->self_mm->pid;
	mm->refs = 1; /* put by the caller */
	mm->file = true;
	mm->io = ops;
	mm->io_opaque = opaque;
	mm->io_index = index;
	return mm;
}

bool mm_is_io(const struct uiommu_mm *mm)
{
	return mm->io;
}

int mm_io_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size)
{
	return mm->io->read(mm->io_opaque, mm->io_index, addr, value, size);
}

int mm_io_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size)
{
	return mm->io->write(mm->io_opaque, mm->io_index, addr, value, size);
}

/* The widest access at @addr with @left bytes to go. */
static unsigned int mm_io_size(uint64_t addr, size_t left)
{
	unsigned int size = 8;

	while (size > left || addr % size)
		size /= 2;
	return size;
}

size_t mm_io_read(struct uiommu_mm *mm, void *dst, uint64_t addr, size_t length)
{
	size_t done = 0;

	while (done < length) {
		unsigned int size = mm_io_size(addr + done, length - done);
		uint64_t value = 0; /* little endian: the low bytes come first */

		if (mm_io_load(mm, addr + done, &value, size))
			break;
		memcpy((char *)dst + done, &value, size);
		done += size;
	}
	return done;
}

size_t mm_io_write(struct uiommu_mm *mm, uint64_t addr, const void *src, size_t length)
{
	size_t done = 0;

	while (done < length) {
		unsigned int size = mm_io_size(addr + done, length - done);
		uint64_t value = 0;

		memcpy(&value, (const char *)src + done, size);
		if (mm_io_store(mm, addr + done, value, size))
			break;
		done += size;
	}
	return done;
}

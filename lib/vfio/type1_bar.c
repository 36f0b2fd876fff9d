// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/type1_bar.c - a BAR as what a container's devices do DMA to
 *
 * In Linux a map of the first type takes what is behind an address, also the pages of a
 * BAR, which aren't memory.  From then on it has nothing to do with that address any more,
 * nor with the file that was mapped: devices reach the BAR, as long as it answers.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mm/io.h"
#include "mm/view.h"
#include "vfio/type1.h"

static int bar_read(void *opaque, unsigned int bar, uint64_t offset, uint64_t *value,
		    unsigned int size)
{
	return pci_mmio_read(opaque, bar, offset, size, value);
}

static int bar_write(void *opaque, unsigned int bar, uint64_t offset, uint64_t value,
		     unsigned int size)
{
	return pci_mmio_write(opaque, bar, offset, size, value);
}

static const struct mm_io_ops bar_io_ops = {
	.read = bar_read,
	.write = bar_write,
};

/* What @at is, for DMA; an ERR_PTR. */
static struct uiommu_mm *bar_of(struct uiommu *ctx, const struct uiommu_mapped *at,
				const struct vfio_iommu_type1_dma_map *dma, uint64_t *offset)
{
	int prot = dma->flags & VFIO_DMA_MAP_FLAG_WRITE ? PROT_WRITE : PROT_READ;
	struct uiommu_pci_device *pdev;
	struct uiommu_mm *mm;
	unsigned int bar;

	if (at->length < dma->size || !(at->prot & prot) ||
	    !vfio_mapping_bar(at->mapping, &pdev, &bar, offset) || !pci_mmio_answers(pdev))
		return UIOMMU_ERR_PTR(-EFAULT);
	*offset += at->offset;
	mm = mm_io_create(ctx, &bar_io_ops, pdev, bar);
	return mm ? mm : UIOMMU_ERR_PTR(-ENOMEM);
}

void vfio_type1_find_bar(struct uiommu *ctx, struct vfio_type1_map *map)
{
	const struct uiommu_host_ops *host = ctx->host;
	struct uiommu_mapped at = {.mapping = NULL};

	if (!host || !host->mapped || !mm_is_here(map->mm) ||
	    !host->mapped(ctx->opaque, map->arg.vaddr, map->arg.size, &at))
		return;
	map->bar = UIOMMU_ERR_PTR(-EFAULT);
	if (!at.mapping)
		return;
	map->bar = bar_of(ctx, &at, &map->arg, &map->bar_offset);
	uiommu_mapping_put(at.mapping);
}

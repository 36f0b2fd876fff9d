// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/mapping.c - pieces of BARs that clients have mapped
 *
 * Reached by single accesses, which the host makes of trapped loads and stores.
 */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "pci/pci.h"

/*
 * Refs: base.refs; holds a reference on the file, which keeps the device its driver's.
 * All immutable.
 */
struct pci_mapping {
	struct uiommu_mapping base;
	struct uiommu_pci_device *pdev;
	unsigned int bar;
	uint64_t offset;
	uint64_t length;
	uint32_t (*pasid)(struct uiommu *ctx);
};

static struct pci_mapping *mapping_of(struct uiommu_mapping *base)
{
	return ui_container_of(base, struct pci_mapping, base);
}

static int mapping_read(struct uiommu_mapping *base, uint64_t offset, uint64_t *value,
			unsigned int size)
{
	struct pci_mapping *mapping = mapping_of(base);

	if (offset >= mapping->length || mapping->length - offset < size)
		return -EIO;
	return pci_mmio_read(mapping->pdev, mapping->bar, mapping->offset + offset, size, value);
}

static int mapping_write(struct uiommu_mapping *base, uint64_t offset, uint64_t value,
			 unsigned int size)
{
	struct pci_mapping *mapping = mapping_of(base);

	if (offset >= mapping->length || mapping->length - offset < size)
		return -EIO;
	return pci_mmio_write(mapping->pdev, mapping->bar, mapping->offset + offset, size, value);
}

static bool block_inside(const struct pci_mapping *mapping, uint64_t offset)
{
	return offset < mapping->length && mapping->length - offset >= PCI_BLOCK;
}

static int mapping_write_block(struct uiommu_mapping *base, uint64_t offset, const void *data)
{
	struct pci_mapping *mapping = mapping_of(base);

	if (!block_inside(mapping, offset))
		return -EIO;
	return pci_mmio_write_block(mapping->pdev, mapping->bar, mapping->offset + offset, data);
}

/* As a processor with the MSR for it: the PASID is in the lowest 20 bits, the rest of 4 bytes 0. */
static int mapping_enqueue(struct uiommu_mapping *base, uint64_t offset, const void *data)
{
	struct pci_mapping *mapping = mapping_of(base);
	uint32_t pasid = mapping->pasid(mapping->pdev->ctx);
	uint8_t block[PCI_BLOCK];

	if (!block_inside(mapping, offset))
		return -EIO;
	if (!pasid)
		return -EPERM;
	memcpy(block, data, sizeof(block));
	memcpy(block, &pasid, sizeof(pasid));
	return pci_mmio_enqueue(mapping->pdev, mapping->bar, mapping->offset + offset, block);
}

/* What of the BAR's memory is in the mapping, if the byte is. */
static void *mapping_memory(struct uiommu_mapping *base, uint64_t *offset, uint64_t *length)
{
	struct pci_mapping *mapping = mapping_of(base);
	const struct pci_memory *memory = pci_memory_to_map(mapping->pdev, mapping->bar);
	uint64_t at = mapping->offset + *offset, start, end;

	if (!memory || at < memory->offset || at - memory->offset >= memory->length)
		return NULL;
	start = memory->offset > mapping->offset ? memory->offset : mapping->offset;
	end = memory->offset + memory->length;
	if (end > mapping->offset + mapping->length)
		end = mapping->offset + mapping->length;
	*offset = start - mapping->offset;
	*length = end - start;
	return (uint8_t *)memory->pages + (start - memory->offset);
}

static void mapping_release(struct uiommu_mapping *base)
{
	uiommu_file_put(base->file);
	ui_free(mapping_of(base));
}

static const struct ui_mapping_ops mapping_ops = {
	.read = mapping_read,
	.write = mapping_write,
	.write_block = mapping_write_block,
	.enqueue = mapping_enqueue,
	.memory = mapping_memory,
	.release = mapping_release,
};

bool pci_mapping_bar(struct uiommu_mapping *base, struct uiommu_pci_device **pdev,
		     unsigned int *bar, uint64_t *offset)
{
	struct pci_mapping *mapping = mapping_of(base);

	if (base->ops != &mapping_ops)
		return false;
	*pdev = mapping->pdev;
	*bar = mapping->bar;
	*offset = mapping->offset;
	return true;
}

struct uiommu_mapping *pci_mapping_create(struct uiommu_file *file, struct uiommu_pci_device *pdev,
					  unsigned int bar, uint64_t offset, uint64_t length,
					  uint32_t (*pasid)(struct uiommu *ctx))
{
	struct pci_mapping *mapping = ui_zalloc(sizeof(*mapping));

	if (!mapping)
		return NULL;
	mapping->base.ops = &mapping_ops;
	mapping->base.file = uiommu_file_get(file);
	ui_store_relaxed(&mapping->base.refs, 1);
	mapping->pdev = pdev;
	mapping->bar = bar;
	mapping->offset = offset;
	mapping->length = length;
	mapping->pasid = pasid;
	return &mapping->base;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/region.c - reading, writing and mapping the regions of a device
 *
 * A BAR is reached by naturally aligned accesses of 8, 4, 2 and 1 bytes,
 * whatever the caller's length; a mapped one by single accesses, which the host
 * makes of trapped loads and stores.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "sva/space.h"
#include "vfio/vfio.h"

#define PAGE 4096ull

/*
 * A mapped piece of a BAR.  Refs: base.refs; holds a reference on the file, which
 * keeps the device bound.
 */
struct vfio_mapping {
	struct uiommu_mapping base;
	struct uiommu_pci_device *pdev;
	unsigned int bar;
	uint64_t offset;
	uint64_t length;
};

/* ---- read and write ---- */

/* The widest access at @offset with @left bytes to go. */
static unsigned int access_size(uint64_t offset, size_t left)
{
	unsigned int size = 8;

	while (size > left || offset % size)
		size /= 2;
	return size;
}

static ssize_t config_rw(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf, size_t count,
			 uint64_t offset, bool write)
{
	uint8_t bytes[PCI_CFG_SIZE];
	int rc;

	if (offset > PCI_CFG_SIZE || count > PCI_CFG_SIZE - offset)
		return -EFAULT;
	if (write) {
		if (ui_copy_from_user(mm, bytes, buf, count))
			return -EFAULT;
		rc = pci_config_write(vdev->pdev, offset, bytes, count);
	} else {
		rc = pci_config_read_client(vdev->pdev, offset, bytes, count);
		if (!rc)
			rc = ui_copy_to_user(mm, buf, bytes, count);
	}
	return rc ? rc : (ssize_t)count;
}

static ssize_t bar_rw(struct vfio_device *vdev, struct uiommu_mm *mm, unsigned int bar,
		      uint64_t buf, size_t count, uint64_t offset, bool write)
{
	uint64_t value, length = vdev->pdev->bars[bar].size;
	size_t done;
	int rc;

	if (offset >= length)
		return -EINVAL;
	if (count > length - offset)
		count = length - offset;
	for (done = 0; done < count;) {
		unsigned int size = access_size(offset + done, count - done);

		/* The MSI-X table is there for those who map it; a call doesn't reach it. */
		bool table = pci_msix_is_table(vdev->pdev, bar, offset + done);

		value = table && !write ? ~0ull : 0;
		rc = 0;
		if (write) {
			rc = ui_copy_from_user(mm, &value, buf + done, size);
			if (!rc && !table)
				rc = pci_mmio_write(vdev->pdev, bar, offset + done, size, value);
		} else {
			if (!table)
				rc = pci_mmio_read(vdev->pdev, bar, offset + done, size, &value);
			if (!rc)
				rc = ui_copy_to_user(mm, buf + done, &value, size);
		}
		if (rc)
			return rc;
		done += size;
	}
	return (ssize_t)done;
}

static ssize_t region_rw(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf, size_t count,
			 uint64_t pos, bool write)
{
	uint64_t index = pos >> VFIO_OFFSET_SHIFT, offset = pos & VFIO_OFFSET_MASK;

	if (!count)
		return 0;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return config_rw(vdev, mm, buf, count, offset, write);
	if (index <= VFIO_PCI_BAR5_REGION_INDEX)
		return bar_rw(vdev, mm, (unsigned int)index, buf, count, offset, write);
	return -EINVAL;
}

ssize_t vfio_region_read(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf, size_t count,
			 uint64_t pos)
{
	return region_rw(vdev, mm, buf, count, pos, false);
}

ssize_t vfio_region_write(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf,
			  size_t count, uint64_t pos)
{
	ssize_t done = region_rw(vdev, mm, buf, count, pos, true);

	if (done > 0 && pos >> VFIO_OFFSET_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX) {
		ui_mutex_lock(&vdev->lock);
		vfio_config_changed_locked(vdev);
		ui_mutex_unlock(&vdev->lock);
	}
	return done;
}

/* ---- mmap ---- */

static struct vfio_mapping *mapping_of(struct uiommu_mapping *base)
{
	return ui_container_of(base, struct vfio_mapping, base);
}

static int mapping_read(struct uiommu_mapping *base, uint64_t offset, uint64_t *value,
			unsigned int size)
{
	struct vfio_mapping *mapping = mapping_of(base);

	if (offset >= mapping->length || mapping->length - offset < size)
		return -EIO;
	return pci_mmio_read(mapping->pdev, mapping->bar, mapping->offset + offset, size, value);
}

static int mapping_write(struct uiommu_mapping *base, uint64_t offset, uint64_t value,
			 unsigned int size)
{
	struct vfio_mapping *mapping = mapping_of(base);

	if (offset >= mapping->length || mapping->length - offset < size)
		return -EIO;
	return pci_mmio_write(mapping->pdev, mapping->bar, mapping->offset + offset, size, value);
}

static bool block_inside(const struct vfio_mapping *mapping, uint64_t offset)
{
	return offset < mapping->length && mapping->length - offset >= PCI_BLOCK;
}

static int mapping_write_block(struct uiommu_mapping *base, uint64_t offset, const void *data)
{
	struct vfio_mapping *mapping = mapping_of(base);

	if (!block_inside(mapping, offset))
		return -EIO;
	return pci_mmio_write_block(mapping->pdev, mapping->bar, mapping->offset + offset, data);
}

/* As a processor with the MSR for it: the PASID is in the lowest 20 bits, the rest of 4 bytes 0. */
static int mapping_enqueue(struct uiommu_mapping *base, uint64_t offset, const void *data)
{
	struct vfio_mapping *mapping = mapping_of(base);
	uint32_t pasid = sva_own_pasid(mapping->pdev->ctx);
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
	struct vfio_mapping *mapping = mapping_of(base);
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

static const struct ui_mapping_ops vfio_mapping_ops = {
	.read = mapping_read,
	.write = mapping_write,
	.write_block = mapping_write_block,
	.enqueue = mapping_enqueue,
	.memory = mapping_memory,
	.release = mapping_release,
};

bool vfio_mapping_bar(struct uiommu_mapping *base, struct uiommu_pci_device **pdev,
		      unsigned int *bar, uint64_t *offset)
{
	struct vfio_mapping *mapping = mapping_of(base);

	if (base->ops != &vfio_mapping_ops)
		return false;
	*pdev = mapping->pdev;
	*bar = mapping->bar;
	*offset = mapping->offset;
	return true;
}

/* What the kernel checks before any driver is asked. */
static int check_mmap(const struct uiommu_file *file, int prot, int flags, uint64_t offset,
		      size_t *length)
{
	int access = file->flags & O_ACCMODE;
	bool shared = (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

	if (!*length || offset % PAGE)
		return -EINVAL;
	if (*length > UINT64_MAX - PAGE)
		return -ENOMEM;
	*length = (*length + PAGE - 1) & ~(PAGE - 1);
	if (access == O_WRONLY || (shared && (prot & PROT_WRITE) && access != O_RDWR))
		return -EACCES;
	/* Shared, of a file that can't be written, is as good as private. */
	return shared && access == O_RDWR ? 0 : -EINVAL;
}

int vfio_region_mmap(struct uiommu_file *file, int prot, int flags, uint64_t offset, size_t length,
		     struct uiommu_mapping **out)
{
	uint64_t index = offset >> VFIO_OFFSET_SHIFT, start = offset & VFIO_OFFSET_MASK, size;
	struct vfio_file *vf = vfio_file_of(file);
	struct vfio_mapping *mapping;
	uint32_t region;
	int rc;

	rc = check_mmap(file, prot, flags, offset, &length);
	if (rc)
		return rc;
	if (!vfio_granted(vf) || !vfio_region_size(vf->vdev, index, &size, &region) ||
	    !(region & VFIO_REGION_INFO_FLAG_MMAP) || start > size || length > size - start)
		return -EINVAL;
	mapping = ui_zalloc(sizeof(*mapping));
	if (!mapping)
		return -ENOMEM;
	mapping->base.ops = &vfio_mapping_ops;
	mapping->base.file = uiommu_file_get(file);
	ui_store_relaxed(&mapping->base.refs, 1);
	mapping->pdev = vf->vdev->pdev;
	mapping->bar = (unsigned int)index;
	mapping->offset = start;
	mapping->length = length;
	*out = &mapping->base;
	return 0;
}

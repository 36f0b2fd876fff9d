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

#include "sva/space.h"
#include "vfio/vfio.h"

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

bool vfio_mapping_bar(struct uiommu_mapping *base, struct uiommu_pci_device **pdev,
		      unsigned int *bar, uint64_t *offset)
{
	return pci_mapping_bar(base, pdev, bar, offset) && base->file->ops == &vfio_device_ops;
}

int vfio_region_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		     uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	uint64_t index = offset >> VFIO_OFFSET_SHIFT, start = offset & VFIO_OFFSET_MASK, size;
	struct vfio_file *vf = vfio_file_of(file);
	uint32_t region;
	int rc;

	rc = ui_mmap_check(file, prot, flags, offset, &length);
	if (rc)
		return rc;
	/* Shared, of a file that can't be written, is as good as private. */
	if (!ui_mmap_shared(flags) || (file->flags & O_ACCMODE) != O_RDWR)
		return -EINVAL;
	if (!vfio_granted(vf) || !vfio_region_size(vf->vdev, index, &size, &region) ||
	    !(region & VFIO_REGION_INFO_FLAG_MMAP) || start > size || length > size - start)
		return -EINVAL;
	*out = pci_mapping_create(file, vf->vdev->pdev, (unsigned int)index, start, length,
				  sva_own_pasid);
	return *out ? 0 : -ENOMEM;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/info.c - what a device has: GET_INFO, regions, interrupts, features
 */
#include <errno.h>
#include <stddef.h>

#include "vfio/vfio.h"

long vfio_get_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	size_t minsz = offsetof(struct vfio_device_info, cap_offset);
	struct vfio_device_info info = {.argsz = 0};

	if (ui_copy_from_user(mm, &info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return ui_copy_to_user(mm, arg, &info,
			       info.argsz < sizeof(info) ? info.argsz : sizeof(info));
}

/* False: there is no such region, not even an empty one. */
bool vfio_region_size(struct vfio_device *vdev, uint64_t index, uint64_t *size, uint32_t *flags)
{
	*size = 0;
	*flags = 0;
	if (index <= VFIO_PCI_BAR5_REGION_INDEX) {
		*size = vdev->pdev->bars[index].size;
		if (*size)
			*flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
				 VFIO_REGION_INFO_FLAG_MMAP;
		return true;
	}
	if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
		*size = PCI_CFG_SIZE;
		*flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
		return true;
	}
	return index == VFIO_PCI_ROM_REGION_INDEX;
}

/* The BAR with the MSI-X table has a word that says: all of it may be mapped. */
long vfio_get_region_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_info_cap_header cap = {.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, .version = 1};
	const struct pci_msix *msix = &vdev->pdev->msix;
	struct vfio_region_info info;

	if (ui_copy_from_user(mm, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	if (!vfio_region_size(vdev, info.index, &info.size, &info.flags))
		return -EINVAL;
	info.offset = (uint64_t)info.index << VFIO_OFFSET_SHIFT;
	info.cap_offset = 0;
	if (msix->nr && info.index == msix->bar) {
		info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
		if (info.argsz < sizeof(info) + sizeof(cap)) {
			info.argsz = sizeof(info) + sizeof(cap);
		} else {
			info.cap_offset = sizeof(info);
			if (ui_copy_to_user(mm, arg + sizeof(info), &cap, sizeof(cap)))
				return -EFAULT;
		}
	}
	return ui_copy_to_user(mm, arg, &info, sizeof(info));
}

long vfio_get_irq_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_irq_info info;

	if (ui_copy_from_user(mm, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info) || info.index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info.flags = VFIO_IRQ_INFO_EVENTFD;
	if (info.index == VFIO_PCI_INTX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	else if (info.index != VFIO_PCI_MSIX_IRQ_INDEX)
		info.flags |= VFIO_IRQ_INFO_NORESIZE;
	info.count = vfio_irq_count(vdev, info.index);
	return ui_copy_to_user(mm, arg, &info, sizeof(info));
}

/* ---- features ---- */

/*
 * The common part of a feature that can be SET: 0: it was only probed; 1: do
 * it; or an error.
 */
static int check_set(uint32_t flags, uint32_t argsz, size_t size)
{
	if (flags & VFIO_DEVICE_FEATURE_GET)
		return -EINVAL;
	if (flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (!(flags & VFIO_DEVICE_FEATURE_SET))
		return -EINVAL;
	return argsz < sizeof(struct vfio_device_feature) + size ? -EINVAL : 1;
}

/*
 * Low power is a promise between client and kernel; the device itself keeps
 * its power state, so nothing else is to be seen of it.
 */
static long low_power_entry(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t data,
			    bool wakeup)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {.reserved = 0};
	void *eventfd = NULL;
	long rc = 0;

	if (wakeup) {
		if (ui_copy_from_user(mm, &entry, data, sizeof(entry)))
			return -EFAULT;
		if (entry.wakeup_eventfd < 0 || entry.reserved)
			return -EINVAL;
		eventfd = vfio_eventfd_get(vdev, mm, entry.wakeup_eventfd);
		if (UIOMMU_IS_ERR(eventfd))
			return UIOMMU_PTR_ERR(eventfd);
	}
	ui_mutex_lock(&vdev->lock);
	if (vdev->low_power) {
		rc = -EINVAL;
	} else {
		vdev->low_power = true;
		vdev->wakeup = eventfd;
		eventfd = NULL;
	}
	ui_mutex_unlock(&vdev->lock);
	vfio_eventfd_put(vdev, eventfd);
	return rc;
}

static long low_power_exit(struct vfio_device *vdev)
{
	void *eventfd;

	ui_mutex_lock(&vdev->lock);
	eventfd = vdev->wakeup;
	vdev->wakeup = NULL;
	vdev->low_power = false;
	ui_mutex_unlock(&vdev->lock);
	vfio_eventfd_put(vdev, eventfd);
	return 0;
}

long vfio_feature(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	const uint32_t both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	struct vfio_device_feature feature;
	size_t size = 0;
	bool wakeup;
	int rc;

	if (ui_copy_from_user(mm, &feature, arg, sizeof(feature)))
		return -EFAULT;
	if (feature.argsz < sizeof(feature) ||
	    (feature.flags & ~(both | VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_PROBE)))
		return -EINVAL;
	/* Only a probe may ask for both at once. */
	if (!(feature.flags & VFIO_DEVICE_FEATURE_PROBE) && (feature.flags & both) == both)
		return -EINVAL;

	switch (feature.flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
		wakeup = (feature.flags & VFIO_DEVICE_FEATURE_MASK) !=
			 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
		if (wakeup)
			size = sizeof(struct vfio_device_low_power_entry_with_wakeup);
		rc = check_set(feature.flags, feature.argsz, size);
		return rc <= 0 ? rc : low_power_entry(vdev, mm, arg + sizeof(feature), wakeup);
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		rc = check_set(feature.flags, feature.argsz, 0);
		return rc <= 0 ? rc : low_power_exit(vdev);
	case VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2:
		return -EINVAL; /* it belongs to another descriptor */
	default:
		return -ENOTTY;
	}
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/hot_reset.c - resetting a bus, with every function on it
 *
 * Who asks must have all of them: by the files of their groups, or because they, or others
 * of their groups, are bound to the same iommufd.
 */
#include <errno.h>
#include <stddef.h>

#include "vfio/group.h"
#include "vfio/vfio.h"

/* The functions of a bus, in the order in which their locks are taken. */
struct reset_set {
	struct vfio_device *vdev[256];
	unsigned int nr;
};

static bool collect_one(struct uiommu_pci_device *pdev, void *opaque)
{
	struct reset_set *set = opaque;

	set->vdev[set->nr++] = pdev->driver_data;
	return set->nr == sizeof(set->vdev) / sizeof(set->vdev[0]);
}

static void collect(struct vfio_device *vdev, struct reset_set *set)
{
	set->nr = 0;
	pci_bus_for_each(vdev->pdev, collect_one, set);
}

static void lock_all(struct reset_set *set)
{
	for (unsigned int i = 0; i < set->nr; i++)
		ui_mutex_lock(&set->vdev[i]->lock);
}

static void unlock_all(struct reset_set *set)
{
	for (unsigned int i = set->nr; i--;)
		ui_mutex_unlock(&set->vdev[i]->lock);
}

/* What @ictx calls it; OWNED: it has its group; NOT_OWNED. */
static uint32_t device_id(const struct vfio_device *vdev, const struct iommufd_ctx *ictx)
{
	/* On another driver it is nobody's who is here. */
	if (!vfio_is_bound(vdev))
		return (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
	if (vdev->idev && iommufd_device_ctx(vdev->idev) == ictx)
		return iommufd_device_to_id(vdev->idev);
	return iommufd_group_owner(vdev->ctx, vdev->group->iommu) == ictx ?
		       VFIO_PCI_DEVID_OWNED :
		       (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
}

/* ---- GET_PCI_HOT_RESET_INFO ---- */

static void fill_one(const struct vfio_device *vdev, const struct iommufd_ctx *ictx,
		     struct vfio_pci_dependent_device *entry, uint32_t *flags)
{
	const struct pci_address *address = &vdev->pdev->address;

	*entry = (struct vfio_pci_dependent_device){
		.group_id = vdev->group->id,
		.segment = address->domain,
		.bus = address->bus,
		.devfn = address->devfn,
	};
	if (!ictx)
		return;
	entry->devid = device_id(vdev, ictx);
	if (entry->devid == (uint32_t)VFIO_PCI_DEVID_NOT_OWNED)
		*flags &= ~(uint32_t)VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
}

static long fill_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg,
		      struct reset_set *set, uint32_t *flags)
{
	struct vfio_pci_dependent_device devices[256];
	const struct iommufd_ctx *ictx;
	unsigned int i;

	lock_all(set);
	/* IDs for a file of the node, groups for one of a group. */
	ictx = vdev->owner ? iommufd_device_ctx(vdev->idev) : NULL;
	if (ictx)
		*flags = VFIO_PCI_HOT_RESET_FLAG_DEV_ID | VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED;
	for (i = 0; i < set->nr; i++)
		fill_one(set->vdev[i], ictx, &devices[i], flags);
	unlock_all(set);
	return ui_copy_to_user(mm, arg + offsetof(struct vfio_pci_hot_reset_info, devices), devices,
			       set->nr * sizeof(devices[0]));
}

long vfio_get_hot_reset_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct vfio_pci_hot_reset_info info;
	struct reset_set set;
	long rc = 0;

	if (ui_copy_from_user(mm, &info, arg, sizeof(info)))
		return -EFAULT;
	if (info.argsz < sizeof(info))
		return -EINVAL;
	if (!pci_bus_resettable(vdev->pdev))
		return -ENODEV;
	info.flags = 0;
	collect(vdev, &set);
	info.count = set.nr;
	if (set.nr > (info.argsz - sizeof(info)) / sizeof(struct vfio_pci_dependent_device))
		rc = -ENOSPC;
	else
		rc = fill_info(vdev, mm, arg, &set, &info.flags);
	if (rc != -EFAULT && ui_copy_to_user(mm, arg, &info, sizeof(info)))
		rc = -EFAULT;
	return rc;
}

/* ---- PCI_HOT_RESET ---- */

/* Groups whose files were given; the files are held. */
struct reset_groups {
	struct uiommu_file *file[256];
	unsigned int nr;
};

static bool in_groups(const struct reset_groups *groups, const struct vfio_device *vdev)
{
	for (unsigned int i = 0; i < groups->nr; i++) {
		if (vfio_group_from_file(groups->file[i]) == vdev->group)
			return vfio_is_bound(vdev);
	}
	return false;
}

/* @groups: NULL: those of the iommufd that @vdev is bound to */
static long reset_set(struct vfio_device *vdev, struct reset_set *set,
		      const struct reset_groups *groups)
{
	const struct iommufd_ctx *ictx = NULL;
	bool owned = true;
	unsigned int i;
	int rc = 0;

	lock_all(set);
	if (!groups)
		ictx = iommufd_device_ctx(vdev->idev);
	for (i = 0; i < set->nr && owned; i++)
		owned = groups ?
				in_groups(groups, set->vdev[i]) :
				device_id(set->vdev[i], ictx) != (uint32_t)VFIO_PCI_DEVID_NOT_OWNED;
	if (!owned)
		rc = -EINVAL;
	for (i = 0; i < set->nr && !rc; i++) {
		rc = pci_reset(set->vdev[i]->pdev);
		vfio_config_changed_locked(set->vdev[i]);
	}
	unlock_all(set);
	return rc;
}

static long get_groups(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg, uint32_t count,
		       struct reset_groups *groups)
{
	int32_t fds[256];

	groups->nr = 0;
	if (ui_copy_from_user(mm, fds, arg, count * sizeof(fds[0])))
		return -EFAULT;
	while (groups->nr < count) {
		struct uiommu_file *file = ui_host_fget(vdev->ctx, mm, fds[groups->nr]);

		if (UIOMMU_IS_ERR(file))
			return UIOMMU_PTR_ERR(file) == -EBADF ? -EBADF : -EINVAL;
		groups->file[groups->nr++] = file;
		if (!vfio_group_from_file(file))
			return -EINVAL;
	}
	return 0;
}

long vfio_hot_reset(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg)
{
	struct reset_groups groups;
	struct vfio_pci_hot_reset reset;
	struct reset_set set;
	bool by_node;
	long rc;

	if (ui_copy_from_user(mm, &reset, arg, sizeof(reset)))
		return -EFAULT;
	if (reset.argsz < sizeof(reset) || reset.flags)
		return -EINVAL;
	ui_mutex_lock(&vdev->lock);
	by_node = vdev->owner;
	ui_mutex_unlock(&vdev->lock);
	/* No groups are named by who doesn't need them. */
	if (!reset.count != by_node)
		return -EINVAL;
	if (!pci_bus_resettable(vdev->pdev))
		return -ENODEV;
	collect(vdev, &set);
	if (by_node)
		return reset_set(vdev, &set, NULL);
	if (reset.count > set.nr)
		return -EINVAL;
	rc = get_groups(vdev, mm, arg + sizeof(reset), reset.count, &groups);
	if (!rc)
		rc = reset_set(vdev, &set, &groups);
	while (groups.nr)
		uiommu_file_put(groups.file[--groups.nr]);
	return rc;
}

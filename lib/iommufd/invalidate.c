// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/invalidate.c - HWPT_INVALIDATE: a guest flushes what it changed
 *
 * The entries are in the driver's format.  How many of them were done is told in
 * any case, also when the rest failed: the guest has to know which.
 */
#include "iommufd/hwpt.h"
#include "iommufd/viommu.h"
#include "uapi/iommufd.h"

/* Enough for any guest, and few enough that one call doesn't take for ever. */
#define MAX_ENTRIES (1u << 19)
#define MAX_ENTRY_LEN 4096

/* *entries becomes how many were done, of none that nobody looked at. */
static int invalidate(struct iommufd_object *obj, struct iommufd_user_array *array,
		      uint32_t *entries)
{
	struct iommufd_viommu *viommu;
	struct iommufd_hwpt *hwpt;
	int rc;

	*entries = 0;
	if (obj->ops == &iommufd_hwpt_nested_ops) {
		hwpt = iommufd_hwpt_of(obj);
		if (!hwpt->driver->cache_invalidate)
			return -EOPNOTSUPP;
		rc = hwpt->driver->cache_invalidate(hwpt, array);
	} else if (obj->ops == &iommufd_viommu_object_ops) {
		viommu = ui_container_of(obj, struct iommufd_viommu, obj);
		if (!viommu->ops->cache_invalidate)
			return -EOPNOTSUPP;
		rc = viommu->ops->cache_invalidate(viommu, array);
	} else {
		return -EINVAL;
	}
	*entries = array->entry_num;
	return rc;
}

static int invalidate_id(struct iommufd_ucmd *ucmd, uint32_t *entries)
{
	const struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	struct iommufd_user_array array = {
		.mm = ucmd->mm,
		.uptr = cmd->data_uptr,
		.type = cmd->data_type,
		.entry_len = cmd->entry_len,
		.entry_num = cmd->entry_num,
	};
	struct iommufd_object *obj;
	int rc;

	*entries = 0;
	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if (array.entry_num && (!array.uptr || !array.entry_len ||
				array.entry_len > MAX_ENTRY_LEN || array.entry_num > MAX_ENTRIES))
		return -EINVAL;
	obj = iommufd_get_object(ucmd->ictx, cmd->hwpt_id, NULL);
	if (!obj)
		return -ENOENT;
	rc = invalidate(obj, &array, entries);
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}

int iommufd_hwpt_invalidate(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	uint32_t entries;
	int rc = invalidate_id(ucmd, &entries);

	cmd->entry_num = entries;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ? -EFAULT : rc;
}

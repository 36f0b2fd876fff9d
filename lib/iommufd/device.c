// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/device.c - binding devices to a context; GET_HW_INFO
 *
 * A group of devices can't be told apart by its IOMMU, so it belongs to one
 * context as a whole: the first bind claims it, the last unbind lets it go.
 */
#include "iommufd/device.h"

#include "iommufd/iommufd.h"
#include "iommufd/vdevice.h"
#include "uapi/iommufd.h"

/* ---- groups ---- */

void iommufd_groups_init(struct iommufd_groups *groups)
{
	ui_mutex_init(&groups->lock);
	CDS_INIT_LIST_HEAD(&groups->list);
}

void iommufd_groups_destroy(struct iommufd_groups *groups)
{
	ui_mutex_destroy(&groups->lock);
	ui_free((void *)groups->spare);
}

static struct iommufd_group *group_find_locked(struct iommufd_groups *groups,
					       const struct uiommu_group *group)
{
	struct iommufd_group *igroup;

	cds_list_for_each_entry(igroup, &groups->list, node)
		if (igroup->group == group)
			return igroup;
	return NULL;
}

/* Is a domain attached that isn't ours?  Only asked while nothing of ours can be. */
static bool group_in_use(struct uiommu_group *group)
{
	struct uiommu_attach_handle *handle =
		uiommu_attach_handle_get(group, UIOMMU_NO_PASID, NULL);

	if (UIOMMU_IS_ERR(handle))
		return false;
	uiommu_attach_handle_put(handle);
	return true;
}

static struct iommufd_group *group_make_locked(struct iommufd_groups *groups,
					       struct iommufd_ctx *ictx, struct uiommu_group *group)
{
	struct iommufd_group *igroup;

	if (group_in_use(group))
		return UIOMMU_ERR_PTR(-EBUSY);
	igroup = ui_zalloc(sizeof(*igroup));
	if (!igroup)
		return UIOMMU_ERR_PTR(-ENOMEM);
	igroup->ictx = ictx;
	/* Put by group_leave(). */
	igroup->group = uiommu_group_get(group);
	CDS_INIT_LIST_HEAD(&igroup->devices);
	ui_mutex_init(&igroup->lock);
	cds_list_add(&igroup->node, &groups->list);
	return igroup;
}

static int group_join_locked(struct iommufd_groups *groups, struct iommufd_device *idev)
{
	struct uiommu_group *group = uiommu_device_group(idev->dev);
	struct iommufd_group *igroup = group_find_locked(groups, group);
	struct iommufd_device *other;

	if (!igroup)
		igroup = group_make_locked(groups, idev->ictx, group);
	else if (igroup->ictx != idev->ictx)
		return -EPERM;
	if (UIOMMU_IS_ERR(igroup))
		return (int)UIOMMU_PTR_ERR(igroup);
	cds_list_for_each_entry(other, &igroup->devices, node)
		if (other->dev == idev->dev)
			return -EBUSY;
	cds_list_add_tail(&idev->node, &igroup->devices);
	idev->igroup = igroup;
	return 0;
}

static void group_leave(struct iommufd_device *idev)
{
	struct iommufd_groups *groups = iommufd_groups_of(idev->ictx->file.ctx);
	struct iommufd_group *igroup = idev->igroup;
	bool last;

	ui_mutex_lock(&groups->lock);
	cds_list_del(&idev->node);
	last = cds_list_empty(&igroup->devices);
	if (last)
		cds_list_del(&igroup->node);
	ui_mutex_unlock(&groups->lock);
	if (!last)
		return;
	uiommu_group_put(igroup->group);
	ui_mutex_destroy(&igroup->lock);
	ui_free(igroup);
}

/* ---- devices ---- */

static void device_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_device *idev = ui_container_of(obj, struct iommufd_device, obj);

	if (idev->igroup)
		group_leave(idev);
	ui_free(idev);
}

const struct iommufd_object_ops iommufd_device_ops = {
	.name = "DEVICE",
	.destroy = device_destroy,
};

struct iommufd_device *iommufd_device_bind_driver(struct iommufd_ctx *ictx,
						  struct uiommu_device *dev,
						  const struct iommufd_driver *driver, uint32_t *id)
{
	struct iommufd_groups *groups = iommufd_groups_of(ictx->file.ctx);
	struct iommufd_device *idev = ui_zalloc(sizeof(*idev));
	int rc;

	if (!idev)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &idev->obj, &iommufd_device_ops);
	if (rc) {
		ui_free(idev);
		return UIOMMU_ERR_PTR(rc);
	}
	idev->ictx = ictx;
	idev->dev = dev;
	idev->driver = driver;

	ui_mutex_lock(&groups->lock);
	rc = group_join_locked(groups, idev);
	ui_mutex_unlock(&groups->lock);
	if (rc) {
		iommufd_object_abort(ictx, &idev->obj);
		return UIOMMU_ERR_PTR(rc);
	}

	/* Both are given back by iommufd_device_unbind(). */
	if (!driver->in_context)
		uiommu_file_get(&ictx->file);
	iommufd_use_object(ictx, &idev->obj);
	*id = idev->obj.id;
	iommufd_object_finalize(ictx, &idev->obj);
	return idev;
}

struct iommufd_device *iommufd_device_bind(struct iommufd_ctx *ictx, struct uiommu_device *dev,
					   uint32_t *id)
{
	return iommufd_device_bind_driver(ictx, dev, &iommufd_soft_driver, id);
}

void iommufd_device_unbind(struct iommufd_device *idev)
{
	bool in_context = idev->driver->in_context;
	struct iommufd_ctx *ictx = idev->ictx;

	iommufd_vdevice_unbind(idev);
	iommufd_object_destroy_wait(ictx, &idev->obj);
	if (!in_context)
		iommufd_ctx_put(ictx);
}

uint32_t iommufd_device_to_id(const struct iommufd_device *idev)
{
	return idev->obj.id;
}

struct iommufd_ctx *iommufd_device_ctx(const struct iommufd_device *idev)
{
	return idev->ictx;
}

const struct iommufd_ctx *iommufd_group_owner(struct uiommu *ctx, const struct uiommu_group *group)
{
	struct iommufd_groups *groups = iommufd_groups_of(ctx);
	const struct iommufd_group *igroup;
	const struct iommufd_ctx *ictx;

	ui_mutex_lock(&groups->lock);
	igroup = group_find_locked(groups, group);
	ictx = igroup ? igroup->ictx : NULL;
	ui_mutex_unlock(&groups->lock);
	return ictx;
}

bool iommufd_device_capable(const struct iommufd_device *idev, enum iommufd_cap cap)
{
	return idev->driver->capable && idev->driver->capable(idev->dev, cap);
}

/* ---- GET_HW_INFO ---- */

/* Writes zeros; -EFAULT. */
static int clear_user(struct uiommu_mm *mm, uint64_t addr, uint64_t length)
{
	static const unsigned char zeros[4096];

	while (length) {
		size_t n = length < sizeof(zeros) ? length : sizeof(zeros);

		if (ui_copy_to_user(mm, addr, zeros, n))
			return -EFAULT;
		addr += n;
		length -= n;
	}
	return 0;
}

static uint8_t log2_floor(uint32_t n)
{
	return n ? (uint8_t)(31 - __builtin_clz(n)) : 0;
}

static void fill_capabilities(const struct iommufd_device *idev, struct iommu_hw_info *cmd)
{
	cmd->out_max_pasid_log2 = log2_floor(uiommu_device_max_pasids(idev->dev));
	cmd->out_capabilities = 0;
	if (iommufd_device_capable(idev, IOMMUFD_CAP_DIRTY_TRACKING))
		cmd->out_capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (!uiommu_device_has_ats(idev->dev))
		cmd->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;
}

/* The driver's data and its type; what the caller has room for beyond is cleared. */
static int fill_data(const struct iommufd_ucmd *ucmd, const struct iommufd_device *idev)
{
	struct iommu_hw_info *cmd = ucmd->cmd;
	unsigned char buf[IOMMUFD_HW_INFO_MAX] = {0};
	uint32_t type = IOMMU_HW_INFO_TYPE_NONE, length = 0;
	uint32_t copied;
	int rc;

	if (idev->driver->hw_info) {
		if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
			type = cmd->in_data_type;
		rc = idev->driver->hw_info(idev->dev, &type, buf, &length);
		if (rc)
			return rc;
	}
	copied = cmd->data_len < length ? cmd->data_len : length;
	rc = ui_copy_to_user(ucmd->mm, cmd->data_uptr, buf, copied);
	if (!rc)
		rc = clear_user(ucmd->mm, cmd->data_uptr + copied, cmd->data_len - copied);
	cmd->out_data_type = type;
	cmd->data_len = length;
	return rc;
}

int iommufd_get_hw_info(struct iommufd_ucmd *ucmd)
{
	struct iommu_hw_info *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	struct iommufd_object *obj;
	int rc;

	if ((cmd->flags & ~(uint32_t)IOMMU_HW_INFO_FLAG_INPUT_TYPE) || cmd->__reserved[0] ||
	    cmd->__reserved[1] || cmd->__reserved[2])
		return -EOPNOTSUPP;
	obj = iommufd_get_object(ucmd->ictx, cmd->dev_id, &iommufd_device_ops);
	if (!obj)
		return -ENOENT;
	idev = ui_container_of(obj, struct iommufd_device, obj);
	rc = fill_data(ucmd, idev);
	if (!rc) {
		fill_capabilities(idev, cmd);
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	}
	iommufd_put_object(ucmd->ictx, obj);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/device.c - devices made by a test: their life, attachments and events
 *
 * MOCK_OP_DOMAIN makes a device, binds it to the context, and attaches it.  What
 * is bound is an object of iommufd's own; what DESTROY takes is ours, which
 * keeps the two IDs apart as Linux does.
 */
#include "iommufd/device.h"
#include "iommufd/iommufd.h"
#include "mock/mock.h"

#include <stdio.h>

#include <uiommu/iopf.h>

/* A PASID of a device that something is attached to. */
struct mock_pasid {
	struct cds_list_head node;
	uint32_t pasid;
};

/* ---- life ---- */

/* A test may end without having detached; Linux warns, and leaves a mess. */
static void detach_pasids(struct mock_device *mdev)
{
	struct mock_pasid *entry, *next;

	cds_list_for_each_entry_safe(entry, next, &mdev->pasids, node) {
		iommufd_device_detach(mdev->idev, entry->pasid);
		cds_list_del(&entry->node);
		ui_free(entry);
	}
}

/* Of any stage of being made; nobody finds it any more. */
static void mock_device_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct mock_device *mdev = ui_container_of(obj, struct mock_device, obj);
	struct mock_state *mock = ictx->file.ctx->mock;

	if (mdev->idev) {
		detach_pasids(mdev);
		iommufd_device_detach(mdev->idev, UIOMMU_NO_PASID);
		iommufd_device_unbind(mdev->idev);
	}
	if (mdev->dev)
		uiommu_device_unregister(mdev->dev);
	if (mdev->number >= 0) {
		ui_mutex_lock(&mock->lock);
		ui_ida_free(&mock->devices, (uint32_t)mdev->number);
		ui_mutex_unlock(&mock->lock);
	}
	ui_mutex_destroy(&mdev->pasids_lock);
	ui_mutex_destroy(&mdev->lock);
	ui_free(mdev);
}

static const struct iommufd_object_ops mock_device_object_ops = {
	.name = "SELFTEST",
	.destroy = mock_device_destroy,
};

static struct mock_device *mock_device_alloc(struct iommufd_ctx *ictx, uint32_t flags)
{
	struct mock_device *mdev = ui_zalloc(sizeof(*mdev));
	int rc;

	if (!mdev)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &mdev->obj, &mock_device_object_ops);
	if (rc) {
		ui_free(mdev);
		return UIOMMU_ERR_PTR(rc);
	}
	mdev->ictx = ictx;
	mdev->flags = flags;
	mdev->number = -1;
	ui_mutex_init(&mdev->lock);
	ui_mutex_init(&mdev->pasids_lock);
	CDS_INIT_LIST_HEAD(&mdev->pasids);
	for (unsigned int i = 0; i < MOCK_CACHES; i++)
		mdev->cache[i] = MOCK_CACHE_DEFAULT;
	return mdev;
}

/* The device appears behind the mock IOMMU. */
static int mock_device_add(struct mock_device *mdev)
{
	struct uiommu *ctx = mdev->ictx->file.ctx;
	struct uiommu_device_config config = {
		.drvdata = mdev,
		.ops = &mock_device_ops,
		.pri = true,
		/* Without the flag it has one that nobody can use, and so refuses all. */
		.max_pasids = mdev->flags & MOCK_DEVICE_PASID ? MOCK_MAX_PASIDS : 1,
	};
	char name[32];

	if (mdev->flags & ~(MOCK_DEVICE_NO_DIRTY | MOCK_DEVICE_PASID))
		return -EINVAL;
	ui_mutex_lock(&ctx->mock->lock);
	mdev->number = ui_ida_alloc(&ctx->mock->devices, 0, INT32_MAX);
	ui_mutex_unlock(&ctx->mock->lock);
	if (mdev->number < 0)
		return (int)mdev->number;
	snprintf(name, sizeof(name), "iommufd_mock%lld", (long long)mdev->number);
	config.name = name;
	return uiommu_device_register(ctx, &config, &mdev->dev);
}

int mock_domain(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	struct mock_device *mdev;
	uint32_t pt_id = cmd->id;
	int rc;

	mdev = mock_device_alloc(ucmd->ictx,
				 cmd->op == MOCK_OP_DOMAIN_FLAGS ? cmd->domain.flags : 0);
	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	/* If anything fails from here the dispatcher undoes it all. */
	ucmd->new_obj = &mdev->obj;
	rc = mock_device_add(mdev);
	if (rc)
		return rc;
	idev = iommufd_device_bind_driver(ucmd->ictx, mdev->dev, &mock_driver,
					  &cmd->domain.out_idev_id);
	if (UIOMMU_IS_ERR(idev))
		return (int)UIOMMU_PTR_ERR(idev);
	mdev->idev = idev;
	rc = iommufd_device_attach(idev, UIOMMU_NO_PASID, &pt_id);
	if (rc)
		return rc;
	cmd->domain.out_hwpt_id = pt_id;
	cmd->domain.out_stdev_id = mdev->obj.id;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

struct mock_device *mock_device_get(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_get_object(ictx, id, &mock_device_object_ops);

	return obj ? ui_container_of(obj, struct mock_device, obj) : UIOMMU_ERR_PTR(-ENOENT);
}

struct mock_device *mock_device_of_binding(struct iommufd_ctx *ictx, uint32_t idev_id,
					   struct iommufd_object **idev)
{
	struct iommufd_object *obj = iommufd_get_object(ictx, idev_id, &iommufd_device_ops);
	struct iommufd_device *found;

	if (!obj)
		return UIOMMU_ERR_PTR(-ENOENT);
	found = ui_container_of(obj, struct iommufd_device, obj);
	if (found->driver != &mock_driver) {
		iommufd_put_object(ictx, obj);
		return UIOMMU_ERR_PTR(-EINVAL);
	}
	*idev = obj;
	return uiommu_device_drvdata(found->dev);
}

/* ---- attachments ---- */

int mock_replace(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_device *mdev = mock_device_get(ucmd->ictx, cmd->id);
	uint32_t pt_id = cmd->replace.pt_id;
	int rc;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	rc = iommufd_device_replace(mdev->idev, UIOMMU_NO_PASID, &pt_id);
	if (!rc) {
		cmd->replace.pt_id = pt_id;
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	}
	iommufd_put_object(ucmd->ictx, &mdev->obj);
	return rc;
}

/* Takes note of a PASID, or of nothing if it is there; NULL: no memory. */
static struct mock_pasid *note_pasid(struct mock_device *mdev, uint32_t pasid)
{
	struct mock_pasid *entry;

	cds_list_for_each_entry(entry, &mdev->pasids, node)
		if (entry->pasid == pasid)
			return entry;
	entry = ui_zalloc(sizeof(*entry));
	if (!entry)
		return NULL;
	entry->pasid = pasid;
	cds_list_add(&entry->node, &mdev->pasids);
	return entry;
}

static void forget_pasid(struct mock_device *mdev, uint32_t pasid)
{
	struct mock_pasid *entry;

	cds_list_for_each_entry(entry, &mdev->pasids, node) {
		if (entry->pasid != pasid)
			continue;
		cds_list_del(&entry->node);
		ui_free(entry);
		return;
	}
}

int mock_pasid_attach(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_device *mdev = mock_device_get(ucmd->ictx, cmd->id);
	uint32_t pasid = cmd->pasid.pasid;
	int rc;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	ui_mutex_lock(&mdev->pasids_lock);
	/* One too many in the list does no harm: detach of nothing is silent. */
	rc = note_pasid(mdev, pasid) ? 0 : -ENOMEM;
	if (!rc)
		rc = iommufd_device_attach(mdev->idev, pasid, &cmd->pasid.pt_id);
	if (!rc) {
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
		if (rc) {
			iommufd_device_detach(mdev->idev, pasid);
			forget_pasid(mdev, pasid);
		}
	}
	ui_mutex_unlock(&mdev->pasids_lock);
	iommufd_put_object(ucmd->ictx, &mdev->obj);
	return rc;
}

int mock_pasid_replace(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_device *mdev = mock_device_get(ucmd->ictx, cmd->id);
	int rc;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	ui_mutex_lock(&mdev->pasids_lock);
	rc = iommufd_device_replace(mdev->idev, cmd->pasid.pasid, &cmd->pasid.pt_id);
	ui_mutex_unlock(&mdev->pasids_lock);
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	iommufd_put_object(ucmd->ictx, &mdev->obj);
	return rc;
}

int mock_pasid_detach(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_device *mdev = mock_device_get(ucmd->ictx, cmd->id);

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	ui_mutex_lock(&mdev->pasids_lock);
	iommufd_device_detach(mdev->idev, cmd->pasid.pasid);
	forget_pasid(mdev, cmd->pasid.pasid);
	ui_mutex_unlock(&mdev->pasids_lock);
	iommufd_put_object(ucmd->ictx, &mdev->obj);
	return 0;
}

/* ---- events ---- */

int mock_trigger_iopf(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_LAST_PAGE,
		.pasid = cmd->iopf.pasid,
		.grpid = cmd->iopf.grpid,
		.perm = cmd->iopf.perm,
		.addr = cmd->iopf.addr,
	};
	struct iommufd_object *idev;
	struct mock_device *mdev = mock_device_of_binding(ucmd->ictx, cmd->iopf.dev_id, &idev);

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	if (fault.pasid != UIOMMU_NO_PASID)
		fault.flags |= UIOMMU_FAULT_PASID_VALID;
	/* Who takes it, if anybody, is seen elsewhere. */
	uiommu_report_device_fault(mdev->dev, &fault);
	iommufd_put_object(ucmd->ictx, idev);
	return 0;
}

int mock_trigger_vevent(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_object *idev;
	struct mock_device *mdev = mock_device_of_binding(ucmd->ictx, cmd->vevent.dev_id, &idev);
	struct mock_vevent event;
	int rc = -ENOENT;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	/* While it is set the nested hwpt is attached, and keeps the viommu. */
	ui_mutex_lock(&mdev->lock);
	if (mdev->viommu && mdev->virt_id) {
		event.virt_id = (uint32_t)mdev->virt_id;
		rc = iommufd_viommu_report_event(mdev->viommu, MOCK_VEVENTQ_TYPE, &event,
						 sizeof(event));
	}
	ui_mutex_unlock(&mdev->lock);
	iommufd_put_object(ucmd->ictx, idev);
	return rc;
}

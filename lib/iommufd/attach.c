// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/attach.c - attach, replace, detach of bound devices
 *
 * Vocabulary: a struct iommufd_attach is what a (group, PASID) has; it lists
 * the devices that asked for it, each of which uses the hwpt.  At a replace it
 * moves from the old handle to the new one, with all its devices.
 *
 * Reserved ranges belong to requests without a PASID only: each device adds its
 * own to the IOAS it is attached to, and takes them away again.
 */
#include "iommufd/attach.h"

#include "iommufd/device.h"
#include "iommufd/fault.h"
#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"
#include "iommufd/iommufd.h"

/* All: igroup->lock. */
struct attached_device {
	struct cds_list_head node;
	struct iommufd_device *idev;
};

/* All: igroup->lock. */
struct iommufd_attach {
	struct iommufd_hwpt *hwpt;
	struct cds_list_head devices;
	unsigned int nr_devices;
};

/*
 * How attach and replace plug into what finds the hwpt.  Return: 0, with *old
 * set to a hwpt that the caller puts once it holds no lock, or NULL.
 */
typedef int (*attach_fn)(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			 struct iommufd_hwpt **old);

/* ---- handles ---- */

static void handle_drain(struct uiommu_attach_handle *handle)
{
	struct iommufd_hwpt *hwpt =
		ui_container_of(uiommu_attach_handle_domain(handle), struct iommufd_hwpt, domain);

	if (hwpt->fault)
		iommufd_fault_drain(hwpt->fault, handle);
}

static void handle_release(struct uiommu_attach_handle *handle)
{
	struct iommufd_attach_handle *released =
		ui_container_of(handle, struct iommufd_attach_handle, handle);

	/* For the next one: a replace needs one and lets go of one. */
	ui_free((void *)ui_xchg(&iommufd_groups_of(handle->ctx)->spare, (uintptr_t)released));
}

static const struct uiommu_handle_ops iommufd_handle_ops = {
	.name = "iommufd",
	.drain = handle_drain,
	.release = handle_release,
};

uint32_t iommufd_handle_device_id(struct uiommu_attach_handle *handle)
{
	return ui_container_of(handle, struct iommufd_attach_handle, handle)->dev_id;
}

/* One reference, the caller's; ERR_PTR. */
static struct iommufd_attach_handle *handle_alloc(struct iommufd_device *idev,
						  struct iommufd_attach *attach)
{
	struct iommufd_groups *groups = iommufd_groups_of(idev->ictx->file.ctx);
	struct iommufd_attach_handle *handle = (void *)ui_xchg(&groups->spare, 0);
	int rc;

	/* Only the memory is used again. */
	if (handle)
		*handle = (struct iommufd_attach_handle){0};
	else
		handle = ui_zalloc(sizeof(*handle));
	if (!handle)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = uiommu_attach_handle_init(idev->ictx->file.ctx, &handle->handle, &iommufd_handle_ops);
	if (rc) {
		ui_free(handle);
		return UIOMMU_ERR_PTR(rc);
	}
	handle->dev_id = idev->obj.id;
	handle->attach = attach;
	return handle;
}

/* ---- attachments ---- */

/*
 * What iommufd has attached there, or NULL.  Needs igroup->lock: only under it
 * do our handles come and go, so the reference of the look-up isn't kept.  The
 * slot that every device has, and that is asked for most, is noted beside.
 */
static struct iommufd_attach *attach_find(struct iommufd_group *igroup, uint32_t pasid)
{
	struct uiommu_attach_handle *handle;
	struct iommufd_attach *attach;

	ui_mutex_assert_held(&igroup->lock);
	if (pasid == UIOMMU_NO_PASID)
		return igroup->rid;
	handle = uiommu_attach_handle_get(igroup->group, pasid, &iommufd_handle_ops);
	if (UIOMMU_IS_ERR(handle))
		return NULL;
	attach = ui_container_of(handle, struct iommufd_attach_handle, handle)->attach;
	uiommu_attach_handle_put(handle);
	return attach;
}

static struct attached_device *attach_device_of(struct iommufd_attach *attach,
						const struct iommufd_device *idev)
{
	struct attached_device *entry;

	cds_list_for_each_entry(entry, &attach->devices, node)
		if (entry->idev == idev)
			return entry;
	return NULL;
}

/*
 * May this hwpt be what @pasid of the group uses?  With PASIDs in use the
 * tables of the RID and of every PASID must have been made for that.
 */
static int check_pasid(struct iommufd_group *igroup, uint32_t pasid,
		       const struct iommufd_hwpt *hwpt)
{
	struct iommufd_attach *rid;

	if (hwpt->pasid_compat && pasid == UIOMMU_NO_PASID)
		return 0;
	if (pasid == UIOMMU_NO_PASID)
		return igroup->nr_pasids ? -EINVAL : 0;
	if (!hwpt->pasid_compat)
		return -EINVAL;
	rid = attach_find(igroup, UIOMMU_NO_PASID);
	return rid && !rid->hwpt->pasid_compat ? -EINVAL : 0;
}

/* Page requests can only come from a device that can make them. */
static int check_fault(const struct iommufd_device *idev, const struct iommufd_hwpt *hwpt)
{
	return hwpt->fault && !uiommu_device_has_pri(idev->dev) ? -ENODEV : 0;
}

static int check_hwpt(struct iommufd_device *idev, uint32_t pasid, const struct iommufd_hwpt *hwpt)
{
	int rc = check_pasid(idev->igroup, pasid, hwpt);

	return rc ? rc : check_fault(idev, hwpt);
}

static int reserve(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	const struct iommufd_resv_region *region;
	unsigned int count = 0;
	int rc = 0;

	if (pasid != UIOMMU_NO_PASID)
		return 0;
	if (ui_should_fail())
		return -EINVAL;
	if (!idev->driver->resv_regions)
		return 0;
	region = idev->driver->resv_regions(idev->dev, &count);
	for (unsigned int i = 0; i < count && !rc; i++)
		rc = iopt_reserve(hwpt->ioas->iopt, region[i].first_iova, region[i].last_iova,
				  idev);
	if (rc)
		iopt_unreserve(hwpt->ioas->iopt, idev);
	return rc;
}

static void unreserve(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	if (pasid == UIOMMU_NO_PASID)
		iopt_unreserve(hwpt->ioas->iopt, idev);
}

/* ---- attach ---- */

/* The first device of the group: @entry becomes the only one of a new attachment. */
static int attach_first(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			struct attached_device *entry)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach = ui_zalloc(sizeof(*attach));
	struct iommufd_attach_handle *handle;
	int rc;

	if (!attach)
		return -ENOMEM;
	handle = handle_alloc(idev, attach);
	if (UIOMMU_IS_ERR(handle)) {
		rc = (int)UIOMMU_PTR_ERR(handle);
		goto out_free;
	}
	attach->hwpt = hwpt;
	attach->nr_devices = 1;
	CDS_INIT_LIST_HEAD(&attach->devices);
	cds_list_add(&entry->node, &attach->devices);

	rc = check_hwpt(idev, pasid, hwpt);
	if (!rc)
		rc = uiommu_attach_group_handle(&hwpt->domain, igroup->group, pasid,
						&handle->handle);
	if (rc)
		goto out_put_handle;
	if (pasid == UIOMMU_NO_PASID)
		igroup->rid = attach;
	else
		igroup->nr_pasids++;
	return 0;

out_put_handle:
	uiommu_attach_handle_put(&handle->handle);
out_free:
	ui_free(attach);
	return rc;
}

static int attach_locked(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	struct iommufd_attach *attach = attach_find(idev->igroup, pasid);
	struct attached_device *entry;
	int rc;

	if (attach && attach_device_of(attach, idev))
		return -EBUSY;
	if (attach && attach->hwpt != hwpt)
		return -EINVAL;
	entry = ui_zalloc(sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->idev = idev;
	rc = reserve(idev, pasid, hwpt);
	if (rc)
		goto out_free;

	if (attach) {
		cds_list_add_tail(&entry->node, &attach->devices);
		attach->nr_devices++;
	} else {
		rc = attach_first(idev, pasid, hwpt, entry);
		if (rc)
			goto out_unreserve;
	}
	/* Put by iommufd_device_detach(), or by a replace. */
	iommufd_use_object(idev->ictx, &hwpt->obj);
	return 0;

out_unreserve:
	unreserve(idev, pasid, hwpt);
out_free:
	ui_free(entry);
	return rc;
}

static int do_attach(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
		     struct iommufd_hwpt **old)
{
	int rc;

	ui_mutex_lock(&idev->igroup->lock);
	rc = attach_locked(idev, pasid, hwpt);
	ui_mutex_unlock(&idev->igroup->lock);
	*old = NULL;
	return rc;
}

/* ---- replace ---- */

static void unreserve_all(struct iommufd_attach *attach, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	struct attached_device *entry;

	cds_list_for_each_entry(entry, &attach->devices, node)
		unreserve(entry->idev, pasid, hwpt);
}

static int reserve_all(struct iommufd_attach *attach, uint32_t pasid, struct iommufd_hwpt *hwpt)
{
	struct attached_device *entry;
	int rc;

	cds_list_for_each_entry(entry, &attach->devices, node) {
		rc = reserve(entry->idev, pasid, hwpt);
		if (rc) {
			unreserve_all(attach, pasid, hwpt);
			return rc;
		}
	}
	return 0;
}

/* Switches the slot; the attachment moves into the new handle. */
static int switch_handle(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			 struct iommufd_attach *attach)
{
	struct iommufd_attach_handle *handle;
	int rc;

	rc = check_hwpt(idev, pasid, hwpt);
	if (rc)
		return rc;
	handle = handle_alloc(idev, attach);
	if (UIOMMU_IS_ERR(handle))
		return (int)UIOMMU_PTR_ERR(handle);
	rc = uiommu_replace_group_handle(&hwpt->domain, idev->igroup->group, pasid,
					 &handle->handle);
	if (rc)
		uiommu_attach_handle_put(&handle->handle);
	return rc;
}

/* On success the caller has one use of *old. */
static int replace_locked(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			  struct iommufd_hwpt **old)
{
	struct iommufd_attach *attach = attach_find(idev->igroup, pasid);
	struct iommufd_hwpt *from;
	bool moves;
	int rc;

	if (!attach || !attach_device_of(attach, idev))
		return -EINVAL;
	from = attach->hwpt;
	if (from == hwpt)
		return 0;

	moves = from->ioas != hwpt->ioas;
	if (moves) {
		rc = reserve_all(attach, pasid, hwpt);
		if (rc)
			return rc;
	}
	rc = switch_handle(idev, pasid, hwpt, attach);
	if (rc) {
		if (moves)
			unreserve_all(attach, pasid, hwpt);
		return rc;
	}
	if (moves)
		unreserve_all(attach, pasid, from);

	attach->hwpt = hwpt;
	/* Each device's use moves over; the last one of the old is the caller's to put. */
	for (unsigned int i = 0; i < attach->nr_devices; i++) {
		iommufd_use_object(idev->ictx, &hwpt->obj);
		if (i)
			iommufd_put_object(idev->ictx, &from->obj);
	}
	*old = from;
	return 0;
}

static int do_replace(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
		      struct iommufd_hwpt **old)
{
	int rc;

	*old = NULL;
	ui_mutex_lock(&idev->igroup->lock);
	rc = replace_locked(idev, pasid, hwpt, old);
	ui_mutex_unlock(&idev->igroup->lock);
	return rc;
}

/* ---- finding the hwpt ---- */

/*
 * The automatic hwpt that follows @prev (NULL: the first) on an IOAS, with a
 * use; @prev's is put.
 */
static struct iommufd_hwpt *next_automatic(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
					   struct iommufd_hwpt *prev)
{
	struct cds_list_head *pos;
	struct iommufd_hwpt *hwpt = NULL;

	ui_mutex_lock(&ictx->lock);
	/* In the list as long as we use it. */
	pos = prev ? prev->node.next : ioas->hwpts.next;
	for (; pos != &ioas->hwpts; pos = pos->next) {
		struct iommufd_hwpt *candidate = cds_list_entry(pos, struct iommufd_hwpt, node);

		/* One that nothing uses any more is on its way out. */
		if (candidate->obj.automatic && candidate->obj.users > 1) {
			hwpt = candidate;
			hwpt->obj.users++;
			break;
		}
	}
	ui_mutex_unlock(&ictx->lock);
	if (prev)
		iommufd_put_object(ictx, &prev->obj);
	return hwpt;
}

/*
 * Attach comes before what is mapped is looked at, and replace after it: if both
 * have something to object, that decides which error is seen, and Linux has it
 * so.
 */
static int attach_and_join(struct iommufd_device *idev, uint32_t pasid, struct iommufd_hwpt *hwpt,
			   attach_fn attach, struct iommufd_hwpt **old)
{
	int rc;

	if (attach != do_attach) {
		rc = iommufd_hwpt_join(hwpt);
		return rc ? rc : attach(idev, pasid, hwpt, old);
	}
	rc = attach(idev, pasid, hwpt, old);
	if (rc)
		return rc;
	rc = iommufd_hwpt_join(hwpt);
	if (rc)
		iommufd_device_detach(idev, pasid);
	return rc;
}

/* Nobody has one that would do: make it.  Needs ioas->lock. */
static int attach_new(struct iommufd_device *idev, uint32_t pasid, struct iommufd_ioas *ioas,
		      uint32_t *pt_id, attach_fn attach, struct iommufd_hwpt **old)
{
	struct iommufd_ctx *ictx = idev->ictx;
	struct iommufd_hwpt *hwpt;
	int rc;

	hwpt = iommufd_hwpt_alloc_paging(idev, ioas, 0, NULL);
	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	rc = attach_and_join(idev, pasid, hwpt, attach, old);
	if (rc) {
		iommufd_object_abort(ictx, &hwpt->obj);
		return rc;
	}
	*pt_id = hwpt->obj.id;
	/* Its life hangs on its users from now on; ours, in case they are gone already. */
	ui_mutex_lock(&ictx->lock);
	hwpt->obj.automatic = true;
	hwpt->obj.users++;
	ui_mutex_unlock(&ictx->lock);
	iommufd_object_finalize(ictx, &hwpt->obj);
	iommufd_put_object(ictx, &hwpt->obj);
	return 0;
}

/* An automatic hwpt of the IOAS: one that is there, or a new one. */
static int attach_ioas(struct iommufd_device *idev, uint32_t pasid, struct iommufd_ioas *ioas,
		       uint32_t *pt_id, attach_fn attach, struct iommufd_hwpt **old)
{
	struct iommufd_hwpt *hwpt = NULL;
	int rc = -EINVAL;

	ui_mutex_lock(&ioas->lock);
	/* -EINVAL: this one doesn't suit; anything else is an answer. */
	while (rc == -EINVAL && (hwpt = next_automatic(idev->ictx, ioas, hwpt))) {
		rc = attach(idev, pasid, hwpt, old);
		if (!rc)
			*pt_id = hwpt->obj.id;
	}
	if (hwpt)
		iommufd_put_object(idev->ictx, &hwpt->obj);
	else
		rc = attach_new(idev, pasid, ioas, pt_id, attach, old);
	ui_mutex_unlock(&ioas->lock);
	return rc;
}

static int change_pt(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id, attach_fn attach)
{
	struct iommufd_ctx *ictx = idev->ictx;
	struct iommufd_object *pt = iommufd_get_object(ictx, *pt_id, NULL);
	struct iommufd_hwpt *old = NULL;
	int rc = -EINVAL;

	if (!pt)
		return -ENOENT;
	if (iommufd_hwpt_is(pt)) {
		rc = attach(idev, pasid, iommufd_hwpt_of(pt), &old);
	} else if (pt->ops == &iommufd_ioas_ops) {
		struct iommufd_ioas *ioas = ui_container_of(pt, struct iommufd_ioas, obj);

		rc = attach_ioas(idev, pasid, ioas, pt_id, attach, &old);
	}
	iommufd_put_object(ictx, pt);
	if (old)
		iommufd_put_object(ictx, &old->obj);
	return rc;
}

int iommufd_device_attach(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id)
{
	return change_pt(idev, pasid, pt_id, do_attach);
}

int iommufd_device_replace(struct iommufd_device *idev, uint32_t pasid, uint32_t *pt_id)
{
	return change_pt(idev, pasid, pt_id, do_replace);
}

/* ---- detach ---- */

/* Takes @idev out; the hwpt whose use it had, or NULL. */
static struct iommufd_hwpt *detach_locked(struct iommufd_device *idev, uint32_t pasid)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach = attach_find(igroup, pasid);
	struct attached_device *entry = attach ? attach_device_of(attach, idev) : NULL;
	struct iommufd_hwpt *hwpt;

	if (!entry)
		return NULL;
	hwpt = attach->hwpt;
	cds_list_del(&entry->node);
	ui_free(entry);
	if (--attach->nr_devices == 0) {
		uiommu_detach_group_handle(igroup->group, pasid, NULL);
		if (pasid == UIOMMU_NO_PASID)
			igroup->rid = NULL;
		else
			igroup->nr_pasids--;
		ui_free(attach);
	}
	unreserve(idev, pasid, hwpt);
	return hwpt;
}

void iommufd_device_detach(struct iommufd_device *idev, uint32_t pasid)
{
	struct iommufd_hwpt *hwpt;

	ui_mutex_lock(&idev->igroup->lock);
	hwpt = detach_locked(idev, pasid);
	ui_mutex_unlock(&idev->igroup->lock);
	if (hwpt)
		iommufd_put_object(idev->ictx, &hwpt->obj);
}

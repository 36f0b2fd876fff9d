// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/hwpt.c - HWPT_ALLOC, and what paging and nested hwpts have in common
 */
#include "iommufd/hwpt.h"

#include "iommufd/device.h"
#include "iommufd/fault.h"
#include "iommufd/ioas.h"
#include "iommufd/viommu.h"
#include "uapi/iommufd.h"

/* ---- the domain ---- */

static int hwpt_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			  struct uiommu_span *span)
{
	struct iommufd_hwpt *hwpt = ui_container_of(domain, struct iommufd_hwpt, domain);

	/* Attached, or DMA would not have got here: so the IOAS is there too. */
	return iopt_translate(hwpt->ioas->iopt, iova, perm, span);
}

static void hwpt_dirty(struct uiommu_domain *domain, uint64_t iova, uint64_t length)
{
	iopt_dirty_mark(&ui_container_of(domain, struct iommufd_hwpt, domain)->dirty, iova, length);
}

static void hwpt_free(struct uiommu_domain *domain)
{
	struct iommufd_hwpt *hwpt = ui_container_of(domain, struct iommufd_hwpt, domain);

	if (hwpt->driver && hwpt->driver->free_hwpt)
		hwpt->driver->free_hwpt(hwpt);
	if (hwpt->fault)
		iommufd_fault_put_memory(hwpt->fault);
	iopt_dirty_destroy(&hwpt->dirty);
	ui_free(hwpt);
}

static const struct uiommu_domain_ops paging_domain_ops = {
	.translate = hwpt_translate,
	.steady = true,
	.free = hwpt_free,
};

static const struct uiommu_domain_ops dirty_domain_ops = {
	.translate = hwpt_translate,
	.steady = true,
	.dirty = hwpt_dirty,
	.free = hwpt_free,
};

/* A guest's table, in a format that only the driver knows: nothing is mapped. */
static const struct uiommu_domain_ops nested_domain_ops = {
	.free = hwpt_free,
};

struct iommufd_hwpt *iommufd_hwpt_of_domain(struct uiommu_domain *domain)
{
	if (domain->ops != &paging_domain_ops && domain->ops != &dirty_domain_ops &&
	    domain->ops != &nested_domain_ops)
		return NULL;
	return ui_container_of(domain, struct iommufd_hwpt, domain);
}

/* ---- the object ---- */

static void hwpt_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_hwpt *hwpt = iommufd_hwpt_of(obj);

	if (hwpt->parent) {
		iommufd_put_object(ictx, hwpt->viommu ? &hwpt->viommu->obj : &hwpt->parent->obj);
	} else {
		ui_mutex_lock(&ictx->lock);
		cds_list_del(&hwpt->node);
		ui_mutex_unlock(&ictx->lock);
		if (hwpt->on_iopt)
			iopt_remove_domain(hwpt->ioas->iopt, hwpt);
		iommufd_put_object(ictx, &hwpt->ioas->obj);
	}
	if (hwpt->fault)
		iommufd_put_object(ictx, &hwpt->fault->obj);
	uiommu_domain_put(&hwpt->domain);
}

const struct iommufd_object_ops iommufd_hwpt_ops = {
	.name = "HWPT",
	.destroy = hwpt_destroy,
};

const struct iommufd_object_ops iommufd_hwpt_nested_ops = {
	.name = "HWPT_NESTED",
	.destroy = hwpt_destroy,
};

/* ---- paging ---- */

static struct iommufd_hwpt *alloc_paging_object(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
						uint32_t flags)
{
	struct iommufd_hwpt *hwpt = ui_zalloc(sizeof(*hwpt));
	int rc;

	if (!hwpt)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &hwpt->obj, &iommufd_hwpt_ops);
	if (rc) {
		ui_free(hwpt);
		return UIOMMU_ERR_PTR(rc);
	}
	hwpt->has_dirty = flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
	hwpt->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	uiommu_domain_init(ictx->file.ctx, &hwpt->domain, UIOMMU_DOMAIN_PAGING,
			   hwpt->has_dirty ? &dirty_domain_ops : &paging_domain_ops);
	hwpt->ioas = ioas;
	/* Put by hwpt_destroy(). */
	ui_mutex_lock(&ictx->lock);
	ioas->obj.users++;
	cds_list_add_tail(&hwpt->node, &ioas->hwpts);
	ui_mutex_unlock(&ictx->lock);
	return hwpt;
}

struct iommufd_hwpt *iommufd_hwpt_alloc_paging(struct iommufd_device *idev,
					       struct iommufd_ioas *ioas, uint32_t flags,
					       const struct iommufd_user_data *data)
{
	const uint32_t known = IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			       IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	struct iommufd_hwpt *hwpt;
	int rc;

	if (flags & ~known)
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) &&
	    !iommufd_device_capable(idev, IOMMUFD_CAP_DIRTY_TRACKING))
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	if ((flags & IOMMU_HWPT_FAULT_ID_VALID) && (flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);

	hwpt = alloc_paging_object(idev->ictx, ioas, flags);
	if (UIOMMU_IS_ERR(hwpt))
		return hwpt;
	rc = idev->driver->alloc_paging(hwpt, idev->dev, flags & ~IOMMU_HWPT_FAULT_ID_VALID, data);
	if (rc) {
		iommufd_object_abort(idev->ictx, &hwpt->obj);
		return UIOMMU_ERR_PTR(rc);
	}
	hwpt->driver = idev->driver;
	/* No area is smaller than a page of the table, so none shares a dirty bit. */
	iopt_dirty_init(&hwpt->dirty, (unsigned int)__builtin_ctzll(hwpt->geometry.alignment),
			hwpt->geometry.last_iova);
	return hwpt;
}

int iommufd_hwpt_join(struct iommufd_hwpt *hwpt)
{
	const struct iommufd_geometry *geometry = &hwpt->geometry;
	struct iopt *iopt = hwpt->ioas->iopt;
	int rc;

	rc = iopt_add_domain(iopt, hwpt, geometry->first_iova, geometry->last_iova,
			     geometry->pgsizes ? geometry->pgsizes : geometry->alignment);
	hwpt->on_iopt = !rc;
	if (!rc && hwpt->has_dirty)
		iopt_watch_dirty(iopt, hwpt, &hwpt->dirty);
	return rc;
}

/* ---- nested ---- */

static struct iommufd_hwpt *alloc_nested_object(struct iommufd_ctx *ictx,
						struct iommufd_hwpt *parent,
						struct iommufd_viommu *viommu, uint32_t flags)
{
	struct iommufd_hwpt *hwpt = ui_zalloc(sizeof(*hwpt));
	int rc;

	if (!hwpt)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &hwpt->obj, &iommufd_hwpt_nested_ops);
	if (rc) {
		ui_free(hwpt);
		return UIOMMU_ERR_PTR(rc);
	}
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	uiommu_domain_init(ictx->file.ctx, &hwpt->domain, UIOMMU_DOMAIN_NESTED, &nested_domain_ops);
	hwpt->parent = parent;
	hwpt->viommu = viommu;
	hwpt->ioas = parent->ioas;
	/* Put by hwpt_destroy(). */
	iommufd_use_object(ictx, viommu ? &viommu->obj : &parent->obj);
	return hwpt;
}

/* @viommu: the one that it is on; NULL: on the parent alone. */
static struct iommufd_hwpt *alloc_nested(struct iommufd_device *idev, struct iommufd_hwpt *parent,
					 struct iommufd_viommu *viommu, uint32_t flags,
					 const struct iommufd_user_data *data)
{
	struct iommufd_hwpt *hwpt = alloc_nested_object(idev->ictx, parent, viommu, flags);
	int rc;

	if (UIOMMU_IS_ERR(hwpt))
		return hwpt;
	flags &= ~IOMMU_HWPT_FAULT_ID_VALID;
	if (viommu)
		rc = viommu->ops->alloc_nested(viommu, hwpt, flags, data);
	else
		rc = idev->driver->alloc_nested(hwpt, idev->dev, parent, flags, data);
	if (rc) {
		iommufd_object_abort(idev->ictx, &hwpt->obj);
		return UIOMMU_ERR_PTR(rc);
	}
	hwpt->driver = idev->driver;
	return hwpt;
}

static bool nested_flags_known(uint32_t flags)
{
	return !(flags & ~(uint32_t)(IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID));
}

static struct iommufd_hwpt *alloc_on_parent(struct iommufd_device *idev,
					    struct iommufd_hwpt *parent, uint32_t flags,
					    const struct iommufd_user_data *data)
{
	if (!nested_flags_known(flags) || !data || !idev->driver->alloc_nested)
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	if (!parent->nest_parent || parent->driver != idev->driver)
		return UIOMMU_ERR_PTR(-EINVAL);
	return alloc_nested(idev, parent, NULL, flags, data);
}

static struct iommufd_hwpt *alloc_on_viommu(struct iommufd_device *idev,
					    struct iommufd_viommu *viommu, uint32_t flags,
					    const struct iommufd_user_data *data)
{
	if (viommu->driver != idev->driver)
		return UIOMMU_ERR_PTR(-EINVAL);
	if (!nested_flags_known(flags) || !data || !viommu->ops->alloc_nested)
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	return alloc_nested(idev, viommu->hwpt, viommu, flags, data);
}

/* ---- HWPT_ALLOC ---- */

static int set_fault(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt)
{
	const struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_fault *fault = iommufd_get_fault(ucmd->ictx, cmd->fault_id);

	if (!fault)
		return -ENOENT;
	/* The look-up's use becomes the hwpt's, put by hwpt_destroy(). */
	iommufd_fault_get_memory(fault);
	hwpt->fault = fault;
	hwpt->domain.fault_data = fault;
	hwpt->domain.iopf_handler = iommufd_fault_iopf_handler;
	return 0;
}

/* The new object is the dispatcher's to abort from here on. */
static int alloc_on(struct iommufd_ucmd *ucmd, struct iommufd_device *idev,
		    struct iommufd_object *pt, const struct iommufd_user_data *data)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_hwpt *hwpt;

	if (pt->ops == &iommufd_ioas_ops)
		hwpt = iommufd_hwpt_alloc_paging(
			idev, ui_container_of(pt, struct iommufd_ioas, obj), cmd->flags, data);
	else if (pt->ops == &iommufd_hwpt_ops)
		hwpt = alloc_on_parent(idev, iommufd_hwpt_of(pt), cmd->flags, data);
	else if (pt->ops == &iommufd_viommu_object_ops)
		hwpt = alloc_on_viommu(idev, ui_container_of(pt, struct iommufd_viommu, obj),
				       cmd->flags, data);
	else
		return -EINVAL;
	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	ucmd->new_obj = &hwpt->obj;
	cmd->out_hwpt_id = hwpt->obj.id;
	return hwpt->parent ? 0 : iommufd_hwpt_join(hwpt);
}

int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	const struct iommufd_user_data data = {
		.mm = ucmd->mm,
		.uptr = cmd->data_uptr,
		.type = cmd->data_type,
		.len = cmd->data_len,
	};
	struct iommufd_object *idev, *pt;
	int rc = -EINVAL;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != (cmd->data_len == 0))
		return -EINVAL;
	idev = iommufd_get_object(ucmd->ictx, cmd->dev_id, &iommufd_device_ops);
	if (!idev)
		return -ENOENT;
	pt = iommufd_get_object(ucmd->ictx, cmd->pt_id, NULL);
	if (!pt)
		goto out_put_idev;

	rc = alloc_on(ucmd, ui_container_of(idev, struct iommufd_device, obj), pt,
		      data.len ? &data : NULL);
	if (!rc && (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID))
		rc = set_fault(ucmd, iommufd_hwpt_of(ucmd->new_obj));
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	iommufd_put_object(ucmd->ictx, pt);
out_put_idev:
	iommufd_put_object(ucmd->ictx, idev);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/hwpt.c - HWPT_ALLOC, and domains on an IOAS
 *
 * Our IOMMU translates 48 bits in pages of 4 KiB and up, has PASIDs and page
 * requests, and neither dirty bits nor tables in guest memory yet: those are
 * refused as Linux does for an IOMMU without them.
 */
#include "iommufd/hwpt.h"

#include "iommufd/device.h"
#include "iommufd/fault.h"
#include "iommufd/ioas.h"
#include "uapi/iommufd.h"

#define IOVA_LAST ((1ULL << 48) - 1)
#define IOVA_ALIGNMENT 4096

/* ---- the domain ---- */

static int hwpt_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			  struct uiommu_span *span)
{
	struct iommufd_hwpt *hwpt = ui_container_of(domain, struct iommufd_hwpt, domain);

	/* Attached, or DMA would not have got here: so the IOAS is there too. */
	return iopt_translate(hwpt->ioas->iopt, iova, perm, span);
}

static void hwpt_free(struct uiommu_domain *domain)
{
	struct iommufd_hwpt *hwpt = ui_container_of(domain, struct iommufd_hwpt, domain);

	if (hwpt->fault)
		iommufd_fault_put_memory(hwpt->fault);
	ui_free(hwpt);
}

static const struct uiommu_domain_ops hwpt_domain_ops = {
	.translate = hwpt_translate,
	.free = hwpt_free,
};

/* ---- the object ---- */

static void hwpt_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_hwpt *hwpt = iommufd_hwpt_of(obj);

	ui_mutex_lock(&ictx->lock);
	cds_list_del(&hwpt->node);
	ui_mutex_unlock(&ictx->lock);
	if (hwpt->on_iopt)
		iopt_remove_domain(hwpt->ioas->iopt, hwpt);
	iommufd_put_object(ictx, &hwpt->ioas->obj);
	if (hwpt->fault)
		iommufd_put_object(ictx, &hwpt->fault->obj);
	uiommu_domain_put(&hwpt->domain);
}

const struct iommufd_object_ops iommufd_hwpt_ops = {
	.name = "HWPT",
	.destroy = hwpt_destroy,
};

struct iommufd_hwpt *iommufd_hwpt_alloc_paging(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
					       uint32_t flags)
{
	const uint32_t known =
		IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	struct iommufd_hwpt *hwpt;
	int rc;

	/* DIRTY_TRACKING is a flag that exists, and that no device here can do. */
	if (flags & ~known)
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	if ((flags & IOMMU_HWPT_FAULT_ID_VALID) && (flags & IOMMU_HWPT_ALLOC_NEST_PARENT))
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);

	hwpt = ui_zalloc(sizeof(*hwpt));
	if (!hwpt)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &hwpt->obj, &iommufd_hwpt_ops);
	if (rc) {
		ui_free(hwpt);
		return UIOMMU_ERR_PTR(rc);
	}
	uiommu_domain_init(ictx->file.ctx, &hwpt->domain, UIOMMU_DOMAIN_PAGING, &hwpt_domain_ops);
	hwpt->nest_parent = flags & IOMMU_HWPT_ALLOC_NEST_PARENT;
	hwpt->pasid_compat = flags & IOMMU_HWPT_ALLOC_PASID;
	/* Put by hwpt_destroy(). */
	iommufd_use_object(ictx, &ioas->obj);
	hwpt->ioas = ioas;
	ui_mutex_lock(&ictx->lock);
	cds_list_add_tail(&hwpt->node, &ioas->hwpts);
	ui_mutex_unlock(&ictx->lock);
	return hwpt;
}

int iommufd_hwpt_join(struct iommufd_hwpt *hwpt)
{
	int rc = iopt_add_domain(hwpt->ioas->iopt, hwpt, 0, IOVA_LAST, IOVA_ALIGNMENT);

	hwpt->on_iopt = !rc;
	return rc;
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

static int alloc_on_ioas(struct iommufd_ucmd *ucmd, struct iommufd_ioas *ioas)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_hwpt *hwpt;
	int rc;

	hwpt = iommufd_hwpt_alloc_paging(ucmd->ictx, ioas, cmd->flags);
	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	ucmd->new_obj = &hwpt->obj;
	/* A table of the caller's own format would be an argument to the driver. */
	if (cmd->data_len)
		return -EOPNOTSUPP;
	rc = iommufd_hwpt_join(hwpt);
	if (rc)
		return rc;
	if (cmd->flags & IOMMU_HWPT_FAULT_ID_VALID) {
		rc = set_fault(ucmd, hwpt);
		if (rc)
			return rc;
	}
	cmd->out_hwpt_id = hwpt->obj.id;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

int iommufd_hwpt_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_object *idev, *pt;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	if ((cmd->data_type == IOMMU_HWPT_DATA_NONE) != (cmd->data_len == 0))
		return -EINVAL;
	idev = iommufd_get_object(ucmd->ictx, cmd->dev_id, &iommufd_device_ops);
	if (!idev)
		return -ENOENT;
	pt = iommufd_get_object(ucmd->ictx, cmd->pt_id, NULL);
	rc = -EINVAL;
	if (!pt)
		goto out_put_idev;

	if (pt->ops == &iommufd_ioas_ops)
		rc = alloc_on_ioas(ucmd, ui_container_of(pt, struct iommufd_ioas, obj));
	else if (pt->ops == &iommufd_hwpt_ops)
		/* Nested: the driver has no such tables. */
		rc = -EOPNOTSUPP;
	iommufd_put_object(ucmd->ictx, pt);
out_put_idev:
	iommufd_put_object(ucmd->ictx, idev);
	return rc;
}

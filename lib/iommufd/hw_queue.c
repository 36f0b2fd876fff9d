// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/hw_queue.c - HW_QUEUE_ALLOC
 *
 * The hardware reads such a queue by addresses that it doesn't translate, so its
 * memory must be in one piece and must stay: an access of its own pins it in the
 * parent's IOAS, and what it pins can't be unmapped.  In one piece means here:
 * of one process and at consecutive virtual addresses, for these are what our
 * hardware has in place of physical ones.
 */
#include "iommufd/hw_queue.h"

#include "iommufd/access.h"
#include "iommufd/hwpt.h"
#include "iommufd/viommu.h"
#include "uapi/iommufd.h"

#define PAGE_SIZE 4096ull
#define PAGE_MASK (PAGE_SIZE - 1)

/* Whole pages, as access objects have it; the caller has checked that nothing wraps. */
static uint64_t pinned_length(const struct iommufd_hw_queue *queue)
{
	return ((queue->base_addr & PAGE_MASK) + queue->length + PAGE_MASK) & ~PAGE_MASK;
}

static void hw_queue_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_hw_queue *queue = ui_container_of(obj, struct iommufd_hw_queue, obj);
	struct iommufd_viommu *viommu = queue->viommu;

	if (queue->initialised && viommu->ops->hw_queue_destroy)
		viommu->ops->hw_queue_destroy(queue);
	if (queue->pin) {
		uiommu_access_unpin_pages(queue->pin, queue->base_addr & ~PAGE_MASK,
					  pinned_length(queue));
		uiommu_access_destroy(queue->pin);
	}
	ui_free(queue);
	iommufd_put_object(ictx, &viommu->obj);
}

const struct iommufd_object_ops iommufd_hw_queue_ops = {
	.name = "HW_QUEUE",
	.destroy = hw_queue_destroy,
};

static struct iommufd_hw_queue *alloc_object(struct iommufd_viommu *viommu,
					     const struct iommu_hw_queue_alloc *cmd)
{
	struct iommufd_hw_queue *queue = ui_zalloc(sizeof(*queue));
	int rc;

	if (!queue)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(viommu->ictx, &queue->obj, &iommufd_hw_queue_ops);
	if (rc) {
		ui_free(queue);
		return UIOMMU_ERR_PTR(rc);
	}
	/* Put by hw_queue_destroy(). */
	iommufd_use_object(viommu->ictx, &viommu->obj);
	queue->viommu = viommu;
	queue->type = cmd->type;
	queue->base_addr = cmd->nesting_parent_iova;
	queue->length = cmd->length;
	return queue;
}

/* ---- pinning ---- */

static bool in_one_piece(const struct uiommu_page *pages, uint64_t count)
{
	for (uint64_t i = 1; i < count; i++)
		if (pages[i].mm != pages[0].mm || pages[i].addr != pages[0].addr + i * PAGE_SIZE)
			return false;
	return true;
}

static int pin_pages(struct iommufd_hw_queue *queue, struct uiommu_access *access,
		     struct uiommu_page *pages)
{
	const uint64_t iova = queue->base_addr & ~PAGE_MASK;
	const uint64_t length = pinned_length(queue);
	int rc;

	rc = iommufd_access_attach_internal(access, queue->viommu->hwpt->ioas);
	if (!rc)
		rc = uiommu_access_pin_pages(access, iova, length, pages, 0);
	if (rc)
		return rc;
	if (!in_one_piece(pages, length / PAGE_SIZE)) {
		uiommu_access_unpin_pages(access, iova, length);
		return -EFAULT;
	}
	queue->base_va = pages[0].addr + (queue->base_addr & PAGE_MASK);
	return 0;
}

static int pin(struct iommufd_hw_queue *queue)
{
	struct uiommu_access *access;
	struct uiommu_page *pages;
	uint64_t length;
	int rc = -ENOMEM;

	if (__builtin_add_overflow(queue->base_addr & PAGE_MASK, queue->length, &length) ||
	    __builtin_add_overflow(length, PAGE_MASK, &length))
		return -ERANGE;
	/* So many pages that the array of them is more than the kernel gives. */
	if (length / PAGE_SIZE > INT32_MAX / sizeof(void *))
		return -ENOMEM;
	pages = ui_zalloc(length / PAGE_SIZE * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	access = iommufd_access_create_internal(queue->viommu->ictx);
	if (UIOMMU_IS_ERR(access)) {
		rc = (int)UIOMMU_PTR_ERR(access);
		goto out_free;
	}
	rc = pin_pages(queue, access, pages);
	if (rc)
		uiommu_access_destroy(access);
	else
		queue->pin = access;
out_free:
	ui_free(pages);
	return rc;
}

/* ---- HW_QUEUE_ALLOC ---- */

void iommufd_hw_queue_depend(struct iommufd_hw_queue *queue, struct iommufd_hw_queue *other)
{
	assert(queue != other && queue->viommu == other->viommu);
	iommufd_use_object(queue->viommu->ictx, &other->obj);
}

void iommufd_hw_queue_undepend(struct iommufd_hw_queue *queue, struct iommufd_hw_queue *other)
{
	assert(queue != other && queue->viommu == other->viommu);
	iommufd_put_object(queue->viommu->ictx, &other->obj);
}

static int alloc_on_viommu(struct iommufd_ucmd *ucmd, struct iommufd_viommu *viommu)
{
	struct iommu_hw_queue_alloc *cmd = ucmd->cmd;
	const struct iommufd_viommu_ops *ops = viommu->ops;
	struct iommufd_hw_queue *queue;
	int rc;

	if (!ops->hw_queue_supported || !ops->hw_queue_init ||
	    !ops->hw_queue_supported(viommu, cmd->type))
		return -EOPNOTSUPP;
	queue = alloc_object(viommu, cmd);
	if (UIOMMU_IS_ERR(queue))
		return (int)UIOMMU_PTR_ERR(queue);
	ucmd->new_obj = &queue->obj;
	rc = pin(queue);
	if (rc)
		return rc;
	rc = ops->hw_queue_init(queue, cmd->index);
	if (rc)
		return rc;
	queue->initialised = true;
	cmd->out_hw_queue_id = queue->obj.id;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

int iommufd_hw_queue_alloc_ioctl(struct iommufd_ucmd *ucmd)
{
	const struct iommu_hw_queue_alloc *cmd = ucmd->cmd;
	struct iommufd_viommu *viommu;
	uint64_t last;
	int rc;

	if (cmd->flags || cmd->type == IOMMU_HW_QUEUE_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	if (!cmd->length)
		return -EINVAL;
	if (__builtin_add_overflow(cmd->nesting_parent_iova, cmd->length - 1, &last))
		return -EOVERFLOW;
	viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (!viommu)
		return -ENOENT;
	rc = alloc_on_viommu(ucmd, viommu);
	iommufd_put_object(ucmd->ictx, &viommu->obj);
	return rc;
}

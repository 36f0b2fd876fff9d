// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/check.c - what tests look at, and where they reach in
 */
#include "base/file.h"
#include "iommufd/device.h"
#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"
#include "mm/charge.h"
#include "mock/mock.h"

#define PAGE 4096ull
/* Of the bitmap of DIRTY, in bits. */
#define DIRTY_MAX (16ull << 23)

int mock_add_reserved(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	uint64_t last;
	int rc;

	if (!cmd->add_reserved.length)
		return -EINVAL;
	if (__builtin_add_overflow(cmd->add_reserved.start, cmd->add_reserved.length - 1, &last))
		return -EOVERFLOW;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->id);
	if (!ioas)
		return -ENOENT;
	/* Nobody's: it stays as long as the IOAS. */
	rc = iopt_reserve(ioas->iopt, cmd->add_reserved.start, last, NULL);
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

uint64_t mock_nth_area(struct iommufd_ioas *ioas, uint64_t iova)
{
	struct iopt_range range;

	return iopt_nth_area(ioas->iopt, (uint32_t)iova, &range) ? range.start + (iova >> 32) : 0;
}

/* ---- hwpts ---- */

/* A hwpt of ours and of that kind; its object is used. */
static struct iommufd_hwpt *get_hwpt(struct iommufd_ucmd *ucmd, uint32_t id,
				     const struct iommufd_object_ops *kind)
{
	struct iommufd_object *obj = iommufd_get_object(ucmd->ictx, id, kind);
	struct iommufd_hwpt *hwpt;

	if (!obj)
		return UIOMMU_ERR_PTR(-ENOENT);
	hwpt = iommufd_hwpt_of(obj);
	if (hwpt->driver == &mock_driver)
		return hwpt;
	iommufd_put_object(ucmd->ictx, obj);
	return UIOMMU_ERR_PTR(-EINVAL);
}

/*
 * The translation of one IOVA.  What it shows stays meaningful as long as the
 * test, which alone knows what it does meanwhile, leaves it mapped.
 */
static int translate(struct uiommu *ctx, struct iommufd_hwpt *hwpt, uint64_t iova,
		     struct uiommu_span *span)
{
	struct ui_reader reader __attribute__((aligned(64))) = {0};
	int rc;

	ui_reader_add(&ctx->readers, &reader);
	ui_reader_enter(&reader);
	rc = hwpt->domain.ops->translate(&hwpt->domain, iova, 0, span);
	ui_reader_exit(&reader);
	ui_reader_del(&ctx->readers, &reader);
	return rc;
}

static int check_pages(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	uint64_t page = hwpt->geometry.alignment;
	uint64_t iova = cmd->check_map.iova, uptr = cmd->check_map.uptr;
	uint64_t length = cmd->check_map.length, end;
	struct uiommu_span span;
	char byte;
	int rc;

	if (iova % page || length % page || uptr % page ||
	    __builtin_add_overflow(uptr, length, &end))
		return -EINVAL;
	for (; length; length -= page, iova += page, uptr += page) {
		if (uiommu_mm_read(ucmd->mm, &byte, uptr, 1) != 1)
			return -EFAULT;
		if (translate(ucmd->ictx->file.ctx, hwpt, iova, &span))
			return -EINVAL;
		rc = mock_same_page(span.mm, span.addr, ucmd->mm, uptr);
		if (rc)
			return rc == -EBADE ? -EINVAL : rc;
	}
	return 0;
}

int mock_check_map(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_hwpt *hwpt = get_hwpt(ucmd, cmd->id, &iommufd_hwpt_ops);
	int rc;

	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	rc = check_pages(ucmd, hwpt);
	iommufd_put_object(ucmd->ictx, &hwpt->obj);
	return rc;
}

/* More than any test has. */
#define COUNT_MAX 64

/*
 *  seen	how the page was reached: a map and its copies are pinned once
 */
struct count {
	struct uiommu_mm *mm;
	uint64_t uptr;
	uint32_t pins;
	struct {
		struct uiommu_page page;
		uint16_t origin;
	} seen[COUNT_MAX];
};

static void count_pinned(void *opaque, struct uiommu_mm *mm, uint64_t uaddr, uint64_t length,
			 uint16_t origin)
{
	struct count *count = opaque;
	struct uiommu_mm *root = mm_root(mm); /* copies may have views of their own */
	uint64_t page;

	if (!mock_page_within(mm, uaddr, length, count->mm, count->uptr, &page))
		return;
	for (uint32_t i = 0; i < count->pins; i++)
		if (count->seen[i].origin == origin && count->seen[i].page.mm == root &&
		    count->seen[i].page.addr == page)
			return;
	if (count->pins < COUNT_MAX) {
		count->seen[count->pins].page = (struct uiommu_page){.mm = root, .addr = page};
		count->seen[count->pins++].origin = origin;
	}
}

/*
 * Linux counts references of page frames, of which each map that is pinned has one,
 * together with its copies.  We count ways to reach the page in what is pinned of maps;
 * copies know which map they come from.
 */
static uint32_t count_pins(struct iommufd_ctx *ictx, struct uiommu_mm *mm, uint64_t uptr)
{
	struct count count = {.mm = mm, .uptr = uptr & ~(PAGE - 1)};
	struct iommufd_object *obj;

	for (uint32_t id = 1; (obj = iommufd_next_object(ictx, &id, &iommufd_ioas_ops)); id++) {
		iopt_for_each_pinned(ui_container_of(obj, struct iommufd_ioas, obj)->iopt,
				     count_pinned, &count);
		iommufd_put_object(ictx, obj);
	}
	return count.pins;
}

int mock_check_refs(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	uint64_t uptr = cmd->check_refs.uptr, length = cmd->check_refs.length, end;
	char byte;

	if (length % PAGE || uptr % PAGE || __builtin_add_overflow(uptr, length, &end))
		return -EINVAL;
	for (; length; length -= PAGE, uptr += PAGE) {
		if (uiommu_mm_read(ucmd->mm, &byte, uptr, 1) != 1)
			return -EFAULT;
		if (count_pins(ucmd->ictx, ucmd->mm, uptr) != cmd->check_refs.refs)
			return -EIO;
	}
	return 0;
}

int mock_check_iotlb(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_hwpt *hwpt = get_hwpt(ucmd, cmd->id, &iommufd_hwpt_nested_ops);
	const struct mock_nested *nested;
	int rc = 0;

	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	nested = hwpt->driver_data;
	if (cmd->check.index >= MOCK_IOTLBS ||
	    ui_load_relaxed(&nested->iotlb[cmd->check.index]) != cmd->check.value)
		rc = -EINVAL;
	iommufd_put_object(ucmd->ictx, &hwpt->obj);
	return rc;
}

int mock_check_cache(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct iommufd_object *idev;
	struct mock_device *mdev = mock_device_of_binding(ucmd->ictx, cmd->id, &idev);
	int rc = 0;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	if (cmd->check.index >= MOCK_CACHES ||
	    ui_load_relaxed(&mdev->cache[cmd->check.index]) != cmd->check.value)
		rc = -EINVAL;
	iommufd_put_object(ucmd->ictx, idev);
	return rc;
}

/* ---- dirty ---- */

/* Does one entry of that size have @iova?  What is mapped must let it, all of it. */
static bool is_one_entry(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt, uint64_t iova,
			 uint64_t size)
{
	struct uiommu_span span;

	return !translate(ucmd->ictx->file.ctx, hwpt, iova & -size, &span) && span.length >= size &&
	       !(span.addr & (size - 1));
}

/*
 * An entry of a table is dirty as a whole.  It is large in the huge kind, and a page of
 * memory otherwise, unless that lies across two; where nothing is mapped there is none.
 */
static void mark_entry(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt, uint64_t iova)
{
	uint64_t size = hwpt->geometry.alignment;

	if (!is_one_entry(ucmd, hwpt, iova, size))
		return;
	if (hwpt->geometry.pgsizes == MOCK_HUGE_PAGE_SIZES && iopt_large_pages(hwpt->ioas->iopt) &&
	    is_one_entry(ucmd, hwpt, iova, MOCK_HUGE_PAGE))
		size = MOCK_HUGE_PAGE;
	else if (is_one_entry(ucmd, hwpt, iova, PAGE))
		size = PAGE;
	iommufd_hwpt_mark_dirty(hwpt, iova & -size, size);
}

/* Marks what the bitmap has, and counts. */
static int mark_dirty(struct iommufd_ucmd *ucmd, struct iommufd_hwpt *hwpt, uint64_t bits)
{
	struct mock_cmd *cmd = ucmd->cmd;
	uint64_t iova = cmd->dirty.iova, page = cmd->dirty.page_size, count = 0;
	uint64_t bytes = (bits + 7) / 8;
	uint8_t *map = ui_zalloc(bytes);

	if (!map)
		return -ENOMEM;
	if (ui_copy_from_user(ucmd->mm, map, cmd->dirty.uptr, bytes)) {
		ui_free(map);
		return -EFAULT;
	}
	for (uint64_t i = 0; i < bits; i++) {
		if (!(map[i / 8] >> i % 8 & 1))
			continue;
		mark_entry(ucmd, hwpt, iova + i * page);
		count++;
	}
	ui_free(map);
	cmd->dirty.out_count = count;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

int mock_dirty(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	uint64_t page = cmd->dirty.page_size, length = cmd->dirty.length;
	struct iommufd_hwpt *hwpt;
	int rc = -EINVAL;

	if (!page || !length || cmd->dirty.iova % page || length % page || !cmd->dirty.uptr)
		return -EINVAL;
	if (length / page > DIRTY_MAX)
		return -EOVERFLOW;
	hwpt = get_hwpt(ucmd, cmd->id, &iommufd_hwpt_ops);
	if (UIOMMU_IS_ERR(hwpt))
		return (int)UIOMMU_PTR_ERR(hwpt);
	/* Of nothing: only whether tracking is on. */
	if (iommufd_hwpt_mark_dirty(hwpt, cmd->dirty.iova, 0))
		rc = mark_dirty(ucmd, hwpt, length / page);
	iommufd_put_object(ucmd->ictx, &hwpt->obj);
	return rc;
}

/* ---- PASIDs ---- */

int mock_pasid_check(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct mock_device *mdev = mock_device_get(ucmd->ictx, cmd->id);
	struct uiommu_attach_handle *handle;
	struct uiommu_domain *attached = NULL;
	struct iommufd_object *obj;
	int rc = 0;

	if (UIOMMU_IS_ERR(mdev))
		return (int)UIOMMU_PTR_ERR(mdev);
	handle = uiommu_attach_handle_get(uiommu_device_group(mdev->dev), cmd->pasid.pasid, NULL);
	if (!UIOMMU_IS_ERR(handle)) {
		/* Compared, no more. */
		attached = uiommu_attach_handle_domain(handle);
		uiommu_attach_handle_put(handle);
	}
	/* ID 0: is nothing attached? */
	obj = cmd->pasid.pt_id ? iommufd_get_object(ucmd->ictx, cmd->pasid.pt_id, NULL) : NULL;
	if (!cmd->pasid.pt_id)
		rc = attached ? -EINVAL : 0;
	else if (!obj)
		rc = -ENOENT;
	else if (obj->ops != &iommufd_hwpt_ops && obj->ops != &iommufd_hwpt_nested_ops)
		rc = -EINVAL;
	else
		rc = attached == &iommufd_hwpt_of(obj)->domain ? 0 : -EINVAL;
	if (obj)
		iommufd_put_object(ucmd->ictx, obj);
	iommufd_put_object(ucmd->ictx, &mdev->obj);
	return rc;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/driver.c - domains of the mock IOMMU, and what switching to them does
 *
 * A table is in pages of 2 KiB and its aperture is small, so that tests reach its
 * ends; the huge kind is in pages of 4 KiB and has no ends.  A nested table
 * translates nothing: it is a row of numbers that invalidation sets to zero.
 */
#include "iommufd/hwpt.h"
#include "mock/mock.h"

/* ---- switching ---- */

/* Under the group's mutex. */
static int set_rid(struct mock_device *mdev, struct uiommu_domain *domain)
{
	struct iommufd_hwpt *hwpt = iommufd_hwpt_of_domain(domain);
	struct iommufd_viommu *viommu = NULL;
	uint64_t virt_id = 0;
	int rc;

	if (hwpt && hwpt->has_dirty && (mdev->flags & MOCK_DEVICE_NO_DIRTY))
		return -EINVAL;
	if (hwpt && domain->type == UIOMMU_DOMAIN_NESTED)
		viommu = ((const struct mock_nested *)hwpt->driver_data)->viommu;
	if (viommu) {
		rc = iommufd_viommu_get_vdev_id(viommu, mdev->dev, &virt_id);
		if (rc)
			return rc;
	}
	ui_mutex_lock(&mdev->lock);
	if (mdev->viommu != viommu) {
		mdev->viommu = viommu;
		mdev->virt_id = virt_id;
	}
	ui_mutex_unlock(&mdev->lock);
	return 0;
}

static int mock_set_dev_pasid(struct uiommu_device *dev, uint32_t pasid,
			      struct uiommu_domain *domain, struct uiommu_domain *old)
{
	struct mock_device *mdev = uiommu_device_drvdata(dev);

	if (pasid == UIOMMU_NO_PASID)
		return set_rid(mdev, domain);
	if (pasid != MOCK_PASID_FAILS)
		return 0;
	/* So that a test sees what becomes of the one before. */
	mdev->pasid_fails = !mdev->pasid_fails;
	return mdev->pasid_fails ? 0 : -ENOMEM;
}

static void mock_remove_dev_pasid(struct uiommu_device *dev, uint32_t pasid,
				  struct uiommu_domain *domain)
{
	struct mock_device *mdev = uiommu_device_drvdata(dev);

	if (pasid == MOCK_PASID_FAILS)
		mdev->pasid_fails = false;
	if (pasid != UIOMMU_NO_PASID)
		return;
	ui_mutex_lock(&mdev->lock);
	mdev->viommu = NULL;
	mdev->virt_id = 0;
	ui_mutex_unlock(&mdev->lock);
}

/* Nobody is behind the device who waits for it. */
static void mock_page_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
}

const struct uiommu_driver_ops mock_device_ops = {
	.set_dev_pasid = mock_set_dev_pasid,
	.remove_dev_pasid = mock_remove_dev_pasid,
	.page_response = mock_page_response,
};

/* ---- what iommufd asks ---- */

static bool mock_capable(struct uiommu_device *dev, enum iommufd_cap cap)
{
	const struct mock_device *mdev = uiommu_device_drvdata(dev);

	return cap == IOMMUFD_CAP_DIRTY_TRACKING && !(mdev->flags & MOCK_DEVICE_NO_DIRTY);
}

static int mock_hw_info(struct uiommu_device *dev, uint32_t *type, void *buf, uint32_t *length)
{
	struct mock_hw_info *info = buf;

	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT && *type != MOCK_HW_INFO_TYPE)
		return -EOPNOTSUPP;
	*type = MOCK_HW_INFO_TYPE;
	info->reg = MOCK_HW_INFO_REG;
	*length = sizeof(*info);
	return 0;
}

static int mock_alloc_paging(struct iommufd_hwpt *hwpt, struct uiommu_device *dev, uint32_t flags,
			     const struct iommufd_user_data *data)
{
	const uint32_t known = IOMMU_HWPT_ALLOC_DIRTY_TRACKING | IOMMU_HWPT_ALLOC_NEST_PARENT |
			       IOMMU_HWPT_ALLOC_PASID;
	const struct mock_device *mdev = uiommu_device_drvdata(dev);
	struct mock_hwpt_data table = {0};
	int rc;

	if (flags & ~known)
		return -EOPNOTSUPP;
	if ((flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING) && (mdev->flags & MOCK_DEVICE_NO_DIRTY))
		return -EOPNOTSUPP;
	if (data) {
		if (data->type != MOCK_HWPT_TYPE && data->type != IOMMU_HWPT_DATA_NONE)
			return -EOPNOTSUPP;
		rc = iommufd_copy_from_user_data(&table, sizeof(table), sizeof(table.iotlb), data,
						 MOCK_HWPT_TYPE);
		if (rc)
			return rc;
	}
	switch (table.table) {
	case MOCK_TABLE_DEFAULT:
		hwpt->geometry.first_iova = MOCK_APERTURE_FIRST;
		hwpt->geometry.last_iova = MOCK_APERTURE_LAST;
		hwpt->geometry.alignment = MOCK_PAGE;
		hwpt->geometry.pgsizes = MOCK_PAGE_SIZES;
		return 0;
	case MOCK_TABLE_HUGE:
		hwpt->geometry.first_iova = 0;
		hwpt->geometry.last_iova = (1ull << 38) - 1;
		hwpt->geometry.alignment = 4096;
		hwpt->geometry.pgsizes = MOCK_HUGE_PAGE_SIZES;
		return 0;
	}
	return -EOPNOTSUPP;
}

int mock_nested_init(struct iommufd_hwpt *hwpt, struct iommufd_viommu *viommu, uint32_t flags,
		     const struct iommufd_user_data *data)
{
	struct mock_hwpt_data table = {0};
	struct mock_nested *nested;
	int rc;

	if (flags & ~(uint32_t)IOMMU_HWPT_ALLOC_PASID)
		return -EOPNOTSUPP;
	if (!data || data->type != MOCK_HWPT_TYPE)
		return -EOPNOTSUPP;
	rc = iommufd_copy_from_user_data(&table, sizeof(table), sizeof(table.iotlb), data,
					 MOCK_HWPT_TYPE);
	if (rc)
		return rc;
	/* Freed by mock_free_hwpt(). */
	nested = ui_zalloc(sizeof(*nested));
	if (!nested)
		return -ENOMEM;
	nested->viommu = viommu;
	for (unsigned int i = 0; i < MOCK_IOTLBS; i++)
		nested->iotlb[i] = table.iotlb;
	hwpt->driver_data = nested;
	hwpt->domain.user_pasid_table = true;
	return 0;
}

static int mock_alloc_nested(struct iommufd_hwpt *hwpt, struct uiommu_device *dev,
			     struct iommufd_hwpt *parent, uint32_t flags,
			     const struct iommufd_user_data *data)
{
	return mock_nested_init(hwpt, NULL, flags, data);
}

static void mock_free_hwpt(struct iommufd_hwpt *hwpt)
{
	ui_free(hwpt->driver_data);
}

static int invalidate_one(struct mock_nested *nested, const struct mock_hwpt_invalidate *inv)
{
	if (inv->flags & ~MOCK_INVALIDATE_ALL)
		return -EOPNOTSUPP;
	if (inv->iotlb_id >= MOCK_IOTLBS)
		return -EINVAL;
	for (unsigned int i = 0; i < MOCK_IOTLBS; i++)
		if ((inv->flags & MOCK_INVALIDATE_ALL) || i == inv->iotlb_id)
			ui_store_relaxed(&nested->iotlb[i], 0);
	return 0;
}

static int mock_cache_invalidate(struct iommufd_hwpt *hwpt, struct iommufd_user_array *array)
{
	struct mock_hwpt_invalidate inv;
	uint32_t wanted = array->entry_num;
	uint32_t done = 0;
	int rc = 0;

	if (array->type != MOCK_HWPT_INVALIDATE_TYPE) {
		array->entry_num = 0;
		return -EINVAL;
	}
	while (!rc && done < wanted) {
		rc = iommufd_copy_from_user_array(&inv, sizeof(inv), sizeof(inv), array, done,
						  MOCK_HWPT_INVALIDATE_TYPE);
		if (!rc)
			rc = invalidate_one(hwpt->driver_data, &inv);
		if (!rc)
			done++;
	}
	array->entry_num = done;
	return rc;
}

const struct iommufd_driver mock_driver = {
	.name = "mock",
	.in_context = true,
	.capable = mock_capable,
	.hw_info = mock_hw_info,
	.alloc_paging = mock_alloc_paging,
	.alloc_nested = mock_alloc_nested,
	.free_hwpt = mock_free_hwpt,
	.cache_invalidate = mock_cache_invalidate,
	.viommu_supported = mock_viommu_supported,
	.viommu_init = mock_viommu_init,
};

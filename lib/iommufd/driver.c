// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/driver.c - arguments of a driver's own format, and the soft IOMMU
 *
 * The soft IOMMU is what devices of lib/pci are behind: it translates 48 bits in
 * pages of 4 KiB and up, has PASIDs, page requests and dirty bits, and no tables
 * in guest memory: what those need is refused, as Linux does for such an IOMMU.
 */
#include "iommufd/driver.h"

#include <string.h>

#include "base/file.h"
#include "iommufd/hwpt.h"
#include "uapi/iommufd.h"

/* ---- arguments ---- */

/* 0, or why not, of @length bytes for a structure of @size. */
static int check_length(size_t length, size_t size, size_t min_size)
{
	return length < min_size || length > size ? -EINVAL : 0;
}

int iommufd_copy_from_user_data(void *dst, size_t size, size_t min_size,
				const struct iommufd_user_data *data, uint32_t type)
{
	if (data->type != type || check_length(data->len, size, min_size))
		return -EINVAL;
	memset((char *)dst + data->len, 0, size - data->len);
	return ui_copy_from_user(data->mm, dst, data->uptr, data->len);
}

int iommufd_copy_to_user_data(const struct iommufd_user_data *data, const void *src, size_t size,
			      size_t min_size, uint32_t type)
{
	if (data->type != type || check_length(data->len, size, min_size))
		return -EINVAL;
	return ui_copy_to_user(data->mm, data->uptr, src, data->len);
}

int iommufd_copy_from_user_array(void *dst, size_t size, size_t min_size,
				 const struct iommufd_user_array *array, uint32_t index,
				 uint32_t type)
{
	const struct iommufd_user_data data = {
		.mm = array->mm,
		.uptr = array->uptr + (uint64_t)index * array->entry_len,
		.type = array->type,
		.len = array->entry_len,
	};

	return iommufd_copy_from_user_data(dst, size, min_size, &data, type);
}

/* A longer entry than ours is one from the future: its tail must be zero. */
static int copy_entry(void *dst, size_t size, const struct iommufd_user_array *array,
		      uint64_t index)
{
	uint64_t addr = array->uptr + index * array->entry_len;
	size_t length = array->entry_len < size ? array->entry_len : size;
	int rc = 0;

	if (array->entry_len > size)
		rc = iommufd_check_zeros(array->mm, addr + size, array->entry_len - size);
	memset((char *)dst + length, 0, size - length);
	return rc ? rc : ui_copy_from_user(array->mm, dst, addr, length);
}

int iommufd_copy_from_full_user_array(void *dst, size_t size,
				      const struct iommufd_user_array *array, uint32_t type)
{
	int rc = 0;

	if (array->type != type || !array->entry_num)
		return -EINVAL;
	if (array->entry_len == size)
		return ui_copy_from_user(array->mm, dst, array->uptr, array->entry_num * size);
	for (uint32_t i = 0; i < array->entry_num && !rc; i++)
		rc = copy_entry((char *)dst + i * size, size, array, i);
	return rc;
}

/* ---- the soft IOMMU ---- */

static bool soft_capable(struct uiommu_device *dev, enum iommufd_cap cap)
{
	return cap == IOMMUFD_CAP_DIRTY_TRACKING;
}

static const struct iommufd_resv_region *soft_resv_regions(struct uiommu_device *dev,
							   unsigned int *count)
{
	/* Writes here are interrupts, not memory, on the machine that we look like. */
	static const struct iommufd_resv_region msi = {0xfee00000, 0xfeefffff};

	*count = 1;
	return &msi;
}

const struct iommufd_geometry iommufd_soft_geometry = {
	.last_iova = (1ULL << 48) - 1,
	.alignment = 4096,
	.pgsizes = 0x40201000, /* 1 GiB, 2 MiB, 4 KiB */
};

static int soft_alloc_paging(struct iommufd_hwpt *hwpt, struct uiommu_device *dev, uint32_t flags,
			     const struct iommufd_user_data *data)
{
	/* There is no format but its own. */
	if (data)
		return -EOPNOTSUPP;
	hwpt->geometry = iommufd_soft_geometry;
	return 0;
}

const struct iommufd_driver iommufd_soft_driver = {
	.name = "soft",
	.capable = soft_capable,
	.resv_regions = soft_resv_regions,
	.alloc_paging = soft_alloc_paging,
};

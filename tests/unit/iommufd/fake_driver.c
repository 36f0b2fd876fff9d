// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fake_driver.h"

#include <stddef.h>

struct fake_iommu fake_iommu;

#define MIN_DATA sizeof(uint32_t)

static int take_error(void)
{
	int rc = fake_iommu.error;

	fake_iommu.error = 0;
	return rc;
}

static bool capable(struct uiommu_device *dev, enum iommufd_cap cap)
{
	return cap == IOMMUFD_CAP_DIRTY_TRACKING;
}

static int hw_info(struct uiommu_device *dev, uint32_t *type, void *buf, uint32_t *length)
{
	if (*type != IOMMU_HW_INFO_TYPE_DEFAULT && *type != FAKE_TYPE)
		return -EOPNOTSUPP;
	*type = FAKE_TYPE;
	*length = 12;
	memset(buf, 0xab, 12);
	return 0;
}

static int alloc_paging(struct iommufd_hwpt *hwpt, struct uiommu_device *dev, uint32_t flags,
			const struct iommufd_user_data *data)
{
	struct fake_data arg;
	int rc = take_error();

	assert_int_equal(flags & IOMMU_HWPT_FAULT_ID_VALID, 0);
	if (!rc && data)
		rc = iommufd_copy_from_user_data(&arg, sizeof(arg), MIN_DATA, data, FAKE_TYPE);
	if (rc)
		return rc;
	hwpt->geometry = (struct iommufd_geometry){
		.first_iova = 1 << 20,
		.last_iova = (1ull << 40) - 1,
		.alignment = 4096,
	};
	hwpt->driver_data = &fake_iommu;
	fake_iommu.hwpts++;
	return 0;
}

static int alloc_table(struct iommufd_hwpt *hwpt, const struct iommufd_user_data *data)
{
	struct fake_data arg;
	int rc = take_error();

	if (!rc)
		rc = iommufd_copy_from_user_data(&arg, sizeof(arg), MIN_DATA, data, FAKE_TYPE);
	if (rc)
		return rc;
	hwpt->driver_data = &fake_iommu;
	fake_iommu.hwpts++;
	return 0;
}

static int alloc_nested(struct iommufd_hwpt *hwpt, struct uiommu_device *dev,
			struct iommufd_hwpt *parent, uint32_t flags,
			const struct iommufd_user_data *data)
{
	assert_ptr_equal(hwpt->parent, parent);
	assert_null(hwpt->viommu);
	return alloc_table(hwpt, data);
}

static void free_hwpt(struct iommufd_hwpt *hwpt)
{
	assert_ptr_equal(hwpt->driver_data, &fake_iommu);
	fake_iommu.hwpts--;
}

static int invalidate(struct iommufd_user_array *array)
{
	struct fake_entry entry;
	uint32_t done;
	int rc = 0;

	if (array->type != FAKE_TYPE) {
		array->entry_num = 0;
		return -EINVAL;
	}
	for (done = 0; done < array->entry_num && !rc; done++) {
		rc = iommufd_copy_from_user_array(&entry, sizeof(entry), sizeof(entry), array, done,
						  FAKE_TYPE);
		if (!rc && entry.bad)
			rc = -EOPNOTSUPP;
		if (rc)
			break;
		fake_iommu.sum += entry.value;
	}
	array->entry_num = done;
	return rc;
}

static int cache_invalidate(struct iommufd_hwpt *hwpt, struct iommufd_user_array *array)
{
	return invalidate(array);
}

/* ---- viommus ---- */

static void viommu_destroy(struct iommufd_viommu *viommu)
{
	if (viommu->driver_data)
		iommufd_viommu_free_mmap(viommu, (uint64_t)(uintptr_t)viommu->driver_data);
	fake_iommu.viommus--;
}

static int viommu_alloc_nested(struct iommufd_viommu *viommu, struct iommufd_hwpt *hwpt,
			       uint32_t flags, const struct iommufd_user_data *data)
{
	assert_ptr_equal(hwpt->viommu, viommu);
	assert_ptr_equal(hwpt->parent, viommu->hwpt);
	return alloc_table(hwpt, data);
}

static int viommu_invalidate(struct iommufd_viommu *viommu, struct iommufd_user_array *array)
{
	struct fake_entry entries[4];
	int rc;

	if (!array->entry_num && array->type == FAKE_TYPE)
		return 0;
	assert_in_range(array->entry_num, 0, 4);
	rc = iommufd_copy_from_full_user_array(entries, sizeof(entries[0]), array, FAKE_TYPE);
	for (uint32_t i = 0; i < array->entry_num && !rc; i++)
		fake_iommu.sum += entries[i].value;
	if (rc)
		array->entry_num = 0;
	return rc;
}

static int vdevice_init(struct iommufd_vdevice *vdev)
{
	int rc = take_error();

	iommufd_viommu_lock_vdevs(vdev->viommu);
	assert_null(iommufd_viommu_find_dev(vdev->viommu, vdev->virt_id));
	iommufd_viommu_unlock_vdevs(vdev->viommu);
	if (!rc)
		fake_iommu.vdevices++;
	return rc;
}

static void vdevice_destroy(struct iommufd_vdevice *vdev)
{
	fake_iommu.vdevices--;
}

static bool is_fake_queue(struct iommufd_viommu *viommu, uint32_t type)
{
	return type == FAKE_TYPE;
}

static int hw_queue_init(struct iommufd_hw_queue *queue, uint32_t index)
{
	int rc = take_error();

	if (rc)
		return rc;
	if (index >= 4)
		return -EINVAL;
	if (fake_iommu.queues[index])
		return -EEXIST;
	if (index && !fake_iommu.queues[index - 1])
		return -EIO;
	if (index)
		iommufd_hw_queue_depend(queue, fake_iommu.queues[index - 1]);
	queue->driver_data = &fake_iommu.queues[index];
	fake_iommu.queues[index] = queue;
	fake_iommu.hw_queues++;
	return 0;
}

static void hw_queue_destroy(struct iommufd_hw_queue *queue)
{
	struct iommufd_hw_queue **slot = queue->driver_data;

	*slot = NULL;
	if (slot > fake_iommu.queues)
		iommufd_hw_queue_undepend(queue, slot[-1]);
	fake_iommu.hw_queues--;
}

static const struct iommufd_viommu_ops viommu_ops = {
	.destroy = viommu_destroy,
	.alloc_nested = viommu_alloc_nested,
	.cache_invalidate = viommu_invalidate,
	.vdevice_init = vdevice_init,
	.vdevice_destroy = vdevice_destroy,
	.hw_queue_supported = is_fake_queue,
	.hw_queue_init = hw_queue_init,
	.hw_queue_destroy = hw_queue_destroy,
};

static bool viommu_supported(struct uiommu_device *dev, uint32_t type)
{
	return type == FAKE_TYPE;
}

static int viommu_page(struct iommufd_viommu *viommu, const struct iommufd_user_data *data)
{
	struct fake_data arg;
	void *page;
	int rc;

	rc = iommufd_copy_from_user_data(&arg, sizeof(arg), MIN_DATA, data, FAKE_TYPE);
	if (rc)
		return rc;
	page = iommufd_viommu_alloc_mmap(viommu, 2 * PAGE, &arg.mmap_offset);
	if (UIOMMU_IS_ERR(page))
		return (int)UIOMMU_PTR_ERR(page);
	fake_iommu.page = page;
	arg.out = fake_iommu.page[0] = arg.value;
	arg.mmap_length = 2 * PAGE;
	rc = iommufd_copy_to_user_data(data, &arg, sizeof(arg), MIN_DATA, FAKE_TYPE);
	if (rc)
		iommufd_viommu_free_mmap(viommu, arg.mmap_offset);
	else
		viommu->driver_data = (void *)(uintptr_t)arg.mmap_offset;
	return rc;
}

static int viommu_init(struct iommufd_viommu *viommu, struct uiommu_device *dev,
		       const struct iommufd_user_data *data)
{
	int rc = take_error();

	if (!rc && data)
		rc = viommu_page(viommu, data);
	if (rc)
		return rc;
	viommu->ops = &viommu_ops;
	fake_iommu.viommu = viommu;
	fake_iommu.viommus++;
	return 0;
}

const struct iommufd_driver fake_driver = {
	.name = "fake",
	.capable = capable,
	.hw_info = hw_info,
	.alloc_paging = alloc_paging,
	.alloc_nested = alloc_nested,
	.free_hwpt = free_hwpt,
	.cache_invalidate = cache_invalidate,
	.viommu_supported = viommu_supported,
	.viommu_init = viommu_init,
};

const struct iommufd_driver poor_driver = {
	.name = "poor",
	.alloc_paging = alloc_paging,
	.free_hwpt = free_hwpt,
};

struct iommufd_device *bind_driver(struct fake_device *dev, const struct iommufd_driver *driver)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(iommufd);
	struct iommufd_device *idev;
	uint32_t id;

	idev = iommufd_device_bind_driver(ictx, dev->dev, driver, &id);
	iommufd_ctx_put(ictx);
	return idev;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/viommu.c - a guest's share of the mock IOMMU: its devices' caches, its
 * queues, and a page that a test can map
 */
#include "iommufd/hw_queue.h"
#include "iommufd/hwpt.h"
#include "iommufd/viommu.h"
#include "mock/mock.h"

/* Two pages, so that a part can be asked for. */
#define MOCK_MMAP_LENGTH 8192

/*
 * driver_data of a viommu.
 *  mmap_offset	immutable; 0: none
 *  lock	innermost but for iommufd's own
 *  queues	lock
 */
struct mock_viommu {
	uint64_t mmap_offset;
	struct ui_mutex lock;
	struct iommufd_hw_queue *queues[MOCK_HW_QUEUES];
};

/* driver_data of a hw queue; immutable. */
struct mock_hw_queue {
	struct iommufd_hw_queue *prev;
};

static void mock_viommu_free(struct mock_viommu *mock)
{
	ui_mutex_destroy(&mock->lock);
	ui_free(mock);
}

static void mock_viommu_destroy(struct iommufd_viommu *viommu)
{
	struct mock_viommu *mock = viommu->driver_data;

	if (mock->mmap_offset)
		iommufd_viommu_free_mmap(viommu, mock->mmap_offset);
	mock_viommu_free(mock);
}

static int mock_viommu_alloc_nested(struct iommufd_viommu *viommu, struct iommufd_hwpt *hwpt,
				    uint32_t flags, const struct iommufd_user_data *data)
{
	return mock_nested_init(hwpt, viommu, flags, data);
}

/* ---- invalidation ---- */

static int invalidate_one(struct iommufd_viommu *viommu, const struct mock_viommu_invalidate *inv)
{
	struct uiommu_device *dev;
	struct mock_device *mdev;

	if (inv->flags & ~MOCK_INVALIDATE_ALL)
		return -EOPNOTSUPP;
	if (inv->cache_id >= MOCK_CACHES)
		return -EINVAL;
	iommufd_viommu_lock_vdevs(viommu);
	dev = iommufd_viommu_find_dev(viommu, inv->vdev_id);
	if (dev) {
		mdev = uiommu_device_drvdata(dev);
		for (unsigned int i = 0; i < MOCK_CACHES; i++)
			if ((inv->flags & MOCK_INVALIDATE_ALL) || i == inv->cache_id)
				ui_store_relaxed(&mdev->cache[i], 0);
	}
	iommufd_viommu_unlock_vdevs(viommu);
	return dev ? 0 : -EINVAL;
}

static int mock_viommu_invalidate(struct iommufd_viommu *viommu, struct iommufd_user_array *array)
{
	struct mock_viommu_invalidate *invs;
	uint32_t done = 0;
	int rc;

	/* Of nothing: only the type is tried. */
	if (!array->entry_num && array->type == MOCK_VIOMMU_INVALIDATE_TYPE)
		return 0;
	invs = ui_zalloc((array->entry_num + 1ull) * sizeof(*invs));
	if (!invs)
		return -ENOMEM;
	rc = iommufd_copy_from_full_user_array(invs, sizeof(*invs), array,
					       MOCK_VIOMMU_INVALIDATE_TYPE);
	while (!rc && done < array->entry_num) {
		rc = invalidate_one(viommu, &invs[done]);
		if (!rc)
			done++;
	}
	array->entry_num = done;
	ui_free(invs);
	return rc;
}

/* ---- queues ---- */

static bool mock_hw_queue_supported(struct iommufd_viommu *viommu, uint32_t type)
{
	return type == MOCK_HW_QUEUE_TYPE;
}

/* Each needs the one before it. */
static int hw_queue_place_locked(struct mock_viommu *mock, struct iommufd_hw_queue *queue,
				 struct mock_hw_queue *data, uint32_t index)
{
	ui_mutex_assert_held(&mock->lock);
	if (mock->queues[index])
		return -EEXIST;
	if (index) {
		data->prev = mock->queues[index - 1];
		if (!data->prev)
			return -EIO;
		iommufd_hw_queue_depend(queue, data->prev);
	}
	queue->driver_data = data;
	mock->queues[index] = queue;
	return 0;
}

static int mock_hw_queue_init(struct iommufd_hw_queue *queue, uint32_t index)
{
	struct mock_viommu *mock = queue->viommu->driver_data;
	struct mock_hw_queue *data;
	int rc;

	if (index >= MOCK_HW_QUEUES)
		return -EINVAL;
	/* Freed by mock_hw_queue_destroy(). */
	data = ui_zalloc(sizeof(*data));
	if (!data)
		return -ENOMEM;
	ui_mutex_lock(&mock->lock);
	rc = hw_queue_place_locked(mock, queue, data, index);
	ui_mutex_unlock(&mock->lock);
	if (rc)
		ui_free(data);
	return rc;
}

/*
 * Linux's mock driver forgets which queue it was, and frees place 0: recorded so.  What
 * is in place 1 stays taken, and is never looked at.
 */
static void mock_hw_queue_destroy(struct iommufd_hw_queue *queue)
{
	struct mock_viommu *mock = queue->viommu->driver_data;
	struct mock_hw_queue *data = queue->driver_data;

	ui_mutex_lock(&mock->lock);
	mock->queues[0] = NULL;
	if (data->prev)
		iommufd_hw_queue_undepend(queue, data->prev);
	ui_mutex_unlock(&mock->lock);
	ui_free(data);
}

/* ---- life ---- */

static const struct iommufd_viommu_ops mock_viommu_ops = {
	.destroy = mock_viommu_destroy,
	.alloc_nested = mock_viommu_alloc_nested,
	.cache_invalidate = mock_viommu_invalidate,
	.hw_queue_supported = mock_hw_queue_supported,
	.hw_queue_init = mock_hw_queue_init,
	.hw_queue_destroy = mock_hw_queue_destroy,
};

bool mock_viommu_supported(struct uiommu_device *dev, uint32_t type)
{
	return type == MOCK_VIOMMU_TYPE;
}

/* What a test puts in comes back, in the answer and in the page. */
static int answer(struct iommufd_viommu *viommu, struct mock_viommu *mock,
		  const struct iommufd_user_data *data)
{
	struct mock_viommu_data loop = {0};
	const size_t least = offsetof(struct mock_viommu_data, out_mmap_offset);
	uint32_t *page;
	int rc;

	rc = iommufd_copy_from_user_data(&loop, sizeof(loop), least, data, MOCK_VIOMMU_TYPE);
	if (rc)
		return rc;
	page = iommufd_viommu_alloc_mmap(viommu, MOCK_MMAP_LENGTH, &mock->mmap_offset);
	if (UIOMMU_IS_ERR(page))
		return (int)UIOMMU_PTR_ERR(page);
	*page = loop.in_data;
	loop.out_data = loop.in_data;
	loop.out_mmap_length = MOCK_MMAP_LENGTH;
	loop.out_mmap_offset = mock->mmap_offset;
	rc = iommufd_copy_to_user_data(data, &loop, sizeof(loop), least, MOCK_VIOMMU_TYPE);
	if (rc)
		iommufd_viommu_free_mmap(viommu, mock->mmap_offset);
	return rc;
}

int mock_viommu_init(struct iommufd_viommu *viommu, struct uiommu_device *dev,
		     const struct iommufd_user_data *data)
{
	/* Freed by mock_viommu_destroy(). */
	struct mock_viommu *mock = ui_zalloc(sizeof(*mock));
	int rc = 0;

	if (!mock)
		return -ENOMEM;
	ui_mutex_init(&mock->lock);
	if (data)
		rc = answer(viommu, mock, data);
	if (rc) {
		mock_viommu_free(mock);
		return rc;
	}
	viommu->driver_data = mock;
	viommu->ops = &mock_viommu_ops;
	return 0;
}

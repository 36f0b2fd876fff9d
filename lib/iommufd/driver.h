/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/driver.h - what an IOMMU driver offers iommufd
 *
 * A bound device has a driver: the one that its bind names, or the soft
 * IOMMU's.  The address of the constant table is the IOMMU: an object that was
 * made for a device of one is refused for a device of another.  Switching
 * domains isn't here: the device's struct uiommu_driver_ops does that, and may
 * refuse (iommufd_hwpt_of_domain() says which hwpt a domain is).
 *
 * Objects belong to iommufd, which allocates them, zeroed, and fills what it
 * knows before it asks the driver.  Each has a driver_data, the driver's alone.
 * An operation that fails leaves nothing behind: the operation that would undo
 * it is then not called.
 */
#ifndef UI_IOMMUFD_DRIVER_H
#define UI_IOMMUFD_DRIVER_H

#include <uiommu/iommu.h>
#include <uiommu/mm.h>

struct iommufd_ctx;
struct iommufd_device;
struct iommufd_hw_queue;
struct iommufd_hwpt;
struct iommufd_vdevice;
struct iommufd_viommu;

/* ---- arguments of a driver's own format ---- */

/* One structure in the caller's memory. */
struct iommufd_user_data {
	struct uiommu_mm *mm;
	uint64_t uptr;
	uint32_t type;
	uint32_t len;
};

/* entry_num structures of entry_len bytes each. */
struct iommufd_user_array {
	struct uiommu_mm *mm;
	uint64_t uptr;
	uint32_t type;
	uint32_t entry_len;
	uint32_t entry_num;
};

/*
 * Copies a structure of @size bytes, of which a caller must have the first
 * @min_size; what it doesn't have reads as zeros.  -EINVAL: another type, or
 * shorter than @min_size, or longer than @size; -EFAULT.
 */
int iommufd_copy_from_user_data(void *dst, size_t size, size_t min_size,
				const struct iommufd_user_data *data, uint32_t type);
/* The other way: as much as the caller has room for.  The same errors. */
int iommufd_copy_to_user_data(const struct iommufd_user_data *data, const void *src, size_t size,
			      size_t min_size, uint32_t type);
/* One entry of an array; as iommufd_copy_from_user_data(). */
int iommufd_copy_from_user_array(void *dst, size_t size, size_t min_size,
				 const struct iommufd_user_array *array, uint32_t index,
				 uint32_t type);
/*
 * All of them, to an array of @size each.  -EINVAL: another type, or none at
 * all; -E2BIG: a longer entry with more than zeros in its tail; -EFAULT.
 */
int iommufd_copy_from_full_user_array(void *dst, size_t size,
				      const struct iommufd_user_array *array, uint32_t type);

/* ---- drivers ---- */

/* The most that hw_info may fill. */
#define IOMMUFD_HW_INFO_MAX 256

enum iommufd_cap {
	IOMMUFD_CAP_DIRTY_TRACKING, /* of this device's paging domains */
};

/*
 * What a paging domain can address, the last IOVA included; its smallest page, of
 * which each has a dirty bit; and all its page sizes, as a bitmap, 0: that one only.
 */
struct iommufd_geometry {
	uint64_t first_iova;
	uint64_t last_iova;
	uint64_t alignment;
	uint64_t pgsizes;
};

struct iommufd_resv_region {
	uint64_t first_iova;
	uint64_t last_iova;
};

/*
 * All are optional but alloc_paging.  Called without locks of iommufd, but where
 * said; may block and may allocate.
 *
 * @in_context: its devices are themselves objects of the context that they are
 *	bound to, and go with it: bound, they don't keep it from ending.
 * @capable: has @dev this?  NULL: nothing.
 * @resv_regions: ranges that requests of @dev without a PASID must leave alone;
 *	*count of them.  May be called under the group's lock.
 * @hw_info: fills @buf, of IOMMUFD_HW_INFO_MAX zeroed bytes, and *length.
 *	*type: the one that was asked for, IOMMU_HW_INFO_TYPE_DEFAULT: whichever;
 *	becomes the one that is given.  -EOPNOTSUPP: another.  NULL: no data.
 * @alloc_paging: a paging domain for @dev: fills hwpt->geometry, and may set
 *	driver_data.  @flags: IOMMU_HWPT_ALLOC_*, without
 *	FAULT_ID_VALID; iommufd has refused those it doesn't know, and
 *	DIRTY_TRACKING without the capability.  @data: NULL: none was given.
 * @alloc_nested: a guest's table over @parent, which is of this driver and was
 *	made to be one.  @flags: IOMMU_HWPT_ALLOC_PASID at most.  NULL:
 *	-EOPNOTSUPP.  May set domain.user_pasid_table.
 * @free_hwpt: the domain of either kind is gone: after the last fault that came
 *	by it was finished, so maybe after its viommu and its parent.
 * @cache_invalidate: @array is for the nested @hwpt, one that isn't on a viommu
 *	or is; array->entry_num becomes how many entries were done, also when it
 *	fails.  It may be 0: the type is tried.
 * @viommu_supported: can @dev's IOMMU be this type for a guest?  NULL: of no
 *	type (-EOPNOTSUPP).
 * @viommu_init: sets viommu->ops, and may set driver_data.  @data: NULL: none.
 *	May answer with iommufd_copy_to_user_data().
 */
struct iommufd_driver {
	const char *name;
	bool in_context;
	bool (*capable)(struct uiommu_device *dev, enum iommufd_cap cap);
	const struct iommufd_resv_region *(*resv_regions)(struct uiommu_device *dev,
							  unsigned int *count);
	int (*hw_info)(struct uiommu_device *dev, uint32_t *type, void *buf, uint32_t *length);
	int (*alloc_paging)(struct iommufd_hwpt *hwpt, struct uiommu_device *dev, uint32_t flags,
			    const struct iommufd_user_data *data);
	int (*alloc_nested)(struct iommufd_hwpt *hwpt, struct uiommu_device *dev,
			    struct iommufd_hwpt *parent, uint32_t flags,
			    const struct iommufd_user_data *data);
	void (*free_hwpt)(struct iommufd_hwpt *hwpt);
	int (*cache_invalidate)(struct iommufd_hwpt *hwpt, struct iommufd_user_array *array);
	bool (*viommu_supported)(struct uiommu_device *dev, uint32_t type);
	int (*viommu_init)(struct iommufd_viommu *viommu, struct uiommu_device *dev,
			   const struct iommufd_user_data *data);
};

/*
 * What a viommu can do; each may be NULL.
 *
 * @destroy: undoes viommu_init.
 * @alloc_nested: as the driver's, over the viommu's parent.
 * @cache_invalidate: as the driver's, for what the viommu as a whole has.
 * @vdevice_init: @vdev is filled, and not yet found by iommufd_viommu_find_dev().
 *	Under the lock of the device's group.
 * @vdevice_destroy: undoes it; not found any more.  Under the same lock.
 * @hw_queue_supported: of this type?  NULL: of no type (-EOPNOTSUPP).
 * @hw_queue_init: @queue is filled, and its memory is pinned, and contiguous from
 *	queue->base_va on.  @index: which of the viommu's.
 * @hw_queue_destroy: undoes it.
 */
struct iommufd_viommu_ops {
	void (*destroy)(struct iommufd_viommu *viommu);
	int (*alloc_nested)(struct iommufd_viommu *viommu, struct iommufd_hwpt *hwpt,
			    uint32_t flags, const struct iommufd_user_data *data);
	int (*cache_invalidate)(struct iommufd_viommu *viommu, struct iommufd_user_array *array);
	int (*vdevice_init)(struct iommufd_vdevice *vdev);
	void (*vdevice_destroy)(struct iommufd_vdevice *vdev);
	bool (*hw_queue_supported)(struct iommufd_viommu *viommu, uint32_t type);
	int (*hw_queue_init)(struct iommufd_hw_queue *queue, uint32_t index);
	void (*hw_queue_destroy)(struct iommufd_hw_queue *queue);
};

/* Of devices whose bind names none: what lib/core and lib/iopt can do. */
extern const struct iommufd_driver iommufd_soft_driver;
extern const struct iommufd_geometry iommufd_soft_geometry;

/* iommufd_device_bind() with a driver; that without is the soft one's. */
struct iommufd_device *iommufd_device_bind_driver(struct iommufd_ctx *ictx,
						  struct uiommu_device *dev,
						  const struct iommufd_driver *driver,
						  uint32_t *id);

/* ---- for drivers to call ---- */

/* The hwpt whose domain it is; NULL: not one of iommufd's. */
struct iommufd_hwpt *iommufd_hwpt_of_domain(struct uiommu_domain *domain);

/*
 * [iova, iova + length) was written, as if by DMA: recorded if the hwpt's
 * dirty bits are on.  Returns whether they are.
 */
bool iommufd_hwpt_mark_dirty(struct iommufd_hwpt *hwpt, uint64_t iova, uint64_t length);

/*
 * The vdevices of a viommu.  find_dev needs the lock, which keeps the device
 * bound; it is one of the innermost: no call of iommufd below it.  NULL: none.
 */
void iommufd_viommu_lock_vdevs(struct iommufd_viommu *viommu);
void iommufd_viommu_unlock_vdevs(struct iommufd_viommu *viommu);
struct uiommu_device *iommufd_viommu_find_dev(struct iommufd_viommu *viommu, uint64_t virt_id);
/* The other way, without the lock; also from set_dev_pasid.  -ENOENT. */
int iommufd_viommu_get_vdev_id(struct iommufd_viommu *viommu, const struct uiommu_device *dev,
			       uint64_t *virt_id);

/*
 * An event for the guest: to the viommu's queue of @type.  -EOPNOTSUPP: it has
 * none; -EINVAL: no data; -ENOMEM: the reader is told of a loss, as it is when
 * the queue is full, which is no error.  The caller keeps the viommu alive.
 */
int iommufd_viommu_report_event(struct iommufd_viommu *viommu, uint32_t type, const void *data,
				size_t length);

/*
 * Memory of @viommu that its owner can mmap from the context: zeroed, whole
 * pages.  *offset is where (not 0).  As an ERR_PTR -ENOMEM.  The driver frees it
 * in its destroy; a live mapping keeps the viommu from being destroyed.
 */
void *iommufd_viommu_alloc_mmap(struct iommufd_viommu *viommu, size_t length, uint64_t *offset);
void iommufd_viommu_free_mmap(struct iommufd_viommu *viommu, uint64_t offset);

/*
 * @queue needs @other, of the same viommu, to exist: DESTROY of @other is -EBUSY
 * until the undepend.  Any caller of the queue's operations may.
 */
void iommufd_hw_queue_depend(struct iommufd_hw_queue *queue, struct iommufd_hw_queue *other);
void iommufd_hw_queue_undepend(struct iommufd_hw_queue *queue, struct iommufd_hw_queue *other);

#endif /* UI_IOMMUFD_DRIVER_H */

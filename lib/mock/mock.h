/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mock/mock.h - the IOMMU driver that Linux's own tests of iommufd talk to
 *
 * In the kernel it is there with CONFIG_IOMMUFD_TEST; here an instance has it
 * once uiommu_enable_iommufd_test() was called, and otherwise knows nothing of
 * it.  It sits on iommufd like any driver: devices that it makes on demand are
 * bound with its table of operations (mock_driver), and IOMMU_TEST_CMD pulls
 * their strings and looks at what iommufd did to them.
 */
#ifndef UI_MOCK_MOCK_H
#define UI_MOCK_MOCK_H

#include <uiommu/iommu.h>
#include <urcu/list.h>

#include "base/file.h"
#include "base/ida.h"
#include "iommufd/driver.h"
#include "iommufd/object.h"
#include "mock/abi.h"

/*
 *  lock	innermost
 *  devices	lock: numbers in names
 *  inject	immutable but for its list
 */
struct mock_state {
	struct ui_node inject;
	struct ui_mutex lock;
	struct ui_ida devices;
};

/*
 * A device that a test made, and the object that DESTROY takes it away by.
 * Users: none but look-ups.
 *  ictx, flags, number, dev	immutable once found
 *  idev	immutable once found; goes with the object
 *  lock	below the group's locks and the viommu's; innermost
 *  viommu, virt_id	lock; of the nested domain that the RID has
 *  cache	atomics
 *  pasid_fails	the group's mutex, as every set_dev_pasid
 *  pasids_lock	outermost: one attach, replace or detach with a PASID at a time
 *  pasids	pasids_lock; struct mock_pasid of those attached
 */
struct mock_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	uint32_t flags;
	int64_t number;
	struct uiommu_device *dev;
	struct iommufd_device *idev;
	struct ui_mutex lock;
	struct iommufd_viommu *viommu;
	uint64_t virt_id;
	uint32_t cache[MOCK_CACHES];
	bool pasid_fails;
	struct ui_mutex pasids_lock;
	struct cds_list_head pasids;
};

extern const struct iommufd_driver mock_driver;
/* The driver's side of attachments, of every mock device. */
extern const struct uiommu_driver_ops mock_device_ops;

/* driver_data of a nested hwpt. */
struct mock_nested {
	struct iommufd_viommu *viommu; /* immutable; NULL: on a parent */
	uint32_t iotlb[MOCK_IOTLBS];   /* atomics */
};

/* A use, put by iommufd_put_object(); ERR_PTR -ENOENT. */
struct mock_device *mock_device_get(struct iommufd_ctx *ictx, uint32_t id);
/* By the ID of its binding; -EINVAL: another driver's.  @idev's object is used. */
struct mock_device *mock_device_of_binding(struct iommufd_ctx *ictx, uint32_t idev_id,
					   struct iommufd_object **idev);

/* ---- viommu.c ---- */

bool mock_viommu_supported(struct uiommu_device *dev, uint32_t type);
int mock_viommu_init(struct iommufd_viommu *viommu, struct uiommu_device *dev,
		     const struct iommufd_user_data *data);
/* What both kinds of nested hwpt have in common. */
int mock_nested_init(struct iommufd_hwpt *hwpt, struct iommufd_viommu *viommu, uint32_t flags,
		     const struct iommufd_user_data *data);

/* ---- memory.c ---- */

/* Do both addresses show the same page?  0; -EFAULT: there is none; -EBADE: no. */
int mock_same_page(struct uiommu_mm *mm, uint64_t addr, struct uiommu_mm *other_mm,
		   uint64_t other_addr);

/* Is the page at @page of @page_mm in [addr, addr + length) of @mm, and where? */
bool mock_page_within(struct uiommu_mm *mm, uint64_t addr, uint64_t length,
		      struct uiommu_mm *page_mm, uint64_t page, uint64_t *where);

/* ---- what the operations do; all may respond by themselves ---- */

int mock_add_reserved(struct iommufd_ucmd *ucmd);
int mock_domain(struct iommufd_ucmd *ucmd);
int mock_replace(struct iommufd_ucmd *ucmd);
int mock_pasid_attach(struct iommufd_ucmd *ucmd);
int mock_pasid_replace(struct iommufd_ucmd *ucmd);
int mock_pasid_detach(struct iommufd_ucmd *ucmd);
int mock_pasid_check(struct iommufd_ucmd *ucmd);
int mock_trigger_iopf(struct iommufd_ucmd *ucmd);
int mock_trigger_vevent(struct iommufd_ucmd *ucmd);
int mock_check_cache(struct iommufd_ucmd *ucmd);
int mock_check_iotlb(struct iommufd_ucmd *ucmd);
int mock_check_map(struct iommufd_ucmd *ucmd);
int mock_check_refs(struct iommufd_ucmd *ucmd);
int mock_dirty(struct iommufd_ucmd *ucmd);
int mock_create_access(struct iommufd_ucmd *ucmd);
int mock_access_replace(struct iommufd_ucmd *ucmd);
int mock_pin(struct iommufd_ucmd *ucmd);
int mock_unpin(struct iommufd_ucmd *ucmd);
int mock_access_rw(struct iommufd_ucmd *ucmd);
int mock_dmabuf_get(struct iommufd_ucmd *ucmd);
int mock_dmabuf_revoke(struct iommufd_ucmd *ucmd);

/* *iova of the form {number of an area, offset} becomes an IOVA; 0: no such area. */
struct iommufd_ioas;
uint64_t mock_nth_area(struct iommufd_ioas *ioas, uint64_t iova);

/* ---- inject.c ---- */

void mock_inject_init(struct uiommu *ctx);
void mock_inject_exit(struct uiommu *ctx);

void mock_exit(struct uiommu *ctx);

#endif /* UI_MOCK_MOCK_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An IOMMU that can everything and does nothing: it notes what it was asked, and
 * says no when it is told to.
 */
#ifndef TEST_IOMMUFD_FAKE_DRIVER_H
#define TEST_IOMMUFD_FAKE_DRIVER_H

#include "fixture.h"
#include "iommufd/driver.h"
#include "iommufd/hw_queue.h"
#include "iommufd/hwpt.h"
#include "iommufd/vdevice.h"
#include "iommufd/viommu.h"

/* Types of everything that has one. */
#define FAKE_TYPE 77u
#define FAKE_OTHER 78u

/* HWPT_ALLOC and VIOMMU_ALLOC.  A viommu answers with what follows. */
struct fake_data {
	uint32_t value;
	uint32_t out;
	uint64_t mmap_offset;
	uint64_t mmap_length;
};

/* HWPT_INVALIDATE.  A bad one isn't done, and none behind it. */
struct fake_entry {
	uint32_t bad;
	uint32_t value;
};

struct fake_iommu {
	/* What the next operation that makes something says. */
	int error;
	unsigned int hwpts;
	unsigned int viommus;
	unsigned int vdevices;
	unsigned int hw_queues;
	/* Of entries that were done. */
	uint32_t sum;
	uint32_t *page;
	struct iommufd_viommu *viommu;
	struct iommufd_hw_queue *queues[4];
};

extern struct fake_iommu fake_iommu;
extern const struct iommufd_driver fake_driver;
/* As that, and another IOMMU: one that can nothing but paging. */
extern const struct iommufd_driver poor_driver;

struct iommufd_device *bind_driver(struct fake_device *dev, const struct iommufd_driver *driver);

#endif /* TEST_IOMMUFD_FAKE_DRIVER_H */

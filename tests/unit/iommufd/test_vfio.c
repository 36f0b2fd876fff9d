// SPDX-License-Identifier: LGPL-2.1-or-later
/* VFIO_IOAS, and the ioctls of a VFIO container on /dev/iommu. */
#include "fixture.h"

#include "uapi/vfio.h"

static long vfio_ioas(uint16_t op, uint32_t id)
{
	struct iommu_vfio_ioas cmd = {.size = sizeof(cmd), .op = op, .ioas_id = id};
	long rc = iommu_ioctl(IOMMU_VFIO_IOAS, &cmd);

	return rc ? rc : (long)cmd.ioas_id;
}

static long value_ioctl(unsigned long request, uint64_t arg)
{
	return uiommu_file_ioctl(iommufd, mm, request, arg);
}

static long map_dma(uint32_t flags, uint64_t vaddr, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.vaddr = vaddr,
		.iova = iova,
		.size = size,
	};

	return iommu_ioctl(VFIO_IOMMU_MAP_DMA, &cmd);
}

/* *size: in and out. */
static long unmap_dma(uint32_t flags, uint64_t iova, uint64_t *size)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.iova = iova,
		.size = *size,
	};
	long rc = iommu_ioctl(VFIO_IOMMU_UNMAP_DMA, &cmd);

	*size = cmd.size;
	return rc;
}

static void expect_unmap(uint64_t iova, uint64_t size, long rc, uint64_t want)
{
	assert_int_equal(unmap_dma(0, iova, &size), rc);
	assert_int_equal(size, want);
}

static void test_ioas(void **state)
{
	struct iommu_vfio_ioas reserved = {.size = sizeof(reserved), .__reserved = 1};
	uint32_t a = ioas_alloc(), b = ioas_alloc();

	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_GET, 0), -ENODEV);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_SET, 99), -ENOENT);
	assert_int_equal(vfio_ioas(3, a), -EOPNOTSUPP);
	assert_int_equal(iommu_ioctl(IOMMU_VFIO_IOAS, &reserved), -EOPNOTSUPP);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_SET, b), b);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_GET, 0), b);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_SET, a), a);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_CLEAR, 0), 0);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_GET, 0), -ENODEV);
	/* It doesn't use it. */
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_SET, a), a);
	assert_int_equal(destroy(a), 0);
	assert_int_equal(vfio_ioas(IOMMU_VFIO_IOAS_GET, 0), -ENODEV);
}

static void test_none(void **state)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	uint64_t size = PAGE;

	assert_int_equal(value_ioctl(VFIO_GET_API_VERSION, 0), 0);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU), 1);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU), 1);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL), 1);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR), 0);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU), 0);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), -ENODEV);
	assert_int_equal(value_ioctl(VFIO_SET_IOMMU, 7), -EINVAL);
	assert_int_equal(value_ioctl(VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), -ENODEV);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_GET_INFO, &info), -ENODEV);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0, PAGE), -ENODEV);
	assert_int_equal(map_dma(4, (uintptr_t)memory, 0, PAGE), -EINVAL);
	assert_int_equal(unmap_dma(0, 0, &size), -ENODEV);
	assert_int_equal(unmap_dma(1, 0, &size), -EINVAL);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_DIRTY_PAGES, &info), -ENOTTY);
	assert_int_equal(value_ioctl(VFIO_IOMMU_MAP_DMA, (uintptr_t)memory + 2 * PAGE), -EFAULT);
	assert_int_equal(value_ioctl(VFIO_IOMMU_GET_INFO, 0), -EFAULT);
}

/* GET_INFO with room for all, for the first capability, and for none. */
static void test_info(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct {
		struct vfio_iommu_type1_info info;
		struct vfio_iommu_type1_info_dma_avail avail;
		uint32_t pad;
		uint64_t ranges[4];
	} arg = {.info.argsz = sizeof(arg)};
	const uint64_t ids = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE | 1 << 16;

	assert_true(sizeof(arg) == 72);
	assert_true(vfio_ioas(IOMMU_VFIO_IOAS_SET, ioas) > 0);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 1);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_GET_INFO, &arg), 0);
	assert_int_equal(arg.info.argsz, 72);
	assert_int_equal(arg.info.flags, VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS);
	assert_int_equal(arg.info.iova_pgsizes, ~(PAGE - 1));
	assert_int_equal(arg.info.cap_offset, 24);
	assert_int_equal(arg.avail.header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(arg.avail.header.next, 40);
	assert_int_equal(arg.avail.avail, UINT32_MAX);
	assert_int_equal(arg.ranges[0], ids);
	assert_int_equal(arg.ranges[1], 1);
	assert_int_equal(arg.ranges[2], 0);
	assert_int_equal(arg.ranges[3], UINT64_MAX);

	memset(&arg, 0, sizeof(arg));
	arg.info.argsz = 71;
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_GET_INFO, &arg), 0);
	assert_int_equal(arg.info.argsz, 72);
	assert_int_equal(arg.info.cap_offset, 0);
	assert_int_equal(arg.avail.header.next, 40);
	assert_int_equal(arg.ranges[0], 0);

	memset(&arg, 0, sizeof(arg));
	arg.info.argsz = 16;
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_GET_INFO, &arg), 0);
	assert_int_equal(arg.info.argsz, 72);
	assert_int_equal(arg.avail.header.id, 0);
	arg.info.argsz = 15;
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_GET_INFO, &arg), -EINVAL);
}

static void test_map(void **state)
{
	uint32_t ioas = ioas_alloc();
	uint64_t size;

	assert_true(vfio_ioas(IOMMU_VFIO_IOAS_SET, ioas) > 0);
	assert_int_equal(value_ioctl(VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 0);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0x10000, 2 * PAGE), 0);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0x11000, PAGE), -EEXIST);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0x20000, 0), -EINVAL);
	assert_int_equal(map_dma(3, UINT64_MAX, 0x20000, PAGE), -EOVERFLOW);
	/* The very last byte. */
	assert_int_equal(map_dma(1, (uintptr_t)memory, UINT64_MAX, 1), 0);
	/* Of nothing it is fine, through the middle not. */
	expect_unmap(0x30000, PAGE, 0, 0);
	expect_unmap(0x10000, PAGE, -ENOENT, 0);
	expect_unmap(0x10000, 0, -EINVAL, 0);
	expect_unmap(0x10000, 2 * PAGE, 0, 2 * PAGE);
	expect_unmap(UINT64_MAX, 1, 0, 1);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0, PAGE), 0);
	size = PAGE;
	assert_int_equal(unmap_dma(VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), -EINVAL);
	size = 0;
	assert_int_equal(unmap_dma(VFIO_DMA_UNMAP_FLAG_ALL, 0, &size), 0);
	assert_int_equal(size, PAGE);
	assert_int_equal(counts().areas, 0);
}

/* The first type: without large pages, maps are cut where an unmap ends. */
static void test_cut(void **state)
{
	uint32_t ioas = ioas_alloc(), id = ioas;
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = bind(iommufd, dev);
	char got;

	assert_true(vfio_ioas(IOMMU_VFIO_IOAS_SET, ioas) > 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &id), 0);
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0x10000, 2 * PAGE), 0);
	assert_int_equal(value_ioctl(VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU), 0);
	/* Too late. */
	assert_int_equal(value_ioctl(VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), -EINVAL);
	expect_unmap(0x10000, 2 * PAGE, 0, 2 * PAGE);
	assert_int_equal(value_ioctl(VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);

	memory[0] = 1;
	memory[PAGE] = 2;
	assert_int_equal(map_dma(3, (uintptr_t)memory, 0x10000, 2 * PAGE), 0);
	expect_unmap(0x10000, PAGE / 2, -EINVAL, PAGE / 2);
	expect_unmap(0x10000, PAGE, 0, PAGE);
	assert_int_equal(dma_read(dev, 0, 0x10000, &got, 1), -ENOENT);
	assert_int_equal(dma_read(dev, 0, 0x11000, &got, 1), 0);
	assert_int_equal(got, 2);
	assert_int_equal(counts().areas, 1);
	expect_unmap(0x11000, PAGE, 0, PAGE);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RULE(test_ioas), RULE(test_none), RULE(test_info), RULE(test_map), RULE(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

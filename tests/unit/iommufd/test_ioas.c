// SPDX-License-Identifier: LGPL-2.1-or-later
/* IDs and their reuse, DESTROY, and the address space ioctls. */
#include "fixture.h"

static void test_ids(void **state)
{
	struct uiommu_file *other = uiommu_open(ctx, "/dev/iommu", 2);
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

	for (uint32_t id = 1; id <= 100; id++)
		assert_int_equal(ioas_alloc(), id);
	assert_int_equal(destroy(70), 0);
	assert_int_equal(destroy(3), 0);
	assert_int_equal(destroy(3), -ENOENT);
	assert_int_equal(ioas_alloc(), 3);
	assert_int_equal(ioas_alloc(), 70);
	assert_int_equal(ioas_alloc(), 101);
	/* Each context counts for itself. */
	assert_int_equal(file_ioctl(other, IOMMU_IOAS_ALLOC, &cmd), 0);
	assert_int_equal(cmd.out_ioas_id, 1);
	assert_int_equal(counts().objects, 102);
	uiommu_file_put(other);
	assert_int_equal(counts().objects, 101);
}

static void test_destroy(void **state)
{
	assert_int_equal(destroy(0), -ENOENT);
	assert_int_equal(destroy(1), -ENOENT);
	assert_int_equal(destroy(UINT32_MAX), -ENOENT);
	assert_int_equal(destroy(0x80000000u), -ENOENT);
}

static void test_alloc_flags(void **state)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd), .flags = 1};

	assert_int_equal(iommu_ioctl(IOMMU_IOAS_ALLOC, &cmd), -EOPNOTSUPP);
	assert_int_equal(counts().objects, 0);
}

static void test_map(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
	};

	assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP, &cmd), 0);
	assert_int_not_equal(cmd.iova, 0);
	assert_int_equal(counts().areas, 1);
	assert_int_equal(ioas_map(ioas, cmd.iova, memory, PAGE), -EEXIST);

	/* The answer can't be written: the mapping is there, as in Linux. */
	cmd.flags |= IOMMU_IOAS_MAP_FIXED_IOVA;
	cmd.iova = 0x100000;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP, &cmd), 0);
	assert_int_equal(counts().areas, 2);
	/* With something mapped it can be destroyed, and takes it along. */
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(counts().areas, 0);
}

static void test_map_errors(void **state)
{
	const struct iommu_ioas_map good = {
		.size = sizeof(good),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas_alloc(),
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = 0x1000,
	};
	struct iommu_ioas_map cmd = good;

#define expect(change, error)                                                                      \
	do {                                                                                       \
		cmd = good;                                                                        \
		change;                                                                            \
		assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP, &cmd), error);                        \
	} while (0)

	expect(cmd.flags |= 8, -EOPNOTSUPP);
	expect(cmd.flags = 0x80000000, -EOPNOTSUPP);
	expect(cmd.__reserved = 1, -EOPNOTSUPP);
	expect((cmd.__reserved = 1, cmd.ioas_id = 99), -EOPNOTSUPP);
	expect(cmd.iova = UINT64_MAX, -EOVERFLOW);
	expect(cmd.length = UINT64_MAX, -EOVERFLOW);
	expect((cmd.length = UINT64_MAX, cmd.flags = 0), -EOVERFLOW);
	expect(cmd.flags = 0, -EINVAL);
	expect((cmd.flags = 0, cmd.ioas_id = 99), -EINVAL);
	expect(cmd.ioas_id = 99, -ENOENT);
	expect(cmd.ioas_id = 0, -ENOENT);
	expect(cmd.length = 0, -EINVAL);
	assert_int_equal(counts().areas, 0);
#undef expect
}

static void test_map_wrong_kind(void **state)
{
	uint32_t fault;

	fault_alloc(&fault);
	assert_int_equal(ioas_map(fault, 0x1000, memory, PAGE), -ENOENT);
	assert_int_equal(ioas_unmap(fault, 0x1000, PAGE), -ENOENT);
}

static void test_unmap(void **state)
{
	uint32_t ioas = ioas_alloc();

	assert_int_equal(ioas_unmap(ioas, 0x1000, PAGE), -ENOENT);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), 0);
	assert_int_equal(ioas_unmap(ioas, 1, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(ioas_unmap(ioas, UINT64_MAX, 1), -EOVERFLOW);
	assert_int_equal(ioas_unmap(99, UINT64_MAX, 1), -ENOENT);
	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas, 0x5000, memory, 2 * PAGE), 0);
	assert_int_equal(ioas_unmap(ioas, 0x5000, PAGE), -ENOENT);
	assert_int_equal(ioas_unmap(ioas, 0, 0x10000), 3 * PAGE);
	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), PAGE);
}

static void test_ranges(void **state)
{
	struct iommu_iova_range ranges[3];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_alloc(),
		.num_iovas = 3,
		.allowed_iovas = (uintptr_t)ranges,
	};

	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_int_equal(cmd.num_iovas, 1);
	assert_int_equal(cmd.out_iova_alignment, 1);
	assert_true(ranges[0].start == 0 && ranges[0].last == UINT64_MAX);

	cmd.num_iovas = 0;
	cmd.allowed_iovas = 0;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), -EMSGSIZE);
	assert_int_equal(cmd.num_iovas, 1);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), -EFAULT);
	cmd.__reserved = 1;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), -EOPNOTSUPP);
	cmd.__reserved = 0;
	cmd.ioas_id = 7;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), -ENOENT);
}

/* A device narrows them, and its detach widens them again. */
static void test_ranges_attached(void **state)
{
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = bind(iommufd, dev);
	struct iommu_iova_range ranges[3];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas_alloc(),
		.num_iovas = 3,
		.allowed_iovas = (uintptr_t)ranges,
	};
	uint32_t pt = cmd.ioas_id;

	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_int_equal(cmd.num_iovas, 2);
	assert_int_equal(cmd.out_iova_alignment, PAGE);
	assert_true(ranges[0].start == 0 && ranges[0].last == 0xfedfffff);
	assert_true(ranges[1].start == 0xfef00000 && ranges[1].last == 0xffffffffffff);
	/* One too few: what fits is there, and how many there are. */
	memset(ranges, 0, sizeof(ranges));
	cmd.num_iovas = 1;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), -EMSGSIZE);
	assert_int_equal(cmd.num_iovas, 2);
	assert_true(ranges[0].last == 0xfedfffff && !ranges[1].last);
	assert_int_equal(ioas_map(cmd.ioas_id, 0xfee00000, memory, PAGE), -EINVAL);

	iommufd_device_detach(idev, 0);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd), 0);
	assert_int_equal(cmd.num_iovas, 1);
	assert_true(ranges[0].start == 0 && ranges[0].last == UINT64_MAX);
	iommufd_device_unbind(idev);
	device_free(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alloc_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_wrong_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ranges_attached, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

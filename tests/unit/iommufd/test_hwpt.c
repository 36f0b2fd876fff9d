// SPDX-License-Identifier: LGPL-2.1-or-later
/* Hwpts with drivers: paging ones with data, nested ones, invalidation, GET_HW_INFO. */
#include "fake_driver.h"

static struct fake_device *dev, *poor;
static struct iommufd_device *idev, *poor_idev;
static uint32_t dev_id, poor_id, ioas;

static int setup_fake(void **state)
{
	setup(state);
	memset(&fake_iommu, 0, sizeof(fake_iommu));
	dev = device_new(NULL);
	poor = device_new(NULL);
	idev = bind_driver(dev, &fake_driver);
	poor_idev = bind_driver(poor, &poor_driver);
	dev_id = iommufd_device_to_id(idev);
	poor_id = iommufd_device_to_id(poor_idev);
	ioas = ioas_alloc();
	return 0;
}

static int teardown_fake(void **state)
{
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	iommufd_device_unbind(poor_idev);
	device_free(dev);
	device_free(poor);
	teardown(state);
	assert_int_equal(fake_iommu.hwpts, 0);
	return 0;
}

static long alloc_data(uint32_t device, uint32_t pt_id, uint32_t flags, uint32_t type,
		       uint32_t length, const void *data)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = device,
		.pt_id = pt_id,
		.data_type = type,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
	};
	long rc = iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd);

	return rc ? rc : (long)cmd.out_hwpt_id;
}

static long alloc_nested(uint32_t pt_id, uint32_t flags)
{
	struct fake_data data = {.value = 1};

	return alloc_data(dev_id, pt_id, flags, FAKE_TYPE, sizeof(data), &data);
}

static void test_paging_data(void **state)
{
	struct fake_data data[2] = {{.value = 5}};

	assert_true(alloc_data(dev_id, ioas, 0, FAKE_TYPE, sizeof(*data), data) > 0);
	/* Shorter and longer ones of other versions of the caller; another type. */
	assert_true(alloc_data(dev_id, ioas, 0, FAKE_TYPE, 4, data) > 0);
	assert_int_equal(alloc_data(dev_id, ioas, 0, FAKE_TYPE, 3, data), -EINVAL);
	assert_int_equal(alloc_data(dev_id, ioas, 0, FAKE_TYPE, sizeof(*data) + 1, data), -EINVAL);
	assert_int_equal(alloc_data(dev_id, ioas, 0, FAKE_OTHER, sizeof(*data), data), -EINVAL);
	assert_int_equal(alloc_data(dev_id, ioas, 0, FAKE_TYPE, 8, memory + 2 * PAGE - 4), -EFAULT);
	fake_iommu.error = -ENOSPC;
	assert_int_equal(alloc_data(dev_id, ioas, 0, FAKE_TYPE, 8, data), -ENOSPC);
	assert_int_equal(fake_iommu.hwpts, 2);
	/* The aperture is the driver's. */
	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), -EINVAL);
	assert_int_equal(ioas_map(ioas, 1 << 20, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas, 1ull << 40, memory, PAGE), -EINVAL);
}

static void test_capability(void **state)
{
	assert_true(hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0) > 0);
	assert_int_equal(hwpt_alloc(poor_id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0),
			 -EOPNOTSUPP);
	assert_true(hwpt_alloc(poor_id, ioas, 0, 0) > 0);
}

static void test_nested(void **state)
{
	struct fake_data data = {.value = 1};
	long parent = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	long plain = hwpt_alloc(dev_id, ioas, 0, 0);
	long nested, other;
	uint32_t pt = ioas;

	nested = alloc_nested(parent, 0);
	assert_true(nested > 0);
	other = alloc_nested(parent, IOMMU_HWPT_ALLOC_PASID);
	assert_true(other > 0);
	assert_int_equal(fake_iommu.hwpts, 4);

	/* Flags and data come before the parent. */
	assert_int_equal(alloc_nested(plain, IOMMU_HWPT_ALLOC_NEST_PARENT), -EOPNOTSUPP);
	assert_int_equal(alloc_nested(parent, IOMMU_HWPT_ALLOC_DIRTY_TRACKING), -EOPNOTSUPP);
	assert_int_equal(hwpt_alloc(dev_id, parent, 0, 0), -EOPNOTSUPP);
	assert_int_equal(alloc_nested(plain, 0), -EINVAL);
	assert_int_equal(alloc_nested(nested, 0), -EINVAL);
	/* Another IOMMU's device: that has none; or it is another's parent. */
	assert_int_equal(alloc_data(poor_id, parent, 0, FAKE_TYPE, 4, &data), -EOPNOTSUPP);
	other = hwpt_alloc(poor_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	assert_int_equal(alloc_nested(other, 0), -EINVAL);
	/* An automatic one is nobody's parent. */
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	assert_int_equal(alloc_nested(pt, 0), -EINVAL);
	iommufd_device_detach(idev, 0);
	fake_iommu.error = -EIO;
	assert_int_equal(alloc_nested(parent, 0), -EIO);

	/* The parent stays as long as it has one. */
	assert_int_equal(destroy(parent), -EBUSY);
	pt = (uint32_t)nested;
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	assert_int_equal(pt, nested);
	assert_int_equal(destroy(nested), -EBUSY);
	iommufd_device_detach(idev, 0);
	assert_int_equal(destroy(nested), 0);
	assert_int_equal(destroy(parent), -EBUSY);
}

static void test_nested_dma(void **state)
{
	long parent = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	uint32_t pt = (uint32_t)alloc_nested(parent, 0);
	char buf[8];

	assert_int_equal(ioas_map(ioas, 1 << 20, memory, PAGE), 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	/* Nothing is in a guest's table that the library can read. */
	assert_int_equal(dma_read(dev, 0, 1 << 20, buf, 8), -ENOENT);
	pt = (uint32_t)parent;
	assert_int_equal(iommufd_device_replace(idev, 0, &pt), 0);
	assert_int_equal(dma_read(dev, 0, 1 << 20, buf, 8), 0);
}

static void test_nested_fault(void **state)
{
	const struct uiommu_fault last = {.flags = UIOMMU_FAULT_LAST_PAGE, .grpid = 3};
	struct fake_data data = {.value = 1};
	struct iommu_hwpt_pgfault fault;
	uint32_t fault_id;
	struct uiommu_file *queue = fault_alloc(&fault_id);
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = dev_id,
		.pt_id = (uint32_t)hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0),
		.data_type = FAKE_TYPE,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	uint64_t before = counts().objects;

	/* The queue comes last: the hwpt that was made before it goes again. */
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), -ENOENT);
	assert_int_equal(counts().objects, before);
	assert_int_equal(fake_iommu.hwpts, 1);
	cmd.fault_id = fault_id;
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &cmd.out_hwpt_id), 0);
	assert_int_equal(uiommu_report_device_fault(dev->dev, &last), 0);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)&fault, sizeof(fault)),
			 sizeof(fault));
	assert_int_equal(fault.grpid, 3);
	assert_int_equal(fault.dev_id, dev_id);
	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 1);
	host_close(queue);
	assert_int_equal(destroy(fault_id), -EBUSY);
	assert_int_equal(destroy(cmd.out_hwpt_id), 0);
	assert_int_equal(destroy(fault_id), 0);
}

static long invalidate(uint32_t id, uint32_t type, const void *entries, uint32_t length,
		       uint32_t *num)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)entries,
		.data_type = type,
		.entry_len = length,
		.entry_num = *num,
	};
	long rc = iommu_ioctl(IOMMU_HWPT_INVALIDATE, &cmd);

	*num = cmd.entry_num;
	return rc;
}

static void test_invalidate(void **state)
{
	struct fake_entry entries[4] = {{0, 1}, {0, 10}, {0, 100}, {0, 1000}};
	long parent = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	long nested = alloc_nested(parent, 0);
	uint32_t num;
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = (uint32_t)nested,
		.entry_num = 9,
		.__reserved = 1,
	};

#define expect(id, type, ptr, len, n, error, done)                                                 \
	do {                                                                                       \
		num = (n);                                                                         \
		assert_int_equal(invalidate(id, type, ptr, len, &num), error);                     \
		assert_int_equal(num, done);                                                       \
	} while (0)
	expect(nested, FAKE_TYPE, entries, 8, 3, 0, 3);
	assert_int_equal(fake_iommu.sum, 111);
	entries[2].bad = 1;
	expect(nested, FAKE_TYPE, entries, 8, 4, -EOPNOTSUPP, 2);
	assert_int_equal(fake_iommu.sum, 122);
	/* None: whether the type is known. */
	expect(nested, FAKE_TYPE, NULL, 0, 0, 0, 0);
	expect(nested, FAKE_OTHER, NULL, 0, 0, -EINVAL, 0);
	expect(nested, FAKE_OTHER, entries, 8, 1, -EINVAL, 0);
	/* The bounds come before the look-up. */
	expect(9999, FAKE_TYPE, entries, 8, (1u << 19) + 1, -EINVAL, 0);
	expect(9999, FAKE_TYPE, NULL, 8, 1, -EINVAL, 0);
	expect(9999, FAKE_TYPE, entries, 0, 1, -EINVAL, 0);
	expect(9999, FAKE_TYPE, entries, 4097, 1, -EINVAL, 0);
	expect(9999, FAKE_TYPE, entries, 8, 1, -ENOENT, 0);
	expect(parent, FAKE_TYPE, entries, 8, 1, -EINVAL, 0);
	expect(ioas, FAKE_TYPE, entries, 8, 1, -EINVAL, 0);
	expect(nested, FAKE_TYPE, memory + 2 * PAGE - 8, 8, 2, -EFAULT, 1);
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_INVALIDATE, &cmd), -EOPNOTSUPP);
	assert_int_equal(cmd.entry_num, 0);
#undef expect
}

static void test_hw_info(void **state)
{
	unsigned char data[20];
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.data_len = 8,
		.data_uptr = (uintptr_t)data,
		.in_data_type = FAKE_OTHER,
	};

	/* Shorter than what there is; the type that is put in isn't looked at. */
	memset(data, 0xcc, sizeof(data));
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, 12);
	assert_int_equal(cmd.out_data_type, FAKE_TYPE);
	assert_int_equal(cmd.out_capabilities, IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal(data[7], 0xab);
	assert_int_equal(data[8], 0xcc);
	/* Longer: the rest is cleared. */
	cmd.data_len = 16;
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	cmd.in_data_type = FAKE_TYPE;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, 12);
	assert_int_equal(data[11], 0xab);
	assert_int_equal(data[12], 0);
	assert_int_equal(data[15], 0);
	assert_int_equal(data[16], 0xcc);
	cmd.in_data_type = FAKE_OTHER;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
	cmd.in_data_type = 0;
	cmd.data_uptr = 0;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -EFAULT);
	cmd.data_len = 0;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, 12);
	cmd.dev_id = poor_id;
	cmd.flags = 0;
	cmd.data_len = 0;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, 0);
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_NONE);
	assert_int_equal(cmd.out_capabilities, 0);
}

static void test_of_domain(void **state)
{
	long parent = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	uint32_t pt = (uint32_t)alloc_nested(parent, 0);
	struct uiommu_domain *blocked = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_BLOCKED);
	struct uiommu_attach_handle *handle;

	assert_null(iommufd_hwpt_of_domain(blocked));
	uiommu_domain_put(blocked);
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	handle = uiommu_attach_handle_get(uiommu_device_group(dev->dev), 0, NULL);
	assert_int_equal(iommufd_hwpt_of_domain(uiommu_attach_handle_domain(handle))->obj.id, pt);
	uiommu_attach_handle_put(handle);
}

int main(void)
{
#define with_fake(test) cmocka_unit_test_setup_teardown(test, setup_fake, teardown_fake)
	const struct CMUnitTest tests[] = {
		with_fake(test_paging_data),  with_fake(test_capability),
		with_fake(test_nested),	      with_fake(test_nested_dma),
		with_fake(test_nested_fault), with_fake(test_invalidate),
		with_fake(test_hw_info),      with_fake(test_of_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

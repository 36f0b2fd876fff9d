// SPDX-License-Identifier: LGPL-2.1-or-later
/* Binding, HWPT_ALLOC, attach, replace, detach; GET_HW_INFO. */
#include "fixture.h"

static struct fake_device *dev;
static struct iommufd_device *idev;
static uint32_t dev_id, ioas;

static int setup_bound(void **state)
{
	setup(state);
	dev = device_new(NULL);
	idev = bind(iommufd, dev);
	assert_false(UIOMMU_IS_ERR(idev));
	dev_id = iommufd_device_to_id(idev);
	ioas = ioas_alloc();
	return 0;
}

static int teardown_bound(void **state)
{
	if (idev)
		iommufd_device_unbind(idev);
	idev = NULL;
	device_free(dev);
	return teardown(state);
}

/* The ID it came to, or -errno. */
static long attach_to(struct iommufd_device *to, uint32_t pasid, uint32_t pt_id)
{
	int rc = iommufd_device_attach(to, pasid, &pt_id);

	return rc ? rc : (long)pt_id;
}

static long replace_by(struct iommufd_device *to, uint32_t pasid, uint32_t pt_id)
{
	int rc = iommufd_device_replace(to, pasid, &pt_id);

	return rc ? rc : (long)pt_id;
}

/* ---- binding ---- */

static void test_bind(void **state)
{
	struct uiommu_file *other = uiommu_open(ctx, "/dev/iommu", 2);
	struct uiommu_group *group = uiommu_device_group(dev->dev);
	struct fake_device *twin = device_new(group);
	struct iommufd_device *twin_idev;

	assert_int_equal(UIOMMU_PTR_ERR(bind(iommufd, dev)), -EBUSY);
	/* The group belongs to one context, until the last of it is unbound. */
	assert_int_equal(UIOMMU_PTR_ERR(bind(other, twin)), -EPERM);
	twin_idev = bind(iommufd, twin);
	assert_false(UIOMMU_IS_ERR(twin_idev));
	iommufd_device_unbind(idev);
	assert_int_equal(UIOMMU_PTR_ERR(bind(other, dev)), -EPERM);
	iommufd_device_unbind(twin_idev);
	idev = bind(other, dev);
	assert_false(UIOMMU_IS_ERR(idev));
	uiommu_file_put(other);
	device_free(twin);
}

static void test_bind_in_use(void **state)
{
	struct fake_device *used = device_new(NULL);
	struct uiommu_domain *domain = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_BLOCKED);

	assert_int_equal(uiommu_attach_device_pasid(domain, used->dev, 0, NULL), 0);
	assert_int_equal(UIOMMU_PTR_ERR(bind(iommufd, used)), -EBUSY);
	assert_int_equal(uiommu_detach_device_pasid(used->dev, 0, NULL), 0);
	uiommu_domain_put(domain);
	device_free(used);
}

static void test_bound_is_busy(void **state)
{
	assert_int_equal(destroy(dev_id), -EBUSY);
	iommufd_device_unbind(idev);
	idev = NULL;
	assert_int_equal(destroy(dev_id), -ENOENT);
	/* The number is free again. */
	assert_int_equal(ioas_alloc(), dev_id);
}

/* A bound device keeps the context when its descriptor is closed. */
static void test_context_outlives_close(void **state)
{
	char byte = 0;
	long hwpt;

	memory[5] = 'x';
	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	hwpt = attach_to(idev, 0, ioas);
	assert_true(hwpt > 0);
	uiommu_file_put(iommufd);
	iommufd = NULL;
	assert_int_equal(counts().files, 1);
	assert_int_equal(dma_read(dev, 0, 0x1005, &byte, 1), 0);
	assert_int_equal(byte, 'x');
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	idev = NULL;
	assert_int_equal(counts().files, 0);
	assert_int_equal(counts().objects, 0);
	assert_int_equal(counts().areas, 0);
}

static void test_not_iommufd(void **state)
{
	struct uiommu_file *fault;
	uint32_t id;

	fault = fault_alloc(&id);
	assert_null(iommufd_ctx_from_file(fault));
}

/* ---- HWPT_ALLOC ---- */

static void test_hwpt_errors(void **state)
{
	const struct iommu_hwpt_alloc good = {
		.size = sizeof(good),
		.dev_id = dev_id,
		.pt_id = ioas,
	};
	struct iommu_hwpt_alloc cmd;
	uint32_t fault;
	uint64_t before;

	fault_alloc(&fault);
	before = counts().objects;
#define expect(change, error)                                                                      \
	do {                                                                                       \
		cmd = good;                                                                        \
		change;                                                                            \
		assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), error);                      \
		assert_int_equal(counts().objects, before);                                        \
		assert_int_equal(counts().domains, 0);                                             \
	} while (0)

	expect(cmd.__reserved = 1, -EOPNOTSUPP);
	expect(cmd.data_len = 8, -EINVAL);
	expect(cmd.data_type = IOMMU_HWPT_DATA_VTD_S1, -EINVAL);
	expect((cmd.data_type = IOMMU_HWPT_DATA_VTD_S1, cmd.data_len = 24), -EOPNOTSUPP);
	expect(cmd.dev_id = ioas, -ENOENT);
	expect(cmd.dev_id = 77, -ENOENT);
	expect((cmd.dev_id = 77, cmd.pt_id = 77), -ENOENT);
	expect(cmd.pt_id = 77, -EINVAL);
	expect(cmd.pt_id = 0, -EINVAL);
	expect(cmd.pt_id = dev_id, -EINVAL);
	expect(cmd.pt_id = fault, -EINVAL);
	expect(cmd.flags = 0x10, -EOPNOTSUPP);
	expect(cmd.flags = 0x80000000, -EOPNOTSUPP);
	expect((cmd.flags = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_NEST_PARENT,
		cmd.fault_id = fault),
	       -EOPNOTSUPP);
	expect((cmd.flags = IOMMU_HWPT_FAULT_ID_VALID, cmd.fault_id = 0), -ENOENT);
	expect((cmd.flags = IOMMU_HWPT_FAULT_ID_VALID, cmd.fault_id = ioas), -ENOENT);
	/* What is mapped where the IOMMU can't, or isn't there at all. */
	assert_int_equal(ioas_map(ioas, 0x1001, memory + 1, 10), 0);
	expect((void)0, -EADDRINUSE);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), 10);
	assert_int_equal(ioas_map(ioas, 0x1000, memory + 2 * PAGE, PAGE), 0);
	expect((void)0, -EFAULT);
#undef expect
}

static void test_hwpt_lifetime(void **state)
{
	uint32_t fault;
	struct uiommu_file *file = fault_alloc(&fault);
	long hwpt = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID, fault);
	long plain = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 12345);

	assert_true(hwpt > 0 && plain > 0);
	assert_int_equal(hwpt_alloc(dev_id, hwpt, 0, 0), -EOPNOTSUPP);
	assert_int_equal(destroy(ioas), -EBUSY);
	host_close(file);
	assert_int_equal(destroy(fault), -EBUSY);
	assert_int_equal(attach_to(idev, 0, hwpt), hwpt);
	assert_int_equal(destroy(hwpt), -EBUSY);
	iommufd_device_detach(idev, 0);
	/* Not an automatic one: it stays. */
	assert_int_equal(destroy(hwpt), 0);
	assert_int_equal(destroy(fault), 0);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(destroy(plain), 0);
	assert_int_equal(destroy(ioas), 0);
}

/* ---- attach ---- */

static void test_automatic(void **state)
{
	struct fake_device *dev2 = device_new(NULL);
	struct iommufd_device *idev2 = bind(iommufd, dev2);
	long hwpt = attach_to(idev, 0, ioas);
	uint64_t objects = counts().objects;

	assert_true(hwpt > 0);
	/* Another device of the same IOMMU shares it. */
	assert_int_equal(attach_to(idev2, 0, ioas), hwpt);
	assert_int_equal(counts().objects, objects);
	assert_int_equal(destroy(hwpt), -EBUSY);
	assert_int_equal(destroy(ioas), -EBUSY);
	iommufd_device_detach(idev, 0);
	assert_int_equal(destroy(hwpt), -EBUSY);
	assert_int_equal(attach_to(idev, 0, hwpt), hwpt);
	iommufd_device_detach(idev2, 0);
	iommufd_device_detach(idev, 0);
	/* Gone with its last attachment. */
	assert_int_equal(destroy(hwpt), -ENOENT);
	assert_int_equal(counts().objects, objects - 1);
	assert_int_equal(destroy(ioas), 0);
	iommufd_device_unbind(idev2);
	device_free(dev2);
}

static void test_attach_errors(void **state)
{
	uint32_t fault, ioas2 = ioas_alloc();
	long hwpt = hwpt_alloc(dev_id, ioas, 0, 0);

	fault_alloc(&fault);
	assert_int_equal(attach_to(idev, 0, 77), -ENOENT);
	assert_int_equal(attach_to(idev, 0, 0), -ENOENT);
	assert_int_equal(attach_to(idev, 0, dev_id), -EINVAL);
	assert_int_equal(attach_to(idev, 0, fault), -EINVAL);
	assert_int_equal(replace_by(idev, 0, hwpt), -EINVAL);
	assert_int_equal(replace_by(idev, 0, ioas), -EINVAL);
	iommufd_device_detach(idev, 0);
	assert_int_equal(attach_to(idev, 0, hwpt), hwpt);
	assert_int_equal(attach_to(idev, 0, hwpt), -EBUSY);
	assert_int_equal(attach_to(idev, 0, ioas2), -EBUSY);
	iommufd_device_detach(idev, 0);

	/* Where interrupts are; in the middle of a page. */
	assert_int_equal(ioas_map(ioas2, 0xfee00000, memory, PAGE), 0);
	assert_int_equal(attach_to(idev, 0, ioas2), -EADDRINUSE);
	assert_int_equal(ioas_unmap(ioas2, 0, UINT64_MAX), PAGE);
	assert_int_equal(ioas_map(ioas2, 0x1001, memory + 1, 10), 0);
	assert_int_equal(attach_to(idev, 0, ioas2), -EADDRINUSE);
	/* Nothing of a failed attach is left. */
	assert_int_equal(destroy(ioas2), 0);
	assert_int_equal(counts().handles, 0);
	assert_int_equal(counts().domains, 1);
}

static void test_fault_needs_pri(void **state)
{
	struct fake_device *plain = device_new_plain();
	struct iommufd_device *plain_idev = bind(iommufd, plain);
	uint32_t fault;
	long hwpt;

	fault_alloc(&fault);
	hwpt = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID, fault);
	assert_int_equal(attach_to(plain_idev, 0, hwpt), -ENODEV);
	assert_true(attach_to(plain_idev, 0, ioas) > 0);
	assert_int_equal(replace_by(plain_idev, 0, hwpt), -ENODEV);
	iommufd_device_detach(plain_idev, 0);
	iommufd_device_unbind(plain_idev);
	device_free(plain);
}

static void test_replace(void **state)
{
	uint32_t ioas2 = ioas_alloc();
	long first, second;
	char byte = 0;

	memory[0] = 'a';
	memory[PAGE] = 'b';
	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas2, 0x1000, memory + PAGE, PAGE), 0);
	first = attach_to(idev, 0, ioas);
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), 0);
	assert_int_equal(byte, 'a');
	/* By itself, by ID or by IOAS: nothing happens. */
	assert_int_equal(replace_by(idev, 0, first), first);
	assert_int_equal(replace_by(idev, 0, ioas), first);

	second = replace_by(idev, 0, ioas2);
	assert_true(second > 0 && second != first);
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), 0);
	assert_int_equal(byte, 'b');
	assert_int_equal(destroy(first), -ENOENT);
	/* What the device had reserved moved along. */
	assert_int_equal(ioas_map(ioas, 0xfee00000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas2, 0xfee00000, memory, PAGE), -EINVAL);
	assert_int_equal(destroy(ioas), 0);
	iommufd_device_detach(idev, 0);
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), -ENOENT);
	assert_int_equal(destroy(ioas2), 0);
}

static void test_replace_fails(void **state)
{
	uint32_t ioas2 = ioas_alloc();
	long first = attach_to(idev, 0, ioas);
	uint64_t objects = counts().objects;
	char byte;

	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas2, 0xfee00000, memory, PAGE), 0);
	assert_int_equal(replace_by(idev, 0, ioas2), -EADDRINUSE);
	assert_int_equal(replace_by(idev, 0, 77), -ENOENT);
	assert_int_equal(counts().objects, objects);
	/* The old one works on. */
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), 0);
	assert_int_equal(destroy(first), -EBUSY);
	assert_int_equal(destroy(ioas2), 0);
	iommufd_device_detach(idev, 0);
}

/* ---- groups ---- */

static void test_group_of_two(void **state)
{
	struct fake_device *twin = device_new(uiommu_device_group(dev->dev));
	struct iommufd_device *twin_idev = bind(iommufd, twin);
	long first = hwpt_alloc(dev_id, ioas, 0, 0);
	long second = hwpt_alloc(dev_id, ioas, 0, 0);
	char byte;

	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	assert_int_equal(attach_to(idev, 0, first), first);
	/* Switched together with the other, though nobody attached it. */
	assert_int_equal(dma_read(twin, 0, 0x1000, &byte, 1), 0);
	assert_int_equal(attach_to(twin_idev, 0, second), -EINVAL);
	assert_int_equal(replace_by(twin_idev, 0, second), -EINVAL);
	iommufd_device_detach(twin_idev, 0);
	assert_int_equal(attach_to(twin_idev, 0, first), first);
	assert_int_equal(attach_to(twin_idev, 0, first), -EBUSY);
	assert_int_equal(destroy(first), -EBUSY);

	/* Replace moves both. */
	assert_int_equal(replace_by(twin_idev, 0, second), second);
	assert_int_equal(destroy(first), 0);
	assert_int_equal(destroy(second), -EBUSY);
	iommufd_device_detach(idev, 0);
	assert_int_equal(destroy(second), -EBUSY);
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), 0);
	iommufd_device_detach(twin_idev, 0);
	assert_int_equal(dma_read(dev, 0, 0x1000, &byte, 1), -ENOENT);
	assert_int_equal(destroy(second), 0);
	iommufd_device_unbind(twin_idev);
	device_free(twin);
}

/* ---- PASIDs ---- */

static void test_pasid(void **state)
{
	long flagged = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	long other = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	long plain = hwpt_alloc(dev_id, ioas, 0, 0);
	char byte;

	assert_int_equal(ioas_map(ioas, 0x1000, memory, PAGE), 0);
	/* Made for PASIDs: the hwpt, and the RID's if there is one. */
	assert_int_equal(attach_to(idev, 5, plain), -EINVAL);
	assert_int_equal(attach_to(idev, 5, ioas), -EINVAL);
	assert_int_equal(attach_to(idev, 0, plain), plain);
	assert_int_equal(attach_to(idev, 5, flagged), -EINVAL);
	assert_int_equal(replace_by(idev, 0, flagged), flagged);
	assert_int_equal(attach_to(idev, 5, flagged), flagged);
	assert_int_equal(dma_read(dev, 5, 0x1000, &byte, 1), 0);
	assert_int_equal(replace_by(idev, 0, plain), -EINVAL);
	iommufd_device_detach(idev, 0);
	assert_int_equal(attach_to(idev, 0, plain), -EINVAL);
	assert_int_equal(attach_to(idev, 0, ioas), -EINVAL);

	assert_int_equal(attach_to(idev, 5, other), -EBUSY);
	assert_int_equal(attach_to(idev, 5, flagged), -EBUSY);
	assert_int_equal(replace_by(idev, 6, other), -EINVAL);
	assert_int_equal(replace_by(idev, 5, plain), -EINVAL);
	assert_int_equal(replace_by(idev, 5, ioas), -EINVAL);
	assert_int_equal(replace_by(idev, 5, other), other);
	assert_int_equal(destroy(flagged), 0);
	assert_int_equal(destroy(other), -EBUSY);
	/* 32 is one more than there are. */
	assert_int_equal(attach_to(idev, 31, other), other);
	assert_int_equal(attach_to(idev, 32, other), -EINVAL);
	assert_int_equal(attach_to(idev, UINT32_MAX, other), -EINVAL);
	iommufd_device_detach(idev, 31);
	iommufd_device_detach(idev, 31);
	iommufd_device_detach(idev, UINT32_MAX);
	iommufd_device_detach(idev, 5);
	assert_int_equal(dma_read(dev, 5, 0x1000, &byte, 1), -ENOENT);
	/* No PASID left: the RID may have any hwpt again. */
	assert_int_equal(attach_to(idev, 0, plain), plain);
	iommufd_device_detach(idev, 0);
	assert_int_equal(destroy(other), 0);
	assert_int_equal(destroy(plain), 0);
}

/* Somebody else's domain in a slot is none of ours. */
static void test_foreign(void **state)
{
	struct uiommu_domain *domain = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_BLOCKED);
	long flagged = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);

	assert_int_equal(uiommu_attach_device_pasid(domain, dev->dev, 3, NULL), 0);
	assert_int_equal(attach_to(idev, 3, flagged), -EBUSY);
	assert_int_equal(replace_by(idev, 3, flagged), -EINVAL);
	iommufd_device_detach(idev, 3);
	assert_int_equal(uiommu_detach_device_pasid(dev->dev, 3, NULL), 0);
	uiommu_domain_put(domain);
}

/* ---- at once ---- */

static bool stop;

/* Attaches to the IOAS, and must find its DMA working, whoever else comes and goes. */
static void *attacher(void *arg)
{
	struct iommufd_device *own = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		long first = attach_to(own, 0, ioas);

		/* The same one, for we keep it. */
		if (first <= 0 || replace_by(own, 0, ioas) != first)
			abort();
		iommufd_device_detach(own, 0);
	}
	return NULL;
}

/* An automatic hwpt is made and destroyed by those who share it. */
static void test_race(void **state)
{
	struct fake_device *dev2 = device_new(NULL);
	struct iommufd_device *idev2 = bind(iommufd, dev2);
	uint64_t objects = counts().objects;
	pthread_t threads[2];

	stop = false;
	assert_int_equal(pthread_create(&threads[0], NULL, attacher, idev), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, attacher, idev2), 0);
	for (int i = 0; i < 20000; i++) {
		/* IDs 1 to 3 are taken, so it is 4 or, briefly, 5 as well. */
		long rc = destroy(4 + (i & 1));

		assert_true(rc == -EBUSY || rc == -ENOENT);
		rc = hwpt_alloc(dev_id, 4 + (i & 1), 0, 0);
		assert_true(rc == -EINVAL || rc == -EOPNOTSUPP);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_int_equal(counts().objects, objects);
	assert_int_equal(counts().handles, 0);
	assert_int_equal(destroy(ioas), 0);
	iommufd_device_unbind(idev2);
	device_free(dev2);
}

/* ---- GET_HW_INFO ---- */

static void test_hw_info(void **state)
{
	unsigned char data[16];
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.data_len = 8,
		.data_uptr = (uintptr_t)data,
		.in_data_type = 77,
	};

	memset(data, 0xcc, sizeof(data));
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.data_len, 0);
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_NONE);
	assert_int_equal(cmd.out_max_pasid_log2, 5);
	assert_int_equal(cmd.out_capabilities, IOMMU_HW_CAP_DIRTY_TRACKING);
	assert_int_equal(data[7], 0);
	assert_int_equal(data[8], 0xcc);
	/* No room asked for, none touched. */
	cmd.data_uptr = 0;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	cmd.data_len = 1;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -EFAULT);
	cmd.data_len = 0;
	cmd.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	cmd.flags = 2;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
	cmd.flags = 0;
	cmd.__reserved[2] = 1;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -EOPNOTSUPP);
	cmd.__reserved[2] = 0;
	cmd.dev_id = ioas;
	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), -ENOENT);
}

static void test_hw_info_plain(void **state)
{
	struct fake_device *plain = device_new_plain();
	struct iommufd_device *plain_idev = bind(iommufd, plain);
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = iommufd_device_to_id(plain_idev),
	};

	assert_int_equal(iommu_ioctl(IOMMU_GET_HW_INFO, &cmd), 0);
	assert_int_equal(cmd.out_max_pasid_log2, 0);
	assert_int_equal(cmd.out_capabilities,
			 IOMMU_HW_CAP_DIRTY_TRACKING | IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED);
	iommufd_device_unbind(plain_idev);
	device_free(plain);
}

int main(void)
{
#define bound(test) cmocka_unit_test_setup_teardown(test, setup_bound, teardown_bound)
	const struct CMUnitTest tests[] = {
		bound(test_bind),	   bound(test_bind_in_use),
		bound(test_bound_is_busy), bound(test_context_outlives_close),
		bound(test_not_iommufd),   bound(test_hwpt_errors),
		bound(test_hwpt_lifetime), bound(test_automatic),
		bound(test_attach_errors), bound(test_fault_needs_pri),
		bound(test_replace),	   bound(test_replace_fails),
		bound(test_group_of_two),  bound(test_pasid),
		bound(test_foreign),	   bound(test_race),
		bound(test_hw_info),	   bound(test_hw_info_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

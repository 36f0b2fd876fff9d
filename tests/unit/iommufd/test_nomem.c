// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * No memory, at every place in turn: each call either works or says -ENOMEM and
 * has changed nothing, and afterwards nothing is left over.
 */
#include "fake_driver.h"

#include <sys/mman.h>
#include <unistd.h>

#include <uiommu/access.h>

#include "uapi/vfio.h"

/* How many allocations still succeed; negative: all. */
static long allowed = -1;
static unsigned int failed;

void *__real_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *ptr, size_t size);
char *__real_strdup(const char *s);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *ptr, size_t size);
char *__wrap_strdup(const char *s);

static int must_fail(void)
{
	if (allowed < 0)
		return 0;
	if (allowed) {
		allowed--;
		return 0;
	}
	/* One failure; what comes after it works again. */
	allowed = -1;
	failed++;
	return 1;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	return must_fail() ? NULL : __real_realloc(ptr, size);
}

char *__wrap_strdup(const char *s)
{
	return must_fail() ? NULL : __real_strdup(s);
}

/* What is pinned, in pages. */
static int shared = -1;

static uint64_t pinned(void)
{
	struct uiommu_charges now;

	assert_int_equal(uiommu_charges_read(shared, getpid(), &now), 0);
	return now.pinned;
}

/*
 * Does @expr until it works: the first try may fail by -ENOMEM, and then must
 * have left the number of objects, files, handles, areas and pinned pages as it was.
 */
#define until_done(expr)                                                                           \
	({                                                                                         \
		unsigned int failed_before = failed;                                               \
		struct uiommu_counts before = counts(), after;                                     \
		uint64_t pinned_before = pinned();                                                 \
		long done = (long)(expr);                                                          \
		if (done == -ENOMEM) {                                                             \
			assert_int_equal(failed, failed_before + 1);                               \
			after = counts();                                                          \
			assert_memory_equal(&before, &after, sizeof(before));                      \
			assert_int_equal(pinned(), pinned_before);                                 \
			done = (long)(expr);                                                       \
		}                                                                                  \
		done;                                                                              \
	})

static long new_ioas(uint32_t *id)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};
	long rc = iommu_ioctl(IOMMU_IOAS_ALLOC, &cmd);

	*id = cmd.out_ioas_id;
	return rc;
}

static long new_fault(uint32_t *id, struct uiommu_file **queue)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd)};
	long rc = iommu_ioctl(IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	*queue = rc ? NULL : host.files[cmd.out_fault_fd - FIRST_FD];
	return rc;
}

static long ranges(uint32_t ioas)
{
	struct iommu_iova_range out[4];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)out,
	};

	return iommu_ioctl(IOMMU_IOAS_IOVA_RANGES, &cmd);
}

static long allow(uint32_t ioas)
{
	const struct iommu_iova_range range[] = {{1ull << 40, 2ull << 40}, {PAGE, 8 * PAGE - 1}};
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 2,
		.allowed_iovas = (uintptr_t)range,
	};

	return iommu_ioctl(IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static long map_file(uint32_t ioas, int fd)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = fd,
		.length = PAGE,
		.iova = 0x100000,
	};

	return iommu_ioctl(IOMMU_IOAS_MAP_FILE, &cmd);
}

/* Two areas: one of a process and one of a file. */
static long copy(uint32_t dst, uint32_t src)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = 2 * PAGE,
		.dst_iova = 0x200000,
		.src_iova = 0xff000,
	};

	return iommu_ioctl(IOMMU_IOAS_COPY, &cmd);
}

static void on_unmap(void *data, uint64_t iova, uint64_t length)
{
}

static const struct uiommu_access_ops access_ops = {.needs_pin_pages = true, .unmap = on_unmap};

static void memory_scenario(void)
{
	struct iommu_vfio_ioas set = {.size = sizeof(set), .op = IOMMU_VFIO_IOAS_SET};
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .size = PAGE};
	struct uiommu_access *access;
	int fd = memfd_create("test", 0);
	struct uiommu_page pages[2];
	uint32_t a, b;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(until_done(new_ioas(&a)), 0);
	assert_int_equal(until_done(new_ioas(&b)), 0);
	assert_int_equal(until_done(allow(a)), 0);
	assert_int_equal(until_done(map_file(a, fd)), 0);
	assert_int_equal(until_done(ioas_map(a, 0xff000, memory, PAGE)), 0);
	assert_int_equal(until_done(copy(b, a)), 0);
	access = (struct uiommu_access *)until_done(
		uiommu_access_create(iommufd, &access_ops, NULL, NULL));
	assert_false(UIOMMU_IS_ERR(access));
	assert_int_equal(until_done(uiommu_access_attach(access, a)), 0);
	assert_int_equal(until_done(uiommu_access_pin_pages(access, 0xff000, 2 * PAGE, pages, 0)),
			 0);
	uiommu_access_unpin_pages(access, 0xff000, 2 * PAGE);
	assert_int_equal(until_done(uiommu_access_replace(access, b)), 0);
	assert_int_equal(ioas_unmap(a, 0, UINT64_MAX), 2 * PAGE);

	/* Cutting, where it is allowed. */
	assert_int_equal(ioas_unmap(b, 0, UINT64_MAX), 2 * PAGE);
	assert_int_equal(until_done(ioas_map(b, 0x10000, memory, 2 * PAGE)), 0);
	set.ioas_id = b;
	assert_int_equal(iommu_ioctl(IOMMU_VFIO_IOAS, &set), 0);
	assert_int_equal(uiommu_file_ioctl(iommufd, mm, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	unmap.iova = 0x10000;
	assert_int_equal(until_done(iommu_ioctl(VFIO_IOMMU_UNMAP_DMA, &unmap)), 0);
	assert_int_equal(unmap.size, PAGE);
	assert_int_equal(counts().areas, 1);
	uiommu_access_destroy(access);
	assert_int_equal(destroy(a), 0);
	assert_int_equal(destroy(b), 0);
	close(fd);
}

static long attach(struct iommufd_device *idev, uint32_t pasid, uint32_t pt_id)
{
	return iommufd_device_attach(idev, pasid, &pt_id);
}

static long replace(struct iommufd_device *idev, uint32_t pasid, uint32_t pt_id)
{
	return iommufd_device_replace(idev, pasid, &pt_id);
}

static void fault_round(struct fake_device *dev, struct uiommu_file *queue)
{
	const struct uiommu_fault last = {.flags = UIOMMU_FAULT_LAST_PAGE, .grpid = 1};
	struct iommu_hwpt_page_response response = {.code = IOMMUFD_PAGE_RESP_SUCCESS};
	struct iommu_hwpt_pgfault fault;
	unsigned int answers = dev->answers;
	long rc;

	assert_int_equal(uiommu_report_device_fault(dev->dev, &last), 0);
	if (dev->answers != answers) {
		/* No memory for the group, or for its place in the queue. */
		assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_FAILURE);
		return;
	}
	rc = until_done(uiommu_file_read(queue, mm, (uintptr_t)&fault, sizeof(fault)));
	assert_int_equal(rc, sizeof(fault));
	response.cookie = fault.cookie;
	assert_int_equal(uiommu_file_write(queue, mm, (uintptr_t)&response, 8), 8);
	assert_int_equal(dev->answers, answers + 1);
}

/* More than a node of areas, which a domain reaches; with copies. */
static void charged_maps(uint32_t ioas)
{
	struct iommu_ioas_copy copied = {
		.size = sizeof(copied),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = ioas,
		.src_ioas_id = ioas,
		.length = PAGE,
		.dst_iova = 0x1000000,
		.src_iova = 0x101000,
	};

	for (uint64_t i = 0; i < 70; i++)
		assert_int_equal(
			until_done(ioas_map(ioas, 0x100000 + i * 2 * PAGE, memory, 2 * PAGE)), 0);
	assert_int_equal(pinned(), 141);
	assert_int_equal(until_done(iommu_ioctl(IOMMU_IOAS_COPY, &copied)), 0);
	assert_int_equal(pinned(), 141);
	assert_int_equal(ioas_unmap(ioas, 0x100000, 140 * PAGE), 140 * PAGE);
	assert_int_equal(pinned(), 2);
	assert_int_equal(ioas_unmap(ioas, 0x1000000, PAGE), PAGE);
	assert_int_equal(pinned(), 1);
}

static void scenario(struct fake_device *dev)
{
	struct iommufd_device *idev;
	struct uiommu_file *queue;
	uint32_t ioas, ioas2, fault, dev_id;
	long flagged, faulting;

	assert_int_equal(until_done(new_ioas(&ioas)), 0);
	assert_int_equal(until_done(new_ioas(&ioas2)), 0);
	assert_int_equal(until_done(new_fault(&fault, &queue)), 0);
	idev = (struct iommufd_device *)until_done(bind(iommufd, dev));
	assert_false(UIOMMU_IS_ERR(idev));
	dev_id = iommufd_device_to_id(idev);
	assert_int_equal(until_done(ioas_map(ioas, 0x1000, memory, PAGE)), 0);
	assert_int_equal(until_done(attach(idev, 0, ioas)), 0);
	charged_maps(ioas);
	assert_int_equal(until_done(replace(idev, 0, ioas2)), 0);
	assert_int_equal(until_done(ranges(ioas2)), 0);
	flagged = until_done(hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0));
	assert_true(flagged > 0);
	faulting = until_done(hwpt_alloc(
		dev_id, ioas, IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID, fault));
	assert_true(faulting > 0);
	assert_int_equal(until_done(replace(idev, 0, faulting)), 0);
	assert_int_equal(until_done(attach(idev, 9, flagged)), 0);
	fault_round(dev, queue);
	iommufd_device_detach(idev, 9);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	assert_int_equal(destroy(faulting), 0);
	assert_int_equal(destroy(flagged), 0);
	host_close(queue);
	assert_int_equal(destroy(fault), 0);
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(destroy(ioas2), 0);
	memory_scenario();
}

/* ---- what is on a viommu ---- */

static long ioctl_id(unsigned long request, void *cmd, const uint32_t *id)
{
	long rc = iommu_ioctl(request, cmd);

	return rc ? rc : (long)*id;
}

static long nested_alloc(uint32_t dev_id, uint32_t pt_id)
{
	struct fake_data data = {.value = 1};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.pt_id = pt_id,
		.data_type = FAKE_TYPE,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};

	return ioctl_id(IOMMU_HWPT_ALLOC, &cmd, &cmd.out_hwpt_id);
}

static long viommu_alloc(uint32_t dev_id, uint32_t parent, uint64_t *offset)
{
	struct fake_data data = {.value = 1};
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = FAKE_TYPE,
		.dev_id = dev_id,
		.hwpt_id = parent,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	long rc = ioctl_id(IOMMU_VIOMMU_ALLOC, &cmd, &cmd.out_viommu_id);

	*offset = data.mmap_offset;
	return rc;
}

static long vdevice_alloc(uint32_t viommu, uint32_t dev_id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .dev_id = dev_id, .virt_id = 5};

	return ioctl_id(IOMMU_VDEVICE_ALLOC, &cmd, &cmd.out_vdevice_id);
}

static long veventq_alloc(uint32_t viommu, struct uiommu_file **queue)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = viommu, .type = FAKE_TYPE, .veventq_depth = 4};
	long rc = ioctl_id(IOMMU_VEVENTQ_ALLOC, &cmd, &cmd.out_veventq_id);

	*queue = rc < 0 ? NULL : host.files[cmd.out_veventq_fd - FIRST_FD];
	return rc;
}

static long hw_queue_alloc(uint32_t viommu)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.type = FAKE_TYPE,
		.nesting_parent_iova = 1 << 20,
		.length = PAGE,
	};

	return ioctl_id(IOMMU_HW_QUEUE_ALLOC, &cmd, &cmd.out_hw_queue_id);
}

static long mmap_page(uint64_t offset, struct uiommu_mapping **mapping)
{
	return uiommu_file_mmap(iommufd, NULL, PROT_READ, MAP_SHARED, offset, 2 * PAGE, mapping);
}

/* An event that is lost for want of memory is still told of. */
static void report(struct uiommu_file *queue)
{
	struct iommufd_vevent_header header[2];
	uint32_t data = 1;
	long rc = iommufd_viommu_report_event(fake_iommu.viommu, FAKE_TYPE, &data, sizeof(data));

	assert_true(rc == 0 || rc == -ENOMEM);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)header, sizeof(header)),
			 rc ? 8 : 12);
	assert_int_equal(header[0].flags, rc ? IOMMU_VEVENTQ_FLAG_LOST_EVENTS : 0);
}

static void viommu_scenario(struct fake_device *dev)
{
	struct uiommu_mapping *mapping;
	struct iommufd_device *idev;
	struct uiommu_file *queue;
	long parent, viommu, vdev;
	uint32_t ioas, dev_id;
	uint64_t offset;

	assert_int_equal(until_done(new_ioas(&ioas)), 0);
	idev = (struct iommufd_device *)until_done(bind_driver(dev, &fake_driver));
	assert_false(UIOMMU_IS_ERR(idev));
	dev_id = iommufd_device_to_id(idev);
	parent = until_done(hwpt_alloc(
		dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0));
	assert_true(parent > 0);
	assert_int_equal(until_done(ioas_map(ioas, 1 << 20, memory, PAGE)), 0);
	assert_true(until_done(nested_alloc(dev_id, (uint32_t)parent)) > 0);
	viommu = until_done(viommu_alloc(dev_id, (uint32_t)parent, &offset));
	assert_true(viommu > 0);
	assert_true(until_done(nested_alloc(dev_id, (uint32_t)viommu)) > 0);
	vdev = until_done(vdevice_alloc((uint32_t)viommu, dev_id));
	assert_true(vdev > 0);
	assert_true(until_done(veventq_alloc((uint32_t)viommu, &queue)) > 0);
	report(queue);
	assert_true(until_done(hw_queue_alloc((uint32_t)viommu)) > 0);
	assert_int_equal(until_done(mmap_page(offset, &mapping)), 0);
	uiommu_mapping_put(mapping);
	host_close(queue);
	iommufd_device_unbind(idev);
}

static void iommu_gone(void)
{
	assert_int_equal(fake_iommu.hwpts, 0);
	assert_int_equal(fake_iommu.viommus, 0);
	assert_int_equal(fake_iommu.vdevices, 0);
	assert_int_equal(fake_iommu.hw_queues, 0);
}

/*
 * With as many objects there before, so that each of the scenario's is once the
 * one for which the table of IDs has to grow.
 */
static void each_with(unsigned int others, void (*run)(struct fake_device *dev))
{
	unsigned int n, before;

	for (n = 0;; n++) {
		struct fake_device *dev;

		setup(NULL);
		shared = memfd_create("charges", MFD_CLOEXEC);
		assert_int_equal(uiommu_charges_share(ctx, shared), 0);
		dev = device_new(NULL);
		for (unsigned int i = 0; i < others; i++)
			ioas_alloc();
		before = failed;
		allowed = n;
		run(dev);
		allowed = -1;
		device_free(dev);
		teardown(NULL);
		assert_int_equal(pinned(), 0);
		close(shared);
		iommu_gone();
		if (failed == before)
			break;
	}
	/* It ended because all were tried, not because none was seen. */
	assert_true(n > 20);
}

static void test_each(void **state)
{
	for (unsigned int others = 0; others < 16; others++)
		each_with(others, scenario);
}

static void test_viommu(void **state)
{
	for (unsigned int others = 0; others < 16; others++)
		each_with(others, viommu_scenario);
}

/* Not even a context. */
static void test_open(void **state)
{
	struct uiommu_file *file;

	setup(NULL);
	for (allowed = 0;;) {
		long n = allowed;

		file = uiommu_open(ctx, "/dev/iommu", 2);
		if (!UIOMMU_IS_ERR(file))
			break;
		assert_int_equal(UIOMMU_PTR_ERR(file), -ENOMEM);
		allowed = n + 1;
	}
	allowed = -1;
	uiommu_file_put(file);
	teardown(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_viommu),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

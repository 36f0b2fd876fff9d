// SPDX-License-Identifier: LGPL-2.1-or-later
/* Sizes, pointers and numbers of every ioctl of /dev/iommu. */
#include "fixture.h"

#include <sys/mman.h>
#include <unistd.h>

/* Of the argument that every entry prepares: all of them are valid calls. */
static struct {
	uint32_t ioas;
	uint32_t device;
	uint32_t hwpt;
	struct fake_device *fake;
	struct iommufd_device *idev;
	int memfd;
} world;

static void world_setup(void)
{
	world.ioas = ioas_alloc();
	world.fake = device_new(NULL);
	world.idev = bind(iommufd, world.fake);
	world.device = iommufd_device_to_id(world.idev);
	world.memfd = memfd_create("test", 0);
	assert_int_equal(ftruncate(world.memfd, PAGE), 0);
	world.hwpt =
		(uint32_t)hwpt_alloc(world.device, world.ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0);
}

static void world_teardown(void)
{
	close(world.memfd);
	iommufd_device_unbind(world.idev);
	device_free(world.fake);
}

static void fill_destroy(void *arg)
{
	/* Something to destroy each time; its ID is the lowest free one. */
	((struct iommu_destroy *)arg)->id = ioas_alloc();
}

static void fill_nothing(void *arg)
{
}

static void fill_ranges(void *arg)
{
	struct iommu_ioas_iova_ranges *cmd = arg;

	cmd->ioas_id = world.ioas;
	cmd->num_iovas = 2;
	cmd->allowed_iovas = (uintptr_t)memory + PAGE + 2048;
}

static void fill_map(void *arg)
{
	struct iommu_ioas_map *cmd = arg;

	cmd->ioas_id = world.ioas;
	cmd->flags = IOMMU_IOAS_MAP_READABLE;
	cmd->user_va = (uintptr_t)memory;
	cmd->length = PAGE;
}

static void fill_unmap(void *arg)
{
	struct iommu_ioas_unmap *cmd = arg;

	cmd->ioas_id = world.ioas;
	cmd->length = UINT64_MAX;
}

static void fill_hwpt(void *arg)
{
	struct iommu_hwpt_alloc *cmd = arg;

	cmd->dev_id = world.device;
	cmd->pt_id = world.ioas;
}

static void fill_hw_info(void *arg)
{
	struct iommu_hw_info *cmd = arg;

	cmd->dev_id = world.device;
	cmd->data_len = 64;
	cmd->data_uptr = (uintptr_t)memory + PAGE + 2048;
}

static void fill_allow(void *arg)
{
	struct iommu_ioas_allow_iovas *cmd = arg;

	cmd->ioas_id = world.ioas;
}

static void fill_map_file(void *arg)
{
	struct iommu_ioas_map_file *cmd = arg;

	cmd->ioas_id = world.ioas;
	cmd->flags = IOMMU_IOAS_MAP_READABLE;
	cmd->fd = world.memfd;
	cmd->length = PAGE;
}

static void fill_copy(void *arg)
{
	struct iommu_ioas_copy *cmd = arg;

	/* It may be there from the last time. */
	ioas_map(world.ioas, 1ull << 40, memory, PAGE);
	cmd->flags = IOMMU_IOAS_MAP_READABLE;
	cmd->src_ioas_id = world.ioas;
	cmd->dst_ioas_id = world.ioas;
	cmd->src_iova = 1ull << 40;
	cmd->length = PAGE;
}

static void fill_change_process(void *arg)
{
	assert_true(ioas_unmap(world.ioas, 0, UINT64_MAX) >= 0);
}

static void fill_option(void *arg)
{
	struct iommu_option *cmd = arg;

	cmd->option_id = IOMMU_OPTION_HUGE_PAGES;
	cmd->op = IOMMU_OPTION_OP_GET;
	cmd->object_id = world.ioas;
}

static void fill_vfio_ioas(void *arg)
{
	struct iommu_vfio_ioas set = {
		.size = sizeof(set),
		.ioas_id = world.ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};

	assert_int_equal(iommu_ioctl(IOMMU_VFIO_IOAS, &set), 0);
}

static void fill_set_dirty(void *arg)
{
	((struct iommu_hwpt_set_dirty_tracking *)arg)->hwpt_id = world.hwpt;
}

static void fill_get_dirty(void *arg)
{
	struct iommu_hwpt_get_dirty_bitmap *cmd = arg;

	cmd->hwpt_id = world.hwpt;
	cmd->length = PAGE;
	cmd->page_size = PAGE;
}

static void fill_invalidate(void *arg)
{
	/* Not a nested one: the same error for each size, and an answer that says 0. */
	((struct iommu_hwpt_invalidate *)arg)->hwpt_id = world.hwpt;
}

static void fill_viommu(void *arg)
{
	struct iommu_viommu_alloc *cmd = arg;

	cmd->type = 1;
	cmd->dev_id = world.device;
	cmd->hwpt_id = world.hwpt;
}

static void fill_veventq(void *arg)
{
	struct iommu_veventq_alloc *cmd = arg;

	cmd->type = 1;
	cmd->veventq_depth = 1;
}

static void fill_hw_queue(void *arg)
{
	struct iommu_hw_queue_alloc *cmd = arg;

	cmd->type = 1;
	cmd->length = PAGE;
}

static const struct op {
	const char *name;
	unsigned long request;
	uint32_t size;
	uint32_t min_size;
	/* A success makes an object that a failure to answer must take back. */
	bool makes;
	/* Nothing is copied back. */
	bool silent;
	void (*fill)(void *arg);
	/* What the valid call says of the soft IOMMU; 0: success. */
	int error;
} ops[] = {
	{"DESTROY", IOMMU_DESTROY, 8, 8, false, true, fill_destroy},
	{"IOAS_ALLOC", IOMMU_IOAS_ALLOC, 12, 12, true, false, fill_nothing},
	{"IOAS_IOVA_RANGES", IOMMU_IOAS_IOVA_RANGES, 32, 32, false, false, fill_ranges},
	{"IOAS_MAP", IOMMU_IOAS_MAP, 40, 40, false, false, fill_map},
	{"IOAS_UNMAP", IOMMU_IOAS_UNMAP, 24, 24, false, false, fill_unmap},
	{"HWPT_ALLOC", IOMMU_HWPT_ALLOC, 48, 24, true, false, fill_hwpt},
	{"GET_HW_INFO", IOMMU_GET_HW_INFO, 40, 32, false, false, fill_hw_info},
	{"IOAS_ALLOW_IOVAS", IOMMU_IOAS_ALLOW_IOVAS, 24, 24, false, true, fill_allow},
	{"IOAS_MAP_FILE", IOMMU_IOAS_MAP_FILE, 40, 40, false, false, fill_map_file},
	{"IOAS_COPY", IOMMU_IOAS_COPY, 40, 40, false, false, fill_copy},
	{"IOAS_CHANGE_PROCESS", IOMMU_IOAS_CHANGE_PROCESS, 8, 8, false, true, fill_change_process},
	{"OPTION", IOMMU_OPTION, 24, 24, false, false, fill_option},
	{"VFIO_IOAS", IOMMU_VFIO_IOAS, 12, 12, false, false, fill_vfio_ioas},
	{"FAULT_QUEUE_ALLOC", IOMMU_FAULT_QUEUE_ALLOC, 16, 16, true, false, fill_nothing},
	{"HWPT_SET_DIRTY_TRACKING", IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16, false, true,
	 fill_set_dirty},
	{"HWPT_GET_DIRTY_BITMAP", IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48, false, true, fill_get_dirty},
	{"HWPT_INVALIDATE", IOMMU_HWPT_INVALIDATE, 32, 32, false, false, fill_invalidate, -EINVAL},
	{"VIOMMU_ALLOC", IOMMU_VIOMMU_ALLOC, 40, 24, false, true, fill_viommu, -EOPNOTSUPP},
	{"VDEVICE_ALLOC", IOMMU_VDEVICE_ALLOC, 24, 24, false, true, fill_nothing, -ENOENT},
	{"VEVENTQ_ALLOC", IOMMU_VEVENTQ_ALLOC, 32, 28, false, true, fill_veventq, -ENOENT},
	{"IOAS_NOIOMMU_GET_PA", IOMMU_IOAS_NOIOMMU_GET_PA, 40, 40, false, true, fill_nothing,
	 -EOPNOTSUPP},
	{"HW_QUEUE_ALLOC", IOMMU_HW_QUEUE_ALLOC, 40, 40, false, true, fill_hw_queue, -ENOENT},
};

#define for_each_op(op) for (const struct op *op = ops; op < ops + sizeof(ops) / sizeof(*ops); op++)

/* The argument at @arg, with @size in it. */
static void *prepare(const struct op *op, void *arg, uint32_t size)
{
	uint32_t copied = op->size < size ? op->size : size;
	char buf[64] = {0};

	op->fill(buf);
	memcpy(buf, &size, sizeof(size));
	memset(arg, 0xee, 64);
	/* Beyond what it says it must not matter what is there. */
	memcpy(arg, buf, copied < 8 ? 8 : copied);
	return arg;
}

static void test_short(void **state)
{
	world_setup();
	for_each_op(op)
	{
		for (uint32_t size = 0; size < op->min_size; size++) {
			uint64_t before;

			prepare(op, memory, size);
			before = counts().objects;
			assert_int_equal(iommu_ioctl(op->request, memory), -EINVAL);
			assert_int_equal(counts().objects, before);
		}
	}
	world_teardown();
}

static void test_exact(void **state)
{
	world_setup();
	for_each_op(op)
	{
		for (uint32_t size = op->min_size; size <= op->size; size++) {
			prepare(op, memory, size);
			if (iommu_ioctl(op->request, memory) != op->error)
				fail_msg("%s with size %u", op->name, size);
			/* Not a byte more than the caller has. */
			for (uint32_t i = size; i < 64; i++)
				assert_int_equal((unsigned char)memory[i], 0xee);
		}
	}
	world_teardown();
}

static void test_long(void **state)
{
	static const uint32_t more[] = {1, 4, 8, 64, 256, 3000};

	world_setup();
	for_each_op(op)
	{
		for (unsigned int i = 0; i < sizeof(more) / sizeof(*more); i++) {
			uint32_t size = op->size + more[i];
			uint64_t before;

			memset(memory, 0, PAGE);
			prepare(op, memory, op->size);
			memcpy(memory, &size, sizeof(size));
			memset(memory + op->size, 0, 64);
			assert_int_equal(iommu_ioctl(op->request, memory), op->error);

			prepare(op, memory, op->size);
			memcpy(memory, &size, sizeof(size));
			memset(memory + op->size, 0, size - op->size);
			memory[size - 1] = 1;
			before = counts().objects;
			assert_int_equal(iommu_ioctl(op->request, memory), -E2BIG);
			assert_int_equal(counts().objects, before);
			memset(memory, 0, PAGE);
		}
	}
	world_teardown();
}

static void test_pointers(void **state)
{
	char *end = memory + 2 * PAGE;

	world_setup();
	for_each_op(op)
	{
		uint32_t size;

		assert_int_equal(iommu_ioctl(op->request, NULL), -EFAULT);
		assert_int_equal(iommu_ioctl(op->request, (void *)UINTPTR_MAX), -EFAULT);
		assert_int_equal(iommu_ioctl(op->request, end), -EFAULT);
		assert_int_equal(iommu_ioctl(op->request, end - 2), -EFAULT);

		/* The size can be read, the rest not. */
		memset(memory, 0, 2 * PAGE);
		size = op->size + 16;
		memcpy(end - 8, &size, sizeof(size));
		assert_int_equal(iommu_ioctl(op->request, end - 8), -EFAULT);

		/* The struct is there, its zero tail runs out; a bad byte before that wins. */
		prepare(op, memory, op->size);
		memcpy(end - op->size - 8, memory, op->size);
		memset(end - 8, 0, 8);
		memcpy(end - op->size - 8, &size, sizeof(size));
		assert_int_equal(iommu_ioctl(op->request, end - op->size - 8), -EFAULT);
		end[-1] = 1;
		assert_int_equal(iommu_ioctl(op->request, end - op->size - 8), -E2BIG);
	}
	world_teardown();
}

static void test_read_only(void **state)
{
	world_setup();
	for_each_op(op)
	{
		uint64_t before;

		prepare(op, memory, op->size);
		before = counts().objects;
		assert_int_equal(mprotect(memory, PAGE, PROT_READ), 0);
		assert_int_equal(iommu_ioctl(op->request, memory),
				 op->silent ? op->error : -EFAULT);
		assert_int_equal(mprotect(memory, PAGE, PROT_READ | PROT_WRITE), 0);
		if (op->makes)
			assert_int_equal(counts().objects, before);
	}
	for (int i = 0; i < MAX_FDS; i++)
		assert_null(host.files[i]);
	/* Nor did they cost a number. */
	assert_int_equal(ioas_alloc(), 4);
	world_teardown();
}

static void test_unknown(void **state)
{
	struct iommu_destroy cmd = {.size = sizeof(cmd), .id = 1};

	/* Of 7.3, and not here; another encoding; below, above; another type. */
	for (unsigned int nr = IOMMUFD_CMD_BASE; nr < 0x100; nr++) {
		bool known = false;

		for_each_op(op) known |= op->request == _IO(IOMMUFD_TYPE, nr);
		if (!known)
			assert_int_equal(iommu_ioctl(_IO(IOMMUFD_TYPE, nr), &cmd), -ENOTTY);
	}
	assert_int_equal(iommu_ioctl(_IOW(';', 0x80, struct iommu_destroy), &cmd), -ENOTTY);
	assert_int_equal(iommu_ioctl(_IOWR(';', 0x81, struct iommu_ioas_alloc), &cmd), -ENOTTY);
	assert_int_equal(iommu_ioctl(_IO('<', 0x81), &cmd), -ENOTTY);
	assert_int_equal(iommu_ioctl(_IO(';', 0x7f), &cmd), -ENOTTY);
	/* The size is read before the encoding is looked at. */
	assert_int_equal(iommu_ioctl(_IOW(';', 0x80, struct iommu_destroy), NULL), -EFAULT);
	assert_int_equal(iommu_ioctl(_IO(';', 0xa1), NULL), -ENOTTY);
}

static void test_other_calls(void **state)
{
	struct uiommu_mapping *mapping;
	char buf[8];

	assert_int_equal(uiommu_file_read(iommufd, mm, (uintptr_t)buf, 8), -EINVAL);
	assert_int_equal(uiommu_file_write(iommufd, mm, (uintptr_t)buf, 8), -EINVAL);
	assert_int_equal(uiommu_file_pread(iommufd, mm, (uintptr_t)buf, 8, 0), -EINVAL);
	assert_int_equal(uiommu_file_pwrite(iommufd, mm, (uintptr_t)buf, 8, 8), -EINVAL);
	assert_int_equal(uiommu_file_mmap(iommufd, NULL, PROT_READ, MAP_SHARED, 0, PAGE, &mapping),
			 -ENXIO);
	assert_int_equal(uiommu_file_mmap(iommufd, NULL, PROT_READ, MAP_PRIVATE, 0, PAGE, &mapping),
			 -EINVAL);
	assert_string_equal(uiommu_file_path(iommufd), "/dev/iommu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pointers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_calls, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* Viommus, and what is on them: vdevices, queues of both kinds, mapped memory. */
#include "fake_driver.h"

#include <poll.h>
#include <sys/mman.h>

static struct fake_device *dev, *second, *poor;
static struct iommufd_device *idev, *second_idev, *poor_idev;
static uint32_t dev_id, second_id, poor_id, ioas, parent, viommu;

static long viommu_alloc(uint32_t device, uint32_t hwpt, uint32_t type, uint32_t length, void *data)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = type,
		.dev_id = device,
		.hwpt_id = hwpt,
		.data_len = length,
		.data_uptr = (uintptr_t)data,
	};
	long rc = iommu_ioctl(IOMMU_VIOMMU_ALLOC, &cmd);

	return rc ? rc : (long)cmd.out_viommu_id;
}

static int setup_viommu(void **state)
{
	setup(state);
	memset(&fake_iommu, 0, sizeof(fake_iommu));
	dev = device_new(NULL);
	second = device_new(NULL);
	poor = device_new(NULL);
	idev = bind_driver(dev, &fake_driver);
	second_idev = bind_driver(second, &fake_driver);
	poor_idev = bind_driver(poor, &poor_driver);
	dev_id = iommufd_device_to_id(idev);
	second_id = iommufd_device_to_id(second_idev);
	poor_id = iommufd_device_to_id(poor_idev);
	ioas = ioas_alloc();
	parent = (uint32_t)hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_NEST_PARENT, 0);
	viommu = (uint32_t)viommu_alloc(dev_id, parent, FAKE_TYPE, 0, NULL);
	assert_int_equal(fake_iommu.viommus, 1);
	return 0;
}

static int teardown_viommu(void **state)
{
	if (idev)
		iommufd_device_unbind(idev);
	iommufd_device_unbind(second_idev);
	iommufd_device_unbind(poor_idev);
	device_free(dev);
	device_free(second);
	device_free(poor);
	teardown(state);
	assert_int_equal(fake_iommu.hwpts, 0);
	assert_int_equal(fake_iommu.viommus, 0);
	assert_int_equal(fake_iommu.vdevices, 0);
	assert_int_equal(fake_iommu.hw_queues, 0);
	return 0;
}

static void test_alloc(void **state)
{
	struct iommu_viommu_alloc cmd = {.size = sizeof(cmd),
					 .flags = 1,
					 .type = FAKE_TYPE,
					 .dev_id = dev_id,
					 .hwpt_id = parent};
	uint32_t plain = (uint32_t)hwpt_alloc(dev_id, ioas, 0, 0);

	assert_int_equal(iommu_ioctl(IOMMU_VIOMMU_ALLOC, &cmd), -EOPNOTSUPP);
	assert_int_equal(viommu_alloc(9999, parent, 0, 0, NULL), -EOPNOTSUPP);
	assert_int_equal(viommu_alloc(9999, parent, FAKE_TYPE, 0, NULL), -ENOENT);
	assert_int_equal(viommu_alloc(dev_id, 9999, FAKE_OTHER, 0, NULL), -EOPNOTSUPP);
	assert_int_equal(viommu_alloc(poor_id, parent, FAKE_TYPE, 0, NULL), -EOPNOTSUPP);
	assert_int_equal(viommu_alloc(dev_id, 9999, FAKE_TYPE, 0, NULL), -ENOENT);
	assert_int_equal(viommu_alloc(dev_id, ioas, FAKE_TYPE, 0, NULL), -ENOENT);
	assert_int_equal(viommu_alloc(dev_id, plain, FAKE_TYPE, 0, NULL), -EINVAL);
	fake_iommu.error = -EIO;
	assert_int_equal(viommu_alloc(dev_id, parent, FAKE_TYPE, 0, NULL), -EIO);
	assert_int_equal(fake_iommu.viommus, 1);

	assert_int_equal(destroy(parent), -EBUSY);
	assert_int_equal(destroy(viommu), 0);
	assert_int_equal(destroy(parent), 0);
}

static void test_nested(void **state)
{
	struct fake_data data = {.value = 1};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.pt_id = viommu,
		.data_type = FAKE_TYPE,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	struct fake_entry entries[3] = {{0, 1}, {0, 2}, {0, 4}};
	struct iommu_hwpt_invalidate inv = {
		.size = sizeof(inv),
		.hwpt_id = viommu,
		.data_uptr = (uintptr_t)entries,
		.data_type = FAKE_TYPE,
		.entry_len = sizeof(*entries),
		.entry_num = 3,
	};

	assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), 0);
	assert_int_equal(destroy(viommu), -EBUSY);
	cmd.flags = IOMMU_HWPT_ALLOC_NEST_PARENT;
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), -EOPNOTSUPP);
	/* Whose viommu it is comes first. */
	cmd.dev_id = poor_id;
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_ALLOC, &cmd), -EINVAL);
	assert_int_equal(hwpt_alloc(dev_id, viommu, 0, 0), -EOPNOTSUPP);
	assert_int_equal(destroy(cmd.out_hwpt_id), 0);

	assert_int_equal(iommu_ioctl(IOMMU_HWPT_INVALIDATE, &inv), 0);
	assert_int_equal(inv.entry_num, 3);
	assert_int_equal(fake_iommu.sum, 7);
	/* Shorter entries are padded, longer ones must end in zeros. */
	inv.entry_len = 4;
	inv.entry_num = 2;
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_INVALIDATE, &inv), 0);
	assert_int_equal(fake_iommu.sum, 7);
	inv.entry_len = 12;
	inv.entry_num = 2;
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_INVALIDATE, &inv), -E2BIG);
	assert_int_equal(inv.entry_num, 0);
	assert_int_equal(destroy(viommu), 0);
}

/* ---- vdevices ---- */

static long vdevice_alloc(uint32_t id, uint32_t device, uint64_t virt_id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd), .viommu_id = id, .dev_id = device, .virt_id = virt_id};
	long rc = iommu_ioctl(IOMMU_VDEVICE_ALLOC, &cmd);

	return rc ? rc : (long)cmd.out_vdevice_id;
}

static void test_vdevice(void **state)
{
	uint64_t virt_id = 0;
	long vdev;

	assert_int_equal(vdevice_alloc(9999, dev_id, 5), -ENOENT);
	assert_int_equal(vdevice_alloc(viommu, 9999, 5), -ENOENT);
	assert_int_equal(vdevice_alloc(viommu, poor_id, 5), -EINVAL);
	fake_iommu.error = -EIO;
	assert_int_equal(vdevice_alloc(viommu, dev_id, 5), -EIO);
	assert_int_equal(iommufd_viommu_get_vdev_id(fake_iommu.viommu, dev->dev, &virt_id),
			 -ENOENT);

	vdev = vdevice_alloc(viommu, dev_id, 5);
	assert_true(vdev > 0);
	assert_int_equal(vdevice_alloc(viommu, dev_id, 6), -EEXIST);
	assert_int_equal(vdevice_alloc(viommu, second_id, 5), -EEXIST);
	assert_int_equal(iommufd_viommu_get_vdev_id(fake_iommu.viommu, dev->dev, &virt_id), 0);
	assert_int_equal(virt_id, 5);
	iommufd_viommu_lock_vdevs(fake_iommu.viommu);
	assert_ptr_equal(iommufd_viommu_find_dev(fake_iommu.viommu, 5), dev->dev);
	assert_null(iommufd_viommu_find_dev(fake_iommu.viommu, 6));
	iommufd_viommu_unlock_vdevs(fake_iommu.viommu);
	assert_int_equal(destroy(viommu), -EBUSY);
	assert_int_equal(destroy(vdev), 0);
	/* Its number, the virtual one and the object's, can be had again. */
	assert_int_equal(vdevice_alloc(viommu, second_id, UINT64_MAX), vdev);
	assert_true(vdevice_alloc(viommu, dev_id, 5) > 0);
}

static void test_tombstone(void **state)
{
	long vdev = vdevice_alloc(viommu, dev_id, 5);
	struct iommufd_device *again;

	assert_int_equal(destroy(dev_id), -EBUSY);
	iommufd_device_unbind(idev);
	idev = NULL;
	assert_int_equal(fake_iommu.vdevices, 0);
	/* The device's own ID is free, the vdevice's is dead for ever. */
	assert_int_equal(destroy(vdev), -ENOENT);
	assert_int_equal(destroy(dev_id), -ENOENT);
	again = bind_driver(dev, &fake_driver);
	assert_int_equal(iommufd_device_to_id(again), dev_id);
	assert_int_equal(ioas_alloc(), vdev + 1);
	assert_int_equal(vdevice_alloc(viommu, dev_id, 5), vdev + 2);
	assert_int_equal(destroy(vdev + 2), 0);
	assert_int_equal(destroy(viommu), 0);
	iommufd_device_unbind(again);
}

/* ---- event queues ---- */

static struct uiommu_file *veventq_alloc(uint32_t depth, uint32_t *id)
{
	struct iommu_veventq_alloc cmd = {.size = sizeof(cmd),
					  .viommu_id = viommu,
					  .type = FAKE_TYPE,
					  .veventq_depth = depth};

	assert_int_equal(iommu_ioctl(IOMMU_VEVENTQ_ALLOC, &cmd), 0);
	*id = cmd.out_veventq_id;
	return host.files[cmd.out_veventq_fd - FIRST_FD];
}

static void report(uint32_t value)
{
	assert_int_equal(
		iommufd_viommu_report_event(fake_iommu.viommu, FAKE_TYPE, &value, sizeof(value)),
		0);
}

struct event {
	struct iommufd_vevent_header header;
	uint32_t data;
};
#define EVENT_SIZE 12u

static void expect_event(struct uiommu_file *queue, uint32_t sequence, uint32_t data)
{
	struct event event = {0};

	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)&event, EVENT_SIZE), EVENT_SIZE);
	assert_int_equal(event.header.flags, 0);
	assert_int_equal(event.header.sequence, sequence);
	assert_int_equal(event.data, data);
}

static void expect_lost(struct uiommu_file *queue, uint32_t sequence)
{
	struct event event = {0};

	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)&event, EVENT_SIZE), 8);
	assert_int_equal(event.header.flags, IOMMU_VEVENTQ_FLAG_LOST_EVENTS);
	assert_int_equal(event.header.sequence, sequence);
}

static void test_veventq_errors(void **state)
{
	const struct iommu_veventq_alloc good = {
		.size = sizeof(good), .viommu_id = viommu, .type = FAKE_TYPE, .veventq_depth = 1};
	struct iommu_veventq_alloc cmd;
	uint64_t before = counts().objects;
	uint32_t id, value = 0;

#define expect(change, error)                                                                      \
	do {                                                                                       \
		cmd = good;                                                                        \
		change;                                                                            \
		assert_int_equal(iommu_ioctl(IOMMU_VEVENTQ_ALLOC, &cmd), error);                   \
		assert_int_equal(counts().objects, before);                                        \
	} while (0)
	expect(cmd.flags = 1, -EOPNOTSUPP);
	expect(cmd.__reserved = 1, -EOPNOTSUPP);
	expect(cmd.type = 0, -EOPNOTSUPP);
	expect(cmd.veventq_depth = 0, -EINVAL);
	expect((cmd.veventq_depth = (1u << 19) + 1, cmd.viommu_id = 9999), -EINVAL);
	expect(cmd.viommu_id = 9999, -ENOENT);
	expect(cmd.viommu_id = parent, -ENOENT);
	host.install_error = -EMFILE;
	expect((void)0, -EMFILE);
	host.install_error = 0;
	assert_int_equal(iommufd_viommu_report_event(fake_iommu.viommu, FAKE_TYPE, &value, 4),
			 -EOPNOTSUPP);
	veventq_alloc(1u << 19, &id);
	before++;
	expect((void)0, -EEXIST);
#undef expect
	assert_int_equal(iommufd_viommu_report_event(fake_iommu.viommu, FAKE_OTHER, &value, 4),
			 -EOPNOTSUPP);
	assert_int_equal(iommufd_viommu_report_event(fake_iommu.viommu, FAKE_TYPE, &value, 0),
			 -EINVAL);
}

static void test_veventq_lifetime(void **state)
{
	struct uiommu_file *queue;
	uint32_t id;

	queue = veventq_alloc(4, &id);
	assert_string_equal(uiommu_file_path(queue), "anon_inode:[iommufd-viommu-event]");
	assert_int_equal(destroy(id), -EBUSY);
	assert_int_equal(destroy(viommu), -EBUSY);
	host_close(queue);
	/* Nobody reads what comes now. */
	report(1);
	assert_int_equal(destroy(viommu), -EBUSY);
	assert_int_equal(destroy(id), 0);
	assert_int_equal(destroy(viommu), 0);
}

static void test_veventq_read(void **state)
{
	unsigned char buf[64];
	struct uiommu_file *queue;
	uint32_t id;

	queue = veventq_alloc(4, &id);
	assert_int_equal(uiommu_file_poll(queue), 0);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)buf, 7), -EINVAL);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)buf, 8), 0);
	assert_int_equal(uiommu_file_write(queue, mm, (uintptr_t)buf, 8), -EINVAL);
	report(10);
	assert_true(host.readable);
	report(11);
	report(12);
	assert_int_equal(uiommu_file_poll(queue), POLLIN | POLLRDNORM);
	/* One that doesn't fit, at first and later; and nowhere to put it. */
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)buf, 11), -EINVAL);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)memory + 2 * PAGE, 64), -EFAULT);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)memory + 2 * PAGE - 10, 64),
			 -EFAULT);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)memory + 2 * PAGE - 20, 64), 12);
	assert_int_equal(uiommu_file_read(queue, mm, (uintptr_t)buf, 23), 12);
	assert_true(host.readable);
	assert_int_equal(uiommu_file_pread(queue, mm, (uintptr_t)buf, 23, 0), -ESPIPE);
	assert_int_equal(uiommu_file_pwrite(queue, mm, (uintptr_t)buf, 8, 0), -ESPIPE);
	expect_event(queue, 2, 12);
	assert_false(host.readable);
	assert_int_equal(uiommu_file_poll(queue), 0);
}

static void test_veventq_lost(void **state)
{
	struct uiommu_file *queue;
	uint32_t id;

	queue = veventq_alloc(2, &id);
	report(10);
	report(11);
	report(12);
	report(13);
	expect_event(queue, 0, 10);
	expect_event(queue, 1, 11);
	/* One header for both that were lost; it goes by being read. */
	assert_int_equal(uiommu_file_poll(queue), POLLIN | POLLRDNORM);
	expect_lost(queue, 3);
	assert_int_equal(uiommu_file_poll(queue), 0);
	report(14);
	report(15);
	report(16);
	expect_event(queue, 4, 14);
	/* Or by an event that finds room: the gap tells. */
	report(17);
	expect_event(queue, 5, 15);
	expect_event(queue, 7, 17);
	assert_int_equal(uiommu_file_poll(queue), 0);
}

/* ---- hardware queues ---- */

static long hw_queue_alloc(uint32_t index, uint64_t iova, uint64_t length)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.type = FAKE_TYPE,
		.index = index,
		.nesting_parent_iova = iova,
		.length = length,
	};
	long rc = iommu_ioctl(IOMMU_HW_QUEUE_ALLOC, &cmd);

	return rc ? rc : (long)cmd.out_hw_queue_id;
}

static void test_hw_queue_errors(void **state)
{
	const uint64_t iova = 1 << 20;
	struct iommu_hw_queue_alloc cmd = {.size = sizeof(cmd),
					   .flags = 1,
					   .viommu_id = viommu,
					   .type = FAKE_TYPE,
					   .length = PAGE};
	uint64_t before = counts().objects;

	assert_int_equal(iommu_ioctl(IOMMU_HW_QUEUE_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.flags = 0;
	cmd.type = 0;
	assert_int_equal(iommu_ioctl(IOMMU_HW_QUEUE_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.type = FAKE_OTHER;
	assert_int_equal(iommu_ioctl(IOMMU_HW_QUEUE_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.viommu_id = 9999;
	assert_int_equal(iommu_ioctl(IOMMU_HW_QUEUE_ALLOC, &cmd), -ENOENT);
	assert_int_equal(hw_queue_alloc(0, iova, 0), -EINVAL);
	assert_int_equal(hw_queue_alloc(0, UINT64_MAX, 2), -EOVERFLOW);
	assert_int_equal(hw_queue_alloc(0, 1, UINT64_MAX), -ERANGE);
	assert_int_equal(hw_queue_alloc(0, iova, 1ull << 62), -ENOMEM);
	assert_int_equal(hw_queue_alloc(0, iova, PAGE), -ENOENT);
	assert_int_equal(ioas_map(ioas, iova, memory, PAGE), 0);
	assert_int_equal(hw_queue_alloc(0, iova, PAGE + 1), -ENOENT);
	/* Mapped, but the other way round. */
	assert_int_equal(ioas_map(ioas, iova + 4 * PAGE, memory + PAGE, PAGE), 0);
	assert_int_equal(ioas_map(ioas, iova + 5 * PAGE, memory, PAGE), 0);
	assert_int_equal(hw_queue_alloc(0, iova + 4 * PAGE, 2 * PAGE), -EFAULT);
	assert_int_equal(hw_queue_alloc(4, iova, PAGE), -EINVAL);
	assert_int_equal(hw_queue_alloc(1, iova, PAGE), -EIO);
	assert_int_equal(counts().objects, before);
	/* No pin is left behind by any of them. */
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), 3 * PAGE);
}

static void test_hw_queue(void **state)
{
	const uint64_t iova = 1 << 20;
	long first, next;

	assert_int_equal(ioas_map(ioas, iova, memory, 2 * PAGE), 0);
	first = hw_queue_alloc(0, iova, PAGE + 8);
	assert_true(first > 0);
	assert_int_equal(fake_iommu.queues[0]->base_va, (uintptr_t)memory);
	assert_int_equal(hw_queue_alloc(0, iova, PAGE), -EEXIST);
	next = hw_queue_alloc(1, iova + PAGE + 100, 8);
	assert_true(next > first);
	assert_int_equal(fake_iommu.queues[1]->base_va, (uintptr_t)memory + PAGE + 100);
	assert_int_equal(ioas_unmap(ioas, iova, 2 * PAGE), -EBUSY);
	assert_int_equal(destroy(first), -EBUSY);
	assert_int_equal(destroy(viommu), -EBUSY);
	assert_int_equal(destroy(next), 0);
	assert_int_equal(ioas_unmap(ioas, iova, 2 * PAGE), -EBUSY);
	assert_int_equal(destroy(first), 0);
	assert_int_equal(ioas_unmap(ioas, iova, 2 * PAGE), 2 * PAGE);
	assert_int_equal(destroy(viommu), 0);
}

/* ---- mapped memory ---- */

static int map(int prot, int flags, uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	return uiommu_file_mmap(iommufd, NULL, prot, flags, offset, length, out);
}

static void test_mmap(void **state)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct fake_data data = {.value = 0x1234};
	struct fake_data other = {.value = 0x5678};
	struct uiommu_mapping *mapping;
	uint64_t value;
	long id, id2;

	id = viommu_alloc(dev_id, parent, FAKE_TYPE, sizeof(data), &data);
	assert_true(id > 0);
	assert_int_equal(data.out, 0x1234);
	assert_int_equal(data.mmap_length, 2 * PAGE);
	assert_int_not_equal(data.mmap_offset, 0);
	assert_int_equal(map(rw, MAP_PRIVATE, data.mmap_offset, 2 * PAGE, &mapping), -EINVAL);
	assert_int_equal(map(rw | PROT_EXEC, MAP_SHARED, data.mmap_offset, 2 * PAGE, &mapping),
			 -EPERM);
	assert_int_equal(map(rw, MAP_SHARED, data.mmap_offset, PAGE, &mapping), -ENXIO);
	assert_int_equal(map(rw, MAP_SHARED, data.mmap_offset, 4 * PAGE, &mapping), -ENXIO);
	assert_int_equal(map(rw, MAP_SHARED, data.mmap_offset + PAGE, PAGE, &mapping), -ENXIO);
	assert_int_equal(map(rw, MAP_SHARED, 0, 2 * PAGE, &mapping), -ENXIO);
	assert_int_equal(map(rw, MAP_SHARED, data.mmap_offset, 2 * PAGE, &mapping), 0);
	assert_int_equal(uiommu_mapping_read(mapping, 0, &value, 4), 0);
	assert_int_equal(value, 0x1234);
	for (unsigned int size = 1; size <= 8; size *= 2) {
		assert_int_equal(
			uiommu_mapping_write(mapping, 2 * PAGE - size, 0x1122334455667788, size),
			0);
		assert_int_equal(uiommu_mapping_read(mapping, 2 * PAGE - size, &value, size), 0);
		assert_int_equal(value, 0x1122334455667788 & (~0ull >> (64 - 8 * size)));
	}
	assert_int_equal(fake_iommu.page[2 * PAGE / 4 - 1], 0x11223344);

	id2 = viommu_alloc(dev_id, parent, FAKE_TYPE, sizeof(other), &other);
	assert_true(other.mmap_offset >= data.mmap_offset + 2 * PAGE ||
		    other.mmap_offset + 2 * PAGE <= data.mmap_offset);
	assert_int_equal(destroy(id), -EBUSY);
	uiommu_mapping_get(mapping);
	uiommu_mapping_put(mapping);
	assert_int_equal(destroy(id), -EBUSY);
	uiommu_mapping_put(mapping);
	assert_int_equal(destroy(id), 0);
	assert_int_equal(map(rw, MAP_SHARED, data.mmap_offset, 2 * PAGE, &mapping), -ENXIO);
	assert_int_equal(map(rw, MAP_SHARED, other.mmap_offset, 2 * PAGE, &mapping), 0);
	uiommu_mapping_put(mapping);
	assert_int_equal(destroy(id2), 0);
	/* An answer that can't be given takes the memory back. */
	assert_int_equal(viommu_alloc(dev_id, parent, FAKE_TYPE, 2, &data), -EINVAL);
	assert_int_equal(viommu_alloc(dev_id, parent, FAKE_TYPE, 24, memory + 2 * PAGE - 8),
			 -EFAULT);
}

/* A mapping keeps the context, when everybody has closed it. */
static void test_mmap_last(void **state)
{
	struct fake_data data = {.value = 1};
	struct uiommu_mapping *mapping;
	uint64_t value;

	assert_true(viommu_alloc(dev_id, parent, FAKE_TYPE, sizeof(data), &data) > 0);
	assert_int_equal(map(PROT_READ, MAP_SHARED, data.mmap_offset, 2 * PAGE, &mapping), 0);
	iommufd_device_unbind(idev);
	idev = NULL;
	uiommu_file_put(iommufd);
	iommufd = NULL;
	assert_int_equal(uiommu_mapping_read(mapping, 0, &value, 8), 0);
	assert_int_equal(value, 1);
	uiommu_mapping_put(mapping);
}

/* ---- threads ---- */

static bool stop;

static void *vdevices(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		long vdev = vdevice_alloc(viommu, dev_id, 5);

		if (vdev > 0)
			destroy((uint32_t)vdev);
	}
	return NULL;
}

static void *finders(void *arg)
{
	uint64_t virt_id;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		iommufd_viommu_get_vdev_id(fake_iommu.viommu, dev->dev, &virt_id);
		report(3);
	}
	return NULL;
}

/* A device that comes and goes while its vdevice is made, found and destroyed. */
static void test_threads(void **state)
{
	pthread_t threads[3];
	struct uiommu_file *queue;
	unsigned char buf[256];
	uint32_t id;

	queue = veventq_alloc(16, &id);
	stop = false;
	assert_int_equal(pthread_create(&threads[0], NULL, vdevices, NULL), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, vdevices, NULL), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, finders, NULL), 0);
	for (int i = 0; i < 300; i++) {
		iommufd_device_unbind(idev);
		idev = bind_driver(dev, &fake_driver);
		uiommu_file_read(queue, mm, (uintptr_t)buf, sizeof(buf));
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
#define with_viommu(test) cmocka_unit_test_setup_teardown(test, setup_viommu, teardown_viommu)
	const struct CMUnitTest tests[] = {
		with_viommu(test_alloc),
		with_viommu(test_nested),
		with_viommu(test_vdevice),
		with_viommu(test_tombstone),
		with_viommu(test_veventq_errors),
		with_viommu(test_veventq_lifetime),
		with_viommu(test_veventq_read),
		with_viommu(test_veventq_lost),
		with_viommu(test_hw_queue_errors),
		with_viommu(test_hw_queue),
		with_viommu(test_mmap),
		with_viommu(test_mmap_last),
		with_viommu(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

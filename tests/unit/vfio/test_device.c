// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A bound device: info, regions, mappings, interrupts, features, reset.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define REGION(n) ((uint64_t)(n) << 40)

static void set_command(struct client *c, int fd, uint16_t command)
{
	assert_int_equal(do_pwrite(c, fd, &command, 2, REGION(7) + 4), 2);
}

static uint16_t get_command(struct client *c, int fd)
{
	uint16_t command = 0;

	assert_int_equal(do_pread(c, fd, &command, 2, REGION(7) + 4), 2);
	return command;
}

static void test_info(void **state)
{
	struct vfio_device_info info = {.argsz = sizeof(info), .cap_offset = 0x55};
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.flags, 3);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(info.cap_offset, 0);
	info.argsz = 16;
	info.cap_offset = 0x55;
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_INFO, &info), 0);
	assert_int_equal(info.cap_offset, 0x55);
	info.argsz = 15;
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_INFO, &info), -EINVAL);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_INFO, (void *)BAD_POINTER), -EFAULT);
	assert_int_equal(do_ioctl(&c, fd, 0x3b00 + 99, &info), -ENOTTY);
	assert_int_equal(do_ioctl(&c, fd, 0x3b00 + 122, &info), -ENOTTY);
	client_close(&c);
}

static void test_region_info(void **state)
{
	static const uint32_t flags[8] = {7, 0, 0, 0, 0, 0, 0, 3};
	struct vfio_region_info info;
	struct client c;
	uint32_t i;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	for (i = 0; i < 12; i++) {
		info = (struct vfio_region_info){.argsz = sizeof(info), .index = i};
		assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_REGION_INFO, &info),
				 i < 8 ? 0 : -EINVAL);
		if (i >= 8)
			continue;
		assert_int_equal(info.flags, flags[i]);
		assert_int_equal(info.size, flags[i] ? 4096 : 0);
		assert_int_equal(info.offset, REGION(i));
		assert_int_equal(info.argsz, sizeof(info));
	}
	info = (struct vfio_region_info){.argsz = 31};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_REGION_INFO, &info), -EINVAL);
	client_close(&c);
}

static void test_irq_info(void **state)
{
	static const uint32_t flags[5] = {7, 9, 1, 9, 9}, count[5] = {1, 0, 0, 1, 1};
	struct vfio_irq_info info;
	struct client c;
	uint32_t i;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	for (i = 0; i < 5; i++) {
		info = (struct vfio_irq_info){.argsz = sizeof(info), .index = i};
		assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
		assert_int_equal(info.flags, flags[i]);
		assert_int_equal(info.count, count[i]);
	}
	info.index = 5;
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
	info = (struct vfio_irq_info){.argsz = 15};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_IRQ_INFO, &info), -EINVAL);
	client_close(&c);
}

static void test_config_region(void **state)
{
	uint8_t all[5000] = {0};
	uint32_t word = 0;
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	/* Every open starts with memory on and DMA off. */
	assert_int_equal(get_command(&c, fd) & 0x406, 2);
	assert_int_equal(do_pread(&c, fd, all, 4096, REGION(7)), 4096);
	memcpy(&word, all, 4);
	assert_int_equal(word, 0x11e91234);
	assert_int_equal(do_pread(&c, fd, all, 5000, REGION(7)), -EFAULT);
	assert_int_equal(do_pread(&c, fd, all, 4, REGION(7) + 4094), -EFAULT);
	assert_int_equal(do_pread(&c, fd, all, 1, REGION(7) + 4096), -EFAULT);
	assert_int_equal(do_pread(&c, fd, all, 0, REGION(7) + 4096), 0);
	assert_int_equal(do_pread(&c, fd, all, 7, REGION(7) + 0x3d), 7);
	assert_int_equal(do_pread(&c, fd, (void *)BAD_POINTER, 4, REGION(7)), -EFAULT);
	assert_int_equal(do_pwrite(&c, fd, (void *)BAD_POINTER, 4, REGION(7)), -EFAULT);
	assert_int_equal(do_pwrite(&c, fd, all, 0, REGION(7)), 0);
	assert_int_equal(do_pwrite(&c, fd, all, 2, REGION(7) + 4095), -EFAULT);
	client_close(&c);
}

static void test_bar_region(void **state)
{
	uint64_t addr = 0x1122334455667788ull, back = 0;
	uint8_t bytes[64] = {0};
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(do_pwrite(&c, fd, &addr, 8, 0), 8);
	assert_int_equal(do_pread(&c, fd, &back, 8, 0), 8);
	assert_int_equal(back, addr);
	/* 4 bytes at 4, as an access of 4; what is odd is made of bytes, which read ones. */
	assert_int_equal(do_pread(&c, fd, &back, 4, 4), 4);
	assert_int_equal((uint32_t)back, 0x11223344);
	addr = (addr & ~0xffffffffull) | 2;
	assert_int_equal(do_pwrite(&c, fd, &addr, 4, 8), 4);
	assert_int_equal(do_pread(&c, fd, &back, 8, 4), 8);
	assert_int_equal(back, 0x211223344ull);
	assert_int_equal(do_pread(&c, fd, bytes, 3, 1), 3);
	assert_int_equal(bytes[0], 0xff);
	/* Cut at the end; behind it there is nothing. */
	assert_int_equal(do_pread(&c, fd, bytes, 64, 4096 - 8), 8);
	assert_int_equal(do_pread(&c, fd, bytes, 4, 4096), -EINVAL);
	assert_int_equal(do_pread(&c, fd, bytes, 0, 4096), 0);
	assert_int_equal(do_pread(&c, fd, bytes, 4, REGION(1)), -EINVAL);
	assert_int_equal(do_pread(&c, fd, bytes, 4, REGION(6)), -EINVAL);
	assert_int_equal(do_pread(&c, fd, bytes, 4, REGION(8)), -EINVAL);
	assert_int_equal(do_pread(&c, fd, bytes, 4, REGION(20)), -EINVAL);
	assert_int_equal(do_pread(&c, fd, bytes, 0, REGION(20)), 0);
	assert_int_equal(do_pread(&c, fd, bytes, 4, UINT64_MAX), -EINVAL);
	assert_int_equal(do_pread(&c, fd, (void *)BAD_POINTER, 4, 0), -EFAULT);
	assert_int_equal(do_pwrite(&c, fd, (void *)BAD_POINTER, 4, 0), -EFAULT);
	/* Memory decoding off. */
	set_command(&c, fd, 0);
	assert_int_equal(do_pread(&c, fd, bytes, 4, 0), -EIO);
	assert_int_equal(do_pwrite(&c, fd, bytes, 4, 0), -EIO);
	assert_int_equal(do_pwrite(&c, fd, (void *)BAD_POINTER, 4, 0), -EFAULT);
	set_command(&c, fd, 2);
	assert_int_equal(do_pread(&c, fd, bytes, 4, 0), 4);
	/* read() goes on where it was. */
	assert_int_equal(uiommu_file_read(c.files[fd], c.mm, (uintptr_t)bytes, 4), 4);
	assert_int_equal(uiommu_file_read(c.files[fd], c.mm, (uintptr_t)&back, 4), 4);
	assert_int_equal((uint32_t)back, 0x11223344);
	client_close(&c);
}

static void test_access_modes(void **state)
{
	struct uiommu_mapping *m;
	uint32_t word;
	struct client c;
	int fd;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 0);
	fd = do_open(&c, device_node(&c), O_RDONLY);
	assert_int_equal(bind_device(&c, fd, 0), 0);
	assert_int_equal(do_pread(&c, fd, &word, 4, REGION(7)), 4);
	assert_int_equal(do_pwrite(&c, fd, &word, 4, REGION(7)), -EBADF);
	assert_int_equal(uiommu_file_mmap(c.files[fd], NULL, PROT_WRITE, MAP_SHARED, 0, 4096, &m),
			 -EACCES);
	/* What can't be written can't be shared. */
	assert_int_equal(uiommu_file_mmap(c.files[fd], NULL, PROT_READ, MAP_SHARED, 0, 4096, &m),
			 -EINVAL);
	client_close(&c);
}

static void test_mmap_arguments(void **state)
{
	static const struct {
		int flags;
		uint64_t offset;
		size_t length;
		int rc;
	} cases[] = {
		{MAP_SHARED, 0, 4096, 0},
		{MAP_SHARED, 0, 100, 0},
		{MAP_SHARED_VALIDATE, 0, 4096, 0},
		{MAP_PRIVATE, 0, 4096, -EINVAL},
		{MAP_SHARED, 0, 0, -EINVAL},
		{MAP_SHARED, 0, 8192, -EINVAL},
		{MAP_SHARED, 4096, 4096, -EINVAL},
		{MAP_SHARED, 0x800, 4096, -EINVAL},
		{MAP_SHARED, REGION(1), 4096, -EINVAL},
		{MAP_SHARED, REGION(7), 4096, -EINVAL},
		{MAP_SHARED, REGION(8), 4096, -EINVAL},
		{MAP_SHARED, REGION(9), 4096, -EINVAL},
		{MAP_SHARED, UINT64_MAX & ~4095ull, 4096, -EINVAL},
	};
	struct client c;
	unsigned int i;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct uiommu_mapping *m = NULL;

		assert_int_equal(uiommu_file_mmap(c.files[fd], NULL, PROT_NONE, cases[i].flags,
						  cases[i].offset, cases[i].length, &m),
				 cases[i].rc);
		if (!cases[i].rc)
			uiommu_mapping_put(m);
	}
	client_close(&c);
}

static void test_mapping(void **state)
{
	struct uiommu_mapping *m;
	uint64_t value;
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	set_command(&c, fd, 0); /* mmap doesn't ask */
	assert_int_equal(uiommu_file_mmap(c.files[fd], NULL, PROT_READ | PROT_WRITE, MAP_SHARED, 0,
					  4096, &m),
			 0);
	assert_int_equal(uiommu_mapping_read(m, 0, &value, 4), -EIO);
	assert_int_equal(uiommu_mapping_write(m, 0, 1, 4), -EIO);
	set_command(&c, fd, 2);
	assert_int_equal(uiommu_mapping_write(m, 0, 0xdeadbeef, 4), 0);
	assert_int_equal(uiommu_mapping_read(m, 0, &value, 8), 0);
	assert_int_equal(value, 0xdeadbeef);
	assert_int_equal(uiommu_mapping_read(m, 4096, &value, 4), -EIO);
	/* The mapping keeps the device open when the descriptor goes. */
	do_close(&c, fd);
	assert_int_equal(uiommu_mapping_read(m, 0, &value, 4), 0);
	assert_int_equal(value, 0xdeadbeef);
	uiommu_mapping_put(m);
	client_close(&c);
}

/* This device doesn't know blocks: they are words for it. */
static void test_block(void **state)
{
	uint64_t block[8] = {0xdeadbeef}, value;
	struct uiommu_mapping *m;
	struct client c;
	int fd;

	/* The BAR goes on where the mapping ends. */
	client_open_spec(&c, "ats-testdev,bar0=8K");
	fd = open_bound(&c);
	set_command(&c, fd, 0);
	assert_int_equal(uiommu_file_mmap(c.files[fd], NULL, PROT_READ | PROT_WRITE, MAP_SHARED, 0,
					  4096, &m),
			 0);
	assert_int_equal(uiommu_mapping_write_block(m, 0, block), -EIO);
	set_command(&c, fd, 2);
	assert_int_equal(uiommu_mapping_write_block(m, 0, block), 0);
	assert_int_equal(uiommu_mapping_read(m, 0, &value, 8), 0);
	assert_int_equal(value, 0xdeadbeef);
	assert_int_equal(uiommu_mapping_write_block(m, 4096, block), -EIO);
	assert_int_equal(uiommu_mapping_enqueue(m, 4096, block), -EIO);
	/* Nobody bound this process. */
	assert_int_equal(uiommu_mapping_enqueue(m, 0, block), -EPERM);
	uiommu_mapping_put(m);
	do_close(&c, fd);
	client_close(&c);
}

static long set_irqs(struct client *c, int fd, uint32_t index, uint32_t flags, uint32_t start,
		     uint32_t count, int32_t data)
{
	struct vfio_irq_set set = {24, flags, index, start, count};
	uint8_t call[24];

	memcpy(call, &set, sizeof(set));
	memcpy(call + sizeof(set), &data, sizeof(data));
	return do_ioctl(c, fd, VFIO_DEVICE_SET_IRQS, call);
}

#define N VFIO_IRQ_SET_DATA_NONE
#define B VFIO_IRQ_SET_DATA_BOOL
#define E VFIO_IRQ_SET_DATA_EVENTFD
#define T VFIO_IRQ_SET_ACTION_TRIGGER
#define M VFIO_IRQ_SET_ACTION_MASK
#define U VFIO_IRQ_SET_ACTION_UNMASK

/* Errors as a real kernel was seen to give them. */
static void test_set_irqs_errors(void **state)
{
	static const struct {
		uint32_t index, flags, start, count;
		int32_t data;
		long rc;
	} cases[] = {
		{5, E | T, 0, 1, EVENTFD, -EINVAL},
		{0, N | T, 0, 0, 0, -EINVAL}, /* off */
		{1, E | T, 0, 1, EVENTFD, -EINVAL},
		{2, N | T, 0, 0, 0, -EINVAL},
		{3, N | T, 1, 1, 0, -EINVAL},
		{3, N | T, 0, 2, 0, -EINVAL},
		{3, N | T, UINT32_MAX, UINT32_MAX, 0, -EINVAL},
		{3, N | T, 1, UINT32_MAX - 1, 0, -EINVAL},
		{3, N | T | 64, 0, 1, 0, -EINVAL},
		{3, T, 0, 1, 0, -EINVAL},
		{3, 0, 0, 1, 0, -EINVAL},
		{3, N | B | T, 0, 1, 0, -EINVAL},
		{3, N | B | E | T, 0, 1, 0, -EINVAL},
		{3, E | M, 0, 1, EVENTFD, -ENOTTY},
		{3, E | U, 0, 1, -2, -ENOTTY},
		{3, N | U | T, 0, 1, 0, -ENOTTY},
		{4, N | M | U, 0, 1, 0, -ENOTTY},
		{3, N, 0, 1, 0, -ENOTTY},
		{3, N | T, 0, 1, 0, -EINVAL}, /* nothing is set */
		{3, N | T, 0, 0, 0, -EINVAL},
		{3, B | T, 0, 1, 1, 0},
		{3, E | T, 0, 1, -2, -EINVAL},
		{3, E | T, 0, 1, 15, -EBADF},
		{3, E | T, 0, 1, OTHER_FD, -EINVAL},
		{3, E | T, 0, 1, 0, -EINVAL}, /* the iommufd */
	};
	struct vfio_irq_set small = {20, E | T, 3, 0, 1};
	struct client c;
	unsigned int i;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		long rc = set_irqs(&c, fd, cases[i].index, cases[i].flags, cases[i].start,
				   cases[i].count, cases[i].data);

		if (rc != cases[i].rc)
			fail_msg("case %u: %ld, not %ld", i, rc, cases[i].rc);
	}
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_SET_IRQS, &small), -EINVAL);
	small.argsz = 19;
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_SET_IRQS, &small), -EINVAL);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_SET_IRQS, (void *)BAD_POINTER), -EFAULT);
	client_close(&c);
}

static void test_set_irqs(void **state)
{
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(set_irqs(&c, fd, 3, E | T, 0, 1, EVENTFD), 0);
	assert_int_equal(set_irqs(&c, fd, 4, E | T, 0, 1, EVENTFD + 1), 0);
	assert_int_equal(set_irqs(&c, fd, 3, N | T, 0, 1, 0), 0);
	assert_int_equal(c.signals[0], 1);
	assert_int_equal(set_irqs(&c, fd, 3, B | T, 0, 1, 1), 0);
	assert_int_equal(set_irqs(&c, fd, 3, B | T, 0, 1, 0), 0);
	assert_int_equal(c.signals[0], 2);
	assert_int_equal(set_irqs(&c, fd, 4, B | T, 0, 1, 255), 0);
	assert_int_equal(c.signals[1], 1);
	/* Another eventfd; then none. */
	assert_int_equal(set_irqs(&c, fd, 3, E | T, 0, 1, EVENTFD + 2), 0);
	assert_int_equal(c.holds[0], 0);
	assert_int_equal(set_irqs(&c, fd, 3, N | T, 0, 1, 0), 0);
	assert_int_equal(c.signals[2], 1);
	assert_int_equal(set_irqs(&c, fd, 3, E | T, 0, 1, -1), 0);
	assert_int_equal(c.holds[2], 0);
	assert_int_equal(set_irqs(&c, fd, 3, N | T, 0, 1, 0), -EINVAL);
	assert_int_equal(set_irqs(&c, fd, 4, N | T, 0, 0, 0), 0);
	assert_int_equal(c.holds[1], 0);
	/* What is set goes with the file: client_close() checks. */
	assert_int_equal(set_irqs(&c, fd, 4, E | T, 0, 1, EVENTFD + 3), 0);
	assert_int_equal(c.holds[3], 1);
	client_close(&c);
}

/* INTx: on from the first eventfd, silent while COMMAND turns it off. */
static void test_intx(void **state)
{
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 1, 0), -EINVAL);
	assert_int_equal(set_irqs(&c, fd, 0, N | M, 0, 1, 0), -EINVAL);
	assert_int_equal(set_irqs(&c, fd, 0, E | T, 0, 1, OTHER_FD), -EINVAL);
	assert_int_equal(set_irqs(&c, fd, 0, E | T, 0, 1, EVENTFD), 0);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 1, 0), 0);
	assert_int_equal(set_irqs(&c, fd, 0, B | T, 0, 1, 1), 0);
	assert_int_equal(set_irqs(&c, fd, 0, B | T, 0, 1, 0), 0);
	assert_int_equal(c.signals[0], 2);
	set_command(&c, fd, 0x402);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 1, 0), 0);
	assert_int_equal(c.signals[0], 2);
	set_command(&c, fd, 0x002);
	assert_int_equal(set_irqs(&c, fd, 0, N | M, 0, 1, 0), 0);
	assert_int_equal(set_irqs(&c, fd, 0, E | M, 0, 1, EVENTFD + 1), -ENOTTY);
	assert_int_equal(set_irqs(&c, fd, 0, E | U, 0, 1, EVENTFD + 1), 0);
	assert_int_equal(set_irqs(&c, fd, 0, E | U, 0, 1, EVENTFD + 2), -EBUSY);
	assert_int_equal(c.holds[2], 0);
	assert_int_equal(set_irqs(&c, fd, 0, E | U, 0, 1, -1), 0);
	assert_int_equal(c.holds[1], 0);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 0, 0), 0);
	assert_int_equal(c.holds[0], 0);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 1, 0), -EINVAL);
	/* Without an eventfd it is on, and signals nobody. */
	assert_int_equal(set_irqs(&c, fd, 0, E | T, 0, 1, -1), 0);
	assert_int_equal(set_irqs(&c, fd, 0, N | T, 0, 1, 0), 0);
	assert_int_equal(set_irqs(&c, fd, 0, E | U, 0, 1, EVENTFD + 3), 0);
	client_close(&c);
}

static void test_features(void **state)
{
	const uint32_t get = VFIO_DEVICE_FEATURE_GET, set = VFIO_DEVICE_FEATURE_SET,
		       probe = VFIO_DEVICE_FEATURE_PROBE;
	const struct {
		uint32_t argsz, flags;
		long rc;
	} cases[] = {
		{7, 3 | probe, -EINVAL},
		{8, 3 | probe, 0},
		{8, 3 | probe | set, 0},
		{8, 3 | probe | get, -EINVAL},
		{8, 3, -EINVAL},
		{8, 3 | set | get, -EINVAL},
		{8, 3 | set, 0},
		{8, 3 | set, -EINVAL},
		{16, 4 | set, -EINVAL}, /* it sleeps */
		{8, 5 | set, 0},
		{8, 5 | set, 0},
		{16, 4 | probe, 0},
		{12, 4 | set, -EINVAL},
		{16, 4, -EINVAL},
		{16, 4 | set, 0},
		{8, 5 | get, -EINVAL},
		{8, 0 | get, -ENOTTY},
		{8, 1 | probe, -ENOTTY},
		{8, 10 | probe, -ENOTTY},
		{8, 11 | set, -ENOTTY},
		{8, 12 | probe, -EINVAL},
		{8, 13 | probe, -ENOTTY},
		{8, 15 | get, -ENOTTY},
		{8, 6 | set | get, -EINVAL},
		{8, 8 | probe | 1u << 31, -EINVAL},
	};
	struct client c;
	unsigned int i;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t raw[4] = {cases[i].argsz, cases[i].flags, EVENTFD, 0};
		long rc = do_ioctl(&c, fd, VFIO_DEVICE_FEATURE, raw);

		if (rc != cases[i].rc)
			fail_msg("case %u: %ld, not %ld", i, rc, cases[i].rc);
	}
	assert_int_equal(c.holds[0], 1); /* the wakeup of the second sleep */
	client_close(&c);
}

static void test_reset(void **state)
{
	uint64_t addr = 0x1000;
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(do_pwrite(&c, fd, &addr, 8, 0), 8);
	set_command(&c, fd, 0x406);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(get_command(&c, fd) & 0x406, 0x406);
	assert_int_equal(do_pread(&c, fd, &addr, 8, 0), 8);
	assert_int_equal(addr, 0);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_region_info),
		cmocka_unit_test(test_irq_info),
		cmocka_unit_test(test_config_region),
		cmocka_unit_test(test_bar_region),
		cmocka_unit_test(test_access_modes),
		cmocka_unit_test(test_mmap_arguments),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_set_irqs_errors),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_set_irqs),
		cmocka_unit_test(test_intx),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

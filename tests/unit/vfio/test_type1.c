// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Containers: SET_IOMMU, and what TYPE1 and TYPE1v2 map, unmap and call dirty.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ull
#define RW (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

/* A client of one type, with pages to map. */
struct box {
	struct client c;
	uint8_t *mem;
};

static void box_open(struct box *b, uint32_t type)
{
	client_open(&b->c);
	assert_int_equal(open_in_container(&b->c, type), 2);
	b->mem = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void box_close(struct box *b)
{
	client_close(&b->c);
	munmap(b->mem, 64 * PAGE);
}

static long map_at(struct box *b, uint64_t vaddr, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {sizeof(map), flags, vaddr, iova, size};

	return do_ioctl(&b->c, 0, VFIO_IOMMU_MAP_DMA, &map);
}

static long map(struct box *b, uint64_t iova, uint64_t pages)
{
	return map_at(b, (uintptr_t)b->mem, iova, pages * PAGE, RW);
}

/* The size that was unmapped, or -errno. */
static int64_t unmap(struct box *b, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_unmap arg = {sizeof(arg), flags, iova, size};
	long rc = do_ioctl(&b->c, 0, VFIO_IOMMU_UNMAP_DMA, &arg);

	return rc ? rc : (int64_t)arg.size;
}

static void test_set_iommu(void **state)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};
	struct client c;
	int fd = 0;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/vfio/vfio", O_RDWR), 0);
	assert_int_equal(open_group(&c), 1);
	assert_int_equal(do_ioctl(&c, 0, VFIO_GET_API_VERSION, NULL), 0);
	assert_int_equal(do_ioctl(&c, 0, VFIO_CHECK_EXTENSION, (void *)VFIO_TYPE1v2_IOMMU), 1);
	assert_int_equal(do_ioctl(&c, 0, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR), 0);
	assert_int_equal(do_ioctl(&c, 0, VFIO_CHECK_EXTENSION, (void *)VFIO_EEH), 0);
	assert_int_equal(do_ioctl(&c, 0, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(do_ioctl(&c, 0, VFIO_IOMMU_GET_INFO, &info), -EINVAL);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_SET_CONTAINER, &fd), 0);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_GET_DEVICE_FD, c.pdev->name), -EINVAL);
	assert_int_equal(do_ioctl(&c, 0, VFIO_SET_IOMMU, (void *)VFIO_EEH), -ENODEV);
	assert_int_equal(do_ioctl(&c, 0, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(do_ioctl(&c, 0, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU), -EINVAL);
	assert_int_equal(do_ioctl(&c, 0, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR), 1);
	assert_int_equal(do_ioctl(&c, 0, VFIO_IOMMU_ENABLE, NULL), -ENOTTY);
	/* With its last group it loses its IOMMU. */
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(do_ioctl(&c, 0, VFIO_IOMMU_GET_INFO, &info), -EINVAL);
	client_close(&c);
}

static void test_info(void **state)
{
	struct {
		struct vfio_iommu_type1_info info;
		struct vfio_iommu_type1_info_cap_migration migration;
		struct vfio_iommu_type1_info_dma_avail avail;
		uint32_t pad;
		struct vfio_iommu_type1_info_cap_iova_range iova;
		struct vfio_iova_range range[2];
	} arg = {.info.argsz = 15};
	struct box b;

	box_open(&b, VFIO_TYPE1_IOMMU);
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_GET_INFO, &arg), -EINVAL);
	arg.info.argsz = 16;
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_GET_INFO, &arg), 0);
	assert_int_equal(arg.info.argsz, sizeof(arg));
	assert_int_equal(arg.info.iova_pgsizes & 0xfff000, 0x201000);
	assert_int_equal(map(&b, 0, 1), 0);
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_GET_INFO, &arg), 0);
	assert_int_equal(arg.info.argsz, sizeof(arg));
	assert_int_equal(arg.info.flags, 3);
	assert_int_equal(arg.info.cap_offset, 24);
	assert_int_equal(arg.migration.header.id, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);
	assert_int_equal(arg.migration.header.next, 24 + sizeof(arg.migration));
	assert_int_equal(arg.migration.max_dirty_bitmap_size, 1 << 28);
	assert_int_equal(arg.avail.header.id, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	assert_int_equal(arg.avail.avail, 65534);
	assert_int_equal(arg.iova.header.id, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	assert_int_equal(arg.iova.header.next, 0);
	assert_int_equal(arg.iova.nr_iovas, 2);
	assert_int_equal(arg.range[0].end, 0xfedfffff);
	assert_int_equal(arg.range[1].end, (1ull << 48) - 1);
	box_close(&b);
}

static void test_map_arguments(void **state)
{
	struct vfio_iommu_type1_dma_map longer = {.argsz = 31};
	uint64_t mem;
	struct box b;

	box_open(&b, VFIO_TYPE1v2_IOMMU);
	mem = (uintptr_t)b.mem;
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_MAP_DMA, &longer), -EINVAL);
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_MAP_DMA, (void *)BAD_POINTER), -EFAULT);
	assert_int_equal(map_at(&b, mem, 0, 0, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0, PAGE, 0), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0, PAGE, RW | VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0, PAGE, RW | 8), -EINVAL);
	assert_int_equal(map_at(&b, mem, -PAGE, 2 * PAGE, RW), -EOVERFLOW);
	assert_int_equal(map_at(&b, -PAGE, 0, 2 * PAGE, RW), -EOVERFLOW);
	assert_int_equal(map_at(&b, -PAGE, 0, PAGE, RW), -EFAULT);
	assert_int_equal(map_at(&b, mem + 1, 0, PAGE, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, 1, PAGE, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0, 100, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0xfee00000, PAGE, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, 1ull << 48, PAGE, RW), -EINVAL);
	assert_int_equal(map_at(&b, mem, -PAGE, PAGE, RW), -EINVAL);
	assert_int_equal(map_at(&b, BAD_POINTER & -PAGE, 0, PAGE, RW), -EFAULT);
	assert_int_equal(map_at(&b, mem, (1ull << 48) - PAGE, PAGE, RW), 0);
	assert_int_equal(map(&b, 0xfedff000, 1), 0);
	/* What overlaps is told before what can't be. */
	assert_int_equal(map(&b, 0xfedff000, 2), -EEXIST);
	assert_int_equal(map_at(&b, mem, 0xfedff000, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map_at(&b, mem, 0, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -ENOENT);
	box_close(&b);
}

/* Each version where ends of maps are cut. */
static void test_unmap(void **state)
{
	static const struct {
		uint64_t iova, size;
		uint32_t flags;
		int64_t v1, v2;
	} cases[] = {
		{0x10000, 0x1000, 0, 0x4000, -EINVAL}, /* from the start */
		{0x11000, 0x1000, 0, 0, -EINVAL},      /* from within */
		{0x12000, 0x8000, 0, 0, -EINVAL},      /* from within, and beyond */
		{0xf000, 0x2000, 0, 0x4000, -EINVAL},
		{0x8000, 0x1000, 0, 0, 0},
		{0xf000, 0x6000, 0, 0x4000, 0x4000},
		{0, 0, 2, 0x5000, 0x5000},
		{0, 0x1000, 2, -EINVAL, -EINVAL},
		{0x1000, 0, 2, -EINVAL, -EINVAL},
		{0x10000, 0, 0, -EINVAL, -EINVAL},
		{0x10000, 100, 0, -EINVAL, -EINVAL},
		{100, 0x1000, 0, -EINVAL, -EINVAL},
		{-PAGE, 2 * PAGE, 0, -EOVERFLOW, -EOVERFLOW},
		{0x10000, 0x4000, 8, -EINVAL, -EINVAL},
		{0x10000, 0x4000, 1, -EINVAL, -EINVAL}, /* nothing is tracked */
		{0x10000, 0x4000, 3, -EINVAL, -EINVAL},
	};
	const uint32_t types[] = {VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU};
	struct box b;

	for (unsigned int v = 0; v < 2; v++) {
		box_open(&b, types[v]);
		for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			assert_int_equal(map(&b, 0x10000, 4), 0);
			assert_int_equal(map(&b, 0x20000, 1), 0);
			assert_int_equal(unmap(&b, cases[i].iova, cases[i].size, cases[i].flags),
					 v ? cases[i].v2 : cases[i].v1);
			assert_true(unmap(&b, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL) >= 0);
		}
		box_close(&b);
	}
}

static void test_vaddr(void **state)
{
	const uint32_t give_up = VFIO_DMA_UNMAP_FLAG_VADDR;
	uint64_t mem;
	struct box b;

	box_open(&b, VFIO_TYPE1v2_IOMMU);
	mem = (uintptr_t)b.mem;
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(map_at(&b, mem, i * PAGE, PAGE, RW), 0);
	assert_int_equal(unmap(&b, 5 * PAGE, PAGE, give_up), PAGE);
	/* All or none. */
	assert_int_equal(unmap(&b, 0, 0, give_up | VFIO_DMA_UNMAP_FLAG_ALL), -EINVAL);
	assert_int_equal(map_at(&b, mem, 4 * PAGE, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map_at(&b, mem, 5 * PAGE, 2 * PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map_at(&b, mem, 5 * PAGE, PAGE, VFIO_DMA_MAP_FLAG_VADDR), 0);
	assert_int_equal(map_at(&b, mem, 5 * PAGE, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(unmap(&b, 0, 0, give_up | VFIO_DMA_UNMAP_FLAG_ALL), 40 * PAGE);
	assert_int_equal(unmap(&b, 0, 20 * PAGE, 0), 20 * PAGE);
	assert_int_equal(map_at(&b, mem, 0, PAGE, RW), 0);
	assert_int_equal(map_at(&b, mem, 0, PAGE, VFIO_DMA_MAP_FLAG_VADDR), -EINVAL);
	assert_int_equal(map_at(&b, mem, 20 * PAGE, PAGE, VFIO_DMA_MAP_FLAG_VADDR), 0);
	box_close(&b);
}

static long dirty(struct box *b, uint32_t flags, uint64_t iova, uint64_t size, void *data,
		  uint64_t bytes)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} arg = {.head = {sizeof(arg), flags}, .get = {iova, size, {PAGE, bytes, data}}};

	return do_ioctl(&b->c, 0, VFIO_IOMMU_DIRTY_PAGES, &arg);
}

static void test_dirty(void **state)
{
	const uint32_t get = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	uint64_t bits[3] = {0};
	struct box b;

	box_open(&b, VFIO_TYPE1_IOMMU);
	assert_int_equal(dirty(&b, VFIO_IOMMU_DIRTY_PAGES_FLAG_START, 0, 0, NULL, 0), -EACCES);
	box_close(&b);

	box_open(&b, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(map(&b, 2 * PAGE, 3), 0);
	assert_int_equal(map(&b, 60 * PAGE, 10), 0);
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, bits, 16), -EINVAL);
	assert_int_equal(dirty(&b, VFIO_IOMMU_DIRTY_PAGES_FLAG_START, 0, 0, NULL, 0), 0);
	assert_int_equal(dirty(&b, VFIO_IOMMU_DIRTY_PAGES_FLAG_START, 0, 0, NULL, 0), 0);
	assert_int_equal(dirty(&b, 3, 0, 0, NULL, 0), -EINVAL);
	assert_int_equal(dirty(&b, 0, 0, 0, NULL, 0), -EINVAL);
	bits[0] = 1 | 1ull << 20;
	bits[2] = 7;
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, bits, 16), 0);
	/* Of the word that a map begins in, what is before it stays. */
	assert_int_equal(bits[0], 1 | 7ull << 2 | 0xfull << 60);
	assert_int_equal(bits[1], 0x3f);
	assert_int_equal(bits[2], 7);
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, bits, 8), -EINVAL);
	assert_int_equal(dirty(&b, get, 0, 61 * PAGE, bits, 16), -EINVAL);
	assert_int_equal(dirty(&b, get, 3 * PAGE, 60 * PAGE, bits, 16), -EINVAL);
	assert_int_equal(dirty(&b, get, 0, 0, bits, 16), -EINVAL);
	assert_int_equal(dirty(&b, get, 100, 70 * PAGE, bits, 16), -EINVAL);
	assert_int_equal(dirty(&b, get, -PAGE, 2 * PAGE, bits, 16), -EOVERFLOW);
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, (void *)BAD_POINTER, 16), -EFAULT);
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, (void *)-PAGE, 16), -EINVAL);
	assert_int_equal(dirty(&b, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP, 0, 0, NULL, 0), 0);
	assert_int_equal(dirty(&b, get, 0, 70 * PAGE, bits, 16), -EINVAL);
	box_close(&b);
}

static void test_unmap_dirty(void **state)
{
	uint64_t bits = 0;
	struct {
		struct vfio_iommu_type1_dma_unmap head;
		struct vfio_bitmap bitmap;
	} arg = {
		.head = {sizeof(arg), VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, 0, 4 * PAGE},
		.bitmap = {PAGE, 8, &bits},
	};
	struct box b;

	box_open(&b, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(map(&b, PAGE, 2), 0);
	assert_int_equal(dirty(&b, VFIO_IOMMU_DIRTY_PAGES_FLAG_START, 0, 0, NULL, 0), 0);
	arg.bitmap.pgsize = 2 * PAGE;
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_UNMAP_DMA, &arg), -EINVAL);
	arg.bitmap.pgsize = PAGE;
	arg.bitmap.data = (void *)BAD_POINTER;
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_UNMAP_DMA, &arg), -EFAULT);
	arg.bitmap.data = &bits;
	assert_int_equal(do_ioctl(&b.c, 0, VFIO_IOMMU_UNMAP_DMA, &arg), 0);
	assert_int_equal(arg.head.size, 2 * PAGE);
	assert_int_equal(bits, 6);
	box_close(&b);
}

/* The device does DMA through the container, and not when it's gone. */
static void test_dma(void **state)
{
	const uint64_t bar = 0;
	uint32_t command = PCI_CMD_MEM | PCI_CMD_MASTER, run = 3;
	uint64_t iova = 0x40000;
	struct box b;

	box_open(&b, VFIO_TYPE1_IOMMU);
	memset(b.mem, 0x5a, PAGE);
	assert_int_equal(map_at(&b, (uintptr_t)b.mem, iova, 2 * PAGE, RW), 0);
	assert_int_equal(do_pwrite(&b.c, 2, &command, 2, (7ull << 40) + 4), 2);
	assert_int_equal(do_pwrite(&b.c, 2, &iova, 8, bar), 8);
	assert_int_equal(do_pwrite(&b.c, 2, &run, 4, bar + 8), 4); /* from memory */
	iova += PAGE;
	run = 1;
	assert_int_equal(do_pwrite(&b.c, 2, &iova, 8, bar), 8);
	assert_int_equal(do_pwrite(&b.c, 2, &run, 4, bar + 8), 4);
	assert_int_equal(b.mem[PAGE], 0x5a);
	assert_int_equal(b.mem[2 * PAGE - 1], 0x5a);
	assert_int_equal(unmap(&b, 0, 0, VFIO_DMA_UNMAP_FLAG_ALL), 2 * PAGE);
	b.mem[PAGE] = 1;
	assert_int_equal(do_pwrite(&b.c, 2, &run, 4, bar + 8), 4);
	assert_int_equal(b.mem[PAGE], 1);
	box_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_iommu),     cmocka_unit_test(test_info),
		cmocka_unit_test(test_map_arguments), cmocka_unit_test(test_unmap),
		cmocka_unit_test(test_vaddr),	      cmocka_unit_test(test_dirty),
		cmocka_unit_test(test_unmap_dirty),   cmocka_unit_test(test_dma),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

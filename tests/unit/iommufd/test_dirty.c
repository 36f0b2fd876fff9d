// SPDX-License-Identifier: LGPL-2.1-or-later
/* Dirty bits of the soft IOMMU: set by DMA, read through HWPT_GET_DIRTY_BITMAP. */
#include "fixture.h"
#include "iopt/dirty.h"

#include <sys/mman.h>

#define BASE (1ull << 32)
#define PAGES 1024u

static struct fake_device *dev;
static struct iommufd_device *idev;
static uint32_t dev_id, ioas, hwpt;
static unsigned char *buffer;
static unsigned char bitmap[PAGES / 2];

static int setup_dirty(void **state)
{
	setup(state);
	dev = device_new(NULL);
	idev = bind(iommufd, dev);
	dev_id = iommufd_device_to_id(idev);
	ioas = ioas_alloc();
	buffer = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	assert_true(buffer != MAP_FAILED);
	assert_int_equal(ioas_map(ioas, BASE, buffer, PAGES * PAGE), 0);
	hwpt = (uint32_t)hwpt_alloc(dev_id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &hwpt), 0);
	memset(bitmap, 0, sizeof(bitmap));
	return 0;
}

static int teardown_dirty(void **state)
{
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
	teardown(state);
	munmap(buffer, PAGES * PAGE);
	return 0;
}

static long track(uint32_t id, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .hwpt_id = id, .flags = flags};

	return iommu_ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static long get(uint32_t flags, uint64_t iova, uint64_t length, uint64_t page_size, void *data)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)data,
	};

	return iommu_ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static void dma_write(uint64_t iova, size_t length)
{
	struct uiommu_dma *dma;
	static char data[64 * PAGE];

	assert_int_equal(uiommu_dma_open(dev->dev, &dma), 0);
	assert_int_equal(uiommu_dma_write(dma, 0, iova, data, length, 0, NULL), 0);
	uiommu_dma_close(dma);
}

static unsigned int bits(void)
{
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(bitmap); i++)
		n += (unsigned int)__builtin_popcount(bitmap[i]);
	return n;
}

static bool bit(unsigned int n)
{
	return bitmap[n / 8] >> (n % 8) & 1;
}

static void test_dma(void **state)
{
	char data[8];

	dma_write(BASE, 8);
	assert_int_equal(track(hwpt, IOMMU_HWPT_DIRTY_TRACKING_ENABLE), 0);
	dma_write(BASE + 3 * PAGE + 4095, 2);
	dma_write(BASE + 64 * PAGE, 64 * PAGE);
	dma_write(BASE + (PAGES - 1) * PAGE, 1);
	assert_int_equal(dma_read(dev, 0, BASE + 9 * PAGE, data, 8), 0);

	assert_int_equal(
		get(IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR, BASE, PAGES * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 2 + 64 + 1);
	assert_true(bit(3) && bit(4) && bit(64) && bit(127) && bit(PAGES - 1));
	/* They stayed; bits that are set already stay set. */
	memset(bitmap, 0, sizeof(bitmap));
	bitmap[0] = 1;
	assert_int_equal(get(0, BASE, PAGES * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 1 + 2 + 64 + 1);
	memset(bitmap, 0, sizeof(bitmap));
	assert_int_equal(get(0, BASE, PAGES * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 0);
}

static void test_page_sizes(void **state)
{
	assert_int_equal(track(hwpt, 1), 0);
	dma_write(BASE + 5 * PAGE, 1);
	assert_int_equal(get(1, BASE, 16 * PAGE, 2048, bitmap), 0);
	assert_true(bits() == 2 && bit(10) && bit(11));
	memset(bitmap, 0, sizeof(bitmap));
	assert_int_equal(get(1, BASE, 16 * PAGE, 4 * PAGE, bitmap), 0);
	assert_true(bits() == 1 && bit(1));
	memset(bitmap, 0, sizeof(bitmap));
	/* Bit 0 is the first IOVA, wherever that is; and the bitmap needn't be aligned. */
	assert_int_equal(get(1, BASE + 5 * PAGE, PAGE, PAGE, bitmap + 3), 0);
	assert_true(bits() == 1 && bit(24));
	memset(bitmap, 0, sizeof(bitmap));
	/* Only what is asked for becomes clean. */
	dma_write(BASE + 6 * PAGE, 1);
	assert_int_equal(get(0, BASE + 6 * PAGE, PAGE, PAGE, bitmap), 0);
	memset(bitmap, 0, sizeof(bitmap));
	assert_int_equal(get(0, BASE, 16 * PAGE, PAGE, bitmap), 0);
	assert_true(bits() == 1 && bit(5));
}

static void test_off(void **state)
{
	assert_int_equal(track(hwpt, 1), 0);
	dma_write(BASE, 1);
	assert_int_equal(track(hwpt, 0), 0);
	dma_write(BASE + PAGE, 1);
	assert_int_equal(get(1, BASE, 8 * PAGE, PAGE, bitmap), 0);
	assert_true(bits() == 1 && bit(0));
	/* On again: from a clean state. */
	assert_int_equal(track(hwpt, 1), 0);
	memset(bitmap, 0, sizeof(bitmap));
	assert_int_equal(get(1, BASE, 8 * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 0);
}

static void test_maps(void **state)
{
	assert_int_equal(ioas_map(ioas, 2 * BASE, buffer, 4 * PAGE), 0);
	assert_int_equal(ioas_map(ioas, 2 * BASE + 4 * PAGE, buffer, 4 * PAGE), 0);
	assert_int_equal(ioas_map(ioas, 2 * BASE + 12 * PAGE, buffer, 4 * PAGE), 0);
	assert_int_equal(track(hwpt, 1), 0);
	dma_write(2 * BASE + PAGE, 1);
	dma_write(2 * BASE + 5 * PAGE, 1);
	dma_write(2 * BASE + 13 * PAGE, 1);
	/* Up to the hole; what is behind it stays dirty; a hole at the start is nothing. */
	assert_int_equal(get(0, 2 * BASE, 16 * PAGE, PAGE, bitmap), 0);
	assert_true(bits() == 2 && bit(1) && bit(5));
	memset(bitmap, 0, sizeof(bitmap));
	assert_int_equal(get(0, 2 * BASE + 8 * PAGE, 8 * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 0);
	/* What is mapped anew was never written. */
	assert_int_equal(ioas_unmap(ioas, 2 * BASE + 12 * PAGE, 4 * PAGE), 4 * PAGE);
	assert_int_equal(ioas_map(ioas, 2 * BASE + 12 * PAGE, buffer, 4 * PAGE), 0);
	assert_int_equal(get(0, 2 * BASE + 12 * PAGE, 4 * PAGE, PAGE, bitmap), 0);
	assert_int_equal(bits(), 0);
}

static void test_errors(void **state)
{
	long plain = hwpt_alloc(dev_id, ioas, 0, 0);

	assert_int_equal(track(hwpt, 2), -EOPNOTSUPP);
	assert_int_equal(track(9999, 1), -ENOENT);
	assert_int_equal(track(ioas, 1), -ENOENT);
	assert_int_equal(track((uint32_t)plain, 1), -EOPNOTSUPP);
	assert_int_equal(get(2, BASE, PAGE, PAGE, bitmap), -EOPNOTSUPP);
	assert_int_equal(get(0, BASE, 0, PAGE, bitmap), -EINVAL);
	assert_int_equal(get(0, UINT64_MAX - PAGE + 1, PAGE + 1, PAGE, bitmap), -EOVERFLOW);
	assert_int_equal(get(0, BASE + 1, PAGE, 1, bitmap), -EINVAL);
	assert_int_equal(get(0, BASE, PAGE + 1, 1, bitmap), -EINVAL);
	assert_int_equal(get(0, BASE, PAGE, 0, bitmap), -EINVAL);
	assert_int_equal(get(0, BASE, PAGE, 2 * PAGE, bitmap), -EINVAL);
	assert_int_equal(get(0, BASE + PAGE, 2 * PAGE, 2 * PAGE, bitmap), -EINVAL);
	/* A bitmap that isn't there: nobody is told. */
	assert_int_equal(track(hwpt, 1), 0);
	dma_write(BASE, 1);
	assert_int_equal(get(0, BASE, PAGE, PAGE, memory + 2 * PAGE), 0);
	/* The range is looked at before the hwpt. */
	hwpt = (uint32_t)plain;
	assert_int_equal(get(0, BASE, 0, PAGE, bitmap), -EINVAL);
	assert_int_equal(get(0, BASE, PAGE, PAGE, bitmap), -EOPNOTSUPP);
	hwpt = ioas;
	assert_int_equal(get(0, BASE, 0, PAGE, bitmap), -ENOENT);
}

/* ---- the bits by themselves, against a model ---- */

#define MODEL_PAGES 5000u
static bool model[MODEL_PAGES];
static uint64_t model_base, reported;

static void on_dirty(void *opaque, uint64_t iova, uint64_t length)
{
	for (uint64_t i = (iova - model_base) / PAGE; length; i++, length -= PAGE) {
		assert_in_range(i, 0, MODEL_PAGES - 1);
		assert_true(model[i]);
		reported++;
		if (opaque)
			model[i] = false;
	}
}

static void model_check(struct iopt *iopt, struct iopt_dirty *dirty, unsigned int first,
			unsigned int count, bool clear)
{
	uint64_t expected = 0;

	for (unsigned int i = first; i < first + count; i++)
		expected += model[i];
	reported = 0;
	iopt_dirty_read(iopt, dirty, model_base + first * PAGE,
			model_base + (first + count) * PAGE - 1, clear, on_dirty,
			clear ? &model : NULL);
	assert_int_equal(reported, expected);
}

static void run_model(uint64_t base, uint64_t last_iova)
{
	struct iopt *iopt = iopt_create(ctx);
	struct iopt_dirty dirty;
	uint64_t iova = base;

	memset(model, 0, sizeof(model));
	model_base = base;
	iopt_dirty_init(&dirty, 12, last_iova);
	assert_int_equal(iopt_map(iopt, mm, (uintptr_t)buffer, MODEL_PAGES * PAGE,
				  UIOMMU_READ | UIOMMU_WRITE, IOPT_FIXED, &iova),
			 0);
	assert_int_equal(iopt_dirty_enable(iopt, &dirty, true), 0);
	for (int round = 0; round < 3000; round++) {
		unsigned int first = (unsigned int)rand() % MODEL_PAGES;
		unsigned int count = 1 + (unsigned int)rand() % (rand() % 4 ? 3 : 700);

		if (count > MODEL_PAGES - first)
			count = MODEL_PAGES - first;
		if (rand() % 3) {
			iopt_dirty_mark(&dirty, base + first * PAGE + 7, count * PAGE - 7);
			memset(model + first, true, count);
		} else {
			model_check(iopt, &dirty, first, count, rand() % 2);
		}
	}
	model_check(iopt, &dirty, 0, MODEL_PAGES, true);
	model_check(iopt, &dirty, 0, MODEL_PAGES, true);
	iopt_destroy(iopt);
	iopt_dirty_destroy(&dirty);
}

static void test_model(void **state)
{
	srand(1);
	/* Across borders of words, nodes and levels; at the very end of all IOVAs; and flat. */
	run_model((1ull << 40) - 2000 * PAGE, (1ull << 48) - 1);
	run_model(0 - MODEL_PAGES * PAGE, UINT64_MAX);
	run_model(0, MODEL_PAGES * PAGE - 1);
}

/* ---- threads ---- */

#define HAMMERED 4096u
static struct iopt_dirty shared;
/* What devices wrote, and what a migration has copied of it. */
static uint64_t written[HAMMERED], copied[HAMMERED];

static void *hammer(void *arg)
{
	unsigned int seed = *(unsigned int *)arg;

	for (int i = 0; i < 200000; i++) {
		unsigned int page = (unsigned int)rand_r(&seed) % HAMMERED;

		__atomic_fetch_add(&written[page], 1, __ATOMIC_RELAXED);
		iopt_dirty_mark(&shared, page * PAGE, 1);
	}
	return NULL;
}

static void copy_page(void *opaque, uint64_t iova, uint64_t length)
{
	for (; length; length -= PAGE, iova += PAGE)
		copied[iova / PAGE] = __atomic_load_n(&written[iova / PAGE], __ATOMIC_RELAXED);
}

/* Two devices write while a third party reads, clears and copies; then once more. */
static void test_threads(void **state)
{
	struct iopt *iopt = iopt_create(ctx);
	unsigned int seeds[2] = {1, 2};
	pthread_t threads[2];
	uint64_t iova = 0;

	assert_int_equal(iopt_map(iopt, mm, (uintptr_t)buffer, HAMMERED * PAGE, UIOMMU_WRITE,
				  IOPT_FIXED, &iova),
			 0);
	iopt_dirty_init(&shared, 12, (1ull << 48) - 1);
	assert_int_equal(iopt_dirty_enable(iopt, &shared, true), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &seeds[i]), 0);
	for (int i = 0; i < 500; i++)
		iopt_dirty_read(iopt, &shared, 0, HAMMERED * PAGE - 1, true, copy_page, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	iopt_dirty_read(iopt, &shared, 0, HAMMERED * PAGE - 1, true, copy_page, NULL);
	assert_memory_equal(copied, written, sizeof(written));
	iopt_destroy(iopt);
	iopt_dirty_destroy(&shared);
}

int main(void)
{
#define with_dirty(test) cmocka_unit_test_setup_teardown(test, setup_dirty, teardown_dirty)
	const struct CMUnitTest tests[] = {
		with_dirty(test_dma),	  with_dirty(test_page_sizes), with_dirty(test_off),
		with_dirty(test_maps),	  with_dirty(test_errors),     with_dirty(test_model),
		with_dirty(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

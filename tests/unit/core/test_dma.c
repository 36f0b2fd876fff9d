// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * DMA: what moves, where it stops, what is reported, and that detach waits for
 * a burst that is inside.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fixture.h"
#include "mm/io.h"

#define BASE 0x10000ULL
#define AREA 0x3000ULL

static char *memory;
static uint32_t area_perm;
static struct uiommu_dma *dma;
static struct uiommu_mm *mm;
static struct uiommu_mm *device; /* instead of the second extent, if there */

/* BASE maps memory in two extents that don't lie side by side. */
static int two_extents(uint64_t iova, uint32_t perm, struct uiommu_span *span)
{
	uint64_t offset = iova - BASE;

	if (iova < BASE || offset >= AREA)
		return -ENOENT;
	span->mm = offset >= 0x1800 && device ? device : mm;
	span->addr = (uintptr_t)memory + offset + (offset >= 0x1800 ? 0x8000 : 0);
	if (span->mm == device)
		span->addr = offset - 0x1800;
	span->length = offset >= 0x1800 ? AREA - offset : 0x1800 - offset;
	span->perm = area_perm;
	return perm & ~area_perm ? -EPERM : 0;
}

static int dma_setup(void **state)
{
	struct fixture *f;

	fixture_setup(state);
	f = *state;
	memory = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	area_perm = UIOMMU_READ | UIOMMU_WRITE;
	mm = f->ctx->self_mm;
	f->domain->translate = two_extents;
	assert_int_equal(uiommu_dma_open(f->dev, &dma), 0);
	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, 0, NULL), 0);
	return 0;
}

static int dma_teardown(void **state)
{
	uiommu_dma_close(dma);
	munmap(memory, 0x10000);
	return fixture_teardown(state);
}

static void test_crosses_extents(void **state)
{
	char out[0x2000], in[0x2000];

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	assert_int_equal(uiommu_dma_write(dma, 0, BASE + 0x801, out, sizeof(out), 0, NULL), 0);
	assert_memory_equal(memory + 0x801, out, 0x1800 - 0x801);
	assert_memory_equal(memory + 0x9800, out + 0x1800 - 0x801, sizeof(out) - 0x1800 + 0x801);
	assert_int_equal(uiommu_dma_read(dma, 0, BASE + 0x801, in, sizeof(in), 0, NULL), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(events, 0);
}

static void test_failures_are_told(void **state)
{
	struct uiommu_dma_error err;
	char buf[0x1000];

	/* Past the end: what could be moved was. */
	memset(buf, 1, sizeof(buf));
	assert_int_equal(uiommu_dma_write(dma, 0, BASE + AREA - 16, buf, 32, 0, &err), -ENOENT);
	assert_true(err.iova == BASE + AREA);
	assert_int_equal(err.perm, UIOMMU_WRITE);
	assert_int_equal(memory[0x8000 + AREA - 1], 1);
	assert_int_equal(events, 1);
	assert_int_equal(last_event.type, UIOMMU_EVENT_DMA_FAULT);
	assert_true(last_event.iova == BASE + AREA);

	/* A translated request says nothing: a page request follows. */
	assert_int_equal(uiommu_dma_read(dma, 0, 0, buf, 1, UIOMMU_DMA_ATS, &err), -ENOENT);
	assert_int_equal(events, 1);

	area_perm = UIOMMU_READ;
	assert_int_equal(uiommu_dma_write(dma, 0, BASE, buf, 1, 0, &err), -EPERM);
	assert_int_equal(uiommu_dma_read(dma, 0, BASE, buf, 1, 0, &err), 0);
	assert_int_equal(events, 2);

	/* Mapped, but the memory has gone. */
	munmap(memory, 0x1000);
	assert_int_equal(uiommu_dma_read(dma, 0, BASE + 0xff0, buf, 32, UIOMMU_DMA_ATS, &err),
			 -EFAULT);
	assert_true(err.iova == BASE + 0xff0);
	assert_int_equal(events, 3);
	assert_int_equal(last_event.type, UIOMMU_EVENT_DMA_MEMORY);

	assert_int_equal(uiommu_dma_read(dma, 0, UINT64_MAX, buf, 2, 0, &err), -EINVAL);
	assert_int_equal(uiommu_dma_read(dma, UIOMMU_PASID_MAX + 1, 0, buf, 1, 0, &err), -EINVAL);
	assert_int_equal(uiommu_dma_read(dma, 5, BASE, buf, 1, 0, &err), -ENOENT);
	assert_string_equal(err.reason, "no domain is attached");
}

/* Memory of one extent to the other, and each way in which a side can fail. */
static void test_copy(void **state)
{
	struct uiommu_dma_error err;
	char expect[AREA];

	for (size_t i = 0; i < 0x1800; i++)
		memory[i] = (char)(i * 7);
	memset(memory + 0x9800, 0x55, 0x1800);
	/* The extents end at different places of it. */
	dirty_bytes = 0;
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0x1007, BASE + 2, 0x1000, 0, NULL), 0);
	assert_true(dirty_iova == BASE + 0x1800 && dirty_bytes == 0x1000);
	for (size_t i = 0; i < 0x1000; i++)
		expect[i] = (char)((i + 2) * 7);
	assert_memory_equal(memory + 0x1007, expect, 0x7f9);
	assert_memory_equal(memory + 0x9800, expect + 0x7f9, 0x807);
	assert_int_equal(memory[0x9800 + 0x807], 0x55);
	assert_int_equal(memory[0x1006], (char)(0x1006 * 7));

	assert_int_equal(uiommu_dma_copy(dma, 0, BASE, BASE + AREA - 16, 32, 0, &err), -ENOENT);
	assert_true(err.iova == BASE + AREA && err.perm == UIOMMU_READ);
	assert_int_equal(events, 1);
	assert_int_equal(last_event.perm, UIOMMU_READ);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + AREA - 16, BASE, 32, UIOMMU_DMA_ATS, &err),
			 -ENOENT);
	assert_true(err.iova == BASE + AREA && err.perm == UIOMMU_WRITE);
	assert_memory_equal(memory + 0x8000 + AREA - 16, memory, 16);
	assert_int_equal(events, 1);
	area_perm = UIOMMU_READ;
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE, BASE + 64, 32, 0, &err), -EPERM);
	assert_true(err.iova == BASE && err.perm == UIOMMU_WRITE);
	area_perm = UIOMMU_WRITE;
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE, BASE + 64, 32, 0, &err), -EPERM);
	assert_true(err.iova == BASE + 64 && err.perm == UIOMMU_READ);
	area_perm = UIOMMU_READ | UIOMMU_WRITE;

	/* The memory behind one side is gone. */
	munmap(memory, 0x1000);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0x2000, BASE + 0xff0, 32, 0, &err),
			 -EFAULT);
	assert_true(err.iova == BASE + 0xff0 && err.perm == UIOMMU_READ);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0xff0, BASE + 0x2000, 32, 0, &err),
			 -EFAULT);
	assert_true(err.iova == BASE + 0xff0 && err.perm == UIOMMU_WRITE);
	assert_int_equal(last_event.type, UIOMMU_EVENT_DMA_MEMORY);

	assert_int_equal(uiommu_dma_copy(dma, 0, UINT64_MAX, BASE, 2, 0, &err), -EINVAL);
	assert_true(err.iova == UINT64_MAX && err.perm == UIOMMU_WRITE);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE, UINT64_MAX, 2, 0, &err), -EINVAL);
	assert_true(err.iova == UINT64_MAX && err.perm == UIOMMU_READ);
	assert_int_equal(uiommu_dma_copy(dma, UIOMMU_PASID_MAX + 1, 0, 0, 1, 0, &err), -EINVAL);
	assert_int_equal(uiommu_dma_copy(dma, 5, BASE, BASE, 1, 0, &err), -ENOENT);
	assert_string_equal(err.reason, "no domain is attached");
	assert_int_equal(uiommu_dma_copy(dma, 5, UINT64_MAX, UINT64_MAX, 0, 0, &err), 0);
}

/* All of it or nothing that tells. */
static void test_record(void **state)
{
	char record[32];
	struct uiommu_dma_error err;

	memset(memory, 0, 0x1000);
	memset(record, 1, sizeof(record));
	assert_int_equal(uiommu_dma_write(dma, 0, BASE + 64, record, 32, UIOMMU_DMA_RECORD, NULL),
			 0);
	assert_memory_equal(memory + 64, record, 32);
	assert_int_equal(memory[63] | memory[96], 0);
	/* In one page, and in one extent. */
	assert_int_equal(
		uiommu_dma_write(dma, 0, BASE + 0xff0, record, 32, UIOMMU_DMA_RECORD, &err),
		-EINVAL);
	assert_int_equal(memory[0xff0], 0);
	assert_int_equal(
		uiommu_dma_write(dma, 0, BASE + 0x17f0, record, 32, UIOMMU_DMA_RECORD, &err),
		-EFAULT);
	assert_true(err.iova == BASE + 0x17f0);
	assert_int_equal(memory[0x17f0], 0);
	mprotect(memory, 0x1000, PROT_READ);
	assert_int_equal(uiommu_dma_write(dma, 0, BASE, record, 32, UIOMMU_DMA_RECORD, &err),
			 -EFAULT);
	assert_true(err.iova == BASE);
	mprotect(memory, 0x1000, PROT_READ | PROT_WRITE);
}

/* A device of 1 KiB; what was written first is last in @order. */
static uint8_t bar[0x400];
static uint64_t order;

static int bar_read(void *opaque, unsigned int index, uint64_t addr, uint64_t *value,
		    unsigned int size)
{
	if (addr >= sizeof(bar))
		return -EIO;
	*value = 0;
	memcpy(value, bar + addr, size);
	return 0;
}

static int bar_write(void *opaque, unsigned int index, uint64_t addr, uint64_t value,
		     unsigned int size)
{
	if (addr >= sizeof(bar))
		return -EIO;
	memcpy(bar + addr, &value, size);
	order = addr;
	return 0;
}

/* Either side of a copy, or a record, may be a device. */
static void test_device(void **state)
{
	static const struct mm_io_ops ops = {.read = bar_read, .write = bar_write};
	struct fixture *f = *state;
	struct uiommu_dma_error err;
	char record[32];

	device = mm_io_create(f->ctx, &ops, NULL, 0);
	assert_non_null(device);
	for (size_t i = 0; i < 0x1800; i++)
		memory[i] = (char)(i * 11);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0x1803, BASE + 1, 100, 0, NULL), 0);
	assert_memory_equal(bar + 3, memory + 1, 100);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0x1000, BASE + 0x1804, 99, 0, NULL), 0);
	assert_memory_equal(memory + 0x1000, memory + 2, 99);
	assert_int_equal(events, 0);

	/* It ends after 1 KiB. */
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE + 0x17f0, BASE, 0x800, 0, &err), -EFAULT);
	assert_true(err.iova == BASE + 0x1c00 && err.perm == UIOMMU_WRITE);
	assert_memory_equal(bar, memory + 16, 0x400);
	memset(memory, 0, 0x1000);
	assert_int_equal(uiommu_dma_copy(dma, 0, BASE, BASE + 0x1bf0, 64, 0, &err), -EFAULT);
	assert_true(err.iova == BASE + 0x1c00 && err.perm == UIOMMU_READ);
	assert_memory_equal(memory, bar + 0x3f0, 16);
	assert_int_equal(memory[16], 0);

	memset(record, 9, sizeof(record));
	assert_int_equal(
		uiommu_dma_write(dma, 0, BASE + 0x1820, record, 32, UIOMMU_DMA_RECORD, NULL), 0);
	assert_memory_equal(bar + 0x20, record, 32);
	assert_int_equal(order, 0x20);
	uiommu_mm_put(device);
	device = NULL;
}

/* Which pages are there: those whose first byte is mapped, with the right. */
static void test_translate(void **state)
{
	const uint32_t both = UIOMMU_READ | UIOMMU_WRITE;
	uint64_t present;

	assert_int_equal(uiommu_dma_translate(dma, 0, BASE - 0x1000, 64, both, &present), 0);
	assert_int_equal(present, 7u << 1);
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE + 0x1000, 1, both, &present), 0);
	assert_int_equal(present, 1);
	area_perm = UIOMMU_READ;
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE, 2, both, &present), 0);
	assert_int_equal(present, 0);
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE, 2, UIOMMU_READ, &present), 0);
	assert_int_equal(present, 3);
	assert_int_equal(uiommu_dma_translate(dma, 9, BASE, 2, both, &present), -ENOENT);
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE, 65, both, &present), -EINVAL);
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE, 0, both, &present), -EINVAL);
	assert_int_equal(uiommu_dma_translate(dma, 0, BASE + 1, 1, both, &present), -EINVAL);
}

static void test_single_accesses(void **state)
{
	uint64_t value;

	for (unsigned int size = 1; size <= 8; size *= 2) {
		memset(memory, 0xff, 16);
		assert_int_equal(
			uiommu_dma_store(dma, 0, BASE + 8, 0x1122334455667788ULL, size, 0, NULL),
			0);
		assert_int_equal(uiommu_dma_load(dma, 0, BASE + 8, &value, size, 0, NULL), 0);
		assert_true(value == (0x1122334455667788ULL & (UINT64_MAX >> (64 - 8 * size))));
		assert_int_equal((unsigned char)memory[7], 0xff);
		if (size < 8)
			assert_int_equal((unsigned char)memory[8 + size], 0xff);
	}
	assert_int_equal(uiommu_dma_store(dma, 0, BASE + 4, 0, 8, 0, NULL), -EINVAL);
	assert_int_equal(uiommu_dma_store(dma, 0, BASE, 0, 3, 0, NULL), -EINVAL);
}

static void test_identity_and_blocked(void **state)
{
	struct fixture *f = *state;
	struct uiommu_domain *identity = uiommu_domain_alloc_simple(f->ctx, UIOMMU_DOMAIN_IDENTITY);
	struct uiommu_domain *blocked = uiommu_domain_alloc_simple(f->ctx, UIOMMU_DOMAIN_BLOCKED);
	char word[8] = "seven..", in[8] = "";

	assert_ptr_equal(uiommu_domain_alloc_simple(f->ctx, UIOMMU_DOMAIN_PAGING),
			 UIOMMU_ERR_PTR(-EINVAL));
	assert_int_equal(uiommu_replace_group_handle(identity, f->group, 0, NULL), 0);
	assert_int_equal(uiommu_dma_read(dma, 0, (uintptr_t)word, in, sizeof(in), 0, NULL), 0);
	assert_memory_equal(in, word, sizeof(in));
	assert_int_equal(uiommu_replace_group_handle(blocked, f->group, 0, NULL), 0);
	assert_int_equal(uiommu_dma_read(dma, 0, (uintptr_t)word, in, sizeof(in), 0, NULL),
			 -ENOENT);
	uiommu_domain_put(identity);
	uiommu_domain_put(blocked);
}

/* ---- detach waits for the burst ---- */

static uint32_t inside, leave;

static int stay_inside(uint64_t iova, uint32_t perm, struct uiommu_span *span)
{
	ui_store_release(&inside, 1);
	while (!ui_load_acquire(&leave))
		sched_yield();
	ui_store_release(&inside, 2);
	return -ENOENT;
}

static void *one_read(void *arg)
{
	char byte;

	uiommu_dma_read(dma, 0, BASE, &byte, 1, UIOMMU_DMA_ATS, NULL);
	return NULL;
}

static void *let_go(void *arg)
{
	usleep(20000);
	ui_store_release(&leave, 1);
	return NULL;
}

static void test_detach_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t reader, opener;

	inside = leave = 0;
	f->domain->translate = stay_inside;
	assert_int_equal(pthread_create(&reader, NULL, one_read, NULL), 0);
	while (!ui_load_acquire(&inside))
		sched_yield();
	assert_int_equal(pthread_create(&opener, NULL, let_go, NULL), 0);
	assert_int_equal(uiommu_detach_group_handle(f->group, 0, NULL), 0);
	assert_int_equal(ui_load_acquire(&inside), 2);
	pthread_join(reader, NULL);
	pthread_join(opener, NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, dma_setup, dma_teardown)
	const struct CMUnitTest tests[] = {
		T(test_crosses_extents), T(test_failures_are_told),
		T(test_single_accesses), T(test_identity_and_blocked),
		T(test_detach_waits),	 T(test_copy),
		T(test_record),		 T(test_translate),
		T(test_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

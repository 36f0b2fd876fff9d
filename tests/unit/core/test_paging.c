// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Paging domains of library users: what is mapped is what DMA meets, and what
 * is unmapped is gone.
 */
#include <sys/mman.h>

#include <uiommu/mm.h>

#include "fixture.h"

#define PAGE 4096ULL
#define IOVA 0x100000ULL

static struct uiommu_domain *paging;
static struct uiommu_dma *dma;
static struct uiommu_mm *mm;
static char *memory;

static int paging_setup(void **state)
{
	struct fixture *f;

	fixture_setup(state);
	f = *state;
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	mm = uiommu_mm_self(f->ctx);
	paging = uiommu_domain_alloc_paging(f->ctx);
	assert_false(UIOMMU_IS_ERR(paging));
	assert_int_equal(uiommu_attach_group_handle(paging, f->group, 5, NULL), 0);
	assert_int_equal(uiommu_dma_open(f->dev, &dma), 0);
	return 0;
}

static int paging_teardown(void **state)
{
	struct fixture *f = *state;
	struct uiommu_counts counts;

	uiommu_dma_close(dma);
	uiommu_detach_group_handle(f->group, 5, NULL);
	uiommu_domain_put(paging);
	uiommu_mm_put(mm);
	uiommu_get_counts(f->ctx, &counts);
	assert_int_equal(counts.areas, 0);
	munmap(memory, 4 * PAGE);
	return fixture_teardown(state);
}

static uint64_t base(void)
{
	return (uint64_t)(uintptr_t)memory;
}

static int map(uint64_t iova, uint64_t addr, uint64_t length, uint32_t perm)
{
	return uiommu_map(paging, iova, mm, addr, length, perm);
}

static void test_map_and_unmap(void **state)
{
	char out[2 * PAGE], in[2 * PAGE];
	uint64_t bytes;

	memset(out, 7, sizeof(out));
	assert_int_equal(map(IOVA, base(), PAGE, UIOMMU_READ | UIOMMU_WRITE), 0);
	assert_int_equal(map(IOVA + PAGE, base() + 3 * PAGE, PAGE, UIOMMU_READ | UIOMMU_WRITE), 0);
	assert_int_equal(uiommu_dma_write(dma, 5, IOVA, out, sizeof(out), 0, NULL), 0);
	assert_int_equal(memory[PAGE - 1], 7);
	assert_int_equal(memory[PAGE], 0);
	assert_int_equal(memory[3 * PAGE], 7);
	assert_int_equal(uiommu_dma_read(dma, 5, IOVA, in, sizeof(in), 0, NULL), 0);
	assert_memory_equal(in, out, sizeof(in));

	assert_int_equal(uiommu_unmap(paging, IOVA, 2 * PAGE, &bytes), 0);
	assert_true(bytes == 2 * PAGE);
	assert_int_equal(uiommu_dma_read(dma, 5, IOVA, in, 1, UIOMMU_DMA_ATS, NULL), -ENOENT);
}

static void test_rights(void **state)
{
	char byte = 1;

	assert_int_equal(map(IOVA, base(), PAGE, UIOMMU_READ), 0);
	assert_int_equal(uiommu_dma_read(dma, 5, IOVA, &byte, 1, UIOMMU_DMA_ATS, NULL), 0);
	assert_int_equal(uiommu_dma_write(dma, 5, IOVA, &byte, 1, UIOMMU_DMA_ATS, NULL), -EPERM);
}

static void test_refusals(void **state)
{
	struct fixture *f = *state;
	uint64_t bytes = 1;

	assert_int_equal(map(IOVA + 1, base(), PAGE, UIOMMU_READ), -EINVAL);
	assert_int_equal(map(IOVA, base() + 1, PAGE, UIOMMU_READ), -EINVAL);
	assert_int_equal(map(IOVA, base(), PAGE + 1, UIOMMU_READ), -EINVAL);
	assert_int_equal(map(IOVA, base(), 0, UIOMMU_READ), -EINVAL);
	assert_int_equal(map(IOVA, base(), PAGE, 0), -EINVAL);
	assert_int_equal(map(IOVA, base(), PAGE, UIOMMU_READ | UIOMMU_EXEC), -EINVAL);
	assert_int_equal(map(IOVA, PAGE, PAGE, UIOMMU_READ), -EFAULT);
	assert_int_equal(map(IOVA, base(), 2 * PAGE, UIOMMU_READ), 0);
	assert_int_equal(map(IOVA + PAGE, base(), PAGE, UIOMMU_READ), -EEXIST);
	assert_int_equal(uiommu_unmap(paging, IOVA, PAGE, &bytes), -ENOENT);
	assert_true(bytes == 0);
	assert_int_equal(uiommu_unmap(paging, IOVA + 8 * PAGE, PAGE, NULL), -ENOENT);
	/* Somebody else's domain. */
	assert_int_equal(uiommu_map(&f->domain->domain, IOVA, mm, base(), PAGE, UIOMMU_READ),
			 -EINVAL);
	assert_int_equal(uiommu_unmap(&f->domain->domain, IOVA, PAGE, NULL), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, paging_setup, paging_teardown)
	const struct CMUnitTest tests[] = {
		T(test_map_and_unmap),
		T(test_rights),
		T(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* Views against a model that knows of each byte where it is; and chunks that go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/view.h"

#define BASE 0x100000u
#define SIZE 64u
#define CHUNKS 40u

static uint64_t model_at[SIZE];
static struct mm_chunk *model_chunk[SIZE];

static void check(const struct uiommu_mm *view)
{
	uint64_t at, end;
	bool ours;

	for (uint64_t pos = 0; pos < SIZE; pos++) {
		end = mm_view_run(view, BASE + pos, BASE + SIZE, &at, &ours);
		assert_true(end > BASE + pos && end <= BASE + SIZE);
		assert_int_equal(ours, model_chunk[pos] != NULL);
		for (uint64_t i = pos; i < end - BASE; i++)
			assert_int_equal(model_at[i], at + (i - pos));
	}
}

static void test_model(void **state)
{
	struct uiommu *ctx = *state;

	srand(1);
	for (int round = 0; round < 200; round++) {
		struct uiommu_mm *view = mm_view_create(ctx->self_mm);
		struct mm_chunk *chunk[CHUNKS];

		for (uint64_t i = 0; i < SIZE; i++) {
			model_at[i] = BASE + i;
			model_chunk[i] = NULL;
		}
		for (uint64_t c = 0; c < CHUNKS; c++) {
			uint64_t start = (uint64_t)rand() % SIZE;
			uint64_t end = start + 1 + (uint64_t)rand() % (SIZE - start);
			uint64_t at = (c + 2) << 32;
			bool aside = rand() % 2;

			/* A page of its own, which goes with the chunk. */
			void *page =
				mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			assert_ptr_not_equal(page, MAP_FAILED);
			chunk[c] = mm_chunk_create((uint64_t)(uintptr_t)page, 4096);
			assert_int_equal(mm_view_reserve(view, c + 1, 1), 0);
			mm_view_assign(view, BASE + start, BASE + end, at, aside ? chunk[c] : NULL);
			for (uint64_t i = start; i < end; i++) {
				model_at[i] = at + (i - start);
				model_chunk[i] = aside ? chunk[c] : NULL;
			}
			check(view);
		}
		/* Segments hold chunks, no more and no less. */
		for (uint64_t c = 0; c < CHUNKS; c++) {
			uint64_t pieces = 0;

			for (uint64_t i = 0; i < SIZE; i++)
				pieces += model_chunk[i] == chunk[c] &&
					  (!i || model_chunk[i - 1] != chunk[c] ||
					   model_at[i - 1] + 1 != model_at[i]);
			assert_in_range(chunk[c]->refs, 1 + pieces, 1 + (pieces ? SIZE : 0));
			if (!pieces)
				assert_int_equal(chunk[c]->refs, 1);
		}
		uiommu_mm_put(view);
		for (uint64_t c = 0; c < CHUNKS; c++) {
			assert_int_equal(chunk[c]->refs, 1);
			mm_chunk_put(chunk[c]);
		}
	}
}

/* Data through a view, in pieces, whatever the protection; and the pages go with it. */
static void test_copies(void **state)
{
	struct uiommu *ctx = *state;
	char *old = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *aside = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uiommu_mm *view = mm_view_create(ctx->self_mm);
	struct mm_chunk *chunk = mm_chunk_create((uint64_t)aside, 4096);
	char buf[16];

	memset(old, 'a', 8192);
	memset(aside, 'b', 4096);
	assert_int_equal(mm_view_reserve(view, 1, 1), 0);
	mm_view_assign(view, (uint64_t)old + 4096, (uint64_t)old + 8192, (uint64_t)aside, chunk);
	mm_chunk_put(chunk);
	assert_int_equal(mprotect(old, 4096, PROT_NONE), 0);
	assert_int_equal(uiommu_mm_read(view, buf, (uint64_t)old + 4088, 16), 16);
	assert_memory_equal(buf, "aaaaaaaabbbbbbbb", 16);
	assert_int_equal(uiommu_mm_write(view, (uint64_t)old + 4092, "01234567", 8), 8);
	assert_memory_equal(aside, "4567b", 5);
	assert_int_equal(mprotect(old, 4096, PROT_READ), 0);
	assert_memory_equal(old + 4091, "a0123", 5);
	assert_int_equal(old[4096], 'a');
	uiommu_mm_put(view);
	assert_int_equal(msync(aside, 4096, MS_ASYNC), -1);
	munmap(old, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_copies, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

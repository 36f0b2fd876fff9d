// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Areas that are cut while readers look: each IOVA stays mapped, to the same address,
 * from the map to the unmap, however many areas it becomes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fixture.h"

#define PAGE 4096ull
#define PAGES 600
#define IOVA (1ull << 30)
#define ADDR (1ull << 32)
#define ROUNDS 8

/*
 *  mapped	atomic; while it is set, everything is mapped
 *  stop, found, errors	atomic
 */
struct race {
	struct uiommu *ctx;
	struct iopt *iopt;
	uint64_t mapped;
	uint64_t stop;
	uint64_t found;
	uint64_t errors;
};

static void *reader_main(void *arg)
{
	struct race *r = arg;
	struct ui_reader *reader = aligned_alloc(64, sizeof(*reader));
	uint64_t seed = 88172645463325252ull;

	ui_reader_add(&r->ctx->readers, reader);
	while (!ui_load_acquire(&r->stop)) {
		struct uiommu_span span;
		uint64_t offset;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		offset = (seed >> 11) % (PAGES * PAGE);
		ui_reader_enter(reader);
		if (ui_load_acquire(&r->mapped)) {
			int rc = iopt_translate(r->iopt, IOVA + offset, UIOMMU_READ, &span);

			if (rc || span.addr != ADDR + offset || span.length > PAGES * PAGE - offset)
				ui_fetch_add(&r->errors, 1);
			ui_fetch_add(&r->found, 1);
		}
		ui_reader_exit(reader);
	}
	ui_reader_del(&r->ctx->readers, reader);
	free(reader);
	return NULL;
}

static void cut_to_pieces(struct race *r, uint64_t *seed)
{
	for (unsigned int i = 0; i < 2 * PAGES; i++) {
		uint64_t iova;

		*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
		iova = IOVA + ((*seed >> 33) % PAGES + 1) * PAGE - 1;
		assert_int_equal(iopt_cut(r->iopt, &iova, 1), 0);
	}
	assert_true(r->ctx->counts.areas > PAGES / 2);
}

static void test_cut(void **state)
{
	struct race r = {.ctx = *state, .iopt = iopt_create(*state)};
	uint64_t seed = 1, unmapped, iova = IOVA;
	pthread_t thread[2];

	assert_non_null(r.iopt);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader_main, &r), 0);
	for (int i = 0; i < ROUNDS || ui_load_relaxed(&r.found) < 10000; i++) {
		assert_int_equal(iopt_map(r.iopt, r.ctx->self_mm, ADDR, PAGES * PAGE, UIOMMU_READ,
					  IOPT_FIXED, &iova),
				 0);
		ui_store_release(&r.mapped, 1);
		cut_to_pieces(&r, &seed);
		ui_store_release(&r.mapped, 0);
		ui_quiesce(&r.ctx->readers);
		assert_int_equal(iopt_unmap(r.iopt, IOVA, PAGES * PAGE, &unmapped), 0);
		assert_int_equal(unmapped, PAGES * PAGE);
	}
	ui_store_release(&r.stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(r.errors, 0);
	iopt_destroy(r.iopt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cut, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

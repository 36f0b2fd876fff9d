// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Readers against a writer.  Areas of which the readers know that they are mapped
 * must be found at all times, whatever is inserted and removed between them; and
 * once unmap has returned no burst may see the area any more.  A writer says which
 * generation of a page is mapped by its address, so a stale translation shows.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/object.h"

#define PAGE 4096ull
#define SLOTS 3000 /* leaves, and two levels above them */
#define READERS 2

/*
 *  pinned	immutable: these slots are mapped from the beginning to the end
 *  low		atomic; generations below it are gone: their unmap has returned
 */
struct race {
	struct uiommu *ctx;
	struct iopt *iopt;
	bool pinned[SLOTS];
	uint64_t low[SLOTS];
	uint64_t stop;
	uint64_t errors;
	uint64_t found;
};

static uint64_t rnd(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

static uint64_t slot_iova(uint64_t slot)
{
	return (slot + 1) * PAGE;
}

static void read_one(struct race *r, struct ui_reader *reader, uint64_t slot)
{
	struct uiommu_span span;
	uint64_t low, offset = slot % PAGE;
	int rc;

	ui_reader_enter(reader);
	low = ui_load_acquire(&r->low[slot]);
	rc = iopt_translate(r->iopt, slot_iova(slot) + offset, UIOMMU_READ, &span);
	if (rc && (rc != -ENOENT || r->pinned[slot]))
		ui_fetch_add(&r->errors, 1);
	if (!rc) {
		uint64_t generation = (span.addr - offset) / PAGE;

		ui_fetch_add(&r->found, 1);
		if (generation < low || span.length != PAGE - offset || span.mm != r->ctx->self_mm)
			ui_fetch_add(&r->errors, 1);
		/* Not unmapped under our hands: unmap is still waiting for us. */
		if (ui_load_acquire(&r->low[slot]) > generation)
			ui_fetch_add(&r->errors, 1);
	}
	ui_reader_exit(reader);
}

static void *reader_main(void *arg)
{
	struct race *r = arg;
	struct ui_reader *reader = aligned_alloc(64, sizeof(*reader));
	uint64_t seed = (uint64_t)reader | 1;

	ui_reader_add(&r->ctx->readers, reader);
	while (!ui_load_relaxed(&r->stop)) {
		for (unsigned int i = 0; i < 100; i++)
			read_one(r, reader, rnd(&seed) % SLOTS);
	}
	ui_reader_del(&r->ctx->readers, reader);
	free(reader);
	return NULL;
}

static void map_slot(struct race *r, uint64_t slot, uint64_t generation)
{
	uint64_t iova = slot_iova(slot);
	int rc = iopt_map(r->iopt, r->ctx->self_mm, generation * PAGE, PAGE, UIOMMU_READ,
			  IOPT_FIXED, &iova);

	assert_int_equal(rc, 0);
}

static void writer(struct race *r, uint64_t seconds)
{
	uint64_t *generation = calloc(SLOTS, sizeof(*generation)), seed = 88172645463325252ull;
	bool *mapped = calloc(SLOTS, sizeof(*mapped));
	time_t end = time(NULL) + (time_t)seconds;
	uint64_t unmapped;

	for (uint64_t round = 0; time(NULL) <= end; round++) {
		/* Now crowded, now nearly empty, now a stretch in order. */
		uint64_t from = rnd(&seed) % SLOTS, stride = round % 3 == 0 ? 1 : rnd(&seed);
		bool map = round % 2;

		for (uint64_t i = 0; i < SLOTS / 2 && time(NULL) <= end; i++) {
			uint64_t slot = (from + i * stride) % SLOTS;

			if (r->pinned[slot] || mapped[slot] == map)
				continue;
			mapped[slot] = map;
			if (map) {
				map_slot(r, slot, ++generation[slot]);
				continue;
			}
			assert_int_equal(iopt_unmap(r->iopt, slot_iova(slot), PAGE, &unmapped), 0);
			ui_store_release(&r->low[slot], generation[slot] + 1);
		}
	}
	free(generation);
	free(mapped);
}

static void test_race(void **state)
{
	struct race *r = calloc(1, sizeof(*r));
	pthread_t thread[READERS];

	assert_non_null(r);
	r->ctx = *state;
	r->iopt = iopt_create(r->ctx);
	for (uint64_t slot = 0; slot < SLOTS; slot += 7) {
		r->pinned[slot] = true;
		map_slot(r, slot, 1);
	}
	for (unsigned int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, reader_main, r), 0);
	writer(r, 1);
	ui_store_relaxed(&r->stop, 1);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(r->errors, 0);
	assert_true(r->found > 10000);
	iopt_destroy(r->iopt);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_race, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

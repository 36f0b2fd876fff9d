// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Random sequences, compared step by step with the naive model: results, and
 * what each IOVA at an edge translates to.  Every profile of sizes makes another
 * shape of tree.  In some runs allocations fail now and then: the
 * step must then say so and have changed nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/charge.h"
#include "model.h"

#define PAGE 4096ull
#define MEMORY (4ull << 20)

/* One in so many allocations fails while this is not 0. */
static unsigned int fail_one_in;
static uint64_t fail_random = 1;
static unsigned int failed;

void *__real_calloc(size_t nr, size_t size);
void *__wrap_calloc(size_t nr, size_t size);

void *__wrap_calloc(size_t nr, size_t size)
{
	if (fail_one_in) {
		fail_random = fail_random * 6364136223846793005ull + 1442695040888963407ull;
		if ((fail_random >> 33) % fail_one_in == 0) {
			failed++;
			return NULL;
		}
	}
	return __real_calloc(nr, size);
}

struct profile {
	unsigned int steps;
	unsigned int map;    /* of 100 steps */
	unsigned int space;  /* IOVAs lie within so many units */
	unsigned int length; /* at most so many units */
	unsigned int unit;
	unsigned int fixed; /* of 100 maps */
	unsigned int fail;
};

static const struct profile profiles[] = {
	{20000, 60, 64, 8, 1, 90, 0},		 /* crowded, byte by byte */
	{20000, 70, 1 << 12, 3, 512, 90, 0},	 /* many small ones */
	{20000, 55, 1 << 14, 4, 4096, 30, 0},	 /* pages, mostly where there is room */
	{20000, 80, 1 << 10, 200, 1000, 100, 0}, /* odd sizes, often in the way */
	{20000, 90, 1 << 20, 2, 4096, 100, 0},	 /* only grows */
	{20000, 50, 1 << 16, 4, 4096, 0, 0},	 /* all automatic */
	{20000, 70, 1 << 12, 3, 512, 70, 4},	 /* memory is short */
	{20000, 60, 1 << 9, 9, 1, 90, 2},
};

struct run {
	struct uiommu *ctx;
	struct uiommu_mm *mm;
	struct iopt *iopt;
	struct model *model;
	struct ui_reader reader;
	uint64_t random;
	uint64_t memory;
};

static uint64_t rnd(struct run *run, uint64_t below)
{
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	return (run->random >> 11) % below;
}

static void check_iova(struct run *run, uint64_t iova)
{
	const struct model_area *want = model_find(run->model, iova);
	uint32_t perm = 1 + (uint32_t)rnd(run, 3);
	struct uiommu_span span;
	int rc;

	ui_reader_enter(&run->reader);
	rc = iopt_translate(run->iopt, iova, perm, &span);
	ui_reader_exit(&run->reader);
	if (!want) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, perm & ~want->perm ? -EPERM : 0);
	assert_ptr_equal(span.mm, run->mm);
	assert_int_equal(span.addr, want->uaddr + (iova - want->start));
	assert_int_equal(span.length, want->last - iova + 1);
	assert_int_equal(span.perm, want->perm);
}

static void check_edges(struct run *run, uint64_t start, uint64_t last)
{
	check_iova(run, start);
	check_iova(run, last);
	check_iova(run, start - 1);
	check_iova(run, last + 1);
	check_iova(run, start + (last - start) / 2);
}

static void check_all(struct run *run)
{
	struct iopt_range ranges[64];
	uint64_t alignment, pos = 0;
	size_t nr;

	for (size_t i = 0; i < run->model->nr; i++)
		check_edges(run, run->model->area[i].start, run->model->area[i].last);
	assert_int_equal(run->ctx->counts.areas, run->model->nr);
	nr = iopt_ranges(run->iopt, ranges, 64, &alignment);
	assert_int_equal(alignment, model_alignment(run->model));
	for (size_t i = 0; i < nr; i++) {
		assert_true(i == 0 || ranges[i].start > pos + 1);
		assert_true(ranges[i].start <= ranges[i].last);
		for (size_t k = 0; k < run->model->nr_reserved; k++)
			assert_true(run->model->reserved[k].last < ranges[i].start ||
				    run->model->reserved[k].start > ranges[i].last);
		pos = ranges[i].last;
	}
}

static void step_map(struct run *run, const struct profile *p)
{
	uint64_t length = (1 + rnd(run, p->length)) * p->unit;
	uint64_t uaddr = run->memory + rnd(run, MEMORY / p->unit / 2) * p->unit;
	uint64_t want = PAGE + rnd(run, p->space) * p->unit, got = want;
	bool fixed = rnd(run, 100) < p->fixed;
	uint32_t perm = 1 + (uint32_t)rnd(run, 3);
	unsigned int failed_before = failed;
	int rc, model_rc;

	if (run->model->nr == MODEL_MAX - 1)
		return;
	if (rnd(run, 50) == 0)
		length = 1 + rnd(run, MEMORY / 4);
	rc = iopt_map(run->iopt, run->mm, uaddr, length, perm, fixed ? IOPT_FIXED : 0, &got);
	if (rc == -ENOMEM) {
		assert_true(failed > failed_before);
		check_edges(run, want, want + length - 1);
		return;
	}
	model_rc = model_map(run->model, uaddr, length, perm, fixed, &want);
	assert_int_equal(rc, model_rc);
	if (!rc) {
		assert_int_equal(got, want);
		check_edges(run, got, got + length - 1);
	}
}

static void step_unmap(struct run *run, const struct profile *p)
{
	struct model *m = run->model;
	uint64_t start, last, got, want;
	int rc;

	if (!m->nr)
		return;
	start = m->area[rnd(run, m->nr)].start;
	last = model_find(m, start)->last;
	switch (rnd(run, 8)) {
	case 0: /* a stretch, perhaps through the middle of something */
		start = PAGE + rnd(run, p->space) * p->unit;
		last = start + rnd(run, p->length * 8ull) * p->unit;
		break;
	case 1: /* several */
		last = model_find(m, m->area[rnd(run, m->nr)].start)->last;
		if (last < start || rnd(run, 4))
			last = model_find(m, start)->last;
		break;
	case 2:
		start += rnd(run, 2);
		last += rnd(run, 2);
		break;
	}
	if (last < start || (!start && last == UINT64_MAX))
		return;
	rc = iopt_unmap(run->iopt, start, last - start + 1, &got);
	assert_int_equal(rc, model_unmap(m, start, last - start + 1, &want));
	assert_int_equal(got, want);
	check_edges(run, start, last);
}

static void step_copy(struct run *run, const struct profile *p)
{
	struct model *m = run->model;
	uint64_t want = PAGE + rnd(run, p->space) * p->unit, got = want, src, length;
	bool fixed = rnd(run, 100) < p->fixed;
	uint32_t perm = 1 + (uint32_t)rnd(run, 3);
	struct iopt_slices slices;
	int rc;

	if (!m->nr || m->nr > MODEL_MAX / 2)
		return;
	src = m->area[rnd(run, m->nr)].start + rnd(run, 2) * p->unit;
	length = 1 + rnd(run, p->length * 2ull * p->unit);
	if (rnd(run, 2))
		length = (length + p->unit - 1) / p->unit * p->unit;
	rc = iopt_get_slices(run->iopt, src, length, &slices);
	if (!rc) {
		rc = iopt_map_slices(run->iopt, &slices, perm, fixed ? IOPT_FIXED : 0, &got);
		iopt_put_slices(&slices);
	}
	if (rc == -ENOMEM) {
		check_edges(run, want, want + length - 1);
		return;
	}
	assert_int_equal(rc, model_copy(m, src, length, perm, fixed, &want));
	if (!rc) {
		assert_int_equal(got, want);
		check_edges(run, got, got + length - 1);
	}
}

static void step_cut(struct run *run)
{
	struct model *m = run->model;
	const struct model_area *area;
	uint64_t iova;
	int rc;

	if (!m->nr || m->nr > MODEL_MAX - 2)
		return;
	area = &m->area[rnd(run, m->nr)];
	iova = area->start + rnd(run, area->last - area->start + 1);
	if (rnd(run, 2))
		iova = area->start + (area->last - area->start) / 2;
	rc = iopt_cut(run->iopt, &iova, 1);
	if (rc != -ENOMEM)
		assert_int_equal(rc, model_cut(m, iova));
	check_edges(run, iova, iova);
}

static void step_option(struct run *run, const struct profile *p)
{
	uint64_t start = PAGE + rnd(run, p->space) * p->unit;
	size_t nr = rnd(run, 5);
	struct iopt_range *ranges;
	int rc;

	switch (rnd(run, 4)) {
	case 0:
		rc = iopt_disable_large_pages(run->iopt);
		assert_int_equal(rc, model_disable_large_pages(run->model));
		break;
	case 1:
		iopt_enable_large_pages(run->iopt);
		run->model->small_pages = false;
		break;
	default:
		ranges = ui_zalloc(4 * sizeof(*ranges));
		if (!ranges)
			return;
		for (size_t i = 0; i < nr; i++) {
			ranges[i].start = start + 2 * i * p->unit * 16;
			ranges[i].last = ranges[i].start + p->unit * 16ull - 1;
		}
		rc = iopt_set_allowed(run->iopt, ranges, nr);
		assert_int_equal(rc, model_set_allowed(run->model, start, p->unit * 16ull, nr));
		if (rc)
			ui_free(ranges);
	}
	assert_int_equal(iopt_large_pages(run->iopt), !run->model->small_pages);
}

/* Constraints come and go; who has one is known by a number as its owner. */
static void step_constraint(struct run *run, const struct profile *p)
{
	const void *owner = (const void *)(16 * (1 + rnd(run, 4)));
	const void *domain = (const void *)(16 * (17 + rnd(run, 3)));
	uint64_t start = rnd(run, p->space * 2ull) * p->unit;
	struct model *m = run->model;
	bool there = false;
	int rc;

	switch (rnd(run, 4)) {
	case 0:
		if (m->nr_reserved > 40)
			break;
		rc = iopt_reserve(run->iopt, start, start + p->unit * 3ull, owner);
		if (rc != -ENOMEM)
			assert_int_equal(rc,
					 model_reserve(m, start, start + p->unit * 3ull, owner));
		break;
	case 1:
		iopt_unreserve(run->iopt, owner);
		model_unreserve(m, owner);
		break;
	default:
		for (size_t i = 0; i < m->nr_domains; i++)
			there |= m->domain[i].owner == domain;
		if (there) {
			iopt_remove_domain(run->iopt, domain);
			model_remove_domain(m, domain);
			break;
		}
		/* Rarely fits what is there, and shapes what comes. */
		start = rnd(run, 2) * PAGE;
		rc = iopt_add_domain(run->iopt, domain, start, (1ull << 40) - 1,
				     1ull << rnd(run, 13));
		if (!rc) {
			uint64_t range_alignment;

			iopt_ranges(run->iopt, NULL, 0, &range_alignment);
			rc = model_add_domain(m, domain, start, (1ull << 40) - 1, range_alignment);
			assert_int_equal(rc, 0);
			iopt_remove_domain(run->iopt, domain);
			model_remove_domain(m, domain);
		}
	}
}

static void run_profile(struct uiommu *ctx, const struct profile *p, uint64_t seed)
{
	struct run run = {.ctx = ctx, .random = seed, .model = calloc(1, sizeof(*run.model))};
	uint64_t unmapped;
	void *memory =
		mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_non_null(run.model);
	assert_ptr_not_equal(memory, MAP_FAILED);
	run.memory = (uint64_t)memory;
	run.mm = mm_with_mode(ctx->self_mm, MM_CHARGE_NONE);
	run.iopt = iopt_create(ctx);
	assert_non_null(run.iopt);
	ui_reader_add(&ctx->readers, &run.reader);
	fail_one_in = p->fail;
	for (unsigned int i = 0; i < p->steps; i++) {
		/* Tides, so that trees grow high and shrink to nothing. */
		unsigned int map = i / 2500 % 2 ? 100 - p->map : p->map;

		if (rnd(&run, 200) == 0)
			step_constraint(&run, p);
		else if (rnd(&run, 200) == 0)
			step_option(&run, p);
		else if (rnd(&run, 20) == 0)
			step_copy(&run, p);
		else if (rnd(&run, 20) == 0)
			step_cut(&run);
		else if (rnd(&run, 100) < map)
			step_map(&run, p);
		else
			step_unmap(&run, p);
		if (i % 1000 == 999)
			check_all(&run);
	}
	fail_one_in = 0;
	while (run.model->nr_domains) {
		iopt_remove_domain(run.iopt, run.model->domain[0].owner);
		model_remove_domain(run.model, run.model->domain[0].owner);
	}
	/* Which pages are charged is test_charge's; here, that none stays so. */
	assert_int_equal(mm_account_pages(run.mm), 0);
	if (seed & 1) {
		assert_int_equal(iopt_unmap_all(run.iopt, &unmapped), 0);
		run.model->nr = 0;
		check_all(&run);
	}
	iopt_destroy(run.iopt);
	ui_reader_del(&ctx->readers, &run.reader);
	munmap(memory, MEMORY);
	free(run.model);
}

static void test_model(void **state)
{
	const char *seeds = getenv("UIOMMU_TEST_SEEDS");
	uint64_t nr = seeds ? strtoull(seeds, NULL, 0) : 2;

	for (uint64_t seed = 1; seed <= nr; seed++) {
		for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
			run_profile(*state, &profiles[i], seed * 1000003 + i);
	}
	assert_true(failed > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

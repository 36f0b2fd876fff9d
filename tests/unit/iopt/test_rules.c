// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The rules of maps and unmaps one by one, in the words of the ABI: which error
 * for which mistake, and where an automatic map goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/object.h"

#define RW (UIOMMU_READ | UIOMMU_WRITE)
#define PAGE 4096ull

struct space {
	struct uiommu *ctx;
	struct iopt *iopt;
	struct uiommu_mm *mm;
	struct ui_reader reader;
};

static struct space *setup(void **state)
{
	static struct space space;

	space.ctx = *state;
	space.mm = space.ctx->self_mm;
	space.iopt = iopt_create(space.ctx);
	assert_non_null(space.iopt);
	return &space;
}

static int map_fixed(struct space *s, uint64_t uaddr, uint64_t length, uint64_t iova)
{
	uint64_t at = iova;
	int rc = iopt_map(s->iopt, s->mm, uaddr, length, RW, IOPT_FIXED, &at);

	assert_int_equal(at, iova);
	return rc;
}

/* Where it went, or a negative errno. */
static int64_t map_auto(struct space *s, uint64_t uaddr, uint64_t length)
{
	uint64_t at = 0xdead;
	int rc = iopt_map(s->iopt, s->mm, uaddr, length, RW, 0, &at);

	if (rc)
		assert_int_equal(at, 0xdead);
	return rc ? rc : (int64_t)at;
}

static int unmap(struct space *s, uint64_t iova, uint64_t length, uint64_t want)
{
	uint64_t unmapped = 1;
	int rc = iopt_unmap(s->iopt, iova, length, &unmapped);

	assert_int_equal(unmapped, want);
	return rc;
}

static void test_map_errors(void **state)
{
	struct space *s = setup(state);

	assert_int_equal(map_fixed(s, 0x10000, 0, 0), -EINVAL);
	assert_int_equal(map_fixed(s, 0x10000, UINT64_MAX, 0), -EOVERFLOW);
	assert_int_equal(map_fixed(s, 0x10000, PAGE, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(map_fixed(s, 0x10000, PAGE, UINT64_MAX - 1), -EOVERFLOW);
	assert_int_equal(map_fixed(s, UINT64_MAX - 10, PAGE, 0), -EOVERFLOW);
	assert_int_equal(map_auto(s, 0x10000, UINT64_MAX / 2), -EOVERFLOW);

	/* The last byte of all can be mapped, the first as well. */
	assert_int_equal(map_fixed(s, 0x10000, 1, UINT64_MAX - 1), 0);
	assert_int_equal(map_fixed(s, 0x10000, 2, 0), 0);
	assert_int_equal(map_fixed(s, 0x10000, 1, 1), -EEXIST);
	assert_int_equal(map_fixed(s, 0x10000, 1, 2), 0);

	assert_int_equal(iopt_reserve(s->iopt, 0x5000, 0x5fff, s), 0);
	assert_int_equal(map_fixed(s, 0x10000, PAGE, 0x4001), -EINVAL);
	assert_int_equal(map_fixed(s, 0x10000, PAGE, 0x4000), 0);
	assert_int_equal(iopt_reserve(s->iopt, 0x4fff, 0x4fff, s), -EADDRINUSE);
	iopt_destroy(s->iopt);
}

static void test_unmap(void **state)
{
	struct space *s = setup(state);

	assert_int_equal(unmap(s, 0, UINT64_MAX, 0), 0);
	assert_int_equal(unmap(s, 0x1000, PAGE, 0), 0);
	assert_int_equal(map_fixed(s, 0x10000, PAGE, 0x1000), 0);
	assert_int_equal(map_fixed(s, 0x20000, PAGE, 0x2000), 0);
	assert_int_equal(map_fixed(s, 0x30000, PAGE, 0x8000), 0);
	assert_int_equal(((struct uiommu *)*state)->counts.areas, 3);

	assert_int_equal(unmap(s, 0x1000, 0, 0), -EINVAL);
	assert_int_equal(unmap(s, 0x1000, UINT64_MAX, 0), -EOVERFLOW);
	assert_int_equal(unmap(s, UINT64_MAX, 1, 0), 0);
	assert_int_equal(unmap(s, 0x1000, UINT64_MAX - 0x100, 0), -EOVERFLOW);
	assert_int_equal(unmap(s, 0x1000, PAGE - 1, 0), -ENOENT);
	assert_int_equal(unmap(s, 0x1001, PAGE - 1, 0), -ENOENT);
	/* What comes before the one that would be cut is gone. */
	assert_int_equal(unmap(s, 0x1000, PAGE + 1, PAGE), -ENOENT);
	/* Holes don't matter. */
	assert_int_equal(unmap(s, 1, 0x8fff, 2 * PAGE), 0);
	assert_int_equal(((struct uiommu *)*state)->counts.areas, 0);
	iopt_destroy(s->iopt);
}

static void test_automatic(void **state)
{
	struct space *s = setup(state);

	/* Never at 0; the lowest place aligned as the memory is. */
	assert_int_equal(map_auto(s, 0x10000, PAGE), 0x1000);
	assert_int_equal(map_auto(s, 0x10000, 4 * PAGE), 0x4000);
	assert_int_equal(map_auto(s, 0x11000, 4 * PAGE), 0x8000);
	assert_int_equal(map_auto(s, 0x10000, PAGE), 0x2000);
	assert_int_equal(map_auto(s, 0x10000, 3 * PAGE), 0xc000);
	assert_int_equal(map_auto(s, 4ull << 20, 3ull << 20), 2 << 20);
	/* What is freed is used again, by what fits. */
	assert_int_equal(unmap(s, 0x2000, PAGE, PAGE), 0);
	assert_int_equal(map_auto(s, 0x11000, 2 * PAGE), 0x2000);
	/* The offset in the page stays. */
	assert_int_equal(map_auto(s, 0x10800, 0x800), 0xf800);
	assert_int_equal(map_auto(s, 0x10010, 1), 0xf010);
	iopt_destroy(s->iopt);
}

/* In the page that the search begins with, what lies before the offset doesn't matter. */
static void test_automatic_offset(void **state)
{
	struct space *s = setup(state);

	assert_int_equal(map_fixed(s, 0x10000, 1, 0x1000), 0);
	assert_int_equal(map_auto(s, 0x10016, 1), 0x1016);
	/* In the others a hole is aligned to less than its offset: as Linux has it. */
	assert_int_equal(map_auto(s, 0x10016, 1), 0x1017);
	iopt_destroy(s->iopt);
}

static void test_automatic_full(void **state)
{
	struct space *s = setup(state);

	assert_int_equal(iopt_reserve(s->iopt, 0x4000, UINT64_MAX, s), 0);
	assert_int_equal(map_auto(s, 0x10000, 4 * PAGE), -ENOSPC);
	assert_int_equal(map_auto(s, 0x11000, 3 * PAGE), 0x1000);
	assert_int_equal(map_auto(s, 0x10000, PAGE), -ENOSPC);
	iopt_unreserve(s->iopt, s);
	assert_int_equal(map_auto(s, 0x10000, PAGE), 0x4000);
	iopt_destroy(s->iopt);
}

static void test_ranges(void **state)
{
	struct space *s = setup(state);
	struct iopt_range r[4];
	uint64_t alignment;
	int a, b;

	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 1);
	assert_int_equal(alignment, 1);
	assert_int_equal(r[0].start, 0);
	assert_int_equal(r[0].last, UINT64_MAX);

	assert_int_equal(iopt_reserve(s->iopt, 0x8000, 0x8fff, &a), 0);
	assert_int_equal(iopt_reserve(s->iopt, 0x8800, 0x97ff, &b), 0);
	assert_int_equal(iopt_reserve(s->iopt, 0x9800, 0x9fff, &b), 0);
	assert_int_equal(iopt_reserve(s->iopt, 0, 0xfff, &b), 0);
	assert_int_equal(iopt_reserve(s->iopt, UINT64_MAX, UINT64_MAX, &b), 0);
	r[1].start = 0x77;
	assert_int_equal(iopt_ranges(s->iopt, r, 1, &alignment), 2);
	assert_int_equal(r[0].start, 0x1000);
	assert_int_equal(r[0].last, 0x7fff);
	assert_int_equal(r[1].start, 0x77);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 2);
	assert_int_equal(r[1].start, 0xa000);
	assert_int_equal(r[1].last, UINT64_MAX - 1);

	iopt_unreserve(s->iopt, &b);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 2);
	assert_int_equal(r[0].start, 0);
	assert_int_equal(r[1].start, 0x9000);
	assert_int_equal(r[1].last, UINT64_MAX);
	assert_int_equal(iopt_reserve(s->iopt, 0, UINT64_MAX, &b), 0);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 0);
	iopt_destroy(s->iopt);
}

static void test_domains(void **state)
{
	struct space *s = setup(state);
	char *mem =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t uaddr = (uint64_t)mem, alignment, iova;
	struct iopt_range r[4];
	int a, b;

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(iopt_add_domain(s->iopt, &a, 0, UINT64_MAX, 2 * PAGE), -EINVAL);

	/* Without a domain nobody looks at memory; a hole is found when one comes. */
	assert_int_equal(mprotect(mem + 3 * PAGE, PAGE, PROT_READ), 0);
	assert_int_equal(map_fixed(s, uaddr, 4 * PAGE, 0x1000000), 0);
	assert_int_equal(iopt_add_domain(s->iopt, &a, 0x1000, 0x7fffffff, 2048), -EFAULT);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 1);
	assert_int_equal(alignment, 1);
	assert_int_equal(unmap(s, 0x1000000, 4 * PAGE, 4 * PAGE), 0);

	assert_int_equal(iopt_add_domain(s->iopt, &a, 0x1000, 0x7fffffff, 2048), 0);
	assert_int_equal(map_fixed(s, uaddr, 4 * PAGE, 0x1000000), -EFAULT);
	assert_int_equal(map_fixed(s, uaddr, 3 * PAGE, 0x1000400), -EINVAL);
	assert_int_equal(map_fixed(s, uaddr, PAGE + 1, 0x1000000), -EINVAL);
	assert_int_equal(map_fixed(s, uaddr + 1, PAGE, 0x1000000), -EINVAL);
	assert_int_equal(map_fixed(s, uaddr, PAGE, 0), -EINVAL);
	assert_int_equal(map_fixed(s, uaddr, PAGE, 0x80000000), -EINVAL);
	assert_int_equal(map_auto(s, uaddr + 0x400, 2048), -EINVAL);
	assert_int_equal(map_fixed(s, uaddr + 0x800, 2048, 0x1000800), 0);
	/* No right at all is none of a domain's; without one it is as good as any. */
	assert_int_equal(iopt_map(s->iopt, s->mm, uaddr, PAGE, 0, 0, &iova), -EINVAL);

	/* Another domain brings its own alignment and takes it away again. */
	assert_int_equal(iopt_add_domain(s->iopt, &b, 0, 0xfffffff, PAGE), -EADDRINUSE);
	assert_int_equal(unmap(s, 0x1000000, PAGE, 2048), 0);
	assert_int_equal(iopt_add_domain(s->iopt, &b, 0, 0xfffffff, PAGE), 0);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 1);
	assert_int_equal(alignment, PAGE);
	assert_int_equal(r[0].start, 0x1000);
	assert_int_equal(r[0].last, 0xfffffff);
	iopt_remove_domain(s->iopt, &a);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 1);
	assert_int_equal(alignment, PAGE);
	assert_int_equal(r[0].start, 0);
	iopt_remove_domain(s->iopt, &b);
	assert_int_equal(iopt_ranges(s->iopt, r, 4, &alignment), 1);
	assert_int_equal(alignment, 1);
	assert_int_equal(iopt_map(s->iopt, s->mm, uaddr, PAGE, 0, 0, &iova), 0);
	assert_int_equal(iopt_add_domain(s->iopt, &b, 0, 0xfffffff, PAGE), -EINVAL);
	iopt_destroy(s->iopt);
	munmap(mem, 4 * PAGE);
}

static void test_translate(void **state)
{
	struct space *s = setup(state);
	struct uiommu_span span;
	uint64_t iova = 0x2000;

	ui_reader_add(&s->ctx->readers, &s->reader);
	assert_int_equal(iopt_map(s->iopt, s->mm, 0x10000, 0x1234, UIOMMU_READ, IOPT_FIXED, &iova),
			 0);
	ui_reader_enter(&s->reader);
	assert_int_equal(iopt_translate(s->iopt, 0x1fff, UIOMMU_READ, &span), -ENOENT);
	assert_int_equal(iopt_translate(s->iopt, 0x3234, UIOMMU_READ, &span), -ENOENT);
	assert_int_equal(iopt_translate(s->iopt, 0x3233, UIOMMU_READ, &span), 0);
	assert_int_equal(span.addr, 0x11233);
	assert_int_equal(span.length, 1);
	assert_ptr_equal(span.mm, s->mm);
	assert_int_equal(iopt_translate(s->iopt, 0x2000, UIOMMU_WRITE, &span), -EPERM);
	assert_int_equal(span.length, 0x1234);
	assert_int_equal(span.perm, UIOMMU_READ);
	ui_reader_exit(&s->reader);
	ui_reader_del(&s->ctx->readers, &s->reader);
	iopt_destroy(s->iopt);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		RULE(test_map_errors),	     RULE(test_unmap),		RULE(test_automatic),
		RULE(test_automatic_offset), RULE(test_automatic_full), RULE(test_ranges),
		RULE(test_domains),	     RULE(test_translate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

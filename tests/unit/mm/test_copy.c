// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * struct uiommu_mm: references, copies in the own process by both ways, and in
 * another process.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/mm.h"
#include "mm/object.h"

static void test_refs(void **state)
{
	struct uiommu *ctx = *state;
	struct uiommu_mm *mm = uiommu_mm_self(ctx);

	assert_ptr_equal(mm, ctx->self_mm);
	assert_int_equal(mm->refs, 2);
	assert_ptr_equal(uiommu_mm_of(ctx, getpid()), mm);
	assert_ptr_equal(uiommu_mm_get(mm), mm);
	assert_int_equal(mm->refs, 4);
	for (int i = 0; i < 3; i++)
		uiommu_mm_put(mm);
}

static void copies(struct uiommu_mm *mm, char *pages, bool own)
{
	char *end = pages + 2 * PAGE;
	char buf[200], back[200];
	uint64_t value = 0;

	errno = 4711;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i + own);
	assert_int_equal(uiommu_mm_write(mm, (uint64_t)pages + PAGE - 77, buf, 200), 200);
	assert_int_equal(uiommu_mm_read(mm, back, (uint64_t)pages + PAGE - 77, 200), 200);
	assert_memory_equal(buf, back, 200);
	if (own)
		assert_memory_equal(pages + PAGE - 77, buf, 200);

	memset(back, 0, sizeof(back));
	assert_int_equal(uiommu_mm_write(mm, (uint64_t)end - 50, buf, 200), 50);
	assert_int_equal(uiommu_mm_read(mm, back, (uint64_t)end - 50, 200), 50);
	assert_memory_equal(buf, back, 50);
	assert_int_equal(back[50], 0);
	assert_int_equal(uiommu_mm_read(mm, back, (uint64_t)end, 1), 0);
	assert_int_equal(uiommu_mm_read(mm, back, (uint64_t)pages, 0), 0);

	for (unsigned int size = 1; size <= 8; size *= 2) {
		uint64_t mask = ~0ull >> (64 - 8 * size);

		assert_int_equal(mm_store(mm, (uint64_t)pages + 64, ~0ull, 8), 0);
		assert_int_equal(mm_store(mm, (uint64_t)pages + 64, 0x123456789abcdef0ull, size),
				 0);
		assert_int_equal(mm_load(mm, (uint64_t)pages + 64, &value, size), 0);
		assert_int_equal(value, 0x123456789abcdef0ull & mask);
		assert_int_equal(mm_load(mm, (uint64_t)pages + 64, &value, 8), 0);
		assert_int_equal(value, (0x123456789abcdef0ull & mask) | ~mask);
		assert_int_equal(mm_load(mm, (uint64_t)end, &value, size), -EFAULT);
		assert_int_equal(mm_store(mm, (uint64_t)end, 1, size), -EFAULT);
	}
	assert_int_equal(errno, 4711);
}

static void test_own(void **state)
{
	struct uiommu *ctx = *state;
	char *pages = fixture_pages(2);

	fixture_guard(false);
	copies(ctx->self_mm, pages, true);
	fixture_guard(true);
	copies(ctx->self_mm, pages, true);
	fixture_unmap(pages, 2);
}

static void test_other(void **state)
{
	struct uiommu *ctx = *state;
	char *pages = fixture_pages(2);
	struct uiommu_mm *mm;
	char byte;
	pid_t pid;

	fixture_guard(true);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	mm = uiommu_mm_of(ctx, pid);
	assert_false(UIOMMU_IS_ERR(mm));
	memset(pages, 0x5a, 2 * PAGE);
	copies(mm, pages, false);
	/* It is the child's memory that was written. */
	assert_int_equal(pages[64], 0x5a);
	assert_int_equal(mm_check(mm, (uint64_t)pages, 2 * PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(mm_check(mm, (uint64_t)pages, 2 * PAGE + 1, UIOMMU_WRITE), -EFAULT);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(uiommu_mm_read(mm, &byte, (uint64_t)pages, 1), 0);
	assert_int_equal(mm_check(mm, (uint64_t)pages, PAGE, UIOMMU_READ), -EFAULT);
	uiommu_mm_put(mm);
	assert_int_equal(UIOMMU_PTR_ERR(uiommu_mm_of(ctx, pid)), -ESRCH);
	assert_int_equal(UIOMMU_PTR_ERR(uiommu_mm_of(ctx, -1)), -ESRCH);
	fixture_unmap(pages, 2);
}

/* From one place to another, with the processor's help and without. */
static void between(struct uiommu_mm *to, struct uiommu_mm *from, bool direct)
{
	char *src = fixture_pages(4), *dst = fixture_pages(4);
	const size_t length = 2 * PAGE - 100;
	size_t most = direct ? length : MM_BOUNCE;
	char bounce[MM_BOUNCE];
	uint32_t failed = 7;

	for (size_t i = 0; i < 4 * PAGE; i++)
		src[i] = (char)(i * 13 + i / PAGE);
	memset(dst, 0x55, 4 * PAGE);
	assert_int_equal(
		mm_copy(to, (uint64_t)dst + 8, from, (uint64_t)src, length, bounce, &failed), most);
	assert_int_equal(failed, 0);
	assert_memory_equal(dst + 8, src, most);
	assert_int_equal(dst[7], 0x55);
	assert_int_equal(dst[8 + most], 0x55);

	munmap(src + 3 * PAGE, PAGE);
	mprotect(dst + 2 * PAGE, PAGE, PROT_READ);
	for (size_t room = 0; room <= 100; room++) {
		uint64_t end = (uint64_t)src + 3 * PAGE - room;

		assert_int_equal(mm_copy(to, (uint64_t)dst, from, end, 100, bounce, &failed), room);
		assert_int_equal(failed, room < 100 ? UIOMMU_READ : 0);
		end = (uint64_t)dst + 2 * PAGE - room;
		assert_int_equal(mm_copy(to, end, from, (uint64_t)src, 100, bounce, &failed), room);
		assert_int_equal(failed, room < 100 ? UIOMMU_WRITE : 0);
	}
	munmap(src, 3 * PAGE);
	munmap(dst, 4 * PAGE);
}

static void test_between(void **state)
{
	struct uiommu *ctx = *state;

	fixture_guard(false);
	between(ctx->self_mm, ctx->self_mm, false);
	fixture_guard(true);
	between(ctx->self_mm, ctx->self_mm, true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {TEST(test_refs), TEST(test_own), TEST(test_other),
					   TEST(test_between)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

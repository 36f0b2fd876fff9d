// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mm_check() over memory of each kind, at lengths for each of its ways, compared
 * with the text of the map, which needs no help of the kernel.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/object.h"

#define NR 64 /* pages: more than mm_check() touches one by one */

static int check(struct uiommu *ctx, const char *addr, uint64_t length, uint32_t perm)
{
	uint64_t start = (uint64_t)addr & ~(PAGE - 1);
	uint64_t end = ((uint64_t)addr + length + PAGE - 1) & ~(PAGE - 1);
	int rc;

	errno = 4711;
	rc = mm_check(ctx->self_mm, (uint64_t)addr, length, perm);
	assert_int_equal(rc, mm_check_text(ctx->self_mm, start, end, perm));
	assert_int_equal(errno, 4711);
	return rc;
}

/* At the end of pages that have this length: with and without a byte beyond. */
static void check_both(struct uiommu *ctx, const char *pages, size_t nr, uint32_t perm, int want)
{
	assert_int_equal(check(ctx, pages, nr * PAGE, perm), want);
	assert_int_equal(check(ctx, pages + 1, nr * PAGE - 1, perm), want);
	assert_int_equal(check(ctx, pages, nr * PAGE + 1, perm), want ? want : -EFAULT);
	assert_int_equal(check(ctx, pages - 1, nr * PAGE, perm), -EFAULT);
}

static void test_rights(void **state)
{
	static const size_t sizes[] = {1, 2, NR};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t nr = sizes[i];
		char *pages = fixture_pages(nr);

		check_both(*state, pages, nr, UIOMMU_READ, 0);
		check_both(*state, pages, nr, UIOMMU_READ | UIOMMU_WRITE, 0);
		assert_int_equal(mprotect(pages + (nr - 1) * PAGE, PAGE, PROT_READ), 0);
		check_both(*state, pages, nr, UIOMMU_READ, 0);
		check_both(*state, pages, nr, UIOMMU_WRITE, -EPERM);
		assert_int_equal(mprotect(pages + (nr - 1) * PAGE, PAGE, PROT_NONE), 0);
		check_both(*state, pages, nr, UIOMMU_READ, -EFAULT);
		check_both(*state, pages, nr, UIOMMU_WRITE, -EFAULT);
		fixture_unmap(pages, nr);
	}
}

static void test_holes(void **state)
{
	char *pages = fixture_pages(NR);

	assert_int_equal(check(*state, pages, 0, UIOMMU_READ), 0);
	munmap(pages + 3 * PAGE, PAGE);
	assert_int_equal(check(*state, pages, 3 * PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(check(*state, pages, 4 * PAGE, UIOMMU_READ), -EFAULT);
	assert_int_equal(check(*state, pages, NR * PAGE, UIOMMU_READ), -EFAULT);
	assert_int_equal(check(*state, pages + 4 * PAGE, (NR - 4) * PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(check(*state, NULL, PAGE, UIOMMU_READ), -EFAULT);
	assert_int_equal(check(*state, (char *)0x00007fffffff0000ull, 64 * PAGE, UIOMMU_READ),
			 -EFAULT);
	assert_int_equal(
		mm_check(((struct uiommu *)*state)->self_mm, UINT64_MAX - 5, 3, UIOMMU_READ),
		-EOVERFLOW);
	/* As far as Linux pins at once. */
	assert_int_equal(mm_check(((struct uiommu *)*state)->self_mm, 0 - 8192 * PAGE,
				  8192 * PAGE - 1, UIOMMU_READ),
			 -EOVERFLOW);
	assert_int_equal(mm_check(((struct uiommu *)*state)->self_mm, 0 - 8193 * PAGE,
				  8193 * PAGE - 1, UIOMMU_READ),
			 -EFAULT);
	assert_int_equal(
		mm_check(((struct uiommu *)*state)->self_mm, 0 - 2 * PAGE, PAGE, UIOMMU_READ),
		-EFAULT);
	assert_int_equal(mm_check(((struct uiommu *)*state)->self_mm, (uint64_t)pages, UINT64_MAX,
				  UIOMMU_READ),
			 -EFAULT);
	fixture_unmap(pages, NR);
}

static void test_files(void **state)
{
	int fd = memfd_create("test", 0), ro;
	char path[64], *p;

	assert_int_equal(ftruncate(fd, NR * PAGE), 0);
	p = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(check(*state, p, PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(check(*state, p, NR * PAGE, UIOMMU_WRITE), 0);
	munmap(p, NR * PAGE);

	/* A private mapping of a file that can't be written is written to all the same. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	assert_true(ro >= 0);
	p = mmap(NULL, NR * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(check(*state, p, NR * PAGE, UIOMMU_WRITE), 0);
	munmap(p, NR * PAGE);
	p = mmap(NULL, NR * PAGE, PROT_READ, MAP_SHARED, ro, 0);
	assert_int_equal(check(*state, p, 2 * PAGE, UIOMMU_READ), 0);
	assert_int_equal(check(*state, p, 2 * PAGE, UIOMMU_WRITE), -EPERM);
	assert_int_equal(check(*state, p, NR * PAGE, UIOMMU_WRITE), -EPERM);
	munmap(p, NR * PAGE);

	/* Beyond the end of the file there is nothing to have. */
	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(
		mm_check(((struct uiommu *)*state)->self_mm, (uint64_t)p, PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(
		mm_check(((struct uiommu *)*state)->self_mm, (uint64_t)p, 2 * PAGE, UIOMMU_WRITE),
		-EFAULT);
	munmap(p, 2 * PAGE);
	close(ro);
	close(fd);
}

/* The vvar pages before the vdso are device memory to the kernel. */
static void test_no_pages(void **state)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);

	if (!vdso ||
	    mm_check_text(((struct uiommu *)*state)->self_mm, vdso - PAGE, vdso, UIOMMU_READ))
		skip();
	assert_int_equal(mm_check(((struct uiommu *)*state)->self_mm, vdso, PAGE, UIOMMU_READ), 0);
	assert_int_equal(
		mm_check(((struct uiommu *)*state)->self_mm, vdso - PAGE, PAGE, UIOMMU_READ),
		-EFAULT);
}

static size_t descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/* The end of the VMA that has this address. */
static uint64_t vma_end(const char *addr)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	uint64_t found = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start <= (uint64_t)addr &&
		    (uint64_t)addr < end)
			found = end;
	}
	fclose(maps);
	return found;
}

/* One VMA or two, locked, at the end of the stack: it's looked at and stays what it is. */
static void test_stays(void **state)
{
	char *pages = fixture_pages(3 * NR), *stack = __builtin_frame_address(0);
	uint64_t stack_end = vma_end(stack);
	unsigned char there[3 * NR];

	check_both(*state, pages, 3 * NR, UIOMMU_READ | UIOMMU_WRITE, 0);
	assert_int_equal(vma_end(pages), (uint64_t)pages + 3 * NR * PAGE);
	/* One page was touched, if any. */
	assert_int_equal(mincore(pages, 3 * NR * PAGE, there), 0);
	assert_false(there[3 * NR - 1] & 1);
	/* Two of different rights, of which the first one has them. */
	assert_int_equal(mprotect(pages + 2 * NR * PAGE, NR * PAGE, PROT_READ), 0);
	check_both(*state, pages, 3 * NR, UIOMMU_READ, 0);
	check_both(*state, pages, 3 * NR, UIOMMU_WRITE, -EPERM);
	assert_int_equal(check(*state, pages, 2 * NR * PAGE, UIOMMU_WRITE), 0);
	assert_int_equal(check(*state, pages + PAGE, 2 * NR * PAGE, UIOMMU_WRITE), -EPERM);
	/* And a hole. */
	assert_int_equal(munmap(pages + NR * PAGE, PAGE), 0);
	assert_int_equal(check(*state, pages, 3 * NR * PAGE, UIOMMU_READ), -EFAULT);
	assert_int_equal(check(*state, pages, NR * PAGE, UIOMMU_READ), 0);
	if (!mlock(pages, NR * PAGE)) {
		assert_int_equal(check(*state, pages, NR * PAGE, UIOMMU_WRITE), 0);
		assert_int_equal(vma_end(pages), (uint64_t)pages + NR * PAGE);
		munlock(pages, NR * PAGE);
	}
	assert_true(stack_end);
	assert_int_equal(check(*state, stack - NR * PAGE / 2,
			       stack_end - (uint64_t)stack + NR * PAGE / 2, UIOMMU_WRITE),
			 mm_check_text(((struct uiommu *)*state)->self_mm,
				       ((uint64_t)stack - NR * PAGE / 2) & ~(PAGE - 1), stack_end,
				       UIOMMU_WRITE));
	assert_int_equal(vma_end(stack), stack_end);
	fixture_unmap(pages, 3 * NR);
}

static void test_descriptors(void **state)
{
	size_t before = descriptors();

	test_rights(state);
	test_holes(state);
	assert_int_equal(descriptors(), before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rights),   TEST(test_holes), TEST(test_files),
		TEST(test_no_pages), TEST(test_stays), TEST(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

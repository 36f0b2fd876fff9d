// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory runs out at every point of adding a device: an error with a sentence,
 * and nothing is left behind.
 */
#include "fixture.h"

#include <errno.h>
#include <stdlib.h>

static unsigned int allocations;
static unsigned int fail_at; /* 0: never */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static bool fails(void)
{
	return ++allocations == fail_at;
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void test_add(void **state)
{
	struct uiommu_counts counts;
	struct uiommu *ctx;
	unsigned int n;
	char err[256];
	int rc;

	assert_int_equal(uiommu_create(NULL, &ctx), 0);
	for (n = 1;; n++) {
		err[0] = '\0';
		allocations = 0;
		fail_at = n;
		rc = uiommu_pci_device_add(ctx, "ats-testdev,ats=on@beef:01:00.0", NULL, err,
					   sizeof(err));
		fail_at = 0;
		uiommu_get_counts(ctx, &counts);
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_true(err[0]);
		assert_int_equal(counts.devices, 0);
		assert_int_equal(counts.groups, 0);
		assert_true(cds_list_empty(&ctx->pci->devices));
	}
	assert_true(n > 8);
	assert_int_equal(counts.devices, 1);
	uiommu_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

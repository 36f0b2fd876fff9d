// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Each allocation of a scenario fails in turn: the first, the second, ... until
 * the scenario gets through without one.  Whatever failed, the call says so,
 * nothing is lost, every page request has its answer, and the counts balance.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <uiommu/dma.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

static long countdown; /* allocations that still succeed; 0: none fails */
static bool failed;

static bool fails(void)
{
	if (!countdown || --countdown)
		return false;
	failed = true;
	return true;
}

/* What the linker puts in the place of the names below (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	return fails() ? NULL : __real_realloc(ptr, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

/* ---- the scenario ---- */

static int requests, answers;

static void on_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	answers++;
}

static int on_fault(struct uiommu_iopf_group *group)
{
	uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS);
	uiommu_iopf_free_group(group);
	return 0;
}

static void report(struct uiommu_device *dev, uint32_t pasid)
{
	struct uiommu_fault fault = {
		.flags = pasid ? UIOMMU_FAULT_PASID_VALID : 0,
		.pasid = pasid,
		.perm = UIOMMU_WRITE,
	};

	uiommu_report_device_fault(dev, &fault);
	fault.flags |= UIOMMU_FAULT_LAST_PAGE;
	requests++;
	uiommu_report_device_fault(dev, &fault);
}

/* -ENOMEM, or it got through; anything else fails the test. */
static int with_device(struct uiommu *ctx, struct uiommu_device *dev)
{
	struct uiommu_domain *domain = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_IDENTITY);
	struct uiommu_group *group = uiommu_device_group(dev);
	struct uiommu_dma *dma = NULL;
	int64_t pasid;
	char byte = 1, copy;
	int rc;

	if (UIOMMU_IS_ERR(domain))
		return (int)UIOMMU_PTR_ERR(domain);
	domain->iopf_handler = on_fault;
	rc = uiommu_attach_group_handle(domain, group, 0, NULL);
	if (rc)
		goto out;
	pasid = uiommu_alloc_global_pasid(dev);
	if (pasid < 0) {
		rc = (int)pasid;
		goto out;
	}
	rc = uiommu_attach_group_handle(domain, group, (uint32_t)pasid, NULL);
	uiommu_free_global_pasid(ctx, (uint32_t)pasid);
	if (rc)
		goto out;
	rc = uiommu_replace_group_handle(domain, group, 0, NULL);
	if (rc)
		goto out;
	/* A fault may lack memory; it is answered all the same. */
	report(dev, 0);
	report(dev, (uint32_t)pasid);
	rc = uiommu_dma_open(dev, &dma);
	if (!rc)
		rc = uiommu_dma_read(dma, 0, (uintptr_t)&byte, &copy, 1, 0, NULL);
	uiommu_dma_close(dma);
out:
	uiommu_domain_put(domain);
	return rc;
}

static int scenario(void)
{
	static const struct uiommu_driver_ops ops = {.page_response = on_response};
	struct uiommu_device_config config = {
		.name = "failing",
		.max_pasids = 16,
		.ops = &ops,
	};
	struct uiommu_device *first, *second = NULL;
	struct uiommu_counts counts;
	struct uiommu *ctx;
	int rc;

	requests = answers = 0;
	rc = uiommu_create(NULL, &ctx);
	if (rc)
		return rc;
	rc = uiommu_device_register(ctx, &config, &first);
	if (!rc) {
		rc = with_device(ctx, first);
		config.group = uiommu_device_group(first);
		if (!rc)
			rc = uiommu_device_register(ctx, &config, &second);
		if (second)
			uiommu_device_unregister(second);
		uiommu_device_unregister(first);
	}

	uiommu_get_counts(ctx, &counts);
	assert_int_equal(counts.devices + counts.groups + counts.domains, 0);
	assert_int_equal(counts.handles + counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	assert_int_equal(requests, answers);
	uiommu_destroy(ctx);
	return rc;
}

static void test_each_in_turn(void **state)
{
	long n = 0;
	int rc;

	do {
		countdown = ++n;
		failed = false;
		rc = scenario();
		countdown = 0;
		if (!failed)
			break;
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (n < 1000);
	assert_int_equal(rc, 0);
	/* Instance, device, group, handles, slots, faults: there are many. */
	assert_in_range(n, 20, 999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

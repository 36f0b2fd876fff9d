// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared virtual addressing: who gets a bond and which PASID, what a device then
 * reads, writes and faults on, in this process and in another one.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uiommu/iopf.h>
#include <uiommu/mm.h>
#include <uiommu/sva.h>

#include "fixture.h"

#define PAGE 4096ul
#define ATS UIOMMU_DMA_ATS

static struct uiommu *ctx;
static struct uiommu_device *dev;
static struct uiommu_dma *dma;
static struct uiommu_mm *self;
static struct uiommu_page_response answer;
static int answers;

static void on_response(struct uiommu_device *device, const struct uiommu_page_response *resp)
{
	answer = *resp;
	answers++;
}

static const struct uiommu_driver_ops ops = {.page_response = on_response};

static struct uiommu_device *add(uint32_t max_pasids, bool pri)
{
	const struct uiommu_device_config config = {
		.name = "sva",
		.max_pasids = max_pasids,
		.pri = pri,
		.ats = pri,
		.ops = &ops,
	};
	struct uiommu_device *out;

	assert_int_equal(uiommu_device_register(ctx, &config, &out), 0);
	return out;
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	if (!uiommu_guard_fault(uc))
		abort();
}

static int setup(void **state)
{
	answers = 0;
	assert_int_equal(uiommu_create(NULL, &ctx), 0);
	dev = add(PASIDS, true);
	assert_int_equal(uiommu_dma_open(dev, &dma), 0);
	self = uiommu_mm_self(ctx);
	return 0;
}

static int teardown(void **state)
{
	struct uiommu_counts counts;

	uiommu_mm_put(self);
	uiommu_dma_close(dma);
	uiommu_device_unregister(dev);
	uiommu_get_counts(ctx, &counts);
	assert_int_equal(counts.devices, 0);
	assert_int_equal(counts.groups, 0);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	uiommu_destroy(ctx);
	uiommu_guard_enable(false);
	return 0;
}

/* Also sets up the guard: in a test's setup it is too early, cmocka has handlers of its own. */
static struct uiommu_sva *bind_self(struct uiommu_device *device)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct uiommu_sva *sva = uiommu_sva_bind_device(device, self);

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
	assert_false(UIOMMU_IS_ERR(sva));
	return sva;
}

static char *pages(size_t n, int prot, int flags)
{
	char *p = mmap(NULL, n * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static enum uiommu_page_response_code ask(uint32_t pasid, const void *addr, uint32_t perm)
{
	const struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_LAST_PAGE | UIOMMU_FAULT_PASID_VALID |
			 UIOMMU_FAULT_RESPONSE_NEEDS_PASID,
		.pasid = pasid,
		.grpid = 5,
		.perm = perm,
		.addr = (uint64_t)addr & ~(PAGE - 1),
	};
	int before = answers;

	assert_int_equal(uiommu_report_device_fault(dev, &fault), 0);
	assert_int_equal(answers, before + 1);
	assert_int_equal(answer.pasid, pasid);
	assert_int_equal(answer.grpid, 5);
	return answer.code;
}

static uint64_t present(uint32_t pasid, const void *addr, unsigned int n)
{
	uint64_t bits;

	assert_int_equal(uiommu_dma_translate(dma, pasid, (uint64_t)addr, n, UIOMMU_READ, &bits),
			 0);
	return bits;
}

/* ---- bonds and PASIDs ---- */

static void test_users(void **state)
{
	struct uiommu_sva *first = bind_self(dev), *second = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(first);
	char c = 'x', got = 0;

	assert_ptr_equal(first, second);
	assert_in_range(pasid, 1, PASIDS - 1);
	uiommu_sva_unbind_device(first);
	assert_int_equal(uiommu_dma_read(dma, pasid, (uint64_t)&c, &got, 1, ATS, NULL), 0);
	assert_int_equal(got, 'x');
	uiommu_sva_unbind_device(second);
	assert_int_equal(uiommu_dma_read(dma, pasid, (uint64_t)&c, &got, 1, ATS, NULL), -ENOENT);

	/* The address space keeps its PASID. */
	first = bind_self(dev);
	assert_int_equal(uiommu_sva_get_pasid(first), pasid);
	uiommu_sva_unbind_device(first);
}

static void test_devices_share(void **state)
{
	struct uiommu_device *other = add(PASIDS, true);
	struct uiommu_sva *one = bind_self(dev), *two = bind_self(other);
	struct uiommu_counts counts;

	assert_ptr_not_equal(one, two);
	assert_int_equal(uiommu_sva_get_pasid(one), uiommu_sva_get_pasid(two));
	uiommu_get_counts(ctx, &counts);
	assert_int_equal(counts.domains, 1);
	assert_int_equal(counts.handles, 2);
	uiommu_sva_unbind_device(one);
	uiommu_device_unregister(other);
	/* The device is gone, and the bond still there to be given back. */
	uiommu_sva_unbind_device(two);
}

static void test_refusals(void **state)
{
	struct uiommu_device *none = add(0, true), *narrow = add(4, true), *deaf = add(16, false);
	struct owned_handle *owned = owned_alloc(ctx, &owner_a);
	struct test_domain *domain = test_domain_alloc(ctx);
	struct uiommu_sva *sva;
	uint32_t pasid;

	assert_ptr_equal(uiommu_sva_bind_device(none, self), UIOMMU_ERR_PTR(-ENOSPC));
	/* 1 to 3 are taken: none is left for the one that has but those. */
	for (int i = 1; i < 4; i++)
		assert_int_equal(uiommu_alloc_global_pasid(dev), i);
	assert_ptr_equal(uiommu_sva_bind_device(narrow, self), UIOMMU_ERR_PTR(-ENOSPC));

	sva = bind_self(dev);
	pasid = uiommu_sva_get_pasid(sva);
	assert_int_equal(pasid, 4);
	uiommu_sva_unbind_device(sva);
	assert_ptr_equal(uiommu_sva_bind_device(narrow, self), UIOMMU_ERR_PTR(-EOVERFLOW));
	assert_ptr_equal(uiommu_sva_bind_device(deaf, self), UIOMMU_ERR_PTR(-EOPNOTSUPP));

	/* Somebody else's attachment is never taken for a bond. */
	assert_int_equal(uiommu_attach_device_pasid(&domain->domain, dev, pasid, &owned->handle),
			 0);
	assert_ptr_equal(uiommu_sva_bind_device(dev, self), UIOMMU_ERR_PTR(-EBUSY));
	assert_int_equal(uiommu_detach_device_pasid(dev, pasid, NULL), 0);

	for (uint32_t i = 1; i < 4; i++)
		uiommu_free_global_pasid(ctx, i);
	uiommu_domain_put(&domain->domain);
	uiommu_device_unregister(none);
	uiommu_device_unregister(narrow);
	uiommu_device_unregister(deaf);
}

/* ---- memory of this process ---- */

static void test_absent_pages(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	char *p = pages(70, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	madvise(p, 70 * PAGE, MADV_NOHUGEPAGE);
	p[2 * PAGE] = 1;
	p[63 * PAGE] = 1;
	assert_int_equal(present(pasid, p, 64), 1ull << 2 | 1ull << 63);
	assert_int_equal(ask(pasid, p + PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, p + 3 * PAGE, UIOMMU_READ), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(present(pasid, p, 5), 0xe);
	munmap(p, 70 * PAGE);
	assert_int_equal(present(pasid, p, 64), 0);
	assert_int_equal(ask(pasid, p, UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	uiommu_sva_unbind_device(sva);
}

static void test_rights(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	char *p = pages(2, PROT_READ | PROT_WRITE, MAP_PRIVATE), buf[16] = "";
	struct uiommu_dma_error err;

	memset(p, 7, 2 * PAGE);
	mprotect(p + PAGE, PAGE, PROT_READ);
	assert_int_equal(ask(pasid, p + PAGE, UIOMMU_READ), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, p + PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(ask(pasid, p, UIOMMU_EXEC | UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(ask(pasid, __builtin_extract_return_addr(__builtin_return_address(0)),
			     UIOMMU_EXEC | UIOMMU_READ),
			 UIOMMU_PAGE_RESP_SUCCESS);

	/* Up to the last byte that may be written, and not further. */
	assert_int_equal(uiommu_dma_write(dma, pasid, (uint64_t)(p + PAGE - 8), buf, 16, ATS, &err),
			 -ENOENT);
	assert_int_equal(err.iova, (uint64_t)(p + PAGE));
	assert_int_equal(err.perm, UIOMMU_WRITE);
	assert_int_equal(p[PAGE - 1], 0);
	assert_int_equal(p[PAGE], 7);

	/* No address of a process at all. */
	assert_int_equal(uiommu_dma_read(dma, pasid, 1ull << 47, buf, 1, ATS, &err), -ENOENT);
	assert_int_equal(uiommu_dma_read(dma, pasid, ~0ull << 20, buf, 1, ATS, &err), -ENOENT);
	assert_int_equal(ask(pasid, (void *)(~0ull << 20), UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	munmap(p, 2 * PAGE);
	uiommu_sva_unbind_device(sva);
}

/* What another thread stores into the page at that moment isn't lost. */
static void test_touch_keeps(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	unsigned char *p = (unsigned char *)pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	*p = 0xa5;
	assert_int_equal(ask(pasid, p, UIOMMU_WRITE), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(*p, 0xa5);
	munmap(p, PAGE);
	uiommu_sva_unbind_device(sva);
}

/* A file's page beyond its end is an error, as it is for the processor. */
static void test_past_the_file(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	int fd = memfd_create("sva", MFD_CLOEXEC);
	char *p;

	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(ask(pasid, p, UIOMMU_WRITE), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, p + PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	munmap(p, 2 * PAGE);
	close(fd);
	uiommu_sva_unbind_device(sva);
}

static void test_group_is_sticky(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	char *p = pages(3, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_PASID_VALID,
		.pasid = pasid,
		.grpid = 5,
		.perm = UIOMMU_WRITE,
	};

	munmap(p + PAGE, PAGE);
	for (int i = 0; i < 2; i++) {
		fault.addr = (uint64_t)p + (uint64_t)i * PAGE;
		assert_int_equal(uiommu_report_device_fault(dev, &fault), 0);
	}
	assert_int_equal(ask(pasid, p + 2 * PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	/* The first was served, the one behind the hole not looked at. */
	assert_int_equal(present(pasid, p, 3), 1);
	munmap(p, 3 * PAGE);
	uiommu_sva_unbind_device(sva);
}

/* Without the host's help it goes through the kernel, and answers the same. */
static void test_unguarded(void **state)
{
	struct uiommu_sva *sva = bind_self(dev);
	uint32_t pasid = uiommu_sva_get_pasid(sva);
	char *p = pages(1, PROT_READ, MAP_PRIVATE);

	uiommu_guard_enable(false);
	assert_int_equal(ask(pasid, p, UIOMMU_READ), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, p, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	munmap(p, PAGE);
	assert_int_equal(ask(pasid, p, UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	uiommu_guard_enable(true);
	uiommu_sva_unbind_device(sva);
}

/* ---- memory of another process ---- */

static void test_other_process(void **state)
{
	char *shared = pages(1, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *own = pages(3, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	struct uiommu_sva *mine = bind_self(dev), *sva;
	uint32_t pasid, old;
	struct uiommu_mm *mm;
	char buf[6] = "";
	pid_t pid;

	strcpy(own, "mine");
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		strcpy(own, "child");
		mprotect(own + PAGE, PAGE, PROT_READ);
		__atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(own, __ATOMIC_SEQ_CST) != 'X')
			usleep(100);
		__atomic_store_n(shared, 2, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) != 1)
		usleep(100);

	mm = uiommu_mm_of(ctx, pid);
	sva = uiommu_sva_bind_device(dev, mm);
	assert_false(UIOMMU_IS_ERR(sva));
	pasid = uiommu_sva_get_pasid(sva);
	assert_int_not_equal(pasid, uiommu_sva_get_pasid(mine));
	assert_int_equal(uiommu_dma_read(dma, pasid, (uint64_t)own, buf, 6, ATS, NULL), 0);
	assert_string_equal(buf, "child");
	assert_int_equal(present(pasid, own, 2) & 1, 1);
	assert_int_equal(ask(pasid, own + PAGE, UIOMMU_READ), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, own + PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	/* It's there when the answer says so. */
	assert_int_equal(present(pasid, own + 2 * PAGE, 1), 0);
	assert_int_equal(ask(pasid, own + 2 * PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(present(pasid, own + 2 * PAGE, 1), 1);
	assert_int_equal(uiommu_dma_write(dma, pasid, (uint64_t)own, "X", 1, ATS, NULL), 0);
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) != 2)
		usleep(100);
	assert_string_equal(own, "mine");

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(uiommu_dma_read(dma, pasid, (uint64_t)own, buf, 6, ATS, NULL), -ENOENT);
	assert_int_equal(ask(pasid, own, UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	uiommu_sva_unbind_device(sva);
	uiommu_mm_put(mm);

	/* Its PASID is free again once somebody looks; ours stays. */
	old = uiommu_sva_get_pasid(mine);
	uiommu_sva_unbind_device(mine);
	mine = bind_self(dev);
	assert_int_equal(uiommu_sva_get_pasid(mine), old);
	assert_int_equal(uiommu_alloc_global_pasid(dev), pasid);
	uiommu_free_global_pasid(ctx, pasid);
	uiommu_sva_unbind_device(mine);
	munmap(shared, PAGE);
	munmap(own, 3 * PAGE);
}

/* What may be written but not read can't be brought in without a race, and is refused. */
static void test_write_only(void **state)
{
	char *shared = pages(1, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *own = pages(2, PROT_WRITE, MAP_PRIVATE);
	struct uiommu_sva *sva;
	struct uiommu_mm *mm;
	uint32_t pasid;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		*own = 1;
		__atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
		for (;;)
			pause();
	}
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) != 1)
		usleep(100);
	mm = uiommu_mm_of(ctx, pid);
	sva = uiommu_sva_bind_device(dev, mm);
	assert_false(UIOMMU_IS_ERR(sva));
	pasid = uiommu_sva_get_pasid(sva);
	assert_int_equal(ask(pasid, own, UIOMMU_WRITE), UIOMMU_PAGE_RESP_SUCCESS);
	assert_int_equal(ask(pasid, own, UIOMMU_READ), UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(ask(pasid, own + PAGE, UIOMMU_WRITE), UIOMMU_PAGE_RESP_INVALID);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	uiommu_sva_unbind_device(sva);
	uiommu_mm_put(mm);
	munmap(shared, PAGE);
	munmap(own, 2 * PAGE);
}

/* ---- many at once ---- */

static char target[PAGE];

static void *binder(void *arg)
{
	struct uiommu_dma *mine;
	uint64_t *sum = arg;

	if (uiommu_dma_open(dev, &mine))
		abort();
	for (int i = 0; i < 2000; i++) {
		struct uiommu_sva *sva = uiommu_sva_bind_device(dev, self);
		uint64_t value = 1;

		if (UIOMMU_IS_ERR(sva))
			abort();
		if (uiommu_dma_load(mine, uiommu_sva_get_pasid(sva), (uint64_t)target, &value, 8, 0,
				    NULL))
			abort();
		*sum += value;
		uiommu_sva_unbind_device(sva);
	}
	uiommu_dma_close(mine);
	return NULL;
}

/* Whoever has bound can do DMA, whatever the others do. */
static void test_threads(void **state)
{
	uint64_t sums[4] = {0};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, binder, &sums[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(sums[i], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_users, setup, teardown),
		cmocka_unit_test_setup_teardown(test_devices_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_past_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_is_sticky, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unguarded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_process, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests_name("sva", tests, NULL, NULL);
}

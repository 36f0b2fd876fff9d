// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Attachments and page faults, by the public interface.
 *
 * core.*
 *  attach_detach	a PASID attached and detached, without traffic; also with
 *			a million others attached
 *  get_put.million	look-ups all over a million PASIDs, beside ten of them
 *  bytes_per_pasid	memory that each of a million attachments takes
 *  fault		a page request whose handler answers at once
 *  fault.thread	one that a sleeping handler thread answers, beside
 *  wake.thread		the round trip of waking that thread and being woken
 */
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

#include "bench.h"

#define MILLION 1000000u
#define TEN 10u

static struct uiommu *ctx;
static struct uiommu_device *dev;
static struct uiommu_group *group;
static struct uiommu_domain *domain;

static void release(struct uiommu_attach_handle *handle)
{
	free(handle);
}

static const struct uiommu_handle_ops ops = {
	.name = "bench",
	.release = release,
};

static void attach(uint32_t pasid)
{
	struct uiommu_attach_handle *handle = malloc(sizeof(*handle));

	if (!handle || uiommu_attach_handle_init(ctx, handle, &ops) ||
	    uiommu_attach_group_handle(domain, group, pasid, handle))
		abort();
}

static void attach_detach(void *arg, uint64_t n)
{
	uint32_t pasid = *(uint32_t *)arg;

	while (n--) {
		attach(pasid);
		if (uiommu_detach_group_handle(group, pasid, NULL))
			abort();
	}
}

/* Steps by a number that has no factor in common with either count. */
static void get_put(void *arg, uint64_t n)
{
	uint32_t count = *(uint32_t *)arg, pasid = 0;

	while (n--) {
		pasid = (pasid + 7919) % count;
		uiommu_attach_handle_put(uiommu_attach_handle_get(group, pasid + 1, &ops));
	}
}

/* ---- faults ---- */

static uint32_t word_there, word_back;
static struct uiommu_iopf_group *handed;
static bool by_thread, stop;

static void wake(uint32_t *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void sleep_until_not(uint32_t *word, uint32_t old)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == old)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
}

static int handler(struct uiommu_iopf_group *faults)
{
	if (by_thread) {
		handed = faults;
		wake(&word_there);
		return 0;
	}
	uiommu_iopf_group_response(faults, UIOMMU_PAGE_RESP_SUCCESS);
	uiommu_iopf_free_group(faults);
	return 0;
}

static void on_response(struct uiommu_device *d, const struct uiommu_page_response *resp)
{
	if (by_thread)
		wake(&word_back);
}

static const struct uiommu_driver_ops driver = {
	.page_response = on_response,
};

static void *handler_thread(void *arg)
{
	uint32_t seen = 0;

	for (;;) {
		sleep_until_not(&word_there, seen++);
		if (__atomic_load_n(&stop, __ATOMIC_SEQ_CST))
			return NULL;
		if (handed) {
			struct uiommu_iopf_group *faults = handed;

			uiommu_iopf_group_response(faults, UIOMMU_PAGE_RESP_SUCCESS);
			uiommu_iopf_free_group(faults);
		} else {
			wake(&word_back);
		}
	}
}

static void fault(void *arg, uint64_t n)
{
	const struct uiommu_fault last = {
		.flags = UIOMMU_FAULT_PASID_VALID | UIOMMU_FAULT_LAST_PAGE,
		.pasid = 1,
		.perm = UIOMMU_READ,
	};

	while (n--) {
		uint32_t back = __atomic_load_n(&word_back, __ATOMIC_SEQ_CST);

		if (uiommu_report_device_fault(dev, &last))
			abort();
		if (by_thread)
			sleep_until_not(&word_back, back);
	}
}

static void round_trip(void *arg, uint64_t n)
{
	handed = NULL;
	while (n--) {
		uint32_t back = __atomic_load_n(&word_back, __ATOMIC_SEQ_CST);

		wake(&word_there);
		sleep_until_not(&word_back, back);
	}
}

static void bench_faults(void)
{
	pthread_t thread;

	bench("core.fault", fault, NULL);
	if (getenv("BENCH_COUNT"))
		return;
	if (pthread_create(&thread, NULL, handler_thread, NULL))
		abort();
	by_thread = true;
	bench("core.fault.thread", fault, NULL);
	bench("core.wake.thread", round_trip, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
	wake(&word_there);
	pthread_join(thread, NULL);
	by_thread = false;
}

/* ---- a million ---- */

static void bench_million(void)
{
	uint32_t ten = TEN, million = MILLION, beyond = MILLION + 1;
	size_t before, after;

	for (uint32_t pasid = 2; pasid <= TEN; pasid++)
		attach(pasid);
	bench("core.get_put.ten", get_put, &ten);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (uint32_t pasid = TEN + 1; pasid <= MILLION; pasid++)
		attach(pasid);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	bench("core.get_put.million", get_put, &million);
	bench("core.attach_detach.million", attach_detach, &beyond);
	printf("{\"name\": \"core.bytes_per_pasid\", \"ns\": %.1f, \"runs\": 1, \"unit\": \"B\"}\n",
	       (double)(after - before) / (MILLION - TEN));
}

int main(void)
{
	const struct uiommu_device_config config = {
		.name = "bench",
		.max_pasids = UIOMMU_PASID_MAX + 1,
		.pri = true,
		.ops = &driver,
	};
	uint32_t two = 2;

	if (uiommu_create(NULL, &ctx) || uiommu_device_register(ctx, &config, &dev))
		abort();
	group = uiommu_device_group(dev);
	domain = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_BLOCKED);
	if (UIOMMU_IS_ERR(domain))
		abort();
	domain->iopf_handler = handler;
	attach(1);

	bench("core.attach_detach", attach_detach, &two);
	bench_faults();
	if (!getenv("BENCH_COUNT"))
		bench_million();
	uiommu_device_unregister(dev);
	uiommu_domain_put(domain);
	uiommu_destroy(ctx);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared virtual addressing, by the public interface.
 *
 *  fault.write	a page request of a device that is bound to this process, for a page that
 *		isn't there; served by the thread that reports it, response included
 *  touch.write	the same page touched by a store of the CPU
 *  fault.read, touch.read	a page that was never written, and is only read
 *
 * Pages are small ones of anonymous memory.  Taking them away again isn't timed.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <uiommu/iommu.h>
#include <uiommu/iopf.h>
#include <uiommu/mm.h>
#include <uiommu/sva.h>

#include "bench.h"

#define PAGE 4096ull
#define PAGES 4096ull

static struct uiommu_device *dev;
static struct uiommu_sva *sva;
static char *memory;
static uint64_t answers;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	if (!uiommu_guard_fault(context))
		abort();
}

static void page_response(struct uiommu_device *d, const struct uiommu_page_response *resp)
{
	answers += resp->code == UIOMMU_PAGE_RESP_SUCCESS;
}

static const struct uiommu_driver_ops driver = {
	.page_response = page_response,
};

static void take_away(void *arg)
{
	if (madvise(memory, PAGES * PAGE, MADV_DONTNEED))
		abort();
}

static void fault(void *arg, uint64_t n)
{
	struct uiommu_fault last = {
		.flags = UIOMMU_FAULT_PASID_VALID | UIOMMU_FAULT_LAST_PAGE,
		.pasid = uiommu_sva_get_pasid(sva),
		.perm = *(const uint32_t *)arg,
	};

	answers = 0;
	for (uint64_t i = 0; i < n; i++) {
		last.addr = (uint64_t)memory + i * PAGE;
		uiommu_report_device_fault(dev, &last);
	}
	if (answers != n)
		abort();
}

static void touch(void *arg, uint64_t n)
{
	const uint32_t perm = *(const uint32_t *)arg;
	volatile char *page = memory;

	for (uint64_t i = 0; i < n; i++, page += PAGE) {
		if (perm & UIOMMU_WRITE)
			*page = 1;
		else
			(void)*page;
	}
}

int main(void)
{
	const struct uiommu_device_config config = {
		.name = "bench", .ops = &driver, .max_pasids = 16, .ats = true, .pri = true};
	const struct uiommu_config instance = {.size = sizeof(instance)};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	uint32_t read = UIOMMU_READ, write = UIOMMU_WRITE;
	struct uiommu *ctx;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED || madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE) ||
	    uiommu_create(&instance, &ctx) || uiommu_device_register(ctx, &config, &dev))
		abort();
	sva = uiommu_sva_bind_device(dev, uiommu_mm_self(ctx));
	if (UIOMMU_IS_ERR(sva))
		abort();
	bench_prepared("sva.fault.write", fault, take_away, &write, PAGES);
	bench_prepared("sva.touch.write", touch, take_away, &write, PAGES);
	bench_prepared("sva.fault.read", fault, take_away, &read, PAGES);
	bench_prepared("sva.touch.read", touch, take_away, &read, PAGES);
	return 0;
}

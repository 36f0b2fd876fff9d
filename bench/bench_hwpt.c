// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hwpts, and what devices wrote, through the ioctls of /dev/iommu.
 *
 *  alloc_destroy	HWPT_ALLOC and DESTROY on an empty IOAS
 *  replace		a device's hwpt by another one and back
 *  dirty.write		DMA of 8 bytes, at random over 64 GiB, that dirties; off: bits off
 *  dirty.get.*		GET_DIRTY_BITMAP over 64 GiB, of which so much is dirty: a
 *			hundredth, scattered; a page; nothing.  Bits are left as they are
 *  dirty.get.1G, .64G	the same of 10,000 pages, which are in a GiB or all over 64
 *  fault		a device reports a page request, which is read from the fault queue
 *			and answered there
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uiommu/dma.h>
#include <uiommu/file.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>
#include <uiommu/mm.h>

#include "bench.h"
#include "iommufd/iommufd.h"
#include "uapi/iommufd.h"

#define PAGE 4096ull
#define FIRST (1ull << 37)
#define LENGTH (64ull << 30)
#define DIRTY 10000u

static struct uiommu *ctx;
static struct uiommu_mm *mm;
static struct uiommu_file *file;
static struct uiommu_device *dev;
static struct iommufd_device *idev;
static uint32_t dev_id, ioas, hwpt;
static char *bitmap;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	if (!uiommu_guard_fault(context))
		abort();
}

static void call(unsigned long request, void *arg)
{
	if (uiommu_file_ioctl(file, mm, request, (uintptr_t)arg))
		abort();
}

static uint32_t ioas_alloc(void)
{
	struct iommu_ioas_alloc cmd = {.size = sizeof(cmd)};

	call(IOMMU_IOAS_ALLOC, &cmd);
	return cmd.out_ioas_id;
}

static uint32_t hwpt_alloc(uint32_t on, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd), .flags = flags, .dev_id = dev_id, .pt_id = on};

	call(IOMMU_HWPT_ALLOC, &cmd);
	return cmd.out_hwpt_id;
}

static void alloc_destroy(void *arg, uint64_t n)
{
	while (n--) {
		struct iommu_destroy cmd = {.size = sizeof(cmd), .id = hwpt_alloc(ioas, 0)};

		call(IOMMU_DESTROY, &cmd);
	}
}

static void replace(void *arg, uint64_t n)
{
	uint32_t *ids = arg;

	while (n--)
		for (int i = 0; i < 2; i++)
			if (iommufd_device_replace(idev, UIOMMU_NO_PASID, &ids[i]))
				abort();
}

/* ---- dirty bits ---- */

static void map_all(char *memory)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = 1ull << 30,
		.iova = FIRST,
	};

	/* The same memory again and again: it is the IOVAs that count. */
	for (; cmd.iova < FIRST + LENGTH; cmd.iova += cmd.length)
		call(IOMMU_IOAS_MAP, &cmd);
}

static void set_tracking(uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd), .flags = flags, .hwpt_id = hwpt};

	call(IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

static void write_random(void *arg, uint64_t n)
{
	uint64_t random = 1, value = 0;

	while (n--) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (uiommu_dma_write(arg, UIOMMU_NO_PASID,
				     FIRST + (random >> 33) % (LENGTH / PAGE) * PAGE, &value,
				     sizeof(value), 0, NULL))
			abort();
	}
}

/* arg: how much of the range, from its beginning */
static void get_dirty(void *arg, uint64_t n)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = FIRST,
		.length = *(const uint64_t *)arg,
		.page_size = PAGE,
		.data = (uintptr_t)bitmap,
	};

	while (n--)
		call(IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* So many pages, @step from each other. */
static void write_each(struct uiommu_dma *dma, uint64_t pages, uint64_t step)
{
	uint64_t value = 0;

	for (uint64_t i = 0; i < pages; i++)
		if (uiommu_dma_write(dma, UIOMMU_NO_PASID, FIRST + i * step, &value, sizeof(value),
				     0, NULL))
			abort();
}

/* The same count, close together and far apart. */
static void bench_dirty_ranges(struct uiommu_dma *dma)
{
	static uint64_t lengths[] = {1ull << 30, LENGTH};

	set_tracking(0);
	set_tracking(IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	write_each(dma, DIRTY, lengths[0] / DIRTY & ~(PAGE - 1));
	bench("hwpt.dirty.get.1G", get_dirty, &lengths[0]);
	set_tracking(0);
	set_tracking(IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	write_each(dma, DIRTY, lengths[1] / DIRTY & ~(PAGE - 1));
	bench("hwpt.dirty.get.64G", get_dirty, &lengths[1]);
}

static void bench_dirty(struct uiommu_dma *dma)
{
	const uint64_t hundredth = LENGTH / PAGE / 100;
	static uint64_t all = LENGTH;

	bench("hwpt.dirty.write.off", write_random, dma);
	set_tracking(IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	bench("hwpt.dirty.get.none", get_dirty, &all);
	write_random(dma, 1);
	bench("hwpt.dirty.get.page", get_dirty, &all);
	write_random(dma, hundredth);
	bench("hwpt.dirty.get.hundredth", get_dirty, &all);
	bench("hwpt.dirty.write", write_random, dma);
	bench_dirty_ranges(dma);
}

/* ---- faults ---- */

struct faults {
	struct uiommu_file *queue;
	uint32_t answered;
};

static struct faults faults;

static void page_response(struct uiommu_device *d, const struct uiommu_page_response *resp)
{
	faults.answered++;
}

static const struct uiommu_driver_ops driver = {
	.page_response = page_response,
};

static int install(void *opaque, struct uiommu_mm *of, struct uiommu_file *queue, bool cloexec)
{
	faults.queue = queue;
	return 100;
}

static const struct uiommu_host_ops host = {
	.install = install,
};

static void fault(void *arg, uint64_t n)
{
	const struct uiommu_fault last = {
		.flags = UIOMMU_FAULT_LAST_PAGE, .perm = UIOMMU_READ, .addr = 0x1000};
	uint32_t before = faults.answered, count = (uint32_t)n;

	while (n--) {
		struct iommu_hwpt_pgfault pgfault;
		struct iommu_hwpt_page_response answer = {.code = IOMMUFD_PAGE_RESP_SUCCESS};

		if (uiommu_report_device_fault(dev, &last) ||
		    uiommu_file_read(faults.queue, mm, (uintptr_t)&pgfault, sizeof(pgfault)) !=
			    sizeof(pgfault))
			abort();
		answer.cookie = pgfault.cookie;
		if (uiommu_file_write(faults.queue, mm, (uintptr_t)&answer, sizeof(answer)) !=
		    sizeof(answer))
			abort();
	}
	if (faults.answered - before != count)
		abort();
}

static void bench_fault(void)
{
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	struct iommu_hwpt_alloc cmd = {.size = sizeof(cmd),
				       .flags = IOMMU_HWPT_FAULT_ID_VALID,
				       .dev_id = dev_id,
				       .pt_id = ioas};

	call(IOMMU_FAULT_QUEUE_ALLOC, &queue);
	cmd.fault_id = queue.out_fault_id;
	call(IOMMU_HWPT_ALLOC, &cmd);
	if (iommufd_device_replace(idev, UIOMMU_NO_PASID, &cmd.out_hwpt_id))
		abort();
	bench("hwpt.fault", fault, NULL);
	if (iommufd_device_replace(idev, UIOMMU_NO_PASID, &hwpt))
		abort();
}

int main(void)
{
	const struct uiommu_device_config config = {
		.name = "bench", .ops = &driver, .ats = true, .pri = true};
	const struct uiommu_config instance = {.size = sizeof(instance), .host = &host};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct uiommu_dma *dma;
	uint32_t ids[2];
	char *memory;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
	memory = mmap(NULL, 1ull << 30, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bitmap = calloc(1, LENGTH / PAGE / 8);
	if (memory == MAP_FAILED || !bitmap || uiommu_create(&instance, &ctx) ||
	    uiommu_device_register(ctx, &config, &dev) || uiommu_dma_open(dev, &dma))
		abort();
	/* As the shim does. */
	uiommu_limits_watch(ctx, true);
	mm = uiommu_mm_self(ctx);
	file = uiommu_open(ctx, "/dev/iommu", 2);
	idev = iommufd_device_bind(iommufd_ctx_from_file(file), dev, &dev_id);
	if (UIOMMU_IS_ERR(idev))
		abort();
	ioas = ioas_alloc();
	bench("hwpt.alloc_destroy", alloc_destroy, NULL);
	ids[0] = hwpt_alloc(ioas, 0);
	ids[1] = hwpt_alloc(ioas, 0);
	hwpt = hwpt_alloc(ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	if (iommufd_device_attach(idev, UIOMMU_NO_PASID, &hwpt))
		abort();
	bench("hwpt.replace_twice", replace, ids);
	if (iommufd_device_replace(idev, UIOMMU_NO_PASID, &hwpt))
		abort();
	bench_fault();
	map_all(memory);
	bench_dirty(dma);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Maps and what is done with them, through the ioctls of /dev/iommu.
 *
 *  map_unmap.*		IOAS_MAP and IOAS_UNMAP of so much memory, in one VMA, with
 *			a domain that could be attached; none: 4 KiB without one
 *  map.4096		IOAS_MAP of 4 KiB, one after the other; all are unmapped at 4,096
 *  map.million		IOAS_MAP of 4 KiB, a million areas in one IOAS, each
 *  area_bytes		memory that each of them takes
 *  translate.*		DMA of 8 bytes, at random, over so many areas; one: of a
 *			million the same, which the channel remembers; cached: that
 *			memory alone, asked again and again inside one burst, without
 *			what a burst and the bytes cost
 *  lookup.*		the translation alone, inside one burst: at random, or of one
 *			IOVA again and again; beside chase, which is as many dependent
 *			loads from as much memory, .huge: in huge pages
 *  access.*		uiommu_access_rw() of so many bytes, beside memcpy
 */
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uiommu/access.h>
#include <uiommu/dma.h>
#include <uiommu/file.h>
#include <uiommu/iommu.h>
#include <uiommu/mm.h>

#include "base/quiesce.h"
#include "bench.h"
#include "core/dma_recent.h"
#include "iommufd/iommufd.h"
#include "iopt/iopt.h"
#include "uapi/iommufd.h"

#define PAGE 4096ull
#define MILLION 1000000u
#define HUGE (2ul << 20)
#define FIRST (1ull << 32)
#define RW (IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE)

static struct uiommu *ctx;
static struct uiommu_mm *mm;
static struct uiommu_file *file;
static struct uiommu_device *dev;
static uint32_t ioas;
static char *memory;

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

static void map(uint64_t iova, uint64_t length)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = RW | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = iova,
	};

	call(IOMMU_IOAS_MAP, &cmd);
}

static void unmap(uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	call(IOMMU_IOAS_UNMAP, &cmd);
}

static void map_unmap(void *arg, uint64_t n)
{
	uint64_t length = *(uint64_t *)arg;

	while (n--) {
		map(FIRST, length);
		unmap(FIRST, length);
	}
}

/* ---- a million ---- */

static void map_more(void *arg, uint64_t n)
{
	uint64_t *next = arg;

	while (n--) {
		map(*next, PAGE);
		*next += 2 * PAGE;
	}
}

static void map_4096(void *arg, uint64_t n)
{
	uint64_t *nr = arg;

	while (n--) {
		map(FIRST + (*nr)++ * 2 * PAGE, PAGE);
		if (*nr == 4096) {
			unmap(0, UINT64_MAX);
			*nr = 0;
		}
	}
}

struct reads {
	struct uiommu_dma *dma;
	uint64_t areas;
};

static void translate(void *arg, uint64_t n)
{
	const struct reads *reads = arg;
	uint64_t random = 1, value;

	while (n--) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (uiommu_dma_read(reads->dma, UIOMMU_NO_PASID,
				    FIRST + (random >> 33) % reads->areas * 2 * PAGE, &value,
				    sizeof(value), 0, NULL))
			abort();
	}
}

/* ---- the translation alone ---- */

struct lookups {
	struct iopt *iopt;
	uint64_t areas;
};

static void lookup(void *arg, uint64_t n)
{
	const struct lookups *lookups = arg;
	uint64_t random = 1;
	struct uiommu_span span;

	while (n--) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		if (iopt_translate(lookups->iopt,
				   FIRST + (random >> 33) % lookups->areas * 2 * PAGE, UIOMMU_READ,
				   &span))
			abort();
		/* The next isn't known before this one is: no two at a time. */
		random += span.perm & 4;
	}
}

static void lookup_one(void *arg, uint64_t n)
{
	const struct lookups *lookups = arg;
	uint64_t iova = FIRST + lookups->areas / 2 * 2 * PAGE;
	struct uiommu_span span;

	while (n--) {
		if (iopt_translate(lookups->iopt, iova, UIOMMU_READ, &span))
			abort();
		iova += span.perm & 4;
	}
}

struct recalls {
	struct ui_readers readers;
	struct ui_reader reader;
	struct dma_recent recent;
};

static void recall(void *arg, uint64_t n)
{
	struct recalls *recalls = arg;
	uint64_t iova = recalls->recent.iova;
	struct uiommu_domain *domain;
	struct uiommu_span span;

	ui_reader_begin(&recalls->readers, &recalls->reader);
	while (n--) {
		if (!dma_recall(&recalls->recent, ui_reader_changes(&recalls->readers),
				UIOMMU_NO_PASID, iova, UIOMMU_READ, &span, &domain))
			abort();
		bench_use(&span);
		bench_use(domain);
		/* As above. */
		iova += span.perm & 4;
	}
	ui_reader_exit(&recalls->reader);
}

#define CHASE_BYTES (64ull << 20)

static void chase(void *arg, uint64_t n)
{
	uint64_t *next = *(uint64_t **)arg;

	while (n--)
		next = (uint64_t *)*next;
	*(uint64_t **)arg = next;
}

/* One cycle through all lines of as much memory as a million areas take. */
static uint64_t *make_chase(bool huge)
{
	size_t lines = CHASE_BYTES / 64;
	char *lots = aligned_alloc(HUGE, CHASE_BYTES);
	uint32_t *order = malloc(lines * sizeof(*order));
	uint64_t random = 1;

	if (!lots || !order)
		abort();
	madvise(lots, CHASE_BYTES, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t i = 0; i < lines; i++)
		order[i] = (uint32_t)i;
	for (size_t i = lines - 1; i > 0; i--) {
		uint32_t other, was = order[i];

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		other = (uint32_t)((random >> 33) % (i + 1));
		order[i] = order[other];
		order[other] = was;
	}
	for (size_t i = 0; i < lines; i++)
		*(uint64_t *)(lots + order[i] * 64ull) =
			(uint64_t)(lots + order[(i + 1) % lines] * 64ull);
	free(order);
	return (uint64_t *)lots;
}

static void bench_million(void)
{
	struct reads reads = {.areas = 10};
	uint64_t next = FIRST;
	size_t before;

	if (uiommu_dma_open(dev, &reads.dma))
		abort();
	map_more(&next, 10);
	bench("ioas.translate.ten", translate, &reads);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	next = FIRST + 10 * 2 * PAGE;
	map_more(&next, MILLION - 10);
	bench_result("ioas.area_bytes",
		     (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) / (MILLION - 10),
		     1);
	reads.areas = MILLION;
	bench("ioas.translate.million", translate, &reads);
	reads.areas = 1;
	bench("ioas.translate.one", translate, &reads);
	bench("ioas.map.million", map_more, &next);
	uiommu_dma_close(reads.dma);
}

static void bench_recalls(struct iopt *iopt)
{
	struct recalls *recalls = aligned_alloc(64, (sizeof(*recalls) + 63) & ~63ul);

	if (!recalls)
		abort();
	memset(recalls, 0, sizeof(*recalls));
	recalls->recent = (struct dma_recent){.iova = FIRST, .pasid = UIOMMU_NO_PASID};
	ui_readers_init(&recalls->readers);
	ui_reader_add(&recalls->readers, &recalls->reader);
	recalls->recent.changes = ui_reader_changes(&recalls->readers);
	if (iopt_translate(iopt, FIRST, UIOMMU_READ, &recalls->recent.span))
		abort();
	bench("ioas.translate.cached", recall, recalls);
	ui_reader_del(&recalls->readers, &recalls->reader);
	ui_readers_destroy(&recalls->readers);
	free(recalls);
}

static void bench_lookups(void)
{
	struct lookups lookups = {.iopt = iopt_create(ctx), .areas = 10};
	uint64_t *place, iova;

	if (!lookups.iopt)
		abort();
	for (uint64_t i = 0; i < MILLION; i++) {
		iova = FIRST + i * 2 * PAGE;
		if (i == lookups.areas)
			bench("ioas.lookup.ten", lookup, &lookups);
		if (iopt_map(lookups.iopt, mm, (uintptr_t)memory, PAGE, UIOMMU_READ, IOPT_FIXED,
			     &iova))
			abort();
	}
	lookups.areas = MILLION;
	bench("ioas.lookup.million", lookup, &lookups);
	bench("ioas.lookup.one", lookup_one, &lookups);
	bench_recalls(lookups.iopt);
	iopt_destroy(lookups.iopt);
	place = make_chase(false);
	bench("ioas.chase", chase, &place);
	place = make_chase(true);
	bench("ioas.chase.huge", chase, &place);
}

/* ---- access ---- */

struct rw {
	struct uiommu_access *access;
	size_t length;
	char *buf;
};

static void access_read(void *arg, uint64_t n)
{
	const struct rw *rw = arg;

	while (n--) {
		if (uiommu_access_rw(rw->access, FIRST, rw->buf, rw->length, 0))
			abort();
	}
}

static void copy(void *arg, uint64_t n)
{
	const struct rw *rw = arg;

	while (n--) {
		memcpy(rw->buf, memory, rw->length);
		bench_use(rw->buf);
	}
}

static void bench_access(void)
{
	static const struct uiommu_access_ops ops;
	struct rw rw = {.access = uiommu_access_create(file, &ops, NULL, NULL),
			.buf = malloc(64 << 10)};

	if (UIOMMU_IS_ERR(rw.access) || uiommu_access_attach(rw.access, ioas) || !rw.buf)
		abort();
	map(FIRST, 1 << 20);
	rw.length = 64;
	bench("ioas.access.64", access_read, &rw);
	bench("ioas.memcpy.64", copy, &rw);
	rw.length = 64 << 10;
	bench("ioas.access.64K", access_read, &rw);
	bench("ioas.memcpy.64K", copy, &rw);
	unmap(FIRST, 1 << 20);
	uiommu_access_destroy(rw.access);
	free(rw.buf);
}

int main(void)
{
	static const struct {
		const char *name;
		uint64_t length;
	} sizes[] = {{"ioas.map_unmap.4K", PAGE},
		     {"ioas.map_unmap.2M", 2ull << 20},
		     {"ioas.map_unmap.64M", 64ull << 20},
		     {"ioas.map_unmap.16G", 16ull << 30}};
	const struct uiommu_device_config config = {.name = "bench"};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct iommufd_device *idev;
	uint64_t page = PAGE;
	uint32_t id;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
	memory = mmap(NULL, 16ull << 30, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED || uiommu_create(NULL, &ctx) ||
	    uiommu_device_register(ctx, &config, &dev))
		abort();
	memset(memory, 1, 1 << 20);
	/* As the shim does. */
	uiommu_limits_watch(ctx, true);
	mm = uiommu_mm_self(ctx);
	file = uiommu_open(ctx, "/dev/iommu", 2);
	idev = iommufd_device_bind(iommufd_ctx_from_file(file), dev, &id);
	if (UIOMMU_IS_ERR(idev))
		abort();
	ioas = ioas_alloc();
	bench("ioas.map_unmap.none", map_unmap, &page);
	bench_access();
	id = ioas;
	if (iommufd_device_attach(idev, UIOMMU_NO_PASID, &id))
		abort();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		bench(sizes[i].name, map_unmap, (void *)(uintptr_t)&sizes[i].length);
	bench("ioas.map.4096", map_4096, &(uint64_t){0});
	unmap(0, UINT64_MAX);
	if (!getenv("BENCH_COUNT")) {
		bench_million();
		bench_lookups();
	}
	return 0;
}

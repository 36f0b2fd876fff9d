// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the accelerator (dsa) does for a client beside what the processor does for it:
 * bench/run.py runs this under "uiommu run -d dsa".  Argument: the device's cdev, or, with
 * driver=idxd, a queue's node: then only what is handed in by write(), without a trap.
 *
 *  dsa.move.1M	a memory move of 1 MiB out of batches of 32; .alone: a batch of its own,
 *		from the store to the portal until the completion record says that it's
 *		done; .write: the same by write(); beside
 *  dsa.memcpy.1M	memcpy() of the same memory, as .write has it, too
 *  dsa.move.64	a move of 64 bytes out of batches of 1024; .2_threads: two submit them to
 *		one queue; beside
 *  dsa.memcpy.64	memcpy() of the same
 *  dsa.noop	a descriptor that does nothing: what the store to the portal takes, or write()
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../examples/uapi.h"
#include "bench.h"

#define MIB (1ul << 20)
#define BATCH 1024u
#define MIB_BATCH 32u
#define LINE 64u
#define THREADS 2

/* As the device has them. */
struct desc {
	uint32_t pasid;
	uint32_t flags_op;
	uint64_t record;
	uint64_t src;
	uint64_t dst;
	uint32_t size;
	uint32_t rest[7];
};

enum {
	BATCH_OP = 1,
	MOVE_OP = 3,
	RECORD_VALID = 4,
	RECORD_ASKED = 8,
};

/* What one thread works on, mapped for the device at its own addresses. */
struct work {
	uint8_t src[MIB];
	uint8_t dst[MIB];
	struct desc list[BATCH];
	struct desc one;
	uint8_t record[LINE];
} __attribute__((aligned(4096)));

/* immutable once set up, but for what a work has */
static uint8_t *regs, *portal;
static struct work *works;
static unsigned int threads = 1;
static int queue = -1; /* of idxd, instead of a portal */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint8_t *map_bar(int device, unsigned int index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};
	void *bar;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("region");
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	if (bar == MAP_FAILED)
		die("mmap");
	return bar;
}

static void set_master(int device)
{
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};
	const uint16_t memory_and_master = 6;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pwrite(device, &memory_and_master, 2, (off_t)config.offset + 4) != 2)
		die("config space");
}

static void map_memory(int iommu, int device)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.length = THREADS * sizeof(struct work),
	};

	map.user_va = map.iova = (uintptr_t)works;
	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) || ioctl(iommu, IOMMU_IOAS_ALLOC, &ioas))
		die("bind");
	attach.pt_id = map.ioas_id = ioas.out_ioas_id;
	if (ioctl(iommu, IOMMU_IOAS_MAP, &map) ||
	    ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die("map");
}

static void set(uint64_t offset, uint32_t value)
{
	*(volatile uint32_t *)(regs + offset) = value;
}

/* One dedicated queue, all of the entries, one engine. */
static void configure(void)
{
	const uint64_t tables = *(volatile uint64_t *)(regs + 0x60);
	const uint64_t group = (tables & 0xffff) << 8, wq = (tables >> 16 & 0xffff) << 8;

	set(wq, 64);
	set(wq + 8, 1u | 1u << 4);
	set(wq + 12, 20u | 10u << 5);
	set(group, 1);
	set(group + 32, 1);
	set(0xa0, 1u << 20);
	set(0xa0, 6u << 20);
	if (*(volatile uint32_t *)(regs + 0xa8)) {
		fprintf(stderr, "the queue isn't enabled\n");
		exit(1);
	}
}

static void submit(struct work *work)
{
	__atomic_store_n(&work->record[0], 0, __ATOMIC_SEQ_CST);
	if (queue >= 0) {
		if (write(queue, &work->one, sizeof(work->one)) != sizeof(work->one))
			die("write");
		return;
	}
	/* movdir64b (%rdx), %rax: of processors that most don't have. */
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02"
			 :
			 : "a"(portal), "d"(&work->one)
			 : "memory");
}

static void wait_for(const struct work *work)
{
	uint8_t status;

	do
		status = __atomic_load_n(&work->record[0], __ATOMIC_ACQUIRE);
	while (!status);
	if (status != 1) {
		fprintf(stderr, "status %#x\n", status);
		exit(1);
	}
}

/* As one descriptor, or as a batch. */
static void do_list(struct work *work, uint32_t count)
{
	if (count == 1) {
		work->one = work->list[0];
		work->one.flags_op |= RECORD_ASKED;
	} else {
		work->one = (struct desc){
			.flags_op = BATCH_OP << 24 | RECORD_VALID | RECORD_ASKED,
			.src = (uintptr_t)work->list,
			.size = count,
		};
	}
	work->one.record = (uintptr_t)work->record;
	submit(work);
	wait_for(work);
}

static void moves(struct work *work, uint64_t n, uint32_t batch, uint32_t size)
{
	uint32_t i, count;

	for (; n; n -= count) {
		count = n < batch ? (uint32_t)n : batch;
		for (i = 0; i < count; i++) {
			uint64_t offset = (uint64_t)i * size % MIB;

			work->list[i] = (struct desc){
				.flags_op = MOVE_OP << 24 | RECORD_VALID,
				.src = (uintptr_t)work->src + offset,
				.dst = (uintptr_t)work->dst + offset,
				.size = size,
			};
		}
		do_list(work, count);
	}
}

static void move_mib(void *arg, uint64_t n)
{
	moves(arg, n, MIB_BATCH, MIB);
}

static void move_mib_alone(void *arg, uint64_t n)
{
	moves(arg, n, 1, MIB);
}

/* n of them by all threads together. */
static void move_line(void *arg, uint64_t n)
{
	moves(arg, (n + threads - 1) / threads, BATCH, LINE);
}

static void noop(void *arg, uint64_t n)
{
	struct work *work = arg;

	work->list[0] = (struct desc){.flags_op = RECORD_VALID};
	while (n--)
		do_list(work, 1);
}

static void memcpy_mib(void *arg, uint64_t n)
{
	struct work *work = arg;

	while (n--) {
		memcpy(work->dst, work->src, MIB);
		bench_use(work->dst);
	}
}

static void memcpy_line(void *arg, uint64_t n)
{
	struct work *work = arg;

	while (n--) {
		uint64_t i = n % BATCH * LINE;

		memcpy(work->dst + i, work->src + i, LINE);
		bench_use(work->dst);
	}
}

static void allocate_memory(void)
{
	works = mmap(NULL, THREADS * sizeof(struct work), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (works == MAP_FAILED)
		die("memory");
	for (int i = 0; i < THREADS; i++) {
		memset(works[i].src, 1 + i, MIB);
		memset(works[i].dst, 7, MIB);
	}
}

static int bench_queue(const char *path)
{
	queue = open(path, O_RDWR);
	if (queue < 0)
		die(path);
	bench("dsa.noop.write", noop, works);
	bench("dsa.memcpy.1M.write", memcpy_mib, works);
	bench("dsa.move.1M.write", move_mib_alone, works);
	return memcmp(works[0].dst, works[0].src, MIB) != 0;
}

int main(int argc, char **argv)
{
	void *args[THREADS];
	int iommu, device;

	allocate_memory();
	if (argc > 1 && !strncmp(argv[1], "/dev/dsa/", 9))
		return bench_queue(argv[1]);
	iommu = open("/dev/iommu", O_RDWR);
	device = open(argc > 1 ? argv[1] : "", O_RDWR);
	if (iommu < 0 || device < 0)
		die("open");
	map_memory(iommu, device);
	set_master(device);
	regs = map_bar(device, 0);
	portal = map_bar(device, 2);
	configure();
	for (int i = 0; i < THREADS; i++)
		args[i] = &works[i];

	bench("dsa.noop", noop, works);
	bench("dsa.memcpy.1M", memcpy_mib, works);
	bench("dsa.move.1M", move_mib, works);
	bench("dsa.move.1M.alone", move_mib_alone, works);
	bench("dsa.memcpy.64", memcpy_line, works);
	bench("dsa.move.64", move_line, works);
	threads = THREADS;
	bench_threads("dsa.move.64.2_threads", move_line, args, THREADS);
	return memcmp(works[0].dst, works[0].src, MIB) != 0;
}

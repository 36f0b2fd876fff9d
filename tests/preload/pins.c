/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is mapped for DMA stays what it was, whatever the program does to the addresses that
 * it gave; and the program sees what Linux shows it.
 */
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "client.h"

#define PAGE 4096ul
#define VICTIM 0x10000000ull
#define OTHER 0x20000000ull
#define SCRATCH 0x40000000ull
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static int iommufd;
static uint32_t ioas;
static volatile uint32_t *bar;
static uint8_t *scratch;

static uint64_t map_rights(uint64_t iova, void *addr, size_t len, uint32_t rights)
{
	struct iommu_ioas_map map = {.size = sizeof(map),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | rights,
				     .ioas_id = ioas,
				     .user_va = (uintptr_t)addr,
				     .length = len,
				     .iova = iova};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	return map.iova;
}

static void map(uint64_t iova, void *addr, size_t len)
{
	map_rights(iova, addr, len, IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
}

static void unmap(uint64_t iova, size_t len)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg), .ioas_id = ioas, .iova = iova, .length = len};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &arg) && arg.length == len);
}

static void run(uint64_t iova, uint32_t cmd)
{
	bar[0] = (uint32_t)iova;
	bar[1] = (uint32_t)(iova >> 32);
	bar[2] = cmd;
	CHECK(!(bar[2] & 1));
}

static bool filled(const volatile uint8_t *page, uint8_t value)
{
	for (size_t i = 0; i < PAGE; i++)
		if (page[i] != value)
			return false;
	return true;
}

/* A page by DMA. */
static uint8_t dma_get(uint64_t iova)
{
	memset(scratch, 0xee, PAGE);
	run(iova, 3);
	run(SCRATCH, 1);
	CHECK(filled(scratch, scratch[0]));
	return scratch[0];
}

static void dma_set(uint64_t iova, uint8_t value)
{
	memset(scratch, value, PAGE);
	run(SCRATCH, 3);
	run(iova, 1);
}

/* DMA finds @value, and can write and read. */
static void check_dma(uint64_t iova, uint8_t value)
{
	uint8_t got = dma_get(iova);

	if (got != value)
		fprintf(stderr, "%#llx: %#x, not %#x\n", (unsigned long long)iova, got, value);
	CHECK(got == value);
	dma_set(iova, (uint8_t)~value);
	got = dma_get(iova);
	CHECK((uint8_t)(got ^ value) == 0xff);
	dma_set(iova, value);
}

static uint8_t *pages(size_t nr, uint8_t first)
{
	uint8_t *mem = mmap(NULL, nr * PAGE, RW, ANON, -1, 0);

	CHECK(mem != MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		memset(mem + i * PAGE, (int)(first + i), PAGE);
	return mem;
}

static uint8_t *file_pages(int *fd, size_t nr, uint8_t first)
{
	uint8_t *mem;

	*fd = memfd_create("pins", MFD_CLOEXEC);
	CHECK(*fd >= 0 && !ftruncate(*fd, (off_t)(nr * PAGE)));
	mem = mmap(NULL, nr * PAGE, RW, MAP_SHARED, *fd, 0);
	CHECK(mem != MAP_FAILED);
	for (size_t i = 0; i < nr; i++)
		memset(mem + i * PAGE, (int)(first + i), PAGE);
	return mem;
}

/* How much is mapped, in pages, without the heap, which goes its own way. */
static size_t mapped(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512];
	size_t sum = 0;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2 && !strstr(line, "[heap]") &&
		    !strstr(line, "[stack]"))
			sum += (to - from) / PAGE;
	fclose(maps);
	return sum;
}

/* ---- the cases ---- */

static void test_munmap(void)
{
	uint8_t *mem = pages(4, 0x10), *again;

	map(VICTIM, mem, 4 * PAGE);
	CHECK(!munmap(mem + PAGE, 2 * PAGE));
	again = mmap(mem + PAGE, 2 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(again == mem + PAGE && filled(again, 0));
	for (int i = 0; i < 4; i++)
		check_dma(VICTIM + (uint64_t)i * PAGE, (uint8_t)(0x10 + i));
	CHECK(filled(again, 0) && filled(again + PAGE, 0));
	/* The new memory is another, and mapped as such; then that goes, too. */
	memset(again, 0x55, 2 * PAGE);
	map(OTHER, again, 2 * PAGE);
	check_dma(OTHER, 0x55);
	check_dma(VICTIM + PAGE, 0x11);
	CHECK(!munmap(mem, 4 * PAGE));
	for (int i = 0; i < 4; i++)
		check_dma(VICTIM + (uint64_t)i * PAGE, (uint8_t)(0x10 + i));
	check_dma(OTHER + PAGE, 0x55);
	unmap(VICTIM, 4 * PAGE);
	check_dma(OTHER, 0x55);
	unmap(OTHER, 2 * PAGE);
}

/* Several mappings at once, one of a file, and areas that share pages. */
static void test_munmap_many(void)
{
	uint8_t *mem = pages(4, 0x20), *file;
	int fd;

	file = file_pages(&fd, 2, 0x30);
	CHECK(mmap(mem + PAGE, 2 * PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0) == mem + PAGE);
	CHECK(!mprotect(mem + 3 * PAGE, PAGE, PROT_READ));
	map(VICTIM, mem, 3 * PAGE);
	map(OTHER, mem + PAGE, PAGE);
	CHECK(!munmap(mem, 4 * PAGE));
	check_dma(VICTIM, 0x20);
	check_dma(VICTIM + PAGE, 0x30);
	/* Shared memory is shared still. */
	dma_set(VICTIM + 2 * PAGE, 0x77);
	CHECK(filled(file + PAGE, 0x77));
	memset(file, 0x78, PAGE);
	check_dma(VICTIM + PAGE, 0x78);
	check_dma(OTHER, 0x78);
	unmap(VICTIM, 3 * PAGE);
	check_dma(OTHER, 0x78);
	unmap(OTHER, PAGE);
	CHECK(!munmap(file, 2 * PAGE) && !close(fd));
}

static void test_map_fixed(void)
{
	uint8_t *mem = pages(2, 0x40);

	map(VICTIM, mem, 2 * PAGE);
	/* One that fails changes nothing. */
	CHECK_ERR((intptr_t)mmap(mem, PAGE, RW, MAP_SHARED | MAP_FIXED, 9999, 0), EBADF);
	CHECK(filled(mem, 0x40));
	dma_set(VICTIM, 0x42);
	CHECK(filled(mem, 0x42));
	CHECK(mmap(mem, PAGE, RW, ANON | MAP_FIXED, -1, 0) == mem);
	CHECK(filled(mem, 0));
	check_dma(VICTIM, 0x42);
	CHECK(filled(mem, 0));
	dma_set(VICTIM + PAGE, 0x43);
	CHECK(filled(mem + PAGE, 0x43));
	unmap(VICTIM, 2 * PAGE);
	CHECK(!munmap(mem, 2 * PAGE));
}

static void test_mremap(void)
{
	uint8_t *mem = pages(3, 0x50), *to = pages(3, 0x60), *moved;

	map(VICTIM, mem, 3 * PAGE);
	map(OTHER, to, 3 * PAGE);
	/* Two pages to where others are, the third goes. */
	moved = mremap(mem, 3 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(moved == to && filled(to, 0x50) && filled(to + 2 * PAGE, 0x62));
	dma_set(VICTIM, 0x5a);
	CHECK(filled(moved, 0x5a));
	memset(moved + PAGE, 0x5b, PAGE);
	check_dma(VICTIM + PAGE, 0x5b);
	check_dma(VICTIM + 2 * PAGE, 0x52);
	check_dma(OTHER, 0x60);
	check_dma(OTHER + PAGE, 0x61);
	dma_set(OTHER + 2 * PAGE, 0x6a);
	CHECK(filled(to + 2 * PAGE, 0x6a));
	/* From the new place as well. */
	CHECK(!munmap(moved, 3 * PAGE));
	check_dma(VICTIM, 0x5a);
	check_dma(VICTIM + PAGE, 0x5b);
	check_dma(OTHER + 2 * PAGE, 0x6a);
	/* One that fails. */
	mem = pages(1, 0x70);
	map(VICTIM + 16 * PAGE, mem, PAGE);
	CHECK_ERR((intptr_t)mremap(mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, mem), EINVAL);
	CHECK(filled(mem, 0x70));
	dma_set(VICTIM + 16 * PAGE, 0x71);
	CHECK(filled(mem, 0x71));
	unmap(VICTIM, 3 * PAGE);
	unmap(VICTIM + 16 * PAGE, PAGE);
	unmap(OTHER, 3 * PAGE);
	CHECK(!munmap(mem, PAGE));
}

static void test_dontneed(void)
{
	uint8_t *mem = pages(2, 0x80), *file;
	int fd;

	map(VICTIM, mem, 2 * PAGE);
	CHECK(!madvise(mem, PAGE, MADV_DONTNEED));
	CHECK(filled(mem, 0));
	check_dma(VICTIM, 0x80);
	memset(mem, 0x8f, PAGE);
	check_dma(VICTIM, 0x80);
	/* What isn't freed is still the same. */
	CHECK(!madvise(mem + PAGE, PAGE, MADV_FREE));
	dma_set(VICTIM + PAGE, 0x83);
	CHECK(filled(mem + PAGE, 0x83));
	unmap(VICTIM, 2 * PAGE);
	CHECK(!munmap(mem, 2 * PAGE));

	file = file_pages(&fd, 1, 0x90);
	map(VICTIM, file, PAGE);
	CHECK(!madvise(file, PAGE, MADV_DONTNEED));
	CHECK(filled(file, 0x90));
	dma_set(VICTIM, 0x91);
	CHECK(filled(file, 0x91));
	unmap(VICTIM, PAGE);
	CHECK(!munmap(file, PAGE) && !close(fd));
}

static void test_holes(void)
{
	uint8_t *file, *second;
	int fd;

	file = file_pages(&fd, 4, 0xa0);
	second = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(second != MAP_FAILED);
	map(VICTIM, file, 4 * PAGE);
	map(OTHER, second, 4 * PAGE);
	CHECK(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	CHECK(filled(file + PAGE, 0) && filled(second + PAGE, 0));
	CHECK(!madvise(file + 2 * PAGE, PAGE, MADV_REMOVE));
	CHECK(filled(file + 2 * PAGE, 0));
	for (int i = 0; i < 4; i++)
		check_dma(VICTIM + (uint64_t)i * PAGE, (uint8_t)(0xa0 + i));
	CHECK(filled(file + PAGE, 0) && filled(file + 2 * PAGE, 0));
	/* Both had the same page. */
	dma_set(VICTIM + PAGE, 0xaa);
	check_dma(OTHER + PAGE, 0xaa);
	dma_set(OTHER + 3 * PAGE, 0xab);
	CHECK(filled(file + 3 * PAGE, 0xab));
	unmap(OTHER, 4 * PAGE);
	check_dma(VICTIM + PAGE, 0xaa);
	unmap(VICTIM, 4 * PAGE);
	CHECK(!munmap(file, 4 * PAGE) && !munmap(second, 4 * PAGE) && !close(fd));
}

static void test_truncate(void)
{
	uint8_t *file;
	int fd;

	file = file_pages(&fd, 4, 0xb0);
	map(VICTIM, file, 4 * PAGE);
	CHECK(!ftruncate(fd, PAGE / 2));
	for (int i = 1; i < 4; i++)
		check_dma(VICTIM + (uint64_t)i * PAGE, (uint8_t)(0xb0 + i));
	CHECK(!ftruncate(fd, 4 * PAGE));
	CHECK(filled(file + PAGE, 0));
	memset(file + PAGE, 0xbb, PAGE);
	check_dma(VICTIM + PAGE, 0xb1);
	/* Of the first only half became zeros. */
	CHECK(file[0] == 0xb0 && file[PAGE / 2] == 0);
	dma_set(VICTIM, 0xbc);
	CHECK(filled(file, 0xbc));
	CHECK(!munmap(file, 4 * PAGE) && !close(fd));
	check_dma(VICTIM, 0xbc);
	check_dma(VICTIM + 3 * PAGE, 0xb3);
	unmap(VICTIM, 4 * PAGE);
}

static void test_shmdt(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	uint8_t *mem;

	CHECK(id >= 0);
	mem = shmat(id, NULL, 0);
	CHECK(mem != (void *)-1 && !shmctl(id, IPC_RMID, NULL));
	memset(mem, 0xc0, 2 * PAGE);
	map(VICTIM, mem, 2 * PAGE);
	CHECK(!shmdt(mem));
	CHECK_ERR(msync(mem, PAGE, MS_ASYNC), ENOMEM);
	check_dma(VICTIM, 0xc0);
	check_dma(VICTIM + PAGE, 0xc0);
	unmap(VICTIM, 2 * PAGE);
}

/* Over what is mapped: its pages stay where DMA is concerned. */
static void test_shmat(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);
	uint8_t *mem = pages(2, 0xc1);

	CHECK(id >= 0);
	map(VICTIM, mem, 2 * PAGE);
	CHECK(shmat(id, mem, SHM_REMAP) == mem && !shmctl(id, IPC_RMID, NULL));
	CHECK(filled(mem, 0));
	check_dma(VICTIM, 0xc1);
	CHECK(filled(mem, 0));
	dma_set(VICTIM + PAGE, 0xc2);
	CHECK(filled(mem + PAGE, 0xc2) && !shmdt(mem));
	unmap(VICTIM, 2 * PAGE);
	CHECK(!munmap(mem + PAGE, PAGE));
}

static void test_mprotect(void)
{
	uint8_t *mem = pages(2, 0xd0), *file;
	int fd;

	file = file_pages(&fd, 2, 0xd8);
	map(VICTIM, mem, 2 * PAGE);
	map(OTHER, file, 2 * PAGE);
	CHECK(!mprotect(mem, PAGE, PROT_NONE) && !mprotect(mem + PAGE, PAGE, PROT_READ));
	CHECK(!mprotect(file, PAGE, PROT_NONE) && !mprotect(file + PAGE, PAGE, PROT_READ));
	check_dma(VICTIM, 0xd0);
	check_dma(OTHER, 0xd8);
	dma_set(VICTIM + PAGE, 0xdb);
	dma_set(OTHER + PAGE, 0xdc);
	CHECK(filled(mem + PAGE, 0xdb) && filled(file + PAGE, 0xdc));
	CHECK(!mprotect(mem, PAGE, RW) && !mprotect(file, PAGE, RW));
	CHECK(filled(mem, 0xd0) && filled(file, 0xd8));
	dma_set(VICTIM, 0xde);
	dma_set(OTHER, 0xdf);
	CHECK(filled(mem, 0xde) && filled(file, 0xdf));
	unmap(VICTIM, 2 * PAGE);
	unmap(OTHER, 2 * PAGE);
	CHECK(!munmap(mem, 2 * PAGE) && !munmap(file, 2 * PAGE) && !close(fd));
}

/* What isn't mapped for DMA any more is as it ever was. */
static void test_unmapped(void)
{
	uint8_t *mem = pages(2, 0xe0);

	map_rights(VICTIM, mem, 2 * PAGE, IOMMU_IOAS_MAP_READABLE);
	CHECK(!madvise(mem, PAGE, MADV_DONTNEED));
	CHECK(dma_get(VICTIM) == 0xe0);
	unmap(VICTIM, 2 * PAGE);
	CHECK(filled(mem, 0));
	map(VICTIM, mem, 2 * PAGE);
	check_dma(VICTIM, 0);
	dma_set(VICTIM, 0xe9);
	CHECK(filled(mem, 0xe9));
	unmap(VICTIM, 2 * PAGE);
	CHECK(!munmap(mem, 2 * PAGE));
}

/* ---- while DMA goes on ---- */

static volatile bool stop;

static void *take_away(void *arg)
{
	uint8_t *mem = arg;
	size_t i;

	for (i = 0; i < 2000; i++) {
		uint8_t *to = mremap(mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
				     (uint8_t *)arg + (i % 2 ? 0 : 2 * PAGE));

		CHECK(to != MAP_FAILED);
		mem = to;
	}
	CHECK(!munmap(mem, PAGE));
	stop = true;
	return NULL;
}

/* Each transfer is of the page, wherever that is at the moment. */
static void test_race(void)
{
	uint8_t *mem = pages(1, 0x01);
	uint8_t *area = mmap(NULL, 4 * PAGE, PROT_NONE, ANON, -1, 0);
	pthread_t thread;
	uint8_t value = 1;

	CHECK(mremap(mem, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	map(VICTIM, area, PAGE);
	CHECK(!pthread_create(&thread, NULL, take_away, area));
	while (!stop) {
		CHECK(dma_get(VICTIM) == value);
		dma_set(VICTIM, ++value);
	}
	CHECK(!pthread_join(thread, NULL));
	check_dma(VICTIM, value);
	unmap(VICTIM, PAGE);
	CHECK(!munmap(area, 4 * PAGE));
}

static void set_up(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 0};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_region_info config = {.argsz = sizeof(config), .index = 7};
	uint16_t command = 6;
	int device;

	device = open_node(CDEV);
	iommufd = open_node("/dev/iommu");
	CHECK(!bind_to(device, iommufd, NULL));
	ioas = attach.pt_id = ioas_alloc(iommufd);
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config));
	bar = mmap(NULL, 4096, RW, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
	CHECK(pwrite(device, &command, 2, (off_t)config.offset + 4) == 2);
	scratch = pages(1, 0);
	map(SCRATCH, scratch, PAGE);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} cases[] = {
		{"munmap", test_munmap},     {"munmap-many", test_munmap_many},
		{"fixed", test_map_fixed},   {"mremap", test_mremap},
		{"dontneed", test_dontneed}, {"holes", test_holes},
		{"truncate", test_truncate}, {"shmdt", test_shmdt},
		{"shmat", test_shmat},	     {"mprotect", test_mprotect},
		{"unmapped", test_unmapped}, {"race", test_race},
	};
	size_t before, after;

	set_up();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
			continue;
		before = mapped();
		cases[i].run();
		after = mapped();
		/* A thread's stack and heap stay; nothing else does. */
		if (after != before && cases[i].run != test_race)
			fprintf(stderr, "%s: %zu pages are mapped, before it were %zu\n",
				cases[i].name, after, before);
		CHECK(after == before || cases[i].run == test_race);
	}
	return 0;
}

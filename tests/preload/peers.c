/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A BAR as memory for DMA: one device reaches the other's, and its own, by a container; an
 * iommufd refuses.  Two devices, each with memory in BAR4 (bar-shared=on).
 */
#include <limits.h>

#include "client.h"

#define PAGE 4096u
#define WORDS (PAGE / 4)
#define OTHER "0000:02:00.0"

/* IOVAs: two pages of memory, BAR0 of the two devices, BAR4 of the other. */
#define MEM_IOVA 0x100000u
#define OWN_IOVA 0x200000u
#define REGS_IOVA 0x300000u
#define SHARED_IOVA 0x400000u

#define ADDR_LO 0
#define ADDR_HI 1
#define CMD 2
#define RUN 1u
#define TO_DEVICE 2u

static volatile uint32_t *mem;
static int container, groups[2], devices[2];

static int open_group(const char *bdf)
{
	char path[64], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	return open_node(path);
}

static void set_command(int device, uint16_t command)
{
	CHECK(pwrite(device, &command, 2, (off_t)((7ull << 40) + 4)) == 2);
}

static void *map_bar(int device, unsigned int bar, size_t length, int prot)
{
	void *p = mmap(NULL, length, prot, MAP_SHARED, device, (off_t)((uint64_t)bar << 40));

	CHECK(p != MAP_FAILED);
	return p;
}

static int map_dma(const volatile void *addr, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static void unmap_dma(uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size};

	CHECK(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) && unmap.size == size);
}

#define READ_WRITE (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static void copy(volatile uint32_t *regs, uint32_t iova, uint32_t command)
{
	regs[ADDR_LO] = iova;
	regs[ADDR_HI] = 0;
	regs[CMD] = RUN | command;
	CHECK(!(regs[CMD] & RUN));
}

static void setup(unsigned long type)
{
	container = open_node("/dev/vfio/vfio");
	groups[0] = open_group(BDF);
	groups[1] = open_group(OTHER);
	for (int i = 0; i < 2; i++)
		CHECK(!ioctl(groups[i], VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, type));
	for (int i = 0; i < 2; i++) {
		devices[i] = ioctl(groups[i], VFIO_GROUP_GET_DEVICE_FD, i ? OTHER : BDF);
		CHECK(devices[i] >= 0);
		set_command(devices[i], 6);
	}
	CHECK(!map_dma(mem, MEM_IOVA, 2 * PAGE, READ_WRITE));
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++)
		CHECK((devices[i] < 0 || !close(devices[i])) && !close(groups[i]));
	CHECK(!close(container));
}

/* The other's memory, before and after it was touched, and when nobody has it mapped. */
static void test_memory(bool touched)
{
	volatile uint32_t *regs = map_bar(devices[0], 0, PAGE, PROT_READ | PROT_WRITE);
	volatile uint32_t *shared = map_bar(devices[1], 4, 2 * PAGE, PROT_READ | PROT_WRITE);
	uint32_t value;

	if (touched)
		shared[WORDS] = 1;
	CHECK(!map_dma(shared, SHARED_IOVA, 2 * PAGE, READ_WRITE));
	for (unsigned int i = 0; i < WORDS; i++)
		mem[i] = i * 3 + touched;
	copy(regs, MEM_IOVA, TO_DEVICE);
	copy(regs, SHARED_IOVA + PAGE, 0);
	for (unsigned int i = 0; i < WORDS; i++)
		CHECK(shared[WORDS + i] == i * 3 + touched);
	CHECK(!munmap((void *)(uintptr_t)shared, 2 * PAGE));
	value = 0xabcdef01;
	CHECK(pwrite(devices[1], &value, 4, (off_t)((4ull << 40) + PAGE + 20)) == 4);
	copy(regs, SHARED_IOVA + PAGE, TO_DEVICE);
	copy(regs, MEM_IOVA + PAGE, 0);
	CHECK(mem[WORDS] == (uint32_t)touched && mem[WORDS + 5] == 0xabcdef01);
	unmap_dma(SHARED_IOVA, 2 * PAGE);
	CHECK(!munmap((void *)(uintptr_t)regs, PAGE));
}

/* Registers: what is written there has the effects that a store has. */
static void test_registers(void)
{
	volatile uint32_t *regs = map_bar(devices[0], 0, PAGE, PROT_READ | PROT_WRITE);
	volatile uint32_t *other = map_bar(devices[1], 0, PAGE, PROT_READ | PROT_WRITE);

	CHECK(!map_dma(other, REGS_IOVA, PAGE, READ_WRITE));
	/* The first device tells the other to fetch a page. */
	memset((void *)(uintptr_t)mem, 0, PAGE);
	mem[ADDR_LO] = MEM_IOVA + PAGE;
	mem[CMD] = RUN | TO_DEVICE;
	mem[WORDS] = 0x600d;
	copy(regs, MEM_IOVA, TO_DEVICE);
	copy(regs, REGS_IOVA, 0);
	CHECK(other[ADDR_LO] == MEM_IOVA + PAGE && !other[ADDR_HI] && other[CMD] == TO_DEVICE);
	mem[WORDS] = 0;
	copy(other, MEM_IOVA + PAGE, 0);
	CHECK(mem[WORDS] == 0x600d);
	/* And reads its registers. */
	copy(regs, REGS_IOVA, TO_DEVICE);
	copy(regs, MEM_IOVA, 0);
	CHECK(mem[ADDR_LO] == MEM_IOVA + PAGE && !mem[CMD] && mem[16] == 0xffffffff);
	unmap_dma(REGS_IOVA, PAGE);
	CHECK(!munmap((void *)(uintptr_t)other, PAGE));
	CHECK(!munmap((void *)(uintptr_t)regs, PAGE));
}

/* A device that has itself for a target: the command that it gives itself comes after. */
static void test_self(void)
{
	volatile uint32_t *regs = map_bar(devices[0], 0, PAGE, PROT_READ | PROT_WRITE);

	CHECK(!map_dma(regs, OWN_IOVA, PAGE, READ_WRITE));
	memset((void *)(uintptr_t)mem, 0, 2 * PAGE);
	mem[ADDR_LO] = MEM_IOVA + PAGE;
	mem[CMD] = RUN;
	mem[100] = 0x5e1f;
	copy(regs, MEM_IOVA, TO_DEVICE);
	copy(regs, OWN_IOVA, 0);
	CHECK(regs[ADDR_LO] == MEM_IOVA + PAGE);
	CHECK(mem[WORDS] == MEM_IOVA + PAGE && mem[WORDS + 100] == 0x5e1f);
	/* It tells itself to tell itself: that ends. */
	mem[ADDR_LO] = OWN_IOVA;
	copy(regs, MEM_IOVA, TO_DEVICE);
	copy(regs, OWN_IOVA, 0);
	unmap_dma(OWN_IOVA, PAGE);
	CHECK(!munmap((void *)(uintptr_t)regs, PAGE));
}

/* The other answers no more: nothing is moved, and the copy ends. */
static void test_silent(void)
{
	volatile uint32_t *regs = map_bar(devices[0], 0, PAGE, PROT_READ | PROT_WRITE);
	volatile uint32_t *other = map_bar(devices[1], 0, PAGE, PROT_READ | PROT_WRITE);

	CHECK(!map_dma(other, REGS_IOVA, PAGE, READ_WRITE));
	other[ADDR_LO] = 0x1000;
	set_command(devices[1], 4);
	memset((void *)(uintptr_t)mem, 0x77, PAGE);
	copy(regs, MEM_IOVA, TO_DEVICE);
	copy(regs, REGS_IOVA, 0);
	set_command(devices[1], 6);
	CHECK(other[ADDR_LO] == 0x1000);
	/* Nor when it is closed, which the map doesn't prevent. */
	CHECK(!munmap((void *)(uintptr_t)other, PAGE));
	CHECK(!close(devices[1]));
	devices[1] = -1;
	copy(regs, REGS_IOVA, TO_DEVICE);
	unmap_dma(REGS_IOVA, PAGE);
	CHECK(!munmap((void *)(uintptr_t)regs, PAGE));
}

static void test_refused(void)
{
	volatile uint32_t *shared = map_bar(devices[1], 4, 2 * PAGE, PROT_READ | PROT_WRITE);
	volatile uint32_t *only = map_bar(devices[1], 4, 2 * PAGE, PROT_READ);
	uint8_t *area =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_ERR(map_dma(only, SHARED_IOVA, PAGE, READ_WRITE), EFAULT);
	CHECK(!map_dma(only, SHARED_IOVA, PAGE, VFIO_DMA_MAP_FLAG_READ));
	CHECK_ERR(map_dma(shared, SHARED_IOVA, 2 * PAGE, READ_WRITE), EEXIST);
	unmap_dma(SHARED_IOVA, PAGE);
	set_command(devices[1], 4);
	CHECK_ERR(map_dma(shared, SHARED_IOVA, PAGE, READ_WRITE), EFAULT);
	set_command(devices[1], 6);
	/* Pieces of one mapping are one. */
	CHECK(!mprotect((void *)(uintptr_t)shared, PAGE, PROT_READ));
	CHECK_ERR(map_dma(shared, SHARED_IOVA, 2 * PAGE, READ_WRITE), EFAULT);
	CHECK(!map_dma(shared, SHARED_IOVA, 2 * PAGE, VFIO_DMA_MAP_FLAG_READ));
	unmap_dma(SHARED_IOVA, 2 * PAGE);
	CHECK(!mprotect((void *)(uintptr_t)shared, PAGE, PROT_READ | PROT_WRITE));
	/* Nothing of a BAR in what is otherwise memory. */
	CHECK(mmap(area + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, devices[1],
		   (off_t)(4ull << 40) + PAGE) == area + PAGE);
	area[PAGE] = 1;
	CHECK_ERR(map_dma(area, SHARED_IOVA, 4 * PAGE, READ_WRITE), EFAULT);
	CHECK_ERR(map_dma(area + PAGE, SHARED_IOVA, 2 * PAGE, READ_WRITE), EFAULT);
	CHECK(!map_dma(area + PAGE, SHARED_IOVA, PAGE, READ_WRITE));
	unmap_dma(SHARED_IOVA, PAGE);
	CHECK(!munmap((void *)(uintptr_t)shared, 2 * PAGE) && !munmap(area, 4 * PAGE));
	CHECK(!munmap((void *)(uintptr_t)only, 2 * PAGE));
}

/* An iommufd has no BARs, whether they were touched or not. */
static void test_iommufd(void)
{
	int iommufd = open_node("/dev/iommu"), device = open_node(CDEV);
	uint32_t ioas = ioas_alloc(iommufd), later = ioas_alloc(iommufd);
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = ioas};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.length = PAGE,
		.iova = SHARED_IOVA,
	};
	volatile uint32_t *shared;

	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	set_command(device, 6);
	shared = map_bar(device, 4, 2 * PAGE, PROT_READ | PROT_WRITE);
	map.user_va = (uintptr_t)(shared + WORDS);
	CHECK_ERR(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EFAULT);
	shared[WORDS] = 1;
	CHECK_ERR(ioctl(iommufd, IOMMU_IOAS_MAP, &map), EFAULT);
	/* Without a domain nobody looks; when the first comes it is refused. */
	map.ioas_id = later;
	CHECK(!ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	attach.pt_id = later;
	CHECK_ERR(ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), EFAULT);
	CHECK(!munmap((void *)(uintptr_t)shared, 2 * PAGE) && !close(device) && !close(iommufd));
}

int main(void)
{
	const unsigned long types[] = {VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU};

	mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	for (unsigned int i = 0; i < 2; i++) {
		setup(types[i]);
		test_memory(false);
		test_memory(true);
		test_registers();
		test_self();
		test_refused();
		test_silent();
		teardown();
	}
	test_iommufd();
	return 0;
}

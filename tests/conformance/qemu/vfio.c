/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The device by VFIO in the guest, behind the IOMMU that QEMU plays: its maps become maps of the
 * container outside.  Interrupts by eventfds: INTx, MSI, MSI-X.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define IOVA 0x10000000ull

static int container, group, device;
static volatile uint32_t *mem;

static volatile uint32_t *map_bar(unsigned int bar, size_t length)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = bar};
	void *p;

	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) && info.size >= length);
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(p != MAP_FAILED);
	return p;
}

static void map_dma(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = IOVA,
		.size = 16 * PAGE,
	};

	CHECK(!ioctl(container, VFIO_IOMMU_MAP_DMA, &map));
}

static void unmap_dma(void)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = IOVA, .size = 16 * PAGE};

	CHECK(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) && unmap.size == 16 * PAGE);
}

static void open_device(void)
{
	char link[PATH_MAX], path[64];
	ssize_t n;

	bind_driver("vfio-pci");
	n = readlink(device_path("iommu_group"), link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%.16s", strrchr(link, '/'));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	CHECK(container >= 0 && group >= 0);
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, device_name);
	CHECK(device >= 0);
}

static void set_command(uint16_t command)
{
	struct vfio_region_info info = {.argsz = sizeof(info),
					.index = VFIO_PCI_CONFIG_REGION_INDEX};

	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(pwrite(device, &command, 2, (off_t)info.offset + 4) == 2);
}

static void test_dma(volatile uint32_t *regs)
{
	map_dma();
	for (unsigned int i = 0; i < WORDS; i++)
		mem[i] = i * 2654435761u;
	copy(regs, IOVA, TO_DEVICE);
	for (unsigned int page = 1; page < 16; page++) {
		copy(regs, IOVA + page * PAGE, 0);
		CHECK(!memcmp((const void *)(uintptr_t)mem,
			      (const void *)(uintptr_t)(mem + page * WORDS), PAGE));
	}
	/* Unmapped, it's not reached. */
	unmap_dma();
	mem[WORDS] = 7;
	copy(regs, IOVA + PAGE, 0);
	CHECK(mem[WORDS] == 7);
	map_dma();
	copy(regs, IOVA + PAGE, 0);
	CHECK(mem[WORDS] == 0 && mem[WORDS + 1] == 2654435761u);
}

/* Vectors from @start on, each with an eventfd; none: off. */
static void set_irqs(uint32_t index, uint32_t start, const int *fds, uint32_t count)
{
	char buffer[sizeof(struct vfio_irq_set) + 8 * sizeof(int)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buffer;

	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*set) + count * sizeof(int)),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
			 (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = index,
		.start = start,
		.count = count,
	};
	if (count)
		memcpy(set->data, fds, count * sizeof(int));
	CHECK(!ioctl(device, VFIO_DEVICE_SET_IRQS, set));
}

static void take(int fd, uint64_t want)
{
	uint64_t got = 0;

	CHECK(readable(fd));
	CHECK(read(fd, &got, 8) == 8 && got == want);
}

/* MSI or MSI-X, with @count vectors. */
static void test_messages(volatile uint32_t *regs, uint32_t index, uint32_t count)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	int fds[8];

	CHECK(!ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, &info) && info.count >= count);
	for (uint32_t i = 0; i < count; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	set_irqs(index, 0, fds, count);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < count; i++) {
			regs[RAISE] = i;
			take(fds[i], 1);
		}
	}
	/* At the end of a copy. */
	copy(regs, IOVA, INTERRUPT);
	take(fds[0], 1);
	set_irqs(index, 0, NULL, 0);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t none;

		CHECK(read(fds[i], &none, 8) == -1 && errno == EAGAIN);
		close(fds[i]);
	}
}

static void test_intx(volatile uint32_t *regs)
{
	struct vfio_irq_set unmask = {
		.argsz = sizeof(unmask),
		.flags = VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_DATA_NONE,
		.index = VFIO_PCI_INTX_IRQ_INDEX,
		.count = 1,
	};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	set_irqs(VFIO_PCI_INTX_IRQ_INDEX, 0, &fd, 1);
	for (int i = 0; i < 3; i++) {
		regs[RAISE] = 0;
		take(fd, 1);
		/* Still raised, and masked; so it comes again. */
		CHECK(!ioctl(device, VFIO_DEVICE_SET_IRQS, &unmask));
		take(fd, 1);
		regs[CLEAR] = 0;
		CHECK(!ioctl(device, VFIO_DEVICE_SET_IRQS, &unmask));
	}
	set_irqs(VFIO_PCI_INTX_IRQ_INDEX, 0, NULL, 0);
	close(fd);
}

void test_vfio(void)
{
	volatile uint32_t *regs;

	mem = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(mem != MAP_FAILED);
	open_device();
	set_command(6);
	regs = map_bar(0, PAGE);
	test_dma(regs);
	test_messages(regs, VFIO_PCI_MSI_IRQ_INDEX, 1);
	test_messages(regs, VFIO_PCI_MSI_IRQ_INDEX, 8);
	test_messages(regs, VFIO_PCI_MSIX_IRQ_INDEX, 5);
	test_intx(regs);
	regs[ADDR_LO] = 1;
	CHECK(!ioctl(device, VFIO_DEVICE_RESET));
	CHECK(!regs[ADDR_LO] && !regs[CMD]);
	unmap_dma();
	set_command(6);
	test_dma(regs);
	CHECK(!close(device) && !close(group) && !close(container));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A device by DPDK's VFIO: EAL opens its group and maps its memory for it, then the device
 * copies a page from one buffer of DPDK's to another.  Prints "copied".
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_vfio.h>

#define PAGE 4096
#define SYSFS "/sys/bus/pci/devices"

static void start(volatile uint32_t *bar, rte_iova_t iova, uint32_t command)
{
	bar[0] = (uint32_t)iova;
	bar[1] = (uint32_t)(iova >> 32);
	bar[2] = command;
	while (bar[2] & 1)
		;
}

static int copy(int fd)
{
	struct vfio_region_info config = {.argsz = sizeof(config),
					  .index = VFIO_PCI_CONFIG_REGION_INDEX};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	uint8_t *from = rte_zmalloc(NULL, PAGE, PAGE), *to = rte_zmalloc(NULL, PAGE, PAGE);
	uint16_t command = 6; /* memory and bus mastering */
	volatile uint32_t *bar;

	if (!from || !to || ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info) ||
	    ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pwrite(fd, &command, 2, (off_t)config.offset + 4) != 2)
		return -1;
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)info.offset);
	if (bar == MAP_FAILED)
		return -1;
	memset(from, 0x5a, PAGE);
	start(bar, rte_malloc_virt2iova(from), 3);
	start(bar, rte_malloc_virt2iova(to), 1);
	munmap((void *)(uintptr_t)bar, info.size);
	return memcmp(from, to, PAGE);
}

int main(int argc, char **argv)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	const char *device = argv[1];
	int fd, rc;

	argv[1] = argv[0];
	if (rte_eal_init(argc - 1, argv + 1) < 0)
		return 1;
	rc = rte_vfio_setup_device(SYSFS, device, &fd, &info);
	if (rc || info.num_regions != 9 || info.num_irqs != 5) {
		fprintf(stderr, "no device %s: %d\n", device, rc);
		return 1;
	}
	rc = copy(fd);
	if (!rc)
		rc = rte_vfio_release_device(SYSFS, device, fd);
	if (!rc)
		rc = rte_eal_cleanup();
	if (!rc)
		puts("copied");
	return rc != 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the shim costs a client: bench/run.py runs this plainly, and under
 * "uiommu run".
 *
 *  client.ioctl.raw	a cheap ioctl of a descriptor that isn't ours, by syscall()
 *  client.ioctl.libc	the same by ioctl(): under the shim, the price of asking
 *  client.mmio.*	a trapped load and store; argument: the device's cdev
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../examples/uapi.h"
#include "bench.h"

static void ioctl_raw(void *arg, uint64_t n)
{
	int value, fd = *(int *)arg;

	while (n--)
		syscall(SYS_ioctl, fd, FIONREAD, &value);
}

static void ioctl_libc(void *arg, uint64_t n)
{
	int value, fd = *(int *)arg;

	while (n--)
		ioctl(fd, FIONREAD, &value);
}

/* A register of the test device that only keeps its value. */
static void mmio_load(void *arg, uint64_t n)
{
	volatile uint32_t *reg = arg;

	while (n--)
		(void)*reg;
}

static void mmio_store(void *arg, uint64_t n)
{
	volatile uint32_t *reg = arg;

	while (n--)
		*reg = 0;
}

static void *map_bar0(const char *path)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	int device = open(path, O_RDWR);
	void *bar;

	bind.iommufd = open("/dev/iommu", O_RDWR);
	if (device < 0 || bind.iommufd < 0 || ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info)) {
		perror(path);
		exit(1);
	}
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	if (bar == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return bar;
}

int main(int argc, char **argv)
{
	int pipes[2];
	void *bar;

	if (pipe(pipes))
		return 1;
	bench("client.ioctl.raw", ioctl_raw, &pipes[0]);
	bench("client.ioctl.libc", ioctl_libc, &pipes[0]);
	if (argc > 1) {
		bar = map_bar0(argv[1]);
		bench("client.mmio.load", mmio_load, bar);
		bench("client.mmio.store", mmio_store, bar);
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client with a bound and attached device, whose DMA it starts by hand, and what such
 * clients and their children tell each other.
 */
#ifndef TESTS_PRELOAD_RIG_H
#define TESTS_PRELOAD_RIG_H

#include <signal.h>
#include <sys/wait.h>

#include "client.h"

#define IOVA 0x100000ul

static int iommufd, device, queue;
static uint32_t ioas, devid;
static off_t config_at;
static volatile uint32_t *bar;

static inline void reaped(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (status)
		fprintf(stderr, "the child ended with %#x\n", (unsigned int)status);
	CHECK(!status);
}

static inline int map(int fd, uint32_t id, void *at, uint64_t iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.ioas_id = id,
		.length = 4096,
		.iova = iova,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)at,
	};

	return ioctl(fd, IOMMU_IOAS_MAP, &map);
}

static inline void unmap(uint64_t iova)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = iova,
		.length = 4096,
	};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap));
	CHECK(unmap.length == 4096);
}

/*
 * The device fetches a page, or stores the one that it fetched last: what was written
 * to memory is there before, and what is read from it is read anew.
 */
static inline void command(uint64_t iova, uint32_t cmd)
{
	__asm__ volatile("" ::: "memory");
	bar[0] = (uint32_t)iova;
	bar[1] = 0;
	bar[2] = cmd;
	__asm__ volatile("" ::: "memory");
}

static inline void fetch(uint64_t iova)
{
	command(iova, 3);
}

static inline void store(uint64_t iova)
{
	command(iova, 1);
}

static inline void setup(bool with_queue)
{
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	uint16_t command;

	iommufd = open("/dev/iommu", O_RDWR);
	device = open(CDEV, O_RDWR);
	CHECK(iommufd >= 0 && device >= 0);
	CHECK(!bind_to(device, iommufd, &devid));
	ioas = ioas_alloc(iommufd);
	attach.pt_id = ioas;
	if (with_queue) {
		CHECK(!ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &fault));
		queue = (int)fault.out_fault_fd;
		hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
		hwpt.dev_id = devid;
		hwpt.pt_id = ioas;
		hwpt.fault_id = fault.out_fault_id;
		CHECK(!ioctl(iommufd, IOMMU_HWPT_ALLOC, &hwpt));
		attach.pt_id = hwpt.out_hwpt_id;
	}
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	config_at = (off_t)info.offset;
	CHECK(pread(device, &command, 2, config_at + 4) == 2);
	command |= 6;
	CHECK(pwrite(device, &command, 2, config_at + 4) == 2);
	info.index = 0;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
}

static inline void teardown(void)
{
	CHECK(!munmap((void *)(uintptr_t)bar, 4096));
	close(device);
	close(iommufd);
	if (queue > 0)
		close(queue);
	queue = 0;
}

static inline void *page(char fill)
{
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	memset(at, fill, 4096);
	return at;
}

/* One byte each way is a step of two processes. */
struct steps {
	int to_child[2];
	int to_parent[2];
};

static inline void steps_open(struct steps *steps)
{
	CHECK(!pipe2(steps->to_child, O_CLOEXEC) && !pipe2(steps->to_parent, O_CLOEXEC));
}

static inline void steps_close(struct steps *steps)
{
	close(steps->to_child[0]);
	close(steps->to_child[1]);
	close(steps->to_parent[0]);
	close(steps->to_parent[1]);
}

static inline void tell(const int *pipe)
{
	CHECK(write(pipe[1], "x", 1) == 1);
}

static inline void wait_for(const int *pipe)
{
	char c;

	CHECK(read(pipe[0], &c, 1) == 1);
}

#endif /* TESTS_PRELOAD_RIG_H */

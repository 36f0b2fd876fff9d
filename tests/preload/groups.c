/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way in by group and container, as programs go it that know nothing else. */
#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "client.h"

#define IOVA 0x100000ull
#define PAGE 4096ull

static char group_path[32];
static uint8_t *mem;

static void find_group(void)
{
	char link[PATH_MAX];
	ssize_t n = readlink(SYS_DEVICE "/iommu_group", link, sizeof(link) - 1);
	struct stat st;

	CHECK(n > 0);
	link[n] = '\0';
	snprintf(group_path, sizeof(group_path), "/dev/vfio%s", strrchr(link, '/'));
	CHECK(!stat(group_path, &st) && S_ISCHR(st.st_mode));
	CHECK(!stat("/dev/vfio/vfio", &st) && S_ISCHR(st.st_mode));
	CHECK(st.st_rdev == makedev(10, 196));
}

/* How a library finds the container that another one has opened. */
static int container_by_link(void)
{
	DIR *d = opendir("/proc/self/fd");
	char path[64], link[64];
	struct dirent *entry;
	int found = -1;

	CHECK(d);
	while ((entry = readdir(d))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%.16s", entry->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		if (!strcmp(link, "/dev/vfio/vfio"))
			found = atoi(entry->d_name);
	}
	closedir(d);
	return found;
}

/* The device copies the page at IOVA to the one behind it. */
static void copy_page(int device)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};
	uint16_t command = 6;
	volatile uint32_t *bar;

	CHECK(pwrite(device, &command, 2, (off_t)((7ull << 40) + 4)) == 2);
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
	memset(mem, 0x5a, PAGE);
	memset(mem + PAGE, 0, PAGE);
	bar[0] = (uint32_t)IOVA;
	bar[1] = 0;
	bar[2] = 3;
	bar[0] = (uint32_t)(IOVA + PAGE);
	bar[2] = 1;
	CHECK(!(bar[2] & 1));
	CHECK(!munmap((void *)(uintptr_t)bar, info.size));
}

static void map_dma(int container)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)mem,
		.iova = IOVA,
		.size = 2 * PAGE,
	};

	CHECK(!ioctl(container, VFIO_IOMMU_MAP_DMA, &map));
}

static void run(const char *node, unsigned long type)
{
	int container = open_node(node), group = open_node(group_path), device, cdev, status;
	pid_t pid;

	CHECK_ERR(open(group_path, O_RDWR), EBUSY);
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, type));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	CHECK(device >= 0 && fcntl(device, F_GETFD) == FD_CLOEXEC);
	cdev = open_node(CDEV);
	CHECK(bind_to(cdev, container, NULL) == -EBUSY);
	if (!strcmp(node, "/dev/vfio/vfio"))
		CHECK(container_by_link() == container);
	map_dma(container);
	copy_page(device);
	CHECK(mem[PAGE] == 0x5a && mem[2 * PAGE - 1] == 0x5a);
	/* A child that has the group has the same one. */
	pid = fork();
	if (!pid) {
		CHECK_ERR(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), EINVAL);
		CHECK(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF) >= 0);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(!close(device) && !close(group) && !close(container) && !close(cdev));
}

int main(void)
{
	mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	find_group();
	run("/dev/vfio/vfio", VFIO_TYPE1_IOMMU);
	run("/dev/vfio/vfio", VFIO_TYPE1v2_IOMMU);
	run("/dev/iommu", VFIO_TYPE1v2_IOMMU);
	return 0;
}

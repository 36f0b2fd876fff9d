/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program with a library that has names of libc for itself, which come back to us by other
 * names: memory comes and goes, mapped for DMA and not, and files are what they are.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "client.h"

#define PAGE 4096ul

extern int behind_calls __attribute__((visibility("default")));

static char *page(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	*p = 1;
	return p;
}

/* What else there is while something is mapped for DMA, or nothing. */
static void memory(void)
{
	char *p = page();

	CHECK(!madvise(p, PAGE, MADV_DONTNEED) && !*p);
	CHECK(!mprotect(p, PAGE, PROT_READ) && !mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	CHECK(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == p);
	p = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED && !p[PAGE]);
	CHECK(!munmap(p, 2 * PAGE));
	p = page();
	CHECK(!syscall(SYS_mprotect, p, PAGE, PROT_READ) && !syscall(SYS_munmap, p, PAGE));
}

static void files(void)
{
	struct stat st;
	int fd;

	CHECK(!stat("/", &st) && S_ISDIR(st.st_mode));
	CHECK(!lstat("/proc/self/exe", &st) && S_ISLNK(st.st_mode));
	CHECK(!fstatat(AT_FDCWD, "/proc", &st, 0) && S_ISDIR(st.st_mode));
	CHECK(!stat("/dev/iommu", &st) && S_ISCHR(st.st_mode));
	CHECK(!lstat(SYS_DEVICE "/driver", &st) && S_ISLNK(st.st_mode));
	fd = open("/", O_RDONLY | O_DIRECTORY);
	CHECK(!fstat(fd, &st) && S_ISDIR(st.st_mode));
	CHECK(!fstatat(fd, "proc", &st, 0) && S_ISDIR(st.st_mode));
	CHECK(!close(fd));
}

int main(void)
{
	struct iommu_ioas_map map = {.size = sizeof(map), .flags = 7, .length = PAGE};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	int iommufd, device;
	char *dma;

	memory();
	files();
	CHECK(behind_calls > 0);
	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	attach.pt_id = map.ioas_id = ioas_alloc(iommufd);
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	dma = page();
	map.user_va = (uintptr_t)dma;
	map.iova = 0x100000;
	CHECK(!ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	memory();
	files();
	/* Mapped for DMA itself: moved aside, and gone for us. */
	CHECK(!madvise(dma, PAGE, MADV_DONTNEED) && !*dma);
	CHECK(!munmap(dma, PAGE));
	memory();
	CHECK(!close(device) && !close(iommufd));
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* MAP_FILE, COPY, ALLOW_IOVAS, OPTION, CHANGE_PROCESS: their rules one by one. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define R IOMMU_IOAS_MAP_READABLE
#define W IOMMU_IOAS_MAP_WRITEABLE
#define F IOMMU_IOAS_MAP_FIXED_IOVA

/* An IOVA, or -errno. */
static int64_t map(uint32_t ioas, uint32_t flags, void *va, uint64_t length)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
	};
	long rc = iommu_ioctl(IOMMU_IOAS_MAP, &cmd);

	return rc ? rc : (int64_t)cmd.iova;
}

static int64_t map_file(uint32_t ioas, uint32_t flags, int fd, uint64_t start, uint64_t length,
			uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = iova,
	};
	long rc = iommu_ioctl(IOMMU_IOAS_MAP_FILE, &cmd);

	return rc ? rc : (int64_t)cmd.iova;
}

static int64_t copy(uint32_t dst, uint32_t flags, uint64_t dst_iova, uint32_t src,
		    uint64_t src_iova, uint64_t length)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = length,
		.dst_iova = dst_iova,
		.src_iova = src_iova,
	};
	long rc = iommu_ioctl(IOMMU_IOAS_COPY, &cmd);

	return rc ? rc : (int64_t)cmd.dst_iova;
}

static long allow(uint32_t ioas, const struct iommu_iova_range *ranges, uint32_t nr)
{
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = nr,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return iommu_ioctl(IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

/* The value, or -errno. */
static long option(uint32_t id, uint16_t op, uint32_t object, uint64_t value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = value,
	};
	long rc = iommu_ioctl(IOMMU_OPTION, &cmd);

	return rc ? rc : (long)cmd.val64;
}

static long change_process(void)
{
	struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return iommu_ioctl(IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

static int make_memfd(uint64_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

/* A device that is attached to the IOAS. */
static struct iommufd_device *attached(struct fake_device *dev, uint32_t ioas)
{
	struct iommufd_device *idev = bind(iommufd, dev);

	assert_false(UIOMMU_IS_ERR(idev));
	assert_int_equal(iommufd_device_attach(idev, 0, &ioas), 0);
	return idev;
}

static void test_map_file_errors(void **state)
{
	uint32_t ioas = ioas_alloc();
	int fd = make_memfd(4 * PAGE), path = open("/dev/null", O_PATH);

	assert_int_equal(map_file(ioas, 0, fd, 0, PAGE, 0), -EINVAL);
	assert_int_equal(map_file(ioas, R | 8, fd, 0, PAGE, 0), -EOPNOTSUPP);
	assert_int_equal(map_file(ioas + 7, R, fd, 0, PAGE, 0), -ENOENT);
	assert_int_equal(map_file(ioas, R, fd, 0, UINT64_MAX, 0), -EOVERFLOW);
	assert_int_equal(map_file(ioas, R | F, fd, 0, PAGE, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(map_file(ioas, R, fd, 0, 0, 0), -EINVAL);
	assert_int_equal(map_file(ioas, R, fd, UINT64_MAX, PAGE, 0), -EOVERFLOW);
	assert_int_equal(map_file(ioas, R, -1, 0, PAGE, 0), -EBADF);
	assert_int_equal(map_file(ioas, R, path, 0, PAGE, 0), -EBADF);
	assert_int_equal(map_file(ioas, R, -1, PAGE, 0 - PAGE, 0), -EBADF);
	assert_int_equal(map_file(ioas, R, fd, PAGE, 0 - PAGE, 0), -EINVAL);
	assert_int_equal(map_file(ioas, R, fd, PAGE, 0 - 2 * PAGE, 0), -EOVERFLOW);
	assert_int_equal(counts().areas, 0);
	close(path);
	close(fd);
}

/* As far as addresses go, while nothing reaches it. */
static void test_map_file_large(void **state)
{
	uint32_t ioas = ioas_alloc();
	int fd = make_memfd(4 * PAGE);

	assert_int_equal(map_file(ioas, R | F, fd, 2 * PAGE, 0 - 2 * PAGE, PAGE), PAGE);
	assert_int_equal(ioas_unmap(ioas, PAGE, 0 - 2 * PAGE), 0 - 2 * PAGE);
	close(fd);
}

/* What the file says is what DMA says, also when the descriptor is gone. */
static void test_map_file(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = attached(dev, ioas);
	int fd = make_memfd(4 * PAGE);
	uint64_t word = 0x1122334455667788, got = 0;
	char *view = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(view, MAP_FAILED);
	/* Past its end there is nothing to have. */
	assert_int_equal(map_file(ioas, R, fd, 0, 5 * PAGE, 0), -EINVAL);
	assert_int_equal(map_file(ioas, R | W | F, fd, PAGE, 2 * PAGE, 0x100000), 0x100000);
	/* The place is aligned as the offset is. */
	assert_int_equal(map_file(ioas, R | W, fd, PAGE, 2 * PAGE, 0), 0x1000);
	assert_int_equal(map_file(ioas, R | W, fd, 0, 3 * PAGE, 0), 0x4000);
	close(fd);
	memcpy(view + PAGE + 8, &word, 8);
	munmap(view, 4 * PAGE);
	assert_int_equal(dma_read(dev, 0, 0x100008, &got, 8), 0);
	assert_int_equal(got, word);
	assert_int_equal(dma_read(dev, 0, 0x5008, &got, 8), 0);
	assert_int_equal(got, word);
	assert_int_equal(counts().areas, 3);
	assert_int_equal(ioas_unmap(ioas, 0x100000, 2 * PAGE), 2 * PAGE);
	assert_int_equal(dma_read(dev, 0, 0x100008, &got, 8), -ENOENT);
	assert_int_equal(counts().areas, 2);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

/* Any file can be mapped, until it matters what is in it. */
static void test_map_other_files(void **state)
{
	uint32_t ioas = ioas_alloc(), id = ioas;
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = bind(iommufd, dev);
	int null = open("/dev/null", O_RDWR), fd = make_memfd(0);
	int ro, rofd = make_memfd(PAGE);
	char path[64];
	uint64_t got;

	assert_int_equal(map_file(ioas, R | F, null, 0, PAGE, 0x10000), 0x10000);
	assert_int_equal(iommufd_device_attach(idev, 0, &id), -EINVAL);
	assert_int_equal(ioas_unmap(ioas, 0x10000, PAGE), PAGE);
	/* Too long for anything. */
	assert_int_equal(map_file(ioas, R | F, fd, 0, 1ull << 60, 0), 0);
	assert_int_equal(ioas_unmap(ioas, 0, 1ull << 60), 1ull << 60);
	/* A file that grows is looked at when it is used. */
	assert_int_equal(map_file(ioas, R | F, fd, 0, PAGE, 0x10000), 0x10000);
	assert_int_equal(iommufd_device_attach(idev, 0, &id), -EINVAL);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &id), 0);
	assert_int_equal(dma_read(dev, 0, 0x10000, &got, 8), 0);
	assert_int_equal(map_file(ioas, R | F, null, 0, PAGE, 0x20000), -EINVAL);
	/* How it was opened doesn't count. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rofd);
	ro = open(path, O_RDONLY);
	assert_true(ro >= 0);
	assert_int_equal(map_file(ioas, R | W | F, ro, 0, PAGE, 0x30000), 0x30000);
	close(ro);
	close(rofd);
	close(fd);
	close(null);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

static void test_copy(void **state)
{
	uint32_t a = ioas_alloc(), b = ioas_alloc();

	assert_int_equal(ioas_map(a, 0x10000, memory, PAGE), 0);
	assert_int_equal(ioas_map(a, 0x11000, memory + PAGE, PAGE), 0);
	assert_int_equal(copy(b, 0, 0, a, 0x10000, PAGE), -EINVAL);
	assert_int_equal(copy(b, R | 1 << 16, 0, a, 0x10000, PAGE), -EOPNOTSUPP);
	assert_int_equal(copy(b, R, 0, a, 0x10000, UINT64_MAX), -EOVERFLOW);
	assert_int_equal(copy(b, R, 0, a, UINT64_MAX, PAGE), -EOVERFLOW);
	assert_int_equal(copy(b, R, UINT64_MAX, a, 0x10000, PAGE), -EOVERFLOW);
	assert_int_equal(copy(b, R, 0, 99, 0x10000, PAGE), -ENOENT);
	assert_int_equal(copy(99, R, 0, a, 0x10000, PAGE), -ENOENT);
	assert_int_equal(copy(b, R, 0, a, 0x10000, 0), -EINVAL);
	assert_int_equal(copy(b, R, 0, a, UINT64_MAX - 1, PAGE), -EOVERFLOW);
	assert_int_equal(copy(b, R, 0, a, 0xf000, PAGE), -ENOENT);
	assert_int_equal(copy(b, R, 0, a, 0x10000, 3 * PAGE), -ENOENT);
	/* Parts of both, as two areas: each can be unmapped alone. */
	assert_int_equal(copy(b, R | W | F, 0x800, a, 0x10800, PAGE), 0x800);
	assert_int_equal(counts().areas, 4);
	assert_int_equal(copy(b, R | W | F, 0x1000, a, 0x10800, PAGE), -EEXIST);
	assert_int_equal(ioas_unmap(b, 0x1000, 0x800), 0x800);
	assert_int_equal(ioas_unmap(b, 0, UINT64_MAX), 0x800);
	/* An automatic place keeps the offset in the page. */
	assert_int_equal(copy(b, R, 0, a, 0x10800, 0x800), 0x1800);
	/* Within one address space as well. */
	assert_int_equal(copy(a, R | F, 0x20000, a, 0x10000, 2 * PAGE), 0x20000);
	assert_int_equal(counts().areas, 5);
}

/* A copy has any right that the memory was first mapped for, and no other. */
static void test_copy_rights(void **state)
{
	uint32_t a = ioas_alloc(), b = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = attached(dev, b);
	int64_t ro = map(a, R, memory, PAGE), rw = map(a, R | W, memory, PAGE), rw_ro;
	uint64_t got;

	assert_true(ro > 0 && rw > 0);
	assert_int_equal(copy(b, R | W, 0, a, (uint64_t)ro, PAGE), -EPERM);
	rw_ro = copy(a, R, 0, a, (uint64_t)rw, PAGE);
	assert_true(rw_ro > 0);
	assert_true(copy(b, R | W, 0, a, (uint64_t)rw_ro, PAGE) > 0);
	memory[5] = 42;
	assert_int_equal(copy(b, R | F, 0x50000, a, (uint64_t)ro, PAGE), 0x50000);
	assert_int_equal(dma_read(dev, 0, 0x50005, &got, 1), 0);
	assert_int_equal((char)got, 42);
	/* A domain wants memory that is there; and alignment comes first. */
	ro = map(a, R, memory + 2 * PAGE, PAGE);
	assert_int_equal(copy(b, R, 0, a, (uint64_t)ro, PAGE), -EFAULT);
	assert_int_equal(copy(b, R, 0, a, (uint64_t)ro, PAGE / 2), -EINVAL);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

static void test_allow(void **state)
{
	const struct iommu_iova_range two[] = {{0x200000, 0x203fff}, {0x100000, 0x101fff}};
	const struct iommu_iova_range overlap[] = {{0x1000, 0x1fff}, {0x1fff, 0x2fff}};
	const struct iommu_iova_range empty = {0x1000, 0x1000};
	const struct iommu_iova_range joined[] = {{0x301000, 0x301fff}, {0x300000, 0x300fff}};
	const struct iommu_iova_range high = {0, UINT64_MAX};
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev;
	/* Aligned; nobody looks at it while there is no domain. */
	void *va = (void *)0x200000;

	assert_int_equal(allow(ioas + 9, two, 2), -ENOENT);
	assert_int_equal(allow(ioas, overlap, 2), -EINVAL);
	assert_int_equal(allow(ioas, &empty, 1), -EINVAL);
	assert_int_equal(allow(ioas, (void *)(memory + 2 * PAGE), 1), -EFAULT);
	assert_int_equal(allow(ioas, two, 2), 0);
	/* The lowest place that fits; what fails leaves the list as it was. */
	assert_int_equal(allow(ioas, overlap, 2), -EINVAL);
	assert_int_equal(map(ioas, R, va, 2 * PAGE), 0x100000);
	assert_int_equal(map(ioas, R, va, PAGE), 0x200000);
	assert_int_equal(map(ioas, R, va, 2 * PAGE), 0x202000);
	assert_int_equal(map(ioas, R, va, 2 * PAGE), -ENOSPC);
	/* A fixed place is free to be elsewhere. */
	assert_int_equal(ioas_map(ioas, 0x400000, memory, PAGE), 0);
	/* Two that touch are one. */
	assert_int_equal(allow(ioas, joined, 2), 0);
	assert_int_equal(map(ioas, R, va, 2 * PAGE), 0x300000);
	/* None: everywhere. */
	assert_int_equal(allow(ioas, NULL, 0), 0);
	assert_int_equal(map(ioas, R, va, PAGE), 0x1000);
	/* What is allowed and what a domain can't have don't go together. */
	assert_int_equal(allow(ioas, &high, 1), 0);
	assert_true(ioas_unmap(ioas, 0, UINT64_MAX) > 0);
	idev = bind(iommufd, dev);
	assert_int_equal(iommufd_device_attach(idev, 0, &(uint32_t){ioas}), -EADDRINUSE);
	assert_int_equal(allow(ioas, two, 2), 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &(uint32_t){ioas}), 0);
	assert_int_equal(allow(ioas, &high, 1), -EADDRINUSE);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

static void test_rlimit_mode(void **state)
{
	const uint32_t mode = IOMMU_OPTION_RLIMIT_MODE;
	uint32_t ioas;
	long rc;

	assert_int_equal(option(mode, IOMMU_OPTION_OP_GET, 0, 7), 0);
	assert_int_equal(option(mode, IOMMU_OPTION_OP_GET, 1, 0), -EOPNOTSUPP);
	assert_int_equal(option(mode, 2, 0, 0), -EOPNOTSUPP);
	assert_int_equal(option(2, IOMMU_OPTION_OP_GET, 0, 0), -EOPNOTSUPP);
	rc = option(mode, IOMMU_OPTION_OP_SET, 0, 1);
	if (rc == -EPERM)
		return; /* not for us to try */
	assert_int_equal(rc, 1);
	assert_int_equal(option(mode, IOMMU_OPTION_OP_GET, 0, 0), 1);
	assert_int_equal(option(mode, IOMMU_OPTION_OP_SET, 0, 2), -EINVAL);
	ioas = ioas_alloc();
	assert_int_equal(option(mode, IOMMU_OPTION_OP_SET, 0, 2), -EBUSY);
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(option(mode, IOMMU_OPTION_OP_SET, 0, 0), 0);
}

static void test_huge_pages(void **state)
{
	const uint32_t huge = IOMMU_OPTION_HUGE_PAGES;
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev;

	assert_int_equal(option(huge, IOMMU_OPTION_OP_GET, ioas, 0), 1);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_GET, 99, 0), -ENOENT);
	assert_int_equal(option(huge, 2, ioas, 0), -EOPNOTSUPP);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 2), -EINVAL);
	assert_int_equal(ioas_map(ioas, 0x10001, memory + 1, 7), 0);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 0), -EADDRINUSE);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_GET, ioas, 0), 1);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), 7);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 0), 0);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_GET, ioas, 0), 0);
	assert_int_equal(ioas_map(ioas, 0x10001, memory + 1, 7), -EINVAL);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 1), 1);
	assert_int_equal(ioas_map(ioas, 0x10000, memory, PAGE), 0);
	idev = attached(dev, ioas);
	/* There are a domain and a map: too late. */
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 0), -EINVAL);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), PAGE);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 0), 0);
	assert_int_equal(option(huge, IOMMU_OPTION_OP_SET, ioas, 0), 0);
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
	device_free(dev);
}

static void test_change_process(void **state)
{
	uint32_t a = ioas_alloc(), b = ioas_alloc();
	int fd = make_memfd(PAGE);

	assert_int_equal(change_process(), 0);
	assert_int_equal(map_file(a, R, fd, 0, PAGE, 0), 0x1000);
	assert_int_equal(copy(b, R, 0, a, 0x1000, PAGE), 0x1000);
	assert_int_equal(change_process(), 0);
	assert_int_equal(ioas_map(b, 0x10000, memory, PAGE), 0);
	assert_int_equal(change_process(), -EINVAL);
	assert_int_equal(ioas_unmap(b, 0x10000, PAGE), PAGE);
	assert_int_equal(change_process(), 0);
	close(fd);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RULE(test_map_file_errors), RULE(test_map_file),    RULE(test_map_file_large),
		RULE(test_map_other_files), RULE(test_copy),	    RULE(test_copy_rights),
		RULE(test_allow),	    RULE(test_rlimit_mode), RULE(test_huge_pages),
		RULE(test_change_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

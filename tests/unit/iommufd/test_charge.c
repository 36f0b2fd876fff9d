// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who pays for what is mapped: RLIMIT_MODE, limits, copies, CHANGE_PROCESS. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../caps.h"
#include "uapi/vfio.h"

#define R IOMMU_IOAS_MAP_READABLE
#define F IOMMU_IOAS_MAP_FIXED_IOVA

static int shared;
static struct rlimit had;

static int charge_setup(void **state)
{
	setup(state);
	shared = memfd_create("charges", MFD_CLOEXEC);
	assert_int_equal(uiommu_charges_share(ctx, shared), 0);
	getrlimit(RLIMIT_MEMLOCK, &had);
	cap_ipc_lock(false);
	return 0;
}

static int charge_teardown(void **state)
{
	setrlimit(RLIMIT_MEMLOCK, &had);
	cap_ipc_lock(true);
	teardown(state);
	close(shared);
	return 0;
}

static void limit_pages(uint64_t pages)
{
	struct rlimit limit = {.rlim_cur = pages * PAGE, .rlim_max = had.rlim_max};

	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

#define assert_charges(pid, pins, locks)                                                           \
	do {                                                                                       \
		struct uiommu_charges now_;                                                        \
		assert_int_equal(uiommu_charges_read(shared, pid, &now_), 0);                      \
		assert_int_equal(now_.pinned, pins);                                               \
		assert_int_equal(now_.locked, locks);                                              \
	} while (0)

/* 0, or -errno: to set it takes a right. */
static long by_mm(uint64_t value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_SET,
		.val64 = value,
	};

	return iommu_ioctl(IOMMU_OPTION, &cmd);
}

static long copy(uint32_t dst, uint64_t dst_iova, uint32_t src, uint64_t src_iova, uint64_t length)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = R | F,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = length,
		.dst_iova = dst_iova,
		.src_iova = src_iova,
	};

	return iommu_ioctl(IOMMU_IOAS_COPY, &cmd);
}

static long map_file(uint32_t ioas, int fd, uint64_t length, uint64_t iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = R | F,
		.ioas_id = ioas,
		.fd = fd,
		.length = length,
		.iova = iova,
	};

	return iommu_ioctl(IOMMU_IOAS_MAP_FILE, &cmd);
}

static long change_process(struct uiommu_mm *of)
{
	/* Another process has it as well. */
	static struct iommu_ioas_change_process cmd = {.size = sizeof(cmd)};

	return uiommu_file_ioctl(iommufd, of, IOMMU_IOAS_CHANGE_PROCESS, (uintptr_t)&cmd);
}

static struct iommufd_device *attached(struct fake_device *dev, uint32_t ioas)
{
	struct iommufd_device *idev = bind(iommufd, dev);

	assert_false(UIOMMU_IS_ERR(idev));
	assert_int_equal(iommufd_device_attach(idev, 0, &ioas), 0);
	return idev;
}

static void release(struct iommufd_device *idev)
{
	iommufd_device_detach(idev, 0);
	iommufd_device_unbind(idev);
}

/* Domains come and go, maps are there or come later. */
static void test_domains(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct fake_device *devs[] = {device_new(NULL), device_new(NULL)};
	struct iommufd_device *idevs[2];

	assert_int_equal(ioas_map(ioas, 0x10000, memory, PAGE), 0);
	assert_charges(getpid(), 0, 0);
	idevs[0] = attached(devs[0], ioas);
	assert_charges(getpid(), 1, 0);
	assert_int_equal(ioas_map(ioas, 0x20000, memory, 2 * PAGE), 0);
	assert_charges(getpid(), 3, 0);
	idevs[1] = attached(devs[1], ioas);
	assert_charges(getpid(), 3, 0);
	assert_int_equal(ioas_unmap(ioas, 0x10000, PAGE), PAGE);
	assert_charges(getpid(), 2, 0);
	release(idevs[0]);
	assert_charges(getpid(), 2, 0);
	release(idevs[1]);
	assert_charges(getpid(), 0, 0);
	for (int i = 0; i < 2; i++)
		device_free(devs[i]);
}

/* What copies share is charged once, until the last is gone. */
static void test_copies(void **state)
{
	uint32_t a = ioas_alloc(), b = ioas_alloc();
	struct fake_device *dev = device_new(NULL), *other = device_new(NULL);
	struct iommufd_device *idev = attached(dev, a), *idev_b;

	assert_int_equal(ioas_map(a, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(copy(a, 0x20000, a, 0x10000, 2 * PAGE), 0);
	assert_int_equal(copy(b, 0x20000, a, 0x10000 + PAGE, PAGE), 0);
	assert_charges(getpid(), 2, 0);
	idev_b = attached(other, b);
	assert_charges(getpid(), 2, 0);
	/* The same memory, mapped anew, isn't the same map. */
	assert_int_equal(ioas_map(b, 0x40000, memory, PAGE), 0);
	assert_charges(getpid(), 3, 0);
	assert_int_equal(ioas_unmap(a, 0, UINT64_MAX), 4 * PAGE);
	assert_charges(getpid(), 2, 0);
	assert_int_equal(ioas_unmap(b, 0x20000, PAGE), PAGE);
	assert_charges(getpid(), 1, 0);
	release(idev_b);
	release(idev);
	assert_charges(getpid(), 0, 0);
	device_free(other);
	device_free(dev);
}

static void test_limit(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = bind(iommufd, dev);
	uint32_t pt = ioas;

	limit_pages(2);
	/* Nothing is pinned yet. */
	assert_int_equal(ioas_map(ioas, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(ioas_map(ioas, 0x20000, memory, PAGE), 0);
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), -ENOMEM);
	assert_charges(getpid(), 0, 0);
	limit_pages(3);
	pt = ioas;
	assert_int_equal(iommufd_device_attach(idev, 0, &pt), 0);
	assert_charges(getpid(), 3, 0);
	/* Memory that can't be had comes first. */
	assert_int_equal(ioas_map(ioas, 0x30000, memory, 3 * PAGE), -EFAULT);
	assert_int_equal(ioas_map(ioas, 0x30000, memory, PAGE), -ENOMEM);
	assert_int_equal(ioas_unmap(ioas, 0x30000, PAGE), -ENOENT);
	assert_int_equal(ioas_unmap(ioas, 0x20000, PAGE), PAGE);
	assert_int_equal(ioas_map(ioas, 0x30000, memory, PAGE), 0);
	/* Who has the capability is counted, and not for the limit. */
	if (cap_ipc_lock(true)) {
		assert_int_equal(ioas_map(ioas, 0x40000, memory, 2 * PAGE), 0);
		assert_charges(getpid(), 5, 0);
		cap_ipc_lock(false);
		assert_int_equal(ioas_unmap(ioas, 0x30000, PAGE), PAGE);
		assert_int_equal(ioas_map(ioas, 0x30000, memory, PAGE), 0);
	}
	release(idev);
	assert_charges(getpid(), 0, 0);
	device_free(dev);
}

static void test_mode(void **state)
{
	struct fake_device *dev;
	struct iommufd_device *idev;
	uint32_t ioas;

	if (by_mm(1))
		skip();
	ioas = ioas_alloc();
	dev = device_new(NULL);
	idev = attached(dev, ioas);
	assert_int_equal(ioas_map(ioas, 0x10000, memory, 2 * PAGE), 0);
	assert_charges(getpid(), 2, 2);
	assert_int_equal(ioas_unmap(ioas, 0x10000, 2 * PAGE), 2 * PAGE);
	assert_charges(getpid(), 0, 0);
	release(idev);
	device_free(dev);
}

/* The old ioctls charge as the new ones do. */
static void test_vfio(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = attached(dev, ioas);
	struct iommu_vfio_ioas set = {
		.size = sizeof(set), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.vaddr = (uintptr_t)memory,
		.iova = 0x10000,
		.size = 2 * PAGE,
	};

	assert_int_equal(iommu_ioctl(IOMMU_VFIO_IOAS, &set), 0);
	limit_pages(1);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_MAP_DMA, &map), -ENOMEM);
	limit_pages(2);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_MAP_DMA, &map), 0);
	assert_charges(getpid(), 2, 0);
	release(idev);
	device_free(dev);
}

/* A process that does nothing. */
static pid_t other_process(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return pid;
}

static void other_end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void change_in_mode(bool mm_mode)
{
	uint32_t a = ioas_alloc(), b = ioas_alloc();
	struct fake_device *devs[] = {device_new(NULL), device_new(NULL)};
	struct iommufd_device *idevs[] = {attached(devs[0], a), attached(devs[1], b)};
	int fd = memfd_create("test", MFD_CLOEXEC);
	pid_t child = other_process();
	struct uiommu_mm *other = uiommu_mm_of(ctx, child);

	assert_false(UIOMMU_IS_ERR(other));
	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	limit_pages(1024);
	assert_int_equal(map_file(a, fd, 2 * PAGE, 0x10000), 0);
	assert_int_equal(map_file(b, fd, 3 * PAGE, 0x10000), 0);
	assert_int_equal(copy(b, 0x20000, a, 0x10000, 2 * PAGE), 0);
	assert_charges(getpid(), 5, mm_mode ? 5 : 0);
	assert_charges(child, 0, 0);
	assert_int_equal(change_process(mm), 0);
	assert_charges(getpid(), 5, mm_mode ? 5 : 0);
	assert_int_equal(change_process(other), 0);
	assert_charges(getpid(), 0, 0);
	assert_charges(child, 5, mm_mode ? 5 : 0);
	/* Its limit was not what counted; ours is, for us. */
	limit_pages(4);
	assert_int_equal(change_process(mm), -ENOMEM);
	assert_charges(getpid(), 0, 0);
	assert_charges(child, 5, mm_mode ? 5 : 0);
	assert_int_equal(ioas_unmap(a, 0x10000, 2 * PAGE), 2 * PAGE);
	assert_charges(child, 5, mm_mode ? 5 : 0);
	assert_int_equal(ioas_unmap(b, 0x20000, 2 * PAGE), 2 * PAGE);
	assert_charges(child, 3, mm_mode ? 3 : 0);
	assert_int_equal(ioas_map(b, 0x20000, memory, PAGE), 0);
	assert_int_equal(change_process(mm), -EINVAL);
	assert_charges(child, 3, mm_mode ? 3 : 0);
	assert_charges(getpid(), 1, mm_mode ? 1 : 0);
	for (int i = 0; i < 2; i++) {
		release(idevs[i]);
		device_free(devs[i]);
	}
	assert_charges(child, 0, 0);
	other_end(child);
	uiommu_mm_put(other);
	close(fd);
}

static void test_change_user(void **state)
{
	change_in_mode(false);
}

static void test_change_mm(void **state)
{
	if (by_mm(1))
		skip();
	change_in_mode(true);
}

/* Closing all is enough. */
static void test_close(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct fake_device *dev = device_new(NULL);
	struct iommufd_device *idev = attached(dev, ioas);

	assert_int_equal(ioas_map(ioas, 0x10000, memory, 2 * PAGE), 0);
	assert_int_equal(copy(ioas, 0x20000, ioas, 0x10000, PAGE), 0);
	uiommu_file_put(iommufd);
	iommufd = NULL;
	assert_charges(getpid(), 2, 0);
	release(idev);
	assert_charges(getpid(), 0, 0);
	device_free(dev);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, charge_setup, charge_teardown)
	const struct CMUnitTest tests[] = {
		RULE(test_domains), RULE(test_copies),	    RULE(test_limit),	  RULE(test_mode),
		RULE(test_vfio),    RULE(test_change_user), RULE(test_change_mm), RULE(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

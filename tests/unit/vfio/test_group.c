// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Groups: who may open one, what its container may be, and the files it gives.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "vfio/group.h"

static long set_container(struct client *c, int group, int fd)
{
	return do_ioctl(c, group, VFIO_GROUP_SET_CONTAINER, &fd);
}

static uint32_t status(struct client *c, int group)
{
	struct vfio_group_status arg = {.argsz = sizeof(arg)};

	assert_int_equal(do_ioctl(c, group, VFIO_GROUP_GET_STATUS, &arg), 0);
	return arg.flags;
}

static long device_fd(struct client *c, int group, const char *name)
{
	return do_ioctl(c, group, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)name);
}

static void test_one_open(void **state)
{
	struct vfio_group_status arg = {.argsz = 7};
	struct client c;
	int fd, group;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(open_group(&c), -EBUSY);
	do_close(&c, fd);
	group = open_group(&c);
	assert_int_equal(open_group(&c), -EBUSY);
	fd = open_device(&c);
	assert_int_equal(bind_device(&c, fd, 0), -EBUSY);
	assert_int_equal(status(&c, group), VFIO_GROUP_FLAGS_VIABLE);
	assert_int_equal(do_ioctl(&c, group, VFIO_GROUP_GET_STATUS, &arg), -EINVAL);
	assert_int_equal(do_ioctl(&c, group, VFIO_GROUP_GET_STATUS, (void *)BAD_POINTER), -EFAULT);
	assert_int_equal(do_ioctl(&c, group, VFIO_GET_API_VERSION, NULL), -ENOTTY);
	assert_int_equal(device_fd(&c, group, c.pdev->name), -EINVAL);
	assert_int_equal(do_ioctl(&c, group, VFIO_GROUP_UNSET_CONTAINER, NULL), -EINVAL);
	do_close(&c, group);
	assert_int_equal(bind_device(&c, fd, 0), 0);
	client_close(&c);
}

static void test_set_container(void **state)
{
	struct client c;
	int group;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/vfio/vfio", O_RDWR), 0);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 1);
	group = open_group(&c);
	assert_int_equal(do_ioctl(&c, group, VFIO_GROUP_SET_CONTAINER, (void *)BAD_POINTER),
			 -EFAULT);
	assert_int_equal(set_container(&c, group, 9), -EBADF);
	assert_int_equal(set_container(&c, group, OTHER_FD), -EBADFD);
	assert_int_equal(set_container(&c, group, group), -EBADFD);
	assert_int_equal(set_container(&c, group, 0), 0);
	assert_int_equal(set_container(&c, group, 1), -EINVAL);
	assert_int_equal(set_container(&c, group, OTHER_FD), -EINVAL);
	assert_int_equal(status(&c, group), 3);
	assert_int_equal(do_ioctl(&c, group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(set_container(&c, group, 1), 0);
	/* The group keeps it. */
	do_close(&c, 1);
	assert_int_equal(status(&c, group), 3);
	client_close(&c);
}

static void test_names(void **state)
{
	char text[64], *page;
	struct client c;
	char long_name[5000];
	size_t length;
	int fd;

	client_open(&c);
	fd = open_in_container(&c, VFIO_TYPE1_IOMMU);
	assert_int_equal(fd, 2);
	assert_int_equal(device_fd(&c, 1, "0000:77:00.0"), -ENODEV);
	snprintf(text, sizeof(text), "%s   ", c.pdev->name);
	fd = (int)device_fd(&c, 1, text);
	assert_int_equal(fd, 3);
	snprintf(text, sizeof(text), "%s1", c.pdev->name);
	assert_int_equal(device_fd(&c, 1, text), -ENODEV);
	snprintf(text, sizeof(text), "%s vf_token=1", c.pdev->name);
	assert_int_equal(device_fd(&c, 1, text), -EINVAL);
	memset(long_name, 'a', sizeof(long_name));
	assert_int_equal(device_fd(&c, 1, long_name), -EINVAL);
	assert_int_equal(device_fd(&c, 1, (char *)BAD_POINTER), -EFAULT);
	/* The page behind isn't read if the name ends before, and is if not. */
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 4096, 4096);
	length = strlen(c.pdev->name);
	strcpy(page + 4095 - length, c.pdev->name);
	assert_int_equal(device_fd(&c, 1, page + 4095 - length), 4);
	memcpy(page + 4096 - length, c.pdev->name, length);
	assert_int_equal(device_fd(&c, 1, page + 4096 - length), -EFAULT);
	munmap(page, 4096);
	c.full = true;
	assert_int_equal(device_fd(&c, 1, c.pdev->name), -EMFILE);
	client_close(&c);
}

/* Open by a container: it keeps group and container; by an iommufd: only that. */
static void test_what_keeps(void **state)
{
	uint32_t pt[4] = {12};
	struct client c;
	int fd;

	client_open(&c);
	fd = open_in_container(&c, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, pt), -ENOTTY);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, pt), -ENOTTY);
	assert_int_equal(bind_device(&c, fd, 0), -EINVAL);
	do_close(&c, 0);
	do_close(&c, 1);
	assert_int_equal(open_group(&c), -EBUSY);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	do_close(&c, fd);

	fd = open_in_container(&c, 0);
	assert_int_equal(fd, 2);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	assert_int_equal(status(&c, 1), 0);
	/* The iommufd still has the group. */
	assert_int_equal(do_open(&c, "/dev/vfio/vfio", O_RDWR), 3);
	assert_int_equal(set_container(&c, 1, 3), -EPERM);
	do_close(&c, 1);
	assert_int_equal(open_group(&c), 1);
	do_close(&c, 1);
	/* And so does its file of the node. */
	assert_int_equal(open_device(&c), 1);
	assert_int_equal(bind_device(&c, 1, 0), -EINVAL);
	do_close(&c, fd);
	assert_int_equal(bind_device(&c, 1, 0), 0);
	client_close(&c);
}

static void test_two_in_a_group(void **state)
{
	struct uiommu_pci_device *second;
	struct client c;
	int fd, other;

	client_open_spec(&c, "ats-testdev,group=g@beef:05:00.0");
	assert_int_equal(
		uiommu_pci_device_add(c.ctx, "ats-testdev,group=g@beef:05:00.1", &second, NULL, 0),
		0);
	fd = open_in_container(&c, VFIO_TYPE1_IOMMU);
	other = (int)device_fd(&c, 1, second->name);
	assert_int_equal(other, 3);
	do_close(&c, fd);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_UNSET_CONTAINER, NULL), -EBUSY);
	do_close(&c, other);
	assert_int_equal(do_ioctl(&c, 1, VFIO_GROUP_UNSET_CONTAINER, NULL), 0);
	client_close(&c);
}

/* With a device of the group on a driver that does DMA nobody gets the others. */
static void test_other_driver(void **state)
{
	struct uiommu_pci_device *second;
	struct client c;
	int fd;

	client_open_spec(&c, "ats-testdev,group=g@beef:05:00.0");
	assert_int_equal(
		uiommu_pci_device_add(c.ctx, "ats-testdev,group=g@beef:05:00.1", &second, NULL, 0),
		0);
	c.other = second->name;
	c.other_driver = "other";
	assert_int_equal(do_open(&c, "/dev/vfio/vfio", O_RDWR), 0);
	assert_int_equal(open_group(&c), 1);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 2);
	assert_int_equal(status(&c, 1), 0);
	assert_int_equal(set_container(&c, 1, 0), -EPERM);
	/* An iommufd is asked for each device only. */
	assert_int_equal(set_container(&c, 1, 2), 0);
	assert_int_equal(status(&c, 1), 3);
	assert_int_equal(device_fd(&c, 1, c.pdev->name), -EPERM);
	assert_int_equal(device_fd(&c, 1, second->name), -ENODEV);
	do_close(&c, 1);
	fd = open_device(&c);
	assert_int_equal(bind_device(&c, fd, 9), -EBADF);
	assert_int_equal(bind_device(&c, fd, 2), -EPERM);
	/* Without a driver, or with one that leaves DMA alone, it does no harm. */
	c.other_driver = "pci-stub";
	assert_int_equal(bind_device(&c, fd, 2), 0);
	do_close(&c, fd);
	c.other_driver = "";
	do_close(&c, 0);
	do_close(&c, 2);
	assert_int_equal(open_in_container(&c, VFIO_TYPE1_IOMMU), 2);
	assert_int_equal(device_fd(&c, 1, second->name), -ENODEV);
	client_close(&c);
}

/* A device that can't be attached isn't open. */
static void test_compat_attach_fails(void **state)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.length = 4096,
		.iova = 0xfee00000, /* interrupts */
	};
	struct iommu_vfio_ioas ioas = {.size = sizeof(ioas), .op = IOMMU_VFIO_IOAS_GET};
	struct client c;
	void *page;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 0);
	assert_int_equal(open_group(&c), 1);
	assert_int_equal(set_container(&c, 1, 0), 0);
	assert_int_equal(do_ioctl(&c, 0, IOMMU_VFIO_IOAS, &ioas), 0);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map.ioas_id = ioas.ioas_id;
	map.user_va = (uintptr_t)page;
	assert_int_equal(do_ioctl(&c, 0, IOMMU_IOAS_MAP, &map), 0);
	assert_int_equal(device_fd(&c, 1, c.pdev->name), -EADDRINUSE);
	ioas.op = IOMMU_VFIO_IOAS_CLEAR;
	assert_int_equal(do_ioctl(&c, 0, IOMMU_VFIO_IOAS, &ioas), 0);
	assert_int_equal(device_fd(&c, 1, c.pdev->name), -ENODEV);
	do_close(&c, 1);
	assert_int_equal(open_device(&c), 1);
	assert_int_equal(bind_device(&c, 1, 0), 0);
	client_close(&c);
	munmap(page, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_open),       cmocka_unit_test(test_set_container),
		cmocka_unit_test(test_names),	       cmocka_unit_test(test_what_keeps),
		cmocka_unit_test(test_two_in_a_group), cmocka_unit_test(test_compat_attach_fails),
		cmocka_unit_test(test_other_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

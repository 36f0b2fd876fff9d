// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Hot reset: what it would concern, and who may do it.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vfio/group.h"

struct info {
	struct vfio_pci_hot_reset_info head;
	struct vfio_pci_dependent_device devices[2];
};

static long get_info(struct client *c, int fd, struct info *info, uint32_t argsz)
{
	*info = (struct info){.head.argsz = argsz};
	return do_ioctl(c, fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
}

static long hot_reset(struct client *c, int fd, uint32_t count, int first, int second)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t fds[2];
	} arg = {.head = {.argsz = sizeof(arg), .count = count}, .fds = {first, second}};

	return do_ioctl(c, fd, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

/* Two functions of a bus, each in a group of its own. */
static struct uiommu_pci_device *open_two(struct client *c)
{
	struct uiommu_pci_device *second;

	client_open_spec(c, "ats-testdev@beef:05:00.0");
	assert_int_equal(
		uiommu_pci_device_add(c->ctx, "ats-testdev@beef:05:00.1", &second, NULL, 0), 0);
	return second;
}

static void test_groups(void **state)
{
	struct uiommu_pci_device *second;
	struct vfio_device *vdev;
	struct info info;
	struct client c;
	int fd, group;

	second = open_two(&c);
	vdev = second->driver_data;
	fd = open_in_container(&c, VFIO_TYPE1_IOMMU);
	assert_int_equal(get_info(&c, fd, &info, 11), -EINVAL);
	assert_int_equal(get_info(&c, fd, &info, 12), -ENOSPC);
	assert_int_equal(info.head.count, 2);
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), 0);
	assert_int_equal(info.head.flags, 0);
	assert_int_equal(info.devices[1].group_id, second->group_id);
	assert_int_equal(info.devices[1].segment, 0xbeef);
	assert_int_equal(info.devices[1].bus, 5);
	assert_int_equal(info.devices[1].devfn, 1);

	assert_int_equal(hot_reset(&c, fd, 0, 0, 0), -EINVAL);
	assert_int_equal(hot_reset(&c, fd, 3, 1, 1), -EINVAL);
	assert_int_equal(hot_reset(&c, fd, 1, 1, 0), -EINVAL); /* the other isn't ours */
	assert_int_equal(hot_reset(&c, fd, 2, 1, 9), -EBADF);
	assert_int_equal(hot_reset(&c, fd, 2, 1, OTHER_FD), -EINVAL);
	assert_int_equal(hot_reset(&c, fd, 2, 1, fd), -EINVAL);
	group = do_open(&c, vdev->group->path, O_RDWR);
	assert_int_equal(hot_reset(&c, fd, 2, 1, group), 0);
	c.other = second->name;
	c.other_driver = "other";
	assert_int_equal(hot_reset(&c, fd, 2, 1, group), -EINVAL);
	client_close(&c);
}

static void test_ids(void **state)
{
	struct uiommu_pci_device *second;
	struct vfio_device *vdev;
	struct info info;
	struct client c;
	int fd, other;

	second = open_two(&c);
	vdev = second->driver_data;
	fd = open_bound(&c);
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), 0);
	assert_int_equal(info.head.flags, VFIO_PCI_HOT_RESET_FLAG_DEV_ID);
	assert_int_equal(info.devices[0].devid, 1);
	assert_int_equal(info.devices[1].devid, (uint32_t)VFIO_PCI_DEVID_NOT_OWNED);
	assert_int_equal(hot_reset(&c, fd, 0, 0, 0), -EINVAL);
	assert_int_equal(hot_reset(&c, fd, 1, 0, 0), -EINVAL);
	other = do_open(&c, vdev->path, O_RDWR);
	assert_int_equal(bind_device(&c, other, 0), 0);
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), 0);
	assert_int_equal(info.head.flags, 3);
	assert_int_equal(info.devices[1].devid, 2);
	assert_int_equal(hot_reset(&c, fd, 0, 0, 0), 0);
	do_close(&c, other);
	c.other = second->name;
	c.other_driver = "";
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), 0);
	assert_int_equal(info.devices[1].devid, (uint32_t)VFIO_PCI_DEVID_NOT_OWNED);
	client_close(&c);
}

/* Of a group that is bound, the others are owned as well. */
static void test_owned(void **state)
{
	struct info info;
	struct client c;
	int fd;

	client_open_spec(&c, "ats-testdev,group=g@beef:05:00.0");
	assert_int_equal(
		uiommu_pci_device_add(c.ctx, "ats-testdev,group=g@beef:05:00.1", NULL, NULL, 0), 0);
	fd = open_bound(&c);
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), 0);
	assert_int_equal(info.head.flags, 3);
	assert_int_equal(info.devices[1].devid, VFIO_PCI_DEVID_OWNED);
	assert_int_equal(hot_reset(&c, fd, 0, 0, 0), 0);
	client_close(&c);
}

static void test_no_bus(void **state)
{
	struct info info;
	struct client c;
	int fd;

	client_open_spec(&c, "ats-testdev@beef:00:05.0");
	fd = open_bound(&c);
	assert_int_equal(get_info(&c, fd, &info, sizeof(info)), -ENODEV);
	assert_int_equal(hot_reset(&c, fd, 0, 0, 0), -ENODEV);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_owned),
		cmocka_unit_test(test_no_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

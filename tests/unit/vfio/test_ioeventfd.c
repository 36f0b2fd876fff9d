// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * IOEVENTFD: which can be made, and what they write.
 */
#include "fixture.h"

#include <errno.h>

static long ioeventfd(struct client *c, uint32_t size, uint64_t offset, uint64_t data, int fd)
{
	struct vfio_device_ioeventfd arg = {32, size, offset, data, fd, 0};

	return do_ioctl(c, 1, VFIO_DEVICE_IOEVENTFD, &arg);
}

static void test_arguments(void **state)
{
	struct vfio_device_ioeventfd arg = {.argsz = 27, .flags = 4};
	const uint64_t last = 0x1000 - 4;
	struct client c;

	client_open_spec(&c, "ats-testdev,msix=4");
	open_bound(&c);
	assert_int_equal(do_ioctl(&c, 1, VFIO_DEVICE_IOEVENTFD, &arg), -EINVAL);
	assert_int_equal(do_ioctl(&c, 1, VFIO_DEVICE_IOEVENTFD, (void *)BAD_POINTER), -EFAULT);
	assert_int_equal(ioeventfd(&c, 0, 0, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 3, 0, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 16, 0, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, 0, 0, -2), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, last + 1, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, 5ull << 40, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, 7ull << 40, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, (uint64_t)c.pdev->msix.bar << 40, 0, EVENTFD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, last, 0, -1), -ENODEV);
	assert_int_equal(ioeventfd(&c, 4, last, 0, 9), -EBADF);
	assert_int_equal(ioeventfd(&c, 4, last, 0, OTHER_FD), -EINVAL);
	assert_int_equal(ioeventfd(&c, 4, last, 0, EVENTFD), 0);
	assert_int_equal(ioeventfd(&c, 4, last, 0, EVENTFD), -EEXIST);
	assert_int_equal(ioeventfd(&c, 4, last, 1, EVENTFD + 1), 0);
	assert_int_equal(ioeventfd(&c, 2, last, 0, EVENTFD + 2), 0);
	assert_int_equal(ioeventfd(&c, 4, last, 1, -1), 0);
	assert_int_equal(ioeventfd(&c, 4, last, 1, -1), -ENODEV);
	client_close(&c);
}

static void test_fires(void **state)
{
	uint16_t command = 0;
	uint32_t value = 0;
	struct client c;

	client_open(&c);
	open_bound(&c);
	/* The address register, by halves, at once, and at an odd place. */
	assert_int_equal(ioeventfd(&c, 4, 4, 0x12345678, EVENTFD), 0);
	assert_int_equal(ioeventfd(&c, 8, 0, 0x1111111122222222, EVENTFD + 1), 0);
	c.ready[0](c.ready_arg[0]);
	assert_int_equal(do_pread(&c, 1, &value, 4, 4), 4);
	assert_int_equal(value, 0x12345678);
	c.ready[1](c.ready_arg[1]);
	assert_int_equal(do_pread(&c, 1, &value, 4, 4), 4);
	assert_int_equal(value, 0x11111111);
	/* Memory is off: nothing comes of it. */
	assert_int_equal(do_pwrite(&c, 1, &command, 2, (7ull << 40) + 4), 2);
	c.ready[0](c.ready_arg[0]);
	command = PCI_CMD_MEM;
	assert_int_equal(do_pwrite(&c, 1, &command, 2, (7ull << 40) + 4), 2);
	assert_int_equal(do_pread(&c, 1, &value, 4, 4), 4);
	assert_int_equal(value, 0x11111111);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_fires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

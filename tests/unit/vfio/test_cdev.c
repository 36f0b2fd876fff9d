// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The character device: who may do what before and after BIND, and ATTACH.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

static long attach(struct client *c, int fd, uint32_t pt, uint32_t *out)
{
	struct vfio_device_attach_iommufd_pt arg = {.argsz = 12, .pt_id = pt};
	long rc = do_ioctl(c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);

	if (out)
		*out = arg.pt_id;
	return rc;
}

static long attach_pasid(struct client *c, int fd, uint32_t pt, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt,
		.pasid = pasid,
	};

	return do_ioctl(c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg);
}

static struct {
	struct client *client;
	int fd;
	uint32_t ioas;
	unsigned int resets;
} in_reset;

/* Its translations are blocked, so nothing is attached meanwhile. */
static void attach_in_reset(struct uiommu_pci_device *pdev)
{
	struct client *c = in_reset.client;

	in_reset.resets++;
	assert_int_equal(attach(c, in_reset.fd, in_reset.ioas, NULL), -EBUSY);
	assert_int_equal(attach_pasid(c, in_reset.fd, in_reset.ioas, 0), -EBUSY);
}

static long detach(struct client *c, int fd, uint32_t argsz, uint32_t flags, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt arg = {argsz, flags, pasid};

	return do_ioctl(c, fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &arg);
}

static void test_before_bind(void **state)
{
	uint32_t argument[16] = {sizeof(argument)};
	struct uiommu_mapping *mapping;
	struct client c;
	int fd, again;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/vfio/devices/vfio99999", O_RDWR), -ENOENT);
	fd = open_device(&c);
	again = open_device(&c);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_INFO, argument), -EINVAL);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), -EINVAL);
	assert_int_equal(do_ioctl(&c, fd, 0x3b00 + 200, NULL), -EINVAL);
	assert_int_equal(attach(&c, fd, 1, NULL), -EINVAL);
	assert_int_equal(do_pread(&c, fd, argument, 4, 7ull << 40), -EINVAL);
	assert_int_equal(do_pwrite(&c, fd, argument, 4, 7ull << 40), -EINVAL);
	assert_int_equal(
		uiommu_file_mmap(c.files[fd], NULL, PROT_READ, MAP_SHARED, 0, 4096, &mapping),
		-EINVAL);
	do_close(&c, again);
	client_close(&c);
}

static void test_bind_arguments(void **state)
{
	static const struct {
		uint32_t argsz, flags;
		int fd;
		uint64_t token;
		uint8_t tail;
		long rc;
	} cases[] = {
		{0, 0, 0, 0, 0, -EINVAL},
		{15, 0, 0, 0, 0, -EINVAL},
		{5000, 0, 0, 0, 0, -E2BIG},
		{40, 0, 0, 0, 1, -E2BIG},
		{24, 2, 0, 0, 0, -EINVAL},
		{24, 0, -1, 0, 0, -EINVAL},
		{24, 0, 9, 0, 0, -EBADF},
		{24, 0, OTHER_FD, 0, 0, -EBADFD},
		{24, 0, 1, 0, 0, -EBADFD}, /* the device's own */
		{24, 1, 0, BAD_POINTER, 0, -EFAULT},
		/* These work, and the next one finds it bound. */
		{40, 0, 0, 0, 0, 0},
		{24, 0, 0, 0, 0, -EINVAL},
	};
	struct client c;
	unsigned int i;
	int fd;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 0);
	fd = open_device(&c);
	assert_int_equal(fd, 1);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_BIND_IOMMUFD, (void *)BAD_POINTER), -EFAULT);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t raw[40] = {0};
		struct vfio_device_bind_iommufd bind = {
			.argsz = cases[i].argsz,
			.flags = cases[i].flags,
			.iommufd = cases[i].fd,
			.token_uuid_ptr = cases[i].token,
		};

		memcpy(raw, &bind, sizeof(bind));
		raw[39] = cases[i].tail;
		assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_BIND_IOMMUFD, raw), cases[i].rc);
		memcpy(&bind, raw, sizeof(bind));
		if (!cases[i].rc)
			assert_int_equal(bind.out_devid, 1);
	}
	client_close(&c);
}

static void test_one_owner(void **state)
{
	struct vfio_device_bind_iommufd token = {.argsz = 24, .flags = 1};
	uint8_t uuid[16] = {0};
	struct client c;
	int fd, other;

	client_open(&c);
	fd = open_bound(&c);
	other = open_device(&c);
	assert_int_equal(bind_device(&c, other, 0), -EINVAL);
	token.token_uuid_ptr = (uintptr_t)uuid;
	assert_int_equal(do_ioctl(&c, other, VFIO_DEVICE_BIND_IOMMUFD, &token), -EINVAL);
	do_close(&c, fd);
	assert_int_equal(bind_device(&c, other, 0), 0);
	client_close(&c);
}

/* The answer can't be written: as if it had not happened. */
static void test_bind_unwritable(void **state)
{
	struct vfio_device_bind_iommufd *bind;
	struct client c;
	int fd;

	client_open(&c);
	assert_int_equal(do_open(&c, "/dev/iommu", O_RDWR), 0);
	fd = open_device(&c);
	bind = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bind->argsz = sizeof(*bind);
	assert_int_equal(mprotect(bind, 4096, PROT_READ), 0);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_BIND_IOMMUFD, bind), -EFAULT);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), -EINVAL);
	assert_int_equal(bind_device(&c, fd, 0), 0);
	munmap(bind, 4096);
	client_close(&c);
}

static void test_attach(void **state)
{
	uint32_t ioas, second, hwpt, pt;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	ioas = alloc_ioas(&c, 0);
	second = alloc_ioas(&c, 0);
	assert_int_equal(attach(&c, fd, 0, NULL), -ENOENT);
	assert_int_equal(attach(&c, fd, 1, NULL), -EINVAL); /* the device itself */
	assert_int_equal(attach(&c, fd, ioas, &hwpt), 0);
	assert_true(hwpt != ioas);
	assert_int_equal(attach(&c, fd, ioas, &pt), 0);
	assert_int_equal(pt, hwpt);
	assert_int_equal(attach(&c, fd, second, &pt), 0);
	assert_true(pt != hwpt);
	/* A failed replacement leaves what was there. */
	assert_int_equal(attach(&c, fd, 77, NULL), -ENOENT);
	destroy.id = second;
	assert_int_equal(do_ioctl(&c, 0, IOMMU_DESTROY, &destroy), -EBUSY);
	assert_int_equal(detach(&c, fd, 8, 0, 0), 0);
	assert_int_equal(detach(&c, fd, 8, 0, 0), 0);
	assert_int_equal(do_ioctl(&c, 0, IOMMU_DESTROY, &destroy), 0);
	destroy.id = 1;
	assert_int_equal(do_ioctl(&c, 0, IOMMU_DESTROY, &destroy), -EBUSY);
	client_close(&c);
}

static void test_attach_arguments(void **state)
{
	struct vfio_device_attach_iommufd_pt arg = {0};
	struct client c;
	uint32_t ioas;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	ioas = alloc_ioas(&c, 0);
	arg = (struct vfio_device_attach_iommufd_pt){.argsz = 11, .pt_id = ioas};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg = (struct vfio_device_attach_iommufd_pt){.argsz = 16, .flags = 2, .pt_id = ioas};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	arg = (struct vfio_device_attach_iommufd_pt){.argsz = 15, .flags = 1, .pt_id = ioas};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &arg), -EINVAL);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, (void *)BAD_POINTER),
			 -EFAULT);
	/* An IOAS can't be attached to a PASID; a PASID has its limits. */
	assert_int_equal(attach_pasid(&c, fd, ioas, 5), -EINVAL);
	assert_int_equal(attach_pasid(&c, fd, ioas, INT_MAX), -EINVAL);
	assert_int_equal(attach_pasid(&c, fd, ioas, UINT32_MAX), -ENOSPC);
	/* PASID 0 is the slot without one, but another attachment to it. */
	assert_int_equal(attach_pasid(&c, fd, ioas, 0), 0);
	assert_int_equal(attach(&c, fd, ioas, NULL), -EBUSY);
	assert_int_equal(attach_pasid(&c, fd, ioas, 0), 0);
	assert_int_equal(detach(&c, fd, 8, 0, 0), 0);
	assert_int_equal(attach(&c, fd, ioas, NULL), -EBUSY);
	assert_int_equal(detach(&c, fd, 12, 1, 0), 0);
	assert_int_equal(attach(&c, fd, ioas, NULL), 0);
	assert_int_equal(attach_pasid(&c, fd, ioas, 0), -EBUSY);
	assert_int_equal(detach(&c, fd, 12, 1, 0), 0);
	assert_int_equal(attach_pasid(&c, fd, ioas, 0), -EBUSY);
	assert_int_equal(detach(&c, fd, 8, 0, 0), 0);
	assert_int_equal(attach_pasid(&c, fd, ioas, 0), 0);
	assert_int_equal(detach(&c, fd, 7, 0, 0), -EINVAL);
	assert_int_equal(detach(&c, fd, 8, 2, 0), -EINVAL);
	assert_int_equal(detach(&c, fd, 11, 1, 3), -EINVAL);
	assert_int_equal(detach(&c, fd, 12, 1, 3), 0);
	assert_int_equal(detach(&c, fd, 12, 1, 0), 0);
	client_close(&c);
}

/* Closing the device undoes the attachment and stops DMA. */
static void test_close_undoes(void **state)
{
	uint32_t command = PCI_CMD_MEM | PCI_CMD_MASTER;
	struct iommu_destroy destroy = {.size = sizeof(destroy)};
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(c.config[4] & 7, PCI_CMD_MEM);
	destroy.id = alloc_ioas(&c, 0);
	assert_int_equal(attach(&c, fd, destroy.id, NULL), 0);
	assert_int_equal(do_pwrite(&c, fd, &command, 2, (7ull << 40) + 4), 2);
	assert_true(uiommu_pci_bus_master(c.pdev));
	assert_int_equal(c.config[4], PCI_CMD_MEM | PCI_CMD_MASTER);
	do_close(&c, fd);
	assert_false(c.config[4] & PCI_CMD_MASTER);
	assert_false(uiommu_pci_bus_master(c.pdev));
	assert_int_equal(do_ioctl(&c, 0, IOMMU_DESTROY, &destroy), 0);
	destroy.id = 1;
	assert_int_equal(do_ioctl(&c, 0, IOMMU_DESTROY, &destroy), -ENOENT);
	client_close(&c);
}

/* The iommufd's descriptor goes first. */
static void test_iommufd_closed_first(void **state)
{
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(attach(&c, fd, alloc_ioas(&c, 0), NULL), 0);
	do_close(&c, 0);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	do_close(&c, fd);
	client_close(&c);
}

static void test_attach_in_reset(void **state)
{
	const struct uiommu_model *model;
	struct uiommu_model resets;
	struct client c;
	uint32_t second;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	model = c.pdev->model;
	resets = *model;
	resets.reset = attach_in_reset;
	in_reset.client = &c;
	in_reset.fd = fd;
	in_reset.ioas = alloc_ioas(&c, 0);
	second = alloc_ioas(&c, 0);
	c.pdev->model = &resets;
	in_reset.resets = 0;
	/* The first, and one that replaces. */
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(attach(&c, fd, second, NULL), 0);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(uiommu_vfio_reset(c.ctx, c.pdev->name), 0);
	assert_int_equal(in_reset.resets, 3);
	c.pdev->model = model;
	assert_int_equal(attach(&c, fd, in_reset.ioas, NULL), 0);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_bind),	cmocka_unit_test(test_bind_arguments),
		cmocka_unit_test(test_one_owner),	cmocka_unit_test(test_bind_unwritable),
		cmocka_unit_test(test_attach),		cmocka_unit_test(test_attach_arguments),
		cmocka_unit_test(test_close_undoes),	cmocka_unit_test(test_iommufd_closed_first),
		cmocka_unit_test(test_attach_in_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

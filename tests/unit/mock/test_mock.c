// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The mock driver: there only when asked for, and what the recordings of Linux
 * don't show: that nothing is left of what a client didn't undo.
 */
#include "fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mock/abi.h"
#include "uapi/vfio.h"

/* With the mock driver, as `uiommu run --iommufd-test` has it. */
static int setup_mock(void **state)
{
	setup(state);
	uiommu_file_put(iommufd);
	assert_int_equal(uiommu_enable_iommufd_test(ctx), 0);
	assert_int_equal(uiommu_enable_iommufd_test(ctx), 0);
	iommufd = uiommu_open(ctx, "/dev/iommu", 2);
	assert_false(UIOMMU_IS_ERR(iommufd));
	return 0;
}

static long test_cmd(struct mock_cmd *cmd, enum mock_op op, uint32_t id)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return iommu_ioctl(MOCK_TEST_CMD, cmd);
}

/* A device with these flags, attached to @pt. */
static struct mock_cmd mock_device(uint32_t pt, uint32_t flags)
{
	struct mock_cmd cmd = {.domain.flags = flags};

	assert_int_equal(test_cmd(&cmd, MOCK_OP_DOMAIN_FLAGS, pt), 0);
	return cmd;
}

static long pasid_op(enum mock_op op, uint32_t stdev, uint32_t pasid, uint32_t pt)
{
	struct mock_cmd cmd = {.pasid = {.pasid = pasid, .pt_id = pt}};

	return test_cmd(&cmd, op, stdev);
}

static void test_not_asked_for(void **state)
{
	struct mock_cmd cmd = {0};

	assert_int_equal(test_cmd(&cmd, MOCK_OP_DOMAIN, 1), -ENOTTY);
}

static void test_device(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, 0);
	struct mock_cmd cmd = {.domain.flags = 2};

	assert_int_equal(dev.domain.out_stdev_id, 2);
	assert_int_equal(dev.domain.out_idev_id, 3);
	assert_int_equal(dev.domain.out_hwpt_id, 4);
	assert_int_equal(destroy(dev.domain.out_idev_id), -EBUSY);
	assert_int_equal(destroy(dev.domain.out_hwpt_id), -EBUSY);
	assert_int_equal(destroy(ioas), -EBUSY);
	assert_int_equal(destroy(dev.domain.out_stdev_id), 0);
	/* The hwpt was automatic. */
	assert_int_equal(destroy(ioas), 0);
	assert_int_equal(counts().objects, 0);
	assert_int_equal(counts().devices, 0);

	assert_int_equal(test_cmd(&cmd, MOCK_OP_DOMAIN_FLAGS, 1), -EINVAL);
	assert_int_equal(test_cmd(&cmd, MOCK_OP_DOMAIN, 77), -ENOENT);
	assert_int_equal(counts().devices, 0);
}

static void test_left_at_close(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, MOCK_DEVICE_PASID);
	uint32_t hwpt =
		(uint32_t)hwpt_alloc(dev.domain.out_idev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	struct mock_cmd to = {.replace.pt_id = hwpt};

	assert_int_equal(test_cmd(&to, MOCK_OP_REPLACE, dev.domain.out_stdev_id), 0);
	for (uint32_t pasid = 1; pasid < 5; pasid++)
		assert_int_equal(
			pasid_op(MOCK_OP_PASID_ATTACH, dev.domain.out_stdev_id, pasid, hwpt), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_DETACH, dev.domain.out_stdev_id, 2, 0), 0);
	assert_int_equal(counts().handles, 4);
	/* Closing the file is teardown's, which looks. */
}

static void test_left_at_destroy(void **state)
{
	test_left_at_close(state);
	assert_int_equal(destroy(2), 0);
	assert_int_equal(counts().handles, 0);
}

static void test_failing_pasid(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, MOCK_DEVICE_PASID);
	uint32_t st = dev.domain.out_stdev_id;
	uint32_t one =
		(uint32_t)hwpt_alloc(dev.domain.out_idev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	uint32_t two =
		(uint32_t)hwpt_alloc(dev.domain.out_idev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	struct mock_cmd to = {.replace.pt_id = one};

	assert_int_equal(test_cmd(&to, MOCK_OP_REPLACE, st), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_ATTACH, st, MOCK_PASID_FAILS, one), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_REPLACE, st, MOCK_PASID_FAILS, two), -ENOMEM);
	/* What was there is there. */
	assert_int_equal(pasid_op(MOCK_OP_PASID_CHECK, st, MOCK_PASID_FAILS, one), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_REPLACE, st, MOCK_PASID_FAILS, two), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_CHECK, st, MOCK_PASID_FAILS, one), -EINVAL);
}

/* Without the flag it takes none, whatever the hwpts are made for. */
static void test_no_pasids(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, 0);
	uint32_t st = dev.domain.out_stdev_id;
	uint32_t hwpt =
		(uint32_t)hwpt_alloc(dev.domain.out_idev_id, ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	struct mock_cmd to = {.replace.pt_id = hwpt};

	assert_int_equal(test_cmd(&to, MOCK_OP_REPLACE, st), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_ATTACH, st, 1, hwpt), -EINVAL);
	assert_int_equal(pasid_op(MOCK_OP_PASID_DETACH, st, 0, 0), 0);
	assert_int_equal(pasid_op(MOCK_OP_PASID_ATTACH, st, 1, hwpt), -EINVAL);
	assert_int_equal(counts().handles, 0);
}

static long check_map(uint32_t hwpt, uint64_t iova, const void *va, uint64_t length)
{
	struct mock_cmd cmd = {
		.check_map = {.iova = iova, .length = length, .uptr = (uintptr_t)va}};

	return test_cmd(&cmd, MOCK_OP_CHECK_MAP, hwpt);
}

static void test_check_map(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, 0);
	uint32_t hwpt = dev.domain.out_hwpt_id;

	assert_int_equal(ioas_map(ioas, MOCK_APERTURE_FIRST, memory, 2 * PAGE), 0);
	assert_int_equal(check_map(hwpt, MOCK_APERTURE_FIRST, memory, 2 * PAGE), 0);
	assert_int_equal(check_map(hwpt, MOCK_APERTURE_FIRST, memory + PAGE, PAGE), -EINVAL);
	assert_int_equal(check_map(hwpt, MOCK_APERTURE_FIRST + PAGE, memory, PAGE), -EINVAL);
	assert_int_equal(check_map(hwpt, MOCK_APERTURE_FIRST, memory, 3 * PAGE), -EFAULT);
	assert_int_equal(check_map(ioas, MOCK_APERTURE_FIRST, memory, PAGE), -ENOENT);
}

/* ---- dirty bits ---- */

#define HALF (PAGE / 2)

/* A hwpt whose dirty bits are on. */
static uint32_t tracked_hwpt(uint32_t ioas)
{
	struct iommu_hwpt_set_dirty_tracking on = {.size = sizeof(on), .flags = 1};
	struct mock_cmd dev = mock_device(ioas, 0), to = {0};
	long hwpt = hwpt_alloc(dev.domain.out_idev_id, ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0);

	assert_true(hwpt > 0);
	to.replace.pt_id = on.hwpt_id = (uint32_t)hwpt;
	assert_int_equal(test_cmd(&to, MOCK_OP_REPLACE, dev.domain.out_stdev_id), 0);
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING, &on), 0);
	return (uint32_t)hwpt;
}

/* Marks one place. */
static void mark(uint32_t hwpt, uint64_t iova)
{
	uint64_t bit = 1;
	struct mock_cmd cmd = {
		.dirty = {
			.iova = iova, .length = HALF, .page_size = HALF, .uptr = (uintptr_t)&bit}};

	assert_int_equal(test_cmd(&cmd, MOCK_OP_DIRTY, hwpt), 0);
	assert_int_equal(cmd.dirty.out_count, 1);
}

/* The bits of the first @halves half pages; they stay. */
static uint64_t dirty_bits(uint32_t hwpt, unsigned int halves)
{
	uint64_t bits = 0;
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = MOCK_APERTURE_FIRST,
		.length = halves * HALF,
		.page_size = HALF,
		.data = (uintptr_t)&bits,
	};

	assert_int_equal(iommu_ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), 0);
	return bits;
}

/* Two areas meet in the middle of a page: what one is says nothing of the other. */
static void test_dirty_halves(void **state)
{
	const uint64_t base = MOCK_APERTURE_FIRST;
	uint32_t ioas = ioas_alloc(), hwpt = tracked_hwpt(ioas);

	assert_int_equal(ioas_map(ioas, base, memory, HALF), 0);
	/* Where nothing is mapped there is nothing to mark. */
	mark(hwpt, base + HALF);
	assert_int_equal(dirty_bits(hwpt, 1), 0);
	mark(hwpt, base);
	assert_int_equal(dirty_bits(hwpt, 1), 1);
	/* A map makes its own half clean, and no more than that. */
	assert_int_equal(ioas_map(ioas, base + HALF, memory + PAGE, HALF), 0);
	assert_int_equal(dirty_bits(hwpt, 2), 1);
	mark(hwpt, base + HALF);
	assert_int_equal(dirty_bits(hwpt, 2), 3);
	assert_int_equal(ioas_unmap(ioas, base, HALF), HALF);
	assert_int_equal(ioas_map(ioas, base, memory, HALF), 0);
	assert_int_equal(dirty_bits(hwpt, 2), 2);
}

/* A page of memory has one entry, where it is mapped as a page. */
static void test_dirty_entries(void **state)
{
	const uint64_t base = MOCK_APERTURE_FIRST;
	uint32_t ioas = ioas_alloc(), hwpt = tracked_hwpt(ioas);

	assert_int_equal(ioas_map(ioas, base, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas, base + PAGE, memory + HALF, PAGE), 0);
	mark(hwpt, base + HALF);
	assert_int_equal(dirty_bits(hwpt, 4), 0x3);
	mark(hwpt, base + PAGE);
	assert_int_equal(dirty_bits(hwpt, 4), 0x7);
}

static void test_dirty_beyond(void **state)
{
	uint32_t ioas = ioas_alloc(), hwpt = tracked_hwpt(ioas);

	assert_int_equal(ioas_map(ioas, MOCK_APERTURE_FIRST, memory, PAGE), 0);
	/* One of these is a number that a tree that ends with the aperture takes for the first. */
	for (unsigned int shift = 31; shift < 64; shift++)
		mark(hwpt, MOCK_APERTURE_FIRST + (1ull << shift));
	assert_int_equal(dirty_bits(hwpt, 2), 0);
}

/* ---- memory that was taken away ---- */

static void close_fd(long fd)
{
	host_close(host.files[fd - FIRST_FD]);
}

/* Each page of these has as many references. */
static bool has_refs(const char *va, uint64_t length, uint32_t refs)
{
	struct mock_cmd cmd = {
		.check_refs = {.length = length, .uptr = (uintptr_t)va, .refs = refs}};
	long rc = test_cmd(&cmd, MOCK_OP_CHECK_REFS, 0);

	assert_true(!rc || rc == -EIO);
	return !rc;
}

/* An access pins pages, a domain areas; a map and its copy are one. */
static void test_check_refs(void **state)
{
	uint32_t ioas = ioas_alloc(), other = ioas_alloc();
	struct mock_cmd access = {.create_access.flags = MOCK_ACCESS_PINS};
	struct mock_cmd pin = {
		.pin = {.iova = MOCK_APERTURE_FIRST, .length = PAGE, .uptr = (uintptr_t)memory}};
	struct mock_cmd unpin = {0};
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = other,
		.src_ioas_id = ioas,
		.length = 2 * PAGE,
		.dst_iova = MOCK_APERTURE_FIRST,
		.src_iova = MOCK_APERTURE_FIRST,
	};

	assert_int_equal(ioas_map(ioas, MOCK_APERTURE_FIRST, memory, 2 * PAGE), 0);
	assert_true(has_refs(memory, 2 * PAGE, 0));
	assert_int_equal(test_cmd(&access, MOCK_OP_CREATE_ACCESS, ioas), 0);
	assert_int_equal(test_cmd(&pin, MOCK_OP_PIN, access.create_access.out_fd), 0);
	assert_true(has_refs(memory, PAGE, 1));
	assert_true(has_refs(memory + PAGE, PAGE, 0));
	mock_device(other, 0);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_COPY, &copy), 0);
	assert_true(has_refs(memory, 2 * PAGE, 1));
	assert_int_equal(ioas_map(other, MOCK_APERTURE_FIRST + 4 * PAGE, memory, PAGE), 0);
	assert_true(has_refs(memory, PAGE, 2));
	assert_int_equal(ioas_unmap(other, MOCK_APERTURE_FIRST, 2 * PAGE), 2 * PAGE);
	assert_true(has_refs(memory + PAGE, PAGE, 0));
	unpin.unpin.item = pin.pin.out_item;
	assert_int_equal(test_cmd(&unpin, MOCK_OP_UNPIN, access.create_access.out_fd), 0);
	assert_true(has_refs(memory, PAGE, 1));
	close_fd(access.create_access.out_fd);
}

/* ---- memory that was taken away ---- */

/* The page's address becomes one of a new page, as the shim sees to it. */
static void replace_page(char *page)
{
	struct uiommu_mm_change change = {
		.nr = 1,
		.parts = {{.how = UIOMMU_MM_UNMAP, .addr = (uintptr_t)page, .length = PAGE}}};
	int rc = uiommu_mm_change_begin(ctx, &change);

	assert_ptr_equal(mmap(page, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 page);
	if (rc)
		uiommu_mm_change_end(ctx, &change, true);
	*page = 'n';
}

/* A copy of up to two pages to or from there. */
static long rw(uint32_t access, uint64_t iova, uint64_t length, uint32_t flags, char *first)
{
	char buf[2 * PAGE] = {0};
	struct mock_cmd cmd = {
		.access_rw = {
			.iova = iova, .length = length, .uptr = (uintptr_t)buf, .flags = flags}};
	long rc = test_cmd(&cmd, MOCK_OP_ACCESS_RW, access);

	if (first)
		*first = buf[0];
	return rc;
}

static char first_byte(uint32_t access, uint64_t length, uint32_t flags)
{
	char first;

	assert_int_equal(rw(access, MOCK_APERTURE_FIRST, length, flags, &first), 0);
	return first;
}

/* Devices have the old page.  An access copies from addresses, unless it needs pins. */
static void test_moved(void **state)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mock_cmd access = {0}, dev;
	uint32_t ioas = ioas_alloc();

	memset(pages, 'o', 2 * PAGE);
	dev = mock_device(ioas, 0);
	assert_int_equal(test_cmd(&access, MOCK_OP_CREATE_ACCESS, ioas), 0);
	assert_int_equal(ioas_map(ioas, MOCK_APERTURE_FIRST, pages, 2 * PAGE), 0);
	assert_int_equal(check_map(dev.domain.out_hwpt_id, MOCK_APERTURE_FIRST, pages, 2 * PAGE),
			 0);
	replace_page(pages);
	assert_int_equal(check_map(dev.domain.out_hwpt_id, MOCK_APERTURE_FIRST, pages, PAGE),
			 -EINVAL);
	assert_int_equal(
		check_map(dev.domain.out_hwpt_id, MOCK_APERTURE_FIRST + PAGE, pages + PAGE, PAGE),
		0);
	assert_int_equal(first_byte(access.create_access.out_fd, 2 * PAGE, 0), 'n');
	assert_int_equal(first_byte(access.create_access.out_fd, 8, MOCK_ACCESS_SLOW), 'n');
	assert_int_equal(first_byte(access.create_access.out_fd, 2 * PAGE, MOCK_ACCESS_SLOW), 'o');
	close_fd(access.create_access.out_fd);
	munmap(pages, 2 * PAGE);
}

/*
 * Told to go by pins, a copy of more than a page needs every right that was mapped, one
 * within a page its own.
 */
static void test_slow(void **state)
{
	const uint64_t iova = MOCK_APERTURE_FIRST;
	char *pages =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t ioas = ioas_alloc();
	struct mock_cmd access = {0};
	uint32_t fd;

	assert_int_equal(test_cmd(&access, MOCK_OP_CREATE_ACCESS, ioas), 0);
	fd = access.create_access.out_fd;
	assert_int_equal(ioas_map(ioas, iova, pages, 3 * PAGE), 0);
	assert_int_equal(rw(fd, iova, 2 * PAGE, MOCK_ACCESS_SLOW | MOCK_ACCESS_WRITE, NULL), 0);
	assert_int_equal(mprotect(pages, PAGE, PROT_READ), 0);
	assert_int_equal(munmap(pages + 2 * PAGE, PAGE), 0);
	assert_int_equal(rw(fd, iova, 2 * PAGE, 0, NULL), 0);
	assert_int_equal(rw(fd, iova, 8, MOCK_ACCESS_SLOW, NULL), 0);
	assert_int_equal(rw(fd, iova, 8, MOCK_ACCESS_SLOW | MOCK_ACCESS_WRITE, NULL), -EFAULT);
	assert_int_equal(rw(fd, iova, 2 * PAGE, MOCK_ACCESS_SLOW, NULL), -EFAULT);
	assert_int_equal(rw(fd, iova + PAGE - 1, 2, MOCK_ACCESS_SLOW, NULL), -EFAULT);
	assert_int_equal(rw(fd, iova + 2 * PAGE, 1, MOCK_ACCESS_SLOW, NULL), -EFAULT);
	assert_int_equal(rw(fd, iova + PAGE, PAGE + 1, MOCK_ACCESS_SLOW, NULL), -EFAULT);
	close_fd(fd);
	munmap(pages, 2 * PAGE);
}

/* ---- dma-bufs ---- */

static long dmabuf_get(uint32_t length)
{
	struct mock_cmd cmd = {.dmabuf_get = {.length = length, .open_flags = O_CLOEXEC}};

	return test_cmd(&cmd, MOCK_OP_DMABUF_GET, 0);
}

static long dmabuf_revoke(long fd, bool revoked)
{
	struct mock_cmd cmd = {.dmabuf_revoke = {.fd = (int)fd, .revoked = revoked}};

	return test_cmd(&cmd, MOCK_OP_DMABUF_REVOKE, 0);
}

/* Where it went, or -errno. */
static long map_file(uint32_t ioas, long fd, uint64_t start, uint64_t length)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.fd = (int)fd,
		.start = start,
		.length = length,
	};
	long rc = iommu_ioctl(IOMMU_IOAS_MAP_FILE, &cmd);

	return rc ? rc : (long)cmd.iova;
}

static void test_dmabuf(void **state)
{
	uint32_t ioas = ioas_alloc();
	long fd = dmabuf_get(3 * PAGE + 1);
	struct uiommu_file *file;

	assert_int_equal(dmabuf_get(0), -EINVAL);
	assert_int_equal(dmabuf_get(512 * PAGE + 1), -EINVAL);
	assert_int_equal(dmabuf_get(UINT32_MAX), -EINVAL);
	host.install_error = -EMFILE;
	assert_int_equal(dmabuf_get(PAGE), -EMFILE);
	host.install_error = 0;

	assert_true(fd >= FIRST_FD);
	file = host.files[fd - FIRST_FD];
	assert_string_equal(uiommu_file_path(file), "/dmabuf:");
	assert_int_equal(uiommu_file_read(file, mm, (uintptr_t)memory, 1), -EINVAL);
	assert_int_equal(uiommu_file_poll(file), POLLIN | POLLOUT);

	assert_int_equal(map_file(ioas, fd, 0, 0), -EINVAL);
	assert_int_equal(map_file(ioas, fd, PAGE, UINT64_MAX - PAGE + 2), -EOVERFLOW);
	assert_int_equal(map_file(ioas, fd, 4 * PAGE, PAGE), -EINVAL);
	assert_int_equal(map_file(ioas, fd, 0, 4 * PAGE + 1), -EINVAL);
	assert_int_equal(map_file(ioas, fd, 0, 0 - 2 * PAGE), -EINVAL);
	/* Aligned as the offset is. */
	assert_int_equal(map_file(ioas, fd, 3 * PAGE, PAGE), PAGE);
	assert_int_equal(map_file(ioas, fd, 0, 4 * PAGE), 4 * PAGE);
	assert_int_equal(map_file(ioas, fd, PAGE + 0x800, 0x800), 2 * PAGE + 0x800);
	/* Like any memory it stays when its descriptor is closed. */
	close_fd(fd);
	assert_int_equal(counts().areas, 3);
	assert_int_equal(destroy(ioas), 0);
}

static void test_dmabuf_revoke(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, 0);
	long fd = dmabuf_get(2 * PAGE), other = dmabuf_get(PAGE),
	     iova = map_file(ioas, fd, 0, PAGE);

	assert_true(iova > 0);
	assert_int_equal(dmabuf_revoke(-1, true), -EBADF);
	assert_int_equal(dmabuf_revoke(5, true), -EINVAL);
	assert_int_equal(dmabuf_revoke(fd, true), 0);
	assert_int_equal(map_file(ioas, fd, 0, PAGE), -ENODEV);
	assert_int_equal(map_file(ioas, fd, PAGE, 2 * PAGE), -EINVAL);
	assert_int_not_equal(map_file(ioas, other, 0, PAGE), -ENODEV);
	/* Who comes now finds nothing there, and nothing wrong with it. */
	assert_true(hwpt_alloc(dev.domain.out_idev_id, ioas, 0, 0) > 0);
	assert_int_equal(dmabuf_revoke(fd, false), 0);
	assert_true(map_file(ioas, fd, 0, PAGE) > 0);
	assert_int_equal(ioas_unmap(ioas, (uint64_t)iova, PAGE), PAGE);
	close_fd(fd);
	close_fd(other);
}

/* What is dirty of three pages, one bit each. */
static unsigned int dirty_pages(uint32_t hwpt, uint64_t iova)
{
	uint8_t bitmap[8] = {0};
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR,
		.iova = iova,
		.length = 3 * PAGE,
		.page_size = PAGE,
		.data = (uintptr_t)bitmap,
	};

	assert_int_equal(iommu_ioctl(IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd), 0);
	return bitmap[0];
}

/* What is taken back isn't dirty, and doesn't become so; what is around it stays. */
static void test_dmabuf_dirty(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct mock_cmd dev = mock_device(ioas, 0);
	long fd = dmabuf_get(PAGE);
	uint32_t hwpt = (uint32_t)hwpt_alloc(dev.domain.out_idev_id, ioas,
					     IOMMU_HWPT_ALLOC_DIRTY_TRACKING, 0);
	struct iommu_hwpt_set_dirty_tracking track = {
		.size = sizeof(track),
		.hwpt_id = hwpt,
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
	};
	uint8_t bits[8] = {7};
	struct mock_cmd dirty = {.dirty = {.iova = MOCK_APERTURE_FIRST,
					   .length = 3 * PAGE,
					   .page_size = PAGE,
					   .uptr = (uintptr_t)bits}};
	const uint64_t iova = MOCK_APERTURE_FIRST;

	assert_int_equal(ioas_map(ioas, iova, memory, PAGE), 0);
	assert_int_equal(map_file(ioas, fd, 0, PAGE), iova + PAGE);
	assert_int_equal(ioas_map(ioas, iova + 2 * PAGE, memory + PAGE, PAGE), 0);
	assert_int_equal(iommu_ioctl(IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
	assert_int_equal(test_cmd(&dirty, MOCK_OP_DIRTY, hwpt), 0);
	assert_int_equal(dirty_pages(hwpt, iova), 7);
	assert_int_equal(dmabuf_revoke(fd, true), 0);
	assert_int_equal(dirty_pages(hwpt, iova), 5);
	assert_int_equal(test_cmd(&dirty, MOCK_OP_DIRTY, hwpt), 0);
	assert_int_equal(dirty.dirty.out_count, 3);
	assert_int_equal(dirty_pages(hwpt, iova), 5);
	close_fd(fd);
}

static void test_dmabuf_access(void **state)
{
	uint32_t ioas = ioas_alloc();
	long fd = dmabuf_get(PAGE), iova = map_file(ioas, fd, 0, PAGE);
	struct mock_cmd access = {.create_access.flags = MOCK_ACCESS_PINS};
	struct mock_cmd pin = {.pin = {.iova = (uint64_t)iova, .length = PAGE}};
	struct mock_cmd rw = {
		.access_rw = {.iova = (uint64_t)iova, .length = 8, .uptr = (uintptr_t)memory}};

	assert_true(iova > 0);
	assert_int_equal(test_cmd(&access, MOCK_OP_CREATE_ACCESS, ioas), 0);
	assert_int_equal(test_cmd(&pin, MOCK_OP_PIN, access.create_access.out_fd), -EINVAL);
	assert_int_equal(test_cmd(&rw, MOCK_OP_ACCESS_RW, access.create_access.out_fd), -EINVAL);
	close_fd(access.create_access.out_fd);
	close_fd(fd);
}

/* A container of the first type can't cut it. */
static void test_dmabuf_cut(void **state)
{
	uint32_t ioas = ioas_alloc();
	long fd = dmabuf_get(2 * PAGE), iova = map_file(ioas, fd, 0, 2 * PAGE);
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat), .ioas_id = ioas, .op = IOMMU_VFIO_IOAS_SET};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = (uint64_t)iova, .size = PAGE};

	assert_int_equal(iommu_ioctl(IOMMU_VFIO_IOAS, &compat), 0);
	assert_int_equal(uiommu_file_ioctl(iommufd, mm, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU), 0);
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_UNMAP_DMA, &unmap), -EOPNOTSUPP);
	unmap.size = 2 * PAGE;
	assert_int_equal(iommu_ioctl(VFIO_IOMMU_UNMAP_DMA, &unmap), 0);
	close_fd(fd);
}

/* ---- failures on demand ---- */

static void set_fail_nth(struct uiommu_file *file, unsigned int nth)
{
	int length = snprintf(memory, PAGE, "%u", nth);

	assert_int_equal(uiommu_file_pwrite(file, mm, (uintptr_t)memory, (size_t)length, 0),
			 length);
}

static unsigned int fail_nth_left(struct uiommu_file *file)
{
	char text[16] = "";

	assert_true(uiommu_file_pread(file, mm, (uintptr_t)text, sizeof(text) - 1, 0) > 1);
	return (unsigned int)atoi(text);
}

/* A device on memory that an access reads; the first error. */
static long use_everything(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = MOCK_APERTURE_FIRST,
	};
	struct mock_cmd dev = {0}, access = {0};
	struct mock_cmd rw = {.access_rw = {.iova = MOCK_APERTURE_FIRST,
					    .length = 8,
					    .uptr = (uintptr_t)memory,
					    .flags = MOCK_ACCESS_SLOW}};
	long rc = iommu_ioctl(IOMMU_IOAS_ALLOC, &alloc);

	if (rc)
		return rc;
	map.ioas_id = alloc.out_ioas_id;
	rc = test_cmd(&access, MOCK_OP_CREATE_ACCESS, alloc.out_ioas_id);
	if (!rc)
		rc = iommu_ioctl(IOMMU_IOAS_MAP, &map);
	if (!rc)
		rc = test_cmd(&rw, MOCK_OP_ACCESS_RW, access.create_access.out_fd);
	return rc ? rc : test_cmd(&dev, MOCK_OP_DOMAIN_FLAGS, alloc.out_ioas_id);
}

/* Each thing that can be asked to fail does in turn, by its own error, and leaves nothing. */
static void test_fail_nth(void **state)
{
	struct uiommu_file *file = uiommu_open(ctx, "/proc/thread-self/fail-nth", 2);
	const int errors[] = {ENOMEM, ENOENT, EINVAL, EFAULT, ENFILE, EBADFD};
	unsigned int seen[sizeof(errors) / sizeof(errors[0])] = {0};
	unsigned int nth = 0;
	long rc;

	assert_false(UIOMMU_IS_ERR(file));
	do {
		assert_true(++nth < 1000);
		set_fail_nth(file, nth);
		rc = use_everything();
		/* What comes after the last isn't asked, and the number is still there. */
		assert_int_equal(rc == 0, fail_nth_left(file) != 0);
		set_fail_nth(file, 0);
		for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
			seen[i] += rc == -errors[i];
		uiommu_file_put(iommufd);
		for (int i = 0; i < MAX_FDS; i++)
			if (host.files[i])
				host_close(host.files[i]);
		assert_int_equal(counts().objects, 0);
		assert_int_equal(counts().files, 1);
		iommufd = uiommu_open(ctx, "/dev/iommu", 2);
		assert_false(UIOMMU_IS_ERR(iommufd));
	} while (rc);
	assert_true(seen[0] > 10);
	for (size_t i = 1; i < 5; i++)
		assert_true(seen[i] > 0);
	assert_int_equal(seen[5], 0);
	uiommu_file_put(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_not_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_left_at_close, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_left_at_destroy, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_failing_pasid, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_no_pasids, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_check_map, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_check_refs, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dirty_halves, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dirty_entries, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dirty_beyond, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_moved, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_fail_nth, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dmabuf, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dmabuf_revoke, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dmabuf_dirty, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dmabuf_access, setup_mock, teardown),
		cmocka_unit_test_setup_teardown(test_dmabuf_cut, setup_mock, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writes to files of the tree, without a client: what the library answers, and what is on
 * disk after it.  Programs' ways to it are in tests/preload.
 */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define A "beef:05:00.0"
#define B "beef:06:00.0"
#define C "beef:07:00.0"
#define BUS "/sys/bus/pci/"
#define VFIO BUS "drivers/vfio-pci/"

struct place {
	struct uiommu *ctx;
	char dir[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

/* Two devices in one group: A on vfio-pci, B on none; and C on a driver of the kernel's. */
static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char err[256] = "";

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(uiommu_create(NULL, &p->ctx), 0);
	if (uiommu_pci_device_add(p->ctx, "ats-testdev,group=g@" A, NULL, err, sizeof(err)) ||
	    uiommu_pci_device_add(p->ctx, "ats-testdev,group=g,driver=none,class=0x020000@" B, NULL,
				  err, sizeof(err)) ||
	    uiommu_pci_device_add(p->ctx, "ats-testdev,driver=other@" C, NULL, err, sizeof(err)) ||
	    uiommu_tree_write(p->ctx, p->fd, err, sizeof(err)))
		fail_msg("%s", err);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	uiommu_destroy(p->ctx);
	close(p->fd);
	assert_int_equal(nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(p);
	return 0;
}

static ssize_t store(struct place *p, const char *path, const char *text)
{
	ssize_t rc;

	errno = 77;
	rc = uiommu_tree_store(p->fd, path, text, strlen(text), NULL, NULL);
	assert_int_equal(errno, 77);
	return rc;
}

static bool takes(struct place *p, const char *path, const char *text)
{
	return store(p, path, text) == (ssize_t)strlen(text);
}

#define TREE "root"

static bool there(struct place *p, const char *path)
{
	char full[400];

	snprintf(full, sizeof(full), "%s/" TREE "%s", p->dir, path);
	return !access(full, F_OK);
}

static void assert_driver(struct place *p, const char *device, int rc, const char *want)
{
	char name[64] = "";

	errno = 77;
	assert_int_equal(uiommu_tree_driver(p->fd, device, name, sizeof(name)), rc);
	assert_string_equal(name, want);
	assert_int_equal(errno, 77);
	assert_int_equal(uiommu_tree_driver(p->fd, device, name, 1),
			 rc || !want[0] ? rc : -ENAMETOOLONG);
}

static void test_answers(void **state)
{
	struct place *p = *state;

	assert_true(there(p, VFIO A) && !there(p, VFIO B));
	assert_int_equal(store(p, VFIO "bind", A), -EBUSY);
	assert_int_equal(store(p, VFIO "bind", B), -ENODEV);
	assert_driver(p, A, 0, "vfio-pci");
	assert_driver(p, B, 0, "");
	assert_driver(p, C, 0, "other");
	assert_driver(p, "beef:08:00.0", -ENODEV, "");
	assert_int_equal(store(p, VFIO "unbind", B), -ENODEV);
	assert_int_equal(store(p, VFIO "unbind", "../" A), -ENODEV);
	assert_int_equal(store(p, VFIO "unbind", A "\n\n"), -ENODEV);
	assert_true(takes(p, VFIO "unbind", ""));
	assert_true(takes(p, VFIO "unbind", A "\n"));
	assert_false(there(p, VFIO A));
	assert_int_equal(store(p, VFIO "new_id", "1234"), -EINVAL);
	/* Data of the driver's own, of which it has none. */
	assert_int_equal(store(p, VFIO "new_id", "1234 11e9 1af4 1100 0 0 5"), -EINVAL);
	assert_int_equal(store(p, VFIO "remove_id", "1234 11e9"), -ENODEV);
	/* By its class: the override of A names the driver, so A isn't asked. */
	assert_true(takes(p, VFIO "new_id", "1234 11e9 ffffffff ffffffff 20000 ffff00"));
	assert_true(there(p, VFIO A) && there(p, VFIO B));
	assert_true(takes(p, VFIO "new_id", "1234 11e9 1 2 20000 ffff00 0"));
	assert_int_equal(store(p, VFIO "new_id", "1234 11e9 1 2 20000 ffff00"), -EEXIST);
	assert_int_equal(store(p, VFIO "remove_id", "1234 11e9 1 3 20000"), -ENODEV);
	assert_true(takes(p, VFIO "remove_id", "1234 11e9 1 2 20000"));
	/* Files that are only for show, and those of drivers that are the host's. */
	assert_true(takes(p, VFIO "uevent", "x"));
	assert_true(takes(p, BUS "drivers/none/bind", A));
}

static bool busy(void *opaque, const char *device)
{
	*(int *)opaque += !strcmp(device, A);
	return true;
}

static void request(void *opaque, const char *device)
{
	*(int *)opaque += !strcmp(device, A) ? 100 : 10000;
}

static void test_in_use(void **state)
{
	static const struct uiommu_tree_store_ops ops = {.in_use = busy, .request = request};
	struct place *p = *state;
	int asked = 0;

	assert_int_equal(uiommu_tree_store(p->fd, VFIO "unbind", A, strlen(A), &ops, &asked),
			 -EINPROGRESS);
	assert_int_equal(uiommu_tree_store(p->fd, BUS "devices/" A "/remove", "1", 1, &ops, &asked),
			 -EINPROGRESS);
	assert_int_equal(asked, 202);
	assert_true(there(p, VFIO A));
	/* A driver that does DMA doesn't get what is in a group with it; nobody is asked for that. */
	assert_true(takes(p, BUS "devices/" B "/driver_override", "other"));
	assert_int_equal(
		uiommu_tree_store(p->fd, BUS "drivers/other/bind", B, strlen(B), &ops, &asked),
		-EBUSY);
	assert_int_equal(uiommu_tree_store(p->fd, BUS "drivers_probe", B, strlen(B), &ops, &asked),
			 -EINVAL);
	assert_int_equal(asked, 204);
	assert_false(there(p, BUS "drivers/other/" B));
	assert_true(takes(p, BUS "drivers/other/bind", B));
}

static void test_config(void **state)
{
	struct place *p = *state;
	uint8_t bytes[4096], got[4097];
	char path[300];
	ssize_t had, n;
	int fd;

	snprintf(path, sizeof(path), TREE BUS "devices/" A "/config");
	fd = openat(p->fd, path, O_RDONLY);
	had = pread(fd, got, sizeof(got), 0);
	assert_true(had == 64 || had == 4096);
	memset(bytes, 0x5a, sizeof(bytes));
	errno = 77;
	assert_int_equal(uiommu_tree_config(p->fd, A, bytes, sizeof(bytes)), 0);
	assert_int_equal(errno, 77);
	n = pread(fd, got, sizeof(got), 0);
	assert_int_equal(n, had);
	assert_memory_equal(got, bytes, (size_t)n);
	close(fd);
	assert_int_equal(uiommu_tree_config(p->fd, "beef:08:00.0", bytes, 64), -ENODEV);
	assert_int_equal(uiommu_tree_config(-1, A, bytes, 64), -ENODEV);
}

/* A group's node, and what tells of it, is there as long as one of its devices is vfio-pci's. */
struct told {
	int times;
	bool others;
};

static bool tell(void *opaque, const char *device, uint64_t offset, const void *bytes,
		 size_t length)
{
	struct told *told = opaque;

	assert_string_equal(device, A);
	assert_true(offset == 0x3a && length == 3 && !memcmp(bytes, "\1\2\3", 3));
	told->times++;
	return told->others;
}

/* What is written while nobody has the device is kept; else it's only shown. */
static void test_store_config(void **state)
{
	static const struct uiommu_tree_store_ops ops = {.config = tell};
	struct place *p = *state;
	struct told told = {.others = true};
	uint8_t kept[4096];
	int fd = openat(p->fd, TREE BUS "devices/" A "/config", O_RDONLY);
	uint8_t line = 0;

	assert_true(fd >= 0);
	assert_int_equal(uiommu_tree_store_config(p->ctx, p->fd, A, 0x3a, "\1\2\3", 3, &ops, &told),
			 3);
	assert_true(pread(fd, &line, 1, 0x3c) == 1 && line == 3 && told.times == 1);
	assert_int_equal(uiommu_tree_config_kept(p->fd, A, kept, sizeof(kept)), -ENOENT);
	told.others = false;
	errno = 77;
	assert_int_equal(uiommu_tree_store_config(p->ctx, p->fd, A, 0x3a, "\1\2\3", 3, &ops, &told),
			 3);
	assert_int_equal(errno, 77);
	assert_int_equal(uiommu_tree_config_kept(p->fd, A, kept, sizeof(kept)), 0);
	/* Only what may be written has changed. */
	assert_true(kept[0x3a] == 0 && kept[0x3b] == 0 && kept[0x3c] == 3 && told.times == 2);
	assert_int_equal(uiommu_tree_config_kept(p->fd, B, kept, sizeof(kept)), -ENOENT);
	assert_int_equal(uiommu_tree_store_config(p->ctx, p->fd, A, 4096, "1", 1, NULL, NULL), 0);
	assert_int_equal(uiommu_tree_store_config(p->ctx, p->fd, A, 4095, "12", 2, NULL, NULL), 1);
	assert_int_equal(
		uiommu_tree_store_config(p->ctx, p->fd, "beef:99:00.0", 0, "1", 1, NULL, NULL),
		-ENODEV);
	/* Nobody has it open here. */
	assert_int_equal(uiommu_vfio_config_write(p->ctx, A, 0x3c, "1", 1), -ENODEV);
	close(fd);
}

static void assert_group(struct place *p, const char *group, const char *number, bool want)
{
	static const char *const before[] = {"/dev/vfio", "/sys/class/vfio",
					     "/sys/devices/virtual/vfio"};
	char path[128];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", before[i], group);
		assert_int_equal(there(p, path), want);
	}
	snprintf(path, sizeof(path), "/sys/dev/char/%s/dev", number);
	assert_int_equal(there(p, path), want);
}

static void test_group_node(void **state)
{
	char path[400], link[128], number[32], *group;
	struct place *p = *state;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/" TREE BUS "devices/" A "/iommu_group", p->dir);
	n = readlink(path, link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = '\0';
	group = strrchr(link, '/') + 1;
	snprintf(path, sizeof(path), TREE "/sys/class/vfio/%s/dev", group);
	fd = openat(p->fd, path, O_RDONLY);
	n = read(fd, number, sizeof(number) - 1);
	assert_true(n > 1);
	number[n - 1] = '\0';
	close(fd);
	assert_group(p, group, number, true);
	assert_true(takes(p, BUS "devices/" B "/driver_override", "vfio-pci"));
	assert_true(takes(p, BUS "drivers_probe", B));
	assert_true(takes(p, VFIO "unbind", A));
	assert_group(p, group, number, true);
	assert_true(takes(p, VFIO "unbind", B));
	assert_group(p, group, number, false);
	assert_true(takes(p, VFIO "bind", A));
	assert_group(p, group, number, true);
}

static void test_unwritable(void **state)
{
	assert_int_equal(uiommu_tree_store(-1, VFIO "unbind", A, 1, NULL, NULL), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_config, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group_node, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwritable, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

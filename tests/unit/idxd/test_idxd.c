// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The driver idxd from inside: which nodes there are, whose a file is, what is left when it is
 * closed or could not be opened, and that a tree makes the same again.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <poll.h>
#include <uiommu/mm.h>

#include "idxd/idxd.h"

#define PAGE 4096ul
#define MOVE (3u << 24 | 2u | 4u | 8u) /* block on fault, completion record */

static struct uiommu *ctx;
static struct uiommu_mm *self;

struct desc {
	uint32_t pasid, flags;
	uint64_t record, src, dst;
	uint32_t size, more[7];
};

static uint8_t record[32] __attribute__((aligned(32)));
static char from[3 * PAGE], to[3 * PAGE];

static struct desc desc_of(void)
{
	memset(record, 0, sizeof(record));
	memset(to, 0, sizeof(to));
	return (struct desc){
		.flags = MOVE,
		.record = (uintptr_t)record,
		.src = (uintptr_t)from,
		.dst = (uintptr_t)to,
		.size = sizeof(to),
	};
}

static bool moved(void)
{
	return record[0] == 1 && !memcmp(from, to, sizeof(to));
}

static int add(const char *spec)
{
	return uiommu_pci_device_add(ctx, spec, NULL, NULL, 0);
}

static struct uiommu_file *opened(const char *path)
{
	struct uiommu_file *file = uiommu_open(ctx, path, O_RDWR);

	assert_false(UIOMMU_IS_ERR(file));
	return file;
}

static void open_fails(const char *path, int rc)
{
	assert_int_equal(UIOMMU_PTR_ERR(uiommu_open(ctx, path, O_RDWR)), rc);
}

static int setup(void **state)
{
	assert_int_equal(uiommu_create(NULL, &ctx), 0);
	self = uiommu_mm_self(ctx);
	memset(from, 'f', sizeof(from));
	return 0;
}

static int teardown(void **state)
{
	struct uiommu_counts counts;

	uiommu_get_counts(ctx, &counts);
	assert_int_equal(counts.files, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	uiommu_mm_put(self);
	uiommu_destroy(ctx);
	return 0;
}

/* ---- nodes ---- */

static void test_nodes(void **state)
{
	struct uiommu_file *file;
	dev_t first;

	assert_int_equal(add("dsa"), 0);
	assert_int_equal(add("ats-testdev,driver=idxd"), 0);
	assert_int_equal(add("dsa,driver=other"), 0);
	open_fails("/dev/dsa/wq0.0", -ENOENT);
	assert_int_equal(add("dsa,driver=idxd,queues=dedicated"), 0);
	assert_int_equal(add("dsa,driver=idxd"), 0);
	file = opened("/dev/dsa/wq0.0");
	first = uiommu_file_rdev(file);
	open_fails("/dev/dsa/wq0.0", -EBUSY);
	open_fails("/dev/dsa/wq0.1", -ENOENT);
	uiommu_file_put(file);
	file = opened("/dev/dsa/wq1.1");
	assert_int_equal(major(uiommu_file_rdev(file)), major(first));
	assert_int_equal(minor(uiommu_file_rdev(file)), minor(first) + 9);
	uiommu_file_put(file);
}

static void test_options(void **state)
{
	struct uiommu_file *file;
	char text[200];

	assert_int_equal(uiommu_pci_device_add(ctx, "dsa,driver=idxd,queues=share", NULL, text,
					       sizeof(text)),
			 -EINVAL);
	assert_non_null(strstr(text, "\"shared\" and \"dedicated\" with + between them"));
	assert_int_equal(add("dsa,driver=idxd,queues="), -EINVAL);
	assert_int_equal(add("dsa,driver=idxd,queues=shared+"), -EINVAL);
	assert_int_equal(add("dsa,driver=idxd,queues=+shared"), -EINVAL);
	assert_int_equal(add("dsa,driver=idxd,queues=share"), -EINVAL);
	assert_int_equal(add("dsa,driver=idxd,queues=shared-dedicated"), -EINVAL);
	assert_int_equal(
		add("dsa,driver=idxd,queues=shared+shared+shared+shared+shared+shared+shared+"
		    "shared+shared"),
		-EINVAL);
	assert_int_equal(
		add("dsa,driver=idxd,queues=shared+shared+shared+shared+shared+shared+shared+"
		    "dedicated"),
		0);
	file = opened("/dev/dsa/wq0.7");
	uiommu_file_put(file);
	assert_int_equal(add("dsa,driver=idxd,queues=none"), 0);
	open_fails("/dev/dsa/wq1.0", -ENOENT);
}

static void test_tree(void **state)
{
	char dir[] = "/tmp/idxd-XXXXXX", command[64], text[64] = "";
	struct uiommu *again, *old = ctx;
	struct uiommu_file *file, *twin;
	int fd, at;

	assert_int_equal(add("dsa,driver=idxd"), 0);
	assert_int_equal(add("dsa,driver=idxd,name=mine,safe=on"), 0);
	file = opened("/dev/dsa/wq1.1");
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(uiommu_tree_write(ctx, fd, NULL, 0), 0);
	at = openat(fd, "root/sys/bus/dsa/devices/wq1.1/name", O_RDONLY);
	assert_int_equal(read(at, text, sizeof(text)), 5);
	assert_string_equal(text, "mine\n");
	close(at);

	assert_int_equal(uiommu_create(NULL, &again), 0);
	assert_int_equal(uiommu_tree_load(again, fd, NULL, NULL, NULL, 0), 0);
	ctx = again;
	twin = opened("/dev/dsa/wq1.1");
	assert_int_equal(uiommu_file_rdev(twin), uiommu_file_rdev(file));
	uiommu_file_put(twin);
	uiommu_destroy(again);
	ctx = old;
	uiommu_file_put(file);
	close(fd);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

/* ---- files ---- */

static void test_submit(void **state)
{
	struct uiommu_mapping *mapping;
	struct uiommu_file *file;
	struct desc desc;

	assert_int_equal(add("dsa,driver=idxd,safe=on"), 0);
	file = opened("/dev/dsa/wq0.0");
	desc = desc_of();
	assert_int_equal(uiommu_file_write(file, self, (uintptr_t)&desc, 64), 64);
	assert_true(moved());
	assert_int_equal(uiommu_file_mmap(file, self, PROT_WRITE, MAP_SHARED, 0, PAGE, &mapping),
			 0);
	uiommu_file_put(file);
	assert_true(uiommu_mapping_dontcopy(mapping));
	desc = desc_of();
	assert_int_equal(uiommu_mapping_enqueue(mapping, 0, &desc), 0);
	assert_true(moved());
	/* The whole page, and nothing behind it. */
	assert_int_equal(uiommu_mapping_enqueue(mapping, PAGE - 64, &desc), 0);
	assert_int_equal(uiommu_mapping_enqueue(mapping, PAGE, &desc), -EIO);
	uiommu_mapping_put(mapping);

	file = opened("/dev/dsa/wq0.1");
	desc = desc_of();
	assert_int_equal(uiommu_file_write(file, self, (uintptr_t)&desc, 64), 64);
	assert_true(moved());
	uiommu_file_put(file);
}

/* Nobody's PASID works after the last close, whoever has kept the number. */
static void test_closed(void **state)
{
	struct uiommu_file *shared, *dedicated;
	struct uiommu_mapping *mapping;
	struct uiommu_pci_device *pdev;
	struct desc desc;

	assert_int_equal(uiommu_pci_device_add(ctx, "dsa,driver=idxd,safe=on", &pdev, NULL, 0), 0);
	shared = opened("/dev/dsa/wq0.0");
	dedicated = opened("/dev/dsa/wq0.1");
	assert_int_equal(uiommu_file_mmap(shared, NULL, PROT_WRITE, MAP_SHARED, 0, PAGE, &mapping),
			 0);
	uiommu_mapping_put(mapping);
	uiommu_file_put(shared);
	uiommu_file_put(dedicated);
	desc = desc_of();
	desc.pasid = 1;
	pci_mmio_enqueue(pdev, 2, PAGE, &desc);
	pci_mmio_write_block(pdev, 2, 5 * PAGE, &desc);
	assert_int_equal(to[0], 0);
	assert_int_equal(record[0], 0);
}

static void test_foreign(void **state)
{
	struct uiommu_mapping *mapping;
	struct uiommu_file *file;
	struct desc desc = desc_of();
	struct uiommu_mm *mm;
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	assert_int_equal(add("dsa,driver=idxd,safe=on"), 0);
	file = opened("/dev/dsa/wq0.0");
	mm = uiommu_mm_of(ctx, pid);
	assert_false(UIOMMU_IS_ERR(mm));
	assert_int_equal(uiommu_file_write(file, mm, (uintptr_t)&desc, 64), -EPERM);
	assert_int_equal(uiommu_file_mmap(file, mm, PROT_WRITE, MAP_SHARED, 0, PAGE, &mapping),
			 -EPERM);
	assert_false(moved());
	uiommu_mm_put(mm);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	uiommu_file_put(file);
}

static void test_error(void **state)
{
	struct uiommu_file *file;
	struct desc desc = desc_of();

	assert_int_equal(add("dsa,driver=idxd"), 0);
	file = opened("/dev/dsa/wq0.0");
	assert_int_equal(uiommu_file_poll(file), 0);
	desc.record = 0x1000;
	assert_int_equal(uiommu_file_write(file, self, (uintptr_t)&desc, 64), 64);
	assert_int_equal(uiommu_file_poll(file), POLLIN | POLLRDNORM);
	uiommu_file_put(file);
	file = opened("/dev/dsa/wq0.1");
	assert_int_equal(uiommu_file_poll(file), POLLIN | POLLRDNORM);
	uiommu_file_put(file);
}

/* Until it's disabled and enabled, which only a run can. */
static void test_halted(void **state)
{
	struct uiommu_pci_device *pdev;
	struct uiommu_file *file;
	struct desc desc = desc_of();

	assert_int_equal(uiommu_pci_device_add(ctx, "dsa,driver=idxd", &pdev, NULL, 0), 0);
	file = opened("/dev/dsa/wq0.0");
	pci_config_command(pdev, PCI_CMD_MASTER, 0);
	uiommu_file_write(file, self, (uintptr_t)&desc, 64);
	assert_false(moved());
	pci_config_command(pdev, 0, PCI_CMD_MASTER);
	open_fails("/dev/dsa/wq0.0", -ENXIO);
	uiommu_file_put(file);
	open_fails("/dev/dsa/wq0.1", -ENXIO);
}

/* ---- without memory ---- */

static void test_nomem(void **state)
{
	struct uiommu_file *file;
	struct desc desc;
	unsigned int n;
	bool failed;

	assert_int_equal(add("dsa,driver=idxd"), 0);
	for (n = 1, failed = true; failed; n++) {
		ui_fail_nth = n;
		file = uiommu_open(ctx, n % 2 ? "/dev/dsa/wq0.0" : "/dev/dsa/wq0.1", O_RDWR);
		failed = UIOMMU_IS_ERR(file);
		if (failed)
			assert_int_equal(UIOMMU_PTR_ERR(file), -ENOMEM);
		else if (ui_fail_nth)
			failed = false;
		ui_fail_nth = 0;
		if (UIOMMU_IS_ERR(file))
			continue;
		desc = desc_of();
		assert_int_equal(uiommu_file_write(file, self, (uintptr_t)&desc, 64), 64);
		assert_true(moved());
		uiommu_file_put(file);
	}
	assert_true(n > 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_submit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_halted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nomem, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

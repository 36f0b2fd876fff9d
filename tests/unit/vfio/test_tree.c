// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The tree on disk, its links, and the instance that the manifest makes again.
 */
#include "fixture.h"

#include "vfio/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct place {
	struct uiommu *ctx;
	char dir[64];
	int fd;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void place_open(struct place *p)
{
	snprintf(p->dir, sizeof(p->dir), "/tmp/test-tree-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	p->fd = open(p->dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(uiommu_create(NULL, &p->ctx), 0);
}

static void place_close(struct place *p)
{
	uiommu_destroy(p->ctx);
	close(p->fd);
	assert_int_equal(nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static struct uiommu_pci_device *add(struct place *p, const char *spec)
{
	struct uiommu_pci_device *pdev;
	char err[256] = "";

	if (uiommu_pci_device_add(p->ctx, spec, &pdev, err, sizeof(err)))
		fail_msg("%s", err);
	return pdev;
}

static void write_tree(struct place *p)
{
	char err[256] = "";

	errno = 77;
	if (uiommu_tree_write(p->ctx, p->fd, err, sizeof(err)))
		fail_msg("%s", err);
	assert_int_equal(errno, 77);
}

/* The text of root/@path. */
static const char *content(struct place *p, const char *path)
{
	static char text[4200];
	char full[256];
	ssize_t n;
	int fd;

	snprintf(full, sizeof(full), "%s/%s", p->dir, path);
	fd = open(full, O_RDONLY);
	if (fd < 0)
		fail_msg("no %s", full);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

#define TREE "root"

/* Where @path of the tree leads, relative to it; NULL if it leads out of it. */
static const char *resolve(struct place *p, const char *path)
{
	static char real[PATH_MAX];
	char full[256];
	size_t skip;

	skip = (size_t)snprintf(full, sizeof(full), "%s/%s/", p->dir, TREE);
	snprintf(full + skip, sizeof(full) - skip, "%s", path);
	if (!realpath(full, real))
		fail_msg("%s leads nowhere", full);
	return strncmp(real, full, skip) ? NULL : real + skip;
}

#define ROOT "sys/devices/pcibeef:00"
#define PORT ROOT "/beef:00:01.0"
#define DEV PORT "/beef:05:00.0"

static void test_device_folder(void **state)
{
	struct uiommu_pci_device *pdev;
	struct vfio_device *vdev;
	char path[256], want[200];
	struct place p;

	place_open(&p);
	pdev = add(&p, "ats-testdev@beef:05:00.0");
	vdev = pdev->driver_data;
	write_tree(&p);
	assert_string_equal(content(&p, "root/" DEV "/vendor"), "0x1234\n");
	assert_string_equal(content(&p, "root/" DEV "/device"), "0x11e9\n");
	assert_string_equal(content(&p, "root/" DEV "/class"), "0x00ff00\n");
	assert_string_equal(content(&p, "root/" DEV "/revision"), "0x02\n");
	assert_memory_equal(content(&p, "root/" DEV "/config"), "\x34\x12\xe9\x11", 4);
	assert_non_null(strstr(content(&p, "root/" DEV "/uevent"), "PCI_SLOT_NAME=beef:05:00.0\n"));
	assert_non_null(strstr(content(&p, "root/" DEV "/uevent"), "PCI_ID=1234:11E9\n"));
	snprintf(want, sizeof(want), "0x%016llx ", (unsigned long long)pci_config_bar(pdev, 0));
	assert_memory_equal(content(&p, "root/" DEV "/resource"), want, strlen(want));

	assert_string_equal(resolve(&p, "sys/bus/pci/devices/beef:05:00.0"), DEV);
	assert_string_equal(resolve(&p, "sys/bus/pci/drivers/vfio-pci/beef:05:00.0"), DEV);
	assert_string_equal(resolve(&p, DEV "/driver"), "sys/bus/pci/drivers/vfio-pci");
	assert_string_equal(resolve(&p, DEV "/subsystem"), "sys/bus/pci");
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u", pdev->group_id);
	assert_string_equal(resolve(&p, DEV "/iommu_group"), path);
	strcat(path, "/devices/beef:05:00.0");
	assert_string_equal(resolve(&p, path), DEV);

	snprintf(want, sizeof(want), DEV "/vfio-dev/vfio%u", vdev->index);
	snprintf(path, sizeof(path), "sys/class/vfio-dev/vfio%u", vdev->index);
	assert_string_equal(resolve(&p, path), want);
	snprintf(path, sizeof(path), "sys/dev/char/%u:%u", major(vdev->node.rdev),
		 minor(vdev->node.rdev));
	assert_string_equal(resolve(&p, path), want);
	snprintf(path, sizeof(path), "%s/device", want);
	assert_string_equal(resolve(&p, path), DEV);
	snprintf(path, sizeof(path), "%s/subsystem", want);
	assert_string_equal(resolve(&p, path), "sys/class/vfio-dev");
	snprintf(path, sizeof(path), "root/%s/dev", want);
	snprintf(want, sizeof(want), "%u:%u\n", major(vdev->node.rdev), minor(vdev->node.rdev));
	assert_string_equal(content(&p, path), want);
	place_close(&p);
}

/* The root port in front of it, the bus between them, and what each folder has. */
static void test_topology(void **state)
{
	static const char *const files[] = {
		"irq",		"enable",	 "numa_node",	       "msi_bus",
		"ari_enabled",	"power_state",	 "d3cold_allowed",     "reset",
		"reset_method", "local_cpus",	 "local_cpulist",      "driver_override",
		"resource0",	"power/control", "current_link_speed", "max_link_width",
	};
	struct uiommu_pci_device *a, *b, *c;
	unsigned char config[PCI_CFG_SIZE];
	char path[256], want[64];
	struct place p;
	unsigned int i;

	place_open(&p);
	a = add(&p, "ats-testdev,group=one@beef:05:00.0");
	b = add(&p, "ats-testdev,group=one,msix=4@beef:05:00.1");
	c = add(&p, "ats-testdev@beef:00:03.0");
	write_tree(&p);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/" TREE "/" DEV "/%s", p.dir, files[i]);
		if (access(path, F_OK))
			fail_msg("no %s", path);
	}
	assert_string_equal(content(&p, "root/" PORT "/class"), "0x060400\n");
	assert_string_equal(content(&p, "root/" PORT "/secondary_bus_number"), "5\n");
	memcpy(config, content(&p, "root/" PORT "/config"), 64);
	assert_int_equal(config[0x0e], 1);
	assert_memory_equal(config + 0x18, "\0\5\5\0", 4);
	/* Its window is over the BARs behind it. */
	i = (unsigned int)(pci_config_bar(b, 2) >> 16);
	assert_true((i & 0xfff0) <= (config[0x26] | (unsigned int)config[0x27] << 8));
	assert_true((i & 0xfff0) >= ((config[0x24] & 0xf0u) | (unsigned int)config[0x25] << 8));
	assert_string_equal(resolve(&p, PORT "/driver"), "sys/bus/pci/drivers/pcieport");
	assert_string_equal(resolve(&p, "sys/bus/pci/devices/beef:00:01.0"), PORT);
	assert_string_equal(resolve(&p, "sys/class/pci_bus/beef:05"), PORT "/pci_bus/beef:05");
	assert_string_equal(resolve(&p, "sys/class/pci_bus/beef:05/device"), PORT);
	assert_string_equal(resolve(&p, "sys/bus/pci/devices/beef:00:03.0"), ROOT "/beef:00:03.0");

	/* Two functions of one slot, in one group; the third has its own, the port, too. */
	memcpy(config, content(&p, "root/" DEV "/config"), 64);
	assert_int_equal(config[0x0e], 0x80);
	assert_int_equal(a->group_id, b->group_id);
	assert_ptr_equal(uiommu_device_group(uiommu_pci_iommu_device(a)),
			 uiommu_device_group(uiommu_pci_iommu_device(b)));
	assert_int_not_equal(a->group_id, c->group_id);
	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/beef:05:00.1",
		 a->group_id);
	assert_string_equal(resolve(&p, path), PORT "/beef:05:00.1");
	snprintf(want, sizeof(want), "sys/kernel/iommu_groups/%u", c->group_id + 1);
	assert_string_equal(resolve(&p, PORT "/iommu_group"), want);
	place_close(&p);
}

/* What the host has in a folder that is ours too is there, and is the host's. */
static void test_merged(void **state)
{
	static const char *const folders[] = {"/sys/bus/pci/devices", "/sys/bus/pci/drivers",
					      "/sys/devices", "/sys/devices/virtual", "/sys/class"};
	struct stat ours, theirs;
	struct dirent *entry;
	char path[512], texts[2][256];
	struct place p;
	unsigned int i;
	DIR *d;

	place_open(&p);
	add(&p, "ats-testdev@beef:05:00.0");
	write_tree(&p);
	/* One that is only listed is filled by whoever lists it, and forgets what is gone. */
	snprintf(path, sizeof(path), "%s/" TREE "/sys/class/gone", p.dir);
	assert_int_equal(symlink("/sys/class/gone", path), 0);
	uiommu_tree_refresh(p.fd, "/sys/class");
	assert_int_equal(lstat(path, &ours), -1);
	snprintf(path, sizeof(path), "%s/" TREE "/sys/class/vfio-dev", p.dir);
	assert_int_equal(lstat(path, &ours), 0);
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		d = opendir(folders[i]);
		while (d && (entry = readdir(d))) {
			/* These are ours, with the host's entries in them. */
			if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "vfio-pci") ||
			    !strcmp(entry->d_name, "pcieport") ||
			    !strcmp(entry->d_name, "pci_bus") || !strcmp(entry->d_name, "vfio") ||
			    !strcmp(entry->d_name, "virtual"))
				continue;
			snprintf(path, sizeof(path), "%s/%s", folders[i], entry->d_name);
			assert_int_equal(stat(path, &theirs), 0);
			snprintf(path, sizeof(path), "%s/root%s/%s", p.dir, folders[i],
				 entry->d_name);
			if (stat(path, &ours))
				fail_msg("%s: %s", path, strerror(errno));
			assert_int_equal(ours.st_ino, theirs.st_ino);
			/* A link of the host's is the same link here. */
			if (entry->d_type == DT_LNK) {
				memset(texts, 0, sizeof(texts));
				assert_true(readlink(path, texts[0], 255) > 0);
				assert_true(readlinkat(dirfd(d), entry->d_name, texts[1], 255) > 0);
				assert_string_equal(texts[0], texts[1]);
			}
		}
		if (d)
			closedir(d);
	}
	place_close(&p);
}

struct seen {
	unsigned int nodes, merges, dirs;
	dev_t device;
	bool bus;
	const char *node;
};

static void visit(void *opaque, const struct uiommu_tree_entry *entry)
{
	struct seen *seen = opaque;

	assert_int_equal(entry->path[0], '/');
	switch (entry->kind) {
	case UIOMMU_TREE_NODE:
		seen->nodes++;
		assert_true(entry->rdev);
		if (!strcmp(entry->path, seen->node))
			seen->device = entry->rdev;
		break;
	case UIOMMU_TREE_MERGE:
		seen->merges++;
		seen->bus |= !strcmp(entry->path, "/" ROOT);
		break;
	case UIOMMU_TREE_DIR:
		seen->dirs++;
		break;
	}
}

static void test_load(void **state)
{
	struct uiommu_pci_device *a, *b, *again;
	struct vfio_device *va, *vb, *v;
	struct uiommu *second;
	struct uiommu_file *file;
	struct seen seen = {0};
	char err[256] = "";
	struct place p;

	place_open(&p);
	/* Two functions of one slot, and numbers that don't start at 0. */
	vfio_set_next(p.ctx, 3, 500, makedev(490, 7));
	p.ctx->pci->host_asked = true;
	p.ctx->pci->next_group = 40;
	a = add(&p, "ats-testdev,ats=off@beef:05:00.0");
	b = add(&p, "ats-testdev@beef:05:00.1");
	va = a->driver_data;
	vb = b->driver_data;
	write_tree(&p);

	seen.node = vb->path;
	assert_int_equal(uiommu_tree_load(NULL, p.fd, visit, &seen, NULL, 0), 0);
	assert_int_equal(seen.nodes, 6); /* groups, /dev/vfio/vfio and /dev/iommu */
	assert_int_equal(seen.device, vb->node.rdev);
	assert_true(seen.bus && seen.merges && seen.dirs);

	assert_int_equal(uiommu_create(NULL, &second), 0);
	if (uiommu_tree_load(second, p.fd, NULL, NULL, err, sizeof(err)))
		fail_msg("%s", err);
	again = pci_device_find(second, &a->address);
	assert_non_null(again);
	v = again->driver_data;
	assert_int_equal(again->group_id, 40);
	assert_string_equal(v->path, "/dev/vfio/devices/vfio3");
	assert_int_equal(v->node.rdev, va->node.rdev);
	assert_false(uiommu_device_has_pri(uiommu_pci_iommu_device(again)));
	again = pci_device_find(second, &b->address);
	v = again->driver_data;
	assert_int_equal(again->group_id, 41);
	assert_string_equal(v->group->path, "/dev/vfio/41");
	assert_int_equal(v->group->node.rdev, makedev(490, 8));
	assert_true(again->bus->has_port);
	assert_memory_equal(&again->bus->port, &b->bus->port, sizeof(b->bus->port));
	assert_int_equal(v->node.rdev, vb->node.rdev);
	assert_int_equal(pci_config_bar(again, 0), pci_config_bar(b, 0));
	assert_true(uiommu_device_has_pri(uiommu_pci_iommu_device(again)));
	file = uiommu_open(second, vb->path, O_RDWR);
	assert_false(UIOMMU_IS_ERR(file));
	uiommu_file_put(file);
	uiommu_destroy(second);
	place_close(&p);
}

static void check_bad(struct place *p, const char *manifest, int rc)
{
	int fd = openat(p->fd, "manifest", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char err[256] = "";

	assert_int_equal(write(fd, manifest, strlen(manifest)), strlen(manifest));
	close(fd);
	assert_int_equal(uiommu_tree_load(p->ctx, p->fd, NULL, NULL, err, sizeof(err)), rc);
	assert_true(!rc == !err[0]);
}

static void test_bad_manifest(void **state)
{
	char err[256] = "";
	struct place p;

	place_open(&p);
	assert_int_equal(uiommu_tree_load(p.ctx, p.fd, NULL, NULL, err, sizeof(err)), -ENOENT);
	assert_true(err[0]);
	check_bad(&p, "", -EPROTO);
	check_bad(&p, "uiommu 2\n", -EPROTO);
	check_bad(&p, "uiommu 1\n", 0);
	check_bad(&p, "uiommu 1\nfuture /x\n", -EPROTO);
	check_bad(&p, "uiommu 1\nnode /dev/iommu\n", -EPROTO);
	check_bad(&p, "uiommu 1\nmerge sys\n", -EPROTO);
	check_bad(&p, "uiommu 1\ndevice 0000:01:00.0 group=x\n", -EPROTO);
	check_bad(
		&p,
		"uiommu 1\ndevice 0000:01:00.0 port=none group=1 node=1:1 vfio=1 major=1 spec=none\n",
		-ENODEV);
	check_bad(
		&p,
		"uiommu 1\ndevice 0000:01:00.0 port=x group=1 node=1:1 vfio=1 major=1 spec=ats-testdev\n",
		-EINVAL);
	place_close(&p);
}

static void test_unwritable(void **state)
{
	char err[256] = "";
	struct place p;

	place_open(&p);
	assert_int_equal(mkdirat(p.fd, "root", 0755), 0);
	assert_int_equal(uiommu_tree_write(p.ctx, p.fd, err, sizeof(err)), -EEXIST);
	assert_non_null(strstr(err, "TMPDIR"));
	assert_int_equal(uiommu_tree_write(p.ctx, -1, NULL, 0), -EBADF);
	place_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_folder), cmocka_unit_test(test_topology),
		cmocka_unit_test(test_merged),	      cmocka_unit_test(test_load),
		cmocka_unit_test(test_bad_manifest),  cmocka_unit_test(test_unwritable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

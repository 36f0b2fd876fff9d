// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/tree.c - /sys and /dev as a client of these devices sees them
 *
 * Written into a folder: "root/" with what is there, and "manifest", a text
 * that says how the instance was made and which paths are shown from root/.
 *
 *	uiommu 1
 *	driver idxd major=509 first=0
 *	device 0000:01:00.0 port=0000:00:01.0 group=0 node=510:0 vfio=0 major=511 spec=ats-testdev
 *	node /dev/vfio/devices/vfio0 511:0
 *	merge /sys/bus/pci
 *	dir /sys/class
 *
 * The first line names the format.  A driver line has the numbers of a driver's nodes
 * besides vfio-pci's.  A device line has the spec last, for it may
 * contain spaces; devices are in the order in which they were added.  A line of
 * "iommufd-test" says that /dev/iommu has the mock driver.  A node is
 * a character device, and an empty file in root/.  Of a merge path everything is
 * root/'s, of a dir path only the folder itself, so that its listing is right (see
 * pci/treefile.c): what is below it is the host's unless another line says otherwise.
 *
 * Folders that both have are materialised: ours, and a link for each entry of
 * the host's.  Where the host's entry is a link itself (/sys/bus/pci/devices/X)
 * the text is kept: it resolves inside root/, through a link to the host's
 * folder.  So ".." in a path, and realpath(), work as on a real system.
 *
 * The folders of functions, root ports and buses are written by pci/sysfs.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "iommufd/test.h"
#include "pci/tree.h"
#include "vfio/group.h"
#include "vfio/vfio.h"

/* ---- a device ---- */

static void write_vfio_dev(struct tree *tree, const struct vfio_device *vdev, const char *path)
{
	unsigned int major_nr = major(vdev->node.rdev), minor_nr = minor(vdev->node.rdev);
	char name[200], number[32];
	int dir;

	snprintf(name, sizeof(name), "sys/%s/vfio-dev/vfio%u", path, vdev->index);
	dir = tree_dir(tree, name);
	tree_file(tree, dir, "dev", 0444, "%u:%u\n", major_nr, minor_nr);
	tree_file(tree, dir, "uevent", 0644, "MAJOR=%u\nMINOR=%u\nDEVNAME=vfio/devices/vfio%u\n",
		  major_nr, minor_nr, vdev->index);
	tree_close(dir);
	tree_link_from(tree, name + 4, "device", "%s", path);
	tree_link_from(tree, name + 4, "subsystem", "class/vfio-dev");

	snprintf(name, sizeof(name), "vfio%u", vdev->index);
	tree_link_from(tree, "class/vfio-dev", name, "%s/vfio-dev/%s", path, name);
	snprintf(number, sizeof(number), "%u:%u", major_nr, minor_nr);
	tree_link_from(tree, "dev/char", number, "%s/vfio-dev/%s", path, name);
	fprintf(tree->manifest, "merge /sys/dev/char/%s\n", number);
}

/* A device of a class that stands for no hardware: "vfio" and "0". */
static void write_virtual(struct tree *tree, const char *class, const char *name, dev_t rdev,
			  const char *node)
{
	char path[64], number[32];
	int dir;

	snprintf(path, sizeof(path), "sys/devices/virtual/%s/%s", class, name);
	dir = tree_dir(tree, path);
	tree_file(tree, dir, "dev", 0444, "%u:%u\n", major(rdev), minor(rdev));
	tree_file(tree, dir, "uevent", 0644, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", major(rdev),
		  minor(rdev), node + strlen("/dev/"));
	tree_close(dir);
	tree_link_from(tree, path + 4, "subsystem", "class/%s", class);

	snprintf(path, sizeof(path), "class/%s", class);
	tree_link_from(tree, path, name, "devices/virtual/%s/%s", class, name);
	snprintf(number, sizeof(number), "%u:%u", major(rdev), minor(rdev));
	tree_link_from(tree, "dev/char", number, "devices/virtual/%s/%s", class, name);
	fprintf(tree->manifest, "merge /sys/dev/char/%s\n", number);
}

static void write_groups(struct tree *tree)
{
	struct vfio_group *group;

	cds_list_for_each_entry(group, &tree->ctx->vfio->groups, state_node)
		write_virtual(tree, "vfio", group->path + strlen("/dev/vfio/"), group->node.rdev,
			      group->path);
}

/* The folder of a root, which the host may have too. */
static void write_root(struct tree *tree, const char *path)
{
	char name[64];
	int dir;

	snprintf(name, sizeof(name), "sys/%s", path);
	dir = tree_dir(tree, name);
	if (!tree->rc && faccessat(dir, "uevent", F_OK, 0)) {
		tree_merge_host(tree, name);
		if (faccessat(dir, "uevent", F_OK, 0))
			tree_file(tree, dir, "uevent", 0644, "%s", "");
		fprintf(tree->manifest, "merge /%s\n", name);
	}
	tree_close(dir);
}

static void write_device(struct tree *tree, struct uiommu_pci_device *pdev)
{
	struct vfio_device *vdev = pdev->driver_data;
	char path[96], port[16] = "none";

	if (pdev->bus->has_port)
		pci_address_format(&pdev->bus->port, port);
	fprintf(tree->manifest, "device %s port=%s group=%u node=%u:%u vfio=%u major=%u spec=%s\n",
		pdev->name, port, pdev->group_id, major(vdev->group->node.rdev),
		minor(vdev->group->node.rdev), vdev->index, major(vdev->node.rdev), pdev->spec);
	pci_sysfs_write_device(tree, pdev);
	pci_sysfs_path(pdev, path, sizeof(path));
	write_vfio_dev(tree, vdev, path);
	if (pdev->own)
		vfio_write_own(tree, pdev);
}

/* Devices, then what they are behind; the groups of root ports come behind theirs. */
static void write_devices(struct tree *tree)
{
	struct pci_state *state = tree->ctx->pci;
	unsigned int group = state->next_group;
	struct uiommu_pci_device *pdev;
	struct pci_bus *bus;
	char root[32];

	for (unsigned int i = 0; i < PCI_OWN_DRIVERS; i++)
		if (state->own[i])
			state->own[i]->save(tree->ctx, tree->manifest);
	cds_list_for_each_entry(pdev, &state->devices, node)
		write_device(tree, pdev);
	cds_list_for_each_entry(bus, &state->buses, node) {
		pci_sysfs_write_bus(tree, state, bus, group);
		group += bus->has_port;
		pci_sysfs_root(bus, root, sizeof(root));
		write_root(tree, root);
	}
	write_groups(tree);
}

/* ---- what there is once ---- */

static void write_nodes(struct tree *tree)
{
	struct ui_node *node;
	int dir;

	dir = tree_dir(tree, "dev/vfio/devices");
	tree_close(dir);
	/* Files are made under the lock: nodes come and go with devices only. */
	ui_mutex_lock(&tree->ctx->nodes_lock);
	cds_list_for_each_entry(node, &tree->ctx->nodes, node) {
		if (!node->own_file)
			tree_bytes(tree, tree->rootfd, node->path + 1, 0666, "", 0);
		fprintf(tree->manifest, "node %s %u:%u\n", node->path, major(node->rdev),
			minor(node->rdev));
	}
	ui_mutex_unlock(&tree->ctx->nodes_lock);
	tree_merge_host(tree, "dev/vfio");
	tree_merge_host(tree, "dev/vfio/devices");
	fprintf(tree->manifest, "merge /dev/vfio\ndir /dev\n");
}

/*
 * What a kernel with fault injection has in debugfs.  Nothing comes of what is
 * written there: with fail-nth, each allocation counts.
 */
static void write_debugfs(struct tree *tree)
{
	static const char *const folders[] = {"failslab", "fail_page_alloc", "fail_iommufd"};
	char path[64];
	int dir;

	for (unsigned int i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "sys/kernel/debug/%s", folders[i]);
		dir = tree_dir(tree, path);
		tree_file(tree, dir, "ignore-gfp-wait", 0644, "Y\n");
		tree_file(tree, dir, "ignore-gfp-highmem", 0644, "Y\n");
		tree_file(tree, dir, "verbose", 0644, "2\n");
		tree_close(dir);
	}
	fprintf(tree->manifest, "merge /sys/kernel/debug\n");
	/* Of a node that comes later. */
	tree_close(tree_dir(tree, "proc/thread-self"));
}

/* A module counts as loaded when its folder is there. */
void vfio_write_module(struct tree *tree, const char *module)
{
	char path[96];
	int dir;

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	if (!access(path, F_OK)) {
		dir = tree_dir(tree, "sys/module");
		tree_link(tree, dir, module, "%s", path);
		tree_close(dir);
		return;
	}
	dir = tree_dir(tree, path + 1);
	tree_file(tree, dir, "initstate", 0444, "live\n");
	tree_file(tree, dir, "refcnt", 0444, "0\n");
	tree_close(dir);
	fprintf(tree->manifest, "merge %s\n", path);
}

static void write_bus(struct tree *tree)
{
	static const char *const driver_files[] = {"bind", "unbind", "new_id", "remove_id"};
	unsigned int i;
	int dir;

	dir = tree_dir(tree, "sys/bus/pci/drivers/vfio-pci");
	for (i = 0; i < sizeof(driver_files) / sizeof(driver_files[0]); i++)
		tree_file(tree, dir, driver_files[i], 0200, "%s", "");
	tree_file(tree, dir, "uevent", 0200, "%s", "");
	tree_link(tree, dir, "module", "../../../../module/vfio_pci");
	tree_close(dir);

	/* Ours, so that nobody rescans the real bus by accident. */
	dir = tree_dir(tree, "sys/bus/pci");
	tree_file(tree, dir, "drivers_autoprobe", 0644, "1\n");
	tree_file(tree, dir, "drivers_probe", 0200, "%s", "");
	tree_file(tree, dir, "rescan", 0200, "%s", "");
	tree_file(tree, dir, "uevent", 0200, "%s", "");
	tree_close(dir);
	tree_close(tree_dir(tree, "sys/class/vfio-dev"));
	tree_close(tree_dir(tree, "sys/kernel/iommu_groups"));
}

/*
 * Folders of the host with something of ours in them, or in the listing.  Those of "dir"
 * lines are filled when somebody lists them; the others must be complete from the start.
 */
static void merge_host_folders(struct tree *tree)
{
	static const char *const merged[] = {
		"sys/bus/pci",
		"sys/bus/pci/devices",
		"sys/bus/pci/drivers",
		"sys/bus/pci/drivers/vfio-pci",
		"sys/bus/pci/drivers/pcieport",
		"sys/kernel/iommu_groups",
		"sys/class/vfio-dev",
		"sys/class/vfio",
		"sys/class/pci_bus",
		"sys/devices/virtual/vfio",
		"sys/devices", /* where links of the host's devices lead */
		"sys/devices/virtual",
	};
	static const char *const listed[] = {
		"sys/bus",    "sys/class",  "sys/dev/char", "sys/devices", "sys/devices/virtual",
		"sys/kernel", "sys/module",
	};
	unsigned int i;

	for (i = 0; i < sizeof(merged) / sizeof(merged[0]); i++)
		tree_merge_host(tree, merged[i]);
	fprintf(tree->manifest,
		"merge /sys/bus/pci\nmerge /sys/kernel/iommu_groups\nmerge /sys/class/vfio-dev\n"
		"merge /sys/class/vfio\nmerge /sys/class/pci_bus\n"
		"merge /sys/devices/virtual/vfio\n");
	for (i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
		tree_close(tree_dir(tree, listed[i]));
		fprintf(tree->manifest, "dir /%s\n", listed[i]);
	}
	/* None mounted: then all of it is ours. */
	if (access("/sys/bus", F_OK))
		fprintf(tree->manifest, "merge /sys\n");
}

static void write_all(struct tree *tree)
{
	fprintf(tree->manifest, "uiommu 1\n");
	ui_mutex_lock(&tree->ctx->pci->lock);
	write_devices(tree);
	ui_mutex_unlock(&tree->ctx->pci->lock);
	if (iommufd_has_test_ops(tree->ctx)) {
		fprintf(tree->manifest, "iommufd-test\n");
		write_debugfs(tree);
	}
	write_nodes(tree);
	vfio_write_module(tree, "iommufd");
	/* Without a device the host's own /sys will do, and a run starts sooner. */
	if (cds_list_empty(&tree->ctx->pci->devices))
		return;
	write_bus(tree);
	vfio_write_module(tree, "vfio");
	vfio_write_module(tree, "vfio_pci");
	merge_host_folders(tree);
}

/* Opens for writing; NULL with tree->rc. */
static FILE *open_manifest(struct tree *tree, int dirfd)
{
	int fd = openat(dirfd, "manifest", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f)
		tree_fail(tree, -errno);
	if (!f && fd >= 0)
		close(fd);
	return f;
}

int uiommu_tree_write(struct uiommu *ctx, int dirfd, char *errbuf, size_t errlen)
{
	struct tree tree = {.ctx = ctx, .rootfd = -1};
	int saved = errno;

	if (mkdirat(dirfd, "root", 0755))
		tree_fail(&tree, -errno);
	else
		tree.rootfd = openat(dirfd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree.rootfd < 0)
		tree_fail(&tree, -errno);
	if (!tree.rc)
		tree.manifest = open_manifest(&tree, dirfd);
	if (tree.manifest) {
		write_all(&tree);
		vfio_bind_start(&tree, dirfd);
		if (ferror(tree.manifest))
			tree_fail(&tree, -ENOSPC);
		if (fclose(tree.manifest))
			tree_fail(&tree, -errno);
	}
	tree_close(tree.rootfd);
	if (tree.rc)
		pci_error(errbuf, errlen,
			  "the folder for the devices' /sys and /dev can't be written: %s: "
			  "set TMPDIR to one that can",
			  strerror(-tree.rc));
	errno = saved;
	return tree.rc;
}

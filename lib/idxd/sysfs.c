// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/sysfs.c - the bus "dsa" in /sys, and /dev/dsa
 *
 * A device is dsaN in its function's folder, with its engines, groups and queues below; a queue
 * that users may open has one more folder, of its node.  All of them are on the bus, too.  What
 * the files say is how the device is configured, which the run's folder keeps:
 *
 *	state/0000:01:00.0	struct idxd_conf
 *
 * It is replaced as a whole, so who reads it needs no lock; who changes it has the run's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "idxd/idxd.h"
#include "idxd/regs.h"
#include "pci/tree.h"

#define BUS "bus/dsa"
#define PATH 200

/* ---- how it is configured ---- */

int idxd_state_load(int dirfd, const char *device, struct idxd_conf *conf)
{
	char path[32];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "state/%s", device);
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, conf, sizeof(*conf));
	close(fd);
	return n == (ssize_t)sizeof(*conf) ? 0 : -EPROTO;
}

int idxd_state_save(int dirfd, const char *device, const struct idxd_conf *conf)
{
	char path[32];
	bool written;
	int fd;

	mkdirat(dirfd, "state", 0755);
	snprintf(path, sizeof(path), "state/%s", device);
	fd = openat(dirfd, "state/new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	written = write(fd, conf, sizeof(*conf)) == (ssize_t)sizeof(*conf);
	close(fd);
	if (!written)
		return -ENOSPC;
	return renameat(dirfd, "state/new", dirfd, path) ? -errno : 0;
}

int uiommu_tree_state(int dirfd, const char *device, void *bytes, size_t size)
{
	int saved = errno;
	int rc = size == sizeof(struct idxd_conf) ? idxd_state_load(dirfd, device, bytes) : -EPROTO;

	errno = saved;
	return rc;
}

/* ---- folders ---- */

/* Of the @i-th object, below that of its device. */
static void object_path(const struct idxd_conf *conf, const char *device, enum idxd_kind kind,
			unsigned int i, char path[PATH])
{
	static const char *const names[] = {
		[IDXD_KIND_GROUP] = "group",
		[IDXD_KIND_ENGINE] = "engine",
		[IDXD_KIND_WQ] = "wq",
	};

	if (kind == IDXD_KIND_DEVICE)
		snprintf(path, PATH, "%s", device);
	else
		snprintf(path, PATH, "%.150s/%s%u.%u", device, names[kind], conf->number, i);
}

/* A folder on the bus: @path below /sys. */
static void add_folder(struct tree *tree, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	char text[PATH + 8];

	snprintf(text, sizeof(text), "sys/%s", path);
	tree_close(tree_dir(tree, text));
	tree_link_from(tree, path, "subsystem", BUS);
	tree_link_from(tree, BUS "/devices", name, "%s", path);
}

static void remove_at(struct tree *tree, const char *folder, const char *name, int flags)
{
	char path[2 * PATH];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!tree->rc && unlinkat(tree->rootfd, path, flags) && errno != ENOENT)
		tree_fail(tree, -errno);
}

/* The links between a folder and its driver on the bus. */
static void bind_driver(struct tree *tree, const char *path, const char *driver, bool bound)
{
	const char *name = strrchr(path, '/') + 1;
	char folder[PATH + 8];

	snprintf(folder, sizeof(folder), BUS "/drivers/%s", driver);
	if (bound) {
		tree_link_from(tree, path, "driver", "%s", folder);
		tree_link_from(tree, folder, name, "%s", path);
		return;
	}
	snprintf(folder, sizeof(folder), "sys/" BUS "/drivers/%s", driver);
	remove_at(tree, folder, name, 0);
	snprintf(folder, sizeof(folder), "sys/%s", path);
	remove_at(tree, folder, "driver", 0);
}

/* ---- a queue's node ---- */

/*
 *  file	below /dev
 *  link	to it, on the bus: for a name has no slash there
 *  number	"509:0"
 *  folder	below /sys
 */
struct node_names {
	char file[24];
	char link[24];
	char number[24];
	char folder[PATH];
};

static void node_names(const struct idxd_conf *conf, const char *device, unsigned int i,
		       struct node_names *names)
{
	char path[PATH];

	object_path(conf, device, IDXD_KIND_WQ, i, path);
	snprintf(names->file, sizeof(names->file), "dsa/wq%u.%u", conf->number, i);
	snprintf(names->link, sizeof(names->link), "dsa!wq%u.%u", conf->number, i);
	snprintf(names->number, sizeof(names->number), "%u:%u", conf->major, conf->minor + i);
	snprintf(names->folder, sizeof(names->folder), "%.170s/%s", path, names->link);
}

static void add_node(struct tree *tree, const struct idxd_conf *conf, const char *device,
		     unsigned int i)
{
	struct node_names names = {.file = ""};
	char path[PATH + 8];
	int dir;

	node_names(conf, device, i, &names);
	add_folder(tree, names.folder);
	snprintf(path, sizeof(path), "sys/%s", names.folder);
	dir = tree_dir(tree, path);
	tree_file(tree, dir, "dev", 0444, "%s\n", names.number);
	tree_file(tree, dir, "uevent", 0644,
		  "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=idxd_cdev\nMODALIAS=dsa:t0\n",
		  conf->major, conf->minor + i, names.file);
	tree_close(dir);
	tree_link_from(tree, "dev/char", names.number, "%s", names.folder);
	/* The last to come and the first to go. */
	dir = tree_dir(tree, "dev");
	tree_bytes(tree, dir, names.file, 0666, "", 0);
	tree_close(dir);
}

static void remove_node(struct tree *tree, const struct idxd_conf *conf, const char *device,
			unsigned int i)
{
	static const char *const files[] = {"dev", "uevent", "subsystem"};
	struct node_names names = {.file = ""};
	char path[PATH + 8];

	node_names(conf, device, i, &names);
	remove_at(tree, "dev", names.file, 0);
	remove_at(tree, "sys/dev/char", names.number, 0);
	remove_at(tree, "sys/" BUS "/devices", names.link, 0);
	snprintf(path, sizeof(path), "sys/%s", names.folder);
	for (unsigned int f = 0; f < sizeof(files) / sizeof(files[0]); f++)
		remove_at(tree, path, files[f], 0);
	remove_at(tree, "sys", names.folder, AT_REMOVEDIR);
}

/* ---- attributes ---- */

/* In place: who has it open sees the new text. */
static void write_text(struct tree *tree, const char *path, mode_t mode, const char *text,
		       size_t length)
{
	int fd;

	if (tree->rc)
		return;
	fd = openat(tree->rootfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);
	if (fd < 0) {
		tree_fail(tree, -errno);
		return;
	}
	if (pwrite(fd, text, length, 0) != (ssize_t)length || ftruncate(fd, (off_t)length))
		tree_fail(tree, -ENOSPC);
	close(fd);
}

/* Of one object, if it says something else than it did. */
static void update_attr(struct tree *tree, const char *device, const struct idxd_attr *attr,
			const struct idxd_conf *old, const struct idxd_conf *conf, unsigned int i)
{
	char text[IDXD_TEXT], was[IDXD_TEXT], object[PATH], path[2 * PATH];
	int n = attr->show(conf, i, text);

	if (old && attr->show(old, i, was) == n && !memcmp(text, was, (size_t)n))
		return;
	object_path(conf, device, attr->kind, i, object);
	snprintf(path, sizeof(path), "sys/%s/%s", object, attr->name);
	write_text(tree, path, attr->store ? 0644 : 0444, text, (size_t)n);
}

void idxd_sysfs_update(struct tree *tree, const char *device, const struct idxd_conf *old,
		       const struct idxd_conf *conf)
{
	const struct idxd_attr *attr;
	char path[PATH];
	unsigned int i;

	for (i = 0; old && i < idxd_conf_queues(conf); i++) {
		if (old->queues[i].enabled && !conf->queues[i].enabled)
			remove_node(tree, conf, device, i);
	}
	for (attr = idxd_attrs; attr->name; attr++) {
		for (i = 0; i < idxd_conf_count(conf, attr->kind); i++) {
			if (!attr->visible || attr->visible(conf))
				update_attr(tree, device, attr, old, conf, i);
		}
	}
	if (conf->enabled != (old && old->enabled))
		bind_driver(tree, device, "idxd", conf->enabled);
	for (i = 0; i < idxd_conf_queues(conf); i++) {
		object_path(conf, device, IDXD_KIND_WQ, i, path);
		if (conf->queues[i].enabled == (old && old->queues[i].enabled))
			continue;
		bind_driver(tree, path, "user", conf->queues[i].enabled);
		if (conf->queues[i].enabled)
			add_node(tree, conf, device, i);
	}
}

/* ---- at the start ---- */

/* Once, but harmless more often. */
static void write_bus(struct tree *tree)
{
	static const char *const drivers[] = {"idxd", "user", "dmaengine", "dsa"};
	static const char *const merged[] = {"dev/dsa", "sys/" BUS, "sys/" BUS "/devices",
					     "sys/" BUS "/drivers"};
	char path[64];
	int dir;

	for (unsigned int i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		snprintf(path, sizeof(path), "sys/" BUS "/drivers/%s", drivers[i]);
		dir = tree_dir(tree, path);
		tree_file(tree, dir, "bind", 0200, "%s", "");
		tree_file(tree, dir, "unbind", 0200, "%s", "");
		tree_file(tree, dir, "uevent", 0200, "%s", "");
		tree_close(dir);
	}
	dir = tree_dir(tree, "sys/" BUS);
	tree_file(tree, dir, "drivers_autoprobe", 0644, "1\n");
	tree_file(tree, dir, "drivers_probe", 0200, "%s", "");
	tree_file(tree, dir, "uevent", 0200, "%s", "");
	tree_close(dir);
	for (unsigned int i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
		tree_close(tree_dir(tree, merged[i]));
		tree_merge_host(tree, merged[i]);
	}
	fprintf(tree->manifest, "merge /"
				"dev/dsa\nmerge /sys/" BUS "\n");
}

/* What may be there besides the device's folder, now or later. */
static void list_own(struct tree *tree, const struct idxd_conf *conf, const char *device)
{
	struct node_names names = {.file = ""};
	unsigned int i;

	for (i = 0; i < idxd_conf_queues(conf); i++) {
		node_names(conf, device, i, &names);
		tree_own(tree, "dev/%s", names.file);
		tree_own(tree, "sys/dev/char/%s", names.number);
		tree_own(tree, "sys/" BUS "/devices/%s", names.link);
		tree_own(tree, "sys/" BUS "/drivers/user/wq%u.%u", conf->number, i);
		fprintf(tree->manifest, "merge /sys/dev/char/%s\n", names.number);
	}
	tree_own(tree, "sys/" BUS "/drivers/idxd/dsa%u", conf->number);
}

static void write_device(struct tree *tree, const struct idxd_conf *conf, const char *device)
{
	enum idxd_kind kind;
	char path[PATH];

	for (kind = IDXD_KIND_DEVICE; kind <= IDXD_KIND_WQ; kind++) {
		for (unsigned int i = 0; i < idxd_conf_count(conf, kind); i++) {
			object_path(conf, device, kind, i, path);
			add_folder(tree, path);
			tree_own(tree, "sys/" BUS "/devices/%s", strrchr(path, '/') + 1);
		}
	}
	idxd_sysfs_update(tree, device, NULL, conf);
	list_own(tree, conf, device);
	tree_own(tree, "sys/%s", device);
}

void idxd_sysfs_write(struct tree *tree, struct uiommu_pci_device *pdev)
{
	struct idxd_device *idxd = pdev->own_data;
	char function[96], path[128];
	int dir, rc;

	ui_mutex_lock(&idxd->lock);
	rc = idxd_hw_start(idxd);
	if (!rc) {
		write_bus(tree);
		pci_sysfs_path(pdev, function, sizeof(function));
		snprintf(path, sizeof(path), "%s/dsa%u", function, idxd->number);
		write_device(tree, &idxd->conf, path);
		/* Beside "root". */
		dir = openat(tree->rootfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = dir < 0 ? -errno : idxd_state_save(dir, pdev->name, &idxd->conf);
		tree_close(dir);
	}
	ui_mutex_unlock(&idxd->lock);
	if (rc)
		tree_fail(tree, rc);
}

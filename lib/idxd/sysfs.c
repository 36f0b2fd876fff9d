// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/sysfs.c - the bus "dsa" in /sys, and /dev/dsa
 *
 * A device is dsaN in its function's folder, with its engines, groups and queues below; a queue
 * that users may open has one more folder, of its node.  All of them are on the bus, too.  What
 * the files say is how the device is set up when the tree is written.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "idxd/idxd.h"
#include "idxd/regs.h"
#include "pci/tree.h"

#define BUS "bus/dsa"

/* What a queue is that nobody has configured. */
#define DEFAULT_XFER (2u << 20)
#define DEFAULT_BATCH 32u
#define DEFAULT_RETRIES 32u
#define DEFAULT_PRIORITY 10u

/* A folder on the bus: @path below /sys; @driver: it's bound to, or NULL.  -1 after an error. */
static int add_folder(struct tree *tree, const char *path, const char *type, const char *driver)
{
	const char *name = strrchr(path, '/') + 1;
	char text[200];
	int dir;

	snprintf(text, sizeof(text), "sys/%s", path);
	dir = tree_dir(tree, text);
	snprintf(text, sizeof(text), "DEVTYPE=%s\n%s%s%sMODALIAS=dsa:t0\n", type,
		 driver ? "DRIVER=" : "", driver ? driver : "", driver ? "\n" : "");
	tree_file(tree, dir, "uevent", 0644, "%s", text);
	tree_link_from(tree, path, "subsystem", BUS);
	tree_link_from(tree, BUS "/devices", name, "%s", path);
	tree_own(tree, "sys/" BUS "/devices/%s", name);
	if (driver) {
		tree_link_from(tree, path, "driver", BUS "/drivers/%s", driver);
		snprintf(text, sizeof(text), BUS "/drivers/%s", driver);
		tree_link_from(tree, text, name, "%s", path);
		tree_own(tree, "sys/%s/%s", text, name);
	}
	return dir;
}

/* 256 bits, as the kernel prints a bitmap. */
static void write_bits(struct tree *tree, int dir, const char *name, const uint64_t bits[4])
{
	char text[80];
	size_t n = 0;

	for (unsigned int i = 4; i--;)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%08x,%08x%c",
				      (unsigned int)(bits[i] >> 32), (unsigned int)bits[i],
				      i ? ',' : '\n');
	tree_bytes(tree, dir, name, 0444, text, n);
}

/* Of an accelerator whose portals aren't for everybody, batches are nobody's. */
static void write_ops(struct tree *tree, int dir, const char *name, const struct idxd_device *idxd)
{
	uint64_t ops[4];

	memcpy(ops, idxd->opcap, sizeof(ops));
	if (!idxd->safe && idxd->version == IDXD_VERSION_1)
		ops[0] &= ~(1ull << IDXD_OP_BATCH);
	write_bits(tree, dir, name, ops);
}

static void write_device(struct tree *tree, const struct idxd_device *idxd, const char *path)
{
	unsigned int buffers = IDXD_GRPCAP_BUFFERS(idxd->grpcap);
	const uint64_t none[4] = {0};
	int dir = add_folder(tree, path, "dsa", "idxd");

	tree_file(tree, dir, "version", 0444, "%#x\n", idxd->version);
	tree_file(tree, dir, "max_groups", 0444, "%u\n", IDXD_GRPCAP_GROUPS(idxd->grpcap));
	tree_file(tree, dir, "max_work_queues", 0444, "%u\n", IDXD_WQCAP_WQS(idxd->wqcap));
	tree_file(tree, dir, "max_work_queues_size", 0444, "%u\n", IDXD_WQCAP_SIZE(idxd->wqcap));
	tree_file(tree, dir, "max_engines", 0444, "%u\n", IDXD_ENGCAP_ENGINES(idxd->engcap));
	tree_file(tree, dir, "max_batch_size", 0444, "%u\n",
		  1u << IDXD_GENCAP_BATCH_SHIFT(idxd->gencap));
	tree_file(tree, dir, "max_transfer_size", 0444, "%llu\n",
		  1ull << IDXD_GENCAP_XFER_SHIFT(idxd->gencap));
	tree_file(tree, dir, "max_read_buffers", 0444, "%u\n", buffers);
	tree_file(tree, dir, "max_tokens", 0444, "%u\n", buffers);
	tree_file(tree, dir, "read_buffer_limit", 0644, "0\n");
	tree_file(tree, dir, "token_limit", 0644, "0\n");
	tree_file(tree, dir, "numa_node", 0444, "-1\n");
	tree_file(tree, dir, "gen_cap", 0444, "%#llx\n", (unsigned long long)idxd->gencap);
	write_ops(tree, dir, "op_cap", idxd);
	tree_file(tree, dir, "configurable", 0444, "%u\n",
		  idxd->gencap & IDXD_GENCAP_CONFIGURABLE ? 1 : 0);
	tree_file(tree, dir, "clients", 0444, "0\n");
	tree_file(tree, dir, "pasid_enabled", 0444, "1\n");
	tree_file(tree, dir, "state", 0444, "enabled\n");
	write_bits(tree, dir, "errors", none);
	tree_file(tree, dir, "cdev_major", 0444, "%u\n", idxd->ctx->idxd->major);
	tree_file(tree, dir, "cmd_status", 0644, "0\n");
	tree_close(dir);
}

static void write_engines(struct tree *tree, const struct idxd_device *idxd, const char *path)
{
	char name[160];
	int dir;

	for (unsigned int i = 0; i < IDXD_ENGCAP_ENGINES(idxd->engcap); i++) {
		snprintf(name, sizeof(name), "%s/engine%u.%u", path, idxd->number, i);
		dir = add_folder(tree, name, "engine", NULL);
		tree_file(tree, dir, "group_id", 0644, "0\n");
		tree_close(dir);
	}
}

/* "wq0.0 wq0.1\n"; nothing at all if there are none. */
static void write_names(struct tree *tree, int dir, const char *file, const char *prefix,
			unsigned int number, unsigned int count)
{
	char text[512] = "";
	size_t n = 0;

	for (unsigned int i = 0; i < count && n < sizeof(text) - 24; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u.%u%c", prefix, number, i,
				      i + 1 < count ? ' ' : '\n');
	tree_bytes(tree, dir, file, 0444, text, n);
}

static void write_groups(struct tree *tree, const struct idxd_device *idxd, const char *path)
{
	unsigned int buffers = IDXD_GRPCAP_BUFFERS(idxd->grpcap);
	char name[160];
	int dir;

	for (unsigned int i = 0; i < IDXD_GRPCAP_GROUPS(idxd->grpcap); i++) {
		snprintf(name, sizeof(name), "%s/group%u.%u", path, idxd->number, i);
		dir = add_folder(tree, name, "group", NULL);
		write_names(tree, dir, "work_queues", "wq", idxd->number, i ? 0 : idxd->nr_queues);
		write_names(tree, dir, "engines", "engine", idxd->number,
			    i ? 0 : IDXD_ENGCAP_ENGINES(idxd->engcap));
		tree_file(tree, dir, "use_read_buffer_limit", 0644, "0\n");
		tree_file(tree, dir, "use_token_limit", 0644, "0\n");
		tree_file(tree, dir, "read_buffers_reserved", 0644, "0\n");
		tree_file(tree, dir, "tokens_reserved", 0644, "0\n");
		tree_file(tree, dir, "read_buffers_allowed", 0644, "%u\n", buffers);
		tree_file(tree, dir, "tokens_allowed", 0644, "%u\n", buffers);
		tree_file(tree, dir, "traffic_class_a", 0644, "1\n");
		tree_file(tree, dir, "traffic_class_b", 0644, "1\n");
		tree_close(dir);
	}
}

static void write_node(struct tree *tree, const struct idxd_wq *wq, const char *parent)
{
	unsigned int major_nr = major(wq->node.rdev), minor_nr = minor(wq->node.rdev);
	char path[160], number[32];
	int dir;

	snprintf(path, sizeof(path), "%.120s/dsa!wq%u.%u", parent, wq->idxd->number, wq->index);
	dir = add_folder(tree, path, "idxd_cdev", NULL);
	tree_file(tree, dir, "dev", 0444, "%u:%u\n", major_nr, minor_nr);
	tree_file(tree, dir, "uevent", 0644, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nMODALIAS=dsa:t0\n",
		  major_nr, minor_nr, wq->path + strlen("/dev/"));
	tree_close(dir);
	snprintf(number, sizeof(number), "%u:%u", major_nr, minor_nr);
	tree_link_from(tree, "dev/char", number, "%s", path);
	tree_own(tree, "sys/dev/char/%s", number);
	/* It is written with all nodes. */
	tree_own(tree, "%s", wq->path + 1);
	fprintf(tree->manifest, "merge /sys/dev/char/%s\n", number);
}

/* @wq: of a queue that is enabled, or NULL. */
static void write_queue(struct tree *tree, const struct idxd_device *idxd, const char *path,
			const struct idxd_wq *wq)
{
	int dir = add_folder(tree, path, "wq", wq ? "user" : NULL);

	tree_file(tree, dir, "clients", 0444, "0\n");
	tree_file(tree, dir, "state", 0444, wq ? "enabled\n" : "disabled\n");
	tree_file(tree, dir, "group_id", 0644, wq ? "0\n" : "-1\n");
	tree_file(tree, dir, "mode", 0644, wq && wq->dedicated ? "dedicated\n" : "shared\n");
	tree_file(tree, dir, "size", 0644, "%u\n", wq ? wq->size : 0);
	tree_file(tree, dir, "priority", 0644, "%u\n", wq ? DEFAULT_PRIORITY : 0);
	tree_file(tree, dir, "block_on_fault", 0644, wq ? "1\n" : "0\n");
	tree_file(tree, dir, "threshold", 0644, "%u\n", wq && !wq->dedicated ? wq->size : 0);
	tree_file(tree, dir, "type", 0644, wq ? "user\n" : "none\n");
	tree_file(tree, dir, "name", 0644, "%s\n",
		  wq ? uiommu_pci_option_string(idxd->pdev, "name") : "");
	tree_file(tree, dir, "driver_name", 0644, wq ? "user\n" : "\n");
	tree_file(tree, dir, "cdev_minor", 0444, "%d\n", wq ? (int)minor(wq->node.rdev) : -1);
	tree_file(tree, dir, "max_transfer_size", 0644, "%llu\n",
		  wq ? 1ull << IDXD_GENCAP_XFER_SHIFT(idxd->gencap) : DEFAULT_XFER);
	tree_file(tree, dir, "max_batch_size", 0644, "%u\n",
		  wq ? 1u << IDXD_GENCAP_BATCH_SHIFT(idxd->gencap) : DEFAULT_BATCH);
	tree_file(tree, dir, "ats_disable", 0644, "0\n");
	tree_file(tree, dir, "prs_disable", 0644, "0\n");
	tree_file(tree, dir, "enqcmds_retries", 0644, "%u\n", DEFAULT_RETRIES);
	if (idxd->wqcap & IDXD_WQCAP_OP_CONFIG)
		write_ops(tree, dir, "op_config", idxd);
	tree_close(dir);
	if (wq)
		write_node(tree, wq, path);
}

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

void idxd_sysfs_write(struct tree *tree, struct uiommu_pci_device *pdev)
{
	struct idxd_device *idxd = pdev->own_data;
	char function[96], path[128], name[160];
	int rc;

	ui_mutex_lock(&idxd->lock);
	rc = idxd_hw_start(idxd);
	ui_mutex_unlock(&idxd->lock);
	if (rc) {
		tree_fail(tree, rc);
		return;
	}
	pci_sysfs_path(pdev, function, sizeof(function));
	snprintf(path, sizeof(path), "%s/dsa%u", function, idxd->number);
	write_device(tree, idxd, path);
	write_engines(tree, idxd, path);
	write_groups(tree, idxd, path);
	for (unsigned int i = 0; i < IDXD_WQCAP_WQS(idxd->wqcap); i++) {
		snprintf(name, sizeof(name), "%s/wq%u.%u", path, idxd->number, i);
		write_queue(tree, idxd, name, i < idxd->nr_queues ? &idxd->queues[i] : NULL);
	}
	tree_own(tree, "sys/%s", path);
	write_bus(tree);
}

int idxd_sysfs_store(const char *path)
{
	const char *file = strrchr(path, '/');
	unsigned int number;
	const char *p;
	int used = 0;

	if (!strncmp(path, "/sys/" BUS "/", strlen("/sys/" BUS "/")))
		return -EOPNOTSUPP;
	p = strncmp(path, "/sys/devices/pci", strlen("/sys/devices/pci")) ? NULL :
									    strstr(path, "/dsa");
	if (!p || sscanf(p, "/dsa%u/%n", &number, &used) != 1 || !used)
		return 1;
	/* Whatever is written clears the one, which is clear, and asks for an event of the other. */
	return !strcmp(file, "/cmd_status") || !strcmp(file, "/uevent") ? 1 : -EPERM;
}

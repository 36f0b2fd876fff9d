// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/idxd.c - the driver idxd: a node for each queue of an accelerator that it was given
 *
 * Which queues a run starts with is said by options of the device's model, which stand for what
 * an administrator would have configured: "queues=shared+dedicated", "safe=on".  Nodes are
 * /dev/dsa/wqN.M, where N numbers devices, behind the host's, and minors count all queues; the
 * one of a queue that isn't enabled has no file, and can't be opened.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "idxd/idxd.h"

/* Of an instance that isn't asked to keep clear of a host; those before are vfio's. */
#define MAJOR_DEFAULT 509u

static bool idxd_match(const struct uiommu_pci_device *pdev)
{
	static const uint16_t devices[] = {0x0b25, 0x11fb, 0x1212};

	for (unsigned int i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (pdev->model->vendor == 0x8086 && pdev->model->device == devices[i])
			return true;
	}
	return false;
}

static void add_node(struct idxd_state *state, struct idxd_device *idxd, unsigned int index)
{
	struct idxd_wq *wq = &idxd->queues[index];

	wq->idxd = idxd;
	wq->index = index;
	snprintf(wq->path, sizeof(wq->path), "/dev/dsa/wq%u.%u", idxd->number, wq->index);
	wq->node.path = wq->path;
	wq->node.rdev = makedev(state->major, state->next_minor++);
	wq->node.open = idxd_cdev_open;
	wq->node.priv = wq;
	wq->node.own_file = true;
	ui_node_add(idxd->ctx, &wq->node);
}

static int idxd_probe(struct uiommu_pci_device *pdev)
{
	struct idxd_state *state = pdev->ctx->idxd;
	struct idxd_device *idxd;

	if (!idxd_queues_valid(uiommu_pci_option_string(pdev, "queues")))
		return -EINVAL;
	idxd = ui_zalloc(sizeof(*idxd));
	if (!idxd)
		return -ENOMEM;
	idxd->ctx = pdev->ctx;
	idxd->pdev = pdev;
	idxd->safe = uiommu_pci_option_bool(pdev, "safe");
	idxd->number = state->next_number++;
	idxd->first_minor = state->next_minor;
	ui_mutex_init(&idxd->lock);
	ui_mutex_init(&idxd->error_lock);
	CDS_INIT_LIST_HEAD(&idxd->files);
	pdev->own_data = idxd;
	for (unsigned int i = 0; i < IDXD_MAX_WQS; i++)
		add_node(state, idxd, i);
	return 0;
}

static void idxd_remove(struct uiommu_pci_device *pdev)
{
	struct idxd_device *idxd = pdev->own_data;

	pdev->own_data = NULL;
	for (unsigned int i = 0; i < IDXD_MAX_WQS; i++)
		ui_node_del(idxd->ctx, &idxd->queues[i].node);
	ui_mutex_destroy(&idxd->error_lock);
	ui_mutex_destroy(&idxd->lock);
	ui_free(idxd);
}

static void idxd_avoid_host(struct uiommu *ctx)
{
	ctx->idxd->next_number = pci_host_next_number("/sys/bus/dsa/devices", "dsa");
	ctx->idxd->major = pci_host_take_major(ctx->pci);
}

static void idxd_save(struct uiommu *ctx, FILE *manifest)
{
	const struct uiommu_pci_device *pdev;

	cds_list_for_each_entry(pdev, &ctx->pci->devices, node) {
		const struct idxd_device *idxd = pdev->own_data;

		/* The first; numbers follow from the order. */
		if (idxd && pdev->own->save == idxd_save) {
			fprintf(manifest, "driver idxd major=%u first=%u\n", ctx->idxd->major,
				idxd->number);
			return;
		}
	}
}

bool idxd_in_use(const struct uiommu_pci_device *pdev)
{
	const struct idxd_device *idxd = pdev->own_data;

	return idxd && pdev->own->save == idxd_save && ui_load_acquire(&idxd->opens);
}

static int idxd_restore(struct uiommu *ctx, const char *text)
{
	return sscanf(text, "major=%u first=%u", &ctx->idxd->major, &ctx->idxd->next_number) == 2 ?
		       0 :
		       -EPROTO;
}

static const struct pci_driver idxd_pci_driver = {
	.name = "idxd",
	.options = "queues= takes up to 8 of \"shared\" and \"dedicated\" with + between them, "
		   "or \"none\"",
	.match = idxd_match,
	.avoid_host = idxd_avoid_host,
	.probe = idxd_probe,
	.remove = idxd_remove,
	.message = idxd_hw_message,
	.write_tree = idxd_sysfs_write,
	.save = idxd_save,
	.restore = idxd_restore,
};

int idxd_init(struct uiommu *ctx)
{
	ctx->idxd = ui_zalloc(sizeof(*ctx->idxd));
	if (!ctx->idxd)
		return -ENOMEM;
	ctx->idxd->major = MAJOR_DEFAULT;
	pci_add_own_driver(ctx, &idxd_pci_driver);
	return 0;
}

void idxd_exit(struct uiommu *ctx)
{
	if (!ctx->idxd)
		return;
	pci_del_own_driver(ctx, &idxd_pci_driver);
	ui_free(ctx->idxd);
	ctx->idxd = NULL;
}

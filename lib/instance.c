// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * instance.c - an instance, made of the parts of each room
 *
 * Rooms are made from the ground up and unmade in reverse; the only file that
 * knows them all.
 */
#include <string.h>

#include "base/ctx.h"
#include "core/core.h"
#include "idxd/idxd.h"
#include "iommufd/iommufd.h"
#include "iopf/iopf.h"
#include "mm/mm.h"
#include "mock/mock.h"
#include "pci/pci.h"
#include "sva/space.h"
#include "vfio/vfio.h"

/* The size of the first version, which later ones must still accept. */
#define CONFIG_MIN_SIZE sizeof(struct uiommu_config)

static void base_init(struct uiommu *ctx, const struct uiommu_config *config)
{
	if (config) {
		ctx->host = config->host;
		ctx->opaque = config->opaque;
		ctx->event = config->event;
	}
	ui_readers_init(&ctx->readers);
	ui_mutex_init(&ctx->nodes_lock);
	CDS_INIT_LIST_HEAD(&ctx->nodes);
	ui_mutex_init(&ctx->iopts_lock);
	ui_mutex_init(&ctx->pinsets_lock);
}

static void base_exit(struct uiommu *ctx)
{
	ui_mutex_destroy(&ctx->pinsets_lock);
	ui_mutex_destroy(&ctx->iopts_lock);
	ui_mutex_destroy(&ctx->nodes_lock);
	ui_readers_destroy(&ctx->readers);
}

int uiommu_create(const struct uiommu_config *config, struct uiommu **out)
{
	struct uiommu *ctx;
	int rc;

	if (config && (config->size < CONFIG_MIN_SIZE || config->size > 4096))
		return -EINVAL;
	ctx = aligned_alloc(64, (sizeof(*ctx) + 63) & ~63UL);
	if (!ctx)
		return -ENOMEM;
	memset(ctx, 0, sizeof(*ctx));
	base_init(ctx, config);

	rc = mm_init(ctx);
	if (rc)
		goto out_base;
	rc = core_init(ctx);
	if (rc)
		goto out_mm;
	iopf_init(ctx);
	rc = sva_init(ctx);
	if (rc)
		goto out_core;
	rc = iommufd_init(ctx);
	if (rc)
		goto out_sva;
	rc = pci_init(ctx);
	if (rc)
		goto out_iommufd;
	rc = vfio_init(ctx);
	if (rc)
		goto out_pci;
	rc = idxd_init(ctx);
	if (rc)
		goto out_vfio;
	*out = ctx;
	return 0;

out_vfio:
	vfio_exit(ctx);
out_pci:
	pci_exit(ctx);
out_iommufd:
	iommufd_exit(ctx);
out_sva:
	sva_exit(ctx);
out_core:
	core_exit(ctx);
out_mm:
	mm_exit(ctx);
out_base:
	base_exit(ctx);
	free(ctx);
	return rc;
}

void uiommu_destroy(struct uiommu *ctx)
{
	uint64_t files;

	if (!ctx)
		return;
	files = ui_load_acquire(&ctx->counts.files);
	if (files) {
		/* Each may point to anything below; taking that away would be worse. */
		ui_note(ctx, "the instance is left in place: %llu files are still open",
			(unsigned long long)files);
		return;
	}
	idxd_exit(ctx);
	vfio_exit(ctx);
	pci_exit(ctx);
	mock_exit(ctx);
	iommufd_exit(ctx);
	core_unregister_all(ctx);
	if (ui_load_acquire(&ctx->counts.handles)) {
		ui_note(ctx, "the instance is left in place: attach handles are still referenced");
		return;
	}
	sva_exit(ctx);
	core_exit(ctx);
	mm_exit(ctx);
	base_exit(ctx);
	free(ctx);
}

void uiommu_get_counts(struct uiommu *ctx, struct uiommu_counts *counts)
{
	const struct ui_counts *now = &ctx->counts;

	counts->devices = ui_load_relaxed(&now->devices);
	counts->groups = ui_load_relaxed(&now->groups);
	counts->domains = ui_load_relaxed(&now->domains);
	counts->handles = ui_load_relaxed(&now->handles);
	counts->files = ui_load_relaxed(&now->files);
	counts->objects = ui_load_relaxed(&now->objects);
	counts->areas = ui_load_relaxed(&now->areas);
	counts->faults_reported = ui_load_relaxed(&now->faults_reported);
	counts->faults_answered = ui_load_relaxed(&now->faults_answered);
	counts->groups_open = ui_load_relaxed(&now->groups_open);
}

const char *uiommu_version(void)
{
	return UIOMMU_VERSION;
}

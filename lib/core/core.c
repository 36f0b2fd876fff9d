// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/core.c - core's part of an instance, and the global PASIDs
 */
#include "core/core.h"

int core_init(struct uiommu *ctx)
{
	struct core_state *core = ui_zalloc(sizeof(*core));

	if (!core)
		return -ENOMEM;
	ui_mutex_init(&core->lock);
	ui_ida_init(&core->pasids);
	CDS_INIT_LIST_HEAD(&core->devices);
	ctx->core = core;
	return 0;
}

void core_unregister_all(struct uiommu *ctx)
{
	struct core_state *core = ctx->core;

	/* Nobody else is inside any call, so the list is ours. */
	while (!cds_list_empty(&core->devices))
		uiommu_device_unregister(
			cds_list_first_entry(&core->devices, struct uiommu_device, ctx_node));
}

/* No device is registered. */
void core_exit(struct uiommu *ctx)
{
	struct core_state *core = ctx->core;

	if (!core)
		return;
	ui_ida_destroy(&core->pasids);
	ui_mutex_destroy(&core->lock);
	ui_free(core);
	ctx->core = NULL;
}

void core_set_fault_hooks(struct uiommu *ctx, const struct core_fault_hooks *hooks)
{
	ctx->core->hooks = hooks;
}

int64_t uiommu_alloc_global_pasid(struct uiommu_device *dev)
{
	struct core_state *core = dev->ctx->core;
	int64_t pasid;

	if (!dev->max_pasids)
		return -EOPNOTSUPP;
	if (dev->max_pasids == 1)
		return -ENOSPC;
	ui_mutex_lock(&core->lock);
	pasid = ui_ida_alloc(&core->pasids, 1, dev->max_pasids - 1);
	ui_mutex_unlock(&core->lock);
	return pasid;
}

void uiommu_free_global_pasid(struct uiommu *ctx, uint32_t pasid)
{
	struct core_state *core = ctx->core;

	if (pasid == UIOMMU_NO_PASID || pasid > UIOMMU_PASID_MAX)
		return;
	ui_mutex_lock(&core->lock);
	ui_ida_free(&core->pasids, pasid);
	ui_mutex_unlock(&core->lock);
}

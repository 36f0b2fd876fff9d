// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sva/space.c - which address spaces have a PASID, and which domain is theirs
 *
 * All devices of an instance are behind one kind of IOMMU, so an address space has one
 * domain, which exists while there are bonds.  The list is short (a process, and
 * children that use its devices); who looks for an address space also drops those
 * of processes that have ended, for nobody tells us.
 */
#include <errno.h>

#include "base/ctx.h"
#include "mm/mm.h"
#include "sva/space.h"

static void space_free_locked(struct uiommu *ctx, struct sva_space *space)
{
	cds_list_del(&space->node);
	uiommu_free_global_pasid(ctx, space->pasid);
	uiommu_mm_put(space->mm);
	ui_free(space);
}

/* Of processes that ended. */
static void drop_dead_locked(struct uiommu *ctx)
{
	struct sva_space *space, *next;

	cds_list_for_each_entry_safe(space, next, &ctx->sva->spaces, node)
		if (!space->users && !mm_alive(space->mm))
			space_free_locked(ctx, space);
}

static struct sva_space *space_make_locked(struct uiommu_device *dev, struct uiommu_mm *mm)
{
	struct uiommu *ctx = uiommu_device_ctx(dev);
	struct sva_space *space = ui_zalloc(sizeof(*space));
	int64_t pasid;

	if (!space)
		return UIOMMU_ERR_PTR(-ENOMEM);
	pasid = uiommu_alloc_global_pasid(dev);
	if (pasid < 0) {
		ui_free(space);
		/* A device without PASIDs is one that has none left, as in Linux. */
		return UIOMMU_ERR_PTR(pasid == -ENOMEM ? -ENOMEM : -ENOSPC);
	}
	space->mm = uiommu_mm_get(mm);
	space->pasid = (uint32_t)pasid;
	cds_list_add(&space->node, &ctx->sva->spaces);
	if (!mm_pid(mm))
		ui_store_release(&ctx->sva->own_pasid, space->pasid);
	return space;
}

struct sva_space *sva_space_get(struct uiommu_device *dev, struct uiommu_mm *mm)
{
	struct uiommu *ctx = uiommu_device_ctx(dev);
	struct sva_space *space, *found = NULL;

	ui_mutex_lock(&ctx->sva->lock);
	drop_dead_locked(ctx);
	cds_list_for_each_entry(space, &ctx->sva->spaces, node)
		if (mm_same(space->mm, mm))
			found = space;
	if (!found)
		found = space_make_locked(dev, mm);
	else if (found->pasid >= uiommu_device_max_pasids(dev))
		found = UIOMMU_ERR_PTR(-EOVERFLOW);
	if (!UIOMMU_IS_ERR(found))
		found->users++;
	ui_mutex_unlock(&ctx->sva->lock);
	return found;
}

void sva_space_put(struct uiommu *ctx, struct sva_space *space)
{
	ui_mutex_lock(&ctx->sva->lock);
	space->users--;
	ui_mutex_unlock(&ctx->sva->lock);
}

uint32_t sva_own_pasid(struct uiommu *ctx)
{
	return ui_load_acquire(&ctx->sva->own_pasid);
}

struct uiommu_domain *sva_space_join(struct uiommu *ctx, struct sva_space *space)
{
	struct uiommu_domain *domain;

	ui_mutex_lock(&ctx->sva->lock);
	if (!space->domain)
		space->domain = sva_domain_alloc(ctx, space->mm);
	if (space->domain) {
		space->bonds++;
		space->users++;
		domain = uiommu_domain_get(space->domain);
	} else {
		domain = UIOMMU_ERR_PTR(-ENOMEM);
	}
	ui_mutex_unlock(&ctx->sva->lock);
	return domain;
}

void sva_space_leave(struct uiommu *ctx, struct sva_space *space)
{
	struct uiommu_domain *domain = NULL;

	ui_mutex_lock(&ctx->sva->lock);
	space->users--;
	if (!--space->bonds) {
		domain = space->domain;
		space->domain = NULL;
	}
	ui_mutex_unlock(&ctx->sva->lock);
	if (domain)
		uiommu_domain_put(domain);
}

int sva_init(struct uiommu *ctx)
{
	ctx->sva = ui_zalloc(sizeof(*ctx->sva));
	if (!ctx->sva)
		return -ENOMEM;
	ui_mutex_init(&ctx->sva->lock);
	CDS_INIT_LIST_HEAD(&ctx->sva->spaces);
	return 0;
}

void sva_exit(struct uiommu *ctx)
{
	struct sva_space *space, *next;

	cds_list_for_each_entry_safe(space, next, &ctx->sva->spaces, node)
		space_free_locked(ctx, space);
	ui_mutex_destroy(&ctx->sva->lock);
	ui_free(ctx->sva);
	ctx->sva = NULL;
}

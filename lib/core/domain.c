// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/domain.c - domains: references, and the two that need no table
 */
#include <uiommu/mm.h>

#include "core/core.h"

void uiommu_domain_init(struct uiommu *ctx, struct uiommu_domain *domain,
			enum uiommu_domain_type type, const struct uiommu_domain_ops *ops)
{
	domain->ctx = ctx;
	domain->ops = ops;
	domain->type = type;
	domain->user_pasid_table = false;
	domain->iopf_handler = NULL;
	domain->fault_data = NULL;
	ui_store_relaxed(&domain->refs, 1);
	ui_count_inc(&ctx->counts.domains);
}

struct uiommu_domain *uiommu_domain_get(struct uiommu_domain *domain)
{
	ui_fetch_add(&domain->refs, 1);
	return domain;
}

void uiommu_domain_put(struct uiommu_domain *domain)
{
	struct uiommu *ctx = domain->ctx;

	if (ui_fetch_sub(&domain->refs, 1) != 1)
		return;
	domain->ops->free(domain);
	ui_count_dec(&ctx->counts.domains);
}

/* ---- blocked and identity ---- */

static int identity_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			      struct uiommu_span *span)
{
	span->mm = domain->ctx->self_mm;
	span->addr = iova;
	span->length = UINT64_MAX - iova ? UINT64_MAX - iova : 1;
	span->perm = UIOMMU_READ | UIOMMU_WRITE;
	return 0;
}

static void simple_free(struct uiommu_domain *domain)
{
	ui_free(domain);
}

static const struct uiommu_domain_ops blocked_ops = {
	.free = simple_free,
};

static const struct uiommu_domain_ops identity_ops = {
	.translate = identity_translate,
	.free = simple_free,
};

struct uiommu_domain *uiommu_domain_alloc_simple(struct uiommu *ctx, enum uiommu_domain_type type)
{
	struct uiommu_domain *domain;

	if (type != UIOMMU_DOMAIN_BLOCKED && type != UIOMMU_DOMAIN_IDENTITY)
		return UIOMMU_ERR_PTR(-EINVAL);
	domain = ui_zalloc(sizeof(*domain));
	if (!domain)
		return UIOMMU_ERR_PTR(-ENOMEM);
	uiommu_domain_init(ctx, domain, type,
			   type == UIOMMU_DOMAIN_BLOCKED ? &blocked_ops : &identity_ops);
	return domain;
}

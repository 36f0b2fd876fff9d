// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sva/domain.c - the address space of a process as a domain
 *
 * There is no table: an IOVA is the address, and each access is judged when it is made,
 * by the processor (our own memory) or by the kernel (another's).  So a translation
 * can't go stale, and nothing need be told when the process unmaps.  What fails there
 * is a page fault, and comes back as a page request to the handler below.
 */
#include <uiommu/iopf.h>

#include "base/ctx.h"
#include "mm/mm.h"
#include "sva/space.h"

/*
 *  mm	immutable; referenced
 */
struct sva_domain {
	struct uiommu_domain domain;
	struct uiommu_mm *mm;
};

static struct sva_domain *to_sva(struct uiommu_domain *domain)
{
	return ui_container_of(domain, struct sva_domain, domain);
}

static int sva_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			 struct uiommu_span *span)
{
	if (iova >= MM_USER_END)
		return -ENOENT;
	span->mm = to_sva(domain)->mm;
	span->addr = iova;
	span->length = MM_USER_END - iova;
	span->perm = UIOMMU_READ | UIOMMU_WRITE;
	return 0;
}

static uint64_t sva_resident(struct uiommu_domain *domain, uint64_t iova, unsigned int pages)
{
	return iova < MM_USER_END ? mm_resident(to_sva(domain)->mm, iova, pages) : 0;
}

static void sva_free(struct uiommu_domain *domain)
{
	struct sva_domain *sva = to_sva(domain);

	uiommu_mm_put(sva->mm);
	ui_free(sva);
}

static const struct uiommu_domain_ops sva_ops = {
	.translate = sva_translate,
	.resident = sva_resident,
	.free = sva_free,
};

/* Errors are sticky: what comes after a page that can't be had isn't looked at. */
static enum uiommu_page_response_code serve(struct uiommu_iopf_group *group, struct uiommu_mm *mm)
{
	const struct uiommu_fault *fault;

	for (unsigned int i = 0; (fault = uiommu_iopf_group_fault(group, i)); i++)
		if (!(fault->flags & UIOMMU_FAULT_PASID_VALID) ||
		    mm_fault_in(mm, fault->addr, fault->perm))
			return UIOMMU_PAGE_RESP_INVALID;
	return UIOMMU_PAGE_RESP_SUCCESS;
}

/* In the thread that reports: a fault costs no switch of threads. */
static int sva_iopf_handler(struct uiommu_iopf_group *group)
{
	struct uiommu_mm *mm = to_sva(uiommu_iopf_group_domain(group))->mm;

	/* -EALREADY if a detach was faster: it has answered. */
	uiommu_iopf_group_response(group, serve(group, mm));
	uiommu_iopf_free_group(group);
	return 0;
}

struct uiommu_domain *sva_domain_alloc(struct uiommu *ctx, struct uiommu_mm *mm)
{
	struct sva_domain *sva = ui_zalloc(sizeof(*sva));

	if (!sva)
		return NULL;
	sva->mm = uiommu_mm_get(mm);
	uiommu_domain_init(ctx, &sva->domain, UIOMMU_DOMAIN_SVA, &sva_ops);
	sva->domain.iopf_handler = sva_iopf_handler;
	return &sva->domain;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/paging.c - paging domains for users of the library
 *
 * An I/O address space with a domain around it.  (iommufd has its own: there
 * several domains share one address space.)
 */
#include "core/core.h"
#include "iopt/iopt.h"

#define PAGING_PAGE 4096u

/* Both immutable; the iopt has its own lock. */
struct paging_domain {
	struct uiommu_domain domain;
	struct iopt *iopt;
};

static struct paging_domain *paging_of(struct uiommu_domain *domain)
{
	return ui_container_of(domain, struct paging_domain, domain);
}

static int paging_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			    struct uiommu_span *span)
{
	return iopt_translate(paging_of(domain)->iopt, iova, perm, span);
}

/* No handle has it any more, so no burst is in it. */
static void paging_free(struct uiommu_domain *domain)
{
	struct paging_domain *paging = paging_of(domain);

	iopt_unmap_all(paging->iopt, &(uint64_t){0});
	iopt_remove_domain(paging->iopt, paging);
	iopt_destroy(paging->iopt);
	ui_free(paging);
}

static const struct uiommu_domain_ops paging_ops = {
	.translate = paging_translate,
	.steady = true,
	.free = paging_free,
};

struct uiommu_domain *uiommu_domain_alloc_paging(struct uiommu *ctx)
{
	struct paging_domain *paging = ui_zalloc(sizeof(*paging));
	int rc;

	if (!paging)
		return UIOMMU_ERR_PTR(-ENOMEM);
	paging->iopt = iopt_create(ctx);
	if (!paging->iopt) {
		rc = -ENOMEM;
		goto out_free;
	}
	rc = iopt_add_domain(paging->iopt, paging, 0, UINT64_MAX, PAGING_PAGE);
	if (rc)
		goto out_iopt;
	uiommu_domain_init(ctx, &paging->domain, UIOMMU_DOMAIN_PAGING, &paging_ops);
	return &paging->domain;

out_iopt:
	iopt_destroy(paging->iopt);
out_free:
	ui_free(paging);
	return UIOMMU_ERR_PTR(rc);
}

int uiommu_map(struct uiommu_domain *domain, uint64_t iova, struct uiommu_mm *mm, uint64_t addr,
	       uint64_t length, uint32_t perm)
{
	if (domain->ops != &paging_ops || !(perm & (UIOMMU_READ | UIOMMU_WRITE)) ||
	    perm & ~(UIOMMU_READ | UIOMMU_WRITE) || addr % PAGING_PAGE)
		return -EINVAL;
	return iopt_map(paging_of(domain)->iopt, mm, addr, length, perm, IOPT_FIXED, &iova);
}

int uiommu_unmap(struct uiommu_domain *domain, uint64_t iova, uint64_t length, uint64_t *unmapped)
{
	uint64_t bytes = 0;
	int rc;

	if (domain->ops != &paging_ops)
		return -EINVAL;
	rc = iopt_unmap(paging_of(domain)->iopt, iova, length, &bytes);
	if (unmapped)
		*unmapped = bytes;
	return !rc && !bytes ? -ENOENT : rc;
}

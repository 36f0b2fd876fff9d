// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sva/sva.c - bonds between devices and address spaces
 *
 * The bond protocol (bond.c) with SVA's ops as the owner: "a bond exists already, take
 * a reference" is safe against any unbind and any foreign attachment, without a lock
 * around binds.  The key of a bond is its address space.
 */
#include <uiommu/sva.h>

#include "base/ctx.h"
#include "sva/bond.h"
#include "sva/space.h"

/*
 * Refs: see struct bond.
 *  ctx, space	immutable; the space stays while it has bonds, and this is one
 */
struct uiommu_sva {
	struct bond bond;
	struct uiommu *ctx;
	struct sva_space *space;
};

struct sva_make {
	struct uiommu_device *dev;
	struct sva_space *space;
};

static void sva_release(struct uiommu_attach_handle *handle)
{
	struct bond *bond = ui_container_of(handle, struct bond, handle);
	struct uiommu_sva *sva = ui_container_of(bond, struct uiommu_sva, bond);

	sva_space_leave(sva->ctx, sva->space);
	ui_free(sva);
}

static const struct uiommu_handle_ops sva_handle_ops = {
	.name = "sva",
	.release = sva_release,
};

static bool can_fault(const struct uiommu_device *dev)
{
	return uiommu_device_has_ats(dev) && uiommu_device_has_pri(dev);
}

static struct bond *sva_make(void *arg, struct uiommu_domain **domain)
{
	const struct sva_make *make = arg;
	struct uiommu *ctx = uiommu_device_ctx(make->dev);
	struct uiommu_sva *sva;
	int rc;

	if (!can_fault(make->dev))
		return UIOMMU_ERR_PTR(-EOPNOTSUPP);
	sva = ui_zalloc(sizeof(*sva));
	if (!sva)
		return UIOMMU_ERR_PTR(-ENOMEM);
	*domain = sva_space_join(ctx, make->space);
	if (UIOMMU_IS_ERR(*domain)) {
		rc = (int)UIOMMU_PTR_ERR(*domain);
		goto out_free;
	}
	sva->ctx = ctx;
	sva->space = make->space;
	rc = uiommu_attach_handle_init(ctx, &sva->bond.handle, &sva_handle_ops);
	if (rc)
		goto out_leave;
	return &sva->bond;

out_leave:
	uiommu_domain_put(*domain);
	sva_space_leave(ctx, make->space);
out_free:
	ui_free(sva);
	return UIOMMU_ERR_PTR(rc);
}

struct uiommu_sva *uiommu_sva_bind_device(struct uiommu_device *dev, struct uiommu_mm *mm)
{
	struct sva_make make = {.dev = dev, .space = sva_space_get(dev, mm)};
	struct bond *bond;
	int rc;

	if (UIOMMU_IS_ERR(make.space))
		return UIOMMU_ERR_PTR(UIOMMU_PTR_ERR(make.space));
	rc = bond_bind(uiommu_device_group(dev), make.space->pasid, &sva_handle_ops, make.space,
		       sva_make, &make, &bond);
	sva_space_put(uiommu_device_ctx(dev), make.space);
	if (rc)
		return UIOMMU_ERR_PTR(rc);
	return ui_container_of(bond, struct uiommu_sva, bond);
}

void uiommu_sva_unbind_device(struct uiommu_sva *sva)
{
	bond_put(&sva->bond);
}

uint32_t uiommu_sva_get_pasid(const struct uiommu_sva *sva)
{
	return sva->space->pasid;
}

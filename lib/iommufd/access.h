/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/access.h - access objects, as other objects use them
 *
 * See uiommu/access.h.  An internal access belongs to another object of the
 * same context: it holds no reference on the file, is never asked to let go,
 * and what it pins can't be unmapped (-EBUSY).
 */
#ifndef UI_IOMMUFD_ACCESS_H
#define UI_IOMMUFD_ACCESS_H

#include <uiommu/access.h>

#include "iommufd/object.h"
#include "iopt/iopt.h"

struct iommufd_ioas;

extern const struct iommufd_object_ops iommufd_access_ops;

/* ERR_PTR: -ENOMEM, -ENOSPC.  Ended by uiommu_access_destroy(). */
struct uiommu_access *iommufd_access_create_internal(struct iommufd_ctx *ictx);
/* The caller uses the IOAS.  As uiommu_access_attach(). */
int iommufd_access_attach_internal(struct uiommu_access *access, struct iommufd_ioas *ioas);

/* A flag of uiommu_access_rw(): it fails where pins would, as Linux's slow path. */
#define IOMMUFD_ACCESS_SLOW IOPT_RW_PINNED

/* Where the nth area begins of what it is attached to; false: there is none. */
bool iommufd_access_nth_area(struct uiommu_access *access, uint64_t nth, uint64_t *iova);

#endif /* UI_IOMMUFD_ACCESS_H */

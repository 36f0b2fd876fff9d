/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/mmap.h - memory of viommus that is mapped from the context's file
 */
#ifndef UI_IOMMUFD_MMAP_H
#define UI_IOMMUFD_MMAP_H

#include "iommufd/object.h"

/* mmap() of /dev/iommu. */
int iommufd_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		 uint64_t offset, size_t length, struct uiommu_mapping **out);

#endif /* UI_IOMMUFD_MMAP_H */

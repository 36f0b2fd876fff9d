/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/sva.h - shared virtual addressing: a device that uses a process's pointers
 *
 * A bond ties a device to the address space of a process: under the PASID of
 * that address space the device reads and writes what the process would, at the same
 * addresses, with the same rights, and faults where it would.  One PASID per address
 * space and instance; one bond per (device, address space), however often it is bound.
 *
 * A fault of the device becomes a page request, which is answered in the thread that
 * reports it: SUCCESS after the page was faulted in, INVALID for a hole, for a right
 * that is missing, and for a process that is gone.
 */
#ifndef UIOMMU_SVA_H
#define UIOMMU_SVA_H

#include <uiommu/iommu.h>
#include <uiommu/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_sva;

/**
 * uiommu_sva_bind_device() - let a device use the address space of a process
 * @dev: registered; must have PASIDs, ATS and PRI
 * @mm: from uiommu_mm_self() or uiommu_mm_of(); held as long as the address space has a
 *	PASID
 *
 * If the device has a bond with that address space, one user more of it.
 *
 * Context: may block; waits for a detach of the same slot that is under way.  Not from
 * inside a burst of DMA.
 * Return: the bond, given back by uiommu_sva_unbind_device(); as an ERR_PTR -EOVERFLOW: the
 * address space has a PASID that is beyond the device's; -ENOSPC: it has none, and the
 * device has none left (or no PASIDs at all); -EBUSY: something else is attached at that
 * PASID; -EOPNOTSUPP: the device can't make page requests; -ENOMEM; or what the device's
 * driver said.
 */
UIOMMU_API struct uiommu_sva *uiommu_sva_bind_device(struct uiommu_device *dev,
						     struct uiommu_mm *mm);

/**
 * uiommu_sva_unbind_device() - a user of a bond leaves
 * @sva: from uiommu_sva_bind_device(); once per bind
 *
 * The last user detaches: when this returns, no DMA of the device under the PASID is in
 * flight, and each of its page requests has been answered.  Also correct after someone
 * else detached it, or the device was unregistered.
 *
 * Context: may block; not from inside a burst.  May be called in a fault handler.
 */
UIOMMU_API void uiommu_sva_unbind_device(struct uiommu_sva *sva);

/**
 * uiommu_sva_get_pasid() - what the device puts on its requests
 *
 * The address space keeps its PASID until its process ends (our own: until the instance
 * is destroyed), bound or not.
 */
UIOMMU_API uint32_t uiommu_sva_get_pasid(const struct uiommu_sva *sva);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_SVA_H */

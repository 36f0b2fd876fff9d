/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * core/dma_recent.h - the translation that a channel remembers
 *
 * What a burst found last, as a device's cache of translations has it.  It is good until
 * anything is unmapped or detached anywhere: see ui_reader_changes().
 */
#ifndef UI_CORE_DMA_RECENT_H
#define UI_CORE_DMA_RECENT_H

#include "core/core.h"

/* Of the thread that is inside of the channel. */
struct dma_recent {
	uint64_t changes;
	uint64_t iova;
	struct uiommu_span span; /* from iova on */
	struct uiommu_domain *domain;
	uint32_t pasid;
};

/* Inside a burst, whose ui_reader_changes() are @changes.  False: it must be looked up. */
static inline bool dma_recall(const struct dma_recent *recent, uint64_t changes, uint32_t pasid,
			      uint64_t iova, uint32_t perm, struct uiommu_span *span,
			      struct uiommu_domain **domain)
{
	uint64_t offset = iova - recent->iova;

	if (recent->changes != changes || offset >= recent->span.length || recent->pasid != pasid ||
	    perm & ~recent->span.perm)
		return false;
	*span = recent->span;
	span->addr += offset;
	span->length -= offset;
	*domain = recent->domain;
	return true;
}

#endif /* UI_CORE_DMA_RECENT_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/dma.c - DMA of a function: the channels of its model, gated by COMMAND
 */
#include <errno.h>

#include "pci/pci.h"

int uiommu_pci_dma_open(struct uiommu_pci_device *pdev, struct uiommu_dma **out)
{
	/* The device is on core only after init has said what it can do. */
	if (pdev->iommu || pdev->nr_channels == PCI_DMA_CHANNELS)
		return -EINVAL;
	*out = NULL;
	pdev->channels[pdev->nr_channels++] = out;
	return 0;
}

/* 0, or -EACCES with the event and @err. */
static int dma_allowed(struct uiommu_pci_device *pdev, uint32_t pasid, uint64_t iova, uint32_t perm,
		       struct uiommu_dma_error *err)
{
	struct uiommu_event event = {
		.type = UIOMMU_EVENT_DMA_FAULT,
		.device = pdev->name,
		.pasid = pasid,
		.iova = iova,
		.perm = perm,
		.reason = "bus mastering is off (MASTER in the COMMAND register)",
	};

	if (uiommu_pci_bus_master(pdev) && ui_load_acquire(&pdev->powered))
		return 0;
	if (uiommu_pci_bus_master(pdev))
		event.reason = "the device is in a low power state";
	if (err) {
		err->iova = iova;
		err->perm = perm;
		err->reason = event.reason;
	}
	ui_event(pdev->ctx, &event);
	return -EACCES;
}

int uiommu_pci_dma_read(struct uiommu_pci_device *pdev, struct uiommu_dma *dma, uint32_t pasid,
			uint64_t iova, void *buf, size_t length, uint32_t flags,
			struct uiommu_dma_error *err)
{
	int rc = dma_allowed(pdev, pasid, iova, UIOMMU_READ, err);

	return rc ? rc : uiommu_dma_read(dma, pasid, iova, buf, length, flags, err);
}

int uiommu_pci_dma_write(struct uiommu_pci_device *pdev, struct uiommu_dma *dma, uint32_t pasid,
			 uint64_t iova, const void *buf, size_t length, uint32_t flags,
			 struct uiommu_dma_error *err)
{
	int rc = dma_allowed(pdev, pasid, iova, UIOMMU_WRITE, err);

	return rc ? rc : uiommu_dma_write(dma, pasid, iova, buf, length, flags, err);
}

int uiommu_pci_dma_copy(struct uiommu_pci_device *pdev, struct uiommu_dma *dma, uint32_t pasid,
			uint64_t to, uint64_t from, size_t length, uint32_t flags,
			struct uiommu_dma_error *err)
{
	int rc = dma_allowed(pdev, pasid, from, UIOMMU_READ, err);

	return rc ? rc : uiommu_dma_copy(dma, pasid, to, from, length, flags, err);
}

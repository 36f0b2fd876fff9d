// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/caps.c - the capabilities that a function can have
 *
 * A client may change what vfio-pci of Linux lets it: of PCI Express the device's
 * own control bits, and the power state.  ATS, PRI and PASID belong to the IOMMU's
 * driver: a client sees their enable bits and can't write them.  ATS and PASID are on
 * from the start; PRI is on while a domain that takes page requests is attached.
 */
#include <errno.h>

#include "pci/config.h"
#include "pci/pci.h"

#define ECAP_ID_ATS 0x0fu
#define ECAP_ID_PRI 0x13u
#define ECAP_ID_PASID 0x1bu

#define CAP_FIRST 0x40u
#define CAP_END 0x100u

#define PCIE_SIZE 0x3cu
#define PM_SIZE 0x08u
#define ATS_SIZE 0x08u
#define PRI_SIZE 0x10u
#define PASID_SIZE 0x08u

static bool dword_used(const struct uiommu_pci_device *pdev, unsigned int offset)
{
	return pdev->used[offset / 4 / 64] >> (offset / 4 % 64) & 1;
}

static bool range_used(const struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size)
{
	unsigned int at;

	for (at = offset; at < offset + size; at += 4) {
		if (dword_used(pdev, at))
			return true;
	}
	return false;
}

/* Takes @size bytes in [first, end), at @offset or where they fit. */
static int take_range(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size,
		      unsigned int first, unsigned int end)
{
	unsigned int at;

	if (pdev->iommu)
		return -EINVAL;
	if (offset) {
		if (offset % 4 || offset < first || offset + size > end ||
		    range_used(pdev, offset, size))
			return -EINVAL;
	} else {
		for (offset = first; offset + size <= end; offset += 4) {
			if (!range_used(pdev, offset, size))
				break;
		}
		if (offset + size > end)
			return -ENOSPC;
	}
	for (at = offset; at < offset + size; at += 4)
		pdev->used[at / 4 / 64] |= 1ull << (at / 4 % 64);
	return (int)offset;
}

/* A capability of the list in the first 256 bytes, at its end. */
int pci_config_add_cap(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int id,
		       unsigned int size)
{
	int at = take_range(pdev, offset, size, CAP_FIRST, CAP_END);

	if (at < 0)
		return at;
	pdev->config[at] = (uint8_t)id;
	pdev->config[pdev->last_cap ? pdev->last_cap + 1u : PCI_REG_CAPS] = (uint8_t)at;
	pdev->config[PCI_REG_STATUS] |= PCI_STATUS_CAPS;
	pdev->last_cap = (uint16_t)at;
	return at;
}

/*
 * An extended capability.  The list starts at 0x100, so the first one must be
 * there.
 */
static int add_ecap(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int id,
		    unsigned int size)
{
	int at;

	if (!pdev->last_ecap && offset && offset != CAP_END)
		return -EINVAL;
	at = take_range(pdev, offset, size, CAP_END, PCI_CFG_SIZE);
	if (at < 0)
		return at;
	put32(pdev->config + at, id | 1u << 16);
	if (pdev->last_ecap)
		put32(pdev->config + pdev->last_ecap,
		      get32(pdev->config + pdev->last_ecap) | (uint32_t)at << 20);
	pdev->last_ecap = (uint16_t)at;
	return at;
}

int uiommu_pci_add_pcie(struct uiommu_pci_device *pdev, uint16_t offset)
{
	int at = pci_config_add_cap(pdev, offset, PCI_CAP_ID_PCIE, PCIE_SIZE);
	uint8_t *cap = pdev->config + at;

	if (at < 0)
		return at;
	pdev->pcie_cap = (uint16_t)at;
	put16(cap + PCIE_FLAGS, 0x0002);		      /* version 2, endpoint */
	put32(cap + PCIE_DEVCAP, PCIE_DEVCAP_FLR | 1u << 15); /* role-based errors */
	put16(cap + PCIE_DEVCTL, 0x2810); /* 512-byte reads, the usual defaults */
	put32(cap + 0x0c, 0x00000011);	  /* 2.5 GT/s, x1 */
	put16(cap + 0x12, 0x0011);
	/* All of the control register but phantom functions; of the link nothing. */
	put16(pdev->writable + at + PCIE_DEVCTL, 0x7dff);
	put16(pdev->writable + at + 0x28, 0x001f);
	return at;
}

int uiommu_pci_add_pm(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int flags)
{
	int at;

	if (flags & ~UIOMMU_PM_NO_SOFT_RESET)
		return -EINVAL;
	at = pci_config_add_cap(pdev, offset, PCI_CAP_ID_PM, PM_SIZE);
	if (at < 0)
		return at;
	pdev->pm_cap = (uint16_t)at;
	put16(pdev->config + at + 2, 0x0003); /* version 3; D0 and D3hot */
	put16(pdev->config + at + PM_CTRL, flags ? PM_NO_SOFT_RESET : 0);
	return at;
}

int uiommu_pci_add_ats(struct uiommu_pci_device *pdev, uint16_t offset)
{
	int at = add_ecap(pdev, offset, ECAP_ID_ATS, ATS_SIZE);

	if (at < 0)
		return at;
	pdev->ats = true;
	put16(pdev->config + at + 4, 0x0020); /* aligned requests; queue of 32 */
	put16(pdev->config + at + 6, 0x8000);
	return at;
}

int uiommu_pci_add_pri(struct uiommu_pci_device *pdev, uint16_t offset, uint32_t capacity)
{
	int at = add_ecap(pdev, offset, ECAP_ID_PRI, PRI_SIZE);

	if (at < 0)
		return at;
	pdev->pri = true;
	pdev->pri_cap = (uint16_t)at;
	put32(pdev->config + at + 8, capacity);
	pci_config_set_pri(pdev, false);
	return at;
}

int uiommu_pci_add_pasid(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int width)
{
	int at;

	if (!width || width > 20)
		return -EINVAL;
	at = add_ecap(pdev, offset, ECAP_ID_PASID, PASID_SIZE);
	if (at < 0)
		return at;
	pdev->pasid_width = width;
	pdev->pasid_cap = (uint16_t)at;
	put16(pdev->config + at + 4, width << 8);
	put16(pdev->config + at + 6, 0x0001);
	return at;
}

void pci_config_set_pri(struct uiommu_pci_device *pdev, bool on)
{
	uint8_t *cap = pdev->config + pdev->pri_cap;

	if (!pdev->pri_cap)
		return;
	ui_mutex_lock(&pdev->config_lock);
	put16(cap + 4, on ? 0x0001 : 0x0000);
	put16(cap + 6, on ? 0x0000 : 0x0100); /* stopped */
	put32(cap + 12, on ? get32(cap + 8) : 0);
	ui_mutex_unlock(&pdev->config_lock);
}

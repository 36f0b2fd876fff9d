/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci/config.h - config space, for the files of this room that fill it
 *
 * Values are little-endian, as this machine is.
 */
#ifndef UI_PCI_CONFIG_H
#define UI_PCI_CONFIG_H

#include <string.h>

#include "pci/pci.h"

#define PCI_CAP_ID_PM 0x01u
#define PCI_CAP_ID_MSI 0x05u
#define PCI_CAP_ID_PCIE 0x10u
#define PCI_CAP_ID_MSIX 0x11u

#define PCI_MSI_SIZE 0x18u /* 64 bits, and masks */
#define PCI_MSI_FLAGS 0x02u
#define PCI_MSI_ENABLE 0x0001u
#define PCI_MSI_QSIZE 0x0070u
#define PCI_MSI_64BIT 0x0080u
#define PCI_MSI_MASKBIT 0x0100u
#define PCI_MSI_ADDRESS 0x04u
#define PCI_MSI_DATA 0x0cu
#define PCI_MSI_MASK 0x10u
#define PCI_MSI_PENDING 0x14u

#define PCI_MSIX_SIZE 0x0cu
#define PCI_MSIX_FLAGS 0x02u
#define PCI_MSIX_TABLE 0x04u
#define PCI_MSIX_PBA 0x08u

#define PCIE_FLAGS 0x02u
#define PCIE_DEVCAP 0x04u
#define PCIE_DEVCAP_FLR (1u << 28)
#define PCIE_DEVCTL 0x08u
#define PCIE_DEVCTL_FLR 0x8000u
#define PM_CTRL 0x04u
#define PM_STATE 0x0003u
#define PM_NO_SOFT_RESET 0x0008u

static inline void put16(uint8_t *p, uint32_t value)
{
	uint16_t v = (uint16_t)value;

	memcpy(p, &v, sizeof(v));
}

static inline void put32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, sizeof(value));
}

static inline uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Does an access of @length at @offset touch any of @size bytes at @at? */
static inline bool pci_config_covers(uint64_t offset, size_t length, unsigned int at,
				     unsigned int size)
{
	return offset < at + size && at < offset + length;
}

/* caps.c: a capability in the first 256 bytes, as uiommu_pci_add_*(). */
int pci_config_add_cap(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int id,
		       unsigned int size);

/* irq.c */
void pci_irq_config_refresh_locked(struct uiommu_pci_device *pdev);
void pci_irq_config_written_locked(struct uiommu_pci_device *pdev, unsigned int offset,
				   size_t length);

#endif /* UI_PCI_CONFIG_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/config.c - config space: header, BARs, capabilities
 *
 * Two images of 4096 bytes: what is read, and which bits a write may change.
 * That alone gives BARs their sizing (the size bits can't be written) and makes
 * everything else read-only.  What a write does besides is in
 * pci_config_write(): COMMAND, function level reset, power state.
 *
 * The ATS, PRI and PASID capabilities belong to the IOMMU's driver: a client
 * sees their enable bits and can't write them.  ATS and PASID are on from the
 * start; PRI is on while a domain that takes page requests is attached.
 *
 * Values are little-endian, as this machine is.
 */
#include <errno.h>
#include <string.h>

#include "pci/pci.h"

#define CAP_ID_PM 0x01u
#define CAP_ID_PCIE 0x10u
#define ECAP_ID_ATS 0x0fu
#define ECAP_ID_PRI 0x13u
#define ECAP_ID_PASID 0x1bu

#define CAP_FIRST 0x40u
#define CAP_END 0x100u

#define PCIE_SIZE 0x3cu
#define PCIE_DEVCTL 0x08u
#define PCIE_DEVCTL_FLR 0x8000u
#define PM_SIZE 0x08u
#define PM_CTRL 0x04u
#define PM_STATE 0x0003u
#define ATS_SIZE 0x08u
#define PRI_SIZE 0x10u
#define PASID_SIZE 0x08u

#define BAR32_START 0xc0000000ull
#define BAR64_START 0x380000000000ull

static void put16(uint8_t *p, uint32_t value)
{
	uint16_t v = (uint16_t)value;

	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

void pci_config_init(struct uiommu_pci_device *pdev)
{
	const struct uiommu_model *model = pdev->model;
	uint8_t *config = pdev->config, *writable = pdev->writable;

	put16(config + PCI_REG_VENDOR, model->vendor);
	put16(config + PCI_REG_DEVICE, model->device);
	put32(config + PCI_REG_REVISION, model->revision | model->class_code << 8);
	put16(config + PCI_REG_SUBSYS_VENDOR, 0x1af4);
	put16(config + PCI_REG_SUBSYS_DEVICE, 0x1100);
	put16(writable + PCI_REG_COMMAND,
	      PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_PARITY | PCI_CMD_SERR | PCI_CMD_INTX_DISABLE);
	writable[PCI_REG_CACHE_LINE] = 0xff;
	writable[PCI_REG_INTERRUPT_LINE] = 0xff;
}

/* ---- BARs ---- */

int uiommu_pci_add_bar(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t size,
		       unsigned int flags)
{
	bool wide = flags & UIOMMU_BAR_64BIT;
	uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
	uint8_t *writable = pdev->writable + PCI_REG_BAR0 + 4 * bar;

	if (bar + wide >= PCI_BARS || size < 4096 || (size & (size - 1)) ||
	    (!wide && size > 1ull << 31) || (flags & ~(UIOMMU_BAR_64BIT | UIOMMU_BAR_PREFETCH)) ||
	    pdev->iommu)
		return -EINVAL;
	if (pdev->bars[bar].size || pdev->bars[bar].upper ||
	    (wide && (pdev->bars[bar + 1].size || pdev->bars[bar + 1].upper)))
		return -EINVAL;
	pdev->bars[bar].size = size;
	pdev->bars[bar].flags = flags;
	put32(config, (wide ? 4u : 0u) | (flags & UIOMMU_BAR_PREFETCH ? 8u : 0u));
	put32(writable, (uint32_t) ~(size - 1) & ~15u);
	if (wide) {
		pdev->bars[bar + 1].upper = true;
		put32(writable + 4, (uint32_t)(~(size - 1) >> 32));
	}
	return 0;
}

uint64_t pci_config_bar(struct uiommu_pci_device *pdev, unsigned int bar)
{
	const uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
	uint64_t address;

	ui_mutex_lock(&pdev->config_lock);
	address = get32(config) & ~15u;
	if (pdev->bars[bar].flags & UIOMMU_BAR_64BIT)
		address |= (uint64_t)get32(config + 4) << 32;
	ui_mutex_unlock(&pdev->config_lock);
	return address;
}

/* Firmware's work: addresses, each a multiple of the BAR's size. */
void pci_config_place_bars(struct uiommu_pci_device *pdev)
{
	struct pci_state *state = pdev->ctx->pci;
	unsigned int bar;

	for (bar = 0; bar < PCI_BARS; bar++) {
		bool wide = pdev->bars[bar].flags & UIOMMU_BAR_64BIT;
		uint64_t *next = wide ? &state->next_bar64 : &state->next_bar32;
		uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
		uint64_t size = pdev->bars[bar].size;

		if (!size)
			continue;
		if (!*next)
			*next = wide ? BAR64_START : BAR32_START;
		*next = (*next + size - 1) & ~(size - 1);
		put32(config, (uint32_t)*next | get32(config));
		if (wide)
			put32(config + 4, (uint32_t)(*next >> 32));
		*next += size;
	}
}

int uiommu_pci_add_intx(struct uiommu_pci_device *pdev)
{
	if (pdev->iommu)
		return -EINVAL;
	pdev->config[PCI_REG_INTERRUPT_PIN] = 1;
	return 0;
}

uint8_t pci_config_interrupt_pin(const struct uiommu_pci_device *pdev)
{
	return pdev->config[PCI_REG_INTERRUPT_PIN];
}

/* ---- capabilities ---- */

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
static int add_cap(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int id,
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
	int at = add_cap(pdev, offset, CAP_ID_PCIE, PCIE_SIZE);
	uint8_t *cap = pdev->config + at;

	if (at < 0)
		return at;
	pdev->pcie_cap = (uint16_t)at;
	put16(cap + 0x02, 0x0002);		/* version 2, endpoint */
	put32(cap + 0x04, 1u << 28 | 1u << 15); /* FLR, role-based errors */
	put16(cap + PCIE_DEVCTL, 0x2810);	/* 512-byte reads, the usual defaults */
	put32(cap + 0x0c, 0x00000011);		/* 2.5 GT/s, x1 */
	put16(cap + 0x12, 0x0011);
	put16(pdev->writable + at + PCIE_DEVCTL, 0x7fff);
	put16(pdev->writable + at + 0x10, 0x01c3);
	put16(pdev->writable + at + 0x28, 0x001f);
	return at;
}

int uiommu_pci_add_pm(struct uiommu_pci_device *pdev, uint16_t offset)
{
	int at = add_cap(pdev, offset, CAP_ID_PM, PM_SIZE);

	if (at < 0)
		return at;
	pdev->pm_cap = (uint16_t)at;
	put16(pdev->config + at + 2, 0x0003);	    /* version 3; D0 and D3hot */
	put16(pdev->config + at + PM_CTRL, 0x0008); /* no soft reset */
	put16(pdev->writable + at + PM_CTRL, PM_STATE);
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

/* ---- accesses ---- */

int pci_config_read(struct uiommu_pci_device *pdev, uint64_t offset, void *buf, size_t length)
{
	if (offset > PCI_CFG_SIZE || length > PCI_CFG_SIZE - offset)
		return -EFAULT;
	if (!length)
		return 0;
	ui_mutex_lock(&pdev->config_lock);
	memcpy(buf, pdev->config + offset, length);
	ui_mutex_unlock(&pdev->config_lock);
	return 0;
}

/* Copies for readers without the lock; after each change, under the lock. */
static void publish_locked(struct uiommu_pci_device *pdev)
{
	uint32_t state = 0;

	ui_mutex_assert_held(&pdev->config_lock);
	if (pdev->pm_cap)
		state = get16(pdev->config + pdev->pm_cap + PM_CTRL) & PM_STATE;
	ui_store_release(&pdev->command, get16(pdev->config + PCI_REG_COMMAND));
	ui_store_release(&pdev->powered, !state);
}

/* The byte that a write of @length at @offset brings to @at; else -1. */
static int written_byte(uint64_t offset, const uint8_t *buf, size_t length, unsigned int at)
{
	return at >= offset && at - offset < length ? buf[at - offset] : -1;
}

int pci_config_write(struct uiommu_pci_device *pdev, uint64_t offset, const void *buf,
		     size_t length)
{
	const uint8_t *bytes = buf;
	bool closed = false, reset = false;
	int byte;
	size_t i;

	if (offset > PCI_CFG_SIZE || length > PCI_CFG_SIZE - offset)
		return -EFAULT;

	/* Nobody is inside a BAR any more when a write that turns them off returns. */
	byte = written_byte(offset, bytes, length, PCI_REG_COMMAND);
	if (byte >= 0 && !(byte & (int)PCI_CMD_MEM))
		closed = pci_gate_close(pdev);
	if (pdev->pcie_cap) {
		byte = written_byte(offset, bytes, length, pdev->pcie_cap + PCIE_DEVCTL + 1u);
		reset = byte >= 0 && (byte & (int)(PCIE_DEVCTL_FLR >> 8));
	}

	ui_mutex_lock(&pdev->config_lock);
	for (i = 0; i < length; i++) {
		uint8_t mask = pdev->writable[offset + i];
		uint8_t *at = &pdev->config[offset + i];

		*at = (uint8_t)((*at & ~mask) | (bytes[i] & mask));
	}
	publish_locked(pdev);
	ui_mutex_unlock(&pdev->config_lock);

	if (closed)
		pci_gate_open(pdev);
	if (reset)
		pci_reset(pdev);
	return 0;
}

void pci_config_command(struct uiommu_pci_device *pdev, uint16_t clear, uint16_t set)
{
	uint8_t *command = pdev->config + PCI_REG_COMMAND;

	ui_mutex_lock(&pdev->config_lock);
	put16(command, (uint32_t)(get16(command) & ~clear) | set);
	publish_locked(pdev);
	ui_mutex_unlock(&pdev->config_lock);
}

bool uiommu_pci_bus_master(const struct uiommu_pci_device *pdev)
{
	return ui_load_acquire(&pdev->command) & PCI_CMD_MASTER;
}

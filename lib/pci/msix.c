// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/msix.c - MSI-X: the table and the pending bits, in a BAR of the function
 *
 * Both are registers that the library plays, in front of the model: 16 bytes a
 * vector, and a bit a vector.  The driver writes a message and lifts the mask of
 * the vectors that somebody wants; a client that has the BAR mapped reaches the same
 * registers.
 */
#include <errno.h>
#include <string.h>

#include "pci/config.h"
#include "pci/pci.h"

#define ENTRY_SIZE 16u
#define ENTRY_CTRL 3u
#define CTRL_MASKED 1u

/* Where Linux points messages to. */
#define MESSAGE_ADDRESS 0xfee00000u

int uiommu_pci_add_msix(struct uiommu_pci_device *pdev, uint16_t offset, unsigned int vectors,
			unsigned int bar, uint32_t table, uint32_t pba)
{
	struct pci_msix *msix = &pdev->msix;
	uint64_t table_end = (uint64_t)table + (uint64_t)vectors * ENTRY_SIZE;
	uint64_t pba_end = (uint64_t)pba + ((uint64_t)vectors + 63) / 64 * 8;
	unsigned int i;
	int at;

	if (!vectors || vectors > PCI_MSIX_MAX || msix->nr || bar >= PCI_BARS ||
	    (table | pba) % 8 || table_end > pdev->bars[bar].size ||
	    pba_end > pdev->bars[bar].size || (table < pba_end && pba < table_end))
		return -EINVAL;
	msix->table = ui_zalloc(vectors * sizeof(*msix->table));
	msix->pba = ui_zalloc((vectors + 63) / 64 * sizeof(*msix->pba));
	if (!msix->table || !msix->pba)
		return -ENOMEM; /* freed with the function */
	at = pci_config_add_cap(pdev, offset, PCI_CAP_ID_MSIX, PCI_MSIX_SIZE);
	if (at < 0)
		return at;
	for (i = 0; i < vectors; i++)
		msix->table[i].word[ENTRY_CTRL] = CTRL_MASKED;
	put16(pdev->config + at + PCI_MSIX_FLAGS, vectors - 1);
	put32(pdev->config + at + PCI_MSIX_TABLE, table | bar);
	put32(pdev->config + at + PCI_MSIX_PBA, pba | bar);
	msix->cap = (uint16_t)at;
	msix->bar = bar;
	msix->table_start = table;
	msix->pba_start = pba;
	msix->nr = vectors; /* last: from here on the registers are there */
	return at;
}

void pci_msix_free(struct uiommu_pci_device *pdev)
{
	ui_free(pdev->msix.table);
	ui_free(pdev->msix.pba);
}

/* ---- messages ---- */

static void deliver(struct uiommu_pci_device *pdev, unsigned int vector)
{
	struct pci_msix *msix = &pdev->msix;
	uint64_t bit = 1ull << vector % 64;

	if ((ui_load_seq_cst(&msix->control) & (PCI_MSIX_ENABLE | PCI_MSIX_MASKALL)) !=
		    PCI_MSIX_ENABLE ||
	    (ui_load_seq_cst(&msix->table[vector].word[ENTRY_CTRL]) & CTRL_MASKED))
		return;
	if (ui_fetch_and(&msix->pba[vector / 64], ~bit) & bit)
		pci_message(pdev, vector);
}

void pci_msix_raise(struct uiommu_pci_device *pdev, unsigned int vector)
{
	ui_fetch_or(&pdev->msix.pba[vector / 64], 1ull << vector % 64);
	deliver(pdev, vector);
}

void pci_msix_mask(struct uiommu_pci_device *pdev, unsigned int vector, bool masked)
{
	uint32_t *ctrl = &pdev->msix.table[vector].word[ENTRY_CTRL];

	if (masked) {
		ui_fetch_or(ctrl, CTRL_MASKED);
		return;
	}
	ui_fetch_and(ctrl, ~CTRL_MASKED);
	deliver(pdev, vector);
}

void pci_msix_program(struct uiommu_pci_device *pdev, unsigned int vector)
{
	uint32_t *word = pdev->msix.table[vector].word;

	ui_store_relaxed(&word[0], MESSAGE_ADDRESS);
	ui_store_relaxed(&word[1], 0);
	ui_store_relaxed(&word[2], 0x4000u | vector);
}

void pci_msix_enable(struct uiommu_pci_device *pdev, bool on)
{
	unsigned int i;

	for (i = 0; i < pdev->msix.nr; i++)
		pci_msix_mask(pdev, i, true);
	ui_store_release(&pdev->msix.control, on ? PCI_MSIX_ENABLE : 0);
}

void pci_msix_reset(struct uiommu_pci_device *pdev)
{
	unsigned int i;

	for (i = 0; i < pdev->msix.nr; i += 64)
		ui_xchg(&pdev->msix.pba[i / 64], 0);
}

/* ---- registers ---- */

bool pci_msix_is_table(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset)
{
	const struct pci_msix *msix = &pdev->msix;

	return msix->nr && bar == msix->bar &&
	       offset - msix->table_start < (uint64_t)msix->nr * ENTRY_SIZE;
}

static bool is_pba(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset)
{
	const struct pci_msix *msix = &pdev->msix;

	return msix->nr && bar == msix->bar &&
	       offset - msix->pba_start < (uint64_t)(msix->nr + 63) / 64 * 8;
}

static uint32_t read_word(const struct pci_msix *msix, uint64_t at)
{
	return ui_load_acquire(&msix->table[at / ENTRY_SIZE].word[at % ENTRY_SIZE / 4]);
}

bool pci_msix_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t *value)
{
	const struct pci_msix *msix = &pdev->msix;
	uint64_t at;

	if (pci_msix_is_table(pdev, bar, offset)) {
		at = offset - msix->table_start;
		*value = read_word(msix, at);
		if (size == 8)
			*value |= (uint64_t)read_word(msix, at + 4) << 32;
		else
			*value >>= at % 4 * 8;
		return true;
	}
	if (is_pba(pdev, bar, offset)) {
		at = offset - msix->pba_start;
		*value = ui_load_acquire(&msix->pba[at / 8]) >> at % 8 * 8;
		return true;
	}
	return false;
}

static void write_word(struct uiommu_pci_device *pdev, uint64_t at, uint32_t value)
{
	unsigned int vector = (unsigned int)(at / ENTRY_SIZE);
	uint32_t *word = &pdev->msix.table[vector].word[at % ENTRY_SIZE / 4];

	if (at % ENTRY_SIZE / 4 == ENTRY_CTRL)
		pci_msix_mask(pdev, vector, value & CTRL_MASKED);
	else
		ui_store_release(word, at % ENTRY_SIZE ? value : value & ~3u);
}

/* Less than a dword has no effect; the pending bits are read-only. */
bool pci_msix_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		    unsigned int size, uint64_t value)
{
	uint64_t at = offset - pdev->msix.table_start;

	if (!pci_msix_is_table(pdev, bar, offset))
		return is_pba(pdev, bar, offset);
	if (size < 4)
		return true;
	write_word(pdev, at, (uint32_t)value);
	if (size == 8)
		write_word(pdev, at + 4, (uint32_t)(value >> 32));
	return true;
}

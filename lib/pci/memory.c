// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/memory.c - parts of a BAR that are memory
 *
 * Shared pages of this process, which the model uses by a pointer and a client by its
 * mapping, without a trap.  Who can't have them mapped (or reads the region by a
 * call) goes through here.  When decoding stops, the host takes the pages out of the client's
 * mappings; it asks for them again at the next access.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/word.h"
#include "pci/pci.h"

#define PAGE 4096ull

int uiommu_pci_add_bar_memory(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			      uint64_t length, void **out)
{
	struct pci_memory *memory = &pdev->memory[bar < PCI_BARS ? bar : 0];
	uint64_t size = bar < PCI_BARS ? pdev->bars[bar].size : 0;
	void *pages;

	if (pdev->iommu || !length || (offset | length) % PAGE || offset >= size ||
	    length > size - offset || memory->pages)
		return -EINVAL;
	pages = ui_should_fail() ? MAP_FAILED :
				   mmap(NULL, length, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pages == MAP_FAILED)
		return -ENOMEM;
	memory->pages = pages;
	memory->offset = offset;
	memory->length = length;
	*out = pages;
	return 0;
}

void pci_memory_free(struct uiommu_pci_device *pdev)
{
	unsigned int bar;

	for (bar = 0; bar < PCI_BARS; bar++) {
		if (pdev->memory[bar].pages)
			munmap(pdev->memory[bar].pages, pdev->memory[bar].length);
	}
}

/* Where the byte is, if it's one of memory. */
static void *find(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset)
{
	const struct pci_memory *memory = &pdev->memory[bar];

	return memory->pages && offset - memory->offset < memory->length ?
		       (uint8_t *)memory->pages + (offset - memory->offset) :
		       NULL;
}

bool pci_memory_has(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset)
{
	return find(pdev, bar, offset);
}

bool pci_memory_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		     unsigned int size, uint64_t *value)
{
	const void *at = find(pdev, bar, offset);

	if (!at)
		return false;
	*value = ui_load_word(at, size);
	return true;
}

bool pci_memory_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		      unsigned int size, uint64_t value)
{
	void *at = find(pdev, bar, offset);

	if (!at)
		return false;
	ui_store_word(at, value, size);
	return true;
}

const struct pci_memory *pci_memory_to_map(struct uiommu_pci_device *pdev, unsigned int bar)
{
	const struct pci_memory *memory = &pdev->memory[bar];

	/* Pairs with pci_memory_revoke(): who sees it on maps before that takes it away. */
	if (!memory->pages || !(ui_load_seq_cst(&pdev->command) & PCI_CMD_MEM) ||
	    !ui_load_seq_cst(&pdev->powered))
		return NULL;
	return memory;
}

void pci_memory_revoke(struct uiommu_pci_device *pdev)
{
	const struct uiommu_host_ops *host = pdev->ctx->host;
	unsigned int bar;

	for (bar = 0; bar < PCI_BARS; bar++) {
		if (pdev->memory[bar].pages && host && host->revoke) {
			host->revoke(pdev->ctx->opaque);
			return;
		}
	}
}

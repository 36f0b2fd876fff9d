// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/rootport.c - what a root port reads as
 *
 * A port does nothing: no client can have it, and what is behind it is reached
 * without it.  It is there to be looked at, so its config space is made when somebody
 * looks: a bridge with one bus behind, windows over the BARs there, and access control
 * that keeps what is behind apart from the rest.
 */
#include "pci/config.h"
#include "pci/pci.h"

#define PORT_VENDOR 0x1b36u
#define PORT_DEVICE 0x000cu
#define PORT_CLASS 0x060400u

#define REG_PRIMARY 0x18u
#define REG_SECONDARY 0x19u
#define REG_SUBORDINATE 0x1au
#define REG_IO 0x1cu
#define REG_MEMORY 0x20u
#define REG_PREFETCH 0x24u
#define REG_PREFETCH_HIGH 0x28u
#define REG_BRIDGE_CONTROL 0x3eu

#define WINDOW (1ull << 20)

#define HEADER_BRIDGE 0x01u
#define CAP_SSVID 0x40u
#define CAP_PCIE 0x54u
#define ECAP_ACS 0x100u

#define CAP_ID_SSVID 0x0du
#define ECAP_ID_ACS 0x0du

struct pci_window pci_port_window(struct pci_state *state, const struct pci_bus *bus, bool wide)
{
	struct pci_window window = {.last = 0};
	struct uiommu_pci_device *pdev;
	unsigned int bar;

	ui_mutex_assert_held(&state->lock);
	cds_list_for_each_entry(pdev, &state->devices, node) {
		for (bar = 0; bar < PCI_BARS; bar++) {
			uint64_t start, size = pdev->bars[bar].size;

			if (pdev->bus != bus || !size ||
			    wide != !!(pdev->bars[bar].flags & UIOMMU_BAR_64BIT))
				continue;
			start = pci_config_bar(pdev, bar);
			if (!window.last || start < window.first)
				window.first = start & ~(WINDOW - 1);
			if (start + size > window.last)
				window.last = (start + size - 1) | (WINDOW - 1);
		}
	}
	return window;
}

/* Windows are of whole MiB; one that ends before it begins is closed. */
static void put_windows(struct pci_state *state, const struct pci_bus *bus, uint8_t *config)
{
	struct pci_window memory = pci_port_window(state, bus, false);
	struct pci_window wide = pci_port_window(state, bus, true);

	config[REG_IO] = 0xf0;
	put16(config + REG_MEMORY, 0xfff0);
	put16(config + REG_PREFETCH, 0xfff1);
	put16(config + REG_PREFETCH + 2, 0x0001);
	if (memory.last) {
		put16(config + REG_MEMORY, (uint32_t)(memory.first >> 16) & 0xfff0);
		put16(config + REG_MEMORY + 2, (uint32_t)(memory.last >> 16) & 0xfff0);
	}
	if (wide.last) {
		put16(config + REG_PREFETCH, ((uint32_t)(wide.first >> 16) & 0xfff0) | 1);
		put16(config + REG_PREFETCH + 2, ((uint32_t)(wide.last >> 16) & 0xfff0) | 1);
		put32(config + REG_PREFETCH_HIGH, (uint32_t)(wide.first >> 32));
		put32(config + REG_PREFETCH_HIGH + 4, (uint32_t)(wide.last >> 32));
	}
}

static void put_pcie(const struct pci_bus *bus, uint8_t *cap)
{
	cap[0] = PCI_CAP_ID_PCIE;
	put16(cap + PCIE_FLAGS, 0x0142);    /* version 2, root port, with a slot */
	put32(cap + PCIE_DEVCAP, 1u << 15); /* role-based errors */
	put16(cap + PCIE_DEVCTL, 0x2810);
	put32(cap + 0x0c, 0x00000011u | (uint32_t)bus->number << 24); /* 2.5 GT/s, x1 */
	put16(cap + 0x12, 0x2011);				      /* link is up */
	put32(cap + 0x14, (uint32_t)bus->number << 19);
	put16(cap + 0x1a, 0x0040);  /* the slot is taken */
	put32(cap + 0x24, 1u << 5); /* ARI forwarding */
	put16(cap + 0x30, 0x0001);
}

/* Nothing passes from one function behind it to another. */
static void put_acs(uint8_t *cap)
{
	const uint32_t all = 0x001d; /* validation, redirects, upstream forwarding */

	put32(cap, ECAP_ID_ACS | 1u << 16);
	put16(cap + 4, all);
	put16(cap + 6, all);
}

void pci_port_config(struct pci_state *state, const struct pci_bus *bus, uint8_t *config)
{
	struct pci_address other = bus->port;
	unsigned int function;

	memset(config, 0, PCI_CFG_SIZE);
	put16(config + PCI_REG_VENDOR, PORT_VENDOR);
	put16(config + PCI_REG_DEVICE, PORT_DEVICE);
	put16(config + PCI_REG_COMMAND, PCI_CMD_MEM | PCI_CMD_MASTER | PCI_CMD_SERR);
	put16(config + PCI_REG_STATUS, PCI_STATUS_CAPS);
	put32(config + PCI_REG_REVISION, PORT_CLASS << 8);
	config[PCI_REG_HEADER_TYPE] = HEADER_BRIDGE;
	for (function = 0; function < 8; function++) {
		other.devfn = (uint8_t)((bus->port.devfn & ~7u) | function);
		if (other.devfn != bus->port.devfn && pci_port_at_locked(state, &other))
			config[PCI_REG_HEADER_TYPE] = HEADER_BRIDGE | PCI_HEADER_MULTI;
	}
	config[REG_SECONDARY] = bus->number;
	config[REG_SUBORDINATE] = bus->number;
	put_windows(state, bus, config);
	put16(config + REG_BRIDGE_CONTROL, 0x0002); /* SERR */
	config[PCI_REG_CAPS] = CAP_PCIE;
	put_pcie(bus, config + CAP_PCIE);
	config[CAP_PCIE + 1] = CAP_SSVID;
	config[CAP_SSVID] = CAP_ID_SSVID;
	put16(config + CAP_SSVID + 4, PORT_VENDOR);
	put_acs(config + ECAP_ACS);
}

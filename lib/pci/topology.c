// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/topology.c - buses, the root ports in front of them, and who shares one
 *
 * A bus with another number than 0 is behind a root port on bus 0 of its domain, at the
 * first place that neither we nor the machine have: so a reset of the bus is possible,
 * and concerns what is on it alone.  A function on bus 0, on a bus that the machine has
 * as well, or for which there is no place left, is on a root of its own.
 *
 * BARs are placed bus by bus, so that what is behind a port is in one window, and
 * nothing else is.
 */
#include <string.h>

#include "pci/config.h"
#include "pci/pci.h"

#define BAR32_START 0xc0000000ull
#define BAR32_BUS (2ull << 20)
#define BAR64_START 0x380000000000ull
#define BAR64_BUS (64ull << 30)

#define SLOTS 32u
#define FUNCTIONS 8u

static struct pci_bus *find_bus(struct pci_state *state, uint16_t domain, uint8_t number)
{
	struct pci_bus *bus;

	ui_mutex_assert_held(&state->lock);
	cds_list_for_each_entry(bus, &state->buses, node) {
		if (bus->domain == domain && bus->number == number)
			return bus;
	}
	return NULL;
}

struct pci_bus *pci_bus_get_locked(struct pci_state *state, const struct pci_spec *spec)
{
	const struct pci_address *address = &spec->address;
	struct pci_bus *bus = find_bus(state, address->domain, address->bus);

	if (bus)
		return bus;
	bus = ui_zalloc(sizeof(*bus));
	if (!bus)
		return NULL;
	bus->domain = address->domain;
	bus->number = address->bus;
	bus->has_port = spec->has_port;
	bus->port = spec->port;
	bus->next_bar32 = BAR32_START + address->bus * BAR32_BUS;
	bus->next_bar64 = BAR64_START + address->bus * BAR64_BUS;
	cds_list_add_tail(&bus->node, &state->buses);
	return bus;
}

void pci_buses_free(struct pci_state *state)
{
	struct pci_bus *bus, *next;

	cds_list_for_each_entry_safe(bus, next, &state->buses, node) {
		cds_list_del(&bus->node);
		ui_free(bus);
	}
}

/* ---- root ports ---- */

bool pci_port_at_locked(struct pci_state *state, const struct pci_address *address)
{
	struct pci_bus *bus;

	ui_mutex_assert_held(&state->lock);
	cds_list_for_each_entry(bus, &state->buses, node) {
		if (bus->has_port && !memcmp(&bus->port, address, sizeof(*address)))
			return true;
	}
	return false;
}

/*
 * Function 0 of each slot first, then the others, of slots whose function 0 is a port of
 * ours.  Slot 0 is the host bridge's.
 */
static bool port_is_free(struct uiommu *ctx, const struct pci_address *port)
{
	struct pci_address first = *port;
	bool taken, ours;
	char name[16];

	first.devfn &= (uint8_t)~7u;
	ui_mutex_lock(&ctx->pci->lock);
	taken = pci_port_at_locked(ctx->pci, port);
	ours = pci_port_at_locked(ctx->pci, &first);
	ui_mutex_unlock(&ctx->pci->lock);
	pci_address_format(port, name);
	return !taken && (ours || !(port->devfn & 7)) && !pci_device_find(ctx, port) &&
	       !pci_host_has(name);
}

void pci_choose_port(struct uiommu *ctx, struct pci_spec *spec)
{
	const struct pci_address *address = &spec->address;
	unsigned int slot, function;
	bool known;

	spec->has_port = false;
	ui_mutex_lock(&ctx->pci->lock);
	known = find_bus(ctx->pci, address->domain, address->bus);
	ui_mutex_unlock(&ctx->pci->lock);
	if (known || !address->bus || pci_host_has_bus(address->domain, address->bus))
		return;
	for (function = 0; function < FUNCTIONS; function++) {
		for (slot = 1; slot < SLOTS; slot++) {
			spec->port = (struct pci_address){
				.domain = address->domain,
				.devfn = (uint8_t)(slot << 3 | function),
			};
			spec->has_port = port_is_free(ctx, &spec->port);
			if (spec->has_port)
				return;
		}
	}
}

/* ---- functions ---- */

static void set_multifunction(struct uiommu_pci_device *pdev)
{
	ui_mutex_lock(&pdev->config_lock);
	pdev->config[PCI_REG_HEADER_TYPE] |= PCI_HEADER_MULTI;
	ui_mutex_unlock(&pdev->config_lock);
}

void pci_mark_multifunction_locked(struct pci_state *state, struct uiommu_pci_device *pdev)
{
	struct uiommu_pci_device *other;

	ui_mutex_assert_held(&state->lock);
	cds_list_for_each_entry(other, &state->devices, node) {
		if (other == pdev || other->bus != pdev->bus ||
		    other->address.devfn >> 3 != pdev->address.devfn >> 3)
			continue;
		set_multifunction(other);
		set_multifunction(pdev);
	}
}

bool pci_bus_resettable(const struct uiommu_pci_device *pdev)
{
	return pdev->bus->has_port;
}

void pci_bus_for_each(struct uiommu_pci_device *pdev,
		      bool (*visit)(struct uiommu_pci_device *pdev, void *opaque), void *opaque)
{
	struct pci_state *state = pdev->ctx->pci;
	struct uiommu_pci_device *other;

	ui_mutex_lock(&state->lock);
	cds_list_for_each_entry(other, &state->devices, node) {
		if (other->bus == pdev->bus && visit(other, opaque))
			break;
	}
	ui_mutex_unlock(&state->lock);
}

/* ---- BARs ---- */

/* Firmware's work: addresses, each a multiple of the BAR's size, and decoding. */
void pci_config_place_bars(struct uiommu_pci_device *pdev)
{
	unsigned int bar;

	for (bar = 0; bar < PCI_BARS; bar++) {
		bool wide = pdev->bars[bar].flags & UIOMMU_BAR_64BIT;
		uint64_t *next = wide ? &pdev->bus->next_bar64 : &pdev->bus->next_bar32;
		uint8_t *config = pdev->config + PCI_REG_BAR0 + 4 * bar;
		uint64_t size = pdev->bars[bar].size;

		if (!size)
			continue;
		*next = (*next + size - 1) & ~(size - 1);
		put32(config, (uint32_t)*next | get32(config));
		if (wide)
			put32(config + 4, (uint32_t)(*next >> 32));
		*next += size;
		pci_config_command(pdev, 0, PCI_CMD_MEM);
	}
}

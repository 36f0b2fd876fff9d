// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/sysfs.c - the folders of functions, root ports and buses in /sys
 *
 * What Linux has there for a device that vfio-pci is bound to, as it is before a client
 * opens it.  config is what the caller may read of it: as root all, else the header.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "pci/config.h"
#include "pci/pci.h"
#include "pci/tree.h"

#define HEADER_SIZE 64u

/* The lines that pins of PCI are wired to. */
#define IRQ_FIRST 16u
#define IRQ_LINES 8u

void pci_sysfs_root(const struct pci_bus *bus, char *path, size_t size)
{
	snprintf(path, size, "devices/pci%04x:%02x", bus->domain, bus->has_port ? 0 : bus->number);
}

/* The folder that the bus's functions are in. */
static void bus_path(const struct pci_bus *bus, char *path, size_t size)
{
	char root[32], port[16];

	pci_sysfs_root(bus, root, sizeof(root));
	pci_address_format(&bus->port, port);
	snprintf(path, size, "%s%s%s", root, bus->has_port ? "/" : "", bus->has_port ? port : "");
}

void pci_sysfs_path(const struct uiommu_pci_device *pdev, char *path, size_t size)
{
	char bus[64];

	bus_path(pdev->bus, bus, sizeof(bus));
	snprintf(path, size, "%s/%s", bus, pdev->name);
}

/* ---- what every PCI device's folder has ---- */

/* A device, as its config space says; driver is bound to it. */
struct identity {
	const uint8_t *config;
	const char *name;
	const char *driver;
	uint16_t subsys_vendor;
	uint16_t subsys_device;
	unsigned int irq;
	unsigned int enabled; /* how often drivers did so */
};

static void write_identity(struct tree *tree, int dir, const struct identity *id)
{
	uint16_t vendor = get16(id->config + PCI_REG_VENDOR);
	uint16_t device = get16(id->config + PCI_REG_DEVICE);
	uint32_t class_code = get32(id->config + PCI_REG_REVISION) >> 8;
	char alias[96];

	snprintf(alias, sizeof(alias), "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", vendor,
		 device, id->subsys_vendor, id->subsys_device, class_code >> 16 & 0xff,
		 class_code >> 8 & 0xff, class_code & 0xff);
	tree_bytes(tree, dir, "config", 0644, id->config, geteuid() ? HEADER_SIZE : PCI_CFG_SIZE);
	tree_file(tree, dir, "vendor", 0444, "0x%04x\n", vendor);
	tree_file(tree, dir, "device", 0444, "0x%04x\n", device);
	tree_file(tree, dir, "subsystem_vendor", 0444, "0x%04x\n", id->subsys_vendor);
	tree_file(tree, dir, "subsystem_device", 0444, "0x%04x\n", id->subsys_device);
	tree_file(tree, dir, "revision", 0444, "0x%02x\n", id->config[PCI_REG_REVISION]);
	tree_file(tree, dir, "class", 0444, "0x%06x\n", class_code);
	tree_file(tree, dir, "modalias", 0444, "%s\n", alias);
	tree_file(tree, dir, "uevent", 0644,
		  "DRIVER=%s\nPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
		  "PCI_SLOT_NAME=%s\nMODALIAS=%s\n",
		  id->driver, class_code, vendor, device, id->subsys_vendor, id->subsys_device,
		  id->name, alias);
}

static void write_link(struct tree *tree, int dir)
{
	static const char *const files[] = {"current_link_speed", "max_link_speed"};
	static const char *const widths[] = {"current_link_width", "max_link_width"};
	unsigned int i;

	for (i = 0; i < 2; i++) {
		tree_file(tree, dir, files[i], 0444, "2.5 GT/s PCIe\n");
		tree_file(tree, dir, widths[i], 0444, "1\n");
	}
}

/* There is one node, with all processors: as a mask, and as a list. */
static void write_cpus(struct tree *tree, int dir, const char *mask, const char *list)
{
	unsigned int cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), words = (cpus + 31) / 32;
	char text[512];
	size_t length = 0;
	unsigned int i;

	for (i = words; i-- && length < sizeof(text) - 16;)
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, i + 1 == words ? "%x" : ",%08x",
			i + 1 == words && cpus % 32 ? (1u << cpus % 32) - 1 : UINT32_MAX);
	tree_file(tree, dir, mask, 0444, "%s\n", text);
	tree_file(tree, dir, list, 0444, cpus > 1 ? "0-%u\n" : "%u\n", cpus - 1);
}

static void write_common(struct tree *tree, const char *path, const struct identity *id)
{
	char name[160];
	int dir;

	snprintf(name, sizeof(name), "sys/%s", path);
	dir = tree_dir(tree, name);
	write_identity(tree, dir, id);
	tree_file(tree, dir, "irq", 0444, "%u\n", id->irq);
	tree_file(tree, dir, "enable", 0644, "%u\n", id->enabled);
	tree_file(tree, dir, "numa_node", 0644, "-1\n");
	tree_file(tree, dir, "msi_bus", 0644, "1\n");
	tree_file(tree, dir, "ari_enabled", 0444, "0\n");
	tree_file(tree, dir, "broken_parity_status", 0644, "0\n");
	tree_file(tree, dir, "d3cold_allowed", 0644, "1\n");
	tree_file(tree, dir, "power_state", 0444, "D0\n");
	tree_file(tree, dir, "dma_mask_bits", 0444, "32\n");
	tree_file(tree, dir, "consistent_dma_mask_bits", 0444, "32\n");
	tree_file(tree, dir, "driver_override", 0644, "(null)\n");
	tree_file(tree, dir, "remove", 0220, "%s", "");
	tree_file(tree, dir, "rescan", 0220, "%s", "");
	write_cpus(tree, dir, "local_cpus", "local_cpulist");
	tree_close(dir);

	snprintf(name, sizeof(name), "sys/%s/power", path);
	dir = tree_dir(tree, name);
	tree_file(tree, dir, "control", 0644, "on\n");
	tree_file(tree, dir, "runtime_status", 0444, "active\n");
	tree_file(tree, dir, "runtime_active_time", 0444, "0\n");
	tree_file(tree, dir, "runtime_suspended_time", 0444, "0\n");
	tree_close(dir);

	tree_link_from(tree, path, "subsystem", "bus/pci");
	tree_link_from(tree, path, "driver", "bus/pci/drivers/%s", id->driver);
	tree_link_from(tree, "bus/pci/devices", id->name, "%s", path);
	snprintf(name, sizeof(name), "bus/pci/drivers/%s", id->driver);
	tree_link_from(tree, name, id->name, "%s", path);
}

/* A group, and one of its devices. */
static void write_group(struct tree *tree, unsigned int group, const char *device, const char *path)
{
	char name[96];
	int dir;

	tree_link_from(tree, path, "iommu_group", "kernel/iommu_groups/%u", group);
	snprintf(name, sizeof(name), "kernel/iommu_groups/%u/devices", group);
	tree_link_from(tree, name, device, "%s", path);
	snprintf(name, sizeof(name), "sys/kernel/iommu_groups/%u", group);
	dir = tree_dir(tree, name);
	tree_file(tree, dir, "type", 0644, "DMA-FQ\n");
	/* As IOMMU_IOAS_IOVA_RANGES has it: writes there are interrupts. */
	tree_file(tree, dir, "reserved_regions", 0444, "0x%016x 0x%016x msi\n", 0xfee00000u,
		  0xfeefffffu);
	tree_close(dir);
}

/* ---- functions ---- */

/* Memory, and flags in the numbers that Linux shows there. */
static void write_resources(struct tree *tree, int dir, struct uiommu_pci_device *pdev)
{
	const uint64_t memory = 0x200, prefetch = 0x2000, aligned = 0x40000, wide = 0x100000;
	char text[1024], name[24];
	size_t length = 0;
	unsigned int bar;

	for (bar = 0; bar < 13; bar++) {
		uint64_t start = 0, last = 0, flags = 0;

		if (bar < PCI_BARS && pdev->bars[bar].size) {
			start = pci_config_bar(pdev, bar);
			last = start + pdev->bars[bar].size - 1;
			flags = memory | aligned;
			if (pdev->bars[bar].flags & UIOMMU_BAR_64BIT)
				flags |= wide | 4;
			if (pdev->bars[bar].flags & UIOMMU_BAR_PREFETCH)
				flags |= prefetch | 8;
			snprintf(name, sizeof(name), "resource%u", bar);
			tree_sized(tree, dir, name, 0600, pdev->bars[bar].size);
		}
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "0x%016llx 0x%016llx 0x%016llx\n",
					   (unsigned long long)start, (unsigned long long)last,
					   (unsigned long long)flags);
	}
	tree_bytes(tree, dir, "resource", 0444, text, length);
}

/* The ways in which Linux could reset it, the best first. */
static void write_reset(struct tree *tree, int dir, const struct uiommu_pci_device *pdev)
{
	bool pm = pdev->pm_cap && !(pdev->config[pdev->pm_cap + PM_CTRL] & PM_NO_SOFT_RESET);

	tree_file(tree, dir, "reset", 0200, "%s", "");
	tree_file(tree, dir, "reset_method", 0644, "flr%s%s\n", pm ? " pm" : "",
		  pci_bus_resettable(pdev) ? " bus" : "");
}

void pci_sysfs_write_device(struct tree *tree, struct uiommu_pci_device *pdev)
{
	uint8_t config[PCI_CFG_SIZE];
	struct identity id = {.config = config, .name = pdev->name, .driver = "vfio-pci"};
	char path[96], name[128];
	int dir;

	pci_config_read(pdev, 0, config, sizeof(config));
	id.subsys_vendor = get16(config + PCI_REG_SUBSYS_VENDOR);
	id.subsys_device = get16(config + PCI_REG_SUBSYS_DEVICE);
	if (config[PCI_REG_INTERRUPT_PIN])
		id.irq = IRQ_FIRST + (pdev->address.bus + (pdev->address.devfn >> 3)) % IRQ_LINES;
	pci_sysfs_path(pdev, path, sizeof(path));
	write_common(tree, path, &id);
	snprintf(name, sizeof(name), "sys/%s", path);
	dir = tree_dir(tree, name);
	write_resources(tree, dir, pdev);
	write_reset(tree, dir, pdev);
	if (pdev->pcie_cap)
		write_link(tree, dir);
	tree_close(dir);
	write_group(tree, pdev->group_id, pdev->name, path);
}

/* ---- root ports and buses ---- */

/* BARs and ROM, which it has none of; those of virtual functions; then the windows. */
static void write_windows(struct tree *tree, int dir, struct pci_state *state,
			  const struct pci_bus *bus)
{
	char text[1280];
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < 17; i++) {
		struct pci_window window = {.last = 0};

		if (i == 14 || i == 15)
			window = pci_port_window(state, bus, i == 15);
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "0x%016llx 0x%016llx 0x%016llx\n",
			(unsigned long long)window.first, (unsigned long long)window.last,
			window.last ? i == 15 ? 0x102201ull : 0x200ull : 0ull);
	}
	tree_bytes(tree, dir, "resource", 0444, text, length);
}

static void write_port(struct tree *tree, struct pci_state *state, const struct pci_bus *bus,
		       unsigned int group)
{
	uint8_t config[PCI_CFG_SIZE];
	char path[64], name[96], port[16];
	struct identity id = {.config = config, .name = port, .driver = "pcieport", .enabled = 1};
	int dir;

	pci_port_config(state, bus, config);
	pci_address_format(&bus->port, port);
	bus_path(bus, path, sizeof(path));
	id.subsys_vendor = get16(config + PCI_REG_VENDOR);
	write_common(tree, path, &id);
	snprintf(name, sizeof(name), "sys/%s", path);
	dir = tree_dir(tree, name);
	write_windows(tree, dir, state, bus);
	tree_file(tree, dir, "secondary_bus_number", 0444, "%u\n", bus->number);
	tree_file(tree, dir, "subordinate_bus_number", 0444, "%u\n", bus->number);
	write_link(tree, dir);
	tree_close(dir);

	write_group(tree, group, port, path);
}

void pci_sysfs_write_bus(struct tree *tree, struct pci_state *state, struct pci_bus *bus,
			 unsigned int group)
{
	char parent[64], path[96], name[128], number[16];
	int dir;

	if (bus->has_port)
		write_port(tree, state, bus, group);
	bus_path(bus, parent, sizeof(parent));
	snprintf(number, sizeof(number), "%04x:%02x", bus->domain, bus->number);
	snprintf(path, sizeof(path), "%s/pci_bus/%s", parent, number);
	snprintf(name, sizeof(name), "sys/%s", path);
	dir = tree_dir(tree, name);
	tree_file(tree, dir, "uevent", 0644, "%s", "");
	tree_file(tree, dir, "rescan", 0220, "%s", "");
	write_cpus(tree, dir, "cpuaffinity", "cpulistaffinity");
	tree_close(dir);
	tree_link_from(tree, path, "device", "%s", parent);
	tree_link_from(tree, path, "subsystem", "class/pci_bus");
	tree_link_from(tree, "class/pci_bus", number, "%s", path);
}

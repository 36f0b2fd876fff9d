// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/host.c - which addresses and numbers the machine itself uses
 *
 * Only the way in by a spec asks (uiommu_pci_device_add()); an instance made
 * from a manifest is told, and looks at nothing here: inside a client these
 * paths are the tree's.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci/pci.h"

bool pci_host_has(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	return !access(path, F_OK);
}

bool pci_host_has_bus(uint16_t domain, uint8_t bus)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/pci_bus/%04x:%02x", domain, bus);
	return !access(path, F_OK);
}

unsigned int pci_host_next_number(const char *dir, const char *prefix)
{
	size_t skip = strlen(prefix);
	unsigned int next = 0;
	struct dirent *entry;
	DIR *d = opendir(dir);

	if (!d)
		return 0;
	while ((entry = readdir(d))) {
		unsigned long number;
		char *end;

		if (strncmp(entry->d_name, prefix, skip) || !entry->d_name[skip])
			continue;
		number = strtoul(entry->d_name + skip, &end, 10);
		if (!*end && number < 1u << 20 && number >= next)
			next = (unsigned int)number + 1;
	}
	closedir(d);
	return next;
}

/* Where Linux hands out majors from when it is asked for any. */
#define MAJOR_LAST 511u
#define MAJOR_FIRST 384u

/* Of character devices, as /proc/devices lists them. */
static bool major_taken(unsigned int wanted)
{
	FILE *f = fopen("/proc/devices", "re");
	bool taken = false;
	char line[80];

	while (f && !taken && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Block", 5))
			break;
		taken = strtoul(line, NULL, 10) == wanted;
	}
	if (f)
		fclose(f);
	return taken;
}

unsigned int pci_host_take_major(struct pci_state *state)
{
	unsigned int next = state->last_major ? state->last_major - 1 : MAJOR_LAST;

	ui_mutex_assert_held(&state->lock);
	while (next > MAJOR_FIRST && major_taken(next))
		next--;
	state->last_major = next;
	return next;
}

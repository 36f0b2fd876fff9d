// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/address.c - bus addresses as people write them
 */
#include <errno.h>
#include <stdio.h>

#include "pci/pci.h"

/* One hexadecimal number of 1 to max digits; NULL if there is none. */
static const char *parse_hex(const char *p, unsigned int max, unsigned int *value)
{
	unsigned int digits = 0;

	*value = 0;
	for (; digits < max; digits++, p++) {
		unsigned int d;

		if (*p >= '0' && *p <= '9')
			d = (unsigned int)(*p - '0');
		else if ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'f')
			d = (unsigned int)((*p | 0x20) - 'a') + 10;
		else
			break;
		*value = *value * 16 + d;
	}
	return digits ? p : NULL;
}

int pci_address_parse(const char *text, struct pci_address *address)
{
	unsigned int field[3], slot, function;
	unsigned int n = 0;
	const char *p = text;

	/* One or two numbers with a colon behind each, then DD.F. */
	for (;;) {
		p = parse_hex(p, 4, &field[n++]);
		if (!p)
			return -EINVAL;
		if (*p != ':' || n == 3)
			break;
		p++;
	}
	if (n < 2 || *p != '.')
		return -EINVAL;
	p = parse_hex(p + 1, 1, &function);
	if (!p || *p)
		return -EINVAL;
	slot = field[n - 1];
	if (slot > 31 || function > 7 || field[n - 2] > 255)
		return -EINVAL;
	address->domain = (uint16_t)(n == 3 ? field[0] : 0);
	address->bus = (uint8_t)field[n - 2];
	address->devfn = (uint8_t)(slot << 3 | function);
	return 0;
}

void pci_address_format(const struct pci_address *address, char *name)
{
	snprintf(name, 16, "%04x:%02x:%02x.%x", address->domain, address->bus, address->devfn >> 3,
		 address->devfn & 7u);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A function of a model that the test writes, in an instance of its own.
 */
#ifndef TEST_PCI_FIXTURE_H
#define TEST_PCI_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pci/pci.h"

struct fixture {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	unsigned int events;
	struct uiommu_event last;
};

/* At 0000:01:00.0; the model's options at their defaults. */
void fixture_open(struct fixture *f, const struct uiommu_model *model);
void fixture_close(struct fixture *f);

uint32_t config_get(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size);
void config_set(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size,
		uint32_t value);

#endif /* TEST_PCI_FIXTURE_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <string.h>

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct fixture *f = opaque;

	f->events++;
	f->last = *event;
}

void fixture_open(struct fixture *f, const struct uiommu_model *model)
{
	struct uiommu_config config = {
		.size = sizeof(config),
		.opaque = f,
		.event = on_event,
	};
	struct pci_spec spec = {.model = model, .address = {.bus = 1}};

	memset(f, 0, sizeof(*f));
	assert_int_equal(uiommu_create(&config, &f->ctx), 0);
	assert_int_equal(pci_spec_options(&spec, NULL, NULL, 0), 0);
	assert_int_equal(pci_device_add_at(f->ctx, &spec, UINT32_MAX, &f->pdev, NULL, 0), 0);
	pci_spec_fini(&spec);
}

void fixture_close(struct fixture *f)
{
	uiommu_destroy(f->ctx);
}

uint32_t config_get(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size)
{
	uint32_t value = 0;

	assert_int_equal(pci_config_read(pdev, offset, &value, size), 0);
	return value;
}

void config_set(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size,
		uint32_t value)
{
	assert_int_equal(pci_config_write(pdev, offset, &value, size), 0);
}

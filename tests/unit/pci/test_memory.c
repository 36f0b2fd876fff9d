// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A part of a BAR that is memory: what the model, calls and mappings see of it.
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

static uint8_t *memory;
static unsigned int revoked;

static int memory_init(struct uiommu_pci_device *pdev)
{
	void *out = NULL;

	assert_int_equal(uiommu_pci_add_bar(pdev, 0, 0x4000, 0), 0);
	/* No such BAR, misaligned, empty, past the end. */
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 1, 0, 0x1000, &out), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 6, 0, 0x1000, &out), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0x800, 0x1000, &out), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0, 0x800, &out), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0, 0, &out), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0x3000, 0x2000, &out), -EINVAL);
	assert_null(out);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0x1000, 0x2000, &out), 0);
	assert_int_equal(uiommu_pci_add_bar_memory(pdev, 0, 0x3000, 0x1000, &out), -EINVAL);
	memory = out;
	return 0;
}

static uint64_t read_ones(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  unsigned int size)
{
	return ~0ull;
}

static void write_nothing(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  uint64_t value, unsigned int size)
{
}

static const struct uiommu_model model = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "memory",
	.init = memory_init,
	.mmio_read = read_ones,
	.mmio_write = write_nothing,
};

static void test_accesses(void **state)
{
	unsigned int size;
	struct fixture f;
	uint64_t value;

	fixture_open(&f, &model);
	for (size = 1; size <= 8; size *= 2) {
		memset(memory, 0, 16);
		assert_int_equal(pci_mmio_write(f.pdev, 0, 0x1008, size, 0x1122334455667788ull), 0);
		assert_memory_equal(memory + 8, "\x88\x77\x66\x55\x44\x33\x22\x11", size);
		assert_int_equal(memory[8 + size], 0);
		assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1008, size, &value), 0);
		assert_int_equal(value, 0x1122334455667788ull & ~0ull >> (64 - 8 * size));
	}
	/* What is before and behind it is the model's. */
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0xffc, 4, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x3000, 4, &value), 0);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x2ff8, 8, &value), 0);
	assert_int_equal(value, 0);
	fixture_close(&f);
}

static void on_revoke(void *opaque)
{
	revoked++;
}

/* The host is told when decoding stops, after nothing new can be had. */
static void test_revoke(void **state)
{
	static const struct uiommu_host_ops host = {.revoke = on_revoke};
	struct uiommu_config config = {.size = sizeof(config), .host = &host};
	struct pci_spec spec = {.model = &model, .address = {.bus = 1}};
	const struct pci_memory *m;
	struct fixture f;

	revoked = 0;
	assert_int_equal(uiommu_create(&config, &f.ctx), 0);
	assert_int_equal(pci_spec_options(&spec, NULL, NULL, 0), 0);
	assert_int_equal(pci_device_add_at(f.ctx, &spec, UINT32_MAX, &f.pdev, NULL, 0), 0);
	pci_spec_fini(&spec);
	m = pci_memory_to_map(f.pdev, 0);
	assert_non_null(m);
	assert_ptr_equal(m->pages, memory);
	assert_int_equal(m->offset, 0x1000);
	assert_int_equal(m->length, 0x2000);
	assert_null(pci_memory_to_map(f.pdev, 2));
	config_set(f.pdev, PCI_REG_COMMAND, 2, PCI_CMD_MEM | PCI_CMD_MASTER);
	assert_int_equal(revoked, 0);
	config_set(f.pdev, PCI_REG_COMMAND, 2, 0);
	assert_int_equal(revoked, 1);
	assert_null(pci_memory_to_map(f.pdev, 0));
	config_set(f.pdev, PCI_REG_COMMAND, 2, PCI_CMD_MEM);
	assert_non_null(pci_memory_to_map(f.pdev, 0));
	uiommu_destroy(f.ctx);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accesses),
		cmocka_unit_test(test_revoke),
	};

	return cmocka_run_group_tests_name("pci-memory", tests, NULL, NULL);
}

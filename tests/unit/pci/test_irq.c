// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a function does to be heard, and how the driver holds it back; threads that mask
 * and raise at once.
 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>

static unsigned int pins, messages[16];

static int fake_probe(struct uiommu_pci_device *pdev)
{
	pdev->driver_data = pdev;
	return 0;
}

static void fake_remove(struct uiommu_pci_device *pdev)
{
}

static void fake_intx(struct uiommu_pci_device *pdev)
{
	pins++;
}

static void fake_message(struct uiommu_pci_device *pdev, unsigned int vector)
{
	__atomic_fetch_add(&messages[vector], 1, __ATOMIC_RELAXED);
}

static const struct pci_driver fake = {
	.name = "fake",
	.probe = fake_probe,
	.remove = fake_remove,
	.intx = fake_intx,
	.message = fake_message,
};

static int irq_init(struct uiommu_pci_device *pdev)
{
	assert_int_equal(uiommu_pci_add_bar(pdev, 0, 0x4000, 0), 0);
	/* None, too many, no power of two. */
	assert_int_equal(uiommu_pci_add_msi(pdev, 0, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_msi(pdev, 0, 64), -EINVAL);
	assert_int_equal(uiommu_pci_add_msi(pdev, 0, 3), -EINVAL);
	assert_int_equal(uiommu_pci_add_msi(pdev, 0, 4), 0x40);
	assert_int_equal(uiommu_pci_add_msi(pdev, 0, 4), -EINVAL);
	/* No such BAR, misaligned, past its end, overlapping. */
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 4, 2, 0x1000, 0x2000), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 4, 0, 0x1004, 0x2000), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 4, 0, 0x1000, 0x4000), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 4, 0, 0x3fd0, 0x2000), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 4, 0, 0x1000, 0x1038), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 2049, 0, 0, 0x3f00), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 9, 0, 0xffffff80, 0x2000), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 9, 0, 0x1000, 0xfffffff8), -EINVAL);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 9, 0, 0x1000, 0x2000), 0x58);
	assert_int_equal(uiommu_pci_add_msix(pdev, 0, 9, 0, 0x3000, 0x2800), -EINVAL);
	return uiommu_pci_add_intx(pdev);
}

static uint64_t read_zero(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  unsigned int size)
{
	return 0;
}

static void write_nothing(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  uint64_t value, unsigned int size)
{
}

static const struct uiommu_model model = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "irq",
	.init = irq_init,
	.mmio_read = read_zero,
	.mmio_write = write_nothing,
};

static void open_fake(struct fixture *f)
{
	struct pci_spec spec = {.model = &model, .address = {.bus = 1}};
	unsigned int i;

	pins = 0;
	for (i = 0; i < 16; i++)
		messages[i] = 0;
	assert_int_equal(uiommu_create(NULL, &f->ctx), 0);
	pci_set_driver(f->ctx, &fake);
	assert_int_equal(pci_spec_options(&spec, NULL, NULL, 0), 0);
	assert_int_equal(pci_device_add_at(f->ctx, &spec, UINT32_MAX, &f->pdev, NULL, 0), 0);
	pci_spec_fini(&spec);
	pci_config_command(f->pdev, 0, PCI_CMD_MEM | PCI_CMD_MASTER);
}

static void test_pin(void **state)
{
	struct fixture f;

	open_fake(&f);
	uiommu_pci_set_intx(f.pdev, true);
	uiommu_pci_set_intx(f.pdev, true);
	assert_int_equal(pins, 1);
	assert_true(pci_intx_asserted(f.pdev));
	/* What COMMAND says may have changed, too. */
	config_set(f.pdev, PCI_REG_COMMAND, 2, PCI_CMD_INTX_DISABLE);
	assert_int_equal(pins, 2);
	assert_int_equal(pci_reset(f.pdev), 0);
	assert_int_equal(pins, 3);
	assert_false(pci_intx_asserted(f.pdev));
	fixture_close(&f);
}

static void test_modes(void **state)
{
	struct fixture f;

	open_fake(&f);
	assert_int_equal(uiommu_pci_irq_mode(f.pdev), UIOMMU_IRQ_INTX);
	uiommu_pci_raise(f.pdev, 0);
	pci_msi_enable(f.pdev, 3);
	assert_int_equal(uiommu_pci_irq_mode(f.pdev), UIOMMU_IRQ_MSI);
	pci_msi_mask(f.pdev, 2, false);
	uiommu_pci_raise(f.pdev, 2);
	uiommu_pci_raise(f.pdev, 6);
	assert_int_equal(messages[2], 2);
	pci_msi_enable(f.pdev, 0);
	uiommu_pci_raise(f.pdev, 2);
	assert_int_equal(messages[2], 2);
	pci_msix_enable(f.pdev, true);
	assert_int_equal(uiommu_pci_irq_mode(f.pdev), UIOMMU_IRQ_MSIX);
	uiommu_pci_raise(f.pdev, 8);
	assert_int_equal(messages[8], 0);
	pci_msix_mask(f.pdev, 8, false);
	assert_int_equal(messages[8], 1);
	uiommu_pci_raise(f.pdev, 100);
	fixture_close(&f);
}

/* The table by accesses of all sizes, and what lies between is the model's. */
static void test_registers(void **state)
{
	struct fixture f;
	uint64_t value;

	open_fake(&f);
	pci_msix_program(f.pdev, 3);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1030, 8, &value), 0);
	assert_int_equal(value, 0xfee00000);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1038, 8, &value), 0);
	assert_int_equal(value, 1ull << 32 | 0x4003);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1032, 2, &value), 0);
	assert_int_equal(value, 0xfee0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1033, 1, &value), 0);
	assert_int_equal(value, 0xfe);
	assert_int_equal(pci_mmio_write(f.pdev, 0, 0x1030, 8, 0x1122334455667787ull), 0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1030, 8, &value), 0);
	assert_int_equal(value, 0x1122334455667784ull);
	assert_int_equal(pci_mmio_write(f.pdev, 0, 0x1030, 2, 0), 0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1030, 4, &value), 0);
	assert_int_equal(value, 0x55667784);
	pci_msix_enable(f.pdev, true);
	uiommu_pci_raise(f.pdev, 8);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x2000, 8, &value), 0);
	assert_int_equal(value, 1 << 8);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x2001, 1, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x1000 + 9 * 16, 4, &value), 0);
	assert_int_equal(value, 0);
	fixture_close(&f);
}

#define ROUNDS 20000u

static void *flip_mask(void *arg)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		pci_msix_mask(arg, 0, i % 2 == 0);
	pci_msix_mask(arg, 0, false);
	return NULL;
}

/* Whatever the masks do meanwhile, the last message is never forgotten. */
static void test_race(void **state)
{
	unsigned int i, before;
	struct fixture f;
	pthread_t thread;

	open_fake(&f);
	pci_msix_enable(f.pdev, true);
	assert_int_equal(pthread_create(&thread, NULL, flip_mask, f.pdev), 0);
	for (i = 0; i < ROUNDS; i++)
		uiommu_pci_raise(f.pdev, 0);
	pthread_join(thread, NULL);
	assert_true(messages[0] && messages[0] <= ROUNDS);
	assert_int_equal(f.pdev->msix.pba[0], 0);
	before = messages[0];
	uiommu_pci_raise(f.pdev, 0);
	assert_int_equal(messages[0], before + 1);
	fixture_close(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_race),
	};

	return cmocka_run_group_tests_name("pci-irq", tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Config space: what is read, what a write changes, and the capability lists.
 */
#include "fixture.h"

#include <errno.h>

static unsigned int resets;
static struct uiommu_dma *channel;

static int rich_init(struct uiommu_pci_device *pdev)
{
	assert_int_equal(uiommu_pci_add_bar(pdev, 0, 0x4000, UIOMMU_BAR_64BIT), 0);
	assert_int_equal(uiommu_pci_add_bar(pdev, 2, 0x1000, 0), 0);
	assert_int_equal(
		uiommu_pci_add_bar(pdev, 3, 1ull << 33, UIOMMU_BAR_64BIT | UIOMMU_BAR_PREFETCH), 0);
	assert_int_equal(uiommu_pci_add_pcie(pdev, 0x80), 0x80);
	assert_int_equal(uiommu_pci_add_pm(pdev, 0, UIOMMU_PM_NO_SOFT_RESET), 0x40);
	assert_int_equal(uiommu_pci_add_ats(pdev, 0), 0x100);
	assert_int_equal(uiommu_pci_add_pri(pdev, 0, 0x800), 0x108);
	assert_int_equal(uiommu_pci_add_pasid(pdev, 0x200, 16), 0x200);
	return uiommu_pci_dma_open(pdev, &channel);
}

static int bad_init(struct uiommu_pci_device *pdev)
{
	/* Taken, too small, no power of two, past the end, unknown flag. */
	assert_int_equal(uiommu_pci_add_bar(pdev, 0, 0x1000, UIOMMU_BAR_64BIT), 0);
	assert_int_equal(uiommu_pci_add_bar(pdev, 0, 0x1000, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 1, 0x1000, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 2, 0x800, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 2, 0x3000, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 2, 1ull << 32, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 5, 0x1000, UIOMMU_BAR_64BIT), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 6, 0x1000, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_bar(pdev, 2, 0x1000, 4), -EINVAL);
	/* Misaligned, in the header, overlapping, over the end; the list starts at 0x100. */
	assert_int_equal(uiommu_pci_add_pm(pdev, 0x42, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_pm(pdev, 0x3c, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_pcie(pdev, 0xf0), -EINVAL);
	assert_int_equal(uiommu_pci_add_pcie(pdev, 0x60), 0x60);
	assert_int_equal(uiommu_pci_add_pm(pdev, 0x98, 0), -EINVAL);
	assert_int_equal(uiommu_pci_add_ats(pdev, 0x200), -EINVAL);
	assert_int_equal(uiommu_pci_add_pasid(pdev, 0, 21), -EINVAL);
	assert_int_equal(uiommu_pci_add_pasid(pdev, 0, 0), -EINVAL);
	/* Two more fit before the PCIe one, many after it; then it is full. */
	while (uiommu_pci_add_pm(pdev, 0, UIOMMU_PM_NO_SOFT_RESET) > 0)
		;
	assert_int_equal(uiommu_pci_add_pm(pdev, 0, UIOMMU_PM_NO_SOFT_RESET), -ENOSPC);
	return 0;
}

static void count_reset(struct uiommu_pci_device *pdev)
{
	resets++;
}

static uint64_t read_ones(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  unsigned int size)
{
	return 0x1122334455667788ull;
}

static void write_nothing(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  uint64_t value, unsigned int size)
{
}

static const struct uiommu_model rich = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "rich",
	.vendor = 0x1234,
	.device = 0x5678,
	.revision = 3,
	.class_code = 0x010802,
	.init = rich_init,
	.reset = count_reset,
	.mmio_read = read_ones,
	.mmio_write = write_nothing,
};

static const struct uiommu_model bad = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "bad",
	.init = bad_init,
	.mmio_read = read_ones,
	.mmio_write = write_nothing,
};

static void test_header(void **state)
{
	struct fixture f;

	fixture_open(&f, &rich);
	assert_int_equal(config_get(f.pdev, 0x00, 4), 0x56781234);
	assert_int_equal(config_get(f.pdev, 0x08, 4), 0x01080203);
	config_set(f.pdev, 0x00, 4, 0x5a5a5a5a);
	config_set(f.pdev, 0x08, 4, 0x5a5a5a5a);
	config_set(f.pdev, 0x34, 1, 0x99);
	assert_int_equal(config_get(f.pdev, 0x00, 4), 0x56781234);
	assert_int_equal(config_get(f.pdev, 0x08, 4), 0x01080203);
	config_set(f.pdev, 0x3c, 1, 0xab);
	assert_int_equal(config_get(f.pdev, 0x3c, 2), 0x00ab);
	/* The ends. */
	assert_int_equal(pci_config_read(f.pdev, 4096, &f, 0), 0);
	assert_int_equal(pci_config_read(f.pdev, 4095, &f, 2), -EFAULT);
	assert_int_equal(pci_config_write(f.pdev, 1ull << 39, &f, 1), -EFAULT);
	fixture_close(&f);
}

static void test_bars(void **state)
{
	struct fixture f;
	uint32_t lo, hi;

	fixture_open(&f, &rich);
	lo = config_get(f.pdev, 0x10, 4);
	hi = config_get(f.pdev, 0x14, 4);
	assert_int_equal(lo & 15, 4);
	assert_true(hi || lo & ~15u);
	config_set(f.pdev, 0x10, 4, 0xffffffff);
	config_set(f.pdev, 0x14, 4, 0xffffffff);
	assert_int_equal(config_get(f.pdev, 0x10, 4), 0xffffc004);
	assert_int_equal(config_get(f.pdev, 0x14, 4), 0xffffffff);
	config_set(f.pdev, 0x10, 4, lo);
	config_set(f.pdev, 0x14, 4, hi);
	assert_int_equal(pci_config_bar(f.pdev, 0), (uint64_t)hi << 32 | (lo & ~15u));

	config_set(f.pdev, 0x18, 4, 0xffffffff);
	assert_int_equal(config_get(f.pdev, 0x18, 4), 0xfffff000);

	/* 8 GiB: the low half is all size. */
	config_set(f.pdev, 0x1c, 4, 0xffffffff);
	config_set(f.pdev, 0x20, 4, 0xffffffff);
	assert_int_equal(config_get(f.pdev, 0x1c, 4), 0x0000000c);
	assert_int_equal(config_get(f.pdev, 0x20, 4), 0xfffffffe);

	/* None: reads 0 whatever is written. */
	config_set(f.pdev, 0x24, 4, 0xffffffff);
	config_set(f.pdev, 0x30, 4, 0xffffffff);
	assert_int_equal(config_get(f.pdev, 0x24, 4), 0);
	assert_int_equal(config_get(f.pdev, 0x30, 4), 0);
	fixture_close(&f);
}

static void test_capabilities(void **state)
{
	unsigned int at, seen = 0;
	struct fixture f;

	fixture_open(&f, &rich);
	assert_true(config_get(f.pdev, 0x06, 2) & 0x10);
	for (at = config_get(f.pdev, 0x34, 1); at; at = config_get(f.pdev, at + 1, 1)) {
		assert_true(++seen <= 2);
		assert_int_equal(config_get(f.pdev, at, 1), seen == 1 ? 0x10 : 0x01);
	}
	assert_int_equal(seen, 2);
	assert_int_equal(config_get(f.pdev, 0x100, 4), 0x1081000f);
	assert_int_equal(config_get(f.pdev, 0x108, 4), 0x20010013);
	assert_int_equal(config_get(f.pdev, 0x200, 4), 0x0001001b);
	assert_int_equal(config_get(f.pdev, 0x110, 4), 0x800);
	assert_int_equal(config_get(f.pdev, 0x204, 2), 16 << 8);
	assert_true(config_get(f.pdev, 0x84, 4) & 1u << 28);

	/* Core was told what they say. */
	assert_true(uiommu_device_has_pri(uiommu_pci_iommu_device(f.pdev)));
	assert_int_equal(uiommu_device_max_pasids(uiommu_pci_iommu_device(f.pdev)), 1u << 16);

	/* A client can't touch what is the IOMMU driver's. */
	config_set(f.pdev, 0x106, 2, 0);
	assert_int_equal(config_get(f.pdev, 0x106, 2), 0x8000);
	fixture_close(&f);
}

static void test_bad_declarations(void **state)
{
	struct fixture f;

	fixture_open(&f, &bad);
	fixture_close(&f);
}

static void test_command(void **state)
{
	struct uiommu_dma_error err;
	struct fixture f;
	uint64_t value;
	char byte = 0;

	fixture_open(&f, &rich);
	assert_non_null(channel);
	/* As firmware leaves it: memory is decoded. */
	assert_int_equal(config_get(f.pdev, 0x04, 2), 0x0002);
	config_set(f.pdev, 0x04, 2, 0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), -EIO);
	config_set(f.pdev, 0x04, 2, 0xffff);
	assert_int_equal(config_get(f.pdev, 0x04, 2), 0x0546);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(value, 0x55667788);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x3ffc, 4, &value), 0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x4000, 4, &value), -EIO);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0x3ffc, 8, &value), -EIO);
	assert_int_equal(pci_mmio_read(f.pdev, 1, 0, 4, &value), -EIO);

	/* MASTER gates DMA, with one event. */
	assert_true(uiommu_pci_bus_master(f.pdev));
	config_set(f.pdev, 0x04, 2, 0x0002);
	assert_false(uiommu_pci_bus_master(f.pdev));
	assert_int_equal(uiommu_pci_dma_read(f.pdev, channel, 7, 0x1234, &byte, 1, 0, &err),
			 -EACCES);
	assert_int_equal(f.events, 1);
	assert_int_equal(f.last.type, UIOMMU_EVENT_DMA_FAULT);
	assert_int_equal(f.last.iova, 0x1234);
	assert_int_equal(err.iova, 0x1234);
	assert_int_equal(err.perm, UIOMMU_READ);
	assert_int_equal(uiommu_pci_dma_copy(f.pdev, channel, 7, 0, 0x1234, 1, 0, &err), -EACCES);
	config_set(f.pdev, 0x04, 2, 0x0006);
	assert_int_equal(uiommu_pci_dma_copy(f.pdev, channel, 7, 0, 0x1234, 1, 0, &err), -ENOENT);
	assert_int_equal(uiommu_pci_dma_read(f.pdev, channel, 7, 0x1234, &byte, 1, 0, &err),
			 -ENOENT);
	fixture_close(&f);
}

static void test_reset_and_power(void **state)
{
	struct fixture f;
	uint64_t value;
	uint32_t bar;

	fixture_open(&f, &rich);
	config_set(f.pdev, 0x04, 2, 0x0006);
	bar = config_get(f.pdev, 0x10, 4);
	resets = 0;
	config_set(f.pdev, 0x88, 2, 0x8000);
	assert_int_equal(resets, 1);
	assert_int_equal(config_get(f.pdev, 0x88, 2), 0); /* the bit doesn't stick */
	assert_int_equal(config_get(f.pdev, 0x04, 2), 0x0006);
	assert_int_equal(config_get(f.pdev, 0x10, 4), bar);

	/* D3hot: no decoding, no DMA. */
	config_set(f.pdev, 0x44, 2, 3);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), -EIO);
	assert_int_equal(uiommu_pci_dma_read(f.pdev, channel, 0, 0, &value, 1, 0, NULL), -EACCES);
	config_set(f.pdev, 0x44, 2, 0);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(resets, 1);
	fixture_close(&f);
}

static int soft_init(struct uiommu_pci_device *pdev)
{
	assert_int_equal(uiommu_pci_add_pm(pdev, 0, 8), -EINVAL);
	assert_int_equal(uiommu_pci_add_pm(pdev, 0, 0), 0x40);
	assert_int_equal(uiommu_pci_add_pcie(pdev, 0x80), 0x80);
	return uiommu_pci_add_bar(pdev, 0, 0x1000, 0);
}

static const struct uiommu_model soft = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "soft",
	.init = soft_init,
	.reset = count_reset,
	.mmio_read = read_ones,
	.mmio_write = write_nothing,
};

/* States that aren't there are not taken; coming back from D3hot is a reset. */
static void test_soft_reset(void **state)
{
	struct fixture f;
	uint64_t value;
	uint32_t bar;

	fixture_open(&f, &soft);
	resets = 0;
	config_set(f.pdev, 0x44, 2, 1);
	config_set(f.pdev, 0x45, 1, 0xff);
	assert_int_equal(config_get(f.pdev, 0x44, 2), 0);
	config_set(f.pdev, 0x44, 1, 3);
	assert_int_equal(config_get(f.pdev, 0x44, 2), 3);
	config_set(f.pdev, 0x44, 2, 2);
	assert_int_equal(config_get(f.pdev, 0x44, 2), 3);
	assert_int_equal(resets, 0);
	config_set(f.pdev, 0x44, 2, 0);
	assert_int_equal(resets, 1);
	config_set(f.pdev, 0x44, 2, 0);
	assert_int_equal(resets, 1);
	/* Of the link nothing can be written, of the device no phantom functions. */
	config_set(f.pdev, 0x90, 2, 0xffff);
	assert_int_equal(config_get(f.pdev, 0x90, 2), 0);
	config_set(f.pdev, 0x88, 2, 0x7fff);
	assert_int_equal(config_get(f.pdev, 0x88, 2), 0x7dff);
	/* The next client finds all of it as the first did. */
	bar = config_get(f.pdev, 0x10, 4);
	config_set(f.pdev, 0x10, 4, 0x12345000);
	config_set(f.pdev, 0x04, 2, PCI_CMD_MASTER | PCI_CMD_INTX_DISABLE);
	config_set(f.pdev, 0x44, 2, 3);
	pci_config_restore(f.pdev, NULL);
	assert_int_equal(config_get(f.pdev, 0x10, 4), bar);
	assert_int_equal(config_get(f.pdev, 0x04, 2), PCI_CMD_MEM);
	assert_int_equal(config_get(f.pdev, 0x44, 2), 0);
	assert_int_equal(config_get(f.pdev, 0x88, 2), 0x2810);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	fixture_close(&f);
}

static int first_init(struct uiommu_pci_device *pdev)
{
	assert_int_equal(uiommu_pci_add_pasid(pdev, 0, 20), 0x100);
	return 0;
}

static const struct uiommu_model first = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "first",
	.init = first_init,
	.mmio_read = read_ones,
	.mmio_write = write_nothing,
};

static uint32_t client_get(struct uiommu_pci_device *pdev, unsigned int offset, unsigned int size)
{
	uint32_t value = 0;

	assert_int_equal(pci_config_read_client(pdev, offset, &value, size), 0);
	return value;
}

/* A client's list of capabilities leads past PASID; /sys has it. */
static void test_client_view(void **state)
{
	uint8_t all[PCI_CFG_SIZE], seen[PCI_CFG_SIZE];
	unsigned int i, differ = 0;
	struct fixture f;

	fixture_open(&f, &rich);
	assert_int_equal(config_get(f.pdev, 0x108, 4) >> 20, 0x200);
	assert_int_equal(client_get(f.pdev, 0x108, 4), 0x00010013);
	assert_int_equal(client_get(f.pdev, 0x10a, 2), 0x0001);
	assert_int_equal(client_get(f.pdev, 0x10b, 1), 0);
	assert_int_equal(client_get(f.pdev, 0x204, 4), config_get(f.pdev, 0x204, 4));
	assert_int_equal(pci_config_read(f.pdev, 0, all, sizeof(all)), 0);
	assert_int_equal(pci_config_read_client(f.pdev, 0, seen, sizeof(seen)), 0);
	for (i = 0; i < PCI_CFG_SIZE; i++)
		differ += all[i] != seen[i];
	assert_int_equal(differ, 1);
	fixture_close(&f);

	fixture_open(&f, &first);
	assert_int_equal(config_get(f.pdev, 0x100, 4), 0x0001001b);
	assert_int_equal(client_get(f.pdev, 0x100, 4), 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),	     cmocka_unit_test(test_bars),
		cmocka_unit_test(test_capabilities), cmocka_unit_test(test_bad_declarations),
		cmocka_unit_test(test_command),	     cmocka_unit_test(test_reset_and_power),
		cmocka_unit_test(test_soft_reset),   cmocka_unit_test(test_client_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

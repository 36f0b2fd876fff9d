// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The gate: a reset waits for calls that are inside, new ones wait for it, and
 * a thread that is inside doesn't wait for itself.
 */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static struct uiommu_pci_device *the_pdev;
static uint32_t inside, in_reset, overlaps, stop;
static uint32_t hold; /* mmio_write stays inside until this is 0 */
static int nested_reset;

static int gate_init(struct uiommu_pci_device *pdev)
{
	return uiommu_pci_add_bar(pdev, 0, 0x1000, 0);
}

static void gate_reset(struct uiommu_pci_device *pdev)
{
	ui_store_release(&in_reset, 1);
	if (ui_load_acquire(&inside))
		ui_fetch_add(&overlaps, 1);
	sched_yield();
	ui_store_release(&in_reset, 0);
}

static uint64_t gate_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			  unsigned int size)
{
	ui_fetch_add(&inside, 1);
	if (ui_load_acquire(&in_reset))
		ui_fetch_add(&overlaps, 1);
	ui_fetch_sub(&inside, 1);
	return 0;
}

static void gate_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		       uint64_t value, unsigned int size)
{
	uint64_t nested;

	ui_fetch_add(&inside, 1);
	if (offset == 8) {
		/* From inside: other calls pass, a reset is refused. */
		assert_int_equal(pci_mmio_read(pdev, 0, 0, 4, &nested), 0);
		nested_reset = pci_reset(pdev);
	}
	while (ui_load_acquire(&hold))
		sched_yield();
	if (offset == 16) /* somebody waits for us now: we pass nevertheless */
		assert_int_equal(pci_mmio_read(pdev, 0, 0, 4, &nested), 0);
	ui_fetch_sub(&inside, 1);
}

static const struct uiommu_model model = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "gate",
	.init = gate_init,
	.reset = gate_reset,
	.mmio_read = gate_read,
	.mmio_write = gate_write,
};

static void *store_thread(void *arg)
{
	assert_int_equal(pci_mmio_write(the_pdev, 0, 16, 4, 1), 0);
	return NULL;
}

static void *reset_thread(void *done)
{
	assert_int_equal(pci_reset(the_pdev), 0);
	ui_store_release((uint32_t *)done, 1);
	return NULL;
}

static void *mem_off_thread(void *done)
{
	config_set(the_pdev, 0x04, 2, 0);
	ui_store_release((uint32_t *)done, 1);
	return NULL;
}

static void *load_thread(void *arg)
{
	uint64_t value;

	while (!ui_load_acquire(&stop))
		assert_int_equal(pci_mmio_read(the_pdev, 0, 0, 4, &value), 0);
	return NULL;
}

static void short_sleep(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

static void open_model(struct fixture *f)
{
	fixture_open(f, &model);
	the_pdev = f->pdev;
	config_set(f->pdev, 0x04, 2, PCI_CMD_MEM);
	inside = in_reset = overlaps = stop = hold = 0;
}

/* @closer comes back only after the store that is inside has left. */
static void check_waits(void *(*closer)(void *))
{
	pthread_t store, closing;
	uint32_t done = 0;
	struct fixture f;

	open_model(&f);
	hold = 1;
	pthread_create(&store, NULL, store_thread, NULL);
	while (!ui_load_acquire(&inside))
		sched_yield();
	pthread_create(&closing, NULL, closer, &done);
	short_sleep();
	assert_int_equal(ui_load_acquire(&done), 0);
	ui_store_release(&hold, 0);
	pthread_join(store, NULL);
	pthread_join(closing, NULL);
	assert_int_equal(done, 1);
	assert_int_equal(overlaps, 0);
	fixture_close(&f);
}

static void test_reset_waits(void **state)
{
	check_waits(reset_thread);
}

static void test_mem_off_waits(void **state)
{
	check_waits(mem_off_thread);
}

static void test_no_overlap(void **state)
{
	pthread_t loads[2];
	struct fixture f;
	unsigned int i;

	open_model(&f);
	for (i = 0; i < 2; i++)
		pthread_create(&loads[i], NULL, load_thread, NULL);
	for (i = 0; i < 2000; i++)
		assert_int_equal(pci_reset(f.pdev), 0);
	ui_store_release(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(loads[i], NULL);
	assert_int_equal(overlaps, 0);
	fixture_close(&f);
}

static void test_nested(void **state)
{
	struct fixture f;

	open_model(&f);
	nested_reset = 0;
	assert_int_equal(pci_mmio_write(f.pdev, 0, 8, 4, 1), 0);
	assert_int_equal(nested_reset, -EAGAIN);
	assert_int_equal(pci_reset(f.pdev), 0);
	fixture_close(&f);
}

/* A signal handler on top of the thread that resets finds all ones. */
static void test_on_top_of_close(void **state)
{
	struct fixture f;
	uint64_t value;

	open_model(&f);
	assert_true(pci_gate_close(f.pdev));
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(value, 0xffffffff);
	assert_int_equal(pci_mmio_write(f.pdev, 0, 0, 4, 1), 0);
	assert_false(pci_gate_close(f.pdev));
	pci_gate_open(f.pdev);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(value, 0);
	fixture_close(&f);
}

static void *close_thread(void *done)
{
	assert_true(pci_gate_close(the_pdev));
	ui_store_release((uint32_t *)done, 1);
	while (ui_load_acquire(&hold))
		sched_yield();
	pci_gate_open(the_pdev);
	return NULL;
}

/* Who is inside another device, whose reset may wait for it, doesn't wait for this one's. */
static void test_from_another(void **state)
{
	struct uiommu_pci_device *other;
	struct pci_inside within;
	uint32_t done = 0;
	struct fixture f;
	pthread_t closer;
	uint64_t value;

	open_model(&f);
	assert_int_equal(uiommu_pci_device_add(f.ctx, "ats-testdev", &other, NULL, 0), 0);
	hold = 1;
	pthread_create(&closer, NULL, close_thread, &done);
	while (!ui_load_acquire(&done))
		sched_yield();
	assert_true(pci_gate_enter(other, &within));
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(value, 0xffffffff);
	assert_int_equal(pci_mmio_write(f.pdev, 0, 0, 4, 1), 0);
	ui_store_release(&hold, 0);
	pthread_join(closer, NULL);
	assert_int_equal(pci_mmio_read(f.pdev, 0, 0, 4, &value), 0);
	assert_int_equal(value, 0);
	pci_gate_leave(other, &within);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_waits),   cmocka_unit_test(test_no_overlap),
		cmocka_unit_test(test_nested),	      cmocka_unit_test(test_on_top_of_close),
		cmocka_unit_test(test_mem_off_waits), cmocka_unit_test(test_from_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

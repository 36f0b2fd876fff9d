// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where root ports go, and what a reset of a bus concerns.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct uiommu_pci_device *add(struct fixture *f, const char *spec)
{
	struct uiommu_pci_device *pdev = NULL;
	char err[256] = "";

	if (uiommu_pci_device_add(f->ctx, spec, &pdev, err, sizeof(err)))
		fail_msg("%s", err);
	return pdev;
}

struct found {
	struct uiommu_pci_device *pdev[4];
	unsigned int count;
	unsigned int stop;
};

static bool note(struct uiommu_pci_device *pdev, void *opaque)
{
	struct found *found = opaque;

	found->pdev[found->count++] = pdev;
	return found->count == found->stop;
}

static void test_reset_of_a_bus(void **state)
{
	struct uiommu_pci_device *a, *b, *c, *d;
	struct found found = {.count = 0};
	struct fixture f;

	assert_int_equal(uiommu_create(NULL, &f.ctx), 0);
	a = add(&f, "ats-testdev@beef:02:00.0");
	b = add(&f, "ats-testdev@beef:02:00.1");
	c = add(&f, "ats-testdev@beef:03:00.0");
	d = add(&f, "ats-testdev@beef:00:05.0");
	assert_true(pci_bus_resettable(a) && pci_bus_resettable(c));
	assert_false(pci_bus_resettable(d));
	pci_bus_for_each(b, note, &found);
	assert_int_equal(found.count, 2);
	assert_ptr_equal(found.pdev[0], a);
	assert_ptr_equal(found.pdev[1], b);
	found = (struct found){.stop = 1};
	pci_bus_for_each(b, note, &found);
	assert_int_equal(found.count, 1);
	found = (struct found){.count = 0};
	pci_bus_for_each(c, note, &found);
	assert_int_equal(found.count, 1);
	/* Functions of one slot say so; what is alone doesn't. */
	assert_int_equal(config_get(a, 0x0e, 1), 0x80);
	assert_int_equal(config_get(b, 0x0e, 1), 0x80);
	assert_int_equal(config_get(c, 0x0e, 1), 0);
	uiommu_destroy(f.ctx);
}

/* Ports keep clear of our devices, and our devices of them. */
static void test_ports(void **state)
{
	struct uiommu_pci_device *pdev;
	char err[256] = "", spec[64];
	unsigned int bus;
	struct fixture f;

	assert_int_equal(uiommu_create(NULL, &f.ctx), 0);
	add(&f, "ats-testdev@beef:00:01.0");
	pdev = add(&f, "ats-testdev@beef:01:00.0");
	assert_int_equal(pdev->bus->port.domain, 0xbeef);
	assert_int_equal(pdev->bus->port.bus, 0);
	assert_int_equal(pdev->bus->port.devfn, 2 << 3);
	assert_int_equal(uiommu_pci_device_add(f.ctx, "ats-testdev@beef:00:02.0", NULL, err, 256),
			 -EEXIST);
	assert_true(err[0]);
	/* More than there are slots: then functions of the ports that are there. */
	for (bus = 2; bus <= 40; bus++) {
		snprintf(spec, sizeof(spec), "ats-testdev@beef:%02x:00.0", bus);
		pdev = add(&f, spec);
		assert_true(pdev->bus->has_port);
	}
	assert_int_equal(pdev->bus->port.devfn & 7, 1);
	uiommu_destroy(f.ctx);
}

/* What is behind one port is in its window, and nothing else is. */
static void test_windows(void **state)
{
	static const char *const specs[] = {"ats-testdev@beef:02:00.0", "ats-testdev@beef:03:00.0",
					    "ats-testdev,bar0=8M@beef:02:01.0"};
	struct pci_window windows[2];
	struct uiommu_pci_device *pdev[3];
	struct fixture f;
	unsigned int i;

	assert_int_equal(uiommu_create(NULL, &f.ctx), 0);
	for (i = 0; i < 3; i++)
		pdev[i] = add(&f, specs[i]);
	ui_mutex_lock(&f.ctx->pci->lock);
	for (i = 0; i < 2; i++)
		windows[i] = pci_port_window(f.ctx->pci, pdev[i]->bus, true);
	assert_int_equal(pci_port_window(f.ctx->pci, pdev[0]->bus, false).last, 0);
	ui_mutex_unlock(&f.ctx->pci->lock);
	assert_true(windows[0].first <= pci_config_bar(pdev[0], 0));
	assert_true(windows[0].last >= pci_config_bar(pdev[2], 0) + (8u << 20) - 1);
	assert_true(windows[1].first > windows[0].last);
	assert_int_equal(windows[0].first & 0xfffff, 0);
	assert_int_equal(windows[0].last & 0xfffff, 0xfffff);
	uiommu_destroy(f.ctx);
}

static void test_group(void **state)
{
	struct uiommu_pci_device *a, *b, *c;
	char err[256] = "";
	struct fixture f;

	assert_int_equal(uiommu_create(NULL, &f.ctx), 0);
	a = add(&f, "ats-testdev,group=x@beef:02:00.0");
	b = add(&f, "ats-testdev,group=y@beef:03:00.0");
	c = add(&f, "ats-testdev,ats=off,group=x@beef:04:00.0");
	assert_int_equal(a->group_id, c->group_id);
	assert_int_not_equal(a->group_id, b->group_id);
	assert_int_equal(uiommu_pci_device_add(f.ctx, "ats-testdev,group=", NULL, err, 256),
			 -EINVAL);
	assert_non_null(strstr(err, "group=NAME"));
	uiommu_destroy(f.ctx);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_of_a_bus),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_group),
	};

	return cmocka_run_group_tests_name("pci-topology", tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/bindstart.c - which driver each device has when a run starts
 *
 * A tree is written with all devices on vfio-pci, as if by driver_override; then those that were
 * asked to be another's are given away, by the same steps as later.  A driver that was only
 * named claims the devices that were given to it.
 */
#include <errno.h>
#include <string.h>

#include "pci/pci.h"
#include "pci/tree.h"
#include "vfio/bind.h"
#include "vfio/vfio.h"

/* Root ports, by their class. */
static const struct bind_id port_id = {
	.vendor = ~0u,
	.device = ~0u,
	.subvendor = ~0u,
	.subdevice = ~0u,
	.class = 0x060400,
	.mask = 0xffff00,
};

static int add_driver(struct tree *tree, struct bind *bind, const char *driver,
		      const struct bind_id *id)
{
	char path[128], module[64], *dash;
	int rc = bind_driver_add(bind, driver);

	if (rc)
		return rc;
	snprintf(module, sizeof(module), "%s", driver);
	for (dash = module; (dash = strchr(dash, '-'));)
		*dash = '_';
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	tree_merge_host(tree, path);
	/* A port's driver is no module. */
	if (id != &port_id) {
		vfio_write_module(tree, module);
		tree_link_from(tree, path + 4, "module", "module/%s", module);
	}
	rc = id ? bind_id_add(bind, driver, id, BIND_ID_OWN) : 0;
	return rc == -EEXIST ? 0 : rc;
}

static int start_device(struct tree *tree, struct bind *bind, const struct uiommu_pci_device *pdev)
{
	const char *driver = pdev->driver_name;
	struct bind_device dev;
	struct bind_id id;
	int rc = bind_find(bind, pdev->name, &dev);

	if (rc)
		return rc;
	if (!driver || !strcmp(driver, BIND_VFIO))
		return bind_write(bind, &dev, "driver_override", BIND_VFIO "\n");
	rc = bind_detach(bind, &dev);
	if (rc || !strcmp(driver, "none"))
		return rc;
	rc = bind_id_of(bind, &dev, &id);
	/* The class says nothing that the rest doesn't. */
	id.class = 0;
	if (!rc)
		rc = add_driver(tree, bind, driver, &id);
	return rc ? rc : bind_attach(bind, &dev, driver);
}

void vfio_bind_start(struct tree *tree, int dirfd)
{
	struct pci_state *state = tree->ctx->pci;
	struct uiommu_pci_device *pdev;
	struct pci_bus *bus;
	struct bind bind = {.in_use = NULL};
	int rc;

	if (tree->rc || cds_list_empty(&state->devices))
		return;
	rc = bind_open(&bind, dirfd);
	if (rc) {
		tree_fail(tree, rc);
		return;
	}
	rc = bind_driver_add(&bind, BIND_VFIO);
	ui_mutex_lock(&state->lock);
	cds_list_for_each_entry(bus, &state->buses, node) {
		if (!rc && bus->has_port && !bind_driver_known(&bind, "pcieport"))
			rc = add_driver(tree, &bind, "pcieport", &port_id);
	}
	cds_list_for_each_entry(pdev, &state->devices, node) {
		if (!rc)
			rc = start_device(tree, &bind, pdev);
	}
	ui_mutex_unlock(&state->lock);
	bind_close(&bind);
	if (rc)
		tree_fail(tree, rc);
}

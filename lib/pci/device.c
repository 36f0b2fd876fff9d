// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/device.c - functions come and go, and their models are called
 *
 * Making one: the model's init declares BARs and capabilities, core is told
 * what these say (PASIDs, page requests), DMA channels are opened, the driver
 * takes it.  Taking one down goes the other way, and starts with the gate: from
 * then on nobody calls the model, and responses that core still sends go
 * nowhere.
 */
#include <errno.h>
#include <string.h>

#include "core/core.h"
#include "pci/pci.h"

/* ---- calls into the model ---- */

bool pci_mmio_answers(const struct uiommu_pci_device *pdev)
{
	return ui_load_acquire(&pdev->command) & PCI_CMD_MEM && ui_load_acquire(&pdev->powered) &&
	       !ui_load_acquire(&pdev->dead);
}

/* A BAR is there, and answers. */
static int mmio_check(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		      unsigned int size)
{
	uint64_t length = bar < PCI_BARS ? pdev->bars[bar].size : 0;

	if (offset >= length || length - offset < size)
		return -EIO;
	return pci_mmio_answers(pdev) ? 0 : -EIO;
}

int pci_mmio_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		  unsigned int size, uint64_t *value)
{
	struct pci_inside inside;
	uint64_t got = ~0ull;
	int rc;

	*value = ~0ull >> (64 - 8 * size);
	if (!pci_gate_enter(pdev, &inside))
		return 0; /* a signal handler on top of this device's reset */
	rc = mmio_check(pdev, bar, offset, size);
	if (!rc && !pci_memory_read(pdev, bar, offset, size, &got) &&
	    !pci_msix_read(pdev, bar, offset, size, &got))
		got = pdev->model->mmio_read(pdev, bar, offset, size);
	*value &= got;
	pci_gate_leave(pdev, &inside);
	return rc;
}

int pci_mmio_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t value)
{
	struct pci_inside inside;
	int rc;

	if (!pci_gate_enter(pdev, &inside))
		return 0;
	rc = mmio_check(pdev, bar, offset, size);
	if (!rc && !pci_memory_write(pdev, bar, offset, size, value) &&
	    !pci_msix_write(pdev, bar, offset, size, value))
		pdev->model->mmio_write(pdev, bar, offset, value & ~0ull >> (64 - 8 * size), size);
	pci_gate_leave(pdev, &inside);
	return rc;
}

static void write_words(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			const void *data)
{
	uint64_t words[PCI_BLOCK / 8];

	memcpy(words, data, sizeof(words));
	for (unsigned int i = 0; i < PCI_BLOCK / 8; i++) {
		uint64_t at = offset + 8 * i;

		if (!pci_memory_write(pdev, bar, at, 8, words[i]) &&
		    !pci_msix_write(pdev, bar, at, 8, words[i]))
			pdev->model->mmio_write(pdev, bar, at, words[i], 8);
	}
}

int pci_mmio_write_block(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			 const void *data)
{
	struct pci_inside inside;
	int rc;

	if (!pci_gate_enter(pdev, &inside))
		return 0;
	rc = mmio_check(pdev, bar, offset, PCI_BLOCK);
	if (!rc && pdev->model->mmio_write_block && !pci_memory_has(pdev, bar, offset) &&
	    !pci_msix_is_table(pdev, bar, offset))
		pdev->model->mmio_write_block(pdev, bar, offset, data);
	else if (!rc)
		write_words(pdev, bar, offset, data);
	pci_gate_leave(pdev, &inside);
	return rc;
}

int pci_mmio_enqueue(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		     const void *data)
{
	struct pci_inside inside;
	int rc;

	if (!pci_gate_enter(pdev, &inside))
		return -EAGAIN;
	rc = mmio_check(pdev, bar, offset, PCI_BLOCK);
	if (!rc)
		rc = pdev->model->mmio_enqueue ?
			     pdev->model->mmio_enqueue(pdev, bar, offset, data) :
			     -EAGAIN;
	pci_gate_leave(pdev, &inside);
	return rc;
}

static int reset(struct uiommu_pci_device *pdev)
{
	if (!pci_gate_close(pdev))
		return -EAGAIN;
	if (pdev->model->reset && !ui_load_acquire(&pdev->dead))
		pdev->model->reset(pdev);
	pci_irq_reset(pdev);
	pci_gate_open(pdev);
	return 0;
}

int pci_reset(struct uiommu_pci_device *pdev)
{
	int rc;

	if (!pdev->ats)
		return reset(pdev);
	core_reset_begin(pdev->iommu);
	rc = reset(pdev);
	core_reset_end(pdev->iommu);
	return rc;
}

/* ---- core's side ---- */

static int pci_set_dev_pasid(struct uiommu_device *dev, uint32_t pasid,
			     struct uiommu_domain *domain, struct uiommu_domain *old)
{
	struct uiommu_pci_device *pdev = uiommu_device_drvdata(dev);
	bool now = domain->iopf_handler, before = old && old->iopf_handler;
	uint32_t handlers;

	if (now == before)
		return 0;
	handlers =
		now ? ui_fetch_add(&pdev->handlers, 1) + 1 : ui_fetch_sub(&pdev->handlers, 1) - 1;
	pci_config_set_pri(pdev, handlers);
	return 0;
}

static void pci_remove_dev_pasid(struct uiommu_device *dev, uint32_t pasid,
				 struct uiommu_domain *domain)
{
	struct uiommu_pci_device *pdev = uiommu_device_drvdata(dev);

	if (domain && domain->iopf_handler)
		pci_config_set_pri(pdev, ui_fetch_sub(&pdev->handlers, 1) - 1);
}

static void pci_page_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	struct uiommu_pci_device *pdev = uiommu_device_drvdata(dev);
	struct pci_inside inside;

	/*
	 * The gate is closed by this very thread only while it resets the
	 * device: what was asked before is then of no interest.
	 */
	if (!pdev->model->page_response || !pci_gate_enter(pdev, &inside))
		return;
	if (!ui_load_acquire(&pdev->dead))
		pdev->model->page_response(pdev, resp);
	pci_gate_leave(pdev, &inside);
}

static const struct uiommu_driver_ops pci_iommu_ops = {
	.set_dev_pasid = pci_set_dev_pasid,
	.remove_dev_pasid = pci_remove_dev_pasid,
	.page_response = pci_page_response,
};

/* ---- making and unmaking ---- */

static void close_channels(struct uiommu_pci_device *pdev)
{
	unsigned int i;

	for (i = 0; i < pdev->nr_channels; i++) {
		if (*pdev->channels[i])
			uiommu_dma_close(*pdev->channels[i]);
		*pdev->channels[i] = NULL;
	}
}

static int open_channels(struct uiommu_pci_device *pdev)
{
	unsigned int i;
	int rc;

	for (i = 0; i < pdev->nr_channels; i++) {
		rc = uiommu_dma_open(pdev->iommu, pdev->channels[i]);
		if (rc) {
			*pdev->channels[i] = NULL;
			close_channels(pdev);
			return rc;
		}
	}
	return 0;
}

static void free_device(struct uiommu_pci_device *pdev)
{
	struct pci_spec spec = {
		.options = pdev->options,
		.nr_options = pdev->nr_options,
		.text = pdev->spec,
		.group_name = pdev->group_name,
		.driver_name = pdev->driver_name,
	};

	pci_spec_fini(&spec);
	pci_msix_free(pdev);
	pci_memory_free(pdev);
	ui_mutex_destroy(&pdev->config_lock);
	ui_free(pdev->priv);
	ui_free(pdev);
}

/* Takes what the spec holds. */
static struct uiommu_pci_device *alloc_device(struct uiommu *ctx, struct pci_spec *spec)
{
	struct uiommu_pci_device *pdev = ui_zalloc(sizeof(*pdev));

	if (!pdev)
		return NULL;
	pdev->priv = ui_zalloc(spec->model->priv_size ? spec->model->priv_size : 1);
	if (!pdev->priv) {
		ui_free(pdev);
		return NULL;
	}
	pdev->ctx = ctx;
	pdev->model = spec->model;
	pdev->address = spec->address;
	pci_address_format(&pdev->address, pdev->name);
	pdev->options = spec->options;
	pdev->nr_options = spec->nr_options;
	pdev->spec = spec->text;
	pdev->group_name = spec->group_name;
	pdev->driver_name = spec->driver_name;
	pdev->class_code = spec->has_class ? spec->class_code : spec->model->class_code;
	memset(spec, 0, sizeof(*spec));
	ui_mutex_init(&pdev->config_lock);
	pdev->powered = 1;
	pci_config_init(pdev);
	return pdev;
}

/* After init: onto core, with its channels.  @mate: shares the group, or NULL */
static int register_device(struct uiommu_pci_device *pdev, const struct uiommu_pci_device *mate)
{
	struct uiommu_device_config config = {
		.name = pdev->name,
		.group = mate ? uiommu_device_group(mate->iommu) : NULL,
		.max_pasids = pdev->pasid_width ? 1u << pdev->pasid_width : 0,
		.pri = pdev->pri,
		.ats = pdev->ats,
		.drvdata = pdev,
		.ops = &pci_iommu_ops,
	};
	int rc;

	rc = uiommu_device_register(pdev->ctx, &config, &pdev->iommu);
	if (rc)
		return rc;
	rc = open_channels(pdev);
	if (rc)
		uiommu_device_unregister(pdev->iommu);
	return rc;
}

static struct uiommu_pci_device *find_locked(struct pci_state *state,
					     const struct pci_address *address)
{
	struct uiommu_pci_device *pdev;

	ui_mutex_assert_held(&state->lock);
	cds_list_for_each_entry(pdev, &state->devices, node) {
		if (!memcmp(&pdev->address, address, sizeof(*address)))
			return pdev;
	}
	return NULL;
}

/* Somebody of the group that is asked for, by its number or by its name. */
static struct uiommu_pci_device *find_mate_locked(struct pci_state *state, unsigned int group_id,
						  const char *group_name)
{
	struct uiommu_pci_device *pdev;

	cds_list_for_each_entry(pdev, &state->devices, node) {
		if (group_id != UINT32_MAX ?
			    pdev->group_id == group_id :
			    group_name && pdev->group_name && !strcmp(pdev->group_name, group_name))
			return pdev;
	}
	return NULL;
}

/* Stops the model, then takes the device off core. */
static void unplug(struct uiommu_pci_device *pdev)
{
	bool closed = pci_gate_close(pdev);

	ui_store_release(&pdev->dead, 1);
	if (closed)
		pci_gate_open(pdev);
	if (pdev->model->destroy)
		pdev->model->destroy(pdev);
	close_channels(pdev);
	uiommu_device_unregister(pdev->iommu);
}

const struct pci_driver *pci_own_driver(const struct uiommu *ctx, const char *name)
{
	for (unsigned int i = 0; i < PCI_OWN_DRIVERS; i++) {
		const struct pci_driver *own = ctx->pci->own[i];

		if (own && name && !strcmp(own->name, name))
			return own;
	}
	return NULL;
}

static int probe_locked(struct pci_state *state, struct uiommu_pci_device *pdev)
{
	const struct pci_driver *own = pci_own_driver(pdev->ctx, pdev->driver_name);
	int rc = state->driver ? state->driver->probe(pdev) : 0;

	/* For others it is a name, and no more. */
	if (rc || !own || !own->match(pdev))
		return rc;
	pdev->own = own;
	rc = own->probe(pdev);
	if (rc) {
		pdev->own = NULL;
		if (state->driver)
			state->driver->remove(pdev);
	}
	return rc;
}

static int add_locked(struct uiommu *ctx, struct pci_spec *spec, unsigned int group_id,
		      struct uiommu_pci_device **out, char *errbuf, size_t errlen)
{
	const struct pci_driver *own = pci_own_driver(ctx, spec->driver_name);
	const char *model = spec->model->name;
	struct pci_state *state = ctx->pci;
	struct uiommu_pci_device *pdev, *mate;
	struct pci_bus *bus;
	int rc = -ENOMEM;

	bus = pci_bus_get_locked(state, spec);
	pdev = bus ? alloc_device(ctx, spec) : NULL;
	if (!pdev)
		goto out_error;
	pdev->bus = bus;
	rc = pdev->model->init(pdev);
	if (rc)
		goto out_free;
	mate = find_mate_locked(state, group_id, pdev->group_name);
	rc = register_device(pdev, mate);
	if (rc)
		goto out_destroy;
	pci_config_place_bars(pdev);
	memcpy(pdev->initial, pdev->config, sizeof(pdev->initial));
	pdev->group_id =
		mate ? mate->group_id : (group_id == UINT32_MAX ? state->next_group : group_id);
	rc = probe_locked(state, pdev);
	if (rc)
		goto out_unregister;
	if (pdev->group_id >= state->next_group)
		state->next_group = pdev->group_id + 1;
	cds_list_add_tail(&pdev->node, &state->devices);
	pci_mark_multifunction_locked(state, pdev);
	if (out)
		*out = pdev;
	return 0;

out_unregister:
	unplug(pdev);
	goto out_free;
out_destroy:
	if (pdev->model->destroy)
		pdev->model->destroy(pdev);
out_free:
	free_device(pdev);
out_error:
	pci_error(errbuf, errlen, "the device %s can't be made: %s", model,
		  rc == -EINVAL && own && own->options ? own->options : strerror(-rc));
	return rc;
}

int pci_device_add_at(struct uiommu *ctx, struct pci_spec *spec, unsigned int group_id,
		      struct uiommu_pci_device **out, char *errbuf, size_t errlen)
{
	char name[16];
	int rc;

	ui_mutex_lock(&ctx->pci->lock);
	if (find_locked(ctx->pci, &spec->address) || pci_port_at_locked(ctx->pci, &spec->address)) {
		pci_address_format(&spec->address, name);
		pci_error(errbuf, errlen, "%s is taken by another device: choose another address",
			  name);
		rc = -EEXIST;
	} else {
		rc = add_locked(ctx, spec, group_id, out, errbuf, errlen);
	}
	ui_mutex_unlock(&ctx->pci->lock);
	return rc;
}

struct uiommu_pci_device *pci_device_find(struct uiommu *ctx, const struct pci_address *address)
{
	struct uiommu_pci_device *pdev;

	ui_mutex_lock(&ctx->pci->lock);
	pdev = find_locked(ctx->pci, address);
	ui_mutex_unlock(&ctx->pci->lock);
	return pdev;
}

/* The first 0000:BB:00.0 that neither we nor the host have. */
static int choose_address(struct uiommu *ctx, struct pci_spec *spec, char *errbuf, size_t errlen)
{
	unsigned int bus;
	char name[16];

	for (bus = 1; bus < 256; bus++) {
		spec->address = (struct pci_address){.bus = (uint8_t)bus};
		pci_address_format(&spec->address, name);
		if (!pci_device_find(ctx, &spec->address) && !pci_host_has(name) &&
		    !pci_host_has_bus(0, (uint8_t)bus))
			return 0;
	}
	pci_error(errbuf, errlen,
		  "every address from 0000:01:00.0 to 0000:ff:00.0 is taken: "
		  "give the device one, as in @0001:00:00.0");
	return -EEXIST;
}

/* Numbers of groups and of device nodes begin behind the host's. */
static void avoid_host(struct uiommu *ctx)
{
	struct pci_state *state = ctx->pci;
	unsigned int group;

	ui_mutex_lock(&state->lock);
	if (!state->host_asked) {
		state->host_asked = true;
		group = pci_host_next_number("/sys/kernel/iommu_groups", "");
		if (group > state->next_group)
			state->next_group = group;
		if (state->driver && state->driver->avoid_host)
			state->driver->avoid_host(ctx);
		for (unsigned int i = 0; i < PCI_OWN_DRIVERS; i++)
			if (state->own[i])
				state->own[i]->avoid_host(ctx);
	}
	ui_mutex_unlock(&state->lock);
}

int uiommu_pci_device_add(struct uiommu *ctx, const char *text, struct uiommu_pci_device **out,
			  char *errbuf, size_t errlen)
{
	int saved = errno, rc;
	struct pci_spec spec;
	char name[16];

	rc = pci_spec_parse(&spec, text, errbuf, errlen);
	if (rc)
		goto out_errno;
	avoid_host(ctx);
	if (!spec.has_address) {
		rc = choose_address(ctx, &spec, errbuf, errlen);
	} else {
		pci_address_format(&spec.address, name);
		if (pci_host_has(name)) {
			pci_error(errbuf, errlen,
				  "this machine has a device at %s: choose another address", name);
			rc = -EEXIST;
		}
	}
	if (!rc) {
		pci_choose_port(ctx, &spec);
		rc = pci_device_add_at(ctx, &spec, UINT32_MAX, out, errbuf, errlen);
	}
	pci_spec_fini(&spec);
out_errno:
	errno = saved;
	return rc;
}

/* ---- the instance ---- */

int pci_init(struct uiommu *ctx)
{
	ctx->pci = ui_zalloc(sizeof(*ctx->pci));
	if (!ctx->pci)
		return -ENOMEM;
	ui_mutex_init(&ctx->pci->lock);
	CDS_INIT_LIST_HEAD(&ctx->pci->devices);
	CDS_INIT_LIST_HEAD(&ctx->pci->buses);
	return 0;
}

void pci_set_driver(struct uiommu *ctx, const struct pci_driver *driver)
{
	struct pci_state *state = ctx->pci;
	struct uiommu_pci_device *pdev;

	ui_mutex_lock(&state->lock);
	if (!driver && state->driver) {
		cds_list_for_each_entry(pdev, &state->devices, node)
			state->driver->remove(pdev);
	}
	state->driver = driver;
	ui_mutex_unlock(&state->lock);
}

void pci_add_own_driver(struct uiommu *ctx, const struct pci_driver *driver)
{
	struct pci_state *state = ctx->pci;
	unsigned int i = 0;

	ui_mutex_lock(&state->lock);
	while (state->own[i] && i < PCI_OWN_DRIVERS - 1)
		i++;
	state->own[i] = driver;
	ui_mutex_unlock(&state->lock);
}

void pci_del_own_driver(struct uiommu *ctx, const struct pci_driver *driver)
{
	struct pci_state *state = ctx->pci;
	struct uiommu_pci_device *pdev;

	ui_mutex_lock(&state->lock);
	cds_list_for_each_entry(pdev, &state->devices, node) {
		if (pdev->own == driver) {
			driver->remove(pdev);
			pdev->own = NULL;
		}
	}
	for (unsigned int i = 0; i < PCI_OWN_DRIVERS; i++)
		if (state->own[i] == driver)
			state->own[i] = NULL;
	ui_mutex_unlock(&state->lock);
}

void pci_exit(struct uiommu *ctx)
{
	struct pci_state *state = ctx->pci;
	struct uiommu_pci_device *pdev, *next;

	if (!state)
		return;
	cds_list_for_each_entry_safe(pdev, next, &state->devices, node) {
		cds_list_del(&pdev->node);
		unplug(pdev);
		free_device(pdev);
	}
	pci_buses_free(state);
	ui_mutex_destroy(&state->lock);
	ui_free(state);
	ctx->pci = NULL;
}

/* ---- what a model sees of its device ---- */

void *uiommu_pci_priv(const struct uiommu_pci_device *pdev)
{
	return pdev->priv;
}

const char *uiommu_pci_name(const struct uiommu_pci_device *pdev)
{
	return pdev->name;
}

struct uiommu_device *uiommu_pci_iommu_device(const struct uiommu_pci_device *pdev)
{
	return pdev->iommu;
}

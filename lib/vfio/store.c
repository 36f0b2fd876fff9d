// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/store.c - what a write to a file of /sys does
 *
 * One write is one command, wherever in the file: that is how sysfs has it.  Files that are
 * only for show take anything.  Nothing is stored here; see bind.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idxd/idxd.h"
#include "vfio/bind.h"

#define PAGE 4096u

/*
 *  text	what was written, with a 0 behind it
 *  length	of it; text may have a 0 inside
 *  driver	whose file it is; or NULL
 *  dev		the same, of a device's file
 */
struct store {
	struct bind bind;
	const struct uiommu_tree_store_ops *ops;
	void *opaque;
	char text[PAGE + 1];
	size_t length;
	const char *driver;
	struct bind_device dev;
};

/* A device's name, with a newline or without. */
static int find_named(struct store *store, struct bind_device *dev)
{
	char name[32];
	size_t n = strcspn(store->text, "\n");

	if (n >= sizeof(name) || (store->text[n] && store->text[n + 1]))
		return -ENODEV;
	memcpy(name, store->text, n);
	name[n] = '\0';
	return bind_find(&store->bind, name, dev);
}

/* Who has it open is asked to release it. */
static bool in_use(const struct store *store, const struct bind_device *dev)
{
	if (!dev->driver[0] || !store->bind.in_use || !store->bind.in_use(store->opaque, dev->name))
		return false;
	if (store->ops->request)
		store->ops->request(store->opaque, dev->name);
	return true;
}

static int store_bind(struct store *store)
{
	struct bind_device dev;
	int rc = find_named(store, &dev);

	if (rc || !bind_match(&store->bind, &dev, store->driver))
		return -ENODEV;
	return dev.driver[0] ? -EBUSY : bind_attach(&store->bind, &dev, store->driver);
}

static int store_unbind(struct store *store)
{
	struct bind_device dev;
	int rc = find_named(store, &dev);

	if (rc || strcmp(dev.driver, store->driver))
		return -ENODEV;
	return in_use(store, &dev) ? -EINPROGRESS : bind_detach(&store->bind, &dev);
}

static int scan_id(const struct store *store, struct bind_id *id)
{
	*id = (struct bind_id){.subvendor = 0xffffffffu, .subdevice = 0xffffffffu};
	id->fields = sscanf(store->text, "%x %x %x %x %x %x %lx", &id->vendor, &id->device,
			    &id->subvendor, &id->subdevice, &id->class, &id->mask, &id->data);
	return id->fields < 2 ? -EINVAL : 0;
}

static int store_new_id(struct store *store)
{
	struct bind_id id;
	int rc = scan_id(store, &id);

	if (!rc && id.data)
		rc = -EINVAL; /* no ID of the driver has any */
	if (!rc)
		rc = bind_id_add(&store->bind, store->driver, &id,
				 id.fields == 7 ? BIND_ID_MORE : BIND_ID_NEW);
	return rc ? rc : bind_probe_driver(&store->bind, store->driver);
}

static int store_remove_id(struct store *store)
{
	struct bind_id id;
	int rc = scan_id(store, &id);

	return rc ? rc : bind_id_remove(&store->bind, store->driver, &id);
}

static int store_override(struct store *store)
{
	char line[PAGE + 2];
	int n = (int)strcspn(store->text, "\n");

	if (store->length >= PAGE - 1)
		return -EINVAL;
	snprintf(line, sizeof(line), "%.*s\n", n ? n : 6, n ? store->text : "(null)");
	return bind_write(&store->bind, &store->dev, "driver_override", line);
}

static int store_drivers_probe(struct store *store)
{
	struct bind_device dev;
	int rc = find_named(store, &dev);

	if (rc)
		return rc;
	return bind_probe(&store->bind, &dev) ? -EINVAL : 0;
}

/* A number, as kstrtoul() takes it. */
static int scan_number(const struct store *store, unsigned long *value)
{
	char *end;

	if (store->text[0] < '0' || store->text[0] > '9')
		return -EINVAL;
	*value = strtoul(store->text, &end, 0);
	if (*end == '\n')
		end++;
	return *end ? -EINVAL : 0;
}

static int store_reset(struct store *store)
{
	unsigned long value;

	if (scan_number(store, &value) || value != 1)
		return -EINVAL;
	if (store->ops && store->ops->reset)
		store->ops->reset(store->opaque, store->dev.name);
	return 0;
}

static int store_remove(struct store *store)
{
	unsigned long value;

	if (scan_number(store, &value))
		return -EINVAL;
	if (!value)
		return 0;
	return in_use(store, &store->dev) ? -EINPROGRESS : bind_unplug(&store->bind, &store->dev);
}

static int store_rescan(struct store *store)
{
	unsigned long value;

	if (scan_number(store, &value))
		return -EINVAL;
	return value ? bind_replug(&store->bind) : 0;
}

static int store_autoprobe(struct store *store)
{
	struct bind_device bus = {.path = "bus/pci"};

	return bind_write(&store->bind, &bus, "drivers_autoprobe",
			  store->text[0] == '0' ? "0\n" : "1\n");
}

/* ---- whose file it is ---- */

enum place {
	PLACE_BUS,
	PLACE_DRIVER,
	PLACE_DEVICE,
};

static const struct {
	enum place place;
	const char *file;
	int (*store)(struct store *store);
} files[] = {
	{PLACE_BUS, "drivers_probe", store_drivers_probe},
	{PLACE_BUS, "drivers_autoprobe", store_autoprobe},
	{PLACE_BUS, "rescan", store_rescan},
	{PLACE_DRIVER, "bind", store_bind},
	{PLACE_DRIVER, "unbind", store_unbind},
	{PLACE_DRIVER, "new_id", store_new_id},
	{PLACE_DRIVER, "remove_id", store_remove_id},
	{PLACE_DEVICE, "driver_override", store_override},
	{PLACE_DEVICE, "reset", store_reset},
	{PLACE_DEVICE, "remove", store_remove},
	{PLACE_DEVICE, "rescan", store_rescan},
};

static int store_to(struct store *store, enum place place, const char *file)
{
	unsigned int i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].place == place && !strcmp(files[i].file, file))
			return files[i].store(store);
	}
	return 0;
}

/* @path is absolute, and its folder has no links in it; it is changed. */
static int dispatch(struct store *store, char *path)
{
	static const char drivers[] = "/sys/bus/pci/drivers/";
	char *file = strrchr(path, '/'), *folder;

	if (!file)
		return 0;
	*file++ = '\0';
	folder = strrchr(path, '/');
	if (!strcmp(path, "/sys/bus/pci"))
		return store_to(store, PLACE_BUS, file);
	if (!strncmp(path, drivers, sizeof(drivers) - 1)) {
		store->driver = path + sizeof(drivers) - 1;
		return bind_driver_known(&store->bind, store->driver) ?
			       store_to(store, PLACE_DRIVER, file) :
			       0;
	}
	if (!folder || bind_find(&store->bind, folder + 1, &store->dev))
		return 0;
	return store_to(store, PLACE_DEVICE, file);
}

ssize_t uiommu_tree_store(int dirfd, const char *path, const void *text, size_t length,
			  const struct uiommu_tree_store_ops *ops, void *opaque)
{
	struct store store = {.ops = ops, .opaque = opaque};
	char copy[512];
	int saved = errno;
	int rc;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy))
		return -ENAMETOOLONG;
	store.length = length < PAGE ? length : PAGE;
	if (!store.length)
		return 0;
	memcpy(store.text, text, store.length);
	store.bind.in_use = ops ? ops->in_use : NULL;
	store.bind.owned = ops ? ops->owned : NULL;
	store.bind.opaque = opaque;
	rc = bind_open(&store.bind, dirfd);
	if (!rc) {
		rc = idxd_store(dirfd, store.bind.rootfd, path, store.text);
		if (rc == 1)
			rc = dispatch(&store, copy);
		bind_close(&store.bind);
	}
	errno = saved;
	return rc ? rc : (ssize_t)store.length;
}

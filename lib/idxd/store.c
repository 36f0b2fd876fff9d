// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/store.c - what a write to a file of the bus "dsa" in /sys does
 *
 * The configuration is taken from the run's folder, changed, and put back; then the tree says
 * so.  Nothing is stored here, and no accelerator is asked: who writes may be a process that
 * has none.  A process that has a queue open keeps it as it was until it closes it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "idxd/idxd.h"
#include "pci/tree.h"

#define BUS "/sys/bus/dsa/"
#define PATH 200

/*
 * An object of a device's.
 *  function	"0000:01:00.0"
 *  device	"devices/pci0000:00/.../dsa0"
 *  driver	its driver's name; "": none
 */
struct object {
	char function[16];
	char device[PATH];
	enum idxd_kind kind;
	unsigned int index;
	const char *driver;
};

/*
 *  conf, old	as it is to be; as it was
 */
struct change {
	int dirfd;
	int rootfd;
	struct object object;
	struct idxd_conf conf;
	struct idxd_conf old;
};

/* What "wq0.1" names, and where the name ends; false: nothing that there could be. */
static bool parse_name(const char *text, struct object *object, int *end)
{
	static const struct {
		enum idxd_kind kind;
		const char *format;
	} kinds[] = {
		{IDXD_KIND_WQ, "wq%u.%u%n"},
		{IDXD_KIND_ENGINE, "engine%u.%u%n"},
		{IDXD_KIND_GROUP, "group%u.%u%n"},
	};
	unsigned int number;

	object->kind = IDXD_KIND_DEVICE;
	object->index = 0;
	*end = 0;
	if (sscanf(text, "dsa%u%n", &number, end) == 1 && *end)
		return true;
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		*end = 0;
		object->kind = kinds[i].kind;
		if (sscanf(text, kinds[i].format, &number, &object->index, end) == 2 && *end)
			return true;
	}
	return false;
}

/*
 * @path is "devices/pci0000:00/.../0000:01:00.0/dsa0" and maybe more, of which *@rest is what
 * follows behind "dsa0".  False: it isn't.
 */
static bool parse_device(const char *path, struct object *object, const char **rest)
{
	const char *dsa = strstr(path, "/dsa"), *function = dsa;
	unsigned int number;
	int end = 0;

	if (strncmp(path, "devices/pci", strlen("devices/pci")) != 0 || !dsa ||
	    sscanf(dsa, "/dsa%u%n", &number, &end) != 1 || (dsa[end] && dsa[end] != '/') ||
	    dsa - path + end >= PATH)
		return false;
	while (function > path && function[-1] != '/')
		function--;
	if ((size_t)(dsa - function) >= sizeof(object->function))
		return false;
	snprintf(object->function, sizeof(object->function), "%.*s", (int)(dsa - function),
		 function);
	snprintf(object->device, sizeof(object->device), "%.*s", (int)(dsa - path) + end, path);
	*rest = dsa + end + (dsa[end] == '/');
	return true;
}

static bool begin(struct change *change)
{
	const struct object *object = &change->object;
	bool loaded = !idxd_state_load(change->dirfd, object->function, &change->conf);

	if (!loaded || object->index >= idxd_conf_count(&change->conf, object->kind))
		return false;
	memcpy(&change->old, &change->conf, sizeof(change->old));
	return true;
}

static int finish(struct change *change)
{
	struct tree tree = {.rootfd = change->rootfd};
	int rc;

	change->conf.generation++;
	rc = idxd_state_save(change->dirfd, change->object.function, &change->conf);
	if (!rc)
		idxd_sysfs_update(&tree, change->object.device, &change->old, &change->conf);
	return rc ? rc : tree.rc;
}

/* ---- attributes ---- */

/* @rest: "mode", of the device, or "wq0.1/mode". */
static int store_attr(struct change *change, const char *rest, const char *text)
{
	struct object *object = &change->object;
	int end, rc;

	object->kind = IDXD_KIND_DEVICE;
	object->index = 0;
	if (strchr(rest, '/')) {
		if (!parse_name(rest, object, &end) || object->kind == IDXD_KIND_DEVICE ||
		    rest[end] != '/')
			return 0;
		rest += end + 1;
	}
	/* Of a node's folder, or a link's: files that are only for show. */
	if (strchr(rest, '/') || !begin(change))
		return 0;
	rc = idxd_attr_store(&change->conf, object->kind, object->index, rest, text);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	return finish(change);
}

/* ---- drivers ---- */

static void find_driver(struct change *change)
{
	const struct idxd_conf *conf = &change->conf;
	const struct object *object = &change->object;
	bool bound = object->kind == IDXD_KIND_DEVICE ? conf->enabled :
		     object->kind == IDXD_KIND_WQ     ? conf->queues[object->index].enabled :
							false;

	change->object.driver = "";
	if (bound)
		change->object.driver = object->kind == IDXD_KIND_DEVICE ? "idxd" : "user";
}

/* An object on the bus, by its name with a newline or without. */
static bool find_object(struct change *change, const char *text)
{
	char name[32], path[64], target[2 * PATH];
	const char *place, *rest;
	ssize_t n;
	int end;

	n = (ssize_t)strcspn(text, "\n");
	if (n >= (ssize_t)sizeof(name) || (text[n] && text[n + 1]))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)n, text);
	if (!parse_name(name, &change->object, &end) || name[end])
		return false;
	/* It isn't there while the function is another driver's. */
	snprintf(path, sizeof(path), "sys/bus/dsa/devices/%s", name);
	n = readlinkat(change->rootfd, path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	place = strstr(target, "devices/");
	if (!place || !parse_device(place, &change->object, &rest) || !begin(change))
		return false;
	find_driver(change);
	return true;
}

/* Which one the driver "dsa" gives it to: NULL: none. */
static const char *driver_for(const struct change *change)
{
	const struct object *object = &change->object;

	if (object->kind == IDXD_KIND_DEVICE)
		return "idxd";
	if (object->kind != IDXD_KIND_WQ)
		return NULL;
	switch (change->conf.queues[object->index].type) {
	case IDXD_TYPE_KERNEL:
		return "dmaengine";
	case IDXD_TYPE_USER:
		return "user";
	case IDXD_TYPE_NONE:
	default:
		return NULL;
	}
}

static bool driver_takes(const char *driver, enum idxd_kind kind)
{
	return !strcmp(driver, "idxd") ? kind == IDXD_KIND_DEVICE :
					 kind == IDXD_KIND_WQ && strcmp(driver, "dsa") != 0;
}

static int bind_object(struct change *change, const char *driver, const char *text)
{
	const struct object *object = &change->object;
	int rc, saved;

	if (!find_object(change, text))
		return -ENODEV;
	if (!strcmp(driver, "dsa")) {
		if (object->driver[0])
			return -ENODEV;
		driver = driver_for(change);
	}
	if (!driver || !driver_takes(driver, object->kind))
		return -ENODEV;
	if (object->driver[0])
		return -EBUSY;
	if (!strcmp(driver, "idxd"))
		rc = idxd_conf_enable(&change->conf);
	else if (!strcmp(driver, "user"))
		rc = idxd_wq_enable(&change->conf, object->index);
	else
		rc = idxd_wq_enable_kernel(&change->conf, object->index);
	/* What was wrong is told by cmd_status. */
	saved = finish(change);
	return rc ? rc : saved;
}

static int unbind_object(struct change *change, const char *driver, const char *text)
{
	const struct object *object = &change->object;

	if (!find_object(change, text) || !object->driver[0] ||
	    (strcmp(driver, "dsa") != 0 && strcmp(driver, object->driver) != 0))
		return -ENODEV;
	if (object->kind == IDXD_KIND_DEVICE)
		idxd_conf_disable(&change->conf);
	else
		idxd_wq_disable(&change->conf, object->index);
	return finish(change);
}

/* @path: behind BUS */
static int store_bus(struct change *change, const char *path, const char *text)
{
	char driver[16];
	int end = 0;

	if (!strcmp(path, "drivers_probe"))
		return bind_object(change, "dsa", text) ? -EINVAL : 0;
	if (sscanf(path, "drivers/%15[^/]/%n", driver, &end) != 1 || !end)
		return 0;
	if (!strcmp(path + end, "bind"))
		return bind_object(change, driver, text);
	if (!strcmp(path + end, "unbind"))
		return unbind_object(change, driver, text);
	return 0;
}

static int store(struct change *change, const char *path, const char *text)
{
	const char *rest;

	if (!strncmp(path, BUS, strlen(BUS)))
		return store_bus(change, path + strlen(BUS), text);
	if (strncmp(path, "/sys/", strlen("/sys/")) != 0 ||
	    !parse_device(path + strlen("/sys/"), &change->object, &rest))
		return 1;
	return store_attr(change, rest, text);
}

int idxd_store(int dirfd, int rootfd, const char *path, const char *text)
{
	struct change *change;
	int rc;

	/* Most are none of ours. */
	if (!strstr(path, "/dsa"))
		return 1;
	change = ui_zalloc(sizeof(*change));
	if (!change)
		return -ENOMEM;
	change->dirfd = dirfd;
	change->rootfd = rootfd;
	rc = store(change, path, text);
	ui_free(change);
	return rc;
}

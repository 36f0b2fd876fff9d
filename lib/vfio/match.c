// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/match.c - which driver a device of the tree belongs to: IDs, driver_override, probing
 *
 * In the run's folder, under the lock of bind.c:
 *
 *	drivers/NAME	the IDs of a driver of ours: one a line, that begins with "own", or with
 *			"new" from new_id
 *	unplugged/DEVICE/	its folder, links to it, and "places", where they were
 *
 * A device that is plugged in again is a new one, to be matched; so that is here, too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio/bind.h"

#define ANY_ID 0xffffffffu

/* ---- IDs ---- */

int bind_id_of(struct bind *bind, const struct bind_device *dev, struct bind_id *id)
{
	const struct {
		const char *file;
		unsigned int *value;
	} parts[] = {{"vendor", &id->vendor},
		     {"device", &id->device},
		     {"subsystem_vendor", &id->subvendor},
		     {"subsystem_device", &id->subdevice},
		     {"class", &id->class}};
	char text[32];
	unsigned int i;
	int rc = 0;

	*id = (struct bind_id){.mask = 0};
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && !rc; i++) {
		rc = bind_read(bind, dev, parts[i].file, text, sizeof(text));
		if (!rc)
			*parts[i].value = (unsigned int)strtoul(text, NULL, 16);
	}
	return rc;
}

static bool id_is(unsigned int pattern, unsigned int value)
{
	return pattern == ANY_ID || pattern == value;
}

static bool id_matches(const struct bind_id *id, const struct bind_id *of)
{
	return id_is(id->vendor, of->vendor) && id_is(id->device, of->device) &&
	       id_is(id->subvendor, of->subvendor) && id_is(id->subdevice, of->subdevice) &&
	       !((id->class ^ of->class) & id->mask);
}

static FILE *open_ids(struct bind *bind, const char *driver, int flags, const char *mode)
{
	char path[BIND_PATH];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "drivers/%s", driver);
	fd = openat(bind->dirfd, path, flags | O_CLOEXEC, 0644);
	file = fd < 0 ? NULL : fdopen(fd, mode);
	if (!file && fd >= 0)
		close(fd);
	return file;
}

/* The next one in the file; false: no more. */
static bool next_id(FILE *file, struct bind_id *id)
{
	*id = (struct bind_id){.fields = 6};
	return fscanf(file, "%3s %x %x %x %x %x %x", id->kind, &id->vendor, &id->device,
		      &id->subvendor, &id->subdevice, &id->class, &id->mask) == 7;
}

static bool driver_has_id(struct bind *bind, const char *driver, const struct bind_id *of)
{
	FILE *file = open_ids(bind, driver, O_RDONLY, "r");
	struct bind_id id;
	bool found = false;

	while (file && !found && next_id(file, &id))
		found = id_matches(&id, of);
	if (file)
		fclose(file);
	return found;
}

static void print_id(FILE *file, const char *kind, const struct bind_id *id)
{
	fprintf(file, "%s %x %x %x %x %x %x\n", kind, id->vendor, id->device, id->subvendor,
		id->subdevice, id->class, id->mask);
}

int bind_id_add(struct bind *bind, const char *driver, const struct bind_id *id,
		enum bind_id_kind kind)
{
	bool failed;
	FILE *file;

	if (kind != BIND_ID_MORE && driver_has_id(bind, driver, id))
		return -EEXIST;
	file = open_ids(bind, driver, O_WRONLY | O_APPEND, "a");
	if (!file)
		return -errno;
	print_id(file, kind == BIND_ID_OWN ? "own" : "new", id);
	failed = ferror(file);
	return fclose(file) || failed ? -ENOSPC : 0;
}

static bool id_to_remove(const struct bind_id *id, const struct bind_id *what)
{
	return !strcmp(id->kind, "new") && id->vendor == what->vendor &&
	       id->device == what->device &&
	       (what->subvendor == ANY_ID || id->subvendor == what->subvendor) &&
	       (what->subdevice == ANY_ID || id->subdevice == what->subdevice) &&
	       !((id->class ^ what->class) & what->mask);
}

int bind_id_remove(struct bind *bind, const char *driver, const struct bind_id *what)
{
	FILE *file = open_ids(bind, driver, O_RDONLY, "r"), *out;
	char path[BIND_PATH], *text = NULL;
	bool found = false;
	struct bind_id id;
	size_t n;
	int rc;

	if (!file)
		return -errno;
	out = open_memstream(&text, &n);
	while (out && next_id(file, &id)) {
		if (!found && id_to_remove(&id, what))
			found = true;
		else
			print_id(out, id.kind, &id);
	}
	fclose(file);
	if (!out || fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	snprintf(path, sizeof(path), "drivers/%s", driver);
	rc = found ? bind_write_at(bind->dirfd, path, text) : -ENODEV;
	free(text);
	return rc;
}

/* ---- who belongs to whom ---- */

bool bind_match(struct bind *bind, const struct bind_device *dev, const char *driver)
{
	char override[4096];
	struct bind_id id;

	if (!bind_read(bind, dev, "driver_override", override, sizeof(override)) &&
	    strcmp(override, "(null)"))
		return !strcmp(override, driver);
	return !bind_id_of(bind, dev, &id) && driver_has_id(bind, driver, &id);
}

/* @dev: to be probed, or NULL: all; @driver: with whom, or NULL: all */
struct probe {
	struct bind *bind;
	struct bind_device *dev;
	const char *driver;
};

/* Each name in a folder; the last answer that isn't 0. */
static int each_name(int dir, const char *path, int (*fn)(struct probe *probe, const char *name),
		     struct probe *probe)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	while (d && (entry = readdir(d))) {
		int one = entry->d_name[0] == '.' ? 0 : fn(probe, entry->d_name);

		rc = one ? one : rc;
	}
	if (d)
		closedir(d);
	return rc;
}

static int probe_pair(struct bind *bind, struct bind_device *dev, const char *driver)
{
	return dev->driver[0] || !bind_match(bind, dev, driver) ? 0 :
								  bind_attach(bind, dev, driver);
}

static int probe_with(struct probe *probe, const char *driver)
{
	return probe_pair(probe->bind, probe->dev, driver);
}

int bind_probe(struct bind *bind, struct bind_device *dev)
{
	struct probe probe = {.bind = bind, .dev = dev};

	return each_name(bind->dirfd, "drivers", probe_with, &probe);
}

static int probe_one(struct probe *probe, const char *name)
{
	struct bind_device dev;
	int rc = bind_find(probe->bind, name, &dev);

	rc = rc ? 0 : probe_pair(probe->bind, &dev, probe->driver);
	return rc == -EBUSY ? 0 : rc; /* that one doesn't get the driver */
}

int bind_probe_driver(struct bind *bind, const char *driver)
{
	struct probe probe = {.bind = bind, .driver = driver};

	return each_name(bind->rootfd, "sys/bus/pci/devices", probe_one, &probe);
}

/* ---- unplugging ---- */

/* What there is of a device without a driver, and its place below "unplugged". */
enum {
	LINK,
	GROUP,
	FOLDER,
	THINGS
};
static const char *const thing_names[THINGS] = {"link", "group", "folder"};

static void unplugged_things(struct bind *bind, const struct bind_device *dev,
			     char things[THINGS][BIND_PATH])
{
	char group[16] = "";

	bind_group(bind, dev, group, sizeof(group));
	snprintf(things[LINK], BIND_PATH, "sys/bus/pci/devices/%s", dev->name);
	snprintf(things[GROUP], BIND_PATH, "sys/kernel/iommu_groups/%s/devices/%s", group,
		 dev->name);
	snprintf(things[FOLDER], BIND_PATH, "sys/%s", dev->path);
}

int bind_unplug(struct bind *bind, struct bind_device *dev)
{
	char things[THINGS][BIND_PATH], path[BIND_PATH];
	int i, fd, rc = 0;

	if (dev->driver[0])
		rc = bind_detach(bind, dev);
	unplugged_things(bind, dev, things);
	mkdirat(bind->dirfd, "unplugged", 0755);
	snprintf(path, sizeof(path), "unplugged/%s", dev->name);
	mkdirat(bind->dirfd, path, 0755);
	/* Where they were, for the way back. */
	snprintf(path, sizeof(path), "unplugged/%s/places", dev->name);
	fd = openat(bind->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	for (i = 0; i < THINGS && !rc; i++) {
		dprintf(fd, "%s\n", things[i]);
		snprintf(path, sizeof(path), "unplugged/%s/%s", dev->name, thing_names[i]);
		if (renameat(bind->rootfd, things[i], bind->dirfd, path))
			rc = -errno;
	}
	close(fd);
	return rc;
}

static int replug_one(struct probe *probe, const char *name)
{
	char path[BIND_PATH], here[BIND_PATH], autoprobe[8] = "1";
	struct bind *bind = probe->bind;
	struct bind_device dev;
	FILE *places;
	int i, fd;

	snprintf(path, sizeof(path), "unplugged/%s/places", name);
	fd = openat(bind->dirfd, path, O_RDONLY | O_CLOEXEC);
	places = fd < 0 ? NULL : fdopen(fd, "r");
	if (!places)
		return 0;
	for (i = 0; i < THINGS && fgets(here, sizeof(here), places); i++) {
		here[strcspn(here, "\n")] = '\0';
		snprintf(path, sizeof(path), "unplugged/%s/%s", name, thing_names[i]);
		renameat(bind->dirfd, path, bind->rootfd, here);
	}
	fclose(places);
	snprintf(path, sizeof(path), "unplugged/%s/places", name);
	unlinkat(bind->dirfd, path, 0);
	if (bind_find(bind, name, &dev))
		return -ENODEV;
	/* It is a new device, of which nobody has said anything. */
	bind_write(bind, &dev, "driver_override", "(null)\n");
	bind_read_at(bind->rootfd, "sys/bus/pci/drivers_autoprobe", autoprobe, sizeof(autoprobe));
	return autoprobe[0] == '0' ? 0 : bind_probe(bind, &dev);
}

int bind_replug(struct bind *bind)
{
	struct probe probe = {.bind = bind};

	return each_name(bind->dirfd, "unplugged", replug_one, &probe);
}

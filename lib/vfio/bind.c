// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/bind.c - which driver a device of the tree is bound to, on disk
 *
 * Any process of a run may change it, and all see it at once: so there is no state but
 * what is in the run's folder.  A lock on the manifest orders changes; readers of the tree
 * take none, and may see a change half done, as those of sysfs may.
 *
 *	root/sys/.../DEVICE/driver	to whom it is bound
 *	drivers/NAME			the drivers of ours, with their IDs; see match.c
 *	unbound/DEVICE/			what vfio-pci gives a device and it has not just now,
 *					moved there as it is: its node, links and folder
 *	unbound/group-N/		the same of a group without such a device
 *	own/, unbound/own-DEVICE/	the same of other drivers; see own.c
 *	unplugged/DEVICE/		see match.c
 *
 * So vfioN is a device's own number, however often it is bound.
 */
#include "vfio/bind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int bind_open(struct bind *bind, int dirfd)
{
	int rc;

	bind->dirfd = dirfd;
	bind->lockfd = -1;
	bind->rootfd = openat(dirfd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bind->rootfd < 0)
		return -errno;
	bind->lockfd = openat(dirfd, "manifest", O_RDONLY | O_CLOEXEC);
	while (bind->lockfd >= 0 && flock(bind->lockfd, LOCK_EX)) {
		if (errno != EINTR)
			break;
	}
	rc = bind->lockfd < 0 ? -errno : 0;
	if (rc)
		close(bind->rootfd);
	return rc;
}

void bind_close(struct bind *bind)
{
	close(bind->lockfd);
	close(bind->rootfd);
}

/* ---- small files and links ---- */

int bind_read_at(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return n < 0 ? -EIO : 0;
}

int bind_write_at(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(text);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, text, length, 0) != (ssize_t)length || ftruncate(fd, (off_t)length))
		rc = -ENOSPC;
	close(fd);
	return rc;
}

/* The last name in a link's text. */
static int link_name(int dir, const char *path, char *name, size_t size)
{
	char text[BIND_PATH], *slash, *last;
	ssize_t n = readlinkat(dir, path, text, sizeof(text) - 1);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	slash = strrchr(text, '/');
	last = slash ? slash + 1 : text;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	memcpy(name, last, strlen(last) + 1);
	return 0;
}

/* In "sys/" + @folder, to "sys/" + @to, with as many ".." as it takes. */
static int link_in_sys(int root, const char *folder, const char *name, const char *to)
{
	char path[BIND_PATH], text[BIND_PATH];
	const char *p = folder;
	size_t n = 0;

	do {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "../");
		p = strchr(p, '/');
	} while (p++ && n < sizeof(text) / 2);
	snprintf(text + n, sizeof(text) - n, "%s", to);
	snprintf(path, sizeof(path), "sys/%s/%s", folder, name);
	return symlinkat(text, root, path) && errno != EEXIST ? -errno : 0;
}

int bind_read(struct bind *bind, const struct bind_device *dev, const char *file, char *text,
	      size_t size)
{
	char path[BIND_PATH];

	snprintf(path, sizeof(path), "sys/%s/%s", dev->path, file);
	return bind_read_at(bind->rootfd, path, text, size);
}

int bind_write(struct bind *bind, const struct bind_device *dev, const char *file, const char *text)
{
	char path[BIND_PATH];

	snprintf(path, sizeof(path), "sys/%s/%s", dev->path, file);
	return bind_write_at(bind->rootfd, path, text);
}

/* ---- devices and drivers ---- */

int bind_find(struct bind *bind, const char *name, struct bind_device *dev)
{
	char path[BIND_PATH], text[BIND_PATH];
	struct stat root, st;
	const char *folder;
	ssize_t n;

	if (!name[0] || strlen(name) >= sizeof(dev->name) || strchr(name, '/') || name[0] == '.')
		return -ENODEV;
	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", name);
	n = readlinkat(bind->rootfd, path, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = '\0';
	folder = strstr(text, "devices/");
	if (!folder || strlen(folder) >= sizeof(dev->path))
		return -ENODEV;
	snprintf(path, sizeof(path), "sys/%s", folder);
	/* Links lead from here to the host's. */
	if (fstat(bind->rootfd, &root) || fstatat(bind->rootfd, path, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISDIR(st.st_mode) || st.st_dev != root.st_dev)
		return -ENODEV;
	strcpy(dev->name, name);
	strcpy(dev->path, folder);
	snprintf(path, sizeof(path), "sys/%s/driver", folder);
	if (link_name(bind->rootfd, path, dev->driver, sizeof(dev->driver)))
		dev->driver[0] = '\0';
	return 0;
}

static bool name_ok(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/') && strlen(name) < 64;
}

bool bind_driver_known(struct bind *bind, const char *driver)
{
	char path[BIND_PATH];

	snprintf(path, sizeof(path), "drivers/%s", driver);
	return name_ok(driver) && !faccessat(bind->dirfd, path, F_OK, 0);
}

int bind_driver_add(struct bind *bind, const char *driver)
{
	static const char *const files[] = {"bind", "unbind", "new_id", "remove_id", "uevent"};
	char path[BIND_PATH];
	unsigned int i;
	int fd, rc = 0;

	if (!name_ok(driver))
		return -EINVAL;
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s", driver);
	/* The host has one, and a link to it is here: ours takes its place. */
	unlinkat(bind->rootfd, path, 0);
	if (mkdirat(bind->rootfd, path, 0755) && errno != EEXIST)
		return -errno;
	for (i = 0; i < sizeof(files) / sizeof(files[0]) && !rc; i++) {
		snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/%s", driver, files[i]);
		fd = openat(bind->rootfd, path, O_WRONLY | O_CREAT | O_CLOEXEC,
			    0200 | UIOMMU_TREE_ATTR);
		rc = fd < 0 ? -errno : 0;
		if (fd >= 0)
			close(fd);
	}
	if (mkdirat(bind->dirfd, "drivers", 0755) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "drivers/%s", driver);
	fd = rc ? -1 : openat(bind->dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (!rc && fd < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

int bind_find_unlocked(int dirfd, const char *device, struct bind *bind, struct bind_device *dev)
{
	*bind = (struct bind){.dirfd = dirfd};
	bind->rootfd = openat(dirfd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bind->rootfd < 0 ? -ENODEV : bind_find(bind, device, dev);
}

int uiommu_tree_driver(int dirfd, const char *device, char *name, size_t size)
{
	struct bind_device dev;
	int saved = errno;
	struct bind bind;
	int rc = bind_find_unlocked(dirfd, device, &bind, &dev);

	if (!rc && (size_t)snprintf(name, size, "%s", dev.driver) >= size)
		rc = -ENAMETOOLONG;
	if (bind.rootfd >= 0)
		close(bind.rootfd);
	errno = saved;
	return rc;
}

int uiommu_tree_attribute(int dirfd, const char *device, const char *name, const char *text,
			  size_t size)
{
	struct bind_device dev;
	char path[BIND_PATH];
	int saved = errno, fd;
	struct bind bind;
	int rc = bind_find_unlocked(dirfd, device, &bind, &dev);

	if (!rc) {
		snprintf(path, sizeof(path), "sys/%s/%s", dev.path, name);
		fd = openat(bind.rootfd, path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || pwrite(fd, text, size, 0) != (ssize_t)size ||
		    ftruncate(fd, (off_t)size))
			rc = -errno;
		if (fd >= 0)
			close(fd);
	}
	if (bind.rootfd >= 0)
		close(bind.rootfd);
	errno = saved;
	return rc;
}

/* ---- what vfio-pci gives a device ---- */

/* The only name in a folder that begins so. */
static bool name_like(int dir, const char *path, const char *start, char *name, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		found = !strncmp(entry->d_name, start, strlen(start)) &&
			strlen(entry->d_name) < size;
		if (found)
			strcpy(name, entry->d_name);
	}
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return found;
}

struct moves {
	struct {
		char here[BIND_PATH]; /* in root */
		const char *away;     /* in the device's folder below "unbound" */
	} one[4];
};

/* Where each thing belongs, by what the folder vfio-dev says, wherever that is. */
static bool vfio_things(int dir, const char *vfio_dev, const struct bind_device *dev,
			struct moves *moves)
{
	char path[BIND_PATH + 32], name[32] = "", number[32] = "";

	if (!name_like(dir, vfio_dev, "vfio", name, sizeof(name)))
		return false;
	snprintf(path, sizeof(path), "%s/%s/dev", vfio_dev, name);
	if (bind_read_at(dir, path, number, sizeof(number)))
		return false;
	snprintf(moves->one[0].here, BIND_PATH, "sys/%s/vfio-dev", dev->path);
	moves->one[0].away = "vfio-dev";
	snprintf(moves->one[1].here, BIND_PATH, "sys/class/vfio-dev/%s", name);
	moves->one[1].away = "class";
	snprintf(moves->one[2].here, BIND_PATH, "sys/dev/char/%s", number);
	moves->one[2].away = "char";
	snprintf(moves->one[3].here, BIND_PATH, "dev/vfio/devices/%s", name);
	moves->one[3].away = "node";
	return true;
}

static bool has_vfio(struct bind *bind, const struct bind_device *dev)
{
	return !strcmp(dev->driver, BIND_VFIO);
}

static bool is_open(struct bind *bind, const struct bind_device *dev)
{
	return has_vfio(bind, dev) && bind->in_use && bind->in_use(bind->opaque, dev->name);
}

/* Is another device of the group such a one?  @group: its number */
static bool group_has(struct bind *bind, const struct bind_device *dev, const char *group,
		      bool (*such)(struct bind *bind, const struct bind_device *dev))
{
	char path[BIND_PATH];
	struct bind_device other;
	struct dirent *entry;
	bool used = false;
	DIR *d;
	int fd;

	snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%s/devices", group);
	fd = openat(bind->rootfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	while (d && !used && (entry = readdir(d)))
		used = strcmp(entry->d_name, dev->name) &&
		       !bind_find(bind, entry->d_name, &other) && such(bind, &other);
	if (d)
		closedir(d);
	return used;
}

int bind_group(struct bind *bind, const struct bind_device *dev, char *group, size_t size)
{
	char path[BIND_PATH];

	snprintf(path, sizeof(path), "sys/%s/iommu_group", dev->path);
	return link_name(bind->rootfd, path, group, size);
}

bool bind_manages_dma(const char *driver)
{
	return !strcmp(driver, BIND_VFIO) || !strcmp(driver, "pci-stub") ||
	       !strcmp(driver, "pcieport");
}

static int move_thing(struct bind *bind, const char *here, const char *there, bool away)
{
	int rc = away ? renameat(bind->rootfd, here, bind->dirfd, there) :
			renameat(bind->dirfd, there, bind->rootfd, here);

	return rc ? -errno : 0;
}

/* A group's node, links and folder go with its last device and come with its first. */
static void move_group(struct bind *bind, const struct bind_device *dev, bool away)
{
	static const char *const away_names[] = {"folder", "class", "char", "node"};
	char group[16], home[32], path[80], number[32], here[4][64], there[64];
	int i;

	if (bind_group(bind, dev, group, sizeof(group)) ||
	    (away && group_has(bind, dev, group, has_vfio)))
		return;
	snprintf(home, sizeof(home), "unbound/group-%s", group);
	mkdirat(bind->dirfd, home, 0755);
	snprintf(here[0], sizeof(here[0]), "sys/devices/virtual/vfio/%s", group);
	snprintf(here[1], sizeof(here[1]), "sys/class/vfio/%s", group);
	snprintf(path, sizeof(path), "%s%s/dev", away ? here[0] : home, away ? "" : "/folder");
	if (bind_read_at(away ? bind->rootfd : bind->dirfd, path, number, sizeof(number)))
		return;
	snprintf(here[2], sizeof(here[2]), "sys/dev/char/%s", number);
	snprintf(here[3], sizeof(here[3]), "dev/vfio/%s", group);
	for (i = 0; i < 4; i++) {
		int n = away ? 3 - i : i;

		snprintf(there, sizeof(there), "%s/%s", home, away_names[n]);
		move_thing(bind, here[n], there, away);
	}
}

static int vfio_move(struct bind *bind, const struct bind_device *dev, bool away)
{
	char path[BIND_PATH], there[BIND_PATH];
	struct moves moves;
	int i, rc = 0;

	mkdirat(bind->dirfd, "unbound", 0755);
	snprintf(path, sizeof(path), "unbound/%s", dev->name);
	mkdirat(bind->dirfd, path, 0755);
	if (away) {
		snprintf(path, sizeof(path), "sys/%s/vfio-dev", dev->path);
		if (!vfio_things(bind->rootfd, path, dev, &moves))
			return 0;
	} else {
		snprintf(path, sizeof(path), "unbound/%s/vfio-dev", dev->name);
		if (!vfio_things(bind->dirfd, path, dev, &moves))
			return 0;
	}
	/* The node is the last to come and the first to go. */
	for (i = 0; i < 4 && !rc; i++) {
		const char *here = moves.one[away ? 3 - i : i].here;

		snprintf(there, sizeof(there), "unbound/%s/%s", dev->name,
			 moves.one[away ? 3 - i : i].away);
		rc = move_thing(bind, here, there, away);
	}
	move_group(bind, dev, away);
	return rc;
}

/* ---- binding ---- */

/* The first line of uevent says the driver, if there is one. */
static int write_uevent(struct bind *bind, const struct bind_device *dev)
{
	char path[BIND_PATH], old[1024], text[1200];
	const char *rest = old;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "sys/%s/uevent", dev->path);
	fd = openat(bind->rootfd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, old, sizeof(old) - 1);
	close(fd);
	old[n < 0 ? 0 : n] = '\0';
	if (!strncmp(old, "DRIVER=", 7)) {
		rest = strchr(old, '\n');
		rest = rest ? rest + 1 : "";
	}
	snprintf(text, sizeof(text), "%s%s%s%s", dev->driver[0] ? "DRIVER=" : "", dev->driver,
		 dev->driver[0] ? "\n" : "", rest);
	return bind_write_at(bind->rootfd, path, text);
}

/* Has anybody the DMA of its group for himself? */
static bool dma_owned(struct bind *bind, const struct bind_device *dev)
{
	char group[16], name[32];

	if (bind_group(bind, dev, group, sizeof(group)))
		return false;
	snprintf(name, sizeof(name), "group-%s", group);
	return (bind->owned && bind->owned(bind->opaque, name)) ||
	       group_has(bind, dev, group, is_open);
}

int bind_attach(struct bind *bind, struct bind_device *dev, const char *driver)
{
	char path[BIND_PATH], to[BIND_PATH];
	int rc;

	if (!bind_manages_dma(driver) && dma_owned(bind, dev))
		return -EBUSY;
	snprintf(to, sizeof(to), "bus/pci/drivers/%s", driver);
	rc = link_in_sys(bind->rootfd, to, dev->name, dev->path);
	if (rc)
		return rc;
	snprintf(dev->driver, sizeof(dev->driver), "%s", driver);
	if (!strcmp(driver, BIND_VFIO))
		rc = vfio_move(bind, dev, false);
	else
		rc = bind_own_move(bind, dev, driver, false);
	snprintf(path, sizeof(path), "%s", dev->path);
	if (!rc)
		rc = link_in_sys(bind->rootfd, path, "driver", to);
	return rc ? rc : write_uevent(bind, dev);
}

int bind_detach(struct bind *bind, struct bind_device *dev)
{
	char path[BIND_PATH];
	int rc = 0;

	if (!strcmp(dev->driver, BIND_VFIO))
		rc = vfio_move(bind, dev, true);
	else
		rc = bind_own_move(bind, dev, dev->driver, true);
	snprintf(path, sizeof(path), "sys/bus/pci/drivers/%s/%s", dev->driver, dev->name);
	unlinkat(bind->rootfd, path, 0);
	snprintf(path, sizeof(path), "sys/%s/driver", dev->path);
	unlinkat(bind->rootfd, path, 0);
	dev->driver[0] = '\0';
	return rc ? rc : write_uevent(bind, dev);
}

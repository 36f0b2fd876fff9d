/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/bind.h - which driver a device of the tree is bound to, on disk
 */
#ifndef UI_VFIO_BIND_H
#define UI_VFIO_BIND_H

#include <stdbool.h>
#include <stdint.h>
#include <uiommu/file.h>

#define BIND_VFIO "vfio-pci"
#define BIND_NAME 64  /* room for a driver's name */
#define BIND_PATH 320 /* room for a path in the folder */

/*
 * A run's folder, with the lock of all that changes bindings in it.
 *  dirfd	the folder; the caller's
 *  rootfd	its "root"
 *  lockfd	its manifest, which holds the lock
 *  in_use	has anybody the device open?  NULL: nobody
 *  owned	has a container the group?  NULL: no
 */
struct bind {
	int dirfd;
	int rootfd;
	int lockfd;
	bool (*in_use)(void *opaque, const char *device);
	bool (*owned)(void *opaque, const char *group);
	void *opaque;
};

/*
 *  name	"0000:01:00.0"
 *  path	"devices/pci0000:00/.../0000:01:00.0"
 *  driver	"": none
 */
struct bind_device {
	char name[16];
	char path[200];
	char driver[BIND_NAME];
};

/* What new_id takes: seven numbers, and how many were given. */
struct bind_id {
	unsigned int vendor, device, subvendor, subdevice, class, mask;
	unsigned long data;
	int fields;
	char kind[4]; /* "own" or "new" */
};

/* A driver that leaves DMA to whoever uses it, or does none. */
bool bind_manages_dma(const char *driver);

/* 0 or -errno; waits for whoever has the lock.  in_use and opaque are the caller's to set before. */
int bind_open(struct bind *bind, int dirfd);
void bind_close(struct bind *bind);

/*
 * bind_find() without the lock: a link is there or it isn't.  The caller closes bind->rootfd
 * if it's >= 0.
 */
int bind_find_unlocked(int dirfd, const char *device, struct bind *bind, struct bind_device *dev);

/* All of the following under the lock; they return 0 or -errno. */

/* -ENODEV: none of ours. */
int bind_find(struct bind *bind, const char *name, struct bind_device *dev);
/* Is this a driver of ours? */
bool bind_driver_known(struct bind *bind, const char *driver);
int bind_driver_add(struct bind *bind, const char *driver);
/* Says driver_override, or the driver's IDs, that they belong together? */
bool bind_match(struct bind *bind, const struct bind_device *dev, const char *driver);
/* -EBUSY: somebody has its group, and the driver would use DMA by itself. */
int bind_attach(struct bind *bind, struct bind_device *dev, const char *driver);
int bind_detach(struct bind *bind, struct bind_device *dev);
/* To the driver that matches, if one does and it has none. */
int bind_probe(struct bind *bind, struct bind_device *dev);
/* All devices without a driver that match. */
int bind_probe_driver(struct bind *bind, const char *driver);

enum bind_id_kind {
	BIND_ID_OWN,  /* the driver's own, which nobody can remove */
	BIND_ID_NEW,  /* -EEXIST, if it has one that matches it */
	BIND_ID_MORE, /* also if it has */
};
int bind_id_add(struct bind *bind, const char *driver, const struct bind_id *id,
		enum bind_id_kind kind);
/* -ENODEV: there is no such */
int bind_id_remove(struct bind *bind, const char *driver, const struct bind_id *id);
/* The ID that the device has. */
int bind_id_of(struct bind *bind, const struct bind_device *dev, struct bind_id *id);

/* The device is unplugged, and all that were are plugged in again. */
int bind_unplug(struct bind *bind, struct bind_device *dev);
int bind_replug(struct bind *bind);

/* A file of the device: its text, without the newline; and writing it. */
int bind_read(struct bind *bind, const struct bind_device *dev, const char *file, char *text,
	      size_t size);
int bind_write(struct bind *bind, const struct bind_device *dev, const char *file,
	       const char *text);

/* Small files, in folder @dir; a text is read up to its newline. */
int bind_read_at(int dir, const char *path, char *text, size_t size);
/* In place: who has it open sees the new text.  The file is there. */
int bind_write_at(int dir, const char *path, const char *text);
/* The number of the device's group, as a text. */
int bind_group(struct bind *bind, const struct bind_device *dev, char *group, size_t size);

/*
 * own.c: what the driver has of the device besides its folder, if it has any, is taken out of
 * the tree, or put back.  0 or -errno.
 */
int bind_own_move(struct bind *bind, const struct bind_device *dev, const char *driver, bool away);

#endif /* UI_VFIO_BIND_H */

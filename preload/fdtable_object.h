/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/fdtable_object.h - the table's inside, for fdtable.c, fdpair.c and fdshare.c
 *
 * Everything here but fdtable_lock() is called under the table's lock.
 */
#ifndef SHIM_FDTABLE_OBJECT_H
#define SHIM_FDTABLE_OBJECT_H

#include "fdtable.h"

static inline struct shim_file *fdtable_slot_file(uintptr_t slot)
{
	return (struct shim_file *)(slot & ~FDTABLE_TAGS);
}

void fdtable_lock(void);
void fdtable_unlock(void);

/* Makes room for @fd. */
int fdtable_slot_reserve(int fd);
/* After that. */
void fdtable_slot_set(int fd, uintptr_t slot);
/* The first number from @fd on, up to @last, with a slot; -1: none. */
int fdtable_slot_next(unsigned int fd, unsigned int last);

struct shim_file *fdtable_file_alloc(const char *name);
void fdtable_file_free_locked(struct shim_file *sf);
struct shim_file *fdtable_pair(struct uiommu_file *file, int flags, int *client_fd);
void fdtable_unpair(struct shim_file *sf);

/* Moves @fd up there; it's closed in any case. */
int fdtable_engine_fd_take(int fd, struct shim_file *sf);
/* The client wants number @fd for itself, where an engine's end is. */
int fdtable_engine_fd_move(int fd);
void fdtable_local_add(struct shim_file *sf, int fd);
void fdtable_local_drop(int fd, uintptr_t slot);
/* Without descriptors in this process: put at the hang-up.  And back. */
void fdtable_park(struct shim_file *sf);
void fdtable_unpark(struct shim_file *sf);
/* fdtable_hold() of @fd itself, which is closed on failure. */
struct shim_file *fdtable_hold_locked(int fd, const char *name);

/*
 * poll() is to say that this client's end can't be written: one packet, that is taken out
 * only to be put back, is more than the least of buffers.
 */
#define FDTABLE_PLUG 2048
void fdtable_never_writable(int fd);

/* Makes the client's end @fd of a socket known as such, to whoever will hold it. */
int fdshare_mark(int fd, ino_t *ino);

#endif /* SHIM_FDTABLE_OBJECT_H */

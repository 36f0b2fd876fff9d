/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/fdtable.h - which of the client's descriptors are ours
 *
 * A slot per descriptor number: 0, or a struct shim_file with a tag.
 */
#ifndef SHIM_FDTABLE_H
#define SHIM_FDTABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "real.h"

struct uiommu_file;

#define FDTABLE_SHIFT 10
#define FDTABLE_CHUNK (1u << FDTABLE_SHIFT)
#define FDTABLE_CHUNKS 1024u
#define FDTABLE_MAX (FDTABLE_CHUNK * FDTABLE_CHUNKS)

/* Tags of a slot; without one the client's end of a file of the engine. */
#define FDTABLE_ENGINE ((uintptr_t)1) /* the engine's end of that file */
#define FDTABLE_FOLDER ((uintptr_t)2) /* a folder under /sys or /dev; see path.h */
#define FDTABLE_ATTR ((uintptr_t)4)   /* with FOLDER: a file of the tree, to be written */
#define FDTABLE_TAGS ((uintptr_t)7)

/*
 * An open file description of the engine, or an open folder or file of the tree.  The memory is never
 * given back, so a look-up may touch one that is just being freed.
 *
 * Refs: one while the description is open anywhere, each call under way.
 *  refs				atomic; 0: on the free list
 *  name				immutable while refs > 0
 *  file, rdev, ino, accmode		immutable while refs > 0
 *  dead				set once, before it's used by a process without its engine
 *  known, gone				set once; see channel.c
 *  sock_ino				immutable while refs > 0
 *  nfds, engine_fd, client_fd, signalled, chan, next	table lock
 *  ready, ready_arg			table lock and watch.c's; of an eventfd that is watched
 *  next_watched			watch.c's
 */
struct shim_file {
	uint32_t refs;
	bool folder;
	bool attr;	/* a folder as far as this table goes; see attr.h */
	bool dead;	/* the engine is in another process */
	bool known;	/* name, rdev and accmode are the file's */
	bool gone;	/* and that process has ended */
	bool signalled; /* a byte is in the client's receive queue: POLLIN */
	int nfds;	/* descriptors of this process */
	int engine_fd;	/* our end, or -1 */
	int client_fd;	/* one of the nfds, or -1 */
	int accmode;
	dev_t rdev;	/* of a node; of a folder, the device that it's on */
	ino_t ino;	/* of a folder */
	char *name;	/* "/dev/iommu", "anon_inode:[...]"; a folder's path */
	ino_t sock_ino; /* of the client's end, by which other processes' copies are known */
	struct uiommu_file *file;
	struct shim_file *chan; /* of a dead one: our end of the reply channel, or NULL */
	void (*ready)(void *arg);
	void *ready_arg;
	struct shim_file *next_watched;
	struct shim_file *next;
};

extern uintptr_t *fdtable_chunks[FDTABLE_CHUNKS];
extern bool fdtable_any; /* a slot was ever used */

/* No lock, no reference: only good for finding out that it isn't ours. */
static inline uintptr_t fdtable_slot(int fd)
{
	uintptr_t *chunk;

	if (shim_unlikely((unsigned int)fd >= FDTABLE_MAX))
		return 0;
	chunk = __atomic_load_n(&fdtable_chunks[(unsigned int)fd >> FDTABLE_SHIFT],
				__ATOMIC_ACQUIRE);
	if (shim_likely(!chunk))
		return 0;
	return __atomic_load_n(&chunk[(unsigned int)fd & (FDTABLE_CHUNK - 1)], __ATOMIC_ACQUIRE);
}

/* Is it none of our business, as far as reading, writing and ioctls go? */
static inline bool fdtable_foreign(int fd)
{
	uintptr_t slot = fdtable_slot(fd);

	return shim_likely(!slot) || (slot & FDTABLE_FOLDER) || shim_bypass();
}

/*
 * All of the following are called between shim_enter() and shim_leave().  Those
 * that stand for a system call return what it would, or -errno.
 */

/* With a reference, put by fdtable_put(); NULL: not the client's end of a file of ours. */
struct shim_file *fdtable_get(int fd);
/* May be the last: then the engine's file is put before this returns. */
void fdtable_put(struct shim_file *sf);

/* A descriptor for @file; the caller's reference moves in on success. */
int fdtable_install(struct uiommu_file *file, int flags);
int fdtable_close(int fd);
int fdtable_close_range(unsigned int first, unsigned int last, int flags);
/* fcntl(F_DUPFD) or F_DUPFD_CLOEXEC */
int fdtable_dup(int fd, int cmd, int min);
/* @flags: those of dup3(), or -1 for dup2() */
int fdtable_dup_to(int fd, int to, int flags);

/* Remembers that @fd is the folder or, @attr, file @path; replaces what was known of @fd. */
void fdtable_mark(int fd, const char *path, bool attr);
/* Forgets @fd, which libc is about to close by itself. */
void fdtable_forget(int fd);
/* Copies the folder's or file's path. */
bool fdtable_folder(int fd, char *buf, size_t size);

/*
 * An eventfd that the engine signals: a descriptor of our own for it, in an object with
 * one reference, put by fdtable_put().  ERR_PTR.
 */
struct shim_file *fdtable_hold(int fd);
void fdtable_held_signal(struct shim_file *sf);

/* The file's POLLIN goes up or down.  May be called under the engine's locks. */
void fdtable_readable(struct uiommu_file *file);

/* Puts the files whose last descriptor, wherever it was, is gone. */
void fdtable_reap(void);

/* Around fork: the table must be whole in the child. */
void fdtable_fork_prepare(void);
void fdtable_fork_parent(void);
/* Closes the engine's ends and declares dead what was inherited. */
void fdtable_fork_child(void);
/* At exit, no other thread being left: puts every file. */
void fdtable_shutdown(void);

#endif /* SHIM_FDTABLE_H */

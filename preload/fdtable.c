/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of the client's descriptors are ours.
 *
 * Stored: chunks of slots, allocated when a number in them is first used and
 * never freed.  Slots are read without a lock and written under table_lock.  A
 * slot is cleared before its descriptor is closed and set after it was made, so
 * a number that the client gets from elsewhere never has an old slot.
 *
 * Each of our files is a socket pair.  The client has one end, in as many
 * descriptors as it likes and in as many processes; the engine's end is high,
 * close-on-exec and taken off the client's hands (its slot is tagged).  When
 * the last descriptor of this process goes, the file is parked; when the engine's end
 * says POLLHUP the last one anywhere is gone and it is put: at once if nobody
 * else has one, else by a later call into the shim.
 *
 * How a pair is made, and told of, is in fdpair.c; what concerns other processes in fdshare.c.
 *
 * Locks: table_lock is taken inside the engine's own (fdtable_readable) and
 * never held across a call of the engine.
 */
#include "fdtable.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uiommu/file.h>

#include "attr.h"
#include "fdtable_object.h"
#include "serve.h"
#include "shim.h"

/* The first one costs nothing until it's touched, and is all that most clients need. */
static uintptr_t first_chunk[FDTABLE_CHUNK];
uintptr_t *fdtable_chunks[FDTABLE_CHUNKS] = {first_chunk};
bool fdtable_any;

/* Outside of table_lock, and never taken under a lock of the engine. */
static pthread_mutex_t reap_lock = PTHREAD_MUTEX_INITIALIZER;
/* Somebody is putting files that aren't parked any more. */
static bool reaping;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
/* The thread that forks holds table_lock, and other fork handlers of it may come here. */
static void *forking;
/* Under table_lock. */
static struct shim_file *free_files;
static struct shim_file *parked;
static struct shim_file *volatile inherited;

void fdtable_lock(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) == &shim_inside)
		return;
	pthread_mutex_lock(&table_lock);
}

void fdtable_unlock(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) == &shim_inside)
		return;
	pthread_mutex_unlock(&table_lock);
}

/* ---- slots ---- */

/* Makes room for @fd.  Under table_lock. */
int fdtable_slot_reserve(int fd)
{
	uintptr_t **chunk = &fdtable_chunks[(unsigned int)fd >> FDTABLE_SHIFT];
	uintptr_t *fresh;

	if ((unsigned int)fd >= FDTABLE_MAX)
		return -EMFILE;
	if (*chunk)
		return 0;
	fresh = calloc(FDTABLE_CHUNK, sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	__atomic_store_n(chunk, fresh, __ATOMIC_RELEASE);
	return 0;
}

/* Under table_lock, after fdtable_slot_reserve(). */
void fdtable_slot_set(int fd, uintptr_t slot)
{
	uintptr_t *chunk = fdtable_chunks[(unsigned int)fd >> FDTABLE_SHIFT];

	__atomic_store_n(&fdtable_any, true, __ATOMIC_RELAXED);
	__atomic_store_n(&chunk[(unsigned int)fd & (FDTABLE_CHUNK - 1)], slot, __ATOMIC_RELEASE);
}

/* The first number from @fd on, up to @last, with a slot; -1: none. */
int fdtable_slot_next(unsigned int fd, unsigned int last)
{
	if (last >= FDTABLE_MAX)
		last = FDTABLE_MAX - 1;
	while (fd <= last) {
		if (!fdtable_chunks[fd >> FDTABLE_SHIFT]) {
			fd = ((fd >> FDTABLE_SHIFT) + 1) << FDTABLE_SHIFT;
			continue;
		}
		if (fdtable_slot((int)fd))
			return (int)fd;
		fd++;
	}
	return -1;
}

/* ---- files ---- */

struct shim_file *fdtable_file_alloc(const char *name)
{
	struct shim_file *sf = free_files;
	char *copy = strdup(name);

	if (!copy)
		return NULL;
	if (sf) {
		free_files = sf->next;
	} else {
		sf = calloc(1, sizeof(*sf));
		if (!sf) {
			free(copy);
			return NULL;
		}
	}
	sf->folder = false;
	sf->attr = false;
	sf->dead = false;
	sf->signalled = false;
	sf->known = true;
	sf->gone = false;
	sf->sock_ino = 0;
	sf->chan = NULL;
	sf->nfds = 0;
	sf->engine_fd = -1;
	sf->client_fd = -1;
	sf->accmode = 0;
	sf->rdev = 0;
	sf->ino = 0;
	sf->name = copy;
	sf->file = NULL;
	sf->next = NULL;
	return sf;
}

/* Under table_lock. */
static void engine_fd_close(struct shim_file *sf)
{
	if (sf->engine_fd < 0)
		return;
	serve_unwatch(sf);
	fdtable_slot_set(sf->engine_fd, 0);
	real_close(sf->engine_fd);
	sf->engine_fd = -1;
}

/* Under table_lock; no reference is left. */
void fdtable_file_free_locked(struct shim_file *sf)
{
	if (sf->chan) {
		fdtable_file_free_locked(sf->chan);
		sf->chan = NULL;
	}
	engine_fd_close(sf);
	__atomic_store_n(&sf->refs, 0, __ATOMIC_RELAXED);
	free(sf->name);
	sf->name = NULL;
	sf->file = NULL;
	sf->next = free_files;
	free_files = sf;
}

struct shim_file *fdtable_get(int fd)
{
	struct shim_file *sf;
	uintptr_t slot;
	uint32_t refs;

	for (;;) {
		slot = fdtable_slot(fd);
		if (!slot || (slot & FDTABLE_TAGS))
			return NULL;
		sf = fdtable_slot_file(slot);
		refs = __atomic_load_n(&sf->refs, __ATOMIC_RELAXED);
		/* 0: it is on its way out, and its slot was cleared before: look again. */
		if (!refs || !__atomic_compare_exchange_n(&sf->refs, &refs, refs + 1, false,
							  __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		/* Still there: then the reference is one on what @fd is now. */
		if (fdtable_slot(fd) == slot)
			return sf;
		fdtable_put(sf);
	}
}

void fdtable_put(struct shim_file *sf)
{
	if (__atomic_sub_fetch(&sf->refs, 1, __ATOMIC_ACQ_REL))
		return;
	/*
	 * No descriptor leads here any more.  The file goes before our memory does, for
	 * the engine may call fdtable_readable() until then.
	 */
	if (sf->file && !sf->dead) {
		uiommu_file_set_private(sf->file, NULL);
		uiommu_file_put(sf->file);
	}
	fdtable_lock();
	fdtable_file_free_locked(sf);
	fdtable_unlock();
}

/* ---- making and closing descriptors ---- */

/* @fd, just made, is one more descriptor of @sf.  Under table_lock, slot reserved. */
void fdtable_local_add(struct shim_file *sf, int fd)
{
	fdtable_slot_set(fd, (uintptr_t)sf | (sf->folder ? FDTABLE_FOLDER : 0) |
				     (sf->attr ? FDTABLE_ATTR : 0));
	sf->nfds++;
	if (sf->client_fd < 0)
		sf->client_fd = fd;
	if (sf->folder)
		__atomic_add_fetch(&sf->refs, 1, __ATOMIC_RELAXED);
}

void fdtable_park(struct shim_file *sf)
{
	sf->next = parked;
	__atomic_store_n(&parked, sf, __ATOMIC_RELAXED);
}

void fdtable_unpark(struct shim_file *sf)
{
	struct shim_file **link;

	for (link = &parked; *link; link = &(*link)->next) {
		if (*link == sf) {
			__atomic_store_n(link, sf->next, __ATOMIC_RELAXED);
			sf->next = NULL;
			return;
		}
	}
}

/*
 * @fd, whose slot this was, is about to be closed or has just been replaced.  A file
 * without descriptors here is parked for fdtable_reap().  Under table_lock.
 */
void fdtable_local_drop(int fd, uintptr_t slot)
{
	struct shim_file *sf = fdtable_slot_file(slot);
	int other;

	if (fdtable_slot(fd) == slot)
		fdtable_slot_set(fd, 0);
	sf->nfds--;
	if (sf->client_fd == fd)
		sf->client_fd = -1;
	if (sf->folder) {
		if (!__atomic_sub_fetch(&sf->refs, 1, __ATOMIC_ACQ_REL))
			fdtable_file_free_locked(sf);
		return;
	}
	if (!sf->nfds) {
		fdtable_park(sf);
		return;
	}
	if (sf->client_fd >= 0)
		return;
	for (other = fdtable_slot_next(0, FDTABLE_MAX); other >= 0;
	     other = fdtable_slot_next((unsigned int)other + 1, FDTABLE_MAX)) {
		if (fdtable_slot(other) == (uintptr_t)sf) {
			sf->client_fd = other;
			return;
		}
	}
}

int fdtable_close(int fd)
{
	uintptr_t slot;
	int rc;

	fdtable_lock();
	slot = fdtable_slot(fd);
	if (slot & FDTABLE_ENGINE) {
		fdtable_unlock();
		return -EBADF;
	}
	if (slot)
		fdtable_local_drop(fd, slot);
	rc = (int)shim_errno(real_close(fd));
	fdtable_unlock();
	fdtable_reap();
	return rc;
}

int fdtable_close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int from = first;
	int rc = 0;
	int fd;

	fdtable_lock();
	for (fd = fdtable_slot_next(first, last); fd >= 0 && !rc;
	     fd = fdtable_slot_next(from, last)) {
		uintptr_t slot = fdtable_slot(fd);

		if (slot & FDTABLE_ENGINE) {
			if ((unsigned int)fd > from)
				rc = (int)shim_errno(
					real_close_range(from, (unsigned int)fd - 1, flags));
		} else {
			fdtable_local_drop(fd, slot);
			rc = (int)shim_errno(real_close_range(from, (unsigned int)fd, flags));
		}
		from = (unsigned int)fd + 1;
	}
	if (!rc && from <= last)
		rc = (int)shim_errno(real_close_range(from, last, flags));
	fdtable_unlock();
	fdtable_reap();
	return rc;
}

int fdtable_dup(int fd, int cmd, int min)
{
	uintptr_t slot;
	int rc;

	fdtable_lock();
	slot = fdtable_slot(fd);
	if (slot & FDTABLE_ENGINE) {
		rc = -EBADF;
		goto out_unlock;
	}
	rc = (int)shim_errno(real_fcntl(fd, cmd, min));
	if (rc >= 0 && slot) {
		int err = fdtable_slot_reserve(rc);

		if (err) {
			real_close(rc);
			rc = err;
			goto out_unlock;
		}
		fdtable_local_add(fdtable_slot_file(slot), rc);
	}
out_unlock:
	fdtable_unlock();
	return rc;
}

int fdtable_dup_to(int fd, int to, int flags)
{
	uintptr_t from, old;
	int rc;

	fdtable_lock();
	from = fdtable_slot(fd);
	if (from & FDTABLE_ENGINE) {
		rc = -EBADF;
		goto out_unlock;
	}
	if (fd == to) {
		rc = (int)shim_errno(flags < 0 ? real_dup2(fd, to) : real_dup3(fd, to, flags));
		goto out_unlock;
	}
	if (fdtable_slot(to) & FDTABLE_ENGINE) {
		/* A bad @fd must leave everything as it is. */
		rc = real_fcntl(fd, F_GETFD) < 0 ? -EBADF : fdtable_engine_fd_move(to);
		if (rc)
			goto out_unlock;
	}
	if (from) {
		rc = fdtable_slot_reserve(to);
		if (rc)
			goto out_unlock;
	}
	old = fdtable_slot(to);
	rc = (int)shim_errno(flags < 0 ? real_dup2(fd, to) : real_dup3(fd, to, flags));
	if (rc >= 0) {
		if (old)
			fdtable_local_drop(to, old);
		if (from)
			fdtable_local_add(fdtable_slot_file(from), to);
	}
out_unlock:
	fdtable_unlock();
	fdtable_reap();
	return rc;
}

void fdtable_reap(void)
{
	struct shim_file *gone = NULL;
	struct shim_file **link;
	struct shim_file *sf;

	if (!__atomic_load_n(&parked, __ATOMIC_ACQUIRE) &&
	    !__atomic_load_n(&reaping, __ATOMIC_ACQUIRE))
		return;
	/* Who has reap_lock may be waiting for our table_lock. */
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) == &shim_inside)
		return;
	/* What another thread is putting just now must be put when we return: close() says so. */
	pthread_mutex_lock(&reap_lock);
	fdtable_lock();
	__atomic_store_n(&reaping, true, __ATOMIC_RELEASE);
	for (link = &parked; (sf = *link);) {
		struct pollfd pfd = {.fd = sf->engine_fd, .events = 0};

		/* A forked child inherited it without the engine's end: nothing to wait for. */
		if (sf->engine_fd >= 0 && (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLHUP))) {
			link = &sf->next;
			continue;
		}
		__atomic_store_n(link, sf->next, __ATOMIC_RELEASE);
		sf->next = gone;
		gone = sf;
	}
	fdtable_unlock();
	while ((sf = gone)) {
		gone = sf->next;
		fdtable_put(sf);
	}
	__atomic_store_n(&reaping, false, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&reap_lock);
}

/* ---- folders ---- */

void fdtable_mark(int fd, const char *path, bool attr)
{
	struct shim_file *sf;
	struct stat st;
	uintptr_t old;

	if (real_fstat(fd, &st))
		return;
	fdtable_lock();
	old = fdtable_slot(fd);
	if (old && (old & FDTABLE_FOLDER))
		fdtable_local_drop(fd, old);
	/* Without memory it's a folder like any other: relative names go to the host's. */
	sf = old && !(old & FDTABLE_FOLDER) ? NULL : fdtable_file_alloc(path);
	if (sf && !fdtable_slot_reserve(fd)) {
		sf->folder = true;
		sf->attr = attr;
		sf->rdev = st.st_dev;
		sf->ino = st.st_ino;
		fdtable_local_add(sf, fd);
	} else if (sf) {
		fdtable_file_free_locked(sf);
	}
	fdtable_unlock();
}

void fdtable_forget(int fd)
{
	uintptr_t slot;

	fdtable_lock();
	slot = fdtable_slot(fd);
	if (slot && !(slot & FDTABLE_ENGINE))
		fdtable_local_drop(fd, slot);
	fdtable_unlock();
}

bool fdtable_folder(int fd, char *buf, size_t size)
{
	const struct shim_file *sf;
	bool found = false;
	uintptr_t slot;
	struct stat st;

	if (!(fdtable_slot(fd) & FDTABLE_FOLDER))
		return false;
	fdtable_lock();
	slot = fdtable_slot(fd);
	if (!(slot & FDTABLE_FOLDER))
		goto out_unlock;
	sf = fdtable_slot_file(slot);
	/* It may have been closed by a bare system call, and the number be another's. */
	if (real_fstat(fd, &st) || st.st_dev != sf->rdev || st.st_ino != sf->ino) {
		fdtable_local_drop(fd, slot);
		goto out_unlock;
	}
	found = strlen(sf->name) < size;
	if (found)
		memcpy(buf, sf->name, strlen(sf->name) + 1);
out_unlock:
	fdtable_unlock();
	return found;
}

/* ---- fork and exit ---- */

void fdtable_fork_prepare(void)
{
	pthread_mutex_lock(&table_lock);
	__atomic_store_n(&forking, &shim_inside, __ATOMIC_RELAXED);
}

void fdtable_fork_parent(void)
{
	__atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&table_lock);
}

void fdtable_fork_child(void)
{
	struct shim_file *sf;
	int fd;

	/* The thread that held it, if any, isn't here. */
	pthread_mutex_init(&table_lock, NULL);
	pthread_mutex_init(&reap_lock, NULL);
	reaping = false;
	__atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
	for (fd = fdtable_slot_next(0, FDTABLE_MAX); fd >= 0;
	     fd = fdtable_slot_next((unsigned int)fd + 1, FDTABLE_MAX)) {
		uintptr_t slot = fdtable_slot(fd);

		sf = fdtable_slot_file(slot);
		/* The channel is the parent's; this process opens one of its own. */
		if (!(slot & FDTABLE_TAGS) && sf->chan) {
			fdtable_file_free_locked(sf->chan);
			sf->chan = NULL;
		}
		slot = fdtable_slot(fd);
		if (slot & FDTABLE_ENGINE) {
			fdtable_slot_set(fd, 0);
			real_close(fd);
			sf->engine_fd = -1;
		}
		if (!(slot & FDTABLE_FOLDER))
			sf->dead = true;
	}
	/* What the parent has parked is the parent's; here it's only not lost. */
	inherited = parked;
	parked = NULL;
}

void fdtable_shutdown(void)
{
	struct shim_file *sf;
	int fd;

	fdtable_lock();
	for (fd = fdtable_slot_next(0, FDTABLE_MAX); fd >= 0;
	     fd = fdtable_slot_next((unsigned int)fd + 1, FDTABLE_MAX)) {
		uintptr_t slot = fdtable_slot(fd);

		if (!(slot & FDTABLE_ENGINE))
			fdtable_local_drop(fd, slot);
	}
	/* Somebody else may have the last descriptor, but the engine goes now. */
	for (sf = parked; sf; sf = sf->next)
		engine_fd_close(sf);
	fdtable_unlock();
	fdtable_reap();
	fdtable_lock();
	while ((sf = free_files)) {
		free_files = sf->next;
		free(sf);
	}
	fdtable_unlock();
}

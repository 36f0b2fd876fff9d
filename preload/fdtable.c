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
 * Locks: table_lock is taken inside the engine's own (fdtable_readable) and
 * never held across a call of the engine.
 */
#include "fdtable.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <uiommu/file.h>

#include "shim.h"

/* The first one costs nothing until it's touched, and is all that most clients need. */
static uintptr_t first_chunk[FDTABLE_CHUNK];
uintptr_t *fdtable_chunks[FDTABLE_CHUNKS] = {first_chunk};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
/* The thread that forks holds table_lock, and other fork handlers of it may come here. */
static void *forking;
/* Under table_lock. */
static struct shim_file *free_files;
static struct shim_file *parked;
static struct shim_file *volatile inherited;

static void lock(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) == &shim_inside)
		return;
	pthread_mutex_lock(&table_lock);
}

static void unlock(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) == &shim_inside)
		return;
	pthread_mutex_unlock(&table_lock);
}

/* ---- slots ---- */

static struct shim_file *slot_file(uintptr_t slot)
{
	return (struct shim_file *)(slot & ~FDTABLE_TAGS);
}

/* Makes room for @fd.  Under table_lock. */
static int slot_reserve(int fd)
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

/* Under table_lock, after slot_reserve(). */
static void slot_set(int fd, uintptr_t slot)
{
	uintptr_t *chunk = fdtable_chunks[(unsigned int)fd >> FDTABLE_SHIFT];

	__atomic_store_n(&chunk[(unsigned int)fd & (FDTABLE_CHUNK - 1)], slot, __ATOMIC_RELEASE);
}

/* The first number from @fd on, up to @last, with a slot; -1: none. */
static int slot_next(unsigned int fd, unsigned int last)
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

static struct shim_file *file_alloc(const char *name)
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
	sf->dead = false;
	sf->signalled = false;
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

/* Under table_lock; no reference is left. */
static void file_free_locked(struct shim_file *sf)
{
	if (sf->engine_fd >= 0) {
		slot_set(sf->engine_fd, 0);
		real_close(sf->engine_fd);
		sf->engine_fd = -1;
	}
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
		sf = slot_file(slot);
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
	lock();
	file_free_locked(sf);
	unlock();
}

/* ---- making and closing descriptors ---- */

/*
 * Where the engine's descriptors begin: out of the way of a client that counts its
 * own, or that sweeps the lower ones with close().
 */
static int engine_base(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= 1024)
		return 512;
	return (int)(limit.rlim_cur - limit.rlim_cur / 4);
}

/* Moves @fd up there; it's closed in any case.  Under table_lock. */
static int engine_fd_take(int fd, struct shim_file *sf)
{
	int high = real_fcntl(fd, F_DUPFD_CLOEXEC, engine_base());
	int rc;

	if (high < 0)
		high = real_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	rc = high < 0 ? -errno : slot_reserve(high);
	real_close(fd);
	if (rc) {
		if (high >= 0)
			real_close(high);
		return rc;
	}
	sf->engine_fd = high;
	slot_set(high, (uintptr_t)sf | FDTABLE_ENGINE);
	return 0;
}

/* The client wants number @fd for itself, where an engine's end is. Under table_lock. */
static int engine_fd_move(int fd)
{
	struct shim_file *sf = slot_file(fdtable_slot(fd));
	int high = real_fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
	int rc;

	if (high < 0)
		high = real_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return -errno;
	rc = slot_reserve(high);
	if (rc) {
		real_close(high);
		return rc;
	}
	sf->engine_fd = high;
	slot_set(high, (uintptr_t)sf | FDTABLE_ENGINE);
	slot_set(fd, 0);
	real_close(fd);
	return 0;
}

/* @fd, just made, is one more descriptor of @sf.  Under table_lock, slot reserved. */
static void local_add(struct shim_file *sf, int fd)
{
	slot_set(fd, (uintptr_t)sf | (sf->folder ? FDTABLE_FOLDER : 0));
	sf->nfds++;
	if (sf->client_fd < 0)
		sf->client_fd = fd;
	if (sf->folder)
		__atomic_add_fetch(&sf->refs, 1, __ATOMIC_RELAXED);
}

/*
 * @fd, whose slot this was, is about to be closed or has just been replaced.  A file
 * without descriptors here is parked for fdtable_reap().  Under table_lock.
 */
static void local_drop(int fd, uintptr_t slot)
{
	struct shim_file *sf = slot_file(slot);
	int other;

	if (fdtable_slot(fd) == slot)
		slot_set(fd, 0);
	sf->nfds--;
	if (sf->client_fd == fd)
		sf->client_fd = -1;
	if (sf->folder) {
		if (!__atomic_sub_fetch(&sf->refs, 1, __ATOMIC_ACQ_REL))
			file_free_locked(sf);
		return;
	}
	if (!sf->nfds) {
		sf->next = parked;
		__atomic_store_n(&parked, sf, __ATOMIC_RELAXED);
		return;
	}
	if (sf->client_fd >= 0)
		return;
	for (other = slot_next(0, FDTABLE_MAX); other >= 0;
	     other = slot_next((unsigned int)other + 1, FDTABLE_MAX)) {
		if (fdtable_slot(other) == (uintptr_t)sf) {
			sf->client_fd = other;
			return;
		}
	}
}

/*
 * poll() is to say that this end can't be written: one packet, that nobody ever takes
 * out, is more than the least of buffers.
 */
static void never_writable(int fd)
{
	static const char packet[2048];
	int least = 0;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	send(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int fdtable_install(struct uiommu_file *file, int flags)
{
	int type = SOCK_SEQPACKET | ((flags & O_CLOEXEC) ? SOCK_CLOEXEC : 0) |
		   ((flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0);
	struct shim_file *sf;
	short events;
	int pair[2];
	int rc;

	lock();
	sf = file_alloc(uiommu_file_path(file));
	if (!sf) {
		unlock();
		return -ENOMEM;
	}
	if (socketpair(AF_UNIX, type, 0, pair)) {
		rc = -errno;
		goto out_free;
	}
	rc = slot_reserve(pair[0]);
	if (rc) {
		real_close(pair[1]);
		goto out_close;
	}
	rc = engine_fd_take(pair[1], sf);
	if (rc)
		goto out_close;
	/* Never blocks: fdtable_readable() only has one byte under way. */
	sf->accmode = flags & O_ACCMODE;
	sf->rdev = uiommu_file_rdev(file);
	sf->file = file; /* the caller's reference moves in: put by fdtable_put() */
	__atomic_store_n(&sf->refs, 1, __ATOMIC_RELEASE); /* put by fdtable_reap() */
	uiommu_file_set_private(file, sf);
	local_add(sf, pair[0]);
	unlock();
	events = uiommu_file_poll(file);
	/* What a file says first about being written holds for its life. */
	if (!(events & POLLOUT))
		never_writable(pair[0]);
	/* It may have become readable before there was a descriptor to say so. */
	if (events & POLLIN)
		fdtable_readable(file, true);
	return pair[0];

out_close:
	real_close(pair[0]);
out_free:
	file_free_locked(sf);
	unlock();
	return rc;
}

int fdtable_close(int fd)
{
	uintptr_t slot;
	int rc;

	lock();
	slot = fdtable_slot(fd);
	if (slot & FDTABLE_ENGINE) {
		unlock();
		return -EBADF;
	}
	if (slot)
		local_drop(fd, slot);
	rc = (int)shim_errno(real_close(fd));
	unlock();
	fdtable_reap();
	return rc;
}

int fdtable_close_range(unsigned int first, unsigned int last, int flags)
{
	unsigned int from = first;
	int rc = 0;
	int fd;

	lock();
	for (fd = slot_next(first, last); fd >= 0 && !rc; fd = slot_next(from, last)) {
		uintptr_t slot = fdtable_slot(fd);

		if (slot & FDTABLE_ENGINE) {
			if ((unsigned int)fd > from)
				rc = (int)shim_errno(
					real_close_range(from, (unsigned int)fd - 1, flags));
		} else {
			local_drop(fd, slot);
			rc = (int)shim_errno(real_close_range(from, (unsigned int)fd, flags));
		}
		from = (unsigned int)fd + 1;
	}
	if (!rc && from <= last)
		rc = (int)shim_errno(real_close_range(from, last, flags));
	unlock();
	fdtable_reap();
	return rc;
}

int fdtable_dup(int fd, int cmd, int min)
{
	uintptr_t slot;
	int rc;

	lock();
	slot = fdtable_slot(fd);
	if (slot & FDTABLE_ENGINE) {
		rc = -EBADF;
		goto out_unlock;
	}
	rc = (int)shim_errno(real_fcntl(fd, cmd, min));
	if (rc >= 0 && slot) {
		int err = slot_reserve(rc);

		if (err) {
			real_close(rc);
			rc = err;
			goto out_unlock;
		}
		local_add(slot_file(slot), rc);
	}
out_unlock:
	unlock();
	return rc;
}

int fdtable_dup_to(int fd, int to, int flags)
{
	uintptr_t from, old;
	int rc;

	lock();
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
		rc = real_fcntl(fd, F_GETFD) < 0 ? -EBADF : engine_fd_move(to);
		if (rc)
			goto out_unlock;
	}
	if (from) {
		rc = slot_reserve(to);
		if (rc)
			goto out_unlock;
	}
	old = fdtable_slot(to);
	rc = (int)shim_errno(flags < 0 ? real_dup2(fd, to) : real_dup3(fd, to, flags));
	if (rc >= 0) {
		if (old)
			local_drop(to, old);
		if (from)
			local_add(slot_file(from), to);
	}
out_unlock:
	unlock();
	fdtable_reap();
	return rc;
}

void fdtable_reap(void)
{
	struct shim_file *gone = NULL;
	struct shim_file **link;
	struct shim_file *sf;

	if (!__atomic_load_n(&parked, __ATOMIC_RELAXED))
		return;
	lock();
	for (link = &parked; (sf = *link);) {
		struct pollfd pfd = {.fd = sf->engine_fd, .events = 0};

		/* A forked child inherited it without the engine's end: nothing to wait for. */
		if (sf->engine_fd >= 0 && (poll(&pfd, 1, 0) <= 0 || !(pfd.revents & POLLHUP))) {
			link = &sf->next;
			continue;
		}
		__atomic_store_n(link, sf->next, __ATOMIC_RELAXED);
		sf->next = gone;
		gone = sf;
	}
	unlock();
	while ((sf = gone)) {
		gone = sf->next;
		fdtable_put(sf);
	}
}

/* ---- folders ---- */

void fdtable_mark(int fd, const char *path)
{
	struct shim_file *sf;
	struct stat st;
	uintptr_t old;

	if (real_fstat(fd, &st))
		return;
	lock();
	old = fdtable_slot(fd);
	if (old && (old & FDTABLE_FOLDER))
		local_drop(fd, old);
	/* Without memory it's a folder like any other: relative names go to the host's. */
	sf = old && !(old & FDTABLE_FOLDER) ? NULL : file_alloc(path);
	if (sf && !slot_reserve(fd)) {
		sf->folder = true;
		sf->rdev = st.st_dev;
		sf->ino = st.st_ino;
		local_add(sf, fd);
	} else if (sf) {
		file_free_locked(sf);
	}
	unlock();
}

void fdtable_forget(int fd)
{
	uintptr_t slot;

	lock();
	slot = fdtable_slot(fd);
	if (slot && !(slot & FDTABLE_ENGINE))
		local_drop(fd, slot);
	unlock();
}

bool fdtable_folder(int fd, char *buf, size_t size)
{
	const struct shim_file *sf;
	bool found = false;
	uintptr_t slot;
	struct stat st;

	if (!(fdtable_slot(fd) & FDTABLE_FOLDER))
		return false;
	lock();
	slot = fdtable_slot(fd);
	if (!(slot & FDTABLE_FOLDER))
		goto out_unlock;
	sf = slot_file(slot);
	/* It may have been closed by a bare system call, and the number be another's. */
	if (real_fstat(fd, &st) || st.st_dev != sf->rdev || st.st_ino != sf->ino) {
		local_drop(fd, slot);
		goto out_unlock;
	}
	found = strlen(sf->name) < size;
	if (found)
		memcpy(buf, sf->name, strlen(sf->name) + 1);
out_unlock:
	unlock();
	return found;
}

/* ---- eventfds ---- */

struct shim_file *fdtable_hold(int fd)
{
	struct shim_file *sf;
	int copy;
	int rc;

	lock();
	sf = file_alloc("eventfd");
	if (!sf) {
		unlock();
		return UIOMMU_ERR_PTR(-ENOMEM);
	}
	copy = (fdtable_slot(fd) & FDTABLE_ENGINE) ? -1 : real_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rc = copy < 0 ? -EBADF : engine_fd_take(copy, sf);
	if (rc) {
		file_free_locked(sf);
		unlock();
		return UIOMMU_ERR_PTR(rc);
	}
	__atomic_store_n(&sf->refs, 1, __ATOMIC_RELEASE); /* put by the engine's eventfd_put */
	unlock();
	return sf;
}

void fdtable_held_signal(struct shim_file *sf)
{
	uint64_t one = 1;
	struct pollfd pfd = {.events = POLLOUT};

	lock();
	pfd.fd = sf->engine_fd;
	/* A full counter would block; the client then knows anyhow. */
	if (pfd.fd >= 0 && poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT))
		shim_syscall(SYS_write, pfd.fd, (long)&one, sizeof(one), 0, 0, 0);
	unlock();
}

/* ---- poll ---- */

void fdtable_readable(struct uiommu_file *file, bool readable)
{
	struct shim_file *sf = uiommu_file_private(file);
	struct shim_entry entry;
	char byte = 0;

	if (!sf)
		return;
	shim_enter(&entry);
	lock();
	/* Its memory stays, but it may be somebody else's by now. */
	if (sf->file == file && sf->engine_fd >= 0 && sf->signalled != readable) {
		if (readable) {
			if (send(sf->engine_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
				sf->signalled = true;
		} else if (sf->client_fd >= 0) {
			recv(sf->client_fd, &byte, 1, MSG_DONTWAIT);
			sf->signalled = false;
		}
	}
	unlock();
	shim_leave(&entry);
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
	__atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
	for (fd = slot_next(0, FDTABLE_MAX); fd >= 0;
	     fd = slot_next((unsigned int)fd + 1, FDTABLE_MAX)) {
		uintptr_t slot = fdtable_slot(fd);

		sf = slot_file(slot);
		if (slot & FDTABLE_ENGINE) {
			slot_set(fd, 0);
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

	lock();
	for (fd = slot_next(0, FDTABLE_MAX); fd >= 0;
	     fd = slot_next((unsigned int)fd + 1, FDTABLE_MAX)) {
		uintptr_t slot = fdtable_slot(fd);

		if (!(slot & FDTABLE_ENGINE))
			local_drop(fd, slot);
	}
	/* Somebody else may have the last descriptor, but the engine goes now. */
	for (sf = parked; sf; sf = sf->next) {
		if (sf->engine_fd >= 0) {
			slot_set(sf->engine_fd, 0);
			real_close(sf->engine_fd);
			sf->engine_fd = -1;
		}
	}
	unlock();
	fdtable_reap();
	lock();
	while ((sf = free_files)) {
		free_files = sf->next;
		free(sf);
	}
	unlock();
}

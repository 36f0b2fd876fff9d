/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/fdpair.c - a file of the engine is a pair of sockets
 *
 * One end is the client's.  The other is the engine's, as are eventfds that it signals, and
 * what fdshare.c and serve.c have: high, close-on-exec and off the client's hands.  A byte that
 * is under way in the pair is what makes the client's end readable.
 *
 * Nothing is stored here; see fdtable.c, whose lock all of it is under.
 */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <uiommu/file.h>

#include "fdtable_object.h"
#include "inuse.h"
#include "serve.h"
#include "shim.h"

/* ---- the engine's descriptors ---- */

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
int fdtable_engine_fd_take(int fd, struct shim_file *sf)
{
	int high = real_fcntl(fd, F_DUPFD_CLOEXEC, engine_base());
	int rc;

	if (high < 0)
		high = real_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	rc = high < 0 ? -errno : fdtable_slot_reserve(high);
	real_close(fd);
	if (rc) {
		if (high >= 0)
			real_close(high);
		return rc;
	}
	sf->engine_fd = high;
	fdtable_slot_set(high, (uintptr_t)sf | FDTABLE_ENGINE);
	return 0;
}

/* The client wants number @fd for itself, where an engine's end is. Under table_lock. */
int fdtable_engine_fd_move(int fd)
{
	struct shim_file *sf = fdtable_slot_file(fdtable_slot(fd));
	int high = real_fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
	int rc;

	if (high < 0)
		high = real_fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		return -errno;
	rc = fdtable_slot_reserve(high);
	if (rc) {
		real_close(high);
		return rc;
	}
	serve_unwatch(sf);
	inuse_moved(fd, high);
	sf->engine_fd = high;
	fdtable_slot_set(high, (uintptr_t)sf | FDTABLE_ENGINE);
	fdtable_slot_set(fd, 0);
	real_close(fd);
	serve_watch(sf);
	return 0;
}

/* ---- pairs ---- */

void fdtable_never_writable(int fd)
{
	static const char packet[FDTABLE_PLUG];
	int least = 0;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	send(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * A file with both ends of its socket: ours is in it, the client's is @client_fd, and a
 * descriptor of nobody yet.  Under table_lock.  ERR_PTR.
 */
struct shim_file *fdtable_pair(struct uiommu_file *file, int flags, int *client_fd)
{
	int type = SOCK_SEQPACKET | ((flags & O_CLOEXEC) ? SOCK_CLOEXEC : 0) |
		   ((flags & O_NONBLOCK) ? SOCK_NONBLOCK : 0);
	struct shim_file *sf = fdtable_file_alloc(uiommu_file_path(file));
	int pair[2] = {-1, -1};
	int rc;

	if (!sf)
		return UIOMMU_ERR_PTR(-ENOMEM);
	if (socketpair(AF_UNIX, type, 0, pair)) {
		rc = -errno;
		goto out_free;
	}
	rc = fdtable_engine_fd_take(pair[1], sf);
	if (rc)
		goto out_close;
	rc = fdshare_mark(pair[0], &sf->sock_ino);
	if (!rc)
		rc = inuse_claim(sf->engine_fd, file);
	if (rc)
		goto out_close;
	/* Never blocks: fdtable_readable() only has one byte under way. */
	sf->accmode = flags & O_ACCMODE;
	sf->rdev = uiommu_file_rdev(file);
	sf->file = file; /* the caller's reference moves in: put by fdtable_put() */
	__atomic_store_n(&sf->refs, 1, __ATOMIC_RELEASE); /* put by fdtable_reap() */
	uiommu_file_set_private(file, sf);
	serve_watch(sf);
	*client_fd = pair[0];
	return sf;

out_close:
	real_close(pair[0]);
out_free:
	fdtable_file_free_locked(sf);
	return UIOMMU_ERR_PTR(rc);
}

/* It never got a descriptor: the file's reference is the caller's again. */
void fdtable_unpair(struct shim_file *sf)
{
	uiommu_file_set_private(sf->file, NULL);
	sf->file = NULL;
	sf->refs = 0;
	fdtable_file_free_locked(sf);
}

int fdtable_install(struct uiommu_file *file, int flags)
{
	struct shim_file *sf;
	int fd = -1;
	int rc;

	fdtable_lock();
	sf = fdtable_pair(file, flags, &fd);
	if (UIOMMU_IS_ERR(sf)) {
		fdtable_unlock();
		return (int)UIOMMU_PTR_ERR(sf);
	}
	rc = fdtable_slot_reserve(fd);
	if (rc) {
		real_close(fd);
		fdtable_unpair(sf);
		fdtable_unlock();
		return rc;
	}
	fdtable_local_add(sf, fd);
	fdtable_unlock();
	/* What a file says first about being written holds for its life. */
	if (!(uiommu_file_poll(file) & POLLOUT))
		fdtable_never_writable(fd);
	/* It may have become readable before there was a descriptor to say so. */
	fdtable_readable(file);
	return fd;
}

/* ---- eventfds ---- */

struct shim_file *fdtable_hold_locked(int fd, const char *name)
{
	struct shim_file *sf = fdtable_file_alloc(name);
	int rc;

	if (!sf) {
		real_close(fd);
		return UIOMMU_ERR_PTR(-ENOMEM);
	}
	rc = fdtable_engine_fd_take(fd, sf);
	if (rc) {
		fdtable_file_free_locked(sf);
		return UIOMMU_ERR_PTR(rc);
	}
	__atomic_store_n(&sf->refs, 1, __ATOMIC_RELEASE); /* put by who holds it */
	return sf;
}

struct shim_file *fdtable_hold(int fd)
{
	struct shim_file *sf;
	int copy;

	fdtable_lock();
	copy = (fdtable_slot(fd) & FDTABLE_ENGINE) ? -1 : real_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	sf = copy < 0 ? UIOMMU_ERR_PTR(-EBADF) : fdtable_hold_locked(copy, "eventfd");
	fdtable_unlock();
	return sf;
}

void fdtable_held_signal(struct shim_file *sf)
{
	uint64_t one = 1;
	struct pollfd pfd = {.events = POLLOUT};

	fdtable_lock();
	pfd.fd = sf->engine_fd;
	/* A full counter would block; the client then knows anyhow. */
	if (pfd.fd >= 0 && poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT))
		shim_syscall(SYS_write, pfd.fd, (long)&one, sizeof(one), 0, 0, 0);
	fdtable_unlock();
}

/* ---- poll ---- */

void fdtable_readable(struct uiommu_file *file)
{
	struct shim_file *sf = uiommu_file_private(file);
	struct shim_entry entry;
	bool readable;
	char byte = 0;

	if (!sf)
		return;
	shim_enter(&entry);
	fdtable_lock();
	/*
	 * Its memory stays, but it may be somebody else's by now.  Whatever is so now, of
	 * several calls the last finds it.
	 */
	readable = uiommu_file_readable(file);
	if (sf->file == file && sf->engine_fd >= 0 && sf->signalled != readable) {
		if (readable) {
			if (send(sf->engine_fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
				sf->signalled = true;
		} else if (sf->client_fd >= 0) {
			recv(sf->client_fd, &byte, 1, MSG_DONTWAIT);
			sf->signalled = false;
		}
	}
	fdtable_unlock();
	shim_leave(&entry);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that come from, or go to, other processes.
 *
 * The client's end of each file carries two socket options that nobody uses on such a
 * socket and that mean nothing to it: together 62 bits by which a receiver knows it
 * without sending anything to it.  In the engine's own process the inode tells which
 * file it is.
 *
 * All that can be inherited by a fork is made, marked or closed in one hold of the
 * table's lock, which a fork takes: no child keeps an end of ours.
 */
#include "fdshare.h"

#include <dirent.h>
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <uiommu/file.h>

#include "attr.h"
#include "fdtable_object.h"
#include "serve.h"
#include "shim.h"

/* The least number of bytes that makes a stream readable; this isn't a stream. */
#define MARK_LOWAT 0x7569f00d
/* For how many seconds a receive waits; none is made that waits. */
#define MARK_WAIT 0x6f6d6d75

int fdshare_mark(int fd, ino_t *ino)
{
	struct timeval wait = {.tv_sec = MARK_WAIT};
	int lowat = MARK_LOWAT;
	struct stat st;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat, sizeof(lowat)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) || real_fstat(fd, &st))
		return -errno;
	*ino = st.st_ino;
	return 0;
}

static bool option_is(int fd, int option, int value)
{
	int got = 0;
	socklen_t len = sizeof(got);

	return !getsockopt(fd, SOL_SOCKET, option, &got, &len) && got == value;
}

static bool marked(int fd)
{
	struct timeval wait;
	socklen_t len = sizeof(wait);

	return option_is(fd, SO_RCVLOWAT, MARK_LOWAT) &&
	       !getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, &len) && wait.tv_sec == MARK_WAIT &&
	       option_is(fd, SO_DOMAIN, AF_UNIX) && option_is(fd, SO_TYPE, SOCK_SEQPACKET);
}

/* ---- the engine's open files ---- */

/* The first from descriptor @from on; -1: none.  Under the table's lock. */
static int next_file(int from, struct shim_file **sf)
{
	int fd;

	for (fd = fdtable_slot_next((unsigned int)from, FDTABLE_MAX); fd >= 0;
	     fd = fdtable_slot_next((unsigned int)fd + 1, FDTABLE_MAX)) {
		uintptr_t slot = fdtable_slot(fd);

		*sf = fdtable_slot_file(slot);
		if ((slot & FDTABLE_ENGINE) && (*sf)->file)
			return fd;
	}
	return -1;
}

bool fdshare_any(void)
{
	struct shim_file *sf;
	bool any;

	fdtable_lock();
	any = next_file(0, &sf) >= 0;
	fdtable_unlock();
	return any;
}

void fdshare_watch_all(void)
{
	struct shim_file *sf;
	int fd;

	fdtable_lock();
	for (fd = next_file(0, &sf); fd >= 0; fd = next_file(fd + 1, &sf))
		serve_watch(sf);
	fdtable_unlock();
}

/* Under the table's lock. */
static struct shim_file *find_locked(int copy)
{
	struct shim_file *sf;
	struct stat st;
	int fd;

	if (!marked(copy) || real_fstat(copy, &st))
		return NULL;
	for (fd = next_file(0, &sf); fd >= 0; fd = next_file(fd + 1, &sf)) {
		if (sf->sock_ino == st.st_ino)
			return sf;
	}
	return NULL;
}

bool fdtable_get_unless_zero(struct shim_file *sf)
{
	uint32_t refs = __atomic_load_n(&sf->refs, __ATOMIC_RELAXED);

	while (refs) {
		if (__atomic_compare_exchange_n(&sf->refs, &refs, refs + 1, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

struct shim_file *fdshare_find(int fd)
{
	struct shim_file *sf;

	fdtable_lock();
	sf = find_locked(fd);
	if (sf && !fdtable_get_unless_zero(sf))
		sf = NULL;
	fdtable_unlock();
	return sf;
}

/* ---- what comes ---- */

/* With room for any name, for the real one may come later.  Under the table's lock. */
static struct shim_file *stranger_alloc(const char *name)
{
	struct shim_file *sf = fdtable_file_alloc(name);
	char *room = sf ? calloc(1, CHANNEL_NAME) : NULL;

	if (!room) {
		if (sf)
			fdtable_file_free_locked(sf);
		return NULL;
	}
	strcpy(room, name);
	free(sf->name);
	sf->name = room;
	return sf;
}

static void describe(struct shim_file *sf, const struct channel_msg *msg)
{
	sf->rdev = msg->rdev;
	sf->accmode = msg->accmode;
	sf->known = true;
}

void fdshare_adopt_as(int fd, const struct channel_msg *msg)
{
	struct shim_file *sf;
	uintptr_t old;

	if (!marked(fd))
		return;
	fdtable_lock();
	old = fdtable_slot(fd);
	if (old & FDTABLE_ENGINE)
		goto out_unlock;
	/* The number was closed where we couldn't see it. */
	if (old)
		fdtable_local_drop(fd, old);
	if (fdtable_slot_reserve(fd))
		goto out_unlock;
	sf = find_locked(fd);
	if (sf) {
		if (!sf->nfds)
			fdtable_unpark(sf);
		fdtable_local_add(sf, fd);
		goto out_unlock;
	}
	sf = stranger_alloc(msg ? msg->name : "anon_inode:[uiommu]");
	if (!sf)
		goto out_unlock;
	sf->dead = true;
	sf->known = false;
	if (msg)
		describe(sf, msg);
	__atomic_store_n(&sf->refs, 1, __ATOMIC_RELEASE); /* put by fdtable_reap() */
	fdtable_local_add(sf, fd);
out_unlock:
	fdtable_unlock();
}

void fdshare_adopt(int fd)
{
	fdshare_adopt_as(fd, NULL);
}

void fdshare_adopt_all(void)
{
	DIR *dir = real_opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		fdshare_adopt(atoi(entry->d_name));
		attr_adopt(atoi(entry->d_name));
	}
	real_closedir(dir);
}

/* ---- messages ---- */

int channel_send(int sock, const struct channel_msg *msg, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		hdr.msg_control = &control;
		hdr.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	return (int)shim_syscall(SYS_sendmsg, sock, (long)&hdr, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0,
				 0);
}

int channel_recv(int sock, struct channel_msg *msg, int *fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_LEN(sizeof(int))};
	struct cmsghdr *cmsg;
	long n;

	/* With no padding counted, so that a second descriptor has no room. */
	*fd = -1;
	msg->magic = 0;
	n = shim_syscall(SYS_recvmsg, sock, (long)&hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, 0, 0, 0);
	if (n < 0)
		return (int)n;
	cmsg = CMSG_FIRSTHDR(&hdr);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	if (n == sizeof(*msg) && msg->magic == CHANNEL_MAGIC) {
		msg->name[CHANNEL_NAME - 1] = '\0';
		return 0;
	}
	if (*fd >= 0)
		real_close(*fd);
	*fd = -1;
	return n ? -EPROTO : -EPIPE;
}

int fdshare_send(struct shim_file *held, const struct channel_msg *msg)
{
	int rc;

	fdtable_lock();
	rc = held->engine_fd < 0 ? -EPIPE : channel_send(held->engine_fd, msg, -1);
	fdtable_unlock();
	return rc < 0 ? rc : 0;
}

int fdshare_recv(struct shim_file *held, struct channel_msg *msg, int *fd)
{
	int rc;

	*fd = -1;
	fdtable_lock();
	rc = held->engine_fd < 0 ? -EPIPE : channel_recv(held->engine_fd, msg, fd);
	fdtable_unlock();
	return rc;
}

/* Whoever moves the descriptor meanwhile only makes us look once too often. */
int fdshare_wait(struct shim_file *held, int timeout)
{
	struct pollfd pfd = {.events = POLLIN};

	fdtable_lock();
	pfd.fd = held->engine_fd;
	fdtable_unlock();
	return poll(&pfd, 1, timeout) ? 1 : 0;
}

bool fdshare_hung_up(struct shim_file *held)
{
	struct pollfd pfd = {.events = 0};
	bool gone;

	fdtable_lock();
	pfd.fd = held->engine_fd;
	gone = pfd.fd < 0 || (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP));
	fdtable_unlock();
	return gone;
}

/* ---- channels ---- */

static bool writable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLOUT};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLOUT | POLLHUP));
}

void fdshare_replug(struct shim_file *sf)
{
	fdtable_lock();
	if (sf->client_fd >= 0 && marked(sf->client_fd) && writable(sf->client_fd))
		fdtable_never_writable(sf->client_fd);
	fdtable_unlock();
}

int fdshare_connect(struct shim_file *sf, bool *unplugged)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_HELLO};
	struct shim_file *held;
	int more = 1 << 16;
	int pair[2] = {-1, -1};
	int rc;

	*unplugged = false;
	fdtable_lock();
	if (sf->client_fd < 0 || !marked(sf->client_fd)) {
		rc = -EBADF;
		goto out_unlock;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		rc = -errno;
		goto out_unlock;
	}
	/* If it's one that is never writable: fdshare_replug() once this has arrived. */
	*unplugged = !writable(sf->client_fd);
	rc = channel_send(sf->client_fd, &msg, pair[1]);
	if (rc == -EAGAIN) {
		setsockopt(sf->client_fd, SOL_SOCKET, SO_SNDBUF, &more, sizeof(more));
		rc = channel_send(sf->client_fd, &msg, pair[1]);
	}
	real_close(pair[1]);
	if (rc < 0) {
		real_close(pair[0]);
		goto out_unlock;
	}
	held = fdtable_hold_locked(pair[0], "channel");
	rc = UIOMMU_IS_ERR(held) ? (int)UIOMMU_PTR_ERR(held) : 0;
	if (!rc)
		sf->chan = held; /* closed with the file, or by fdshare_disconnect() */
out_unlock:
	fdtable_unlock();
	return rc;
}

struct shim_file *fdshare_line(struct shim_file *sf)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_ALIVE};
	struct shim_file *line = NULL;
	int pair[2] = {-1, -1};

	fdtable_lock();
	if (!sf->chan || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		goto out_unlock;
	line = fdtable_hold_locked(pair[0], "line");
	if (!UIOMMU_IS_ERR(line) && channel_send(sf->chan->engine_fd, &msg, pair[1]) < 0) {
		fdtable_file_free_locked(line);
		line = NULL;
	}
	if (UIOMMU_IS_ERR(line))
		line = NULL;
	real_close(pair[1]);
out_unlock:
	fdtable_unlock();
	return line;
}

struct shim_file *fdshare_hold(int fd, const char *name)
{
	struct shim_file *held;

	fdtable_lock();
	held = fdtable_hold_locked(fd, name);
	fdtable_unlock();
	return held;
}

void fdshare_disconnect(struct shim_file *sf)
{
	fdtable_lock();
	if (sf->chan)
		fdtable_file_free_locked(sf->chan);
	sf->chan = NULL;
	fdtable_unlock();
}

struct shim_file *fdshare_accept(struct shim_file *sf)
{
	struct shim_file *held;
	struct channel_msg msg;
	int fd = -1;
	int queued = 0;
	int rc;

	fdtable_lock();
	/* What keeps it from being writable stays, if there is nothing behind it. */
	if (sf->file && sf->engine_fd >= 0 &&
	    !shim_syscall(SYS_ioctl, sf->engine_fd, SIOCINQ, (long)&queued, 0, 0, 0) && queued &&
	    queued % FDTABLE_PLUG == 0)
		rc = -EAGAIN;
	else
		rc = sf->file && sf->engine_fd >= 0 ? channel_recv(sf->engine_fd, &msg, &fd) :
						      -EPIPE;
	if (!rc && fd < 0)
		rc = -EPROTO;
	held = rc ? UIOMMU_ERR_PTR(rc) : fdtable_hold_locked(fd, "channel");
	fdtable_unlock();
	return held;
}

struct shim_file *fdshare_install(struct uiommu_file *file, struct shim_file *held, bool cloexec)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC,
				  .type = CHANNEL_INSTALL,
				  .flags = cloexec ? CHANNEL_CLOEXEC : 0,
				  .accmode = O_RDWR};
	short events = uiommu_file_poll(file);
	struct shim_file *sf;
	int fd = -1;
	int rc;

	strncpy(msg.name, uiommu_file_path(file), CHANNEL_NAME - 1);
	msg.rdev = uiommu_file_rdev(file);
	fdtable_lock();
	sf = fdtable_pair(file, O_RDWR | O_CLOEXEC, &fd);
	if (!UIOMMU_IS_ERR(sf)) {
		if (!(events & POLLOUT))
			fdtable_never_writable(fd);
		rc = held->engine_fd < 0 ? -EPIPE : channel_send(held->engine_fd, &msg, fd);
		real_close(fd);
		if (rc < 0) {
			fdtable_unpair(sf);
			sf = UIOMMU_ERR_PTR(rc);
		}
	}
	fdtable_unlock();
	return sf;
}

void fdshare_installed(struct shim_file *sf, bool arrived)
{
	/* Until it's parked nobody puts it. */
	if (arrived)
		fdtable_readable(sf->file);
	fdtable_lock();
	if (!arrived)
		fdtable_unpair(sf);
	else if (!sf->nfds)
		fdtable_park(sf);
	fdtable_unlock();
}

struct shim_file *fdshare_fetch(pid_t pid, int fd, struct shim_file *channel)
{
	struct shim_file *held;
	long pidfd, copy;

	fdtable_lock();
	pidfd = shim_syscall(SYS_pidfd_open, pid, 0, 0, 0, 0, 0);
	copy = pidfd;
	if (pidfd >= 0) {
		struct pollfd pfd = {.fd = channel->engine_fd};

		/* The channel's other end is open in this one process: it's still the same. */
		if (pfd.fd < 0 || (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLHUP)))
			copy = -ESRCH;
		else
			copy = shim_syscall(SYS_pidfd_getfd, pidfd, fd, 0, 0, 0, 0);
		real_close((int)pidfd);
	}
	held = copy < 0 ? UIOMMU_ERR_PTR(copy) : fdtable_hold_locked((int)copy, "fetched");
	fdtable_unlock();
	return held;
}

bool fdshare_drain(struct shim_file *sf)
{
	bool drain;

	if (uiommu_file_readable(sf->file))
		return false;
	fdtable_lock();
	drain = sf->signalled && sf->client_fd < 0;
	if (drain)
		sf->signalled = false;
	fdtable_unlock();
	/* It may have become readable in between, and have found the old byte good enough. */
	if (drain)
		fdtable_readable(sf->file);
	return drain;
}

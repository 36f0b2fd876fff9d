/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's process, for those that hold its descriptors elsewhere: see channel.h.
 *
 * One thread, started when a descriptor is about to be shared (a fork, SCM_RIGHTS, a
 * program being started) or an eventfd to be watched (watch.c), and not before.  It never runs a handler of the client: all
 * asynchronous signals are blocked, and it is inside the shim for all its life, so every
 * name passes through.  It waits for greetings and hang-ups at the engine's ends of
 * all files, and for calls on the channels that it was greeted with.
 *
 * A caller is the process that made the channel (SO_PEERCRED).  As long as that end is
 * open the number is that process's: it's close-on-exec, and closed in forked children.
 * Its memory may be mapped for longer: that ends with its line, which it never closes.
 *
 *  thread, running	start_lock
 *  epoll, wake		set before running, immutable until serve_stop() or fork
 *  channels, peers, current	the thread's own
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <uiommu/file.h>
#include <uiommu/mm.h>

#include "channel.h"
#include "engine.h"
#include "fdshare.h"
#include "fdtable_object.h"
#include "post.h"
#include "shim.h"
#include "watch.h"

/*
 * Refs: the list.
 *  held	our end
 *  target, ino	no reference, so that the last close anywhere is the last: the file is
 *		still the same if its socket is
 *  mm		the caller's memory, put by channel_drop()
 *  maps	of the caller, until it unmaps them or channel_drop(); they hold their file
 */
struct channel {
	struct shim_file *held;
	struct shim_file *target;
	ino_t ino;
	struct uiommu_mm *mm;
	struct served_map *maps;
	uint64_t last_map;
	pid_t pid;
	struct channel *next;
};

struct served_map {
	uint64_t number;
	struct uiommu_mapping *mapping;
	struct served_map *next;
};

/*
 * A process whose line we hold.  Refs: the list.
 *  mm	put by peer_drop()
 */
struct peer {
	struct shim_file *line;
	struct uiommu_mm *mm;
	pid_t pid;
	struct peer *next;
};

/* Low bits of an epoll item's word; without them a file, or NULL: wake. */
#define ITEM_CHANNEL ((uintptr_t)1)
#define ITEM_PEER ((uintptr_t)2)
#define ITEM_EVENTFD ((uintptr_t)3)
#define ITEM_TAGS ((uintptr_t)3)

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static bool running;
static struct shim_file *epoll, *wake;
static struct channel *channels;
static struct peer *peers;
static struct channel *current;
static bool failed;

/* ---- what is watched ---- */

static void item(int op, const struct shim_file *sf, uintptr_t word, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u64 = word};

	epoll_ctl(epoll->engine_fd, op, sf->engine_fd, &event);
}

/* Files are told of once per change; a hang-up that nobody acts on must not spin. */
void serve_watch(struct shim_file *sf)
{
	if (!epoll || sf->engine_fd < 0)
		return;
	if (sf->ready)
		item(EPOLL_CTL_ADD, sf, (uintptr_t)sf | ITEM_EVENTFD, EPOLLIN);
	else if (sf->file)
		item(EPOLL_CTL_ADD, sf, (uintptr_t)sf, EPOLLIN | EPOLLET);
}

void serve_unwatch(struct shim_file *sf)
{
	if (epoll && sf != epoll && (sf->file || sf->ready))
		item(EPOLL_CTL_DEL, sf, 0, 0);
}

/* ---- channels ---- */

static void channel_drop(struct channel *chan)
{
	struct served_map *map;
	struct channel **link;

	for (link = &channels; *link && *link != chan;)
		link = &(*link)->next;
	if (*link)
		*link = chan->next;
	while ((map = chan->maps)) {
		chan->maps = map->next;
		uiommu_mapping_put(map->mapping);
		free(map);
	}
	if (chan->mm)
		uiommu_mm_put(chan->mm);
	fdtable_lock();
	item(EPOLL_CTL_DEL, chan->held, 0, 0);
	fdtable_unlock();
	fdtable_put(chan->held);
	free(chan);
}

static pid_t peer_pid(const struct channel *chan)
{
	struct ucred cred = {.pid = 0};
	socklen_t len = sizeof(cred);

	fdtable_lock();
	if (getsockopt(chan->held->engine_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		cred.pid = 0;
	fdtable_unlock();
	return cred.pid;
}

/* The memory of @chan's process: one object for all its channels. */
static struct uiommu_mm *peer_mm(const struct channel *chan)
{
	struct channel *other;
	struct peer *peer;

	for (peer = peers; peer; peer = peer->next) {
		if (peer->pid == chan->pid && !fdshare_hung_up(peer->line))
			return uiommu_mm_get(peer->mm);
	}
	for (other = channels; other; other = other->next) {
		if (other != chan && other->pid == chan->pid && !fdshare_hung_up(other->held))
			return uiommu_mm_get(other->mm);
	}
	return uiommu_mm_of(engine_ctx(), chan->pid);
}

/* A greeting: @held is the channel, moves in. */
static void channel_open(struct shim_file *target, struct shim_file *held)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_DESCRIBE};
	struct channel *chan = calloc(1, sizeof(*chan));
	struct uiommu_mm *mm;

	if (!chan) {
		fdtable_put(held);
		return;
	}
	chan->held = held;
	chan->target = target;
	chan->ino = target->sock_ino;
	chan->pid = peer_pid(chan);
	mm = chan->pid > 0 ? peer_mm(chan) : UIOMMU_ERR_PTR(-EPERM);
	if (UIOMMU_IS_ERR(mm)) {
		msg.rc = UIOMMU_PTR_ERR(mm);
		fdshare_send(held, &msg);
		channel_drop(chan);
		return;
	}
	chan->mm = mm;
	chan->next = channels;
	channels = chan;
	strncpy(msg.name, target->name, CHANNEL_NAME - 1);
	msg.rdev = target->rdev;
	msg.accmode = target->accmode;
	fdtable_lock();
	item(EPOLL_CTL_ADD, held, (uintptr_t)chan | ITEM_CHANNEL, EPOLLIN);
	fdtable_unlock();
	fdshare_send(held, &msg);
}

/* ---- lines ---- */

/* Its process has ended, or is another program now. */
static void peer_drop(struct peer *peer)
{
	struct peer **link;

	for (link = &peers; *link && *link != peer;)
		link = &(*link)->next;
	if (*link)
		*link = peer->next;
	fdtable_lock();
	item(EPOLL_CTL_DEL, peer->line, 0, 0);
	fdtable_unlock();
	fdtable_put(peer->line);
	uiommu_mm_put(peer->mm);
	free(peer);
}

/* @fd is @chan's caller's line, moves in. */
static void peer_open(struct channel *chan, int fd)
{
	struct shim_file *line = fdshare_hold(fd, "line");
	struct peer *peer = UIOMMU_IS_ERR(line) ? NULL : calloc(1, sizeof(*peer));

	if (!peer) {
		if (!UIOMMU_IS_ERR(line))
			fdtable_put(line);
		return;
	}
	*peer = (struct peer){line, uiommu_mm_get(chan->mm), chan->pid, peers};
	peers = peer;
	fdtable_lock();
	item(EPOLL_CTL_ADD, line, (uintptr_t)peer | ITEM_PEER, EPOLLIN);
	fdtable_unlock();
}

static void peer_event(struct peer *peer)
{
	uiommu_mm_gone(peer->mm);
	peer_drop(peer);
}

/* ---- calls ---- */

/* Takes a reference, if it's still there. */
static bool channel_target(struct channel *chan)
{
	struct shim_file *sf = chan->target;

	if (!fdtable_get_unless_zero(sf))
		return false;
	if (sf->file && sf->sock_ino == chan->ino)
		return true;
	fdtable_put(sf);
	return false;
}

static long map_open(struct channel *chan, const struct shim_io *io)
{
	struct served_map *map = calloc(1, sizeof(*map));
	int rc;

	if (!map)
		return -ENOMEM;
	rc = uiommu_file_mmap(chan->target->file, chan->mm, (int)io->request, (int)io->arg,
			      io->offset, io->count, &map->mapping);
	if (rc) {
		free(map);
		return rc;
	}
	map->number = ++chan->last_map;
	map->next = chan->maps;
	chan->maps = map;
	return (long)map->number;
}

/* A mapping needs no descriptor of its file. */
static void serve_map(struct channel *chan, const struct shim_io *io, const void *block)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_REPLY, .rc = -EINVAL};
	struct served_map **link = &chan->maps;
	struct served_map *map;

	while (*link && (*link)->number != io->request)
		link = &(*link)->next;
	map = *link;
	if (map && io->op == IO_MUNMAP) {
		*link = map->next;
		uiommu_mapping_put(map->mapping);
		free(map);
		msg.rc = 0;
	} else if (map && io->op == IO_LOAD) {
		msg.rc = uiommu_mapping_read(map->mapping, io->offset, &msg.io.arg,
					     (unsigned int)io->count);
	} else if (map && io->op == IO_STORE_BLOCK) {
		msg.rc = uiommu_mapping_write_block(map->mapping, io->offset, block);
	} else if (map) {
		msg.rc = uiommu_mapping_write(map->mapping, io->offset, io->arg,
					      (unsigned int)io->count);
	}
	if (fdshare_send(chan->held, &msg))
		channel_drop(chan);
}

static void serve_call(struct channel *chan, const struct channel_msg *call)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_REPLY};

	post_take();
	if (call->io.op > IO_MMAP) {
		serve_map(chan, &call->io, call->name);
		return;
	}
	if (!channel_target(chan)) {
		channel_drop(chan);
		return;
	}
	current = chan;
	failed = false;
	if (call->io.op == IO_MMAP)
		msg.rc = map_open(chan, &call->io);
	else
		msg.rc = io_call(chan->target->file, chan->mm, &call->io);
	current = NULL;
	if (fdshare_drain(chan->target))
		msg.flags = CHANNEL_DRAIN;
	fdtable_put(chan->target);
	if (failed || fdshare_send(chan->held, &msg))
		channel_drop(chan);
}

static void channel_event(struct channel *chan)
{
	struct channel_msg msg;
	int fd;
	int rc = fdshare_recv(chan->held, &msg, &fd);

	if (!rc && msg.type == CHANNEL_ALIVE && fd >= 0) {
		peer_open(chan, fd);
		return;
	}
	if (fd >= 0)
		real_close(fd);
	if (rc == -EAGAIN || rc == -EINTR)
		return;
	/* A caller that is gone can't be served: its memory isn't there any more. */
	if (rc || msg.type != CHANNEL_CALL || fdshare_hung_up(chan->held))
		channel_drop(chan);
	else
		serve_call(chan, &msg);
}

/* ---- the host's operations, for the process that is being served ---- */

static bool is_current(const struct uiommu_mm *of)
{
	return current && pthread_equal(pthread_self(), thread) && current->mm == of;
}

static struct shim_file *fetch(int fd)
{
	struct shim_file *held = fdshare_fetch(current->pid, fd, current->held);

	if (UIOMMU_IS_ERR(held) && UIOMMU_PTR_ERR(held) != -EBADF)
		log_line("can't get descriptor %d of process %d: %s", fd, (int)current->pid,
			 strerror((int)-UIOMMU_PTR_ERR(held)));
	return held;
}

struct uiommu_file *serve_fget(struct uiommu_mm *of, int fd)
{
	struct uiommu_file *file;
	struct shim_file *held, *sf;

	if (!is_current(of))
		return UIOMMU_ERR_PTR(-EBADF);
	held = fetch(fd);
	if (UIOMMU_IS_ERR(held))
		return UIOMMU_ERR_PTR(-EBADF);
	sf = fdshare_find(held->engine_fd);
	file = sf ? uiommu_file_get(sf->file) : UIOMMU_ERR_PTR(-EINVAL);
	if (sf)
		fdtable_put(sf);
	fdtable_put(held);
	return file;
}

void *serve_eventfd(struct uiommu_mm *of, int fd)
{
	struct shim_file *held;
	int rc;

	if (!is_current(of))
		return UIOMMU_ERR_PTR(-EBADF);
	held = fetch(fd);
	if (UIOMMU_IS_ERR(held))
		return UIOMMU_ERR_PTR(-EBADF);
	rc = engine_is_eventfd(held->engine_fd);
	if (!rc)
		return held;
	fdtable_put(held);
	return UIOMMU_ERR_PTR(rc);
}

int serve_install(struct uiommu_mm *of, struct uiommu_file *file, bool cloexec)
{
	struct channel_msg msg;
	struct shim_file *sf;
	int rc, fd;

	if (!is_current(of))
		return -EOPNOTSUPP;
	sf = fdshare_install(file, current->held, cloexec);
	if (UIOMMU_IS_ERR(sf))
		return (int)UIOMMU_PTR_ERR(sf);
	do {
		fdshare_wait(current->held, -1);
		rc = fdshare_recv(current->held, &msg, &fd);
		if (fd >= 0)
			real_close(fd);
	} while (rc == -EAGAIN || rc == -EINTR);
	if (!rc && msg.type != CHANNEL_INSTALLED)
		rc = -EPROTO;
	/* It's out of step, or gone. */
	failed = rc != 0;
	if (!rc)
		rc = (int)msg.rc;
	fdshare_installed(sf, rc >= 0);
	return rc;
}

void serve_uninstall(struct uiommu_mm *of, int fd)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_UNINSTALL, .rc = fd};

	if (is_current(of))
		fdshare_send(current->held, &msg);
}

/* ---- the thread ---- */

static void file_event(struct shim_file *sf)
{
	struct shim_file *held;
	struct channel *chan, *next;

	/*
	 * It may be gone since, and be another now: then there is nothing, or a greeting as
	 * good.  No reference is held without need: whoever closes it just now wants it
	 * to be the last.
	 */
	for (;;) {
		held = fdshare_accept(sf);
		if (!UIOMMU_IS_ERR(held) && fdtable_get_unless_zero(sf)) {
			channel_open(sf, held);
			fdtable_put(sf);
		} else if (!UIOMMU_IS_ERR(held)) {
			fdtable_put(held);
		} else if (UIOMMU_PTR_ERR(held) == -EAGAIN || UIOMMU_PTR_ERR(held) == -EPIPE) {
			break;
		} else if (fdshare_hung_up(sf)) {
			break;
		}
	}
	if (fdshare_hung_up(sf)) {
		/*
		 * No descriptor is left anywhere: channels that are, lost theirs unseen, or
		 * are mapped.
		 */
		for (chan = channels; chan; chan = next) {
			next = chan->next;
			if (chan->target == sf && !chan->maps)
				channel_drop(chan);
		}
	}
	fdtable_reap();
}

static void *serve(void *arg)
{
	struct shim_entry entry;
	struct epoll_event event;
	int n;

	shim_enter(&entry);
	pthread_setname_np(pthread_self(), "uiommu-serve");
	for (;;) {
		n = epoll_wait(epoll->engine_fd, &event, 1, -1);
		if (n < 0 && errno == EBADF)
			sched_yield(); /* it was just moved */
		if (n <= 0)
			continue;
		if (!event.data.u64)
			break;
		switch (event.data.u64 & ITEM_TAGS) {
		case ITEM_CHANNEL:
			channel_event((struct channel *)(event.data.u64 & ~ITEM_TAGS));
			break;
		case ITEM_PEER:
			peer_event((struct peer *)(event.data.u64 & ~ITEM_TAGS));
			break;
		case ITEM_EVENTFD:
			watch_event((struct shim_file *)(event.data.u64 & ~ITEM_TAGS));
			break;
		default:
			file_event((struct shim_file *)event.data.u64);
		}
	}
	while (channels)
		channel_drop(channels);
	while (peers)
		peer_drop(peers);
	shim_leave(&entry);
	return NULL;
}

/* Under start_lock. */
static int make_descriptors(void)
{
	struct shim_file *poller, *waker;
	int fd;

	fdtable_lock();
	fd = epoll_create1(EPOLL_CLOEXEC);
	poller = fd < 0 ? UIOMMU_ERR_PTR(-errno) : fdtable_hold_locked(fd, "epoll");
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	waker = fd < 0 ? UIOMMU_ERR_PTR(-errno) : fdtable_hold_locked(fd, "wake");
	if (UIOMMU_IS_ERR(poller) || UIOMMU_IS_ERR(waker)) {
		if (!UIOMMU_IS_ERR(poller))
			fdtable_file_free_locked(poller);
		if (!UIOMMU_IS_ERR(waker))
			fdtable_file_free_locked(waker);
		fdtable_unlock();
		return -EMFILE;
	}
	epoll = poller;
	wake = waker;
	item(EPOLL_CTL_ADD, wake, 0, EPOLLIN);
	fdtable_unlock();
	return 0;
}

static void drop_descriptors(void)
{
	struct shim_file *poller = epoll, *waker = wake;

	fdtable_lock();
	epoll = NULL;
	wake = NULL;
	fdtable_unlock();
	fdtable_put(poller);
	fdtable_put(waker);
}

/* Under start_lock. */
static int start(void)
{
	int rc = make_descriptors();

	if (rc)
		return rc;
	fdshare_watch_all();
	rc = -pthread_create(&thread, NULL, serve, NULL);
	if (rc)
		drop_descriptors();
	else
		__atomic_store_n(&running, true, __ATOMIC_RELEASE);
	return rc;
}

void serve_share(void)
{
	struct shim_entry entry;
	int rc = 0;

	if (__atomic_load_n(&running, __ATOMIC_ACQUIRE) || !engine_ctx())
		return;
	shim_enter(&entry);
	pthread_mutex_lock(&start_lock);
	if (!running && fdshare_any())
		rc = start();
	pthread_mutex_unlock(&start_lock);
	if (rc)
		log_line("other processes can't use the open devices: %s", strerror(-rc));
	shim_leave(&entry);
}

int serve_listen(void)
{
	struct shim_entry entry;
	int rc = 0;

	if (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		return 0;
	shim_enter(&entry);
	pthread_mutex_lock(&start_lock);
	if (!running)
		rc = start();
	pthread_mutex_unlock(&start_lock);
	shim_leave(&entry);
	return rc;
}

void serve_fork_child(void)
{
	pthread_mutex_init(&start_lock, NULL);
	running = false;
	/* Closed with all that is the engine's. */
	epoll = NULL;
	wake = NULL;
	channels = NULL;
	peers = NULL;
	current = NULL;
}

bool serve_stop(void)
{
	if (!running)
		return false;
	fdtable_held_signal(wake);
	pthread_join(thread, NULL);
	drop_descriptors();
	running = false;
	return true;
}

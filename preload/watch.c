/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Eventfds that the engine listens to: the thread of serve.c waits, and what is written is
 * taken out, as the kernel's own waiters do.  Whoever writes: the client, another process,
 * or the kernel (KVM, at the end of an interrupt).
 *
 * What this process writes, or the engine itself, is taken out at once, for a client may look
 * for the effect in its next line; for that all that are watched are in a list.
 *
 * watch_lock is held while somebody is called, so that who stops watching knows that it is
 * over; it's taken before the table's lock.  ready and ready_arg are in the held file.  The
 * list is under watch_lock; that it's empty is read without.
 */
#include "watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fdtable.h"
#include "fdtable_object.h"
#include "real.h"
#include "serve.h"

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool calling;
static struct shim_file *watched;

static void unlist(const struct shim_file *held)
{
	struct shim_file **link = &watched;

	while (*link && *link != held)
		link = &(*link)->next_watched;
	if (*link)
		__atomic_store_n(link, held->next_watched, __ATOMIC_RELAXED);
}

int watch_set(struct shim_file *held, void (*ready)(void *arg), void *arg)
{
	int rc = ready ? serve_listen() : 0;

	if (rc)
		return rc;
	if (!calling)
		pthread_mutex_lock(&watch_lock);
	fdtable_lock();
	serve_unwatch(held);
	held->ready = ready;
	held->ready_arg = arg;
	serve_watch(held);
	fdtable_unlock();
	unlist(held);
	if (ready) {
		held->next_watched = watched;
		__atomic_store_n(&watched, held, __ATOMIC_RELAXED);
	}
	if (!calling)
		pthread_mutex_unlock(&watch_lock);
	return 0;
}

/* Somebody else may have been faster: never wait. */
static bool take(struct shim_file *held)
{
	uint64_t count;
	struct iovec iov = {.iov_base = &count, .iov_len = sizeof(count)};
	bool taken;

	fdtable_lock();
	taken = held->engine_fd >= 0 && shim_syscall(SYS_preadv2, held->engine_fd, (long)&iov, 1,
						     -1, 0, RWF_NOWAIT) == (long)sizeof(count);
	fdtable_unlock();
	return taken;
}

static void call_locked(struct shim_file *held)
{
	calling = true;
	if (held->ready && take(held))
		held->ready(held->ready_arg);
	calling = false;
}

/* It may be gone since, and be another now: then that has nothing, or something as good. */
void watch_event(struct shim_file *held)
{
	pthread_mutex_lock(&watch_lock);
	call_locked(held);
	pthread_mutex_unlock(&watch_lock);
}

/* What somebody who was called writes in turn is that thread's: it could be without end. */
bool watch_any(void)
{
	return __atomic_load_n(&watched, __ATOMIC_RELAXED) && !calling;
}

void watch_written(void)
{
	struct shim_file *held;

	if (!watch_any())
		return;
	pthread_mutex_lock(&watch_lock);
	for (held = watched; held; held = held->next_watched)
		call_locked(held);
	pthread_mutex_unlock(&watch_lock);
}

/* What the kernel numbers it by; -1: none. */
static int eventfd_id(int fd)
{
	char path[40], text[512];
	const char *at;
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = real_open(path, O_RDONLY | O_CLOEXEC);
	if (info < 0)
		return -1;
	n = real_read(info, text, sizeof(text) - 1);
	real_close(info);
	text[n < 0 ? 0 : n] = '\0';
	at = strstr(text, "eventfd-id:");
	return at ? (int)strtol(at + strlen("eventfd-id:"), NULL, 10) : -1;
}

bool watch_gone(const struct shim_file *held)
{
	int id = strcmp(held->name, "eventfd") ? -1 : eventfd_id(held->engine_fd);
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	dir = id < 0 ? NULL : real_opendir("/proc/self/fd");
	if (!dir)
		return false;
	while (!found && (entry = real_readdir(dir))) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		/* ".", which has no number, is looked at as 0: once more. */
		found = !(fdtable_slot(fd) & FDTABLE_ENGINE) && eventfd_id(fd) == id;
	}
	real_closedir(dir);
	return !found;
}

void watch_fork_child(void)
{
	pthread_mutex_init(&watch_lock, NULL);
	watched = NULL;
	calling = false;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Eventfds that the engine listens to: the thread of serve.c waits, and what is written is
 * taken out, as the kernel's own waiters do.  Whoever writes: the client, another process,
 * or the kernel (KVM, at the end of an interrupt).
 *
 * watch_lock is held while somebody is called, so that who stops watching knows that it is
 * over; it's taken before the table's lock.  ready and ready_arg are in the held file.
 */
#include "watch.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "fdtable.h"
#include "fdtable_object.h"
#include "real.h"
#include "serve.h"

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool calling;

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

/* It may be gone since, and be another now: then that has nothing, or something as good. */
void watch_event(struct shim_file *held)
{
	pthread_mutex_lock(&watch_lock);
	calling = true;
	if (held->ready && take(held))
		held->ready(held->ready_arg);
	calling = false;
	pthread_mutex_unlock(&watch_lock);
}

void watch_fork_child(void)
{
	pthread_mutex_init(&watch_lock, NULL);
	calling = false;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Coming in and going out; the constructor, the destructor, and forks.
 *
 * A forked child has the parent's memory as it was, and none of its other
 * threads: it can't use the engine in it.  Fork handlers tell it so.  A child made
 * by a bare system call has no handlers run, but finds the page behind `alive` wiped
 * and does the same at its first call into the shim.  A vfork() child is the
 * parent's thread as far as memory goes: there every wrapper passes through.
 */
#include "shim.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attr.h"
#include "channel.h"
#include "engine.h"
#include "fdshare.h"
#include "fdtable.h"
#include "mapping.h"
#include "path.h"
#include "serve.h"
#include "signals.h"
#include "trap.h"
#include "wrap.h"
#include "watch.h"

/* Immutable after the constructor. */
static char run_dir[PATH_ROOM / 2]; /* "": the shim is inert */
/* First byte 1 in the process that made it, 0 in its forked children. */
static volatile unsigned char *alive;
/* The forking thread's, between prepare and parent or child. */
static struct shim_entry fork_entry;

const char *shim_run_dir(void)
{
	return run_dir[0] ? run_dir : NULL;
}

/* None of the run's files is larger. */
#define FILES_MAX (1ul << 20)

bool shim_may_write(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur >= FILES_MAX;
}

/* In a forked child, before anything else is done there. */
static void child_reset(void)
{
	if (alive)
		*alive = 1;
	engine_fork_child();
	serve_fork_child();
	watch_fork_child();
	channel_fork_child();
	fdtable_fork_child();
	mapping_fork_child();
	trap_atfork_child();
	signals_fork_child();
}

/*
 * LeakSanitizer, where the client has it, may look before shim_stop() has run (clang's
 * does), and it can't see what is held by slot words and by mappings of the shim: it is
 * asked to pass over what the engine allocates.  The library's own tests look at that.
 */
extern void __lsan_disable(void) __attribute__((weak));
extern void __lsan_enable(void) __attribute__((weak));

void shim_enter(struct shim_entry *entry)
{
	entry->saved_errno = errno;
	entry->cancel = PTHREAD_CANCEL_DISABLE;
	if (shim_inside) {
		shim_inside++;
		return;
	}
	/* First the mask: a handler in between must not find the names passing through. */
	signals_block(&entry->mask);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	shim_inside = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &entry->cancel);
	if (shim_unlikely(__lsan_disable))
		__lsan_disable();
	if (shim_unlikely(alive && !*alive))
		child_reset();
}

void shim_leave(const struct shim_entry *entry)
{
	if (shim_inside == 1) {
		if (shim_unlikely(__lsan_enable))
			__lsan_enable();
		pthread_setcancelstate(entry->cancel, NULL);
		shim_inside = 0;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		signals_unblock(&entry->mask);
	} else {
		shim_inside--;
	}
	errno = entry->saved_errno;
}

void shim_enter_call(struct shim_entry *entry)
{
	entry->quiet = signals_quiet_enter();
	if (shim_unlikely(!entry->quiet)) {
		shim_enter(entry);
		return;
	}
	entry->saved_errno = errno;
	shim_inside = 1;
	if (shim_unlikely(__lsan_disable))
		__lsan_disable();
	if (shim_unlikely(alive && !*alive)) {
		child_reset();
		signals_quiet_enter();
	}
}

void shim_leave_call(const struct shim_entry *entry)
{
	if (shim_unlikely(!entry->quiet)) {
		shim_leave(entry);
		return;
	}
	if (shim_unlikely(__lsan_enable))
		__lsan_enable();
	shim_inside = 0;
	signals_quiet_leave();
	errno = entry->saved_errno;
}

static void fork_prepare(void)
{
	struct shim_entry entry;

	/* fork() has done so; libc's own callers haven't. */
	serve_share();
	shim_enter(&entry);
	engine_fork_prepare();
	fdtable_fork_prepare();
	fork_entry = entry;
	/* Other fork handlers run from here on, and may use our names as always. */
	shim_inside--;
}

static void fork_parent(void)
{
	struct shim_entry entry = fork_entry;

	shim_inside++;
	fdtable_fork_parent();
	engine_fork_parent();
	shim_leave(&entry);
}

static void fork_child(void)
{
	struct shim_entry entry = fork_entry;

	shim_inside++;
	child_reset();
	shim_leave(&entry);
}

/* ThreadSanitizer's, which must have been there before any of its functions is called. */
extern void __tsan_init(void) __attribute__((weak));
/* The race detector in Go programs has the first as well, with arguments, and wraps nothing. */
extern void __tsan_go_start(void) __attribute__((weak));

/*
 * The linker's "initfirst" has it run before any library's constructor, which may well open the
 * device; before libc's own, too, which is where libc learns of the environment.
 */
static __attribute__((constructor)) void shim_start(int argc, char **argv, char **envp)
{
	const char *dir, *file;
	int saved = errno;
	size_t len;
	void *page;

	if (!environ)
		environ = envp;
	if (__tsan_init && !__tsan_go_start)
		__tsan_init();
	dir = getenv("UIOMMU_RUN");
	file = getenv("UIOMMU_LOG");
	real_start();
	/* A relative one would mean something else after chdir(): it isn't `uiommu run`'s. */
	if (dir && dir[0] == '/' && strlen(dir) < PATH_ROOM / 2 - 8)
		strcpy(run_dir, dir);
	signals_init(run_dir[0]);
	if (!run_dir[0])
		goto out;
	for (len = strlen(run_dir); len > 1 && run_dir[len - 1] == '/'; len--)
		run_dir[len - 1] = '\0';
	page = real_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page != MAP_FAILED) {
		alive = page;
		*alive = 1;
		real_madvise(page, 4096, MADV_WIPEONFORK);
	}
	log_init(file);
	wrap_exec_start();
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	path_start(run_dir);
	shim_inside++;
	fdshare_adopt_all();
	shim_inside--;
out:
	errno = saved;
}

/* Is this the only thread?  Its own entry, ".", and ".." are the links. */
static bool alone(void)
{
	struct stat st;

	return !real_stat("/proc/self/task", &st) && st.st_nlink == 3;
}

/*
 * A normal exit: everything is put, so that a leak checker sees what is really lost.
 * Another thread that is still running may be anywhere in the engine: then the
 * process's end is left to do it.
 */
static __attribute__((destructor)) void shim_stop(void)
{
	struct shim_entry entry;
	int tries;

	if (!run_dir[0] || shim_vforked)
		return;
	if (stdout && attr_is(fileno_unlocked(stdout)))
		attr_flush(stdout);
	shim_enter(&entry);
	/* A thread that was joined may be seen for a moment longer. */
	for (tries = serve_stop() ? 1000 : 0; tries && !alone(); tries--)
		sched_yield();
	if (alone())
		engine_stop();
	shim_leave(&entry);
}

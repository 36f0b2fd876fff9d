/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/shim.h - coming in and going out
 *
 * Everything that the shim does for a client happens between shim_enter() and
 * shim_leave(): names pass through to the real functions, asynchronous signals wait
 * (a handler that calls close() would want our locks), the thread can't be
 * cancelled, and errno is put back.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "real.h"

struct shim_entry {
	sigset_t mask;
	int saved_errno;
	int cancel;
	bool quiet; /* of shim_enter_call(): nothing was blocked */
};

/*
 * Nests.  In a process that was forked without our fork handlers (a raw clone) the
 * outermost one first does what they would have done.
 */
void shim_enter(struct shim_entry *entry);
void shim_leave(const struct shim_entry *entry);
/*
 * The same for a call of a file of ours, from outside: these are many and short, and
 * change nothing that is left when the process ends.  So while nothing can run in
 * the middle of one nothing is blocked, which saves two system calls.
 */
void shim_enter_call(struct shim_entry *entry);
void shim_leave_call(const struct shim_entry *entry);

/* What a wrapper returns: -1 and errno, or the value. */
static inline long shim_result(long rc)
{
	if (rc < 0) {
		errno = (int)-rc;
		return -1;
	}
	return rc;
}

/* rc of a real function as 0 or more, or -errno. */
static inline long shim_errno(long rc)
{
	return rc < 0 ? -errno : rc;
}

/* $UIOMMU_RUN, without a slash at its end; NULL: the shim is inert. */
const char *shim_run_dir(void);

/*
 * May files of the run's folder be written?  A client that limits the size of its files
 * (RLIMIT_FSIZE) would be killed by what it doesn't know that it writes.
 */
bool shim_may_write(void);

/* ---- log.c ---- */

struct uiommu_event;

/* From the constructor: the path is made absolute, for the client may chdir(). */
void log_init(const char *path);
/* One line, cut at 400 characters; nothing without --log. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_event(const struct uiommu_event *event);

#endif /* SHIM_SHIM_H */

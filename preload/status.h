/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/status.h - /proc/PID/status as a client reads it
 */
#ifndef SHIM_STATUS_H
#define SHIM_STATUS_H

#include <stdbool.h>

/* Is it "/proc/PID/status", or another spelling of one? */
bool status_path(const char *name);
/* The same for a name in an open folder. */
bool status_path_at(int dir, const char *name);
/*
 * @fd is one, opened with @flags: itself, if nothing is pinned of that process, or a
 * file with its text and what we have pinned.  Keeps errno.
 */
int status_opened(int fd, int flags);

#endif /* SHIM_STATUS_H */

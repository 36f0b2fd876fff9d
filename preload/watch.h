/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/watch.h - eventfds that the engine listens to
 */
#ifndef SHIM_WATCH_H
#define SHIM_WATCH_H

#include <stdbool.h>

struct shim_file;

/* The host's operation of that name; @held as fdtable_hold() gave it. */
int watch_set(struct shim_file *held, void (*ready)(void *arg), void *arg);
/* There is something in it; in the serving thread. */
void watch_event(struct shim_file *held);
/*
 * Something may have been written to one of them by this process: whoever listens is called
 * before this returns, as by the kernel, and not a moment later by that thread.
 */
void watch_written(void);
/* Would it have something to do? */
bool watch_any(void);
/*
 * Has this process no descriptor of it but the engine's?  False also if that can't be known (before
 * Linux 5.2), and for another process's.
 */
bool watch_gone(const struct shim_file *held);
void watch_fork_child(void);

#endif /* SHIM_WATCH_H */

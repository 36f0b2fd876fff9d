/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/post.h - what other processes do to the devices of this one, by /sys
 */
#ifndef SHIM_POST_H
#define SHIM_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "real.h"

/* See post.c. */
extern const volatile uint64_t *post_count;
extern uint64_t post_seen;

/* Between shim_enter() and shim_leave(); or in a trap, whose thread is outside of the shim. */
void post_deliver(void);

/* Before each use of a device: what was done to it until now has been done. */
static inline void post_take(void)
{
	if (shim_unlikely(*post_count != __atomic_load_n(&post_seen, __ATOMIC_ACQUIRE)))
		post_deliver();
}

/* The others between shim_enter() and shim_leave(). */

/* The engine is there: from now on this process takes what is posted to it. */
void post_start(void);
void post_stop(void);
void post_fork_child(void);

/*
 * Both under the lock of the tree's bindings.  All processes that have the device open, with
 * ours, will find it reset.
 */
void post_reset(const char *device);
/* The same of a write to its config space, but for ours.  Are there any? */
bool post_config(const char *device, uint64_t offset, const void *bytes, size_t length);

#endif /* SHIM_POST_H */

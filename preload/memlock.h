/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/memlock.h - what this process may lock stays what it is, or is told of
 */
#ifndef SHIM_MEMLOCK_H
#define SHIM_MEMLOCK_H

#include <stdbool.h>

/* Do we see what changes it? */
bool memlock_watched(void);
/* By a system call of its own, so for this thread alone. */
void memlock_changed_by_thread(void);

#endif /* SHIM_MEMLOCK_H */

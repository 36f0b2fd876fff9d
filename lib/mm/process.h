/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/process.h - what the kernel tells of a process
 */
#ifndef UI_MM_PROCESS_H
#define UI_MM_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* When it started, in ticks; 0: there is no such process. */
uint64_t mm_process_start(pid_t pid);
/* Pages that it locked, by mlock() and the like. */
uint64_t mm_process_locked(pid_t pid);
/* RLIMIT_MEMLOCK, in pages; UINT64_MAX: none. */
uint64_t mm_process_limit(pid_t pid);

struct mm_process_who {
	uint32_t uid; /* the real one, whose counts are charged */
	bool exempt;  /* has CAP_IPC_LOCK, and not only in a namespace of its own */
};

/* Of a process; of ours: of this thread. */
struct mm_process_who mm_process_who(pid_t pid, bool self);

/* Has this thread the capability, and not only in a namespace of its own? */
bool mm_process_capable(int cap);

#endif /* UI_MM_PROCESS_H */

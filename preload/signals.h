/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/signals.h - what the client believes about SIGSEGV and SIGBUS
 *
 * Both must reach us: a blocked one turns an MMIO trap into the death of the
 * process.  So inside `uiommu run` no thread ever blocks them for real, and from
 * trap_init() on their handlers are ours.  The client reads back what it set.
 * Where the processor has no movdir64b, the same holds for SIGILL.
 */
#ifndef SHIM_SIGNALS_H
#define SHIM_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * From the shim's constructor, before any thread: resolves the real functions
 * and, if @active, begins to filter masks.  Without it every wrapper passes
 * straight through.
 */
void signals_init(bool active);

/*
 * From trap_init(): the dispositions of SIGSEGV and SIGBUS found now become
 * the client's, and @handler takes their place.
 */
void signals_take_over(void (*handler)(int, siginfo_t *, void *));

enum signals_kind {
	SIGNALS_SENT,	 /* by kill() and its like */
	SIGNALS_REPEATS, /* a fault; executing the instruction again repeats it */
	SIGNALS_MADE,	 /* a fault of our making */
};

/*
 * Passes a signal on as the kernel would have: to the client's handler (which
 * may never return), or to the default action.  To be called at the end of our
 * handler, on the stack that it began on, with errno as the client left it.
 */
void signals_forward(int sig, siginfo_t *info, void *ucontext, enum signals_kind kind);

/*
 * Calls of our own that must not see virtual masks.  Blocks every asynchronous
 * signal of this thread; SIGSEGV and SIGBUS stay deliverable.
 */
void signals_block(sigset_t *old);
void signals_unblock(const sigset_t *old);

/* Is @set, what was interrupted had blocked, less than what our handlers block? */
bool signals_blocks_less(const sigset_t *set);

/*
 * Begins a stretch of code in whose middle nothing of the client's can run, without
 * blocking anything: no asynchronous signal has a handler, and no thread was ever cancelled.
 * False: that isn't so (any more).  Who sets the first handler waits for the stretches
 * that have begun, so they are short.
 */
bool signals_quiet_enter(void);
void signals_quiet_leave(void);
/* In a forked child, outside of any stretch. */
void signals_fork_child(void);

#endif /* SHIM_SIGNALS_H */

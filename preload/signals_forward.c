/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/signals_forward.c - a signal of ours that is the client's goes on to it
 *
 * As the kernel would have: to the handler that the client thinks it installed, or to the
 * default action.
 *
 *  depth_*	this thread's: how often a handler failed at the same place, see too_deep()
 */
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#include "signals_object.h"
#include "valgrind.h"

static SHIM_TLS uintptr_t depth_frame;
static SHIM_TLS uint64_t depth_rip;
static SHIM_TLS unsigned int depth_count;

/*
 * Blocked until the handler is left, so that a core dump or the client's handler
 * shows the client's code.  Valgrind would have the instruction fault again before
 * that, and takes a code of the kernel's for a fault of its own.
 */
static void send_when_left(int sig, siginfo_t *info)
{
	uint64_t set = sig_bit(sig);

	if (valgrind_running()) {
		shim_syscall(SYS_tgkill, shim_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0),
			     shim_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), sig, 0, 0, 0);
		return;
	}
	raw_mask(SIG_BLOCK, &set, NULL);
	raw_queue(sig, info);
}

/*
 * The default action.  A fault that its instruction would repeat is repeated, so
 * that the kernel sees the real one; another is sent again.
 */
static void take_default(int sig, siginfo_t *info, ucontext_t *uc, enum signals_kind kind)
{
	struct kernel_action act = {.handler = NULL};

	raw_action(sig, &act, NULL);
	sigdelset(&uc->uc_sigmask, sig);
	if (kind == SIGNALS_REPEATS)
		return;
	send_when_left(sig, info);
}

/*
 * A handler that faults at the same place again and again would do so once in
 * the kernel's hands, for its signal is blocked then; here it isn't.
 */
static bool too_deep(const ucontext_t *uc)
{
	uintptr_t frame = (uintptr_t)uc;
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	if (frame < depth_frame && rip == depth_rip)
		depth_count++;
	else
		depth_count = 0;
	depth_frame = frame;
	depth_rip = rip;
	return depth_count >= 8;
}

/* Into the client's handler, under the mask that it asked for. */
static void call_handler(int sig, siginfo_t *info, ucontext_t *uc, const struct sigaction *act)
{
	uint64_t mask, extra;

	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	memcpy(&extra, &act->sa_mask, sizeof(extra));
	mask = (mask | extra) & ~managed_bits();
	raw_mask(SIG_SETMASK, &mask, NULL);
	/* The kernel passes three arguments whatever the flags say. */
	act->sa_sigaction(sig, info, uc);
	/* It may have changed the mask to return to. */
	signals_blocked |= bits_of(&uc->uc_sigmask);
	bits_take(&uc->uc_sigmask);
}

/* Other signals: the kernel has the client's handler. */
static void send_other(int sig, siginfo_t *info, ucontext_t *uc)
{
	if (sigismember(&uc->uc_sigmask, sig) == 1)
		take_default(sig, info, uc, SIGNALS_MADE);
	else
		send_when_left(sig, info);
}

void signals_forward(int sig, siginfo_t *info, void *ucontext, enum signals_kind kind)
{
	int i = signals_index(sig), saved = errno;
	ucontext_t *uc = ucontext;
	struct sigaction act, gone;
	bool held;

	if (i < 0) {
		send_other(sig, info, uc);
		return;
	}
	act = signals_action(i);
	held = signals_blocked & sig_bit(sig);
	if (kind == SIGNALS_SENT) {
		if (held) {
			signals_pending |= sig_bit(sig);
			signals_pending_info[i] = *info;
			return;
		}
		if (act.sa_handler == SIG_IGN)
			return;
	}
	if (held || act.sa_handler == SIG_IGN || act.sa_handler == SIG_DFL ||
	    (kind != SIGNALS_SENT && too_deep(uc))) {
		take_default(sig, info, uc, kind);
		return;
	}
	if (act.sa_flags & (int)SA_RESETHAND) {
		gone = act;
		gone.sa_handler = SIG_DFL;
		signals_action_set(i, &gone);
	}
	errno = saved;
	call_handler(sig, info, uc, &act);
}

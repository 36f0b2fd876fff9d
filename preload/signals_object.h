/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/signals_object.h - what signals.c and signals_forward.c both need; see signals.c
 */
#ifndef SHIM_SIGNALS_OBJECT_H
#define SHIM_SIGNALS_OBJECT_H

#include <stdint.h>
#include <string.h>

#include "real.h"
#include "signals.h"

/* The signals that are ours. */
#define OURS_MAX 3

/* How the kernel wants it. */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

extern int signals_managed;
extern SHIM_TLS uint64_t signals_blocked;
extern SHIM_TLS uint64_t signals_pending;
extern SHIM_TLS siginfo_t signals_pending_info[OURS_MAX];

/* Which of ours it is; -1: none. */
int signals_index(int sig);
/* What the client set for it.  Takes no lock. */
struct sigaction signals_action(int i);
void signals_action_set(int i, const struct sigaction *act);

/* ---- sets: the kernel's, and libc's, whose first word that is ---- */

static inline uint64_t sig_bit(int sig)
{
	return 1ull << (sig - 1);
}

static inline uint64_t managed_bits(void)
{
	uint64_t bits = sig_bit(SIGSEGV) | sig_bit(SIGBUS);

	return signals_managed == OURS_MAX ? bits | sig_bit(SIGILL) : bits;
}

static inline uint64_t set_word(const sigset_t *set)
{
	uint64_t word;

	memcpy(&word, set, sizeof(word));
	return word;
}

static inline uint64_t bits_of(const sigset_t *set)
{
	return set_word(set) & managed_bits();
}

static inline void bits_take(sigset_t *set)
{
	uint64_t word = set_word(set) & ~managed_bits();

	memcpy(set, &word, sizeof(word));
}

static inline void bits_give(sigset_t *set, uint64_t bits)
{
	uint64_t word = set_word(set) | bits;

	memcpy(set, &word, sizeof(word));
}

/* ---- the system calls, past every wrapper ---- */

static inline void raw_mask(int how, const uint64_t *set, uint64_t *old)
{
	shim_syscall(SYS_rt_sigprocmask, how, (long)set, (long)old, 8, 0, 0);
}

static inline void raw_action(int sig, const struct kernel_action *act, struct kernel_action *old)
{
	shim_syscall(SYS_rt_sigaction, sig, (long)act, (long)old, 8, 0, 0);
}

static inline void raw_queue(int sig, siginfo_t *info)
{
	shim_syscall(SYS_rt_tgsigqueueinfo, shim_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0),
		     shim_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0), sig, (long)info, 0, 0);
}

#endif /* SHIM_SIGNALS_OBJECT_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/signals.c - dispositions and masks as the client believes them to be
 *
 * Three things are kept for the client, and handed back when it asks:
 *  - per signal, whether its sa_mask had SIGSEGV and SIGBUS (they are taken out
 *    of what the kernel gets), and SIGILL where the processor has no movdir64b;
 *  - its own dispositions of those, once ours are installed;
 *  - per thread, whether it blocks them.
 * What is deliverable for real is still blocked for the client: a fault then is
 * fatal, as it would be, and a signal that somebody sends waits.
 *
 * Only libc's names are taken over.  libc itself saves and restores masks without
 * them (siglongjmp, swapcontext), but it can only restore what was real.
 */
#include "signals_object.h"

#include <cpuid.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "base/sync.h"
#include "insn_alu.h"
#include "valgrind.h"

#define KERNEL_SA_RESTORER 0x04000000ul
#define KERNEL_NSIG 64
#define CPUID_7_ECX_MOVDIR64B (1u << 28)

/*
 *  active	set in the constructor: masks are filtered
 *  signals_managed	set in the constructor: so many of signals_of are taken over
 *  ours	atomic, set under action_lock: the handlers are ours
 *  actions	action_lock to write, and sequence is odd meanwhile; handlers read
 *		without the lock and try again
 *  mask_bits	atomic, written under action_lock
 *  handled	atomic; set once: an asynchronous signal may have a handler
 *  quiet	atomic; threads between signals_quiet_enter() and _leave()
 */
static bool active;
int signals_managed = 2;
static int ours;
static pthread_mutex_t action_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t sequence;
static struct sigaction actions[OURS_MAX];
static const int signals_of[OURS_MAX] = {SIGSEGV, SIGBUS, SIGILL};
static uint64_t mask_bits[KERNEL_NSIG + 1];
static uint32_t handled __attribute__((aligned(64)));
static uint32_t quiet;

/*
 * This thread's.
 *  signals_blocked	those of ours that it believes to block
 *  signals_pending	signals that came while they were blocked
 */
SHIM_TLS uint64_t signals_blocked;
SHIM_TLS uint64_t signals_pending;
SHIM_TLS siginfo_t signals_pending_info[OURS_MAX];

int signals_index(int sig)
{
	for (int i = 0; i < OURS_MAX && i < signals_managed; i++)
		if (sig == signals_of[i])
			return i;
	return -1;
}

/* What an instruction can raise; the rest waits. */
static uint64_t asynchronous(void)
{
	return ~(sig_bit(SIGSEGV) | sig_bit(SIGBUS) | sig_bit(SIGILL) | sig_bit(SIGFPE) |
		 sig_bit(SIGTRAP) | sig_bit(SIGSYS) | sig_bit(SIGABRT));
}

void signals_block(sigset_t *old)
{
	uint64_t set = asynchronous(), was;

	raw_mask(SIG_BLOCK, &set, &was);
	memset(old, 0, sizeof(*old));
	memcpy(old, &was, sizeof(was));
}

void signals_unblock(const sigset_t *old)
{
	uint64_t was;

	memcpy(&was, old, sizeof(was));
	raw_mask(SIG_SETMASK, &was, NULL);
}

bool signals_blocks_less(const sigset_t *set)
{
	return asynchronous() & ~set_word(set);
}

/* ---- stretches that nothing interrupts ---- */

/* Longer than any stretch lasts. */
#define QUIET_TRIES 200000

/* Either we see that it's handled, or whoever handles it sees us. */
bool signals_quiet_enter(void)
{
	ui_fetch_add(&quiet, 1);
	if (shim_likely(!ui_load_seq_cst(&handled)))
		return true;
	ui_fetch_sub(&quiet, 1);
	return false;
}

void signals_quiet_leave(void)
{
	ui_fetch_sub(&quiet, 1);
}

void signals_fork_child(void)
{
	ui_store_relaxed(&quiet, 0u);
}

/* From now on something of the client's may run anywhere. */
static void handle(void)
{
	unsigned int tries = 0;

	if (shim_bypass() || ui_load_seq_cst(&handled) == 2)
		return;
	ui_fetch_or(&handled, 1u);
	/* A child of a bare clone() may count threads that it hasn't got. */
	while (ui_load_seq_cst(&quiet) && tries < QUIET_TRIES)
		ui_spin_pause(tries++);
	ui_fetch_or(&handled, 2u);
}

/* Would this disposition run on top of the shim? */
static bool is_handler(int sig, const void *handler)
{
	return handler != (void *)SIG_DFL && handler != (void *)SIG_IGN && sig >= 1 &&
	       sig <= KERNEL_NSIG && (asynchronous() & sig_bit(sig));
}

/* ---- the next definitions ---- */

/* Resolved at the first call, which may come before any constructor. */
#define NEXT(name)                                                                                 \
	({                                                                                         \
		static void *next;                                                                 \
		if (!ui_load_acquire(&next))                                                       \
			ui_store_release(&next, real_symbol(#name));                               \
		(__typeof__(&name))ui_load_relaxed(&next);                                         \
	})

/* Is this call to be passed on as it is? */
static bool straight(void)
{
	return !active || shim_bypass();
}

/* ---- dispositions ---- */

static void actions_lock(sigset_t *mask)
{
	signals_block(mask);
	pthread_mutex_lock(&action_lock);
}

static void actions_unlock(const sigset_t *mask)
{
	pthread_mutex_unlock(&action_lock);
	signals_unblock(mask);
}

/* Pairs with signals_action(): odd while the copy is torn. */
static void action_set_locked(int i, const struct sigaction *act)
{
	ui_fetch_add(&sequence, 1);
	actions[i] = *act;
	ui_fetch_add(&sequence, 1);
}

void signals_action_set(int i, const struct sigaction *act)
{
	sigset_t mask;

	actions_lock(&mask);
	action_set_locked(i, act);
	actions_unlock(&mask);
}

struct sigaction signals_action(int i)
{
	struct sigaction copy;
	uint64_t seq;

	do {
		while ((seq = ui_load_acquire(&sequence)) & 1)
			ui_spin_pause(0);
		copy = *(volatile struct sigaction *)&actions[i];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (ui_load_relaxed(&sequence) != seq);
	return copy;
}

void signals_take_over(void (*handler)(int, siginfo_t *, void *))
{
	struct kernel_action act = {
		.handler = handler,
		/* Deliverable again inside: guarded copies fault on purpose. */
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART | KERNEL_SA_RESTORER,
		.restorer = shim_sigreturn,
		.mask = asynchronous(),
	};
	struct sigaction found;
	sigset_t mask;

	/* Valgrind takes the flag to mean that there is such a stack, and doesn't extend ours. */
	if (valgrind_running())
		act.flags &= ~(unsigned long)SA_ONSTACK;
	actions_lock(&mask);
	if (!ours) {
		/* Known before it can be called. */
		for (int i = 0; i < OURS_MAX && i < signals_managed; i++) {
			/* A sanitizer in between says what the client set, not its own. */
			NEXT(sigaction)(signals_of[i], NULL, &found);
			bits_give(&found.sa_mask, mask_bits[signals_of[i]]);
			action_set_locked(i, &found);
		}
		ui_store_release(&ours, 1);
		for (int i = 0; i < OURS_MAX && i < signals_managed; i++)
			raw_action(signals_of[i], &act, NULL);
	}
	actions_unlock(&mask);
}

typedef int (*action_fn)(int sig, const struct sigaction *act, struct sigaction *old);

static int action_managed(int sig, const struct sigaction *act, struct sigaction *old,
			  action_fn next)
{
	struct sigaction copy = {.sa_flags = 0}, was;
	int i = signals_index(sig), rc = 0;
	uint64_t bits = 0;
	sigset_t mask;

	/* The client's pointers are used outside of the lock. */
	if (act) {
		copy = *act;
		bits = bits_of(&copy.sa_mask);
	}
	actions_lock(&mask);
	if (i >= 0 && ours) {
		was = actions[i];
		if (act)
			action_set_locked(i, &copy);
	} else {
		bits_take(&copy.sa_mask);
		rc = next(sig, act ? &copy : NULL, &was);
		if (!rc) {
			bits_give(&was.sa_mask, mask_bits[sig]);
			if (act)
				ui_store_relaxed(&mask_bits[sig], bits);
		}
	}
	actions_unlock(&mask);
	if (!rc && old)
		*old = was;
	return rc;
}

static int action_change(int sig, const struct sigaction *act, struct sigaction *old,
			 action_fn next)
{
	if (act && is_handler(sig, (const void *)act->sa_handler))
		handle();
	if (straight() || sig < 1 || sig > KERNEL_NSIG)
		return next(sig, act, old);
	/* The usual case is the kernel's alone: a handler, that blocks nothing of ours. */
	if (!(sig_bit(sig) & managed_bits()) && !(act && bits_of(&act->sa_mask)) &&
	    !ui_load_relaxed(&mask_bits[sig]))
		return next(sig, act, old);
	return action_managed(sig, act, old, next);
}

SHIM_EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return action_change(sig, act, old, NEXT(sigaction));
}

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
SHIM_EXPORT int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	return sigaction(sig, act, old);
}

static sighandler_t simple(int sig, sighandler_t handler, int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;

	if (handler == SIG_ERR || sig < 1 || sig > KERNEL_NSIG) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&act.sa_mask);
	if (!(flags & SA_NODEFER))
		sigaddset(&act.sa_mask, sig);
	if (sigaction(sig, &act, &old))
		return SIG_ERR;
	return old.sa_handler;
}

SHIM_EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
	if (is_handler(sig, (const void *)handler))
		handle();
	if (straight() || signals_index(sig) < 0)
		return NEXT(signal)(sig, handler);
	return simple(sig, handler, SA_RESTART);
}

sighandler_t bsd_signal(int sig, sighandler_t handler);
SHIM_EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
{
	return signal(sig, handler);
}

SHIM_EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
	return signal(sig, handler);
}

sighandler_t sysv_signal(int sig, sighandler_t handler);
SHIM_EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	if (is_handler(sig, (const void *)handler))
		handle();
	if (straight() || signals_index(sig) < 0)
		return NEXT(sysv_signal)(sig, handler);
	return simple(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

sighandler_t __sysv_signal(int sig, sighandler_t handler);
SHIM_EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
	return sysv_signal(sig, handler);
}

/* Of System V; libc's own would set the real handlers. */
SHIM_EXPORT int sigignore(int sig)
{
	struct sigaction act = {.sa_handler = SIG_IGN};

	return sigaction(sig, &act, NULL);
}

SHIM_EXPORT sighandler_t sigset(int sig, sighandler_t handler)
{
	struct sigaction act = {.sa_handler = handler}, was;
	bool hold = handler == SIG_HOLD;
	sigset_t set, old;

	sigemptyset(&set);
	if (sigaddset(&set, sig) || sigaction(sig, hold ? NULL : &act, &was) ||
	    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, &old))
		return SIG_ERR;
	return sigismember(&old, sig) == 1 ? SIG_HOLD : was.sa_handler;
}

/* Its end may come in the middle of anything, as a handler does. */
SHIM_EXPORT int pthread_cancel(pthread_t thread)
{
	handle();
	return NEXT(pthread_cancel)(thread);
}

/* ---- masks ---- */

/* A signal that waited comes now. */
static void deliver_pending(void)
{
	for (int i = 0; i < OURS_MAX && i < signals_managed; i++) {
		uint64_t bit = sig_bit(signals_of[i]);

		if (!(signals_pending & bit) || (signals_blocked & bit))
			continue;
		signals_pending &= ~bit;
		raw_queue(signals_of[i], &signals_pending_info[i]);
	}
}

typedef int (*mask_fn)(int how, const sigset_t *set, sigset_t *old);

static int mask_change(int how, const sigset_t *set, sigset_t *old, mask_fn next)
{
	uint64_t was = signals_blocked, bits;
	sigset_t copy;
	int rc;

	if (straight())
		return next(how, set, old);
	if (!set || !(bits_of(set) | was)) {
		rc = next(how, set, old);
	} else {
		copy = *set;
		bits = bits_of(&copy);
		bits_take(&copy);
		rc = next(how, &copy, old);
		if (!rc && how == SIG_BLOCK)
			signals_blocked |= bits;
		else if (!rc && how == SIG_UNBLOCK)
			signals_blocked &= ~bits;
		else if (!rc)
			signals_blocked = bits;
	}
	if (!rc && old)
		bits_give(old, was);
	if (shim_unlikely(signals_pending))
		deliver_pending();
	return rc;
}

SHIM_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_change(how, set, old, NEXT(sigprocmask));
}

SHIM_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return mask_change(how, set, old, NEXT(pthread_sigmask));
}

/* The old BSD ones: a mask of the first 32 signals. */
static int bsd_mask(int how, int mask)
{
	sigset_t set, old;
	int result = 0;

	sigemptyset(&set);
	for (int sig = 1; sig < 32; sig++)
		if (mask & (1 << (sig - 1)))
			sigaddset(&set, sig);
	if (sigprocmask(how, &set, &old))
		return -1;
	for (int sig = 1; sig < 32; sig++)
		if (sigismember(&old, sig) == 1)
			result |= 1 << (sig - 1);
	return result;
}

SHIM_EXPORT int sigblock(int mask)
{
	return bsd_mask(SIG_BLOCK, mask);
}

SHIM_EXPORT int sigsetmask(int mask)
{
	return bsd_mask(SIG_SETMASK, mask);
}

static int one_mask(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sigaddset(&set, sig))
		return -1;
	return sigprocmask(how, &set, NULL);
}

SHIM_EXPORT int sighold(int sig)
{
	return one_mask(SIG_BLOCK, sig);
}

SHIM_EXPORT int sigrelse(int sig)
{
	return one_mask(SIG_UNBLOCK, sig);
}

/*
 * Calls that wait under another mask.  During the wait no instruction of the
 * client runs, so only what is real matters.
 */
static const sigset_t *filtered(const sigset_t *set, sigset_t *copy)
{
	if (!set || straight())
		return set;
	*copy = *set;
	bits_take(copy);
	return copy;
}

SHIM_EXPORT int sigsuspend(const sigset_t *set)
{
	sigset_t copy;

	return NEXT(sigsuspend)(filtered(set, &copy));
}

int __sigsuspend(const sigset_t *set);
SHIM_EXPORT int __sigsuspend(const sigset_t *set)
{
	return sigsuspend(set);
}

/* By a mask of the first 32, or without one signal. */
int __sigpause(int sig_or_mask, int is_sig);
SHIM_EXPORT int __sigpause(int sig_or_mask, int is_sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (is_sig) {
		sigprocmask(SIG_BLOCK, NULL, &set);
		if (sigdelset(&set, sig_or_mask))
			return -1;
	}
	for (int sig = 1; sig < 32 && !is_sig; sig++) {
		if (sig_or_mask & (1 << (sig - 1)))
			sigaddset(&set, sig);
	}
	return sigsuspend(&set);
}

int sigpause_mask(int mask) __asm__("sigpause");
SHIM_EXPORT int sigpause_mask(int mask)
{
	return __sigpause(mask, 0);
}

int __xpg_sigpause(int sig);
SHIM_EXPORT int __xpg_sigpause(int sig)
{
	return __sigpause(sig, 1);
}

SHIM_EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		      const sigset_t *set)
{
	sigset_t copy;

	return NEXT(ppoll)(fds, n, timeout, filtered(set, &copy));
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *set,
		size_t size);
SHIM_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
			    const sigset_t *set, size_t size)
{
	sigset_t copy;

	return NEXT(__ppoll_chk)(fds, n, timeout, filtered(set, &copy), size);
}

SHIM_EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
			const sigset_t *set)
{
	sigset_t copy;

	return NEXT(pselect)(n, r, w, x, timeout, filtered(set, &copy));
}

SHIM_EXPORT int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout,
			    const sigset_t *set)
{
	sigset_t copy;

	return NEXT(epoll_pwait)(fd, events, max, timeout, filtered(set, &copy));
}

SHIM_EXPORT int epoll_pwait2(int fd, struct epoll_event *events, int max,
			     const struct timespec *timeout, const sigset_t *set)
{
	sigset_t copy;

	return NEXT(epoll_pwait2)(fd, events, max, timeout, filtered(set, &copy));
}

SHIM_EXPORT int pthread_attr_setsigmask_np(pthread_attr_t *attr, const sigset_t *set)
{
	sigset_t copy;

	return NEXT(pthread_attr_setsigmask_np)(attr, filtered(set, &copy));
}

/* movdir64b is an undefined instruction here: trap.c does it in SIGILL. */
static bool lacks_direct_stores(void)
{
	unsigned int a, b, c, d;

	return !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(c & CPUID_7_ECX_MOVDIR64B);
}

/* A mask inherited through exec is the client's wish, too. */
void signals_init(bool on)
{
	uint64_t set, old = 0;

	active = on;
	if (!on)
		return;
	signals_managed = lacks_direct_stores() ? OURS_MAX : OURS_MAX - 1;
	set = managed_bits();
	raw_mask(SIG_UNBLOCK, &set, &old);
	signals_blocked = old & set;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client sets it reads back, and the kernel never blocks SIGSEGV or SIGBUS.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "signals.h"
#include "trap.h"
#include "valgrind.h"

static struct fake fake;
static volatile uint32_t *bar;

static uint64_t real_mask(void)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	return mask;
}

static bool really(int sig)
{
	return real_mask() & (1ull << (sig - 1));
}

/* Traps in the state that it is called in. */
static void works(void)
{
	static uint32_t n;

	bar[2] = ++n;
	assert_int_equal(bar[2], n);
}

static void test_masks(void **arg)
{
	sigset_t all, old, one;

	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, &old), 0);
	assert_int_equal(sigismember(&old, SIGSEGV), 0);
	assert_false(really(SIGSEGV));
	assert_false(really(SIGBUS));
	assert_true(really(SIGUSR1));
	works();
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &one), 0);
	assert_int_equal(sigismember(&one, SIGSEGV), 1);
	assert_int_equal(sigismember(&one, SIGBUS), 1);
	assert_int_equal(sigismember(&one, SIGUSR1), 1);
	sigemptyset(&one);
	sigaddset(&one, SIGBUS);
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &one, NULL), 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, &one), 0);
	assert_int_equal(sigismember(&one, SIGSEGV), 1);
	assert_int_equal(sigismember(&one, SIGBUS), 0);
	sigprocmask(SIG_BLOCK, NULL, &one);
	assert_int_equal(sigismember(&one, SIGSEGV), 0);
	assert_int_equal(sigismember(&one, SIGUSR1), 0);
	assert_int_equal(pthread_sigmask(12345, &all, NULL), EINVAL);
	sigprocmask(SIG_BLOCK, NULL, &one);
	assert_int_equal(sigismember(&one, SIGSEGV), 0);
}

static volatile sig_atomic_t hits, last_sig, inside_real;
static void *volatile last_sender;

static void note(int sig, siginfo_t *info, void *context)
{
	hits++;
	last_sig = sig;
	last_sender = info->si_ptr;
	inside_real = really(SIGSEGV) || really(SIGBUS);
	/* A device access in any handler. */
	bar[0] += 1;
}

static void test_handler_masks(void **arg)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO}, old;

	sigfillset(&act.sa_mask);
	hits = 0;
	assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
	raise(SIGUSR1);
	assert_int_equal(hits, 1);
	assert_int_equal(inside_real, 0);
	assert_int_equal(sigaction(SIGUSR1, NULL, &old), 0);
	assert_ptr_equal(old.sa_sigaction, note);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 1);
	assert_int_equal(sigismember(&old.sa_mask, SIGBUS), 1);
	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, &old);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 1);
	sigaction(SIGUSR1, NULL, &old);
	assert_int_equal(sigismember(&old.sa_mask, SIGSEGV), 0);
	signal(SIGUSR1, SIG_DFL);
}

static void plain(int sig)
{
	hits++;
}

static void test_dispositions(void **arg)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART}, old;

	sigemptyset(&act.sa_mask);
	sigaddset(&act.sa_mask, SIGUSR2);
	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
	assert_int_equal(sigaction(SIGSEGV, NULL, &old), 0);
	assert_ptr_equal(old.sa_sigaction, note);
	assert_int_equal(old.sa_flags, SA_SIGINFO | SA_RESTART);
	assert_int_equal(sigismember(&old.sa_mask, SIGUSR2), 1);
	assert_ptr_equal(signal(SIGSEGV, plain), note);
	assert_ptr_equal(signal(SIGSEGV, SIG_IGN), plain);
	raise(SIGSEGV);
	assert_ptr_equal(signal(SIGSEGV, SIG_DFL), SIG_IGN);
	assert_ptr_equal(signal(SIGSEGV, SIG_DFL), SIG_DFL);
	assert_ptr_equal(signal(-1, SIG_DFL), SIG_ERR);
	assert_int_equal(sigaction(1000, NULL, &old), -1);
	works();
}

static void test_sent(void **arg)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO}, old;
	union sigval value = {.sival_ptr = &act};
	sigset_t set;

	/* It keeps such a signal for later. */
	if (valgrind_running())
		skip();
	sigemptyset(&act.sa_mask);
	sigaction(SIGBUS, &act, NULL);
	hits = 0;
	assert_int_equal(sigqueue(getpid(), SIGBUS, value), 0);
	assert_int_equal(hits, 1);
	assert_int_equal(last_sig, SIGBUS);
	assert_ptr_equal(last_sender, &act);
	/* A blocked one waits. */
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGBUS, value);
	assert_int_equal(hits, 1);
	works();
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	assert_int_equal(hits, 2);
	assert_ptr_equal(last_sender, &act);
	/* Once only. */
	act.sa_flags |= (int)SA_RESETHAND;
	sigaction(SIGBUS, &act, NULL);
	raise(SIGBUS);
	assert_int_equal(hits, 3);
	sigaction(SIGBUS, NULL, &old);
	assert_ptr_equal(old.sa_handler, SIG_DFL);
}

/* Skips the instruction "movl $1, (%rax)". */
static void skip_store(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	hits++;
	uc->uc_mcontext.gregs[REG_RIP] += 6;
	errno = EXDEV;
}

static void test_return(void **arg)
{
	struct sigaction act = {.sa_sigaction = skip_store, .sa_flags = SA_SIGINFO};
	uint8_t *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigemptyset(&act.sa_mask);
	sigaction(SIGSEGV, &act, NULL);
	hits = 0;
	errno = 0;
	for (int i = 0; i < 20; i++)
		__asm__ volatile("movl $1, (%0)" : : "a"(none) : "memory");
	assert_int_equal(hits, 20);
	assert_int_equal(errno, EXDEV);
	signal(SIGSEGV, SIG_DFL);
	munmap(none, 4096);
}

static sigjmp_buf jump;

static void jump_out(int sig)
{
	siglongjmp(jump, 1);
}

/* Without SA_NODEFER, again and again: siglongjmp() gives the mask back. */
static void test_longjmp(void **arg)
{
	uint8_t *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int caught = 0;

	signal(SIGSEGV, jump_out);
	for (volatile int i = 0; i < 50; i++) {
		if (!sigsetjmp(jump, i % 2))
			*(volatile uint8_t *)none = 1;
		else
			caught++;
		works();
	}
	assert_int_equal(caught, 50);
	signal(SIGSEGV, SIG_DFL);
	munmap(none, 4096);
}

/* ---- waiting under another mask ---- */

static void alarm_me(void)
{
	struct timespec soon = {.tv_nsec = 20000000};
	pid_t pid = getpid();

	if (!fork()) {
		nanosleep(&soon, NULL);
		kill(pid, SIGUSR1);
		_exit(0);
	}
}

static void test_waits(void **arg)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	struct timespec long_time = {.tv_sec = 20};
	struct epoll_event event;
	sigset_t most, usr1;
	int ep = epoll_create1(0);

	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	sigfillset(&most);
	sigdelset(&most, SIGUSR1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	hits = 0;
	for (int i = 0; i < 4; i++) {
		int rc = 0;

		alarm_me();
		errno = 0;
		/* note() accesses the device under the mask of the wait and its own. */
		if (i == 0)
			rc = sigsuspend(&most);
		else if (i == 1)
			rc = ppoll(NULL, 0, &long_time, &most);
		else if (i == 2)
			rc = pselect(0, NULL, NULL, NULL, &long_time, &most);
		else
			rc = epoll_pwait(ep, &event, 1, 20000, &most);
		assert_int_equal(rc, -1);
		assert_int_equal(errno, EINTR);
		assert_int_equal(hits, i + 1);
		assert_int_equal(inside_real, 0);
		wait(NULL);
	}
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	signal(SIGUSR1, SIG_DFL);
	close(ep);
}

static void *thread(void *arg)
{
	assert_false(really(SIGSEGV));
	assert_true(really(SIGUSR2));
	works();
	return arg;
}

static void test_threads(void **arg)
{
	pthread_attr_t attr;
	pthread_t t;
	sigset_t all, old;
	void *rc;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	pthread_create(&t, NULL, thread, &fake);
	pthread_join(t, &rc);
	assert_ptr_equal(rc, &fake);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setsigmask_np(&attr, &all);
	pthread_create(&t, &attr, thread, &fake);
	pthread_join(t, &rc);
	assert_ptr_equal(rc, &fake);
	pthread_attr_destroy(&attr);
}

static uint32_t ready;

static void *looping(void *arg)
{
	uint32_t n = 0;

	ui_store_relaxed(&ready, 1);
	while (ui_load_relaxed(&ready))
		bar[4] = n++;
	return NULL;
}

/* Signals of the client's come between accesses, not within. */
static void test_storm(void **arg)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	pthread_t t;

	sigemptyset(&act.sa_mask);
	sigaction(SIGUSR1, &act, NULL);
	hits = 0;
	ui_store_relaxed(&ready, 0);
	bar[0] = 0;
	pthread_create(&t, NULL, looping, NULL);
	while (!ui_load_relaxed(&ready))
		sched_yield();
	for (int i = 0; i < 300; i++) {
		sig_atomic_t before = hits;

		pthread_kill(t, SIGUSR1);
		while (hits == before)
			sched_yield();
	}
	ui_store_relaxed(&ready, 0);
	pthread_join(t, NULL);
	assert_int_equal(hits, 300);
	/* The last note() may not have counted yet when it was seen; by now it has. */
	assert_int_equal(bar[0], 300);
	signal(SIGUSR1, SIG_DFL);
}

static int setup(void **arg)
{
	struct sigaction found = {.sa_handler = plain, .sa_flags = SA_NODEFER}, old;
	void *out;

	signals_init(true);
	/* Installed before ours: known when ours come, and given back. */
	sigemptyset(&found.sa_mask);
	sigaddset(&found.sa_mask, SIGBUS);
	sigaction(SIGSEGV, &found, NULL);
	trap_init();
	trap_init();
	sigaction(SIGSEGV, NULL, &old);
	if (old.sa_handler != plain || !(old.sa_flags & SA_NODEFER) ||
	    sigismember(&old.sa_mask, SIGBUS) != 1)
		return -1;
	hits = 0;
	raise(SIGSEGV);
	if (hits != 1)
		return -1;
	fake_init(&fake);
	if (trap_map(&fake.mapping, NULL, FAKE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, &out))
		return -1;
	bar = out;
	return 0;
}

static int before(void **arg)
{
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_masks, before),
		cmocka_unit_test_setup(test_handler_masks, before),
		cmocka_unit_test_setup(test_dispositions, before),
		cmocka_unit_test_setup(test_sent, before),
		cmocka_unit_test_setup(test_return, before),
		cmocka_unit_test_setup(test_longjmp, before),
		cmocka_unit_test_setup(test_waits, before),
		cmocka_unit_test_setup(test_threads, before),
		cmocka_unit_test_setup(test_storm, before),
	};

#ifdef __SANITIZE_THREAD__
	/* It is between the client and us, and holds signals back. */
	return 77;
#endif
	return cmocka_run_group_tests(tests, setup, NULL);
}

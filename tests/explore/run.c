// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/run.c - one run: the threads of a scenario as coroutines
 *
 * Only one of them runs at a time, and it goes on until a point: the place
 * before an operation of base/sync.h (see hooks.h) or before a plain access to
 * memory that may be freed.  There the chooser says who takes the next step.
 * So a run is determined by the choices, and can be had again.
 *
 * A thread can't be chosen while it waits for a mutex that is held, for a wake-up,
 * or, in a loop that spins, for a store by somebody else.  If none can be, that is a
 * deadlock.  (A wake-up may come without reason, but nobody can rely on that.)
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explore/explore.h"

#if !defined(__x86_64__)
#error "the coroutines are written for x86-64"
#endif

#define STACK_SIZE (64u << 10)
#define DRIVER (-1)

/*
 * What keeps it from running:
 *  lock	it wants this mutex
 *  cond	it waits for this one, and then wants lock
 *  spins	until stores is no longer what it was at the pause
 */
struct thread {
	void *sp;
	void (*fn)(void);
	bool started;
	bool done;
	struct ui_mutex *lock;
	struct ui_cond *cond;
	bool spins;
	uint64_t pause;
	bool plain_done; /* a plain access was a point since the last operation */
};

struct ex_run ex_run;

static char stacks[EX_THREADS][STACK_SIZE] __attribute__((aligned(64)));
static struct thread threads[EX_THREADS];
static int nr_threads;
static int current = DRIVER;
static bool concurrent;
static uint64_t stores;
static void *driver_sp;
static ex_chooser chooser;

/* ---- coroutines ---- */

/* Saves the registers that a function must keep, and goes on where sp was saved. */
void ex_switch(void **save, void *sp);
__asm__(".text\n"
	".globl ex_switch\n"
	".type ex_switch, @function\n"
	"ex_switch:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size ex_switch, .-ex_switch\n");

static void switch_to(int next)
{
	void **save = current == DRIVER ? &driver_sp : &threads[current].sp;
	void *sp = next == DRIVER ? driver_sp : threads[next].sp;

	if (next == current)
		return;
	current = next;
	ex_switch(save, sp);
}

static int choose_next(void);

static void thread_main(void)
{
	struct thread *thread = &threads[current];

	ex_note(EX_START, NULL, EX_HERE("start"))->point = true;
	thread->fn();
	thread->done = true;
	ex_note(EX_END, NULL, EX_HERE("end"));
	switch_to(concurrent ? choose_next() : DRIVER);
	__builtin_unreachable();
}

static void thread_make(int nr, void (*fn)(void))
{
	struct thread *thread = &threads[nr];
	void **sp = (void **)(void *)(stacks[nr] + STACK_SIZE);

	memset(thread, 0, sizeof(*thread));
	thread->fn = fn;
	/* As if thread_main had been called: its frame is aligned as the ABI wants. */
	*--sp = NULL;
	*--sp = (void *)thread_main;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	thread->sp = sp;
}

/* ---- failure ---- */

void ex_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ex_run.why, sizeof(ex_run.why), fmt, args);
	va_end(args);
	ex_run.failed = true;
	/* The others stay where they are; nothing of this run is used again. */
	switch_to(DRIVER);
	__builtin_unreachable();
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	if (current == DRIVER) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	if (sig == SIGABRT)
		ex_fail("aborted");
	ex_fail("signal %d at address %p", sig, info->si_addr);
}

static void catch_signals(void)
{
	static char stack[64 << 10];
	static bool once;
	const stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};

	if (once)
		return;
	once = true;
	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGABRT, &sa, NULL);
}

/* ---- points ---- */

int ex_self(void)
{
	return current == DRIVER ? 0 : current;
}

bool ex_threads_run(void)
{
	return concurrent;
}

struct ex_step *ex_note(enum ex_op op, const void *addr, const struct ex_where *where)
{
	struct ex_step *step = &ex_run.steps[ex_run.nr_steps];

	if (!concurrent) {
		static struct ex_step ignored;

		return &ignored;
	}
	if (ex_run.nr_steps == EX_STEPS - 1)
		ex_fail("no end after %d steps", EX_STEPS);
	ex_run.nr_steps++;
	*step = (struct ex_step){.thread = current, .op = op, .where = where, .addr = addr};
	return step;
}

static bool can_run(const struct thread *thread)
{
	if (thread->done || thread->cond || (thread->lock && thread->lock->holder))
		return false;
	return !thread->spins || stores != thread->pause;
}

static void deadlock(void)
{
	char text[256] = "";
	size_t length = 0;

	for (int i = 1; i < nr_threads && length < sizeof(text); i++) {
		const struct thread *thread = &threads[i];

		if (thread->done)
			continue;
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s thread %d waits %s", length ? "," : "", i,
					   thread->cond ? "to be woken" :
					   thread->lock ? "for a mutex" :
							  "for a store");
	}
	ex_fail("deadlock:%s", text);
}

/* DRIVER if all are done. */
static int choose_next(void)
{
	int choices[EX_THREADS];
	bool goes_on = current != DRIVER && can_run(&threads[current]);
	int first = current == DRIVER ? 1 : current;
	unsigned int n = 0, free, index;
	bool all_done = true;

	for (int i = 0; i < nr_threads - 1; i++) {
		int nr = 1 + (first - 1 + i) % (nr_threads - 1);

		all_done = all_done && threads[nr].done;
		if (can_run(&threads[nr]))
			choices[n++] = nr;
	}
	if (all_done)
		return DRIVER;
	if (!n)
		deadlock();
	free = goes_on ? 1 : n;
	/* Conditions wake up without reason at times. */
	for (int nr = 1; nr < nr_threads; nr++)
		if (threads[nr].cond && !threads[nr].lock->holder)
			choices[n++] = nr;

	index = chooser(choices, n, free);
	if (index >= free)
		ex_run.preemptions++;
	threads[choices[index]].cond = NULL;
	return choices[index];
}

/* The thread is about to do something that others may notice, or can't go on. */
static void point(void)
{
	if (!concurrent)
		return;
	switch_to(choose_next());
	threads[current].plain_done = false;
}

static void stored(void)
{
	stores++;
}

void ex_plain_point(enum ex_op op, const void *addr, const void *pc)
{
	struct thread *thread = &threads[ex_self()];
	struct ex_step *step;

	if (concurrent && !thread->plain_done) {
		point();
		thread->plain_done = true;
		step = ex_note(op, addr, NULL);
		step->point = true;
	} else {
		struct ex_block *block = ex_block_of(addr);

		if (!block->freed)
			return;
		step = ex_note(op, addr, NULL);
	}
	step->pc = pc;
}

/* ---- operations ---- */

static struct ex_step *operation(enum ex_op op, const void *p, const struct ex_where *where)
{
	struct ex_step *step;

	point();
	step = ex_note(op, p, where);
	step->point = true;
	ex_check_alive(p, where->what);
	return step;
}

static uint64_t get_word(const void *p, unsigned int size)
{
	uint64_t value = 0;

	memcpy(&value, p, size);
	return value;
}

uint64_t ex_load(const void *p, unsigned int size, const struct ex_where *where)
{
	struct ex_step *step = operation(EX_LOAD, p, where);

	step->result = get_word(p, size);
	return step->result;
}

void ex_store(void *p, unsigned int size, uint64_t value, const struct ex_where *where)
{
	struct ex_step *step = operation(EX_STORE, p, where);

	step->value = value;
	memcpy(p, &value, size);
	stored();
}

uint64_t ex_xchg(void *p, unsigned int size, uint64_t value, const struct ex_where *where)
{
	struct ex_step *step = operation(EX_XCHG, p, where);

	step->value = value;
	step->result = get_word(p, size);
	memcpy(p, &value, size);
	stored();
	return step->result;
}

uint64_t ex_add(void *p, unsigned int size, uint64_t value, const struct ex_where *where)
{
	struct ex_step *step = operation(EX_ADD, p, where);
	uint64_t sum;

	step->value = value;
	step->result = get_word(p, size);
	sum = step->result + value;
	memcpy(p, &sum, size);
	stored();
	return step->result;
}

bool ex_cmpxchg(void *p, void *old, unsigned int size, uint64_t value, const struct ex_where *where)
{
	struct ex_step *step = operation(EX_CMPXCHG, p, where);

	step->value = value;
	step->result = get_word(p, size);
	step->failed = step->result != get_word(old, size);
	if (step->failed) {
		memcpy(old, &step->result, size);
		return false;
	}
	memcpy(p, &value, size);
	stored();
	return true;
}

void ex_pause(const struct ex_where *where)
{
	struct thread *thread = &threads[ex_self()];

	if (!concurrent)
		ex_fail("%s:%d spins with nobody to wait for", where->func, where->line);
	thread->spins = true;
	thread->pause = stores;
	operation(EX_PAUSE, NULL, where);
	thread->spins = false;
}

/* ---- mutexes and conditions ---- */

static void lock_point(struct ui_mutex *m)
{
	struct thread *thread = &threads[ex_self()];

	thread->lock = m;
	point();
	thread->lock = NULL;
}

void ex_lock(struct ui_mutex *m, const struct ex_where *where)
{
	ex_check_alive(m, where->what);
	lock_point(m);
	ex_note(EX_LOCK, m, where)->point = true;
	ex_check_alive(m, where->what);
	if (m->holder)
		ex_fail("%s:%d locks %s, which it holds already", where->func, where->line,
			where->what);
	m->holder = ex_self() + 1;
	stored();
}

void ex_assert_held(const struct ui_mutex *m, const struct ex_where *where)
{
	ex_check_alive(m, where->what);
	if (m->holder != ex_self() + 1)
		ex_fail("%s:%d: %s is not held", where->func, where->line, where->what);
}

void ex_unlock(struct ui_mutex *m, const struct ex_where *where)
{
	ex_assert_held(m, where);
	ex_note(EX_UNLOCK, m, where);
	m->holder = 0;
	stored();
}

void ex_mutex_destroy(struct ui_mutex *m, const struct ex_where *where)
{
	ex_check_alive(m, where->what);
	if (m->holder)
		ex_fail("%s:%d destroys %s, which is held", where->func, where->line, where->what);
}

void ex_wait(struct ui_cond *c, struct ui_mutex *m, const struct ex_where *where)
{
	struct thread *thread = &threads[ex_self()];

	ex_assert_held(m, where);
	if (!concurrent)
		ex_fail("%s:%d waits with nobody to wake it", where->func, where->line);
	ex_note(EX_WAIT, c, where);
	m->holder = 0;
	stored();
	thread->cond = c;
	lock_point(m);
	ex_note(EX_WOKEN, c, where)->point = true;
	ex_check_alive(m, where->what);
	m->holder = ex_self() + 1;
	stored();
}

void ex_wake(struct ui_cond *c, const struct ex_where *where)
{
	ex_check_alive(c, where->what);
	ex_note(EX_WAKE, c, where);
	for (int i = 1; i < nr_threads; i++)
		if (threads[i].cond == c)
			threads[i].cond = NULL;
	stored();
}

/* ---- a run ---- */

extern char __start_ui_per_thread[], __stop_ui_per_thread[];

/* Setup and finish, on a stack of their own, so that they can fail as well. */
static bool run_alone(void (*fn)(void))
{
	if (!fn || ex_run.failed)
		return !ex_run.failed;
	thread_make(0, fn);
	switch_to(0);
	return !ex_run.failed;
}

bool ex_run_once(const struct scenario *scenario, ex_chooser choose)
{
	catch_signals();
	ex_memory_reset();
	memset(__start_ui_per_thread, 0, (size_t)(__stop_ui_per_thread - __start_ui_per_thread));
	ex_run.nr_steps = 0;
	ex_run.preemptions = 0;
	ex_run.failed = false;
	stores = 0;
	chooser = choose;

	if (!run_alone(scenario->setup))
		return false;

	for (nr_threads = 1; scenario->threads[nr_threads - 1]; nr_threads++)
		thread_make(nr_threads, scenario->threads[nr_threads - 1]);
	concurrent = true;
	switch_to(choose_next());
	concurrent = false;

	run_alone(scenario->finish);
	if (!ex_run.failed)
		run_alone(ex_check_leaks);
	return !ex_run.failed;
}

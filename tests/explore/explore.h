/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explore/explore.h - the explorer's own parts, and what a scenario is
 *
 *	memory.c	blocks that are kept after they were freed
 *	run.c		one run: coroutines, points, what a schedule is
 *	search.c	many runs: which schedules, in which order
 *	print.c		a run as columns of steps
 *	plain.c		loads and stores that are no operation of base/sync.h
 *	rig.c		an instance with a device, handles that know who they are
 */
#ifndef EXPLORE_EXPLORE_H
#define EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sync.h"

/* ---- scenarios ---- */

/**
 * struct scenario - threads that meet
 * @name: for the command line
 * @summary: one line
 * @broken: something in it is wrong on purpose: the explorer must find it
 * @bound: how many preemptions are explored at most
 * @setup: before the threads, alone
 * @threads: run against each other; NULL ends them
 * @names: of the threads, for the columns
 * @finish: after the threads, alone; what was made must be unmade
 *
 * Runs must be the same each time but for the schedule.
 */
struct scenario {
	const char *name;
	const char *summary;
	bool broken;
	unsigned int bound;
	void (*setup)(void);
	void (*threads[EX_THREADS])(void);
	const char *names[EX_THREADS - 1];
	void (*finish)(void);
};

extern const struct scenario *const scenarios[]; /* ends with NULL */

/* For scenarios: the run has failed if it isn't true. */
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ex_fail("%s:%d: not true: %s", __func__, __LINE__, #cond);                 \
	} while (0)

void ex_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- memory.c ---- */

/* A block of a run.  Its site is where it was allocated. */
struct ex_block {
	char *start;
	size_t size;
	bool freed;
	const struct ex_where *site;
	const struct ex_where *freed_at;
	int freed_by;
	unsigned int nr; /* of its site, from 1 */
};

void ex_memory_reset(void);
/* NULL: no block's. */
struct ex_block *ex_block_of(const void *p);
/* Fails the run if p was freed. */
void ex_check_alive(const void *p, const char *what);
void ex_check_leaks(void);

/*
 * Sites whose blocks are freed while threads run.  Only with those is it worth a
 * point to reach them by a plain load or store.  Learned on the way: true if
 * the site is new, and the search must start anew.
 */
bool ex_site_is_hot(const struct ex_where *site);
void ex_sites_clear(void);
void ex_site_heat(const struct ex_where *site);
bool ex_site_heat_by_name(const char *func, int line);
size_t ex_sites_print(char *buf, size_t size);
extern bool ex_sites_grew;

/* ---- run.c ---- */

enum ex_op {
	EX_LOAD,
	EX_STORE,
	EX_XCHG,
	EX_ADD,
	EX_CMPXCHG,
	EX_LOCK,
	EX_UNLOCK,
	EX_WAIT,
	EX_WOKEN,
	EX_WAKE,
	EX_PAUSE,
	EX_ALLOC,
	EX_FREE,
	EX_READ,
	EX_WRITE,
	EX_START,
	EX_END,
};

/* One line of a run's account. */
struct ex_step {
	int thread;
	enum ex_op op;
	bool point;
	const struct ex_where *where; /* or: */
	const void *pc;
	const void *addr;
	uint64_t value;
	uint64_t result;
	bool failed; /* a cmpxchg */
};

#define EX_STEPS 4096

struct ex_run {
	struct ex_step steps[EX_STEPS];
	unsigned int nr_steps;
	unsigned int preemptions;
	bool failed;
	char why[512];
};

extern struct ex_run ex_run;

/*
 * Which thread runs next?  choices[0..n-1], of which the first free ones cost
 * nothing.  The others are preemptions: the running thread could go on, or the one
 * chosen was not woken.  Returns an index.
 */
typedef unsigned int (*ex_chooser)(const int *choices, unsigned int n, unsigned int free);

/* One schedule, from setup to finish; true if it held. */
bool ex_run_once(const struct scenario *scenario, ex_chooser choose);
/* The step is remembered; true if the caller's thread is one of the scenario's. */
struct ex_step *ex_note(enum ex_op op, const void *addr, const struct ex_where *where);
/*
 * A plain load or store, at pc, of a block that may be freed: a point, if it is
 * the first one since the thread's last operation.  (If something is freed
 * between two of them, it can as well be freed before the first.)
 */
void ex_plain_point(enum ex_op op, const void *addr, const void *pc);
/* Threads of the scenario are running. */
bool ex_threads_run(void);

/* ---- search.c ---- */

struct ex_result {
	uint64_t schedules;
	unsigned int bound; /* the last one that was begun */
	bool complete;	    /* all of it was seen */
	bool failed;	    /* then ex_run tells */
};

/* All schedules with at most min_bound preemptions, then with one more, up to max_bound. */
void ex_search(const struct scenario *scenario, unsigned int min_bound, unsigned int max_bound,
	       double deadline, struct ex_result *result);
/* What a deadline is measured by, in seconds. */
double ex_now(void);
/* -EINVAL: malformed. */
int ex_replay(const struct scenario *scenario, const char *schedule, struct ex_result *result);

/* ---- print.c ---- */

/* brief.c: of a failing run of two threads, the steps that tell the story. */
void ex_print_brief(const struct scenario *scenario);
void ex_print_run(const struct scenario *scenario);
void ex_print_schedule(const struct scenario *scenario);

#endif /* EXPLORE_EXPLORE_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/search.c - which schedules, and in which order
 *
 * Depth first through the choices, with at most so many preemptions: taking the
 * processor from a thread that could go on, or waking one without reason.  First
 * with none, then with one, and so on: most races need few, and the first schedule
 * that fails has the fewest that will do.  Choices that aren't preemptions (somebody blocked or ended) are
 * all tried at each bound.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "explore/explore.h"

#define DEPTH EX_STEPS

struct choice {
	uint8_t n;
	uint8_t taken;
};

/* The choices of the run, and how many of them the run is to repeat. */
static struct choice choices[DEPTH];
static unsigned int nr_choices;
static unsigned int next_choice;
static unsigned int bound;

static unsigned int choose_searching(const int *threads, unsigned int n, unsigned int free)
{
	struct choice *choice;

	if (ex_run.preemptions == bound)
		n = free;
	if (n == 1)
		return 0;
	if (next_choice == DEPTH)
		ex_fail("no end after %d choices", DEPTH);
	choice = &choices[next_choice++];
	if (next_choice > nr_choices) {
		*choice = (struct choice){.n = (uint8_t)n};
		nr_choices = next_choice;
	}
	return choice->taken;
}

/* The next run differs in the last choice that has something left; false: none. */
static bool backtrack(void)
{
	while (nr_choices) {
		struct choice *last = &choices[nr_choices - 1];

		if (++last->taken < last->n)
			return true;
		nr_choices--;
	}
	return false;
}

double ex_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* All schedules of one bound; true if all were seen and none failed. */
static bool search_bound(const struct scenario *scenario, double deadline, uint64_t *schedules,
			 struct ex_result *result)
{
	nr_choices = 0;
	*schedules = 0;
	do {
		next_choice = 0;
		++*schedules;
		if (!ex_run_once(scenario, choose_searching)) {
			result->failed = true;
			return false;
		}
		if (ex_sites_grew)
			return false;
		if (*schedules % 64 == 0 && ex_now() > deadline)
			return false;
	} while (backtrack());
	return true;
}

void ex_search(const struct scenario *scenario, unsigned int min_bound, unsigned int max_bound,
	       double deadline, struct ex_result *result)
{
	uint64_t schedules;

	ex_sites_clear();
	*result = (struct ex_result){0};
	for (bound = min_bound; bound <= max_bound; bound++) {
		bool complete;

		ex_sites_grew = false;
		complete = search_bound(scenario, deadline, &schedules, result);
		/* Those of the lower bounds are among them. */
		if (schedules > result->schedules)
			result->schedules = schedules;
		result->bound = bound;
		if (result->failed)
			return;
		if (ex_sites_grew) {
			/* There are points that we didn't have: from the start. */
			result->schedules = 0;
			bound = min_bound - 1;
			continue;
		}
		if (!complete)
			return;
	}
	result->complete = true;
}

/* ---- replay ---- */

static const char *replay_at;
static unsigned int replay_left;
static int replay_thread;

/* "1x5 2x3 ...", the thread and how many points it passes. */
static unsigned int choose_replaying(const int *threads, unsigned int n, unsigned int free)
{
	while (!replay_left) {
		int length = 0;

		if (sscanf(replay_at, " %dx%u%n", &replay_thread, &replay_left, &length) < 2)
			return 0; /* it ends here: go on without preemptions */
		replay_at += length;
	}
	replay_left--;
	for (unsigned int i = 0; i < n; i++)
		if (threads[i] == replay_thread)
			return i;
	ex_fail("the schedule runs thread %d, which can't", replay_thread);
}

static unsigned int choose_first(const int *threads, unsigned int n, unsigned int free)
{
	return 0;
}

int ex_replay(const struct scenario *scenario, const char *schedule, struct ex_result *result)
{
	const char *sites = strchr(schedule, '@');
	char func[128];
	int line, length;

	*result = (struct ex_result){.schedules = 1};
	/* Makes the blocks known, by whose names the sites are found. */
	ex_sites_clear();
	ex_run_once(scenario, choose_first);
	ex_sites_clear();
	while (sites && sscanf(sites, "%*[@,]%127[^:]:%d%n", func, &line, &length) == 2) {
		if (!ex_site_heat_by_name(func, line))
			return -EINVAL;
		sites += length;
	}
	replay_at = schedule;
	replay_left = 0;
	result->failed = !ex_run_once(scenario, choose_replaying);
	result->bound = ex_run.preemptions;
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/main.c - explore [--list] [--scenario NAME] [--bound N] [--seconds N] [--replay S]
 *	[--story]
 *
 * First each scenario up to the bound that it names; with --seconds then again
 * with one preemption more, and so on, while there is time.
 *
 * Exit status: 0 if what is right held and what is wrong on purpose was found;
 * 1 if not; 2 for a wrong command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "explore/explore.h"
#include "explore/scenarios.h"

const struct scenario *const scenarios[] = {
	&scn_get_detach,
	&scn_get_get_detach,
	&scn_get_attach,
	&scn_get_replace,
	&scn_get_get_replace,
	&scn_get_settle,
	&scn_get_other_owner,
	&scn_get_recycled,
	&scn_detach_detach,
	&scn_detach_stale,
	&scn_attach_attach,
	&scn_wait_detached,
	&scn_domain,
	&scn_report_detach,
	&scn_report_keep_detach,
	&scn_report_replace,
	&scn_answer_detach,
	&scn_answer_replace,
	&scn_answer_removal,
	&scn_answer_leaving,
	&scn_answer_answer_detach,
	&scn_report_answer_removal,
	&scn_report_answer_detach,
	&scn_answer_faults_again,
	&scn_dma_detach,
	&scn_dma_replace,
	&scn_dma_unmap,
	&scn_dma_remap,
	&scn_dma_neighbours,
	&scn_bond_unbind,
	&scn_bond_bind,
	&scn_bond_other,
	&scn_bond_three,
	&scn_bond_replaced,
	&scn_bond_foreign,
	&scn_telling_close,
	&scn_telling_two,
	&scn_telling_last,
	&scn_broken_version_4,
	&scn_broken_bare_pointer,
	&scn_broken_late_reference,
	&scn_broken_response,
	&scn_broken_drain,
	&scn_broken_report,
	&scn_broken_quiesce,
	&scn_broken_unmap,
	&scn_broken_bond,
	&scn_broken_telling,
	NULL,
};

/* However slow the machine is. */
#define FIRST_PASS_SECONDS 60

struct options {
	const char *scenario;
	const char *replay;
	long bound; /* -1: each scenario's own */
	double seconds;
};

/* Of the whole run. */
static uint64_t schedules_seen;
static unsigned int nr_held, nr_found, nr_bad;

static void list(void)
{
	for (int i = 0; scenarios[i]; i++)
		printf("%-26s %s\n", scenarios[i]->name, scenarios[i]->summary);
}

static void print_outcome(const struct scenario *scenario, const struct ex_result *result)
{
	const char *outcome = "holds";

	if (result->failed)
		outcome = scenario->broken ? "found" : "FAILS";
	else if (scenario->broken)
		outcome = "NOT FOUND";
	else if (!result->complete)
		outcome = "holds so far";
	printf("%-26s %9llu schedules, up to %u preemption%s: %s\n", scenario->name,
	       (unsigned long long)result->schedules, result->bound, result->bound == 1 ? "" : "s",
	       outcome);
}

/* From min to max preemptions.  Whether it came out as it should. */
static bool explore(const struct scenario *scenario, unsigned int min, unsigned int max,
		    double deadline, bool verbose)
{
	struct ex_result result;

	ex_search(scenario, min, max, deadline, &result);
	schedules_seen += result.schedules;
	print_outcome(scenario, &result);
	if (result.failed && (verbose || !scenario->broken)) {
		ex_print_run(scenario);
		ex_print_schedule(scenario);
		putchar('\n');
	}
	fflush(stdout);
	return result.failed == scenario->broken;
}

static int replay(const struct scenario *scenario, const char *schedule)
{
	struct ex_result result;

	if (ex_replay(scenario, schedule, &result)) {
		fprintf(stderr, "explore: %s: not a schedule of %s\n", schedule, scenario->name);
		return 2;
	}
	ex_print_run(scenario);
	printf("%s\n", result.failed ? "fails" : "holds");
	return result.failed == scenario->broken ? 0 : 1;
}

static bool selected(const struct scenario *scenario, const struct options *options)
{
	return !options->scenario || !strcmp(options->scenario, scenario->name);
}

static void first_pass(const struct options *options)
{
	for (int i = 0; scenarios[i]; i++) {
		const struct scenario *scenario = scenarios[i];
		unsigned int bound = scenario->bound;

		if (!selected(scenario, options))
			continue;
		if (options->bound >= 0)
			bound = (unsigned int)options->bound;
		if (!explore(scenario, 0, bound, ex_now() + FIRST_PASS_SECONDS, options->scenario))
			nr_bad++;
		else if (scenario->broken)
			nr_found++;
		else
			nr_held++;
	}
}

/* What held goes deeper, until the time is up. */
static void deeper_passes(const struct options *options, double deadline)
{
	for (unsigned int more = 1; more < 100; more++) {
		for (int i = 0; scenarios[i]; i++) {
			const struct scenario *scenario = scenarios[i];

			if (scenario->broken || !selected(scenario, options))
				continue;
			if (ex_now() > deadline || nr_bad)
				return;
			if (!explore(scenario, scenario->bound + more, scenario->bound + more,
				     deadline, true))
				nr_bad++;
		}
	}
}

static int run(const struct options *options)
{
	double deadline = ex_now() + options->seconds;

	if (options->replay) {
		for (int i = 0; scenarios[i]; i++)
			if (selected(scenarios[i], options))
				return replay(scenarios[i], options->replay);
	} else {
		first_pass(options);
	}
	if (!nr_held && !nr_found && !nr_bad) {
		fprintf(stderr, "explore: no scenario %s; --list lists them\n", options->scenario);
		return 2;
	}
	if (options->bound < 0)
		deeper_passes(options, deadline);
	printf("%llu schedules: %u scenarios hold, %u wrong ones were found, %u came out badly\n",
	       (unsigned long long)schedules_seen, nr_held, nr_found, nr_bad);
	return nr_bad ? 1 : 0;
}

/* What "make run" ends with: the race that it all began with, and ours. */
static int story(void)
{
	const struct scenario *wrong = &scn_broken_version_4;
	struct ex_result result;
	unsigned int bound = 0;
	uint64_t seen = 0;

	ex_search(wrong, 0, wrong->bound, ex_now() + FIRST_PASS_SECONDS, &result);
	printf("A look-up that checks the owner after the fetch (the list's version 4) against a detach,\n"
	       "as the schedule explorer finds it, in schedule %llu:\n\n",
	       (unsigned long long)result.schedules);
	ex_print_brief(wrong);

	for (int i = 0; scenarios[i]; i++) {
		if (scenarios[i]->broken)
			continue;
		ex_search(scenarios[i], 0, scenarios[i]->bound, ex_now() + FIRST_PASS_SECONDS,
			  &result);
		if (result.failed) {
			printf("\n%s FAILS\n", scenarios[i]->name);
			return 1;
		}
		seen += result.schedules;
		nr_held++;
		bound = scenarios[i]->bound > bound ? scenarios[i]->bound : bound;
	}
	printf("\nOurs checks the owner and takes the reference in one step: %llu schedules of %u "
	       "scenarios,\nup to %u preemptions, and all hold.\n",
	       (unsigned long long)seen, nr_held, bound);
	return 0;
}

static int usage(int status)
{
	fprintf(status ? stderr : stdout,
		"Usage: explore [OPTION]...\n"
		"Walks through the schedules of small scenarios on the library's own code.\n\n"
		"  --list            what scenarios there are\n"
		"  --scenario NAME   only this one, with the failing schedule step by step\n"
		"  --bound N         preemptions at most (each scenario has its own default)\n"
		"  --seconds N       go on with higher bounds until N seconds have passed\n"
		"  --replay S        one schedule, as a failure prints it, step by step\n"
		"  --story           the race that it all began with, in short, and ours\n");
	return status;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"list", no_argument, NULL, 'l'},
		{"scenario", required_argument, NULL, 's'},
		{"bound", required_argument, NULL, 'b'},
		{"seconds", required_argument, NULL, 't'},
		{"replay", required_argument, NULL, 'r'},
		{"story", no_argument, NULL, 'y'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct options options = {.bound = -1};
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		char none[] = "", *end = none;

		switch (opt) {
		case 'l':
			list();
			return 0;
		case 'y':
			return story();
		case 's':
			options.scenario = optarg;
			break;
		case 'b':
			options.bound = strtol(optarg, &end, 10);
			break;
		case 't':
			options.seconds = strtod(optarg, &end);
			break;
		case 'r':
			options.replay = optarg;
			break;
		default:
			return usage(opt == 'h' ? 0 : 2);
		}
		if (*end || options.bound < -1 || options.seconds < 0)
			return usage(2);
	}
	if (optind != argc || (options.replay && !options.scenario))
		return usage(2);
	return run(&options);
}

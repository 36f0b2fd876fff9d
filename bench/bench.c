// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See bench.h.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define RUNS 31
#define RUN_NS 1000000.0
#define SHORT_NS 100000.0
#define MAX_THREADS 16
#define STEPPED 20

/*
 * One thread of a run.  begun and ended are its own until it is joined, the rest
 * is immutable.
 */
struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	bench_fn fn;
	void *arg;
	uint64_t n;
	unsigned int nth;
	double begun;
	double ended;
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double timed(bench_fn fn, void *arg, uint64_t n)
{
	double start = now_ns();

	fn(arg, n);
	return now_ns() - start;
}

/* How many operations fill a run. */
static uint64_t calibrate(bench_fn fn, void *arg)
{
	double run = getenv("BENCH_SHORT") ? SHORT_NS : RUN_NS;
	uint64_t n = 1;

	while (timed(fn, arg, n) < run && n < UINT64_C(1) << 32)
		n *= 2;
	return n;
}

void bench_result(const char *name, double ns, unsigned int runs)
{
	printf("{\"name\": \"%s\", \"ns\": %.2f, \"runs\": %u}\n", name, ns, runs);
	fflush(stdout);
}

/* Not inlined: callgrind collects from its entry to its return. */
void bench_counted(bench_fn fn, void *arg);
__attribute__((noinline)) void bench_counted(bench_fn fn, void *arg)
{
	fn(arg, COUNTED);
	/* Keeps the call from becoming a jump. */
	__asm__ volatile("" : : : "memory");
}

/* True: this run counts; it was done if it is this one's turn. */
static int counting(const char *name, bench_fn fn, void *arg)
{
	const char *wanted = getenv("BENCH_COUNT");

	if (wanted && !strcmp(wanted, name))
		bench_counted(fn, arg);
	return wanted != NULL;
}

/* Under bench-steps, which answers in registers; the first time is for what is done once. */
static void bench_stepped(const char *name, bench_fn fn, void *arg)
{
	uint64_t steps, calls;

	fn(arg, 1);
	__asm__ volatile("int3" : : : "memory");
	fn(arg, STEPPED);
	__asm__ volatile("int3" : "=a"(steps), "=d"(calls) : : "memory");
	printf("{\"name\": \"%s\", \"instructions\": %.1f, \"calls\": %.1f}\n", name,
	       (double)steps / STEPPED, (double)calls / STEPPED);
	fflush(stdout);
}

void bench(const char *name, bench_fn fn, void *arg)
{
	double results[RUNS];
	uint64_t n;
	int i;

	if (counting(name, fn, arg))
		return;
	if (getenv("BENCH_STEPS")) {
		bench_stepped(name, fn, arg);
		return;
	}
	n = calibrate(fn, arg);
	for (i = 0; i < RUNS; i++)
		results[i] = timed(fn, arg, n) / (double)n;
	qsort(results, RUNS, sizeof(results[0]), compare);
	printf("{\"name\": \"%s\", \"ns\": %.2f, \"least\": %.2f, \"runs\": %u}\n", name,
	       results[RUNS / 2], results[0], RUNS);
	fflush(stdout);
}

void bench_prepared(const char *name, bench_fn fn, void (*prepare)(void *arg), void *arg,
		    uint64_t n)
{
	double results[RUNS];

	prepare(arg);
	if (counting(name, fn, arg))
		return;
	for (int i = 0; i < RUNS; i++) {
		prepare(arg);
		results[i] = timed(fn, arg, n) / (double)n;
	}
	qsort(results, RUNS, sizeof(results[0]), compare);
	bench_result(name, results[RUNS / 2], RUNS);
}

/* Those of the process; a thread that is on one of them passes that on to those it starts. */
static cpu_set_t processors;

static void learn_processors(void)
{
	if (sched_getaffinity(0, sizeof(processors), &processors))
		CPU_ZERO(&processors);
}

/* Each thread on a processor of its own, or they take turns instead of meeting. */
void bench_stay_on(unsigned int nth)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	cpu_set_t one;
	int cpu;

	pthread_once(&once, learn_processors);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &processors) && !nth--)
			break;
	if (cpu == CPU_SETSIZE)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;

	bench_stay_on(worker->nth);
	pthread_barrier_wait(worker->start);
	worker->begun = now_ns();
	worker->fn(worker->arg, worker->n);
	worker->ended = now_ns();
	return NULL;
}

/* Per operation of one thread, from when all have begun to when the last ends. */
static double timed_threads(bench_fn fn, void **args, unsigned int threads, uint64_t n)
{
	struct worker workers[MAX_THREADS];
	double begun = 0, ended = 0;
	pthread_barrier_t barrier;
	unsigned int t;

	pthread_barrier_init(&barrier, NULL, threads);
	for (t = 0; t < threads; t++) {
		workers[t] = (struct worker){
			.start = &barrier, .fn = fn, .arg = args[t], .n = n, .nth = t};
		if (pthread_create(&workers[t].thread, NULL, work, &workers[t]))
			abort();
	}
	for (t = 0; t < threads; t++) {
		pthread_join(workers[t].thread, NULL);
		if (!t || workers[t].begun < begun)
			begun = workers[t].begun;
		if (workers[t].ended > ended)
			ended = workers[t].ended;
	}
	pthread_barrier_destroy(&barrier);
	return (ended - begun) / (double)n;
}

void bench_threads(const char *name, bench_fn fn, void **args, unsigned int threads)
{
	double results[RUNS];
	uint64_t n;
	int i;

	if (getenv("BENCH_COUNT"))
		return;
	if (threads > MAX_THREADS)
		abort();
	n = calibrate(fn, args[0]);
	for (i = 0; i < RUNS; i++)
		results[i] = timed_threads(fn, args, threads, n);
	qsort(results, RUNS, sizeof(results[0]), compare);
	bench_result(name, results[RUNS / 2], RUNS);
}

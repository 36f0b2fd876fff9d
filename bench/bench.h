/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench.h - how the benchmarks measure
 *
 * A benchmark is a function that does its operation n times.  It is run often
 * enough to fill a millisecond, several times, and the median counts: what the
 * machine does meanwhile moves single runs, not the median.  Results go to
 * stdout, one JSON object a line; bench/run.py makes the table.
 *
 * With BENCH_COUNT=NAME in the environment, only that one is run, COUNTED times,
 * inside bench_counted(): what callgrind counts the instructions of.  With BENCH_SHORT, a run
 * is a tenth as long: for what is to be done often, in turns with something else.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>

typedef void (*bench_fn)(void *arg, uint64_t n);

/* Times fn and prints {"name": ..., "ns": ..., "runs": ...}. */
void bench(const char *name, bench_fn fn, void *arg);
/* The same, always @n times (COUNTED at least), each run after prepare(), which isn't timed. */
void bench_prepared(const char *name, bench_fn fn, void (*prepare)(void *arg), void *arg,
		    uint64_t n);
/* As bench(), called by several threads at once; each gets its own arg. */
void bench_threads(const char *name, bench_fn fn, void **args, unsigned int threads);
#define COUNTED 1000
/* The caller runs on its nth processor, or anywhere if there aren't so many. */
void bench_stay_on(unsigned int nth);

/* Prints a result that was measured otherwise. */
void bench_result(const char *name, double ns, unsigned int runs);

/* A value that the compiler must take for used. */
#define bench_use(value) __asm__ volatile("" : : "r"(value) : "memory")

#endif /* BENCH_BENCH_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cli/cli.h - the parts of the uiommu command
 *
 * One process, one thread, one run: state lives in the structures below, on
 * the stack of cli_run().
 */
#ifndef UI_CLI_CLI_H
#define UI_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses of our own, as env(1) and the shells have them. */
enum {
	CLI_FAILED = 125,      /* uiommu itself failed, PROGRAM was not started */
	CLI_CANNOT_EXEC = 126, /* PROGRAM was found, but can't be executed */
	CLI_NOT_FOUND = 127,   /* no such PROGRAM */
};

/* One line on stderr, "uiommu: ...".  Returns CLI_FAILED. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The option that getopt_long() just refused. */
const char *cli_bad_option(char **argv);

int cli_run(int argc, char **argv);
void cli_run_help(void);

/* ---- program.c ---- */

/*
 * Where exec would find the program, malloc'ed, after looking whether it can be
 * run under the shim at all.  NULL: said why on stderr, *status is what to exit
 * with.
 */
char *cli_program_find(const char *name, int *status);

/* ---- folder.c ---- */

/*
 *  path	".../uiommu-UID-XXXXXX", malloc'ed
 *  fd		the folder, with a shared flock() as long as we use it
 */
struct cli_folder {
	char *path;
	int fd;
};

/* 0, or said why on stderr and CLI_FAILED. */
int cli_folder_make(struct cli_folder *folder);
/* Leaves the folder when a process that was left running still uses it. */
void cli_folder_remove(struct cli_folder *folder);
/* Folders of this user that nobody locks: what a killed run left. */
void cli_folder_clear_stale(void);

/* ---- environment.c ---- */

/*
 * What the program's environment gets; log may be NULL.  0, or said why on
 * stderr and CLI_FAILED.
 */
int cli_environment(const char *preload, const char *run, const char *log);
/* libuiommu-preload.so beside this command, malloc'ed; NULL: said why. */
char *cli_preload_find(void);

/* ---- child.c ---- */

/* Runs and waits; the status to exit with.  Ends as the child was killed. */
struct cli_child {
	int status; /* of waitpid() */
};

/* 0 with child->status, or said why on stderr and CLI_FAILED. */
int cli_child_run(struct cli_child *child, const char *path, char **argv);
/* The exit status; doesn't return when the child was killed by a signal. */
int cli_child_end(const struct cli_child *child);

#endif /* UI_CLI_CLI_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes and programs that are started.
 *
 * Devices belong to the machine, so a program finds them whatever environment it's
 * started with: what of ours is missing there is added.  A name that the client gave
 * another value keeps it; in LD_PRELOAD the shim comes first, as `uiommu run` has it.
 * An environment with another run's folder is that run's.
 *
 * A vfork() child comes here too: what is added lies on its stack.
 *
 *  added, preload	immutable after the constructor
 */
#include <alloca.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "serve.h"
#include "shim.h"
#include "wrap.h"

#define PRELOAD "LD_PRELOAD="
#define PRELOAD_LEN (sizeof(PRELOAD) - 1)
/* With more than this the client's environment is passed on as it is. */
#define ENVIRONMENT_MAX 8192

static const char *const names[] = {
	"UIOMMU_RUN=", "UIOMMU_LOG=", "GLIBC_TUNABLES=", "VALGRIND_OPTS=", "ASAN_OPTIONS=",
};

#define NAMES (sizeof(names) / sizeof(names[0]))

static char *added[NAMES]; /* NULL: this process has none */
static char *preload;	   /* "LD_PRELOAD=" and where we are */

void wrap_exec_start(void)
{
	Dl_info info;

	for (char **env = environ; env && *env; env++) {
		for (size_t i = 0; i < NAMES; i++) {
			if (!strncmp(*env, names[i], strlen(names[i])) && !added[i])
				added[i] = strdup(*env);
		}
	}
	if (dladdr(added, &info) && info.dli_fname && info.dli_fname[0] == '/' &&
	    asprintf(&preload, PRELOAD "%s", info.dli_fname) < 0)
		preload = NULL;
}

/* ---- the environment ---- */

static char *find(char *const envp[], const char *name)
{
	for (; *envp; envp++) {
		if (!strncmp(*envp, name, strlen(name)))
			return *envp;
	}
	return NULL;
}

/* Is our path in the list? */
static bool preloaded(const char *list)
{
	const char *ours = preload + PRELOAD_LEN;
	size_t len = strlen(ours);

	for (const char *at = list; (at = strstr(at, ours)); at++) {
		if ((at == list || at[-1] == ':' || at[-1] == ' ') &&
		    (!at[len] || at[len] == ':' || at[len] == ' '))
			return true;
	}
	return false;
}

/*
 * What the kernel is asked for; by posix_spawn() if there is a pid.
 *  dir, flags	of execveat(); a path of NULL: fexecve() of dir
 */
struct start {
	const char *path;
	char *const *argv;
	int dir;
	int flags;
	bool at;
	bool search;
	pid_t *pid;
	const posix_spawn_file_actions_t *actions;
	const posix_spawnattr_t *attr;
};

static int start_as(const struct start *start, char *const envp[])
{
	if (start->pid && start->search)
		return real_posix_spawnp(start->pid, start->path, start->actions, start->attr,
					 start->argv, envp);
	if (start->pid)
		return real_posix_spawn(start->pid, start->path, start->actions, start->attr,
					start->argv, envp);
	if (start->search)
		return real_execvpe(start->path, start->argv, envp);
	if (start->at)
		return real_execveat(start->dir, start->path, start->argv, envp, start->flags);
	if (!start->path)
		return real_fexecve(start->dir, start->argv, envp);
	return real_execve(start->path, start->argv, envp);
}

/* With room for what is added. */
static int start_with(const struct start *start, char *const envp[], size_t n, const char *list)
{
	size_t room = list ? strlen(preload) + strlen(list) + 2 : 1;
	char **merged = alloca((n + NAMES + 2) * sizeof(*merged));
	char *joined = alloca(room);
	size_t to = 0;

	joined[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (!list || strncmp(envp[i], PRELOAD, PRELOAD_LEN))
			merged[to++] = envp[i];
	}
	if (list) {
		snprintf(joined, room, "%s%s%s", preload, *list ? ":" : "", list);
		merged[to++] = joined;
	}
	for (size_t i = 0; i < NAMES; i++) {
		if (added[i] && (!n || !find(envp, names[i])))
			merged[to++] = added[i];
	}
	merged[to] = NULL;
	return start_as(start, merged);
}

/*
 * Is something of ours missing in the environment?
 *  n	how much is there
 *  list	LD_PRELOAD as it is, if we aren't in it; else NULL
 */
static bool lacks(char *const envp[], size_t *n, const char **list)
{
	bool complete = true;
	const char *run;

	*n = 0;
	*list = NULL;
	/* In a vfork() child as well, but not inside ourselves. */
	if (shim_inside || !shim_run_dir() || !preload)
		return false;
	while (envp && envp[*n])
		++*n;
	run = *n ? find(envp, names[0]) : NULL;
	if (run && added[0] && strcmp(run, added[0]))
		return false;
	for (size_t i = 0; i < NAMES && complete; i++)
		complete = !added[i] || (*n && find(envp, names[i]));
	*list = *n ? find(envp, PRELOAD) : NULL;
	*list = *list ? *list + PRELOAD_LEN : "";
	if (preloaded(*list))
		*list = NULL;
	return !complete || *list;
}

static int start_program(const struct start *start, char *const envp[])
{
	const char *list;
	size_t n;

	if (!lacks(envp, &n, &list) || n > ENVIRONMENT_MAX)
		return start_as(start, envp);
	return start_with(start, envp, n, list);
}

/* ---- exec ---- */

SHIM_WRAP(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
	return start_program(&(struct start){.path = path, .argv = argv}, envp);
}

SHIM_WRAP(int, execv, (const char *path, char *const argv[]))
{
	return start_program(&(struct start){.path = path, .argv = argv}, environ);
}

SHIM_WRAP(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
	return start_program(&(struct start){.path = file, .argv = argv, .search = true}, envp);
}

SHIM_WRAP(int, execvp, (const char *file, char *const argv[]))
{
	return start_program(&(struct start){.path = file, .argv = argv, .search = true}, environ);
}

SHIM_WRAP(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
	return start_program(&(struct start){.dir = fd, .argv = argv}, envp);
}

SHIM_WRAP(int, execveat,
	  (int dir, const char *path, char *const argv[], char *const envp[], int flags))
{
	return start_program(
		&(struct start){.path = path, .argv = argv, .dir = dir, .flags = flags, .at = true},
		envp);
}

/* Those with their arguments in a row: @ap is behind @first, and ends behind the NULL. */
static size_t count(const char *first, va_list ap)
{
	size_t n = first ? 1 : 0;

	while (first && va_arg(ap, char *))
		n++;
	return n;
}

static void collect(char **argv, size_t n, const char *first, va_list ap)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
}

SHIM_WRAP(int, execl, (const char *path, const char *arg, ...))
{
	va_list ap;
	char **argv;
	size_t n;

	va_start(ap, arg);
	n = count(arg, ap);
	va_end(ap);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	collect(argv, n, arg, ap);
	va_end(ap);
	return start_program(&(struct start){.path = path, .argv = argv}, environ);
}

SHIM_WRAP(int, execlp, (const char *file, const char *arg, ...))
{
	va_list ap;
	char **argv;
	size_t n;

	va_start(ap, arg);
	n = count(arg, ap);
	va_end(ap);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	collect(argv, n, arg, ap);
	va_end(ap);
	return start_program(&(struct start){.path = file, .argv = argv, .search = true}, environ);
}

SHIM_WRAP(int, execle, (const char *path, const char *arg, ...))
{
	char *const *envp;
	va_list ap;
	char **argv;
	size_t n;

	va_start(ap, arg);
	n = count(arg, ap);
	va_end(ap);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	collect(argv, n, arg, ap);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return start_program(&(struct start){.path = path, .argv = argv}, envp);
}

/* ---- processes ---- */

static void sharing(void)
{
	if (!shim_bypass())
		serve_share();
}

SHIM_WRAP(pid_t, fork, (void))
{
	sharing();
	return real_fork();
}
SHIM_ALIAS(__fork, fork);

SHIM_WRAP(int, posix_spawn,
	  (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
	   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	pid_t unused;

	sharing();
	return start_program(&(struct start){.path = path,
					     .argv = argv,
					     .pid = pid ? pid : &unused,
					     .actions = actions,
					     .attr = attr},
			     envp);
}

SHIM_WRAP(int, posix_spawnp,
	  (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
	   const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
	pid_t unused;

	sharing();
	return start_program(&(struct start){.path = path,
					     .argv = argv,
					     .search = true,
					     .pid = pid ? pid : &unused,
					     .actions = actions,
					     .attr = attr},
			     envp);
}

/* ---- by a shell ---- */

/* What is longer is passed on as it is. */
#define COMMAND_MAX 65536

/* 'TEXT', as a shell reads it. */
static void quote(FILE *out, const char *text, size_t n)
{
	fputc('\'', out);
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\'')
			fputs("'\\''", out);
		else
			fputc(text[i], out);
	}
	fputc('\'', out);
}

/* NAME='VALUE' */
static void assign(FILE *out, const char *entry, const char *more)
{
	size_t name = strcspn(entry, "=") + 1;

	fprintf(out, " %.*s", (int)name, entry);
	quote(out, entry + name, strlen(entry + name));
	if (*more) {
		fputc(':', out);
		quote(out, more, strlen(more));
	}
}

/*
 * libc starts the shell by itself, with the environment as it is.  So where something is missing
 * the shell is told to add it, and to become the one that was wanted.  NULL: nothing is
 * missing, or there is no memory; else put by free().
 */
static char *command_with(const char *command)
{
	struct shim_entry entry;
	char *text = NULL;
	const char *list;
	size_t n;
	FILE *out;

	if (!command || shim_bypass() || !lacks(environ, &n, &list) ||
	    strlen(command) > COMMAND_MAX)
		return NULL;
	shim_enter(&entry);
	out = open_memstream(&text, &n);
	if (!out)
		goto out_leave;
	fputs("export", out);
	if (list)
		assign(out, preload, list);
	for (size_t i = 0; i < NAMES; i++) {
		if (added[i] && !(environ && find(environ, names[i])))
			assign(out, added[i], "");
	}
	fputs("; exec /bin/sh -c ", out);
	quote(out, command, strlen(command));
	fputs(" sh", out); /* its name in what it says */
	if (fclose(out)) {
		free(text);
		text = NULL;
	}
out_leave:
	shim_leave(&entry);
	return text;
}

/* Waits, and may be cancelled. */
SHIM_WRAP(int, system, (const char *command))
{
	char *with;
	int rc;

	sharing();
	with = command_with(command);
	pthread_cleanup_push(free, with);
	rc = real_system(with ? with : command);
	pthread_cleanup_pop(true);
	return rc;
}

SHIM_WRAP(FILE *, popen, (const char *command, const char *mode))
{
	char *with;
	FILE *file;

	sharing();
	with = command_with(command);
	file = real_popen(with ? with : command, mode);
	free(with);
	return file;
}

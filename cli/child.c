// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The program as our child, and us as its stand-in for whoever started us.
 *
 * It stays in our process group, so the terminal's signals (and its stops)
 * reach it without us.  Signals that somebody sends to us alone are handed on.
 * We end as it ends, stop when it stops, and it goes on when we do.
 */
#include <errno.h>
#include <paths.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

static const int handed_on[] = {SIGTERM, SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
				SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};

static void watched_signals(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (i = 0; i < sizeof(handed_on) / sizeof(handed_on[0]); i++)
		sigaddset(set, handed_on[i]);
}

/* As execvp(): a file that the kernel doesn't know is for the shell. */
static void exec_program(const char *path, char **argv)
{
	size_t argc = 0;
	char **shell;

	execve(path, argv, environ);
	if (errno != ENOEXEC)
		return;
	while (argv[argc])
		argc++;
	shell = calloc(argc + 2, sizeof(*shell));
	if (!shell)
		return;
	shell[0] = (char *)(uintptr_t)_PATH_BSHELL;
	shell[1] = (char *)(uintptr_t)path;
	if (argc)
		memcpy(shell + 2, argv + 1, argc * sizeof(*shell));
	execve(_PATH_BSHELL, shell, environ);
	free(shell);
}

static void stop_with_child(pid_t pid)
{
	/* We come back from here by a SIGCONT, which is then the child's too. */
	raise(SIGSTOP);
	kill(pid, SIGCONT);
}

/* True: it ended, with *status. */
static bool reap(pid_t pid, int *status)
{
	while (waitpid(pid, status, WNOHANG | WUNTRACED) > 0) {
		if (!WIFSTOPPED(*status))
			return true;
		stop_with_child(pid);
	}
	return false;
}

static void wait_for(pid_t pid, const sigset_t *watched, int *status)
{
	siginfo_t info;
	int sig;

	while (!reap(pid, status)) {
		sig = sigwaitinfo(watched, &info);
		/* What the kernel sent for the terminal, it sent to the child too. */
		if (sig > 0 && sig != SIGCHLD && info.si_code != SI_KERNEL && info.si_pid != pid)
			kill(pid, sig);
	}
}

int cli_child_run(struct cli_child *child, const char *path, char **argv)
{
	sigset_t watched, old;
	struct sigaction dfl = {.sa_handler = SIG_DFL}, old_chld;
	pid_t pid;
	int err;

	/* An ignored SIGCHLD, inherited, would take the status from us. */
	sigaction(SIGCHLD, &dfl, &old_chld);
	watched_signals(&watched);
	sigprocmask(SIG_BLOCK, &watched, &old);

	pid = fork();
	if (pid < 0)
		return cli_error("can't start a process: %s", strerror(errno));
	if (!pid) {
		sigaction(SIGCHLD, &old_chld, NULL);
		sigprocmask(SIG_SETMASK, &old, NULL);
		exec_program(path, argv);
		err = errno;
		cli_error("can't execute '%s': %s", path, strerror(err));
		_exit(err == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXEC);
	}
	wait_for(pid, &watched, &child->status);
	return 0;
}

int cli_child_end(const struct cli_child *child)
{
	const struct rlimit no_core = {0, 0};
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t set;
	int sig;

	if (WIFEXITED(child->status))
		return WEXITSTATUS(child->status);

	/* The same end, but the core is the child's. */
	sig = WTERMSIG(child->status);
	setrlimit(RLIMIT_CORE, &no_core);
	sigaction(sig, &dfl, NULL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(sig);
	/* A real-time signal that can't be raised, or so. */
	return 128 + sig;
}

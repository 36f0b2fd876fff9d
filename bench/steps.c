// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counts what valgrind can't: instructions of signal handlers, and system calls.
 *
 *	bench-steps PROGRAM [ARGUMENT...]
 *
 * PROGRAM, a benchmark, finds BENCH_STEPS in its environment and traps before and after what is
 * to be counted (bench.c).  In between it is single-stepped; then its registers say how many
 * instructions these were, and how many system calls.  Only its first thread is looked at.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_INSN 0x050f

static int stopped(pid_t pid, siginfo_t *info)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		exit(1);
	if (!WIFSTOPPED(status))
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	if (ptrace(PTRACE_GETSIGINFO, pid, NULL, info))
		exit(1);
	return WSTOPSIG(status);
}

/* From one trap of the program to the next. */
static void count(pid_t pid)
{
	struct user_regs_struct regs;
	uint64_t steps = 0, calls = 0;
	siginfo_t info;
	int sig = 0;
	long code;

	for (;;) {
		ptrace(PTRACE_GETREGS, pid, NULL, &regs);
		code = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)regs.rip, NULL);
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)sig))
			exit(1);
		sig = stopped(pid, &info);
		if (sig == SIGTRAP && info.si_code == SI_KERNEL)
			break;
		/* A signal that is about to be delivered: its instruction isn't done. */
		if (sig != SIGTRAP)
			continue;
		sig = 0;
		steps++;
		calls += (code & 0xffff) == SYSCALL_INSN;
	}
	ptrace(PTRACE_GETREGS, pid, NULL, &regs);
	regs.rax = steps;
	regs.rdx = calls;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

int main(int argc, char **argv)
{
	siginfo_t info;
	pid_t pid;
	int sig;

	if (argc < 2)
		return 2;
	setenv("BENCH_STEPS", "1", 1);
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	for (sig = 0;; sig = sig == SIGTRAP ? 0 : sig) {
		sig = stopped(pid, &info);
		if (sig == SIGTRAP && info.si_code == SI_KERNEL)
			count(pid);
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)(sig == SIGTRAP ? 0 : sig)))
			return 1;
	}
}

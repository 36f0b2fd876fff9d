/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that are started, each way that libc has, with whatever environment: they find
 * the devices, and what was in the environment.
 */
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "client.h"

extern char **environ;

static const char *self;
static char *with[] = {(char[]){"self"}, (char[]){"one"}, (char[]){"two"}, NULL};

/* "one two" and maybe a variable. */
static int started(int argc, char **argv)
{
	CHECK(argc == 3 && !strcmp(argv[1], "one") && !strcmp(argv[2], "two"));
	CHECK(!getenv("UIOMMU_TEST_KEEP") || !strcmp(getenv("UIOMMU_TEST_KEEP"), "kept"));
	CHECK(works(open_node("/dev/iommu")));
	return getenv("UIOMMU_TEST_KEEP") ? 7 : 5;
}

static void ended(pid_t pid, int expected)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
		fprintf(stderr, "the program ended with %#x\n", (unsigned int)status);
		_exit(1);
	}
}

static char *const empty[] = {NULL};
static char *const kept[] = {(char[]){"UIOMMU_TEST_KEEP=kept"}, NULL};
static char *const mixed[] = {(char[]){"UIOMMU_TEST_KEEP=kept"}, (char[]){"LD_PRELOAD=libdl.so.2"},
			      (char[]){"GLIBC_TUNABLES="}, NULL};

/* Called in the child; each returns only when it failed. */
static void by_execve(void)
{
	execve(self, with, empty);
}

static void by_execve_kept(void)
{
	execve(self, with, kept);
}

static void by_execve_mixed(void)
{
	execve(self, with, mixed);
}

static void by_execle(void)
{
	execle(self, "self", "one", "two", NULL, kept);
}

static void by_execl(void)
{
	clearenv();
	execl(self, "self", "one", "two", NULL);
}

static void by_execlp(void)
{
	clearenv();
	execlp(self, "self", "one", "two", NULL);
}

static void by_execv(void)
{
	clearenv();
	execv(self, with);
}

static void by_execvp(void)
{
	unsetenv("LD_PRELOAD");
	execvp(self, with);
}

static void by_execvpe(void)
{
	execvpe(self, with, kept);
}

static void by_fexecve(void)
{
	fexecve(open(self, O_RDONLY | O_CLOEXEC), with, kept);
}

static void by_execveat(void)
{
	execveat(AT_FDCWD, self, with, kept, 0);
}

static void test_exec(void)
{
	static const struct {
		void (*how)(void);
		int expected;
	} ways[] = {
		{by_execve, 5},	 {by_execve_kept, 7}, {by_execve_mixed, 7}, {by_execle, 7},
		{by_execl, 5},	 {by_execlp, 5},      {by_execv, 5},	    {by_execvp, 5},
		{by_execvpe, 7}, {by_fexecve, 7},     {by_execveat, 7},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pid_t pid = fork();

		if (!pid) {
			ways[i].how();
			_exit(99);
		}
		ended(pid, ways[i].expected);
	}
	/* A child that borrows our memory must leave it as it was. */
	for (int i = 0; i < 2; i++) {
		pid_t pid = vfork();

		if (!pid) {
			execve(self, with, i ? kept : empty);
			_exit(99);
		}
		ended(pid, i ? 7 : 5);
	}
	CHECK(kept[1] == NULL && getenv("LD_PRELOAD"));
}

static void test_spawn(void)
{
	posix_spawn_file_actions_t actions;
	int fd = open_node("/dev/iommu");
	pid_t pid;

	CHECK(!posix_spawn(&pid, self, NULL, NULL, with, kept));
	ended(pid, 7);
	CHECK(!posix_spawnp(&pid, self, NULL, NULL, with, empty));
	ended(pid, 5);
	CHECK(!posix_spawn_file_actions_init(&actions));
	CHECK(!posix_spawn_file_actions_adddup2(&actions, fd, 100));
	CHECK(!posix_spawn_file_actions_addclose(&actions, fd));
	with[0][0] = 'f';
	CHECK(!posix_spawn(&pid, self, &actions, NULL, with, empty));
	with[0][0] = 's';
	ended(pid, 5);
	posix_spawn_file_actions_destroy(&actions);
	CHECK(works(fd));
	CHECK(posix_spawn(&pid, "/nowhere", NULL, NULL, with, empty) == ENOENT);
	CHECK_ERR(execve("/nowhere", with, empty), ENOENT);
	close(fd);
}

static void says(const char *command, const char *text)
{
	FILE *file = popen(command, "re");
	char line[200] = "";
	int status;

	CHECK(file);
	(void)!fgets(line, sizeof(line), file);
	status = pclose(file);
	CHECK(!status);
	if (strcmp(line, text)) {
		fprintf(stderr, "'%s' says '%s', not '%s'\n", command, line, text);
		_exit(1);
	}
}

/* The shell has the devices, and is in nothing another one. */
static void by_shell(void)
{
	char command[300], pid[16];

	snprintf(command, sizeof(command), "'%s' one two", self);
	CHECK(WEXITSTATUS(system(command)) == (getenv("UIOMMU_TEST_KEEP") ? 7 : 5));
	CHECK(WEXITSTATUS(system("[ -e " SYS_DEVICE " ] && [ -w " SYS_DEVICE
				 "/reset ] && exit 9")) == 9);
	CHECK(WTERMSIG(system("kill -9 $$")) == SIGKILL);
	says("echo \"it's\" '  $HOME'", "it's   $HOME\n");
	says("echo $0 $#", "sh 0\n");
	says("nothing-here 2>&1 || :", "sh: 1: nothing-here: not found\n");
	says("cat < " SYS_DEVICE "/vendor", "0x1234\n");
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	says("echo $PPID", pid);
	CHECK(system(NULL) == 1);
}

static void test_shell(void)
{
	char *preload = strdup(getenv("LD_PRELOAD")), *run = strdup(getenv("UIOMMU_RUN"));
	char **all = environ;

	CHECK(preload && run);
	by_shell();
	clearenv();
	by_shell();
	CHECK(!setenv("UIOMMU_TEST_KEEP", "kept", 1) && !setenv("LD_PRELOAD", "libdl.so.2", 1));
	by_shell();
	CHECK(!strcmp(getenv("LD_PRELOAD"), "libdl.so.2") && !getenv("UIOMMU_RUN"));
	/* Another run's is that one's. */
	CHECK(!setenv("UIOMMU_RUN", "/nowhere", 1));
	CHECK(WEXITSTATUS(system("[ ! -e " SYS_DEVICE " ] && exit 9")) == 9);
	environ = all;
	CHECK(!strcmp(getenv("LD_PRELOAD"), preload) && !strcmp(getenv("UIOMMU_RUN"), run));
	free(preload);
	free(run);
}

int main(int argc, char **argv)
{
	alarm(50);
	if (argc == 3) {
		if (argv[0][0] == 'f')
			CHECK(works(100));
		return started(argc, argv);
	}
	self = argv[0];
	test_exec();
	test_spawn();
	test_shell();
	return 0;
}

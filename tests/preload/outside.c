/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a shell does by /sys to a device that this process has open, or that nobody has. */
#include <setjmp.h>

#include "rig.h"

#define LINE_AT 0x3c

static int commands, answers;
static pid_t shell;

/* A process that knows the device by its folder in /sys alone, and was there before. */
static void start_shell(void)
{
	int to[2], from[2];

	CHECK(!pipe2(to, O_CLOEXEC) && !pipe2(from, O_CLOEXEC));
	shell = fork();
	if (!shell) {
		dup2(to[0], 0);
		dup2(from[1], 3);
		chdir(SYS_DEVICE);
		execl("/bin/sh", "sh", (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	commands = to[1];
	answers = from[0];
}

/* Its status is 0. */
static void sh(const char *command)
{
	char status[8] = "";

	CHECK(dprintf(commands, "{ %s\n} >&2\necho $? >&3\n", command) > 0);
	CHECK(read(answers, status, sizeof(status) - 1) > 0);
	CHECK(!strcmp(status, "0\n"));
}

static void write_config(unsigned int at, const char *bytes)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "printf '%s' | dd of=config bs=1 seek=%u conv=notrunc status=none", bytes, at);
	sh(command);
}

/* The byte that everybody sees. */
static unsigned int shown(unsigned int at)
{
	int fd = open(SYS_DEVICE "/config", O_RDONLY);
	uint8_t byte = 0;

	CHECK(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1 && !close(fd));
	return byte;
}

static unsigned int seen(unsigned int at)
{
	uint8_t byte = 0;

	CHECK(pread(device, &byte, 1, config_at + (off_t)at) == 1);
	return byte;
}

static sigjmp_buf after;

static void on_bus_error(int sig)
{
	siglongjmp(after, 1);
}

static bool bar_answers(void)
{
	struct sigaction act = {.sa_handler = on_bus_error}, old;
	volatile bool answers_it = false;

	CHECK(!sigaction(SIGBUS, &act, &old));
	if (!sigsetjmp(after, 1)) {
		(void)bar[0];
		answers_it = true;
	}
	CHECK(!sigaction(SIGBUS, &old, NULL));
	return answers_it;
}

static void test_reset(void)
{
	setup(false);
	bar[0] = 0x1000;
	CHECK(bar[0] == 0x1000);
	sh("echo 1 > reset");
	CHECK(!bar[0]);
	/* Config space is saved and put back, as the kernel does. */
	CHECK(seen(4) == 6 && shown(4) == 6);
	bar[0] = 0x2000;
	sh("! echo 2 > reset 2> /dev/null");
	CHECK(bar[0] == 0x2000);
	sh("echo 1 > reset && echo 1 > reset");
	CHECK(!bar[0]);
	teardown();
}

/* What waits is done in a handler, which may be on a stack that just isn't too small. */
static void test_small_stack(void)
{
	char *stack =
		mmap(NULL, 28 << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t ss = {.ss_sp = stack + 4096, .ss_size = 24 << 10}, off = {.ss_flags = SS_DISABLE};

	setup(false);
	CHECK(stack != MAP_FAILED && !mprotect(stack, 4096, PROT_NONE) && !sigaltstack(&ss, NULL));
	bar[0] = 0x1000;
	sh("echo 1 > reset");
	write_config(4, "\\002");
	CHECK(!bar[0] && shown(4) == 2);
	CHECK(!sigaltstack(&off, NULL) && !munmap(stack, 28 << 10));
	teardown();
}

static void test_config(void)
{
	char *from = page('a'), *to = page('b');
	unsigned int line;

	setup(false);
	line = seen(LINE_AT);
	CHECK(!map(iommufd, ioas, from, IOVA) && !map(iommufd, ioas, to, IOVA + 4096));
	fetch(IOVA);
	store(IOVA + 4096);
	CHECK(to[0] == 'a');
	/* The bus master bit: everybody sees it, and DMA is off. */
	write_config(4, "\\002");
	CHECK(shown(4) == 2);
	memset(to, 'b', 4096);
	store(IOVA + 4096);
	CHECK(to[0] == 'b' && seen(4) == 2);
	write_config(4, "\\006");
	store(IOVA + 4096);
	CHECK(to[0] == 'a' && seen(4) == 6);
	if (!access("/usr/bin/setpci", X_OK)) {
		sh("setpci -s " BDF " COMMAND=0:4 && setpci -s " BDF " COMMAND | grep -q '^0002'");
		CHECK(seen(4) == 2);
		sh("lspci -xxx -s " BDF " | grep -q '^00: 34 12 e9 11 02 00'");
		sh("setpci -s " BDF " COMMAND=4:4");
		CHECK(seen(4) == 6);
	}
	/* What can't be written stays, and what is behind it is written. */
	write_config(2, "\\377\\377\\004");
	CHECK(shown(2) == seen(2) && shown(3) == seen(3) && shown(4) == 4 && !bar_answers());
	write_config(4, "\\006");
	CHECK(bar_answers());
	/* What was written while it was open doesn't outlive that. */
	write_config(LINE_AT, "\\125");
	CHECK(shown(LINE_AT) == 0x55 && seen(LINE_AT) == 0x55);
	write_config(LINE_AT, "\\126");
	teardown();
	CHECK(shown(LINE_AT) == line);
	setup(false);
	CHECK(seen(LINE_AT) == line);
	teardown();
	munmap(from, 4096);
	munmap(to, 4096);
}

/* Nobody has it open: the next one finds it, also in another process. */
static void test_closed(void)
{
	unsigned int before = shown(LINE_AT);
	char byte = 0;
	pid_t pid;
	int fd;

	write_config(LINE_AT, "\\125");
	write_config(4, "\\006");
	CHECK(shown(LINE_AT) == 0x55 && shown(4) == 6);
	setup(false);
	CHECK(seen(LINE_AT) == 0x55);
	teardown();
	CHECK(shown(LINE_AT) == 0x55);
	pid = fork();
	if (!pid) {
		setup(false);
		_exit(seen(LINE_AT) == 0x55 ? 0 : 1);
	}
	reaped(pid);
	fd = open(SYS_DEVICE "/config", O_RDWR);
	CHECK(fd >= 0 && lseek(fd, LINE_AT, SEEK_SET) == LINE_AT);
	byte = (char)before;
	CHECK(write(fd, &byte, 1) == 1 && lseek(fd, 0, SEEK_CUR) == LINE_AT + 1);
	CHECK(!pwrite(fd, &byte, 1, 4096));
	CHECK_ERR(pwrite(fd, &byte, 1, -1), EINVAL);
	CHECK(!close(fd) && shown(LINE_AT) == before);
	write_config(4, "\\002");
}

/* A child that has the descriptor and not the devices, and one that has its own. */
static void test_children(void)
{
	struct steps own;
	pid_t pid;

	setup(false);
	steps_open(&own);
	bar[0] = 0x1000;
	pid = fork();
	if (!pid) {
		CHECK(bar[0] == 0x1000);
		sh("echo 1 > reset");
		CHECK(!bar[0]);
		bar[0] = 0x3000;
		setup(false);
		bar[0] = 0x1000;
		tell(own.to_parent);
		wait_for(own.to_child);
		CHECK(!bar[0] && seen(4) == 2);
		_exit(0);
	}
	wait_for(own.to_parent);
	CHECK(bar[0] == 0x3000);
	write_config(4, "\\002");
	sh("echo 1 > reset");
	CHECK(!bar[0] && seen(4) == 2);
	tell(own.to_child);
	reaped(pid);
	teardown();
}

int main(void)
{
	start_shell();
	test_reset();
	test_small_stack();
	test_config();
	test_closed();
	test_children();
	close(commands);
	reaped(shell);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queueconf [halted|config] - an accelerator is configured through /sys/bus/dsa, also by other processes than
 * the one that uses it: what is refused and how, what it shows, and that it then works.
 */
#include <sys/wait.h>

#include "wq.h"

#define SYS "/sys/bus/dsa/devices/"
#define DRIVERS "/sys/bus/dsa/drivers/"

static struct record record;
static char from[PAGE], to[PAGE];

/* 0 or the errno. */
static int store(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), rc;

	CHECK(fd >= 0);
	rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
	close(fd);
	return rc;
}

/* By a process that has nothing to do with the accelerator. */
static int store_elsewhere(const char *path, const char *text)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(store(path, text));
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool shows(const char *path, const char *text)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	CHECK(n >= 0);
	buf[strcspn(buf, "\n")] = '\0';
	if (strcmp(buf, text) != 0)
		fprintf(stderr, "%s says \"%s\"\n", path, buf);
	return !strcmp(buf, text);
}

static bool moves(int wq)
{
	struct desc desc = move_of(from, to, PAGE, &record);

	memset(from, rand(), PAGE);
	memset(to, 0, PAGE);
	return write(wq, &desc, 64) == 64 && record.status == 1 && !memcmp(from, to, PAGE);
}

static void test_clients(void)
{
	int a = open(SHARED, O_RDWR), b = open(SHARED, O_RDWR), c = open(DEDICATED, O_RDWR), status;
	pid_t pid;

	CHECK(a >= 0 && b >= 0 && c >= 0);
	CHECK(shows(SYS "wq0.0/clients", "2") && shows(SYS "wq0.1/clients", "1"));
	CHECK(shows(SYS "dsa0/clients", "3") && shows(SYS "wq0.2/clients", "0"));
	pid = fork();
	if (!pid) {
		CHECK(open(SHARED, O_RDWR) >= 0 && shows(SYS "wq0.0/clients", "3"));
		raise(SIGKILL);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
	CHECK(shows(SYS "wq0.0/clients", "2"));
	close(a);
	close(b);
	close(c);
	CHECK(shows(SYS "wq0.0/clients", "0") && shows(SYS "dsa0/clients", "0"));
}

static void test_enabled(void)
{
	CHECK(store(SYS "wq0.0/type", "none") == EPERM);
	CHECK(store(SYS "wq0.0/threshold", "8") == ENXIO);
	CHECK(store(SYS "wq0.0/enqcmds_retries", "99\n") == 0);
	CHECK(shows(SYS "wq0.0/enqcmds_retries", "64"));
	CHECK(store(SYS "wq0.1/enqcmds_retries", "1") == EOPNOTSUPP);
	CHECK(store(DRIVERS "user/bind", "wq0.0") == EBUSY);
	CHECK(store(DRIVERS "idxd/bind", "dsa0") == EBUSY);
	CHECK(store(DRIVERS "dsa/bind", "dsa0") == ENODEV);
	CHECK(store(DRIVERS "user/bind", "dsa0") == ENODEV);
	CHECK(store(DRIVERS "user/unbind", "wq0.2") == ENODEV);
	CHECK(store(DRIVERS "user/unbind", "wq0.99") == ENODEV);
	CHECK(store(DRIVERS "dmaengine/unbind", "wq0.0") == ENODEV);
}

/* A queue is taken away under its user, and given to others. */
static void test_queue(void)
{
	int held = open(SHARED, O_RDWR), wq;

	CHECK(held >= 0 && !store_elsewhere(DRIVERS "user/unbind", "wq0.0\n"));
	CHECK_ERR(open(SHARED, O_RDWR), ENOENT);
	CHECK_ERR(access(DRIVERS "user/wq0.0", F_OK), ENOENT);
	CHECK_ERR(access(SYS "wq0.0/driver", F_OK), ENOENT);
	CHECK_ERR(access(SYS "wq0.0/dsa!wq0.0", F_OK), ENOENT);
	CHECK_ERR(access(SYS "dsa!wq0.0", F_OK), ENOENT);
	CHECK(shows(SYS "wq0.0/state", "disabled") && shows(SYS "wq0.0/name", ""));
	CHECK(shows(SYS "wq0.0/size", "64") && shows(SYS "wq0.0/type", "none"));
	CHECK(moves(held));
	close(held);

	CHECK(!store(SYS "wq0.0/driver_name", "other"));
	CHECK(store(DRIVERS "user/bind", "wq0.0") == ENODEV);
	CHECK(shows(SYS "dsa0/cmd_status", "0x80200000"));
	CHECK(!store(SYS "wq0.0/driver_name", "user\n"));
	CHECK(store(DRIVERS "user/bind", "wq0.0") == ENXIO);
	CHECK(shows(SYS "dsa0/cmd_status", "0x80040000"));
	CHECK(!store(SYS "dsa0/cmd_status", "0") && shows(SYS "dsa0/cmd_status", "0"));
	CHECK(!store(SYS "wq0.0/type", "user") && !store(SYS "wq0.0/name", " a name \n"));
	CHECK(shows(SYS "wq0.0/name", "a name"));
	CHECK(store(DRIVERS "user/bind", "wq0.0") == ENXIO);
	CHECK(shows(SYS "dsa0/cmd_status", "0x80060000"));
	CHECK(!store_elsewhere(SYS "wq0.0/mode", "dedicated"));
	CHECK(!store_elsewhere(SYS "wq0.0/priority", "3") &&
	      !store_elsewhere(SYS "wq0.0/block_on_fault", "y") &&
	      !store_elsewhere(DRIVERS "user/bind", "wq0.0\n"));
	wq = open(SHARED, O_RDWR);
	CHECK(wq >= 0 && moves(wq));
	CHECK_ERR(open(SHARED, O_RDWR), EBUSY);
	close(wq);
}

/* All is another. */
static void test_device(void)
{
	int wq, status;
	pid_t pid;

	CHECK(!store_elsewhere(DRIVERS "idxd/unbind", "dsa0"));
	CHECK_ERR(open(SHARED, O_RDWR), ENOENT);
	CHECK_ERR(open(DEDICATED, O_RDWR), ENOENT);
	CHECK(shows(SYS "dsa0/state", "disabled") && shows(SYS "group0.0/engines", ""));
	CHECK(store(DRIVERS "idxd/bind", "dsa0") == ENXIO);
	CHECK(shows(SYS "dsa0/cmd_status", "0x800d0000"));
	CHECK(!store(SYS "wq0.3/size", "128") && store(SYS "wq0.2/size", "1") == EINVAL);
	CHECK(!store(SYS "wq0.3/group_id", "2") && shows(SYS "group0.2/work_queues", "wq0.3"));
	CHECK(store(DRIVERS "idxd/bind", "dsa0") == ENXIO);
	CHECK(!store(SYS "engine0.1/group_id", "1") && store(DRIVERS "idxd/bind", "dsa0") == ENXIO);
	CHECK(shows(SYS "dsa0/cmd_status", "0x16") || shows(SYS "dsa0/cmd_status", "0x15"));
	CHECK(!store(SYS "engine0.1/group_id", "2") && shows(SYS "group0.2/engines", "engine0.1"));
	CHECK(!store_elsewhere(DRIVERS "idxd/bind", "dsa0"));
	CHECK(shows(SYS "dsa0/state", "enabled") && !access(DRIVERS "idxd/dsa0", F_OK));
	CHECK(!store(SYS "wq0.3/block_on_fault", "1") && !store(SYS "wq0.3/threshold", "100") &&
	      !store(SYS "wq0.3/priority", "15") && !store(SYS "wq0.3/driver_name", "user") &&
	      !store(SYS "wq0.3/type", "user") && !store(SYS "wq0.3/name", "app"));
	/* As older tools do it, by the driver "dsa". */
	CHECK(!store(DRIVERS "dsa/bind", "wq0.3") && shows(SYS "wq0.3/cdev_minor", "3"));
	wq = open("/dev/dsa/wq0.3", O_RDWR);
	CHECK(wq >= 0 && moves(wq));
	pid = fork();
	if (!pid) {
		wq = open("/dev/dsa/wq0.3", O_RDWR);
		_exit(wq < 0 || !moves(wq));
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	close(wq);
}

/* Without bus mastering it can't go on; until it was disabled and enabled. */
static void test_halted(void)
{
	struct desc desc = move_of(from, to, PAGE, &record);
	int wq = open(SHARED, O_RDWR), config = open(SYS_DEVICE "/config", O_RDWR);
	uint16_t command;

	CHECK(wq >= 0 && config >= 0 && pread(config, &command, 2, 4) == 2);
	command &= (uint16_t)~4;
	CHECK(pwrite(config, &command, 2, 4) == 2);
	(void)!write(wq, &desc, 64);
	CHECK(!record.status);
	CHECK_ERR(open(SHARED, O_RDWR), ENXIO);
	CHECK(shows(SYS "dsa0/state", "halted"));
	close(wq);
	close(config);
	CHECK(!store(DRIVERS "idxd/unbind", "dsa0") && shows(SYS "dsa0/state", "disabled"));
	CHECK_ERR(open(SHARED, O_RDWR), ENOENT);
}

/* Another process's write to config reaches who has a queue open that only one may have. */
static void test_config(void)
{
	struct desc desc = move_of(from, to, PAGE, &record);
	int wq = open(DEDICATED, O_RDWR), config = open(SYS_DEVICE "/config", O_RDWR), status;
	uint16_t command;
	pid_t pid;

	CHECK(wq >= 0 && config >= 0 && pread(config, &command, 2, 4) == 2);
	command &= (uint16_t)~4;
	pid = fork();
	if (!pid)
		_exit(pwrite(config, &command, 2, 4) != 2);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	(void)!write(wq, &desc, 64);
	CHECK(!record.status);
}

static void test_error(void)
{
	struct desc desc = move_of(from, to, PAGE, &record);
	int wq = open(SHARED, O_RDWR);

	desc.record = 0x1000;
	CHECK(wq >= 0 && write(wq, &desc, 64) == 64);
	CHECK(shows(SYS "dsa0/errors", "00000000,00000000,00000000,00001000,00000000,00000000,"
				       "00000103,00001a2d"));
	close(wq);
}

int main(int argc, char **argv)
{
	/* That is said in the log, and nothing else of it is. */
	if (argc > 1) {
		if (!strcmp(argv[1], "halted"))
			test_halted();
		else
			test_config();
		return 0;
	}
	CHECK(shows(SYS "dsa0/errors", "00000000,00000000,00000000,00000000,00000000,00000000,"
				       "00000000,00000000"));
	test_error();
	test_clients();
	test_enabled();
	test_queue();
	test_device();
	return 0;
}

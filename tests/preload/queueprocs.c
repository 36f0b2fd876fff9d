/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /dev/dsa/wqN.M and other processes: a file is for the address space that opened it; who
 * opens a queue itself has it for its own; and what is left of one that is killed.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "wq.h"

static struct record record;
static char from[PAGE], to[PAGE];
static sigjmp_buf out;

static void ended(pid_t pid, int expected)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (status != expected)
		fprintf(stderr, "the child ended with %#x\n", (unsigned int)status);
	CHECK(status == expected);
}

static bool copies(int wq)
{
	struct desc desc = move_of(from, to, PAGE, &record);

	memset(to, 0, PAGE);
	return write(wq, &desc, 64) == 64 && status_of(&record) == 1 && !memcmp(from, to, PAGE);
}

static void is_foreign(int wq)
{
	struct desc desc = move_of(from, to, PAGE, &record);
	struct pollfd pfd = {wq, POLLIN, 0};

	memset(to, 0, PAGE);
	CHECK_ERR(write(wq, &desc, 64), EPERM);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wq, 0), EPERM);
	CHECK_ERR(ioctl(wq, 0x3b80, &desc), ENOTTY);
	CHECK(poll(&pfd, 1, 0) == 0);
	CHECK(!to[0] && !record.status);
}

/* ---- forked children ---- */

static void on_fault(int sig)
{
	siglongjmp(out, sig);
}

static int fault_of(volatile char *portal)
{
	struct desc desc = move_of(from, to, PAGE, &record);
	int sig = sigsetjmp(out, 1);

	if (!sig) {
		signal(SIGSEGV, on_fault);
		signal(SIGBUS, on_fault);
		movdir64b(portal, &desc);
	}
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	return sig;
}

static void test_fork(void)
{
	int shared = open(SHARED, O_RDWR), dedicated = open(DEDICATED, O_RDWR), own;
	volatile char *portal = portal_of(dedicated);
	pid_t pid;

	CHECK(shared >= 0 && dedicated >= 0);
	memset(from, 'p', PAGE);
	pid = fork();
	if (!pid) {
		memset(from, 'c', PAGE);
		is_foreign(shared);
		is_foreign(dedicated);
		/* Not even the address is the device's. */
		CHECK(fault_of(portal) == SIGSEGV);
		CHECK(mmap((void *)(uintptr_t)portal, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			   0) == (void *)(uintptr_t)portal);
		portal[5] = 5;
		CHECK(portal[5] == 5);
		/* Its own: its own memory. */
		own = open(SHARED, O_RDWR);
		CHECK(own >= 0 && copies(own) && to[7] == 'c');
		CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
		close(shared);
		close(dedicated);
		CHECK(copies(own));
		CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
		exit(0);
	}
	ended(pid, 0);
	CHECK(copies(shared) && to[7] == 'p' && copies(dedicated));
	close(shared);
	close(dedicated);

	/* The portal keeps it, then nobody does. */
	pid = fork();
	if (!pid) {
		CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
		exit(0);
	}
	ended(pid, 0);
	CHECK(!munmap((void *)(uintptr_t)portal, PAGE));
	pid = fork();
	if (!pid) {
		own = open(DEDICATED, O_RDWR);
		CHECK(own >= 0 && copies(own));
		exit(0);
	}
	ended(pid, 0);
}

/* ---- programs, and strangers ---- */

static void test_exec(const char *self)
{
	int wq = open(SHARED, O_RDWR);
	char number[16];
	pid_t pid;

	CHECK(wq >= 0);
	snprintf(number, sizeof(number), "%d", wq);
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", self, number, NULL);
		_exit(9);
	}
	ended(pid, 0);
	CHECK(copies(wq));
	close(wq);
}

static void send_fd(int sock, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

static int receive_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	int fd;

	CHECK(recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void test_sent(void)
{
	int pair[2], wq, got;
	pid_t pid;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = fork();
	if (!pid) {
		got = receive_fd(pair[1]);
		is_foreign(got);
		/* It has the file, and so the queue. */
		CHECK(write(pair[1], "x", 1) == 1 && read(pair[1], &got, 1) == 1);
		exit(0);
	}
	wq = open(DEDICATED, O_RDWR);
	CHECK(wq >= 0);
	send_fd(pair[0], wq);
	close(wq);
	CHECK(read(pair[0], &got, 1) == 1);
	CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
	CHECK(write(pair[0], "x", 1) == 1);
	ended(pid, 0);
	wq = open(DEDICATED, O_RDWR);
	CHECK(wq >= 0 && copies(wq));
	close(wq);
	close(pair[0]);
	close(pair[1]);
}

/* ---- the end, in the middle of it ---- */

static char big[2][1 << 22];

static void *submitter(void *arg)
{
	int wq = *(int *)arg;
	struct record mine;
	struct desc desc;

	for (;;) {
		desc = move_of(big[0], big[1], sizeof(big[0]), &mine);
		if (write(wq, &desc, 64) != 64)
			return NULL;
		status_of(&mine);
	}
}

static void submit_for_ever(const int *told, int how)
{
	int wq[2] = {open(SHARED, O_RDWR), open(DEDICATED, O_RDWR)};
	pthread_t threads[2];

	CHECK(wq[0] >= 0 && wq[1] >= 0);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, submitter, &wq[i]));
	while (!((volatile char *)big[1])[sizeof(big[1]) - 1])
		sched_yield();
	CHECK(write(told[1], "x", 1) == 1);
	if (how)
		exit(how);
	pause();
}

static void test_end(int how)
{
	char byte;
	int told[2], wq;
	pid_t pid;

	CHECK(!pipe(told));
	memset(big[0], 'x', sizeof(big[0]));
	pid = fork();
	if (!pid)
		submit_for_ever(told, how);
	CHECK(read(told[0], &byte, 1) == 1);
	if (!how)
		kill(pid, SIGKILL);
	ended(pid, how ? how << 8 : SIGKILL);
	/* It's nobody's again. */
	wq = open(DEDICATED, O_RDWR);
	CHECK(wq >= 0 && copies(wq));
	close(wq);
	close(told[0]);
	close(told[1]);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		is_foreign(atoi(argv[1]));
		return 0;
	}
	test_fork();
	test_exec(argv[0]);
	test_sent();
	test_end(0);
	test_end(3);
	test_end(0);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls block no signals while nothing can run in their middle; and once something can, it
 * doesn't.  Each part in a process of its own: what it is about can't be taken back.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "client.h"

#define ROUNDS 300

static int iommufd;
static uint32_t ioas;
static char page[4096] __attribute__((aligned(4096)));

static void map_and_unmap(void)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = (uintptr_t)page,
		.length = sizeof(page),
		.iova = 1 << 20,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = 1 << 20,
		.length = sizeof(page),
	};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	CHECK(!ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap));
}

static void start(void)
{
	iommufd = open_node("/dev/iommu");
	ioas = ioas_alloc(iommufd);
	map_and_unmap();
}

/* ---- without handlers ---- */

static volatile int blocked;

/* Of the thread that counts: it's as if the call had done nothing. */
static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 0;
	blocked++;
}

/* Changes of this thread's mask raise SIGSYS from now on; false: that can't be had. */
static bool count_masks(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = filter};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *counted(void *arg)
{
	int *masks = arg;

	if (!count_masks())
		return NULL;
	blocked = 0;
	for (int i = 0; i < ROUNDS; i++)
		map_and_unmap();
	*masks = blocked;
	return NULL;
}

static void nothing(int sig)
{
}

static int masks_of_thread(void)
{
	pthread_t thread;
	int masks = -1;

	CHECK(!pthread_create(&thread, NULL, counted, &masks));
	CHECK(!pthread_join(thread, NULL));
	return masks;
}

static void test_no_masks(void)
{
	struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
	int masks;

	start();
	CHECK(!sigaction(SIGSYS, &action, NULL));
	CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	masks = masks_of_thread();
	if (masks < 0)
		return; /* no seccomp here */
	CHECK(!masks);
	CHECK(signal(SIGUSR1, nothing) != SIG_ERR);
	CHECK(masks_of_thread() >= 2 * ROUNDS);
}

/* ---- the first handler ---- */

static volatile bool stop;
static volatile int uses;

static void *maps(void *arg)
{
	while (!stop)
		map_and_unmap();
	return NULL;
}

/* Wants the locks that the interrupted call may have. */
static void use(int sig)
{
	int saved = errno;

	CHECK(works(iommufd));
	uses++;
	errno = saved;
}

static void test_first_handler(void)
{
	struct sigaction action = {.sa_handler = use};
	pthread_t thread;

	start();
	CHECK(!pthread_create(&thread, NULL, maps, NULL));
	usleep(1000);
	CHECK(!sigaction(SIGUSR2, &action, NULL));
	for (int i = 1; i <= ROUNDS; i++) {
		CHECK(!pthread_kill(thread, SIGUSR2));
		while (uses < i)
			sched_yield();
	}
	stop = true;
	CHECK(!pthread_join(thread, NULL));
}

/* ---- the first that is cancelled ---- */

static void *maps_until_cancelled(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		map_and_unmap();
	return NULL;
}

static void test_first_cancel(void)
{
	pthread_t thread;

	start();
	CHECK(!pthread_create(&thread, NULL, maps_until_cancelled, NULL));
	usleep(1000);
	CHECK(!pthread_cancel(thread));
	CHECK(!pthread_join(thread, NULL));
	CHECK(works(iommufd));
}

static void in_child(void (*test)(void))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		test();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(void)
{
	in_child(test_no_masks);
	in_child(test_first_handler);
	for (int i = 0; i < 20; i++)
		in_child(test_first_cancel);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Page requests that a program serves through a fault queue: run under
 * "uiommu run --iommufd-test", whose mock device reports one when it is told to.
 *
 *  iopf.asleep	from the report until who waits for it, asleep in poll(), knows that it
 *		was answered, by a handler that was asleep in poll() as well
 *  iopf.wake	the round trip of two threads that wake each other so, without us
 *  iopf.reading	from the report until the answer of a handler that reads in a loop
 *  iopf.spin	the round trip of two threads that look at a word in memory
 */
#include <pthread.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "mock/abi.h"

/* What the two threads have in common; @answers is the only one that both write to. */
static int iommufd, queue, to_handler, to_reporter;
static uint32_t dev_id;
static uint64_t asked, answers, stop;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- what is reported ---- */

static void call(unsigned long request, void *arg)
{
	if (ioctl(iommufd, request, arg))
		die("ioctl");
}

static void setup(void)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt), .flags = IOMMU_HWPT_FAULT_ID_VALID};
	struct mock_cmd device = {.size = sizeof(device), .op = MOCK_OP_DOMAIN};
	struct mock_cmd replace = {.size = sizeof(replace), .op = MOCK_OP_REPLACE};

	iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0)
		die("/dev/iommu");
	call(IOMMU_IOAS_ALLOC, &ioas);
	device.id = ioas.out_ioas_id;
	call(MOCK_TEST_CMD, &device);
	dev_id = device.domain.out_idev_id;
	call(IOMMU_FAULT_QUEUE_ALLOC, &fault);
	queue = (int)fault.out_fault_fd;
	hwpt.dev_id = dev_id;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = fault.out_fault_id;
	call(IOMMU_HWPT_ALLOC, &hwpt);
	replace.id = device.domain.out_stdev_id;
	replace.replace.pt_id = hwpt.out_hwpt_id;
	call(MOCK_TEST_CMD, &replace);
}

static void report(void)
{
	struct mock_cmd cmd = {
		.size = sizeof(cmd),
		.op = MOCK_OP_TRIGGER_IOPF,
		.iopf = {.dev_id = dev_id, .perm = IOMMU_PGFAULT_PERM_READ, .addr = 0x1000},
	};

	if (ioctl(iommufd, MOCK_TEST_CMD, &cmd))
		die("TRIGGER_IOPF");
}

/* False: there was none. */
static bool answer(void)
{
	struct iommu_hwpt_page_response response = {.code = IOMMUFD_PAGE_RESP_SUCCESS};
	struct iommu_hwpt_pgfault fault;
	ssize_t n = read(queue, &fault, sizeof(fault));

	if (!n)
		return false;
	if (n != sizeof(fault))
		die("read");
	response.cookie = fault.cookie;
	if (write(queue, &response, sizeof(response)) != sizeof(response))
		die("write");
	return true;
}

/* ---- threads ---- */

static void wait_for(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	if (poll(&pfd, 1, -1) != 1 || !(pfd.revents & POLLIN))
		die("poll");
}

static void signal_to(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("eventfd");
}

static void wait_and_take(int fd)
{
	uint64_t count;

	wait_for(fd);
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		die("eventfd");
}

static bool stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE);
}

static void *asleep_handler(void *arg)
{
	bench_stay_on(1);
	for (;;) {
		wait_for(queue);
		if (!answer())
			continue;
		if (stopped())
			return NULL;
		signal_to(to_reporter);
	}
}

static void *wake_handler(void *arg)
{
	bench_stay_on(1);
	for (;;) {
		wait_and_take(to_handler);
		if (stopped())
			return NULL;
		signal_to(to_reporter);
	}
}

static void *reading_handler(void *arg)
{
	bench_stay_on(1);
	while (!stopped()) {
		if (answer())
			__atomic_fetch_add(&answers, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void *spin_handler(void *arg)
{
	bench_stay_on(1);
	while (!stopped())
		__atomic_store_n(&answers, __atomic_load_n(&asked, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
	return NULL;
}

static void asleep(void *arg, uint64_t n)
{
	while (n--) {
		report();
		wait_and_take(to_reporter);
	}
}

static void wake(void *arg, uint64_t n)
{
	while (n--) {
		signal_to(to_handler);
		wait_and_take(to_reporter);
	}
}

static void until_answered(uint64_t all)
{
	while (__atomic_load_n(&answers, __ATOMIC_ACQUIRE) != all)
		;
}

static void reading(void *arg, uint64_t n)
{
	uint64_t all = __atomic_load_n(&answers, __ATOMIC_ACQUIRE);

	while (n--) {
		report();
		until_answered(++all);
	}
}

static void spin(void *arg, uint64_t n)
{
	while (n--) {
		__atomic_store_n(&asked, asked + 1, __ATOMIC_RELEASE);
		until_answered(asked);
	}
}

/* @last wakes a handler that sleeps. */
static void with(const char *name, bench_fn fn, void *(*handler)(void *arg), void (*last)(void))
{
	pthread_t thread;

	stop = asked = answers = 0;
	bench_stay_on(0);
	if (pthread_create(&thread, NULL, handler, NULL))
		die("pthread_create");
	bench(name, fn, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	if (last)
		last();
	pthread_join(thread, NULL);
}

static void last_wake(void)
{
	signal_to(to_handler);
}

int main(void)
{
	to_handler = eventfd(0, EFD_CLOEXEC);
	to_reporter = eventfd(0, EFD_CLOEXEC);
	if (to_handler < 0 || to_reporter < 0)
		die("eventfd");
	setup();
	with("iopf.asleep", asleep, asleep_handler, report);
	with("iopf.wake", wake, wake_handler, last_wake);
	with("iopf.reading", reading, reading_handler, NULL);
	with("iopf.spin", spin, spin_handler, NULL);
	return 0;
}

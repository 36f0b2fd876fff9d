// SPDX-License-Identifier: LGPL-2.1-or-later
/* Fault queues: what is read, how it is answered, and what ends it. */
#include "fixture.h"

#include <poll.h>
#include <semaphore.h>
#include <stdbool.h>

#include "iommufd/fault.h"

static struct fake_device *dev;
static struct iommufd_device *idev;
static struct uiommu_file *queue;
static uint32_t dev_id, ioas, fault_id, hwpt;

static int setup_queue(void **state)
{
	long rc;

	setup(state);
	dev = device_new(NULL);
	idev = bind(iommufd, dev);
	dev_id = iommufd_device_to_id(idev);
	ioas = ioas_alloc();
	queue = fault_alloc(&fault_id);
	rc = hwpt_alloc(dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, fault_id);
	assert_true(rc > 0);
	hwpt = (uint32_t)rc;
	assert_int_equal(iommufd_device_attach(idev, 0, &hwpt), 0);
	return 0;
}

static int teardown_queue(void **state)
{
	iommufd_device_detach(idev, 0);
	iommufd_device_detach(idev, 1);
	iommufd_device_unbind(idev);
	device_free(dev);
	return teardown(state);
}

static int report(uint32_t grpid, uint32_t pasid, uint32_t flags)
{
	const struct uiommu_fault fault = {
		.flags = flags | (pasid ? UIOMMU_FAULT_PASID_VALID : 0),
		.pasid = pasid,
		.grpid = grpid,
		.perm = UIOMMU_READ | UIOMMU_WRITE,
		.addr = 0x1000ULL * grpid,
	};

	return uiommu_report_device_fault(dev->dev, &fault);
}

#define LAST UIOMMU_FAULT_LAST_PAGE

static ssize_t queue_read(void *buf, size_t count)
{
	return uiommu_file_read(queue, mm, (uintptr_t)buf, count);
}

static ssize_t queue_write(const void *buf, size_t count)
{
	return uiommu_file_write(queue, mm, (uintptr_t)buf, count);
}

static ssize_t answer(uint32_t cookie, uint32_t code)
{
	const struct iommu_hwpt_page_response response = {.cookie = cookie, .code = code};

	return queue_write(&response, sizeof(response));
}

static bool readable(void)
{
	short events = uiommu_file_poll(queue);

	assert_true(events == POLLOUT || events == (POLLOUT | POLLIN | POLLRDNORM));
	/* The host was told whenever it changed. */
	assert_int_equal(!!(events & POLLIN), host.readable);
	return events & POLLIN;
}

static void test_descriptor(void **state)
{
	assert_string_equal(uiommu_file_path(queue), "anon_inode:[iommufd-pgfault]");
	assert_int_equal(uiommu_file_rdev(queue), 0);
	assert_int_equal(uiommu_file_ioctl(queue, mm, IOMMU_DESTROY, 0), -ENOTTY);
}

static void test_round_trip(void **state)
{
	struct iommu_hwpt_pgfault fault;

	assert_false(readable());
	assert_int_equal(queue_read(&fault, sizeof(fault)), 0);
	assert_int_equal(report(7, 0, LAST | UIOMMU_FAULT_RESPONSE_NEEDS_PASID), 0);
	assert_true(readable());
	assert_int_equal(dev->answers, 0);
	memset(&fault, 0xcc, sizeof(fault));
	assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
	assert_false(readable());
	assert_int_equal(fault.flags, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
	assert_int_equal(fault.dev_id, dev_id);
	assert_int_equal(fault.pasid, 0);
	assert_int_equal(fault.grpid, 7);
	assert_int_equal(fault.perm, IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE);
	assert_int_equal(fault.__reserved, 0);
	assert_int_equal(fault.addr, 0x7000);
	assert_int_equal(fault.length, 0);
	assert_int_equal(fault.cookie, 1);
	assert_int_equal(answer(1, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	assert_int_equal(dev->answers, 1);
	assert_int_equal(dev->last.grpid, 7);
	assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_SUCCESS);
	/* Used. */
	assert_int_equal(answer(1, IOMMUFD_PAGE_RESP_SUCCESS), -EINVAL);
	assert_int_equal(dev->answers, 1);
}

static void test_read_sizes(void **state)
{
	struct iommu_hwpt_pgfault faults[4];

	for (size_t count = 0; count < 3 * sizeof(*faults); count++)
		assert_int_equal(queue_read(faults, count), count % 40 ? -ESPIPE : 0);
	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 39), -ESPIPE);
	/* The first group doesn't fit: an error, not the end. */
	assert_int_equal(queue_read(faults, 0), -EINVAL);
	assert_int_equal(queue_read(NULL, 40), -EFAULT);
	assert_int_equal(queue_read(memory + 2 * PAGE - 20, 40), -EFAULT);
	assert_true(readable());
	assert_int_equal(uiommu_file_pread(queue, mm, (uintptr_t)faults, 40, 0), -ESPIPE);
	assert_int_equal(queue_read(faults, 40), 40);
	assert_int_equal(faults[0].cookie, 1);
	assert_int_equal(answer(1, 0), 8);
}

/* Whole groups; each has one cookie, in all its faults. */
static void test_groups(void **state)
{
	struct iommu_hwpt_pgfault faults[4];

	assert_int_equal(report(1, 0, 0), 0);
	assert_int_equal(report(1, 0, 0), 0);
	assert_false(readable());
	assert_int_equal(report(2, 0, LAST), 0);
	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(report(3, 0, LAST), 0);

	assert_int_equal(queue_read(faults, 3 * 40), 40);
	assert_int_equal(faults[0].grpid, 2);
	assert_int_equal(faults[0].cookie, 1);
	assert_int_equal(queue_read(faults, 2 * 40), -EINVAL);
	assert_int_equal(queue_read(faults, 4 * 40), 4 * 40);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(faults[i].grpid, 1);
		assert_int_equal(faults[i].cookie, 2);
		assert_int_equal(faults[i].flags, i == 2 ? LAST : 0);
	}
	assert_int_equal(faults[3].cookie, 3);
	/* The lowest free one is the next. */
	assert_int_equal(answer(2, 0), 8);
	assert_int_equal(answer(1, 1), 8);
	assert_int_equal(report(4, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 40), 40);
	assert_int_equal(faults[0].cookie, 1);
	assert_int_equal(answer(1, 0), 8);
	assert_int_equal(answer(3, 0), 8);
	assert_int_equal(dev->answers, 4);
}

/* Answering 0 is an error, but while others are open it makes 0 a cookie. */
static void test_cookie_zero(void **state)
{
	struct iommu_hwpt_pgfault faults[2];

	assert_int_equal(answer(0, 0), -EINVAL);
	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 40), 40);
	assert_int_equal(faults[0].cookie, 1);
	assert_int_equal(answer(0, 9), -EINVAL);
	assert_int_equal(report(2, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 40), 40);
	assert_int_equal(faults[0].cookie, 2);
	assert_int_equal(answer(0, 0), -EINVAL);
	assert_int_equal(report(3, 0, LAST), 0);
	assert_int_equal(report(4, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 80), 80);
	assert_int_equal(faults[0].cookie, 0);
	assert_int_equal(faults[1].cookie, 3);
	assert_int_equal(answer(0, 0), 8);
	assert_int_equal(answer(0, 0), -EINVAL);
	for (uint32_t cookie = 1; cookie <= 3; cookie++)
		assert_int_equal(answer(cookie, 0), 8);
	/* It stays one, and what has it goes with the attachment like any other. */
	assert_int_equal(report(5, 0, LAST), 0);
	assert_int_equal(queue_read(faults, 40), 40);
	assert_int_equal(faults[0].cookie, 0);
	assert_int_equal(dev->answers, 4);
	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 5);
	assert_int_equal(answer(0, 0), -EINVAL);
}

/* Some copied, then a page that isn't there: what was copied counts. */
static void test_read_partly(void **state)
{
	struct iommu_hwpt_pgfault fault;

	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(report(2, 0, 0), 0);
	assert_int_equal(report(2, 0, LAST), 0);
	assert_int_equal(queue_read(memory + 2 * PAGE - 80, 120), 40);
	assert_true(readable());
	/* The second group was not delivered, and has no cookie yet. */
	assert_int_equal(answer(2, 0), -EINVAL);
	assert_int_equal(queue_read(memory, 80), 80);
	memcpy(&fault, memory, sizeof(fault));
	assert_int_equal(fault.cookie, 2);
	assert_int_equal(answer(2, 0), 8);
	assert_int_equal(answer(1, 0), 8);
}

static void test_write(void **state)
{
	struct iommu_hwpt_page_response responses[4] = {{1, 0}, {2, 1}, {9, 0}, {3, 0}};
	struct iommu_hwpt_pgfault faults[3];

	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(report(i, 0, LAST), 0);
	assert_int_equal(queue_read(faults, sizeof(faults)), sizeof(faults));
	for (size_t count = 1; count < 8; count++)
		assert_int_equal(queue_write(responses, count), -ESPIPE);
	assert_int_equal(queue_write(responses, 0), 0);
	assert_int_equal(queue_write(NULL, 8), -EFAULT);
	assert_int_equal(answer(0, 0), -EINVAL);
	assert_int_equal(answer(4, 0), -EINVAL);
	assert_int_equal(answer(UINT32_MAX, 0), -EINVAL);
	/* A code that only the library may send leaves the cookie as it was. */
	assert_int_equal(answer(1, 2), -EINVAL);
	assert_int_equal(answer(1, UIOMMU_PAGE_RESP_FAILURE), -EINVAL);
	assert_int_equal(dev->answers, 0);
	/* Up to the one that is wrong. */
	assert_int_equal(queue_write(responses, sizeof(responses)), 16);
	assert_int_equal(dev->answers, 2);
	assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(uiommu_file_pwrite(queue, mm, (uintptr_t)&responses[3], 8, 0), -ESPIPE);
	assert_int_equal(queue_write(&responses[3], 8), 8);
	assert_int_equal(dev->answers, 3);
}

/* Detach answers what it had, read or not, and takes it off the queue. */
static void test_detach(void **state)
{
	struct iommu_hwpt_pgfault faults[4];

	assert_int_equal(iommufd_device_attach(idev, 1, &hwpt), 0);
	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(report(2, 1, LAST), 0);
	assert_int_equal(queue_read(faults, 80), 80);
	assert_int_equal(faults[1].pasid, 1);
	assert_int_equal(faults[1].flags, LAST | IOMMU_PGFAULT_FLAGS_PASID_VALID);
	assert_int_equal(report(3, 0, LAST), 0);
	assert_int_equal(report(4, 1, LAST), 0);

	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 2);
	assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(answer(1, 0), -EINVAL);
	/* The PASID's are still there, and number 1 is free again. */
	assert_int_equal(queue_read(faults, sizeof(faults)), 40);
	assert_int_equal(faults[0].grpid, 4);
	assert_int_equal(faults[0].cookie, 1);
	assert_int_equal(answer(2, 0), 8);
	assert_int_equal(answer(1, 0), 8);
	assert_int_equal(dev->answers, 4);
	assert_int_equal(report(5, 0, LAST), -EINVAL);
	assert_false(readable());
}

static void test_detach_undelivered(void **state)
{
	assert_int_equal(report(1, 0, LAST), 0);
	assert_true(readable());
	iommufd_device_detach(idev, 0);
	assert_false(readable());
	assert_int_equal(dev->answers, 1);
	assert_int_equal(counts().groups_open, 0);
}

static void test_replace(void **state)
{
	uint32_t other_id;
	struct uiommu_file *other = fault_alloc(&other_id);
	struct iommu_hwpt_pgfault fault;
	uint32_t to;

	to = (uint32_t)hwpt_alloc(dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
				  other_id);
	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(iommufd_device_replace(idev, 0, &to), 0);
	assert_int_equal(dev->answers, 1);
	assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(queue_read(&fault, sizeof(fault)), 0);
	/* From now on they come to the other queue. */
	assert_int_equal(report(2, 0, LAST), 0);
	assert_int_equal(queue_read(&fault, sizeof(fault)), 0);
	assert_int_equal(uiommu_file_read(other, mm, (uintptr_t)&fault, 40), 40);
	assert_int_equal(fault.grpid, 2);
	assert_int_equal(fault.cookie, 1);
}

/* By the same hwpt nothing is switched, and nothing answered. */
static void test_replace_by_itself(void **state)
{
	struct iommu_hwpt_pgfault fault;
	uint32_t to = hwpt;

	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(iommufd_device_replace(idev, 0, &to), 0);
	assert_int_equal(dev->answers, 0);
	assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
	assert_int_equal(answer(1, 0), 8);
}

/* Closing the queue answers nothing; the detach does, later. */
static void test_close(void **state)
{
	struct iommu_hwpt_pgfault fault;

	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
	assert_int_equal(report(2, 0, LAST), 0);
	assert_int_equal(destroy(fault_id), -EBUSY);
	host_close(queue);
	assert_int_equal(dev->answers, 0);
	assert_int_equal(destroy(fault_id), -EBUSY);
	host.readable_calls = 0;
	assert_int_equal(report(3, 0, LAST), 0);
	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 3);
	/* Nobody is told about a file that is gone. */
	assert_int_equal(host.readable_calls, 0);
	assert_int_equal(destroy(hwpt), 0);
	assert_int_equal(destroy(fault_id), 0);
}

/* ---- a close while somebody tells the host ---- */

static sem_t telling, go_on;
static uint32_t closed;

static void hold_teller(void)
{
	sem_post(&telling);
	sem_wait(&go_on);
}

static void *report_one(void *arg)
{
	report(1, 0, LAST);
	return NULL;
}

static void *close_queue(void *arg)
{
	host_close(queue);
	ui_store_release(&closed, 1);
	return NULL;
}

static void test_close_waits(void **state)
{
	/* The hwpt has it as well. */
	struct iommufd_fault *fault = ui_container_of(queue, struct iommufd_fault, file);
	pthread_t reporter, closer;
	unsigned int tries = 0;

	assert_int_equal(sem_init(&telling, 0, 0), 0);
	assert_int_equal(sem_init(&go_on, 0, 0), 0);
	ui_store_release(&closed, 0);
	host.on_readable = hold_teller;
	assert_int_equal(pthread_create(&reporter, NULL, report_one, NULL), 0);
	sem_wait(&telling);
	assert_int_equal(pthread_create(&closer, NULL, close_queue, NULL), 0);
	while (!ui_load_acquire(&fault->telling.cond.waiters) && !ui_load_acquire(&closed))
		ui_spin_pause(tries++);
	assert_false(ui_load_acquire(&closed));
	sem_post(&go_on);
	pthread_join(reporter, NULL);
	pthread_join(closer, NULL);
	assert_int_equal(host.readable_calls, 1);
	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 1);
	sem_destroy(&telling);
	sem_destroy(&go_on);
}

static void *report_three(void *arg)
{
	for (uint32_t i = 0; i < 3; i++)
		report(i, 0, LAST);
	return NULL;
}

/* A new queue each time: what is left over is found by sanitizers, and by the counts. */
static void test_close_race(void **state)
{
	struct iommu_hwpt_pgfault faults[4];
	pthread_t reporter;

	for (int i = 0; i < 400; i++) {
		assert_int_equal(pthread_create(&reporter, NULL, report_three, NULL), 0);
		for (int n = 0; n < i % 5; n++)
			queue_read(faults, sizeof(faults));
		host_close(queue);
		pthread_join(reporter, NULL);
		iommufd_device_detach(idev, 0);
		assert_int_equal(destroy(hwpt), 0);
		assert_int_equal(destroy(fault_id), 0);
		assert_int_equal(dev->answers, 3 * (i + 1));
		queue = fault_alloc(&fault_id);
		hwpt = (uint32_t)hwpt_alloc(
			dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, fault_id);
		assert_int_equal(iommufd_device_attach(idev, 0, &hwpt), 0);
	}
}

/* The queue's file holds the context, as a bound device does. */
static void test_file_holds_context(void **state)
{
	iommufd_device_detach(idev, 0);
	assert_int_equal(destroy(hwpt), 0);
	uiommu_file_put(iommufd);
	iommufd = NULL;
	assert_int_equal(queue_read(memory, 40), 0);
	assert_int_equal(counts().files, 2);
}

/* A retry inside of the answer faults again, and finds the queue usable. */
static void test_fault_in_answer(void **state)
{
	const struct uiommu_fault next = {.flags = LAST, .grpid = 2, .addr = 0x2000};
	struct iommu_hwpt_pgfault fault;

	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
	dev->next = &next;
	assert_int_equal(answer(1, 0), 8);
	assert_true(readable());
	assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
	assert_int_equal(fault.grpid, 2);
	assert_int_equal(fault.cookie, 1);
	/* And one that comes out of a detach finds nothing attached. */
	dev->next = &next;
	iommufd_device_detach(idev, 0);
	assert_int_equal(dev->answers, 3);
	assert_false(readable());
}

/* Reads that find nothing, as many as a loop of them takes to be known as one. */
static void read_in_vain(void)
{
	for (int i = 0; i < 100; i++)
		assert_int_equal(queue_read(memory, 40), 0);
}

/* Who reads in a loop isn't waited for for long, and the host hears of what stays. */
static void test_reader_gone(void **state)
{
	struct iommu_hwpt_pgfault fault;

	for (int i = 0; i < 2; i++) {
		read_in_vain();
		assert_int_equal(report(1, 0, LAST), 0);
		assert_true(readable());
		assert_int_equal(queue_read(&fault, sizeof(fault)), sizeof(fault));
		assert_false(readable());
		assert_int_equal(answer(fault.cookie, IOMMUFD_PAGE_RESP_SUCCESS), 8);
	}
}

#define LOOPED 3000u

static void *reading_loop(void *arg)
{
	struct iommu_hwpt_pgfault fault;

	for (unsigned int seen = 0; seen < LOOPED;) {
		ssize_t n = queue_read(&fault, sizeof(fault));

		if (!n)
			continue;
		if (n != sizeof(fault) || answer(fault.cookie, IOMMUFD_PAGE_RESP_SUCCESS) != 8)
			abort();
		seen++;
	}
	return NULL;
}

/* Whatever the two threads do to each other, what the host knows at last is right. */
static void test_reading_loop(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, reading_loop, NULL), 0);
	for (unsigned int i = 0; i < LOOPED; i++)
		assert_int_equal(report(i % 512, 0, LAST), 0);
	pthread_join(thread, NULL);
	assert_int_equal(dev->answers, LOOPED);
	assert_false(readable());
	assert_int_equal(report(1, 0, LAST), 0);
	assert_true(readable());
}

static int (*queue_handler)(struct uiommu_iopf_group *group);

static int handler_after_detach(struct uiommu_iopf_group *group)
{
	/* Answers the group, and drains the queue that it isn't in yet. */
	iommufd_device_detach(idev, 0);
	return queue_handler(group);
}

/* A fault that is routed just before a detach comes to the queue after it. */
static void test_late_handler(void **state)
{
	struct uiommu_attach_handle *handle =
		uiommu_attach_handle_get(uiommu_device_group(dev->dev), 0, NULL);
	struct uiommu_domain *domain = uiommu_attach_handle_domain(handle);
	struct iommu_hwpt_pgfault fault;

	queue_handler = domain->iopf_handler;
	domain->iopf_handler = handler_after_detach;
	uiommu_attach_handle_put(handle);

	assert_int_equal(report(1, 0, LAST), 0);
	assert_int_equal(dev->answers, 1);
	assert_int_equal(dev->last.code, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(queue_read(&fault, sizeof(fault)), 0);
	assert_int_equal(counts().groups_open, 0);
	assert_int_equal(counts().handles, 0);
}

static void test_alloc_errors(void **state)
{
	struct iommu_fault_alloc cmd = {.size = sizeof(cmd), .flags = 1};
	struct uiommu_counts before = counts();

	assert_int_equal(iommu_ioctl(IOMMU_FAULT_QUEUE_ALLOC, &cmd), -EOPNOTSUPP);
	cmd.flags = 0;
	host.install_error = -EMFILE;
	assert_int_equal(iommu_ioctl(IOMMU_FAULT_QUEUE_ALLOC, &cmd), -EMFILE);
	host.install_error = 0;
	assert_int_equal(counts().objects, before.objects);
	assert_int_equal(counts().files, before.files);
}

/* ---- faults, answers and detaches at once ---- */

static bool stop;

static void *reader(void *arg)
{
	struct iommu_hwpt_pgfault faults[8];

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		ssize_t n = queue_read(faults, sizeof(faults));

		for (ssize_t i = 0; i < n / 40; i++) {
			ssize_t rc = answer(faults[i].cookie, i & 1);

			/* Too late is the only excuse. */
			if (rc != 8 && rc != -EINVAL)
				abort();
		}
	}
	return NULL;
}

static void *changer(void *arg)
{
	uint32_t other = *(uint32_t *)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		uint32_t pt = other;

		if (iommufd_device_replace(idev, 0, &pt))
			abort();
		iommufd_device_detach(idev, 0);
		pt = hwpt;
		if (iommufd_device_attach(idev, 0, &pt))
			abort();
	}
	return NULL;
}

static void test_race(void **state)
{
	uint32_t other = (uint32_t)hwpt_alloc(
		dev_id, ioas, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, fault_id);
	struct iommu_hwpt_pgfault faults[8];
	struct uiommu_counts now;
	pthread_t threads[2];

	stop = false;
	assert_int_equal(pthread_create(&threads[0], NULL, reader, NULL), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, changer, &other), 0);
	for (uint32_t i = 0; i < 20000; i++)
		report(i % 512, 0, LAST);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);

	iommufd_device_detach(idev, 0);
	now = counts();
	assert_int_equal(now.faults_reported, 20000);
	assert_int_equal(now.faults_answered, 20000);
	assert_int_equal(now.groups_open, 0);
	assert_int_equal(now.handles, 0);
	/* Nothing was left behind in the queue. */
	assert_int_equal(queue_read(faults, sizeof(faults)), 0);
}

int main(void)
{
#define with_queue(test) cmocka_unit_test_setup_teardown(test, setup_queue, teardown_queue)
	const struct CMUnitTest tests[] = {
		with_queue(test_descriptor),
		with_queue(test_round_trip),
		with_queue(test_read_sizes),
		with_queue(test_groups),
		with_queue(test_cookie_zero),
		with_queue(test_read_partly),
		with_queue(test_write),
		with_queue(test_detach),
		with_queue(test_detach_undelivered),
		with_queue(test_replace),
		with_queue(test_replace_by_itself),
		with_queue(test_late_handler),
		with_queue(test_close),
		with_queue(test_close_waits),
		with_queue(test_close_race),
		with_queue(test_file_holds_context),
		with_queue(test_fault_in_answer),
		with_queue(test_alloc_errors),
		with_queue(test_race),
		with_queue(test_reader_gone),
		with_queue(test_reading_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Page requests on their own: a device that only reports and takes answers,
 * domains whose handlers the tests provide.
 */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

#include "base/sync.h"

#define MAX_LOG 16

/* ---- allocations that fail on demand ---- */

static int fail_alloc_in; /* the how-manieth from now; 0: none */

void *wrap_calloc(size_t n, size_t size) __asm__("__wrap_calloc");
void *real_calloc(size_t n, size_t size) __asm__("__real_calloc");

void *wrap_calloc(size_t n, size_t size)
{
	if (fail_alloc_in && --fail_alloc_in == 0)
		return NULL;
	return real_calloc(n, size);
}

void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *real_malloc(size_t size) __asm__("__real_malloc");

void *wrap_malloc(size_t size)
{
	if (fail_alloc_in && --fail_alloc_in == 0)
		return NULL;
	return real_malloc(size);
}

/* ---- the rig ---- */

struct rig {
	struct uiommu *ctx;
	struct uiommu_device *dev;
	struct uiommu_page_response resp[MAX_LOG];
	unsigned int nr_resp;
	unsigned int nr_events;
	unsigned int nr_drained;
	unsigned int nr_released;
	/* What page_response does besides noting the answer. */
	void (*on_response)(struct rig *rig);
	sem_t entered;
	sem_t leave;
};

/* Groups that a handler was given. */
static struct uiommu_iopf_group *got[MAX_LOG];
static unsigned int nr_got;

struct owned_handle {
	struct uiommu_attach_handle handle;
	struct rig *rig;
};

static void page_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	struct rig *rig = uiommu_device_drvdata(dev);

	assert_true(rig->nr_resp < MAX_LOG);
	rig->resp[rig->nr_resp++] = *resp;
	if (rig->on_response)
		rig->on_response(rig);
}

static const struct uiommu_driver_ops driver_ops = {
	.page_response = page_response,
};

static void on_event(void *opaque, const struct uiommu_event *event)
{
	struct rig *rig = opaque;

	assert_int_equal(event->type, UIOMMU_EVENT_PAGE_REQUEST);
	assert_string_equal(event->device, "dev0");
	rig->nr_events++;
}

static void handle_drain(struct uiommu_attach_handle *handle)
{
	ui_container_of(handle, struct owned_handle, handle)->rig->nr_drained++;
}

static void handle_release(struct uiommu_attach_handle *handle)
{
	struct owned_handle *owned = ui_container_of(handle, struct owned_handle, handle);

	owned->rig->nr_released++;
	free(owned);
}

static const struct uiommu_handle_ops handle_ops = {
	.name = "test",
	.drain = handle_drain,
	.release = handle_release,
};

static void domain_free(struct uiommu_domain *domain)
{
	free(domain);
}

static const struct uiommu_domain_ops domain_ops = {
	.free = domain_free,
};

static int keep(struct uiommu_iopf_group *group)
{
	assert_true(nr_got < MAX_LOG);
	got[nr_got++] = group;
	return 0;
}

static int refuse(struct uiommu_iopf_group *group)
{
	got[nr_got++] = group;
	return -EIO;
}

static int answer_success(struct uiommu_iopf_group *group)
{
	nr_got++;
	assert_int_equal(uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS), 0);
	uiommu_iopf_free_group(group);
	return 0;
}

/* Answered, and then an error: no second answer. */
static int answer_then_fail(struct uiommu_iopf_group *group)
{
	assert_int_equal(uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS), 0);
	return -EIO;
}

static struct uiommu_attach_handle *new_handle(struct rig *rig)
{
	struct owned_handle *owned = aligned_alloc(16, sizeof(*owned));

	owned->rig = rig;
	assert_int_equal(uiommu_attach_handle_init(rig->ctx, &owned->handle, &handle_ops), 0);
	return &owned->handle;
}

static struct uiommu_domain *new_domain(struct rig *rig, enum uiommu_domain_type type,
					int (*handler)(struct uiommu_iopf_group *))
{
	struct uiommu_domain *domain = calloc(1, sizeof(*domain));

	uiommu_domain_init(rig->ctx, domain, type, &domain_ops);
	domain->iopf_handler = handler;
	return domain;
}

static void attach(struct rig *rig, uint32_t pasid, enum uiommu_domain_type type, bool user_table,
		   int (*handler)(struct uiommu_iopf_group *))
{
	struct uiommu_domain *domain = new_domain(rig, type, handler);

	domain->user_pasid_table = user_table;
	assert_int_equal(uiommu_attach_device_pasid(domain, rig->dev, pasid, new_handle(rig)), 0);
	uiommu_domain_put(domain);
}

static void detach(struct rig *rig, uint32_t pasid)
{
	assert_int_equal(uiommu_detach_device_pasid(rig->dev, pasid, NULL), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct uiommu_config config = {
		.size = sizeof(config),
		.opaque = rig,
		.event = on_event,
	};
	const struct uiommu_device_config dev_config = {
		.name = "dev0",
		.max_pasids = 64,
		.pri = true,
		.drvdata = rig,
		.ops = &driver_ops,
	};

	assert_int_equal(uiommu_create(&config, &rig->ctx), 0);
	assert_int_equal(uiommu_device_register(rig->ctx, &dev_config, &rig->dev), 0);
	sem_init(&rig->entered, 0, 0);
	sem_init(&rig->leave, 0, 0);
	nr_got = 0;
	fail_alloc_in = 0;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	struct uiommu_counts counts;

	if (rig->dev)
		uiommu_device_unregister(rig->dev);
	uiommu_get_counts(rig->ctx, &counts);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	assert_int_equal(counts.faults_answered, rig->nr_resp);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.devices, 0);
	assert_int_equal(counts.groups, 0);
	uiommu_destroy(rig->ctx);
	sem_destroy(&rig->entered);
	sem_destroy(&rig->leave);
	free(rig);
	return 0;
}

static int report(struct rig *rig, uint32_t flags, uint32_t pasid, uint32_t grpid, uint64_t addr)
{
	const struct uiommu_fault fault = {
		.flags = flags,
		.pasid = pasid,
		.grpid = grpid,
		.perm = UIOMMU_READ,
		.addr = addr,
	};

	return uiommu_report_device_fault(rig->dev, &fault);
}

static void assert_resp(struct rig *rig, unsigned int nr, uint32_t grpid,
			enum uiommu_page_response_code code)
{
	assert_true(nr < rig->nr_resp);
	assert_int_equal(rig->resp[nr].grpid, grpid);
	assert_int_equal(rig->resp[nr].code, code);
}

#define LAST UIOMMU_FAULT_LAST_PAGE
#define PASID UIOMMU_FAULT_PASID_VALID
#define NEEDS UIOMMU_FAULT_RESPONSE_NEEDS_PASID

/* ---- routing ---- */

static void test_nothing_attached(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(report(rig, LAST, 0, 3, 0x1000), -EINVAL);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 3, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_events, 1);

	/* One that isn't the last: refused at once, but it has no answer. */
	assert_int_equal(report(rig, 0, 0, 3, 0x1000), -EINVAL);
	assert_int_equal(rig->nr_resp, 1);
	assert_int_equal(rig->nr_events, 2);
}

static void test_no_handler(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, NULL);
	assert_int_equal(report(rig, LAST, 0, 3, 0x1000), -EINVAL);
	assert_resp(rig, 0, 3, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(report(rig, 0, 0, 3, 0x1000), -EINVAL);
	assert_int_equal(rig->nr_resp, 1);
	assert_int_equal(rig->nr_events, 2);
}

static void test_pasid_goes_to_its_handle(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, refuse);
	attach(rig, 5, UIOMMU_DOMAIN_PAGING, false, answer_success);
	assert_int_equal(report(rig, LAST | PASID, 5, 1, 0), 0);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_SUCCESS);
	/* Without the flag the number means nothing. */
	assert_int_equal(report(rig, LAST, 5, 2, 0), 0);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_FAILURE);
	/* PASID 0 is the RID's. */
	assert_int_equal(report(rig, LAST | PASID, 0, 3, 0), 0);
	assert_resp(rig, 2, 3, UIOMMU_PAGE_RESP_FAILURE);
}

static void test_missing_pasid_falls_back_to_nested_only(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, true, answer_success);
	assert_int_equal(report(rig, LAST | PASID, 7, 1, 0), -EINVAL);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_INVALID);
	detach(rig, 0);

	attach(rig, 0, UIOMMU_DOMAIN_NESTED, false, answer_success);
	assert_int_equal(report(rig, LAST | PASID, 7, 2, 0), -EINVAL);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_INVALID);
	detach(rig, 0);

	attach(rig, 0, UIOMMU_DOMAIN_NESTED, true, answer_success);
	assert_int_equal(report(rig, LAST | PASID, 7, 3, 0), 0);
	assert_resp(rig, 2, 3, UIOMMU_PAGE_RESP_SUCCESS);

	/* Not for a PASID that has a handle, be it one that takes no faults. */
	attach(rig, 7, UIOMMU_DOMAIN_PAGING, false, NULL);
	assert_int_equal(report(rig, LAST | PASID, 7, 4, 0), -EINVAL);
	assert_resp(rig, 3, 4, UIOMMU_PAGE_RESP_INVALID);
	/* But also for a number that is no PASID. */
	assert_int_equal(report(rig, LAST | PASID, UIOMMU_PASID_MAX + 1, 5, 0), 0);
	assert_resp(rig, 4, 5, UIOMMU_PAGE_RESP_SUCCESS);
}

/* ---- partial faults ---- */

static void assert_faults(struct uiommu_iopf_group *group, unsigned int n, const uint64_t *addrs)
{
	assert_int_equal(uiommu_iopf_group_faults(group), n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(uiommu_iopf_group_fault(group, i)->addr, addrs[i]);
	assert_null(uiommu_iopf_group_fault(group, n));
}

static void test_gather(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	attach(rig, 5, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, 0, 0, 1, 0x1000), 0);
	assert_int_equal(report(rig, 0, 0, 2, 0x2000), 0);
	/* Gathered by the number alone, whatever the PASID. */
	assert_int_equal(report(rig, PASID, 5, 1, 0x3000), 0);
	assert_int_equal(nr_got, 0);
	assert_int_equal(report(rig, LAST, 0, 1, 0x4000), 0);
	assert_int_equal(nr_got, 1);
	assert_faults(got[0], 3, (const uint64_t[]){0x1000, 0x3000, 0x4000});

	/* They are used up; the other request's are still there. */
	assert_int_equal(report(rig, LAST, 0, 1, 0x5000), 0);
	assert_faults(got[1], 1, (const uint64_t[]){0x5000});
	assert_int_equal(report(rig, LAST | PASID, 5, 2, 0x6000), 0);
	assert_faults(got[2], 2, (const uint64_t[]){0x2000, 0x6000});
	assert_int_equal(rig->nr_resp, 0);

	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(uiommu_iopf_group_response(got[i], UIOMMU_PAGE_RESP_SUCCESS), 0);
		uiommu_iopf_free_group(got[i]);
	}
	assert_int_equal(rig->nr_resp, 3);
}

static void test_partials_go_with_a_refused_request(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, 0, 0, 1, 0x1000), 0);
	detach(rig, 0);
	assert_int_equal(report(rig, LAST, 0, 1, 0x2000), -EINVAL);
	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST, 0, 1, 0x3000), 0);
	assert_faults(got[0], 1, (const uint64_t[]){0x3000});
	uiommu_iopf_free_group(got[0]);
}

static void test_discard_partial(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, 0, 0, 1, 0x1000), 0);
	assert_int_equal(report(rig, 0, 0, 2, 0x2000), 0);
	uiommu_iopf_discard_partial(rig->dev);
	assert_int_equal(report(rig, LAST, 0, 1, 0x3000), 0);
	assert_faults(got[0], 1, (const uint64_t[]){0x3000});
	uiommu_iopf_free_group(got[0]);
	/* And some that are still parked when the device goes. */
	assert_int_equal(report(rig, 0, 0, 2, 0x4000), 0);
}

/* ---- answers ---- */

static void test_answer_once(void **state)
{
	struct rig *rig = *state;

	attach(rig, 5, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST | PASID | NEEDS, 5, 1, 0), 0);
	assert_ptr_equal(uiommu_iopf_group_device(got[0]), rig->dev);
	assert_int_equal(uiommu_iopf_group_handle(got[0])->pasid, 5);
	assert_ptr_equal(uiommu_iopf_group_domain(got[0]),
			 uiommu_iopf_group_handle(got[0])->domain);

	assert_int_equal(uiommu_iopf_group_response(got[0], (enum uiommu_page_response_code)2),
			 -EINVAL);
	assert_int_equal(rig->nr_resp, 0);
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), 0);
	assert_int_equal(rig->resp[0].pasid, 5);
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_INVALID), -EALREADY);
	uiommu_iopf_free_group(got[0]);
	assert_int_equal(rig->nr_resp, 1);

	/* The PASID is in the answer only if the device wants it there. */
	assert_int_equal(report(rig, LAST | PASID, 5, 2, 0), 0);
	assert_int_equal(uiommu_iopf_group_response(got[1], UIOMMU_PAGE_RESP_INVALID), 0);
	assert_int_equal(rig->resp[1].pasid, 0);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_INVALID);
	uiommu_iopf_free_group(got[1]);
}

static void test_free_without_answer(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	uiommu_iopf_free_group(got[0]);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_FAILURE);
}

static void test_handler_error(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, refuse);
	assert_int_equal(report(rig, 0, 0, 1, 0), 0);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_FAILURE);
	detach(rig, 0);

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, answer_then_fail);
	assert_int_equal(report(rig, LAST, 0, 2, 0), 0);
	assert_int_equal(rig->nr_resp, 2);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_SUCCESS);
}

static void test_no_memory(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	/* A partial fault: dropped. */
	fail_alloc_in = 1;
	assert_int_equal(report(rig, 0, 0, 1, 0x1000), -ENOMEM);
	assert_int_equal(fail_alloc_in, 0);
	assert_int_equal(rig->nr_resp, 0);

	/* The group, and what gathers its faults: each answered FAILURE, each with its partials. */
	for (int n = 1; n <= 2; n++) {
		assert_int_equal(report(rig, 0, 0, 1, 0x2000), 0);
		fail_alloc_in = n;
		assert_int_equal(report(rig, LAST, 0, 1, 0x3000), 0);
		assert_int_equal(fail_alloc_in, 0);
		assert_int_equal(rig->nr_resp, n);
		assert_resp(rig, n - 1, 1, UIOMMU_PAGE_RESP_FAILURE);
		assert_int_equal(nr_got, 0);
	}
	assert_int_equal(report(rig, LAST, 0, 1, 0x4000), 0);
	assert_faults(got[0], 1, (const uint64_t[]){0x4000});
	uiommu_iopf_free_group(got[0]);
}

/* ---- detach, replace, removal ---- */

static void test_detach_answers(void **state)
{
	struct rig *rig = *state;

	attach(rig, 5, UIOMMU_DOMAIN_PAGING, false, keep);
	attach(rig, 6, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST | PASID, 5, 1, 0), 0);
	assert_int_equal(report(rig, LAST | PASID, 6, 2, 0), 0);
	assert_int_equal(report(rig, LAST | PASID, 5, 3, 0), 0);
	detach(rig, 5);
	assert_int_equal(rig->nr_resp, 2);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_INVALID);
	assert_resp(rig, 1, 3, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_drained, 1);

	/* The other PASID's is still open. */
	assert_int_equal(uiommu_iopf_group_response(got[1], UIOMMU_PAGE_RESP_SUCCESS), 0);
	/* Late answers are errors, and send nothing. */
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), -EALREADY);
	assert_int_equal(rig->nr_resp, 3);

	/* The groups still hold the handle. */
	assert_int_equal(rig->nr_released, 0);
	assert_false(uiommu_attach_handle_attached(uiommu_iopf_group_handle(got[0])));
	uiommu_iopf_free_group(got[0]);
	assert_int_equal(rig->nr_released, 0);
	uiommu_iopf_free_group(got[2]);
	assert_int_equal(rig->nr_released, 1);
	uiommu_iopf_free_group(got[1]);
	assert_int_equal(rig->nr_resp, 3);
}

static void test_replace_answers(void **state)
{
	struct rig *rig = *state;
	struct uiommu_domain *domain = new_domain(rig, UIOMMU_DOMAIN_PAGING, answer_success);

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	assert_int_equal(uiommu_replace_device_pasid(domain, rig->dev, 0, new_handle(rig)), 0);
	uiommu_domain_put(domain);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_drained, 1);
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), -EALREADY);
	uiommu_iopf_free_group(got[0]);
	assert_int_equal(rig->nr_released, 1);

	assert_int_equal(report(rig, LAST, 0, 2, 0), 0);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_SUCCESS);
}

static void test_removal_answers(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	assert_int_equal(report(rig, 0, 0, 2, 0), 0);
	uiommu_device_unregister(rig->dev);
	rig->dev = NULL;
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), -EALREADY);
	uiommu_iopf_free_group(got[0]);
}

/* One device of two goes: only its own requests are answered. */
static void test_removal_of_one_device(void **state)
{
	struct rig *rig = *state;
	const struct uiommu_device_config config = {
		.name = "dev1",
		.group = uiommu_device_group(rig->dev),
		.drvdata = rig,
		.ops = &driver_ops,
	};
	const struct uiommu_fault fault = {.flags = LAST, .grpid = 2};
	struct uiommu_device *dev;

	assert_int_equal(uiommu_device_register(rig->ctx, &config, &dev), 0);
	assert_int_equal(uiommu_attach_group_handle(new_domain(rig, UIOMMU_DOMAIN_PAGING, keep),
						    uiommu_device_group(dev), 0, NULL),
			 0);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	assert_int_equal(uiommu_report_device_fault(dev, &fault), 0);
	uiommu_domain_put(uiommu_iopf_group_domain(got[0]));

	uiommu_device_unregister(dev);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 2, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), 0);
	uiommu_iopf_free_group(got[0]);
	uiommu_iopf_free_group(got[1]);
}

static int detach_inside(struct uiommu_iopf_group *group)
{
	struct uiommu_attach_handle *handle = uiommu_iopf_group_handle(group);

	assert_int_equal(uiommu_detach_group_handle(handle->group, handle->pasid, handle), 0);
	assert_int_equal(uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS), -EALREADY);
	uiommu_iopf_free_group(group);
	return 0;
}

static void test_detach_in_handler(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, detach_inside);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_released, 1);
}

/* ---- answers and detach in several threads ---- */

static void block_in_response(struct rig *rig)
{
	rig->on_response = NULL;
	sem_post(&rig->entered);
	sem_wait(&rig->leave);
}

static void *answer_got0(void *arg)
{
	assert_int_equal(uiommu_iopf_group_response(got[0], UIOMMU_PAGE_RESP_SUCCESS), 0);
	uiommu_iopf_free_group(got[0]);
	return NULL;
}

static uint32_t finished;

static void *detach_rid(void *arg)
{
	struct rig *rig = arg;

	detach(rig, 0);
	ui_store_release(&finished, 1);
	return NULL;
}

/* An answer under way is an answer that isn't there yet. */
static void test_detach_waits_for_answer(void **state)
{
	struct rig *rig = *state;
	pthread_t answerer, detacher;

	finished = 0;
	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	rig->on_response = block_in_response;
	pthread_create(&answerer, NULL, answer_got0, rig);
	sem_wait(&rig->entered);
	pthread_create(&detacher, NULL, detach_rid, rig);
	usleep(20000);
	assert_int_equal(ui_load_acquire(&finished), 0);
	sem_post(&rig->leave);
	pthread_join(detacher, NULL);
	pthread_join(answerer, NULL);
	assert_int_equal(rig->nr_resp, 1);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_SUCCESS);
}

static struct rig *stuck_rig;

/* The first fault is kept, the handler of the second never gets on. */
static int keep_then_stick(struct uiommu_iopf_group *group)
{
	keep(group);
	if (nr_got == 1)
		return 0;
	sem_post(&stuck_rig->entered);
	sem_wait(&stuck_rig->leave);
	uiommu_iopf_free_group(group);
	return 0;
}

static void retry_faults_again(struct rig *rig)
{
	rig->on_response = NULL;
	assert_int_equal(report(rig, LAST, 0, 2, 0x1000), 0);
}

/* A handler that is stuck below an answer doesn't hang the detach. */
static void test_detach_does_not_wait_for_handler(void **state)
{
	struct rig *rig = *state;
	pthread_t answerer;

	stuck_rig = rig;
	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep_then_stick);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	rig->on_response = retry_faults_again;
	pthread_create(&answerer, NULL, answer_got0, rig);
	sem_wait(&rig->entered);

	detach(rig, 0);
	assert_int_equal(rig->nr_resp, 2);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_SUCCESS);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_released, 0);
	sem_post(&rig->leave);
	pthread_join(answerer, NULL);
	assert_int_equal(rig->nr_released, 1);
}

/* Detaches in the handler of a fault that is reported below an answer. */
static int keep_then_detach(struct uiommu_iopf_group *group)
{
	if (!nr_got)
		return keep(group);
	return detach_inside(group);
}

static void test_detach_below_answer(void **state)
{
	struct rig *rig = *state;

	attach(rig, 0, UIOMMU_DOMAIN_PAGING, false, keep_then_detach);
	assert_int_equal(report(rig, LAST, 0, 1, 0), 0);
	rig->on_response = retry_faults_again;
	answer_got0(rig);
	assert_int_equal(rig->nr_resp, 2);
	assert_resp(rig, 0, 1, UIOMMU_PAGE_RESP_SUCCESS);
	assert_resp(rig, 1, 2, UIOMMU_PAGE_RESP_INVALID);
	assert_int_equal(rig->nr_released, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_attached),
		TEST(test_no_handler),
		TEST(test_pasid_goes_to_its_handle),
		TEST(test_missing_pasid_falls_back_to_nested_only),
		TEST(test_gather),
		TEST(test_partials_go_with_a_refused_request),
		TEST(test_discard_partial),
		TEST(test_answer_once),
		TEST(test_free_without_answer),
		TEST(test_handler_error),
		TEST(test_no_memory),
		TEST(test_detach_answers),
		TEST(test_replace_answers),
		TEST(test_removal_answers),
		TEST(test_removal_of_one_device),
		TEST(test_detach_in_handler),
		TEST(test_detach_waits_for_answer),
		TEST(test_detach_does_not_wait_for_handler),
		TEST(test_detach_below_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ats-testdev, driven by its registers, against a domain that the test maps
 * page by page and a fault handler that answers inline, later, or not.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uiommu/mm.h>

#include "pci/pci.h"

#define PAGES 16u
#define PAGE 4096u
#define RUN 1u
#define TO_DEVICE 2u
#define IRQ 4u
#define SHARED 8u

enum policy {
	QUEUE,	      /* keep the group for the test */
	GRANT,	      /* map and say SUCCESS at once */
	LIE,	      /* say SUCCESS and map nothing */
	REFUSE,	      /* say INVALID at once */
	ERROR,	      /* the handler itself fails */
	OTHER_THREAD, /* another thread grants while the report is under way */
};

/* One domain of 16 pages at IOVA 0; rights per page. */
struct bench {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	struct uiommu_domain *domain;
	struct uiommu_domain own;
	struct uiommu_mm *mm;
	uint8_t *memory;
	uint32_t rights[PAGES];
	enum policy policy;
	struct uiommu_iopf_group *group;
	unsigned int faults;
	struct uiommu_fault fault;
	unsigned int events;
	enum uiommu_event_type event;
};

static struct bench b;
static uint32_t storming; /* several threads are at it */

static int translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
		     struct uiommu_span *span)
{
	uint64_t page = iova / PAGE;
	uint32_t rights;

	if (page >= PAGES)
		return -ENOENT;
	rights = ui_load_acquire(&b.rights[page]);
	if (!rights)
		return -ENOENT;
	span->mm = b.mm;
	span->addr = (uint64_t)(uintptr_t)b.memory + iova;
	span->length = PAGE - iova % PAGE;
	span->perm = rights;
	return (rights & perm) == perm ? 0 : -EPERM;
}

static void keep_domain(struct uiommu_domain *domain)
{
}

static const struct uiommu_domain_ops domain_ops = {.translate = translate, .free = keep_domain};

static void grant_page(const struct uiommu_fault *fault)
{
	if (fault->addr / PAGE < PAGES)
		ui_store_release(&b.rights[fault->addr / PAGE], UIOMMU_READ | UIOMMU_WRITE);
}

static void answer(struct uiommu_iopf_group *group, enum uiommu_page_response_code code)
{
	uiommu_iopf_group_response(group, code);
	uiommu_iopf_free_group(group);
}

static void *other_thread(void *group)
{
	grant_page(&b.fault);
	answer(group, UIOMMU_PAGE_RESP_SUCCESS);
	return NULL;
}

static int on_fault(struct uiommu_iopf_group *group)
{
	struct uiommu_fault fault;
	pthread_t thread;

	assert_int_equal(uiommu_iopf_group_faults(group), 1);
	fault = *uiommu_iopf_group_fault(group, 0);
	if (!ui_load_acquire(&storming)) {
		b.fault = fault;
		b.faults++;
	}
	switch (b.policy) {
	case QUEUE:
		b.group = group;
		return 0;
	case GRANT:
		grant_page(&fault);
		answer(group, UIOMMU_PAGE_RESP_SUCCESS);
		return 0;
	case LIE:
		answer(group, UIOMMU_PAGE_RESP_SUCCESS);
		return 0;
	case REFUSE:
		answer(group, UIOMMU_PAGE_RESP_INVALID);
		return 0;
	case OTHER_THREAD:
		pthread_create(&thread, NULL, other_thread, group);
		pthread_join(thread, NULL);
		return 0;
	case ERROR:
	default:
		return -ENOMEM;
	}
}

static void on_event(void *opaque, const struct uiommu_event *event)
{
	b.events++;
	b.event = event->type;
}

static void bench_open(const char *spec, bool handler)
{
	struct uiommu_config config = {.size = sizeof(config), .event = on_event};
	struct uiommu_device *dev;

	memset(&b, 0, sizeof(b));
	assert_int_equal(uiommu_create(&config, &b.ctx), 0);
	assert_int_equal(uiommu_pci_device_add(b.ctx, spec, &b.pdev, NULL, 0), 0);
	b.memory = aligned_alloc(PAGE, PAGES * PAGE);
	assert_non_null(b.memory);
	memset(b.memory, 0, PAGES * PAGE);
	b.mm = uiommu_mm_self(b.ctx);
	b.domain = &b.own;
	uiommu_domain_init(b.ctx, b.domain, UIOMMU_DOMAIN_PAGING, &domain_ops);
	if (handler)
		b.domain->iopf_handler = on_fault;
	dev = uiommu_pci_iommu_device(b.pdev);
	assert_int_equal(uiommu_attach_device_pasid(b.domain, dev, UIOMMU_NO_PASID, NULL), 0);
	pci_config_command(b.pdev, 0, PCI_CMD_MEM | PCI_CMD_MASTER);
}

static void bench_close(void)
{
	struct uiommu_counts counts;

	uiommu_detach_device_pasid(uiommu_pci_iommu_device(b.pdev), UIOMMU_NO_PASID, NULL);
	uiommu_get_counts(b.ctx, &counts);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	assert_int_equal(counts.groups_open, 0);
	uiommu_domain_put(b.domain);
	uiommu_mm_put(b.mm);
	uiommu_destroy(b.ctx);
	free(b.memory);
}

static uint64_t reg_read(uint64_t offset, unsigned int size)
{
	uint64_t value;

	assert_int_equal(pci_mmio_read(b.pdev, 0, offset, size, &value), 0);
	return value;
}

static void reg_write(uint64_t offset, unsigned int size, uint64_t value)
{
	assert_int_equal(pci_mmio_write(b.pdev, 0, offset, size, value), 0);
}

static void start(uint64_t addr, uint32_t cmd)
{
	reg_write(0x0, 8, addr);
	reg_write(0x8, 4, cmd);
}

static bool running(void)
{
	return reg_read(0x8, 4) & RUN;
}

static void map(unsigned int page, uint32_t rights)
{
	ui_store_release(&b.rights[page], rights);
}

static void fill(unsigned int page, uint8_t value)
{
	memset(b.memory + page * PAGE, value, PAGE);
}

static bool page_is(unsigned int page, uint8_t value)
{
	unsigned int i;

	for (i = 0; i < PAGE; i++) {
		if (b.memory[page * PAGE + i] != value)
			return false;
	}
	return true;
}

static void test_registers(void **state)
{
	bench_open("ats-testdev", true);
	reg_write(0x0, 4, 0x11223344);
	reg_write(0x4, 4, 0x55667788);
	assert_int_equal(reg_read(0x0, 8), 0x5566778811223344ull);
	assert_int_equal(reg_read(0x0, 4), 0x11223344);
	assert_int_equal(reg_read(0x4, 4), 0x55667788);
	reg_write(0x0, 8, 0xaabbccddeeff0011ull);
	assert_int_equal(reg_read(0x4, 4), 0xaabbccdd);
	reg_write(0x8, 4, TO_DEVICE);
	assert_int_equal(reg_read(0x8, 4), TO_DEVICE);
	/* Other sizes read ones and write nothing; so do other offsets. */
	assert_int_equal(reg_read(0x0, 2), 0xffff);
	assert_int_equal(reg_read(0x0, 1), 0xff);
	reg_write(0x0, 2, 0);
	reg_write(0x8, 1, RUN);
	assert_int_equal(reg_read(0x0, 8), 0xaabbccddeeff0011ull);
	assert_int_equal(reg_read(0x8, 4), TO_DEVICE);
	assert_int_equal(reg_read(0x20, 8), UINT64_MAX);
	assert_int_equal(reg_read(0xffc, 4), UINT32_MAX);
	reg_write(0xff8, 8, 0);
	assert_int_equal(b.faults, 0);
	bench_close();
}

static void test_identity(void **state)
{
	uint8_t config[PCI_CFG_SIZE];
	uint32_t word;

	bench_open("ats-testdev", true);
	assert_int_equal(pci_config_read(b.pdev, 0, config, sizeof(config)), 0);
	memcpy(&word, config, 4);
	assert_int_equal(word, 0x11e91234);
	memcpy(&word, config + 8, 4);
	assert_int_equal(word, 0x00ff0002);
	assert_int_equal(config[0x80], 0x10);
	assert_int_equal(config[0x100], 0x0f);
	assert_int_equal(config[0x108], 0x13);
	memcpy(&word, config + 0x110, 4);
	assert_int_equal(word, 0x800);
	assert_int_equal(b.pdev->bars[0].size, 0x1000);
	/* PRI is on while somebody takes the requests. */
	assert_int_equal(config[0x10c], 1);
	bench_close();

	bench_open("ats-testdev", false);
	assert_int_equal(pci_config_read(b.pdev, 0, config, sizeof(config)), 0);
	assert_int_equal(config[0x10c], 0);
	bench_close();
}

/* Memory to device to another page. */
static void test_copy(void **state)
{
	bench_open("ats-testdev", true);
	map(1, UIOMMU_READ);
	map(2, UIOMMU_WRITE);
	fill(1, 0x5a);
	start(1 * PAGE, RUN | TO_DEVICE);
	assert_false(running());
	start(2 * PAGE, RUN);
	assert_int_equal(reg_read(0x8, 4), 0);
	assert_true(page_is(2, 0x5a));
	assert_int_equal(b.faults, 0);
	assert_int_equal(b.events, 0);
	bench_close();
}

static void test_fault_and_retry(void **state)
{
	bench_open("ats-testdev", true);
	fill(3, 0x33);
	start(3 * PAGE, RUN | TO_DEVICE);
	assert_true(running());
	assert_int_equal(b.faults, 1);
	assert_int_equal(b.fault.addr, 3 * PAGE);
	assert_int_equal(b.fault.perm, UIOMMU_READ);
	assert_int_equal(b.fault.flags, UIOMMU_FAULT_LAST_PAGE);
	grant_page(&b.fault);
	answer(b.group, UIOMMU_PAGE_RESP_SUCCESS);
	assert_false(running());

	/* A page that can only be read, to be written: asked for, with that right. */
	map(4, UIOMMU_READ);
	start(4 * PAGE, RUN);
	assert_true(running());
	assert_int_equal(b.fault.addr, 4 * PAGE);
	assert_int_equal(b.fault.perm, UIOMMU_WRITE);
	grant_page(&b.fault);
	answer(b.group, UIOMMU_PAGE_RESP_SUCCESS);
	assert_false(running());
	assert_true(page_is(4, 0x33));
	assert_int_equal(b.events, 0);
	bench_close();
}

/* SUCCESS that changed nothing: asked again, by another request. */
static void test_asks_again(void **state)
{
	uint32_t grpid;

	bench_open("ats-testdev", true);
	start(0, RUN | TO_DEVICE);
	grpid = b.fault.grpid;
	answer(b.group, UIOMMU_PAGE_RESP_SUCCESS);
	assert_true(running());
	assert_int_equal(b.faults, 2);
	assert_true(b.fault.grpid != grpid);
	answer(b.group, UIOMMU_PAGE_RESP_INVALID);
	assert_false(running());
	assert_int_equal(b.faults, 2);
	bench_close();
}

/* Not aligned: two pages, and the one that failed is the one asked for. */
static void test_across_pages(void **state)
{
	unsigned int i;

	bench_open("ats-testdev", true);
	for (i = 0; i < PAGE; i++)
		b.memory[5 * PAGE + 0x800 + i] = (uint8_t)(i * 7);
	map(5, UIOMMU_READ);
	start(5 * PAGE + 0x800, RUN | TO_DEVICE);
	assert_true(running());
	assert_int_equal(b.fault.addr, 6 * PAGE);
	grant_page(&b.fault);
	answer(b.group, UIOMMU_PAGE_RESP_SUCCESS);
	assert_false(running());
	map(7, UIOMMU_WRITE);
	start(7 * PAGE, RUN);
	assert_memory_equal(b.memory + 7 * PAGE, b.memory + 5 * PAGE + 0x800, PAGE);
	assert_int_equal(b.faults, 1);
	/* Requests are of pages, also when the first byte that failed is inside one. */
	start(9 * PAGE + 0x123, RUN);
	assert_int_equal(b.fault.addr, 9 * PAGE);
	answer(b.group, UIOMMU_PAGE_RESP_INVALID);
	bench_close();
}

static void test_inline_answers(void **state)
{
	bench_open("ats-testdev", true);
	b.policy = GRANT;
	fill(1, 0x77);
	start(1 * PAGE + 0x10, RUN | TO_DEVICE); /* two pages, two requests */
	assert_false(running());
	assert_int_equal(b.faults, 2);
	b.policy = REFUSE;
	start(8 * PAGE, RUN);
	assert_false(running());
	assert_int_equal(b.faults, 3);
	b.policy = ERROR;
	start(8 * PAGE, RUN);
	assert_false(running());
	b.policy = OTHER_THREAD;
	start(9 * PAGE, RUN);
	assert_false(running());
	assert_int_equal(b.faults, 5);
	assert_int_equal(b.memory[9 * PAGE], 0x77);
	bench_close();
}

/* A handler that never maps what it grants doesn't keep the client in its store. */
static void test_inline_lie(void **state)
{
	bench_open("ats-testdev", true);
	b.policy = LIE;
	start(1 * PAGE, RUN);
	assert_false(running());
	assert_true(b.faults > 2);
	b.policy = GRANT;
	start(1 * PAGE, RUN);
	assert_true(page_is(1, 0));
	assert_int_equal(b.rights[1], UIOMMU_READ | UIOMMU_WRITE);
	bench_close();
}

/* No fault queue: RUN clears, and one event says why. */
static void test_no_handler(void **state)
{
	bench_open("ats-testdev", false);
	start(0x123456789000ull, RUN | TO_DEVICE);
	assert_false(running());
	assert_int_equal(b.events, 1);
	assert_int_equal(b.event, UIOMMU_EVENT_PAGE_REQUEST);
	bench_close();

	bench_open("ats-testdev,ats=off", false);
	start(0x123456789000ull, RUN | TO_DEVICE);
	assert_false(running());
	assert_int_equal(b.events, 1);
	assert_int_equal(b.event, UIOMMU_EVENT_DMA_FAULT);
	bench_close();
}

/* Errors that no page request helps. */
static void test_other_errors(void **state)
{
	bench_open("ats-testdev", true);
	map(1, UIOMMU_READ | UIOMMU_WRITE);
	pci_config_command(b.pdev, PCI_CMD_MASTER, 0);
	start(1 * PAGE, RUN);
	assert_false(running());
	assert_int_equal(b.events, 1);
	pci_config_command(b.pdev, 0, PCI_CMD_MASTER);
	start(UINT64_MAX - 0x100, RUN); /* wraps */
	assert_false(running());
	assert_int_equal(b.faults, 0);
	assert_int_equal(b.events, 2);
	bench_close();
}

static void test_reset_in_the_middle(void **state)
{
	struct uiommu_iopf_group *old;
	uint32_t grpid;

	bench_open("ats-testdev", true);
	fill(1, 0x99);
	map(1, UIOMMU_READ);
	start(1 * PAGE, RUN | TO_DEVICE);
	start(2 * PAGE, RUN);
	assert_true(running());
	old = b.group;
	grpid = b.fault.grpid;
	assert_int_equal(pci_reset(b.pdev), 0);
	assert_int_equal(reg_read(0x8, 4), 0);
	assert_int_equal(reg_read(0x0, 8), 0);

	/* The late answer changes nothing, also not for a request made since. */
	map(2, UIOMMU_WRITE);
	fill(2, 0xee);
	start(3 * PAGE, RUN);
	assert_true(running());
	assert_true(b.fault.grpid != grpid);
	answer(old, UIOMMU_PAGE_RESP_SUCCESS);
	assert_true(running());
	assert_int_equal(b.faults, 2);
	assert_true(page_is(2, 0xee));
	grant_page(&b.fault);
	answer(b.group, UIOMMU_PAGE_RESP_SUCCESS);
	assert_false(running());
	assert_true(page_is(3, 0)); /* the buffer was cleared */
	bench_close();
}

/* A command written while a request is open takes its place. */
static void test_new_command(void **state)
{
	struct uiommu_iopf_group *old;

	bench_open("ats-testdev", true);
	map(1, UIOMMU_WRITE);
	fill(1, 0x44);
	start(2 * PAGE, RUN);
	old = b.group;
	start(1 * PAGE, RUN);
	assert_false(running());
	assert_true(page_is(1, 0));
	fill(1, 0x44);
	answer(old, UIOMMU_PAGE_RESP_SUCCESS);
	assert_true(page_is(1, 0x44));
	assert_int_equal(b.faults, 1);

	/* And clearing RUN calls it off. */
	start(2 * PAGE, RUN);
	old = b.group;
	reg_write(0x8, 4, 0);
	assert_false(running());
	map(2, UIOMMU_WRITE);
	fill(2, 0x55);
	answer(old, UIOMMU_PAGE_RESP_SUCCESS);
	assert_true(page_is(2, 0x55));
	assert_false(running());
	bench_close();
}

/* Detach answers what is open: the device stops. */
static void test_detach(void **state)
{
	struct uiommu_device *dev;

	bench_open("ats-testdev", true);
	start(1 * PAGE, RUN);
	assert_true(running());
	dev = uiommu_pci_iommu_device(b.pdev);
	assert_int_equal(uiommu_detach_device_pasid(dev, UIOMMU_NO_PASID, NULL), 0);
	assert_false(running());
	assert_int_equal(uiommu_iopf_group_response(b.group, UIOMMU_PAGE_RESP_SUCCESS), -EALREADY);
	uiommu_iopf_free_group(b.group);
	start(1 * PAGE, RUN);
	assert_false(running());
	assert_int_equal(b.events, 1);
	bench_close();
}

/* Stores from two threads while a third resets: nothing hangs or is lost. */
static void *storm_thread(void *arg)
{
	while (ui_load_acquire(&storming))
		start((uintptr_t)arg * PAGE, RUN);
	return NULL;
}

static void test_storm(void **state)
{
	pthread_t threads[2];
	unsigned int i;

	bench_open("ats-testdev", true);
	b.policy = GRANT;
	ui_store_release(&storming, 1);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, storm_thread, (void *)(uintptr_t)(i + 1));
	for (i = 0; i < 3000; i++) {
		map(i % 2 + 1, 0);
		if (i % 16 == 0)
			assert_int_equal(pci_reset(b.pdev), 0);
	}
	ui_store_release(&storming, 0);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_false(running());
	bench_close();
}

/* Its DMA and its page requests carry the PASID that the register has. */
static void test_pasid(void **state)
{
	struct uiommu_device *dev;

	bench_open("ats-testdev", true);
	reg_write(0x18, 4, 5);
	assert_int_equal(reg_read(0x18, 4), UINT32_MAX);
	bench_close();

	bench_open("ats-testdev,pasid=on", true);
	dev = uiommu_pci_iommu_device(b.pdev);
	b.policy = GRANT;
	assert_int_equal(uiommu_attach_device_pasid(b.domain, dev, 5, NULL), 0);
	uiommu_detach_device_pasid(dev, UIOMMU_NO_PASID, NULL);
	map(1, UIOMMU_WRITE);
	start(1 * PAGE, RUN); /* of no PASID, which nothing is attached to */
	assert_true(b.events > 0);
	b.events = 0;
	reg_write(0x18, 4, 0xfff00005);
	assert_int_equal(reg_read(0x18, 4), 5);
	start(1 * PAGE, RUN);
	start(2 * PAGE, RUN);
	assert_false(running());
	assert_int_equal(b.events, 0);
	assert_int_equal(b.faults, 1);
	assert_int_equal(b.fault.pasid, 5);
	assert_true(b.fault.flags & UIOMMU_FAULT_PASID_VALID);
	assert_int_equal(pci_reset(b.pdev), 0);
	assert_int_equal(reg_read(0x18, 4), 0);
	uiommu_detach_device_pasid(dev, 5, NULL);
	assert_int_equal(uiommu_attach_device_pasid(b.domain, dev, UIOMMU_NO_PASID, NULL), 0);
	bench_close();
}

static void test_interrupt(void **state)
{
	bench_open("ats-testdev", true);
	map(1, UIOMMU_READ | UIOMMU_WRITE);
	start(1 * PAGE, RUN);
	assert_false(pci_intx_asserted(b.pdev));
	start(1 * PAGE, RUN | IRQ);
	assert_true(pci_intx_asserted(b.pdev));
	reg_write(0x24, 4, 0);
	assert_false(pci_intx_asserted(b.pdev));
	/* At the end, not while it waits for a page; also when it was refused. */
	b.policy = QUEUE;
	start(2 * PAGE, RUN | IRQ);
	assert_true(running());
	assert_false(pci_intx_asserted(b.pdev));
	answer(b.group, UIOMMU_PAGE_RESP_INVALID);
	assert_false(running());
	assert_true(pci_intx_asserted(b.pdev));
	reg_write(0x24, 4, 0);
	reg_write(0x20, 4, 7);
	assert_true(pci_intx_asserted(b.pdev));
	bench_close();
}

/* The memory in BAR4 in place of the device's buffer. */
static void test_shared(void **state)
{
	uint64_t value;

	bench_open("ats-testdev,bar-shared=on", true);
	map(1, UIOMMU_READ);
	map(2, UIOMMU_WRITE);
	fill(1, 0x5a);
	start(1 * PAGE, RUN | TO_DEVICE | SHARED);
	assert_int_equal(pci_mmio_read(b.pdev, 4, 0x1ff8, 8, &value), 0);
	assert_int_equal(value, 0x5a5a5a5a5a5a5a5aull);
	start(2 * PAGE, RUN); /* its own is empty still */
	assert_true(page_is(2, 0));
	assert_int_equal(pci_mmio_write(b.pdev, 4, 0x1000, 1, 0x77), 0);
	start(2 * PAGE, RUN | SHARED);
	assert_int_equal(b.memory[2 * PAGE], 0x77);
	assert_int_equal(b.memory[2 * PAGE + 1], 0x5a);
	assert_int_equal(pci_reset(b.pdev), 0);
	assert_int_equal(pci_mmio_read(b.pdev, 4, 0x1000, 8, &value), 0);
	assert_int_equal(value, 0);
	bench_close();
	/* Without it the bit means nothing. */
	bench_open("ats-testdev", true);
	map(1, UIOMMU_READ);
	start(1 * PAGE, RUN | TO_DEVICE | SHARED);
	assert_false(running());
	bench_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_fault_and_retry),
		cmocka_unit_test(test_asks_again),
		cmocka_unit_test(test_across_pages),
		cmocka_unit_test(test_inline_answers),
		cmocka_unit_test(test_inline_lie),
		cmocka_unit_test(test_no_handler),
		cmocka_unit_test(test_other_errors),
		cmocka_unit_test(test_reset_in_the_middle),
		cmocka_unit_test(test_new_command),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_storm),
		cmocka_unit_test(test_pasid),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

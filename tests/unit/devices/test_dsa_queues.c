// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa's queues: two threads at one portal, queues that overflow, PASIDs of batches and those that
 * are detached, what the device remembers of pages, records that can't be written, commands and
 * configurations at the wrong time.
 */
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "dsa_rig.h"

#define OVERFLOW_ROUNDS 100u
#define LIST (50 * PAGE) /* in the faulting domain */
#define SHARED (1ull * DSA_PORTALS * DSA_PORTAL_SIZE)

/* ---- a submission on top of another ---- */

#define TRAP_FLAG 0x100

static struct dsa_desc second;
static uint64_t steps_left;
static bool in_time, was_done;

/*
 * After each instruction of the first submission.  At the one that was chosen the second
 * one comes, as it could from another thread or from a signal's handler.
 */
static void on_step(int sig, siginfo_t *info, void *opaque)
{
	ucontext_t *context = opaque;

	if (--steps_left)
		return;
	context->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	in_time = true;
	was_done = record(0)->status;
	submit(&second);
}

static void step_through(const struct dsa_desc *desc, uint64_t steps)
{
	steps_left = steps;
	in_time = was_done = false;
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq %0, (%%rsp); popfq; "
			 "lea 128(%%rsp), %%rsp" ::"i"(TRAP_FLAG)
			 : "memory", "cc");
	pci_mmio_write_block(b.pdev, 2, 0, desc);
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq %0, (%%rsp); popfq; "
			 "lea 128(%%rsp), %%rsp" ::"i"(~TRAP_FLAG)
			 : "memory", "cc");
}

/*
 * Wherever it comes, both are done when both have returned: no owner leaves work behind.  The
 * places are nearer to each other where the first is about to leave.  Instrumented code has
 * too many of them.
 */
static void test_on_top(void **state)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, old;
	struct dsa_desc desc = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);
	uint64_t steps = 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip();
#endif
	enable(DSA_WQ_MODE_DEDICATED);
	desc.record = RECORD;
	second = desc;
	second.record += sizeof(struct dsa_record);
	/* Nothing of the linker's in between. */
	submit(&second);
	assert_int_equal(sigaction(SIGTRAP, &action, &old), 0);
	do {
		record(0)->status = record(1)->status = 0;
		step_through(&desc, steps);
		assert_int_equal(record(0)->status, DSA_SUCCESS);
		assert_int_equal(record(1)->status, in_time ? DSA_SUCCESS : 0);
		steps += was_done ? 5 : 61;
	} while (in_time);
	assert_int_equal(sigaction(SIGTRAP, &old, NULL), 0);
	assert_true(steps > 100);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
}

/* ---- two threads ---- */

static uint32_t arrived;

static void in_two_threads(void *(*func)(void *arg))
{
	pthread_t threads[2];

	arrived = 0;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, func, i ? &arrived : NULL), 0);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- queues that overflow, by two threads at once ---- */

static uint32_t taken;

/* Each fill writes a byte of its own. */
static void *overflow_posted(void *arg)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, 0, ~0ull, 0, 1);

	for (unsigned int i = 0; i < 8; i++) {
		desc.dst = 30 * PAGE + (arg ? 8 : 0) + i;
		pci_mmio_write_block(b.pdev, 2, 0, &desc);
	}
	return NULL;
}

static void *overflow_enqueued(void *arg)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, 0, ~0ull, 0, 1);

	desc.pasid_priv = 7;
	for (unsigned int i = 0; i < 8; i++) {
		desc.dst = 30 * PAGE + (arg ? 8 : 0) + i;
		if (!pci_mmio_enqueue(b.pdev, 2, SHARED, &desc))
			__atomic_fetch_add(&taken, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static unsigned int bytes_filled(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < 16; i++)
		count += b.arena[30 * PAGE + i] == 0xff;
	return count;
}

/* One descriptor waits for its page, so that the queue fills up behind it. */
static void test_overflow_by_two(void **state)
{
	struct dsa_desc desc = blocking(8);

	config_wq(1, 8, DSA_WQ_PASID_EN | DSA_WQ_BOF);
	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	assert_int_equal(command(6, 1), 0);
	use_faulting(0);
	attach_pasid(7);
	for (unsigned int i = 0; i < OVERFLOW_ROUNDS; i++) {
		memset(b.arena + 30 * PAGE, 0, 16);
		b.given = 1ull << 60 | 1ull << 30 | 1ull << 20;
		record(0)->status = 0;
		submit(&desc);
		in_two_threads(overflow_posted);
		/* Half of them are lost, and the register says what of. */
		assert_int_equal(reg(DSA_SWERR, 8), DSA_PORTAL_FULL << 8 | 0xb);
		set(DSA_SWERR, 3, 8);
		answer(true);
		assert_int_equal(record(0)->status, DSA_SUCCESS);
		assert_int_equal(bytes_filled(), 8);

		memset(b.arena + 30 * PAGE, 0, 16);
		b.given = 1ull << 60 | 1ull << 30 | 1ull << 20;
		record(0)->status = 0;
		taken = 0;
		desc.pasid_priv = 7;
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, SHARED, &desc), 0);
		in_two_threads(overflow_enqueued);
		assert_int_equal(taken, 8);
		assert_int_equal(reg(DSA_SWERR, 8), 0);
		answer(true);
		assert_int_equal(record(0)->status, DSA_SUCCESS);
		assert_int_equal(bytes_filled(), 8);
		desc.pasid_priv = 0;
	}
	detach_pasid(7);
}

/* ---- PASIDs ---- */

/* A batch has one PASID, and it's privileged or not, whatever its descriptors say. */
static void test_pasid_of_batch(void **state)
{
	struct dsa_desc *list = (struct dsa_desc *)(b.arena + LIST);
	struct dsa_desc batch = desc_of(DSA_OP_BATCH, REC | DSA_FLAG_BOF, LIST, 0, 2);

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 50);
	attach_pasid(7);
	for (unsigned int i = 0; i < 2; i++) {
		list[i] = desc_of(DSA_OP_FILL, DSA_FLAG_BOF, 0x77, 20 * PAGE + i * 64, 8);
		list[i].pasid_priv = 9 | 1u << 31;
	}
	batch.record = 60 * PAGE;
	batch.pasid_priv = 7;
	record(0)->status = 0;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &batch), 0);
	assert_int_equal(fault_addr(), 20 * PAGE);
	assert_int_equal(uiommu_iopf_group_fault(b.group, 0)->pasid, 7);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(b.arena[20 * PAGE + 64], 0x77);
	assert_int_equal(reg(DSA_SWERR, 8), 0);

	/* What is wrong in it is told with the batch's, too. */
	list[1].reserved = 1;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &batch), 0);
	assert_int_equal(reg(DSA_SWERR, 8), 7ull << 40 | 4ull << 32 | DSA_BAD_RESERVED << 8 | 0x1d);
	detach_pasid(7);
}

/* What it waits for is refused, and there is no memory for its record any more. */
static void test_detached_while_it_waits(void **state)
{
	struct dsa_desc desc = blocking(8), after = blocking(8);

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	attach_pasid(7);
	attach_pasid(9);
	desc.pasid_priv = 7;
	after.pasid_priv = 9;
	after.src = 20 * PAGE;
	after.dst = 20 * PAGE + 64;
	after.record += sizeof(struct dsa_record);
	record(1)->status = 0;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &after), 0);
	assert_int_equal(record(1)->status, 0);
	detach_pasid(7);
	assert_int_equal(record(0)->status, 0);
	assert_int_equal(reg(DSA_SWERR, 8), 7ull << 40 | 3ull << 32 | DSA_RECORD_FAULT << 8 | 0x2d);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 60 * PAGE);
	set(DSA_SWERR, 1, 8);
	assert_int_equal(record(1)->status, DSA_SUCCESS);
	/* One that isn't attached has nothing, from the start. */
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_RECORD_FAULT);
	assert_int_equal(b.faults, 1);
	uiommu_iopf_free_group(b.group);
	b.group = NULL;
	detach_pasid(9);
}

/* ---- what the device remembers of pages ---- */

static void test_stale_pages(void **state)
{
	struct dsa_desc desc = blocking(2 * PAGE);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 7ull << 20 | 7);
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(b.faults, 0);
	/* It was there, and isn't now: the access tells. */
	memset(b.arena + 20 * PAGE, 0, 3 * PAGE);
	b.given &= ~2ull;
	record(0)->status = 0;
	submit(&desc);
	assert_int_equal(fault_addr(), PAGE);
	assert_int_equal(b.arena[21 * PAGE], 0);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_memory_equal(b.arena + 100, b.arena + 20 * PAGE + 100, 2 * PAGE);
	assert_int_equal(b.faults, 1);
	/* It wasn't there when its neighbours were asked about, and is now: nobody is asked. */
	b.given |= 8 | 1ull << 23;
	desc.flags_op &= ~DSA_FLAG_BOF;
	desc.src = 3 * PAGE;
	desc.dst = 23 * PAGE;
	desc.size = PAGE;
	record(0)->status = 0;
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	/* The same in the middle, behind one that was there. */
	b.given |= 16 | 1ull << 24;
	desc.size = 2 * PAGE;
	record(0)->status = 0;
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(b.faults, 1);
}

/* Of two pages that are missing the source's is told, also if it was there before. */
static void test_two_missing(void **state)
{
	struct dsa_desc desc = blocking(8);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20 | 1);
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	b.given = 1ull << 60;
	desc.dst += PAGE;
	record(0)->status = 0;
	submit(&desc);
	assert_int_equal(fault_addr(), 0);
	answer(true);
	assert_int_equal(fault_addr(), 21 * PAGE);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
}

/* A page of one PASID isn't one of another. */
static void test_pages_by_pasid(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_MEMMOVE, REC, BASE, BASE + 20 * PAGE, 64);
	struct uiommu_group *group = uiommu_device_group(b.dev);
	struct uiommu_domain *other = uiommu_domain_alloc_paging(b.ctx);
	struct uiommu_mm *mm = uiommu_mm_self(b.ctx);

	enable(DSA_WQ_PASID_EN);
	/* The record's page alone, in the second. */
	assert_int_equal(uiommu_map(other, RECORD, mm, (uint64_t)record(0), PAGE, 3), 0);
	uiommu_mm_put(mm);
	assert_int_equal(uiommu_attach_group_handle(b.domain, group, 7, NULL), 0);
	assert_int_equal(uiommu_attach_group_handle(other, group, 9, NULL), 0);
	desc.record = RECORD;
	for (unsigned int i = 0; i < 4; i++) {
		record(0)->status = 0;
		desc.pasid_priv = i % 2 ? 9 : 7;
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
		assert_int_equal(record(0)->status, i % 2 ? DSA_PAGE_FAULT : DSA_SUCCESS);
	}
	assert_int_equal(record(0)->fault_addr, BASE);
	uiommu_detach_group_handle(group, 7, NULL);
	uiommu_detach_group_handle(group, 9, NULL);
	uiommu_domain_put(other);
}

/*
 * The page of a destination is refused, and a page of the source behind it is missing too:
 * that doesn't make it ask again.
 */
static void test_refused_before_another(void **state)
{
	static const enum dsa_opcode ops[] = {DSA_OP_COMPARE, DSA_OP_DUALCAST, DSA_OP_COPY_CRC,
					      DSA_OP_MEMMOVE};

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1);
	memcpy(b.arena + 20 * PAGE, b.arena, PAGE);
	for (unsigned int i = 0; i < 4; i++) {
		struct dsa_desc desc = blocking(PAGE);

		desc.flags_op = (uint32_t)ops[i] << 24 | REC | DSA_FLAG_BOF;
		if (ops[i] == DSA_OP_DUALCAST)
			desc.dst2 = 30 * PAGE + 100;
		b.faults = 0;
		submit(&desc);
		assert_int_equal(fault_addr(), 20 * PAGE);
		answer(false);
		assert_int_equal(b.faults, 1);
		assert_int_equal(record(0)->status & 0x7f, DSA_PAGE_FAULT_REFUSED);
		assert_int_equal(record(0)->fault_addr, 20 * PAGE + 100);
	}
}

/* ---- records ---- */

static void test_record_read_only(void **state)
{
	const uint64_t read_only = 0x900000;
	struct dsa_desc desc = desc_of(DSA_OP_FILL, REC, 0x55, BASE, 8);
	struct uiommu_mm *mm = uiommu_mm_self(b.ctx);
	uint8_t before[64];

	assert_int_equal(uiommu_map(b.domain, read_only, mm, (uint64_t)b.arena + 5 * PAGE, PAGE,
				    UIOMMU_READ),
			 0);
	uiommu_mm_put(mm);
	memcpy(before, b.arena + 5 * PAGE, 64);
	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	for (unsigned int i = 0; i < 2; i++) {
		desc.record = read_only + 32;
		desc.flags_op |= i ? DSA_FLAG_BOF : 0; /* nobody is there who would be asked */
		b.arena[0] = 0;
		submit(&desc);
		assert_int_equal(b.arena[0], 0x55);
		assert_int_equal(reg(DSA_SWERR, 8), 4ull << 32 | DSA_RECORD_FAULT << 8 | 0x2d);
		assert_int_equal(reg(DSA_SWERR + 8, 8), 0);
		assert_int_equal(reg(DSA_SWERR + 16, 8), read_only + 32);
		set(DSA_SWERR, 1, 8);
	}
	/* In a batch the others are done, and its own record says that one of them failed. */
	memcpy(b.arena + 50 * PAGE, &desc, 64);
	memcpy(b.arena + 50 * PAGE + 64, &desc, 64);
	((struct dsa_desc *)(b.arena + 50 * PAGE))[1].record = RECORD + 32;
	record(1)->status = 0;
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE + 50 * PAGE, 0, 2)), DSA_BATCH_FAIL);
	assert_int_equal(reg(DSA_SWERR, 8), 4ull << 32 | DSA_RECORD_FAULT << 8 | 0x3d);
	set(DSA_SWERR, 1, 8);
	assert_int_equal(record(1)->status, DSA_SUCCESS);
	/* Of the batch's own record: it is no descriptor of a batch. */
	desc = desc_of(DSA_OP_BATCH, REC, BASE + 50 * PAGE, 0, 2);
	((struct dsa_desc *)(b.arena + 50 * PAGE))[0].record = RECORD + 64;
	desc.record = read_only;
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8), 1ull << 32 | DSA_RECORD_FAULT << 8 | 0x2d);
	assert_int_equal(reg(DSA_SWERR + 8, 8), 0);
	assert_memory_equal(before, b.arena + 5 * PAGE, 64);
}

/* ---- software errors ---- */

/* That the missing page was to be written is a bit of its own, not one of the code. */
static void test_fault_without_record(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, 0, 1, 0x8000, 64);

	enable(DSA_WQ_MODE_DEDICATED);
	desc.pasid_priv = 1u << 31;
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8), 4ull << 32 | DSA_PAGE_FAULT << 8 | 0x6d);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 0x8000);
}

/* A command while another is active, and no bus mastering, are told as Intel's codes say. */
static void test_device_errors(void **state)
{
	struct dsa_desc desc = blocking(8);
	const uint16_t off = 2;

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	submit(&desc);
	set(DSA_CMD, 8u << 20 | 1, 4);
	assert_int_equal(reg(DSA_CMDSTS, 4), DSA_CMDSTS_ACTIVE);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	set(DSA_CMD, 5u << 20, 4);
	assert_int_equal(reg(DSA_SWERR, 8), 0x52 << 8 | 1);
	assert_int_equal(reg(DSA_GENSTS, 4), 1);
	set(DSA_SWERR, 1, 8);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
	pci_config_write(b.pdev, 4, &off, 2);
	assert_int_equal(reg(DSA_GENSTS, 4), 3 | 1 << 2);
	assert_int_equal(reg(DSA_SWERR, 8), 0x51 << 8 | 1);
}

/* A device that was disabled, and still has work, asks for no pages without bus mastering. */
static void test_disabled_without_master(void **state)
{
	struct dsa_desc desc = blocking(8);
	const uint16_t off = 2;

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60);
	submit(&desc);
	set(DSA_CMD, 2u << 20, 4);
	assert_int_equal(reg(DSA_CMDSTS, 4), DSA_CMDSTS_ACTIVE);
	pci_config_write(b.pdev, 4, &off, 2);
	answer(true);
	assert_int_equal(b.faults, 1);
	assert_int_equal(record(0)->status, 0);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_RECORD_FAULT);
	assert_int_equal(reg(DSA_GENSTS, 4), 0);
}

/* ---- configurations ---- */

/* A queue that was disabled, and has work, is what it was when it got it. */
static void test_config_of_waiting(void **state)
{
	struct dsa_desc desc = blocking(8);

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	attach_pasid(7);
	desc.pasid_priv = 7;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	set(DSA_CMD, 7u << 20 | 1, 4);
	assert_int_equal(reg(DSA_CMDSTS, 4), DSA_CMDSTS_ACTIVE);
	set(DSA_WQCFG + 8, 1u << 4 | DSA_WQ_MODE_DEDICATED, 4);
	assert_int_equal(reg(DSA_WQCFG + 8, 4), 1u << 4 | DSA_WQ_PASID_EN | DSA_WQ_BOF);
	answer(true);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	set(DSA_WQCFG + 8, 1u << 4 | DSA_WQ_MODE_DEDICATED, 4);
	assert_int_equal(reg(DSA_WQCFG + 8, 4), 1u << 4 | DSA_WQ_MODE_DEDICATED);
	/* Its state isn't there to be written. */
	for (unsigned int i = 16; i < 32; i += 4)
		set(DSA_WQCFG + i, ~0u, 4);
	assert_int_equal(reg(DSA_WQCFG + 16, 8), 0);
	assert_int_equal(reg(DSA_WQCFG + 24, 8), 0);
	detach_pasid(7);
}

/* Where addresses go round, they can still overlap. */
static void test_overlap_at_the_end(void **state)
{
	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(run(desc_of(DSA_OP_MEMMOVE, REC, -64ull, -32ull, 64)), DSA_OVERLAP);
	assert_int_equal(run(desc_of(DSA_OP_MEMMOVE, REC, -64ull, 0, 64)), DSA_PAGE_FAULT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_on_top),
		TEST(test_overflow_by_two),
		TEST(test_pasid_of_batch),
		TEST(test_detached_while_it_waits),
		TEST(test_stale_pages),
		TEST(test_two_missing),
		TEST(test_pages_by_pasid),
		TEST(test_refused_before_another),
		TEST(test_record_read_only),
		TEST(test_fault_without_record),
		TEST(test_device_errors),
		TEST(test_disabled_without_master),
		TEST(test_config_of_waiting),
		TEST(test_overlap_at_the_end),
	};

	return cmocka_run_group_tests_name("dsa, queues", tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa, driven by its registers and portals: what each operation does to memory, and
 * what becomes of work that waits for a page.  test_dsa_bad.c has what is wrong.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include <uiommu/sva.h>

#include "dsa_rig.h"

/* ---- registers and commands ---- */

static void test_registers(void **state)
{
	assert_int_equal(reg(DSA_VERSION, 4), 0x100);
	assert_int_equal(reg(DSA_WQCAP, 8) & 0xffff, DSA_ENTRIES);
	assert_int_equal(reg(DSA_WQCAP, 8) >> 16 & 0xff, DSA_WQS);
	assert_int_equal(reg(DSA_GRPCAP, 8) & 0xff, DSA_GROUPS);
	assert_int_equal(reg(DSA_ENGCAP, 8), DSA_ENGINES);
	assert_int_equal(reg(DSA_OPCAP, 8), 0x3027f);
	assert_int_equal(reg(DSA_OPCAP + 4, 4), 0);
	assert_int_equal((reg(DSA_OFFSETS, 8) >> 16 & 0xffff) * 0x100, DSA_WQCFG);
	assert_int_equal(reg(DSA_CMDCAP, 4) >> 13, 0);
	assert_int_equal(reg(DSA_GENCAP + 2, 2) & 0x1f, DSA_MAX_XFER_SHIFT);
	/* Destinations are read back, drains read nothing; neither overlap, log nor batches go on. */
	assert_int_equal(reg(DSA_GENCAP, 2), 0x11d);
	/* What nobody configured may be used for everything. */
	assert_int_equal(reg(DSA_WQCFG + 32, 8), 0x3027f);
	set(DSA_WQCFG + 32, 0, 8);
	assert_int_equal(command(5, 0), 0);
	assert_int_equal(reg(DSA_WQCFG + 32, 8), 0x3027f);
	set(DSA_WQCFG + 32, 0, 8);
	assert_int_equal(pci_reset(b.pdev), 0);
	assert_int_equal(reg(DSA_WQCFG + 32, 8), 0x3027f);
	/* Portals can't be read, and nothing less than 64 bytes submits. */
	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(pci_mmio_write(b.pdev, 2, 0, 8, UINT64_MAX), 0);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
}

static void test_commands(void **state)
{
	const uint16_t off = 2, on = MASTER;

	assert_int_equal(command(31, 0), 0x01);
	assert_int_equal(command(6, 0), 0x20);
	assert_int_equal(command(2, 0), 0x31);
	pci_config_write(b.pdev, 4, &off, 2);
	assert_int_equal(command(1, 0), 0x12);
	pci_config_write(b.pdev, 4, &on, 2);
	config_wq(0, 100, DSA_WQ_MODE_DEDICATED);
	config_wq(1, 29, 0);
	assert_int_equal(command(1, 0), 0x14);
	config_wq(1, 28, 0);
	set(DSA_GRPCFG, 1, 8);
	assert_int_equal(command(1, 0), 0x15);
	set(DSA_GRPCFG + 32, 1, 8);
	set(DSA_GRPCFG + 64, 1, 8);
	set(DSA_GRPCFG + 96, 2, 8);
	assert_int_equal(command(1, 0), 0x17);
	set(DSA_GRPCFG + 64, 2, 8);
	assert_int_equal(command(1, 0), 0);
	assert_int_equal(reg(DSA_GENSTS, 4), 1);
	assert_int_equal(command(1, 0), 0x10);

	assert_int_equal(command(6, 8), 0x02);
	assert_int_equal(command(6, 2), 0x22);
	assert_int_equal(command(6, 1), 0x26); /* shared, and no PASIDs */
	assert_int_equal(command(6, 0), 0);
	assert_int_equal(command(6, 0), 0x21);
	assert_int_equal(reg(DSA_WQCFG + 24, 4) >> 30, 1);
	/* What is in use can't be changed. */
	set(DSA_WQCFG, 5, 4);
	assert_int_equal(reg(DSA_WQCFG, 4), 100);
	assert_int_equal(command(7, 2), 0x32);
	assert_int_equal(command(7, 1), 0);
	assert_int_equal(reg(DSA_WQCFG + 24, 4) >> 30, 0);
	set(DSA_CMD, 1u << 31 | 5u << 20, 4);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_CMD);
	set(DSA_INTCAUSE, DSA_INTC_CMD, 4);
	assert_int_equal(reg(DSA_INTCAUSE, 4), 0);
	assert_int_equal(reg(DSA_WQCFG, 4), 0);
	assert_int_equal(reg(DSA_GENSTS, 4), 0);
}

/* ---- operations ---- */

static void test_move(void **state)
{
	static const uint32_t sizes[] = {1, 63, 64, 4095, 4096, 4097, 50000};

	enable(DSA_WQ_MODE_DEDICATED);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *dst = b.arena + 30 * PAGE + 5;

		memset(dst - 1, 0x77, sizes[i] + 2);
		assert_int_equal(
			run(desc_of(DSA_OP_MEMMOVE, REC, BASE + 3, BASE + 30 * PAGE + 5, sizes[i])),
			DSA_SUCCESS);
		assert_memory_equal(dst, b.arena + 3, sizes[i]);
		assert_int_equal(dst[-1], 0x77);
		assert_int_equal(dst[sizes[i]], 0x77);
		assert_int_equal(record(0)->done, sizes[i]);
	}
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 0, 0, 0)), DSA_SUCCESS);
	assert_int_equal(run(desc_of(DSA_OP_DRAIN, REC, 0, 0, 0)), DSA_SUCCESS);
	/* No record was asked for, and none is written. */
	assert_int_equal(run(desc_of(DSA_OP_NOOP, DSA_FLAG_CRAV, 0, 0, 0)), DSA_NONE);
	assert_int_equal(record(0)->result, 0xee);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
}

static void test_fill_and_dualcast(void **state)
{
	uint64_t pattern = 0x1122334455667788;
	struct dsa_desc dual =
		desc_of(DSA_OP_DUALCAST, REC, BASE, BASE + 10 * PAGE + 8, 3 * PAGE / 2);

	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(run(desc_of(DSA_OP_FILL, REC, pattern, BASE + 20 * PAGE + 1, 4100)),
			 DSA_SUCCESS);
	for (size_t i = 0; i < 4100; i++)
		assert_int_equal(b.arena[20 * PAGE + 1 + i], ((uint8_t *)&pattern)[i % 8]);

	dual.dst2 = BASE + 20 * PAGE + 8;
	assert_int_equal(run(dual), DSA_SUCCESS);
	assert_memory_equal(b.arena, b.arena + 10 * PAGE + 8, 3 * PAGE / 2);
	assert_memory_equal(b.arena, b.arena + 20 * PAGE + 8, 3 * PAGE / 2);
	dual.dst2++;
	assert_int_equal(run(dual), DSA_BAD_DUALCAST);
}

static void test_compare(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_COMPARE, REC, BASE, BASE + 20 * PAGE, 10000);
	uint64_t pattern = 0x0102030405060708;

	enable(DSA_WQ_MODE_DEDICATED);
	memcpy(b.arena + 20 * PAGE, b.arena, 10000);
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->result, 0);
	b.arena[20 * PAGE + 9000] ^= 1;
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->result, 1);
	assert_int_equal(record(0)->done, 9000);
	desc.flags_op |= DSA_FLAG_CHECK;
	assert_int_equal(run(desc), DSA_FALSE_PREDICATE);
	desc.expected = 1;
	assert_int_equal(run(desc), DSA_SUCCESS);

	for (size_t i = 0; i < 5000; i++)
		b.arena[i] = ((uint8_t *)&pattern)[i % 8];
	desc = desc_of(DSA_OP_COMPARE_PATTERN, REC, BASE, pattern, 5000);
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->result, 0);
	b.arena[4999] ^= 0x80;
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->result, 1);
	assert_int_equal(record(0)->done, 4999);
}

/* The check value of CRC-32C, and the same in pieces. */
static void test_crc(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_CRC, REC, BASE, 0, 9);
	uint32_t whole;

	enable(DSA_WQ_MODE_DEDICATED);
	memcpy(b.arena, "123456789", 9);
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->extra[0], 0xe3069283);

	desc.size = 4;
	assert_int_equal(run(desc), DSA_SUCCESS);
	memcpy(b.arena + 40 * PAGE, &record(0)->extra[0], 4);
	desc = desc_of(DSA_OP_CRC, REC | DSA_FLAG_READ_SEED, BASE + 4, 0, 5);
	desc.seed_addr = BASE + 40 * PAGE;
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->extra[0], 0xe3069283);

	/* Neither inverted nor reflected: the polynomial itself comes out of one bit. */
	b.arena[0] = 0x80;
	desc = desc_of(DSA_OP_CRC, REC | DSA_FLAG_CRC_PLAIN | DSA_FLAG_CRC_STRAIGHT, BASE, 0, 1);
	b.arena[0] = 0x01;
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(record(0)->extra[0], 0x1edc6f41);

	assert_int_equal(run(desc_of(DSA_OP_CRC, REC, BASE, 0, 9999)), DSA_SUCCESS);
	whole = (uint32_t)record(0)->extra[0];
	assert_int_equal(run(desc_of(DSA_OP_COPY_CRC, REC, BASE, BASE + 30 * PAGE + 1, 9999)),
			 DSA_SUCCESS);
	assert_int_equal(record(0)->extra[0], whole);
	assert_memory_equal(b.arena, b.arena + 30 * PAGE + 1, 9999);
}

/* ---- batches ---- */

#define LIST (BASE + 50 * PAGE)

static struct dsa_desc *list(void)
{
	return (struct dsa_desc *)(b.arena + 50 * PAGE);
}

static void fill_list(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		list()[i] = desc_of(DSA_OP_MEMMOVE, REC, BASE + i * 100, BASE + 20 * PAGE + i * 100,
				    100);
		list()[i].record = RECORD + (i + 1) * sizeof(struct dsa_record);
		memset(record(i + 1), 0, sizeof(*record(0)));
	}
}

static void test_batch(void **state)
{
	enable(DSA_WQ_MODE_DEDICATED);
	fill_list(16);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 16)), DSA_SUCCESS);
	assert_int_equal(record(0)->done, 16);
	assert_memory_equal(b.arena, b.arena + 20 * PAGE, 1600);
	for (unsigned int i = 1; i <= 16; i++)
		assert_int_equal(record(i)->status, DSA_SUCCESS);

	/* One fails; the others are done all the same. */
	fill_list(4);
	list()[1].size = 0;
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 4)), DSA_BATCH_FAIL);
	assert_int_equal(record(0)->done, 4);
	assert_int_equal(record(2)->status, DSA_BAD_SIZE);
	assert_int_equal(record(4)->status, DSA_SUCCESS);

	/* But not behind a fence. */
	fill_list(4);
	list()[1].size = 0;
	list()[2].flags_op |= DSA_FLAG_FENCE;
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 4)), DSA_BATCH_FAIL);
	assert_int_equal(record(0)->done, 2);
	assert_int_equal(record(3)->status, 0);
	assert_int_equal(record(4)->status, 0);

	/* A batch in a batch isn't one: nothing can point at itself. */
	fill_list(2);
	list()[0] = desc_of(DSA_OP_BATCH, REC, LIST, 0, 2);
	list()[0].record = RECORD + sizeof(struct dsa_record);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 2)), DSA_BATCH_FAIL);
	assert_int_equal(record(1)->status, DSA_BAD_OPCODE);
	assert_int_equal(record(2)->status, DSA_SUCCESS);

	/* The list ends where memory does. */
	memset(b.arena + 64 * PAGE - 128, 0, 128);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE + 64 * PAGE - 128, 0, 4)),
			 DSA_BATCH_PAGE_FAULT);
	assert_int_equal(record(0)->fault_addr, BASE + 64 * PAGE);
	assert_int_equal(record(0)->done, 2);
}

/* ---- page faults ---- */

static void test_partial(void **state)
{
	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(run(desc_of(DSA_OP_MEMMOVE, REC, BASE + 63 * PAGE + 100, BASE, 5000)),
			 DSA_PAGE_FAULT);
	assert_int_equal(record(0)->fault_addr, BASE + 64 * PAGE);
	assert_int_equal(record(0)->done, PAGE - 100);
	assert_memory_equal(b.arena, b.arena + 63 * PAGE + 100, PAGE - 100);

	assert_int_equal(run(desc_of(DSA_OP_FILL, REC, 7, BASE + 63 * PAGE + 100, 5000)),
			 DSA_PAGE_FAULT | DSA_STATUS_WRITE);
	assert_int_equal(record(0)->done, PAGE - 100);

	/* Without ATS there are no pages to ask for. */
	assert_int_equal(command(7, 1), 0);
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED | DSA_WQ_ATS_OFF);
	assert_int_equal(command(6, 0), 0);
	assert_int_equal(run(desc_of(DSA_OP_MEMMOVE, REC, 0, BASE, 64)), DSA_TRANSLATION_FAIL);
}

static void test_blocking(void **state)
{
	struct dsa_desc desc = blocking(2 * PAGE), next = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(0);
	memset(b.arena + 20 * PAGE, 0, 4 * PAGE);
	next.record = 60 * PAGE + sizeof(struct dsa_record);
	memset(record(1), 0, sizeof(*record(1)));
	submit(&desc);
	/* What comes after it waits in the queue; a drain waits for both. */
	submit(&next);
	assert_int_equal(command(8, 1), DSA_CMDSTS_ACTIVE);
	assert_int_equal(command(1, 0), DSA_CMDSTS_ACTIVE);

	static const uint64_t order[] = {0, 20, 1, 21, 2, 22, 60};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_int_equal(fault_addr(), order[i] * PAGE);
		assert_int_equal(record(0)->status, 0);
		answer(true);
	}
	assert_null(b.group);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(record(1)->status, DSA_SUCCESS);
	assert_memory_equal(b.arena + 100, b.arena + 20 * PAGE + 100, 2 * PAGE);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
}

static void test_refused(void **state)
{
	struct dsa_desc desc = blocking(PAGE);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 0 | 1ull << 20);
	submit(&desc);
	assert_int_equal(fault_addr(), PAGE);
	answer(false);
	assert_int_equal(record(0)->status, DSA_PAGE_FAULT_REFUSED);
	assert_int_equal(record(0)->fault_addr, PAGE);
	assert_int_equal(record(0)->done, PAGE - 100);
	/* The record's own page is refused: only the register can tell. */
	desc = blocking(8);
	b.given = 1ull << 0 | 1ull << 20;
	submit(&desc);
	assert_int_equal(fault_addr(), 60 * PAGE);
	answer(false);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_RECORD_FAULT);
}

/* ---- sharing the address space ---- */

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	if (!uiommu_guard_fault(uc))
		abort();
}

static void test_shared(void **state)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	struct uiommu_mm *mm = uiommu_mm_self(b.ctx);
	struct dsa_record *rec = record(0);
	struct uiommu_counts counts;
	struct uiommu_sva *sva;
	struct dsa_desc desc;
	uint8_t *fresh;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
	sva = uiommu_sva_bind_device(b.dev, mm);
	assert_false(UIOMMU_IS_ERR(sva));
	enable(DSA_WQ_BOF | DSA_WQ_PASID_EN);

	fresh = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(fresh, 8 * PAGE, MADV_NOHUGEPAGE);
	desc = desc_of(DSA_OP_MEMMOVE, REC | DSA_FLAG_BOF, (uint64_t)b.arena, (uint64_t)fresh,
		       4 * PAGE);
	desc.pasid_priv = uiommu_sva_get_pasid(sva);
	desc.record = (uint64_t)rec;
	memset(rec, 0, sizeof(*rec));
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, PAGE, &desc), 0);
	assert_int_equal(rec->status, DSA_SUCCESS);
	assert_memory_equal(fresh, b.arena, 4 * PAGE);
	uiommu_get_counts(b.ctx, &counts);
	assert_int_equal(counts.faults_reported, 4);

	/* A page that is protected is refused, with its address. */
	mprotect(fresh + 2 * PAGE, PAGE, PROT_READ);
	rec->status = 0;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, PAGE, &desc), 0);
	assert_int_equal(rec->status, DSA_PAGE_FAULT_REFUSED | DSA_STATUS_WRITE);
	assert_int_equal(rec->fault_addr, fresh + 2 * PAGE);
	assert_int_equal(rec->done, 2 * PAGE);
	/* It was asked for once. */
	uiommu_get_counts(b.ctx, &counts);
	assert_int_equal(counts.faults_reported, 5);

	/* A PASID that isn't attached any more, or never was. */
	uiommu_sva_unbind_device(sva);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, PAGE, &desc), 0);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_RECORD_FAULT);
	assert_int_equal(reg(DSA_SWERR, 8) >> 40 & 0xfffff, desc.pasid_priv);
	munmap(fresh, 8 * PAGE);
	uiommu_mm_put(mm);
}

/* ---- two at once ---- */

#define SUBMITS 3000u

static void *submitter(void *arg)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, REC, 0, 0, 64);
	uint64_t n = (uint64_t)(uintptr_t)arg;
	struct dsa_record *rec = record(64 + (unsigned int)n);

	desc.record = RECORD + (64 + n) * sizeof(*rec);
	desc.dst = BASE + (10 + n) * PAGE;
	for (uint64_t i = 1; i <= SUBMITS; i++) {
		desc.src = i;
		rec->done = 0;
		__atomic_store_n(&rec->status, 0, __ATOMIC_SEQ_CST);
		submit(&desc);
		while (__atomic_load_n(&rec->status, __ATOMIC_ACQUIRE) != DSA_SUCCESS)
			;
		if (rec->done != 64 || *(volatile uint64_t *)(b.arena + (10 + n) * PAGE) != i)
			abort();
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[3];

	enable(DSA_WQ_MODE_DEDICATED);
	for (uintptr_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submitter, (void *)i), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(command(3, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_registers), TEST(test_commands),
		TEST(test_move),      TEST(test_fill_and_dualcast),
		TEST(test_compare),   TEST(test_crc),
		TEST(test_batch),     TEST(test_partial),
		TEST(test_blocking),  TEST(test_refused),
		TEST(test_shared),    TEST(test_threads),
	};

	return cmocka_run_group_tests_name("dsa", tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa, at its edges: the fields of a software error, configurations that are refused,
 * vectors and who may name them, and operations that a missing page stops in the middle.
 */
#include <sys/mman.h>

#include "dsa_rig.h"

#define LIST (BASE + 50 * PAGE)

static struct dsa_desc *list(void)
{
	return (struct dsa_desc *)(b.arena + 50 * PAGE);
}

static void test_error_fields(void **state)
{
	struct dsa_desc bad = desc_of(DSA_OP_NOOP, DSA_FLAG_CHECK, 0, 0, 0);

	enable(DSA_WQ_MODE_DEDICATED);
	/* The second of a batch; what was missed of a record before isn't its. */
	list()[0] = desc_of(DSA_OP_NOOP, 0, 0, 0, 0);
	list()[1] = bad;
	list()[2] = bad;
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 3)), DSA_BATCH_FAIL);
	assert_int_equal(reg(DSA_SWERR, 8) & 0xff3f, DSA_BAD_FLAGS << 8 | 0x1f);
	assert_int_equal(reg(DSA_SWERR + 8, 8), (uint64_t)DSA_FLAG_CHECK << 32 | 1);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 0);
	/* The overflow can be acknowledged by itself, in the byte's own dword only. */
	set(DSA_SWERR, 2, 2);
	assert_int_equal(reg(DSA_SWERR, 4) & 3, 3);
	set(DSA_SWERR, 2, 4);
	assert_int_equal(reg(DSA_SWERR, 4) & 3, 1);
	set(DSA_SWERR, 1, 8);

	bad = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);
	bad.record = 0x8000;
	submit(&bad);
	assert_int_equal(reg(DSA_SWERR, 8) & 0xff3f, DSA_RECORD_FAULT << 8 | 0x2d);
	set(DSA_SWERR, 1, 8);
	/* Its fault isn't the next one's; nor is that of a list that ends early. */
	list()[0] = desc_of(DSA_OP_FILL, REC, 1, 0x8000, 64);
	list()[0].record = RECORD + sizeof(struct dsa_record);
	list()[1] = desc_of(DSA_OP_NOOP, DSA_FLAG_CHECK, 0, 0, 0);
	run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 2));
	assert_int_equal(record(1)->fault_addr, 0x8000);
	assert_int_equal(reg(DSA_SWERR, 8) & 0xff3f, DSA_BAD_FLAGS << 8 | 0x1d);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 0);
	set(DSA_SWERR, 1, 8);
	memcpy(b.arena + ARENA * PAGE - 64, &list()[1], 64);
	run(desc_of(DSA_OP_BATCH, REC, BASE + ARENA * PAGE - 64, 0, 2));
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_BAD_FLAGS);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 0);
	/* An error has a record, wanted or not. */
	assert_int_equal(run(desc_of(DSA_OP_NOOP, DSA_FLAG_CRAV, 1, 0, 0)), DSA_BAD_RESERVED);
}

static void test_refused_configurations(void **state)
{
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED);
	set(DSA_GRPCFG, 1, 8);
	set(DSA_GRPCFG + 32, 1, 8);
	set(DSA_GRPCFG + 64 + 32, 2, 8);
	assert_int_equal(command(1, 0), 0x16);
	set(DSA_GRPCFG + 64, 2, 8);
	set(DSA_GRPCFG + 64 + 32, 1, 8);
	assert_int_equal(command(1, 0), 0x18);
	/* Both halves of a wide write arrive. */
	set(DSA_MSIXPERM + 8, 0x100700000008, 8);
	assert_int_equal(reg(DSA_MSIXPERM + 12, 4), 0x1007);
	assert_int_equal(command(5, 0), 0);
	assert_int_equal(reg(DSA_MSIXPERM + 8, 8), 0);

	set(DSA_GRPCFG, 1, 8);
	set(DSA_GRPCFG + 32, 1, 8);
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED);
	set(DSA_WQCFG + 8, DSA_WQ_MODE_DEDICATED, 4);
	assert_int_equal(command(1, 0), 0);
	assert_int_equal(command(6, 0), 0x23);
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED);
	set(DSA_WQCFG + 12, 20u | 11u << 5, 4);
	assert_int_equal(command(6, 0), 0x27);
	/* What this queue may do. */
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED);
	set(DSA_WQCFG + 32, 1u << DSA_OP_NOOP, 4);
	assert_int_equal(command(6, 0), 0);
	assert_int_equal(run(desc_of(DSA_OP_DRAIN, REC, 0, 0, 0)), DSA_BAD_OPCODE);
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 0, 0, 0)), DSA_SUCCESS);
}

/* Which vectors are pending: all are masked, and raising them leaves that. */
static void test_vectors(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_NOOP, REC | DSA_FLAG_RCI, 0, 0, 0);
	uint64_t pending;

	pci_msix_enable(b.pdev, true);
	for (unsigned int i = 0; i < DSA_VECTORS; i++)
		pci_msix_mask(b.pdev, i, true);
	enable(DSA_WQ_MODE_DEDICATED);
	desc.int_handle = 3;
	assert_int_equal(run(desc), DSA_SUCCESS);
	assert_int_equal(pci_mmio_read(b.pdev, 0, DSA_MSIX_PBA, 8, &pending), 0);
	assert_int_equal(pending, 1u << 3);
	/* Of a PASID, and this queue's work has none; unless that is to be ignored. */
	desc.int_handle = 4;
	set(DSA_MSIXPERM + 4 * DSA_MSIXPERM_SIZE, 9u << 12 | 1u << 3, 4);
	assert_int_equal(run(desc), DSA_BAD_INT_HANDLE);
	pci_mmio_read(b.pdev, 0, DSA_MSIX_PBA, 8, &pending);
	assert_int_equal(pending, 1u << 3);
	set(DSA_MSIXPERM + 4 * DSA_MSIXPERM_SIZE, 1u << 3 | 1u << 2, 4);
	assert_int_equal(run(desc), DSA_SUCCESS);
	/* The device's own is the first. */
	set(DSA_CMD, 1u << 31 | 3u << 20, 4);
	pci_mmio_read(b.pdev, 0, DSA_MSIX_PBA, 8, &pending);
	assert_int_equal(pending, 1u << 3 | 1u << 4 | 1);

	/* A queue with a PASID names vectors of that one. */
	assert_int_equal(command(7, 1), 0);
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED | DSA_WQ_PASID_EN | 9u << 8);
	assert_int_equal(command(6, 0), 0);
	use_faulting(UINT64_MAX);
	attach_pasid(9);
	desc.int_handle = 5;
	desc.record = 60 * PAGE;
	set(DSA_MSIXPERM + 5 * DSA_MSIXPERM_SIZE, 8u << 12 | 1u << 3, 4);
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_BAD_INT_HANDLE);
	set(DSA_MSIXPERM + 5 * DSA_MSIXPERM_SIZE, 9u << 12 | 1u << 3, 4);
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	detach_pasid(9);
}

/* A comparison that isn't as expected counts as failed. */
static void test_predicate_in_batch(void **state)
{
	enable(DSA_WQ_MODE_DEDICATED);
	list()[0] = desc_of(DSA_OP_COMPARE, DSA_FLAG_CHECK, BASE, BASE, 64);
	list()[0].expected = 1;
	list()[1] = desc_of(DSA_OP_NOOP, 0, 0, 0, 0);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, LIST, 0, 2)), DSA_BATCH_FAIL);
}

/* ---- pages ---- */

static void send(struct dsa_desc desc)
{
	desc.flags_op |= REC | DSA_FLAG_BOF;
	desc.record = 60 * PAGE;
	memset(record(0), 0, sizeof(*record(0)));
	submit(&desc);
}

/* Stopped at odd places, and gone on with from there. */
static void test_stopped(void **state)
{
	const uint64_t pattern = 0x0807060504030201;
	struct dsa_desc desc;
	uint32_t crc;

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	send(desc_of(DSA_OP_FILL, 0, pattern, 20 * PAGE + 3, 5000));
	assert_int_equal(fault_addr(), 21 * PAGE);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(b.arena[20 * PAGE + 3 + i], ((const uint8_t *)&pattern)[i % 8]);

	b.given = 1ull << 60 | 7;
	send(desc_of(DSA_OP_CRC, 0, 5, 0, 6000));
	crc = (uint32_t)record(0)->extra[0];
	b.given = 1ull << 60 | 7 | 1ull << 24;
	send(desc_of(DSA_OP_COPY_CRC, 0, 5, 24 * PAGE + 100, 6000));
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal((uint32_t)record(0)->extra[0], crc);
	assert_memory_equal(b.arena + 5, b.arena + 24 * PAGE + 100, 6000);

	/* Of two destinations the one that is behind counts. */
	desc = desc_of(DSA_OP_DUALCAST, 0, 5, 30 * PAGE, 6000);
	desc.dst2 = 40 * PAGE;
	b.given = 1ull << 60 | 7 | 3ull << 30 | 1ull << 40;
	send(desc);
	assert_int_equal(fault_addr(), 41 * PAGE);
	answer(false);
	assert_int_equal(record(0)->status, DSA_PAGE_FAULT_REFUSED | DSA_STATUS_WRITE);
	assert_int_equal(record(0)->done, PAGE);
}

/* Requests that are answered by a lie, and a queue that makes none. */
static void test_requests(void **state)
{
	struct uiommu_iopf_group *group;

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60);
	send(desc_of(DSA_OP_FILL, 0, 1, 20 * PAGE, 64));
	while ((group = b.group) && b.faults < 3000) {
		b.group = NULL;
		uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS);
		uiommu_iopf_free_group(group);
	}
	assert_true(b.faults < 3000);
	assert_int_equal(record(0)->status, DSA_PAGE_FAULT_REFUSED | DSA_STATUS_WRITE);

	assert_int_equal(command(7, 1), 0);
	config_wq(0, 8, DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF | DSA_WQ_PRS_OFF);
	assert_int_equal(command(6, 0), 0);
	b.faults = 0;
	send(desc_of(DSA_OP_FILL, 0, 1, 20 * PAGE, 64));
	assert_int_equal(b.faults, 0);
	assert_int_equal(record(0)->status, DSA_PAGE_FAULT | DSA_STATUS_WRITE);
}

/* An answer to a request that an abort has made void is nobody's. */
static void test_stale_answer(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, REC | DSA_FLAG_BOF, 1, 20 * PAGE, 64);
	struct uiommu_iopf_group *stale;

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	use_faulting(1ull << 60);
	attach_pasid(7);
	attach_pasid(9);
	desc.pasid_priv = 9;
	desc.record = 60 * PAGE;
	memset(record(0), 0, sizeof(*record(0)));
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	desc.pasid_priv = 7;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	set(DSA_CMD, 12u << 20 | 7, 4);
	assert_int_equal(b.faults, 2);
	stale = b.stale;
	b.stale = NULL;
	uiommu_iopf_group_response(stale, UIOMMU_PAGE_RESP_INVALID);
	uiommu_iopf_free_group(stale);
	assert_int_equal(record(0)->status, DSA_NONE);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	/* The places of what was dropped are good for others. */
	for (unsigned int i = 0; i < 2 * DSA_ENTRIES; i++) {
		record(0)->status = 0;
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
		assert_int_equal(record(0)->status, DSA_SUCCESS);
	}
	detach_pasid(7);
	detach_pasid(9);
}

/* Memory that isn't there any more is no page to be asked for. */
static void test_memory_gone(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, REC | DSA_FLAG_BOF, 1, BASE + 20 * PAGE, 64);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	mprotect(b.arena + 20 * PAGE, PAGE, PROT_NONE);
	assert_int_equal(run(desc), DSA_TRANSLATION_FAIL | DSA_STATUS_WRITE);
	mprotect(b.arena + 20 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	assert_int_equal(run(desc), DSA_SUCCESS);
}

/* Bus mastering goes while a descriptor waits: its next access halts the device. */
static void test_halt_at_work(void **state)
{
	const uint16_t off = 2, on = MASTER;

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	set(DSA_GENCTRL, 2, 4);
	use_faulting(1ull << 60);
	send(desc_of(DSA_OP_FILL, 0, 1, 20 * PAGE, 64));
	pci_config_write(b.pdev, 4, &off, 2);
	answer(true);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_HALT);
	pci_config_write(b.pdev, 4, &on, 2);
	assert_int_equal(reg(DSA_GENSTS, 4), 7);
	assert_int_equal(record(0)->status, DSA_NONE);
	assert_int_equal(command(5, 0), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_error_fields), TEST(test_refused_configurations),
		TEST(test_vectors),	 TEST(test_predicate_in_batch),
		TEST(test_stopped),	 TEST(test_requests),
		TEST(test_stale_answer), TEST(test_memory_gone),
		TEST(test_halt_at_work),
	};

	return cmocka_run_group_tests_name("dsa, at its edges", tests, NULL, NULL);
}

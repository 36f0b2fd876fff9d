// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa and what is wrong: descriptors, portals, queues that are full, and work that is
 * aborted.  The completion record or the software error register tells, nothing is
 * touched but what the descriptor names, and the device goes on.
 */
#include "dsa_rig.h"

/* ---- what is wrong ---- */

static void test_refusals(void **state)
{
	struct dsa_desc ok = desc_of(DSA_OP_MEMMOVE, REC, BASE, BASE + 20 * PAGE, 64), bad;
	uint8_t before[64];

	enable(DSA_WQ_MODE_DEDICATED);
	memcpy(before, b.arena + 20 * PAGE, 64);
#define EXPECT(change, status)                                                                     \
	do {                                                                                       \
		bad = ok;                                                                          \
		change;                                                                            \
		assert_int_equal(run(bad), status);                                                \
		assert_memory_equal(before, b.arena + 20 * PAGE, 64);                              \
	} while (0)
	EXPECT(bad.flags_op |= 0xff000000u, DSA_BAD_OPCODE);
	EXPECT(bad.flags_op = 0x07u << 24 | REC, DSA_BAD_OPCODE);
	EXPECT(bad.flags_op |= 0x40, DSA_BAD_FLAGS);
	EXPECT(bad.flags_op |= DSA_FLAG_CHECK, DSA_BAD_FLAGS);
	assert_int_equal(record(0)->extra[0], DSA_FLAG_CHECK);
	EXPECT(bad.flags_op |= DSA_FLAG_BOF, DSA_BAD_FLAGS); /* the queue doesn't allow it */
	EXPECT(bad.pasid_priv |= 1u << 20, DSA_BAD_RESERVED);
	EXPECT(bad.pasid_priv |= 1u << 30, DSA_BAD_RESERVED);
	EXPECT(bad.reserved = 1, DSA_BAD_RESERVED);
	EXPECT(bad.size = 0, DSA_BAD_SIZE);
	EXPECT(bad.size = (1u << 20) + 1, DSA_BAD_SIZE);
	EXPECT(bad.dst = bad.src + 63, DSA_OVERLAP);
	EXPECT((bad.flags_op |= DSA_FLAG_RCI, bad.int_handle = DSA_VECTORS), DSA_BAD_INT_HANDLE);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE, 0, 1)), DSA_BAD_COUNT);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE, 0, 17)), DSA_BAD_COUNT);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE + 32, 0, 2)), DSA_BAD_LIST_ALIGN);
}

/* One bit at a time: what has no meaning is refused, and nothing is done. */
static void test_reserved(void **state)
{
	static const struct {
		enum dsa_opcode op;
		uint64_t own[3]; /* what of the operation's own bytes has a meaning */
	} ops[] = {
		{DSA_OP_NOOP, {0}},
		{DSA_OP_BATCH, {0}},
		{DSA_OP_DRAIN, {0}},
		{DSA_OP_MEMMOVE, {0}},
		{DSA_OP_FILL, {0}},
		{DSA_OP_COMPARE, {0xff}},
		{DSA_OP_COMPARE_PATTERN, {0xff}},
		{DSA_OP_DUALCAST, {UINT64_MAX}},
		{DSA_OP_CRC, {UINT32_MAX, UINT64_MAX}},
		{DSA_OP_COPY_CRC, {UINT32_MAX, UINT64_MAX}},
	};
	uint8_t before[64];

	enable(DSA_WQ_MODE_DEDICATED);
	memcpy(before, b.arena + 20 * PAGE, 64);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct dsa_desc ok = desc_of(ops[i].op, REC, BASE, BASE + 20 * PAGE, 64), bad;
		uint64_t words[8];

		for (unsigned int bit = 0; bit < 512; bit++) {
			if (bit >= 320 && ops[i].own[bit / 64 - 5] >> bit % 64 & 1)
				continue;
			if (bit < 320 && !(bit >= 20 && bit < 31) && bit < 304)
				continue;
			memcpy(words, &ok, 64);
			words[bit / 64] |= 1ull << bit % 64;
			memcpy(&bad, words, 64);
			assert_int_equal(run(bad), DSA_BAD_RESERVED);
			assert_memory_equal(before, b.arena + 20 * PAGE, 64);
		}
	}
	for (unsigned int bit = 0; bit < 24; bit++) {
		struct dsa_desc bad = desc_of(DSA_OP_MEMMOVE, REC, BASE, BASE + 20 * PAGE, 64);

		bad.flags_op |= 1u << bit;
		if (1u << bit & ~(0x00ff3du | DSA_FLAG_READBACK)) {
			assert_int_equal(run(bad), DSA_BAD_FLAGS);
			assert_int_equal(record(0)->extra[0], 1u << bit);
			assert_memory_equal(before, b.arena + 20 * PAGE, 64);
		}
	}
	/* Those of one operation alone. */
	assert_int_equal(run(desc_of(DSA_OP_DRAIN, REC | DSA_FLAG_READBACK, 0, 0, 0)),
			 DSA_BAD_FLAGS);
	assert_int_equal(run(desc_of(DSA_OP_DRAIN, REC | 0x10000, 0, 0, 0)), DSA_BAD_FLAGS);
	assert_int_equal(run(desc_of(DSA_OP_DUALCAST, REC | 0x10000, BASE, BASE + 2 * PAGE, 0)),
			 DSA_BAD_SIZE);
	assert_int_equal(run(desc_of(DSA_OP_DUALCAST, REC | 0x20000, BASE, BASE + 2 * PAGE, 0)),
			 DSA_BAD_FLAGS);
	/* Fields that a no-op and a batch don't have. */
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 1, 0, 0)), DSA_BAD_RESERVED);
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 0, 1, 0)), DSA_BAD_RESERVED);
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 0, 0, 1)), DSA_BAD_RESERVED);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE, 64, 2)), DSA_BAD_RESERVED);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC | 0x40, BASE, 0, 2)), DSA_BAD_FLAGS);
	assert_int_equal(record(0)->extra[0], 0x40);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
}

/* A batch isn't done in a batch, also if it is the very same one, or they name each other. */
static void test_batches_in_batches(void **state)
{
	struct dsa_desc *list = (struct dsa_desc *)(b.arena + 50 * PAGE);
	struct dsa_desc batch = desc_of(DSA_OP_BATCH, REC, BASE + 50 * PAGE, 0, 2);

	enable(DSA_WQ_MODE_DEDICATED);
	batch.record = RECORD + sizeof(struct dsa_record);
	list[0] = batch;
	list[1] = desc_of(DSA_OP_FILL, 0, 0x11, BASE, 8);
	list[2] = batch;
	list[2].record = RECORD + 2 * sizeof(struct dsa_record);
	list[3] = list[2];
	for (unsigned int i = 0; i < 2; i++) {
		b.arena[0] = 0;
		memset(record(1), 0, 2 * sizeof(struct dsa_record));
		list[0].src = BASE + 50 * PAGE + i * 2 * sizeof(batch);
		assert_int_equal(run(batch), DSA_BATCH_FAIL);
		assert_int_equal(record(0)->done, 2);
		assert_int_equal(record(1)->status, DSA_BAD_OPCODE);
		assert_int_equal(record(2)->status, DSA_NONE);
		assert_int_equal(b.arena[0], 0x11);
	}
	/* One that writes over the whole list, itself included, is done as it was read. */
	for (unsigned int i = 0; i < 16; i++)
		list[i] = desc_of(DSA_OP_NOOP, 0, 0, 0, 0);
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE + 50 * PAGE, 0, 16)), DSA_SUCCESS);
	list[15] = desc_of(DSA_OP_FILL, 0, 0, BASE + 50 * PAGE, 16 * sizeof(batch));
	assert_int_equal(run(desc_of(DSA_OP_BATCH, REC, BASE + 50 * PAGE, 0, 16)), DSA_SUCCESS);
	assert_int_equal(list[15].flags_op, 0);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
}

static void expect_swerr(uint8_t error, unsigned int wq)
{
	uint64_t swerr = reg(DSA_SWERR, 8);

	assert_int_equal(swerr & 0xffff0f, wq << 16 | error << 8 | 0x9);
	set(DSA_SWERR, 3, 8);
}

/* What comes to a queue that can't take it. */
static void test_portals(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, 0, 1, BASE, 64);
	const uint64_t shared = 2ull * DSA_PORTALS * DSA_PORTAL_SIZE;
	uint8_t before[64];

	memcpy(before, b.arena, 64);
	submit(&desc);
	expect_swerr(DSA_PORTAL_DISABLED, 0);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), -EAGAIN);
	expect_swerr(DSA_PORTAL_DISABLED, 0);

	config_wq(2, 8, DSA_WQ_PASID_EN);
	set(DSA_GENCTRL, 1, 4);
	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(command(6, 2), 0);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), -EAGAIN);
	expect_swerr(DSA_PORTAL_DEDICATED, 0);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_ERR);
	assert_int_equal(pci_mmio_write_block(b.pdev, 2, shared, &desc), 0);
	expect_swerr(DSA_PORTAL_SHARED, 2);
	/* Less than a descriptor is no descriptor; and nothing is where there is no portal. */
	assert_int_equal(pci_mmio_write(b.pdev, 2, 0, 8, 0), 0);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	assert_memory_equal(b.arena, before, 64);

	/* Privileged work is for queues of that kind. */
	desc.pasid_priv = 1u << 31 | 5;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, shared, &desc), 0);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_BAD_PRIV);
	assert_int_equal(reg(DSA_SWERR, 8) >> 40 & 0xfffff, 5);
	set(DSA_SWERR, 3, 8);
	assert_memory_equal(b.arena, before, 64);
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	assert_int_equal(b.arena[0], 1);
}

/* Without bus mastering a device in use halts, and only a reset helps. */
static void test_halt(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_FILL, REC, 1, BASE, 64);
	const uint16_t off = 2, on = MASTER;

	enable(DSA_WQ_MODE_DEDICATED);
	set(DSA_GENCTRL, 2, 4);
	pci_config_write(b.pdev, 4, &off, 2);
	assert_int_equal(run(desc), DSA_NONE);
	assert_int_equal(reg(DSA_GENSTS, 4), 7);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_HALT);
	pci_config_write(b.pdev, 4, &on, 2);
	assert_int_equal(reg(DSA_GENSTS, 4), 7);
	assert_int_equal(run(desc), DSA_NONE);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), -EAGAIN);
	assert_int_equal(reg(DSA_SWERR, 8), 0x5101);
	assert_int_equal(command(1, 0), 0x03);
	assert_int_equal(command(7, 1), 0x03);

	assert_int_equal(command(5, 0), 0);
	assert_int_equal(reg(DSA_GENSTS, 4), 0);
	enable(DSA_WQ_MODE_DEDICATED);
	assert_int_equal(run(desc), DSA_SUCCESS);
	/* Seen by who only looks, and by a reset of the function. */
	pci_config_write(b.pdev, 4, &off, 2);
	assert_int_equal(reg(DSA_GENSTS, 4), 7);
	pci_config_write(b.pdev, 4, &on, 2);
	assert_int_equal(pci_reset(b.pdev), 0);
	assert_int_equal(reg(DSA_GENSTS, 4), 0);
}

static void test_software_errors(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);

	enable(DSA_WQ_MODE_DEDICATED);
	set(DSA_GENCTRL, 1, 4);
	/* No record can tell: it is misaligned, it isn't mapped, there is none. */
	desc = desc_of(DSA_OP_FILL, REC, 1, BASE, 64);
	desc.record = RECORD + 8;
	b.arena[0] = 77;
	submit(&desc);
	assert_int_equal(b.arena[0], 77); /* so nothing is done */
	assert_int_equal(reg(DSA_SWERR, 8) & 0xffff0f, DSA_RECORD_ALIGN << 8 | 0xd);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_ERR);
	desc = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);
	desc.record = 0x8000;
	submit(&desc);
	/* The first stays, and is known not to be the only one. */
	assert_int_equal(reg(DSA_SWERR, 8) & 0xffff0f, DSA_RECORD_ALIGN << 8 | 0xf);
	set(DSA_SWERR, 3, 8);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_RECORD_FAULT);
	assert_int_equal(reg(DSA_SWERR + 16, 8), 0x8000);
	set(DSA_SWERR, 1, 8);
	desc = desc_of(0x3f, 0, 0, 0, 0);
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8) >> 8 & 0xff, DSA_BAD_OPCODE);
	assert_int_equal(reg(DSA_SWERR, 8) >> 32 & 0xff, 0x3f);
	set(DSA_SWERR, 1, 8);

	/* And the device goes on. */
	assert_int_equal(run(desc_of(DSA_OP_NOOP, REC, 0, 0, 0)), DSA_SUCCESS);
}

/* A full queue loses what can't be told, and says so to what can. */
static void test_overflow(void **state)
{
	struct dsa_desc desc = blocking(8);
	struct dsa_record *last = record(9);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	for (unsigned int i = 0; i < 10; i++) {
		desc.record = 60 * PAGE + i * sizeof(struct dsa_record);
		memset(record(i), 0, sizeof(*record(i)));
		submit(&desc);
	}
	/* One is at work, eight wait, the last is lost. */
	expect_swerr(DSA_PORTAL_FULL, 0);
	answer(true);
	for (unsigned int i = 0; i < 9; i++)
		assert_int_equal(record(i)->status, DSA_SUCCESS);
	assert_int_equal(last->status, 0);
}

/* A shared queue says that it is full; its limited portal does so earlier. */
static void test_retry(void **state)
{
	struct dsa_desc desc = blocking(8);
	const uint64_t limited = DSA_PORTAL_LIMITED * DSA_PORTAL_SIZE;

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	set(DSA_WQCFG + 4, 3, 4); /* the threshold, which may change at any time */
	use_faulting(1ull << 60 | 1ull << 20);
	attach_pasid(7);
	desc.pasid_priv = 7;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, limited, &desc), 0);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, limited, &desc), -EAGAIN);
	for (int i = 0; i < 5; i++)
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), -EAGAIN);
	assert_int_equal(reg(DSA_SWERR, 8), 0);
	answer(true);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	detach_pasid(7);
}

/* What is aborted is the work of one PASID, at work and waiting. */
static void test_abort_pasid(void **state)
{
	struct dsa_desc desc = blocking(8);

	enable(DSA_WQ_PASID_EN | DSA_WQ_BOF);
	use_faulting(1ull << 60 | 1ull << 20);
	attach_pasid(7);
	attach_pasid(9);
	for (unsigned int i = 0; i < 4; i++) {
		desc.pasid_priv = i % 2 ? 7 : 9;
		desc.record = 60 * PAGE + i * sizeof(struct dsa_record);
		record(i)->status = 0;
		assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	}
	/* The one at work is the other's, and asks again. */
	assert_int_equal(b.faults, 1);
	set(DSA_CMD, 12u << 20 | 7, 4);
	assert_int_equal(reg(DSA_CMDSTS, 4), DSA_CMDSTS_ACTIVE);
	assert_int_equal(b.faults, 2);
	answer(true);
	assert_int_equal(reg(DSA_CMDSTS, 4), 0);
	assert_int_equal(record(0)->status, DSA_SUCCESS);
	assert_int_equal(record(1)->status, 0);
	assert_int_equal(record(2)->status, DSA_SUCCESS);
	assert_int_equal(record(3)->status, 0);

	/* And that of the one at work. */
	b.given = 1ull << 60 | 1ull << 20;
	record(0)->status = 0;
	desc.pasid_priv = 7;
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), 0);
	assert_int_equal(command(12, 7), 0);
	answer(true);
	assert_int_equal(record(0)->status, 0);
	detach_pasid(7);
	detach_pasid(9);
}

static void test_abort(void **state)
{
	struct dsa_desc desc = blocking(PAGE);

	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	use_faulting(1ull << 60);
	submit(&desc);
	submit(&desc);
	assert_int_equal(command(9, 1), 0);
	/* The answer comes too late, and nothing of either was done. */
	answer(true);
	assert_null(b.group);
	assert_int_equal(record(0)->status, 0);
	b.given = UINT64_MAX;
	submit(&desc);
	assert_int_equal(record(0)->status, DSA_SUCCESS);

	/* A reset finds the same. */
	b.given = 1ull << 60;
	desc = blocking(PAGE);
	submit(&desc);
	assert_non_null(b.group);
	assert_int_equal(pci_reset(b.pdev), 0);
	answer(true);
	assert_int_equal(record(0)->status, 0);
	assert_int_equal(reg(DSA_GENSTS, 4), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_refusals),	    TEST(test_reserved), TEST(test_batches_in_batches),
		TEST(test_software_errors), TEST(test_portals),	 TEST(test_halt),
		TEST(test_overflow),	    TEST(test_retry),	 TEST(test_abort),
		TEST(test_abort_pasid),
	};

	return cmocka_run_group_tests_name("dsa, bad input", tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa, driven by its registers and portals: what each operation does to memory, what
 * each wrong descriptor is told, and what becomes of work that waits for a page.
 *
 * Most tests use a paging domain over an arena of the test; those of faults one whose
 * pages the test gives and whose requests it answers; those of sharing the process.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <uiommu/mm.h>
#include <uiommu/sva.h>

#include "../../../devices/dsa.h"
#include "base/ctx.h"
#include "pci/pci.h"

#define PAGE 4096ul
#define ARENA 64ul /* pages */
#define MASTER 0x6
#define ALL_OPS 0xffffffffu

static struct bench {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	struct uiommu_device *dev;
	struct uiommu_domain *domain;
	uint8_t *arena;
	uint64_t given; /* pages of the arena that the faulting domain has */
	struct uiommu_domain faulting;
	struct uiommu_iopf_group *group;
	int faults;
} b;

/* ---- the device's side ---- */

static uint64_t reg(uint64_t offset, unsigned int size)
{
	uint64_t value;

	assert_int_equal(pci_mmio_read(b.pdev, 0, offset, size, &value), 0);
	return size == 4 ? (uint32_t)value : value;
}

static void set(uint64_t offset, uint64_t value, unsigned int size)
{
	assert_int_equal(pci_mmio_write(b.pdev, 0, offset, size, value), 0);
}

static uint32_t command(uint32_t number, uint32_t operand)
{
	set(DSA_CMD, number << 20 | operand, 4);
	return (uint32_t)reg(DSA_CMDSTS, 4);
}

static void config_wq(unsigned int wq, uint32_t size, uint32_t cfg2)
{
	uint64_t at = DSA_WQCFG + wq * DSA_WQCFG_SIZE;

	set(at, size, 4);
	set(at + 4, size, 4);
	set(at + 8, cfg2 | 1u << 4, 4);
	set(at + 12, 20u | 4u << 5, 4); /* 1 MiB, batches of 16 */
	set(at + 32, ALL_OPS, 4);
}

static void enable(uint32_t cfg2)
{
	config_wq(0, 8, cfg2);
	set(DSA_GRPCFG, 1, 8);
	set(DSA_GRPCFG + 32, 1, 8);
	assert_int_equal(command(1, 0), 0);
	assert_int_equal(command(6, 0), 0);
}

static struct dsa_desc desc_of(enum dsa_opcode op, uint32_t flags, uint64_t src, uint64_t dst,
			       uint32_t size)
{
	return (struct dsa_desc){
		.flags_op = (uint32_t)op << 24 | flags,
		.src = src,
		.dst = dst,
		.size = size,
	};
}

static void submit(const struct dsa_desc *desc)
{
	assert_int_equal(pci_mmio_write_block(b.pdev, 2, 0, desc), 0);
}

/* IOVAs of the arena begin at 0x10000 in the paging domain, at 0 in the faulting one. */
#define BASE 0x10000ul
#define RECORD (BASE + 60 * PAGE)
#define REC (DSA_FLAG_CRAV | DSA_FLAG_RCR)

static struct dsa_record *record(unsigned int i)
{
	return (struct dsa_record *)(b.arena + 60 * PAGE) + i;
}

static uint8_t run(struct dsa_desc desc)
{
	desc.record = RECORD;
	memset(record(0), 0xee, sizeof(*record(0)));
	record(0)->status = 0;
	submit(&desc);
	return record(0)->status;
}

/* ---- domains and their faults ---- */

static int translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
		     struct uiommu_span *span)
{
	if (iova >= ARENA * PAGE ||
	    !(__atomic_load_n(&b.given, __ATOMIC_SEQ_CST) >> iova / PAGE & 1))
		return -ENOENT;
	span->mm = b.ctx->self_mm;
	span->addr = (uint64_t)b.arena + iova;
	span->length = PAGE - iova % PAGE;
	span->perm = UIOMMU_READ | UIOMMU_WRITE;
	return 0;
}

static void keep(struct uiommu_domain *domain)
{
}

static const struct uiommu_domain_ops faulting_ops = {.translate = translate, .free = keep};

static int on_fault(struct uiommu_iopf_group *group)
{
	assert_null(b.group);
	b.group = group;
	b.faults++;
	return 0;
}

static uint64_t fault_addr(void)
{
	assert_non_null(b.group);
	return uiommu_iopf_group_fault(b.group, 0)->addr;
}

/* Give the page that is asked for, or not, and say so. */
static void answer(bool yes)
{
	struct uiommu_iopf_group *group = b.group;

	if (yes)
		__atomic_fetch_or(&b.given, 1ull << fault_addr() / PAGE, __ATOMIC_SEQ_CST);
	b.group = NULL;
	uiommu_iopf_group_response(group,
				   yes ? UIOMMU_PAGE_RESP_SUCCESS : UIOMMU_PAGE_RESP_INVALID);
	uiommu_iopf_free_group(group);
}

static void attach(struct uiommu_domain *domain)
{
	struct uiommu_group *group = uiommu_device_group(b.dev);

	uiommu_detach_group_handle(group, UIOMMU_NO_PASID, NULL);
	assert_int_equal(uiommu_attach_group_handle(domain, group, UIOMMU_NO_PASID, NULL), 0);
}

static void use_faulting(uint64_t given)
{
	b.given = given;
	uiommu_domain_init(b.ctx, &b.faulting, UIOMMU_DOMAIN_PAGING, &faulting_ops);
	b.faulting.iopf_handler = on_fault;
	attach(&b.faulting);
}

static int setup(void **state)
{
	const uint16_t master = MASTER;
	struct uiommu_mm *mm;

	memset(&b, 0, sizeof(b));
	assert_int_equal(uiommu_create(NULL, &b.ctx), 0);
	assert_int_equal(uiommu_pci_device_add(b.ctx, "dsa", &b.pdev, NULL, 0), 0);
	b.dev = uiommu_pci_iommu_device(b.pdev);
	assert_int_equal(pci_config_write(b.pdev, 4, &master, 2), 0);
	b.arena = mmap(NULL, ARENA * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	assert_ptr_not_equal(b.arena, MAP_FAILED);
	for (size_t i = 0; i < ARENA * PAGE; i++)
		b.arena[i] = (uint8_t)(i * 31 + i / PAGE);
	mm = uiommu_mm_self(b.ctx);
	b.domain = uiommu_domain_alloc_paging(b.ctx);
	assert_int_equal(uiommu_map(b.domain, BASE, mm, (uint64_t)b.arena, ARENA * PAGE,
				    UIOMMU_READ | UIOMMU_WRITE),
			 0);
	uiommu_mm_put(mm);
	attach(b.domain);
	return 0;
}

static int teardown(void **state)
{
	struct uiommu_counts counts;

	uiommu_detach_group_handle(uiommu_device_group(b.dev), UIOMMU_NO_PASID, NULL);
	if (b.group)
		uiommu_iopf_free_group(b.group);
	if (b.faulting.ctx)
		uiommu_domain_put(&b.faulting);
	uiommu_domain_put(b.domain);
	uiommu_get_counts(b.ctx, &counts);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.areas, 0);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	uiommu_destroy(b.ctx);
	munmap(b.arena, ARENA * PAGE);
	uiommu_guard_enable(false);
	return 0;
}

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

	dual.more2[0] = BASE + 20 * PAGE + 8;
	assert_int_equal(run(dual), DSA_SUCCESS);
	assert_memory_equal(b.arena, b.arena + 10 * PAGE + 8, 3 * PAGE / 2);
	assert_memory_equal(b.arena, b.arena + 20 * PAGE + 8, 3 * PAGE / 2);
	dual.more2[0]++;
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
	desc.more2[0] = BASE + 40 * PAGE;
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
	assert_int_equal(record(0)->extra[0], REC | DSA_FLAG_CHECK);
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

static void test_software_errors(void **state)
{
	struct dsa_desc desc = desc_of(DSA_OP_NOOP, REC, 0, 0, 0);

	enable(DSA_WQ_MODE_DEDICATED);
	set(DSA_GENCTRL, 1, 4);
	/* No record can tell: it is misaligned, it isn't mapped, there is none. */
	desc.record = RECORD + 8;
	submit(&desc);
	assert_int_equal(reg(DSA_SWERR, 8) & 0xffff0f, DSA_RECORD_ALIGN << 8 | 0xd);
	assert_int_equal(reg(DSA_INTCAUSE, 4), DSA_INTC_ERR);
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

static struct dsa_desc blocking(uint32_t size)
{
	struct dsa_desc desc =
		desc_of(DSA_OP_MEMMOVE, REC | DSA_FLAG_BOF, 100, 20 * PAGE + 100, size);

	desc.record = 60 * PAGE;
	memset(record(0), 0, sizeof(*record(0)));
	return desc;
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
	assert_int_equal(pci_mmio_enqueue(b.pdev, 2, 0, &desc), -EAGAIN); /* a dedicated queue */
	answer(true);
	for (unsigned int i = 0; i < 9; i++)
		assert_int_equal(record(i)->status, DSA_SUCCESS);
	assert_int_equal(last->status, 0);
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
		TEST(test_refusals),  TEST(test_software_errors),
		TEST(test_batch),     TEST(test_partial),
		TEST(test_blocking),  TEST(test_refused),
		TEST(test_abort),     TEST(test_overflow),
		TEST(test_shared),    TEST(test_threads),
	};

	return cmocka_run_group_tests_name("dsa", tests, NULL, NULL);
}

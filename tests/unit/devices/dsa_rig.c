// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * See dsa_rig.h.
 */
#include <sys/mman.h>

#include "dsa_rig.h"

struct bench b;

/* ---- the device's side ---- */

uint64_t reg(uint64_t offset, unsigned int size)
{
	uint64_t value;

	assert_int_equal(pci_mmio_read(b.pdev, 0, offset, size, &value), 0);
	return size == 4 ? (uint32_t)value : value;
}

void set(uint64_t offset, uint64_t value, unsigned int size)
{
	assert_int_equal(pci_mmio_write(b.pdev, 0, offset, size, value), 0);
}

uint32_t command(uint32_t number, uint32_t operand)
{
	set(DSA_CMD, number << 20 | operand, 4);
	return (uint32_t)reg(DSA_CMDSTS, 4);
}

void config_wq(unsigned int wq, uint32_t size, uint32_t cfg2)
{
	uint64_t at = DSA_WQCFG + wq * DSA_WQCFG_SIZE;

	set(at, size, 4);
	set(at + 4, size, 4);
	set(at + 8, cfg2 | 1u << 4, 4);
	set(at + 12, 20u | 4u << 5, 4); /* 1 MiB, batches of 16 */
	set(at + 32, ALL_OPS, 4);
}

void enable(uint32_t cfg2)
{
	config_wq(0, 8, cfg2);
	set(DSA_GRPCFG, 1, 8);
	set(DSA_GRPCFG + 32, 1, 8);
	assert_int_equal(command(1, 0), 0);
	assert_int_equal(command(6, 0), 0);
}

struct dsa_desc desc_of(enum dsa_opcode op, uint32_t flags, uint64_t src, uint64_t dst,
			uint32_t size)
{
	return (struct dsa_desc){
		.flags_op = (uint32_t)op << 24 | flags,
		.src = src,
		.dst = dst,
		.size = size,
	};
}

void submit(const struct dsa_desc *desc)
{
	assert_int_equal(pci_mmio_write_block(b.pdev, 2, 0, desc), 0);
}

struct dsa_record *record(unsigned int i)
{
	return (struct dsa_record *)(b.arena + 60 * PAGE) + i;
}

uint8_t run(struct dsa_desc desc)
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
	assert_null(b.stale);
	b.stale = b.group;
	b.group = group;
	b.faults++;
	return 0;
}

uint64_t fault_addr(void)
{
	assert_non_null(b.group);
	return uiommu_iopf_group_fault(b.group, 0)->addr;
}

void answer(bool yes)
{
	struct uiommu_iopf_group *group = b.group;

	if (yes)
		__atomic_fetch_or(&b.given, 1ull << fault_addr() / PAGE, __ATOMIC_SEQ_CST);
	b.group = b.stale;
	b.stale = NULL;
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

void use_faulting(uint64_t given)
{
	b.given = given;
	uiommu_domain_init(b.ctx, &b.faulting, UIOMMU_DOMAIN_PAGING, &faulting_ops);
	b.faulting.iopf_handler = on_fault;
	attach(&b.faulting);
}

void attach_pasid(uint32_t pasid)
{
	assert_int_equal(
		uiommu_attach_group_handle(&b.faulting, uiommu_device_group(b.dev), pasid, NULL),
		0);
}

void detach_pasid(uint32_t pasid)
{
	uiommu_detach_group_handle(uiommu_device_group(b.dev), pasid, NULL);
}

struct dsa_desc blocking(uint32_t size)
{
	struct dsa_desc desc =
		desc_of(DSA_OP_MEMMOVE, REC | DSA_FLAG_BOF, 100, 20 * PAGE + 100, size);

	desc.record = 60 * PAGE;
	memset(record(0), 0, sizeof(*record(0)));
	return desc;
}

int setup(void **state)
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

int teardown(void **state)
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

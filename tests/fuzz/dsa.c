// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/dsa.c - the harness of the accelerator's device
 *
 * An input configures, submits, maps, unmaps, detaches, answers, aborts and resets; most of
 * it wrongly.  After each step all that the device shows (registers, memory, open page
 * requests, pending messages) is what the model says (dsa_model.c), so "nothing else is
 * touched" is a comparison of all memory there is.  In the end the device is reset, and a
 * move by it succeeds.
 *
 * The client's memory is 64 pages between two that nobody may touch.  It's in two address spaces, in
 * the second one backwards.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uiommu/iopf.h>
#include <uiommu/mm.h>

#include "base/ctx.h"
#include "dsa_model.h"
#include "fuzzer.h"
#include "pci/pci.h"
#include "world.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at))
#endif

#define ZONE 0x5a
#define MASTER 6u
#define LIST_PAGE 60u /* where batches have their descriptors, as a rule */
#define REC (DSA_FLAG_CRAV | DSA_FLAG_RCR)

static unsigned char *zones, *arena, *initial;
static struct uiommu_pci_device *pdev;
static struct uiommu_device *dev;
static struct uiommu_domain *spaces[M_SPACES];
static struct uiommu_iopf_group *open_requests[M_PENDING];
static unsigned int nr_open;
static bool is_protected;
static const struct op *op;

/* What changes the next descriptor. */
static struct {
	uint64_t flip[8];
	uint32_t pasid;
	uint16_t handle;
	uint64_t own[2];
} next;

/* ---- page requests ---- */

static int on_request(struct uiommu_iopf_group *group)
{
	must(nr_open < M_PENDING, "too many page requests");
	open_requests[nr_open++] = group;
	return 0;
}

static struct uiommu_iopf_group *take_request(unsigned int nth)
{
	struct uiommu_iopf_group *group = open_requests[nth];

	nr_open--;
	memmove(open_requests + nth, open_requests + nth + 1, (nr_open - nth) * sizeof(group));
	return group;
}

/* ---- arguments ---- */

static uint64_t arg(unsigned int nr)
{
	return op->arg[nr];
}

static uint32_t pasid_of(uint64_t value)
{
	static const uint32_t pasids[] = {0, 1, 2, 0xfffff};

	return value < 64 ? pasids[value % 4] : (uint32_t)value & 0xfffff;
}

/* Mostly in memory, often near the end of a page, now and then far away. */
static uint64_t address(uint64_t value)
{
	switch (value >> 60) {
	case 10:
	case 11:
		return M_BASE + (value >> 8) % M_PAGES * M_PAGE + M_PAGE - value % 80;
	case 12:
		return M_BASE + value % M_PAGES * M_PAGE;
	case 13:
		return M_BASE + M_SIZE - value % 300;
	case 14:
		return value & 0xffffffffffff;
	case 15:
		return -(value & 0x1fff);
	default:
		return M_BASE + value % M_SIZE;
	}
}

static uint32_t length(uint64_t value)
{
	switch (value >> 60) {
	case 8:
	case 9:
	case 10:
	case 11:
		return (uint32_t)value % 20000;
	case 12:
		return (uint32_t)value;
	case 13:
		return (uint32_t)(value % 3);
	case 14:
		return (uint32_t)(M_PAGE * (value % 5) + 2 - (value >> 8) % 5);
	case 15:
		return (uint32_t)(value % M_SIZE);
	default:
		return (uint32_t)(value % 300);
	}
}

static uint32_t flags(uint64_t value)
{
	uint32_t result = (uint32_t)value & 0x3f;

	if (!(value & 0x40))
		result |= REC;
	if ((value >> 8 & 7) == 7)
		result |= 1u << (value >> 11) % 24;
	if ((value >> 16 & 3) == 3)
		result |= 0x80u << (value >> 18) % 12;
	return result;
}

static uint8_t opcode(uint64_t value)
{
	static const uint8_t known[] = {DSA_OP_MEMMOVE,	 DSA_OP_BATCH,	 DSA_OP_FILL,
					DSA_OP_COMPARE,	 DSA_OP_CRC,	 DSA_OP_DUALCAST,
					DSA_OP_COPY_CRC, DSA_OP_NOOP,	 DSA_OP_COMPARE_PATTERN,
					DSA_OP_DRAIN,	 DSA_OP_MEMMOVE, DSA_OP_BATCH};

	return value < 60 ? known[value % 12] : (uint8_t)value;
}

static struct dsa_desc descriptor(void)
{
	struct dsa_desc desc = {
		.pasid_priv = next.pasid,
		.flags_op = (uint32_t)opcode(arg(1)) << 24 | flags(arg(2)),
		.src = address(arg(3)),
		.dst = address(arg(4)),
		.size = length(arg(5)),
		.record = address(arg(6)),
		.int_handle = next.handle,
	};
	uint64_t words[8];

	if (arg(6) >> 60 != 7)
		desc.record &= ~31ull;
	switch (dsa_opcode(&desc)) {
	case DSA_OP_NOOP:
		desc.src = desc.dst = desc.size = 0;
		break;
	case DSA_OP_BATCH:
		if (arg(3) >> 60 < 12)
			desc.src = M_BASE + LIST_PAGE * M_PAGE + arg(3) % 64 * 64;
		desc.dst = 0;
		desc.size %= 40;
		break;
	case DSA_OP_FILL:
		desc.src = arg(3);
		break;
	case DSA_OP_COMPARE_PATTERN:
		desc.dst = arg(4);
		break;
	case DSA_OP_DUALCAST:
		desc.dst2 = desc.dst + next.own[0] % 9 * M_PAGE;
		break;
	case DSA_OP_CRC:
	case DSA_OP_COPY_CRC:
		desc.seed = (uint32_t)next.own[0];
		desc.seed_addr = address(next.own[1]);
		break;
	default:
		break;
	}
	if (dsa_flags(&desc) & DSA_FLAG_CHECK)
		desc.expected = (uint8_t)next.own[0];
	memcpy(words, &desc, sizeof(words));
	for (unsigned int i = 0; i < 8; i++)
		words[i] ^= next.flip[i];
	memcpy(&desc, words, sizeof(words));
	memset(&next, 0, sizeof(next));
	return desc;
}

/* ---- steps ---- */

static void write_register(uint64_t offset, uint64_t value, unsigned int width)
{
	must(!pci_mmio_write(pdev, 0, offset, width, value), "no register at %#llx",
	     (unsigned long long)offset);
	if (width >= 4)
		m_register(offset, (uint32_t)value);
	if (width == 8)
		m_register(offset + 4, (uint32_t)(value >> 32));
}

static uint64_t read_register(uint64_t offset)
{
	uint64_t value;

	must(!pci_mmio_read(pdev, 0, offset, 8, &value), "no register at %#llx",
	     (unsigned long long)offset);
	return value;
}

static void config_wq(unsigned int wq, uint32_t size, uint32_t bits, uint32_t shifts, uint32_t ops)
{
	uint64_t at = DSA_WQCFG + wq * 64;

	write_register(at, size, 4);
	write_register(at + 4, size / 2, 4);
	write_register(at + 8, bits, 4);
	write_register(at + 12, shifts, 4);
	write_register(at + 32, ops, 4);
}

static void set_up(uint64_t bits)
{
	write_register(DSA_CMD, 5u << 20, 4);
	config_wq(0, 8, 0x13 ^ (uint32_t)(bits & 0xe), 20u | 5u << 5, ~0u);
	config_wq(1, 4, 0x10000012 ^ (uint32_t)(bits & 0xe), 20u | 5u << 5, ~0u);
	config_wq(2, 4, 0x13 | 1u << 8 | 1u << 28, 14u | 3u << 5, ~0u);
	write_register(DSA_GRPCFG, 7, 8);
	write_register(DSA_GRPCFG + 32, 3, 8);
	write_register(DSA_GENCTRL, 3, 4);
	write_register(DSA_CMD, 1u << 20, 4);
	for (uint32_t i = 0; i < 3; i++)
		write_register(DSA_CMD, 6u << 20 | i, 4);
}

static void run_register(void)
{
	static const struct {
		uint64_t at;
		uint64_t size;
	} places[] = {{DSA_GENCFG, 24}, {DSA_INTCAUSE, 8},  {DSA_SWERR, 32}, {DSA_GRPCFG, 256},
		      {DSA_WQCFG, 512}, {DSA_MSIXPERM, 72}, {0, 0x80},	     {0x900, 0x700}};
	unsigned int place = (unsigned int)(arg(0) % 8), width = 1u << arg(2) % 4;
	uint64_t at = places[place].at + arg(1) * 4 % places[place].size;

	write_register(at & -(uint64_t)width, arg(3), width);
}

static void run_command(void)
{
	uint32_t interrupt = arg(0) & 32 ? 1u << 31 : 0;

	write_register(DSA_CMD,
		       (uint32_t)(arg(0) & 31) << 20 | (uint32_t)(arg(1) & 0xfffff) | interrupt, 4);
}

static void run_submit(void)
{
	struct dsa_desc desc = descriptor();
	unsigned int portal = (unsigned int)(arg(0) % (DSA_WQS * DSA_PORTALS));
	uint64_t at = portal * DSA_PORTAL_SIZE + arg(2) % 64 * 64;
	bool taken;
	int rc;

	/* Which queue: the first ones, rather. */
	if (op->kind == OP_ENQUEUE) {
		rc = pci_mmio_enqueue(pdev, 2, at, &desc);
		taken = m_submit(portal, &desc, true);
		must(rc == (taken ? 0 : -11), "enqueued: %d, should be %d", rc, taken ? 0 : -11);
		return;
	}
	must(!pci_mmio_write_block(pdev, 2, at, &desc), "no portal");
	m_submit(portal, &desc, false);
}

static void unprotect(void)
{
	if (is_protected)
		mprotect(arena, M_SIZE, PROT_READ | PROT_WRITE);
	is_protected = false;
}

/* What the client does to its own memory. */
static void poke(uint64_t offset, const void *from, size_t size)
{
	unprotect();
	memcpy(arena + offset, from, size);
	memcpy(model.memory + offset, from, size);
}

static void run_memory(void)
{
	unsigned char bytes[300];
	uint64_t offset = (address(arg(0)) - M_BASE) % M_SIZE, size = arg(1) % sizeof(bytes);

	if (offset + size > M_SIZE)
		return;
	memset(bytes, (int)arg(2), size);
	poke(offset, bytes, size);
}

static void run_desc(void)
{
	struct dsa_desc desc = descriptor();

	poke(LIST_PAGE * M_PAGE + arg(0) % 128 * 64, &desc, sizeof(desc));
}

static void set_page(unsigned int space, uint64_t page, uint32_t rights)
{
	uint64_t iova = M_BASE + page * M_PAGE, memory = space ? M_PAGES - 1 - page : page;
	uint64_t unmapped;

	if (model.rights[space][page])
		must(!uiommu_unmap(spaces[space], iova, M_PAGE, &unmapped) && unmapped == M_PAGE,
		     "page %llu can't be unmapped", (unsigned long long)page);
	if (rights)
		must(!uiommu_map(spaces[space], iova, world.mm, (uint64_t)arena + memory * M_PAGE,
				 M_PAGE, rights),
		     "page %llu can't be mapped", (unsigned long long)page);
	model.rights[space][page] = (uint8_t)rights;
}

static void run_pages(void)
{
	uint64_t first = arg(1) % M_PAGES, count = arg(2) % 8 + 1;
	uint32_t rights = arg(3) % 4 ? (arg(3) % 4 == 3 ? 3u : UIOMMU_READ) : 0;

	for (uint64_t i = first; i < M_PAGES && i < first + count; i++)
		set_page(arg(0) % M_SPACES, i, rights);
}

/* What is mapped stays mapped, whatever the client may do there itself. */
static void run_protect(void)
{
	static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	uint64_t first = arg(0) % M_PAGES, count = arg(1) % 8 + 1;

	if (first + count > M_PAGES)
		return;
	is_protected = true;
	mprotect(arena + first * M_PAGE, count * M_PAGE, prots[arg(2) % 3]);
}

static void attach(uint32_t pasid, unsigned int space)
{
	int rc = uiommu_attach_group_handle(spaces[space], uiommu_device_group(dev), pasid, NULL);

	must(rc == (model.attached[pasid] ? -16 : 0), "attach: %d", rc);
	if (!rc)
		model.attached[pasid] = (uint8_t)(space + 1);
}

static void detach(uint32_t pasid)
{
	if (!model.attached[pasid])
		return;
	must(!uiommu_detach_group_handle(uiommu_device_group(dev), pasid, NULL), "detach");
	for (unsigned int i = 0; i < nr_open;) {
		struct uiommu_iopf_group *group = open_requests[i];

		if (uiommu_iopf_group_fault(group, 0)->pasid != pasid) {
			i++;
			continue;
		}
		must(uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS),
		     "it was answered twice");
		uiommu_iopf_free_group(take_request(i));
	}
	m_detach(pasid);
}

static void answer(unsigned int nth, uint32_t code, bool give)
{
	static const enum uiommu_page_response_code codes[] = {
		UIOMMU_PAGE_RESP_SUCCESS, UIOMMU_PAGE_RESP_SUCCESS, UIOMMU_PAGE_RESP_INVALID,
		UIOMMU_PAGE_RESP_FAILURE};
	struct m_pending pending = model.pending[nth];
	uint64_t offset = pending.addr - M_BASE;
	struct uiommu_iopf_group *group = take_request(nth);

	if (give && offset < M_SIZE)
		set_page(model.attached[pending.pasid] - 1u, offset / M_PAGE, 3);
	uiommu_iopf_group_response(group, codes[code % 4]);
	uiommu_iopf_free_group(group);
	m_answer(nth, !codes[code % 4]);
}

static void set_master(bool on)
{
	uint16_t command = on ? MASTER : MASTER & ~4u;

	must(!pci_config_write(pdev, 4, &command, 2), "COMMAND");
	model.master = on;
}

static void reset(void)
{
	must(!pci_reset(pdev), "reset");
	m_reset();
}

static void run_next(void)
{
	if (op->kind == OP_NEXT) {
		next.flip[arg(0) % 8] ^= 1ull << arg(1) % 64;
		return;
	}
	next.pasid = pasid_of(arg(0));
	next.handle = (uint16_t)arg(1);
	next.own[0] = arg(2);
	next.own[1] = arg(3);
}

static void run_config(void)
{
	uint32_t bits = (uint32_t)(arg(2) & 15) | (arg(2) & 16 ? 0 : 0x10) |
			(arg(2) & 32 ? DSA_WQ_PASID_EN | 1u << 8 : 0);

	config_wq((unsigned int)(arg(0) % DSA_WQS), (uint32_t)arg(1), bits, (uint32_t)arg(3),
		  arg(4) ? (uint32_t)arg(4) : ~0u);
}

static void step(void)
{
	switch (op->kind) {
	case OP_SET_UP:
		return set_up(arg(0));
	case OP_CONFIG:
		return run_config();
	case OP_GROUP:
		write_register(DSA_GRPCFG + arg(0) % DSA_GROUPS * 64, arg(1), 8);
		return write_register(DSA_GRPCFG + arg(0) % DSA_GROUPS * 64 + 32, arg(2), 8);
	case OP_REGISTER:
		return run_register();
	case OP_COMMAND:
		return run_command();
	case OP_NEXT:
	case OP_OWN:
		return run_next();
	case OP_DESC:
		return run_desc();
	case OP_POST:
	case OP_ENQUEUE:
		return run_submit();
	case OP_PAGES:
		return run_pages();
	case OP_PROTECT:
		return run_protect();
	case OP_ATTACH:
		return attach(pasid_of(arg(0)), arg(1) % M_SPACES);
	case OP_DETACH:
		return detach(pasid_of(arg(0)));
	case OP_ANSWER:
		if (nr_open)
			answer((unsigned int)(arg(0) % nr_open), (uint32_t)arg(1), arg(2) & 1);
		return;
	case OP_MEMORY:
		return run_memory();
	case OP_MASTER:
		return set_master(arg(0) & 1);
	default:
		return reset();
	}
}

/* ---- what must hold ---- */

static void expect(const char *what, uint64_t is, uint64_t should)
{
	must(is == should, "%s is %#llx, should be %#llx", what, (unsigned long long)is,
	     (unsigned long long)should);
}

static void check_registers(void)
{
	/* This is one of the looks by which it finds that it can't go on. */
	uint64_t state = read_register(DSA_GENSTS);

	m_look();
	expect("GENSTS", state, model.halted ? 7 : model.enabled);
	expect("GENCFG", read_register(DSA_GENCFG), model.gencfg);
	expect("GENCTRL", read_register(DSA_GENCTRL), model.genctrl);
	expect("INTCAUSE", read_register(DSA_INTCAUSE), model.intcause);
	expect("CMDSTS", read_register(DSA_CMDSTS), model.cmdsts);
	for (unsigned int i = 0; i < 4; i++)
		if (!i || model.swerr[0])
			expect("SWERR", read_register(DSA_SWERR + i * 8), model.swerr[i]);
	expect("pending messages", read_register(DSA_MSIX_PBA), model.vectors);
	for (unsigned int i = 0; i < DSA_WQS; i++) {
		const struct m_wq *wq = &model.wq[i];

		for (unsigned int j = 0; j < 8; j++) {
			uint64_t should = wq->cfg[j * 2] | (uint64_t)wq->cfg[j * 2 + 1] << 32;

			if (j == 3)
				should |= wq->enabled ? 1ull << 30 : 0;
			expect("WQCFG", read_register(DSA_WQCFG + i * 64 + j * 8), should);
		}
	}
}

static void check_requests(void)
{
	expect("open page requests", nr_open, model.nr_pending);
	for (unsigned int i = 0; i < nr_open; i++) {
		const struct uiommu_fault *fault = uiommu_iopf_group_fault(open_requests[i], 0);

		expect("a request's address", fault->addr, model.pending[i].addr);
		expect("a request's right", fault->perm, model.pending[i].perm);
		expect("a request's PASID", fault->pasid, model.pending[i].pasid);
	}
}

static void check_memory(void)
{
	unprotect();
	if (!memcmp(arena, model.memory, M_SIZE))
		return;
	for (uint64_t i = 0; i < M_SIZE; i++)
		must(arena[i] == model.memory[i],
		     "memory at %#llx is %#x, should be %#x, was %#x at first",
		     (unsigned long long)i, arena[i], model.memory[i], initial[i]);
}

static void check_zones(void)
{
	ASAN_UNPOISON_MEMORY_REGION(zones, M_PAGE);
	ASAN_UNPOISON_MEMORY_REGION(arena + M_SIZE, M_PAGE);
	for (uint64_t i = 0; i < M_PAGE; i++)
		must(zones[i] == ZONE && arena[M_SIZE + i] == ZONE, "it wrote beside memory");
}

/* ---- an input ---- */

static void begin(void)
{
	struct uiommu_counts c;
	char why[200];

	world_begin();
	must(!uiommu_pci_device_add(world.ctx, "dsa@0000:01:00.0", &pdev, why, sizeof(why)), "%s",
	     why);
	dev = uiommu_pci_iommu_device(pdev);
	uiommu_get_counts(world.ctx, &c);
	world.devices = (unsigned int)c.devices;
	world.domains = (unsigned int)c.domains;
	pci_msix_enable(pdev, true);
	memcpy(arena, initial, M_SIZE);
	memset(zones, ZONE, M_PAGE);
	memset(arena + M_SIZE, ZONE, M_PAGE);
	ASAN_POISON_MEMORY_REGION(zones, M_PAGE);
	ASAN_POISON_MEMORY_REGION(arena + M_SIZE, M_PAGE);
	memcpy(model.memory, initial, M_SIZE);
	memset(&next, 0, sizeof(next));
	nr_open = 0;
	m_begin();
	memset(model.rights, 0, sizeof(model.rights));
	for (unsigned int i = 0; i < M_SPACES; i++) {
		spaces[i] = uiommu_domain_alloc_paging(world.ctx);
		must(!UIOMMU_IS_ERR(spaces[i]), "no domain");
		spaces[i]->iopf_handler = on_request;
		/* Some pages are missing, some are only for reading. */
		for (unsigned int page = 0; page < M_PAGES; page++)
			if (page < 16 || page >= 24)
				set_page(i, page, page >= 24 && page < 28 ? UIOMMU_READ : 3);
	}
	attach(0, 0);
	attach(1, 1);
	set_master(true);
}

/* Whatever was: a reset makes it good for anything. */
static void check_works(void)
{
	struct dsa_desc desc = {
		.flags_op = DSA_OP_MEMMOVE << 24 | REC,
		.src = M_BASE,
		.dst = M_BASE + M_PAGE,
		.size = 64,
		.record = M_BASE + 2 * M_PAGE,
	};

	while (nr_open)
		answer(0, 2, false);
	detach(0);
	reset();
	set_master(true);
	attach(0, 0);
	for (unsigned int page = 0; page < 3; page++)
		set_page(0, page, 3);
	set_up(0);
	poke(2 * M_PAGE, &(struct dsa_record){0}, sizeof(struct dsa_record));
	must(!pci_mmio_write_block(pdev, 2, 0, &desc), "no portal");
	m_submit(0, &desc, false);
	expect("the last status", arena[2 * M_PAGE], DSA_SUCCESS);
	check_registers();
	check_memory();
}

static void end(void)
{
	const uint8_t *found;

	for (unsigned int i = 0; i < M_SPACES; i++)
		while ((found = memchr(model.attached, (int)i + 1, sizeof(model.attached))))
			detach((uint32_t)(found - model.attached));
	for (unsigned int i = 0; i < M_SPACES; i++)
		uiommu_domain_put(spaces[i]);
	check_zones();
	world_end();
}

void fuzz_run(const struct op *ops, size_t nr)
{
	begin();
	for (size_t i = 0; i < nr; i++) {
		op = &ops[i];
		if (world.trace)
			op_print(op, i);
		step();
		check_registers();
		check_requests();
		check_memory();
	}
	check_works();
	end();
}

void fuzz_init(void)
{
	world_init();
	zones = mmap(NULL, M_SIZE + 2 * M_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	must(zones != MAP_FAILED, "no memory");
	arena = zones + M_PAGE;
	initial = malloc(M_SIZE);
	must(initial, "no memory");
	for (uint64_t i = 0; i < M_SIZE; i++)
		initial[i] = (unsigned char)(i * 31 + i / M_PAGE);
}

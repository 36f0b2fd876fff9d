/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_mem.c - the memory that a trapped instruction touches
 *
 * An access is cut into naturally aligned pieces of at most 8 bytes, lowest first.
 * Each is a call of the mapping that is trapped there, or, for the other side of
 * a movs and its like, an access to ordinary memory.  The latter may fault, and
 * then it is the client's fault, with the kernel's own description of it.
 */
#include "trap_mem.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "insn_alu.h"
#include "real.h"
#include "trap_region.h"

#define TRAPNO_GP 13
#define TRAPNO_PF 14
#define PF_WRITE 2
#define PF_USER 4

unsigned long trap_mem_accesses;

/* What the last guarded access of this thread ran into. */
static SHIM_TLS struct insn_fault user_fault;

/*
 * Held over a locked read-modify-write: two threads that count in one register
 * count right.  Innermost but for what a device takes.
 */
static pthread_mutex_t rmw_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned int piece(uint64_t addr, unsigned int left)
{
	unsigned int size = 8;

	while (size > left || (addr & (size - 1)))
		size >>= 1;
	return size;
}

bool trap_mem_fault(const siginfo_t *info, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	if (rip < (uint64_t)(uintptr_t)shim_user_begin || rip >= (uint64_t)(uintptr_t)shim_user_end)
		return false;
	user_fault = (struct insn_fault){
		.sig = info->si_signo,
		.code = info->si_code,
		.addr = (uint64_t)(uintptr_t)info->si_addr,
		.trapno = (int)regs[REG_TRAPNO],
		.err = (int)regs[REG_ERR],
	};
	regs[REG_RIP] = (greg_t)(uintptr_t)shim_user_fixup;
	return true;
}

static int page_fault(struct insn_cpu *cpu, uint64_t addr, bool write)
{
	/* "No access", not "no page": the mapping is there. */
	cpu->fault = (struct insn_fault){SIGSEGV, SEGV_ACCERR, addr, TRAPNO_PF,
					 PF_USER | 1 | (write ? PF_WRITE : 0)};
	return -1;
}

static int bus_error(struct insn_cpu *cpu, uint64_t addr)
{
	cpu->fault = (struct insn_fault){SIGBUS, BUS_ADRERR, addr, 0, 0};
	return -1;
}

/*
 * The range that the fault was in is held for as long as the instruction takes
 * (cpu->opaque), whatever other threads unmap meanwhile; another one is looked up.
 */
static bool range_get(struct insn_cpu *cpu, uint64_t addr, struct region_ref *ref)
{
	const struct region_ref *held = cpu->opaque;

	if (held && addr >= held->start && addr < held->end) {
		*ref = *held;
		return true;
	}
	return region_find(addr, ref);
}

static void range_put(struct insn_cpu *cpu, const struct region_ref *ref)
{
	const struct region_ref *held = cpu->opaque;

	if (!held || held->region != ref->region)
		region_put(ref);
}

static int probe_piece(struct insn_cpu *cpu, uint64_t addr, unsigned int size, bool write)
{
	struct region_ref ref;
	uint64_t scratch;
	void *p = (void *)(uintptr_t)addr;

	if (range_get(cpu, addr, &ref)) {
		range_put(cpu, &ref);
		/* As on this architecture: what can be written can be read. */
		if (write ? !(ref.prot & PROT_WRITE) : !(ref.prot & (PROT_READ | PROT_WRITE)))
			return page_fault(cpu, addr, write);
		return 0;
	}
	if (write ? shim_user_touch(p) : shim_user_load(&scratch, p, size)) {
		cpu->fault = user_fault;
		return -1;
	}
	return 0;
}

static int mem_probe(struct insn_cpu *cpu, uint64_t addr, unsigned int size, bool write)
{
	for (unsigned int n; size; addr += n, size -= n) {
		n = piece(addr, size);
		if (probe_piece(cpu, addr, n, write))
			return -1;
	}
	return 0;
}

static int load_piece(struct insn_cpu *cpu, uint64_t addr, void *buf, unsigned int size)
{
	struct region_ref ref;
	uint64_t value = 0;
	int rc;

	if (!range_get(cpu, addr, &ref)) {
		if (!shim_user_load(buf, (const void *)(uintptr_t)addr, size))
			return 0;
		cpu->fault = user_fault;
		return -1;
	}
	rc = uiommu_mapping_read(ref.mapping, ref.offset + (addr - ref.start), &value, size);
	range_put(cpu, &ref);
	__atomic_fetch_add(&trap_mem_accesses, 1, __ATOMIC_RELAXED);
	if (rc)
		return bus_error(cpu, addr);
	memcpy(buf, &value, size);
	return 0;
}

static int store_piece(struct insn_cpu *cpu, uint64_t addr, const void *buf, unsigned int size)
{
	struct region_ref ref;
	uint64_t value = 0;
	int rc;

	if (!range_get(cpu, addr, &ref)) {
		if (!shim_user_store((void *)(uintptr_t)addr, buf, size))
			return 0;
		cpu->fault = user_fault;
		return -1;
	}
	memcpy(&value, buf, size);
	rc = uiommu_mapping_write(ref.mapping, ref.offset + (addr - ref.start), value, size);
	range_put(cpu, &ref);
	__atomic_fetch_add(&trap_mem_accesses, 1, __ATOMIC_RELAXED);
	return rc ? bus_error(cpu, addr) : 0;
}

static int mem_load(struct insn_cpu *cpu, uint64_t addr, void *buf, unsigned int size)
{
	uint8_t *to = buf;

	for (unsigned int n; size; addr += n, to += n, size -= n) {
		n = piece(addr, size);
		if (load_piece(cpu, addr, to, n))
			return -1;
	}
	return 0;
}

static int mem_store(struct insn_cpu *cpu, uint64_t addr, const void *buf, unsigned int size)
{
	const uint8_t *from = buf;

	for (unsigned int n; size; addr += n, from += n, size -= n) {
		n = piece(addr, size);
		if (store_piece(cpu, addr, from, n))
			return -1;
	}
	return 0;
}

/* To ordinary memory (a shared page may be some) the bytes are copied. */
static int mem_store_block(struct insn_cpu *cpu, uint64_t addr, const void *buf)
{
	struct region_ref ref;
	int rc;

	if (!range_get(cpu, addr, &ref))
		return mem_store(cpu, addr, buf, 64);
	rc = uiommu_mapping_write_block(ref.mapping, ref.offset + (addr - ref.start), buf);
	range_put(cpu, &ref);
	__atomic_fetch_add(&trap_mem_accesses, 1, __ATOMIC_RELAXED);
	return rc ? bus_error(cpu, addr) : 0;
}

static int mem_enqueue(struct insn_cpu *cpu, uint64_t addr, const void *buf)
{
	struct region_ref ref;
	int rc;

	/* Ordinary memory accepts nothing. */
	if (!range_get(cpu, addr, &ref))
		return 1;
	rc = uiommu_mapping_enqueue(ref.mapping, ref.offset + (addr - ref.start), buf);
	range_put(cpu, &ref);
	__atomic_fetch_add(&trap_mem_accesses, 1, __ATOMIC_RELAXED);
	if (rc == -EPERM) {
		cpu->fault = (struct insn_fault){SIGSEGV, SI_KERNEL, 0, TRAPNO_GP, 0};
		return -1;
	}
	return rc == -EAGAIN ? 1 : rc ? bus_error(cpu, addr) : 0;
}

static void mem_lock(struct insn_cpu *cpu)
{
	pthread_mutex_lock(&rmw_lock);
}

static void mem_unlock(struct insn_cpu *cpu)
{
	pthread_mutex_unlock(&rmw_lock);
}

const struct insn_mem_ops trap_mem_ops = {
	.probe = mem_probe,
	.load = mem_load,
	.store = mem_store,
	.store_block = mem_store_block,
	.enqueue = mem_enqueue,
	.lock = mem_lock,
	.unlock = mem_unlock,
};

/* Its holder may have stayed behind in the parent. */
void trap_mem_atfork_child(void)
{
	pthread_mutex_init(&rmw_lock, NULL);
	insn_native_atfork_child();
	insn_cache_atfork_child();
}

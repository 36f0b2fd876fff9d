// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Counts of pinned pages, in memory that instances in several processes may share.
 *
 * Linux has these numbers in a user and in an mm, of which there is one; we have as many
 * instances as there are processes that opened a device.  So each writes what it pinned
 * to entries of its own, without a lock, and who wants a sum adds up.  An instance that
 * was killed leaves its entries, which count no more, and are freed by the next who
 * can't find another or is over its limit.  Who can't tell whether it was killed (/proc takes
 * a descriptor, and the process may have no more) leaves them.
 */
#include "mm/charge_table.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "mm/process.h"

static struct mm_charge_table *mm_table_mmap(int prot, int flags, int fd)
{
	long rc = ui_syscall6(SYS_mmap, 0, sizeof(struct mm_charge_table), prot, flags, fd, 0);

	return rc < 0 && rc >= -4095 ? NULL : (struct mm_charge_table *)rc;
}

struct mm_charge_table *mm_table_create(void)
{
	return mm_table_mmap(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1);
}

struct mm_charge_table *mm_table_map(int fd)
{
	/* To the length that it has, if others use it already. */
	if (ui_syscall3(SYS_ftruncate, fd, sizeof(struct mm_charge_table), 0))
		return NULL;
	return mm_table_mmap(PROT_READ | PROT_WRITE, MAP_SHARED, fd);
}

void mm_table_unmap(struct mm_charge_table *table)
{
	if (table)
		ui_syscall3(SYS_munmap, (long)table, sizeof(*table), 0);
}

/* ---- entries ---- */

static struct mm_charge *mm_table_take(struct mm_charge_table *table, pid_t owner)
{
	for (uint64_t i = 0; i < MM_CHARGES; i++) {
		uint32_t nobody = 0;
		uint64_t used = ui_load_relaxed(&table->used);

		if (ui_load_relaxed(&table->charges[i].owner) ||
		    !ui_cmpxchg(&table->charges[i].owner, &nobody, (uint32_t)owner))
			continue;
		while (used <= i && !ui_cmpxchg(&table->used, &used, i + 1))
			;
		return &table->charges[i];
	}
	return NULL;
}

struct mm_charge *mm_table_claim(struct mm_charge_table *table, pid_t owner, pid_t pid,
				 uint32_t uid, enum mm_charge_mode mode)
{
	struct mm_charge *charge = mm_table_take(table, owner);
	uint64_t start;

	if (!charge) {
		mm_table_collect(table);
		charge = mm_table_take(table, owner);
	}
	if (!charge)
		return NULL;
	start = mm_process_start(owner);
	ui_store_relaxed(&charge->owner_start, start);
	charge->pid_start = pid == owner ? start : mm_process_start(pid);
	charge->pid = (uint32_t)pid;
	charge->uid = uid;
	charge->mode = mode;
	return charge;
}

void mm_table_release(struct mm_charge *charge)
{
	ui_store_relaxed(&charge->pages, 0);
	/* The next owner's isn't known until it has written it. */
	ui_store_relaxed(&charge->owner_start, 0);
	ui_store_release(&charge->owner, 0);
}

static uint64_t mm_table_used(const struct mm_charge_table *table)
{
	uint64_t used = ui_load_acquire(&table->used);

	return used < MM_CHARGES ? used : MM_CHARGES;
}

/* Is its owner gone? */
static bool mm_charge_stale(const struct mm_charge *charge, uint32_t owner)
{
	uint64_t start = mm_process_start((pid_t)owner);
	uint64_t owner_start = ui_load_relaxed(&charge->owner_start);

	if (start && owner_start)
		return start != owner_start;
	return ui_syscall3(SYS_kill, (pid_t)owner, 0, 0) == -ESRCH;
}

void mm_table_collect(struct mm_charge_table *table)
{
	for (uint64_t i = 0; i < mm_table_used(table); i++) {
		struct mm_charge *charge = &table->charges[i];
		uint32_t owner = ui_load_acquire(&charge->owner);

		/* Whoever takes it over frees it; nobody has that number. */
		if (owner && owner != UINT32_MAX && mm_charge_stale(charge, owner) &&
		    ui_cmpxchg(&charge->owner, &owner, UINT32_MAX))
			mm_table_release(charge);
	}
}

uint64_t mm_table_sum(const struct mm_charge_table *table, uint32_t pid, uint32_t uid,
		      enum mm_charge_mode mode)
{
	uint64_t used = mm_table_used(table), pages = 0;

	for (uint64_t i = 0; i < used; i++) {
		const struct mm_charge *charge = &table->charges[i];

		if (charge->mode == mode &&
		    (mode == MM_CHARGE_USER ? charge->uid == uid : charge->pid == pid))
			pages += ui_load_relaxed(&charge->pages);
	}
	return pages;
}

/* ---- reading ---- */

static void mm_table_count(const struct mm_charge_table *table, pid_t pid,
			   struct uiommu_charges *out)
{
	uint64_t start = mm_process_start(pid);

	for (uint64_t i = 0; i < mm_table_used(table); i++) {
		const struct mm_charge *charge = &table->charges[i];
		uint32_t owner = ui_load_acquire(&charge->owner);
		uint64_t pages = ui_load_relaxed(&charge->pages);

		if (!owner || !pages || charge->pid != (uint32_t)pid ||
		    charge->pid_start != start || mm_charge_stale(charge, owner))
			continue;
		out->pinned += pages;
		if (charge->mode == MM_CHARGE_MM)
			out->locked += pages;
	}
}

UIOMMU_API int uiommu_charges_read(int fd, pid_t pid, struct uiommu_charges *out)
{
	struct mm_charge_table *table;
	long length = ui_syscall3(SYS_lseek, fd, 0, SEEK_END);

	*out = (struct uiommu_charges){0};
	if (length < (long)sizeof(*table))
		return length < 0 ? (int)length : 0;
	table = mm_table_mmap(PROT_READ, MAP_SHARED, fd);
	if (!table)
		return -ENOMEM;
	mm_table_count(table, pid, out);
	mm_table_unmap(table);
	return 0;
}

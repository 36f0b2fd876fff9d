/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/charge_table.h - what is pinned, by account, of all instances that count together
 */
#ifndef UI_MM_CHARGE_TABLE_H
#define UI_MM_CHARGE_TABLE_H

#include <stddef.h>
#include <sys/types.h>

#include "mm/charge.h"

/*
 * One account of one instance.
 *  owner		the instance's process; 0: free.  Claimed by compare and exchange; all else
 *		is the owner's to write
 *  owner_start, pid_start	when those processes started, as /proc/PID/stat has it: a
 *		number alone may be a later process's.  0: not known; others read owner_start, an
 *		atomic, at any time
 *  pid, uid, mode	who is charged, immutable while claimed
 *  pages	atomic; 0 when it's free
 */
struct mm_charge {
	uint32_t owner;
	uint32_t pid;
	uint64_t owner_start;
	uint64_t pid_start;
	uint32_t uid;
	uint32_t mode;
	uint64_t pages;
	uint64_t unused[3];
};

#define MM_CHARGES 4095

/*
 *  used	atomic, grows: none after these was ever claimed
 */
struct mm_charge_table {
	uint64_t used;
	uint64_t unused[7];
	struct mm_charge charges[MM_CHARGES];
};

/* Of this instance alone; NULL: no memory. */
struct mm_charge_table *mm_table_create(void);
/* Of all that map the same file; NULL: it can't be mapped. */
struct mm_charge_table *mm_table_map(int fd);
void mm_table_unmap(struct mm_charge_table *table);

/* NULL: all are in use. */
struct mm_charge *mm_table_claim(struct mm_charge_table *table, pid_t owner, pid_t pid,
				 uint32_t uid, enum mm_charge_mode mode);
void mm_table_release(struct mm_charge *charge);
/* Frees what instances left that are gone. */
void mm_table_collect(struct mm_charge_table *table);
/* What an account's limit is about. */
uint64_t mm_table_sum(const struct mm_charge_table *table, uint32_t pid, uint32_t uid,
		      enum mm_charge_mode mode);

#endif /* UI_MM_CHARGE_TABLE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap.h - mapped BARs: memory that traps
 *
 * A BAR that the client maps is reserved address space without any access
 * right.  Each load and store faults; the handler decodes the instruction, makes
 * the access by uiommu_mapping_read() and _write(), finishes what the
 * instruction does to registers and flags, and steps over it.
 *
 * All functions keep errno.  They may be called from a client's signal handler
 * (locks here are held with signals blocked), but not from within an access.
 */
#ifndef SHIM_TRAP_H
#define SHIM_TRAP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <uiommu/file.h>

/*
 * The engine is about to be used in this process: installs the handlers of
 * SIGSEGV and SIGBUS, keeps those found as the client's, and tells the library
 * (uiommu_guard_enable) that guarded copies work.  More calls do nothing.
 */
void trap_init(void);

/*
 * Reserves @len bytes (whole pages) that reach @m.
 * @addr_hint, @flags: as for mmap(); MAP_FIXED, MAP_FIXED_NOREPLACE and
 *	MAP_32BIT count, and MAP_FIXED forgets what was trapped there
 * @prot: of the client's mmap()
 *
 * Return: 0, then the reference on @m moved in, put when no part of the range is
 * left; or a negative errno, then it stays the caller's.
 */
int trap_map(struct uiommu_mapping *m, void *addr_hint, size_t len, int prot, int flags,
	     void **out);

/*
 * To be called *before* the client's munmap(), mmap(MAP_FIXED) or mremap() of
 * any range: forgets the trapped parts of it.  The memory itself stays as it
 * is, the real call does the rest.  Costs two loads when nothing is trapped near.
 *
 * Return: 1 if there was such a part: then trap_unmapped() is to be called *after* the
 * client's call, by the same thread and with signals blocked throughout.  Other threads'
 * accesses wait for it; for a processor that is one step.  Else 0.
 */
int trap_unmap(void *addr, size_t len);
void trap_unmapped(void);

/*
 * mremap() of a trapped range moves or shrinks what is trapped; a range that
 * is not trapped is none of our business.
 *
 * Return: 1: done, *@out is the result; 0: not trapped, call the real one; or a
 * negative errno to fail with.
 */
int trap_remap(void *addr, size_t old_len, size_t new_len, int flags, void *new_addr, void **out);

bool trap_overlaps(const void *addr, size_t len);
/* As struct uiommu_host_ops has it. */
bool trap_mapped(uint64_t addr, uint64_t length, struct uiommu_mapped *out);

/*
 * mprotect() of trapped memory: the right is remembered, the memory stays
 * without.  A range that is only partly trapped: the trapped parts are done
 * here, and the caller must not pass the call on for those.
 *
 * Return: 1: the whole range was trapped, and is done.  0: nothing of it was.
 * -ENOMEM: it was mixed, or we have no memory; fail the call.
 */
int trap_protect(void *addr, size_t len, int prot);

/*
 * Memory of a BAR that the client reached directly traps again when this returns, until
 * the engine says that it may be had.
 */
void trap_revoke(void);

/*
 * In a forked child: all that was trapped, or memory of a BAR, traps, by the same mappings
 * (mapping.h).
 */
void trap_atfork_child(void);

/* How many accesses were made for the client, for the log. */
unsigned long trap_count(void);

#endif /* SHIM_TRAP_H */

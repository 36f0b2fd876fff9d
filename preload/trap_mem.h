/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_mem.h - the memory that a trapped instruction touches
 */
#ifndef SHIM_TRAP_MEM_H
#define SHIM_TRAP_MEM_H

#include <signal.h>
#include <ucontext.h>

#include "insn.h"

extern const struct insn_mem_ops trap_mem_ops;

/*
 * From the handler: did a guarded access of ours to the client's ordinary memory
 * fault?  Then the context was changed to make it return -1.
 */
bool trap_mem_fault(const siginfo_t *info, ucontext_t *uc);

/* trap_code.c: up to 15 bytes of code, as before a debugger's breakpoints; fewer where its
 * memory ends. */
size_t trap_code(uint64_t rip, uint8_t *buf);

/* How many accesses there were. */
extern unsigned long trap_mem_accesses;

void trap_mem_atfork_child(void);

#endif /* SHIM_TRAP_MEM_H */

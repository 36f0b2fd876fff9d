/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_leave.h - back from the handler to the client without the kernel
 */
#ifndef SHIM_TRAP_LEAVE_H
#define SHIM_TRAP_LEAVE_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/* Before the handler is installed. */
void trap_leave_init(bool under_valgrind);

/*
 * The last call of a handler that changed nothing but what @uc has of registers, and
 * delivered nothing.  Goes on where @uc says, or returns: then the kernel must do it.
 * No lock is held, errno is the client's: pending signals come in here.
 */
void trap_leave(ucontext_t *uc);

/* In trap_leave.S: all but the mask. */
__attribute__((noreturn)) void shim_iret(const ucontext_t *uc, uint64_t features);

#endif /* SHIM_TRAP_LEAVE_H */

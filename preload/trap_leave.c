/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_leave.c - back from the handler to the client without the kernel
 *
 * rt_sigreturn is a third of what a trap costs.  What it does that matters is little:
 * the mask, the vector state, the registers.  All of it a program may do itself, and
 * the kernel's frame has it all.
 *
 * Nothing is kept anywhere but in that frame, so a signal may come between any two
 * instructions here, trap as well, never return, or be resumed by another thread; and
 * nothing is written below the client's stack pointer, where a leaf function has data.
 * So the last instruction is iretq: it takes rip, flags and rsp at once, from where
 * the handler's stack pointer is.
 *
 * The mask comes first, from here: a signal that was waiting comes right then, and unwinds
 * through the handler into the client's code as through any other.  Its handler runs on
 * our stack.  That is no place on an alternate one, whose size the client chose for one handler
 * at a time: from there the kernel leads back.
 *
 * Shared between threads are only the words below; they are set before the handler is
 * installed.
 */
#include "trap_leave.h"

#include <stddef.h>

#include "real.h"
#include "signals.h"
#include "trap_fx.h"

/* Selectors of 64-bit programs. */
#define USER_CS 0x33
#define USER_SS 0x2b
#define FLAG_TF 0x100
#define FLAG_RF 0x10000
#define XFEATURE_PKRU 9

/* As the five words that iretq takes, in place of five that no unwinder asks for. */
#define IRET REG_CSGSFS

/* What trap_leave.S is written for. */
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs) == 40 && REG_R8 == 0 && REG_R15 == 7 &&
		       REG_RDI == 8 && REG_RSI == 9 && REG_RBP == 10 && REG_RBX == 11 &&
		       REG_RDX == 12 && REG_RAX == 13 && REG_RCX == 14 && REG_RSP == 15 &&
		       REG_RIP == 16 && IRET == 18 && REG_CR2 == IRET + 4,
	       "registers in the frame");
_Static_assert(offsetof(ucontext_t, uc_mcontext.fpregs) == 224, "vector state of the frame");

static bool possible;
static unsigned int pkru_at;

void trap_leave_init(bool under_valgrind)
{
	possible = !under_valgrind;
	pkru_at = fx_component_at(XFEATURE_PKRU);
}

/* A nop where there are none. */
static bool has_shadow_stack(void)
{
	uint64_t at = 0;

	__asm__ volatile("rdsspq %0" : "+r"(at));
	return at;
}

/*
 * Keys of memory are a component of the saved state, and loaded with it.  The kernel may have
 * given the handler other rights than the client has, and then the frame might be out of
 * reach before the registers are read.
 */
static bool has_other_keys(const uint8_t *fx, uint64_t features)
{
	uint64_t bit = 1u << XFEATURE_PKRU;
	uint32_t now, high, client = 0;

	if (!pkru_at || !(features & bit))
		return false;
	__asm__ volatile("rdpkru" : "=a"(now), "=d"(high) : "c"(0));
	if (fx_wide(fx, FX_XSTATE_BV) & bit)
		client = fx_word(fx, pkru_at);
	return now != client;
}

static bool is_extended(const uint8_t *fx)
{
	return fx && fx_word(fx, FX_MAGIC) == FX_MAGIC_VALUE &&
	       fx_word(fx, fx_word(fx, FX_XSTATE_SIZE)) == FX_MAGIC_BEHIND_VALUE;
}

/*
 * Then the kernel has nothing to bring back: not this stack, that may have been taken away
 * meanwhile, and not one that disarms itself, for a handler of ours would be on it.
 */
static bool is_plain_stack(const stack_t *alt)
{
	uint64_t here = (uintptr_t)__builtin_frame_address(0);

	return alt->ss_flags & SS_DISABLE || here - (uintptr_t)alt->ss_sp >= alt->ss_size;
}

/* Its callers' frames are left behind: what a sanitizer does at a return isn't done. */
__attribute__((no_sanitize("address", "thread"))) void trap_leave(ucontext_t *uc)
{
	const uint8_t *fx = (const uint8_t *)uc->uc_mcontext.fpregs;
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t selectors = (uint64_t)regs[REG_CSGSFS];
	uint64_t features, mask;

	if (!possible || !is_extended(fx) || !is_plain_stack(&uc->uc_stack))
		return;
	features = fx_wide(fx, FX_FEATURES);
	if ((selectors & 0xffff) != USER_CS || selectors >> 48 != USER_SS ||
	    (regs[REG_EFL] & FLAG_TF) || has_shadow_stack() || has_other_keys(fx, features))
		return;
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	/*
	 * In line: a return that follows a system call isn't predicted, and costs more than that.
	 * It fails if a filter of system calls is against it, and nobody may stay deaf.
	 */
	if (signals_blocks_less(&uc->uc_sigmask) &&
	    shim_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0))
		return;
	regs[IRET] = regs[REG_RIP];
	regs[IRET + 1] = USER_CS;
	/* The instruction that it said of "no breakpoint here again" is done. */
	regs[IRET + 2] = regs[REG_EFL] & ~FLAG_RF;
	regs[IRET + 3] = regs[REG_RSP];
	regs[IRET + 4] = USER_SS;
	shim_iret(uc, features);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/valgrind.h - two requests to valgrind, if it runs us
 *
 * A request is a sequence of instructions that does nothing on a processor and that
 * valgrind knows: rax points to six words, rdx is the answer.
 */
#ifndef SHIM_VALGRIND_H
#define SHIM_VALGRIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALGRIND_RUNNING 0x1001
/* Memcheck's: 'M', 'C'. */
#define VALGRIND_MAKE_DEFINED (((uint64_t)'M' << 24 | (uint64_t)'C' << 16) + 2)

static inline uint64_t valgrind_request(uint64_t request, uint64_t a, uint64_t b)
{
	volatile uint64_t args[6] = {request, a, b, 0, 0, 0};
	uint64_t answer = 0;

	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi; rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(args)
			 : "cc", "memory");
	return answer;
}

static inline bool valgrind_running(void)
{
	return valgrind_request(VALGRIND_RUNNING, 0, 0) != 0;
}

/* Loads and stores there are no error: they trap, and are done. */
static inline void valgrind_defined(uint64_t addr, size_t len)
{
	valgrind_request(VALGRIND_MAKE_DEFINED, addr, len);
}

#endif /* SHIM_VALGRIND_H */

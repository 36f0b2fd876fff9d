// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/plain.c - loads and stores that are no operation of base/sync.h
 *
 * The explored code is compiled with -fsanitize=thread, but not linked with
 * its runtime: the compiler calls the functions here at each load and store.  We
 * look whether the memory was freed, and if it is of a kind that is freed while
 * threads run, let others run in between.
 */
#include "explore/explore.h"

/* Called by the compiler, so declared nowhere else. */
#define PLAIN(name, op)                                                                            \
	void name(const void *p);                                                                  \
	void name(const void *p)                                                                   \
	{                                                                                          \
		plain(p, op, __builtin_return_address(0));                                         \
	}

static void plain(const void *p, enum ex_op op, const void *pc)
{
	struct ex_block *block = ex_block_of(p);

	if (!block)
		return;
	if (block->freed || ex_site_is_hot(block->site))
		ex_plain_point(op, p, pc);
	ex_check_alive(p, op == EX_READ ? "read of freed memory" : "write to freed memory");
}

PLAIN(__tsan_read1, EX_READ)
PLAIN(__tsan_read2, EX_READ)
PLAIN(__tsan_read4, EX_READ)
PLAIN(__tsan_read8, EX_READ)
PLAIN(__tsan_read16, EX_READ)
PLAIN(__tsan_write1, EX_WRITE)
PLAIN(__tsan_write2, EX_WRITE)
PLAIN(__tsan_write4, EX_WRITE)
PLAIN(__tsan_write8, EX_WRITE)
PLAIN(__tsan_write16, EX_WRITE)
PLAIN(__tsan_unaligned_read2, EX_READ)
PLAIN(__tsan_unaligned_read4, EX_READ)
PLAIN(__tsan_unaligned_read8, EX_READ)
PLAIN(__tsan_unaligned_read16, EX_READ)
PLAIN(__tsan_unaligned_write2, EX_WRITE)
PLAIN(__tsan_unaligned_write4, EX_WRITE)
PLAIN(__tsan_unaligned_write8, EX_WRITE)
PLAIN(__tsan_unaligned_write16, EX_WRITE)
PLAIN(__tsan_read_write1, EX_WRITE)
PLAIN(__tsan_read_write2, EX_WRITE)
PLAIN(__tsan_read_write4, EX_WRITE)
PLAIN(__tsan_read_write8, EX_WRITE)
PLAIN(__tsan_read_write16, EX_WRITE)
PLAIN(__tsan_unaligned_read_write2, EX_WRITE)
PLAIN(__tsan_unaligned_read_write4, EX_WRITE)
PLAIN(__tsan_unaligned_read_write8, EX_WRITE)
PLAIN(__tsan_unaligned_read_write16, EX_WRITE)

void __tsan_read_range(const void *p, unsigned long size);
void __tsan_read_range(const void *p, unsigned long size)
{
	plain(p, EX_READ, __builtin_return_address(0));
}

void __tsan_write_range(const void *p, unsigned long size);
void __tsan_write_range(const void *p, unsigned long size)
{
	plain(p, EX_WRITE, __builtin_return_address(0));
}

void __tsan_func_entry(void *pc);
void __tsan_func_entry(void *pc)
{
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_init(void);
void __tsan_init(void)
{
}

/* clang calls these instead of the library's. */
void *__tsan_memcpy(void *dst, const void *src, unsigned long size);
void *__tsan_memcpy(void *dst, const void *src, unsigned long size)
{
	return memcpy(dst, src, size);
}

void *__tsan_memset(void *dst, int c, unsigned long size);
void *__tsan_memset(void *dst, int c, unsigned long size)
{
	return memset(dst, c, size);
}

void *__tsan_memmove(void *dst, const void *src, unsigned long size);
void *__tsan_memmove(void *dst, const void *src, unsigned long size)
{
	return memmove(dst, src, size);
}

/* Counters (ui_count_inc and its kin): nobody waits for them, so they are no points. */
uint64_t __tsan_atomic64_fetch_add(uint64_t *p, uint64_t v, int order);
uint64_t __tsan_atomic64_fetch_add(uint64_t *p, uint64_t v, int order)
{
	uint64_t old = *p;

	ex_check_alive(p, "counter in freed memory");
	*p += v;
	return old;
}

uint64_t __tsan_atomic64_fetch_sub(uint64_t *p, uint64_t v, int order);
uint64_t __tsan_atomic64_fetch_sub(uint64_t *p, uint64_t v, int order)
{
	return __tsan_atomic64_fetch_add(p, -v, order);
}

uint64_t __tsan_atomic64_load(const uint64_t *p, int order);
uint64_t __tsan_atomic64_load(const uint64_t *p, int order)
{
	ex_check_alive(p, "counter in freed memory");
	return *p;
}

/* The C library's, for assert() in what is explored. */
void __assert_fail(const char *expr, const char *file, unsigned int line, const char *func)
{
	ex_fail("%s:%u: assertion failed: %s", func, line, expr);
}

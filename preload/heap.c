/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/heap.c - memory of the shim and the engine
 *
 * In Linux what a driver allocates doesn't come from its caller's heap.  So ours doesn't
 * either: a program that passes a structure which it never filled in, fresh from malloc(),
 * finds the zeros in it that it has elsewhere, and not what we have freed.  The linker turns the
 * calls of malloc() and its kin, and of strdup(), in our objects into those here (--wrap);
 * free() also takes what libc's functions gave us (asprintf(), open_memstream()).
 *
 * The arena is a piece of address space; chunks of it become memory as they are taken,
 * and are never given back.  A chunk, or for a large block several, has blocks of one size.
 * Free blocks are in a list for each size: its head is the block's number in the arena, in
 * units, from 1, and a count of changes, by which who takes a block notices that the list is
 * not what it was.  So nothing here takes a lock: it works in a forked child, in a signal
 * handler, and while another thread is stopped anywhere.  What doesn't fit is the client's.
 *
 *  arena	atomic; 0: none yet, NOWHERE: there is no room for one
 *  taken	atomic; chunks
 *  sizes[n]	atomic; the class of the blocks in chunk n, plus 1; of several, the first's
 *  free_list[n]	atomic; of class n
 *  in a free block, its first word	atomic; the number of the next
 */
#include "heap.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sync.h"
#include "real.h"

#define ARENA_SIZE (1ull << 30)
#define CHUNK (16ull << 10)
#define UNIT 16ull
#define NOWHERE 1ull

/* In steps of a unit up to SMALL, above in four steps for each power of two. */
#define SMALL_SHIFT 9
#define SMALL (1ull << SMALL_SHIFT)
#define LARGEST (64ull << 20)
#define CLASSES (SMALL / UNIT + (26 - SMALL_SHIFT) * 4)
/* From here on, all but the first page of a free block is given back. */
#define GIVE_BACK (128ull << 10)
#define PAGE 4096ull

static uint64_t arena;
static uint64_t taken;
static uint8_t sizes[ARENA_SIZE / CHUNK];
static uint64_t free_list[CLASSES];

void *__real_malloc(size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_realloc(void *ptr, size_t size);
void __real_free(void *ptr);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void __wrap_free(void *ptr);
char *__wrap_strdup(const char *text);

static unsigned int class_of(uint64_t size)
{
	unsigned int power;

	if (size <= SMALL)
		return size ? (unsigned int)((size - 1) / UNIT) : 0;
	power = 63 - (unsigned int)__builtin_clzll(size - 1);
	return (unsigned int)(SMALL / UNIT + (power - SMALL_SHIFT) * 4 +
			      ((size - 1) >> (power - 2)) - 4);
}

static uint64_t size_of(unsigned int class)
{
	unsigned int above = class - (unsigned int)(SMALL / UNIT);

	if (class < SMALL / UNIT)
		return (class + 1) * UNIT;
	return (above % 4 + 5ull) << (SMALL_SHIFT - 2 + above / 4);
}

/* 0: there is none, and won't be. */
static uint64_t arena_get(void)
{
	uint64_t at = ui_load_acquire(&arena);
	long rc;

	if (shim_likely(at > NOWHERE))
		return at;
	if (at == NOWHERE)
		return 0;
	rc = shim_syscall(SYS_mmap, 0, (long)ARENA_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!ui_cmpxchg(&arena, &at, rc < 0 && rc >= -4095 ? NOWHERE : (uint64_t)rc)) {
		if (rc > 0) /* somebody else was first */
			shim_syscall(SYS_munmap, rc, (long)ARENA_SIZE, 0, 0, 0, 0);
	}
	at = ui_load_acquire(&arena);
	return at == NOWHERE ? 0 : at;
}

/* Is @ptr a block of ours, and of which class? */
static bool ours(const void *ptr, unsigned int *class)
{
	uint64_t base = ui_load_acquire(&arena), offset = (uint64_t)(uintptr_t)ptr - base;

	if (base <= NOWHERE || offset >= ARENA_SIZE)
		return false;
	*class = ui_load_relaxed(&sizes[offset / CHUNK]) - 1u;
	return true;
}

/* ---- lists ---- */

/* Blocks from @first to @last, which are chained. */
static void push(unsigned int class, uint64_t first, uint64_t last, uint64_t base)
{
	uint32_t *next = (uint32_t *)(uintptr_t)last;
	uint64_t head = ui_load_relaxed(&free_list[class]), fresh;

	do {
		ui_store_relaxed(next, (uint32_t)head);
		fresh = ((head >> 32) + 1) << 32 | ((first - base) / UNIT + 1);
	} while (!ui_cmpxchg(&free_list[class], &head, fresh));
}

static uint64_t pop(unsigned int class, uint64_t base)
{
	uint64_t head = ui_load_acquire(&free_list[class]), block, fresh;

	while ((uint32_t)head) {
		block = base + ((uint32_t)head - 1) * UNIT;
		/* Somebody may have it already, and written there: then the head has changed. */
		fresh = ((head >> 32) + 1) << 32 | ui_load_relaxed((uint32_t *)(uintptr_t)block);
		if (ui_cmpxchg(&free_list[class], &head, fresh))
			return block;
	}
	return 0;
}

/* New memory for a class: one block of it is returned, and the others become free. */
static uint64_t grow(unsigned int class, uint64_t base)
{
	uint64_t size = size_of(class), chunks = size > CHUNK ? (size + CHUNK - 1) / CHUNK : 1;
	uint64_t n = ui_fetch_add(&taken, chunks), block = base + n * CHUNK, last;

	if (n + chunks > ARENA_SIZE / CHUNK ||
	    shim_syscall(SYS_mprotect, (long)block, (long)(chunks * CHUNK), PROT_READ | PROT_WRITE,
			 0, 0, 0))
		return 0;
	ui_store_relaxed(&sizes[n], (uint8_t)(class + 1));
	if (size > CHUNK / 2)
		return block;
	for (last = block + size; last + 2 * size <= block + CHUNK; last += size)
		ui_store_relaxed((uint32_t *)(uintptr_t)last,
				 (uint32_t)((last + size - base) / UNIT + 1));
	push(class, block + size, last, base);
	return block;
}

/* ---- the names ---- */

static void *take(uint64_t size)
{
	unsigned int class = class_of(size);
	uint64_t base = size <= LARGEST ? arena_get() : 0, block;

	if (!base)
		return NULL;
	block = pop(class, base);
	return (void *)(uintptr_t)(block ? block : grow(class, base));
}

void *__wrap_malloc(size_t size)
{
	void *block = take(size);

	return shim_likely(block != NULL) ? block : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	uint64_t all;
	void *block;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	block = take(all);
	/* The rest of a large one was never used, or given back. */
	if (shim_likely(block != NULL))
		return memset(block, 0, all >= GIVE_BACK ? PAGE : all);
	block = __real_malloc(all);
	return block ? memset(block, 0, all) : NULL;
}

/* Blocks of a power of two lie at multiples of it. */
void *__wrap_aligned_alloc(size_t align, size_t size)
{
	uint64_t room = align > UNIT ? align : UNIT;
	void *block;

	while (room < size)
		room *= 2;
	block = align <= CHUNK ? take(room) : NULL;
	return block ? block : __real_aligned_alloc(align, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
	unsigned int class;
	void *block;

	if (!ptr)
		return __wrap_malloc(size);
	if (!ours(ptr, &class))
		return __real_realloc(ptr, size);
	if (size <= size_of(class))
		return ptr;
	block = __wrap_malloc(size);
	if (!block)
		return NULL;
	memcpy(block, ptr, size_of(class));
	__wrap_free(ptr);
	return block;
}

void __wrap_free(void *ptr)
{
	uint64_t block = (uint64_t)(uintptr_t)ptr;
	unsigned int class;

	if (!ptr)
		return;
	if (!ours(ptr, &class)) {
		__real_free(ptr);
		return;
	}
	if (size_of(class) >= GIVE_BACK)
		shim_syscall(SYS_madvise, (long)(block + PAGE), (long)(size_of(class) - PAGE),
			     MADV_DONTNEED, 0, 0, 0);
	push(class, block, block, ui_load_relaxed(&arena));
}

char *__wrap_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = __wrap_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

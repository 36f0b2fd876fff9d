/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/sync.h - every lock, atomic and wait of the library
 *
 * The rooms that are race-prone (core, iopf, iopt's invalidation, the bond)
 * synchronise through this header and nothing else.  Compiled for the schedule
 * explorer (UIOMMU_EXPLORE) the same code runs on coroutines: each operation
 * here becomes a point where another thread may be scheduled, and freed memory
 * is poisoned.  The explorer is sequentially consistent; where an order weaker
 * than that matters, the comment at the operation says which one pairs with it.
 *
 * Atomics are plain 64-bit and 32-bit words accessed by the functions below
 * only, so that a debugger and the explorer can read them.
 */
#ifndef UI_BASE_SYNC_H
#define UI_BASE_SYNC_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef UIOMMU_EXPLORE
#include "explore/hooks.h" /* the same names, on coroutines */
#else

/* ---- atomics ---- */

#define ui_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ui_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ui_load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define ui_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ui_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* Full barriers: nothing before or after moves across. */
#define ui_xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define ui_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define ui_fetch_sub(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST)
#define ui_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define ui_fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
/*
 * Orders earlier stores before later loads, which nothing weaker does.  By hand:
 * half the price of the mfence that compilers emit, and TSan, which doesn't
 * know fences, has nothing to learn from one.
 */
static inline void ui_smp_mb(void)
{
	__asm__ __volatile__("lock; addl $0, -4(%%rsp)" : : : "memory", "cc");
}
/* *old is updated to what was found when it fails. */
#define ui_cmpxchg(p, old, v)                                                                      \
	__atomic_compare_exchange_n((p), (old), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

/* Between two tries of a loop that waits for another thread's store. */
static inline void ui_spin_pause(unsigned int tries)
{
	if (tries < 64)
		__builtin_ia32_pause();
	else
		sched_yield();
}

/*
 * After a compare-and-exchange that failed: somebody else is busy with the word,
 * likely with two or three operations in a row.  To stand back for about as long
 * as those take halves the price for both (bench: get_put.2_threads_1_pasid).
 */
static inline void ui_backoff(void)
{
	for (int i = 0; i < 16; i++)
		__builtin_ia32_pause();
}

/* A variable that each thread has of its own, zero at first; ui_this() is its address. */
#define UI_PER_THREAD(type, name)                                                                  \
	static __thread type name __attribute__((tls_model("initial-exec")))
#define ui_this(name) (&(name))

/* ---- mutexes ---- */

/*
 * One word and the kernel's futex: an uncontended pair of lock and unlock is two
 * instructions that matter, where pthread's is over fifty, and there are several
 * pairs in each map, attach and fault.  In debug builds a mutex knows its owner,
 * so "caller holds X" is asserted.
 *
 *  word	0: free, 1: held, 2: held and maybe waited for
 */
struct ui_mutex {
	uint32_t word;
#ifndef NDEBUG
	bool held;
	pthread_t owner;
#endif
};

/*
 *  turn	counts broadcasts
 *  waiters	who sleeps, or is about to; goes up under the mutex
 */
struct ui_cond {
	uint32_t turn;
	uint32_t waiters;
};

/* sync.c: waits until it has the mutex; wakes one who waits. */
void ui_mutex_lock_slow(struct ui_mutex *m);
void ui_mutex_wake(struct ui_mutex *m);
/* The mutex is held, and is again on return; wakes up without reason at times. */
void ui_cond_wait(struct ui_cond *c, struct ui_mutex *m);
/* What is waited for was changed under the mutex; no system call if nobody waits. */
void ui_cond_broadcast(struct ui_cond *c);

static inline void ui_mutex_init(struct ui_mutex *m)
{
	ui_store_relaxed(&m->word, 0);
#ifndef NDEBUG
	m->held = false;
#endif
}

static inline void ui_mutex_destroy(struct ui_mutex *m)
{
	assert(!ui_load_relaxed(&m->word));
	(void)m;
}

static inline void ui_mutex_lock(struct ui_mutex *m)
{
	uint32_t word = 0;

	/* Pairs with the release in ui_mutex_unlock(). */
	if (__builtin_expect(!__atomic_compare_exchange_n(&m->word, &word, 1, false,
							  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED),
			     0))
		ui_mutex_lock_slow(m);
#ifndef NDEBUG
	m->owner = pthread_self();
	m->held = true;
#endif
}

/* Only the holder may ask. */
static inline void ui_mutex_assert_held(const struct ui_mutex *m)
{
#ifndef NDEBUG
	assert(m->held && pthread_equal(m->owner, pthread_self()));
#else
	(void)m;
#endif
}

static inline void ui_mutex_unlock(struct ui_mutex *m)
{
	ui_mutex_assert_held(m);
#ifndef NDEBUG
	m->held = false;
#endif
	if (__builtin_expect(__atomic_exchange_n(&m->word, 0, __ATOMIC_RELEASE) == 2, 0))
		ui_mutex_wake(m);
}

static inline void ui_cond_init(struct ui_cond *c)
{
	ui_store_relaxed(&c->turn, 0);
	ui_store_relaxed(&c->waiters, 0);
}

static inline void ui_cond_destroy(struct ui_cond *c)
{
	(void)c;
}

/* ---- memory of shared objects ---- */

/*
 * How often this thread comes, with allocations and whatever else may be asked to fail,
 * until one does; 0: none is.  For tests of what becomes of callers; see mock/inject.c.
 */
extern __thread uint32_t ui_fail_nth __attribute__((tls_model("initial-exec")));

static inline bool ui_should_fail(void)
{
	return __builtin_expect(ui_fail_nth != 0, 0) && !--ui_fail_nth;
}

/* Zeroed.  The explorer poisons and keeps what ui_free() gets. */
static inline void *ui_zalloc(size_t size)
{
	void *ptr;

	if (ui_should_fail())
		return NULL;
	/* glibc's calloc() goes past the thread's cache, which costs 200 instructions. */
	if (size > 512)
		return calloc(1, size);
	ptr = malloc(size);
	__asm__("" : "+r"(ptr)); /* or the compiler makes it a calloc() again */
	return ptr ? memset(ptr, 0, size) : NULL;
}

static inline void ui_free(void *ptr)
{
	free(ptr);
}

#endif /* !UIOMMU_EXPLORE */

#define ui_container_of(ptr, type, member)                                                         \
	((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

#endif /* UI_BASE_SYNC_H */

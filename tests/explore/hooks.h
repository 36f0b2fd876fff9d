/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explore/hooks.h - base/sync.h for the schedule explorer
 *
 * The names of base/sync.h, on coroutines.  Each operation that another thread
 * can notice is a point: before it takes effect, another thread may be run.
 * Unlocking and waking are no points: what others do just before them they can
 * as well do just after.
 */
#ifndef EXPLORE_HOOKS_H
#define EXPLORE_HOOKS_H

#include <string.h>

/* Where an operation stands in the source. */
struct ex_where {
	const char *what;
	const char *func;
	int line;
};

#define EX_HERE(text)                                                                              \
	({                                                                                         \
		static const struct ex_where ex_where_ = {text, __func__, __LINE__};               \
		&ex_where_;                                                                        \
	})

uint64_t ex_load(const void *p, unsigned int size, const struct ex_where *where);
void ex_store(void *p, unsigned int size, uint64_t value, const struct ex_where *where);
uint64_t ex_xchg(void *p, unsigned int size, uint64_t value, const struct ex_where *where);
uint64_t ex_add(void *p, unsigned int size, uint64_t value, const struct ex_where *where);
bool ex_cmpxchg(void *p, void *old, unsigned int size, uint64_t value,
		const struct ex_where *where);
void ex_pause(const struct ex_where *where);

#define EX_WORD(v) ((uint64_t)(uintptr_t)(v))
#define EX_TYPED(p, call) ((__typeof__(*(p)))(uintptr_t)(call))

#define ui_load_relaxed(p) EX_TYPED(p, ex_load((p), sizeof(__typeof__(*(p))), EX_HERE(#p)))
#define ui_load_acquire(p) ui_load_relaxed(p)
#define ui_load_seq_cst(p) ui_load_relaxed(p)
#define ui_store_relaxed(p, v) ex_store((p), sizeof(__typeof__(*(p))), EX_WORD(v), EX_HERE(#p))
#define ui_store_release(p, v) ui_store_relaxed(p, v)
#define ui_xchg(p, v) EX_TYPED(p, ex_xchg((p), sizeof(__typeof__(*(p))), EX_WORD(v), EX_HERE(#p)))
#define ui_fetch_add(p, v)                                                                         \
	EX_TYPED(p, ex_add((p), sizeof(__typeof__(*(p))), EX_WORD(v), EX_HERE(#p)))
#define ui_fetch_sub(p, v)                                                                         \
	EX_TYPED(p, ex_add((p), sizeof(__typeof__(*(p))), -EX_WORD(v), EX_HERE(#p)))
#define ui_cmpxchg(p, old, v)                                                                      \
	ex_cmpxchg((p), (old), sizeof(__typeof__(*(p))), EX_WORD(v), EX_HERE(#p))
/* All of the above is sequentially consistent here. */
#define ui_smp_mb() ((void)0)
#define ui_spin_pause(tries) ((void)(tries), ex_pause(EX_HERE("spin")))
/* Only a matter of time. */
#define ui_backoff() ((void)0)

/* ---- each thread's own ---- */

#define EX_THREADS 5 /* number 0 sets up and finishes */

int ex_self(void);

/* In a section of their own, so that each run finds them zero. */
#define UI_PER_THREAD(type, name)                                                                  \
	static type name[EX_THREADS] __attribute__((section("ui_per_thread"), used))
#define ui_this(name) (&(name)[ex_self()])

/* ---- mutexes ---- */

/* The number of the thread that holds it, plus one. */
struct ui_mutex {
	int holder;
};

struct ui_cond {
	int unused;
};

void ex_lock(struct ui_mutex *m, const struct ex_where *where);
void ex_unlock(struct ui_mutex *m, const struct ex_where *where);
void ex_assert_held(const struct ui_mutex *m, const struct ex_where *where);
void ex_mutex_destroy(struct ui_mutex *m, const struct ex_where *where);
void ex_wait(struct ui_cond *c, struct ui_mutex *m, const struct ex_where *where);
void ex_wake(struct ui_cond *c, const struct ex_where *where);

#define ui_mutex_init(m) ((void)((m)->holder = 0))
#define ui_mutex_destroy(m) ex_mutex_destroy((m), EX_HERE(#m))
#define ui_mutex_lock(m) ex_lock((m), EX_HERE(#m))
#define ui_mutex_unlock(m) ex_unlock((m), EX_HERE(#m))
#define ui_mutex_assert_held(m) ex_assert_held((m), EX_HERE(#m))
#define ui_cond_init(c) ((void)((c)->unused = 0))
#define ui_cond_destroy(c) ((void)(c))
#define ui_cond_wait(c, m) ex_wait((c), (m), EX_HERE(#c))
#define ui_cond_broadcast(c) ex_wake((c), EX_HERE(#c))

/* ---- memory ---- */

/* Freed memory is kept until the run is over; who touches it has failed. */
void *ex_alloc(size_t size, const struct ex_where *where);
void ex_free(void *ptr, const struct ex_where *where);

#define ui_should_fail() false
#define ui_zalloc(size) ex_alloc((size), EX_HERE("alloc"))
#define ui_free(ptr) ex_free((ptr), EX_HERE("free"))

#endif /* EXPLORE_HOOKS_H */

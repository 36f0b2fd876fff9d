// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking an attach handle up: ours against what it could have been.
 *
 *  get_put	owner checked, reference taken and given back
 *  peek	inside a burst, without a reference: what each DMA does
 *  mutex		an array and plain counts under a mutex, taken to get and to put
 *  rwlock	an array under a lock for readers, atomic counts
 *  rcu	an array read in a section of liburcu-bp, atomic increment unless
 *		zero, and decrement: the design that we did not take
 *  bare	a section of liburcu-bp with an atomic increment and decrement, and
 *		nothing checked: what any such design costs at least
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu/urcu-bp.h>

#include "core/core.h"

#include "bench.h"

#define PASIDS 64

/* A handle of the rivals: what they need of one. */
struct rival {
	const void *owner;
	int64_t refs;
};

static struct uiommu_group *group;
static struct rival *rivals[PASIDS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static const char owner;

static void release(struct uiommu_attach_handle *handle)
{
	free(handle);
}

static const struct uiommu_handle_ops ops = {
	.name = "bench",
	.release = release,
};

static void get_put(void *arg, uint64_t n)
{
	uint32_t pasid = *(uint32_t *)arg;

	while (n--)
		uiommu_attach_handle_put(uiommu_attach_handle_get(group, pasid, &ops));
}

static void peek(void *arg, uint64_t n)
{
	uint32_t pasid = *(uint32_t *)arg;

	while (n--)
		bench_use(core_handle_peek(group, pasid));
}

static void burst(void *arg, uint64_t n)
{
	static __thread struct ui_reader reader;
	uint32_t pasid = *(uint32_t *)arg;

	while (n--) {
		ui_reader_enter(&reader);
		bench_use(core_handle_peek(group, pasid));
		ui_reader_exit(&reader);
	}
}

static void with_mutex(void *arg, uint64_t n)
{
	struct rival **slot = &rivals[*(uint32_t *)arg], *rival;

	while (n--) {
		pthread_mutex_lock(&mutex);
		rival = *slot;
		if (rival->owner == &owner)
			rival->refs++;
		pthread_mutex_unlock(&mutex);
		bench_use(rival);
		pthread_mutex_lock(&mutex);
		rival->refs--;
		pthread_mutex_unlock(&mutex);
	}
}

static void with_rwlock(void *arg, uint64_t n)
{
	struct rival **slot = &rivals[*(uint32_t *)arg], *rival;

	while (n--) {
		pthread_rwlock_rdlock(&rwlock);
		rival = *slot;
		if (rival->owner == &owner)
			__atomic_fetch_add(&rival->refs, 1, __ATOMIC_SEQ_CST);
		pthread_rwlock_unlock(&rwlock);
		bench_use(rival);
		__atomic_fetch_sub(&rival->refs, 1, __ATOMIC_SEQ_CST);
	}
}

static void with_rcu(void *arg, uint64_t n)
{
	struct rival **slot = &rivals[*(uint32_t *)arg], *rival;
	int64_t refs;

	while (n--) {
		urcu_bp_read_lock();
		rival = __atomic_load_n(slot, __ATOMIC_CONSUME);
		refs = __atomic_load_n(&rival->refs, __ATOMIC_RELAXED);
		while (refs && !__atomic_compare_exchange_n(&rival->refs, &refs, refs + 1, 0,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			;
		urcu_bp_read_unlock();
		bench_use(rival->owner);
		__atomic_fetch_sub(&rival->refs, 1, __ATOMIC_SEQ_CST);
	}
}

static void bare(void *arg, uint64_t n)
{
	struct rival **slot = &rivals[*(uint32_t *)arg], *rival;

	while (n--) {
		urcu_bp_read_lock();
		rival = __atomic_load_n(slot, __ATOMIC_CONSUME);
		__atomic_fetch_add(&rival->refs, 1, __ATOMIC_SEQ_CST);
		urcu_bp_read_unlock();
		__atomic_fetch_sub(&rival->refs, 1, __ATOMIC_SEQ_CST);
	}
}

static void set_up(struct uiommu **ctx, struct uiommu_device **dev)
{
	struct uiommu_device_config config = {.name = "bench", .max_pasids = PASIDS};
	struct uiommu_attach_handle *handle;
	struct uiommu_domain *domain;
	uint32_t pasid;

	if (uiommu_create(NULL, ctx) || uiommu_device_register(*ctx, &config, dev))
		abort();
	group = uiommu_device_group(*dev);
	domain = uiommu_domain_alloc_simple(*ctx, UIOMMU_DOMAIN_BLOCKED);
	if (UIOMMU_IS_ERR(domain))
		abort();
	for (pasid = 0; pasid < PASIDS; pasid++) {
		handle = aligned_alloc(16, sizeof(*handle));
		rivals[pasid] = calloc(1, sizeof(*rivals[pasid]));
		if (!handle || !rivals[pasid] || uiommu_attach_handle_init(*ctx, handle, &ops) ||
		    uiommu_attach_group_handle(domain, group, pasid, handle))
			abort();
		rivals[pasid]->owner = &owner;
		rivals[pasid]->refs = 1;
	}
	uiommu_domain_put(domain);
}

int main(void)
{
	static const struct {
		const char *name;
		bench_fn fn;
	} rows[] = {
		{"get_put", get_put},	 {"peek", peek},    {"burst", burst}, {"mutex", with_mutex},
		{"rwlock", with_rwlock}, {"rcu", with_rcu}, {"bare", bare},
	};
	uint32_t one = 1, two = 2;
	void *different[] = {&one, &two}, *same[] = {&one, &one};
	struct uiommu_device *dev;
	struct uiommu *ctx;
	char name[64];
	size_t i;

	set_up(&ctx, &dev);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(name, sizeof(name), "handle.%s", rows[i].name);
		bench(name, rows[i].fn, &one);
		snprintf(name, sizeof(name), "handle.%s.2_threads", rows[i].name);
		bench_threads(name, rows[i].fn, different, 2);
		snprintf(name, sizeof(name), "handle.%s.2_threads_1_pasid", rows[i].name);
		bench_threads(name, rows[i].fn, same, 2);
	}
	for (i = 0; i < PASIDS; i++)
		free(rivals[i]);
	uiommu_device_unregister(dev);
	uiommu_destroy(ctx);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Getters, DMA, attach, replace and detach on a few slots at once, by two owners.
 *
 * Every handle that a getter obtains must be its own kind and alive; release
 * poisons it.  ASan and TSan builds run the same.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fixture.h"

#define SLOTS 4
#define THREADS 6

static struct fixture *fix;
static atomic_int stop;
static atomic_long gets, busy, missing;

static const struct uiommu_handle_ops *const owners[2] = {&owner_a, &owner_b};

static void *getter(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t pasid = (uint32_t)rand_r(&seed) % SLOTS;
		struct uiommu_attach_handle *handle =
			uiommu_attach_handle_get(fix->group, pasid, owners[seed & 1]);

		if (UIOMMU_IS_ERR(handle)) {
			atomic_fetch_add(UIOMMU_PTR_ERR(handle) == -EBUSY ? &busy : &missing, 1);
			continue;
		}
		/* Safe exactly because the owner matched. */
		if (ui_container_of(handle, struct owned_handle, handle)->magic != 42 ||
		    handle->pasid != pasid)
			abort();
		atomic_fetch_add(&gets, 1);
		uiommu_attach_handle_put(handle);
	}
	return NULL;
}

static void *changer(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t pasid = (uint32_t)rand_r(&seed) % SLOTS;
		struct owned_handle *owned =
			owned_alloc(fix->ctx, owners[(unsigned int)rand_r(&seed) & 1]);
		int rc;

		switch ((unsigned int)rand_r(&seed) % 3) {
		case 0:
			rc = uiommu_attach_group_handle(&fix->domain->domain, fix->group, pasid,
							&owned->handle);
			break;
		case 1:
			rc = uiommu_replace_group_handle(&fix->domain->domain, fix->group, pasid,
							 &owned->handle);
			break;
		default:
			uiommu_detach_group_handle(fix->group, pasid, NULL);
			rc = -EAGAIN;
		}
		if (rc)
			uiommu_attach_handle_put(&owned->handle);
	}
	return NULL;
}

static void *dma_loop(void *arg)
{
	struct uiommu_dma *dma;
	char byte;

	if (uiommu_dma_open(fix->dev, &dma))
		abort();
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		for (uint32_t pasid = 0; pasid < SLOTS; pasid++)
			uiommu_dma_read(dma, pasid, 0, &byte, 1, UIOMMU_DMA_ATS, NULL);
	uiommu_dma_close(dma);
	return NULL;
}

static void test_storm(void **state)
{
	void *(*const loops[THREADS])(void *) = {getter,  getter,  getter,
						 changer, changer, dma_loop};
	pthread_t threads[THREADS];

	fix = *state;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, loops[i], (void *)(i + 1)), 0);
	sleep(2);
	atomic_store(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* Each outcome was met; teardown checks that everything is released. */
	assert_true(gets > 0 && busy > 0 && missing > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_storm, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

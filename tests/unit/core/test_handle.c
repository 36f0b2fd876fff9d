// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Points 1, 2, 3 and 7 of the contract, one thread.
 */
#include "fixture.h"

static void test_get_empty(void **state)
{
	struct fixture *f = *state;

	assert_ptr_equal(uiommu_attach_handle_get(f->group, 0, &owner_a), UIOMMU_ERR_PTR(-ENOENT));
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 7, NULL), UIOMMU_ERR_PTR(-ENOENT));
	assert_ptr_equal(uiommu_attach_handle_get(f->group, UIOMMU_PASID_MAX + 1, NULL),
			 UIOMMU_ERR_PTR(-EINVAL));
}

static void test_owner_is_checked(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *owned = owned_alloc(f->ctx, &owner_a);

	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 7, &owned->handle), 0);
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 7, &owner_b), UIOMMU_ERR_PTR(-EBUSY));
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 7, &owner_a), &owned->handle);
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 7, NULL), &owned->handle);
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 8, &owner_a), UIOMMU_ERR_PTR(-ENOENT));
	assert_int_equal(uiommu_detach_group_handle(f->group, 7, NULL), 0);
	assert_int_equal(owned->drained, 1);
	uiommu_attach_handle_put(&owned->handle);
	assert_int_equal(released, 0);
	uiommu_attach_handle_put(&owned->handle);
	assert_int_equal(released, 1);
}

static void test_reference_outlives_attachment(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *owned = owned_alloc(f->ctx, &owner_a);
	struct uiommu_attach_handle *handle;

	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 9, &owned->handle), 0);
	handle = uiommu_attach_handle_get(f->group, 9, &owner_a);
	assert_false(UIOMMU_IS_ERR(handle));
	assert_true(uiommu_attach_handle_attached(handle));
	assert_int_equal(uiommu_detach_group_handle(f->group, 9, handle), 0);
	assert_false(uiommu_attach_handle_attached(handle));
	uiommu_attach_handle_wait_detached(handle);
	assert_int_equal(owned->magic, 42);
	assert_ptr_equal(uiommu_attach_handle_domain(handle), &f->domain->domain);
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 9, NULL), UIOMMU_ERR_PTR(-ENOENT));
	assert_int_equal(released, 0);
	uiommu_attach_handle_put(handle);
	assert_int_equal(released, 1);
}

/* The domain and the group live as long as the handle, not as the attachment. */
static void test_reference_keeps_domain_and_group(void **state)
{
	struct fixture *f = *state;
	struct test_domain *td = test_domain_alloc(f->ctx);
	struct owned_handle *owned = owned_alloc(f->ctx, &owner_a);
	struct uiommu_attach_handle *handle;
	struct uiommu_counts counts;

	assert_int_equal(uiommu_attach_group_handle(&td->domain, f->group, 3, &owned->handle), 0);
	uiommu_domain_put(&td->domain);
	handle = uiommu_attach_handle_get(f->group, 3, &owner_a);
	uiommu_device_unregister(f->dev);
	f->dev = NULL;
	assert_false(uiommu_attach_handle_attached(handle));
	uiommu_get_counts(f->ctx, &counts);
	assert_int_equal(counts.groups, 1);
	assert_int_equal(counts.domains, 2);
	uiommu_attach_handle_put(handle);
	assert_int_equal(released, 1);
}

static void test_used_once(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *owned = owned_alloc(f->ctx, &owner_a);
	struct uiommu_attach_handle *handle;

	assert_int_equal(
		uiommu_replace_group_handle(&f->domain->domain, f->group, 5, &owned->handle),
		-EINVAL);
	/* That failed, so the handle is as new. */
	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 5, &owned->handle), 0);
	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 6, &owned->handle),
		-EINVAL);
	handle = uiommu_attach_handle_get(f->group, 5, &owner_a);
	assert_int_equal(uiommu_detach_group_handle(f->group, 5, handle), 0);
	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, 5, handle),
			 -EINVAL);
	uiommu_attach_handle_put(handle);
	assert_int_equal(released, 1);
}

static void test_init_refuses(void **state)
{
	static const struct uiommu_handle_ops no_release = {.name = "no release"};
	struct fixture *f = *state;
	char room[sizeof(struct uiommu_attach_handle) + 16] __attribute__((aligned(16)));

	assert_int_equal(uiommu_attach_handle_init(f->ctx, (void *)room, &no_release), -EINVAL);
	assert_int_equal(uiommu_attach_handle_init(f->ctx, (void *)(room + 8), &owner_a), -EINVAL);
}

/*
 * More references than the slot can count: they move into the handle, before
 * and after a detach.
 */
static void test_many_references(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *owned = owned_alloc(f->ctx, &owner_a);
	const int many = 3 * (int)SLOT_COUNT_MAX;

	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 1, &owned->handle), 0);
	for (int i = 0; i < many; i++)
		assert_ptr_equal(uiommu_attach_handle_get(f->group, 1, &owner_a), &owned->handle);
	for (int i = 0; i < many / 2; i++)
		uiommu_attach_handle_put(&owned->handle);
	assert_int_equal(uiommu_detach_group_handle(f->group, 1, NULL), 0);
	for (int i = many / 2; i < many; i++) {
		assert_int_equal(released, 0);
		uiommu_attach_handle_put(&owned->handle);
	}
	assert_int_equal(released, 1);
}

static void test_owner_limit(void **state)
{
	static struct uiommu_handle_ops many[CORE_OWNERS];
	struct fixture *f = *state;
	int last = 0;

	for (int i = 0; i < CORE_OWNERS && !last; i++) {
		struct owned_handle *owned = calloc(1, sizeof(*owned));

		many[i] = owner_a;
		owned->magic = 42;
		last = uiommu_attach_handle_init(f->ctx, &owned->handle, &many[i]);
		if (last)
			free(owned);
		else
			uiommu_attach_handle_put(&owned->handle);
	}
	assert_int_equal(last, -ENOSPC);
	/* Those that are known still are. */
	uiommu_attach_handle_put(&owned_alloc(f->ctx, &many[0])->handle);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_get_empty),
		T(test_owner_is_checked),
		T(test_reference_outlives_attachment),
		T(test_reference_keeps_domain_and_group),
		T(test_used_once),
		T(test_init_refuses),
		T(test_many_references),
		T(test_owner_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

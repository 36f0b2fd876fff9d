// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Attach, replace and detach of groups and devices; points 4 and 5 as far as
 * one thread can see them; global PASIDs.
 */
#include "fixture.h"

static void test_occupied(void **state)
{
	struct fixture *f = *state;
	struct uiommu_domain *domain = &f->domain->domain;

	assert_int_equal(uiommu_attach_group_handle(domain, f->group, 0, NULL), 0);
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, 0, NULL), -EBUSY);
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, PASIDS - 1, NULL), 0);
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, PASIDS, NULL), -EINVAL);
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, UIOMMU_PASID_MAX + 1, NULL),
			 -EINVAL);
	assert_int_equal(uiommu_detach_group_handle(f->group, 0, NULL), 0);
	assert_int_equal(uiommu_detach_group_handle(f->group, 0, NULL), -ENOENT);
	assert_int_equal(uiommu_detach_group_handle(f->group, PASIDS - 1, NULL), 0);
	assert_int_equal(sets, 2);
	assert_int_equal(removes, 2);
}

static void test_detach_of_another(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *first = owned_alloc(f->ctx, &owner_a);
	struct owned_handle *other = owned_alloc(f->ctx, &owner_a);

	assert_int_equal(
		uiommu_attach_group_handle(&f->domain->domain, f->group, 2, &first->handle), 0);
	assert_int_equal(uiommu_detach_group_handle(f->group, 2, &other->handle), -ENOENT);
	assert_true(uiommu_attach_handle_attached(&first->handle));
	assert_int_equal(uiommu_detach_group_handle(f->group, 2, &first->handle), 0);
	uiommu_attach_handle_put(&other->handle);
	assert_int_equal(released, 2);
}

static void test_replace(void **state)
{
	struct fixture *f = *state;
	struct owned_handle *old = owned_alloc(f->ctx, &owner_a);
	struct owned_handle *new = owned_alloc(f->ctx, &owner_b);
	struct uiommu_attach_handle *held;

	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, 4, &old->handle),
			 0);
	held = uiommu_attach_handle_get(f->group, 4, &owner_a);

	/* The device refuses: nothing changed. */
	fail_set = 1;
	assert_int_equal(uiommu_replace_group_handle(&f->domain->domain, f->group, 4, &new->handle),
			 -EIO);
	assert_true(uiommu_attach_handle_attached(held));
	assert_int_equal(old->drained, 0);

	assert_int_equal(uiommu_replace_group_handle(&f->domain->domain, f->group, 4, &new->handle),
			 0);
	assert_false(uiommu_attach_handle_attached(held));
	assert_int_equal(old->drained, 1);
	assert_ptr_equal(uiommu_attach_handle_get(f->group, 4, &owner_a), UIOMMU_ERR_PTR(-EBUSY));
	assert_int_equal(released, 0);
	uiommu_attach_handle_put(held);
	assert_int_equal(released, 1);
	assert_int_equal(uiommu_detach_group_handle(f->group, 4, NULL), 0);
	assert_int_equal(released, 2);
}

/* All devices of a group are switched, or none. */
static void test_group_is_switched_whole(void **state)
{
	struct fixture *f = *state;
	struct uiommu_device *second = device_add(f->ctx, f->group, PASIDS);
	struct uiommu_device *without = device_add(f->ctx, f->group, 0);
	struct uiommu_domain *domain = &f->domain->domain;
	struct uiommu_attach_handle *handle;

	assert_int_equal(uiommu_attach_device_pasid(domain, second, 0, NULL), -EINVAL);
	fail_set = 2;
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, 0, NULL), -EIO);
	assert_int_equal(sets, 1);
	assert_int_equal(removes, 1);
	assert_int_equal(uiommu_attach_group_handle(domain, f->group, 0, NULL), 0);
	assert_int_equal(sets, 4);
	/* The device without PASIDs is passed over. */
	assert_int_equal(uiommu_attach_device_pasid(domain, second, 5, NULL), 0);
	assert_int_equal(sets, 6);
	uiommu_device_unregister(without);
	assert_int_equal(removes, 2);
	uiommu_device_unregister(second);
	assert_int_equal(removes, 4);
	/* The one that is left still has both. */
	handle = uiommu_attach_handle_get(f->group, 5, NULL);
	assert_false(UIOMMU_IS_ERR(handle));
	uiommu_attach_handle_put(handle);
}

/* Who joins gets what the group has, or doesn't join. */
static void test_joining(void **state)
{
	struct fixture *f = *state;
	const struct uiommu_device_config small = {
		.name = "small",
		.group = f->group,
		.max_pasids = 4,
	};
	struct uiommu_device *dev;

	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, 0, NULL), 0);
	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, 100, NULL), 0);
	assert_int_equal(uiommu_device_register(f->ctx, &small, &dev), -EINVAL);
	assert_int_equal(sets, 2);
	dev = device_add(f->ctx, f->group, PASIDS);
	assert_int_equal(sets, 4);
	uiommu_device_unregister(dev);
	assert_int_equal(removes, 2);
}

/* The last device takes every attachment with it. */
static void test_last_device(void **state)
{
	struct fixture *f = *state;

	for (uint32_t pasid = 0; pasid < PASIDS; pasid += 511)
		assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, f->group, pasid,
							    &owned_alloc(f->ctx, &owner_a)->handle),
				 0);
	uiommu_device_unregister(f->dev);
	f->dev = NULL;
	assert_int_equal(released, (PASIDS + 510) / 511);
}

static void test_without_devices(void **state)
{
	struct fixture *f = *state;
	struct uiommu_group *group = uiommu_group_alloc(f->ctx);

	assert_int_equal(uiommu_attach_group_handle(&f->domain->domain, group, 0, NULL), -EINVAL);
	uiommu_group_put(group);
}

static void test_global_pasids(void **state)
{
	struct fixture *f = *state;
	struct uiommu_device *without = device_add(f->ctx, NULL, 0);

	assert_int_equal(uiommu_alloc_global_pasid(without), -EOPNOTSUPP);
	for (int i = 1; i < PASIDS; i++)
		assert_int_equal(uiommu_alloc_global_pasid(f->dev), i);
	assert_int_equal(uiommu_alloc_global_pasid(f->dev), -ENOSPC);
	uiommu_free_global_pasid(f->ctx, 17);
	assert_int_equal(uiommu_alloc_global_pasid(f->dev), 17);
	uiommu_device_unregister(without);
}

static void test_register_refuses(void **state)
{
	struct fixture *f = *state;
	struct uiommu_device_config config = {.name = NULL};
	struct uiommu_device *dev;

	assert_int_equal(uiommu_device_register(f->ctx, &config, &dev), -EINVAL);
	config.name = "x";
	config.max_pasids = UIOMMU_PASID_MAX + 2;
	assert_int_equal(uiommu_device_register(f->ctx, &config, &dev), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_occupied),	  T(test_detach_of_another),
		T(test_replace),	  T(test_group_is_switched_whole),
		T(test_joining),	  T(test_last_device),
		T(test_without_devices),  T(test_global_pasids),
		T(test_register_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

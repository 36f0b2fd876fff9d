// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The bond protocol: users, keys, foreign owners, and many threads that bind and
 * unbind one slot.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "fixture.h"
#include "sva/bond.h"

struct my_bond {
	struct bond bond;
	int magic;
};

static struct fixture *fix;
static atomic_int made, freed;
static int make_rc;
static const char key_one[1], key_two[1];

static void my_release(struct uiommu_attach_handle *handle)
{
	struct bond *bond = ui_container_of(handle, struct bond, handle);
	struct my_bond *mine = ui_container_of(bond, struct my_bond, bond);

	assert_int_equal(mine->magic, 77);
	assert_int_equal(bond->users, 0);
	mine->magic = 0;
	free(mine);
	atomic_fetch_add(&freed, 1);
}

static const struct uiommu_handle_ops my_ops = {.name = "bond", .release = my_release};

static struct bond *my_make(void *arg, struct uiommu_domain **domain)
{
	struct my_bond *mine;

	if (make_rc)
		return UIOMMU_ERR_PTR(make_rc);
	mine = calloc(1, sizeof(*mine));
	mine->magic = 77;
	if (uiommu_attach_handle_init(fix->ctx, &mine->bond.handle, &my_ops))
		abort();
	*domain = uiommu_domain_get(&fix->domain->domain);
	atomic_fetch_add(&made, 1);
	return &mine->bond;
}

static int bind_one(struct bond **out)
{
	return bond_bind(fix->group, 3, &my_ops, key_one, my_make, NULL, out);
}

static int bond_setup(void **state)
{
	fixture_setup(state);
	fix = *state;
	made = freed = make_rc = 0;
	return 0;
}

static void test_users(void **state)
{
	struct bond *first, *second, *third;

	assert_int_equal(bind_one(&first), 0);
	assert_int_equal(bind_one(&second), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(bond_bind(fix->group, 3, &my_ops, key_two, my_make, NULL, &third), -EBUSY);
	bond_put(first);
	assert_true(uiommu_attach_handle_attached(&second->handle));
	bond_put(second);
	assert_ptr_equal(uiommu_attach_handle_get(fix->group, 3, NULL), UIOMMU_ERR_PTR(-ENOENT));
	assert_int_equal(made, 1);
	assert_int_equal(freed, 1);
	assert_int_equal(bond_bind(fix->group, 3, &my_ops, key_two, my_make, NULL, &third), 0);
	bond_put(third);
	assert_int_equal(freed, 2);
}

static void test_foreign_owner(void **state)
{
	struct owned_handle *owned = owned_alloc(fix->ctx, &owner_a);
	struct bond *bond;

	assert_int_equal(
		uiommu_attach_group_handle(&fix->domain->domain, fix->group, 3, &owned->handle), 0);
	assert_int_equal(bind_one(&bond), -EBUSY);
	assert_int_equal(made, 0);
	assert_int_equal(uiommu_detach_group_handle(fix->group, 3, NULL), 0);
}

/* Somebody detaches a bond that has users: they still own memory, and can leave. */
static void test_foreign_detach(void **state)
{
	struct bond *bond, *other;

	assert_int_equal(bind_one(&bond), 0);
	assert_int_equal(uiommu_detach_group_handle(fix->group, 3, NULL), 0);
	assert_int_equal(freed, 0);
	assert_int_equal(bind_one(&other), 0);
	assert_ptr_not_equal(bond, other);
	bond_put(bond);
	assert_true(uiommu_attach_handle_attached(&other->handle));
	bond_put(other);
	assert_int_equal(freed, 2);
}

static void test_failures(void **state)
{
	struct bond *bond;

	make_rc = -ENOMEM;
	assert_int_equal(bind_one(&bond), -ENOMEM);
	make_rc = 0;
	fail_set = 1;
	assert_int_equal(bind_one(&bond), -EIO);
	assert_int_equal(freed, 1);
	assert_int_equal(bind_one(&bond), 0);
	bond_put(bond);
}

static void *bind_loop(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		struct bond *bond;

		if (bind_one(&bond))
			abort();
		/* A user has an attached bond, whoever else comes and goes. */
		if (!uiommu_attach_handle_attached(&bond->handle))
			abort();
		bond_put(bond);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, bind_loop, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(made, freed);
	/* They met: not every bind made a bond of its own, and not all shared one. */
	assert_true(made > 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, bond_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		T(test_users),	  T(test_foreign_owner), T(test_foreign_detach),
		T(test_failures), T(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

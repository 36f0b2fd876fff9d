// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "base/sync.h"

int released, events, fail_set, sets, removes;
uint64_t dirty_iova, dirty_bytes;
struct uiommu_event last_event;

static void on_event(void *opaque, const struct uiommu_event *event)
{
	last_event = *event;
	events++;
}

static void owned_drain(struct uiommu_attach_handle *handle)
{
	ui_container_of(handle, struct owned_handle, handle)->drained++;
}

static void owned_release(struct uiommu_attach_handle *handle)
{
	struct owned_handle *owned = ui_container_of(handle, struct owned_handle, handle);

	assert_int_equal(owned->magic, 42);
	owned->magic = 0;
	__atomic_fetch_add(&released, 1, __ATOMIC_SEQ_CST);
	free(owned);
}

const struct uiommu_handle_ops owner_a = {
	.name = "a",
	.drain = owned_drain,
	.release = owned_release,
};

const struct uiommu_handle_ops owner_b = {
	.name = "b",
	.drain = owned_drain,
	.release = owned_release,
};

struct owned_handle *owned_alloc(struct uiommu *ctx, const struct uiommu_handle_ops *ops)
{
	struct owned_handle *owned = calloc(1, sizeof(*owned));

	assert_non_null(owned);
	owned->magic = 42;
	assert_int_equal(uiommu_attach_handle_init(ctx, &owned->handle, ops), 0);
	return owned;
}

static int domain_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			    struct uiommu_span *span)
{
	struct test_domain *td = ui_container_of(domain, struct test_domain, domain);

	return td->translate ? td->translate(iova, perm, span) : -ENOENT;
}

static void domain_free(struct uiommu_domain *domain)
{
	free(ui_container_of(domain, struct test_domain, domain));
}

static void on_dirty(struct uiommu_domain *domain, uint64_t iova, uint64_t length)
{
	dirty_iova = iova;
	dirty_bytes += length;
}

static const struct uiommu_domain_ops domain_ops = {
	.dirty = on_dirty,
	.translate = domain_translate,
	.free = domain_free,
};

struct test_domain *test_domain_alloc(struct uiommu *ctx)
{
	struct test_domain *td = calloc(1, sizeof(*td));

	assert_non_null(td);
	uiommu_domain_init(ctx, &td->domain, UIOMMU_DOMAIN_PAGING, &domain_ops);
	return td;
}

static int dev_set(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain,
		   struct uiommu_domain *old)
{
	if (fail_set && !--fail_set)
		return -EIO;
	sets++;
	return 0;
}

static void dev_remove(struct uiommu_device *dev, uint32_t pasid, struct uiommu_domain *domain)
{
	removes++;
}

static void dev_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
}

static const struct uiommu_driver_ops dev_ops = {
	.set_dev_pasid = dev_set,
	.remove_dev_pasid = dev_remove,
	.page_response = dev_response,
};

struct uiommu_device *device_add(struct uiommu *ctx, struct uiommu_group *group,
				 uint32_t max_pasids)
{
	const struct uiommu_device_config config = {
		.name = "test",
		.group = group,
		.max_pasids = max_pasids,
		.ops = &dev_ops,
	};
	struct uiommu_device *dev;

	assert_int_equal(uiommu_device_register(ctx, &config, &dev), 0);
	return dev;
}

int fixture_setup(void **state)
{
	const struct uiommu_config config = {.size = sizeof(config), .event = on_event};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	released = events = fail_set = sets = removes = 0;
	assert_int_equal(uiommu_create(&config, &f->ctx), 0);
	f->dev = device_add(f->ctx, NULL, PASIDS);
	f->group = uiommu_device_group(f->dev);
	f->domain = test_domain_alloc(f->ctx);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct uiommu_counts counts;

	uiommu_domain_put(&f->domain->domain);
	if (f->dev)
		uiommu_device_unregister(f->dev);
	uiommu_get_counts(f->ctx, &counts);
	assert_int_equal(counts.devices, 0);
	assert_int_equal(counts.groups, 0);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	uiommu_destroy(f->ctx);
	free(f);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instance with one device, an owner of handles, and a domain whose
 * translation the test decides.  Teardown asserts that the counts balance.
 */
#ifndef TESTS_CORE_FIXTURE_H
#define TESTS_CORE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <uiommu/dma.h>
#include <uiommu/iommu.h>

#include "base/ctx.h"
#include "core/core.h"

#define PASIDS 4096

struct owned_handle {
	int magic;
	int drained;
	struct uiommu_attach_handle handle;
};

struct test_domain {
	struct uiommu_domain domain;
	int (*translate)(uint64_t iova, uint32_t perm, struct uiommu_span *span);
};

struct fixture {
	struct uiommu *ctx;
	struct uiommu_device *dev;
	struct uiommu_group *group;
	struct test_domain *domain;
};

extern const struct uiommu_handle_ops owner_a, owner_b;
extern int released; /* by owner_a or owner_b, since setup */
extern int events;
extern struct uiommu_event last_event;
extern int fail_set; /* the device's set_dev_pasid fails from this call on, counted down */
extern int sets, removes;
extern uint64_t dirty_iova, dirty_bytes; /* the last burst's, and of all */

int fixture_setup(void **state);
int fixture_teardown(void **state);

struct owned_handle *owned_alloc(struct uiommu *ctx, const struct uiommu_handle_ops *ops);
struct test_domain *test_domain_alloc(struct uiommu *ctx);
struct uiommu_device *device_add(struct uiommu *ctx, struct uiommu_group *group,
				 uint32_t max_pasids);

#endif /* TESTS_CORE_FIXTURE_H */

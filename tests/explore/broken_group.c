// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/broken_group.c - iopf/group.c with a claim in two steps
 */
#include "base/sync.h"

#define iopf_device_fini broken_device_fini
#define iopf_device_init broken_device_init
#define iopf_drain_handle broken_drain_handle
#define iopf_free_partials broken_free_partials
#define iopf_group_abort broken_group_abort
#define iopf_group_alloc broken_group_alloc
#define iopf_group_gather broken_group_gather
#define iopf_group_link_locked broken_group_link_locked
#define iopf_init broken_iopf_init
#define iopf_mark_delivered broken_mark_delivered
#define iopf_respond broken_respond
#define uiommu_iopf_free_group broken_free_group
#define uiommu_iopf_group_device broken_group_device
#define uiommu_iopf_group_domain broken_group_domain
#define uiommu_iopf_group_fault broken_group_fault
#define uiommu_iopf_group_faults broken_group_faults
#define uiommu_iopf_group_handle broken_group_handle
#define uiommu_iopf_group_response broken_group_response

/* Looks, and then takes. */
#undef ui_cmpxchg
#define ui_cmpxchg(p, old, v)                                                                      \
	(ui_load_acquire(p) == *(old) ? (ui_store_release((p), (v)), true) : false)

#include "iopf/group.c"

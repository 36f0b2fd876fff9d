// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/small_handle.c - core/handle.c whose slots count to 2 before they settle
 *
 * Not wrong: the same protocol with another constant, so that three threads
 * reach what takes thousands of references otherwise.
 */
#include "core/core.h"

#undef SLOT_COUNT_SETTLE
#define SLOT_COUNT_SETTLE 2

#define core_handle_alloc_anonymous small_handle_alloc_anonymous
#define core_slot_exchange small_slot_exchange
#define core_slot_publish small_slot_publish
#define uiommu_attach_handle_attached small_handle_attached
#define uiommu_attach_handle_get small_handle_get
#define uiommu_attach_handle_hold small_handle_hold
#define uiommu_attach_handle_init small_handle_init
#define uiommu_attach_handle_put small_handle_put
#define uiommu_attach_handle_wait_detached small_handle_wait_detached

#include "core/handle.c"

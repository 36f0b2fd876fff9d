// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/broken_attach.c - core/attach.c that doesn't wait for bursts of DMA
 */
#include "base/quiesce.h"

#define core_detach_all broken_detach_all
#define uiommu_attach_device_pasid broken_attach_device_pasid
#define uiommu_attach_group_handle broken_attach_group_handle
#define uiommu_detach_device_pasid broken_detach_device_pasid
#define uiommu_detach_group_handle broken_detach_group_handle
#define uiommu_replace_device_pasid broken_replace_device_pasid
#define uiommu_replace_group_handle broken_replace_group_handle
#define ui_quiesce(readers) ((void)(readers))

#include "core/attach.c"

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/broken_report.c - iopf/report.c without the look at the handle under the lock
 */
#include <uiommu/iommu.h>

#define uiommu_report_device_fault broken_report_device_fault
#define uiommu_iopf_discard_partial broken_discard_partial
#define uiommu_attach_handle_attached(handle) ((void)(handle), true)

#include "iopf/report.c"

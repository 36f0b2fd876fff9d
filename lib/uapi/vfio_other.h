/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uapi/vfio_other.h - VFIO of graphics, s390, POWER, and what is obsolete
 *
 * Nothing here is implemented.  It is declared so that the comparison with
 * tests/abi-7.3.txt needs no exceptions, and so that a number in somebody's
 * trace can be named.
 */
#ifndef UI_UAPI_VFIO_OTHER_H
#define UI_UAPI_VFIO_OTHER_H

#include "uapi/vfio.h"

/* ---- graphics ---- */

enum {
	VFIO_REGION_TYPE_GFX = 1,
	VFIO_REGION_TYPE_CCW = 2,
	VFIO_REGION_TYPE_MIGRATION_DEPRECATED = 3,
	VFIO_REGION_TYPE_PCI_VENDOR_MASK = 0xffff,
	VFIO_REGION_TYPE_PCI_VENDOR_TYPE = -0x7fffffff - 1,
};
enum {
	VFIO_REGION_SUBTYPE_CCW_ASYNC_CMD = 1,
	VFIO_REGION_SUBTYPE_GFX_EDID = 1,
	VFIO_REGION_SUBTYPE_IBM_NVLINK2_ATSD = 1,
	VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION = 1,
	VFIO_REGION_SUBTYPE_MIGRATION_DEPRECATED = 1,
	VFIO_REGION_SUBTYPE_NVIDIA_NVLINK2_RAM = 1,
	VFIO_REGION_SUBTYPE_CCW_SCHIB = 2,
	VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG = 2,
	VFIO_REGION_SUBTYPE_CCW_CRW = 3,
	VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG = 3,
};
enum {
	VFIO_DEVICE_GFX_LINK_STATE_UP = 1,
	VFIO_DEVICE_GFX_LINK_STATE_DOWN = 2,
};

struct vfio_region_gfx_edid {
	uint32_t edid_offset;
	uint32_t edid_max_size;
	uint32_t edid_size;
	uint32_t max_xres;
	uint32_t max_yres;
	uint32_t link_state;
};

enum {
	VFIO_GFX_PLANE_TYPE_PROBE = 1,
	VFIO_GFX_PLANE_TYPE_DMABUF = 2,
	VFIO_GFX_PLANE_TYPE_REGION = 4,
};

struct vfio_device_gfx_plane_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t drm_plane_type;
	uint32_t drm_format;
	uint64_t drm_format_mod;
	uint32_t width;
	uint32_t height;
	uint32_t stride;
	uint32_t size;
	uint32_t x_pos;
	uint32_t y_pos;
	uint32_t x_hot;
	uint32_t y_hot;
	union {
		uint32_t region_index;
		uint32_t dmabuf_id;
	};
	uint32_t reserved;
};
#define VFIO_DEVICE_QUERY_GFX_PLANE _IO(VFIO_TYPE, VFIO_BASE + 14)
#define VFIO_DEVICE_GET_GFX_DMABUF _IO(VFIO_TYPE, VFIO_BASE + 15)

struct vfio_region_info_cap_nvlink2_ssatgt {
	struct vfio_info_cap_header header;
	uint64_t tgt;
};

struct vfio_region_info_cap_nvlink2_lnkspd {
	struct vfio_info_cap_header header;
	uint32_t link_speed;
	uint32_t __pad;
};

/* ---- s390 ---- */

enum {
	VFIO_CCW_CONFIG_REGION_INDEX = 0,
	VFIO_CCW_NUM_REGIONS = 1,
};
enum {
	VFIO_CCW_IO_IRQ_INDEX = 0,
	VFIO_CCW_CRW_IRQ_INDEX = 1,
	VFIO_CCW_REQ_IRQ_INDEX = 2,
	VFIO_CCW_NUM_IRQS = 3,
};
enum {
	VFIO_AP_REQ_IRQ_INDEX = 0,
	VFIO_AP_CFG_CHG_IRQ_INDEX = 1,
	VFIO_AP_NUM_IRQS = 2,
};

struct vfio_device_feature_zpci_err {
	uint64_t data;
};

/* ---- migration, first version: deprecated ---- */

enum {
	VFIO_DEVICE_STATE_V1_STOP = 0,
	VFIO_DEVICE_STATE_V1_RUNNING = 1,
	VFIO_DEVICE_STATE_V1_SAVING = 2,
	VFIO_DEVICE_STATE_V1_RESUMING = 4,
	VFIO_DEVICE_STATE_MASK = 7,
};

struct vfio_device_migration_info {
	uint32_t device_state;
	uint32_t reserved;
	uint64_t pending_bytes;
	uint64_t data_offset;
	uint64_t data_size;
};

/* ---- POWER ---- */

struct vfio_iommu_spapr_tce_ddw_info {
	uint64_t pgsizes;
	uint32_t max_dynamic_windows_supported;
	uint32_t levels;
};

enum {
	VFIO_IOMMU_SPAPR_INFO_DDW = 1,
};

struct vfio_iommu_spapr_tce_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t dma32_window_start;
	uint32_t dma32_window_size;
	struct vfio_iommu_spapr_tce_ddw_info ddw;
};
#define VFIO_IOMMU_SPAPR_TCE_GET_INFO _IO(VFIO_TYPE, VFIO_BASE + 12)

struct vfio_iommu_spapr_register_memory {
	uint32_t argsz;
	uint32_t flags;
	uint64_t vaddr;
	uint64_t size;
};
#define VFIO_IOMMU_SPAPR_REGISTER_MEMORY _IO(VFIO_TYPE, VFIO_BASE + 17)
#define VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY _IO(VFIO_TYPE, VFIO_BASE + 18)

struct vfio_iommu_spapr_tce_create {
	uint32_t argsz;
	uint32_t flags;
	uint32_t page_shift;
	uint32_t __resv1;
	uint64_t window_size;
	uint32_t levels;
	uint32_t __resv2;
	uint64_t start_addr;
};
#define VFIO_IOMMU_SPAPR_TCE_CREATE _IO(VFIO_TYPE, VFIO_BASE + 19)

struct vfio_iommu_spapr_tce_remove {
	uint32_t argsz;
	uint32_t flags;
	uint64_t start_addr;
};
#define VFIO_IOMMU_SPAPR_TCE_REMOVE _IO(VFIO_TYPE, VFIO_BASE + 20)

enum {
	VFIO_EEH_PE_DISABLE = 0,
	VFIO_EEH_PE_ENABLE = 1,
	VFIO_EEH_PE_UNFREEZE_IO = 2,
	VFIO_EEH_PE_UNFREEZE_DMA = 3,
	VFIO_EEH_PE_GET_STATE = 4,
	VFIO_EEH_PE_RESET_DEACTIVATE = 5,
	VFIO_EEH_PE_RESET_HOT = 6,
	VFIO_EEH_PE_RESET_FUNDAMENTAL = 7,
	VFIO_EEH_PE_CONFIGURE = 8,
	VFIO_EEH_PE_INJECT_ERR = 9,
};
enum {
	VFIO_EEH_PE_STATE_NORMAL = 0,
	VFIO_EEH_PE_STATE_RESET = 1,
	VFIO_EEH_PE_STATE_STOPPED = 2,
	VFIO_EEH_PE_STATE_STOPPED_DMA = 4,
	VFIO_EEH_PE_STATE_UNAVAIL = 5,
};

struct vfio_eeh_pe_err {
	uint32_t type;
	uint32_t func;
	uint64_t addr;
	uint64_t mask;
};

struct vfio_eeh_pe_op {
	uint32_t argsz;
	uint32_t flags;
	uint32_t op;
	union {
		struct vfio_eeh_pe_err err;
	};
};
#define VFIO_EEH_PE_OP _IO(VFIO_TYPE, VFIO_BASE + 21)

#endif /* UI_UAPI_VFIO_OTHER_H */

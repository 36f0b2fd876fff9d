/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uapi/vfio.h - what /dev/vfio speaks, as of Linux 7.3
 *
 * Our own declarations, checked as those of uapi/iommufd.h are.  This is the
 * part that PCI devices and their users need; what belongs to other kinds of
 * device or to containers of other architectures is in uapi/vfio_other.h.
 *
 * Arguments start with argsz, the room that the caller has.  An answer that
 * needs more says so in argsz, and the caller comes again.
 */
#ifndef UI_UAPI_VFIO_H
#define UI_UAPI_VFIO_H

#include <stdint.h>
#include <sys/ioctl.h>

#define VFIO_API_VERSION 0
#define VFIO_TYPE (';')
#define VFIO_BASE 100

/* ---- containers and groups ---- */

/* For VFIO_CHECK_EXTENSION; the first ones are also for VFIO_SET_IOMMU. */
enum {
	VFIO_TYPE1_IOMMU = 1,
	VFIO_TYPE1v2_IOMMU = 3,
	VFIO_SPAPR_TCE_IOMMU = 2,
	VFIO_SPAPR_TCE_v2_IOMMU = 7,
	VFIO_NOIOMMU_IOMMU = 8,
	VFIO_DMA_CC_IOMMU = 4,
	VFIO_EEH = 5,
	VFIO_UNMAP_ALL = 9,
	VFIO_UPDATE_VADDR = 0xa,
};

#define VFIO_GET_API_VERSION _IO(VFIO_TYPE, VFIO_BASE + 0)
#define VFIO_CHECK_EXTENSION _IO(VFIO_TYPE, VFIO_BASE + 1)
#define VFIO_SET_IOMMU _IO(VFIO_TYPE, VFIO_BASE + 2)

enum {
	VFIO_GROUP_FLAGS_VIABLE = 1,
	VFIO_GROUP_FLAGS_CONTAINER_SET = 2,
};

struct vfio_group_status {
	uint32_t argsz;
	uint32_t flags;
};
#define VFIO_GROUP_GET_STATUS _IO(VFIO_TYPE, VFIO_BASE + 3)
#define VFIO_GROUP_SET_CONTAINER _IO(VFIO_TYPE, VFIO_BASE + 4)
#define VFIO_GROUP_UNSET_CONTAINER _IO(VFIO_TYPE, VFIO_BASE + 5)
#define VFIO_GROUP_GET_DEVICE_FD _IO(VFIO_TYPE, VFIO_BASE + 6)

/* A link of a capability chain: next is an offset from the argument's start. */
struct vfio_info_cap_header {
	uint16_t id;
	uint16_t version;
	uint32_t next;
};

enum {
	VFIO_IOMMU_INFO_PGSIZES = 1,
	VFIO_IOMMU_INFO_CAPS = 2,
};

struct vfio_iommu_type1_info {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova_pgsizes;
	uint32_t cap_offset;
	uint32_t pad;
};
#define VFIO_IOMMU_GET_INFO _IO(VFIO_TYPE, VFIO_BASE + 12)

enum {
	VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1,
	VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION = 2,
	VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3,
};

/* Both ends belong to the range. */
struct vfio_iova_range {
	uint64_t start;
	uint64_t end;
};

struct vfio_iommu_type1_info_cap_iova_range {
	struct vfio_info_cap_header header;
	uint32_t nr_iovas;
	uint32_t reserved;
	struct vfio_iova_range iova_ranges[];
};

struct vfio_iommu_type1_info_cap_migration {
	struct vfio_info_cap_header header;
	uint32_t flags;
	uint64_t pgsize_bitmap;
	uint64_t max_dirty_bitmap_size;
};

struct vfio_iommu_type1_info_dma_avail {
	struct vfio_info_cap_header header;
	uint32_t avail;
};

enum {
	VFIO_DMA_MAP_FLAG_READ = 1,
	VFIO_DMA_MAP_FLAG_WRITE = 2,
	VFIO_DMA_MAP_FLAG_VADDR = 4,
};

struct vfio_iommu_type1_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t vaddr;
	uint64_t iova;
	uint64_t size;
};
#define VFIO_IOMMU_MAP_DMA _IO(VFIO_TYPE, VFIO_BASE + 13)

struct vfio_bitmap {
	uint64_t pgsize;
	uint64_t size;
	uint64_t *data;
};

enum {
	VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1,
	VFIO_DMA_UNMAP_FLAG_ALL = 2,
	VFIO_DMA_UNMAP_FLAG_VADDR = 4,
};

/* data is a struct vfio_bitmap when the dirty bits are wanted. */
struct vfio_iommu_type1_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t size;
	uint8_t data[];
};
#define VFIO_IOMMU_UNMAP_DMA _IO(VFIO_TYPE, VFIO_BASE + 14)
#define VFIO_IOMMU_ENABLE _IO(VFIO_TYPE, VFIO_BASE + 15)
#define VFIO_IOMMU_DISABLE _IO(VFIO_TYPE, VFIO_BASE + 16)

enum {
	VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1,
	VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 2,
	VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 4,
};

struct vfio_iommu_type1_dirty_bitmap {
	uint32_t argsz;
	uint32_t flags;
	uint8_t data[];
};

struct vfio_iommu_type1_dirty_bitmap_get {
	uint64_t iova;
	uint64_t size;
	struct vfio_bitmap bitmap;
};
#define VFIO_IOMMU_DIRTY_PAGES _IO(VFIO_TYPE, VFIO_BASE + 17)

/* ---- devices ---- */

enum {
	VFIO_DEVICE_FLAGS_RESET = 1,
	VFIO_DEVICE_FLAGS_PCI = 2,
	VFIO_DEVICE_FLAGS_PLATFORM = 4,
	VFIO_DEVICE_FLAGS_AMBA = 8,
	VFIO_DEVICE_FLAGS_CCW = 0x10,
	VFIO_DEVICE_FLAGS_AP = 0x20,
	VFIO_DEVICE_FLAGS_FSL_MC = 0x40,
	VFIO_DEVICE_FLAGS_CAPS = 0x80,
	VFIO_DEVICE_FLAGS_CDX = 0x100,
};

struct vfio_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
	uint32_t cap_offset;
	uint32_t pad;
};
#define VFIO_DEVICE_GET_INFO _IO(VFIO_TYPE, VFIO_BASE + 7)

/* What a device's sysfs says it is. */
#define VFIO_DEVICE_API_PCI_STRING "vfio-pci"
#define VFIO_DEVICE_API_PLATFORM_STRING "vfio-platform"
#define VFIO_DEVICE_API_AMBA_STRING "vfio-amba"
#define VFIO_DEVICE_API_CCW_STRING "vfio-ccw"
#define VFIO_DEVICE_API_AP_STRING "vfio-ap"

enum {
	VFIO_DEVICE_INFO_CAP_ZPCI_BASE = 1,
	VFIO_DEVICE_INFO_CAP_ZPCI_GROUP = 2,
	VFIO_DEVICE_INFO_CAP_ZPCI_UTIL = 3,
	VFIO_DEVICE_INFO_CAP_ZPCI_PFIP = 4,
	VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP = 5,
};
enum {
	VFIO_PCI_ATOMIC_COMP32 = 1,
	VFIO_PCI_ATOMIC_COMP64 = 2,
	VFIO_PCI_ATOMIC_COMP128 = 4,
};

struct vfio_device_info_cap_pci_atomic_comp {
	struct vfio_info_cap_header header;
	uint32_t flags;
	uint32_t reserved;
};

enum {
	VFIO_PCI_BAR0_REGION_INDEX = 0,
	VFIO_PCI_BAR1_REGION_INDEX = 1,
	VFIO_PCI_BAR2_REGION_INDEX = 2,
	VFIO_PCI_BAR3_REGION_INDEX = 3,
	VFIO_PCI_BAR4_REGION_INDEX = 4,
	VFIO_PCI_BAR5_REGION_INDEX = 5,
	VFIO_PCI_ROM_REGION_INDEX = 6,
	VFIO_PCI_CONFIG_REGION_INDEX = 7,
	VFIO_PCI_VGA_REGION_INDEX = 8,
	VFIO_PCI_NUM_REGIONS = 9,
};
enum {
	VFIO_REGION_INFO_FLAG_READ = 1,
	VFIO_REGION_INFO_FLAG_WRITE = 2,
	VFIO_REGION_INFO_FLAG_MMAP = 4,
	VFIO_REGION_INFO_FLAG_CAPS = 8,
};

struct vfio_region_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t cap_offset;
	uint64_t size;
	uint64_t offset;
};
#define VFIO_DEVICE_GET_REGION_INFO _IO(VFIO_TYPE, VFIO_BASE + 8)

enum {
	VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1,
	VFIO_REGION_INFO_CAP_TYPE = 2,
	VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3,
	VFIO_REGION_INFO_CAP_NVLINK2_SSATGT = 4,
	VFIO_REGION_INFO_CAP_NVLINK2_LNKSPD = 5,
};

struct vfio_region_sparse_mmap_area {
	uint64_t offset;
	uint64_t size;
};

/* Which parts of a region may be mapped. */
struct vfio_region_info_cap_sparse_mmap {
	struct vfio_info_cap_header header;
	uint32_t nr_areas;
	uint32_t reserved;
	struct vfio_region_sparse_mmap_area areas[];
};

struct vfio_region_info_cap_type {
	struct vfio_info_cap_header header;
	uint32_t type;
	uint32_t subtype;
};

enum {
	VFIO_PCI_INTX_IRQ_INDEX = 0,
	VFIO_PCI_MSI_IRQ_INDEX = 1,
	VFIO_PCI_MSIX_IRQ_INDEX = 2,
	VFIO_PCI_ERR_IRQ_INDEX = 3,
	VFIO_PCI_REQ_IRQ_INDEX = 4,
	VFIO_PCI_NUM_IRQS = 5,
};
enum {
	VFIO_IRQ_INFO_EVENTFD = 1,
	VFIO_IRQ_INFO_MASKABLE = 2,
	VFIO_IRQ_INFO_AUTOMASKED = 4,
	VFIO_IRQ_INFO_NORESIZE = 8,
};

struct vfio_irq_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
#define VFIO_DEVICE_GET_IRQ_INFO _IO(VFIO_TYPE, VFIO_BASE + 9)

enum {
	VFIO_IRQ_SET_DATA_NONE = 1,
	VFIO_IRQ_SET_DATA_BOOL = 2,
	VFIO_IRQ_SET_DATA_EVENTFD = 4,
	VFIO_IRQ_SET_DATA_TYPE_MASK = 7,
	VFIO_IRQ_SET_ACTION_MASK = 8,
	VFIO_IRQ_SET_ACTION_UNMASK = 0x10,
	VFIO_IRQ_SET_ACTION_TRIGGER = 0x20,
	VFIO_IRQ_SET_ACTION_TYPE_MASK = 0x38,
};

struct vfio_irq_set {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
	uint8_t data[];
};
#define VFIO_DEVICE_SET_IRQS _IO(VFIO_TYPE, VFIO_BASE + 10)
#define VFIO_DEVICE_RESET _IO(VFIO_TYPE, VFIO_BASE + 11)

enum {
	VFIO_PCI_HOT_RESET_FLAG_DEV_ID = 1,
	VFIO_PCI_HOT_RESET_FLAG_DEV_ID_OWNED = 2,
};
enum {
	VFIO_PCI_DEVID_OWNED = 0,
	VFIO_PCI_DEVID_NOT_OWNED = -1,
};

struct vfio_pci_dependent_device {
	union {
		uint32_t group_id;
		uint32_t devid;
	};
	uint16_t segment;
	uint8_t bus;
	uint8_t devfn;
};

struct vfio_pci_hot_reset_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t count;
	struct vfio_pci_dependent_device devices[];
};
#define VFIO_DEVICE_GET_PCI_HOT_RESET_INFO _IO(VFIO_TYPE, VFIO_BASE + 12)

struct vfio_pci_hot_reset {
	uint32_t argsz;
	uint32_t flags;
	uint32_t count;
	int32_t group_fds[];
};
#define VFIO_DEVICE_PCI_HOT_RESET _IO(VFIO_TYPE, VFIO_BASE + 13)

enum {
	VFIO_DEVICE_IOEVENTFD_8 = 1,
	VFIO_DEVICE_IOEVENTFD_16 = 2,
	VFIO_DEVICE_IOEVENTFD_32 = 4,
	VFIO_DEVICE_IOEVENTFD_64 = 8,
	VFIO_DEVICE_IOEVENTFD_SIZE_MASK = 0xf,
};

struct vfio_device_ioeventfd {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t data;
	int32_t fd;
	uint32_t reserved;
};
#define VFIO_DEVICE_IOEVENTFD _IO(VFIO_TYPE, VFIO_BASE + 16)

/* ---- devices of the character device, and iommufd ---- */

enum {
	VFIO_DEVICE_BIND_FLAG_TOKEN = 1,
};

struct vfio_device_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
	uint64_t token_uuid_ptr;
};
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

enum {
	VFIO_DEVICE_ATTACH_PASID = 1,
};

struct vfio_device_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
	uint32_t pasid;
};
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)

enum {
	VFIO_DEVICE_DETACH_PASID = 1,
};

struct vfio_device_detach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pasid;
};
#define VFIO_DEVICE_DETACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 20)

/* ---- features ---- */

/* The low 16 bits of flags name the feature, these say what to do with it. */
enum {
	VFIO_DEVICE_FEATURE_MASK = 0xffff,
	VFIO_DEVICE_FEATURE_GET = 0x10000,
	VFIO_DEVICE_FEATURE_SET = 0x20000,
	VFIO_DEVICE_FEATURE_PROBE = 0x40000,
};

struct vfio_device_feature {
	uint32_t argsz;
	uint32_t flags;
	uint8_t data[];
};
#define VFIO_DEVICE_FEATURE _IO(VFIO_TYPE, VFIO_BASE + 17)

enum {
	VFIO_DEVICE_FEATURE_PCI_VF_TOKEN = 0,
	VFIO_DEVICE_FEATURE_MIGRATION = 1,
	VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2,
	VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY = 3,
	VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP = 4,
	VFIO_DEVICE_FEATURE_LOW_POWER_EXIT = 5,
	VFIO_DEVICE_FEATURE_DMA_LOGGING_START = 6,
	VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP = 7,
	VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT = 8,
	VFIO_DEVICE_FEATURE_MIG_DATA_SIZE = 9,
	VFIO_DEVICE_FEATURE_BUS_MASTER = 0xa,
	VFIO_DEVICE_FEATURE_DMA_BUF = 0xb,
	VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 = 0xc,
	VFIO_DEVICE_FEATURE_ZPCI_ERROR = 0xd,
};

enum {
	VFIO_MIGRATION_STOP_COPY = 1,
	VFIO_MIGRATION_P2P = 2,
	VFIO_MIGRATION_PRE_COPY = 4,
};

struct vfio_device_feature_migration {
	uint64_t flags;
};

/* The states of migration, second version. */
enum {
	VFIO_DEVICE_STATE_ERROR = 0,
	VFIO_DEVICE_STATE_STOP = 1,
	VFIO_DEVICE_STATE_RUNNING = 2,
	VFIO_DEVICE_STATE_STOP_COPY = 3,
	VFIO_DEVICE_STATE_RESUMING = 4,
	VFIO_DEVICE_STATE_RUNNING_P2P = 5,
	VFIO_DEVICE_STATE_PRE_COPY = 6,
	VFIO_DEVICE_STATE_PRE_COPY_P2P = 7,
	VFIO_DEVICE_STATE_NR = 8,
};

struct vfio_device_feature_mig_state {
	uint32_t device_state;
	int32_t data_fd;
};

struct vfio_device_feature_mig_data_size {
	uint64_t stop_copy_length;
};

enum {
	VFIO_PRECOPY_INFO_REINIT = 1,
};

struct vfio_precopy_info {
	uint32_t argsz;
	uint32_t flags;
	uint64_t initial_bytes;
	uint64_t dirty_bytes;
};
#define VFIO_MIG_GET_PRECOPY_INFO _IO(VFIO_TYPE, VFIO_BASE + 21)

struct vfio_device_low_power_entry_with_wakeup {
	int32_t wakeup_eventfd;
	uint32_t reserved;
};

struct vfio_device_feature_dma_logging_range {
	uint64_t iova;
	uint64_t length;
};

struct vfio_device_feature_dma_logging_control {
	uint64_t page_size;
	uint32_t num_ranges;
	uint32_t __reserved;
	uint64_t ranges;
};

struct vfio_device_feature_dma_logging_report {
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	uint64_t bitmap;
};

enum {
	VFIO_DEVICE_FEATURE_CLEAR_MASTER = 0,
	VFIO_DEVICE_FEATURE_SET_MASTER = 1,
};

struct vfio_device_feature_bus_master {
	uint32_t op;
};

struct vfio_region_dma_range {
	uint64_t offset;
	uint64_t length;
};

struct vfio_device_feature_dma_buf {
	uint32_t region_index;
	uint32_t open_flags;
	uint32_t flags;
	uint32_t nr_ranges;
	struct vfio_region_dma_range dma_ranges[];
};

#endif /* UI_UAPI_VFIO_H */

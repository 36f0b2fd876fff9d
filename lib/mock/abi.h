/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mock/abi.h - what IOMMU_TEST_CMD of /dev/iommu speaks, as of Linux 7.3
 *
 * Our own declarations: numbers, order and widths are the kernel's, since its
 * tests were compiled with them; see tests/oracle/iommufd_test_abi.h for how
 * the recordings' program declares the same.
 */
#ifndef UI_MOCK_ABI_H
#define UI_MOCK_ABI_H

#include "uapi/iommufd.h"

#define MOCK_TEST_CMD _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

enum mock_op {
	MOCK_OP_ADD_RESERVED = 1,
	MOCK_OP_DOMAIN,
	MOCK_OP_CHECK_MAP,
	MOCK_OP_CHECK_REFS,
	MOCK_OP_CREATE_ACCESS,
	MOCK_OP_UNPIN,
	MOCK_OP_PIN,
	MOCK_OP_ACCESS_RW,
	MOCK_OP_MEMORY_LIMIT,
	MOCK_OP_REPLACE,
	MOCK_OP_ACCESS_REPLACE,
	MOCK_OP_DOMAIN_FLAGS,
	MOCK_OP_DIRTY,
	MOCK_OP_CHECK_IOTLB,
	MOCK_OP_TRIGGER_IOPF,
	MOCK_OP_CHECK_CACHE,
	MOCK_OP_TRIGGER_VEVENT,
	MOCK_OP_PASID_ATTACH,
	MOCK_OP_PASID_REPLACE,
	MOCK_OP_PASID_DETACH,
	MOCK_OP_PASID_CHECK,
	MOCK_OP_DMABUF_GET,
	MOCK_OP_DMABUF_REVOKE,
};

struct mock_cmd {
	uint32_t size;
	uint32_t op;
	uint32_t id;
	uint32_t reserved;
	union {
		struct {
			uint64_t start;
			uint64_t length;
		} add_reserved;
		struct {
			uint32_t out_stdev_id;
			uint32_t out_hwpt_id;
			uint32_t out_idev_id;
			uint32_t flags; /* of DOMAIN_FLAGS only */
		} domain;
		struct {
			uint32_t pt_id;
		} replace;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} check_map;
		struct {
			uint64_t length;
			uint64_t uptr;
			uint32_t refs;
		} check_refs;
		struct {
			uint32_t out_fd;
			uint32_t flags;
		} create_access;
		struct {
			uint32_t item;
		} unpin;
		struct {
			uint32_t flags;
			uint32_t out_item;
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
		} pin;
		struct {
			uint64_t iova;
			uint64_t length;
			uint64_t uptr;
			uint32_t flags;
		} access_rw;
		struct {
			uint32_t limit;
		} memory_limit;
		struct {
			uint32_t ioas_id;
		} access_replace;
		struct {
			uint32_t flags;
			uint64_t iova;
			uint64_t length;
			uint64_t page_size;
			uint64_t uptr;
			uint64_t out_count;
		} dirty;
		struct {
			uint32_t index;
			uint32_t value;
		} check; /* of CHECK_IOTLB and CHECK_CACHE */
		struct {
			uint32_t dev_id;
			uint32_t pasid;
			uint32_t grpid;
			uint32_t perm;
			uint64_t addr;
		} iopf;
		struct {
			uint32_t dev_id;
		} vevent;
		struct {
			uint32_t pasid;
			uint32_t pt_id;
		} pasid;
		struct {
			uint32_t length;
			uint32_t open_flags;
		} dmabuf_get;
		struct {
			int32_t fd;
			uint32_t revoked;
		} dmabuf_revoke;
	};
	uint32_t last;
};

_Static_assert(sizeof(struct mock_cmd) == 72, "as compiled into clients");

/* ---- the IOMMU that is played ---- */

#define MOCK_PAGE 2048ull
/* From 2 KiB on each power of two, as its kind of table has them. */
#define MOCK_PAGE_SIZES 0x1ffffff800ull
/* Entries of 1 MiB, and those that iommufd insists on. */
#define MOCK_HUGE_PAGE_SIZES 0x101000ull
#define MOCK_HUGE_PAGE (1ull << 20)
#define MOCK_APERTURE_FIRST (1ull << 24)
#define MOCK_APERTURE_LAST ((1ull << 31) - 1)
#define MOCK_MAX_PASIDS (1u << 20)
/* The second of two attaches to this PASID in a row fails. */
#define MOCK_PASID_FAILS 1024u

/* flags of DOMAIN_FLAGS */
#define MOCK_DEVICE_NO_DIRTY (1u << 0)
#define MOCK_DEVICE_PASID (1u << 2)

/* flags of CREATE_ACCESS, PIN, ACCESS_RW */
#define MOCK_ACCESS_PINS (1u << 0)
#define MOCK_ACCESS_WRITE (1u << 0)
#define MOCK_ACCESS_SLOW (1u << 2)
/* An IOVA is {which area, offset in it}: easier to guess. */
#define MOCK_ACCESS_NTH (1u << 16)

/* Types that no real driver has. */
#define MOCK_HW_INFO_TYPE 0xfeedbeefu
#define MOCK_HWPT_TYPE 0xdeadu
#define MOCK_HWPT_INVALIDATE_TYPE 0xdeadbeefu
#define MOCK_VIOMMU_TYPE 0xdeadbeefu
#define MOCK_VIOMMU_INVALIDATE_TYPE 0xdeadbeefu
#define MOCK_VEVENTQ_TYPE 0xbeefbeefu
#define MOCK_HW_QUEUE_TYPE 0xdeadbeefu

#define MOCK_HW_INFO_REG 0xdeadbeefu
#define MOCK_CACHE_DEFAULT 0xbaddadu
#define MOCK_IOTLBS 4u
#define MOCK_CACHES 4u
#define MOCK_HW_QUEUES 2u

struct mock_hw_info {
	uint32_t flags;
	uint32_t reg;
};

enum {
	MOCK_TABLE_DEFAULT,
	MOCK_TABLE_HUGE,
};

struct mock_hwpt_data {
	uint32_t iotlb;
	uint32_t table;
};

#define MOCK_INVALIDATE_ALL (1u << 0)

struct mock_hwpt_invalidate {
	uint32_t flags;
	uint32_t iotlb_id;
};

struct mock_viommu_data {
	uint32_t in_data;
	uint32_t out_data;
	uint64_t out_mmap_offset;
	uint64_t out_mmap_length;
};

struct mock_viommu_invalidate {
	uint32_t flags;
	uint32_t vdev_id;
	uint32_t cache_id;
};

struct mock_vevent {
	uint32_t virt_id;
};

#endif /* UI_MOCK_ABI_H */

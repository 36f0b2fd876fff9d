/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * idxd/regs.h - registers of a data accelerator, as far as a driver of it needs them
 */
#ifndef UI_IDXD_REGS_H
#define UI_IDXD_REGS_H

#define IDXD_REG_BAR 0u
#define IDXD_PORTAL_BAR 2u

#define IDXD_VERSION 0x00u
#define IDXD_GENCAP 0x10u
#define IDXD_WQCAP 0x20u
#define IDXD_GRPCAP 0x30u
#define IDXD_ENGCAP 0x38u
#define IDXD_OPCAP 0x40u
#define IDXD_OFFSETS 0x60u
#define IDXD_GENCTRL 0x88u
#define IDXD_GENSTS 0x90u
#define IDXD_INTCAUSE 0x98u
#define IDXD_CMD 0xa0u
#define IDXD_CMDSTS 0xa8u
#define IDXD_SWERR 0xc0u

#define IDXD_VERSION_1 0x100u

#define IDXD_GENCAP_XFER_SHIFT(cap) ((unsigned int)((cap) >> 16 & 0x1f))
#define IDXD_GENCAP_BATCH_SHIFT(cap) ((unsigned int)((cap) >> 21 & 0xf))
#define IDXD_GENCAP_CONFIGURABLE (1ull << 31)
#define IDXD_WQCAP_SIZE(cap) ((unsigned int)((cap)&0xffff))
#define IDXD_WQCAP_WQS(cap) ((unsigned int)((cap) >> 16 & 0xff))
#define IDXD_WQCAP_WQCFG_SIZE(cap) (32u << ((cap) >> 24 & 0xf))
#define IDXD_WQCAP_OP_CONFIG (1ull << 54)
#define IDXD_GRPCAP_GROUPS(cap) ((unsigned int)((cap)&0xff))
#define IDXD_GRPCAP_BUFFERS(cap) ((unsigned int)((cap) >> 8 & 0xff))
#define IDXD_GRPCAP_LIMIT (1ull << 17)
#define IDXD_ENGCAP_ENGINES(cap) ((unsigned int)((cap)&0xff))

/* Where the tables are, of the two words at IDXD_OFFSETS. */
#define IDXD_GRPCFG_AT(offsets) ((uint32_t)((offsets)&0xffff) * 0x100)
#define IDXD_WQCFG_AT(offsets) ((uint32_t)((offsets) >> 16 & 0xffff) * 0x100)
#define IDXD_GRPCFG_SIZE 64u
#define IDXD_GRPCFG_ENGINES 32u

#define IDXD_GENCTRL_SWERR 1u
#define IDXD_GENCTRL_HALT 2u
#define IDXD_GENSTS_STATE 3u
#define IDXD_GENSTS_ENABLED 1u
#define IDXD_GENSTS_HALTED 3u
#define IDXD_INTC_SWERR 1u

#define IDXD_CMD_ENABLE_DEVICE 1u
#define IDXD_CMD_ENABLE_WQ 6u
#define IDXD_CMD_DISABLE_WQ 7u
#define IDXD_CMD_DRAIN_PASID 11u
#define IDXD_CMDSTS_ACTIVE 0x80000000u
#define IDXD_CMDSTS_ERROR 0xffu

#define IDXD_SWERR_VALID 1u
#define IDXD_SWERR_OVERFLOW 2u
#define IDXD_SWERR_WQ 8u

/* The third dword of a queue's configuration. */
#define IDXD_WQ_DEDICATED (1u << 0)
#define IDXD_WQ_BOF (1u << 1)
#define IDXD_WQ_ATS_DISABLE (1u << 2)
#define IDXD_WQ_PRS_DISABLE (1u << 3)
#define IDXD_WQ_PRIORITY(n) ((n) << 4)
#define IDXD_WQ_PASID(pasid) ((pasid) << 8)
#define IDXD_WQ_PASID_MASK (0xfffffu << 8)
#define IDXD_WQ_PASID_EN (1u << 28)

/* Four portals of a page for each queue: this one of them heeds the threshold. */
#define IDXD_PORTAL_SIZE 4096u
#define IDXD_PORTALS 4u
#define IDXD_PORTAL_LIMITED 1u

/* A descriptor, of 64 bytes. */
#define IDXD_DESC_SIZE 64u
#define IDXD_DESC_OPCODE 7u /* one byte */
#define IDXD_DESC_RECORD 8u /* eight */
#define IDXD_RECORD_ALIGN 32u
#define IDXD_OP_BATCH 1u

#endif /* UI_IDXD_REGS_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instance with one dsa, an arena of memory, and what the tests do to the device: its
 * registers, its portals, and the page requests that it makes.
 *
 * The arena is mapped in a paging domain from BASE on; the faulting domain has it from 0
 * on, as far as the test has given its pages, and the test answers the requests.
 */
#ifndef TESTS_DEVICES_DSA_RIG_H
#define TESTS_DEVICES_DSA_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uiommu/mm.h>

#include "../../../devices/dsa.h"
#include "base/ctx.h"
#include "pci/pci.h"

#define PAGE 4096ul
#define ARENA 64ul /* pages */
#define MASTER 0x6
#define ALL_OPS 0xffffffffu

struct bench {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	struct uiommu_device *dev;
	struct uiommu_domain *domain;
	uint8_t *arena;
	uint64_t given; /* pages of the arena that the faulting domain has */
	struct uiommu_domain faulting;
	struct uiommu_iopf_group *group;
	struct uiommu_iopf_group *stale; /* of a request that was made before that */
	int faults;
};
extern struct bench b;

/* IOVAs of the arena begin there in the paging domain, at 0 in the faulting one. */
#define BASE 0x10000ul
#define RECORD (BASE + 60 * PAGE)
#define REC (DSA_FLAG_CRAV | DSA_FLAG_RCR)

uint64_t reg(uint64_t offset, unsigned int size);
void set(uint64_t offset, uint64_t value, unsigned int size);
/* What CMDSTS has afterwards. */
uint32_t command(uint32_t number, uint32_t operand);
void config_wq(unsigned int wq, uint32_t size, uint32_t cfg2);
/* Queue 0, with that in its third dword. */
void enable(uint32_t cfg2);
struct dsa_desc desc_of(enum dsa_opcode op, uint32_t flags, uint64_t src, uint64_t dst,
			uint32_t size);
void submit(const struct dsa_desc *desc);
struct dsa_record *record(unsigned int i);
/* Its status, with record 0. */
uint8_t run(struct dsa_desc desc);

void use_faulting(uint64_t given);
void attach_pasid(uint32_t pasid);
void detach_pasid(uint32_t pasid);
uint64_t fault_addr(void);
/* Give the page that is asked for, or not, and say so. */
void answer(bool yes);
/* A move that blocks, with record 0, in the faulting domain. */
struct dsa_desc blocking(uint32_t size);

int setup(void **state);
int teardown(void **state);

#endif /* TESTS_DEVICES_DSA_RIG_H */

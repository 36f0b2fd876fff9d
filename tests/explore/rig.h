/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explore/rig.h - what the scenarios stand on
 *
 * One instance, one device in one group; scenarios use the slot of the RID, unless
 * they say otherwise.  Handles and domains carry a magic number until they are
 * freed, and know how often they were.
 */
#ifndef EXPLORE_RIG_H
#define EXPLORE_RIG_H

#include <uiommu/dma.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

#include "core/core.h"
#include "explore/explore.h"
#include "iopf/iopf.h"

#define RIG_MAGIC 0x600df00du

struct rig_handle {
	struct uiommu_attach_handle handle;
	uint32_t magic;
};

struct rig_domain {
	struct uiommu_domain domain;
	uint32_t magic;
};

/* What happened, counted without being a point. */
struct rig {
	struct uiommu *ctx;
	struct uiommu_device *dev;
	struct uiommu_group *group;
	unsigned int drained;
	unsigned int released;
	unsigned int domains_freed;
	unsigned int handled;	/* groups that a handler was given */
	unsigned int responses; /* that the device was given */
	enum uiommu_page_response_code code;
	void (*on_response)(void); /* what the device does when it has one */
	/* Atomic.  1: nothing is attached, so there is no DMA; else an address that was unmapped. */
	uint32_t gone;
};

extern struct rig rig;

/* Two owners; what they embed is a rig_handle each time. */
extern const struct uiommu_handle_ops rig_owner;
extern const struct uiommu_handle_ops rig_other_owner;

void rig_setup(void);
/* Detaches, unregisters if need be, and checks that everything balances. */
void rig_finish(void);

struct uiommu_attach_handle *rig_handle(const struct uiommu_handle_ops *ops);
struct uiommu_domain *rig_domain(int (*handler)(struct uiommu_iopf_group *group));
/* A new handle and a new domain, which only the handle keeps. */
struct uiommu_attach_handle *rig_attach(const struct uiommu_handle_ops *ops,
					int (*handler)(struct uiommu_iopf_group *group));
void rig_replace(int (*handler)(struct uiommu_iopf_group *group));
void rig_detach(void);
void rig_report(uint32_t grpid);

/* Everything that a reference promises can be used: the owner's data, the domain. */
void rig_check_handle(struct uiommu_attach_handle *handle);

/* A flag that one thread sets and another waits for. */
void rig_set(uint32_t *flag);
void rig_wait(uint32_t *flag);

#endif /* EXPLORE_RIG_H */

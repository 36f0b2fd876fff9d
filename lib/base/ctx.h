/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/ctx.h - struct uiommu, an instance
 *
 * Each room keeps its own part of an instance in a structure of its own; here
 * are only the pointers to them and what all rooms share.  lib/instance.c, on
 * top, makes and unmakes the parts in order.
 */
#ifndef UI_BASE_CTX_H
#define UI_BASE_CTX_H

#include <uiommu/uiommu.h>
#include <urcu/list.h>

#include "base/quiesce.h"
#include "base/sync.h"

struct core_state;
struct pci_state;
struct vfio_state;
struct idxd_state;
struct iommufd_state;
struct mock_state;
struct sva_state;
struct uiommu_mm;
struct mm_charges;
struct iopt_pinset;
struct iopt;

/* What uiommu_get_counts() reports; each an atomic. */
struct ui_counts {
	uint64_t devices;
	uint64_t groups;
	uint64_t domains;
	uint64_t handles;
	uint64_t files;
	uint64_t objects;
	uint64_t areas;
	uint64_t faults_reported;
	uint64_t faults_answered;
	uint64_t groups_open;
};

#define UI_PINSETS 64

/*
 * Locks: nodes_lock is innermost.
 *  host, opaque, event		immutable
 *  readers			own lock, see base/quiesce.h
 *  counts			atomics
 *  maps			atomic; how many were ever made, which numbers them
 *  nodes			nodes_lock
 *  iopts, changes		iopts_lock, which comes before each iopt->lock
 *  pinsets	pinsets_lock, which comes after each iopt->lock; see iopt/charge.c
 *  core, sva, pci, vfio, idxd, iommufd, self_mm, charges	immutable between create and destroy
 *  mock			as those, once there is one
 */
struct uiommu {
	const struct uiommu_host_ops *host;
	void *opaque;
	void (*event)(void *opaque, const struct uiommu_event *event);

	struct ui_readers readers;
	struct ui_counts counts;
	uint64_t maps;

	struct ui_mutex nodes_lock;
	struct cds_list_head nodes;

	struct ui_mutex iopts_lock;
	struct iopt *iopts;
	uint64_t changes; /* of memory, so far */

	struct ui_mutex pinsets_lock;
	struct iopt_pinset *pinsets[UI_PINSETS];

	struct core_state *core;
	struct sva_state *sva;
	struct pci_state *pci;
	struct vfio_state *vfio;
	struct idxd_state *idxd;
	struct iommufd_state *iommufd;
	struct mock_state *mock;
	struct uiommu_mm *self_mm;
	struct mm_charges *charges;
};

static inline void ui_count_inc(uint64_t *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

/* What it was before. */
static inline uint64_t ui_count_next(uint64_t *count)
{
	return __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static inline void ui_count_dec(uint64_t *count)
{
	__atomic_fetch_sub(count, 1, __ATOMIC_RELAXED);
}

/* Events, see struct uiommu_event. */
void ui_event(struct uiommu *ctx, const struct uiommu_event *event);
/* A line of type NOTE, printf-like, cut at 200 characters. */
void ui_note(struct uiommu *ctx, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* UI_BASE_CTX_H */

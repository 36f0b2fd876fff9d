/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/engine.h - the one struct uiommu of this process
 *
 * All calls are between shim_enter() and shim_leave().
 */
#ifndef SHIM_ENGINE_H
#define SHIM_ENGINE_H

#include <uiommu/uiommu.h>

/* open() of a node: starts the engine if need be.  A descriptor or -errno. */
int engine_open(const char *node, int flags);
/* The engine is there: 0 or -errno. */
int engine_start(void);
/* The memory that the client's pointers are in; the engine was started. */
struct uiommu_mm *engine_mm(void);

/* NULL: none was started here. */
struct uiommu *engine_ctx(void);
/* 0; -EBADF: nothing is open there; -EINVAL: something else. */
int engine_is_eventfd(int fd);
/* Of the engine, or of none: how many areas DMA has.  See uiommu_mm_areas(). */
extern const uint64_t *engine_areas;

/* The run's file of uiommu_charges_share(), opened with @flags; -1: there is none. */
int engine_charges(int flags);

void engine_fork_prepare(void);
void engine_fork_parent(void);
void engine_fork_child(void);
/* At exit, no other thread being left. */
void engine_stop(void);

#endif /* SHIM_ENGINE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_region.h - which addresses are trapped, and by which mapping
 */
#ifndef SHIM_TRAP_REGION_H
#define SHIM_TRAP_REGION_H

#include <stdbool.h>
#include <stdint.h>
#include <uiommu/file.h>

struct region;

/*
 * What was found, on the finder's stack; region keeps the mapping alive until
 * region_put().
 *  start, end	all of it
 *  offset	of start, in the mapping
 */
struct region_ref {
	struct region *region;
	struct uiommu_mapping *mapping;
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	int prot;
};

/* Takes no lock; async-signal-safe. */
bool region_find(uint64_t addr, struct region_ref *ref);
void region_put(const struct region_ref *ref);
/* Is the byte memory that needn't trap?  Then it doesn't any more: try again. */
bool region_open(const struct region_ref *ref, uint64_t addr);
/* Was it trapped a while ago?  May say yes for an address that never was ours again. */
bool region_was(uint64_t addr);
/* Is another thread between forgetting a range and what takes its place? */
bool region_leaving(void);
/* Differs from before if a range was added or forgotten since. */
uint64_t region_changes(void);

#endif /* SHIM_TRAP_REGION_H */

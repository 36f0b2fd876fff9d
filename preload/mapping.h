/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/mapping.h - mappings of our files, wherever their engine is
 */
#ifndef SHIM_MAPPING_H
#define SHIM_MAPPING_H

#include <stddef.h>
#include <stdint.h>

struct shim_file;
struct uiommu_mapping;

/*
 * What mmap() of @sf gives, with a reference; 0 or -errno.  It stays usable in forked
 * children, as long as they have a descriptor of the file at its first use there.
 * Between shim_enter() and shim_leave().
 */
int mapping_create(struct shim_file *sf, int prot, int flags, uint64_t offset, size_t length,
		   struct uiommu_mapping **out);

/*
 * The library's own, behind one of these that the caller holds: with a reference.  NULL: it's
 * another process's.  Between shim_enter() and shim_leave().
 */
struct uiommu_mapping *mapping_local(const struct uiommu_mapping *mapping);

/* In a forked child: all that is mapped is another process's. */
void mapping_fork_child(void);

#endif /* SHIM_MAPPING_H */

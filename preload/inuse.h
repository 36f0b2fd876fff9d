/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/inuse.h - what processes of a run know of each other's devices
 */
#ifndef SHIM_INUSE_H
#define SHIM_INUSE_H

#include <stdbool.h>
#include <stddef.h>

/* All of it between shim_enter() and shim_leave(), but for inuse_clients(). */

struct uiommu_file;

/*
 * The engine's end @fd of a file: as long as it is open, all processes know that the device
 * is in use, if it is a device's.  0; -EBUSY: it is one that may be open once only, and
 * another process has it.
 */
int inuse_claim(int fd, const struct uiommu_file *file);
/*
 * The process of each file that is open; one may come several times.  Until @each says true, which
 * is then the answer.
 */
bool inuse_each(const char *device, bool (*each)(const char *device, int pid, void *arg),
		void *arg);
/* Has anybody it open? */
bool inuse_by_any(const char *device);
/* Who has it open in this process is asked by the descriptor @eventfd, -1: isn't any more. */
void inuse_publish(const char *device, int eventfd);
/* A descriptor of the engine's, maybe such an eventfd, has another number. */
void inuse_moved(int from, int to);
/* A container of this process has the group, "group-0", or has it not any more. */
void inuse_own(const char *group, bool owned);
/* Has one of any process? */
bool inuse_owned(const char *group);
/* All who have it open are asked to release it. */
void inuse_request(const char *device);
/* As uiommu_tree_driver(). */
int inuse_driver(const char *device, char *name, size_t size);
/* Its config space, for all who look into the tree. */
void inuse_config(const char *device, const void *bytes, size_t size);
/* As uiommu_tree_config_kept(). */
int inuse_config_kept(const char *device, void *bytes, size_t size);
/* As uiommu_tree_state() and uiommu_tree_attribute(). */
int inuse_state(const char *device, void *bytes, size_t size);
void inuse_attribute(const char *device, const char *name, const char *text, size_t size);
/*
 * A file of the tree is about to be opened, @name as the client says it, @use in @dir as it's
 * found: if it says how often queues are open, it says so now.
 */
void inuse_clients(const char *name, int dir, const char *use);

#endif /* SHIM_INUSE_H */

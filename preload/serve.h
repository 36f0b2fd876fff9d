/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/serve.h - the engine's process, for those that hold its descriptors elsewhere
 */
#ifndef SHIM_SERVE_H
#define SHIM_SERVE_H

#include <stdbool.h>

struct shim_file;
struct uiommu_file;
struct uiommu_mm;

/*
 * Another process may be about to get a descriptor of ours: from now on somebody must
 * listen.  Nothing happens in a process without open files of its engine.
 */
void serve_share(void);

/* As serve_share(), for an eventfd that somebody may write to; -errno. */
int serve_listen(void);

/* The engine's end of a file was made; is about to be closed.  Under the table's lock. */
void serve_watch(struct shim_file *sf);
void serve_unwatch(struct shim_file *sf);

/*
 * Host operations on descriptors of the process that is being served; called from
 * inside its call.
 */
struct uiommu_file *serve_fget(struct uiommu_mm *of, int fd);
int serve_install(struct uiommu_mm *of, struct uiommu_file *file, bool cloexec);
void serve_uninstall(struct uiommu_mm *of, int fd);
void *serve_eventfd(struct uiommu_mm *of, int fd);

void serve_fork_child(void);
/* At exit: no thread of ours is left.  Was there one? */
bool serve_stop(void);

#endif /* SHIM_SERVE_H */

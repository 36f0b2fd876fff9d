/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci/tree.h - the tree of /sys and /dev on disk, from the inside
 */
#ifndef UI_PCI_TREE_H
#define UI_PCI_TREE_H

#include <stdio.h>
#include <sys/types.h>

#include "base/ctx.h"

/*
 * A tree that is being written.  rc is the first error: after it every
 * step is skipped, so that callers needn't look until the end.  own: see tree_own().
 */
struct tree {
	struct uiommu *ctx;
	int rootfd;
	FILE *manifest;
	FILE *own;
	int rc;
};

void tree_fail(struct tree *tree, int rc);
/*
 * While a driver writes what it has of a function (struct pci_driver): "sys/..." or "dev/..."
 * goes when the function is unbound from it, and comes again (vfio/own.c).
 */
void tree_own(struct tree *tree, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes "sys/bus/pci" and what leads to it, and opens it; -1 after an error. */
int tree_dir(struct tree *tree, const char *path);
void tree_close(int fd);
void tree_bytes(struct tree *tree, int dir, const char *name, mode_t mode, const void *bytes,
		size_t length);
void tree_file(struct tree *tree, int dir, const char *name, mode_t mode, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* An empty file that seems to have @size bytes. */
void tree_sized(struct tree *tree, int dir, const char *name, mode_t mode, uint64_t size);
/* What is there already stays: ours is made before the host's. */
void tree_link(struct tree *tree, int dir, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * In the folder "sys/" + @path: a link to "sys/" + the rest, with as many ".." as it
 * takes.
 */
void tree_link_from(struct tree *tree, const char *path, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Links for what the host has in "/" + @path and we haven't. */
void tree_merge_host(struct tree *tree, const char *path);

#endif /* UI_PCI_TREE_H */

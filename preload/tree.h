/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/tree.h - the names that the tree of `uiommu run` has
 */
#ifndef SHIM_TREE_H
#define SHIM_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * struct tree_place - what an absolute name is in the tree
 * @found: a device, or the tree's file or folder, and not the host's
 * @node: a device of this number
 * @listing: a folder whose listing alone is the tree's
 * @folder: if it's a folder, names relative to it may be ours
 */
struct tree_place {
	bool found;
	bool node;
	bool listing;
	bool folder;
	dev_t rdev;
};

/* The manifest is read, now or before; false: it can't be.  Keeps errno; takes no lock. */
bool tree_ready(void);

/* These want tree_ready().  @name is absolute, without "//", "." and "..". */
void tree_find(const char *name, struct tree_place *place);
/* How many folders up from @name names of the tree begin; 0: right there. */
unsigned int tree_above(const char *name);

/*
 * Could @path, absolute and as a client gave it, be in the tree, or lead to it by ".."?  False
 * costs a compare or two for each byte; true may be wrong.  At any time.
 */
bool tree_maybe(const char *path);

#endif /* SHIM_TREE_H */

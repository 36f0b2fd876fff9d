/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/path.h - which paths lead to the tree of `uiommu run`
 *
 * Path by path: what the manifest names is taken from the tree, everything else is
 * the host's.  A path is never resolved here: the kernel does that, in the tree, whose
 * links are relative, or absolute where they lead back to the host.
 */
#ifndef SHIM_PATH_H
#define SHIM_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "fdtable.h"
#include "real.h"
#include "tree.h"

/* What is longer isn't ours; threads have small stacks. */
#define PATH_ROOM 1024

enum path_kind {
	PATH_HOST, /* not ours */
	PATH_NODE, /* a character device */
	PATH_TREE, /* a file or folder of the tree */
};

/*
 * struct path - what a path that a client gave means
 * @kind: see there
 * @status: a file of the host that is to be passed on by status_opened()
 * @folder: if it's a folder, names relative to it may be ours
 * @listing: a folder whose listing alone is the tree's
 * @dir, @use: what to give to the real function; of a node, its empty file
 * @name: absolute, as the client says it; "" if it isn't known
 * @rdev: of a node
 * @buf: @use and @name, if they aren't the client's
 */
struct path {
	enum path_kind kind;
	bool status;
	bool folder;
	bool listing;
	int dir;
	const char *use;
	const char *name;
	dev_t rdev;
	char buf[PATH_ROOM + PATH_ROOM / 2];
};

extern bool path_active; /* set by the constructor */
/*
 * How many ".." lead from the working folder to one where our names begin, "/" if to none
 * other; 0: names right there may be ours.
 */
extern unsigned int path_cwd_up;
/* Could @path, which is relative to the working folder, be ours? */
bool path_from_cwd(const char *path);

/* Does it begin as only some absolute paths do?  So do "//" and "/.". */
extern const bool path_starts[256];
static inline bool path_special(const char *path)
{
	return path_starts[(unsigned char)path[1]];
}

/*
 * A few compares: false for nearly every path that isn't ours.  Only names that the tree has,
 * what /proc says of us, and those relative to a folder that we know, are looked at closer.
 */
static inline bool path_maybe(int dir, const char *path)
{
	if (shim_likely(!path_active) || !path || shim_bypass())
		return false;
	if (path[0] == '/')
		return path_special(path) && tree_maybe(path);
	if (dir == AT_FDCWD)
		return (!shim_likely(path_cwd_up) ||
			(path[0] == '.' && (path[1] == '.' || path[1] == '/'))) &&
		       path_from_cwd(path);
	return dir >= 0 && (fdtable_slot(dir) & FDTABLE_FOLDER);
}

/* From the constructor. */
void path_start(const char *run_dir);

/* The working folder was changed; it may have been by a program before us. */
void path_cwd_changed(void);
/* The same, where it can't be ours: asks the kernel only when somebody says "..". */
void path_cwd_elsewhere(void);
bool path_cwd_in_tree(void);

/* These need no shim_enter(), and keep errno. */
void path_resolve(int dir, const char *path, struct path *out);
/* Has only this folder's listing the tree's names?  It is absolute, and no link. */
bool path_is_listing(const char *name);
/* Before the names in a folder are read: those of the host may be others by now. */
void path_refresh(const struct path *path);
/* Of the tree's top: what is on another device isn't in the tree. */
int path_root_stat(struct stat *st);
/* Is its last component a link that leads back to the host's file of the same name? */
bool path_is_host_link(const struct path *path);
/*
 * Takes the tree's place off the start of @buf, which has @len bytes and no 0 at the
 * end.  Returns the new length.
 */
size_t path_strip(char *buf, size_t len);
/* The name that an open file of the tree has for the client; false, "": it isn't one. */
bool path_of_fd(int fd, char *buf, size_t size);
/* The name that any open file has for the client; false: too long, or none. */
bool path_name_of_fd(int fd, char *buf, size_t size);
/* The number in /proc/self/fd/N and its other spellings, of this process; or -1. */
int path_proc_fd(const char *path);
/* "/dev/iommu" -> its empty file in the tree */
bool path_twin(const char *name, char *buf, size_t size);

#endif /* SHIM_PATH_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fts_open() and its kin, written anew on top of our names, for libc's call none of them.
 * Only for walks that begin in the tree or above it; all others are libc's.
 *
 * Stored: all in the client's FTS, marked as ours by a bit in its options.  Folders are never
 * changed, as if the client had said FTS_NOCHDIR: fts_accpath is fts_path, which each
 * entry has a copy of.  What lies before the first root is an entry of FTS_INIT, whose
 * fts_link are the roots; their parent is an entry of FTS_ROOTPARENTLEVEL.
 */
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"
#include "shim.h"
#include "wrap.h"

#define OURS 0x40000000

typedef int (*fts_compare)(const FTSENT **, const FTSENT **);

/* The entry, its name and its path are one block. */
static FTSENT *entry_new(FTSENT *parent, const char *name)
{
	const char *above = parent && parent->fts_level >= FTS_ROOTLEVEL ? parent->fts_path : "";
	size_t len = strlen(name), up = strlen(above);
	FTSENT *entry = calloc(1, sizeof(*entry) + len + up + len + 3);
	char *path;

	if (!entry)
		return NULL;
	memcpy(entry->fts_name, name, len + 1);
	entry->fts_namelen = (unsigned short)len;
	path = entry->fts_name + len + 1;
	if (up) {
		memcpy(path, above, up);
		if (path[up - 1] != '/')
			path[up++] = '/';
	}
	memcpy(path + up, name, len + 1);
	entry->fts_path = path;
	entry->fts_accpath = path;
	entry->fts_pathlen = (unsigned short)(up + len);
	entry->fts_parent = parent;
	entry->fts_level = (short)(parent ? parent->fts_level + 1 : FTS_ROOTPARENTLEVEL);
	entry->fts_instr = FTS_NOINSTR;
	entry->fts_statp = malloc(sizeof(struct stat));
	if (!entry->fts_statp) {
		free(entry);
		return NULL;
	}
	memset(entry->fts_statp, 0, sizeof(struct stat));
	return entry;
}

static void entry_free(FTSENT *entry)
{
	if (entry)
		free(entry->fts_statp);
	free(entry);
}

static void list_free(FTSENT *entry)
{
	while (entry) {
		FTSENT *next = entry->fts_link;

		entry_free(entry);
		entry = next;
	}
}

/* fts_info, and what goes with it. */
static unsigned short look(const FTS *fts, FTSENT *entry, bool follow)
{
	struct stat *st = entry->fts_statp;
	FTSENT *up;

	if ((fts->fts_options & FTS_LOGICAL) ||
	    ((fts->fts_options & FTS_COMFOLLOW) && entry->fts_level == FTS_ROOTLEVEL))
		follow = true;
	if (wrap_do_fstatat(AT_FDCWD, entry->fts_path, st, follow ? 0 : AT_SYMLINK_NOFOLLOW)) {
		entry->fts_errno = errno;
		if (follow && errno == ENOENT &&
		    !wrap_do_fstatat(AT_FDCWD, entry->fts_path, st, AT_SYMLINK_NOFOLLOW)) {
			entry->fts_errno = 0;
			return FTS_SLNONE;
		}
		memset(st, 0, sizeof(*st));
		return FTS_NS;
	}
	entry->fts_dev = st->st_dev;
	entry->fts_ino = st->st_ino;
	entry->fts_nlink = st->st_nlink;
	if (!S_ISDIR(st->st_mode)) {
		if (fts->fts_options & FTS_NOSTAT)
			return FTS_NSOK;
		return S_ISLNK(st->st_mode) ? FTS_SL : S_ISREG(st->st_mode) ? FTS_F : FTS_DEFAULT;
	}
	if (entry->fts_level > FTS_ROOTLEVEL &&
	    (!strcmp(entry->fts_name, ".") || !strcmp(entry->fts_name, "..")))
		return FTS_DOT;
	for (up = entry->fts_parent; up && up->fts_level >= FTS_ROOTLEVEL; up = up->fts_parent) {
		if (up->fts_ino == st->st_ino && up->fts_dev == st->st_dev) {
			entry->fts_cycle = up;
			return FTS_DC;
		}
	}
	return FTS_D;
}

static FTSENT *sorted(const FTS *fts, FTSENT *list, size_t n)
{
	FTSENT **array, *entry;
	size_t i;

	if (!fts->fts_compar || n < 2)
		return list;
	array = calloc(n, sizeof(FTSENT *));
	if (!array)
		return list;
	for (i = 0, entry = list; entry; entry = entry->fts_link)
		array[i++] = entry;
	qsort(array, n, sizeof(FTSENT *), fts->fts_compar);
	for (i = 0; i < n; i++)
		array[i]->fts_link = i + 1 < n ? array[i + 1] : NULL;
	list = array[0];
	free(array);
	return list;
}

/* What is in the folder @up; NULL: nothing, or up->fts_errno says why it can't be read. */
static FTSENT *children(FTS *fts, FTSENT *up)
{
	DIR *dir = wrap_opendir(up->fts_path);
	FTSENT *list = NULL, **link = &list, *entry;
	struct dirent *dirent;
	size_t n = 0;

	if (!dir) {
		up->fts_errno = errno;
		return NULL;
	}
	while ((dirent = wrap_readdir(dir))) {
		if (!(fts->fts_options & FTS_SEEDOT) &&
		    (!strcmp(dirent->d_name, ".") || !strcmp(dirent->d_name, "..")))
			continue;
		entry = entry_new(up, dirent->d_name);
		if (!entry) {
			list_free(list);
			up->fts_errno = ENOMEM;
			list = NULL;
			break;
		}
		entry->fts_info = look(fts, entry, false);
		*link = entry;
		link = &entry->fts_link;
		n++;
	}
	closedir(dir);
	return list ? sorted(fts, list, n) : NULL;
}

/* ---- the interface ---- */

static bool walk_ours(char *const *roots)
{
	struct path to;

	for (; *roots; roots++) {
		if (!path_maybe(AT_FDCWD, *roots))
			continue;
		path_resolve(AT_FDCWD, *roots, &to);
		if (to.kind != PATH_HOST || to.folder)
			return true;
	}
	return false;
}

static FTS *open_ours(char *const *roots, int options, fts_compare cmp)
{
	FTS *fts = calloc(1, sizeof(*fts));
	FTSENT *parent = fts ? entry_new(NULL, "") : NULL;
	FTSENT *init = parent ? entry_new(parent, "") : NULL, **link;
	size_t n = 0;

	if (!init)
		goto out_free;
	fts->fts_options = options | OURS;
	fts->fts_compar = (int (*)(const void *, const void *))cmp;
	fts->fts_cur = init;
	init->fts_info = FTS_INIT;
	for (link = &init->fts_link; *roots; roots++, n++) {
		FTSENT *root = entry_new(parent, *roots);

		if (!root)
			goto out_list;
		root->fts_info = look(fts, root, false);
		if (root->fts_info == FTS_DOT)
			root->fts_info = FTS_D;
		*link = root;
		link = &root->fts_link;
	}
	init->fts_link = sorted(fts, init->fts_link, n);
	return fts;

out_list:
	list_free(init);
	init = NULL;
out_free:
	entry_free(init);
	entry_free(parent);
	free(fts);
	errno = ENOMEM;
	return NULL;
}

SHIM_WRAP(FTS *, fts_open, (char *const *roots, int options, fts_compare cmp))
{
	if ((options & ~FTS_OPTIONMASK) || !path_active || !walk_ours(roots))
		return real_fts_open(roots, options, cmp);
	return open_ours(roots, options, cmp);
}
SHIM_ALIAS(fts64_open, fts_open);

/* A folder that was told of before: its first child, or itself once more at its end. */
static FTSENT *go_down(FTS *fts, FTSENT *cur, int instr)
{
	FTSENT *first;

	if (instr == FTS_SKIP || ((fts->fts_options & FTS_XDEV) && cur->fts_dev != fts->fts_dev)) {
		list_free(fts->fts_child);
		fts->fts_child = NULL;
		cur->fts_info = FTS_DP;
		return cur;
	}
	first = fts->fts_child ? fts->fts_child : children(fts, cur);
	fts->fts_child = NULL;
	if (!first) {
		cur->fts_info = cur->fts_errno ? FTS_DNR : FTS_DP;
		return cur;
	}
	return first;
}

static FTSENT *read_next(FTS *fts)
{
	FTSENT *cur = fts->fts_cur, *next;
	int instr = cur->fts_instr;

	cur->fts_instr = FTS_NOINSTR;
	if (instr == FTS_AGAIN ||
	    (instr == FTS_FOLLOW && (cur->fts_info == FTS_SL || cur->fts_info == FTS_SLNONE))) {
		cur->fts_info = look(fts, cur, instr == FTS_FOLLOW);
		return cur;
	}
	if (cur->fts_info == FTS_D) {
		next = go_down(fts, cur, instr);
		if (next == cur)
			return cur;
	} else {
		next = cur->fts_link;
		if (!next)
			next = cur->fts_parent;
		if (next == cur->fts_parent)
			next->fts_info = FTS_DP;
		entry_free(cur);
	}
	if (next->fts_level == FTS_ROOTLEVEL && next->fts_info != FTS_DP)
		fts->fts_dev = next->fts_dev;
	return next;
}

SHIM_WRAP(FTSENT *, fts_read, (FTS * fts))
{
	FTSENT *cur;

	if (!(fts->fts_options & OURS))
		return real_fts_read(fts);
	while (fts->fts_cur) {
		cur = fts->fts_cur = read_next(fts);
		if (cur->fts_level == FTS_ROOTPARENTLEVEL) {
			entry_free(cur);
			fts->fts_cur = NULL;
			errno = 0;
			break;
		}
		if (cur->fts_instr == FTS_FOLLOW) {
			cur->fts_info = look(fts, cur, true);
			cur->fts_instr = FTS_NOINSTR;
		}
		if (cur->fts_instr != FTS_SKIP)
			return cur;
		/* Before it was told of: as if it weren't there. */
		cur->fts_info = FTS_NSOK;
	}
	return NULL;
}
SHIM_ALIAS(fts64_read, fts_read);

SHIM_WRAP(FTSENT *, fts_children, (FTS * fts, int instr))
{
	FTSENT *cur = fts->fts_cur;

	if (!(fts->fts_options & OURS))
		return real_fts_children(fts, instr);
	if (instr && instr != FTS_NAMEONLY) {
		errno = EINVAL;
		return NULL;
	}
	errno = 0;
	if (!cur || (cur->fts_info != FTS_INIT && cur->fts_info != FTS_D))
		return NULL;
	if (cur->fts_info == FTS_INIT)
		return cur->fts_link;
	list_free(fts->fts_child);
	fts->fts_child = children(fts, cur);
	return fts->fts_child;
}
SHIM_ALIAS(fts64_children, fts_children);

SHIM_WRAP(int, fts_set, (FTS * fts, FTSENT *entry, int instr))
{
	if (!(fts->fts_options & OURS))
		return real_fts_set(fts, entry, instr);
	if (instr && (instr < FTS_AGAIN || instr > FTS_SKIP)) {
		errno = EINVAL;
		return 1;
	}
	entry->fts_instr = (unsigned short)instr;
	return 0;
}
SHIM_ALIAS(fts64_set, fts_set);

SHIM_WRAP(int, fts_close, (FTS * fts))
{
	FTSENT *cur, *up;

	if (!(fts->fts_options & OURS))
		return real_fts_close(fts);
	list_free(fts->fts_child);
	for (cur = fts->fts_cur; cur; cur = up) {
		up = cur->fts_parent;
		list_free(cur);
	}
	free(fts);
	return 0;
}
SHIM_ALIAS(fts64_close, fts_close);

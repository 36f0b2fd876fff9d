/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * glob(): libc's, with our functions to look into folders.  A program that has its own ones
 * calls what it likes in them.
 */
#include <glob.h>
#include <stdbool.h>
#include <string.h>

#include "path.h"
#include "shim.h"
#include "wrap.h"

typedef int (*glob_error)(const char *path, int err);

static void *look_open(const char *name)
{
	return wrap_opendir(name);
}

static struct dirent *look_next(void *dir)
{
	return wrap_readdir(dir);
}

static void look_close(void *dir)
{
	closedir(dir);
}

static int look_lstat(const char *name, struct stat *st)
{
	return wrap_do_fstatat(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW);
}

static int look_stat(const char *name, struct stat *st)
{
	return wrap_do_fstatat(AT_FDCWD, name, st, 0);
}

/* A pattern isn't a path: its first name may stand for one of ours. */
static bool pattern_maybe(const char *pattern)
{
	if (pattern[0] != '/')
		return path_maybe(AT_FDCWD, pattern);
	return path_active && !shim_bypass() &&
	       (path_special(pattern) || strchr("*?[\\", pattern[1]));
}

SHIM_WRAP(int, glob, (const char *pattern, int flags, glob_error err, glob_t *out))
{
	glob_t old;
	int rc;

	if ((flags & GLOB_ALTDIRFUNC) || !pattern_maybe(pattern))
		return real_glob(pattern, flags, err, out);
	old = *out;
	out->gl_opendir = look_open;
	out->gl_readdir = look_next;
	out->gl_closedir = look_close;
	out->gl_lstat = look_lstat;
	out->gl_stat = look_stat;
	rc = real_glob(pattern, flags | GLOB_ALTDIRFUNC, err, out);
	out->gl_flags &= ~GLOB_ALTDIRFUNC;
	out->gl_opendir = old.gl_opendir;
	out->gl_readdir = old.gl_readdir;
	out->gl_closedir = old.gl_closedir;
	out->gl_lstat = old.gl_lstat;
	out->gl_stat = old.gl_stat;
	return rc;
}
SHIM_ALIAS(glob64, glob);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The working folder.  The kernel's own is in the tree if the client's is one that only the
 * tree has, so it goes through fork, exec and the calls that we don't see; what it is
 * called is told by us.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdtable.h"
#include "heap.h"
#include "path.h"
#include "shim.h"
#include "wrap.h"

static int changed(int rc)
{
	int saved = errno;

	/* A vfork() child has its own, and its parent's memory. */
	if (!rc && path_active && !shim_vforked)
		path_cwd_changed();
	errno = saved;
	return rc;
}

/*
 * Also for a vfork() child, who changes folders between its birth and its program.  Where
 * in /sys or /dev we are is wanted also if it isn't the tree, and links of /proc lead anywhere.
 */
static bool chdir_maybe(const char *path)
{
	return path && path_active && !shim_inside &&
	       (shim_vforked || (path[0] == '/' ? path_special(path) : path_maybe(AT_FDCWD, path)));
}

SHIM_WRAP(int, chdir, (const char *path))
{
	struct path to;
	int rc;

	if (!chdir_maybe(path)) {
		rc = real_chdir(path);
		if (!rc && !shim_vforked)
			path_cwd_elsewhere();
		return rc;
	}
	path_resolve(AT_FDCWD, path, &to);
	if (to.kind == PATH_NODE)
		return (int)shim_result(-ENOTDIR);
	/* The host's own, if it has it: names in it are looked at one by one anyway. */
	if (to.listing && !real_chdir(to.name))
		return changed(0);
	return changed(real_chdir(to.use));
}

SHIM_WRAP(int, fchdir, (int fd))
{
	int rc;

	/* All folders that our names begin in are known. */
	if (fdtable_slot(fd))
		return changed(real_fchdir(fd));
	rc = real_fchdir(fd);
	if (!rc && !shim_vforked)
		path_cwd_elsewhere();
	return rc;
}

/* ---- what it is called ---- */

static char *shown(char *cwd)
{
	if (cwd && path_active && path_cwd_in_tree() && !shim_inside)
		cwd[path_strip(cwd, strlen(cwd))] = '\0';
	return cwd;
}

/* In the tree its real name needs more room than the one that is shown. */
static char *current(char *buf, size_t size)
{
	char text[PATH_ROOM * 2];
	size_t len;

	if (!path_active || !path_cwd_in_tree() || shim_inside)
		return real_getcwd(buf, size);
	if (!real_getcwd(text, sizeof(text)))
		return NULL;
	len = strlen(shown(text)) + 1;
	if (!buf) {
		buf = size && size < len ? NULL : heap_of_client(size ? size : len);
		if (!buf)
			errno = size && size < len ? ERANGE : ENOMEM;
		return buf ? memcpy(buf, text, len) : NULL;
	}
	if (!size || size < len) {
		errno = size ? ERANGE : EINVAL;
		return NULL;
	}
	return memcpy(buf, text, len);
}

SHIM_WRAP(char *, getcwd, (char *buf, size_t size))
{
	return current(buf, size);
}

SHIM_WRAP(char *, __getcwd_chk, (char *buf, size_t size, size_t room))
{
	if (size > room)
		return real___getcwd_chk(buf, size, room);
	return current(buf, size);
}

SHIM_WRAP(char *, getwd, (char *buf))
{
	return current(buf, PATH_MAX);
}

SHIM_WRAP(char *, __getwd_chk, (char *buf, size_t room))
{
	if (room < PATH_MAX)
		return real___getwd_chk(buf, room);
	return current(buf, PATH_MAX);
}

SHIM_WRAP(char *, get_current_dir_name, (void))
{
	if (!path_active || path_cwd_up || shim_inside)
		return real_get_current_dir_name();
	return current(NULL, 0);
}

/* ---- of a child to come ---- */

SHIM_WRAP(int, posix_spawn_file_actions_addchdir_np,
	  (posix_spawn_file_actions_t * actions, const char *path))
{
	struct path to;

	if (!path_maybe(AT_FDCWD, path))
		return real_posix_spawn_file_actions_addchdir_np(actions, path);
	path_resolve(AT_FDCWD, path, &to);
	return real_posix_spawn_file_actions_addchdir_np(
		actions, to.kind == PATH_TREE && !to.listing ? to.use : path);
}

SHIM_WRAP(int, posix_spawn_file_actions_addopen,
	  (posix_spawn_file_actions_t * actions, int fd, const char *path, int flags, mode_t mode))
{
	struct path to;

	if (!path_maybe(AT_FDCWD, path))
		return real_posix_spawn_file_actions_addopen(actions, fd, path, flags, mode);
	path_resolve(AT_FDCWD, path, &to);
	return real_posix_spawn_file_actions_addopen(
		actions, fd, to.kind == PATH_TREE ? to.use : path, flags, mode);
}

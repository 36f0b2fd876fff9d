/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Functions that do one thing to one path, and only need the right one: of a node, its
 * empty file in the tree.
 */
#include <sys/inotify.h>

#include "path.h"
#include "shim.h"
#include "wrap.h"

/* @follow: the function follows a link at the path's end */
static void redirect(const char *name, bool follow, struct path *path)
{
	path_resolve(AT_FDCWD, name, path);
	if (!follow && path_is_host_link(path))
		path->use = path->name;
}

#define WRAP_PATH(ret, name, follow, params, args, redirected)                                     \
	SHIM_WRAP(ret, name, params)                                                               \
	{                                                                                          \
		struct path to;                                                                    \
                                                                                                   \
		if (!path_maybe(AT_FDCWD, path))                                                   \
			return real_##name args;                                                   \
		redirect(path, follow, &to);                                                       \
		return real_##name redirected;                                                     \
	}

WRAP_PATH(int, chmod, true, (const char *path, mode_t mode), (path, mode), (to.use, mode))
WRAP_PATH(int, chown, true, (const char *path, uid_t uid, gid_t gid), (path, uid, gid),
	  (to.use, uid, gid))
WRAP_PATH(int, lchown, false, (const char *path, uid_t uid, gid_t gid), (path, uid, gid),
	  (to.use, uid, gid))
WRAP_PATH(long, pathconf, true, (const char *path, int name), (path, name), (to.use, name))
WRAP_PATH(ssize_t, getxattr, true, (const char *path, const char *name, void *buf, size_t n),
	  (path, name, buf, n), (to.use, name, buf, n))
WRAP_PATH(ssize_t, lgetxattr, false, (const char *path, const char *name, void *buf, size_t n),
	  (path, name, buf, n), (to.use, name, buf, n))
WRAP_PATH(ssize_t, listxattr, true, (const char *path, char *buf, size_t n), (path, buf, n),
	  (to.use, buf, n))
WRAP_PATH(ssize_t, llistxattr, false, (const char *path, char *buf, size_t n), (path, buf, n),
	  (to.use, buf, n))
WRAP_PATH(int, setxattr, true,
	  (const char *path, const char *name, const void *buf, size_t n, int flags),
	  (path, name, buf, n, flags), (to.use, name, buf, n, flags))
WRAP_PATH(int, lsetxattr, false,
	  (const char *path, const char *name, const void *buf, size_t n, int flags),
	  (path, name, buf, n, flags), (to.use, name, buf, n, flags))
WRAP_PATH(int, removexattr, true, (const char *path, const char *name), (path, name),
	  (to.use, name))
WRAP_PATH(int, lremovexattr, false, (const char *path, const char *name), (path, name),
	  (to.use, name))
WRAP_PATH(int, inotify_add_watch, !(mask & IN_DONT_FOLLOW),
	  (int fd, const char *path, uint32_t mask), (fd, path, mask), (fd, to.use, mask))

SHIM_WRAP(int, name_to_handle_at,
	  (int dir, const char *path, struct file_handle *handle, int *mount, int flags))
{
	struct path to;

	if (!path_maybe(dir, path))
		return real_name_to_handle_at(dir, path, handle, mount, flags);
	path_resolve(dir, path, &to);
	if (!(flags & AT_SYMLINK_FOLLOW) && path_is_host_link(&to))
		to.use = to.name;
	return real_name_to_handle_at(to.dir, to.use, handle, mount, flags);
}

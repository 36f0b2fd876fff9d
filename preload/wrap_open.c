/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * open and its variants: nodes are opened in the engine, files of the tree in the tree.
 *
 * The files of the tree are plain ones, made to behave like sysfs's where clients
 * can tell: none can be made, and one without a write bit can't be written even by root, nor
 * read without one for reading.  What is written to them is for attr.c.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attr.h"
#include "channel.h"
#include "engine.h"
#include "fdtable.h"
#include "path.h"
#include "shim.h"
#include "status.h"
#include "wrap.h"

static int open_node(const struct path *path, int flags)
{
	struct shim_entry entry;
	int rc;

	if (flags & O_PATH)
		return (int)shim_errno(real_openat(AT_FDCWD, path->use, flags));
	if ((flags & O_DIRECTORY) || path->name[strlen(path->name) - 1] == '/')
		return -ENOTDIR;
	/* A device that isn't bound to vfio-pci has none. */
	if (real_access(path->use, F_OK))
		return -errno;
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	shim_enter(&entry);
	rc = engine_open(path->name, flags);
	shim_leave(&entry);
	return rc;
}

/* For writing.  @flags has no O_CREAT. */
static int open_attribute(const struct path *path, int flags)
{
	char name[PATH_ROOM];
	struct shim_entry entry;
	struct stat st, root;
	int fd;

	if (real_stat(path->use, &st))
		return -errno;
	/* A link may have led to the host's. */
	if (!S_ISREG(st.st_mode) || path_root_stat(&root) || root.st_dev != st.st_dev)
		return (int)shim_errno(real_openat(AT_FDCWD, path->use, flags));
	if (!(st.st_mode & 0222) || ((flags & O_ACCMODE) == O_RDWR && !(st.st_mode & 0444)))
		return -EACCES;
	fd = real_openat(AT_FDCWD, path->use, flags & ~(O_TRUNC | O_APPEND));
	if (fd < 0)
		return -errno;
	if (path_of_fd(fd, name, sizeof(name))) {
		shim_enter(&entry);
		fdtable_mark(fd, name, true);
		shim_leave(&entry);
	}
	return fd;
}

static int open_tree(const struct path *path, int flags)
{
	const char *use = path->use;
	struct stat st;

	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) {
		if ((flags & O_TMPFILE) == O_TMPFILE)
			return -EOPNOTSUPP;
		if (!real_lstat(use, &st)) {
			if (flags & O_EXCL)
				return -EEXIST;
		} else {
			return -EACCES;
		}
		flags &= ~O_CREAT;
	}
	/* A link that stands for the host's own folder or file must not seem to be one. */
	if ((flags & O_NOFOLLOW) && path_is_host_link(path))
		use = path->name;
	else if ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH))
		return open_attribute(path, flags);
	else if (!(flags & (O_PATH | O_DIRECTORY)) && !real_stat(use, &st) && S_ISREG(st.st_mode) &&
		 !(st.st_mode & 0444))
		return -EACCES;
	return (int)shim_errno(real_openat(AT_FDCWD, use, flags));
}

void wrap_mark_folder(int fd, const struct path *path)
{
	const char *name = path->name;
	char resolved[PATH_ROOM * 2];
	struct shim_entry entry;
	int saved = errno;

	if (!path->listing && path_name_of_fd(fd, resolved, sizeof(resolved)))
		name = resolved;
	errno = saved;
	shim_enter(&entry);
	fdtable_mark(fd, name, false);
	shim_leave(&entry);
}

/* /proc/self/fd/N of ours: opened anew, by its name.  1: none of ours. */
static int open_again(const char *name, int flags)
{
	int fd = (flags & (O_PATH | O_NOFOLLOW)) ? -1 : path_proc_fd(name);
	struct shim_entry entry;
	struct shim_file *sf;
	int rc = 1;

	if (fd < 0 || fdtable_foreign(fd))
		return 1;
	shim_enter(&entry);
	sf = fdtable_get(fd);
	if (sf) {
		channel_describe(sf);
		rc = sf->rdev ? engine_open(sf->name, flags) : -ENXIO;
		fdtable_put(sf);
	}
	shim_leave(&entry);
	return rc;
}

/* Is it a folder?  Names relative to it will have to be looked at. */
static bool is_folder(int fd, int flags)
{
	int saved = errno;
	struct stat st;
	bool folder = (flags & O_DIRECTORY) || (!real_fstat(fd, &st) && S_ISDIR(st.st_mode));

	errno = saved;
	return folder;
}

int wrap_do_openat(int dir, const char *name, int flags, mode_t mode)
{
	struct path path;
	int rc;

	rc = open_again(name, flags);
	if (rc != 1)
		return (int)shim_result(rc);
	path_resolve(dir, name, &path);
	path_refresh(&path);
	if (path.kind == PATH_HOST)
		rc = real_openat(path.dir, path.use, flags, mode);
	else if (path.kind == PATH_NODE)
		rc = (int)shim_result(open_node(&path, flags));
	else
		rc = (int)shim_result(open_tree(&path, flags));
	if (rc >= 0 && path.status)
		rc = status_opened(rc, flags);
	if (rc >= 0 && path.folder && is_folder(rc, flags))
		wrap_mark_folder(rc, &path);
	return rc;
}

/* Is there a mode among the arguments? */
static bool has_mode(int flags)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

SHIM_WRAP(int, open, (const char *path, int flags, ...))
{
	mode_t mode = 0;
	va_list ap;

	if (has_mode(flags)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (!path_maybe(AT_FDCWD, path))
		return real_open(path, flags, mode);
	return wrap_do_openat(AT_FDCWD, path, flags, mode);
}
SHIM_ALIAS(open64, open);
SHIM_ALIAS(__open, open);
SHIM_ALIAS(__open64, open);

/* What isn't in our folders may be in one of /proc. */
static int open_status_at(int dir, const char *path, int flags, mode_t mode)
{
	bool status = path_active && path && path[0] == 's' && !shim_bypass() &&
		      status_path_at(dir, path);
	int fd = real_openat(dir, path, flags, mode);

	return status && fd >= 0 ? status_opened(fd, flags) : fd;
}

SHIM_WRAP(int, openat, (int dir, const char *path, int flags, ...))
{
	mode_t mode = 0;
	va_list ap;

	if (has_mode(flags)) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	if (!path_maybe(dir, path))
		return open_status_at(dir, path, flags, mode);
	return wrap_do_openat(dir, path, flags, mode);
}
SHIM_ALIAS(openat64, openat);

/* Fortified calls without a mode; libc aborts a program that should have given one. */
SHIM_WRAP(int, __open_2, (const char *path, int flags))
{
	if (has_mode(flags) || !path_maybe(AT_FDCWD, path))
		return real___open_2(path, flags);
	return wrap_do_openat(AT_FDCWD, path, flags, 0);
}
SHIM_ALIAS(__open64_2, __open_2);

SHIM_WRAP(int, __openat_2, (int dir, const char *path, int flags))
{
	if (has_mode(flags) || !path_maybe(dir, path))
		return real___openat_2(dir, path, flags);
	return wrap_do_openat(dir, path, flags, 0);
}
SHIM_ALIAS(__openat64_2, __openat_2);

SHIM_WRAP(int, creat, (const char *path, mode_t mode))
{
	return wrap_open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
SHIM_ALIAS(creat64, creat);

/* ---- streams ---- */

/* The open flags that a mode of fopen() means; -1: malformed. */
static int stream_flags(const char *mode)
{
	int flags;

	switch (mode[0]) {
	case 'r':
		flags = O_RDONLY;
		break;
	case 'w':
		flags = O_WRONLY | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = O_WRONLY | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	if (strchr(mode, '+'))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (strchr(mode, 'x'))
		flags |= O_EXCL;
	if (strchr(mode, 'e'))
		flags |= O_CLOEXEC;
	return flags;
}

/* A stream on what our open() gives; also of a host's path, which then isn't ours. */
static FILE *stream_open(const char *name, const char *mode)
{
	int flags = stream_flags(mode);
	FILE *file;
	int fd;

	if (flags < 0)
		return real_fopen(name, mode);
	fd = wrap_do_openat(AT_FDCWD, name, flags, 0666);
	if (fd < 0)
		return NULL;
	file = fdopen(fd, mode);
	if (!file) {
		int saved = errno;

		wrap_close_fd(fd);
		errno = saved;
	}
	return file;
}

/* Only where the tree is; for the rest libc's own. */
static bool stream_ours(const char *name)
{
	struct path path;

	if (!path_maybe(AT_FDCWD, name))
		return false;
	path_resolve(AT_FDCWD, name, &path);
	return path.kind != PATH_HOST || path.status;
}

SHIM_WRAP(FILE *, fopen, (const char *name, const char *mode))
{
	if (!stream_ours(name))
		return real_fopen(name, mode);
	return stream_open(name, mode);
}
SHIM_ALIAS(fopen64, fopen);

SHIM_WRAP(FILE *, freopen, (const char *name, const char *mode, FILE *file))
{
	struct shim_entry entry;
	struct path path;
	FILE *again;

	/* Its old descriptor is closed, its number may be used again. */
	wrap_forget_fd(fileno_unlocked(file));
	if (!path_maybe(AT_FDCWD, name))
		return real_freopen(name, mode, file);
	path_resolve(AT_FDCWD, name, &path);
	again = real_freopen(path.kind == PATH_TREE ? path.use : name, mode, file);
	if (again && path.kind == PATH_TREE && mode[0] != 'r') {
		shim_enter(&entry);
		attr_adopt(fileno_unlocked(again));
		shim_leave(&entry);
	}
	return again;
}
SHIM_ALIAS(freopen64, freopen);

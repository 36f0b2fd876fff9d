/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links and whole paths, shown as the client would see them on a real machine: nothing
 * tells where the tree is.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "fdtable.h"
#include "heap.h"
#include "path.h"
#include "shim.h"
#include "wrap.h"

/* /proc/self/fd/N of ours: the node's path.  False: something else. */
static bool link_of_fd(int fd, char *buf, size_t size, size_t *len)
{
	struct shim_entry entry;
	struct shim_file *sf;

	if (fd < 0 || fdtable_foreign(fd))
		return false;
	shim_enter(&entry);
	sf = fdtable_get(fd);
	if (sf) {
		channel_describe(sf);
		*len = strlen(sf->name);
		if (*len > size)
			*len = size;
		memcpy(buf, sf->name, *len);
		fdtable_put(sf);
	}
	shim_leave(&entry);
	return sf;
}

/* A number, relative to a folder that turns out to be our own /proc/self/fd. */
static int number_in_proc_fd(int dir, const char *name)
{
	char link[32];
	char where[64];
	int saved = errno;
	ssize_t n;

	if (name[0] < '0' || name[0] > '9' || strlen(name) > 8 || dir < 0)
		return -1;
	if (!fdtable_slot(atoi(name)))
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = real_readlink(link, where, sizeof(where) - 16);
	errno = saved;
	if (n < 0)
		return -1;
	snprintf(where + n, sizeof(where) - (size_t)n, "/%s", name);
	return path_proc_fd(where);
}

static ssize_t read_link(int dir, const char *name, char *buf, size_t size)
{
	char text[PATH_ROOM * 2];
	struct path path;
	ssize_t rc;
	size_t len;

	if (link_of_fd(name[0] == '/' ? path_proc_fd(name) : number_in_proc_fd(dir, name), buf,
		       size, &len))
		return (ssize_t)len;
	path_resolve(dir, name, &path);
	if (path_is_host_link(&path))
		path.use = path.name;
	/* Into a buffer of our own: what is cut off may be what we take away. */
	rc = real_readlinkat(path.dir, path.use, text, sizeof(text));
	if (rc == (ssize_t)sizeof(text))
		return real_readlinkat(path.dir, path.use, buf, size);
	if (rc < 0)
		return rc;
	len = path_strip(text, (size_t)rc);
	if (len > size)
		len = size;
	memcpy(buf, text, len);
	return (ssize_t)len;
}

/* Also names relative to /proc/self/fd, which isn't a folder that we remember. */
static bool link_maybe(int dir, const char *name)
{
	return path_maybe(dir, name) || (path_active && name && name[0] >= '0' && name[0] <= '9' &&
					 dir >= 0 && !shim_bypass());
}

SHIM_WRAP(ssize_t, readlink, (const char *name, char *buf, size_t size))
{
	if (!path_maybe(AT_FDCWD, name) || !size)
		return real_readlink(name, buf, size);
	return read_link(AT_FDCWD, name, buf, size);
}

SHIM_WRAP(ssize_t, __readlink_chk, (const char *name, char *buf, size_t n, size_t size))
{
	if (n > size || !n || !path_maybe(AT_FDCWD, name))
		return real___readlink_chk(name, buf, n, size);
	return read_link(AT_FDCWD, name, buf, n);
}

SHIM_WRAP(ssize_t, readlinkat, (int dir, const char *name, char *buf, size_t size))
{
	if (!link_maybe(dir, name) || !size)
		return real_readlinkat(dir, name, buf, size);
	return read_link(dir, name, buf, size);
}

SHIM_WRAP(ssize_t, __readlinkat_chk, (int dir, const char *name, char *buf, size_t n, size_t size))
{
	if (n > size || !n || !link_maybe(dir, name))
		return real___readlinkat_chk(dir, name, buf, n, size);
	return read_link(dir, name, buf, n);
}

/* ---- whole paths ---- */

static char *real_path(const char *name, char *buf)
{
	struct path path;
	char *result;
	char text[64];
	size_t len;

	/* A number of ours leads to its node; an anonymous one to no path, as in Linux. */
	if (link_of_fd(path_proc_fd(name), text, sizeof(text) - 1, &len) && text[0] == '/') {
		text[len] = '\0';
		buf = buf ? buf : heap_of_client(strlen(text) + 1);
		return buf ? strcpy(buf, text) : NULL;
	}
	path_resolve(AT_FDCWD, name, &path);
	result = real_realpath(path.use, buf);
	/* Also of a host's path: /proc/self/fd/N, /proc/self/cwd. */
	if (result)
		result[path_strip(result, strlen(result))] = '\0';
	return result;
}

SHIM_WRAP(char *, realpath, (const char *name, char *buf))
{
	if (!path_maybe(AT_FDCWD, name))
		return real_realpath(name, buf);
	return real_path(name, buf);
}

SHIM_WRAP(char *, __realpath_chk, (const char *name, char *buf, size_t size))
{
	if (size < PATH_MAX || !path_maybe(AT_FDCWD, name))
		return real___realpath_chk(name, buf, size);
	return real_path(name, buf);
}

SHIM_WRAP(char *, canonicalize_file_name, (const char *name))
{
	return wrap_realpath(name, NULL);
}

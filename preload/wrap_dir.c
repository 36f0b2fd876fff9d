/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folders.  Those of the tree are real, so only two things need help: what is a link there and
 * stands for the host's own file or folder must not look like a link, and libc's functions
 * that read a whole folder don't call the names that we have.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fdtable.h"
#include "heap.h"
#include "path.h"
#include "shim.h"
#include "wrap.h"

static DIR *open_folder(const struct path *path)
{
	DIR *dir = real_opendir(path->use);

	if (dir && path->folder)
		wrap_mark_folder(dirfd(dir), path);
	return dir;
}

SHIM_WRAP(DIR *, opendir, (const char *name))
{
	struct path path;

	if (!path_maybe(AT_FDCWD, name))
		return real_opendir(name);
	path_resolve(AT_FDCWD, name, &path);
	path_refresh(&path);
	return open_folder(&path);
}

/* ---- entries ---- */

/* Of a folder of the tree: a link to the host's file of the same name is that file. */
static void settle_entry(int fd, const char *name, unsigned char *type, ino64_t *ino)
{
	char folder[PATH_ROOM], target[PATH_ROOM];
	struct shim_entry entry;
	struct stat st;
	size_t len;
	ssize_t n;
	bool known;

	shim_enter(&entry);
	known = fdtable_folder(fd, folder, sizeof(folder));
	n = known ? real_readlinkat(fd, name, target, sizeof(target) - 1) : -1;
	len = known ? strlen(folder) : 0;
	if (n > 0 && (size_t)n == len + 1 + strlen(name) && !memcmp(target, folder, len) &&
	    target[len] == '/' && !memcmp(target + len + 1, name, strlen(name))) {
		target[n] = '\0';
		*type = DT_UNKNOWN;
		if (!real_lstat(target, &st)) {
			*type = IFTODT(st.st_mode);
			*ino = st.st_ino;
		}
	}
	shim_leave(&entry);
}

static inline bool folder_of_ours(int fd)
{
	return shim_unlikely(fdtable_slot(fd) & FDTABLE_FOLDER) && !shim_bypass();
}

SHIM_WRAP(struct dirent *, readdir, (DIR * dir))
{
	struct dirent *entry = real_readdir(dir);

	if (entry && entry->d_type == DT_LNK && folder_of_ours(dirfd(dir)))
		settle_entry(dirfd(dir), entry->d_name, &entry->d_type, &entry->d_ino);
	return entry;
}
SHIM_ALIAS(readdir64, readdir);

SHIM_WRAP(int, readdir_r, (DIR * dir, struct dirent *entry, struct dirent **result))
{
	int rc = real_readdir_r(dir, entry, result);

	if (!rc && *result && entry->d_type == DT_LNK && folder_of_ours(dirfd(dir)))
		settle_entry(dirfd(dir), entry->d_name, &entry->d_type, &entry->d_ino);
	return rc;
}
SHIM_ALIAS(readdir64_r, readdir_r);

SHIM_WRAP(ssize_t, getdents64, (int fd, void *buf, size_t size))
{
	ssize_t n = real_getdents64(fd, buf, size);
	ssize_t at = 0;

	while (at < n && folder_of_ours(fd)) {
		struct dirent64 *entry = (struct dirent64 *)(void *)((char *)buf + at);

		if (entry->d_type == DT_LNK)
			settle_entry(fd, entry->d_name, &entry->d_type, &entry->d_ino);
		at += entry->d_reclen;
	}
	return n;
}

/* ---- all entries at once ---- */

typedef int (*scan_select)(const struct dirent *);
typedef int (*scan_compare)(const struct dirent **, const struct dirent **);

/* What the entries are in is closed at the end.  -1 with errno. */
static int scan(DIR *dir, struct dirent ***out, scan_select sel, scan_compare cmp)
{
	struct dirent **list = NULL, *entry;
	size_t n = 0, room = 0;
	int saved = errno;

	while ((entry = wrap_readdir(dir))) {
		struct dirent *copy;

		if (sel && !sel(entry))
			continue;
		if (n == room) {
			struct dirent **more =
				reallocarray(list, room ? room * 2 : 16, sizeof(struct dirent *));

			if (!more)
				goto out_free;
			list = more;
			room = room ? room * 2 : 16;
		}
		copy = heap_of_client(entry->d_reclen);
		if (!copy)
			goto out_free;
		list[n++] = memcpy(copy, entry, entry->d_reclen);
	}
	closedir(dir);
	if (cmp && n)
		qsort(list, n, sizeof(struct dirent *), (int (*)(const void *, const void *))cmp);
	*out = list ? list : heap_of_client(1);
	errno = saved;
	return (int)n;

out_free:
	while (n)
		free(list[--n]);
	free(list);
	closedir(dir);
	errno = ENOMEM;
	return -1;
}

SHIM_WRAP(int, scandirat,
	  (int at, const char *name, struct dirent ***list, scan_select sel, scan_compare cmp))
{
	struct path path;
	DIR *dir;

	if (!path_maybe(at, name))
		return real_scandirat(at, name, list, sel, cmp);
	path_resolve(at, name, &path);
	if (path.kind == PATH_HOST)
		return real_scandirat(path.dir, path.use, list, sel, cmp);
	path_refresh(&path);
	dir = open_folder(&path);
	return dir ? scan(dir, list, sel, cmp) : -1;
}
SHIM_ALIAS(scandirat64, scandirat);

SHIM_WRAP(int, scandir,
	  (const char *name, struct dirent ***list, scan_select sel, scan_compare cmp))
{
	if (!path_maybe(AT_FDCWD, name))
		return real_scandir(name, list, sel, cmp);
	return wrap_scandirat(AT_FDCWD, name, list, sel, cmp);
}
SHIM_ALIAS(scandir64, scandir);

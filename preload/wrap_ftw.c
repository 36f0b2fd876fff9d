/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ftw() and nftw(), written anew on top of our names, for libc's call none of them.  Only for
 * walks that begin in the tree or above it; all others are libc's.
 *
 * A folder is read to its end before the walk goes into it, so no more than one is open at
 * a time, whatever the client allows.
 */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "path.h"
#include "shim.h"
#include "wrap.h"

#ifndef FTW_ACTIONRETVAL
#define FTW_ACTIONRETVAL 16
#define FTW_CONTINUE 0
#define FTW_STOP 1
#define FTW_SKIP_SUBTREE 2
#define FTW_SKIP_SIBLINGS 3
#endif

typedef int (*ftw_call)(const char *, const struct stat *, int);
typedef int (*nftw_call)(const char *, const struct stat *, int, struct FTW *);

/* A folder on the way down. */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
};

/*
 *  path	what the client is told; room for more behind it
 *  seen	folders that the walk has been to, where it follows links
 */
struct walk {
	ftw_call old;
	nftw_call fn;
	int flags;
	dev_t dev;
	char *path;
	size_t room;
	struct level *seen;
	size_t n_seen;
};

static int tell(struct walk *walk, const struct stat *st, int type, int base, int level)
{
	struct FTW ftw = {.base = base, .level = level};

	if (walk->fn)
		return walk->fn(walk->path, st, type, &ftw);
	/* ftw() knows no other types. */
	return walk->old ? walk->old(walk->path, st, type == FTW_SLN ? FTW_NS : type) : -1;
}

/* With links followed, each folder once. */
static int first_time(struct walk *walk, const struct stat *st)
{
	struct level *more;
	size_t i;

	if (walk->flags & FTW_PHYS)
		return 1;
	for (i = 0; i < walk->n_seen; i++) {
		if (walk->seen[i].dev == st->st_dev && walk->seen[i].ino == st->st_ino)
			return 0;
	}
	more = reallocarray(walk->seen, walk->n_seen + 1, sizeof(*more));
	if (!more)
		return -1;
	walk->seen = more;
	more[walk->n_seen++] = (struct level){.dev = st->st_dev, .ino = st->st_ino};
	return 1;
}

/* @name behind the path, which has @len characters. */
static int path_add(struct walk *walk, size_t len, const char *name)
{
	size_t want = len + strlen(name) + 2;

	if (want > walk->room) {
		char *more = realloc(walk->path, want * 2);

		if (!more)
			return -1;
		walk->path = more;
		walk->room = want * 2;
	}
	if (len && walk->path[len - 1] != '/')
		walk->path[len++] = '/';
	strcpy(walk->path + len, name);
	return 0;
}

static int visit(struct walk *walk, int base, int level);

/* The names in the folder, one after the other, each with a 0; NULL: it can't be read. */
static char *names_in(const char *path, size_t *size)
{
	DIR *dir = wrap_opendir(path);
	char *names = NULL;
	struct dirent *entry;
	FILE *out;

	if (!dir)
		return NULL;
	out = open_memstream(&names, size);
	while (out && (entry = wrap_readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			fwrite(entry->d_name, strlen(entry->d_name) + 1, 1, out);
	}
	if (out)
		fclose(out);
	closedir(dir);
	return names;
}

static int enter(struct walk *walk, const struct stat *st, int base, int level)
{
	size_t len = strlen(walk->path), size = 0, at;
	char *names = names_in(walk->path, &size);
	int rc = 0;

	if (!names)
		return errno == EACCES ? tell(walk, st, FTW_DNR, base, level) : -1;
	if (!(walk->flags & FTW_DEPTH))
		rc = tell(walk, st, FTW_D, base, level);
	if ((walk->flags & FTW_ACTIONRETVAL) && rc == FTW_SKIP_SUBTREE) {
		free(names);
		return 0;
	}
	if (!rc && (walk->flags & FTW_CHDIR))
		rc = wrap_chdir(walk->path);
	for (at = 0; !rc && at < size; at += strlen(names + at) + 1) {
		rc = path_add(walk, len, names + at);
		if (!rc)
			rc = visit(walk, (int)(strlen(walk->path) - strlen(names + at)), level + 1);
		walk->path[len] = '\0';
	}
	free(names);
	if ((walk->flags & FTW_ACTIONRETVAL) && rc == FTW_SKIP_SIBLINGS)
		rc = 0;
	if (!rc && (walk->flags & FTW_DEPTH))
		rc = tell(walk, st, FTW_DP, base, level);
	return rc;
}

/* The client may be in another folder by now, if it asked for that. */
static int look(struct walk *walk, struct stat *st)
{
	int follow = (walk->flags & FTW_PHYS) ? AT_SYMLINK_NOFOLLOW : 0;

	if (!wrap_do_fstatat(AT_FDCWD, walk->path, st, follow)) {
		if (S_ISDIR(st->st_mode))
			return FTW_D;
		return S_ISLNK(st->st_mode) ? FTW_SL : FTW_F;
	}
	if (errno != EACCES && errno != ENOENT)
		return -1;
	if (!follow && !wrap_do_fstatat(AT_FDCWD, walk->path, st, AT_SYMLINK_NOFOLLOW) &&
	    S_ISLNK(st->st_mode))
		return FTW_SLN;
	return FTW_NS;
}

static int visit(struct walk *walk, int base, int level)
{
	struct stat st = {0};
	int type = look(walk, &st);
	int first;

	if (type < 0)
		return -1;
	if (!level && type == FTW_NS)
		return -1; /* as libc: there is nothing to walk */
	if (!level)
		walk->dev = st.st_dev;
	if ((walk->flags & FTW_MOUNT) && type != FTW_NS && st.st_dev != walk->dev)
		return 0;
	if (type != FTW_D)
		return tell(walk, &st, type, base, level);
	first = first_time(walk, &st);
	return first > 0 ? enter(walk, &st, base, level) : first;
}

static int walk_from(const char *path, ftw_call old, nftw_call fn, int flags)
{
	struct walk walk = {.old = old, .fn = fn, .flags = flags};
	int cwd = (flags & FTW_CHDIR) ? open(".", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	size_t base = strlen(path);
	int saved, rc;

	while (base && path[base - 1] == '/')
		base--;
	while (base && path[base - 1] != '/')
		base--;
	rc = path_add(&walk, 0, path);
	if (!rc)
		rc = visit(&walk, (int)base, 0);
	if ((flags & FTW_ACTIONRETVAL) && (rc == FTW_SKIP_SUBTREE || rc == FTW_SKIP_SIBLINGS))
		rc = 0;
	saved = errno;
	if (cwd >= 0) {
		rc = fchdir(cwd) && !rc ? -1 : rc;
		close(cwd);
	}
	free(walk.path);
	free(walk.seen);
	errno = saved;
	return rc;
}

/* Does a walk from here come to the tree?  A relative one that changes folders can't be ours. */
static bool walk_ours(const char *path)
{
	struct path to;

	if (!path_maybe(AT_FDCWD, path))
		return false;
	path_resolve(AT_FDCWD, path, &to);
	return to.kind != PATH_HOST || to.folder;
}

SHIM_WRAP(int, ftw, (const char *path, ftw_call fn, int n))
{
	if (!walk_ours(path))
		return real_ftw(path, fn, n);
	return walk_from(path, fn, NULL, 0);
}
SHIM_ALIAS(ftw64, ftw);

SHIM_WRAP(int, nftw, (const char *path, nftw_call fn, int n, int flags))
{
	if (!walk_ours(path))
		return real_nftw(path, fn, n, flags);
	return walk_from(path, NULL, fn, flags);
}
SHIM_ALIAS(nftw64, nftw);

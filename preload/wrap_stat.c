/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a path or a descriptor is: stat, statfs and access in all their variants.
 *
 * A node has the owner and times of its empty file in the tree, and the type and number
 * of a character device.  A descriptor of ours says the same as its path.  An attribute has the
 * length that it has in sysfs.
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <uiommu/file.h>
#include <unistd.h>

#include "channel.h"
#include "fdtable.h"
#include "path.h"
#include "shim.h"
#include "wrap.h"

#define ATTR_SIZE 4096 /* a page */

static bool looks_attr(unsigned int mode)
{
	return shim_unlikely((mode & (S_IFMT | UIOMMU_TREE_ATTR)) == (S_IFREG | UIOMMU_TREE_ATTR));
}

/* Is it an attribute of the tree, whose file is as long as its text?  The client knows no such. */
static bool is_attr(unsigned int mode, dev_t dev)
{
	int saved = errno;
	struct stat root;
	bool is;

	is = looks_attr(mode) && !path_root_stat(&root) && root.st_dev == dev;
	errno = saved;
	return is;
}

/* @rc as the real function said. */
static int sized(int rc, struct stat *st)
{
	if (!rc && looks_attr(st->st_mode) && is_attr(st->st_mode, st->st_dev)) {
		st->st_mode &= ~(mode_t)UIOMMU_TREE_ATTR;
		st->st_blocks = 0;
		if (st->st_size < ATTR_SIZE)
			st->st_size = ATTR_SIZE;
	}
	return rc;
}

/* As Linux numbers files without a name: a mode of no type, and no device. */
static void stat_anonymous(struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = 0600;
	st->st_nlink = 1;
	st->st_blksize = 4096;
}

static int stat_node(const char *twin, dev_t rdev, struct stat *st)
{
	if (real_lstat(twin, st))
		return -errno;
	st->st_mode = S_IFCHR | 0600;
	st->st_rdev = rdev;
	st->st_size = 0;
	st->st_blocks = 0;
	return 0;
}

/* 1: not ours, ask the real one. */
static int stat_fd(int fd, struct stat *st)
{
	char twin[PATH_ROOM * 2];
	struct shim_entry entry;
	struct shim_file *sf;
	int rc = 1;

	if (fdtable_slot(fd) & FDTABLE_ENGINE)
		return -EBADF;
	shim_enter(&entry);
	sf = fdtable_get(fd);
	if (sf) {
		channel_describe(sf);
		rc = 0;
		if (!sf->rdev)
			stat_anonymous(st);
		else if (!path_twin(sf->name, twin, sizeof(twin)))
			rc = -ENOMEM;
		else
			rc = stat_node(twin, sf->rdev, st);
		fdtable_put(sf);
	}
	shim_leave(&entry);
	return rc;
}

/*
 * /proc/self/fd/N of ours is what N is, unless it's the link itself that is asked about.
 * Also fd = -1: none.
 */
static int proc_fd(const char *path, bool follow)
{
	int fd = follow ? path_proc_fd(path) : -1;
	uintptr_t slot = fd >= 0 ? fdtable_slot(fd) : 0;

	return slot && !(slot & FDTABLE_TAGS) ? fd : -1;
}

static bool host_has(const char *name)
{
	int saved = errno;
	struct stat st;
	bool has = !real_lstat(name, &st);

	errno = saved;
	return has;
}

/* 0, -errno, or 1: the real one is to be asked about path->dir, path->use. */
static int stat_path(int dir, const char *name, struct stat *st, bool follow, struct path *path)
{
	int fd = proc_fd(name, follow);

	path_resolve(dir, name, path);
	if (fd >= 0)
		return stat_fd(fd, st);
	if (path->kind == PATH_NODE)
		return stat_node(path->use, path->rdev, st);
	if ((!follow && path_is_host_link(path)) || (path->listing && host_has(path->name)))
		path->use = path->name;
	return 1;
}

/* An open folder of whose names only the listing is the tree's: what the host's is. */
static bool stat_listing(int fd, struct stat *st)
{
	char name[PATH_ROOM];
	struct shim_entry entry;
	bool done;

	if (shim_likely(!(fdtable_slot(fd) & FDTABLE_FOLDER)) || shim_bypass())
		return false;
	shim_enter(&entry);
	done = fdtable_folder(fd, name, sizeof(name)) && path_is_listing(name) &&
	       !real_stat(name, st);
	shim_leave(&entry);
	return done;
}

/* As stat_path(). */
static int stat_open(int fd, struct stat *st)
{
	if (fdtable_foreign(fd))
		return stat_listing(fd, st) ? 0 : 1;
	return stat_fd(fd, st);
}

/* As stat_path(). */
static int stat_at(int dir, const char *name, struct stat *st, int flags, struct path *path)
{
	path->dir = dir;
	path->use = name;
	if ((flags & AT_EMPTY_PATH) && name && !name[0] && fdtable_slot(dir) && !shim_bypass())
		return stat_open(dir, st);
	if (!path_maybe(dir, name))
		return 1;
	return stat_path(dir, name, st, !(flags & AT_SYMLINK_NOFOLLOW), path);
}

int wrap_do_fstat(int fd, struct stat *st)
{
	int rc = stat_open(fd, st);

	return rc == 1 ? sized(real_fstat(fd, st), st) : (int)shim_result(rc);
}

int wrap_do_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	struct path path;
	int rc = stat_at(dir, name, st, flags, &path);

	if (rc == 1)
		return sized(real_fstatat(path.dir, path.use, st, flags), st);
	return (int)shim_result(rc);
}

SHIM_WRAP(int, stat, (const char *path, struct stat *st))
{
	if (!path_maybe(AT_FDCWD, path))
		return sized(real_stat(path, st), st);
	return wrap_do_fstatat(AT_FDCWD, path, st, 0);
}
SHIM_ALIAS(stat64, stat);

SHIM_WRAP(int, lstat, (const char *path, struct stat *st))
{
	if (!path_maybe(AT_FDCWD, path))
		return sized(real_lstat(path, st), st);
	return wrap_do_fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}
SHIM_ALIAS(lstat64, lstat);

SHIM_WRAP(int, fstat, (int fd, struct stat *st))
{
	return wrap_do_fstat(fd, st);
}
SHIM_ALIAS(fstat64, fstat);

SHIM_WRAP(int, fstatat, (int dir, const char *path, struct stat *st, int flags))
{
	return wrap_do_fstatat(dir, path, st, flags);
}
SHIM_ALIAS(fstatat64, fstatat);

/*
 * What programs built for older libcs call; x86-64 has only version 1 of struct stat.  Each
 * goes on to its own kind: a library behind us (fakeroot's) may have stat() call these.
 */
SHIM_WRAP(int, __xstat, (int version, const char *name, struct stat *st))
{
	struct path path;
	int rc = stat_at(AT_FDCWD, name, st, 0, &path);

	return rc == 1 ? sized(real___xstat(version, path.use, st), st) : (int)shim_result(rc);
}
SHIM_ALIAS(__xstat64, __xstat);

SHIM_WRAP(int, __lxstat, (int version, const char *name, struct stat *st))
{
	struct path path;
	int rc = stat_at(AT_FDCWD, name, st, AT_SYMLINK_NOFOLLOW, &path);

	return rc == 1 ? sized(real___lxstat(version, path.use, st), st) : (int)shim_result(rc);
}
SHIM_ALIAS(__lxstat64, __lxstat);

SHIM_WRAP(int, __fxstat, (int version, int fd, struct stat *st))
{
	int rc = stat_open(fd, st);

	return rc == 1 ? sized(real___fxstat(version, fd, st), st) : (int)shim_result(rc);
}
SHIM_ALIAS(__fxstat64, __fxstat);

SHIM_WRAP(int, __fxstatat, (int version, int dir, const char *name, struct stat *st, int flags))
{
	struct path path;
	int rc = stat_at(dir, name, st, flags, &path);

	if (rc == 1)
		return sized(real___fxstatat(version, path.dir, path.use, st, flags), st);
	return (int)shim_result(rc);
}
SHIM_ALIAS(__fxstatat64, __fxstatat);

/* ---- statx ---- */

static struct statx_timestamp timestamp(struct timespec ts)
{
	return (struct statx_timestamp){.tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec};
}

static void statx_from_stat(struct statx *stx, const struct stat *st)
{
	memset(stx, 0, sizeof(*stx));
	stx->stx_mask = STATX_BASIC_STATS;
	stx->stx_blksize = (uint32_t)st->st_blksize;
	stx->stx_nlink = (uint32_t)st->st_nlink;
	stx->stx_uid = st->st_uid;
	stx->stx_gid = st->st_gid;
	stx->stx_mode = (uint16_t)st->st_mode;
	stx->stx_ino = st->st_ino;
	stx->stx_atime = timestamp(st->st_atim);
	stx->stx_ctime = timestamp(st->st_ctim);
	stx->stx_mtime = timestamp(st->st_mtim);
	stx->stx_rdev_major = major(st->st_rdev);
	stx->stx_rdev_minor = minor(st->st_rdev);
	stx->stx_dev_major = major(st->st_dev);
	stx->stx_dev_minor = minor(st->st_dev);
}

/* As sized(). */
static int statx_sized(int rc, struct statx *stx)
{
	if (!rc && looks_attr(stx->stx_mode) &&
	    is_attr(stx->stx_mode, makedev(stx->stx_dev_major, stx->stx_dev_minor))) {
		stx->stx_mode &= (uint16_t)~UIOMMU_TREE_ATTR;
		stx->stx_blocks = 0;
		if (stx->stx_size < ATTR_SIZE)
			stx->stx_size = ATTR_SIZE;
	}
	return rc;
}

SHIM_WRAP(int, statx, (int dir, const char *name, int flags, unsigned int mask, struct statx *stx))
{
	bool fd = (flags & AT_EMPTY_PATH) && (!name || !name[0]) && fdtable_slot(dir) &&
		  !shim_bypass();
	struct path path;
	struct stat st;
	int rc;

	if (!fd && !path_maybe(dir, name))
		return statx_sized(real_statx(dir, name, flags, mask, stx), stx);
	path.dir = dir;
	path.use = name;
	if (fd)
		rc = stat_listing(dir, &st) ? 0 : stat_fd(dir, &st);
	else
		rc = stat_path(dir, name, &st, !(flags & AT_SYMLINK_NOFOLLOW), &path);
	if (rc == 1)
		return statx_sized(real_statx(path.dir, path.use, flags, mask, stx), stx);
	if (!rc)
		statx_from_stat(stx, &st);
	return (int)shim_result(rc);
}

/* ---- file systems ---- */

static void statfs_as(struct statfs *st, const char *name)
{
	if (!strncmp(name, "/sys", 4))
		st->f_type = SYSFS_MAGIC;
	else if (!strncmp(name, "/dev", 4))
		st->f_type = TMPFS_MAGIC; /* which devtmpfs calls itself, too */
	else
		st->f_type = ANON_INODE_FS_MAGIC;
}

SHIM_WRAP(int, statfs, (const char *name, struct statfs *st))
{
	struct stat root, file;
	int saved = errno;
	struct path path;

	if (!path_maybe(AT_FDCWD, name))
		return real_statfs(name, st);
	path_resolve(AT_FDCWD, name, &path);
	if (real_statfs(path.use, st))
		return -1;
	/* A link in the tree may lead to the host's. */
	if (path.kind != PATH_HOST && !path_root_stat(&root) && !real_stat(path.use, &file) &&
	    root.st_dev == file.st_dev)
		statfs_as(st, name);
	errno = saved;
	return 0;
}
SHIM_ALIAS(statfs64, statfs);
SHIM_ALIAS(__statfs, statfs);

/* The name that an open file of the tree has for the client; false: it isn't one. */
static bool tree_name(int fd, char *name, size_t size)
{
	struct stat root, file;

	return !path_root_stat(&root) && !real_fstat(fd, &file) && root.st_dev == file.st_dev &&
	       path_of_fd(fd, name, size);
}

SHIM_WRAP(int, fstatfs, (int fd, struct statfs *st))
{
	char name[PATH_ROOM * 2];
	struct shim_entry entry;
	struct shim_file *sf;
	int saved = errno;
	bool ours = false;

	if (real_fstatfs(fd, st))
		return -1;
	if (!path_active || shim_bypass() || st->f_type == SYSFS_MAGIC ||
	    st->f_type == PROC_SUPER_MAGIC)
		return 0;
	shim_enter(&entry);
	sf = fdtable_get(fd);
	if (sf) {
		channel_describe(sf);
		ours = true;
		snprintf(name, sizeof(name), "%s", sf->name);
		fdtable_put(sf);
	} else {
		ours = tree_name(fd, name, sizeof(name));
	}
	shim_leave(&entry);
	if (ours)
		statfs_as(st, name);
	errno = saved;
	return 0;
}
SHIM_ALIAS(fstatfs64, fstatfs);

/* ---- access ---- */

/* Can the client open it so?  Nodes and files of the tree have their owner's rights. */
static int access_node(int mode)
{
	return (mode & X_OK) ? -EACCES : 0;
}

/* 1: ask the real one. */
static int access_path(int dir, const char *name, int mode, struct path *path)
{
	path_resolve(dir, name, path);
	if (path->kind == PATH_NODE && real_access(path->use, F_OK))
		return -errno;
	if (path->kind == PATH_NODE || proc_fd(name, true) >= 0)
		return access_node(mode);
	return 1;
}

SHIM_WRAP(int, access, (const char *name, int mode))
{
	struct path path;
	int rc;

	if (!path_maybe(AT_FDCWD, name))
		return real_access(name, mode);
	rc = access_path(AT_FDCWD, name, mode, &path);
	return rc == 1 ? real_access(path.use, mode) : (int)shim_result(rc);
}

SHIM_WRAP(int, euidaccess, (const char *name, int mode))
{
	struct path path;
	int rc;

	if (!path_maybe(AT_FDCWD, name))
		return real_euidaccess(name, mode);
	rc = access_path(AT_FDCWD, name, mode, &path);
	return rc == 1 ? real_euidaccess(path.use, mode) : (int)shim_result(rc);
}
SHIM_ALIAS(eaccess, euidaccess);

SHIM_WRAP(int, faccessat, (int dir, const char *name, int mode, int flags))
{
	struct path path;
	int rc;

	if (!path_maybe(dir, name))
		return real_faccessat(dir, name, mode, flags);
	rc = access_path(dir, name, mode, &path);
	return rc == 1 ? real_faccessat(path.dir, path.use, mode, flags) : (int)shim_result(rc);
}

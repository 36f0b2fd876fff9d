// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pci/treefile.c - files, links and folders of a tree
 *
 * Nothing is stored: a struct tree is its caller's.  Folders that the host has too are
 * brought up to date when somebody is about to list them (uiommu_tree_refresh()): a link
 * of the same name for what the host has, none for what it has no more.  Several processes
 * may do so at once, for each step is one that another may have done.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uiommu/file.h>

#include "pci/tree.h"

void tree_fail(struct tree *tree, int rc)
{
	if (!tree->rc)
		tree->rc = rc;
}

void tree_own(struct tree *tree, const char *fmt, ...)
{
	va_list args;

	if (!tree->own)
		return;
	va_start(args, fmt);
	vfprintf(tree->own, fmt, args);
	va_end(args);
	fputc('\n', tree->own);
}

/* Makes "sys/bus/pci" and what leads to it, and opens it; -1 after an error. */
int tree_dir(struct tree *tree, const char *path)
{
	char copy[160], *slash;
	int fd;

	if (tree->rc)
		return -1;
	snprintf(copy, sizeof(copy), "%s", path);
	if (mkdirat(tree->rootfd, copy, 0755) && errno == ENOENT) {
		for (slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			mkdirat(tree->rootfd, copy, 0755);
			*slash = '/';
		}
		mkdirat(tree->rootfd, copy, 0755);
	}
	fd = openat(tree->rootfd, copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		tree_fail(tree, -errno);
	return fd;
}

void tree_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void tree_bytes(struct tree *tree, int dir, const char *name, mode_t mode, const void *bytes,
		size_t length)
{
	int fd;

	if (tree->rc)
		return;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode | UIOMMU_TREE_ATTR);
	if (fd < 0 || (length && write(fd, bytes, length) != (ssize_t)length))
		tree_fail(tree, errno ? -errno : -ENOSPC);
	tree_close(fd);
}

void tree_file(struct tree *tree, int dir, const char *name, mode_t mode, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tree_bytes(tree, dir, name, mode, text, n < 0 ? 0 : (size_t)n);
}

/* What is there already stays: ours is made before the host's. */
void tree_link(struct tree *tree, int dir, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list args;

	if (tree->rc)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (symlinkat(text, dir, name) && errno != EEXIST)
		tree_fail(tree, -errno);
}

/* Links for what the host has in "/" + @path and we haven't. */
void tree_merge_host(struct tree *tree, const char *path)
{
	char host[160], text[512];
	struct dirent *entry;
	int dir = tree_dir(tree, path);
	DIR *d;

	snprintf(host, sizeof(host), "/%s", path);
	d = dir < 0 ? NULL : opendir(host);
	while (d && (entry = readdir(d))) {
		ssize_t n = -1;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (entry->d_type == DT_LNK)
			n = readlinkat(dirfd(d), entry->d_name, text, sizeof(text) - 1);
		if (n > 0) {
			text[n] = '\0';
			tree_link(tree, dir, entry->d_name, "%s", text);
		} else {
			tree_link(tree, dir, entry->d_name, "%s/%s", host, entry->d_name);
		}
	}
	if (d)
		closedir(d);
	tree_close(dir);
}

void tree_sized(struct tree *tree, int dir, const char *name, mode_t mode, uint64_t size)
{
	int fd;

	if (tree->rc)
		return;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	/* A file system that can't have it as large has it empty. */
	if (fd < 0 || (ftruncate(fd, (off_t)size) && errno != EFBIG))
		tree_fail(tree, -errno);
	tree_close(fd);
}

void tree_link_from(struct tree *tree, const char *path, const char *name, const char *fmt, ...)
{
	char target[256], up[64] = "../", folder[200];
	size_t length = 3;
	const char *p;
	va_list args;
	int dir;

	va_start(args, fmt);
	vsnprintf(target, sizeof(target), fmt, args);
	va_end(args);
	for (p = strchr(path, '/'); p && length + 4 < sizeof(up); p = strchr(p + 1, '/')) {
		memcpy(up + length, "../", 4);
		length += 3;
	}
	snprintf(folder, sizeof(folder), "sys/%s", path);
	dir = tree_dir(tree, folder);
	tree_link(tree, dir, name, "%s%s", up, target);
	tree_close(dir);
}

/* Takes away links to what the host had; ours lead somewhere. */
static void tree_forget_host(struct tree *tree, const char *path)
{
	char host[160];
	struct dirent *entry;
	struct stat st;
	int dir, there;
	DIR *d;

	snprintf(host, sizeof(host), "/%s", path);
	there = open(host, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dir = tree_dir(tree, path);
	d = dir < 0 ? NULL : fdopendir(dir);
	if (!d)
		tree_close(dir);
	while (d && (entry = readdir(d))) {
		if (entry->d_type == DT_LNK && fstatat(dirfd(d), entry->d_name, &st, 0) &&
		    fstatat(there, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d)
		closedir(d);
	tree_close(there);
}

void uiommu_tree_refresh(int dirfd, const char *path)
{
	struct tree tree = {.rootfd = -1};
	int saved = errno;

	tree.rootfd = openat(dirfd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (tree.rootfd >= 0 && path[0] == '/' && path[1]) {
		tree_forget_host(&tree, path + 1);
		tree_merge_host(&tree, path + 1);
		close(tree.rootfd);
	}
	errno = saved;
}

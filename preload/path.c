/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which paths lead to the tree.
 *
 * "..": the kernel takes it from where a link led, so it can't be collapsed in the text.
 * What stands before the first ".." is opened, and its own name takes its place. Only
 * names relative to a folder that we know need less: that name has no links in it.
 *
 * The working folder is the kernel's: one that only the tree has is the one in the tree, so
 * it is kept across fork and exec. Stored is how far it is below one where relative
 * names may be ours.
 */
#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uiommu/file.h>

#include "inuse.h"
#include "shim.h"
#include "status.h"
#include "tree.h"

bool path_active;
const bool path_starts[256] = {
	['d'] = true, ['s'] = true, ['p'] = true, ['/'] = true, ['.'] = true, ['\0'] = true};
/* Stored by whoever changed the working folder; one word, and good for skipping work only. */
unsigned int path_cwd_up = 1;
static bool cwd_is_root, cwd_in_tree;
static bool cwd_exact; /* path_cwd_up isn't just the least it can be */
/* root, root_len: immutable after the constructor. */
static char root[PATH_ROOM / 2]; /* "RUN/root" */
static size_t root_len;
static bool under(const char *path, const char *top)
{
	size_t len = strlen(top);

	return !strncmp(path, top, len) && (path[len] == '/' || !path[len]);
}

void path_start(const char *run_dir)
{
	root_len = (size_t)snprintf(root, sizeof(root), "%s/root", run_dir);
	path_active = root_len < sizeof(root);
	path_cwd_changed();
}

/* ---- the working folder ---- */

/* As the kernel has it; its length, or 0. */
static size_t kernel_cwd(char *buf, size_t size)
{
	long n;

	buf[0] = '\0';
	n = shim_syscall(SYS_getcwd, (long)buf, (long)size, 0, 0, 0, 0);
	return n > 1 && buf[0] == '/' ? (size_t)n - 1 : 0;
}

/* From the host's folder @cwd to one where our names begin, or to /. */
static unsigned int levels(const char *cwd)
{
	unsigned int up = 0;

	if (under(cwd, "/sys") || under(cwd, "/dev"))
		return tree_ready() ? tree_above(cwd) : 0;
	for (; *cwd; cwd++)
		up += *cwd == '/';
	return up;
}

void path_cwd_changed(void)
{
	char buf[PATH_ROOM * 2];
	size_t len, shown;
	unsigned int up = 0;

	if (!path_active)
		return;
	len = kernel_cwd(buf, sizeof(buf));
	shown = path_strip(buf, len);
	buf[shown] = '\0';
	cwd_in_tree = shown < len;
	cwd_is_root = shown == 1;
	if (!shown)
		up = UINT_MAX;
	else if (!cwd_in_tree && !cwd_is_root && !under(buf, "/proc"))
		up = levels(buf);
	__atomic_store_n(&cwd_exact, true, __ATOMIC_RELAXED);
	__atomic_store_n(&path_cwd_up, up, __ATOMIC_RELAXED);
}

void path_cwd_elsewhere(void)
{
	cwd_in_tree = false;
	cwd_is_root = false;
	__atomic_store_n(&cwd_exact, false, __ATOMIC_RELAXED);
	__atomic_store_n(&path_cwd_up, 1, __ATOMIC_RELAXED);
}

bool path_cwd_in_tree(void)
{
	return cwd_in_tree;
}

bool path_from_cwd(const char *path)
{
	unsigned int up;

	if (!__atomic_load_n(&cwd_exact, __ATOMIC_RELAXED)) {
		int saved = errno;

		path_cwd_changed();
		errno = saved;
	}
	up = __atomic_load_n(&path_cwd_up, __ATOMIC_RELAXED);
	if (!up)
		return path[0] && (!cwd_is_root || strchr("dsp.", path[0]));
	while (path[0] == '.') {
		size_t dots = path[1] == '.' ? 2 : 1;

		if (path[dots] && path[dots] != '/')
			return false;
		if (dots == 2 && !--up)
			return true;
		for (path += dots; *path == '/'; path++)
			;
	}
	return false;
}

/* ---- text ---- */

/* The name in the manifest. */
#define PATH_FAIL_NTH "/proc/thread-self/fail-nth"

/*
 * Copies @path without "//" and "/./".
 * *@dotdot: where in @out the first "/.." is, or NULL.  False: too long.
 */
static bool tidy(const char *path, char *out, size_t size, char **dotdot)
{
	char *end = out;

	*dotdot = NULL;
	while (*path) {
		size_t len;

		while (*path == '/')
			path++;
		len = strcspn(path, "/");
		if (len == 1 && path[0] == '.') {
			path++;
			continue;
		}
		if (len == 2 && path[0] == '.' && path[1] == '.' && !*dotdot)
			*dotdot = end;
		if (!len && end > out && end[-1] == '/')
			break;
		if ((size_t)(end - out) + len + 2 > size)
			return false;
		/* An empty last one keeps the slash that says "a folder". */
		*end++ = '/';
		memcpy(end, path, len);
		end += len;
		path += len;
	}
	if (end == out)
		*end++ = '/';
	*end = '\0';
	return true;
}

/* ---- what a path means ---- */

/* @name is tidy. */
static enum path_kind classify(const char *name, struct path *out)
{
	struct tree_place place;

	tree_find(name, &place);
	out->listing = place.listing;
	out->folder = place.folder;
	out->rdev = place.rdev;
	if (place.node)
		return PATH_NODE;
	return place.found ? PATH_TREE : PATH_HOST;
}

static void set_host(struct path *out, int dir, const char *path)
{
	out->kind = PATH_HOST;
	out->dir = dir;
	out->use = path;
}

static void set_tree(struct path *out, enum path_kind kind)
{
	out->kind = kind;
	out->dir = AT_FDCWD;
	out->use = out->buf;
}

/* Takes the last name off @buf. */
static void cut_last(char *buf)
{
	char *slash = strrchr(buf, '/');

	if (slash)
		*slash = '\0';
}

static bool base_of(int dir, char *buf, size_t size)
{
	struct shim_entry entry;
	bool known;
	size_t len;

	if (dir == AT_FDCWD) {
		len = path_strip(buf, kernel_cwd(buf, size));
		buf[len] = '\0';
		return len;
	}
	shim_enter(&entry);
	known = fdtable_folder(dir, buf, size);
	shim_leave(&entry);
	return known;
}

/* The client's path as an absolute one; false: none of ours. */
static bool absolute(int dir, const char *path, char *buf, size_t size)
{
	size_t len;

	if (path[0] == '/') {
		if (strlen(path) >= size)
			return false;
		strcpy(buf, path);
		return true;
	}
	if (!path[0] || !base_of(dir, buf, size))
		return false;
	while (path[0] == '.') {
		size_t dots = path[1] == '.' ? 2 : 1;

		if (path[dots] && path[dots] != '/')
			break;
		if (dots == 2)
			cut_last(buf);
		for (path += dots; *path == '/'; path++)
			;
	}
	len = strlen(buf);
	return (size_t)snprintf(buf + len, size - len, path[0] || !len ? "/%s" : "%s", path) <
	       size - len;
}

static bool ours(const char *name)
{
	return under(name, "/sys") || under(name, "/dev") || !strcmp(name, "/") ||
	       !strcmp(name, PATH_FAIL_NTH);
}

/* A number of one of ours, or the word for it: where it ends, or NULL. */
static const char *own_number(const char *p, pid_t number)
{
	char *end;

	return *p >= '1' && *p <= '9' && strtol(p, &end, 10) == number ? end : NULL;
}

/*
 * /proc/PID/task/TID/fail-nth of the calling thread is a node of the mock driver; what
 * it is called is too much for the manifest, which has one name for it.
 */
static void settle_fail_nth(char *name)
{
	static const char task[] = "/task/", file[] = "/fail-nth";
	size_t len = strlen(name);
	const char *p = name + 6;

	if (strncmp(name, "/proc/", 6) != 0 || len < sizeof(file) ||
	    strcmp(name + len - (sizeof(file) - 1), file) != 0)
		return;
	p = !strncmp(p, "self/", 5) ? p + 4 : own_number(p, getpid());
	if (!p || strncmp(p, task, sizeof(task) - 1) != 0)
		return;
	p = own_number(p + sizeof(task) - 1, gettid());
	/* No longer than the shortest that gets here. */
	if (p && !strcmp(p, file))
		strcpy(name, PATH_FAIL_NTH);
}

bool path_name_of_fd(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real_readlink(link, buf, size - 1);
	buf[n < 0 ? 0 : path_strip(buf, (size_t)n)] = '\0';
	return n > 0 && (size_t)n < size - 1 && buf[0] == '/';
}

/*
 * out->buf has a path with ".." at @dotdot in @name, its part behind the tree's place: each is
 * replaced by the parent of what stands before it.  False: there is no such folder.
 */
static bool settle_dotdot(struct path *out, char *name, size_t room, char *dotdot)
{
	char text[PATH_ROOM], rest[PATH_ROOM];
	int tries;

	for (tries = 0; dotdot && tries < 40; tries++) {
		int fd;

		snprintf(rest, sizeof(rest), "%s", dotdot + 3);
		*dotdot = '\0';
		text[0] = '\0';
		if (dotdot > name) {
			struct path before = {.folder = false};
			bool tree = ours(name) && classify(name, &before) == PATH_TREE &&
				    !before.listing;

			fd = real_open(tree ? out->buf : name, O_PATH | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				return false;
			tree = path_name_of_fd(fd, text, sizeof(text));
			real_close(fd);
			if (!tree)
				return false;
			cut_last(text);
		}
		if (strlen(text) + strlen(rest) + 2 > sizeof(text))
			return false;
		strcat(text, rest[0] ? rest : "/");
		if (!tidy(text, name, room, &dotdot))
			return false;
	}
	return !dotdot;
}

void path_resolve(int dir, const char *path, struct path *out)
{
	char text[PATH_ROOM];
	char *name = &out->buf[root_len];
	size_t room = sizeof(out->buf) - root_len;
	char *dotdot;
	int saved = errno;
	bool settled;

	set_host(out, dir, path);
	out->name = "";
	out->status = false;
	out->folder = false;
	out->listing = false;
	out->rdev = 0;
	if (!absolute(dir, path, text, sizeof(text)) || !tidy(text, name, room, &dotdot))
		return;
	settle_fail_nth(name);
	out->status = status_path(name);
	if (!dotdot && !ours(name) && !(dir == AT_FDCWD && cwd_in_tree))
		return;
	if (!tree_ready())
		return;
	memcpy(out->buf, root, root_len);
	if (dotdot) {
		settled = settle_dotdot(out, name, room, dotdot);
		errno = saved;
		if (!settled)
			return;
	}
	out->name = name;
	if (ours(name))
		out->kind = classify(name, out);
	if (out->kind != PATH_HOST)
		set_tree(out, out->kind);
	else if (path[0] != '/' && (dir != AT_FDCWD || cwd_in_tree))
		/* The folder may be the tree's, but this name in it is the host's. */
		set_host(out, AT_FDCWD, name);
}

bool path_is_listing(const char *name)
{
	struct tree_place place;

	if (!tree_ready())
		return false;
	tree_find(name, &place);
	return place.listing;
}

void path_refresh(const struct path *path)
{
	struct shim_entry entry;
	int dir;

	if (path->kind == PATH_TREE)
		inuse_clients(path->name, path->dir, path->use);
	if (!path->listing)
		return;
	shim_enter(&entry);
	dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		uiommu_tree_refresh(dir, path->name);
		real_close(dir);
	}
	shim_leave(&entry);
}

int path_root_stat(struct stat *st)
{
	return real_stat(root, st);
}

bool path_is_host_link(const struct path *path)
{
	char target[PATH_ROOM];
	int saved = errno;
	ssize_t n;

	if (path->kind != PATH_TREE || !path->name[0])
		return false;
	n = real_readlink(path->buf, target, sizeof(target) - 1);
	errno = saved;
	if (n < 0)
		return false;
	target[n] = '\0';
	return !strcmp(target, path->name);
}

size_t path_strip(char *buf, size_t len)
{
	if (!path_active || len < root_len || memcmp(buf, root, root_len) ||
	    (len > root_len && buf[root_len] != '/'))
		return len;
	len -= root_len;
	memmove(buf, buf + root_len, len);
	return len;
}

bool path_of_fd(int fd, char *buf, size_t size)
{
	int saved = errno;
	char link[32];
	ssize_t n;
	size_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real_readlink(link, buf, size - 1);
	errno = saved;
	len = n < 0 ? 0 : path_strip(buf, (size_t)n);
	/* Nothing was stripped: a file elsewhere. */
	if (n < 0 || len == (size_t)n)
		len = 0;
	buf[len] = '\0';
	return len;
}

int path_proc_fd(const char *path)
{
	const char *p;
	char *end;
	long fd;

	if (!strncmp(path, "/dev/fd/", 8)) {
		p = path + 5;
		goto number;
	}
	if (strncmp(path, "/proc/", 6) != 0)
		return -1;
	p = path + 6;
	if (!strncmp(p, "self/", 5)) {
		p += 5;
	} else if (!strncmp(p, "thread-self/", 12)) {
		p += 12;
	} else {
		if (*p < '1' || *p > '9' || strtol(p, &end, 10) != getpid() || *end != '/')
			return -1;
		p = end + 1;
	}
number:
	if (strncmp(p, "fd/", 3) != 0 || p[3] < '0' || p[3] > '9')
		return -1;
	fd = strtol(p + 3, &end, 10);
	return *end || fd >= (long)FDTABLE_MAX ? -1 : (int)fd;
}

bool path_twin(const char *name, char *buf, size_t size)
{
	return path_active && (size_t)snprintf(buf, size, "%s%s", root, name) < size;
}

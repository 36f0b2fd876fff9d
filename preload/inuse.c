/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/inuse.c - which process has a device open, and how it is asked to release it
 *
 * A device that is open can't be unbound before it's released.  Whether it is, in whatever
 * process, is told by names of sockets: the engine's end of its files is bound to an
 * abstract one, which goes with the process, and /proc/net/unix lists them:
 *
 *	@uiommu/DEV.INODE/0000:01:00.0/PID.FD	the run's folder, the device, whose it is
 *	@uiommu/DEV.INODE/0000:01:00.0/PID.FD.wq0.0	the same of an accelerator's queue
 *	@uiommu/DEV.INODE/0000:01:00.0/wq0.1	of one that may be open once only: the kernel
 *						gives a name once
 *
 * Nothing is stored here.  In the run's folder:
 *
 *	holders/0000:01:00.0.wq0.1	the process that has or had what may be open once only
 *	requests/0000:01:00.0.PID	the number of the eventfd in PID that asks its user
 *	requests/group-0.PID		a container in PID has the group; its file is open, too
 *
 * Who wants the device takes that descriptor for a moment; for a process that is gone the name of
 * a socket is missing, so what it left there isn't used.
 */
#include "inuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <uiommu/file.h>
#include <unistd.h>

#include "engine.h"
#include "path.h"
#include "shim.h"

#define NAME_MAX_LEN sizeof(((struct sockaddr_un *)0)->sun_path)

/* What the names of this run's devices begin with. */
static void claim_name(const char *device, char *name, size_t size)
{
	struct stat st = {0};

	path_root_stat(&st);
	snprintf(name, size, "uiommu/%llx.%llx/%s/", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino, device);
}

static bool holder_path(const char *device, const char *queue, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%s/holders/%s.%s", shim_run_dir(), device, queue) <
	       size;
}

/* A name that the kernel gives once says no process. */
static void write_holder(const char *device, const char *queue)
{
	char path[PATH_ROOM], text[16];
	int fd, n;

	if ((size_t)snprintf(path, sizeof(path), "%s/holders", shim_run_dir()) >= sizeof(path))
		return;
	mkdir(path, 0755);
	if (!holder_path(device, queue, path, sizeof(path)) || !shim_may_write())
		return;
	fd = real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return; /* it just isn't told of what others write */
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	(void)!real_write(fd, text, (size_t)n);
	real_close(fd);
}

/* Of what a claim says, "PID..." or "wq0.1". */
static int claimant(const char *device, const char *claim)
{
	char path[PATH_ROOM], text[16] = "";
	int fd;

	if (strncmp(claim, "wq", 2) != 0)
		return atoi(claim);
	fd = holder_path(device, claim, path, sizeof(path)) ?
		     real_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) :
		     -1;
	if (fd < 0)
		return 0;
	if (real_read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	real_close(fd);
	return atoi(text);
}

int inuse_claim(int fd, const struct uiommu_file *file)
{
	const char *device = uiommu_file_device(file), *queue;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *name = addr.sun_path + 1;
	bool once;
	size_t len;

	if (!device)
		return 0;
	queue = uiommu_file_queue(file, &once);
	claim_name(device, name, sizeof(addr.sun_path) - 32);
	len = strlen(name);
	if (once)
		len += (size_t)snprintf(name + len, 30, "%s", queue);
	else
		len += (size_t)snprintf(name + len, 30, "%d.%d%s%s", (int)getpid(), fd,
					queue ? "." : "", queue ? queue : "");
	len += offsetof(struct sockaddr_un, sun_path) + 1;
	/* Without a name it only isn't known to be in use. */
	if (bind(fd, (struct sockaddr *)&addr, (socklen_t)len))
		return once && errno == EADDRINUSE ? -EBUSY : 0;
	if (once)
		write_holder(device, queue);
	return 0;
}

/* The next line of @file with a claim that begins with @name: what follows there, or NULL. */
static const char *next_claim(FILE *file, const char *name, char *line, size_t size)
{
	while (file && fgets(line, (int)size, file)) {
		const char *at = strchr(line, '@');

		if (!at || strncmp(at + 1, name, strlen(name)) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		return at + 1 + strlen(name);
	}
	return NULL;
}

bool inuse_each(const char *device, bool (*each)(const char *device, int pid, void *arg), void *arg)
{
	char line[512], name[NAME_MAX_LEN];
	FILE *file = fopen("/proc/net/unix", "re");
	const char *claim;
	bool done = false;

	claim_name(device, name, sizeof(name) - 31);
	while (!done && (claim = next_claim(file, name, line, sizeof(line))))
		done = each(device, claimant(device, claim), arg);
	if (file)
		fclose(file);
	return done;
}

/* Of the queue @what, or of all queues of which @what is the beginning: "wq0.". */
static unsigned int count_queues(const char *what, bool all)
{
	char line[512], name[NAME_MAX_LEN];
	FILE *file = fopen("/proc/net/unix", "re");
	const char *claim, *queue;
	unsigned int n = 0;

	claim_name("", name, sizeof(name) - 31);
	/* The name has two slashes at its end. */
	name[strlen(name) - 1] = '\0';
	while ((claim = next_claim(file, name, line, sizeof(line)))) {
		queue = strstr(claim, "wq");
		n += queue && !strncmp(queue, what, strlen(what)) && (all || !queue[strlen(what)]);
	}
	if (file)
		fclose(file);
	return n;
}

/* "/sys/.../wq0.1/clients" or "/sys/.../dsa0/clients"; what @what is for count_queues(). */
static bool is_clients(const char *name, char *what, size_t size, bool *all)
{
	static const char tail[] = "/clients";
	size_t len = strlen(name), start;

	if (len < sizeof(tail) || strcmp(name + len - sizeof(tail) + 1, tail) != 0)
		return false;
	len -= sizeof(tail) - 1;
	for (start = len; start && name[start - 1] != '/'; start--)
		;
	*all = !strncmp(name + start, "dsa", 3);
	if (*all)
		return (size_t)snprintf(what, size, "wq%.*s.", (int)(len - start - 3),
					name + start + 3) < size;
	return !strncmp(name + start, "wq", 2) &&
	       (size_t)snprintf(what, size, "%.*s", (int)(len - start), name + start) < size;
}

void inuse_clients(const char *name, int dir, const char *use)
{
	char what[32], text[16];
	struct shim_entry entry;
	bool all;
	int fd, n;

	if (!is_clients(name, what, sizeof(what), &all) || !shim_may_write())
		return;
	shim_enter(&entry);
	fd = real_openat(dir, use, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0)
		goto out_leave;
	n = snprintf(text, sizeof(text), "%u\n", count_queues(what, all));
	if (real_pwrite(fd, text, (size_t)n, 0) == n)
		(void)!real_ftruncate(fd, n);
	real_close(fd);
out_leave:
	shim_leave(&entry);
}

static bool found(const char *device, int pid, void *arg)
{
	return true;
}

bool inuse_by_any(const char *device)
{
	return inuse_each(device, found, NULL);
}

/* ---- requests ---- */

static bool request_path(const char *device, int pid, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%s/requests/%s.%d", shim_run_dir(), device, pid) <
	       size;
}

/* The file of @device and this process says @text; NULL: there is none any more. */
static void publish(const char *device, const char *text)
{
	char path[PATH_ROOM];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/requests", shim_run_dir()) >= sizeof(path))
		return;
	mkdir(path, 0755);
	if (!request_path(device, getpid(), path, sizeof(path)))
		return;
	if (!text) {
		unlink(path);
		return;
	}
	if (!shim_may_write())
		return;
	fd = real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return; /* others just don't know */
	(void)!real_write(fd, text, strlen(text));
	real_close(fd);
}

void inuse_publish(const char *device, int eventfd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", eventfd);
	publish(device, eventfd < 0 ? NULL : text);
}

/* What a file of ours in the folder says; -1: nothing. */
static int published(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[16] = "";

	if (fd < 0)
		return -1;
	if (real_read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	real_close(fd);
	return text[0] ? atoi(text) : -1;
}

void inuse_moved(int from, int to)
{
	char path[PATH_ROOM], suffix[16], device[NAME_MAX + 1];
	size_t end = (size_t)snprintf(suffix, sizeof(suffix), ".%d", getpid()), n;
	struct dirent *entry;
	DIR *dir = NULL;

	if ((size_t)snprintf(path, sizeof(path), "%s/requests", shim_run_dir()) < sizeof(path))
		dir = real_opendir(path);
	while (dir && (entry = real_readdir(dir))) {
		n = strlen(entry->d_name);
		if (n <= end || strcmp(entry->d_name + n - end, suffix) != 0 ||
		    published(dirfd(dir), entry->d_name) != from)
			continue;
		snprintf(device, sizeof(device), "%.*s", (int)(n - end), entry->d_name);
		inuse_publish(device, to);
	}
	if (dir)
		real_closedir(dir);
}

void inuse_own(const char *group, bool owned)
{
	publish(group, owned ? "" : NULL);
}

static bool owns(const char *group, int pid, void *arg)
{
	char path[PATH_ROOM];

	return request_path(group, pid, path, sizeof(path)) && !real_access(path, F_OK);
}

bool inuse_owned(const char *group)
{
	return inuse_each(group, owns, NULL);
}

/* An eventfd that another process has under the number; -1: it can't be had. */
static int borrow(int pid, int number)
{
	int pidfd = (int)shim_syscall(SYS_pidfd_open, pid, 0, 0, 0, 0, 0), fd;

	if (pidfd < 0)
		return -1;
	fd = (int)shim_syscall(SYS_pidfd_getfd, pidfd, number, 0, 0, 0, 0);
	real_close(pidfd);
	if (fd >= 0 && engine_is_eventfd(fd)) {
		real_close(fd);
		fd = -1;
	}
	return fd < 0 ? -1 : fd;
}

static bool request_one(const char *device, int pid, void *arg)
{
	struct pollfd pfd = {.events = POLLOUT};
	char path[PATH_ROOM], text[16] = "";
	uint64_t one = 1;
	int fd;

	if (pid == getpid()) {
		if (engine_ctx())
			uiommu_vfio_request(engine_ctx(), device);
		return false;
	}
	fd = request_path(device, pid, path, sizeof(path)) ?
		     real_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) :
		     -1;
	if (fd < 0)
		return false;
	if (real_read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	real_close(fd);
	pfd.fd = text[0] ? borrow(pid, atoi(text)) : -1;
	if (pfd.fd < 0)
		return false;
	/* A full counter would block; its user then knows anyhow. */
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT))
		shim_syscall(SYS_write, pfd.fd, (long)&one, sizeof(one), 0, 0, 0);
	real_close(pfd.fd);
	return false;
}

void inuse_request(const char *device)
{
	inuse_each(device, request_one, NULL);
}

/* ---- what the tree says of it ---- */

int inuse_driver(const char *device, char *name, size_t size)
{
	int dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (dir < 0)
		return -ENODEV;
	rc = uiommu_tree_driver(dir, device, name, size);
	real_close(dir);
	return rc;
}

/* The run's folder; -1. */
static int open_to_write(void)
{
	return shim_may_write() ? real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
				  -1;
}

void inuse_config(const char *device, const void *bytes, size_t size)
{
	int dir = open_to_write();

	if (dir < 0)
		return;
	uiommu_tree_config(dir, device, bytes, size);
	real_close(dir);
}

int inuse_config_kept(const char *device, void *bytes, size_t size)
{
	int dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (dir < 0)
		return -ENOENT;
	rc = uiommu_tree_config_kept(dir, device, bytes, size);
	real_close(dir);
	return rc;
}

int inuse_state(const char *device, void *bytes, size_t size)
{
	int dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (dir < 0)
		return -ENODEV;
	rc = uiommu_tree_state(dir, device, bytes, size);
	real_close(dir);
	return rc;
}

void inuse_attribute(const char *device, const char *name, const char *text, size_t size)
{
	int dir = open_to_write();

	if (dir < 0)
		return;
	uiommu_tree_attribute(dir, device, name, text, size);
	real_close(dir);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of the tree that are open for writing.
 *
 * Nothing is stored: which descriptors they are is known by their slots.  What is written
 * doesn't go to the file; it is a command, and what it does is done in the run's folder.
 */
#include "attr.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <uiommu/file.h>
#include <unistd.h>

#include "engine.h"
#include "inuse.h"
#include "path.h"
#include "post.h"
#include "shim.h"

#define ATTR_MAX 4096 /* a page, as sysfs takes at a time */
#define PAUSE_NS 2000000
#define REQUEST_TRIES (10000000000ull / PAUSE_NS)

/* One call, to descriptor @fd; @offset: -1: where it is. */
struct attr_call {
	int fd;
	const char *text;
	size_t n;
	off_t offset;
	unsigned int tries;
};

static bool in_use(void *opaque, const char *device)
{
	return inuse_by_any(device);
}

static bool owned(void *opaque, const char *group)
{
	return inuse_owned(group);
}

/* At once, and then every ten seconds, as Linux does. */
static void request(void *opaque, const char *device)
{
	struct attr_call *call = opaque;

	if (call->tries++ % REQUEST_TRIES == 0)
		inuse_request(device);
}

static void reset(void *opaque, const char *device)
{
	post_reset(device);
}

static bool config(void *opaque, const char *device, uint64_t offset, const void *bytes,
		   size_t length)
{
	return post_config(device, offset, bytes, length);
}

static const struct uiommu_tree_store_ops store_ops = {
	.in_use = in_use,
	.owned = owned,
	.request = request,
	.reset = reset,
	.config = config,
};

/* The name of a device whose "config" it is, which is changed; NULL. */
static char *config_of(char *name)
{
	char *file = strrchr(name, '/'), *device;

	if (!file || strcmp(file, "/config"))
		return NULL;
	*file = '\0';
	device = strrchr(name, '/');
	*file = '/';
	return device ? device + 1 : NULL;
}

/* The only file in which it matters where something is written. */
static ssize_t store_config(int dir, char *device, struct attr_call *call)
{
	off_t at = call->offset < 0 ? lseek(call->fd, 0, SEEK_CUR) : call->offset;
	ssize_t rc = engine_start();

	if (rc)
		return rc;
	device[strcspn(device, "/")] = '\0';
	rc = uiommu_tree_store_config(engine_ctx(), dir, device, (uint64_t)at, call->text, call->n,
				      &store_ops, call);
	if (rc == -ENODEV)
		return (ssize_t)call->n; /* a root port's: for show */
	if (rc > 0 && call->offset < 0)
		lseek(call->fd, at + rc, SEEK_SET);
	return rc;
}

/* 1: no attribute any more. */
static ssize_t store(struct attr_call *call)
{
	char name[PATH_ROOM], *device;
	struct shim_entry entry;
	ssize_t rc = 1;
	int dir;

	shim_enter(&entry);
	fdtable_reap();
	if (fdtable_folder(call->fd, name, sizeof(name))) {
		dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		device = config_of(name);
		if (dir < 0)
			rc = -ENODEV;
		else if (!shim_may_write())
			rc = -EFBIG;
		else if (device)
			rc = store_config(dir, device, call);
		else
			rc = uiommu_tree_store(dir, name, call->text, call->n, &store_ops, call);
		if (dir >= 0)
			real_close(dir);
	}
	shim_leave(&entry);
	return rc;
}

ssize_t attr_writev(int fd, const struct iovec *iov, int n, off_t offset)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	char text[ATTR_MAX];
	struct iovec local = {.iov_base = text, .iov_len = sizeof(text)};
	struct attr_call call = {.fd = fd, .text = text, .offset = offset};
	ssize_t size, rc;

	/* The client's memory may not be there. */
	size = (ssize_t)shim_syscall(SYS_process_vm_readv, getpid(), (long)&local, 1, (long)iov, n,
				     0);
	if (size <= 0)
		return size;
	/* Outside of the shim: whoever waits can be interrupted, and killed. */
	call.n = (size_t)size;
	while ((rc = store(&call)) == -EINPROGRESS)
		shim_syscall(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
	return rc;
}

ssize_t attr_write(int fd, const void *buf, size_t n, off_t offset)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};

	return n ? attr_writev(fd, &iov, 1, offset) : 0;
}

void attr_adopt(int fd)
{
	char name[PATH_ROOM];
	struct stat st;
	int flags;

	if (fdtable_slot(fd) || !path_of_fd(fd, name, sizeof(name)) || real_fstat(fd, &st))
		return;
	flags = real_fcntl(fd, F_GETFL);
	if (S_ISDIR(st.st_mode))
		fdtable_mark(fd, name, false);
	else if (S_ISREG(st.st_mode) && flags >= 0 && (flags & O_ACCMODE) != O_RDONLY)
		fdtable_mark(fd, name, true);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of the tree that are open for writing.
 *
 * Nothing is stored: which descriptors they are is known by their slots.  What is written
 * doesn't go to the file; it is a command, and what it does is done in the run's folder.
 */
#include "attr.h"

#include <errno.h>
#include <time.h>
#include <uiommu/file.h>
#include <unistd.h>

#include "engine.h"
#include "inuse.h"
#include "path.h"
#include "shim.h"

#define ATTR_MAX 4096 /* a page, as sysfs takes at a time */
#define PAUSE_NS 2000000
#define REQUEST_TRIES (10000000000ull / PAUSE_NS)

static bool in_use(void *opaque, const char *device)
{
	return inuse_by_any(device);
}

/* At once, and then every ten seconds, as Linux does. */
static void request(void *opaque, const char *device)
{
	unsigned int *tries = opaque;

	if ((*tries)++ % REQUEST_TRIES == 0)
		inuse_request(device);
}

static void reset(void *opaque, const char *device)
{
	if (engine_ctx())
		uiommu_vfio_reset(engine_ctx(), device);
}

static const struct uiommu_tree_store_ops store_ops = {
	.in_use = in_use,
	.request = request,
	.reset = reset,
};

/* 1: no attribute any more. */
static ssize_t store(int fd, const char *text, size_t n, unsigned int *tries)
{
	char name[PATH_ROOM];
	struct shim_entry entry;
	ssize_t rc = 1;
	int dir;

	shim_enter(&entry);
	fdtable_reap();
	if (fdtable_folder(fd, name, sizeof(name))) {
		dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = dir < 0 ? -ENODEV : uiommu_tree_store(dir, name, text, n, &store_ops, tries);
		if (dir >= 0)
			real_close(dir);
	}
	shim_leave(&entry);
	return rc;
}

ssize_t attr_writev(int fd, const struct iovec *iov, int n)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	char text[ATTR_MAX];
	struct iovec local = {.iov_base = text, .iov_len = sizeof(text)};
	unsigned int tries = 0;
	ssize_t size, rc;

	/* The client's memory may not be there. */
	size = (ssize_t)shim_syscall(SYS_process_vm_readv, getpid(), (long)&local, 1, (long)iov, n,
				     0);
	if (size <= 0)
		return size;
	/* Outside of the shim: whoever waits can be interrupted, and killed. */
	while ((rc = store(fd, text, (size_t)size, &tries)) == -EINPROGRESS)
		shim_syscall(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
	return rc;
}

ssize_t attr_write(int fd, const void *buf, size_t n)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};

	return n ? attr_writev(fd, &iov, 1) : 0;
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

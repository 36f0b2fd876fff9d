/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other processes do to the devices of this one, by /sys: resets, and writes to config space.
 *
 * The devices of a process move when that process uses them, and not by themselves.  So what
 * is done to them from outside may wait until then, and nobody can tell: no thread has to listen.
 * In the run's folder:
 *
 *	posted		how many messages were ever posted, 8 bytes.  Each engine has them mapped,
 *			so to see that there is nothing new costs one compare
 *	post/PID.N	the Nth, to one process, which removes it
 *
 * Who posts has the lock of the tree's bindings: the files of a number are there before the
 * number is.  Who has a device open is told by inuse.c.
 *
 *  post_count	what is mapped; or a word that never changes.  Set under the engine's start_lock
 *  post_seen	deliver_lock; read by anybody
 *  taken	deliver_lock; the message, for a trap may be on a small stack
 */
#include "post.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <uiommu/file.h>
#include <unistd.h>

#include "engine.h"
#include "inuse.h"
#include "path.h"
#include "shim.h"

#define POSTED_SIZE 4096u
#define POST_DATA 4096u

struct post {
	char device[16];
	uint32_t reset; /* else a write */
	uint32_t offset;
	uint32_t length;
	uint8_t bytes[POST_DATA];
};

#define POST_HEAD offsetof(struct post, bytes)

static const volatile uint64_t nothing;
const volatile uint64_t *post_count = &nothing;
uint64_t post_seen;
static struct post taken;
static pthread_mutex_t deliver_lock = PTHREAD_MUTEX_INITIALIZER;

static bool post_path(int pid, uint64_t number, char *path, size_t size)
{
	return (size_t)snprintf(path, size, "%s/post/%d.%llu", shim_run_dir(), pid,
				(unsigned long long)number) < size;
}

static int open_posted(int flags)
{
	char path[PATH_ROOM];

	if ((size_t)snprintf(path, sizeof(path), "%s/posted", shim_run_dir()) >= sizeof(path))
		return -1;
	return real_open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

/* ---- taking ---- */

void post_start(void)
{
	int fd = shim_may_write() ? open_posted(O_RDWR | O_CREAT) : -1;
	void *at = MAP_FAILED;

	/* Without it only this process's own writes reach its devices. */
	if (fd >= 0 && !ftruncate(fd, POSTED_SIZE))
		at = (void *)shim_syscall(SYS_mmap, 0, POSTED_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		real_close(fd);
	if ((unsigned long)at > -4096ul)
		return;
	/* What is older was another program's with this number. */
	post_seen = *(const volatile uint64_t *)at;
	post_count = at;
}

void post_stop(void)
{
	void *at = (void *)(uintptr_t)post_count;

	post_count = &nothing;
	post_seen = nothing;
	if (at != &nothing)
		shim_syscall(SYS_munmap, (long)at, POSTED_SIZE, 0, 0, 0, 0);
}

void post_fork_child(void)
{
	pthread_mutex_init(&deliver_lock, NULL);
	/* The devices are the parent's. */
	post_stop();
}

static void deliver(uint64_t number)
{
	struct uiommu *ctx = engine_ctx();
	char path[PATH_ROOM];
	ssize_t n;
	int fd;

	if (!post_path(getpid(), number, path, sizeof(path)))
		return;
	fd = real_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return; /* to somebody else */
	n = real_read(fd, &taken, sizeof(taken));
	real_close(fd);
	unlink(path);
	if (!ctx || n < (ssize_t)POST_HEAD || (size_t)n != POST_HEAD + taken.length)
		return;
	taken.device[sizeof(taken.device) - 1] = '\0';
	if (taken.reset)
		uiommu_vfio_reset(ctx, taken.device);
	else
		uiommu_vfio_config_write(ctx, taken.device, taken.offset, taken.bytes,
					 taken.length);
}

void post_deliver(void)
{
	struct shim_entry entry;

	shim_enter(&entry);
	pthread_mutex_lock(&deliver_lock);
	while (post_seen < *post_count) {
		deliver(post_seen + 1);
		__atomic_store_n(&post_seen, post_seen + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&deliver_lock);
	shim_leave(&entry);
}

/* ---- posting ---- */

struct posting {
	const struct post *post;
	uint64_t number; /* 0: it couldn't be found out */
	bool to_us;
	bool to_others;
};

static bool write_file(const char *path, const struct post *post)
{
	size_t size = POST_HEAD + post->length;
	int fd = real_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool done = fd >= 0 && real_write(fd, post, size) == (ssize_t)size;

	if (fd >= 0)
		real_close(fd);
	return done;
}

/* A process with several files of it is told once: it's the same file. */
static bool post_to(const char *device, int pid, void *arg)
{
	struct posting *posting = arg;
	char path[PATH_ROOM];

	if (pid == getpid()) {
		posting->to_us = true;
		return false;
	}
	posting->to_others = true;
	if (posting->number && post_path(pid, posting->number, path, sizeof(path)) &&
	    !write_file(path, posting->post))
		log_line("%s: process %d can't be told of what was written to /sys: %s", device,
			 pid, strerror(errno));
	return false;
}

static void post_to_all(const char *device, struct posting *posting)
{
	char path[PATH_ROOM];
	int fd = open_posted(O_RDWR | O_CREAT);

	snprintf(path, sizeof(path), "%s/post", shim_run_dir());
	mkdir(path, 0755);
	/* An empty one: nobody ever posted, or has an engine. */
	if (fd >= 0 && real_pread(fd, &posting->number, sizeof(posting->number), 0) >= 0)
		posting->number++;
	inuse_each(device, post_to, posting);
	if (posting->number && posting->to_others &&
	    real_pwrite(fd, &posting->number, sizeof(posting->number), 0) < 0)
		log_line("%s: other processes can't be told of what was written to /sys: %s",
			 device, strerror(errno));
	if (fd >= 0)
		real_close(fd);
}

void post_reset(const char *device)
{
	struct post post = {.reset = 1};
	struct posting posting = {.post = &post};

	snprintf(post.device, sizeof(post.device), "%s", device);
	post_to_all(device, &posting);
	if (posting.to_us && engine_ctx())
		uiommu_vfio_reset(engine_ctx(), device);
}

bool post_config(const char *device, uint64_t offset, const void *bytes, size_t length)
{
	struct post post = {.offset = (uint32_t)offset, .length = (uint32_t)length};
	struct posting posting = {.post = &post};

	if (length > sizeof(post.bytes))
		return false;
	snprintf(post.device, sizeof(post.device), "%s", device);
	memcpy(post.bytes, bytes, length);
	post_to_all(device, &posting);
	return posting.to_others;
}

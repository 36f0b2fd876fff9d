/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one struct uiommu of this process: made at the first open of a node, from the
 * manifest that `uiommu run` wrote, so that processes that never open one pay nothing
 * and each test of a harness that forks gets an engine of its own.
 *
 * Locks: start_lock is outermost.
 *  ctx, mm	set under start_lock, then immutable until fork or exit
 *  engine_areas	set with ctx, read by anybody at any time
 *  inherited	what a forked child can't use but must not seem to have lost
 */
#include "engine.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <uiommu/file.h>
#include <uiommu/mm.h>

#include "fdtable.h"
#include "inuse.h"
#include "mapping.h"
#include "memlock.h"
#include "post.h"
#include "serve.h"
#include "shim.h"
#include "trap.h"
#include "watch.h"

static struct uiommu *ctx;
static struct uiommu_mm *mm;
static struct uiommu *volatile inherited;
static const uint64_t no_areas;
const uint64_t *engine_areas = &no_areas;

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
/* The thread that forks holds start_lock, and other fork handlers of it may open(). */
static void *forking;

/* ---- what the library asks of us ---- */

static bool fd_exists(int fd)
{
	return !(fdtable_slot(fd) & FDTABLE_ENGINE) && real_fcntl(fd, F_GETFD) >= 0;
}

static struct uiommu_file *host_fget(void *opaque, struct uiommu_mm *of, int fd)
{
	struct uiommu_file *file;
	struct shim_file *sf;

	if (of != mm)
		return serve_fget(of, fd);
	sf = fdtable_get(fd);
	if (!sf)
		return UIOMMU_ERR_PTR(fd_exists(fd) ? -EINVAL : -EBADF);
	file = sf->dead ? UIOMMU_ERR_PTR(-EINVAL) : uiommu_file_get(sf->file);
	fdtable_put(sf);
	return file;
}

static int host_install(void *opaque, struct uiommu_mm *of, struct uiommu_file *file, bool cloexec)
{
	if (of != mm)
		return serve_install(of, file, cloexec);
	return fdtable_install(file, O_RDWR | (cloexec ? O_CLOEXEC : 0));
}

static void host_uninstall(void *opaque, struct uiommu_mm *of, int fd)
{
	if (of != mm)
		serve_uninstall(of, fd);
	else
		fdtable_close(fd);
}

static void host_readable(void *opaque, struct uiommu_file *file)
{
	fdtable_readable(file);
}

int engine_is_eventfd(int fd)
{
	char link[32];
	char name[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real_readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return -EBADF;
	name[n] = '\0';
	return strcmp(name, "anon_inode:[eventfd]") ? -EINVAL : 0;
}

static void *host_eventfd_get(void *opaque, struct uiommu_mm *of, int fd)
{
	int rc;

	if (of != mm)
		return serve_eventfd(of, fd);
	rc = fd_exists(fd) ? engine_is_eventfd(fd) : -EBADF;
	return rc ? UIOMMU_ERR_PTR(rc) : fdtable_hold(fd);
}

static void host_eventfd_signal(void *opaque, void *eventfd)
{
	struct shim_entry entry;

	shim_enter(&entry);
	fdtable_held_signal(eventfd);
	watch_written();
	shim_leave(&entry);
}

static void host_eventfd_put(void *opaque, void *eventfd)
{
	fdtable_put(eventfd);
}

static int host_eventfd_watch(void *opaque, void *eventfd, void (*ready)(void *arg), void *arg)
{
	struct shim_entry entry;
	int rc;

	shim_enter(&entry);
	rc = watch_set(eventfd, ready, arg);
	shim_leave(&entry);
	return rc;
}

static bool host_eventfd_gone(void *opaque, void *eventfd)
{
	struct shim_entry entry;
	bool gone;

	shim_enter(&entry);
	gone = watch_gone(eventfd);
	shim_leave(&entry);
	return gone;
}

static void host_revoke(void *opaque)
{
	struct shim_entry entry;

	shim_enter(&entry);
	trap_revoke();
	shim_leave(&entry);
}

static bool host_mapped(void *opaque, uint64_t addr, uint64_t length, struct uiommu_mapped *out)
{
	struct uiommu_mapping *ours;
	struct shim_entry entry;

	if (!trap_mapped(addr, length, out))
		return false;
	if (!out || !out->mapping)
		return true;
	shim_enter(&entry);
	ours = out->mapping;
	out->mapping = mapping_local(ours);
	uiommu_mapping_put(ours);
	shim_leave(&entry);
	return true;
}

static int host_driver(void *opaque, const char *device, char *name, size_t size)
{
	struct shim_entry entry;
	int rc;

	shim_enter(&entry);
	rc = inuse_driver(device, name, size);
	shim_leave(&entry);
	return rc;
}

static void host_request(void *opaque, const char *device, void *eventfd)
{
	const struct shim_file *held = eventfd;
	struct shim_entry entry;

	shim_enter(&entry);
	inuse_publish(device, held ? held->engine_fd : -1);
	shim_leave(&entry);
}

static void host_owned(void *opaque, const char *group, bool is)
{
	struct shim_entry entry;

	shim_enter(&entry);
	inuse_own(group, is);
	shim_leave(&entry);
}

static void host_config(void *opaque, const char *device, const void *bytes, size_t size)
{
	struct shim_entry entry;

	shim_enter(&entry);
	inuse_config(device, bytes, size);
	shim_leave(&entry);
}

static int host_config_kept(void *opaque, const char *device, void *bytes, size_t size)
{
	struct shim_entry entry;
	int rc;

	shim_enter(&entry);
	rc = inuse_config_kept(device, bytes, size);
	shim_leave(&entry);
	return rc;
}

static int host_state(void *opaque, const char *device, void *bytes, size_t size)
{
	struct shim_entry entry;
	int rc;

	shim_enter(&entry);
	rc = inuse_state(device, bytes, size);
	shim_leave(&entry);
	return rc;
}

static void host_attribute(void *opaque, const char *device, const char *name, const char *text,
			   size_t size)
{
	struct shim_entry entry;

	shim_enter(&entry);
	inuse_attribute(device, name, text, size);
	shim_leave(&entry);
}

static void host_event(void *opaque, const struct uiommu_event *event)
{
	log_event(event);
}

static const struct uiommu_host_ops host_ops = {
	.fget = host_fget,
	.install = host_install,
	.uninstall = host_uninstall,
	.readable = host_readable,
	.eventfd_get = host_eventfd_get,
	.eventfd_signal = host_eventfd_signal,
	.eventfd_put = host_eventfd_put,
	.eventfd_watch = host_eventfd_watch,
	.eventfd_gone = host_eventfd_gone,
	.revoke = host_revoke,
	.mapped = host_mapped,
	.driver = host_driver,
	.request = host_request,
	.owned = host_owned,
	.config = host_config,
	.config_kept = host_config_kept,
	.state = host_state,
	.attribute = host_attribute,
};

/* ---- starting ---- */

static void start_acquire(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) != &shim_inside)
		pthread_mutex_lock(&start_lock);
}

static void start_release(void)
{
	if (__atomic_load_n(&forking, __ATOMIC_RELAXED) != &shim_inside)
		pthread_mutex_unlock(&start_lock);
}

int engine_charges(int flags)
{
	char path[PATH_MAX];

	if (!shim_run_dir() ||
	    (size_t)snprintf(path, sizeof(path), "%s/charges", shim_run_dir()) >= sizeof(path))
		return -1;
	return real_open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Without it the engine counts for itself. */
static void engine_share_charges(struct uiommu *fresh)
{
	int fd = shim_may_write() ? engine_charges(O_RDWR | O_CREAT) : -1;

	if (fd >= 0) {
		uiommu_charges_share(fresh, fd);
		real_close(fd);
	}
	uiommu_limits_watch(fresh, memlock_watched());
}

/* Under start_lock. */
static int engine_make(void)
{
	static const struct uiommu_config config = {
		.size = sizeof(config),
		.event = host_event,
		.host = &host_ops,
	};
	char why[256] = "";
	struct uiommu *fresh;
	int dir;
	int rc;

	rc = uiommu_create(&config, &fresh);
	if (rc)
		return rc;
	dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		rc = -ENODEV;
		snprintf(why, sizeof(why), "%s is gone", shim_run_dir());
	} else {
		rc = uiommu_tree_load(fresh, dir, NULL, NULL, why, sizeof(why));
		real_close(dir);
	}
	if (rc) {
		log_line("cannot make the devices: %s", why);
		uiommu_destroy(fresh);
		return rc == -ENOMEM ? rc : -ENODEV;
	}
	engine_share_charges(fresh);
	post_start();
	mm = uiommu_mm_self(fresh); /* put by engine_stop() */
	trap_init();
	__atomic_store_n(&ctx, fresh, __ATOMIC_RELEASE);
	__atomic_store_n(&engine_areas, uiommu_mm_areas(fresh), __ATOMIC_RELEASE);
	return 0;
}

int engine_start(void)
{
	int rc = 0;

	if (__atomic_load_n(&ctx, __ATOMIC_ACQUIRE))
		return 0;
	start_acquire();
	if (!ctx)
		rc = engine_make();
	start_release();
	return rc;
}

int engine_open(const char *node, int flags)
{
	struct uiommu_file *file;
	int rc;

	fdtable_reap();
	rc = engine_start();
	if (rc)
		return rc;
	post_take();
	file = uiommu_open(ctx, node, flags);
	if (UIOMMU_IS_ERR(file))
		return (int)UIOMMU_PTR_ERR(file);
	rc = fdtable_install(file, flags); /* moves the reference */
	if (rc < 0)
		uiommu_file_put(file);
	return rc;
}

struct uiommu_mm *engine_mm(void)
{
	return mm;
}

struct uiommu *engine_ctx(void)
{
	return __atomic_load_n(&ctx, __ATOMIC_ACQUIRE);
}

/* ---- fork and exit ---- */

void engine_fork_prepare(void)
{
	pthread_mutex_lock(&start_lock);
	__atomic_store_n(&forking, &shim_inside, __ATOMIC_RELAXED);
}

void engine_fork_parent(void)
{
	__atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&start_lock);
}

void engine_fork_child(void)
{
	pthread_mutex_init(&start_lock, NULL);
	__atomic_store_n(&forking, NULL, __ATOMIC_RELAXED);
	if (ctx)
		inherited = ctx;
	engine_areas = &no_areas;
	ctx = NULL;
	mm = NULL;
	post_fork_child();
}

void engine_stop(void)
{
	struct uiommu *old = ctx;

	/* Mapped BARs hold files. */
	if (old)
		if (trap_unmap((void *)4096, (size_t)-8192))
			trap_unmapped();
	fdtable_shutdown();
	if (!old)
		return;
	engine_areas = &no_areas;
	ctx = NULL;
	post_stop();
	uiommu_mm_put(mm);
	mm = NULL;
	uiommu_destroy(old);
}

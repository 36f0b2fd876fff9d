// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/world.c - see world.h */
#include "world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uiommu/mm.h>

struct world world;

static int lowest_fd, charges_fd;
static struct sigaction old_segv, old_bus;

void world_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: doesn't hold: %s\n  ", file, line, what);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	abort();
}

/* ---- once ---- */

/* Faults inside of guarded copies are errors of those; others are the sanitizer's. */
static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	if (uiommu_guard_fault(ucontext))
		return;
	sigaction(sig, sig == SIGSEGV ? &old_segv : &old_bus, NULL);
}

static void *map_at(uint64_t va, size_t length, int prot, int flags, int fd)
{
	void *at = mmap((void *)va, length, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	must(at == (void *)va, "can't map %#llx", (unsigned long long)va);
	return at;
}

static void fill(unsigned char *at, unsigned int key)
{
	uint64_t *words = (uint64_t *)(void *)at;

	for (size_t i = 0; i < BUFFER_SIZE / 8; i++)
		words[i] = (i * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)key << 56);
}

static void make_buffers(void)
{
	int command = memfd_create("fuzz-command", MFD_CLOEXEC);

	for (unsigned int i = 0; i < 2; i++) {
		world.files[i] = memfd_create("fuzz-buffer", MFD_CLOEXEC);
		must(!ftruncate(world.files[i], BUFFER_SIZE), "no memory file");
	}
	world.files[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	world.files[3] = -1;
	for (unsigned int i = 0; i < BUFFERS; i++) {
		bool file = i >= BUFFER_FILE;
		void *at = map_at(buffer_va(i), BUFFER_SIZE, PROT_READ | PROT_WRITE,
				  file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
				  file ? world.files[i - BUFFER_FILE] : -1);

		fill(at, i);
		if (i == BUFFER_READ_ONLY)
			mprotect(at, BUFFER_SIZE, PROT_READ);
		world.shadow[i] = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		fill(world.shadow[i], i);
	}
	must(!ftruncate(command, COMMAND_SIZE), "no memory file");
	map_at(COMMAND_VA, COMMAND_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, command);
	map_at(COMMAND_RO_VA, COMMAND_SIZE, PROT_READ, MAP_SHARED, command);
	map_at(SCRATCH_VA, SCRATCH_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

void world_init(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
	uiommu_guard_enable(true);
	world.trace = getenv("FUZZ_TRACE");
	ops_init();
	charges_fd = memfd_create("fuzz-charges", MFD_CLOEXEC);
	make_buffers();
}

/* ---- the host ---- */

static struct uiommu_file *host_fget(void *opaque, struct uiommu_mm *mm, int fd)
{
	struct world_fd *entry = world_fd_of((uint32_t)fd);

	if (!fd)
		return uiommu_file_get(world.iommufd);
	return entry ? uiommu_file_get(entry->file) : UIOMMU_ERR_PTR(-9);
}

static int host_install(void *opaque, struct uiommu_mm *mm, struct uiommu_file *file, bool cloexec)
{
	for (int i = 0; i < MAX_FDS; i++) {
		if (!world.fds[i].file) {
			world.fds[i] = (struct world_fd){.file = file};
			return FIRST_FD + i;
		}
	}
	return -24;
}

static void host_uninstall(void *opaque, struct uiommu_mm *mm, int fd)
{
	world_close((uint64_t)fd);
}

static void host_readable(void *opaque, struct uiommu_file *file)
{
}

static void *host_eventfd_get(void *opaque, struct uiommu_mm *mm, int fd)
{
	if (fd < FIRST_EVENTFD || fd >= FIRST_EVENTFD + EVENTFDS)
		return UIOMMU_ERR_PTR(world_fd_of((uint32_t)fd) ? -22 : -9);
	world.events[fd - FIRST_EVENTFD].holds++;
	return &world.events[fd - FIRST_EVENTFD];
}

static void host_eventfd_signal(void *opaque, void *eventfd)
{
	++*(unsigned int *)eventfd;
}

static size_t event_of(void *eventfd)
{
	return (size_t)((char *)eventfd - (char *)world.events) / sizeof(world.events[0]);
}

static void host_eventfd_put(void *opaque, void *eventfd)
{
	size_t nr = event_of(eventfd);

	must(world.events[nr].holds, "eventfd %zu is put too often", nr);
	world.events[nr].holds--;
}

static int host_eventfd_watch(void *opaque, void *eventfd, void (*ready)(void *arg), void *arg)
{
	size_t nr = event_of(eventfd);

	must(!ready || world.events[nr].holds, "eventfd %zu is watched, and not held", nr);
	world.events[nr].ready = ready;
	world.events[nr].arg = arg;
	return 0;
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
};

struct world_fd *world_fd_of(uint64_t fd)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + MAX_FDS || !world.fds[fd - FIRST_FD].file)
		return NULL;
	return &world.fds[fd - FIRST_FD];
}

void world_close(uint64_t fd)
{
	struct world_fd *entry = world_fd_of(fd);
	struct uiommu_file *file = entry->file;

	*entry = (struct world_fd){0};
	uiommu_file_put(file);
}

/* ---- an input ---- */

static void on_event(void *opaque, const struct uiommu_event *event)
{
	if (world.trace)
		fprintf(stderr, "   event: %s\n", event->reason);
}

void world_begin(void)
{
	const struct uiommu_config config = {
		.size = sizeof(config),
		.event = on_event,
		.host = &host_ops,
	};

	lowest_fd = dup(world.files[2]);
	close(lowest_fd);
	must(!uiommu_create(&config, &world.ctx), "no instance");
	must(!uiommu_charges_share(world.ctx, charges_fd), "no table of charges");
	must(!uiommu_enable_iommufd_test(world.ctx), "no mock driver");
	world.mm = uiommu_mm_self(world.ctx);
	world.iommufd = uiommu_open(world.ctx, "/dev/iommu", 2);
	must(!UIOMMU_IS_ERR(world.iommufd), "/dev/iommu");
	world.written = false;
}

/* A stray write is as far from home as it likes: so all is compared, but only once. */
void world_check_memory(void)
{
	for (unsigned int i = 0; i < BUFFERS; i++) {
		unsigned char *at = (unsigned char *)buffer_va(i);

		if (!memcmp(at, world.shadow[i], BUFFER_SIZE))
			continue;
		for (size_t j = 0; j < BUFFER_SIZE; j++)
			must(at[j] == world.shadow[i][j], "buffer %u at %#zx is %#x, should be %#x",
			     i, j, at[j], world.shadow[i][j]);
	}
}

static void check_counts(void)
{
	/* Those of the harness stay until the instance goes. */
	struct uiommu_counts c;

	uiommu_get_counts(world.ctx, &c);
	must(c.devices == world.devices && c.groups == world.devices &&
		     c.domains == world.domains && !c.handles && !c.files && !c.objects &&
		     !c.areas && !c.groups_open && c.faults_reported == c.faults_answered,
	     "left: devices %llu groups %llu domains %llu handles %llu files %llu objects %llu "
	     "areas %llu fault groups %llu; faults %llu answered %llu",
	     (unsigned long long)c.devices, (unsigned long long)c.groups,
	     (unsigned long long)c.domains, (unsigned long long)c.handles,
	     (unsigned long long)c.files, (unsigned long long)c.objects,
	     (unsigned long long)c.areas, (unsigned long long)c.groups_open,
	     (unsigned long long)c.faults_reported, (unsigned long long)c.faults_answered);
}

void world_end(void)
{
	struct uiommu_charges charges;
	int fd;

	for (unsigned int i = 0; i < sizeof(world.maps) / sizeof(world.maps[0]); i++) {
		if (world.maps[i])
			uiommu_mapping_put(world.maps[i]);
		world.maps[i] = NULL;
	}
	for (uint64_t i = FIRST_FD; i < FIRST_FD + MAX_FDS; i++)
		if (world_fd_of(i))
			world_close(i);
	uiommu_file_put(world.iommufd);
	for (unsigned int i = 0; i < EVENTFDS; i++) {
		must(!world.events[i].holds && !world.events[i].ready, "eventfd %u is held", i);
		world.events[i].signals = 0;
	}
	if (world.written)
		world_check_memory();
	check_counts();
	must(!uiommu_charges_read(charges_fd, getpid(), &charges) && !charges.pinned &&
		     !charges.locked,
	     "%llu pages are charged", (unsigned long long)charges.pinned);
	uiommu_mm_put(world.mm);
	uiommu_destroy(world.ctx);
	world.ctx = NULL;
	fd = dup(world.files[2]);
	must(fd == lowest_fd, "descriptor %d is still open", lowest_fd);
	close(fd);
}

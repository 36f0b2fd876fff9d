/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mmap and its kin: mappings of our files, and what later happens to that memory.
 *
 * A mapped BAR is reserved memory that traps (trap.h).  It must be forgotten before the
 * client's own call takes the place away, for afterwards another thread may get it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <uiommu/file.h>

#include "channel.h"
#include "engine.h"
#include "fdtable.h"
#include "mapping.h"
#include "pin.h"
#include "shim.h"
#include "trap.h"
#include "wrap.h"

#define PAGE 4096ul

static bool whole_pages(const void *addr)
{
	return !((uintptr_t)addr & (PAGE - 1));
}

/* The kernel's checks, made before a driver is asked. */
static int map_check(const struct shim_file *sf, size_t len, int prot, int flags, off_t off)
{
	int type = flags & MAP_TYPE;

	if (!len || (off & (off_t)(PAGE - 1)))
		return -EINVAL;
	if (len > (size_t)1 << 46)
		return -ENOMEM;
	if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (sf->accmode == O_WRONLY ||
	    (type != MAP_PRIVATE && (prot & PROT_WRITE) && sf->accmode == O_RDONLY))
		return -EACCES;
	return 0;
}

static void *map_file(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct uiommu_mapping *mapping;
	struct shim_entry entry;
	struct shim_file *sf;
	void *out = MAP_FAILED;
	int rc = -EBADF; /* the engine's own, or closed meanwhile */

	shim_enter(&entry);
	sf = fdtable_get(fd);
	if (!sf)
		goto out_leave;
	rc = channel_describe(sf);
	if (!rc)
		rc = map_check(sf, len, prot, flags, off);
	if (!rc)
		rc = mapping_create(sf, prot, flags, (uint64_t)off, len, &mapping);
	if (rc)
		goto out_put;
	len = (len + PAGE - 1) & ~(PAGE - 1);
	trap_init();
	rc = trap_map(mapping, addr, len, prot, flags, &out); /* moves the reference */
	if (rc)
		uiommu_mapping_put(mapping);
out_put:
	fdtable_put(sf);
	fdtable_reap();
out_leave:
	shim_leave(&entry);
	if (rc < 0) {
		errno = -rc;
		return MAP_FAILED;
	}
	return out;
}

/* Is there something of ours in what the client is about to take away? */
static bool takes_ours(void *addr, size_t len)
{
	return len && whole_pages(addr) && !shim_bypass() && trap_overlaps(addr, len);
}

/*
 * Around the client's call that takes it away.  Signals wait meanwhile: other threads that
 * still use it wait for this one.
 */
struct taking {
	struct shim_entry entry;
	bool forgot;
};

static void take_begin(struct taking *t, void *addr, size_t len)
{
	shim_enter(&t->entry);
	t->forgot = trap_unmap(addr, len);
}

/* @err: why the call failed, or 0. */
static void take_end(struct taking *t, int err)
{
	if (t->forgot)
		trap_unmapped();
	fdtable_reap();
	if (err)
		t->entry.saved_errno = err;
	shim_leave(&t->entry);
}

/* Ours, or over something that may be; apart, for what it has on the stack is cleared first. */
static __attribute__((noinline)) void *map_over(void *addr, size_t len, int prot, int flags, int fd,
						off_t off, bool ours, bool replaces)
{
	struct pin pin = {.on = false};
	void *out;

	if (replaces && pin_needed())
		pin_add(&pin, UIOMMU_MM_UNMAP, addr, len);
	if (!pin_begin(&pin))
		return MAP_FAILED;
	/* A device may be asked about a map of its own, which it can't answer while DMA waits. */
	if (!ours)
		out = real_mmap(addr, len, prot, flags, fd, off);
	else if (pin.on)
		out = real_mmap(addr, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				0);
	else
		return map_file(addr, len, prot, flags, fd, off);
	pin_end(&pin, out != MAP_FAILED);
	return ours && out != MAP_FAILED ? map_file(addr, len, prot, flags, fd, off) : out;
}

static __attribute__((noinline)) void *map_instead(void *addr, size_t len, int prot, int flags,
						   int fd, off_t off)
{
	struct taking t;
	void *out;

	take_begin(&t, addr, len);
	out = map_over(addr, len, prot, flags, fd, off, false, true);
	take_end(&t, out == MAP_FAILED ? errno : 0);
	return out;
}

SHIM_WRAP(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t off))
{
	bool ours = !(flags & MAP_ANONYMOUS) && !fdtable_foreign(fd);
	bool replaces = shim_unlikely(flags & MAP_FIXED) && (flags & MAP_FIXED_NOREPLACE) == 0;

	if (shim_likely(!ours && !replaces))
		return real_mmap(addr, len, prot, flags, fd, off);
	if (replaces && !ours && takes_ours(addr, len))
		return map_instead(addr, len, prot, flags, fd, off);
	return map_over(addr, len, prot, flags, fd, off, ours, replaces);
}
SHIM_ALIAS(mmap64, mmap);

static __attribute__((noinline)) int unmap_pinned(void *addr, size_t len)
{
	struct pin pin = {.on = false};
	int rc;

	pin_add(&pin, UIOMMU_MM_UNMAP, addr, len);
	if (!pin_begin(&pin))
		return -1;
	rc = real_munmap(addr, len);
	pin_end(&pin, !rc);
	return rc;
}

static __attribute__((noinline)) int unmap_ours(void *addr, size_t len)
{
	struct taking t;
	int rc;

	take_begin(&t, addr, len);
	rc = pin_needed() ? unmap_pinned(addr, len) : real_munmap(addr, len);
	take_end(&t, rc ? errno : 0);
	return rc;
}

SHIM_WRAP(int, munmap, (void *addr, size_t len))
{
	if (shim_unlikely(takes_ours(addr, len)))
		return unmap_ours(addr, len);
	if (!pin_needed())
		return real_munmap(addr, len);
	return unmap_pinned(addr, len);
}

/* In the order in which the kernel does it. */
static void *remap_pinned(void *addr, size_t len, size_t to, int flags, void *where)
{
	struct pin pin = {.on = false};
	void *out;

	len = pin_round(len);
	to = pin_round(to);
	if (flags & MREMAP_FIXED)
		pin_add(&pin, UIOMMU_MM_UNMAP, where, to);
	if (to < len)
		pin_add(&pin, UIOMMU_MM_UNMAP, (char *)addr + to, len - to);
	pin_add(&pin, UIOMMU_MM_MOVE, addr, len < to ? len : to);
	if (!pin_begin(&pin))
		return MAP_FAILED;
	out = real_mremap(addr, len, to, flags, where);
	for (size_t i = 0; i < pin.change.nr; i++)
		pin.change.parts[i].to = (uintptr_t)out;
	pin_end(&pin, out != MAP_FAILED);
	return out;
}

static void *remap_host(void *addr, size_t len, size_t to, int flags, void *where)
{
	if (pin_needed())
		return remap_pinned(addr, len, to, flags, where);
	return real_mremap(addr, len, to, flags, where);
}

SHIM_WRAP(void *, mremap, (void *addr, size_t len, size_t to, int flags, ...))
{
	struct shim_entry entry;
	struct taking t;
	void *where = NULL;
	void *out;
	va_list ap;
	int rc;

	if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) {
		va_start(ap, flags);
		where = va_arg(ap, void *);
		va_end(ap);
	}
	if (shim_bypass())
		return real_mremap(addr, len, to, flags, where);
	if (trap_overlaps(addr, len ? len : 1)) {
		shim_enter(&entry);
		rc = trap_remap(addr, len, to, flags, where, &out);
		shim_leave(&entry);
		if (rc < 0) {
			errno = -rc;
			return MAP_FAILED;
		}
		if (rc)
			return out;
	}
	if (!(flags & MREMAP_FIXED) || !takes_ours(where, to))
		return remap_host(addr, len, to, flags, where);
	take_begin(&t, where, to);
	out = remap_host(addr, len, to, flags, where);
	take_end(&t, out == MAP_FAILED ? errno : 0);
	return out;
}

static __attribute__((noinline)) int protect_pinned(void *addr, size_t len, int prot)
{
	struct pin pin = {.on = false};
	int rc;

	pin_add(&pin, UIOMMU_MM_PROTECT, addr, len);
	if (!pin_begin(&pin))
		return -1;
	rc = real_mprotect(addr, len, prot);
	pin_end(&pin, !rc);
	return rc;
}

static int protect(void *addr, size_t len, int prot)
{
	if ((prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE) || !pin_needed())
		return real_mprotect(addr, len, prot);
	return protect_pinned(addr, len, prot);
}

SHIM_WRAP(int, mprotect, (void *addr, size_t len, int prot))
{
	struct shim_entry entry;
	int rc;

	if (shim_bypass() || !len || !whole_pages(addr) || !trap_overlaps(addr, len))
		return protect(addr, len, prot);
	shim_enter(&entry);
	rc = trap_protect(addr, len, prot);
	shim_leave(&entry);
	if (!rc)
		return protect(addr, len, prot);
	return rc < 0 ? (int)shim_result(rc) : 0;
}

SHIM_WRAP(int, pkey_mprotect, (void *addr, size_t len, int prot, int pkey))
{
	struct pin pin = {.on = false};
	int rc;

	/* Without a key it's the other; what traps has none. */
	if (pkey == -1)
		return wrap_mprotect(addr, len, prot);
	if (!shim_bypass() && len && whole_pages(addr) && trap_overlaps(addr, len))
		return (int)shim_result(-EINVAL);
	if ((prot & (PROT_READ | PROT_WRITE)) != (PROT_READ | PROT_WRITE) && pin_needed())
		pin_add(&pin, UIOMMU_MM_PROTECT, addr, len);
	if (!pin_begin(&pin))
		return -1;
	rc = real_pkey_mprotect(addr, len, prot, pkey);
	pin_end(&pin, !rc);
	return rc;
}

/* ---- System V shared memory ---- */

/* How much shmdt() would unmap at most. */
static size_t shm_length(const void *addr)
{
	FILE *maps = real_fopen("/proc/self/maps", "re");
	uint64_t start = (uintptr_t)addr, first = 0, end = start;
	bool found = false;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long from, to, offset, ino;

		if (sscanf(line, "%lx-%lx %*s %lx %*s %lu", &from, &to, &offset, &ino) != 4 ||
		    from < start || !strstr(line, "/SYSV"))
			continue;
		if (from == start && !offset) {
			first = ino; /* the identifier, which may be 0 */
			found = true;
		}
		if (found && ino == first && from - start == offset)
			end = to;
	}
	if (maps)
		real_fclose(maps);
	return end - start;
}

SHIM_WRAP(int, shmdt, (const void *addr))
{
	struct pin pin = {.on = false};
	int saved = errno;
	int rc;

	if (pin_needed())
		pin_add(&pin, UIOMMU_MM_UNMAP, addr, shm_length(addr));
	errno = saved;
	if (!pin_begin(&pin))
		return -1;
	rc = real_shmdt(addr);
	pin_end(&pin, !rc);
	return rc;
}

/* What shmat() replaces, in whole pages. */
static size_t shm_replaced(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) ? 0 : (ds.shm_segsz + PAGE - 1) & ~(PAGE - 1);
}

static void *attach_over(int id, void *addr, size_t len, int flags)
{
	struct pin pin = {.on = false};
	void *out;

	if (pin_needed())
		pin_add(&pin, UIOMMU_MM_UNMAP, addr, len);
	if (!pin_begin(&pin))
		return MAP_FAILED;
	out = real_shmat(id, addr, flags);
	pin_end(&pin, out != MAP_FAILED);
	return out;
}

SHIM_WRAP(void *, shmat, (int id, const void *addr, int flags))
{
	int saved = errno;
	struct taking t;
	void *at, *out;
	size_t len;

	if (shim_likely(!(flags & SHM_REMAP)) || !addr || shim_bypass())
		return real_shmat(id, addr, flags);
	at = (void *)((uintptr_t)addr & ~(flags & SHM_RND ? PAGE - 1 : 0));
	len = shm_replaced(id);
	errno = saved;
	if (!takes_ours(at, len))
		return attach_over(id, at, len, flags);
	take_begin(&t, at, len);
	out = attach_over(id, at, len, flags);
	take_end(&t, out == MAP_FAILED ? errno : 0);
	return out;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mmap and its kin: mappings of our files, and what later happens to that memory.
 *
 * A mapped BAR is reserved memory that traps (trap.h).  It must be forgotten before the
 * client's own call takes the place away, for afterwards another thread may get it.
 */
#include <stdarg.h>
#include <uiommu/file.h>

#include "engine.h"
#include "fdtable.h"
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
	return sf->dead ? -ENODEV : 0;
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
	rc = map_check(sf, len, prot, flags, off);
	if (rc)
		goto out_put;
	rc = uiommu_file_mmap(sf->file, prot, flags, (uint64_t)off, len, &mapping);
	if (rc)
		goto out_put;
	len = (len + PAGE - 1) & ~(PAGE - 1);
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

/* Before memory is taken away. */
static void forget(void *addr, size_t len)
{
	struct shim_entry entry;

	if (!len || !whole_pages(addr) || shim_bypass() || !trap_overlaps(addr, len))
		return;
	shim_enter(&entry);
	trap_unmap(addr, len);
	fdtable_reap();
	shim_leave(&entry);
}

SHIM_WRAP(void *, mmap, (void *addr, size_t len, int prot, int flags, int fd, off_t off))
{
	if (!(flags & MAP_ANONYMOUS) && !fdtable_foreign(fd))
		return map_file(addr, len, prot, flags, fd, off);
	if (shim_unlikely(flags & MAP_FIXED) && (flags & MAP_FIXED_NOREPLACE) == 0)
		forget(addr, len);
	return real_mmap(addr, len, prot, flags, fd, off);
}
SHIM_ALIAS(mmap64, mmap);

SHIM_WRAP(int, munmap, (void *addr, size_t len))
{
	forget(addr, len);
	return real_munmap(addr, len);
}

SHIM_WRAP(void *, mremap, (void *addr, size_t len, size_t to, int flags, ...))
{
	struct shim_entry entry;
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
	} else if (flags & MREMAP_FIXED) {
		forget(where, to);
	}
	return real_mremap(addr, len, to, flags, where);
}

SHIM_WRAP(int, mprotect, (void *addr, size_t len, int prot))
{
	struct shim_entry entry;
	int rc;

	if (shim_bypass() || !len || !whole_pages(addr) || !trap_overlaps(addr, len))
		return real_mprotect(addr, len, prot);
	shim_enter(&entry);
	rc = trap_protect(addr, len, prot);
	shim_leave(&entry);
	if (!rc)
		return real_mprotect(addr, len, prot);
	return rc < 0 ? (int)shim_result(rc) : 0;
}

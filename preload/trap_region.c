/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_region.c - the trapped ranges of this process
 *
 * A struct region is a range of addresses with a mapping behind it.  Regions lie
 * in chunks that are never freed, so a handler may look at any of them at any
 * time; it walks all of them, for there are few (a device has one to six BARs).
 *
 * refs counts 1 for a region that is in use plus 1 for each access under way; a
 * region with 0 is free.  A handler counts up only from 1 or more, and then looks
 * again: a region that was freed and taken for something else in between no
 * longer covers the address, or rightly does.  While refs isn't 0, all but live and
 * prot stay as they are.  The last put drops the mapping, wherever that happens: an
 * access that outlives munmap() finishes first.
 *
 * Changes are made under region_lock with signals blocked.  To cut a region, the
 * parts that stay are added before the whole is retired: at each moment every
 * address that stays is found in one of them.
 */
#include "trap_region.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sync.h"
#include "real.h"
#include "signals.h"
#include "trap.h"
#include "trap_mem.h"
#include "valgrind.h"

#define CHUNK_REGIONS 64
#define CHUNKS 256
#define PAGE 4096ull

/*
 *  refs		atomic
 *  start, end		atomic, changed under region_lock when refs is 0
 *  offset, mapping, dontcopy	the same; offset is what start is in the mapping
 *  prot, live, open	atomic, changed under region_lock
 */
struct region {
	uint64_t refs;
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	struct uiommu_mapping *mapping;
	bool dontcopy; /* a forked child has no such memory */
	int prot;
	int live;
	int open; /* its memory was mapped for the client: not all of it traps */
};

/*
 *  chunks	atomic pointers, set once under region_lock
 *  used	atomic: regions ever taken, grows under region_lock
 *  low, high	atomic: no region was ever outside
 *  changes	atomic: counts what was done under the lock
 *  leaving	atomic: how many ranges were forgotten that are still without rights
 *  leaving_here	of them by this thread
 */
static pthread_mutex_t region_lock = PTHREAD_MUTEX_INITIALIZER;
static struct region *chunks[CHUNKS];
static uint64_t used;
static uint64_t low = ~0ull, high;
static uint64_t changes;
static uint64_t leaving;
static SHIM_TLS unsigned int leaving_here;

static struct region *region_at(uint64_t n)
{
	return ui_load_acquire(&chunks[n / CHUNK_REGIONS]) + n % CHUNK_REGIONS;
}

static void lock_regions(sigset_t *mask)
{
	signals_block(mask);
	pthread_mutex_lock(&region_lock);
	ui_fetch_add(&changes, 1);
}

static void unlock_regions(const sigset_t *mask)
{
	pthread_mutex_unlock(&region_lock);
	signals_unblock(mask);
}

/* ---- looking up ---- */

static bool covers(struct region *r, uint64_t addr)
{
	return ui_load_acquire(&r->live) && ui_load_relaxed(&r->start) <= addr &&
	       addr < ui_load_relaxed(&r->end);
}

static bool get_unless_zero(struct region *r)
{
	uint64_t refs = ui_load_relaxed(&r->refs);

	while (refs)
		if (ui_cmpxchg(&r->refs, &refs, refs + 1))
			return true;
	return false;
}

static void put(struct region *r)
{
	/* Once refs is 0 somebody else may fill the region anew. */
	struct uiommu_mapping *mapping = r->mapping;

	if (ui_fetch_sub(&r->refs, 1) == 1)
		uiommu_mapping_put(mapping);
}

static bool outside(uint64_t addr, uint64_t end)
{
	return end <= ui_load_relaxed(&low) || addr >= ui_load_relaxed(&high);
}

bool region_find(uint64_t addr, struct region_ref *ref)
{
	uint64_t n = ui_load_acquire(&used);

	if (outside(addr, addr + 1))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		struct region *r = region_at(i);

		if (!covers(r, addr) || !get_unless_zero(r))
			continue;
		if (!covers(r, addr)) {
			put(r);
			continue;
		}
		ref->region = r;
		ref->mapping = r->mapping;
		ref->start = ui_load_relaxed(&r->start);
		ref->end = ui_load_relaxed(&r->end);
		ref->offset = r->offset;
		ref->prot = ui_load_relaxed(&r->prot);
		return true;
	}
	return false;
}

void region_put(const struct region_ref *ref)
{
	put(ref->region);
}

/* Seen by who finds a range gone: it's stored before that is. */
static void leave_begin(void)
{
	leaving_here++;
	ui_fetch_add(&leaving, 1);
}

static void leave_end(void)
{
	leaving_here--;
	ui_fetch_sub(&leaving, 1);
}

bool region_leaving(void)
{
	return ui_load_acquire(&leaving) && !leaving_here;
}

uint64_t region_changes(void)
{
	return ui_load_acquire(&changes);
}

bool region_was(uint64_t addr)
{
	uint64_t n = ui_load_acquire(&used);

	if (outside(addr, addr + 1))
		return false;
	for (uint64_t i = 0; i < n; i++) {
		struct region *r = region_at(i);

		if (ui_load_relaxed(&r->start) <= addr && addr < ui_load_relaxed(&r->end))
			return true;
	}
	return false;
}

/* ---- changes: region_lock held ---- */

/*
 * The part of @r that is memory, at @addr, becomes a second mapping of it.  While the region
 * is live the client's own call that takes the place away hasn't been made.
 */
static bool region_open_locked(struct region *r, uint64_t addr)
{
	uint64_t offset = r->offset + (addr - r->start), length, start, end;
	uint8_t *memory = uiommu_mapping_memory(r->mapping, &offset, &length);
	long rc;

	if (!memory)
		return false;
	start = offset > r->offset ? offset : r->offset;
	end = offset + length < r->offset + (r->end - r->start) ? offset + length :
								  r->offset + (r->end - r->start);
	memory += start - offset;
	length = end - start;
	start = r->start + (start - r->offset);
	rc = shim_syscall(SYS_mremap, (long)memory, 0, (long)length, MREMAP_MAYMOVE | MREMAP_FIXED,
			  (long)start, 0);
	if (rc < 0 && rc >= -4095)
		return false;
	if (r->prot != (PROT_READ | PROT_WRITE))
		shim_syscall(SYS_mprotect, (long)start, (long)length, r->prot, 0, 0, 0);
	ui_store_relaxed(&r->open, 1);
	return true;
}

static void region_close_locked(struct region *r)
{
	if (!r->open)
		return;
	shim_syscall(SYS_mmap, (long)r->start, (long)(r->end - r->start), PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	ui_store_relaxed(&r->open, 0);
}

static struct region *region_free_locked(void)
{
	uint64_t n = used;
	void *mem;

	for (uint64_t i = 0; i < n; i++)
		if (!ui_load_acquire(&region_at(i)->refs))
			return region_at(i);
	if (n == CHUNKS * CHUNK_REGIONS)
		return NULL;
	if (n % CHUNK_REGIONS == 0 && !chunks[n / CHUNK_REGIONS]) {
		mem = (void *)shim_syscall(SYS_mmap, 0, CHUNK_REGIONS * sizeof(struct region),
					   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
					   0);
		if ((unsigned long)mem >= (unsigned long)-4095L)
			return NULL;
		ui_store_release(&chunks[n / CHUNK_REGIONS], mem);
	}
	ui_store_release(&used, n + 1);
	return region_at(n);
}

/* A reference on @mapping moves in, if it works. */
static struct region *region_add_locked(struct uiommu_mapping *mapping, uint64_t start,
					uint64_t end, uint64_t offset, int prot)
{
	struct region *r = region_free_locked();

	if (!r)
		return NULL;
	ui_store_relaxed(&r->start, start);
	ui_store_relaxed(&r->end, end);
	r->offset = offset;
	r->mapping = mapping;
	r->dontcopy = uiommu_mapping_dontcopy(mapping);
	ui_store_relaxed(&r->prot, prot);
	ui_store_relaxed(&r->open, 0);
	if (start < low)
		ui_store_relaxed(&low, start);
	if (end > high)
		ui_store_relaxed(&high, end);
	ui_store_release(&r->refs, 1);
	/* What a handler reads after it saw live was stored before. */
	ui_store_release(&r->live, 1);
	return r;
}

/* A part of @r as a region of its own. */
static struct region *region_part_locked(struct region *r, uint64_t start, uint64_t end, int prot)
{
	struct region *part;

	part = region_add_locked(r->mapping, start, end, r->offset + (start - r->start), prot);
	if (part)
		uiommu_mapping_get(r->mapping);
	if (part)
		ui_store_relaxed(&part->open, r->open);
	return part;
}

/*
 * No longer found.  Its reference goes by region_retired(), after the lock: the
 * last put may close a file.
 */
struct retired {
	struct region *list[32];
	unsigned int count;
};

static void region_retire_locked(struct region *r, struct retired *retired)
{
	ui_store_release(&r->live, 0);
	retired->list[retired->count++] = r;
}

static void regions_retired(struct retired *retired)
{
	for (unsigned int i = 0; i < retired->count; i++)
		put(retired->list[i]);
	retired->count = 0;
}

static bool overlaps(const struct region *r, uint64_t start, uint64_t end)
{
	return r->live && r->start < end && start < r->end;
}

/*
 * Forgets [start, end).  If there's no memory for the parts that stay, the whole
 * region stays: its addresses then fault as ours in memory that the client took
 * away, which it can't do without a bug of its own.
 */
static int forget_but(uint64_t start, uint64_t end, const struct region *keep)
{
	struct retired retired = {.count = 0};
	int found = 0;
	bool again;
	sigset_t mask;

	do {
		again = false;
		lock_regions(&mask);
		for (uint64_t i = 0, n = used; i < n; i++) {
			struct region *r = region_at(i);

			if (r == keep || !overlaps(r, start, end))
				continue;
			if (retired.count == 32) {
				again = true;
				break;
			}
			found = 1;
			if (r->start < start && !region_part_locked(r, r->start, start, r->prot))
				continue;
			if (r->end > end && !region_part_locked(r, end, r->end, r->prot))
				continue;
			region_retire_locked(r, &retired);
		}
		unlock_regions(&mask);
		regions_retired(&retired);
	} while (again);
	return found;
}

static int forget(uint64_t start, uint64_t end)
{
	return forget_but(start, end, NULL);
}

/* ---- what the wrappers call ---- */

bool trap_overlaps(const void *addr, size_t len)
{
	uint64_t start = (uintptr_t)addr, end = start + len;

	if (!len || outside(start, end))
		return false;
	for (uint64_t i = 0, n = ui_load_acquire(&used); i < n; i++) {
		struct region *r = region_at(i);

		if (ui_load_acquire(&r->live) && ui_load_relaxed(&r->start) < end &&
		    start < ui_load_relaxed(&r->end))
			return true;
	}
	return false;
}

bool trap_mapped(uint64_t addr, uint64_t length, struct uiommu_mapped *out)
{
	struct region_ref ref;
	bool more;

	if (!trap_overlaps((void *)addr, length))
		return false;
	if (!out)
		return true;
	*out = (struct uiommu_mapped){.prot = PROT_READ | PROT_WRITE | PROT_EXEC};
	do {
		if (!region_find(addr + out->length, &ref))
			break;
		if (!out->mapping) {
			out->mapping = uiommu_mapping_get(ref.mapping);
			out->offset = ref.offset + (addr - ref.start);
		}
		/* Pieces of one, as mprotect() makes them, are one. */
		more = ref.mapping == out->mapping && ref.offset - ref.start == out->offset - addr;
		if (more) {
			out->length = ref.end - addr;
			out->prot &= ref.prot;
		}
		region_put(&ref);
	} while (more && out->length < length);
	return true;
}

static struct region *add(struct uiommu_mapping *m, uint64_t start, size_t len, uint64_t offset,
			  int prot)
{
	struct region *r;
	sigset_t mask;

	lock_regions(&mask);
	r = region_add_locked(m, start, start + len, offset, prot);
	unlock_regions(&mask);
	return r;
}

/* It was never mapped; the reference on the mapping stays the caller's. */
static void cancel(struct region *r)
{
	struct retired retired = {.count = 0};
	sigset_t mask;

	uiommu_mapping_get(r->mapping);
	lock_regions(&mask);
	region_retire_locked(r, &retired);
	unlock_regions(&mask);
	regions_retired(&retired);
}

int trap_map(struct uiommu_mapping *m, void *addr_hint, size_t len, int prot, int flags, void **out)
{
	int map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
			(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT));
	bool over = (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);
	struct region *r = NULL;
	long rc;

	len = (len + PAGE - 1) & ~(PAGE - 1);
	if (!len)
		return -EINVAL;
	/* Who uses what is being replaced finds the one or the other, never nothing. */
	if (over) {
		r = add(m, (uintptr_t)addr_hint, len, 0, prot);
		if (!r)
			return -ENOMEM;
	}
	rc = shim_syscall(SYS_mmap, (long)addr_hint, (long)len, PROT_NONE, map_flags, -1, 0);
	if (rc < 0 && rc >= -4095) {
		if (r)
			cancel(r);
		return (int)rc;
	}
	/* Not every kernel knows the flag, nor does valgrind: a hint to them. */
	if ((flags & MAP_FIXED_NOREPLACE) && rc != (long)addr_hint) {
		shim_syscall(SYS_munmap, rc, (long)len, 0, 0, 0, 0);
		return -EEXIST;
	}
	if (!over) {
		/* Left over from a munmap() past our name. */
		forget((uint64_t)rc, (uint64_t)rc + len);
		r = add(m, (uint64_t)rc, len, 0, prot);
	} else {
		forget_but((uint64_t)rc, (uint64_t)rc + len, r);
	}
	if (!r) {
		shim_syscall(SYS_munmap, rc, (long)len, 0, 0, 0, 0);
		return -ENOMEM;
	}
	if (r->dontcopy)
		shim_syscall(SYS_madvise, rc, (long)len, MADV_DONTFORK, 0, 0, 0);
	valgrind_defined((uint64_t)rc, len);
	*out = (void *)rc;
	return 0;
}

int trap_unmap(void *addr, size_t len)
{
	uint64_t start = (uintptr_t)addr;

	len = (len + PAGE - 1) & ~(PAGE - 1);
	if (!trap_overlaps(addr, len))
		return 0;
	leave_begin();
	if (forget(start, start + len))
		return 1;
	leave_end();
	return 0;
}

void trap_unmapped(void)
{
	leave_end();
}

/* The one region that has all of [start, end), with a reference on its mapping. */
static bool whole(uint64_t start, uint64_t end, struct region_ref *ref)
{
	if (!region_find(start, ref))
		return false;
	if (end <= ref->end)
		return true;
	region_put(ref);
	return false;
}

int trap_remap(void *addr, size_t old_len, size_t new_len, int flags, void *new_addr, void **out)
{
	uint64_t start = (uintptr_t)addr;
	struct region_ref ref;
	long rc;

	old_len = (old_len + PAGE - 1) & ~(PAGE - 1);
	new_len = (new_len + PAGE - 1) & ~(PAGE - 1);
	if (!trap_overlaps(addr, old_len ? old_len : PAGE))
		return 0;
	if (!new_len || !old_len || (flags & MREMAP_DONTUNMAP))
		return -EINVAL;
	/* Device memory doesn't grow; and it is one range. */
	if (new_len > old_len || !whole(start, start + old_len, &ref))
		return -EFAULT;
	trap_revoke(); /* so that it is one mapping for the kernel, too */
	leave_begin();
	rc = shim_syscall(SYS_mremap, (long)addr, (long)old_len, (long)new_len, flags,
			  (long)new_addr, 0);
	if (rc < 0 && rc >= -4095)
		goto out_put;
	*out = (void *)rc;
	if ((uint64_t)rc == start) {
		forget(start + new_len, start + old_len);
		rc = 1;
		goto out_put;
	}
	forget((uint64_t)rc, (uint64_t)rc + new_len);
	uiommu_mapping_get(ref.mapping);
	if (!add(ref.mapping, (uint64_t)rc, new_len, ref.offset + (start - ref.start), ref.prot)) {
		/* Inaccessible from now on; the call itself can't be undone. */
		uiommu_mapping_put(ref.mapping);
	}
	forget(start, start + old_len);
	valgrind_defined((uint64_t)rc, new_len);
	rc = 1;
out_put:
	leave_end();
	region_put(&ref);
	return (int)rc;
}

/* How many bytes of [start, end) are trapped; live regions don't overlap for long. */
static uint64_t trapped_locked(uint64_t start, uint64_t end)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < used; i++) {
		struct region *r = region_at(i);

		if (!overlaps(r, start, end))
			continue;
		sum += (r->end < end ? r->end : end) - (r->start > start ? r->start : start);
	}
	return sum;
}

int trap_protect(void *addr, size_t len, int prot)
{
	uint64_t start = (uintptr_t)addr, end;
	struct retired retired = {.count = 0};
	sigset_t mask;
	int rc = 1;

	len = (len + PAGE - 1) & ~(PAGE - 1);
	end = start + len;
	if (!trap_overlaps(addr, len))
		return 0;
	lock_regions(&mask);
	if (trapped_locked(start, end) != len)
		rc = -ENOMEM;
	for (uint64_t i = 0, n = used; i < n && rc == 1; i++) {
		struct region *r = region_at(i);
		uint64_t from, to;

		if (!overlaps(r, start, end))
			continue;
		region_close_locked(r);
		from = r->start > start ? r->start : start;
		to = r->end < end ? r->end : end;
		if (from == r->start && to == r->end) {
			ui_store_relaxed(&r->prot, prot);
			continue;
		}
		/* Parts have no reference on each other: half of them is no harm. */
		if (retired.count == 32 ||
		    (r->start < from && !region_part_locked(r, r->start, from, r->prot)) ||
		    (to < r->end && !region_part_locked(r, to, r->end, r->prot)) ||
		    !region_part_locked(r, from, to, prot))
			rc = -ENOMEM;
		else
			region_retire_locked(r, &retired);
	}
	unlock_regions(&mask);
	regions_retired(&retired);
	return rc;
}

bool region_open(const struct region_ref *ref, uint64_t addr)
{
	struct region *r = ref->region;
	uint64_t offset = ref->offset + (addr - ref->start), length;
	sigset_t mask;
	bool opened;

	/* Open already, and still here: the client lacks a right, or another thread was faster. */
	if (ui_load_relaxed(&r->open) || !uiommu_mapping_memory(ref->mapping, &offset, &length))
		return false;
	lock_regions(&mask);
	opened = r->live && !r->open && r->prot & PROT_READ && region_open_locked(r, addr);
	unlock_regions(&mask);
	return opened;
}

void trap_revoke(void)
{
	sigset_t mask;

	lock_regions(&mask);
	for (uint64_t i = 0; i < used; i++) {
		struct region *r = region_at(i);

		if (r->live)
			region_close_locked(r);
	}
	unlock_regions(&mask);
}

/*
 * The lock may have been held by a thread that doesn't exist here; what it was
 * doing is at worst half done, which leaves a region too many.
 */
void trap_atfork_child(void)
{
	pthread_mutex_init(&region_lock, NULL);
	ui_store_relaxed(&leaving, leaving_here);
	trap_mem_atfork_child();
	for (uint64_t i = 0; i < used; i++) {
		struct region *r = region_at(i);

		if (!r->live)
			continue;
		/* Its mapping stays what it was: the parent's. */
		if (r->dontcopy) {
			r->live = 0;
			r->start = r->end = 0;
		} else { /* nobody would tell this process when it may not be had any more */
			region_close_locked(r);
		}
	}
}

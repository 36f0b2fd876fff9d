/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that take memory away without unmapping it, and what they have in common with those
 * that unmap (map.c): see pin.h.
 *
 * MADV_FREE is left out where DMA is: Linux doesn't free what is pinned, so that the
 * client goes on seeing it.
 */
#include "pin.h"

#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "attr.h"
#include "wrap.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_PUNCH_HOLE 0x02
#endif

void pin_add(struct pin *pin, enum uiommu_mm_how how, const void *addr, size_t len)
{
	uint64_t start = (uintptr_t)addr, end;

	if (start & (PIN_PAGE - 1) || !len || __builtin_add_overflow(start, pin_round(len), &end))
		return; /* the call will fail */
	pin->change.parts[pin->change.nr++] =
		(struct uiommu_mm_part){.how = how, .addr = start, .length = end - start};
}

bool pin_begin(struct pin *pin)
{
	struct uiommu *ctx;
	int rc = 0;

	if (!pin->change.nr)
		return true;
	shim_enter(&pin->entry);
	ctx = engine_ctx();
	if (ctx)
		rc = uiommu_mm_change_begin(ctx, &pin->change);
	if (rc > 0) {
		pin->on = true;
		return true;
	}
	shim_leave(&pin->entry);
	if (rc < 0)
		errno = -rc;
	return !rc;
}

void pin_end(struct pin *pin, bool done)
{
	int saved = errno;

	if (!pin->on)
		return;
	uiommu_mm_change_end(engine_ctx(), &pin->change, done);
	shim_leave(&pin->entry);
	errno = saved;
}

/* ---- madvise ---- */

static bool pin_covers(void *addr, size_t len)
{
	struct pin pin = {.on = false};

	/* Begun and given up: it is only asked. */
	pin_add(&pin, UIOMMU_MM_PROTECT, addr, len);
	if (!pin_begin(&pin) || !pin.on)
		return false;
	pin_end(&pin, false);
	return true;
}

/* Page by page where it must be; rare. */
static int pin_madvise_free(char *addr, size_t len)
{
	int rc = 0;

	if ((uintptr_t)addr & (PIN_PAGE - 1) || !pin_covers(addr, len))
		return real_madvise(addr, len, MADV_FREE);
	len = pin_round(len);
	for (size_t at = 0; at < len && !rc; at += PIN_PAGE) {
		if (!pin_covers(addr + at, PIN_PAGE))
			rc = real_madvise(addr + at, PIN_PAGE, MADV_FREE);
	}
	return rc;
}

/* The file pages behind shared mappings of [addr, addr + len), one mapping at a time. */
static int pin_madvise_remove(void *addr, size_t len)
{
	struct pin pin = {.on = false};
	FILE *maps = real_fopen("/proc/self/maps", "re");
	uint64_t start = (uintptr_t)addr, end = start + pin_round(len);
	char line[512];
	int rc;

	while (maps && fgets(line, sizeof(line), maps) && pin.change.nr < UIOMMU_MM_PARTS) {
		unsigned long from, to, offset, ino;
		unsigned int major, minor;

		if (sscanf(line, "%lx-%lx %*s %lx %x:%x %lu", &from, &to, &offset, &major, &minor,
			   &ino) != 6 ||
		    to <= start || from >= end || (!ino && !major && !minor))
			continue;
		if (from < start) {
			offset += start - from;
			from = start;
		}
		if (to > end)
			to = end;
		pin.change.parts[pin.change.nr++] =
			(struct uiommu_mm_part){.how = UIOMMU_MM_PUNCH,
						.addr = offset,
						.length = to - from,
						.dev = (uint64_t)major << 32 | minor,
						.ino = ino};
	}
	if (maps)
		real_fclose(maps);
	if (!pin_begin(&pin))
		return -1;
	rc = real_madvise(addr, len, MADV_REMOVE);
	pin_end(&pin, !rc);
	return rc;
}

static int pin_madvise(void *addr, size_t len, int advice)
{
	struct pin pin = {.on = false};
	int rc;

	if (advice == MADV_FREE)
		return pin_madvise_free(addr, len);
	if (advice == MADV_REMOVE)
		return pin_madvise_remove(addr, len);
	pin_add(&pin, UIOMMU_MM_DROP, addr, len);
	if (!pin_begin(&pin))
		return -1;
	rc = real_madvise(addr, len, advice);
	pin_end(&pin, !rc);
	return rc;
}

SHIM_WRAP(int, madvise, (void *addr, size_t len, int advice))
{
	if (!pin_needed())
		return real_madvise(addr, len, advice);
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
		return pin_madvise(addr, len, advice);
	default:
		return real_madvise(addr, len, advice);
	}
}

/* ---- files that get shorter ---- */

static void pin_add_file(struct pin *pin, enum uiommu_mm_how how, const struct stat *st,
			 uint64_t from, uint64_t to)
{
	from = pin_round(from);
	if (how == UIOMMU_MM_PUNCH)
		to &= ~(PIN_PAGE - 1); /* the rest of a page becomes zeros, but stays */
	else
		to = pin_round(to);
	if (from >= to || !S_ISREG(st->st_mode))
		return;
	pin->change.parts[pin->change.nr++] = (struct uiommu_mm_part){
		.how = how,
		.addr = from,
		.length = to - from,
		.dev = (uint64_t)major(st->st_dev) << 32 | minor(st->st_dev),
		.ino = st->st_ino};
}

SHIM_WRAP(int, ftruncate, (int fd, off_t len))
{
	struct pin pin = {.on = false};
	int saved = errno;
	struct stat st;
	int rc;

	/* Of a file of sysfs nothing is cut off. */
	if (attr_is(fd) && len >= 0)
		return 0;
	if (pin_needed() && len >= 0 && !real_fstat(fd, &st))
		pin_add_file(&pin, UIOMMU_MM_TRUNCATE, &st, (uint64_t)len, (uint64_t)st.st_size);
	errno = saved;
	if (!pin_begin(&pin))
		return -1;
	rc = real_ftruncate(fd, len);
	pin_end(&pin, !rc);
	return rc;
}
SHIM_ALIAS(ftruncate64, ftruncate);

SHIM_WRAP(int, truncate, (const char *path, off_t len))
{
	struct pin pin = {.on = false};
	int saved = errno;
	struct stat st;
	int rc;

	if (pin_needed() && len >= 0 && !real_stat(path, &st))
		pin_add_file(&pin, UIOMMU_MM_TRUNCATE, &st, (uint64_t)len, (uint64_t)st.st_size);
	errno = saved;
	if (!pin_begin(&pin))
		return -1;
	rc = real_truncate(path, len);
	pin_end(&pin, !rc);
	return rc;
}
SHIM_ALIAS(truncate64, truncate);

SHIM_WRAP(int, fallocate, (int fd, int mode, off_t off, off_t len))
{
	struct pin pin = {.on = false};
	int saved = errno;
	struct stat st;
	int rc;

	if (shim_unlikely(mode & FALLOC_FL_PUNCH_HOLE) && pin_needed() && off >= 0 && len > 0 &&
	    !real_fstat(fd, &st))
		pin_add_file(&pin, UIOMMU_MM_PUNCH, &st, (uint64_t)off,
			     (uint64_t)off + (uint64_t)len);
	errno = saved;
	if (!pin_begin(&pin))
		return -1;
	rc = real_fallocate(fd, mode, off, len);
	pin_end(&pin, !rc);
	return rc;
}
SHIM_ALIAS(fallocate64, fallocate);

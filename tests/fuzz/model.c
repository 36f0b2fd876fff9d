// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/model.c - see model.h */
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "iommufd/hwpt.h"
#include "iopt/object.h"
#include "world.h"

struct model model;

#define PAGE 4096ull
#define HUGE_PAGE (2ull << 20)

void model_reset(void)
{
	for (size_t i = 0; i < model.nr; i++)
		free(model.ioas[i]);
	model.nr = 0;
	model.nr_marks = 0;
	model.lost_marks = false;
}

struct model_ioas *model_find(uint32_t id)
{
	for (size_t i = 0; i < model.nr; i++)
		if (model.ioas[i]->id == id)
			return model.ioas[i];
	return NULL;
}

void model_add(uint32_t id, struct iopt *iopt)
{
	struct model_ioas *ioas = malloc(sizeof(*ioas));

	must(ioas && model.nr < MODEL_IOAS, "room");
	ioas->id = id;
	ioas->iopt = iopt;
	ioas->nr = ioas->nr_reserved = ioas->nr_allowed = 0;
	model.ioas[model.nr++] = ioas;
}

void model_del(uint32_t id)
{
	for (size_t i = 0; i < model.nr; i++) {
		if (model.ioas[i]->id != id)
			continue;
		free(model.ioas[i]);
		model.ioas[i] = model.ioas[--model.nr];
		return;
	}
}

/* ---- what constrains maps ---- */

enum memory model_memory(uint64_t va, uint64_t length, bool writable)
{
	uint64_t slot = va - SLOT_BASE, offset = slot & ((1ull << SLOT_SHIFT) - 1);

	if (va < 0x10000 || va >= 1ull << 47 || va + length >= 1ull << 47)
		return MEMORY_BAD;
	slot >>= SLOT_SHIFT;
	if (va < SLOT_BASE || slot >= 16)
		return MEMORY_UNKNOWN;
	if (slot >= BUFFERS)
		return slot < 8 || slot == 15 ? MEMORY_BAD : MEMORY_UNKNOWN;
	if (length > BUFFER_SIZE || offset > BUFFER_SIZE - length)
		return MEMORY_BAD;
	return writable && slot == BUFFER_READ_ONLY ? MEMORY_BAD : MEMORY_GOOD;
}

size_t model_domains(const struct model_ioas *ioas)
{
	return ioas->iopt->nr_domains;
}

uint64_t model_alignment(const struct model_ioas *ioas)
{
	const struct iopt *iopt = ioas->iopt;
	uint64_t alignment = iopt->small_pages ? PAGE : 1;

	for (size_t i = 0; i < iopt->nr_domains; i++) {
		const struct iommufd_hwpt *hwpt = iopt->domains[i].owner;

		if (alignment < hwpt->geometry.alignment)
			alignment = hwpt->geometry.alignment;
	}
	for (size_t i = 0; i < iopt->nr_accesses; i++)
		if (iopt->accesses[i] && alignment < iopt->accesses[i]->alignment)
			alignment = iopt->accesses[i]->alignment;
	return alignment;
}

size_t model_reserved(const struct model_ioas *ioas, struct range *out, size_t max)
{
	const struct iopt *iopt = ioas->iopt;
	size_t nr = 0;

	for (size_t i = 0; i < ioas->nr_reserved; i++)
		out[nr++] = ioas->reserved[i];
	for (size_t i = 0; i < iopt->nr_domains && nr + 2 <= max; i++) {
		const struct iommufd_hwpt *hwpt = iopt->domains[i].owner;

		if (hwpt->geometry.first_iova)
			out[nr++] = (struct range){0, hwpt->geometry.first_iova - 1};
		if (hwpt->geometry.last_iova != UINT64_MAX)
			out[nr++] = (struct range){hwpt->geometry.last_iova + 1, UINT64_MAX};
	}
	return nr;
}

static bool is_reserved(const struct model_ioas *ioas, uint64_t start, uint64_t last)
{
	struct range ranges[2 * MODEL_RESERVED];
	size_t nr = model_reserved(ioas, ranges, 2 * MODEL_RESERVED);

	for (size_t i = 0; i < nr; i++)
		if (ranges[i].start <= last && ranges[i].last >= start)
			return true;
	return false;
}

static bool is_mapped(const struct model_ioas *ioas, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < ioas->nr; i++)
		if (ioas->extents[i].start <= last && ioas->extents[i].last >= start)
			return true;
	return false;
}

int model_reserve(const struct model_ioas *ioas, uint64_t start, uint64_t last)
{
	if (is_mapped(ioas, start, last))
		return -EADDRINUSE;
	for (size_t i = 0; i < ioas->nr_allowed; i++)
		if (ioas->allowed[i].start <= last && ioas->allowed[i].last >= start)
			return -EADDRINUSE;
	return 0;
}

int model_allow(const struct model_ioas *ioas, const struct range *ranges, uint64_t nr,
		struct range *out)
{
	/* What is behind the second one in memory is zero. */
	for (uint64_t i = 0; i < nr && i < 3; i++) {
		if (i == 2 || ranges[i].start >= ranges[i].last)
			return -EINVAL;
		if (i && ranges[0].start <= ranges[1].last && ranges[0].last >= ranges[1].start)
			return -EINVAL;
	}
	for (uint64_t i = 0; i < nr; i++)
		if (is_reserved(ioas, ranges[i].start, ranges[i].last))
			return -EADDRINUSE;
	memcpy(out, ranges, nr * sizeof(*out));
	if (nr == 2 && out[0].start > out[1].start) {
		out[0] = ranges[1];
		out[1] = ranges[0];
	}
	return 0;
}

/* ---- map ---- */

/* Does [at, at + length) do?  If not, *next: what it must be behind. */
static bool place_is_free(const struct model_ioas *ioas, const struct range *reserved,
			  size_t nr_reserved, uint64_t at, uint64_t last, uint64_t *next)
{
	for (size_t i = 0; i < nr_reserved; i++) {
		if (reserved[i].start <= last && reserved[i].last >= at) {
			*next = reserved[i].last;
			return false;
		}
	}
	for (size_t i = 0; i < ioas->nr; i++) {
		if (ioas->extents[i].start <= last && ioas->extents[i].last >= at) {
			*next = ioas->extents[i].last;
			return false;
		}
	}
	return true;
}

/* The lowest place in [first, last] with that alignment and offset. */
static bool find_place(const struct model_ioas *ioas, uint64_t first, uint64_t last,
		       uint64_t length, uint64_t alignment, uint64_t offset, uint64_t *iova)
{
	struct range reserved[2 * MODEL_RESERVED];
	size_t nr = model_reserved(ioas, reserved, 2 * MODEL_RESERVED);
	uint64_t at = first, next;

	for (;;) {
		uint64_t place;

		if (__builtin_add_overflow(at, alignment - 1, &place))
			return false;
		place = (place & ~(alignment - 1)) | offset;
		/* As in Linux, a hole of a single byte is none. */
		if (place >= last || last - place < length - 1)
			return false;
		if (place_is_free(ioas, reserved, nr, place, place + (length > 1 ? length - 1 : 1),
				  &next)) {
			*iova = place;
			return true;
		}
		if (next >= last)
			return false;
		at = next + 1;
	}
}

bool model_place(const struct model_ioas *ioas, uint64_t length, uint64_t alignment,
		 uint64_t offset, uint64_t *iova)
{
	if (!ioas->nr_allowed)
		return find_place(ioas, PAGE, UINT64_MAX - PAGE, length, alignment, offset, iova);
	for (size_t i = 0; i < ioas->nr_allowed; i++) {
		uint64_t first = ioas->allowed[i].start, last = ioas->allowed[i].last;

		if (i + 1 < ioas->nr_allowed && ioas->allowed[1].start == last + 1)
			last = ioas->allowed[++i].last;
		if (first < PAGE)
			first = PAGE;
		if (last > UINT64_MAX - PAGE)
			last = UINT64_MAX - PAGE;
		if (first <= last && find_place(ioas, first, last, length, alignment, offset, iova))
			return true;
	}
	return false;
}

static int choose(const struct model_ioas *ioas, uint64_t va, uint64_t length, uint64_t *iova)
{
	uint64_t alignment = 1;

	if (length >= UINT64_MAX / 2)
		return -EOVERFLOW;
	while (alignment < length && alignment < HUGE_PAGE)
		alignment *= 2;
	if (va && (va & -va) < alignment)
		alignment = va & -va;
	if (alignment < model_alignment(ioas))
		return -EINVAL;
	return model_place(ioas, length, alignment, va % PAGE, iova) ? 0 : -ENOSPC;
}

struct expect model_map(const struct model_ioas *ioas, const struct piece *pieces, size_t nr,
			uint32_t perm, bool fixed, uint64_t *iova)
{
	const uint64_t alignment = model_alignment(ioas);
	struct expect e = {0};
	uint64_t length = 0, last;

	for (size_t i = 0; i < nr; i++)
		length += pieces[i].length;
	if (length & (alignment - 1))
		return (struct expect){.rc = -EINVAL};
	if (fixed) {
		if (*iova & (alignment - 1))
			return (struct expect){.rc = -EINVAL};
		if (__builtin_add_overflow(*iova, length - 1, &last))
			return (struct expect){.rc = -EOVERFLOW};
		if (is_reserved(ioas, *iova, last))
			return (struct expect){.rc = -EINVAL};
		if (is_mapped(ioas, *iova, last))
			return (struct expect){.rc = -EEXIST};
	} else {
		e.rc = choose(ioas, pieces[0].va, length, iova);
		if (e.rc)
			return e;
	}
	for (size_t i = 0; i < nr; i++) {
		if (perm & UIOMMU_WRITE && !pieces[i].writable)
			return (struct expect){.rc = -EPERM};
		if (pieces[i].va % PAGE & (alignment - 1))
			return (struct expect){.rc = -EINVAL};
	}
	if (!model_domains(ioas))
		return e;
	for (size_t i = 0; i < nr; i++) {
		if (pieces[i].present)
			e.loose |= pieces[i].memory != MEMORY_GOOD;
		else if (pieces[i].memory == MEMORY_BAD && !pieces[i].file && !e.loose)
			return (struct expect){.rc = -EFAULT};
		else if (pieces[i].memory != MEMORY_GOOD)
			e.loose = true;
		if (!perm && !e.loose)
			return (struct expect){.rc = -EINVAL};
	}
	return e;
}

/* A new map is clean, for each domain. */
static void forget_marks(const struct model_ioas *ioas, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < ioas->iopt->nr_domains; i++)
		model_unmark(ioas->iopt->domains[i].owner, start, last);
}

void model_map_done(struct model_ioas *ioas, const struct piece *pieces, size_t nr, uint32_t perm,
		    uint64_t iova)
{
	for (size_t i = 0; i < nr; i++) {
		struct extent extent = {
			.start = iova,
			.last = iova + pieces[i].length - 1,
			.va = pieces[i].va,
			.perm = perm,
			.writable = pieces[i].writable,
			.file = pieces[i].file,
			.memory = pieces[i].memory,
		};
		size_t at = 0;

		forget_marks(ioas, extent.start, extent.last);
		must(ioas->nr < MODEL_EXTENTS, "room");
		while (at < ioas->nr && ioas->extents[at].start < iova)
			at++;
		memmove(&ioas->extents[at + 1], &ioas->extents[at],
			(ioas->nr - at) * sizeof(extent));
		ioas->extents[at] = extent;
		ioas->nr++;
		iova += pieces[i].length;
	}
}

const struct extent *model_at(const struct model_ioas *ioas, uint64_t iova)
{
	for (size_t i = 0; i < ioas->nr; i++)
		if (ioas->extents[i].start <= iova && ioas->extents[i].last >= iova)
			return &ioas->extents[i];
	return NULL;
}

int model_slices(const struct model_ioas *ioas, uint64_t iova, uint64_t length,
		 struct piece *pieces, size_t *nr)
{
	uint64_t last;

	*nr = 0;
	if (!length)
		return -EINVAL;
	if (__builtin_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;
	for (;;) {
		const struct extent *extent = model_at(ioas, iova);
		uint64_t end;

		if (!extent)
			return -ENOENT;
		end = extent->last < last ? extent->last : last;
		pieces[(*nr)++] = (struct piece){
			.va = extent->va + (iova - extent->start),
			.length = end - iova + 1,
			.writable = extent->writable,
			.file = extent->file,
			.present = model_domains(ioas),
			.memory = extent->memory == MEMORY_BAD ? MEMORY_UNKNOWN : extent->memory,
		};
		if (end == last)
			return 0;
		iova = end + 1;
	}
}

/* ---- unmap ---- */

int model_unmap(struct model_ioas *ioas, uint64_t start, uint64_t last, uint64_t *unmapped)
{
	size_t at = 0;

	*unmapped = 0;
	while (at < ioas->nr && ioas->extents[at].last < start)
		at++;
	while (at < ioas->nr && ioas->extents[at].start <= last) {
		const struct extent extent = ioas->extents[at];
		const struct iopt_held *held =
			ioas->iopt->held ? iopt_held_find(ioas->iopt, extent.start) : NULL;

		if (held && held->locks)
			return -EBUSY;
		if (extent.start < start || extent.last > last)
			return -ENOENT;
		*unmapped += extent.last - extent.start + 1;
		ioas->nr--;
		memmove(&ioas->extents[at], &ioas->extents[at + 1],
			(ioas->nr - at) * sizeof(extent));
	}
	return 0;
}

int model_cut(struct model_ioas *ioas, uint64_t iova)
{
	const struct iopt *iopt = ioas->iopt;
	struct extent *extent = (struct extent *)(uintptr_t)model_at(ioas, iova), right;
	const struct iopt_held *held;
	size_t at;

	if (!extent || iova == extent->start || iova == extent->last)
		return 0;
	held = iopt->held ? iopt_held_find(ioas->iopt, extent->start) : NULL;
	if (held && held->closed)
		return -EBUSY;
	right = *extent;
	right.start = iova + 1;
	right.va += right.start - extent->start;
	if ((right.start | right.va % PAGE) & (model_alignment(ioas) - 1))
		return -EINVAL;
	if ((held && held->pins) || (iopt->nr_domains && !iopt->small_pages))
		return -EINVAL;
	must(ioas->nr < MODEL_EXTENTS, "room");
	extent->last = iova;
	at = (size_t)(extent - ioas->extents) + 1;
	memmove(&ioas->extents[at + 1], &ioas->extents[at], (ioas->nr - at) * sizeof(right));
	ioas->extents[at] = right;
	ioas->nr++;
	return 0;
}

/* ---- dirty bits ---- */

static void add_mark(const struct iommufd_hwpt *hwpt, uint64_t start, uint64_t last)
{
	if (model.nr_marks == MODEL_MARKS) {
		model.lost_marks = true;
		return;
	}
	model.marks[model.nr_marks++] = (struct mark){.hwpt = hwpt, .range = {start, last}};
}

void model_mark(const struct iommufd_hwpt *hwpt, uint64_t iova, uint64_t length)
{
	const uint64_t page = hwpt->geometry.alignment;

	if (length)
		add_mark(hwpt, iova & -page, (iova + length - 1) | (page - 1));
}

/* NULL: those that are crossed out. */
static void drop_marks(const struct iommufd_hwpt *hwpt)
{
	size_t to = 0;

	for (size_t i = 0; i < model.nr_marks; i++)
		if (model.marks[i].hwpt != hwpt)
			model.marks[to++] = model.marks[i];
	model.nr_marks = to;
}

void model_unmark(const struct iommufd_hwpt *hwpt, uint64_t start, uint64_t last)
{
	const uint64_t page = hwpt->geometry.alignment;
	const size_t nr = model.nr_marks;

	start &= -page;
	last |= page - 1;
	/* What is left of one behind the range goes to the end. */
	for (size_t i = 0; i < nr; i++) {
		struct mark *mark = &model.marks[i];

		if (mark->hwpt != hwpt || mark->range.start > last || mark->range.last < start)
			continue;
		if (mark->range.last > last)
			add_mark(hwpt, last + 1, mark->range.last);
		if (mark->range.start < start)
			mark->range.last = start - 1;
		else
			mark->hwpt = NULL;
	}
	drop_marks(NULL);
}

void model_del_hwpt(const struct iommufd_hwpt *hwpt)
{
	drop_marks(hwpt);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/run_map.c - what changes an address space, against the model */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iopt/object.h"
#include "mock/mock.h"
#include "uapi/iommufd.h"
#include "uapi/vfio.h"
#include "world.h"

static struct piece pieces[MODEL_EXTENTS];

/* Room for what one operation may add. */
static bool full(const struct model_ioas *ioas)
{
	return ioas && ioas->nr + 8 > MODEL_EXTENTS;
}

static uint32_t perm_of(uint64_t flags)
{
	return (flags & IOMMU_IOAS_MAP_READABLE ? UIOMMU_READ : 0) |
	       (flags & IOMMU_IOAS_MAP_WRITEABLE ? UIOMMU_WRITE : 0);
}

void run_ioas_alloc(void)
{
	struct iommu_ioas_alloc cmd = {.flags = (uint32_t)arg(0)};
	struct iommufd_object *obj;

	if (model.nr == MODEL_IOAS)
		return;
	if (!settle(just(cmd.flags ? -EOPNOTSUPP : 0), CALL(IOMMU_IOAS_ALLOC, cmd, out_ioas_id),
		    true) ||
	    run.op->frame == FRAME_RO)
		return;
	set_result(0, cmd.out_ioas_id);
	obj = run_object(cmd.out_ioas_id);
	must(obj && obj->ops == &iommufd_ioas_ops, "object %u", cmd.out_ioas_id);
	model_add(cmd.out_ioas_id, ui_container_of(obj, struct iommufd_ioas, obj)->iopt);
}

/* ---- MAP, MAP_FILE, COPY ---- */

static struct expect expect_flags(uint64_t flags, uint64_t iova, uint64_t length)
{
	if (flags & ~7ull)
		return just(-EOPNOTSUPP);
	if (iova == UINT64_MAX || length == UINT64_MAX)
		return just(-EOVERFLOW);
	return just(perm_of(flags) ? 0 : -EINVAL);
}

static void map_done(struct model_ioas *ioas, struct expect e, long rc, size_t nr, uint64_t flags,
		     uint64_t told, uint64_t iova)
{
	if (!settle(e, rc, true))
		return;
	must(run.op->frame == FRAME_RO || told == iova, "IOVA %#llx, should be %#llx",
	     (unsigned long long)told, (unsigned long long)iova);
	model_map_done(ioas, pieces, nr, perm_of(flags), iova);
	set_result(0, iova);
}

void run_map(void)
{
	struct iommu_ioas_map cmd = {
		.ioas_id = (uint32_t)arg(0),
		.flags = (uint32_t)arg(1),
		.user_va = arg(2),
		.length = arg(3),
		.iova = arg(4),
		.__reserved = (uint32_t)arg(5),
	};
	struct model_ioas *ioas = model_find(cmd.ioas_id);
	struct expect e = expect_flags(cmd.flags, cmd.iova, cmd.length);
	long rc;
	uint64_t iova = cmd.iova, flags = cmd.flags;

	if (full(ioas))
		return;
	if (cmd.__reserved)
		e = just(-EOPNOTSUPP);
	if (!e.rc && !ioas)
		e = just(-ENOENT);
	if (!e.rc && cmd.user_va + cmd.length < cmd.user_va)
		e = just(-EOVERFLOW);
	if (!e.rc && (!cmd.length || cmd.length > UINT64_MAX - 4096))
		e = just(-EINVAL);
	if (!e.rc) {
		bool writable = flags & IOMMU_IOAS_MAP_WRITEABLE;

		pieces[0] = (struct piece){
			.va = cmd.user_va,
			.length = cmd.length,
			.writable = writable,
			.memory = model_memory(cmd.user_va, cmd.length, writable),
		};
		e = model_map(ioas, pieces, 1, perm_of(flags), flags & IOMMU_IOAS_MAP_FIXED_IOVA,
			      &iova);
	}
	rc = CALL(IOMMU_IOAS_MAP, cmd, iova);
	map_done(ioas, e, rc, 1, flags, cmd.iova, iova);
}

static void file_piece(unsigned int file, uint64_t start, uint64_t length, bool writable)
{
	bool good = file < 2 && length <= BUFFER_SIZE && start <= BUFFER_SIZE - length;

	pieces[0] = (struct piece){
		.va = good ? buffer_va(BUFFER_FILE + file) + start : start & ((2ull << 20) - 1),
		.length = length,
		.writable = writable,
		.file = true,
		.memory = good ? MEMORY_GOOD : MEMORY_UNKNOWN,
	};
}

void run_map_file(void)
{
	unsigned int file = (unsigned int)(arg(2) % 4);
	struct iommu_ioas_map_file cmd = {
		.ioas_id = (uint32_t)arg(0),
		.flags = (uint32_t)arg(1),
		.fd = world.files[file],
		.start = arg(3),
		.length = arg(4),
		.iova = arg(5),
	};
	struct model_ioas *ioas = model_find(cmd.ioas_id);
	struct expect e = expect_flags(cmd.flags, cmd.iova, cmd.length);
	long rc;
	uint64_t iova = cmd.iova, flags = cmd.flags;

	if (full(ioas))
		return;
	if (!e.rc && !ioas)
		e = just(-ENOENT);
	if (!e.rc && !cmd.length)
		e = just(-EINVAL);
	if (!e.rc && cmd.start + (cmd.length - 1) < cmd.start)
		e = just(-EOVERFLOW);
	if (!e.rc && cmd.fd < 0)
		e = just(-EBADF);
	if (!e.rc && cmd.length > UINT64_MAX - 4096)
		e = (struct expect){.rc = -EINVAL, .loose = true};
	if (!e.rc) {
		file_piece(file, cmd.start, cmd.length, flags & IOMMU_IOAS_MAP_WRITEABLE);
		e = model_map(ioas, pieces, 1, perm_of(flags), flags & IOMMU_IOAS_MAP_FIXED_IOVA,
			      &iova);
		e.loose |= pieces[0].memory != MEMORY_GOOD;
	}
	rc = CALL(IOMMU_IOAS_MAP_FILE, cmd, iova);
	map_done(ioas, e, rc, 1, flags, cmd.iova, iova);
}

void run_copy(void)
{
	struct iommu_ioas_copy cmd = {
		.dst_ioas_id = (uint32_t)arg(0),
		.src_ioas_id = (uint32_t)arg(1),
		.flags = (uint32_t)arg(2),
		.length = arg(3),
		.dst_iova = arg(4),
		.src_iova = arg(5),
	};
	struct model_ioas *src = model_find(cmd.src_ioas_id), *dst = model_find(cmd.dst_ioas_id);
	uint64_t flags = cmd.flags, from = cmd.src_iova, iova = cmd.dst_iova;
	struct expect e;
	long rc;
	size_t nr = 0;

	if (dst && src && dst->nr + src->nr > MODEL_EXTENTS)
		return;
	/* If looking up the IOAS fails, the number is taken for an IOVA. */
	if (flags & MOCK_ACCESS_NTH && run.op->fail)
		return;
	if (flags & MOCK_ACCESS_NTH) {
		flags &= ~(uint64_t)MOCK_ACCESS_NTH;
		if (src)
			from = (uint32_t)from < src->nr ?
				       src->extents[(uint32_t)from].start + (from >> 32) :
				       0;
	}
	e = expect_flags(flags, from, cmd.length);
	if (!e.rc && cmd.dst_iova == UINT64_MAX)
		e = just(-EOVERFLOW);
	if (!(flags & ~7ull) && cmd.dst_iova == UINT64_MAX)
		e = just(-EOVERFLOW);
	if (!e.rc && !src)
		e = just(-ENOENT);
	if (!e.rc)
		e = just(model_slices(src, from, cmd.length, pieces, &nr));
	if (!e.rc && !dst)
		e = just(-ENOENT);
	if (!e.rc)
		e = model_map(dst, pieces, nr, perm_of(flags), flags & IOMMU_IOAS_MAP_FIXED_IOVA,
			      &iova);
	rc = CALL(IOMMU_IOAS_COPY, cmd, src_iova);
	map_done(dst, e, rc, nr, flags, cmd.dst_iova, iova);
}

/* ---- UNMAP ---- */

void run_unmap(void)
{
	struct iommu_ioas_unmap cmd = {
		.ioas_id = (uint32_t)arg(0),
		.iova = arg(1),
		.length = arg(2),
	};
	struct model_ioas *ioas = model_find(cmd.ioas_id);
	bool everything = !cmd.iova && cmd.length == UINT64_MAX;
	static struct model_ioas before;
	uint64_t unmapped = 0;
	struct expect e = just(0);
	long rc;

	if (frame_blocks())
		ioas = NULL;
	if (ioas && run.op->fail)
		before = *ioas;
	if (!ioas)
		e = just(-ENOENT);
	else if (everything)
		e = just(model_unmap(ioas, 0, UINT64_MAX, &unmapped));
	else if (cmd.iova == UINT64_MAX || cmd.length == UINT64_MAX)
		e = just(-EOVERFLOW);
	else if (!cmd.length)
		e = just(-EINVAL);
	else if (cmd.iova + (cmd.length - 1) < cmd.iova)
		e = just(-EOVERFLOW);
	else
		e = just(model_unmap(ioas, cmd.iova, cmd.iova + (cmd.length - 1), &unmapped));
	if (!e.rc && !unmapped && !everything)
		e = just(-ENOENT);
	rc = CALL(IOMMU_IOAS_UNMAP, cmd, length);
	/* The first that can fail is looking up the IOAS: then it didn't begin. */
	if (ioas && run.op->fail == 1 && run.fired)
		*ioas = before;
	if (settle(e, rc, true))
		must(run.op->frame == FRAME_RO || cmd.length == unmapped,
		     "%#llx bytes, should be %#llx", (unsigned long long)cmd.length,
		     (unsigned long long)unmapped);
}

/* ---- what constrains ---- */

void run_allow(void)
{
	struct iommu_ioas_allow_iovas cmd = {
		.ioas_id = (uint32_t)arg(0),
		.num_iovas = (uint32_t)arg(1),
		.__reserved = (uint32_t)(arg(1) >> 32),
		.allowed_iovas = SCRATCH_VA,
	};
	const struct range ranges[3] = {{arg(2), arg(3)}, {arg(4), arg(5)}};
	struct model_ioas *ioas = model_find(cmd.ioas_id);
	struct expect e = just(0);
	struct range out[2];

	memcpy(scratch(), ranges, sizeof(ranges));
	if (cmd.__reserved)
		e = just(-EOPNOTSUPP);
	else if (!ioas)
		e = just(-ENOENT);
	else
		e = just(model_allow(ioas, ranges, cmd.num_iovas, out));
	if (settle(e, CALL(IOMMU_IOAS_ALLOW_IOVAS, cmd, allowed_iovas), false)) {
		ioas->nr_allowed = cmd.num_iovas;
		memcpy(ioas->allowed, out, cmd.num_iovas * sizeof(*out));
	}
}

/* The next usable range at or after *pos. */
static bool next_usable(const struct range *reserved, size_t nr, uint64_t *pos, struct range *out)
{
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < nr; i++) {
			if (reserved[i].start > *pos || reserved[i].last < *pos)
				continue;
			if (reserved[i].last == UINT64_MAX)
				return false;
			*pos = reserved[i].last + 1;
			again = true;
		}
	}
	*out = (struct range){*pos, UINT64_MAX};
	for (size_t i = 0; i < nr; i++)
		if (reserved[i].start > *pos && reserved[i].start - 1 < out->last)
			out->last = reserved[i].start - 1;
	return true;
}

void run_ranges(void)
{
	struct iommu_ioas_iova_ranges cmd = {
		.ioas_id = (uint32_t)arg(0),
		.num_iovas = (uint32_t)arg(1),
		.__reserved = (uint32_t)(arg(1) >> 32),
		.allowed_iovas = SCRATCH_VA,
	};
	struct model_ioas *ioas = model_find(cmd.ioas_id);
	struct range reserved[2 * MODEL_RESERVED], usable[2 * MODEL_RESERVED];
	const struct iommu_iova_range *told = scratch();
	size_t nr = 0, count = 0;
	uint64_t pos = 0, room = cmd.num_iovas;
	struct expect e = just(0);

	if (ioas) {
		nr = model_reserved(ioas, reserved, 2 * MODEL_RESERVED);
		while (next_usable(reserved, nr, &pos, &usable[count])) {
			pos = usable[count++].last + 1;
			if (!pos)
				break;
		}
	}
	if (cmd.__reserved)
		e = just(-EOPNOTSUPP);
	else if (!ioas)
		e = just(-ENOENT);
	else if (count > room)
		e = just(run.op->frame == FRAME_RO ? -EFAULT : -EMSGSIZE);
	settle(e, CALL(IOMMU_IOAS_IOVA_RANGES, cmd, out_iova_alignment), true);
	if ((e.rc && e.rc != -EMSGSIZE) || frame_blocks() || run.op->frame == FRAME_RO || run.fired)
		return;
	must(cmd.num_iovas == count && cmd.out_iova_alignment == model_alignment(ioas),
	     "%u ranges, should be %zu; alignment %#llx", cmd.num_iovas, count,
	     (unsigned long long)cmd.out_iova_alignment);
	for (size_t i = 0; i < count && i < room; i++)
		must(told[i].start == usable[i].start && told[i].last == usable[i].last,
		     "range %zu is [%#llx, %#llx]", i, (unsigned long long)told[i].start,
		     (unsigned long long)told[i].last);
}

void run_reserve(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_ADD_RESERVED,
		.id = (uint32_t)arg(0),
		.add_reserved = {.start = arg(1), .length = arg(2)},
	};
	struct model_ioas *ioas = model_find(cmd.id);
	uint64_t start = arg(1), last = start + (arg(2) - 1);
	struct expect e = just(0);

	if (ioas && ioas->nr_reserved == MODEL_RESERVED)
		return;
	if (!arg(2))
		e = just(-EINVAL);
	else if (last < start)
		e = just(-EOVERFLOW);
	else if (!ioas)
		e = just(-ENOENT);
	else
		e = just(model_reserve(ioas, start, last));
	if (settle(e, CALL(MOCK_TEST_CMD, cmd, last), false))
		ioas->reserved[ioas->nr_reserved++] = (struct range){start, last};
}

/* ---- as a VFIO container ---- */

static struct model_ioas *compat_ioas(void)
{
	struct iommufd_object *obj = run_ctx()->vfio_ioas;

	return obj ? model_find(obj->id) : NULL;
}

void run_vfio_map(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = arg(4) ? (uint32_t)arg(4) : sizeof(map),
		.flags = (uint32_t)arg(0),
		.vaddr = arg(1),
		.iova = arg(2),
		.size = arg(3),
	};
	struct model_ioas *ioas = compat_ioas();
	struct expect e = just(0);
	uint64_t iova = map.iova;
	uint32_t perm = 0;

	if (full(ioas))
		return;
	if (map.flags & VFIO_DMA_MAP_FLAG_READ)
		perm |= UIOMMU_READ;
	if (map.flags & VFIO_DMA_MAP_FLAG_WRITE)
		perm |= UIOMMU_WRITE;
	if (map.argsz < 32 || map.flags & ~3u)
		e = just(-EINVAL);
	else if (!ioas)
		e = just(-ENODEV);
	else if (map.vaddr + map.size < map.vaddr)
		e = just(-EOVERFLOW);
	else if (!map.size || map.size > UINT64_MAX - 4096)
		e = just(-EINVAL);
	if (!e.rc) {
		pieces[0] = (struct piece){
			.va = map.vaddr,
			.length = map.size,
			.writable = perm & UIOMMU_WRITE,
			.memory = model_memory(map.vaddr, map.size, perm & UIOMMU_WRITE),
		};
		e = model_map(ioas, pieces, 1, perm, true, &iova);
	}
	if (settle(e, call_raw(VFIO_IOMMU_MAP_DMA, &map, sizeof(map)), false))
		model_map_done(ioas, pieces, 1, perm, iova);
}

void run_vfio_unmap(void)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = arg(3) ? (uint32_t)arg(3) : sizeof(unmap),
		.flags = (uint32_t)arg(0),
		.iova = arg(1),
		.size = arg(2),
	};
	struct model_ioas *ioas = compat_ioas();
	uint64_t unmapped = 0, iova = unmap.iova, size = unmap.size;
	struct expect e = just(0);
	bool told = false;
	long rc;

	if (full(ioas) || run.op->fail)
		return; /* what a cut has done before memory ran out isn't modelled */
	if (unmap.argsz < 24 || unmap.flags & ~2u)
		e = just(-EINVAL);
	else if (!ioas)
		e = just(-ENODEV);
	else if (unmap.flags && (iova || size))
		e = just(-EINVAL);
	else if (unmap.flags)
		e = just(model_unmap(ioas, 0, UINT64_MAX, &unmapped));
	if (!e.rc && !unmap.flags) {
		if (ioas->iopt->small_pages) {
			e = just(model_cut(ioas, iova + size - 1));
			if (!e.rc && iova)
				e = just(model_cut(ioas, iova - 1));
		}
		told = !e.rc;
		if (!e.rc && !size)
			e = just(-EINVAL);
		else if (!e.rc && iova + (size - 1) < iova)
			e = just(-EOVERFLOW);
		else if (!e.rc)
			e = just(model_unmap(ioas, iova, iova + (size - 1), &unmapped));
	}
	rc = call_raw(VFIO_IOMMU_UNMAP_DMA, &unmap, sizeof(unmap));
	if (settle(e, rc, false) || told)
		must(unmap.size == unmapped, "%#llx bytes, should be %#llx",
		     (unsigned long long)unmap.size, (unsigned long long)unmapped);
}

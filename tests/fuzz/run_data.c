// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/run_data.c - what moves data, by accesses and devices, and dirty bits */
#include "run.h"

#include <errno.h>
#include <string.h>

#include <uiommu/dma.h>

#include "iopt/object.h"
#include "mock/mock.h"
#include "uapi/iommufd.h"
#include "world.h"

#define PAGE 4096ull
#define LENGTH_MAX (16ull << 20)
#define BITMAP_COMPARED 4096ull

static unsigned char device_buffer[SCRATCH_SIZE];

/* ---- data of the model ---- */

/* Where good memory is in the second copies. */
static unsigned char *shadow_of(const struct extent *extent, uint64_t iova)
{
	uint64_t va = extent->va + (iova - extent->start) - SLOT_BASE;

	return world.shadow[va >> SLOT_SHIFT] + (va & ((1ull << SLOT_SHIFT) - 1));
}

/* Is all that is mapped in [iova, last] good? */
static bool all_good(const struct model_ioas *ioas, uint64_t iova, uint64_t last)
{
	for (size_t i = 0; ioas && i < ioas->nr; i++) {
		const struct extent *extent = &ioas->extents[i];

		if (extent->start <= last && extent->last >= iova && extent->memory != MEMORY_GOOD)
			return false;
	}
	return true;
}

/*
 * What a copy does: up to the first place that isn't mapped, or lacks the right.
 * *done: bytes before it.
 */
static int model_copy(const struct model_ioas *ioas, uint64_t iova, unsigned char *buf,
		      uint64_t length, bool write, uint64_t *done)
{
	*done = 0;
	while (*done < length) {
		const struct extent *extent = ioas ? model_at(ioas, iova + *done) : NULL;
		uint64_t part;

		if (!extent)
			return -ENOENT;
		if (!(extent->perm & (write ? UIOMMU_WRITE : UIOMMU_READ)))
			return -EPERM;
		part = extent->last - (iova + *done) + 1;
		if (part > length - *done || !part)
			part = length - *done;
		if (write)
			memcpy(shadow_of(extent, iova + *done), buf + *done, part);
		else
			memcpy(buf + *done, shadow_of(extent, iova + *done), part);
		*done += part;
	}
	return 0;
}

static void make_data(unsigned char *to, uint64_t length, uint64_t key)
{
	for (uint64_t i = 0; i < length; i++)
		to[i] = (unsigned char)(key + i * 7 + (i >> 8));
}

/* ---- accesses ---- */

void run_access_create(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_CREATE_ACCESS,
		.id = (uint32_t)arg(0),
		.create_access.flags = (uint32_t)arg(1),
	};
	uint32_t ioas = cmd.id;
	bool pins = cmd.create_access.flags & MOCK_ACCESS_PINS;
	struct world_fd *entry;

	if (CALL(MOCK_TEST_CMD, cmd, last))
		return;
	set_result(0, cmd.create_access.out_fd);
	entry = world_fd_of(cmd.create_access.out_fd);
	must(entry, "fd %u", cmd.create_access.out_fd);
	entry->ioas = ioas;
	entry->pins = pins;
}

void run_access_replace(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_ACCESS_REPLACE,
		.id = (uint32_t)arg(0),
		.access_replace.ioas_id = (uint32_t)arg(1),
	};
	struct world_fd *entry = world_fd_of(arg(0));
	uint32_t ioas = cmd.access_replace.ioas_id;

	if (CALL(MOCK_TEST_CMD, cmd, last))
		return;
	must(entry && entry->ioas && model_find(ioas), "fd %u", cmd.id);
	entry->ioas = ioas;
}

static struct expect expect_rw(const struct mock_cmd *cmd, struct world_fd *entry)
{
	if (cmd->access_rw.length > LENGTH_MAX)
		return just(-ENOMEM);
	if (cmd->access_rw.flags & ~(MOCK_ACCESS_WRITE | MOCK_ACCESS_SLOW | MOCK_ACCESS_NTH))
		return just(-EOPNOTSUPP);
	if (!entry || !entry->ioas)
		return just(-EBADFD);
	if (cmd->access_rw.flags & MOCK_ACCESS_WRITE && cmd->access_rw.length > SCRATCH_SIZE)
		return just(-EFAULT);
	if (!cmd->access_rw.length)
		return just(-EINVAL);
	return just(0);
}

static uint64_t nth_iova(const struct model_ioas *ioas, uint64_t iova, uint32_t flags)
{
	if (!(flags & MOCK_ACCESS_NTH))
		return iova;
	return (uint32_t)iova < ioas->nr ? ioas->extents[(uint32_t)iova].start + (iova >> 32) : 0;
}

void run_access_rw(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_ACCESS_RW,
		.id = (uint32_t)arg(0),
		.access_rw = {.iova = arg(2), .length = arg(3), .uptr = SCRATCH_VA},
	};
	struct world_fd *entry = world_fd_of(cmd.id);
	struct model_ioas *ioas = entry && entry->ioas ? model_find(entry->ioas) : NULL;
	uint64_t length = cmd.access_rw.length, iova = cmd.access_rw.iova, done;
	struct expect e;
	bool write;
	long rc;

	cmd.access_rw.flags = (uint32_t)arg(1);
	write = cmd.access_rw.flags & MOCK_ACCESS_WRITE;
	e = expect_rw(&cmd, entry);
	if (!e.rc) {
		iova = nth_iova(ioas, iova, cmd.access_rw.flags);
		if (iova + (length - 1) < iova)
			e = just(-EOVERFLOW);
		else if (!all_good(ioas, iova, iova + (length - 1)))
			return;
	}
	if (write)
		make_data(scratch(), length < SCRATCH_SIZE ? length : SCRATCH_SIZE, arg(4));
	if (!e.rc && run.op->fail && write)
		return; /* how far it came isn't known */
	if (!e.rc && !frame_blocks()) {
		memcpy(device_buffer, scratch(), write ? length : 0);
		if (length > SCRATCH_SIZE)
			return;
		e = just(model_copy(ioas, iova, device_buffer, length, write, &done));
		world.written |= write;
	}
	rc = CALL(MOCK_TEST_CMD, cmd, last);
	if (settle(e, rc, false) && !write)
		must(!memcmp(device_buffer, scratch(), length), "read other data at %#llx",
		     (unsigned long long)iova);
}

void run_access_pages(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_PIN,
		.id = (uint32_t)arg(0),
		.pin = {.iova = arg(2), .length = arg(3), .uptr = arg(4)},
	};

	cmd.pin.flags = (uint32_t)arg(1);
	/* Comparing pages of two addresses reads all of /proc/self/maps. */
	if (cmd.pin.length > 16 * 4096)
		cmd.pin.uptr = 0;
	if (!CALL(MOCK_TEST_CMD, cmd, last))
		set_result(0, cmd.pin.out_item);
}

void run_access_unpin(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_UNPIN,
		.id = (uint32_t)arg(0),
		.unpin.item = (uint32_t)arg(1),
	};

	CALL(MOCK_TEST_CMD, cmd, last);
}

/* ---- devices ---- */

/* NULL: what is attached there, if anything, translates nothing. */
static struct iommufd_hwpt *attached(const struct mock_device *mdev, uint32_t pasid)
{
	struct uiommu_attach_handle *handle;
	struct iommufd_hwpt *hwpt;

	if (pasid > UIOMMU_PASID_MAX)
		return NULL;
	handle = uiommu_attach_handle_get(uiommu_device_group(mdev->dev), pasid, NULL);
	if (UIOMMU_IS_ERR(handle))
		return NULL;
	hwpt = iommufd_hwpt_of_domain(uiommu_attach_handle_domain(handle));
	uiommu_attach_handle_put(handle);
	return hwpt && !hwpt->parent ? hwpt : NULL;
}

void run_dma(bool write)
{
	struct mock_device *mdev = run_device(run_object((uint32_t)arg(0)));
	uint32_t pasid = (uint32_t)arg(1);
	uint64_t iova = arg(2), length = arg(3), done = 0;
	static unsigned char want[SCRATCH_SIZE];
	struct iommufd_hwpt *hwpt;
	struct model_ioas *ioas;
	struct uiommu_dma *dma;
	int rc, expected;

	if (!mdev || length > SCRATCH_SIZE)
		return;
	hwpt = attached(mdev, pasid);
	ioas = hwpt ? model_find(hwpt->ioas->obj.id) : NULL;
	if (length && !all_good(ioas, iova, iova + (length - 1)))
		return;
	ui_fail_nth = run.op->fail;
	rc = uiommu_dma_open(mdev->dev, &dma);
	ui_fail_nth = 0;
	must(!rc || (run.op->fail && rc == -ENOMEM), "dma_open: %d", rc);
	if (rc)
		return;
	make_data(device_buffer, length, write ? arg(4) : 1);
	memcpy(want, device_buffer, length);
	if (pasid > UIOMMU_PASID_MAX || (length && iova + (length - 1) < iova))
		expected = -EINVAL;
	else
		expected = model_copy(ioas, iova, want, length, write, &done);
	if (write)
		rc = uiommu_dma_write(dma, pasid, iova, device_buffer, length, 0, NULL);
	else
		rc = uiommu_dma_read(dma, pasid, iova, device_buffer, length, 0, NULL);
	uiommu_dma_close(dma);
	must(rc == expected, "DMA is %d, should be %d", rc, expected);
	must(write || !memcmp(want, device_buffer, length), "DMA read other data at %#llx",
	     (unsigned long long)iova);
	world.written |= write;
	if (write && hwpt && hwpt->has_dirty && iopt_dirty_enabled(&hwpt->dirty))
		model_mark(hwpt, iova, done);
}

/* ---- dirty bits ---- */

static struct iommufd_hwpt *paging_of(uint32_t id)
{
	struct iommufd_object *obj = run_object(id);

	return obj && obj->ops == &iommufd_hwpt_ops ? iommufd_hwpt_of(obj) : NULL;
}

void run_set_dirty(void)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.hwpt_id = (uint32_t)arg(0),
		.flags = (uint32_t)arg(1),
	};
	struct iommufd_hwpt *hwpt = paging_of(cmd.hwpt_id);
	struct expect e = just(0);
	uint32_t flags = cmd.flags;

	if (flags & ~1u)
		e = just(-EOPNOTSUPP);
	else if (!hwpt)
		e = just(-ENOENT);
	else if (!hwpt->has_dirty)
		e = just(-EOPNOTSUPP);
	if (settle(e, CALL(IOMMU_HWPT_SET_DIRTY_TRACKING, cmd, __reserved), false) && flags)
		model_unmark(hwpt, 0, UINT64_MAX);
}

/* Is [iova, iova + size), which is aligned, of one extent, and its memory aligned, too? */
static bool is_one_entry(const struct model_ioas *ioas, uint64_t iova, uint64_t size)
{
	const struct extent *extent = model_at(ioas, iova);

	return extent && extent->last - iova >= size - 1 &&
	       !((extent->va + (iova - extent->start)) & (size - 1));
}

/* Of the entry of the mock's table that has @iova; 0: there is none. */
static uint64_t entry_size(const struct iommufd_hwpt *hwpt, uint64_t iova)
{
	const struct model_ioas *ioas = model_find(hwpt->ioas->obj.id);

	if (!model_at(ioas, iova))
		return 0;
	if (hwpt->geometry.pgsizes == MOCK_HUGE_PAGE_SIZES && !ioas->iopt->small_pages &&
	    is_one_entry(ioas, iova & -MOCK_HUGE_PAGE, MOCK_HUGE_PAGE))
		return MOCK_HUGE_PAGE;
	return is_one_entry(ioas, iova & -PAGE, PAGE) ? PAGE : hwpt->geometry.alignment;
}

void run_mock_dirty(void)
{
	struct mock_cmd cmd = {
		.op = MOCK_OP_DIRTY,
		.id = (uint32_t)arg(0),
		.dirty = {.iova = arg(1),
			  .length = arg(2),
			  .page_size = arg(3),
			  .uptr = SCRATCH_VA},
	};
	struct iommufd_hwpt *hwpt = paging_of(cmd.id);
	uint64_t page = cmd.dirty.page_size, bits = 0, iova = cmd.dirty.iova, count = 0;
	struct expect e = just(0);

	if (!page || !cmd.dirty.length || iova % page || cmd.dirty.length % page)
		e = just(-EINVAL);
	else
		bits = cmd.dirty.length / page;
	if (!e.rc && bits > 16ull << 23)
		e = just(-EOVERFLOW);
	else if (!e.rc && !hwpt)
		e = just(-ENOENT);
	else if (!e.rc && (!hwpt->has_dirty || !iopt_dirty_enabled(&hwpt->dirty)))
		e = just(-EINVAL);
	else if (!e.rc && (bits + 7) / 8 > SCRATCH_SIZE)
		e = just(-EFAULT);
	memset(scratch(), 0, (bits + 7) / 8 < SCRATCH_SIZE ? (bits + 7) / 8 + 8 : SCRATCH_SIZE);
	*(uint64_t *)scratch() = arg(4);
	if (!settle(e, CALL(MOCK_TEST_CMD, cmd, last), true))
		return;
	for (uint64_t i = 0; i < 64 && i < bits; i++) {
		uint64_t at = iova + i * page, size;

		if (!(arg(4) >> i & 1))
			continue;
		count++;
		size = entry_size(hwpt, at);
		model_mark(hwpt, at & -size, size);
	}
	must(run.op->frame == FRAME_RO || cmd.dirty.out_count == count, "%llu marked, not %llu",
	     (unsigned long long)cmd.dirty.out_count, (unsigned long long)count);
}

/* Where what is mapped without a hole from iova on ends, up to @last. */
static bool mapped_until(const struct model_ioas *ioas, uint64_t iova, uint64_t *last)
{
	const struct extent *extent = model_at(ioas, iova);

	if (!extent)
		return false;
	while (extent && extent->last < *last && extent->last != UINT64_MAX) {
		const struct extent *next = model_at(ioas, extent->last + 1);

		if (!next) {
			*last = extent->last;
			break;
		}
		extent = next;
	}
	return true;
}

static void compare_bitmap(const struct iommu_hwpt_get_dirty_bitmap *cmd,
			   const struct iommufd_hwpt *hwpt, uint64_t last)
{
	static unsigned char want[BITMAP_COMPARED];
	const unsigned char *told = scratch();
	uint64_t bytes = ((cmd->length - 1) / cmd->page_size) / 8 + 1;

	if (bytes > BITMAP_COMPARED)
		bytes = BITMAP_COMPARED;
	memset(want, 0, bytes);
	for (size_t i = 0; i < model.nr_marks; i++) {
		struct range range = model.marks[i].range;

		if (model.marks[i].hwpt != hwpt || range.last < cmd->iova || range.start > last)
			continue;
		if (range.start < cmd->iova)
			range.start = cmd->iova;
		if (range.last > last)
			range.last = last;
		for (uint64_t bit = (range.start - cmd->iova) / cmd->page_size;
		     bit <= (range.last - cmd->iova) / cmd->page_size && bit / 8 < bytes; bit++)
			want[bit / 8] |= (unsigned char)(1 << bit % 8);
	}
	for (uint64_t i = 0; i < bytes; i++)
		must(told[i] == want[i], "dirty bits %llu to %llu are %#x, should be %#x",
		     (unsigned long long)i * 8, (unsigned long long)i * 8 + 7, told[i], want[i]);
}

static struct expect expect_get_dirty(const struct iommu_hwpt_get_dirty_bitmap *cmd,
				      const struct iommufd_hwpt *hwpt)
{
	uint64_t last = cmd->iova + (cmd->length - 1);
	uint64_t alignment;

	if (cmd->flags & ~1u || cmd->__reserved)
		return just(-EOPNOTSUPP);
	if (!hwpt)
		return just(-ENOENT);
	if (!cmd->length)
		return just(-EINVAL);
	if (last < cmd->iova)
		return just(-EOVERFLOW);
	alignment = model_alignment(model_find(hwpt->ioas->obj.id));
	if ((cmd->iova | (last + 1)) & (alignment - 1))
		return just(-EINVAL);
	if (!cmd->page_size || (cmd->iova | (last + 1)) & (cmd->page_size - 1))
		return just(-EINVAL);
	return just(hwpt->has_dirty ? 0 : -EOPNOTSUPP);
}

void run_get_dirty(void)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.hwpt_id = (uint32_t)arg(0),
		.flags = (uint32_t)arg(1),
		.__reserved = (uint32_t)(arg(1) >> 32),
		.iova = arg(2),
		.length = arg(3),
		.page_size = arg(4),
		.data = SCRATCH_VA,
	};
	const struct iommu_hwpt_get_dirty_bitmap asked = cmd;
	struct iommufd_hwpt *hwpt = paging_of(cmd.hwpt_id);
	struct expect e = expect_get_dirty(&cmd, hwpt);
	uint64_t last = cmd.iova + (cmd.length - 1);

	memset(scratch(), 0, BITMAP_COMPARED);
	if (!settle(e, CALL(IOMMU_HWPT_GET_DIRTY_BITMAP, cmd, data), false) ||
	    !mapped_until(model_find(hwpt->ioas->obj.id), asked.iova, &last))
		return;
	if (!(asked.page_size & (asked.page_size - 1)) && !model.lost_marks)
		compare_bitmap(&asked, hwpt, last);
	if (!(asked.flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR))
		model_unmark(hwpt, asked.iova, last);
}

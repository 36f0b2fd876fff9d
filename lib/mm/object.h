/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/object.h - struct uiommu_mm, for the files of this room
 */
#ifndef UI_MM_OBJECT_H
#define UI_MM_OBJECT_H

#include <uiommu/mm.h>

#include "base/ctx.h"
#include "mm/charge.h"

struct mm_view;
struct mm_charge;
struct mm_io_ops;

/*
 * Refs: ctx->self_mm (until mm_exit), each address space with areas of it (of a
 *	file: each area), each uiommu_mm_self(), uiommu_mm_of() and mm_map_file().
 *  ctx, pid, self	immutable
 *  file		immutable; see mm/file.c
 *  dmabuf		immutable; of a file; see mm/dmabuf.c
 *  io, io_opaque, io_index	immutable; see mm/io.h, else NULL
 *  map_start, map_length	immutable; our mapping of the file, if there is one
 *  view	immutable; see mm/view.h, else NULL
 *  gone	atomic; of another process, which isn't there any more, or of a dma-buf, which was
 *		taken back
 *  accounts, next_account	charges->lock; see mm/charge.c
 *  charge, uid, mode	immutable; of an account, whose pages they are; NULL: none
 *  payer	of a file; see mm_set_payer()
 *  turn	of mm_visit()
 *  charged	atomic; of a file with a payer, its pages
 *  refs		atomic
 *
 * Aligned so that an area can keep rights in the low bits of the pointer.
 */
struct uiommu_mm {
	struct uiommu *ctx;
	pid_t pid;
	bool self;
	bool file;
	bool dmabuf;
	unsigned int io_index;
	uint32_t gone;
	int64_t refs;
	uint64_t map_start;
	uint64_t map_length;
	struct mm_view *view;
	const struct mm_io_ops *io;
	void *io_opaque;
	struct uiommu_mm *accounts;
	struct uiommu_mm *next_account;
	struct mm_charge *charge;
	uint32_t uid;
	enum mm_charge_mode mode;
	struct uiommu_mm *payer;
	uint64_t charged;
	uint64_t turn;
} __attribute__((aligned(16)));

/*
 * mm_check() by the text of /proc/PID/maps, for kernels that have nothing
 * better.  [start, end) is page aligned.
 */
int mm_check_text(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint32_t perm);

/*
 * Room for a mapping, which has no rights yet, at an address that is equal to @like modulo
 * @alignment; or a negative errno.
 */
long mm_reserve(uint64_t length, uint64_t alignment, uint64_t like);
/* One page of our own, by MADV_POPULATE; rights as in mm_check().  A negative errno. */
int mm_populate_page(uint64_t addr, uint32_t perm);

/* The last reference is gone. */
void mm_file_free(struct uiommu_mm *mm);
void mm_view_free(struct mm_view *view);

/* Through a view.  Bytes copied. */
size_t mm_view_copy(const struct uiommu_mm *mm, void *buf, uint64_t addr, size_t length,
		    bool write);

#endif /* UI_MM_OBJECT_H */

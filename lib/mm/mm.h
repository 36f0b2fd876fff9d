/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/mm.h - the memory of a process, from the inside
 *
 * See uiommu/mm.h.  Ordered accesses of 1 to 8 bytes are apart from bulk
 * copies, which order nothing.
 */
#ifndef UI_MM_MM_H
#define UI_MM_MM_H

#include <uiommu/mm.h>

#include "base/ctx.h"

/* One access of 1, 2, 4 or 8 bytes, naturally aligned.  -EFAULT. */
int mm_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size);
int mm_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size);

/*
 * Is [addr, addr + length) mapped with the right to be read (and written)?
 * Costs per VMA, not per page.  -EFAULT: a hole, or memory without pages
 * (PFNMAP); -EPERM: a write to read-only memory; -EOVERFLOW: the last page of all
 * addresses is in it.
 */
int mm_check(struct uiommu_mm *mm, uint64_t addr, uint64_t length, uint32_t perm);

/* No address of a process is here or above. */
#define MM_USER_END (1ull << 47)

/*
 * As a page fault of the processor at addr, with these rights (UIOMMU_READ, _WRITE,
 * _EXEC).  The process's own page is there afterwards.  -EFAULT: a hole, a right that
 * is missing, a page that can't be had.
 */
int mm_fault_in(struct uiommu_mm *mm, uint64_t addr, uint32_t perm);
/*
 * Which of up to 64 pages from addr on are in the page table, as bits: a hint, since
 * it may be otherwise already.  All of them, if it can't be known.
 */
uint64_t mm_resident(struct uiommu_mm *mm, uint64_t addr, unsigned int pages);

/*
 * Memory of [start, start + length) of a file, which is open as fd in owner.  *out: with
 * a reference; *uaddr: where it begins there.  Nothing of the file need be there yet.
 * -EBADF, -ENOMEM; -EOPNOTSUPP, -EINVAL: a dma-buf of the host's.  For mm_check(): -EINVAL: it can't be had (no file of memory, or
 * it ends before).
 */
int mm_map_file(struct uiommu_mm *owner, int fd, uint64_t start, uint64_t length, bool writable,
		struct uiommu_mm **out, uint64_t *uaddr);
bool mm_is_file(const struct uiommu_mm *mm);
/* That is one too, and no CPU may see it; see mm/dmabuf.h. */
bool mm_is_dmabuf(const struct uiommu_mm *mm);
/* It was taken back, and nothing is at its addresses any more. */
bool mm_is_revoked(const struct uiommu_mm *mm);

#define MM_BOUNCE 4096u
/*
 * From one to another, or inside one.  Where the processor can't copy directly it is by way
 * of @bounce, MM_BOUNCE bytes, and that much at most.  Bytes moved; if fewer, *failed says
 * which side the next one was missed on (UIOMMU_READ or UIOMMU_WRITE), or 0: go on.
 */
size_t mm_copy(struct uiommu_mm *to, uint64_t dst, struct uiommu_mm *from, uint64_t src,
	       size_t length, void *bounce, uint32_t *failed);

/* Of the process, as system calls take it: 0: our own. */
pid_t mm_pid(const struct uiommu_mm *mm);

/* Do both name the same address space? */
bool mm_same(const struct uiommu_mm *a, const struct uiommu_mm *b);
/* False: its process has ended. */
bool mm_alive(const struct uiommu_mm *mm);

/* From instance.c: makes ctx->self_mm; -ENOMEM. */
int mm_init(struct uiommu *ctx);
void mm_exit(struct uiommu *ctx);

#endif /* UI_MM_MM_H */

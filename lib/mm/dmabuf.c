// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory that who gives it can take back: what Linux calls a dma-buf.
 *
 * It is a mapping of our own, like that of a file, and all that is mapped of it is of one
 * mm.  To take it back is to move what it has to another place, which becomes that of
 * the next maps, and to leave nothing at the old one: the old mm's areas stay, and every
 * access to them fails as one to a hole does.
 *
 * Places are aligned to a huge page, since offsets are what automatic maps are aligned by.
 */
#include <sys/mman.h>

#include <string.h>

#include "base/sys.h"
#include "mm/dmabuf.h"
#include "mm/object.h"

#define MM_HUGE_PAGE (2ull << 20)

/* A place for @length bytes, all zero.  NULL: no memory. */
static struct uiommu_mm *mm_dmabuf_place(struct uiommu *ctx, uint64_t length)
{
	struct uiommu_mm *mm = ui_zalloc(sizeof(*mm));
	long at;

	if (!mm)
		return NULL;
	at = mm_reserve(length, MM_HUGE_PAGE, 0);
	if (at < 0 && at >= -4095) {
		ui_free(mm);
		return NULL;
	}
	mm->ctx = ctx;
	mm->pid = ctx->self_mm->pid;
	mm->refs = 1; /* put by mm_dmabuf_revoke() or mm_dmabuf_destroy() */
	mm->self = true;
	mm->file = true;
	mm->dmabuf = true;
	mm->map_start = (uint64_t)at;
	mm->map_length = length;
	if (ui_syscall3(SYS_mprotect, at, (long)length, PROT_READ | PROT_WRITE)) {
		uiommu_mm_put(mm);
		return NULL;
	}
	/* As a file's: a child has no use for it. */
	ui_syscall3(SYS_madvise, at, (long)length, MADV_DONTFORK);
	return mm;
}

int mm_dmabuf_init(struct mm_dmabuf *buf, struct uiommu *ctx, uint64_t length)
{
	buf->mm = mm_dmabuf_place(ctx, length);
	if (!buf->mm)
		return -ENOMEM;
	buf->length = length;
	buf->revoked = false;
	ui_mutex_init(&buf->lock);
	return 0;
}

void mm_dmabuf_destroy(struct mm_dmabuf *buf)
{
	uiommu_mm_put(buf->mm);
	ui_mutex_destroy(&buf->lock);
}

int mm_dmabuf_map(struct mm_dmabuf *buf, uint64_t start, uint64_t length, struct uiommu_mm **out,
		  uint64_t *uaddr)
{
	int rc = 0;

	if (start + (length - 1) >= buf->length)
		return -EINVAL;
	ui_mutex_lock(&buf->lock);
	if (buf->revoked) {
		rc = -ENODEV;
	} else {
		*out = uiommu_mm_get(buf->mm);
		*uaddr = buf->mm->map_start + start;
	}
	ui_mutex_unlock(&buf->lock);
	return rc;
}

int mm_dmabuf_revoke(struct mm_dmabuf *buf, bool revoked)
{
	struct uiommu_mm *to = mm_dmabuf_place(buf->mm->ctx, buf->length), *from;

	if (!to)
		return -ENOMEM;
	ui_mutex_lock(&buf->lock);
	from = buf->mm;
	memcpy((void *)to->map_start, (void *)from->map_start, buf->length);
	ui_syscall6(SYS_mmap, (long)from->map_start, (long)buf->length, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	ui_store_release(&from->gone, 1);
	buf->mm = to;
	buf->revoked = revoked;
	ui_mutex_unlock(&buf->lock);
	uiommu_mm_put(from);
	return 0;
}

bool mm_is_dmabuf(const struct uiommu_mm *mm)
{
	return mm->dmabuf;
}

bool mm_is_revoked(const struct uiommu_mm *mm)
{
	return mm->dmabuf && ui_load_acquire(&mm->gone);
}

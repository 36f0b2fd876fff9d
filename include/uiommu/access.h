/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/access.h - reaching an I/O address space by CPU, not by DMA
 *
 * A driver inside of the process (an emulated device, a mediated one) reads
 * and writes what clients mapped, without a domain and without a device: the
 * kernel's iommufd_access_*().  An access is an object of an open /dev/iommu
 * and is attached to one IOAS of it at a time, which is then in use.
 *
 * Two ways: uiommu_access_rw() copies, and finds the mapping anew each time.
 * uiommu_access_pin_pages() tells where the pages are, and they stay mapped
 * until they are unpinned: an unmap asks for that by ops->unmap, and waits.
 */
#ifndef UIOMMU_ACCESS_H
#define UIOMMU_ACCESS_H

#include <uiommu/file.h>
#include <uiommu/mm.h>
#include <uiommu/uiommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_access;

/* The driver writes to the memory; without it it reads. */
#define UIOMMU_ACCESS_WRITE (1u << 0)

/**
 * struct uiommu_access_ops - the driver's side
 * @needs_pin_pages: it will use uiommu_access_pin_pages(); maps of the IOAS are
 *	then aligned to pages.  Needs @unmap.
 * @unmap: [@iova, @iova + @length) is about to go, everything if @length is
 *	UINT64_MAX: what is pinned there must be unpinned before this returns.
 *	No lock of the library that uiommu_access_unpin_pages() or
 *	uiommu_access_rw() takes is held.  Not called for an access that only
 *	reads and writes while the map is not pinned by anybody.  It may run
 *	until uiommu_access_destroy() has returned, which waits for it.
 */
struct uiommu_access_ops {
	bool needs_pin_pages;
	void (*unmap)(void *data, uint64_t iova, uint64_t length);
};

/**
 * struct uiommu_page - a page of a process
 * @mm: whose; stays while the page is pinned
 * @addr: its virtual address there, a multiple of the page size
 */
struct uiommu_page {
	struct uiommu_mm *mm;
	uint64_t addr;
};

/**
 * uiommu_access_create() - make an access
 * @iommufd: an open /dev/iommu; the access holds a reference on it
 * @ops: must stay valid
 * @data: for @ops
 * @id: its object ID; may be NULL
 *
 * Return: the access, as an ERR_PTR: -EBADFD: @iommufd is another file;
 * -EINVAL: @ops make no sense; -ENOMEM, -ENOSPC.
 */
UIOMMU_API struct uiommu_access *uiommu_access_create(struct uiommu_file *iommufd,
						      const struct uiommu_access_ops *ops,
						      void *data, uint32_t *id);

/**
 * uiommu_access_destroy() - the driver is done
 *
 * Detaches, if it is attached.  The caller has unpinned everything, or
 * unpins it in the @unmap call that this makes.
 */
UIOMMU_API void uiommu_access_destroy(struct uiommu_access *access);

/**
 * uiommu_access_attach() - to an IOAS, the first
 *
 * Return: 0; -EINVAL: it is attached; -ENOENT: no such IOAS; -EADDRINUSE: it
 * has maps that are not aligned as @needs_pin_pages asks; -EBUSY: an attach,
 * replace or detach is under way; -ENOMEM.
 */
UIOMMU_API int uiommu_access_attach(struct uiommu_access *access, uint32_t ioas_id);
/**
 * uiommu_access_replace() - by another IOAS
 *
 * Calls ops->unmap for everything.  Return: as attach, and -ENOENT: it is not
 * attached; the same IOAS again is 0 and does nothing.  A failure leaves it
 * where it was.
 */
UIOMMU_API int uiommu_access_replace(struct uiommu_access *access, uint32_t ioas_id);
/** uiommu_access_detach() - calls ops->unmap for everything, if it is attached */
UIOMMU_API void uiommu_access_detach(struct uiommu_access *access);

/**
 * uiommu_access_rw() - copy from or to what is mapped
 * @iova: any alignment
 * @buf: in this process
 * @length: may span several maps
 * @flags: UIOMMU_ACCESS_WRITE, or 0
 *
 * Return: 0; -EINVAL: @length is 0, or a map on the way is being unmapped;
 * -EOVERFLOW: wraps; -ENOENT: a hole, or not attached; -EPERM: no right;
 * -EFAULT: the memory behind is gone.  What is before the failure was copied.
 */
UIOMMU_API int uiommu_access_rw(struct uiommu_access *access, uint64_t iova, void *buf,
				size_t length, uint32_t flags);

/**
 * uiommu_access_pin_pages() - where are the pages, and let them stay
 * @iova: of a byte that is at the start of a page
 * @length: bytes
 * @pages: one for each page that [@iova, @iova + @length) touches
 * @flags: UIOMMU_ACCESS_WRITE, or 0
 *
 * Balanced by uiommu_access_unpin_pages() with the same @iova and @length.
 *
 * Return: 0; as uiommu_access_rw(), nothing is pinned then; -EINVAL also: not
 * on page boundaries, or an access without @needs_pin_pages; -EFAULT: a page can't be had.
 */
UIOMMU_API int uiommu_access_pin_pages(struct uiommu_access *access, uint64_t iova, uint64_t length,
				       struct uiommu_page *pages, uint32_t flags);
/** uiommu_access_unpin_pages() - may be called in ops->unmap */
UIOMMU_API void uiommu_access_unpin_pages(struct uiommu_access *access, uint64_t iova,
					  uint64_t length);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_ACCESS_H */

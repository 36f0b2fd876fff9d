/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/dma.h - a device's access to memory through the IOMMU
 *
 * A channel is what one engine of a device does DMA with: one thread at a
 * time per channel, any number of channels.  Accesses run in bursts; unmap
 * and detach wait for the bursts that are inside, so when they return nothing
 * uses the old translation.  A burst never spans a callback.
 */
#ifndef UIOMMU_DMA_H
#define UIOMMU_DMA_H

#include <uiommu/iommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_dma;

/* The access is a translated one: on failure the device asks by a page
 * request, so no DMA_FAULT event is logged. */
#define UIOMMU_DMA_ATS (1u << 0)
/* Of uiommu_dma_write(): the first byte arrives last, by itself, and all or nothing does:
 * for a completion record, whose status comes first.  It lies in one page. */
#define UIOMMU_DMA_RECORD (1u << 1)

/**
 * struct uiommu_dma_error - where and why an access failed
 * @iova: first byte that wasn't transferred; those before it were
 * @perm: UIOMMU_READ or UIOMMU_WRITE
 * @reason: a constant English phrase
 */
struct uiommu_dma_error {
	uint64_t iova;
	uint32_t perm;
	const char *reason;
};

/**
 * uiommu_dma_open() - make a channel
 *
 * Return: 0 and @out, closed by uiommu_dma_close() before @dev is
 * unregistered; -ENOMEM.
 */
UIOMMU_API int uiommu_dma_open(struct uiommu_device *dev, struct uiommu_dma **out);
UIOMMU_API void uiommu_dma_close(struct uiommu_dma *dma);

/**
 * uiommu_dma_read() - the device reads memory
 * @dma: the channel
 * @pasid: UIOMMU_NO_PASID or a PASID
 * @iova: I/O virtual address, any alignment
 * @buf: in this process
 * @length: bytes, any number; unordered among each other
 * @flags: UIOMMU_DMA_*
 * @err: filled on failure; may be NULL
 *
 * Return: 0; -ENOENT: not mapped, or nothing attached, or, in the address space of a process,
 * no page or not the right; -EPERM: no right; -EFAULT: mapped, but the memory behind it
 * is gone; -EINVAL: wraps.
 * Any failure but -ENOENT and -EPERM under UIOMMU_DMA_ATS is also an event.
 */
UIOMMU_API int uiommu_dma_read(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, void *buf,
			       size_t length, uint32_t flags, struct uiommu_dma_error *err);
/** uiommu_dma_write() - the device writes memory; as uiommu_dma_read() */
UIOMMU_API int uiommu_dma_write(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova,
				const void *buf, size_t length, uint32_t flags,
				struct uiommu_dma_error *err);
/**
 * uiommu_dma_copy() - the device moves memory, with no buffer of its own in between
 * @to: I/O virtual address of the first byte that is written
 * @from: of the first that is read; the two ranges don't overlap
 *
 * As a uiommu_dma_read() and a uiommu_dma_write() of what it read, both of @length bytes
 * and under the same @pasid.  @err tells by its perm which of them failed; as much as is
 * before that byte was moved, and nothing behind it.
 */
UIOMMU_API int uiommu_dma_copy(struct uiommu_dma *dma, uint32_t pasid, uint64_t to, uint64_t from,
			       size_t length, uint32_t flags, struct uiommu_dma_error *err);
/**
 * uiommu_dma_store() - one ordered store of 1, 2, 4 or 8 bytes
 * @iova: naturally aligned (-EINVAL otherwise)
 *
 * A single access, after everything the channel wrote before (release): for
 * the status byte of a completion record.
 */
UIOMMU_API int uiommu_dma_store(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova,
				uint64_t value, unsigned int size, uint32_t flags,
				struct uiommu_dma_error *err);
/** uiommu_dma_load() - one ordered load (acquire); as uiommu_dma_store() */
UIOMMU_API int uiommu_dma_load(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova,
			       uint64_t *value, unsigned int size, uint32_t flags,
			       struct uiommu_dma_error *err);

/**
 * uiommu_dma_translate() - a translation request, as ATS has it
 * @iova: of the first page; page-aligned
 * @pages: how many, 1 to 64
 * @perm: UIOMMU_READ and/or UIOMMU_WRITE
 * @present: bit by bit, which of them an access would find now
 *
 * What the device keeps of the answer is a hint: each access is judged anew.  In the
 * address space of a process a page counts as present though it lacks a right; the
 * access, and the page request after it, tell.
 *
 * Context: may block; not from inside a burst.
 * Return: 0; -ENOENT: nothing is attached; -EINVAL: misaligned, @pages or @pasid out of
 * range.
 */
UIOMMU_API int uiommu_dma_translate(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova,
				    unsigned int pages, uint32_t perm, uint64_t *present);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_DMA_H */

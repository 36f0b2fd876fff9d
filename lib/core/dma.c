// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/dma.c - a device's access to memory
 *
 * A transfer is cut into bursts.  Inside one, everything from the slot to the
 * memory behind the IOVA is looked at without a lock or a reference, and what
 * detach and unmap made unreachable stays until the burst is over.  The hot
 * path is dma_burst(), or dma_copy_burst(); the rest deals with their failures.
 *
 * What isn't memory, the BAR of a device, can't be reached inside a burst, for it may start
 * DMA itself, or wait: there a burst only finds out what it is, and an unmap doesn't wait for
 * what is then under way, as nothing in Linux waits for writes that are posted.
 */
#include <uiommu/dma.h>

#include "core/core.h"
#include "core/dma_recent.h"
#include "mm/io.h"
#include "mm/mm.h"

/* So that an unmap is never kept waiting for long. */
#define DMA_BURST_BYTES (64u << 10)
/* Of a copy, which is as fast as memory is. */
#define DMA_COPY_BYTES (256u << 10)
#define DMA_PAGE 4096ull

/*
 *  reader	entered by the one thread that uses the channel
 *  dev		immutable; outlives the channel
 *  recent	of the thread that is inside
 *  bounce	that thread's
 */
struct uiommu_dma {
	struct ui_reader reader;
	struct uiommu_device *dev;
	struct dma_recent recent;
	uint8_t bounce[MM_BOUNCE];
};

/* From dma_burst(): what is there is no memory. */
#define DMA_TO_DEVICE 1

/* One access; value is for loads and stores, buf for copies.  io: for DMA_TO_DEVICE, with a reference. */
struct dma_op {
	uint32_t pasid;
	uint32_t perm;
	uint32_t flags;
	unsigned int size;  /* of a load or store; 0: not one */
	unsigned int whole; /* as much as that in one piece, or nothing */
	void *buf;
	uint64_t *value;
	struct uiommu_mm *io;
	uint64_t io_addr;
	size_t io_length;
};

int uiommu_dma_open(struct uiommu_device *dev, struct uiommu_dma **out)
{
	struct uiommu_dma *dma = aligned_alloc(64, sizeof(*dma));

	if (!dma)
		return -ENOMEM;
	dma->dev = dev;
	dma->recent.changes = 0;
	ui_reader_add(&dev->ctx->readers, &dma->reader);
	*out = dma;
	return 0;
}

void uiommu_dma_close(struct uiommu_dma *dma)
{
	if (!dma)
		return;
	ui_reader_del(&dma->dev->ctx->readers, &dma->reader);
	free(dma);
}

/* Inside a burst. */
static int dma_translate(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, uint32_t perm,
			 struct uiommu_span *span, struct uiommu_domain **domain,
			 const char **reason)
{
	struct uiommu_attach_handle *handle = core_handle_peek(dma->dev->group, pasid);
	int rc = -ENOENT;

	if (!handle) {
		*reason = "no domain is attached";
		return -ENOENT;
	}
	*domain = handle->domain;
	if ((*domain)->ops->translate)
		rc = (*domain)->ops->translate(*domain, iova, perm, span);
	if (rc)
		*reason = rc == -EPERM ? "the mapping lacks the right" : "not mapped";
	return rc;
}

/* Inside a burst: all of a record, its first byte last; or nothing, or nothing that tells. */
static size_t dma_record(const struct dma_op *op, const struct uiommu_span *span)
{
	const uint8_t *record = op->buf;
	size_t rest = op->whole - 1;

	if (uiommu_mm_write(span->mm, span->addr + 1, record + 1, rest) < rest)
		return 0;
	return mm_store(span->mm, span->addr, record[0], 1) ? 0 : op->whole;
}

/* Inside a burst.  Bytes moved. */
static size_t dma_move(const struct dma_op *op, const struct uiommu_span *span, size_t length)
{
	if (op->size) {
		int rc = op->perm == UIOMMU_WRITE ?
				 mm_store(span->mm, span->addr, *op->value, op->size) :
				 mm_load(span->mm, span->addr, op->value, op->size);

		return rc ? 0 : op->size;
	}
	if (op->whole)
		return dma_record(op, span);
	if (op->perm == UIOMMU_WRITE)
		return uiommu_mm_write(span->mm, span->addr, op->buf, length);
	return uiommu_mm_read(span->mm, op->buf, span->addr, length);
}

/* Where the pages are the table, that is a page fault. */
static __attribute__((cold)) int dma_gone(const struct uiommu_domain *domain, const char **reason)
{
	if (domain->type == UIOMMU_DOMAIN_SVA) {
		*reason = "no page there, or not with this right";
		return -ENOENT;
	}
	*reason = "the memory behind the mapping is gone";
	return -EFAULT;
}

/* Less was moved than translated. */
static __attribute__((cold)) int dma_short(const struct uiommu_domain *domain, struct dma_op *op,
					   const struct uiommu_span *span, size_t want,
					   const char **reason)
{
	if (mm_is_io(span->mm)) {
		op->io = uiommu_mm_get(span->mm); /* put by dma_device() */
		op->io_addr = span->addr;
		op->io_length = want;
		return DMA_TO_DEVICE;
	}
	return dma_gone(domain, reason);
}

/* One burst, of up to @length bytes; *done tells how many it was. */
static int dma_burst(struct uiommu_dma *dma, struct dma_op *op, uint64_t iova, size_t length,
		     size_t *done, const char **reason)
{
	struct ui_readers *readers = &dma->dev->ctx->readers;
	struct uiommu_domain *domain;
	struct uiommu_span span;
	uint64_t changes;
	size_t want;
	int rc = 0;

	*done = 0;
	ui_reader_begin(readers, &dma->reader);
	changes = ui_reader_changes(readers);
	if (!dma_recall(&dma->recent, changes, op->pasid, iova, op->perm, &span, &domain)) {
		rc = dma_translate(dma, op->pasid, iova, op->perm, &span, &domain, reason);
		if (!rc && domain->ops->steady)
			dma->recent = (struct dma_recent){changes, iova, span, domain, op->pasid};
	}
	if (!rc) {
		want = length < span.length ? length : span.length;
		if (want < op->whole)
			want = 0; /* areas end inside an aligned word: no single access */
		*done = want ? dma_move(op, &span, want) : 0;
		if (*done < want || !want)
			rc = dma_short(domain, op, &span, want, reason);
		if (*done && op->perm == UIOMMU_WRITE && domain->ops->dirty)
			domain->ops->dirty(domain, iova, *done);
	}
	ui_reader_exit(&dma->reader);
	return rc;
}

/* As dma_record(). */
static size_t dma_device_record(const struct dma_op *op)
{
	const uint8_t *record = op->buf;
	size_t rest = op->whole - 1;

	if (mm_io_write(op->io, op->io_addr + 1, record + 1, rest) < rest)
		return 0;
	return mm_io_write(op->io, op->io_addr, record, 1) ? op->whole : 0;
}

/* What a burst came upon. */
static __attribute__((cold)) int dma_device(struct dma_op *op, size_t *done, const char **reason)
{
	bool write = op->perm == UIOMMU_WRITE;
	size_t want = op->io_length;

	if (!want)
		; /* an area ends inside an aligned word */
	else if (op->whole && !op->size)
		*done = dma_device_record(op);
	else if (!op->size)
		*done = write ? mm_io_write(op->io, op->io_addr, op->buf, want) :
				mm_io_read(op->io, op->buf, op->io_addr, want);
	else if (!(write ? mm_io_store(op->io, op->io_addr, *op->value, op->size) :
			   mm_io_load(op->io, op->io_addr, op->value, op->size)))
		*done = op->size;
	uiommu_mm_put(op->io);
	*reason = "the device behind the mapping doesn't answer";
	return *done < want || !want ? -EFAULT : 0;
}

/*
 * As dma_burst(), of both sides at once; *failed: which of them.
 */
static int dma_copy_burst(struct uiommu_dma *dma, uint32_t pasid, uint64_t to, uint64_t from,
			  size_t length, size_t *done, uint32_t *failed, const char **reason)
{
	struct uiommu_span source, target;
	struct uiommu_domain *domain;
	int rc;

	*done = 0;
	*failed = UIOMMU_READ;
	ui_reader_begin(&dma->dev->ctx->readers, &dma->reader);
	rc = dma_translate(dma, pasid, from, UIOMMU_READ, &source, &domain, reason);
	if (rc)
		goto out_exit;
	*failed = UIOMMU_WRITE;
	rc = dma_translate(dma, pasid, to, UIOMMU_WRITE, &target, &domain, reason);
	if (rc)
		goto out_exit;
	if (length > source.length)
		length = source.length;
	if (length > target.length)
		length = target.length;
	*done = mm_copy(target.mm, target.addr, source.mm, source.addr, length, dma->bounce,
			failed);
	if (*failed)
		rc = mm_is_io(source.mm) || mm_is_io(target.mm) ? DMA_TO_DEVICE :
								  dma_gone(domain, reason);
	if (*done && domain->ops->dirty)
		domain->ops->dirty(domain, to, *done);
out_exit:
	ui_reader_exit(&dma->reader);
	return rc;
}

static int dma_fail(struct uiommu_dma *dma, const struct dma_op *op, uint64_t iova, int rc,
		    const char *reason, struct uiommu_dma_error *err)
{
	const struct uiommu_event event = {
		.type = rc == -EFAULT ? UIOMMU_EVENT_DMA_MEMORY : UIOMMU_EVENT_DMA_FAULT,
		.device = dma->dev->name,
		.pasid = op->pasid,
		.iova = iova,
		.perm = op->perm,
		.reason = reason,
	};

	if (err)
		*err = (struct uiommu_dma_error){iova, op->perm, reason};
	/* A translated request that fails is followed by a page request. */
	if (!(op->flags & UIOMMU_DMA_ATS) || (rc != -ENOENT && rc != -EPERM))
		ui_event(dma->dev->ctx, &event);
	return rc;
}

static int dma_run(struct uiommu_dma *dma, struct dma_op *op, uint64_t iova, size_t length,
		   struct uiommu_dma_error *err)
{
	const char *reason = NULL;
	size_t done;
	int rc;

	if (op->pasid > UIOMMU_PASID_MAX)
		return dma_fail(dma, op, iova, -EINVAL, "PASID out of range", err);
	if (length && iova + (length - 1) < iova)
		return dma_fail(dma, op, iova, -EINVAL, "the access wraps around", err);

	while (length) {
		size_t chunk = length < DMA_BURST_BYTES ? length : DMA_BURST_BYTES;

		rc = dma_burst(dma, op, iova, chunk, &done, &reason);
		if (rc == DMA_TO_DEVICE)
			rc = dma_device(op, &done, &reason);
		iova += done;
		length -= done;
		if (op->buf)
			op->buf = (char *)op->buf + done;
		if (rc)
			return dma_fail(dma, op, iova, rc, reason, err);
	}
	return 0;
}

int uiommu_dma_read(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, void *buf, size_t length,
		    uint32_t flags, struct uiommu_dma_error *err)
{
	struct dma_op op = {.pasid = pasid, .perm = UIOMMU_READ, .flags = flags, .buf = buf};

	return dma_run(dma, &op, iova, length, err);
}

int uiommu_dma_write(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, const void *buf,
		     size_t length, uint32_t flags, struct uiommu_dma_error *err)
{
	struct dma_op op = {
		.pasid = pasid,
		.perm = UIOMMU_WRITE,
		.flags = flags,
		.buf = (void *)(uintptr_t)buf, /* only read from */
		.whole = flags & UIOMMU_DMA_RECORD ? (unsigned int)length : 0,
	};

	if (flags & UIOMMU_DMA_RECORD && iova % DMA_PAGE + length > DMA_PAGE)
		return dma_fail(dma, &op, iova, -EINVAL, "a record in two pages", err);
	return dma_run(dma, &op, iova, length, err);
}

/* One of the sides is a device: in two steps.  *done, or the error is told. */
static __attribute__((cold)) int dma_copy_device(struct uiommu_dma *dma, const struct dma_op *op,
						 uint64_t to, uint64_t from, size_t length,
						 size_t *done, struct uiommu_dma_error *err)
{
	struct dma_op in = {
		.pasid = op->pasid, .perm = UIOMMU_READ, .flags = op->flags, .buf = dma->bounce};
	struct dma_op out = {
		.pasid = op->pasid, .perm = UIOMMU_WRITE, .flags = op->flags, .buf = dma->bounce};
	int rc, rc2;

	*done = length < MM_BOUNCE ? length : MM_BOUNCE;
	rc = dma_run(dma, &in, from, *done, err);
	if (rc)
		*done = (size_t)((uint8_t *)in.buf - dma->bounce);
	rc2 = dma_run(dma, &out, to, *done, err);
	return rc2 ? rc2 : rc;
}

int uiommu_dma_copy(struct uiommu_dma *dma, uint32_t pasid, uint64_t to, uint64_t from,
		    size_t length, uint32_t flags, struct uiommu_dma_error *err)
{
	struct dma_op op = {.pasid = pasid, .perm = UIOMMU_READ, .flags = flags};
	const char *reason = NULL;
	size_t done;
	int rc;

	if (pasid > UIOMMU_PASID_MAX)
		return dma_fail(dma, &op, from, -EINVAL, "PASID out of range", err);
	if (length && to + (length - 1) < to)
		op.perm = UIOMMU_WRITE;
	if (length && (from + (length - 1) < from || op.perm == UIOMMU_WRITE))
		return dma_fail(dma, &op, op.perm == UIOMMU_READ ? from : to, -EINVAL,
				"the access wraps around", err);
	while (length) {
		size_t chunk = length < DMA_COPY_BYTES ? length : DMA_COPY_BYTES;

		rc = dma_copy_burst(dma, pasid, to, from, chunk, &done, &op.perm, &reason);
		if (rc == DMA_TO_DEVICE) {
			rc = dma_copy_device(dma, &op, to, from, chunk, &done, err);
			if (rc)
				return rc;
		}
		to += done;
		from += done;
		length -= done;
		if (rc)
			return dma_fail(dma, &op, op.perm == UIOMMU_READ ? from : to, rc, reason,
					err);
	}
	return 0;
}

static int dma_single(struct uiommu_dma *dma, struct dma_op *op, uint64_t iova,
		      struct uiommu_dma_error *err)
{
	if ((op->size != 1 && op->size != 2 && op->size != 4 && op->size != 8) ||
	    (iova & (op->size - 1)))
		return dma_fail(dma, op, iova, -EINVAL, "misaligned single access", err);
	return dma_run(dma, op, iova, op->size, err);
}

int uiommu_dma_store(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, uint64_t value,
		     unsigned int size, uint32_t flags, struct uiommu_dma_error *err)
{
	struct dma_op op = {
		.pasid = pasid,
		.perm = UIOMMU_WRITE,
		.flags = flags,
		.size = size,
		.whole = size,
		.value = &value,
	};

	return dma_single(dma, &op, iova, err);
}

int uiommu_dma_load(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, uint64_t *value,
		    unsigned int size, uint32_t flags, struct uiommu_dma_error *err)
{
	struct dma_op op = {
		.pasid = pasid,
		.perm = UIOMMU_READ,
		.flags = flags,
		.size = size,
		.whole = size,
		.value = value,
	};

	return dma_single(dma, &op, iova, err);
}

/* ---- translation requests ---- */

/* Span by span in one burst: what a table says. */
static uint64_t translate_pages(struct uiommu_dma *dma, struct uiommu_domain *domain, uint64_t iova,
				unsigned int pages, uint32_t perm)
{
	struct uiommu_span span;
	uint64_t present = 0, run;

	if (!domain->ops->translate)
		return 0;
	ui_reader_begin(&dma->dev->ctx->readers, &dma->reader);
	for (uint64_t i = 0; i < pages; i += run) {
		run = 1;
		if (domain->ops->translate(domain, iova + i * DMA_PAGE, perm, &span))
			continue;
		run = (span.length + DMA_PAGE - 1) / DMA_PAGE;
		if (run > pages - i)
			run = pages - i;
		present |= UINT64_MAX >> (64 - run) << i;
	}
	ui_reader_exit(&dma->reader);
	return present;
}

int uiommu_dma_translate(struct uiommu_dma *dma, uint32_t pasid, uint64_t iova, unsigned int pages,
			 uint32_t perm, uint64_t *present)
{
	struct uiommu_attach_handle *handle;
	struct uiommu_domain *domain;

	*present = 0;
	if (!pages || pages > 64 || iova % DMA_PAGE)
		return -EINVAL;
	/* By reference, for the domain may block. */
	handle = uiommu_attach_handle_get(dma->dev->group, pasid, NULL);
	if (UIOMMU_IS_ERR(handle))
		return (int)UIOMMU_PTR_ERR(handle);
	domain = handle->domain;
	if (domain->ops->resident)
		*present = domain->ops->resident(domain, iova, pages);
	else
		*present = translate_pages(dma, domain, iova, pages, perm);
	uiommu_attach_handle_put(handle);
	return 0;
}

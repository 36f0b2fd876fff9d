// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/cdev.c - /dev/dsa/wqN.M: a queue of an accelerator, and the address space of who opens it
 *
 * Opening binds the device to the opener's address space (sva/), so that what is submitted by
 * this file or by a portal mapped of it has plain pointers in it.  The file is for that
 * address space: a forked child that inherits it can't submit, nor map, and has no
 * mapping.  Closing waits until what was submitted is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <uiommu/sva.h>

#include "base/telling.h"
#include "idxd/idxd.h"
#include "idxd/regs.h"
#include "mm/mm.h"
#include "mm/process.h"
#include "sva/space.h"

/*
 * Refs: file.refs.
 *  wq, sva, mm	immutable once open
 *  dedicated, batches, retries	immutable; how the queue was as it was opened: is it that,
 *	may write() submit batches, and how often it tries a full one again
 *  node	error_lock
 *  telling	error_lock; who tells the host that it's readable
 */
struct idxd_file {
	struct uiommu_file file;
	struct idxd_wq *wq;
	struct uiommu_sva *sva;
	struct uiommu_mm *mm;
	bool dedicated;
	bool batches;
	unsigned int retries;
	struct cds_list_head node;
	struct ui_telling telling;
};

static struct idxd_file *idxd_file_of(struct uiommu_file *file)
{
	return ui_container_of(file, struct idxd_file, file);
}

/* NULL: this process, which is the one that opened it. */
static bool is_opener(const struct idxd_file *f, const struct uiommu_mm *mm)
{
	return !mm || mm_same(f->mm, mm);
}

/* ---- open and close ---- */

/* Under the device's lock: the bond, and a dedicated queue's PASID. */
static int bind_locked(struct idxd_file *f)
{
	struct idxd_wq *wq = f->wq;
	int rc = idxd_hw_start(wq->idxd);

	if (rc)
		return rc;
	/* Of what isn't enabled there is no node. */
	if (!wq->live)
		return -ENOENT;
	f->dedicated = wq->applied.dedicated;
	f->retries = wq->applied.retries;
	f->batches = wq->idxd->safe || wq->idxd->conf.caps.version != IDXD_VERSION_1;
	if (f->dedicated && wq->clients)
		return -EBUSY;
	f->sva = uiommu_sva_bind_device(uiommu_pci_iommu_device(wq->idxd->pdev), f->mm);
	if (UIOMMU_IS_ERR(f->sva))
		return (int)UIOMMU_PTR_ERR(f->sva);
	rc = f->dedicated ? idxd_hw_set_pasid(wq, uiommu_sva_get_pasid(f->sva)) : 0;
	if (rc) {
		uiommu_sva_unbind_device(f->sva);
		return rc;
	}
	wq->clients++;
	ui_fetch_add(&wq->idxd->opens, 1);
	return 0;
}

static const struct ui_file_ops idxd_file_ops;

struct uiommu_file *idxd_cdev_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct idxd_file *f = ui_zalloc(sizeof(*f));
	struct idxd_wq *wq = node->priv;
	int rc;

	if (!f)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(&f->file, ctx, &idxd_file_ops, node->path, node->rdev, flags);
	if (rc)
		goto out_free;
	f->wq = wq;
	f->mm = uiommu_mm_self(ctx); /* put by idxd_release() */
	ui_telling_init(&f->telling);
	ui_mutex_lock(&wq->idxd->lock);
	rc = bind_locked(f);
	ui_mutex_unlock(&wq->idxd->lock);
	if (rc)
		goto out_fini;
	ui_mutex_lock(&wq->idxd->error_lock);
	ui_file_set_readable(&f->file, wq->idxd->swerr[0] & IDXD_SWERR_VALID);
	cds_list_add(&f->node, &wq->idxd->files);
	ui_mutex_unlock(&wq->idxd->error_lock);
	return &f->file;

out_fini:
	uiommu_mm_put(f->mm);
	ui_file_fini(&f->file);
out_free:
	ui_free(f);
	return UIOMMU_ERR_PTR(rc);
}

/* Nobody tells of it any more. */
static void forget(struct idxd_file *f)
{
	struct idxd_device *idxd = f->wq->idxd;

	ui_mutex_lock(&idxd->error_lock);
	cds_list_del(&f->node);
	ui_telling_wait(&f->telling, &idxd->error_lock);
	ui_mutex_unlock(&idxd->error_lock);
}

static void idxd_release(struct uiommu_file *file)
{
	struct idxd_file *f = idxd_file_of(file);
	struct idxd_wq *wq = f->wq;

	forget(f);
	ui_mutex_lock(&wq->idxd->lock);
	/* Disabling a queue empties it, too. */
	if (f->dedicated)
		idxd_hw_set_pasid(wq, 0);
	else
		idxd_hw_drain_pasid(wq->idxd, uiommu_sva_get_pasid(f->sva));
	uiommu_sva_unbind_device(f->sva);
	wq->clients--;
	ui_fetch_sub(&wq->idxd->opens, 1);
	ui_mutex_unlock(&wq->idxd->lock);

	uiommu_mm_put(f->mm);
	ui_file_fini(file);
	ui_free(f);
}

/* ---- submitting ---- */

/*
 * Of an accelerator with the erratum of INTEL-SA-01084 the kernel gives portals to the
 * privileged only, and what it submits for others it has looked at: so no batches.
 */
static int check_descriptor(const struct idxd_file *f, const uint8_t *desc)
{
	uint64_t record;

	if (desc[IDXD_DESC_OPCODE] == IDXD_OP_BATCH && !f->batches)
		return -EINVAL;
	memcpy(&record, desc + IDXD_DESC_RECORD, sizeof(record));
	return record % IDXD_RECORD_ALIGN ? -EINVAL : 0;
}

static int submit_shared(struct idxd_file *f, uint8_t *desc)
{
	struct idxd_device *idxd = f->wq->idxd;
	uint32_t pasid = uiommu_sva_get_pasid(f->sva);
	unsigned int tries = 0;
	int rc;

	memcpy(desc, &pasid, sizeof(pasid));
	do {
		rc = pci_mmio_enqueue(idxd->pdev, IDXD_PORTAL_BAR, idxd_hw_portal(f->wq), desc);
	} while (rc == -EAGAIN && tries++ < f->retries);
	return rc;
}

static int submit_one(struct idxd_file *f, uint64_t from)
{
	uint8_t desc[IDXD_DESC_SIZE];
	int rc;

	if (ui_copy_from_user(f->mm, desc, from, sizeof(desc)))
		return -EFAULT;
	rc = check_descriptor(f, desc);
	if (rc || !f->dedicated)
		return rc ? rc : submit_shared(f, desc);
	return pci_mmio_write_block(f->wq->idxd->pdev, IDXD_PORTAL_BAR, idxd_hw_portal(f->wq),
				    desc);
}

static ssize_t idxd_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count)
{
	struct idxd_file *f = idxd_file_of(file);
	ssize_t done;
	int rc = 0;

	if ((file->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (!is_opener(f, mm))
		return -EPERM;
	for (done = 0; count - (size_t)done >= IDXD_DESC_SIZE; done += IDXD_DESC_SIZE) {
		rc = submit_one(f, buf + (uint64_t)done);
		if (rc)
			break;
	}
	return done || !rc ? done : rc;
}

/* There are no positions. */
static ssize_t idxd_pwrite(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			   size_t count, uint64_t offset)
{
	return idxd_write(file, mm, buf, count);
}

static short idxd_poll(struct uiommu_file *file)
{
	struct idxd_device *idxd = idxd_file_of(file)->wq->idxd;
	short events;

	ui_mutex_lock(&idxd->error_lock);
	events = idxd->swerr[0] & IDXD_SWERR_VALID ? POLLIN | POLLRDNORM : 0;
	ui_mutex_unlock(&idxd->error_lock);
	return events;
}

/* One that isn't readable yet. */
static struct idxd_file *next_untold_locked(struct idxd_device *idxd)
{
	struct idxd_file *f;

	cds_list_for_each_entry(f, &idxd->files, node) {
		if (!uiommu_file_readable(&f->file))
			return f;
	}
	return NULL;
}

/*
 * The host is told without the lock, for it has its own.  No reference is held: the last
 * put waits for the device, inside of which we may be.
 */
void idxd_cdev_error(struct idxd_device *idxd)
{
	struct idxd_file *f;

	ui_mutex_lock(&idxd->error_lock);
	while ((f = next_untold_locked(idxd))) {
		ui_file_set_readable(&f->file, true);
		ui_telling_begin(&f->telling);
		ui_mutex_unlock(&idxd->error_lock);
		ui_host_readable(&f->file);
		ui_telling_end(&f->telling, &idxd->error_lock);
		ui_mutex_lock(&idxd->error_lock);
	}
	ui_mutex_unlock(&idxd->error_lock);
}

/* ---- portals ---- */

/* Whatever the offset, it is the portal that heeds the threshold. */
static int idxd_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		     uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	struct idxd_file *f = idxd_file_of(file);
	int rc = ui_mmap_check(file, prot, flags, offset, &length);

	if (rc)
		return rc;
	if (!is_opener(f, mm) || (!f->wq->idxd->safe && !mm_process_capable(CAP_SYS_RAWIO)))
		return -EPERM;
	if (length > IDXD_PORTAL_SIZE || !ui_mmap_shared(flags))
		return -EINVAL;
	*out = pci_mapping_create(file, f->wq->idxd->pdev, IDXD_PORTAL_BAR, idxd_hw_portal(f->wq),
				  length, sva_own_pasid);
	if (!*out)
		return -ENOMEM;
	(*out)->dontcopy = true;
	return 0;
}

static const struct ui_file_ops idxd_file_ops = {
	.name = "idxd-wq",
	.write = idxd_write,
	.pwrite = idxd_pwrite,
	.poll = idxd_poll,
	.mmap = idxd_mmap,
	.release = idxd_release,
};

/* NULL: it's another file. */
static const struct idxd_file *queue_file(const struct uiommu_file *file)
{
	/* file is its first member */
	return file->ops == &idxd_file_ops ? (const struct idxd_file *)file : NULL;
}

const char *idxd_file_device(const struct uiommu_file *file)
{
	const struct idxd_file *f = queue_file(file);

	return f ? f->wq->idxd->pdev->name : NULL;
}

const char *uiommu_file_queue(const struct uiommu_file *file, bool *exclusive)
{
	const struct idxd_file *f = queue_file(file);

	*exclusive = f && f->dedicated;
	return f ? strrchr(f->wq->path, '/') + 1 : NULL;
}

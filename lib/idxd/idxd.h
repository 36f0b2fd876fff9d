/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * idxd/idxd.h - data accelerators as the kernel's driver for them shows them
 *
 * idxd.c	the driver: which queues there are, their nodes and numbers
 * hw.c		the registers: configuration, commands, software errors
 * cdev.c	/dev/dsa/wqN.M: what a client does to a queue's file
 * sysfs.c	/sys/bus/dsa
 *
 * The driver sees the function by its BARs alone, as it would a real one.  A function that was
 * given to it ("driver=idxd") is configured when the first of its queues is opened.
 *
 * Locks: idxd->lock -> sva's, core's and pci's.  error_lock is innermost, and may be taken
 * inside of the function's calls, so no call of the function that could raise an interrupt is
 * made under it.
 */
#ifndef UI_IDXD_IDXD_H
#define UI_IDXD_IDXD_H

#include "base/ctx.h"
#include "base/file.h"
#include "pci/pci.h"

#define IDXD_MAX_WQS 8u

struct idxd_device;

/*
 * A queue that is enabled, for users.
 *  idxd, index, dedicated, size, path, node	immutable
 *  clients	idxd->lock
 */
struct idxd_wq {
	struct idxd_device *idxd;
	unsigned int index;
	bool dedicated;
	unsigned int size;
	char path[32];
	struct ui_node node;
	unsigned int clients;
};

/*
 * Refs: none; lives from probe to remove, and the instance stays while a file is open.
 *  ctx, pdev, number, queues, nr_queues	immutable; of the queues those that are enabled
 *  safe	immutable; its portals may be had by anybody
 *  *cap, opcap, offsets, version	lock; read from the function when it is set up
 *  files	error_lock; all that are open
 *  swerr	error_lock; the last software error, which stays
 *  configured	lock; it was, and still is if it's enabled
 *  opens	atomic; files: while there are any, its interrupts are ours
 */
struct idxd_device {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	unsigned int number;
	struct idxd_wq queues[IDXD_MAX_WQS];
	unsigned int nr_queues;
	bool safe;

	struct ui_mutex lock;
	bool configured;
	uint32_t version;
	uint64_t gencap;
	uint64_t wqcap;
	uint64_t grpcap;
	uint64_t engcap;
	uint64_t opcap[4];
	uint64_t offsets;

	struct ui_mutex error_lock;
	struct cds_list_head files;
	uint64_t swerr[4];
	uint32_t opens;
};

/*
 *  major, next_number, next_minor	pci->lock
 */
struct idxd_state {
	unsigned int major;
	unsigned int next_number;
	unsigned int next_minor;
};

/* The driver idxd; -ENOMEM. */
int idxd_init(struct uiommu *ctx);
void idxd_exit(struct uiommu *ctx);

/* hw.c; all but idxd_hw_message() under the device's lock. */
/* Configures it and enables its queues, if they aren't; 0, -ENXIO, -EAGAIN. */
int idxd_hw_start(struct idxd_device *idxd);
/* A dedicated queue is emptied and becomes that of @pasid; 0: of none.  -ENXIO. */
int idxd_hw_set_pasid(struct idxd_wq *wq, uint32_t pasid);
/* Returns when the device is done with what was submitted under @pasid. */
void idxd_hw_drain_pasid(struct idxd_device *idxd, uint32_t pasid);
/* An interrupt: a software error is taken from the registers. */
void idxd_hw_message(struct uiommu_pci_device *pdev, unsigned int vector);
/* Of the queue's portal that clients are given, in its BAR. */
uint64_t idxd_hw_portal(const struct idxd_wq *wq);

/* cdev.c */
struct uiommu_file *idxd_cdev_open(struct uiommu *ctx, const struct ui_node *node, int flags);
/* Has anybody a queue of it open? */
bool idxd_in_use(const struct uiommu_pci_device *pdev);
/* Of a queue's file the function's name; NULL: it's another file. */
const char *idxd_file_device(const struct uiommu_file *file);
/* A software error came: all files of the device are readable. */
void idxd_cdev_error(struct idxd_device *idxd);

/* sysfs.c */
void idxd_sysfs_write(struct tree *tree, struct uiommu_pci_device *pdev);
/*
 * May a file in /sys be written?  @path: absolute.  1: it isn't one of the accelerator's, or
 * it takes anything; -EPERM: not while it's enabled, as all are; -EOPNOTSUPP.
 */
int idxd_sysfs_store(const char *path);

#endif /* UI_IDXD_IDXD_H */

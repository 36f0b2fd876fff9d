/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * idxd/idxd.h - data accelerators as the kernel's driver for them shows them
 *
 * idxd.c	the driver: the nodes of its queues, and their numbers
 * conf.c, attr.c	how a device is configured (conf.h)
 * hw.c		the registers: configuration, commands, software errors
 * cdev.c	/dev/dsa/wqN.M: what a client does to a queue's file
 * sysfs.c	/sys/bus/dsa: how it is written, and brought up to date
 * store.c	what a write to a file there does
 *
 * The driver sees the function by its BARs alone, as it would a real one.  The configuration of
 * a function that was given to it ("driver=idxd") is the run's, where there is one: the host has
 * it (struct uiommu_host_ops, state).  Each time that a queue is opened, the accelerator of
 * this process is brought in line with it.
 *
 * Locks: idxd->lock -> sva's, core's and pci's.  error_lock is innermost, and may be taken
 * inside of the function's calls, so no call of the function that could raise an interrupt is
 * made under it.
 */
#ifndef UI_IDXD_IDXD_H
#define UI_IDXD_IDXD_H

#include "base/ctx.h"
#include "base/file.h"
#include "idxd/conf.h"
#include "pci/pci.h"

struct idxd_device;

/*
 * A queue, whether or not it is enabled.
 *  idxd, index, path, node	immutable
 *  clients	idxd->lock; of files that are open
 *  live	idxd->lock; enabled in the device
 *  applied	idxd->lock; as the device has it since
 */
struct idxd_wq {
	struct idxd_device *idxd;
	unsigned int index;
	char path[32];
	struct ui_node node;
	unsigned int clients;
	bool live;
	struct idxd_wq_conf applied;
};

/*
 * Refs: none; lives from probe to remove, and the instance stays while a file is open.
 *  ctx, pdev, number, first_minor, queues	immutable
 *  safe	immutable; its portals may be had by anybody
 *  conf	lock; as last seen; without a host with a tree, it's the only one
 *  files	error_lock; all that are open
 *  swerr	error_lock; the last software error, which stays
 *  configured	lock; it was, and still is if it's enabled or halted
 *  applied	lock; of which generation of conf the device is
 *  opens	atomic; files: while there are any, its interrupts are ours
 */
struct idxd_device {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	unsigned int number;
	unsigned int first_minor;
	struct idxd_wq queues[IDXD_MAX_WQS];
	bool safe;

	struct ui_mutex lock;
	struct idxd_conf conf;
	bool configured;
	uint64_t applied;

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
/*
 * The device is as conf says, and conf as the run says; what is open stays as it was opened.
 * 0; -ENXIO: it's halted, or can't be configured; -EAGAIN.
 */
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
 * The tree says what @conf says, instead of @old, for which NULL is nothing at all; @path: the
 * device's folder, below /sys.  Then tree->rc.
 */
void idxd_sysfs_update(struct tree *tree, const char *path, const struct idxd_conf *old,
		       const struct idxd_conf *conf);
/* "state/DEVICE" of the run's folder: 0 or -errno. */
int idxd_state_load(int dirfd, const char *device, struct idxd_conf *conf);
int idxd_state_save(int dirfd, const char *device, const struct idxd_conf *conf);

/*
 * store.c: a write to a file in /sys, under the lock of the run's folder; @text has a 0 behind it.
 * 1: it isn't one of the accelerator's; 0; -errno as Linux.
 */
int idxd_store(int dirfd, int rootfd, const char *path, const char *text);

#endif /* UI_IDXD_IDXD_H */

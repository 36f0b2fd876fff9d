/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/fault.h - fault queues
 */
#ifndef UI_IOMMUFD_FAULT_H
#define UI_IOMMUFD_FAULT_H

#include <uiommu/iopf.h>
#include <urcu/list.h>

#include "base/telling.h"
#include "iommufd/object.h"

/*
 * Users: its file while that is open, each hwpt that delivers to it.
 * Memory: the object, its file, each hwpt's domain.
 *
 *  ictx	immutable; valid while the object or the file is there
 *  file	initialised before the object is found; itself, own rules
 *  file_open	lock
 *  memory	atomic
 *  deliver	lock; entries that wait to be read, in order of arrival
 *  telling	lock, with file_open; who is calling the host about the file
 *  empty_reads	atomic; reads that found nothing, one after the other; a hint
 *  cookies	lock; entries that were read and wait for their answer
 *  answering	lock; as cookies, in a list
 */
struct iommufd_fault {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct uiommu_file file;
	bool file_open;
	int64_t memory;
	struct ui_telling telling;
	uint32_t empty_reads;
	struct ui_mutex lock;
	struct cds_list_head deliver;
	struct cds_list_head answering;
	struct idtable cookies;
};

extern const struct iommufd_object_ops iommufd_fault_ops;

/* A use, put by iommufd_put_object(). */
struct iommufd_fault *iommufd_get_fault(struct iommufd_ctx *ictx, uint32_t id);

/* Keep the memory, and nothing else: for those who may come late. */
void iommufd_fault_get_memory(struct iommufd_fault *fault);
void iommufd_fault_put_memory(struct iommufd_fault *fault);

/* The handler of domains whose fault_data is a queue. */
int iommufd_fault_iopf_handler(struct uiommu_iopf_group *group);
/* The drain of the attach handles whose faults go to a queue. */
void iommufd_fault_drain(struct iommufd_fault *fault, struct uiommu_attach_handle *handle);

int iommufd_fault_alloc(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_FAULT_H */

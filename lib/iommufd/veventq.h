/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/veventq.h - queues of events for a guest
 */
#ifndef UI_IOMMUFD_VEVENTQ_H
#define UI_IOMMUFD_VEVENTQ_H

#include <urcu/list.h>

#include "iommufd/object.h"

struct iommufd_viommu;

/*
 * Users: its file while that is open.
 *
 *  ictx, viommu, type, depth	immutable; a use of the viommu
 *  node	viommu->eventqs_lock
 *  file	initialised before the object is found; itself, own rules
 *  file_open	lock
 *  events	lock; in order of arrival, num_events of them, depth at most
 *  sequence	lock; of the next event
 *  lost, lost_sequence	lock; events after the last one were lost
 */
struct iommufd_veventq {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_viommu *viommu;
	struct cds_list_head node;
	uint32_t type;
	uint32_t depth;
	struct uiommu_file file;
	struct ui_mutex lock;
	bool file_open;
	bool lost;
	uint32_t lost_sequence;
	uint32_t sequence;
	uint32_t num_events;
	struct cds_list_head events;
};

extern const struct iommufd_object_ops iommufd_veventq_ops;

int iommufd_veventq_alloc(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_VEVENTQ_H */

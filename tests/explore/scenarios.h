/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * explore/scenarios.h - all scenarios, and the functions that are wrong on purpose
 *
 * The wrong ones are lib's own source, compiled a second time with one
 * operation replaced and the functions renamed; only scenarios call them.
 */
#ifndef EXPLORE_SCENARIOS_H
#define EXPLORE_SCENARIOS_H

#include <uiommu/iopf.h>

#include "explore/explore.h"

struct iopt;

/* scn_handle.c */
extern const struct scenario scn_get_detach, scn_get_get_detach, scn_get_attach, scn_get_replace,
	scn_get_get_replace, scn_get_settle, scn_get_other_owner, scn_get_recycled,
	scn_detach_detach, scn_detach_stale, scn_attach_attach, scn_wait_detached, scn_domain,
	scn_broken_version_4, scn_broken_bare_pointer, scn_broken_late_reference;

/* scn_iopf.c */
extern const struct scenario scn_report_detach, scn_report_keep_detach, scn_report_replace,
	scn_answer_detach, scn_answer_replace, scn_answer_removal, scn_answer_leaving,
	scn_answer_answer_detach, scn_report_answer_removal, scn_report_answer_detach,
	scn_answer_faults_again, scn_broken_response, scn_broken_drain, scn_broken_report;

/* scn_dma.c, scn_unmap.c */
extern const struct scenario scn_dma_detach, scn_dma_replace, scn_broken_quiesce, scn_dma_unmap,
	scn_dma_remap, scn_dma_neighbours, scn_broken_unmap;

/* scn_bond.c */
extern const struct scenario scn_bond_unbind, scn_bond_bind, scn_bond_other, scn_bond_three,
	scn_bond_replaced, scn_bond_foreign, scn_broken_bond;

/* scn_telling.c */
extern const struct scenario scn_telling_close, scn_telling_two, scn_telling_last,
	scn_broken_telling;

/* Not wrong, see small_handle.c. */
struct uiommu_attach_handle *small_handle_get(struct uiommu_group *group, uint32_t pasid,
					      const struct uiommu_handle_ops *ops);

int broken_group_response(struct uiommu_iopf_group *group, enum uiommu_page_response_code code);
int broken_report_device_fault(struct uiommu_device *dev, const struct uiommu_fault *fault);
int broken_detach_group_handle(struct uiommu_group *group, uint32_t pasid,
			       struct uiommu_attach_handle *handle);
int broken_iopt_unmap(struct iopt *iopt, uint64_t iova, uint64_t length, uint64_t *unmapped);

#endif /* EXPLORE_SCENARIOS_H */

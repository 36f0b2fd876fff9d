/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz/run.h - doing what an input says to /dev/iommu */
#ifndef FUZZ_RUN_H
#define FUZZ_RUN_H

#include <uiommu/file.h>

#include "model.h"
#include "ops.h"

/*
 * The operation under way.
 *  fired	an allocation in it was made to fail
 *  results	of those before it
 *  pasids	something was attached to a PASID
 */
struct run {
	const struct op *op;
	size_t nr;
	bool fired;
	bool pasids;
	uint64_t results[OPS_MAX][OP_RESULTS];
};

extern struct run run;

void run_op(const struct op *op, size_t nr);

/* ---- for the files that do it ---- */

/* Its argument, with references and addresses resolved. */
uint64_t arg(unsigned int nr);
void set_result(unsigned int nr, uint64_t value);

/* The argument never arrives, whatever it says. */
bool frame_blocks(void);
long call(unsigned long request, void *cmd, size_t size, size_t min_size);
/* An ioctl without framing. */
long call_raw(unsigned long request, void *cmd, size_t size);
#define CALL(request, cmd, last)                                                                   \
	call(request, &(cmd), sizeof(cmd), offsetof(__typeof__(cmd), last) + sizeof((cmd).last))

/* Is rc what was expected?  Return: whether it has been done. */
bool settle(struct expect e, long rc, bool answers);

static inline struct expect just(int rc)
{
	return (struct expect){.rc = rc};
}

void *scratch(void);

struct iommufd_ctx *run_ctx(void);
/* Unlocked: there is one thread. */
struct iommufd_object *run_object(uint32_t id);
struct mock_device;
/* NULL: it is something else. */
struct mock_device *run_device(struct iommufd_object *obj);

/* run_map.c */
void run_ioas_alloc(void);
void run_map(void);
void run_map_file(void);
void run_unmap(void);
void run_copy(void);
void run_allow(void);
void run_ranges(void);
void run_reserve(void);
void run_vfio_map(void);
void run_vfio_unmap(void);

/* run_data.c */
void run_access_create(void);
void run_access_replace(void);
void run_access_rw(void);
void run_access_pages(void);
void run_access_unpin(void);
void run_dma(bool write);
void run_set_dirty(void);
void run_mock_dirty(void);
void run_get_dirty(void);

#endif /* FUZZ_RUN_H */

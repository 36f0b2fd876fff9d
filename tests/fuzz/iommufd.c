// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/iommufd.c - the harness of /dev/iommu
 *
 * Each operation of an input is done to an instance of its own, and after each all that
 * is known to hold is looked at.
 */
#include "check.h"
#include "fuzzer.h"
#include "model.h"
#include "run.h"
#include "world.h"

void fuzz_init(void)
{
	world_init();
}

/* Arguments of VFIO's ioctls have no size of that sort. */
static void tidy(struct op *op)
{
	if (op->kind >= OP_VFIO_GET_API_VERSION && op->kind <= OP_VFIO_UNMAP_DMA)
		op->frame = FRAME_NONE;
}

void fuzz_run(const struct op *ops, size_t nr)
{
	world_begin();
	run.pasids = false;
	for (size_t i = 0; i < nr; i++) {
		struct op op = ops[i];

		tidy(&op);
		if (world.trace)
			op_print(&op, i);
		run_op(&op, i);
		check_all();
	}
	world_end();
	model_reset();
}

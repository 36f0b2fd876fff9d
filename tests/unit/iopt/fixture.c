// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "fixture.h"
#include "mm/mm.h"
#include "mm/object.h"

int fixture_setup(void **state)
{
	struct uiommu *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return -1;
	ui_readers_init(&ctx->readers);
	*state = ctx;
	return mm_init(ctx);
}

int fixture_teardown(void **state)
{
	struct uiommu *ctx = *state;

	/* A test that failed left things behind; say no more about it. */
	if (ctx->counts.areas || ctx->self_mm->refs != 1 || !cds_list_empty(&ctx->readers.list))
		return -1;
	mm_exit(ctx);
	ui_readers_destroy(&ctx->readers);
	free(ctx);
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_dma.c - DMA, which takes no reference, against detach and replace
 *
 * The handshake of a burst with its writer is a store before a load on both
 * sides.  Here every operation is sequentially consistent, so this explores the
 * protocol and not the fences.
 */
#include "explore/rig.h"
#include "explore/scenarios.h"

static struct uiommu_dma *channel;

static void setup(void)
{
	rig_setup();
	CHECK(!uiommu_dma_open(rig.dev, &channel));
	rig_attach(&rig_owner, NULL);
}

static void finish(void)
{
	uiommu_dma_close(channel);
	rig_finish();
}

static void dma_twice(void)
{
	char buf[8] = "";

	for (int i = 0; i < 2; i++) {
		int rc = uiommu_dma_write(channel, UIOMMU_NO_PASID, 0x1000, buf, sizeof(buf),
					  UIOMMU_DMA_ATS, NULL);

		CHECK(!rc || rc == -ENOENT);
	}
}

static void dma_always_attached(void)
{
	char buf[8] = "";

	CHECK(!uiommu_dma_write(channel, UIOMMU_NO_PASID, 0x1000, buf, sizeof(buf), 0, NULL));
}

static void detach(void)
{
	rig_detach();
	rig_set(&rig.gone);
}

static void replace(void)
{
	rig_replace(NULL);
	CHECK(rig.released == 1 && rig.domains_freed == 1);
}

const struct scenario scn_dma_detach = {
	.name = "dma-detach",
	.summary = "DMA against a detach: when it returns, there is none",
	.bound = 3,
	.setup = setup,
	.threads = {dma_twice, detach},
	.names = {"DMA", "detach"},
	.finish = finish,
};

const struct scenario scn_dma_replace = {
	.name = "dma-replace",
	.summary = "DMA against a replace: it always finds one of the two domains",
	.bound = 3,
	.setup = setup,
	.threads = {dma_always_attached, replace},
	.names = {"DMA", "replace"},
	.finish = finish,
};

/* See broken_attach.c: it puts the handle without waiting for bursts. */
static void detach_hastily(void)
{
	CHECK(!broken_detach_group_handle(rig.group, UIOMMU_NO_PASID, NULL));
	rig_set(&rig.gone);
}

const struct scenario scn_broken_quiesce = {
	.name = "broken-hasty-detach",
	.summary = "a detach that doesn't wait for DMA",
	.broken = true,
	.bound = 3,
	.setup = setup,
	.threads = {dma_twice, detach_hastily},
	.names = {"DMA", "detach"},
	.finish = finish,
};

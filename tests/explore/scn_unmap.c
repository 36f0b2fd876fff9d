// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_unmap.c - DMA against map and unmap of an I/O address space
 */
#include "explore/rig.h"
#include "explore/scenarios.h"
#include "iopt/iopt.h"
#include "mm/object.h"

#define IOVA 0x10000u
#define OLD_ADDR 0x100000u
#define NEW_ADDR 0x200000u

static struct iopt *iopt;
static struct uiommu_dma *channel;
static struct uiommu_mm some_mm;

static struct uiommu_mm *mm(void)
{
	return &some_mm;
}

static int translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
		     struct uiommu_span *span)
{
	return iopt_translate(iopt, iova, perm, span);
}

static void domain_free(struct uiommu_domain *domain)
{
	ui_free(domain);
}

static const struct uiommu_domain_ops ops = {
	.translate = translate,
	.steady = true,
	.free = domain_free,
};

static int map(uint64_t iova, uint64_t addr)
{
	return iopt_map(iopt, mm(), addr, 0x1000, UIOMMU_READ | UIOMMU_WRITE, IOPT_FIXED, &iova);
}

static int unmap(uint64_t iova)
{
	uint64_t unmapped;

	return iopt_unmap(iopt, iova, 0x1000, &unmapped);
}

static void setup(void)
{
	struct uiommu_domain *domain;

	rig_setup();
	iopt = iopt_create(rig.ctx);
	CHECK(iopt && !map(IOVA, OLD_ADDR) && !map(2 * IOVA, NEW_ADDR));
	domain = ui_zalloc(sizeof(*domain));
	uiommu_domain_init(rig.ctx, domain, UIOMMU_DOMAIN_PAGING, &ops);
	CHECK(!uiommu_attach_group_handle(domain, rig.group, UIOMMU_NO_PASID, NULL));
	uiommu_domain_put(domain);
	CHECK(!uiommu_dma_open(rig.dev, &channel));
}

static void finish(void)
{
	uiommu_dma_close(channel);
	rig_detach();
	iopt_destroy(iopt);
	CHECK(!rig.ctx->counts.areas);
	rig_finish();
}

static int dma(uint64_t iova)
{
	char buf[8] = "";

	return uiommu_dma_write(channel, UIOMMU_NO_PASID, iova, buf, sizeof(buf), UIOMMU_DMA_ATS,
				NULL);
}

static void dma_twice(void)
{
	for (int i = 0; i < 2; i++) {
		int rc = dma(IOVA);

		CHECK(!rc || rc == -ENOENT);
	}
}

/* rig.c's memory says no when rig.gone is what DMA still reaches. */
static void unmap_it(void)
{
	CHECK(!unmap(IOVA));
	ui_store_release(&rig.gone, OLD_ADDR);
}

static void unmap_then_map(void)
{
	unmap_it();
	CHECK(!map(IOVA, NEW_ADDR));
}

/* In the same leaf, before it and after it. */
static void change_others(void)
{
	CHECK(!unmap(2 * IOVA));
	CHECK(!map(IOVA - 0x1000, NEW_ADDR));
	CHECK(!map(IOVA + 0x1000, NEW_ADDR));
}

static void dma_always_mapped(void)
{
	CHECK(!dma(IOVA));
	CHECK(!dma(IOVA));
}

const struct scenario scn_dma_unmap = {
	.name = "dma-unmap",
	.summary = "DMA against an unmap: when it returns, there is none",
	.bound = 3,
	.setup = setup,
	.threads = {dma_twice, unmap_it},
	.names = {"DMA", "unmap"},
	.finish = finish,
};

const struct scenario scn_dma_remap = {
	.name = "dma-remap",
	.summary = "DMA against an unmap and a map of other memory at the same place",
	.bound = 3,
	.setup = setup,
	.threads = {dma_twice, unmap_then_map},
	.names = {"DMA", "unmap, map"},
	.finish = finish,
};

const struct scenario scn_dma_neighbours = {
	.name = "dma-neighbours",
	.summary = "DMA while its neighbours are mapped and unmapped",
	.bound = 3,
	.setup = setup,
	.threads = {dma_always_mapped, change_others},
	.names = {"DMA", "map, unmap"},
	.finish = finish,
};

/* See broken_iopt.c: it returns without waiting for bursts. */
static void unmap_hastily(void)
{
	uint64_t unmapped;

	CHECK(!broken_iopt_unmap(iopt, IOVA, 0x1000, &unmapped));
	ui_store_release(&rig.gone, OLD_ADDR);
}

const struct scenario scn_broken_unmap = {
	.name = "broken-hasty-unmap",
	.summary = "an unmap that doesn't wait for DMA",
	.broken = true,
	.bound = 3,
	.setup = setup,
	.threads = {dma_twice, unmap_hastily},
	.names = {"DMA", "unmap"},
	.finish = finish,
};

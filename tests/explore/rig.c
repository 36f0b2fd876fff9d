// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/rig.c - an instance with a device, and memory that can be DMA'd to
 */
#include <string.h>

#include "explore/rig.h"
#include "mm/inline.h"
#include "mm/io.h"
#include "mm/mm.h"

struct rig rig;

static struct uiommu instance;

static void page_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	rig.responses++;
	rig.code = resp->code;
	CHECK(rig.responses <= instance.counts.faults_reported);
	if (rig.on_response)
		rig.on_response();
}

static const struct uiommu_driver_ops driver_ops = {
	.page_response = page_response,
};

/* ---- handles ---- */

static void handle_drain(struct uiommu_attach_handle *handle)
{
	rig_check_handle(handle);
	rig.drained++;
}

static void handle_release(struct uiommu_attach_handle *handle)
{
	struct rig_handle *h = ui_container_of(handle, struct rig_handle, handle);

	CHECK(h->magic == RIG_MAGIC);
	rig.released++;
	ui_free(h);
}

const struct uiommu_handle_ops rig_owner = {
	.name = "owner",
	.drain = handle_drain,
	.release = handle_release,
};

const struct uiommu_handle_ops rig_other_owner = {
	.name = "other owner",
	.drain = handle_drain,
	.release = handle_release,
};

struct uiommu_attach_handle *rig_handle(const struct uiommu_handle_ops *ops)
{
	struct rig_handle *h = ui_zalloc(sizeof(*h));

	h->magic = RIG_MAGIC;
	CHECK(!uiommu_attach_handle_init(rig.ctx, &h->handle, ops));
	return &h->handle;
}

void rig_check_handle(struct uiommu_attach_handle *handle)
{
	struct rig_handle *h = ui_container_of(handle, struct rig_handle, handle);
	struct uiommu_domain *domain = uiommu_attach_handle_domain(handle);

	CHECK(h->magic == RIG_MAGIC);
	CHECK(ui_container_of(domain, struct rig_domain, domain)->magic == RIG_MAGIC);
}

/* ---- domains ---- */

static void domain_free(struct uiommu_domain *domain)
{
	struct rig_domain *d = ui_container_of(domain, struct rig_domain, domain);

	CHECK(d->magic == RIG_MAGIC);
	rig.domains_freed++;
	ui_free(d);
}

static int domain_translate(struct uiommu_domain *domain, uint64_t iova, uint32_t perm,
			    struct uiommu_span *span)
{
	struct rig_domain *d = ui_container_of(domain, struct rig_domain, domain);

	CHECK(d->magic == RIG_MAGIC);
	*span = (struct uiommu_span){.addr = iova, .length = 4096, .perm = perm};
	return 0;
}

static const struct uiommu_domain_ops domain_ops = {
	.translate = domain_translate,
	.steady = true,
	.free = domain_free,
};

struct uiommu_domain *rig_domain(int (*handler)(struct uiommu_iopf_group *group))
{
	struct rig_domain *d = ui_zalloc(sizeof(*d));

	d->magic = RIG_MAGIC;
	uiommu_domain_init(rig.ctx, &d->domain, UIOMMU_DOMAIN_PAGING, &domain_ops);
	d->domain.iopf_handler = handler;
	return &d->domain;
}

/* ---- what scenarios do ---- */

struct uiommu_attach_handle *rig_attach(const struct uiommu_handle_ops *ops,
					int (*handler)(struct uiommu_iopf_group *group))
{
	struct uiommu_domain *domain = rig_domain(handler);
	struct uiommu_attach_handle *handle = rig_handle(ops);

	CHECK(!uiommu_attach_group_handle(domain, rig.group, UIOMMU_NO_PASID, handle));
	uiommu_domain_put(domain);
	return handle;
}

void rig_replace(int (*handler)(struct uiommu_iopf_group *group))
{
	struct uiommu_domain *domain = rig_domain(handler);

	CHECK(!uiommu_replace_group_handle(domain, rig.group, UIOMMU_NO_PASID,
					   rig_handle(&rig_owner)));
	uiommu_domain_put(domain);
}

void rig_detach(void)
{
	CHECK(!uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, NULL));
}

void rig_report(uint32_t grpid)
{
	const struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_LAST_PAGE,
		.grpid = grpid,
		.perm = UIOMMU_READ,
	};

	/* Without a handler it was answered as well. */
	uiommu_report_device_fault(rig.dev, &fault);
}

void rig_set(uint32_t *flag)
{
	ui_store_release(flag, 1);
}

void rig_wait(uint32_t *flag)
{
	unsigned int tries = 0;

	while (!ui_load_acquire(flag))
		ui_spin_pause(tries++);
}

/* ---- before and after ---- */

void rig_setup(void)
{
	const struct uiommu_device_config config = {
		.name = "dev0",
		.max_pasids = 16,
		.ops = &driver_ops,
	};

	memset(&rig, 0, sizeof(rig));
	memset(&instance, 0, sizeof(instance));
	rig.ctx = &instance;
	ui_readers_init(&instance.readers);
	CHECK(!core_init(rig.ctx));
	iopf_init(rig.ctx);
	CHECK(!uiommu_device_register(rig.ctx, &config, &rig.dev));
	rig.group = uiommu_group_get(uiommu_device_group(rig.dev));
}

void rig_finish(void)
{
	const struct ui_counts *counts = &instance.counts;

	uiommu_detach_group_handle(rig.group, UIOMMU_NO_PASID, NULL);
	if (rig.dev)
		uiommu_device_unregister(rig.dev);
	uiommu_group_put(rig.group);
	CHECK(counts->faults_reported == counts->faults_answered);
	CHECK(counts->faults_answered == rig.responses);
	CHECK(!counts->groups_open);
	CHECK(!counts->handles);
	CHECK(!counts->domains);
	CHECK(!counts->groups);
	CHECK(!counts->devices);
	core_exit(rig.ctx);
	ui_readers_destroy(&instance.readers);
}

/* ---- memory of a process, for core/dma.c and iopt ---- */

int mm_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size)
{
	*value = addr;
	return 0;
}

int mm_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size)
{
	return 0;
}

/* Inside a burst: what is gone may not be reached any more. */
static void touch(uint64_t addr)
{
	uint32_t gone = ui_load_acquire(&rig.gone);

	CHECK(gone != 1 && gone != (addr & ~0xfffull));
}

/* All there is is memory. */
bool mm_is_io(const struct uiommu_mm *mm)
{
	return false;
}

int mm_io_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size)
{
	return -EIO;
}

int mm_io_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size)
{
	return -EIO;
}

size_t mm_io_read(struct uiommu_mm *mm, void *dst, uint64_t addr, size_t length)
{
	return 0;
}

size_t mm_io_write(struct uiommu_mm *mm, uint64_t addr, const void *src, size_t length)
{
	return 0;
}

struct uiommu_mm *uiommu_mm_get(struct uiommu_mm *mm)
{
	return mm;
}

void uiommu_mm_put(struct uiommu_mm *mm)
{
}

struct uiommu_mm *mm_view_base(const struct uiommu_mm *mm)
{
	return NULL;
}

/* Nothing takes memory away here. */
void iopt_link(struct iopt *iopt)
{
}

void iopt_unlink(struct iopt *iopt)
{
}

void iopt_forget_views(struct iopt *iopt)
{
}

void iopt_share(struct iopt *iopt, uint64_t start, uint64_t last)
{
}

void iopt_share_all(struct iopt *iopt)
{
}

bool mm_is_here(const struct uiommu_mm *mm)
{
	return true;
}

bool mm_is_file(const struct uiommu_mm *mm)
{
	return false;
}

bool mm_is_dmabuf(const struct uiommu_mm *mm)
{
	return false;
}

bool mm_is_revoked(const struct uiommu_mm *mm)
{
	return false;
}

/* Nobody is charged. */
struct uiommu_mm *mm_root(struct uiommu_mm *mm)
{
	return mm;
}

struct uiommu_mm *mm_without_account(struct uiommu_mm *mm)
{
	return mm;
}

struct uiommu_mm *mm_payer(struct uiommu_mm *mm)
{
	return mm;
}

enum mm_charge_mode mm_account_mode(const struct uiommu_mm *payer)
{
	return MM_CHARGE_NONE;
}

bool mm_same_account(const struct uiommu_mm *payer, const struct uiommu_mm *other)
{
	return true;
}

bool mm_visit(struct uiommu_mm *mm, uint64_t turn)
{
	return false;
}

uint64_t mm_file_charged(const struct uiommu_mm *mm)
{
	return 0;
}

void mm_set_payer(struct uiommu_mm *file, struct uiommu_mm *payer)
{
}

int mm_charge_payer(struct uiommu_mm *mm, uint64_t pages)
{
	return 0;
}

void mm_uncharge_payer(struct uiommu_mm *mm, uint64_t pages)
{
}

bool mm_over_limit(const struct uiommu_mm *payer)
{
	return false;
}

int mm_check(struct uiommu_mm *mm, uint64_t addr, uint64_t length, uint32_t perm)
{
	return 0;
}

size_t uiommu_mm_read(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length)
{
	touch(src);
	memset(dst, 0, length);
	return length;
}

size_t uiommu_mm_write(struct uiommu_mm *mm, uint64_t dst, const void *src, size_t length)
{
	touch(dst);
	return length;
}

size_t mm_copy(struct uiommu_mm *to, uint64_t dst, struct uiommu_mm *from, uint64_t src,
	       size_t length, void *bounce, uint32_t *failed)
{
	touch(src);
	touch(dst);
	*failed = 0;
	return length;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/check.c - what must hold after each operation
 *
 * Every use of an object is counted from where it should come from; each address space
 * is what the model says, area by area, seen by the writer's walk and by a reader's
 * look-up, and dirty where the model is.
 */
#include "check.h"

#include <string.h>

#include <uiommu/access.h>

#include "iommufd/access.h"
#include "iommufd/device.h"
#include "iommufd/fault.h"
#include "iommufd/hw_queue.h"
#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"
#include "iommufd/vdevice.h"
#include "iommufd/veventq.h"
#include "iommufd/viommu.h"
#include "iopt/object.h"
#include "mm/mm.h"
#include "mock/mock.h"
#include "run.h"
#include "world.h"

#define MAX_IDS 512

static unsigned int uses[MAX_IDS];

static void use(const struct iommufd_object *obj)
{
	if (obj)
		uses[obj->id]++;
}

/* ---- uses of objects ---- */

static void count_hwpt(const struct iommufd_hwpt *hwpt)
{
	if (!hwpt->parent)
		use(&hwpt->ioas->obj);
	else if (hwpt->viommu)
		use(&hwpt->viommu->obj);
	else
		use(&hwpt->parent->obj);
	if (hwpt->fault)
		use(&hwpt->fault->obj);
}

static void count_hw_queue(const struct iommufd_hw_queue *queue)
{
	use(&queue->viommu->obj);
}

/* Each mock device is alone in its group. */
static void count_attached(const struct mock_device *mdev)
{
	struct uiommu_attach_handle *handle =
		uiommu_attach_handle_get(uiommu_device_group(mdev->dev), UIOMMU_NO_PASID, NULL);
	const struct iommufd_hwpt *hwpt;

	if (UIOMMU_IS_ERR(handle))
		return;
	hwpt = iommufd_hwpt_of_domain(uiommu_attach_handle_domain(handle));
	if (hwpt)
		use(&hwpt->obj);
	uiommu_attach_handle_put(handle);
}

/* Those that one object has on others. */
static void count_object(struct iommufd_object *obj)
{
	if (run_device(obj))
		count_attached(run_device(obj));
	if (iommufd_hwpt_is(obj))
		count_hwpt(iommufd_hwpt_of(obj));
	else if (obj->ops == &iommufd_viommu_object_ops)
		use(&ui_container_of(obj, struct iommufd_viommu, obj)->hwpt->obj);
	else if (obj->ops == &iommufd_hw_queue_ops)
		count_hw_queue(ui_container_of(obj, struct iommufd_hw_queue, obj));
	if (obj->ops == &iommufd_vdevice_ops) {
		const struct iommufd_vdevice *vdev =
			ui_container_of(obj, struct iommufd_vdevice, obj);

		use(&vdev->viommu->obj);
		use(&vdev->idev->obj);
	}
	if (obj->ops == &iommufd_veventq_ops) {
		const struct iommufd_veventq *queue =
			ui_container_of(obj, struct iommufd_veventq, obj);

		use(&queue->viommu->obj);
		if (queue->file_open)
			use(obj);
	}
	if (obj->ops == &iommufd_fault_ops &&
	    ui_container_of(obj, struct iommufd_fault, obj)->file_open)
		use(obj);
	/* The binding, and the driver's own use of an access. */
	if (obj->ops == &iommufd_device_ops || obj->ops == &iommufd_access_ops)
		use(obj);
}

/* Accesses know their IOAS alone; but the IOAS's list has them. */
static void count_accesses(const struct model_ioas *ioas)
{
	const struct iopt *iopt = ioas->iopt;

	for (size_t i = 0; i < iopt->nr_accesses; i++)
		if (iopt->accesses[i])
			uses[ioas->id]++;
}

static void check_uses(struct iommufd_object *obj)
{
	unsigned int known = 1 + uses[obj->id];

	/* Attachments of PASIDs aren't counted. */
	if (iommufd_hwpt_is(obj) && run.pasids) {
		must(obj->users >= known, "object %u (%s): %u uses, at least %u are known", obj->id,
		     obj->ops->name, obj->users, known);
		return;
	}
	/* Queues depend on each other, and mappings on viommus. */
	if (obj->ops == &iommufd_hw_queue_ops || obj->ops == &iommufd_viommu_object_ops) {
		must(obj->users >= known && obj->users <= known + 8,
		     "object %u (%s): %u uses, %u are known", obj->id, obj->ops->name, obj->users,
		     known);
		return;
	}
	must(obj->users == known, "object %u (%s): %u uses, %u are known", obj->id, obj->ops->name,
	     obj->users, known);
}

static void check_objects(void)
{
	struct iommufd_ctx *ictx = run_ctx();
	struct uiommu_counts c;
	uint64_t objects = 0, devices = 0, domains = 0;

	must(ictx->objects.size <= MAX_IDS, "%u IDs", ictx->objects.size);
	memset(uses, 0, sizeof(uses));
	for (uint32_t id = 1; id < ictx->objects.size; id++) {
		struct iommufd_object *obj = idtable_find(&ictx->objects, id);

		if (!obj)
			continue;
		must(obj->id == id && obj->users, "object %u says it is %u", id, obj->id);
		count_object(obj);
		objects++;
		devices += obj->ops == &iommufd_device_ops;
		domains += iommufd_hwpt_is(obj);
	}
	for (size_t i = 0; i < model.nr; i++)
		count_accesses(model.ioas[i]);
	for (uint32_t id = 1; id < ictx->objects.size; id++)
		if (idtable_find(&ictx->objects, id))
			check_uses(idtable_find(&ictx->objects, id));
	uiommu_get_counts(world.ctx, &c);
	must(c.objects == objects && c.devices == devices && c.domains >= domains,
	     "%llu objects, %llu devices, %llu domains; %llu, %llu and %llu are counted",
	     (unsigned long long)objects, (unsigned long long)devices, (unsigned long long)domains,
	     (unsigned long long)c.objects, (unsigned long long)c.devices,
	     (unsigned long long)c.domains);
	must(c.faults_reported - c.faults_answered >= c.groups_open ||
		     c.faults_reported - c.faults_answered == c.groups_open,
	     "%llu faults without an answer, %llu groups",
	     (unsigned long long)(c.faults_reported - c.faults_answered),
	     (unsigned long long)c.groups_open);
}

/* ---- address spaces ---- */

static void check_area(const struct model_ioas *ioas, const struct iopt_area *area,
		       const struct extent *extent)
{
	struct iopt_area found;

	must(area->start == extent->start && area->last == extent->last,
	     "IOAS %u has [%#llx, %#llx], should be [%#llx, %#llx]", ioas->id,
	     (unsigned long long)area->start, (unsigned long long)area->last,
	     (unsigned long long)extent->start, (unsigned long long)extent->last);
	must(iopt_area_perm(area) == extent->perm && iopt_area_writable(area) == extent->writable,
	     "rights of [%#llx, %#llx]", (unsigned long long)area->start,
	     (unsigned long long)area->last);
	must(extent->file || area->uaddr == extent->va, "[%#llx, %#llx] is at %#llx, not %#llx",
	     (unsigned long long)area->start, (unsigned long long)area->last,
	     (unsigned long long)area->uaddr, (unsigned long long)extent->va);
	must(mm_is_file(iopt_area_mm(area)) == extent->file, "whose memory is it?");
	/* A reader finds it from its first byte to its last, and not beyond. */
	must(iopt_tree_lookup(&ioas->iopt->tree, area->start, &found) && found.last == area->last &&
		     iopt_tree_lookup(&ioas->iopt->tree, area->last, &found) &&
		     found.start == area->start && found.mm_perm == area->mm_perm,
	     "no reader finds [%#llx, %#llx]", (unsigned long long)area->start,
	     (unsigned long long)area->last);
}

static void check_edges(const struct model_ioas *ioas, const struct extent *extent)
{
	struct iopt_area found;

	if (extent->start && !model_at(ioas, extent->start - 1))
		must(!iopt_tree_lookup(&ioas->iopt->tree, extent->start - 1, &found),
		     "a reader finds %#llx", (unsigned long long)extent->start - 1);
	if (extent->last != UINT64_MAX && !model_at(ioas, extent->last + 1))
		must(!iopt_tree_lookup(&ioas->iopt->tree, extent->last + 1, &found),
		     "a reader finds %#llx", (unsigned long long)extent->last + 1);
}

static void check_areas(const struct model_ioas *ioas)
{
	struct iopt_cursor cur;
	struct iopt_area area;
	uint64_t held = ioas->iopt->file_areas;
	size_t nr = 0;

	iopt_tree_seek(&ioas->iopt->tree, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur), nr++) {
		iopt_tree_area(&cur, &area);
		must(nr < ioas->nr, "IOAS %u has [%#llx, %#llx], which is too much", ioas->id,
		     (unsigned long long)area.start, (unsigned long long)area.last);
		check_area(ioas, &area, &ioas->extents[nr]);
		check_edges(ioas, &ioas->extents[nr]);
	}
	must(nr == ioas->nr, "IOAS %u has %zu areas, should be %zu", ioas->id, nr, ioas->nr);
	/* Whose memory it is: each is held as often as it is mapped. */
	for (size_t i = 0; i < ioas->iopt->nr_mms; i++)
		held += ioas->iopt->mms[i].areas;
	must(held == ioas->nr, "IOAS %u holds memory for %llu areas, should be %zu", ioas->id,
	     (unsigned long long)held, ioas->nr);
}

static bool has_range(const struct range *ranges, size_t nr, uint64_t start, uint64_t last)
{
	for (size_t i = 0; i < nr; i++)
		if (ranges[i].start == start && ranges[i].last == last)
			return true;
	return false;
}

static void check_constraints(const struct model_ioas *ioas)
{
	const struct iopt *iopt = ioas->iopt;
	struct range reserved[2 * MODEL_RESERVED];
	size_t nr = model_reserved(ioas, reserved, 2 * MODEL_RESERVED);

	must(iopt->alignment == model_alignment(ioas), "alignment of IOAS %u is %#llx", ioas->id,
	     (unsigned long long)iopt->alignment);
	must(nr == iopt->nr_reserved, "IOAS %u has %zu reserved ranges, should be %zu", ioas->id,
	     iopt->nr_reserved, nr);
	for (size_t i = 0; i < nr; i++) {
		must(has_range(reserved, nr, iopt->reserved[i].start, iopt->reserved[i].last),
		     "reserved range %zu", i);
		must(!i || iopt->reserved[i - 1].start <= iopt->reserved[i].start,
		     "order of reserved range %zu", i);
		for (size_t j = 0; j < ioas->nr; j++)
			must(ioas->extents[j].start > iopt->reserved[i].last ||
				     ioas->extents[j].last < iopt->reserved[i].start,
			     "%#llx is mapped and reserved",
			     (unsigned long long)ioas->extents[j].start);
	}
	must(iopt->nr_allowed == ioas->nr_allowed, "IOAS %u allows %zu ranges", ioas->id,
	     iopt->nr_allowed);
	for (size_t i = 0; i < ioas->nr_allowed; i++)
		must(iopt->allowed[i].start == ioas->allowed[i].start &&
			     iopt->allowed[i].last == ioas->allowed[i].last,
		     "allowed range %zu", i);
	for (size_t i = 0; i < ioas->nr; i++)
		must(!((ioas->extents[i].start | (ioas->extents[i].last + 1)) &
		       (iopt->alignment - 1)),
		     "%#llx is misaligned", (unsigned long long)ioas->extents[i].start);
}

/* Below a hint there is no place for what it is the hint of. */
static void check_hints(const struct model_ioas *ioas)
{
	for (unsigned int i = 0; i < IOPT_HINTS; i++) {
		const struct iopt_hint *hint = &ioas->iopt->hints[i];
		uint64_t iova;

		if (hint->length && model_place(ioas, hint->length, hint->alignment, 0, &iova))
			must(iova >= hint->pos, "%#llx bytes have a place at %#llx, below %#llx",
			     (unsigned long long)hint->length, (unsigned long long)iova,
			     (unsigned long long)hint->pos);
	}
}

/* ---- dirty bits ---- */

static struct range reported[MODEL_MARKS], expected[MODEL_MARKS];
static size_t nr_reported;

static void on_dirty(void *opaque, uint64_t iova, uint64_t length)
{
	if (nr_reported < MODEL_MARKS)
		reported[nr_reported++] = (struct range){iova, iova + length - 1};
}

/* The first of [start, last] that is in none of the ranges; false: each is. */
static bool find_missing(const struct range *ranges, size_t nr, uint64_t start, uint64_t last,
			 uint64_t *missing)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < nr; i++) {
			if (ranges[i].start > start || ranges[i].last < start)
				continue;
			if (ranges[i].last >= last)
				return false;
			start = ranges[i].last + 1;
			moved = true;
		}
	}
	*missing = start;
	return true;
}

static void check_dirty_extent(const struct iommufd_hwpt *hwpt, const struct extent *extent)
{
	struct iopt *iopt = hwpt->ioas->iopt;
	uint64_t missing;
	size_t nr = 0;

	for (size_t i = 0; i < model.nr_marks; i++) {
		struct range range = model.marks[i].range;

		if (model.marks[i].hwpt != hwpt || range.start > extent->last ||
		    range.last < extent->start)
			continue;
		if (range.start < extent->start)
			range.start = extent->start;
		if (range.last > extent->last)
			range.last = extent->last;
		expected[nr++] = range;
	}
	nr_reported = 0;
	iopt_dirty_read(iopt, (struct iopt_dirty *)(uintptr_t)&hwpt->dirty, extent->start,
			extent->last, false, on_dirty, NULL);
	if (nr_reported == MODEL_MARKS)
		return;
	for (size_t i = 0; i < nr_reported; i++)
		must(!find_missing(expected, nr, reported[i].start, reported[i].last, &missing),
		     "hwpt %u: %#llx is dirty", hwpt->obj.id, (unsigned long long)missing);
	for (size_t i = 0; i < nr; i++)
		must(!find_missing(reported, nr_reported, expected[i].start, expected[i].last,
				   &missing),
		     "hwpt %u: %#llx isn't dirty", hwpt->obj.id, (unsigned long long)missing);
}

static void check_dirty(const struct model_ioas *ioas)
{
	const struct iopt *iopt = ioas->iopt;

	for (size_t i = 0; i < iopt->nr_domains && !model.lost_marks; i++) {
		const struct iommufd_hwpt *hwpt = iopt->domains[i].owner;

		for (size_t j = 0; j < ioas->nr && hwpt->has_dirty; j++)
			check_dirty_extent(hwpt, &ioas->extents[j]);
	}
}

/* ---- users ---- */

/* Domains on it are its hwpts, and pins are somebody's. */
static void check_users(const struct model_ioas *ioas)
{
	struct iommufd_object *obj = run_object(ioas->id);
	const struct iommufd_ioas *real = ui_container_of(obj, struct iommufd_ioas, obj);
	const struct iopt *iopt = ioas->iopt;
	const struct iommufd_hwpt *hwpt;
	struct iopt_cursor cur;
	struct iopt_area area;
	size_t nr = 0, accesses = 0;

	cds_list_for_each_entry(hwpt, &real->hwpts, node) {
		size_t i = 0;

		while (i < iopt->nr_domains && iopt->domains[i].owner != hwpt)
			i++;
		must(i < iopt->nr_domains, "hwpt %u isn't on IOAS %u", hwpt->obj.id, ioas->id);
		nr++;
	}
	must(nr == iopt->nr_domains, "IOAS %u has %zu domains, and %zu hwpts", ioas->id,
	     iopt->nr_domains, nr);
	for (size_t i = 0; i < iopt->nr_accesses; i++)
		accesses += iopt->accesses[i] != NULL;
	if (!iopt->held)
		return;
	iopt_tree_seek(iopt->held, 0, &cur);
	for (; !iopt_tree_end(&cur); iopt_tree_next(&cur)) {
		const struct iopt_held *held;
		const struct extent *extent;

		iopt_tree_area(&cur, &area);
		held = (const struct iopt_held *)area.uaddr;
		extent = model_at(ioas, area.start);
		must(extent && extent->start == area.start && extent->last == area.last,
		     "pins of %#llx, which isn't mapped", (unsigned long long)area.start);
		must(accesses || !held->pins, "pins of %#llx, by nobody",
		     (unsigned long long)area.start);
	}
}

void check_all(void)
{
	struct uiommu_counts c;
	uint64_t areas = 0, files = 1;

	check_objects();
	for (size_t i = 0; i < model.nr; i++) {
		const struct model_ioas *ioas = model.ioas[i];
		struct iommufd_object *obj = run_object(ioas->id);

		must(obj && obj->ops == &iommufd_ioas_ops &&
			     ui_container_of(obj, struct iommufd_ioas, obj)->iopt == ioas->iopt,
		     "IOAS %u is gone", ioas->id);
		check_areas(ioas);
		check_constraints(ioas);
		check_hints(ioas);
		check_dirty(ioas);
		check_users(ioas);
		areas += ioas->nr;
	}
	for (int i = 0; i < MAX_FDS; i++)
		files += world.fds[i].file != NULL;
	uiommu_get_counts(world.ctx, &c);
	must(c.areas == areas, "%llu areas are counted, should be %llu",
	     (unsigned long long)c.areas, (unsigned long long)areas);
	must(c.files == files, "%llu files are counted, should be %llu",
	     (unsigned long long)c.files, (unsigned long long)files);
}

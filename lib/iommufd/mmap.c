// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/mmap.c - memory of viommus that is mapped from the context's file
 *
 * A driver gives a page to whoever owns the guest: it names an offset of the
 * context's file, which is mapped as a whole, and keeps the viommu in use as
 * long as it is.  Loads and stores there are made by the library, like those of
 * a BAR.
 */
#include "iommufd/mmap.h"

#include <sys/mman.h>

#include "base/word.h"
#include "iommufd/viommu.h"

#define PAGE_SIZE 4096ull
/* No offset is 0, so that owners can tell whether they were given one. */
#define FIRST_OFFSET PAGE_SIZE

/*
 * From the driver's alloc to its free, which comes when the viommu isn't used.
 *  node	ictx->lock, in ictx->mmaps
 *  the rest	immutable; the memory itself is a guest's affair
 */
struct iommufd_mmap {
	struct cds_list_head node;
	struct iommufd_viommu *viommu;
	uint64_t offset;
	uint64_t length;
	unsigned char *memory;
};

/* A use of the viommu, and with it of immap. */
struct viommu_mapping {
	struct uiommu_mapping mapping;
	const struct iommufd_mmap *immap;
};

/* ---- for drivers ---- */

/* Gives it the first offsets that are free. */
static void insert_locked(struct iommufd_ctx *ictx, struct iommufd_mmap *immap)
{
	struct iommufd_mmap *next;

	immap->offset = FIRST_OFFSET;
	cds_list_for_each_entry(next, &ictx->mmaps, node) {
		if (next->offset - immap->offset >= immap->length)
			break;
		immap->offset = next->offset + next->length;
	}
	/* Before that one, or before the head: at the end. */
	cds_list_add_tail(&immap->node, &next->node);
}

void *iommufd_viommu_alloc_mmap(struct iommufd_viommu *viommu, size_t length, uint64_t *offset)
{
	struct iommufd_ctx *ictx = viommu->ictx;
	struct iommufd_mmap *immap = ui_zalloc(sizeof(*immap));

	if (!immap)
		return UIOMMU_ERR_PTR(-ENOMEM);
	immap->memory = ui_zalloc(length);
	if (!immap->memory) {
		ui_free(immap);
		return UIOMMU_ERR_PTR(-ENOMEM);
	}
	immap->viommu = viommu;
	immap->length = length;
	ui_mutex_lock(&ictx->lock);
	insert_locked(ictx, immap);
	*offset = immap->offset;
	ui_mutex_unlock(&ictx->lock);
	return immap->memory;
}

static struct iommufd_mmap *find_locked(struct iommufd_ctx *ictx, uint64_t offset)
{
	struct iommufd_mmap *immap;

	cds_list_for_each_entry(immap, &ictx->mmaps, node)
		if (immap->offset == offset)
			return immap;
	return NULL;
}

void iommufd_viommu_free_mmap(struct iommufd_viommu *viommu, uint64_t offset)
{
	struct iommufd_ctx *ictx = viommu->ictx;
	struct iommufd_mmap *immap;

	ui_mutex_lock(&ictx->lock);
	immap = find_locked(ictx, offset);
	assert(immap && immap->viommu == viommu);
	if (immap)
		cds_list_del(&immap->node);
	ui_mutex_unlock(&ictx->lock);
	if (immap)
		ui_free(immap->memory);
	ui_free(immap);
}

/* ---- mappings ---- */

static const struct iommufd_mmap *immap_of(struct uiommu_mapping *mapping)
{
	return ui_container_of(mapping, struct viommu_mapping, mapping)->immap;
}

static int mapping_read(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
			unsigned int size)
{
	*value = ui_load_word(immap_of(mapping)->memory + offset, size);
	return 0;
}

static int mapping_write(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
			 unsigned int size)
{
	ui_store_word(immap_of(mapping)->memory + offset, value, size);
	return 0;
}

static void mapping_release(struct uiommu_mapping *mapping)
{
	struct viommu_mapping *vm = ui_container_of(mapping, struct viommu_mapping, mapping);
	struct uiommu_file *file = mapping->file;

	iommufd_put_object(iommufd_ctx_of(file), &vm->immap->viommu->obj);
	ui_free(vm);
	uiommu_file_put(file);
}

static const struct ui_mapping_ops mapping_ops = {
	.read = mapping_read,
	.write = mapping_write,
	.release = mapping_release,
};

/* With a use of its viommu; NULL: there is none, or it is being made or destroyed. */
static const struct iommufd_mmap *get_immap(struct iommufd_ctx *ictx, uint64_t offset,
					    uint64_t length)
{
	struct iommufd_mmap *immap;
	struct iommufd_object *obj;

	ui_mutex_lock(&ictx->lock);
	immap = find_locked(ictx, offset);
	if (immap && immap->length != length)
		immap = NULL;
	if (immap) {
		obj = &immap->viommu->obj;
		if (idtable_find(&ictx->objects, obj->id) == obj)
			obj->users++; /* put by mapping_release() */
		else
			immap = NULL;
	}
	ui_mutex_unlock(&ictx->lock);
	return immap;
}

int iommufd_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		 uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	struct iommufd_ctx *ictx = iommufd_ctx_of(file);
	struct viommu_mapping *vm;

	if ((flags & MAP_TYPE) == MAP_PRIVATE)
		return -EINVAL;
	if (prot & PROT_EXEC)
		return -EPERM;
	vm = ui_zalloc(sizeof(*vm));
	if (!vm)
		return -ENOMEM;
	vm->immap = get_immap(ictx, offset, length);
	if (!vm->immap) {
		ui_free(vm);
		return -ENXIO;
	}
	vm->mapping.ops = &mapping_ops;
	vm->mapping.refs = 1;
	vm->mapping.file = uiommu_file_get(file);
	*out = &vm->mapping;
	return 0;
}

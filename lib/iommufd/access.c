// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/access.c - access objects
 *
 * An access is two things: an object of the context, of which the driver is a user, so
 * that DESTROY by ID is refused; and an accessor of the IOAS that it is attached to,
 * of which it is a user in turn.
 *
 * While an attachment changes, ioas is NULL, so that nothing new is pinned or copied,
 * and unpin is still the old one, for what ops->unmap gives back meanwhile.
 */
#include "iommufd/access.h"

#include "iommufd/ioas.h"
#include "iommufd/iommufd.h"

#define IOMMUFD_PAGE 4096u

/*
 * Users: the table, the driver (until uiommu_access_destroy()), each unmap that is
 *	calling ops->unmap.
 *  ictx, ops, data	immutable; ops NULL: internal
 *  iopt_access		the iopt's
 *  ioas, unpin		lock
 *
 * Locks: lock -> iopt->lock -> ictx->lock.
 */
struct uiommu_access {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	const struct uiommu_access_ops *ops;
	void *data;
	struct iopt_access iopt_access;
	struct ui_mutex lock;
	struct iommufd_ioas *ioas;
	struct iommufd_ioas *unpin;
};

/* ---- what the address space calls ---- */

static bool access_get(struct iopt_access *iopt_access)
{
	struct uiommu_access *access =
		ui_container_of(iopt_access, struct uiommu_access, iopt_access);
	struct iommufd_object *obj =
		iommufd_find_object(access->ictx, access->obj.id, &iommufd_access_ops);

	/* If it is going, its number may be another's already. */
	if (obj && obj != &access->obj) {
		iommufd_put_object(access->ictx, obj);
		obj = NULL;
	}
	return obj;
}

static void access_put(struct iopt_access *iopt_access)
{
	struct uiommu_access *access =
		ui_container_of(iopt_access, struct uiommu_access, iopt_access);

	iommufd_put_object(access->ictx, &access->obj);
}

static void access_unmap(struct iopt_access *iopt_access, uint64_t iova, uint64_t length)
{
	struct uiommu_access *access =
		ui_container_of(iopt_access, struct uiommu_access, iopt_access);

	if (access->ops->unmap)
		access->ops->unmap(access->data, iova, length);
}

static const struct iopt_access_ops iopt_access_ops = {
	.get = access_get,
	.put = access_put,
	.unmap = access_unmap,
};

/* ---- attaching ---- */

/* Takes and drops the lock, which the caller holds, around ops->unmap. */
static int access_change_locked(struct uiommu_access *access, struct iommufd_ioas *ioas)
{
	struct iommufd_ioas *old = access->ioas;
	size_t slot = access->iopt_access.slot;
	int rc;

	if (old != access->unpin)
		return -EBUSY; /* another is at it */
	if (old == ioas)
		return 0;
	access->ioas = NULL;
	if (ioas) {
		rc = iopt_add_access(ioas->iopt, &access->iopt_access);
		if (rc) {
			access->ioas = old;
			return rc;
		}
		/* Put when it is left. */
		iommufd_use_object(access->ictx, &ioas->obj);
	}
	if (old) {
		if (access->ops && access->ops->unmap) {
			ui_mutex_unlock(&access->lock);
			access->ops->unmap(access->data, 0, UINT64_MAX);
			ui_mutex_lock(&access->lock);
		}
		iopt_remove_access(old->iopt, &access->iopt_access, slot);
		iommufd_put_object(access->ictx, &old->obj);
	}
	access->ioas = ioas;
	access->unpin = ioas;
	return 0;
}

static int access_change(struct uiommu_access *access, uint32_t ioas_id)
{
	struct iommufd_ioas *ioas = iommufd_get_ioas(access->ictx, ioas_id);
	int rc;

	if (!ioas)
		return -ENOENT;
	rc = access_change_locked(access, ioas);
	iommufd_put_object(access->ictx, &ioas->obj);
	return rc;
}

UIOMMU_API int uiommu_access_attach(struct uiommu_access *access, uint32_t ioas_id)
{
	int rc = -EINVAL;

	ui_mutex_lock(&access->lock);
	if (!access->ioas)
		rc = access_change(access, ioas_id);
	ui_mutex_unlock(&access->lock);
	return rc;
}

int iommufd_access_attach_internal(struct uiommu_access *access, struct iommufd_ioas *ioas)
{
	int rc = -EINVAL;

	ui_mutex_lock(&access->lock);
	if (!access->ioas)
		rc = access_change_locked(access, ioas);
	ui_mutex_unlock(&access->lock);
	return rc;
}

UIOMMU_API int uiommu_access_replace(struct uiommu_access *access, uint32_t ioas_id)
{
	int rc = -ENOENT;

	ui_mutex_lock(&access->lock);
	if (access->ioas)
		rc = access_change(access, ioas_id);
	ui_mutex_unlock(&access->lock);
	return rc;
}

UIOMMU_API void uiommu_access_detach(struct uiommu_access *access)
{
	ui_mutex_lock(&access->lock);
	if (access->ioas)
		access_change_locked(access, NULL);
	ui_mutex_unlock(&access->lock);
}

/* ---- life ---- */

static void access_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct uiommu_access *access = ui_container_of(obj, struct uiommu_access, obj);

	uiommu_access_detach(access);
	ui_mutex_destroy(&access->lock);
	ui_free(access);
}

const struct iommufd_object_ops iommufd_access_ops = {
	.name = "access",
	.destroy = access_destroy,
};

static struct uiommu_access *access_alloc(struct iommufd_ctx *ictx)
{
	struct uiommu_access *access = ui_zalloc(sizeof(*access));
	int rc;

	if (!access)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = iommufd_object_init(ictx, &access->obj, &iommufd_access_ops);
	if (rc) {
		ui_free(access);
		return UIOMMU_ERR_PTR(rc);
	}
	access->ictx = ictx;
	ui_mutex_init(&access->lock);
	/* The driver's, given back by uiommu_access_destroy(). */
	iommufd_use_object(ictx, &access->obj);
	return access;
}

struct uiommu_access *iommufd_access_create_internal(struct iommufd_ctx *ictx)
{
	struct uiommu_access *access = access_alloc(ictx);

	if (UIOMMU_IS_ERR(access))
		return access;
	access->iopt_access.alignment = IOMMUFD_PAGE;
	iommufd_object_finalize(ictx, &access->obj);
	return access;
}

UIOMMU_API struct uiommu_access *uiommu_access_create(struct uiommu_file *iommufd,
						      const struct uiommu_access_ops *ops,
						      void *data, uint32_t *id)
{
	struct uiommu_access *access;
	struct iommufd_ctx *ictx;

	if (ops->needs_pin_pages && !ops->unmap)
		return UIOMMU_ERR_PTR(-EINVAL);
	ictx = iommufd_ctx_from_file(iommufd); /* put by uiommu_access_destroy() */
	if (!ictx)
		return UIOMMU_ERR_PTR(-EBADFD);
	access = access_alloc(ictx);
	if (UIOMMU_IS_ERR(access)) {
		iommufd_ctx_put(ictx);
		return access;
	}
	access->ops = ops;
	access->data = data;
	access->iopt_access.ops = &iopt_access_ops;
	access->iopt_access.alignment = ops->needs_pin_pages ? IOMMUFD_PAGE : 1;
	if (id)
		*id = access->obj.id;
	iommufd_object_finalize(ictx, &access->obj);
	return access;
}

UIOMMU_API void uiommu_access_destroy(struct uiommu_access *access)
{
	struct iommufd_ctx *ictx = access->ictx;
	bool internal = !access->ops;

	iommufd_object_destroy_wait(ictx, &access->obj);
	if (!internal)
		iommufd_ctx_put(ictx);
}

/* ---- using it ---- */

UIOMMU_API int uiommu_access_rw(struct uiommu_access *access, uint64_t iova, void *buf,
				size_t length, uint32_t flags)
{
	uint64_t last;
	int rc = iopt_range_last(iova, length, &last);

	if (rc)
		return rc;
	ui_mutex_lock(&access->lock);
	rc = access->ioas ? iopt_rw(access->ioas->iopt, iova, buf, length, flags) : -ENOENT;
	ui_mutex_unlock(&access->lock);
	return rc;
}

UIOMMU_API int uiommu_access_pin_pages(struct uiommu_access *access, uint64_t iova, uint64_t length,
				       struct uiommu_page *pages, uint32_t flags)
{
	bool internal = !access->ops;
	uint64_t last;
	int rc;

	if (!internal && !access->ops->needs_pin_pages)
		return -EINVAL;
	rc = iopt_range_last(iova, length, &last);
	if (rc)
		return rc;
	ui_mutex_lock(&access->lock);
	rc = access->ioas ? iopt_pin(access->ioas->iopt, iova, length, pages, flags, internal) :
			    -ENOENT;
	ui_mutex_unlock(&access->lock);
	return rc;
}

UIOMMU_API void uiommu_access_unpin_pages(struct uiommu_access *access, uint64_t iova,
					  uint64_t length)
{
	ui_mutex_lock(&access->lock);
	assert(access->unpin);
	if (access->unpin)
		iopt_unpin(access->unpin->iopt, iova, length, !access->ops);
	ui_mutex_unlock(&access->lock);
}

bool iommufd_access_nth_area(struct uiommu_access *access, uint64_t nth, uint64_t *iova)
{
	struct iopt_range range;
	bool found;

	ui_mutex_lock(&access->lock);
	found = access->ioas && iopt_nth_area(access->ioas->iopt, nth, &range);
	ui_mutex_unlock(&access->lock);
	if (found)
		*iova = range.start;
	return found;
}

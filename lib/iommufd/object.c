// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/object.c - the life of objects: IDs, users, destruction
 *
 * An object that a look-up found stays, for the look-up counts as a user.  So
 * destruction by ID is refused while another ioctl works with the object, as
 * Linux does, and makers that have to destroy (a device that goes) take the
 * object out of the table first, then wait for those who found it before.
 */
#include "iommufd/object.h"

#include "uapi/iommufd.h"

/* IDs are positive as an int. */
#define ID_MAX INT32_MAX

int iommufd_object_init(struct iommufd_ctx *ictx, struct iommufd_object *obj,
			const struct iommufd_object_ops *ops)
{
	int64_t id;

	ui_mutex_lock(&ictx->lock);
	id = idtable_reserve(&ictx->objects, ID_MAX);
	ui_mutex_unlock(&ictx->lock);
	if (id < 0)
		return (int)id;
	obj->ops = ops;
	obj->id = (uint32_t)id;
	obj->users = 1;
	ui_count_inc(&ictx->file.ctx->counts.objects);
	return 0;
}

void iommufd_object_finalize(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	ui_mutex_lock(&ictx->lock);
	idtable_set(&ictx->objects, obj->id, obj);
	ui_mutex_unlock(&ictx->lock);
}

/* It is out of the table already, or was never in. */
static void object_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	obj->ops->destroy(ictx, obj);
	ui_count_dec(&ictx->file.ctx->counts.objects);
}

void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	ui_mutex_lock(&ictx->lock);
	idtable_free(&ictx->objects, obj->id);
	ui_mutex_unlock(&ictx->lock);
	object_destroy(ictx, obj);
}

struct iommufd_object *iommufd_next_object(struct iommufd_ctx *ictx, uint32_t *id,
					   const struct iommufd_object_ops *ops)
{
	struct iommufd_object *obj = NULL;

	ui_mutex_lock(&ictx->lock);
	for (; *id < ictx->objects.size; ++*id) {
		obj = idtable_find(&ictx->objects, *id);
		if (obj && obj->ops == ops)
			break;
		obj = NULL;
	}
	if (obj)
		obj->users++;
	ui_mutex_unlock(&ictx->lock);
	return obj;
}

void iommufd_use_object(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	ui_mutex_lock(&ictx->lock);
	obj->users++;
	ui_mutex_unlock(&ictx->lock);
}

void iommufd_put_watched_locked(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	bool last = obj->automatic && obj->users == 1;

	if (ictx->waiters)
		ui_cond_broadcast(&ictx->idle);
	if (last)
		idtable_free(&ictx->objects, obj->id);
	ui_mutex_unlock(&ictx->lock);
	if (last)
		object_destroy(ictx, obj);
}

int iommufd_object_remove(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *obj;
	int rc = 0;

	ui_mutex_lock(&ictx->lock);
	obj = idtable_find(&ictx->objects, id);
	if (!obj)
		rc = -ENOENT;
	else if (obj->users != 1)
		rc = -EBUSY;
	else
		idtable_free(&ictx->objects, id);
	if (!rc && ictx->vfio_ioas == obj)
		ictx->vfio_ioas = NULL;
	ui_mutex_unlock(&ictx->lock);
	if (!rc)
		object_destroy(ictx, obj);
	return rc;
}

static void destroy_wait(struct iommufd_ctx *ictx, struct iommufd_object *obj, bool tombstone)
{
	ui_mutex_lock(&ictx->lock);
	/* Not found any more; the number stays taken while somebody uses it. */
	idtable_set(&ictx->objects, obj->id, NULL);
	obj->users--;
	ictx->waiters++;
	while (obj->users != 1)
		ui_cond_wait(&ictx->idle, &ictx->lock);
	ictx->waiters--;
	if (!tombstone)
		idtable_free(&ictx->objects, obj->id);
	ui_mutex_unlock(&ictx->lock);
	object_destroy(ictx, obj);
}

void iommufd_object_destroy_wait(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	destroy_wait(ictx, obj, false);
}

void iommufd_object_destroy_tombstone(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	destroy_wait(ictx, obj, true);
}

void iommufd_object_destroy_all(struct iommufd_ctx *ictx)
{
	bool any;

	/* Nobody is inside any more: the lock is for the asserts. */
	do {
		any = false;
		for (uint32_t id = 1; id < ictx->objects.size; id++)
			if (idtable_find(&ictx->objects, id) && !iommufd_object_remove(ictx, id))
				any = true;
	} while (any);
}

int iommufd_destroy(struct iommufd_ucmd *ucmd)
{
	const struct iommu_destroy *cmd = ucmd->cmd;

	return iommufd_object_remove(ucmd->ictx, cmd->id);
}

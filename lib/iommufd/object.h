/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/object.h - contexts, the objects that they number, and their ioctls
 *
 * A context is an open /dev/iommu: one struct uiommu_file, which bound devices
 * and event files hold on to, so that it goes after the last of them.
 *
 * An object has an ID from before it can be found until it is destroyed, and
 * counts its users: the table itself, other objects, and whoever is just
 * working with it.  DESTROY needs the table's to be the only one.  Objects of
 * one kind share a constant struct iommufd_object_ops, and its address is the
 * kind: a cast is safe after a look-up by it.
 */
#ifndef UI_IOMMUFD_OBJECT_H
#define UI_IOMMUFD_OBJECT_H

#include "base/ctx.h"
#include "base/file.h"
#include "iommufd/idtable.h"
#include "mm/inline.h"

struct iommufd_ctx;
struct iommufd_object;

/*
 * destroy: gone from the table, no users.  Lets go of what it used and frees
 * (at the latest when others let go of its memory).  Can't fail.  Without
 * locks.
 */
struct iommufd_object_ops {
	const char *name;
	void (*destroy)(struct iommufd_ctx *ictx, struct iommufd_object *obj);
};

/*
 *  ops, id	immutable
 *  users	ictx->lock
 *  automatic	ictx->lock; destroyed as soon as the table is its only user
 */
struct iommufd_object {
	const struct iommufd_object_ops *ops;
	uint32_t id;
	unsigned int users;
	bool automatic;
};

/*
 * Refs: those of the file: the host's, each bound device, each event file.
 *
 * Locks, outermost first:
 *	ioas->lock		making and looking for automatic hwpts
 *	igroup->lock		what is attached to a group; held while core
 *				switches devices and drains, so the driver's
 *				operations, page_response and the drain run
 *				below it: these never come back to iommufd, but
 *				for a fault queue
 *	groups->lock		which context a group belongs to
 *	fault->lock		one queue
 *	ictx->lock		innermost
 *
 *  file	own rules
 *  objects	lock
 *  mmaps	lock; what can be mapped from the file, in order of offset
 *  idle	signalled under lock when an object's users become fewer while
 *		somebody waits
 *  waiters	lock
 *  vfio_ioas	lock; the IOAS that a VFIO container's ioctls are for, or NULL; found
 *		in the table, or it would not be here
 *  account_mm	atomic; RLIMIT_MODE, written under lock while there is no object
 */
struct iommufd_ctx {
	struct uiommu_file file;
	struct ui_mutex lock;
	struct ui_cond idle;
	unsigned int waiters;
	struct idtable objects;
	struct iommufd_object *vfio_ioas;
	uint32_t account_mm;
	struct cds_list_head mmaps;
};

static inline struct iommufd_ctx *iommufd_ctx_of(struct uiommu_file *file)
{
	return ui_container_of(file, struct iommufd_ctx, file);
}

/* ---- objects ---- */

/*
 * Gives a zeroed object its ID and the table's use; nobody finds it yet.
 * Followed by finalize or abort.  -ENOSPC, -ENOMEM: nothing was done.
 */
int iommufd_object_init(struct iommufd_ctx *ictx, struct iommufd_object *obj,
			const struct iommufd_object_ops *ops);
/* Can be found from now on. */
void iommufd_object_finalize(struct iommufd_ctx *ictx, struct iommufd_object *obj);
/* As if it had never been: ops->destroy, and the ID is free. */
void iommufd_object_abort(struct iommufd_ctx *ictx, struct iommufd_object *obj);

/*
 * Look-up; ops NULL: any kind.  A use, put by iommufd_put_object(); NULL:
 * there is none, or of another kind.  The second is for what can't be told of a
 * failure: it has none because it was asked to, see ui_should_fail().
 */
static inline struct iommufd_object *iommufd_find_object(struct iommufd_ctx *ictx, uint32_t id,
							 const struct iommufd_object_ops *ops)
{
	struct iommufd_object *obj;

	ui_mutex_lock(&ictx->lock);
	obj = idtable_find(&ictx->objects, id);
	if (obj && (!ops || obj->ops == ops))
		obj->users++;
	else
		obj = NULL;
	ui_mutex_unlock(&ictx->lock);
	return obj;
}

static inline struct iommufd_object *iommufd_get_object(struct iommufd_ctx *ictx, uint32_t id,
							const struct iommufd_object_ops *ops)
{
	return ui_should_fail() ? NULL : iommufd_find_object(ictx, id, ops);
}

/* The one of that kind with the lowest ID from *id on, which becomes its. */
struct iommufd_object *iommufd_next_object(struct iommufd_ctx *ictx, uint32_t *id,
					   const struct iommufd_object_ops *ops);
/* One more, of an object that the caller uses. */
void iommufd_use_object(struct iommufd_ctx *ictx, struct iommufd_object *obj);
/* object.c: the rest of a put that may concern somebody; drops the lock. */
void iommufd_put_watched_locked(struct iommufd_ctx *ictx, struct iommufd_object *obj);
/*
 * May be the last of an automatic object, which is then destroyed here: without
 * its locks held.  Never the last of another.
 */
static inline void iommufd_put_object(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	ui_mutex_lock(&ictx->lock);
	obj->users--;
	if (__builtin_expect(ictx->waiters || obj->automatic, 0))
		iommufd_put_watched_locked(ictx, obj);
	else
		ui_mutex_unlock(&ictx->lock);
}

/* What DESTROY does: -ENOENT, -EBUSY. */
int iommufd_object_remove(struct iommufd_ctx *ictx, uint32_t id);
/*
 * The maker's way: the caller gives back its own use, waits for look-ups that
 * are just working with it, and destroys it.
 */
void iommufd_object_destroy_wait(struct iommufd_ctx *ictx, struct iommufd_object *obj);
/* The same, but its ID stays taken, by nothing, as long as the context. */
void iommufd_object_destroy_tombstone(struct iommufd_ctx *ictx, struct iommufd_object *obj);
/* At the last close: users before what they use. */
void iommufd_object_destroy_all(struct iommufd_ctx *ictx);

/* ---- ioctls ---- */

/*
 * One ioctl under way.  A handler that makes an object leaves it in new_obj:
 * the dispatcher finalizes it if the handler succeeds, and aborts it otherwise.
 */
struct iommufd_ucmd {
	struct iommufd_ctx *ictx;
	struct uiommu_mm *mm;
	uint64_t uarg;
	uint32_t user_size;
	void *cmd;
	struct iommufd_object *new_obj;
};

/* 0; -E2BIG: a byte that isn't zero; -EFAULT: none, as far as can be read. */
int iommufd_check_zeros(struct uiommu_mm *mm, uint64_t addr, uint64_t length);
/* Copies the argument back, as much as the caller has room for.  -EFAULT. */
static inline int iommufd_ucmd_respond(struct iommufd_ucmd *ucmd, size_t size)
{
	if (size > ucmd->user_size)
		size = ucmd->user_size;
	return mm_write(ucmd->mm, ucmd->uarg, ucmd->cmd, size) == size ? 0 : -EFAULT;
}

int iommufd_destroy(struct iommufd_ucmd *ucmd);

#endif /* UI_IOMMUFD_OBJECT_H */

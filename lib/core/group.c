// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * core/group.c - groups, their slots, and the devices in them
 */
#include <string.h>

#include "core/core.h"

/* ---- groups ---- */

struct uiommu_group *uiommu_group_alloc(struct uiommu *ctx)
{
	struct uiommu_group *group = ui_zalloc(sizeof(*group));

	if (!group)
		return UIOMMU_ERR_PTR(-ENOMEM);
	group->ctx = ctx;
	ui_store_relaxed(&group->refs, 1);
	ui_mutex_init(&group->mutex);
	ui_cond_init(&group->changed);
	ui_mutex_init(&group->fault_lock);
	ui_cond_init(&group->fault_cond);
	CDS_INIT_LIST_HEAD(&group->devices);
	ui_count_inc(&ctx->counts.groups);
	return group;
}

struct uiommu_group *uiommu_group_get(struct uiommu_group *group)
{
	ui_fetch_add(&group->refs, 1);
	return group;
}

void uiommu_group_put(struct uiommu_group *group)
{
	struct uiommu *ctx = group->ctx;

	if (ui_fetch_sub(&group->refs, 1) != 1)
		return;
	/* No device, so nothing is attached: slots are empty, nobody looks. */
	if (group->table)
		for (unsigned int i = 0; i < CORE_LEAVES; i++)
			ui_free(group->table->leaf[i]);
	ui_free(group->table);
	ui_cond_destroy(&group->fault_cond);
	ui_mutex_destroy(&group->fault_lock);
	ui_cond_destroy(&group->changed);
	ui_mutex_destroy(&group->mutex);
	ui_free(group);
	ui_count_dec(&ctx->counts.groups);
}

uint64_t *core_slot_make(struct uiommu_group *group, uint32_t pasid)
{
	uint64_t *slot = core_slot_find(group, pasid);
	struct core_table *table;
	struct core_leaf *leaf;

	ui_mutex_assert_held(&group->mutex);
	if (slot || pasid == UIOMMU_NO_PASID)
		return slot; /* that of the RID is always there */

	table = group->table;
	if (!table) {
		table = ui_zalloc(sizeof(*table));
		if (!table)
			return UIOMMU_ERR_PTR(-ENOMEM);
		/* Zeroed before it is found; pairs with core_slot_find(). */
		ui_store_release(&group->table, table);
	}
	leaf = ui_zalloc(sizeof(*leaf));
	if (!leaf)
		return UIOMMU_ERR_PTR(-ENOMEM);
	ui_store_release(&table->leaf[pasid >> CORE_LEAF_BITS], leaf);
	return &leaf->slot[core_leaf_index(pasid)];
}

static int visit_slot(struct uiommu_group *group, uint32_t pasid, uint64_t *slot,
		      int (*fn)(struct uiommu_group *group, uint32_t pasid, uint64_t word,
				void *arg),
		      void *arg)
{
	uint64_t word = ui_load_acquire(slot);

	return core_slot_owner(word) ? fn(group, pasid, word, arg) : 0;
}

int core_for_each_slot(struct uiommu_group *group, uint32_t from,
		       int (*fn)(struct uiommu_group *group, uint32_t pasid, uint64_t word,
				 void *arg),
		       void *arg)
{
	struct core_table *table = group->table;
	int rc = 0;

	ui_mutex_assert_held(&group->mutex);
	if (from == UIOMMU_NO_PASID) {
		rc = visit_slot(group, UIOMMU_NO_PASID, &group->rid, fn, arg);
		from++;
	}
	for (uint32_t i = from >> CORE_LEAF_BITS; table && !rc && i < CORE_LEAVES; i++) {
		struct core_leaf *leaf = table->leaf[i];
		uint32_t j = from & (CORE_LEAF_SLOTS - 1);

		for (; leaf && !rc && j < CORE_LEAF_SLOTS; j++)
			rc = visit_slot(group, i << CORE_LEAF_BITS | j,
					&leaf->slot[core_leaf_index(j)], fn, arg);
		from = 0;
	}
	return rc;
}

/* ---- devices ---- */

struct join {
	struct uiommu_device *dev;
	uint64_t done; /* slots switched so far, for undoing as many */
};

/* group->mutex is held, so what the word names stays attached. */
static int join_slot(struct uiommu_group *group, uint32_t pasid, uint64_t word, void *arg)
{
	struct join *join = arg;
	struct uiommu_device *dev = join->dev;
	int rc = 0;

	if (pasid && !dev->max_pasids)
		return 0;
	if (pasid && pasid >= dev->max_pasids)
		return -EINVAL;
	if (dev->ops && dev->ops->set_dev_pasid)
		rc = dev->ops->set_dev_pasid(dev, pasid, core_slot_handle(word)->domain, NULL);
	if (!rc)
		join->done++;
	return rc;
}

static int leave_slot(struct uiommu_group *group, uint32_t pasid, uint64_t word, void *arg)
{
	struct join *join = arg;
	struct uiommu_device *dev = join->dev;

	if (pasid && !dev->max_pasids)
		return 0;
	if (!join->done--)
		return 1;
	if (dev->ops && dev->ops->remove_dev_pasid)
		dev->ops->remove_dev_pasid(dev, pasid, core_slot_handle(word)->domain);
	return 0;
}

static int group_add_device(struct uiommu_group *group, struct uiommu_device *dev)
{
	struct join join = {.dev = dev};
	int rc;

	ui_mutex_lock(&group->mutex);
	rc = core_for_each_slot(group, UIOMMU_NO_PASID, join_slot, &join);
	if (rc)
		core_for_each_slot(group, UIOMMU_NO_PASID, leave_slot, &join);
	else
		cds_list_add_tail(&dev->group_node, &group->devices);
	ui_mutex_unlock(&group->mutex);
	return rc;
}

/* Returns whether it was the last. */
static bool group_is_last(struct uiommu_group *group, struct uiommu_device *dev)
{
	bool last;

	ui_mutex_lock(&group->mutex);
	last = group->devices.next == &dev->group_node && group->devices.prev == &dev->group_node;
	ui_mutex_unlock(&group->mutex);
	return last;
}

static void group_del_device(struct uiommu_group *group, struct uiommu_device *dev)
{
	struct join join = {.dev = dev, .done = UINT64_MAX};

	ui_mutex_lock(&group->mutex);
	cds_list_del(&dev->group_node);
	core_for_each_slot(group, UIOMMU_NO_PASID, leave_slot, &join);
	ui_mutex_unlock(&group->mutex);
}

int uiommu_device_register(struct uiommu *ctx, const struct uiommu_device_config *config,
			   struct uiommu_device **out)
{
	const struct core_fault_hooks *hooks = ctx->core->hooks;
	struct uiommu_device *dev;
	int rc = -ENOMEM;

	if (!config->name || config->max_pasids > UIOMMU_PASID_MAX + 1 ||
	    (config->group && config->group->ctx != ctx))
		return -EINVAL;

	dev = ui_zalloc(sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->ctx = ctx;
	dev->ops = config->ops;
	dev->drvdata = config->drvdata;
	dev->max_pasids = config->max_pasids;
	dev->pri = config->pri;
	dev->ats = config->ats;
	dev->name = strdup(config->name);
	if (!dev->name)
		goto out_free;
	dev->group = config->group ? uiommu_group_get(config->group) : uiommu_group_alloc(ctx);
	if (UIOMMU_IS_ERR(dev->group)) {
		rc = (int)UIOMMU_PTR_ERR(dev->group);
		goto out_name;
	}
	if (hooks) {
		rc = hooks->device_init(dev);
		if (rc)
			goto out_group;
	}
	rc = group_add_device(dev->group, dev);
	if (rc)
		goto out_fini;

	ui_mutex_lock(&ctx->core->lock);
	cds_list_add_tail(&dev->ctx_node, &ctx->core->devices);
	ui_mutex_unlock(&ctx->core->lock);
	ui_count_inc(&ctx->counts.devices);
	*out = dev;
	return 0;

out_fini:
	if (hooks)
		hooks->device_fini(dev);
out_group:
	uiommu_group_put(dev->group);
out_name:
	free(dev->name);
out_free:
	ui_free(dev);
	return rc;
}

void uiommu_device_unregister(struct uiommu_device *dev)
{
	const struct core_fault_hooks *hooks = dev->ctx->core->hooks;
	struct uiommu *ctx = dev->ctx;

	/* While it can still be told the answers. */
	if (group_is_last(dev->group, dev))
		core_detach_all(dev->group);
	if (hooks)
		hooks->device_fini(dev);
	group_del_device(dev->group, dev);

	ui_mutex_lock(&ctx->core->lock);
	cds_list_del(&dev->ctx_node);
	ui_mutex_unlock(&ctx->core->lock);
	uiommu_group_put(dev->group);
	free(dev->name);
	ui_free(dev);
	ui_count_dec(&ctx->counts.devices);
}

const char *uiommu_device_name(const struct uiommu_device *dev)
{
	return dev->name;
}

void *uiommu_device_drvdata(const struct uiommu_device *dev)
{
	return dev->drvdata;
}

struct uiommu *uiommu_device_ctx(const struct uiommu_device *dev)
{
	return dev->ctx;
}

uint32_t uiommu_device_max_pasids(const struct uiommu_device *dev)
{
	return dev->max_pasids;
}

bool uiommu_device_has_pri(const struct uiommu_device *dev)
{
	return dev->pri;
}

bool uiommu_device_has_ats(const struct uiommu_device *dev)
{
	return dev->ats;
}

struct uiommu_group *uiommu_device_group(const struct uiommu_device *dev)
{
	return dev->group;
}

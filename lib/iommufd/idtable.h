/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/idtable.h - numbers from 1 (or 0), lowest free first, and what they name
 *
 * A number can be reserved before there is something to find under it.  The
 * caller locks.
 */
#ifndef UI_IOMMUFD_IDTABLE_H
#define UI_IOMMUFD_IDTABLE_H

#include <stdbool.h>

#include "base/ida.h"

/*
 *  ids		a bit per number, set while it is reserved or in use
 *  slots	by number; NULL: free, or reserved
 *  size	of slots
 *  used	numbers that are reserved or in use
 *  from_zero	0 is a number, too
 */
struct idtable {
	struct ui_ida ids;
	void **slots;
	uint32_t size;
	uint32_t used;
	bool from_zero;
};

void idtable_init(struct idtable *table);
/* It is empty, or its numbers don't matter any more. */
void idtable_destroy(struct idtable *table);
/* A number up to @max that finds nothing yet; -ENOSPC, -ENOMEM. */
int64_t idtable_reserve(struct idtable *table, uint32_t max);

/* Is no number in use or reserved? */
static inline bool idtable_empty(const struct idtable *table)
{
	return !table->used;
}

static inline void *idtable_find(const struct idtable *table, uint32_t id)
{
	return id < table->size ? table->slots[id] : NULL;
}

/* Can't fail: reserving made the room. */
static inline void idtable_set(struct idtable *table, uint32_t id, void *what)
{
	table->slots[id] = what;
}

static inline void idtable_free(struct idtable *table, uint32_t id)
{
	table->slots[id] = NULL;
	table->used--;
	ui_ida_free(&table->ids, id);
}

#endif /* UI_IOMMUFD_IDTABLE_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/idtable.c - see idtable.h
 *
 * The array grows by doubling and never shrinks: numbers are dense, since the
 * lowest free one is always taken.
 */
#include "iommufd/idtable.h"

#include <string.h>

#include "base/sync.h"

#define FIRST_SIZE 16

void idtable_init(struct idtable *table)
{
	memset(table, 0, sizeof(*table));
	ui_ida_init(&table->ids);
}

void idtable_destroy(struct idtable *table)
{
	ui_ida_destroy(&table->ids);
	ui_free(table->slots);
}

static int grow(struct idtable *table, uint32_t id)
{
	uint32_t size = table->size ? table->size : FIRST_SIZE;
	void **slots;

	while (size <= id)
		size = size > UINT32_MAX / 2 ? UINT32_MAX : size * 2;
	slots = ui_zalloc(size * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	if (table->size)
		memcpy(slots, table->slots, table->size * sizeof(*slots));
	ui_free(table->slots);
	table->slots = slots;
	table->size = size;
	return 0;
}

int64_t idtable_reserve(struct idtable *table, uint32_t max)
{
	int64_t id = ui_ida_alloc(&table->ids, !table->from_zero, max);

	if (id >= table->size && grow(table, (uint32_t)id)) {
		ui_ida_free(&table->ids, (uint32_t)id);
		return -ENOMEM;
	}
	if (id >= 0)
		table->used++;
	return id;
}

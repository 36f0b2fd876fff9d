/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/ida.h - small integers, lowest free first
 *
 * A bitmap of words with a summary bitmap above each level, so that finding the
 * lowest free number takes one step a level.  The caller locks.
 */
#ifndef UI_BASE_IDA_H
#define UI_BASE_IDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UI_IDA_LEVELS 6

/*
 *  level[0]	a bit per number, set when taken
 *  level[n]	a bit per word of level[n - 1], set when that word is full
 *  words[n]	words allocated in level[n]
 */
struct ui_ida {
	uint64_t *level[UI_IDA_LEVELS];
	size_t words[UI_IDA_LEVELS];
};

void ui_ida_init(struct ui_ida *ida);
void ui_ida_destroy(struct ui_ida *ida);
/* Lowest free number in [min, max]; -ENOSPC, -ENOMEM. */
int64_t ui_ida_alloc(struct ui_ida *ida, uint32_t min, uint32_t max);
void ui_ida_free(struct ui_ida *ida, uint32_t id);

#endif /* UI_BASE_IDA_H */

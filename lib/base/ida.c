// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/ida.c - small integers, lowest free first
 *
 * Levels grow together when the lowest free number is past their end.  A word
 * past the end of a level counts as empty, so growing only appends zeroes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ida.h"

#define BITS 64u

void ui_ida_init(struct ui_ida *ida)
{
	memset(ida, 0, sizeof(*ida));
}

void ui_ida_destroy(struct ui_ida *ida)
{
	for (unsigned int n = 0; n < UI_IDA_LEVELS; n++)
		free(ida->level[n]);
	memset(ida, 0, sizeof(*ida));
}

static uint64_t ida_word(const struct ui_ida *ida, unsigned int level, size_t index)
{
	return index < ida->words[level] ? ida->level[level][index] : 0;
}

/* Makes level n have word @index; doubles, so that growth is amortised. */
static int ida_grow(struct ui_ida *ida, unsigned int level, size_t index)
{
	size_t words = ida->words[level] ? ida->words[level] : 1;
	uint64_t *grown;

	if (index < ida->words[level])
		return 0;
	while (words <= index)
		words *= 2;
	grown = realloc(ida->level[level], words * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + ida->words[level], 0, (words - ida->words[level]) * sizeof(*grown));
	ida->level[level] = grown;
	ida->words[level] = words;
	return 0;
}

/* Lowest number >= @from whose bit in @level is clear. */
static uint64_t ida_find(const struct ui_ida *ida, unsigned int level, uint64_t from)
{
	uint64_t word = ida_word(ida, level, from / BITS) | ((1ULL << (from % BITS)) - 1);
	uint64_t index = from / BITS;

	if (word != UINT64_MAX)
		return index * BITS + (unsigned int)__builtin_ctzll(~word);
	/* This word has none from here on: the level above knows the next that has. */
	if (level + 1 < UI_IDA_LEVELS)
		index = ida_find(ida, level + 1, index + 1);
	else
		index++;
	word = ida_word(ida, level, index);
	return index * BITS + (unsigned int)__builtin_ctzll(~word);
}

/* Mostly there is room in the first word, and more of it: then nobody above need know. */
static bool ida_alloc_here(struct ui_ida *ida, uint32_t min, uint32_t max, int64_t *id)
{
	size_t index = min / BITS;
	uint64_t free, bit;

	if (index >= ida->words[0])
		return false;
	free = ~ida->level[0][index];
	bit = free & (~0ULL << (min % BITS));
	bit &= -bit;
	if (!bit || free == bit)
		return false;
	*id = (int64_t)(index * BITS + (unsigned int)__builtin_ctzll(bit));
	if (*id > max)
		return false;
	ida->level[0][index] |= bit;
	return true;
}

/* Apart, so that the common way saves no registers for this one. */
static __attribute__((noinline)) int64_t ida_alloc_slow(struct ui_ida *ida, uint32_t min,
							uint32_t max)
{
	uint64_t index, id;
	int rc;

	id = index = ida_find(ida, 0, min);
	if (id > max)
		return -ENOSPC;
	/* All that can fail first. */
	for (unsigned int n = 0; n < UI_IDA_LEVELS; n++) {
		index /= BITS;
		rc = ida_grow(ida, n, index);
		if (rc)
			return rc;
	}

	index = id;
	for (unsigned int n = 0; n < UI_IDA_LEVELS; n++) {
		uint64_t *word = &ida->level[n][index / BITS];

		*word |= 1ULL << (index % BITS);
		if (*word != UINT64_MAX)
			break;
		index /= BITS;
	}
	return (int64_t)id;
}

int64_t ui_ida_alloc(struct ui_ida *ida, uint32_t min, uint32_t max)
{
	int64_t here;

	return ida_alloc_here(ida, min, max, &here) ? here : ida_alloc_slow(ida, min, max);
}

void ui_ida_free(struct ui_ida *ida, uint32_t id)
{
	uint64_t index = id;

	for (unsigned int n = 0; n < UI_IDA_LEVELS; n++) {
		uint64_t *word;
		bool was_full;

		if (index / BITS >= ida->words[n])
			return;
		word = &ida->level[n][index / BITS];
		was_full = *word == UINT64_MAX;
		*word &= ~(1ULL << (index % BITS));
		if (!was_full)
			break;
		index /= BITS;
	}
}

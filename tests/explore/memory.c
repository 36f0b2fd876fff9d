// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/memory.c - blocks that are kept after they were freed
 *
 * Blocks are cut off an arena in order, so that each run of one schedule sees
 * the same addresses; nothing is used twice within a run.  owner[] tells by
 * granule which block an address is in.
 */
#include <stdio.h>
#include <string.h>

#include "explore/explore.h"

#define ARENA_SIZE (1u << 20)
#define GRANULE 64u
#define BLOCKS 512
#define SITES 32

static char arena[ARENA_SIZE] __attribute__((aligned(4096)));
static uint16_t owner[ARENA_SIZE / GRANULE]; /* index of the block, plus one */
static size_t used;
static struct ex_block blocks[BLOCKS];
static unsigned int nr_blocks;

static const struct ex_where *sites[SITES];
static unsigned int nr_sites;
bool ex_sites_grew;

void ex_memory_reset(void)
{
	memset(arena, 0, used);
	memset(owner, 0, used / GRANULE * sizeof(owner[0]));
	memset(blocks, 0, nr_blocks * sizeof(blocks[0]));
	used = 0;
	nr_blocks = 0;
}

struct ex_block *ex_block_of(const void *p)
{
	size_t offset = (size_t)((const char *)p - arena);

	if (offset >= used || !owner[offset / GRANULE])
		return NULL;
	return &blocks[owner[offset / GRANULE] - 1];
}

void *ex_alloc(size_t size, const struct ex_where *where)
{
	size_t rounded = (size + GRANULE - 1) / GRANULE * GRANULE;
	struct ex_block *block = &blocks[nr_blocks];

	if (nr_blocks == BLOCKS || used + rounded > ARENA_SIZE)
		ex_fail("the explorer's arena is full");
	block->start = arena + used;
	block->size = size;
	block->site = where;
	block->nr = 1;
	for (unsigned int i = 0; i < nr_blocks; i++)
		block->nr += blocks[i].site == where;
	nr_blocks++;
	for (size_t i = used / GRANULE; i < (used + rounded) / GRANULE; i++)
		owner[i] = (uint16_t)nr_blocks;
	used += rounded;
	ex_note(EX_ALLOC, block->start, where);
	return block->start;
}

void ex_free(void *ptr, const struct ex_where *where)
{
	struct ex_block *block;

	if (!ptr)
		return;
	block = ex_block_of(ptr);
	if (!block || block->start != ptr)
		ex_fail("%s:%d frees what was never allocated", where->func, where->line);
	ex_note(EX_FREE, ptr, where);
	ex_check_alive(ptr, "freed twice");
	block->freed = true;
	block->freed_at = where;
	block->freed_by = ex_self();
	/* For those who look without our seeing it. */
	memset(ptr, 0xdd, block->size);
	if (ex_threads_run())
		ex_site_heat(block->site);
}

void ex_check_alive(const void *p, const char *what)
{
	struct ex_block *block = ex_block_of(p);

	if (block && block->freed)
		ex_fail("%s: %s#%u + %zu, which was freed by %s:%d", what, block->site->func,
			block->nr, (size_t)((const char *)p - block->start), block->freed_at->func,
			block->freed_at->line);
}

void ex_check_leaks(void)
{
	for (unsigned int i = 0; i < nr_blocks; i++)
		if (!blocks[i].freed)
			ex_fail("leaked: %s#%u, allocated at line %d", blocks[i].site->func,
				blocks[i].nr, blocks[i].site->line);
}

bool ex_site_is_hot(const struct ex_where *site)
{
	for (unsigned int i = 0; i < nr_sites; i++)
		if (sites[i] == site)
			return true;
	return false;
}

void ex_site_heat(const struct ex_where *site)
{
	if (ex_site_is_hot(site) || nr_sites == SITES)
		return;
	sites[nr_sites++] = site;
	ex_sites_grew = true;
}

void ex_sites_clear(void)
{
	nr_sites = 0;
}

/* Of the blocks of the last run. */
bool ex_site_heat_by_name(const char *func, int line)
{
	for (unsigned int i = 0; i < nr_blocks; i++) {
		if (strcmp(blocks[i].site->func, func) || blocks[i].site->line != line)
			continue;
		ex_site_heat(blocks[i].site);
		return true;
	}
	return false;
}

size_t ex_sites_print(char *buf, size_t size)
{
	size_t length = 0;

	for (unsigned int i = 0; i < nr_sites && length < size; i++)
		length += (size_t)snprintf(buf + length, size - length, "%s%s:%d", i ? "," : "@",
					   sites[i]->func, sites[i]->line);
	return length;
}

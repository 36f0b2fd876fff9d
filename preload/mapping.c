/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mappings of our files, wherever their engine is.
 *
 * In the engine's process a mapping is the library's, one call further.  Elsewhere each
 * load and store is a call over the file's reply channel, which the mapping keeps: there it
 * has a number.  What a forked child inherits gets its number at the first access.
 *
 *  maps, links		maps_lock
 *  local		set before it's used; NULL in forked children, from before they use it
 *  number		number_lock, atomic; 0: not asked for yet
 *  failed		number_lock; it can't be had
 *  the rest		immutable
 */
#include "mapping.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <uiommu/file.h>

#include "channel.h"
#include "engine.h"
#include "fdtable_object.h"
#include "post.h"
#include "shim.h"

/*
 * Refs: one, of the struct uiommu_mapping around it.
 *  sf	with a reference, put by release()
 *  self	the one around it
 */
struct map {
	struct shim_file *sf;
	struct uiommu_mapping *self;
	struct uiommu_mapping *local;
	uint64_t number;
	bool failed;
	int prot;
	int flags;
	uint64_t offset;
	size_t length;
	struct map *prev;
	struct map *next;
};

static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t number_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map *maps;

/* 0, or what makes the access a SIGBUS. */
static int ask_number(struct map *map)
{
	struct shim_io io = {IO_MMAP, .request = (unsigned long)map->prot,
			     .arg = (uint64_t)map->flags, .count = map->length,
			     .offset = map->offset};
	long rc = 0;

	if (__atomic_load_n(&map->number, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&number_lock);
	if (map->failed) {
		rc = -ENODEV;
	} else if (!map->number) {
		rc = channel_call(map->sf, &io, NULL);
		if (rc > 0)
			__atomic_store_n(&map->number, (uint64_t)rc, __ATOMIC_RELEASE);
		else
			map->failed = true;
		if (rc == -EBADF)
			log_line("%s: device memory was inherited, but no descriptor of it",
				 map->sf->name);
	}
	pthread_mutex_unlock(&number_lock);
	return rc < 0 ? (int)rc : 0;
}

static int remote(struct map *map, struct shim_io *io, const void *block)
{
	int cancel, rc;

	/* In a handler: this thread's end would leave the client's instruction undone. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	rc = ask_number(map);
	if (!rc) {
		io->request = map->number;
		rc = (int)channel_call(map->sf, io, block);
	}
	pthread_setcancelstate(cancel, NULL);
	return rc < 0 ? -EIO : 0;
}

static int map_read(void *opaque, uint64_t offset, uint64_t *value, unsigned int size)
{
	struct shim_io io = {IO_LOAD, .count = size, .offset = offset};
	struct map *map = opaque;
	int rc;

	if (shim_likely(map->local)) {
		post_take();
		return uiommu_mapping_read(map->local, offset, value, size);
	}
	rc = remote(map, &io, NULL);
	if (!rc)
		*value = io.arg;
	return rc;
}

static int map_write(void *opaque, uint64_t offset, uint64_t value, unsigned int size)
{
	struct shim_io io = {IO_STORE, .arg = value, .count = size, .offset = offset};
	struct map *map = opaque;

	if (shim_likely(map->local)) {
		post_take();
		return uiommu_mapping_write(map->local, offset, value, size);
	}
	return remote(map, &io, NULL);
}

static int map_write_block(void *opaque, uint64_t offset, const void *data)
{
	struct shim_io io = {IO_STORE_BLOCK, .offset = offset};
	struct map *map = opaque;

	if (map->local) {
		post_take();
		return uiommu_mapping_write_block(map->local, offset, data);
	}
	return remote(map, &io, data);
}

/* Its PASID is the engine's process's; no other has one. */
static int map_enqueue(void *opaque, uint64_t offset, const void *data)
{
	struct map *map = opaque;

	if (!map->local)
		return -EPERM;
	post_take();
	return uiommu_mapping_enqueue(map->local, offset, data);
}

static void *map_memory(void *opaque, uint64_t *offset, uint64_t *length)
{
	struct map *map = opaque;

	return map->local ? uiommu_mapping_memory(map->local, offset, length) : NULL;
}

static bool map_dontcopy(void *opaque)
{
	struct map *map = opaque;

	return map->local && uiommu_mapping_dontcopy(map->local);
}

static void map_release(void *opaque)
{
	struct shim_io io = {IO_MUNMAP};
	struct map *map = opaque;

	pthread_mutex_lock(&maps_lock);
	if (map->next)
		map->next->prev = map->prev;
	if (map->prev)
		map->prev->next = map->next;
	else
		maps = map->next;
	pthread_mutex_unlock(&maps_lock);
	if (map->local)
		uiommu_mapping_put(map->local);
	else if (map->number)
		remote(map, &io, NULL);
	fdtable_put(map->sf);
	free(map);
}

static const struct uiommu_mapping_ops map_ops = {
	.read = map_read,
	.write = map_write,
	.write_block = map_write_block,
	.enqueue = map_enqueue,
	.memory = map_memory,
	.dontcopy = map_dontcopy,
	.release = map_release,
};

int mapping_create(struct shim_file *sf, int prot, int flags, uint64_t offset, size_t length,
		   struct uiommu_mapping **out)
{
	struct map *map = calloc(1, sizeof(*map));
	int rc = -ENOMEM;

	if (!map)
		return -ENOMEM;
	*map = (struct map){
		.sf = sf, .prot = prot, .flags = flags, .offset = offset, .length = length};
	if (!sf->dead)
		rc = uiommu_file_mmap(sf->file, engine_mm(), prot, flags, offset, length,
				      &map->local);
	else
		rc = ask_number(map);
	if (rc)
		goto out_free;
	map->self = uiommu_mapping_create(&map_ops, map);
	if (!map->self) {
		rc = -ENOMEM;
		goto out_put;
	}
	__atomic_add_fetch(&sf->refs, 1, __ATOMIC_RELAXED); /* put by map_release() */
	pthread_mutex_lock(&maps_lock);
	map->next = maps;
	if (maps)
		maps->prev = map;
	maps = map;
	pthread_mutex_unlock(&maps_lock);
	*out = map->self;
	return 0;

out_put:
	/* Elsewhere it goes with the channel. */
	if (map->local)
		uiommu_mapping_put(map->local);
out_free:
	free(map);
	return rc;
}

struct uiommu_mapping *mapping_local(const struct uiommu_mapping *mapping)
{
	struct uiommu_mapping *local = NULL;

	pthread_mutex_lock(&maps_lock);
	for (struct map *map = maps; map; map = map->next) {
		if (map->self == mapping && map->local)
			local = uiommu_mapping_get(map->local);
	}
	pthread_mutex_unlock(&maps_lock);
	return local;
}

void mapping_fork_child(void)
{
	pthread_mutex_init(&maps_lock, NULL);
	pthread_mutex_init(&number_lock, NULL);
	for (struct map *map = maps; map; map = map->next) {
		map->local = NULL;
		map->number = 0;
		map->failed = false;
		map->sf->dead = true;
	}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz/world.h - the process that an input runs in: memory, files, descriptors
 *
 * Buffers lie alone in slots of 4 GiB, so an address that leads out of one leads
 * nowhere.  A second copy of each says what must be in it.
 */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <uiommu/file.h>
#include <uiommu/uiommu.h>

#include "ops.h"

#define BUFFERS 5
#define BUFFER_SIZE 0x80000ull
#define BUFFER_READ_ONLY 2
#define BUFFER_FILE 3 /* and the next: of files[0] and files[1] */
#define SLOT_BASE 0x200000000000ull
#define SLOT_SHIFT 32

/* Where arguments of ioctls are: two pages, and the same ones read-only; then a hole. */
#define COMMAND_VA (SLOT_BASE + (8ull << SLOT_SHIFT))
#define COMMAND_RO_VA (SLOT_BASE + (9ull << SLOT_SHIFT))
#define COMMAND_SIZE 8192ull
/* What they point to. */
#define SCRATCH_VA (SLOT_BASE + (10ull << SLOT_SHIFT))
#define SCRATCH_SIZE 0x100000ull
#define HOLE_VA (SLOT_BASE + (15ull << SLOT_SHIFT))

#define FIRST_FD 100
#define MAX_FDS 40
/* Eventfds: numbers only. */
#define FIRST_EVENTFD 200
#define EVENTFDS 8

struct world_fd {
	struct uiommu_file *file;
	uint32_t ioas; /* of an access */
	bool pins;
};

struct world {
	struct uiommu *ctx;
	struct uiommu_mm *mm;
	struct uiommu_file *iommufd;
	struct world_fd fds[MAX_FDS];
	struct uiommu_mapping *maps[8];
	struct {
		unsigned int signals;
		unsigned int holds;
		void (*ready)(void *arg);
		void *arg;
	} events[EVENTFDS];
	unsigned char *shadow[BUFFERS];
	bool written;
	unsigned int devices;
	unsigned int domains;
	int files[4];
	bool trace;
};

extern struct world world;

#define must(cond, ...)                                                                            \
	do {                                                                                       \
		if (!(cond))                                                                       \
			world_fail(__FILE__, __LINE__, #cond, __VA_ARGS__);                        \
	} while (0)

_Noreturn void world_fail(const char *file, int line, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Once. */
void world_init(void);
/* A new instance; and its end, after which nothing of it may be left. */
void world_begin(void);
void world_end(void);

/* NULL: not open. */
struct world_fd *world_fd_of(uint64_t fd);
void world_close(uint64_t fd);

static inline uint64_t buffer_va(unsigned int buffer)
{
	return SLOT_BASE + ((uint64_t)buffer << SLOT_SHIFT);
}

/* All but what was not written may be skipped. */
void world_check_memory(void);

#endif /* FUZZ_WORLD_H */

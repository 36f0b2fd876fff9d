/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of /dev/dsa/wqN.M: descriptors, and the ways to submit them.
 */
#ifndef TESTS_PRELOAD_WQ_H
#define TESTS_PRELOAD_WQ_H

#include "client.h"

#define SHARED "/dev/dsa/wq0.0"
#define DEDICATED "/dev/dsa/wq0.1"
#define PAGE 4096ul

enum {
	OP_BATCH = 1,
	OP_MOVE = 3,
	OP_FILL = 4,
};

/* Block on fault; a completion record, and always. */
#define BOF 2u
#define RECORD (4u | 8u)

struct desc {
	uint32_t pasid;
	uint32_t flags_op;
	uint64_t record;
	uint64_t src;
	uint64_t dst;
	uint32_t size;
	uint32_t more[7];
} __attribute__((aligned(64)));

struct record {
	volatile uint8_t status;
	uint8_t result;
	uint8_t info;
	uint8_t reserved;
	volatile uint32_t done;
	volatile uint64_t fault;
	uint64_t more[2];
} __attribute__((aligned(32)));

static inline struct desc desc_of(unsigned int op, uint32_t flags, const void *src, void *dst,
				  size_t size, struct record *record)
{
	struct desc desc = {
		.flags_op = op << 24 | flags,
		.record = (uintptr_t)record,
		.src = (uintptr_t)src,
		.dst = (uintptr_t)dst,
		.size = (uint32_t)size,
	};

	record->status = 0;
	return desc;
}

static inline struct desc move_of(const void *src, void *dst, size_t size, struct record *record)
{
	return desc_of(OP_MOVE, RECORD | BOF, src, dst, size, record);
}

static inline void movdir64b(volatile void *portal, const struct desc *desc)
{
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" ::"a"(portal), "d"(desc) : "memory");
}

/* False: it's to be tried again. */
static inline bool enqcmd(volatile void *portal, const struct desc *desc)
{
	bool retry;

	__asm__ volatile(".byte 0xf2, 0x0f, 0x38, 0xf8, 0x02"
			 : "=@ccz"(retry)
			 : "a"(portal), "d"(desc)
			 : "memory");
	return !retry;
}

static inline uint8_t status_of(const struct record *record)
{
	while (!record->status)
		__asm__ volatile("pause" ::: "memory");
	return record->status;
}

static inline volatile char *portal_of(int wq)
{
	volatile char *portal = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, wq, 0);

	CHECK(portal != MAP_FAILED);
	return portal;
}

#endif /* TESTS_PRELOAD_WQ_H */

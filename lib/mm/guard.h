/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mm/guard.h - accesses that report a fault instead of dying of it
 *
 * Only while uiommu_guard_enable(true) is in force.
 */
#ifndef UI_MM_GUARD_H
#define UI_MM_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returned in two registers. */
struct mm_guard_value {
	uint64_t value;
	uint64_t fault;
};

/* Atomic: see guard.c. */
extern uint32_t mm_guard_on;

/* Bytes not copied; either side may fault. */
size_t mm_guard_copy(void *dst, const void *src, size_t length);

struct mm_guard_value mm_guard_load1(const void *src);
struct mm_guard_value mm_guard_load2(const void *src);
struct mm_guard_value mm_guard_load4(const void *src);
struct mm_guard_value mm_guard_load8(const void *src);

/* Non-zero: it faulted, nothing was stored. */
uint64_t mm_guard_store1(void *dst, uint64_t value);
uint64_t mm_guard_store2(void *dst, uint64_t value);
uint64_t mm_guard_store4(void *dst, uint64_t value);
uint64_t mm_guard_store8(void *dst, uint64_t value);

/* Writes a byte back as it is, atomically.  Non-zero: it faulted. */
uint64_t mm_guard_touch(void *dst);

#endif /* UI_MM_GUARD_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/pin.h - around system calls that take memory away
 *
 * What is mapped for DMA must stay what it was: the library is told before and after
 * (uiommu_mm_change_begin()).  While nothing is mapped, all of this is one compare.
 */
#ifndef SHIM_PIN_H
#define SHIM_PIN_H

#include <uiommu/mm.h>

#include "engine.h"
#include "shim.h"

#define PIN_PAGE 4096ul

/* On the stack of the call. */
struct pin {
	struct uiommu_mm_change change;
	struct shim_entry entry;
	bool on;
};

static inline bool pin_needed(void)
{
	return shim_unlikely(__atomic_load_n(__atomic_load_n(&engine_areas, __ATOMIC_ACQUIRE),
					     __ATOMIC_RELAXED) != 0) &&
	       !shim_bypass();
}

static inline unsigned long pin_round(unsigned long len)
{
	return (len + PIN_PAGE - 1) & ~(PIN_PAGE - 1);
}

/* Before begin. */
void pin_add(struct pin *pin, enum uiommu_mm_how how, const void *addr, size_t len);
/* False: errno is set, the call must fail. */
bool pin_begin(struct pin *pin);
/* Keeps errno. */
void pin_end(struct pin *pin, bool done);

#endif /* SHIM_PIN_H */

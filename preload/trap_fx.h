/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_fx.h - the vector state in a signal's frame, and its own description
 *
 * As XSAVE writes it; the last bytes of its legacy area are the kernel's, which says
 * there what follows.
 */
#ifndef SHIM_TRAP_FX_H
#define SHIM_TRAP_FX_H

#include <cpuid.h>
#include <stdint.h>
#include <string.h>

#define FX_XMM 160
#define FX_MAGIC 464
#define FX_FEATURES 472
#define FX_XSTATE_SIZE 480
#define FX_XSTATE_BV 512
#define FX_YMM_HIGH 576
#define FX_MAGIC_VALUE 0x46505853	 /* "XSPF": extended state follows */
#define FX_MAGIC_BEHIND_VALUE 0x46505845 /* and this behind it, at FX_XSTATE_SIZE */

static inline uint32_t fx_word(const uint8_t *fx, unsigned int at)
{
	uint32_t word;

	memcpy(&word, fx + at, sizeof(word));
	return word;
}

static inline uint64_t fx_wide(const uint8_t *fx, unsigned int at)
{
	uint64_t wide;

	memcpy(&wide, fx + at, sizeof(wide));
	return wide;
}

/* Where a component is; numbers as cpuid counts them.  0: this processor has none. */
static inline unsigned int fx_component_at(unsigned int number)
{
	unsigned int size, at = 0, c, d;

	return __get_cpuid_count(0xd, number, &size, &at, &c, &d) && size ? at : 0;
}

#endif /* SHIM_TRAP_FX_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/word.h - memory that somebody else reads and writes, a word at a time
 *
 * For memory that stands in for a device's: an access of 1, 2, 4 or 8 bytes is made
 * in one piece, so nobody sees half of it, and in the order of the program.
 */
#ifndef UI_BASE_WORD_H
#define UI_BASE_WORD_H

#include "base/sync.h"

static inline uint64_t ui_load_word(const void *from, unsigned int size)
{
	switch (size) {
	case 1:
		return ui_load_acquire((const uint8_t *)from);
	case 2:
		return ui_load_acquire((const uint16_t *)from);
	case 4:
		return ui_load_acquire((const uint32_t *)from);
	default:
		return ui_load_acquire((const uint64_t *)from);
	}
}

static inline void ui_store_word(void *to, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1:
		ui_store_release((uint8_t *)to, (uint8_t)value);
		break;
	case 2:
		ui_store_release((uint16_t *)to, (uint16_t)value);
		break;
	case 4:
		ui_store_release((uint32_t *)to, (uint32_t)value);
		break;
	default:
		ui_store_release((uint64_t *)to, value);
		break;
	}
}

#endif /* UI_BASE_WORD_H */

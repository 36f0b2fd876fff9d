/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that were decoded before.
 *
 * A driver reaches its device from a few places in its code, and decoding would be more than
 * half of an access.  So what comes of it is kept, in a slot that the place's address
 * says.  It's used only if the bytes are the same: code may be changed, or others be
 * mapped there.
 *
 * users counts who reads a slot.  It is filled anew by who finds itself to be the only one,
 * and BUSY until then; who can't have the slot decodes for itself.  So nobody waits: this
 * runs in a signal handler.
 */
#include <string.h>

#include "base/sync.h"
#include "insn_priv.h"

#define SLOTS 128u
#define BUSY (1ull << 32)

/*
 *  users		atomic
 *  length, code	changed by who made users BUSY; length 0: nothing is here
 *  form		the same
 */
struct slot {
	uint64_t users;
	unsigned int length;
	uint8_t code[16];
	struct insn_form form;
};

static struct slot slots[SLOTS];

static struct slot *slot_of(uint64_t rip)
{
	return &slots[(rip * 0x9e3779b97f4a7c15ull) >> 57];
}

static bool join(struct slot *slot)
{
	uint64_t users = ui_load_relaxed(&slot->users);

	while (!(users & BUSY))
		if (ui_cmpxchg(&slot->users, &users, users + 1))
			return true;
	return false;
}

/* Decodes into @slot, which the caller has joined; false: others have, too. */
static bool refill(struct slot *slot, const uint8_t *code, size_t avail)
{
	uint64_t users = 1;

	if (!ui_cmpxchg(&slot->users, &users, BUSY))
		return false;
	slot->length = 0;
	if (insn_decode(&slot->form, code, avail)) {
		slot->length = slot->form.zi.length;
		memcpy(slot->code, code, slot->length);
	}
	ui_store_release(&slot->users, 1);
	return true;
}

const struct insn_form *insn_form_get(uint64_t rip, const uint8_t *code, size_t avail,
				      struct insn_form *room)
{
	struct slot *slot = slot_of(rip);

	if (join(slot)) {
		if (slot->length && slot->length <= avail &&
		    !memcmp(slot->code, code, slot->length))
			return &slot->form;
		if (refill(slot, code, avail) && slot->length)
			return &slot->form;
		ui_fetch_sub(&slot->users, 1);
	}
	return insn_decode(room, code, avail) ? room : NULL;
}

void insn_form_put(const struct insn_form *form, const struct insn_form *room)
{
	struct slot *slot;

	if (form == room)
		return;
	slot = (struct slot *)(void *)((char *)(uintptr_t)form - offsetof(struct slot, form));
	ui_fetch_sub(&slot->users, 1);
}

/* Those who used a slot may have stayed behind in the parent, one of them while it filled it. */
void insn_cache_atfork_child(void)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (!slots[i].users)
			continue;
		slots[i].length = 0;
		slots[i].users = 0;
	}
}

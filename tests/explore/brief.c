// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/brief.c - a failing run in a few lines, for people who want the story
 *
 * Of all steps only those that matter to who has the handle: operations on a
 * slot or on the count of references, memory that is freed, and the step that
 * fails.
 */
#include <stdio.h>
#include <string.h>

#include "core/core.h"
#include "explore/explore.h"

#define WIDTH 38

static bool is_slot_step(const struct ex_step *step)
{
	return step->where &&
	       (strstr(step->where->what, "slot") || strstr(step->where->what, "rid"));
}

static const struct ex_block *handle_of(uint64_t word)
{
	return core_slot_owner(word) ? ex_block_of(core_slot_handle(word)) : NULL;
}

static const char *what(uint64_t word)
{
	if (handle_of(word))
		return "the handle";
	return word == SLOT_BUSY ? "busy" : "empty";
}

/* False: the step doesn't belong to the story. */
static bool tell(char *buf, size_t size, const struct ex_step *step, bool last)
{
	const struct ex_block *block = ex_block_of(step->addr);

	if (last)
		snprintf(buf, size, "reads the handle: freed memory");
	else if (step->op == EX_FREE && block && strstr(block->site->func, "handle"))
		snprintf(buf, size, "last reference: the handle is freed");
	else if (step->op == EX_LOAD && is_slot_step(step) && handle_of(step->result))
		snprintf(buf, size, "loads the slot: %s", what(step->result));
	else if (step->op == EX_XCHG && is_slot_step(step))
		snprintf(buf, size, "slot: %s (was %s)", what(step->value), what(step->result));
	else if (step->op == EX_STORE && is_slot_step(step))
		snprintf(buf, size, "slot: %s; the detach is done", what(step->value));
	else
		return false;
	return true;
}

void ex_print_brief(const struct scenario *scenario)
{
	char text[128];

	printf("    %-*s| %s\n", WIDTH, scenario->names[0], scenario->names[1]);
	printf("    %.*s+%.*s\n", WIDTH, "------------------------------------------------", WIDTH,
	       "------------------------------------------------");
	for (unsigned int i = 0; i < ex_run.nr_steps; i++) {
		const struct ex_step *step = &ex_run.steps[i];

		if (!tell(text, sizeof(text), step, i + 1 == ex_run.nr_steps && ex_run.failed))
			continue;
		if (step->thread == 1)
			printf("    %-*s|\n", WIDTH, text);
		else
			printf("    %-*s| %s\n", WIDTH, "", text);
	}
}

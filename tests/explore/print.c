// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/print.c - a run as columns of steps, one column for each thread
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"
#include "explore/explore.h"

#define WIDTH 58

/* A slot of a group: which handle, whose, how many references it counts. */
static bool print_slot_word(char *buf, size_t size, uint64_t word)
{
	const struct ex_block *block = ex_block_of(core_slot_handle(word));

	if (!block || !core_slot_owner(word))
		return false;
	snprintf(buf, size, "{%s#%u, owner %u, count %u}", block->site->func, block->nr,
		 core_slot_owner(word), core_slot_count(word));
	return true;
}

/* "new_handle#1+8", if it is in a block. */
static void print_value(char *buf, size_t size, uint64_t value)
{
	const struct ex_block *block = ex_block_of((const void *)(uintptr_t)value);

	if (block) {
		size_t offset = (size_t)(value - (uintptr_t)block->start);

		if (offset)
			snprintf(buf, size, "%s#%u+%zu", block->site->func, block->nr, offset);
		else
			snprintf(buf, size, "%s#%u", block->site->func, block->nr);
	} else if (print_slot_word(buf, size, value)) {
		return;
	} else if (value < 10000) {
		snprintf(buf, size, "%llu", (unsigned long long)value);
	} else if ((int64_t)value < 0 && (int64_t)value > -10000) {
		snprintf(buf, size, "%lld", (long long)value);
	} else {
		snprintf(buf, size, "0x%llx", (unsigned long long)value);
	}
}

/* "function:line" of a plain access, as the debug information has it. */
static void print_pc(char *buf, size_t size, const void *pc)
{
	extern char __executable_start[];
	char command[256], func[128] = "", place[512] = "";
	const char *colon;
	FILE *pipe;

	/* The call before it is what is meant. */
	snprintf(command, sizeof(command), "addr2line -f -i -e /proc/%d/exe 0x%lx 2>/dev/null",
		 getpid(), (unsigned long)((const char *)pc - __executable_start) - 1);
	pipe = popen(command, "r");
	if (pipe) {
		if (!fgets(func, sizeof(func), pipe) || !fgets(place, sizeof(place), pipe))
			func[0] = '\0';
		pclose(pipe);
	}
	func[strcspn(func, "\n")] = '\0';
	place[strcspn(place, " \n")] = '\0';
	colon = strrchr(place, ':');
	if (func[0] && func[0] != '?' && colon)
		snprintf(buf, size, "%s%s", func, colon);
	else
		snprintf(buf, size, "%p", pc);
}

/* What an operation of base/sync.h did; @what is the expression in the source. */
static void print_operation(char *buf, size_t size, const struct ex_step *step, const char *value,
			    const char *result)
{
	const char *what = step->where->what;

	switch (step->op) {
	case EX_LOAD:
		snprintf(buf, size, "load %s = %s", what, result);
		break;
	case EX_STORE:
		snprintf(buf, size, "store %s = %s", what, value);
		break;
	case EX_XCHG:
		snprintf(buf, size, "exchange %s: %s, was %s", what, value, result);
		break;
	case EX_ADD:
		snprintf(buf, size, "add %s to %s, was %s", value, what, result);
		break;
	case EX_CMPXCHG:
		if (step->failed)
			snprintf(buf, size, "compare-exchange %s: fails, is %s", what, result);
		else
			snprintf(buf, size, "compare-exchange %s: %s", what, value);
		break;
	default:
		snprintf(buf, size, "%s", what);
		break;
	}
}

static void print_step(char *buf, size_t size, const struct ex_step *step)
{
	static const char *const verbs[] = {
		[EX_LOCK] = "lock ",	  [EX_UNLOCK] = "unlock ", [EX_WAIT] = "wait for ",
		[EX_WOKEN] = "woken by ", [EX_WAKE] = "wake ",	   [EX_PAUSE] = "",
		[EX_ALLOC] = "allocate ", [EX_FREE] = "FREE ",	   [EX_READ] = "read ",
		[EX_WRITE] = "write ",	  [EX_END] = "",
	};
	bool memory = step->op == EX_ALLOC || step->op == EX_FREE || !step->where;
	char addr[80], value[80], result[80], at[160], text[256];

	if (step->op == EX_START || step->op == EX_END) {
		snprintf(buf, size, "(%ss)", step->where->what);
		return;
	}
	if (step->where)
		snprintf(at, sizeof(at), "%s:%d", step->where->func, step->where->line);
	else
		print_pc(at, sizeof(at), step->pc);

	print_value(addr, sizeof(addr), (uintptr_t)step->addr);
	print_value(value, sizeof(value), step->value);
	print_value(result, sizeof(result), step->result);
	if (memory)
		snprintf(text, sizeof(text), "%s", addr);
	else
		print_operation(text, sizeof(text), step, value, result);
	snprintf(buf, size, "%s: %s%s", at, verbs[step->op] ? verbs[step->op] : "", text);
}

static void print_indent(int thread)
{
	for (int i = 1; i < thread; i++)
		printf("%-*s| ", WIDTH, "");
}

void ex_print_run(const struct scenario *scenario)
{
	char text[512];

	for (int i = 0; scenario->threads[i]; i++)
		printf("%s%-*s", i ? "| " : "", WIDTH, scenario->names[i]);
	putchar('\n');
	for (int i = 0; scenario->threads[i]; i++) {
		printf("%s", i ? "+-" : "");
		for (int j = 0; j < WIDTH; j++)
			putchar('-');
	}
	putchar('\n');
	for (unsigned int i = 0; i < ex_run.nr_steps; i++) {
		print_step(text, sizeof(text), &ex_run.steps[i]);
		print_indent(ex_run.steps[i].thread);
		printf("%s\n", text);
	}
	if (ex_run.failed)
		printf("=> %s\n", ex_run.why);
}

/* What --replay takes. */
void ex_print_schedule(const struct scenario *scenario)
{
	unsigned int i = 0;
	char sites[1024] = "";

	printf("replay with: --scenario %s --replay '", scenario->name);
	while (i < ex_run.nr_steps) {
		int thread = ex_run.steps[i].thread;
		unsigned int n = 0;

		/* Each point, and the end, was a choice of who goes on. */
		for (; i < ex_run.nr_steps && ex_run.steps[i].thread == thread; i++)
			n += ex_run.steps[i].point;
		if (n)
			printf("%dx%u ", thread, n);
	}
	ex_sites_print(sites, sizeof(sites));
	printf("%s'\n", sites);
}

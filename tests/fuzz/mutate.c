// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/mutate.c - inputs from inputs
 *
 * A mutation inserts an operation, takes one out, doubles one, changes an argument, or
 * moves a part.  References follow: they name the operation that they named before.
 */
#include "mutate.h"

#include <string.h>

static uint64_t state;

static uint64_t roll64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

static uint64_t roll(uint64_t sides)
{
	return (roll64() >> 20) % sides;
}

static bool chance(unsigned int percent)
{
	return roll(100) < percent;
}

#define PICK(table) ((table)[roll(sizeof(table) / sizeof((table)[0]))])

/* ---- arguments ---- */

/* The result of an operation before @nr that suits; else something that names nothing. */
static uint64_t make_ref(const struct op *ops, size_t nr, enum arg_kind kind)
{
	static const uint64_t wrong[] = {0, 1, 2, 3, 5, 900, 0x7fffffff, 0xffffffff, UINT64_MAX};
	uint64_t found = 0;
	unsigned int seen = 0;

	if (chance(4))
		return PICK(wrong);
	if (chance(4) && nr)
		return ref_make(roll(nr), (unsigned int)roll(OP_RESULTS));
	for (size_t i = 0; i < nr; i++) {
		const struct op_shape *shape = &op_shapes[ops[i].kind % OP_KINDS];

		for (unsigned int j = 0; j < shape->nr_results; j++) {
			if (!arg_wants(kind, shape->result[j]))
				continue;
			/* Later ones are likelier. */
			seen++;
			if (!roll(seen) || chance(35))
				found = ref_make(i, j);
		}
	}
	return seen ? found : PICK(wrong);
}

static uint64_t make_length(void)
{
	static const uint64_t odd[] = {0,
				       1,
				       7,
				       2047,
				       2048,
				       4095,
				       4097,
				       6144,
				       UINT64_MAX,
				       UINT64_MAX - 1,
				       UINT64_MAX - 4095,
				       1ull << 63,
				       1ull << 40,
				       1ull << 31,
				       0x100000,
				       0x200000};
	static const uint64_t pages[] = {1, 1, 1, 2, 2, 3, 4, 5, 8, 16, 31, 64, 128};

	if (chance(15))
		return PICK(odd);
	return PICK(pages) * (chance(80) ? 4096 : 2048);
}

/* Somewhere near what others name, or in a few places where maps meet. */
static uint64_t make_iova(const struct op *ops, size_t nr)
{
	static const uint64_t odd[] = {0,
				       4096,
				       0xfff000,
				       0x1000000,
				       0xfff800,
				       0x80000000,
				       0x7ffff000,
				       0x7ffff800,
				       0x100000000,
				       1ull << 38,
				       (1ull << 38) - 4096,
				       1ull << 63,
				       UINT64_MAX,
				       UINT64_MAX - 1,
				       UINT64_MAX - 4095,
				       -(2ull * 4096)};
	static const uint64_t step[] = {0, 1, 2048, 4096, 4096, 8192, 0x10000, 0x100000};

	if (chance(12))
		return PICK(odd);
	if (chance(25)) {
		uint64_t ref = make_ref(ops, nr, ARG_AT);

		if (arg_is_ref(ref))
			return ref;
	}
	for (int tries = 0; nr && tries < 4 && chance(70); tries++) {
		const struct op *other = &ops[roll(nr)];
		const struct op_shape *shape = &op_shapes[other->kind % OP_KINDS];
		uint64_t base = 0, length = 0;

		for (unsigned int i = 0; i < shape->nr_args; i++) {
			if (shape->arg[i] == ARG_IOVA && !arg_is_ref(other->arg[i]))
				base = other->arg[i];
			if (shape->arg[i] == ARG_LEN)
				length = other->arg[i];
		}
		if (!base)
			continue;
		switch (roll(6)) {
		case 0:
			return base + length;
		case 1:
			return base + PICK(step);
		case 2:
			return base - PICK(step);
		case 3:
			return base + length - PICK(step);
		default:
			return base;
		}
	}
	return 0x1000000 + roll(64) * (chance(70) ? 4096 : chance(50) ? 2048 : 0x100000);
}

static uint64_t make_va(void)
{
	static const uint64_t odd[] = {0,
				       1,
				       4096,
				       0x7ffffffff000,
				       UINT64_MAX - 4095,
				       UINT64_MAX,
				       1ull << 47,
				       0xffff800000000000ull,
				       VA_TAG | 5ull << 40,
				       VA_TAG | (0x80000 - 2048)};
	static const uint64_t buffer[] = {0, 0, 0, 1, 1, 2, 3, 4};
	uint64_t offset = roll(64) * 4096;

	if (chance(4))
		return PICK(odd);
	if (chance(8))
		offset = roll(0x81000);
	else if (chance(20))
		offset += 2048;
	return VA_TAG | PICK(buffer) << 40 | offset;
}

static uint64_t make_small(void)
{
	static const uint64_t odd[] = {16,    24,	  40,	      64,	  255,	  4096,
				       65536, 0xffffffff, UINT64_MAX, 0x80000000, 1 << 16};

	return chance(12) ? PICK(odd) : chance(80) ? roll(9) : roll(64);
}

/* Of region 0 to 8, of which 7 is config space; mostly where something is. */
static uint64_t make_region(void)
{
	static const uint64_t odd[] = {0,    4,	   6,	 8,    0x10,  0x14,  0x18,  0x30,   0x34,
				       0x3c, 0x3d, 0x40, 0x80, 0x100, 0xfff, 0xffc, 0x1000, 0x1ffc};
	uint64_t region = chance(45) ? 7 : chance(60) ? 0 : roll(10);
	uint64_t offset = chance(50) ? PICK(odd) : chance(70) ? roll(0x200) : roll(0x2100);

	if (chance(2))
		return roll64();
	return region << 40 | offset;
}

static uint64_t make_arg(const struct op *ops, size_t nr, enum arg_kind kind)
{
	static const uint64_t types[] = {0,	     0xdead,	 0xdeadbeef, 0xdeadbeef,
					 0xbeefbeef, 0xfeedbeef, 1,	     0xdeadbeef};
	static const uint64_t pasids[] = {0,	1,    1,       2,	 3,	    100,
					  1024, 1024, 0xfffff, 0x100000, 0xffffffff};
	static const uint64_t map_flags[] = {7, 7, 7, 7, 6, 6, 5, 3, 4, 2, 0, 1, 8, 0x10007};
	static const uint64_t sizes[] = {32, 24, 32, 24, 16, 0, 4096};

	if (arg_wants_ref(kind))
		return make_ref(ops, nr, kind);
	switch (kind) {
	case ARG_VA:
		return make_va();
	case ARG_IOVA:
		return make_iova(ops, nr);
	case ARG_LEN:
		return make_length();
	case ARG_MAPFL:
		return PICK(map_flags);
	case ARG_ZERO:
		return chance(97) ? 0 : roll64();
	case ARG_TYPE:
		return PICK(types);
	case ARG_PASID:
		return PICK(pasids);
	case ARG_ARGSZ:
		return chance(90) ? 0 : PICK(sizes);
	case ARG_REGION:
		return make_region();
	case ARG_IRQFL:
		/* One kind of data, one action. */
		return chance(85) ? 1ull << roll(3) | 8ull << roll(3) : roll(64);
	case ARG_U64:
		return chance(50) ? make_small() : roll64();
	default:
		return make_small();
	}
}

static void make_op(struct op *op, const struct op *ops, size_t nr)
{
	const struct op_shape *shape;

	memset(op, 0, sizeof(*op));
	op->kind = (uint8_t)roll(OP_KINDS);
	shape = &op_shapes[op->kind];
	for (unsigned int i = 0; i < shape->nr_args; i++)
		op->arg[i] = make_arg(ops, nr, shape->arg[i]);
	if (chance(3)) {
		op->frame = (uint8_t)roll(FRAME_KINDS);
		op->frame_arg = (uint8_t)roll(64);
	}
	if (chance(4))
		op->fail = (uint8_t)(1 + roll(12));
}

static uint64_t nudge(uint64_t arg)
{
	switch (roll(6)) {
	case 0:
		return arg + 1;
	case 1:
		return arg - 1;
	case 2:
		return arg ^ 1ull << roll(64);
	case 3:
		return arg + (chance(50) ? 4096 : 2048);
	case 4:
		return arg - (chance(50) ? 4096 : 2048);
	default:
		return arg ^ 1ull << roll(16);
	}
}

static void change_op(struct op *ops, size_t nr)
{
	struct op *op = &ops[nr];
	const struct op_shape *shape = &op_shapes[op->kind % OP_KINDS];
	unsigned int i;

	if (chance(10)) {
		op->fail = chance(30) ? 0 : (uint8_t)(1 + roll(chance(80) ? 8 : 40));
		return;
	}
	if (chance(6)) {
		op->frame = chance(50) ? 0 : (uint8_t)roll(FRAME_KINDS);
		op->frame_arg = (uint8_t)roll(80);
		return;
	}
	if (!shape->nr_args) {
		make_op(op, ops, nr);
		return;
	}
	i = (unsigned int)roll(shape->nr_args);
	if (!arg_is_ref(op->arg[i]) && !arg_wants_ref(shape->arg[i]) && chance(30))
		op->arg[i] = nudge(op->arg[i]);
	else
		op->arg[i] = make_arg(ops, nr, shape->arg[i]);
}

/* ---- rows ---- */

/* References to operations from @from on become ones to those @by further. */
static void shift_refs(struct op *ops, size_t nr, size_t from, long by)
{
	for (size_t i = 0; i < nr; i++) {
		for (unsigned int j = 0; j < OP_ARGS; j++) {
			uint64_t arg = ops[i].arg[j];

			if (arg_is_ref(arg) && ref_op(arg) >= from)
				ops[i].arg[j] =
					ref_make(ref_op(arg) + (uint64_t)by, ref_result(arg));
		}
	}
}

static size_t insert_op(struct op *ops, size_t nr, size_t max, size_t at, const struct op *new)
{
	struct op op = *new;

	if (nr >= max)
		return nr;
	memmove(&ops[at + 1], &ops[at], (nr - at) * sizeof(*ops));
	ops[at] = op;
	shift_refs(&ops[at + 1], nr - at, at, 1);
	return nr + 1;
}

static size_t delete_op(struct op *ops, size_t nr, size_t at)
{
	memmove(&ops[at], &ops[at + 1], (nr - at - 1) * sizeof(*ops));
	shift_refs(&ops[at], nr - at - 1, at + 1, -1);
	return nr - 1;
}

static size_t mutate_once(struct op *ops, size_t nr, size_t max)
{
	struct op op;
	size_t at;

	switch (nr ? roll(10) : 0) {
	case 0:
	case 1:
	case 2:
		/* At the end is where the most is there to work with. */
		at = chance(50) ? nr : roll(nr + 1);
		make_op(&op, ops, at);
		return insert_op(ops, nr, max, at, &op);
	case 3:
		return delete_op(ops, nr, roll(nr));
	case 4:
		op = ops[roll(nr)];
		at = chance(50) ? nr : roll(nr + 1);
		return insert_op(ops, nr, max, at, &op);
	case 5:
		at = roll(nr);
		op = ops[at];
		nr = delete_op(ops, nr, at);
		return insert_op(ops, nr, max, roll(nr + 1), &op);
	case 6:
		at = roll(nr);
		make_op(&op, ops, at);
		ops[at] = op;
		return nr;
	default:
		change_op(ops, roll(nr));
		return nr;
	}
}

size_t mutate_ops(struct op *ops, size_t nr, size_t max, unsigned int seed)
{
	state = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	for (uint64_t i = 1 + roll(chance(70) ? 3 : 8); i; i--)
		nr = mutate_once(ops, nr, max);
	return nr;
}

size_t cross_ops(const struct op *a, size_t nr_a, const struct op *b, size_t nr_b, struct op *out,
		 size_t max, unsigned int seed)
{
	size_t head, tail;

	state = seed * 0x9e3779b97f4a7c15ull + 0x7654321;
	/* All of b behind a part of a: its references still name its own operations. */
	head = roll(nr_a + 1);
	if (head > max)
		head = max;
	tail = nr_b < max - head ? nr_b : max - head;
	memcpy(out, a, head * sizeof(*out));
	memcpy(out + head, b, tail * sizeof(*out));
	shift_refs(out + head, tail, 0, (long)head);
	return head + tail;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* fuzz/ops.c - the table of operations, from ops.def */
#include "ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct op_shape op_shapes[OP_KINDS];

static const struct {
	const char *name;
	const char *args;
	const char *results;
} source[OP_KINDS] = {
#define OP(name, args, results) {#name, args, results},
#include OPS_DEF
#undef OP
};

static const struct {
	const char *name;
	enum arg_kind kind;
} kinds[] = {
	{"IOAS", ARG_IOAS},	{"STDEV", ARG_STDEV},	{"IDEV", ARG_IDEV},
	{"HWPT", ARG_HWPT},	{"FAULT", ARG_FAULT},	{"VDEV", ARG_VDEV},
	{"VIOMMU", ARG_VIOMMU}, {"VEVQ", ARG_VEVQ},	{"HWQ", ARG_HWQ},
	{"FD", ARG_FD},		{"ITEM", ARG_ITEM},	{"OFFSET", ARG_OFFSET},
	{"MAP", ARG_MAP},	{"ANY", ARG_ANY},	{"PT", ARG_PT},
	{"VA", ARG_VA},		{"IOVA", ARG_IOVA},	{"LEN", ARG_LEN},
	{"MAPFL", ARG_MAPFL},	{"ZERO", ARG_ZERO},	{"SMALL", ARG_SMALL},
	{"TYPE", ARG_TYPE},	{"PASID", ARG_PASID},	{"ARGSZ", ARG_ARGSZ},
	{"U64", ARG_U64},	{"REGION", ARG_REGION}, {"IRQFL", ARG_IRQFL},
	{"AT", ARG_AT},
};

static enum arg_kind kind_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].name) == length && !memcmp(kinds[i].name, name, length))
			return kinds[i].kind;
	fprintf(stderr, "ops.def: no kind of argument: %.*s\n", (int)length, name);
	abort();
}

/* The next "name:KIND"; NULL: there is none. */
static const char *next_arg(const char *at, const char **name, unsigned int *name_length,
			    enum arg_kind *kind)
{
	const char *colon;
	size_t length;

	while (*at == ' ')
		at++;
	if (!*at)
		return NULL;
	*name = at;
	colon = strchr(at, ':');
	*name_length = (unsigned int)(colon - at);
	length = strcspn(colon + 1, " ");
	*kind = kind_of(colon + 1, length);
	return colon + 1 + length;
}

void ops_init(void)
{
	for (unsigned int i = 0; i < OP_KINDS; i++) {
		struct op_shape *shape = &op_shapes[i];
		const char *at = source[i].args, *name;
		unsigned int length;

		shape->name = source[i].name;
		shape->nr_args = shape->nr_results = 0;
		while (shape->nr_args < OP_ARGS) {
			unsigned int nr = shape->nr_args;

			at = next_arg(at, &shape->arg_name[nr], &shape->arg_len[nr],
				      &shape->arg[nr]);
			if (!at)
				break;
			shape->nr_args++;
		}
		at = source[i].results;
		while (shape->nr_results < OP_RESULTS) {
			at = next_arg(at, &name, &length, &shape->result[shape->nr_results]);
			if (!at)
				break;
			shape->nr_results++;
		}
	}
}

bool arg_wants_ref(enum arg_kind arg)
{
	return arg != ARG_NONE && arg <= ARG_PT && arg != ARG_RESULTS && arg != ARG_AT;
}

bool arg_wants(enum arg_kind arg, enum arg_kind result)
{
	if (arg == ARG_ANY)
		return result <= ARG_HWQ;
	if (arg == ARG_PT)
		return result == ARG_IOAS || result == ARG_HWPT || result == ARG_VIOMMU;
	return arg == result;
}

void op_print(const struct op *op, size_t nr)
{
	static const char *const frames[] = {"",     "short", "bigz", "bignz", "badptr",
					     "null", "cross", "ro",   "min"};
	const struct op_shape *shape = &op_shapes[op->kind % OP_KINDS];

	fprintf(stderr, "%02zu %s", nr, shape->name);
	if (op->frame % FRAME_KINDS)
		fprintf(stderr, " [%s+%u]", frames[op->frame % FRAME_KINDS], op->frame_arg);
	if (op->fail)
		fprintf(stderr, " [fail %u]", op->fail);
	for (unsigned int i = 0; i < shape->nr_args; i++) {
		uint64_t arg = op->arg[i];

		fprintf(stderr, " %.*s=", (int)shape->arg_len[i], shape->arg_name[i]);
		if (arg_is_ref(arg))
			fprintf(stderr, "#%u.%u", (unsigned int)ref_op(arg), ref_result(arg));
		else if ((arg & TAG_MASK) == VA_TAG)
			fprintf(stderr, "b%u+%#llx", (unsigned int)(arg >> 40 & 0xff),
				(unsigned long long)(arg & 0xffffffffff));
		else
			fprintf(stderr, "%#llx", (unsigned long long)arg);
	}
	fprintf(stderr, "\n");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz/ops.h - what an input is: a row of operations
 *
 * An operation has up to seven arguments.  An argument that names an object names the
 * operation that made it (a reference), so that it stays right when operations before it
 * come and go; one that is an address names a buffer and an offset.  All other numbers
 * are meant as they are, so an input can say anything that a program could.
 */
#ifndef FUZZ_OPS_H
#define FUZZ_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OP_ARGS 7
#define OP_RESULTS 3
#define OPS_MAX 64

/* Each harness has a list of its own. */
#ifndef OPS_DEF
#define OPS_DEF "ops.def"
#endif

enum op_kind {
#define OP(name, args, results) OP_##name,
#include OPS_DEF
#undef OP
	OP_KINDS,
};

/* What an argument means; results are of the first ones. */
enum arg_kind {
	ARG_NONE,
	ARG_IOAS,
	ARG_STDEV,
	ARG_IDEV,
	ARG_HWPT,
	ARG_FAULT,
	ARG_VIOMMU,
	ARG_VDEV,
	ARG_VEVQ,
	ARG_HWQ,
	ARG_FD,
	ARG_ITEM,
	ARG_OFFSET,
	ARG_MAP,
	ARG_AT,	     /* an IOVA that was chosen */
	ARG_RESULTS, /* no kind */
	ARG_ANY,     /* an object of any kind */
	ARG_PT,	     /* IOAS, hwpt or viommu */
	ARG_VA,
	ARG_IOVA,
	ARG_LEN,
	ARG_MAPFL,
	ARG_ZERO, /* anything else is an error */
	ARG_SMALL,
	ARG_TYPE,
	ARG_PASID,
	ARG_ARGSZ,
	ARG_REGION, /* offset in a device file */
	ARG_IRQFL,  /* flags of SET_IRQS */
	ARG_U64,
};

/* How the argument of an iommufd ioctl is passed; as in tests/oracle. */
enum op_frame {
	FRAME_NONE,
	FRAME_SHORT,
	FRAME_BIGZ,
	FRAME_BIGNZ,
	FRAME_BADPTR,
	FRAME_NULL,
	FRAME_CROSS,
	FRAME_RO,
	FRAME_MIN,
	FRAME_KINDS,
};

/*
 *  kind	modulo OP_KINDS
 *  frame	modulo FRAME_KINDS; frame_arg: by how much
 *  fail	0, or which allocation in it fails
 */
struct op {
	uint8_t kind;
	uint8_t fail;
	uint8_t frame;
	uint8_t frame_arg;
	uint32_t unused;
	uint64_t arg[OP_ARGS];
};

_Static_assert(sizeof(struct op) == 64, "as seeds.py writes it");

/* A reference: to which operation, and which of its results. */
#define REF_TAG 0xfeed000000000000ull
#define TAG_MASK 0xffff000000000000ull

static inline bool arg_is_ref(uint64_t arg)
{
	return (arg & TAG_MASK) == REF_TAG;
}

static inline uint64_t ref_make(uint64_t op, unsigned int result)
{
	return REF_TAG | op << 8 | result;
}

static inline uint64_t ref_op(uint64_t ref)
{
	return (ref & ~TAG_MASK) >> 8;
}

static inline unsigned int ref_result(uint64_t ref)
{
	return ref & 0xff;
}

/* An address: buffer << 40, and an offset, which may lead out of it. */
#define VA_TAG 0xb0ff000000000000ull

struct op_shape {
	const char *name;
	unsigned int nr_args;
	unsigned int nr_results;
	const char *arg_name[OP_ARGS];
	unsigned int arg_len[OP_ARGS];
	enum arg_kind arg[OP_ARGS];
	enum arg_kind result[OP_RESULTS];
};

/* Filled by ops_init(). */
extern struct op_shape op_shapes[OP_KINDS];
void ops_init(void);

/* Is a result of that kind what the argument wants? */
bool arg_wants(enum arg_kind arg, enum arg_kind result);
bool arg_wants_ref(enum arg_kind arg);

void op_print(const struct op *op, size_t nr);

#endif /* FUZZ_OPS_H */

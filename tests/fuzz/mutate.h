/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz/mutate.h - inputs from inputs; all choices come from the seed
 */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include "ops.h"

/* In place, with room for @max.  Return: how many there are then. */
size_t mutate_ops(struct op *ops, size_t nr, size_t max, unsigned int seed);
size_t cross_ops(const struct op *a, size_t nr_a, const struct op *b, size_t nr_b, struct op *out,
		 size_t max, unsigned int seed);

#endif /* FUZZ_MUTATE_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/fuzzer.c - libFuzzer's side of the harnesses whose inputs are operations
 *
 * docs/testing.md says how to run them, and how to see what a finding does (FUZZ_TRACE=1).
 */
#include "fuzzer.h"

#include <string.h>

#include "mutate.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t size_a, const uint8_t *b, size_t size_b,
				 uint8_t *out, size_t max_size, unsigned int seed);
const char *__asan_default_options(void);

/* No memory is an error of the call, as without the sanitizer. */
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=256:detect_stack_use_after_"
	       "return=0:handle_abort=1";
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_init();
	return 0;
}

static size_t ops_of(const uint8_t *data, size_t size, struct op *ops)
{
	size_t nr = size / sizeof(*ops);

	if (nr > OPS_MAX)
		nr = OPS_MAX;
	memcpy(ops, data, nr * sizeof(*ops));
	for (size_t i = 0; i < nr; i++) {
		ops[i].kind %= OP_KINDS;
		ops[i].frame %= FRAME_KINDS;
	}
	return nr;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct op ops[OPS_MAX];
	size_t nr = ops_of(data, size, ops);

	fuzz_run(ops, nr);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	struct op ops[OPS_MAX];
	size_t max = max_size / sizeof(*ops), nr = ops_of(data, size, ops);

	nr = mutate_ops(ops, nr, max < OPS_MAX ? max : OPS_MAX, seed);
	memcpy(data, ops, nr * sizeof(*ops));
	return nr * sizeof(*ops);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t size_a, const uint8_t *b, size_t size_b,
				 uint8_t *out, size_t max_size, unsigned int seed)
{
	struct op first[OPS_MAX], second[OPS_MAX], result[OPS_MAX];
	size_t max = max_size / sizeof(*result);
	size_t nr = cross_ops(first, ops_of(a, size_a, first), second, ops_of(b, size_b, second),
			      result, max < OPS_MAX ? max : OPS_MAX, seed);

	memcpy(out, result, nr * sizeof(*result));
	return nr * sizeof(*result);
}

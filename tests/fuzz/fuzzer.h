/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz/fuzzer.h - what a harness of operations gives to libFuzzer (fuzzer.c) */
#ifndef FUZZ_FUZZER_H
#define FUZZ_FUZZER_H

#include "ops.h"

/* Once. */
void fuzz_init(void);
/* An input: kinds and frames are in range. */
void fuzz_run(const struct op *ops, size_t nr);

#endif /* FUZZ_FUZZER_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * replay FILE...: does what a harness does with these inputs, without libFuzzer
 *
 * So every build has the harnesses, and "make test" runs their first inputs.
 */
#include <stdio.h>

#include "fuzzer.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	static uint8_t data[OPS_MAX * sizeof(struct op)];

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		size_t size;

		if (!file) {
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, sizeof(data), file);
		fclose(file);
		/* The last line, if it is one of those that fail. */
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(data, size);
	}
	return 0;
}

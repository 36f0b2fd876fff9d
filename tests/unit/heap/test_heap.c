// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The shim's heap.  Each block is filled with what only it would have, so that two which
 * overlap are noticed.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "heap.h"

/* It isn't known where the arena is, but the client's heap is elsewhere. */
static bool from_client(const void *block)
{
	static uintptr_t one;
	uintptr_t at = (uintptr_t)block;

	if (!one) {
		void *first = malloc(1);

		one = (uintptr_t)first;
		free(first);
	}
	return at < one - (1ull << 30) || at >= one + (1ull << 30);
}

static void fill(uint8_t *block, size_t size, uint32_t key)
{
	for (size_t i = 0; i < size; i++)
		block[i] = (uint8_t)(key * 31 + i);
}

static bool filled(const uint8_t *block, size_t size, uint32_t key)
{
	for (size_t i = 0; i < size; i++) {
		if (block[i] != (uint8_t)(key * 31 + i))
			return false;
	}
	return true;
}

/* Sizes around each step. */
static size_t size_nr(unsigned int n)
{
	static const size_t around[] = {1,    16,   24,	   512,	  640,	 1024,
					4096, 8192, 12288, 16384, 131072};
	const unsigned int steps = sizeof(around) / sizeof(around[0]);

	return around[n % steps] + n / steps % 3 - 1;
}

static void test_sizes(void **state)
{
	uint8_t *blocks[330];
	unsigned int n, round;

	for (round = 0; round < 3; round++) {
		for (n = 0; n < 330; n++) {
			blocks[n] = malloc(size_nr(n));
			assert_non_null(blocks[n]);
			assert_int_equal((uintptr_t)blocks[n] % 16, 0);
			assert_false(from_client(blocks[n]));
			fill(blocks[n], size_nr(n), n);
		}
		for (n = 0; n < 330; n++) {
			assert_true(filled(blocks[n], size_nr(n), n));
			free(blocks[n]);
		}
	}
	free(NULL);
}

/* What was freed comes back, so a loop needs no more memory; and zeroed if that was asked for. */
static void test_again(void **state)
{
	static const uint8_t zeros[300000];
	volatile size_t too_many = SIZE_MAX / 2;
	void *volatile none; /* else clang knows that there is enough for who doesn't look */
	unsigned int n;

	for (n = 0; n < 33; n++) {
		uint8_t *block = malloc(size_nr(n)), *again;

		fill(block, size_nr(n), 7);
		free(block);
		again = calloc(1, size_nr(n));
		assert_ptr_equal(again, block);
		assert_memory_equal(again, zeros, size_nr(n));
		free(again);
	}
	for (n = 0; n < 100000; n++) {
		void *block = malloc(100000);

		assert_non_null(block);
		assert_false(from_client(block));
		free(block);
	}
	none = calloc(too_many, 3);
	assert_null(none);
}

static void test_grows(void **state)
{
	uint8_t *block = realloc(NULL, 10), *more;
	size_t size;

	assert_non_null(block);
	for (size = 10; size < 100000; size = size * 3 / 2) {
		fill(block, size, 3);
		more = realloc(block, size * 3 / 2);
		assert_non_null(more);
		assert_true(filled(more, size, 3));
		block = more;
	}
	more = realloc(block, 10);
	assert_true(filled(more, 10, 3));
	free(more);
}

static void test_aligned(void **state)
{
	size_t align, size;

	for (align = 16; align <= 4096; align *= 2) {
		for (size = 1; size < 9000; size = size * 2 + 1) {
			uint8_t *block = aligned_alloc(align, size), *second;

			second = aligned_alloc(align, size);
			assert_int_equal((uintptr_t)block % align, 0);
			assert_int_equal((uintptr_t)second % align, 0);
			fill(block, size, 1);
			fill(second, size, 2);
			assert_true(filled(block, size, 1));
			free(block);
			free(second);
		}
	}
}

/* What isn't ours goes back to where it came from; what is too large comes from there. */
static void test_foreign(void **state)
{
	char *text = NULL;
	uint8_t *large = malloc(65ul << 20);

	assert_true(asprintf(&text, "%s", "of libc") == 7);
	assert_true(from_client(text));
	text = realloc(text, 100);
	assert_string_equal(text, "of libc");
	free(text);
	text = strdup("a copy");
	assert_false(from_client(text));
	assert_string_equal(text, "a copy");
	free(text);
	text = heap_of_client(20);
	assert_true(from_client(text));
	free(text);
	assert_non_null(large);
	large[65ul << 20 >> 1] = 1;
	free(large);
}

/* ---- several at once ---- */

/* All of one size, so that they meet in one list. */
#define THREADS 4
#define HELD 64
#define ROUNDS 400000

static void *churn(void *arg)
{
	uint8_t *held[HELD] = {NULL};
	uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u, i;
	uintptr_t bad = 0;

	for (i = 0; i < ROUNDS; i++) {
		unsigned int n;

		random = random * 1103515245 + 12345;
		n = random >> 16 & (HELD - 1);
		if (held[n]) {
			bad += !filled(held[n], 8 + n % 8, n);
			free(held[n]);
			held[n] = NULL;
		} else {
			held[n] = malloc(8 + n % 8);
			fill(held[n], 8 + n % 8, n);
		}
	}
	for (i = 0; i < HELD; i++)
		free(held[i]);
	return (void *)bad;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t i;
	void *bad;
	pid_t child;
	int status;

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	/* In a child it works whatever they were in the middle of. */
	for (i = 0; i < 20; i++) {
		child = fork();
		if (!child)
			_exit(churn((void *)i) != NULL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	cmocka_unit_test(test_again),
		cmocka_unit_test(test_grows),	cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

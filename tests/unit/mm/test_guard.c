// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Guarded code itself: each length, at each distance from the end of memory, either
 * side faulting, must say exactly how many bytes were copied, and copy those.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/guard.h"

#define LENGTHS 300

static void fill(char *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + seed);
}

static void check_copy(char *dst, const char *src, size_t length, size_t possible)
{
	size_t left = mm_guard_copy(dst, src, length);

	assert_int_equal(left, length - possible);
	if (possible)
		assert_memory_equal(dst, src, possible);
}

static void test_copy(void **state)
{
	char *pages = fixture_pages(2), *end = pages + 2 * PAGE;
	static char whole[LENGTHS + 17], *buf = whole + 16;

	(void)state;
	fixture_guard(true);
	for (size_t length = 0; length < LENGTHS; length++) {
		/* Room enough, and nothing beside it is touched. */
		memset(whole, 0x55, sizeof(whole));
		fill(pages, PAGE, (unsigned int)length);
		check_copy(buf, pages + 64, length, length);
		assert_int_equal(buf[-1], 0x55);
		assert_int_equal(buf[length], 0x55);
		for (size_t room = 0; room <= length; room++) {
			/* The source ends after room bytes. */
			fill(end - room, room, (unsigned int)length);
			memset(whole, 0x55, sizeof(whole));
			check_copy(buf, end - room, length, room);
			assert_int_equal(buf[-1], 0x55);
			assert_int_equal(buf[room], 0x55);
			/* The destination does. */
			fill(buf, length, (unsigned int)room);
			memset(end - room - 16, 0x77, room + 16);
			check_copy(end - room, buf, length, room);
			assert_int_equal(end[-(long)room - 1], 0x77);
		}
	}
	/* At once, or far away. */
	check_copy(buf, NULL, 8, 0);
	check_copy(buf, (char *)0x8000000000000000ull, 8, 0);
	check_copy((char *)0xffffffffffffff00ull, buf, 100, 0);
	check_copy(pages - 1, buf, 20, 0);
	fixture_unmap(pages, 2);
}

static void test_copy_long(void **state)
{
	char *from = fixture_pages(300), *to = fixture_pages(300);

	(void)state;
	fixture_guard(true);
	fill(from, 300 * PAGE, 1);
	check_copy(to, from, 300 * PAGE, 300 * PAGE);
	check_copy(to + 1, from, 300 * PAGE, 300 * PAGE - 1);
	munmap(from + 200 * PAGE, PAGE);
	check_copy(to, from + 5, 300 * PAGE - 5, 200 * PAGE - 5);
	mprotect(to + 100 * PAGE, PAGE, PROT_READ);
	check_copy(to + 9, from, 300 * PAGE - 9, 100 * PAGE - 9);
	fixture_unmap(from, 300);
	fixture_unmap(to, 300);
}

static void test_sigbus(void **state)
{
	int fd = memfd_create("test", 0);
	char buf[64] = {0}, *p;

	(void)state;
	fixture_guard(true);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(p, MAP_FAILED);
	check_copy(p + PAGE - 10, buf, 64, 10);
	check_copy(buf, p + PAGE - 3, 7, 3);
	assert_int_equal(mm_guard_load8(p + PAGE).fault, 1);
	assert_int_equal(mm_guard_store1(p + PAGE, 1), 1);
	munmap(p, 2 * PAGE);
	close(fd);
}

static void test_words(void **state)
{
	char *pages = fixture_pages(1), *end = pages + PAGE;
	uint64_t value = 0x1122334455667788ull;
	struct mm_guard_value got;

	(void)state;
	fixture_guard(true);
	memset(pages, 0xff, PAGE);
	assert_int_equal(mm_guard_store1(pages, value), 0);
	assert_memory_equal(pages, "\x88\xff", 2);
	assert_int_equal(mm_guard_store2(pages, value), 0);
	assert_memory_equal(pages, "\x88\x77\xff", 3);
	assert_int_equal(mm_guard_store4(pages, value), 0);
	assert_memory_equal(pages, "\x88\x77\x66\x55\xff", 5);
	assert_int_equal(mm_guard_store8(pages, value), 0);
	assert_memory_equal(pages, "\x88\x77\x66\x55\x44\x33\x22\x11\xff", 9);

	got = mm_guard_load1(pages);
	assert_true(got.value == 0x88 && !got.fault);
	got = mm_guard_load2(pages);
	assert_true(got.value == 0x7788 && !got.fault);
	got = mm_guard_load4(pages);
	assert_true(got.value == 0x55667788 && !got.fault);
	got = mm_guard_load8(pages);
	assert_true(got.value == value && !got.fault);

	assert_true(mm_guard_load1(end).fault);
	assert_true(mm_guard_load2(end).fault);
	assert_true(mm_guard_load4(end).fault);
	assert_true(mm_guard_load8(end).fault);
	assert_true(mm_guard_store1(end, 1));
	assert_true(mm_guard_store2(end, 1));
	assert_true(mm_guard_store4(end, 1));
	assert_true(mm_guard_store8(end, 1));
	fixture_unmap(pages, 1);
}

/* Faults of anybody else stay theirs. */
static void test_not_ours(void **state)
{
	char *pages = fixture_pages(1);
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		fixture_guard(true);
		*(volatile char *)(pages + PAGE) = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	fixture_unmap(pages, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),	 cmocka_unit_test(test_copy_long),
		cmocka_unit_test(test_sigbus),	 cmocka_unit_test(test_words),
		cmocka_unit_test(test_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

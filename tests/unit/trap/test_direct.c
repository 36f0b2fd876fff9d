/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stores of 64 bytes, on processors that have them and on those that haven't; and what is
 * left of SIGILL for the client.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "fake.h"
#include "signals.h"
#include "trap.h"
#include "valgrind.h"

static struct fake fake;
static uint8_t *bar;
static uint8_t source[64] __attribute__((aligned(64)));

static sigjmp_buf back;
static volatile int got_code;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	got_code = info->si_code;
	siglongjmp(back, sig);
}

static void catch (int sig)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};

	assert_int_equal(sigaction(sig, &act, NULL), 0);
}

/* As programs have them that are made by assemblers which don't know them. */
static void movdir64b(void *to, const void *from)
{
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" : : "a"(to), "d"(from) : "memory");
}

static bool enqcmd(void *to, const void *from)
{
	bool again;

	__asm__ volatile(".byte 0xf2, 0x0f, 0x38, 0xf8, 0x02"
			 : "=@ccz"(again)
			 : "a"(to), "d"(from)
			 : "memory");
	return again;
}

static void movdiri(void *to, uint32_t value)
{
	__asm__ volatile(".byte 0x0f, 0x38, 0xf9, 0x02" : : "a"(value), "d"(to) : "memory");
}

static int prepare(void **arg)
{
	for (int i = 0; i < 64; i++)
		source[i] = (uint8_t)(i * 5 + 1);
	memset(fake.bytes, 0, sizeof(fake.bytes));
	fake.count = 0;
	fake.enqueue_rc = 0;
	return 0;
}

static void test_block(void **arg)
{
	movdir64b(bar + 128, source);
	assert_int_equal(fake.count, 1);
	assert_int_equal(fake.log[0].size, 64);
	assert_int_equal(fake.log[0].offset, 128);
	assert_memory_equal(fake.bytes + 128, source, 64);
	movdiri(bar + 4, 0x12345678);
	assert_int_equal(fake.count, 2);
	assert_int_equal(fake.log[1].size, 4);
	assert_int_equal(fake.log[1].value, 0x12345678);
	/* From a BAR into one: eight loads, one store. */
	movdir64b(bar + 192, bar + 128);
	assert_int_equal(fake.count, 11);
	assert_int_equal(fake.log[10].size, 64);
	assert_memory_equal(fake.bytes + 192, source, 64);
}

/* A shared page is memory. */
static void test_memory(void **arg)
{
	static uint8_t to[128] __attribute__((aligned(64)));

	movdir64b(to + 64, source);
	assert_memory_equal(to + 64, source, 64);
	assert_int_equal(to[63], 0);
	movdiri(to, 7);
	assert_int_equal(to[0], 7);
	assert_int_equal(fake.count, 0);
}

static void test_enqueue(void **arg)
{
	assert_false(enqcmd(bar + 64, source));
	assert_int_equal(fake.count, 1);
	assert_memory_equal(fake.bytes + 64, source, 64);
	fake.enqueue_rc = -EAGAIN;
	assert_true(enqcmd(bar + 64, source));
	assert_int_equal(fake.count, 1);
}

static void test_faults(void **arg)
{
	catch (SIGSEGV);
	catch (SIGBUS);
	got_code = 0;
	if (!sigsetjmp(back, 1)) {
		movdir64b(bar + 8, source);
		fail();
	}
	assert_int_equal(got_code, SI_KERNEL);
	fake.enqueue_rc = -EPERM;
	got_code = 0;
	if (!sigsetjmp(back, 1)) {
		enqcmd(bar, source);
		fail();
	}
	assert_int_equal(got_code, SI_KERNEL);
	if (!sigsetjmp(back, 1)) {
		movdir64b(bar, (void *)8);
		fail();
	}
	assert_int_equal(got_code, SEGV_MAPERR);
	fake.fail = true;
	if (!sigsetjmp(back, 1)) {
		movdir64b(bar, source);
		fail();
	}
	fake.fail = false;
	assert_int_equal(got_code, BUS_ADRERR);
	assert_int_equal(fake.count, 0);
}

/* The client's SIGILL is as if nobody else wanted it. */
static void test_sigill(void **arg)
{
	struct sigaction was;
	sigset_t set, old;

	catch (SIGILL);
	assert_int_equal(sigaction(SIGILL, NULL, &was), 0);
	assert_ptr_equal(was.sa_sigaction, on_signal);
	if (sigsetjmp(back, 1) != SIGILL) {
		__asm__ volatile("ud2");
		fail();
	}
	assert_int_equal(got_code, ILL_ILLOPN);
	if (sigsetjmp(back, 1) != SIGILL) {
		raise(SIGILL);
		fail();
	}
	sigemptyset(&set);
	sigaddset(&set, SIGILL);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	/* Blocked, and yet it is done. */
	movdir64b(bar, source);
	assert_int_equal(fake.count, 1);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &old), 0);
	assert_int_equal(sigismember(&old, SIGILL), 1);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

static int setup(void **arg)
{
	void *out;

	signals_init(true);
	trap_init();
	fake_init(&fake);
	if (trap_map(&fake.mapping, NULL, FAKE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, &out))
		return -1;
	bar = out;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_block, prepare),
		cmocka_unit_test_setup(test_memory, prepare),
		cmocka_unit_test_setup(test_enqueue, prepare),
		cmocka_unit_test_setup(test_faults, prepare),
		cmocka_unit_test_setup(test_sigill, prepare),
	};

	/* It knows none of these instructions. */
	if (valgrind_running())
		return 77;
	return cmocka_run_group_tests(tests, setup, NULL);
}

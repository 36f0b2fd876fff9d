/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ranges that trap: mapping and cutting them, what the client is told when an
 * access fails, threads that unmap under others' accesses, little stacks.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "fake.h"
#include "signals.h"
#include "trap.h"
#include "trap_mem.h"
#include "valgrind.h"

#define RW (PROT_READ | PROT_WRITE)

static struct fake the_fake;

/* A trapped access changes it, which the compiler can't know. */
static struct fake *settled(void)
{
	__asm__ volatile("" : : : "memory");
	return &the_fake;
}

#define dev (*settled())

static volatile uint32_t *map_fake(int prot)
{
	void *out;

	fake_init(&dev);
	assert_int_equal(trap_map(&dev.mapping, NULL, FAKE_SIZE, prot, MAP_SHARED, &out), 0);
	return out;
}

static void unmap(const volatile void *addr, size_t len)
{
	assert_int_equal(trap_unmap((void *)(uintptr_t)addr, len), 1);
	munmap((void *)(uintptr_t)addr, len);
	trap_unmapped();
}

/* ---- a client's handler ---- */

static sigjmp_buf jump;
static volatile sig_atomic_t seen_sig, seen_code;
static void *volatile seen_addr;
static volatile unsigned long seen_err, seen_trapno;

static void jump_out(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	seen_sig = sig;
	seen_code = info->si_code;
	seen_addr = info->si_addr;
	seen_err = (unsigned long)uc->uc_mcontext.gregs[REG_ERR];
	seen_trapno = (unsigned long)uc->uc_mcontext.gregs[REG_TRAPNO];
	siglongjmp(jump, 1);
}

static void catch (int flags)
{
	struct sigaction act = {.sa_sigaction = jump_out, .sa_flags = SA_SIGINFO | flags};

	seen_sig = 0;
	assert_int_equal(sigaction(SIGSEGV, &act, NULL), 0);
	assert_int_equal(sigaction(SIGBUS, &act, NULL), 0);
}

static void uncatch(void)
{
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
}

#define EXPECT(sig, code, addr, access)                                                            \
	do {                                                                                       \
		seen_sig = 0;                                                                      \
		if (!sigsetjmp(jump, 1)) {                                                         \
			access;                                                                    \
			fail();                                                                    \
		}                                                                                  \
		assert_int_equal(seen_sig, sig);                                                   \
		assert_int_equal(seen_code, code);                                                 \
		assert_ptr_equal(seen_addr, addr);                                                 \
	} while (0)

/* ---- access ---- */

static void test_access(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	uint32_t value;

	errno = E2BIG;
	bar[3] = 0x12345678;
	value = bar[3];
	assert_int_equal(value, 0x12345678);
	assert_int_equal(errno, E2BIG);
	assert_int_equal(dev.count, 2);
	assert_true(dev.log[0].write && !dev.log[1].write);
	assert_int_equal(dev.log[0].offset, 12);
	assert_int_equal(dev.log[0].size, 4);
	assert_int_equal(dev.log[0].value, 0x12345678);
	unmap(bar, FAKE_SIZE);
	assert_int_equal(dev.released, 1);
}

/* The access is the first instruction of a function, as valgrind's chasing dislikes it. */
uint32_t first_load(const volatile uint32_t *p);
__asm__(".text\n"
	".type first_load, @function\n"
	"first_load:\n"
	"	movl (%rdi), %eax\n"
	"	ret\n");

static void test_first(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);

	((uint32_t *)dev.bytes)[5] = 0x55667788;
	assert_int_equal(first_load(&bar[5]), 0x55667788);
	unmap(bar, FAKE_SIZE);
}

/* A misaligned one is cut into aligned pieces, 16 bytes into two. */
static void test_pieces(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	uint64_t low = 1;

	__asm__ volatile("movl %1, 1(%0)" : : "r"(bar), "r"(0x44332211) : "memory");
	assert_int_equal(dev.count, 3);
	assert_int_equal(dev.log[0].size, 1);
	assert_int_equal(dev.log[0].value, 0x11);
	assert_int_equal(dev.log[1].size, 2);
	assert_int_equal(dev.log[1].value, 0x3322);
	assert_int_equal(dev.log[2].size, 1);
	dev.count = 0;
	__asm__ volatile("movq %1, %%xmm0; movhps %1, %%xmm0; movups %%xmm0, (%0)"
			 :
			 : "r"(bar), "m"(low)
			 : "memory", "xmm0");
	assert_int_equal(dev.count, 3 - 1);
	assert_int_equal(dev.log[0].offset, 0);
	assert_int_equal(dev.log[0].size, 8);
	assert_int_equal(dev.log[1].offset, 8);
	unmap(bar, FAKE_SIZE);
}

/* Begins in memory and ends in the range, and the reverse. */
static void test_across(void **arg)
{
	uint8_t *mem = mmap(NULL, FAKE_SIZE + 8192, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *out;
	uint64_t v = 0;

	fake_init(&dev);
	assert_int_equal(
		trap_map(&dev.mapping, mem + 4096, FAKE_SIZE, RW, MAP_SHARED | MAP_FIXED, &out), 0);
	assert_ptr_equal(out, mem + 4096);
	mem[4095] = 0x77;
	dev.bytes[0] = 0x88;
	__asm__ volatile("movw 4095(%1), %w0" : "+r"(v) : "r"(mem) : "memory");
	assert_int_equal(v, 0x8877);
	v = 0x1122334455667788;
	__asm__ volatile("movq %0, 4092(%1)" : : "r"(v), "r"(mem + FAKE_SIZE) : "memory");
	assert_int_equal(*(uint32_t *)(mem + 4096 + FAKE_SIZE), 0x11223344);
	assert_int_equal(*(uint32_t *)(dev.bytes + FAKE_SIZE - 4), 0x55667788);
	unmap(mem + 4096, FAKE_SIZE);
	munmap(mem, FAKE_SIZE + 8192);
}

/* ---- ranges ---- */

static void test_cut(void **arg)
{
	uint8_t *bar = (uint8_t *)(uintptr_t)map_fake(RW);

	assert_true(trap_overlaps(bar + 100, 1));
	assert_false(trap_overlaps(bar - 4096, 4096));
	assert_false(trap_overlaps(bar + FAKE_SIZE, 4096));
	assert_int_equal(trap_unmap(bar + FAKE_SIZE, 4096), 0);
	unmap(bar, 4096);
	assert_int_equal(dev.released, 0);
	assert_false(trap_overlaps(bar, 4096));
	*(volatile uint8_t *)(bar + 4096 + 5) = 9;
	assert_int_equal(dev.bytes[4096 + 5], 9);
	catch (0);
	EXPECT(SIGSEGV, SEGV_MAPERR, bar + 8, *(volatile uint8_t *)(bar + 8));
	uncatch();
	unmap(bar + 4096, 4096);
	assert_int_equal(dev.released, 1);
}

static void test_cut_middle(void **arg)
{
	static struct fake big;
	uint8_t *bar;
	void *out;

	fake_init(&big);
	assert_int_equal(trap_map(&big.mapping, NULL, 3 * 4096, RW, MAP_SHARED, &out), 0);
	bar = out;
	unmap(bar + 4096, 4096);
	assert_true(trap_overlaps(bar, 4096));
	assert_true(trap_overlaps(bar + 8192, 4096));
	assert_false(trap_overlaps(bar + 4096, 4096));
	assert_int_equal(big.released, 0);
	*(volatile uint8_t *)bar = 1;
	assert_int_equal(big.log[0].offset, 0);
	/* Everything at once. */
	assert_int_equal(trap_unmap((void *)4096, (size_t)-8192), 1);
	trap_unmapped();
	assert_int_equal(big.released, 1);
	munmap(bar, 3 * 4096);
}

static void test_fixed_over(void **arg)
{
	static struct fake second;
	volatile uint32_t *bar = map_fake(RW);
	void *out;

	fake_init(&second);
	assert_int_equal(trap_map(&second.mapping, (void *)(uintptr_t)bar, 4096, RW,
				  MAP_SHARED | MAP_FIXED, &out),
			 0);
	assert_ptr_equal(out, bar);
	bar[0] = 1;
	bar[1024] = 2;
	assert_int_equal(second.count, 1);
	assert_int_equal(dev.count, 1);
	assert_int_equal(trap_map(&second.mapping, (void *)(uintptr_t)bar, 4096, RW,
				  MAP_SHARED | MAP_FIXED_NOREPLACE, &out),
			 -EEXIST);
	unmap(bar, FAKE_SIZE);
	assert_int_equal(dev.released, 1);
	assert_int_equal(second.released, 1);
}

static void test_remap(void **arg)
{
	uint8_t *bar = (uint8_t *)(uintptr_t)map_fake(RW), *to;
	void *out;

	to = mmap(NULL, FAKE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(trap_remap(to, 4096, 8192, 0, NULL, &out), 0);
	assert_int_equal(trap_remap(bar, FAKE_SIZE, 2 * FAKE_SIZE, MREMAP_MAYMOVE, NULL, &out),
			 -EFAULT);
	assert_int_equal(
		trap_remap(bar, FAKE_SIZE, FAKE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to, &out), 1);
	assert_ptr_equal(out, to);
	assert_false(trap_overlaps(bar, FAKE_SIZE));
	*(volatile uint16_t *)(to + 4096) = 0xabcd;
	assert_int_equal(dev.count, 1);
	assert_int_equal(dev.log[0].offset, 4096);
	assert_int_equal(trap_remap(to, FAKE_SIZE, 4096, 0, NULL, &out), 1);
	assert_false(trap_overlaps(to + 4096, 4096));
	assert_true(trap_overlaps(to, 4096));
	assert_int_equal(dev.released, 0);
	unmap(to, 4096);
	assert_int_equal(dev.released, 1);
}

static void test_protect(void **arg)
{
	volatile uint32_t *bar = map_fake(PROT_READ);
	void *p = (void *)(uintptr_t)bar;

	catch (0);
	assert_int_equal(bar[0], 0);
	EXPECT(SIGSEGV, SEGV_ACCERR, (void *)(uintptr_t)&bar[5], bar[5] = 1);
	assert_int_equal(seen_trapno, 14);
	assert_int_equal(seen_err & 2, 2);
	EXPECT(SIGSEGV, SEGV_ACCERR, (void *)(uintptr_t)&bar[5],
	       __asm__ volatile("addl $1, %0"
				: "+m"(bar[5])));
	assert_int_equal(dev.count, 1);
	assert_int_equal(trap_protect(p, 4096, RW), 1);
	bar[5] = 1;
	EXPECT(SIGSEGV, SEGV_ACCERR, (void *)(uintptr_t)&bar[1024], bar[1024] = 1);
	assert_int_equal(trap_protect(p, FAKE_SIZE, PROT_NONE), 1);
	EXPECT(SIGSEGV, SEGV_ACCERR, (void *)(uintptr_t)&bar[5], (void)bar[5]);
	assert_int_equal(trap_protect(p, FAKE_SIZE, RW), 1);
	bar[1024] = 1;
	assert_int_equal(trap_protect(&the_fake, 4096, RW), 0);
	uncatch();
	unmap(bar, FAKE_SIZE);
	assert_int_equal(dev.released, 1);
}

/* ---- failures ---- */

static void test_io_error(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);

	catch (0);
	dev.fail = true;
	EXPECT(SIGBUS, BUS_ADRERR, (void *)(uintptr_t)&bar[7], (void)bar[7]);
	EXPECT(SIGBUS, BUS_ADRERR, (void *)(uintptr_t)&bar[9], bar[9] = 1);
	dev.fail = false;
	bar[7] = 3;
	assert_int_equal(bar[7], 3);
	uncatch();
	unmap(bar, FAKE_SIZE);
}

/* The other side of a movs is the client's, and so is its fault. */
static void test_other_side(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	uint8_t *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const void *from = (void *)(uintptr_t)bar;
	void *to = ro + 16;
	unsigned long count = 4;

	catch (0);
	EXPECT(SIGSEGV, SEGV_ACCERR, ro + 16,
	       __asm__ volatile("rep movsl"
				: "+D"(to), "+S"(from), "+c"(count)
				:
				: "memory"));
	assert_int_equal(dev.count, 0);
	assert_int_equal(seen_err & 2, 2);
	uncatch();
	munmap(ro, 4096);
	unmap(bar, FAKE_SIZE);
}

/* Elements before the one that fails were done; the registers say so. */
static uint64_t at_rcx;

static void note_rcx(int sig, siginfo_t *info, void *context)
{
	at_rcx = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RCX];
	siglongjmp(jump, 1);
}

static void test_rep_part(void **arg)
{
	uint8_t *mem = mmap(NULL, 8192, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile uint32_t *bar = map_fake(RW);
	const void *from = (void *)(uintptr_t)bar;
	struct sigaction act = {.sa_sigaction = note_rcx, .sa_flags = SA_SIGINFO};
	void *to = mem + 4096 - 12;
	unsigned long count = 10;

	if (valgrind_running())
		skip();
	munmap(mem + 4096, 4096);
	sigaction(SIGSEGV, &act, NULL);
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
		fail();
	}
	assert_int_equal(at_rcx, 7);
	assert_int_equal(dev.count, 3);
	uncatch();
	munmap(mem, 4096);
	unmap(bar, FAKE_SIZE);
}

/* What a child writes to stderr, and how it ends. */
static int in_child(void (*fn)(void *arg), void *arg, char *text, size_t size)
{
	int pipes[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		for (int sig = 1; sig < 32; sig++)
			if (sig != SIGSEGV && sig != SIGBUS)
				signal(sig, SIG_DFL);
		uncatch();
		dup2(pipes[1], 2);
		fn(arg);
		_exit(0);
	}
	close(pipes[1]);
	n = read(pipes[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void control_load(void *p)
{
	volatile uint32_t *bar = map_fake(RW);

	__asm__ volatile("ldmxcsr 8(%0)" : : "r"(bar));
}

static void test_unknown(void **arg)
{
	char text[512];
	int status = in_child(control_load, NULL, text, sizeof(text));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	assert_non_null(strstr(text, "offset 0x8"));
	assert_non_null(strstr(text, "ldmxcsr"));
	assert_non_null(strstr(text, "bytes 0f ae "));
	if (!valgrind_running())
		assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static volatile int *volatile nowhere = (volatile int *)8;

static void null_store(void *p)
{
	*nowhere = 1;
}

static void read_only_store(void *p)
{
	volatile uint32_t *bar = map_fake(PROT_READ);

	bar[1] = 1;
}

static void kill_self(void *p)
{
	kill(getpid(), SIGSEGV);
	pause();
}

static void raise_bus(void *p)
{
	raise(SIGBUS);
}

static void blocked_fault(void *p)
{
	sigset_t set;

	catch (0);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!sigsetjmp(jump, 1))
		*nowhere = 1;
	_exit(3);
}

static void ignored_fault(void *p)
{
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	*nowhere = 1;
}

static void recursing(int sig)
{
	*nowhere = 1;
}

static void recursive_fault(void *p)
{
	signal(SIGSEGV, recursing);
	*nowhere = 1;
}

static void test_default(void **arg)
{
	static const struct {
		void (*fn)(void *p);
		int sig;
	} ends[] = {
		{null_store, SIGSEGV},	    {read_only_store, SIGSEGV}, {kill_self, SIGSEGV},
		{raise_bus, SIGBUS},	    {blocked_fault, SIGSEGV},	{ignored_fault, SIGSEGV},
		{recursive_fault, SIGSEGV},
	};
	char text[512];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		int status = in_child(ends[i].fn, NULL, text, sizeof(text));

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), ends[i].sig);
		/* Valgrind tells of each. */
		if (!valgrind_running())
			assert_string_equal(text, "");
	}
}

/* A division that can't be is the client's SIGFPE, where it is. */
static void test_divide(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	struct sigaction act = {.sa_sigaction = jump_out, .sa_flags = SA_SIGINFO};
	uint32_t a = 5, d = 0;

	sigaction(SIGFPE, &act, NULL);
	seen_sig = 0;
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("divl (%2)" : "+a"(a), "+d"(d) : "r"(bar) : "cc");
		fail();
	}
	assert_int_equal(seen_sig, SIGFPE);
	assert_int_equal(seen_code, valgrind_running() ? SI_TKILL : FPE_INTDIV);
	signal(SIGFPE, SIG_DFL);
	unmap(bar, FAKE_SIZE);
}

/* A debugger's breakpoint on the instruction doesn't hide it. */
extern uint8_t some_code[];
__asm__(".text\n"
	".p2align 12\n"
	"some_code:\n"
	"	movl $0x12345678, (%rdi)\n"
	"	ret\n"
	".p2align 12\n");

static void test_breakpoint(void **arg)
{
	volatile uint8_t *code = some_code;
	uint8_t was[15], got[15], first = code[0], fourth = code[3];

#ifdef __SANITIZE_THREAD__
	/* It has no shadow for code. */
	skip();
#endif
	memcpy(was, some_code, sizeof(was));
	assert_int_equal(trap_code((uintptr_t)code, got), 15);
	assert_memory_equal(got, was, 15);
	assert_int_equal(mprotect(some_code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	code[0] = 0xcc;
	code[3] = 0xcc;
	assert_int_equal(trap_code((uintptr_t)code, got), 15);
	code[0] = first;
	code[3] = fourth;
	mprotect(some_code, 4096, PROT_READ | PROT_EXEC);
	assert_memory_equal(got, was, 15);
}

/* ---- stacks ---- */

static volatile uintptr_t hook_sp;

static void hungry(struct fake *f)
{
	volatile char room[10000];

	memset((char *)(uintptr_t)room, 1, sizeof(room));
	hook_sp = (uintptr_t)__builtin_frame_address(0);
}

static void test_small_stack(void **arg)
{
	static uint8_t guard[4096 * 4] __attribute__((aligned(4096)));
	stack_t ss = {.ss_sp = guard + 4096, .ss_size = 8192}, now, off = {.ss_flags = SS_DISABLE};
	volatile uint32_t *bar = map_fake(RW);

#ifdef __SANITIZE_ADDRESS__
	/* Its frames need more than any such stack has. */
	unmap(bar, FAKE_SIZE);
	skip();
#endif
	dev.hook = hungry;
	mprotect(guard, 4096, PROT_NONE);
	assert_int_equal(sigaltstack(&ss, NULL), 0);
	for (int i = 0; i < 3; i++) {
		bar[2] = 5;
		assert_int_equal(bar[2], 5);
		assert_int_equal(sigaltstack(NULL, &now), 0);
		assert_ptr_equal(now.ss_sp, ss.ss_sp);
		assert_int_equal(now.ss_flags, 0);
	}
	assert_false(hook_sp - (uintptr_t)guard < sizeof(guard));
	dev.fail = true;
	catch (SA_ONSTACK);
	EXPECT(SIGBUS, BUS_ADRERR, (void *)(uintptr_t)&bar[7], (void)bar[7]);
	dev.fail = false;
	assert_int_equal(sigaltstack(NULL, &now), 0);
	assert_int_equal(now.ss_flags, 0);
	bar[2] = 6;
	uncatch();
	sigaltstack(&off, NULL);
	mprotect(guard, 4096, RW);
	unmap(bar, FAKE_SIZE);
}

static volatile int deep = 1;

static int overflow(int n)
{
	volatile char room[4096];

	room[0] = (char)n;
	room[4095] = (char)n;
	return deep ? overflow(n + 1) + room[0] : 0;
}

/* A client that looks out for its own stack overflow still can. */
static void test_overflow(void **arg)
{
	static uint8_t alt[65536];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)}, off = {.ss_flags = SS_DISABLE};

	if (valgrind_running())
		skip();
	sigaltstack(&ss, NULL);
	catch (SA_ONSTACK);
	if (!sigsetjmp(jump, 1))
		overflow(0);
	assert_int_equal(seen_sig, SIGSEGV);
	uncatch();
	sigaltstack(&off, NULL);
}

/* ---- threads ---- */

static int stop;

static void *hammer(void *arg)
{
	volatile uint64_t *bar = arg;
	uint64_t n = 0;

	while (!ui_load_relaxed(&stop))
		__atomic_fetch_add(&bar[0], 1, __ATOMIC_SEQ_CST), n++;
	return (void *)(uintptr_t)n;
}

/* Locked counting loses nothing. */
static void test_counting(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	pthread_t thread[2];
	uint64_t sum = 0;

	ui_store_relaxed(&stop, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, hammer, (void *)(uintptr_t)bar);
	/* Each is a load and a store. */
	while (ui_load_relaxed(&dev.count) < 1000)
		usleep(1000);
	ui_store_relaxed(&stop, 1);
	for (int i = 0; i < 2; i++) {
		void *n;

		pthread_join(thread[i], &n);
		sum += (uintptr_t)n;
	}
	assert_int_equal(*(uint64_t *)dev.bytes, sum);
	assert_true(sum >= 500);
	unmap(bar, FAKE_SIZE);
}

static uint8_t *window;

/* A processor is never wrong here, a race or not: no business of ThreadSanitizer. */
static void __attribute__((no_sanitize("thread"))) * reader(void *arg)
{
	uint64_t n = 0;

	while (!ui_load_relaxed(&stop)) {
		/* Sometimes memory, sometimes a range: never a signal. */
		(void)*(volatile uint32_t *)(window + 64);
		n++;
	}
	return (void *)(uintptr_t)n;
}

/*
 * Other threads replace a range by memory and back while these read.  Now and then they aren't
 * scheduled for long, in the middle of it.
 */
static void test_replace(void **arg)
{
	static struct fake f;
	const int rounds = valgrind_running() ? 50 : 500;
	pthread_t thread[2];
	void *out;
	int maps = 0;

	window = mmap(NULL, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ui_store_relaxed(&stop, 0);
	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, reader, NULL);
	for (int i = 0; i < rounds; i++) {
		fake_init(&f);
		assert_int_equal(
			trap_map(&f.mapping, window, 4096, RW, MAP_SHARED | MAP_FIXED, &out), 0);
		maps++;
		sched_yield();
		assert_int_equal(trap_unmap(window, 4096), 1);
		if (i % (rounds / 2) == 1)
			usleep(150000);
		assert_ptr_equal(
			mmap(window, 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			window);
		trap_unmapped();
		/* An access under way has it a little longer. */
		while (!__atomic_load_n(&f.released, __ATOMIC_ACQUIRE))
			sched_yield();
		assert_int_equal(f.released, 1);
		assert_int_equal(f.mapping.refs, 0);
	}
	ui_store_relaxed(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	munmap(window, 4096);
	assert_int_equal(maps, rounds);
}

static void test_speed(void **arg)
{
	volatile uint32_t *bar = map_fake(RW);
	const int rounds = 50000;
	struct timespec a, b;
	double ns;

	if (valgrind_running())
		skip();
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < rounds; i++)
		(void)bar[1];
	clock_gettime(CLOCK_MONOTONIC, &b);
	ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / rounds;
	print_message("a trapped load: %.0f ns\n", ns);
	assert_true(trap_count() >= (unsigned long)rounds);
	unmap(bar, FAKE_SIZE);
}

static int setup(void **arg)
{
	signals_init(true);
	trap_init();
	return 0;
}

/* cmocka puts its own handlers in for each test; these want the defaults. */
static int before(void **arg)
{
	uncatch();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_access, before),
		cmocka_unit_test_setup(test_first, before),
		cmocka_unit_test_setup(test_pieces, before),
		cmocka_unit_test_setup(test_across, before),
		cmocka_unit_test_setup(test_cut, before),
		cmocka_unit_test_setup(test_cut_middle, before),
		cmocka_unit_test_setup(test_fixed_over, before),
		cmocka_unit_test_setup(test_remap, before),
		cmocka_unit_test_setup(test_protect, before),
		cmocka_unit_test_setup(test_io_error, before),
		cmocka_unit_test_setup(test_other_side, before),
		cmocka_unit_test_setup(test_rep_part, before),
		cmocka_unit_test_setup(test_unknown, before),
		cmocka_unit_test_setup(test_default, before),
		cmocka_unit_test_setup(test_divide, before),
		cmocka_unit_test_setup(test_breakpoint, before),
		cmocka_unit_test_setup(test_small_stack, before),
		cmocka_unit_test_setup(test_overflow, before),
		cmocka_unit_test_setup(test_counting, before),
		cmocka_unit_test_setup(test_replace, before),
		cmocka_unit_test_setup(test_speed, before),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a trapped load or store leaves behind: every register, the flags, the mask, the
 * alternate stack, and what lies below the stack pointer; also if signals come in between,
 * whose handlers trap as well, look at the stack, jump out, or end the thread.
 */
#include <cpuid.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "client.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

/* ThreadSanitizer holds signals back until the program calls something. */
#ifdef __SANITIZE_THREAD__
static const bool at_once = false;
#else
static const bool at_once = true;
#endif

#define RED_ZONE 16
#define FLAGS_KEPT 0x40cd5 /* AC, OF, DF, SF, ZF, AF, PF, CF */
#define DI 7

/* What a program may have in registers; leaves_probe() knows where each is. */
struct state {
	uint64_t gpr[16]; /* as instructions count them */
	uint64_t flags;
	uint32_t mxcsr;
	uint16_t control, none;
	uint64_t below[RED_ZONE];
	long double x87[2];
	uint8_t zmm[32][64];
	uint64_t mask[8];
};

/* Loads registers from leaves_in, makes the access at rdi, and stores them in leaves_out. */
void leaves_load(void), leaves_store(void);
struct state leaves_in, leaves_out;
uint64_t leaves_sp;
int leaves_vectors; /* 0: xmm, 1: ymm, 2: zmm and masks */

_Static_assert(offsetof(struct state, flags) == 128 && offsetof(struct state, mxcsr) == 136 &&
		       offsetof(struct state, control) == 140 &&
		       offsetof(struct state, below) == 144 && offsetof(struct state, x87) == 272 &&
		       offsetof(struct state, zmm) == 304 && offsetof(struct state, mask) == 2352,
	       "as below");

/* clang-format off */
#define PROBE(name, access)							\
__asm__(".text\n"								\
	".type " name ", @function\n"						\
	name ":\n"								\
	"	pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n" \
	"	pushfq\n"							\
	"	movq %rsp, leaves_sp(%rip)\n"					\
	"	leaq leaves_in(%rip), %rax\n"					\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	movq 144+8*\\n(%rax), %rcx\n"					\
	"	movq %rcx, -128+8*\\n(%rsp)\n"					\
	"	.endr\n"							\
	"	ldmxcsr 136(%rax)\n"						\
	"	fninit; fldcw 140(%rax); fldt 288(%rax); fldt 272(%rax)\n"	\
	"	cmpl $1, leaves_vectors(%rip); je 1f; jg 2f\n"			\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	movups 304+64*\\n(%rax), %xmm\\n\n"				\
	"	.endr; jmp 3f\n"						\
	"1:	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	vmovups 304+64*\\n(%rax), %ymm\\n\n"				\
	"	.endr; jmp 3f\n"						\
	"2:	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19," \
	" 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"			\
	"	vmovups 304+64*\\n(%rax), %zmm\\n\n"				\
	"	.endr\n"							\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"				\
	"	kmovw 2352+8*\\n(%rax), %k\\n\n"				\
	"	.endr\n"							\
	"3:	leaq -128(%rsp), %rsp\n"					\
	"	movq 128(%rax), %rcx; leaq -8(%rsp), %rsp; movq %rcx, (%rsp); popfq\n" \
	"	leaq 128(%rsp), %rsp\n"						\
	"	movq 8(%rax), %rcx; movq 16(%rax), %rdx; movq 24(%rax), %rbx\n"	\
	"	movq 40(%rax), %rbp; movq 48(%rax), %rsi; movq 56(%rax), %rdi\n" \
	"	.irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"				\
	"	movq 8*\\n(%rax), %r\\n\n"					\
	"	.endr\n"							\
	"	movq 0(%rax), %rax\n"						\
	"	" access "\n"							\
	"	movq %rax, leaves_out(%rip); leaq leaves_out(%rip), %rax\n"	\
	"	movq %rcx, 8(%rax); movq %rdx, 16(%rax); movq %rbx, 24(%rax)\n"	\
	"	movq %rsp, 32(%rax)\n"						\
	"	movq %rbp, 40(%rax); movq %rsi, 48(%rax); movq %rdi, 56(%rax)\n" \
	"	.irp n, 8, 9, 10, 11, 12, 13, 14, 15\n"				\
	"	movq %r\\n, 8*\\n(%rax)\n"					\
	"	.endr\n"							\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	movq -128+8*\\n(%rsp), %rcx\n"					\
	"	movq %rcx, 144+8*\\n(%rax)\n"					\
	"	.endr\n"							\
	"	movq leaves_sp(%rip), %rsp\n"					\
	"	pushfq; popq 128(%rax); popfq\n"				\
	"	stmxcsr 136(%rax); fnstcw 140(%rax); fstpt 272(%rax); fstpt 288(%rax)\n" \
	"	fninit\n"							\
	"	cmpl $1, leaves_vectors(%rip); je 1f; jg 2f\n"			\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	movups %xmm\\n, 304+64*\\n(%rax)\n"				\
	"	.endr; jmp 3f\n"						\
	"1:	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"	\
	"	vmovups %ymm\\n, 304+64*\\n(%rax)\n"				\
	"	.endr; vzeroupper; jmp 3f\n"					\
	"2:	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19," \
	" 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"			\
	"	vmovups %zmm\\n, 304+64*\\n(%rax)\n"				\
	"	.endr\n"							\
	"	.irp n, 0, 1, 2, 3, 4, 5, 6, 7\n"				\
	"	kmovw %k\\n, 2352+8*\\n(%rax)\n"				\
	"	.endr; vzeroupper\n"						\
	"3:	popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx\n" \
	"	ret\n"								\
	".size " name ", . - " name "\n")
/* clang-format on */

PROBE("leaves_load", "movl (%rdi), %esi");
PROBE("leaves_store", "movl %esi, (%rdi)");

static volatile uint32_t *bar;
static const uint32_t mxcsr_default = 0x1f80;

static void fill(unsigned int seed)
{
	uint8_t *bytes = (uint8_t *)&leaves_in;

	memset(&leaves_in, 0, sizeof(leaves_in));
	for (size_t i = 0; i < offsetof(struct state, x87); i++)
		bytes[i] = (uint8_t)(i * 29 + seed * 101 + 1);
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < (leaves_vectors == 2 ? 64 : leaves_vectors ? 32 : 16); j++)
			if (i < 16 || leaves_vectors == 2)
				leaves_in.zmm[i][j] = (uint8_t)(i * 7 + j * 13 + (int)seed);
	for (int i = 0; i < 8 && leaves_vectors == 2; i++)
		leaves_in.mask[i] = 0x1234u + (unsigned int)i;
	leaves_in.gpr[DI] = (uintptr_t)bar;
	leaves_in.flags = 0x202 | (seed & 1 ? FLAGS_KEPT & 0x40455 : FLAGS_KEPT & ~0x40455u);
	leaves_in.mxcsr = mxcsr_default | (seed & 3) << 13 | 0x21;
	leaves_in.control = (uint16_t)(0x37f & ~((seed & 3) << 8));
	leaves_in.x87[0] = 3.25L * (seed + 1);
	leaves_in.x87[1] = -1.0L / 3;
}

static void compare(bool load)
{
	struct state want = leaves_in;

	want.gpr[4] = leaves_sp;
	if (load)
		want.gpr[6] = (uint32_t)leaves_in.gpr[6];
	want.flags &= FLAGS_KEPT;
	leaves_out.flags &= FLAGS_KEPT;
	want.none = leaves_out.none = 0;
	CHECK(!memcmp(want.gpr, leaves_out.gpr, sizeof(want.gpr)));
	CHECK(want.flags == leaves_out.flags);
	CHECK(want.mxcsr == leaves_out.mxcsr && want.control == leaves_out.control);
	CHECK(!memcmp(want.below, leaves_out.below, sizeof(want.below)));
	CHECK(want.x87[0] == leaves_out.x87[0] && want.x87[1] == leaves_out.x87[1]);
	CHECK(!memcmp(want.zmm, leaves_out.zmm, sizeof(want.zmm)));
	CHECK(!memcmp(want.mask, leaves_out.mask, sizeof(want.mask)));
}

/* A store, and the load that gives the same. */
static void check_registers(unsigned int seed)
{
	memset(&leaves_out, 0, sizeof(leaves_out));
	fill(seed);
	leaves_store();
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr_default));
	compare(false);
	memset(&leaves_out, 0, sizeof(leaves_out));
	leaves_load();
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr_default));
	compare(true);
}

static uint64_t real_mask(void)
{
	uint64_t mask;

	CHECK(!syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8));
	return mask;
}

/* ---- what signals find ---- */

/* The functions that access the device are together, so that they are known again. */
#define ACCESSES __attribute__((noinline, used, section("accesses")))
extern const char __start_accesses[], __stop_accesses[];

ACCESSES static uint32_t access_one(void)
{
	return bar[1];
}

/* Is whoever made the access on the stack? */
static bool seen_on_stack(void)
{
	void *frames[64];
	int n = backtrace(frames, 64);

	for (int i = 0; i < n; i++)
		if ((char *)frames[i] >= __start_accesses && (char *)frames[i] < __stop_accesses)
			return true;
	return false;
}

static volatile sig_atomic_t signals_seen, lost;

/* It traps as well, with registers of its own. */
static void on_signal(int sig)
{
	uint32_t was = bar[0];

	signals_seen++;
	bar[0] = was;
	if (!seen_on_stack())
		lost++;
}

static void handle(int sig, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	CHECK(!sigaction(sig, &action, NULL));
}

static void tick(long us)
{
	struct itimerval timer = {.it_interval = {.tv_usec = us}, .it_value = {.tv_usec = us}};

	CHECK(!setitimer(ITIMER_REAL, &timer, NULL));
}

ACCESSES static void access_many(int until)
{
	while (signals_seen < until)
		(void)access_one();
}

static void on_tick(int sig)
{
	signals_seen++;
	(void)bar[1];
}

static void test_storm(void)
{
	signals_seen = lost = 0;
	handle(SIGALRM, on_signal);
	tick(60);
	access_many(1500);
	tick(0);
	CHECK(!lost);
	/* The registers of what was interrupted, with handlers that use them all. */
	signals_seen = 0;
	handle(SIGALRM, on_tick);
	tick(60);
	for (unsigned int i = 0; signals_seen < 500; i++)
		check_registers(i);
	tick(0);
	CHECK(!real_mask());
}

static sigjmp_buf around;

static void jump_out(int sig)
{
	signals_seen++;
	siglongjmp(around, 1);
}

static void test_jumps(void)
{
	static volatile int rounds;

	signals_seen = 0;
	rounds = 0;
	handle(SIGALRM, jump_out);
	tick(100);
	while (rounds < 500) {
		if (!sigsetjmp(around, 1))
			for (;;)
				(void)access_one();
		rounds++;
	}
	tick(0);
	CHECK(!real_mask());
	check_registers(3);
}

/* ---- one signal at each of the last instructions ---- */

#define LAST 64

/* In the child; the parent counts steps from one trap to the other. */
ACCESSES static void access_stepped(void)
{
	__asm__ volatile("int3" : : : "memory");
	(void)access_one();
	__asm__ volatile("int3" : : : "memory");
}

static int wait_stop(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	return WSTOPSIG(status);
}

/* Linux forgets that it was it who set the trap flag, if an iret is stepped. */
static void go_on(pid_t pid, int sig)
{
	struct user_regs_struct regs;

	CHECK(!ptrace(PTRACE_GETREGS, pid, NULL, &regs));
	regs.eflags &= ~0x100ul;
	CHECK(!ptrace(PTRACE_SETREGS, pid, NULL, &regs));
	CHECK(!ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig));
}

/*
 * From one trap to the next: how many steps.  SIGUSR1 comes before step @at; then the way is
 * longer, and isn't stepped.
 */
static int step(pid_t pid, int at)
{
	siginfo_t info;
	int sig = 0, steps = 0;

	for (;; steps++) {
		if (steps == at) {
			go_on(pid, SIGUSR1);
			do {
				sig = wait_stop(pid);
				CHECK(!ptrace(PTRACE_GETSIGINFO, pid, NULL, &info));
				if (sig == SIGTRAP && info.si_code == SI_KERNEL)
					return steps;
			} while (!ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig));
		}
		CHECK(!ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)sig));
		sig = wait_stop(pid);
		CHECK(!ptrace(PTRACE_GETSIGINFO, pid, NULL, &info));
		if (sig == SIGTRAP && info.si_code == SI_KERNEL)
			return steps;
		if (sig == SIGTRAP)
			sig = 0;
	}
}

static void stepped_child(void)
{
	(void)access_one();
	handle(SIGUSR1, on_signal);
	CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	for (;;) {
		signals_seen = lost = 0;
		access_stepped();
		CHECK(signals_seen <= 1 && !lost && !real_mask());
	}
}

/* The child opens nothing: it is the process with the devices, and the parent only looks. */
static void test_steps(pid_t pid)
{
	int total = 0, status;

	/* The first round does what is done once. */
	for (int i = -2; i <= LAST; i++) {
		CHECK(wait_stop(pid) == SIGTRAP);
		if (i < 0)
			total = step(pid, -1);
		else
			CHECK(step(pid, total - i) == total - i);
		go_on(pid, 0);
	}
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid);
}

/* ---- threads that are ended anywhere ---- */

static int cleaned, begun;

static void clean(void *arg)
{
	__atomic_fetch_add(&cleaned, 1, __ATOMIC_SEQ_CST);
}

ACCESSES static void *access_cancelled(void *arg)
{
	int old;

	pthread_cleanup_push(clean, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	__atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
	for (;;)
		(void)bar[1];
	pthread_cleanup_pop(0);
	return NULL;
}

static void test_cancel(void)
{
	const int threads = 150;

	cleaned = 0;
	for (int i = 0; i < threads; i++) {
		pthread_t thread;
		void *result;

		__atomic_store_n(&begun, 0, __ATOMIC_RELEASE);
		CHECK(!pthread_create(&thread, NULL, access_cancelled, NULL));
		while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE))
			sched_yield();
		CHECK(!pthread_cancel(thread) && !pthread_join(thread, &result));
		CHECK(result == PTHREAD_CANCELED);
	}
	CHECK(cleaned == threads);
}

/* ---- stacks and masks ---- */

static void check_stack(size_t size, int flags)
{
	static char room[1 << 17] __attribute__((aligned(4096)));
	stack_t stack = {.ss_sp = room, .ss_size = size, .ss_flags = flags}, now,
		off = {.ss_flags = SS_DISABLE};

	CHECK(!sigaltstack(&stack, NULL));
	for (unsigned int i = 0; i < 4; i++) {
		check_registers(i);
		CHECK(!sigaltstack(NULL, &now));
		CHECK(now.ss_sp == room && now.ss_size == size && now.ss_flags == flags);
	}
	CHECK(!sigaltstack(&off, NULL));
}

static void test_stacks(void)
{
	check_stack((size_t)sysconf(_SC_MINSIGSTKSZ) + 4096, 0);
	check_stack(1 << 16, 0);
	check_stack(1 << 17, (int)SS_AUTODISARM);
	check_stack(1 << 13, (int)SS_AUTODISARM);
}

static void test_masks(void)
{
	sigset_t set, old;
	uint64_t before;

	for (int sig = 0; sig < 32; sig += 5) {
		sigfillset(&set);
		if (sig)
			sigdelset(&set, sig);
		CHECK(!sigprocmask(SIG_SETMASK, &set, &old));
		before = real_mask();
		check_registers((unsigned int)sig);
		CHECK(real_mask() == before);
		CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	}
	CHECK(!real_mask());
}

static void open_device(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};
	int device = open_node(CDEV);

	CHECK(!bind_to(device, open_node("/dev/iommu"), NULL));
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
	/* Loads a library at its first call. */
	seen_on_stack();
}

int main(void)
{
	pid_t pid = at_once ? fork() : -1;

	CHECK(pid >= 0 || !at_once);
	leaves_vectors = __builtin_cpu_supports("avx512f") ? 2 : !!__builtin_cpu_supports("avx");
	if (pid > 0)
		test_steps(pid);
	open_device();
	if (!pid)
		stepped_child();
	for (unsigned int i = 0; i < 8; i++)
		check_registers(i);
	test_stacks();
	test_masks();
	if (at_once) {
		test_storm();
		test_jumps();
		test_cancel();
	}
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap.c - the handler of SIGSEGV and SIGBUS, and of SIGILL on some processors
 *
 * In this order: a fault inside one of our guarded copies becomes an error of that
 * copy; a fault at a trapped address is an access to a device; everything else is
 * the client's.
 *
 * Stack.  The handler is on the client's alternate stack if there is one, for else
 * a client could not see its stack overflow.  Such a stack may be tiny, and a device
 * that does DMA wants room: then the access is made on the stack that was
 * interrupted, below its red zone.  The alternate one is taken away meanwhile, or
 * a fault in a guarded copy would start over at its top, on our own frame.
 *
 * Valgrind gives handlers no vector registers, takes no flags back, and thinks that
 * a register that a handler changed is as undefined as before.  So there the
 * handler only sends the thread to shim_resume, ordinary code that saves the
 * registers, has the access made, and loads them again.
 *
 * Shared between threads are only the words below that say what this processor is;
 * they are set before the handler is installed.
 */
#include "trap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "insn.h"
#include "insn_alu.h"
#include "real.h"
#include "signals.h"
#include "trap_fx.h"
#include "trap_leave.h"
#include "trap_mem.h"
#include "trap_region.h"
#include "valgrind.h"

/* Less than this is left on an alternate stack: use the interrupted one. */
#define STACK_ENOUGH (16 * 1024)
#define RED_ZONE 128
#define FLAG_AC 0x40000ull

#define YMM_HIGH_SIZE 256
#define ZMM_MORE_SIZE 1024
#define XFEATURE_YMM 4
#define XFEATURE_OPMASK 5 /* numbers of components, as cpuid counts them */
#define XFEATURE_ZMM_HIGH 6
#define XFEATURE_ZMM_MORE 7

static bool under_valgrind;
/* Where AVX-512 registers are in the saved state; 0: this processor has none. */
static unsigned int opmask_at, zmm_high_at, zmm_more_at;
/* So much of it is of interest. */
static unsigned int image_size = FX_YMM_HIGH;
/* Read by shim_resume. */
int trap_resume_avx;

/* ---- saying what can't be done ---- */

struct line {
	char text[320];
	size_t len;
};

static void line_text(struct line *l, const char *s)
{
	while (*s && l->len < sizeof(l->text) - 1)
		l->text[l->len++] = *s++;
}

static void line_hex(struct line *l, uint64_t v, unsigned int digits)
{
	char s[17];

	for (unsigned int i = 0; i < digits; i++)
		s[i] = "0123456789abcdef"[(v >> (4 * (digits - 1 - i))) & 15];
	s[digits] = '\0';
	line_text(l, s);
}

static void line_number(struct line *l, uint64_t v)
{
	unsigned int digits = 1;

	while (digits < 16 && v >> (4 * digits))
		digits++;
	line_text(l, "0x");
	line_hex(l, v, digits);
}

/* The client's stderr, whatever it made of it; one write, so one line. */
static void line_out(struct line *l)
{
	l->text[l->len++] = '\n';
	shim_syscall(SYS_write, 2, (long)l->text, (long)l->len, 0, 0, 0);
}

static void say_unknown(const struct insn_cpu *cpu, const uint8_t *code, size_t avail,
			uint64_t offset)
{
	struct line l = {.len = 0};

	line_text(&l, "uiommu: can't do the instruction at ");
	line_number(&l, cpu->rip);
	line_text(&l, " to device memory at offset ");
	line_number(&l, offset);
	line_text(&l, ": ");
	line_text(&l, cpu->mnemonic ? cpu->mnemonic : "?");
	line_text(&l, " (");
	line_text(&l, cpu->why ? cpu->why : "unknown");
	line_text(&l, "), bytes");
	for (size_t i = 0; i < avail && i < (cpu->length ? cpu->length : 15); i++) {
		line_text(&l, " ");
		line_hex(&l, code[i], 2);
	}
	line_text(&l, "; the program gets SIGBUS");
	line_out(&l);
}

/* ---- one access ---- */

/*
 * Instructions that this processor hasn't, or not for us: no address is known, so no range
 * is held.  What isn't one of them is unknown, and nothing is said.
 */
static enum insn_outcome direct_run(struct insn_cpu *cpu)
{
	enum insn_outcome outcome = INSN_UNKNOWN;
	uint8_t code[16];
	size_t avail;

	shim_inside++;
	cpu->mem = &trap_mem_ops;
	cpu->opaque = NULL;
	avail = trap_code(cpu->rip, code);
	if (insn_is_direct(code, avail))
		outcome = insn_run(cpu, code, avail);
	shim_inside--;
	return outcome;
}

/*
 * Does the instruction at cpu->rip, that faulted at @addr in the range that @ref
 * holds; the reference is put.  INSN_UNKNOWN was said and is a fault by then.
 */
static enum insn_outcome access_run(struct insn_cpu *cpu, uint64_t addr, struct region_ref *ref)
{
	enum insn_outcome outcome;
	uint8_t code[16];
	size_t avail;

	/* The last put of a mapping closes a file, so also that is inside. */
	shim_inside++;
	cpu->fault = (struct insn_fault){SIGBUS, BUS_ADRERR, addr, 0, 0};
	cpu->mem = &trap_mem_ops;
	cpu->opaque = ref;
	avail = trap_code(cpu->rip, code);
	outcome = insn_run(cpu, code, avail);
	if (outcome == INSN_UNKNOWN) {
		say_unknown(cpu, code, avail, ref->offset + (addr - ref->start));
		outcome = INSN_FAULT;
	}
	region_put(ref);
	shim_inside--;
	return outcome;
}

_Static_assert(REG_R15 == REG_R8 + 7, "the upper eight lie in their order");

static void gpr_in(uint64_t *gpr, const greg_t *regs)
{
	gpr[GPR_AX] = (uint64_t)regs[REG_RAX];
	gpr[GPR_CX] = (uint64_t)regs[REG_RCX];
	gpr[GPR_DX] = (uint64_t)regs[REG_RDX];
	gpr[GPR_BX] = (uint64_t)regs[REG_RBX];
	gpr[GPR_SP] = (uint64_t)regs[REG_RSP];
	gpr[GPR_BP] = (uint64_t)regs[REG_RBP];
	gpr[GPR_SI] = (uint64_t)regs[REG_RSI];
	gpr[GPR_DI] = (uint64_t)regs[REG_RDI];
	memcpy(gpr + GPR_R8, regs + REG_R8, 8 * sizeof(*gpr));
}

static void gpr_out(const uint64_t *gpr, greg_t *regs)
{
	regs[REG_RAX] = (greg_t)gpr[GPR_AX];
	regs[REG_RCX] = (greg_t)gpr[GPR_CX];
	regs[REG_RDX] = (greg_t)gpr[GPR_DX];
	regs[REG_RBX] = (greg_t)gpr[GPR_BX];
	regs[REG_RSP] = (greg_t)gpr[GPR_SP];
	regs[REG_RBP] = (greg_t)gpr[GPR_BP];
	regs[REG_RSI] = (greg_t)gpr[GPR_SI];
	regs[REG_RDI] = (greg_t)gpr[GPR_DI];
	memcpy(regs + REG_R8, gpr + GPR_R8, 8 * sizeof(*gpr));
}

static void cpu_from_context(struct insn_cpu *cpu, const ucontext_t *uc)
{
	const greg_t *regs = uc->uc_mcontext.gregs;
	uint8_t *fx = (uint8_t *)uc->uc_mcontext.fpregs;
	uint64_t features;

	gpr_in(cpu->gpr, regs);
	cpu->rip = (uint64_t)regs[REG_RIP];
	cpu->flags = (uint64_t)regs[REG_EFL];
	cpu->early = false;
	cpu->xmm = NULL;
	cpu->ymm_high = NULL;
	cpu->zmm_high = NULL;
	cpu->zmm_more = NULL;
	cpu->opmask = NULL;
	cpu->xstate_bv = NULL;
	cpu->image = NULL;
	if (!fx)
		return;
	cpu->xmm = fx + FX_XMM;
	if (fx_word(fx, FX_MAGIC) != FX_MAGIC_VALUE)
		return;
	features = fx_wide(fx, FX_FEATURES);
	cpu->image = fx;
	cpu->image_size = image_size;
	cpu->image_features = features;
	cpu->xstate_bv = (uint64_t *)(void *)(fx + FX_XSTATE_BV);
	if (features & XFEATURE_YMM)
		cpu->ymm_high = fx + FX_YMM_HIGH;
	if (opmask_at && (features & 1u << XFEATURE_OPMASK))
		cpu->opmask = fx + opmask_at;
	if (zmm_high_at && (features & 1u << XFEATURE_ZMM_HIGH))
		cpu->zmm_high = fx + zmm_high_at;
	if (zmm_more_at && (features & 1u << XFEATURE_ZMM_MORE))
		cpu->zmm_more = fx + zmm_more_at;
}

static void cpu_to_context(const struct insn_cpu *cpu, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;

	gpr_out(cpu->gpr, regs);
	regs[REG_RIP] = (greg_t)cpu->rip;
	regs[REG_EFL] = (greg_t)cpu->flags;
}

/*
 * From the handler to the function that may run on another stack.
 *  direct	nothing is known of it yet: addr and ref mean nothing
 */
struct access {
	ucontext_t *uc;
	uint64_t addr;
	struct region_ref ref;
	bool direct;
	enum insn_outcome outcome;
	struct insn_fault fault;
};

static void access_in_context(void *arg)
{
	struct access *a = arg;
	struct insn_cpu cpu;

	cpu_from_context(&cpu, a->uc);
	a->outcome = a->direct ? direct_run(&cpu) : access_run(&cpu, a->addr, &a->ref);
	/* Also after a fault: a repeated instruction came some way. */
	cpu_to_context(&cpu, a->uc);
	a->fault = cpu.fault;
}

static bool on_stack(const stack_t *stack, uint64_t sp)
{
	uint64_t base = (uintptr_t)stack->ss_sp;

	return !(stack->ss_flags & SS_DISABLE) && sp - base < stack->ss_size;
}

/* Already on the interrupted stack, so that the other one can be taken away. */
static void access_below(void *arg)
{
	stack_t off = {.ss_flags = SS_DISABLE};

	shim_syscall(SYS_sigaltstack, (long)&off, 0, 0, 0, 0, 0);
	access_in_context(arg);
	/* Leaving the handler brings it back: the context says which it was. */
}

static void access_somewhere(struct access *a)
{
	uint64_t here = (uintptr_t)__builtin_frame_address(0);
	uint64_t was = (uint64_t)a->uc->uc_mcontext.gregs[REG_RSP];
	const stack_t *alt = &a->uc->uc_stack;

	if (!on_stack(alt, here) || on_stack(alt, was) ||
	    here - (uintptr_t)alt->ss_sp >= STACK_ENOUGH) {
		access_in_context(a);
		return;
	}
	shim_call_on_stack((void *)(uintptr_t)(was - RED_ZONE), access_below, a);
	if (a->outcome == INSN_FAULT)
		shim_syscall(SYS_sigaltstack, (long)alt, 0, 0, 0, 0, 0);
}

/* ---- faults that the client gets ---- */

static void deliver(const struct insn_fault *fault, ucontext_t *uc, int client_errno)
{
	enum signals_kind kind = SIGNALS_MADE;
	greg_t *regs = uc->uc_mcontext.gregs;
	struct region_ref ref;
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = fault->sig;
	info.si_code = fault->code;
	info.si_addr = (void *)(uintptr_t)fault->addr;
	if (fault->trapno) {
		regs[REG_TRAPNO] = fault->trapno;
		regs[REG_ERR] = fault->err;
		regs[REG_CR2] = (greg_t)fault->addr;
	}
	/* Memory without any right faults again by itself, and says the same. */
	if (fault->sig == SIGSEGV && region_find(fault->addr, &ref)) {
		region_put(&ref);
		kind = SIGNALS_REPEATS;
	}
	errno = client_errno;
	signals_forward(fault->sig, &info, uc, kind);
}

/*
 * Another thread may be replacing device memory by something accessible: it was
 * forgotten already, and the real mmap() is on its way or done.  For a processor
 * that is one step.  So who comes in between waits, however long that thread isn't
 * scheduled, and tries again.  If that changes nothing the kernel's own fault is the client's.
 */
#define TRIES 3
#define WAIT_YIELDS 10
#define WAIT_NAPS 100000 /* some ten seconds: a thread may have been killed in between */

static SHIM_TLS struct {
	uint64_t rip;
	uint64_t addr;
	uint64_t changes;
	unsigned int count;
} tried;

static bool waited(void)
{
	struct timespec nap = {.tv_nsec = 100000};
	unsigned int n;

	for (n = 0; n < WAIT_NAPS && region_leaving(); n++) {
		if (n < WAIT_YIELDS)
			shim_syscall(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
		else
			shim_syscall(SYS_nanosleep, (long)&nap, 0, 0, 0, 0, 0);
	}
	return n;
}

static bool try_again(const ucontext_t *uc, uint64_t addr)
{
	uint64_t rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	uint64_t changes;
	bool late = waited();

	if (!late && !region_was(addr))
		return false;
	changes = region_changes();
	if (tried.rip != rip || tried.addr != addr || tried.changes != changes) {
		tried.rip = rip;
		tried.addr = addr;
		tried.changes = changes;
		tried.count = 0;
	}
	return tried.count++ < TRIES;
}

/* ---- valgrind ---- */

/*
 * What the handler leaves for shim_resume: the frame is found by the stack pointer,
 * for a signal may come in between, and its handler may trap as well.
 */
#define RESUMES 16

struct resume {
	uint64_t sp;
	uint64_t rip;
	uint64_t addr;
};

static SHIM_TLS struct resume resumes[RESUMES];
static SHIM_TLS unsigned int resume_count;

/* An access that failed: its instruction faults again, and then is the client's. */
static SHIM_TLS struct insn_fault resume_fault;
static SHIM_TLS uint64_t resume_fault_rip;

/* What shim_resume has on the stack, lowest first; flags and ret take the end. */
struct trap_frame {
	uint64_t gpr[GPR_COUNT];
	uint64_t flags;
	uint64_t rip;
};

struct trap_frame *trap_resume(struct trap_frame *frame, uint8_t *xmm, uint8_t *ymm_high);

/*
 * Valgrind translates across a direct call or jump, and gives its place for that of
 * the first instruction behind it.
 */
static uint64_t called(uint64_t rip)
{
	uint8_t code[16];
	int32_t near;

	while (trap_code(rip, code) >= 5 &&
	       (code[0] == 0xe8 || code[0] == 0xe9 || code[0] == 0xeb)) {
		memcpy(&near, code + 1, sizeof(near));
		rip += code[0] == 0xeb ? 2 + (uint64_t)(int8_t)code[1] : 5 + (uint64_t)near;
	}
	return rip;
}

/* Return: where the frame is by now; push and pop move it, there are 64 bytes to spare. */
struct trap_frame *trap_resume(struct trap_frame *frame, uint8_t *xmm, uint8_t *ymm_high)
{
	uint64_t sp = (uintptr_t)(frame + 1) + RED_ZONE;
	int saved = errno;
	struct region_ref ref;
	struct resume r = {0};
	void *moved;
	struct insn_cpu cpu;
	sigset_t mask;

	signals_block(&mask);
	while (resume_count) {
		r = resumes[--resume_count];
		if (r.sp == sp)
			break;
	}
	memcpy(cpu.gpr, frame->gpr, sizeof(cpu.gpr));
	cpu.gpr[GPR_SP] = sp;
	cpu.rip = called(r.rip);
	cpu.flags = frame->flags;
	cpu.xmm = xmm;
	cpu.ymm_high = ymm_high;
	cpu.zmm_high = NULL; /* valgrind has none */
	cpu.zmm_more = NULL;
	cpu.opmask = NULL;
	cpu.image = NULL;
	cpu.xstate_bv = NULL;
	cpu.early = true;
	/* If the range has gone by now, the instruction faults again and the kernel knows. */
	if (region_find(r.addr, &ref) && access_run(&cpu, r.addr, &ref) == INSN_FAULT) {
		resume_fault = cpu.fault;
		resume_fault_rip = cpu.rip;
	}
	memcpy(frame->gpr, cpu.gpr, sizeof(cpu.gpr));
	frame->flags = cpu.flags;
	frame->rip = cpu.rip;
	if (cpu.gpr[GPR_SP] != sp) {
		moved = (void *)(uintptr_t)(cpu.gpr[GPR_SP] - RED_ZONE - sizeof(*frame));
		frame = memmove(moved, frame, sizeof(*frame));
	}
	signals_unblock(&mask);
	errno = saved;
	return frame;
}

static void resume_outside(ucontext_t *uc, uint64_t addr, int client_errno)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	struct insn_fault fault;

	if (resume_fault_rip == (uint64_t)regs[REG_RIP]) {
		fault = resume_fault;
		resume_fault_rip = 0;
		deliver(&fault, uc, client_errno);
		return;
	}
	if (resume_count == RESUMES) {
		/* Left behind by handlers that never returned. */
		memmove(resumes, resumes + 1, sizeof(resumes) - sizeof(resumes[0]));
		resume_count--;
	}
	resumes[resume_count++] = (struct resume){
		.sp = (uint64_t)regs[REG_RSP],
		.rip = (uint64_t)regs[REG_RIP],
		.addr = addr,
	};
	regs[REG_RIP] = (greg_t)(uintptr_t)shim_resume;
}

/* ---- the handler ---- */

enum verdict {
	NOT_OURS,
	RETURN,
	LEAVE, /* nothing but registers has changed: trap_leave() */
};

/*
 * movdir64b, movdiri and enqcmd are undefined instructions where a processor hasn't got
 * them, and enqcmd is a general protection fault where nobody gave us a PASID.
 */
static enum verdict undefined(ucontext_t *uc, int client_errno)
{
	struct access a = {.uc = uc, .direct = true};

	if (under_valgrind)
		return NOT_OURS;
	access_somewhere(&a);
	errno = client_errno;
	if (a.outcome == INSN_UNKNOWN)
		return NOT_OURS;
	if (a.outcome != INSN_FAULT)
		return LEAVE;
	deliver(&a.fault, uc, client_errno);
	return RETURN;
}

static enum verdict trapped(int sig, const siginfo_t *info, ucontext_t *uc, int client_errno)
{
	struct access a = {.uc = uc, .addr = (uint64_t)(uintptr_t)info->si_addr};

	if (info->si_code <= 0)
		return NOT_OURS;
	if (sig == SIGILL || (sig == SIGSEGV && info->si_code == SI_KERNEL))
		return undefined(uc, client_errno);
	if (sig != SIGSEGV)
		return NOT_OURS;
	if (!region_find(a.addr, &a.ref))
		return try_again(uc, a.addr) ? RETURN : NOT_OURS;
	if (under_valgrind) {
		region_put(&a.ref);
		resume_outside(uc, a.addr, client_errno);
		return RETURN;
	}
	if (region_open(&a.ref, a.addr)) {
		region_put(&a.ref);
		errno = client_errno;
		return RETURN;
	}
	access_somewhere(&a);
	errno = client_errno;
	if (a.outcome != INSN_FAULT)
		return LEAVE;
	/* Its other side may be in a range that is being replaced. */
	if (a.fault.sig == SIGSEGV && a.fault.addr != a.addr &&
	    !trap_overlaps((void *)(uintptr_t)a.fault.addr, 1) && try_again(uc, a.fault.addr))
		return RETURN;
	deliver(&a.fault, uc, client_errno);
	return RETURN;
}

/* The kernel has cleared the direction, valgrind hasn't; neither clears "faults if misaligned". */
static inline void plain_flags(const ucontext_t *uc)
{
	__asm__ volatile("cld");
	if (shim_unlikely(uc->uc_mcontext.gregs[REG_EFL] & FLAG_AC))
		__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~FLAG_AC);
}

/* It may be left without a return (trap_leave()), which a sanitizer would wait for. */
__attribute__((no_sanitize("address", "thread"))) static void trap_handler(int sig, siginfo_t *info,
									   void *ucontext)
{
	enum verdict verdict;
	int saved = errno;

	plain_flags(ucontext);
	if (trap_mem_fault(info, ucontext) || uiommu_guard_fault(ucontext))
		return;
	verdict = trapped(sig, info, ucontext, saved);
	if (verdict == LEAVE)
		trap_leave(ucontext);
	if (verdict != NOT_OURS)
		return;
	errno = saved;
	signals_forward(sig, info, ucontext, info->si_code > 0 ? SIGNALS_REPEATS : SIGNALS_SENT);
}

void trap_init(void)
{
	static pthread_mutex_t once_lock = PTHREAD_MUTEX_INITIALIZER;
	static bool done;
	int saved = errno;
	sigset_t mask;

	signals_block(&mask);
	pthread_mutex_lock(&once_lock);
	if (!done) {
		under_valgrind = valgrind_running();
		trap_leave_init(under_valgrind);
		if (__builtin_cpu_supports("avx"))
			image_size = FX_YMM_HIGH + YMM_HIGH_SIZE;
		if (__builtin_cpu_supports("avx512f")) {
			opmask_at = fx_component_at(XFEATURE_OPMASK);
			zmm_high_at = fx_component_at(XFEATURE_ZMM_HIGH);
			zmm_more_at = fx_component_at(XFEATURE_ZMM_MORE);
			image_size = zmm_more_at + ZMM_MORE_SIZE;
		}
		trap_resume_avx = __builtin_cpu_supports("avx") ? 1 : 0;
		signals_take_over(trap_handler);
		uiommu_guard_enable(true);
		done = true;
	}
	pthread_mutex_unlock(&once_lock);
	signals_unblock(&mask);
	errno = saved;
}

unsigned long trap_count(void)
{
	return __atomic_load_n(&trap_mem_accesses, __ATOMIC_RELAXED);
}

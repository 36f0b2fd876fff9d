/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/insn_native.c - the rest of the instructions: the processor does them, on a copy
 *
 * What computes with an operand in memory needs no emulation: its operand is loaded
 * into a buffer, the same instruction runs with that buffer as its memory and with the
 * client's registers, and what it wrote is stored from there.  So x87, MMX, SSE to
 * AVX-512, BMI and the like give what this processor gives.  Only accesses are ours:
 * which bytes, in which order.
 *
 * Registers are copied in and out, and out only when all went well.
 *
 * The code lies in a page that can be written and executed, made at the first need.
 * There is one, with its data behind it: native_lock is held while it is used, which
 * is never during an access to a device.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "insn_priv.h"
#include "insn_vreg.h"
#include "real.h"

#define PAGE 4096
/* x87, SSE, AVX and the three of AVX-512; the image holds them in the standard format. */
#define FEATURES 0xe7u
#define FEATURE_X87 1u
#define FEATURE_SSE 2u
#define FEATURE_YMM 4u
#define IMAGE_FIP 8
#define IMAGE_FDP 16
#define IMAGE_MXCSR 24
#define IMAGE_XMM 160
#define IMAGE_XSTATE_BV 512
#define IMAGE_YMM_HIGH 576
#define IMAGE_MIN 832

#define MXCSR_FLAGS 0x3fu
#define MXCSR_MASKS 0x1f80u

/* As insn_stub.S knows it. */
struct stub_data {
	uint64_t gpr[GPR_COUNT];
	uint64_t flags;
	uint64_t own_sp;
	uint32_t own_mxcsr;
	uint32_t features;
	uint8_t memory[128] __attribute__((aligned(64)));
	uint8_t image[INSN_IMAGE_MAX] __attribute__((aligned(64)));
};

_Static_assert(offsetof(struct stub_data, flags) == 128, "insn_stub.S");
_Static_assert(offsetof(struct stub_data, own_mxcsr) == 144, "insn_stub.S");
_Static_assert(offsetof(struct stub_data, features) == 148, "insn_stub.S");
_Static_assert(offsetof(struct stub_data, image) == 320, "insn_stub.S");

extern const uint8_t shim_stub_begin[], shim_stub_insn[], shim_stub_end[];

/* A processor refuses longer ones. */
#define INSN_LENGTH_MAX 15u

/* Protects the page and what it holds. */
static pthread_mutex_t native_lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *page;

/* ---- which ---- */

static const ZydisISAExt extensions[] = {
	ZYDIS_ISA_EXT_ADOX_ADCX, ZYDIS_ISA_EXT_AES,	  ZYDIS_ISA_EXT_AMD3DNOW,
	ZYDIS_ISA_EXT_AVX,	 ZYDIS_ISA_EXT_AVX2,	  ZYDIS_ISA_EXT_AVX512EVEX,
	ZYDIS_ISA_EXT_AVX512VEX, ZYDIS_ISA_EXT_AVXAES,	  ZYDIS_ISA_EXT_AVX_VNNI,
	ZYDIS_ISA_EXT_BMI1,	 ZYDIS_ISA_EXT_BMI2,	  ZYDIS_ISA_EXT_F16C,
	ZYDIS_ISA_EXT_FMA,	 ZYDIS_ISA_EXT_FMA4,	  ZYDIS_ISA_EXT_GFNI,
	ZYDIS_ISA_EXT_MMX,	 ZYDIS_ISA_EXT_PCLMULQDQ, ZYDIS_ISA_EXT_SHA,
	ZYDIS_ISA_EXT_SSE,	 ZYDIS_ISA_EXT_SSE2,	  ZYDIS_ISA_EXT_SSE3,
	ZYDIS_ISA_EXT_SSE4,	 ZYDIS_ISA_EXT_SSE4A,	  ZYDIS_ISA_EXT_SSSE3,
	ZYDIS_ISA_EXT_TBM,	 ZYDIS_ISA_EXT_VAES,	  ZYDIS_ISA_EXT_VPCLMULQDQ,
	ZYDIS_ISA_EXT_X87,	 ZYDIS_ISA_EXT_XOP,
};

/* Exceptions are masked while we run, and places of x87 instructions aren't theirs. */
static bool touches_control(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_LDMXCSR:
	case ZYDIS_MNEMONIC_STMXCSR:
	case ZYDIS_MNEMONIC_VLDMXCSR:
	case ZYDIS_MNEMONIC_VSTMXCSR:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FRSTOR:
	case ZYDIS_MNEMONIC_FNSAVE:
		return true;
	default:
		return false;
	}
}

bool insn_native_does(const ZydisDecodedInstruction *zi, const ZydisDecodedOperand *op)
{
	unsigned int memory = 0;
	bool listed = false;

	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		listed = listed || zi->meta.isa_ext == extensions[i];
	for (unsigned int i = 0; i < zi->operand_count; i++) {
		if (op[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		memory++;
		/* Neither an address that is named only, nor one made of a vector; nor hidden. */
		if (op[i].mem.type != ZYDIS_MEMOP_TYPE_MEM || i >= zi->operand_count_visible ||
		    op[i].size / 8 > sizeof(((struct stub_data *)0)->memory) || op[i].size < 8)
			return false;
	}
	return listed && !touches_control(zi->mnemonic) && memory == 1 &&
	       zi->meta.branch_type == ZYDIS_BRANCH_TYPE_NONE &&
	       !(zi->attributes & ZYDIS_ATTRIB_HAS_LOCK);
}

/* ---- code ---- */

static bool is_segment_or_size(uint8_t byte)
{
	return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
	       byte == 0x65 || byte == 0x67;
}

/* What comes before the mod r/m byte, into room for 15; @all: also what means nothing. */
static unsigned int copy_opcode(const struct insn *in, uint8_t *out, bool all)
{
	const ZydisDecodedInstruction *zi = in->zi;
	unsigned int n = 0;

	for (unsigned int i = 0; i < zi->raw.modrm.offset; i++) {
		if (i < zi->raw.prefix_count &&
		    (is_segment_or_size(in->code[i]) ||
		     (!all && zi->raw.prefixes[i].type == ZYDIS_PREFIX_TYPE_IGNORED)))
			continue;
		out[n++] = in->code[i];
	}
	return n;
}

/*
 * The instruction for the place @at, with @memory as its operand instead of its own.
 * False: it would be too long, as only one can that is full of prefixes.
 */
static bool rewrite(const struct insn *in, uint8_t *at, const uint8_t *memory)
{
	const ZydisDecodedInstruction *zi = in->zi;
	unsigned int modrm = zi->raw.modrm.offset, n, rest;
	uint8_t out[16];
	int32_t disp;

	memset(out, 0x90, sizeof(out));
	rest = modrm + 1 + (zi->attributes & ZYDIS_ATTRIB_HAS_SIB ? 1 : 0) + zi->raw.disp.size / 8u;
	n = copy_opcode(in, out, true);
	if (n + 5 + (zi->length - rest) > INSN_LENGTH_MAX) {
		memset(out, 0x90, sizeof(out));
		n = copy_opcode(in, out, false);
	}
	if (n + 5 + (zi->length - rest) > INSN_LENGTH_MAX)
		return false;
	/* Relative to rip; mod 0, rm 5. */
	out[n++] = (in->code[modrm] & 0x38) | 5;
	disp = (int32_t)(memory - (at + n + 4 + (zi->length - rest)));
	memcpy(out + n, &disp, 4);
	memcpy(out + n + 4, in->code + rest, zi->length - rest);
	memcpy(at, out, sizeof(out));
	return true;
}

static struct stub_data *page_get_locked(void)
{
	long rc;

	if (!page) {
		rc = shim_syscall(SYS_mmap, 0, PAGE + (long)sizeof(struct stub_data),
				  PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);
		if (rc < 0)
			return NULL;
		memcpy((void *)rc, shim_stub_begin, (size_t)(shim_stub_end - shim_stub_begin));
		page = (uint8_t *)rc;
	}
	return (struct stub_data *)(void *)(page + PAGE);
}

/* ---- registers ---- */

static void image_in(struct stub_data *data, const struct insn_cpu *cpu)
{
	uint64_t bv = FEATURE_SSE | FEATURE_YMM;

	if (cpu->image) {
		memcpy(data->image, cpu->image, cpu->image_size);
		data->features = (uint32_t)cpu->image_features & FEATURES;
		return;
	}
	/* Valgrind: x87 is where it was, nobody used it since. */
	memset(data->image, 0, IMAGE_MIN);
	data->features = FEATURE_SSE | (cpu->ymm_high ? FEATURE_YMM : 0);
	bv &= data->features;
	memcpy(data->image + IMAGE_XSTATE_BV, &bv, sizeof(bv));
	memcpy(data->image + IMAGE_XMM, cpu->xmm, 256);
	if (cpu->ymm_high)
		memcpy(data->image + IMAGE_YMM_HIGH, cpu->ymm_high, 256);
	__asm__ volatile("stmxcsr %0" : "=m"(*(uint32_t *)(void *)(data->image + IMAGE_MXCSR)));
}

static void image_out(const struct stub_data *data, struct insn_cpu *cpu)
{
	if (cpu->image) {
		memcpy(cpu->image, data->image, cpu->image_size);
		return;
	}
	memcpy(cpu->xmm, data->image + IMAGE_XMM, 256);
	if (cpu->ymm_high)
		memcpy(cpu->ymm_high, data->image + IMAGE_YMM_HIGH, 256);
}

/* ---- running ---- */

static int float_code(uint32_t raised)
{
	static const int code[6] = {FPE_FLTINV, FPE_FLTUND, FPE_FLTDIV,
				    FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES};

	return code[__builtin_ctz(raised)];
}

/* x87 remembers where its last instruction and operand were. */
static void fix_places(const struct insn *in, struct stub_data *data)
{
	uint64_t fip, fdp;

	memcpy(&fip, data->image + IMAGE_FIP, 8);
	memcpy(&fdp, data->image + IMAGE_FDP, 8);
	if (fip == (uintptr_t)page + (uintptr_t)(shim_stub_insn - shim_stub_begin))
		memcpy(data->image + IMAGE_FIP, &in->cpu->rip, 8);
	if (fdp == (uintptr_t)data->memory)
		memcpy(data->image + IMAGE_FDP, &in->ea, 8);
}

/*
 * Exceptions that the client wants as signals are masked meanwhile, so that they
 * come out as flags.  0, or -1 with cpu->fault.
 */
static int run_locked(const struct insn *in, struct stub_data *data)
{
	uint8_t *mxcsr_at = data->image + IMAGE_MXCSR;
	uint32_t mxcsr, now, raised;
	void (*code)(void);

	memcpy(&mxcsr, mxcsr_at, 4);
	now = (mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS;
	memcpy(mxcsr_at, &now, 4);
	memcpy(&code, &page, sizeof(code));
	code();
	fix_places(in, data);
	memcpy(&now, mxcsr_at, 4);
	raised = now & MXCSR_FLAGS & ~(mxcsr >> 7);
	now = mxcsr | (now & MXCSR_FLAGS);
	memcpy(mxcsr_at, &now, 4);
	if (!raised)
		return 0;
	in->cpu->fault = (struct insn_fault){SIGFPE, float_code(raised), in->cpu->rip, 0, 0};
	return -1;
}

/* One run; registers come back in @out, which the caller takes over when it is through. */
static enum insn_outcome run(struct insn *in, uint8_t *memory, struct stub_data *out)
{
	struct insn_cpu *cpu = in->cpu;
	enum insn_outcome outcome = INSN_DONE;
	struct stub_data *data;

	pthread_mutex_lock(&native_lock);
	data = page_get_locked();
	if (!data) {
		outcome = insn_unknown(in, "no executable memory");
		goto out_unlock;
	}
	memcpy(data->gpr, cpu->gpr, sizeof(data->gpr));
	data->flags = (cpu->flags & FLAG_STATUS) | 0x202;
	image_in(data, cpu);
	memcpy(data->memory, memory, sizeof(data->memory));
	if (!rewrite(in, page + (shim_stub_insn - shim_stub_begin), data->memory)) {
		outcome = insn_unknown(in, "too many prefixes");
		goto out_unlock;
	}
	if (run_locked(in, data))
		outcome = INSN_FAULT;
	memcpy(out, data, sizeof(*out));
out_unlock:
	pthread_mutex_unlock(&native_lock);
	return outcome;
}

static bool expands_or_compresses(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_VCOMPRESSPD:
	case ZYDIS_MNEMONIC_VCOMPRESSPS:
	case ZYDIS_MNEMONIC_VPCOMPRESSB:
	case ZYDIS_MNEMONIC_VPCOMPRESSW:
	case ZYDIS_MNEMONIC_VPCOMPRESSD:
	case ZYDIS_MNEMONIC_VPCOMPRESSQ:
	case ZYDIS_MNEMONIC_VEXPANDPD:
	case ZYDIS_MNEMONIC_VEXPANDPS:
	case ZYDIS_MNEMONIC_VPEXPANDB:
	case ZYDIS_MNEMONIC_VPEXPANDW:
	case ZYDIS_MNEMONIC_VPEXPANDD:
	case ZYDIS_MNEMONIC_VPEXPANDQ:
		return true;
	default:
		return false;
	}
}

/* Classes of instructions whose element N depends on the memory's element N alone. */
static bool by_element(const struct insn *in)
{
	/* One operand for many; and those that the class doesn't tell apart. */
	if (in->zi->avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID ||
	    in->zi->mnemonic == ZYDIS_MNEMONIC_VGF2P8AFFINEQB ||
	    in->zi->mnemonic == ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB ||
	    in->zi->mnemonic == ZYDIS_MNEMONIC_VDBPSADBW)
		return false;
	switch (in->zi->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1:
	case ZYDIS_EXCEPTION_CLASS_E2:
	case ZYDIS_EXCEPTION_CLASS_E3:
	case ZYDIS_EXCEPTION_CLASS_E4:
	case ZYDIS_EXCEPTION_CLASS_E5:
	case ZYDIS_EXCEPTION_CLASS_E6:
	case ZYDIS_EXCEPTION_CLASS_E11:
		return true;
	default:
		return false;
	}
}

/* Which elements of memory count, and of how many bytes. */
static uint64_t elements(const struct insn *in, unsigned int *step)
{
	unsigned int count;
	uint64_t mask = insn_elements(in);

	*step = in->size;
	if (mask == ~0ull || !in->mem->element_size || in->mem->element_size > in->mem->size)
		return ~0ull;
	count = in->mem->size / in->mem->element_size;
	if (expands_or_compresses(in->zi->mnemonic)) {
		*step = in->mem->element_size / 8;
		count = (unsigned int)__builtin_popcountll(
			count < 64 ? mask & ((1ull << count) - 1) : mask);
		return count < 64 ? (1ull << count) - 1 : ~0ull;
	}
	if (in->mem_at && !by_element(in))
		return ~0ull;
	*step = in->mem->element_size / 8;
	return mask;
}

enum insn_outcome insn_native(struct insn *in, unsigned int arg)
{
	bool reads = in->mem->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
	bool writes = in->mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
	uint8_t memory[sizeof(((struct stub_data *)0)->memory)] = {0};
	struct insn_cpu *cpu = in->cpu;
	enum insn_outcome outcome;
	struct stub_data after;
	unsigned int step;
	uint64_t mask = elements(in, &step);

	if (!cpu->image && !cpu->early)
		return insn_unknown(in, "no vector state");
	if (writes && insn_probe_elements(in, mask, step, true))
		return INSN_FAULT;
	if (reads && insn_load_elements(in, mask, step, memory))
		return INSN_FAULT;
	after.flags = 0;
	outcome = run(in, memory, &after);
	if (outcome != INSN_DONE)
		return outcome;
	if (writes)
		outcome = insn_store_elements(in, mask, step, after.memory);
	if (outcome != INSN_DONE)
		return outcome;
	memcpy(cpu->gpr, after.gpr, sizeof(cpu->gpr));
	cpu->flags = (cpu->flags & ~(uint64_t)FLAG_STATUS) | (after.flags & FLAG_STATUS);
	image_out(&after, cpu);
	return INSN_DONE;
}

/* Its holder may have stayed behind in the parent. */
void insn_native_atfork_child(void)
{
	pthread_mutex_init(&native_lock, NULL);
}

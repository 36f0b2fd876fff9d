// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/text.c - libFuzzer's harness of what reads bytes that somebody else wrote
 *
 * The first byte of an input says who reads the rest: the parser of device specs, the
 * loader of manifests, or the decoder of instructions.  No bytes crash, hang or leak; a
 * refusal has its sentence; and an instruction that isn't done has done nothing.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <uiommu/device.h>
#include <uiommu/file.h>

#include "insn.h"
#include "pci/pci.h"

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: doesn't hold: %s\n", __FILE__, __LINE__, #cond);   \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#define TEXT_MAX 4096

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The assembly beside the decoder also has the way back from a trap, which isn't taken. */
extern int trap_resume_avx;
int trap_resume_avx;
void *trap_resume(void *frame, uint8_t *xmm, uint8_t *ymm_high);
void *trap_resume(void *frame, uint8_t *xmm, uint8_t *ymm_high)
{
	abort();
}

static char folder[] = "/dev/shm/uiommu-fuzz-XXXXXX";
static int dirfd;

/*
 * Instructions of other processors: here they never trap in a client, for they are
 * undefined before they would.
 */
static sigjmp_buf undefined;

static void on_undefined(int sig)
{
	siglongjmp(undefined, 1);
}

static void forget_folder(void)
{
	unlinkat(dirfd, "manifest", 0);
	rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* The sanitizer has made the stack: the instruction runs on the client's. */
	const struct sigaction action = {.sa_handler = on_undefined, .sa_flags = SA_ONSTACK};

	must(mkdtemp(folder));
	dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dirfd >= 0);
	sigaction(SIGILL, &action, NULL);
	atexit(forget_folder);
	return 0;
}

/* ---- text ---- */

static void run_spec(const char *text)
{
	struct pci_spec spec;
	char why[64] = "";

	memset(&spec, 0, sizeof(spec));
	if (pci_spec_parse(&spec, text, why, sizeof(why)))
		must(why[0] && memchr(why, '\0', sizeof(why)));
	else
		pci_spec_fini(&spec);
}

static void visit(void *opaque, const struct uiommu_tree_entry *entry)
{
	must(entry->path && entry->path[0] == '/');
	++*(unsigned int *)opaque;
}

static void run_manifest(const char *text, size_t size)
{
	int fd = openat(dirfd, "manifest", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct uiommu_counts c;
	struct uiommu *ctx;
	unsigned int entries = 0;
	char why[200] = "";
	int rc;

	must(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
	must(!uiommu_create(NULL, &ctx));
	rc = uiommu_tree_load(ctx, dirfd, visit, &entries, why, sizeof(why));
	must(!rc || why[0]);
	uiommu_destroy(ctx);
	must(!uiommu_create(NULL, &ctx));
	uiommu_get_counts(ctx, &c);
	must(!c.devices);
	must(uiommu_tree_load(NULL, dirfd, NULL, NULL, NULL, 0) <= 0);
	uiommu_destroy(ctx);
}

/* ---- instructions ---- */

#define WINDOW 0x10000ull
#define WINDOW_SIZE 4096u
#define PROBES 16

/* What was promised; accesses must be within. */
struct promise {
	uint64_t addr;
	unsigned int size;
	bool write;
};

static uint8_t window[WINDOW_SIZE];
static struct promise promises[PROBES];
static unsigned int nr_promises;
static unsigned int accesses;
static bool locked;

static int mem_probe(struct insn_cpu *cpu, uint64_t addr, unsigned int size, bool write)
{
	must(size);
	if (addr < WINDOW || addr - WINDOW > WINDOW_SIZE || size > WINDOW_SIZE - (addr - WINDOW)) {
		cpu->fault = (struct insn_fault){.sig = 11, .code = 1, .addr = addr};
		return -1;
	}
	promises[nr_promises++ % PROBES] =
		(struct promise){.addr = addr, .size = size, .write = write};
	return 0;
}

static bool promised(uint64_t addr, unsigned int size, bool write)
{
	for (unsigned int i = 0; i < PROBES && i < nr_promises; i++) {
		const struct promise *p = &promises[i];

		if (addr >= p->addr && size <= p->size && addr - p->addr <= p->size - size &&
		    (p->write || !write))
			return true;
	}
	return false;
}

static int mem_load(struct insn_cpu *cpu, uint64_t addr, void *buf, unsigned int size)
{
	must(promised(addr, size, false) && ++accesses < 100000);
	memcpy(buf, window + (addr - WINDOW), size);
	return 0;
}

static int mem_store(struct insn_cpu *cpu, uint64_t addr, const void *buf, unsigned int size)
{
	must(promised(addr, size, true) && ++accesses < 100000);
	memcpy(window + (addr - WINDOW), buf, size);
	return 0;
}

static int mem_block(struct insn_cpu *cpu, uint64_t addr, const void *buf)
{
	must(!(addr % 64));
	return mem_store(cpu, addr, buf, 64);
}

static void mem_lock(struct insn_cpu *cpu)
{
	must(!locked);
	locked = true;
}

static void mem_unlock(struct insn_cpu *cpu)
{
	must(locked);
	locked = false;
}

static const struct insn_mem_ops mem_ops = {
	.probe = mem_probe,
	.load = mem_load,
	.store = mem_store,
	.store_block = mem_block,
	.enqueue = mem_block,
	.lock = mem_lock,
	.unlock = mem_unlock,
};

/* As a signal's context has it: XSAVE's legacy area, header, upper halves of ymm. */
static uint8_t image[INSN_IMAGE_MAX] __attribute__((aligned(64)));

static void make_cpu(struct insn_cpu *cpu, uint8_t seed)
{
	*cpu = (struct insn_cpu){.rip = 0x400000, .flags = 2, .mem = &mem_ops};
	for (unsigned int i = 0; i < GPR_COUNT; i++)
		cpu->gpr[i] = seed & 1 << i % 8 ? WINDOW + 64 * i : i * 0x1111ull;
	cpu->gpr[GPR_SP] = WINDOW + 2048;
	cpu->flags |= seed & 0x80 ? FLAG_DF : 0;
	memset(image, 0, sizeof(image));
	image[0] = 0x7f;
	image[1] = 0x03; /* x87's control word */
	image[24] = 0x80;
	image[25] = 0x1f; /* MXCSR: nothing traps */
	for (unsigned int i = 160; i < 416; i++)
		image[i] = (uint8_t)(i * seed);
	image[512] = 7;
	cpu->xmm = image + 160;
	cpu->ymm_high = image + 576;
	cpu->xstate_bv = (uint64_t *)(void *)(image + 512);
	cpu->image = seed & 0x40 ? image : NULL;
	cpu->image_size = 832;
	cpu->image_features = 7;
}

static void run_insn(const uint8_t *code, size_t size, uint8_t seed)
{
	static uint8_t before_image[sizeof(image)], before_window[WINDOW_SIZE];
	struct insn_cpu cpu, before;
	enum insn_outcome outcome;

	make_cpu(&cpu, seed);
	before = cpu;
	memcpy(before_image, image, sizeof(image));
	memcpy(before_window, window, sizeof(window));
	nr_promises = accesses = 0;
	if (sigsetjmp(undefined, 1)) {
		insn_native_atfork_child();
		locked = false;
		return;
	}
	outcome = insn_run(&cpu, code, size);
	must(!locked);
	switch (outcome) {
	case INSN_DONE:
		must(cpu.rip - before.rip >= 1 && cpu.rip - before.rip <= 15);
		break;
	case INSN_AGAIN:
		must(cpu.rip == before.rip);
		break;
	default:
		must(outcome == INSN_FAULT ? cpu.fault.sig : cpu.why != NULL);
		/* A repeated one may have come some way. */
		if (accesses)
			break;
		must(cpu.rip == before.rip && cpu.flags == before.flags);
		must(!memcmp(cpu.gpr, before.gpr, sizeof(cpu.gpr)));
		must(!memcmp(image, before_image, sizeof(image)));
		must(!memcmp(window, before_window, sizeof(window)));
		break;
	}
	insn_is_direct(code, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX];

	if (size < 2 || size > TEXT_MAX)
		return 0;
	switch (data[0] % 4) {
	case 0:
		memcpy(text, data + 1, size - 1);
		text[size - 1] = '\0';
		run_spec(text);
		break;
	case 1:
		run_manifest((const char *)data + 1, size - 1);
		break;
	default:
		/* The decoder gets no byte more than there is. */
		run_insn(data + 2, size - 2 < 15 ? size - 2 : 15, data[1]);
		break;
	}
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa under a client that means no good: memory that is taken away under a running
 * device, seen by a second mapping of the same pages; processes that end, or become another
 * program, while the device works on their memory.
 *
 * A thread submits one descriptor after the other to a shared queue, in an address space
 * that the device is bound to.  It wants nothing of them but that they come to an end.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uiommu/mm.h>
#include <uiommu/sva.h>

#include "../../../devices/dsa.h"
#include "base/ctx.h"
#include "pci/pci.h"

#define PAGE 4096ul
#define LENGTH (16 * PAGE)
#define MASTER 0x6
#define ALL_OPS 0xffffffffu
#define MARK 0x5a
/* Where what is attacked lies: apart from what anybody else is given, and a sanitizer's own. */
#ifdef __SANITIZE_THREAD__
#define AREA 0x4000000000ul
#else
#define AREA 0x200000000000ul
#endif
#define TARGET ((uint8_t *)AREA)
#define ELSEWHERE ((uint8_t *)(AREA + (1ul << 28)))
#define RECORDS ((void *)(AREA + (2ul << 28)))

/*
 *  desc	the mover's while it runs
 *  submitted, stop	atomic
 */
static struct rig {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	struct uiommu_device *dev;
	struct uiommu_sva *sva;
	struct uiommu_mm *mm;
	struct dsa_record *record; /* shared with children */
	uint8_t *source;	   /* likewise */
	struct dsa_desc desc;
	pthread_t thread;
	uint64_t submitted;
	bool stop;
} r;

/* ---- the device ---- */

static void set(uint64_t offset, uint64_t value, unsigned int size)
{
	assert_int_equal(pci_mmio_write(r.pdev, 0, offset, size, value), 0);
}

static void command(uint32_t number)
{
	uint64_t status;

	set(DSA_CMD, number << 20, 4);
	assert_int_equal(pci_mmio_read(r.pdev, 0, DSA_CMDSTS, 4, &status), 0);
	assert_int_equal((uint32_t)status, 0);
}

/* One shared queue, which waits for pages. */
static void enable(void)
{
	const uint16_t master = MASTER;

	assert_int_equal(pci_config_write(r.pdev, 4, &master, 2), 0);
	set(DSA_WQCFG, 8, 4);
	set(DSA_WQCFG + 4, 8, 4);
	set(DSA_WQCFG + 8, DSA_WQ_BOF | DSA_WQ_PASID_EN | 1u << 4, 4);
	set(DSA_WQCFG + 12, 20, 4);
	set(DSA_WQCFG + 32, ALL_OPS, 4);
	set(DSA_GRPCFG, 1, 8);
	set(DSA_GRPCFG + 32, 1, 8);
	command(1);
	command(6);
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	if (!uiommu_guard_fault(uc))
		abort();
}

static void *share(void *at, size_t length)
{
	void *p = mmap(at, length, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static int setup(void **state)
{
	memset(&r, 0, sizeof(r));
	assert_int_equal(uiommu_create(NULL, &r.ctx), 0);
	assert_int_equal(uiommu_pci_device_add(r.ctx, "dsa", &r.pdev, NULL, 0), 0);
	r.dev = uiommu_pci_iommu_device(r.pdev);
	r.record = share(RECORDS, PAGE);
	r.source = share(NULL, LENGTH);
	return 0;
}

static int teardown(void **state)
{
	struct uiommu_counts counts;

	uiommu_get_counts(r.ctx, &counts);
	assert_int_equal(counts.domains, 0);
	assert_int_equal(counts.handles, 0);
	assert_int_equal(counts.areas, 0);
	assert_int_equal(counts.groups_open, 0);
	assert_int_equal(counts.faults_reported, counts.faults_answered);
	uiommu_destroy(r.ctx);
	uiommu_guard_enable(false);
	munmap(r.record, PAGE);
	munmap(r.source, LENGTH);
	return 0;
}

/* cmocka has handlers of its own while a test is set up. */
static void guard(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	uiommu_guard_enable(true);
}

/* ---- who submits ---- */

static void *mover(void *arg)
{
	while (!__atomic_load_n(&r.stop, __ATOMIC_ACQUIRE)) {
		int rc = pci_mmio_enqueue(r.pdev, 2, PAGE, &r.desc);

		if (rc && rc != -EAGAIN)
			abort();
		__atomic_fetch_add(&r.submitted, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Descriptors in the address space of @mm, whose reference is taken over. */
static void start(struct uiommu_mm *mm, enum dsa_opcode op)
{
	r.mm = mm;
	r.sva = uiommu_sva_bind_device(r.dev, mm);
	assert_false(UIOMMU_IS_ERR(r.sva));
	enable();
	r.desc = (struct dsa_desc){
		.pasid_priv = uiommu_sva_get_pasid(r.sva),
		.flags_op = (uint32_t)op << 24 | DSA_FLAG_BOF | DSA_FLAG_CRAV | DSA_FLAG_RCR,
		.record = (uint64_t)r.record,
		.src = op == DSA_OP_FILL ? 0x0101010101010101ul : (uint64_t)r.source,
		.dst = (uint64_t)TARGET,
		.size = LENGTH,
	};
	r.stop = false;
	assert_int_equal(pthread_create(&r.thread, NULL, mover, NULL), 0);
}

/* Until so many more have come to an end, the one under way included. */
static void let_run(uint64_t n)
{
	uint64_t until = __atomic_load_n(&r.submitted, __ATOMIC_SEQ_CST) + n;

	while (__atomic_load_n(&r.submitted, __ATOMIC_SEQ_CST) < until)
		sched_yield();
}

static void finish(void)
{
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(r.thread, NULL);
	uiommu_sva_unbind_device(r.sva);
	uiommu_mm_put(r.mm);
	assert_int_equal(pci_reset(r.pdev), 0);
	memset(r.record, 0, PAGE);
}

/* The device works, for this process. */
static void still_works(void)
{
	start(uiommu_mm_self(r.ctx), DSA_OP_MEMMOVE);
	memset(r.source, 0x77, LENGTH);
	assert_ptr_equal(mmap(TARGET, LENGTH, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 TARGET);
	let_run(3);
	assert_memory_equal(TARGET, r.source, LENGTH);
	assert_int_equal(r.record->status, DSA_SUCCESS);
	finish();
	munmap(TARGET, LENGTH);
}

/* ---- memory that is taken away ---- */

static bool filled_with(const volatile uint8_t *p, uint8_t byte)
{
	for (size_t i = 0; i < LENGTH; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void unmap(void)
{
	assert_int_equal(munmap(TARGET, LENGTH), 0);
}

static void cover(void)
{
	assert_ptr_equal(mmap(TARGET, LENGTH, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 TARGET);
}

static void protect(void)
{
	assert_int_equal(mprotect(TARGET, LENGTH, PROT_READ), 0);
}

static void move_away(void)
{
	assert_ptr_equal(mremap(TARGET, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE),
			 ELSEWHERE);
}

/* Something else is moved to where it was. */
static void move_over(void)
{
	uint8_t *other = mmap(ELSEWHERE, LENGTH, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	assert_ptr_equal(other, ELSEWHERE);
	assert_ptr_equal(mremap(other, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, TARGET),
			 TARGET);
}

/*
 * Pages that the device writes to, at TARGET, until @take has returned; not a byte of
 * them changes any more.
 */
static void take_away(void (*take)(void))
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	uint8_t *view;

	assert_int_equal(ftruncate(fd, LENGTH), 0);
	view = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_ptr_equal(
		mmap(TARGET, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
		TARGET);
	while (!__atomic_load_n(&view[LENGTH / 2], __ATOMIC_ACQUIRE))
		sched_yield();
	take();
	memset(view, MARK, LENGTH);
	let_run(3);
	assert_true(filled_with(view, MARK));
	munmap(TARGET, LENGTH);
	munmap(ELSEWHERE, LENGTH);
	munmap(view, LENGTH);
	close(fd);
}

static void test_taken_away(void **state)
{
	void (*const ways[])(void) = {unmap, cover, protect, move_away, move_over};

	guard();
	start(uiommu_mm_self(r.ctx), DSA_OP_FILL);
	for (unsigned int i = 0; i < 20 * sizeof(ways) / sizeof(ways[0]); i++)
		take_away(ways[i % (sizeof(ways) / sizeof(ways[0]))]);
	finish();
	still_works();
}

/* ---- what it keeps of translations ---- */

#define MIB (1ul << 20)
#define GRANULE (MIB / 4)

static bool is_kept(const struct dsa_wq *wq, uint64_t addr, uint64_t right)
{
	for (unsigned int i = 0; i < DSA_ATC_ENTRIES; i++)
		if (wq->atc[i].where == (addr / GRANULE << 2 | right))
			return true;
	return false;
}

/* Wherever a move of 1 MiB lies, it doesn't throw out what it will need again. */
static void test_kept(void **state)
{
	const struct dsa *dsa = uiommu_pci_priv(r.pdev);
	const size_t length = 32 * MIB;
	uint8_t *area = mmap(TARGET, length, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0);
	const struct dsa_record *record = (const void *)(area + length - PAGE);

	assert_ptr_equal(area, TARGET);
	guard();
	start(uiommu_mm_self(r.ctx), DSA_OP_FILL);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	pthread_join(r.thread, NULL);
	r.desc.flags_op = DSA_OP_MEMMOVE << 24 | DSA_FLAG_CRAV | DSA_FLAG_RCR;
	r.desc.size = MIB;
	/* Written as well, so in a place of its own. */
	r.desc.record = (uint64_t)record;
	for (uint8_t *from = area + PAGE; from < area + length - 2 * MIB; from += GRANULE) {
		r.desc.src = (uint64_t)from;
		r.desc.dst = (uint64_t)(from + MIB);
		assert_int_equal(pci_mmio_enqueue(r.pdev, 2, PAGE, &r.desc), 0);
		assert_int_equal(record->status, DSA_SUCCESS);
		for (size_t i = 0; i < MIB; i += GRANULE) {
			assert_true(is_kept(&dsa->wq[0], (uint64_t)from + i, UIOMMU_READ));
			assert_true(is_kept(&dsa->wq[0], (uint64_t)from + MIB + i, UIOMMU_WRITE));
		}
	}
	assert_int_equal(pthread_create(&r.thread, NULL, mover, NULL), 0);
	finish();
	munmap(area, length);
}

/* ---- processes that end ---- */

enum ending {
	KILLED,
	EXITS,
	EXECUTES,
	ENDINGS
};

/*
 * What parent and child tell each other, in shared memory that execve() can't take along.
 *  ready	the child's memory is there
 *  go		it may end
 */
struct talk {
	int ready;
	int go;
};

/* The child, as the next program has it: nobody writes to what it has at those addresses. */
static int next_program(const char *in, const char *out)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	char byte = 0;

	if (mmap(TARGET, LENGTH, PROT_READ | PROT_WRITE, flags, -1, 0) != TARGET ||
	    mmap(RECORDS, PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) != RECORDS ||
	    read(atoi(in), &byte, 1) != 1)
		return 2;
	memset(TARGET, MARK, LENGTH);
	memset(RECORDS, MARK, PAGE);
	if (write(atoi(out), &byte, 1) != 1 || read(atoi(in), &byte, 1) != 1)
		return 3;
	return !filled_with(TARGET, MARK);
}

static void child(struct talk *talk, enum ending ending, int in, int out)
{
	char in_text[12], out_text[12];

	memset(TARGET, 0, LENGTH);
	__atomic_store_n(&talk->ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&talk->go, __ATOMIC_ACQUIRE))
		sched_yield();
	snprintf(in_text, sizeof(in_text), "%d", in);
	snprintf(out_text, sizeof(out_text), "%d", out);
	if (ending == EXECUTES)
		execl("/proc/self/exe", "next", in_text, out_text, NULL);
	while (ending == KILLED)
		pause();
	_exit(0);
}

/* What a host does: it has heard that the number is no longer that program's. */
static void wait_for_end(enum ending ending, pid_t pid, int hangup)
{
	char byte;

	if (ending == KILLED)
		kill(pid, SIGKILL);
	/* Closed by its end, and by execve(). */
	assert_int_equal(read(hangup, &byte, 1), 0);
	uiommu_mm_gone(r.mm);
}

static void pipes(int *to, int *from, int *hangup)
{
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	assert_int_equal(pipe2(hangup, O_CLOEXEC), 0);
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void check_next_program(int to, int from)
{
	char byte = 1;

	assert_int_equal(write(to, &byte, 1), 1);
	assert_int_equal(read(from, &byte, 1), 1);
	let_run(20);
	assert_int_equal(write(to, &byte, 1), 1);
}

static void one_ending(enum ending ending)
{
	struct talk *talk = share(NULL, PAGE);
	int fds[6], status;
	pid_t pid;

	pipes(fds, fds + 2, fds + 4);
	cover();
	memset(TARGET, MARK, LENGTH);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(talk, ending, fds[0], fds[3]);
	close(fds[5]);
	while (!__atomic_load_n(&talk->ready, __ATOMIC_ACQUIRE))
		sched_yield();
	start(uiommu_mm_of(r.ctx, pid), DSA_OP_FILL);
	while (__atomic_load_n(&r.record->status, __ATOMIC_ACQUIRE) != DSA_SUCCESS)
		sched_yield();
	__atomic_store_n(&talk->go, 1, __ATOMIC_RELEASE);
	wait_for_end(ending, pid, fds[4]);
	let_run(20);
	if (ending == EXECUTES)
		check_next_program(fds[1], fds[2]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, ending == KILLED ? SIGKILL : 0);
	let_run(20);
	finish();
	/* Ours at the same address was never meant. */
	assert_true(filled_with(TARGET, MARK));
	munmap(TARGET, LENGTH);
	munmap(talk, PAGE);
	close_all(fds, 5);
}

static void test_endings(void **state)
{
	guard();
	for (int i = 0; i < 10 * ENDINGS; i++)
		one_ending((enum ending)(i % ENDINGS));
	still_works();
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(test_taken_away), TEST(test_kept),
					   TEST(test_endings)};

	if (argc == 3)
		return next_program(argv[1], argv[2]);
	return cmocka_run_group_tests_name("dsa-sva", tests, NULL, NULL);
}

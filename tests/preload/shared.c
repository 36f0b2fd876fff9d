/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A BAR with a page of memory in it (bar-shared=on): BAR4, the second page.
 * The first page traps, and so does the second until it's touched, and while memory isn't
 * decoded.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "client.h"

#define PAGE 4096u
#define WORDS (PAGE / 4)

static int iommufd, device;
static uint64_t bar4, config;
static sigjmp_buf escape;
static volatile sig_atomic_t caught;

static uint64_t region_offset(uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(index != 4 || info.size == 2 * PAGE);
	return info.offset;
}

static volatile uint32_t *map(uint64_t offset, size_t length, int prot)
{
	void *p = mmap(NULL, length, prot, MAP_SHARED, device, (off_t)(bar4 + offset));

	CHECK(p != MAP_FAILED);
	return p;
}

static void on_signal(int sig)
{
	caught = sig;
	siglongjmp(escape, 1);
}

/* The signal that storing @value gets. */
static int store(volatile uint32_t *at, uint32_t value)
{
	caught = 0;
	if (!sigsetjmp(escape, 1))
		*at = value;
	return caught;
}

static void set_command(uint16_t command)
{
	CHECK(pwrite(device, &command, 2, (off_t)config + 4) == 2);
}

static void setup(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	bar4 = region_offset(4);
	config = region_offset(7);
	CHECK(!sigaction(SIGBUS, &action, NULL) && !sigaction(SIGSEGV, &action, NULL));
}

/* Both ways to it, and two mappings, are the same memory; the kernel can read it as well. */
static void test_same(void)
{
	volatile uint32_t *a = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);
	volatile uint32_t *b = map(PAGE, PAGE, PROT_READ | PROT_WRITE);
	uint32_t value = 0;
	int pipes[2];

	a[WORDS + 3] = 0x11223344;
	CHECK(b[3] == 0x11223344);
	CHECK(pread(device, &value, 4, (off_t)(bar4 + PAGE + 12)) == 4 && value == 0x11223344);
	value = 5;
	CHECK(pwrite(device, &value, 4, (off_t)(bar4 + PAGE + 16)) == 4);
	CHECK(a[WORDS + 4] == 5 && b[4] == 5);
	CHECK(a[3] == 0xffffffff); /* a page that is not memory */
	/* A system call takes it for memory: it is. */
	CHECK(!pipe(pipes));
	CHECK(write(pipes[1], (void *)(uintptr_t)(b + 3), 4) == 4);
	CHECK(read(pipes[0], &value, 4) == 4 && value == 0x11223344);
	CHECK(write(pipes[1], (void *)(uintptr_t)a, 4) == -1 && errno == EFAULT);
	CHECK(!munmap((void *)(uintptr_t)a, 2 * PAGE));
	CHECK(b[3] == 0x11223344);
	CHECK(!munmap((void *)(uintptr_t)b, PAGE));
}

/* While memory isn't decoded it's not there, and then it is again, with what was in it. */
static void test_decoding(void)
{
	volatile uint32_t *a = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);

	CHECK(!store(&a[WORDS], 7) && a[WORDS] == 7);
	set_command(0);
	CHECK(store(&a[WORDS], 8) == SIGBUS);
	set_command(2);
	CHECK(a[WORDS] == 7);
	CHECK(!store(&a[WORDS], 9) && a[WORDS] == 9);
	/* A reset of the device empties it. */
	CHECK(!ioctl(device, VFIO_DEVICE_RESET));
	CHECK(a[WORDS] == 0);
	CHECK(!munmap((void *)(uintptr_t)a, 2 * PAGE));
	CHECK(store(&a[WORDS], 1) == SIGSEGV);
}

static void test_rights(void)
{
	volatile uint32_t *a = map(PAGE, PAGE, PROT_READ);
	void *moved;

	CHECK(a[0] == 0);
	CHECK(store(&a[0], 1) == SIGSEGV);
	CHECK(!mprotect((void *)(uintptr_t)a, PAGE, PROT_READ | PROT_WRITE));
	CHECK(!store(&a[0], 1) && a[0] == 1);
	CHECK(!mprotect((void *)(uintptr_t)a, PAGE, PROT_NONE));
	CHECK(store(&a[0], 1) == SIGSEGV);
	CHECK(!munmap((void *)(uintptr_t)a, PAGE));
	/* Moved, and cut. */
	a = map(0, 2 * PAGE, PROT_READ | PROT_WRITE);
	CHECK(a[WORDS] == 1);
	moved = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap((void *)(uintptr_t)a, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       moved);
	CHECK(moved != MAP_FAILED);
	a = moved;
	CHECK(a[WORDS] == 1 && a[0] == 0xffffffff);
	CHECK(!munmap(moved, PAGE));
	CHECK(a[WORDS] == 1);
	set_command(0);
	CHECK(store(&a[WORDS], 8) == SIGBUS);
	set_command(2);
	CHECK(a[WORDS] == 1);
	CHECK(!munmap((char *)moved + PAGE, PAGE));
}

/* A child has it as its parent does. */
static void test_child(void)
{
	volatile uint32_t *a = map(PAGE, PAGE, PROT_READ | PROT_WRITE);
	int status;
	pid_t pid;

	a[8] = 1;
	pid = fork();
	if (!pid) {
		a[9] = a[8] + 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(a[9] == 2);
}

int main(void)
{
	setup();
	test_same();
	test_decoding();
	test_rights();
	test_child();
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * sva-copy [QUEUE] - an accelerator copies malloc'ed memory, and takes page faults like a CPU
 *
 * Plain uAPI: /dev/dsa/wq0.0 as the kernel's idxd driver offers it, nothing of uiommu.  On a
 * machine with Intel's Data Streaming Accelerator and a queue for users; or
 *
 *	uiommu run --device dsa,driver=idxd -- sva-copy
 *
 * Opening the queue binds the device to this process's address space, so a descriptor has
 * plain pointers in it.  What isn't there when the device gets to it is a page fault: the
 * device says so in the completion record, or, if the descriptor has "block on fault", has it
 * served and goes on.  A fault that can't be served ends the copy there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define MIB ((size_t)1 << 20)
#define TIMEOUT_US 5e6

/* Of a descriptor: the operation, and flags. */
#define OP_MEMMOVE (3u << 24)
#define BLOCK_ON_FAULT 2u
#define RECORD (4u | 8u) /* its address is valid, and it's to be written in any case */

/* Of a completion record. */
#define SUCCESS 1u
#define PAGE_FAULT 3u	      /* of a descriptor that doesn't block on it */
#define PAGE_FAULT_REFUSED 4u /* it was asked for, and can't be had */
#define BAD_FLAGS 0x11u	      /* as block on fault is, if the queue doesn't allow it */
#define BAD_SIZE 0x13u	      /* more than the queue takes at once */
#define OF_A_WRITE 0x80u

struct descriptor {
	uint32_t pasid; /* filled in by the processor, or by the kernel */
	uint32_t flags_and_op;
	uint64_t record;
	uint64_t source;
	uint64_t destination;
	uint32_t size;
	uint32_t reserved[7];
} __attribute__((aligned(64)));

struct record {
	volatile uint8_t status;
	uint8_t result;
	uint16_t reserved;
	uint32_t bytes_completed;
	uint64_t fault_address;
	uint64_t more[2];
} __attribute__((aligned(32)));

static struct {
	int fd;
	bool dedicated;
	void *portal; /* NULL: write() instead */
} queue;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sva-copy: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* ---- the queue ---- */

/* A dedicated queue is its opener's alone, and takes what isn't answered. */
static bool is_dedicated(const char *path)
{
	char name[128], mode[16] = "";
	const char *slash = strrchr(path, '/');
	FILE *file;

	snprintf(name, sizeof(name), "/sys/bus/dsa/devices/%s/mode", slash ? slash + 1 : path);
	file = fopen(name, "re");
	if (!file)
		die("%s: %s", name, strerror(errno));
	if (!fgets(mode, sizeof(mode), file))
		mode[0] = '\0';
	fclose(file);
	return !strcmp(mode, "dedicated\n");
}

static void open_queue(const char *path)
{
	queue.fd = open(path, O_RDWR | O_CLOEXEC);
	if (queue.fd < 0)
		die("%s: %s; try: uiommu run --device dsa,driver=idxd -- sva-copy", path,
		    strerror(errno));
	queue.dedicated = is_dedicated(path);
	queue.portal = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, queue.fd, 0);
	if (queue.portal == MAP_FAILED) {
		/* Linux gives portals to the privileged only; write() is for everybody. */
		if (errno != EPERM)
			die("%s: mmap: %s", path, strerror(errno));
		queue.portal = NULL;
	}
	printf("%s is a %s queue; descriptors go there by %s.\n", path,
	       queue.dedicated ? "dedicated" : "shared",
	       !queue.portal   ? "write()" :
	       queue.dedicated ? "movdir64b" :
				 "enqcmd");
}

static void movdir64b(void *portal, const struct descriptor *desc)
{
	__asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x02" ::"a"(portal), "d"(desc) : "memory");
}

/* True: the queue is full, try again. */
static bool enqcmd(void *portal, const struct descriptor *desc)
{
	bool retry;

	__asm__ volatile(".byte 0xf2, 0x0f, 0x38, 0xf8, 0x02"
			 : "=@ccz"(retry)
			 : "a"(portal), "d"(desc)
			 : "memory");
	return retry;
}

static void submit(const struct descriptor *desc)
{
	if (!queue.portal) {
		while (write(queue.fd, desc, sizeof(*desc)) != sizeof(*desc)) {
			if (errno != EAGAIN)
				die("write: %s", strerror(errno));
		}
	} else if (queue.dedicated) {
		movdir64b(queue.portal, desc);
	} else {
		while (enqcmd(queue.portal, desc))
			;
	}
}

static void move(void *to, const void *from, size_t size, uint32_t flags, struct record *record)
{
	struct descriptor desc = {
		.flags_and_op = OP_MEMMOVE | RECORD | flags,
		.record = (uintptr_t)record,
		.source = (uintptr_t)from,
		.destination = (uintptr_t)to,
		.size = (uint32_t)size,
	};
	double start;

	record->status = 0;
	submit(&desc);
	if (!record->status) {
		for (start = now_us(); !record->status;)
			if (now_us() - start > TIMEOUT_US)
				die("the device doesn't answer");
	}
	__asm__ volatile("" ::: "memory");
}

/* ---- what is shown ---- */

static void check(const char *what, const void *to, const void *from, size_t size)
{
	if (memcmp(to, from, size))
		die("%s: the bytes aren't those that were sent", what);
}

static void *allocate(size_t size)
{
	void *memory = aligned_alloc(PAGE, size);

	if (!memory)
		die("no memory");
	return memory;
}

/* How many pages of it are there? */
static size_t pages_there(const void *memory, size_t size)
{
	static unsigned char there[16 * MIB / PAGE];
	size_t sum = 0;

	if (mincore((void *)(uintptr_t)memory, size, there))
		die("mincore: %s", strerror(errno));
	for (size_t i = 0; i < size / PAGE; i++)
		sum += there[i] & 1;
	return sum;
}

static void must_succeed(const struct record *record)
{
	if (record->status == BAD_FLAGS || record->status == BAD_SIZE)
		die("status %#x: the queue must be set to block_on_fault, and to a max_transfer_size of 4 MiB",
		    record->status);
	if (record->status != SUCCESS)
		die("status %#x at %#llx", record->status,
		    (unsigned long long)record->fault_address);
}

/* The device stops at each page that isn't there, and the program brings it. */
static void copy_untouched(const char *from, size_t size)
{
	char *to = allocate(size);
	size_t done = 0, faults = 0;
	struct record record;

	for (;;) {
		move(to + done, from + done, size - done, 0, &record);
		if ((record.status & ~OF_A_WRITE) != PAGE_FAULT)
			break;
		done += record.bytes_completed;
		*(volatile char *)(uintptr_t)record.fault_address = 0; /* touched */
		faults++;
	}
	must_succeed(&record);
	check("untouched memory", to, from, size);
	printf("Copied %zu bytes to memory that nobody had touched: %zu page faults told in\n"
	       "completion records, each served by touching the page.\n",
	       size, faults);
	free(to);
}

/* The device has pages brought, and waits for them. */
static void copy_blocking(const char *from, size_t size)
{
	char *to = allocate(size);
	size_t before = pages_there(to, size);
	struct record record;

	move(to, from, size, BLOCK_ON_FAULT, &record);
	must_succeed(&record);
	printf("Copied %zu bytes to more of it, blocking on faults: %zu pages weren't there, and\n"
	       "%zu were served to the device.\n",
	       size, size / PAGE - before, pages_there(to, size) - before);
	check("blocking on faults", to, from, size);
	free(to);
}

static void copy_to_file(const char *from, size_t size)
{
	FILE *file = tmpfile();
	char *map, *back = allocate(size);
	struct record record;

	if (!file || ftruncate(fileno(file), (off_t)size))
		die("a temporary file: %s", strerror(errno));
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
	if (map == MAP_FAILED)
		die("mmap of a file: %s", strerror(errno));
	move(map, from, size, BLOCK_ON_FAULT, &record);
	must_succeed(&record);
	if (pread(fileno(file), back, size, 0) != (ssize_t)size)
		die("pread: %s", strerror(errno));
	check("the file", back, from, size);
	printf("Copied %zu bytes to a mapped file; read() gives them back.\n", size);
	munmap(map, size);
	fclose(file);
	free(back);
}

/* The processor couldn't write there, so the device can't. */
static void copy_protected(const char *from, size_t size)
{
	char *to = allocate(size), *wall = to + size / 2;
	struct record record;

	memset(to, 0, size);
	if (mprotect(wall, PAGE, PROT_READ))
		die("mprotect: %s", strerror(errno));
	move(to, from, size, BLOCK_ON_FAULT, &record);
	if (record.status != (PAGE_FAULT_REFUSED | OF_A_WRITE))
		die("status %#x of a copy over a page that is read-only", record.status);
	if ((record.fault_address & ~(PAGE - 1)) != (uintptr_t)wall ||
	    record.bytes_completed != size / 2)
		die("refused at %#llx after %u bytes, not at %p",
		    (unsigned long long)record.fault_address, record.bytes_completed, (void *)wall);
	check("before the page", to, from, size / 2);
	for (size_t i = size / 2; i < size; i++)
		if (to[i])
			die("there are bytes behind the refused page");
	printf("Copied %u of %zu bytes: one write was refused, at %#llx, a page that is read-only.\n",
	       record.bytes_completed, size, (unsigned long long)record.fault_address);
	mprotect(wall, PAGE, PROT_READ | PROT_WRITE);
	free(to);
}

/* ---- how fast ---- */

/* Of moves of 1 MiB, in GB/s; the best of some rounds of some moves. */
static double bandwidth(char *to, const char *from, bool device)
{
	struct record record;
	double best = 0;

	for (int round = 0; round < 8; round++) {
		double start = now_us(), speed;

		for (int i = 0; i < 16; i++) {
			if (!device)
				memcpy(to, from, MIB);
			else
				move(to, from, MIB, BLOCK_ON_FAULT, &record);
			__asm__ volatile("" ::"r"(to) : "memory");
		}
		speed = 16 * (double)MIB / (now_us() - start) / 1e3;
		if (speed > best)
			best = speed;
	}
	return best;
}

int main(int argc, char **argv)
{
	const size_t size = 4 * MIB;
	char *from;

	open_queue(argc > 1 ? argv[1] : "/dev/dsa/wq0.0");
	from = allocate(size);
	for (size_t i = 0; i < size; i++)
		from[i] = (char)(i * 31 + i / PAGE + 1);
	for (size_t i = 0; i < size; i++)
		from[i] |= !from[i]; /* no byte is 0, as memory is at first */
	copy_untouched(from, MIB / 4);
	copy_blocking(from, size);
	copy_to_file(from, MIB);
	copy_protected(from, MIB);
	printf("Bandwidth, 1 MiB at a time: %.1f GB/s, memcpy() %.1f GB/s.\n",
	       bandwidth(from + MIB, from, true), bandwidth(from + MIB, from, false));
	if (queue.portal)
		munmap(queue.portal, PAGE);
	close(queue.fd);
	free(from);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * storm [SEED [ROUNDS [OPERATIONS]]]: every ioctl of every node with random arguments, by
 * threads and their forked children, while descriptors are duplicated, sent and closed
 * and memory is taken away.
 *
 * Nothing here must succeed.  No call crashes or hangs, no pointer is followed to where
 * it doesn't lead, and when all is closed no descriptor is left, and no page is charged.
 *
 * A descriptor or mapping is in a slot; who closes it takes it out first, so that no
 * number is closed twice.  All else that threads share is memory that they may lose.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "client.h"
#include "mock/abi.h"

#define THREADS 4
#define SLOTS 24
#define MAPS 8
#define CHILDREN 6
#define PAGES 64ul
#define SCRATCH_SIZE 0x100000ul
/* Around both there is nothing, for as far as a map or a long answer could lead. */
#define RESERVED_SIZE (1ul << 33)

enum kind {
	IOMMU,
	DEVICE,
	GROUP,
	CONTAINER,
	ACCESS,
	OTHER, /* queues, files, eventfds */
	KINDS,
};

/* Few, where one is more the more is done with it. */
static const unsigned int nr_slots[KINDS] = {
	[IOMMU] = 2, [DEVICE] = 4, [GROUP] = 3, [CONTAINER] = 2, [ACCESS] = 3, [OTHER] = SLOTS};
static int slots[KINDS][SLOTS]; /* a descriptor + 1; 0: none */
static struct map {
	char *at;
	size_t length;
} * maps[MAPS];
static char *memory, *scratch;
static bool is_child;
static _Thread_local uint64_t seed;
static _Thread_local sigjmp_buf around;
static _Thread_local volatile sig_atomic_t guarded;

/* ---- chance ---- */

static uint64_t roll64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

static unsigned int roll(unsigned int sides)
{
	return (unsigned int)(roll64() >> 33) % sides;
}

static bool chance(unsigned int percent)
{
	return roll(100) < percent;
}

/* After a fork by one of several threads, malloc() may wait for ever with gcc's ASan. */
#ifdef __SANITIZE_ADDRESS__
#define MAY_FORK false
#else
#define MAY_FORK true
#endif

#define PICK(table) ((table)[roll(sizeof(table) / sizeof((table)[0]))])

/* ---- descriptors ---- */

static void keep(enum kind kind, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = __atomic_exchange_n(&slots[kind][roll(nr_slots[kind])], fd + 1, __ATOMIC_ACQ_REL);
	if (old)
		close(old - 1);
}

static int take(enum kind kind)
{
	return __atomic_exchange_n(&slots[kind][roll(nr_slots[kind])], 0, __ATOMIC_ACQ_REL) - 1;
}

/* Mostly of that kind. */
static int some_fd(enum kind kind)
{
	int fd = 0;

	if (chance(6))
		kind = roll(KINDS);
	for (int tries = 0; !fd && tries < 8; tries++)
		fd = __atomic_load_n(&slots[kind][roll(nr_slots[kind])], __ATOMIC_ACQUIRE);
	return fd - 1;
}

/* An iommufd is closed less often than what is made of it. */
static enum kind some_kind(void)
{
	return chance(3) ? IOMMU : DEVICE + roll(KINDS - DEVICE);
}

static void open_some(void)
{
	static const char *const nodes[][2] = {
		[IOMMU] = {"/dev/iommu", "/dev/iommu"},
		[DEVICE] = {"/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1"},
		[GROUP] = {"/dev/vfio/0", "/dev/vfio/1"},
		[CONTAINER] = {"/dev/vfio/vfio", "/dev/vfio/vfio"},
	};
	enum kind kind = some_kind();
	int fd;

	if (kind < ACCESS) {
		fd = open(nodes[kind][roll(2)], O_RDWR | (chance(80) ? O_CLOEXEC : 0));
	} else if (chance(50)) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	} else {
		fd = memfd_create("storm", MFD_CLOEXEC);
		CHECK(fd < 0 || !ftruncate(fd, PAGES * 4096));
	}
	keep(kind < ACCESS ? kind : OTHER, fd);
}

static void send_to_self(enum kind kind, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
	int pair[2];

	if (fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(pair[0], &msg, 0) == 1) {
		msg.msg_controllen = sizeof(control);
		if (recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg)) {
			memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
			keep(kind, fd);
		}
	}
	close(pair[0]);
	close(pair[1]);
}

static void juggle(void)
{
	enum kind kind = some_kind();
	int taken, fd = some_fd(kind);

	switch (roll(6)) {
	case 0:
		keep(kind, dup(fd));
		break;
	case 1:
		keep(kind, fcntl(fd, chance(50) ? F_DUPFD : F_DUPFD_CLOEXEC, (int)roll(200)));
		break;
	case 2:
		/* Over another, which nobody closes meanwhile. */
		taken = take(kind);
		if (taken >= 0)
			dup3(fd, taken, O_CLOEXEC);
		keep(kind, taken);
		break;
	case 3:
		send_to_self(kind, fd);
		break;
	default:
		taken = take(kind);
		if (taken >= 0)
			close(taken);
		break;
	}
}

/* ---- ioctls ---- */

/*
 * How an argument is laid out; capital letters have 8 bytes, others 4:
 *  s size	w small number	h two half ones	m flags of a map
 *  p PASID	t type		z 0		o an answer	e one, a descriptor
 *  0 to 7	an object: IOAS, page table, device, mock device, fault queue, viommu, any,
 *		IOAS or page table
 *  a b g j k l	an answer: the number of one of the first six kinds
 *  q flags of SET_IRQS	u a feature	f iommufd	c container
 *  r access	d another descriptor
 *  P scratch	V memory	A IOVA		L length	N number
 * NULL: no pointer, but a number.
 */
struct command {
	enum kind kind;
	unsigned long request;
	const char *layout;
};

static const struct command commands[] = {
	{IOMMU, IOMMU_DESTROY, "s6"},
	{IOMMU, IOMMU_DESTROY, "s6"},
	{IOMMU, IOMMU_IOAS_ALLOC, "sza"},
	{IOMMU, IOMMU_IOAS_IOVA_RANGES, "s0wzPN"},
	{IOMMU, IOMMU_IOAS_ALLOW_IOVAS, "s0wzP"},
	{IOMMU, IOMMU_IOAS_MAP, "sm0zVLA"},
	{IOMMU, IOMMU_IOAS_MAP, "sm0zVLA"},
	{IOMMU, IOMMU_IOAS_MAP_FILE, "sm0dLLA"},
	{IOMMU, IOMMU_IOAS_COPY, "sm00LAA"},
	{IOMMU, IOMMU_IOAS_UNMAP, "s0AL"},
	{IOMMU, IOMMU_IOAS_CHANGE_PROCESS, "sz"},
	{IOMMU, IOMMU_IOAS_NOIOMMU_GET_PA, "sz0zALN"},
	{IOMMU, IOMMU_OPTION, "swh0N"},
	{IOMMU, IOMMU_VFIO_IOAS, "s0h"},
	{IOMMU, IOMMU_HWPT_ALLOC, "sw27bzzzP4z"},
	{IOMMU, IOMMU_HWPT_ALLOC, "sw27bztwP4z"},
	{IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, "sw1z"},
	{IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, "s1wzALLP"},
	{IOMMU, IOMMU_HWPT_INVALIDATE, "s1Ptwwz"},
	{IOMMU, IOMMU_GET_HW_INFO, "sz2wPzzN"},
	{IOMMU, IOMMU_FAULT_QUEUE_ALLOC, "szke"},
	{IOMMU, IOMMU_VIOMMU_ALLOC, "szt21lzzP"},
	{IOMMU, IOMMU_VIOMMU_ALLOC, "szt21lwzP"},
	{IOMMU, IOMMU_VDEVICE_ALLOC, "s52oN"},
	{IOMMU, IOMMU_VEVENTQ_ALLOC, "sz5twoez"},
	{IOMMU, IOMMU_HW_QUEUE_ALLOC, "sz5twoAL"},
	{CONTAINER, VFIO_GET_API_VERSION, NULL},
	{CONTAINER, VFIO_CHECK_EXTENSION, NULL},
	{CONTAINER, VFIO_SET_IOMMU, NULL},
	{GROUP, VFIO_GROUP_GET_STATUS, "sw"},
	{GROUP, VFIO_GROUP_SET_CONTAINER, "c"},
	{GROUP, VFIO_GROUP_UNSET_CONTAINER, NULL},
	{DEVICE, VFIO_DEVICE_GET_INFO, "swwwww"},
	{DEVICE, VFIO_DEVICE_GET_REGION_INFO, "swwwNN"},
	{DEVICE, VFIO_DEVICE_GET_IRQ_INFO, "swww"},
	{DEVICE, VFIO_DEVICE_SET_IRQS, "sqwwwdddd"},
	{DEVICE, VFIO_DEVICE_RESET, NULL},
	{DEVICE, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, "swwwwwww"},
	{DEVICE, VFIO_DEVICE_PCI_HOT_RESET, "swwdd"},
	{DEVICE, VFIO_DEVICE_IOEVENTFD, "swNNdz"},
	{DEVICE, VFIO_DEVICE_BIND_IOMMUFD, "szfg"},
	{DEVICE, VFIO_DEVICE_BIND_IOMMUFD, "szfg"},
	{DEVICE, VFIO_DEVICE_ATTACH_IOMMUFD_PT, "sw7p"},
	{DEVICE, VFIO_DEVICE_ATTACH_IOMMUFD_PT, "sz7"},
	{DEVICE, VFIO_DEVICE_DETACH_IOMMUFD_PT, "swp"},
	{DEVICE, VFIO_DEVICE_FEATURE, "suNNNN"},
	{CONTAINER, VFIO_IOMMU_GET_INFO, "swNwwNNNN"},
	{CONTAINER, VFIO_IOMMU_MAP_DMA, "smVAL"},
	{CONTAINER, VFIO_IOMMU_UNMAP_DMA, "swAL"},
	{CONTAINER, VFIO_IOMMU_DIRTY_PAGES, "swALLNP"},
	{DEVICE, VFIO_MIG_GET_PRECOPY_INFO, "swNN"},
};

/* The mock driver's operations; the first letter is for the object. */
static const struct test {
	uint32_t op;
	const char *layout;
} tests[] = {
	{MOCK_OP_ADD_RESERVED, "0LL"},
	{MOCK_OP_DOMAIN, "7jbg"},
	{MOCK_OP_DOMAIN, "7jbg"},
	{MOCK_OP_DOMAIN_FLAGS, "7jbgw"},
	{MOCK_OP_CHECK_MAP, "1ALV"},
	{MOCK_OP_CHECK_REFS, "zLVw"},
	{MOCK_OP_CREATE_ACCESS, "0ew"},
	{MOCK_OP_PIN, "rwoALV"},
	{MOCK_OP_UNPIN, "rw"},
	{MOCK_OP_ACCESS_RW, "rALPw"},
	{MOCK_OP_MEMORY_LIMIT, "zw"},
	{MOCK_OP_REPLACE, "37"},
	{MOCK_OP_ACCESS_REPLACE, "r0"},
	{MOCK_OP_DIRTY, "1wzALLP"},
	{MOCK_OP_CHECK_IOTLB, "1ww"},
	{MOCK_OP_CHECK_CACHE, "2ww"},
	{MOCK_OP_TRIGGER_IOPF, "z2pwwA"},
	{MOCK_OP_TRIGGER_VEVENT, "z2"},
	{MOCK_OP_PASID_ATTACH, "3p7"},
	{MOCK_OP_PASID_REPLACE, "3p7"},
	{MOCK_OP_PASID_DETACH, "3p"},
	{MOCK_OP_PASID_CHECK, "3p7"},
	{MOCK_OP_DMABUF_GET, "zLw"},
	{MOCK_OP_DMABUF_REVOKE, "zdw"},
};

static char *some_page(void)
{
	return memory + roll((unsigned int)PAGES) * 4096ul;
}

/* The last of each kind that were made, in whatever iommufd. */
static uint32_t objects[6][4];

static uint32_t some_object(int kind)
{
	if (chance(5))
		return roll(40);
	if (kind == 7)
		kind = chance(50) ? 0 : 1;
	if (kind == 6)
		kind = (int)roll(6);
	return __atomic_load_n(&objects[kind][roll(4)], __ATOMIC_RELAXED);
}

static void remember_objects(const char *layout, const char *arg, size_t at)
{
	static const char answers[] = "abgjkl";
	const char *answer;

	for (; *layout; layout++) {
		bool wide = *layout >= 'A' && *layout <= 'Z';
		uint32_t id;

		at = wide ? (at + 7) & ~7ul : at;
		answer = strchr(answers, *layout);
		if (answer) {
			memcpy(&id, arg + at, sizeof(id));
			__atomic_store_n(&objects[answer - answers][roll(4)], id, __ATOMIC_RELAXED);
		}
		at += wide ? 8 : 4;
	}
}

static uint32_t half_word(char what)
{
	static const uint32_t types[] = {0,
					 1,
					 4,
					 8,
					 MOCK_HWPT_TYPE,
					 MOCK_VIOMMU_TYPE,
					 MOCK_VEVENTQ_TYPE,
					 MOCK_HW_INFO_TYPE,
					 MOCK_VIOMMU_TYPE};
	static const uint32_t pasids[] = {0, 0, 1, 2, 3, MOCK_PASID_FAILS, 0xfffff, 0x100000};
	static const uint32_t map_flags[] = {7, 7, 7, 6, 5, 3, 2, 0};
	static const uint32_t odd[] = {16, 24, 255, 4096, 0x7fffffff, 0x80000000, 0xffffffff};

	switch (what) {
	case '0' ... '7':
		return some_object(what - '0');
	case 'd':
		return (uint32_t)some_fd(OTHER);
	case 'r':
		return (uint32_t)some_fd(ACCESS);
	case 'q':
		return chance(90) ? 1u << roll(3) | 8u << roll(3) : roll(64);
	case 'u':
		return roll(8) << 16 | roll(16);
	case 'f':
		return (uint32_t)some_fd(IOMMU);
	case 'c':
		return (uint32_t)some_fd(chance(60) ? CONTAINER : IOMMU);
	case 'm':
		return PICK(map_flags);
	case 't':
		return chance(60) ? MOCK_VIOMMU_TYPE : PICK(types);
	case 'p':
		return PICK(pasids);
	case 'h':
		return roll(3);
	case 'w':
		return chance(90) ? roll(8) : PICK(odd);
	default:
		return 0;
	}
}

static uint64_t word(char what)
{
	static const uint64_t odd[] = {
		0, 1, 4095, UINT64_MAX, UINT64_MAX - 4095, 1ull << 63, 1ull << 31, 1ull << 47};
	static const uint64_t bad[] = {0, 8, 4096, 1ull << 47, UINT64_MAX - 4095};
	uint64_t page = 4096;

	if (what != 'P' && what != 'V' && chance(6))
		return PICK(odd);
	switch (what) {
	case 'P':
		return chance(92) ? (uintptr_t)scratch + roll(4096) * 8 : PICK(bad);
	case 'V':
		return chance(92) ? (uintptr_t)some_page() : PICK(bad);
	case 'A':
		return 0x1000000 + roll(16) * 4 * page + (chance(10) ? 2048 : 0);
	case 'L':
		return (1 + roll(chance(80) ? 4 : 64)) * page / (chance(10) ? 2 : 1);
	default:
		return chance(80) ? roll(64) : roll64();
	}
}

/* Into @arg, whose size is at least that of the longest.  Return: how long it is. */
static size_t fill(const char *layout, char *arg, size_t at, size_t *descriptor)
{
	for (; *layout; layout++) {
		uint64_t wide = word(*layout);
		uint32_t narrow = chance(2) ? (uint32_t)roll64() : half_word(*layout);

		if (*layout >= 'A' && *layout <= 'Z') {
			at = (at + 7) & ~7ul;
			memcpy(arg + at, &wide, 8);
			at += 8;
			continue;
		}
		if (*layout == 'e')
			*descriptor = at;
		memcpy(arg + at, &narrow, 4);
		at += 4;
	}
	return at;
}

static void call_some(void)
{
	const struct command *command = &commands[roll(sizeof(commands) / sizeof(commands[0]))];
	_Alignas(8) char arg[128] = {0};
	size_t descriptor = 0, length = 0;
	uint32_t size;
	int fd = some_fd(command->kind), made;

	if (!command->layout) {
		ioctl(fd, command->request, (unsigned long)roll(16));
		return;
	}
	length = fill(command->layout, arg, 0, &descriptor);
	size = (uint32_t)length;
	if (chance(6))
		size = roll(140);
	if (command->layout[0] == 's')
		memcpy(arg, &size, sizeof(size));
	/* Where nobody would find a descriptor that is the answer. */
	if (chance(3) && !descriptor) {
		ioctl(fd, command->request, (void *)word('P'));
		return;
	}
	made = ioctl(fd, command->request, arg);
	if (made < 0)
		return;
	remember_objects(command->layout, arg, 0);
	if (descriptor) {
		memcpy(&made, arg + descriptor, sizeof(made));
		keep(OTHER, made);
	}
}

/* Size, operation, object and a word of nothing come before what the table has. */
static void test_some(void)
{
	const struct test *test = &tests[roll(sizeof(tests) / sizeof(tests[0]))];
	_Alignas(8) char arg[128] = {0};
	const uint32_t size = chance(96) ? sizeof(struct mock_cmd) : roll(100);
	const uint32_t head[3] = {size, test->op, half_word(test->layout[0])};
	size_t descriptor = 0;
	int made;

	fill(test->layout + 1, arg, 16, &descriptor);
	memcpy(arg, head, sizeof(head));
	made = ioctl(some_fd(IOMMU), MOCK_TEST_CMD, arg);
	if (made < 0)
		return;
	remember_objects(test->layout + 1, arg, 16);
	if (descriptor)
		memcpy(&made, arg + descriptor, sizeof(made));
	if (test->op == MOCK_OP_CREATE_ACCESS)
		keep(ACCESS, made);
	else if (test->op == MOCK_OP_DMABUF_GET)
		keep(OTHER, made);
}

/* Its argument is a name, and its answer a descriptor. */
static void get_device(void)
{
	char name[] = "0000:01:00.0";

	name[6] = (char)('1' + roll(3));
	keep(DEVICE, ioctl(some_fd(GROUP), VFIO_GROUP_GET_DEVICE_FD, name));
}

/* ---- reads, writes, mappings, memory ---- */

static void move_bytes(void)
{
	int fd = some_fd(chance(60) ? DEVICE : OTHER);
	off_t at = (off_t)((uint64_t)roll(10) << 40 | roll(0x200));
	size_t length = chance(80) ? 4 : roll(600);
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};
	char buf[600];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)roll64();
	switch (roll(8)) {
	case 6:
		/* Of config space: COMMAND. */
		at = (off_t)(7ull << 40 | 4);
		length = 2;
		buf[0] = 6;
		buf[1] = 0;
		pwrite(fd, buf, length, at);
		break;
	case 0:
		if (pread(fd, buf, length, at) > (ssize_t)length)
			CHECK(!"more was read than asked for");
		break;
	case 1:
		if (pwrite(fd, buf, length, at) > (ssize_t)length)
			CHECK(!"more was written than asked for");
		break;
	case 2:
		if (read(fd, buf, length) > (ssize_t)length)
			CHECK(!"more was read than asked for");
		break;
	case 3:
		if (write(fd, buf, length) > (ssize_t)length)
			CHECK(!"more was written than asked for");
		break;
	default:
		poll(&poll_fd, 1, 0);
		break;
	}
}

static void put_map(struct map *map)
{
	struct map *old = __atomic_exchange_n(&maps[roll(MAPS)], map, __ATOMIC_ACQ_REL);

	if (!old)
		return;
	munmap(old->at, old->length);
	free(old);
}

static void map_some(void)
{
	struct map *map;
	size_t length = (1 + roll(2)) * 4096ul;
	off_t at = chance(80) ? 0 : (off_t)((uint64_t)roll(9) << 40 | roll(3) * 4096ul);
	char *place = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, some_fd(DEVICE), at);

	if (place == MAP_FAILED)
		return;
	map = malloc(sizeof(*map));
	CHECK(map);
	*map = (struct map){.at = place, .length = length};
	put_map(map);
}

static void on_fault(int sig)
{
	if (guarded)
		siglongjmp(around, 1);
	signal(sig, SIG_DFL);
}

/* A device may be away, or its memory off: that is SIGBUS, as on hardware. */
static void touch_some(void)
{
	struct map *map = __atomic_exchange_n(&maps[roll(MAPS)], NULL, __ATOMIC_ACQ_REL);
	volatile uint32_t *at;

	if (!map)
		return;
	at = (volatile uint32_t *)(void *)map->at;
	if (!sigsetjmp(around, 1)) {
		guarded = 1;
		for (int i = 0; i < 4; i++) {
			unsigned int reg =
				chance(70) ? roll(8) : roll((unsigned int)map->length / 4);

			if (chance(60))
				at[reg] = chance(50) ? (uint32_t)word('A') : (uint32_t)roll64();
			else
				(void)at[reg];
		}
	}
	guarded = 0;
	put_map(map);
}

static void take_memory(void)
{
	char *page = some_page();
	size_t length = 4096;

	switch (roll(5)) {
	case 0:
		madvise(page, length, MADV_DONTNEED);
		break;
	case 1:
		mprotect(page, length, chance(50) ? PROT_READ : PROT_READ | PROT_WRITE);
		break;
	default:
		CHECK(mmap(page, length, PROT_READ | PROT_WRITE,
			   MAP_FIXED | MAP_ANONYMOUS | (chance(50) ? MAP_PRIVATE : MAP_SHARED), -1,
			   0) == page);
		break;
	}
}

/* ---- rounds ---- */

static pid_t children[CHILDREN];
static unsigned int operations;

static void fork_some(void);

static void operate(void)
{
	unsigned int what = roll(200);

	if (what < 8)
		open_some();
	else if (what < 14)
		juggle();
	else if (what < 24)
		move_bytes();
	else if (what < 30)
		map_some();
	else if (what < 42)
		touch_some();
	else if (what < 47)
		take_memory();
	else if (what < 52)
		get_device();
	else if (what == 52 && !is_child && MAY_FORK)
		fork_some();
	else if (what < 130)
		call_some();
	else
		test_some();
}

/* The child goes on alone, with all descriptors and mappings, and ends without closing any. */
static void fork_some(void)
{
	unsigned int at = roll(CHILDREN);
	pid_t none = 0, pid;

	if (!__atomic_compare_exchange_n(&children[at], &none, -1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		is_child = true;
		for (int i = 0; i < 60; i++)
			operate();
		_exit(0);
	}
	__atomic_store_n(&children[at], pid, __ATOMIC_RELEASE);
}

static void *run_thread(void *arg)
{
	seed = *(const uint64_t *)arg;
	for (unsigned int i = 0; i < operations; i++)
		operate();
	return NULL;
}

static void close_all(void)
{
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		if (!children[i])
			continue;
		CHECK(waitpid(children[i], &status, 0) == children[i]);
		if (status)
			fprintf(stderr, "a child ended with %#x\n", (unsigned int)status);
		CHECK(!status);
		children[i] = 0;
	}
	for (int i = 0; i < MAPS; i++) {
		if (!maps[i])
			continue;
		munmap(maps[i]->at, maps[i]->length);
		free(maps[i]);
		maps[i] = NULL;
	}
	for (int i = 0; i < KINDS * SLOTS; i++) {
		int *slot = &slots[i / SLOTS][i % SLOTS];

		if (*slot)
			close(*slot - 1);
		*slot = 0;
	}
}

static void run_round(uint64_t round)
{
	pthread_t threads[THREADS];
	uint64_t seeds[THREADS];

	for (unsigned int i = 0; i < nr_slots[IOMMU]; i++)
		slots[IOMMU][i] = open_node("/dev/iommu") + 1;
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = (round * THREADS + (uint64_t)i + 1) * 0x9e3779b97f4a7c15ull;
		CHECK(!pthread_create(&threads[i], NULL, run_thread, &seeds[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	close_all();
}

/* All of ours are closed: what is open is the shim's. */
static unsigned int open_descriptors(bool tell)
{
	unsigned int count = 0;

	for (int fd = 3; fd < 65536; fd++) {
		char path[32], what[64] = "";

		if (fcntl(fd, F_GETFD) < 0)
			continue;
		count++;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (tell && readlink(path, what, sizeof(what) - 1) > 0)
			fprintf(stderr, "open: %d: %s\n", fd, what);
	}
	return count;
}

static unsigned long pinned(void)
{
	char text[2048] = "", *line;
	int fd = open("/proc/self/status", O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	CHECK(!close(fd) && (line = strstr(text, "VmPin:")));
	return strtoul(line + 6, NULL, 10);
}

/* What a child had mapped goes when the shim's thread has seen that it ended. */
static void check_pins(void)
{
	for (int tries = 0; pinned() && tries < 1000; tries++)
		poll(NULL, 0, 10);
	CHECK(!pinned());
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	unsigned int rounds = argc > 2 ? (unsigned int)atoi(argv[2]) : 6;
	unsigned int before = 0;

	operations = argc > 3 ? (unsigned int)atoi(argv[3]) : 3000;
	memory = mmap(NULL, RESERVED_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	CHECK(memory != MAP_FAILED);
	memory += SCRATCH_SIZE;
	scratch = memory + 2 * SCRATCH_SIZE;
	CHECK(!mprotect(memory, PAGES * 4096, PROT_READ | PROT_WRITE));
	CHECK(!mprotect(scratch, SCRATCH_SIZE, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < SCRATCH_SIZE; i += 61)
		scratch[i] = (char)i;
	CHECK(!sigaction(SIGBUS, &action, NULL) && !sigaction(SIGSEGV, &action, NULL));
	for (unsigned int i = 0; i < rounds; i++) {
		unsigned int open_now;
		int fd;

		run_round(first * 1000 + i);
		check_pins();
		/* The first one started what the shim starts once. */
		if (!i)
			before = open_descriptors(false);
		open_now = open_descriptors(false);
		if (open_now > before)
			open_descriptors(true);
		CHECK(open_now <= before);
		fd = open_node("/dev/iommu");
		CHECK(ioas_alloc(fd) == 1);
		close(fd);
	}
	return 0;
}

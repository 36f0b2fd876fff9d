/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mapped devices in processes that aren't the engine's: inherited, mapped there, and after
 * the engine's end.  And what the engine's end is for who waits.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/shm.h>

#include "rig.h"

#define WINDOW ((void *)0x610000000000ul)

static const char *self;
static off_t bar_at;
static char *in, *out;

static volatile uint32_t *map_bar(void *at, int flags)
{
	void *p = mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | flags, device, bar_at);

	CHECK(p != MAP_FAILED);
	return p;
}

/* The device carries the parent's page @in to @out, driven through @regs. */
static void drive(volatile uint32_t *regs)
{
	regs[0] = (uint32_t)IOVA;
	regs[1] = 0;
	regs[2] = 3;
	CHECK(regs[0] == (uint32_t)IOVA && !(regs[2] & 1));
	regs[0] = (uint32_t)IOVA + 0x1000;
	regs[2] = 1;
	CHECK(!(regs[2] & 1));
}

static void driven(char c)
{
	CHECK(out[0] == c && out[4095] == c);
	memset(out, 0, 4096);
}

static void ends_by(pid_t pid, int sig)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != sig) {
		fprintf(stderr, "the child ended with %#x\n", (unsigned int)status);
		_exit(1);
	}
}

static void test_inherited(void)
{
	pid_t pid;

	memset(in, 'i', 4096);
	pid = fork();
	if (!pid) {
		/* Private memory: these are copies. */
		memset(in, 'x', 4096);
		drive(bar);
		pid = fork();
		if (!pid) {
			drive(bar);
			CHECK(!munmap((void *)(uintptr_t)bar, 4096));
			exit(0);
		}
		reaped(pid);
		drive(bar);
		exit(0);
	}
	reaped(pid);
	driven('i');
}

/* System V shared memory takes a BAR's place: then it's memory. */
static void test_shmat(void)
{
	volatile uint32_t *second = map_bar(WINDOW, MAP_FIXED);
	char *at = (void *)(uintptr_t)second;
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	volatile char *mem;

	CHECK(id >= 0);
	CHECK_ERR(shmat(id, at, 0), EINVAL);
	mem = shmat(id, at + 5, SHM_REMAP | SHM_RND);
	CHECK(mem == at && !shmctl(id, IPC_RMID, NULL));
	CHECK(!map(iommufd, ioas, at, IOVA + 0x100000));
	unmap(IOVA + 0x100000);
	mem[0] = 7;
	CHECK(mem[0] == 7 && mem[1] == 0 && !shmdt((void *)(uintptr_t)mem));
}

static void test_own(void)
{
	pid_t pid;

	memset(in, 'o', 4096);
	pid = fork();
	if (!pid) {
		volatile uint32_t *first = map_bar(NULL, 0), *second = map_bar(WINDOW, MAP_FIXED);
		void *moved;

		CHECK(second == WINDOW && first != second);
		drive(first);
		first[0] = 0x12345000;
		CHECK(second[0] == 0x12345000 && bar[0] == 0x12345000);
		moved = mremap((void *)(uintptr_t)second, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
			       (char *)WINDOW + 0x100000);
		CHECK(moved == (char *)WINDOW + 0x100000);
		CHECK(((volatile uint32_t *)moved)[0] == 0x12345000);
		/* Its place in another's hands. */
		CHECK(mmap(moved, 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == moved);
		memset(moved, 0x55, 4096);
		CHECK(first[0] == 0x12345000);
		/* The mapping holds the file, here and there. */
		CHECK(!close(device));
		drive(first);
		CHECK(!munmap((void *)(uintptr_t)first, 4096));
		exit(0);
	}
	reaped(pid);
	driven('o');
}

static void test_rights(void)
{
	pid_t pid = fork();

	if (!pid) {
		CHECK(!mprotect((void *)(uintptr_t)bar, 4096, PROT_READ));
		CHECK(bar[3] || !bar[3]);
		bar[0] = 1;
		_exit(0);
	}
	ends_by(pid, SIGSEGV);
	pid = fork();
	if (!pid) {
		CHECK(!munmap((void *)(uintptr_t)bar, 4096));
		bar[0] = 1;
		_exit(0);
	}
	ends_by(pid, SIGSEGV);
	CHECK_ERR((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, iommufd, 1 << 20), ENXIO);
	pid = fork();
	if (!pid) {
		CHECK_ERR((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, iommufd, 1 << 20), ENXIO);
		CHECK_ERR((long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, device, bar_at + 1),
			  EINVAL);
		exit(0);
	}
	reaped(pid);
}

/* argv: where the BAR is, the number of the descriptor. */
static int program(off_t at, int fd)
{
	bar_at = at;
	device = fd;
	drive(map_bar(NULL, 0));
	return 0;
}

static void test_program(void)
{
	char number[2][24];
	pid_t pid;

	memset(in, 'p', 4096);
	snprintf(number[0], sizeof(number[0]), "%ld", (long)bar_at);
	snprintf(number[1], sizeof(number[1]), "%d", device);
	pid = vfork();
	if (!pid) {
		execl(self, self, number[0], number[1], NULL);
		_exit(99);
	}
	reaped(pid);
	driven('p');
}

/* ---- the engine's end ---- */

/* What a grandchild does while the process with the engine is killed. */
static void test_end(void (*before)(void), void (*during)(void), bool stopped, int sig)
{
	struct steps steps;
	pid_t engine, pid;
	int status;

	steps_open(&steps);
	engine = fork();
	if (!engine) {
		/* Alarms aren't inherited. */
		alarm(30);
		setup(true);
		pid = fork();
		if (!pid) {
			alarm(20);
			if (before)
				before();
			pid = fork();
			if (!pid) {
				if (before)
					before();
				tell(steps.to_parent);
				wait_for(steps.to_child);
				during();
				_exit(0);
			}
			status = -1;
			CHECK(waitpid(pid, &status, 0) == pid);
			CHECK(sig ? WIFSIGNALED(status) && WTERMSIG(status) == sig : !status);
			tell(steps.to_parent);
			_exit(0);
		}
		pause();
	}
	wait_for(steps.to_parent);
	if (stopped)
		CHECK(!kill(engine, SIGSTOP) && waitpid(engine, NULL, WUNTRACED) == engine);
	else
		CHECK(!kill(engine, SIGKILL) && waitpid(engine, NULL, 0) == engine);
	tell(steps.to_child);
	if (stopped) {
		usleep(50000);
		CHECK(!kill(engine, SIGKILL) && waitpid(engine, NULL, 0) == engine);
	}
	close(steps.to_parent[1]);
	wait_for(steps.to_parent);
	close(steps.to_parent[0]);
	close(steps.to_child[0]);
	close(steps.to_child[1]);
}

static void uses(void)
{
	CHECK(works(iommufd) && (bar[0] || !bar[0]));
}

static void is_gone(void)
{
	char c;

	CHECK_ERR(ioctl(iommufd, IOMMU_IOAS_ALLOC, NULL), ENODEV);
	CHECK_ERR(pread(device, &c, 1, config_at), ENODEV);
	CHECK_ERR(read(queue, &c, 1), ENODEV);
}

static void touches(void)
{
	bar[0] = 1;
}

static void polls(void)
{
	struct pollfd pfd = {.fd = queue, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	fd_set set;
	char c;

	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, queue, &event));
	CHECK(poll(&pfd, 1, 10000) == 1 && (pfd.revents & POLLHUP));
	CHECK(epoll_wait(epoll, &event, 1, 10000) == 1 && (event.events & EPOLLHUP));
	FD_ZERO(&set);
	FD_SET(queue, &set);
	CHECK(select(queue + 1, &set, NULL, NULL, NULL) == 1);
	CHECK_ERR(read(queue, &c, 1), ENODEV);
}

int main(int argc, char **argv)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};

	alarm(50);
	if (argc == 3)
		return program(atol(argv[1]), atoi(argv[2]));
	self = argv[0];
	test_end(NULL, is_gone, false, 0);
	test_end(uses, is_gone, false, 0);
	test_end(NULL, is_gone, true, 0);
	test_end(uses, is_gone, true, 0);
	test_end(uses, touches, false, SIGBUS);
	test_end(uses, touches, true, SIGBUS);
	test_end(NULL, touches, false, SIGBUS);
	test_end(NULL, polls, true, 0);
	setup(false);
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar_at = (off_t)info.offset;
	in = page(0);
	out = page(0);
	CHECK(!map(iommufd, ioas, in, IOVA));
	CHECK(!map(iommufd, ioas, out, IOVA + 0x1000));
	test_inherited();
	test_shmat();
	test_own();
	test_rights();
	test_program();
	CHECK(bar[0] == (uint32_t)IOVA + 0x1000);
	teardown();
	return 0;
}

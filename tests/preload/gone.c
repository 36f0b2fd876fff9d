/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory of processes that have ended, or are another program by now: what is shared stays
 * for devices, what is private becomes an error, and nobody else's is met instead.
 */
#include <sys/ipc.h>
#include <sys/shm.h>

#include "rig.h"

#define PLACE ((void *)0x600000000000ul)

static const char *self;
static char *out; /* what the device read goes there */

/* What the device reads at @iova, or 0: nothing. */
static char device_reads(uint64_t iova)
{
	memset(out, 0, 4096);
	fetch(IOVA + 0x10000);
	fetch(iova);
	store(IOVA + 0x10000);
	CHECK(out[0] == out[4095]);
	return out[0];
}

static void device_writes(uint64_t iova, char c)
{
	memset(out, c, 4096);
	fetch(IOVA + 0x10000);
	store(iova);
}

/* ---- kinds of memory, made by the child ---- */

static char *shared_file(int fd)
{
	char *at;

	CHECK(fd >= 0 && !ftruncate(fd, 3 * 4096));
	at = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096);
	CHECK(at != MAP_FAILED);
	return at;
}

static char *of_memfd(void)
{
	return shared_file(memfd_create("gone", MFD_CLOEXEC));
}

static char *of_name(void)
{
	char name[64];
	int fd;
	char *at;

	snprintf(name, sizeof(name), "/dev/shm/uiommu-gone-%d", (int)getppid());
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	at = shared_file(fd);
	close(fd);
	return at;
}

static char *of_segment(void)
{
	int id = shmget(IPC_PRIVATE, 2 * 4096, 0600);
	char *at = shmat(id, NULL, 0);

	CHECK(id >= 0 && at != (void *)-1);
	CHECK(!shmctl(id, IPC_RMID, NULL));
	return at;
}

static char *of_nobody(void)
{
	return page(0);
}

static char *inherited;

static char *of_parent(void)
{
	return inherited;
}

/* The child maps it and dies; @keeps: a device finds what it left, and leaves something. */
static void test_kind(const char *what, char *(*make)(void), bool keeps)
{
	struct steps steps;
	pid_t pid;

	steps_open(&steps);
	pid = fork();
	if (!pid) {
		char *at = make();

		memset(at, 's', 4096);
		CHECK(!map(iommufd, ioas, at, IOVA));
		tell(steps.to_parent);
		wait_for(steps.to_child);
		CHECK(at[0] == 't' && at[4095] == 't');
		at[0] = at[4095] = 'u';
		tell(steps.to_parent);
		pause();
	}
	wait_for(steps.to_parent);
	CHECK(device_reads(IOVA) == 's');
	device_writes(IOVA, 't');
	tell(steps.to_child);
	wait_for(steps.to_parent);
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	if (device_reads(IOVA) != (keeps ? 'u' : 0)) {
		fprintf(stderr, "%s: a device read %d\n", what, out[0]);
		_exit(1);
	}
	device_writes(IOVA, 'v');
	CHECK(device_reads(IOVA) == (keeps ? 'v' : 0));
	unmap(IOVA);
	steps_close(&steps);
}

static void test_name(void)
{
	char name[64];

	snprintf(name, sizeof(name), "/dev/shm/uiommu-gone-%d", (int)getpid());
	unlink(name);
	test_kind("named", of_name, true);
	CHECK(!unlink(name));
}

static void test_parent(void)
{
	inherited = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(inherited != MAP_FAILED);
	test_kind("inherited", of_parent, true);
	CHECK(inherited[0] == 'v' && inherited[4095] == 'v');
	CHECK(!munmap(inherited, 4096));
}

/* ---- with and without a domain ---- */

static int attach(uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach), .pt_id = pt_id};

	return ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) ? -errno : 0;
}

static void detach(void)
{
	struct vfio_device_detach_iommufd_pt detach = {.argsz = sizeof(detach)};

	CHECK(!ioctl(device, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
}

/* It stays from when a domain comes to when the last one goes, as pinned memory does. */
static void test_attached(void)
{
	uint32_t other = ioas_alloc(iommufd);
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = other};
	struct steps steps;
	pid_t pid;

	steps_open(&steps);
	pid = fork();
	if (!pid) {
		char *at = of_memfd();

		memset(at, 'a', 4096);
		CHECK(!map(iommufd, other, at, IOVA));
		tell(steps.to_parent);
		pause();
	}
	wait_for(steps.to_parent);
	CHECK(!map(iommufd, other, out, IOVA + 0x10000));
	CHECK(!attach(other));
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
	CHECK(device_reads(IOVA) == 'a');
	detach();
	CHECK(attach(other) == -EFAULT);
	CHECK(!ioctl(iommufd, IOMMU_DESTROY, &destroy));
	CHECK(!attach(ioas));
	steps_close(&steps);
}

/* ---- another program, with the same number ---- */

static int other_program(int to_parent, int to_child)
{
	const int pipes[2][2] = {{-1, to_parent}, {to_child, -1}};
	char *at = mmap(PLACE, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(at == PLACE);
	memset(at, 'n', 4096);
	tell(pipes[0]);
	wait_for(pipes[1]);
	CHECK(at[0] == 'n' && at[4095] == 'n');
	return 0;
}

static void test_exec(void)
{
	char number[2][16];
	struct steps steps;
	pid_t pid;
	int i;

	CHECK(!pipe(steps.to_child) && !pipe(steps.to_parent));
	pid = fork();
	if (!pid) {
		char *at = mmap(PLACE, 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		CHECK(at == PLACE);
		memset(at, 'o', 4096);
		CHECK(!map(iommufd, ioas, at, IOVA));
		/* Its memory is known by more than the descriptors that it still has. */
		close(iommufd);
		close(device);
		tell(steps.to_parent);
		wait_for(steps.to_child);
		CHECK(at[0] == 'p');
		snprintf(number[0], sizeof(number[0]), "%d", steps.to_parent[1]);
		snprintf(number[1], sizeof(number[1]), "%d", steps.to_child[0]);
		execl(self, self, number[0], number[1], NULL);
		_exit(99);
	}
	wait_for(steps.to_parent);
	CHECK(device_reads(IOVA) == 'o');
	device_writes(IOVA, 'p');
	tell(steps.to_child);
	wait_for(steps.to_parent);
	/* The line's end is on its way. */
	for (i = 0; i < 1000 && device_reads(IOVA); i++)
		usleep(1000);
	CHECK(i < 1000);
	device_writes(IOVA, 'q');
	tell(steps.to_child);
	reaped(pid);
	unmap(IOVA);
	steps_close(&steps);
}

int main(int argc, char **argv)
{
	alarm(30);
	if (argc == 3)
		return other_program(atoi(argv[1]), atoi(argv[2]));
	self = argv[0];
	setup(false);
	out = page(0);
	CHECK(!map(iommufd, ioas, out, IOVA + 0x10000));
	test_kind("memfd", of_memfd, true);
	test_name();
	test_kind("segment", of_segment, true);
	test_parent();
	test_kind("private", of_nobody, false);
	test_attached();
	test_exec();
	teardown();
	return 0;
}

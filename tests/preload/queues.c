/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queues [safe] - /dev/dsa/wqN.M in the process that opens it: every way to submit, what is
 * refused and how, faults, software errors, and what closing does.
 */
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "wq.h"

static struct record record, records[4];
/* Of a device without the erratum; are portals ours to have? */
static bool safe, portals;

static char *pages(unsigned int n)
{
	char *at = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

/* ---- the file ---- */

static void test_file(void)
{
	struct stat st, twin;
	char c[64];
	int wq = open(SHARED, O_RDWR | O_CLOEXEC);

	CHECK(wq >= 0 && !fstat(wq, &st) && !stat(SHARED, &twin));
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == twin.st_rdev && minor(st.st_rdev) == 0);
	CHECK_ERR(ioctl(wq, 0x3b80, c), ENOTTY);
	CHECK_ERR(read(wq, c, sizeof(c)), EINVAL);
	CHECK_ERR(pread(wq, c, sizeof(c), 0), EINVAL);
	CHECK_ERR(open("/dev/dsa/wq0.2", O_RDWR), ENOENT);
	close(wq);
}

static void test_mmap_refused(void)
{
	int wq = open(SHARED, O_RDWR), ro = open(SHARED, O_RDONLY), wo = open(SHARED, O_WRONLY);
	void *none = MAP_FAILED;

	CHECK(wq >= 0 && ro >= 0 && wo >= 0);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wq, 0x80), EINVAL);
	CHECK_ERR(mmap(NULL, 0, PROT_WRITE, MAP_SHARED, wq, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, ro, 0), EACCES);
	CHECK_ERR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0), EACCES);
	if (!portals) {
		CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wq, 0), EPERM);
		return;
	}
	CHECK_ERR(mmap(NULL, 2 * PAGE, PROT_WRITE, MAP_SHARED, wq, 0), EINVAL);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_PRIVATE, wq, 0), EINVAL);
	/* Any page of the file is the portal. */
	none = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, wq, 5 * PAGE);
	CHECK(none != MAP_FAILED && !munmap(none, PAGE));
	close(wq);
	close(ro);
	close(wo);
}

static void test_sysfs(void)
{
	static const char *const files[] = {"wq0.0/mode", "wq0.7/size", "group0.1/traffic_class_a",
					    "dsa0/token_limit"};
	static const char *const taken[] = {"dsa0/cmd_status", "dsa0/uevent", "wq0.1/uevent"};
	char path[128], text[32] = "";
	int fd;

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "/sys/bus/dsa/devices/%s", files[i]);
		fd = open(path, O_RDWR);
		CHECK(fd >= 0);
		CHECK_ERR(write(fd, "1", 1), EPERM);
		close(fd);
	}
	/* libaccel-config does so before anything else. */
	for (unsigned int i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		snprintf(path, sizeof(path), "/sys/bus/dsa/devices/%s", taken[i]);
		fd = open(path, O_RDWR);
		CHECK(fd >= 0 && write(fd, "1", 1) == 1);
		close(fd);
	}
	fd = open("/sys/bus/dsa/devices/dsa0/cmd_status", O_RDONLY);
	CHECK(read(fd, text, sizeof(text)) == 2 && !memcmp(text, "0\n", 2));
	close(fd);
	fd = open("/sys/bus/dsa/devices/wq0.1/mode", O_RDONLY);
	CHECK(read(fd, text, sizeof(text) - 1) == 10 && !strcmp(text, "dedicated\n"));
	close(fd);
	CHECK(!access("/sys/bus/pci/drivers/idxd/0000:01:00.0", F_OK));
	CHECK_ERR(access("/dev/vfio/devices/vfio0", F_OK), ENOENT);
}

/* ---- write() ---- */

static void test_batch(int wq, struct desc *list, char *dst)
{
	struct desc batch = desc_of(OP_BATCH, RECORD, list, NULL, 2, &records[3]);

	if (!safe) {
		CHECK_ERR(write(wq, &batch, 64), EINVAL);
		return;
	}
	memset(dst, 0, 200);
	records[0].status = records[1].status = 0;
	CHECK(write(wq, &batch, 64) == 64 && status_of(&records[3]) == 1);
	CHECK(records[0].status == 1 && records[1].status == 1 && dst[199] == 0x42);
}

static void test_write(const char *node)
{
	void *volatile nowhere = (void *)8;
	char *src = malloc(70000), *dst = malloc(70000);
	int wq = open(node, O_RDWR), ro;
	struct desc list[5];

	CHECK(wq >= 0);
	memset(src, 's', 70000);
	list[0] = move_of(src, dst, 70000, &records[0]);
	CHECK(write(wq, list, 64) == 64);
	CHECK(status_of(&records[0]) == 1 && !memcmp(src, dst, 70000));

	for (unsigned int i = 0; i < 4; i++)
		list[i] = desc_of(OP_FILL, RECORD | BOF, (void *)0x4242424242424242, dst + i * 100,
				  100, &records[i]);
	CHECK(pwrite(wq, list, 4 * 64 + 63, 12345) == 4 * 64);
	for (unsigned int i = 0; i < 4; i++)
		CHECK(status_of(&records[i]) == 1 && dst[i * 100] == 0x42 && dst[399] == 0x42);

	/* What was submitted before the wrong one is counted. */
	list[2].record += 16;
	CHECK(write(wq, list, 4 * 64) == 128);
	CHECK_ERR(write(wq, list + 2, 64), EINVAL);
	test_batch(wq, list, dst);
	CHECK_ERR(write(wq, nowhere, 64), EFAULT);
	CHECK(write(wq, list, 63) == 0 && write(wq, list, 0) == 0);
	close(wq);

	ro = open(node, O_RDONLY);
	CHECK(ro >= 0);
	CHECK_ERR(write(ro, list + 1, 64), EBADF);
	close(ro);
	free(src);
	free(dst);
}

/* ---- portals ---- */

static void test_portals(void)
{
	char *src = pages(1), *dst = pages(1);
	int shared = open(SHARED, O_RDWR), dedicated = open(DEDICATED, O_RDWR);
	volatile char *sp = portal_of(shared), *dp = portal_of(dedicated);
	struct desc desc;

	memset(src, 'a', PAGE);
	desc = move_of(src, dst, PAGE, &record);
	CHECK(enqcmd(sp + 64, &desc));
	CHECK(status_of(&record) == 1 && dst[0] == 'a' && dst[PAGE - 1] == 'a');

	memset(src, 'b', PAGE);
	desc = move_of(src, dst, PAGE, &record);
	/* A PASID in the descriptor is not for the client to say. */
	desc.pasid = 77;
	movdir64b(dp + PAGE - 64, &desc);
	CHECK(status_of(&record) == 1 && dst[0] == 'b' && dst[PAGE - 1] == 'b');
	memset(src, 'c', PAGE);
	desc = move_of(src, dst, PAGE, &record);
	desc.pasid = 77;
	CHECK(enqcmd(sp, &desc));
	CHECK(status_of(&record) == 1 && dst[0] == 'c');

	/* Each queue takes its own way only; other ways are software errors, with lines in the log. */
	desc = move_of(src, dst, PAGE, &record);
	if (safe) {
		CHECK(!enqcmd(dp, &desc));
		movdir64b(sp, &desc);
		CHECK(!record.status);
	}

	/* The mapping is enough; and it's what keeps a dedicated queue. */
	close(dedicated);
	close(shared);
	movdir64b(dp, &desc);
	CHECK(status_of(&record) == 1);
	CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
	CHECK(!munmap((void *)(uintptr_t)dp, PAGE));
	CHECK(!munmap((void *)(uintptr_t)sp, PAGE));
	dedicated = open(DEDICATED, O_RDWR);
	CHECK(dedicated >= 0);
	close(dedicated);
}

static void test_busy(void)
{
	int wq = open(DEDICATED, O_RDWR), copy = dup(wq), second, third;

	CHECK(wq >= 0 && copy >= 0);
	CHECK_ERR(open(DEDICATED, O_RDONLY), EBUSY);
	close(wq);
	CHECK_ERR(open(DEDICATED, O_RDWR), EBUSY);
	close(copy);
	wq = open(DEDICATED, O_RDWR);
	CHECK(wq >= 0);
	close(wq);
	wq = open(SHARED, O_RDWR);
	second = open(SHARED, O_WRONLY);
	third = open(SHARED, O_RDONLY);
	CHECK(wq >= 0 && second >= 0 && third >= 0);
	close(wq);
	/* What the others have stays. */
	test_write(SHARED);
	close(second);
	close(third);
}

/* ---- faults and errors ---- */

static void test_faults(void)
{
	char *src = pages(4), *dst = pages(4), *hole = pages(3);
	int wq = open(SHARED, O_RDWR);
	struct desc desc;

	CHECK(wq >= 0 && !munmap(hole + PAGE, PAGE));
	/* Nobody has touched any of it. */
	desc = move_of(src, dst, 4 * PAGE, &record);
	CHECK(write(wq, &desc, 64) == 64 && status_of(&record) == 1 && !dst[4 * PAGE - 1]);

	/* As far as there is memory, and where there's none. */
	memset(hole, 'h', PAGE);
	desc = move_of(hole + 10, dst, 2 * PAGE, &record);
	CHECK(write(wq, &desc, 64) == 64 && (status_of(&record) & 0x7f) == 4);
	CHECK(record.done == PAGE - 10 && (record.fault & ~(PAGE - 1)) == (uintptr_t)hole + PAGE);
	CHECK(!(record.status & 0x80) && dst[0] == 'h');

	/* Read-only to the processor is so to the device. */
	CHECK(!mprotect(dst + PAGE, PAGE, PROT_READ));
	desc = move_of(src, dst, 4 * PAGE, &record);
	CHECK(write(wq, &desc, 64) == 64 && status_of(&record) == (4 | 0x80));
	CHECK(record.done == PAGE && (record.fault & ~(PAGE - 1)) == (uintptr_t)dst + PAGE);
	close(wq);
}

static void test_swerr(void)
{
	int wq = open(SHARED, O_RDWR), other = open(DEDICATED, O_RDWR);
	struct pollfd poll_fd[2] = {{wq, POLLIN | POLLOUT, 0}, {other, POLLIN | POLLOUT, 0}};
	struct desc desc = move_of(&desc, &desc, 64, &record);

	CHECK(wq >= 0 && other >= 0);
	CHECK(poll(poll_fd, 2, 0) == 0);
	/* Nowhere to say that it's wrong. */
	desc.record = 0x1000;
	CHECK(write(wq, &desc, 64) == 64);
	CHECK(poll(poll_fd, 2, 10000) == 2);
	CHECK(poll_fd[0].revents == POLLIN && poll_fd[1].revents == POLLIN);
	close(wq);
	/* It stays, for those who come later as well. */
	wq = open(SHARED, O_RDWR);
	poll_fd[0].fd = wq;
	CHECK(poll(poll_fd, 1, 10000) == 1 && poll_fd[0].revents == POLLIN);
	close(wq);
	close(other);
}

/* ---- closing while others submit ---- */

static char area[8][2][1 << 16];

static void *submitter(void *arg)
{
	unsigned int i = (unsigned int)(uintptr_t)arg;
	struct record mine;
	struct desc desc;
	int wq;

	for (unsigned int n = 0; n < 40; n++) {
		wq = open(i % 2 && i == 1 ? DEDICATED : SHARED, O_RDWR);
		CHECK(wq >= 0);
		memset(area[i][0], (int)(n + 1), sizeof(area[i][0]));
		desc = move_of(area[i][0], area[i][1], sizeof(area[i][0]), &mine);
		CHECK(write(wq, &desc, 64) == 64);
		close(wq);
		/* Closing waits for what was submitted. */
		CHECK(mine.status == 1);
		CHECK(!memcmp(area[i][0], area[i][1], sizeof(area[i][0])));
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[8];

	for (uintptr_t i = 0; i < 8; i++)
		CHECK(!pthread_create(&threads[i], NULL, submitter, (void *)i));
	for (unsigned int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

/* ---- capabilities ---- */

static bool capable(bool drop)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
	struct stat ns;

	CHECK(!syscall(SYS_capget, &header, data));
	if (drop) {
		data[0].effective &= ~(1u << CAP_SYS_RAWIO);
		CHECK(!syscall(SYS_capset, &header, data));
	}
	/* In a namespace of one's own they are none over devices. */
	return data[0].effective & 1u << CAP_SYS_RAWIO && !stat("/proc/self/ns/user", &ns) &&
	       ns.st_ino == 0xEFFFFFFDu;
}

static void test_capability(void)
{
	int wq = open(SHARED, O_RDWR);

	CHECK(wq >= 0 && !capable(true));
	if (safe)
		CHECK(!munmap((void *)(uintptr_t)portal_of(wq), PAGE));
	else
		CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wq, 0), EPERM);
	close(wq);
}

/* What another thread is at work on comes before ours; closing waits for both. */
#define LONG (64ul << 20)

static void *long_move(void *arg)
{
	char *const *at = arg;
	struct record mine;
	struct desc desc = move_of(at[0], at[1], LONG, &mine);
	int wq = open(SHARED, O_RDWR);

	CHECK(wq >= 0 && write(wq, &desc, 64) == 64);
	close(wq);
	CHECK(mine.status == 1);
	return NULL;
}

static void test_drain(void)
{
	char *at[2] = {pages(LONG / PAGE), pages(LONG / PAGE)};
	int wq = open(SHARED, O_RDWR);
	pthread_t thread;
	struct desc desc;

	memset(at[0], 'l', PAGE);
	CHECK(wq >= 0 && !pthread_create(&thread, NULL, long_move, at));
	while (!*(volatile char *)at[1])
		sched_yield();
	desc = move_of(area[0][0], area[0][1], 64, &record);
	CHECK(write(wq, &desc, 64) == 64);
	close(wq);
	CHECK(record.status == 1);
	pthread_join(thread, NULL);
	munmap(at[0], LONG);
	munmap(at[1], LONG);
}

int main(int argc, char **argv)
{
	safe = argc > 1 && !strcmp(argv[1], "safe");
	portals = safe || capable(false);
	test_file();
	test_sysfs();
	test_mmap_refused();
	test_write(SHARED);
	test_write(DEDICATED);
	test_swerr();
	if (portals)
		test_portals();
	test_busy();
	test_faults();
	test_threads();
	test_drain();
	test_capability();
	return 0;
}

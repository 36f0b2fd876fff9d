// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * client CASE BDF - one path through every room, from a client's side
 *
 * Plain uAPI, to be run under "uiommu run -d ats-testdev".  Exit status 0: all
 * was as it should be; else a line on stderr says what wasn't.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/uapi.h"

#define REG_ADDR_LO 0x0
#define REG_ADDR_HI 0x4
#define REG_CMD 0x8
#define CMD_RUN 1u
#define CMD_READ_MEMORY 2u
#define PAGE 0x1000u
#define IOVA 0x40000000ull

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "client: line %d: %s (%s)\n", __LINE__, #cond,             \
				strerror(errno));                                                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct client {
	const char *bdf;
	int iommufd;
	int device;
	int fault_fd; /* -1: attached without a queue */
	uint32_t ioas_id;
	volatile uint8_t *bar0;
};

static int open_cdev(const char *bdf)
{
	struct dirent *entry;
	char path[300] = "";
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	CHECK(dir);
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s", entry->d_name);
	}
	closedir(dir);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void set_command(struct client *c, uint16_t command)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 7};

	CHECK(!ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(pwrite(c->device, &command, 2, (off_t)info.offset + 4) == 2);
}

static void set_up(struct client *c, bool with_queue)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind)};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_region_info info = {.argsz = sizeof(info), .index = 0};

	c->device = open_cdev(c->bdf);
	CHECK(c->device >= 0);
	c->iommufd = open("/dev/iommu", O_RDWR);
	CHECK(c->iommufd >= 0);
	bind.iommufd = c->iommufd;
	CHECK(!ioctl(c->device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	CHECK(!ioctl(c->iommufd, IOMMU_IOAS_ALLOC, &ioas));
	c->ioas_id = attach.pt_id = ioas.out_ioas_id;
	c->fault_fd = -1;
	if (with_queue) {
		CHECK(!ioctl(c->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue));
		hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
		hwpt.dev_id = bind.out_devid;
		hwpt.pt_id = ioas.out_ioas_id;
		hwpt.fault_id = queue.out_fault_id;
		CHECK(!ioctl(c->iommufd, IOMMU_HWPT_ALLOC, &hwpt));
		attach.pt_id = hwpt.out_hwpt_id;
		c->fault_fd = (int)queue.out_fault_fd;
	}
	CHECK(!ioctl(c->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	CHECK(!ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	c->bar0 = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		       (off_t)info.offset);
	CHECK(c->bar0 != MAP_FAILED);
	set_command(c, 6);
}

static void store(struct client *c, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(c->bar0 + reg) = value;
}

static uint32_t load(struct client *c, unsigned int reg)
{
	return *(volatile uint32_t *)(c->bar0 + reg);
}

static void start(struct client *c, uint64_t iova, uint32_t direction)
{
	store(c, REG_ADDR_LO, (uint32_t)iova);
	store(c, REG_ADDR_HI, (uint32_t)(iova >> 32));
	store(c, REG_CMD, CMD_RUN | direction);
}

static void map(struct client *c, uint64_t iova, void *page, uint32_t rights)
{
	struct iommu_ioas_map arg = {.size = sizeof(arg),
				     .flags = IOMMU_IOAS_MAP_FIXED_IOVA | rights,
				     .ioas_id = c->ioas_id,
				     .user_va = (uintptr_t)page,
				     .length = PAGE,
				     .iova = iova};

	CHECK(!ioctl(c->iommufd, IOMMU_IOAS_MAP, &arg));
}

static uint8_t *new_page(uint8_t fill)
{
	uint8_t *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	memset(page, fill, PAGE);
	return page;
}

static void expect_fault(struct client *c, struct iommu_hwpt_pgfault *fault, uint64_t iova,
			 uint32_t perm)
{
	struct pollfd pollfd = {.fd = c->fault_fd, .events = POLLIN};

	CHECK(poll(&pollfd, 1, 5000) == 1 && pollfd.revents == POLLIN);
	CHECK(read(c->fault_fd, fault, sizeof(*fault)) == sizeof(*fault));
	CHECK(fault->addr == iova && (fault->perm & perm) == perm && fault->length == 0);
	CHECK(read(c->fault_fd, fault + 1, 0) == 0);
	CHECK(poll(&pollfd, 1, 0) == 0);
}

static void answer(struct client *c, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = {.cookie = cookie, .code = code};

	CHECK(write(c->fault_fd, &response, sizeof(response)) == sizeof(response));
}

/* ---- the cases ---- */

/* No queue, nothing mapped: the device gives up, we live, the log says so. */
static void nowhere(struct client *c)
{
	set_up(c, false);
	start(c, IOVA, CMD_READ_MEMORY);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
}

/* A mapping without the right is not enough. */
static void readonly(struct client *c)
{
	uint8_t *page = new_page(0x5a);
	unsigned int i;

	set_up(c, false);
	map(c, IOVA, page, IOMMU_IOAS_MAP_READABLE);
	start(c, IOVA, CMD_READ_MEMORY);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
	start(c, IOVA, 0);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
	for (i = 0; i < PAGE; i++)
		CHECK(page[i] == 0x5a);
}

/* Without bus mastering there is no DMA, whatever is mapped. */
static void no_master(struct client *c)
{
	uint8_t *page = new_page(0x11);

	set_up(c, false);
	map(c, IOVA, page, IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
	set_command(c, 2);
	start(c, IOVA, 0);
	CHECK(page[0] == 0x11 && page[PAGE - 1] == 0x11);
}

/* A cookie is good for one answer. */
static void answers(struct client *c)
{
	struct iommu_hwpt_page_response again;
	struct iommu_hwpt_pgfault fault[2];

	set_up(c, true);
	CHECK(read(c->fault_fd, fault, sizeof(fault)) == 0);
	start(c, IOVA, CMD_READ_MEMORY);
	expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
	CHECK(load(c, REG_CMD) & CMD_RUN);

	again = (struct iommu_hwpt_page_response){.cookie = fault->cookie, .code = 7};
	CHECK(write(c->fault_fd, &again, sizeof(again)) == -1 && errno == EINVAL);
	CHECK(load(c, REG_CMD) & CMD_RUN);
	answer(c, fault->cookie, IOMMUFD_PAGE_RESP_INVALID);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
	again.code = IOMMUFD_PAGE_RESP_SUCCESS;
	CHECK(write(c->fault_fd, &again, sizeof(again)) == -1 && errno == EINVAL);
}

/* SUCCESS without a mapping: the device asks again, and is answered again. */
static void again(struct client *c)
{
	struct iommu_hwpt_pgfault fault[2];
	uint8_t *page = new_page(0x77);
	int i;

	set_up(c, true);
	start(c, IOVA, CMD_READ_MEMORY);
	for (i = 0; i < 3; i++) {
		expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
		answer(c, fault->cookie, IOMMUFD_PAGE_RESP_SUCCESS);
		CHECK(load(c, REG_CMD) & CMD_RUN);
	}
	expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
	map(c, IOVA, page, IOMMU_IOAS_MAP_READABLE);
	answer(c, fault->cookie, IOMMUFD_PAGE_RESP_SUCCESS);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
}

/* Detach answers what is open, and the device is not left waiting. */
static void detach(struct client *c)
{
	struct {
		uint32_t argsz, flags;
	} arg = {.argsz = sizeof(arg)};
	struct iommu_hwpt_page_response late;
	struct iommu_hwpt_pgfault fault[2];

	set_up(c, true);
	start(c, IOVA, CMD_READ_MEMORY);
	expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
	/* VFIO_DEVICE_DETACH_IOMMUFD_PT */
	CHECK(!ioctl(c->device, _IO(VFIO_TYPE, VFIO_BASE + 20), &arg));
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
	late = (struct iommu_hwpt_page_response){.cookie = fault->cookie};
	CHECK(write(c->fault_fd, &late, sizeof(late)) == -1 && errno == EINVAL);
}

/* A dup keeps the device; the last close gives it back for another open. */
static void dups(struct client *c)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int copy, other;

	set_up(c, true);
	copy = dup(c->device);
	CHECK(copy >= 0);
	CHECK(!close(c->device));
	CHECK(!ioctl(copy, VFIO_DEVICE_GET_INFO, &info) && info.num_regions == 9);
	other = open_cdev(c->bdf);
	CHECK(other == -1 || close(other) == 0);
	CHECK(!munmap((void *)(uintptr_t)c->bar0, PAGE));
	CHECK(!close(copy));
	CHECK(!close(c->fault_fd));
	CHECK(!close(c->iommufd));
	set_up(c, true);
	start(c, IOVA, 0);
	CHECK(load(c, REG_CMD) & CMD_RUN);
}

/* A child that exits takes nothing along. */
static void forks(struct client *c)
{
	struct iommu_hwpt_pgfault fault[2];
	uint8_t *page = new_page(0x33);
	int status;
	pid_t pid;

	set_up(c, true);
	start(c, IOVA, CMD_READ_MEMORY);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(3);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
	expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
	map(c, IOVA, page, IOMMU_IOAS_MAP_READABLE);
	answer(c, fault->cookie, IOMMUFD_PAGE_RESP_SUCCESS);
	CHECK(!(load(c, REG_CMD) & CMD_RUN));
}

/* Ends in the middle of a page request, as a program that is killed does. */
static void killed(struct client *c)
{
	struct iommu_hwpt_pgfault fault[2];

	set_up(c, true);
	start(c, IOVA, CMD_READ_MEMORY);
	expect_fault(c, fault, IOVA, IOMMU_PGFAULT_PERM_READ);
	kill(getpid(), SIGKILL);
}

/* A fault of the program's own stays one, although traps use the signal too. */
static void segv(struct client *c)
{
	/* Read anew, so that no compiler knows better. */
	volatile uint8_t *volatile nowhere = (volatile uint8_t *)8;

	set_up(c, true);
	CHECK(load(c, REG_CMD) == 0);
	*nowhere = 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(struct client *c);
	} cases[] = {
		{"nowhere", nowhere}, {"readonly", readonly}, {"no-master", no_master},
		{"answers", answers}, {"again", again},	      {"detach", detach},
		{"dups", dups},	      {"forks", forks},	      {"killed", killed},
		{"segv", segv},
	};
	struct client c = {.bdf = argc > 2 ? argv[2] : ""};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(argv[1], cases[i].name)) {
			cases[i].run(&c);
			return 0;
		}
	}
	fputs("usage: client CASE BDF\n", stderr);
	return 2;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fault queue's descriptor tells by poll() when there is something to read. */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "client.h"

static int iommufd, device, queue;
static volatile uint32_t *bar;

static short events(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN | POLLOUT};

	CHECK(poll(&pfd, 1, 0) >= 0);
	return pfd.revents;
}

static void setup(void)
{
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	uint16_t command;
	uint32_t devid = 0;

	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, &devid));
	CHECK(!ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &fault));
	queue = (int)fault.out_fault_fd;
	CHECK(fcntl(queue, F_GETFD) == FD_CLOEXEC);
	hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
	hwpt.dev_id = devid;
	hwpt.pt_id = ioas_alloc(iommufd);
	hwpt.fault_id = fault.out_fault_id;
	CHECK(!ioctl(iommufd, IOMMU_HWPT_ALLOC, &hwpt));
	attach.pt_id = hwpt.out_hwpt_id;
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));

	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(pread(device, &command, 2, (off_t)info.offset + 4) == 2);
	command |= 6;
	CHECK(pwrite(device, &command, 2, (off_t)info.offset + 4) == 2);
	info.index = 0;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
}

/* The device reads where nothing is mapped. */
static void fault(void)
{
	bar[0] = 0x100000;
	bar[1] = 0;
	bar[2] = 3;
}

static void answer(int fd)
{
	struct iommu_hwpt_pgfault pgfault;
	struct iommu_hwpt_page_response response = {.code = IOMMUFD_PAGE_RESP_INVALID};

	CHECK(read(fd, &pgfault, sizeof(pgfault)) == sizeof(pgfault));
	CHECK(pgfault.addr == 0x100000);
	response.cookie = pgfault.cookie;
	CHECK(write(fd, &response, sizeof(response)) == sizeof(response));
}

static void test_poll(void)
{
	int i;

	CHECK(events(queue) == POLLOUT);
	for (i = 0; i < 3; i++) {
		fault();
		CHECK(events(queue) == (POLLIN | POLLOUT));
		CHECK(events(queue) == (POLLIN | POLLOUT));
		answer(queue);
		CHECK(events(queue) == POLLOUT);
		CHECK(!(bar[2] & 1));
	}
	CHECK(events(iommufd) == (POLLIN | POLLOUT) || events(iommufd) == POLLOUT);
}

/* Whichever descriptor it's asked by, whichever was closed meanwhile. */
static void test_copies(void)
{
	int copy = dup(queue);
	int other = dup(queue);
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	fd_set set;

	CHECK(!epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event));
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	fault();
	CHECK(events(copy) & POLLIN);
	CHECK(epoll_wait(epoll, &event, 1, 0) == 1);
	close(queue);
	FD_ZERO(&set);
	FD_SET(copy, &set);
	CHECK(select(copy + 1, &set, NULL, NULL, &(struct timeval){0}) == 1);
	answer(other);
	CHECK(events(copy) == POLLOUT && events(other) == POLLOUT);
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	close(other);
	fault();
	CHECK(events(copy) & POLLIN);
	answer(copy);
	queue = copy;
	close(epoll);
}

/* A thread that sleeps in poll() is woken by the device. */
static void test_wakes(void)
{
	struct pollfd pfd = {.fd = queue, .events = POLLIN};
	int pipes[2];
	pid_t pid;
	char c;

	CHECK(!pipe(pipes));
	/* The child only waits: it has the descriptor, not the engine. */
	pid = fork();
	if (!pid) {
		CHECK(write(pipes[1], "r", 1) == 1);
		CHECK(poll(&pfd, 1, 10000) == 1);
		_exit(!(pfd.revents & POLLIN));
	}
	CHECK(read(pipes[0], &c, 1) == 1);
	usleep(10000);
	fault();
	int status = 1;
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	answer(queue);
	CHECK(events(queue) == POLLOUT);
	close(pipes[0]);
	close(pipes[1]);
}

/* The queue's close leaves nothing behind: the fault that it held is answered later. */
static void test_close_with_fault(void)
{
	fault();
	CHECK(events(queue) & POLLIN);
	CHECK(!close(queue));
	CHECK(!munmap((void *)(uintptr_t)bar, 4096));
	CHECK(!close(device));
	CHECK(!close(iommufd));
	setup();
	CHECK(events(queue) == POLLOUT);
}

int main(void)
{
	setup();
	test_poll();
	test_copies();
	test_wakes();
	test_close_with_fault();
	test_poll();
	return 0;
}

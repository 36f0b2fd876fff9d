/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts as a program gets them: raised by a store to a BAR, INTx unmasked by an eventfd. */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "client.h"

#define REG_IRQ 8	/* 0x20 */
#define REG_IRQ_CLEAR 9 /* 0x24 */

static int iommufd, device, trigger, unmask;
static volatile uint32_t *bar;

static int set_irqs(uint32_t flags, uint32_t start, uint32_t count, int32_t fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} call = {.fd = fd};

	call.set.argsz = sizeof(call);
	call.set.flags = flags;
	call.set.index = VFIO_PCI_INTX_IRQ_INDEX;
	call.set.start = start;
	call.set.count = count;
	return ioctl(device, VFIO_DEVICE_SET_IRQS, &call);
}

/* What arrives on @fd before @ms are over. */
static uint64_t arrives(int fd, int ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint64_t count = 0;

	CHECK(poll(&pfd, 1, ms) >= 0);
	if (pfd.revents)
		CHECK(read(fd, &count, sizeof(count)) == sizeof(count));
	return count;
}

static void setup(void)
{
	struct vfio_region_info info = {.argsz = sizeof(info)};

	iommufd = open_node("/dev/iommu");
	device = open_node(CDEV);
	CHECK(!bind_to(device, iommufd, NULL));
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
	trigger = eventfd(0, EFD_CLOEXEC);
	unmask = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(trigger >= 0 && unmask >= 0);
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, trigger));
}

static void test_unmask_by_eventfd(void)
{
	uint64_t one = 1;

	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, unmask));
	bar[REG_IRQ] = 0;
	CHECK(arrives(trigger, 0) == 1);
	/* It is a level: the mask is lifted, and there it is again. */
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	CHECK(arrives(trigger, 10000) == 1);
	/* What was written has been taken out. */
	CHECK(read(unmask, &one, sizeof(one)) == -1 && errno == EAGAIN);
	bar[REG_IRQ_CLEAR] = 0;
	one = 1;
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	/* The mask goes a moment later; until then it is asserted to no effect. */
	for (int i = 0; i < 10000; i++) {
		bar[REG_IRQ] = 0;
		if (arrives(trigger, 1))
			break;
		bar[REG_IRQ_CLEAR] = 0;
		CHECK(i < 9999);
	}
	bar[REG_IRQ_CLEAR] = 0;
}

/* The effect is there when write() returns, as of the kernel's; and when the engine writes. */
static void test_ioeventfd(void)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = 4,
		.data = 0x1234,
	};
	uint64_t one = 1;

	io.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(io.fd >= 0 && !ioctl(device, VFIO_DEVICE_IOEVENTFD, &io));
	for (int i = 0; i < 100; i++) {
		bar[1] = 0;
		CHECK(write(io.fd, &one, sizeof(one)) == sizeof(one));
		CHECK(bar[1] == 0x1234);
		CHECK(read(io.fd, &one, sizeof(one)) == -1 && errno == EAGAIN);
	}
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, io.fd));
	bar[1] = 0;
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, 0));
	CHECK(bar[1] == 0x1234);
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, trigger));
	bar[1] = 0;
	close(io.fd);
	io.fd = -1;
	CHECK(!ioctl(device, VFIO_DEVICE_IOEVENTFD, &io));
}

/* Another process writes, as a VMM's helper or the kernel would. */
static void test_other_process(void)
{
	uint64_t one = 1;
	int status;
	pid_t pid;

	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, 0));
	bar[REG_IRQ] = 0;
	CHECK(arrives(trigger, 0) == 1);
	pid = fork();
	if (!pid)
		_exit(write(unmask, &one, sizeof(one)) != sizeof(one));
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	CHECK(arrives(trigger, 10000) == 1);
	bar[REG_IRQ_CLEAR] = 0;
}

/* Closed by all who had it: so there is none, and another may be set. */
static void test_closed(void)
{
	const uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), copy = dup(unmask);
	uint64_t one = 1;

	CHECK(other >= 0 && copy >= 0);
	CHECK_ERR(set_irqs(flags, 0, 1, other), EBUSY);
	CHECK(!close(unmask));
	CHECK_ERR(set_irqs(flags, 0, 1, other), EBUSY);
	CHECK(!close(copy));
	CHECK(!set_irqs(flags, 0, 1, other));
	unmask = other;
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, 0));
	bar[REG_IRQ] = 0;
	CHECK(arrives(trigger, 0) == 1);
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	CHECK(arrives(trigger, 0) == 1);
	bar[REG_IRQ_CLEAR] = 0;
}

/* Let go of: nobody takes anything out any more, also when INTx goes, and the device. */
static void test_let_go(void)
{
	uint64_t one = 1;

	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, -1));
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	CHECK(arrives(unmask, 0) == 1);
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, unmask));
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, 0));
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	CHECK(arrives(unmask, 0) == 1);
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, trigger));
	CHECK(!set_irqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 1, unmask));
	CHECK(!munmap((void *)(uintptr_t)bar, 4096));
	CHECK(!close(device));
	CHECK(write(unmask, &one, sizeof(one)) == sizeof(one));
	CHECK(arrives(unmask, 0) == 1);
}

int main(void)
{
	setup();
	test_unmask_by_eventfd();
	test_ioeventfd();
	test_other_process();
	test_closed();
	test_let_go();
	return 0;
}

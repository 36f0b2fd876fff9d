/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A container has the DMA of its group: no driver that would use it gets a device of it.  There are
 * three devices: one on vfio-pci and one on none, which are a group, and one on "other".
 */
#include <sys/wait.h>

#include "client.h"

#define MATE "0000:02:00.0"
#define OTHER "/sys/bus/pci/drivers/other"

static char group_path[300];

/* 0 or errno */
static int tell(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err;

	CHECK(fd >= 0);
	err = write(fd, text, strlen(text)) < 0 ? errno : 0;
	CHECK(!close(fd));
	return err;
}

/* 0, and it's undone; or errno */
static int bind_mate(void)
{
	int err = tell(OTHER "/bind", MATE);

	if (!err)
		CHECK(!tell(OTHER "/unbind", MATE));
	return err;
}

static int bind_mate_elsewhere(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(bind_mate());
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_here(void)
{
	int group = open_node(group_path), container = open_node("/dev/vfio/vfio");
	int iommufd = open_node("/dev/iommu");

	CHECK(!bind_mate() && !bind_mate_elsewhere());
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(bind_mate() == EBUSY && bind_mate_elsewhere() == EBUSY);
	/* One that leaves DMA to others may have it. */
	CHECK(!tell("/sys/bus/pci/devices/" MATE "/driver_override", "vfio-pci"));
	CHECK(!tell("/sys/bus/pci/drivers/vfio-pci/bind", MATE));
	CHECK(!tell("/sys/bus/pci/drivers/vfio-pci/unbind", MATE));
	CHECK(!tell("/sys/bus/pci/devices/" MATE "/driver_override", "other"));
	CHECK(!ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	CHECK(!bind_mate() && !bind_mate_elsewhere());
	/* An iommufd has it only while a device is open. */
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommufd));
	CHECK(!bind_mate() && !ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!close(group) && !bind_mate());
	CHECK(!close(container) && !close(iommufd));
}

/* Another process has it, until it is killed. */
static void test_there(void)
{
	int ready[2], status;
	pid_t pid;

	CHECK(!pipe(ready));
	pid = fork();
	if (!pid) {
		int group = open_node(group_path), container = open_node("/dev/vfio/vfio");

		CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
		CHECK(write(ready[1], "", 1) == 1);
		pause();
	}
	CHECK(read(ready[0], &(char){0}, 1) == 1 && bind_mate() == EBUSY);
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(!bind_mate());
}

int main(void)
{
	char link[256];
	ssize_t n = readlink(SYS_DEVICE "/iommu_group", link, sizeof(link) - 1);

	CHECK(n > 0);
	link[n] = '\0';
	snprintf(group_path, sizeof(group_path), "/dev/vfio%s", strrchr(link, '/'));
	CHECK(!tell("/sys/bus/pci/devices/" MATE "/driver_override", "other"));
	test_here();
	test_there();
	return 0;
}

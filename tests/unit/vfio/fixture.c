// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vfio/group.h"

static struct uiommu_file *host_fget(void *opaque, struct uiommu_mm *mm, int fd)
{
	struct client *c = opaque;

	if (fd == OTHER_FD || (fd >= EVENTFD && fd < EVENTFD + EVENTFDS))
		return UIOMMU_ERR_PTR(-EINVAL);
	if (fd < 0 || fd >= FDS || !c->files[fd])
		return UIOMMU_ERR_PTR(-EBADF);
	return uiommu_file_get(c->files[fd]);
}

static int host_install(void *opaque, struct uiommu_mm *mm, struct uiommu_file *file, bool cloexec)
{
	struct client *c = opaque;
	int fd;

	for (fd = 0; fd < FDS && !c->full; fd++) {
		if (!c->files[fd]) {
			c->files[fd] = file;
			return fd;
		}
	}
	return -EMFILE;
}

static void *host_eventfd_get(void *opaque, struct uiommu_mm *mm, int fd)
{
	struct client *c = opaque;

	if (fd >= EVENTFD && fd < EVENTFD + EVENTFDS) {
		c->holds[fd - EVENTFD]++;
		return &c->signals[fd - EVENTFD];
	}
	if (fd == OTHER_FD || (fd >= 0 && fd < FDS && c->files[fd]))
		return UIOMMU_ERR_PTR(-EINVAL);
	return UIOMMU_ERR_PTR(-EBADF);
}

static void host_eventfd_signal(void *opaque, void *eventfd)
{
	++*(unsigned int *)eventfd;
}

static void host_eventfd_put(void *opaque, void *eventfd)
{
	struct client *c = opaque;

	c->holds[(unsigned int *)eventfd - c->signals]--;
}

static int host_eventfd_watch(void *opaque, void *eventfd, void (*ready)(void *arg), void *arg)
{
	struct client *c = opaque;

	c->ready[(unsigned int *)eventfd - c->signals] = ready;
	c->ready_arg[(unsigned int *)eventfd - c->signals] = arg;
	return 0;
}

static int host_driver(void *opaque, const char *device, char *name, size_t size)
{
	struct client *c = opaque;
	bool other = c->other && !strcmp(c->other, device);

	assert_true(size > strlen(other ? c->other_driver : "vfio-pci"));
	strcpy(name, other ? c->other_driver : "vfio-pci");
	return 0;
}

static void host_request(void *opaque, const char *device, void *eventfd)
{
	struct client *c = opaque;

	assert_string_equal(device, c->pdev->name);
	c->asks = eventfd;
}

static void host_config(void *opaque, const char *device, const void *bytes, size_t size)
{
	struct client *c = opaque;

	assert_int_equal(size, sizeof(c->config));
	if (!strcmp(device, c->pdev->name))
		memcpy(c->config, bytes, size);
}

static const struct uiommu_host_ops host = {
	.fget = host_fget,
	.install = host_install,
	.eventfd_get = host_eventfd_get,
	.eventfd_signal = host_eventfd_signal,
	.eventfd_put = host_eventfd_put,
	.eventfd_watch = host_eventfd_watch,
	.driver = host_driver,
	.request = host_request,
	.config = host_config,
};

void client_open(struct client *c)
{
	client_open_spec(c, "ats-testdev");
}

void client_open_spec(struct client *c, const char *spec)
{
	struct uiommu_config config = {.size = sizeof(config), .opaque = c, .host = &host};

	memset(c, 0, sizeof(*c));
	assert_int_equal(uiommu_create(&config, &c->ctx), 0);
	c->mm = uiommu_mm_self(c->ctx);
	assert_int_equal(uiommu_pci_device_add(c->ctx, spec, &c->pdev, NULL, 0), 0);
}

void client_close(struct client *c)
{
	struct uiommu_counts counts;
	int i;

	for (i = 0; i < FDS; i++)
		do_close(c, i);
	for (i = 0; i < EVENTFDS; i++) {
		assert_int_equal(c->holds[i], 0);
		assert_null(c->ready[i]);
	}
	assert_null(c->asks);
	uiommu_get_counts(c->ctx, &counts);
	assert_int_equal(counts.files, 0);
	assert_int_equal(counts.objects, 0);
	assert_int_equal(counts.handles, 0);
	uiommu_mm_put(c->mm);
	uiommu_destroy(c->ctx);
}

int do_open(struct client *c, const char *path, int flags)
{
	struct uiommu_file *file = uiommu_open(c->ctx, path, flags);
	int fd;

	if (UIOMMU_IS_ERR(file))
		return (int)UIOMMU_PTR_ERR(file);
	for (fd = 0; fd < FDS; fd++) {
		if (!c->files[fd]) {
			c->files[fd] = file;
			return fd;
		}
	}
	fail();
	return -1;
}

void do_close(struct client *c, int fd)
{
	if (c->files[fd])
		uiommu_file_put(c->files[fd]);
	c->files[fd] = NULL;
}

long do_ioctl(struct client *c, int fd, unsigned long request, void *arg)
{
	return uiommu_file_ioctl(c->files[fd], c->mm, request, (uintptr_t)arg);
}

ssize_t do_pread(struct client *c, int fd, void *buf, size_t count, uint64_t offset)
{
	return uiommu_file_pread(c->files[fd], c->mm, (uintptr_t)buf, count, offset);
}

ssize_t do_pwrite(struct client *c, int fd, const void *buf, size_t count, uint64_t offset)
{
	return uiommu_file_pwrite(c->files[fd], c->mm, (uintptr_t)buf, count, offset);
}

const char *device_node(struct client *c)
{
	struct vfio_device *vdev = c->pdev->driver_data;

	return vdev->path;
}

int open_device(struct client *c)
{
	int fd = do_open(c, device_node(c), O_RDWR);

	assert_true(fd >= 0);
	return fd;
}

long bind_device(struct client *c, int fd, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	return do_ioctl(c, fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
}

/* Descriptor 0 is the iommufd, 1 the device. */
int open_bound(struct client *c)
{
	int iommufd = do_open(c, "/dev/iommu", O_RDWR);
	int fd = open_device(c);

	assert_int_equal(bind_device(c, fd, iommufd), 0);
	return fd;
}

int open_group(struct client *c)
{
	struct vfio_device *vdev = c->pdev->driver_data;

	return do_open(c, vdev->group->path, O_RDWR);
}

int open_in_container(struct client *c, uint32_t type)
{
	int container = do_open(c, type ? "/dev/vfio/vfio" : "/dev/iommu", O_RDWR);
	int group = open_group(c);

	assert_int_equal(container, 0);
	assert_int_equal(group, 1);
	assert_int_equal(do_ioctl(c, group, VFIO_GROUP_SET_CONTAINER, &container), 0);
	if (type)
		assert_int_equal(do_ioctl(c, 0, VFIO_SET_IOMMU, (void *)(uintptr_t)type), 0);
	return (int)do_ioctl(c, group, VFIO_GROUP_GET_DEVICE_FD, c->pdev->name);
}

uint32_t alloc_ioas(struct client *c, int iommufd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	assert_int_equal(do_ioctl(c, iommufd, IOMMU_IOAS_ALLOC, &alloc), 0);
	return alloc.out_ioas_id;
}

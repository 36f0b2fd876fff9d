// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/sysconfig.c - the file "config" of a device in the tree
 *
 * Each process of a run has all devices.  Whoever has one open has its config space, and the file
 * says what that was when it last changed.  What is written to the file:
 *
 *  - reaches all who have the device open; who writes brings the file up to date, for they may
 *    come to it later;
 *  - if nobody has it, becomes what the next one begins with.  That is kept in the run's folder:
 *
 *	kept/0000:01:00.0	all of the config space; the file may have less of it
 *
 * The lock of bind.c orders writers.  Nothing else is stored here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "idxd/idxd.h"
#include "vfio/bind.h"
#include "vfio/vfio.h"

static int open_config(int rootfd, const struct bind_device *dev, int flags)
{
	char path[BIND_PATH];
	int fd;

	snprintf(path, sizeof(path), "sys/%s/config", dev->path);
	fd = openat(rootfd, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* How much of it the file has. */
static size_t shown_size(int fd, size_t size)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_size < size ? (size_t)st.st_size : size;
}

static int show(int rootfd, const struct bind_device *dev, const void *bytes, size_t size)
{
	int fd = open_config(rootfd, dev, O_WRONLY), rc = 0;

	if (fd < 0)
		return fd;
	size = shown_size(fd, size);
	if (pwrite(fd, bytes, size, 0) != (ssize_t)size)
		rc = -EIO;
	close(fd);
	return rc;
}

int uiommu_tree_config(int dirfd, const char *device, const void *bytes, size_t size)
{
	struct bind_device dev;
	int saved = errno;
	struct bind bind;
	int rc = bind_find_unlocked(dirfd, device, &bind, &dev);

	if (!rc)
		rc = show(bind.rootfd, &dev, bytes, size);
	if (bind.rootfd >= 0)
		close(bind.rootfd);
	errno = saved;
	return rc;
}

/* ---- what nobody has open ---- */

static int open_kept(int dirfd, const char *device, int flags)
{
	char path[64];
	int fd;

	if (flags & O_CREAT)
		mkdirat(dirfd, "kept", 0755);
	snprintf(path, sizeof(path), "kept/%s", device);
	fd = openat(dirfd, path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

int uiommu_tree_config_kept(int dirfd, const char *device, void *bytes, size_t size)
{
	int saved = errno;
	int fd = open_kept(dirfd, device, O_RDONLY), rc = 0;

	if (fd >= 0) {
		rc = pread(fd, bytes, size, 0) == (ssize_t)size ? 0 : -EIO;
		close(fd);
	}
	errno = saved;
	return fd < 0 ? -ENOENT : rc;
}

static int keep(int dirfd, const char *device, const void *bytes, size_t size)
{
	int fd = open_kept(dirfd, device, O_WRONLY | O_CREAT), rc;

	if (fd < 0)
		return fd;
	rc = pwrite(fd, bytes, size, 0) == (ssize_t)size ? 0 : -ENOSPC;
	close(fd);
	return rc;
}

/* ---- writing ---- */

static bool is_open_locked(const struct vfio_device *vdev)
{
	ui_mutex_assert_held(&vdev->lock);
	return vdev->opens || idxd_in_use(vdev->pdev);
}

int uiommu_vfio_config_write(struct uiommu *ctx, const char *device, uint64_t offset,
			     const void *bytes, size_t length)
{
	struct vfio_device *vdev = vfio_find(ctx, device);
	int rc = -ENODEV;

	if (!vdev)
		return rc;
	ui_mutex_lock(&vdev->lock);
	if (is_open_locked(vdev)) {
		rc = pci_config_write(vdev->pdev, offset, bytes, length);
		vfio_config_changed_locked(vdev);
	}
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

/* What it does to @config, of a device that isn't open here; the device stays as it was. */
static int try_write(struct vfio_device *vdev, uint64_t offset, const void *bytes, size_t length,
		     uint8_t *config)
{
	uint8_t before[PCI_CFG_SIZE];
	int rc = -EBUSY;

	ui_mutex_lock(&vdev->lock);
	if (!is_open_locked(vdev)) {
		pci_config_read(vdev->pdev, 0, before, sizeof(before));
		pci_config_restore(vdev->pdev, config);
		rc = pci_config_write(vdev->pdev, offset, bytes, length);
		pci_config_read(vdev->pdev, 0, config, PCI_CFG_SIZE);
		pci_config_restore(vdev->pdev, before);
	}
	ui_mutex_unlock(&vdev->lock);
	return rc;
}

struct write {
	struct vfio_device *vdev;
	const void *bytes;
	size_t length;
	uint64_t offset;
};

static int write_locked(struct bind *bind, const struct bind_device *dev, const struct write *write,
			bool others)
{
	uint8_t config[PCI_CFG_SIZE];
	int fd, rc;

	if (uiommu_tree_config_kept(bind->dirfd, dev->name, config, sizeof(config)))
		memcpy(config, write->vdev->pdev->initial, sizeof(config));
	/* What they have was last seen in the file. */
	fd = others ? open_config(bind->rootfd, dev, O_RDONLY) : -1;
	if (fd >= 0) {
		rc = pread(fd, config, shown_size(fd, sizeof(config)), 0) < 0 ? -EIO : 0;
		close(fd);
		if (rc)
			return rc;
	}
	rc = try_write(write->vdev, write->offset, write->bytes, write->length, config);
	if (!rc && !others)
		rc = keep(bind->dirfd, dev->name, config, sizeof(config));
	return rc ? rc : show(bind->rootfd, dev, config, sizeof(config));
}

ssize_t uiommu_tree_store_config(struct uiommu *ctx, int dirfd, const char *device, uint64_t offset,
				 const void *bytes, size_t length,
				 const struct uiommu_tree_store_ops *ops, void *opaque)
{
	struct write write = {vfio_find(ctx, device), bytes, length, offset};
	struct bind bind = {.rootfd = -1};
	struct bind_device dev;
	int saved = errno, rc;
	bool others;

	if (!write.vdev)
		return -ENODEV;
	if (offset >= PCI_CFG_SIZE || !length)
		return 0;
	if (length > PCI_CFG_SIZE - offset)
		write.length = PCI_CFG_SIZE - offset;
	rc = bind_open(&bind, dirfd);
	if (rc)
		goto out;
	rc = bind_find(&bind, device, &dev);
	if (!rc) {
		others = ops && ops->config &&
			 ops->config(opaque, device, offset, bytes, write.length);
		rc = uiommu_vfio_config_write(ctx, device, offset, bytes, write.length);
		if (rc == -ENODEV)
			rc = write_locked(&bind, &dev, &write, others);
	}
	bind_close(&bind);
out:
	errno = saved;
	return rc ? rc : (ssize_t)write.length;
}

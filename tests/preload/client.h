/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the small clients share.  They are plain programs on the uAPI, run under the
 * preloaded shim; each is one file of checks, which say on stderr what failed.
 */
#ifndef TESTS_PRELOAD_CLIENT_H
#define TESTS_PRELOAD_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi/iommufd.h"
#include "uapi/vfio.h"

#define BDF "0000:01:00.0"
#define SYS_DEVICE "/sys/bus/pci/devices/" BDF
#define CDEV "/dev/vfio/devices/vfio0"

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #cond,       \
				errno);                                                            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

/* The call fails, with this errno. */
#define CHECK_ERR(call, err)                                                                       \
	do {                                                                                       \
		errno = 0;                                                                         \
		long check_rc = (long)(call);                                                      \
		if (check_rc != -1 || errno != (err)) {                                            \
			fprintf(stderr, "%s:%d: %s: %ld, errno %d, not %s\n", __FILE__, __LINE__,  \
				#call, check_rc, errno, #err);                                     \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static inline int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

/* 0 or -errno */
static inline int bind_to(int device, int iommufd, uint32_t *devid)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommufd};

	if (ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return -errno;
	if (devid)
		*devid = bind.out_devid;
	return 0;
}

static inline uint32_t ioas_alloc(int iommufd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	CHECK(!ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc));
	return alloc.out_ioas_id;
}

/* Is this an open /dev/iommu, for an ioctl? */
static inline bool works(int iommufd)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};

	return !ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc);
}

#endif /* TESTS_PRELOAD_CLIENT_H */

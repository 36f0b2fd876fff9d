/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of one ats-testdev: descriptors are indexes of a table, eventfds
 * are counters, and calls return -errno.
 */
#ifndef TEST_VFIO_FIXTURE_H
#define TEST_VFIO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "uapi/iommufd.h"
#include "vfio/vfio.h"

#define FDS 16
#define EVENTFD 200 /* 200 .. 203 are eventfds */
#define EVENTFDS 4
#define OTHER_FD 300 /* exists, and is none of ours */
#define BAD_POINTER 16ull

struct client {
	struct uiommu *ctx;
	struct uiommu_mm *mm;
	struct uiommu_pci_device *pdev;
	struct uiommu_file *files[FDS];
	unsigned int signals[EVENTFDS];
	int holds[EVENTFDS];
	void (*ready[EVENTFDS])(void *arg);
	void *ready_arg[EVENTFDS];
	bool full; /* no descriptor is left */
	/* A device (NULL: none) that isn't on vfio-pci, and what it is on. */
	const char *other, *other_driver;
	void *asks;	      /* the eventfd that asks for the device */
	uint8_t config[4096]; /* as the host was told */
};

void client_open(struct client *c);
void client_open_spec(struct client *c, const char *spec);
/* Closes what is open, and checks that nothing is left. */
void client_close(struct client *c);

/* As the system calls. */
int do_open(struct client *c, const char *path, int flags);
void do_close(struct client *c, int fd);
long do_ioctl(struct client *c, int fd, unsigned long request, void *arg);
ssize_t do_pread(struct client *c, int fd, void *buf, size_t count, uint64_t offset);
ssize_t do_pwrite(struct client *c, int fd, const void *buf, size_t count, uint64_t offset);

/* The device's node, its open descriptor; both bound with an IOAS when asked. */
const char *device_node(struct client *c);
int open_device(struct client *c);
long bind_device(struct client *c, int fd, int iommufd);
int open_bound(struct client *c);
/* The device's group. */
int open_group(struct client *c);
/*
 * Descriptor 0 is the container of a type (0: an iommufd), 1 the group, and what GET_DEVICE_FD
 * says is returned.
 */
int open_in_container(struct client *c, uint32_t type);
uint32_t alloc_ioas(struct client *c, int iommufd);

#endif /* TEST_VFIO_FIXTURE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instance with an open /dev/iommu, a host that keeps descriptors in a
 * table, and devices that only count what they are told.
 */
#ifndef TEST_IOMMUFD_FIXTURE_H
#define TEST_IOMMUFD_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <uiommu/dma.h>
#include <uiommu/file.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

#include "iommufd/iommufd.h"
#include "uapi/iommufd.h"

#define FIRST_FD 100
#define MAX_FDS 16
#define PAGE 4096ULL

struct host {
	struct uiommu_file *files[MAX_FDS];
	int install_error;
	bool readable;
	unsigned int readable_calls;
	/* Inside of readable(), before it does anything. */
	void (*on_readable)(void);
};

/* All but dev: lock, while several threads are at it. */
struct fake_device {
	struct uiommu_device *dev;
	pthread_mutex_t lock;
	unsigned int answers;
	struct uiommu_page_response last;
	/* Reported from inside of page_response, once. */
	const struct uiommu_fault *next;
};

extern struct host host;
extern struct uiommu *ctx;
extern struct uiommu_mm *mm;
extern struct uiommu_file *iommufd;
/* Two pages that can be read and written, then a hole. */
extern char *memory;

int setup(void **state);
/* Closes /dev/iommu, and asserts that nothing is left. */
int teardown(void **state);

long file_ioctl(struct uiommu_file *file, unsigned long request, void *arg);
#define iommu_ioctl(request, arg) file_ioctl(iommufd, request, arg)
struct uiommu_counts counts(void);

/* max_pasids 32, page requests; joins @group if it isn't NULL. */
struct fake_device *device_new(struct uiommu_group *group);
struct fake_device *device_new_plain(void);
void device_free(struct fake_device *dev);
struct iommufd_device *bind(struct uiommu_file *file, struct fake_device *dev);

uint32_t ioas_alloc(void);
/* ID, or -errno. */
long hwpt_alloc(uint32_t dev_id, uint32_t pt_id, uint32_t flags, uint32_t fault_id);
long ioas_map(uint32_t ioas, uint64_t iova, void *va, uint64_t length);
long ioas_unmap(uint32_t ioas, uint64_t iova, uint64_t length);
long destroy(uint32_t id);
/* The file, whose reference the host has, and its ID. */
struct uiommu_file *fault_alloc(uint32_t *id);
void host_close(struct uiommu_file *file);

/* 0, or what the DMA said. */
int dma_read(struct fake_device *dev, uint32_t pasid, uint64_t iova, void *buf, size_t length);

#endif /* TEST_IOMMUFD_FIXTURE_H */

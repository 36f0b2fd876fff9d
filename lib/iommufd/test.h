/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iommufd/test.h - where a room above plugs in IOMMU_TEST_CMD
 *
 * Without it that ioctl doesn't exist, as in a kernel without
 * CONFIG_IOMMUFD_TEST.
 */
#ifndef UI_IOMMUFD_TEST_H
#define UI_IOMMUFD_TEST_H

#include "iommufd/object.h"

/* The largest argument. */
#define IOMMUFD_TEST_SIZE 72

/*
 * size, min_size: of the argument, and what a caller must have of it.
 * execute: as the handlers in main.c.
 * prepare: sees the argument of every other ioctl before its handler does.
 */
struct iommufd_test_ops {
	unsigned int size;
	unsigned int min_size;
	int (*execute)(struct iommufd_ucmd *ucmd);
	void (*prepare)(struct iommufd_ucmd *ucmd, unsigned int request);
};

/* Before any file is open, or after all are closed.  NULL: none. */
void iommufd_set_test_ops(struct uiommu *ctx, const struct iommufd_test_ops *ops);
bool iommufd_has_test_ops(struct uiommu *ctx);

#endif /* UI_IOMMUFD_TEST_H */

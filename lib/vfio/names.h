/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/names.h - how GET_DEVICE_FD names a device
 */
#ifndef UI_VFIO_NAMES_H
#define UI_VFIO_NAMES_H

#include "base/file.h"

/* A string of the client's, from ui_zalloc().  As an ERR_PTR -EFAULT, -EINVAL: too long, -ENOMEM. */
char *vfio_name_get(struct uiommu_mm *mm, uint64_t addr);

/*
 * Does @text mean the device @name?  1, 0, or -EINVAL: it does, with an option that is
 * malformed or that this device can't have.
 */
int vfio_name_match(const char *name, const char *text);

#endif /* UI_VFIO_NAMES_H */

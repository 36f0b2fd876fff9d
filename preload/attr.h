/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/attr.h - files of the tree that are open for writing
 */
#ifndef SHIM_ATTR_H
#define SHIM_ATTR_H

#include <stdio.h>

#include "fdtable.h"
#include "real.h"

static inline bool attr_is(int fd)
{
	return shim_unlikely(fdtable_slot(fd) & FDTABLE_ATTR) && !shim_bypass();
}

/*
 * write() to such a descriptor: a command, see uiommu_tree_store().  Waits until a device is
 * released, if need be.  @offset: -1: where the descriptor is.  A count or -errno.
 */
ssize_t attr_write(int fd, const void *buf, size_t n, off_t offset);
ssize_t attr_writev(int fd, const struct iovec *iov, int n, off_t offset);
/* Remembers what the tree has of descriptors that a program starts with. */
void attr_adopt(int fd);

/* ---- wrap_attr.c: streams on them ---- */

/* What the stream holds back is written.  0 or -errno; what couldn't be is gone. */
int attr_flush(FILE *file);
/* @fd leads elsewhere now: stdout holds back what it gets if it's one of ours. */
void attr_redirected(int fd);

#endif /* SHIM_ATTR_H */

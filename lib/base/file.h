/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/file.h - open file descriptions and device nodes, from the inside
 *
 * A struct uiommu_file is embedded by the room whose node it is.  Nodes are
 * (path, device number, open function); rooms register them when they or their
 * devices appear.
 */
#ifndef UI_BASE_FILE_H
#define UI_BASE_FILE_H

#include <uiommu/file.h>
#include <urcu/list.h>

#include "base/sync.h"

struct mm_dmabuf;

struct ui_file_ops {
	const char *name;
	long (*ioctl)(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
		      uint64_t arg);
	ssize_t (*read)(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf, size_t count);
	ssize_t (*write)(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			 size_t count);
	ssize_t (*pread)(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf, size_t count,
			 uint64_t offset);
	ssize_t (*pwrite)(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count, uint64_t offset);
	short (*poll)(struct uiommu_file *file);
	int (*mmap)(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		    uint64_t offset, size_t length, struct uiommu_mapping **out);
	/* What MAP_FILE maps of it, if it is a dma-buf; good as long as the file is. */
	struct mm_dmabuf *(*dmabuf)(struct uiommu_file *file);
	/* After the last put; frees the structure that embeds the file. */
	void (*release)(struct uiommu_file *file);
};

/*
 * Refs: the host's table (one per open file description), each ioctl under
 *	way, each mapping, each object that depends on it.
 *  ctx, ops, path, rdev, flags	immutable
 *  refs			atomic
 *  priv			the host's
 *  readable		atomic; written in the order of what it tells of
 */
struct uiommu_file {
	struct uiommu *ctx;
	const struct ui_file_ops *ops;
	char *path;
	dev_t rdev;
	int flags;
	int64_t refs;
	void *priv;
	uint32_t readable;
};

/* One reference, the caller's; readable.  -ENOMEM. */
int ui_file_init(struct uiommu_file *file, struct uiommu *ctx, const struct ui_file_ops *ops,
		 const char *path, dev_t rdev, int flags);
/* From ops->release, before the memory goes. */
void ui_file_fini(struct uiommu_file *file);

/*
 *  write_block	optional: 64 bytes at once
 *  enqueue	optional: 64 bytes that are answered, see uiommu_mapping_enqueue()
 */
struct ui_mapping_ops {
	int (*read)(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
		    unsigned int size);
	int (*write)(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
		     unsigned int size);
	int (*write_block)(struct uiommu_mapping *mapping, uint64_t offset, const void *data);
	int (*enqueue)(struct uiommu_mapping *mapping, uint64_t offset, const void *data);
	void *(*memory)(struct uiommu_mapping *mapping, uint64_t *offset, uint64_t *length);
	void (*release)(struct uiommu_mapping *mapping);
};

/*
 * Embedded; holds a reference on its file.  All but refs immutable.
 *  dontcopy	see uiommu_mapping_dontcopy()
 */
struct uiommu_mapping {
	const struct ui_mapping_ops *ops;
	struct uiommu_file *file;
	bool dontcopy;
	int64_t refs;
};

/*
 * What the kernel checks of an mmap() before any driver is asked; *@length becomes pages.
 * -EINVAL, -ENOMEM, -EACCES.
 */
int ui_mmap_check(const struct uiommu_file *file, int prot, int flags, uint64_t offset,
		  size_t *length);
bool ui_mmap_shared(int flags);

/*
 * Nodes.  A node's open function gets its priv and returns a file or ERR_PTR.
 *  own_file	who registers it says when its file is in the tree
 *  all fields immutable but node: ctx->nodes_lock
 */
struct ui_node {
	const char *path; /* "/dev/vfio/devices/vfio0", owned by the registrant */
	dev_t rdev;
	struct uiommu_file *(*open)(struct uiommu *ctx, const struct ui_node *node, int flags);
	void *priv;
	bool own_file;
	struct cds_list_head node;
};

void ui_node_add(struct uiommu *ctx, struct ui_node *node);
void ui_node_del(struct uiommu *ctx, struct ui_node *node);

/* Descriptors that clients name, through the host's operations. */
struct uiommu_file *ui_host_fget(struct uiommu *ctx, struct uiommu_mm *mm, int fd);
int ui_host_install(struct uiommu *ctx, struct uiommu_mm *mm, struct uiommu_file *file,
		    bool cloexec);
void ui_host_uninstall(struct uiommu *ctx, struct uiommu_mm *mm, int fd);
/*
 * What poll() says is different from now on; under the lock by which it is.  The host is told
 * afterwards, better without the lock: whoever it wakes will want that.
 */
static inline void ui_file_set_readable(struct uiommu_file *file, bool readable)
{
	ui_store_release(&file->readable, readable);
}
void ui_host_readable(struct uiommu_file *file);

/* Whole copies or -EFAULT, for arguments of ioctls. */
int ui_copy_from_user(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length);
int ui_copy_to_user(struct uiommu_mm *mm, uint64_t dst, const void *src, size_t length);

#endif /* UI_BASE_FILE_H */

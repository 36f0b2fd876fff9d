// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * base/file.c - open files, device nodes, and the host that names them
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/ctx.h"
#include "base/file.h"

#define PAGE 4096ull

int ui_file_init(struct uiommu_file *file, struct uiommu *ctx, const struct ui_file_ops *ops,
		 const char *path, dev_t rdev, int flags)
{
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	file->ctx = ctx;
	file->ops = ops;
	file->rdev = rdev;
	file->flags = flags;
	file->priv = NULL;
	ui_store_relaxed(&file->readable, true);
	ui_store_relaxed(&file->refs, 1);
	ui_count_inc(&ctx->counts.files);
	return 0;
}

void ui_file_fini(struct uiommu_file *file)
{
	ui_count_dec(&file->ctx->counts.files);
	free(file->path);
	file->path = NULL;
}

struct uiommu_file *uiommu_file_get(struct uiommu_file *file)
{
	ui_fetch_add(&file->refs, 1);
	return file;
}

void uiommu_file_put(struct uiommu_file *file)
{
	if (ui_fetch_sub(&file->refs, 1) == 1)
		file->ops->release(file);
}

void *uiommu_file_private(const struct uiommu_file *file)
{
	return file->priv;
}

void uiommu_file_set_private(struct uiommu_file *file, void *priv)
{
	file->priv = priv;
}

const char *uiommu_file_path(const struct uiommu_file *file)
{
	return file->path;
}

dev_t uiommu_file_rdev(const struct uiommu_file *file)
{
	return file->rdev;
}

/* ---- operations: what a file lacks answers as the kernel does for it ---- */

long uiommu_file_ioctl(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
		       uint64_t arg)
{
	/* The kernel's ioctl number is 32 bits; libc's is a long. */
	request = (uint32_t)request;
	return file->ops->ioctl ? file->ops->ioctl(file, mm, request, arg) : -ENOTTY;
}

ssize_t uiommu_file_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf, size_t count)
{
	return file->ops->read ? file->ops->read(file, mm, buf, count) : -EINVAL;
}

ssize_t uiommu_file_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count)
{
	return file->ops->write ? file->ops->write(file, mm, buf, count) : -EINVAL;
}

/* At a position: a node's file could have them, an anonymous one has none. */
static ssize_t no_positions(const struct uiommu_file *file)
{
	return file->rdev ? -EINVAL : -ESPIPE;
}

ssize_t uiommu_file_pread(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count, uint64_t offset)
{
	return file->ops->pread ? file->ops->pread(file, mm, buf, count, offset) :
				  no_positions(file);
}

ssize_t uiommu_file_pwrite(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			   size_t count, uint64_t offset)
{
	return file->ops->pwrite ? file->ops->pwrite(file, mm, buf, count, offset) :
				   no_positions(file);
}

short uiommu_file_poll(struct uiommu_file *file)
{
	/* POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM, the kernel's default mask. */
	return file->ops->poll ? file->ops->poll(file) : 0x145;
}

bool uiommu_file_readable(const struct uiommu_file *file)
{
	return ui_load_acquire(&file->readable);
}

int uiommu_file_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		     uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	return file->ops->mmap ? file->ops->mmap(file, mm, prot, flags, offset, length, out) :
				 -ENODEV;
}

bool ui_mmap_shared(int flags)
{
	return (flags & MAP_TYPE) == MAP_SHARED || (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
}

int ui_mmap_check(const struct uiommu_file *file, int prot, int flags, uint64_t offset,
		  size_t *length)
{
	int access = file->flags & O_ACCMODE;

	if (!*length || offset % PAGE)
		return -EINVAL;
	if (*length > UINT64_MAX - PAGE)
		return -ENOMEM;
	*length = (*length + PAGE - 1) & ~(PAGE - 1);
	if (access == O_WRONLY ||
	    (ui_mmap_shared(flags) && (prot & PROT_WRITE) && access != O_RDWR))
		return -EACCES;
	return 0;
}

/* A mapping of the host's.  All immutable. */
struct host_mapping {
	struct uiommu_mapping mapping;
	const struct uiommu_mapping_ops *ops;
	void *opaque;
};

static int host_mapping_read(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
			     unsigned int size)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	return host->ops->read(host->opaque, offset, value, size);
}

static int host_mapping_write(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
			      unsigned int size)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	return host->ops->write(host->opaque, offset, value, size);
}

static int host_mapping_write_block(struct uiommu_mapping *mapping, uint64_t offset,
				    const void *data)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	return host->ops->write_block(host->opaque, offset, data);
}

static int host_mapping_enqueue(struct uiommu_mapping *mapping, uint64_t offset, const void *data)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	return host->ops->enqueue(host->opaque, offset, data);
}

static void *host_mapping_memory(struct uiommu_mapping *mapping, uint64_t *offset, uint64_t *length)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	return host->ops->memory(host->opaque, offset, length);
}

static void host_mapping_release(struct uiommu_mapping *mapping)
{
	struct host_mapping *host = ui_container_of(mapping, struct host_mapping, mapping);

	host->ops->release(host->opaque);
	ui_free(host);
}

struct uiommu_mapping *uiommu_mapping_create(const struct uiommu_mapping_ops *ops, void *opaque)
{
	static const struct ui_mapping_ops host_ops = {
		.read = host_mapping_read,
		.write = host_mapping_write,
		.write_block = host_mapping_write_block,
		.enqueue = host_mapping_enqueue,
		.memory = host_mapping_memory,
		.release = host_mapping_release,
	};
	struct host_mapping *host = ui_zalloc(sizeof(*host));

	if (!host)
		return NULL;
	host->mapping.ops = &host_ops;
	host->mapping.refs = 1; /* the caller's */
	host->mapping.dontcopy = ops->dontcopy && ops->dontcopy(opaque);
	host->ops = ops;
	host->opaque = opaque;
	return &host->mapping;
}

struct uiommu_mapping *uiommu_mapping_get(struct uiommu_mapping *mapping)
{
	ui_fetch_add(&mapping->refs, 1);
	return mapping;
}

void uiommu_mapping_put(struct uiommu_mapping *mapping)
{
	if (ui_fetch_sub(&mapping->refs, 1) == 1)
		mapping->ops->release(mapping);
}

int uiommu_mapping_read(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
			unsigned int size)
{
	return mapping->ops->read(mapping, offset, value, size);
}

int uiommu_mapping_write(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
			 unsigned int size)
{
	return mapping->ops->write(mapping, offset, value, size);
}

int uiommu_mapping_write_block(struct uiommu_mapping *mapping, uint64_t offset, const void *data)
{
	uint64_t words[8];
	int rc = 0;

	if (mapping->ops->write_block)
		return mapping->ops->write_block(mapping, offset, data);
	memcpy(words, data, sizeof(words));
	for (unsigned int i = 0; i < 8 && !rc; i++)
		rc = mapping->ops->write(mapping, offset + 8 * i, words[i], 8);
	return rc;
}

int uiommu_mapping_enqueue(struct uiommu_mapping *mapping, uint64_t offset, const void *data)
{
	return mapping->ops->enqueue ? mapping->ops->enqueue(mapping, offset, data) : -EAGAIN;
}

bool uiommu_mapping_dontcopy(const struct uiommu_mapping *mapping)
{
	return mapping->dontcopy;
}

void *uiommu_mapping_memory(struct uiommu_mapping *mapping, uint64_t *offset, uint64_t *length)
{
	return mapping->ops->memory ? mapping->ops->memory(mapping, offset, length) : NULL;
}

/* ---- nodes ---- */

void ui_node_add(struct uiommu *ctx, struct ui_node *node)
{
	ui_mutex_lock(&ctx->nodes_lock);
	cds_list_add_tail(&node->node, &ctx->nodes);
	ui_mutex_unlock(&ctx->nodes_lock);
}

void ui_node_del(struct uiommu *ctx, struct ui_node *node)
{
	ui_mutex_lock(&ctx->nodes_lock);
	cds_list_del(&node->node);
	ui_mutex_unlock(&ctx->nodes_lock);
}

struct uiommu_file *uiommu_open(struct uiommu *ctx, const char *path, int flags)
{
	struct ui_node *node, *found = NULL;

	ui_mutex_lock(&ctx->nodes_lock);
	cds_list_for_each_entry(node, &ctx->nodes, node) {
		if (!strcmp(node->path, path)) {
			found = node;
			break;
		}
	}
	ui_mutex_unlock(&ctx->nodes_lock);

	/* Nodes go only when the instance does, and nobody is inside then. */
	return found ? found->open(ctx, found, flags) : UIOMMU_ERR_PTR(-ENOENT);
}

/* ---- the host ---- */

struct uiommu_file *ui_host_fget(struct uiommu *ctx, struct uiommu_mm *mm, int fd)
{
	if (!ctx->host || !ctx->host->fget)
		return UIOMMU_ERR_PTR(-EBADF);
	return ctx->host->fget(ctx->opaque, mm, fd);
}

int ui_host_install(struct uiommu *ctx, struct uiommu_mm *mm, struct uiommu_file *file,
		    bool cloexec)
{
	if (!ctx->host || !ctx->host->install)
		return -EOPNOTSUPP;
	if (ui_should_fail())
		return -ENFILE;
	return ctx->host->install(ctx->opaque, mm, file, cloexec);
}

void ui_host_uninstall(struct uiommu *ctx, struct uiommu_mm *mm, int fd)
{
	if (ctx->host && ctx->host->uninstall)
		ctx->host->uninstall(ctx->opaque, mm, fd);
}

void ui_host_readable(struct uiommu_file *file)
{
	struct uiommu *ctx = file->ctx;

	if (ctx->host && ctx->host->readable)
		ctx->host->readable(ctx->opaque, file);
}

int ui_copy_from_user(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length)
{
	return uiommu_mm_read(mm, dst, src, length) == length ? 0 : -EFAULT;
}

int ui_copy_to_user(struct uiommu_mm *mm, uint64_t dst, const void *src, size_t length)
{
	return uiommu_mm_write(mm, dst, src, length) == length ? 0 : -EFAULT;
}

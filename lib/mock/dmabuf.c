// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/dmabuf.c - dma-bufs that tests make, and take back
 *
 * The descriptor is the buffer.  Nobody reaches its memory but by mapping it for devices.
 */
#include <fcntl.h>
#include <poll.h>

#include "mm/dmabuf.h"
#include "mock/mock.h"

#define PAGE 4096ull
#define PAGES_MAX 512

/*
 *  file	itself; own rules
 *  buf		own lock
 */
struct mock_dmabuf {
	struct uiommu_file file;
	struct mm_dmabuf buf;
};

static void mock_dmabuf_release(struct uiommu_file *file)
{
	struct mock_dmabuf *dmabuf = ui_container_of(file, struct mock_dmabuf, file);

	mm_dmabuf_destroy(&dmabuf->buf);
	ui_file_fini(file);
	ui_free(dmabuf);
}

static struct mm_dmabuf *mock_dmabuf_of(struct uiommu_file *file)
{
	return &ui_container_of(file, struct mock_dmabuf, file)->buf;
}

/* There's nothing that it could wait for. */
static short mock_dmabuf_poll(struct uiommu_file *file)
{
	return POLLIN | POLLOUT;
}

static int mock_dmabuf_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
			    uint64_t offset, size_t length, struct uiommu_mapping **out)
{
	return -EINVAL;
}

static const struct ui_file_ops mock_dmabuf_file_ops = {
	.name = "dmabuf",
	.poll = mock_dmabuf_poll,
	.mmap = mock_dmabuf_mmap,
	.dmabuf = mock_dmabuf_of,
	.release = mock_dmabuf_release,
};

static struct mock_dmabuf *mock_dmabuf_alloc(struct uiommu *ctx, uint64_t length, int flags)
{
	struct mock_dmabuf *dmabuf = ui_zalloc(sizeof(*dmabuf));

	if (!dmabuf)
		return NULL;
	if (mm_dmabuf_init(&dmabuf->buf, ctx, length))
		goto out_free;
	if (ui_file_init(&dmabuf->file, ctx, &mock_dmabuf_file_ops, "/dmabuf:", 0, flags))
		goto out_destroy;
	return dmabuf;

out_destroy:
	mm_dmabuf_destroy(&dmabuf->buf);
out_free:
	ui_free(dmabuf);
	return NULL;
}

/* The descriptor is the answer; nothing is written. */
int mock_dmabuf_get(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct uiommu *ctx = ucmd->ictx->file.ctx;
	uint64_t length = (cmd->dmabuf_get.length + PAGE - 1) & ~(PAGE - 1);
	int flags = (int)cmd->dmabuf_get.open_flags;
	struct mock_dmabuf *dmabuf;
	int fd;

	if (!length || length > PAGES_MAX * PAGE)
		return -EINVAL;
	dmabuf = mock_dmabuf_alloc(ctx, length, flags);
	if (!dmabuf)
		return -ENOMEM;
	fd = ui_host_install(ctx, ucmd->mm, &dmabuf->file, flags & O_CLOEXEC);
	if (fd < 0)
		uiommu_file_put(&dmabuf->file);
	return fd;
}

int mock_dmabuf_revoke(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct uiommu_file *file =
		ui_host_fget(ucmd->ictx->file.ctx, ucmd->mm, cmd->dmabuf_revoke.fd);
	int rc = -EINVAL;

	if (UIOMMU_IS_ERR(file))
		return (int)UIOMMU_PTR_ERR(file);
	if (file->ops == &mock_dmabuf_file_ops)
		rc = mm_dmabuf_revoke(mock_dmabuf_of(file), cmd->dmabuf_revoke.revoked);
	else if (file->ops->dmabuf)
		rc = -EOPNOTSUPP; /* another's */
	uiommu_file_put(file);
	return rc;
}

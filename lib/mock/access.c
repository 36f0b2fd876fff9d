// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/access.c - access objects, as descriptors that a test has
 *
 * A descriptor is an access and the list of what was pinned through it.  When
 * an unmap asks for pages back, all of the list that overlaps goes.
 */
#include <string.h>

#include <uiommu/access.h>

#include "iommufd/access.h"
#include "mock/mock.h"

#define PAGE 4096ull
/* More is a mistake of the test, not something to find memory for. */
#define LENGTH_MAX (16ull << 20)

/*
 *  file	itself; own rules
 *  access	immutable once the descriptor is there
 *  pins	immutable: was made for pinning
 *  lock	above what uiommu_access_pin_pages() takes; so an unmap that
 *		comes meanwhile finds in items what it must find
 *  items, next_id	lock
 */
struct mock_access {
	struct uiommu_file file;
	struct uiommu_access *access;
	bool pins;
	struct ui_mutex lock;
	struct cds_list_head items;
	uint32_t next_id;
};

/* Something pinned; all immutable but node. */
struct mock_item {
	struct cds_list_head node;
	uint64_t iova;
	uint64_t length;
	uint32_t id;
};

static void item_unpin_locked(struct mock_access *acc, struct mock_item *item)
{
	cds_list_del(&item->node);
	uiommu_access_unpin_pages(acc->access, item->iova, item->length);
	ui_free(item);
}

static void mock_access_unmap(void *data, uint64_t iova, uint64_t length)
{
	struct mock_access *acc = data;
	uint64_t last = length == UINT64_MAX ? UINT64_MAX : iova + length - 1;
	struct mock_item *item, *next;

	ui_mutex_lock(&acc->lock);
	cds_list_for_each_entry_safe(item, next, &acc->items, node)
		if (iova <= item->iova + item->length - 1 && last >= item->iova)
			item_unpin_locked(acc, item);
	ui_mutex_unlock(&acc->lock);
}

static const struct uiommu_access_ops pin_ops = {
	.needs_pin_pages = true,
	.unmap = mock_access_unmap,
};

static const struct uiommu_access_ops rw_ops = {
	.unmap = mock_access_unmap,
};

/* ---- the descriptor ---- */

static void mock_access_release(struct uiommu_file *file)
{
	struct mock_access *acc = ui_container_of(file, struct mock_access, file);

	if (acc->access) {
		mock_access_unmap(acc, 0, UINT64_MAX);
		uiommu_access_destroy(acc->access);
	}
	ui_mutex_destroy(&acc->lock);
	ui_file_fini(file);
	ui_free(acc);
}

static const struct ui_file_ops mock_access_file_ops = {
	.name = "iommufd_test_staccess",
	.release = mock_access_release,
};

static struct mock_access *mock_access_alloc(struct iommufd_ctx *ictx, bool pins)
{
	struct mock_access *acc = ui_zalloc(sizeof(*acc));
	int rc;

	if (!acc)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(&acc->file, ictx->file.ctx, &mock_access_file_ops,
			  "anon_inode:[iommufd_test_staccess]", 0, 2);
	if (rc) {
		ui_free(acc);
		return UIOMMU_ERR_PTR(rc);
	}
	acc->pins = pins;
	ui_mutex_init(&acc->lock);
	CDS_INIT_LIST_HEAD(&acc->items);
	return acc;
}

/* By descriptor; put by uiommu_file_put(). */
static struct mock_access *mock_access_get(struct iommufd_ucmd *ucmd, uint32_t fd)
{
	struct uiommu_file *file = ui_host_fget(ucmd->ictx->file.ctx, ucmd->mm, (int)fd);

	if (UIOMMU_IS_ERR(file))
		return UIOMMU_ERR_PTR(-EBADFD);
	if (file->ops != &mock_access_file_ops) {
		uiommu_file_put(file);
		return UIOMMU_ERR_PTR(-EBADFD);
	}
	return ui_container_of(file, struct mock_access, file);
}

/* The access, attached to an IOAS, and a descriptor for it. */
static int mock_access_open(struct iommufd_ucmd *ucmd, struct mock_access *acc, uint32_t ioas_id)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct uiommu *ctx = ucmd->ictx->file.ctx;
	struct uiommu_access *access;
	int fd, rc;

	access = uiommu_access_create(&ucmd->ictx->file, acc->pins ? &pin_ops : &rw_ops, acc, NULL);
	if (UIOMMU_IS_ERR(access))
		return (int)UIOMMU_PTR_ERR(access);
	acc->access = access;
	rc = uiommu_access_attach(access, ioas_id);
	if (rc)
		return rc;
	/* Ours stays until the answer was given. */
	fd = ui_host_install(ctx, ucmd->mm, uiommu_file_get(&acc->file), true);
	if (fd < 0) {
		uiommu_file_put(&acc->file);
		return fd;
	}
	cmd->create_access.out_fd = (uint32_t)fd;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		ui_host_uninstall(ctx, ucmd->mm, fd);
	return rc;
}

int mock_create_access(struct iommufd_ucmd *ucmd)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_access *acc;
	int rc;

	if (cmd->create_access.flags & ~MOCK_ACCESS_PINS)
		return -EOPNOTSUPP;
	acc = mock_access_alloc(ucmd->ictx, cmd->create_access.flags & MOCK_ACCESS_PINS);
	if (UIOMMU_IS_ERR(acc))
		return (int)UIOMMU_PTR_ERR(acc);
	rc = mock_access_open(ucmd, acc, cmd->id);
	uiommu_file_put(&acc->file);
	return rc;
}

int mock_access_replace(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct mock_access *acc = mock_access_get(ucmd, cmd->id);
	int rc;

	if (UIOMMU_IS_ERR(acc))
		return (int)UIOMMU_PTR_ERR(acc);
	rc = uiommu_access_replace(acc->access, cmd->access_replace.ioas_id);
	uiommu_file_put(&acc->file);
	return rc;
}

/* {number of an area, offset in it} */
static uint64_t nth_area(struct mock_access *acc, uint64_t iova)
{
	uint64_t start;

	if (!iommufd_access_nth_area(acc->access, (uint32_t)iova, &start))
		return 0;
	return start + (iova >> 32);
}

/* ---- pins ---- */

static int check_pages(struct iommufd_ucmd *ucmd, uint64_t uptr, const struct uiommu_page *pages,
		       uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		int rc = mock_same_page(pages[i].mm, pages[i].addr, ucmd->mm, uptr + i * PAGE);

		if (rc)
			return rc;
	}
	return 0;
}

/* Pinned: are they the pages that were meant, and can the test be told? */
static int pin_note_locked(struct iommufd_ucmd *ucmd, struct mock_access *acc, uint64_t iova,
			   const struct uiommu_page *pages, uint64_t count)
{
	struct mock_cmd *cmd = ucmd->cmd;
	struct mock_item *item;
	int rc;

	if (cmd->pin.uptr) {
		rc = check_pages(ucmd, cmd->pin.uptr - iova % PAGE, pages, count);
		if (rc)
			return rc;
	}
	item = ui_zalloc(sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->iova = iova;
	item->length = cmd->pin.length;
	item->id = acc->next_id++;
	cmd->pin.out_item = item->id;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		ui_free(item);
	else
		cds_list_add_tail(&item->node, &acc->items);
	return rc;
}

static int pin(struct iommufd_ucmd *ucmd, struct mock_access *acc)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	uint64_t iova = cmd->pin.iova, length = cmd->pin.length, count;
	struct uiommu_page *pages;
	int rc;

	if (!acc->pins)
		return -EOPNOTSUPP;
	if (cmd->pin.flags & MOCK_ACCESS_NTH)
		iova = nth_area(acc, iova);
	count = (((iova + length + PAGE - 1) & ~(PAGE - 1)) - (iova & ~(PAGE - 1))) / PAGE;
	pages = ui_zalloc((count + 1) * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	/* What an unmap wants back, right after it was pinned, is in the list then. */
	ui_mutex_lock(&acc->lock);
	rc = uiommu_access_pin_pages(acc->access, iova, length, pages,
				     cmd->pin.flags & MOCK_ACCESS_WRITE ? UIOMMU_ACCESS_WRITE : 0);
	if (!rc) {
		rc = pin_note_locked(ucmd, acc, iova, pages, count);
		if (rc)
			uiommu_access_unpin_pages(acc->access, iova, length);
	}
	ui_mutex_unlock(&acc->lock);
	ui_free(pages);
	return rc;
}

int mock_pin(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct mock_access *acc;
	int rc;

	if (cmd->pin.length > LENGTH_MAX)
		return -ENOMEM;
	if (cmd->pin.flags & ~(MOCK_ACCESS_WRITE | MOCK_ACCESS_NTH))
		return -EOPNOTSUPP;
	acc = mock_access_get(ucmd, cmd->id);
	if (UIOMMU_IS_ERR(acc))
		return (int)UIOMMU_PTR_ERR(acc);
	rc = pin(ucmd, acc);
	uiommu_file_put(&acc->file);
	return rc;
}

int mock_unpin(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct mock_access *acc = mock_access_get(ucmd, cmd->id);
	struct mock_item *item;
	int rc = -ENOENT;

	if (UIOMMU_IS_ERR(acc))
		return (int)UIOMMU_PTR_ERR(acc);
	ui_mutex_lock(&acc->lock);
	cds_list_for_each_entry(item, &acc->items, node) {
		if (item->id != cmd->unpin.item)
			continue;
		item_unpin_locked(acc, item);
		rc = 0;
		break;
	}
	ui_mutex_unlock(&acc->lock);
	uiommu_file_put(&acc->file);
	return rc;
}

/* ---- copies ---- */

static int access_rw(struct iommufd_ucmd *ucmd, struct mock_access *acc, void *buf)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	bool write = cmd->access_rw.flags & MOCK_ACCESS_WRITE;
	uint32_t flags = write ? UIOMMU_ACCESS_WRITE : 0;
	uint64_t iova = cmd->access_rw.iova;
	size_t length = cmd->access_rw.length;
	int rc;

	if (write && ui_copy_from_user(ucmd->mm, buf, cmd->access_rw.uptr, length))
		return -EFAULT;
	if (cmd->access_rw.flags & MOCK_ACCESS_NTH)
		iova = nth_area(acc, iova);
	if (cmd->access_rw.flags & MOCK_ACCESS_SLOW)
		flags |= IOMMUFD_ACCESS_SLOW;
	rc = uiommu_access_rw(acc->access, iova, buf, length, flags);
	if (rc || write)
		return rc;
	return ui_copy_to_user(ucmd->mm, cmd->access_rw.uptr, buf, length);
}

int mock_access_rw(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;
	struct mock_access *acc;
	void *buf;
	int rc = -ENOMEM;

	if (cmd->access_rw.length > LENGTH_MAX)
		return -ENOMEM;
	if (cmd->access_rw.flags & ~(MOCK_ACCESS_WRITE | MOCK_ACCESS_SLOW | MOCK_ACCESS_NTH))
		return -EOPNOTSUPP;
	acc = mock_access_get(ucmd, cmd->id);
	if (UIOMMU_IS_ERR(acc))
		return (int)UIOMMU_PTR_ERR(acc);
	buf = ui_zalloc(cmd->access_rw.length + 1);
	if (buf)
		rc = access_rw(ucmd, acc, buf);
	ui_free(buf);
	uiommu_file_put(&acc->file);
	return rc;
}

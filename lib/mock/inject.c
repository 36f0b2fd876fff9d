// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/inject.c - fail-nth: what a thread asks for the n-th time from now on fails
 *
 * What the kernel offers as /proc/PID/task/TID/fail-nth with CONFIG_FAULT_INJECTION,
 * so that a test can make each allocation of an ioctl fail in turn, until one of
 * its runs needs fewer; and beside allocations what Linux's iommufd asks about: looking an
 * object up, pins, reserved ranges, new descriptors.  The number is in lib/base
 * (ui_should_fail() counts it down); here is the file.  It is the calling thread's, whoever opened it.
 */
#include <stdio.h>

#include "base/file.h"
#include "mock/mock.h"

/* Any thread's own name for its file; the shim knows the others. */
#define NODE_PATH "/proc/thread-self/fail-nth"

static void inject_release(struct uiommu_file *file)
{
	ui_file_fini(file);
	ui_free(file);
}

static ssize_t inject_pread(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			    size_t count, uint64_t offset)
{
	char text[16];
	size_t length = (size_t)snprintf(text, sizeof(text), "%u\n", ui_fail_nth);

	if (offset >= length)
		return 0;
	length -= offset;
	if (length > count)
		length = count;
	return ui_copy_to_user(mm, buf, text + offset, length) ? -EFAULT : (ssize_t)length;
}

static ssize_t inject_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			   size_t count)
{
	return inject_pread(file, mm, buf, count, 0);
}

static ssize_t inject_pwrite(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			     size_t count, uint64_t offset)
{
	char text[16] = "";
	unsigned long nth;
	char *end;

	if (!count || count >= sizeof(text))
		return -EINVAL;
	if (ui_copy_from_user(mm, text, buf, count))
		return -EFAULT;
	nth = strtoul(text, &end, 10);
	if (end == text || (*end && *end != '\n') || nth > INT32_MAX)
		return -EINVAL;
	ui_fail_nth = (uint32_t)nth;
	return (ssize_t)count;
}

static ssize_t inject_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			    size_t count)
{
	return inject_pwrite(file, mm, buf, count, 0);
}

static const struct ui_file_ops inject_file_ops = {
	.name = "fail-nth",
	.read = inject_read,
	.write = inject_write,
	.pread = inject_pread,
	.pwrite = inject_pwrite,
	.release = inject_release,
};

static struct uiommu_file *inject_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct uiommu_file *file = ui_zalloc(sizeof(*file));
	int rc;

	if (!file)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(file, ctx, &inject_file_ops, node->path, node->rdev, flags);
	if (rc) {
		ui_free(file);
		return UIOMMU_ERR_PTR(rc);
	}
	return file;
}

void mock_inject_init(struct uiommu *ctx)
{
	struct ui_node *node = &ctx->mock->inject;

	node->path = NODE_PATH;
	node->open = inject_open;
	ui_node_add(ctx, node);
}

void mock_inject_exit(struct uiommu *ctx)
{
	ui_node_del(ctx, &ctx->mock->inject);
}

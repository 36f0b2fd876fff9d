// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/own.c - what a driver other than vfio-pci has of a device in the tree
 *
 * Known on disk, as all of bind.c is:
 *
 *	own/DEVICE		the driver's name, then the paths, one a line
 *	unbound/own-DEVICE/N	the N-th of them, while it isn't bound to the driver
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pci/pci.h"
#include "pci/tree.h"
#include "vfio/bind.h"
#include "vfio/vfio.h"

#define OWN_PATH 320

void vfio_write_own(struct tree *tree, struct uiommu_pci_device *pdev)
{
	char path[64];
	int fd;

	/* The folder that root is in. */
	mkdirat(tree->rootfd, "../own", 0755);
	snprintf(path, sizeof(path), "../own/%s", pdev->name);
	fd = openat(tree->rootfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	tree->own = fd < 0 ? NULL : fdopen(fd, "w");
	if (!tree->own) {
		tree_fail(tree, -errno);
		tree_close(fd);
		return;
	}
	tree_own(tree, "%s", pdev->own->name);
	pdev->own->write_tree(tree, pdev);
	if (ferror(tree->own))
		tree_fail(tree, -ENOSPC);
	if (fclose(tree->own))
		tree_fail(tree, -errno);
	tree->own = NULL;
}

/* The list, behind its first line, if that says @driver; NULL: there is none. */
static FILE *open_own(struct bind *bind, const struct bind_device *dev, const char *driver)
{
	char line[OWN_PATH];
	FILE *own;
	int fd;

	snprintf(line, sizeof(line), "own/%s", dev->name);
	fd = openat(bind->dirfd, line, O_RDONLY | O_CLOEXEC);
	own = fd < 0 ? NULL : fdopen(fd, "r");
	if (!own) {
		tree_close(fd);
		return NULL;
	}
	if (fgets(line, sizeof(line), own)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, driver))
			return own;
	}
	fclose(own);
	return NULL;
}

int bind_own_move(struct bind *bind, const struct bind_device *dev, const char *driver, bool away)
{
	char here[OWN_PATH], there[OWN_PATH], folder[64];
	unsigned int n = 0;
	FILE *own = open_own(bind, dev, driver);
	int rc = 0;

	if (!own)
		return 0;
	snprintf(folder, sizeof(folder), "unbound/own-%s", dev->name);
	mkdirat(bind->dirfd, "unbound", 0755);
	if (away)
		mkdirat(bind->dirfd, folder, 0755);
	/* At the start it's where it belongs. */
	else if (faccessat(bind->dirfd, folder, F_OK, 0))
		goto out_close;
	while (!rc && fgets(here, sizeof(here), own)) {
		here[strcspn(here, "\n")] = '\0';
		snprintf(there, sizeof(there), "%s/%u", folder, n++);
		if (away)
			rc = renameat(bind->rootfd, here, bind->dirfd, there);
		else
			rc = renameat(bind->dirfd, there, bind->rootfd, here);
		/* Some of it may be there at times only. */
		if (rc)
			rc = errno == ENOENT ? 0 : -errno;
	}
	if (!away)
		unlinkat(bind->dirfd, folder, AT_REMOVEDIR);
out_close:
	fclose(own);
	return rc;
}

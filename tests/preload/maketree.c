/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * maketree DIR SPEC...: writes the tree of these devices to an empty folder; iommufd-test
 * instead of one: with the mock driver.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <uiommu/device.h>
#include <uiommu/file.h>
#include <uiommu/uiommu.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char why[256] = "";
	struct uiommu *ctx;
	int dir;
	int rc;
	int i;

	if (argc < 2)
		return 2;
	rc = uiommu_create(NULL, &ctx);
	for (i = 2; !rc && i < argc; i++) {
		if (!strcmp(argv[i], "iommufd-test"))
			rc = uiommu_enable_iommufd_test(ctx);
		else
			rc = uiommu_pci_device_add(ctx, argv[i], NULL, why, sizeof(why));
	}
	dir = rc ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!rc)
		rc = dir < 0 ? -1 : uiommu_tree_write(ctx, dir, why, sizeof(why));
	if (rc) {
		fprintf(stderr, "maketree: %d %s\n", rc, why);
		return 1;
	}
	close(dir);
	uiommu_destroy(ctx);
	return 0;
}

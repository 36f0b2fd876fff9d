// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A stranger's program: two instances of the shared library, with a device in
 * one of them, are independent, and balance when they go.
 */
#include <stdio.h>
#include <string.h>

#include <uiommu/device.h>
#include <uiommu/file.h>

static int failed;

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "line %d: %s\n", __LINE__, #cond);                         \
			failed = 1;                                                                \
		}                                                                                  \
	} while (0)

int main(void)
{
	struct uiommu_counts counts;
	struct uiommu *one, *two;
	struct uiommu_file *file;
	char why[128] = "";

	CHECK(!strcmp(uiommu_version(), UIOMMU_VERSION));
	CHECK(uiommu_create(NULL, &one) == 0);
	CHECK(uiommu_create(NULL, &two) == 0);

	CHECK(uiommu_pci_device_add(one, "ats-testdev@0000:70:00.0", NULL, why, sizeof(why)) == 0);
	uiommu_get_counts(one, &counts);
	CHECK(counts.devices == 1 && counts.groups == 1);
	uiommu_get_counts(two, &counts);
	CHECK(counts.devices == 0 && counts.groups == 0);

	file = uiommu_open(two, "/dev/iommu", 2 /* O_RDWR */);
	CHECK(!UIOMMU_IS_ERR(file));
	if (!UIOMMU_IS_ERR(file)) {
		uiommu_get_counts(two, &counts);
		CHECK(counts.files == 1);
		uiommu_file_put(file);
	}
	uiommu_get_counts(two, &counts);
	CHECK(counts.files == 0);

	uiommu_destroy(one);
	uiommu_destroy(two);
	return failed;
}

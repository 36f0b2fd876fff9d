/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The devices are there for constructors of libraries, and what those opened works. */
#include "early.h"

#include "client.h"

int main(void)
{
	struct iommu_ioas_alloc alloc = {.size = sizeof(alloc)};
	int device;

	CHECK(early_environment && early_tree);
	CHECK(early_iommufd >= 0);
	device = open_node(CDEV);
	CHECK(!bind_to(device, early_iommufd, NULL));
	CHECK(!ioctl(early_iommufd, IOMMU_IOAS_ALLOC, &alloc));
	CHECK(getenv("PATH") && !setenv("EARLY", "1", 1) && getenv("EARLY"));
	return 0;
}

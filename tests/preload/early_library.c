/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A library of a driver, which opens what it needs when it is loaded. */
#include "early.h"

#include "client.h"

int early_iommufd = -1;
bool early_tree, early_environment;

static __attribute__((constructor)) void open_it(void)
{
	early_environment = getenv("PATH") != NULL;
	early_tree = !access("/dev/vfio/devices", F_OK) && !access(SYS_DEVICE "/vendor", R_OK);
	early_iommufd = open("/dev/iommu", O_RDWR);
}

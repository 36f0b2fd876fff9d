/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DMA to nowhere, and no fault queue: the device stops, the log has an event, the client goes on. */
#include "client.h"

int main(void)
{
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};
	struct vfio_region_info info = {.argsz = sizeof(info)};
	int iommufd = open_node("/dev/iommu");
	int device = open_node(CDEV);
	volatile uint32_t *bar;
	uint16_t command = 6;
	int i;

	CHECK(!bind_to(device, iommufd, NULL));
	attach.pt_id = ioas_alloc(iommufd);
	CHECK(!ioctl(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));
	info.index = VFIO_PCI_CONFIG_REGION_INDEX;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	CHECK(pwrite(device, &command, 2, (off_t)info.offset + 4) == 2);
	info.index = 0;
	CHECK(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t)info.offset);
	CHECK(bar != MAP_FAILED);
	bar[0] = 0xdead0000;
	bar[1] = 0;
	bar[2] = 3;
	for (i = 0; i < 1000 && (bar[2] & 1); i++)
		usleep(1000);
	CHECK(!(bar[2] & 1));
	CHECK(works(iommufd));
	/* Left open on purpose: a normal exit cleans up. */
	return 0;
}

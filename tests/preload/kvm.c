/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a VMM tells KVM: a BAR is no memory of the guest's, and comes back to the VMM as MMIO;
 * groups and devices are taken.  Skipped where there is no /dev/kvm.
 */
#include <limits.h>
#include <linux/kvm.h>
#include <sys/syscall.h>

#include "client.h"

#define PAGE 4096u

static int vm, container, group, device;

/* Past the shim: what the kernel knows. */
static long raw_ioctl(int fd, unsigned long request, void *arg)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(SYS_ioctl), "D"((long)fd), "S"(request), "d"(arg)
			 : "rcx", "r11", "memory");
	return rc;
}

static void open_device(void)
{
	char link[PATH_MAX], path[64];
	ssize_t n = readlink(SYS_DEVICE "/iommu_group", link, sizeof(link) - 1);

	CHECK(n > 0);
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio%s", strrchr(link, '/'));
	container = open_node("/dev/vfio/vfio");
	group = open_node(path);
	CHECK(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
	CHECK(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, BDF);
	CHECK(device >= 0);
}

static int add_file(int kvm_vfio, int32_t fd, uint64_t attr)
{
	struct kvm_device_attr arg = {
		.group = 1, .attr = attr, .addr = (uintptr_t)&fd}; /* KVM_DEV_VFIO_FILE */

	return ioctl(kvm_vfio, KVM_SET_DEVICE_ATTR, &arg);
}

static void test_files(void)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};

	CHECK(!ioctl(vm, KVM_CREATE_DEVICE, &create));
	CHECK(!add_file((int)create.fd, group, 1) && !add_file((int)create.fd, group, 2));
	CHECK(!add_file((int)create.fd, device, 1));
	CHECK_ERR(add_file((int)create.fd, container, 1), EINVAL);
	CHECK_ERR(add_file((int)create.fd, vm, 1), EINVAL);
	CHECK_ERR(add_file(vm, group, 1), ENOTTY);
	CHECK(!close((int)create.fd));
}

static void test_memory(void)
{
	struct kvm_userspace_memory_region region = {
		.slot = 3, .guest_phys_addr = 0x100000, .memory_size = PAGE};
	void *bar = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);
	void *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(bar != MAP_FAILED && mem != MAP_FAILED);
	region.userspace_addr = (uintptr_t)bar;
	CHECK(!ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	region.memory_size = 0;
	CHECK(raw_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == -EINVAL);
	CHECK(!ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	/* What isn't ours is the kernel's. */
	region.memory_size = PAGE;
	region.userspace_addr = (uintptr_t)mem;
	CHECK(!ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	region.memory_size = 0;
	CHECK(!raw_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
	CHECK_ERR(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), EINVAL);
	CHECK_ERR(ioctl(vm, KVM_SET_USER_MEMORY_REGION, NULL), EFAULT);
	CHECK(!munmap(bar, PAGE) && !munmap(mem, PAGE));
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0) {
		fprintf(stderr, "skipped: no VM by /dev/kvm (errno %d)\n", errno);
		return 77;
	}
	open_device();
	test_files();
	test_memory();
	return 0;
}

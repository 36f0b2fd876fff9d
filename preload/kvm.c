/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VMM tells KVM of BARs, as memory of the guest, and of groups and devices of VFIO.
 *
 * A BAR is memory without rights, which KVM can't give to a guest: each access would end the
 * VMM's KVM_RUN with EFAULT.  So KVM isn't told: where it knows of no memory, an access of the
 * guest comes back to the VMM as MMIO, and what that does by its own mapping of the BAR traps as
 * any access does.  That KVM doesn't know of files of ours has no effect that a guest could
 * see: what is mapped for DMA is as coherent as memory is.
 *
 * Nothing is stored here.  A region that is taken away is known by the same address.
 */
#include "kvm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uiommu/mm.h>

#include "channel.h"
#include "engine.h"
#include "fdtable.h"
#include "shim.h"
#include "trap.h"

/* The start of what both requests take. */
struct kvm_memory {
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_address;
	uint64_t size; /* 0: it's taken away */
	uint64_t address;
};

struct kvm_attr {
	uint32_t flags;
	uint32_t group;
	uint64_t attr;
	uint64_t address;
};

#define KVM_VFIO_FILE 1u
#define KVM_VFIO_FILE_ADD 1u
#define KVM_VFIO_FILE_DEL 2u

static bool is_a(int fd, const char *what)
{
	char link[32], name[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = real_readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return false;
	name[n] = '\0';
	return !strcmp(name, what);
}

static bool get(void *to, uint64_t from, size_t size)
{
	struct uiommu_mm *mm = engine_mm();

	return mm && uiommu_mm_read(mm, to, from, size) == size;
}

/* Of a group, or of a device. */
static bool is_vfio(int fd)
{
	struct shim_file *sf = fdtable_slot(fd) ? fdtable_get(fd) : NULL;
	bool is;

	if (!sf)
		return false;
	channel_describe(sf);
	is = strstr(sf->name, "vfio") && strcmp(sf->name, "/dev/vfio/vfio");
	fdtable_put(sf);
	return is;
}

static bool attr(int fd, uint64_t arg)
{
	struct kvm_attr attr;
	int32_t named;

	return get(&attr, arg, sizeof(attr)) && attr.group == KVM_VFIO_FILE &&
	       (attr.attr == KVM_VFIO_FILE_ADD || attr.attr == KVM_VFIO_FILE_DEL) &&
	       get(&named, attr.address, sizeof(named)) && is_vfio(named) &&
	       is_a(fd, "anon_inode:kvm-vfio");
}

static bool memory(int fd, uint64_t arg)
{
	struct kvm_memory memory;

	return get(&memory, arg, sizeof(memory)) && trap_overlaps((void *)memory.address, 1) &&
	       is_a(fd, "anon_inode:kvm-vm");
}

bool kvm_ioctl(int fd, uint32_t request, uint64_t arg)
{
	int saved = errno;
	struct shim_entry entry;
	bool ours;

	shim_enter(&entry);
	ours = request == KVM_SET_DEVICE_ATTR ? attr(fd, arg) : memory(fd, arg);
	shim_leave(&entry);
	errno = saved;
	return ours;
}

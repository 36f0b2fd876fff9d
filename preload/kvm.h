/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/kvm.h - what KVM is told of our devices
 */
#ifndef SHIM_KVM_H
#define SHIM_KVM_H

#include <stdbool.h>
#include <stdint.h>

#define KVM_SET_USER_MEMORY_REGION 0x4020ae46u
#define KVM_SET_USER_MEMORY_REGION2 0x40a0ae49u
#define KVM_SET_DEVICE_ATTR 0x4018aee1u

static inline bool kvm_concerns(unsigned long request)
{
	uint32_t nr = (uint32_t)request;

	return nr == KVM_SET_USER_MEMORY_REGION || nr == KVM_SET_USER_MEMORY_REGION2 ||
	       nr == KVM_SET_DEVICE_ATTR;
}

/*
 * One of these, on a descriptor that isn't ours.  True: it's about something of ours, and done;
 * false: it's the kernel's.  Keeps errno.
 */
bool kvm_ioctl(int fd, uint32_t request, uint64_t arg);

#endif /* SHIM_KVM_H */

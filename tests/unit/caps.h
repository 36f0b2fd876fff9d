/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capabilities that a test gives up for a while: root's tests meet the limits that way.
 */
#ifndef TEST_CAPS_H
#define TEST_CAPS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* CAP_IPC_LOCK of this thread: false if it isn't to be had. */
static inline bool cap_ipc_lock(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &header, data))
		return false;
	if (on)
		data[0].effective |= data[0].permitted & 1u << CAP_IPC_LOCK;
	else
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
	syscall(SYS_capset, &header, data);
	return !on || data[0].effective & 1u << CAP_IPC_LOCK;
}

#endif /* TEST_CAPS_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the kernel tells of a process: by system calls of ourselves, else by the files in
 * /proc.
 */
#include "mm/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/sync.h"
#include "base/sys.h"

#define MM_PAGE_SHIFT 12
/* The user namespace that all others are in. */
#define MM_INIT_USER_INO 0xEFFFFFFDu

static long mm_proc_open(pid_t pid, const char *name)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

static long mm_read(long fd, char *buf, size_t size)
{
	long rc;

	do {
		rc = ui_syscall3(SYS_read, fd, (long)buf, (long)size);
	} while (rc == -EINTR);
	return rc;
}

static uint64_t mm_number(const char *p, unsigned int base)
{
	uint64_t value = 0;

	while (*p == ' ' || *p == '\t')
		p++;
	for (;; p++) {
		if (*p >= '0' && *p <= '9')
			value = value * base + (uint64_t)(*p - '0');
		else if (base == 16 && *p >= 'a' && *p <= 'f')
			value = value * base + (uint64_t)(*p - 'a' + 10);
		else
			return value;
	}
}

/* "PID (NAME) STATE ..."; a name may have anything in it.  The 22nd is the start. */
uint64_t mm_process_start(pid_t pid)
{
	long fd = mm_proc_open(pid, "stat"), n;
	char buf[768];
	const char *p;

	if (fd < 0)
		return 0;
	n = mm_read(fd, buf, sizeof(buf) - 1);
	ui_syscall3(SYS_close, fd, 0, 0);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p ? mm_number(p, 10) : 0;
}

/* The number after @key, which begins with the line's end before it, in /proc/PID/status. */
static bool mm_status_number(pid_t pid, const char *key, unsigned int base, uint64_t *value)
{
	long fd = mm_proc_open(pid, "status"), n;
	const char *found = NULL;
	size_t kept = 0;
	char buf[1024];

	if (fd < 0)
		return false;
	while (!found && (n = mm_read(fd, buf + kept, sizeof(buf) - 1 - kept)) > 0) {
		size_t used = kept + (size_t)n;

		buf[used] = '\0';
		found = strstr(buf, key);
		if (found && strchr(found + 1, '\n'))
			break;
		/* It may be cut: again, with what comes next. */
		kept = found ? used - (size_t)(found - buf) : used;
		found = NULL;
		if (kept > 64)
			kept = 64;
		memmove(buf, buf + used - kept, kept);
	}
	ui_syscall3(SYS_close, fd, 0, 0);
	if (found)
		*value = mm_number(found + strlen(key), base);
	return found;
}

uint64_t mm_process_locked(pid_t pid)
{
	uint64_t kib = 0;

	mm_status_number(pid, "\nVmLck:", 10, &kib);
	return kib >> (MM_PAGE_SHIFT - 10);
}

uint64_t mm_process_limit(pid_t pid)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

	/* One that we may not ask, or that is gone, has ours. */
	if (ui_syscall6(SYS_prlimit64, pid, RLIMIT_MEMLOCK, 0, (long)&limit, 0, 0) &&
	    ui_syscall6(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, (long)&limit, 0, 0))
		return UINT64_MAX;
	return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur >> MM_PAGE_SHIFT;
}

/* Capabilities in a namespace of one's own are none over memory. */
static bool mm_init_user_ns(pid_t pid)
{
	char path[40];
	struct stat st = {.st_ino = 0};

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return ui_syscall6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0, 0, 0) ||
	       st.st_ino == MM_INIT_USER_INO;
}

static uint64_t mm_own_caps(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (ui_syscall3(SYS_capget, (long)&header, (long)data, 0))
		return 0;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

bool mm_process_capable(int cap)
{
	return mm_own_caps() & 1ull << cap &&
	       mm_init_user_ns((pid_t)ui_syscall3(SYS_getpid, 0, 0, 0));
}

struct mm_process_who mm_process_who(pid_t pid, bool self)
{
	uint64_t uid = (uint32_t)ui_syscall3(SYS_getuid, 0, 0, 0), caps = 0;

	if (self) {
		caps = mm_own_caps();
	} else {
		mm_status_number(pid, "\nUid:", 10, &uid);
		mm_status_number(pid, "\nCapEff:", 16, &caps);
	}
	return (struct mm_process_who){
		.uid = (uint32_t)uid,
		.exempt = caps & 1ull << CAP_IPC_LOCK && mm_init_user_ns(pid),
	};
}

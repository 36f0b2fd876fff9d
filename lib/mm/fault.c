// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Page faults on behalf of a device that shares an address space.
 *
 * Our own memory is touched, by a guarded access: the processor then does all that
 * a fault is, with the rights of the mapping, and a refusal is the answer.  A write
 * is tried by an atomic operation that changes no bit, so that what another thread
 * stores at that moment isn't lost.  While no handler helps (guard.c), the kernel
 * populates the page instead.
 *
 * Memory of another process can't be touched for it without a race.  There the
 * rights are looked at, and a read brings the page in; the first write makes it the
 * process's own, if need be, when the device makes it.  What may be written and not read, and
 * isn't there, can't be had: a device that was told otherwise would ask for ever.
 *
 * Residency is what the page table has now, asked of /proc/PID/pagemap.  It is stale when
 * it is read, so nothing may rest on it but when a device asks for a page.
 */
#include <fcntl.h>
#include <stdio.h>

#include "base/sys.h"
#include "mm/guard.h"
#include "mm/mm.h"
#include "mm/object.h"

#define MM_PAGE 4096ull

#define MM_PAGEMAP_PRESENT (1ull << 63)
#define MM_PAGEMAP_BATCH 64

static int mm_touch(uint64_t addr, uint32_t perm)
{
	if (!ui_load_acquire(&mm_guard_on))
		return mm_populate_page(addr, perm) ? -EFAULT : 0;
	if (perm & UIOMMU_WRITE)
		return mm_guard_touch((void *)addr) ? -EFAULT : 0;
	return mm_guard_load1((const void *)addr).fault ? -EFAULT : 0;
}

int mm_fault_in(struct uiommu_mm *mm, uint64_t addr, uint32_t perm)
{
	char byte;

	if (addr >= MM_USER_END)
		return -EFAULT;
	if (perm & UIOMMU_EXEC && mm_check(mm, addr, 1, perm))
		return -EFAULT;
	if (mm->self)
		return mm_touch(addr, perm);
	if (mm_check(mm, addr, 1, perm))
		return -EFAULT;
	if (uiommu_mm_read(mm, &byte, addr, 1) == 1)
		return 0;
	return !(perm & UIOMMU_READ) && mm_resident(mm, addr, 1) & 1 ? 0 : -EFAULT;
}

static int mm_open_pagemap(const struct uiommu_mm *mm)
{
	char path[32] = "/proc/self/pagemap";

	if (!mm->self)
		snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)mm->pid);
	return (int)ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

uint64_t mm_resident(struct uiommu_mm *mm, uint64_t addr, unsigned int pages)
{
	uint64_t entry[MM_PAGEMAP_BATCH] = {0};
	uint64_t present = 0;
	long rc;
	int fd;

	assert(pages <= MM_PAGEMAP_BATCH);
	fd = mm_open_pagemap(mm);
	if (fd < 0)
		return UINT64_MAX; /* unknown: the access itself will tell */
	rc = ui_syscall6(SYS_pread64, fd, (long)entry, (long)(pages * sizeof(entry[0])),
			 (long)(addr / MM_PAGE * sizeof(entry[0])), 0, 0);
	ui_syscall3(SYS_close, fd, 0, 0);
	for (long i = 0; i < rc / (long)sizeof(entry[0]); i++)
		if (entry[i] & MM_PAGEMAP_PRESENT)
			present |= 1ull << i;
	return present;
}

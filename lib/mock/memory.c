// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/memory.c - which page is behind an address?
 *
 * The kernel's tests compare page frames.  We have no right to see those, so a
 * page is known by what the kernel tells everybody: shared memory by device,
 * inode and offset, other memory by whose it is and where.
 *
 * The text of /proc/PID/maps is read for each question: slow, and only tests
 * ask.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "mm/mm.h"
#include "mm/object.h"
#include "mm/view.h"
#include "mock/mock.h"

#define PAGE 4096ull

/* inode 0: private. */
struct backing {
	unsigned int major;
	unsigned int minor;
	unsigned long inode;
	uint64_t offset;
};

static int open_maps(const struct uiommu_mm *mm)
{
	char path[32] = "/proc/self/maps";

	if (!mm->self && !mm_is_file(mm))
		snprintf(path, sizeof(path), "/proc/%d/maps", (int)mm->pid);
	return (int)ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

/* One line; true: it is the one with @addr. */
static bool parse_line(const char *line, uint64_t addr, struct backing *backing)
{
	unsigned long start, end, offset;
	char perms[5];

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, perms, &offset, &backing->major,
		   &backing->minor, &backing->inode) != 7)
		return false;
	if (addr < start || addr >= end)
		return false;
	backing->offset = offset + (addr - start);
	if (perms[3] != 's')
		backing->inode = 0;
	return true;
}

/* What is at @addr; inode 0 also if nothing can be told. */
static struct backing backing_of(const struct uiommu_mm *mm, uint64_t addr)
{
	struct backing backing = {0};
	char text[4096 + 1];
	size_t used = 0;
	int fd = open_maps(mm);
	bool found = false;

	while (fd >= 0 && !found) {
		long n = ui_syscall3(SYS_read, fd, (long)(text + used), (long)(4096 - used));
		char *line = text, *end;

		if (n <= 0)
			break;
		used += (size_t)n;
		text[used] = '\0';
		while (!found && (end = strchr(line, '\n'))) {
			*end = '\0';
			found = parse_line(line, addr, &backing);
			line = end + 1;
		}
		used -= (size_t)(line - text);
		memmove(text, line, used);
		/* A name without end can't be the line that matters: drop it. */
		if (used == 4096)
			used = 0;
	}
	if (fd >= 0)
		ui_syscall3(SYS_close, fd, 0, 0);
	if (!found)
		backing.inode = 0;
	return backing;
}

/*
 * Pages that lie side by side, as they are now: an area's may have been moved.
 *  mm, at	where the first is
 *  theirs	at an address that the client knows
 */
struct run {
	struct uiommu_mm *mm;
	uint64_t at;
	uint64_t length;
	bool theirs;
};

static struct run run_of(struct uiommu_mm *mm, uint64_t addr, uint64_t length)
{
	struct run run = {.mm = mm};
	bool ours;

	run.length = mm_view_run(mm, addr, addr + length, &run.at, &ours) - addr;
	run.theirs = !ours;
	while (mm_view_base(run.mm))
		run.mm = mm_view_base(run.mm);
	return run;
}

/* Is the page there, and how far from the start? */
static bool run_has_page(const struct run *run, struct uiommu_mm *page_mm, uint64_t page,
			 uint64_t *offset)
{
	struct backing a, b;

	*offset = page - run->at;
	if (run->theirs && mm_same(run->mm, page_mm) && page >= run->at && *offset < run->length)
		return true;
	a = backing_of(run->mm, run->at);
	b = backing_of(page_mm, page);
	*offset = b.offset - a.offset;
	return a.inode && a.inode == b.inode && a.major == b.major && a.minor == b.minor &&
	       b.offset >= a.offset && *offset < run->length;
}

int mock_same_page(struct uiommu_mm *mm, uint64_t addr, struct uiommu_mm *other_mm,
		   uint64_t other_addr)
{
	struct run run = run_of(mm, addr & ~(PAGE - 1), PAGE);
	uint64_t offset;
	char byte;

	if (uiommu_mm_read(other_mm, &byte, other_addr, 1) != 1)
		return -EFAULT;
	if (addr % PAGE != other_addr % PAGE ||
	    !run_has_page(&run, other_mm, other_addr & ~(PAGE - 1), &offset))
		return -EBADE;
	return 0;
}

bool mock_page_within(struct uiommu_mm *mm, uint64_t addr, uint64_t length,
		      struct uiommu_mm *page_mm, uint64_t page, uint64_t *where)
{
	uint64_t first = addr & ~(PAGE - 1), end = (addr + length + PAGE - 1) & ~(PAGE - 1);
	uint64_t offset;
	struct run run;

	for (; first != end; first += run.length) {
		run = run_of(mm, first, end - first);
		if (run_has_page(&run, page_mm, page, &offset)) {
			*where = first + offset;
			return true;
		}
	}
	return false;
}

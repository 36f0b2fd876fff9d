// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory of a file: a mapping of our own, so that it stays when the client closes
 * the descriptor and unmaps what it has.
 *
 * It looks like the memory of this process, in which the file is mapped; the addresses
 * are equal to the offsets in the file up to the size of a huge page, which is what
 * places for automatic maps are aligned by.  Each such memory has one mapping.
 *
 * Linux takes any file, but pins pages of memfd, tmpfs and hugetlbfs alone.  Others,
 * and what can't be mapped, become a memory in which nothing is: every access to
 * it fails.  It has no process, whose number would be 0.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/sys.h"
#include "mm/mm.h"
#include "mm/object.h"

#define MM_PAGE 4096ull
#define MM_HUGE_PAGE (2ull << 20)
#define MM_MAPPABLE_MAX (1ull << 46)

#define MM_TMPFS_MAGIC 0x01021994
#define MM_HUGETLBFS_MAGIC 0x958458f6
#define MM_DMABUF_MAGIC 0x444d4142

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_getfd 438
#endif

/* A part of a file, as it has to be mapped. */
struct mm_file_part {
	int fd;
	uint64_t start;
	uint64_t length;
	uint64_t alignment;
	bool writable;
};

static bool mm_failed(long rc)
{
	return rc < 0 && rc >= -4095;
}

/* ---- descriptors ---- */

/* A descriptor here for one of another process. */
static int mm_fetch_fd(const struct uiommu_mm *owner, int fd)
{
	long pidfd = ui_syscall3(SYS_pidfd_open, owner->pid, 0, 0);
	long rc;

	if (pidfd < 0)
		return -EBADF;
	rc = ui_syscall3(SYS_pidfd_getfd, pidfd, fd, 0);
	ui_syscall3(SYS_close, pidfd, 0, 0);
	return rc < 0 ? -EBADF : (int)rc;
}

/* Pins don't ask how a file was opened: so it is opened again, if that helps. */
static int mm_reopen(int fd)
{
	char path[32] = "/proc/self/fd/";
	char digits[12];
	size_t nr = 0, at = sizeof("/proc/self/fd/") - 1;

	do {
		digits[nr++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	while (nr)
		path[at++] = digits[--nr];
	path[at] = 0;
	return (int)ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0, 0, 0);
}

/* ---- mapping ---- */

/* Rounds to what the file's pages ask for.  False: nobody could pin this. */
static bool mm_file_shape(struct mm_file_part *part)
{
	struct statfs fs = {0};
	struct stat st = {0};
	uint64_t page = MM_PAGE, end;

	if (part->length > MM_MAPPABLE_MAX || part->start > INT64_MAX - MM_MAPPABLE_MAX)
		return false;
	if (mm_failed(ui_syscall3(SYS_fstatfs, part->fd, (long)&fs, 0)) ||
	    mm_failed(ui_syscall3(SYS_fstat, part->fd, (long)&st, 0)))
		return false;
	if ((uint32_t)fs.f_type == MM_HUGETLBFS_MAGIC)
		page = (uint64_t)fs.f_bsize;
	else if ((uint32_t)fs.f_type != MM_TMPFS_MAGIC || !S_ISREG(st.st_mode))
		return false;
	end = (part->start + part->length + page - 1) & ~(page - 1);
	part->start &= ~(page - 1);
	part->length = end - part->start;
	part->alignment = page > MM_HUGE_PAGE ? page : MM_HUGE_PAGE;
	/* To map more of a hugetlbfs file than there is makes it longer. */
	return page == MM_PAGE || end <= (uint64_t)st.st_size;
}

static void mm_unmap(uint64_t start, uint64_t end)
{
	if (start < end)
		ui_syscall3(SYS_munmap, (long)start, (long)(end - start), 0);
}

long mm_reserve(uint64_t length, uint64_t alignment, uint64_t like)
{
	uint64_t room = length + alignment, at;
	long base;

	base = ui_syscall6(SYS_mmap, 0, (long)room, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mm_failed(base))
		return base;
	at = (uint64_t)base + ((like - (uint64_t)base) & (alignment - 1));
	mm_unmap((uint64_t)base, at);
	mm_unmap(at + length, (uint64_t)base + room);
	return (long)at;
}

/* Where the part is, or a negative errno. */
static long mm_file_mmap(const struct mm_file_part *part)
{
	int prot = part->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	long at = mm_reserve(part->length, part->alignment, part->start), rc;

	if (mm_failed(at))
		return at;
	rc = ui_syscall6(SYS_mmap, at, (long)part->length, prot,
			 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, part->fd, (long)part->start);
	if (mm_failed(rc)) {
		mm_unmap((uint64_t)at, (uint64_t)at + part->length);
		return rc;
	}
	/* A child is to see the file through its own eyes. */
	ui_syscall3(SYS_madvise, at, (long)part->length, MADV_DONTFORK);
	return at;
}

static long mm_file_map_part(struct mm_file_part *part)
{
	long at = mm_file_mmap(part);
	int fd;

	if (at == -EACCES && part->writable) {
		fd = mm_reopen(part->fd);
		if (fd >= 0) {
			struct mm_file_part again = *part;

			again.fd = fd;
			at = mm_file_mmap(&again);
			ui_syscall3(SYS_close, fd, 0, 0);
		}
	}
	if ((at == -EACCES || at == -EPERM) && part->writable) {
		part->writable = false; /* sealed */
		at = mm_file_mmap(part);
	}
	return at;
}

/* ---- the memory ---- */

static int mm_file_make(struct uiommu *ctx, struct mm_file_part *part, struct uiommu_mm **out,
			uint64_t *uaddr)
{
	uint64_t start = part->start;
	struct uiommu_mm *mm = ui_zalloc(sizeof(*mm));
	long at;

	if (!mm)
		return -ENOMEM;
	mm->ctx = ctx;
	mm->refs = 1; /* the caller's */
	mm->file = true;
	/* Where nothing is only the alignment matters, and no sum may wrap. */
	*uaddr = start & ((part->length >> 63 ? MM_PAGE : MM_HUGE_PAGE) - 1);
	if (mm_file_shape(part)) {
		at = mm_file_map_part(part);
		if (at == -ENOMEM) {
			ui_free(mm);
			return -ENOMEM;
		}
		if (!mm_failed(at)) {
			mm->self = true;
			mm->pid = ctx->self_mm->pid;
			mm->map_start = (uint64_t)at;
			mm->map_length = part->length;
			*uaddr = (uint64_t)at + (start - part->start);
		}
	}
	*out = mm;
	return 0;
}

/* A dma-buf that isn't ours, as Linux answers for those of other drivers.  0: it isn't one. */
static int mm_check_foreign(const struct mm_file_part *part)
{
	struct statfs fs = {0};
	long size;

	if (mm_failed(ui_syscall3(SYS_fstatfs, part->fd, (long)&fs, 0)) ||
	    (uint32_t)fs.f_type != MM_DMABUF_MAGIC)
		return 0;
	/* It has no position that this could change. */
	size = ui_syscall3(SYS_lseek, part->fd, 0, SEEK_END);
	if (mm_failed(size) || (uint64_t)size <= part->start + (part->length - 1))
		return -EINVAL;
	return -EOPNOTSUPP;
}

int mm_map_file(struct uiommu_mm *owner, int fd, uint64_t start, uint64_t length, bool writable,
		struct uiommu_mm **out, uint64_t *uaddr)
{
	struct mm_file_part part = {.start = start, .length = length, .writable = writable};
	int here = owner->self ? fd : mm_fetch_fd(owner, fd);
	long flags = here < 0 ? here : ui_syscall3(SYS_fcntl, here, F_GETFL, 0);
	int rc = -EBADF;

	if (flags >= 0 && !(flags & O_PATH)) {
		part.fd = here;
		rc = mm_check_foreign(&part);
		if (!rc)
			rc = mm_file_make(owner->ctx, &part, out, uaddr);
	}
	if (!owner->self && here >= 0)
		ui_syscall3(SYS_close, here, 0, 0);
	return rc;
}

bool mm_is_file(const struct uiommu_mm *mm)
{
	return mm->file;
}

void mm_file_free(struct uiommu_mm *mm)
{
	mm_unmap(mm->map_start, mm->map_start + mm->map_length);
}

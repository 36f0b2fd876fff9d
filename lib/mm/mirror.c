// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Shared memory of another process, mapped here too.
 *
 * Linux pins pages, which then outlive the process that mapped them.  Private ones can't
 * be had without that process, but shared ones belong to a file: each stretch of them is
 * mapped here a second time, and a view (view.h) says where.  The file is found by what
 * /proc/PID/maps says of it, in the order of these:
 *
 *  - it is mapped here already, as what a child inherited is: mremap() of an old
 *    length of 0 maps it again
 *  - /proc/PID/map_files, which root may open
 *  - a descriptor that the process still has for it
 *  - its name, if that is still the same file's
 *  - a System V segment, whose inode is its number
 *
 * What isn't found stays the other process's alone.  No descriptor is kept.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/sys.h"
#include "mm/object.h"
#include "mm/view.h"

#define MM_PAGE 4096ull

/*
 * A stretch of the range, of one VMA.
 *  offset	of start, in the file
 *  at		where it is here; 0: nowhere yet
 *  chunk_start, chunk_length	what is to be unmapped in the end, around it
 */
struct mm_part {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	struct mm_vma vma;
	char name[MM_VMA_NAME];
	uint64_t at;
	uint64_t chunk_start;
	uint64_t chunk_length;
};

struct mm_mirror {
	struct uiommu_mm *base;
	struct uiommu_mm *view;
	uint64_t start;
	uint64_t end;
};

static bool mm_failed(long rc)
{
	return rc < 0 && rc >= -4095;
}

static bool mm_same_file(const struct mm_vma *a, const struct mm_vma *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

static void mm_found_at(struct mm_part *part, uint64_t start, uint64_t length, uint64_t at)
{
	part->at = at;
	part->chunk_start = start;
	part->chunk_length = length;
}

/* ---- mapped here already ---- */

/* In: what is looked for; out: where it is, and what was found there. */
struct mm_here {
	const struct mm_part *part;
	uint64_t at;
	bool found;
};

static void mm_here_vma(void *opaque, const struct mm_vma *vma)
{
	struct mm_here *here = opaque;
	uint64_t offset = here->part->offset;

	if (here->found || !vma->shared || !mm_same_file(vma, &here->part->vma) ||
	    offset < vma->offset || offset >= vma->offset + (vma->end - vma->start))
		return;
	here->at = vma->start + (offset - vma->offset);
	here->found = true;
}

/* Is the file what is mapped at here->at now? */
static void mm_here_check(void *opaque, const struct mm_vma *vma)
{
	struct mm_here *here = opaque;

	if (vma->start <= here->at && here->at < vma->end)
		here->found = mm_same_file(vma, &here->part->vma) &&
			      vma->offset + (here->at - vma->start) == here->part->offset;
}

static void mm_find_here(struct mm_part *part)
{
	struct mm_here here = {.part = part};
	uint64_t length = part->end - part->start;
	long rc;

	if (mm_each_vma(mm_here_vma, &here) || !here.found)
		return;
	rc = ui_syscall6(SYS_mremap, (long)here.at, 0, (long)length, MREMAP_MAYMOVE, 0, 0);
	if (mm_failed(rc))
		return;
	/* The client may have put something else there in between. */
	here.at = (uint64_t)rc;
	here.found = false;
	if (mm_each_vma(mm_here_check, &here) || !here.found) {
		ui_syscall3(SYS_munmap, rc, (long)length, 0);
		return;
	}
	mm_found_at(part, here.at, length, here.at);
	if (!part->vma.writable ||
	    mm_failed(ui_syscall3(SYS_mprotect, rc, (long)length, PROT_READ | PROT_WRITE)))
		ui_syscall3(SYS_mprotect, rc, (long)length, PROT_READ);
}

/* ---- opened again ---- */

/* Maps the part if @path is its file. */
static void mm_try_open(struct mm_part *part, const char *path)
{
	int prot = part->vma.writable ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t page, offset, length;
	struct stat st = {.st_mode = 0};
	long fd, rc;

	/* What a device does when it's opened is nobody's business. */
	if (part->at || mm_failed(ui_syscall3(SYS_stat, (long)path, (long)&st, 0)) ||
	    !S_ISREG(st.st_mode) || st.st_ino != part->vma.ino)
		return;
	fd = ui_syscall6(SYS_openat, AT_FDCWD, (long)path,
			 (part->vma.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK, 0, 0,
			 0);
	if (fd < 0)
		return;
	page = (uint64_t)st.st_blksize;
	if (!mm_failed(ui_syscall3(SYS_fstat, fd, (long)&st, 0)) && st.st_ino == part->vma.ino &&
	    ((uint64_t)major(st.st_dev) << 32 | minor(st.st_dev)) == part->vma.dev) {
		/* Of hugetlbfs, that is the size of its pages. */
		if (page < MM_PAGE || (page & (page - 1)))
			page = MM_PAGE;
		offset = part->offset & ~(page - 1);
		length = ((part->offset + (part->end - part->start) + page - 1) & ~(page - 1)) -
			 offset;
		rc = ui_syscall6(SYS_mmap, 0, (long)length, prot, MAP_SHARED | MAP_NORESERVE, fd,
				 (long)offset);
		if (!mm_failed(rc))
			mm_found_at(part, (uint64_t)rc, length,
				    (uint64_t)rc + (part->offset - offset));
	}
	ui_syscall3(SYS_close, fd, 0, 0);
}

struct mm_dirent {
	uint64_t ino;
	int64_t next;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* Each descriptor of the process. */
static void mm_find_descriptor(struct mm_part *part, pid_t pid)
{
	char entries[1024] __attribute__((aligned(8))) = {0};
	char path[64];
	long dir, n;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0,
			  0, 0);
	if (dir < 0)
		return;
	while (!part->at &&
	       (n = ui_syscall3(SYS_getdents64, dir, (long)entries, sizeof(entries))) > 0) {
		for (long pos = 0; pos < n && !part->at;) {
			const struct mm_dirent *entry = (const void *)(entries + pos);

			pos += entry->length;
			if (entry->name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, atoi(entry->name));
			mm_try_open(part, path);
		}
	}
	ui_syscall3(SYS_close, dir, 0, 0);
}

static void mm_find_name(struct mm_part *part, pid_t pid)
{
	char path[MM_VMA_NAME + 32];

	if (part->name[0] != '/')
		return;
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid, part->name);
	mm_try_open(part, path);
}

static void mm_find_segment(struct mm_part *part)
{
	int flags = part->vma.writable ? 0 : SHM_RDONLY;
	struct mm_here here = {.part = part};
	struct shmid_ds ds = {.shm_segsz = 0};
	long rc;

	if (part->at || strncmp(part->name, "/SYSV", 5) || part->vma.ino > INT32_MAX ||
	    mm_failed(ui_syscall3(SYS_shmctl, (long)part->vma.ino, IPC_STAT, (long)&ds)) ||
	    part->offset + (part->end - part->start) > ((ds.shm_segsz + MM_PAGE - 1) & -MM_PAGE))
		return;
	rc = ui_syscall3(SYS_shmat, (long)part->vma.ino, 0, flags);
	if (mm_failed(rc))
		return;
	here.at = (uint64_t)rc + part->offset;
	if (mm_each_vma(mm_here_check, &here) || !here.found)
		ui_syscall3(SYS_shmdt, rc, 0, 0);
	else
		mm_found_at(part, (uint64_t)rc, (ds.shm_segsz + MM_PAGE - 1) & -MM_PAGE, here.at);
}

/* ---- the view ---- */

static void mm_find(struct mm_part *part, pid_t pid)
{
	char path[64];

	mm_find_here(part);
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid,
		 (unsigned long long)part->vma.start, (unsigned long long)part->vma.end);
	mm_try_open(part, path);
	if (!part->at)
		mm_find_descriptor(part, pid);
	if (!part->at)
		mm_find_name(part, pid);
	mm_find_segment(part);
}

static void mm_mirror_vma(void *opaque, const struct mm_vma *vma)
{
	struct mm_mirror *mirror = opaque;
	struct mm_part part = {.start = vma->start, .end = vma->end, .vma = *vma};
	struct mm_chunk *chunk;

	if (part.start < mirror->start)
		part.start = mirror->start;
	if (part.end > mirror->end)
		part.end = mirror->end;
	if (!vma->shared || !vma->ino || part.start >= part.end)
		return;
	part.offset = vma->offset + (part.start - vma->start);
	memcpy(part.name, vma->name, strlen(vma->name) + 1);
	mm_find(&part, mirror->base->pid);
	if (!part.at)
		return;
	/* A child is to see it through its own eyes. */
	ui_syscall3(SYS_madvise, (long)part.chunk_start, (long)part.chunk_length, MADV_DONTFORK);
	chunk = mm_chunk_create(part.chunk_start, part.chunk_length);
	if (!chunk) {
		ui_syscall3(SYS_munmap, (long)part.chunk_start, (long)part.chunk_length, 0);
		return;
	}
	if (!mirror->view)
		mirror->view = mm_view_create(mirror->base);
	if (mirror->view && !mm_view_reserve(mirror->view, 0, 1))
		mm_view_assign(mirror->view, part.start, part.end, part.at, chunk);
	mm_chunk_put(chunk);
}

struct uiommu_mm *mm_mirror(struct uiommu_mm *mm, uint64_t addr, uint64_t length)
{
	struct mm_mirror mirror = {
		.base = mm,
		.start = addr & ~(MM_PAGE - 1),
		.end = (addr + length + MM_PAGE - 1) & ~(MM_PAGE - 1),
	};
	char path[32];

	if (mm->self || mm->file || ui_load_acquire(&mm->gone))
		return NULL;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)mm->pid);
	mm_each_vma_of(path, mm_mirror_vma, &mirror);
	return mirror.view;
}

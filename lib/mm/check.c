// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mm_check(): may a device have this memory?
 *
 * Linux pins every page, and what can't be pinned is an error of the map.  We pin
 * nothing here, but the answer must be the same, for a price that doesn't grow with
 * the length:
 *
 *  - a few pages of our own: MADV_POPULATE_READ or _WRITE, one system call.  That
 *    is what pinning does up to the pin: faults the pages in with the right that
 *    is wanted, and refuses holes, VM_IO and VM_PFNMAP.
 *  - more of our own, in one VMA, which an mremap() that can't succeed tells: one page of
 *    it by MADV_POPULATE, for the others have the same rights.  Two system calls.
 *  - in several, or another process's: PROCMAP_QUERY (Linux 6.11) on /proc/PID/maps, a
 *    call per VMA.  It doesn't tell device memory; so for our own a VMA
 *    that has a file behind it is asked for one page by MADV_POPULATE.
 *  - where that ioctl doesn't exist: the text of the same file.
 *
 * No descriptor is kept: it could be closed by the client, or outlive a fork.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "mm/mm.h"
#include "mm/object.h"
#include "base/sys.h"

#define MM_PAGE 4096ull
/* Up to here it is cheaper to touch the pages than to look at the map. */
#define MM_POPULATE_MAX (16 * MM_PAGE)
/* Beyond this no user memory can be; keeps the rounding from wrapping. */
#define MM_ADDR_MAX (1ull << 56)
/* What Linux pins in one go. */
#define MM_PIN_MAX (8192 * MM_PAGE)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* What PROCMAP_QUERY takes; the fields after dev_minor are not asked for. */
struct mm_procmap_query {
	uint64_t size;
	uint64_t query_flags;
	uint64_t query_addr;
	uint64_t vma_start;
	uint64_t vma_end;
	uint64_t vma_flags;
	uint64_t vma_page_size;
	uint64_t vma_offset;
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
	uint32_t vma_name_size;
	uint32_t build_id_size;
	uint64_t vma_name_addr;
	uint64_t build_id_addr;
};

#define MM_PROCMAP_QUERY 0xc0686611ul /* _IOWR('f', 17, struct mm_procmap_query) */
#define MM_VMA_READABLE 1u
#define MM_VMA_WRITABLE 2u
#define MM_VMA_EXECUTABLE 4u

_Static_assert(sizeof(struct mm_procmap_query) == 0x68, "size is part of the ioctl number");

/* Touches [start, end) of our own memory.  0, a negative errno. */
static int mm_populate(uint64_t start, uint64_t end, uint32_t perm)
{
	int advice = perm & UIOMMU_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	long rc;

	do {
		rc = ui_syscall3(SYS_madvise, (long)start, (long)(end - start), advice);
	} while (rc == -EINTR);
	return (int)rc;
}

int mm_populate_page(uint64_t addr, uint32_t perm)
{
	uint64_t page = addr & ~(MM_PAGE - 1);

	return mm_populate(page, page + MM_PAGE, perm);
}

/* Linux 5.14 and later: a page that is certainly there can be populated. */
static bool mm_populate_works(void)
{
	uint64_t here = (uint64_t)&here & ~(MM_PAGE - 1);

	return mm_populate(here, here + MM_PAGE, UIOMMU_READ) == 0;
}

/*
 * Too long for any VMA that begins above 0, and not so long that mremap() says so before
 * it has looked: the end of addresses, with page tables of five levels or four.
 */
#define MM_END_5 ((1ull << 56) - MM_PAGE)
#define MM_END_4 ((1ull << 47) - MM_PAGE)

static long mm_stretch(uint64_t start, uint64_t length, uint64_t to)
{
	return ui_syscall6(SYS_mremap, (long)start, (long)length, (long)to, 0, 0, 0);
}

/* Its own mremap() crashes over such lengths. */
static bool mm_on_valgrind(void)
{
	volatile uint64_t request[6] = {0x1001}; /* is it there? */
	uint64_t answer = 0;

	/* Nothing to a processor. */
	__asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi; rolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(answer)
			 : "a"(request)
			 : "cc", "memory");
	return answer;
}

/* 1: not to be asked. */
static uint64_t mm_stretch_length(void)
{
	/* Atomic; the same for all who find it out. */
	static uint64_t known;
	uint64_t here = (uint64_t)&here & ~(MM_PAGE - 1), length = ui_load_relaxed(&known);

	if (length)
		return length;
	if (mm_on_valgrind())
		length = 1;
	else if (mm_stretch(here, MM_PAGE, MM_END_5) == -EINVAL)
		length = MM_END_4;
	else
		length = MM_END_5;
	ui_store_relaxed(&known, length);
	return length;
}

/*
 * Is [start, end) in one VMA?  It can't become as long as we ask, where it is; but the
 * kernel says that the range leaves its VMA before it says that there is no room
 * (or, of locked memory, no right to more).  False: it isn't, or nothing is said.
 */
static bool mm_is_one_vma(uint64_t start, uint64_t end)
{
	uint64_t length = mm_stretch_length();
	long rc;

	if (!start || length == 1)
		return false;
	rc = mm_stretch(start, end - start, length);
	return rc == -ENOMEM || rc == -EAGAIN;
}

static int mm_open_maps(const struct uiommu_mm *mm)
{
	char path[32] = "/proc/self/maps";

	if (ui_load_acquire(&mm->gone))
		return -ESRCH;
	if (!mm->self)
		snprintf(path, sizeof(path), "/proc/%d/maps", (int)mm->pid);
	return (int)ui_syscall6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
}

static void mm_close_maps(int fd)
{
	ui_syscall3(SYS_close, fd, 0, 0);
}

/* A VMA covers the first byte that is looked at: are its rights enough? */
static int mm_vma_rights(uint64_t flags, uint32_t perm)
{
	bool readable = flags & MM_VMA_READABLE;

	if (perm & UIOMMU_EXEC && !(flags & MM_VMA_EXECUTABLE))
		return -EFAULT;
	if (perm & UIOMMU_WRITE && !(flags & MM_VMA_WRITABLE))
		return readable ? -EPERM : -EFAULT;
	if (!(perm & UIOMMU_WRITE) && !readable)
		return -EFAULT;
	return 0;
}

/* Device memory is mapped through a file, and refuses to be populated. */
static int mm_vma_pages(const struct uiommu_mm *mm, uint64_t addr, uint32_t perm)
{
	if (!mm->self || mm_populate(addr, addr + MM_PAGE, perm) != -EINVAL)
		return 0;
	return mm_populate_works() ? -EFAULT : 0;
}

/* -ENOTTY: this kernel can't. */
static int mm_check_query(struct uiommu_mm *mm, int fd, uint64_t start, uint64_t end, uint32_t perm)
{
	while (start < end) {
		struct mm_procmap_query q = {.size = sizeof(q), .query_addr = start};
		long rc = ui_syscall3(SYS_ioctl, fd, (long)MM_PROCMAP_QUERY, (long)&q);

		if (rc == -EINTR)
			continue;
		if (rc == -ENOENT)
			return -EFAULT;
		if (rc < 0)
			return -ENOTTY;
		rc = mm_vma_rights(q.vma_flags, perm);
		if (!rc && (q.dev_major || q.dev_minor))
			rc = mm_vma_pages(mm, start, perm);
		if (rc)
			return (int)rc;
		start = q.vma_end;
	}
	return 0;
}

/*
 * Reads maps line by line: "start-end rwxp offset major:minor inode name".
 *  pos, len	what of buf is not used up yet
 */
struct mm_maps {
	int fd;
	size_t pos;
	size_t len;
	char buf[4096];
};

static int mm_maps_getc(struct mm_maps *maps)
{
	if (maps->pos == maps->len) {
		long rc;

		do {
			rc = ui_syscall3(SYS_read, maps->fd, (long)maps->buf, sizeof(maps->buf));
		} while (rc == -EINTR);
		if (rc <= 0)
			return -1;
		maps->pos = 0;
		maps->len = (size_t)rc;
	}
	return (unsigned char)maps->buf[maps->pos++];
}

/* A hexadecimal number and the character that ends it. */
static uint64_t mm_maps_hex(struct mm_maps *maps, int *end)
{
	uint64_t value = 0;
	int c;

	for (;;) {
		c = mm_maps_getc(maps);
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	*end = c;
	return value;
}

struct mm_maps_line {
	uint64_t start;
	uint64_t end;
	uint64_t flags; /* MM_VMA_*, as the query has them */
	bool file;
};

static bool mm_maps_next(struct mm_maps *maps, struct mm_maps_line *line)
{
	int c;

	line->start = mm_maps_hex(maps, &c);
	if (c != '-')
		return false;
	line->end = mm_maps_hex(maps, &c);
	line->flags = mm_maps_getc(maps) == 'r' ? MM_VMA_READABLE : 0;
	line->flags |= mm_maps_getc(maps) == 'w' ? MM_VMA_WRITABLE : 0;
	line->flags |= mm_maps_getc(maps) == 'x' ? MM_VMA_EXECUTABLE : 0;
	mm_maps_getc(maps);
	mm_maps_getc(maps);
	mm_maps_hex(maps, &c); /* offset */
	line->file = mm_maps_hex(maps, &c) != 0;
	line->file |= mm_maps_hex(maps, &c) != 0;
	while (c != '\n' && c != -1)
		c = mm_maps_getc(maps);
	return true;
}

int mm_check_text(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint32_t perm)
{
	struct mm_maps maps = {.fd = mm_open_maps(mm)};
	struct mm_maps_line line;
	int rc = 0;

	if (maps.fd < 0)
		return -EFAULT;
	while (!rc && start < end && mm_maps_next(&maps, &line)) {
		if (line.end <= start)
			continue;
		if (line.start > start)
			break; /* a hole */
		rc = mm_vma_rights(line.flags, perm);
		if (!rc && line.file)
			rc = mm_vma_pages(mm, start, perm);
		start = line.end;
	}
	if (!rc && start < end)
		rc = -EFAULT;
	mm_close_maps(maps.fd);
	return rc;
}

/* By VMA, at least as exact as the kernel lets us. */
static int mm_check_vmas(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint32_t perm)
{
	int fd = mm_open_maps(mm);
	int rc;

	if (fd < 0) /* no descriptor left, or no /proc: the pages will tell */
		return mm->self && !mm_populate(start, end, perm) ? 0 : -EFAULT;
	rc = mm_check_query(mm, fd, start, end, perm);
	mm_close_maps(fd);
	return rc == -ENOTTY ? mm_check_text(mm, start, end, perm) : rc;
}

/*
 * A file has every page before its end, or can make it: so only the last one is asked
 * for.  It says the same for all that can be wrong.
 */
static int mm_check_file(const struct uiommu_mm *mm, uint64_t addr, uint64_t length, uint32_t perm)
{
	uint64_t page = (addr + length - 1) & ~(MM_PAGE - 1);

	if (!mm->map_length)
		return -EINVAL;
	if (!mm_populate(page, page + MM_PAGE, perm))
		return 0;
	return mm_populate_works() ? -EINVAL : 0;
}

/*
 * Nothing can be there.  Linux sees first that the pages which it would pin in one go end
 * where addresses end; with another process's memory it doesn't look.
 */
static int mm_check_beyond(const struct uiommu_mm *mm, uint64_t addr, uint64_t length)
{
	bool wraps = addr >= 0 - MM_PIN_MAX && addr + (length - 1) >= 0 - MM_PAGE;

	return mm->self && wraps ? -EOVERFLOW : -EFAULT;
}

/* Device memory of ours, which to the kernel may be like any other. */
static bool mm_has_mapping(const struct uiommu_mm *mm, uint64_t start, uint64_t end)
{
	const struct uiommu_host_ops *host = mm->ctx->host;

	return host && host->mapped && host->mapped(mm->ctx->opaque, start, end - start, NULL);
}

/* The pages of our own memory didn't come, and this was said. */
static __attribute__((noinline, cold)) int mm_check_absent(struct uiommu_mm *mm, uint64_t start,
							   uint64_t end, uint32_t perm, int why)
{
	int rc;

	switch (why) {
	case -ENOMEM:
	case -EFAULT:
		return -EFAULT;
	case -EINVAL:
		/* A right is missing, or there are no pages; or the kernel is too old. */
		rc = mm_check_vmas(mm, start, end, perm);
		return !rc && mm_populate_works() ? -EFAULT : rc;
	default:
		return mm_check_vmas(mm, start, end, perm);
	}
}

/* Neither a file nor few pages of our own. */
static __attribute__((noinline)) int mm_check_many(struct uiommu_mm *mm, uint64_t start,
						   uint64_t end, uint32_t perm)
{
	if (start == end)
		return 0;
	if (mm->self && !(perm & UIOMMU_EXEC) && mm_is_one_vma(start, end) &&
	    !mm_populate(start, start + MM_PAGE, perm))
		return 0;
	return mm_check_vmas(mm, start, end, perm);
}

/*
 * As good as a file: views are made of what was looked at; a dma-buf may have lost it since;
 * a BAR is no memory.
 */
static __attribute__((noinline)) int mm_check_object(struct uiommu_mm *mm, uint64_t addr,
						     uint64_t length, uint32_t perm)
{
	return mm->view || mm->dmabuf || mm->io ? 0 : mm_check_file(mm, addr, length, perm);
}

int mm_check(struct uiommu_mm *mm, uint64_t addr, uint64_t length, uint32_t perm)
{
	uint64_t start = addr & ~(MM_PAGE - 1);
	uint64_t end;
	int rc;

	if (mm->file)
		return mm_check_object(mm, addr, length, perm);
	if (addr >= MM_ADDR_MAX || length > MM_ADDR_MAX)
		return mm_check_beyond(mm, addr, length);
	end = (addr + length + MM_PAGE - 1) & ~(MM_PAGE - 1);
	if (mm->self && mm_has_mapping(mm, start, end))
		return -EFAULT;
	/* Of none as well, which wraps. */
	if (!mm->self || perm & UIOMMU_EXEC || end - start - 1 >= MM_POPULATE_MAX)
		return mm_check_many(mm, start, end, perm);
	rc = mm_populate(start, end, perm);
	return rc ? mm_check_absent(mm, start, end, perm, rc) : 0;
}

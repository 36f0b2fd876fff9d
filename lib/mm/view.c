// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Views: see mm/view.h.
 *
 * A view's segments are in an array, in order, without overlap.  Writers change it in
 * place, between two changes of seq; a reader that meets an odd seq, or another one
 * afterwards, looks again (that is for pins of accesses; bursts are never inside
 * then).  An array that became too small is kept until the view goes, so a reader
 * never looks at memory that is gone.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "base/sys.h"
#include "mm/guard.h"
#include "mm/object.h"
#include "mm/view.h"

struct mm_segment {
	uint64_t start;
	uint64_t end;
	uint64_t at;
	struct mm_chunk *chunk;
};

/*
 *  base	immutable; with a reference
 *  seq		atomic; odd while seg is being changed
 *  seg, nr	writers, who are one at a time; read under seq
 *  max		writers
 *  change, promised	writers; which change room was made for last, for how many calls
 *  old		writers; arrays before this one, linked by their first word
 */
struct mm_view {
	struct uiommu_mm *base;
	uint64_t seq;
	struct mm_segment *seg;
	size_t nr;
	size_t max;
	uint64_t change;
	size_t promised;
	void *old;
};

/* ---- chunks ---- */

struct mm_chunk *mm_chunk_create(uint64_t start, uint64_t length)
{
	struct mm_chunk *chunk = ui_zalloc(sizeof(*chunk));

	if (chunk)
		*chunk = (struct mm_chunk){.start = start, .length = length, .refs = 1};
	return chunk;
}

void mm_chunk_put(struct mm_chunk *chunk)
{
	if (ui_fetch_sub(&chunk->refs, 1) != 1)
		return;
	ui_syscall3(SYS_munmap, (long)chunk->start, (long)chunk->length, 0);
	ui_free(chunk);
}

/* ---- life ---- */

struct uiommu_mm *mm_view_create(struct uiommu_mm *base)
{
	struct uiommu_mm *mm = ui_zalloc(sizeof(*mm));
	struct mm_view *view = ui_zalloc(sizeof(*view));

	if (!mm || !view) {
		ui_free(mm);
		ui_free(view);
		return NULL;
	}
	view->base = uiommu_mm_get(base); /* put by mm_view_free() */
	mm->ctx = base->ctx;
	mm->pid = base->pid;
	mm->file = true;
	mm->view = view;
	mm->refs = 1; /* the caller's */
	return mm;
}

void mm_view_free(struct mm_view *view)
{
	void *old, *next;

	for (size_t i = 0; i < view->nr; i++) {
		if (view->seg[i].chunk)
			mm_chunk_put(view->seg[i].chunk);
	}
	for (old = view->old; old; old = next) {
		next = *(void **)old;
		ui_free(old);
	}
	ui_free(view->seg);
	uiommu_mm_put(view->base);
	ui_free(view);
}

struct uiommu_mm *mm_view_base(const struct uiommu_mm *mm)
{
	return mm->view ? mm->view->base : NULL;
}

bool mm_is_here(const struct uiommu_mm *mm)
{
	return mm->view ? mm->view->base->self : mm->self;
}

/* ---- segments ---- */

/* The first that ends behind addr. */
static size_t mm_view_find(const struct mm_view *view, uint64_t addr)
{
	size_t lo = 0, hi = view->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (view->seg[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void mm_view_look(const struct mm_view *view, uint64_t addr, struct mm_segment *out)
{
	size_t i = mm_view_find(view, addr);

	*out = (struct mm_segment){.end = UINT64_MAX, .at = addr};
	if (i == view->nr)
		return;
	if (view->seg[i].start > addr) {
		out->end = view->seg[i].start;
		return;
	}
	*out = view->seg[i];
	out->at += addr - out->start;
}

uint64_t mm_view_run(const struct uiommu_mm *mm, uint64_t addr, uint64_t end, uint64_t *at,
		     bool *ours)
{
	const struct mm_view *view = mm->view;
	struct mm_segment seg;
	unsigned int tries = 0;
	uint64_t seq;

	if (!view) {
		*at = addr;
		*ours = mm->file;
		return end;
	}
	for (;;) {
		seq = ui_load_acquire(&view->seq);
		if (!(seq & 1)) {
			mm_view_look(view, addr, &seg);
			/* What was looked at came before this load. */
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			if (ui_load_relaxed(&view->seq) == seq)
				break;
		}
		ui_spin_pause(tries++);
	}
	*at = seg.at;
	*ours = seg.chunk || view->base->file;
	return seg.end < end ? seg.end : end;
}

int mm_view_reserve(struct uiommu_mm *mm, uint64_t change, size_t nr)
{
	struct mm_view *view = mm->view;
	size_t max = view->max ? view->max : 4;
	struct mm_segment *seg;
	size_t need;

	if (view->change != change)
		view->promised = 0;
	view->change = change;
	view->promised += nr;
	need = view->nr + 2 * view->promised; /* one that is cut in the middle becomes three */
	if (need <= view->max)
		return 0;
	while (max < need)
		max *= 2;
	seg = ui_zalloc(max * sizeof(*seg));
	if (!seg)
		return -ENOMEM;
	if (view->seg) {
		memcpy(seg, view->seg, view->nr * sizeof(*seg));
		ui_store_release(&view->seq, view->seq + 1);
		*(void **)view->seg = view->old;
		view->old = view->seg;
	} else {
		ui_store_release(&view->seq, view->seq + 1);
	}
	view->seg = seg;
	view->max = max;
	ui_store_release(&view->seq, view->seq + 1);
	return 0;
}

void mm_view_assign(struct uiommu_mm *mm, uint64_t start, uint64_t end, uint64_t at,
		    struct mm_chunk *chunk)
{
	struct mm_view *view = mm->view;
	size_t first = mm_view_find(view, start), past = first, nr = 0;
	struct mm_segment put[3];

	if (view->nr + 2 > view->max)
		return;
	while (past < view->nr && view->seg[past].start < end)
		past++;
	if (first < past && view->seg[first].start < start) {
		put[nr] = view->seg[first];
		put[nr++].end = start;
	}
	put[nr++] = (struct mm_segment){start, end, at, chunk};
	if (first < past && view->seg[past - 1].end > end) {
		put[nr] = view->seg[past - 1];
		put[nr].at += end - put[nr].start;
		put[nr++].start = end;
	}
	for (size_t i = 0; i < nr; i++) {
		if (put[i].chunk)
			ui_fetch_add(&put[i].chunk->refs, 1); /* put by whoever replaces it */
	}
	for (size_t i = first; i < past; i++) {
		if (view->seg[i].chunk)
			mm_chunk_put(view->seg[i].chunk);
	}
	ui_store_release(&view->seq, view->seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memmove(&view->seg[first + nr], &view->seg[past], (view->nr - past) * sizeof(*put));
	memcpy(&view->seg[first], put, nr * sizeof(*put));
	view->nr += first + nr - past;
	ui_store_release(&view->seq, view->seq + 1);
}

/* ---- copies ---- */

/* Whatever the protection is; what is private is written to a copy if it must be. */
static size_t mm_forced_copy(void *buf, uint64_t addr, size_t length, bool write)
{
	long fd = ui_syscall6(SYS_openat, AT_FDCWD, (long)"/proc/self/mem",
			      (write ? O_RDWR : O_RDONLY) | O_CLOEXEC, 0, 0, 0);
	size_t done = 0;

	if (fd < 0)
		return 0;
	while (done < length) {
		long rc =
			ui_syscall6(write ? SYS_pwrite64 : SYS_pread64, fd, (long)buf + (long)done,
				    (long)(length - done), (long)(addr + done), 0, 0);

		if (rc == -EINTR)
			continue;
		if (rc <= 0)
			break;
		done += (size_t)rc;
	}
	ui_syscall3(SYS_close, fd, 0, 0);
	return done;
}

static size_t mm_copy_at(const struct uiommu_mm *mm, void *buf, uint64_t addr, size_t length,
			 bool write)
{
	struct iovec local = {.iov_base = buf, .iov_len = length};
	struct iovec remote = {.iov_base = (void *)addr, .iov_len = length};
	size_t done = 0;
	long rc;

	if (ui_load_acquire(&mm_guard_on)) {
		done = length - (write ? mm_guard_copy((void *)addr, buf, length) :
					 mm_guard_copy(buf, (const void *)addr, length));
	} else {
		rc = ui_syscall6(write ? SYS_process_vm_writev : SYS_process_vm_readv,
				 mm->ctx->self_mm->pid, (long)&local, 1, (long)&remote, 1, 0);
		if (rc > 0)
			done = (size_t)rc;
	}
	if (done < length)
		done += mm_forced_copy((char *)buf + done, addr + done, length - done, write);
	return done;
}

size_t mm_view_copy(const struct uiommu_mm *mm, void *buf, uint64_t addr, size_t length, bool write)
{
	size_t done = 0;

	while (done < length) {
		uint64_t at, end;
		size_t part, got;
		bool ours;

		end = mm_view_run(mm, addr + done, addr + length, &at, &ours);
		part = end - (addr + done);
		if (ours || mm->view->base->self)
			got = mm_copy_at(mm, (char *)buf + done, at, part, write);
		else if (write)
			got = uiommu_mm_write(mm->view->base, at, (char *)buf + done, part);
		else
			got = uiommu_mm_read(mm->view->base, (char *)buf + done, at, part);
		done += got;
		if (got < part)
			break;
	}
	return done;
}

/* ---- what is mapped ---- */

/*
 *  pos, len	what of buf is not used up yet
 *  name	of the last line, cut
 */
struct mm_vmas {
	long fd;
	size_t pos;
	size_t len;
	char name[MM_VMA_NAME];
	char buf[4096];
};

static int mm_vmas_getc(struct mm_vmas *vmas)
{
	long rc;

	if (vmas->pos == vmas->len) {
		do {
			rc = ui_syscall3(SYS_read, vmas->fd, (long)vmas->buf, sizeof(vmas->buf));
		} while (rc == -EINTR);
		if (rc <= 0)
			return -1;
		vmas->pos = 0;
		vmas->len = (size_t)rc;
	}
	return (unsigned char)vmas->buf[vmas->pos++];
}

/* A number, and past the character that ends it. */
static uint64_t mm_vmas_number(struct mm_vmas *vmas, unsigned int base)
{
	uint64_t value = 0;
	int c;

	for (;;) {
		c = mm_vmas_getc(vmas);
		if (c >= '0' && c <= '9')
			value = value * base + (uint64_t)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			value = value * base + (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (c == '\n')
		vmas->pos--;
	return value;
}

/* "start-end rwxp offset major:minor inode name" */
static bool mm_vmas_line(struct mm_vmas *vmas, struct mm_vma *vma)
{
	size_t n = 0;
	int c;

	vma->start = mm_vmas_number(vmas, 16);
	vma->end = mm_vmas_number(vmas, 16);
	mm_vmas_getc(vmas);
	vma->writable = mm_vmas_getc(vmas) == 'w';
	mm_vmas_getc(vmas);
	vma->shared = mm_vmas_getc(vmas) == 's';
	mm_vmas_getc(vmas);
	vma->offset = mm_vmas_number(vmas, 16);
	vma->dev = mm_vmas_number(vmas, 16) << 32;
	vma->dev |= mm_vmas_number(vmas, 16);
	vma->ino = mm_vmas_number(vmas, 10);
	for (c = mm_vmas_getc(vmas); c >= 0 && c != '\n'; c = mm_vmas_getc(vmas)) {
		if ((n || c != ' ') && n < sizeof(vmas->name) - 1)
			vmas->name[n++] = (char)c;
	}
	vmas->name[n] = '\0';
	vma->name = vmas->name;
	return c == '\n';
}

int mm_each_vma(void (*fn)(void *opaque, const struct mm_vma *vma), void *opaque)
{
	return mm_each_vma_of("/proc/self/maps", fn, opaque);
}

int mm_each_vma_of(const char *maps, void (*fn)(void *opaque, const struct mm_vma *vma),
		   void *opaque)
{
	struct mm_vmas vmas = {.pos = 0, .len = 0};
	struct mm_vma vma;

	vmas.fd = ui_syscall6(SYS_openat, AT_FDCWD, (long)maps, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (vmas.fd < 0)
		return (int)vmas.fd;
	while (mm_vmas_line(&vmas, &vma))
		fn(opaque, &vma);
	ui_syscall3(SYS_close, vmas.fd, 0, 0);
	return 0;
}

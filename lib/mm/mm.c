// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The memory of a process.
 *
 * A struct uiommu_mm is a name for an address space plus a reference count; it
 * holds nothing of it.  The own one exists once per instance, from mm_init() to
 * mm_exit().  Others are made by each uiommu_mm_of() and know their process by
 * its number: when that has exited, copies are short, and who knows of it says so
 * (uiommu_mm_gone()) before the number is somebody else's.
 *
 * Own memory is copied by guarded code while the host said that its handler
 * helps (guard.c), otherwise, as that of others, by the kernel.  Both count
 * the bytes before the first that could not be copied; the kernel's count ends at
 * a page boundary, which is where memory ends too.
 */
#include <sys/uio.h>
#include <unistd.h>

#include "mm/charge.h"
#include "mm/inline.h"
#include "mm/guard.h"
#include "mm/mm.h"
#include "mm/object.h"
#include "mm/view.h"
#include "base/sys.h"

/* The kernel cuts a transfer at 2 GiB less a page. */
#define MM_VM_CHUNK ((size_t)1 << 30)

static struct uiommu_mm *mm_alloc(struct uiommu *ctx, pid_t pid, bool self)
{
	struct uiommu_mm *mm = ui_zalloc(sizeof(*mm));

	if (!mm)
		return NULL;
	mm->ctx = ctx;
	mm->pid = pid;
	mm->self = self;
	mm->refs = 1; /* put by mm_exit(), or by the caller of uiommu_mm_of() */
	return mm;
}

int mm_init(struct uiommu *ctx)
{
	pid_t pid = (pid_t)ui_syscall3(SYS_getpid, 0, 0, 0);
	int rc = mm_charges_init(ctx);

	if (rc)
		return rc;
	ctx->self_mm = mm_alloc(ctx, pid, true);
	if (!ctx->self_mm)
		mm_charges_exit(ctx);
	return ctx->self_mm ? 0 : -ENOMEM;
}

void mm_exit(struct uiommu *ctx)
{
	if (ctx->self_mm)
		uiommu_mm_put(ctx->self_mm);
	ctx->self_mm = NULL;
	mm_charges_exit(ctx);
}

UIOMMU_API struct uiommu_mm *uiommu_mm_self(struct uiommu *ctx)
{
	return uiommu_mm_get(ctx->self_mm);
}

UIOMMU_API struct uiommu_mm *uiommu_mm_of(struct uiommu *ctx, pid_t pid)
{
	struct iovec local, remote;
	struct uiommu_mm *mm;
	long rc;
	char byte;

	if (pid == ctx->self_mm->pid)
		return uiommu_mm_self(ctx);
	if (pid <= 0)
		return UIOMMU_ERR_PTR(-ESRCH);

	/* Nothing is at address 0: the right to look is judged before that. */
	local = (struct iovec){.iov_base = &byte, .iov_len = 1};
	remote = (struct iovec){.iov_base = NULL, .iov_len = 1};
	rc = ui_syscall6(SYS_process_vm_readv, pid, (long)&local, 1, (long)&remote, 1, 0);
	if (rc < 0 && rc != -EFAULT)
		return UIOMMU_ERR_PTR(rc);
	mm = mm_alloc(ctx, pid, false);
	return mm ? mm : UIOMMU_ERR_PTR(-ENOMEM);
}

UIOMMU_API struct uiommu_mm *uiommu_mm_get(struct uiommu_mm *mm)
{
	ui_fetch_add(&mm->refs, 1);
	return mm;
}

UIOMMU_API void uiommu_mm_put(struct uiommu_mm *mm)
{
	if (ui_fetch_sub(&mm->refs, 1) != 1)
		return;
	if (mm->view)
		mm_view_free(mm->view);
	else if (mm->file && !mm->io)
		mm_file_free(mm);
	mm_charge_free(mm);
	ui_free(mm);
}

UIOMMU_API void uiommu_mm_gone(struct uiommu_mm *mm)
{
	if (mm->self)
		return;
	ui_store_release(&mm->gone, 1u);
	mm_accounts_gone(mm);
}

pid_t mm_pid(const struct uiommu_mm *mm)
{
	return mm->self || mm->pid == mm->ctx->self_mm->pid ? 0 : mm->pid;
}

bool mm_same(const struct uiommu_mm *a, const struct uiommu_mm *b)
{
	return a == b || (!a->file && !a->view && !b->file && !b->view && a->pid == b->pid);
}

bool mm_alive(const struct uiommu_mm *mm)
{
	return !mm_pid(mm) || ui_syscall3(SYS_kill, mm->pid, 0, 0) != -ESRCH;
}

/* nr: SYS_process_vm_readv or its twin.  Bytes transferred.  Not for the usual path. */
static __attribute__((noinline, cold)) size_t mm_vm_copy(struct uiommu_mm *mm, long nr, void *buf,
							 uint64_t addr, size_t length)
{
	size_t done = 0;

	if (mm->io)
		return 0;
	while (done < length && !ui_load_acquire(&mm->gone)) {
		size_t chunk = length - done < MM_VM_CHUNK ? length - done : MM_VM_CHUNK;
		struct iovec local = {.iov_base = (char *)buf + done, .iov_len = chunk};
		struct iovec remote = {.iov_base = (void *)(addr + done), .iov_len = chunk};
		long rc = ui_syscall6(nr, mm->pid, (long)&local, 1, (long)&remote, 1, 0);

		if (rc == -EINTR)
			continue;
		if (rc <= 0)
			break;
		done += (size_t)rc;
	}
	return done;
}

size_t mm_read_other(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length)
{
	if (mm->view)
		return mm_view_copy(mm, dst, src, length, false);
	return mm_vm_copy(mm, SYS_process_vm_readv, dst, src, length);
}

size_t mm_write_other(struct uiommu_mm *mm, uint64_t dst, const void *src, size_t length)
{
	if (mm->view)
		return mm_view_copy(mm, (void *)(uintptr_t)src, dst, length, true);
	return mm_vm_copy(mm, SYS_process_vm_writev, (void *)(uintptr_t)src, dst, length);
}

size_t mm_copy(struct uiommu_mm *to, uint64_t dst, struct uiommu_mm *from, uint64_t src,
	       size_t length, void *bounce, uint32_t *failed)
{
	size_t got, put;

	*failed = 0;
	if (mm_guarded(to) && mm_guarded(from)) {
		put = length - mm_guard_copy((void *)dst, (const void *)src, length);
		/* A copy doesn't tell which side it was. */
		if (put < length)
			*failed = mm_guard_load1((const void *)(src + put)).fault ? UIOMMU_READ :
										    UIOMMU_WRITE;
		return put;
	}
	if (length > MM_BOUNCE)
		length = MM_BOUNCE;
	got = uiommu_mm_read(from, bounce, src, length);
	put = uiommu_mm_write(to, dst, bounce, got);
	if (put < got)
		*failed = UIOMMU_WRITE;
	else if (got < length)
		*failed = UIOMMU_READ;
	return put;
}

UIOMMU_API size_t uiommu_mm_read(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length)
{
	return mm_read(mm, dst, src, length);
}

UIOMMU_API size_t uiommu_mm_write(struct uiommu_mm *mm, uint64_t dst, const void *src,
				  size_t length)
{
	return mm_write(mm, dst, src, length);
}

static struct mm_guard_value mm_guard_load(const void *src, unsigned int size)
{
	switch (size) {
	case 1:
		return mm_guard_load1(src);
	case 2:
		return mm_guard_load2(src);
	case 4:
		return mm_guard_load4(src);
	default:
		return mm_guard_load8(src);
	}
}

static uint64_t mm_guard_store(void *dst, uint64_t value, unsigned int size)
{
	switch (size) {
	case 1:
		return mm_guard_store1(dst, value);
	case 2:
		return mm_guard_store2(dst, value);
	case 4:
		return mm_guard_store4(dst, value);
	default:
		return mm_guard_store8(dst, value);
	}
}

/* Where one access goes, which lies on one page; 0: not in this process. */
static uint64_t mm_view_at(const struct uiommu_mm *mm, uint64_t addr)
{
	uint64_t at;
	bool ours;

	if (!mm->view || !ui_load_acquire(&mm_guard_on))
		return 0;
	mm_view_run(mm, addr, addr + 1, &at, &ours);
	return ours || mm_is_here(mm) ? at : 0;
}

/*
 * Through the kernel a naturally aligned access is one move as well: its copy
 * routines move whole words that don't cross a page.
 */
int mm_load(struct uiommu_mm *mm, uint64_t addr, uint64_t *value, unsigned int size)
{
	uint64_t word = 0; /* little endian: the low bytes come first */
	uint64_t at;

	assert(size == 1 || size == 2 || size == 4 || size == 8);
	assert(addr % size == 0);

	if (mm_guarded(mm)) {
		struct mm_guard_value got = mm_guard_load((const void *)addr, size);

		if (got.fault)
			return -EFAULT;
		*value = got.value;
		return 0;
	}
	at = mm_view_at(mm, addr);
	if (at) {
		struct mm_guard_value got = mm_guard_load((const void *)at, size);

		if (!got.fault) {
			*value = got.value;
			return 0;
		}
	}
	if (uiommu_mm_read(mm, &word, addr, size) != size)
		return -EFAULT;
	*value = word;
	return 0;
}

int mm_store(struct uiommu_mm *mm, uint64_t addr, uint64_t value, unsigned int size)
{
	uint64_t at;

	assert(size == 1 || size == 2 || size == 4 || size == 8);
	assert(addr % size == 0);

	if (mm_guarded(mm))
		return mm_guard_store((void *)addr, value, size) ? -EFAULT : 0;
	at = mm_view_at(mm, addr);
	if (at && !mm_guard_store((void *)at, value, size))
		return 0;
	if (uiommu_mm_write(mm, addr, &value, size) != size)
		return -EFAULT;
	return 0;
}

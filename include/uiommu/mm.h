/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/mm.h - the memory of a process, own or another's
 *
 * Own memory is copied by guarded code: a SIGSEGV or SIGBUS inside becomes an
 * error of that copy.  That needs the process's handler to ask us; until the
 * host says that it does, copies go through process_vm_readv() and its twin,
 * which are slower but need nobody's help.
 */
#ifndef UIOMMU_MM_H
#define UIOMMU_MM_H

#include <sys/types.h>
#include <uiommu/uiommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * uiommu_mm_self() - the memory of this process
 *
 * Return: with a reference, put by uiommu_mm_put(). Can't fail.
 */
UIOMMU_API struct uiommu_mm *uiommu_mm_self(struct uiommu *ctx);

/**
 * uiommu_mm_of() - the memory of another process
 * @pid: we need the right to ptrace it
 *
 * Return: with a reference, as an ERR_PTR: -ESRCH, -EPERM, -ENOMEM.
 */
UIOMMU_API struct uiommu_mm *uiommu_mm_of(struct uiommu *ctx, pid_t pid);
UIOMMU_API struct uiommu_mm *uiommu_mm_get(struct uiommu_mm *mm);
UIOMMU_API void uiommu_mm_put(struct uiommu_mm *mm);

/**
 * uiommu_mm_read() - copy out of an mm
 *
 * Return: bytes copied; fewer than @length if the memory ends there.
 */
UIOMMU_API size_t uiommu_mm_read(struct uiommu_mm *mm, void *dst, uint64_t src, size_t length);
/** uiommu_mm_write() - copy into an mm; as uiommu_mm_read() */
UIOMMU_API size_t uiommu_mm_write(struct uiommu_mm *mm, uint64_t dst, const void *src,
				  size_t length);

/**
 * uiommu_guard_enable() - this process's handler calls uiommu_guard_fault()
 * @on: guarded copies may be used from now on
 *
 * Process-wide, as signal handlers are.
 */
UIOMMU_API void uiommu_guard_enable(bool on);

/**
 * uiommu_guard_fault() - was this fault inside a guarded copy?
 * @ucontext: third argument of an SA_SIGINFO handler of SIGSEGV or SIGBUS
 *
 * Async-signal-safe.  Return: true: the context was changed so that the copy
 * ends with an error; return from the handler.  False: not ours.
 */
UIOMMU_API bool uiommu_guard_fault(void *ucontext);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_MM_H */

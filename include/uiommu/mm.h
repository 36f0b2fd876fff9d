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
/**
 * uiommu_mm_gone() - the process of uiommu_mm_of() has ended, or runs another program
 *
 * Its number may be another's from now on: nothing is copied any more, but what is shared
 * memory of areas that a domain reaches.  Any thread may say so, more than once.
 */
UIOMMU_API void uiommu_mm_gone(struct uiommu_mm *mm);
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
 * uiommu_mm_areas() - how much memory DMA has
 *
 * Return: the address, good as long as the instance, of the number of areas that are
 * mapped in it.  While that is 0 no change need be told.
 */
UIOMMU_API const uint64_t *uiommu_mm_areas(struct uiommu *ctx);

/**
 * uiommu_limits_watch() - this process's host sees what changes its limits
 * @on: RLIMIT_MEMLOCK, the user and the capabilities of this process stay what they are
 *	until the host says so by another call of this
 *
 * Pages that a domain reaches are charged as Linux does it, within RLIMIT_MEMLOCK.
 * Without a host that watches, who is charged and how much may be is asked for each map.
 */
UIOMMU_API void uiommu_limits_watch(struct uiommu *ctx, bool on);

/**
 * struct uiommu_charges - what is pinned of a process
 * @pinned: pages, as VmPin in /proc/PID/status has them
 * @locked: those of them that are in VmLck
 */
struct uiommu_charges {
	uint64_t pinned;
	uint64_t locked;
};

/**
 * uiommu_charges_share() - count together with the instances of other processes
 * @fd: a file for nothing else, empty at first, open for reading and writing; it may be
 *	closed afterwards
 *
 * The limit of a user is then for all of them, and uiommu_charges_read() tells of each.
 * Before anything is mapped.
 *
 * Return: 0; -EBUSY: it's too late; -ENOMEM: it can't be mapped.
 */
UIOMMU_API int uiommu_charges_share(struct uiommu *ctx, int fd);

/**
 * uiommu_charges_read() - what instances that share @fd have pinned of a process
 * @fd: as of uiommu_charges_share()
 * @pid: any process
 * @out: all 0 if nothing is
 *
 * Needs no instance.
 *
 * Return: 0; -EBADF and the like; -ENOMEM: it can't be mapped.
 */
UIOMMU_API int uiommu_charges_read(int fd, pid_t pid, struct uiommu_charges *out);

/** enum uiommu_mm_how - what happens to memory of this process */
enum uiommu_mm_how {
	UIOMMU_MM_UNMAP = 1, /* the addresses will be something else: munmap(), MAP_FIXED */
	UIOMMU_MM_DROP,	     /* private pages will be new: MADV_DONTNEED */
	UIOMMU_MM_PROTECT,   /* rights may get fewer */
	UIOMMU_MM_MOVE,	     /* the pages will be at another address: mremap() */
	UIOMMU_MM_TRUNCATE,  /* pages of a file will be gone */
	UIOMMU_MM_PUNCH,     /* as well, but not what was copied from it */
};

/**
 * struct uiommu_mm_part - one thing that a change does
 * @how: what
 * @addr: where; of a file: the offset.  Whole pages
 * @length: how much
 * @dev: of a file, major << 32 | minor, as /proc/PID/maps has it
 * @ino: of a file
 * @to: for UIOMMU_MM_MOVE, filled before uiommu_mm_change_end()
 */
struct uiommu_mm_part {
	enum uiommu_mm_how how;
	uint64_t addr;
	uint64_t length;
	uint64_t dev;
	uint64_t ino;
	uint64_t to;
};

#define UIOMMU_MM_PARTS 3

/**
 * struct uiommu_mm_change - what a system call is about to do
 * @nr: parts that are used
 * @parts: in the order in which they happen
 * @state: the library's, between begin and end
 */
struct uiommu_mm_change {
	size_t nr;
	struct uiommu_mm_part parts[UIOMMU_MM_PARTS];
	void *state;
};

/**
 * uiommu_mm_change_begin() - this process is about to take memory away
 *
 * Whoever can see such calls of its process tells us before and after, so that what is
 * mapped for DMA stays what it was: pages are set aside, where DMA finds them, until the
 * last area that uses them is unmapped.  In between no DMA is under way; so the
 * time is to be short, and the thread must not use a device.
 *
 * Return: 1: uiommu_mm_change_end() must be called; 0: nothing of it is mapped, and
 * it must not; -ENOMEM: nothing was done, and the call must not be made.
 */
UIOMMU_API int uiommu_mm_change_begin(struct uiommu *ctx, struct uiommu_mm_change *change);
/**
 * uiommu_mm_change_end() - it was done, or has failed
 * @done: false: nothing happened, everything is as before
 */
UIOMMU_API void uiommu_mm_change_end(struct uiommu *ctx, struct uiommu_mm_change *change,
				     bool done);

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

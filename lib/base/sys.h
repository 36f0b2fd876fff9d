/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * base/sys.h - system calls that leave errno and libc alone
 *
 * The library lives in a process whose libc names may be ours: a call to open()
 * or madvise() from here would come back into the shim.  And errno belongs to
 * the client.  So the few calls that we need go straight to the kernel
 * and return what it returned.
 */
#ifndef UI_BASE_SYS_H
#define UI_BASE_SYS_H

#include <sys/syscall.h>

static inline long ui_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
}

static inline long ui_syscall3(long nr, long a, long b, long c)
{
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return rc;
}

#endif /* UI_BASE_SYS_H */

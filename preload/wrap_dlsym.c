/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dlsym() of libc's own handle: who asks libc for "ioctl" by name, as Python's ctypes does in
 * CDLL("libc.so.6"), means the one that everybody else calls.
 *
 * What RTLD_DEFAULT and RTLD_NEXT mean depends on the caller, so those are a jump to the real
 * one, without a frame of ours.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "shim.h"
#include "wrap.h"

#ifndef __x86_64__
#error "the jump is written for x86-64"
#endif

typedef void *(*dlsym_fn)(void *handle, const char *name);

/* Where libc is; found at the first need, by whoever is there first. */
static uintptr_t libc_start, libc_end;

dlsym_fn dlsym_real(void) __attribute__((used, visibility("hidden")));
void *wrap_dlsym(void *handle, const char *name) __attribute__((used, visibility("hidden")));

dlsym_fn dlsym_real(void)
{
	static dlsym_fn real;
	dlsym_fn found = __atomic_load_n(&real, __ATOMIC_ACQUIRE);
	void *sym;

	if (found)
		return found;
	/* It moved into libc with 2.34. */
	sym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
	if (!sym)
		sym = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
	memcpy(&found, &sym, sizeof(found));
	__atomic_store_n(&real, found, __ATOMIC_RELEASE);
	return found;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *inside)
{
	uintptr_t start = UINTPTR_MAX, end = 0, at = (uintptr_t)inside;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + phdr->p_vaddr;

		if (phdr->p_type != PT_LOAD)
			continue;
		start = from < start ? from : start;
		end = from + phdr->p_memsz > end ? from + phdr->p_memsz : end;
	}
	if (at < start || at >= end)
		return 0;
	__atomic_store_n(&libc_start, start, __ATOMIC_RELAXED);
	__atomic_store_n(&libc_end, end, __ATOMIC_RELEASE);
	return 1;
}

static bool in_libc(const void *sym)
{
	uintptr_t at = (uintptr_t)sym, end = __atomic_load_n(&libc_end, __ATOMIC_ACQUIRE);

	if (!end) {
		/* A name that nobody takes over. */
		dl_iterate_phdr(find_libc, dlvsym(RTLD_NEXT, "getpid", "GLIBC_2.2.5"));
		end = __atomic_load_n(&libc_end, __ATOMIC_ACQUIRE);
	}
	return at >= __atomic_load_n(&libc_start, __ATOMIC_RELAXED) && at < end;
}

extern const char shim_image_start[] __asm__("__ehdr_start") __attribute__((visibility("hidden")));
extern const char shim_image_end[] __asm__("_end") __attribute__((visibility("hidden")));

void *wrap_dlsym(void *handle, const char *name)
{
	dlsym_fn real = dlsym_real();
	void *sym = real(handle, name);
	const char *ours;

	if (!sym || !shim_run_dir() || !in_libc(sym))
		return sym;
	/* Found in any case: libc is among what is searched. */
	ours = real(RTLD_DEFAULT, name);
	if (ours < shim_image_start || ours >= shim_image_end || real(RTLD_NEXT, name) != sym)
		return sym;
	return (void *)(uintptr_t)ours;
}

__asm__(".text\n"
	".globl dlsym\n"
	".type dlsym, @function\n"
	"dlsym:\n"
	"	.cfi_startproc\n"
	"	leaq 1(%rdi), %rax\n" /* RTLD_NEXT and RTLD_DEFAULT are -1 and 0 */
	"	cmpq $1, %rax\n"
	"	ja wrap_dlsym\n"
	"	pushq %rdi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pushq %rsi\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call dlsym_real\n"
	"	addq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rsi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	popq %rdi\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	jmp *%rax\n"
	"	.cfi_endproc\n"
	".size dlsym, .-dlsym\n");

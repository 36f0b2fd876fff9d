/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/wrap.h - how a libc name is taken over
 *
 * Our function has a C name of its own, wrap_open, and libc's as its symbol, "open". So the
 * headers' attributes (nonnull, redirections to a 64 variant, fortified inlines)
 * don't apply to it.
 *
 * The wrap_*.c files are thin: they find out whether a call is ours, and pass it on.
 */
#ifndef SHIM_WRAP_H
#define SHIM_WRAP_H

#include "real.h"

/* The name, the return type, the parameters. */
#define SHIM_WRAP(ret, name, params)                                                               \
	ret wrap_##name params __asm__(#name) SHIM_EXPORT;                                         \
	ret wrap_##name params

/* Another name for the same. */
#define SHIM_ALIAS(name, target)                                                                   \
	__asm__(".globl " #name "\n.type " #name ", @function\n.set " #name ", " #target "\n")

/* Shared by the wrappers; all set errno as libc does. */
int wrap_do_openat(int dir, const char *path, int flags, mode_t mode);
int wrap_do_fstat(int fd, struct stat *st);
int wrap_do_fstatat(int dir, const char *path, struct stat *st, int flags);
/*
 * Remembers @fd, a folder, by its own name, to which no links lead: so ".." is its own parent.
 */
struct path;
void wrap_mark_folder(int fd, const struct path *path);
DIR *wrap_opendir(const char *name) __asm__("opendir");
struct dirent *wrap_readdir(DIR *dir) __asm__("readdir");
char *wrap_realpath(const char *name, char *buf) __asm__("realpath");
int wrap_chdir(const char *path) __asm__("chdir");
/* From the constructor, in a program that has devices. */
void wrap_exec_start(void);
int wrap_close_fd(int fd);
/* libc is about to close it. */
void wrap_forget_fd(int fd);
/* After libc has closed one: it may have been the last of a file. */
void wrap_reap(void);

#endif /* SHIM_WRAP_H */

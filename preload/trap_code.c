/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/trap_code.c - the bytes of the instruction that trapped
 *
 * They are where rip points, with one exception.  A debugger steps over its
 * breakpoint by taking it out and stepping; the instruction faults, and before our
 * handler runs the debugger has put the breakpoint back.  An int3 can't have
 * faulted on memory, so then the instruction is read from the file that its page was
 * mapped from.
 */
#include <fcntl.h>
#include <string.h>

#include "insn_alu.h"
#include "real.h"
#include "trap_mem.h"

#define INT3 0xcc
#define CODE_MAX 15

/* ---- lines of /proc/self/maps ---- */

/*
 *  from, to	the part of buf that was not looked at yet
 */
struct lines {
	int fd;
	size_t from, to;
	char buf[1024];
};

/* The next line, without its end; its tail is lost if it is very long.  NULL: no more. */
static const char *line_next(struct lines *l)
{
	char *end;
	long n;

	for (;;) {
		end = memchr(l->buf + l->from, '\n', l->to - l->from);
		if (end) {
			const char *line = l->buf + l->from;

			*end = '\0';
			l->from = (size_t)(end - l->buf) + 1;
			return line;
		}
		memmove(l->buf, l->buf + l->from, l->to - l->from);
		l->to -= l->from;
		l->from = 0;
		if (l->to == sizeof(l->buf))
			l->to = sizeof(l->buf) / 2;
		n = shim_syscall(SYS_read, l->fd, (long)(l->buf + l->to),
				 (long)(sizeof(l->buf) - l->to), 0, 0, 0);
		if (n <= 0)
			return NULL;
		l->to += (size_t)n;
	}
}

static uint64_t hex(const char **s)
{
	uint64_t v = 0;

	for (;; (*s)++) {
		if (**s >= '0' && **s <= '9')
			v = v << 4 | (uint64_t)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			v = v << 4 | (uint64_t)(**s - 'a' + 10);
		else
			return v;
	}
}

/* "start-end rights offset device inode path": if it has rip, path and file offset. */
static const char *line_covers(const char *s, uint64_t rip, uint64_t *offset)
{
	uint64_t start, end;

	start = hex(&s);
	s++;
	end = hex(&s);
	if (rip < start || rip >= end)
		return NULL;
	s = strchr(s + 1, ' ');
	if (!s)
		return NULL;
	s++;
	*offset = hex(&s) + (rip - start);
	return strchr(s, '/');
}

/* ---- the code ---- */

static size_t code_in_file(uint64_t rip, uint8_t *buf)
{
	struct lines l = {.from = 0, .to = 0};
	const char *line, *path = NULL;
	uint64_t offset = 0;
	long fd, n = -1;

	l.fd = (int)shim_syscall(SYS_openat, AT_FDCWD, (long)"/proc/self/maps",
				 O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (l.fd < 0)
		return 0;
	while (!path && (line = line_next(&l)))
		path = line_covers(line, rip, &offset);
	if (path) {
		fd = shim_syscall(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
		if (fd >= 0) {
			n = shim_syscall(SYS_pread64, fd, (long)buf, CODE_MAX, (long)offset, 0, 0);
			shim_syscall(SYS_close, fd, 0, 0, 0, 0, 0);
		}
	}
	shim_syscall(SYS_close, l.fd, 0, 0, 0, 0, 0);
	return n > 0 ? (size_t)n : 0;
}

static size_t code_in_memory(uint64_t rip, uint8_t *buf)
{
	size_t first = 4096 - (rip & 4095);

	if (first > CODE_MAX)
		first = CODE_MAX;
	if (shim_user_load(buf, (const void *)(uintptr_t)rip, first))
		return 0;
	if (first < CODE_MAX &&
	    shim_user_load(buf + first, (const void *)(uintptr_t)(rip + first), CODE_MAX - first))
		return first;
	return CODE_MAX;
}

size_t trap_code(uint64_t rip, uint8_t *buf)
{
	size_t n = code_in_memory(rip, buf), from_file;
	uint8_t file[CODE_MAX] = {0};

	if (!n || buf[0] != INT3)
		return n;
	from_file = code_in_file(rip, file);
	/* The next instructions may have breakpoints too; else a file that differs was changed. */
	for (size_t i = 0; i < n; i++)
		if (i >= from_file || (buf[i] != file[i] && buf[i] != INT3))
			return n;
	memcpy(buf, file, n);
	return n;
}

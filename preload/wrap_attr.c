/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Streams on files of the tree that are open for writing, and calls that copy into them.
 *
 * libc writes what a stream holds back by a call of its own, which doesn't come by us.
 * So on such a file every stream is made to hold back what it gets, until somebody flushes or
 * closes it, and that is ours.  What it holds is in members of FILE that libc's own headers
 * use in macros.
 */
#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "attr.h"
#include "shim.h"
#include "wrap.h"

/* Bits of _flags. */
#define FILE_ERROR 0x20
#define FILE_LINE_BUFFERED 0x200

static bool stdout_was_lines; /* changed by whoever redirects stdout */

static bool ours(FILE *file)
{
	return file && attr_is(fileno_unlocked(file));
}

int attr_flush(FILE *file)
{
	size_t n = (size_t)(file->_IO_write_ptr - file->_IO_write_base);
	const char *at = file->_IO_write_base;
	ssize_t rc = 0;

	while (n && (rc = attr_write(fileno_unlocked(file), at, n, -1)) > 0) {
		at += rc;
		n -= (size_t)rc;
	}
	file->_IO_write_ptr = file->_IO_write_base;
	if (rc < 0)
		file->_flags |= FILE_ERROR;
	return rc < 0 ? (int)rc : 0;
}

void attr_redirected(int fd)
{
	if (!stdout || fileno_unlocked(stdout) != fd)
		return;
	if (attr_is(fd) && (stdout->_flags & FILE_LINE_BUFFERED)) {
		stdout_was_lines = true;
		stdout->_flags &= ~FILE_LINE_BUFFERED;
		if (stdout->_IO_write_base)
			stdout->_IO_write_end = stdout->_IO_buf_end;
	} else if (!attr_is(fd) && stdout_was_lines) {
		stdout_was_lines = false;
		stdout->_flags |= FILE_LINE_BUFFERED;
		stdout->_IO_write_end = stdout->_IO_write_base;
	}
}

static int flush(FILE *file)
{
	int rc = attr_flush(file);

	if (rc)
		errno = -rc;
	return rc ? EOF : 0;
}

SHIM_WRAP(int, fflush, (FILE * file))
{
	int rc = 0;

	if (ours(file))
		return flush(file);
	/* All: libc's own flush mustn't find anything in ours. */
	if (!file && stdout && ours(stdout))
		rc = flush(stdout);
	return real_fflush(file) ? EOF : rc;
}

SHIM_WRAP(int, fflush_unlocked, (FILE * file))
{
	if (!ours(file))
		return real_fflush_unlocked(file);
	return flush(file);
}

/* Who wants to have it written at once gets that at the next flush. */
SHIM_WRAP(int, setvbuf, (FILE * file, char *buf, int mode, size_t size))
{
	if (ours(file) && mode != _IOFBF)
		return 0;
	return real_setvbuf(file, buf, mode, size);
}

SHIM_WRAP(void, setbuf, (FILE * file, char *buf))
{
	wrap_setvbuf(file, buf, buf ? _IOFBF : _IONBF, BUFSIZ);
}

SHIM_WRAP(void, setlinebuf, (FILE * file))
{
	wrap_setvbuf(file, NULL, _IOLBF, 0);
}

/* ---- copies: as sysfs has it, they must be done by write() ---- */

SHIM_WRAP(ssize_t, copy_file_range,
	  (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned int flags))
{
	if (attr_is(out))
		return shim_result(-EINVAL);
	return real_copy_file_range(in, from, out, to, n, flags);
}

SHIM_WRAP(ssize_t, sendfile, (int out, int in, off_t *from, size_t n))
{
	if (attr_is(out))
		return shim_result(-EINVAL);
	return real_sendfile(out, in, from, n);
}
SHIM_ALIAS(sendfile64, sendfile);

SHIM_WRAP(ssize_t, splice,
	  (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned int flags))
{
	if (attr_is(out))
		return shim_result(-EINVAL);
	return real_splice(in, from, out, to, n, flags);
}

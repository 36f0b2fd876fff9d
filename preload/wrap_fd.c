/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to descriptor numbers: close, dup and fcntl, and libc's functions that close
 * one without calling close().
 */
#include <limits.h>
#include <stdarg.h>
#include <unistd.h>

#include "attr.h"
#include "channel.h"
#include "fdtable.h"
#include "shim.h"
#include "wrap.h"

/* Also true of a folder and of the engine's own. */
static bool known(int fd)
{
	return shim_unlikely(fdtable_slot(fd)) && !shim_bypass();
}

SHIM_WRAP(int, close, (int fd))
{
	struct shim_entry entry;
	int rc;

	if (!known(fd))
		return real_close(fd);
	shim_enter(&entry);
	rc = fdtable_close(fd);
	shim_leave(&entry);
	return (int)shim_result(rc);
}

int wrap_close_fd(int fd)
{
	return wrap_close(fd);
}

SHIM_WRAP(int, close_range, (unsigned int first, unsigned int last, int flags))
{
	struct shim_entry entry;
	int rc;

	/* The engine's are close-on-exec already. */
	if (shim_bypass() || first > last || (flags & CLOSE_RANGE_CLOEXEC) ||
	    !__atomic_load_n(&fdtable_any, __ATOMIC_ACQUIRE))
		return real_close_range(first, last, flags);
	shim_enter(&entry);
	rc = fdtable_close_range(first, last, flags);
	shim_leave(&entry);
	return (int)shim_result(rc);
}

SHIM_WRAP(void, closefrom, (int first))
{
	int saved = errno;
	unsigned int from = first < 0 ? 0 : (unsigned int)first;
	int fd;

	if (wrap_close_range(from, UINT_MAX, 0)) {
		/* A kernel without close_range(): one by one. */
		int max = (int)sysconf(_SC_OPEN_MAX);

		for (fd = (int)from; fd < max; fd++)
			wrap_close(fd);
	}
	errno = saved;
}

SHIM_WRAP(int, dup, (int fd))
{
	struct shim_entry entry;
	int rc;

	if (!known(fd))
		return real_dup(fd);
	shim_enter(&entry);
	rc = fdtable_dup(fd, F_DUPFD, 0);
	shim_leave(&entry);
	return (int)shim_result(rc);
}

static int dup_to(int fd, int to, int flags)
{
	struct shim_entry entry;
	int rc;

	shim_enter(&entry);
	rc = fdtable_dup_to(fd, to, flags);
	shim_leave(&entry);
	if (rc >= 0)
		attr_redirected(to);
	return (int)shim_result(rc);
}

SHIM_WRAP(int, dup2, (int fd, int to))
{
	if (!known(fd) && !known(to))
		return real_dup2(fd, to);
	return dup_to(fd, to, -1);
}

SHIM_WRAP(int, dup3, (int fd, int to, int flags))
{
	if (fd == to || (flags & ~O_CLOEXEC) || (!known(fd) && !known(to)))
		return real_dup3(fd, to, flags);
	return dup_to(fd, to, flags);
}

static int fcntl_ours(int fd, int cmd, void *arg)
{
	struct shim_entry entry;
	struct shim_file *sf;
	int rc;

	if (fdtable_slot(fd) & FDTABLE_ENGINE)
		return (int)shim_result(-EBADF);
	if (cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC && cmd != F_GETFL)
		return real_fcntl(fd, cmd, arg);
	shim_enter(&entry);
	if (cmd == F_GETFL) {
		rc = (int)shim_errno(real_fcntl(fd, F_GETFL));
		sf = fdtable_get(fd);
		if (sf) {
			channel_describe(sf);
			if (rc >= 0)
				rc = (rc & ~O_ACCMODE) | sf->accmode;
			fdtable_put(sf);
		}
	} else {
		rc = fdtable_dup(fd, cmd, (int)(intptr_t)arg);
	}
	shim_leave(&entry);
	return (int)shim_result(rc);
}

SHIM_WRAP(int, fcntl, (int fd, int cmd, ...))
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!known(fd))
		return real_fcntl(fd, cmd, arg);
	return fcntl_ours(fd, cmd, arg);
}
SHIM_ALIAS(fcntl64, fcntl);

SHIM_ALIAS(__fcntl, fcntl);
SHIM_ALIAS(__dup2, dup2);
SHIM_ALIAS(__close, close);

/* ---- closed by libc itself ---- */

void wrap_forget_fd(int fd)
{
	struct shim_entry entry;

	if (!known(fd))
		return;
	shim_enter(&entry);
	fdtable_forget(fd);
	shim_leave(&entry);
}

void wrap_reap(void)
{
	struct shim_entry entry;

	if (shim_bypass())
		return;
	shim_enter(&entry);
	fdtable_reap();
	shim_leave(&entry);
}

SHIM_WRAP(int, fclose, (FILE * file))
{
	int fd = file ? fileno_unlocked(file) : -1;
	bool ours = fd >= 0 && known(fd);
	int rc, err;

	if (!ours)
		return real_fclose(file);
	err = attr_is(fd) ? attr_flush(file) : 0;
	wrap_forget_fd(fd);
	rc = real_fclose(file);
	wrap_reap();
	if (err)
		errno = -err;
	return err ? EOF : rc;
}

SHIM_WRAP(int, closedir, (DIR * dir))
{
	if (dir)
		wrap_forget_fd(dirfd(dir));
	return real_closedir(dir);
}

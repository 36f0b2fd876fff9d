/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioctl, read, write and their kin on descriptors of ours.  Each call holds a reference on
 * the open file, so another thread may close the descriptor meanwhile.
 */
#include <limits.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <uiommu/file.h>

#include "attr.h"
#include "channel.h"
#include "engine.h"
#include "fdtable.h"
#include "kvm.h"
#include "post.h"
#include "shim.h"
#include "watch.h"
#include "wrap.h"

long io_call(struct uiommu_file *file, struct uiommu_mm *mm, const struct shim_io *io)
{
	switch (io->op) {
	case IO_IOCTL:
		return uiommu_file_ioctl(file, mm, io->request, io->arg);
	case IO_READ:
		return uiommu_file_read(file, mm, io->arg, io->count);
	case IO_WRITE:
		return uiommu_file_write(file, mm, io->arg, io->count);
	case IO_PREAD:
		return uiommu_file_pread(file, mm, io->arg, io->count, io->offset);
	case IO_PWRITE:
		return uiommu_file_pwrite(file, mm, io->arg, io->count, io->offset);
	default:
		break;
	}
	return -EINVAL;
}

/* The kernel's checks, made before a driver is asked. */
static long io_check(const struct shim_file *sf, const struct shim_io *io)
{
	bool reads = io->op == IO_READ || io->op == IO_PREAD;
	bool writes = io->op == IO_WRITE || io->op == IO_PWRITE;

	if ((reads && sf->accmode == O_WRONLY) || (writes && sf->accmode == O_RDONLY))
		return -EBADF;
	if ((io->op == IO_PREAD || io->op == IO_PWRITE) && (int64_t)io->offset < 0)
		return -EINVAL;
	if ((reads || writes) && (ssize_t)io->count < 0)
		return -EINVAL;
	return 0;
}

static long io_run(int fd, struct shim_io *io)
{
	struct shim_entry entry;
	struct shim_file *sf;
	long rc = -EBADF; /* the engine's own, or closed meanwhile */

	shim_enter_call(&entry);
	sf = fdtable_get(fd);
	if (sf) {
		post_take();
		rc = sf->dead ? channel_describe(sf) : 0;
		if (!rc && io->op != IO_IOCTL)
			rc = io_check(sf, io);
		if (!rc)
			rc = sf->dead ? channel_call(sf, io, NULL) :
					io_call(sf->file, engine_mm(), io);
		fdtable_put(sf);
		fdtable_reap();
	}
	shim_leave_call(&entry);
	return shim_result(rc);
}

SHIM_WRAP(int, ioctl, (int fd, unsigned long request, ...))
{
	va_list ap;
	uint64_t arg;

	va_start(ap, request);
	arg = va_arg(ap, uint64_t);
	va_end(ap);
	if (fdtable_foreign(fd)) {
		if (shim_unlikely(kvm_concerns(request)) && kvm_ioctl(fd, (uint32_t)request, arg))
			return 0;
		return real_ioctl(fd, request, arg);
	}
	switch ((uint32_t)request) {
	case FIOCLEX:
	case FIONCLEX:
	case FIONBIO:
		/* Of the descriptor, not of the device. */
		return real_ioctl(fd, request, arg);
	}
	return (int)io_run(fd,
			   &(struct shim_io){IO_IOCTL, .request = (uint32_t)request, .arg = arg});
}

SHIM_WRAP(ssize_t, read, (int fd, void *buf, size_t n))
{
	if (fdtable_foreign(fd))
		return real_read(fd, buf, n);
	return io_run(fd, &(struct shim_io){IO_READ, .arg = (uintptr_t)buf, .count = n});
}

SHIM_WRAP(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t size))
{
	if (n > size || fdtable_foreign(fd))
		return real___read_chk(fd, buf, n, size);
	return io_run(fd, &(struct shim_io){IO_READ, .arg = (uintptr_t)buf, .count = n});
}

/* Into an eventfd, maybe, that the engine listens to. */
static void written(void)
{
	struct shim_entry entry;
	int saved = errno;

	shim_enter(&entry);
	watch_written();
	shim_leave(&entry);
	errno = saved;
}

SHIM_WRAP(ssize_t, write, (int fd, const void *buf, size_t n))
{
	ssize_t rc;

	if (fdtable_foreign(fd)) {
		if (attr_is(fd))
			return shim_result(attr_write(fd, buf, n, -1));
		rc = real_write(fd, buf, n);
		if (rc == sizeof(uint64_t) && watch_any())
			written();
		return rc;
	}
	return io_run(fd, &(struct shim_io){IO_WRITE, .arg = (uintptr_t)buf, .count = n});
}

SHIM_WRAP(ssize_t, pread, (int fd, void *buf, size_t n, off_t off))
{
	if (fdtable_foreign(fd))
		return real_pread(fd, buf, n, off);
	return io_run(fd, &(struct shim_io){IO_PREAD, .arg = (uintptr_t)buf, .count = n,
					    .offset = (uint64_t)off});
}
SHIM_ALIAS(pread64, pread);

SHIM_WRAP(ssize_t, __pread_chk, (int fd, void *buf, size_t n, off_t off, size_t size))
{
	if (n > size || fdtable_foreign(fd))
		return real___pread_chk(fd, buf, n, off, size);
	return io_run(fd, &(struct shim_io){IO_PREAD, .arg = (uintptr_t)buf, .count = n,
					    .offset = (uint64_t)off});
}
SHIM_ALIAS(__pread64_chk, __pread_chk);

SHIM_WRAP(ssize_t, pwrite, (int fd, const void *buf, size_t n, off_t off))
{
	if (fdtable_foreign(fd)) {
		if (attr_is(fd))
			return shim_result(off < 0 ? -EINVAL : attr_write(fd, buf, n, off));
		return real_pwrite(fd, buf, n, off);
	}
	return io_run(fd, &(struct shim_io){IO_PWRITE, .arg = (uintptr_t)buf, .count = n,
					    .offset = (uint64_t)off});
}
SHIM_ALIAS(pwrite64, pwrite);

/* Segment by segment, as the kernel does for a file that knows no vectors. */
static ssize_t io_vector(int fd, enum io_op op, const struct iovec *iov, int n, off_t off)
{
	ssize_t total = 0;
	int i;

	if (n < 0 || n > IOV_MAX)
		return shim_result(-EINVAL);
	for (i = 0; i < n; i++) {
		struct shim_io io = {op, .arg = (uintptr_t)iov[i].iov_base, .count = iov[i].iov_len,
				     .offset = (uint64_t)(off + total)};
		ssize_t rc = io_run(fd, &io);

		if (rc < 0)
			return total ? total : rc;
		total += rc;
		if ((size_t)rc < iov[i].iov_len)
			break;
	}
	return total;
}

SHIM_WRAP(ssize_t, readv, (int fd, const struct iovec *iov, int n))
{
	if (fdtable_foreign(fd))
		return real_readv(fd, iov, n);
	return io_vector(fd, IO_READ, iov, n, 0);
}

SHIM_WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int n))
{
	if (fdtable_foreign(fd)) {
		if (attr_is(fd))
			return shim_result(attr_writev(fd, iov, n, -1));
		return real_writev(fd, iov, n);
	}
	return io_vector(fd, IO_WRITE, iov, n, 0);
}

SHIM_WRAP(ssize_t, preadv, (int fd, const struct iovec *iov, int n, off_t off))
{
	if (fdtable_foreign(fd))
		return real_preadv(fd, iov, n, off);
	return io_vector(fd, IO_PREAD, iov, n, off);
}
SHIM_ALIAS(preadv64, preadv);

SHIM_WRAP(ssize_t, pwritev, (int fd, const struct iovec *iov, int n, off_t off))
{
	if (fdtable_foreign(fd)) {
		if (attr_is(fd))
			return shim_result(off < 0 ? -EINVAL : attr_writev(fd, iov, n, off));
		return real_pwritev(fd, iov, n, off);
	}
	return io_vector(fd, IO_PWRITE, iov, n, off);
}
SHIM_ALIAS(pwritev64, pwritev);

/* None of the flags means anything to a file that knows no vectors; -1 is where it is. */
static ssize_t io_vector2(int fd, enum io_op op, const struct iovec *iov, int n, off_t off,
			  int flags)
{
	if (flags & ~RWF_HIPRI)
		return shim_result(-EOPNOTSUPP);
	if (off == -1)
		op = op == IO_PREAD ? IO_READ : IO_WRITE;
	return io_vector(fd, op, iov, n, off == -1 ? 0 : off);
}

SHIM_WRAP(ssize_t, preadv2, (int fd, const struct iovec *iov, int n, off_t off, int flags))
{
	if (fdtable_foreign(fd))
		return real_preadv2(fd, iov, n, off, flags);
	return io_vector2(fd, IO_PREAD, iov, n, off, flags);
}
SHIM_ALIAS(preadv64v2, preadv2);

SHIM_WRAP(ssize_t, pwritev2, (int fd, const struct iovec *iov, int n, off_t off, int flags))
{
	if (fdtable_foreign(fd)) {
		if (attr_is(fd))
			return shim_result(off < -1 ? -EINVAL : attr_writev(fd, iov, n, off));
		return real_pwritev2(fd, iov, n, off, flags);
	}
	return io_vector2(fd, IO_PWRITE, iov, n, off, flags);
}
SHIM_ALIAS(pwritev64v2, pwritev2);

/* What old programs call. */
SHIM_ALIAS(__read, read);
SHIM_ALIAS(__write, write);
SHIM_ALIAS(__pread64, pread);
SHIM_ALIAS(__pwrite64, pwrite);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Our descriptors are ends of socket pairs, which a client can't be let know: to it they
 * aren't sockets.
 */
#include <sys/socket.h>

#include "fdtable.h"
#include "shim.h"
#include "wrap.h"

static bool ours(int fd)
{
	return !fdtable_foreign(fd);
}

static long no_socket(void)
{
	return shim_result(-ENOTSOCK);
}

SHIM_WRAP(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *len))
{
	return ours(fd) ? (int)no_socket() : real_getsockopt(fd, level, option, value, len);
}

SHIM_WRAP(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t len))
{
	return ours(fd) ? (int)no_socket() : real_setsockopt(fd, level, option, value, len);
}

SHIM_WRAP(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len))
{
	return ours(fd) ? (int)no_socket() : real_getsockname(fd, addr, len);
}

SHIM_WRAP(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len))
{
	return ours(fd) ? (int)no_socket() : real_getpeername(fd, addr, len);
}

SHIM_WRAP(int, shutdown, (int fd, int how))
{
	return ours(fd) ? (int)no_socket() : real_shutdown(fd, how);
}

SHIM_WRAP(ssize_t, send, (int fd, const void *buf, size_t n, int flags))
{
	return ours(fd) ? no_socket() : real_send(fd, buf, n, flags);
}
SHIM_ALIAS(__send, send);

SHIM_WRAP(ssize_t, sendto,
	  (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to, socklen_t len))
{
	return ours(fd) ? no_socket() : real_sendto(fd, buf, n, flags, to, len);
}

SHIM_WRAP(ssize_t, recv, (int fd, void *buf, size_t n, int flags))
{
	return ours(fd) ? no_socket() : real_recv(fd, buf, n, flags);
}
SHIM_ALIAS(__recv, recv);

SHIM_WRAP(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t size, int flags))
{
	return ours(fd) && n <= size ? no_socket() : real___recv_chk(fd, buf, n, size, flags);
}

SHIM_WRAP(ssize_t, recvfrom,
	  (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *len))
{
	return ours(fd) ? no_socket() : real_recvfrom(fd, buf, n, flags, from, len);
}

SHIM_WRAP(ssize_t, __recvfrom_chk,
	  (int fd, void *buf, size_t n, size_t size, int flags, struct sockaddr *from,
	   socklen_t *len))
{
	return ours(fd) && n <= size ? no_socket() :
				       real___recvfrom_chk(fd, buf, n, size, flags, from, len);
}

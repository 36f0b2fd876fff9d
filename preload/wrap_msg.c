/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors that leave and come over sockets.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"
#include "fdshare.h"
#include "serve.h"
#include "shim.h"
#include "wrap.h"

/* The next descriptor of SCM_RIGHTS from place @i on; -1: no more. */
static int next_fd(const struct cmsghdr *cmsg, size_t *i)
{
	size_t room = cmsg->cmsg_len < CMSG_LEN(0) ? 0 : cmsg->cmsg_len - CMSG_LEN(0);
	int fd;

	if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
	    (*i + 1) * sizeof(int) > room)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg) + *i * sizeof(int), sizeof(fd));
	++*i;
	return fd;
}

static void sending(const struct msghdr *msg)
{
	struct cmsghdr *cmsg;

	if (shim_likely(!msg || !msg->msg_control) || shim_bypass() || !engine_ctx())
		return;
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg;
	     cmsg = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, cmsg)) {
		size_t i = 0;
		int fd;

		while ((fd = next_fd(cmsg, &i)) >= 0) {
			if (!fdtable_foreign(fd))
				serve_share();
		}
	}
}

static bool has_descriptors(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	while (cmsg && (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS))
		cmsg = CMSG_NXTHDR(msg, cmsg);
	return cmsg;
}

static void received(struct msghdr *msg)
{
	struct shim_entry entry;
	struct cmsghdr *cmsg;

	if (shim_likely(!msg->msg_control || !msg->msg_controllen) || shim_bypass() ||
	    !shim_run_dir() || !has_descriptors(msg))
		return;
	shim_enter(&entry);
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t i = 0;
		int fd;

		while ((fd = next_fd(cmsg, &i)) >= 0)
			fdshare_adopt(fd);
	}
	shim_leave(&entry);
}

SHIM_WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags))
{
	sending(msg);
	return real_sendmsg(fd, msg, flags);
}

SHIM_WRAP(int, sendmmsg, (int fd, struct mmsghdr *msgs, unsigned int n, int flags))
{
	unsigned int i;

	for (i = 0; i < n; i++)
		sending(&msgs[i].msg_hdr);
	return real_sendmmsg(fd, msgs, n, flags);
}

SHIM_WRAP(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags))
{
	ssize_t n = real_recvmsg(fd, msg, flags);

	if (n >= 0)
		received(msg);
	return n;
}

SHIM_WRAP(int, recvmmsg,
	  (int fd, struct mmsghdr *msgs, unsigned int n, int flags, struct timespec *timeout))
{
	int got = real_recvmmsg(fd, msgs, n, flags, timeout);
	int i;

	for (i = 0; i < got; i++)
		received(&msgs[i].msg_hdr);
	return got;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The side of a process that has a descriptor, but not its engine: see channel.h.
 *
 * A channel is opened at the first use and closed with the file's last descriptor here.
 * One call at a time: call_lock is held from the question to the answer, with all
 * asynchronous signals blocked, as in any call into the shim.  The engine's death ends
 * the wait.
 *
 *  call_lock	outermost; inside it the table's lock is taken
 *  lines	call_lock; by which engines see that this process is still there
 */
#include "channel.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "fdshare.h"
#include "fdtable_object.h"
#include "shim.h"

/* An engine that doesn't answer a greeting in this time (ms) isn't listening. */
#define HELLO_TIMEOUT 10000

static pthread_mutex_t call_lock = PTHREAD_MUTEX_INITIALIZER;

#define LINES 8

struct line {
	pid_t engine;
	struct shim_file *held; /* closed by exec and exit, or when that engine is gone */
};

static struct line lines[LINES];

/* The process that made the socket pair is the engine's. */
static pid_t engine_pid(struct shim_file *sf)
{
	struct ucred cred = {.pid = 0};
	socklen_t len = sizeof(cred);

	fdtable_lock();
	if (sf->client_fd < 0 || getsockopt(sf->client_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		cred.pid = 0;
	fdtable_unlock();
	return cred.pid;
}

/* The next message, or -errno: -ENODEV if the engine is gone, -ETIME. */
static int next_message(struct shim_file *sf, struct channel_msg *msg, int *fd, int timeout)
{
	int rc;

	for (;;) {
		rc = fdshare_recv(sf->chan, msg, fd);
		if (rc != -EAGAIN && rc != -EINTR)
			return rc ? -ENODEV : 0;
		if (!fdshare_wait(sf->chan, timeout))
			return -ETIME;
	}
}

/* Tells @sf's engine when this process ends, if it hasn't been told how.  Under call_lock. */
static void open_line(struct shim_file *sf, pid_t engine)
{
	struct line *unused = NULL;

	for (struct line *line = lines; line < lines + LINES; line++) {
		if (line->held && fdshare_hung_up(line->held)) {
			fdtable_put(line->held);
			line->held = NULL;
		}
		if (!line->held)
			unused = line;
		else if (line->engine == engine)
			return;
	}
	/* Without one, its number is all that the engine has of this process. */
	if (!unused)
		return;
	unused->engine = engine;
	unused->held = fdshare_line(sf);
}

/* One attempt at a channel. */
static int greet(struct shim_file *sf)
{
	struct channel_msg msg;
	bool unplugged;
	int rc;
	int fd = -1;

	rc = fdshare_connect(sf, &unplugged);
	if (rc)
		rc = rc == -EPIPE || rc == -ECONNRESET ? -ENODEV : rc;
	else
		rc = next_message(sf, &msg, &fd, HELLO_TIMEOUT);
	if (unplugged)
		fdshare_replug(sf);
	if (fd >= 0)
		real_close(fd);
	if (!rc)
		rc = msg.type == CHANNEL_DESCRIBE ? (int)msg.rc : -EPROTO;
	if (rc) {
		fdshare_disconnect(sf);
		return rc;
	}
	if (!sf->known) {
		fdtable_lock();
		/* In place: another thread may be looking at it. */
		strcpy(sf->name, msg.name);
		sf->rdev = msg.rdev;
		sf->accmode = msg.accmode;
		__atomic_store_n(&sf->known, true, __ATOMIC_RELEASE);
		fdtable_unlock();
	}
	return 0;
}

/* Makes sure that there is a channel.  Under call_lock. */
static int open_channel(struct shim_file *sf)
{
	pid_t pid;
	int rc;

	if (sf->gone)
		return -ENODEV;
	if (sf->chan)
		return 0;
	rc = greet(sf);
	pid = engine_pid(sf);
	/* Yama lets a process be read by its ancestors only, unless it names another. */
	if (rc == -EPERM && pid > 0 && !prctl(PR_SET_PTRACER, (unsigned long)pid, 0, 0, 0))
		rc = greet(sf);
	switch (rc) {
	case 0:
		open_line(sf, pid);
		return 0;
	case -EPERM:
		log_line("%s: process %d isn't allowed to reach the memory of this one", sf->name,
			 (int)pid);
		break;
	case -ETIME:
		log_line("%s: process %d, which has the devices, doesn't answer", sf->name,
			 (int)pid);
		break;
	case -ENODEV:
		log_line("%s: process %d, which had the devices, is gone", sf->name, (int)pid);
		break;
	default:
		return rc;
	}
	sf->gone = true;
	return -ENODEV;
}

int channel_describe(struct shim_file *sf)
{
	int rc;

	if (!sf->dead || __atomic_load_n(&sf->known, __ATOMIC_ACQUIRE))
		return 0;
	pthread_mutex_lock(&call_lock);
	rc = open_channel(sf);
	pthread_mutex_unlock(&call_lock);
	return rc;
}

/* The engine made a descriptor for us. */
static int installed(struct shim_file *sf, const struct channel_msg *msg, int fd)
{
	struct channel_msg answer = {.magic = CHANNEL_MAGIC, .type = CHANNEL_INSTALLED, .rc = fd};

	if (fd < 0) {
		answer.rc = -EMFILE;
	} else {
		if (!(msg->flags & CHANNEL_CLOEXEC))
			real_fcntl(fd, F_SETFD, 0);
		fdshare_adopt_as(fd, msg);
	}
	return fdshare_send(sf->chan, &answer);
}

/* The engine says that it isn't readable any more, and has no end to take the byte from. */
static void drain(struct shim_file *sf)
{
	char byte;

	fdtable_lock();
	if (sf->client_fd >= 0)
		recv(sf->client_fd, &byte, 1, MSG_DONTWAIT);
	fdtable_unlock();
}

static long call(struct shim_file *sf, struct shim_io *io, const void *block)
{
	struct channel_msg msg = {.magic = CHANNEL_MAGIC, .type = CHANNEL_CALL, .io = *io};
	int fd = -1;
	int rc;

	if (block)
		memcpy(msg.name, block, CHANNEL_BLOCK);
	rc = fdshare_send(sf->chan, &msg);
	while (!rc) {
		rc = next_message(sf, &msg, &fd, -1);
		if (rc)
			break;
		switch (msg.type) {
		case CHANNEL_REPLY:
			if (msg.flags & CHANNEL_DRAIN)
				drain(sf);
			if (io->op == IO_LOAD)
				io->arg = msg.io.arg;
			return msg.rc;
		case CHANNEL_INSTALL:
			rc = installed(sf, &msg, fd);
			fd = -1;
			break;
		case CHANNEL_UNINSTALL:
			fdtable_close((int)msg.rc);
			break;
		}
		if (fd >= 0)
			real_close(fd);
	}
	fdshare_disconnect(sf);
	sf->gone = true;
	log_line("%s: the process that had the devices is gone", sf->name);
	return -ENODEV;
}

long channel_call(struct shim_file *sf, struct shim_io *io, const void *block)
{
	long rc;

	pthread_mutex_lock(&call_lock);
	rc = open_channel(sf);
	if (!rc)
		rc = call(sf, io, block);
	pthread_mutex_unlock(&call_lock);
	return rc;
}

void channel_fork_child(void)
{
	/* Who held it, if anybody, isn't here. */
	pthread_mutex_init(&call_lock, NULL);
	/* Closed with all that is the parent's. */
	memset(lines, 0, sizeof(lines));
}

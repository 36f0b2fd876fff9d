/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/channel.h - a file whose engine is in another process
 *
 * Whoever holds a descriptor holds a socket whose other end is the engine's.  Two
 * processes can't both wait for answers on it.  So a process first sends, over that
 * socket, one end of a pair of its own: its reply channel for this file.  On it go
 *
 *	HELLO		(over the shared socket, with the channel's end)
 *	DESCRIBE	what file it is, or why it can't be had: the first answer
 *	ALIVE		with an end of a pair, the line, that is open as long as the process is
 *			there and runs this program; once for all its channels
 *	CALL		an ioctl, a read, ...: the engine works on the caller's memory
 *	INSTALL		during a call: here is a descriptor; INSTALLED: its number
 *	UNINSTALL	during a call: close that number again
 *	REPLY		the call's result
 *
 * Descriptors that a call names are fetched by the engine (pidfd_getfd).
 */
#ifndef SHIM_CHANNEL_H
#define SHIM_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct shim_file;
struct uiommu_file;
struct uiommu_mm;

enum io_op {
	IO_IOCTL,
	IO_READ,
	IO_WRITE,
	IO_PREAD,
	IO_PWRITE,
	/* Of mappings, between processes only: */
	IO_MMAP, /* request: prot, arg: flags; a number is returned, for the others' request */
	IO_LOAD, /* count: 1, 2, 4 or 8; arg: the value, which comes with the answer */
	IO_STORE,
	IO_STORE_BLOCK, /* of 64 bytes, beside it */
	IO_MUNMAP,
};

struct shim_io {
	enum io_op op;
	unsigned long request;
	uint64_t arg; /* of an ioctl, or the buffer */
	size_t count;
	uint64_t offset;
};

/* The engine is in this process.  @mm: where the pointers point to. */
long io_call(struct uiommu_file *file, struct uiommu_mm *mm, const struct shim_io *io);

/* ---- the other process's side: channel.c ---- */

/* 0 or -errno: from then on the file's name, rdev and accmode are known. */
int channel_describe(struct shim_file *sf);
/* An IO_LOAD changes @io; @block: of an IO_STORE_BLOCK, else NULL. */
long channel_call(struct shim_file *sf, struct shim_io *io, const void *block);
void channel_fork_child(void);

/* ---- messages ---- */

#define CHANNEL_MAGIC 0x31435575u
#define CHANNEL_NAME 96
#define CHANNEL_BLOCK 64

enum channel_type {
	CHANNEL_HELLO,
	CHANNEL_DESCRIBE,
	CHANNEL_ALIVE,
	CHANNEL_CALL,
	CHANNEL_INSTALL,
	CHANNEL_INSTALLED,
	CHANNEL_UNINSTALL,
	CHANNEL_REPLY,
};

#define CHANNEL_CLOEXEC 1u /* INSTALL */
#define CHANNEL_DRAIN 2u   /* REPLY: take a byte out of the socket, it isn't readable any more */

/*
 *  rc		DESCRIBE, REPLY: 0 or more, or -errno; INSTALLED, UNINSTALL: the number
 *  io		CALL; its arg, REPLY
 *  rdev, accmode, name	DESCRIBE, INSTALL
 *  name	of an IO_STORE_BLOCK, CHANNEL_BLOCK bytes of data
 */
struct channel_msg {
	uint32_t magic;
	uint32_t type;
	uint32_t flags;
	int32_t accmode;
	int64_t rc;
	uint64_t rdev;
	struct shim_io io;
	char name[CHANNEL_NAME];
};

/*
 * By either side, never blocking: -EAGAIN.  @fd: a descriptor to go with it or -1;
 * received ones are close-on-exec, and -1 without.  -EPIPE: the other side is gone.
 */
int channel_send(int sock, const struct channel_msg *msg, int fd);
int channel_recv(int sock, struct channel_msg *msg, int *fd);

#endif /* SHIM_CHANNEL_H */

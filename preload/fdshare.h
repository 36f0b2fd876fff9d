/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/fdshare.h - descriptors that come from, or go to, other processes
 *
 * Between shim_enter() and shim_leave().
 */
#ifndef SHIM_FDSHARE_H
#define SHIM_FDSHARE_H

#include <stdbool.h>

#include "channel.h"
#include "fdtable.h"

/* @fd just came from somewhere else: if it's one of ours, or of another engine, it's known now. */
void fdshare_adopt(int fd);
/* The same, of which is known what file it is. */
void fdshare_adopt_as(int fd, const struct channel_msg *msg);
/* Adopts what was kept across exec. */
void fdshare_adopt_all(void);

/* Does the engine of this process have open files? */
bool fdshare_any(void);
/* Calls serve_watch() for each of them. */
void fdshare_watch_all(void);

/* A reference on what may be gone since; false: it is. */
bool fdtable_get_unless_zero(struct shim_file *sf);
/* The file whose client's end @fd is another copy of, with a reference; NULL. */
struct shim_file *fdshare_find(int fd);

/* ---- our own descriptors, hidden from the client: never blocking ---- */

int fdshare_send(struct shim_file *held, const struct channel_msg *msg);
int fdshare_recv(struct shim_file *held, struct channel_msg *msg, int *fd);
/* Waits until there is something to receive: 1; 0: @timeout (-1: none) is over. */
int fdshare_wait(struct shim_file *held, int timeout);
/* Has the other side closed it? */
bool fdshare_hung_up(struct shim_file *held);
/*
 * A pair for @sf's channel, one end sent over its shared socket.  @unplugged: that had to
 * be made writable for it; fdshare_replug() undoes that.
 */
int fdshare_connect(struct shim_file *sf, bool *unplugged);
/*
 * A line to @sf's engine, sent over its channel: open until this process ends or execs.
 * NULL: it couldn't be made.
 */
struct shim_file *fdshare_line(struct shim_file *sf);
/* @fd, which was received, is ours from now on; ERR_PTR. */
struct shim_file *fdshare_hold(int fd, const char *name);
void fdshare_replug(struct shim_file *sf);
void fdshare_disconnect(struct shim_file *sf);
/* What arrived at the engine's end of @sf: a held channel, or ERR_PTR. */
struct shim_file *fdshare_accept(struct shim_file *sf);
/*
 * A descriptor for @file sent to the other side of @held.  The file is returned, which
 * fdshare_installed() has to be told whether it arrived.
 */
struct shim_file *fdshare_install(struct uiommu_file *file, struct shim_file *held, bool cloexec);
void fdshare_installed(struct shim_file *sf, bool arrived);
/* Process @pid's descriptor @fd, held by us; ERR_PTR. */
struct shim_file *fdshare_fetch(pid_t pid, int fd, struct shim_file *channel);
/* Should a reader in another process take the byte out that said POLLIN? */
bool fdshare_drain(struct shim_file *sf);

#endif /* SHIM_FDSHARE_H */

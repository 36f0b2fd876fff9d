/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that change who this process is or how much memory it may lock, so that the engine
 * doesn't have to ask for each map: see uiommu_limits_watch().
 *
 * In Linux user and capabilities belong to a thread.  libc changes a user for all of them,
 * but nobody does so for capabilities: once a thread set its own, they are asked for.
 *
 *  apart	atomic, set once: threads may differ
 */
#include <uiommu/mm.h>

#include "engine.h"
#include "memlock.h"
#include "shim.h"
#include "wrap.h"

static bool apart;

bool memlock_watched(void)
{
	return !__atomic_load_n(&apart, __ATOMIC_RELAXED);
}

static void changed(bool one_thread)
{
	struct shim_entry entry;
	struct uiommu *ctx;

	/* A vfork() child changes itself alone. */
	if (shim_bypass())
		return;
	shim_enter(&entry);
	if (one_thread)
		__atomic_store_n(&apart, true, __ATOMIC_RELAXED);
	ctx = engine_ctx();
	if (ctx)
		uiommu_limits_watch(ctx, memlock_watched());
	shim_leave(&entry);
}

void memlock_changed_by_thread(void)
{
	changed(true);
}

/* @one_thread: it isn't for all of them */
#define WRAP_CHANGE(name, one_thread, params, args)                                                \
	SHIM_WRAP(int, name, params)                                                               \
	{                                                                                          \
		int rc = real_##name args;                                                         \
                                                                                                   \
		changed(one_thread);                                                               \
		return rc;                                                                         \
	}

WRAP_CHANGE(setuid, false, (uid_t uid), (uid))
WRAP_CHANGE(seteuid, false, (uid_t uid), (uid))
WRAP_CHANGE(setreuid, false, (uid_t real, uid_t effective), (real, effective))
WRAP_CHANGE(setresuid, false, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
WRAP_CHANGE(capset, true, (void *header, const void *data), (header, data))
WRAP_CHANGE(unshare, true, (int flags), (flags))
WRAP_CHANGE(setns, true, (int fd, int type), (fd, type))
WRAP_CHANGE(setrlimit, false, (int resource, const struct rlimit *limit), (resource, limit))
SHIM_ALIAS(setrlimit64, setrlimit);
WRAP_CHANGE(prlimit, false,
	    (pid_t pid, int resource, const struct rlimit *limit, struct rlimit *old),
	    (pid, resource, limit, old))
SHIM_ALIAS(prlimit64, prlimit);

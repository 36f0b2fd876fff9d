// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The environment of the program.
 *
 * Ours is added to what the user has set, never instead of it:
 *  LD_PRELOAD		the shim, in front: it must be asked before other wrappers
 *  UIOMMU_RUN		the folder with the tree and the manifest
 *  UIOMMU_LOG		where events go
 *  GLIBC_TUNABLES	free() keeps memory mapped that a device may still be
 *			writing to; it can't be seen from outside of libc
 *  VALGRIND_OPTS	registers are up to date at each memory access, or a
 *			trapped one is repeated for ever
 *  ASAN_OPTIONS	a library may come before its own, and SIGSEGV's handler
 *			may be another than its own
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Adds value to the list in name, behind (or before) what is there. */
static int add_to(const char *name, const char *value, char separator, bool in_front)
{
	const char *old = getenv(name);
	const char *first = in_front ? value : old;
	const char *second = in_front ? old : value;
	char *joined;
	int rc;

	if (!old || !*old)
		return setenv(name, value, 1);
	if (asprintf(&joined, "%s%c%s", first, separator, second) < 0)
		return -1;
	rc = setenv(name, joined, 1);
	free(joined);
	return rc;
}

int cli_environment(const char *preload, const char *run, const char *log)
{
	int rc = 0;

	rc |= add_to("LD_PRELOAD", preload, ':', true);
	rc |= setenv("UIOMMU_RUN", run, 1);
	rc |= log ? setenv("UIOMMU_LOG", log, 1) : unsetenv("UIOMMU_LOG");
	rc |= add_to("GLIBC_TUNABLES",
		     "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=0x7fffffffffffffff", ':',
		     false);
	/*
	 * Registers are right at a trap; and so is the address of what trapped.  Callgrind, cachegrind
	 * and massif have a default of their own for code of files.
	 */
	rc |= add_to("VALGRIND_OPTS",
		     "--vex-iropt-register-updates=allregs-at-mem-access "
		     "--px-file-backed=allregs-at-mem-access --vex-guest-chase=no",
		     ' ', false);
	rc |= add_to("ASAN_OPTIONS", "verify_asan_link_order=0:allow_user_segv_handler=1", ':',
		     false);
	return rc ? cli_error("no memory for the environment") : 0;
}

/*
 * Where it is relative to us: in the build tree, or installed.  Both are known
 * when we are built, so a moved installation works and nothing is searched.
 */
char *cli_preload_find(void)
{
	static const char *const places[] = {
		"/../preload/libuiommu-preload.so",
		"/" UIOMMU_BIN_TO_PKGLIB "/libuiommu-preload.so",
	};
	char self[PATH_MAX], *slash, *joined, *path;
	ssize_t length;
	size_t i;

	length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (length < 0) {
		cli_error("can't read /proc/self/exe: %s; is /proc mounted?", strerror(errno));
		return NULL;
	}
	self[length] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (asprintf(&joined, "%s%s", self, places[i]) < 0)
			break;
		path = realpath(joined, NULL);
		free(joined);
		if (!path)
			continue;
		/* The loader has no way to quote them. */
		if (strpbrk(path, ": ")) {
			cli_error("'%s' can't be preloaded: its name has a space or a colon; "
				  "install uiommu elsewhere",
				  path);
			free(path);
			return NULL;
		}
		return path;
	}
	cli_error("can't find libuiommu-preload.so near '%s'; is the installation complete?", self);
	return NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of `uiommu run --log FILE`: one line an event, each a single write() to a
 * file opened for appending, so that processes may share it.  It is opened for
 * each line: events are rare, and a descriptor kept would be one more to hide.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uiommu/iommu.h>

#include "shim.h"

static char log_path[PATH_MAX]; /* immutable after the constructor; "": none */

void log_init(const char *path)
{
	char cwd[PATH_MAX] = "";

	if (!path || !*path)
		return;
	if (path[0] != '/' && (!getcwd(cwd, sizeof(cwd) - 1) || !strcat(cwd, "/")))
		return;
	if ((size_t)snprintf(log_path, sizeof(log_path), "%s%s", cwd, path) >= sizeof(log_path))
		log_path[0] = '\0';
}

/* Beyond RLIMIT_FSIZE the client would be killed. */
static bool has_room(int fd, size_t length)
{
	struct rlimit limit;
	struct stat st;

	return getrlimit(RLIMIT_FSIZE, &limit) || real_fstat(fd, &st) ||
	       (uint64_t)st.st_size + length <= limit.rlim_cur;
}

void log_line(const char *fmt, ...)
{
	char line[400];
	struct shim_entry entry;
	va_list ap;
	int head;
	int fd;

	if (!log_path[0])
		return;
	shim_enter(&entry);
	head = snprintf(line, sizeof(line), "uiommu[%d]: ", (int)getpid());
	va_start(ap, fmt);
	vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	strcat(line, "\n");
	fd = real_open(log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd >= 0) {
		if (has_room(fd, strlen(line)) && real_write(fd, line, strlen(line)) < 0) {
			/* Nobody to tell. */
		}
		real_close(fd);
	}
	shim_leave(&entry);
}

void log_event(const struct uiommu_event *event)
{
	static const char *const what[] = {
		[UIOMMU_EVENT_DMA_FAULT] = "DMA fault",
		[UIOMMU_EVENT_DMA_MEMORY] = "DMA to memory that is gone",
		[UIOMMU_EVENT_PAGE_REQUEST] = "page request refused",
		[UIOMMU_EVENT_NOTE] = "note",
	};
	const char *device = event->device ? event->device : "-";
	char pasid[16] = "none";
	char perm[5];
	int n = 0;

	if (event->type == UIOMMU_EVENT_NOTE || event->type >= sizeof(what) / sizeof(what[0])) {
		log_line("%s", event->reason);
		return;
	}
	if (event->pasid != UIOMMU_NO_PASID)
		snprintf(pasid, sizeof(pasid), "%u", event->pasid);
	if (event->perm & UIOMMU_READ)
		perm[n++] = 'r';
	if (event->perm & UIOMMU_WRITE)
		perm[n++] = 'w';
	if (event->perm & UIOMMU_EXEC)
		perm[n++] = 'x';
	if (event->perm & UIOMMU_PRIV)
		perm[n++] = 'p';
	perm[n] = '\0';
	log_line("%s: device=%s pasid=%s iova=0x%llx perm=%s: %s", what[event->type], device, pasid,
		 (unsigned long long)event->iova, perm, event->reason);
}

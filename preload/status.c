/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /proc/PID/status of a process that has something pinned: VmPin and VmLck get what Linux
 * would have counted there.
 *
 * The engines of a run count in one file of its folder, whoever's pages they are
 * (uiommu_charges_share()), so nobody need be asked.  The client gets a copy of the text,
 * in memory, as of when it was opened.
 */
#include "status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uiommu/mm.h>

#include "engine.h"
#include "shim.h"

/* More than any status has. */
#define TEXT_MAX ((size_t)256 << 10)

/* After a number, or the word for it. */
static const char *skip_number(const char *p)
{
	size_t len = strspn(p, "0123456789");

	return len ? p + len : NULL;
}

bool status_path(const char *name)
{
	const char *p = name;

	if (strncmp(p, "/proc/", 6) != 0)
		return false;
	p += 6;
	if (!strncmp(p, "self/", 5))
		p += 4;
	else if (!strncmp(p, "thread-self/", 12))
		p += 11;
	else
		p = skip_number(p);
	if (p && !strncmp(p, "/task/", 6))
		p = skip_number(p + 6);
	return p && !strcmp(p, "/status");
}

bool status_path_at(int dir, const char *name)
{
	char path[64] = "";
	int saved = errno;
	char link[32];
	ssize_t n;

	if (dir < 0 || strcmp(name, "status") != 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	n = real_readlink(link, path, sizeof(path) - sizeof("/status"));
	errno = saved;
	if (n <= 0 || (size_t)n >= sizeof(path) - sizeof("/status"))
		return false;
	strcpy(path + n, "/status");
	return status_path(path);
}

/* The whole of it, ended by 0; NULL: not to be had.  Freed by the caller. */
static char *read_text(int fd, size_t *len)
{
	char *text = malloc(TEXT_MAX);
	ssize_t n;

	*len = 0;
	while (text && *len < TEXT_MAX - 1) {
		n = real_pread(fd, text + *len, TEXT_MAX - 1 - *len, (off_t)*len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (!n) {
			text[*len] = '\0';
			return text;
		}
		*len += (size_t)n;
	}
	free(text);
	return NULL;
}

/* Where the number of a line is; NULL: there is no such line. */
static char *find_line(char *text, const char *key)
{
	char *found = strstr(text, key);

	return found ? found + strlen(key) : NULL;
}

/* Our pages are added to a line's kB.  A number may get longer: *text_len goes with it. */
static void add_pages(char *text, size_t *text_len, const char *key, uint64_t pages)
{
	char *at = find_line(text, key), *end;
	char number[32];
	size_t len;

	if (!at || !pages)
		return;
	len = (size_t)snprintf(number, sizeof(number), "%8llu",
			       strtoull(at, &end, 10) + (unsigned long long)pages * 4);
	if (*text_len + len >= TEXT_MAX)
		return;
	memmove(at + len, end, *text_len - (size_t)(end - text) + 1);
	memcpy(at, number, len);
	*text_len += len - (size_t)(end - at);
}

static struct uiommu_charges charges_of(pid_t pid)
{
	struct uiommu_charges charges = {.pinned = 0};
	int fd = engine_charges(O_RDONLY);

	if (fd >= 0) {
		uiommu_charges_read(fd, pid, &charges);
		real_close(fd);
	}
	return charges;
}

/* A file that can't be written, for the client; -1. */
static int make_file(const char *text, size_t len, int flags)
{
	int fd = memfd_create("status", MFD_CLOEXEC), ro = -1;
	char link[32];

	if (fd < 0)
		return -1;
	if (real_write(fd, text, len) == (ssize_t)len) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ro = real_open(link, O_RDONLY | (flags & O_CLOEXEC));
	}
	real_close(fd);
	return ro;
}

static int status_with(int fd, int flags)
{
	struct uiommu_charges charges;
	int made = -1;
	char *text, *tgid;
	size_t len;

	text = read_text(fd, &len);
	tgid = text ? find_line(text, "\nTgid:") : NULL;
	if (tgid) {
		charges = charges_of((pid_t)strtol(tgid, NULL, 10));
		if (charges.pinned) {
			add_pages(text, &len, "\nVmLck:\t", charges.locked);
			add_pages(text, &len, "\nVmPin:\t", charges.pinned);
			made = make_file(text, len, flags);
		}
	}
	free(text);
	if (made < 0)
		return fd;
	real_close(fd);
	return made;
}

int status_opened(int fd, int flags)
{
	struct shim_entry entry;
	int rc = fd;

	if ((flags & (O_ACCMODE | O_PATH | O_DIRECTORY)) != O_RDONLY || shim_bypass())
		return fd;
	shim_enter(&entry);
	rc = status_with(fd, flags);
	shim_leave(&entry);
	return rc;
}

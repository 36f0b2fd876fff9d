// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The folder of a run, and what killed runs left.
 *
 * uiommu-UID-XXXXXX, mode 0700, in $TMPDIR; or, when that isn't set, in /dev/shm:
 * a run makes and removes a hundred small files, which costs more than all else
 * on a file system with a journal.  Whoever uses it holds a shared flock()
 * on the folder itself; whoever removes it holds an exclusive one.  So:
 *  - a run that is being set up can't be taken for a stale one: after it got
 *    its lock it looks whether the folder is still there, else makes another;
 *  - a SIGKILL frees the lock, and a later run of the same user removes it;
 *  - a process that the program left behind and that holds a shared lock keeps
 *    the folder, until a run after its end.
 * Removal opens each folder without following links, so what links point at
 * (entries of the host's /sys) is never touched.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/* Nobody else makes folders of our name and owner: more tries are a fault. */
#define MAKE_TRIES 8

static const char *tmp_name(void)
{
	const char *tmp = getenv("TMPDIR");
	struct statfs fs;

	if (tmp && *tmp)
		return tmp;
	if (!statfs("/dev/shm", &fs) && fs.f_type == TMPFS_MAGIC &&
	    !access("/dev/shm", W_OK | X_OK))
		return "/dev/shm";
	return "/tmp";
}

static bool still_there(const char *path, int fd)
{
	struct stat by_path, by_fd;

	return !lstat(path, &by_path) && !fstat(fd, &by_fd) && by_path.st_ino == by_fd.st_ino &&
	       by_path.st_dev == by_fd.st_dev;
}

/* 1: made and locked; 0: somebody removed it meanwhile; or -errno. */
static int make_once(struct cli_folder *folder, char *path)
{
	int rc;

	if (!mkdtemp(path))
		return -errno;
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (folder->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (flock(folder->fd, LOCK_SH | LOCK_NB)) {
		rc = errno == EWOULDBLOCK ? 0 : -errno;
		if (rc)
			rmdir(path);
		goto out_close;
	}
	if (still_there(path, folder->fd)) {
		folder->path = path;
		return 1;
	}
	rc = 0;
out_close:
	close(folder->fd);
	return rc;
}

int cli_folder_make(struct cli_folder *folder)
{
	char *tmp, *path;
	int i, rc = 0;

	tmp = realpath(tmp_name(), NULL);
	if (!tmp)
		return cli_error("can't use the temporary folder '%s': %s; "
				 "set TMPDIR to one that you can write to",
				 tmp_name(), strerror(errno));
	for (i = 0; i < MAKE_TRIES && !rc; i++) {
		if (asprintf(&path, "%s/uiommu-%u-XXXXXX", tmp, (unsigned int)geteuid()) < 0) {
			rc = -ENOMEM;
			break;
		}
		rc = make_once(folder, path);
		if (rc <= 0)
			free(path);
	}
	if (rc <= 0)
		cli_error("can't make a folder in '%s': %s; set TMPDIR to one that you can "
			  "write to",
			  tmp, strerror(rc ? -rc : EEXIST));
	free(tmp);
	return rc > 0 ? 0 : CLI_FAILED;
}

static void remove_in(int parent, const struct dirent *entry);

/* Empties the folder and closes fd. */
static void remove_contents(int fd)
{
	struct dirent *entry;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove_in(fd, entry);
	}
	closedir(dir);
}

static void remove_in(int parent, const struct dirent *entry)
{
	int fd;

	/* Where the file system doesn't tell the type, open does. */
	if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
		fd = openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			remove_contents(fd);
			unlinkat(parent, entry->d_name, AT_REMOVEDIR);
			return;
		}
	}
	unlinkat(parent, entry->d_name, 0);
}

/* The caller holds the exclusive lock through another descriptor. */
static void remove_tree(int fd)
{
	/* A descriptor of its own: closedir() takes it along. */
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (copy >= 0)
		remove_contents(copy);
}

void cli_folder_remove(struct cli_folder *folder)
{
	/* A helper of the program may be about to end: a moment for it. */
	const struct timespec pause = {.tv_nsec = 1000000};
	int i, rc = -1;

	for (i = 0; i < 50 && rc; i++) {
		rc = flock(folder->fd, LOCK_EX | LOCK_NB);
		if (rc)
			nanosleep(&pause, NULL);
	}
	if (!rc && still_there(folder->path, folder->fd)) {
		remove_tree(folder->fd);
		rmdir(folder->path);
	}
	close(folder->fd);
	free(folder->path);
}

static void clear_one(int tmp, const char *name)
{
	struct stat st;
	int fd;

	fd = openat(tmp, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB)) {
		remove_tree(fd);
		unlinkat(tmp, name, AT_REMOVEDIR);
	}
	close(fd);
}

void cli_folder_clear_stale(void)
{
	char prefix[32];
	struct dirent *entry;
	DIR *tmp = opendir(tmp_name());
	int length;

	if (!tmp)
		return;
	length = snprintf(prefix, sizeof(prefix), "uiommu-%u-", (unsigned int)geteuid());
	while ((entry = readdir(tmp))) {
		if (!strncmp(entry->d_name, prefix, length) &&
		    strlen(entry->d_name) == (size_t)length + strlen("XXXXXX"))
			clear_one(dirfd(tmp), entry->d_name);
	}
	closedir(tmp);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Can this program be run under the shim?
 *
 * The shim is a preloaded library, so the program must be loaded by the same
 * dynamic loader as we are, must call libc for its system calls, and must not
 * be one that the loader protects from its caller's environment (setuid).  A
 * program of which this doesn't hold would start, and see no device: that is
 * found here, from its ELF header, and said before anything starts.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli.h"

/* As the kernel follows "#!" lines. */
#define SCRIPT_DEPTH 5

#define PHDRS_MAX 64

/* The linker's name for our own ELF header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/*
 * What the program headers say.
 *  interp	the loader, "" without one
 *  needed	number of libraries it is linked with
 *  go		has a build ID note of the Go linker
 */
struct elf_facts {
	char interp[256];
	unsigned int needed;
	bool go;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Counts the DT_NEEDED entries; the table may be read in pieces. */
static unsigned int count_needed(int fd, const ElfW(Phdr) * phdr)
{
	ElfW(Dyn) dyn[64];
	unsigned int needed = 0;
	size_t i, count;
	off_t offset = phdr->p_offset;
	off_t end = phdr->p_offset + phdr->p_filesz;
	ssize_t got;

	while (offset < end && (got = pread(fd, dyn, sizeof(dyn), offset)) > 0) {
		count = (size_t)got / sizeof(dyn[0]);
		for (i = 0; i < count; i++) {
			if (dyn[i].d_tag == DT_NULL)
				return needed;
			if (dyn[i].d_tag == DT_NEEDED)
				needed++;
		}
		if (!count)
			break;
		offset += (off_t)(count * sizeof(dyn[0]));
	}
	return needed;
}

static bool has_go_note(int fd, const ElfW(Phdr) * phdr)
{
	char notes[1024];
	size_t length = phdr->p_filesz < sizeof(notes) ? phdr->p_filesz : sizeof(notes);
	ssize_t got = pread(fd, notes, length, (off_t)phdr->p_offset);

	/* The owner's name follows the note's header of three words. */
	return got > 0 && memmem(notes, (size_t)got, "Go\0\0", 4);
}

/* False: damaged. */
static bool read_facts(int fd, const ElfW(Ehdr) * ehdr, struct elf_facts *facts)
{
	ElfW(Phdr) phdr[PHDRS_MAX];
	size_t size, i;

	memset(facts, 0, sizeof(*facts));
	if (ehdr->e_phentsize != sizeof(phdr[0]) || ehdr->e_phnum > PHDRS_MAX)
		return false;
	size = ehdr->e_phnum * sizeof(phdr[0]);
	if (pread(fd, phdr, size, (off_t)ehdr->e_phoff) != (ssize_t)size)
		return false;
	for (i = 0; i < ehdr->e_phnum; i++) {
		switch (phdr[i].p_type) {
		case PT_INTERP:
			if (phdr[i].p_filesz >= sizeof(facts->interp) ||
			    pread(fd, facts->interp, phdr[i].p_filesz, (off_t)phdr[i].p_offset) !=
				    (ssize_t)phdr[i].p_filesz)
				return false;
			break;
		case PT_DYNAMIC:
			facts->needed = count_needed(fd, &phdr[i]);
			break;
		case PT_NOTE:
			facts->go |= has_go_note(fd, &phdr[i]);
			break;
		default:
			break;
		}
	}
	return true;
}

/* The loader of this very command. */
static const char *own_interp(void)
{
	const ElfW(Phdr) *phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	size_t i, count = getauxval(AT_PHNUM);
	uintptr_t bias = 0;

	for (i = 0; i < count; i++) {
		if (phdr[i].p_type == PT_PHDR)
			bias = (uintptr_t)phdr - phdr[i].p_vaddr;
	}
	for (i = 0; i < count; i++) {
		if (phdr[i].p_type == PT_INTERP)
			return (const char *)(bias + phdr[i].p_vaddr);
	}
	return NULL;
}

/* A program may be started by the loader: "ld-linux-x86-64.so.2 PROGRAM". */
static bool is_loader(int fd, const char *interp)
{
	struct stat file, loader;

	return interp && !fstat(fd, &file) && !stat(interp, &loader) &&
	       file.st_dev == loader.st_dev && file.st_ino == loader.st_ino;
}

static int check_elf(int fd, const char *path, const ElfW(Ehdr) * ehdr)
{
	const ElfW(Ehdr) *own = &__ehdr_start;
	const char *interp = own_interp();
	struct elf_facts facts;

	if (ehdr->e_ident[EI_CLASS] != own->e_ident[EI_CLASS] ||
	    ehdr->e_ident[EI_DATA] != own->e_ident[EI_DATA] || ehdr->e_machine != own->e_machine)
		return cli_error("'%s' is a program for another architecture; uiommu runs those of "
				 "its own (x86-64)",
				 path);
	if (!read_facts(fd, ehdr, &facts))
		return cli_error("'%s' is damaged: its program headers can't be read", path);
	if (facts.go && (!facts.interp[0] || !facts.needed))
		return cli_error("'%s' is a Go program without cgo: it makes its system calls "
				 "itself, where no library can answer them; build it with cgo",
				 path);
	if (!facts.interp[0] && is_loader(fd, interp))
		return 0;
	if (!facts.interp[0])
		return cli_error("'%s' is statically linked: no library can be loaded into it; "
				 "link it dynamically",
				 path);
	if (interp && strcmp(base_name(facts.interp), base_name(interp)))
		return cli_error("'%s' needs the loader '%s', uiommu was built for '%s'; build it "
				 "for this C library",
				 path, facts.interp, interp);
	return 0;
}

/*
 * Will the loader ignore the environment (AT_SECURE)?  For the owner of a setuid
 * program it wouldn't; but what runs for one user and silently not for another
 * is worse than what says so.
 */
static int check_privileges(int fd, const char *path, const struct stat *st)
{
	struct statvfs fs;
	bool gains;

	gains = (st->st_mode & S_ISUID) ||
		(st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
		(geteuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0);
	if (gains && !fstatvfs(fd, &fs) && (fs.f_flag & ST_NOSUID))
		gains = false;
	if (gains)
		return cli_error("'%s' is setuid, setgid or has capabilities: the loader preloads "
				 "nothing into it; run a copy without them",
				 path);
	return 0;
}

static int check_program(const char *path, int depth);

static char *search_path(const char *name, int *err);

/* What "env" is going to run: the first word that is neither an option nor a variable. */
static int check_env(char *words, int depth)
{
	char *word, *path, *rest = NULL;
	int err, status = 0;

	for (word = strtok_r(words, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
		if (*word != '-' && !strchr(word, '='))
			break;
	if (!word)
		return 0;
	path = strchr(word, '/') ? strdup(word) : search_path(word, &err);
	/* If there is none, env says so. */
	if (path)
		status = check_program(path, depth);
	free(path);
	return status;
}

/* "#! /usr/bin/env python3": the kernel runs the interpreter, and that one another. */
static int check_script(const char *path, char *line, int depth)
{
	char *interp, *end, *rest;
	int status;

	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	interp = line + 2 + strspn(line + 2, " \t");
	rest = interp + strcspn(interp, " \t");
	if (*rest)
		*rest++ = '\0';
	if (!*interp)
		return 0;
	if (access(interp, X_OK)) {
		cli_error("'%s' can't be executed: its interpreter '%s': %s", path, interp,
			  strerror(errno));
		return CLI_CANNOT_EXEC;
	}
	status = check_program(interp, depth + 1);
	if (!status && !strcmp(base_name(interp), "env"))
		status = check_env(rest, depth + 1);
	return status;
}

static int check_program(const char *path, int depth)
{
	union {
		ElfW(Ehdr) ehdr;
		char line[256];
	} head = {0};
	struct stat st;
	ssize_t got;
	int fd, status;

	/* Who may execute but not read it can't be told more: exec will say. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return 0;
	got = pread(fd, &head, sizeof(head) - 1, 0);
	if (got < 0 || fstat(fd, &st)) {
		status = 0;
		goto out_close;
	}
	if (got > 2 && !memcmp(head.line, "#!", 2)) {
		/* Set IDs of scripts mean nothing. */
		status = depth < SCRIPT_DEPTH ? check_script(path, head.line, depth) : 0;
		goto out_close;
	}
	status = check_privileges(fd, path, &st);
	/* Neither: a script without a first line, run by the shell. */
	if (!status && got > (ssize_t)sizeof(head.ehdr) &&
	    !memcmp(head.ehdr.e_ident, ELFMAG, SELFMAG))
		status = check_elf(fd, path, &head.ehdr);
out_close:
	close(fd);
	return status;
}

/* 0: executable; else an errno, ENOENT when there is nothing. */
static int look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno == ENOTDIR ? ENOENT : errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return eaccess(path, X_OK) ? errno : 0;
}

/* The first executable one in PATH; *err is what else was found. */
static char *search_path(const char *name, int *err)
{
	const char *path = getenv("PATH");
	const char *end;
	char *candidate;
	int rc;

	*err = ENOENT;
	if (!path)
		path = "/bin:/usr/bin";
	for (;; path = end + 1) {
		end = strchrnul(path, ':');
		/* An empty one is the current folder. */
		if (asprintf(&candidate, "%.*s%s%s", (int)(end - path), path,
			     end == path ? "./" : "/", name) < 0) {
			*err = ENOMEM;
			return NULL;
		}
		rc = look_at(candidate);
		if (!rc)
			return candidate;
		/* A folder of PATH that we may not look into has nothing for us. */
		if (rc != ENOENT && rc != EISDIR &&
		    !faccessat(AT_FDCWD, candidate, F_OK, AT_EACCESS))
			*err = rc;
		free(candidate);
		if (!*end)
			return NULL;
	}
}

char *cli_program_find(const char *name, int *status)
{
	char *path = NULL;
	int err;

	*status = 0;
	if (strchr(name, '/')) {
		err = look_at(name);
		if (!err)
			path = strdup(name);
	} else if (*name) {
		path = search_path(name, &err);
	} else {
		err = ENOENT;
	}
	if (!path) {
		*status = err == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXEC;
		if (err == ENOENT && !strchr(name, '/'))
			cli_error("no program '%s' in PATH", name);
		else
			cli_error("can't execute '%s': %s", name, strerror(err));
		return NULL;
	}
	*status = check_program(path, 0);
	if (*status) {
		free(path);
		return NULL;
	}
	return path;
}

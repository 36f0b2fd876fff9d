// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/manifest.c - reads what tree.c wrote (its format is described there)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vfio/vfio.h"

/* The whole file as a string; -errno as an ERR_PTR. */
static char *read_manifest(int dirfd)
{
	int fd = openat(dirfd, "manifest", O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;
	struct stat st;
	char *text;

	if (fd < 0)
		return UIOMMU_ERR_PTR(-errno);
	if (fstat(fd, &st) || st.st_size > 1 << 24) {
		close(fd);
		return UIOMMU_ERR_PTR(-EPROTO);
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		close(fd);
		return UIOMMU_ERR_PTR(-ENOMEM);
	}
	while (length < (size_t)st.st_size) {
		n = read(fd, text + length, (size_t)st.st_size - length);
		if (n <= 0)
			break;
		length += (size_t)n;
	}
	close(fd);
	text[length] = '\0';
	return text;
}

/* "ADDRESS port=ADDRESS|none group=N node=MAJOR:MINOR vfio=N major=N spec=SPEC" */
static int load_device(struct uiommu *ctx, const char *line, char *errbuf, size_t errlen)
{
	unsigned int group, group_major, group_minor, index, major;
	char address[16], port[16], *text;
	struct pci_spec spec;
	int used = 0, rc;

	if (sscanf(line, "%15s port=%15s group=%u node=%u:%u vfio=%u major=%u spec=%n", address,
		   port, &group, &group_major, &group_minor, &index, &major, &used) != 7 ||
	    !used)
		return -EPROTO;
	if (asprintf(&text, "%s@%s", line + used, address) < 0)
		return -ENOMEM;
	rc = pci_spec_parse(&spec, text, errbuf, errlen);
	free(text);
	if (rc)
		return rc;
	if (strcmp(port, "none")) {
		rc = pci_address_parse(port, &spec.port);
		spec.has_port = !rc;
	}
	vfio_set_next(ctx, index, major, makedev(group_major, group_minor));
	if (!rc)
		rc = pci_device_add_at(ctx, &spec, group, NULL, errbuf, errlen);
	pci_spec_fini(&spec);
	return rc;
}

/* "NAME NUMBERS" */
static int load_driver(struct uiommu *ctx, char *line)
{
	char *numbers = strchr(line, ' ');
	const struct pci_driver *driver;

	if (!numbers)
		return -EPROTO;
	*numbers++ = '\0';
	driver = pci_own_driver(ctx, line);
	return driver ? driver->restore(ctx, numbers) : -EPROTO;
}

/* "PATH MAJOR:MINOR"; @line is changed. */
static int parse_node(char *line, struct uiommu_tree_entry *entry)
{
	char *numbers = strrchr(line, ' ');
	unsigned int major_nr, minor_nr;

	if (!numbers || sscanf(numbers, " %u:%u", &major_nr, &minor_nr) != 2)
		return -EPROTO;
	*numbers = '\0';
	entry->rdev = makedev(major_nr, minor_nr);
	return 0;
}

/* A path's line: 0 with @entry, which points into @line; 1: not a path's. */
static int parse_entry(char *line, struct uiommu_tree_entry *entry)
{
	static const struct {
		const char *word;
		enum uiommu_tree_kind kind;
	} kinds[] = {
		{"node ", UIOMMU_TREE_NODE},
		{"merge ", UIOMMU_TREE_MERGE},
		{"dir ", UIOMMU_TREE_DIR},
	};
	unsigned int i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t skip = strlen(kinds[i].word);

		if (strncmp(line, kinds[i].word, skip))
			continue;
		*entry = (struct uiommu_tree_entry){.kind = kinds[i].kind, .path = line + skip};
		if (*entry->path != '/')
			return -EPROTO;
		return entry->kind == UIOMMU_TREE_NODE ? parse_node(line + skip, entry) : 0;
	}
	return 1;
}

static int load_lines(struct uiommu *ctx, char *text,
		      void (*visit)(void *opaque, const struct uiommu_tree_entry *entry),
		      void *opaque, char *errbuf, size_t errlen)
{
	struct uiommu_tree_entry entry;
	char *line, *next = text;
	int rc;

	line = strsep(&next, "\n");
	if (strcmp(line, "uiommu 1"))
		return -EPROTO;
	while ((line = strsep(&next, "\n"))) {
		if (!*line)
			continue;
		if (!strncmp(line, "device ", 7)) {
			rc = ctx ? load_device(ctx, line + 7, errbuf, errlen) : 0;
		} else if (!strncmp(line, "driver ", 7)) {
			rc = ctx ? load_driver(ctx, line + 7) : 0;
		} else if (!strcmp(line, "iommufd-test")) {
			rc = ctx ? uiommu_enable_iommufd_test(ctx) : 0;
		} else {
			rc = parse_entry(line, &entry);
			if (!rc && visit)
				visit(opaque, &entry);
		}
		if (rc)
			return rc > 0 ? -EPROTO : rc;
	}
	return 0;
}

int uiommu_tree_load(struct uiommu *ctx, int dirfd,
		     void (*visit)(void *opaque, const struct uiommu_tree_entry *entry),
		     void *opaque, char *errbuf, size_t errlen)
{
	int saved = errno, rc;
	char *text;

	if (errbuf && errlen)
		errbuf[0] = '\0';
	text = read_manifest(dirfd);
	if (UIOMMU_IS_ERR(text)) {
		rc = (int)UIOMMU_PTR_ERR(text);
		pci_error(errbuf, errlen, "the manifest of the devices can't be read: %s",
			  strerror(-rc));
	} else {
		rc = load_lines(ctx, text, visit, opaque, errbuf, errlen);
		if (rc == -EPROTO)
			pci_error(errbuf, errlen,
				  "the manifest of the devices is another version's: the "
				  "uiommu command and its libraries must be of one version");
		else if (rc && errbuf && errlen && !errbuf[0])
			pci_error(errbuf, errlen, "the devices can't be made: %s", strerror(-rc));
		free(text);
	}
	errno = saved;
	return rc;
}

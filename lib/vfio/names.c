// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * vfio/names.c - "0000:01:00.0 vf_token=UUID": the name of a device, and options
 *
 * The token is for virtual functions and for those that have some; ours are neither, so
 * whatever option is given is wrong.
 */
#include "vfio/names.h"

#include <errno.h>
#include <string.h>

#define PAGE 4096u

/* Up to the end of its page first: the next one is read only if the string goes on there. */
char *vfio_name_get(struct uiommu_mm *mm, uint64_t addr)
{
	size_t part = PAGE - addr % PAGE, done;
	char *name = ui_zalloc(PAGE + 1);

	if (!name)
		return UIOMMU_ERR_PTR(-ENOMEM);
	for (done = 0; done < PAGE; done += part, part = PAGE - done) {
		if (ui_copy_from_user(mm, name + done, addr + done, part)) {
			ui_free(name);
			return UIOMMU_ERR_PTR(-EFAULT);
		}
		if (memchr(name + done, '\0', part))
			return name;
	}
	ui_free(name);
	return UIOMMU_ERR_PTR(-EINVAL);
}

int vfio_name_match(const char *name, const char *text)
{
	size_t length = strlen(name);

	if (strncmp(text, name, length) || (text[length] && text[length] != ' '))
		return 0;
	text += length;
	return text[strspn(text, " ")] ? -EINVAL : 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake.h"

#include <errno.h>
#include <string.h>

static void note(struct fake *fake, bool write, uint64_t offset, uint64_t value, unsigned int size)
{
	unsigned int n = ui_fetch_add(&fake->count, 1);

	if (n < FAKE_LOG)
		fake->log[n] = (struct fake_access){write, size, offset, value};
}

static bool good(struct fake *fake, uint64_t offset, unsigned int size)
{
	if (fake->hook)
		fake->hook(fake);
	/* What the library promises its mappings. */
	if (offset % size || offset + size > FAKE_SIZE || (size & (size - 1)) || size > 8)
		abort();
	return !fake->fail;
}

static int fake_read(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
		     unsigned int size)
{
	struct fake *fake = ui_container_of(mapping, struct fake, mapping);

	if (!good(fake, offset, size))
		return -EIO;
	*value = 0;
	memcpy(value, fake->bytes + offset, size);
	note(fake, false, offset, *value, size);
	errno = ENOTTY; /* a device may do that */
	return 0;
}

static int fake_write(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
		      unsigned int size)
{
	struct fake *fake = ui_container_of(mapping, struct fake, mapping);

	if (!good(fake, offset, size))
		return -EIO;
	memcpy(fake->bytes + offset, &value, size);
	note(fake, true, offset, value, size);
	errno = ENOTTY;
	return 0;
}

static int fake_write_block(struct uiommu_mapping *mapping, uint64_t offset, const void *data)
{
	struct fake *fake = ui_container_of(mapping, struct fake, mapping);
	uint64_t first;

	if (offset % 64)
		abort();
	if (fake->fail)
		return -EIO;
	memcpy(fake->bytes + offset, data, 64);
	memcpy(&first, data, 8);
	note(fake, true, offset, first, 64);
	return 0;
}

static int fake_enqueue(struct uiommu_mapping *mapping, uint64_t offset, const void *data)
{
	struct fake *fake = ui_container_of(mapping, struct fake, mapping);

	return fake->enqueue_rc ? fake->enqueue_rc : fake_write_block(mapping, offset, data);
}

static void fake_release(struct uiommu_mapping *mapping)
{
	struct fake *fake = ui_container_of(mapping, struct fake, mapping);

	ui_fetch_add(&fake->released, 1);
}

static const struct ui_mapping_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.write_block = fake_write_block,
	.enqueue = fake_enqueue,
	.release = fake_release,
};

void fake_init(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->mapping.ops = &fake_ops;
	fake->mapping.refs = 1;
}

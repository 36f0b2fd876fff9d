/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mapping backed by an array, that writes down each access.
 */
#ifndef TEST_FAKE_H
#define TEST_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

#define FAKE_SIZE 8192
#define FAKE_LOG 4096

struct fake_access {
	bool write;
	unsigned int size;
	uint64_t offset;
	uint64_t value;
};

/*
 *  count	atomic; those beyond the log's end are only counted
 *  fail	accesses answer -EIO
 *  enqueue_rc	the answer to enqcmd; what it brought is stored if that is 0
 *  hook	called before each access
 */
struct fake {
	struct uiommu_mapping mapping;
	uint8_t bytes[FAKE_SIZE];
	struct fake_access log[FAKE_LOG];
	unsigned int count;
	bool fail;
	int enqueue_rc;
	int released;
	void (*hook)(struct fake *fake);
};

void fake_init(struct fake *fake);

#endif /* TEST_FAKE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An address space as one would write it without a thought for speed: what the
 * real one is compared with.
 */
#ifndef TEST_IOPT_MODEL_H
#define TEST_IOPT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_MAX 4096

struct model_area {
	uint64_t start;
	uint64_t last;
	uint64_t uaddr;
	uint32_t perm;
	bool writable;
};

struct model {
	struct model_area area[MODEL_MAX]; /* sorted */
	size_t nr;
	struct {
		uint64_t start;
		uint64_t last;
		const void *owner;
	} reserved[64];
	size_t nr_reserved;
	struct {
		const void *owner;
		uint64_t alignment;
	} domain[8];
	size_t nr_domains;
	struct {
		uint64_t start;
		uint64_t last;
	} allowed[8]; /* sorted */
	size_t nr_allowed;
	bool small_pages;
};

uint64_t model_alignment(const struct model *m);
int model_map(struct model *m, uint64_t uaddr, uint64_t length, uint32_t perm, bool fixed,
	      uint64_t *iova);
/* The area that holds iova ends there from now on. */
int model_cut(struct model *m, uint64_t iova);
/* As many areas as the source has there; rights as iopt_map_slices() takes them. */
int model_copy(struct model *m, uint64_t src, uint64_t length, uint32_t perm, bool fixed,
	       uint64_t *iova);
/* nr ranges of so many bytes from start on, each as far from the next. */
int model_set_allowed(struct model *m, uint64_t start, uint64_t length, size_t nr);
int model_disable_large_pages(struct model *m);
int model_unmap(struct model *m, uint64_t iova, uint64_t length, uint64_t *unmapped);
const struct model_area *model_find(const struct model *m, uint64_t iova);
int model_reserve(struct model *m, uint64_t start, uint64_t last, const void *owner);
void model_unreserve(struct model *m, const void *owner);
int model_add_domain(struct model *m, const void *owner, uint64_t start, uint64_t last,
		     uint64_t alignment);
void model_remove_domain(struct model *m, const void *owner);

#endif /* TEST_IOPT_MODEL_H */

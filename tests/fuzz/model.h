/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz/model.h - what IOASes must be, in the simplest way
 *
 * An array of extents in order of IOVA, searched from its beginning.  The model says
 * what a call must return before it is made, and changes when it was.  What it takes from
 * the real thing are numbers that other checks count: domains, accesses, locks.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"

#define MODEL_IOAS 64
#define MODEL_EXTENTS 128
#define MODEL_RESERVED 64
#define MODEL_MARKS 4096

/* What is known of memory. */
enum memory {
	MEMORY_GOOD,	/* of a buffer, with the rights that the map asked for */
	MEMORY_BAD,	/* surely not */
	MEMORY_UNKNOWN, /* not ours to say */
};

struct extent {
	uint64_t start;
	uint64_t last;
	uint64_t va; /* of a file: its place in the buffer that shows it, if it is good */
	uint32_t perm;
	bool writable;
	bool file;
	enum memory memory;
};

struct range {
	uint64_t start;
	uint64_t last;
};

struct model_ioas {
	uint32_t id;
	struct iopt *iopt;
	struct extent extents[MODEL_EXTENTS];
	size_t nr;
	struct range reserved[MODEL_RESERVED];
	size_t nr_reserved;
	struct range allowed[2];
	size_t nr_allowed;
};

/* What is dirty: whole pages of the hwpt's, whether they are still mapped or not. */
struct mark {
	const struct iommufd_hwpt *hwpt;
	struct range range;
};

struct model {
	struct model_ioas *ioas[MODEL_IOAS];
	size_t nr;
	struct mark marks[MODEL_MARKS];
	size_t nr_marks;
	bool lost_marks; /* there were too many: dirty bits are not compared any more */
};

extern struct model model;

/*
 * What a call must return.  loose: the memory is not ours to say, so -EFAULT, -EINVAL or
 * -ENOMEM are as good.
 */
struct expect {
	int rc;
	bool loose;
};

void model_reset(void);
struct model_ioas *model_find(uint32_t id);
void model_add(uint32_t id, struct iopt *iopt);
void model_del(uint32_t id);

/* What is the memory at va?  A file's is looked at by model_file_memory(). */
enum memory model_memory(uint64_t va, uint64_t length, bool writable);

/*
 * The lowest place for a map that doesn't say: aligned, with that offset in its page, and in
 * an allowed range.  False: there is none.
 */
bool model_place(const struct model_ioas *ioas, uint64_t length, uint64_t alignment,
		 uint64_t offset, uint64_t *iova);
/* The current obstacles: what tests reserved, and apertures of domains. */
size_t model_reserved(const struct model_ioas *ioas, struct range *out, size_t max);
uint64_t model_alignment(const struct model_ioas *ioas);
/* Domains that live on it. */
size_t model_domains(const struct model_ioas *ioas);

/* Pieces that are to be mapped one after the other; present: not to be looked at. */
struct piece {
	uint64_t va;
	uint64_t length;
	bool writable;
	bool file;
	bool present;
	enum memory memory;
};

struct expect model_map(const struct model_ioas *ioas, const struct piece *pieces, size_t nr,
			uint32_t perm, bool fixed, uint64_t *iova);
void model_map_done(struct model_ioas *ioas, const struct piece *pieces, size_t nr, uint32_t perm,
		    uint64_t iova);
/* The parts of extents in [iova, iova + length). */
int model_slices(const struct model_ioas *ioas, uint64_t iova, uint64_t length,
		 struct piece *pieces, size_t *nr);

/* Takes what goes out of the model. */
int model_unmap(struct model_ioas *ioas, uint64_t start, uint64_t last, uint64_t *unmapped);
/* The extent with an IOVA; NULL: none. */
const struct extent *model_at(const struct model_ioas *ioas, uint64_t iova);
/* Extents become two there; by VFIO's first type. */
int model_cut(struct model_ioas *ioas, uint64_t iova);

int model_allow(const struct model_ioas *ioas, const struct range *ranges, uint64_t nr,
		struct range *out);
int model_reserve(const struct model_ioas *ioas, uint64_t start, uint64_t last);

/* ---- dirty bits ---- */

void model_mark(const struct iommufd_hwpt *hwpt, uint64_t iova, uint64_t length);
void model_unmark(const struct iommufd_hwpt *hwpt, uint64_t start, uint64_t last);
/* It is gone. */
void model_del_hwpt(const struct iommufd_hwpt *hwpt);

#endif /* FUZZ_MODEL_H */

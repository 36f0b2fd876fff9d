/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * idxd/conf.h - how an accelerator is configured: what its attributes in /sys say
 *
 * conf.c	what may be enabled, and what is left when it's disabled
 * attr.c	the attributes: what they show, and what may be stored to them
 *
 * It is one piece of plain memory, so it can be kept in the run's folder (store.c) for all
 * processes of the run; each of them brings its own accelerator in line when a queue is
 * opened (hw.c).  Whoever has one has it for itself: there are no locks here.
 */
#ifndef UI_IDXD_CONF_H
#define UI_IDXD_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDXD_MAX_WQS 8u
#define IDXD_MAX_GROUPS 8u
#define IDXD_MAX_ENGINES 8u
#define IDXD_NAME_SIZE 1024u
#define IDXD_DRIVER_SIZE 128u
/* Room for what an attribute shows. */
#define IDXD_TEXT (IDXD_NAME_SIZE + 32)

/* What the capability registers say. */
struct idxd_caps {
	uint32_t version;
	uint64_t gencap;
	uint64_t wqcap;
	uint64_t grpcap;
	uint64_t engcap;
	uint64_t opcap[4];
	uint64_t offsets;
};

enum idxd_type {
	IDXD_TYPE_NONE,
	IDXD_TYPE_KERNEL,
	IDXD_TYPE_USER,
};

/*
 *  enables	how often it was enabled: since the last time it is the same queue
 *  group	-1: in none
 *  retries	of a full shared queue, by write()
 *  ops		the operations that may be asked for
 */
struct idxd_wq_conf {
	bool enabled;
	bool dedicated;
	bool block_on_fault;
	bool ats_disable;
	bool prs_disable;
	enum idxd_type type;
	unsigned int enables;
	int group;
	unsigned int size;
	unsigned int priority;
	unsigned int threshold;
	unsigned int max_batch;
	unsigned int retries;
	uint64_t max_xfer;
	uint64_t ops[4];
	char name[IDXD_NAME_SIZE + 1];
	char driver_name[IDXD_DRIVER_SIZE + 1];
};

/*
 * The read buffers have no meaning here; a driver sees that they can be set.
 *  queue_bits, engine_bits	of the group as the device was enabled, which is what counts
 */
struct idxd_group_conf {
	unsigned int buffers_reserved;
	unsigned int buffers_allowed;
	bool limited;
	uint32_t queue_bits;
	uint32_t engine_bits;
};

/*
 *  number, major, minor	dsaN; of its nodes, the first one's
 *  safe			portals and batches are for everybody
 *  generation			another one whenever anything has changed
 *  cmd_status			what became of the last command, as the driver reports it
 *  engines			the group of each; -1: in none
 */
struct idxd_conf {
	unsigned int number;
	unsigned int major;
	unsigned int minor;
	bool safe;
	struct idxd_caps caps;

	uint64_t generation;
	bool enabled;
	uint32_t cmd_status;
	unsigned int buffer_limit;
	struct idxd_wq_conf queues[IDXD_MAX_WQS];
	struct idxd_group_conf groups[IDXD_MAX_GROUPS];
	int engines[IDXD_MAX_ENGINES];
};

/* How many there are of each. */
unsigned int idxd_conf_queues(const struct idxd_conf *conf);
unsigned int idxd_conf_groups(const struct idxd_conf *conf);
unsigned int idxd_conf_engines(const struct idxd_conf *conf);

/* The numbers and caps are there: all is as after a reset. */
void idxd_conf_clear(struct idxd_conf *conf);
/*
 * Of a device whose queues nobody has configured: "shared+dedicated", all of one name, in group
 * 0 with all engines, and enabled; "none": as after a reset.  0; -EINVAL: another text.
 */
int idxd_conf_start(struct idxd_conf *conf, const char *queues, const char *name);
/* Is it one of those texts? */
bool idxd_queues_valid(const char *queues);

/*
 * What binding to a driver does: 0; -ENXIO, -ENODEV, -EBUSY, -EOPNOTSUPP as Linux's drivers, and
 * cmd_status says why.
 */
int idxd_conf_enable(struct idxd_conf *conf);
/* Its queues are disabled, too; nothing is configured any more. */
void idxd_conf_disable(struct idxd_conf *conf);
int idxd_wq_enable(struct idxd_conf *conf, unsigned int i);
/* What the device takes for kernel queues, which aren't done here. */
int idxd_wq_enable_kernel(struct idxd_conf *conf, unsigned int i);
void idxd_wq_disable(struct idxd_conf *conf, unsigned int i);

/* ---- attr.c ---- */

enum idxd_kind {
	IDXD_KIND_DEVICE,
	IDXD_KIND_GROUP,
	IDXD_KIND_ENGINE,
	IDXD_KIND_WQ,
};

/*
 * An attribute of each object of @kind.
 * @show: what it says of the @i-th, in IDXD_TEXT bytes with a 0; the length
 * @store: @text, with a 0 behind it; 0 or -errno as Linux.  NULL: it's for reading only.
 * @visible: has this device such?  NULL: all have
 */
struct idxd_attr {
	enum idxd_kind kind;
	const char *name;
	int (*show)(const struct idxd_conf *conf, unsigned int i, char *buf);
	int (*store)(struct idxd_conf *conf, unsigned int i, const char *text);
	bool (*visible)(const struct idxd_conf *conf);
};

/* All; one without a name is behind the last. */
extern const struct idxd_attr idxd_attrs[];

/* 256 bits, as the kernel prints them; the length. */
#define IDXD_BITS_TEXT 80
int idxd_show_bits(const uint64_t bits[4], char *buf);

/* How many objects of that kind there are. */
unsigned int idxd_conf_count(const struct idxd_conf *conf, enum idxd_kind kind);
/* To the attribute @name; -ENOENT: there is no such, -EIO: it's for reading only. */
int idxd_attr_store(struct idxd_conf *conf, enum idxd_kind kind, unsigned int i, const char *name,
		    const char *text);

#endif /* UI_IDXD_CONF_H */

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/conf.c - what may be enabled, and what is left when it's disabled
 *
 * All is in struct idxd_conf, which is the caller's.  The device's own checks of a command are
 * made here too, in its order and with its codes: whoever binds a queue may be a process that
 * has no accelerator, and what it found to be right is then enabled wherever one is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "idxd/conf.h"
#include "idxd/regs.h"

/* What a queue is that nobody has configured. */
#define DEFAULT_XFER (2ull << 20)
#define DEFAULT_BATCH 32u
#define DEFAULT_RETRIES 32u
/* Of one that has everything but a size. */
#define DEFAULT_SIZE 16u
/* Of those that a run starts with. */
#define START_PRIORITY 10u

/* cmd_status: what the device said, or else the driver. */
enum status {
	SIZES_OUT_OF_RANGE = 0x14,
	GROUP_WITHOUT_ENGINE = 0x15,
	GROUP_WITHOUT_WQ = 0x16,
	WQ_WITHOUT_PRIORITY = 0x23,
	DEVICE_ENABLED = 0x80000010,
	WQ_ENABLED = 0x80000021,
	WQ_NO_GROUP = 0x80030000,
	WQ_NO_NAME = 0x80040000,
	WQ_NO_THRESHOLD = 0x80060000,
	WQ_NONE_CONFIGURED = 0x800d0000,
	WQ_NO_PRIVILEGE = 0x800f0000,
	WQ_NO_DRIVER_NAME = 0x80200000,
};

static unsigned int at_most(unsigned int n, unsigned int max)
{
	return n < max ? n : max;
}

unsigned int idxd_conf_queues(const struct idxd_conf *conf)
{
	return at_most(IDXD_WQCAP_WQS(conf->caps.wqcap), IDXD_MAX_WQS);
}

unsigned int idxd_conf_groups(const struct idxd_conf *conf)
{
	return at_most(IDXD_GRPCAP_GROUPS(conf->caps.grpcap), IDXD_MAX_GROUPS);
}

unsigned int idxd_conf_engines(const struct idxd_conf *conf)
{
	return at_most(IDXD_ENGCAP_ENGINES(conf->caps.engcap), IDXD_MAX_ENGINES);
}

unsigned int idxd_conf_count(const struct idxd_conf *conf, enum idxd_kind kind)
{
	switch (kind) {
	case IDXD_KIND_GROUP:
		return idxd_conf_groups(conf);
	case IDXD_KIND_ENGINE:
		return idxd_conf_engines(conf);
	case IDXD_KIND_WQ:
		return idxd_conf_queues(conf);
	case IDXD_KIND_DEVICE:
	default:
		return 1;
	}
}

/* ---- disabling ---- */

/* Its size, group, type and driver_name stay, as in Linux. */
static void clear_wq(struct idxd_conf *conf, struct idxd_wq_conf *wq)
{
	wq->enabled = false;
	wq->dedicated = false;
	wq->block_on_fault = false;
	wq->ats_disable = false;
	wq->prs_disable = false;
	wq->threshold = 0;
	wq->priority = 0;
	wq->retries = DEFAULT_RETRIES;
	wq->max_xfer = DEFAULT_XFER;
	wq->max_batch = DEFAULT_BATCH;
	memcpy(wq->ops, conf->caps.opcap, sizeof(wq->ops));
	memset(wq->name, 0, sizeof(wq->name));
}

void idxd_conf_clear(struct idxd_conf *conf)
{
	unsigned int i;

	conf->enabled = false;
	for (i = 0; i < IDXD_MAX_WQS; i++) {
		clear_wq(conf, &conf->queues[i]);
		conf->queues[i].size = 0;
		conf->queues[i].group = -1;
	}
	for (i = 0; i < IDXD_MAX_GROUPS; i++)
		conf->groups[i] = (struct idxd_group_conf){
			.buffers_allowed = IDXD_GRPCAP_BUFFERS(conf->caps.grpcap),
		};
	for (i = 0; i < IDXD_MAX_ENGINES; i++)
		conf->engines[i] = -1;
}

void idxd_wq_disable(struct idxd_conf *conf, unsigned int i)
{
	clear_wq(conf, &conf->queues[i]);
	conf->queues[i].type = IDXD_TYPE_NONE;
}

void idxd_conf_disable(struct idxd_conf *conf)
{
	for (unsigned int i = 0; i < idxd_conf_queues(conf); i++) {
		if (conf->queues[i].enabled)
			idxd_wq_disable(conf, i);
	}
	idxd_conf_clear(conf);
}

/* ---- enabling ---- */

/* Which of them are in which group.  False: no queue is in any. */
static bool set_up_groups(struct idxd_conf *conf)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < IDXD_MAX_GROUPS; i++) {
		conf->groups[i].queue_bits = 0;
		conf->groups[i].engine_bits = 0;
	}
	for (i = 0; i < idxd_conf_queues(conf); i++) {
		struct idxd_wq_conf *wq = &conf->queues[i];

		if (wq->group < 0)
			continue;
		conf->groups[wq->group].queue_bits |= 1u << i;
		any = true;
	}
	for (i = 0; i < idxd_conf_engines(conf); i++) {
		if (conf->engines[i] >= 0)
			conf->groups[conf->engines[i]].engine_bits |= 1u << i;
	}
	return any;
}

/* As the driver writes a queue's configuration. */
static void give_size(struct idxd_wq_conf *wq)
{
	if (wq->group >= 0 && !wq->size && wq->type != IDXD_TYPE_NONE)
		wq->size = DEFAULT_SIZE;
}

static uint32_t check_device(const struct idxd_conf *conf)
{
	unsigned int entries = 0, i;

	for (i = 0; i < idxd_conf_queues(conf); i++)
		entries += conf->queues[i].size;
	if (entries > IDXD_WQCAP_SIZE(conf->caps.wqcap))
		return SIZES_OUT_OF_RANGE;
	for (i = 0; i < idxd_conf_groups(conf); i++) {
		if (conf->groups[i].queue_bits && !conf->groups[i].engine_bits)
			return GROUP_WITHOUT_ENGINE;
		if (!conf->groups[i].queue_bits && conf->groups[i].engine_bits)
			return GROUP_WITHOUT_WQ;
	}
	return 0;
}

int idxd_conf_enable(struct idxd_conf *conf)
{
	bool engine = false;
	unsigned int i;

	if (conf->enabled) {
		conf->cmd_status = DEVICE_ENABLED;
		return -ENXIO;
	}
	if (!set_up_groups(conf)) {
		conf->cmd_status = WQ_NONE_CONFIGURED;
		return -ENXIO;
	}
	for (i = 0; i < idxd_conf_engines(conf); i++)
		engine |= conf->engines[i] >= 0;
	if (!engine)
		return -ENXIO;
	for (i = 0; i < idxd_conf_queues(conf); i++)
		give_size(&conf->queues[i]);
	conf->cmd_status = check_device(conf);
	if (conf->cmd_status)
		return -ENXIO;
	conf->enabled = true;
	return 0;
}

static uint32_t check_wq(const struct idxd_wq_conf *wq)
{
	if (wq->enabled)
		return WQ_ENABLED;
	if (wq->group < 0)
		return WQ_NO_GROUP;
	if (!wq->name[0])
		return WQ_NO_NAME;
	if (!wq->dedicated && !wq->threshold)
		return WQ_NO_THRESHOLD;
	return wq->priority ? 0 : WQ_WITHOUT_PRIORITY;
}

int idxd_wq_enable(struct idxd_conf *conf, unsigned int i)
{
	struct idxd_wq_conf *wq = &conf->queues[i];

	if (!conf->enabled)
		return -ENXIO;
	/* Any name that begins so, as in Linux. */
	if (strncmp(wq->driver_name, "user", strlen("user")) != 0) {
		conf->cmd_status = WQ_NO_DRIVER_NAME;
		return -ENODEV;
	}
	wq->type = IDXD_TYPE_USER;
	conf->cmd_status = check_wq(wq);
	if (conf->cmd_status) {
		wq->type = IDXD_TYPE_NONE;
		return conf->cmd_status == WQ_ENABLED ? -EBUSY : -ENXIO;
	}
	give_size(wq);
	wq->enabled = true;
	wq->enables++;
	return 0;
}

int idxd_wq_enable_kernel(struct idxd_conf *conf, unsigned int i)
{
	if (!conf->enabled)
		return -ENXIO;
	if (strncmp(conf->queues[i].driver_name, "dmaengine", strlen("dmaengine")) != 0) {
		conf->cmd_status = WQ_NO_DRIVER_NAME;
		return -ENODEV;
	}
	conf->queues[i].type = IDXD_TYPE_NONE;
	conf->cmd_status = WQ_NO_PRIVILEGE;
	return -EOPNOTSUPP;
}

/* ---- what a run starts with ---- */

/* The mode that @text begins with; false: none.  *@end: behind it. */
static bool parse_mode(const char *text, bool *dedicated, const char **end)
{
	size_t length = strcspn(text, "+");

	*dedicated = length == 9 && !strncmp(text, "dedicated", length);
	*end = text + length;
	return *dedicated || (length == 6 && !strncmp(text, "shared", length));
}

/* How many queues; 0: the text is wrong. */
static unsigned int count_queues(const char *text)
{
	unsigned int n = 0;
	bool dedicated;

	do {
		if (!parse_mode(text, &dedicated, &text) || n++ == IDXD_MAX_WQS)
			return 0;
	} while (*text++ == '+');
	return n;
}

bool idxd_queues_valid(const char *queues)
{
	return !strcmp(queues, "none") || count_queues(queues);
}

static void start_wq(struct idxd_conf *conf, unsigned int i, unsigned int size, const char *name)
{
	struct idxd_wq_conf *wq = &conf->queues[i];

	wq->group = 0;
	wq->size = size;
	wq->threshold = wq->dedicated ? 0 : size;
	wq->priority = START_PRIORITY;
	wq->block_on_fault = true;
	wq->max_xfer = 1ull << IDXD_GENCAP_XFER_SHIFT(conf->caps.gencap);
	wq->max_batch = 1u << IDXD_GENCAP_BATCH_SHIFT(conf->caps.gencap);
	snprintf(wq->name, sizeof(wq->name), "%s", name);
	snprintf(wq->driver_name, sizeof(wq->driver_name), "user");
}

int idxd_conf_start(struct idxd_conf *conf, const char *queues, const char *name)
{
	unsigned int n = count_queues(queues), i;
	int rc;

	idxd_conf_clear(conf);
	if (!strcmp(queues, "none"))
		return 0;
	if (!n || n > idxd_conf_queues(conf))
		return -EINVAL;
	for (i = 0; i < n; i++, queues++) {
		parse_mode(queues, &conf->queues[i].dedicated, &queues);
		start_wq(conf, i, IDXD_WQCAP_SIZE(conf->caps.wqcap) / n, name);
	}
	for (i = 0; i < idxd_conf_engines(conf); i++)
		conf->engines[i] = 0;
	rc = idxd_conf_enable(conf);
	for (i = 0; i < n && !rc; i++)
		rc = idxd_wq_enable(conf, i);
	return rc;
}

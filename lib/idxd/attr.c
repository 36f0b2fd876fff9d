// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * idxd/attr.c - the attributes of an accelerator in /sys
 *
 * What each shows, and what may be stored to it, follows the kernel's driver, errnos and the
 * order of its checks included.  The device is always a configurable one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idxd/conf.h"
#include "idxd/regs.h"

#define MAX_PRIORITY 15u
#define MAX_RETRIES 64u

/* ---- numbers, as the kernel takes them ---- */

/* Base 0: by its prefix.  A sign is left to the caller.  0, -EINVAL, -ERANGE. */
static int parse_digits(const char *text, int base, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, base);
	if (*end == '\n')
		end++;
	if (*end)
		return -EINVAL;
	return errno ? -ERANGE : 0;
}

/* errno is the host's. */
static int parse_unsigned(const char *text, int base, uint64_t *value)
{
	int saved = errno, rc;

	rc = parse_digits(text + (*text == '+'), base, value);
	errno = saved;
	return rc;
}

static int parse_signed(const char *text, long *value)
{
	bool minus = *text == '-';
	uint64_t magnitude;
	int rc = parse_unsigned(text + minus, 10, &magnitude);

	if (rc || magnitude > INT32_MAX || (minus && text[1] == '+'))
		return -EINVAL;
	*value = minus ? -(long)magnitude : (long)magnitude;
	return 0;
}

static int parse_bool(const char *text, bool *value)
{
	*value = strchr("yYtT1", *text) != NULL;
	if (*text && strchr("yYtT1nNfF0", *text))
		return 0;
	if (*text != 'o' && *text != 'O')
		return -EINVAL;
	*value = text[1] == 'n' || text[1] == 'N';
	return *value || text[1] == 'f' || text[1] == 'F' ? 0 : -EINVAL;
}

/* 1 or more, made a power of two. */
static int parse_power(const char *text, uint64_t *value)
{
	uint64_t power = 1;

	if (parse_unsigned(text, 0, value) || !*value || *value > 1ull << 63)
		return -EINVAL;
	while (power < *value)
		power <<= 1;
	*value = power;
	return 0;
}

/* But for a newline at the end. */
static bool is_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	return !strncmp(text, word, length) &&
	       (!text[length] || (text[length] == '\n' && !text[length + 1]));
}

/* Without the white space around it. */
static void copy_trimmed(char *to, size_t size, const char *text)
{
	size_t length;

	text += strspn(text, " \t\n\v\f\r");
	length = strlen(text);
	while (length && strchr(" \t\n\v\f\r", text[length - 1]))
		length--;
	memset(to, 0, size);
	memcpy(to, text, length < size ? length : size - 1);
}

/* ---- what they show ---- */

#define SHOW(name, fmt, value)                                                                     \
	static int show_##name(const struct idxd_conf *conf, unsigned int i, char *buf)            \
	{                                                                                          \
		return snprintf(buf, IDXD_TEXT, fmt "\n", value);                                  \
	}

#define CAPS conf->caps
#define WQ conf->queues[i]

SHOW(version, "%#x", CAPS.version)
SHOW(max_groups, "%u", idxd_conf_groups(conf))
SHOW(max_queues, "%u", idxd_conf_queues(conf))
SHOW(max_size, "%u", IDXD_WQCAP_SIZE(CAPS.wqcap))
SHOW(max_engines, "%u", idxd_conf_engines(conf))
SHOW(max_batch, "%u", 1u << IDXD_GENCAP_BATCH_SHIFT(CAPS.gencap))
SHOW(max_xfer, "%llu", 1ull << IDXD_GENCAP_XFER_SHIFT(CAPS.gencap))
SHOW(max_buffers, "%u", IDXD_GRPCAP_BUFFERS(CAPS.grpcap))
SHOW(zero, "%d", 0)
SHOW(one, "%d", 1)
SHOW(none, "%d", -1)
SHOW(gencap, "%#llx", (unsigned long long)CAPS.gencap)
SHOW(configurable, "%d", CAPS.gencap &IDXD_GENCAP_CONFIGURABLE ? 1 : 0)
SHOW(state, "%s", conf->enabled ? "enabled" : "disabled")
SHOW(major, "%u", conf->major)
SHOW(buffer_limit, "%u", conf->buffer_limit)
SHOW(cmd_status, "%#x", conf->cmd_status)

SHOW(reserved, "%u", conf->groups[i].buffers_reserved)
SHOW(allowed, "%u", conf->groups[i].buffers_allowed)
SHOW(limited, "%d", conf->groups[i].limited)
SHOW(engine_group, "%d", conf->engines[i])

SHOW(wq_state, "%s", WQ.enabled ? "enabled" : "disabled")
SHOW(wq_group, "%d", WQ.group)
SHOW(mode, "%s", WQ.dedicated ? "dedicated" : "shared")
SHOW(size, "%u", WQ.size)
SHOW(priority, "%u", WQ.priority)
SHOW(block_on_fault, "%d", WQ.block_on_fault)
SHOW(threshold, "%u", WQ.threshold)
SHOW(name, "%s", WQ.name)
SHOW(driver_name, "%s", WQ.driver_name)
SHOW(minor, "%d", WQ.enabled ? (int)(conf->minor + i) : -1)
SHOW(wq_max_xfer, "%llu", (unsigned long long)WQ.max_xfer)
SHOW(wq_max_batch, "%u", WQ.max_batch)
SHOW(ats_disable, "%d", WQ.ats_disable)
SHOW(prs_disable, "%d", WQ.prs_disable)
SHOW(retries, "%u", WQ.retries)

static int show_type(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	static const char *const names[] = {"none", "kernel", "user"};

	return snprintf(buf, IDXD_TEXT, "%s\n", names[WQ.type]);
}

/* 256 bits, as the kernel prints a bitmap. */
int idxd_show_bits(const uint64_t bits[4], char *buf)
{
	int n = 0;

	for (unsigned int i = 4; i--;)
		n += snprintf(buf + n, (size_t)(IDXD_BITS_TEXT - n), "%08x,%08x%c",
			      (unsigned int)(bits[i] >> 32), (unsigned int)bits[i], i ? ',' : '\n');
	return n;
}

static int show_errors(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	static const uint64_t none[4];

	return idxd_show_bits(none, buf);
}

/* Of an accelerator whose portals aren't for everybody, batches are nobody's. */
static int show_ops(const struct idxd_conf *conf, const uint64_t bits[4], char *buf)
{
	uint64_t ops[4];

	memcpy(ops, bits, sizeof(ops));
	if (!conf->safe && conf->caps.version == IDXD_VERSION_1)
		ops[0] &= ~(1ull << IDXD_OP_BATCH);
	return idxd_show_bits(ops, buf);
}

static int show_opcap(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return show_ops(conf, conf->caps.opcap, buf);
}

static int show_op_config(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return show_ops(conf, WQ.ops, buf);
}

/* "wq0.0 wq0.1\n"; nothing at all if there are none. */
static int show_member(const struct idxd_conf *conf, const char *prefix, unsigned int member,
		       char *buf, int n)
{
	/* In the newline's place. */
	if (n)
		buf[n - 1] = ' ';
	return n + snprintf(buf + n, (size_t)(IDXD_TEXT - n), "%s%u.%u\n", prefix, conf->number,
			    member);
}

static int show_queues(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	int n = 0;

	for (unsigned int q = 0; q < idxd_conf_queues(conf); q++) {
		if (conf->queues[q].group == (int)i)
			n = show_member(conf, "wq", q, buf, n);
	}
	return n;
}

static int show_engines(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	int n = 0;

	for (unsigned int e = 0; e < idxd_conf_engines(conf); e++) {
		if (conf->engines[e] == (int)i)
			n = show_member(conf, "engine", e, buf, n);
	}
	return n;
}

static int show_device_uevent(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return snprintf(buf, IDXD_TEXT, "DEVTYPE=dsa\n%sMODALIAS=dsa:t0\n",
			conf->enabled ? "DRIVER=idxd\n" : "");
}

static int show_group_uevent(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return snprintf(buf, IDXD_TEXT, "DEVTYPE=group\nMODALIAS=dsa:t0\n");
}

static int show_engine_uevent(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return snprintf(buf, IDXD_TEXT, "DEVTYPE=engine\nMODALIAS=dsa:t0\n");
}

static int show_wq_uevent(const struct idxd_conf *conf, unsigned int i, char *buf)
{
	return snprintf(buf, IDXD_TEXT, "DEVTYPE=wq\n%sMODALIAS=dsa:t0\n",
			WQ.enabled ? "DRIVER=user\n" : "");
}

/* ---- what may be stored ---- */

static int store_nothing(struct idxd_conf *conf, unsigned int i, const char *text)
{
	return 0;
}

static int store_cmd_status(struct idxd_conf *conf, unsigned int i, const char *text)
{
	conf->cmd_status = 0;
	return 0;
}

static int store_buffer_limit(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (conf->enabled || !(conf->caps.grpcap & IDXD_GRPCAP_LIMIT))
		return -EPERM;
	if (value > IDXD_GRPCAP_BUFFERS(conf->caps.grpcap))
		return -EINVAL;
	conf->buffer_limit = (unsigned int)value;
	return 0;
}

static int store_limited(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (conf->enabled || !conf->buffer_limit)
		return -EPERM;
	conf->groups[i].limited = value != 0;
	return 0;
}

/* Traffic classes can be chosen from version 3 on. */
static int store_class_eperm(struct idxd_conf *conf, unsigned int i, const char *text)
{
	long value;

	return parse_signed(text, &value) ? -EINVAL : -EPERM;
}

/* Those that are no group's. */
static unsigned int free_buffers(const struct idxd_conf *conf)
{
	unsigned int n = IDXD_GRPCAP_BUFFERS(conf->caps.grpcap);

	for (unsigned int i = 0; i < idxd_conf_groups(conf); i++)
		n -= conf->groups[i].buffers_reserved;
	return n;
}

static int store_reserved(struct idxd_conf *conf, unsigned int i, const char *text)
{
	struct idxd_group_conf *group = &conf->groups[i];
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (conf->enabled)
		return -EPERM;
	if (value > free_buffers(conf) + group->buffers_reserved)
		return -EINVAL;
	group->buffers_reserved = (unsigned int)value;
	return 0;
}

static int store_allowed(struct idxd_conf *conf, unsigned int i, const char *text)
{
	struct idxd_group_conf *group = &conf->groups[i];
	unsigned int engines = 0;
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (conf->enabled)
		return -EPERM;
	for (unsigned int e = 0; e < idxd_conf_engines(conf); e++)
		engines += conf->engines[e] == (int)i;
	if (value < 4ull * engines || value > free_buffers(conf) + group->buffers_reserved)
		return -EINVAL;
	group->buffers_allowed = (unsigned int)value;
	return 0;
}

/* -1, or one that there is. */
static bool is_group(const struct idxd_conf *conf, long value)
{
	return value >= -1 && value < (long)idxd_conf_groups(conf);
}

static int store_engine_group(struct idxd_conf *conf, unsigned int i, const char *text)
{
	long value;

	if (parse_signed(text, &value) || !is_group(conf, value))
		return -EINVAL;
	conf->engines[i] = (int)value;
	return 0;
}

static int store_wq_group(struct idxd_conf *conf, unsigned int i, const char *text)
{
	long value;

	if (parse_signed(text, &value))
		return -EINVAL;
	if (WQ.enabled)
		return -EPERM;
	if (!is_group(conf, value))
		return -EINVAL;
	WQ.group = (int)value;
	return 0;
}

static int store_mode(struct idxd_conf *conf, unsigned int i, const char *text)
{
	if (WQ.enabled)
		return -EPERM;
	if (is_word(text, "dedicated")) {
		WQ.dedicated = true;
		WQ.threshold = 0;
		return 0;
	}
	if (!is_word(text, "shared"))
		return -EINVAL;
	WQ.dedicated = false;
	return 0;
}

static int store_size(struct idxd_conf *conf, unsigned int i, const char *text)
{
	unsigned int others = 0, max = IDXD_WQCAP_SIZE(conf->caps.wqcap);
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (conf->enabled)
		return -EPERM;
	for (unsigned int q = 0; q < idxd_conf_queues(conf); q++)
		others += q == i ? 0 : conf->queues[q].size;
	if (value > max || value + others > max)
		return -EINVAL;
	WQ.size = (unsigned int)value;
	return 0;
}

static int store_priority(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (parse_unsigned(text, 10, &value))
		return -EINVAL;
	if (WQ.enabled)
		return -EPERM;
	if (value > MAX_PRIORITY)
		return -EINVAL;
	WQ.priority = (unsigned int)value;
	return 0;
}

static int store_block_on_fault(struct idxd_conf *conf, unsigned int i, const char *text)
{
	bool value;

	if (WQ.enabled)
		return -ENXIO;
	if (parse_bool(text, &value))
		return -EINVAL;
	if (value && WQ.prs_disable)
		return -EOPNOTSUPP;
	WQ.block_on_fault = value;
	return 0;
}

static int store_threshold(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (parse_unsigned(text, 0, &value) || value > WQ.size || !value)
		return -EINVAL;
	if (WQ.enabled)
		return -ENXIO;
	if (WQ.dedicated)
		return -EINVAL;
	WQ.threshold = (unsigned int)value;
	return 0;
}

/* Another type has another name. */
static int store_type(struct idxd_conf *conf, unsigned int i, const char *text)
{
	enum idxd_type type;

	if (WQ.enabled)
		return -EPERM;
	if (is_word(text, "none"))
		type = IDXD_TYPE_NONE;
	else if (is_word(text, "kernel"))
		type = IDXD_TYPE_KERNEL;
	else if (is_word(text, "user"))
		type = IDXD_TYPE_USER;
	else
		return -EINVAL;
	if (type != WQ.type)
		memset(WQ.name, 0, sizeof(WQ.name));
	WQ.type = type;
	return 0;
}

static int store_name(struct idxd_conf *conf, unsigned int i, const char *text)
{
	if (WQ.enabled)
		return -EPERM;
	if (!*text || strlen(text) > IDXD_NAME_SIZE)
		return -EINVAL;
	copy_trimmed(WQ.name, sizeof(WQ.name), text);
	return 0;
}

static int store_driver_name(struct idxd_conf *conf, unsigned int i, const char *text)
{
	if (WQ.enabled)
		return -EPERM;
	if (!*text || strlen(text) > IDXD_DRIVER_SIZE)
		return -EINVAL;
	copy_trimmed(WQ.driver_name, sizeof(WQ.driver_name), text);
	return 0;
}

static int store_max_xfer(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (WQ.enabled)
		return -EPERM;
	if (parse_power(text, &value) || value > 1ull << IDXD_GENCAP_XFER_SHIFT(conf->caps.gencap))
		return -EINVAL;
	WQ.max_xfer = value;
	return 0;
}

static int store_max_batch(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;

	if (WQ.enabled)
		return -EPERM;
	if (parse_power(text, &value) || value > 1ull << IDXD_GENCAP_BATCH_SHIFT(conf->caps.gencap))
		return -EINVAL;
	WQ.max_batch = (unsigned int)value;
	return 0;
}

static int store_ats_disable(struct idxd_conf *conf, unsigned int i, const char *text)
{
	bool value;

	if (WQ.enabled)
		return -EPERM;
	if (parse_bool(text, &value))
		return -EINVAL;
	WQ.ats_disable = value;
	return 0;
}

/* Without page requests nothing can wait for them. */
static int store_prs_disable(struct idxd_conf *conf, unsigned int i, const char *text)
{
	bool value;

	if (WQ.enabled)
		return -EPERM;
	if (parse_bool(text, &value))
		return -EINVAL;
	WQ.prs_disable = value;
	if (value)
		WQ.block_on_fault = false;
	return 0;
}

static int store_retries(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t value;
	int rc;

	if (WQ.dedicated)
		return -EOPNOTSUPP;
	rc = parse_unsigned(text, 10, &value);
	if (rc || value > UINT32_MAX)
		return rc ? rc : -ERANGE;
	WQ.retries = value < MAX_RETRIES ? (unsigned int)value : MAX_RETRIES;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Words of 32 bits with commas between them, the highest first. */
static int parse_bits(const char *text, uint64_t bits[4])
{
	uint32_t words[8] = {0};
	unsigned int digits = 0;

	for (;; text++) {
		int digit = hex_digit(*text);

		if (digit >= 0) {
			if (++digits > 8)
				return -EOVERFLOW;
			words[0] = words[0] << 4 | (uint32_t)digit;
			continue;
		}
		if (!digits)
			return -EINVAL;
		if (*text != ',')
			break;
		if (words[7])
			return -EOVERFLOW;
		memmove(words + 1, words, sizeof(words) - sizeof(words[0]));
		words[0] = 0;
		digits = 0;
	}
	for (unsigned int i = 0; i < 4; i++)
		bits[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
	return *text && (text[0] != '\n' || text[1]) ? -EINVAL : 0;
}

static int store_op_config(struct idxd_conf *conf, unsigned int i, const char *text)
{
	uint64_t bits[4];
	int rc;

	if (WQ.enabled)
		return -EPERM;
	rc = parse_bits(text, bits);
	for (unsigned int w = 0; w < 4 && !rc; w++)
		rc = bits[w] & ~conf->caps.opcap[w] ? -EINVAL : 0;
	if (!rc)
		memcpy(WQ.ops, bits, sizeof(WQ.ops));
	return rc;
}

static bool has_op_config(const struct idxd_conf *conf)
{
	return conf->caps.wqcap & IDXD_WQCAP_OP_CONFIG;
}

/* ---- all of them ---- */

const struct idxd_attr idxd_attrs[] = {
	{IDXD_KIND_DEVICE, "uevent", show_device_uevent, store_nothing, NULL},
	{IDXD_KIND_DEVICE, "version", show_version, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_groups", show_max_groups, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_work_queues", show_max_queues, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_work_queues_size", show_max_size, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_engines", show_max_engines, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_batch_size", show_max_batch, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_transfer_size", show_max_xfer, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_read_buffers", show_max_buffers, NULL, NULL},
	{IDXD_KIND_DEVICE, "max_tokens", show_max_buffers, NULL, NULL},
	{IDXD_KIND_DEVICE, "read_buffer_limit", show_buffer_limit, store_buffer_limit, NULL},
	{IDXD_KIND_DEVICE, "token_limit", show_buffer_limit, store_buffer_limit, NULL},
	{IDXD_KIND_DEVICE, "numa_node", show_none, NULL, NULL},
	{IDXD_KIND_DEVICE, "gen_cap", show_gencap, NULL, NULL},
	{IDXD_KIND_DEVICE, "op_cap", show_opcap, NULL, NULL},
	{IDXD_KIND_DEVICE, "configurable", show_configurable, NULL, NULL},
	{IDXD_KIND_DEVICE, "clients", show_zero, NULL, NULL},
	{IDXD_KIND_DEVICE, "pasid_enabled", show_one, NULL, NULL},
	{IDXD_KIND_DEVICE, "state", show_state, NULL, NULL},
	{IDXD_KIND_DEVICE, "errors", show_errors, NULL, NULL},
	{IDXD_KIND_DEVICE, "cdev_major", show_major, NULL, NULL},
	{IDXD_KIND_DEVICE, "cmd_status", show_cmd_status, store_cmd_status, NULL},

	{IDXD_KIND_GROUP, "uevent", show_group_uevent, store_nothing, NULL},
	{IDXD_KIND_GROUP, "work_queues", show_queues, NULL, NULL},
	{IDXD_KIND_GROUP, "engines", show_engines, NULL, NULL},
	{IDXD_KIND_GROUP, "use_read_buffer_limit", show_limited, store_limited, NULL},
	{IDXD_KIND_GROUP, "use_token_limit", show_limited, store_limited, NULL},
	{IDXD_KIND_GROUP, "read_buffers_reserved", show_reserved, store_reserved, NULL},
	{IDXD_KIND_GROUP, "tokens_reserved", show_reserved, store_reserved, NULL},
	{IDXD_KIND_GROUP, "read_buffers_allowed", show_allowed, store_allowed, NULL},
	{IDXD_KIND_GROUP, "tokens_allowed", show_allowed, store_allowed, NULL},
	{IDXD_KIND_GROUP, "traffic_class_a", show_one, store_class_eperm, NULL},
	{IDXD_KIND_GROUP, "traffic_class_b", show_one, store_class_eperm, NULL},

	{IDXD_KIND_ENGINE, "uevent", show_engine_uevent, store_nothing, NULL},
	{IDXD_KIND_ENGINE, "group_id", show_engine_group, store_engine_group, NULL},

	{IDXD_KIND_WQ, "uevent", show_wq_uevent, store_nothing, NULL},
	{IDXD_KIND_WQ, "clients", show_zero, NULL, NULL},
	{IDXD_KIND_WQ, "state", show_wq_state, NULL, NULL},
	{IDXD_KIND_WQ, "group_id", show_wq_group, store_wq_group, NULL},
	{IDXD_KIND_WQ, "mode", show_mode, store_mode, NULL},
	{IDXD_KIND_WQ, "size", show_size, store_size, NULL},
	{IDXD_KIND_WQ, "priority", show_priority, store_priority, NULL},
	{IDXD_KIND_WQ, "block_on_fault", show_block_on_fault, store_block_on_fault, NULL},
	{IDXD_KIND_WQ, "threshold", show_threshold, store_threshold, NULL},
	{IDXD_KIND_WQ, "type", show_type, store_type, NULL},
	{IDXD_KIND_WQ, "name", show_name, store_name, NULL},
	{IDXD_KIND_WQ, "driver_name", show_driver_name, store_driver_name, NULL},
	{IDXD_KIND_WQ, "cdev_minor", show_minor, NULL, NULL},
	{IDXD_KIND_WQ, "max_transfer_size", show_wq_max_xfer, store_max_xfer, NULL},
	{IDXD_KIND_WQ, "max_batch_size", show_wq_max_batch, store_max_batch, NULL},
	{IDXD_KIND_WQ, "ats_disable", show_ats_disable, store_ats_disable, NULL},
	{IDXD_KIND_WQ, "prs_disable", show_prs_disable, store_prs_disable, NULL},
	{IDXD_KIND_WQ, "enqcmds_retries", show_retries, store_retries, NULL},
	{IDXD_KIND_WQ, "op_config", show_op_config, store_op_config, has_op_config},
	{0},
};

int idxd_attr_store(struct idxd_conf *conf, enum idxd_kind kind, unsigned int i, const char *name,
		    const char *text)
{
	const struct idxd_attr *attr;

	for (attr = idxd_attrs; attr->name; attr++) {
		if (attr->kind != kind || strcmp(attr->name, name) != 0)
			continue;
		return attr->store ? attr->store(conf, i, text) : -EIO;
	}
	return -ENOENT;
}

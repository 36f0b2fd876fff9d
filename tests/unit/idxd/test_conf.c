// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * How an accelerator is configured: what each attribute takes and refuses, and what may be
 * enabled, by Linux's rules.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "idxd/conf.h"

#define NO_TEXT "nothing is shown"

static struct idxd_conf conf;

/* 4 groups, 4 engines, 8 queues of 128 entries, 96 read buffers, the operations 0, 1 and 3. */
static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	conf.number = 3;
	conf.minor = 8;
	conf.major = 509;
	conf.caps.version = 0x100;
	conf.caps.gencap = 31ull << 16 | 10ull << 21 | 1ull << 31;
	conf.caps.wqcap = 128 | 8ull << 16 | 1ull << 54;
	conf.caps.grpcap = 4 | 96ull << 8 | 3ull << 16;
	conf.caps.engcap = 4;
	conf.caps.opcap[0] = 0xb;
	idxd_conf_clear(&conf);
	return 0;
}

static const char *shown(enum idxd_kind kind, unsigned int i, const char *name)
{
	static char text[IDXD_TEXT];
	const struct idxd_attr *attr;
	int length;

	for (attr = idxd_attrs; attr->name; attr++) {
		if (attr->kind != kind || strcmp(attr->name, name) != 0)
			continue;
		length = attr->show(&conf, i, text);
		text[length] = '\0';
		assert_int_equal(length, strlen(text));
		return text;
	}
	return NO_TEXT;
}

static int wq(const char *name, const char *text)
{
	return idxd_attr_store(&conf, IDXD_KIND_WQ, 1, name, text);
}

/* ---- attributes ---- */

static void test_store(void **state)
{
	static char long_name[IDXD_NAME_SIZE + 2];
	static const struct {
		enum idxd_kind kind;
		const char *name, *text;
		int rc;
		const char *shows;
	} steps[] = {
		{IDXD_KIND_WQ, "size", "16\n", 0, "16\n"},
		{IDXD_KIND_WQ, "size", "+17", 0, "17\n"},
		{IDXD_KIND_WQ, "size", "", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "-1", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", " 1", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "0x10", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "1\n\n", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "129", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "18446744073709551615", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "18446744073709551616", -EINVAL, "17\n"},
		{IDXD_KIND_WQ, "size", "128", 0, "128\n"},
		{IDXD_KIND_WQ, "threshold", "0x80", 0, "128\n"},
		{IDXD_KIND_WQ, "threshold", "129", -EINVAL, "128\n"},
		{IDXD_KIND_WQ, "threshold", "0", -EINVAL, "128\n"},
		{IDXD_KIND_WQ, "mode", "dedicated\n", 0, "dedicated\n"},
		{IDXD_KIND_WQ, "threshold", "1", -EINVAL, "0\n"},
		{IDXD_KIND_WQ, "enqcmds_retries", "1", -EOPNOTSUPP, "32\n"},
		{IDXD_KIND_WQ, "mode", "dedicate", -EINVAL, "dedicated\n"},
		{IDXD_KIND_WQ, "mode", "shared", 0, "shared\n"},
		{IDXD_KIND_WQ, "enqcmds_retries", "1", 0, "1\n"},
		{IDXD_KIND_WQ, "enqcmds_retries", "65", 0, "64\n"},
		{IDXD_KIND_WQ, "enqcmds_retries", "4294967296", -ERANGE, "64\n"},
		{IDXD_KIND_WQ, "enqcmds_retries", "x", -EINVAL, "64\n"},
		{IDXD_KIND_WQ, "priority", "15", 0, "15\n"},
		{IDXD_KIND_WQ, "priority", "16", -EINVAL, "15\n"},
		{IDXD_KIND_WQ, "group_id", "3", 0, "3\n"},
		{IDXD_KIND_WQ, "group_id", "4", -EINVAL, "3\n"},
		{IDXD_KIND_WQ, "group_id", "-2", -EINVAL, "3\n"},
		{IDXD_KIND_WQ, "group_id", "-1", 0, "-1\n"},
		{IDXD_KIND_WQ, "block_on_fault", "y", 0, "1\n"},
		{IDXD_KIND_WQ, "block_on_fault", "", -EINVAL, "1\n"},
		{IDXD_KIND_WQ, "block_on_fault", "off", 0, "0\n"},
		{IDXD_KIND_WQ, "block_on_fault", "on", 0, "1\n"},
		{IDXD_KIND_WQ, "prs_disable", "oops", -EINVAL, "0\n"},
		{IDXD_KIND_WQ, "prs_disable", "1", 0, "1\n"},
		{IDXD_KIND_WQ, "block_on_fault", "1", -EOPNOTSUPP, "0\n"},
		{IDXD_KIND_WQ, "prs_disable", "N", 0, "0\n"},
		{IDXD_KIND_WQ, "ats_disable", "1", 0, "1\n"},
		{IDXD_KIND_WQ, "max_transfer_size", "4097", 0, "8192\n"},
		{IDXD_KIND_WQ, "max_transfer_size", "0", -EINVAL, "8192\n"},
		{IDXD_KIND_WQ, "max_transfer_size", "0x80000000", 0, "2147483648\n"},
		{IDXD_KIND_WQ, "max_transfer_size", "0x80000001", -EINVAL, "2147483648\n"},
		{IDXD_KIND_WQ, "max_batch_size", "1000", 0, "1024\n"},
		{IDXD_KIND_WQ, "max_batch_size", "1025", -EINVAL, "1024\n"},
		{IDXD_KIND_WQ, "type", "user", 0, "user\n"},
		{IDXD_KIND_WQ, "name", " my queue \n", 0, "my queue\n"},
		{IDXD_KIND_WQ, "name", "", -EINVAL, "my queue\n"},
		{IDXD_KIND_WQ, "name", long_name, -EINVAL, "my queue\n"},
		{IDXD_KIND_WQ, "type", "user\n", 0, "user\n"},
		{IDXD_KIND_WQ, "type", "users", -EINVAL, "user\n"},
		{IDXD_KIND_WQ, "driver_name", "user", 0, "user\n"},
		{IDXD_KIND_WQ, "op_config", "9", 0, NULL},
		{IDXD_KIND_WQ, "op_config", "0,00000009\n", 0, NULL},
		{IDXD_KIND_WQ, "op_config", "4", -EINVAL, NULL},
		{IDXD_KIND_WQ, "op_config", "1,0", -EINVAL, NULL},
		{IDXD_KIND_WQ, "op_config", "000000009", -EOVERFLOW, NULL},
		{IDXD_KIND_WQ, "op_config", "9,", -EINVAL, NULL},
		{IDXD_KIND_WQ, "op_config", "9g", -EINVAL, NULL},
		{IDXD_KIND_WQ, "op_config", "", -EINVAL, NULL},
		{IDXD_KIND_WQ, "op_config", "1,0,0,0,0,0,0,0,0", -EOVERFLOW, NULL},
		{IDXD_KIND_WQ, "state", "x", -EIO, "disabled\n"},
		{IDXD_KIND_WQ, "uevent", "add", 0, "DEVTYPE=wq\nMODALIAS=dsa:t0\n"},
		{IDXD_KIND_WQ, "max_work_queues", "1", -ENOENT, NULL},
		{IDXD_KIND_ENGINE, "group_id", "1", 0, "1\n"},
		{IDXD_KIND_ENGINE, "group_id", "9", -EINVAL, "1\n"},
		{IDXD_KIND_GROUP, "read_buffers_reserved", "90", 0, "90\n"},
		{IDXD_KIND_GROUP, "read_buffers_reserved", "97", -EINVAL, "90\n"},
		{IDXD_KIND_GROUP, "tokens_allowed", "3", -EINVAL, "96\n"},
		{IDXD_KIND_GROUP, "tokens_allowed", "4", 0, "4\n"},
		{IDXD_KIND_GROUP, "use_read_buffer_limit", "1", -EPERM, "0\n"},
		{IDXD_KIND_GROUP, "traffic_class_a", "x", -EINVAL, "1\n"},
		{IDXD_KIND_GROUP, "traffic_class_a", "2", -EPERM, "1\n"},
		{IDXD_KIND_DEVICE, "read_buffer_limit", "97", -EINVAL, "0\n"},
		{IDXD_KIND_DEVICE, "read_buffer_limit", "9", 0, "9\n"},
		{IDXD_KIND_GROUP, "use_token_limit", "7", 0, "1\n"},
		{IDXD_KIND_DEVICE, "cmd_status", "anything", 0, "0\n"},
	};

	memset(long_name, 'n', IDXD_NAME_SIZE + 1);
	for (unsigned int i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int rc = idxd_attr_store(&conf, steps[i].kind, 1, steps[i].name, steps[i].text);

		if (rc != steps[i].rc)
			print_message("%s \"%.20s\"\n", steps[i].name, steps[i].text);
		assert_int_equal(rc, steps[i].rc);
		if (steps[i].shows)
			assert_string_equal(shown(steps[i].kind, 1, steps[i].name), steps[i].shows);
	}
	assert_int_equal(conf.queues[1].ops[0], 9);
}

/* Other queues' entries, and other groups' buffers, can't be had twice. */
static void test_shared_out(void **state)
{
	assert_int_equal(wq("size", "100"), 0);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_WQ, 0, "size", "28"), 0);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_WQ, 0, "size", "29"), -EINVAL);
	assert_int_equal(wq("size", "99"), 0);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_GROUP, 0, "read_buffers_reserved", "90"),
			 0);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_GROUP, 1, "read_buffers_reserved", "7"),
			 -EINVAL);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_GROUP, 1, "read_buffers_reserved", "6"),
			 0);
}

static void test_shown(void **state)
{
	assert_int_equal(idxd_conf_start(&conf, "shared+dedicated", "n"), 0);
	assert_string_equal(shown(IDXD_KIND_GROUP, 0, "work_queues"), "wq3.0 wq3.1\n");
	assert_string_equal(shown(IDXD_KIND_GROUP, 1, "engines"), "");
	assert_string_equal(shown(IDXD_KIND_GROUP, 0, "engines"),
			    "engine3.0 engine3.1 engine3.2 engine3.3\n");
	assert_string_equal(shown(IDXD_KIND_WQ, 1, "cdev_minor"), "9\n");
	assert_string_equal(shown(IDXD_KIND_WQ, 2, "cdev_minor"), "-1\n");
	assert_string_equal(shown(IDXD_KIND_WQ, 1, "uevent"),
			    "DEVTYPE=wq\nDRIVER=user\nMODALIAS=dsa:t0\n");
	/* Batches are nobody's, on a device with the erratum. */
	assert_string_equal(shown(IDXD_KIND_DEVICE, 0, "op_cap"),
			    "00000000,00000000,00000000,00000000,00000000,00000000,"
			    "00000000,00000009\n");
	conf.safe = true;
	assert_string_equal(shown(IDXD_KIND_WQ, 0, "op_config"),
			    "00000000,00000000,00000000,00000000,00000000,00000000,"
			    "00000000,0000000b\n");
}

/* ---- enabling ---- */

/* What can't be changed while the queue, or the device, is enabled. */
static void test_enabled(void **state)
{
	static const struct {
		const char *name, *text;
		int queue, device;
	} attrs[] = {
		{"size", "1", -EPERM, -EPERM},
		{"group_id", "1", -EPERM, 0},
		{"mode", "dedicated", -EPERM, 0},
		{"priority", "1", -EPERM, 0},
		{"block_on_fault", "1", -ENXIO, 0},
		{"type", "kernel", -EPERM, 0},
		{"name", "x", -EPERM, 0},
		{"driver_name", "x", -EPERM, 0},
		{"max_transfer_size", "1", -EPERM, 0},
		{"max_batch_size", "1", -EPERM, 0},
		{"ats_disable", "1", -EPERM, 0},
		{"prs_disable", "1", -EPERM, 0},
		{"op_config", "1", -EPERM, 0},
		{"enqcmds_retries", "1", 0, -EOPNOTSUPP},
	};
	unsigned int i;

	assert_int_equal(idxd_conf_start(&conf, "dedicated+shared", "n"), 0);
	assert_int_equal(wq("threshold", "1"), -ENXIO);
	for (i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		assert_int_equal(wq(attrs[i].name, attrs[i].text), attrs[i].queue);
	idxd_wq_disable(&conf, 1);
	for (i = 0; i < sizeof(attrs) / sizeof(attrs[0]); i++)
		assert_int_equal(wq(attrs[i].name, attrs[i].text), attrs[i].device);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_GROUP, 0, "read_buffers_allowed", "90"),
			 -EPERM);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_DEVICE, 0, "token_limit", "1"), -EPERM);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_ENGINE, 0, "group_id", "2"), 0);
	idxd_conf_disable(&conf);
	assert_int_equal(wq("size", "1"), 0);
}

static void test_enable_device(void **state)
{
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0x800d0000);
	conf.cmd_status = 0;
	conf.queues[1].group = 2;
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0);
	conf.engines[3] = 1;
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0x16);
	conf.engines[3] = 3;
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0x15);
	conf.engines[3] = 2;
	conf.queues[0].size = 128;
	conf.queues[1].type = IDXD_TYPE_USER;
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0x14);
	conf.queues[0].size = 0;
	assert_int_equal(idxd_conf_enable(&conf), 0);
	assert_int_equal(conf.cmd_status, 0);
	assert_int_equal(conf.queues[1].size, 16);
	assert_int_equal(conf.groups[2].queue_bits, 2);
	assert_int_equal(conf.groups[2].engine_bits, 8);
	assert_int_equal(idxd_conf_enable(&conf), -ENXIO);
	assert_int_equal(conf.cmd_status, 0x80000010);
}

static void enable_fails(int rc, uint32_t status)
{
	assert_int_equal(idxd_wq_enable(&conf, 1), rc);
	assert_int_equal(conf.cmd_status, status);
	assert_false(conf.queues[1].enabled);
}

static void test_enable_queue(void **state)
{
	enable_fails(-ENXIO, 0);
	assert_int_equal(idxd_conf_start(&conf, "shared", "n"), 0);
	enable_fails(-ENODEV, 0x80200000);
	assert_int_equal(wq("driver_name", "users"), 0);
	enable_fails(-ENXIO, 0x80030000);
	conf.queues[1].group = 0;
	enable_fails(-ENXIO, 0x80040000);
	assert_int_equal(wq("name", "n"), 0);
	enable_fails(-ENXIO, 0x80060000);
	conf.queues[1].threshold = 1;
	enable_fails(-ENXIO, 0x23);
	assert_int_equal(wq("priority", "1"), 0);
	assert_int_equal(conf.queues[1].type, IDXD_TYPE_NONE);
	assert_int_equal(idxd_wq_enable(&conf, 1), 0);
	assert_int_equal(conf.cmd_status, 0);
	assert_int_equal(conf.queues[1].type, IDXD_TYPE_USER);
	assert_int_equal(conf.queues[1].size, 16);
	assert_int_equal(idxd_wq_enable_kernel(&conf, 2), -ENODEV);
	assert_int_equal(idxd_attr_store(&conf, IDXD_KIND_WQ, 2, "driver_name", "dmaengine"), 0);
	assert_int_equal(idxd_wq_enable_kernel(&conf, 2), -EOPNOTSUPP);
}

/* A queue loses its name and all but its size and group; of the device nothing is left. */
static void test_disable(void **state)
{
	assert_int_equal(idxd_conf_start(&conf, "dedicated+shared", "n"), 0);
	idxd_wq_disable(&conf, 0);
	assert_int_equal(conf.queues[0].size, 64);
	assert_int_equal(conf.queues[0].group, 0);
	assert_string_equal(conf.queues[0].driver_name, "user");
	assert_string_equal(conf.queues[0].name, "");
	assert_false(conf.queues[0].dedicated || conf.queues[0].block_on_fault ||
		     conf.queues[0].priority);
	assert_int_equal(conf.queues[0].max_xfer, 2 << 20);
	assert_int_equal(conf.queues[0].type, IDXD_TYPE_NONE);
	idxd_conf_disable(&conf);
	assert_false(conf.enabled || conf.queues[1].enabled || conf.queues[1].size);
	assert_int_equal(conf.queues[1].type, IDXD_TYPE_NONE);
	assert_int_equal(conf.queues[1].group, -1);
	assert_int_equal(conf.engines[0], -1);
}

static void test_start(void **state)
{
	assert_true(idxd_queues_valid("none") && idxd_queues_valid("shared+dedicated"));
	assert_false(idxd_queues_valid("") || idxd_queues_valid("shared+") ||
		     idxd_queues_valid("none+shared"));
	assert_int_equal(idxd_conf_start(&conf, "none", "n"), 0);
	assert_false(conf.enabled);
	conf.caps.wqcap = 128 | 1ull << 16;
	assert_int_equal(idxd_conf_start(&conf, "shared+shared", "n"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_store, setup),
		cmocka_unit_test_setup(test_shared_out, setup),
		cmocka_unit_test_setup(test_shown, setup),
		cmocka_unit_test_setup(test_enabled, setup),
		cmocka_unit_test_setup(test_enable_device, setup),
		cmocka_unit_test_setup(test_enable_queue, setup),
		cmocka_unit_test_setup(test_disable, setup),
		cmocka_unit_test_setup(test_start, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

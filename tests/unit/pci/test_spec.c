// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Specs: what is accepted, and the one sentence for what isn't.
 */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct uiommu_option_desc options[] = {
	{.name = "size", .type = UIOMMU_OPTION_UINT, .def = "4K", .min = 16, .max = 1 << 20},
	{.name = "fast", .type = UIOMMU_OPTION_BOOL, .def = "on"},
	{.name = "label", .type = UIOMMU_OPTION_STRING, .def = "none"},
	{.name = NULL},
};

static const struct uiommu_model model = {.name = "thing", .options = options};

static int parse(const char *text, char *errbuf, uint64_t *size, bool *fast, char *label)
{
	struct pci_spec spec = {.model = &model};
	char copy[128];
	int rc;

	snprintf(copy, sizeof(copy), "%s", text);
	errbuf[0] = '\0';
	rc = pci_spec_options(&spec, *text ? copy : NULL, errbuf, 256);
	if (!rc) {
		*size = spec.options[0].number;
		*fast = spec.options[1].number;
		snprintf(label, 32, "%s", spec.options[2].string);
	}
	pci_spec_fini(&spec);
	return rc;
}

static void test_options(void **state)
{
	char err[256], label[32];
	uint64_t size;
	bool fast;

	assert_int_equal(parse("", err, &size, &fast, label), 0);
	assert_int_equal(size, 4096);
	assert_true(fast);
	assert_string_equal(label, "none");
	assert_int_equal(parse("fast=off,size=0x20,label=a b=c", err, &size, &fast, label), 0);
	assert_int_equal(size, 32);
	assert_false(fast);
	assert_string_equal(label, "a b=c");
	assert_int_equal(parse("size=1M", err, &size, &fast, label), 0);
	assert_int_equal(size, 1 << 20);
}

static void test_option_errors(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"size=15", "from 16 to 1048576"},
		{"size=2M", "not \"2M\""},
		{"size=", "not \"\""},
		{"size=-1", "not \"-1\""},
		{"size=12Q", "not \"12Q\""},
		{"size=99999999999999999999", "from 16"},
		{"size=18014398509481985K", "from 16"}, /* 2^54 + 1 K wraps to 1 K */
		{"fast=yes", "\"on\" or \"off\""},
		{"fast", "needs a value"},
		{"slow=on", "its options are size, fast, label"},
		{"size=32,,fast=on", "no option \"\""},
		{"size=32,", "no option \"\""},
	};
	char err[256], label[32];
	uint64_t size;
	unsigned int i;
	bool fast;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].text, err, &size, &fast, label), -EINVAL);
		if (!strstr(err, cases[i].says))
			fail_msg("\"%s\" says: %s", cases[i].text, err);
		assert_null(strchr(err, '\n'));
	}
}

static void test_addresses(void **state)
{
	static const char *const bad[] = {"",
					  "1",
					  "01:00",
					  "01:00.8",
					  "01:20.0",
					  "100:00.0",
					  "0:1:2:3.0",
					  "01:00.0 ",
					  "01:00.00",
					  "g1:00.0",
					  ":00.0",
					  "00001:01:00.0",
					  "0000:0100:00.0",
					  "01:0x1.0"};
	struct pci_address address;
	char name[16];
	unsigned int i;

	assert_int_equal(pci_address_parse("01:1f.7", &address), 0);
	pci_address_format(&address, name);
	assert_string_equal(name, "0000:01:1f.7");
	assert_int_equal(pci_address_parse("ABcd:ff:0.0", &address), 0);
	pci_address_format(&address, name);
	assert_string_equal(name, "abcd:ff:00.0");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (pci_address_parse(bad[i], &address) != -EINVAL)
			fail_msg("\"%s\" was taken for an address", bad[i]);
	}
}

static void test_add(void **state)
{
	struct uiommu_pci_device *a, *b;
	struct uiommu_counts counts;
	struct uiommu *ctx;
	char err[256];

	assert_int_equal(uiommu_create(NULL, &ctx), 0);
	errno = 123;
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev@beef:01:00.0", &a, err, 256), 0);
	assert_string_equal(uiommu_pci_name(a), "beef:01:00.0");
	assert_int_equal(errno, 123);
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev@beef:1:0.0", &b, err, 256),
			 -EEXIST);
	assert_non_null(strstr(err, "beef:01:00.0"));
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev", &b, err, 256), 0);
	assert_true(a->group_id != b->group_id);
	assert_int_equal(uiommu_pci_device_add(ctx, "nothing", NULL, err, 256), -ENODEV);
	assert_non_null(strstr(err, "ats-testdev"));
	assert_int_equal(uiommu_pci_device_add(ctx, "", NULL, err, 256), -EINVAL);
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev@1", NULL, err, 256), -EINVAL);
	assert_non_null(strstr(err, "DDDD:BB:DD.F"));
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev\n", NULL, err, 256), -EINVAL);
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev,x=1", NULL, NULL, 0), -EINVAL);
	uiommu_get_counts(ctx, &counts);
	assert_int_equal(counts.devices, 2);
	uiommu_destroy(ctx);
}

/* Each of this machine's functions is refused. */
static void test_host_address(void **state)
{
	struct uiommu *ctx;
	char err[256];

	if (!pci_host_has("0000:00:00.0"))
		skip();
	assert_int_equal(uiommu_create(NULL, &ctx), 0);
	assert_int_equal(uiommu_pci_device_add(ctx, "ats-testdev@00:00.0", NULL, err, 256),
			 -EEXIST);
	assert_non_null(strstr(err, "this machine"));
	uiommu_destroy(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	     cmocka_unit_test(test_option_errors),
		cmocka_unit_test(test_addresses),    cmocka_unit_test(test_add),
		cmocka_unit_test(test_host_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* Memory that is taken back: what was mapped of it, and what is mapped afterwards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/dmabuf.h"

#define HUGE_PAGE (2ull << 20)

struct part {
	struct uiommu_mm *mm;
	uint64_t uaddr;
};

static int map(struct mm_dmabuf *buf, uint64_t start, uint64_t length, struct part *part)
{
	return mm_dmabuf_map(buf, start, length, &part->mm, &part->uaddr);
}

static size_t get(const struct part *part, char *byte)
{
	return uiommu_mm_read(part->mm, byte, part->uaddr, 1);
}

static size_t put(const struct part *part, char byte)
{
	return uiommu_mm_write(part->mm, part->uaddr, &byte, 1);
}

static void test_map(void **state)
{
	struct mm_dmabuf buf;
	struct part all, second;
	char byte = 1;

	assert_int_equal(mm_dmabuf_init(&buf, *state, 3 * PAGE), 0);
	assert_int_equal(map(&buf, 0, 3 * PAGE, &all), 0);
	assert_int_equal(map(&buf, PAGE + 1, 2 * PAGE - 1, &second), 0);
	assert_int_equal(map(&buf, PAGE, 2 * PAGE + 1, &second), -EINVAL);
	assert_int_equal(map(&buf, UINT64_MAX - 1, 2, &second), -EINVAL);
	assert_int_equal(all.uaddr % HUGE_PAGE, 0);
	assert_int_equal(second.uaddr % HUGE_PAGE, PAGE + 1);
	assert_true(mm_is_dmabuf(all.mm));
	assert_true(mm_is_file(all.mm));
	assert_int_equal(get(&second, &byte), 1);
	assert_int_equal(byte, 0);
	assert_int_equal(put(&second, 7), 1);
	assert_int_equal(uiommu_mm_read(all.mm, &byte, all.uaddr + PAGE + 1, 1), 1);
	assert_int_equal(byte, 7);
	mm_dmabuf_destroy(&buf);
	/* It stays for who has it. */
	assert_int_equal(get(&second, &byte), 1);
	assert_int_equal(byte, 7);
	uiommu_mm_put(all.mm);
	uiommu_mm_put(second.mm);
}

static void test_revoke(void **state)
{
	struct mm_dmabuf buf;
	struct part old, new;
	char byte;

	fixture_guard(true);
	assert_int_equal(mm_dmabuf_init(&buf, *state, PAGE), 0);
	assert_int_equal(map(&buf, 0, PAGE, &old), 0);
	assert_int_equal(put(&old, 5), 1);
	assert_int_equal(mm_dmabuf_revoke(&buf, true), 0);
	assert_int_equal(map(&buf, 0, PAGE, &new), -ENODEV);
	assert_int_equal(get(&old, &byte), 0);
	assert_int_equal(put(&old, 6), 0);
	assert_int_equal(mm_check(old.mm, old.uaddr, PAGE, UIOMMU_READ), 0);

	/* Given again it is what it was, but not for who had it before. */
	assert_int_equal(mm_dmabuf_revoke(&buf, false), 0);
	assert_int_equal(map(&buf, 0, PAGE, &new), 0);
	assert_int_equal(get(&new, &byte), 1);
	assert_int_equal(byte, 5);
	assert_int_equal(get(&old, &byte), 0);
	/* That takes it away as well. */
	assert_int_equal(mm_dmabuf_revoke(&buf, false), 0);
	assert_int_equal(get(&new, &byte), 0);
	mm_dmabuf_destroy(&buf);
	uiommu_mm_put(old.mm);
	uiommu_mm_put(new.mm);
	fixture_guard(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_revoke, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who is charged, up to which limit, and what others can read of it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../caps.h"
#include "fixture.h"
#include "mm/inline.h"
#include "mm/process.h"

static struct rlimit had;
static bool capable;

static void limit_pages(uint64_t pages)
{
	struct rlimit limit = {.rlim_cur = pages * PAGE, .rlim_max = had.rlim_max};

	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

static int setup(void **state)
{
	getrlimit(RLIMIT_MEMLOCK, &had);
	capable = cap_ipc_lock(true);
	return fixture_setup(state);
}

static int teardown(void **state)
{
	setrlimit(RLIMIT_MEMLOCK, &had);
	cap_ipc_lock(true);
	return fixture_teardown(state);
}

static struct uiommu_charges charges_of(int fd, pid_t pid)
{
	struct uiommu_charges now;

	assert_int_equal(uiommu_charges_read(fd, pid, &now), 0);
	return now;
}

#define assert_charges(fd, pid, pins, locks)                                                       \
	do {                                                                                       \
		struct uiommu_charges now_ = charges_of(fd, pid);                                  \
		assert_int_equal(now_.pinned, pins);                                               \
		assert_int_equal(now_.locked, locks);                                              \
	} while (0)

static int share(struct uiommu *ctx)
{
	int fd = memfd_create("charges", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_charges(fd, getpid(), 0, 0);
	assert_int_equal(uiommu_charges_share(ctx, fd), 0);
	return fd;
}

/* ---- limits ---- */

static void test_user(void **state)
{
	struct uiommu *ctx = *state;
	int fd = share(ctx);
	struct uiommu_mm *mm = mm_with_mode(ctx->self_mm, MM_CHARGE_USER);

	limit_pages(10);
	assert_int_equal(mm_charge(mm, 6), 0);
	assert_charges(fd, getpid(), 6, 0);
	assert_int_equal(mm_charge(mm, 5), -ENOMEM);
	assert_charges(fd, getpid(), 6, 0);
	assert_int_equal(mm_charge(mm, 4), 0);
	limit_pages(11);
	assert_int_equal(mm_charge(mm, 1), 0);
	/* Lowered: nothing is taken away, nothing more is had. */
	limit_pages(3);
	assert_int_equal(mm_charge(mm, 1), -ENOMEM);
	mm_uncharge(mm, 9);
	assert_int_equal(mm_charge(mm, 1), 0);
	mm_uncharge(mm, 3);
	assert_charges(fd, getpid(), 0, 0);
	close(fd);
}

/* With what it locked itself. */
static void test_mm(void **state)
{
	struct uiommu *ctx = *state;
	int fd = share(ctx);
	struct uiommu_mm *mm = mm_with_mode(ctx->self_mm, MM_CHARGE_MM);
	char *pages = fixture_pages(2);
	uint64_t locked = mm_process_locked(getpid());

	limit_pages(locked + 10);
	/* Sanitizers have an mlock() that does nothing. */
	assert_int_equal(syscall(SYS_mlock, pages, 2 * PAGE), 0);
	assert_int_equal(mm_process_locked(getpid()), locked + 2);
	assert_int_equal(mm_charge(mm, 9), -ENOMEM);
	assert_int_equal(mm_charge(mm, 8), 0);
	assert_charges(fd, getpid(), 8, 8);
	assert_int_equal(mm_charge(mm, 1), -ENOMEM);
	assert_int_equal(syscall(SYS_munlock, pages, 2 * PAGE), 0);
	assert_int_equal(mm_charge(mm, 2), 0);
	mm_uncharge(mm, 10);
	fixture_unmap(pages, 2);
	close(fd);
}

static void test_exempt(void **state)
{
	struct uiommu *ctx = *state;
	int fd = share(ctx);
	struct uiommu_mm *mm = mm_with_mode(ctx->self_mm, MM_CHARGE_NONE);

	limit_pages(1);
	assert_int_equal(mm_charge(mm, 1 << 20), 0);
	assert_charges(fd, getpid(), 1 << 20, 0);
	mm_uncharge(mm, 1 << 20);
	/* Nobody's. */
	assert_int_equal(mm_charge(ctx->self_mm, 7), 0);
	assert_charges(fd, getpid(), 0, 0);
	mm_uncharge(ctx->self_mm, 7);
	assert_int_equal(uiommu_charges_share(ctx, fd), -EBUSY);
	close(fd);
}

/* ---- who ---- */

static void test_who(void **state)
{
	struct uiommu *ctx = *state;
	struct uiommu_mm *mm;

	if (capable)
		assert_int_equal(mm_account_mode(mm_with_account(ctx->self_mm, true)),
				 MM_CHARGE_NONE);
	cap_ipc_lock(false);
	mm = mm_with_account(ctx->self_mm, false);
	assert_int_equal(mm_account_mode(mm), MM_CHARGE_USER);
	assert_int_equal(mm->uid, getuid());
	assert_ptr_equal(mm, mm_with_account(ctx->self_mm, false));
	assert_ptr_equal(mm_without_account(mm), ctx->self_mm);
	mm = mm_with_account(ctx->self_mm, true);
	assert_int_equal(mm_account_mode(mm), MM_CHARGE_MM);
	/* Another user. */
	if (!geteuid() && !setresuid(65534, (uid_t)-1, (uid_t)-1)) {
		mm = mm_with_account(ctx->self_mm, false);
		assert_int_equal(mm->uid, 65534);
		assert_true(mm_same_account(mm, mm_with_mode(ctx->self_mm, MM_CHARGE_USER)));
		assert_int_equal(setresuid(0, (uid_t)-1, (uid_t)-1), 0);
		assert_false(mm_same_account(mm, mm_with_account(ctx->self_mm, false)));
	}
}

static void test_watch(void **state)
{
	struct uiommu *ctx = *state;
	struct uiommu_mm *mm, *kept;

	uiommu_limits_watch(ctx, true);
	limit_pages(10);
	cap_ipc_lock(false);
	mm = kept = mm_with_account(ctx->self_mm, false);
	assert_int_equal(mm_charge(mm, 10), 0);
	/* Not told: that it's less isn't seen, that it's more is asked before we fail. */
	limit_pages(9);
	mm_uncharge(mm, 1);
	assert_int_equal(mm_charge(mm, 1), 0);
	limit_pages(12);
	assert_int_equal(mm_charge(mm, 2), 0);
	if (cap_ipc_lock(true)) {
		assert_ptr_equal(mm_with_account(ctx->self_mm, false), kept);
		uiommu_limits_watch(ctx, true);
		assert_int_equal(mm_account_mode(mm_with_account(ctx->self_mm, false)),
				 MM_CHARGE_NONE);
	}
	limit_pages(11);
	uiommu_limits_watch(ctx, true);
	assert_int_equal(mm_charge(mm, 0), -ENOMEM);
	mm_uncharge(mm, 12);
	uiommu_limits_watch(ctx, false);
	cap_ipc_lock(false);
	assert_int_equal(mm_account_mode(mm_with_account(ctx->self_mm, false)), MM_CHARGE_USER);
}

/* ---- several instances ---- */

/* Charges three pages of its own and two of its parent, says so, and waits for its end. */
static void child_main(int fd, int said)
{
	struct uiommu_mm *own, *parents, *of;
	struct uiommu *ctx = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fixture_setup((void **)&ctx) || uiommu_charges_share(ctx, fd))
		_exit(1);
	own = mm_with_mode(ctx->self_mm, MM_CHARGE_USER);
	of = uiommu_mm_of(ctx, getppid());
	if (UIOMMU_IS_ERR(of))
		_exit(2);
	parents = mm_with_mode(of, MM_CHARGE_MM);
	if (mm_charge(own, 3) || mm_charge(parents, 2) || write(said, "", 1) != 1)
		_exit(3);
	pause();
	_exit(0);
}

static void test_instances(void **state)
{
	struct uiommu *ctx = *state;
	int fd = share(ctx), said[2], status;
	struct uiommu_mm *mm = mm_with_mode(ctx->self_mm, MM_CHARGE_USER);
	pid_t child;
	char byte;

	assert_int_equal(mm_charge(mm, 4), 0);
	assert_int_equal(pipe(said), 0);
	child = fork();
	if (!child)
		child_main(fd, said[1]);
	close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	assert_charges(fd, child, 3, 0);
	assert_charges(fd, getpid(), 6, 2);
	limit_pages(8);
	assert_int_equal(mm_charge(mm, 2), -ENOMEM);
	assert_int_equal(mm_charge(mm, 1), 0);
	/* What it had counts no more. */
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_charges(fd, child, 0, 0);
	assert_charges(fd, getpid(), 5, 0);
	assert_int_equal(mm_charge(mm, 3), 0);
	mm_uncharge(mm, 8);
	close(said[0]);
	close(fd);
}

/* A full table counts no more, and one that was left is free again. */
static void test_table(void **state)
{
	struct mm_charge_table *table = mm_table_create();
	struct mm_charge *charge = NULL;
	pid_t gone = fork();

	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	for (unsigned int i = 0; i < MM_CHARGES; i++) {
		charge = mm_table_claim(table, getpid(), 1, 2, MM_CHARGE_USER);
		assert_non_null(charge);
		charge->pages = 1;
	}
	assert_int_equal(mm_table_sum(table, 0, 2, MM_CHARGE_USER), MM_CHARGES);
	assert_null(mm_table_claim(table, getpid(), 1, 2, MM_CHARGE_USER));
	charge->owner = (uint32_t)gone;
	assert_ptr_equal(mm_table_claim(table, getpid(), 1, 3, MM_CHARGE_MM), charge);
	assert_int_equal(mm_table_sum(table, 0, 2, MM_CHARGE_USER), MM_CHARGES - 1);
	mm_table_unmap(table);
}

/* Whoever can't look at an owner, or meets one that is just moving in, leaves it alone. */
static void test_collect(void **state)
{
	struct rlimit files, none;
	struct mm_charge_table *table = mm_table_create();
	struct mm_charge *charge = mm_table_claim(table, getpid(), 1, 2, MM_CHARGE_USER);

	assert_non_null(charge);
	charge->pages = 5;
	getrlimit(RLIMIT_NOFILE, &files);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = files.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	mm_table_collect(table);
	setrlimit(RLIMIT_NOFILE, &files);
	assert_int_equal(charge->owner, getpid());
	assert_int_equal(mm_table_sum(table, 0, 2, MM_CHARGE_USER), 5);
	/* It was another's before. */
	charge->owner_start++;
	mm_table_release(charge);
	charge->owner = (uint32_t)getpid();
	mm_table_collect(table);
	assert_int_equal(charge->owner, getpid());
	mm_table_unmap(table);
}

/* A file's pages are counted whether its payer has an account or not. */
static void test_file(void **state)
{
	struct uiommu *ctx = *state;
	int fd = memfd_create("pages", MFD_CLOEXEC);
	struct uiommu_mm *file, *payer = mm_with_mode(ctx->self_mm, MM_CHARGE_NONE);
	uint64_t uaddr;

	assert_int_equal(ftruncate(fd, 4 * PAGE), 0);
	assert_int_equal(mm_map_file(ctx->self_mm, fd, 0, 4 * PAGE, true, &file, &uaddr), 0);
	mm_set_payer(file, ctx->self_mm);
	assert_int_equal(mm_charge(file, 3), 0);
	assert_int_equal(mm_file_charged(file), 3);
	mm_set_payer(file, payer);
	assert_int_equal(mm_charge(payer, mm_file_charged(file)), 0);
	mm_uncharge(file, 3);
	assert_int_equal(mm_file_charged(file), 0);
	assert_int_equal(mm_account_pages(payer), 0);
	uiommu_mm_put(file);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exempt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_instances, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_collect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

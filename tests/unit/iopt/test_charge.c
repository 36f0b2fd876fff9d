// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Which pages are charged, against a model that counts them one by one: maps, copies of
 * parts, cuts, domains that come and go, pins, and a limit that is met at times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "mm/charge.h"

#define PAGE 4096ull
#define PAGES 32 /* of the memory */
#define SLOTS 24 /* in an address space: places of PAGES pages */
#define SPACES 3
#define MAPS 4096
#define PINS 16
#define LIMIT 120
#define STEPS 30000

/*
 * A place may hold one map's pages, or a copy's; cut: in two.
 *  map	0: nothing is there
 */
struct slot {
	unsigned int map;
	unsigned int first;
	unsigned int nr;
	unsigned int cut;
};

struct pin {
	unsigned int slot;
	unsigned int first;
	unsigned int nr;
};

struct space {
	struct iopt *iopt;
	unsigned int domains;
	struct slot slots[SLOTS];
	struct pin pins[PINS];
	unsigned int nr_pins;
};

struct run {
	struct uiommu *ctx;
	struct uiommu_mm *mm;
	char *memory;
	int fd;
	struct space spaces[SPACES];
	unsigned int maps;
	unsigned int limited;
	uint64_t seed;
};

static unsigned int pick(struct run *run, unsigned int n)
{
	run->seed ^= run->seed << 13;
	run->seed ^= run->seed >> 7;
	run->seed ^= run->seed << 17;
	return (unsigned int)((run->seed >> 11) % n);
}

static uint64_t place(unsigned int slot)
{
	return (1 + slot) * PAGES * PAGE;
}

/* ---- the model ---- */

static uint64_t model_pinned(const struct run *run)
{
	static unsigned char seen[MAPS][PAGES];
	uint64_t pinned = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < SPACES; i++) {
		const struct space *space = &run->spaces[i];

		for (unsigned int s = 0; s < SLOTS; s++) {
			const struct slot *slot = &space->slots[s];

			for (unsigned int p = 0; space->domains && slot->map && p < slot->nr; p++)
				seen[slot->map % MAPS][slot->first + p] = 1;
		}
		for (unsigned int n = 0; n < space->nr_pins; n++) {
			const struct pin *pin = &space->pins[n];
			const struct slot *slot = &space->slots[pin->slot];

			for (unsigned int p = 0; p < pin->nr; p++)
				seen[slot->map % MAPS][slot->first + pin->first + p] = 1;
		}
	}
	for (unsigned int m = 0; m < MAPS; m++) {
		for (unsigned int p = 0; p < PAGES; p++)
			pinned += seen[m][p];
	}
	return pinned;
}

/* It failed, and the model, which did it, says that this was right. */
static bool limited(struct run *run, int rc)
{
	if (rc != -ENOMEM)
		assert_int_equal(rc, 0);
	assert_int_equal(rc == -ENOMEM, model_pinned(run) > LIMIT);
	run->limited += rc == -ENOMEM;
	return rc;
}

static bool slot_pinned(const struct space *space, unsigned int s)
{
	for (unsigned int n = 0; n < space->nr_pins; n++) {
		if (space->pins[n].slot == s)
			return true;
	}
	return false;
}

/* ---- steps ---- */

static void step_map(struct run *run, struct space *space, unsigned int s)
{
	struct slot *slot = &space->slots[s];
	uint64_t iova = place(s);

	if (slot->map)
		return;
	slot->map = ++run->maps;
	slot->nr = 1 + pick(run, PAGES);
	slot->first = pick(run, PAGES - slot->nr + 1);
	slot->cut = 0;
	if (limited(run, iopt_map(space->iopt, run->mm, (uintptr_t)run->memory + slot->first * PAGE,
				  slot->nr * PAGE, UIOMMU_READ | UIOMMU_WRITE, IOPT_FIXED, &iova)))
		slot->map = 0;
}

static void step_copy(struct run *run, struct space *space, unsigned int s)
{
	struct space *src = &run->spaces[pick(run, SPACES)];
	unsigned int from = pick(run, SLOTS), skip;
	struct slot *slot = &space->slots[s];
	struct iopt_slices slices;
	uint64_t iova = place(s);

	if (slot->map || !src->slots[from].map || src->slots[from].cut)
		return;
	skip = pick(run, src->slots[from].nr);
	slot->map = src->slots[from].map;
	slot->first = src->slots[from].first + skip;
	slot->nr = 1 + pick(run, src->slots[from].nr - skip);
	slot->cut = 0;
	assert_int_equal(
		iopt_get_slices(src->iopt, place(from) + skip * PAGE, slot->nr * PAGE, &slices), 0);
	if (limited(run, iopt_map_slices(space->iopt, &slices, UIOMMU_READ, IOPT_FIXED, &iova)))
		slot->map = 0;
	iopt_put_slices(&slices);
}

static void step_unmap(struct run *run, struct space *space, unsigned int s)
{
	struct slot *slot = &space->slots[s];
	uint64_t unmapped;

	if (!slot->map || slot_pinned(space, s))
		return;
	assert_int_equal(iopt_unmap(space->iopt, place(s), PAGES * PAGE, &unmapped), 0);
	assert_int_equal(unmapped, slot->nr * PAGE);
	slot->map = 0;
}

static void step_cut(struct run *run, struct space *space, unsigned int s)
{
	struct slot *slot = &space->slots[s];
	uint64_t end;

	if (!slot->map || slot->nr < 2 || slot->cut || slot_pinned(space, s))
		return;
	slot->cut = 1 + pick(run, slot->nr - 1);
	end = place(s) + slot->cut * PAGE - 1;
	assert_int_equal(iopt_cut(space->iopt, &end, 1), 0);
}

static void step_domain(struct run *run, struct space *space)
{
	if (pick(run, 2) && space->domains < 3) {
		space->domains++;
		if (limited(run, iopt_add_domain(space->iopt, &space->slots[space->domains], 0,
						 UINT64_MAX, PAGE)))
			space->domains--;
	} else if (space->domains) {
		iopt_remove_domain(space->iopt, &space->slots[space->domains]);
		space->domains--;
	}
}

static void step_pin(struct run *run, struct space *space, unsigned int s)
{
	struct uiommu_page pages[PAGES];
	const struct slot *slot = &space->slots[s];
	struct pin *pin = &space->pins[space->nr_pins];

	if (!slot->map || space->nr_pins == PINS)
		return;
	pin->slot = s;
	pin->first = pick(run, slot->nr);
	pin->nr = 1 + pick(run, slot->nr - pin->first);
	space->nr_pins++;
	if (limited(run, iopt_pin(space->iopt, place(s) + pin->first * PAGE, pin->nr * PAGE, pages,
				  0, false)))
		space->nr_pins--;
}

static void step_unpin(struct run *run, struct space *space)
{
	unsigned int n = space->nr_pins ? pick(run, space->nr_pins) : 0;
	const struct pin *pin = &space->pins[n];

	if (!space->nr_pins)
		return;
	iopt_unpin(space->iopt, place(pin->slot) + pin->first * PAGE, pin->nr * PAGE, false);
	space->pins[n] = space->pins[--space->nr_pins];
}

static void step(struct run *run)
{
	struct space *space = &run->spaces[pick(run, SPACES)];
	unsigned int s = pick(run, SLOTS);

	switch (pick(run, 12)) {
	case 0:
	case 1:
		step_map(run, space, s);
		break;
	case 2:
	case 3:
	case 4:
		step_copy(run, space, s);
		break;
	case 5:
	case 6:
		step_unmap(run, space, s);
		break;
	case 7:
		step_cut(run, space, s);
		break;
	case 8:
		step_domain(run, space);
		break;
	case 9:
		step_pin(run, space, s);
		break;
	default:
		step_unpin(run, space);
	}
}

static void run_end(struct run *run)
{
	uint64_t unmapped;

	for (unsigned int i = 0; i < SPACES; i++) {
		struct space *space = &run->spaces[i];

		while (space->nr_pins)
			step_unpin(run, space);
		/* With a domain or two. */
		if (i)
			iopt_unmap_all(space->iopt, &unmapped);
		for (; space->domains; space->domains--)
			iopt_remove_domain(space->iopt, &space->slots[space->domains]);
		iopt_destroy(space->iopt);
	}
}

static uint64_t charged(int fd)
{
	struct uiommu_charges now;

	assert_int_equal(uiommu_charges_read(fd, getpid(), &now), 0);
	return now.pinned;
}

static void test_model(void **state)
{
	struct run run = {.ctx = *state, .seed = 88172645463325252ull};
	struct rlimit had, limit;

	getrlimit(RLIMIT_MEMLOCK, &had);
	limit = (struct rlimit){.rlim_cur = LIMIT * PAGE, .rlim_max = had.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	run.fd = memfd_create("charges", MFD_CLOEXEC);
	assert_int_equal(uiommu_charges_share(run.ctx, run.fd), 0);
	uiommu_limits_watch(run.ctx, true);
	run.mm = mm_with_mode(run.ctx->self_mm, MM_CHARGE_USER);
	run.memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	assert_true(run.memory != MAP_FAILED);
	for (unsigned int i = 0; i < SPACES; i++) {
		run.spaces[i].iopt = iopt_create(run.ctx);
		assert_non_null(run.spaces[i].iopt);
		assert_int_equal(iopt_disable_large_pages(run.spaces[i].iopt), 0);
	}
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&run);
		assert_int_equal(charged(run.fd), model_pinned(&run));
	}
	assert_true(run.limited > 100);
	run_end(&run);
	assert_int_equal(charged(run.fd), 0);
	munmap(run.memory, PAGES * PAGE);
	close(run.fd);
	setrlimit(RLIMIT_MEMLOCK, &had);
}

/* Bytes that touch a page are charged with all of it. */
static void test_bytes(void **state)
{
	struct uiommu *ctx = *state;
	struct iopt *iopt = iopt_create(ctx);
	struct uiommu_mm *mm = mm_with_mode(ctx->self_mm, MM_CHARGE_NONE);
	int fd = memfd_create("charges", MFD_CLOEXEC);
	char *memory =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t iova = 0, unmapped;

	assert_true(memory != MAP_FAILED);
	/* Counted from now on, in a table of its own until then. */
	assert_int_equal(uiommu_charges_share(ctx, fd), -EBUSY);
	close(fd);
	assert_int_equal(iopt_add_domain(iopt, &iova, 0, UINT64_MAX, 1), 0);
	assert_int_equal(
		iopt_map(iopt, mm, (uintptr_t)memory + PAGE - 1, PAGE + 2, UIOMMU_READ, 0, &iova),
		0);
	assert_int_equal(mm_account_pages(mm), 3);
	assert_int_equal(iopt_unmap(iopt, iova, PAGE + 2, &unmapped), 0);
	assert_int_equal(mm_account_pages(mm), 0);
	iopt_remove_domain(iopt, &iova);
	iopt_destroy(iopt);
	munmap(memory, 4 * PAGE);
}

/* An address space, memory of four pages, and an account; of what isn't a model's. */
struct small {
	struct uiommu *ctx;
	struct iopt *iopt;
	struct uiommu_mm *mm;
	char *memory;
};

static void small_init(struct small *small, struct uiommu *ctx)
{
	int fd = memfd_create("charges", MFD_CLOEXEC);

	*small = (struct small){.ctx = ctx, .iopt = iopt_create(ctx)};
	assert_int_equal(uiommu_charges_share(ctx, fd), 0);
	close(fd);
	small->mm = mm_with_mode(ctx->self_mm, MM_CHARGE_NONE);
	small->memory =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(small->memory != MAP_FAILED);
}

static void small_fini(struct small *small)
{
	uint64_t unmapped;

	assert_int_equal(iopt_unmap_all(small->iopt, &unmapped), 0);
	assert_int_equal(mm_account_pages(small->mm), 0);
	iopt_remove_domain(small->iopt, small);
	iopt_destroy(small->iopt);
	munmap(small->memory, 4 * PAGE);
}

static void small_map(struct small *small, uint64_t iova)
{
	assert_int_equal(iopt_map(small->iopt, small->mm, (uintptr_t)small->memory, 2 * PAGE,
				  UIOMMU_READ, IOPT_FIXED, &iova),
			 0);
}

/* It is cut inside of a page, which both parts have: in Linux, too, that is pinned once. */
static void test_half(void **state)
{
	uint64_t iova = 16 * PAGE, copy = 32 * PAGE, end = iova + PAGE + PAGE / 2 - 1;
	struct iopt_slices slices;
	struct small small;

	small_init(&small, *state);
	small_map(&small, iova);
	assert_int_equal(iopt_cut(small.iopt, &end, 1), 0);
	assert_int_equal(iopt_add_domain(small.iopt, &small, 0, UINT64_MAX, PAGE / 2), 0);
	assert_int_equal(mm_account_pages(small.mm), 2);
	assert_int_equal(iopt_get_slices(small.iopt, iova, 2 * PAGE, &slices), 0);
	assert_int_equal(slices.nr, 2);
	assert_int_equal(iopt_map_slices(small.iopt, &slices, UIOMMU_READ, IOPT_FIXED, &copy), 0);
	iopt_put_slices(&slices);
	assert_int_equal(mm_account_pages(small.mm), 2);
	small_fini(&small);
}

/* 65,536 maps later the number is another map's, and is told from the first no more. */
static void test_number_again(void **state)
{
	struct uiommu_page pages[2];
	struct iopt_slices slices;
	struct small small;

	small_init(&small, *state);
	assert_int_equal(iopt_add_domain(small.iopt, &small, 0, UINT64_MAX, PAGE), 0);
	small_map(&small, 16 * PAGE);
	assert_int_equal(iopt_get_slices(small.iopt, 16 * PAGE, 2 * PAGE, &slices), 0);
	iopt_put_slices(&slices);
	small.ctx->maps += UINT16_MAX;
	small_map(&small, 32 * PAGE);
	assert_int_equal(mm_account_pages(small.mm), 4);
	assert_int_equal(iopt_pin(small.iopt, 32 * PAGE, 2 * PAGE, pages, 0, false), 0);
	assert_int_equal(mm_account_pages(small.mm), 2);
	iopt_unpin(small.iopt, 32 * PAGE, 2 * PAGE, false);
	small_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_model, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_bytes, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_half, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_number_again, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * dsa, and descriptors, portals and registers that are written at random.
 *
 * Each step knows which bytes of the arena its descriptors may change: what they name as
 * destinations, as far as the completion record says that it was done, and the records.  All
 * others must be what they were; and after each round the device still works.  A
 * failure names its seed and step.
 */
#include <pthread.h>

#include "dsa_rig.h"

#define SEEDS 24u
#define STEPS 400u
#define THREAD_STEPS 2000u
#define LIST_MAX 16u /* as many as the device reads at once */
#define SIZE (ARENA * PAGE)

/* One stream of what is random, and the part of the arena that it works on. */
struct stream {
	uint64_t state;
	uint64_t start; /* offsets in the arena */
	uint64_t end;
	bool tame; /* only descriptors that say when they are done */
};

static uint8_t may_change[SIZE], before[SIZE];
static unsigned int seed, nth; /* which step it is */

static uint64_t draw(struct stream *s)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state;
}

static bool one_in(struct stream *s, unsigned int n)
{
	return !(draw(s) % n);
}

/* Mostly inside, now and then across or far beyond an end. */
static uint64_t some_address(struct stream *s)
{
	if (!s->tame && one_in(s, 16))
		return draw(s) >> draw(s) % 64;
	if (!s->tame && one_in(s, 8))
		return BASE + s->end - draw(s) % 200;
	return BASE + s->start + draw(s) % (s->end - s->start);
}

static uint32_t some_size(struct stream *s)
{
	uint64_t word = draw(s);

	if (one_in(s, 16))
		return (uint32_t)word;
	return (uint32_t)(word % (one_in(s, 4) ? 20000 : 200));
}

static struct dsa_desc some_desc(struct stream *s)
{
	static const uint8_t ops[] = {
		DSA_OP_NOOP, DSA_OP_DRAIN,   DSA_OP_MEMMOVE,	     DSA_OP_MEMMOVE,
		DSA_OP_FILL, DSA_OP_COMPARE, DSA_OP_COMPARE_PATTERN, DSA_OP_DUALCAST,
		DSA_OP_CRC,  DSA_OP_COPY_CRC};
	struct dsa_desc desc = {
		.flags_op = (uint32_t)ops[draw(s) % sizeof(ops)] << 24 | REC,
		.src = some_address(s),
		.dst = some_address(s),
		.size = some_size(s),
		.record = some_address(s) & ~31ull,
	};
	uint64_t words[8];

	if (dsa_opcode(&desc) == DSA_OP_NOOP)
		desc.src = desc.dst = desc.size = 0;
	if (dsa_opcode(&desc) == DSA_OP_DUALCAST)
		desc.dst2 = one_in(s, 4) ? some_address(s) : desc.dst + draw(s) % 9 * PAGE;
	if (one_in(s, 4))
		desc.flags_op |= 1u << draw(s) % 19;
	desc.int_handle = (uint16_t)(draw(s) % 12);
	/* Any bit at all. */
	memcpy(words, &desc, sizeof(desc));
	if (!s->tame && one_in(s, 4))
		words[draw(s) % 8] ^= 1ull << draw(s) % 64;
	memcpy(&desc, words, sizeof(desc));
	return desc;
}

/* [addr, addr + size) may be written; each byte of the arena, by its offset. */
static void allow(uint64_t addr, uint64_t size)
{
	uint64_t from = addr < BASE ? BASE : addr;
	uint64_t to = addr + size < addr || addr + size > BASE + SIZE ? BASE + SIZE : addr + size;

	if (from < to)
		memset(may_change + from - BASE, 1, to - from);
}

/* As far as @done bytes, and the record. */
static void allow_desc(const struct dsa_desc *desc, uint64_t done)
{
	switch (dsa_opcode(desc)) {
	case DSA_OP_DUALCAST:
		/* A page at a time, so one of the two may be ahead. */
		allow(desc->dst2, done < desc->size ? done + DSA_BOUNCE : done);
		allow(desc->dst, done < desc->size ? done + DSA_BOUNCE : done);
		break;
	case DSA_OP_MEMMOVE:
	case DSA_OP_FILL:
	case DSA_OP_COPY_CRC:
		allow(desc->dst, done);
		break;
	default:
		break;
	}
	if (dsa_flags(desc) & DSA_FLAG_CRAV && !(desc->record % sizeof(struct dsa_record)))
		allow(desc->record, sizeof(struct dsa_record));
}

/* How far the record says that it came; none was written: it may be all of it. */
static uint64_t done_of(const struct dsa_desc *desc)
{
	uint64_t at = desc->record - BASE;
	struct dsa_record rec;

	if (!(dsa_flags(desc) & DSA_FLAG_CRAV) || at % sizeof(rec) || at >= SIZE ||
	    !memcmp(b.arena + at, before + at, sizeof(rec)))
		return desc->size;
	memcpy(&rec, b.arena + at, sizeof(rec));
	if ((rec.status & ~DSA_STATUS_WRITE) >= DSA_BAD_OPCODE &&
	    (rec.status & ~DSA_STATUS_WRITE) != DSA_TRANSLATION_FAIL)
		return 0;
	return rec.done;
}

static bool only_allowed(void)
{
	for (uint64_t i = 0; i < SIZE; i++)
		if (b.arena[i] != before[i] && !may_change[i]) {
			print_error("seed %u, step %u: byte %#lx of the arena changed\n", seed, nth,
				    (unsigned long)i);
			return false;
		}
	return true;
}

static void send(struct stream *s, const struct dsa_desc *desc)
{
	uint64_t portal = draw(s) % (one_in(s, 8) ? DSA_WQS * DSA_PORTALS : DSA_PORTALS);
	uint64_t at = portal * DSA_PORTAL_SIZE + draw(s) % 64 * 64;

	if (one_in(s, 8))
		pci_mmio_enqueue(b.pdev, 2, at, desc);
	else
		pci_mmio_write_block(b.pdev, 2, at, desc);
}

static void step_one(struct stream *s)
{
	struct dsa_desc desc = some_desc(s);

	if (dsa_opcode(&desc) == DSA_OP_BATCH)
		return;
	send(s, &desc);
	/* What it wrote over its own record tells nothing. */
	allow_desc(&desc, done_of(&desc));
	if (!only_allowed()) {
		memset(may_change, 0, SIZE);
		allow_desc(&desc, desc.size);
		assert_true(desc.record >= desc.dst && desc.record < desc.dst + desc.size);
		assert_true(only_allowed());
	}
}

static void step_batch(struct stream *s)
{
	uint64_t at = s->start + draw(s) % (s->end - s->start - LIST_MAX * 64 - 64);
	uint32_t count = (uint32_t)(draw(s) % (LIST_MAX + 1));
	struct dsa_desc desc = desc_of(DSA_OP_BATCH, REC, 0, 0, count), list[LIST_MAX];

	if (!one_in(s, 16))
		at &= ~63ull;
	for (uint32_t i = 0; i < count; i++) {
		list[i] = some_desc(s);
		/* One of them may be this batch itself. */
		if (one_in(s, 16))
			list[i].flags_op = DSA_OP_BATCH << 24 | REC;
		if (one_in(s, 16))
			list[i].dst = BASE + at;
	}
	memcpy(b.arena + at, list, count * sizeof(*list));
	memcpy(before, b.arena, SIZE);
	desc.src = BASE + at;
	desc.record = some_address(s) & ~31ull;
	send(s, &desc);
	for (uint32_t i = 0; i < count; i++)
		allow_desc(&list[i], list[i].size);
	allow_desc(&desc, 0);
	assert_true(only_allowed());
}

static void step_register(struct stream *s)
{
	static const uint64_t places[] = {DSA_GENCFG,	  DSA_GENCTRL, DSA_INTCAUSE, DSA_CMD,
					  DSA_SWERR,	  DSA_GRPCFG,  DSA_WQCFG,    DSA_WQCFG + 8,
					  DSA_WQCFG + 12, DSA_MSIXPERM};
	uint64_t at = places[draw(s) % (sizeof(places) / sizeof(places[0]))] + draw(s) % 8 * 64;
	uint64_t value = draw(s) >> draw(s) % 64, got;
	unsigned int size = 1u << draw(s) % 4;

	if (one_in(s, 4))
		at = draw(s) % DSA_MSIX_TABLE;
	at &= ~(uint64_t)(size - 1);
	/* A command with an operand that means something. */
	if (at == DSA_CMD && size >= 4)
		value = draw(s) % 20 << 20 | draw(s) % 16 | (one_in(s, 8) ? 1u << 31 : 0);
	assert_int_equal(pci_mmio_write(b.pdev, 0, at, size, value), 0);
	assert_int_equal(pci_mmio_read(b.pdev, 0, at, size, &got), 0);
	assert_true(only_allowed());
}

static void step(struct stream *s)
{
	memset(may_change, 0, SIZE);
	memcpy(before, b.arena, SIZE);
	switch (draw(s) % 8) {
	case 0:
		step_register(s);
		break;
	case 1:
	case 2:
		step_batch(s);
		break;
	default:
		step_one(s);
	}
}

/* A reset makes the device good for anything again. */
static void restart(void)
{
	assert_int_equal(command(5, 0), 0);
	set(DSA_SWERR, 1, 8);
	config_wq(1, 8, DSA_WQ_PASID_EN | DSA_WQ_BOF);
	enable(DSA_WQ_MODE_DEDICATED | DSA_WQ_BOF);
	assert_int_equal(command(6, 1), 0);
	memset(b.arena, 1, 64);
	assert_int_equal(run(desc_of(DSA_OP_MEMMOVE, REC, BASE, BASE + PAGE, 64)), DSA_SUCCESS);
	assert_memory_equal(b.arena, b.arena + PAGE, 64);
}

static void test_random(void **state)
{
	for (seed = 1; seed <= SEEDS; seed++) {
		struct stream s = {.state = seed * 0x9e3779b97f4a7c15ull, .end = SIZE};

		restart();
		for (nth = 0; nth < STEPS; nth++) {
			step(&s);
			if (nth % 50 == 49)
				restart();
		}
	}
}

/* ---- two threads, one portal; each has a half of the arena ---- */

static bool half_is_good(const struct stream *s, const uint8_t *old, const struct dsa_desc *desc)
{
	uint64_t dst = desc->dst - BASE, dst2 = desc->dst2 - BASE, rec = desc->record - BASE;
	uint8_t op = dsa_opcode(desc);
	bool writes = op == DSA_OP_MEMMOVE || op == DSA_OP_FILL || op == DSA_OP_COPY_CRC ||
		      op == DSA_OP_DUALCAST;

	for (uint64_t i = s->start; i < s->end; i++) {
		if (b.arena[i] == old[i] || i - rec < sizeof(struct dsa_record) ||
		    (writes && i - dst < desc->size) ||
		    (op == DSA_OP_DUALCAST && i - dst2 < desc->size))
			continue;
		return false;
	}
	return true;
}

static void *in_half(void *arg)
{
	struct stream *s = arg;
	uint8_t *old = malloc(SIZE);

	for (unsigned int i = 0; old && i < THREAD_STEPS; i++) {
		struct dsa_desc desc = some_desc(s);
		struct dsa_record *rec;

		desc.size %= 1000;
		desc.dst = BASE + s->start + draw(s) % (SIZE / 2 - 1000);
		desc.dst2 = dsa_opcode(&desc) == DSA_OP_DUALCAST ?
				    BASE + s->start + draw(s) % (SIZE / 2 - 1000) :
				    0;
		desc.flags_op |= REC;
		/* Where nothing else is written. */
		desc.record = BASE + s->end - 64;
		if (desc.dst + desc.size > desc.record ||
		    (desc.dst2 && desc.dst2 + desc.size > desc.record))
			continue;
		rec = (struct dsa_record *)(b.arena + desc.record - BASE);
		memset(rec, 0, sizeof(*rec));
		memcpy(old + s->start, b.arena + s->start, SIZE / 2);
		pci_mmio_write_block(b.pdev, 2, 0, &desc);
		while (!__atomic_load_n(&rec->status, __ATOMIC_ACQUIRE))
			;
		if (!half_is_good(s, old, &desc)) {
			s->start = SIZE; /* tells */
			break;
		}
	}
	free(old);
	return NULL;
}

static void test_random_threads(void **state)
{
	struct stream streams[2];
	pthread_t threads[2];

	restart();
	for (unsigned int i = 0; i < 2; i++) {
		streams[i] = (struct stream){
			.state = 77 + i,
			.start = i * SIZE / 2,
			.end = (i + 1) * SIZE / 2,
			.tame = true,
		};
		assert_int_equal(pthread_create(&threads[i], NULL, in_half, &streams[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		assert_int_not_equal(streams[i].start, SIZE);
	}
	restart();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(test_random), TEST(test_random_threads)};

	return cmocka_run_group_tests_name("dsa, at random", tests, NULL, NULL);
}

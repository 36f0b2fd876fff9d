/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client of /dev/dsa/wqN.M that means no good: it takes memory away under moves that are
 * running, and looks at the same pages by a second mapping; it is killed, ends, and becomes
 * another program among a great many moves.
 *
 * Argument "next": the other program.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "wq.h"

#define LENGTH (16 * PAGE)
#define MARK 0x5a
#define MOVERS 2
/* Apart from what anybody else is given. */
#define TARGET ((uint8_t *)0x100000000000ul)
#define ELSEWHERE ((uint8_t *)0x100010000000ul)

/* ---- who submits ---- */

/*
 *  stop, moves	atomic; moves that have come to an end
 */
struct mover {
	pthread_t thread;
	volatile char *portal;
	int wq;
	uint64_t moves;
	bool stop;
};

static uint8_t source[LENGTH];
static struct mover movers[MOVERS];

/* One by a portal, one by write(); how they end is all the same to them. */
static void *move(void *arg)
{
	struct mover *m = arg;
	struct record record;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		struct desc desc = move_of(source, TARGET, LENGTH, &record);

		if (m->portal) {
			while (!enqcmd(m->portal, &desc))
				;
		} else {
			CHECK(write(m->wq, &desc, sizeof(desc)) == sizeof(desc));
		}
		while (!record.status)
			sched_yield();
		__atomic_fetch_add(&m->moves, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void start(void)
{
	for (int i = 0; i < MOVERS; i++) {
		struct mover *m = &movers[i];

		m->wq = open(SHARED, O_RDWR | O_CLOEXEC);
		CHECK(m->wq >= 0);
		m->portal = i ? NULL : portal_of(m->wq);
		m->stop = false;
		CHECK(!pthread_create(&m->thread, NULL, move, m));
	}
}

/* Until each has come to some more ends, that of what is under way included. */
static void let_run(uint64_t n)
{
	for (int i = 0; i < MOVERS; i++) {
		uint64_t until = __atomic_load_n(&movers[i].moves, __ATOMIC_SEQ_CST) + n;

		while (__atomic_load_n(&movers[i].moves, __ATOMIC_SEQ_CST) < until)
			sched_yield();
	}
}

static void finish(void)
{
	for (int i = 0; i < MOVERS; i++) {
		struct mover *m = &movers[i];

		__atomic_store_n(&m->stop, true, __ATOMIC_RELEASE);
		pthread_join(m->thread, NULL);
		if (m->portal)
			CHECK(!munmap((void *)(uintptr_t)m->portal, PAGE));
		CHECK(!close(m->wq));
	}
}

/* ---- memory that is taken away ---- */

static bool filled_with(const volatile uint8_t *p, uint8_t byte)
{
	for (size_t i = 0; i < LENGTH; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void map_at(void *at, int flags, int fd)
{
	CHECK(mmap(at, LENGTH, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0) == at);
}

static void unmap(void)
{
	CHECK(!munmap(TARGET, LENGTH));
}

static void cover(void)
{
	map_at(TARGET, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static void protect(void)
{
	CHECK(!mprotect(TARGET, LENGTH, PROT_READ));
}

static void move_away(void)
{
	CHECK(mremap(TARGET, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, ELSEWHERE) ==
	      ELSEWHERE);
}

/* Something else is moved to where it was. */
static void move_over(void)
{
	map_at(ELSEWHERE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECK(mremap(ELSEWHERE, LENGTH, LENGTH, MREMAP_MAYMOVE | MREMAP_FIXED, TARGET) == TARGET);
}

/*
 * Pages that the device writes to, at TARGET, until @take has returned; not a byte of
 * them changes any more.
 */
static void take_away(void (*take)(void))
{
	int fd = memfd_create("pages", MFD_CLOEXEC);
	uint8_t *view;

	CHECK(fd >= 0 && !ftruncate(fd, LENGTH));
	view = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(view != MAP_FAILED);
	map_at(TARGET, MAP_SHARED, fd);
	while (!__atomic_load_n(&view[LENGTH / 2], __ATOMIC_ACQUIRE))
		sched_yield();
	take();
	memset(view, MARK, LENGTH);
	let_run(2);
	CHECK(filled_with(view, MARK));
	munmap(TARGET, LENGTH);
	munmap(ELSEWHERE, LENGTH);
	munmap(view, LENGTH);
	close(fd);
}

static void test_taken_away(void)
{
	void (*const ways[])(void) = {unmap, cover, protect, move_away, move_over};

	start();
	for (unsigned int i = 0; i < 4 * sizeof(ways) / sizeof(ways[0]); i++)
		take_away(ways[i % (sizeof(ways) / sizeof(ways[0]))]);
	finish();
}

/* ---- processes that end ---- */

enum ending {
	KILLED,
	EXITS,
	EXECUTES,
	ENDINGS
};

static void end(enum ending ending)
{
	start();
	/* As long as the other side likes. */
	if (ending == KILLED)
		for (;;)
			pause();
	let_run(3);
	if (ending == EXECUTES)
		execl("/proc/self/exe", "client-hostile", "next", NULL);
	exit(0);
}

/* A child moves into shared memory, and what it has begun ends with it. */
static void one_ending(enum ending ending)
{
	volatile uint8_t *view;
	int fd = memfd_create("pages", MFD_CLOEXEC), status;
	pid_t pid;

	CHECK(fd >= 0 && !ftruncate(fd, LENGTH));
	map_at(TARGET, MAP_SHARED, fd);
	view = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(view != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		end(ending);
	while (!view[LENGTH - 1])
		sched_yield();
	if (ending == KILLED)
		CHECK(!kill(pid, SIGKILL));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == (ending == KILLED ? SIGKILL : 0));
	memset((void *)(uintptr_t)view, MARK, LENGTH);
	sched_yield();
	CHECK(filled_with(view, MARK));
	munmap(TARGET, LENGTH);
	munmap((void *)(uintptr_t)view, LENGTH);
	close(fd);
}

static void test_endings(void)
{
	for (int i = 0; i < 3 * ENDINGS; i++)
		one_ending((enum ending)(i % ENDINGS));
}

/* ---- the device goes on ---- */

static void test_works(void)
{
	int wq = open(SHARED, O_RDWR);
	struct record record;
	struct desc desc;

	CHECK(wq >= 0);
	cover();
	desc = move_of(source, TARGET, LENGTH, &record);
	CHECK(write(wq, &desc, sizeof(desc)) == sizeof(desc) && status_of(&record) == 1);
	CHECK(!memcmp(TARGET, source, LENGTH));
	close(wq);
	munmap(TARGET, LENGTH);
}

int main(int argc, char **argv)
{
	memset(source, 0x77, LENGTH);
	if (argc > 1) {
		/* Another program finds the device as it is, and memory of its own. */
		test_works();
		return 0;
	}
	test_taken_away();
	/* With a device open here, and without one in the children: theirs are their own. */
	test_endings();
	test_works();
	return 0;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/scn_telling.c - the host is told of a file while that is closed
 */
#include "base/telling.h"
#include "explore/rig.h"
#include "explore/scenarios.h"

/*
 * As a fault queue and its file: the queue's memory goes with its last user.
 *  open	lock
 *  users	atomic
 */
struct queue {
	struct ui_mutex lock;
	struct ui_telling telling;
	bool open;
	uint64_t users;
	uint64_t *file;
};

static struct queue *queue;

static void put_queue(void)
{
	if (ui_fetch_sub(&queue->users, 1) == 1) {
		ui_mutex_destroy(&queue->lock);
		ui_free(queue);
	}
}

static void setup(void)
{
	queue = ui_zalloc(sizeof(*queue));
	ui_mutex_init(&queue->lock);
	ui_telling_init(&queue->telling);
	queue->file = ui_zalloc(sizeof(*queue->file));
	queue->open = true;
	queue->users = 1;
}

static void finish_nothing(void)
{
}

static void tell(void)
{
	uint64_t *file = NULL;

	ui_mutex_lock(&queue->lock);
	if (queue->open) {
		file = queue->file;
		ui_telling_begin(&queue->telling);
	}
	ui_mutex_unlock(&queue->lock);
	if (!file)
		return;
	ui_fetch_add(file, 1);
	ui_telling_end(&queue->telling, &queue->lock);
}

static void tell_twice(void)
{
	tell();
	tell();
}

/* The file alone: who tells is a user of the queue. */
static void close_file(void)
{
	ui_mutex_lock(&queue->lock);
	queue->open = false;
	ui_telling_wait(&queue->telling, &queue->lock);
	ui_mutex_unlock(&queue->lock);
	ui_free(queue->file);
}

static void finish_queue(void)
{
	put_queue();
}

const struct scenario scn_telling_close = {
	.name = "telling-close",
	.summary = "who tells of a file against its close",
	.bound = 3,
	.setup = setup,
	.threads = {tell_twice, close_file},
	.names = {"teller", "close"},
	.finish = finish_queue,
};

const struct scenario scn_telling_two = {
	.name = "telling-two",
	.summary = "two who tell of a file against its close",
	.bound = 2,
	.setup = setup,
	.threads = {tell, tell, close_file},
	.names = {"teller 1", "teller 2", "close"},
	.finish = finish_queue,
};

/* The teller is in it already, and nobody else keeps the memory. */
static uint64_t *told;

static void setup_told(void)
{
	setup();
	told = queue->file;
	ui_telling_begin(&queue->telling);
}

static void tell_told(void)
{
	ui_fetch_add(told, 1);
	ui_telling_end(&queue->telling, &queue->lock);
}

static void close_all(void)
{
	close_file();
	put_queue();
}

const struct scenario scn_telling_last = {
	.name = "telling-last",
	.summary = "who tells of a file against the close that takes all with it",
	.bound = 3,
	.setup = setup_told,
	.threads = {tell_told, close_all},
	.names = {"teller", "close"},
	.finish = finish_nothing,
};

/* ---- wrong on purpose ---- */

/* Nobody is on the count; isn't that enough? */
static void close_by_count(void)
{
	ui_fetch_sub(&queue->telling.count, 1);
	while (ui_load_acquire(&queue->telling.count))
		ui_spin_pause(0);
	ui_free(queue->file);
	put_queue();
}

const struct scenario scn_broken_telling = {
	.name = "broken-telling",
	.summary = "a close that waits for the count and not for who took it to nothing",
	.broken = true,
	.bound = 3,
	.setup = setup_told,
	.threads = {tell_told, close_by_count},
	.names = {"teller", "close"},
	.finish = finish_nothing,
};

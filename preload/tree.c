/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The names that the tree has.
 *
 * Stored: the manifest's paths, by their components: each name has its children in a list, and
 * a word with a bit for the first byte of each.  So a path that isn't ours is found out
 * at the first component that the tree hasn't, mostly by its first byte: a client's calls with
 * other paths must not become slower by having us here.
 *
 * Made at the first path under /dev or /sys, in memory that is no heap block: it lives as
 * long as the process, and a leak checker has nothing to say about it.
 */
#include "tree.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <uiommu/file.h>

#include "real.h"
#include "shim.h"
#include "valgrind.h"

/* Immutable once the top is published. */
struct tree_name {
	struct tree_name *next;
	struct tree_name *children;
	uint64_t first; /* bit N: a child whose first byte is N modulo 64 */
	uint64_t word;	/* the first eight bytes of text, or fewer and zeros */
	dev_t rdev;
	bool node;
	bool listing;
	bool whole; /* all below is the tree's */
	unsigned char len;
	char text[];
};

#define ARENA_SIZE ((size_t)64 << 10)
#define TEXT_MAX 255

/*
 *  top			NULL until the manifest was read
 *  dev, sys		names that nearly all others are below of; set before
 *  careful		nothing behind the end of a path is to be read; set before
 */
static const struct tree_name *top, *dev, *sys;
static bool failed, careful;

static uint64_t first_bit(char c)
{
	return 1ull << (c & 63);
}

/* Is it what @p begins with? */
static bool is_at(const struct tree_name *name, const char *p)
{
	return name->text[0] == *p && !strncmp(name->text, p, name->len) &&
	       (!p[name->len] || p[name->len] == '/');
}

/* Of the name that @p begins with; NULL: there is none. */
static struct tree_name *child_of(const struct tree_name *name, const char *p)
{
	struct tree_name *child;

	if (!(name->first & first_bit(*p)))
		return NULL;
	for (child = name->children; child && !is_at(child, p); child = child->next)
		;
	return child;
}

static size_t component(const char *p)
{
	size_t len = 0;

	while (p[len] && p[len] != '/')
		len++;
	return len;
}

/* ---- making it ---- */

/* Under way, nobody else's yet. */
struct make {
	char *arena;
	size_t used;
	struct tree_name *top;
	bool failed;
};

static struct tree_name *name_new(struct make *make, struct tree_name *above, const char *text,
				  size_t len)
{
	size_t size = (sizeof(struct tree_name) + len + 15) & ~(size_t)15;
	struct tree_name *fresh;

	if (len > TEXT_MAX)
		return NULL;
	if (!make->arena || make->used + size > ARENA_SIZE) {
		make->arena = real_mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		make->used = 0;
		if (make->arena == MAP_FAILED) {
			make->arena = NULL;
			return NULL;
		}
	}
	fresh = (struct tree_name *)(void *)(make->arena + make->used);
	make->used += size;
	fresh->len = (unsigned char)len;
	memcpy(fresh->text, text, len);
	memcpy(&fresh->word, text, len < 8 ? len : 8);
	if (above) {
		fresh->next = above->children;
		above->children = fresh;
		above->first |= first_bit(*text);
	}
	return fresh;
}

static void visit(void *opaque, const struct uiommu_tree_entry *entry)
{
	struct make *make = opaque;
	struct tree_name *name = make->top, *child;
	const char *p = entry->path + 1;

	for (size_t len; (len = component(p)); p += len + (p[len] == '/')) {
		child = child_of(name, p);
		if (!child)
			child = name_new(make, name, p, len);
		if (!child) {
			make->failed = true;
			return;
		}
		name = child;
	}
	name->node |= entry->kind == UIOMMU_TREE_NODE;
	name->listing |= entry->kind == UIOMMU_TREE_DIR;
	name->whole |= entry->kind == UIOMMU_TREE_MERGE;
	if (entry->kind == UIOMMU_TREE_NODE)
		name->rdev = entry->rdev;
}

/*
 * No lock: two threads may both read it, and one's names are not used.  So a fork at any
 * moment leaves the child something that it can use.
 */
static void tree_make(void)
{
	const struct tree_name *expected = NULL;
	struct make make = {.failed = false};
	struct shim_entry entry;
	char why[256] = "";
	int dir, rc = -ENOENT;

	shim_enter(&entry);
	careful = valgrind_running();
	make.top = name_new(&make, NULL, "", 0);
	dir = real_open(shim_run_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		/* Gone with its run; or this is another user, or other mounts. */
		snprintf(why, sizeof(why), "can't open %.200s: %s", shim_run_dir(),
			 strerror(errno));
	else if (make.top)
		rc = uiommu_tree_load(NULL, dir, visit, &make, why, sizeof(why));
	if (!rc && !make.failed && make.top->children) {
		/* Another thread's are as good: nothing of theirs is ever freed. */
		__atomic_store_n(&dev, child_of(make.top, "dev") ?: make.top, __ATOMIC_RELEASE);
		__atomic_store_n(&sys, child_of(make.top, "sys") ?: make.top, __ATOMIC_RELEASE);
		__atomic_compare_exchange_n(&top, &expected, make.top, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED);
	} else if (!__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED)) {
		log_line("no devices here: %s", why);
	}
	if (dir >= 0)
		real_close(dir);
	shim_leave(&entry);
}

bool tree_ready(void)
{
	if (shim_likely(__atomic_load_n(&top, __ATOMIC_ACQUIRE) != NULL))
		return true;
	if (__atomic_load_n(&failed, __ATOMIC_RELAXED))
		return false;
	tree_make();
	return __atomic_load_n(&top, __ATOMIC_ACQUIRE) != NULL;
}

/* ---- looking ---- */

/*
 * As far down as the tree goes; *@rest is where in @path that ends, and *@whole whether something on the way
 * is all the tree's.
 */
static const struct tree_name *walk(const char *path, const char **rest, bool *whole)
{
	const struct tree_name *name = top, *child;
	const char *p = path + 1;

	*whole = false;
	while (*p && (child = child_of(name, p))) {
		name = child;
		*whole |= name->whole;
		p += name->len;
		p += *p == '/';
	}
	*rest = p;
	return name;
}

void tree_find(const char *path, struct tree_place *place)
{
	const struct tree_name *name;
	const char *rest;
	bool whole;

	name = walk(path, &rest, &whole);
	*place = (struct tree_place){.found = whole, .folder = whole};
	if (*rest)
		return;
	place->node = name->node;
	place->listing = name->listing;
	place->found |= name->node || name->listing;
	place->rdev = name->rdev;
	/* What is above a name leads to it. */
	place->folder = !name->node && (whole || name->listing || name->children);
}

unsigned int tree_above(const char *path)
{
	unsigned int up = 0;
	const char *rest;
	bool whole;

	walk(path, &rest, &whole);
	for (; *rest && !whole; rest += component(rest), rest += *rest == '/')
		up++;
	return up;
}

/*
 * The start of a client's path, looked at once.
 *  ends	where its names end, by a bit for each byte
 *  doubtful	it has "//" or "/." (of any length)
 *  words	more than its own bytes can be loaded
 */
struct text {
	const char *path;
	uint64_t ends;
	bool doubtful;
	bool words;
};

#define TEXT_ROOM 64u

static uint64_t equal_bits(__m128i bytes, char c)
{
	return (unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)));
}

static inline struct text text_of(const char *path)
{
	struct text t = {.path = path};
	uint64_t slash = 0, dot = 0, end = 0;
	unsigned int n;

	/* What lies behind it in its page is read, which valgrind doesn't like. */
	t.words = ((uintptr_t)path & 4095) <= 4096 - TEXT_ROOM && !careful;
	for (n = 0; t.words && n < TEXT_ROOM && !end; n += 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(path + n));

		slash |= equal_bits(bytes, '/') << n;
		dot |= equal_bits(bytes, '.') << n;
		end |= equal_bits(bytes, '\0') << n;
	}
	for (n = 0; !t.words && n < TEXT_ROOM && !end; n++) {
		slash |= (uint64_t)(path[n] == '/') << n;
		dot |= (uint64_t)(path[n] == '.') << n;
		end |= (uint64_t)(path[n] == '\0') << n;
	}
	end &= -end;
	slash &= end - 1;
	t.ends = slash | end;
	t.doubtful = (slash & (dot | slash) >> 1) || (!end && strstr(path + TEXT_ROOM - 1, "/."));
	return t;
}

/* The first eight bytes of the name of @len at @at. */
static inline uint64_t text_word(const struct text *t, unsigned int at, unsigned int len)
{
	uint64_t word = 0;

	if (t->words && at <= TEXT_ROOM - 8) {
		memcpy(&word, t->path + at, 8);
		return len < 8 ? word & ((1ull << 8 * len) - 1) : word;
	}
	memcpy(&word, t->path + at, len < 8 ? len : 8);
	return word;
}

/* Where an end is known. */
static unsigned int text_len(const struct text *t, unsigned int at)
{
	return (unsigned int)__builtin_ctzll(t->ends >> at);
}

#define WORD_SELF 0x666c6573ull	      /* "self" */
#define WORD_STATUS 0x737574617473ull /* "status" */
#define WORD_DEV 0x2f766564u	      /* "dev/" */
#define WORD_SYS 0x2f737973u	      /* "sys/" */
#define WORD_PROC 0x636f7270u	      /* "proc" */

/*
 * Behind "/proc/": what is said of descriptors, working folders, and numbers that are
 * ours, see path.c and status.c.
 */
static bool proc_maybe(const struct text *t, unsigned int at)
{
	const char *p = t->path + at;
	unsigned int len;

	if (!(t->ends >> at))
		return true;
	len = text_len(t, at);
	if ((*p < '1' || *p > '9') && text_word(t, at, len) != WORD_SELF &&
	    strncmp(p, "thread-self/", 12) != 0)
		return false;
	p += len;
	if (!*p++)
		return false;
	at += len + 1;
	switch (*p) {
	case 'f': /* fd, fail-nth */
	case 't': /* task */
	case 'r': /* root */
		return true;
	case 'c':
		return p[1] == 'w'; /* cwd */
	case 'm':
		return !strncmp(p, "map_", 4);
	case 's':
		return at >= TEXT_ROOM || !(t->ends >> at) ||
		       text_word(t, at, text_len(t, at)) == WORD_STATUS;
	}
	return false;
}

/* Is it a name of the tree, or of a folder that leads to one?  @at: below @name. */
static bool text_maybe(const struct text *t, const struct tree_name *name, unsigned int at)
{
	const char *path = t->path;

	while (path[at]) {
		const struct tree_name *child;
		unsigned int len;
		uint64_t word;

		if (!(name->first & first_bit(path[at])))
			return false;
		if (at >= TEXT_ROOM || !(t->ends >> at))
			return true;
		len = text_len(t, at);
		word = text_word(t, at, len);
		for (child = name->children; child; child = child->next)
			if (child->word == word && child->len == len)
				break;
		if (!child)
			return false;
		/* Longer ones that begin and end alike are taken for the same. */
		if (child->whole)
			return true;
		name = child;
		at += len;
		at += path[at] == '/';
	}
	return true;
}

/* The four bytes behind the first, if there are so many. */
static inline uint32_t start_word(const struct text *t)
{
	uint32_t word = 0;

	if (t->words)
		memcpy(&word, t->path + 1, sizeof(word));
	else
		memcpy(&word, t->path + 1, strnlen(t->path + 1, sizeof(word)));
	return word;
}

bool tree_maybe(const char *path)
{
	const struct tree_name *name = __atomic_load_n(&top, __ATOMIC_ACQUIRE);
	struct text t = text_of(path);
	uint32_t start = start_word(&t);

	if (shim_unlikely(t.doubtful))
		return true;
	/* The numbers that are ours there are those of our files: no name is asked for. */
	if (start == WORD_PROC && path[5] == '/')
		return proc_maybe(&t, 6);
	if (shim_unlikely(!name))
		return true;
	if (start == WORD_SYS)
		return text_maybe(&t, __atomic_load_n(&sys, __ATOMIC_ACQUIRE), 5);
	if (start == WORD_DEV)
		/* /dev/fd is for path_proc_fd(). */
		return (path[5] == 'f' && path[6] == 'd') ||
		       text_maybe(&t, __atomic_load_n(&dev, __ATOMIC_ACQUIRE), 5);
	return text_maybe(&t, name, 1);
}

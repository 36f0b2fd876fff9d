// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * stress - everything that core and iopf can do, at once, on many threads
 *
 *	stress [--seconds N] [--threads N] [--seed N]
 *
 * Against the public headers alone.  Threads pick at random: attach, replace,
 * detach by two owners; get and put; DMA; page requests with and without
 * partials, answered at once, later by another thread, twice, or never (freed
 * unanswered); and devices that leave and come back.  At the end the counts
 * balance, and each device saw one answer for each of its requests.
 *
 * A device's users hold its lock for reading: that nobody reports for a device
 * that is being unregistered is the library's condition, not its promise.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <uiommu/dma.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>

#define DEVICES 4 /* 0 and 1 share a group */
#define PASIDS 8
#define QUEUE 256
#define MAGIC 0x68616e646cULL

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct owned {
	uint64_t magic;
	const struct uiommu_handle_ops *ops;
	struct uiommu_attach_handle handle;
};

struct slot {
	pthread_rwlock_t lock;
	struct uiommu_device *dev;
	atomic_ulong reported;
	atomic_ulong answered;
};

struct queue {
	pthread_mutex_t lock;
	struct uiommu_iopf_group *groups[QUEUE];
	unsigned int count;
};

static struct uiommu *ctx;
static struct slot slots[DEVICES];
static struct uiommu_group *shared_group;
static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER};
static atomic_int stop;
static atomic_ulong n_get, n_busy, n_attach, n_replace, n_detach, n_fault, n_late, n_twice, n_dma,
	n_gone, n_removed;

static unsigned int roll(unsigned int *seed, unsigned int sides)
{
	return (unsigned int)rand_r(seed) % sides;
}

/* ---- owners ---- */

static struct owned *owned_of(struct uiommu_attach_handle *handle)
{
	return (struct owned *)(void *)((char *)handle - offsetof(struct owned, handle));
}

static void owned_release(struct uiommu_attach_handle *handle)
{
	struct owned *owned = owned_of(handle);

	must(owned->magic == MAGIC);
	owned->magic = 0;
	free(owned);
}

static const struct uiommu_handle_ops owners[2] = {
	{.name = "first", .release = owned_release},
	{.name = "second", .release = owned_release},
};

static struct owned *owned_new(unsigned int *seed)
{
	struct owned *owned = aligned_alloc(16, (sizeof(*owned) + 15) & ~15UL);

	must(owned);
	owned->magic = MAGIC;
	owned->ops = &owners[roll(seed, 2)];
	must(!uiommu_attach_handle_init(ctx, &owned->handle, owned->ops));
	return owned;
}

/* ---- the domain ---- */

static char page[4096];
static struct uiommu_domain *domain; /* faults go to a handler, DMA to page */

static int handler(struct uiommu_iopf_group *group)
{
	static atomic_uint turn;

	must(owned_of(uiommu_iopf_group_handle(group))->magic == MAGIC);
	switch (atomic_fetch_add(&turn, 1) % 5) {
	case 0:
		return -1; /* refused: the core answers and frees */
	case 1:
		uiommu_iopf_free_group(group); /* without an answer: FAILURE */
		return 0;
	case 2:
		uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS);
		if (uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS) == -EALREADY)
			atomic_fetch_add(&n_twice, 1);
		uiommu_iopf_free_group(group);
		return 0;
	default:
		pthread_mutex_lock(&queue.lock);
		if (queue.count < QUEUE) {
			queue.groups[queue.count++] = group;
			group = NULL;
		}
		pthread_mutex_unlock(&queue.lock);
		return group ? -1 : 0;
	}
}

static int domain_translate(struct uiommu_domain *d, uint64_t iova, uint32_t perm,
			    struct uiommu_span *span)
{
	return -ENOENT;
}

static void domain_free(struct uiommu_domain *d)
{
	free(d);
}

static const struct uiommu_domain_ops domain_ops = {
	.translate = domain_translate,
	.free = domain_free,
};

static void domain_make(void)
{
	domain = calloc(1, sizeof(*domain));
	must(domain);
	uiommu_domain_init(ctx, domain, UIOMMU_DOMAIN_PAGING, &domain_ops);
	domain->iopf_handler = handler;
}

/* ---- devices ---- */

static void dev_response(struct uiommu_device *dev, const struct uiommu_page_response *resp)
{
	struct slot *slot = uiommu_device_drvdata(dev);

	atomic_fetch_add(&slot->answered, 1);
}

static const struct uiommu_driver_ops dev_ops = {.page_response = dev_response};

static void device_add(unsigned int nr)
{
	const struct uiommu_device_config config = {
		.name = "stress",
		.group = nr < 2 ? shared_group : NULL,
		.max_pasids = PASIDS,
		.pri = true,
		.drvdata = &slots[nr],
		.ops = &dev_ops,
	};

	must(!uiommu_device_register(ctx, &config, &slots[nr].dev));
}

static void device_bounce(unsigned int nr)
{
	struct slot *slot = &slots[nr];

	pthread_rwlock_wrlock(&slot->lock);
	uiommu_device_unregister(slot->dev);
	must(atomic_load(&slot->reported) == atomic_load(&slot->answered));
	atomic_fetch_add(&n_removed, 1);
	device_add(nr);
	pthread_rwlock_unlock(&slot->lock);
}

/* ---- what the threads do ---- */

static void do_change(struct slot *slot, uint32_t pasid, unsigned int *seed)
{
	struct uiommu_group *group = uiommu_device_group(slot->dev);
	struct owned *owned = owned_new(seed);
	int rc = -1;

	switch (roll(seed, 3)) {
	case 0:
		rc = uiommu_attach_group_handle(domain, group, pasid, &owned->handle);
		atomic_fetch_add(&n_attach, !rc);
		break;
	case 1:
		rc = uiommu_replace_group_handle(domain, group, pasid, &owned->handle);
		atomic_fetch_add(&n_replace, !rc);
		break;
	default:
		atomic_fetch_add(&n_detach, !uiommu_detach_group_handle(group, pasid, NULL));
	}
	if (rc)
		uiommu_attach_handle_put(&owned->handle);
}

static void do_get(struct slot *slot, uint32_t pasid, unsigned int *seed)
{
	const struct uiommu_handle_ops *ops = &owners[roll(seed, 2)];
	struct uiommu_attach_handle *handle =
		uiommu_attach_handle_get(uiommu_device_group(slot->dev), pasid, ops);

	if (UIOMMU_IS_ERR(handle)) {
		must(UIOMMU_PTR_ERR(handle) == -EBUSY || UIOMMU_PTR_ERR(handle) == -ENOENT);
		atomic_fetch_add(&n_busy, UIOMMU_PTR_ERR(handle) == -EBUSY);
		return;
	}
	must(owned_of(handle)->magic == MAGIC && owned_of(handle)->ops == ops);
	if (!uiommu_attach_handle_attached(handle))
		atomic_fetch_add(&n_gone, 1);
	uiommu_attach_handle_put(handle);
	atomic_fetch_add(&n_get, 1);
}

static void do_fault(struct slot *slot, uint32_t pasid, unsigned int *seed)
{
	struct uiommu_fault fault = {
		.flags = pasid ? UIOMMU_FAULT_PASID_VALID : 0,
		.pasid = pasid,
		.grpid = roll(seed, 512),
		.perm = UIOMMU_READ,
	};

	if (roll(seed, 3) == 0)
		uiommu_report_device_fault(slot->dev, &fault);
	fault.flags |= UIOMMU_FAULT_LAST_PAGE;
	atomic_fetch_add(&slot->reported, 1);
	uiommu_report_device_fault(slot->dev, &fault);
	atomic_fetch_add(&n_fault, 1);
	if (roll(seed, 50) == 0)
		uiommu_iopf_discard_partial(slot->dev);
}

static void do_dma(struct slot *slot, uint32_t pasid)
{
	struct uiommu_dma *dma;

	must(!uiommu_dma_open(slot->dev, &dma));
	must(uiommu_dma_read(dma, pasid, 0, page, sizeof(page), UIOMMU_DMA_ATS, NULL));
	uiommu_dma_close(dma);
	atomic_fetch_add(&n_dma, 1);
}

/* An answer from another thread than the one that reported; often too late. */
static void do_late_answer(void)
{
	struct uiommu_iopf_group *group = NULL;

	pthread_mutex_lock(&queue.lock);
	if (queue.count)
		group = queue.groups[--queue.count];
	pthread_mutex_unlock(&queue.lock);
	if (!group)
		return;
	if (uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_SUCCESS) == -EALREADY)
		atomic_fetch_add(&n_late, 1);
	uiommu_iopf_free_group(group);
}

static void *storm(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		unsigned int nr = roll(&seed, DEVICES);
		struct slot *slot = &slots[nr];
		uint32_t pasid = roll(&seed, PASIDS);
		unsigned int what = roll(&seed, 100);

		if (what < 2) {
			device_bounce(nr);
			continue;
		}
		pthread_rwlock_rdlock(&slot->lock);
		if (what < 30)
			do_change(slot, pasid, &seed);
		else if (what < 60)
			do_get(slot, pasid, &seed);
		else if (what < 80)
			do_fault(slot, pasid, &seed);
		else if (what < 85)
			do_dma(slot, pasid);
		pthread_rwlock_unlock(&slot->lock);
		if (what >= 80)
			do_late_answer();
	}
	return NULL;
}

/* ---- beginning and end ---- */

static int balance(void)
{
	struct uiommu_counts c;
	int bad = 0;

	for (unsigned int i = 0; i < DEVICES; i++)
		uiommu_device_unregister(slots[i].dev);
	while (queue.count)
		do_late_answer();
	uiommu_group_put(shared_group);
	uiommu_domain_put(domain);

	uiommu_get_counts(ctx, &c);
	bad |= c.devices || c.groups || c.domains || c.handles || c.groups_open;
	bad |= c.faults_reported != c.faults_answered;
	for (unsigned int i = 0; i < DEVICES; i++)
		bad |= slots[i].reported != slots[i].answered;
	printf("attach %lu replace %lu detach %lu get %lu (other owner's %lu, detached meanwhile %lu) "
	       "dma %lu\nfaults %lu: answered twice %lu, too late %lu; devices removed %lu\n",
	       n_attach, n_replace, n_detach, n_get, n_busy, n_gone, n_dma, n_fault, n_twice,
	       n_late, n_removed);
	printf("left: devices %lu groups %lu domains %lu handles %lu fault groups %lu; "
	       "reported %lu answered %lu\n",
	       c.devices, c.groups, c.domains, c.handles, c.groups_open, c.faults_reported,
	       c.faults_answered);
	uiommu_destroy(ctx);
	return bad;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seconds", required_argument, NULL, 's'},
		{"threads", required_argument, NULL, 't'},
		{"seed", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	unsigned long seconds = 3, count = 8, seed = (unsigned long)time(NULL);
	pthread_t threads[64];
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?')
			return 2;
		*(opt == 's' ? &seconds : opt == 't' ? &count : &seed) = strtoul(optarg, NULL, 0);
	}
	if (!count || count > 64)
		return 2;
	printf("seed %lu, %lu threads, %lu s\n", seed, count, seconds);

	must(!uiommu_create(NULL, &ctx));
	shared_group = uiommu_group_alloc(ctx);
	must(!UIOMMU_IS_ERR(shared_group));
	domain_make();
	for (unsigned int i = 0; i < DEVICES; i++) {
		pthread_rwlock_init(&slots[i].lock, NULL);
		device_add(i);
	}
	for (unsigned long i = 0; i < count; i++)
		must(!pthread_create(&threads[i], NULL, storm, (void *)(seed * 64 + i)));
	sleep((unsigned int)seconds);
	atomic_store(&stop, 1);
	for (unsigned long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return balance();
}

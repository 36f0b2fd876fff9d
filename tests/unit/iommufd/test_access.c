// SPDX-License-Identifier: LGPL-2.1-or-later
/* Access objects: their life, copies, pins, and what an unmap does about those. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <uiommu/access.h>

#include "iommufd/access.h"
#include "iommufd/ioas.h"

#define WR UIOMMU_ACCESS_WRITE

/* Unpins in its unmap, if it wants to, what it has pinned. */
struct driver {
	struct uiommu_access *access;
	uint64_t iova;
	uint64_t length;
	bool pinned;
	bool deaf;
	unsigned int calls;
	uint64_t last_iova;
	uint64_t last_length;
};

static void on_unmap(void *data, uint64_t iova, uint64_t length)
{
	struct driver *d = data;

	d->calls++;
	d->last_iova = iova;
	d->last_length = length;
	if (!d->pinned || d->deaf)
		return;
	uiommu_access_unpin_pages(d->access, d->iova, d->length);
	d->pinned = false;
}

static const struct uiommu_access_ops pin_ops = {.needs_pin_pages = true, .unmap = on_unmap};
static const struct uiommu_access_ops rw_ops = {.unmap = on_unmap};

/* The driver stays where it is: it is its own data. */
static uint32_t start(struct driver *d, const struct uiommu_access_ops *ops, uint32_t ioas)
{
	uint32_t id;

	memset(d, 0, sizeof(*d));
	d->access = uiommu_access_create(iommufd, ops, d, &id);
	assert_false(UIOMMU_IS_ERR(d->access));
	if (ioas)
		assert_int_equal(uiommu_access_attach(d->access, ioas), 0);
	return id;
}

static int pin(struct driver *d, uint64_t iova, uint64_t length, struct uiommu_page *pages,
	       uint32_t flags)
{
	int rc = uiommu_access_pin_pages(d->access, iova, length, pages, flags);

	if (!rc) {
		d->pinned = true;
		d->iova = iova;
		d->length = length;
	}
	return rc;
}

static void test_life(void **state)
{
	static const struct uiommu_access_ops no_unmap = {.needs_pin_pages = true};
	uint32_t a = ioas_alloc(), b = ioas_alloc(), id;
	struct uiommu_file *queue;
	struct driver d;
	char byte;

	queue = fault_alloc(&id);
	assert_int_equal(UIOMMU_PTR_ERR(uiommu_access_create(queue, &rw_ops, NULL, &id)), -EBADFD);
	assert_int_equal(UIOMMU_PTR_ERR(uiommu_access_create(iommufd, &no_unmap, NULL, &id)),
			 -EINVAL);
	id = start(&d, &rw_ops, 0);
	assert_int_equal(uiommu_access_rw(d.access, 0, &byte, 1, 0), -ENOENT);
	assert_int_equal(uiommu_access_replace(d.access, a), -ENOENT);
	assert_int_equal(uiommu_access_attach(d.access, 99), -ENOENT);
	assert_int_equal(uiommu_access_attach(d.access, a), 0);
	assert_int_equal(uiommu_access_attach(d.access, a), -EINVAL);
	/* It is in use, and makes what it uses so. */
	assert_int_equal(destroy(id), -EBUSY);
	assert_int_equal(destroy(a), -EBUSY);
	assert_int_equal(uiommu_access_replace(d.access, a), 0);
	assert_int_equal(d.calls, 0);
	assert_int_equal(uiommu_access_replace(d.access, 99), -ENOENT);
	assert_int_equal(uiommu_access_replace(d.access, b), 0);
	assert_int_equal(d.calls, 1);
	assert_int_equal(d.last_iova, 0);
	assert_int_equal(d.last_length, UINT64_MAX);
	assert_int_equal(destroy(a), 0);
	uiommu_access_detach(d.access);
	assert_int_equal(d.calls, 2);
	uiommu_access_detach(d.access);
	assert_int_equal(d.calls, 2);
	assert_int_equal(destroy(b), 0);
	/* It holds the context: the last close waits for it. */
	uiommu_file_put(iommufd);
	iommufd = NULL;
	assert_int_equal(counts().files, 2);
	uiommu_access_destroy(d.access);
	host_close(queue);
	assert_int_equal(counts().files, 0);
}

static void test_rw(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct driver d;
	char buf[16] = "0123456789abcde", got[16];

	start(&d, &rw_ops, ioas);
	assert_int_equal(ioas_map(ioas, 0x10001, memory + 1, 7), 0);
	assert_int_equal(ioas_map(ioas, 0x10008, memory + PAGE, 8), 0);
	assert_int_equal(uiommu_access_rw(d.access, 0x10001, buf, 0, WR), -EINVAL);
	assert_int_equal(uiommu_access_rw(d.access, UINT64_MAX, buf, 2, WR), -EOVERFLOW);
	assert_int_equal(uiommu_access_rw(d.access, 0x10000, buf, 2, WR), -ENOENT);
	assert_int_equal(uiommu_access_rw(d.access, 0x10001, buf, 15, WR), 0);
	assert_memory_equal(memory + 1, buf, 7);
	assert_memory_equal(memory + PAGE, buf + 7, 8);
	assert_int_equal(uiommu_access_rw(d.access, 0x10001, got, 15, 0), 0);
	assert_memory_equal(got, buf, 15);
	/* Past the end: what was before it is done. */
	memset(got, 0, sizeof(got));
	assert_int_equal(uiommu_access_rw(d.access, 0x10008, got, 9, 0), -ENOENT);
	assert_memory_equal(got, buf + 7, 8);
	/* It doesn't pin. */
	assert_int_equal(uiommu_access_pin_pages(d.access, 0x10008, 1, NULL, 0), -EINVAL);
	/* Memory that isn't there. */
	assert_int_equal(ioas_map(ioas, 0x20000, memory + 2 * PAGE, PAGE), 0);
	assert_int_equal(uiommu_access_rw(d.access, 0x20000, got, 1, 0), -EFAULT);
	assert_int_equal(ioas_unmap(ioas, 0, UINT64_MAX), 15 + PAGE);
	assert_int_equal(d.calls, 0);
	uiommu_access_destroy(d.access);
}

static void test_rights(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct uiommu_page page;
	struct driver d;
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.iova = 0x10000,
	};
	char byte;

	start(&d, &pin_ops, ioas);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP, &cmd), 0);
	cmd.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE;
	cmd.iova = 0x20000;
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP, &cmd), 0);
	assert_int_equal(uiommu_access_rw(d.access, 0x10000, &byte, 1, WR), -EPERM);
	assert_int_equal(uiommu_access_rw(d.access, 0x20000, &byte, 1, 0), -EPERM);
	assert_int_equal(pin(&d, 0x10000, PAGE, &page, WR), -EPERM);
	assert_int_equal(pin(&d, 0x20000, PAGE, &page, 0), -EPERM);
	assert_int_equal(pin(&d, 0x20000, PAGE, &page, WR), 0);
	assert_ptr_equal(page.mm, mm);
	assert_int_equal(page.addr, (uintptr_t)memory);
	uiommu_access_destroy(d.access);
	assert_int_equal(d.calls, 1);
	assert_false(d.pinned);
}

static void test_pin(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct uiommu_page pages[3];
	struct driver d;

	/* Alignment is of pages while it is attached, and only then. */
	assert_int_equal(ioas_map(ioas, 0x10800, memory + 0x800, 0x800), 0);
	start(&d, &pin_ops, 0);
	assert_int_equal(uiommu_access_attach(d.access, ioas), -EADDRINUSE);
	assert_int_equal(ioas_unmap(ioas, 0x10800, 0x800), 0x800);
	assert_int_equal(uiommu_access_attach(d.access, ioas), 0);
	assert_int_equal(ioas_map(ioas, 0x10800, memory + 0x800, 0x800), -EINVAL);

	assert_int_equal(ioas_map(ioas, 0x10000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas, 0x11000, memory + PAGE, PAGE), 0);
	assert_int_equal(ioas_map(ioas, 0x20000, memory + 2 * PAGE, PAGE), 0);
	assert_int_equal(pin(&d, 0x10000, 0, pages, 0), -EINVAL);
	assert_int_equal(pin(&d, UINT64_MAX, 2, pages, 0), -EOVERFLOW);
	assert_int_equal(pin(&d, 0x10001, 1, pages, 0), -EINVAL);
	assert_int_equal(pin(&d, 0x10000, 2 * PAGE + 1, pages, 0), -ENOENT);
	assert_int_equal(pin(&d, 0x20000, PAGE, pages, 0), -EFAULT);
	/* Nothing of what failed is left pinned. */
	assert_int_equal(pin(&d, 0x10000, PAGE + 1, pages, 0), 0);
	assert_int_equal(pages[0].addr, (uintptr_t)memory);
	assert_int_equal(pages[1].addr, (uintptr_t)memory + PAGE);
	assert_int_equal(ioas_unmap(ioas, 0x20000, PAGE), PAGE);
	assert_int_equal(d.calls, 0);
	/* Who unmaps what is pinned asks for it. */
	assert_int_equal(ioas_unmap(ioas, 0x11000, PAGE), PAGE);
	assert_int_equal(d.calls, 1);
	assert_int_equal(d.last_iova, 0x11000);
	assert_int_equal(d.last_length, PAGE);
	assert_int_equal(ioas_unmap(ioas, 0x10000, PAGE), PAGE);
	assert_int_equal(d.calls, 1);
	uiommu_access_destroy(d.access);
}

/* One that doesn't let go: a hundred calls and one, then the area is closed for good. */
static void test_deaf(void **state)
{
	uint32_t ioas = ioas_alloc();
	struct uiommu_page page;
	struct driver d;
	char byte;

	start(&d, &pin_ops, ioas);
	assert_int_equal(ioas_map(ioas, 0xf000, memory, PAGE), 0);
	assert_int_equal(ioas_map(ioas, 0x10000, memory, PAGE), 0);
	assert_int_equal(pin(&d, 0x10000, PAGE, &page, 0), 0);
	d.deaf = true;
	assert_int_equal(ioas_unmap(ioas, 0xf000, 2 * PAGE), -EDEADLOCK);
	assert_int_equal(d.calls, 101);
	assert_int_equal(counts().areas, 1);
	assert_int_equal(uiommu_access_rw(d.access, 0x10000, &byte, 1, 0), -EINVAL);
	assert_int_equal(uiommu_access_pin_pages(d.access, 0x10000, PAGE, &page, 0), -EINVAL);
	d.deaf = false;
	assert_int_equal(ioas_unmap(ioas, 0x10000, PAGE), PAGE);
	/* The next map there is open again. */
	assert_int_equal(ioas_map(ioas, 0x10000, memory, PAGE), 0);
	assert_int_equal(uiommu_access_rw(d.access, 0x10000, &byte, 1, 0), 0);
	uiommu_access_destroy(d.access);
}

/* Pins of an object of iommufd's own can't be taken away. */
static void test_internal(void **state)
{
	struct iommufd_ctx *ictx = iommufd_ctx_from_file(iommufd);
	struct uiommu_access *access = iommufd_access_create_internal(ictx);
	uint32_t id = ioas_alloc();
	struct iommufd_ioas *ioas = iommufd_get_ioas(ictx, id);
	struct uiommu_page page;

	iommufd_ctx_put(ictx);
	assert_false(UIOMMU_IS_ERR(access));
	assert_int_equal(iommufd_access_attach_internal(access, ioas), 0);
	iommufd_put_object(ictx, &ioas->obj);
	assert_int_equal(ioas_map(id, 0x10000, memory, PAGE), 0);
	assert_int_equal(uiommu_access_pin_pages(access, 0x10000, 1, &page, 0), 0);
	assert_int_equal(ioas_unmap(id, 0x10000, PAGE), -EBUSY);
	assert_int_equal(ioas_unmap(id, 0x10001, PAGE), -EBUSY);
	uiommu_access_unpin_pages(access, 0x10000, 1);
	assert_int_equal(ioas_unmap(id, 0x10000, PAGE), PAGE);
	uiommu_access_destroy(access);
	assert_int_equal(destroy(id), 0);
}

/* Memory of a file: pins are in our mapping of it, and checked as pins are. */
static void test_file(void **state)
{
	uint32_t ioas = ioas_alloc();
	int fd = memfd_create("test", 0);
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = fd,
		.length = 2 * PAGE,
		.iova = 0x10000,
	};
	struct uiommu_page pages[2];
	char got[4] = {0};
	struct driver d;

	start(&d, &pin_ops, ioas);
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(pwrite(fd, "abc", 3, 0), 3);
	assert_int_equal(iommu_ioctl(IOMMU_IOAS_MAP_FILE, &cmd), 0);
	assert_int_equal(uiommu_access_rw(d.access, 0x10000, got, 3, 0), 0);
	assert_string_equal(got, "abc");
	assert_int_equal(uiommu_access_rw(d.access, 0x11000, got, 3, 0), -EINVAL);
	assert_int_equal(pin(&d, 0x10000, 2 * PAGE, pages, 0), -EINVAL);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(pin(&d, 0x10000, 2 * PAGE, pages, 0), 0);
	assert_memory_equal((char *)pages[0].addr, "abc", 3);
	assert_int_equal(pages[1].addr, pages[0].addr + PAGE);
	assert_int_equal(ioas_unmap(ioas, 0x10000, 2 * PAGE), 2 * PAGE);
	assert_int_equal(d.calls, 1);
	close(fd);
	uiommu_access_destroy(d.access);
}

/* ---- threads ---- */

static uint32_t shared_ioas;
static bool stop;

static void *mapper(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		long rc = ioas_map(shared_ioas, 0x10000, memory, PAGE);

		assert_int_equal(rc, 0);
		rc = ioas_unmap(shared_ioas, 0x10000, PAGE);
		assert_true(rc == (long)PAGE || rc == -EDEADLOCK);
		while (rc == -EDEADLOCK)
			rc = ioas_unmap(shared_ioas, 0x10000, PAGE);
		assert_int_equal(rc, PAGE);
	}
	return NULL;
}

/* Pins and unpins under its own lock, as the unmap does. */
struct locked {
	struct driver driver;
	pthread_mutex_t lock;
};

static void locked_unmap(void *data, uint64_t iova, uint64_t length)
{
	struct locked *l = data;

	pthread_mutex_lock(&l->lock);
	on_unmap(&l->driver, iova, length);
	pthread_mutex_unlock(&l->lock);
}

static void test_threads(void **state)
{
	static const struct uiommu_access_ops ops = {.needs_pin_pages = true,
						     .unmap = locked_unmap};
	time_t end = time(NULL) + 20;
	unsigned int pins = 0;
	pthread_t thread;

	shared_ioas = ioas_alloc();
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, mapper, NULL), 0);
	/* The mapper may be away for a while, on a machine with much to do. */
	for (int i = 0; i < 300 || (!pins && time(NULL) < end); i++) {
		struct locked l = {.lock = PTHREAD_MUTEX_INITIALIZER};
		struct uiommu_page page;

		l.driver.access = uiommu_access_create(iommufd, &ops, &l, NULL);
		assert_false(UIOMMU_IS_ERR(l.driver.access));
		assert_int_equal(uiommu_access_attach(l.driver.access, shared_ioas), 0);
		for (int k = 0; k < 20; k++) {
			pthread_mutex_lock(&l.lock);
			if (!l.driver.pinned && !pin(&l.driver, 0x10000, PAGE, &page, WR))
				pins++;
			pthread_mutex_unlock(&l.lock);
		}
		uiommu_access_destroy(l.driver.access);
		assert_false(l.driver.pinned);
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_true(pins > 0);
}

int main(void)
{
#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		RULE(test_life), RULE(test_rw),	      RULE(test_rights), RULE(test_pin),
		RULE(test_deaf), RULE(test_internal), RULE(test_file),	 RULE(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

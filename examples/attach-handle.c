// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * attach-handle - the library's attach handles, by an owner of one's own
 *
 *	cc attach-handle.c $(pkg-config --cflags --libs uiommu) -lpthread
 *
 * A "session" is what we keep for each PASID that we attach.  It embeds the
 * attach handle.  Several threads look sessions up and use them while another
 * one detaches them and attaches new ones; nobody takes a lock, and no
 * session is freed under a user.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uiommu/iommu.h>

#define PASID 42
#define USERS 2

struct session {
	atomic_int alive;
	unsigned long number;
	struct uiommu_attach_handle handle;
};

static atomic_ulong opened, closed, used, used_after_detach, found_nothing;
static atomic_int stop;

static struct session *session_of(struct uiommu_attach_handle *handle)
{
	return (struct session *)(void *)((char *)handle - offsetof(struct session, handle));
}

/* After the last put, whoever did it: here, and only here, a session ends. */
static void session_release(struct uiommu_attach_handle *handle)
{
	struct session *session = session_of(handle);

	atomic_store(&session->alive, 0);
	atomic_fetch_add(&closed, 1);
	free(session);
}

/* Its address says whose a handle is. */
static const struct uiommu_handle_ops session_ops = {
	.name = "session",
	.release = session_release,
};

/* Whatever is attached under PASID 42, if it is one of ours. */
static void *use_sessions(void *arg)
{
	struct uiommu_group *group = arg;

	while (!atomic_load(&stop)) {
		struct uiommu_attach_handle *handle =
			uiommu_attach_handle_get(group, PASID, &session_ops);

		if (UIOMMU_IS_ERR(handle)) { /* -ENOENT, or -EBUSY: somebody else's */
			atomic_fetch_add(&found_nothing, 1);
			continue;
		}
		/* The owner matched, so the cast is safe; the reference keeps it so. */
		if (!atomic_load(&session_of(handle)->alive))
			abort();
		if (!uiommu_attach_handle_attached(handle))
			atomic_fetch_add(&used_after_detach, 1);
		atomic_fetch_add(&used, 1);
		uiommu_attach_handle_put(handle);
	}
	return NULL;
}

static int session_open(struct uiommu *ctx, struct uiommu_domain *domain,
			struct uiommu_group *group)
{
	struct session *session = calloc(1, sizeof(*session));
	int rc;

	if (!session)
		return -ENOMEM;
	atomic_store(&session->alive, 1);
	rc = uiommu_attach_handle_init(ctx, &session->handle, &session_ops);
	if (rc) {
		free(session);
		return rc;
	}
	session->number = atomic_fetch_add(&opened, 1);

	/* Our reference moves into the slot, unless this fails. */
	rc = uiommu_attach_group_handle(domain, group, PASID, &session->handle);
	if (rc)
		uiommu_attach_handle_put(&session->handle);
	return rc;
}

static void change_sessions(struct uiommu *ctx, struct uiommu_device *dev,
			    struct uiommu_domain *domain)
{
	struct uiommu_group *group = uiommu_device_group(dev);
	pthread_t users[USERS];

	for (int i = 0; i < USERS; i++)
		if (pthread_create(&users[i], NULL, use_sessions, group))
			abort();
	for (int i = 0; i < 200000; i++) {
		if (session_open(ctx, domain, group))
			abort();
		/* When this returns no look-up finds the session any more. */
		if (uiommu_detach_group_handle(group, PASID, NULL))
			abort();
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < USERS; i++)
		pthread_join(users[i], NULL);
}

int main(void)
{
	const struct uiommu_device_config config = {.name = "example", .max_pasids = 64};
	struct uiommu_domain *domain;
	struct uiommu_device *dev;
	struct uiommu *ctx;

	if (uiommu_create(NULL, &ctx) || uiommu_device_register(ctx, &config, &dev)) {
		fprintf(stderr, "attach-handle: no memory\n");
		return 1;
	}
	domain = uiommu_domain_alloc_simple(ctx, UIOMMU_DOMAIN_IDENTITY);
	if (UIOMMU_IS_ERR(domain)) {
		fprintf(stderr, "attach-handle: no memory\n");
		return 1;
	}

	change_sessions(ctx, dev, domain);

	uiommu_domain_put(domain);
	uiommu_device_unregister(dev);
	uiommu_destroy(ctx);
	printf("%lu sessions attached and detached; found and used %lu times, %lu of them when "
	       "already detached;\nnothing found %lu times; released %lu, none of them under a "
	       "user\n",
	       opened, used, used_after_detach, found_nothing, closed);
	return opened == closed ? 0 : 1;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/uiommu.h - an instance of the IOMMU subsystem
 *
 * Everything in the library belongs to a struct uiommu: devices, groups,
 * domains, open files.  A process may have several; they share nothing.
 *
 * Errors: functions return 0 or a negative errno value, or a pointer that
 * UIOMMU_IS_ERR() tells apart.  No function touches errno, prints, or exits.
 */
#ifndef UIOMMU_UIOMMU_H
#define UIOMMU_UIOMMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UIOMMU_API __attribute__((visibility("default")))

/* Pointers that carry an errno, as the kernel's ERR_PTR(). */
static inline void *UIOMMU_ERR_PTR(long rc)
{
	return (void *)rc;
}

static inline long UIOMMU_PTR_ERR(const void *ptr)
{
	return (long)ptr;
}

static inline bool UIOMMU_IS_ERR(const void *ptr)
{
	return (unsigned long)ptr >= (unsigned long)-4095L;
}

struct uiommu;
struct uiommu_file;
struct uiommu_mm;

/**
 * enum uiommu_event_type - what an event reports
 * @UIOMMU_EVENT_DMA_FAULT: a DMA could not be translated, or lacked a right
 * @UIOMMU_EVENT_DMA_MEMORY: translated, but the memory behind it is gone
 * @UIOMMU_EVENT_PAGE_REQUEST: a page request was refused without a handler
 * @UIOMMU_EVENT_NOTE: anything else worth a line in the log
 */
enum uiommu_event_type {
	UIOMMU_EVENT_DMA_FAULT,
	UIOMMU_EVENT_DMA_MEMORY,
	UIOMMU_EVENT_PAGE_REQUEST,
	UIOMMU_EVENT_NOTE,
};

/**
 * struct uiommu_event - one event, for a log
 * @type: what happened
 * @device: name of the device, or NULL
 * @pasid: PASID of the access, UIOMMU_NO_PASID for requests without
 * @iova: I/O virtual address of the first byte that failed
 * @perm: UIOMMU_READ and/or UIOMMU_WRITE: what was wanted
 * @reason: why, one short English phrase; never NULL
 */
struct uiommu_event {
	enum uiommu_event_type type;
	const char *device;
	uint32_t pasid;
	uint64_t iova;
	uint32_t perm;
	const char *reason;
};

/* Access rights, of DMA, of mappings and of page requests. */
#define UIOMMU_READ (1u << 0)
#define UIOMMU_WRITE (1u << 1)
#define UIOMMU_EXEC (1u << 2)
#define UIOMMU_PRIV (1u << 3)

struct uiommu_mapping;

/**
 * struct uiommu_mapped - a mapping that a client has
 * @mapping: what is there, with a reference; NULL: something else
 * @offset: of that address, in the mapping
 * @length: how far it goes on from there
 * @prot: PROT_*, which the client has everywhere in @length
 */
struct uiommu_mapped {
	struct uiommu_mapping *mapping;
	uint64_t offset;
	uint64_t length;
	int prot;
};

/**
 * struct uiommu_host_ops - what the library asks of the process it lives in
 *
 * Files (uiommu/file.h) that a client names by descriptor exist outside of the
 * library: the preloaded shim keeps a table of them, a VMM has its own.  All
 * are optional; without @fget every descriptor in an ioctl is -EBADF, without
 * @install no ioctl can return one (-EOPNOTSUPP).  Called without locks held.
 *
 * @fget: the library's file behind descriptor @fd of @mm, with a reference
 *	that the caller puts; -EBADF: no such descriptor; -EINVAL: not ours.
 *	As an ERR_PTR.
 * @install: make a descriptor in @mm for @file; on success the caller's
 *	reference moves into the table and the descriptor (>= 0) is returned,
 *	on failure a negative errno and the reference stays the caller's.
 *	@cloexec: close-on-exec.
 * @uninstall: take back a descriptor that @install just made and that the
 *	client was never told of.
 * @eventfd_get: hold the eventfd behind descriptor @fd of @mm; a word for the
 *	next two, as an ERR_PTR: -EBADF: no such descriptor, -EINVAL: not an
 *	eventfd.  Without it every descriptor is -EBADF.  This and the next two
 *	may be called under locks of the library and must not call back.
 * @eventfd_signal: add 1 to it.  Never blocks; also called in signal handlers.
 * @eventfd_put: let go of it.
 * @eventfd_watch: from now on take out what is written to it, and call @ready, from a
 *	thread of the host's and one call at a time; NULL: not any more, and when that
 *	returns no call is under way (but for one that it is made from).  0 or -errno.
 *	Optional; may be called under locks of the library, @ready is called without.
 * @eventfd_gone: has the client closed all descriptors of it?  A watch is then over, as Linux's
 *	are.  Optional: never.  May be called under locks of the library.
 * @readable: @file became readable, or stopped being so.  Two calls may come at once, or in
 *	another order than what they tell of: uiommu_file_readable(), asked under a lock of
 *	the host's own, says what is so now.  May be called under locks of the library; must
 *	not call anything else back.  Not any more once the last put of the file has returned.
 * @revoke: what uiommu_mapping_memory() gave (uiommu/file.h) may not be reached any more when
 *	this returns; it has to be asked for again.  Called without locks.
 * @mapped: is any of [@addr, @addr + @length) of this process a mapping of ours
 *	(uiommu_file_mmap())?  @out, if not NULL, is filled with what is at @addr.  Without
 *	it none is: such memory is as the host has made it.  Without @out also called under
 *	locks of the library, and must not take any.
 * @driver: the name of the driver that @device ("0000:01:00.0") is bound to, "" for none, in
 *	@size bytes; 0 or -errno, which is none.  Without it all are on vfio-pci.  May be called
 *	under locks of the library; must not call back.
 * @request: @device is open, and @eventfd (of @eventfd_get; NULL: none any more) asks its user to
 *	release it: for hosts with several processes.  As @driver.
 * @owned: a container has, or has not any more, the DMA of @group ("group-0", uiommu_file_device()).
 *	As @driver.
 * @config: what the config space of @device is now, since VFIO has changed it; all of it, @size
 *	bytes.  As @driver.
 * @config_kept: the config space of @device as somebody wrote it while nobody had the device
 *	open (uiommu_tree_store_config()), all of it, @size bytes; 0 or -errno: nobody did.
 *	As @driver.
 * @state: what the run keeps of @device, see uiommu_tree_state(); 0 or -errno.  As @driver.
 * @attribute: a file below @device's folder in /sys says @text now, see uiommu_tree_attribute().
 *	As @driver; also called in signal handlers.
 */
struct uiommu_host_ops {
	struct uiommu_file *(*fget)(void *opaque, struct uiommu_mm *mm, int fd);
	int (*install)(void *opaque, struct uiommu_mm *mm, struct uiommu_file *file, bool cloexec);
	void (*uninstall)(void *opaque, struct uiommu_mm *mm, int fd);
	void (*readable)(void *opaque, struct uiommu_file *file);
	void *(*eventfd_get)(void *opaque, struct uiommu_mm *mm, int fd);
	void (*eventfd_signal)(void *opaque, void *eventfd);
	void (*eventfd_put)(void *opaque, void *eventfd);
	int (*eventfd_watch)(void *opaque, void *eventfd, void (*ready)(void *arg), void *arg);
	bool (*eventfd_gone)(void *opaque, void *eventfd);
	void (*revoke)(void *opaque);
	bool (*mapped)(void *opaque, uint64_t addr, uint64_t length, struct uiommu_mapped *out);
	int (*driver)(void *opaque, const char *device, char *name, size_t size);
	void (*request)(void *opaque, const char *device, void *eventfd);
	void (*owned)(void *opaque, const char *group, bool is);
	void (*config)(void *opaque, const char *device, const void *bytes, size_t size);
	int (*config_kept)(void *opaque, const char *device, void *bytes, size_t size);
	int (*state)(void *opaque, const char *device, void *bytes, size_t size);
	void (*attribute)(void *opaque, const char *device, const char *name, const char *text,
			  size_t size);
};

/**
 * struct uiommu_config - how to make an instance
 * @size: sizeof(struct uiommu_config), so that it can grow
 * @opaque: handed to @event and to every host operation
 * @event: called for each event, from any thread, never under a lock that
 *	the library takes elsewhere; may be NULL
 * @host: may be NULL; must outlive the instance
 */
struct uiommu_config {
	size_t size;
	void *opaque;
	void (*event)(void *opaque, const struct uiommu_event *event);
	const struct uiommu_host_ops *host;
};

/**
 * struct uiommu_counts - what exists in an instance, for tests that balance
 * @devices: devices registered
 * @groups: groups, with those kept by a handle alone
 * @domains: domains not yet freed
 * @handles: attach handles initialised and not yet released
 * @files: open files
 * @objects: iommufd objects
 * @areas: mapped IOVA areas
 * @faults_reported: last-page page requests that devices reported, ever
 * @faults_answered: responses that devices were given, ever
 * @groups_open: fault groups whose memory is still there
 */
struct uiommu_counts {
	uint64_t devices;
	uint64_t groups;
	uint64_t domains;
	uint64_t handles;
	uint64_t files;
	uint64_t objects;
	uint64_t areas;
	uint64_t faults_reported;
	uint64_t faults_answered;
	uint64_t groups_open;
};

/**
 * uiommu_create() - make an instance
 * @config: may be NULL: no host, no events
 * @out: the instance, on success
 *
 * Starts no thread and opens no descriptor.
 *
 * Return: 0, -EINVAL (@config->size unknown), -ENOMEM.
 */
UIOMMU_API int uiommu_create(const struct uiommu_config *config, struct uiommu **out);

/**
 * uiommu_destroy() - take an instance down
 * @ctx: may be NULL
 *
 * Devices are removed and their open page requests answered.  Nobody may be
 * inside any other call on @ctx or will make one.  Files that are still open
 * and attach handles that someone still references are the caller's bug: the
 * instance is then left in place (leaked), and an event says so.
 */
UIOMMU_API void uiommu_destroy(struct uiommu *ctx);

/**
 * uiommu_get_counts() - what exists right now
 * @ctx: the instance
 * @counts: filled; a snapshot of each number, not of all together
 */
UIOMMU_API void uiommu_get_counts(struct uiommu *ctx, struct uiommu_counts *counts);

/**
 * uiommu_enable_iommufd_test() - have the mock IOMMU driver of Linux's own tests
 * @ctx: no /dev/iommu of it has been opened yet
 *
 * IOMMU_TEST_CMD then works on its /dev/iommu, as in a kernel that was built with
 * CONFIG_IOMMUFD_TEST.  Not for programs: it lets a client do what no client
 * should.
 *
 * Return: 0, also if it was there; -ENOMEM.
 */
UIOMMU_API int uiommu_enable_iommufd_test(struct uiommu *ctx);

/** uiommu_version() - "MAJOR.MINOR.PATCH" of the library that is loaded */
UIOMMU_API const char *uiommu_version(void);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_UIOMMU_H */

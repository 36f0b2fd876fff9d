/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/file.h - /dev/iommu and /dev/vfio as objects with file operations
 *
 * What a client does to a descriptor, its host (the preloaded shim, or a VMM)
 * does to a struct uiommu_file: an open file description.  Every call names
 * the mm that pointers in arguments belong to.
 */
#ifndef UIOMMU_FILE_H
#define UIOMMU_FILE_H

#include <sys/types.h>
#include <uiommu/mm.h>
#include <uiommu/uiommu.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * uiommu_open() - open a device node
 * @path: "/dev/iommu", "/dev/vfio/devices/vfioN", ...
 * @flags: of open(2); the access mode counts
 *
 * Return: the file with one reference, as an ERR_PTR: -ENOENT: no such node
 * here; -EBUSY, -ENODEV, -ENOMEM as Linux.
 */
UIOMMU_API struct uiommu_file *uiommu_open(struct uiommu *ctx, const char *path, int flags);
UIOMMU_API struct uiommu_file *uiommu_file_get(struct uiommu_file *file);
/** uiommu_file_put() - the last put is the last close: what it held is undone
 *  before this returns */
UIOMMU_API void uiommu_file_put(struct uiommu_file *file);

/** uiommu_file_private() - a word for the host, NULL at first */
UIOMMU_API void *uiommu_file_private(const struct uiommu_file *file);
UIOMMU_API void uiommu_file_set_private(struct uiommu_file *file, void *priv);
/** uiommu_file_path() - the node it was opened by, or "anon_inode:[name]" */
UIOMMU_API const char *uiommu_file_path(const struct uiommu_file *file);
/** uiommu_file_rdev() - device number of its node; 0 for anonymous files */
UIOMMU_API dev_t uiommu_file_rdev(const struct uiommu_file *file);

/* Each returns what the system call would, or a negative errno. */
UIOMMU_API long uiommu_file_ioctl(struct uiommu_file *file, struct uiommu_mm *mm,
				  unsigned long request, uint64_t arg);
UIOMMU_API ssize_t uiommu_file_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
				    size_t count);
UIOMMU_API ssize_t uiommu_file_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
				     size_t count);
UIOMMU_API ssize_t uiommu_file_pread(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
				     size_t count, uint64_t offset);
UIOMMU_API ssize_t uiommu_file_pwrite(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
				      size_t count, uint64_t offset);
/** uiommu_file_poll() - POLLIN, POLLOUT, ... of right now */
UIOMMU_API short uiommu_file_poll(struct uiommu_file *file);
/** uiommu_file_readable() - would that have POLLIN?  Takes no lock */
UIOMMU_API bool uiommu_file_readable(const struct uiommu_file *file);

/*
 * Mappings.  A mapped BAR is reached by calls, which the host makes for
 * trapped loads and stores; a shared one is a memory descriptor to be mapped.
 */
struct uiommu_mapping;

/**
 * uiommu_file_mmap() - what mmap() of a file gives
 * @mm: who maps; NULL: this process
 * @prot: PROT_*
 * @flags: MAP_*
 * @offset: in bytes
 * @length: in bytes, rounded up to pages
 * @out: holds the file; put by uiommu_mapping_put()
 *
 * Return: 0; -EINVAL, -EACCES, -EPERM, -ENODEV as Linux.
 */
UIOMMU_API int uiommu_file_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
				uint64_t offset, size_t length, struct uiommu_mapping **out);
UIOMMU_API struct uiommu_mapping *uiommu_mapping_get(struct uiommu_mapping *mapping);
UIOMMU_API void uiommu_mapping_put(struct uiommu_mapping *mapping);

/**
 * uiommu_mapping_read() - a trapped load
 * @offset: from the start of the mapping, a multiple of @size
 * @size: 1, 2, 4 or 8
 *
 * Return: 0; -EIO: the access must be SIGBUS (memory decoding is off).
 */
UIOMMU_API int uiommu_mapping_read(struct uiommu_mapping *mapping, uint64_t offset, uint64_t *value,
				   unsigned int size);
UIOMMU_API int uiommu_mapping_write(struct uiommu_mapping *mapping, uint64_t offset, uint64_t value,
				    unsigned int size);

/**
 * uiommu_mapping_write_block() - one trapped store of 64 bytes (movdir64b)
 * @offset: from the start of the mapping, a multiple of 64
 * @data: 64 bytes
 *
 * A device that doesn't tell them apart gets eight stores of 8 bytes.
 *
 * Return: 0; -EIO: the access must be SIGBUS.
 */
UIOMMU_API int uiommu_mapping_write_block(struct uiommu_mapping *mapping, uint64_t offset,
					  const void *data);

/**
 * uiommu_mapping_enqueue() - a trapped store of 64 bytes that is answered (enqcmd)
 * @offset: as for uiommu_mapping_write_block()
 * @data: 64 bytes; the first four become the PASID of this process (uiommu/sva.h)
 *
 * Return: 0: accepted; -EAGAIN: not, or nobody is there who accepts anything; -EPERM: this
 * process has no PASID, as a processor faults then; -EIO: the access must be SIGBUS.
 */
UIOMMU_API int uiommu_mapping_enqueue(struct uiommu_mapping *mapping, uint64_t offset,
				      const void *data);

/**
 * uiommu_mapping_memory() - a part of a mapping that is memory
 * @offset: in: a byte of the mapping; out: where the part with it begins
 * @length: out: of that part
 *
 * The host may let the client reach it without calls, by mapping it once more
 * (mremap() with an old size of 0), until it is told to revoke (struct uiommu_host_ops).
 *
 * Return: the memory at *@offset; NULL: the byte is reached by calls, now or always.
 */
UIOMMU_API void *uiommu_mapping_memory(struct uiommu_mapping *mapping, uint64_t *offset,
				       uint64_t *length);

/**
 * uiommu_mapping_dontcopy() - forked children don't have it
 *
 * As if by madvise(MADV_DONTFORK), from the start.
 */
UIOMMU_API bool uiommu_mapping_dontcopy(const struct uiommu_mapping *mapping);

/**
 * struct uiommu_mapping_ops - a mapping that the host makes
 * @read: as uiommu_mapping_read()
 * @write: as uiommu_mapping_write()
 * @write_block: as uiommu_mapping_write_block()
 * @enqueue: as uiommu_mapping_enqueue()
 * @memory: as uiommu_mapping_memory()
 * @dontcopy: as uiommu_mapping_dontcopy(); NULL: they do
 * @release: the last reference is gone
 */
struct uiommu_mapping_ops {
	int (*read)(void *opaque, uint64_t offset, uint64_t *value, unsigned int size);
	int (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned int size);
	int (*write_block)(void *opaque, uint64_t offset, const void *data);
	int (*enqueue)(void *opaque, uint64_t offset, const void *data);
	void *(*memory)(void *opaque, uint64_t *offset, uint64_t *length);
	bool (*dontcopy)(void *opaque);
	void (*release)(void *opaque);
};

/**
 * uiommu_mapping_create() - a mapping of the host's, say of a file in another process
 * @ops: must stay
 * @opaque: for @ops
 *
 * Return: with one reference; NULL: no memory.
 */
UIOMMU_API struct uiommu_mapping *uiommu_mapping_create(const struct uiommu_mapping_ops *ops,
							void *opaque);

/* ---- the tree that clients see ---- */

/*
 * The files of the tree that stand for attributes have this bit of their mode set, which means
 * nothing to a file: in sysfs they have the length of a page, whatever can be read of them.
 */
#define UIOMMU_TREE_ATTR 01000

/**
 * uiommu_tree_write() - materialise /sys and /dev for the devices of an instance
 * @dirfd: an empty directory
 * @errbuf: on failure one sentence that says what to do
 *
 * Writes "root/" (sys/... and dev/..., with links to the host's real entries in
 * folders that both have) and "manifest" (docs/architecture.md has its format).
 *
 * Return: 0 or a negative errno.
 */
UIOMMU_API int uiommu_tree_write(struct uiommu *ctx, int dirfd, char *errbuf, size_t errlen);

/**
 * enum uiommu_tree_kind - what a path of the manifest is
 * @UIOMMU_TREE_NODE: a character device; the tree has an empty file there
 * @UIOMMU_TREE_MERGE: this path and all below it are the tree's
 * @UIOMMU_TREE_DIR: only this very folder is the tree's (its listing): what is
 *	below it is the host's, but for other entries
 */
enum uiommu_tree_kind {
	UIOMMU_TREE_NODE,
	UIOMMU_TREE_MERGE,
	UIOMMU_TREE_DIR,
};

/**
 * struct uiommu_tree_entry - one path that a client must be shown the tree for
 * @kind: see there
 * @path: absolute, as the client says it; its twin is "root" + @path
 * @rdev: of a node
 */
struct uiommu_tree_entry {
	enum uiommu_tree_kind kind;
	const char *path;
	dev_t rdev;
};

/**
 * uiommu_tree_load() - make the instance again that uiommu_tree_write() saw
 * @ctx: an instance without devices; NULL: don't add any, only visit
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @visit: called for each path, in the manifest's order; may be NULL
 * @opaque: for @visit
 * @errbuf: on failure one sentence that says what to do; may be NULL
 *
 * The devices get the same addresses, groups and device numbers; the host is
 * not asked whether it has them.
 *
 * Return: 0 or a negative errno; -EPROTO: the manifest is another version's.
 */
UIOMMU_API int uiommu_tree_load(struct uiommu *ctx, int dirfd,
				void (*visit)(void *opaque, const struct uiommu_tree_entry *entry),
				void *opaque, char *errbuf, size_t errlen);

/**
 * uiommu_tree_refresh() - bring a folder that the host has too up to date
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @path: of an UIOMMU_TREE_DIR
 *
 * To be called before its names are read.  Whatever fails leaves it as it was.
 */
UIOMMU_API void uiommu_tree_refresh(int dirfd, const char *path);

/**
 * struct uiommu_tree_store_ops - what a write to a file of the tree may ask
 * @in_use: has anybody the device open, in whatever process?  "0000:01:00.0"
 * @owned: has a container, in whatever process, the DMA of a group?  "group-0"
 * @request: ask whoever has it open to release it: the write waits for that
 * @reset: reset the device, in all processes that have it open
 * @config: write these bytes to the config space of the device, in all other processes that
 *	have it open.  True: there are some
 *
 * All are optional, called under the lock of the tree's bindings, and must not store.
 */
struct uiommu_tree_store_ops {
	bool (*in_use)(void *opaque, const char *device);
	bool (*owned)(void *opaque, const char *group);
	void (*request)(void *opaque, const char *device);
	void (*reset)(void *opaque, const char *device);
	bool (*config)(void *opaque, const char *device, uint64_t offset, const void *bytes,
		       size_t length);
};

/**
 * uiommu_tree_store() - write to a file of the tree, as to one of sysfs
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @path: absolute, as the client says it; its folder has no links in it
 * @text: what is written; one call is one command
 * @length: of @text; of more than 4096 bytes only those are taken
 * @ops: may be NULL
 * @opaque: for @ops
 *
 * bind, unbind, new_id, remove_id, drivers_probe, drivers_autoprobe, driver_override, reset,
 * remove and rescan, and the attributes of accelerators, have their effects in the tree, at once
 * and for all processes; other files take what is written, and nothing comes of it.
 *
 * Return: how many bytes were taken; -EINPROGRESS: the device must be released first, which
 * the caller waits for; -ENODEV, -EINVAL, -EBUSY, -EEXIST, -EPERM, -ENXIO, -EOPNOTSUPP, -EIO,
 * -ERANGE and -EOVERFLOW as Linux; other negative errnos if the folder can't be written.
 */
UIOMMU_API ssize_t uiommu_tree_store(int dirfd, const char *path, const void *text, size_t length,
				     const struct uiommu_tree_store_ops *ops, void *opaque);

/**
 * uiommu_tree_store_config() - write to the config space of a device by its file in the tree
 * @ctx: the instance that uiommu_tree_load() made of the folder
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @offset: from its start
 * @bytes: what is written, @length of them
 * @ops: @config of it; may be NULL
 * @opaque: for @ops
 *
 * As a write by whoever has it open does, it changes what can be changed.  If nobody has it,
 * that is what the next one finds.  The file is brought up to date.
 *
 * Return: how many bytes were taken, 0 behind the end; -ENODEV: there is no such device; other
 * negative errnos if the folder can't be written.
 */
UIOMMU_API ssize_t uiommu_tree_store_config(struct uiommu *ctx, int dirfd, const char *device,
					    uint64_t offset, const void *bytes, size_t length,
					    const struct uiommu_tree_store_ops *ops, void *opaque);

/**
 * uiommu_tree_config_kept() - what uiommu_tree_store_config() left of a device that nobody had
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @bytes: its config space, @size bytes from the start
 *
 * For struct uiommu_host_ops.
 *
 * Return: 0; -ENOENT: nothing; -EIO.
 */
UIOMMU_API int uiommu_tree_config_kept(int dirfd, const char *device, void *bytes, size_t size);

/**
 * uiommu_vfio_config_write() - write to the config space of an open device, from outside
 * @device: "0000:01:00.0"
 * @offset: from its start
 * @bytes: @length of them
 *
 * Return: 0; -ENODEV: there is no such, or nobody has it open in this instance; -EFAULT: behind
 * the end.
 */
UIOMMU_API int uiommu_vfio_config_write(struct uiommu *ctx, const char *device, uint64_t offset,
					const void *bytes, size_t length);

/**
 * uiommu_tree_driver() - to whom a device is bound
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @name: the driver's name, "" for none
 * @size: room at @name, with the 0
 *
 * Return: 0; -ENODEV: there is no such device; -ENAMETOOLONG: of the driver.
 */
UIOMMU_API int uiommu_tree_driver(int dirfd, const char *device, char *name, size_t size);

/**
 * uiommu_tree_config() - bring a device's config file up to date
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @bytes: its config space; of @size bytes as many are written as the file has
 *
 * Return: 0; -ENODEV: there is no such device; other negative errnos if it can't be written.
 */
UIOMMU_API int uiommu_tree_config(int dirfd, const char *device, const void *bytes, size_t size);

/**
 * uiommu_tree_state() - what a device's driver keeps of it for all processes
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @bytes: of @size bytes, which is how much there is
 *
 * Return: 0; -ENOENT: nothing; -EPROTO: it's of another size.
 */
UIOMMU_API int uiommu_tree_state(int dirfd, const char *device, void *bytes, size_t size);

/**
 * uiommu_tree_attribute() - a file below a device's folder in /sys says something else
 * @dirfd: the folder that uiommu_tree_write() wrote to
 * @device: "0000:01:00.0"
 * @name: of the file, from the device's folder; with links or not
 * @text: all that it says, @size bytes
 *
 * Return: 0; -ENODEV: there is no such device; other negative errnos if it can't be written.
 */
UIOMMU_API int uiommu_tree_attribute(int dirfd, const char *device, const char *name,
				     const char *text, size_t size);

/**
 * uiommu_vfio_reset() - reset a device, as a write to its "reset" does
 * @device: "0000:01:00.0"
 *
 * Return: 0; -ENODEV: there is no such.
 */
UIOMMU_API int uiommu_vfio_reset(struct uiommu *ctx, const char *device);

/**
 * uiommu_vfio_request() - ask whoever has a device open to release it
 * @device: "0000:01:00.0"
 *
 * Signals the eventfd of its request interrupt, if there is one.
 *
 * Return: 0; -ENODEV: there is no such.
 */
UIOMMU_API int uiommu_vfio_request(struct uiommu *ctx, const char *device);

/**
 * uiommu_file_device() - the device, or group, that a file is open on
 *
 * Return: "0000:01:00.0" or "group-0", as long as the file is held; NULL: it's nobody's.
 */
UIOMMU_API const char *uiommu_file_device(const struct uiommu_file *file);

/**
 * uiommu_file_queue() - the queue of an accelerator that a file is open on
 * @exclusive: may it be open once only, in all processes that have the device?
 *
 * An instance refuses a second open of an exclusive one (-EBUSY); whoever has several instances
 * of one tree keeps others from it.
 *
 * Return: "wq0.1", as long as the file is held; NULL: it's no queue's.
 */
UIOMMU_API const char *uiommu_file_queue(const struct uiommu_file *file, bool *exclusive);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_FILE_H */

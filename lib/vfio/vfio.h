/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vfio/vfio.h - /dev/vfio, from the inside
 *
 * A vfio device stands for one PCI function; a vfio file is one open of its
 * node, or one that its group gave.  Any number of files of the node may be open, one of
 * them may be bound, and only that one reaches the device; while it is, the group can't be
 * opened (group.c).  Of a group any number of files may reach the device at once.  What a
 * file does once it may reach the device (device.c, info.c, irq.c, region.c) doesn't ask
 * how it came to that.
 *
 * Locks, outermost first: group->lock, vdev->lock or container->lock, those of iommufd and
 * pci.  A last put of a file may need any of them, so it is done without.
 */
#ifndef UI_VFIO_VFIO_H
#define UI_VFIO_VFIO_H

#include "base/ctx.h"
#include "base/file.h"
#include "iommufd/iommufd.h"
#include "pci/pci.h"
#include "uapi/vfio.h"

/* Offsets of a device file: the region's index above 40 bits of offset. */
#define VFIO_OFFSET_SHIFT 40
#define VFIO_OFFSET_MASK ((1ull << VFIO_OFFSET_SHIFT) - 1)

struct vfio_file;
struct vfio_group;

/* A PASID that something is attached to. */
struct vfio_pasid {
	uint32_t pasid;
	struct cds_list_head node;
};

/*
 * Interrupts of a device.  Whoever raises one takes no lock, but counts itself in
 * raising while it uses an eventfd; who takes one away waits until nobody is.
 *  type		the device's lock; which of INTx, MSI and MSI-X is in use
 *  allocated		the device's lock; MSI: how many vectors
 *  intx		atomic; bits, see irq.c
 *  intx_trigger, triggers	atomic pointers, changed under the device's lock; eventfds of the host
 *  nr_triggers		immutable; as many as MSI or MSI-X has vectors
 *  raising		atomic
 *  unmask, err, req	the device's lock; eventfds
 */
struct vfio_irqs {
	unsigned int type;
	unsigned int allocated;
	uint32_t intx;
	uint32_t raising;
	void *intx_trigger;
	void **triggers;
	unsigned int nr_triggers;
	void *unmask;
	void *err;
	void *req;
};

/*
 * Refs: none; lives from probe to remove, and the instance stays while a file
 *	is open.
 * Locks: lock is outermost: iommufd and pci are called under it.
 *  ctx, pdev, index, path, node	immutable
 *  group, group_node		immutable; group->lock
 *  owner			lock; the file of the node that is bound, if one is
 *  opens			lock; files that reach the device
 *  idev			lock; its binding, when it was opened by an iommufd
 *  attached, pasids		lock; what is attached by idev
 *  irqs			see there
 *  ioeventfds, nr_ioeventfds	lock
 *  wakeup, low_power		lock
 *  shown			lock; for vfio_config_changed_locked(), which a trap's stack has no
 *				room for
 */
struct vfio_device {
	struct uiommu *ctx;
	struct uiommu_pci_device *pdev;
	unsigned int index;
	char path[40];
	struct ui_node node;

	struct ui_mutex lock;
	struct vfio_group *group;
	struct cds_list_head group_node;
	struct vfio_file *owner;
	unsigned int opens;
	struct iommufd_device *idev;
	bool attached;
	struct cds_list_head pasids;
	struct vfio_irqs irqs;
	struct cds_list_head ioeventfds;
	unsigned int nr_ioeventfds;
	void *wakeup;
	bool low_power;
	uint8_t shown[PCI_CFG_SIZE];
};

/*
 * Refs: file.refs.
 *  vdev	immutable
 *  group	immutable; whose file it is, NULL: the node's
 *  granted	atomic; set once the file may reach the device
 *  pos		atomic; where read() and write() go on
 */
struct vfio_file {
	struct uiommu_file file;
	struct vfio_device *vdev;
	struct vfio_group *group;
	uint32_t granted;
	uint64_t pos;
};

/*
 *  container			immutable; the node
 *  next_index, major		pci->lock (held by whoever adds devices)
 *  group_major, group_minor	pci->lock; of the next group
 *  groups			pci->lock
 */
struct vfio_state {
	struct ui_node container;
	unsigned int next_index;
	unsigned int major;
	unsigned int group_major;
	unsigned int group_minor;
	struct cds_list_head groups;
};

/* The driver vfio-pci; -ENOMEM. */
int vfio_init(struct uiommu *ctx);
void vfio_exit(struct uiommu *ctx);
/* For an instance made from a manifest: the numbers of the next nodes, @group if it is new. */
void vfio_set_next(struct uiommu *ctx, unsigned int index, unsigned int major, dev_t group);

static inline struct vfio_file *vfio_file_of(struct uiommu_file *file)
{
	return ui_container_of(file, struct vfio_file, file);
}

static inline bool vfio_granted(const struct vfio_file *vf)
{
	/* Pairs with the release in cdev.c: what bind set up is seen. */
	return ui_load_acquire(&vf->granted);
}

/* cdev.c: open, and the ioctls that only it has; others are -ENOTTY. */
struct uiommu_file *vfio_cdev_open(struct uiommu *ctx, const struct ui_node *node, int flags);
long vfio_cdev_bind(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg);
long vfio_cdev_attach(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg);
long vfio_cdev_detach(struct vfio_file *vf, struct uiommu_mm *mm, uint64_t arg);
void vfio_cdev_close(struct vfio_file *vf);

/* attach.c: what an iommufd's objects are attached to; vdev->lock is held, idev is there. */
int vfio_attach_locked(struct vfio_device *vdev, uint32_t *pt_id);
int vfio_attach_pasid_locked(struct vfio_device *vdev, uint32_t pasid, uint32_t *pt_id);
/* Detach of nothing is silent. */
void vfio_detach_locked(struct vfio_device *vdev);
void vfio_detach_pasid_locked(struct vfio_device *vdev, uint32_t pasid);
void vfio_detach_all_locked(struct vfio_device *vdev);

/* device.c: the file's operations. */
extern const struct ui_file_ops vfio_device_ops;
/*
 * One more file reaches the device: the first binds it to @ictx, with *@devid for its ID,
 * or (NULL) uses the container of its group, whose lock is then held.  As
 * iommufd_device_bind(); -EINVAL: the container has no IOMMU yet.
 */
int vfio_device_open_locked(struct vfio_device *vdev, struct iommufd_ctx *ictx, uint32_t *devid);
/* One less.  Returns a file to be put without locks, or NULL. */
struct uiommu_file *vfio_device_close_locked(struct vfio_device *vdev);

/* info.c */
long vfio_get_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
long vfio_get_region_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
long vfio_get_irq_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
long vfio_feature(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
bool vfio_region_size(struct vfio_device *vdev, uint64_t index, uint64_t *size, uint32_t *flags);

/* irq.c */
int vfio_irqs_init(struct vfio_device *vdev);
void vfio_irqs_fini(struct vfio_device *vdev);
/* What the function raises. */
void vfio_irq_intx(struct uiommu_pci_device *pdev);
void vfio_irq_message(struct uiommu_pci_device *pdev, unsigned int vector);
unsigned int vfio_irq_count(const struct vfio_device *vdev, uint32_t index);
long vfio_set_irqs(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
void vfio_irqs_release_locked(struct vfio_device *vdev);
/* An eventfd of the host, or -EBADF, -EINVAL as an ERR_PTR. */
void *vfio_eventfd_get(struct vfio_device *vdev, struct uiommu_mm *mm, int fd);
void vfio_eventfd_put(struct vfio_device *vdev, void *eventfd);

/* ioeventfd.c */
long vfio_ioeventfd(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
void vfio_ioeventfds_release_locked(struct vfio_device *vdev);

/* hot_reset.c */
long vfio_get_hot_reset_info(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);
long vfio_hot_reset(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t arg);

/*
 * bound.c: whether the host says that the driver of @vdev is this one; and whether a device of
 * its group has one that uses DMA by itself, so that nobody else may have the group.
 */
bool vfio_is_bound(const struct vfio_device *vdev);
bool vfio_group_in_kernel(struct vfio_group *group);
/* The device by its name; NULL. */
struct vfio_device *vfio_find(struct uiommu *ctx, const char *name);
/* The host is told of the config space; vdev->lock. */
void vfio_config_changed_locked(struct vfio_device *vdev);

/* bindstart.c: drivers of the devices of a tree that was just written to @dirfd. */
struct tree;
void vfio_bind_start(struct tree *tree, int dirfd);
/* own.c: the device's driver, which isn't vfio-pci, writes what it has of it. */
void vfio_write_own(struct tree *tree, struct uiommu_pci_device *pdev);
/* tree.c: a module counts as loaded when its folder is there. */
void vfio_write_module(struct tree *tree, const char *module);

/* region.c */
ssize_t vfio_region_read(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf, size_t count,
			 uint64_t pos);
ssize_t vfio_region_write(struct vfio_device *vdev, struct uiommu_mm *mm, uint64_t buf,
			  size_t count, uint64_t pos);
/* Of a mapping of a BAR: which, and where in it.  False: it's one of something else. */
bool vfio_mapping_bar(struct uiommu_mapping *base, struct uiommu_pci_device **pdev,
		      unsigned int *bar, uint64_t *offset);
int vfio_region_mmap(struct uiommu_file *file, struct uiommu_mm *mm, int prot, int flags,
		     uint64_t offset, size_t length, struct uiommu_mapping **out);

#endif /* UI_VFIO_VFIO_H */

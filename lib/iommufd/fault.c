// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/fault.c - fault queues: FAULT_QUEUE_ALLOC and the file of a queue
 *
 * A group of page requests waits in deliver until it is read, then under its
 * cookie until it is answered:
 *
 *	handler -> deliver -> read: cookies -> write: answered, freed
 *
 * Taking an entry out, under the lock, is what entitles to free its group, so
 * answer, detach and destruction never meet.  Who answers the device first is
 * iopf's affair: a detach has answered the groups before it drains the queue.
 */
#include "iommufd/fault.h"

#include <fcntl.h>
#include <poll.h>

#include "iommufd/attach.h"
#include "iommufd/iommufd.h"
#include "uapi/iommufd.h"

#define FAULT_SIZE sizeof(struct iommu_hwpt_pgfault)
#define RESPONSE_SIZE sizeof(struct iommu_hwpt_page_response)
/* So many reads in a row that found nothing are a loop of them. */
#define EMPTY_READS 3u
/* A microsecond or two. */
#define READER_TRIES 50u
#define FAULT_FILE "anon_inode:[iommufd-pgfault]"

/* What is passed through unchanged. */
_Static_assert(IOMMU_PGFAULT_FLAGS_PASID_VALID == UIOMMU_FAULT_PASID_VALID, "fault flags");
_Static_assert(IOMMU_PGFAULT_FLAGS_LAST_PAGE == UIOMMU_FAULT_LAST_PAGE, "fault flags");
_Static_assert(IOMMU_PGFAULT_PERM_READ == UIOMMU_READ, "fault rights");
_Static_assert(IOMMU_PGFAULT_PERM_WRITE == UIOMMU_WRITE, "fault rights");
_Static_assert(IOMMU_PGFAULT_PERM_EXEC == UIOMMU_EXEC, "fault rights");
_Static_assert(IOMMU_PGFAULT_PERM_PRIV == UIOMMU_PRIV, "fault rights");

/*
 * A group in a queue.
 *  group, dev_id	immutable
 *  node, cookie, read	fault->lock; until it is read it has no cookie
 */
struct fault_entry {
	struct cds_list_head node;
	struct uiommu_iopf_group *group;
	uint32_t dev_id;
	uint32_t cookie;
	bool read;
};

/* ---- memory ---- */

void iommufd_fault_get_memory(struct iommufd_fault *fault)
{
	ui_fetch_add(&fault->memory, 1);
}

void iommufd_fault_put_memory(struct iommufd_fault *fault)
{
	if (ui_fetch_sub(&fault->memory, 1) != 1)
		return;
	idtable_destroy(&fault->cookies);
	ui_mutex_destroy(&fault->lock);
	ui_free(fault);
}

/* ---- entries ---- */

static struct fault_entry *first_to_deliver(struct iommufd_fault *fault)
{
	if (cds_list_empty(&fault->deliver))
		return NULL;
	return cds_list_first_entry(&fault->deliver, struct fault_entry, node);
}

/*
 * The host is told without the lock, since whoever it wakes takes that next.  True: tell()
 * has to follow; until then the file stays, and with it the memory.
 */
static inline bool set_readable_locked(struct iommufd_fault *fault, bool readable)
{
	if (!fault->file_open)
		return false;
	ui_file_set_readable(&fault->file, readable);
	ui_telling_begin(&fault->telling);
	return true;
}

/* The file may be gone afterwards, and the queue. */
static inline void tell(struct iommufd_fault *fault)
{
	ui_host_readable(&fault->file);
	ui_telling_end(&fault->telling, &fault->lock);
}

/*
 * Somebody reads again and again, so likely the entry is gone before the host could have been
 * told of it, which costs more than to wait that long.
 */
static void wait_for_reader(struct iommufd_fault *fault)
{
	for (unsigned int tries = 0; tries < READER_TRIES; tries++) {
		if (!uiommu_file_readable(&fault->file))
			return;
		ui_spin_pause(0);
	}
	ui_store_relaxed(&fault->empty_reads, 0);
}

/* Takes every entry that came by @handle, or all, into @out. */
static void take_entries(struct iommufd_fault *fault, struct uiommu_attach_handle *handle,
			 struct cds_list_head *out)
{
	struct cds_list_head *const lists[] = {&fault->deliver, &fault->answering};
	struct fault_entry *entry, *next;
	bool was_empty, changed = false;

	ui_mutex_lock(&fault->lock);
	was_empty = cds_list_empty(&fault->deliver);
	for (unsigned int i = 0; i < 2; i++) {
		cds_list_for_each_entry_safe(entry, next, lists[i], node) {
			if (handle && uiommu_iopf_group_handle(entry->group) != handle)
				continue;
			if (entry->read)
				idtable_free(&fault->cookies, entry->cookie);
			cds_list_del(&entry->node);
			cds_list_add_tail(&entry->node, out);
		}
	}
	if (!was_empty && cds_list_empty(&fault->deliver))
		changed = set_readable_locked(fault, false);
	ui_mutex_unlock(&fault->lock);
	if (changed)
		tell(fault);
}

/* Whoever is not answered yet becomes INVALID; without locks. */
static void finish_entries(struct cds_list_head *entries)
{
	struct fault_entry *entry, *next;

	cds_list_for_each_entry_safe(entry, next, entries, node) {
		uiommu_iopf_group_response(entry->group, UIOMMU_PAGE_RESP_INVALID);
		uiommu_iopf_free_group(entry->group);
		ui_free(entry);
	}
}

int iommufd_fault_iopf_handler(struct uiommu_iopf_group *group)
{
	struct uiommu_attach_handle *handle = uiommu_iopf_group_handle(group);
	/* Its memory is kept by the domain, and that by the group. */
	struct iommufd_fault *fault = uiommu_iopf_group_domain(group)->fault_data;
	struct fault_entry *entry = ui_zalloc(sizeof(*entry));
	bool attached, changed = false;

	if (!entry)
		return -ENOMEM;
	entry->group = group;
	entry->dev_id = iommufd_handle_device_id(handle);

	ui_mutex_lock(&fault->lock);
	/*
	 * Still attached: then the drain comes later, and finds the entry.  If
	 * not it may have been here already, and nobody would look again.
	 */
	attached = uiommu_attach_handle_attached(handle);
	if (attached) {
		if (cds_list_empty(&fault->deliver))
			changed = set_readable_locked(fault, true);
		cds_list_add_tail(&entry->node, &fault->deliver);
	}
	ui_mutex_unlock(&fault->lock);

	if (changed) {
		if (ui_load_relaxed(&fault->empty_reads) >= EMPTY_READS)
			wait_for_reader(fault);
		tell(fault);
	}
	if (!attached) {
		uiommu_iopf_group_response(group, UIOMMU_PAGE_RESP_INVALID);
		uiommu_iopf_free_group(group);
		ui_free(entry);
	}
	return 0;
}

void iommufd_fault_drain(struct iommufd_fault *fault, struct uiommu_attach_handle *handle)
{
	CDS_LIST_HEAD(entries);

	take_entries(fault, handle, &entries);
	finish_entries(&entries);
}

/* ---- read ---- */

static int copy_group_out(const struct fault_entry *entry, struct uiommu_mm *mm, uint64_t buf)
{
	unsigned int count = uiommu_iopf_group_faults(entry->group);

	for (unsigned int i = 0; i < count; i++) {
		const struct uiommu_fault *fault = uiommu_iopf_group_fault(entry->group, i);
		const struct iommu_hwpt_pgfault out = {
			.flags = fault->flags & (UIOMMU_FAULT_PASID_VALID | UIOMMU_FAULT_LAST_PAGE),
			.dev_id = entry->dev_id,
			.pasid = fault->flags & UIOMMU_FAULT_PASID_VALID ? fault->pasid : 0,
			.grpid = fault->grpid,
			.perm = fault->perm,
			.addr = fault->addr,
			.cookie = entry->cookie,
		};

		if (ui_copy_to_user(mm, buf + i * sizeof(out), &out, sizeof(out)))
			return -EFAULT;
	}
	return 0;
}

/* Gives the entry a cookie and copies it; on failure it stays undelivered. */
static int deliver_locked(struct iommufd_fault *fault, struct fault_entry *entry,
			  struct uiommu_mm *mm, uint64_t buf)
{
	int64_t cookie = idtable_reserve(&fault->cookies, UINT32_MAX);
	int rc;

	if (cookie < 0)
		return (int)cookie;
	entry->cookie = (uint32_t)cookie;
	rc = copy_group_out(entry, mm, buf);
	if (rc) {
		idtable_free(&fault->cookies, entry->cookie);
		return rc;
	}
	entry->read = true;
	idtable_set(&fault->cookies, entry->cookie, entry);
	cds_list_del(&entry->node);
	cds_list_add_tail(&entry->node, &fault->answering);
	return 0;
}

/* Without the lock: who reads in a loop would keep others from it. */
static ssize_t read_nothing(struct iommufd_fault *fault)
{
	uint32_t before = ui_load_relaxed(&fault->empty_reads);

	if (before < EMPTY_READS)
		ui_store_relaxed(&fault->empty_reads, before + 1);
	return 0;
}

static ssize_t fault_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			  size_t count)
{
	struct iommufd_fault *fault = ui_container_of(file, struct iommufd_fault, file);
	struct fault_entry *entry;
	bool changed = false;
	size_t done = 0;
	int rc = 0;

	if (count % FAULT_SIZE)
		return -ESPIPE;
	if (!ui_load_acquire(&file->readable))
		return read_nothing(fault);

	ui_mutex_lock(&fault->lock);
	while ((entry = first_to_deliver(fault))) {
		size_t size = uiommu_iopf_group_faults(entry->group) * FAULT_SIZE;

		/* A group is never cut; if not even the first fits, that is an error. */
		rc = size > count - done ? -EINVAL : deliver_locked(fault, entry, mm, buf + done);
		if (rc)
			break;
		done += size;
	}
	if (done && !entry)
		changed = set_readable_locked(fault, false);
	ui_mutex_unlock(&fault->lock);
	if (changed)
		tell(fault);
	return done ? (ssize_t)done : rc;
}

/* ---- write ---- */

static int answer_one(struct iommufd_fault *fault, const struct iommu_hwpt_page_response *response)
{
	struct fault_entry *entry;
	int rc;

	if (response->code != IOMMUFD_PAGE_RESP_SUCCESS &&
	    response->code != IOMMUFD_PAGE_RESP_INVALID)
		return -EINVAL;

	ui_mutex_lock(&fault->lock);
	entry = idtable_find(&fault->cookies, response->cookie);
	if (entry) {
		idtable_free(&fault->cookies, entry->cookie);
		cds_list_del(&entry->node);
	} else if (!response->cookie && !idtable_empty(&fault->cookies)) {
		/* As in Linux, who answers 0 while others are open makes it a cookie. */
		fault->cookies.from_zero = true;
	}
	ui_mutex_unlock(&fault->lock);
	if (!entry)
		return -EINVAL;

	/*
	 * Without the lock: the device may go on from in here, and fault again.
	 * If a detach was faster with its answer, the cookie is a used one.
	 */
	rc = uiommu_iopf_group_response(entry->group, response->code == IOMMUFD_PAGE_RESP_SUCCESS ?
							      UIOMMU_PAGE_RESP_SUCCESS :
							      UIOMMU_PAGE_RESP_INVALID);
	uiommu_iopf_free_group(entry->group);
	ui_free(entry);
	return rc ? -EINVAL : 0;
}

static ssize_t fault_write(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			   size_t count)
{
	struct iommufd_fault *fault = ui_container_of(file, struct iommufd_fault, file);
	struct iommu_hwpt_page_response response;
	size_t done = 0;
	int rc = 0;

	if (count % RESPONSE_SIZE)
		return -ESPIPE;
	while (done < count) {
		rc = ui_copy_from_user(mm, &response, buf + done, sizeof(response));
		if (!rc)
			rc = answer_one(fault, &response);
		if (rc)
			break;
		done += sizeof(response);
	}
	return done ? (ssize_t)done : rc;
}

static short fault_poll(struct uiommu_file *file)
{
	struct iommufd_fault *fault = ui_container_of(file, struct iommufd_fault, file);
	bool readable;

	ui_mutex_lock(&fault->lock);
	readable = !cds_list_empty(&fault->deliver);
	ui_mutex_unlock(&fault->lock);
	return readable ? POLLOUT | POLLIN | POLLRDNORM : POLLOUT;
}

/* ---- the file and the object ---- */

static void fault_release(struct uiommu_file *file)
{
	struct iommufd_fault *fault = ui_container_of(file, struct iommufd_fault, file);
	struct iommufd_ctx *ictx = fault->ictx;

	/* What is queued stays, and can be answered by a detach. */
	ui_mutex_lock(&fault->lock);
	fault->file_open = false;
	/* The host has heard the last of it when the file is gone. */
	ui_telling_wait(&fault->telling, &fault->lock);
	ui_mutex_unlock(&fault->lock);
	ui_file_fini(file);
	iommufd_put_object(ictx, &fault->obj);
	iommufd_fault_put_memory(fault);
	/* Maybe the last: then the object goes now. */
	iommufd_ctx_put(ictx);
}

static const struct ui_file_ops fault_file_ops = {
	.name = "iommufd-pgfault",
	.read = fault_read,
	.write = fault_write,
	.poll = fault_poll,
	.release = fault_release,
};

static void fault_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_fault *fault = ui_container_of(obj, struct iommufd_fault, obj);
	CDS_LIST_HEAD(entries);

	/* The hwpts are gone, and with their detach went the groups: to be sure. */
	take_entries(fault, NULL, &entries);
	finish_entries(&entries);
	iommufd_fault_put_memory(fault);
}

const struct iommufd_object_ops iommufd_fault_ops = {
	.name = "FAULT",
	.destroy = fault_destroy,
};

struct iommufd_fault *iommufd_get_fault(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_get_object(ictx, id, &iommufd_fault_ops);

	return obj ? ui_container_of(obj, struct iommufd_fault, obj) : NULL;
}

/* Makes the file, with one reference that is the caller's. */
static int open_file(struct iommufd_fault *fault)
{
	struct iommufd_ctx *ictx = fault->ictx;
	int rc;

	rc = ui_file_init(&fault->file, ictx->file.ctx, &fault_file_ops, FAULT_FILE, 0, O_RDWR);
	if (rc)
		return rc;
	ui_file_set_readable(&fault->file, false);
	fault->file_open = true;
	ui_telling_init(&fault->telling);
	/* All three are put by fault_release(). */
	uiommu_file_get(&ictx->file);
	iommufd_use_object(ictx, &fault->obj);
	iommufd_fault_get_memory(fault);
	return 0;
}

int iommufd_fault_alloc(struct iommufd_ucmd *ucmd)
{
	struct uiommu *ctx = ucmd->ictx->file.ctx;
	struct iommu_fault_alloc *cmd = ucmd->cmd;
	struct iommufd_fault *fault;
	int rc, fd;

	if (cmd->flags)
		return -EOPNOTSUPP;
	fault = ui_zalloc(sizeof(*fault));
	if (!fault)
		return -ENOMEM;
	rc = iommufd_object_init(ucmd->ictx, &fault->obj, &iommufd_fault_ops);
	if (rc) {
		ui_free(fault);
		return rc;
	}
	fault->ictx = ucmd->ictx;
	fault->memory = 1;
	ui_mutex_init(&fault->lock);
	CDS_INIT_LIST_HEAD(&fault->deliver);
	CDS_INIT_LIST_HEAD(&fault->answering);
	idtable_init(&fault->cookies);
	ucmd->new_obj = &fault->obj;

	rc = open_file(fault);
	if (rc)
		return rc;
	fd = ui_host_install(ctx, ucmd->mm, &fault->file, true);
	if (fd < 0) {
		uiommu_file_put(&fault->file);
		return fd;
	}
	/* The reference is the table's now; taking the descriptor back puts it. */
	cmd->out_fault_id = fault->obj.id;
	cmd->out_fault_fd = (uint32_t)fd;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		ui_host_uninstall(ctx, ucmd->mm, fd);
	return rc;
}

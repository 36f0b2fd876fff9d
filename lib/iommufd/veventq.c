// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/veventq.c - VEVENTQ_ALLOC and the file of a queue
 *
 * What a reader gets is a stream of headers, each followed by the driver's data.
 * Every event takes a sequence number, also those for which there was no room:
 * while they are the latest, a header alone, flagged as a loss, stands at the end
 * for them all, with the number of the last.  The next event that finds room
 * replaces it, and the gap in the numbers tells the rest.
 */
#include "iommufd/veventq.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "iommufd/iommufd.h"
#include "iommufd/viommu.h"
#include "uapi/iommufd.h"

#define HEADER_SIZE sizeof(struct iommufd_vevent_header)
#define MAX_DEPTH (1u << 19)
#define VEVENTQ_FILE "anon_inode:[iommufd-viommu-event]"

/* All: queue->lock. */
struct vevent {
	struct cds_list_head node;
	uint32_t sequence;
	size_t length;
	unsigned char data[];
};

/* ---- reports ---- */

static struct iommufd_veventq *find_queue(struct iommufd_viommu *viommu, uint32_t type)
{
	struct iommufd_veventq *queue;

	ui_mutex_assert_held(&viommu->eventqs_lock);
	cds_list_for_each_entry(queue, &viommu->eventqs, node)
		if (queue->type == type)
			return queue;
	return NULL;
}

static bool is_empty(struct iommufd_veventq *queue)
{
	return cds_list_empty(&queue->events) && !queue->lost;
}

static void set_readable_locked(struct iommufd_veventq *queue, bool readable)
{
	if (!queue->file_open)
		return;
	ui_file_set_readable(&queue->file, readable);
	ui_host_readable(&queue->file);
}

/* @event: NULL: there was no memory.  Takes it over. */
static void add_event(struct iommufd_veventq *queue, struct vevent *event)
{
	bool was_empty;

	ui_mutex_lock(&queue->lock);
	was_empty = is_empty(queue);
	if (event && queue->num_events < queue->depth) {
		event->sequence = queue->sequence;
		cds_list_add_tail(&event->node, &queue->events);
		queue->num_events++;
		queue->lost = false;
		event = NULL;
	} else {
		queue->lost = true;
		queue->lost_sequence = queue->sequence;
	}
	queue->sequence = (queue->sequence + 1) & INT32_MAX;
	if (was_empty)
		set_readable_locked(queue, true);
	ui_mutex_unlock(&queue->lock);
	ui_free(event);
}

int iommufd_viommu_report_event(struct iommufd_viommu *viommu, uint32_t type, const void *data,
				size_t length)
{
	struct iommufd_veventq *queue;
	struct vevent *event;
	int rc = -EOPNOTSUPP;

	if (!data || !length)
		return -EINVAL;
	ui_mutex_lock(&viommu->eventqs_lock);
	queue = find_queue(viommu, type);
	if (queue) {
		event = ui_zalloc(sizeof(*event) + length);
		rc = event ? 0 : -ENOMEM;
		if (event) {
			event->length = length;
			memcpy(event->data, data, length);
		}
		add_event(queue, event);
	}
	ui_mutex_unlock(&viommu->eventqs_lock);
	return rc;
}

/* ---- the file ---- */

/* Of the event, or of the loss. */
static int copy_header(const struct vevent *event, const struct iommufd_veventq *queue,
		       struct uiommu_mm *mm, uint64_t buf)
{
	const struct iommufd_vevent_header header = {
		.flags = event ? 0 : IOMMU_VEVENTQ_FLAG_LOST_EVENTS,
		.sequence = event ? event->sequence : queue->lost_sequence,
	};

	return ui_copy_to_user(mm, buf, &header, sizeof(header));
}

/*
 * Moves the first event, or the header of a loss, to the caller: how many bytes;
 * 0: the queue is empty, or @room is too small for it.  -EFAULT: it stays.
 */
static ssize_t read_one_locked(struct iommufd_veventq *queue, struct uiommu_mm *mm, uint64_t buf,
			       size_t room)
{
	struct vevent *event = NULL;
	size_t size = HEADER_SIZE;

	if (is_empty(queue))
		return 0;
	if (!cds_list_empty(&queue->events)) {
		event = cds_list_first_entry(&queue->events, struct vevent, node);
		size += event->length;
	}
	if (room < size)
		return 0;
	if (copy_header(event, queue, mm, buf) ||
	    (event && ui_copy_to_user(mm, buf + HEADER_SIZE, event->data, event->length)))
		return -EFAULT;
	if (event) {
		cds_list_del(&event->node);
		queue->num_events--;
		ui_free(event);
	} else {
		queue->lost = false;
	}
	return (ssize_t)size;
}

static ssize_t veventq_read(struct uiommu_file *file, struct uiommu_mm *mm, uint64_t buf,
			    size_t count)
{
	struct iommufd_veventq *queue = ui_container_of(file, struct iommufd_veventq, file);
	size_t done = 0;
	ssize_t rc;

	if (count < HEADER_SIZE)
		return -EINVAL;
	ui_mutex_lock(&queue->lock);
	while ((rc = read_one_locked(queue, mm, buf + done, count - done)) > 0)
		done += (size_t)rc;
	/* The very first one doesn't fit. */
	if (!rc && !done && !is_empty(queue))
		rc = -EINVAL;
	if (done && is_empty(queue))
		set_readable_locked(queue, false);
	ui_mutex_unlock(&queue->lock);
	return done ? (ssize_t)done : rc;
}

static short veventq_poll(struct uiommu_file *file)
{
	struct iommufd_veventq *queue = ui_container_of(file, struct iommufd_veventq, file);
	bool readable;

	ui_mutex_lock(&queue->lock);
	readable = !is_empty(queue);
	ui_mutex_unlock(&queue->lock);
	return readable ? POLLIN | POLLRDNORM : 0;
}

static void veventq_release(struct uiommu_file *file)
{
	struct iommufd_veventq *queue = ui_container_of(file, struct iommufd_veventq, file);
	struct iommufd_ctx *ictx = queue->ictx;

	ui_mutex_lock(&queue->lock);
	queue->file_open = false;
	ui_mutex_unlock(&queue->lock);
	ui_file_fini(file);
	/* It can be destroyed from here on. */
	iommufd_put_object(ictx, &queue->obj);
	iommufd_ctx_put(ictx);
}

static const struct ui_file_ops veventq_file_ops = {
	.name = "iommufd-viommu-event",
	.read = veventq_read,
	.poll = veventq_poll,
	.release = veventq_release,
};

/* ---- the object ---- */

static void veventq_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_veventq *queue = ui_container_of(obj, struct iommufd_veventq, obj);
	struct iommufd_viommu *viommu = queue->viommu;
	struct vevent *event, *next;

	ui_mutex_lock(&viommu->eventqs_lock);
	cds_list_del(&queue->node);
	ui_mutex_unlock(&viommu->eventqs_lock);
	/* Nobody finds it any more, and its file is closed. */
	cds_list_for_each_entry_safe(event, next, &queue->events, node)
		ui_free(event);
	ui_mutex_destroy(&queue->lock);
	ui_free(queue);
	iommufd_put_object(ictx, &viommu->obj);
}

const struct iommufd_object_ops iommufd_veventq_ops = {
	.name = "VEVENTQ",
	.destroy = veventq_destroy,
};

/* In the viommu's list from here on, so that there is no other of the type. */
static struct iommufd_veventq *alloc_object(struct iommufd_viommu *viommu, uint32_t type,
					    uint32_t depth)
{
	struct iommufd_veventq *queue = ui_zalloc(sizeof(*queue));
	int rc;

	if (!queue)
		return UIOMMU_ERR_PTR(-ENOMEM);
	queue->ictx = viommu->ictx;
	queue->viommu = viommu;
	queue->type = type;
	queue->depth = depth;
	ui_mutex_init(&queue->lock);
	CDS_INIT_LIST_HEAD(&queue->events);

	ui_mutex_lock(&viommu->eventqs_lock);
	rc = find_queue(viommu, type) ? -EEXIST : 0;
	if (!rc)
		rc = iommufd_object_init(viommu->ictx, &queue->obj, &iommufd_veventq_ops);
	if (!rc)
		cds_list_add_tail(&queue->node, &viommu->eventqs);
	ui_mutex_unlock(&viommu->eventqs_lock);
	if (rc) {
		ui_mutex_destroy(&queue->lock);
		ui_free(queue);
		return UIOMMU_ERR_PTR(rc);
	}
	/* Put by veventq_destroy(). */
	iommufd_use_object(viommu->ictx, &viommu->obj);
	return queue;
}

/* Makes the file, with one reference that is the caller's. */
static int open_file(struct iommufd_veventq *queue)
{
	struct iommufd_ctx *ictx = queue->ictx;
	int rc;

	rc = ui_file_init(&queue->file, ictx->file.ctx, &veventq_file_ops, VEVENTQ_FILE, 0, O_RDWR);
	if (rc)
		return rc;
	ui_file_set_readable(&queue->file, false);
	/* Both are put by veventq_release(). */
	uiommu_file_get(&ictx->file);
	iommufd_use_object(ictx, &queue->obj);
	return 0;
}

/* The host knows the file: it is told of events, of which some may be here already. */
static void announce(struct iommufd_veventq *queue)
{
	ui_mutex_lock(&queue->lock);
	queue->file_open = true;
	if (!is_empty(queue))
		set_readable_locked(queue, true);
	ui_mutex_unlock(&queue->lock);
}

static int install_file(struct iommufd_ucmd *ucmd, struct iommufd_veventq *queue)
{
	struct iommu_veventq_alloc *cmd = ucmd->cmd;
	struct uiommu *ctx = ucmd->ictx->file.ctx;
	int rc, fd;

	rc = open_file(queue);
	if (rc)
		return rc;
	/* Whoever closes the descriptor before it is told of doesn't close the file under us. */
	uiommu_file_get(&queue->file);
	fd = ui_host_install(ctx, ucmd->mm, &queue->file, true);
	if (fd < 0) {
		rc = fd;
		uiommu_file_put(&queue->file);
		goto out_put;
	}
	/* The other reference is the table's now; taking the descriptor back puts it. */
	cmd->out_veventq_id = queue->obj.id;
	cmd->out_veventq_fd = (uint32_t)fd;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (rc)
		ui_host_uninstall(ctx, ucmd->mm, fd);
	else
		announce(queue);
out_put:
	uiommu_file_put(&queue->file);
	return rc;
}

int iommufd_veventq_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_veventq_alloc *cmd = ucmd->cmd;
	struct iommufd_viommu *viommu;
	struct iommufd_veventq *queue;
	int rc;

	if (cmd->flags || cmd->__reserved || cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return -EOPNOTSUPP;
	if (!cmd->veventq_depth || cmd->veventq_depth > MAX_DEPTH)
		return -EINVAL;
	viommu = iommufd_get_viommu(ucmd->ictx, cmd->viommu_id);
	if (!viommu)
		return -ENOENT;
	queue = alloc_object(viommu, cmd->type, cmd->veventq_depth);
	if (UIOMMU_IS_ERR(queue)) {
		rc = (int)UIOMMU_PTR_ERR(queue);
	} else {
		ucmd->new_obj = &queue->obj;
		rc = install_file(ucmd, queue);
	}
	iommufd_put_object(ucmd->ictx, &viommu->obj);
	return rc;
}

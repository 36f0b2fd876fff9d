// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/ioas.c - I/O address spaces: IOAS_ALLOC, MAP, MAP_FILE, COPY, UNMAP, IOVA_RANGES
 *
 * The work is iopt's; here are the rules of the ioctls around it.
 */
#include "iommufd/ioas.h"

#include "mm/inline.h"
#include "mm/dmabuf.h"
#include "mm/mm.h"
#include "uapi/iommufd.h"

/* What the kernel calls ULONG_MAX: never a valid IOVA or length. */
#define NO_IOVA UINT64_MAX
#define PAGE 4096ull

static void ioas_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = ui_container_of(obj, struct iommufd_ioas, obj);

	iopt_destroy(ioas->iopt);
	ui_mutex_destroy(&ioas->lock);
	ui_free(ioas);
}

const struct iommufd_object_ops iommufd_ioas_ops = {
	.name = "IOAS",
	.destroy = ioas_destroy,
};

struct iommufd_ioas *iommufd_get_ioas(struct iommufd_ctx *ictx, uint32_t id)
{
	struct iommufd_object *obj = iommufd_get_object(ictx, id, &iommufd_ioas_ops);

	return obj ? ui_container_of(obj, struct iommufd_ioas, obj) : NULL;
}

struct iommufd_ioas *iommufd_ioas_alloc(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas = ui_zalloc(sizeof(*ioas));
	int rc = -ENOMEM;

	if (!ioas)
		return UIOMMU_ERR_PTR(rc);
	ioas->iopt = iopt_create(ictx->file.ctx);
	if (!ioas->iopt)
		goto out_free;
	ui_mutex_init(&ioas->lock);
	CDS_INIT_LIST_HEAD(&ioas->hwpts);
	rc = iommufd_object_init(ictx, &ioas->obj, &iommufd_ioas_ops);
	if (rc)
		goto out_destroy;
	return ioas;

out_destroy:
	ui_mutex_destroy(&ioas->lock);
	iopt_destroy(ioas->iopt);
out_free:
	ui_free(ioas);
	return UIOMMU_ERR_PTR(rc);
}

int iommufd_ioas_alloc_ioctl(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_alloc *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;

	if (cmd->flags)
		return -EOPNOTSUPP;
	ioas = iommufd_ioas_alloc(ucmd->ictx);
	if (UIOMMU_IS_ERR(ioas))
		return (int)UIOMMU_PTR_ERR(ioas);
	ucmd->new_obj = &ioas->obj;
	cmd->out_ioas_id = ioas->obj.id;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

/* ---- IOVA_RANGES ---- */

static int copy_ranges(struct iommufd_ucmd *ucmd, const struct iopt_range *ranges, size_t count)
{
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;

	for (size_t i = 0; i < count; i++) {
		const struct iommu_iova_range range = {
			.start = ranges[i].start,
			.last = ranges[i].last,
		};

		if (ui_copy_to_user(ucmd->mm, cmd->allowed_iovas + i * sizeof(range), &range,
				    sizeof(range)))
			return -EFAULT;
	}
	return 0;
}

/*
 * How many there are may change while the memory is made, so it is asked again until
 * they fit.
 */
static int fetch_ranges(struct iopt *iopt, struct iopt_range **out, size_t *count,
			uint64_t *alignment)
{
	struct iopt_range *ranges = NULL;
	size_t room = 0;

	while ((*count = iopt_ranges(iopt, ranges, room, alignment)) > room) {
		room = *count;
		ui_free(ranges);
		ranges = ui_zalloc(room * sizeof(*ranges));
		if (!ranges)
			return -ENOMEM;
	}
	*out = ranges;
	return 0;
}

int iommufd_ioas_fetch_ranges(struct iommufd_ioas *ioas, struct iopt_range **ranges, size_t *count)
{
	uint64_t alignment;

	return fetch_ranges(ioas->iopt, ranges, count, &alignment);
}

int iommufd_ioas_iova_ranges(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_iova_ranges *cmd = ucmd->cmd;
	struct iopt_range *ranges;
	struct iommufd_ioas *ioas;
	uint32_t room;
	size_t count;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = fetch_ranges(ioas->iopt, &ranges, &count, &cmd->out_iova_alignment);
	if (rc)
		goto out_put;

	room = cmd->num_iovas;
	rc = copy_ranges(ucmd, ranges, count < room ? count : room);
	ui_free(ranges);
	if (rc)
		goto out_put;
	cmd->num_iovas = (uint32_t)count;
	rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	if (!rc && count > room)
		rc = -EMSGSIZE;
out_put:
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/* ---- MAP, MAP_FILE, COPY ---- */

static int check_map_flags(uint32_t flags)
{
	const uint32_t known =
		IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE | IOMMU_IOAS_MAP_READABLE;

	return flags & ~known ? -EOPNOTSUPP : 0;
}

/* 0: it maps nothing. */
static uint32_t map_perm(uint32_t flags)
{
	uint32_t perm = 0;

	if (flags & IOMMU_IOAS_MAP_READABLE)
		perm |= UIOMMU_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		perm |= UIOMMU_WRITE;
	return perm;
}

static uint32_t iopt_flags(uint32_t flags)
{
	return flags & IOMMU_IOAS_MAP_FIXED_IOVA ? IOPT_FIXED : 0;
}

int iommufd_ioas_map(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	struct uiommu_mm *mm;
	int rc;

	if (check_map_flags(cmd->flags) || cmd->__reserved)
		return -EOPNOTSUPP;
	if (cmd->iova == NO_IOVA || cmd->length == NO_IOVA)
		return -EOVERFLOW;
	if (!map_perm(cmd->flags))
		return -EINVAL;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;

	mm = mm_with_account(ucmd->mm, ui_load_relaxed(&ucmd->ictx->account_mm));
	if (UIOMMU_IS_ERR(mm)) {
		rc = (int)UIOMMU_PTR_ERR(mm);
		goto out_put;
	}
	rc = iopt_map(ioas->iopt, mm, cmd->user_va, cmd->length, map_perm(cmd->flags),
		      iopt_flags(cmd->flags), &cmd->iova);
	/* As in Linux, an answer that can't be given leaves the mapping in place. */
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
out_put:
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/* What there is to map: of a dma-buf of ours, else of the file itself. */
static int find_file_memory(struct iommufd_ucmd *ucmd, bool writable, struct uiommu_mm **mm,
			    uint64_t *uaddr)
{
	const struct iommu_ioas_map_file *cmd = ucmd->cmd;
	struct uiommu_file *file = ui_host_fget(ucmd->ictx->file.ctx, ucmd->mm, cmd->fd);
	struct mm_dmabuf *dmabuf = NULL;
	int rc;

	if (!UIOMMU_IS_ERR(file) && file->ops->dmabuf)
		dmabuf = file->ops->dmabuf(file);
	if (dmabuf)
		rc = mm_dmabuf_map(dmabuf, cmd->start, cmd->length, mm, uaddr);
	else
		rc = mm_map_file(ucmd->mm, cmd->fd, cmd->start, cmd->length, writable, mm, uaddr);
	if (!UIOMMU_IS_ERR(file))
		uiommu_file_put(file);
	return rc;
}

static int map_file(struct iommufd_ucmd *ucmd, struct iopt *iopt)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	uint32_t perm = map_perm(cmd->flags);
	struct uiommu_mm *mm, *payer;
	uint64_t uaddr, last;
	int rc;

	if (!cmd->length)
		return -EINVAL;
	if (__builtin_add_overflow(cmd->start, cmd->length - 1, &last))
		return -EOVERFLOW;
	rc = find_file_memory(ucmd, perm & UIOMMU_WRITE, &mm, &uaddr);
	if (rc)
		return rc;
	if (!mm_is_dmabuf(mm)) {
		payer = mm_with_account(ucmd->mm, ui_load_relaxed(&ucmd->ictx->account_mm));
		if (UIOMMU_IS_ERR(payer)) {
			uiommu_mm_put(mm);
			return (int)UIOMMU_PTR_ERR(payer);
		}
		mm_set_payer(mm, payer);
	}
	/* Known of a file before it's known where its memory is. */
	if (cmd->length > NO_IOVA - PAGE)
		rc = -EINVAL;
	else
		rc = iopt_map(iopt, mm, uaddr, cmd->length, perm, iopt_flags(cmd->flags),
			      &cmd->iova);
	uiommu_mm_put(mm);
	return rc;
}

int iommufd_ioas_map_file(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_map_file *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;
	int rc;

	if (check_map_flags(cmd->flags))
		return -EOPNOTSUPP;
	if (cmd->iova == NO_IOVA || cmd->length == NO_IOVA)
		return -EOVERFLOW;
	if (!map_perm(cmd->flags))
		return -EINVAL;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = map_file(ucmd, ioas->iopt);
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

static int copy_from_source(struct iommufd_ucmd *ucmd, struct iopt_slices *slices)
{
	const struct iommu_ioas_copy *cmd = ucmd->cmd;
	struct iommufd_ioas *src = iommufd_get_ioas(ucmd->ictx, cmd->src_ioas_id);
	int rc;

	if (!src)
		return -ENOENT;
	rc = iopt_get_slices(src->iopt, cmd->src_iova, cmd->length, slices);
	iommufd_put_object(ucmd->ictx, &src->obj);
	return rc;
}

int iommufd_ioas_copy(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_copy *cmd = ucmd->cmd;
	struct iopt_slices slices;
	struct iommufd_ioas *dst;
	int rc;

	if (check_map_flags(cmd->flags))
		return -EOPNOTSUPP;
	if (cmd->length == NO_IOVA || cmd->src_iova == NO_IOVA || cmd->dst_iova == NO_IOVA)
		return -EOVERFLOW;
	if (!map_perm(cmd->flags))
		return -EINVAL;
	rc = copy_from_source(ucmd, &slices);
	if (rc)
		return rc;
	dst = iommufd_get_ioas(ucmd->ictx, cmd->dst_ioas_id);
	if (!dst) {
		rc = -ENOENT;
		goto out_put_slices;
	}
	rc = iopt_map_slices(dst->iopt, &slices, map_perm(cmd->flags), iopt_flags(cmd->flags),
			     &cmd->dst_iova);
	if (!rc)
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	iommufd_put_object(ucmd->ictx, &dst->obj);
out_put_slices:
	iopt_put_slices(&slices);
	return rc;
}

/* Of a device without an IOMMU: there is none, as in a kernel that was built without them. */
int iommufd_ioas_noiommu_get_pa(struct iommufd_ucmd *ucmd)
{
	return -EOPNOTSUPP;
}

/* ---- UNMAP ---- */

int iommufd_ioas_unmap(struct iommufd_ucmd *ucmd)
{
	struct iommu_ioas_unmap *cmd = ucmd->cmd;
	bool everything = cmd->iova == 0 && cmd->length == NO_IOVA;
	struct iommufd_ioas *ioas;
	uint64_t unmapped = 0;
	int rc;

	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	if (everything)
		rc = iopt_unmap_all(ioas->iopt, &unmapped);
	else if (cmd->iova == NO_IOVA || cmd->length == NO_IOVA)
		rc = -EOVERFLOW;
	else
		rc = iopt_unmap(ioas->iopt, cmd->iova, cmd->length, &unmapped);
	/* Of nothing it is an error, except of everything. */
	if (!rc && !unmapped && !everything)
		rc = -ENOENT;
	if (!rc) {
		cmd->length = unmapped;
		rc = iommufd_ucmd_respond(ucmd, sizeof(*cmd));
	}
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

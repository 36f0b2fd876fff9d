// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/main.c - /dev/iommu: opening, the table of ioctls, the last close
 *
 * Every argument starts with the size that the caller compiled with.  What it
 * has beyond ours must be zero, what ours has beyond its reads as zero, and the
 * answer is cut to what it has room for: old programs and new ones both work.
 */
#include <string.h>
#include <sys/sysmacros.h>

#include "iommufd/device.h"
#include "iommufd/fault.h"
#include "iommufd/hw_queue.h"
#include "iommufd/hwpt.h"
#include "iommufd/ioas.h"
#include "iommufd/iommufd.h"
#include "iommufd/mmap.h"
#include "iommufd/object.h"
#include "iommufd/vdevice.h"
#include "iommufd/veventq.h"
#include "iommufd/viommu.h"
#include "iommufd/test.h"
#include "uapi/iommufd.h"

/* The kernel's misc major, and a minor of its dynamic range. */
#define IOMMU_MAJOR 10
#define IOMMU_MINOR 127

struct iommufd_ioctl_op {
	unsigned int request;
	unsigned int size;
	unsigned int min_size;
	int (*execute)(struct iommufd_ucmd *ucmd);
};

/*
 *  node	immutable but for its list
 *  groups	own rules
 *  test, test_op	immutable while a file is open; NULL: no IOMMU_TEST_CMD
 */
struct iommufd_state {
	struct ui_node node;
	struct iommufd_groups groups;
	const struct iommufd_test_ops *test;
	struct iommufd_ioctl_op test_op;
};

/* ---- ioctls ---- */

union ucmd_buffer {
	struct iommu_destroy destroy;
	struct iommu_fault_alloc fault;
	struct iommu_hw_info hw_info;
	struct iommu_hw_queue_alloc hw_queue;
	struct iommu_hwpt_alloc hwpt;
	struct iommu_hwpt_get_dirty_bitmap get_dirty_bitmap;
	struct iommu_hwpt_invalidate invalidate;
	struct iommu_hwpt_set_dirty_tracking set_dirty_tracking;
	struct iommu_ioas_alloc ioas;
	struct iommu_ioas_allow_iovas allow_iovas;
	struct iommu_ioas_change_process change_process;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_iova_ranges iova_ranges;
	struct iommu_ioas_map map;
	struct iommu_ioas_map_file map_file;
	struct iommu_ioas_noiommu_get_pa get_pa;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_vdevice_alloc vdevice;
	struct iommu_veventq_alloc veventq;
	struct iommu_viommu_alloc viommu;
	char test[IOMMUFD_TEST_SIZE];
};

/* Zero, or doesn't compile. */
#define ZERO_IF(cond) (0 * sizeof(char[(cond) ? 1 : -1]))

/* last: the last member that a caller must know. */
#define IOCTL_OP(req, fn, type, last)                                                              \
	[_IOC_NR(req) - IOMMUFD_CMD_BASE] = {                                                      \
		.request = (req),                                                                  \
		.size = sizeof(type) + ZERO_IF((req) == _IO(IOMMUFD_TYPE, _IOC_NR(req))) +         \
			ZERO_IF(sizeof(type) <= sizeof(union ucmd_buffer)) +                       \
			ZERO_IF(offsetof(type, size) == 0),                                        \
		.min_size = offsetof(type, last) + sizeof(((type *)0)->last),                      \
		.execute = (fn),                                                                   \
	}

static const struct iommufd_ioctl_op ioctl_ops[IOMMUFD_CMD_IOAS_NOIOMMU_GET_PA - IOMMUFD_CMD_BASE +
					       1] = {
	IOCTL_OP(IOMMU_DESTROY, iommufd_destroy, struct iommu_destroy, id),
	IOCTL_OP(IOMMU_FAULT_QUEUE_ALLOC, iommufd_fault_alloc, struct iommu_fault_alloc,
		 out_fault_fd),
	IOCTL_OP(IOMMU_GET_HW_INFO, iommufd_get_hw_info, struct iommu_hw_info, __reserved),
	IOCTL_OP(IOMMU_HW_QUEUE_ALLOC, iommufd_hw_queue_alloc_ioctl, struct iommu_hw_queue_alloc,
		 length),
	IOCTL_OP(IOMMU_HWPT_ALLOC, iommufd_hwpt_alloc, struct iommu_hwpt_alloc, __reserved),
	IOCTL_OP(IOMMU_HWPT_GET_DIRTY_BITMAP, iommufd_hwpt_get_dirty_bitmap,
		 struct iommu_hwpt_get_dirty_bitmap, data),
	IOCTL_OP(IOMMU_HWPT_INVALIDATE, iommufd_hwpt_invalidate, struct iommu_hwpt_invalidate,
		 __reserved),
	IOCTL_OP(IOMMU_HWPT_SET_DIRTY_TRACKING, iommufd_hwpt_set_dirty_tracking,
		 struct iommu_hwpt_set_dirty_tracking, __reserved),
	IOCTL_OP(IOMMU_IOAS_ALLOC, iommufd_ioas_alloc_ioctl, struct iommu_ioas_alloc, out_ioas_id),
	IOCTL_OP(IOMMU_IOAS_ALLOW_IOVAS, iommufd_ioas_allow_iovas, struct iommu_ioas_allow_iovas,
		 allowed_iovas),
	IOCTL_OP(IOMMU_IOAS_CHANGE_PROCESS, iommufd_ioas_change_process,
		 struct iommu_ioas_change_process, __reserved),
	IOCTL_OP(IOMMU_IOAS_COPY, iommufd_ioas_copy, struct iommu_ioas_copy, src_iova),
	IOCTL_OP(IOMMU_IOAS_IOVA_RANGES, iommufd_ioas_iova_ranges, struct iommu_ioas_iova_ranges,
		 out_iova_alignment),
	IOCTL_OP(IOMMU_IOAS_MAP, iommufd_ioas_map, struct iommu_ioas_map, iova),
	IOCTL_OP(IOMMU_IOAS_MAP_FILE, iommufd_ioas_map_file, struct iommu_ioas_map_file, iova),
	IOCTL_OP(IOMMU_IOAS_NOIOMMU_GET_PA, iommufd_ioas_noiommu_get_pa,
		 struct iommu_ioas_noiommu_get_pa, out_phys),
	IOCTL_OP(IOMMU_IOAS_UNMAP, iommufd_ioas_unmap, struct iommu_ioas_unmap, length),
	IOCTL_OP(IOMMU_OPTION, iommufd_option, struct iommu_option, val64),
	IOCTL_OP(IOMMU_VFIO_IOAS, iommufd_vfio_ioas, struct iommu_vfio_ioas, __reserved),
	IOCTL_OP(IOMMU_VDEVICE_ALLOC, iommufd_vdevice_alloc_ioctl, struct iommu_vdevice_alloc,
		 virt_id),
	IOCTL_OP(IOMMU_VEVENTQ_ALLOC, iommufd_veventq_alloc, struct iommu_veventq_alloc,
		 out_veventq_fd),
	IOCTL_OP(IOMMU_VIOMMU_ALLOC, iommufd_viommu_alloc_ioctl, struct iommu_viommu_alloc,
		 out_viommu_id),
};

/* IOMMU_TEST_CMD is beyond the table. */
#define TEST_REQUEST _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

/* The size comes first, also of what turns out to be unknown. */
static const struct iommufd_ioctl_op no_op = {.min_size = sizeof(uint32_t)};

/* NULL: there is none of that number. */
static const struct iommufd_ioctl_op *find_op(const struct uiommu *ctx, unsigned int nr)
{
	if (nr < sizeof(ioctl_ops) / sizeof(ioctl_ops[0]))
		return &ioctl_ops[nr];
	if (!ctx->iommufd->test || nr > _IOC_NR(TEST_REQUEST) - IOMMUFD_CMD_BASE)
		return NULL;
	/* Linux's table then has room for all up to there. */
	return nr == _IOC_NR(TEST_REQUEST) - IOMMUFD_CMD_BASE ? &ctx->iommufd->test_op : &no_op;
}

int iommufd_check_zeros(struct uiommu_mm *mm, uint64_t addr, uint64_t length)
{
	static const unsigned char zeros[256];
	unsigned char buf[sizeof(zeros)];

	while (length) {
		size_t want = length < sizeof(buf) ? length : sizeof(buf);
		size_t got = uiommu_mm_read(mm, buf, addr, want);

		if (memcmp(buf, zeros, got))
			return -E2BIG;
		if (got < want)
			return -EFAULT;
		addr += want;
		length -= want;
	}
	return 0;
}

/* The first got bytes are there, in one go with the size: at most those that must be. */
static int copy_arg(const struct iommufd_ucmd *ucmd, const struct iommufd_ioctl_op *op, size_t got)
{
	size_t size = op->size;
	int rc;

	if (ucmd->user_size > size) {
		rc = iommufd_check_zeros(ucmd->mm, ucmd->uarg + size, ucmd->user_size - size);
		if (rc)
			return rc;
	} else {
		memset((char *)ucmd->cmd + ucmd->user_size, 0, size - ucmd->user_size);
		size = ucmd->user_size;
	}
	return ui_copy_from_user(ucmd->mm, (char *)ucmd->cmd + got, ucmd->uarg + got, size - got);
}

static long iommufd_ioctl(struct uiommu_file *file, struct uiommu_mm *mm, unsigned long request,
			  uint64_t arg)
{
	const struct iommufd_ioctl_op *op = find_op(file->ctx, _IOC_NR(request) - IOMMUFD_CMD_BASE);
	const struct iommufd_test_ops *test;
	union ucmd_buffer buffer;
	struct iommufd_ucmd ucmd = {
		.ictx = iommufd_ctx_of(file),
		.mm = mm,
		.uarg = arg,
		.cmd = &buffer,
	};
	size_t got;
	int rc;

	if (!op)
		return iommufd_vfio_ioctl(ucmd.ictx, mm, request, arg);
	got = mm_read(mm, &buffer, arg, op->min_size);
	if (got < sizeof(uint32_t))
		return -EFAULT;
	memcpy(&ucmd.user_size, &buffer, sizeof(ucmd.user_size));
	if (op->request != request)
		return -ENOTTY;
	if (ucmd.user_size < op->min_size)
		return -EINVAL;
	if (got != op->size || got != ucmd.user_size) {
		rc = copy_arg(&ucmd, op, got);
		if (rc)
			return rc;
	}

	test = file->ctx->iommufd->test;
	if (test && test->prepare)
		test->prepare(&ucmd, request);
	rc = op->execute(&ucmd);
	if (!ucmd.new_obj)
		return rc;
	if (rc)
		iommufd_object_abort(ucmd.ictx, ucmd.new_obj);
	else
		iommufd_object_finalize(ucmd.ictx, ucmd.new_obj);
	return rc;
}

/* ---- opening and closing ---- */

static void iommufd_release(struct uiommu_file *file)
{
	struct iommufd_ctx *ictx = iommufd_ctx_of(file);

	iommufd_object_destroy_all(ictx);
	idtable_destroy(&ictx->objects);
	ui_cond_destroy(&ictx->idle);
	ui_mutex_destroy(&ictx->lock);
	ui_file_fini(file);
	ui_free(ictx);
}

static const struct ui_file_ops iommufd_file_ops = {
	.name = "iommufd",
	.ioctl = iommufd_ioctl,
	.mmap = iommufd_mmap,
	.release = iommufd_release,
};

static struct uiommu_file *iommufd_open(struct uiommu *ctx, const struct ui_node *node, int flags)
{
	struct iommufd_ctx *ictx = ui_zalloc(sizeof(*ictx));
	int rc;

	if (!ictx)
		return UIOMMU_ERR_PTR(-ENOMEM);
	rc = ui_file_init(&ictx->file, ctx, &iommufd_file_ops, node->path, node->rdev, flags);
	if (rc) {
		ui_free(ictx);
		return UIOMMU_ERR_PTR(rc);
	}
	ui_mutex_init(&ictx->lock);
	ui_cond_init(&ictx->idle);
	idtable_init(&ictx->objects);
	CDS_INIT_LIST_HEAD(&ictx->mmaps);
	return &ictx->file;
}

struct iommufd_ctx *iommufd_ctx_from_file(struct uiommu_file *file)
{
	if (file->ops != &iommufd_file_ops)
		return NULL;
	return iommufd_ctx_of(uiommu_file_get(file));
}

void iommufd_ctx_put(struct iommufd_ctx *ictx)
{
	uiommu_file_put(&ictx->file);
}

struct iommufd_groups *iommufd_groups_of(struct uiommu *ctx)
{
	return &ctx->iommufd->groups;
}

void iommufd_set_test_ops(struct uiommu *ctx, const struct iommufd_test_ops *ops)
{
	struct iommufd_state *state = ctx->iommufd;

	assert(!ops || ops->size <= IOMMUFD_TEST_SIZE);
	if (ops)
		state->test_op = (struct iommufd_ioctl_op){
			.request = TEST_REQUEST,
			.size = ops->size,
			.min_size = ops->min_size,
			.execute = ops->execute,
		};
	state->test = ops;
}

bool iommufd_has_test_ops(struct uiommu *ctx)
{
	return ctx->iommufd->test;
}

int iommufd_init(struct uiommu *ctx)
{
	struct iommufd_state *state = ui_zalloc(sizeof(*state));

	if (!state)
		return -ENOMEM;
	iommufd_groups_init(&state->groups);
	state->node.path = "/dev/iommu";
	state->node.rdev = makedev(IOMMU_MAJOR, IOMMU_MINOR);
	state->node.open = iommufd_open;
	ctx->iommufd = state;
	ui_node_add(ctx, &state->node);
	return 0;
}

void iommufd_exit(struct uiommu *ctx)
{
	struct iommufd_state *state = ctx->iommufd;

	ui_node_del(ctx, &state->node);
	iommufd_groups_destroy(&state->groups);
	ctx->iommufd = NULL;
	ui_free(state);
}

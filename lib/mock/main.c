// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * mock/main.c - switching the mock driver on; which operation is whose
 */
#include <uiommu/uiommu.h>

#include "iommufd/ioas.h"
#include "iommufd/test.h"
#include "mock/mock.h"

/* Smaller ones would not hold one entry of a batch in Linux. */
#define MEMORY_LIMIT_MIN 12

/*
 * Linux cuts its work into batches of this size, and a test may shrink them to
 * get more edges.  We have no batches: a limit is checked and forgotten.
 */
static int mock_memory_limit(struct iommufd_ucmd *ucmd)
{
	const struct mock_cmd *cmd = ucmd->cmd;

	return cmd->memory_limit.limit < MEMORY_LIMIT_MIN ? -EINVAL : 0;
}

static int mock_execute(struct iommufd_ucmd *ucmd)
{
	static int (*const ops[])(struct iommufd_ucmd * ucmd) = {
		[MOCK_OP_ADD_RESERVED] = mock_add_reserved,
		[MOCK_OP_DOMAIN] = mock_domain,
		[MOCK_OP_CHECK_MAP] = mock_check_map,
		[MOCK_OP_CHECK_REFS] = mock_check_refs,
		[MOCK_OP_CREATE_ACCESS] = mock_create_access,
		[MOCK_OP_UNPIN] = mock_unpin,
		[MOCK_OP_PIN] = mock_pin,
		[MOCK_OP_ACCESS_RW] = mock_access_rw,
		[MOCK_OP_MEMORY_LIMIT] = mock_memory_limit,
		[MOCK_OP_REPLACE] = mock_replace,
		[MOCK_OP_ACCESS_REPLACE] = mock_access_replace,
		[MOCK_OP_DOMAIN_FLAGS] = mock_domain,
		[MOCK_OP_DIRTY] = mock_dirty,
		[MOCK_OP_CHECK_IOTLB] = mock_check_iotlb,
		[MOCK_OP_TRIGGER_IOPF] = mock_trigger_iopf,
		[MOCK_OP_CHECK_CACHE] = mock_check_cache,
		[MOCK_OP_TRIGGER_VEVENT] = mock_trigger_vevent,
		[MOCK_OP_PASID_ATTACH] = mock_pasid_attach,
		[MOCK_OP_PASID_REPLACE] = mock_pasid_replace,
		[MOCK_OP_PASID_DETACH] = mock_pasid_detach,
		[MOCK_OP_PASID_CHECK] = mock_pasid_check,
		[MOCK_OP_DMABUF_GET] = mock_dmabuf_get,
		[MOCK_OP_DMABUF_REVOKE] = mock_dmabuf_revoke,
	};
	const struct mock_cmd *cmd = ucmd->cmd;

	if (cmd->op >= sizeof(ops) / sizeof(ops[0]) || !ops[cmd->op])
		return -EOPNOTSUPP;
	return ops[cmd->op](ucmd);
}

/* With the mock driver there is one flag more of IOAS_COPY. */
static void mock_prepare(struct iommufd_ucmd *ucmd, unsigned int request)
{
	struct iommu_ioas_copy *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas;

	if (request != IOMMU_IOAS_COPY || !(cmd->flags & MOCK_ACCESS_NTH))
		return;
	cmd->flags &= ~MOCK_ACCESS_NTH;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->src_ioas_id);
	if (!ioas)
		return;
	cmd->src_iova = mock_nth_area(ioas, cmd->src_iova);
	iommufd_put_object(ucmd->ictx, &ioas->obj);
}

static const struct iommufd_test_ops mock_test_ops = {
	.size = sizeof(struct mock_cmd),
	.min_size = offsetof(struct mock_cmd, last) + sizeof(uint32_t),
	.execute = mock_execute,
	.prepare = mock_prepare,
};

int uiommu_enable_iommufd_test(struct uiommu *ctx)
{
	struct mock_state *mock;

	if (ctx->mock)
		return 0;
	mock = ui_zalloc(sizeof(*mock));
	if (!mock)
		return -ENOMEM;
	ui_mutex_init(&mock->lock);
	ui_ida_init(&mock->devices);
	ctx->mock = mock;
	mock_inject_init(ctx);
	iommufd_set_test_ops(ctx, &mock_test_ops);
	return 0;
}

void mock_exit(struct uiommu *ctx)
{
	struct mock_state *mock = ctx->mock;

	if (!mock)
		return;
	iommufd_set_test_ops(ctx, NULL);
	mock_inject_exit(ctx);
	ctx->mock = NULL;
	ui_ida_destroy(&mock->devices);
	ui_mutex_destroy(&mock->lock);
	ui_free(mock);
}

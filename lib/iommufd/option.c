// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iommufd/option.c - ALLOW_IOVAS, OPTION, CHANGE_PROCESS: what changes the rules
 *
 * RLIMIT_MODE and CHANGE_PROCESS are about who pays for what is pinned: iopt/charge.c knows
 * how much that is, and mm/charge.c who it is.
 */
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "iommufd/ioas.h"
#include "iopt/charge.h"
#include "mm/mm.h"
#include "uapi/iommufd.h"

/* ---- ALLOW_IOVAS ---- */

/*
 * Ranges in order, as they are read.
 *  ranges	room for max; becomes the iopt's
 */
struct allowed {
	struct iopt_range *ranges;
	size_t nr;
	size_t max;
};

static int allowed_grow(struct allowed *allowed)
{
	size_t max = allowed->max ? allowed->max * 2 : 8;
	struct iopt_range *ranges;

	if (allowed->nr < allowed->max)
		return 0;
	ranges = ui_zalloc(max * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	if (allowed->nr)
		memcpy(ranges, allowed->ranges, allowed->nr * sizeof(*ranges));
	ui_free(allowed->ranges);
	allowed->ranges = ranges;
	allowed->max = max;
	return 0;
}

static int allowed_add(struct allowed *allowed, uint64_t start, uint64_t last)
{
	size_t lo = 0, hi = allowed->nr;

	/* The first that ends at or after start. */
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (allowed->ranges[mid].last < start)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < allowed->nr && allowed->ranges[lo].start <= last)
		return -EINVAL;
	if (allowed_grow(allowed))
		return -ENOMEM;
	memmove(&allowed->ranges[lo + 1], &allowed->ranges[lo],
		(allowed->nr - lo) * sizeof(*allowed->ranges));
	allowed->ranges[lo] = (struct iopt_range){.start = start, .last = last};
	allowed->nr++;
	return 0;
}

static int allowed_read(struct iommufd_ucmd *ucmd, struct allowed *allowed)
{
	const struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;

	for (uint64_t i = 0; i < cmd->num_iovas; i++) {
		struct iommu_iova_range range;
		int rc;

		if (ui_copy_from_user(ucmd->mm, &range, cmd->allowed_iovas + i * sizeof(range),
				      sizeof(range)))
			return -EFAULT;
		if (range.start >= range.last)
			return -EINVAL;
		rc = allowed_add(allowed, range.start, range.last);
		if (rc)
			return rc;
	}
	return 0;
}

int iommufd_ioas_allow_iovas(struct iommufd_ucmd *ucmd)
{
	const struct iommu_ioas_allow_iovas *cmd = ucmd->cmd;
	struct allowed allowed = {0};
	struct iommufd_ioas *ioas;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	ioas = iommufd_get_ioas(ucmd->ictx, cmd->ioas_id);
	if (!ioas)
		return -ENOENT;
	rc = allowed_read(ucmd, &allowed);
	if (!rc)
		rc = iopt_set_allowed(ioas->iopt, allowed.ranges, allowed.nr);
	if (rc)
		ui_free(allowed.ranges);
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

/* ---- OPTION ---- */

/* Of this thread, or of the process that the client is. */
static bool has_cap(const struct uiommu_mm *mm, unsigned int cap)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
		.pid = mm_pid(mm),
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (ui_syscall3(SYS_capget, (long)&header, (long)data, 0))
		return false;
	return data[cap / 32].effective & 1u << cap % 32;
}

/*
 * What the capability guards is whose count is charged.  Ours harms nobody, and root
 * in a container often lacks it.
 */
static bool may_choose_account(const struct uiommu_mm *mm)
{
	return has_cap(mm, CAP_SYS_RESOURCE) || (!mm_pid(mm) && !geteuid());
}

static int option_rlimit_mode(struct iommufd_ucmd *ucmd)
{
	struct iommufd_ctx *ictx = ucmd->ictx;
	struct iommu_option *cmd = ucmd->cmd;
	int rc = 0;

	if (cmd->object_id)
		return -EOPNOTSUPP;
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = ui_load_relaxed(&ictx->account_mm);
		return 0;
	}
	if (cmd->op != IOMMU_OPTION_OP_SET)
		return -EOPNOTSUPP;
	if (!may_choose_account(ucmd->mm))
		return -EPERM;
	ui_mutex_lock(&ictx->lock);
	if (!idtable_empty(&ictx->objects))
		rc = -EBUSY;
	else if (cmd->val64 > 1)
		rc = -EINVAL;
	else
		ui_store_relaxed(&ictx->account_mm, (uint32_t)cmd->val64);
	ui_mutex_unlock(&ictx->lock);
	return rc;
}

static int option_set_huge_pages(struct iopt *iopt, uint64_t value)
{
	if (value > 1)
		return -EINVAL;
	if (!value)
		return iopt_disable_large_pages(iopt);
	iopt_enable_large_pages(iopt);
	return 0;
}

static int option_huge_pages(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	struct iommufd_ioas *ioas = iommufd_get_ioas(ucmd->ictx, cmd->object_id);
	int rc = 0;

	if (!ioas)
		return -ENOENT;
	if (cmd->op == IOMMU_OPTION_OP_GET)
		cmd->val64 = iopt_large_pages(ioas->iopt);
	else if (cmd->op == IOMMU_OPTION_OP_SET)
		rc = option_set_huge_pages(ioas->iopt, cmd->val64);
	else
		rc = -EOPNOTSUPP;
	iommufd_put_object(ucmd->ictx, &ioas->obj);
	return rc;
}

int iommufd_option(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	int rc = -EOPNOTSUPP;

	if (cmd->__reserved)
		return rc;
	if (cmd->option_id == IOMMU_OPTION_RLIMIT_MODE)
		rc = option_rlimit_mode(ucmd);
	else if (cmd->option_id == IOMMU_OPTION_HUGE_PAGES)
		rc = option_huge_pages(ucmd);
	if (rc)
		return rc;
	/* The value alone is given back, also of SET. */
	return ui_copy_to_user(ucmd->mm, ucmd->uarg + offsetof(struct iommu_option, val64),
			       &cmd->val64, sizeof(cmd->val64));
}

/* ---- CHANGE_PROCESS ---- */

/*
 * All address spaces of a context; each object is used.
 *  max		room
 */
struct every_ioas {
	struct iommufd_ioas **ioas;
	struct iopt **iopts;
	size_t nr;
	size_t max;
};

static void every_ioas_put(struct iommufd_ctx *ictx, struct every_ioas *every)
{
	for (size_t i = 0; i < every->nr; i++)
		iommufd_put_object(ictx, &every->ioas[i]->obj);
	ui_free(every->ioas);
	ui_free(every->iopts);
}

static int every_ioas_get(struct iommufd_ctx *ictx, struct every_ioas *every)
{
	struct iommufd_object *obj;

	/* No more than there are numbers of objects; those that come later have nothing. */
	ui_mutex_lock(&ictx->lock);
	every->max = ictx->objects.size;
	ui_mutex_unlock(&ictx->lock);
	every->ioas = ui_zalloc((every->max + 1) * sizeof(struct iommufd_ioas *));
	every->iopts = ui_zalloc((every->max + 1) * sizeof(struct iopt *));
	if (!every->ioas || !every->iopts) {
		every_ioas_put(ictx, every);
		return -ENOMEM;
	}
	for (uint32_t id = 1; every->nr < every->max; id++) {
		obj = iommufd_next_object(ictx, &id, &iommufd_ioas_ops);
		if (!obj)
			break;
		every->ioas[every->nr] = ui_container_of(obj, struct iommufd_ioas, obj);
		every->iopts[every->nr] = every->ioas[every->nr]->iopt;
		every->nr++;
	}
	return 0;
}

int iommufd_ioas_change_process(struct iommufd_ucmd *ucmd)
{
	const struct iommu_ioas_change_process *cmd = ucmd->cmd;
	struct uiommu_mm *to[MM_CHARGE_MODES];
	struct every_ioas every = {0};
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	for (unsigned int mode = 0; mode < MM_CHARGE_MODES; mode++) {
		to[mode] = mm_with_mode(ucmd->mm, (enum mm_charge_mode)mode);
		if (UIOMMU_IS_ERR(to[mode]))
			return (int)UIOMMU_PTR_ERR(to[mode]);
	}
	rc = every_ioas_get(ucmd->ictx, &every);
	if (rc)
		return rc;
	rc = iopt_change_payer(ucmd->ictx->file.ctx, every.iopts, every.nr, to);
	every_ioas_put(ucmd->ictx, &every);
	return rc;
}

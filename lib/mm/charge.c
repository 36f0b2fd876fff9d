// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Who is charged for memory that Linux would pin: see charge.h.
 *
 * A process is a struct uiommu_mm that callers bring along.  What it maps is of another one,
 * the same memory with an account: there is one for each way in which this process was ever
 * charged, kept in a list of the first one's.  So an area tells whom to charge, and has
 * no word more for it.  A file, which has a struct uiommu_mm of its own for each map, knows
 * its payer instead, who can be replaced.
 *
 * To know how to charge takes three system calls.  A host that sees what could change it
 * (uiommu_limits_watch()) saves them: then the answer for each mode is kept, and thrown
 * away when the host says so.  That we are over a limit is never said by a kept one.
 */
#include "mm/charge.h"

#include "mm/charge_table.h"
#include "mm/inline.h"
#include "mm/object.h"
#include "mm/process.h"
#include "mm/view.h"

/* No number of pages. */
#define MM_LIMIT_UNKNOWN (UINT64_MAX - 1)

int mm_charges_init(struct uiommu *ctx)
{
	ctx->charges = ui_zalloc(sizeof(*ctx->charges));
	if (!ctx->charges)
		return -ENOMEM;
	ui_mutex_init(&ctx->charges->lock);
	ctx->charges->limit = MM_LIMIT_UNKNOWN;
	return 0;
}

void mm_charges_exit(struct uiommu *ctx)
{
	mm_table_unmap(ctx->charges->table);
	ui_mutex_destroy(&ctx->charges->lock);
	ui_free(ctx->charges);
	ctx->charges = NULL;
}

UIOMMU_API void uiommu_limits_watch(struct uiommu *ctx, bool on)
{
	struct mm_charges *charges = ctx->charges;

	ui_mutex_lock(&charges->lock);
	charges->watched = on;
	charges->generation++;
	ui_store_relaxed(&charges->limit, MM_LIMIT_UNKNOWN);
	ui_store_release(&charges->kept[0], NULL);
	ui_store_release(&charges->kept[1], NULL);
	ui_mutex_unlock(&charges->lock);
}

UIOMMU_API int uiommu_charges_share(struct uiommu *ctx, int fd)
{
	struct mm_charges *charges = ctx->charges;
	struct mm_charge_table *table = mm_table_map(fd);
	bool late;

	if (!table)
		return -ENOMEM;
	ui_mutex_lock(&charges->lock);
	late = charges->table;
	if (!late)
		charges->table = table;
	ui_mutex_unlock(&charges->lock);
	if (late)
		mm_table_unmap(table);
	return late ? -EBUSY : 0;
}

/* ---- accounts ---- */

/* Under the lock. */
static struct uiommu_mm *mm_account_find(struct uiommu_mm *caller, uint32_t uid,
					 enum mm_charge_mode mode)
{
	struct uiommu_mm *mm = caller->accounts;

	while (mm && (mm->uid != uid || mm->mode != mode))
		mm = mm->next_account;
	return mm;
}

/* Under the lock.  NULL: no memory. */
static struct uiommu_mm *mm_account_make(struct uiommu_mm *caller, uint32_t uid,
					 enum mm_charge_mode mode)
{
	struct mm_charges *charges = caller->ctx->charges;
	struct uiommu_mm *mm;

	if (!charges->table)
		charges->table = mm_table_create();
	mm = ui_zalloc(sizeof(*mm));
	if (!charges->table || !mm) {
		ui_free(mm);
		return NULL;
	}
	mm->ctx = caller->ctx;
	mm->pid = caller->pid;
	mm->self = caller->self;
	mm->gone = ui_load_acquire(&caller->gone);
	mm->refs = 1; /* the list's, put by mm_charge_free() of the caller */
	mm->uid = uid;
	mm->mode = mode;
	/* With none left, what it maps isn't counted. */
	mm->charge = mm_table_claim(charges->table, mm->ctx->self_mm->pid, mm->pid, uid, mode);
	mm->next_account = caller->accounts;
	caller->accounts = mm;
	return mm;
}

struct uiommu_mm *mm_with_mode(struct uiommu_mm *caller, enum mm_charge_mode mode)
{
	struct mm_charges *charges = caller->ctx->charges;
	uint32_t uid = mm_process_who(caller->pid, caller->self).uid;
	struct uiommu_mm *mm;

	ui_mutex_lock(&charges->lock);
	mm = mm_account_find(caller, uid, mode);
	if (!mm)
		mm = mm_account_make(caller, uid, mode);
	ui_mutex_unlock(&charges->lock);
	return mm ? mm : UIOMMU_ERR_PTR(-ENOMEM);
}

struct uiommu_mm *mm_ask_account(struct uiommu_mm *caller, bool by_mm)
{
	struct mm_charges *charges = caller->ctx->charges;
	enum mm_charge_mode mode = by_mm ? MM_CHARGE_MM : MM_CHARGE_USER;
	struct mm_process_who who;
	struct uiommu_mm *mm;
	uint64_t generation;

	ui_mutex_lock(&charges->lock);
	generation = charges->generation;
	ui_mutex_unlock(&charges->lock);
	who = mm_process_who(caller->pid, caller->self);
	if (who.exempt)
		mode = MM_CHARGE_NONE;
	ui_mutex_lock(&charges->lock);
	mm = mm_account_find(caller, who.uid, mode);
	if (!mm)
		mm = mm_account_make(caller, who.uid, mode);
	/* Had something changed meanwhile, this wouldn't be an answer to keep. */
	if (mm && caller->self && charges->watched && charges->generation == generation)
		ui_store_release(&charges->kept[by_mm], mm);
	ui_mutex_unlock(&charges->lock);
	return mm ? mm : UIOMMU_ERR_PTR(-ENOMEM);
}

struct uiommu_mm *mm_without_account(struct uiommu_mm *mm)
{
	return mm->self && !mm->file ? mm->ctx->self_mm : mm;
}

void mm_set_payer(struct uiommu_mm *file, struct uiommu_mm *payer)
{
	struct uiommu_mm *old = file->payer;

	file->payer = uiommu_mm_get(payer); /* put by the next, or with the last reference */
	if (old)
		uiommu_mm_put(old);
}

struct uiommu_mm *mm_root(struct uiommu_mm *mm)
{
	struct uiommu_mm *base;

	while ((base = mm_view_base(mm)))
		mm = base;
	return mm;
}

struct uiommu_mm *mm_payer(struct uiommu_mm *mm)
{
	struct uiommu_mm *root = mm_root(mm);

	return root->payer ? root->payer : root;
}

enum mm_charge_mode mm_account_mode(const struct uiommu_mm *payer)
{
	return payer->mode;
}

uint64_t mm_account_pages(const struct uiommu_mm *payer)
{
	return payer->charge ? ui_load_relaxed(&payer->charge->pages) : 0;
}

bool mm_same_account(const struct uiommu_mm *payer, const struct uiommu_mm *other)
{
	return mm_same(payer, other) && (payer->mode != MM_CHARGE_USER || payer->uid == other->uid);
}

void mm_accounts_gone(struct uiommu_mm *caller)
{
	struct mm_charges *charges = caller->ctx->charges;

	ui_mutex_lock(&charges->lock);
	for (struct uiommu_mm *mm = caller->accounts; mm; mm = mm->next_account)
		ui_store_release(&mm->gone, 1u);
	ui_mutex_unlock(&charges->lock);
}

void mm_charge_free(struct uiommu_mm *mm)
{
	struct uiommu_mm *account, *next;

	for (account = mm->accounts; account; account = next) {
		next = account->next_account;
		uiommu_mm_put(account);
	}
	if (mm->payer)
		uiommu_mm_put(mm->payer);
	if (mm->charge)
		mm_table_release(mm->charge);
}

/* ---- charging ---- */

/* What the process locked itself counts as well, for its own limit. */
static bool mm_above(const struct uiommu_mm *payer, uint64_t limit)
{
	uint64_t pages = mm_table_sum(payer->ctx->charges->table, (uint32_t)payer->pid, payer->uid,
				      payer->mode);

	if (pages > limit || payer->mode == MM_CHARGE_USER)
		return pages > limit;
	return pages + mm_process_locked(payer->pid) > limit;
}

bool mm_over_limit(const struct uiommu_mm *payer)
{
	struct mm_charges *charges = payer->ctx->charges;
	uint64_t limit = payer->self ? ui_load_relaxed(&charges->limit) : MM_LIMIT_UNKNOWN;

	if (limit == UINT64_MAX || (limit != MM_LIMIT_UNKNOWN && !mm_above(payer, limit)))
		return false;
	limit = mm_process_limit(payer->self ? 0 : payer->pid);
	if (payer->self) {
		ui_mutex_lock(&charges->lock);
		if (charges->watched)
			ui_store_relaxed(&charges->limit, limit);
		ui_mutex_unlock(&charges->lock);
	}
	if (limit == UINT64_MAX || !mm_above(payer, limit))
		return false;
	mm_table_collect(charges->table);
	return mm_above(payer, limit);
}

int mm_charge_payer(struct uiommu_mm *mm, uint64_t pages)
{
	struct uiommu_mm *root = mm_root(mm), *payer = mm_payer(root);
	int rc = payer->charge ? mm_charge(payer, pages) : 0;

	/* Also what nobody pays for: the next payer may have an account. */
	if (!rc && root->payer)
		ui_fetch_add(&root->charged, pages);
	return rc;
}

void mm_uncharge_payer(struct uiommu_mm *mm, uint64_t pages)
{
	struct uiommu_mm *root = mm_root(mm), *payer = mm_payer(root);

	if (payer->charge)
		mm_uncharge(payer, pages);
	if (root->payer)
		ui_fetch_sub(&root->charged, pages);
}

bool mm_visit(struct uiommu_mm *mm, uint64_t turn)
{
	bool fresh = mm->turn != turn;

	mm->turn = turn;
	return fresh;
}

uint64_t mm_file_charged(const struct uiommu_mm *mm)
{
	return ui_load_relaxed(&mm->charged);
}

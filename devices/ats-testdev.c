// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ats-testdev.c - a device that copies one page and asks for pages it misses
 *
 * BAR0:
 *	0x0	address, low half
 *	0x4	address, high half
 *	0x8	command: bit 0 RUN; bit 1 direction, 1 is memory to device; bit 2 IRQ:
 *		interrupt when RUN clears; bit 3 SHARED: the memory in BAR4 is the buffer
 *	0x18	PASID of the DMA, 20 bits; 0: none (with the option pasid=on)
 *	0x20	interrupt: writing N sends message N, or asserts the pin if the client uses
 *		neither MSI nor MSI-X; an IRQ of a command does it with N = 0
 *	0x24	writing anything stops asserting the pin
 * What isn't there, and 0x20 and 0x24, read all ones.
 *
 * The options add capabilities, and BARs that the plain device doesn't have: BAR2 for
 * MSI-X, BAR4 for memory that a client maps and uses without a trap.
 *
 * Setting RUN copies 4 KiB between the device's buffer and memory, and RUN
 * clears when that is done or failed.  Memory that can't be translated is asked
 * for by a page request; RUN stays set meanwhile, and the copy starts anew when
 * the answer is SUCCESS.
 *
 * Everything but the buffer is in one word, the engine, changed by compare and
 * exchange: there is no lock, so a signal handler of the client may use the
 * device at any moment, whatever it interrupted.  One thread at a time owns the
 * engine (phases BUSY to REFUSED) and the buffer with it; a command written
 * meanwhile is left for the owner (AGAIN).  A thread that gets an answer while
 * the owner is still inside the report leaves it for the owner too, so that
 * retries are a loop and not a recursion.
 *
 *	IDLE	nothing to do
 *	BUSY	the owner copies
 *	ASKING	the owner is reporting a page request
 *	GRANTED, REFUSED  as ASKING, and the answer has come
 *	WAITING	no owner; the answer will come
 *
 * Each request has the next number of a sequence; its low bits are the request
 * group that the answer names.  An answer to any other request (one from
 * before a reset or before a new command) is ignored.
 */
#include <errno.h>
#include <string.h>

#include "models.h"

#define REG_ADDR_LO 0x0u
#define REG_ADDR_HI 0x4u
#define REG_CMD 0x8u
#define REG_PASID 0x18u
#define REG_IRQ 0x20u
#define REG_IRQ_CLEAR 0x24u
#define BAR_SIZE 0x1000u

#define CMD_RUN 0x1u
#define CMD_TO_DEVICE 0x2u
#define CMD_IRQ 0x4u
#define CMD_SHARED 0x8u

#define PASID_WIDTH 20u
#define PASID_BITS 0xfffffu

#define MSI_VECTORS 8u
#define MSIX_BAR 2u

/* A page that does nothing, then one of memory. */
#define SHARED_BAR 4u
#define SHARED_BAR_SIZE 0x2000u
#define SHARED_OFFSET 0x1000u

#define BUFFER_SIZE 0x1000u
#define PRI_CAPACITY 0x800u
#define GRPID_MASK 0x1ffu
#define PAGE_MASK 0xfffull

/*
 * Answers that come inside the report and don't help: a handler that says
 * SUCCESS and maps nothing would otherwise keep the client in its store to the
 * command register for ever.  So would a device whose DMA reaches its own command register.
 */
#define INLINE_RETRIES 1024u

enum phase {
	IDLE,
	BUSY,
	ASKING,
	GRANTED,
	REFUSED,
	WAITING,
};

/* The engine: command 0..31, phase 32..34, AGAIN 35, sequence from 36. */
#define PHASE_SHIFT 32
#define PHASE_MASK (7ull << PHASE_SHIFT)
#define AGAIN (1ull << 35)
#define SEQ_SHIFT 36

/*
 *  engine, addr, pasid	atomic
 *  runner	atomic; an address that only the thread has that last became the owner
 *  own		atomic; commands that came from it since
 *  buffer		the engine's owner
 *  shared		immutable pointer; what it points to is anybody's
 *  dma			the engine's owner; immutable pointer
 */
struct ats_testdev {
	uint64_t engine;
	uint64_t addr;
	const char *runner;
	uint32_t own;
	struct uiommu_dma *dma;
	uint32_t pasid;
	bool ats;
	bool has_pasid;
	void *shared;
	uint8_t buffer[BUFFER_SIZE];
};

static __thread char this_thread __attribute__((tls_model("initial-exec")));

static enum phase phase_of(uint64_t engine)
{
	return (enum phase)((engine & PHASE_MASK) >> PHASE_SHIFT);
}

static uint64_t with_phase(uint64_t engine, enum phase phase)
{
	return (engine & ~PHASE_MASK) | (uint64_t)phase << PHASE_SHIFT;
}

static uint32_t command_of(uint64_t engine)
{
	return (uint32_t)engine;
}

static uint64_t engine_load(struct ats_testdev *dev)
{
	return __atomic_load_n(&dev->engine, __ATOMIC_SEQ_CST);
}

static bool engine_change(struct ats_testdev *dev, uint64_t *old, uint64_t new)
{
	return __atomic_compare_exchange_n(&dev->engine, old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void interrupt(struct uiommu_pci_device *pdev, uint32_t vector)
{
	if (uiommu_pci_irq_mode(pdev) == UIOMMU_IRQ_INTX)
		uiommu_pci_set_intx(pdev, true);
	else
		uiommu_pci_raise(pdev, vector);
}

/* One try to copy the page.  The caller owns the engine. */
static int engine_copy(struct uiommu_pci_device *pdev, uint32_t cmd, uint32_t pasid,
		       struct uiommu_dma_error *err)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t addr = __atomic_load_n(&dev->addr, __ATOMIC_SEQ_CST);
	uint32_t flags = dev->ats ? UIOMMU_DMA_ATS : 0;
	void *buffer = cmd & CMD_SHARED && dev->shared ? dev->shared : dev->buffer;

	if (cmd & CMD_TO_DEVICE)
		return uiommu_pci_dma_read(pdev, dev->dma, pasid, addr, buffer, BUFFER_SIZE, flags,
					   err);
	return uiommu_pci_dma_write(pdev, dev->dma, pasid, addr, buffer, BUFFER_SIZE, flags, err);
}

/* RUN has just been cleared. */
static void engine_done(struct uiommu_pci_device *pdev, uint64_t before)
{
	if ((command_of(before) & (CMD_RUN | CMD_IRQ)) == (CMD_RUN | CMD_IRQ))
		interrupt(pdev, 0);
}

/*
 * The command is done, with or without success.  True: another one was written
 * meanwhile, and the caller still owns the engine.
 */
static bool engine_finish(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t old = engine_load(dev), new;

	do {
		if (old & AGAIN && command_of(old) & CMD_RUN)
			new = with_phase(old & ~AGAIN, BUSY);
		else
			new = with_phase(old & ~AGAIN, IDLE) & ~(uint64_t)CMD_RUN;
	} while (!engine_change(dev, &old, new));
	if (phase_of(new) == IDLE)
		engine_done(pdev, old);
	return phase_of(new) == BUSY;
}

/*
 * Ask for the page that the copy failed at.  True: go on as BUSY; false: the
 * engine has no owner any more, or the command is over (*refused).
 */
static bool engine_ask(struct uiommu_pci_device *pdev, uint32_t pasid,
		       const struct uiommu_dma_error *err, bool *refused)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	struct uiommu_fault fault = {
		.flags = UIOMMU_FAULT_LAST_PAGE,
		.perm = err->perm,
		.addr = err->iova & ~PAGE_MASK,
	};
	uint64_t old = engine_load(dev), new;

	if (pasid != UIOMMU_NO_PASID) {
		fault.flags |= UIOMMU_FAULT_PASID_VALID | UIOMMU_FAULT_RESPONSE_NEEDS_PASID;
		fault.pasid = pasid;
	}
	do {
		if (old & AGAIN)
			return true;
		new = with_phase(old, ASKING) + (1ull << SEQ_SHIFT);
	} while (!engine_change(dev, &old, new));
	fault.grpid = (uint32_t)(new >> SEQ_SHIFT) & GRPID_MASK;

	/* The answer may come before this returns, here or in another thread. */
	uiommu_report_device_fault(uiommu_pci_iommu_device(pdev), &fault);

	old = engine_load(dev);
	do {
		*refused = phase_of(old) == REFUSED && !(old & AGAIN);
		if (*refused)
			return false;
		if (phase_of(old) == ASKING && !(old & AGAIN))
			new = with_phase(old, WAITING);
		else /* granted, or a new command makes the request void */
			new = with_phase(old, BUSY);
	} while (!engine_change(dev, &old, new));
	return phase_of(new) == BUSY;
}

/* The caller just became the engine's owner. */
static void engine_run(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t last = ~0ull;
	unsigned int same = 0;

	__atomic_store_n(&dev->own, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&dev->runner, &this_thread, __ATOMIC_RELAXED);
	for (;;) {
		struct uiommu_dma_error err = {.perm = 0};
		uint32_t pasid = __atomic_load_n(&dev->pasid, __ATOMIC_SEQ_CST);
		uint64_t old = engine_load(dev);
		bool refused = true;
		int rc;

		/* From here on the newest command is the one that runs. */
		while (!engine_change(dev, &old, old & ~AGAIN))
			;
		if (command_of(old) & CMD_RUN) {
			rc = engine_copy(pdev, command_of(old), pasid, &err);
			if (dev->ats && (rc == -ENOENT || rc == -EPERM) &&
			    (err.iova != last || ++same < INLINE_RETRIES)) {
				if (err.iova != last)
					same = 0;
				last = err.iova;
				if (engine_ask(pdev, pasid, &err, &refused))
					continue;
				if (!refused)
					return;
			}
		}
		if (!engine_finish(pdev))
			return;
	}
}

static void write_command(struct uiommu_pci_device *pdev, uint32_t cmd)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t old = engine_load(dev), new;
	bool owner;

	/* While the engine is owned, only its DMA has this thread here. */
	if (phase_of(old) == BUSY && cmd & CMD_RUN &&
	    __atomic_load_n(&dev->runner, __ATOMIC_RELAXED) == &this_thread &&
	    __atomic_fetch_add(&dev->own, 1, __ATOMIC_RELAXED) >= INLINE_RETRIES)
		cmd &= ~CMD_RUN;
	do {
		new = (old & ~(uint64_t)UINT32_MAX) | cmd;
		owner = false;
		if (phase_of(old) != IDLE && phase_of(old) != WAITING) {
			new |= AGAIN;
		} else if (cmd & CMD_RUN) {
			new = with_phase(new, BUSY);
			owner = true;
		} else {
			new = with_phase(new, IDLE);
		}
	} while (!engine_change(dev, &old, new));
	if (owner)
		engine_run(pdev);
}

static void ats_testdev_page_response(struct uiommu_pci_device *pdev,
				      const struct uiommu_page_response *resp)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	bool granted = resp->code == UIOMMU_PAGE_RESP_SUCCESS;
	uint64_t old = engine_load(dev), new;
	enum phase phase;

	do {
		phase = phase_of(old);
		if (((old >> SEQ_SHIFT) & GRPID_MASK) != resp->grpid)
			return;
		if (phase == ASKING)
			new = with_phase(old, granted ? GRANTED : REFUSED);
		else if (phase == WAITING && granted)
			new = with_phase(old, BUSY);
		else if (phase == WAITING)
			new = with_phase(old, IDLE) & ~(uint64_t)CMD_RUN;
		else
			return;
	} while (!engine_change(dev, &old, new));
	if (phase_of(new) == BUSY)
		engine_run(pdev);
	else if (phase_of(new) == IDLE)
		engine_done(pdev, old);
}

/* ---- registers ---- */

static uint64_t ats_testdev_mmio_read(struct uiommu_pci_device *pdev, unsigned int bar,
				      uint64_t offset, unsigned int size)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t addr = __atomic_load_n(&dev->addr, __ATOMIC_SEQ_CST);

	if (bar || size < 4)
		return ~0ull;
	switch (offset) {
	case REG_ADDR_LO:
		return addr;
	case REG_ADDR_HI:
		return addr >> 32;
	case REG_CMD:
		return command_of(engine_load(dev));
	case REG_PASID:
		return dev->has_pasid ? __atomic_load_n(&dev->pasid, __ATOMIC_SEQ_CST) : ~0ull;
	default:
		return ~0ull;
	}
}

static void set_addr(struct ats_testdev *dev, uint64_t keep, uint64_t value)
{
	uint64_t old = __atomic_load_n(&dev->addr, __ATOMIC_SEQ_CST);

	while (!__atomic_compare_exchange_n(&dev->addr, &old, (old & keep) | value, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

static void ats_testdev_mmio_write(struct uiommu_pci_device *pdev, unsigned int bar,
				   uint64_t offset, uint64_t value, unsigned int size)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);

	if (bar || size < 4)
		return;
	switch (offset) {
	case REG_ADDR_LO:
		set_addr(dev, size == 8 ? 0 : ~(uint64_t)UINT32_MAX, value);
		break;
	case REG_ADDR_HI:
		set_addr(dev, UINT32_MAX, value << 32);
		break;
	case REG_CMD:
		write_command(pdev, (uint32_t)value);
		break;
	case REG_IRQ:
		interrupt(pdev, (uint32_t)value);
		break;
	case REG_IRQ_CLEAR:
		uiommu_pci_set_intx(pdev, false);
		break;
	case REG_PASID:
		if (dev->has_pasid)
			__atomic_store_n(&dev->pasid, (uint32_t)value & PASID_BITS,
					 __ATOMIC_SEQ_CST);
		break;
	default:
		break;
	}
}

/* ---- life ---- */

static void ats_testdev_reset(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t engine = engine_load(dev);

	/* Nobody is inside, so nobody owns the engine.  The sequence goes on. */
	engine = with_phase(engine, IDLE) & ~(AGAIN | UINT32_MAX);
	__atomic_store_n(&dev->engine, engine, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dev->addr, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&dev->pasid, 0, __ATOMIC_SEQ_CST);
	memset(dev->buffer, 0, sizeof(dev->buffer));
	if (dev->shared)
		memset(dev->shared, 0, BUFFER_SIZE);
}

/* Behind the plain device's, so that these stay where they were. */
static int add_interrupts(struct uiommu_pci_device *pdev)
{
	uint32_t vectors = (uint32_t)uiommu_pci_option_uint(pdev, "msix"), size = BAR_SIZE;
	int rc;

	if (uiommu_pci_option_bool(pdev, "intx")) {
		rc = uiommu_pci_add_intx(pdev);
		if (rc)
			return rc;
	}
	if (uiommu_pci_option_bool(pdev, "msi")) {
		rc = uiommu_pci_add_msi(pdev, 0, MSI_VECTORS);
		if (rc < 0)
			return rc;
	}
	if (!vectors)
		return 0;
	/* The table in the lower half of a BAR of its own, the pending bits in the upper. */
	while (size / 2 < vectors * 16)
		size *= 2;
	rc = uiommu_pci_add_bar(pdev, MSIX_BAR, size, UIOMMU_BAR_64BIT);
	if (rc)
		return rc;
	return uiommu_pci_add_msix(pdev, 0, vectors, MSIX_BAR, 0, size / 2);
}

static int add_translation(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	int rc;

	dev->ats = uiommu_pci_option_bool(pdev, "ats");
	if (dev->ats) {
		rc = uiommu_pci_add_ats(pdev, 0x100);
		if (rc < 0)
			return rc;
		rc = uiommu_pci_add_pri(pdev, 0, PRI_CAPACITY);
		if (rc < 0)
			return rc;
	}
	dev->has_pasid = uiommu_pci_option_bool(pdev, "pasid");
	return dev->has_pasid ? uiommu_pci_add_pasid(pdev, 0, PASID_WIDTH) : 0;
}

static int add_shared(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	int rc;

	if (!uiommu_pci_option_bool(pdev, "bar-shared"))
		return 0;
	rc = uiommu_pci_add_bar(pdev, SHARED_BAR, SHARED_BAR_SIZE, 0);
	if (rc)
		return rc;
	return uiommu_pci_add_bar_memory(pdev, SHARED_BAR, SHARED_OFFSET, BUFFER_SIZE,
					 &dev->shared);
}

static int ats_testdev_init(struct uiommu_pci_device *pdev)
{
	struct ats_testdev *dev = uiommu_pci_priv(pdev);
	uint64_t size = BAR_SIZE;
	int rc;

	while (size < uiommu_pci_option_uint(pdev, "bar0"))
		size *= 2;
	rc = uiommu_pci_add_bar(pdev, 0, size, UIOMMU_BAR_64BIT);
	if (rc)
		return rc;
	rc = uiommu_pci_add_pcie(pdev, 0x80);
	if (rc < 0)
		return rc;
	if (uiommu_pci_option_bool(pdev, "pm")) {
		rc = uiommu_pci_add_pm(pdev, 0, 0);
		if (rc < 0)
			return rc;
	}
	rc = add_translation(pdev);
	if (rc < 0)
		return rc;
	rc = add_interrupts(pdev);
	if (rc < 0)
		return rc;
	rc = add_shared(pdev);
	if (rc)
		return rc;
	return uiommu_pci_dma_open(pdev, &dev->dma);
}

static const struct uiommu_option_desc ats_testdev_options[] = {
	{
		.name = "ats",
		.type = UIOMMU_OPTION_BOOL,
		.def = "on",
		.help = "has ATS and PRI; off: memory that isn't mapped is just an error",
	},
	{
		.name = "pasid",
		.type = UIOMMU_OPTION_BOOL,
		.def = "off",
		.help = "has PASIDs, 20 bits, and a register (0x18) for the one of its DMA",
	},
	{
		.name = "intx",
		.type = UIOMMU_OPTION_BOOL,
		.def = "on",
		.help = "has an interrupt pin",
	},
	{
		.name = "msi",
		.type = UIOMMU_OPTION_BOOL,
		.def = "off",
		.help = "has MSI, 8 vectors with masks",
	},
	{
		.name = "msix",
		.type = UIOMMU_OPTION_UINT,
		.def = "0",
		.max = 2048,
		.help = "has MSI-X with so many vectors, in BAR2",
	},
	{
		.name = "bar-shared",
		.type = UIOMMU_OPTION_BOOL,
		.def = "off",
		.help = "has BAR4, whose second page is memory: no trap, and a buffer for the DMA",
	},
	{
		.name = "bar0",
		.type = UIOMMU_OPTION_UINT,
		.def = "4K",
		.min = BAR_SIZE,
		.max = 1u << 30,
		.help = "size of BAR0, rounded up to a power of two; the registers stay at its start",
	},
	{
		.name = "pm",
		.type = UIOMMU_OPTION_BOOL,
		.def = "off",
		.help = "has power management: D3hot, and a reset at its end",
	},
	{.name = NULL},
};

const struct uiommu_model ats_testdev_model = {
	.abi = UIOMMU_MODEL_ABI,
	.name = "ats-testdev",
	.summary = "copies a page by DMA; asks for pages that aren't mapped (ATS, PRI)",
	.vendor = 0x1234,
	.device = 0x11e9,
	.revision = 2,
	.class_code = 0x00ff00,
	.options = ats_testdev_options,
	.priv_size = sizeof(struct ats_testdev),
	.init = ats_testdev_init,
	.reset = ats_testdev_reset,
	.mmio_read = ats_testdev_mmio_read,
	.mmio_write = ats_testdev_mmio_write,
	.page_response = ats_testdev_page_response,
};

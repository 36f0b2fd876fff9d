/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uiommu/device.h - how a software device is written (UNSTABLE)
 *
 * A model is a constant table; an instance of it is a PCI function, struct
 * uiommu_pci_device, with the model's own state behind it.  A model sees this
 * header and those it includes, nothing else of the library.
 *
 * Threads: mmio_read, mmio_write and page_response may come from any thread,
 * several at once; the model has its own lock.  It may do DMA and report
 * faults from each of them, but not while it holds a lock that page_response
 * or an mmio operation takes: the answer can arrive before the report returns,
 * and the memory may be a BAR, whose mmio operations are then called: another
 * device's, or its own.
 * mmio operations run inside a signal handler of the client: no malloc.
 *
 * This interface may change until a second real device has used it.
 */
#ifndef UIOMMU_DEVICE_H
#define UIOMMU_DEVICE_H

#include <uiommu/dma.h>
#include <uiommu/iommu.h>
#include <uiommu/iopf.h>
#include <uiommu/uiommu.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uiommu_pci_device;

#define UIOMMU_MODEL_ABI 1

enum uiommu_option_type {
	UIOMMU_OPTION_BOOL, /* on, off */
	UIOMMU_OPTION_UINT, /* within [min, max]; decimal, 0x..., K, M, G */
	UIOMMU_OPTION_STRING,
};

/**
 * struct uiommu_option_desc - one option of a model, "name=value"
 * @name: as people type it; NULL ends the array
 * @type: how the value is read
 * @def: default, as it would be typed
 * @min: smallest UINT
 * @max: largest UINT
 * @help: one line for "uiommu models"
 */
struct uiommu_option_desc {
	const char *name;
	enum uiommu_option_type type;
	const char *def;
	uint64_t min;
	uint64_t max;
	const char *help;
};

/**
 * struct uiommu_model - a kind of device
 * @abi: UIOMMU_MODEL_ABI
 * @name: what "-d" takes
 * @summary: one line for "uiommu models"
 * @vendor: PCI vendor ID
 * @device: PCI device ID
 * @revision: PCI revision ID
 * @class_code: 24 bits, as in config space 0x09..0x0b
 * @options: ended by a NULL name; may be NULL
 * @priv_size: bytes of state, zeroed, at uiommu_pci_priv()
 * @init: declare BARs and capabilities, read options.  0 or -errno; undone by
 *	@destroy only when it succeeded.
 * @destroy: optional; no call is in flight or will come
 * @reset: function level reset: to the state after @init.  No mmio or
 *	page_response call is in flight; responses for earlier requests may
 *	still arrive later.
 * @mmio_read: @size is 1, 2, 4 or 8 and @offset a multiple of it
 * @mmio_write: as @mmio_read
 * @mmio_write_block: optional; one store of 64 bytes (movdir64b), @offset is a
 *	multiple of 64; without it, eight calls of @mmio_write
 * @mmio_enqueue: optional; 64 bytes that are answered (enqcmd), with the PASID of the
 *	process in the lowest 20 bits: 0: accepted, -EAGAIN: try again; without it,
 *	always the latter
 * @page_response: optional; see struct uiommu_driver_ops
 */
struct uiommu_model {
	unsigned int abi;
	const char *name;
	const char *summary;
	uint16_t vendor;
	uint16_t device;
	uint8_t revision;
	uint32_t class_code;
	const struct uiommu_option_desc *options;
	size_t priv_size;
	int (*init)(struct uiommu_pci_device *pdev);
	void (*destroy)(struct uiommu_pci_device *pdev);
	void (*reset)(struct uiommu_pci_device *pdev);
	uint64_t (*mmio_read)(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			      unsigned int size);
	void (*mmio_write)(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			   uint64_t value, unsigned int size);
	void (*mmio_write_block)(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
				 const void *data);
	int (*mmio_enqueue)(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			    const void *data);
	void (*page_response)(struct uiommu_pci_device *pdev,
			      const struct uiommu_page_response *resp);
};

/** uiommu_pci_priv() - the model's state of this instance */
UIOMMU_API void *uiommu_pci_priv(const struct uiommu_pci_device *pdev);
/** uiommu_pci_name() - "0000:01:00.0" */
UIOMMU_API const char *uiommu_pci_name(const struct uiommu_pci_device *pdev);
/** uiommu_pci_iommu_device() - for uiommu_dma_open() and uiommu_report_device_fault(); from
 *  the end of init on (use uiommu_pci_dma_open() inside init) */
UIOMMU_API struct uiommu_device *uiommu_pci_iommu_device(const struct uiommu_pci_device *pdev);

/* Option values, by name: an unknown name aborts in debug builds, is 0 otherwise. */
UIOMMU_API bool uiommu_pci_option_bool(const struct uiommu_pci_device *pdev, const char *name);
UIOMMU_API uint64_t uiommu_pci_option_uint(const struct uiommu_pci_device *pdev, const char *name);
UIOMMU_API const char *uiommu_pci_option_string(const struct uiommu_pci_device *pdev,
						const char *name);

#define UIOMMU_BAR_64BIT (1u << 0)
#define UIOMMU_BAR_PREFETCH (1u << 1)

/**
 * uiommu_pci_add_bar() - declare a memory BAR (in init)
 * @bar: 0..5; a 64-bit one takes @bar + 1 too
 * @size: a power of two, at least 4096
 *
 * Return: 0; -EINVAL: out of range or taken.
 */
UIOMMU_API int uiommu_pci_add_bar(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t size,
				  unsigned int flags);

/**
 * uiommu_pci_add_bar_memory() - a part of a BAR is memory (in init)
 * @bar: declared before; one part of each
 * @offset: from its start, a multiple of 4096
 * @length: a multiple of 4096
 * @out: the memory, zeros, until the function goes
 *
 * A client that maps the BAR reads and writes it without a call of the model: for doorbells
 * that are polled, and for buffers.
 *
 * Return: 0; -EINVAL: out of range, or not in init; -ENOMEM.
 */
UIOMMU_API int uiommu_pci_add_bar_memory(struct uiommu_pci_device *pdev, unsigned int bar,
					 uint64_t offset, uint64_t length, void **out);

#define UIOMMU_PM_NO_SOFT_RESET (1u << 0)

/*
 * Capabilities (in init), at an offset or at the next free place when it is 0.
 * Return: the offset; -EINVAL: overlaps, misaligned; -ENOSPC.
 */
UIOMMU_API int uiommu_pci_add_pcie(struct uiommu_pci_device *pdev, uint16_t offset);
/** uiommu_pci_add_pm() - power management: D0 and D3hot; coming back from D3hot is a
 *  reset, unless @flags has UIOMMU_PM_NO_SOFT_RESET */
UIOMMU_API int uiommu_pci_add_pm(struct uiommu_pci_device *pdev, uint16_t offset,
				 unsigned int flags);
UIOMMU_API int uiommu_pci_add_ats(struct uiommu_pci_device *pdev, uint16_t offset);
/** uiommu_pci_add_pri() - Page Request Interface; @capacity: outstanding requests */
UIOMMU_API int uiommu_pci_add_pri(struct uiommu_pci_device *pdev, uint16_t offset,
				  uint32_t capacity);
/** uiommu_pci_add_pasid() - PASID; @width: bits, 1..20 */
UIOMMU_API int uiommu_pci_add_pasid(struct uiommu_pci_device *pdev, uint16_t offset,
				    unsigned int width);

/*
 * Interrupts.  A function may have its pin, MSI and MSI-X; the client uses one of them
 * at a time.  Raising takes no lock and may be done from any operation of the model.
 */

/** uiommu_pci_add_intx() - the function has an interrupt pin, INTA (in init)
 *
 * Return: 0; -EINVAL: not in init.
 */
UIOMMU_API int uiommu_pci_add_intx(struct uiommu_pci_device *pdev);
/** uiommu_pci_add_msi() - MSI with masks (in init); @vectors: 1, 2, 4, 8, 16 or 32 */
UIOMMU_API int uiommu_pci_add_msi(struct uiommu_pci_device *pdev, uint16_t offset,
				  unsigned int vectors);
/**
 * uiommu_pci_add_msix() - MSI-X (in init)
 * @offset: as of the other capabilities
 * @vectors: 1..2048
 * @bar: declared before; has the table and the pending bits, which the library plays
 * @table: offset in the BAR, 16 bytes a vector; a multiple of 8
 * @pba: offset of the pending bits, 8 bytes for 64 vectors; a multiple of 8
 *
 * Return: the capability's offset; -EINVAL: out of range, overlapping; -ENOSPC; -ENOMEM.
 */
UIOMMU_API int uiommu_pci_add_msix(struct uiommu_pci_device *pdev, uint16_t offset,
				   unsigned int vectors, unsigned int bar, uint32_t table,
				   uint32_t pba);

/**
 * enum uiommu_irq_mode - what the client uses
 * @UIOMMU_IRQ_INTX: the pin, or nothing
 * @UIOMMU_IRQ_MSI: messages of MSI
 * @UIOMMU_IRQ_MSIX: messages of MSI-X
 */
enum uiommu_irq_mode {
	UIOMMU_IRQ_INTX,
	UIOMMU_IRQ_MSI,
	UIOMMU_IRQ_MSIX,
};

UIOMMU_API enum uiommu_irq_mode uiommu_pci_irq_mode(const struct uiommu_pci_device *pdev);
/** uiommu_pci_set_intx() - assert the pin, or stop: it is a level, and a reset stops it */
UIOMMU_API void uiommu_pci_set_intx(struct uiommu_pci_device *pdev, bool asserted);
/**
 * uiommu_pci_raise() - send a message
 * @vector: of MSI-X, or of MSI (modulo how many the client was granted)
 *
 * Nothing when the client uses neither.  A masked vector becomes pending.  As any write of
 * the function it needs bus mastering; without that it is lost, with an event.
 */
UIOMMU_API void uiommu_pci_raise(struct uiommu_pci_device *pdev, unsigned int vector);

/**
 * uiommu_pci_bus_master() - is COMMAND.MASTER set?
 *
 * DMA without it is refused by uiommu_pci_dma_read() and its kin.
 */
UIOMMU_API bool uiommu_pci_bus_master(const struct uiommu_pci_device *pdev);

/*
 * The DMA of a PCI function: as uiommu/dma.h, gated by bus mastering
 * (-EACCES, with an event).  A channel lives until the function goes; asked
 * for in init, it is in *@out once init has returned, so @out points into the
 * model's state.
 */
UIOMMU_API int uiommu_pci_dma_open(struct uiommu_pci_device *pdev, struct uiommu_dma **out);
UIOMMU_API int uiommu_pci_dma_read(struct uiommu_pci_device *pdev, struct uiommu_dma *dma,
				   uint32_t pasid, uint64_t iova, void *buf, size_t length,
				   uint32_t flags, struct uiommu_dma_error *err);
UIOMMU_API int uiommu_pci_dma_write(struct uiommu_pci_device *pdev, struct uiommu_dma *dma,
				    uint32_t pasid, uint64_t iova, const void *buf, size_t length,
				    uint32_t flags, struct uiommu_dma_error *err);
UIOMMU_API int uiommu_pci_dma_copy(struct uiommu_pci_device *pdev, struct uiommu_dma *dma,
				   uint32_t pasid, uint64_t to, uint64_t from, size_t length,
				   uint32_t flags, struct uiommu_dma_error *err);

/* ---- finding models, making devices ---- */

/** uiommu_model_find() - by name; NULL if there is none */
UIOMMU_API const struct uiommu_model *uiommu_model_find(const char *name);
/** uiommu_common_options() - what every model takes beside its own; ends with a NULL name */
UIOMMU_API const struct uiommu_option_desc *uiommu_common_options(void);

/** uiommu_model_at() - the built-in models, in order; NULL past the last */
UIOMMU_API const struct uiommu_model *uiommu_model_at(unsigned int index);

/**
 * uiommu_pci_device_add() - plug a device in
 * @spec: "MODEL[,option=value...][@BDF]"; BDF as "DDDD:BB:DD.F" or "BB:DD.F";
 *	every model has the option "group": devices with the same share an IOMMU group
 * @out: the device; may be NULL
 * @errbuf: on failure one sentence that says what to do; may be NULL
 *
 * Without a BDF it gets the first free 0000:BB:00.0, from 0000:01:00.0 on, that
 * the host doesn't have either.
 *
 * Return: 0; -EINVAL: malformed spec or option; -ENODEV: no such model;
 * -EEXIST: the BDF is taken here or on the host; -ENOMEM.
 */
UIOMMU_API int uiommu_pci_device_add(struct uiommu *ctx, const char *spec,
				     struct uiommu_pci_device **out, char *errbuf, size_t errlen);

#ifdef __cplusplus
}
#endif
#endif /* UIOMMU_DEVICE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci/pci.h - PCI functions, from the inside
 *
 * A function is a config space of 4096 bytes with a mask of what a write may
 * change, six BARs, a model with its state behind it, and a device on core.
 * One driver of the instance (vfio-pci) is told of each; another may be told of those
 * that were given to it by its name ("driver=NAME").
 *
 * The gate.  Calls into a model (mmio, page responses) pass it; who closes it
 * waits until none is inside: a function level reset, clearing COMMAND.MEM,
 * removal.  Calls nest (a store to a BAR does DMA, faults, and is answered, all
 * in one thread): a thread that is inside passes a closed gate.
 */
#ifndef UI_PCI_PCI_H
#define UI_PCI_PCI_H

#include <stdio.h>
#include <uiommu/device.h>
#include <urcu/list.h>

#include "base/ctx.h"

#define PCI_CFG_SIZE 4096u
#define PCI_BARS 6u
#define PCI_DMA_CHANNELS 64u

/* Offsets and bits of config space that this library touches. */
#define PCI_REG_VENDOR 0x00u
#define PCI_REG_DEVICE 0x02u
#define PCI_REG_COMMAND 0x04u
#define PCI_REG_STATUS 0x06u
#define PCI_REG_REVISION 0x08u
#define PCI_REG_CACHE_LINE 0x0cu
#define PCI_REG_HEADER_TYPE 0x0eu
#define PCI_REG_BAR0 0x10u
#define PCI_REG_SUBSYS_VENDOR 0x2cu
#define PCI_REG_SUBSYS_DEVICE 0x2eu
#define PCI_REG_CAPS 0x34u
#define PCI_REG_INTERRUPT_LINE 0x3cu
#define PCI_REG_INTERRUPT_PIN 0x3du

#define PCI_HEADER_MULTI 0x80u /* one of several functions */

#define PCI_CMD_MEM 0x0002u
#define PCI_CMD_MASTER 0x0004u
#define PCI_CMD_PARITY 0x0040u
#define PCI_CMD_SERR 0x0100u
#define PCI_CMD_INTX_DISABLE 0x0400u
#define PCI_STATUS_INTERRUPT 0x0008u
#define PCI_STATUS_CAPS 0x0010u

/* MSI-X: bits of its control word, and how many vectors there can be. */
#define PCI_MSIX_ENABLE 0x8000u
#define PCI_MSIX_MASKALL 0x4000u
#define PCI_MSIX_MAX 2048u

/* "DDDD:BB:DD.F" and as a number that sorts the same way. */
struct pci_address {
	uint16_t domain;
	uint8_t bus;
	uint8_t devfn;
};

/*
 * A bus that has functions of ours, behind a root port of its own or a root itself.
 * Refs: none; lives from the first function to the instance's end.
 *  domain, number, has_port, port	immutable
 *  next_bar32, next_bar64	state->lock
 *  node			state->lock
 */
struct pci_bus {
	uint16_t domain;
	uint8_t number;
	bool has_port;
	struct pci_address port;
	uint64_t next_bar32;
	uint64_t next_bar64;
	struct cds_list_head node;
};

/*
 *  size	immutable once registered; 0: no BAR
 *  flags	immutable; UIOMMU_BAR_*
 */
struct pci_bar {
	uint64_t size;
	unsigned int flags;
	bool upper; /* the high half of a 64-bit BAR before it */
};

/* A part of a BAR that is memory.  All immutable after init; no pages: there is none. */
struct pci_memory {
	void *pages;
	uint64_t offset;
	uint64_t length;
};

/* An option of the spec, or a default. */
struct pci_option {
	const struct uiommu_option_desc *desc;
	uint64_t number; /* UINT, BOOL */
	char *string;
};

/*
 *  cap, nr		immutable after init; nr 0: no MSI
 *  allocated		atomic; the driver uses MSI
 *  granted		atomic; vectors, as the driver asked for at last: a power of two
 *  enabled		atomic; the enable bit of the function
 *  mask, pending	atomic; a bit a vector
 */
struct pci_msi {
	uint16_t cap;
	unsigned int nr;
	uint32_t allocated;
	uint32_t granted;
	uint32_t enabled;
	uint32_t mask;
	uint32_t pending;
};

struct pci_msix_entry {
	uint32_t word[4]; /* address, its high half, data, control */
};

/*
 *  cap, nr, bar, *_start	immutable after init; nr 0: no MSI-X
 *  control			atomic; PCI_MSIX_ENABLE, PCI_MSIX_MASKALL
 *  table, pba			atomic words; a bit a vector in the latter
 */
struct pci_msix {
	uint16_t cap;
	unsigned int nr;
	unsigned int bar;
	uint32_t table_start;
	uint32_t pba_start;
	uint32_t control;
	struct pci_msix_entry *table;
	uint64_t *pba;
};

/*
 * Refs: none; lives from add to the instance's end.
 * Locks: state->lock -> config_lock; neither is held across a call of the model.
 *  ctx, model, priv, address, name, bus, options, spec	immutable
 *  group_name, driver_name, class_code	immutable
 *  group_id				immutable
 *  bars, memory, pasid_width, pri, *_cap, used	immutable after init
 *  iommu				immutable once added
 *  channels, nr_channels		init's thread, then immutable
 *  config, writable			config_lock
 *  initial				config_lock; what a client finds, and what is left of it
 *  command				atomic; a copy of COMMAND for readers without the lock
 *  powered				atomic; in D0
 *  msi, msix				see there
 *  intx_level				atomic; the pin is asserted
 *  handlers				atomic; attached domains that take page requests
 *  gate				atomic; see device.c
 *  dead				atomic; set once, before removal
 *  driver_data				the driver's, from probe to remove
 *  own, own_data			immutable once added; the driver it was given to, or NULL
 *  node				state->lock
 */
struct uiommu_pci_device {
	struct uiommu *ctx;
	const struct uiommu_model *model;
	void *priv;
	struct pci_address address;
	char name[16];
	struct pci_bus *bus;
	unsigned int group_id;
	char *group_name;
	char *driver_name;
	uint32_t class_code;
	struct pci_option *options;
	unsigned int nr_options;
	char *spec;

	struct pci_bar bars[PCI_BARS];
	struct pci_memory memory[PCI_BARS];
	unsigned int pasid_width;
	bool pri;
	bool ats;
	uint16_t pcie_cap;
	uint16_t pm_cap;
	uint16_t pri_cap;
	uint16_t pasid_cap;
	uint16_t last_cap;
	uint16_t last_ecap;
	uint64_t used[PCI_CFG_SIZE / 4 / 64]; /* a bit per dword that a capability has */

	struct pci_msi msi;
	struct pci_msix msix;

	struct uiommu_device *iommu;
	struct uiommu_dma **channels[PCI_DMA_CHANNELS];
	unsigned int nr_channels;

	struct ui_mutex config_lock;
	uint8_t config[PCI_CFG_SIZE];
	uint8_t writable[PCI_CFG_SIZE];
	uint8_t initial[PCI_CFG_SIZE];

	uint32_t command;
	uint32_t powered;
	uint32_t intx_level;
	uint32_t handlers;
	uint32_t dead;
	uint64_t gate;

	void *driver_data;
	const struct pci_driver *own;
	void *own_data;
	struct cds_list_head node;
};

struct tree;

/*
 * What a PCI driver is told.  One per instance has every function, for whatever a function is
 * bound to, that may change (vfio/bind.c); the others have what is theirs by name and match.
 */
struct pci_driver {
	const char *name;
	/* What probe() wants, if it is -EINVAL; or NULL. */
	const char *options;
	/* Is it a function that the driver knows?  Of the other ones only. */
	bool (*match)(const struct uiommu_pci_device *pdev);
	/* Keep clear of numbers that the host uses; before the first device. */
	void (*avoid_host)(struct uiommu *ctx);
	int (*probe)(struct uiommu_pci_device *pdev);
	void (*remove)(struct uiommu_pci_device *pdev);
	/*
	 * The pin changed, or what COMMAND says of it; a message is delivered.  Takes no
	 * lock: may be inside a signal handler.
	 */
	void (*intx)(struct uiommu_pci_device *pdev);
	void (*message)(struct uiommu_pci_device *pdev, unsigned int vector);
	/*
	 * Of the other ones: what the function has in /sys and /dev besides its folder; and the
	 * numbers of its nodes, as a line of the manifest after "driver NAME ".
	 */
	void (*write_tree)(struct tree *tree, struct uiommu_pci_device *pdev);
	void (*save)(struct uiommu *ctx, FILE *manifest);
	int (*restore)(struct uiommu *ctx, const char *text);
};

#define PCI_OWN_DRIVERS 4u

/*
 * Locks: lock is outermost here; held across the driver's probe.
 *  driver, own		lock; change only while the instance is made or unmade
 *  devices, buses, next_group, host_asked, last_major	lock
 */
struct pci_state {
	struct ui_mutex lock;
	const struct pci_driver *driver;
	const struct pci_driver *own[PCI_OWN_DRIVERS];
	bool host_asked;
	unsigned int last_major;
	struct cds_list_head devices;
	struct cds_list_head buses;
	unsigned int next_group;
};

int pci_init(struct uiommu *ctx);
/* Removes every device; the driver is gone already. */
void pci_exit(struct uiommu *ctx);
/* Before any device is added; NULL: the driver lets go of all devices. */
void pci_set_driver(struct uiommu *ctx, const struct pci_driver *driver);
/* One more of those that functions are given to, before any device is added; and back. */
void pci_add_own_driver(struct uiommu *ctx, const struct pci_driver *driver);
void pci_del_own_driver(struct uiommu *ctx, const struct pci_driver *driver);
/* Of those; NULL: none has the name. */
const struct pci_driver *pci_own_driver(const struct uiommu *ctx, const char *name);

/* ---- address.c ---- */

/* "DDDD:BB:DD.F" or "BB:DD.F"; -EINVAL. */
int pci_address_parse(const char *text, struct pci_address *address);
/* @name: at least 16 bytes */
void pci_address_format(const struct pci_address *address, char *name);

/* ---- host.c: what this machine has; plain libc calls ---- */

bool pci_host_has(const char *name);
/* Does the machine use this bus number? */
bool pci_host_has_bus(uint16_t domain, uint8_t bus);
/* One more than the largest number that names an entry of @dir after @prefix; 0: none. */
unsigned int pci_host_next_number(const char *dir, const char *prefix);
/* A major of character devices that the machine hasn't given away, and we haven't; pci->lock. */
unsigned int pci_host_take_major(struct pci_state *state);

/* ---- spec.c ---- */

/* A spec taken apart; what it points to is freed by pci_spec_fini(). */
struct pci_spec {
	const struct uiommu_model *model;
	struct pci_option *options;
	unsigned int nr_options;
	bool has_address;
	struct pci_address address;
	bool has_port; /* of a bus that isn't there yet */
	struct pci_address port;
	char *group_name;  /* of "group=NAME"; NULL: a group of its own */
	char *driver_name; /* of "driver=NAME"; NULL: vfio-pci; "none" */
	bool has_class;
	uint32_t class_code; /* of "class=N" */
	char *text;	     /* "MODEL[,option=value...]" without the address */
};

/*
 * The second half, for a model that is in spec->model already: "option=value,..."
 * (changed; may be NULL), and defaults for the rest.
 */
int pci_spec_options(struct pci_spec *spec, char *text, char *errbuf, size_t errlen);
int pci_spec_parse(struct pci_spec *spec, const char *text, char *errbuf, size_t errlen);
void pci_spec_fini(struct pci_spec *spec);
void pci_error(char *errbuf, size_t errlen, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- config.c ---- */

void pci_config_init(struct uiommu_pci_device *pdev);
/* Any range within the 4096 bytes (-EFAULT otherwise, as vfio answers). */
int pci_config_read(struct uiommu_pci_device *pdev, uint64_t offset, void *buf, size_t length);
/* As a client of vfio-pci sees it. */
int pci_config_read_client(struct uiommu_pci_device *pdev, uint64_t offset, void *buf,
			   size_t length);
int pci_config_write(struct uiommu_pci_device *pdev, uint64_t offset, const void *buf,
		     size_t length);
/*
 * Before and after a client: what it may write is as in @image, of PCI_CFG_SIZE bytes, or, NULL,
 * as before the last one; and the function is in D0.
 */
void pci_config_restore(struct uiommu_pci_device *pdev, const uint8_t *image);
/* What the host has kept of writes from outside while nobody had the function: taken over. */
void pci_config_take_kept(struct uiommu_pci_device *pdev);
/* Changes COMMAND: (old & ~clear) | set. */
void pci_config_command(struct uiommu_pci_device *pdev, uint16_t clear, uint16_t set);
uint64_t pci_config_bar(struct uiommu_pci_device *pdev, unsigned int bar);
/* 1: INTA; 0: none. */
uint8_t pci_config_interrupt_pin(const struct uiommu_pci_device *pdev);
void pci_config_place_bars(struct uiommu_pci_device *pdev);
/* PRI's enable bit follows whether somebody takes page requests. */
void pci_config_set_pri(struct uiommu_pci_device *pdev, bool on);

/* ---- irq.c ---- */

bool pci_intx_asserted(const struct uiommu_pci_device *pdev);
/* Tells the driver to look at the pin and at COMMAND. */
void pci_intx_changed(struct uiommu_pci_device *pdev);
/* Tells the driver of a message. */
void pci_message(struct uiommu_pci_device *pdev, unsigned int vector);
/* Function level reset: nothing is asserted or pending any more. */
void pci_irq_reset(struct uiommu_pci_device *pdev);

/* The driver's: begin with so many vectors, all masked; 0: stop. */
void pci_msi_enable(struct uiommu_pci_device *pdev, unsigned int vectors);
void pci_msi_mask(struct uiommu_pci_device *pdev, unsigned int vector, bool masked);
void pci_msi_deliver(struct uiommu_pci_device *pdev);

/* ---- msix.c ---- */

/* The driver's: begin with all vectors masked, or stop; give one a message. */
void pci_msix_enable(struct uiommu_pci_device *pdev, bool on);
void pci_msix_program(struct uiommu_pci_device *pdev, unsigned int vector);
void pci_msix_mask(struct uiommu_pci_device *pdev, unsigned int vector, bool masked);
void pci_msix_raise(struct uiommu_pci_device *pdev, unsigned int vector);
void pci_msix_reset(struct uiommu_pci_device *pdev);
void pci_msix_free(struct uiommu_pci_device *pdev);
bool pci_msix_is_table(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset);
/* Accesses to a BAR; false: they are the model's. */
bool pci_msix_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t *value);
bool pci_msix_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		    unsigned int size, uint64_t value);

/* ---- memory.c ---- */

void pci_memory_free(struct uiommu_pci_device *pdev);
bool pci_memory_has(const struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset);
/* Accesses to a BAR; false: they are not to memory. */
bool pci_memory_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		     unsigned int size, uint64_t *value);
bool pci_memory_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		      unsigned int size, uint64_t value);
/* What a client may have mapped now; NULL: nothing. */
const struct pci_memory *pci_memory_to_map(struct uiommu_pci_device *pdev, unsigned int bar);
/* Decoding has stopped. */
void pci_memory_revoke(struct uiommu_pci_device *pdev);

/* ---- topology.c ---- */

/* The bus of @spec's address, made if it isn't there; NULL: no memory. */
struct pci_bus *pci_bus_get_locked(struct pci_state *state, const struct pci_spec *spec);
void pci_buses_free(struct pci_state *state);
/* Where the root port of a new bus goes, into @spec: a place that nobody has. */
void pci_choose_port(struct uiommu *ctx, struct pci_spec *spec);
/* Is a root port of ours there? */
bool pci_port_at_locked(struct pci_state *state, const struct pci_address *address);
/* A new function: those of one slot say so. */
void pci_mark_multifunction_locked(struct pci_state *state, struct uiommu_pci_device *pdev);
/*
 * Can the bus of @pdev be reset by itself?  That resets every function on it, which
 * @visit is called for (in the order of adding; true: stop), @pdev's own included.
 */
bool pci_bus_resettable(const struct uiommu_pci_device *pdev);
void pci_bus_for_each(struct uiommu_pci_device *pdev,
		      bool (*visit)(struct uiommu_pci_device *pdev, void *opaque), void *opaque);

/* ---- rootport.c ---- */

/* Of a bridge: first and last address of what it passes on; last 0: nothing. */
struct pci_window {
	uint64_t first;
	uint64_t last;
};

struct pci_window pci_port_window(struct pci_state *state, const struct pci_bus *bus, bool wide);
/* What a root port's config space reads as: 4096 bytes, with windows over what is behind. */
void pci_port_config(struct pci_state *state, const struct pci_bus *bus, uint8_t *config);

/* ---- sysfs.c ---- */

/* "devices/pci0000:00/0000:00:01.0/0000:01:00.0", below /sys; @size: 96 will do */
void pci_sysfs_path(const struct uiommu_pci_device *pdev, char *path, size_t size);
/* "devices/pci0000:00": the folder of the root that @bus is below. */
void pci_sysfs_root(const struct pci_bus *bus, char *path, size_t size);
/* The function's folder, and the links to it. */
void pci_sysfs_write_device(struct tree *tree, struct uiommu_pci_device *pdev);
/* A root port (if the bus has one), and the bus. @group: of the port */
void pci_sysfs_write_bus(struct tree *tree, struct pci_state *state, struct pci_bus *bus,
			 unsigned int group);

/* ---- device.c ---- */

/*
 * As uiommu_pci_device_add(), but the host isn't asked, and address, port and
 * @group_id are as said: group_id UINT32_MAX is that of the group's name, or the
 * next free.
 */
int pci_device_add_at(struct uiommu *ctx, struct pci_spec *spec, unsigned int group_id,
		      struct uiommu_pci_device **out, char *errbuf, size_t errlen);
struct uiommu_pci_device *pci_device_find(struct uiommu *ctx, const struct pci_address *address);

/*
 * Accesses to a BAR.  @offset is a multiple of @size (1, 2, 4, 8).
 * -EIO: memory decoding is off, or past the BAR's end.  Safe in a signal handler.
 */
int pci_mmio_read(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		  unsigned int size, uint64_t *value);
int pci_mmio_write(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		   unsigned int size, uint64_t value);

/* Would any access to a BAR be answered? */
bool pci_mmio_answers(const struct uiommu_pci_device *pdev);

/* 64 bytes at once, at a multiple of it; enqueue: -EAGAIN if they weren't accepted. */
#define PCI_BLOCK 64
int pci_mmio_write_block(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
			 const void *data);
int pci_mmio_enqueue(struct uiommu_pci_device *pdev, unsigned int bar, uint64_t offset,
		     const void *data);

/* ---- mapping.c ---- */

/*
 * A piece of a BAR that a client maps: holds @file, whose device it is.  @pasid: what an
 * ENQCMD has in front, 0: nothing, so that it faults; takes no lock.  NULL: no memory.
 */
struct uiommu_mapping *pci_mapping_create(struct uiommu_file *file, struct uiommu_pci_device *pdev,
					  unsigned int bar, uint64_t offset, uint64_t length,
					  uint32_t (*pasid)(struct uiommu *ctx));

/* Of a mapping by this: which BAR, and where in it.  False: it's another's. */
bool pci_mapping_bar(struct uiommu_mapping *base, struct uiommu_pci_device **pdev,
		     unsigned int *bar, uint64_t *offset);

/* ---- device.c, again ---- */

/*
 * Function level reset; COMMAND and BARs are as before afterwards.  -EAGAIN:
 * asked for from inside a call of this device's model.
 */
int pci_reset(struct uiommu_pci_device *pdev);

/* ---- gate.c ---- */

/* A call of the model by this thread; on its stack. */
struct pci_inside {
	const struct uiommu_pci_device *pdev;
	struct pci_inside *outer;
};

/*
 * False: this thread has the gate closed itself, or another one has and this one is inside of
 * another device: nothing may be called.
 */
bool pci_gate_enter(struct uiommu_pci_device *pdev, struct pci_inside *inside);
void pci_gate_leave(struct uiommu_pci_device *pdev, struct pci_inside *inside);
/* False, and not closed: this thread is inside (it would wait for itself). */
bool pci_gate_close(struct uiommu_pci_device *pdev);
void pci_gate_open(struct uiommu_pci_device *pdev);

#endif /* UI_PCI_PCI_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest's parts share: it is process 1 of a Linux that runs in QEMU, and tests an
 * ats-testdev (bar-shared=on) that QEMU gives it as a PCI device.  It has root and nothing else.
 */
#ifndef TESTS_QEMU_GUEST_H
#define TESTS_QEMU_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PAGE 4096u
#define WORDS (PAGE / 4)

/* Registers of BAR0, as words. */
#define ADDR_LO 0
#define ADDR_HI 1
#define CMD 2
#define RAISE 8
#define CLEAR 9

#define RUN 1u
#define TO_DEVICE 2u
#define INTERRUPT 4u
#define SHARED 8u

/* Says what failed, and that the guest has failed. */
void failed(const char *file, int line, const char *what);
#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond))                                                                       \
			failed(__FILE__, __LINE__, #cond);                                         \
	} while (0)

/* The device, "0000:00:04.0"; a path in its folder of sysfs. */
extern char device_name[16];
const char *device_path(const char *name);
void write_text(const char *path, const char *text);
/* Bound to this driver, which has been loaded. */
void bind_driver(const char *driver);

/* Locked, and where it is in the guest's memory. */
volatile uint32_t *page_alloc(uint64_t *physical);
/* One copy by the device, which is done when this returns. */
void copy(volatile uint32_t *regs, uint64_t address, uint32_t command);
/* Does a descriptor become readable within a minute? */
bool readable(int fd);

/* ---- the tests ---- */

/*
 * Without an IOMMU in the guest: sysfs, addresses of its memory, and interrupts by uio.  @peers:
 * a device's DMA reaches BARs.
 */
void test_plain(bool peers);
/* After a reboot. */
void test_rebooted(void);
/* With an IOMMU, by VFIO in the guest. */
void test_vfio(void);

#endif /* TESTS_QEMU_GUEST_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device by sysfs: BARs, DMA by physical addresses, INTx by uio_pci_generic, resets. */
#include "guest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COMMAND 0x04
#define BAR0 0x10
#define BAR4 0x20

#define COMMAND_MEM 2u
#define COMMAND_MASTER 4u
#define COMMAND_INTX_OFF 0x400u

static int config;

static uint32_t config_read(unsigned int offset, unsigned int size)
{
	uint32_t value = 0;

	CHECK(pread(config, &value, size, offset) == (ssize_t)size);
	return value;
}

static void config_write(unsigned int offset, unsigned int size, uint32_t value)
{
	CHECK(pwrite(config, &value, size, offset) == (ssize_t)size);
}

static volatile uint32_t *map(const char *path, uint64_t offset, size_t length)
{
	int fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	void *p;

	CHECK(fd >= 0);
	p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

static volatile uint32_t *map_bar(unsigned int bar, size_t length)
{
	char name[16];

	snprintf(name, sizeof(name), "resource%u", bar);
	return map(device_path(name), 0, length);
}

static void test_registers(volatile uint32_t *regs)
{
	volatile uint64_t *wide = (volatile uint64_t *)regs;

	regs[ADDR_LO] = 0x12345678;
	regs[ADDR_HI] = 0x9abcdef0;
	CHECK(regs[ADDR_LO] == 0x12345678 && regs[ADDR_HI] == 0x9abcdef0);
	CHECK(*wide == 0x9abcdef012345678);
	*wide = 0x1122334455667788;
	CHECK(regs[ADDR_LO] == 0x55667788 && regs[ADDR_HI] == 0x11223344);
	CHECK(!regs[CMD] && regs[WORDS - 1] == 0xffffffff);
}

static void test_dma(volatile uint32_t *regs)
{
	uint64_t from_address, to_address;
	volatile uint32_t *from = page_alloc(&from_address), *to = page_alloc(&to_address);

	for (unsigned int i = 0; i < WORDS; i++)
		from[i] = i * 2654435761u;
	memset((void *)(uintptr_t)to, 0, PAGE);
	copy(regs, from_address, TO_DEVICE);
	copy(regs, to_address, 0);
	for (unsigned int i = 0; i < WORDS; i++)
		CHECK(to[i] == i * 2654435761u);
	/* Without bus mastering there is none. */
	config_write(COMMAND, 2, COMMAND_MEM);
	to[0] = 7;
	copy(regs, to_address, 0);
	CHECK(to[0] == 7);
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	copy(regs, to_address, 0);
	CHECK(to[0] == 0);
}

/* Memory in a BAR: of the guest's processor, of the device, and of the device as of a peer. */
static void test_shared(volatile uint32_t *regs, bool peers)
{
	volatile uint32_t *shared = map_bar(4, 2 * PAGE) + WORDS;
	uint64_t address, bar = config_read(BAR4, 4) & ~15u;
	volatile uint32_t *mem = page_alloc(&address);

	for (unsigned int i = 0; i < WORDS; i++)
		shared[i] = i ^ 0x5aa5;
	copy(regs, address, SHARED);
	for (unsigned int i = 0; i < WORDS; i++)
		CHECK(mem[i] == (i ^ 0x5aa5));
	if (!peers)
		return;
	mem[5] = 0xfeed;
	copy(regs, address, TO_DEVICE);
	copy(regs, bar + PAGE, 0);
	CHECK(shared[5] == 0xfeed && shared[6] == (6 ^ 0x5aa5));
}

static void test_sizing(void)
{
	uint32_t low = config_read(BAR0, 4), high = config_read(BAR0 + 4, 4);

	config_write(COMMAND, 2, 0);
	config_write(BAR0, 4, 0xffffffff);
	config_write(BAR0 + 4, 4, 0xffffffff);
	CHECK(config_read(BAR0, 4) == (0xfffff000 | (low & 15)));
	CHECK(config_read(BAR0 + 4, 4) == 0xffffffff);
	config_write(BAR0, 4, low);
	config_write(BAR0 + 4, 4, high);
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	CHECK(config_read(BAR0, 4) == low && config_read(BAR0 + 4, 4) == high);
}

/* BAR0 at an address where nothing is, and back. */
static void test_moving(volatile uint32_t *regs)
{
	const uint32_t place = 0xe1230000;
	uint32_t low = config_read(BAR0, 4), high = config_read(BAR0 + 4, 4);
	volatile uint32_t *moved;

	regs[ADDR_LO] = 0x600d;
	config_write(COMMAND, 2, 0);
	config_write(BAR0, 4, place | (low & 15));
	config_write(BAR0 + 4, 4, 0);
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	moved = map("/dev/mem", place, PAGE);
	CHECK(moved[ADDR_LO] == 0x600d && regs[ADDR_LO] != 0x600d);
	config_write(COMMAND, 2, 0);
	config_write(BAR0, 4, low);
	config_write(BAR0 + 4, 4, high);
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	CHECK(moved[ADDR_LO] != 0x600d && regs[ADDR_LO] == 0x600d);
	munmap((void *)(uintptr_t)moved, PAGE);
}

static void test_intx(volatile uint32_t *regs)
{
	uint32_t count = 0, before;
	uint64_t address;
	int uio;

	bind_driver("uio_pci_generic");
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	uio = open("/dev/uio0", O_RDWR | O_CLOEXEC);
	CHECK(uio >= 0);
	page_alloc(&address);
	for (unsigned int i = 0; i < 3; i++) {
		before = count;
		if (i < 2)
			regs[RAISE] = 0;
		else
			copy(regs, address, INTERRUPT);
		CHECK(readable(uio));
		CHECK(read(uio, &count, 4) == 4 && count == before + 1);
		/* The kernel has masked it. */
		CHECK(config_read(COMMAND, 2) & COMMAND_INTX_OFF);
		CHECK(config_read(6, 2) & 8);
		regs[CLEAR] = 0;
		CHECK(!(config_read(6, 2) & 8));
		config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	}
	close(uio);
}

static void test_reset(volatile uint32_t *regs)
{
	regs[ADDR_LO] = 0x1000;
	write_text(device_path("driver/unbind"), device_name);
	write_text(device_path("reset"), "1");
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	CHECK(!regs[ADDR_LO] && !regs[CMD]);
}

static volatile uint32_t *open_device(void)
{
	config = open(device_path("config"), O_RDWR | O_CLOEXEC);
	CHECK(config >= 0);
	write_text(device_path("enable"), "1");
	config_write(COMMAND, 2, COMMAND_MEM | COMMAND_MASTER);
	return map_bar(0, PAGE);
}

void test_plain(bool peers)
{
	volatile uint32_t *regs = open_device();
	uint64_t address;

	test_registers(regs);
	test_dma(regs);
	test_shared(regs, peers);
	test_sizing();
	test_moving(regs);
	test_intx(regs);
	test_reset(regs);
	/* For after the reboot. */
	page_alloc(&address)[0] = 0xdead;
	copy(regs, address, TO_DEVICE);
	CHECK(regs[ADDR_LO]);
}

void test_rebooted(void)
{
	volatile uint32_t *regs = open_device();
	volatile uint32_t *mem;
	uint64_t address;

	CHECK(!regs[ADDR_LO] && !regs[CMD]);
	mem = page_alloc(&address);
	mem[0] = 7;
	copy(regs, address, 0);
	CHECK(!mem[0]);
	test_dma(regs);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest - process 1 in QEMU: finds the device, and tests it in the way that the kernel's command
 * line says: test=plain or test=plain,peers, with a reboot in the middle, or test=vfio.  Prints
 * "guest: passed".
 */
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices/"

/* A byte of the clock's memory, which no firmware uses: it outlives a reboot. */
#define CMOS_MARK 0x7e
#define REBOOTED 0xa5

char device_name[16];

static void power_off(void)
{
	fflush(stdout);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

void failed(const char *file, int line, const char *what)
{
	printf("guest: %s:%d: %s (errno %d)\n", file, line, what, errno);
	power_off();
}

const char *device_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/%s", device_name, name);
	return path;
}

void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

void bind_driver(const char *driver)
{
	char path[128];

	if (!access(device_path("driver"), F_OK))
		write_text(device_path("driver/unbind"), device_name);
	write_text(device_path("driver_override"), driver);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	write_text(path, device_name);
}

volatile uint32_t *page_alloc(uint64_t *physical)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile uint32_t *page;
	uint64_t entry = 0;

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	CHECK(page != MAP_FAILED);
	page[0] = 1;
	CHECK(pread(fd, &entry, 8, (off_t)((uintptr_t)page / PAGE * 8)) == 8);
	close(fd);
	CHECK(entry >> 63);
	*physical = (entry & ((1ull << 55) - 1)) * PAGE;
	CHECK(*physical);
	return page;
}

void copy(volatile uint32_t *regs, uint64_t address, uint32_t command)
{
	regs[ADDR_LO] = (uint32_t)address;
	regs[ADDR_HI] = (uint32_t)(address >> 32);
	regs[CMD] = RUN | command;
	while (regs[CMD] & RUN)
		;
}

bool readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 60000) == 1;
}

static uint8_t cmos(bool write, uint8_t value)
{
	CHECK(!iopl(3));
	outb(CMOS_MARK, 0x70);
	if (write)
		outb(value, 0x71);
	else
		value = inb(0x71);
	return value;
}

static unsigned int read_hex(const char *path)
{
	unsigned int value = 0;
	FILE *f = fopen(path, "re");

	CHECK(f && fscanf(f, "%x", &value) == 1);
	fclose(f);
	return value;
}

static void find_device(void)
{
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;

	CHECK(dir);
	while ((entry = readdir(dir))) {
		char path[300];

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(device_name))
			continue;
		snprintf(path, sizeof(path), DEVICES "%s/vendor", entry->d_name);
		if (read_hex(path) != 0x1234)
			continue;
		snprintf(path, sizeof(path), DEVICES "%s/device", entry->d_name);
		if (read_hex(path) == 0x11e9)
			memcpy(device_name, entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(dir);
	CHECK(device_name[0]);
}

/* In the order of their names: 0-uio.ko, 1-uio_pci_generic.ko. */
static void load_modules(void)
{
	struct dirent **names;
	int n = scandir("/modules", &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[300];
		int fd;

		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			CHECK(fd >= 0);
			CHECK(!syscall(SYS_finit_module, fd, "", 0));
			close(fd);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

static void setup(char *command_line, int size)
{
	int fd;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mount("none", "/proc", "proc", 0, NULL);
	mount("none", "/sys", "sysfs", 0, NULL);
	mount("none", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	size = (int)read(fd, command_line, (size_t)size - 1);
	command_line[size < 0 ? 0 : size] = '\0';
	close(fd);
}

int main(void)
{
	char command_line[1024];

	setup(command_line, sizeof(command_line));
	find_device();
	load_modules();
	if (strstr(command_line, "test=vfio")) {
		test_vfio();
	} else if (cmos(false, 0) != REBOOTED) {
		test_plain(strstr(command_line, "peers"));
		cmos(true, REBOOTED);
		printf("guest: reboots\n");
		fflush(stdout);
		reboot(RB_AUTOBOOT);
	} else {
		cmos(true, 0);
		test_rebooted();
	}
	printf("guest: passed\n");
	power_off();
}

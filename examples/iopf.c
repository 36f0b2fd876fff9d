// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * iopf [BDF] - a device takes page faults, and a program answers them
 *
 * Plain uAPI: /dev/iommu and a VFIO character device, nothing of uiommu.  The
 * device is QEMU's PCIe ATS test device (1234:11e9), bound to vfio-pci, on a
 * kernel of 6.11 or newer; or
 *
 *	uiommu run --device ats-testdev -- iopf
 *
 * Nothing is mapped when it starts.  The device reads a page of memory, and
 * asks for it by a page request; the program maps the page and answers.  Then
 * the device writes what it read to another page, in the same way.  Last, a
 * request is answered "invalid", and the device gives up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "uapi.h"

#define VENDOR 0x1234
#define DEVICE 0x11e9

/* Its registers, in BAR 0, and what it moves at a time. */
#define REG_ADDR_LO 0x0
#define REG_ADDR_HI 0x4
#define REG_CMD 0x8
#define CMD_RUN (1u << 0)
#define CMD_READ_MEMORY (1u << 1) /* memory to device; else device to memory */
#define TRANSFER 0x1000

#define PCI_COMMAND 0x4
#define PCI_COMMAND_MEMORY 0x2
#define PCI_COMMAND_MASTER 0x4

#define TIMEOUT_MS 5000

/* Where the device is told to go; nothing is mapped at any of them. */
#define IOVA_SOURCE UINT64_C(0x10000000)
#define IOVA_TARGET UINT64_C(0x20000000)
#define IOVA_NOWHERE UINT64_C(0x30000000)

struct setup {
	char bdf[16];
	int iommufd;
	int device;
	uint32_t device_id;
	uint32_t ioas_id;
	uint32_t hwpt_id;
	int fault_fd;
	volatile uint8_t *bar0;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("iopf: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* ---- finding the device ---- */

static unsigned int sysfs_id(const char *bdf, const char *name)
{
	char path[320];
	unsigned int id = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%x", &id) != 1)
		id = 0;
	fclose(file);
	return id;
}

static void find_device(struct setup *s)
{
	struct dirent *entry;
	DIR *dir = opendir("/sys/bus/pci/devices");

	while (dir && (entry = readdir(dir))) {
		if (strlen(entry->d_name) < sizeof(s->bdf) &&
		    sysfs_id(entry->d_name, "vendor") == VENDOR &&
		    sysfs_id(entry->d_name, "device") == DEVICE) {
			strcpy(s->bdf, entry->d_name);
			break;
		}
	}
	if (dir)
		closedir(dir);
	if (!s->bdf[0])
		die("no device %04x:%04x here; try: uiommu run --device ats-testdev -- iopf",
		    VENDOR, DEVICE);
}

/* The character device is named by an entry of the folder vfio-dev. */
static int open_cdev(const char *bdf, char *path, size_t size)
{
	struct dirent *entry;
	char folder[64];
	DIR *dir;
	int fd;

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(folder);
	if (!dir)
		die("%s: %s; is the device bound to vfio-pci?", folder, strerror(errno));
	path[0] = '\0';
	while ((entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
	}
	closedir(dir);
	if (!path[0])
		die("%s is empty", folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	return fd;
}

/* ---- setting up ---- */

static void bind_and_attach(struct setup *s)
{
	struct vfio_device_bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = s->iommufd};
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_fault_alloc queue = {.size = sizeof(queue)};
	struct iommu_hwpt_alloc hwpt = {.size = sizeof(hwpt)};
	struct vfio_device_attach_iommufd_pt attach = {.argsz = sizeof(attach)};

	if (ioctl(s->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		die("VFIO_DEVICE_BIND_IOMMUFD: %s", strerror(errno));
	if (ioctl(s->iommufd, IOMMU_IOAS_ALLOC, &ioas))
		die("IOMMU_IOAS_ALLOC: %s", strerror(errno));
	if (ioctl(s->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue))
		die("IOMMU_FAULT_QUEUE_ALLOC: %s", strerror(errno));

	/* A page table on the IOAS, whose faults go to the queue. */
	hwpt.flags = IOMMU_HWPT_FAULT_ID_VALID;
	hwpt.dev_id = bind.out_devid;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = queue.out_fault_id;
	if (ioctl(s->iommufd, IOMMU_HWPT_ALLOC, &hwpt))
		die("IOMMU_HWPT_ALLOC: %s", strerror(errno));

	attach.pt_id = hwpt.out_hwpt_id;
	if (ioctl(s->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		die("VFIO_DEVICE_ATTACH_IOMMUFD_PT: %s", strerror(errno));

	s->device_id = bind.out_devid;
	s->ioas_id = ioas.out_ioas_id;
	s->hwpt_id = hwpt.out_hwpt_id;
	s->fault_fd = (int)queue.out_fault_fd;
}

static struct vfio_region_info region_info(const struct setup *s, uint32_t index)
{
	struct vfio_region_info info = {.argsz = sizeof(info), .index = index};

	if (ioctl(s->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		die("VFIO_DEVICE_GET_REGION_INFO %u: %s", index, strerror(errno));
	return info;
}

static void enable_bus_master(const struct setup *s)
{
	struct vfio_region_info config = region_info(s, VFIO_PCI_CONFIG_REGION_INDEX);
	off_t offset = (off_t)config.offset + PCI_COMMAND;
	uint16_t command;

	if (pread(s->device, &command, sizeof(command), offset) != sizeof(command))
		die("can't read the PCI command register: %s", strerror(errno));
	command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(s->device, &command, sizeof(command), offset) != sizeof(command))
		die("can't write the PCI command register: %s", strerror(errno));
}

static void map_bar0(struct setup *s)
{
	struct vfio_region_info bar0 = region_info(s, VFIO_PCI_BAR0_REGION_INDEX);
	void *mapped;

	mapped = mmap(NULL, bar0.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->device,
		      (off_t)bar0.offset);
	if (mapped == MAP_FAILED)
		die("can't map BAR 0: %s", strerror(errno));
	s->bar0 = mapped;
}

/* ---- driving the device ---- */

static void write_reg(const struct setup *s, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(s->bar0 + reg) = value;
}

static uint32_t read_reg(const struct setup *s, unsigned int reg)
{
	return *(volatile uint32_t *)(s->bar0 + reg);
}

static void start(const struct setup *s, uint64_t iova, uint32_t direction)
{
	write_reg(s, REG_ADDR_LO, (uint32_t)iova);
	write_reg(s, REG_ADDR_HI, (uint32_t)(iova >> 32));
	write_reg(s, REG_CMD, CMD_RUN | direction);
}

static void wait_until_done(const struct setup *s)
{
	double deadline = now_us() + TIMEOUT_MS * 1e3;

	while (read_reg(s, REG_CMD) & CMD_RUN) {
		if (now_us() > deadline)
			die("the device is still running after %d ms", TIMEOUT_MS);
	}
}

static struct iommu_hwpt_pgfault next_fault(const struct setup *s)
{
	struct pollfd pollfd = {.fd = s->fault_fd, .events = POLLIN};
	struct iommu_hwpt_pgfault fault;

	if (poll(&pollfd, 1, TIMEOUT_MS) != 1)
		die("no page request within %d ms", TIMEOUT_MS);
	if (read(s->fault_fd, &fault, sizeof(fault)) != sizeof(fault))
		die("can't read the fault queue: %s", strerror(errno));
	return fault;
}

static void answer(const struct setup *s, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response response = {.cookie = cookie, .code = code};

	if (write(s->fault_fd, &response, sizeof(response)) != sizeof(response))
		die("can't write the fault queue: %s", strerror(errno));
}

static void map_page(const struct setup *s, uint64_t iova, void *page)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = s->ioas_id,
		.user_va = (uintptr_t)page,
		.length = TRANSFER,
		.iova = iova,
	};

	if (ioctl(s->iommufd, IOMMU_IOAS_MAP, &map))
		die("IOMMU_IOAS_MAP: %s", strerror(errno));
}

/*
 * One transfer that faults: with a page, it is mapped and the answer is
 * SUCCESS; without, the answer is INVALID.
 */
static void transfer(const struct setup *s, uint64_t iova, uint32_t direction, void *page)
{
	bool reads = direction == CMD_READ_MEMORY;
	struct iommu_hwpt_pgfault fault;
	double t0, t1, t2, t3;

	printf("\nThe device %s %#x bytes at IOVA %#" PRIx64 ", where nothing is mapped.\n",
	       reads ? "reads" : "writes", TRANSFER, iova);
	t0 = now_us();
	start(s, iova, direction);
	fault = next_fault(s);
	t1 = now_us();
	printf("  %8.1f us  page request: %s%s at %#" PRIx64 ", device %u, cookie %u\n", t1 - t0,
	       fault.perm & IOMMU_PGFAULT_PERM_READ ? "read" : "",
	       fault.perm & IOMMU_PGFAULT_PERM_WRITE ? "write" : "", (uint64_t)fault.addr,
	       fault.dev_id, fault.cookie);
	if (fault.addr != iova || fault.dev_id != s->device_id)
		die("that is not what the device was told");
	if (!(read_reg(s, REG_CMD) & CMD_RUN))
		die("the device did not wait for the answer");

	t1 = now_us();
	if (page)
		map_page(s, iova, page);
	t2 = now_us();
	answer(s, fault.cookie, page ? IOMMUFD_PAGE_RESP_SUCCESS : IOMMUFD_PAGE_RESP_INVALID);
	wait_until_done(s);
	t3 = now_us();
	if (page)
		printf("  %8.1f us  page mapped\n", t2 - t1);
	printf("  %8.1f us  answered %s, the device %s\n", t3 - t2, page ? "SUCCESS" : "INVALID",
	       page ? "is done" : "gave up");
}

static void *new_page(void)
{
	void *page =
		mmap(NULL, TRANSFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	return page;
}

static void compare(const uint8_t *page, const uint8_t *expected, const char *what)
{
	size_t i;

	for (i = 0; i < TRANSFER; i++) {
		if (page[i] != expected[i])
			die("byte %#zx is %#x, should be %#x: %s", i, page[i], expected[i], what);
	}
	printf("%s\n", what);
}

int main(int argc, char **argv)
{
	struct setup s = {.bdf = ""};
	uint8_t *source, *target;
	char path[300];
	size_t i;

	if (argc > 2 || (argc == 2 && strlen(argv[1]) >= sizeof(s.bdf)))
		die("usage: iopf [BDF]");
	if (argc == 2)
		strcpy(s.bdf, argv[1]);
	else
		find_device(&s);

	s.device = open_cdev(s.bdf, path, sizeof(path));
	s.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (s.iommufd < 0)
		die("/dev/iommu: %s", strerror(errno));
	bind_and_attach(&s);
	enable_bus_master(&s);
	map_bar0(&s);
	printf("%s is %s: iommufd device %u, on page table %u of IOAS %u.\n", s.bdf, path,
	       s.device_id, s.hwpt_id, s.ioas_id);

	source = new_page();
	target = new_page();
	for (i = 0; i < TRANSFER; i++)
		source[i] = (uint8_t)(i * 7 + i / 256);

	transfer(&s, IOVA_SOURCE, CMD_READ_MEMORY, source);
	transfer(&s, IOVA_TARGET, 0, target);
	compare(target, source, "What it read is what it wrote: all bytes came back.");

	transfer(&s, IOVA_NOWHERE, CMD_READ_MEMORY, NULL);
	/* The device's buffer, seen through a page that is mapped by now. */
	memset(target, 0, TRANSFER);
	start(&s, IOVA_TARGET, 0);
	wait_until_done(&s);
	compare(target, source, "It read nothing there: its buffer is what it was.");
	return 0;
}

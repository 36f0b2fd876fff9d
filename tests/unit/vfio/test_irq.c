// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * INTx, MSI and MSI-X as a client has them: one at a time, masks, what stays pending.
 * The device raises them by its registers (0x20: message N or the pin; 0x24: no pin).
 */
#include "fixture.h"

#include <errno.h>
#include <string.h>

#define N VFIO_IRQ_SET_DATA_NONE
#define B VFIO_IRQ_SET_DATA_BOOL
#define E VFIO_IRQ_SET_DATA_EVENTFD
#define T VFIO_IRQ_SET_ACTION_TRIGGER
#define M VFIO_IRQ_SET_ACTION_MASK
#define U VFIO_IRQ_SET_ACTION_UNMASK

#define INTX VFIO_PCI_INTX_IRQ_INDEX
#define MSI VFIO_PCI_MSI_IRQ_INDEX
#define MSIX VFIO_PCI_MSIX_IRQ_INDEX

#define CONFIG ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << VFIO_OFFSET_SHIFT)
#define TABLE_BAR 2u

/* MSI at 0x40, MSI-X behind it. */
#define MSI_CAP 0x40u
#define MSIX_CAP 0x58u

static long set_irqs(struct client *c, int fd, uint32_t index, uint32_t flags, uint32_t start,
		     uint32_t count, const int32_t *fds)
{
	struct {
		struct vfio_irq_set set;
		int32_t data[16];
	} call = {.set = {sizeof(call), flags, index, start, count}};

	if (fds && flags & E)
		memcpy(call.data, fds, count * sizeof(*fds));
	else if (fds) /* one bool a byte */
		memcpy(call.data, fds, count);
	return do_ioctl(c, fd, VFIO_DEVICE_SET_IRQS, &call);
}

static long set_fd(struct client *c, int fd, uint32_t index, uint32_t start, int32_t eventfd)
{
	return set_irqs(c, fd, index, E | T, start, 1, &eventfd);
}

static void config_write16(struct client *c, int fd, uint64_t at, uint16_t value)
{
	assert_int_equal(do_pwrite(c, fd, &value, 2, CONFIG + at), 2);
}

static uint32_t config_read(struct client *c, int fd, uint64_t at, unsigned int size)
{
	uint32_t value = 0;

	assert_int_equal(do_pread(c, fd, &value, size, CONFIG + at), size);
	return value;
}

static void device_write(struct client *c, uint64_t reg, uint32_t value)
{
	assert_int_equal(pci_mmio_write(c->pdev, 0, reg, 4, value), 0);
}

/* A message, or the pin. */
static void raise_irq(struct client *c, uint32_t vector)
{
	device_write(c, 0x20, vector);
}

static uint32_t table_read(struct client *c, uint64_t at)
{
	uint64_t value;

	assert_int_equal(pci_mmio_read(c->pdev, TABLE_BAR, at, 4, &value), 0);
	return (uint32_t)value;
}

static void table_write(struct client *c, uint64_t at, uint32_t value)
{
	assert_int_equal(pci_mmio_write(c->pdev, TABLE_BAR, at, 4, value), 0);
}

static int open_with(struct client *c, const char *spec)
{
	int fd;

	client_open_spec(c, spec);
	fd = open_bound(c);
	config_write16(c, fd, PCI_REG_COMMAND, PCI_CMD_MEM | PCI_CMD_MASTER);
	return fd;
}

static void test_info(void **state)
{
	static const struct {
		uint32_t flags;
		uint32_t count;
	} want[] = {{7, 1}, {9, 8}, {1, 9}, {9, 1}, {9, 1}};
	struct client c;
	int fd = open_with(&c, "ats-testdev,msi=on,msix=9");
	uint32_t i;

	for (i = 0; i < 5; i++) {
		struct vfio_irq_info info = {.argsz = sizeof(info), .index = i};

		assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_IRQ_INFO, &info), 0);
		assert_int_equal(info.flags, want[i].flags);
		assert_int_equal(info.count, want[i].count);
	}
	client_close(&c);
	fd = open_with(&c, "ats-testdev,intx=off");
	assert_int_equal(config_read(&c, fd, PCI_REG_INTERRUPT_PIN, 1), 0);
	assert_int_equal(set_fd(&c, fd, INTX, 0, EVENTFD), -EINVAL);
	raise_irq(&c, 0);
	assert_false(pci_intx_asserted(c.pdev));
	client_close(&c);
}

/* The word that says that a table may be mapped, for those who make room for it. */
static void test_region_cap(void **state)
{
	struct {
		struct vfio_region_info info;
		struct vfio_info_cap_header cap;
	} r;
	struct client c;
	int fd = open_with(&c, "ats-testdev,msix=200");

	r.info = (struct vfio_region_info){.argsz = sizeof(r.info), .index = TABLE_BAR};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
	assert_int_equal(r.info.argsz, sizeof(r));
	assert_int_equal(r.info.flags, 15);
	assert_int_equal(r.info.cap_offset, 0);
	assert_int_equal(r.info.size, 8192);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
	assert_int_equal(r.info.cap_offset, sizeof(r.info));
	assert_int_equal(r.cap.id, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE);
	assert_int_equal(r.cap.version, 1);
	assert_int_equal(r.cap.next, 0);
	r.info = (struct vfio_region_info){.argsz = sizeof(r), .index = 0};
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
	assert_int_equal(r.info.flags, 7);
	client_close(&c);
}

static void test_intx(void **state)
{
	struct client c;
	int fd = open_with(&c, "ats-testdev");
	int32_t unmask = EVENTFD + 1;

	assert_int_equal(set_fd(&c, fd, INTX, 0, EVENTFD), 0);
	/* A level: sent once, and masked by that. */
	raise_irq(&c, 0);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 1);
	assert_int_equal(config_read(&c, fd, PCI_REG_STATUS, 2) & PCI_STATUS_INTERRUPT,
			 PCI_STATUS_INTERRUPT);
	/* Still asserted: unmasking sends it again. */
	assert_int_equal(set_irqs(&c, fd, INTX, N | U, 0, 1, NULL), 0);
	assert_int_equal(c.signals[0], 2);
	device_write(&c, 0x24, 1);
	assert_int_equal(config_read(&c, fd, PCI_REG_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	assert_int_equal(set_irqs(&c, fd, INTX, N | U, 0, 1, NULL), 0);
	assert_int_equal(c.signals[0], 2);
	/* Masked by the client. */
	assert_int_equal(set_irqs(&c, fd, INTX, N | M, 0, 1, NULL), 0);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 2);
	assert_int_equal(set_irqs(&c, fd, INTX, N | U, 0, 1, NULL), 0);
	assert_int_equal(c.signals[0], 3);
	/* Loopback needs no mask lifted; the unmask eventfd is one only. */
	assert_int_equal(set_irqs(&c, fd, INTX, N | T, 0, 1, NULL), 0);
	assert_int_equal(c.signals[0], 4);
	assert_int_equal(set_irqs(&c, fd, INTX, E | U, 0, 1, &unmask), 0);
	assert_int_equal(set_irqs(&c, fd, INTX, E | U, 0, 1, &unmask), -EBUSY);
	assert_non_null(c.ready[1]);
	c.ready[1](c.ready_arg[1]);
	assert_int_equal(c.signals[0], 5);
	/* A reset takes the pin down. */
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(config_read(&c, fd, PCI_REG_STATUS, 2) & PCI_STATUS_INTERRUPT, 0);
	client_close(&c);
}

static void test_intx_disable(void **state)
{
	struct client c;
	int fd = open_with(&c, "ats-testdev");
	uint16_t off = PCI_CMD_MEM | PCI_CMD_INTX_DISABLE;

	assert_int_equal(set_fd(&c, fd, INTX, 0, EVENTFD), 0);
	config_write16(&c, fd, PCI_REG_COMMAND, off);
	raise_irq(&c, 0);
	assert_int_equal(set_irqs(&c, fd, INTX, N | T, 0, 1, NULL), 0);
	/* Unmasking doesn't lift what COMMAND says. */
	assert_int_equal(set_irqs(&c, fd, INTX, N | U, 0, 1, NULL), 0);
	assert_int_equal(c.signals[0], 0);
	config_write16(&c, fd, PCI_REG_COMMAND, PCI_CMD_MEM);
	assert_int_equal(c.signals[0], 1);
	/* Set before INTx is turned on, it holds as well. */
	assert_int_equal(set_irqs(&c, fd, INTX, N | T, 0, 0, NULL), 0);
	config_write16(&c, fd, PCI_REG_COMMAND, off);
	assert_int_equal(set_fd(&c, fd, INTX, 0, EVENTFD), 0);
	assert_int_equal(c.signals[0], 1);
	config_write16(&c, fd, PCI_REG_COMMAND, PCI_CMD_MEM);
	assert_int_equal(c.signals[0], 2);
	client_close(&c);
}

static void test_msix(void **state)
{
	const int32_t three[] = {EVENTFD, -1, EVENTFD + 1};
	struct client c;
	int fd = open_with(&c, "ats-testdev,msix=9");

	assert_int_equal(config_read(&c, fd, MSIX_CAP - 0x18 + 2, 2), 8);
	assert_int_equal(set_irqs(&c, fd, MSIX, E | T, 0, 0, NULL), -ERANGE);
	assert_int_equal(set_irqs(&c, fd, MSIX, N | T, 0, 1, NULL), -EINVAL);
	assert_int_equal(set_irqs(&c, fd, MSIX, E | T, 0, 3, three), 0);
	assert_int_equal(config_read(&c, fd, MSIX_CAP - 0x18 + 2, 2), 0x8008);
	raise_irq(&c, 0);
	raise_irq(&c, 2);
	raise_irq(&c, 1);
	raise_irq(&c, 9);
	assert_int_equal(c.signals[0], 1);
	assert_int_equal(c.signals[1], 1);
	/* Pending, until somebody wants it. */
	assert_int_equal(table_read(&c, 0x800), 1 << 1);
	assert_int_equal(set_fd(&c, fd, MSIX, 1, EVENTFD + 2), 0);
	assert_int_equal(c.signals[2], 1);
	assert_int_equal(table_read(&c, 0x800), 0);
	/* One more than there were, while it's in use. */
	assert_int_equal(set_fd(&c, fd, MSIX, 8, EVENTFD + 3), 0);
	raise_irq(&c, 8);
	assert_int_equal(c.signals[3], 1);
	assert_int_equal(set_irqs(&c, fd, MSIX, N | T, 0, 9, NULL), 0);
	assert_int_equal(c.signals[3], 2);
	assert_int_equal(c.signals[0], 2);
	assert_int_equal(set_irqs(&c, fd, MSIX, N | M, 0, 1, NULL), -ENOTTY);
	assert_int_equal(set_irqs(&c, fd, MSIX, N | T, 0, 0, NULL), 0);
	assert_int_equal(config_read(&c, fd, MSIX_CAP - 0x18 + 2, 2), 0x0008);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 2);
	client_close(&c);
}

/* The registers in the BAR, for who maps them; a read of the region doesn't show them. */
static void test_msix_table(void **state)
{
	uint64_t region = (uint64_t)TABLE_BAR << VFIO_OFFSET_SHIFT;
	uint32_t seen[2] = {0, 0}, zero = 0;
	struct client c;
	int fd = open_with(&c, "ats-testdev,msix=4");

	assert_int_equal(table_read(&c, 12), 1);
	assert_int_equal(set_fd(&c, fd, MSIX, 0, EVENTFD), 0);
	assert_int_equal(table_read(&c, 0), 0xfee00000);
	assert_int_equal(table_read(&c, 12), 0);
	assert_int_equal(table_read(&c, 16 + 12), 1);
	table_write(&c, 12, 1);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 0);
	assert_int_equal(table_read(&c, 0x800), 1);
	table_write(&c, 0x800, 0); /* read-only */
	assert_int_equal(table_read(&c, 0x800), 1);
	table_write(&c, 12, 0);
	assert_int_equal(c.signals[0], 1);
	assert_int_equal(table_read(&c, 0x800), 0);

	assert_int_equal(do_pread(&c, fd, seen, 8, region + 4 * 16 - 4), 8);
	assert_int_equal(seen[0], 0xffffffff);
	assert_int_equal(seen[1], 0xffffffff); /* the model's: nothing there */
	assert_int_equal(do_pread(&c, fd, seen, 4, region + 0x800), 4);
	assert_int_equal(seen[0], 0);
	assert_int_equal(do_pwrite(&c, fd, &zero, 4, region), 4);
	assert_int_equal(table_read(&c, 0), 0xfee00000);
	/* What is pending is forgotten by a reset, who gets it is not. */
	table_write(&c, 12, 1);
	raise_irq(&c, 0);
	assert_int_equal(do_ioctl(&c, fd, VFIO_DEVICE_RESET, NULL), 0);
	assert_int_equal(table_read(&c, 0x800), 0);
	table_write(&c, 12, 0);
	assert_int_equal(c.signals[0], 1);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 2);
	client_close(&c);
}

static void test_msi(void **state)
{
	const int32_t two[] = {EVENTFD, EVENTFD + 1};
	struct client c;
	int fd = open_with(&c, "ats-testdev,msi=on");

	assert_int_equal(config_read(&c, fd, MSI_CAP + 2, 2), 0x0186);
	/* Can't be enabled by hand. */
	config_write16(&c, fd, MSI_CAP + 2, 0x0187);
	assert_int_equal(config_read(&c, fd, MSI_CAP + 2, 2), 0x0186);
	assert_int_equal(c.config[MSI_CAP + 2] & 1, 0);
	assert_int_equal(set_irqs(&c, fd, MSI, E | T, 0, 2, two), 0);
	assert_int_equal(c.config[MSI_CAP + 2] & 1, 1);
	assert_int_equal(set_fd(&c, fd, MSI, 2, EVENTFD), -EINVAL);
	raise_irq(&c, 0);
	raise_irq(&c, 1);
	raise_irq(&c, 3); /* two were granted */
	assert_int_equal(c.signals[0], 1);
	assert_int_equal(c.signals[1], 2);
	/* No more than were granted; the enable bit counts, now that it may. */
	config_write16(&c, fd, MSI_CAP + 2, 0x0186 | 0x70 | 1);
	assert_int_equal(config_read(&c, fd, MSI_CAP + 2, 2), 0x0186 | 0x10 | 1);
	config_write16(&c, fd, MSI_CAP + 2, 0x0186);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 1);
	device_write(&c, 0x24, 0);
	config_write16(&c, fd, MSI_CAP + 2, 0x0187);
	/* The masks are the function's. */
	assert_int_equal(config_read(&c, fd, MSI_CAP + 0x10, 4), 0xfc);
	config_write16(&c, fd, MSI_CAP + 0x10, 0xff);
	raise_irq(&c, 1);
	assert_int_equal(c.signals[1], 2);
	assert_int_equal(config_read(&c, fd, MSI_CAP + 0x14, 4), 2);
	config_write16(&c, fd, MSI_CAP + 0x10, 0xfc);
	assert_int_equal(c.signals[1], 3);
	assert_int_equal(set_irqs(&c, fd, MSI, N | T, 0, 0, NULL), 0);
	assert_int_equal(c.config[MSI_CAP + 2] & 1, 0);
	assert_int_equal(set_irqs(&c, fd, MSI, N | T, 0, 1, NULL), -EINVAL);
	client_close(&c);
}

static void test_one_at_a_time(void **state)
{
	const int32_t bad[] = {EVENTFD, OTHER_FD, EVENTFD + 1};
	static const uint32_t indexes[] = {INTX, MSI, MSIX};
	struct client c;
	int fd = open_with(&c, "ats-testdev,msi=on,msix=4");
	unsigned int i, j;

	for (i = 0; i < 3; i++) {
		assert_int_equal(set_fd(&c, fd, indexes[i], 0, EVENTFD), 0);
		for (j = 0; j < 3; j++) {
			if (j != i)
				assert_int_equal(set_fd(&c, fd, indexes[j], 0, EVENTFD), -EINVAL);
		}
		assert_int_equal(set_irqs(&c, fd, indexes[i], N | T, 0, 0, NULL), 0);
	}
	/* All or none: of three the middle one is no eventfd. */
	assert_int_equal(set_irqs(&c, fd, MSIX, E | T, 0, 3, bad), -EINVAL);
	assert_int_equal(c.holds[0], 0);
	assert_int_equal(set_fd(&c, fd, INTX, 0, -1), 0);
	assert_int_equal(set_irqs(&c, fd, INTX, N | T, 0, 0, NULL), 0);
	/* While it is on, the range loses what it had. */
	assert_int_equal(set_fd(&c, fd, MSIX, 0, EVENTFD), 0);
	assert_int_equal(set_irqs(&c, fd, MSIX, E | T, 0, 3, bad), -EINVAL);
	assert_int_equal(c.holds[0], 0);
	assert_int_equal(set_fd(&c, fd, MSIX, 3, EVENTFD), 0);
	client_close(&c);
}

/* A message is a write to memory. */
static void test_bus_master(void **state)
{
	struct client c;
	int fd = open_with(&c, "ats-testdev,msix=1");

	assert_int_equal(set_fd(&c, fd, MSIX, 0, EVENTFD), 0);
	config_write16(&c, fd, PCI_REG_COMMAND, PCI_CMD_MEM);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 0);
	config_write16(&c, fd, PCI_REG_COMMAND, PCI_CMD_MEM | PCI_CMD_MASTER);
	raise_irq(&c, 0);
	assert_int_equal(c.signals[0], 1);
	client_close(&c);
}

/* Who wants to have the device released is told by what; and that nothing does any more. */
static void test_request(void **state)
{
	struct client c;
	int fd;

	client_open(&c);
	fd = open_bound(&c);
	assert_int_equal(set_fd(&c, fd, VFIO_PCI_REQ_IRQ_INDEX, 0, EVENTFD), 0);
	assert_ptr_equal(c.asks, &c.signals[0]);
	assert_int_equal(set_fd(&c, fd, VFIO_PCI_REQ_IRQ_INDEX, 0, EVENTFD + 1), 0);
	assert_ptr_equal(c.asks, &c.signals[1]);
	assert_int_equal(uiommu_vfio_request(c.ctx, c.pdev->name), 0);
	assert_int_equal(c.signals[0], 0);
	assert_int_equal(c.signals[1], 1);
	assert_int_equal(set_fd(&c, fd, VFIO_PCI_REQ_IRQ_INDEX, 0, -1), 0);
	assert_null(c.asks);
	assert_int_equal(uiommu_vfio_request(c.ctx, c.pdev->name), 0);
	assert_int_equal(uiommu_vfio_request(c.ctx, "beef:77:00.0"), -ENODEV);
	assert_int_equal(set_fd(&c, fd, VFIO_PCI_REQ_IRQ_INDEX, 0, EVENTFD), 0);
	do_close(&c, fd);
	assert_null(c.asks);
	assert_int_equal(c.signals[1], 1);
	client_close(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),	   cmocka_unit_test(test_region_cap),
		cmocka_unit_test(test_intx),	   cmocka_unit_test(test_intx_disable),
		cmocka_unit_test(test_msix),	   cmocka_unit_test(test_msix_table),
		cmocka_unit_test(test_msi),	   cmocka_unit_test(test_one_at_a_time),
		cmocka_unit_test(test_bus_master), cmocka_unit_test(test_request),
	};

	return cmocka_run_group_tests_name("vfio-irq", tests, NULL, NULL);
}

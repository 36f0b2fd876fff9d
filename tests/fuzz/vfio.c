// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * fuzz/vfio.c - libFuzzer's harness of /dev/vfio, over two ats-testdevs
 *
 * Character devices, groups and containers, config space, interrupts and BARs, at random.
 * There is no model here.  What must hold: nothing that was asked for is answered beyond
 * its end; config space reads the same in pieces of any size; DMA reaches what is mapped
 * and nothing else; and nothing is left when all is closed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <uiommu/device.h>
#include <uiommu/mm.h>

#include "base/sync.h"
#include "fuzzer.h"
#include "pci/pci.h"
#include "uapi/iommufd.h"
#include "uapi/vfio.h"
#include "world.h"

#define NODES 5
#define CONFIG_REGION (7ull << 40)

/* Buffers 0 and 1 may be written by DMA; the others are never mapped to be. */
#define DMA_BUFFERS 2

static uint64_t results[OPS_MAX][OP_RESULTS];
static const struct op *op;
static size_t op_nr;

static const char *const nodes[NODES] = {"/dev/vfio/devices/vfio0", "/dev/vfio/devices/vfio1", NULL,
					 NULL, "/dev/vfio/vfio"};
static char groups[2][32];

/* ---- arguments ---- */

static uint64_t arg(unsigned int nr)
{
	uint64_t value = op->arg[nr];

	if (arg_is_ref(value)) {
		uint64_t from = ref_op(value);
		unsigned int result = ref_result(value);

		return from < op_nr && result < OP_RESULTS ? results[from][result] : 0;
	}
	if ((value & TAG_MASK) == VA_TAG)
		return buffer_va((unsigned int)(value >> 40 & 1)) + (value & 0xffffff);
	return value;
}

static uint32_t arg32(unsigned int nr)
{
	return (uint32_t)arg(nr);
}

static struct uiommu_file *file_of(uint64_t fd)
{
	struct world_fd *entry = world_fd_of(fd);

	return entry ? entry->file : world.iommufd;
}

static long do_ioctl(uint64_t fd, unsigned long request, uint64_t at)
{
	long rc;

	ui_fail_nth = op->fail;
	rc = uiommu_file_ioctl(file_of(fd), world.mm, request, at);
	ui_fail_nth = 0;
	return rc;
}

/* @argsz: 0: as it should be.  What it is beyond that is zero. */
static long call(uint64_t fd, unsigned long request, void *arg_struct, size_t size, uint32_t argsz)
{
	unsigned char *command = (unsigned char *)COMMAND_VA;
	long rc;

	if (argsz)
		memcpy(arg_struct, &argsz, sizeof(argsz));
	memset(command, 0, COMMAND_SIZE);
	memcpy(command, arg_struct, size);
	rc = do_ioctl(fd, request,
		      op->frame == FRAME_BADPTR ? HOLE_VA :
		      op->frame == FRAME_RO	? COMMAND_RO_VA :
						  COMMAND_VA);
	memcpy(arg_struct, command, size);
	return rc;
}

#define CALL(fd, request, s, argsz) call(fd, request, &(s), sizeof(s), argsz)

/* ---- iommufd, as far as it is needed ---- */

static void run_iommufd(void)
{
	struct iommu_ioas_alloc ioas = {.size = sizeof(ioas)};
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.ioas_id = arg32(0),
		.flags = arg32(1),
		.user_va = arg(2),
		.length = arg(3),
		.iova = arg(4),
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = arg32(0),
		.iova = arg(1),
		.length = arg(2),
	};
	struct iommu_destroy destroy = {.size = sizeof(destroy), .id = arg32(0)};
	struct iommu_fault_alloc fault = {.size = sizeof(fault)};
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.dev_id = arg32(0),
		.pt_id = arg32(1),
		.flags = arg32(2),
		.fault_id = arg32(3),
	};

	switch (op->kind) {
	case OP_IOAS_ALLOC:
		if (!CALL(0, IOMMU_IOAS_ALLOC, ioas, 0))
			results[op_nr][0] = ioas.out_ioas_id;
		break;
	case OP_MAP:
		/* Only what the harness may lose. */
		if (map.user_va >= SLOT_BASE && map.length <= BUFFER_SIZE)
			CALL(0, IOMMU_IOAS_MAP, map, 0);
		break;
	case OP_UNMAP:
		CALL(0, IOMMU_IOAS_UNMAP, unmap, 0);
		break;
	case OP_DESTROY:
		CALL(0, IOMMU_DESTROY, destroy, 0);
		break;
	case OP_FAULT_ALLOC:
		if (!CALL(0, IOMMU_FAULT_QUEUE_ALLOC, fault, 0)) {
			results[op_nr][0] = fault.out_fault_id;
			results[op_nr][1] = fault.out_fault_fd;
		}
		break;
	default:
		if (!CALL(0, IOMMU_HWPT_ALLOC, hwpt, 0))
			results[op_nr][0] = hwpt.out_hwpt_id;
		break;
	}
}

/* ---- files ---- */

static void run_open(void)
{
	unsigned int node = (unsigned int)(arg(0) % NODES), i = 0;
	struct uiommu_file *file;

	while (i < MAX_FDS && world.fds[i].file)
		i++;
	if (i == MAX_FDS)
		return;
	ui_fail_nth = op->fail;
	file = uiommu_open(world.ctx, nodes[node] ? nodes[node] : groups[node - 2], 2);
	ui_fail_nth = 0;
	if (UIOMMU_IS_ERR(file))
		return;
	world.fds[i].file = file;
	results[op_nr][0] = FIRST_FD + i;
}

static void run_bind(void)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.flags = arg32(3),
		.iommufd = (int32_t)(arg(1) > 3 ? arg(1) : 0),
	};
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.flags = arg32(2) & 3,
		.pt_id = arg32(1),
		.pasid = arg32(3),
	};
	struct vfio_device_detach_iommufd_pt detach = {
		.argsz = sizeof(detach),
		.flags = arg32(1) & 3,
		.pasid = arg32(2),
	};

	switch (op->kind) {
	case OP_BIND:
		if (!CALL(arg(0), VFIO_DEVICE_BIND_IOMMUFD, bind, arg32(2)))
			results[op_nr][0] = bind.out_devid;
		break;
	case OP_ATTACH:
		if (!CALL(arg(0), VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach, arg32(4)))
			results[op_nr][0] = attach.pt_id;
		break;
	default:
		CALL(arg(0), VFIO_DEVICE_DETACH_IOMMUFD_PT, detach, arg32(3));
		break;
	}
}

/* The words of an argument, of which the first is its size. */
static void run_info(void)
{
	static const unsigned long requests[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, VFIO_GROUP_GET_STATUS};
	uint32_t words[64] = {0};
	uint32_t argsz = arg32(3) < sizeof(words) ? arg32(3) : sizeof(words);
	unsigned long request = requests[arg(1) % 5];

	words[2] = arg32(2);
	memset((char *)words + (argsz > 12 ? argsz : 12), 0xa5,
	       sizeof(words) - (argsz > 12 ? argsz : 12));
	if (argsz < 12)
		argsz = 12;
	call(arg(0), request, words, sizeof(words), argsz);
	/* Nothing behind what there was room for. */
	for (size_t i = argsz; i < sizeof(words); i++)
		must(((unsigned char *)words)[i] == 0xa5, "byte %zu of %u was written", i, argsz);
}

static void run_irqs(void)
{
	uint32_t words[5 + 16] = {0, arg32(4), arg32(1), arg32(2), arg32(3)};
	uint64_t data = arg(5);

	for (unsigned int i = 0; i < 16; i++, data >>= 4)
		words[5 + i] = data & 8 ? (uint32_t)-1 : FIRST_EVENTFD + (uint32_t)(data & 7);
	words[0] = arg32(6) ? arg32(6) : sizeof(words);
	call(arg(0), VFIO_DEVICE_SET_IRQS, words, sizeof(words), 0);
}

static void run_feature(void)
{
	uint64_t words[6] = {0, arg(3), arg(4)};
	uint32_t head[2] = {arg32(2) ? arg32(2) : sizeof(words), arg32(1)};

	/* Which one: few are known. */
	head[1] = (head[1] & 0x70000) | (head[1] & 15);
	memcpy(words, head, sizeof(head));
	call(arg(0), VFIO_DEVICE_FEATURE, words, sizeof(words), 0);
}

static void run_hot_reset(void)
{
	uint32_t words[3 + 4] = {0, 0, arg32(1), arg32(2), arg32(3)};

	words[0] = arg32(4) ? arg32(4) : 12 + 4 * (words[2] & 3);
	call(arg(0), VFIO_DEVICE_PCI_HOT_RESET, words, sizeof(words), 0);
}

static void run_ioeventfd(void)
{
	struct vfio_device_ioeventfd cmd = {
		.argsz = sizeof(cmd),
		.flags = arg32(1),
		.offset = arg(2),
		.data = arg(3),
		.fd = arg(4) & 8 ? -1 : FIRST_EVENTFD + (int32_t)(arg(4) & 7),
	};

	CALL(arg(0), VFIO_DEVICE_IOEVENTFD, cmd, arg32(5));
}

/* ---- groups and containers ---- */

static void run_group(void)
{
	int32_t fd = (int32_t)arg(1);
	char name[32];
	long rc;

	switch (op->kind) {
	case OP_SET_CONTAINER:
		memcpy((void *)COMMAND_VA, &fd, sizeof(fd));
		do_ioctl(arg(0), VFIO_GROUP_SET_CONTAINER, COMMAND_VA);
		break;
	case OP_UNSET_CONTAINER:
		do_ioctl(arg(0), VFIO_GROUP_UNSET_CONTAINER, 0);
		break;
	default:
		snprintf(name, sizeof(name), "0000:0%d:00.0", (int)(arg(1) % 3) + 1);
		memcpy((void *)COMMAND_VA, name, sizeof(name));
		rc = do_ioctl(arg(0), VFIO_GROUP_GET_DEVICE_FD, COMMAND_VA);
		if (rc >= 0)
			results[op_nr][0] = (uint64_t)rc;
		break;
	}
}

static void run_container(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = arg32(1),
		.vaddr = arg(2),
		.iova = arg(3),
		.size = arg(4),
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = arg32(1),
		.iova = arg(2),
		.size = arg(3),
	};
	uint64_t words[32] = {0};
	uint32_t head[2] = {arg32(1), 0};

	switch (op->kind) {
	case OP_SET_IOMMU:
		do_ioctl(arg(0), VFIO_SET_IOMMU, arg(1));
		break;
	case OP_CHECK_EXTENSION:
		do_ioctl(arg(0), VFIO_CHECK_EXTENSION, arg(1));
		break;
	case OP_IOMMU_INFO:
		memcpy(words, head, sizeof(head));
		call(arg(0), VFIO_IOMMU_GET_INFO, words, sizeof(words), 0);
		break;
	case OP_DMA_MAP:
		if (map.vaddr >= SLOT_BASE && map.size <= BUFFER_SIZE)
			CALL(arg(0), VFIO_IOMMU_MAP_DMA, map, arg32(5));
		break;
	case OP_DMA_UNMAP:
		CALL(arg(0), VFIO_IOMMU_UNMAP_DMA, unmap, arg32(4));
		break;
	default:
		head[0] = arg32(5) ? arg32(5) : 48;
		head[1] = arg32(1);
		memcpy(words, head, sizeof(head));
		words[1] = arg(2);
		words[2] = arg(3);
		words[3] = arg(4);
		words[4] = SCRATCH_SIZE;
		words[5] = SCRATCH_VA;
		call(arg(0), VFIO_IOMMU_DIRTY_PAGES, words, sizeof(words), 0);
		break;
	}
}

/* ---- regions ---- */

static long device_pread(uint64_t fd, uint64_t at, void *buf, size_t length)
{
	long rc = uiommu_file_pread(file_of(fd), world.mm, SCRATCH_VA, length, at);

	if (rc > 0)
		memcpy(buf, (void *)SCRATCH_VA, (size_t)rc);
	return rc;
}

static void run_pread(void)
{
	uint64_t at = arg(1), length = arg(2) % 600;
	unsigned char whole[600], piece[600];
	long rc;

	if (!world_fd_of(arg(0)))
		return;
	rc = device_pread(arg(0), at, whole, length);
	must(rc <= (long)length, "%ld bytes were read, %llu asked for", rc,
	     (unsigned long long)length);
	if ((at & ~((1ull << 40) - 1)) != CONFIG_REGION || rc <= 0)
		return;
	for (long i = 0; i < rc; i++)
		must(device_pread(arg(0), at + (uint64_t)i, piece, 1) == 1 && piece[0] == whole[i],
		     "config space at %#llx is %#x, and %#x", (unsigned long long)at + (uint64_t)i,
		     whole[i], piece[0]);
}

static void run_pwrite(void)
{
	uint64_t data = arg(3), length = arg(2) % 64;
	long rc;

	if (!world_fd_of(arg(0)))
		return;
	for (unsigned int i = 0; i < 64; i += 8)
		memcpy((char *)SCRATCH_VA + i, &data, 8);
	rc = uiommu_file_pwrite(file_of(arg(0)), world.mm, SCRATCH_VA, length, arg(1));
	must(rc <= (long)length, "%ld bytes were written of %llu", rc, (unsigned long long)length);
}

static void run_command(void)
{
	uint16_t bits = (uint16_t)(arg(1) | (arg(1) & 1 ? 6 : 0));

	if (!world_fd_of(arg(0)))
		return;
	memcpy((void *)SCRATCH_VA, &bits, sizeof(bits));
	uiommu_file_pwrite(file_of(arg(0)), world.mm, SCRATCH_VA, sizeof(bits), CONFIG_REGION | 4);
}

static void run_stream(void)
{
	uint64_t words[2] = {arg(2), 0};

	if (!world_fd_of(arg(0)))
		return;
	memcpy((void *)SCRATCH_VA, words, sizeof(words));
	if (op->kind == OP_READ)
		uiommu_file_read(file_of(arg(0)), world.mm, SCRATCH_VA, arg(1) % 4096);
	else
		uiommu_file_write(file_of(arg(0)), world.mm, SCRATCH_VA, arg(1) % 64);
}

static struct uiommu_mapping **map_of(uint64_t nr)
{
	const size_t max = sizeof(world.maps) / sizeof(world.maps[0]);

	return nr && nr <= max && world.maps[nr - 1] ? &world.maps[nr - 1] : NULL;
}

static uint64_t map_lengths[8];

static void run_mmap(void)
{
	const size_t max = sizeof(world.maps) / sizeof(world.maps[0]);
	size_t i = 0;
	int rc;

	while (i < max && world.maps[i])
		i++;
	if (i == max || !world_fd_of(arg(0)))
		return;
	ui_fail_nth = op->fail;
	rc = uiommu_file_mmap(file_of(arg(0)), NULL, (int)(arg(3) & 7),
			      arg(3) & 8 ? MAP_PRIVATE : MAP_SHARED, arg(1) & ~0xfffull, arg(2),
			      &world.maps[i]);
	ui_fail_nth = 0;
	if (rc) {
		world.maps[i] = NULL;
		return;
	}
	map_lengths[i] = (arg(2) + 4095) & ~4095ull;
	results[op_nr][0] = i + 1;
}

static void map_write(struct uiommu_mapping *map, uint64_t offset, uint64_t value)
{
	uiommu_mapping_write(map, offset, value, 4);
}

static void run_map(void)
{
	struct uiommu_mapping **map = map_of(arg(0));
	unsigned int width = 1u << (arg(2) & 3);
	uint64_t offset, value;

	if (!map)
		return;
	switch (op->kind) {
	case OP_MUNMAP:
		uiommu_mapping_put(*map);
		*map = NULL;
		break;
	case OP_RUN_DEVICE:
		map_write(*map, 0, arg(1));
		map_write(*map, 4, arg(1) >> 32);
		map_write(*map, 0x18, arg(3));
		map_write(*map, 8, arg(2) | 1);
		world.written = true;
		break;
	default:
		offset = arg(1) % map_lengths[arg(0) - 1] & -(uint64_t)width;
		if (arg(3) & 1)
			uiommu_mapping_write(*map, offset, arg(4), width);
		else
			uiommu_mapping_read(*map, offset, &value, width);
		world.written = true;
		break;
	}
}

static void run_event(void)
{
	unsigned int nr = (unsigned int)(arg(0) % EVENTFDS);

	if (world.events[nr].ready)
		world.events[nr].ready(world.events[nr].arg);
}

static void run_raw(void)
{
	uint64_t words[8] = {0, arg(3), arg(4), arg(5)};
	uint32_t argsz = arg32(2);

	memcpy(words, &argsz, sizeof(argsz));
	/* Maps would be of anything. */
	if (VFIO_GET_API_VERSION + arg(1) % 64 == VFIO_IOMMU_MAP_DMA)
		return;
	call(arg(0), VFIO_GET_API_VERSION + arg(1) % 64, words, sizeof(words), 0);
}

/* ---- all ---- */

static void run_one(void)
{
	switch (op->kind) {
	case OP_OPEN:
		return run_open();
	case OP_CLOSE:
		if (world_fd_of(arg(0)))
			world_close(arg(0));
		return;
	case OP_IOAS_ALLOC:
	case OP_MAP:
	case OP_UNMAP:
	case OP_DESTROY:
	case OP_FAULT_ALLOC:
	case OP_HWPT_ALLOC:
		return run_iommufd();
	case OP_BIND:
	case OP_ATTACH:
	case OP_DETACH:
		return run_bind();
	case OP_INFO:
	case OP_GROUP_STATUS:
		return run_info();
	case OP_SET_IRQS:
		return run_irqs();
	case OP_RESET:
		do_ioctl(arg(0), VFIO_DEVICE_RESET, 0);
		return;
	case OP_FEATURE:
		return run_feature();
	case OP_HOT_RESET:
		return run_hot_reset();
	case OP_IOEVENTFD:
		return run_ioeventfd();
	case OP_SET_CONTAINER:
	case OP_UNSET_CONTAINER:
	case OP_GET_DEVICE_FD:
		return run_group();
	case OP_PREAD:
		return run_pread();
	case OP_PWRITE:
		return run_pwrite();
	case OP_CONFIG_COMMAND:
		return run_command();
	case OP_READ:
	case OP_WRITE:
		return run_stream();
	case OP_MMAP:
		return run_mmap();
	case OP_MAP_ACCESS:
	case OP_MUNMAP:
	case OP_RUN_DEVICE:
		return run_map();
	case OP_EVENT:
		return run_event();
	case OP_RAW_IOCTL:
		return run_raw();
	default:
		return run_container();
	}
}

static void add_devices(void)
{
	static const char *const specs[] = {
		"ats-testdev,msix=4,pasid=on,pm=on@0000:01:00.0",
		"ats-testdev,intx=on,msi=on@0000:02:00.0",
	};
	struct uiommu_counts c;
	char why[200];

	for (unsigned int i = 0; i < 2; i++) {
		struct uiommu_pci_device *pdev;

		must(!uiommu_pci_device_add(world.ctx, specs[i], &pdev, why, sizeof(why)), "%s",
		     why);
		snprintf(groups[i], sizeof(groups[i]), "/dev/vfio/%u", pdev->group_id);
	}
	uiommu_get_counts(world.ctx, &c);
	world.devices = (unsigned int)c.devices;
	world.domains = (unsigned int)c.domains;
}

/* What no DMA was allowed to reach. */
static void check_others(void)
{
	for (unsigned int i = DMA_BUFFERS; i < BUFFERS; i++)
		must(!memcmp((void *)buffer_va(i), world.shadow[i], BUFFER_SIZE),
		     "buffer %u was written", i);
	for (unsigned int i = 0; i < DMA_BUFFERS; i++)
		memcpy(world.shadow[i], (void *)buffer_va(i), BUFFER_SIZE);
}

void fuzz_run(const struct op *ops, size_t nr)
{
	world_begin();
	add_devices();
	for (op_nr = 0; op_nr < nr; op_nr++) {
		op = &ops[op_nr];
		memset(results[op_nr], 0, sizeof(results[op_nr]));
		if (world.trace)
			op_print(op, op_nr);
		run_one();
	}
	if (world.written)
		check_others();
	world_end();
}

void fuzz_init(void)
{
	world_init();
}
